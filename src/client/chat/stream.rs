//! An answer as `chat.completion.chunk` events.
//!
//! Every chunk has the same start, written once. The first of a choice has the role; then come
//! deltas of text, of `reasoning_content` (not OpenAI's, but the field that DeepSeek, vLLM and most
//! tools read) and of tool calls; the last has the reason and nothing after it. `[DONE]` is written
//! only by `finish`, and only when every choice that began has ended.

use super::wire::{Progress, finish_reason, write_id, write_usage};
use crate::client::{Opening, Writer};
use crate::codec::json::{write_string, write_u64};
use crate::fault::Fault;
use crate::turn::{Escaped, Event, Finish, Usage};

/// Writes an answer as a stream.
#[derive(Debug)]
pub(super) struct Stream {
    /// Of every chunk: all up to the first choice.
    head: Vec<u8>,
    include_usage: bool,
    usage: Option<Usage>,
    progress: Progress,
}

impl Stream {
    pub(super) fn new(opening: &Opening) -> Self {
        let mut head = Vec::with_capacity(opening.model.len().saturating_add(128));
        head.extend_from_slice(b"data: {\"id\":\"");
        write_id(opening, &mut head);
        head.extend_from_slice(b"\",\"object\":\"chat.completion.chunk\",\"created\":");
        write_u64(&mut head, opening.created);
        head.extend_from_slice(b",\"model\":");
        write_string(&mut head, &opening.model);
        head.extend_from_slice(b",\"choices\":[");
        Self {
            head,
            include_usage: opening.include_usage,
            usage: None,
            progress: Progress::default(),
        }
    }

    /// Makes sure that `choice` has begun.
    fn open(&mut self, choice: u32, out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.progress.open(choice)? {
            self.begin(choice, 0, out);
            out.extend_from_slice(b"\"role\":\"assistant\",\"content\":\"\",\"refusal\":null");
            self.end(None, out);
        }
        Ok(())
    }

    /// Writes a chunk up to the inside of its delta.
    fn begin(&self, choice: u32, delta_bytes: usize, out: &mut Vec<u8>) {
        // What stands around the delta has less than 192 bytes.
        let around = self.head.len().saturating_add(192);
        out.reserve(around.saturating_add(delta_bytes));
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"{\"index\":");
        write_u64(out, u64::from(choice));
        out.extend_from_slice(b",\"delta\":{");
    }

    /// Writes a chunk from the end of its delta.
    fn end(&self, reason: Option<Finish>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":");
        match reason {
            None => out.extend_from_slice(b"null}]"),
            Some(reason) => {
                out.push(b'"');
                out.extend_from_slice(finish_reason(reason).as_bytes());
                out.extend_from_slice(b"\"}]");
            }
        }
        out.extend_from_slice(match self.include_usage {
            true => b",\"usage\":null}\n\n",
            false => b"}\n\n",
        });
    }

    fn text(&self, choice: u32, field: &str, text: Escaped<'_>, out: &mut Vec<u8>) {
        let text = text.as_str();
        self.begin(choice, text.len(), out);
        out.push(b'"');
        out.extend_from_slice(field.as_bytes());
        out.extend_from_slice(b"\":\"");
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        self.end(None, out);
    }

    fn tool_call(
        &self,
        choice: u32,
        index: u32,
        id: Escaped<'_>,
        name: Escaped<'_>,
        out: &mut Vec<u8>,
    ) {
        let (id, name) = (id.as_str(), name.as_str());
        self.begin(choice, id.len().saturating_add(name.len()), out);
        out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
        write_u64(out, u64::from(index));
        out.extend_from_slice(b",\"id\":\"");
        out.extend_from_slice(id.as_bytes());
        out.extend_from_slice(b"\",\"type\":\"function\",\"function\":{\"name\":\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\",\"arguments\":\"\"}}]");
        self.end(None, out);
    }

    fn arguments(&self, choice: u32, index: u32, fragment: Escaped<'_>, out: &mut Vec<u8>) {
        let fragment = fragment.as_str();
        self.begin(choice, fragment.len(), out);
        out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
        write_u64(out, u64::from(index));
        out.extend_from_slice(b",\"function\":{\"arguments\":\"");
        out.extend_from_slice(fragment.as_bytes());
        out.extend_from_slice(b"\"}}]");
        self.end(None, out);
    }
}

impl Writer for Stream {
    fn write(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        match event {
            Event::Start => {
                self.progress.start()?;
                // The app sees at once that the answer has begun.
                self.open(0, out)?;
            }
            Event::Text { choice, text } => {
                self.open(choice, out)?;
                if !text.is_empty() {
                    self.text(choice, "content", text, out);
                }
            }
            Event::Reasoning { choice, text } => {
                self.open(choice, out)?;
                if !text.is_empty() {
                    self.text(choice, "reasoning_content", text, out);
                }
            }
            Event::ToolCall {
                choice,
                index,
                id,
                name,
            } => {
                self.open(choice, out)?;
                self.progress.call_tool(choice, index)?;
                self.tool_call(choice, index, id, name, out);
            }
            Event::Arguments {
                choice,
                index,
                fragment,
            } => {
                self.open(choice, out)?;
                if !fragment.is_empty() {
                    self.progress.add_arguments(choice, index)?;
                    self.arguments(choice, index, fragment, out);
                }
            }
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Finish { choice, reason } => {
                self.open(choice, out)?;
                let calls = self.progress.finish(choice)?;
                for (index, has_arguments) in (0..).zip(calls) {
                    // Apps parse the arguments as JSON: a call without any has an empty object.
                    if !has_arguments {
                        self.arguments(choice, index, Escaped::from_content("{}"), out);
                    }
                }
                self.begin(choice, 0, out);
                self.end(Some(reason), out);
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.progress.complete()?;
        // Where the upstream told no usage there is none to tell: zeros would be a lie.
        if self.include_usage
            && let Some(usage) = &self.usage
        {
            out.extend_from_slice(&self.head);
            out.extend_from_slice(b"],\"usage\":");
            write_usage(usage, out);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
        Ok(())
    }
}
