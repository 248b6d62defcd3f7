//! OpenAI's responses, as an app speaks it.
//!
//! ```text
//! decode    the request's members
//!  input    the conversation's items
//!  tools    functions, custom tools, namespaces, and how they are chosen
//!  seal     reasoning that travels in `encrypted_content`
//! echo      what an answer repeats of its request
//! writer    an answer as a response object or as a stream of events
//!  item     the items of its output
//! ```
//! Every field is mapped, left to the policy's rule for parameters (`Request::others`), dropped by a
//! rule that is written where it happens, or refused by its name. Nothing is stored. Checked against the
//! types of the `openai` package 3.54.

mod decode;
mod echo;
mod input;
mod item;
mod seal;
mod tools;
mod writer;

use super::ask::ask;
use super::{Client, Opening, Writer};
use crate::fault::{self, Fault, Invalid};
use crate::turn::{Ask, Format, Request};

/// The format of `POST /v1/responses`.
#[derive(Debug, Clone, Copy)]
pub struct Responses;

impl Client for Responses {
    fn format(&self) -> Format {
        Format::Responses
    }

    fn path(&self) -> &'static str {
        "/v1/responses"
    }

    fn ask<'a>(&self, body: &'a [u8]) -> Result<Ask<'a>, Fault> {
        ask(Format::Responses, body)
    }

    fn decode<'a>(&self, ask: &Ask<'a>) -> Result<Request<'a>, Fault> {
        decode::decode(ask)
    }

    fn echo(&self, ask: &Ask<'_>) -> String {
        echo::echo(ask)
    }

    fn blame(&self, fault: Fault) -> Fault {
        let Fault::Client(fault::Client::Invalid(invalid)) = fault else {
            return fault;
        };
        let param = match RENAMED.iter().find(|(chat, _)| invalid.param == *chat) {
            Some((_, own)) => (*own).to_owned(),
            None => NESTED.iter().fold(invalid.param, |param, (chat, own)| {
                param.replacen(chat, own, 1)
            }),
        };
        Invalid { param, ..invalid }.into()
    }

    fn writer(&self, opening: Opening) -> Box<dyn Writer> {
        Box::new(writer::Answer::new(opening))
    }

    fn write_stream_fault(&self, fault: &Fault, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: error\ndata: {\"type\":\"error\",\"sequence_number\":0");
        writer::write_error_members(fault, out);
        out.extend_from_slice(b"}\n\n");
    }
}

/// Chat's names of fields that have another one here.
const RENAMED: &[(&str, &str)] = &[
    ("reasoning_effort", "reasoning.effort"),
    ("response_format", "text.format"),
    ("tool_choice.function.name", "tool_choice.name"),
    ("verbosity", "text.verbosity"),
];

/// Parts of chat's paths that are otherwise here: items and tools are less deep.
const NESTED: &[(&str, &str)] = &[
    ("messages[", "input["),
    (".tool_calls[0]", ""),
    ("].custom", "]"),
    ("].function", "]"),
    (".image_url.url", ".image_url"),
    ("].file.", "]."),
];
