//! Envoy's rate limit service as a store: what a request may cost is charged up front, the rest afterwards.
//!
//! ```text
//! reserve: charge the estimate --OK---------> granted
//!                              \-OVER_LIMIT-> refused; what other budgets were charged goes back
//! settle:  cost more than held -> charge the rest    cost less -> give the rest back
//! ```
//! Limits, windows and counters are the service's own: it knows a bucket by its descriptor, the budget's name
//! and the values of its dimensions. It has no leases and knows no reservations. So what is charged is given
//! back only where the service takes negative hits and the policy says so: another would charge it once more.
//! A charge is sent until it is answered, so it may count twice; what is given back is sent once, so it may
//! be lost. Either way no more is spent than the service allows.

mod wire;

use std::cell::RefCell;
use std::collections::VecDeque;

use super::outbox::Outbox;
use super::{
    Act, Hold, Inbound, Level, Line, Order, Outbound, Shared, Shortfall, Step, Store, Unanswered,
    Unit, Verdict,
};
use wire::{Hits, Reply, Status};

/// Where the service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The store's name in the policy.
    pub name: String,
    /// The Envoy cluster that reaches it.
    pub cluster: String,
    /// The domain of its configuration.
    pub domain: String,
    /// How long a call may take.
    pub timeout_ms: u64,
    /// Whether it takes negative hits.
    pub refunds: bool,
}

/// The store.
#[derive(Debug)]
pub struct Rls {
    settings: Settings,
    /// What is still to be charged.
    charges: Outbox,
    /// What is still to be given back: descriptors.
    refunds: RefCell<VecDeque<Vec<u8>>>,
    /// The errand on its way. Its end does not say whose it is, so there is one at a time.
    errand: RefCell<Option<Errand>>,
}

#[derive(Debug)]
struct Errand {
    sent_ms: u64,
    /// Of the charges that it carries.
    mark: Option<String>,
}

/// What is to be given back at most, of one worker; more is lost.
const REFUNDS_MAX: usize = 4_096;
/// Of these what one call carries.
const REFUNDS_PER_CALL: usize = 32;
/// An errand whose end never came is forgotten so long after its time.
const ERRAND_MARGIN_MS: u64 = 1_000;
/// Amounts of tokens are thousandths.
const TOKEN: u64 = 1_000;

impl Rls {
    /// A store with these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            charges: Outbox::new(&settings.name),
            settings,
            refunds: RefCell::default(),
            errand: RefCell::default(),
        }
    }

    fn ask(&self, order: &Order<'_>) -> Step {
        let mut descriptors = Vec::with_capacity(order.lines.len());
        for line in order.lines {
            let hits = match order.act {
                Act::Extend => {
                    let whole = line.hold.amount.saturating_add(line.amount);
                    hits(line, whole).saturating_sub(hits(line, line.hold.amount))
                }
                Act::Reserve => hits(line, line.amount),
                Act::Look | Act::Renew | Act::Settle => 0,
            };
            descriptors.push(wire::descriptor(line.account, Hits::Charge(hits)));
        }
        Step::Call(self.call(descriptors.iter().map(Vec::as_slice)))
    }

    fn call<'d>(&self, descriptors: impl Iterator<Item = &'d [u8]>) -> Outbound {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Outbound {
            cluster: self.settings.cluster.clone(),
            headers: vec![header(":path", wire::PATH)],
            body: wire::request(&self.settings.domain, descriptors),
            timeout_ms: self.settings.timeout_ms,
            is_grpc: true,
        }
    }

    /// Charges what a request cost beyond what was charged for it, or gives the rest back.
    fn settle(&self, order: &Order<'_>, shared: &dyn Shared) -> Verdict {
        let mut words = String::new();
        for line in order.lines {
            let (held, cost) = (hits(line, line.hold.amount), hits(line, line.amount));
            if cost > held {
                let rest = Hits::Charge(cost.saturating_sub(held));
                wire::write_hex(&wire::descriptor(line.account, rest), &mut words);
            } else {
                self.refund(line, held.saturating_sub(cost));
            }
        }
        let keys = [format!("{:032x}", order.id)];
        if words.is_empty() || self.charges.put(order.id, (&keys, &words), shared) {
            Verdict::Granted(Vec::new())
        } else {
            Verdict::Down
        }
    }

    fn refund(&self, line: &Line<'_>, hits: u64) {
        let mut refunds = self.refunds.borrow_mut();
        if self.settings.refunds && hits > 0 && refunds.len() < REFUNDS_MAX {
            refunds.push_back(wire::descriptor(line.account, Hits::Refund(hits)));
        }
    }

    fn granted(order: &Order<'_>, reply: &Reply) -> Verdict {
        let each = order.lines.iter().enumerate();
        let done = each.map(|(at, line)| {
            let hold = match order.act {
                Act::Reserve => Hold {
                    span_ms: line.account.budget.window.frame(order.now_ms).span_ms,
                    amount: line.amount,
                    ..Hold::default()
                },
                Act::Extend => Hold {
                    amount: line.hold.amount.saturating_add(line.amount),
                    ..line.hold
                },
                Act::Renew | Act::Settle | Act::Look => line.hold,
            };
            (hold, level(order, line, reply.statuses.get(at)))
        });
        Verdict::Granted(done.collect())
    }

    /// The service has counted what it has room for, and perhaps more.
    fn refused(&self, order: &Order<'_>, at: usize, reply: &Reply) -> Verdict {
        for (line, status) in order.lines.iter().zip(&reply.statuses) {
            if !status.is_over {
                self.refund(line, hits(line, line.amount));
            }
        }
        let Some(line) = order.lines.get(at) else {
            return Verdict::Down;
        };
        let level = level(order, line, reply.statuses.get(at));
        let fits_ms = (line.amount <= level.limit).then_some(level.resets_ms);
        Verdict::Refused {
            line: at,
            shortfall: Shortfall { level, fits_ms },
        }
    }
}

/// An amount as the service counts it.
fn hits(line: &Line<'_>, amount: u64) -> u64 {
    match line.account.budget.unit {
        Unit::Tokens(_) => amount.div_ceil(TOKEN),
        Unit::Requests | Unit::Concurrent | Unit::Usd => amount,
    }
}

/// How a bucket stands, as far as the service tells.
fn level(order: &Order<'_>, line: &Line<'_>, status: Option<&Status>) -> Level {
    let one = match line.account.budget.unit {
        Unit::Tokens(_) => TOKEN,
        Unit::Requests | Unit::Concurrent | Unit::Usd => 1,
    };
    let frame = line.account.budget.window.frame(order.now_ms);
    let ends_ms = frame.span_ms.saturating_add(frame.lives_ms);
    let status = status.copied().unwrap_or_default();
    let limit = status.limit.map(|limit| limit.saturating_mul(one));
    let limit = limit.unwrap_or(line.account.limit);
    let left = status
        .limit
        .map_or(limit, |_| status.left.saturating_mul(one));
    let resets_ms = status
        .resets_in_ms
        .map(|ms| order.now_ms.saturating_add(ms));
    Level {
        used: limit.saturating_sub(left),
        held: 0,
        limit,
        resets_ms: resets_ms.unwrap_or(ends_ms),
    }
}

impl Store for Rls {
    fn take(&self, order: &Order<'_>, shared: &dyn Shared) -> Step {
        match order.act {
            Act::Reserve | Act::Extend | Act::Look => self.ask(order),
            Act::Settle => Step::Done(self.settle(order, shared)),
            // There are no leases.
            Act::Renew => Step::Done(Verdict::Granted(Vec::new())),
        }
    }

    fn hear(
        &self,
        order: &Order<'_>,
        answer: Result<Inbound<'_>, Unanswered>,
        _shared: &dyn Shared,
    ) -> Step {
        let reply = answer.ok().and_then(|answer| Reply::read(answer.body));
        let Some(reply) = reply else {
            return Step::Done(Verdict::Down);
        };
        let is_shadow = |line: &Line<'_>| line.account.budget.is_shadow;
        let mut each = order.lines.iter().zip(&reply.statuses);
        // It has said of each bucket how it stands, or of none.
        let over = if reply.statuses.is_empty() {
            let enforced = order.lines.iter().position(|line| !is_shadow(line));
            enforced.filter(|_| reply.is_over)
        } else if reply.statuses.len() == order.lines.len() {
            if each.clone().any(|(_, status)| status.is_unknown()) {
                // Nobody limits it there: a mistake in its configuration or in ours.
                return Step::Done(Verdict::Down);
            }
            each.position(|(line, status)| status.is_over && !is_shadow(line))
        } else {
            return Step::Done(Verdict::Down);
        };
        Step::Done(match over {
            Some(at) => self.refused(order, at, &reply),
            None => Self::granted(order, &reply),
        })
    }

    fn errand(&self, now_ms: u64, shared: &dyn Shared) -> Option<Outbound> {
        let mut errand = self.errand.borrow_mut();
        let patience_ms = self.settings.timeout_ms.saturating_add(ERRAND_MARGIN_MS);
        let is_on_its_way = |errand: &Errand| now_ms.abs_diff(errand.sent_ms) < patience_ms;
        if errand.as_ref().is_some_and(is_on_its_way) {
            return None;
        }
        let mut refunds = self.refunds.borrow_mut();
        let (mark, descriptors) = if refunds.is_empty() {
            let batch = self.charges.batch(now_ms, shared)?;
            let words = batch.words.split(',').filter(|word| !word.is_empty());
            let descriptors: Vec<_> = words.filter_map(wire::read_hex).collect();
            (Some(batch.mark), descriptors)
        } else {
            let count = refunds.len().min(REFUNDS_PER_CALL);
            (None, refunds.drain(..count).collect())
        };
        *errand = Some(Errand {
            sent_ms: now_ms,
            mark,
        });
        Some(self.call(descriptors.iter().map(Vec::as_slice)))
    }

    fn errand_done(
        &self,
        _now_ms: u64,
        answer: Result<Inbound<'_>, Unanswered>,
        shared: &dyn Shared,
    ) {
        let errand = self.errand.take();
        let is_answered = answer.is_ok_and(|answer| Reply::read(answer.body).is_some());
        if let Some(mark) = errand.and_then(|errand| errand.mark)
            && is_answered
        {
            self.charges.delivered(&mark, shared);
        }
    }
}

#[cfg(test)]
mod tests;
