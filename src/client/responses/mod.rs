//! OpenAI's responses, as an app speaks it.
//!
//! ```text
//! decode    the request's members
//!  input    the conversation's items
//!  tools    functions, custom tools, namespaces, and how they are chosen
//!  seal     reasoning that travels in `encrypted_content`
//! echo      what an answer repeats of its request
//! writer    an answer as a response object or as a stream of events
//!  item     the items of its output
//! ```
//! Every field is mapped, left to the policy's rule for parameters (`Request::others`), dropped by a
//! rule that is written where it happens, or refused by its name. Nothing is stored. Checked against the
//! types of the `openai` package 3.54.

mod decode;
mod echo;
mod input;
mod item;
mod seal;
mod tools;
mod writer;

use super::ask::ask;
use super::sites::{self, Sites};
use super::{Client, Opening, Writer};
use crate::fault::{self, Fault, Invalid};
use crate::turn::{Ask, Format, Request};

/// The format of `POST /v1/responses`.
#[derive(Debug, Clone, Copy)]
pub struct Responses;

impl Client for Responses {
    fn format(&self) -> Format {
        Format::Responses
    }

    fn path(&self) -> &'static str {
        "/v1/responses"
    }

    fn sites(&self) -> &'static Sites {
        &sites::RESPONSES
    }

    fn ask<'a>(&self, body: &'a [u8]) -> Result<Ask<'a>, Fault> {
        ask(Format::Responses, body)
    }

    fn decode<'a>(&self, ask: &Ask<'a>) -> Result<Request<'a>, Fault> {
        decode::decode(ask)
    }

    fn echo(&self, ask: &Ask<'_>) -> String {
        echo::echo(ask)
    }

    fn blame(&self, fault: Fault) -> Fault {
        let Fault::Client(fault::Client::Invalid(invalid)) = fault else {
            return fault;
        };
        let param = match RENAMED.iter().find(|(chat, _)| invalid.param == *chat) {
            Some((_, own)) => (*own).to_owned(),
            None => NESTED.iter().fold(invalid.param, |param, (chat, own)| {
                param.replacen(chat, own, 1)
            }),
        };
        Invalid { param, ..invalid }.into()
    }

    fn writer(&self, opening: Opening) -> Box<dyn Writer> {
        Box::new(writer::Answer::new(opening))
    }

    fn write_stream_fault(&self, fault: &Fault, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: error\ndata: {\"type\":\"error\",\"sequence_number\":0");
        writer::write_error_members(fault, out);
        out.extend_from_slice(b"}\n\n");
    }
}

/// Chat's names of fields that have another one here.
const RENAMED: &[(&str, &str)] = &[
    ("messages", "input"),
    ("reasoning_effort", "reasoning.effort"),
    ("response_format", "text.format"),
    ("tool_choice.function.name", "tool_choice.name"),
    ("verbosity", "text.verbosity"),
];

/// Parts of chat's paths that are otherwise here: items and tools are less deep.
const NESTED: &[(&str, &str)] = &[
    ("messages[", "input["),
    (".tool_calls[0]", ""),
    ("].custom", "]"),
    ("].function", "]"),
    (".image_url.url", ".image_url"),
    ("].file.", "]."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ALL;
    use crate::codec::json::validate;
    use crate::codec::random::Random;
    use crate::fault::Upstream;
    use crate::turn::{Escaped, Event, Finish, Usage};

    fn opening(stream: bool) -> Opening {
        let body = br#"{"model":"m","tools":[{"type":"custom","name":"f"},
            {"type":"namespace","name":"n","tools":[{"type":"function","name":"g"}]}]}"#;
        Opening {
            entropy: [1, 2],
            created: 7,
            model: "m\"".to_owned(),
            stream,
            echo: Responses.echo(&Responses.ask(body).unwrap()),
            ..Opening::default()
        }
    }

    fn written(stream: bool, events: &[Event<'_>]) -> (Result<(), Fault>, String) {
        let mut writer = Responses.writer(opening(stream));
        let mut out = Vec::new();
        let done = events
            .iter()
            .try_for_each(|event| writer.write(*event, &mut out))
            .and_then(|()| writer.finish(&mut out));
        if let Err(fault) = &done {
            writer.fail(fault, &mut out);
        }
        (done, String::from_utf8(out).unwrap())
    }

    fn random_event(random: &mut Random) -> Event<'static> {
        let choice = 0;
        let text = Escaped::from_content([r"a\n", r#"{\"input\":\"a\"}"#, ""][random.below(3)]);
        let name = Escaped::from_content(["f", "n__g", "h"][random.below(3)]);
        let index = u32::try_from(random.below(2)).unwrap();
        match random.below(10) {
            0 => Event::Usage(Usage::default()),
            1 => Event::Reasoning { choice, text },
            2 => Event::Signature { choice, text },
            3 => {
                let base64 = text;
                Event::Redacted { choice, base64 }
            }
            4 | 5 => Event::ToolCall {
                choice,
                index,
                id: text,
                name,
            },
            6 | 7 => Event::Arguments {
                choice,
                index,
                fragment: text,
            },
            _ => Event::Text { choice, text },
        }
    }

    /// The data of a stream's events, each held to be JSON of its event's type and number.
    fn events_of(stream: &str) -> Vec<&str> {
        let blocks = stream.split_terminator("\n\n").enumerate();
        let data = blocks.map(|(number, block)| {
            let (name, data) = block.split_once("\ndata: ").unwrap();
            let name = name.strip_prefix("event: ").unwrap();
            let start = format!("{{\"type\":\"{name}\",\"sequence_number\":{number},");
            assert!(data.starts_with(&start), "{data}");
            assert!(validate(data.as_bytes()).is_ok(), "{data}");
            data
        });
        data.collect()
    }

    #[test]
    fn both_forms_judge_any_events_alike_and_end_alike() {
        let mut random = Random::new(72);
        let mut complete = 0;
        for _ in 0..20_000 {
            let mut events = vec![Event::Start];
            events.extend((0..random.below(9)).map(|_| random_event(&mut random)));
            let reason = [Finish::Stop, Finish::Length][random.below(2)];
            events.push(Event::Finish { choice: 0, reason });
            events.truncate(events.len().saturating_sub(random.below(2)));
            let (streamed, stream) = written(true, &events);
            let (whole, body) = written(false, &events);
            assert_eq!(streamed, whole, "{events:?}");
            let data = events_of(&stream);
            let last = data.last().unwrap();
            if whole.is_ok() {
                complete += 1;
                assert!(validate(body.as_bytes()).is_ok());
                assert!(last.ends_with(&format!("\"response\":{body}}}")), "{last}");
                let count = |name| stream.matches(name).count();
                let added = count("event: response.output_item.added");
                assert_eq!(added, count("event: response.output_item.done"));
            } else {
                assert_eq!(body, "");
                assert!(last.starts_with("{\"type\":\"response.failed\""));
            }
        }
        assert!(complete > 500, "the test sees both sides: {complete}");
    }

    #[test]
    fn encrypted_reasoning_of_two_items_stays_apart() {
        let sign = |text: &'static str| Event::Signature {
            choice: 0,
            text: Escaped::from_content(text),
        };
        let reason = Finish::Stop;
        let end = Event::Finish { choice: 0, reason };
        let check = |signed: [&'static str; 3], want: &[&str]| {
            let [one, other, third] = signed.map(sign);
            let (_, body) = written(false, &[Event::Start, one, other, third, end]);
            let found = body.split("\"encrypted_content\":\"tollgate1.s.").skip(1);
            let found: Vec<_> = found.filter_map(|it| it.split('"').next()).collect();
            assert_eq!(found, want, "{body}");
        };
        check(["a", "b", "c"], &["abc"]);
        check(
            ["responses.A", "responses.B", "c"],
            &["responses.A", "responses.Bc"],
        );
    }

    #[test]
    fn a_fault_before_any_event_is_an_error_event() {
        let mut out = Vec::new();
        let fault = Upstream::truncated().into();
        assert!(!Responses.writer(opening(true)).fail(&fault, &mut out));
        Responses.write_stream_fault(&fault, &mut out);
        assert_eq!(events_of(str::from_utf8(&out).unwrap()).len(), 1);
    }

    #[test]
    fn faults_name_fields_as_responses_does() {
        let check = |chat: &str, own: &str| {
            let fault = Responses.blame(Invalid::value(chat, "x").into());
            assert_eq!(fault.param(), Some(own));
        };
        check(
            "messages[2].content[1].image_url.url",
            "input[2].content[1].image_url",
        );
        check(
            "messages[2].content[0].file.file_data",
            "input[2].content[0].file_data",
        );
        check(
            "messages[3].tool_calls[0].function.arguments",
            "input[3].arguments",
        );
        check("tools[1].function.name", "tools[1].name");
        check("response_format", "text.format");
        check("temperature", "temperature");
    }

    #[test]
    fn the_table_finds_it_by_its_path() {
        let found = ALL.iter().find(|client| client.path() == "/v1/responses");
        assert_eq!(found.map(|client| client.format()), Some(Format::Responses));
    }
}
