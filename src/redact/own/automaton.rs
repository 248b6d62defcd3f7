//! A pattern as a table: one look-up for each byte, from where a match may begin.
//!
//! It runs from one place and its matches are bounded, so it has no loops: no input makes it run longer than the longest
//! match. Its size is bounded when the policy is read, and what is too large is refused there.

use std::collections::{BTreeMap, BTreeSet};

use super::syntax::{Bytes, Node, Refused};

/// Entries of one table, two bytes each.
const ENTRIES_MAX: usize = 32 * 1024;
const STATES_MAX: usize = 4_096;

/// A deterministic automaton. State 0 is no match any more, state 1 the beginning.
#[derive(Debug)]
pub(super) struct Automaton {
    /// What bytes are alike, at least to this pattern.
    classes: Box<[u8; 256]>,
    class_count: usize,
    /// States with what they say in the two lowest bits.
    next: Vec<u16>,
    /// What bytes mean to it, if it has bytes of which each match has one.
    means: Option<Box<[Means; 256]>>,
}

/// What a byte means to whoever looks for a match ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// It may be a part of a match.
    More,
    /// Each match has one of these.
    Must,
    /// No match has it.
    Never,
}

impl Automaton {
    pub(super) const DEAD: u16 = Self::LAST;
    pub(super) const START: u16 = 1 << Self::BITS;
    const BITS: u32 = 2;
    /// In this state there is a match.
    const MATCH: u16 = 1;
    /// From this state no byte leads on.
    const LAST: u16 = 2;

    pub(super) fn new(node: &Node) -> Result<Self, Refused> {
        let mut steps = Steps {
            all: vec![Step::Match],
        };
        let start = steps.add(node, 0)?;
        let (classes, class_count) = steps.classes();
        let mut automaton = Self {
            classes,
            class_count,
            next: vec![0; class_count],
            means: steps.means(start),
        };
        automaton.determine(&steps, start)?;
        Ok(automaton)
    }

    /// Makes a state of every set of steps that can be reached.
    fn determine(&mut self, steps: &Steps, start: usize) -> Result<(), Refused> {
        const LARGE: Refused = "is too large to run; use fewer alternatives or smaller bounds";
        let samples = self.samples();
        let mut known: BTreeMap<BTreeSet<usize>, u16> = BTreeMap::new();
        let mut sets = vec![BTreeSet::new(), steps.closure([start])];
        known.insert(BTreeSet::new(), 0);
        known.extend(sets.get(1).cloned().map(|set| (set, 1)));
        // What each state says, known once all that follows it is.
        let mut says = vec![Self::LAST];
        let mut at = 1;
        while let Some(set) = sets.get(at).cloned() {
            at = at.saturating_add(1);
            let mut is_last = true;
            for &byte in &samples {
                let reached = set.iter().filter_map(|&step| steps.after(step, byte));
                let reached = steps.closure(reached);
                is_last &= reached.is_empty();
                let fresh = u16::try_from(sets.len()).ok().ok_or(LARGE)?;
                let state = *known.entry(reached).or_insert_with_key(|reached| {
                    sets.push(reached.clone());
                    fresh
                });
                self.next.push(state);
            }
            if self.next.len() > ENTRIES_MAX {
                return Err(LARGE);
            }
            let is_match = u16::from(set.contains(&0)).wrapping_mul(Self::MATCH);
            says.push(is_match | u16::from(is_last).wrapping_mul(Self::LAST));
        }
        if says.len() > usize::from(u16::MAX >> Self::BITS) {
            return Err(LARGE);
        }
        for entry in &mut self.next {
            let says = says.get(usize::from(*entry)).copied().unwrap_or(0);
            *entry = *entry << Self::BITS | says;
        }
        Ok(())
    }

    /// One byte of each class.
    fn samples(&self) -> Vec<u8> {
        let class = |class: usize| {
            let at = self.classes.iter().position(|&it| usize::from(it) == class);
            at.and_then(|at| u8::try_from(at).ok()).unwrap_or(0)
        };
        (0..self.class_count).map(class).collect()
    }

    #[inline]
    pub(super) fn next(&self, state: u16, byte: u8) -> u16 {
        let class = self.classes.get(usize::from(byte)).copied().unwrap_or(0);
        let row = usize::from(state >> Self::BITS).wrapping_mul(self.class_count);
        let entry = self.next.get(row.wrapping_add(usize::from(class)));
        entry.copied().unwrap_or(Self::DEAD)
    }

    pub(super) const fn is_match(state: u16) -> bool {
        state & Self::MATCH != 0
    }

    /// Whether no byte leads on from a state.
    pub(super) const fn is_last(state: u16) -> bool {
        state & Self::LAST != 0
    }

    pub(super) const fn has_must(&self) -> bool {
        self.means.is_some()
    }

    #[inline]
    pub(super) fn means(&self, byte: u8) -> Means {
        let means = self.means.as_ref();
        let own = means.and_then(|means| means.get(usize::from(byte)));
        own.copied().unwrap_or(Means::Must)
    }

    /// The states in which so many bytes may leave it, or one of a match if it may be over before.
    pub(super) fn after(&self, bytes: usize) -> Vec<u16> {
        let samples = self.samples();
        let mut states = vec![Self::START];
        for _ in 0..bytes {
            let mut reached = Vec::new();
            for &state in &states {
                reached.extend(samples.iter().map(|&byte| self.next(state, byte)));
            }
            if let Some(&state) = reached.iter().find(|&&state| Self::is_match(state)) {
                return vec![state];
            }
            reached.retain(|&state| state != Self::DEAD);
            reached.sort_unstable();
            reached.dedup();
            states = reached;
        }
        states
    }

    /// Whether a byte may follow in one of these states, or need not.
    pub(super) fn may_go_on(&self, states: &[u16], byte: u8) -> bool {
        let may = |&state: &u16| Self::is_match(state) || self.next(state, byte) != Self::DEAD;
        states.iter().any(may)
    }

    /// How large the table is.
    pub(super) fn entries(&self) -> usize {
        self.next.len()
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Match,
    One(Bytes, usize),
    Either(usize, usize),
}

/// The pattern as steps that lead to each other. Step 0 is the match.
struct Steps {
    all: Vec<Step>,
}

impl Steps {
    fn push(&mut self, step: Step) -> Result<usize, Refused> {
        if self.all.len() >= STATES_MAX {
            return Err("is too large; use fewer alternatives or smaller bounds");
        }
        self.all.push(step);
        Ok(self.all.len().saturating_sub(1))
    }

    /// Adds what matches the node and goes on at `next`. Returns where it begins.
    fn add(&mut self, node: &Node, next: usize) -> Result<usize, Refused> {
        match node {
            Node::One(bytes) => self.push(Step::One(*bytes, next)),
            Node::All(nodes) => nodes
                .iter()
                .rev()
                .try_fold(next, |next, node| self.add(node, next)),
            Node::Any(nodes) => {
                let mut nodes = nodes.iter();
                let first = nodes.next().map_or(Ok(next), |node| self.add(node, next))?;
                nodes.try_fold(first, |first, node| {
                    let other = self.add(node, next)?;
                    self.push(Step::Either(first, other))
                })
            }
            Node::Repeated { node, min, max } => {
                let mut start = next;
                for _ in *min..*max {
                    let once = self.add(node, start)?;
                    start = self.push(Step::Either(once, next))?;
                }
                for _ in 0..*min {
                    start = self.add(node, start)?;
                }
                Ok(start)
            }
        }
    }

    fn after(&self, step: usize, byte: u8) -> Option<usize> {
        match self.all.get(step)? {
            Step::One(bytes, next) if bytes.has(byte) => Some(*next),
            Step::One(..) | Step::Match | Step::Either(..) => None,
        }
    }

    /// All steps that can be reached without a byte.
    fn closure(&self, from: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
        let (mut open, mut closed): (Vec<usize>, _) = (from.into_iter().collect(), BTreeSet::new());
        let mut seen = BTreeSet::new();
        while let Some(step) = open.pop() {
            if !seen.insert(step) {
                continue;
            }
            if let Some(Step::Either(one, other)) = self.all.get(step) {
                open.extend([*one, *other]);
            } else {
                closed.insert(step);
            }
        }
        closed
    }

    /// What bytes mean, by the rarest of those that no match does without.
    fn means(&self, start: usize) -> Option<Box<[Means; 256]>> {
        const TRIED_MAX: usize = 64;
        let mut sets: Vec<(u32, Bytes)> = Vec::new();
        for step in &self.all {
            if let Step::One(bytes, _) = step
                && sets.len() < TRIED_MAX
                && !sets.iter().any(|(_, known)| known == bytes)
            {
                sets.push((bytes.frequency(), *bytes));
            }
        }
        sets.sort_by_key(|&(frequency, _)| frequency);
        let (_, must) = sets.iter().find(|(_, bytes)| !self.avoids(start, bytes))?;
        let is_used = |byte: u8| {
            let mut steps = self.all.iter();
            steps.any(|step| matches!(step, Step::One(bytes, _) if bytes.has(byte)))
        };
        let mut means = Box::new([Means::Never; 256]);
        for (byte, means) in (0..=u8::MAX).zip(means.iter_mut()) {
            *means = match (must.has(byte), is_used(byte)) {
                (true, _) => Means::Must,
                (_, true) => Means::More,
                _ => Means::Never,
            };
        }
        Some(means)
    }

    /// Whether a match may do without these bytes.
    fn avoids(&self, start: usize, without: &Bytes) -> bool {
        let mut seen = vec![false; self.all.len()];
        let mut open = vec![start];
        while let Some(step) = open.pop() {
            let Some(seen) = seen.get_mut(step).filter(|seen| !**seen) else {
                continue;
            };
            *seen = true;
            match self.all.get(step) {
                Some(Step::Match) => return true,
                Some(Step::One(bytes, next)) if bytes != without => open.push(*next),
                Some(Step::Either(one, other)) => open.extend([*one, *other]),
                Some(Step::One(..)) | None => {}
            }
        }
        false
    }

    /// Gives bytes that no step tells apart the same class.
    fn classes(&self) -> (Box<[u8; 256]>, usize) {
        let mut classes = Box::new([0_u8; 256]);
        let mut count: usize = 1;
        let mut known: Vec<Bytes> = Vec::new();
        for step in &self.all {
            let Step::One(bytes, _) = step else { continue };
            if known.contains(bytes) {
                continue;
            }
            known.push(*bytes);
            let mut split: BTreeMap<(u8, bool), u8> = BTreeMap::new();
            for (byte, class) in (0..=u8::MAX).zip(classes.iter_mut()) {
                let fresh = u8::try_from(split.len()).unwrap_or(u8::MAX);
                *class = *split.entry((*class, bytes.has(byte))).or_insert(fresh);
            }
            count = split.len();
        }
        (classes, count)
    }
}
