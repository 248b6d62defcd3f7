//! The scanner: finds triggers, asks detectors, settles overlaps. It is the same for a whole text and for a stream.
//!
//! ```text
//! triggers in order -> detector -> none: go on
//!                               -> match: pending until nothing can overlap it, then found
//!                               -> match with a tail: found piece by piece until the tail ends
//!                               -> more: stop here; the next call begins with this trigger
//! ```
//! A match may begin before its trigger, but only in a run of [`is_local`] bytes that reaches it. So what lies before the
//! last such run is decided, and that is all a stream holds back.

use super::candidate::{Candidate, Tail};
use super::context::Topics;
use super::detector::{Row, Seen, Sight, detect};
use super::own::{Depth, Work};
use super::plan::Plan;
use super::trigger::Triggers;
use super::view::{More, View, is_local};

/// The longest start of a match before its trigger.
const START_BYTES_MAX: usize = 64;

/// Where a scan is.
#[derive(Debug, Clone)]
pub(super) struct Scan {
    /// The first byte that may still be a trigger.
    next: usize,
    pending: Option<Candidate>,
    /// A match whose tail goes on, and up to where its pieces were found.
    open: Option<(Candidate, usize)>,
    /// Where the last match ends.
    taken: usize,
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

/// A match, or a piece of one whose tail has not ended.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) candidate: Candidate,
    /// Where this piece begins: where the one before ended.
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) is_last: bool,
}

impl Scan {
    pub(super) const fn new() -> Self {
        Self {
            next: 0,
            pending: None,
            open: None,
            taken: 0,
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
        found: &mut impl FnMut(Piece),
    ) -> usize {
        let mut triggers = Triggers::new(view);
        let (mut triggered, mut own) = (None, None);
        loop {
            if let Some((mut open, from)) = self.open.take() {
                let (to, is_over) = open.tail.advance(view, open.end);
                let is_last = is_over || is_end;
                open.end = to;
                self.next = to;
                self.own_next = to;
                self.taken = to;
                self.detected = to;
                (triggered, own) = (None, None);
                found(Piece {
                    candidate: open,
                    from,
                    to,
                    is_last,
                });
                if !is_last {
                    self.open = Some((open, to));
                    return to;
                }
            }
            let trigger = *triggered
                .get_or_insert_with(|| triggers.next(self.next).unwrap_or_else(|| view.end()));
            let start = *own.get_or_insert_with(|| match &plan.own {
                Some(own) => own.first(view, self.own_next),
                None => view.end(),
            });
            let at = trigger.min(start);
            self.next = self.next.max(at);
            self.own_next = self.own_next.max(at);
            if at == view.end() {
                break;
            }
            let Ok((best, seen)) = self.detect(plan, view, at, trigger == at) else {
                break;
            };
            let Ok(mine) = self.detect_own(plan, view, at, depth, start == at) else {
                break;
            };
            self.seen = seen;
            if trigger == at {
                triggered = None;
                self.next = at.wrapping_add(1);
            }
            if start == at {
                own = None;
                self.own_next = at.wrapping_add(1);
            }
            if let Some(candidate) = best {
                triggered = None;
                self.next = self.next.max(candidate.end);
                self.detected = candidate.end;
            }
            if let Some(candidate) = mine {
                own = None;
                self.own_next = self.own_next.max(candidate.end);
            }
            for candidate in in_order(best, mine).into_iter().flatten() {
                self.take(candidate, found);
            }
        }
        self.settle(view, is_end, found)
    }

    /// Asks the detectors that the byte at a position calls, if it calls any. What they have seen counts once everybody
    /// has decided there.
    fn detect(
        &mut self,
        plan: &Plan,
        view: &View<'_>,
        at: usize,
        is_trigger: bool,
    ) -> Result<(Option<Candidate>, Seen), More> {
        if !is_trigger {
            return Ok((None, self.seen));
        }
        // Whether it is one depends on the byte behind it.
        view.ahead(at.wrapping_add(1))?;
        let byte = view.ahead(at)?;
        if byte.is_ascii_digit() && at < self.seen.word {
            return Ok((None, self.seen));
        }
        let mut sight = Sight {
            view: *view,
            topics: &mut self.topics,
            plan,
            best: None,
            taken: self.detected,
            seen: self.seen,
        };
        detect(&mut sight, &mut self.row, at, byte)?;
        Ok((sight.best, sight.seen))
    }

    /// Asks for what is the admin's own, if something of it may begin there.
    fn detect_own(
        &mut self,
        plan: &Plan,
        view: &View<'_>,
        at: usize,
        depth: Depth,
        may_begin: bool,
    ) -> Result<Option<Candidate>, More> {
        match &plan.own {
            Some(own) if may_begin => own.detect(plan, view, at, depth, &mut self.work),
            _ => Ok(None),
        }
    }

    /// Takes a match in, together with one that it overlaps.
    fn take(&mut self, mut candidate: Candidate, found: &mut impl FnMut(Piece)) {
        match self.pending.take() {
            Some(pending) if candidate.start < pending.end => {
                candidate = pending.merged(candidate);
            }
            Some(pending) => {
                candidate.start = candidate.start.max(pending.end);
                found(Piece::whole(pending));
            }
            None => candidate.start = candidate.start.max(self.taken),
        }
        self.taken = candidate.end;
        if candidate.tail == Tail::None {
            self.pending = Some(candidate);
        } else {
            self.open = Some((candidate, candidate.start));
        }
    }

    /// Finds what is pending if nothing can overlap it any more.
    fn settle(&mut self, view: &View<'_>, is_end: bool, found: &mut impl FnMut(Piece)) -> usize {
        let start = view.run_back(self.next.min(self.own_next), START_BYTES_MAX, is_local);
        let start = if is_end { view.end() } else { start };
        match self.pending.take() {
            Some(pending) if pending.end <= start || is_end => {
                found(Piece::whole(pending));
                start
            }
            Some(pending) => {
                self.pending = Some(pending);
                pending.start.min(start)
            }
            None => start.max(self.taken),
        }
    }
}

impl Piece {
    const fn whole(candidate: Candidate) -> Self {
        Self {
            candidate,
            from: candidate.start,
            to: candidate.end,
            is_last: true,
        }
    }
}

/// Two matches as they come in the text, or one in place of two that overlap.
fn in_order(best: Option<Candidate>, mine: Option<Candidate>) -> [Option<Candidate>; 2] {
    match best.zip(mine) {
        Some((best, mine)) if best.start < mine.end && mine.start < best.end => {
            [Some(mine.merged(best)), None]
        }
        Some((best, mine)) if mine.start < best.start => [Some(mine), Some(best)],
        _ => [best, mine],
    }
}
