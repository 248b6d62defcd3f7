//! What a request holds in its budgets, from its admission to its end.
//!
//! ```text
//! reserve -- granted --> extend* / renew* --> settle (once: what it held is taken out of the ledger)
//! ```
//! The exchange says what happened; the ledger turns tokens into each budget's own amounts and asks the
//! stores. It is shared with the root context, which renews the leases of requests that wait.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::budget::{
    Account, Act, Hold, Inbound, Level, Line, Local, ORDER_CALLS_MAX, Order, Outbound, Price,
    Shared, Shortfall, Step, Store, Tokens, Unanswered, Verdict, WhenDown,
};
use crate::policy::{Due, PromptBound};

use super::journal::Journal;

/// A request's holds.
#[derive(Debug)]
pub struct Ledger {
    id: u128,
    entries: Vec<Entry>,
    /// What each target that may serve it charges, with its provider, in the model's order.
    prices: Vec<(String, Price)>,
    promise: Promise,
    growth: Option<Growth>,
    renewed_ms: u64,
}

/// A bucket, and what is held in it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) due: Due,
    hold: Hold,
    pub(super) level: Level,
}

impl Entry {
    /// Its store could not say, and this gateway holds it alone.
    pub(super) const fn is_aside(&self) -> bool {
        self.hold.is_aside
    }
}

/// What a request is admitted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Promise {
    pub(super) input_tokens: u64,
    /// The same for budgets that hold by bytes.
    pub(super) input_tokens_most: u64,
    pub(super) output_tokens: u64,
}

/// Who served a request, as far as it is known.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Served<'s> {
    pub(super) provider: Option<&'s str>,
    /// The target's place among the model's.
    pub(super) target: Option<usize>,
}

/// What one request was to one of its buckets, for whoever keeps books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The bucket.
    pub account: Account,
    /// Whether it is kept in this gateway's own memory.
    pub is_near: bool,
    /// How it stood at last; nothing where its store could not say.
    pub level: Option<Level>,
    /// What was charged.
    pub settled: u64,
    /// The tokens that were held for the prompt.
    pub prompt_tokens: u64,
    /// It had no room; of a budget that only watches, it would have had none.
    pub is_refused: bool,
    /// Its store could not say.
    pub is_down: bool,
}

/// A hold that grows.
#[derive(Debug)]
struct Growth {
    /// How many output tokens it is to be for.
    output_tokens: u64,
    /// By how much each entry's hold grows.
    more: Vec<u64>,
    /// Entries whose store has not answered yet, those first that answer at once.
    groups: VecDeque<Vec<usize>>,
    /// How many calls the first of them has taken.
    calls: u8,
}

/// What comes of growing.
pub(super) enum Grown {
    Done,
    /// A store has to make this call first.
    Asked(Outbound),
    /// A budget has no room, or cannot tell.
    Refused,
}

/// Why a request was not admitted.
pub(super) enum Refusal {
    /// This budget has no room for it.
    Short {
        due: Box<Due>,
        amount: u64,
        shortfall: Shortfall,
    },
    /// A store cannot say how these buckets stand.
    Down(Vec<Tally>),
    /// A store has to make this call first.
    Call(Outbound),
}

/// Leases are renewed when so much of them has passed: twice before they end.
const RENEWAL_MS: u64 = 20_000;

impl Promise {
    /// What this budget holds for the prompt.
    pub(super) fn input(&self, due: &Due) -> u64 {
        match due.rule.prompt {
            PromptBound::Estimate => self.input_tokens,
            PromptBound::Bytes => self.input_tokens_most,
        }
    }
}

impl Entry {
    /// Whether a budget that only watches would have had no room.
    fn is_over(&self) -> bool {
        let level = &self.level;
        let budget = &self.due.account.budget;
        budget.is_shadow && level.used.saturating_add(level.held) > level.limit
    }

    /// How the bucket stands once so much is charged, where its store tells later.
    const fn settled(&self, amount: u64) -> Level {
        let level = self.level;
        Level {
            used: level.used.saturating_add(amount),
            held: level.held.saturating_sub(self.hold.amount),
            ..level
        }
    }
}

impl Tally {
    fn of(due: &Due, level: Option<Level>) -> Self {
        Self {
            account: due.account.clone(),
            is_near: due.rule.store.is_near(),
            level,
            settled: 0,
            prompt_tokens: 0,
            is_refused: false,
            is_down: level.is_none(),
        }
    }

    /// Of a bucket that has no room.
    pub(super) fn refused(due: &Due, shortfall: &Shortfall) -> Self {
        Self {
            is_refused: true,
            ..Self::of(due, Some(shortfall.level))
        }
    }
}

impl Ledger {
    /// Holds what a request may cost, in all of its budgets or in none.
    pub(super) fn reserve(
        id: u128,
        due: Vec<Due>,
        prices: Vec<(String, Price)>,
        promise: Promise,
        journal: &mut Journal,
        shared: &dyn Shared,
    ) -> Result<Self, Refusal> {
        let entries = due.into_iter().map(|due| Entry {
            due,
            hold: Hold::default(),
            level: Level::default(),
        });
        let now_ms = journal.now_ms();
        let mut ledger = Self {
            id,
            entries: entries.collect(),
            prices,
            promise,
            growth: None,
            renewed_ms: now_ms,
        };
        let amounts = ledger.amounts(promise.output_tokens);
        let groups = ledger.groups();
        for (at, group) in groups.iter().enumerate() {
            let verdict = ledger
                .ask(Act::Reserve, group, &amounts, now_ms, |store, order| {
                    journal.perform(store, order, shared)
                })
                .map_err(Refusal::Call)?;
            let refusal = match verdict {
                Verdict::Granted(done) => {
                    ledger.keep(group, done);
                    continue;
                }
                Verdict::Refused { line, shortfall } => {
                    ledger.short(group.get(line).copied(), &amounts, shortfall)
                }
                Verdict::Down => Refusal::Down(ledger.down(group)),
            };
            ledger.give_back(groups.get(..at).unwrap_or_default(), journal, shared);
            return Err(refusal);
        }
        Ok(ledger)
    }

    /// The store of these entries cannot say.
    fn down(&self, group: &[usize]) -> Vec<Tally> {
        let entries = group.iter().filter_map(|at| self.entries.get(*at));
        entries.map(|entry| Tally::of(&entry.due, None)).collect()
    }

    /// This entry has no room.
    fn short(&self, at: Option<usize>, amounts: &[u64], shortfall: Shortfall) -> Refusal {
        let entry = at.and_then(|at| Some((self.entries.get(at)?, *amounts.get(at)?)));
        match entry {
            Some((entry, amount)) => Refusal::Short {
                due: Box::new(entry.due.clone()),
                amount,
                shortfall,
            },
            None => Refusal::Down(Vec::new()),
        }
    }

    /// Whether the admin of all these budgets would let requests pass whose store cannot say.
    fn passes(&self, group: &[usize]) -> bool {
        let mut entries = group.iter().map(|at| self.entries.get(*at));
        entries
            .all(|entry| entry.is_some_and(|it| it.due.account.budget.when_down == WhenDown::Allow))
    }

    /// Gives back what these groups hold.
    fn give_back(&self, groups: &[Vec<usize>], journal: &mut Journal, shared: &dyn Shared) {
        let none = vec![0; self.entries.len()];
        let now_ms = journal.now_ms();
        for group in groups {
            // Settlements are noted at once.
            let _noted = self.ask(Act::Settle, group, &none, now_ms, |store, order| {
                journal.perform(store, order, shared)
            });
        }
    }

    /// Gives back everything during admission.
    pub(super) fn undo(&self, journal: &mut Journal, shared: &dyn Shared) {
        self.give_back(&self.groups(), journal, shared);
    }

    /// Holds nothing.
    pub(super) const fn empty() -> Self {
        Self {
            id: 0,
            entries: Vec::new(),
            prices: Vec::new(),
            promise: Promise {
                input_tokens: 0,
                input_tokens_most: 0,
                output_tokens: 0,
            },
            growth: None,
            renewed_ms: 0,
        }
    }

    /// The output tokens that are held for.
    pub(super) const fn output_tokens(&self) -> u64 {
        self.promise.output_tokens
    }

    /// What is held and how each budget stood when it was last asked.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether a store is far away, so that its answers take a while.
    pub(super) fn is_far(&self) -> bool {
        let mut stores = self.entries.iter().map(|entry| &entry.due.rule.store);
        stores.any(|store| !store.is_near())
    }

    /// Whether a store is being asked to hold more.
    pub(super) const fn is_growing(&self) -> bool {
        self.growth.is_some()
    }

    /// Holds more, so that the answer may have so many output tokens.
    pub(super) fn grow(&mut self, output_tokens: u64, now_ms: u64, shared: &dyn Shared) -> Grown {
        let held = self.amounts(self.promise.output_tokens);
        let wanted = self.amounts(output_tokens);
        let more = wanted.iter().zip(&held);
        self.growth = Some(Growth {
            output_tokens,
            more: more
                .map(|(wanted, held)| wanted.saturating_sub(*held))
                .collect(),
            groups: self.groups().into(),
            calls: 0,
        });
        self.grow_on(None, now_ms, shared)
    }

    /// Goes on growing, with the answer to the call that it waited for.
    pub(super) fn grow_on(
        &mut self,
        mut answer: Option<Result<Inbound<'_>, Unanswered>>,
        now_ms: u64,
        shared: &dyn Shared,
    ) -> Grown {
        let Some(mut growth) = self.growth.take() else {
            return Grown::Done;
        };
        while let Some(group) = growth.groups.front() {
            let more = &growth.more;
            let step = self.ask(
                Act::Extend,
                group,
                more,
                now_ms,
                |store, order| match answer.take() {
                    Some(answer) => store.hear(order, answer, shared),
                    None => store.take(order, shared),
                },
            );
            match step {
                Step::Call(call) if growth.calls < ORDER_CALLS_MAX => {
                    growth.calls = growth.calls.saturating_add(1);
                    self.growth = Some(growth);
                    return Grown::Asked(call);
                }
                Step::Done(Verdict::Granted(done)) => self.keep(group, done),
                Step::Done(Verdict::Refused { .. }) => return Grown::Refused,
                // What it costs is charged all the same.
                Step::Done(Verdict::Down) | Step::Call(_) if self.passes(group) => {}
                Step::Done(Verdict::Down) | Step::Call(_) => return Grown::Refused,
            }
            growth.groups.pop_front();
            growth.calls = 0;
        }
        self.promise.output_tokens = growth.output_tokens;
        self.renewed_ms = now_ms;
        Grown::Done
    }

    /// Begins the leases anew when it is time. Gives the calls that this takes, with a number for each.
    pub fn renew(&mut self, now_ms: u64, shared: &dyn Shared) -> Vec<(usize, Outbound)> {
        let mut calls = Vec::new();
        if self.entries.is_empty() || now_ms.saturating_sub(self.renewed_ms) < RENEWAL_MS {
            return calls;
        }
        self.renewed_ms = now_ms;
        for (number, group) in self.groups().iter().enumerate() {
            let step = self.renewal(group, |store, order| store.take(order, shared));
            if let Some(call) = self.renewed_by(group, step) {
                calls.push((number, call));
            }
        }
        calls
    }

    /// Takes the answer to the call of this number. Gives the next one, if there is one.
    pub fn renewed(
        &mut self,
        number: usize,
        answer: Result<Inbound<'_>, Unanswered>,
        shared: &dyn Shared,
    ) -> Option<Outbound> {
        let group = self.groups().into_iter().nth(number)?;
        let step = self.renewal(&group, |store, order| store.hear(order, answer, shared));
        self.renewed_by(&group, step)
    }

    fn renewal(
        &self,
        group: &[usize],
        take: impl FnOnce(&Rc<dyn Store>, &Order<'_>) -> Step,
    ) -> Step {
        let none = vec![0; self.entries.len()];
        self.ask(Act::Renew, group, &none, self.renewed_ms, take)
    }

    fn renewed_by(&mut self, group: &[usize], step: Step) -> Option<Outbound> {
        match step {
            Step::Call(call) => return Some(call),
            Step::Done(Verdict::Granted(done)) => self.keep(group, done),
            // What is held stands as it was; the next renewal is in time.
            Step::Done(Verdict::Refused { .. } | Verdict::Down) => {}
        }
        None
    }

    /// Charges what a request cost, by the prices of whom served it; where nobody knows, by the dearest of
    /// those that may have. Without tokens that is all that was held. Nothing is held any more.
    pub(super) fn settle(
        &mut self,
        tokens: Option<&Tokens>,
        served: Served<'_>,
        now_ms: u64,
        shared: &dyn Shared,
    ) -> Vec<Tally> {
        let amount = |entry: &Entry| {
            let own = entry.due.provider.as_deref();
            if own.is_some() && served.provider.is_some() && own != served.provider {
                return 0;
            }
            let unit = entry.due.account.budget.unit;
            if unit == crate::budget::Unit::Concurrent {
                return 0;
            }
            let target = served.target.and_then(|at| self.prices.get(at));
            let price = target.map(|(_, price)| *price);
            let price = price.unwrap_or_else(|| self.price(own.or(served.provider)));
            match tokens {
                Some(tokens) => unit.amount(tokens, &price),
                None => {
                    let input_tokens = self.promise.input(&entry.due);
                    unit.bound(input_tokens, self.promise.output_tokens, &price)
                }
            }
        };
        let amounts: Vec<u64> = self.entries.iter().map(amount).collect();
        self.close(&amounts, now_ms, shared)
    }

    /// Charges nothing: the request cost nothing. Nothing is held any more.
    pub(super) fn release(&mut self, now_ms: u64, shared: &dyn Shared) -> Vec<Tally> {
        let none = vec![0; self.entries.len()];
        self.close(&none, now_ms, shared)
    }

    fn close(&mut self, amounts: &[u64], now_ms: u64, shared: &dyn Shared) -> Vec<Tally> {
        let tally = |(entry, amount): (&Entry, &u64)| Tally {
            settled: *amount,
            prompt_tokens: self.promise.input(&entry.due),
            is_refused: entry.is_over(),
            is_down: entry.is_aside(),
            ..Tally::of(&entry.due, Some(entry.level))
        };
        let mut tallies: Vec<_> = self.entries.iter().zip(amounts).map(tally).collect();
        for group in self.groups() {
            // A settlement is noted at once; what cannot be noted lapses with its lease.
            let noted = self.ask(Act::Settle, &group, amounts, now_ms, |store, order| {
                now(store.take(order, shared))
            });
            let mut levels = match noted {
                Verdict::Granted(done) => done,
                Verdict::Refused { .. } | Verdict::Down => Vec::new(),
            }
            .into_iter();
            for at in group {
                let settled = levels.next().map(|(_, level)| level);
                if let (Some(tally), Some(entry)) = (tallies.get_mut(at), self.entries.get(at)) {
                    // What was held aside says nothing of the bucket.
                    tally.level = match entry.is_aside() {
                        true => None,
                        false => settled.or_else(|| Some(entry.settled(tally.settled))),
                    };
                }
            }
        }
        self.entries.clear();
        tallies
    }

    /// What each budget counts at most for the prompt and so many output tokens.
    fn amounts(&self, output_tokens: u64) -> Vec<u64> {
        let amount = |entry: &Entry| {
            let price = self.price(entry.due.provider.as_deref());
            let unit = entry.due.account.budget.unit;
            unit.bound(self.promise.input(&entry.due), output_tokens, &price)
        };
        self.entries.iter().map(amount).collect()
    }

    /// The dearest price of a provider's targets, or of all where it has none.
    fn price(&self, provider: Option<&str>) -> Price {
        let is_own = |name: &str| Some(name) == provider;
        let has_own = self.prices.iter().any(|(name, _)| is_own(name));
        let fits = self
            .prices
            .iter()
            .filter(|(name, _)| !has_own || is_own(name));
        fits.fold(Price::default(), |dearest, (_, price)| dearest.max(*price))
    }

    /// The entries by their stores, those first that answer at once.
    fn groups(&self) -> Vec<Vec<usize>> {
        let mut groups: Vec<(&Rc<dyn Store>, Vec<usize>)> = Vec::new();
        for (at, entry) in self.entries.iter().enumerate() {
            let store = &entry.due.rule.store;
            match groups
                .iter_mut()
                .find(|(known, _)| Rc::ptr_eq(known, store))
            {
                Some((_, group)) => group.push(at),
                None => groups.push((store, vec![at])),
            }
        }
        let (near, far): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|(store, _)| store.is_near());
        let groups = near.into_iter().chain(far);
        groups.map(|(_, group)| group).collect()
    }

    /// Makes an order over some of the entries, for `take` to take to their store.
    fn ask<T>(
        &self,
        act: Act,
        group: &[usize],
        amounts: &[u64],
        now_ms: u64,
        take: impl FnOnce(&Rc<dyn Store>, &Order<'_>) -> T,
    ) -> T {
        let none: Rc<dyn Store>;
        let store = match group.first().and_then(|at| self.entries.get(*at)) {
            Some(entry) => &entry.due.rule.store,
            None => {
                none = Rc::new(Local);
                &none
            }
        };
        let mut lines = Vec::with_capacity(group.len());
        for at in group {
            if let (Some(entry), Some(amount)) = (self.entries.get(*at), amounts.get(*at)) {
                lines.push(Line {
                    account: &entry.due.account,
                    hold: entry.hold,
                    amount: *amount,
                });
            }
        }
        let order = Order {
            act,
            id: self.id,
            now_ms,
            lines: &lines,
        };
        take(store, &order)
    }

    fn keep(&mut self, group: &[usize], done: Vec<(Hold, Level)>) {
        for (at, (hold, level)) in group.iter().zip(done) {
            // A lease's renewal may be answered after the hold has grown.
            if let Some(entry) = self.entries.get_mut(*at)
                && hold.amount >= entry.hold.amount
            {
                (entry.hold, entry.level) = (hold, level);
            }
        }
    }
}

/// The answer of a store that answers at once.
fn now(step: Step) -> Verdict {
    match step {
        Step::Done(verdict) => verdict,
        Step::Call(_) => Verdict::Down,
    }
}
