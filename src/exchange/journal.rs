//! What stores have said to one request, so that its admission can wait for those that are far away.
//!
//! ```text
//! admit -- order --> known? said again : asked --> at once ------------> written down --> on
//!                                           \---> call: stop here .. answer: admit from the start
//! ```
//! Admission is a loop over models, budgets and stores. It does not stop in its middle: at the first call
//! it ends, and once the answer is there it runs again from the start, hears what was said before, and comes
//! to the same place. So everything that it depends on and that may change meanwhile is written down.

use std::rc::Rc;

use crate::budget::{
    Account, Act, Hold, Inbound, Line, ORDER_CALLS_MAX, Order, Outbound, Shared, Step, Store,
    Unanswered, Verdict,
};

use super::ledger::Tally;

/// One request's.
#[derive(Debug)]
pub(super) struct Journal {
    id: u128,
    now_ms: u64,
    said: Vec<Verdict>,
    /// How many of them were heard since the start.
    heard: usize,
    /// The prompt's bounds, in the order in which they were asked for.
    bounds: Vec<u64>,
    bounds_heard: usize,
    /// The prompt as it is estimated, once for all rounds.
    weight: Option<Weight>,
    answer: Option<Result<(u16, Vec<u8>), Unanswered>>,
    /// How many calls the present order has taken.
    calls: u8,
    held: Vec<Held>,
    /// The buckets that stood in the way.
    pub(super) tallies: Vec<Tally>,
}

/// How many tokens a prompt may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight {
    /// By the estimate, before any guard.
    pub(super) estimated_tokens: u64,
    /// By its bytes, which it cannot exceed; nothing where they do not tell.
    pub(super) most_tokens: Option<u64>,
}

/// What a store holds, or may hold, for the request.
#[derive(Debug)]
struct Held {
    store: Rc<dyn Store>,
    id: u128,
    lines: Vec<(Account, Hold)>,
}

impl Journal {
    /// Nothing has been said yet.
    pub(super) const fn new(id: u128, now_ms: u64) -> Self {
        Self {
            id,
            now_ms,
            said: Vec::new(),
            heard: 0,
            bounds: Vec::new(),
            bounds_heard: 0,
            weight: None,
            answer: None,
            calls: 0,
            held: Vec::new(),
            tallies: Vec::new(),
        }
    }

    /// The id of the reservation of this round: what was given back is not reserved again.
    pub(super) const fn id(&self, round: u128) -> u128 {
        self.id.wrapping_add(round)
    }

    /// The moment of admission.
    pub(super) const fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Begins anew, with the answer to the call at which it ended.
    pub(super) fn resume(&mut self, answer: Result<(u16, Vec<u8>), Unanswered>) {
        self.heard = 0;
        self.bounds_heard = 0;
        self.answer = Some(answer);
    }

    /// The prompt's weight, which is found where it is first asked for.
    pub(super) fn weight(&mut self, compute: impl FnOnce() -> Weight) -> Weight {
        *self.weight.get_or_insert_with(compute)
    }

    /// A number that others change.
    pub(super) fn bound(&mut self, compute: impl FnOnce() -> u64) -> u64 {
        let known = self.bounds.get(self.bounds_heard).copied();
        self.bounds_heard = self.bounds_heard.saturating_add(1);
        known.unwrap_or_else(|| {
            let bound = compute();
            self.bounds.push(bound);
            bound
        })
    }

    /// Takes an order to a store.
    ///
    /// # Errors
    /// The store has to make this call first; nothing goes on until its answer is there.
    pub(super) fn perform(
        &mut self,
        store: &Rc<dyn Store>,
        order: &Order<'_>,
        shared: &dyn Shared,
    ) -> Result<Verdict, Outbound> {
        if let Some(verdict) = self.said.get(self.heard) {
            self.heard = self.heard.saturating_add(1);
            return Ok(verdict.clone());
        }
        let step = match self.answer.take() {
            Some(Ok((status, body))) => {
                let body = &body;
                store.hear(order, Ok(Inbound { status, body }), shared)
            }
            Some(Err(lost)) => store.hear(order, Err(lost), shared),
            None => {
                if order.act == Act::Reserve {
                    self.held.push(Held::new(store, order));
                }
                store.take(order, shared)
            }
        };
        let verdict = match step {
            Step::Call(call) if self.calls < ORDER_CALLS_MAX => {
                self.calls = self.calls.saturating_add(1);
                return Err(call);
            }
            Step::Call(_) => Verdict::Down,
            Step::Done(verdict) => verdict,
        };
        self.calls = 0;
        self.keep(store, order, &verdict, shared);
        self.said.push(verdict.clone());
        self.heard = self.heard.saturating_add(1);
        Ok(verdict)
    }

    /// Gives back everything: nobody waits for the request any more.
    pub(super) fn abandon(&mut self, shared: &dyn Shared) {
        for held in self.held.drain(..) {
            held.release(self.now_ms, shared);
        }
    }

    fn keep(
        &mut self,
        store: &Rc<dyn Store>,
        order: &Order<'_>,
        verdict: &Verdict,
        shared: &dyn Shared,
    ) {
        match (order.act, verdict) {
            (Act::Reserve, Verdict::Granted(done)) => {
                if let Some(held) = self.held.last_mut() {
                    for (line, (hold, _)) in held.lines.iter_mut().zip(done) {
                        line.1 = *hold;
                    }
                }
            }
            (Act::Reserve, Verdict::Refused { .. }) => drop(self.held.pop()),
            (Act::Reserve, Verdict::Down) => {
                // It may have come through all the same.
                if let Some(held) = self.held.pop() {
                    held.release(self.now_ms, shared);
                }
            }
            (Act::Settle, _) => self
                .held
                .retain(|held| held.id != order.id || !Rc::ptr_eq(&held.store, store)),
            (Act::Extend | Act::Renew | Act::Look, _) => {}
        }
    }
}

impl Held {
    fn new(store: &Rc<dyn Store>, order: &Order<'_>) -> Self {
        let line = |line: &Line<'_>| (line.account.clone(), Hold::default());
        Self {
            store: Rc::clone(store),
            id: order.id,
            lines: order.lines.iter().map(line).collect(),
        }
    }

    fn release(&self, now_ms: u64, shared: &dyn Shared) {
        let lines: Vec<_> = self
            .lines
            .iter()
            .map(|(account, hold)| Line {
                account,
                hold: *hold,
                amount: 0,
            })
            .collect();
        let order = Order {
            act: Act::Settle,
            id: self.id,
            now_ms,
            lines: &lines,
        };
        // A settlement is noted at once; what cannot be noted lapses with its lease.
        let _noted = self.store.take(&order, shared);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::ORDER_CALLS_MAX;

    /// A store to which no answer makes sense.
    #[derive(Debug)]
    struct Asking;

    impl Store for Asking {
        fn take(&self, _: &Order<'_>, _: &dyn Shared) -> Step {
            Step::Call(Outbound {
                cluster: String::new(),
                headers: Vec::new(),
                body: Vec::new(),
                timeout_ms: 1,
                is_grpc: false,
            })
        }

        fn hear(
            &self,
            order: &Order<'_>,
            _: Result<Inbound<'_>, Unanswered>,
            shared: &dyn Shared,
        ) -> Step {
            self.take(order, shared)
        }
    }

    struct Nothing;

    impl Shared for Nothing {
        fn read(&self, _: &str) -> Option<(Vec<u8>, u32)> {
            None
        }

        fn write(&self, _: &str, _: &[u8], _: Option<u32>) -> bool {
            false
        }
    }

    #[test]
    fn a_store_that_asks_and_asks_cannot_say() {
        let store: Rc<dyn Store> = Rc::new(Asking);
        let mut journal = Journal::new(1, 0);
        let order = Order {
            act: Act::Look,
            id: 1,
            now_ms: 0,
            lines: &[],
        };
        for _ in 0..ORDER_CALLS_MAX {
            assert!(journal.perform(&store, &order, &Nothing).is_err());
            journal.resume(Err(Unanswered));
        }
        let verdict = journal.perform(&store, &order, &Nothing);
        assert_eq!(verdict, Ok(Verdict::Down));
    }
}
