//! An answer as `text_completion`, whole or as a stream of pieces of the same form.
//!
//! There is a place for text only: reasoning is left out, and tools are never called, for there is no way
//! to offer one. `[DONE]` and a whole body are written only when every choice that began has ended.

use crate::client::chat::wire::{Progress, write_usage};
use crate::client::room::Room;
use crate::client::{Opening, Writer};
use crate::codec::json::{write_string, write_u64};
use crate::fault::Fault;
use crate::turn::{Event, Finish, Usage};

/// Writes an answer as a stream.
#[derive(Debug)]
pub(super) struct Stream {
    /// Of every piece: all up to the first choice.
    head: Vec<u8>,
    include_usage: bool,
    usage: Option<Usage>,
    progress: Progress,
}

impl Stream {
    pub(super) fn new(opening: &Opening) -> Self {
        let mut head = b"data: ".to_vec();
        write_head(opening, &mut head);
        Self {
            head,
            include_usage: opening.include_usage,
            usage: None,
            progress: Progress::default(),
        }
    }

    fn piece(&self, choice: u32, text: &str, reason: Option<Finish>, out: &mut Vec<u8>) {
        // What stands around the text has less than 96 bytes.
        let around = self.head.len().saturating_add(96);
        out.reserve(around.saturating_add(text.len()));
        out.extend_from_slice(&self.head);
        write_choice(choice, text, reason, out);
        out.extend_from_slice(match self.include_usage {
            true => b"],\"usage\":null}\n\n",
            false => b"]}\n\n",
        });
    }
}

impl Writer for Stream {
    fn write(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        match event {
            Event::Start => {
                self.progress.start()?;
                self.progress.open(0)?;
            }
            // There is no other place for a refusal.
            Event::Text { choice, text } | Event::Refusal { choice, text } => {
                self.progress.open(choice)?;
                if !text.is_empty() {
                    self.piece(choice, text.as_str(), None, out);
                }
            }
            Event::Reasoning { .. }
            | Event::Signature { .. }
            | Event::Redacted { .. }
            | Event::ToolCall { .. }
            | Event::Arguments { .. }
            | Event::Citation { .. }
            | Event::Detail(_) => {}
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Finish { choice, reason } => {
                self.progress.open(choice)?;
                self.progress.finish(choice)?;
                self.piece(choice, "", Some(reason), out);
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

/// Writes an answer as one body.
#[derive(Debug)]
pub(super) struct Whole {
    opening: Opening,
    choices: Vec<Choice>,
    usage: Option<Usage>,
    progress: Progress,
    /// How many bytes may still be collected.
    room: Room,
}

#[derive(Default)]
struct Choice {
    text: String,
    /// Without a reason nothing was told of this choice.
    reason: Option<Finish>,
}

impl std::fmt::Debug for Choice {
    /// Tells sizes, never text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Choice")
            .field("text_bytes", &self.text.len())
            .field("reason", &self.reason)
            .finish()
    }
}

impl Whole {
    pub(super) fn new(opening: Opening) -> Self {
        Self {
            opening,
            choices: Vec::new(),
            usage: None,
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
}

impl Writer for Whole {
    fn write(&mut self, event: Event<'_>, _out: &mut Vec<u8>) -> Result<(), Fault> {
        match event {
            Event::Start => {
                self.progress.start()?;
                self.open(0)?;
            }
            Event::Text { choice, text } | Event::Refusal { choice, text } => {
                let text = text.as_str();
                self.room.take(text.len())?;
                self.open(choice)?.text.push_str(text);
            }
            Event::Reasoning { .. }
            | Event::Signature { .. }
            | Event::Redacted { .. }
            | Event::ToolCall { .. }
            | Event::Arguments { .. }
            | Event::Citation { .. }
            | Event::Detail(_) => {}
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Finish { choice, reason } => {
                self.open(choice)?.reason = Some(reason);
                self.progress.finish(choice)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.progress.complete()?;
        write_head(&self.opening, out);
        let ended = (0..).zip(&self.choices);
        let mut ended = ended.filter(|(_, choice)| choice.reason.is_some());
        if let Some((index, choice)) = ended.next() {
            write_choice(index, &choice.text, choice.reason, out);
        }
        for (index, choice) in ended {
            out.push(b',');
            write_choice(index, &choice.text, choice.reason, out);
        }
        out.push(b']');
        if let Some(usage) = &self.usage {
            out.extend_from_slice(b",\"usage\":");
            write_usage(usage, out);
        }
        out.push(b'}');
        Ok(())
    }
}

fn write_head(opening: &Opening, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":\"");
    opening.write_id("cmpl-", out);
    out.extend_from_slice(b"\",\"object\":\"text_completion\",\"created\":");
    write_u64(out, opening.created);
    out.extend_from_slice(b",\"model\":");
    write_string(out, &opening.model);
    out.extend_from_slice(b",\"choices\":[");
}

/// Appends a choice; `text` is escaped already.
fn write_choice(index: u32, text: &str, reason: Option<Finish>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"text\":\"");
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\",\"index\":");
    write_u64(out, u64::from(index));
    out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":");
    out.extend_from_slice(match reason {
        None => b"null}".as_slice(),
        // There are no tools to wait for.
        Some(Finish::Stop | Finish::ToolCalls) => b"\"stop\"}",
        Some(Finish::Length) => b"\"length\"}",
        Some(Finish::ContentFilter) => b"\"content_filter\"}",
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::validate;
    use crate::turn::Escaped;

    /// What these events become, or the code of the fault.
    #[track_caller]
    fn check(stream: bool, events: &[Event<'_>], want: &str) {
        let opening = Opening {
            entropy: [0, 0],
            echo: String::new(),
            created: 7,
            model: "m\"".to_owned(),
            stream,
            include_usage: true,
        };
        let mut writer: Box<dyn Writer> = if stream {
            Box::new(Stream::new(&opening))
        } else {
            Box::new(Whole::new(opening))
        };
        let mut out = Vec::new();
        let written = events
            .iter()
            .try_for_each(|event| writer.write(*event, &mut out))
            .and_then(|()| writer.finish(&mut out));
        let mut got = String::from_utf8(out).unwrap();
        for data in got.lines().filter_map(|line| line.strip_prefix("data: {")) {
            validate(format!("{{{data}").as_bytes()).unwrap();
        }
        let id = "cmpl-000000000000000000000000";
        got = got.replace(
            &format!(r#"{{"id":"{id}","object":"text_completion","created":7,"model":"m\"","#),
            "{..",
        );
        if let Err(fault) = written {
            got.push_str(fault.code().unwrap());
        }
        assert_eq!(got, want);
    }

    const fn text(text: &str) -> Event<'_> {
        let text = Escaped::from_content(text);
        Event::Text { choice: 0, text }
    }

    const fn finish(reason: Finish) -> Event<'static> {
        Event::Finish { choice: 0, reason }
    }

    const USAGE: Event<'static> = Event::Usage(Usage {
        input_tokens: 3,
        output_tokens: 2,
        cached_tokens: 0,
        cache_write_tokens: 0,
        reasoning_tokens: None,
    });

    #[test]
    fn a_whole_answer_is_one_text() {
        check(
            false,
            &[
                Event::Start,
                text(r"a\n"),
                text("b"),
                finish(Finish::Stop),
                USAGE,
            ],
            r#"{.."choices":[{"text":"a\nb","index":0,"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":0}}}"#,
        );
    }

    #[test]
    fn a_stream_has_a_piece_for_each_text_and_ends_once() {
        let reasoning = Event::Reasoning {
            choice: 0,
            text: Escaped::from_content("r"),
        };
        check(
            true,
            &[
                Event::Start,
                reasoning,
                text("a"),
                text(""),
                USAGE,
                finish(Finish::Length),
            ],
            concat!(
                r#"data: {.."choices":[{"text":"a","index":0,"logprobs":null,"finish_reason":null}],"usage":null}"#,
                "\n\n",
                r#"data: {.."choices":[{"text":"","index":0,"logprobs":null,"finish_reason":"length"}],"usage":null}"#,
                "\n\n",
                r#"data: {.."choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":0}}}"#,
                "\n\ndata: [DONE]\n\n",
            ),
        );
    }

    #[test]
    fn an_answer_without_an_end_is_truncated() {
        let piece = r#"data: {.."choices":[{"text":"a","index":0,"logprobs":null,"finish_reason":null}],"usage":null}"#;
        check(
            true,
            &[Event::Start, text("a")],
            &format!("{piece}\n\nupstream_truncated"),
        );
        check(false, &[Event::Start, text("a")], "upstream_truncated");
    }
}
