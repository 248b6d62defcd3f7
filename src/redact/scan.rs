//! The scanner: finds triggers, asks detectors, settles overlaps. It is the same for a whole text and for a stream.
//!
//! ```text
//! triggers in order -> detector -> none: go on
//!                               -> match: pending until nothing can overlap it, then found
//!                               -> match with a tail: found piece by piece until the tail ends
//!                               -> more: stop here; the next call begins with this trigger
//! ```
//! A match may begin before its trigger, but only in a run of [`Set::LOCAL`] that reaches it. So what lies before the
//! last such run is decided, and that is all a stream holds back.

use super::candidate::{Candidate, Tail};
use super::context::Topics;
use super::detector::{Row, Seen, Sight};
use super::own::{Depth, Work};
use super::plan::Plan;
use super::run::Set;
use super::trigger::Triggers;
use super::view::{More, View};

/// The longest start of a match before its trigger.
const START_BYTES_MAX: usize = 64;

/// Where a scan is.
#[derive(Debug, Clone)]
pub(super) struct Scan {
    /// The first byte that may still be a trigger.
    next: usize,
    matches: Matches,
    topics: Topics,
    seen: Seen,
    /// The last digits in groups.
    row: Row,
    /// The first byte where something of the admin's own may begin.
    own_next: usize,
    work: Work,
    /// Where the last match of a detector ends.
    detected: usize,
}

/// What was matched and may still change.
#[derive(Debug, Clone)]
struct Matches {
    pending: Option<Candidate>,
    /// A match whose tail goes on, and up to where its pieces were found.
    open: Option<(Candidate, usize)>,
    /// Where the last match ends.
    taken: usize,
}

/// A match, or a piece of one whose tail has not ended.
#[derive(Debug)]
pub(super) struct Piece<'c> {
    pub(super) candidate: &'c Candidate,
    /// Where this piece begins: where the one before ended.
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) is_last: bool,
}

impl Scan {
    pub(super) const fn new() -> Self {
        Self {
            next: 0,
            matches: Matches {
                pending: None,
                open: None,
                taken: 0,
            },
            topics: Topics::new(),
            seen: Seen::new(),
            row: Row::new(),
            own_next: 0,
            work: Work::new(),
            detected: 0,
        }
    }

    /// Goes on as far as the text allows. Returns the place before which everything is decided.
    pub(super) fn advance(
        &mut self,
        plan: &Plan,
        view: &View<'_>,
        is_end: bool,
        depth: Depth,
        found: &mut dyn FnMut(Piece<'_>),
    ) -> usize {
        loop {
            if self.matches.open.is_some()
                && let Some(stopped) = self.close(view, is_end, found)
            {
                return stopped;
            }
            let mut triggers = Triggers::new(view);
            let first = triggers.next_busy(view, self.next);
            // Most pieces of a stream have nothing.
            if first >= view.end() && plan.own.is_none() {
                self.next = self.next.max(first);
                self.own_next = self.own_next.max(first);
                break;
            }
            if !self.find(plan, view, depth, (&mut triggers, first), found) {
                break;
            }
        }
        let next = self.next.min(self.own_next);
        self.matches.settle(view, next, is_end, found)
    }

    /// Follows the tail of a match that is open. Tells where it stopped, if the text ends before the tail does.
    #[inline(never)]
    fn close(
        &mut self,
        view: &View<'_>,
        is_end: bool,
        found: &mut dyn FnMut(Piece<'_>),
    ) -> Option<usize> {
        let (mut open, from) = self.matches.open.take()?;
        let (to, is_over) = open.tail.advance(view, open.end);
        let is_last = is_over || is_end;
        open.end = to;
        self.next = to;
        self.own_next = to;
        self.matches.taken = to;
        self.detected = to;
        found(Piece {
            candidate: &open,
            from,
            to,
            is_last,
        });
        if is_last {
            return None;
        }
        self.matches.open = Some((open, to));
        Some(to)
    }

    /// Finds matches from the first trigger up to one with a tail, or to where the text ends; whether it was the first.
    #[inline(never)] // What has none of them is done sooner.
    fn find(
        &mut self,
        plan: &Plan,
        view: &View<'_>,
        depth: Depth,
        (triggers, mut trigger): (&mut Triggers<'_>, usize),
        found: &mut dyn FnMut(Piece<'_>),
    ) -> bool {
        let end = view.end();
        let mut sight = Sight::new(view, plan, &mut self.topics, &mut self.seen, self.detected);
        let own = plan.own.as_ref();
        let (mut next, mut own_next) = (self.next, self.own_next);
        let mut start = own.map_or(end, |own| own.first(view, own_next, &mut self.work));
        // Where it stops, and whether at a match that is open.
        let (stopped, is_open) = loop {
            let at = trigger.min(start);
            if at >= end {
                break (end, false);
            }
            if trigger == at && sight.detect(&mut self.row, at).is_err() {
                break (at, false);
            }
            let mut mine = None;
            if let Some(own) = own.filter(|_| start == at) {
                match own.detect(plan, view, at, depth, &mut self.work) {
                    Ok(candidate) => mine = candidate,
                    Err(More) => break (at, false),
                }
                let behind = at.wrapping_add(1);
                own_next = mine.map_or(behind, |it: Candidate| it.end);
                start = own.first(view, own_next, &mut self.work);
            }
            if trigger == at {
                sight.keep();
                next = sight.skipped(at.wrapping_add(1));
            }
            if let Some(candidate) = &sight.best {
                next = next.max(candidate.end);
                sight.taken = candidate.end;
            }
            if trigger == at {
                trigger = triggers.next_busy(view, next);
            }
            match (&sight.best, &mine) {
                (None, None) => continue,
                (Some(candidate), None) | (None, Some(candidate)) => {
                    self.matches.take(candidate, found);
                }
                (Some(best), Some(mine)) => self.matches.take_both(best, mine, found),
            }
            sight.best = None;
            if self.matches.open.is_some() {
                break (0, true);
            }
        };
        sight.forget();
        self.detected = sight.taken;
        (self.next, self.own_next) = (next.max(stopped), own_next.max(stopped));
        is_open
    }
}

impl Matches {
    /// Takes a match in, together with one that it overlaps. Copies of what was just written are slow, so there is one.
    #[inline(never)]
    fn take(&mut self, candidate: &Candidate, found: &mut dyn FnMut(Piece<'_>)) {
        let mut start = candidate.start.max(self.taken);
        let mut merged = None;
        if let Some(pending) = &self.pending {
            if candidate.start < pending.end {
                merged = Some(pending.merged(*candidate));
                start = pending.start.min(candidate.start);
            } else {
                found(Piece::whole(pending));
            }
        }
        let candidate = merged.as_ref().unwrap_or(candidate);
        self.taken = candidate.end;
        if candidate.tail == Tail::None {
            let pending = self.pending.insert(*candidate);
            pending.start = start;
        } else {
            self.pending = None;
            let (open, _) = self.open.insert((*candidate, start));
            open.start = start;
        }
    }

    /// Two matches as they come in the text, or one in place of two that overlap.
    fn take_both(&mut self, best: &Candidate, mine: &Candidate, found: &mut dyn FnMut(Piece<'_>)) {
        if best.start < mine.end && mine.start < best.end {
            self.take(&mine.merged(*best), found);
            return;
        }
        let is_mine_first = mine.start < best.start;
        let (first, second) = if is_mine_first {
            (mine, best)
        } else {
            (best, mine)
        };
        self.take(first, found);
        self.take(second, found);
    }

    /// Finds what is pending if nothing can overlap it any more.
    fn settle(
        &mut self,
        view: &View<'_>,
        next: usize,
        is_end: bool,
        found: &mut dyn FnMut(Piece<'_>),
    ) -> usize {
        let start = view.run_of_back(next, START_BYTES_MAX, Set::LOCAL);
        let start = if is_end { view.end() } else { start };
        match &self.pending {
            Some(pending) if pending.end <= start || is_end => {
                found(Piece::whole(pending));
                self.pending = None;
                start
            }
            Some(pending) => pending.start.min(start),
            None => start.max(self.taken),
        }
    }
}

impl<'c> Piece<'c> {
    const fn whole(candidate: &'c Candidate) -> Self {
        Self {
            candidate,
            from: candidate.start,
            to: candidate.end,
            is_last: true,
        }
    }
}
