//! An answer as `chat.completion.chunk` events.
//!
//! Every chunk has the same start, written once. The first of a choice has the role; then come
//! deltas of text, of `reasoning_content` (not OpenAI's, but the field that DeepSeek, vLLM and most
//! tools read) and of tool calls; the last has the reason and nothing after it. Where a provider signs
//! its reasoning, a block of `thinking_blocks` repeats it whole with its signature, once that is whole: in
//! that form an app sends it back. `[DONE]` is written only by `finish`, and only when every choice that
//! began has ended.

use super::names::Names;
use super::wire::{
    Progress, Thought, finish_reason, write_citation, write_id, write_service_tier, write_stop,
    write_thought, write_usage,
};
use crate::client::room::Room;
use crate::client::tools::text_of;
use crate::client::{Opening, Writer};
use crate::codec::json::{write_string, write_u64};
use crate::fault::Fault;
use crate::turn::{Detail, ENCRYPTED, Escaped, Event, Finish, ServiceTier, Usage};

/// Writes an answer as a stream.
#[derive(Debug)]
pub(super) struct Stream {
    /// Of every chunk: all up to the first choice.
    head: Vec<u8>,
    include_usage: bool,
    usage: Option<Usage>,
    service_tier: Option<ServiceTier>,
    names: Names,
    /// What custom tools are called with, each with its choice and index: it has to be whole to be taken
    /// out of the JSON that it travels in.
    inputs: Vec<(u32, u32, String)>,
    /// Choices with citations, and how many each has.
    cited: Vec<(u32, u64)>,
    /// What choices think, each for a choice.
    thinking: Vec<Thinking>,
    /// The stop sequences that end choices, until their last chunks are written.
    stops: Vec<(u32, String)>,
    progress: Progress,
    /// For what is held of all choices.
    room: Room,
}

/// The reasoning of a choice since its last block.
struct Thinking {
    choice: u32,
    text: String,
    /// Empty until it is signed.
    signature: String,
    /// How many blocks there were.
    blocks: u64,
}

impl std::fmt::Debug for Thinking {
    /// Tells sizes, never text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Thinking")
            .field("choice", &self.choice)
            .field("text_bytes", &self.text.len())
            .finish_non_exhaustive()
    }
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
            service_tier: None,
            names: Names::read(&opening.echo),
            inputs: Vec::new(),
            cited: Vec::new(),
            thinking: Vec::new(),
            stops: Vec::new(),
            progress: Progress::default(),
            room: Room::new(),
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
    fn end(&self, finish: Option<(Finish, Option<&str>)>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":");
        match finish {
            None => out.extend_from_slice(b"null}]"),
            Some((reason, stop)) => {
                out.push(b'"');
                out.extend_from_slice(finish_reason(reason).as_bytes());
                out.push(b'"');
                write_stop(stop, out);
                out.extend_from_slice(b"}]");
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
        let known = self.names.find(name);
        let is_custom = known.is_some_and(|known| known.is_custom);
        out.extend_from_slice(match is_custom {
            true => b"\",\"type\":\"custom\",\"custom\":{\"name\":\"".as_slice(),
            false => b"\",\"type\":\"function\",\"function\":{\"name\":\"",
        });
        out.extend_from_slice(known.map_or(name, |known| &known.name).as_bytes());
        out.extend_from_slice(match is_custom {
            true => b"\",\"input\":\"\"}}]".as_slice(),
            false => b"\",\"arguments\":\"\"}}]",
        });
        self.end(None, out);
    }

    /// Takes what is told about the text.
    fn annotate(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        if let Event::Citation {
            choice,
            start,
            end,
            url,
            title,
        } = event
        {
            self.open(choice, out)?;
            let index = self.count_citation(choice);
            let (url, title) = (url.as_str(), title.as_str());
            self.begin(choice, url.len().saturating_add(title.len()), out);
            out.extend_from_slice(b"\"annotations\":[");
            write_citation(Some(index), (start, end), url, title, out);
            out.push(b']');
            self.end(None, out);
        }
        if let Event::Detail(Detail::ServiceTier(tier)) = event {
            self.service_tier = Some(tier);
        }
        if let Event::Detail(Detail::StopSequence { choice, text }) = event {
            self.open(choice, out)?;
            self.stops.push((choice, text.as_str().to_owned()));
        }
        Ok(())
    }

    /// Takes what is told of reasoning.
    fn think(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        if let Event::Reasoning { choice, text } = event
            && !text.is_empty()
        {
            self.text(choice, "reasoning_content", text, out);
            self.room.take(text.as_str().len())?;
            self.thinking_of(choice)?.text.push_str(text.as_str());
        }
        if let Event::Signature { choice, text } = event {
            self.room.take(text.as_str().len())?;
            let thinking = self.thinking_of(choice)?;
            thinking.signature.push_str(text.as_str());
        }
        if let Event::Redacted { choice, base64 } = event {
            let index = self.thinking_of(choice)?.next_block();
            self.block(choice, index, &Thought::Redacted(base64.as_str()), out);
        }
        Ok(())
    }

    /// The reasoning of an open choice.
    fn thinking_of(&mut self, choice: u32) -> Result<&mut Thinking, Fault> {
        if !self.thinking.iter().any(|it| it.choice == choice) {
            self.thinking.push(Thinking {
                choice,
                text: String::new(),
                signature: String::new(),
                blocks: 0,
            });
        }
        let mut all = self.thinking.iter_mut();
        all.find(|it| it.choice == choice)
            .ok_or(Fault::Internal("an open choice is not there"))
    }

    /// Writes the blocks whose signatures are whole.
    fn write_signed(&mut self, out: &mut Vec<u8>) {
        for at in 0..self.thinking.len() {
            let Some(thinking) = self.thinking.get_mut(at) else {
                return;
            };
            if thinking.signature.is_empty() {
                continue;
            }
            let index = thinking.next_block();
            let text = std::mem::take(&mut thinking.text);
            let signature = std::mem::take(&mut thinking.signature);
            let choice = thinking.choice;
            self.room
                .give_back(text.len().saturating_add(signature.len()));
            let thought = Thought::Signed {
                text: &text,
                signature: &signature,
            };
            self.block(choice, index, &thought, out);
        }
    }

    fn block(&self, choice: u32, index: u64, thought: &Thought<'_>, out: &mut Vec<u8>) {
        self.begin(choice, 0, out);
        out.extend_from_slice(b"\"thinking_blocks\":[");
        write_thought(Some(index), thought, out);
        out.push(b']');
        self.end(None, out);
    }

    /// How many citations `choice` had before this one.
    fn count_citation(&mut self, choice: u32) -> u64 {
        if let Some((_, count)) = self.cited.iter_mut().find(|cited| cited.0 == choice) {
            let before = *count;
            *count = before.saturating_add(1);
            return before;
        }
        self.cited.push((choice, 1));
        0
    }

    /// Keeps arguments of a custom tool; tells whether they are.
    fn hold_back(&mut self, choice: u32, index: u32, fragment: Escaped<'_>) -> Result<bool, Fault> {
        let mut inputs = self.inputs.iter_mut();
        let Some((_, _, held)) = inputs.find(|held| (held.0, held.1) == (choice, index)) else {
            return Ok(false);
        };
        self.room.take(fragment.as_str().len())?;
        held.push_str(fragment.as_str());
        Ok(true)
    }

    /// Writes what a choice's custom tools are called with.
    fn write_inputs(&self, choice: u32, out: &mut Vec<u8>) {
        for (_, index, held) in self.inputs.iter().filter(|held| held.0 == choice) {
            let text = text_of(held);
            if text.is_empty() {
                continue;
            }
            self.begin(choice, text.len(), out);
            out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
            write_u64(out, u64::from(*index));
            out.extend_from_slice(b",\"custom\":{\"input\":\"");
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(b"\"}}]");
            self.end(None, out);
        }
    }

    /// Writes what is still held back of a choice, and its last chunk.
    fn close(&mut self, choice: u32, reason: Finish, out: &mut Vec<u8>) -> Result<(), Fault> {
        let calls = self.progress.finish(choice)?;
        self.write_inputs(choice, out);
        for (index, has_arguments) in (0..).zip(calls) {
            let is_custom = self.inputs.iter().any(|it| (it.0, it.1) == (choice, index));
            if is_custom {
                continue;
            }
            // Apps parse the arguments as JSON: a call without any has an empty object.
            if !has_arguments {
                self.arguments(choice, index, Escaped::from_content("{}"), out);
            }
        }
        self.begin(choice, 0, out);
        let stop = self.stops.iter().find(|(ended, _)| *ended == choice);
        let stop = stop.map(|(_, text)| text.as_str());
        self.end(Some((reason, stop)), out);
        Ok(())
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

impl Thinking {
    fn next_block(&mut self) -> u64 {
        let index = self.blocks;
        self.blocks = index.saturating_add(1);
        index
    }
}

impl Writer for Stream {
    fn write(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        // What is encrypted is a signature of its own, not a piece.
        let is_more =
            matches!(event, Event::Signature { text, .. } if !text.as_str().starts_with(ENCRYPTED));
        if !is_more {
            self.write_signed(out);
        }
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
            Event::Refusal { choice, text } => {
                self.open(choice, out)?;
                if !text.is_empty() {
                    self.text(choice, "refusal", text, out);
                }
            }
            Event::Reasoning { choice, .. }
            | Event::Signature { choice, .. }
            | Event::Redacted { choice, .. } => {
                self.open(choice, out)?;
                self.think(event, out)?;
            }
            Event::ToolCall {
                choice,
                index,
                id,
                name,
            } => {
                self.open(choice, out)?;
                self.progress.call_tool(choice, index)?;
                let known = self.names.find(name.as_str());
                if known.is_some_and(|known| known.is_custom) {
                    self.inputs.push((choice, index, String::new()));
                }
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
                    if !self.hold_back(choice, index, fragment)? {
                        self.arguments(choice, index, fragment, out);
                    }
                }
            }
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Citation { .. } | Event::Detail(_) => self.annotate(event, out)?,
            Event::Finish { choice, reason } => {
                self.open(choice, out)?;
                self.close(choice, reason, out)?;
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
            out.push(b']');
            // AWS tells it at the very end, when all other chunks have gone out.
            write_service_tier(self.service_tier, out);
            out.extend_from_slice(b",\"usage\":");
            write_usage(usage, out);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::chat::tests::{answer, text, tool_call};
    use crate::codec::random::Random;
    use crate::fault::Upstream;

    fn opening(include_usage: bool) -> Opening {
        Opening {
            entropy: [0, 0],
            created: 7,
            model: "m".to_owned(),
            stream: true,
            include_usage,
            echo: String::new(),
        }
    }

    const HEAD: &str = r#"data: {"id":"chatcmpl-000000000000000000000000","object":"chat.completion.chunk","created":7,"model":"m","choices":["#;

    /// The stream's events with the common head left out, or the fault.
    fn written(include_usage: bool, events: &[Event<'_>]) -> Result<String, Fault> {
        let mut out = Vec::new();
        let mut stream = Stream::new(&opening(include_usage));
        for event in events {
            stream.write(*event, &mut out)?;
        }
        stream.finish(&mut out)?;
        Ok(String::from_utf8(out).unwrap().replace(HEAD, ""))
    }

    /// Each chunk from its delta on; choice 0 unless it is told.
    #[track_caller]
    fn check(events: &[Event<'_>], want: &[&str]) {
        let got = written(false, events).unwrap();
        let chunks: Vec<_> = got
            .split_terminator("\n\n")
            .map(|chunk| {
                let chunk = chunk
                    .strip_prefix("{\"index\":0,\"delta\":")
                    .unwrap_or(chunk);
                chunk
                    .strip_suffix(",\"logprobs\":null,\"finish_reason\":null}]}")
                    .unwrap_or(chunk)
            })
            .collect();
        assert_eq!(chunks, want);
    }

    const ROLE: &str = r#"{"role":"assistant","content":"","refusal":null}"#;
    const STOP: &str = r#"{},"logprobs":null,"finish_reason":"stop"}]}"#;
    const DONE: &str = "data: [DONE]";

    #[test]
    fn text_comes_in_deltas() {
        check(
            &answer(&[text("a"), text(r"\n"), text("")]),
            &[
                ROLE,
                r#"{"content":"a"}"#,
                r#"{"content":"\n"}"#,
                STOP,
                DONE,
            ],
        );
    }

    #[test]
    fn reasoning_has_a_field_of_its_own() {
        let reasoning = Event::Reasoning {
            choice: 0,
            text: Escaped::from_content("r"),
        };
        check(
            &answer(&[reasoning, text("a")]),
            &[
                ROLE,
                r#"{"reasoning_content":"r"}"#,
                r#"{"content":"a"}"#,
                STOP,
                DONE,
            ],
        );
    }

    #[test]
    fn encrypted_reasoning_of_two_items_stays_apart() {
        let encrypted = |text| Event::Signature {
            choice: 0,
            text: Escaped::from_content(text),
        };
        check(
            &answer(&[encrypted("responses.A"), encrypted("responses.B")]),
            &[
                ROLE,
                r#"{"thinking_blocks":[{"index":0,"type":"thinking","thinking":"","signature":"responses.A"}]}"#,
                r#"{"thinking_blocks":[{"index":1,"type":"thinking","thinking":"","signature":"responses.B"}]}"#,
                STOP,
                DONE,
            ],
        );
    }

    #[test]
    fn what_is_held_of_all_choices_has_one_bound() {
        let mut stream = Stream::new(&opening(true));
        stream.room = Room::of(10);
        let mut out = Vec::new();
        let escaped = Escaped::from_content;
        let reasoning = |choice| Event::Reasoning {
            choice,
            text: escaped("abc"),
        };
        let signature = Event::Signature {
            choice: 0,
            text: escaped("s"),
        };
        for event in [Event::Start, reasoning(0), reasoning(1), signature] {
            stream.write(event, &mut out).unwrap();
        }
        // The first is written, and no longer held.
        for choice in [0, 2] {
            stream.write(reasoning(choice), &mut out).unwrap();
        }
        let fault = stream.write(reasoning(0), &mut out).unwrap_err();
        assert_eq!(fault.code(), Some("upstream_too_large"));
    }

    #[test]
    fn signed_reasoning_is_repeated_with_its_signature() {
        let escaped = Escaped::from_content;
        let reasoning = |text| Event::Reasoning {
            choice: 0,
            text: escaped(text),
        };
        let signature = |signature| Event::Signature {
            choice: 0,
            text: escaped(signature),
        };
        let redacted = Event::Redacted {
            choice: 0,
            base64: escaped("aGk="),
        };
        check(
            &answer(&[
                reasoning("a"),
                reasoning("b"),
                signature("s"),
                signature("t"),
                redacted,
                reasoning("c"),
                signature("u"),
            ]),
            &[
                ROLE,
                r#"{"reasoning_content":"a"}"#,
                r#"{"reasoning_content":"b"}"#,
                r#"{"thinking_blocks":[{"index":0,"type":"thinking","thinking":"ab","signature":"st"}]}"#,
                r#"{"thinking_blocks":[{"index":1,"type":"redacted_thinking","data":"aGk="}]}"#,
                r#"{"reasoning_content":"c"}"#,
                r#"{"thinking_blocks":[{"index":2,"type":"thinking","thinking":"c","signature":"u"}]}"#,
                STOP,
                DONE,
            ],
        );
    }

    fn arguments(index: u32, fragment: &str) -> Event<'_> {
        Event::Arguments {
            choice: 0,
            index,
            fragment: Escaped::from_content(fragment),
        }
    }

    #[test]
    fn a_tool_call_comes_before_its_arguments() {
        check(
            &answer(&[tool_call(0), arguments(0, r#"{\"a\""#), arguments(0, ":1}")]),
            &[
                ROLE,
                r#"{"tool_calls":[{"index":0,"id":"id","type":"function","function":{"name":"f","arguments":""}}]}"#,
                r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\""}}]}"#,
                r#"{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}"#,
                STOP,
                DONE,
            ],
        );
    }

    #[test]
    fn a_tool_call_without_arguments_gets_an_empty_object() {
        check(
            &answer(&[
                tool_call(0),
                tool_call(1),
                arguments(0, "{}"),
                arguments(1, ""),
            ]),
            &[
                ROLE,
                r#"{"tool_calls":[{"index":0,"id":"id","type":"function","function":{"name":"f","arguments":""}}]}"#,
                r#"{"tool_calls":[{"index":1,"id":"id","type":"function","function":{"name":"f","arguments":""}}]}"#,
                r#"{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}"#,
                r#"{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}"#,
                STOP,
                DONE,
            ],
        );
    }

    #[test]
    fn every_choice_begins_with_its_role() {
        let other = Event::Text {
            choice: 1,
            text: Escaped::from_content("b"),
        };
        let end = Event::Finish {
            choice: 1,
            reason: Finish::Length,
        };
        check(
            &answer(&[other, end]),
            &[
                ROLE,
                r#"{"index":1,"delta":{"role":"assistant","content":"","refusal":null}"#,
                r#"{"index":1,"delta":{"content":"b"}"#,
                r#"{"index":1,"delta":{},"logprobs":null,"finish_reason":"length"}]}"#,
                STOP,
                DONE,
            ],
        );
    }

    #[test]
    fn usage_is_null_until_the_last_chunk() {
        let usage = Event::Usage(Usage {
            input_tokens: 1,
            output_tokens: 2,
            ..Usage::default()
        });
        let got = written(true, &answer(&[usage])).unwrap();
        let chunks: Vec<_> = got.split_terminator("\n\n").collect();
        assert_eq!(chunks.len(), 4);
        assert!(chunks[0].ends_with(r#""finish_reason":null}],"usage":null}"#));
        assert!(chunks[1].ends_with(r#""finish_reason":"stop"}],"usage":null}"#));
        assert_eq!(
            chunks[2],
            r#"],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":{"cached_tokens":0}}}"#
        );
        assert!(!written(false, &answer(&[usage])).unwrap().contains("usage"));
        // Nobody told any: none is made up.
        assert_eq!(
            written(true, &answer(&[])).unwrap().matches("\n\n").count(),
            3
        );
    }

    #[test]
    fn an_answer_without_its_finish_is_truncated() {
        for events in [&[][..], &[Event::Start], &[Event::Start, text("a")]] {
            let mut out = Vec::new();
            let mut stream = Stream::new(&opening(true));
            for event in events {
                stream.write(*event, &mut out).unwrap();
            }
            let before = out.len();
            assert_eq!(stream.finish(&mut out), Err(Upstream::truncated().into()));
            assert_eq!(out.len(), before);
        }
    }

    #[test]
    fn one_open_choice_of_two_is_truncated() {
        let other = Event::Text {
            choice: 1,
            text: Escaped::from_content("b"),
        };
        let fault = written(false, &answer(&[other])).unwrap_err();
        assert_eq!(fault, Upstream::truncated().into());
    }

    #[test]
    fn events_out_of_order_are_faults() {
        let end = Event::Finish {
            choice: 0,
            reason: Finish::Stop,
        };
        for events in [
            &[text("a")][..],
            &[Event::Start, Event::Start],
            &[Event::Start, end, text("a")],
            &[Event::Start, end, end],
            &[Event::Start, arguments(0, "{}")],
            &[Event::Start, tool_call(1)],
            &[Event::Start, tool_call(0), tool_call(0)],
        ] {
            let fault = written(false, events).unwrap_err();
            assert!(matches!(fault, Fault::Internal(_)), "{events:?}");
        }
    }

    #[test]
    fn nothing_follows_the_finish() {
        let mut out = Vec::new();
        let mut stream = Stream::new(&opening(false));
        for event in answer(&[]) {
            stream.write(event, &mut out).unwrap();
        }
        stream.finish(&mut out).unwrap();
        let before = out.len();
        assert!(stream.finish(&mut out).is_err());
        assert!(stream.write(text("a"), &mut out).is_err());
        assert_eq!(out.len(), before);
    }

    #[test]
    fn choices_and_tool_calls_are_bounded() {
        let far = Event::Text {
            choice: u32::MAX,
            text: Escaped::from_content("b"),
        };
        let fault = written(false, &answer(&[far])).unwrap_err();
        assert_eq!(fault.code(), Some("upstream_too_large"));
        let calls: Vec<_> = (0..2_000).map(tool_call).collect();
        let fault = written(false, &answer(&calls)).unwrap_err();
        assert_eq!(fault.code(), Some("upstream_too_large"));
    }

    #[test]
    fn text_cut_elsewhere_is_the_same_text() {
        let whole = "The quick brown fox, \u{e9}\u{1F600}, and the end of it";
        let content = |events: &[Event<'_>]| -> String {
            let written = written(false, events).unwrap();
            let deltas = written.split("\"delta\":{\"content\":\"").skip(1);
            deltas
                .map(|delta| delta.split('"').next().unwrap())
                .collect()
        };
        let mut random = Random::new(61);
        for _ in 0..200 {
            let mut pieces = Vec::new();
            let mut rest = whole;
            while !rest.is_empty() {
                let mut at = random.below(9).min(rest.len());
                while !rest.is_char_boundary(at) {
                    at += 1;
                }
                let (head, tail) = rest.split_at(at);
                pieces.push(text(head));
                rest = tail;
            }
            assert_eq!(content(&answer(&pieces)), whole);
        }
    }
}
