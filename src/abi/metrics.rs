//! Counters and gauges that the proxy shows among its own.
//!
//! Labels stand in the name, as Envoy's stats have them; `stats_tags` of the bootstrap turn them into labels:
//! `tollgate_redactions.direction.request.action.mask.entity.email`, `tollgate_budget_used.budget.tokens.unit.tokens`.
//! Their number is bounded: entities, actions and two directions; the policy's budgets, whatever their keys are.
//! What budgets have to tell is kept in the worker and written once a second, so that no request waits for it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::budget::{Count, Store, Unit};
use crate::exchange::{Books, Page, Report};
use crate::policy::Policy;

use proxy_wasm::types::Status;

use super::host::{self, Memory};

/// The metrics that are known by their number.
#[derive(Default)]
pub(super) struct Metrics {
    known: RefCell<BTreeMap<String, u32>>,
    books: Books,
}

/// More than there can be; what a strange note brings beyond is not counted.
const METRICS_MAX: usize = 4_096;

impl Metrics {
    /// Counts what is known of an exchange that is over.
    pub(super) fn count(&self, report: &Report) {
        for (way, counts) in report.redacted.ways() {
            for count in counts.iter() {
                let name = format!(
                    "tollgate_redactions.direction.{way}.action.{}.entity.{}",
                    count.action, count.entity
                );
                self.add(name, count.times.into());
            }
        }
        if !report.tallies.is_empty() {
            self.books.add(report, host::now().unix_ms);
        }
    }

    /// Counts whether requests waited for a store, and what became of them while it could not say.
    pub(super) fn count_store(&self, store: &dyn Store) {
        store.take_counts(&mut |store, what, times| {
            let name = match what {
                Count::Down(way) => {
                    let way = way.name();
                    format!("tollgate_store_down.store.{store}.on_store_down.{way}")
                }
                Count::AtOnce => format!("tollgate_store_orders.store.{store}.waited.false"),
                Count::Waited => format!("tollgate_store_orders.store.{store}.waited.true"),
            };
            self.add(name, times.into());
        });
    }

    /// Writes what the policy's budgets have to tell.
    pub(super) fn tell(&self, policy: &Policy) {
        if policy.budgets.is_empty() {
            return;
        }
        let now_ms = host::now().unix_ms;
        self.books
            .read(&policy.budgets, now_ms, &Memory, &mut |rule, page| {
                self.tell_budget(&rule.budget.name, rule.budget.unit, page);
            });
        let lost = host::lost_writes();
        self.add("tollgate_shared_contention".to_owned(), lost);
    }

    fn tell_budget(&self, name: &str, unit: Unit, page: &Page) {
        let level = page.level;
        // Rounded up: what little is used is not nothing.
        let (unit_name, scale) = match unit {
            Unit::Usd => ("nanodollars", 1),
            Unit::Requests | Unit::Concurrent | Unit::Tokens(_) => (unit.name(), unit.scale()),
        };
        let whole = |amount: u64| amount.div_ceil(scale.max(1));
        for (what, amount) in [
            ("limit", level.limit),
            ("used", level.used),
            ("held", level.held),
        ] {
            let name = format!("tollgate_budget_{what}.budget.{name}.unit.{unit_name}");
            self.show(name, whole(amount));
        }
        let settled = format!("tollgate_budget_settled.budget.{name}.unit.{unit_name}");
        self.add(settled, whole(page.settled));
        for (what, count) in [
            ("refused", page.refused),
            ("store_down", page.down),
            ("prompts", page.prompts),
            ("estimate_error_tokens", page.error_tokens),
            ("overrun_tokens", page.overrun_tokens),
        ] {
            self.add(format!("tollgate_budget_{what}.budget.{name}"), count);
        }
    }

    fn add(&self, name: String, times: u64) {
        self.metric(name, host::counter, |counter| match times {
            // It shall be there, though.
            0 => Ok(()),
            _ => host::count(counter, times),
        });
    }

    fn show(&self, name: String, value: u64) {
        self.metric(name, host::gauge, |gauge| host::show(gauge, value));
    }

    fn metric(
        &self,
        name: String,
        define: fn(&str) -> Result<u32, Status>,
        change: impl FnOnce(u32) -> Result<(), Status>,
    ) {
        let Ok(mut known) = self.known.try_borrow_mut() else {
            return;
        };
        let number = known.get(&name).copied();
        let done = number.map_or_else(|| define(&name), Ok).and_then(|it| {
            if number.is_none() && known.len() < METRICS_MAX {
                known.insert(name, it);
            }
            change(it)
        });
        if let Err(status) = done {
            log::error!("the proxy refused a metric: {status:?}");
        }
    }
}
