//! The whole request, for a translation.
//!
//! Each top-level member is read from its own span, in one pass. What has no place in the pivot goes
//! by name into `others`, unless it is at OpenAI's own default and so has no effect.

use super::cache::read_cache_life;
use super::messages::Messages;
use super::tools::{choose, read_tool_choice, read_tools};
use crate::client::output::{SchemaPlace, read_output};
use crate::client::parameters::{is_default, read_effort, read_metadata, read_service_tier};
use crate::client::read::{Path, Reader, required, wrong_kind};
use crate::client::web_search::{LocationPlace, read_web_search};
use crate::codec::json::Kind;
use crate::fault::Fault;
use crate::turn::{Ask, Escaped, Other, Request};

/// Stop sequences of one request, as OpenAI counts.
const STOP_MAX: usize = 4;

/// Values that say no more than leaving the parameter out, written without blanks.
const DEFAULTS: &[(&str, &[&str])] = &[
    ("frequency_penalty", &["0", "0.0"]),
    ("function_call", &["\"auto\"", "\"none\""]),
    ("functions", &["[]"]),
    ("logit_bias", &["{}"]),
    ("logprobs", &["false"]),
    ("modalities", &["[\"text\"]"]),
    ("n", &["1"]),
    ("presence_penalty", &["0", "0.0"]),
    ("store", &["false"]),
    ("top_logprobs", &["0"]),
    ("verbosity", &["\"medium\""]),
];

pub(super) fn decode<'a>(ask: &Ask<'a>) -> Result<Request<'a>, Fault> {
    let mut request = Request {
        stream: ask.stream,
        ..Request::default()
    };
    let mut messages = None;
    let mut tool_choice = None;
    // A null counts as absent.
    for member in ask.members.iter().filter(|member| member.value != "null") {
        let mut reader = Reader::new(member.value);
        let reader = &mut reader;
        match &*member.key {
            "messages" => messages = Some(Messages::read(reader)?),
            "tools" => request.tools = read_tools(reader)?,
            "tool_choice" => tool_choice = Some(read_tool_choice(reader)?),
            "parallel_tool_calls" => {
                let at = Path::top("parallel_tool_calls");
                request.parallel_tool_calls = Some(reader.boolean(&at)?);
            }
            "max_completion_tokens" => {
                read_max_tokens(reader, "max_completion_tokens", &mut request.max_tokens)?;
            }
            "max_tokens" => read_max_tokens(reader, "max_tokens", &mut request.max_tokens)?,
            "temperature" => {
                let at = Path::top("temperature");
                let range = "must be between 0 and 2";
                request.temperature = Some(reader.number(&at, 2.0, range)?);
            }
            "top_p" => {
                let at = Path::top("top_p");
                request.top_p = Some(reader.number(&at, 1.0, "must be between 0 and 1")?);
            }
            "stop" => request.stop = read_stop(reader)?,
            "reasoning_effort" => {
                request.effort = Some(read_effort(reader, &Path::top("reasoning_effort"))?);
            }
            // Whether the upstream caches by itself besides is for it to decide.
            "prompt_cache_options" => {
                let at = Path::top("prompt_cache_options");
                request.cache_life = read_cache_life(reader, &at)?;
            }
            "service_tier" => read_service_tier(reader, &mut request)?,
            "metadata" => request.metadata = read_metadata(reader)?,
            "response_format" => {
                let at = Path::top("response_format");
                request.output = read_output(reader, &at, SchemaPlace::Member)?;
            }
            // Read by `ask`.
            "model" | "stream" | "stream_options" => {}
            name if is_default(DEFAULTS, name, member.value) => {}
            "web_search_options" => {
                let at = Path::top("web_search_options");
                let place = LocationPlace::Member;
                let search = read_web_search(reader, &at, "web_search_options", place)?;
                request.web_search = Some(search);
            }
            _ => request.others.push(Other {
                name: member.key.clone(),
                value: Some(member.value),
            }),
        }
    }
    let messages = required(messages, &Path::top("messages"))?;
    request.messages = messages.list;
    if messages.has_image_detail {
        request.others.push(Other::named("image_url.detail"));
    }
    if messages.has_name {
        request.others.push(Other::named("messages.name"));
    }
    if let Some(choice) = tool_choice {
        request.tool_choice = Some(choose(choice, &mut request.tools)?);
    }
    Ok(request)
}

/// With both `max_tokens` and its successor the smaller holds: so neither is exceeded.
fn read_max_tokens(
    reader: &mut Reader<'_>,
    name: &'static str,
    slot: &mut Option<u64>,
) -> Result<(), Fault> {
    let count = reader.count(&Path::top(name))?;
    *slot = Some(slot.map_or(count, |other| other.min(count)));
    Ok(())
}

/// An empty stop sequence can end nothing, and is left out.
pub(in crate::client) fn read_stop<'a>(reader: &mut Reader<'a>) -> Result<Vec<Escaped<'a>>, Fault> {
    let at = Path::top("stop");
    let mut stop = Vec::new();
    match reader.kind() {
        Kind::String => stop.push(reader.escaped(&at)?),
        Kind::Array => reader.list(&at, STOP_MAX, |reader, index| {
            stop.push(reader.escaped(&at.item(index))?);
            Ok(())
        })?,
        Kind::Object | Kind::Bool | Kind::Null | Kind::Number => {
            return Err(wrong_kind(&at, "must be a string or a list of strings"));
        }
    }
    stop.retain(|text| !text.is_empty());
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ask::ask;
    use crate::codec::random::Random;
    use crate::turn::{Format, Output};

    /// What `fields` add to the least request; or the fault's code and text.
    #[track_caller]
    fn check(fields: &str, want: &str) {
        let body =
            format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}]{fields}}}"#);
        let asked = ask(Format::Chat, body.as_bytes()).unwrap();
        let got = match decode(&asked) {
            Ok(request) => outline(&request),
            Err(fault) => format!("{} {fault}", fault.code().unwrap()),
        };
        assert_eq!(got, want);
    }

    fn outline(request: &Request<'_>) -> String {
        let mut words = Vec::new();
        words.extend(request.stream.then(|| "stream".to_owned()));
        words.extend(request.max_tokens.map(|max| format!("max {max}")));
        words.extend(request.temperature.map(|raw| format!("temperature {raw}")));
        words.extend(request.top_p.map(|raw| format!("top_p {raw}")));
        words.extend(
            request
                .stop
                .iter()
                .map(|stop| format!("stop {}", stop.as_str())),
        );
        words.extend(request.effort.map(|effort| effort.as_str().to_owned()));
        words.extend(
            request
                .parallel_tool_calls
                .map(|is| format!("parallel {is}")),
        );
        words.extend(match &request.output {
            Output::Text => None,
            Output::JsonObject => Some("json".to_owned()),
            Output::Schema(schema) => {
                let description = schema.description.map_or("-", |text| text.as_str());
                Some(format!(
                    "schema {} {description} {} {:?}",
                    &*schema.name, schema.schema, schema.strict
                ))
            }
        });
        words.extend(
            request
                .others
                .iter()
                .map(|other| format!("+{}", &*other.name)),
        );
        words.join(", ")
    }

    #[test]
    fn sampling_stays_as_it_is_written() {
        check(
            r#","temperature":0.70,"top_p":1e-1"#,
            "temperature 0.70, top_p 1e-1",
        );
        check(
            r#","temperature":2.1"#,
            "invalid_value temperature: must be between 0 and 2",
        );
        check(r#","top_p":"1""#, "invalid_type top_p: must be a number");
    }

    #[test]
    fn of_two_token_limits_the_smaller_holds() {
        check(r#","max_tokens":5"#, "max 5");
        check(r#","max_completion_tokens":6"#, "max 6");
        check(r#","max_tokens":5,"max_completion_tokens":6"#, "max 5");
        check(r#","max_completion_tokens":4,"max_tokens":5"#, "max 4");
        check(
            r#","max_tokens":0"#,
            "invalid_value max_tokens: must be an integer of at least 1",
        );
    }

    #[test]
    fn stop_is_a_text_or_a_few() {
        check(r#","stop":"a\n""#, r"stop a\n");
        check(r#","stop":["a","","b"]"#, "stop a, stop b");
        check(r#","stop":[]"#, "");
        check(
            r#","stop":["a","b","c","d","e"]"#,
            "invalid_value stop: the list may have at most 4 items",
        );
        check(
            r#","stop":["a",7]"#,
            "invalid_type stop[1]: must be a string",
        );
        check(
            r#","stop":7"#,
            "invalid_type stop: must be a string or a list of strings",
        );
    }

    #[test]
    fn the_form_of_the_answer_is_read() {
        check(r#","response_format":{"type":"text"}"#, "");
        check(r#","response_format":{"type":"json_object"}"#, "json");
        check(
            r#","response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":{"a": 1},"strict":true}}"#,
            r#"schema n d {"a": 1} Some(true)"#,
        );
        check(
            r#","response_format":{"type":"json_schema","json_schema":{"name":"n"}}"#,
            "missing_required_parameter response_format.json_schema.schema: this field is required",
        );
        check(
            r#","response_format":{"type":"xml"}"#,
            "invalid_value response_format.type: must be text, json_object or json_schema",
        );
    }

    #[test]
    fn effort_is_a_known_word() {
        check(r#","reasoning_effort":"xhigh""#, "xhigh");
        check(
            r#","reasoning_effort":"huge""#,
            "invalid_value reasoning_effort: must be none, minimal, low, medium, high, xhigh or max",
        );
    }

    #[test]
    fn parallel_tool_calls_is_read() {
        check(r#","parallel_tool_calls":false"#, "parallel false");
    }

    #[test]
    fn what_has_no_place_is_told_by_name() {
        check(
            r#","seed":1,"n":2,"logit_bias":{"1":2},"x_vendor":{}"#,
            "+seed, +n, +logit_bias, +x_vendor",
        );
    }

    #[test]
    fn what_is_at_its_default_is_not_told() {
        check(
            r#","n":1,"logprobs":false,"presence_penalty":0,"frequency_penalty":0.0,"logit_bias":{ },"store":false,
                "service_tier":"auto","modalities":["text" ],"seed":null,"verbosity":"medium","top_logprobs":0"#,
            "",
        );
    }

    #[test]
    fn what_routing_read_is_not_told() {
        check(
            r#","stream":true,"stream_options":{"include_usage":true}"#,
            "stream",
        );
    }

    #[test]
    fn what_parts_ask_for_in_vain_is_told() {
        let body = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"x",
            "prompt_cache_breakpoint":{"mode":"explicit"}},{"type":"image_url","image_url":{"url":"http://a","detail":"low"}}]}]}"#;
        let asked = ask(Format::Chat, body.as_bytes()).unwrap();
        assert_eq!(outline(&decode(&asked).unwrap()), "+image_url.detail");
    }

    #[test]
    fn messages_are_required() {
        for body in [r#"{"model":"m"}"#, r#"{"model":"m","messages":null}"#] {
            let asked = ask(Format::Chat, body.as_bytes()).unwrap();
            let fault = decode(&asked).unwrap_err();
            assert_eq!(fault.to_string(), "messages: this field is required");
        }
    }

    #[test]
    fn a_tool_is_not_required_where_there_is_none() {
        check(
            r#","tool_choice":"required""#,
            "invalid_value tool_choice: a tool is required, and there are no tools",
        );
        check(r#","tool_choice":"none""#, "");
    }

    #[test]
    fn mutated_requests_never_panic_nor_lose_the_way() {
        const SOURCE: &[u8] = br#"{"model":"m","stream":true,"messages":[{"role":"system","content":"s"},
            {"role":"user","content":[{"type":"text","text":"a\n"},{"type":"image_url","image_url":{"url":"data:image\/png;base64,aGk="}},
            {"type":"file","file":{"file_data":"data:;base64,aGk=","filename":"a.pdf"}}]},
            {"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},
            {"role":"tool","tool_call_id":"1","content":"r"}],"temperature":0.5,"stop":["x"],"n":2,
            "tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"tool_choice":"auto",
            "response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}}}"#;
        let mut random = Random::new(51);
        let mut decoded = 0;
        for _ in 0..20_000 {
            let mut body = SOURCE.to_vec();
            random.mutate(&mut body, b"{}[],:\"\\ 0-1.entf");
            let Ok(asked) = ask(Format::Chat, &body) else {
                continue;
            };
            match decode(&asked) {
                Ok(_) => decoded += 1,
                Err(fault) => assert!(
                    !matches!(fault, Fault::Internal(_)),
                    "{fault}: {}",
                    body.escape_ascii()
                ),
            }
        }
        assert!(decoded > 500, "the test sees both sides: {decoded}");
    }
}
