//! OpenAI's chat completions, as an app speaks it.
//!
//! `ask` reads what routing needs and is all that a same-format request costs. `decode` reads the
//! rest for a translation. `stream` and `whole` write an answer's events as server-sent events or as
//! one body; both fail rather than complete an answer that never said why it stopped.
//!
//! Every field is mapped, left to the policy's rule for parameters (`Request::others`), dropped by a
//! rule that is written where it happens, or refused by its name. Checked against the types of the
//! `openai` package 3.54.

mod ask;
mod decode;
mod messages;
mod stream;
mod tools;
mod whole;
mod wire;

use super::{Client, Opening, Writer, error};
use crate::fault::Fault;
use crate::turn::{Ask, Format, Request};

/// The format of `POST /v1/chat/completions`.
#[derive(Debug, Clone, Copy)]
pub struct Chat;

impl Client for Chat {
    fn format(&self) -> Format {
        Format::Chat
    }

    fn path(&self) -> &'static str {
        "/v1/chat/completions"
    }

    fn ask<'a>(&self, body: &'a [u8]) -> Result<Ask<'a>, Fault> {
        ask::ask(body)
    }

    fn decode<'a>(&self, ask: &Ask<'a>) -> Result<Request<'a>, Fault> {
        decode::decode(ask)
    }

    fn writer(&self, opening: Opening) -> Box<dyn Writer> {
        if opening.stream {
            Box::new(stream::Stream::new(&opening))
        } else {
            Box::new(whole::Whole::new(opening))
        }
    }

    fn write_stream_fault(&self, fault: &Fault, out: &mut Vec<u8>) {
        error::write_stream_error(fault, out);
    }
}
