//! What a worker's requests were to the policy's budgets, until somebody reads it: for metrics, and for a status
//! of buckets that are kept elsewhere.
//!
//! A budget has one page whatever its keys are, so what is told is bounded by the policy. How a budget stands is
//! told of its one bucket; of a budget with keys, of the fullest that was met. What is kept near is looked at anew
//! each time, so that a window that ends is seen without a request.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::budget::{
    Account, Act, Hold, Level, Line, Order, Seen, Shared, Sight, Step, Store, Verdict,
};
use crate::policy::BudgetRule;

use super::report::Report;

/// A worker's.
#[derive(Debug, Default)]
pub struct Books {
    pages: RefCell<BTreeMap<String, Page>>,
}

/// One budget's: what there was since it was last read, and how it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// How its fullest bucket stands, in the budget's amounts.
    pub level: Level,
    /// What was charged.
    pub settled: u64,
    /// Requests that were refused, or would have been.
    pub refused: u64,
    /// Requests for which its store could not say.
    pub down: u64,
    /// Prompts that a provider has counted.
    pub prompts: u64,
    /// The tokens by which their estimates were too high or too low.
    pub error_tokens: u64,
    /// The tokens that were counted beyond what was held.
    pub overrun_tokens: u64,
    fullest: Option<Account>,
    sights: Vec<Sight>,
}

/// Buckets of one budget that are remembered between two readings.
const SIGHTS_MAX: usize = 64;

impl Books {
    /// Keeps what an exchange was that is over.
    pub fn add(&self, report: &Report, now_ms: u64) {
        // Nobody reads while a callback writes.
        let Ok(mut pages) = self.pages.try_borrow_mut() else {
            return;
        };
        for tally in &report.tallies {
            let name = &tally.account.budget.name;
            if !pages.contains_key(name) {
                pages.insert(name.clone(), Page::default());
            }
            let Some(page) = pages.get_mut(name) else {
                return;
            };
            page.settled = page.settled.saturating_add(tally.settled);
            page.refused = page.refused.saturating_add(tally.is_refused.into());
            page.down = page.down.saturating_add(tally.is_down.into());
            if let Some(level) = tally.level {
                page.meet(&tally.account, level);
                if !tally.is_near {
                    page.see(&tally.account, level, now_ms);
                }
            }
            if let Some(prompt) = report.prompt {
                let counted = prompt.counted_tokens;
                let error = counted.abs_diff(prompt.estimated_tokens);
                let overrun = counted.saturating_sub(tally.prompt_tokens);
                page.prompts = page.prompts.saturating_add(1);
                page.error_tokens = page.error_tokens.saturating_add(error);
                page.overrun_tokens = page.overrun_tokens.saturating_add(overrun);
            }
        }
    }

    /// Reads the pages of these budgets, and begins them anew.
    pub fn read(
        &self,
        rules: &[Rc<BudgetRule>],
        now_ms: u64,
        shared: &dyn Shared,
        sink: &mut dyn FnMut(&BudgetRule, &Page),
    ) {
        let Ok(mut pages) = self.pages.try_borrow_mut() else {
            return;
        };
        for rule in rules {
            let name = &rule.budget.name;
            let mut page = pages.remove(name).unwrap_or_default();
            page.fullest = page.fullest.or_else(|| rule.only());
            if let Some(account) = &page.fullest {
                let known = page.level;
                page.level = look(&rule.store, account, now_ms, shared).unwrap_or(Level {
                    used: if now_ms < known.resets_ms {
                        known.used
                    } else {
                        0
                    },
                    limit: account.limit,
                    ..known
                });
            }
            if !page.sights.is_empty() && Seen::keep(&rule.budget, &page.sights, shared) {
                page.sights.clear();
            }
            sink(rule, &page);
            let Page {
                level,
                fullest,
                sights,
                ..
            } = page;
            let next = Page {
                level,
                fullest,
                sights,
                ..Page::default()
            };
            pages.insert(name.clone(), next);
        }
    }
}

impl Page {
    /// Keeps the bucket if none was fuller.
    fn meet(&mut self, account: &Account, level: Level) {
        let share = |level: &Level, of: &Level| {
            let kept = u128::from(level.used.saturating_add(level.held));
            kept.saturating_mul(of.limit.into())
        };
        let is_same = self
            .fullest
            .as_ref()
            .is_some_and(|it| it.key == account.key);
        let is_fuller = share(&level, &self.level) >= share(&self.level, &level);
        if is_same || is_fuller || self.fullest.is_none() {
            self.level = level;
        }
        if !is_same && (is_fuller || self.fullest.is_none()) {
            self.fullest = Some(account.clone());
        }
    }

    /// Remembers how a bucket stands that is kept elsewhere.
    fn see(&mut self, account: &Account, level: Level, seen_ms: u64) {
        let mut sights = self.sights.iter_mut();
        if let Some(sight) = sights.find(|sight| sight.key == account.key) {
            (sight.level, sight.seen_ms) = (level, seen_ms);
        } else if self.sights.len() < SIGHTS_MAX {
            self.sights.push(Sight {
                key: account.key,
                label: account.label.clone(),
                level,
                seen_ms,
            });
        }
    }
}

/// How a bucket stands now, if that is known here.
fn look(
    store: &Rc<dyn Store>,
    account: &Account,
    now_ms: u64,
    shared: &dyn Shared,
) -> Option<Level> {
    if !store.is_near() {
        return None;
    }
    let line = Line {
        account,
        hold: Hold::default(),
        amount: 0,
    };
    let order = Order {
        act: Act::Look,
        id: 0,
        now_ms,
        lines: &[line],
    };
    match store.take(&order, shared) {
        Step::Done(Verdict::Granted(done)) => done.first().map(|(_, level)| *level),
        Step::Done(Verdict::Refused { .. } | Verdict::Down) | Step::Call(_) => None,
    }
}
