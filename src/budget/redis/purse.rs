//! What a gateway has of buckets that many share: slices it has fetched, and what it spent of them.
//!
//! ```text
//!  since the slice began  0 ......... charged ......... used + held ......... ceiling
//!                           Redis knows it   spent here, not told    set aside in Redis, for this gateway
//! ```
//! Requests are admitted below the ceiling, which Redis has granted, and only until the lease of what it
//! set aside ends. The ceiling is lowered here before Redis is told, and raised after Redis has agreed, so
//! the sum over all gateways stays within the limit whatever is lost or late on the way.
//!
//! Purses stand in the process's memory like the buckets of the local store: in a fixed number of sets, each
//! changed as a whole or not at all.

use super::super::cell::{Cell, Frame};
use super::super::{Account, Act, Hold, LEASE_MS, Level, Line, Shared, Shortfall};
use super::script::Slice as Answer;

/// What a gateway has of one bucket.
#[derive(Debug)]
pub(super) struct Purse {
    key: u128,
    slices: Vec<Slice>,
}

/// What it has of one span.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) span_ms: u64,
    /// When it began: one that was forgotten and begins anew is another, of which nothing is spent yet.
    born_ms: u64,
    /// The number of the last call about it.
    pub(super) number: u64,
    /// The last call whose answer is known.
    answered: u64,
    /// The last call that gave something back: answers to earlier ones are out of date.
    shrunk: u64,
    /// Up to which sum requests are admitted.
    ceiling: u64,
    /// Up to which sum Redis has been asked.
    asked: u64,
    /// What Redis has been told is used.
    charged: u64,
    /// Until when what is set aside stays so.
    until_ms: u64,
    /// When Redis was last asked.
    sent_ms: u64,
    /// What was spent by then.
    spent: u64,
    /// How much is fetched at once.
    pace: u64,
    /// How the bucket stood in Redis.
    used: u64,
    held: u64,
    resets_ms: u64,
    /// What is used and held here; it has this one span.
    cell: Cell,
}

/// What Redis is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) span_ms: u64,
    pub(super) born_ms: u64,
    pub(super) number: u64,
    pub(super) charged: u64,
    /// What is used and held.
    pub(super) kept: u64,
    /// The least ceiling that helps.
    pub(super) least: u64,
    /// The greatest that is wanted.
    pub(super) most: u64,
    /// Whether the rest is given back.
    pub(super) shrinks: bool,
}

/// How keys of this version begin.
const PREFIX: &str = "tollgate.purse.2/";
const PLACES: usize = 8;
const KEYS_PER_SET: u32 = 4;
const SLICES_MAX: usize = 16;
/// Clocks drift, and a lease is Redis's.
const LEASE_MARGIN_MS: u64 = 5_000;
/// When a lease is begun anew.
const RENEW_MS: u64 = 20_000;
/// Fetching again within this time, more is fetched at once.
const SOON_MS: u64 = 500;
/// Fetching again after this time, less.
const LATE_MS: u64 = 4_000;
/// No slice is more than this part of the limit, unless one request needs it.
const PART: u64 = 64;
/// Of what is fetched at once, what may be left when more is fetched ahead of need.
const LOW: u64 = 2;
/// How long between calls about one slice that nobody waits for.
const CALM_MS: u64 = 900;

/// The place of a purse.
pub(super) struct Place<'a> {
    pub(super) store: &'a str,
    pub(super) account: &'a Account,
}

/// There is no place for another purse, or nobody could change its set for too long.
#[derive(Debug)]
pub(super) struct NoPlace;

impl Place<'_> {
    /// Changes a purse. Nothing is kept where `change` says so.
    pub(super) fn access<T>(
        &self,
        now_ms: u64,
        shared: &dyn Shared,
        mut change: impl FnMut(&mut Purse) -> (T, bool),
    ) -> Result<T, NoPlace> {
        let budget = &self.account.budget;
        let sets = u128::from(budget.keys_max.div_ceil(KEYS_PER_SET).max(1));
        let set = self.account.key.checked_rem(sets).unwrap_or(0);
        let key = format!("{PREFIX}{}/{}/{set}", self.store, budget.place());
        let mut done = Err(NoPlace);
        let changed = shared.update(&key, &mut |bytes| {
            let mut purses = decode(bytes);
            let Some(purse) = claim(&mut purses, self.account.key, now_ms) else {
                done = Err(NoPlace);
                return None;
            };
            let (made, is_kept) = change(purse);
            done = Ok(made);
            is_kept.then(|| encode(&purses))
        });
        changed.or(Err(NoPlace)).and(done)
    }
}

/// The purse of a key; a new one in the place of an empty one. Nothing if all are in use.
fn claim(purses: &mut Vec<Purse>, key: u128, now_ms: u64) -> Option<&mut Purse> {
    let known = purses.iter().position(|purse| purse.key == key);
    let at = match known {
        Some(at) => at,
        None => {
            let new = Purse {
                key,
                slices: Vec::new(),
            };
            let is_empty = |purse: &Purse| purse.slices.iter().all(|slice| slice.is_over(now_ms));
            match purses.iter().position(is_empty) {
                Some(at) => {
                    *purses.get_mut(at)? = new;
                    at
                }
                None if purses.len() < PLACES => {
                    purses.push(new);
                    purses.len().checked_sub(1)?
                }
                None => return None,
            }
        }
    };
    purses.get_mut(at)
}

impl Purse {
    /// The slice of a span, if there is one.
    pub(super) fn find(&mut self, span_ms: u64) -> Option<&mut Slice> {
        self.slices
            .iter_mut()
            .find(|slice| slice.span_ms == span_ms)
    }

    /// The slice of a span; nothing if requests of too many spans still run.
    pub(super) fn slice(&mut self, span_ms: u64, now_ms: u64) -> Option<&mut Slice> {
        if self.find(span_ms).is_none() {
            self.slices.retain(|slice| !slice.is_over(now_ms));
            if self.slices.len() >= SLICES_MAX {
                return None;
            }
            self.slices.push(Slice {
                span_ms,
                born_ms: now_ms,
                ..Slice::default()
            });
        }
        self.find(span_ms)
    }

    /// Drops slices that are over. Says whether there were any.
    pub(super) fn clean(&mut self, now_ms: u64) -> bool {
        let before = self.slices.len();
        self.slices.retain(|slice| !slice.is_over(now_ms));
        self.slices.len() < before
    }

    /// Every slice.
    pub(super) fn slices(&mut self) -> impl Iterator<Item = &mut Slice> {
        self.slices.iter_mut()
    }
}

impl Slice {
    /// Its span alone: other spans are other slices.
    fn frame(&self, frame: &Frame) -> Frame {
        Frame {
            span_ms: self.span_ms,
            since_ms: self.span_ms,
            until_ms: self.span_ms,
            lives_ms: frame.lives_ms,
        }
    }

    /// Does an order's act. What is to be held has to be there, unless the budget only watches.
    pub(super) fn perform(
        &mut self,
        act: Act,
        now_ms: u64,
        frame: &Frame,
        line: &Line<'_>,
    ) -> Result<Hold, Shortfall> {
        let (frame, limit) = (self.frame(frame), self.limit_of(now_ms, line.account));
        let what = (line.hold, line.amount);
        self.cell.perform(act, now_ms, &frame, limit, what)
    }

    /// Makes a hold what it was.
    pub(super) fn shrink(&mut self, now_ms: u64, frame: &Frame, hold: Hold, amount: u64) {
        let frame = self.frame(frame);
        self.cell.shrink(now_ms, &frame, hold, amount);
    }

    /// How the bucket stands, as far as this gateway knows: what it has set aside and not spent is left.
    pub(super) fn level(&self, now_ms: u64, limit: u64) -> Level {
        let own = self.own(now_ms);
        let aside = self.ceiling.saturating_sub(self.charged);
        let untold = own.used.saturating_sub(self.charged);
        Level {
            used: self.used.saturating_add(untold),
            held: self.held.saturating_sub(aside).saturating_add(own.held),
            limit,
            resets_ms: self.resets_ms.max(now_ms),
        }
    }

    /// Whether more should be fetched before it is needed.
    pub(super) fn is_low(&self, now_ms: u64) -> bool {
        let left = self.limit(now_ms).saturating_sub(self.kept(now_ms));
        // What was asked for and not granted is on its way, or is not there.
        let is_asked = self.asked > self.ceiling && now_ms.saturating_sub(self.sent_ms) < CALM_MS;
        left < self.pace / LOW && !is_asked
    }

    /// Asks for enough to hold `amount` more.
    pub(super) fn fetch(&mut self, now_ms: u64, limit: u64, amount: u64) -> Question {
        let since_ms = now_ms.saturating_sub(self.sent_ms);
        if since_ms < SOON_MS {
            self.pace = self.pace.saturating_mul(2);
        } else if since_ms > LATE_MS {
            self.pace /= 2;
        }
        self.pace = self.pace.min(limit / PART).max(amount);
        let kept = self.kept(now_ms);
        let least = kept.saturating_add(amount);
        self.asked = self.asked.max(least.saturating_add(self.pace));
        self.ask(now_ms, least, false)
    }

    /// Asks for nothing more than what requests hold.
    fn give_back(&mut self, now_ms: u64) -> Question {
        let kept = self.kept(now_ms);
        self.ceiling = self.ceiling.min(kept);
        self.asked = kept;
        let question = self.ask(now_ms, kept, true);
        self.shrunk = self.number;
        question
    }

    /// What Redis should be asked although nobody waits for it. `is_now` says whether requests are still
    /// admitted to its span.
    pub(super) fn errand(
        &mut self,
        now_ms: u64,
        is_now: bool,
        account: &Account,
    ) -> Option<Question> {
        let is_now = is_now && !account.budget.is_shadow;
        let quiet_ms = now_ms.saturating_sub(self.sent_ms);
        let own = self.own(now_ms);
        let kept = own.used.saturating_add(own.held);
        let lease_ends = self.until_ms.saturating_sub(now_ms) < LEASE_MS.saturating_sub(RENEW_MS);
        let has_more = self.ceiling > kept;
        let is_idle = kept == self.spent;
        if is_now && self.is_low(now_ms) && !is_idle {
            return Some(self.fetch(now_ms, account.limit, 0));
        }
        if quiet_ms < CALM_MS {
            return None;
        }
        if has_more && (is_idle || !is_now) {
            return Some(self.give_back(now_ms));
        }
        let is_lost = self.answered < self.number;
        let lapses = lease_ends && (own.held > 0 || has_more);
        let is_due = own.used > self.charged || lapses || is_lost;
        if !is_due {
            return None;
        }
        if is_now && !is_idle {
            return Some(self.fetch(now_ms, account.limit, 0));
        }
        Some(self.give_back(now_ms))
    }

    /// Takes Redis's answer to a call that left at `sent_ms`.
    pub(super) fn hear(&mut self, answer: &Answer, sent_ms: u64, ahead_ms: i64) {
        let is_late = answer.number < self.shrunk || answer.number < self.answered;
        if answer.born_ms != self.born_ms || is_late {
            return;
        }
        self.answered = answer.number;
        self.number = self.number.max(answer.number);
        self.charged = self.charged.max(answer.charged);
        self.ceiling = answer.ceiling;
        let until_ms = sent_ms.saturating_add(LEASE_MS.saturating_sub(LEASE_MARGIN_MS));
        self.until_ms = self.until_ms.max(until_ms);
        self.used = answer.level.used;
        self.held = answer.level.held;
        self.resets_ms = answer.level.resets_ms.saturating_sub_signed(ahead_ms);
    }

    fn ask(&mut self, now_ms: u64, least: u64, shrinks: bool) -> Question {
        let own = self.own(now_ms);
        self.number = self.number.saturating_add(1);
        self.sent_ms = now_ms;
        self.spent = own.used.saturating_add(own.held);
        Question {
            span_ms: self.span_ms,
            born_ms: self.born_ms,
            number: self.number,
            charged: own.used,
            kept: self.spent,
            least,
            most: self.asked,
            shrinks,
        }
    }

    fn limit_of(&self, now_ms: u64, account: &Account) -> u64 {
        if account.budget.is_shadow {
            u64::MAX
        } else {
            self.limit(now_ms)
        }
    }

    /// Up to where requests are admitted now.
    const fn limit(&self, now_ms: u64) -> u64 {
        if now_ms < self.until_ms {
            self.ceiling
        } else {
            0
        }
    }

    /// What is used and held here.
    fn own(&self, now_ms: u64) -> Level {
        let frame = Frame {
            span_ms: self.span_ms,
            since_ms: self.span_ms,
            until_ms: self.span_ms,
            lives_ms: 0,
        };
        self.cell.level(now_ms, &frame, u64::MAX)
    }

    fn kept(&self, now_ms: u64) -> u64 {
        let own = self.own(now_ms);
        own.used.saturating_add(own.held)
    }

    /// Whether Redis knows all of it and nothing of it is to come.
    fn is_over(&self, now_ms: u64) -> bool {
        let own = self.own(now_ms);
        let is_told = own.held == 0 && own.used <= self.charged && self.ceiling <= self.charged;
        // No answer comes that late.
        is_told && now_ms.saturating_sub(self.sent_ms) > LEASE_MS
    }
}

/// The purses of a set one after the other: key, how many slices, each slice; all numbers little-endian.
fn encode(purses: &[Purse]) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    for purse in purses {
        out.extend_from_slice(&purse.key.to_le_bytes());
        out.push(u8::try_from(purse.slices.len()).unwrap_or(0));
        for slice in &purse.slices {
            for number in slice.numbers() {
                out.extend_from_slice(&number.to_le_bytes());
            }
            slice.cell.encode(&mut out);
        }
    }
    out
}

/// What nobody of this version can have written is no purse.
fn decode(mut bytes: &[u8]) -> Vec<Purse> {
    let mut purses = Vec::with_capacity(PLACES);
    while let Some(purse) = Purse::decode(&mut bytes) {
        if purses.len() == PLACES {
            break;
        }
        purses.push(purse);
    }
    purses
}

impl Purse {
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let (key, rest) = bytes.split_first_chunk()?;
        let (&count, rest) = rest.split_first()?;
        *bytes = rest;
        if usize::from(count) > SLICES_MAX {
            return None;
        }
        let mut slices = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            slices.push(Slice::decode(bytes)?);
        }
        let key = u128::from_le_bytes(*key);
        Some(Self { key, slices })
    }
}

impl Slice {
    const fn numbers(&self) -> [u64; 15] {
        [
            self.span_ms,
            self.born_ms,
            self.number,
            self.answered,
            self.shrunk,
            self.ceiling,
            self.asked,
            self.charged,
            self.until_ms,
            self.sent_ms,
            self.spent,
            self.pace,
            self.used,
            self.held,
            self.resets_ms,
        ]
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let mut numbers = [0; 15];
        for number in &mut numbers {
            let (head, rest) = bytes.split_first_chunk()?;
            *number = u64::from_le_bytes(*head);
            *bytes = rest;
        }
        let [
            span_ms,
            born_ms,
            number,
            answered,
            shrunk,
            ceiling,
            asked,
            charged,
            until_ms,
            sent_ms,
            spent,
            pace,
            used,
            held,
            resets_ms,
        ] = numbers;
        Some(Self {
            span_ms,
            born_ms,
            number,
            answered,
            shrunk,
            ceiling,
            asked,
            charged,
            until_ms,
            sent_ms,
            spent,
            pace,
            used,
            held,
            resets_ms,
            cell: Cell::decode(bytes)?,
        })
    }
}
