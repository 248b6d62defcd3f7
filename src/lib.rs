//! Tollgate: an LLM gateway filter.
