//! One bucket's arithmetic: what is used and what is held in each of its windows.
//!
//! ```text
//!            slots: time in steps of SLOT_MS; a hold stands in the slot by whose start its lease ends
//! span start  used   held[ 0 .. SLOTS ]        one span is a window, or a piece of a rolling one
//!  12:00:00    910   [0 300 0 0 0 0 0 0]
//! ```
//! A request is admitted where used, held and its own amount together stay within the limit. A hold whose
//! slot has passed is forgotten with one step of the ring, whoever made it: a crash heals within the
//! lease, and nothing scans or grows. Whatever happens later to a request is charged to the span of its
//! admission.
//!
//! It knows no clock, no key and no store: the cell is decoded, changed and encoded by whoever keeps it.

use std::ops::Range;

use super::{Act, Hold};

/// How fine the leases' ends are told apart.
pub(super) const SLOT_MS: u64 = 10_000;
/// How long a hold lives that nobody renews.
pub const LEASE_MS: u64 = 60_000;
/// Slots that a cell keeps: those of a lease, and one for the part of the first that has passed.
pub(super) const SLOTS: usize = 8;
const RING: u64 = SLOTS as u64;
/// Spans that a cell keeps: those of a rolling window, and older ones whose streams still run.
pub(super) const SPANS_MAX: usize = 32;
/// When to come again where only holds stand in the way: they are settled at any time.
const HELD_RETRY_MS: u64 = 1_000;

/// One bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    /// The first slot whose holds live.
    slot: u64,
    /// Sorted by their starts.
    spans: Vec<Span>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Span {
    start_ms: u64,
    used: u64,
    held: [u64; SLOTS],
}

/// Which spans count at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// The start of the span that takes what is admitted now.
    pub span_ms: u64,
    /// The first span that counts.
    pub since_ms: u64,
    /// The last span that counts.
    pub until_ms: u64,
    /// How long a span counts, from its start.
    pub lives_ms: u64,
}

/// How a bucket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Level {
    /// What has been settled in the window.
    pub used: u64,
    /// What is reserved and not settled yet.
    pub held: u64,
    /// What both may be together.
    pub limit: u64,
    /// When the window is empty again, if nothing more is charged.
    pub resets_ms: u64,
}

impl Level {
    /// What is left.
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        self.limit
            .saturating_sub(self.used)
            .saturating_sub(self.held)
    }
}

/// Why an amount was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortfall {
    /// How the bucket stands.
    pub level: Level,
    /// When the amount will fit if nothing more is charged; nothing where it exceeds the limit itself.
    pub fits_ms: Option<u64>,
}

impl Frame {
    const fn counts(&self, span_ms: u64) -> bool {
        self.since_ms <= span_ms && span_ms <= self.until_ms
    }

    /// Whether spans count together that lie less than a window apart, whichever of them is now.
    const fn is_rolling(&self) -> bool {
        self.until_ms == u64::MAX
    }

    /// The window that begins with this span.
    const fn window(&self, start_ms: u64) -> Self {
        let until_ms = if self.is_rolling() {
            start_ms.saturating_add(self.lives_ms).saturating_sub(1)
        } else {
            start_ms
        };
        Self {
            since_ms: start_ms,
            until_ms,
            ..*self
        }
    }
}

impl Cell {
    /// Does an order's act.
    ///
    /// # Errors
    /// It does not fit; nothing has changed then.
    pub(super) fn perform(
        &mut self,
        act: Act,
        now_ms: u64,
        frame: &Frame,
        limit: u64,
        (hold, amount): (Hold, u64),
    ) -> Result<Hold, Shortfall> {
        match act {
            Act::Reserve => self.reserve(now_ms, frame, limit, amount),
            Act::Extend => self.extend(now_ms, frame, limit, hold, amount),
            Act::Renew => Ok(self.renew(now_ms, frame, hold)),
            Act::Settle => {
                self.settle(now_ms, frame, hold, amount);
                Ok(Hold { amount: 0, ..hold })
            }
            Act::Look => Ok(hold),
        }
    }

    /// Holds `amount` if it fits.
    ///
    /// # Errors
    /// It does not fit; nothing has changed then.
    pub fn reserve(
        &mut self,
        now_ms: u64,
        frame: &Frame,
        limit: u64,
        amount: u64,
    ) -> Result<Hold, Shortfall> {
        self.advance(now_ms);
        self.check(now_ms, frame, limit, amount)?;
        let hold = Hold {
            span_ms: frame.span_ms,
            slot: self.lease(now_ms),
            amount,
            is_shared: false,
            is_aside: false,
        };
        self.add(frame, &hold);
        Ok(hold)
    }

    /// Adds `more` to a hold if it fits into every window that its admission is in, and renews it. Once
    /// these are forgotten, the request's own sum has to stay within the limit.
    ///
    /// # Errors
    /// It does not fit; the hold is what it was.
    pub fn extend(
        &mut self,
        now_ms: u64,
        frame: &Frame,
        limit: u64,
        hold: Hold,
        more: u64,
    ) -> Result<Hold, Shortfall> {
        self.advance(now_ms);
        let amount = hold.amount.saturating_add(more);
        let mut others = self.clone();
        others.take(&hold);
        others.check(now_ms, &frame.window(hold.span_ms), limit, amount)?;
        for span in &others.spans {
            let window = frame.window(span.start_ms);
            if window.counts(hold.span_ms) {
                others.check(now_ms, &window, limit, amount)?;
            }
        }
        *self = others;
        let extended = Hold {
            slot: self.lease(now_ms),
            amount,
            ..hold
        };
        self.add(frame, &extended);
        Ok(extended)
    }

    /// Begins a hold's lease anew. One that had lapsed stands again, for its request still runs.
    pub fn renew(&mut self, now_ms: u64, frame: &Frame, hold: Hold) -> Hold {
        self.advance(now_ms);
        self.take(&hold);
        let renewed = Hold {
            slot: self.lease(now_ms),
            ..hold
        };
        self.add(frame, &renewed);
        renewed
    }

    /// Makes a hold smaller.
    pub fn shrink(&mut self, now_ms: u64, frame: &Frame, hold: Hold, amount: u64) -> Hold {
        self.advance(now_ms);
        self.take(&hold);
        let amount = amount.min(hold.amount);
        let shrunk = Hold { amount, ..hold };
        if hold.slot >= self.slot {
            self.add(frame, &shrunk);
        }
        shrunk
    }

    /// Ends a hold, and charges what its request really cost to the window of its admission. Nothing is
    /// charged to a window that is forgotten.
    pub fn settle(&mut self, now_ms: u64, frame: &Frame, hold: Hold, actual: u64) {
        self.advance(now_ms);
        self.take(&hold);
        if actual == 0 {
            return;
        }
        if let Some(span) = self.span(frame, hold.span_ms) {
            span.used = span.used.saturating_add(actual);
        }
    }

    /// How the bucket stands.
    #[must_use]
    pub fn level(&self, now_ms: u64, frame: &Frame, limit: u64) -> Level {
        let live = self.live(now_ms);
        let mut level = Level {
            limit,
            resets_ms: now_ms,
            ..Level::default()
        };
        for span in self.counting(frame) {
            let held = span.held(live.clone());
            level.used = level.used.saturating_add(span.used);
            level.held = level.held.saturating_add(held);
            if span.used > 0 || held > 0 {
                let leaves_ms = span.start_ms.saturating_add(frame.lives_ms);
                level.resets_ms = level.resets_ms.max(leaves_ms);
            }
        }
        level
    }

    /// Whether nothing in it counts any more, so that its place can be given to another bucket.
    #[must_use]
    pub fn is_stale(&self, now_ms: u64, frame: &Frame) -> bool {
        let live = self.live(now_ms);
        let counts = |span: &Span| span.start_ms >= frame.since_ms || span.held(live.clone()) > 0;
        !self.spans.iter().any(counts)
    }

    fn check(&self, now_ms: u64, frame: &Frame, limit: u64, amount: u64) -> Result<(), Shortfall> {
        let level = self.level(now_ms, frame, limit);
        if amount <= level.remaining() {
            return Ok(());
        }
        Err(Shortfall {
            level,
            fits_ms: (amount <= limit).then(|| self.fits(now_ms, frame, limit, amount)),
        })
    }

    /// When `amount` fits, as far as it can be known: what is held may be settled at any time.
    fn fits(&self, now_ms: u64, frame: &Frame, limit: u64, amount: u64) -> u64 {
        let used = |used: u64, span: &Span| used.saturating_add(span.used);
        let mut used = self.counting(frame).fold(0, used);
        let mut fits_ms = now_ms.saturating_add(HELD_RETRY_MS);
        for span in self.counting(frame) {
            if used.saturating_add(amount) <= limit {
                break;
            }
            used = used.saturating_sub(span.used);
            fits_ms = span.start_ms.saturating_add(frame.lives_ms);
        }
        fits_ms
    }

    fn counting(&self, frame: &Frame) -> impl Iterator<Item = &Span> {
        let frame = *frame;
        self.spans
            .iter()
            .filter(move |span| frame.counts(span.start_ms))
    }

    /// The first slot that lives at this moment. The clock of a worker may be a little behind another's.
    fn first_live(&self, now_ms: u64) -> u64 {
        (now_ms / SLOT_MS).saturating_add(1).max(self.slot)
    }

    /// The slots whose holds live at this moment. The ring ends where it ended when it was last advanced.
    fn live(&self, now_ms: u64) -> Range<u64> {
        self.first_live(now_ms)..self.slot.saturating_add(RING)
    }

    /// The slot by whose start a lease ends that begins now.
    fn lease(&self, now_ms: u64) -> u64 {
        let slot = now_ms.saturating_add(LEASE_MS).div_ceil(SLOT_MS);
        slot.max(self.slot)
    }

    /// Forgets the holds that have lapsed.
    fn advance(&mut self, now_ms: u64) {
        let live = self.first_live(now_ms);
        for slot in (self.slot..live).take(SLOTS) {
            let at = place(slot);
            for span in &mut self.spans {
                if let Some(held) = span.held.get_mut(at) {
                    *held = 0;
                }
            }
        }
        self.slot = live;
    }

    fn add(&mut self, frame: &Frame, hold: &Hold) {
        let at = place(hold.slot);
        if let Some(span) = self.span(frame, hold.span_ms)
            && let Some(held) = span.held.get_mut(at)
        {
            *held = held.saturating_add(hold.amount);
        }
    }

    /// Takes a hold out, unless its lease has lapsed and it is gone.
    fn take(&mut self, hold: &Hold) {
        if hold.slot < self.slot {
            return;
        }
        let at = place(hold.slot);
        let span = self
            .spans
            .iter_mut()
            .find(|span| span.start_ms == hold.span_ms);
        if let Some(held) = span.and_then(|span| span.held.get_mut(at)) {
            *held = held.saturating_sub(hold.amount);
        }
    }

    /// The span that starts here; nothing where its window is over and forgotten.
    fn span(&mut self, frame: &Frame, start_ms: u64) -> Option<&mut Span> {
        let known = self.spans.iter().any(|span| span.start_ms == start_ms);
        if !known {
            if start_ms < frame.since_ms {
                return None;
            }
            self.forget(frame);
            let at = self.spans.partition_point(|span| span.start_ms < start_ms);
            let held = [0; SLOTS];
            self.spans.insert(
                at,
                Span {
                    start_ms,
                    used: 0,
                    held,
                },
            );
        }
        self.spans.iter_mut().find(|span| span.start_ms == start_ms)
    }

    /// Makes room for a span: those that count no more go, but for the last, which a worker whose clock is
    /// behind may still be in, those whose requests still run, and those in one window with such.
    fn forget(&mut self, frame: &Frame) {
        let is_over = |span: &Span| span.start_ms < frame.since_ms;
        let last = self.spans.iter().rfind(|span| is_over(span));
        let last = last.map(|span| span.start_ms);
        let live = self.slot..self.slot.saturating_add(RING);
        let runs = self.spans.iter().filter(|span| span.held(live.clone()) > 0);
        let running: Vec<u64> = runs.map(|span| span.start_ms).collect();
        self.spans.retain(|span| {
            let window = frame.window(span.start_ms);
            !is_over(span)
                || Some(span.start_ms) == last
                || running.iter().any(|start_ms| window.counts(*start_ms))
        });
        if self.spans.len() >= SPANS_MAX {
            self.spans.remove(0);
        }
    }
}

impl Span {
    /// What is held in these slots.
    fn held(&self, live: Range<u64>) -> u64 {
        live.take(SLOTS)
            .filter_map(|slot| self.held.get(place(slot)))
            .fold(0, |sum, held| sum.saturating_add(*held))
    }
}

/// A slot's place in the ring.
fn place(slot: u64) -> usize {
    usize::try_from(slot % RING).unwrap_or(0)
}

/// A cell's bytes: the slot, how many spans follow, and each of them; all numbers little-endian.
impl Cell {
    /// Appends the cell.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.slot.to_le_bytes());
        out.push(u8::try_from(self.spans.len()).unwrap_or(0));
        for span in &self.spans {
            out.extend_from_slice(&span.start_ms.to_le_bytes());
            out.extend_from_slice(&span.used.to_le_bytes());
            for held in span.held {
                out.extend_from_slice(&held.to_le_bytes());
            }
        }
    }

    /// Takes a cell off the front of `bytes`; nothing if there is none.
    pub fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let slot = number(bytes)?;
        let (&count, rest) = bytes.split_first()?;
        *bytes = rest;
        if usize::from(count) > SPANS_MAX {
            return None;
        }
        let mut spans: Vec<Span> = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let mut span = Span {
                start_ms: number(bytes)?,
                used: number(bytes)?,
                held: [0; SLOTS],
            };
            for held in &mut span.held {
                *held = number(bytes)?;
            }
            if spans
                .last()
                .is_some_and(|last| last.start_ms >= span.start_ms)
            {
                return None;
            }
            spans.push(span);
        }
        Some(Self { slot, spans })
    }
}

/// Takes a number off the front.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*head))
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::too_many_lines,
    reason = "clippy knows test functions, not the helpers of tests"
)]
mod tests {
    use super::super::{Window, Zone};
    use super::*;
    use crate::budget::Period;
    use crate::codec::random::Random;

    const T: u64 = 1_795_435_200_000;

    fn minute() -> Window {
        Window::Calendar {
            period: Period::Minute,
            zone: Zone::utc(),
        }
    }

    fn rolling(length_ms: u64) -> Window {
        Window::Rolling { length_ms }
    }

    /// Used and held after the acts, each at so many milliseconds after `T`.
    #[track_caller]
    fn check(cell: &Cell, window: &Window, after_ms: u64, want: (u64, u64)) {
        let now_ms = T + after_ms;
        let level = cell.level(now_ms, &window.frame(now_ms), 100);
        assert_eq!((level.used, level.held), want);
    }

    fn reserve(
        cell: &mut Cell,
        window: &Window,
        after_ms: u64,
        amount: u64,
    ) -> Result<Hold, Shortfall> {
        let now_ms = T + after_ms;
        cell.reserve(now_ms, &window.frame(now_ms), 100, amount)
    }

    fn settle(cell: &mut Cell, window: &Window, after_ms: u64, hold: Hold, actual: u64) {
        let now_ms = T + after_ms;
        cell.settle(now_ms, &window.frame(now_ms), hold, actual);
    }

    #[test]
    fn what_fits_is_held_and_what_does_not_is_refused() {
        let (mut cell, window) = (Cell::default(), minute());
        reserve(&mut cell, &window, 0, 60).unwrap();
        let shortfall = reserve(&mut cell, &window, 1, 41).unwrap_err();
        assert_eq!((shortfall.level.used, shortfall.level.held), (0, 60));
        reserve(&mut cell, &window, 2, 40).unwrap();
        check(&cell, &window, 2, (0, 100));
    }

    #[test]
    fn what_it_cost_takes_the_place_of_what_was_held() {
        let (mut cell, window) = (Cell::default(), minute());
        let hold = reserve(&mut cell, &window, 0, 60).unwrap();
        settle(&mut cell, &window, 5, hold, 7);
        check(&cell, &window, 5, (7, 0));
    }

    #[test]
    fn a_hold_that_nobody_renews_is_gone_after_its_lease() {
        let (mut cell, window) = (Cell::default(), rolling(3_600_000));
        reserve(&mut cell, &window, 3, 100).unwrap();
        check(&cell, &window, LEASE_MS, (0, 100));
        assert!(reserve(&mut cell, &window, LEASE_MS, 1).is_err());
        check(&cell, &window, LEASE_MS + SLOT_MS, (0, 0));
        reserve(&mut cell, &window, LEASE_MS + SLOT_MS, 100).unwrap();
    }

    #[test]
    fn a_hold_that_is_renewed_stays() {
        let (mut cell, window) = (Cell::default(), rolling(3_600_000));
        let mut hold = reserve(&mut cell, &window, 0, 100).unwrap();
        for step in 1..20 {
            let now_ms = T + step * LEASE_MS / 2;
            hold = cell.renew(now_ms, &window.frame(now_ms), hold);
            check(&cell, &window, step * LEASE_MS / 2, (0, 100));
        }
        settle(&mut cell, &window, 10 * LEASE_MS, hold, 99);
        check(&cell, &window, 10 * LEASE_MS, (99, 0));
    }

    #[test]
    fn what_began_before_midnight_is_charged_to_the_day_before() {
        let window = Window::Calendar {
            period: Period::Day,
            zone: Zone::utc(),
        };
        let mut cell = Cell::default();
        let before = 43_200_000 - 10;
        let hold = reserve(&mut cell, &window, before, 100).unwrap();
        // The new day is empty although the old one's request still runs.
        check(&cell, &window, before + 20, (0, 0));
        let today = reserve(&mut cell, &window, before + 20, 30).unwrap();
        settle(&mut cell, &window, before + 30, hold, 90);
        check(&cell, &window, before + 30, (0, 30));
        settle(&mut cell, &window, before + 40, today, 20);
        check(&cell, &window, before + 40, (20, 0));
        check(&cell, &window, before, (90, 0));
    }

    #[test]
    fn a_worker_whose_clock_is_behind_finds_the_window_before_as_it_was() {
        let (mut cell, window) = (Cell::default(), minute());
        reserve(&mut cell, &window, 59_999, 70).unwrap();
        reserve(&mut cell, &window, 60_000, 80).unwrap();
        assert!(reserve(&mut cell, &window, 59_999, 31).is_err());
        reserve(&mut cell, &window, 59_999, 30).unwrap();
        check(&cell, &window, 60_000, (0, 80));
    }

    #[test]
    fn it_fits_again_when_the_window_ends() {
        let (mut cell, window) = (Cell::default(), minute());
        let hold = reserve(&mut cell, &window, 10, 100).unwrap();
        settle(&mut cell, &window, 10, hold, 100);
        let shortfall = reserve(&mut cell, &window, 20_000, 1).unwrap_err();
        assert_eq!(shortfall.fits_ms, Some(T + 60_000));
        assert_eq!(shortfall.level.resets_ms, T + 60_000);
    }

    #[test]
    fn it_fits_again_when_enough_of_a_rolling_window_has_passed() {
        let (mut cell, window) = (Cell::default(), rolling(60_000));
        for after_ms in [0, 6_000, 12_000] {
            let hold = reserve(&mut cell, &window, after_ms, 30).unwrap();
            settle(&mut cell, &window, after_ms, hold, 30);
        }
        let fits = |amount| {
            let shortfall = reserve(&mut cell.clone(), &window, 13_000, amount).unwrap_err();
            shortfall.fits_ms.map(|at| at - T)
        };
        assert_eq!(fits(11), Some(66_000));
        assert_eq!(fits(41), Some(72_000));
        assert_eq!(fits(101), None);
        assert!(reserve(&mut cell.clone(), &window, 65_999, 11).is_err());
        reserve(&mut cell, &window, 66_000, 11).unwrap();
    }

    #[test]
    fn where_only_holds_stand_in_the_way_it_may_fit_soon() {
        let (mut cell, window) = (Cell::default(), minute());
        reserve(&mut cell, &window, 0, 100).unwrap();
        let shortfall = reserve(&mut cell, &window, 500, 1).unwrap_err();
        assert_eq!(shortfall.fits_ms, Some(T + 1_500));
    }

    #[test]
    fn an_overrun_is_a_debt_that_the_window_remembers() {
        // Peers stop counting when the limit is passed, or forget what lies below zero.
        let (mut cell, window) = (Cell::default(), minute());
        let first = reserve(&mut cell, &window, 0, 60).unwrap();
        settle(&mut cell, &window, 1, first, 130);
        check(&cell, &window, 1, (130, 0));
        let level = cell.level(T + 1, &window.frame(T + 1), 100);
        assert_eq!(level.remaining(), 0);
        assert!(reserve(&mut cell, &window, 2, 0).is_ok());
        assert!(reserve(&mut cell, &window, 2, 1).is_err());
    }

    #[test]
    fn what_is_refused_is_not_counted() {
        // Envoy's rate limit service counts it: a client that hammers never gets in again.
        let (mut cell, window) = (Cell::default(), minute());
        let hold = reserve(&mut cell, &window, 0, 100).unwrap();
        for _ in 0..1_000 {
            assert!(reserve(&mut cell, &window, 1, 50).is_err());
        }
        settle(&mut cell, &window, 2, hold, 50);
        reserve(&mut cell, &window, 3, 50).unwrap();
    }

    #[test]
    fn a_stream_extends_in_the_window_of_its_admission() {
        let (mut cell, window) = (Cell::default(), minute());
        let hold = reserve(&mut cell, &window, 59_000, 90).unwrap();
        let now_ms = T + 61_000;
        let frame = window.frame(now_ms);
        reserve(&mut cell, &window, 61_000, 100).unwrap();
        let hold = cell.extend(now_ms, &frame, 100, hold, 10).unwrap();
        assert!(cell.extend(now_ms, &frame, 100, hold, 1).is_err());
        check(&cell, &window, 61_000, (0, 100));
        settle(&mut cell, &window, 62_000, hold, 95);
        check(&cell, &window, 59_999, (95, 0));
    }

    #[test]
    fn a_stream_whose_window_is_forgotten_is_bounded_by_its_own_sum() {
        let mut cell = Cell::default();
        let window = Window::Calendar {
            period: Period::Second,
            zone: Zone::utc(),
        };
        let hold = reserve(&mut cell, &window, 0, 90).unwrap();
        for second in 1..100 {
            reserve(&mut cell, &window, second * 1_000, 100).unwrap();
        }
        let now_ms = T + 100_000;
        let hold = cell
            .extend(now_ms, &window.frame(now_ms), 100, hold, 10)
            .unwrap();
        assert!(
            cell.extend(now_ms, &window.frame(now_ms), 100, hold, 1)
                .is_err()
        );
        assert!(cell.spans.len() <= SPANS_MAX);
    }

    #[test]
    fn numbers_at_their_ends_neither_wrap_nor_stop_counting() {
        let mut cell = Cell::default();
        let window = minute();
        let frame = window.frame(T);
        let hold = cell.reserve(T, &frame, u64::MAX, u64::MAX).unwrap();
        assert!(cell.reserve(T, &frame, u64::MAX, 1).is_err());
        cell.settle(T, &frame, hold, u64::MAX);
        assert!(cell.reserve(T, &frame, u64::MAX, 1).is_err());
        assert!(
            Cell::default()
                .reserve(u64::MAX, &window.frame(u64::MAX), 5, 5)
                .is_ok()
        );
    }

    #[test]
    fn a_cell_is_its_bytes() {
        let (mut cell, window) = (Cell::default(), rolling(60_000));
        for step in 0..30 {
            let hold = reserve(&mut cell, &window, step * 5_000, 3).unwrap();
            if step % 3 == 0 {
                settle(&mut cell, &window, step * 5_000 + 1, hold, 2);
            }
        }
        let mut bytes = Vec::new();
        cell.encode(&mut bytes);
        bytes.push(7);
        let mut rest = bytes.as_slice();
        assert_eq!(Cell::decode(&mut rest), Some(cell));
        assert_eq!(rest, [7]);
        for cut in 0..bytes.len() - 1 {
            assert_eq!(Cell::decode(&mut &bytes[..cut]), None);
        }
    }

    /// A request as the model remembers it.
    struct Running {
        hold: Hold,
        admitted_ms: u64,
        renewed_ms: u64,
    }

    /// Any order of reserve, extend, renew, settle, release and crash, with live requests renewed in time.
    fn interleave(seed: u64, window: &Window, length_ms: u64) {
        const LIMIT: u64 = 1_000;
        let mut random = Random::new(seed);
        let mut below = |bound: u64| random.below(usize::try_from(bound).unwrap()) as u64;
        let mut cell = Cell::default();
        let mut running: Vec<Running> = Vec::new();
        let mut charged: Vec<(u64, u64)> = Vec::new();
        let mut now_ms = T;
        let mut crashed_ms = 0;
        for _ in 0..400 {
            now_ms += below(3_000);
            for request in &mut running {
                if now_ms - request.renewed_ms > LEASE_MS / 2 {
                    request.hold = cell.renew(now_ms, &window.frame(now_ms), request.hold);
                    request.renewed_ms = now_ms;
                }
            }
            let frame = window.frame(now_ms);
            let at = running
                .len()
                .checked_sub(1)
                .map(|last| below(last as u64 + 1) as usize);
            match (below(10), at) {
                (0..=4, _) | (_, None) => {
                    let amount = below(400);
                    let before = cell.clone();
                    match cell.reserve(now_ms, &frame, LIMIT, amount) {
                        Ok(hold) => running.push(Running {
                            hold,
                            admitted_ms: now_ms,
                            renewed_ms: now_ms,
                        }),
                        // Nothing is refused that fits.
                        Err(_) => assert!(before.level(now_ms, &frame, LIMIT).remaining() < amount),
                    }
                }
                (5..=6, Some(at)) => {
                    let request = &mut running[at];
                    if let Ok(hold) = cell.extend(now_ms, &frame, LIMIT, request.hold, below(100)) {
                        request.hold = hold;
                        request.renewed_ms = now_ms;
                    }
                }
                (7..=8, Some(at)) => {
                    let request = running.swap_remove(at);
                    let actual = below(request.hold.amount + 1);
                    cell.settle(now_ms, &frame, request.hold, actual);
                    charged.push((request.admitted_ms, actual));
                }
                (_, Some(at)) => {
                    // Its worker has crashed: nobody will ever settle it.
                    running.swap_remove(at);
                    crashed_ms = now_ms;
                }
            }
            let level = cell.level(now_ms, &frame, LIMIT);
            assert!(level.used + level.held <= LIMIT, "{level:?}");
            let live = running.iter().filter(|request| {
                let span_ms = request.hold.span_ms;
                frame.since_ms <= span_ms && span_ms <= frame.until_ms
            });
            let live: u64 = live.map(|request| request.hold.amount).sum();
            assert!(level.held >= live, "a running request lost its hold");
            if now_ms - crashed_ms > LEASE_MS + SLOT_MS {
                assert_eq!(level.held, live, "a crash leaks past the lease");
            }
            let mut bytes = Vec::new();
            cell.encode(&mut bytes);
            cell = Cell::decode(&mut bytes.as_slice()).unwrap();
        }
        // By the model's own books, no window of this length was charged more than the limit.
        for (start_ms, _) in &charged {
            let (from_ms, to_ms) = match window {
                Window::Rolling { .. } => (*start_ms, start_ms + length_ms),
                Window::Calendar { .. } | Window::Always => {
                    let frame = window.frame(*start_ms);
                    (frame.span_ms, frame.span_ms.saturating_add(frame.lives_ms))
                }
            };
            let inside = charged
                .iter()
                .filter(|(at, _)| (from_ms..to_ms).contains(at));
            let sum: u64 = inside.map(|(_, actual)| actual).sum();
            assert!(sum <= LIMIT, "{sum} in one window");
        }
    }

    #[test]
    fn no_order_of_acts_exceeds_the_limit_or_leaks_past_the_lease() {
        for seed in 0..60 {
            interleave(seed, &minute(), 60_000);
            interleave(seed, &rolling(60_000), 60_000);
            interleave(seed, &rolling(600_000), 600_000);
            let zone = Zone::utc();
            interleave(
                seed,
                &Window::Calendar {
                    period: Period::Day,
                    zone,
                },
                0,
            );
            interleave(seed, &Window::Always, 0);
        }
    }
}
