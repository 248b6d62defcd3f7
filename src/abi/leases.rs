//! Renews what requests hold in their budgets while nothing happens to them.
//!
//! A request that waits for a whole answer has no callback for minutes, and its lease is one minute long.
//! The timer renews the leases of all that run; when a VM dies, nobody does, and they end by themselves.

use std::cell::RefCell;
use std::rc::Weak;

use crate::exchange::Ledger;

use super::host::{self, Memory};

/// The requests of this worker that hold something.
#[derive(Debug, Default)]
pub(super) struct Leases {
    running: RefCell<Vec<Weak<RefCell<Ledger>>>>,
}

impl Leases {
    /// A request was admitted.
    pub(super) fn add(&self, lease: Weak<RefCell<Ledger>>) {
        let mut running = self.running.borrow_mut();
        // Without a timer nobody else would forget them.
        if running.len() == running.capacity() {
            running.retain(|lease| lease.strong_count() > 0);
        }
        running.push(lease);
    }

    /// Renews what is due, and forgets the requests that have ended.
    pub(super) fn renew(&self) {
        let now_ms = host::now().unix_ms;
        self.running.borrow_mut().retain(|lease| {
            let Some(ledger) = lease.upgrade() else {
                return false;
            };
            ledger.borrow_mut().renew(now_ms, &Memory);
            true
        });
    }
}
