//! An answer of chat completions, whole or streamed, as events.
//!
//! ```text
//! Silent --chunk--> Speaking -- finish reason --> Ended -- [DONE] --> Done
//! ```
//! A stream is whole only if its choice said why it ended and `[DONE]` came. One choice is asked for, so
//! others are skipped, and so is what comes after the finish but for the usage. Reasoning is read from
//! `reasoning_content` and `reasoning`, as servers of open models write it. The habits that [`Amend`] knows
//! are undone before an answer is read.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::amend::Amend;
use super::super::answer::{corrupt, finish, read_usage};
use super::super::refusal;
use super::super::responses::tier;
use crate::codec::sse;
use crate::fault::{Fault, Upstream};
use crate::limits::TOOL_CALLS_MAX;
use crate::provider::stop::Stop;
use crate::provider::{Decoder, Sink};
use crate::turn::{Detail, Escaped, Event, Finish};

/// Reads a whole answer.
pub(super) fn whole(body: &[u8], mut amend: Amend, sink: Sink<'_>) -> Result<(), Fault> {
    let text = str::from_utf8(body).map_err(|_error| corrupt())?;
    let amended = amend.write(text, "message");
    let answer = read(amended.as_deref().unwrap_or(body))?;
    let mut speech = Speech::default();
    let choice = answer.choice().ok_or_else(corrupt)?;
    let message = choice.message.as_ref().ok_or_else(corrupt)?;
    speech.speak(sink)?;
    speech.said(message, sink)?;
    if let Some(reason) = choice.reason() {
        speech.stop(reason, sink)?;
    }
    answer.tell_cost(sink)?;
    match speech.phase {
        Phase::Ended => Ok(()),
        Phase::Silent | Phase::Speaking | Phase::Done => Err(Upstream::truncated().into()),
    }
}

/// Decodes a streamed answer.
#[derive(Debug)]
pub(super) struct Stream {
    blocks: sse::Decoder,
    amend: Amend,
    speech: Speech,
}

impl Stream {
    pub(super) fn new(amend: Amend, event_bytes_max: usize) -> Self {
        Self {
            blocks: sse::Decoder::new(event_bytes_max),
            amend,
            speech: Speech::default(),
        }
    }
}

impl Decoder for Stream {
    fn push(&mut self, chunk: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
        let Self {
            blocks,
            amend,
            speech,
        } = self;
        if speech.phase == Phase::Done {
            return Ok(());
        }
        let pushed = blocks.push(chunk, |block| {
            speech.take(block.data, amend, sink).map_err(Stop::Fault)
        });
        match pushed {
            Err(Stop::Framing(_)) if speech.phase == Phase::Done => Ok(()),
            pushed => pushed.map_err(Stop::into_fault),
        }
    }

    fn finish(&mut self, _sink: Sink<'_>) -> Result<(), Fault> {
        match self.speech.phase {
            Phase::Done => Ok(()),
            Phase::Silent | Phase::Speaking | Phase::Ended => Err(Upstream::truncated().into()),
        }
    }
}

/// What has been said so far.
#[derive(Debug, Default)]
struct Speech {
    phase: Phase,
    calls: Vec<Called>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Silent,
    Speaking,
    Ended,
    Done,
}

/// A call that was told; its place here is its place among the calls.
#[derive(Debug)]
struct Called {
    /// Where the upstream has it.
    place: u64,
    has_arguments: bool,
}

impl Speech {
    fn take(&mut self, data: &[u8], amend: &mut Amend, sink: Sink<'_>) -> Result<(), Fault> {
        let data = data.trim_ascii();
        // Comments, keep-alives, and what stands behind the end.
        if data.is_empty() || self.phase == Phase::Done {
            return Ok(());
        }
        if data == b"[DONE]" {
            if self.phase != Phase::Ended {
                return Err(Upstream::truncated().into());
            }
            self.phase = Phase::Done;
            return Ok(());
        }
        let text = str::from_utf8(data).map_err(|_error| corrupt())?;
        let amended = amend.write(text, "delta");
        let chunk = read(amended.as_deref().unwrap_or(data))?;
        self.speak(sink)?;
        if let Some(choice) = chunk.choice().filter(|_| self.phase == Phase::Speaking) {
            if let Some(delta) = &choice.delta {
                self.said(delta, sink)?;
            }
            if let Some(reason) = choice.reason() {
                self.stop(reason, sink)?;
            }
        }
        chunk.tell_cost(sink)
    }

    fn speak(&mut self, sink: Sink<'_>) -> Result<(), Fault> {
        if self.phase != Phase::Silent {
            return Ok(());
        }
        self.phase = Phase::Speaking;
        sink(Event::Start)
    }

    fn said(&mut self, said: &Said<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        let choice = 0;
        let reasoning = said.reasoning_content.or_else(|| text_in(said.reasoning));
        if let Some(text) = reasoning.filter(|text| !text.is_empty()) {
            sink(Event::Reasoning { choice, text })?;
        }
        if let Some(content) = said.content {
            tell_content(content, sink)?;
        }
        if let Some(text) = said.refusal.filter(|text| !text.is_empty()) {
            sink(Event::Refusal { choice, text })?;
        }
        for annotation in said.annotations.iter().flatten() {
            tell_citation(annotation, sink)?;
        }
        for (at, call) in (0..).zip(said.tool_calls.iter().flatten()) {
            self.call(call, at, sink)?;
        }
        Ok(())
    }

    fn call(&mut self, call: &Call<'_>, at: u64, sink: Sink<'_>) -> Result<(), Fault> {
        let place = call.index.unwrap_or(at);
        let function = call.function.as_ref();
        let known = self.calls.iter().position(|known| known.place == place);
        let at = match known {
            Some(at) => at,
            None => {
                let name = function.and_then(|function| function.name);
                let (id, name) = (call.id, name.ok_or_else(corrupt)?);
                self.begin_call(place, id.unwrap_or_default(), name, sink)?
            }
        };
        let fragment = function.and_then(|function| function.arguments);
        let Some(fragment) = fragment.filter(|fragment| !fragment.is_empty()) else {
            return Ok(());
        };
        if let Some(known) = self.calls.get_mut(at) {
            known.has_arguments = true;
        }
        tell_arguments(at, fragment, sink)
    }

    fn begin_call(
        &mut self,
        place: u64,
        id: Escaped<'_>,
        name: Escaped<'_>,
        sink: Sink<'_>,
    ) -> Result<usize, Fault> {
        let at = self.calls.len();
        if at >= TOOL_CALLS_MAX {
            let message =
                format!("the provider's answer has more than {TOOL_CALLS_MAX} tool calls");
            return Err(Upstream::broken("upstream_too_large", message).into());
        }
        self.calls.push(Called {
            place,
            has_arguments: false,
        });
        let index = u32::try_from(at).unwrap_or(u32::MAX);
        // Results name their call: some servers leave that out.
        let own = format!("call_{index}");
        let id = match id.is_empty() {
            true => Escaped::from_content(&own),
            false => id,
        };
        sink(Event::ToolCall {
            choice: 0,
            index,
            id,
            name,
        })?;
        Ok(at)
    }

    fn stop(&mut self, reason: Escaped<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        for (at, call) in self.calls.iter().enumerate() {
            if !call.has_arguments {
                tell_arguments(at, Escaped::from_content("{}"), sink)?;
            }
        }
        let mut reason = finish(reason);
        if reason == Finish::Stop && !self.calls.is_empty() {
            reason = Finish::ToolCalls;
        }
        self.phase = Phase::Ended;
        sink(Event::Finish { choice: 0, reason })
    }
}

/// An answer or a chunk.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<Escaped<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: u32,
    #[serde(borrow)]
    message: Option<Said<'a>>,
    #[serde(borrow)]
    delta: Option<Said<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Escaped<'a>>,
}

impl<'a> Choice<'a> {
    /// Why it ended, if it has. Some servers write an empty reason into each chunk.
    fn reason(&self) -> Option<Escaped<'a>> {
        self.finish_reason.filter(|reason| !reason.is_empty())
    }
}

/// A message, or what a chunk adds to it.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<Escaped<'a>>,
    #[serde(borrow)]
    reasoning_content: Option<Escaped<'a>>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    annotations: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
}

#[derive(Deserialize)]
struct Call<'a> {
    index: Option<u64>,
    #[serde(borrow)]
    id: Option<Escaped<'a>>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Option<Escaped<'a>>,
    #[serde(borrow)]
    arguments: Option<Escaped<'a>>,
}

impl<'a> Answer<'a> {
    fn choice(&self) -> Option<&Choice<'a>> {
        let mut choices = self.choices.iter().flatten();
        choices.find(|choice| choice.index == 0)
    }

    fn tell_cost(&self, sink: Sink<'_>) -> Result<(), Fault> {
        // A usage that cannot be read is none: the meter keeps its estimate, the app its answer.
        if let Some(usage) = self.usage.and_then(|usage| read_usage(usage.get())) {
            sink(Event::Usage(usage))?;
        }
        match self.service_tier.and_then(|word| tier(word.as_str())) {
            Some(tier) => sink(Event::Detail(Detail::ServiceTier(tier))),
            None => Ok(()),
        }
    }
}

fn read(bytes: &[u8]) -> Result<Answer<'_>, Fault> {
    let is_object = bytes.first() == Some(&b'{') || bytes.trim_ascii_start().first() == Some(&b'{');
    let text = str::from_utf8(bytes).ok().filter(|_| is_object);
    let answer = text.and_then(|text| serde_json::from_str::<Answer<'_>>(text).ok());
    let answer = answer.ok_or_else(corrupt)?;
    match answer.error {
        Some(error) => Err(refusal::read_error(error)),
        None => Ok(answer),
    }
}

/// A text, if it is one.
fn text_in(raw: Option<&RawValue>) -> Option<Escaped<'_>> {
    Escaped::from_json(raw?.get())
}

/// A text, or a list of parts as some servers write it; other parts than texts are skipped.
fn tell_content(content: &RawValue, sink: Sink<'_>) -> Result<(), Fault> {
    #[derive(Deserialize)]
    struct Part<'a> {
        #[serde(borrow)]
        text: Option<&'a RawValue>,
    }
    let mut tell = |text: Escaped<'_>| match text.is_empty() {
        true => Ok(()),
        false => sink(Event::Text { choice: 0, text }),
    };
    if let Some(text) = text_in(Some(content)) {
        return tell(text);
    }
    let parts: Vec<Part<'_>> = match content.get().starts_with('[') {
        true => serde_json::from_str(content.get()).map_err(|_error| corrupt())?,
        false => Vec::new(),
    };
    let texts = parts.iter().filter_map(|part| text_in(part.text));
    texts.into_iter().try_for_each(tell)
}

/// A source that is no place on the web has no form in responses.
fn tell_citation(annotation: &RawValue, sink: Sink<'_>) -> Result<(), Fault> {
    #[derive(Deserialize)]
    struct Annotation<'a> {
        #[serde(borrow)]
        url_citation: Option<Source<'a>>,
    }
    #[derive(Deserialize)]
    struct Source<'a> {
        #[serde(borrow)]
        url: Escaped<'a>,
        #[serde(borrow)]
        title: Option<Escaped<'a>>,
        start_index: u64,
        end_index: u64,
    }
    let read = serde_json::from_str::<Annotation<'_>>(annotation.get());
    match read.ok().and_then(|found| found.url_citation) {
        Some(source) => sink(Event::Citation {
            choice: 0,
            start: source.start_index,
            end: source.end_index,
            url: source.url,
            title: source.title.unwrap_or_default(),
        }),
        None => Ok(()),
    }
}

fn tell_arguments(at: usize, fragment: Escaped<'_>, sink: Sink<'_>) -> Result<(), Fault> {
    sink(Event::Arguments {
        choice: 0,
        index: u32::try_from(at).unwrap_or(u32::MAX),
        fragment,
    })
}

#[cfg(test)]
mod tests {
    use super::super::case::{streamed, told};
    use super::*;

    #[track_caller]
    fn check(choice: &str, want: &[&str]) {
        let body = format!(r#"{{"choices":[{choice}]}}"#);
        let got = told(|sink| whole(body.as_bytes(), Amend::default(), sink));
        assert_eq!(got, want, "{body}");
    }

    #[track_caller]
    fn check_stream(deltas: &[&str], want: &[&str]) {
        let new = || -> Box<dyn Decoder> { Box::new(Stream::new(Amend::default(), 1_000)) };
        assert_eq!(streamed(new, deltas), want);
    }

    #[test]
    fn a_message_is_told_in_its_order() {
        check(
            r#"{"message":{"content":"a","reasoning":"r","refusal":"n","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}"#,
            &[
                "reasoning r",
                "text a",
                "refusal n",
                "call 0 c f",
                "arguments 0 {}",
                "ToolCalls",
            ],
        );
    }

    #[test]
    fn a_call_without_an_id_or_arguments_gets_both() {
        check(
            r#"{"message":{"tool_calls":[{"function":{"name":"f"}}]},"finish_reason":"tool_calls"}"#,
            &["call 0 call_0 f", "arguments 0 {}", "ToolCalls"],
        );
    }

    #[test]
    fn another_choice_is_skipped() {
        check(
            r#"{"index":1,"message":{"content":"b"},"finish_reason":"stop"},{"index":0,"message":{"content":"a"},"finish_reason":"length"}"#,
            &["text a", "Length"],
        );
        check(
            r#"{"index":1,"message":{"content":"b"},"finish_reason":"stop"}"#,
            &["fault upstream_corrupt"],
        );
    }

    const STOP: &str = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;

    #[test]
    fn a_stream_is_whole_with_its_finish_and_done() {
        let text = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
        check_stream(&[text, STOP, "[DONE]"], &["text a", "Stop"]);
        check_stream(
            &[text, STOP],
            &["text a", "Stop", "fault upstream_truncated"],
        );
        check_stream(&[text, "[DONE]"], &["text a", "fault upstream_truncated"]);
        check_stream(&[STOP, text, "[DONE]", "late"], &["Stop"]);
        let open = r#"{"choices":[{"delta":{"content":"a"},"finish_reason":""}]}"#;
        check_stream(&[open, open, STOP, "[DONE]"], &["text a", "text a", "Stop"]);
    }

    #[test]
    fn calls_are_numbered_without_gaps() {
        let call = |at: u32, name: &str| {
            format!(
                r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":{at},"id":"c{at}","function":{{"name":"{name}"}}}}]}}}}]}}"#
            )
        };
        check_stream(
            &[&call(3, "f"), &call(1, "g"), STOP, "[DONE]"],
            &[
                "call 0 c3 f",
                "call 1 c1 g",
                "arguments 0 {}",
                "arguments 1 {}",
                "ToolCalls",
            ],
        );
    }

    #[test]
    fn what_is_no_chunk_is_a_fault() {
        check_stream(&["[1]"], &["fault upstream_corrupt"]);
        check_stream(
            &[r#"{"error":{"message":"m","code":"overloaded"}}"#],
            &["fault overloaded"],
        );
    }
}
