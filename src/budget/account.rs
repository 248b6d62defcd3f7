//! A budget's definition, and one bucket of it.

use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use super::Window;

/// What a policy limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Its name in the policy.
    pub name: String,
    /// What is counted.
    pub unit: Unit,
    /// Over which time.
    pub window: Window,
    /// Whether it only watches: everything is counted, nothing refused.
    pub is_shadow: bool,
    /// How many buckets it may have. Keys beyond them share one more.
    pub keys_max: u32,
    /// What becomes of requests while the store cannot say.
    pub when_down: WhenDown,
    /// By what its buckets are told apart, as other systems may know it.
    pub dimensions: Vec<String>,
    place: String,
}

/// What becomes of a request while its budget's store cannot say; the more it lets pass, the later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum WhenDown {
    /// It is refused.
    #[default]
    Refuse,
    /// It passes while this gateway's share of what was left has room.
    Share,
    /// It passes.
    Allow,
}

impl WhenDown {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::Refuse, Self::Share, Self::Allow];

    /// What a policy calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Share => "local-share",
            Self::Allow => "allow",
        }
    }
}

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Requests.
    Requests,
    /// Requests on their way: each counts until it ends.
    Concurrent,
    /// Tokens, each class with its weight.
    Tokens(Weights),
    /// Money, in thousand-millionths of a dollar.
    Usd,
}

/// What a token of each class counts, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights {
    /// Of the prompt, neither read from a cache nor written to one.
    pub input: u64,
    /// Of the prompt, read from a cache.
    pub cached: u64,
    /// Of the prompt, written to a cache.
    pub cache_write: u64,
    /// Of the answer, other than reasoning.
    pub output: u64,
    /// Of the answer, reasoning.
    pub reasoning: u64,
}

/// One bucket: what a budget counts for one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The budget.
    pub budget: Rc<Budget>,
    /// The key's fingerprint.
    pub key: u128,
    /// The key as people read it, such as `consumer=acme`; empty where the budget has one bucket.
    pub label: String,
    /// The key's values, one for each of the budget's dimensions.
    pub values: Vec<String>,
    /// What may be used and held together: the budget's limit, or the key's own.
    pub limit: u64,
}

/// What is held in a bucket for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hold {
    /// The start of the span of its admission.
    pub span_ms: u64,
    /// The slot by whose start its lease ends.
    pub slot: u64,
    /// The amount.
    pub amount: u64,
    /// Whether it is in the bucket that keys share for which a local store had no place.
    pub is_shared: bool,
    /// Whether it is held by this gateway alone, for the store could not say.
    pub is_aside: bool,
}

impl Budget {
    /// Defines a budget.
    #[must_use]
    pub fn new(name: String, unit: Unit, window: Window, is_shadow: bool, keys_max: u32) -> Self {
        let place = format!("{name}/{}/{window}", unit.name());
        Self {
            name,
            unit,
            window,
            is_shadow,
            keys_max,
            when_down: WhenDown::Refuse,
            dimensions: Vec::new(),
            place,
        }
    }

    /// The same, kept apart from it in the local store.
    pub(super) fn aside(&self) -> Self {
        Self {
            place: format!("aside/{}", self.place),
            ..self.clone()
        }
    }

    /// Names the buckets of this budget in any store. A budget whose limit changes keeps its buckets; one
    /// that counts something else, or over another time, gets new ones.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The bucket of a key: the values of the budget's dimensions, in their order.
    pub fn fingerprint<'v>(values: impl Iterator<Item = &'v str>) -> u128 {
        // Most budgets have one bucket, and a hash is dear in wasm.
        let mut hash = None;
        for value in values {
            let hash = hash.get_or_insert_with(Sha256::new);
            // With its length: ("ab", "c") is not ("a", "bc").
            hash.update(u64::try_from(value.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(value);
        }
        let Some(hash) = hash else {
            return WHOLE;
        };
        let digest = hash.finalize();
        let head = digest.first_chunk().copied().unwrap_or_default();
        u128::from_le_bytes(head)
    }
}

/// The fingerprint of no values: the head of the hash of nothing.
const WHOLE: u128 =
    u128::from_le_bytes(*b"\xe3\xb0\xc4\x42\x98\xfc\x1c\x14\x9a\xfb\xf4\xc8\x99\x6f\xb9\x24");

impl Unit {
    /// What a policy calls it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Concurrent => "concurrent",
            Self::Tokens(_) => "tokens",
            Self::Usd => "usd",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_without_values_has_the_fingerprint_of_nothing() {
        let digest = Sha256::new().finalize();
        let head = digest.first_chunk().copied().unwrap();
        assert_eq!(
            Budget::fingerprint(std::iter::empty()),
            u128::from_le_bytes(head)
        );
        assert_ne!(Budget::fingerprint([""].into_iter()), WHOLE);
    }
}
