//! How much of one answer a writer may still collect.

use crate::fault::{Fault, Upstream};
use crate::limits::ADMIN_BYTES_MAX;

/// Bytes that are left, for all choices and items of the answer.
#[derive(Debug)]
pub(super) struct Room(usize);

impl Room {
    /// All of it.
    pub(super) const fn new() -> Self {
        Self(ADMIN_BYTES_MAX)
    }

    #[cfg(test)]
    pub(super) const fn of(bytes: usize) -> Self {
        Self(bytes)
    }

    /// Takes the room for so many bytes.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Fault> {
        self.0 = self.0.checked_sub(bytes).ok_or_else(|| {
            let message = format!("the provider's answer exceeds {ADMIN_BYTES_MAX} bytes");
            Fault::from(Upstream::broken("upstream_too_large", message))
        })?;
        Ok(())
    }

    /// So many bytes are kept no longer.
    pub(super) const fn give_back(&mut self, bytes: usize) {
        self.0 = self.0.saturating_add(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_gone_until_it_is_given_back() {
        let mut room = Room::of(4);
        room.take(3).unwrap();
        assert_eq!(room.take(2).unwrap_err().code(), Some("upstream_too_large"));
        room.give_back(1);
        room.take(2).unwrap();
        room.take(0).unwrap();
    }
}
