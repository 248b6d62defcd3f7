//! Renews what requests hold in their budgets while nothing happens to them, and runs the stores' errands.
//!
//! A request that waits for a whole answer has no callback for minutes, and its lease is one minute long.
//! The timer renews the leases of all that run; when a VM dies, nobody does, and they end by themselves.
//! What stores have to deliver or to fetch belongs to no request either: it leaves with the timer, and its
//! end comes to the root context.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use crate::budget::{Inbound, Outbound, Store, Unanswered};
use crate::exchange::{Ledger, Lost};
use crate::turn::Headers;

use super::host::{self, Memory, Token};

/// The requests of this worker that hold something, and the calls that no request waits for.
#[derive(Debug, Default)]
pub(super) struct Leases {
    running: RefCell<Vec<Weak<RefCell<Ledger>>>>,
    calls: RefCell<Vec<(Token, Call)>>,
}

/// Whose a call is.
#[derive(Debug)]
enum Call {
    Renewal(Weak<RefCell<Ledger>>, usize),
    Errand(Rc<dyn Store>),
}

/// Errands of one store that leave at once.
const ERRANDS_MAX: usize = 8;
/// Calls whose end is awaited; more would wait for a store that does not answer.
const CALLS_MAX: usize = 1_024;

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
            for (number, call) in ledger.borrow_mut().renew(now_ms, &Memory) {
                self.send(&call, Call::Renewal(lease.clone(), number));
            }
            true
        });
    }

    /// Has the stores make the calls that they owe.
    pub(super) fn run_errands(&self, stores: &[Rc<dyn Store>]) {
        let now_ms = host::now().unix_ms;
        for store in stores {
            for _ in 0..ERRANDS_MAX {
                let is_free = self.calls.borrow().len() < CALLS_MAX;
                let Some(call) = is_free.then(|| store.errand(now_ms, &Memory)).flatten() else {
                    break;
                };
                self.send(&call, Call::Errand(Rc::clone(store)));
            }
        }
    }

    /// A call has come to its end.
    pub(super) fn answered(&self, token: Token, answer: Result<(Headers, Vec<u8>), Lost>) {
        let mut calls = self.calls.borrow_mut();
        let Some(at) = calls.iter().position(|(known, _)| *known == token) else {
            return;
        };
        let (_, call) = calls.swap_remove(at);
        drop(calls);
        let answer = match &answer {
            Ok((head, body)) => Ok(Inbound {
                status: head.status(),
                body,
            }),
            Err(_lost) => Err(Unanswered),
        };
        self.hear(call, answer);
    }

    fn hear(&self, call: Call, answer: Result<Inbound<'_>, Unanswered>) {
        match call {
            Call::Errand(store) => {
                store.errand_done(host::now().unix_ms, answer, &Memory);
                self.run_errands(&[store]);
            }
            Call::Renewal(lease, number) => {
                let Some(ledger) = lease.upgrade() else {
                    return;
                };
                let next = ledger.borrow_mut().renewed(number, answer, &Memory);
                if let Some(next) = next {
                    self.send(&next, Call::Renewal(lease, number));
                }
            }
        }
    }

    fn send(&self, call: &Outbound, whose: Call) {
        match host::call_store(call) {
            Ok(token) => self.calls.borrow_mut().push((token, whose)),
            // A store that cannot be called is one that does not answer: it asks again in its own time.
            Err(status) => log::warn!("a store's cluster cannot be called: {status:?}"),
        }
    }
}
