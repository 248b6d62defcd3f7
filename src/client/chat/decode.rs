//! The whole request, for a translation.
//!
//! Each top-level member is read from its own span, in one pass. What has no place in the pivot goes
//! by name into `others`, unless it is at OpenAI's own default and so has no effect.

use super::messages::Messages;
use super::tools::{check_tool_choice, read_name, read_tool_choice, read_tools};
use crate::client::read::{Path, Reader, required, set, wrong_kind, wrong_value};
use crate::codec::json::{Kind, Text};
use crate::fault::Fault;
use crate::turn::{Ask, Effort, Escaped, Output, Request, Schema};

/// Stop sequences of one request, as OpenAI counts.
const STOP_MAX: usize = 4;

/// Values that say no more than leaving the parameter out, written without blanks.
const DEFAULTS: &[(&str, &[&str])] = &[
    ("frequency_penalty", &["0", "0.0"]),
    ("function_call", &["\"auto\"", "\"none\""]),
    ("functions", &["[]"]),
    ("logit_bias", &["{}"]),
    ("logprobs", &["false"]),
    ("metadata", &["{}"]),
    ("modalities", &["[\"text\"]"]),
    ("n", &["1"]),
    ("presence_penalty", &["0", "0.0"]),
    ("prompt_cache_options", &["{}", "{\"mode\":\"implicit\"}"]),
    ("service_tier", &["\"auto\""]),
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
    // A null counts as absent.
    for member in ask.members.iter().filter(|member| member.value != "null") {
        let mut reader = Reader::new(member.value);
        let reader = &mut reader;
        match &*member.key {
            "messages" => messages = Some(Messages::read(reader)?),
            "tools" => request.tools = read_tools(reader)?,
            "tool_choice" => request.tool_choice = Some(read_tool_choice(reader)?),
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
            "reasoning_effort" => request.effort = Some(read_effort(reader)?),
            "response_format" => request.output = read_output(reader)?,
            // Read by `ask`.
            "model" | "stream" | "stream_options" => {}
            name if is_default(name, member.value) => {}
            _ => request.others.push(member.key.clone()),
        }
    }
    let messages = required(messages, &Path::top("messages"))?;
    request.messages = messages.list;
    if messages.has_image_detail {
        request.others.push(Text::from("image_url.detail"));
    }
    if messages.has_cache_breakpoint {
        request.others.push(Text::from("prompt_cache_breakpoint"));
    }
    if let Some(choice) = &request.tool_choice {
        check_tool_choice(choice, &request.tools)?;
    }
    Ok(request)
}

fn is_default(name: &str, value: &str) -> bool {
    let Some((_, defaults)) = DEFAULTS.iter().find(|(known, _)| *known == name) else {
        return false;
    };
    defaults.iter().any(|default| {
        let written = value.bytes().filter(|byte| !byte.is_ascii_whitespace());
        written.eq(default.bytes())
    })
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
fn read_stop<'a>(reader: &mut Reader<'a>) -> Result<Vec<Escaped<'a>>, Fault> {
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

fn read_effort(reader: &mut Reader<'_>) -> Result<Effort, Fault> {
    let at = Path::top("reasoning_effort");
    Effort::parse(&reader.text(&at)?).ok_or_else(|| {
        wrong_value(
            &at,
            "must be none, minimal, low, medium, high, xhigh or max",
        )
    })
}

fn read_output<'a>(reader: &mut Reader<'a>) -> Result<Output<'a>, Fault> {
    let at = Path::top("response_format");
    let mut kind = None;
    let mut schema = None;
    reader.object(&at, |reader, key| match key {
        "type" => {
            let at = at.field("type");
            set(&mut kind, reader.text(&at)?, &at)
        }
        "json_schema" => {
            let at = at.field("json_schema");
            set(&mut schema, read_schema(reader, &at)?, &at)
        }
        _ => reader.skip().map(drop),
    })?;
    let kind_at = at.field("type");
    match &*required(kind, &kind_at)? {
        "text" => Ok(Output::Text),
        "json_object" => Ok(Output::JsonObject),
        "json_schema" => Ok(Output::Schema(required(schema, &at.field("json_schema"))?)),
        _ => Err(wrong_value(
            &kind_at,
            "must be text, json_object or json_schema",
        )),
    }
}

fn read_schema<'a>(reader: &mut Reader<'a>, at: &Path<'_>) -> Result<Schema<'a>, Fault> {
    let mut name = None;
    let mut description = None;
    let mut schema = None;
    let mut strict = None;
    reader.object(at, |reader, key| match key {
        "name" => {
            let at = at.field("name");
            set(&mut name, read_name(reader, &at)?, &at)
        }
        "description" => {
            let at = at.field("description");
            set(&mut description, reader.escaped(&at)?, &at)
        }
        "schema" => {
            let at = at.field("schema");
            set(&mut schema, reader.raw_object(&at)?, &at)
        }
        "strict" => {
            let at = at.field("strict");
            set(&mut strict, reader.boolean(&at)?, &at)
        }
        _ => reader.skip().map(drop),
    })?;
    Ok(Schema {
        name: required(name, &at.field("name"))?,
        description,
        schema: required(schema, &at.field("schema"))?,
        strict,
    })
}
