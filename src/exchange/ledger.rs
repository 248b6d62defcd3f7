//! What a request holds in its budgets, from its admission to its end.
//!
//! ```text
//! reserve -- granted --> extend* / renew* --> settle (once: what it held is taken out of the ledger)
//! ```
//! The exchange says what happened; the ledger turns tokens into each budget's own amounts and asks the
//! stores. It is shared with the root context, which renews the leases of requests that wait.

use std::rc::Rc;

use crate::budget::{
    Act, Hold, Inbound, Level, Line, Local, Order, Outbound, Price, Shared, Shortfall, Step, Store,
    Tokens, Unanswered, Verdict,
};
use crate::policy::Due;

use super::journal::Journal;

/// A request's holds.
#[derive(Debug)]
pub struct Ledger {
    id: u128,
    entries: Vec<Entry>,
    /// What each target that may serve it charges, with its provider, in the model's order.
    prices: Vec<(String, Price)>,
    input_tokens: u64,
    output_tokens: u64,
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
    pub(super) output_tokens: u64,
}

/// Who served a request, as far as it is known.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Served<'s> {
    pub(super) provider: Option<&'s str>,
    /// The target's place among the model's.
    pub(super) target: Option<usize>,
}

/// Why a request was not admitted.
pub(super) enum Refusal {
    /// This budget has no room for it.
    Short {
        due: Box<Due>,
        amount: u64,
        shortfall: Shortfall,
    },
    /// A store cannot say.
    Down,
    /// A store has to make this call first.
    Call(Outbound),
}

/// Leases are renewed when so much of them has passed: twice before they end.
const RENEWAL_MS: u64 = 20_000;

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
            input_tokens: promise.input_tokens,
            output_tokens: promise.output_tokens,
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
                Verdict::Down => Refusal::Down,
            };
            ledger.give_back(groups.get(..at).unwrap_or_default(), journal, shared);
            return Err(refusal);
        }
        Ok(ledger)
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
            None => Refusal::Down,
        }
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
            input_tokens: 0,
            output_tokens: 0,
            renewed_ms: 0,
        }
    }

    /// The output tokens that are held for.
    pub(super) const fn output_tokens(&self) -> u64 {
        self.output_tokens
    }

    /// What is held and how each budget stood when it was last asked.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Holds more, so that the answer may have so many output tokens. Says whether every budget has room.
    pub(super) fn extend(&mut self, output_tokens: u64, now_ms: u64, shared: &dyn Shared) -> bool {
        let held = self.amounts(self.output_tokens);
        let wanted = self.amounts(output_tokens);
        let more: Vec<u64> = wanted
            .iter()
            .zip(&held)
            .map(|(wanted, held)| wanted.saturating_sub(*held))
            .collect();
        // Only budgets that are near have holds that grow, and they are one group.
        let Some(group) = self.groups().into_iter().next() else {
            return true;
        };
        let verdict = self.ask(Act::Extend, &group, &more, now_ms, |store, order| {
            Ok::<_, Outbound>(now(store.take(order, shared)))
        });
        match verdict {
            Ok(Verdict::Granted(done)) => {
                self.keep(&group, done);
                self.output_tokens = output_tokens;
                self.renewed_ms = now_ms;
                true
            }
            Ok(Verdict::Refused { .. } | Verdict::Down) | Err(_) => false,
        }
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
    ) {
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
                None => unit.bound(self.input_tokens, self.output_tokens, &price),
            }
        };
        let amounts: Vec<u64> = self.entries.iter().map(amount).collect();
        self.close(&amounts, now_ms, shared);
    }

    /// Charges nothing: the request cost nothing. Nothing is held any more.
    pub(super) fn release(&mut self, now_ms: u64, shared: &dyn Shared) {
        let none = vec![0; self.entries.len()];
        self.close(&none, now_ms, shared);
    }

    fn close(&mut self, amounts: &[u64], now_ms: u64, shared: &dyn Shared) {
        for group in self.groups() {
            // A settlement is noted at once; what cannot be noted lapses with its lease.
            let _noted = self.ask(Act::Settle, &group, amounts, now_ms, |store, order| {
                store.take(order, shared)
            });
        }
        self.entries.clear();
    }

    /// What each budget counts at most for the prompt and so many output tokens.
    fn amounts(&self, output_tokens: u64) -> Vec<u64> {
        let amount = |entry: &Entry| {
            let price = self.price(entry.due.provider.as_deref());
            let unit = entry.due.account.budget.unit;
            unit.bound(self.input_tokens, output_tokens, &price)
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
        groups.sort_by_key(|(store, _)| !store.is_near());
        groups.into_iter().map(|(_, group)| group).collect()
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
        let local: Rc<dyn Store> = Rc::new(Local);
        let mut store = &local;
        let mut lines = Vec::with_capacity(group.len());
        for at in group {
            if let (Some(entry), Some(amount)) = (self.entries.get(*at), amounts.get(*at)) {
                store = &entry.due.rule.store;
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
            if let Some(entry) = self.entries.get_mut(*at) {
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
