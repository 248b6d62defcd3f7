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
use super::plan::Plan;
use super::trigger::Triggers;
use super::view::{View, is_local};

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
        }
    }

    /// Goes on as far as the text allows. Returns the place before which everything is decided.
    pub(super) fn advance(
        &mut self,
        plan: &Plan,
        view: &View<'_>,
        is_end: bool,
        found: &mut impl FnMut(Piece),
    ) -> usize {
        let mut triggers = Triggers::new(view);
        loop {
            if let Some((mut open, from)) = self.open.take() {
                let (to, is_over) = open.tail.advance(view, open.end);
                let is_last = is_over || is_end;
                open.end = to;
                self.next = to;
                self.taken = to;
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
            let Some(at) = triggers.next(self.next) else {
                self.next = view.end();
                break;
            };
            self.next = at;
            // Whether it is one depends on the byte behind it.
            if !is_end && at.wrapping_add(1) == view.end() {
                break;
            }
            let Ok(byte) = view.ahead(at) else {
                break;
            };
            if byte.is_ascii_digit() && at < self.seen.word {
                self.next = at.wrapping_add(1);
                continue;
            }
            let mut sight = Sight {
                view: *view,
                topics: &mut self.topics,
                plan,
                best: None,
                taken: self.taken,
                seen: self.seen,
            };
            if detect(&mut sight, &mut self.row, at, byte).is_err() {
                break;
            }
            let best = sight.best;
            self.seen = sight.seen;
            self.next = at.wrapping_add(1);
            if let Some(candidate) = best {
                self.take(candidate, found);
            }
        }
        self.settle(view, is_end, found)
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
            self.next = self.next.max(candidate.end);
            self.pending = Some(candidate);
        } else {
            self.open = Some((candidate, candidate.start));
        }
    }

    /// Finds what is pending if nothing can overlap it any more.
    fn settle(&mut self, view: &View<'_>, is_end: bool, found: &mut impl FnMut(Piece)) -> usize {
        let start = view.run_back(self.next, START_BYTES_MAX, is_local);
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
