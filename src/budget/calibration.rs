//! How far a model's own count of prompts is from the estimate, learnt from what providers say.
//!
//! The mean and the mean deviation of actual to estimated are kept in shared memory, one value for each
//! model. A reservation takes the mean and a guard of a few deviations, so that prompts seldom turn out
//! larger than what was held for them. What was learnt is advice: where two workers learn at once, one lesson
//! is lost.

use super::Shared;

/// What was learnt of one model, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calibration {
    mean: u64,
    deviation: u64,
}

/// Before anything is learnt: half as much again as the estimate, for vocabularies differ by as much.
const UNKNOWN: Calibration = Calibration {
    mean: 1_000,
    deviation: 170,
};
/// What a provider puts around each prompt, however small.
pub const FRAME_TOKENS: u64 = 32;
const GUARD_DEVIATIONS: u64 = 3;
/// One lesson's share is this part.
const SHARE: u64 = 16;
/// No prompt teaches more: it held what the estimate does not know.
const RATIO_MIN: u64 = 250;
const RATIO_MAX: u64 = 4_000;
/// Smaller prompts are mostly what a provider adds to each.
const LESSON_TOKENS_MIN: u64 = 64;
const PREFIX: &str = "tollgate.calibration.1/";

impl Calibration {
    /// What is known of a model.
    pub fn read(model: &str, shared: &dyn Shared) -> Self {
        let known = shared.read(&key(model));
        known
            .and_then(|(bytes, _)| Self::decode(&bytes))
            .unwrap_or(UNKNOWN)
    }

    /// What to hold for an estimate.
    #[must_use]
    pub const fn bound(&self, estimated: u64) -> u64 {
        let guard = self.deviation.saturating_mul(GUARD_DEVIATIONS);
        let factor = self.mean.saturating_add(guard);
        let prompt = estimated.saturating_mul(factor).div_ceil(1_000);
        prompt.saturating_add(FRAME_TOKENS)
    }

    /// Learns from a prompt that was estimated and then counted.
    pub fn learn(model: &str, estimated: u64, actual: u64, shared: &dyn Shared) {
        if estimated < LESSON_TOKENS_MIN || actual == 0 {
            return;
        }
        let key = key(model);
        let stored = shared.read(&key);
        let version = stored.as_ref().map(|(_, version)| *version);
        let known = stored.and_then(|(bytes, _)| Self::decode(&bytes));
        let learnt = known.unwrap_or(UNKNOWN).with(estimated, actual);
        // Another worker's lesson is as good.
        let _is_kept = shared.write(&key, &learnt.encode(), version);
    }

    fn with(self, estimated: u64, actual: u64) -> Self {
        let ratio = actual.saturating_mul(1_000).checked_div(estimated);
        let ratio = ratio.unwrap_or(1_000).clamp(RATIO_MIN, RATIO_MAX);
        Self {
            mean: toward(self.mean, ratio),
            deviation: toward(self.deviation, ratio.abs_diff(self.mean)),
        }
    }

    fn encode(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (mean, deviation) = bytes.split_at_mut(8);
        mean.copy_from_slice(&self.mean.to_le_bytes());
        deviation.copy_from_slice(&self.deviation.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (mean, rest) = bytes.split_first_chunk()?;
        let deviation = rest.try_into().ok()?;
        Some(Self {
            mean: u64::from_le_bytes(*mean).clamp(RATIO_MIN, RATIO_MAX),
            deviation: u64::from_le_bytes(deviation).min(RATIO_MAX),
        })
    }
}

fn toward(known: u64, seen: u64) -> u64 {
    let step = known.abs_diff(seen).div_ceil(SHARE);
    if seen > known {
        known.saturating_add(step)
    } else {
        known.saturating_sub(step)
    }
}

fn key(model: &str) -> String {
    [PREFIX, model].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is held for 1,000 estimated tokens after so many prompts that were `actual` for 1,000.
    #[track_caller]
    fn check(actual: &[u64], prompts: usize, want: std::ops::RangeInclusive<u64>) {
        let mut known = UNKNOWN;
        for actual in actual.iter().cycle().take(prompts) {
            known = known.with(1_000, *actual);
        }
        let bound = known.bound(1_000).saturating_sub(FRAME_TOKENS);
        assert!(want.contains(&bound), "{bound}");
    }

    #[test]
    fn before_the_first_prompt_there_is_room() {
        check(&[], 0, 1_510..=1_510);
    }

    #[test]
    fn a_model_that_counts_more_is_followed() {
        check(&[1_400], 100, 1_400..=1_450);
    }

    #[test]
    fn a_model_that_counts_less_is_followed_down() {
        check(&[800], 200, 800..=850);
    }

    #[test]
    fn while_it_learns_the_bound_never_falls_below_what_it_has_seen() {
        for actual in [500, 900, 1_000, 1_200, 1_400, 1_500] {
            let mut known = UNKNOWN;
            for _ in 0..300 {
                assert!(
                    known.bound(1_000) - FRAME_TOKENS >= actual,
                    "{known:?} {actual}"
                );
                known = known.with(1_000, actual);
            }
        }
    }

    #[test]
    fn prompts_that_scatter_keep_a_guard() {
        check(&[800, 1_200], 200, 1_200..=1_700);
    }

    #[test]
    fn one_strange_prompt_does_not_rule() {
        let known = UNKNOWN.with(1_000, 1_000_000);
        assert!(known.bound(1_000) < 2_500, "{known:?}");
    }

    #[test]
    fn it_is_its_bytes() {
        let known = UNKNOWN.with(1_000, 1_234);
        assert_eq!(Calibration::decode(&known.encode()), Some(known));
        assert_eq!(Calibration::decode(b"short"), None);
    }
}
