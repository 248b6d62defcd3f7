//! An answer of Converse or ConverseStream, as events.
//!
//! ```text
//! Silent --anything--> Speaking --messageStop--> Stopped     metadata may come at any time
//! ```
//! Only `messageStop` says that a streamed answer is complete, and only `stopReason` that a whole one
//! is. Unknown events and unknown blocks are skipped; an exception, a corrupt frame, left-over bytes or
//! an end without a stop are faults. Bedrock numbers every block; we number tool calls only. Signatures
//! and redacted reasoning have no place in chat completions.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::codec::event_stream::{self, Message};
use crate::codec::json::{Text, write_string_content};
use crate::fault::{Fault, Upstream};
use crate::limits::TOOL_CALLS_MAX;
use crate::provider::{Decoder, Sink};
use crate::turn::{Escaped, Event, Finish, Usage};

use super::refusal;

/// Reads a whole answer.
pub(super) fn whole(body: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
    let answer: Answer<'_> = read(body)?;
    let message = answer
        .output
        .as_ref()
        .and_then(|output| output.message.as_ref());
    let Some(message) = message else {
        return Err(error_in(&answer, body));
    };
    let stop = answer
        .stop_reason
        .as_deref()
        .ok_or_else(|| Fault::from(Upstream::truncated()))?;
    let mut calls = 0_u32;
    let mut arguments = Vec::new();
    sink(Event::Start)?;
    for block in &message.content {
        if let Some(text) = block.text {
            tell_text(text, sink)?;
        }
        if let Some(reasoning) = &block.reasoning_content
            && let Some(text) = &reasoning.reasoning_text
            && !text.text.is_empty()
        {
            sink(Event::Reasoning {
                choice: 0,
                text: text.text,
            })?;
        }
        for cited in block.citations_content.iter().flat_map(|it| &it.content) {
            tell_text(cited.text, sink)?;
        }
        if let Some(call) = &block.tool_use
            && !call.is_the_servers()
        {
            let index = calls;
            calls = next_call(calls)?;
            tell_call(index, call, sink)?;
            arguments.clear();
            let input = call.input.map_or("{}", RawValue::get);
            // SAFETY of meaning: what was UTF-8 stays UTF-8 when it is escaped.
            write_string_content(&mut arguments, input);
            let fragment = str::from_utf8(&arguments).map_err(|_error| unreadable())?;
            tell_arguments(index, Escaped::from_content(fragment), sink)?;
        }
    }
    if let Some(usage) = &answer.usage {
        sink(Event::Usage(usage.total()))?;
    }
    let reason = finish(stop, calls > 0)?;
    sink(Event::Finish { choice: 0, reason })
}

/// An answer of status 200 that is an error: Coral answers so when it does not know the operation.
fn error_in(answer: &Answer<'_>, body: &[u8]) -> Fault {
    let error = refusal::Error::parse(body);
    let coral = answer
        .coral
        .as_ref()
        .and_then(|coral| coral.name.as_deref());
    if coral.is_none() && !error.is_some() {
        return Fault::from(Upstream::truncated());
    }
    let name = coral.or(error.name.as_deref()).unwrap_or_default();
    refusal::fault(name, 0, &error)
}

/// Decodes a streamed answer.
#[derive(Debug)]
pub(super) struct Stream {
    frames: event_stream::Decoder,
    speech: Speech,
}

impl Stream {
    pub(super) fn new(event_bytes_max: usize) -> Self {
        Self {
            frames: event_stream::Decoder::new(event_bytes_max),
            speech: Speech::default(),
        }
    }
}

impl Decoder for Stream {
    fn push(&mut self, chunk: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
        let Self { frames, speech } = self;
        frames
            .push(chunk, |message| {
                speech.take(&message, sink).map_err(Stop::Fault)
            })
            .map_err(Stop::into_fault)
    }

    fn finish(&mut self, _sink: Sink<'_>) -> Result<(), Fault> {
        let is_whole = self.frames.finish().is_ok();
        if is_whole && self.speech.place == Place::Stopped {
            Ok(())
        } else {
            Err(Fault::from(Upstream::truncated()))
        }
    }
}

/// Why frames are read no further.
enum Stop {
    Frame(event_stream::Error),
    Fault(Fault),
}

impl From<event_stream::Error> for Stop {
    fn from(error: event_stream::Error) -> Self {
        Self::Frame(error)
    }
}

impl Stop {
    fn into_fault(self) -> Fault {
        match self {
            Self::Fault(fault) => fault,
            Self::Frame(error @ event_stream::Error::TooLarge { .. }) => Fault::from(
                Upstream::broken("upstream_event_too_large", error.to_string()),
            ),
            Self::Frame(error) => {
                Fault::from(Upstream::broken("upstream_corrupt", error.to_string()))
            }
        }
    }
}

/// What has been said so far.
#[derive(Debug, Default)]
struct Speech {
    place: Place,
    /// The tool calls whose blocks have not ended.
    open: Vec<OpenCall>,
    calls: u32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Silent,
    Speaking,
    Stopped,
}

#[derive(Debug)]
struct OpenCall {
    block: u32,
    /// Nothing for a call that the server itself answers.
    index: Option<u32>,
    has_arguments: bool,
}

impl Speech {
    fn take(&mut self, message: &Message<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        match message.header(":message-type") {
            Some("event") | None => {}
            Some("exception") => {
                let name = message.header(":exception-type").unwrap_or_default();
                let error = refusal::Error::parse(message.payload);
                return Err(refusal::fault(name, 0, &error));
            }
            Some("error") => {
                let name = message.header(":error-code").unwrap_or_default();
                let text = message.header(":error-message").unwrap_or_default();
                return Err(refusal::fault(name, 0, &refusal::Error::of(text)));
            }
            Some(_) => return Err(unreadable()),
        }
        let payload = message.payload;
        match message.header(":event-type").unwrap_or_default() {
            "messageStart" => self.speak(sink),
            "contentBlockStart" => self.start(&read(payload)?, sink),
            "contentBlockDelta" => self.delta(&read(payload)?, sink),
            "contentBlockStop" => {
                let block = read::<BlockStop>(payload)?.content_block_index;
                self.stop_block(|open| open.block == block, sink)
            }
            "messageStop" => self.stop(&read(payload)?, sink),
            "metadata" => match read::<Metadata>(payload)?.usage {
                Some(usage) => sink(Event::Usage(usage.total())),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// The first of anything begins the message.
    fn speak(&mut self, sink: Sink<'_>) -> Result<(), Fault> {
        match self.place {
            Place::Silent => {
                self.place = Place::Speaking;
                sink(Event::Start)
            }
            Place::Speaking => Ok(()),
            Place::Stopped => Err(unreadable()),
        }
    }

    fn start(&mut self, event: &BlockStart<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        self.speak(sink)?;
        let Some(call) = event
            .start
            .as_ref()
            .and_then(|start| start.tool_use.as_ref())
        else {
            return Ok(());
        };
        let index = if call.is_the_servers() {
            None
        } else {
            let index = self.calls;
            self.calls = next_call(index)?;
            tell_call(index, call, sink)?;
            Some(index)
        };
        if self.open.len() >= TOOL_CALLS_MAX {
            return Err(too_many_calls());
        }
        self.open.push(OpenCall {
            block: event.content_block_index,
            index,
            has_arguments: false,
        });
        Ok(())
    }

    fn delta(&mut self, event: &BlockDelta<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        self.speak(sink)?;
        let Some(delta) = &event.delta else {
            return Ok(());
        };
        if let Some(text) = delta.text {
            tell_text(text, sink)?;
        }
        if let Some(text) = delta.reasoning_content.as_ref().and_then(|it| it.text)
            && !text.is_empty()
        {
            sink(Event::Reasoning { choice: 0, text })?;
        }
        let Some(input) = delta.tool_use.as_ref().and_then(|it| it.input) else {
            return Ok(());
        };
        let mut open = self.open.iter_mut();
        let call = open.find(|open| open.block == event.content_block_index);
        let call = call.ok_or_else(unreadable)?;
        if let Some(index) = call.index
            && !input.is_empty()
        {
            call.has_arguments = true;
            tell_arguments(index, input, sink)?;
        }
        Ok(())
    }

    /// Ends the calls that `is_ended` picks. One without arguments gets an empty object: AWS sends no
    /// delta for it.
    fn stop_block(
        &mut self,
        is_ended: impl Fn(&OpenCall) -> bool,
        sink: Sink<'_>,
    ) -> Result<(), Fault> {
        while let Some(at) = self.open.iter().position(&is_ended) {
            let open = self.open.remove(at);
            if let Some(index) = open.index
                && !open.has_arguments
            {
                tell_arguments(index, Escaped::from_content("{}"), sink)?;
            }
        }
        Ok(())
    }

    fn stop(&mut self, event: &MessageStop<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        self.speak(sink)?;
        let reason = event.stop_reason.as_deref().ok_or_else(unreadable)?;
        let reason = finish(reason, self.calls > 0)?;
        self.stop_block(|_| true, sink)?;
        self.place = Place::Stopped;
        sink(Event::Finish { choice: 0, reason })
    }
}

/// Why it stopped, in the words of chat completions. A reason that AWS has added since is a stop.
fn finish(reason: &str, has_calls: bool) -> Result<Finish, Fault> {
    Ok(match reason {
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "guardrail_intervened" | "content_filtered" => Finish::ContentFilter,
        "malformed_model_output" => {
            return Err(Fault::from(Upstream::broken(
                "malformed_model_output",
                "the model's output was malformed; try again",
            )));
        }
        "malformed_tool_use" => {
            return Err(Fault::from(Upstream::broken(
                "malformed_tool_use",
                "the model called a tool in a malformed way; try again",
            )));
        }
        // end_turn, stop_sequence, tool_use: the calls themselves tell.
        _ if has_calls => Finish::ToolCalls,
        _ => Finish::Stop,
    })
}

fn tell_text(text: Escaped<'_>, sink: Sink<'_>) -> Result<(), Fault> {
    if text.is_empty() {
        return Ok(());
    }
    sink(Event::Text { choice: 0, text })
}

fn tell_call(index: u32, call: &ToolUse<'_>, sink: Sink<'_>) -> Result<(), Fault> {
    sink(Event::ToolCall {
        choice: 0,
        index,
        id: call.tool_use_id,
        name: call.name,
    })
}

fn tell_arguments(index: u32, fragment: Escaped<'_>, sink: Sink<'_>) -> Result<(), Fault> {
    sink(Event::Arguments {
        choice: 0,
        index,
        fragment,
    })
}

fn next_call(calls: u32) -> Result<u32, Fault> {
    let next = calls.saturating_add(1);
    let limit = u32::try_from(TOOL_CALLS_MAX).unwrap_or(u32::MAX);
    if next > limit {
        return Err(too_many_calls());
    }
    Ok(next)
}

fn too_many_calls() -> Fault {
    let message = format!("the answer has more than {TOOL_CALLS_MAX} tool calls");
    Fault::from(Upstream::broken("upstream_too_large", message))
}

fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Fault> {
    serde_json::from_slice(json).map_err(|_error| unreadable())
}

fn unreadable() -> Fault {
    Fault::from(Upstream::broken(
        "upstream_corrupt",
        "the provider's answer cannot be read",
    ))
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    output: Option<Output<'a>>,
    #[serde(borrow, rename = "stopReason")]
    stop_reason: Option<Text<'a>>,
    usage: Option<TokenUsage>,
    #[serde(borrow, rename = "Output")]
    coral: Option<Coral<'a>>,
}

#[derive(Deserialize)]
struct Coral<'a> {
    #[serde(borrow, rename = "__type")]
    name: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    message: Option<Content<'a>>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow, default)]
    content: Vec<Block<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Block<'a> {
    #[serde(borrow)]
    text: Option<Escaped<'a>>,
    #[serde(borrow)]
    reasoning_content: Option<Reasoning<'a>>,
    #[serde(borrow)]
    tool_use: Option<ToolUse<'a>>,
    #[serde(borrow)]
    citations_content: Option<Cited<'a>>,
}

#[derive(Deserialize)]
struct Reasoning<'a> {
    #[serde(borrow, rename = "reasoningText")]
    reasoning_text: Option<PlainText<'a>>,
}

#[derive(Deserialize)]
struct PlainText<'a> {
    #[serde(borrow, default)]
    text: Escaped<'a>,
}

#[derive(Deserialize)]
struct Cited<'a> {
    #[serde(borrow, default)]
    content: Vec<PlainText<'a>>,
}

/// Of a whole answer, or the start of one in a stream.
#[derive(Deserialize)]
struct ToolUse<'a> {
    #[serde(borrow, rename = "toolUseId")]
    tool_use_id: Escaped<'a>,
    #[serde(borrow)]
    name: Escaped<'a>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
}

impl ToolUse<'_> {
    /// Whether the server that calls the tool runs it as well.
    fn is_the_servers(&self) -> bool {
        self.kind.as_deref() == Some("server_tool_use")
    }
}

#[derive(Deserialize)]
struct BlockStart<'a> {
    #[serde(rename = "contentBlockIndex")]
    content_block_index: u32,
    #[serde(borrow)]
    start: Option<Start<'a>>,
}

#[derive(Deserialize)]
struct Start<'a> {
    #[serde(borrow, rename = "toolUse")]
    tool_use: Option<ToolUse<'a>>,
}

#[derive(Deserialize)]
struct BlockDelta<'a> {
    #[serde(rename = "contentBlockIndex")]
    content_block_index: u32,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delta<'a> {
    #[serde(borrow)]
    text: Option<Escaped<'a>>,
    #[serde(borrow)]
    tool_use: Option<ToolUseDelta<'a>>,
    #[serde(borrow)]
    reasoning_content: Option<ReasoningDelta<'a>>,
}

#[derive(Deserialize)]
struct ToolUseDelta<'a> {
    #[serde(borrow)]
    input: Option<Escaped<'a>>,
}

#[derive(Deserialize)]
struct ReasoningDelta<'a> {
    #[serde(borrow)]
    text: Option<Escaped<'a>>,
}

#[derive(Deserialize)]
struct BlockStop {
    #[serde(rename = "contentBlockIndex")]
    content_block_index: u32,
}

#[derive(Deserialize)]
struct MessageStop<'a> {
    #[serde(borrow, rename = "stopReason")]
    stop_reason: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Metadata {
    usage: Option<TokenUsage>,
}

/// The wire has each of the cache's numbers under a second name too, which is not read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenUsage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_write_input_tokens: Option<u64>,
}

impl TokenUsage {
    /// AWS counts cached tokens beside the input, OpenAI inside of it.
    fn total(&self) -> Usage {
        let cached_tokens = self.cache_read_input_tokens.unwrap_or_default();
        let cache_write_tokens = self.cache_write_input_tokens.unwrap_or_default();
        let fresh = self.input_tokens.unwrap_or_default();
        Usage {
            input_tokens: fresh
                .saturating_add(cached_tokens)
                .saturating_add(cache_write_tokens),
            cached_tokens,
            cache_write_tokens,
            output_tokens: self.output_tokens.unwrap_or_default(),
            reasoning_tokens: None,
        }
    }
}
