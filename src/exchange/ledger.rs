//! What a request holds in its budgets, from its admission to its end.
//!
//! ```text
//! reserve -- granted --> extend* / renew* --> settle (once: what it held is taken out of the ledger)
//! ```
//! The exchange says what happened; the ledger turns tokens into each budget's own amounts and asks the
//! stores. It is shared with the root context, which renews the leases of requests that wait.

use crate::budget::{
    Act, Hold, Level, Line, Local, Order, Price, Shared, Shortfall, Step, Store, Tokens, Verdict,
};
use crate::policy::Due;

/// A request's holds.
#[derive(Debug)]
pub struct Ledger {
    id: u128,
    entries: Vec<Entry>,
    /// What each provider that may serve it charges.
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

/// What a request is admitted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Promise {
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
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
        now_ms: u64,
        shared: &dyn Shared,
    ) -> Result<Self, Refusal> {
        let entries = due.into_iter().map(|due| Entry {
            due,
            hold: Hold::default(),
            level: Level::default(),
        });
        let mut ledger = Self {
            id,
            entries: entries.collect(),
            prices,
            input_tokens: promise.input_tokens,
            output_tokens: promise.output_tokens,
            renewed_ms: now_ms,
        };
        let amounts = ledger.amounts(promise.output_tokens);
        match ledger.order(Act::Reserve, &amounts, now_ms, shared) {
            Verdict::Granted(done) => {
                ledger.keep(done);
                Ok(ledger)
            }
            Verdict::Refused { line, shortfall } => {
                let amount = amounts.get(line).copied().unwrap_or(0);
                match ledger.entries.into_iter().nth(line) {
                    Some(entry) => Err(Refusal::Short {
                        due: Box::new(entry.due),
                        amount,
                        shortfall,
                    }),
                    None => Err(Refusal::Down),
                }
            }
            Verdict::Down => {
                // Budgets whose admin would rather let requests pass are not asked again.
                let before = ledger.entries.len();
                let mut due: Vec<Due> = ledger.entries.into_iter().map(|entry| entry.due).collect();
                due.retain(|due| !due.rule.passes_when_down);
                if due.len() == before {
                    return Err(Refusal::Down);
                }
                Self::reserve(id, due, ledger.prices, promise, now_ms, shared)
            }
        }
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
        match self.order(Act::Extend, &more, now_ms, shared) {
            Verdict::Granted(done) => {
                self.keep(done);
                self.output_tokens = output_tokens;
                self.renewed_ms = now_ms;
                true
            }
            Verdict::Refused { .. } | Verdict::Down => false,
        }
    }

    /// Begins the leases anew when it is time.
    pub fn renew(&mut self, now_ms: u64, shared: &dyn Shared) {
        if self.entries.is_empty() || now_ms.saturating_sub(self.renewed_ms) < RENEWAL_MS {
            return;
        }
        self.renewed_ms = now_ms;
        let none = vec![0; self.entries.len()];
        if let Verdict::Granted(done) = self.order(Act::Renew, &none, now_ms, shared) {
            self.keep(done);
        }
    }

    /// Charges what a request cost that this provider served; nothing means the dearest of those that may
    /// have. Nothing is held any more.
    pub(super) fn settle(
        &mut self,
        tokens: &Tokens,
        provider: Option<&str>,
        now_ms: u64,
        shared: &dyn Shared,
    ) {
        let amount = |entry: &Entry| {
            let served = entry.due.provider.as_deref();
            if served.is_some() && provider.is_some() && served != provider {
                return 0;
            }
            let unit = entry.due.account.budget.unit;
            if unit == crate::budget::Unit::Concurrent {
                return 0;
            }
            unit.amount(tokens, &self.price(served.or(provider)))
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
        // What cannot be told to a store lapses there with its lease.
        let _told = self.order(Act::Settle, amounts, now_ms, shared);
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

    /// A provider's price, or the dearest of all.
    fn price(&self, provider: Option<&str>) -> Price {
        let known = self
            .prices
            .iter()
            .find(|(name, _)| Some(name.as_str()) == provider);
        let dearest = || {
            let prices = self.prices.iter().map(|(_, price)| *price);
            prices.fold(Price::default(), Price::max)
        };
        known.map_or_else(dearest, |(_, price)| *price)
    }

    fn order(&self, act: Act, amounts: &[u64], now_ms: u64, shared: &dyn Shared) -> Verdict {
        let lines: Vec<Line<'_>> = self
            .entries
            .iter()
            .zip(amounts)
            .map(|(entry, amount)| Line {
                account: &entry.due.account,
                hold: entry.hold,
                amount: *amount,
            })
            .collect();
        let order = Order {
            act,
            id: self.id,
            now_ms,
            lines: &lines,
        };
        match Local.take(&order, shared) {
            Step::Done(verdict) => verdict,
            Step::Call(_) => Verdict::Down,
        }
    }

    fn keep(&mut self, done: Vec<(Hold, Level)>) {
        for (entry, (hold, level)) in self.entries.iter_mut().zip(done) {
            (entry.hold, entry.level) = (hold, level);
        }
    }
}
