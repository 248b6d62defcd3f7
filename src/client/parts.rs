//! The bound on the parts of all messages of a request together, whatever format it is in.
//!
//! One list is bounded where it is read; many short lists are bounded here.

use super::read::Path;
use crate::fault::{Fault, Invalid};
use crate::limits::PARTS_MAX;

/// The parts that a request had so far.
#[derive(Default)]
pub(super) struct PartCount(usize);

impl PartCount {
    /// Takes one more, which is at this place.
    pub(super) fn add(&mut self, at: &Path<'_>) -> Result<(), Fault> {
        self.0 = self.0.saturating_add(1);
        if self.0 > PARTS_MAX {
            let problem = format!("a request may have at most {PARTS_MAX} parts");
            return Err(Invalid::value(at.to_string(), problem).into());
        }
        Ok(())
    }
}
