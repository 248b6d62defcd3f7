//! An answer of Converse or ConverseStream, as events.
//!
//! ```text
//! Silent --anything--> Speaking --messageStop--> Stopped     metadata may come at any time
//! ```
//! Only `messageStop` says that a streamed answer is complete, and only `stopReason` that a whole one
//! is. Unknown events and unknown blocks are skipped; an exception, a corrupt frame, left-over bytes or
//! an end without a stop are faults. Bedrock numbers every block; we number tool calls only. What
//! vouches for reasoning, and reasoning that is not shown, are told; whether the app has a place for them
//! is its format's business.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::codec::json::{Text, write_string_content};
use crate::fault::{Fault, Upstream};
use crate::limits::TOOL_CALLS_MAX;
use crate::provider::{Decoder, Sink};
use crate::turn::{Detail, Escaped, Event, Finish};

use super::events::{
    BlockDelta, BlockStart, BlockStop, Citation, MessageStop, ReasoningDelta, TokenUsage, ToolUse,
    check_stop,
};
use super::frames::Frames;
use super::refusal;
use super::settings::SERVICE_TIER;
use super::tools::{ANSWER_TOOL, NOVA_GROUNDING};

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
    let mut letters = 0_u64;
    let mut arguments = Vec::new();
    sink(Event::Start)?;
    for block in &message.content {
        if let Some(text) = block.text {
            letters = letters.saturating_add(text.letters());
            tell_text(text, sink)?;
        }
        if let Some(reasoning) = &block.reasoning_content {
            let signed = reasoning.reasoning_text.as_ref();
            let text = signed.map(|signed| signed.text);
            let signature = signed.and_then(|signed| signed.signature);
            tell_reasoning(text, signature, reasoning.redacted_content, sink)?;
        }
        if let Some(cited) = &block.citations_content {
            let start = letters;
            for text in &cited.content {
                letters = letters.saturating_add(text.text.letters());
                tell_text(text.text, sink)?;
            }
            for citation in &cited.citations {
                tell_citation(citation, start, letters, sink)?;
            }
        }
        if let Some(call) = &block.tool_use
            && !call.is_the_servers()
        {
            arguments.clear();
            let input = call.input.map_or("{}", RawValue::get);
            write_string_content(&mut arguments, input);
            let fragment = str::from_utf8(&arguments).map_err(|_error| unreadable())?;
            let fragment = Escaped::from_content(fragment);
            if call.is_the_answer() {
                tell_text(fragment, sink)?;
                continue;
            }
            let index = calls;
            calls = next_call(calls)?;
            tell_call(index, call, sink)?;
            tell_arguments(index, fragment, sink)?;
        }
    }
    if let Some(usage) = &answer.usage {
        sink(Event::Usage(usage.total()))?;
    }
    tell_details(answer.trace.as_ref(), answer.service_tier.as_ref(), sink)?;
    let reason = finish(stop, calls > 0)?;
    tell_stop_sequence(answer.additional_model_response_fields, sink)?;
    sink(Event::Finish { choice: 0, reason })
}

fn tell_details(
    trace: Option<&Trace<'_>>,
    service_tier: Option<&Tier<'_>>,
    sink: Sink<'_>,
) -> Result<(), Fault> {
    let tier = service_tier.and_then(|tier| tier.kind.as_deref());
    let tier = SERVICE_TIER.iter().find(|(word, _)| Some(*word) == tier);
    if let Some((_, tier)) = tier {
        sink(Event::Detail(Detail::ServiceTier(*tier)))?;
    }
    let Some(trace) = trace else {
        return Ok(());
    };
    let router = trace.prompt_router.as_ref();
    if let Some(model) = router.and_then(|router| router.invoked_model_id.as_deref()) {
        sink(Event::Detail(Detail::InvokedModel(model)))?;
    }
    if let Some(guardrail) = trace.guardrail {
        sink(Event::Detail(Detail::Guardrail(guardrail.get())))?;
    }
    Ok(())
}

/// The fields are the model's own: whatever is in them, the answer stands.
fn tell_stop_sequence(fields: Option<&RawValue>, sink: Sink<'_>) -> Result<(), Fault> {
    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(borrow)]
        stop_sequence: Option<Escaped<'a>>,
    }
    let fields = fields.and_then(|fields| serde_json::from_str::<Fields<'_>>(fields.get()).ok());
    match fields.and_then(|fields| fields.stop_sequence) {
        Some(text) => sink(Event::Detail(Detail::StopSequence { choice: 0, text })),
        None => Ok(()),
    }
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
    frames: Frames,
    speech: Speech,
}

impl Stream {
    pub(super) fn new(event_bytes_max: usize) -> Self {
        Self {
            frames: Frames::new(event_bytes_max),
            speech: Speech::default(),
        }
    }
}

impl Decoder for Stream {
    fn push(&mut self, chunk: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
        let Self { frames, speech } = self;
        frames.push(chunk, &mut |name, payload| speech.take(name, payload, sink))
    }

    fn finish(&mut self, _sink: Sink<'_>) -> Result<(), Fault> {
        self.frames.finish()?;
        if self.speech.place == Place::Stopped {
            Ok(())
        } else {
            Err(Fault::from(Upstream::truncated()))
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
    /// Characters of text told so far, and up to the block that is being told.
    letters: u64,
    block_letters: u64,
    /// Sources of the block that is being told: URL and title.
    citations: Vec<(String, String)>,
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
    kind: Call,
    has_arguments: bool,
}

/// What a tool call is to the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    /// A call of one of its tools, at this place among them.
    Its(u32),
    /// The answer's text.
    Answer,
    /// Nothing: the server itself answers it.
    Servers,
}

impl Call {
    fn tell(self, input: Escaped<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        match self {
            Self::Its(index) => tell_arguments(index, input, sink),
            Self::Answer => tell_text(input, sink),
            Self::Servers => Ok(()),
        }
    }
}

impl Speech {
    fn take(&mut self, name: &str, payload: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
        match name {
            "messageStart" => self.speak(sink),
            "contentBlockStart" => self.start(&read(payload)?, sink),
            "contentBlockDelta" => self.delta(&read(payload)?, sink),
            "contentBlockStop" => {
                let block = read::<BlockStop>(payload)?.content_block_index;
                self.tell_citations(sink)?;
                self.stop_block(|open| open.block == block, sink)
            }
            "messageStop" => self.stop(&read(payload)?, sink),
            "metadata" => {
                let metadata = read::<Metadata<'_>>(payload)?;
                if let Some(usage) = metadata.usage {
                    sink(Event::Usage(usage.total()))?;
                }
                let (trace, tier) = (metadata.trace.as_ref(), metadata.service_tier.as_ref());
                tell_details(trace, tier, sink)
            }
            _ => Ok(()),
        }
    }

    /// Keeps a source until its block ends, for its text may be told after it.
    fn cite(&mut self, citation: &Citation<'_>) -> Result<(), Fault> {
        if self.citations.len() >= CITATIONS_MAX {
            let message = format!("a text of the answer has more than {CITATIONS_MAX} sources");
            return Err(Fault::from(Upstream::broken("upstream_too_large", message)));
        }
        if let Some(url) = citation.url() {
            let title = citation.title.unwrap_or_default();
            let source = (url.as_str().to_owned(), title.as_str().to_owned());
            self.citations.push(source);
        }
        Ok(())
    }

    fn tell_citations(&mut self, sink: Sink<'_>) -> Result<(), Fault> {
        let start = std::mem::replace(&mut self.block_letters, self.letters);
        for (url, title) in self.citations.drain(..) {
            sink(Event::Citation {
                choice: 0,
                start,
                end: self.letters,
                url: Escaped::from_content(&url),
                title: Escaped::from_content(&title),
            })?;
        }
        Ok(())
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
        let kind = if call.is_the_servers() {
            Call::Servers
        } else if call.is_the_answer() {
            Call::Answer
        } else {
            let index = self.calls;
            self.calls = next_call(index)?;
            tell_call(index, call, sink)?;
            Call::Its(index)
        };
        if self.open.len() >= TOOL_CALLS_MAX {
            return Err(too_many_calls());
        }
        self.open.push(OpenCall {
            block: event.content_block_index,
            kind,
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
            self.letters = self.letters.saturating_add(text.letters());
            tell_text(text, sink)?;
        }
        if let Some(citation) = &delta.citation {
            self.cite(citation)?;
        }
        if let Some(reasoning) = &delta.reasoning_content {
            let ReasoningDelta {
                text,
                signature,
                redacted_content,
            } = *reasoning;
            tell_reasoning(text, signature, redacted_content, sink)?;
        }
        let Some(input) = delta.tool_use.as_ref().and_then(|it| it.input) else {
            return Ok(());
        };
        let mut open = self.open.iter_mut();
        let call = open.find(|open| open.block == event.content_block_index);
        let call = call.ok_or_else(unreadable)?;
        if input.is_empty() {
            return Ok(());
        }
        call.has_arguments = true;
        call.kind.tell(input, sink)
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
            if !open.has_arguments {
                open.kind.tell(Escaped::from_content("{}"), sink)?;
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
        tell_stop_sequence(event.additional_model_response_fields, sink)?;
        sink(Event::Finish { choice: 0, reason })
    }
}

/// Why it stopped, in the words of chat completions. A reason that AWS has added since is a stop.
fn finish(reason: &str, has_calls: bool) -> Result<Finish, Fault> {
    check_stop(reason)?;
    Ok(match reason {
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "guardrail_intervened" | "content_filtered" => Finish::ContentFilter,
        // end_turn, stop_sequence, tool_use: the calls themselves tell.
        _ if has_calls => Finish::ToolCalls,
        _ => Finish::Stop,
    })
}

/// A source that is no place on the web has no form in OpenAI's answers and is not told.
fn tell_citation(
    citation: &Citation<'_>,
    start: u64,
    end: u64,
    sink: Sink<'_>,
) -> Result<(), Fault> {
    let Some(url) = citation.url() else {
        return Ok(());
    };
    sink(Event::Citation {
        choice: 0,
        start,
        end,
        url,
        title: citation.title.unwrap_or_default(),
    })
}

const CITATIONS_MAX: usize = 1024;

fn tell_text(text: Escaped<'_>, sink: Sink<'_>) -> Result<(), Fault> {
    if text.is_empty() {
        return Ok(());
    }
    sink(Event::Text { choice: 0, text })
}

fn tell_reasoning(
    text: Option<Escaped<'_>>,
    signature: Option<Escaped<'_>>,
    redacted: Option<Escaped<'_>>,
    sink: Sink<'_>,
) -> Result<(), Fault> {
    let choice = 0;
    let is_there = |text: &Escaped<'_>| !text.is_empty();
    if let Some(text) = text.filter(is_there) {
        sink(Event::Reasoning { choice, text })?;
    }
    if let Some(text) = signature.filter(is_there) {
        sink(Event::Signature { choice, text })?;
    }
    if let Some(base64) = redacted.filter(is_there) {
        sink(Event::Redacted { choice, base64 })?;
    }
    Ok(())
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

pub(super) fn unreadable() -> Fault {
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
    #[serde(borrow)]
    trace: Option<Trace<'a>>,
    #[serde(borrow, rename = "serviceTier")]
    service_tier: Option<Tier<'a>>,
    #[serde(borrow, rename = "additionalModelResponseFields")]
    additional_model_response_fields: Option<&'a RawValue>,
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
#[serde(rename_all = "camelCase")]
struct Reasoning<'a> {
    #[serde(borrow)]
    reasoning_text: Option<SignedText<'a>>,
    #[serde(borrow)]
    redacted_content: Option<Escaped<'a>>,
}

#[derive(Deserialize)]
struct SignedText<'a> {
    #[serde(borrow, default)]
    text: Escaped<'a>,
    #[serde(borrow)]
    signature: Option<Escaped<'a>>,
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
    #[serde(borrow, default)]
    citations: Vec<Citation<'a>>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    usage: Option<TokenUsage>,
    #[serde(borrow)]
    trace: Option<Trace<'a>>,
    #[serde(borrow, rename = "serviceTier")]
    service_tier: Option<Tier<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trace<'a> {
    #[serde(borrow)]
    guardrail: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt_router: Option<Router<'a>>,
}

#[derive(Deserialize)]
struct Router<'a> {
    #[serde(borrow, rename = "invokedModelId")]
    invoked_model_id: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Tier<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
}

impl ToolUse<'_> {
    /// Whether the server that calls the tool runs it as well.
    fn is_the_servers(&self) -> bool {
        self.kind.as_deref() == Some("server_tool_use") || self.name.as_str() == NOVA_GROUNDING
    }

    /// Whether the call stands for the answer's text.
    fn is_the_answer(&self) -> bool {
        self.name.as_str() == ANSWER_TOOL
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::event_stream;
    use crate::codec::random::Random;

    /// An event in a line.
    fn told(event: Event<'_>) -> String {
        match event {
            Event::Start => "start".to_owned(),
            Event::Text { text, .. } => format!("text {}", text.as_str()),
            Event::Refusal { text, .. } => format!("refusal {}", text.as_str()),
            Event::Reasoning { text, .. } => format!("reasoning {}", text.as_str()),
            Event::Signature { text, .. } => format!("signature {}", text.as_str()),
            Event::Redacted { base64, .. } => format!("redacted {}", base64.as_str()),
            Event::ToolCall {
                index, id, name, ..
            } => format!("call {index} {} {}", id.as_str(), name.as_str()),
            Event::Arguments {
                index, fragment, ..
            } => format!("arguments {index} {}", fragment.as_str()),
            Event::Usage(usage) => format!(
                "usage {} {} {} {}",
                usage.input_tokens,
                usage.cached_tokens,
                usage.cache_write_tokens,
                usage.output_tokens
            ),
            Event::Detail(Detail::StopSequence { text, .. }) => format!("stop {}", text.as_str()),
            Event::Detail(detail) => format!("{detail:?}"),
            Event::Citation {
                start, end, url, ..
            } => format!("cites {start} {end} {}", url.as_str()),
            Event::Finish { reason, .. } => format!("finish {reason:?}"),
        }
    }

    /// The events, then the fault's status and code, if there is one.
    fn events<'c>(chunks: impl IntoIterator<Item = &'c [u8]>) -> Vec<String> {
        let mut seen = Vec::new();
        let mut sink = |event: Event<'_>| {
            seen.push(told(event));
            Ok(())
        };
        let mut stream = Stream::new(4096);
        let mut chunks = chunks.into_iter();
        let pushed = chunks.try_for_each(|chunk| stream.push(chunk, &mut sink));
        let result = pushed.and_then(|()| stream.finish(&mut sink));
        seen.extend(result.err().map(|fault| failed(&fault)));
        seen
    }

    fn failed(fault: &Fault) -> String {
        format!("fault {} {}", fault.status(), fault.code().unwrap())
    }

    /// Frames of events: `(type, payload)`.
    fn frames(events: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (kind, payload) in events {
            let headers = [
                (":event-type", *kind),
                (":content-type", "application/json"),
                (":message-type", "event"),
            ];
            event_stream::encode(&headers, payload.as_bytes(), &mut out);
        }
        out
    }

    #[track_caller]
    fn check_bytes(input: &[u8], want: &[&str]) {
        assert_eq!(events([input]), want, "in one chunk");
        assert_eq!(events(input.chunks(1)), want, "byte by byte");
        let mut random = Random::new(7);
        for _ in 0..50 {
            assert_eq!(events(random.cut(input, 90)), want, "at random cuts");
        }
    }

    #[track_caller]
    fn check(input: &[(&str, &str)], want: &[&str]) {
        check_bytes(&frames(input), want);
    }

    #[track_caller]
    fn check_whole(body: &str, want: &[&str]) {
        let mut seen = Vec::new();
        let result = whole(body.as_bytes(), &mut |event| {
            seen.push(told(event));
            Ok(())
        });
        seen.extend(result.err().map(|fault| failed(&fault)));
        assert_eq!(seen, want);
    }

    #[test]
    fn arguments_of_our_own_tool_are_the_answers_text() {
        check_whole(
            r#"{"output":{"message":{"content":[{"toolUse":{"toolUseId":"a","name":"tollgate_answer","input":{"x":"1"}}}]}},"stopReason":"tool_use"}"#,
            &["start", r#"text {\"x\":\"1\"}"#, "finish Stop"],
        );
        let start = r#"{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"a","name":"tollgate_answer"}}}"#;
        let delta = r#"{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{\"x\":1}"}}}"#;
        let stop = r#"{"stopReason":"tool_use"}"#;
        check(
            &[
                ("contentBlockStart", start),
                ("contentBlockDelta", delta),
                ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
                ("messageStop", stop),
            ],
            &["start", r#"text {\"x\":1}"#, "finish Stop"],
        );
    }

    const START: (&str, &str) = ("messageStart", r#"{"p":"abc","role":"assistant"}"#);
    const TEXT: (&str, &str) = (
        "contentBlockDelta",
        r#"{"contentBlockIndex":0,"delta":{"text":"a\n\u00e9"},"p":"ab"}"#,
    );
    const END: (&str, &str) = ("messageStop", r#"{"stopReason":"end_turn"}"#);
    const USAGE: (&str, &str) = (
        "metadata",
        r#"{"usage":{"inputTokens":5,"outputTokens":7,"totalTokens":12,"cacheReadInputTokens":2,"cacheReadInputTokenCount":2,"cacheWriteInputTokens":1,"cacheWriteInputTokenCount":1,"serverToolUsage":{}},"metrics":{"latencyMs":1}}"#,
    );
    const CALL: (&str, &str) = (
        "contentBlockStart",
        r#"{"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"t1","name":"f"}}}"#,
    );

    #[test]
    fn a_stream_of_text() {
        check(
            &[
                START,
                TEXT,
                ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
                END,
                USAGE,
            ],
            &["start", r"text a\n\u00e9", "finish Stop", "usage 8 2 1 7"],
        );
    }

    #[test]
    fn metadata_may_come_before_the_stop() {
        check(
            &[START, TEXT, USAGE, END],
            &["start", r"text a\n\u00e9", "usage 8 2 1 7", "finish Stop"],
        );
    }

    #[test]
    fn reasoning_is_told_with_what_vouches_for_it() {
        check(
            &[
                START,
                (
                    "contentBlockDelta",
                    r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"hm"}}}"#,
                ),
                (
                    "contentBlockDelta",
                    r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"xyz"}}}"#,
                ),
                (
                    "contentBlockDelta",
                    r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"redactedContent":"eA=="}}}"#,
                ),
                END,
            ],
            &[
                "start",
                "reasoning hm",
                "signature xyz",
                "redacted eA==",
                "finish Stop",
            ],
        );
    }

    #[test]
    fn calls_are_numbered_from_zero_and_need_arguments() {
        check(
            &[
                START,
                TEXT,
                CALL,
                (
                    "contentBlockDelta",
                    r#"{"contentBlockIndex":1,"delta":{"toolUse":{"input":""}}}"#,
                ),
                (
                    "contentBlockDelta",
                    r#"{"contentBlockIndex":1,"delta":{"toolUse":{"input":"{\"a\":1}"}}}"#,
                ),
                ("contentBlockStop", r#"{"contentBlockIndex":1}"#),
                (
                    "contentBlockStart",
                    r#"{"contentBlockIndex":7,"start":{"toolUse":{"toolUseId":"t2","name":"g"}}}"#,
                ),
                ("contentBlockStop", r#"{"contentBlockIndex":7}"#),
                ("messageStop", r#"{"stopReason":"tool_use"}"#),
            ],
            &[
                "start",
                r"text a\n\u00e9",
                "call 0 t1 f",
                r#"arguments 0 {\"a\":1}"#,
                "call 1 t2 g",
                "arguments 1 {}",
                "finish ToolCalls",
            ],
        );
    }

    #[test]
    fn a_call_whose_block_does_not_end_gets_its_arguments_at_the_stop() {
        check(
            &[START, CALL, END],
            &["start", "call 0 t1 f", "arguments 0 {}", "finish ToolCalls"],
        );
    }

    #[test]
    fn a_call_that_the_server_answers_is_not_the_app_s() {
        check(
            &[
                START,
                (
                    "contentBlockStart",
                    r#"{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"s","name":"search","type":"server_tool_use"}}}"#,
                ),
                (
                    "contentBlockDelta",
                    r#"{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{}"}}}"#,
                ),
                END,
            ],
            &["start", "finish Stop"],
        );
    }

    #[test]
    fn every_stop_reason_has_its_finish() {
        for (reason, want) in [
            ("end_turn", "finish Stop"),
            ("stop_sequence", "finish Stop"),
            ("tool_use", "finish Stop"),
            ("max_tokens", "finish Length"),
            ("model_context_window_exceeded", "finish Length"),
            ("guardrail_intervened", "finish ContentFilter"),
            ("content_filtered", "finish ContentFilter"),
            ("malformed_model_output", "fault 502 malformed_model_output"),
            ("malformed_tool_use", "fault 502 malformed_tool_use"),
            ("something_new", "finish Stop"),
        ] {
            let stop = format!(r#"{{"stopReason":"{reason}"}}"#);
            check(&[START, ("messageStop", &stop)], &["start", want]);
            check_whole(
                &format!(
                    r#"{{"output":{{"message":{{"role":"assistant","content":[]}}}},"stopReason":"{reason}"}}"#
                ),
                &["start", want],
            );
        }
    }

    #[test]
    fn unknown_events_and_blocks_are_skipped() {
        check(
            &[
                START,
                ("newEvent", "not even JSON"),
                (
                    "contentBlockStart",
                    r#"{"contentBlockIndex":0,"start":{"image":{"format":"png"}}}"#,
                ),
                (
                    "contentBlockDelta",
                    r#"{"contentBlockIndex":0,"delta":{"image":{}}}"#,
                ),
                (
                    "contentBlockDelta",
                    r#"{"contentBlockIndex":0,"delta":{"citation":{"title":"x"}}}"#,
                ),
                END,
            ],
            &["start", "finish Stop"],
        );
    }

    #[test]
    fn an_end_without_a_stop_is_a_truncation() {
        check_bytes(b"", &["fault 502 upstream_truncated"]);
        check(
            &[START, TEXT],
            &["start", r"text a\n\u00e9", "fault 502 upstream_truncated"],
        );
        check(
            &[START, USAGE],
            &["start", "usage 8 2 1 7", "fault 502 upstream_truncated"],
        );
    }

    #[test]
    fn bytes_that_are_left_over_are_a_truncation() {
        let mut input = frames(&[START, END]);
        input.extend_from_slice(&frames(&[USAGE])[..20]);
        check_bytes(
            &input,
            &["start", "finish Stop", "fault 502 upstream_truncated"],
        );
    }

    #[test]
    fn a_corrupt_frame_is_a_fault() {
        let mut input = frames(&[START, TEXT]);
        let last = input.len() - 1;
        input[last] ^= 1;
        check_bytes(&input, &["start", "fault 502 upstream_corrupt"]);
        let huge = frames(&[("x", &" ".repeat(5000))]);
        check_bytes(&huge, &["fault 502 upstream_too_large"]);
    }

    #[test]
    fn events_that_make_no_sense_are_faults() {
        for events in [
            [("contentBlockDelta", "{"), END],
            [
                (
                    "contentBlockDelta",
                    r#"{"contentBlockIndex":3,"delta":{"toolUse":{"input":"x"}}}"#,
                ),
                END,
            ],
            [("messageStop", "{}"), END],
        ] {
            let seen = self::events([frames(&events).as_slice()]);
            assert_eq!(seen.last().unwrap(), "fault 502 upstream_corrupt");
            assert!(!seen.contains(&"finish Stop".to_owned()));
        }
        check(
            &[END, TEXT],
            &["start", "finish Stop", "fault 502 upstream_corrupt"],
        );
    }

    fn exception(headers: &[(&str, &str)], payload: &str) -> Vec<u8> {
        let mut out = Vec::new();
        event_stream::encode(headers, payload.as_bytes(), &mut out);
        out
    }

    #[test]
    fn an_exception_is_a_fault_even_in_the_first_frame() {
        for (name, payload, want) in [
            (
                "throttlingException",
                r#"{"message":"slow down"}"#,
                "fault 429 rate_limit_exceeded",
            ),
            (
                "modelStreamErrorException",
                r#"{"message":"x","originalStatusCode":529,"originalMessage":"y"}"#,
                "fault 529 upstream_model_error",
            ),
            (
                "validationException",
                r#"{"message":"Input is too long"}"#,
                "fault 400 context_length_exceeded",
            ),
            ("serviceUnavailableException", "{}", "fault 503 overloaded"),
            ("newException", "", "fault 502 upstream_error"),
        ] {
            let headers = [(":message-type", "exception"), (":exception-type", name)];
            let frame = exception(&headers, payload);
            check_bytes(&frame, &[want]);
            let after = [frames(&[START]), frame].concat();
            check_bytes(&after, &["start", want]);
        }
    }

    #[test]
    fn an_error_message_is_a_fault() {
        let headers = [
            (":message-type", "error"),
            (":error-code", "InternalFailure"),
            (":error-message", "oops"),
        ];
        check_bytes(&exception(&headers, ""), &["fault 500 upstream_error"]);
    }

    #[test]
    fn a_whole_answer_has_its_blocks_in_order() {
        check_whole(
            r#"{"metrics":{"latencyMs":1},"output":{"message":{"content":[{"reasoningContent":{"reasoningText":{"text":"hm","signature":"s"}}},{"reasoningContent":{"redactedContent":"eA=="}},{"text":"a\n"},{"citationsContent":{"content":[{"text":"b"}],"citations":[]}},{"toolUse":{"input":{"x": "\"1\""},"name":"f","toolUseId":"t1","type":"tool_use"}},{"toolUse":{"name":"g","toolUseId":"t2"}},{"new":{}}],"role":"assistant"}},"stopReason":"end_turn","usage":{"inputTokens":3,"outputTokens":4,"totalTokens":7}}"#,
            &[
                "start",
                "reasoning hm",
                "signature s",
                "redacted eA==",
                r"text a\n",
                "text b",
                "call 0 t1 f",
                r#"arguments 0 {\"x\": \"\\\"1\\\"\"}"#,
                "call 1 t2 g",
                "arguments 1 {}",
                "usage 3 0 0 4",
                "finish ToolCalls",
            ],
        );
    }

    #[test]
    fn an_answer_without_a_stop_reason_is_a_truncation() {
        check_whole(
            r#"{"output":{"message":{"content":[{"text":"a"}]}}}"#,
            &["fault 502 upstream_truncated"],
        );
        check_whole("{}", &["fault 502 upstream_truncated"]);
    }

    #[test]
    fn an_answer_that_is_no_json_is_corrupt() {
        check_whole("", &["fault 502 upstream_corrupt"]);
        check_whole("<html>", &["fault 502 upstream_corrupt"]);
        check_whole(r#"{"output":1}"#, &["fault 502 upstream_corrupt"]);
    }

    #[test]
    fn an_error_with_status_200_is_an_error() {
        check_whole(
            r#"{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}"#,
            &["fault 404 model_not_found"],
        );
        check_whole(
            r#"{"__type":"ThrottlingException","message":"slow"}"#,
            &["fault 429 rate_limit_exceeded"],
        );
        check_whole(r#"{"message":"what"}"#, &["fault 502 upstream_error"]);
    }

    #[test]
    fn too_many_calls_are_a_fault() {
        let calls: Vec<_> = (0..=TOOL_CALLS_MAX).map(|_| CALL).collect();
        let seen = events([frames(&calls).as_slice()]);
        assert_eq!(seen.last().unwrap(), "fault 502 upstream_too_large");
    }

    #[test]
    fn mutated_streams_never_panic() {
        let source = frames(&[START, TEXT, CALL, END, USAGE]);
        let mut random = Random::new(3);
        for _ in 0..20_000 {
            let mut input = source.clone();
            random.mutate(&mut input, b"{}\":,\0\x07");
            let _seen = events([input.as_slice()]);
            let mut payload = CALL.1.as_bytes().to_vec();
            random.mutate(&mut payload, b"{}[]\":,0");
            let payload = String::from_utf8_lossy(&payload).into_owned();
            let _seen = events([frames(&[(CALL.0, &payload)]).as_slice()]);
        }
    }
}
