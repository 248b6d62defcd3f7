//! OpenAI's chat completions, as an app speaks it.
//!
//! `ask` reads what routing needs and is all that a same-format request costs. `decode` reads the
//! rest for a translation. `stream` and `whole` write an answer's events as server-sent events or as
//! one body; both fail rather than complete an answer that never said why it stopped.
//!
//! Every field is mapped, left to the policy's rule for parameters (`Request::others`), dropped by a
//! rule that is written where it happens, or refused by its name. Checked against the types of the
//! `openai` package 3.54.

mod cache;
pub(super) mod decode;
mod messages;
mod names;
mod stream;
mod tools;
mod whole;
pub(super) mod wire;

use super::ask::ask;
use super::sites::{self, Sites};
use super::{Client, Opening, Writer, error};
use crate::fault::Fault;
use crate::turn::{Ask, Format, Request};

/// The format of `POST /v1/chat/completions`.
#[derive(Debug, Clone, Copy)]
pub struct Chat;

impl Client for Chat {
    fn format(&self) -> Format {
        Format::Chat
    }

    fn path(&self) -> &'static str {
        "/v1/chat/completions"
    }

    fn sites(&self) -> &'static Sites {
        &sites::CHAT
    }

    fn ask<'a>(&self, body: &'a [u8]) -> Result<Ask<'a>, Fault> {
        ask(Format::Chat, body)
    }

    fn decode<'a>(&self, ask: &Ask<'a>) -> Result<Request<'a>, Fault> {
        decode::decode(ask)
    }

    fn echo(&self, ask: &Ask<'_>) -> String {
        names::echo(ask)
    }

    fn writer(&self, opening: Opening) -> Box<dyn Writer> {
        if opening.stream {
            Box::new(stream::Stream::new(&opening))
        } else {
            Box::new(whole::Whole::new(opening))
        }
    }

    fn write_stream_fault(&self, fault: &Fault, out: &mut Vec<u8>) {
        error::write_stream_error(fault, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ALL;
    use crate::codec::json::validate;
    use crate::codec::random::Random;
    use crate::fault::Upstream;
    use crate::turn::{Escaped, Event, Finish, Usage};

    pub(super) fn text(text: &str) -> Event<'_> {
        let text = Escaped::from_content(text);
        Event::Text { choice: 0, text }
    }

    pub(super) fn tool_call(index: u32) -> Event<'static> {
        Event::ToolCall {
            choice: 0,
            index,
            id: Escaped::from_content("id"),
            name: Escaped::from_content("f"),
        }
    }

    /// Events between a start and a stop.
    pub(super) fn answer<'a>(events: &[Event<'a>]) -> Vec<Event<'a>> {
        let end = Event::Finish {
            choice: 0,
            reason: Finish::Stop,
        };
        [&[Event::Start], events, &[end]].concat()
    }

    #[track_caller]
    fn check(stream: bool, starts_with: &str) {
        let mut writer = Chat.writer(Opening {
            entropy: [1, 2],
            created: 7,
            model: "m".to_owned(),
            stream,
            include_usage: false,
            echo: String::new(),
        });
        let mut out = Vec::new();
        for event in answer(&[text("a")]) {
            writer.write(event, &mut out).unwrap();
        }
        writer.finish(&mut out).unwrap();
        assert!(out.starts_with(starts_with.as_bytes()));
    }

    #[test]
    fn the_opening_says_which_writer() {
        check(true, "data: {\"id\":\"chatcmpl-");
        check(false, "{\"id\":\"chatcmpl-");
    }

    #[test]
    fn the_table_knows_the_path() {
        let found = ALL.iter().find(|client| client.path() == Chat.path());
        assert_eq!(found.unwrap().format(), Format::Chat);
    }

    #[test]
    fn a_fault_in_a_stream_is_one_event() {
        let mut out = Vec::new();
        Chat.write_stream_fault(&Upstream::truncated().into(), &mut out);
        assert!(out.starts_with(b"data: {\"error\":{\"message\":\"the provider's answer ended"));
        assert!(out.ends_with(b"\"code\":\"upstream_truncated\"}}\n\n"));
    }

    fn random_event(random: &mut Random) -> Event<'static> {
        let number = |random: &mut Random| u32::try_from(random.below(2)).unwrap();
        let choice = number(random);
        let text = Escaped::from_content([r"a\n", r#"{\"a\":1}"#, ""][random.below(3)]);
        match random.below(9) {
            0 => Event::Start,
            1 => Event::Usage(Usage::default()),
            2 => Event::Reasoning { choice, text },
            3 | 4 => Event::ToolCall {
                choice,
                index: number(random),
                id: text,
                name: text,
            },
            5 | 6 => Event::Arguments {
                choice,
                index: number(random),
                fragment: text,
            },
            7 => Event::Finish {
                choice,
                reason: Finish::Length,
            },
            _ => Event::Text { choice, text },
        }
    }

    #[test]
    fn both_writers_judge_any_events_alike_and_write_json() {
        let mut random = Random::new(71);
        let mut complete = 0;
        for _ in 0..20_000 {
            let mut writers = [true, false].map(|stream| {
                Chat.writer(Opening {
                    entropy: [1, 2],
                    created: 7,
                    model: "m\"".to_owned(),
                    stream,
                    include_usage: true,
                    echo: String::new(),
                })
            });
            let mut outs = [Vec::new(), Vec::new()];
            let mut events = vec![Event::Start];
            events.extend((0..random.below(8)).map(|_| random_event(&mut random)));
            let reason = Finish::Stop;
            events.extend((0..2).map(|choice| Event::Finish { choice, reason }));
            events.truncate(events.len().saturating_sub(random.below(3)));
            let mut verdicts = [Ok(()), Ok(())];
            for ((writer, out), verdict) in writers.iter_mut().zip(&mut outs).zip(&mut verdicts) {
                *verdict = events
                    .iter()
                    .try_for_each(|event| writer.write(*event, out))
                    .and_then(|()| writer.finish(out));
            }
            assert_eq!(verdicts[0], verdicts[1], "{events:?}");
            let stream = str::from_utf8(&outs[0]).unwrap();
            assert_eq!(stream.ends_with("data: [DONE]\n\n"), verdicts[0].is_ok());
            for chunk in stream.split_terminator("\n\n") {
                let data = chunk.strip_prefix("data: ").unwrap();
                assert!(data == "[DONE]" || validate(data.as_bytes()).is_ok());
            }
            assert_eq!(validate(&outs[1]).is_ok(), verdicts[1].is_ok());
            complete += usize::from(verdicts[0].is_ok());
        }
        assert!(complete > 500, "the test sees both sides: {complete}");
    }
}
