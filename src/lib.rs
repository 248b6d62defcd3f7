//! Tollgate: an LLM gateway filter.

pub mod document;
pub mod glob;
