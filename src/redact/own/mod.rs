//! What an admin describes: patterns, lists of words, and how often encoded text is decoded to search it.
//!
//! They work as detectors do: each is asked where a match may begin, reads a bounded number of bytes from there, and
//! says [`More`] where the text so far ends. So a stream gives what the whole gives here too.
//!
//! Work is bounded: the steps of all patterns together may be [`STEPS_MIN`] and [`STEPS_PER_BYTE`] for each byte before.
//! Beyond that `on_overrun` decides: the text is refused, or patterns are left out for a while and that is reported. The
//! bound looks at places in the text only, so it does not depend on where the text was cut either.

mod automaton;
mod decode;
mod list;
mod lists;
#[cfg(test)]
mod model;
mod pattern;
mod read;
mod sieve;
mod syntax;

pub(super) use decode::Depth;
pub(super) use read::read;

use super::candidate::{Candidate, Tail};
use super::kind::Kind;
use super::plan::Plan;
use super::view::{More, View};
use list::Spot;
use lists::Lists;
use pattern::{Ends, Patterns, RUN_BYTES_MAX, SLEEPERS_MAX, Sleep};
use sieve::{Passed, Sieve};

/// What all patterns may do before the first byte: a tenth of a thousandth of a second.
const STEPS_MIN: usize = 128 * 1024;
const STEPS_PER_BYTE: usize = 6;

/// Everything that is the admin's own.
#[derive(Debug)]
pub(super) struct Own {
    /// By [`Kind::Own`]; the last one is the overrun.
    names: Vec<Box<str>>,
    patterns: Patterns,
    lists: Lists,
    pub(super) depth: Depth,
    sieve: Sieve,
    /// What else may begin with each byte: bits of [`begins`].
    begins: Box<[u8; 256]>,
}

/// What may begin with a byte besides patterns.
mod begins {
    /// A word of a list, behind any byte.
    pub(super) const ANYWHERE: u8 = 1;
    /// A word of a list, not inside a word.
    pub(super) const WORD: u8 = 2;
    /// Not inside a run of base64.
    pub(super) const BASE64: u8 = 4;
    /// Not inside a run of a URL.
    pub(super) const URL: u8 = 8;
}

/// How much was done in a text, and what is known of it.
#[derive(Debug, Clone)]
pub(super) struct Work {
    steps: usize,
    is_over: bool,
    /// Before this place patterns are left out.
    rest: usize,
    /// Where something may begin, in the block that was looked at last.
    passed: Passed,
    sleep: [Sleep; SLEEPERS_MAX],
    /// Before this place all of them sleep.
    nap: usize,
    /// Lists that may have a word at the place that was found last.
    having: u16,
    /// By pattern: before this place words of its context were looked for, and one more than where the last of them begins.
    contexts: Vec<(usize, usize)>,
    ends: Ends,
}

impl Work {
    pub(super) const fn new() -> Self {
        Self {
            steps: 0,
            is_over: false,
            rest: 0,
            passed: Passed::nowhere(),
            sleep: [Sleep::new(); SLEEPERS_MAX],
            nap: 0,
            having: 0,
            contexts: Vec::new(),
            ends: Ends::new(),
        }
    }
}

/// How long the run of letters and digits is that begins here, if it is a short one that ends in the block.
#[inline]
fn run(passed: &Passed, at: usize) -> Option<usize> {
    let place = u32::try_from(at.wrapping_sub(passed.start)).ok()?;
    let words = passed.words.checked_shr(place)?;
    let run = usize::try_from(words.trailing_ones()).ok()?;
    (1..RUN_BYTES_MAX)
        .contains(&run)
        .then_some(run)
        .filter(|run| at.wrapping_add(*run) < passed.end)
}

/// What a word is made of, in any script.
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

impl Own {
    pub(super) fn name(&self, place: u16) -> &str {
        self.names.get(usize::from(place)).map_or("", |name| name)
    }

    fn overrun(&self) -> Kind {
        Kind::Own(u16::try_from(self.names.len().saturating_sub(1)).unwrap_or(u16::MAX))
    }

    /// The first place from here on where something may begin; the end of the text if there is none.
    #[inline(never)] // What calls it is optimized sooner.
    pub(super) fn first(&self, view: &View<'_>, from: usize, work: &mut Work) -> usize {
        let mut at = from;
        while at < view.end() {
            if at < work.passed.start || at >= work.passed.end {
                work.passed = self.sieve.look(view, at);
            }
            let passed = work.passed;
            let behind = |place: usize| {
                let places = place.saturating_sub(passed.start);
                let places = u32::try_from(places).unwrap_or(u32::MAX);
                u64::MAX.checked_shl(places).unwrap_or(0)
            };
            let mut bits = passed.others | passed.sleepers & behind(work.nap.max(work.rest));
            bits &= behind(at);
            while bits != 0 {
                let place = usize::try_from(bits.trailing_zeros()).unwrap_or(0);
                let place = passed.start.wrapping_add(place);
                bits &= bits.wrapping_sub(1);
                let spot = (place, run(&passed, place));
                if let Some(having) = self.may_begin(view, spot, work) {
                    work.having = having;
                    return place;
                }
            }
            at = passed.end;
        }
        view.end()
    }

    /// Whether something may begin here, as far as a look at a few bytes tells: the lists that are to be asked.
    #[inline]
    fn may_begin(
        &self,
        view: &View<'_>,
        (at, run): (usize, Option<usize>),
        work: &Work,
    ) -> Option<u16> {
        let rest = view.rest(at);
        let (before, byte) = (view.before(at), rest.first().copied().unwrap_or(0));
        let end = view.is_end().then_some(0);
        let behind = [1, 2].map(|place: usize| rest.get(place).copied().or(end));
        let leaving = run.and_then(|run| rest.get(run)).copied();
        let fitting = self.patterns.fitting(before, byte, behind, leaving);
        let is_awake = at >= work.rest && self.patterns.is_awake(fitting, at, work);
        let mut may_begin = fitting != 0 && is_awake;
        let begins = self.begins.get(usize::from(byte)).copied().unwrap_or(0);
        let mut having = 0;
        if begins != 0 {
            let is_inside = is_word(before) && is_word(byte);
            may_begin |= begins & begins::BASE64 != 0 && !decode::is_base64(before)
                || begins & begins::URL != 0 && !decode::is_url(before);
            if begins & begins::ANYWHERE != 0 || begins & begins::WORD != 0 && !is_inside {
                having = self.lists.having(&Spot::new(view, at, run));
            }
        }
        (may_begin || having != 0).then_some(having)
    }

    /// Everything that begins as one match at the place that was found last. What does not count in the plan is left out.
    #[inline(never)] // What calls it is optimized sooner.
    pub(super) fn detect(
        &self,
        plan: &Plan,
        view: &View<'_>,
        at: usize,
        depth: Depth,
        work: &mut Work,
    ) -> Result<Option<Candidate>, More> {
        let mut all = None;
        let (before, byte) = (view.before(at), view.ahead(at)?);
        let (mut steps, mut is_over, mut rest) = (work.steps, work.is_over, work.rest);
        let mut set = match at < work.rest {
            true => 0,
            false => self.patterns.fitting(before, byte, [None; 2], None),
        };
        if set != 0 {
            let behind = [
                view.ahead(at.wrapping_add(1))?,
                view.ahead(at.wrapping_add(2))?,
            ];
            set = self.patterns.fitting(before, byte, behind.map(Some), None);
        }
        if set != 0 {
            set &= self.patterns.leaving(view, at)?;
            set = self.patterns.wake(set, view, at, work)?;
        }
        if set != 0 {
            let bound = at.saturating_mul(STEPS_PER_BYTE).saturating_add(STEPS_MIN);
            if steps > bound {
                // The place where there is room again.
                rest = steps.saturating_sub(STEPS_MIN).div_ceil(STEPS_PER_BYTE);
                if !is_over {
                    is_over = true;
                    let end = at.wrapping_add(1);
                    merge(&mut all, candidate(plan, self.overrun(), at, end, 100));
                }
            } else {
                self.patterns
                    .run(set, view, at, &mut steps, &mut work.ends)?;
                for (place, bit, rule) in self.patterns.rules(work.ends.set()) {
                    if let Some(end) = work.ends.of(bit)
                        && rule.has_context(view, at, place, work)?
                    {
                        merge(&mut all, candidate(plan, rule.kind, at, end, rule.score));
                    }
                }
            }
        }
        if work.having != 0 {
            let spot = Spot::new(view, at, run(&work.passed, at));
            for (kind, score, list) in self.lists.of(work.having) {
                if let Some(end) = list.find(view, &spot, usize::MAX)? {
                    merge(&mut all, candidate(plan, *kind, at, end, *score));
                }
            }
        }
        if !depth.is_none() {
            merge(&mut all, decode::find(plan, view, at, depth)?);
        }
        (work.steps, work.is_over, work.rest) = (steps, is_over, rest);
        Ok(all)
    }
}

fn candidate(plan: &Plan, kind: Kind, start: usize, end: usize, score: u8) -> Option<Candidate> {
    let strength = plan.strength(kind, score)?;
    Some(Candidate {
        kind,
        start,
        end,
        score,
        strength,
        tail: Tail::None,
    })
}

fn merge(all: &mut Option<Candidate>, more: Option<Candidate>) {
    *all = match (*all, more) {
        (Some(one), Some(other)) => Some(one.merged(other)),
        (one, other) => one.or(other),
    };
}
