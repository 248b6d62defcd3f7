//! An answer of InvokeHarness, as events.
//!
//! ```text
//! Silent --messageStart--> Speaking --messageStop--> Stopped --messageStart--> Speaking ..
//! ```
//! The stream is that of the agent's whole loop: the model's messages, and between them, as the user's, the
//! results of tools that the harness runs itself. Only the end tells which calls are the app's: those of the
//! last message, when it stopped for its tools; all others the harness has answered. So calls are held
//! back, while texts pass as they come. Usage comes after each of the model's messages and adds up. Hooks
//! and tools' results are skipped. Without a stop that is an end, the answer is truncated.

use serde::Deserialize;

use crate::codec::json::Text;
use crate::fault::{Fault, Upstream};
use crate::limits::TOOL_CALLS_MAX;
use crate::provider::{Decoder, Sink};
use crate::turn::{Escaped, Event, Finish, Usage};

use super::faults::{too_large, unreadable};
use crate::provider::bedrock::events::{
    BlockDelta, BlockStart, MessageStop, TokenUsage, check_stop,
};
use crate::provider::bedrock::frames::Frames;

/// Decodes a streamed answer.
#[derive(Debug)]
pub(super) struct Stream {
    frames: Frames,
    speech: Speech,
}

impl Stream {
    pub(super) fn new(event_bytes_max: usize) -> Self {
        Self {
            frames: Frames::new(event_bytes_max),
            speech: Speech {
                place: Place::Silent,
                is_assistants: true,
                has_text: false,
                is_new_paragraph: false,
                calls: Vec::new(),
                calls_bytes: 0,
                calls_bytes_max: event_bytes_max,
                usage: Usage::default(),
            },
        }
    }
}

impl Decoder for Stream {
    fn push(&mut self, chunk: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
        let Self { frames, speech } = self;
        frames.push(chunk, &mut |name, payload| speech.take(name, payload, sink))
    }

    fn finish(&mut self, sink: Sink<'_>) -> Result<(), Fault> {
        self.frames.finish()?;
        self.speech.finish(sink)
    }
}

#[derive(Debug)]
struct Speech {
    place: Place,
    /// Whose message it is.
    is_assistants: bool,
    has_text: bool,
    /// The next text is that of another message than the text before it.
    is_new_paragraph: bool,
    /// The calls of the current message that may be the app's.
    calls: Vec<Call>,
    calls_bytes: usize,
    calls_bytes_max: usize,
    usage: Usage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Silent,
    Speaking,
    Stopped(Stop),
}

/// Why a message stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// The agent is done.
    End(Finish),
    /// For the tools: the app's, if nothing follows.
    Tools,
    /// No end: something has to follow.
    Between,
}

/// A call, escaped.
struct Call {
    block: u32,
    id: String,
    name: String,
    arguments: String,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("block", &self.block)
            .finish_non_exhaustive()
    }
}

impl Speech {
    fn take(&mut self, name: &str, payload: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
        match name {
            "messageStart" => {
                let event: MessageStart<'_> = read(payload)?;
                self.begin(event.role.as_deref() != Some("user"), sink)
            }
            "contentBlockStart" => self.start(&read(payload)?, sink),
            "contentBlockDelta" => self.delta(&read(payload)?, sink),
            "messageStop" => self.stop(&read(payload)?, sink),
            "metadata" => match read::<Metadata>(payload)?.usage {
                Some(usage) => self.count(&usage, sink),
                None => Ok(()),
            },
            // contentBlockStop, hookEvent, and what AWS has added since.
            _ => Ok(()),
        }
    }

    fn begin(&mut self, is_assistants: bool, sink: Sink<'_>) -> Result<(), Fault> {
        if self.place == Place::Silent {
            sink(Event::Start)?;
        }
        // What was called before has been answered.
        self.calls.clear();
        self.calls_bytes = 0;
        self.is_assistants = is_assistants;
        self.is_new_paragraph = self.has_text;
        self.place = Place::Speaking;
        Ok(())
    }

    /// The first of anything begins a message.
    fn speak(&mut self, sink: Sink<'_>) -> Result<(), Fault> {
        match self.place {
            Place::Silent => self.begin(true, sink),
            Place::Speaking => Ok(()),
            Place::Stopped(_) => Err(unreadable()),
        }
    }

    fn start(&mut self, event: &BlockStart<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        self.speak(sink)?;
        let start = event.start.as_ref();
        let Some(call) = start.and_then(|start| start.tool_use.as_ref()) else {
            return Ok(());
        };
        // The harness itself, or a server of its own, runs the others.
        let is_servers = matches!(
            call.kind.as_deref(),
            Some("server_tool_use" | "mcp_tool_use")
        );
        if is_servers || !self.is_assistants {
            return Ok(());
        }
        if self.calls.len() >= TOOL_CALLS_MAX {
            return Err(too_large(self.calls_bytes_max));
        }
        self.hold(
            call.tool_use_id
                .as_str()
                .len()
                .saturating_add(call.name.as_str().len()),
        )?;
        self.calls.push(Call {
            block: event.content_block_index,
            id: call.tool_use_id.as_str().to_owned(),
            name: call.name.as_str().to_owned(),
            arguments: String::new(),
        });
        Ok(())
    }

    fn hold(&mut self, bytes: usize) -> Result<(), Fault> {
        self.calls_bytes = self.calls_bytes.saturating_add(bytes);
        if self.calls_bytes > self.calls_bytes_max {
            return Err(too_large(self.calls_bytes_max));
        }
        Ok(())
    }

    fn delta(&mut self, event: &BlockDelta<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        self.speak(sink)?;
        let Some(delta) = event.delta.as_ref().filter(|_| self.is_assistants) else {
            return Ok(());
        };
        if let Some(text) = delta.text.filter(|text| !text.is_empty()) {
            if std::mem::take(&mut self.is_new_paragraph) {
                sink(Event::Text {
                    choice: 0,
                    text: Escaped::from_content(r"\n\n"),
                })?;
            }
            self.has_text = true;
            sink(Event::Text { choice: 0, text })?;
        }
        if let Some(text) = delta.reasoning_content.as_ref().and_then(|it| it.text)
            && !text.is_empty()
        {
            sink(Event::Reasoning { choice: 0, text })?;
        }
        if let Some(input) = delta.tool_use.as_ref().and_then(|it| it.input) {
            let mut calls = self.calls.iter();
            let place = calls.position(|call| call.block == event.content_block_index);
            if let Some(place) = place {
                self.hold(input.as_str().len())?;
                if let Some(call) = self.calls.get_mut(place) {
                    call.arguments.push_str(input.as_str());
                }
            }
        }
        Ok(())
    }

    fn stop(&mut self, event: &MessageStop<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        self.speak(sink)?;
        let reason = event.stop_reason.as_deref().ok_or_else(unreadable)?;
        self.place = Place::Stopped(stop(reason)?);
        Ok(())
    }

    fn count(&mut self, usage: &TokenUsage, sink: Sink<'_>) -> Result<(), Fault> {
        self.usage.add(usage.total());
        sink(Event::Usage(self.usage))
    }

    fn finish(&mut self, sink: Sink<'_>) -> Result<(), Fault> {
        let truncated = || Err(Fault::from(Upstream::truncated()));
        let reason = match self.place {
            Place::Silent | Place::Speaking | Place::Stopped(Stop::Between) => return truncated(),
            Place::Stopped(Stop::Tools) if self.calls.is_empty() => return truncated(),
            Place::Stopped(Stop::Tools) => Finish::ToolCalls,
            Place::Stopped(Stop::End(reason)) => reason,
        };
        if reason == Finish::ToolCalls {
            for (index, call) in (0_u32..).zip(&self.calls) {
                sink(Event::ToolCall {
                    choice: 0,
                    index,
                    id: Escaped::from_content(&call.id),
                    name: Escaped::from_content(&call.name),
                })?;
                // A call without arguments has no delta.
                let arguments = match call.arguments.as_str() {
                    "" => "{}",
                    arguments => arguments,
                };
                sink(Event::Arguments {
                    choice: 0,
                    index,
                    fragment: Escaped::from_content(arguments),
                })?;
            }
        }
        sink(Event::Finish { choice: 0, reason })
    }
}

/// A reason that AWS has added since is an end.
fn stop(reason: &str) -> Result<Stop, Fault> {
    check_stop(reason)?;
    Ok(Stop::End(match reason {
        "tool_use" => return Ok(Stop::Tools),
        "tool_result" | "partial_turn" => return Ok(Stop::Between),
        "max_tokens"
        | "model_context_window_exceeded"
        | "max_iterations_exceeded"
        | "max_output_tokens_exceeded"
        | "timeout_exceeded" => Finish::Length,
        "content_filtered" | "hook_stopped" => Finish::ContentFilter,
        "interrupted" => {
            return Err(Fault::from(Upstream::broken(
                "upstream_interrupted",
                "the agent was interrupted; try again",
            )));
        }
        _ => Finish::Stop,
    }))
}

fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Fault> {
    serde_json::from_slice(json).map_err(|_error| unreadable())
}

#[derive(Deserialize)]
struct MessageStart<'a> {
    #[serde(borrow)]
    role: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Metadata {
    usage: Option<TokenUsage>,
}
