//! Many selectors as one automaton over the path of a walk.
//!
//! A node is a place in one or more selectors; a value's state is the set of nodes that its path has reached. The sets of
//! all open values lie behind each other in one list that the walk owns, so that going down allocates nothing.

use core::ops::Range;

use super::parse::{Pick, Selector};

/// What is known of a value that was reached: bits, whose meaning is the walk's.
pub type Marks = u16;

/// Many selectors, compiled.
#[derive(Debug)]
pub struct Matcher {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    edges: Vec<(Pick, u16)>,
    /// The node that stays at every level below: the selectors go on from here with `..`.
    below: Option<u16>,
    is_below: bool,
    marks: Marks,
    /// Whether an edge has to look into a child, or to know how many there are.
    needs_child: bool,
    needs_length: bool,
}

/// A step from a value to a child.
#[derive(Debug, Clone, Copy)]
pub enum Key<'k> {
    /// A member of an object.
    Name(&'k str),
    /// An item of an array, and how many there are, where [`Matcher::needs_length`] asked for it.
    Item(usize, usize),
}

/// All selectors of one matcher have this many places at most.
const NODES_MAX: usize = 4_096;
const ROOT: u16 = 0;

impl Default for Matcher {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
        }
    }
}

impl Matcher {
    /// Adds a selector: what it selects has these marks. Fails where there are too many.
    #[must_use]
    pub fn add(&mut self, selector: &Selector, marks: Marks) -> bool {
        let mut ends = vec![ROOT];
        for segment in &selector.segments {
            let mut next = Vec::new();
            for from in ends {
                let Some(from) = (if segment.is_descendant {
                    self.below(from)
                } else {
                    Some(from)
                }) else {
                    return false;
                };
                for pick in &segment.picks {
                    let Some(to) = self.edge(from, pick) else {
                        return false;
                    };
                    next.push(to);
                }
            }
            ends = next;
        }
        for end in ends {
            if let Some(node) = self.nodes.get_mut(usize::from(end)) {
                node.marks |= marks;
            }
        }
        true
    }

    fn new_node(&mut self) -> Option<u16> {
        if self.nodes.len() >= NODES_MAX {
            return None;
        }
        let at = u16::try_from(self.nodes.len()).ok()?;
        self.nodes.push(Node::default());
        Some(at)
    }

    fn below(&mut self, from: u16) -> Option<u16> {
        if let Some(below) = self.nodes.get(usize::from(from))?.below {
            return Some(below);
        }
        let below = self.new_node()?;
        self.nodes.get_mut(usize::from(below))?.is_below = true;
        self.nodes.get_mut(usize::from(from))?.below = Some(below);
        Some(below)
    }

    fn edge(&mut self, from: u16, pick: &Pick) -> Option<u16> {
        let node = self.nodes.get(usize::from(from))?;
        if let Some((_, to)) = node.edges.iter().find(|(known, _)| known == pick) {
            return Some(*to);
        }
        let to = self.new_node()?;
        let node = self.nodes.get_mut(usize::from(from))?;
        node.edges.push((pick.clone(), to));
        node.needs_child |= matches!(pick, Pick::Filter(_));
        node.needs_length |= pick.needs_length();
        Some(to)
    }

    /// Enters the document: its states are added to `states`.
    pub fn enter(&self, states: &mut Vec<u16>) {
        states.push(ROOT);
        self.close(0, states);
    }

    /// Adds what stays below to the set that begins at `start`.
    fn close(&self, start: usize, states: &mut Vec<u16>) {
        let end = states.len();
        for at in start..end {
            let below = states
                .get(at)
                .and_then(|state| self.nodes.get(usize::from(*state)))
                .and_then(|node| node.below);
            if let Some(below) = below {
                add(states, start, below);
            }
        }
    }

    fn nodes<'m>(&'m self, states: &'m [u16]) -> impl Iterator<Item = &'m Node> {
        let found = states
            .iter()
            .map(|state| self.nodes.get(usize::from(*state)));
        found.flatten()
    }

    /// What is known of the value with these states.
    #[must_use]
    pub fn marks(&self, states: &[u16]) -> Marks {
        self.nodes(states).fold(0, |marks, node| marks | node.marks)
    }

    /// Whether a step from here looks into the child.
    #[must_use]
    pub fn needs_child(&self, states: &[u16]) -> bool {
        self.nodes(states).any(|node| node.needs_child)
    }

    /// Whether a step from here has to know how many items there are.
    #[must_use]
    pub fn needs_length(&self, states: &[u16]) -> bool {
        self.nodes(states).any(|node| node.needs_length)
    }

    /// Goes down: the states of the child are added behind those of the value at `from`. `child` is the child as it is
    /// written, where [`Matcher::needs_child`] asked for it. Tells whether the key itself is named by a selector.
    pub fn step(
        &self,
        states: &mut Vec<u16>,
        from: Range<usize>,
        key: Key<'_>,
        child: &str,
    ) -> bool {
        let start = states.len();
        let mut is_named = false;
        for at in from {
            let Some(&state) = states.get(at) else {
                continue;
            };
            let Some(node) = self.nodes.get(usize::from(state)) else {
                continue;
            };
            if node.is_below {
                add(states, start, state);
            }
            for (pick, to) in &node.edges {
                if picks(pick, key, child) {
                    is_named |= matches!(pick, Pick::Name(_));
                    add(states, start, *to);
                }
            }
        }
        self.close(start, states);
        is_named
    }
}

/// A set has each state once.
fn add(states: &mut Vec<u16>, start: usize, state: u16) {
    if !states.get(start..).is_some_and(|set| set.contains(&state)) {
        states.push(state);
    }
}

fn picks(pick: &Pick, key: Key<'_>, child: &str) -> bool {
    match (pick, key) {
        (Pick::Wildcard, _) => true,
        (Pick::Filter(filter), _) => filter.picks(child),
        (Pick::Name(name), Key::Name(key)) => name == key,
        (Pick::Index(index), Key::Item(at, length)) => from_end(*index, length) == signed(at),
        (Pick::Slice { start, end, step }, Key::Item(at, length)) => {
            in_slice((*start, *end, *step), signed(at), length)
        }
        (Pick::Name(_), Key::Item(..)) | (Pick::Index(_) | Pick::Slice { .. }, Key::Name(_)) => {
            false
        }
    }
}

fn signed(at: usize) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

fn from_end(index: i64, length: usize) -> i64 {
    if index < 0 {
        index.saturating_add(signed(length))
    } else {
        index
    }
}

/// RFC 9535, section 2.3.4.2.2. Without a negative number in it a slice does not ask for the length.
fn in_slice((start, end, step): (Option<i64>, Option<i64>, i64), at: i64, length: usize) -> bool {
    if step == 0 {
        return false;
    }
    if step > 0 {
        let start = from_end(start.unwrap_or(0), length).max(0);
        let end = end.map_or(i64::MAX, |end| from_end(end, length));
        return at >= start && at < end && at.saturating_sub(start).checked_rem(step) == Some(0);
    }
    let last = signed(length).saturating_sub(1);
    let start = start.map_or(last, |start| from_end(start, length).min(last));
    let end = end.map_or(-1, |end| from_end(end, length).max(-1));
    at <= start
        && at > end
        && start.saturating_sub(at).checked_rem(step.saturating_neg()) == Some(0)
}
