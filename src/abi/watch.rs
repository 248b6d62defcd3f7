//! Finds out that the proxy never delivers bodies of held requests.
//!
//! Without `allow_on_headers_stop_iteration: true` Envoy calls nothing after a held head, and every
//! request would hang. As long as no body was ever delivered, requests that wait too long for the
//! first one are answered with the remedy. After the first body the watch is over for good.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use crate::turn::Now;

use super::host;

/// How long a request waits for its body before the proxy is suspected.
const PATIENCE_MS: u64 = 4_000;
/// How often the watch looks.
const PERIOD: Duration = Duration::from_secs(1);
/// More waiting requests than this are not remembered; they hang, and those before them tell why.
const HELD_MAX: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct Watch {
    has_delivered: Cell<bool>,
    held: RefCell<Vec<(u32, Now)>>,
}

impl Watch {
    /// Begins to look at the clock.
    pub(super) fn start() {
        if host::tick_every(PERIOD).is_err() {
            log::warn!(
                "the proxy has no timer: a missing allow_on_headers_stop_iteration stays unseen"
            );
        }
    }

    /// A request's head is held.
    pub(super) fn held(&self, context_id: u32, now: Now) {
        if self.has_delivered.get() {
            return;
        }
        let mut held = self.held.borrow_mut();
        if held.len() < HELD_MAX {
            held.push((context_id, now));
        }
    }

    /// Some body has come.
    pub(super) fn delivered(&self) {
        if !self.has_delivered.replace(true) {
            self.held.take();
        }
    }

    /// A request has ended.
    pub(super) fn gone(&self, context_id: u32) {
        if !self.has_delivered.get() {
            self.held.borrow_mut().retain(|(id, _)| *id != context_id);
        }
    }

    /// The requests that have waited too long.
    pub(super) fn overdue(&self, now: Now) -> Vec<u32> {
        let is_overdue =
            |(_, since): &(u32, Now)| now.unix_ms.saturating_sub(since.unix_ms) >= PATIENCE_MS;
        let mut held = self.held.borrow_mut();
        let overdue = held.iter().filter(|held| is_overdue(held));
        let overdue = overdue.map(|(id, _)| *id).collect();
        held.retain(|held| !is_overdue(held));
        overdue
    }
}
