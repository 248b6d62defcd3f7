//! What a gateway last saw of buckets that are kept elsewhere, so that its status can tell of them without a call.
//!
//! Workers write down what their requests were told, budget by budget, in the memory that they share. Of each
//! budget the buckets that were seen last are kept, and each says when that was: others may have spent since.

use super::{Budget, Level, Shared};

/// What is kept of one budget.
#[derive(Debug, Default)]
pub struct Seen(Vec<Sight>);

/// One bucket, as it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// The key's fingerprint.
    pub key: u128,
    /// The key as people read it.
    pub label: String,
    /// How it stood.
    pub level: Level,
    /// When that was.
    pub seen_ms: u64,
}

/// How keys of this version begin.
const PREFIX: &str = "tollgate.seen.1/";
/// Buckets of a budget.
const SIGHTS_MAX: usize = 256;
/// Of a key's name, what is kept for people.
const LABEL_BYTES_MAX: usize = 96;

impl Seen {
    /// Adds what was seen. Says whether it is kept; another worker may have come in between.
    pub fn keep(budget: &Budget, sights: &[Sight], shared: &dyn Shared) -> bool {
        let key = place(budget);
        let (bytes, version) = match shared.read(&key) {
            Some((bytes, version)) => (bytes, Some(version)),
            None => (Vec::new(), None),
        };
        let Self(mut kept) = Self::decode(&bytes);
        for sight in sights {
            match kept.iter_mut().find(|known| known.key == sight.key) {
                Some(known) if known.seen_ms > sight.seen_ms => {}
                Some(known) => known.clone_from(sight),
                None => kept.push(sight.clone()),
            }
        }
        kept.sort_by_key(|sight| std::cmp::Reverse(sight.seen_ms));
        kept.truncate(SIGHTS_MAX);
        shared.write(&key, &Self(kept).encode(), version)
    }

    /// What was seen of a budget, the last first.
    pub fn read(budget: &Budget, shared: &dyn Shared) -> Vec<Sight> {
        let stored = shared.read(&place(budget));
        stored.map_or_else(Vec::new, |(bytes, _)| Self::decode(&bytes).0)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for sight in &self.0 {
            let Level {
                used,
                held,
                limit,
                resets_ms,
            } = sight.level;
            out.extend_from_slice(&sight.key.to_le_bytes());
            for number in [used, held, limit, resets_ms, sight.seen_ms] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            let end = sight.label.floor_char_boundary(LABEL_BYTES_MAX);
            let label = sight.label.get(..end).unwrap_or_default();
            out.push(u8::try_from(label.len()).unwrap_or(0));
            out.extend_from_slice(label.as_bytes());
        }
        out
    }

    /// What nobody of this version can have written is nothing.
    fn decode(mut bytes: &[u8]) -> Self {
        let mut sights = Vec::new();
        while let Some(sight) = Sight::decode(&mut bytes) {
            if sights.len() == SIGHTS_MAX {
                break;
            }
            sights.push(sight);
        }
        Self(sights)
    }
}

impl Sight {
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let (key, mut rest) = bytes.split_first_chunk()?;
        let mut numbers = [0; 5];
        for number in &mut numbers {
            let (head, tail) = rest.split_first_chunk()?;
            *number = u64::from_le_bytes(*head);
            rest = tail;
        }
        let [used, held, limit, resets_ms, seen_ms] = numbers;
        let (length, rest) = rest.split_first()?;
        let (label, rest) = rest.split_at_checked(usize::from(*length))?;
        *bytes = rest;
        Some(Self {
            key: u128::from_le_bytes(*key),
            label: str::from_utf8(label).ok()?.to_owned(),
            level: Level {
                used,
                held,
                limit,
                resets_ms,
            },
            seen_ms,
        })
    }
}

fn place(budget: &Budget) -> String {
    format!("{PREFIX}{}", budget.place())
}

#[cfg(test)]
mod tests {

    use super::super::memory::Memory;
    use super::super::{Unit, Window};
    use super::*;

    fn budget() -> Budget {
        let window = Window::Rolling { length_ms: 1_000 };
        Budget::new("b".to_owned(), Unit::Requests, window, false, 9)
    }

    fn sight(key: u128, used: u64, seen_ms: u64) -> Sight {
        Sight {
            key,
            label: format!("consumer={key}"),
            level: Level {
                used,
                limit: 10,
                ..Level::default()
            },
            seen_ms,
        }
    }

    #[test]
    fn of_each_bucket_what_was_seen_last_is_kept() {
        let memory = Memory::default();
        assert!(Seen::keep(
            &budget(),
            &[sight(1, 3, 10), sight(2, 4, 11)],
            &memory
        ));
        assert!(Seen::keep(
            &budget(),
            &[sight(1, 2, 9), sight(2, 5, 12)],
            &memory
        ));
        assert_eq!(
            Seen::read(&budget(), &memory),
            [sight(2, 5, 12), sight(1, 3, 10)]
        );
    }

    #[test]
    fn those_that_were_seen_first_make_room() {
        let memory = Memory::default();
        for key in 0..1_000_u32 {
            let sight = sight(key.into(), 1, key.into());
            assert!(Seen::keep(&budget(), &[sight], &memory));
        }
        let seen = Seen::read(&budget(), &memory);
        assert_eq!(seen.len(), SIGHTS_MAX);
        assert_eq!(seen.first().map(|sight| sight.key), Some(999));
    }

    #[test]
    fn what_is_cut_short_is_read_as_far_as_it_goes() {
        let memory = Memory::default();
        assert!(Seen::keep(
            &budget(),
            &[sight(1, 3, 10), sight(2, 4, 11)],
            &memory
        ));
        let (bytes, _) = memory.read("").unwrap_or_default();
        for cut in 0..bytes.len() {
            assert!(Seen::decode(bytes.get(..cut).unwrap_or_default()).0.len() < 2);
        }
    }
}
