//! Escrow: each gateway fetches slices of what is left, and spends them without asking.
//!
//! ```text
//! order --> purse has enough ----------------------------> granted, no call
//!             |  not enough                     ^
//!             v                                 | raised
//!           fetch: one call for all its buckets-+--> Redis has not enough: refused
//! errands: fetch more before it is needed; tell what was spent; give back what nobody uses
//! ```
//! An order whose bucket finds no place among the purses is taken to Redis itself; such holds are marked as
//! shared.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};

use super::super::{
    Account, Act, Hold, Inbound, Level, Line, Order, Outbound, Shared, Shortfall, Step, Store,
    Unanswered, Verdict,
};
use super::purse::{NoPlace, Place, Purse, Question};
use super::script::{Outcome, Slice as Answer, Words};
use super::wire::{Call, Reply};
use super::{Redis, Settings};

/// The store.
#[derive(Debug)]
pub struct Slices {
    redis: Redis,
    /// Buckets of which this worker has spent something.
    known: RefCell<BTreeMap<(String, u128), Account>>,
    /// Those that errands look at next.
    due: RefCell<VecDeque<Account>>,
    looked_ms: Cell<u64>,
    /// Errands on their way: their number, when they left, and whose slices they are about.
    sent: RefCell<VecDeque<(u64, u64, Vec<Account>)>>,
    errands: Cell<u64>,
}

/// How keys of this version begin.
const PREFIX: &str = "tollgate.gateway.1/";
/// Buckets that a worker remembers; others are taken to Redis itself.
const KNOWN_MAX: usize = 65_536;
/// Slices of one errand.
const BATCH_MAX: usize = 16;
/// Errands whose end is awaited.
const SENT_MAX: usize = 64;
/// How often all buckets are looked at.
const LOOK_MS: u64 = 1_000;
/// How often an order asks for more before it is taken to Redis itself: others spend what it fetched.
const FETCHES_MAX: u8 = 3;
/// Lines of an order that fit into its mark.
const LINES_MAX: usize = 64;

/// What an order cannot be granted from purses for.
enum Lack {
    /// A slice is too small.
    Slice,
    /// There is no purse.
    Place,
}

impl From<NoPlace> for Lack {
    fn from(_: NoPlace) -> Self {
        Self::Place
    }
}

impl Slices {
    /// A store with these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            redis: Redis::new(settings),
            known: RefCell::default(),
            due: RefCell::default(),
            looked_ms: Cell::new(0),
            sent: RefCell::default(),
            errands: Cell::new(0),
        }
    }

    fn place<'a>(&'a self, account: &'a Account) -> Place<'a> {
        Place {
            store: &self.redis.settings.name,
            account,
        }
    }

    /// What tells this gateway's slices from others'.
    fn gateway(&self, id: u128, shared: &dyn Shared) -> Option<u128> {
        let key = format!("{PREFIX}{}", self.redis.settings.name);
        let read = || {
            let (bytes, _) = shared.read(&key)?;
            Some(u128::from_le_bytes(*bytes.first_chunk()?))
        };
        read().or_else(|| {
            // Whoever is first names it; reservations' ids are unique over all gateways.
            shared.write(&key, &id.to_le_bytes(), None);
            read()
        })
    }

    /// Takes an order from the purses, all of it or nothing.
    fn take_here(
        &self,
        order: &Order<'_>,
        shared: &dyn Shared,
    ) -> Result<Vec<(Hold, Level)>, Lack> {
        let mut done: Vec<(Hold, Level)> = Vec::with_capacity(order.lines.len());
        for line in order.lines {
            match self.perform(order, line, shared) {
                Ok(taken) => done.push(taken),
                Err(lack) => {
                    self.give_back(order, &done, shared);
                    return Err(lack);
                }
            }
        }
        Ok(done)
    }

    fn perform(
        &self,
        order: &Order<'_>,
        line: &Line<'_>,
        shared: &dyn Shared,
    ) -> Result<(Hold, Level), Lack> {
        let Line { account, hold, .. } = *line;
        let now_ms = order.now_ms;
        let frame = account.budget.window.frame(self.redis.redis_ms(now_ms));
        if !self.know(account, order.id, shared) {
            return Err(Lack::Place);
        }
        let change = |purse: &mut Purse| {
            let span_ms = match order.act {
                Act::Reserve => frame.span_ms,
                Act::Extend | Act::Renew | Act::Settle | Act::Look => hold.span_ms,
            };
            let Some(slice) = purse.slice(span_ms, now_ms) else {
                return (Err(Lack::Place), false);
            };
            match slice.perform(order.act, now_ms, &frame, line) {
                Ok(hold) => {
                    let is_low = order.act == Act::Reserve && slice.is_low(now_ms);
                    (Ok((hold, slice.level(now_ms, account.limit), is_low)), true)
                }
                Err(_) => (Err(Lack::Slice), false),
            }
        };
        let (hold, level, is_low) = self.place(account).access(now_ms, shared, change)??;
        if is_low {
            self.call_soon(account);
        }
        Ok((hold, level))
    }

    /// Undoes what was done of an order that fails.
    fn give_back(&self, order: &Order<'_>, done: &[(Hold, Level)], shared: &dyn Shared) {
        for (line, (hold, _)) in order.lines.iter().zip(done) {
            let before = match order.act {
                Act::Reserve => 0,
                Act::Extend => line.hold.amount,
                Act::Renew | Act::Settle | Act::Look => continue,
            };
            let frame = line.account.budget.window.frame(order.now_ms);
            let undone = self
                .place(line.account)
                .access(order.now_ms, shared, |purse| {
                    if let Some(slice) = purse.find(hold.span_ms) {
                        slice.shrink(order.now_ms, &frame, *hold, before);
                    }
                    ((), true)
                });
            // What could not be given back lapses with its lease.
            drop(undone);
        }
    }

    /// Asks Redis for what the purses lack.
    fn fetch(&self, order: &Order<'_>, attempt: u8, is_whole: bool, shared: &dyn Shared) -> Step {
        let gateway = self.gateway(order.id, shared);
        let (Some(gateway), true) = (gateway, attempt < FETCHES_MAX) else {
            return self.ask_redis(order, is_whole);
        };
        let mut questions = Vec::new();
        let mut lines = 0_u64;
        for (at, line) in order.lines.iter().enumerate() {
            match self.question(order, line, shared) {
                Ok(Some(question)) => {
                    lines |= bit(at);
                    questions.push((line.account, question));
                }
                Ok(None) => {}
                Err(NoPlace) => return self.ask_redis(order, is_whole),
            }
        }
        let mut call = Call::new(format_args!("f-{attempt}-{lines}"));
        let redis_ms = self.redis.redis_ms(order.now_ms);
        for (account, question) in questions {
            call.slice(
                &self.redis.settings.tag,
                gateway,
                account,
                &question,
                redis_ms,
            );
        }
        Step::Call(call.outbound(&self.redis.settings, is_whole))
    }

    /// Takes an order to Redis itself, unless its holds are in purses.
    fn ask_redis(&self, order: &Order<'_>, is_whole: bool) -> Step {
        if order.act == Act::Reserve {
            self.redis.ask(order, 0, is_whole)
        } else {
            Step::Done(Verdict::Down)
        }
    }

    /// Ends holds. What is held nowhere here is settled in Redis, which may know of it.
    fn settle(&self, order: &Order<'_>, shared: &dyn Shared) -> Step {
        let mut done = Vec::with_capacity(order.lines.len());
        let mut rest = Vec::new();
        for line in order.lines {
            let is_nothing = line.hold.amount == 0 && line.amount == 0;
            let settled = (!is_nothing).then(|| self.perform(order, line, shared));
            match settled {
                Some(Ok(settled)) => done.push(settled),
                Some(Err(_)) | None => {
                    let hold = Hold {
                        slot: 0,
                        amount: 0,
                        ..line.hold
                    };
                    rest.push(Line { hold, ..*line });
                }
            }
        }
        if rest.is_empty() {
            return Step::Done(Verdict::Granted(done));
        }
        let lines = &rest;
        self.redis.take(&Order { lines, ..*order }, shared)
    }

    /// Whether an order is Redis's own affair.
    fn is_redis_own(order: &Order<'_>) -> bool {
        let is_there = order.lines.iter().any(|line| line.hold.is_shared);
        is_there || order.act == Act::Look || order.lines.len() > LINES_MAX
    }

    /// What a line needs of Redis; nothing if its purse has enough.
    fn question(
        &self,
        order: &Order<'_>,
        line: &Line<'_>,
        shared: &dyn Shared,
    ) -> Result<Option<Question>, NoPlace> {
        let Line {
            account,
            hold,
            amount,
        } = *line;
        let now_ms = order.now_ms;
        let frame = account.budget.window.frame(self.redis.redis_ms(now_ms));
        self.place(account).access(now_ms, shared, |purse| {
            let span_ms = if order.act == Act::Extend {
                hold.span_ms
            } else {
                frame.span_ms
            };
            let Some(slice) = purse.slice(span_ms, now_ms) else {
                return (None, false);
            };
            let mut trial = slice.clone();
            match trial.perform(order.act, now_ms, &frame, line) {
                Ok(_) => (None, false),
                Err(_) => (Some(slice.fetch(now_ms, account.limit, amount)), true),
            }
        })
    }

    /// Takes Redis's answer about the slices of an order.
    fn fetched(
        &self,
        order: &Order<'_>,
        (attempt, lines): (u8, u64),
        answers: &mut Words<'_>,
        shared: &dyn Shared,
    ) -> Step {
        let mut refusal = None;
        for (at, line) in order.lines.iter().enumerate() {
            if lines & bit(at) == 0 {
                continue;
            }
            let Some(answer) = answers.slice() else {
                return Step::Done(Verdict::Down);
            };
            self.learn(line.account, &answer, order.now_ms, shared);
            if !answer.is_enough && refusal.is_none() {
                refusal = Some((at, answer));
            }
        }
        match (self.take_here(order, shared), refusal) {
            (Ok(done), _) => Step::Done(Verdict::Granted(done)),
            (Err(_), Some((at, answer))) => Step::Done(self.refuse(order, at, &answer)),
            (Err(Lack::Slice), None) => self.fetch(order, attempt.saturating_add(1), false, shared),
            (Err(Lack::Place), None) => self.ask_redis(order, false),
        }
    }

    fn refuse(&self, order: &Order<'_>, at: usize, answer: &Answer) -> Verdict {
        let ahead_ms = self.redis.ahead_ms.get();
        let ours = |redis_ms: u64| redis_ms.saturating_sub_signed(ahead_ms);
        let limit = order.lines.get(at).map_or(0, |line| line.account.limit);
        Verdict::Refused {
            line: at,
            shortfall: Shortfall {
                level: Level {
                    limit,
                    resets_ms: ours(answer.level.resets_ms),
                    ..answer.level
                },
                fits_ms: answer.fits_ms.map(ours),
            },
        }
    }

    fn learn(&self, account: &Account, answer: &Answer, sent_ms: u64, shared: &dyn Shared) {
        let ahead_ms = self.redis.ahead_ms.get();
        let learnt = self.place(account).access(sent_ms, shared, |purse| {
            let slice = purse.find(answer.span_ms);
            let is_known = slice.is_some();
            if let Some(slice) = slice {
                slice.hear(answer, sent_ms, ahead_ms);
            }
            ((), is_known)
        });
        // Without a place, what was granted lapses with its lease.
        drop(learnt);
    }

    /// Remembers a bucket for errands. Says whether it is remembered.
    fn know(&self, account: &Account, id: u128, shared: &dyn Shared) -> bool {
        let mut known = self.known.borrow_mut();
        let key = (account.budget.place().to_owned(), account.key);
        let place = known.get(&key);
        if place.is_some_and(|known| known == account) {
            return true;
        }
        if place.is_none() && known.len() >= KNOWN_MAX {
            return false;
        }
        known.insert(key, account.clone());
        self.gateway(id, shared).is_some()
    }

    fn call_soon(&self, account: &Account) {
        let mut due = self.due.borrow_mut();
        if due.len() < BATCH_MAX {
            due.push_back(account.clone());
        }
    }

    /// What errands have to ask, and about whose slices.
    fn questions(&self, now_ms: u64, shared: &dyn Shared) -> Vec<(Account, Question)> {
        if now_ms.abs_diff(self.looked_ms.get()) >= LOOK_MS {
            self.looked_ms.set(now_ms);
            let known = self.known.borrow();
            self.due.borrow_mut().extend(known.values().cloned());
        }
        let mut questions = Vec::new();
        while questions.len() < BATCH_MAX {
            let Some(account) = self.due.borrow_mut().pop_front() else {
                break;
            };
            let frame = account.budget.window.frame(self.redis.redis_ms(now_ms));
            let asked = self.place(&account).access(now_ms, shared, |purse| {
                let mut asked = Vec::new();
                let mut is_empty = true;
                let is_cleaned = purse.clean(now_ms);
                for slice in purse.slices() {
                    is_empty = false;
                    let is_now = slice.span_ms == frame.span_ms;
                    asked.extend(slice.errand(now_ms, is_now, &account));
                }
                let is_kept = is_cleaned || !asked.is_empty();
                ((asked, is_empty), is_kept)
            });
            let Ok((asked, is_empty)) = asked else {
                continue;
            };
            if is_empty {
                let key = (account.budget.place().to_owned(), account.key);
                self.known.borrow_mut().remove(&key);
            }
            for question in asked {
                questions.push((account.clone(), question));
            }
        }
        questions
    }
}

/// A line's place in a mark.
fn bit(at: usize) -> u64 {
    u32::try_from(at).map_or(0, |at| 1_u64.checked_shl(at).unwrap_or(0))
}

/// The mark of an order's fetch: which attempt it is, and the lines it is about.
fn read_mark(mark: &str) -> Option<(u8, u64)> {
    let (attempt, lines) = mark.strip_prefix("f-")?.split_once('-')?;
    Some((attempt.parse().ok()?, lines.parse().ok()?))
}

impl Store for Slices {
    fn take(&self, order: &Order<'_>, shared: &dyn Shared) -> Step {
        if Self::is_redis_own(order) {
            return self.redis.take(order, shared);
        }
        if order.act == Act::Settle {
            return self.settle(order, shared);
        }
        match self.take_here(order, shared) {
            Ok(done) => Step::Done(Verdict::Granted(done)),
            Err(Lack::Slice) => self.fetch(order, 0, self.redis.lacks_script.get(), shared),
            Err(Lack::Place) => self.ask_redis(order, self.redis.lacks_script.get()),
        }
    }

    fn hear(
        &self,
        order: &Order<'_>,
        answer: Result<Inbound<'_>, Unanswered>,
        shared: &dyn Shared,
    ) -> Step {
        if Self::is_redis_own(order) {
            return mark_shared(self.redis.hear(order, answer, shared));
        }
        let words = match Reply::read(answer) {
            Reply::Words(words) => words,
            Reply::NoScript => return self.fetch(order, 0, true, shared),
            Reply::Nothing => {
                // Another request's answer may have come meanwhile.
                let done = self.take_here(order, shared);
                return Step::Done(done.map_or(Verdict::Down, Verdict::Granted));
            }
        };
        match Words::outcome(words) {
            Some(Outcome::Done {
                redis_ms,
                mark,
                mut answers,
            }) if read_mark(mark).is_some() => {
                self.redis.lacks_script.set(false);
                self.redis.learn_clock(redis_ms, order.now_ms);
                let mark = read_mark(mark).unwrap_or_default();
                self.fetched(order, mark, &mut answers, shared)
            }
            Some(Outcome::Clock { redis_ms, mark }) if read_mark(mark).is_some() => {
                self.redis.learn_clock(redis_ms, order.now_ms);
                let (attempt, _) = read_mark(mark).unwrap_or_default();
                self.fetch(order, attempt.saturating_add(1), false, shared)
            }
            Some(_) | None => mark_shared(self.redis.hear(order, answer, shared)),
        }
    }

    fn errand(&self, now_ms: u64, shared: &dyn Shared) -> Option<Outbound> {
        if let Some(call) = self.redis.errand(now_ms, shared) {
            return Some(call);
        }
        let questions = self.questions(now_ms, shared);
        if questions.is_empty() {
            return None;
        }
        // Named when the first of them was remembered.
        let gateway = self.gateway(0, shared)?;
        let number = self.errands.get().wrapping_add(1);
        self.errands.set(number);
        let mut call = Call::new(format_args!("e-{number}"));
        let redis_ms = self.redis.redis_ms(now_ms);
        for (account, question) in &questions {
            call.slice(
                &self.redis.settings.tag,
                gateway,
                account,
                question,
                redis_ms,
            );
        }
        let accounts = questions.into_iter().map(|(account, _)| account).collect();
        let mut sent = self.sent.borrow_mut();
        if sent.len() >= SENT_MAX {
            sent.pop_front();
        }
        sent.push_back((number, now_ms, accounts));
        Some(call.outbound(&self.redis.settings, self.redis.lacks_script.get()))
    }

    fn errand_done(
        &self,
        now_ms: u64,
        answer: Result<Inbound<'_>, Unanswered>,
        shared: &dyn Shared,
    ) {
        let mark = match Reply::read(answer) {
            Reply::Words(words) => match Words::outcome(words) {
                Some(Outcome::Done { mark, answers, .. }) => mark
                    .strip_prefix("e-")
                    .and_then(|number| number.parse::<u64>().ok())
                    .map(|number| (number, answers)),
                Some(Outcome::Clock { .. }) | None => None,
            },
            Reply::NoScript | Reply::Nothing => None,
        };
        let Some((number, mut answers)) = mark else {
            self.redis.errand_done(now_ms, answer, shared);
            return;
        };
        self.redis.lacks_script.set(false);
        let mut sent = self.sent.borrow_mut();
        let Some(at) = sent.iter().position(|sent| sent.0 == number) else {
            return;
        };
        let Some((_, sent_ms, accounts)) = sent.remove(at) else {
            return;
        };
        drop(sent);
        for account in &accounts {
            let Some(answer) = answers.slice() else {
                return;
            };
            self.learn(account, &answer, sent_ms, shared);
        }
    }
}

/// Holds that Redis itself has.
fn mark_shared(step: Step) -> Step {
    match step {
        Step::Done(Verdict::Granted(mut done)) => {
            for (hold, _) in &mut done {
                hold.is_shared = true;
            }
            Step::Done(Verdict::Granted(done))
        }
        Step::Done(_) | Step::Call(_) => step,
    }
}
