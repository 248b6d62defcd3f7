//! What a request's placeholders stand for, for as long as its answer comes.
//!
//! Bounded: a value beyond [`PLACEHOLDERS_MAX`] or [`PLACEHOLDER_BYTES_MAX`], or longer than [`VALUE_BYTES_MAX`], has a
//! placeholder like any other and is hidden as well, but is not restored, and is counted in [`Vault::lost`].

use core::fmt;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::placeholder::Tenant;
use super::replace::VALUE_BYTES_MAX;
use crate::limits::{PLACEHOLDER_BYTES_MAX, PLACEHOLDERS_MAX};

/// The placeholders of one request.
pub struct Vault {
    tenant: Tenant,
    values: BTreeMap<Box<str>, Box<str>>,
    /// Of all placeholders and values.
    bytes: usize,
    lost: usize,
}

impl fmt::Debug for Vault {
    /// Without the values.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Vault")
            .field("values", &self.values.len())
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

/// Whether a placeholder may be written for a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// It may, whether it can be restored or not.
    Fine,
    /// It stands for another value in this request.
    Taken,
}

impl Vault {
    /// Nothing is hidden yet.
    #[must_use]
    pub const fn new(tenant: Tenant) -> Self {
        Self {
            tenant,
            values: BTreeMap::new(),
            bytes: 0,
            lost: 0,
        }
    }

    /// Whose values these are.
    #[must_use]
    pub const fn tenant(&self) -> Tenant {
        self.tenant
    }

    /// How many values can be restored.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is nothing to restore.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// How often a value was hidden that cannot be restored.
    #[must_use]
    pub const fn lost(&self) -> usize {
        self.lost
    }

    /// Keeps what a placeholder stands for; nothing of a value that is too long.
    pub(super) fn keep(&mut self, placeholder: &str, value: Option<&str>) -> Kept {
        let count = self.values.len();
        let value = value.filter(|value| value.len() <= VALUE_BYTES_MAX);
        let Some(value) = value else {
            self.lost = self.lost.saturating_add(1);
            return Kept::Fine;
        };
        match self.values.entry(placeholder.into()) {
            Entry::Occupied(known) if **known.get() == *value => Kept::Fine,
            Entry::Occupied(_) => {
                self.lost = self.lost.saturating_add(1);
                Kept::Taken
            }
            Entry::Vacant(free) => {
                let added = placeholder.len().saturating_add(value.len());
                let bytes = self.bytes.saturating_add(added);
                if count >= PLACEHOLDERS_MAX || bytes > PLACEHOLDER_BYTES_MAX {
                    self.lost = self.lost.saturating_add(1);
                    return Kept::Fine;
                }
                free.insert(value.into());
                self.bytes = bytes;
                Kept::Fine
            }
        }
    }

    /// What a placeholder stands for.
    pub(super) fn value(&self, placeholder: &str) -> Option<&str> {
        self.values.get(placeholder).map(|value| &**value)
    }

    /// Whether a placeholder begins so.
    pub(super) fn has_beginning(&self, beginning: &str) -> bool {
        let from = (
            core::ops::Bound::Included(beginning),
            core::ops::Bound::Unbounded,
        );
        let first = self.values.range::<str, _>(from).next();
        first.is_some_and(|(placeholder, _)| placeholder.starts_with(beginning))
    }
}
