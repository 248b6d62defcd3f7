#![doc = include_str!("README.md")]
//!
//! # The room
//! [`Plan`] is the compiled `redaction` section of a policy. [`Plan::scan`] finds what is in a whole text;
//! a [`Stream`] redacts one that comes in pieces, with the same scanner (`scan`). The text is what a person would
//! read: escapes of JSON are the caller's to undo, and whatever else is written in other letters is folded here (`fold`).
//! Detectors (`detector`) are called by single bytes and read a bounded number of bytes, so work is linear in any text.
//! No value is kept, printed or logged; a [`Finding`] says where one is.

mod block;
mod candidate;
mod checksum;
mod context;
mod detector;
mod entity;
mod fold;
mod plan;
mod replace;
mod scan;
mod stream;
mod trigger;
mod view;

pub use entity::{Entity, Group};
pub use fold::Folded;
pub use plan::{Action, Plan};
pub use stream::{Finding, Stream};

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
