//! Tollgate: an LLM gateway filter.

pub mod codec;
