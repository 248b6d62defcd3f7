//! Formats that apps speak, and the table of them.
//!
//! A client format reads a body into an [`Ask`] and a [`Request`], and writes an answer's [`Event`]s
//! as one JSON body or as a stream. It refuses to know who answers. To add one: a file here, its
//! `mod` line, its entry in [`ALL`], and golden cases.
//!
//! A format holds conversations, or asks for embeddings and says so by [`Client::embeds`]: what the other
//! kind needs is left at its default, and never called for a target that serves the format.

pub mod agents;
mod ask;
pub mod chat;
pub mod completions;
mod data_url;
pub mod embeddings;
pub mod error;
pub mod models;
mod output;
mod parameters;
mod parts;
mod read;
pub mod responses;
mod room;
pub mod sites;
mod tools;
mod web_search;

use std::fmt;

use sites::Sites;

use crate::fault::Fault;
use crate::turn::{Ask, Embed, Encoding, Event, Format, Request, Usage};

/// Every client format.
pub static ALL: &[&dyn Client] = &[
    &chat::Chat,
    &responses::Responses,
    &completions::Completions,
    &embeddings::Embeddings,
];

/// One format that apps speak.
pub trait Client: fmt::Debug + Sync {
    /// The format's tag.
    fn format(&self) -> Format;

    /// The path that apps post to, without the query.
    fn path(&self) -> &'static str;

    /// Where text stands in it.
    fn sites(&self) -> &'static Sites;

    /// Reads what routing needs.
    ///
    /// # Errors
    /// The body is no JSON object, or a field that routing reads is wrong.
    fn ask<'a>(&self, body: &'a [u8]) -> Result<Ask<'a>, Fault>;

    /// Reads everything.
    ///
    /// # Errors
    /// A field is missing, of the wrong type or out of range; the fault names it.
    fn decode<'a>(&self, _ask: &Ask<'a>) -> Result<Request<'a>, Fault> {
        Err(NO_CONVERSATION)
    }

    /// What an answer repeats of its request, in a form that only this format's writer reads.
    fn echo(&self, _ask: &Ask<'_>) -> String {
        String::new()
    }

    /// Names the field of a fault as this format calls it; translations speak of chat completions.
    fn blame(&self, fault: Fault) -> Fault {
        fault
    }

    /// Starts writing an answer.
    fn writer(&self, _opening: Opening) -> Box<dyn Writer> {
        Box::new(Mute)
    }

    /// Writes a fault into a stream whose head has gone out. What follows it on the wire is nothing.
    fn write_stream_fault(&self, fault: &Fault, out: &mut Vec<u8>) {
        error::write_stream_error(fault, out);
    }

    /// What asks for embeddings; nothing where the format holds conversations.
    fn embeds(&self) -> Option<&'static dyn Embeds> {
        None
    }
}

/// A format that asks for embeddings.
pub trait Embeds: fmt::Debug + Sync {
    /// Reads everything.
    ///
    /// # Errors
    /// A field is missing, of the wrong type or out of range; the fault names it.
    fn decode<'a>(&self, ask: &Ask<'a>) -> Result<Embed<'a>, Fault>;

    /// Appends the vector of the input at `index`, from the JSON that the upstream wrote.
    ///
    /// # Errors
    /// It is no list of numbers.
    fn write_vector(
        &self,
        index: usize,
        numbers: &str,
        encoding: Encoding,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault>;

    /// Appends the whole answer: pieces that hold the vectors in their order, written one by one.
    fn write_answer(&self, model: &str, vectors: &[Vec<u8>], usage: Usage, out: &mut Vec<u8>);
}

const NO_CONVERSATION: Fault = Fault::Internal("a format without conversations was asked for one");

/// The writer of a format that holds no conversations.
#[derive(Debug)]
struct Mute;

impl Writer for Mute {
    fn write(&mut self, _event: Event<'_>, _out: &mut Vec<u8>) -> Result<(), Fault> {
        Err(NO_CONVERSATION)
    }

    fn finish(&mut self, _out: &mut Vec<u8>) -> Result<(), Fault> {
        Err(NO_CONVERSATION)
    }
}

/// What an answer says about itself from the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opening {
    /// 128 random bits, from which the format makes its own kind of id.
    pub entropy: [u64; 2],
    /// When the request arrived, in seconds since the epoch.
    pub created: u64,
    /// The model's public name.
    pub model: String,
    /// Whether to write a stream or one body.
    pub stream: bool,
    /// Whether the stream is to end with a usage chunk.
    pub include_usage: bool,
    /// What the format itself wrote of the request: see [`Client::echo`].
    pub echo: String,
}

impl Opening {
    /// Appends 24 characters of the random bits, as OpenAI's ids have.
    pub(in crate::client) fn write_id(&self, prefix: &str, out: &mut Vec<u8>) {
        const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        out.extend_from_slice(prefix.as_bytes());
        for word in self.entropy {
            // The word as a fraction: each multiplication by 62 brings one digit to the front.
            let mut fraction = word;
            for _ in 0..12 {
                let product = u128::from(fraction).wrapping_mul(62);
                let digit = usize::try_from(product >> 64).unwrap_or(0);
                out.push(DIGITS.get(digit).copied().unwrap_or(b'0'));
                fraction = fraction.wrapping_mul(62);
            }
        }
    }
}

/// Writes one answer from its events.
///
/// A stream's bytes come out as its events go in; a whole answer's bytes come out at the finish.
pub trait Writer: fmt::Debug {
    /// Takes the next event.
    ///
    /// # Errors
    /// The answer exceeds a bound, or its events come in an impossible order.
    fn write(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Result<(), Fault>;

    /// Completes the answer: the final chunks and the terminator, or the whole body.
    ///
    /// # Errors
    /// The upstream never said that it was done: nothing is written, and the answer must not look
    /// complete.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Fault>;

    /// Tells a stream that has begun that it failed; tells whether it did. What it does not tell,
    /// [`Client::write_stream_fault`] does.
    fn fail(&mut self, _fault: &Fault, _out: &mut Vec<u8>) -> bool {
        false
    }
}
