//! Counters that the proxy shows among its own.
//!
//! Labels stand in the name, as Envoy's stats have them; `stats_tags` of the bootstrap turn them into labels:
//! `tollgate_redactions.direction.request.action.mask.entity.email`. Their number is bounded: entities, actions and two
//! directions.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::budget::{Count, Store};
use crate::exchange::Report;

use super::host;

/// The counters that are known by their number.
#[derive(Default)]
pub(super) struct Metrics {
    counters: RefCell<BTreeMap<String, u32>>,
}

/// More than there can be; what a strange note brings beyond is not counted.
const COUNTERS_MAX: usize = 4_096;

impl Metrics {
    /// Counts what is known of an exchange that is over.
    pub(super) fn count(&self, report: &Report) {
        for (way, counts) in report.redacted.ways() {
            for count in counts.iter() {
                let name = format!(
                    "tollgate_redactions.direction.{way}.action.{}.entity.{}",
                    count.action, count.entity
                );
                self.add(name, count.times);
            }
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
            self.add(name, times);
        });
    }

    fn add(&self, name: String, times: u32) {
        let Ok(mut counters) = self.counters.try_borrow_mut() else {
            return;
        };
        let known = counters.get(&name).copied();
        let counter = known.map_or_else(|| host::counter(&name), Ok);
        let done = counter.and_then(|counter| {
            if known.is_none() && counters.len() < COUNTERS_MAX {
                counters.insert(name, counter);
            }
            host::count(counter, times)
        });
        if let Err(status) = done {
            log::error!("the proxy refused to count: {status:?}");
        }
    }
}
