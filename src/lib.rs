//! Tollgate: an LLM gateway filter for Envoy and compatible proxies.
//!
//! Applications speak OpenAI's formats; the filter rewrites, signs and routes their requests to
//! Amazon Bedrock, Azure OpenAI or OpenAI, and turns the answers back.
//!
//! # Rooms
//! Arrows point down; `tests/architecture.rs` holds them.
//! ```text
//! abi        the only room that names proxy_wasm
//!  exchange  one request and its answer, a state machine that does no I/O
//!   policy   what the admin wrote -> what runs
//!   client   formats that apps speak        (client and provider never name each other)
//!   provider formats that upstreams speak   (with auth below it)
//!    turn    the pivot: requests, events
//!     codec  SSE, AWS event stream, JSON members and edits
//!   budget   reserve and settle: arithmetic, windows, prices, and a port to where buckets are kept
//!   redact   finds sensitive values in text, and replaces them
//! document   what an admin wrote, as a tree  (with codec below it)
//! leaves: fault, glob, limits, secret
//! ```
//!
//! # A request's way through
//! A callback makes an `Input`; `Exchange::handle(now, input, &mut effects)` decides; `abi` applies
//! the effects in order before the next callback. Request: head (held) -> whole body -> ask -> reserve ->
//! route -> redact -> edit or translate -> sign -> send. Answer: the head picks verbatim, whole or streaming;
//! frames become events, which are metered, events become the app's format, which is redacted; the end is written
//! once, and what was reserved is settled when the exchange is logged.
//!
//! # What always holds
//! 1. Only `abi` names `proxy_wasm`. 2. Below it there is no clock, no randomness, no global.
//! 3. What the app sees does not depend on where chunks were cut. 4. "More bytes", "malformed" and
//!    "refused" are three results. 5. Every buffer has its bound in `limits`.
//! 6. Same format: bytes that nobody edits pass unchanged; other format: each field is mapped,
//!    dropped or refused by a written rule. 7. A truncated or failed answer never looks complete.
//! 8. Secrets and body text never reach a log. 9. After configuration nothing on the hot path parses
//!    config. 10. No input makes it panic.
#![warn(missing_docs)]

#[cfg(target_arch = "wasm32")]
mod abi;
pub mod auth;
pub mod budget;
pub mod client;
pub mod codec;
pub mod document;
pub mod exchange;
pub mod fault;
pub mod glob;
pub mod limits;
pub mod policy;
pub mod provider;
pub mod redact;
pub mod secret;
pub mod turn;
