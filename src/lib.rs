//! Tollgate: an LLM gateway filter.

#![warn(missing_docs)]

pub mod auth;
pub mod secret;
