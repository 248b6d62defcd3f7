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
mod read;
mod syntax;

pub(super) use decode::Depth;
pub(super) use read::read;

use super::candidate::{Candidate, Tail};
use super::kind::Kind;
use super::plan::Plan;
use super::view::{More, View};
use automaton::{Automaton, Means};
use list::List;

/// What all patterns may do before the first byte: a tenth of a thousandth of a second.
const STEPS_MIN: usize = 128 * 1024;
const STEPS_PER_BYTE: usize = 6;
/// How much farther than a match reaches is looked for what it must have; and from how much on that spares attempts.
const AHEAD_BYTES: usize = 512;
const SLEEP_BYTES_MIN: usize = 16;
/// How far before a match the words of its context may begin.
const CONTEXT_BYTES: usize = 56;

/// Everything that is the admin's own.
#[derive(Debug)]
pub(super) struct Own {
    /// By [`Kind::Own`]; the last one is the overrun.
    names: Vec<Box<str>>,
    patterns: Vec<Pattern>,
    lists: Vec<(Kind, u8, List)>,
    pub(super) depth: Depth,
    /// What may begin with each byte.
    starts: Box<[Start; 256]>,
    /// Which patterns may go on with each byte in the second place and in the third.
    follows: Box<[[u64; 2]; 256]>,
}

#[derive(Debug)]
struct Pattern {
    kind: Kind,
    score: u8,
    automaton: Automaton,
    is_edge_before: bool,
    is_edge_behind: bool,
    bytes_max: usize,
    /// Words of which one has to stand before; none if there are none.
    context: Option<List>,
    /// The longest of them.
    context_bytes_max: usize,
}

/// What may begin with a byte.
#[derive(Debug, Clone, Copy, Default)]
struct Start {
    /// Bits of [`Start::ANYWHERE`] and the like.
    places: u8,
    /// Bits of patterns, and of those of them that begin with a word.
    patterns: u64,
    at_words: u64,
}

impl Start {
    /// A word of a list, behind any byte.
    const ANYWHERE: u8 = 1;
    /// A word of a list, not inside a word.
    const WORD: u8 = 2;
    /// Not inside a run of base64.
    const BASE64: u8 = 4;
    /// Not inside a run of a URL.
    const URL: u8 = 8;
}

/// How much patterns have done in a text.
#[derive(Debug, Clone)]
pub(super) struct Work {
    steps: usize,
    is_over: bool,
    /// By pattern: from where it was asked last up to here there is nothing that it does not match without.
    clear: Vec<usize>,
    /// Patterns that match nowhere before a place.
    asleep: u64,
    until: usize,
    /// By pattern: before this place words of its context were looked for, and one more than where the last of them begins.
    contexts: Vec<(usize, usize)>,
}

impl Work {
    pub(super) const fn new() -> Self {
        Self {
            steps: 0,
            is_over: false,
            clear: Vec::new(),
            asleep: 0,
            until: 0,
            contexts: Vec::new(),
        }
    }
}

impl Work {
    /// Notes that a pattern matches nowhere before a place.
    fn sleep(&mut self, at: usize, place: usize, until: usize) {
        if until < at.saturating_add(SLEEP_BYTES_MIN) {
            return;
        }
        let bit = u32::try_from(place).map_or(0, |place| 1_u64.checked_shl(place).unwrap_or(0));
        if at >= self.until {
            (self.asleep, self.until) = (bit, until);
        } else {
            self.asleep |= bit;
            self.until = self.until.min(until);
        }
    }
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
    pub(super) fn first(&self, view: &View<'_>, from: usize, work: &Work) -> usize {
        let mut before = view.before(from);
        let rest = view.rest(from);
        let mut behind = rest.iter().skip(1);
        let asleep = work.until.saturating_sub(from);
        let mut place: usize = 0;
        let offset = rest.iter().position(|&byte| {
            let next = behind.next();
            let start = self.start(byte);
            let awake = if place < asleep {
                !work.asleep
            } else {
                u64::MAX
            };
            place = place.wrapping_add(1);
            let may_begin = start.places != 0 && may_begin(start.places, before, byte)
                || start.patterns != 0
                    && awake
                        & self.patterns(start, before, byte)
                        & next.map_or(u64::MAX, |&it| self.follow(it, 0))
                        != 0;
            before = byte;
            may_begin
        });
        offset.map_or_else(|| view.end(), |offset| from.wrapping_add(offset))
    }

    /// The patterns that may begin with a byte behind another.
    #[inline]
    fn patterns(&self, start: Start, before: u8, byte: u8) -> u64 {
        match is_word(before) && is_word(byte) {
            true => start.patterns & !start.at_words,
            false => start.patterns,
        }
    }

    #[inline]
    fn follow(&self, byte: u8, place: usize) -> u64 {
        let row = self.follows.get(usize::from(byte));
        row.and_then(|row| row.get(place)).copied().unwrap_or(0)
    }

    fn start(&self, byte: u8) -> Start {
        self.starts
            .get(usize::from(byte))
            .copied()
            .unwrap_or_default()
    }

    /// Everything that begins here as one match. What does not count in the plan is left out.
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
        let byte = view.ahead(at)?;
        let mut patterns = self.patterns(self.start(byte), view.before(at), byte);
        if at < work.until {
            patterns &= !work.asleep;
        }
        if patterns != 0 {
            patterns &= self.follow(view.ahead(at.wrapping_add(1))?, 0);
        }
        if patterns != 0 {
            patterns &= self.follow(view.ahead(at.wrapping_add(2))?, 1);
        }
        let (mut steps, mut is_over) = (work.steps, work.is_over);
        if patterns != 0 {
            let bound = at.saturating_mul(STEPS_PER_BYTE).saturating_add(STEPS_MIN);
            if steps > bound {
                if !is_over {
                    is_over = true;
                    let end = at.wrapping_add(1);
                    merge(&mut all, candidate(plan, self.overrun(), at, end, 100));
                }
                patterns = 0;
            }
        }
        while patterns != 0 {
            let place = usize::try_from(patterns.trailing_zeros()).unwrap_or(0);
            patterns &= patterns.wrapping_sub(1);
            let Some(pattern) = self.patterns.get(place) else {
                break;
            };
            let Some(clear) = pattern.clear(view, at, place, work) else {
                continue;
            };
            if let Some(end) = pattern.find(view, at, clear, &mut steps)?
                && pattern.has_context(view, at, place, work)?
            {
                merge(
                    &mut all,
                    candidate(plan, pattern.kind, at, end, pattern.score),
                );
            }
        }
        for (kind, score, list) in &self.lists {
            if let Some(end) = list.find(view, at, usize::MAX)? {
                merge(&mut all, candidate(plan, *kind, at, end, *score));
            }
        }
        if !depth.is_none() {
            merge(&mut all, decode::find(plan, view, at, depth)?);
        }
        (work.steps, work.is_over) = (steps, is_over);
        Ok(all)
    }
}

/// Whether something may begin with a byte behind another.
#[inline]
const fn may_begin(places: u8, before: u8, byte: u8) -> bool {
    places & Start::ANYWHERE != 0
        || places & Start::WORD != 0 && !(is_word(before) && is_word(byte))
        || places & Start::BASE64 != 0 && !decode::is_base64(before)
        || places & Start::URL != 0 && !decode::is_url(before)
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

impl Pattern {
    /// Up to where there is nothing that the pattern does not match without; nothing if it cannot match here for that reason. Each
    /// place is looked at once, wherever matches may begin.
    fn clear(&self, view: &View<'_>, at: usize, place: usize, work: &mut Work) -> Option<usize> {
        if !self.automaton.has_must() {
            return Some(at);
        }
        if work.clear.len() <= place {
            work.clear.resize(place.wrapping_add(1), 0);
        }
        let clear = work.clear.get_mut(place)?;
        *clear = at.max(*clear);
        let until = at.saturating_add(self.bytes_max);
        let rest = view.rest(*clear);
        let far = until.saturating_add(AHEAD_BYTES).saturating_sub(*clear);
        let rest = rest.get(..far).unwrap_or(rest);
        let mut means = rest.iter().map(|&byte| self.automaton.means(byte));
        let length = means.position(|means| means != Means::More);
        #[cfg(test)]
        view.looked(length.unwrap_or(rest.len()) / 16);
        *clear = clear.wrapping_add(length.unwrap_or(rest.len()));
        let may_match = match length.and_then(|length| rest.get(length)) {
            Some(&byte) => *clear < until && self.automaton.means(byte) == Means::Must,
            // More may come.
            None => *clear < until && !view.is_end(),
        };
        if may_match {
            return Some(*clear);
        }
        let is_never = length.is_some_and(|length| {
            let byte = rest.get(length).copied().unwrap_or(0);
            self.automaton.means(byte) == Means::Never
        });
        let until = match is_never {
            true => *clear,
            false => clear.saturating_sub(self.bytes_max),
        };
        work.sleep(at, place, until);
        None
    }

    /// Where the longest match that begins here ends. A run that ends before the place does not count: whether it is made at
    /// all depends on what stands behind.
    fn find(
        &self,
        view: &View<'_>,
        at: usize,
        clear: usize,
        steps: &mut usize,
    ) -> Result<Option<usize>, More> {
        if self.is_edge_before && is_word(view.before(at)) == is_word(view.ahead(at)?) {
            return Ok(None);
        }
        let rest = view.rest(at);
        let (mut here, mut end) = (at, None);
        let mut state = Automaton::START;
        for &byte in rest {
            state = self.automaton.next(state, byte);
            here = here.wrapping_add(1);
            if Automaton::is_match(state)
                && (!self.is_edge_behind || is_word(byte) != is_word(view.ahead(here)?))
            {
                end = Some(here);
            }
            if Automaton::is_last(state) {
                break;
            }
        }
        if here > clear {
            *steps = steps.wrapping_add(here.wrapping_sub(at));
        }
        match Automaton::is_last(state) || view.is_end() {
            true => Ok(end),
            false => Err(More),
        }
    }

    /// Whether it may match inside a text of which it is known what may stand at each place.
    fn is_in(&self, places: &[&[u8]]) -> bool {
        let is_word_at = |at: Option<usize>| {
            let place = at.and_then(|at| places.get(at)?.first());
            place.map(|&byte| is_word(byte))
        };
        // What stands around the text is not known.
        let is_edge = |one: Option<bool>, other: Option<bool>| {
            one.zip(other).is_none_or(|(one, other)| one != other)
        };
        (0..places.len()).any(|from| {
            let before = is_word_at(from.checked_sub(1));
            if self.is_edge_before && !is_edge(before, is_word_at(Some(from))) {
                return false;
            }
            let mut states = vec![Automaton::START];
            (from..).zip(places.iter().skip(from)).any(|(at, place)| {
                let mut reached = Vec::new();
                for &state in &states {
                    reached.extend(place.iter().map(|&byte| self.automaton.next(state, byte)));
                }
                reached.retain(|&state| state != Automaton::DEAD);
                reached.sort_unstable();
                reached.dedup();
                states = reached;
                states.iter().any(|&state| Automaton::is_match(state))
                    && (!self.is_edge_behind
                        || is_edge(is_word_at(Some(at)), is_word_at(at.checked_add(1))))
            })
        })
    }

    /// Whether a word of the context stands within reach before a match. Each place is asked once, but for the last ones,
    /// where a word may still have gone on.
    fn has_context(
        &self,
        view: &View<'_>,
        at: usize,
        place: usize,
        work: &mut Work,
    ) -> Result<bool, More> {
        let Some(context) = &self.context else {
            return Ok(true);
        };
        if work.contexts.len() <= place {
            work.contexts.resize(place.wrapping_add(1), (0, 0));
        }
        let Some((asked, last)) = work.contexts.get_mut(place) else {
            return Ok(true);
        };
        let first = at.saturating_sub(CONTEXT_BYTES);
        for from in first.max(*asked)..at {
            if context.find(view, from, at)?.is_some() {
                *last = from.wrapping_add(1);
            }
        }
        *asked = at.saturating_sub(self.context_bytes_max).max(*asked);
        Ok(*last > first)
    }
}
