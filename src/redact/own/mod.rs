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
use automaton::Automaton;
use list::List;

/// What all patterns may do before the first byte: a thousandth of a second.
const STEPS_MIN: usize = 1024 * 1024;
const STEPS_PER_BYTE: usize = 8;
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
}

#[derive(Debug)]
struct Pattern {
    kind: Kind,
    score: u8,
    automaton: Automaton,
    is_edge_before: bool,
    is_edge_behind: bool,
    /// Words of which one has to stand before; none if there are none.
    context: Option<List>,
}

/// What may begin with a byte.
#[derive(Debug, Clone, Copy, Default)]
struct Start {
    /// Bits of [`Start::ANYWHERE`] and the like.
    places: u8,
    /// Bits of patterns.
    patterns: u64,
}

impl Start {
    /// Behind any byte.
    const ANYWHERE: u8 = 1;
    /// Not inside a word.
    const WORD: u8 = 2;
    /// Not inside a run of base64.
    const BASE64: u8 = 4;
    /// Not inside a run of a URL.
    const URL: u8 = 8;
}

/// How much patterns have done in a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    steps: usize,
    is_over: bool,
}

impl Work {
    pub(super) const fn new() -> Self {
        Self {
            steps: 0,
            is_over: false,
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
    pub(super) fn first(&self, view: &View<'_>, from: usize) -> usize {
        let mut before = view.before(from);
        let offset = view.rest(from).iter().position(|&byte| {
            let places = self.start(byte).places;
            let may_begin = places != 0 && may_begin(places, before, byte);
            before = byte;
            may_begin
        });
        offset.map_or_else(|| view.end(), |offset| from.wrapping_add(offset))
    }

    fn start(&self, byte: u8) -> Start {
        self.starts
            .get(usize::from(byte))
            .copied()
            .unwrap_or_default()
    }

    /// Everything that begins here as one match. What does not count in the plan is left out.
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
        let patterns = self.start(byte).patterns;
        let mut done = *work;
        if patterns != 0 {
            let bound = at.saturating_mul(STEPS_PER_BYTE).saturating_add(STEPS_MIN);
            if done.steps > bound {
                if !done.is_over {
                    done.is_over = true;
                    let end = at.wrapping_add(1);
                    merge(&mut all, candidate(plan, self.overrun(), at, end, 100));
                }
            } else {
                for (bit, pattern) in (0_u32..).zip(&self.patterns) {
                    if patterns.checked_shr(bit).unwrap_or(0) & 1 == 1
                        && let Some(end) = pattern.find(view, at, &mut done.steps)?
                    {
                        merge(
                            &mut all,
                            candidate(plan, pattern.kind, at, end, pattern.score),
                        );
                    }
                }
            }
        }
        for (kind, score, list) in &self.lists {
            if let Some(end) = list.find(view, at)? {
                merge(&mut all, candidate(plan, *kind, at, end, *score));
            }
        }
        if !depth.is_none() {
            merge(&mut all, decode::find(plan, view, at, depth)?);
        }
        *work = done;
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
    /// Where the longest match that begins here ends.
    fn find(&self, view: &View<'_>, at: usize, steps: &mut usize) -> Result<Option<usize>, More> {
        if self.is_edge_before && is_word(view.before(at)) == is_word(view.ahead(at)?) {
            return Ok(None);
        }
        let mut state = Automaton::START;
        let (mut here, mut end) = (at, None);
        while !self.automaton.is_last(state) {
            let byte = view.ahead(here)?;
            *steps = steps.wrapping_add(1);
            state = self.automaton.next(state, byte);
            here = here.wrapping_add(1);
            if self.automaton.is_match(state)
                && (!self.is_edge_behind || is_word(byte) != is_word(view.ahead(here)?))
            {
                end = Some(here);
            }
        }
        Ok(end.filter(|_| self.has_context(view, at)))
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
                states.iter().any(|&state| self.automaton.is_match(state))
                    && (!self.is_edge_behind
                        || is_edge(is_word_at(Some(at)), is_word_at(at.checked_add(1))))
            })
        })
    }

    /// Whether a word of the context begins within reach before a match.
    fn has_context(&self, view: &View<'_>, at: usize) -> bool {
        let Some(context) = &self.context else {
            return true;
        };
        let from = at.saturating_sub(CONTEXT_BYTES);
        (from..at).any(|from| {
            context
                .find(view, from)
                .is_ok_and(|end| end.is_some_and(|end| end <= at))
        })
    }
}
