//! The port to where buckets are kept.
//!
//! A store takes an [`Order`] over one or several buckets, all or nothing. It answers at once, or makes one
//! call whose answer comes later. It does no I/O itself: the process's shared memory is a [`Shared`], and a
//! call is an [`Outbound`] that the host makes. What it cannot say is [`Verdict::Down`]; the policy says
//! what becomes of a request then.

use super::{Account, Hold, Level, Shortfall};

/// Where buckets are kept.
pub trait Store: std::fmt::Debug {
    /// Takes an order.
    fn take(&self, order: &Order<'_>, shared: &dyn Shared) -> Step;

    /// Takes the answer to the call that the order made.
    fn hear(
        &self,
        order: &Order<'_>,
        answer: Result<Inbound<'_>, Unanswered>,
        shared: &dyn Shared,
    ) -> Step;

    /// Whether it answers every order at once.
    fn is_near(&self) -> bool {
        false
    }

    /// A call that the store has to make and that no request waits for: settlements to be delivered, amounts
    /// to be fetched ahead of need or given back. Asked for after orders and every second, until there is
    /// none.
    fn errand(&self, _now_ms: u64, _shared: &dyn Shared) -> Option<Outbound> {
        None
    }

    /// Takes the end of an errand's call. Ends may come in another order than the calls.
    fn errand_done(
        &self,
        _now_ms: u64,
        _answer: Result<Inbound<'_>, Unanswered>,
        _shared: &dyn Shared,
    ) {
    }

    /// Gives what became of orders that the store could not say anything to, since this was last asked: the
    /// store's name, what the policy calls it, and how often.
    fn take_outages(&self, _sink: &mut dyn FnMut(&str, &str, u32)) {}
}

/// What is to be done, to all of its lines or to none.
#[derive(Debug, Clone, Copy)]
pub struct Order<'o> {
    /// What.
    pub act: Act,
    /// The reservation, unique over all gateways: a settlement that comes twice is known by it.
    pub id: u128,
    /// The moment.
    pub now_ms: u64,
    /// The buckets in their canonical order, no bucket twice.
    pub lines: &'o [Line<'o>],
}

/// What may be done to buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Holds the amounts if all of them fit.
    Reserve,
    /// Adds the amounts to the holds if all of them fit, and renews them.
    Extend,
    /// Begins the leases of the holds anew.
    Renew,
    /// Ends the holds and charges the amounts, which may be 0.
    Settle,
    /// Only looks.
    Look,
}

/// One bucket of an order.
#[derive(Debug, Clone, Copy)]
pub struct Line<'o> {
    /// The bucket.
    pub account: &'o Account,
    /// What is held in it; nothing yet where it is to be reserved.
    pub hold: Hold,
    /// The amount.
    pub amount: u64,
}

/// What comes of an order at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The answer.
    Done(Verdict),
    /// A call has to be made first; its answer goes to [`Store::hear`] with the same order.
    Call(Outbound),
}

/// The answer to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is done: each line's hold as it is now, and how its bucket stands. A settlement that is only noted,
    /// and delivered later, has no lines.
    Granted(Vec<(Hold, Level)>),
    /// It is not done, for this line does not fit. Nothing has changed.
    Refused {
        /// The line's place in the order.
        line: usize,
        /// How its bucket stands.
        shortfall: Shortfall,
    },
    /// The store cannot say. Nothing is held.
    Down,
}

/// A call of a store's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    /// The Envoy cluster that it goes to.
    pub cluster: String,
    /// All headers, pseudo headers included.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How long it may take.
    pub timeout_ms: u64,
    /// Whether it is a call of gRPC's: its path names the service and the method, its body is the message, and
    /// its answer is 200 with another message.
    pub is_grpc: bool,
}

/// The answer to a store's call.
#[derive(Debug, Clone, Copy)]
pub struct Inbound<'a> {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: &'a [u8],
}

/// A store's call has no answer: it was not made, or nothing came in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unanswered;

/// Memory that all workers of a process share, and that outlives a worker's VM.
pub trait Shared {
    /// What stands under a key, with the version of it.
    fn read(&self, key: &str) -> Option<(Vec<u8>, u32)>;

    /// Writes if what stands there is still of this version; without a version, if nothing stands there.
    /// Says whether it has.
    fn write(&self, key: &str, bytes: &[u8], version: Option<u32>) -> bool;
}

/// Nobody could change what stands under a key for too long.
#[derive(Debug)]
pub(super) struct Contended;

/// Each failed attempt is another worker's success, so this is never reached by honest load.
const ATTEMPTS_MAX: usize = 10_000;

impl dyn Shared + '_ {
    /// Changes what stands under a key, again and again until nobody else has changed it meanwhile. `change`
    /// takes the bytes, none where nothing stands there, and gives others, or nothing to leave them.
    pub(super) fn update(
        &self,
        key: &str,
        change: &mut dyn FnMut(&[u8]) -> Option<Vec<u8>>,
    ) -> Result<(), Contended> {
        for _ in 0..ATTEMPTS_MAX {
            let (bytes, version) = match self.read(key) {
                Some((bytes, version)) => (bytes, Some(version)),
                None => (Vec::new(), None),
            };
            let Some(bytes) = change(&bytes) else {
                return Ok(());
            };
            if self.write(key, &bytes, version) {
                return Ok(());
            }
        }
        Err(Contended)
    }
}
