//! Framing and editing of bytes: server-sent events, the AWS event stream, JSON, protocol buffers, base64,
//! percent-encoding; and classes of bytes, 64 at once.
//!
//! This room knows nobody: no provider, no client, no clock, no host. Bytes come in, borrowed pieces
//! go out. Every buffer has a bound that the caller gives. "More bytes needed" is no error, only
//! silence until the next chunk; "malformed" and "too large" are different errors. What comes out
//! does not depend on where the chunks were cut.

pub mod base64;
pub mod event_stream;
pub mod json;
pub(crate) mod lanes;
pub mod percent;
pub mod protobuf;
pub mod sse;

#[cfg(test)]
pub(crate) mod random;
