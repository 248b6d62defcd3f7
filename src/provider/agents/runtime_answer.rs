//! What an agent of anyone's making says, as events.
//!
//! There is no one form, so a rule says which are read. Of an answer in one piece: plain text; a JSON string;
//! an object's `result`, `response`, `output`, `completion`, `answer`, `message`, `content`, `text` or
//! `choices`, in this order, and in it the same again, so that messages of Converse, Strands and OpenAI are
//! found; any other JSON as it is written. Of server-sent events: texts, strings, an object's `data`,
//! `delta`, `text`, `content`, `completion` or `choices`; ConverseStream's events under `event`, as Strands
//! passes them on, whose texts its `data` repeats; and where nothing was said before, what an answer in one
//! piece has. Other objects tell of the agent's work and are skipped, and so are Python's own spellings
//! of such (`{'..`), which AgentCore's SDK sends for what is no JSON. `usage` is read in AWS's and OpenAI's names.
//!
//! An object with an `error` is a fault. A stream ends where the agent ends it; but where it passes on a
//! model's own events, one of those has to say so.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::codec::json::{Text, write_string_content};
use crate::codec::sse;
use crate::fault::{Fault, Upstream};
use crate::provider::stop::Stop;
use crate::provider::{Decoder, Sink};
use crate::turn::{Escaped, Event, Finish, Usage};

use super::faults::{too_large, unreadable};

/// Reads an answer in one piece.
pub(super) fn whole(is_json: bool, body: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
    let body = str::from_utf8(body).map_err(|_error| unreadable())?;
    if body.trim().is_empty() {
        return Err(Fault::from(Upstream::truncated()));
    }
    let mut text = Vec::new();
    let mut speech = Speech::default();
    if is_json {
        let raw: &RawValue = serde_json::from_str(body).map_err(|_error| unreadable())?;
        let said = Said::parse(raw.get());
        if let Some(said) = &said {
            said.check()?;
            speech.note(said, sink)?;
        }
        if !collect(raw.get(), WHOLE, DEPTH_MAX, &mut text) {
            write_string_content(&mut text, raw.get());
        }
    } else {
        write_string_content(&mut text, body);
    }
    speech.tell(&text, sink)?;
    speech.finish(sink)
}

/// Decodes an answer that comes in pieces.
#[derive(Debug)]
pub(super) struct Stream(Form);

#[derive(Debug)]
enum Form {
    Events {
        events: sse::Decoder,
        speech: Speech,
    },
    Whole {
        is_json: bool,
        body: Vec<u8>,
        bytes_max: usize,
    },
}

impl Stream {
    /// Server-sent events.
    pub(super) fn events(event_bytes_max: usize) -> Self {
        Self(Form::Events {
            events: sse::Decoder::new(event_bytes_max),
            speech: Speech::default(),
        })
    }

    /// One text or JSON document.
    pub(super) fn whole(is_json: bool, bytes_max: usize) -> Self {
        Self(Form::Whole {
            is_json,
            body: Vec::new(),
            bytes_max,
        })
    }
}

impl Decoder for Stream {
    fn push(&mut self, chunk: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
        match &mut self.0 {
            Form::Events { events, speech } => {
                let result = events.push(chunk, |event| {
                    if event.has_data {
                        speech.take(event.data, sink).map_err(Stop::Fault)
                    } else {
                        Ok(())
                    }
                });
                result.map_err(Stop::into_fault)
            }
            Form::Whole {
                body, bytes_max, ..
            } => {
                if body.len().saturating_add(chunk.len()) > *bytes_max {
                    return Err(too_large(*bytes_max));
                }
                body.extend_from_slice(chunk);
                Ok(())
            }
        }
    }

    fn finish(&mut self, sink: Sink<'_>) -> Result<(), Fault> {
        match &mut self.0 {
            Form::Events { events, speech } => {
                events
                    .finish()
                    .map_err(|_truncated| Fault::from(Upstream::truncated()))?;
                speech.finish(sink)
            }
            Form::Whole { is_json, body, .. } => whole(*is_json, body, sink),
        }
    }
}

/// What has been said so far.
#[derive(Debug, Default)]
struct Speech {
    has_begun: bool,
    has_text: bool,
    is_new_paragraph: bool,
    /// Strands' events have been seen: `data` repeats them.
    has_events: bool,
    end: End,
    usage: Usage,
}

/// How an answer ends.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum End {
    /// With its last byte.
    #[default]
    Bare,
    /// As the model's own events will say.
    Awaited,
    /// As they have said.
    Said(Finish),
}

impl Speech {
    fn take(&mut self, data: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
        let data = str::from_utf8(data).map_err(|_error| unreadable())?;
        if data.trim() == "[DONE]" {
            if self.end == End::Awaited {
                self.end = End::Said(Finish::Stop);
            }
            return Ok(());
        }
        self.begin(sink)?;
        let mut text = Vec::new();
        let Ok(raw) = serde_json::from_str::<&RawValue>(data) else {
            write_string_content(&mut text, data);
            return self.tell(&text, sink);
        };
        if raw.get().starts_with(r#""{'"#) {
            return Ok(());
        }
        let Some(said) = Said::parse(raw.get()) else {
            collect(raw.get(), PIECE, DEPTH_MAX, &mut text);
            return self.tell(&text, sink);
        };
        said.check()?;
        self.note(&said, sink)?;
        if let Some(event) = &said.event {
            self.has_events = true;
            return self.model_event(event, sink);
        }
        if self.has_events && said.data.is_some() {
            return Ok(());
        }
        let is_told = collect(raw.get(), PIECE, DEPTH_MAX, &mut text);
        if !is_told && !self.has_text {
            collect(raw.get(), WHOLE, DEPTH_MAX, &mut text);
        }
        self.tell(&text, sink)
    }

    fn begin(&mut self, sink: Sink<'_>) -> Result<(), Fault> {
        if std::mem::replace(&mut self.has_begun, true) {
            return Ok(());
        }
        sink(Event::Start)
    }

    /// Keeps what an object says about costs and ends.
    fn note(&mut self, said: &Said<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        self.begin(sink)?;
        let usage = said.usage.and_then(Cost::parse);
        if let Some(usage) = usage.and_then(|cost| cost.usage()) {
            self.usage = usage;
            sink(Event::Usage(self.usage))?;
        }
        if let Some(choice) = said.choices.as_ref().and_then(|choices| choices.first()) {
            let reason = choice.finish_reason.as_deref();
            match reason.filter(|reason| !reason.is_empty()) {
                Some(reason) => self.end = End::Said(finish(reason)),
                None if self.end == End::Bare => self.end = End::Awaited,
                None => {}
            }
        }
        Ok(())
    }

    fn model_event(&mut self, event: &ModelEvent<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        if event.message_start.is_some() {
            self.is_new_paragraph = self.has_text;
            self.end = End::Awaited;
        }
        if let Some(delta) = event.delta.as_ref().and_then(|it| it.delta.as_ref()) {
            self.end = End::Awaited;
            if let Some(text) = delta.text {
                self.tell(text.as_str().as_bytes(), sink)?;
            }
            let reasoning = delta.reasoning_content.as_ref().and_then(|it| it.text);
            if let Some(text) = reasoning.filter(|text| !text.is_empty()) {
                sink(Event::Reasoning { choice: 0, text })?;
            }
        }
        if let Some(stop) = &event.message_stop {
            self.end = match stop.stop_reason.as_deref() {
                // The agent goes on once its own tools have answered.
                None | Some("tool_use" | "tool_result") => End::Awaited,
                Some(reason) => End::Said(finish(reason)),
            };
        }
        let usage = event.metadata.as_ref().and_then(|metadata| metadata.usage);
        if let Some(usage) = usage.and_then(Cost::parse).and_then(|cost| cost.usage()) {
            self.usage.add(usage);
            sink(Event::Usage(self.usage))?;
        }
        Ok(())
    }

    /// Tells text that is escaped already.
    fn tell(&mut self, text: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
        self.begin(sink)?;
        if text.is_empty() {
            return Ok(());
        }
        if std::mem::take(&mut self.is_new_paragraph) {
            let text = Escaped::from_content(r"\n\n");
            sink(Event::Text { choice: 0, text })?;
        }
        self.has_text = true;
        let text = str::from_utf8(text).map_err(|_error| unreadable())?;
        let text = Escaped::from_content(text);
        sink(Event::Text { choice: 0, text })
    }

    fn finish(&mut self, sink: Sink<'_>) -> Result<(), Fault> {
        let reason = match self.end {
            End::Bare if self.has_begun => Finish::Stop,
            End::Bare | End::Awaited => return Err(Fault::from(Upstream::truncated())),
            End::Said(reason) => reason,
        };
        sink(Event::Finish { choice: 0, reason })
    }
}

/// Why it ended; an agent's calls are its own, so none of the reasons is for the app's tools.
fn finish(reason: &str) -> Finish {
    match reason {
        "length" | "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "content_filter" | "content_filtered" | "guardrail_intervened" => Finish::ContentFilter,
        _ => Finish::Stop,
    }
}

/// Where a text is looked for, in this order.
type Members = &'static [&'static str];

const WHOLE: Members = &[
    "result",
    "response",
    "output",
    "completion",
    "answer",
    "message",
    "content",
    "text",
    "choices",
];
const PIECE: Members = &["data", "delta", "text", "content", "completion", "choices"];
/// Objects within objects, as far as they are looked into.
const DEPTH_MAX: usize = 6;

/// Appends the text of a value, escaped; tells whether there is one.
fn collect(raw: &str, members: Members, depth: usize, out: &mut Vec<u8>) -> bool {
    let Some(depth) = depth.checked_sub(1) else {
        return false;
    };
    if let Some(text) = Escaped::from_json(raw) {
        out.extend_from_slice(text.as_str().as_bytes());
        return true;
    }
    if raw.starts_with('[') {
        let items: Vec<&RawValue> = serde_json::from_str(raw).unwrap_or_default();
        let mut is_told = false;
        for item in items {
            is_told |= collect(item.get(), members, depth, out);
        }
        return is_told;
    }
    let Some(said) = Said::parse(raw) else {
        return false;
    };
    members.iter().any(|name| {
        let member = said.member(name);
        if let Some(choice) = said.choices.as_ref().and_then(|it| it.first())
            && *name == "choices"
        {
            let message = choice.message.or(choice.delta);
            return message.is_some_and(|raw| collect(raw.get(), CONTENT, depth, out));
        }
        member.is_some_and(|raw| collect(raw.get(), WHOLE, depth, out))
    })
}

const CONTENT: Members = &["content", "text"];

/// An object, as far as it is known.
#[derive(Deserialize, Default)]
struct Said<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    event: Option<ModelEvent<'a>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    completion: Option<&'a RawValue>,
    #[serde(borrow)]
    answer: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

impl<'a> Said<'a> {
    /// Nothing where it is no object, or one whose members are of other kinds than those known.
    fn parse(raw: &'a str) -> Option<Self> {
        if !raw.starts_with('{') {
            return None;
        }
        serde_json::from_str(raw).ok()
    }

    fn member(&self, name: &str) -> Option<&'a RawValue> {
        match name {
            "data" => self.data,
            "delta" => self.delta,
            "result" => self.result,
            "response" => self.response,
            "output" => self.output,
            "completion" => self.completion,
            "answer" => self.answer,
            "message" => self.message,
            "content" => self.content,
            "text" => self.text,
            _ => None,
        }
    }

    /// Whether the agent says that it failed.
    fn check(&self) -> Result<(), Fault> {
        let Some(error) = self.error else {
            return Ok(());
        };
        if matches!(error.get(), "null" | "false" | r#""""# | "{}" | "[]" | "0") {
            return Ok(());
        }
        let mut escaped = Vec::new();
        if !collect(error.get(), &["message"], DEPTH_MAX, &mut escaped)
            && let Some(message) = self.message
        {
            collect(message.get(), &["message"], DEPTH_MAX, &mut escaped);
        }
        let mut text = String::new();
        let is_read = str::from_utf8(&escaped)
            .is_ok_and(|escaped| crate::codec::json::unescape(escaped, &mut text).is_ok());
        if !is_read || text.is_empty() {
            "the agent failed and did not say why".clone_into(&mut text);
        }
        text.truncate(text.floor_char_boundary(MESSAGE_BYTES_MAX));
        Err(Fault::from(Upstream::broken("upstream_agent_error", text)))
    }
}

/// Longer messages are cut.
const MESSAGE_BYTES_MAX: usize = 4096;

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    finish_reason: Option<Text<'a>>,
}

/// An event of ConverseStream, as Strands passes it on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ModelEvent<'a> {
    #[serde(borrow)]
    message_start: Option<&'a RawValue>,
    #[serde(borrow, rename = "contentBlockDelta")]
    delta: Option<BlockDelta<'a>>,
    #[serde(borrow)]
    message_stop: Option<MessageStop<'a>>,
    #[serde(borrow)]
    metadata: Option<Metadata<'a>>,
}

#[derive(Deserialize)]
struct BlockDelta<'a> {
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delta<'a> {
    #[serde(borrow)]
    text: Option<Escaped<'a>>,
    #[serde(borrow)]
    reasoning_content: Option<Reasoning<'a>>,
}

#[derive(Deserialize)]
struct Reasoning<'a> {
    #[serde(borrow)]
    text: Option<Escaped<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageStop<'a> {
    #[serde(borrow)]
    stop_reason: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// What an answer cost, in whoever's names.
#[derive(Deserialize)]
struct Cost {
    #[serde(rename = "inputTokens")]
    aws_input: Option<u64>,
    #[serde(rename = "outputTokens")]
    aws_output: Option<u64>,
    #[serde(rename = "cacheReadInputTokens")]
    aws_cached: Option<u64>,
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

impl Cost {
    fn parse(raw: &RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }

    fn usage(&self) -> Option<Usage> {
        let cached_tokens = self.aws_cached.unwrap_or_default();
        let input = self
            .aws_input
            .map(|fresh| fresh.saturating_add(cached_tokens));
        let input = input.or(self.prompt_tokens).or(self.input_tokens);
        let output = self
            .aws_output
            .or(self.completion_tokens)
            .or(self.output_tokens);
        (input.is_some() || output.is_some()).then(|| Usage {
            input_tokens: input.unwrap_or_default(),
            output_tokens: output.unwrap_or_default(),
            cached_tokens,
            ..Usage::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(event: Event<'_>, out: &mut Vec<String>) {
        match event {
            Event::Start => {}
            Event::Text { text, .. } => out.push(text.as_str().to_owned()),
            Event::Reasoning { text, .. } => out.push(format!("reasoning {}", text.as_str())),
            Event::Usage(usage) => {
                out.push(format!(
                    "usage {} {}",
                    usage.input_tokens, usage.output_tokens
                ));
            }
            Event::Finish { reason, .. } => out.push(format!("{reason:?}")),
            Event::Refusal { .. }
            | Event::ToolCall { .. }
            | Event::Arguments { .. }
            | Event::Signature { .. }
            | Event::Redacted { .. }
            | Event::Citation { .. }
            | Event::Detail(_) => panic!("texts only"),
        }
    }

    fn ended(result: Result<(), Fault>, mut out: Vec<String>) -> Vec<String> {
        if let Err(fault) = result {
            out.push(format!("{} {fault}", fault.code().unwrap_or_default()));
        }
        out
    }

    #[track_caller]
    fn check_whole(body: &str, want: &[&str]) {
        let mut out = Vec::new();
        let result = whole(true, body.as_bytes(), &mut |event| {
            told(event, &mut out);
            Ok(())
        });
        assert_eq!(ended(result, out), want);
    }

    #[track_caller]
    fn check(events: &[&str], want: &[&str]) {
        let body: String = events
            .iter()
            .map(|data| format!("data: {data}\n\n"))
            .collect();
        let mut stream = Stream::events(1024);
        let mut out = Vec::new();
        let mut sink = |event: Event<'_>| {
            told(event, &mut out);
            Ok(())
        };
        let result = stream.push(body.as_bytes(), &mut sink);
        let result = result.and_then(|()| stream.finish(&mut sink));
        assert_eq!(ended(result, out), want);
    }

    #[test]
    fn an_answer_in_one_piece_is_found_wherever_it_is() {
        for body in [
            r#""a\nb""#,
            r#"{"result":"a\nb"}"#,
            r#"{"id":1,"response":{"text":"a\nb"}}"#,
            r#"{"result":{"role":"assistant","content":[{"text":"a"},{"text":"\nb"}]}}"#,
            r#"{"output":{"message":{"content":[{"text":"a\nb"}]}}}"#,
            r#"{"choices":[{"message":{"role":"assistant","content":"a\nb"},"finish_reason":"stop"}]}"#,
        ] {
            check_whole(body, &[r"a\nb", "Stop"]);
        }
    }

    #[test]
    fn an_empty_finish_reason_ends_nothing() {
        let chunk = |text: &str, reason: &str| {
            format!(
                r#"{{"choices":[{{"delta":{{"content":"{text}"}},"finish_reason":"{reason}"}}]}}"#
            )
        };
        check(
            &[&chunk("a", ""), &chunk("b", "")],
            &[
                "a",
                "b",
                "upstream_truncated the provider's answer ended before it was complete",
            ],
        );
        check(
            &[&chunk("a", ""), &chunk("b", "length")],
            &["a", "b", "Length"],
        );
    }

    #[test]
    fn other_json_is_told_as_it_is() {
        check_whole(r#"{"a":"b"}"#, &[r#"{\"a\":\"b\"}"#, "Stop"]);
        check_whole("[1]", &["[1]", "Stop"]);
    }

    #[test]
    fn usage_is_read_in_both_spellings() {
        check_whole(
            r#"{"result":"a","usage":{"inputTokens":3,"outputTokens":4}}"#,
            &["usage 3 4", "a", "Stop"],
        );
        check_whole(
            r#"{"result":"a","usage":{"prompt_tokens":3,"completion_tokens":4}}"#,
            &["usage 3 4", "a", "Stop"],
        );
    }

    #[test]
    fn an_error_is_a_fault() {
        check_whole(r#"{"error":"boom"}"#, &["upstream_agent_error boom"]);
        check_whole(
            r#"{"error":{"message":"boom"}}"#,
            &["upstream_agent_error boom"],
        );
        check(
            &[
                r#""a""#,
                r#"{"error":"boom","error_type":"E","message":"m"}"#,
            ],
            &["a", "upstream_agent_error boom"],
        );
    }

    #[test]
    fn an_error_that_is_none_passes() {
        check_whole(r#"{"error":null,"result":"a"}"#, &["a", "Stop"]);
    }

    #[test]
    fn events_of_texts_are_told_one_by_one() {
        check(
            &[r#""a""#, r#"{"data":"b"}"#, r#"{"text":"c"}"#, "d"],
            &["a", "b", "c", "d", "Stop"],
        );
    }

    #[test]
    fn strands_events_are_told_once() {
        check(
            &[
                r#"{"init_event_loop":true}"#,
                r#""{'agent': <Agent>}""#,
                r#"{"event":{"messageStart":{"role":"assistant"}}}"#,
                r#"{"event":{"contentBlockDelta":{"delta":{"text":"a"},"contentBlockIndex":0}}}"#,
                r#"{"data":"a","delta":{"text":"a"}}"#,
                r#"{"event":{"messageStop":{"stopReason":"tool_use"}}}"#,
                r#"{"message":{"role":"assistant","content":[{"text":"a"}]}}"#,
                r#"{"event":{"messageStart":{"role":"assistant"}}}"#,
                r#"{"event":{"contentBlockDelta":{"delta":{"text":"b"}}}}"#,
                r#"{"event":{"messageStop":{"stopReason":"end_turn"}}}"#,
                r#"{"event":{"metadata":{"usage":{"inputTokens":1,"outputTokens":2}}}}"#,
            ],
            &["a", r"\n\n", "b", "usage 1 2", "Stop"],
        );
    }

    #[test]
    fn a_models_own_events_have_to_end() {
        let truncated = "upstream_truncated the provider's answer ended before it was complete";
        check(
            &[r#"{"event":{"contentBlockDelta":{"delta":{"text":"a"}}}}"#],
            &["a", truncated],
        );
        check(
            &[r#"{"choices":[{"delta":{"content":"a"}}]}"#],
            &["a", truncated],
        );
        check(
            &[r#"{"choices":[{"delta":{"content":"a"}}]}"#, "[DONE]"],
            &["a", "Stop"],
        );
        check(&[], &[truncated]);
    }

    #[test]
    fn a_last_result_counts_where_nothing_was_said() {
        check(
            &[r#"{"status":"working"}"#, r#"{"result":"a"}"#],
            &["a", "Stop"],
        );
        check(&[r#""a""#, r#"{"result":"a"}"#], &["a", "Stop"]);
    }
}
