//! The pivot between formats that apps speak and formats that upstreams speak.
//!
//! `client` reads a body into an [`Ask`] (light: what routing needs) and, where the upstream speaks
//! another format, into a [`Request`] (whole). `provider` answers in [`Event`]s. Neither names the
//! other, so M client formats and N upstream formats cost M + N pieces of code. Embeddings are no
//! conversation: they have a small pivot of their own, [`Embed`], and their answers are vectors.
//!
//! Everything here borrows from the bytes that arrived. Text that nobody edits stays [`Escaped`]:
//! the content of a JSON string as it was written, copied and never decoded.
//!
//! This room refuses to know any wire format, any policy and any host.

mod ask;
mod embed;
mod escaped;
mod event;
mod headers;
mod method;
mod parameters;
mod request;
mod session;

pub use ask::{Ask, Format};
pub use embed::{Embed, Encoding, InputType};
pub use escaped::Escaped;
pub use event::{Detail, Event, Finish, Usage};
pub use headers::Headers;
pub use method::Method;
pub use parameters::{Parameters, Rule, Uncarried};
pub use request::{
    CacheLife, Document, DocumentSource, ENCRYPTED, Effort, Image, Message, Other, Output, Part,
    Request, Role, SEAL, Schema, SearchResult, ServiceTier, TEXT_INPUT, Tool, ToolChoice,
    ToolInput, ToolOutput, WebSearch,
};
pub use session::Session;

/// Milliseconds since the Unix epoch, as the host's clock gave them with an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Now {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub unix_ms: u64,
}

impl Now {
    /// Whole seconds since the epoch.
    #[must_use]
    pub fn unix_seconds(self) -> u64 {
        self.unix_ms / 1000
    }
}
