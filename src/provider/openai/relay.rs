//! A stream of chat completion chunks on its way from an upstream to the app.
//!
//! ```text
//! Waiting -- first chunk --> Streaming -- [DONE], every choice finished --> Done
//! ```
//! Blocks come out with the bytes they came in with, comments and keep-alives too. Except:
//! - The usage chunk is the gateway's own wish. An app that did not ask for it does not see it. The
//!   `"usage":null` of the other chunks stays: every SDK reads it as no usage, and to take it out
//!   would cost an edit per chunk.
//! - A chunk without choices and usage (Azure sends one first) breaks apps that read `choices[0]`.
//!   It is left out; its `prompt_filter_results` move to the next chunk that has choices.
//! - A choice without `delta` (Azure's late filter results) gets an empty one, and its chunk the id,
//!   model and so on that Azure leaves blank there: SDKs that put a stream together take the last.
//! - What a choice says after its finish reason is left out of its chunk, and a chunk that has nothing
//!   else is left out whole: apps take the finish for the last word, and break or wait on what follows.
//!   Azure's asynchronous filter reports there what it has found late.
//!
//! An error in the stream, data that is no chunk, and an end without `[DONE]` are faults; so is a
//! `[DONE]` that comes before every choice that spoke has its finish reason. What follows `[DONE]` is
//! ignored.

use std::ops::Range;

use super::Shape;
use super::amend::Amend;
use super::answer::{Answer, Choice, Choices, corrupt};
use crate::codec::json::{self, Edits, Member, Members, Walk, span_of};
use crate::codec::sse;
use crate::fault::{Fault, Upstream};
use crate::limits;
use crate::provider::stop::Stop;
use crate::provider::{Relay, Sink};
use crate::turn::Event;

/// Relays one stream.
#[derive(Debug)]
pub(super) struct Chunks {
    blocks: sse::Decoder,
    passage: Passage,
}

impl Chunks {
    /// `show_usage` says whether the app asked for the usage chunk.
    pub(super) fn new(
        shape: Shape,
        amend: Amend,
        show_usage: bool,
        event_bytes_max: usize,
    ) -> Self {
        Self {
            blocks: sse::Decoder::new(event_bytes_max),
            passage: Passage {
                state: State::Waiting,
                is_first: true,
                shape,
                amend,
                show_usage,
                spoken: 0,
                finished: 0,
                prompt_filter: String::new(),
                head: None,
            },
        }
    }
}

impl Relay for Chunks {
    fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>, sink: Sink<'_>) -> Result<(), Fault> {
        if self.passage.state == State::Done {
            return Ok(());
        }
        let passage = &mut self.passage;
        let pushed = self.blocks.push(chunk, |block| {
            passage.take(&block, out, sink).map_err(Stop::Fault)
        });
        match pushed {
            Err(_) if self.passage.state == State::Done => Ok(()),
            pushed => pushed.map_err(Stop::into_fault),
        }
    }

    fn finish(&mut self, _out: &mut Vec<u8>, _sink: Sink<'_>) -> Result<(), Fault> {
        match self.passage.state {
            State::Done => Ok(()),
            State::Waiting | State::Streaming => Err(Upstream::truncated().into()),
        }
    }

    fn cut(&mut self, out: &mut Vec<u8>) -> bool {
        self.passage.cut(out)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Streaming,
    Done,
}

struct Passage {
    state: State,
    is_first: bool,
    shape: Shape,
    amend: Amend,
    show_usage: bool,
    /// The choices that had a delta, one bit for each.
    spoken: u128,
    /// The choices that said why they ended.
    finished: u128,
    /// Azure's `prompt_filter_results`, a JSON value on its way to the next chunk with choices. It
    /// comes from one event, so the bound of events is its bound.
    prompt_filter: String,
    /// What the first chunk with a delta says of the stream; bounded as that is.
    head: Option<Head>,
}

/// JSON values of the members in [`HEAD`], empty where there is none.
type Head = [String; HEAD.len()];

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The members that are the same on every chunk.
const HEAD: [&str; 4] = ["id", "object", "created", "model"];

impl std::fmt::Debug for Passage {
    /// Tells sizes, never text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passage")
            .field("state", &self.state)
            .field("show_usage", &self.show_usage)
            .field("spoken", &self.spoken.count_ones())
            .field("finished", &self.finished.count_ones())
            .field("prompt_filter_bytes", &self.prompt_filter.len())
            .finish()
    }
}

impl Passage {
    fn take(
        &mut self,
        block: &sse::Event<'_>,
        out: &mut Vec<u8>,
        sink: Sink<'_>,
    ) -> Result<(), Fault> {
        let data = block.data.trim_ascii();
        // A byte order mark means nothing but at the start: there, or where it comes to stand because
        // what was before it is left out, the app's parser takes the line that it hides here.
        if !std::mem::take(&mut self.is_first) && block.raw.starts_with(BYTE_ORDER_MARK) {
            return Err(corrupt());
        }
        match (self.state, data) {
            (State::Done, _) => return Ok(()),
            // Comments, keep-alives, and events that WHATWG's rules do not dispatch.
            (_, b"") => {
                out.extend_from_slice(block.raw);
                return Ok(());
            }
            (_, b"[DONE]") => {
                if self.finished == 0 || self.spoken & !self.finished != 0 {
                    return Err(Upstream::truncated().into());
                }
                out.extend_from_slice(block.raw);
                self.state = State::Done;
                return Ok(());
            }
            _ => {}
        }
        let chunk = Answer::parse(data)?;
        let amended = match (&chunk.choices, str::from_utf8(data)) {
            (Some(_), Ok(text)) => self.amend.write(text, "delta"),
            (_, _) => None,
        };
        let Some(amended) = amended else {
            return self.pass(block, &chunk, false, out, sink);
        };
        // It has the same choices, in the same order.
        let block = sse::Event {
            data: &amended,
            ..*block
        };
        self.pass(&block, &chunk, true, out, sink)
    }

    /// Passes a chunk on as far as the app is to see it.
    fn pass(
        &mut self,
        block: &sse::Event<'_>,
        chunk: &Answer<'_>,
        is_amended: bool,
        out: &mut Vec<u8>,
        sink: Sink<'_>,
    ) -> Result<(), Fault> {
        if self.state == State::Waiting {
            self.state = State::Streaming;
            sink(Event::Start)?;
        }
        let late = self.finished;
        // Before anything is told: a stream that is cut at its first word ends with the same head.
        let mut choices = chunk.choices.iter().flat_map(Choices::iter);
        if self.head.is_none() && choices.any(Choice::speaks) {
            self.head = str::from_utf8(block.data).ok().map(head);
        }
        self.hear(chunk, sink)?;
        let Some(choices) = &chunk.choices else {
            // What has no choices is something that we do not know: the app may. Nobody amends it.
            out.extend_from_slice(block.raw);
            return Ok(());
        };
        let is_late = |choice: &Choice<'_>| late & choice.bit() != 0;
        let is_silent = choices.iter().all(is_late);
        if is_silent && chunk.usage.is_none() {
            if let Some(found) = chunk.prompt_filter_results {
                found.get().clone_into(&mut self.prompt_filter);
            }
            return Ok(());
        }
        if is_silent && !self.show_usage {
            return Ok(());
        }
        let takes_filter = !is_silent && !self.prompt_filter.is_empty();
        let is_odd = |choice: &Choice<'_>| is_late(choice) || !choice.speaks();
        if takes_filter || choices.iter().any(is_odd) {
            let adds_filter = takes_filter && chunk.prompt_filter_results.is_none();
            self.complete(block, choices, late, adds_filter, out)?;
        } else if is_amended {
            sse::write_json(block.name, block.data, out);
        } else {
            out.extend_from_slice(block.raw);
        }
        Ok(())
    }

    /// Ends every choice that has spoken, as if the limit of tokens had been met.
    fn cut(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(head) = &self.head else {
            return false;
        };
        if self.state == State::Done {
            return true;
        }
        out.extend_from_slice(b"data: {");
        for (name, value) in HEAD.iter().zip(head).filter(|(_, value)| !value.is_empty()) {
            let member = format!("\"{name}\":{value},");
            out.extend(
                member
                    .bytes()
                    .map(|byte| if byte == b'\n' { b' ' } else { byte }),
            );
        }
        out.extend_from_slice(b"\"choices\":[");
        let open = self.spoken & !self.finished;
        let part = match self.shape {
            Shape::Chat => "\"delta\":{}",
            Shape::Completions => "\"text\":\"\"",
        };
        let mut comma = "";
        for index in 0..128_u32 {
            if open & 1_u128.wrapping_shl(index) != 0 {
                let choice =
                    format!("{comma}{{\"index\":{index},{part},\"finish_reason\":\"length\"}}");
                out.extend_from_slice(choice.as_bytes());
                comma = ",";
            }
        }
        out.extend_from_slice(b"]}\n\ndata: [DONE]\n\n");
        self.state = State::Done;
        true
    }

    /// Notes who speaks and who ends, and tells it. An end is told once.
    fn hear(&mut self, chunk: &Answer<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        for choice in chunk.choices.iter().flat_map(Choices::iter) {
            let bit = choice.bit();
            if self.finished & bit != 0 {
                continue;
            }
            if choice.speaks() {
                self.spoken |= bit;
            }
            choice.say(sink)?;
            if choice.tell(sink)? {
                self.finished |= bit;
            }
        }
        chunk.tell_usage(sink)
    }

    /// Writes a chunk with the members that it lacks and without the choices that are `late`. Rare, so
    /// it may look at the chunk again.
    fn complete(
        &mut self,
        block: &sse::Event<'_>,
        choices: &Choices<'_>,
        late: u128,
        adds_filter: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let edits = str::from_utf8(block.data)
            .ok()
            .and_then(|text| self.edits(text, choices, late, adds_filter))
            .ok_or_else(corrupt)?;
        self.prompt_filter.clear();
        let mut data = Vec::with_capacity(block.data.len());
        edits.apply(block.data, &mut data).map_err(impossible)?;
        sse::write_json(block.name, &data, out);
        Ok(())
    }

    /// The edits of a chunk; nothing if it is not what it was a moment ago.
    fn edits(
        &self,
        text: &str,
        choices: &Choices<'_>,
        late: u128,
        adds_filter: bool,
    ) -> Option<Edits> {
        let mut edits = Edits::new(EDITS_MAX, limits::ADMIN_BYTES_MAX);
        for member in Members::new(text) {
            let member = member.ok()?;
            if member.key == "choices" {
                let mut items = Walk::new(member.value);
                items.open();
                for choice in choices.iter() {
                    items.next_item().ok()?;
                    let span = span_of(text.as_bytes(), items.skip().ok()?.as_bytes())?;
                    if late & choice.bit() != 0 {
                        edits.remove_item(span).ok()?;
                    } else if !choice.speaks() {
                        add_part(self.shape, text, &span, &mut edits)?;
                    }
                }
            }
            let mut known = HEAD.iter().zip(self.head.iter().flatten());
            if let Some((_, value)) = known.find(|(name, _)| member.key == **name)
                && is_blank(member.value)
                && !value.is_empty()
            {
                edits.replace(member.value_span, value.as_bytes()).ok()?;
            }
        }
        if adds_filter {
            // The chunk has choices, so a member follows.
            let at = text.find('{')?.checked_add(1)?;
            let added = [
                br#""prompt_filter_results":"#,
                self.prompt_filter.as_bytes(),
                b",",
            ];
            edits.insert(at, &added.concat()).ok()?;
        }
        Some(edits)
    }
}

/// Gives the choice at `span` an empty delta, or an empty text.
fn add_part(shape: Shape, text: &str, span: &Range<usize>, edits: &mut Edits) -> Option<()> {
    let (name, empty) = match shape {
        Shape::Chat => ("delta", "{}"),
        Shape::Completions => ("text", "\"\""),
    };
    // serde reads arrays as structs too.
    text.get(span.clone())?.strip_prefix('{')?;
    let mut members = Members::within(text, span.clone());
    let part = members.find_map(|member| member.ok().filter(|member| *member.key == *name));
    if let Some(Member { value_span, .. }) = part {
        return edits.replace(value_span, empty.as_bytes()).ok();
    }
    let is_empty = Members::within(text, span.clone()).next().is_none();
    let comma = if is_empty { "" } else { "," };
    let added = format!("\"{name}\":{empty}{comma}");
    edits
        .insert(span.start.checked_add(1)?, added.as_bytes())
        .ok()
}

fn head(text: &str) -> Head {
    let mut head = Head::default();
    for member in Members::new(text).map_while(Result::ok) {
        let mut known = HEAD.iter().zip(&mut head);
        if let Some((_, value)) = known.find(|(name, _)| member.key == **name)
            && !is_blank(member.value)
        {
            member.value.clone_into(value);
        }
    }
    head
}

/// What Azure writes where it has nothing to say.
fn is_blank(value: &str) -> bool {
    matches!(value, "\"\"" | "0" | "null")
}

/// Every span was found in this chunk.
const fn impossible(_error: json::Error) -> Fault {
    Fault::Internal("an edit of a chunk")
}

/// One for each choice, each member of the head and the filter's results.
const EDITS_MAX: usize = limits::CHOICES_MAX + HEAD.len() + 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::random::Random;
    use crate::turn::Detail;

    const START: &str = r#"{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}"#;
    const TEXT: &str = r#"{"id":"c","choices":[{"index":0,"delta":{"content":"a\u00e9\ud83d\ude00"},"finish_reason":null}],"usage":null}"#;
    const STOP: &str =
        r#"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#;
    const USAGE: &str =
        r#"{"id":"c","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4}}"#;
    const PROMPT_FILTER: &str =
        r#"{"choices":[],"id":"","model":"","prompt_filter_results":[{"prompt_index":0}]}"#;
    const LATE_FILTER: &str = r#"{"id":"","choices":[{"index":0,"finish_reason":null,"content_filter_results":{}}],"usage":null}"#;
    const DONE: &str = "[DONE]";

    fn stream(data: &[&str]) -> String {
        data.iter()
            .map(|data| format!("data: {data}\n\n"))
            .collect()
    }

    /// What comes out, what is told, and the fault's code if there is one.
    fn relayed<'a>(
        chunks: impl IntoIterator<Item = &'a [u8]>,
        show_usage: bool,
    ) -> (String, Vec<String>) {
        let mut relay = Chunks::new(Shape::Chat, Amend::default(), show_usage, 1024);
        let (mut out, mut told) = (Vec::new(), Vec::new());
        let mut sink = |event: Event<'_>| {
            if let Event::Detail(Detail::Said(_)) = event {
                return Ok(());
            }
            told.push(if let Event::Usage(usage) = event {
                format!("{}+{}", usage.input_tokens, usage.output_tokens)
            } else {
                format!("{event:?}")
            });
            Ok(())
        };
        let result = chunks
            .into_iter()
            .try_for_each(|chunk| relay.push(chunk, &mut out, &mut sink))
            .and_then(|()| relay.finish(&mut out, &mut sink));
        if let Err(fault) = result {
            told.push(format!("{} {:?}", fault.status(), fault.code()));
        }
        (String::from_utf8_lossy(&out).into_owned(), told)
    }

    #[track_caller]
    fn check(input: &str, out: &str, told: &[&str]) {
        let whole = relayed([input.as_bytes()], false);
        assert_eq!(whole.0, out);
        assert_eq!(whole.1, told);
        assert_eq!(relayed(input.as_bytes().chunks(1), false), whole);
    }

    const STOPPED: &str = "Finish { choice: 0, reason: Stop }";
    const TRUNCATED: &str = r#"502 Some("upstream_truncated")"#;
    const CORRUPT: &str = r#"502 Some("upstream_corrupt")"#;

    #[test]
    fn a_byte_order_mark_stands_at_the_start_only() {
        let input = format!("{}\u{feff}data: {{\n\n", stream(&[PROMPT_FILTER]));
        check(&input, "", &["Start", CORRUPT]);
    }

    #[test]
    fn a_stream_passes_byte_by_byte() {
        let input = format!(
            "\u{feff}: hello\n\n{}:ping\r\n\r\nevent: x\nid: 7\ndata:{STOP}\r\n\r\n\ndata:[DONE]\n\n",
            stream(&[START, TEXT])
        );
        check(&input, &input, &["Start", STOPPED]);
    }

    #[test]
    fn data_of_several_lines_passes_as_it_came() {
        let input = format!(
            "data: {}\n\ndata: [DONE]\n\n",
            STOP.replace(",\"delta", "\ndata: ,\"delta")
        );
        check(&input, &input, &["Start", STOPPED]);
    }

    #[test]
    fn an_empty_finish_reason_is_none() {
        let open = TEXT.replace(r#""finish_reason":null"#, r#""finish_reason":"""#);
        let input = stream(&[&open, &open, STOP, DONE]);
        check(&input, &input, &["Start", STOPPED]);
        check(
            &stream(&[&open, DONE]),
            &stream(&[&open]),
            &["Start", TRUNCATED],
        );
    }

    #[test]
    fn usage_is_told_and_hidden() {
        check(
            &stream(&[START, STOP, USAGE, DONE]),
            &stream(&[START, STOP, DONE]),
            &["Start", STOPPED, "9+4"],
        );
    }

    #[test]
    fn usage_is_shown_to_who_asked() {
        let input = stream(&[START, STOP, USAGE, DONE]);
        let (out, _) = relayed([input.as_bytes()], true);
        assert_eq!(out, input);
    }

    #[test]
    fn usage_beside_a_choice_is_told_and_passes() {
        let chunk = STOP.replace("null}", r#"{"prompt_tokens":1,"completion_tokens":2}}"#);
        let input = stream(&[&chunk, DONE]);
        check(&input, &input, &["Start", STOPPED, "1+2"]);
    }

    #[test]
    fn every_choice_has_its_finish() {
        let both = r#"{"choices":[{"index":1,"delta":{},"finish_reason":"length"},{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
        let input = stream(&[both, DONE]);
        check(
            &input,
            &input,
            &["Start", "Finish { choice: 1, reason: Length }", STOPPED],
        );
    }

    #[test]
    fn azures_prompt_filter_moves_to_the_next_chunk() {
        let started = format!(
            r#"{{"prompt_filter_results":[{{"prompt_index":0}}],{}"#,
            START.strip_prefix('{').unwrap()
        );
        check(
            &stream(&[PROMPT_FILTER, START, STOP, DONE]),
            &stream(&[&started, STOP, DONE]),
            &["Start", STOPPED],
        );
    }

    #[test]
    fn a_prompt_filter_of_the_chunks_own_stays_alone() {
        let own = START.replace("\"id\"", "\"prompt_filter_results\":[],\"id\"");
        check(
            &stream(&[PROMPT_FILTER, &own, STOP, DONE]),
            &stream(&[&own, STOP, DONE]),
            &["Start", STOPPED],
        );
    }

    #[test]
    fn a_chunk_with_nothing_is_left_out() {
        check(
            &stream(&[r#"{"choices":[]}"#, STOP, DONE]),
            &stream(&[STOP, DONE]),
            &["Start", STOPPED],
        );
    }

    #[test]
    fn a_choice_without_a_delta_gets_an_empty_one() {
        let filled = LATE_FILTER.replace("[{\"index", "[{\"delta\":{},\"index");
        check(
            &stream(&[LATE_FILTER, STOP, DONE]),
            &stream(&[&filled, STOP, DONE]),
            &["Start", STOPPED],
        );
        check(
            &stream(&[
                r#"{"choices":[{"delta":null},{},{"delta":{"content":"x"}}]}"#,
                STOP,
                DONE,
            ]),
            &stream(&[
                r#"{"choices":[{"delta":{}},{"delta":{}},{"delta":{"content":"x"}}]}"#,
                STOP,
                DONE,
            ]),
            &["Start", STOPPED],
        );
    }

    #[test]
    fn a_filters_report_after_the_finish_is_left_out() {
        check(
            &stream(&[START, STOP, LATE_FILTER, DONE]),
            &stream(&[START, STOP, DONE]),
            &["Start", STOPPED],
        );
    }

    #[test]
    fn a_choice_ends_once() {
        let other = STOP.replace("stop", "content_filter");
        check(
            &stream(&[START, STOP, &other, TEXT, DONE]),
            &stream(&[START, STOP, DONE]),
            &["Start", STOPPED],
        );
    }

    #[test]
    fn other_choices_go_on_after_a_finish() {
        check(
            &stream(&[
                STOP,
                r#"{"choices":[{"index":0}, {"index":1,"delta":{}} , {"index":0,"delta":{}}]}"#,
                r#"{"choices":[{"index":1,"finish_reason":"length"},{"index":0}]}"#,
                DONE,
            ]),
            &stream(&[
                STOP,
                r#"{"choices":[{"index":1,"delta":{}}]}"#,
                r#"{"choices":[{"delta":{},"index":1,"finish_reason":"length"}]}"#,
                DONE,
            ]),
            &["Start", STOPPED, "Finish { choice: 1, reason: Length }"],
        );
    }

    #[test]
    fn a_finished_choice_beside_the_usage_is_taken_out() {
        let beside = USAGE.replace("[]", r#"[{"index":0,"delta":{"content":""}}]"#);
        let input = stream(&[STOP, &beside, DONE]);
        check(&input, &stream(&[STOP, DONE]), &["Start", STOPPED, "9+4"]);
        let (out, _) = relayed([input.as_bytes()], true);
        assert_eq!(out, stream(&[STOP, USAGE, DONE]));
    }

    #[test]
    fn a_chunk_without_a_delta_gets_the_heads_of_the_others() {
        check(
            &stream(&[
                r#"{"id":"c","created":1,"model":"m\\n","choices":[{"delta":{},"finish_reason":null}]}"#,
                r#"{"id":"","object":"","created":0,"model":"","choices":[{"index":0}]}"#,
                STOP,
                DONE,
            ]),
            &stream(&[
                r#"{"id":"c","created":1,"model":"m\\n","choices":[{"delta":{},"finish_reason":null}]}"#,
                r#"{"id":"c","object":"","created":1,"model":"m\\n","choices":[{"delta":{},"index":0}]}"#,
                STOP,
                DONE,
            ]),
            &["Start", STOPPED],
        );
    }

    #[test]
    fn an_edited_event_keeps_its_name_and_is_one_line() {
        check(
            "event: x\r\ndata: {\r\ndata: \"choices\":[{\"finish_reason\":\"stop\"}]}\r\n\r\ndata: [DONE]\n\n",
            "event: x\ndata: { \"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
            &["Start", STOPPED],
        );
    }

    #[test]
    fn what_we_do_not_know_passes() {
        let input = stream(&[r#"{"object":"ping"}"#, STOP, DONE]);
        check(&input, &input, &["Start", STOPPED]);
    }

    #[test]
    fn an_error_in_the_stream_is_a_fault() {
        let error = r#"{"error":{"message":"m","type":"server_error","code":"overloaded"}}"#;
        check(
            &stream(&[START, error, DONE]),
            &stream(&[START]),
            &["Start", r#"500 Some("overloaded")"#],
        );
        let input = stream(&[r#"{"error":null,"choices":null}"#, STOP, DONE]);
        check(&input, &input, &["Start", STOPPED]);
    }

    #[test]
    fn data_that_is_no_chunk_is_corrupt() {
        for data in [
            "{",
            "[]",
            "7",
            "[DONE",
            r#"{"choices":7}"#,
            r#"{"choices":[]} x"#,
            r#"{"choices":[{"finish_reason":7}]}"#,
            r#"{"choices":[[0,null,null,null]]}"#,
        ] {
            check(
                &stream(&[START, data, DONE]),
                &stream(&[START]),
                &["Start", CORRUPT],
            );
        }
    }

    #[test]
    fn data_that_is_no_utf_8_is_corrupt() {
        let input = b"data: {\"x\":\"\xFF\"}\n\n";
        assert_eq!(relayed([input.as_slice()], false).1, [CORRUPT]);
    }

    #[test]
    fn an_event_over_the_limit_is_too_large() {
        let long = format!("data: {}", "x".repeat(1024));
        check(&long, "", &[r#"502 Some("upstream_too_large")"#]);
    }

    #[test]
    fn an_end_without_done_is_truncated() {
        let input = stream(&[START, STOP]);
        check(&input, &input, &["Start", STOPPED, TRUNCATED]);
        check("", "", &[TRUNCATED]);
        check(
            &format!("{input}data: [DONE]\n"),
            &input,
            &["Start", STOPPED, TRUNCATED],
        );
    }

    #[test]
    fn done_without_a_finish_is_truncated() {
        check(
            &stream(&[START, DONE]),
            &stream(&[START]),
            &["Start", TRUNCATED],
        );
        check(&stream(&[DONE]), "", &[TRUNCATED]);
        let other = START.replace("\"index\":0", "\"index\":1");
        check(
            &stream(&[START, &other, STOP, DONE]),
            &stream(&[START, &other, STOP]),
            &["Start", STOPPED, TRUNCATED],
        );
    }

    #[test]
    fn what_follows_done_is_ignored() {
        let input = stream(&[STOP, DONE]);
        let long = "x".repeat(2048);
        check(
            &format!("{input}data: {{\n\n: ping\n\ndata: {long}"),
            &input,
            &["Start", STOPPED],
        );
    }

    #[test]
    fn the_fault_of_the_sink_comes_back() {
        let mut relay = Chunks::new(Shape::Chat, Amend::default(), false, 1024);
        let mut out = Vec::new();
        let refused = Fault::Internal("budget");
        let result = relay.push(stream(&[STOP]).as_bytes(), &mut out, &mut |_| {
            Err(refused.clone())
        });
        assert_eq!(result, Err(refused));
        assert!(out.is_empty());
    }

    /// A stream with every kind of block, with these line ends.
    fn every_block(line_end: &str) -> String {
        let lines = "data: {\ndata: \"choices\":[{}]}\n\n: ping\n\nevent: x\n";
        [
            stream(&[PROMPT_FILTER, START]),
            lines.to_owned(),
            stream(&[TEXT, LATE_FILTER, STOP, LATE_FILTER, USAGE, DONE]),
        ]
        .concat()
        .replace('\n', line_end)
    }

    /// What comes out of a stream of legacy completions, or of chat completions that are amended.
    #[track_caller]
    fn check_as(shape: Shape, amend: &Amend, input: &str, out: &str, told: &[&str]) {
        for size in [1, 7, input.len()] {
            let mut relay = Chunks::new(shape, amend.clone(), false, 1024);
            let (mut got, mut heard) = (Vec::new(), Vec::new());
            let mut sink = |event: Event<'_>| {
                if let Event::Detail(Detail::Said(_)) = event {
                    return Ok(());
                }
                heard.push(format!("{event:?}"));
                Ok(())
            };
            for chunk in input.as_bytes().chunks(size) {
                relay.push(chunk, &mut got, &mut sink).unwrap();
            }
            relay.finish(&mut got, &mut sink).unwrap();
            assert_eq!(String::from_utf8(got).unwrap(), out);
            assert_eq!(heard, told);
        }
    }

    /// A stream that a meter ends at its nth piece.
    #[track_caller]
    fn check_cut(pieces: usize, want: &str) {
        let input = format!(
            "data: {START}\n\ndata: {TEXT}\n\ndata: {TEXT}\n\ndata: {STOP}\n\ndata: [DONE]\n\n"
        );
        let mut relay = Chunks::new(Shape::Chat, Amend::default(), false, 1024);
        let (mut out, mut said) = (Vec::new(), 0);
        let pushed = relay.push(input.as_bytes(), &mut out, &mut |event| {
            said =
                usize::from(matches!(event, Event::Detail(Detail::Said(_)))).saturating_add(said);
            if said > pieces {
                return Err(Fault::Internal("cut"));
            }
            Ok(())
        });
        assert!(pushed.is_err());
        assert!(relay.cut(&mut out));
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }

    #[test]
    fn a_stream_that_is_cut_ends_with_length_and_keeps_its_id() {
        let end = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n";
        check_cut(0, end);
        check_cut(2, &format!("data: {START}\n\ndata: {TEXT}\n\n{end}"));
    }

    #[test]
    fn legacy_completions_have_texts_for_deltas() {
        let text = r#"{"choices":[{"text":"a","index":0,"finish_reason":null}]}"#;
        let filter = r#"{"choices":[{"index":0,"content_filter_results":{}}]}"#;
        let filled = filter.replace("[{", r#"[{"text":"","#);
        let stop = r#"{"choices":[{"text":"","index":0,"finish_reason":"stop"}]}"#;
        check_as(
            Shape::Completions,
            &Amend::default(),
            &stream(&[PROMPT_FILTER, text, filter, stop, filter, DONE]),
            &stream(&[
                &text.replacen('{', r#"{"prompt_filter_results":[{"prompt_index":0}],"#, 1),
                &filled,
                stop,
                DONE,
            ]),
            &["Start", STOPPED],
        );
    }

    #[test]
    fn inline_reasoning_is_parted_and_the_rest_passes() {
        let chunk = |delta: &str| format!(r#"{{"id":"c-1","choices":[{{"delta":{delta}}}]}}"#);
        let says = |text: &str| chunk(&format!(r#"{{"content":"{text}"}}"#));
        let (tag, rest) = (says("<reas"), says("oning>why</reasoning>so"));
        let call = |id: &str| chunk(&format!(r#"{{"tool_calls":[{{"index":0,"id":"{id}"}}]}}"#));
        check_as(
            Shape::Chat,
            &Amend::new(true, true),
            &stream(&[&tag, &rest, &says("<b>"), &call("call_0"), STOP, DONE]),
            &stream(&[
                &says(""),
                &chunk(r#"{"reasoning_content":"why","content":"so"}"#),
                &says("<b>"),
                &call("call_c1_0"),
                STOP,
                DONE,
            ]),
            &["Start", STOPPED],
        );
    }

    #[test]
    fn random_cuts_change_nothing() {
        let mut random = Random::new(21);
        for line_end in ["\n", "\r\n", "\r"] {
            let input = every_block(line_end).into_bytes();
            let want = relayed([input.as_slice()], false);
            assert_eq!(want.1, ["Start", STOPPED, "9+4"]);
            assert_eq!(relayed(input.chunks(1), false), want);
            for at in 0..input.len() {
                let (head, tail) = input.split_at(at);
                assert_eq!(relayed([head, tail], false), want, "cut at {at}");
            }
            for _ in 0..500 {
                assert_eq!(relayed(random.cut(&input, 40), false), want);
            }
        }
    }

    #[test]
    fn mutated_streams_never_panic_nor_depend_on_cuts() {
        let mut random = Random::new(22);
        for _ in 0..20_000 {
            let mut input = every_block("\n").into_bytes();
            random.mutate(&mut input, b"\r\n\"{}[]:, d");
            let cuts = random.cut(&input, 60);
            assert_eq!(relayed(cuts, false), relayed([input.as_slice()], false));
        }
    }
}
