//! Patterns as a table: one look-up for each byte, from where a match may begin, whatever their number.
//!
//! It runs from one place and its matches are bounded, so it has no loops: no input makes it run longer than the longest
//! match. Its size is bounded when the policy is read, and what is too large is refused there.

use std::collections::BTreeMap;

use super::syntax::{Bytes, Node, Refused};

/// Entries of one table, two bytes each.
pub(super) const ENTRIES_MAX: usize = 32 * 1024;
const STATES_MAX: usize = 4_096;
const LARGE: Refused = "is too large to run; use fewer alternatives or smaller bounds";

/// A deterministic automaton of some patterns. Row 0 is no match any more, the next one the beginning.
#[derive(Debug)]
pub(super) struct Automaton {
    /// What bytes are alike, at least to these patterns.
    classes: Box<[u8; 256]>,
    class_count: usize,
    /// Where in `next` the row of the state behind a byte of a class begins, with what that state says in the two lowest bits.
    next: Vec<u16>,
    /// How long a row is: a multiple of four.
    stride: usize,
    /// By row, patterns that have a match there: a bit for each.
    accepted: Vec<u64>,
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
    /// In this state there is a match.
    const MATCH: u16 = 1;
    /// From this state no byte leads on.
    const LAST: u16 = 2;
    const SAYS: u16 = Self::MATCH | Self::LAST;

    /// Makes a table of patterns, each with its bit.
    pub(super) fn new(patterns: &[(&Node, u64)], entries_max: usize) -> Result<Self, Refused> {
        let mut steps = Steps { all: Vec::new() };
        let mut starts = Vec::with_capacity(patterns.len());
        for (node, bit) in patterns {
            let end = steps.push(Step::Match(*bit))?;
            starts.push(steps.add(node, end)?);
        }
        let (classes, class_count) = steps.classes();
        let mut automaton = Self {
            classes,
            class_count,
            next: Vec::new(),
            stride: class_count.next_multiple_of(4),
            accepted: Vec::new(),
        };
        automaton.determine(&steps, &starts, entries_max)?;
        Ok(automaton)
    }

    /// The same for its one pattern under another bit.
    pub(super) fn of(mut self, bit: u64) -> Self {
        for accepted in &mut self.accepted {
            *accepted = if *accepted == 0 { 0 } else { bit };
        }
        self
    }

    /// Makes a state of every set of steps that can be reached.
    fn determine(
        &mut self,
        steps: &Steps,
        starts: &[usize],
        entries_max: usize,
    ) -> Result<(), Refused> {
        let samples = self.samples();
        let mut closure = Closure::new(steps);
        let start = closure.of(starts.iter().copied());
        let mut known = BTreeMap::from([(Vec::new(), 0), (start.clone(), 1)]);
        let mut sets = vec![Vec::new(), start];
        // What each state says, known once all that follows it is.
        let mut says = Vec::new();
        let mut at = 0;
        while let Some(set) = sets.get(at).cloned() {
            at = at.saturating_add(1);
            let mut is_last = true;
            for &byte in &samples {
                let reached = closure.of(set.iter().filter_map(|&step| steps.after(step, byte)));
                is_last &= reached.is_empty();
                let fresh = u16::try_from(sets.len()).ok().ok_or(LARGE)?;
                let state = known.get(&reached).copied().unwrap_or_else(|| {
                    known.insert(reached.clone(), fresh);
                    sets.push(reached);
                    fresh
                });
                self.next.push(state);
            }
            if at.saturating_mul(self.class_count) > entries_max {
                return Err(LARGE);
            }
            let stride = at.saturating_mul(self.stride);
            self.next.resize(stride, 0);
            let accepted = set.iter().fold(0, |all, &step| all | steps.accepted(step));
            self.accepted.push(accepted);
            let is_match = u16::from(accepted != 0).wrapping_mul(Self::MATCH);
            says.push(is_match | u16::from(is_last).wrapping_mul(Self::LAST));
        }
        let stride = u16::try_from(self.stride).ok().ok_or(LARGE)?;
        for entry in &mut self.next {
            let says = says.get(usize::from(*entry)).copied().unwrap_or(0);
            *entry = entry.checked_mul(stride).ok_or(LARGE)? | says;
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

    pub(super) fn start(&self) -> u16 {
        u16::try_from(self.stride).unwrap_or(0)
    }

    #[inline]
    pub(super) fn next(&self, state: u16, byte: u8) -> u16 {
        let class = self.classes.get(usize::from(byte)).copied().unwrap_or(0);
        let row = usize::from(state & !Self::SAYS);
        let entry = self.next.get(row.wrapping_add(usize::from(class)));
        entry.copied().unwrap_or(Self::DEAD)
    }

    /// Whether a state says anything.
    pub(super) const fn says(state: u16) -> bool {
        state & Self::SAYS != 0
    }

    pub(super) const fn is_match(state: u16) -> bool {
        state & Self::MATCH != 0
    }

    /// Whether no byte leads on from a state.
    pub(super) const fn is_last(state: u16) -> bool {
        state & Self::LAST != 0
    }

    /// Patterns that have a match in a state.
    pub(super) fn accepted(&self, state: u16) -> u64 {
        let row = usize::from(state & !Self::SAYS).checked_div(self.stride);
        let accepted = row.and_then(|row| self.accepted.get(row));
        accepted.copied().unwrap_or(0)
    }

    /// The states in which so many bytes may leave it, or one of a match if it may be over before.
    pub(super) fn after(&self, bytes: usize) -> Vec<u16> {
        let samples = self.samples();
        let mut states = vec![self.start()];
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

    /// The states in which words of these bytes may leave it.
    pub(super) fn within(&self, is_in: impl Fn(u8) -> bool) -> Vec<u16> {
        let inside: Vec<u8> = (0..=u8::MAX).filter(|&byte| is_in(byte)).collect();
        let mut states = Vec::new();
        let mut open = vec![self.start()];
        while let Some(state) = open.pop() {
            let mut reached: Vec<u16> = inside.iter().map(|&byte| self.next(state, byte)).collect();
            reached.sort_unstable();
            reached.dedup();
            reached.retain(|&state| state != Self::DEAD && !states.contains(&state));
            states.extend(&reached);
            open.append(&mut reached);
        }
        states
    }

    /// How large the table is.
    pub(super) fn entries(&self) -> usize {
        self.accepted.len().saturating_mul(self.class_count)
    }
}

/// What bytes mean to a pattern, if there are bytes of which each match has one.
pub(super) fn means(node: &Node) -> Option<Box<[Means; 256]>> {
    let mut steps = Steps { all: Vec::new() };
    let end = steps.push(Step::Match(1)).ok()?;
    let start = steps.add(node, end).ok()?;
    steps.means(start)
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// The match of patterns with these bits.
    Match(u64),
    One(Bytes, usize),
    Either(usize, usize),
}

/// Patterns as steps that lead to each other.
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

    fn after(&self, step: u16, byte: u8) -> Option<usize> {
        match self.all.get(usize::from(step))? {
            Step::One(bytes, next) if bytes.has(byte) => Some(*next),
            Step::One(..) | Step::Match(_) | Step::Either(..) => None,
        }
    }

    fn accepted(&self, step: u16) -> u64 {
        match self.all.get(usize::from(step)) {
            Some(Step::Match(bits)) => *bits,
            _ => 0,
        }
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
                Some(Step::Match(_)) => return true,
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

/// Finds all steps that can be reached without a byte.
struct Closure<'s> {
    steps: &'s Steps,
    open: Vec<usize>,
    /// By step, in which round it was seen.
    seen: Vec<u32>,
    round: u32,
}

impl<'s> Closure<'s> {
    fn new(steps: &'s Steps) -> Self {
        Self {
            steps,
            open: Vec::new(),
            seen: vec![0; steps.all.len()],
            round: 0,
        }
    }

    fn of(&mut self, from: impl Iterator<Item = usize>) -> Vec<u16> {
        self.open.extend(from);
        self.round = self.round.wrapping_add(1);
        let mut closed = Vec::new();
        while let Some(step) = self.open.pop() {
            let round = self.round;
            let seen = self.seen.get_mut(step).filter(|seen| **seen != round);
            let Some(seen) = seen else { continue };
            *seen = round;
            if let Some(Step::Either(one, other)) = self.steps.all.get(step) {
                self.open.extend([*one, *other]);
            } else {
                closed.extend(u16::try_from(step));
            }
        }
        closed.sort_unstable();
        closed
    }
}
