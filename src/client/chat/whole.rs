//! An answer as one `chat.completion` body.
//!
//! Events are collected per choice, text as it is escaped, and written at the finish. The sum of what
//! is collected has a bound.

use super::names::Names;
use super::wire::{
    self, Progress, finish_reason, write_citation, write_id, write_service_tier, write_stop,
    write_thought, write_usage,
};
use crate::client::room::Room;
use crate::client::tools::text_of;
use crate::client::{Opening, Writer};
use crate::codec::json::{write_escaped, write_string, write_u64};
use crate::fault::Fault;
use crate::turn::{Detail, ENCRYPTED, Event, Finish, ServiceTier, Usage};

/// Writes an answer as one body.
#[derive(Debug)]
pub(super) struct Whole {
    opening: Opening,
    names: Names,
    choices: Vec<Choice>,
    usage: Option<Usage>,
    service_tier: Option<ServiceTier>,
    progress: Progress,
    /// How many bytes may still be collected.
    room: Room,
}

#[derive(Default)]
struct Choice {
    content: String,
    /// What is said in place of an answer.
    refusal: String,
    reasoning: String,
    thoughts: Vec<Thought>,
    /// A JSON list without its brackets.
    annotations: Vec<u8>,
    tool_calls: Vec<ToolCall>,
    /// The stop sequence that ended it.
    stop: Option<String>,
    /// Without a reason nothing was told of this choice.
    reason: Option<Finish>,
}

/// A piece of reasoning that the provider takes back in a later turn.
enum Thought {
    /// What follows the thought before it in `reasoning`, up to this byte.
    Signed {
        ends: usize,
        signature: String,
    },
    Redacted(String),
}

struct ToolCall {
    id: String,
    is_custom: bool,
    name: String,
    arguments: String,
}

impl std::fmt::Debug for Choice {
    /// Tells sizes, never text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Choice")
            .field("content_bytes", &self.content.len())
            .field("tool_calls", &self.tool_calls.len())
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl Choice {
    /// Adds to the signature of the reasoning so far. What is encrypted is a signature of its own.
    fn sign(&mut self, piece: &str) {
        let now = self.reasoning.len();
        if let Some(Thought::Signed { ends, signature }) = self.thoughts.last_mut()
            && *ends == now
            && !piece.starts_with(ENCRYPTED)
        {
            signature.push_str(piece);
            return;
        }
        self.thoughts.push(Thought::Signed {
            ends: now,
            signature: piece.to_owned(),
        });
    }

    fn write_thoughts(&self, out: &mut Vec<u8>) {
        if self.thoughts.is_empty() {
            return;
        }
        let mut began = 0;
        let mut before: &[u8] = b",\"thinking_blocks\":[";
        for thought in &self.thoughts {
            out.extend_from_slice(before);
            before = b",";
            let thought = match thought {
                Thought::Signed { ends, signature } => {
                    let text = self.reasoning.get(began..*ends).unwrap_or_default();
                    began = *ends;
                    wire::Thought::Signed { text, signature }
                }
                Thought::Redacted(data) => wire::Thought::Redacted(data),
            };
            write_thought(None, &thought, out);
        }
        out.push(b']');
    }
}

impl Whole {
    pub(super) fn new(opening: Opening) -> Self {
        Self {
            names: Names::read(&opening.echo),
            opening,
            choices: Vec::new(),
            usage: None,
            service_tier: None,
            progress: Progress::default(),
            room: Room::new(),
        }
    }

    fn open(&mut self, choice: u32) -> Result<&mut Choice, Fault> {
        self.progress.open(choice)?;
        let index = usize::try_from(choice).unwrap_or(usize::MAX);
        // The progress has checked the bound.
        while self.choices.len() <= index {
            self.choices.push(Choice::default());
        }
        self.choices
            .get_mut(index)
            .ok_or(Fault::Internal("an open choice is not there"))
    }

    /// Takes what is told about the text and the reasoning.
    fn annotate(&mut self, event: Event<'_>) -> Result<(), Fault> {
        if let Event::Signature { choice, text } = event {
            self.room.take(text.as_str().len())?;
            self.open(choice)?.sign(text.as_str());
        }
        if let Event::Redacted { choice, base64 } = event {
            self.room.take(base64.as_str().len())?;
            let thought = Thought::Redacted(base64.as_str().to_owned());
            self.open(choice)?.thoughts.push(thought);
        }
        if let Event::Citation {
            choice,
            start,
            end,
            url,
            title,
        } = event
        {
            self.room.take(url.as_str().len())?;
            self.room.take(title.as_str().len())?;
            let annotations = &mut self.open(choice)?.annotations;
            if !annotations.is_empty() {
                annotations.push(b',');
            }
            write_citation(
                None,
                (start, end),
                url.as_str(),
                title.as_str(),
                annotations,
            );
        }
        if let Event::Detail(Detail::ServiceTier(tier)) = event {
            self.service_tier = Some(tier);
        }
        if let Event::Detail(Detail::StopSequence { choice, text }) = event {
            self.room.take(text.as_str().len())?;
            self.open(choice)?.stop = Some(text.as_str().to_owned());
        }
        Ok(())
    }
}

impl Writer for Whole {
    fn write(&mut self, event: Event<'_>, _out: &mut Vec<u8>) -> Result<(), Fault> {
        match event {
            Event::Start => {
                self.progress.start()?;
                self.open(0)?;
            }
            Event::Text { choice, text } => {
                self.room.take(text.as_str().len())?;
                self.open(choice)?.content.push_str(text.as_str());
            }
            Event::Refusal { choice, text } => {
                self.room.take(text.as_str().len())?;
                self.open(choice)?.refusal.push_str(text.as_str());
            }
            Event::Reasoning { choice, text } => {
                self.room.take(text.as_str().len())?;
                self.open(choice)?.reasoning.push_str(text.as_str());
            }
            Event::ToolCall {
                choice,
                index,
                id,
                name,
            } => {
                self.room.take(id.as_str().len())?;
                self.room.take(name.as_str().len())?;
                self.open(choice)?;
                self.progress.call_tool(choice, index)?;
                let known = self.names.find(name.as_str());
                let call = ToolCall {
                    id: id.as_str().to_owned(),
                    is_custom: known.is_some_and(|known| known.is_custom),
                    name: known.map_or(name.as_str(), |known| &known.name).to_owned(),
                    arguments: String::new(),
                };
                self.open(choice)?.tool_calls.push(call);
            }
            Event::Arguments {
                choice,
                index,
                fragment,
            } => {
                self.room.take(fragment.as_str().len())?;
                self.open(choice)?;
                if !fragment.is_empty() {
                    self.progress.add_arguments(choice, index)?;
                    let index = usize::try_from(index).unwrap_or(usize::MAX);
                    if let Some(call) = self.open(choice)?.tool_calls.get_mut(index) {
                        call.arguments.push_str(fragment.as_str());
                    }
                }
            }
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Signature { .. }
            | Event::Redacted { .. }
            | Event::Citation { .. }
            | Event::Detail(_) => self.annotate(event)?,
            Event::Finish { choice, reason } => {
                self.open(choice)?.reason = Some(reason);
                self.progress.finish(choice)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.progress.complete()?;
        out.extend_from_slice(b"{\"id\":\"");
        write_id(&self.opening, out);
        out.extend_from_slice(b"\",\"object\":\"chat.completion\",\"created\":");
        write_u64(out, self.opening.created);
        out.extend_from_slice(b",\"model\":");
        write_string(out, &self.opening.model);
        out.extend_from_slice(b",\"choices\":[");
        let mut is_first = true;
        for (index, choice) in (0..).zip(&self.choices) {
            if let Some(reason) = choice.reason {
                if !std::mem::take(&mut is_first) {
                    out.push(b',');
                }
                write_choice(index, choice, reason, out);
            }
        }
        out.push(b']');
        write_service_tier(self.service_tier, out);
        if let Some(usage) = &self.usage {
            out.extend_from_slice(b",\"usage\":");
            write_usage(usage, out);
        }
        out.push(b'}');
        Ok(())
    }
}

fn write_choice(index: u64, choice: &Choice, reason: Finish, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"index\":");
    write_u64(out, index);
    out.extend_from_slice(b",\"message\":{\"role\":\"assistant\",\"content\":");
    // OpenAI's content is null where the model only called tools or refused, and otherwise a string.
    let is_elsewhere = !choice.tool_calls.is_empty() || !choice.refusal.is_empty();
    if choice.content.is_empty() && is_elsewhere {
        out.extend_from_slice(b"null");
    } else {
        write_escaped(out, &choice.content);
    }
    out.extend_from_slice(b",\"refusal\":");
    if choice.refusal.is_empty() {
        out.extend_from_slice(b"null");
    } else {
        write_escaped(out, &choice.refusal);
    }
    if !choice.reasoning.is_empty() {
        out.extend_from_slice(b",\"reasoning_content\":");
        write_escaped(out, &choice.reasoning);
    }
    choice.write_thoughts(out);
    if !choice.annotations.is_empty() {
        out.extend_from_slice(b",\"annotations\":[");
        out.extend_from_slice(&choice.annotations);
        out.push(b']');
    }
    for (call, before) in choice
        .tool_calls
        .iter()
        .zip(std::iter::once(",\"tool_calls\":[").chain(std::iter::repeat(",")))
    {
        out.extend_from_slice(before.as_bytes());
        write_tool_call(call, out);
    }
    if !choice.tool_calls.is_empty() {
        out.push(b']');
    }
    out.extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":\"");
    out.extend_from_slice(finish_reason(reason).as_bytes());
    out.push(b'"');
    write_stop(choice.stop.as_deref(), out);
    out.push(b'}');
}

fn write_tool_call(call: &ToolCall, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":");
    write_escaped(out, &call.id);
    out.extend_from_slice(match call.is_custom {
        true => b",\"type\":\"custom\",\"custom\":{\"name\":".as_slice(),
        false => b",\"type\":\"function\",\"function\":{\"name\":",
    });
    write_escaped(out, &call.name);
    if call.is_custom {
        out.extend_from_slice(b",\"input\":");
        write_escaped(out, &text_of(&call.arguments));
    } else {
        out.extend_from_slice(b",\"arguments\":");
        // Apps parse the arguments as JSON: a call without any has an empty object.
        match call.arguments.as_str() {
            "" => out.extend_from_slice(b"\"{}\""),
            arguments => write_escaped(out, arguments),
        }
    }
    out.extend_from_slice(b"}}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::chat::tests::{answer, text, tool_call};
    use crate::fault::Upstream;
    use crate::turn::Escaped;

    fn written(events: &[Event<'_>]) -> Result<String, Fault> {
        let mut out = Vec::new();
        let mut whole = Whole::new(Opening {
            entropy: [0, 0],
            created: 7,
            model: "m".to_owned(),
            stream: false,
            include_usage: false,
            echo: String::new(),
        });
        for event in events {
            whole.write(*event, &mut out)?;
        }
        whole.finish(&mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    /// The body from its choices on.
    #[track_caller]
    fn check(events: &[Event<'_>], want: &str) {
        let got = written(events).unwrap();
        let head = r#"{"id":"chatcmpl-000000000000000000000000","object":"chat.completion","created":7,"model":"m","choices":"#;
        assert_eq!(got.strip_prefix(head).unwrap(), want);
    }

    #[test]
    fn text_is_joined() {
        check(
            &answer(&[text("a"), text(r"\n")]),
            r#"[{"index":0,"message":{"role":"assistant","content":"a\n","refusal":null},"logprobs":null,"finish_reason":"stop"}]}"#,
        );
    }

    #[test]
    fn an_empty_answer_has_empty_content() {
        check(
            &answer(&[]),
            r#"[{"index":0,"message":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":"stop"}]}"#,
        );
    }

    #[test]
    fn content_is_null_where_only_tools_are_called() {
        let arguments = |fragment| Event::Arguments {
            choice: 0,
            index: 1,
            fragment: Escaped::from_content(fragment),
        };
        check(
            &answer(&[
                tool_call(0),
                tool_call(1),
                arguments(r#"{\"a\""#),
                arguments(":1}"),
            ]),
            r#"[{"index":0,"message":{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"id","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"id","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},"logprobs":null,"finish_reason":"stop"}]}"#,
        );
    }

    #[test]
    fn reasoning_and_usage_are_told() {
        let reasoning = Event::Reasoning {
            choice: 0,
            text: Escaped::from_content("r"),
        };
        check(
            &answer(&[reasoning, Event::Usage(Usage::default()), text("a")]),
            r#"[{"index":0,"message":{"role":"assistant","content":"a","refusal":null,"reasoning_content":"r"},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0,"prompt_tokens_details":{"cached_tokens":0}}}"#,
        );
    }

    #[test]
    fn encrypted_reasoning_of_two_items_stays_apart() {
        let encrypted = |text| Event::Signature {
            choice: 0,
            text: Escaped::from_content(text),
        };
        check(
            &answer(&[
                encrypted("responses.A"),
                encrypted("responses.B"),
                text("d"),
            ]),
            r#"[{"index":0,"message":{"role":"assistant","content":"d","refusal":null,"thinking_blocks":[{"type":"thinking","thinking":"","signature":"responses.A"},{"type":"thinking","thinking":"","signature":"responses.B"}]},"logprobs":null,"finish_reason":"stop"}]}"#,
        );
    }

    #[test]
    fn signed_reasoning_is_told_as_the_provider_takes_it_back() {
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
                text("d"),
            ]),
            r#"[{"index":0,"message":{"role":"assistant","content":"d","refusal":null,"reasoning_content":"abc","thinking_blocks":[{"type":"thinking","thinking":"ab","signature":"st"},{"type":"redacted_thinking","data":"aGk="},{"type":"thinking","thinking":"c","signature":"u"}]},"logprobs":null,"finish_reason":"stop"}]}"#,
        );
    }

    #[test]
    fn choices_are_told_in_order() {
        let other = Event::Text {
            choice: 1,
            text: Escaped::from_content("b"),
        };
        let end = Event::Finish {
            choice: 1,
            reason: Finish::ContentFilter,
        };
        check(
            &answer(&[other, end]),
            r#"[{"index":0,"message":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":"stop"},{"index":1,"message":{"role":"assistant","content":"b","refusal":null},"logprobs":null,"finish_reason":"content_filter"}]}"#,
        );
    }

    #[test]
    fn an_answer_without_its_finish_is_truncated() {
        for events in [&[][..], &[Event::Start, text("a")]] {
            assert_eq!(written(events), Err(Upstream::truncated().into()));
        }
    }

    #[test]
    fn events_out_of_order_are_faults() {
        for events in [&[text("a")][..], &[Event::Start, tool_call(3)]] {
            assert!(matches!(written(events), Err(Fault::Internal(_))));
        }
    }
}
