//! An answer of responses, whole or streamed, as events.
//!
//! ```text
//! Silent --anything--> Speaking -- completed, incomplete --> Done
//! ```
//! Only `completed` and `incomplete` say that an answer is whole; `failed`, `error` and an end without one
//! of them are faults. Items of tools that OpenAI runs itself, and events that nobody knows, are skipped.
//! What a custom tool is called with becomes the one member of a JSON object, as in every call on its way
//! to an app. The encrypted content of reasoning is told as what vouches for it, marked as a maker's own.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::refusal;
use super::super::responses::{Response, corrupt, read};
use super::body::open_text;
use crate::codec::json::{Text, write_string_content};
use crate::codec::sse;
use crate::fault::{Fault, Upstream};
use crate::limits::TOOL_CALLS_MAX;
use crate::provider::stop::Stop;
use crate::provider::{Decoder, Sink};
use crate::turn::{ENCRYPTED, Escaped, Event};

/// Reads a whole answer.
pub(super) fn whole(body: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
    #[derive(Deserialize)]
    struct Output<'a> {
        #[serde(borrow)]
        output: Option<Vec<Item<'a>>>,
    }
    let response: Response<'_> = read(body)?;
    response.check()?;
    let mut speech = Speech::default();
    speech.speak(sink)?;
    let output = read::<Output<'_>>(body)?.output;
    for (place, item) in (0..).zip(output.into_iter().flatten()) {
        speech.whole_item(place, &item, sink)?;
    }
    speech.end(&response, sink)
}

/// Decodes a streamed answer.
#[derive(Debug)]
pub(super) struct Stream {
    blocks: sse::Decoder,
    speech: Speech,
}

impl Stream {
    pub(super) fn new(event_bytes_max: usize) -> Self {
        Self {
            blocks: sse::Decoder::new(event_bytes_max),
            speech: Speech::default(),
        }
    }
}

impl Decoder for Stream {
    fn push(&mut self, chunk: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
        let Self { blocks, speech } = self;
        if speech.phase == Phase::Done {
            return Ok(());
        }
        let pushed = blocks.push(chunk, |block| {
            speech.take(block.data, sink).map_err(Stop::Fault)
        });
        match pushed {
            Err(Stop::Framing(_)) if speech.phase == Phase::Done => Ok(()),
            pushed => pushed.map_err(Stop::into_fault),
        }
    }

    fn finish(&mut self, _sink: Sink<'_>) -> Result<(), Fault> {
        match self.speech.phase {
            Phase::Done => Ok(()),
            Phase::Silent | Phase::Speaking => Err(Upstream::truncated().into()),
        }
    }
}

/// What has been said so far.
#[derive(Debug, Default)]
struct Speech {
    phase: Phase,
    /// The calls whose arguments may still go on.
    open: Vec<OpenCall>,
    calls: u32,
    /// Characters of text told so far, and up to the part that is being told.
    letters: u64,
    part_letters: u64,
    /// Text on its way into a string within a string.
    nested: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Silent,
    Speaking,
    Done,
}

#[derive(Debug, Clone, Copy)]
struct OpenCall {
    /// The item's place in the output.
    place: u64,
    /// The call's place among the calls.
    index: u32,
    takes_text: bool,
    has_arguments: bool,
}

#[derive(Deserialize)]
struct Happening<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    output_index: Option<u64>,
    summary_index: Option<u64>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    item: Option<Item<'a>>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    annotation: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

impl<'a> Happening<'a> {
    /// The next piece of a text.
    fn piece(&self) -> Result<Escaped<'a>, Fault> {
        let delta = self.delta.and_then(|raw| Escaped::from_json(raw.get()));
        delta.ok_or_else(corrupt)
    }
}

impl Speech {
    fn take(&mut self, data: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
        let data = data.trim_ascii();
        // Comments, keep-alives, and what stands behind the end.
        if data.is_empty() || self.phase == Phase::Done {
            return Ok(());
        }
        let event: Happening<'_> = read(data)?;
        let kind = event.kind.as_deref();
        if let Some(error) = event.error {
            return Err(refusal::read_error(error));
        }
        if kind == Some("error") {
            let error: &RawValue = read(data)?;
            return Err(refusal::read_error(error));
        }
        let kind = kind.ok_or_else(corrupt)?;
        self.speak(sink)?;
        match kind {
            "response.output_text.delta" => self.text(event.piece()?, sink),
            "response.refusal.delta" => sink(Event::Refusal {
                choice: 0,
                text: event.piece()?,
            }),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                tell_reasoning(event.piece()?, sink)
            }
            "response.reasoning_summary_part.added" if event.summary_index > Some(0) => {
                tell_reasoning(PARAGRAPH, sink)
            }
            "response.content_part.added" => {
                self.part_letters = self.letters;
                Ok(())
            }
            "response.output_text.annotation.added" => {
                let annotation = event.annotation.ok_or_else(corrupt)?;
                self.cite(annotation, sink)
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                let place = event.output_index.ok_or_else(corrupt)?;
                self.arguments(place, event.piece()?, sink)
            }
            "response.output_item.added" => {
                let place = event.output_index.ok_or_else(corrupt)?;
                self.begin_item(place, &event.item.ok_or_else(corrupt)?, sink)
            }
            "response.output_item.done" => {
                let place = event.output_index.ok_or_else(corrupt)?;
                self.end_item(place, &event.item.ok_or_else(corrupt)?, sink)
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                let response = event.response.ok_or_else(corrupt)?;
                let response: Response<'_> = read(response.get().as_bytes())?;
                self.end(&response, sink)
            }
            _ => Ok(()),
        }
    }

    fn speak(&mut self, sink: Sink<'_>) -> Result<(), Fault> {
        if self.phase != Phase::Silent {
            return Ok(());
        }
        self.phase = Phase::Speaking;
        sink(Event::Start)
    }

    fn text(&mut self, text: Escaped<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        self.letters = self.letters.saturating_add(text.letters());
        match text.is_empty() {
            true => Ok(()),
            false => sink(Event::Text { choice: 0, text }),
        }
    }

    /// A source that is no place on the web has no form in chat completions.
    fn cite(&self, annotation: &RawValue, sink: Sink<'_>) -> Result<(), Fault> {
        #[derive(Deserialize)]
        struct Annotation<'a> {
            #[serde(borrow)]
            url: Option<Escaped<'a>>,
            #[serde(borrow)]
            title: Option<Escaped<'a>>,
            start_index: Option<u64>,
            end_index: Option<u64>,
        }
        let Ok(found) = serde_json::from_str::<Annotation<'_>>(annotation.get()) else {
            return Ok(());
        };
        let (Some(url), Some(start), Some(end)) = (found.url, found.start_index, found.end_index)
        else {
            return Ok(());
        };
        sink(Event::Citation {
            choice: 0,
            start: self.part_letters.saturating_add(start),
            end: self.part_letters.saturating_add(end),
            url,
            title: found.title.unwrap_or_default(),
        })
    }

    fn begin_item(&mut self, place: u64, item: &Item<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        match item.kind.as_deref() {
            Some("message") => {
                self.part_letters = self.letters;
                Ok(())
            }
            Some(kind @ ("function_call" | "custom_tool_call")) => {
                self.begin_call(place, kind == "custom_tool_call", item, sink)
            }
            _ => Ok(()),
        }
    }

    fn begin_call(
        &mut self,
        place: u64,
        takes_text: bool,
        call: &Item<'_>,
        sink: Sink<'_>,
    ) -> Result<(), Fault> {
        let index = self.calls;
        self.calls = self.calls.saturating_add(1);
        if usize::try_from(index).map_or(true, |index| index >= TOOL_CALLS_MAX) {
            let message =
                format!("the provider's answer has more than {TOOL_CALLS_MAX} tool calls");
            return Err(Upstream::broken("upstream_too_large", message).into());
        }
        self.open.push(OpenCall {
            place,
            index,
            takes_text,
            has_arguments: false,
        });
        sink(Event::ToolCall {
            choice: 0,
            index,
            id: content_of(call.call_id)?.ok_or_else(corrupt)?,
            name: content_of(call.name)?.ok_or_else(corrupt)?,
        })
    }

    /// Tells some of the arguments of the call at this place.
    fn arguments(&mut self, place: u64, piece: Escaped<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        let mut open = self.open.iter_mut();
        let call = open.find(|call| call.place == place).ok_or_else(corrupt)?;
        if piece.is_empty() {
            return Ok(());
        }
        let is_first = !std::mem::replace(&mut call.has_arguments, true);
        let index = call.index;
        if !call.takes_text {
            return tell_arguments(index, piece, sink);
        }
        self.nested.clear();
        if is_first {
            open_text(&mut self.nested);
        }
        // A string in a text that is itself a string.
        write_string_content(&mut self.nested, piece.as_str());
        tell_nested(index, &self.nested, sink)
    }

    /// Ends a call. What was not told piece by piece is told now.
    fn end_call(&mut self, place: u64, written: Escaped<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        let Some(at) = self.open.iter().position(|call| call.place == place) else {
            return Ok(());
        };
        if self.open.get(at).is_some_and(|call| !call.has_arguments) {
            self.arguments(place, written, sink)?;
        }
        let call = self.open.swap_remove(at);
        match (call.takes_text, call.has_arguments) {
            (false, true) => Ok(()),
            (false, false) => tell_arguments(call.index, Escaped::from_content("{}"), sink),
            (true, has_arguments) => {
                self.nested.clear();
                if !has_arguments {
                    open_text(&mut self.nested);
                }
                self.nested.extend_from_slice(b"\\\"}");
                tell_nested(call.index, &self.nested, sink)
            }
        }
    }

    fn end_item(&mut self, place: u64, item: &Item<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        match item.kind.as_deref() {
            Some("function_call" | "custom_tool_call") => {
                let written = content_of(item.arguments.or(item.input))?;
                self.end_call(place, written.unwrap_or_default(), sink)
            }
            Some("reasoning") => self.seal(item, sink),
            _ => Ok(()),
        }
    }

    /// Tells what vouches for reasoning.
    fn seal(&mut self, thought: &Item<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        let encrypted = content_of(thought.encrypted_content)?;
        let Some(encrypted) = encrypted.filter(|it| !it.is_empty()) else {
            return Ok(());
        };
        self.nested.clear();
        self.nested.extend_from_slice(ENCRYPTED.as_bytes());
        self.nested.extend_from_slice(encrypted.as_str().as_bytes());
        let text = str::from_utf8(&self.nested).map_err(|_error| corrupt())?;
        sink(Event::Signature {
            choice: 0,
            text: Escaped::from_content(text),
        })
    }

    /// Tells an item of an answer that came whole.
    fn whole_item(&mut self, place: u64, item: &Item<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        self.begin_item(place, item, sink)?;
        match item.kind.as_deref() {
            Some("message") => {
                for part in parts_of(item.content)? {
                    self.part_letters = self.letters;
                    if let Some(text) = part.text {
                        self.text(text, sink)?;
                    }
                    if let Some(text) = part.refusal {
                        sink(Event::Refusal { choice: 0, text })?;
                    }
                    for annotation in part.annotations.iter().flatten() {
                        self.cite(annotation, sink)?;
                    }
                }
            }
            Some("reasoning") => {
                let mut shown = parts_of(item.summary)?;
                if shown.is_empty() {
                    shown = parts_of(item.content)?;
                }
                for (at, piece) in shown.iter().enumerate() {
                    if at > 0 {
                        tell_reasoning(PARAGRAPH, sink)?;
                    }
                    tell_reasoning(piece.text.unwrap_or_default(), sink)?;
                }
            }
            _ => {}
        }
        self.end_item(place, item, sink)
    }

    fn end(&mut self, response: &Response<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        response.check()?;
        // Those that never said that they were done.
        while let Some(call) = self.open.first().copied() {
            self.end_call(call.place, Escaped::default(), sink)?;
        }
        if !response.tell(self.calls > 0, sink)? {
            return Err(corrupt());
        }
        self.phase = Phase::Done;
        Ok(())
    }
}

/// Between two paragraphs of a summary.
const PARAGRAPH: Escaped<'static> = Escaped::from_content("\\n\\n");

/// An item of the output. What another item has in members of these names may be anything.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    call_id: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    summary: Option<&'a RawValue>,
    #[serde(borrow)]
    encrypted_content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    text: Option<Escaped<'a>>,
    #[serde(borrow)]
    refusal: Option<Escaped<'a>>,
    #[serde(borrow)]
    annotations: Option<Vec<&'a RawValue>>,
}

fn content_of(member: Option<&RawValue>) -> Result<Option<Escaped<'_>>, Fault> {
    match member {
        Some(raw) => Escaped::from_json(raw.get()).map(Some).ok_or_else(corrupt),
        None => Ok(None),
    }
}

fn parts_of(member: Option<&RawValue>) -> Result<Vec<Part<'_>>, Fault> {
    let raw = member.map_or("[]", RawValue::get);
    serde_json::from_str(raw).map_err(|_error| corrupt())
}

fn tell_reasoning(text: Escaped<'_>, sink: Sink<'_>) -> Result<(), Fault> {
    match text.is_empty() {
        true => Ok(()),
        false => sink(Event::Reasoning { choice: 0, text }),
    }
}

fn tell_arguments(index: u32, fragment: Escaped<'_>, sink: Sink<'_>) -> Result<(), Fault> {
    sink(Event::Arguments {
        choice: 0,
        index,
        fragment,
    })
}

fn tell_nested(index: u32, nested: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
    let fragment = str::from_utf8(nested).map_err(|_error| corrupt())?;
    tell_arguments(index, Escaped::from_content(fragment), sink)
}

#[cfg(test)]
mod tests {
    use super::super::case::{streamed, told};
    use super::*;

    #[track_caller]
    fn check(response: &str, want: &[&str]) {
        let body = format!(r#"{{"object":"response",{response}}}"#);
        assert_eq!(told(|sink| whole(body.as_bytes(), sink)), want, "{body}");
    }

    #[track_caller]
    fn check_stream(events: &[&str], want: &[&str]) {
        let new = || -> Box<dyn Decoder> { Box::new(Stream::new(1_000)) };
        assert_eq!(streamed(new, events), want);
    }

    const COMPLETED: &str =
        r#"{"type":"response.completed","response":{"object":"response","status":"completed"}}"#;

    #[test]
    fn an_answer_without_anything_is_complete() {
        check(r#""status":"completed","output":[]"#, &["Stop"]);
        check(r#""status":"completed""#, &["Stop"]);
    }

    #[test]
    fn what_a_custom_tool_takes_is_one_member_of_an_object() {
        check(
            r#""status":"completed","output":[{"type":"custom_tool_call","call_id":"c","name":"f","input":"a\n\"b\""}]"#,
            &[
                "call 0 c f",
                r#"arguments 0 {\"input\":\"a\\n\\\"b\\\""#,
                r#"arguments 0 \"}"#,
                "ToolCalls",
            ],
        );
    }

    #[test]
    fn sources_count_from_the_beginning_of_the_answer() {
        let part = |text: &str, start: u64| {
            format!(
                r#"{{"type":"output_text","text":"{text}","annotations":[{{"type":"url_citation","url":"u","start_index":{start},"end_index":3}}]}}"#
            )
        };
        let (one, two) = (part("\\u00e9\\ud83c\\udf0dc", 0), part("def", 1));
        check(
            &format!(
                r#""status":"completed","output":[{{"type":"message","content":[{one},{two}]}}]"#
            ),
            &[
                r"text \u00e9\ud83c\udf0dc",
                "cites 0 3 u",
                "text def",
                "cites 4 6 u",
                "Stop",
            ],
        );
    }

    #[test]
    fn reasoning_without_a_summary_is_what_vouches_for_it() {
        check(
            r#""status":"completed","output":[{"type":"reasoning","summary":[],"encrypted_content":"gAAA"}]"#,
            &["signature responses.gAAA", "Stop"],
        );
    }

    #[test]
    fn calls_that_never_said_that_they_were_done_end_with_the_answer() {
        let call = |kind: &str, at: u32| {
            format!(
                r#"{{"type":"response.output_item.added","output_index":{at},"item":{{"type":"{kind}","call_id":"c","name":"f"}}}}"#
            )
        };
        check_stream(
            &[
                &call("function_call", 0),
                &call("custom_tool_call", 1),
                COMPLETED,
            ],
            &[
                "call 0 c f",
                "call 1 c f",
                "arguments 0 {}",
                r#"arguments 1 {\"input\":\"\"}"#,
                "ToolCalls",
            ],
        );
    }

    #[test]
    fn only_the_last_event_makes_a_stream_whole() {
        let delta = r#"{"type":"response.output_text.delta","delta":"a"}"#;
        check_stream(&[delta, COMPLETED], &["text a", "Stop"]);
        check_stream(&[delta], &["text a", "fault upstream_truncated"]);
        check_stream(&[delta, "[DONE]"], &["text a", "fault upstream_corrupt"]);
        check_stream(&[], &["fault upstream_truncated"]);
        let queued = COMPLETED.replace(r#""status":"completed""#, r#""status":"queued""#);
        check_stream(&[&queued], &["fault upstream_corrupt"]);
    }

    #[test]
    fn what_nobody_knows_is_skipped() {
        check_stream(
            &[
                r#"{"type":"response.web_search_call.searching","output_index":0}"#,
                r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"web_search_call","arguments":7}}"#,
                COMPLETED,
            ],
            &["Stop"],
        );
    }

    #[test]
    fn an_event_has_a_bound() {
        let long = format!(r#"{{"type":"x","delta":"{}"}}"#, "a".repeat(2_000));
        check_stream(&[&long], &["fault upstream_too_large"]);
    }
}
