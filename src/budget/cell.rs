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

use super::Hold;

/// How fine the leases' ends are told apart.
pub(super) const SLOT_MS: u64 = 10_000;
/// How long a hold lives that nobody renews.
pub const LEASE_MS: u64 = 60_000;
/// Slots that a cell keeps: those of a lease, and one for the part of the first that has passed.
pub(super) const SLOTS: usize = 8;
const RING: u64 = SLOTS as u64;
/// Spans that a cell keeps: those of a rolling window, and some older ones whose streams still run.
pub(super) const SPANS_MAX: usize = 16;
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

    /// The span of `hold` alone: for what was admitted in a window that is over.
    const fn of(&self, hold: &Hold) -> Self {
        Self {
            span_ms: hold.span_ms,
            since_ms: hold.span_ms,
            until_ms: hold.span_ms,
            lives_ms: self.lives_ms,
        }
    }
}

impl Cell {
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
        };
        self.add(frame, &hold);
        Ok(hold)
    }

    /// Adds `more` to a hold if it fits into the window of its admission, and renews it. Once that window is
    /// forgotten, the request's own sum has to stay within the limit.
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
        let admission = if frame.counts(hold.span_ms) {
            *frame
        } else {
            frame.of(&hold)
        };
        let mut others = self.clone();
        others.take(&hold);
        let amount = hold.amount.saturating_add(more);
        others.check(now_ms, &admission, limit, amount)?;
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
    /// behind may still be in, and those whose requests still run.
    fn forget(&mut self, frame: &Frame) {
        let is_over = |span: &Span| span.start_ms < frame.since_ms;
        let last = self.spans.iter().rfind(|span| is_over(span));
        let last = last.map(|span| span.start_ms);
        let live = self.slot..self.slot.saturating_add(RING);
        self.spans.retain(|span| {
            !is_over(span) || Some(span.start_ms) == last || span.held(live.clone()) > 0
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
