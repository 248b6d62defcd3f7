//! A store that many gateways share: Redis, reached over HTTP through Webdis or a REST service.
//!
//! One script takes an order over all of its buckets or over none, by Redis's own clock, with the arithmetic
//! of [`Cell`](super::Cell). What is held for a request is written down under its id, so whatever comes twice
//! or late changes nothing: a reservation, an extension and a lease that is renewed say what shall be, and a
//! settlement is charged once. Settlements are noted in the process's memory first and delivered until they
//! are answered, so an outage shorter than a lease loses nothing.
//!
//! Every key expires by itself once nothing in it counts.

mod purse;
mod script;
mod slices;
mod wire;

use std::cell::Cell;

use super::outbox::Outbox;
use super::{Act, Inbound, Order, Outbound, Shared, Step, Store, Unanswered, Verdict};
use crate::secret::Secret;
use script::{Outcome, Words};
pub use slices::Slices;
use wire::{Call, Reply};

/// Where Redis is, and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The store's name in the policy.
    pub name: String,
    /// The Envoy cluster that reaches it.
    pub cluster: String,
    /// The host that it is asked for.
    pub authority: String,
    /// The path.
    pub path: String,
    /// How commands are written.
    pub protocol: Protocol,
    /// The header of that name.
    pub authorization: Option<Secret>,
    /// How all keys begin. In a cluster they belong together, so it has braces.
    pub tag: String,
    /// How long a call may take.
    pub timeout_ms: u64,
}

/// How commands are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// As Webdis takes them.
    Webdis,
    /// As a list in JSON.
    Rest,
}

/// The store.
#[derive(Debug)]
pub struct Redis {
    settings: Settings,
    /// How far Redis's clock was ahead of ours when it last answered.
    ahead_ms: Cell<i64>,
    /// Whether Redis has been seen not to know the script since it last did.
    lacks_script: Cell<bool>,
    outbox: Outbox,
}

/// How often an order is asked again because it is another time than was thought.
const CLOCK_ATTEMPTS_MAX: u8 = 3;

impl Redis {
    /// A store with these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            outbox: Outbox::new(&settings.name),
            settings,
            ahead_ms: Cell::new(0),
            lacks_script: Cell::new(false),
        }
    }

    fn ask(&self, order: &Order<'_>, attempt: u8, is_whole: bool) -> Step {
        let mut call = Call::new(attempt);
        call.order(&self.settings.tag, order, self.redis_ms(order.now_ms));
        Step::Call(call.outbound(&self.settings, is_whole))
    }

    /// A moment of ours by Redis's clock, as far as it is known.
    fn redis_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_add_signed(self.ahead_ms.get())
    }

    /// Redis has told its time.
    fn learn_clock(&self, redis_ms: u64, now_ms: u64) {
        let ahead = i128::from(redis_ms).saturating_sub(i128::from(now_ms));
        self.ahead_ms.set(i64::try_from(ahead).unwrap_or(0));
    }
}

impl Store for Redis {
    fn take(&self, order: &Order<'_>, shared: &dyn Shared) -> Step {
        if order.act != Act::Settle {
            return self.ask(order, 0, self.lacks_script.get());
        }
        let mut call = Call::default();
        call.order(&self.settings.tag, order, self.redis_ms(order.now_ms));
        let verdict = if self.outbox.put(order.id, (&call.keys, &call.words), shared) {
            Verdict::Granted(Vec::new())
        } else {
            Verdict::Down
        };
        Step::Done(verdict)
    }

    fn hear(
        &self,
        order: &Order<'_>,
        answer: Result<Inbound<'_>, Unanswered>,
        _shared: &dyn Shared,
    ) -> Step {
        let words = match Reply::read(answer) {
            Reply::Words(words) => words,
            Reply::NoScript => return self.ask(order, 0, true),
            Reply::Nothing => return Step::Done(Verdict::Down),
        };
        self.lacks_script.set(false);
        match Words::outcome(words) {
            Some(Outcome::Done {
                redis_ms,
                mut answers,
                ..
            }) => {
                self.learn_clock(redis_ms, order.now_ms);
                script::done(answers.verdict(order, self.ahead_ms.get()))
            }
            Some(Outcome::Clock { redis_ms, mark }) => {
                self.learn_clock(redis_ms, order.now_ms);
                let attempt = mark.parse().unwrap_or(CLOCK_ATTEMPTS_MAX);
                if attempt >= CLOCK_ATTEMPTS_MAX {
                    return Step::Done(Verdict::Down);
                }
                self.ask(order, attempt.saturating_add(1), false)
            }
            None => Step::Done(Verdict::Down),
        }
    }

    fn errand(&self, now_ms: u64, shared: &dyn Shared) -> Option<Outbound> {
        let batch = self.outbox.batch(now_ms, shared)?;
        let mut call = Call::new(batch.mark);
        call.keys = batch.keys;
        call.words.push_str(&batch.words);
        Some(call.outbound(&self.settings, self.lacks_script.get()))
    }

    fn errand_done(
        &self,
        now_ms: u64,
        answer: Result<Inbound<'_>, Unanswered>,
        shared: &dyn Shared,
    ) {
        match Reply::read(answer) {
            Reply::Words(words) => {
                self.lacks_script.set(false);
                if let Some(Outcome::Done { redis_ms, mark, .. }) = Words::outcome(words) {
                    self.learn_clock(redis_ms, now_ms);
                    self.outbox.delivered(mark, shared);
                }
            }
            Reply::NoScript => self.lacks_script.set(true),
            Reply::Nothing => {}
        }
    }
}
