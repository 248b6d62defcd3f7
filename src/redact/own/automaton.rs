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
    next: Vec<u16>,
    states: Vec<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    is_match: bool,
    /// Whether nothing can follow.
    is_last: bool,
}

impl Automaton {
    pub(super) const DEAD: u16 = 0;
    pub(super) const START: u16 = 1;

    pub(super) fn new(node: &Node) -> Result<Self, Refused> {
        let mut steps = Steps {
            all: vec![Step::Match],
        };
        let start = steps.add(node, 0)?;
        let (classes, class_count) = steps.classes();
        let mut automaton = Self {
            classes,
            class_count,
            next: vec![Self::DEAD; class_count],
            states: vec![State {
                is_match: false,
                is_last: true,
            }],
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
        known.insert(BTreeSet::new(), Self::DEAD);
        known.extend(sets.get(1).cloned().map(|set| (set, Self::START)));
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
            let is_match = set.contains(&0);
            self.states.push(State { is_match, is_last });
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
        let row = usize::from(state).wrapping_mul(self.class_count);
        let entry = self.next.get(row.wrapping_add(usize::from(class)));
        entry.copied().unwrap_or(Self::DEAD)
    }

    pub(super) fn is_match(&self, state: u16) -> bool {
        self.states
            .get(usize::from(state))
            .is_some_and(|state| state.is_match)
    }

    /// Whether no byte leads on from a state.
    pub(super) fn is_last(&self, state: u16) -> bool {
        self.states
            .get(usize::from(state))
            .is_none_or(|state| state.is_last)
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
