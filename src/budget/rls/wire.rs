//! `envoy.service.ratelimit.v3`, as much of it as is needed.
//!
//! ```text
//! RateLimitRequest    { domain = 1, descriptors = 2 }
//! RateLimitDescriptor { entries = 1 { key = 1, value = 2 }, hits_addend = 3 { value = 1 }, is_negative_hits = 4 }
//! RateLimitResponse   { overall_code = 1, statuses = 2 }
//! DescriptorStatus    { code = 1, current_limit = 2 { requests_per_unit = 1 }, limit_remaining = 3,
//!                       duration_until_reset = 4 { seconds = 1, nanos = 2 } }
//! ```
//! What else an answer has is skipped.

use std::fmt::Write as _;

use super::super::Account;
use crate::codec::protobuf::{Field, Fields, write_bytes, write_number};

/// The service and its method.
pub(super) const PATH: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
/// By which key the service knows the budget.
const BUDGET: &str = "budget";
/// Codes of the service.
const OK: u64 = 1;
const OVER_LIMIT: u64 = 2;
/// An answer's bound: the statuses of a request's budgets, or of a batch.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const STATUSES_MAX: usize = 1_024;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hits {
    /// So much more; 0 only looks.
    Charge(u64),
    /// So much less.
    Refund(u64),
}

/// What the service says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) is_over: bool,
    /// Of each descriptor, in their order; nothing where it does not tell.
    pub(super) statuses: Vec<Status>,
}

/// How one bucket stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) is_over: bool,
    pub(super) limit: Option<u64>,
    pub(super) left: u64,
    pub(super) resets_in_ms: Option<u64>,
}

/// A bucket and what is counted in it.
pub(super) fn descriptor(account: &Account, hits: Hits) -> Vec<u8> {
    let budget = &account.budget;
    let mut out = Vec::with_capacity(64);
    entry(&mut out, BUDGET, &budget.name);
    for (dimension, value) in budget.dimensions.iter().zip(&account.values) {
        entry(&mut out, dimension, value);
    }
    let (Hits::Charge(count) | Hits::Refund(count)) = hits;
    let mut value = Vec::new();
    // Where the field is left out, one is counted.
    if count > 0 {
        write_number(&mut value, 1, count);
    }
    write_bytes(&mut out, 3, &value);
    if matches!(hits, Hits::Refund(_)) {
        write_number(&mut out, 4, 1);
    }
    out
}

fn entry(out: &mut Vec<u8>, key: &str, value: &str) {
    let mut entry = Vec::with_capacity(32);
    write_bytes(&mut entry, 1, key.as_bytes());
    write_bytes(&mut entry, 2, value.as_bytes());
    write_bytes(out, 1, &entry);
}

/// The message that asks about all of them.
pub(super) fn request<'d>(domain: &str, descriptors: impl Iterator<Item = &'d [u8]>) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    write_bytes(&mut out, 1, domain.as_bytes());
    for descriptor in descriptors {
        write_bytes(&mut out, 2, descriptor);
    }
    out
}

impl Reply {
    /// Reads an answer; nothing where it is none, or says nothing.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > ANSWER_BYTES_MAX {
            return None;
        }
        let (mut code, mut statuses) = (0, Vec::new());
        for field in Fields(bytes) {
            match field? {
                Field::Varint(1, number) => code = number,
                Field::Bytes(2, status) if statuses.len() < STATUSES_MAX => {
                    statuses.push(Status::read(status)?);
                }
                Field::Varint(..) | Field::Double(..) | Field::Word(..) | Field::Bytes(..) => {}
            }
        }
        matches!(code, OK | OVER_LIMIT).then_some(Self {
            is_over: code == OVER_LIMIT,
            statuses,
        })
    }
}

impl Status {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (mut status, mut code) = (Self::default(), 0);
        for field in Fields(bytes) {
            match field? {
                Field::Varint(1, number) => code = number,
                Field::Varint(3, number) => status.left = number,
                Field::Bytes(2, limit) => status.limit = Some(number(limit, 1)?),
                Field::Bytes(4, duration) => {
                    let seconds_ms = number(duration, 1)?.saturating_mul(1_000);
                    let rest_ms = number(duration, 2)? / 1_000_000;
                    status.resets_in_ms = Some(seconds_ms.saturating_add(rest_ms));
                }
                Field::Varint(..) | Field::Double(..) | Field::Word(..) | Field::Bytes(..) => {}
            }
        }
        status.is_over = code == OVER_LIMIT;
        matches!(code, OK | OVER_LIMIT).then_some(status)
    }

    /// Whether the service limits nothing by this descriptor.
    pub(super) const fn is_unknown(&self) -> bool {
        !self.is_over && self.limit.is_none()
    }
}

/// A number of a message; 0 where it is left out.
fn number(message: &[u8], wanted: u64) -> Option<u64> {
    let mut found = 0;
    for field in Fields(message) {
        if let Field::Varint(field, number) = field?
            && field == wanted
        {
            found = number;
        }
    }
    Some(found)
}

/// Adds bytes as a word, with a comma before it where others stand.
pub(super) fn write_hex(bytes: &[u8], words: &mut String) {
    if !words.is_empty() {
        words.push(',');
    }
    for byte in bytes {
        if write!(words, "{byte:02x}").is_err() {
            // A string takes whatever is written.
        }
    }
}

/// The bytes of a word.
pub(super) fn read_hex(word: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = word.as_bytes().as_chunks::<2>().0.iter();
    pairs
        .map(|&[high, low]| {
            u8::try_from(digit(high)?.checked_mul(16)?.checked_add(digit(low)?)?).ok()
        })
        .collect()
}
