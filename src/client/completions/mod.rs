//! OpenAI's legacy completions, as an app speaks them: one prompt, one text.
//!
//! For a translation the prompt becomes what the user says, and the model's answer the completion. A list
//! of several prompts and prompts in tokens are refused there; `suffix`, `echo`, `logprobs`, `best_of` and
//! whatever else has no place in a conversation is left to the policy's rule for parameters. As OpenAI
//! does, an answer stops after 16 tokens if the app does not say otherwise. Checked against the types of
//! the `openai` package 3.54.

mod decode;
mod write;

use super::ask::ask;
use super::sites::{self, Sites};
use super::{Client, Opening, Writer, error};
use crate::fault::Fault;
use crate::turn::{Ask, Format, Request};

/// The format of `POST /v1/completions`.
#[derive(Debug, Clone, Copy)]
pub struct Completions;

impl Client for Completions {
    fn format(&self) -> Format {
        Format::Completions
    }

    fn path(&self) -> &'static str {
        "/v1/completions"
    }

    fn sites(&self) -> &'static Sites {
        &sites::COMPLETIONS
    }

    fn ask<'a>(&self, body: &'a [u8]) -> Result<Ask<'a>, Fault> {
        ask(Format::Completions, body)
    }

    fn decode<'a>(&self, ask: &Ask<'a>) -> Result<Request<'a>, Fault> {
        decode::decode(ask)
    }

    fn writer(&self, opening: Opening) -> Box<dyn Writer> {
        if opening.stream {
            Box::new(write::Stream::new(&opening))
        } else {
            Box::new(write::Whole::new(opening))
        }
    }

    fn write_stream_fault(&self, fault: &Fault, out: &mut Vec<u8>) {
        error::write_stream_error(fault, out);
    }
}
