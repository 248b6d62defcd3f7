//! All patterns together: which of them may match at a place, and what those match.
//!
//! A place is asked in three steps, each dearer than the one before: which patterns its first three bytes fit; for long ones that
//! may begin anywhere, whether what each of their matches has is within reach; then tables run, one for as many
//! patterns as fit into it.

use super::super::kind::Kind;
use super::super::view::{More, View};
use super::automaton::{self, Automaton, Means};
use super::list::{List, Spot};
use super::sieve::{Buckets, Shape};
use super::syntax::{Bytes, Node};
use super::{Work, is_word};

/// Entries of a table that several patterns share: 16 KiB.
const SHARED_ENTRIES_MAX: usize = 8 * 1024;
/// How many patterns may sleep: those that may begin in many places of one match.
pub(super) const SLEEPERS_MAX: usize = 8;
const SLEEPER_BYTES_MIN: usize = 16;
/// The same of patterns that begin with a word only.
const SLEEPER_AT_WORD_BYTES_MIN: usize = 64;
/// The longest run of letters and digits of which it is told what stands behind it. A stream holds as much anyway.
pub(super) const RUN_BYTES_MAX: usize = 32;
/// How far before a match the words of its context may begin.
pub(super) const CONTEXT_BYTES: usize = 56;

/// A pattern as it was read.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) kind: Kind,
    pub(super) score: u8,
    pub(super) node: Node,
    pub(super) automaton: Automaton,
    pub(super) is_edge_before: bool,
    pub(super) is_edge_behind: bool,
    /// Words of which one has to stand before; none if there are none.
    pub(super) context: Option<List>,
}

/// What is left of a pattern once tables are made.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) kind: Kind,
    pub(super) score: u8,
    context: Option<List>,
    /// The longest word of it.
    context_bytes_max: usize,
}

/// The patterns of a plan, at most 64: a set of them is a bit for each.
#[derive(Debug)]
pub(super) struct Patterns {
    rules: Vec<Rule>,
    /// By byte: which may begin with it, have it in the second place, in the third, and behind letters and digits.
    places: Box<[[u64; 4]; 256]>,
    at_edges_before: u64,
    at_edges_behind: u64,
    tables: Vec<(u64, Automaton)>,
    sleepers: Vec<Sleeper>,
    asleep_at_times: u64,
}

/// A pattern that is not asked where what it must have is out of reach.
#[derive(Debug)]
struct Sleeper {
    bit: u64,
    bytes_max: usize,
    means: Box<[Means; 256]>,
    /// The bytes of which each match has one, if they are few.
    musts: [Option<u8>; 3],
}

/// The bits of a set, lowest first.
fn bits(mut set: u64) -> impl Iterator<Item = (usize, u64)> {
    core::iter::from_fn(move || {
        let bit = set & set.wrapping_neg();
        set &= !bit;
        let place = usize::try_from(bit.trailing_zeros()).unwrap_or(0);
        (bit != 0).then_some((place, bit))
    })
}

impl Patterns {
    pub(super) fn new(patterns: Vec<Pattern>) -> Self {
        let bit = |place: usize| 1_u64 << (place & 63);
        let set = |is_in: &dyn Fn(&Pattern) -> bool| {
            let all = patterns.iter().enumerate();
            let own = all.filter(|(_, pattern)| is_in(pattern));
            own.fold(0, |set, (place, _)| set | bit(place))
        };
        let (before, behind) = (set(&|it| it.is_edge_before), set(&|it| it.is_edge_behind));
        let places = places(&patterns);
        let sleepers = sleepers(&patterns);
        let asleep_at_times = sleepers.iter().fold(0, |set, sleeper| set | sleeper.bit);
        let (mut rules, mut shared, mut tables) = (Vec::new(), Vec::new(), Vec::new());
        for (place, pattern) in patterns.into_iter().enumerate() {
            let bit = bit(place);
            rules.push(Rule {
                kind: pattern.kind,
                score: pattern.score,
                context_bytes_max: pattern.context.as_ref().map_or(0, List::longest),
                context: pattern.context,
            });
            if asleep_at_times & bit == 0 {
                shared.push((pattern.node, pattern.automaton, bit));
            } else {
                tables.push((bit, pattern.automaton.of(bit)));
            }
        }
        share(shared, &mut tables);
        Self {
            rules,
            places,
            at_edges_before: before,
            at_edges_behind: behind,
            tables,
            sleepers,
            asleep_at_times,
        }
    }

    /// Patterns by their bits, lowest first.
    pub(super) fn rules(&self, set: u64) -> impl Iterator<Item = (usize, u64, &Rule)> {
        bits(set).filter_map(|(place, bit)| Some((place, bit, self.rules.get(place)?)))
    }

    /// Patterns that the first bytes fit, and the one behind the run of letters and digits that begins here; of those that are not known
    /// any will do.
    #[inline]
    pub(super) fn fitting(
        &self,
        before: u8,
        byte: u8,
        behind: [Option<u8>; 2],
        leaving: Option<u8>,
    ) -> u64 {
        let place = |byte: u8, place: usize| {
            let sets = self.places.get(usize::from(byte));
            sets.and_then(|sets| sets.get(place)).copied().unwrap_or(0)
        };
        let mut set = place(byte, 0);
        if set != 0
            && let Some(leaving) = leaving
        {
            set &= place(leaving, 3);
        }
        if set != 0 && is_word(before) == is_word(byte) {
            set &= !self.at_edges_before;
        }
        let [second, third] = behind;
        if set != 0 {
            set &= second.map_or(u64::MAX, |byte| place(byte, 1));
        }
        if set != 0 {
            set &= third.map_or(u64::MAX, |byte| place(byte, 2));
        }
        set
    }

    /// Those that may go on behind the run of letters and digits that begins here, or be over before.
    pub(super) fn leaving(&self, view: &View<'_>, at: usize) -> Result<u64, More> {
        let end = view.run(at, RUN_BYTES_MAX, is_word)?;
        if matches!(end.wrapping_sub(at), 0 | RUN_BYTES_MAX) {
            return Ok(u64::MAX);
        }
        let sets = self.places.get(usize::from(view.ahead(end)?));
        Ok(sets.map_or(0, |[.., leaving]| *leaving))
    }

    /// Whether it is not known of all of these that they sleep.
    #[inline]
    pub(super) fn is_awake(&self, set: u64, at: usize, work: &Work) -> bool {
        set & !self.asleep_at_times != 0
            || (self.sleepers.iter().zip(&work.sleep))
                .any(|(sleeper, sleep)| set & sleeper.bit != 0 && at >= sleep.until)
    }

    /// Leaves out those that cannot match here because what they must have is out of reach.
    pub(super) fn wake(
        &self,
        mut set: u64,
        view: &View<'_>,
        at: usize,
        work: &mut Work,
    ) -> Result<u64, More> {
        if set & self.asleep_at_times == 0 {
            return Ok(set);
        }
        let mut is_known = true;
        work.nap = usize::MAX;
        for (sleeper, sleep) in self.sleepers.iter().zip(&mut work.sleep) {
            // All are asked, so that all sleep where they can.
            is_known &= sleeper.is_told(view, at, sleep) || set & sleeper.bit == 0;
            work.nap = work.nap.min(sleep.until);
            if at < sleep.until {
                set &= !sleeper.bit;
            }
        }
        match is_known {
            true => Ok(set),
            false => Err(More),
        }
    }

    /// Runs the tables of these patterns from a place on, and keeps where the longest match of each ends. A match that ends before the
    /// place does not count: whether it is looked for at all depends on what stands behind.
    pub(super) fn run(
        &self,
        set: u64,
        view: &View<'_>,
        at: usize,
        steps: &mut usize,
        ends: &mut Ends,
    ) -> Result<(), More> {
        ends.all.clear();
        for (own, table) in &self.tables {
            if set & own == 0 {
                continue;
            }
            let mut here = at;
            let mut state = table.start();
            for &byte in view.rest(at) {
                state = table.next(state, byte);
                here = here.wrapping_add(1);
                if !Automaton::says(state) {
                    continue;
                }
                if Automaton::is_match(state) {
                    let mut accepted = table.accepted(state) & set;
                    if accepted & self.at_edges_behind != 0
                        && is_word(byte) == is_word(view.ahead(here)?)
                    {
                        accepted &= !self.at_edges_behind;
                    }
                    ends.add(accepted, here);
                }
                if Automaton::is_last(state) {
                    break;
                }
            }
            *steps = steps.wrapping_add(here.wrapping_sub(at));
            if !Automaton::is_last(state) && !view.is_end() {
                return Err(More);
            }
        }
        Ok(())
    }

    /// Puts what may begin a match of each pattern into the sieve.
    pub(super) fn sift(&self, buckets: &mut Buckets) {
        let of = |bit: u64, place: usize| {
            let mut bytes = Bytes::default();
            for (byte, sets) in (0..=u8::MAX).zip(self.places.iter()) {
                if sets.get(place).is_some_and(|set| set & bit != 0) {
                    bytes.insert(byte);
                }
            }
            bytes
        };
        for (_, bit, _) in self.rules(u64::MAX) {
            let [first, second, third, exits] = [0, 1, 2, 3].map(|place| of(bit, place));
            // What has a match inside a word may go on with anything, even the end of the text.
            let outside = Bytes::of(|byte| exits.has(byte) && !is_word(byte));
            let exits = Some(&outside).filter(|_| !exits.has(0));
            let begins_with_words = (0..=u8::MAX).all(|byte| !first.has(byte) || is_word(byte));
            let is_edge = self.at_edges_before & bit != 0 && begins_with_words;
            let shape = Shape {
                places: [first, second, third],
            };
            match self.asleep_at_times & bit {
                0 => buckets.add_pattern(&shape, is_edge, exits),
                _ => buckets.add_sleeper(&shape),
            }
        }
    }
}

/// Which patterns may begin with each byte, go on with it in the second place and in the third, and behind a run.
fn places(patterns: &[Pattern]) -> Box<[[u64; 4]; 256]> {
    let mut places = Box::new([[0; 4]; 256]);
    for (place, pattern) in patterns.iter().enumerate() {
        let own = 1_u64 << (place & 63);
        let automaton = &pattern.automaton;
        let [first, second, third] = [0, 1, 2].map(|bytes| automaton.after(bytes));
        let after = [first, second, third, automaton.within(is_word)];
        for (byte, sets) in (0..=u8::MAX).zip(places.iter_mut()) {
            for (set, states) in sets.iter_mut().zip(&after) {
                *set |= if automaton.may_go_on(states, byte) {
                    own
                } else {
                    0
                };
            }
        }
    }
    places
}

/// Those that are worth it, the longest first.
fn sleepers(patterns: &[Pattern]) -> Vec<Sleeper> {
    let mut all = Vec::new();
    for (place, pattern) in patterns.iter().enumerate() {
        let bytes_max = pattern.node.bytes_max();
        let least = match pattern.is_edge_before {
            true => SLEEPER_AT_WORD_BYTES_MIN,
            false => SLEEPER_BYTES_MIN,
        };
        if bytes_max > least
            && let Some(means) = automaton::means(&pattern.node)
        {
            let musts = (0..=u8::MAX).zip(means.iter());
            let mut musts = musts.filter_map(|(byte, &it)| (it == Means::Must).then_some(byte));
            let first = [(); 3].map(|()| musts.next());
            all.push(Sleeper {
                bit: 1 << (place & 63),
                bytes_max,
                musts: if musts.next().is_none() {
                    first
                } else {
                    [None; 3]
                },
                means,
            });
        }
    }
    all.sort_by_key(|sleeper| core::cmp::Reverse(sleeper.bytes_max));
    all.truncate(SLEEPERS_MAX);
    all
}

/// Makes as few tables as bounds allow.
fn share(mut patterns: Vec<(Node, Automaton, u64)>, tables: &mut Vec<(u64, Automaton)>) {
    if patterns.len() <= 1 {
        let alone = patterns.into_iter();
        tables.extend(alone.map(|(_, table, bit)| (bit, table.of(bit))));
        return;
    }
    let nodes: Vec<(&Node, u64)> = patterns.iter().map(|(node, _, bit)| (node, *bit)).collect();
    if let Ok(table) = Automaton::new(&nodes, SHARED_ENTRIES_MAX) {
        let set = nodes.iter().fold(0, |set, (_, bit)| set | bit);
        tables.push((set, table));
        return;
    }
    let behind = patterns.split_off(patterns.len() / 2);
    share(patterns, tables);
    share(behind, tables);
}

/// What is known of a sleeper.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sleep {
    /// Before this place it matches nowhere.
    until: usize,
    /// From there up to this place it may.
    awake: usize,
    /// Before this place, and not before the last that was asked, there is nothing that it must have.
    clear: usize,
}

impl Sleep {
    pub(super) const fn new() -> Self {
        Self {
            until: 0,
            awake: 0,
            clear: 0,
        }
    }
}

impl Sleeper {
    /// Finds out whether it may match here; whether the text tells that. Each byte is looked at twice, wherever
    /// matches may begin.
    fn is_told(&self, view: &View<'_>, at: usize, sleep: &mut Sleep) -> bool {
        if at < sleep.until || at < sleep.awake {
            return true;
        }
        sleep.clear = sleep.clear.max(at);
        let next = self.must(view.rest(sleep.clear));
        #[cfg(test)]
        view.looked(next.unwrap_or_else(|| view.rest(sleep.clear).len()) / 16);
        sleep.clear = next.map_or_else(|| view.end(), |next| sleep.clear.wrapping_add(next));
        // The first place that it is within reach of, and behind what no match has.
        let reach = sleep.clear.saturating_add(1).saturating_sub(self.bytes_max);
        let near = view.part(reach.max(at)..sleep.clear);
        let never = near
            .iter()
            .rposition(|&byte| self.means(byte) == Means::Never);
        let reach = reach.max(at);
        sleep.until = never.map_or(reach, |never| reach.wrapping_add(never).wrapping_add(1));
        sleep.awake = match next {
            Some(_) => sleep.clear.wrapping_add(1),
            None => sleep.until,
        };
        if next.is_none() && view.is_end() {
            (sleep.until, sleep.awake) = (usize::MAX, usize::MAX);
        }
        at < sleep.until || at < sleep.awake
    }

    /// Where the next byte is of which each match has one.
    fn must(&self, text: &[u8]) -> Option<usize> {
        match self.musts {
            [Some(a), None, _] => memchr::memchr(a, text),
            [Some(a), Some(b), None] => memchr::memchr2(a, b, text),
            [Some(a), Some(b), Some(c)] => memchr::memchr3(a, b, c, text),
            [None, ..] => text
                .iter()
                .position(|&byte| self.means(byte) == Means::Must),
        }
    }

    #[inline]
    fn means(&self, byte: u8) -> Means {
        let means = self.means.get(usize::from(byte));
        means.copied().unwrap_or(Means::Must)
    }
}

/// Where the longest match of each pattern ends; those that end together are together.
#[derive(Debug, Clone, Default)]
pub(super) struct Ends {
    all: Vec<(u64, usize)>,
}

impl Ends {
    pub(super) const fn new() -> Self {
        Self { all: Vec::new() }
    }

    fn add(&mut self, set: u64, end: usize) {
        if set == 0 {
            return;
        }
        // What ends here has no shorter match any more.
        while let Some((last, _)) = self.all.last_mut() {
            *last &= !set;
            if *last != 0 {
                break;
            }
            self.all.pop();
        }
        for (before, _) in &mut self.all {
            *before &= !set;
        }
        self.all.push((set, end));
    }

    /// Patterns that match.
    pub(super) fn set(&self) -> u64 {
        self.all.iter().fold(0, |all, (set, _)| all | set)
    }

    pub(super) fn of(&self, bit: u64) -> Option<usize> {
        let own = self.all.iter().rev().find(|(set, _)| set & bit != 0);
        own.map(|&(_, end)| end)
    }
}

impl Pattern {
    /// Whether it may match inside a text of which it is known what may stand at each place.
    pub(super) fn is_in(&self, places: &[&[u8]]) -> bool {
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
            let mut states = vec![self.automaton.start()];
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
}

impl Rule {
    /// Whether a word of the context stands within reach before a match. Each place is asked once, but for the last ones,
    /// where a word may still have gone on.
    pub(super) fn has_context(
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
        let from = first.max(*asked);
        for (from, &byte) in (from..at).zip(view.rest(from)) {
            if context.may_begin(byte)
                && context
                    .find(view, &Spot::new(view, from, None), at)?
                    .is_some()
            {
                *last = from.wrapping_add(1);
            }
        }
        *asked = at.saturating_sub(self.context_bytes_max).max(*asked);
        Ok(*last > first)
    }
}
