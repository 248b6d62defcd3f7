//! Formats that upstreams speak, and the table of them.
//!
//! A provider is compiled from its settings once; each target (a model at a provider) is compiled
//! from the provider. At run time a target either edits a request that is in its own format already,
//! or translates it, and turns the answer into events. It refuses to know what apps speak and what
//! else the policy says. To add one: a file or folder here, its `mod` line, its entry in [`ALL`], and
//! golden cases.

mod agents;
mod azure;
mod bedrock;
mod catalogue;
mod credential;
mod endpoint;
mod openai;
mod quirks;
mod stop;

pub use catalogue::Catalogue;
pub use endpoint::{Endpoint, EndpointError};

use std::fmt;
use std::rc::Rc;

use crate::document::Fields;
use crate::fault::Fault;
use crate::limits::Limits;
use crate::turn::{Ask, Embed, Escaped, Event, Format, Headers, Method, Now, Request, Uncarried};

/// Every kind of provider, by the name that a policy calls it.
pub static ALL: &[Kind] = &[
    bedrock::KIND,
    azure::KIND,
    openai::KIND,
    agents::INVOKE,
    agents::AGENTCORE,
];

/// One kind of provider.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// What a policy writes as `kind`.
    pub name: &'static str,
    /// Reads the provider's own settings (all but `name`, `kind` and `cluster`). Problems go into the
    /// fields; nothing is returned when one of them makes the provider unusable.
    pub compile: fn(&mut Fields<'_>, &Environment<'_>) -> Option<Rc<dyn Provider>>,
}

/// What a provider's settings are compiled with.
pub struct Environment<'e> {
    /// The provider's name in the policy.
    pub name: &'e str,
    /// Reads an environment variable of the VM.
    pub variable: &'e dyn Fn(&str) -> Option<String>,
    /// The policy's bounds.
    pub limits: Limits,
    /// What is known of models.
    pub catalogue: &'e Rc<Catalogue>,
}

impl fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A configured provider.
pub trait Provider: fmt::Debug {
    /// Reads a target's own settings (all but `provider` and `weight`).
    fn target(&self, fields: &mut Fields<'_>) -> Option<Rc<dyn Target>>;

    /// The way to its agents API, where it has OpenAI's.
    fn agents(&self) -> Option<Rc<dyn Passage>> {
        None
    }
}

/// A part of a provider's API that takes requests as apps write them, and which are no turns of a conversation.
pub trait Passage: fmt::Debug {
    /// Begins the call: where it goes, and the headers of the settings. `rest` is path and query behind what
    /// stands before every path of the API.
    fn open(&self, rest: &str, call: &mut Call);

    /// Adds the credential, once the call is otherwise complete.
    ///
    /// # Errors
    /// There is no credential, or the call holds what cannot be signed.
    fn sign(&self, now: Now, call: &mut Call) -> Result<(), Fault>;

    /// Reads an answer whose status says that it failed.
    fn refusal(&self, head: &Headers, body: &[u8]) -> Fault;

    /// Passes on a stream of events.
    fn relay(&self) -> Box<dyn Relay>;
}

/// A model at a provider.
pub trait Target: fmt::Debug {
    /// How a request in `format` reaches this model; nothing if it cannot.
    fn path(&self, format: Format) -> Option<Path<'_>>;

    /// Adds the credential, once the call is otherwise complete.
    ///
    /// # Errors
    /// There is no credential, or the call holds what cannot be signed.
    fn sign(&self, now: Now, call: &mut Call) -> Result<(), Fault>;

    /// Reads an answer that says of itself that it failed.
    fn refusal(&self, head: &Headers, body: &[u8]) -> Fault;

    /// What the provider's agents API calls the model that the app asked for by this name; nothing where it does
    /// not run it.
    fn agent_model<'m>(&'m self, _asked: &'m str) -> Option<&'m str> {
        None
    }
}

/// How a request reaches a model.
#[derive(Debug, Clone, Copy)]
pub enum Path<'t> {
    /// It is in the upstream's format already: bytes that nobody edits pass unchanged.
    Edited(&'t dyn Edit),
    /// It has to be written anew.
    Translated(&'t dyn Translate),
    /// It asks for embeddings, and has to be written anew.
    Embedded(&'t dyn Embedder),
}

/// A model that speaks the app's own format.
pub trait Edit: fmt::Debug {
    /// Writes the call with the ask's body, edited where it must be.
    ///
    /// # Errors
    /// An edit is impossible, or a parameter that the model refuses may not be left behind.
    fn edit(
        &self,
        ask: &Ask<'_>,
        uncarried: &mut Uncarried<'_>,
        call: &mut Call,
    ) -> Result<(), Fault>;

    /// Passes on a streamed answer. `show_usage` says whether the app asked for its usage chunk.
    fn relay(&self, show_usage: bool) -> Box<dyn Relay>;

    /// Looks at a whole answer of status 200, to tell the events that matter to us (usage, finish).
    /// Where the app must get it otherwise, that is appended to `out`; else nothing is.
    ///
    /// # Errors
    /// The body is no answer of this format.
    fn inspect(&self, body: &[u8], out: &mut Vec<u8>, sink: Sink<'_>) -> Result<(), Fault>;
}

/// A model that speaks another format.
pub trait Translate: fmt::Debug {
    /// Writes the call.
    ///
    /// # Errors
    /// The request holds what cannot be carried and may not be left behind.
    fn encode(
        &self,
        request: &Request<'_>,
        uncarried: &mut Uncarried<'_>,
        call: &mut Call,
    ) -> Result<(), Fault>;

    /// Whether the head is that of a streamed answer that `decoder` can read.
    fn is_stream(&self, head: &Headers) -> bool;

    /// Decodes a whole answer of status 200.
    ///
    /// # Errors
    /// The body is no answer, or is an error in spite of its status.
    fn decode(&self, head: &Headers, body: &[u8], sink: Sink<'_>) -> Result<(), Fault>;

    /// Starts decoding a streamed answer that has this head.
    fn decoder(&self, head: &Headers) -> Box<dyn Decoder>;
}

/// A model that turns texts into vectors, in a format of its own.
pub trait Embedder: fmt::Debug {
    /// How many inputs one call takes. Further ones are further calls.
    fn inputs_max(&self) -> usize;

    /// Writes the call for some of the inputs.
    ///
    /// # Errors
    /// The request holds what cannot be carried and may not be left behind.
    fn encode(
        &self,
        embed: &Embed<'_>,
        inputs: &[Escaped<'_>],
        uncarried: &mut Uncarried<'_>,
        call: &mut Call,
    ) -> Result<(), Fault>;

    /// Decodes an answer of status 200: each vector goes to `sink` as a JSON text, in the order of the
    /// call's inputs. Says how many tokens they were, if the answer does.
    ///
    /// # Errors
    /// The body is no answer, or the sink fails.
    fn decode(
        &self,
        head: &Headers,
        body: &[u8],
        sink: &mut dyn FnMut(&str) -> Result<(), Fault>,
    ) -> Result<Option<u64>, Fault>;
}

/// Where events go.
pub type Sink<'s> = &'s mut dyn FnMut(Event<'_>) -> Result<(), Fault>;

/// Decodes a streamed answer. Chunks may be cut anywhere.
pub trait Decoder: fmt::Debug {
    /// Feeds a chunk.
    ///
    /// # Errors
    /// The stream is corrupt, carries an error, or the sink fails. Events before it have been told.
    fn push(&mut self, chunk: &[u8], sink: Sink<'_>) -> Result<(), Fault>;

    /// Says that no chunk will follow.
    ///
    /// # Errors
    /// The stream ended before it was complete.
    fn finish(&mut self, sink: Sink<'_>) -> Result<(), Fault>;
}

/// Passes a same-format stream on, event by event. Chunks may be cut anywhere.
pub trait Relay: fmt::Debug {
    /// Feeds a chunk; what goes to the app is appended to `out`.
    ///
    /// # Errors
    /// The stream is corrupt or carries an error. What came before it is in `out`.
    fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>, sink: Sink<'_>) -> Result<(), Fault>;

    /// Says that no chunk will follow.
    ///
    /// # Errors
    /// The stream ended before it was complete.
    fn finish(&mut self, out: &mut Vec<u8>, sink: Sink<'_>) -> Result<(), Fault>;

    /// Tells a stream that has begun that it failed; tells whether it did. What it does not tell, the
    /// app's format does.
    fn fail(&mut self, _fault: &Fault, _out: &mut Vec<u8>) -> bool {
        false
    }

    /// Ends a stream that has begun as if its limit of tokens had been met; tells whether it did.
    fn cut(&mut self, _out: &mut Vec<u8>) -> bool {
        false
    }
}

/// Passes a stream on that is in an app's format already, whoever wrote it; nothing if the format has no
/// streams. The usage chunk passes.
#[must_use]
pub fn relay(format: Format, event_bytes_max: usize) -> Option<Box<dyn Relay>> {
    openai::relay(format, event_bytes_max)
}

/// A request on its way to an upstream.
#[derive(Default, Clone, PartialEq, Eq)]
pub struct Call {
    /// The method: POST, where nobody says otherwise.
    pub method: Method,
    /// Host and, where it is not the scheme's own, port.
    pub authority: String,
    /// Path and query as sent.
    pub path: String,
    /// Headers besides the pseudo headers; names are lower case.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for Call {
    /// Tells sizes: a header is the credential, and the body is the app's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("authority", &self.authority)
            .field("headers", &self.headers.iter().count())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_credential_and_no_text() {
        let mut call = Call {
            body: b"private".to_vec(),
            ..Call::default()
        };
        call.headers.set("authorization", "Bearer private");
        let want = r#"Call { authority: "", headers: 1, body_bytes: 7, .. }"#;
        assert_eq!(format!("{call:?}"), want);
    }
}
