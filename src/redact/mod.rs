#![doc = include_str!("README.md")]
//!
//! # The room
//! [`Plan`] is the compiled `redaction` section of a policy. [`Plan::scan`] finds what is in a whole text;
//! a [`Stream`] redacts one that comes in pieces, with the same scanner (`scan`). The text is what a person would
//! read: escapes of JSON are the caller's to undo, and whatever else is written in other letters is folded here (`fold`).
//! Detectors (`detector`) are called by single bytes and read a bounded number of bytes, so work is linear in any text.
//! No value is kept, printed or logged; a [`Finding`] says where one is.

mod action;
mod allow;
mod block;
mod candidate;
mod checksum;
mod context;
mod counts;
mod detector;
pub mod document;
mod entity;
mod fold;
mod kind;
mod leaves;
mod own;
mod placeholder;
pub mod places;
mod plan;
mod replace;
mod restore;
mod run;
mod scan;
pub mod select;
mod stream;
mod trigger;
mod vault;
mod view;

pub use action::Action;
pub use counts::{Count, Counts};
pub use entity::{Entity, Group};
pub use fold::Folded;
pub use kind::Kind;
pub use leaves::Leaves;
pub use placeholder::Tenant;
pub use plan::Plan;
pub use restore::{Escaping, Restore};
pub use stream::{Finding, Sink, Stream};
pub use vault::Vault;

#[cfg(test)]
mod described;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod restored;
#[cfg(test)]
mod tests;
