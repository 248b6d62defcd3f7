//! Finds out that the proxy never delivers bodies of held requests.
//!
//! Without `allow_on_headers_stop_iteration: true` Envoy calls nothing after a held head, and every
//! request would hang. As long as no body was ever delivered, requests whose body has reached the
//! proxy, and not the filter, for too long are answered with the remedy. After the first body the
//! watch is over for good.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use crate::turn::Now;

use super::host;

/// How long a request waits for its body before the proxy is suspected.
const PATIENCE_MS: u64 = 4_000;
/// More waiting requests than this are not remembered; they hang, and those before them tell why.
const HELD_MAX: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct Watch {
    has_delivered: Cell<bool>,
    held: RefCell<Vec<Held>>,
}

/// A request whose head is held.
#[derive(Debug)]
struct Held {
    context_id: u32,
    since: Now,
    /// What of it had reached the proxy by then, if the proxy tells.
    bytes: Option<u64>,
}

impl Watch {
    /// Begins to look at the clock.
    pub(super) fn start(period: Duration) {
        if host::tick_every(period).is_err() {
            log::warn!(
                "the proxy has no timer: a missing allow_on_headers_stop_iteration stays unseen"
            );
        }
    }

    /// Whether it still looks.
    pub(super) const fn is_on(&self) -> bool {
        !self.has_delivered.get()
    }

    /// A request's head is held.
    pub(super) fn held(&self, context_id: u32, since: Now, bytes: Option<u64>) {
        let mut held = self.held.borrow_mut();
        if held.len() < HELD_MAX {
            held.push(Held {
                context_id,
                since,
                bytes,
            });
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
        if self.is_on() {
            let is_other = |held: &Held| held.context_id != context_id;
            self.held.borrow_mut().retain(is_other);
        }
    }

    /// The requests that have waited too long.
    pub(super) fn overdue(&self, now: Now) -> Vec<u32> {
        let waited_ms = |held: &Held| now.unix_ms.saturating_sub(held.since.unix_ms);
        let held = self.held.borrow();
        let overdue = held.iter().filter(|held| waited_ms(held) >= PATIENCE_MS);
        overdue.map(|held| held.context_id).collect()
    }

    /// Whether the proxy keeps a body of this request back, by the `bytes` of it that it has now. The
    /// request is forgotten then.
    pub(super) fn is_kept_back(&self, context_id: u32, bytes: Option<u64>) -> bool {
        let mut held = self.held.borrow_mut();
        let known = held.len();
        // A proxy that does not tell is suspected.
        let is_kept_back =
            |held: &Held| held.context_id == context_id && (bytes.is_none() || bytes > held.bytes);
        held.retain(|held| !is_kept_back(held));
        held.len() < known
    }
}
