//! The whole request, for a translation.
//!
//! Each top-level member is read from its own span, in one pass. What has no place in the pivot goes
//! by name into `others`, unless it is at OpenAI's own default and so has no effect.
//!
//! The gateway stores nothing. `store` is answered as `false`, and left to the policy where it is asked
//! for; what needs an earlier request (`previous_response_id`, `conversation`), a later one
//! (`background`) or something stored at OpenAI (`prompt`) is refused.

use super::input::Input;
use super::tools::{Tools, choose, read_choice};
use crate::client::output::{SchemaPlace, read_output};
use crate::client::parameters::{is_default, read_effort, read_metadata, read_service_tier};
use crate::client::read::{Path, Reader, required, unsupported};
use crate::codec::json::Text;
use crate::fault::Fault;
use crate::turn::{Ask, Message, Other, Part, Request, Role};

/// Kinds of output that one can ask for.
const INCLUDE_MAX: usize = 32;

/// Values that say no more than leaving the parameter out, written without blanks.
const DEFAULTS: &[(&str, &[&str])] = &[
    ("background", &["false"]),
    ("context_management", &["[]"]),
    ("prompt_cache_options", &["{}", "{\"mode\":\"implicit\"}"]),
    ("store", &["false"]),
    ("top_logprobs", &["0"]),
    ("truncation", &["\"disabled\""]),
];

/// What needs something that is stored, and what to do instead.
const STATEFUL: &[(&str, &str)] = &[
    (
        "background",
        "this model answers at once only; leave background out and stream the answer",
    ),
    (
        "conversation",
        "this gateway stores no conversations; send the whole of it as input items",
    ),
    (
        "previous_response_id",
        "this gateway stores no responses; send the earlier input and output items as input, with \
         their reasoning items",
    ),
    (
        "prompt",
        "this gateway stores no prompts; send the prompt's text as instructions and input",
    ),
];

pub(super) fn decode<'a>(ask: &Ask<'a>) -> Result<Request<'a>, Fault> {
    let mut request = Request {
        stream: ask.stream,
        ..Request::default()
    };
    let mut input = None;
    let mut choice = None;
    let mut system = None;
    // A null counts as absent.
    for member in ask.members.iter().filter(|member| member.value != "null") {
        let reader = &mut Reader::new(member.value);
        match &*member.key {
            "input" => input = Some(Input::read(reader)?),
            "instructions" => system = Some(reader.escaped(&Path::top("instructions"))?),
            "tools" => {
                let tools = Tools::read(reader)?;
                request.tools = tools.list;
                request.others.extend(tools.hosted);
                request.web_search = tools.web_search;
            }
            "tool_choice" => choice = Some(read_choice(reader)?),
            "text" => read_text(reader, &mut request)?,
            "reasoning" => read_reasoning(reader, &mut request)?,
            "include" => read_include(reader, &mut request)?,
            "service_tier" => read_service_tier(reader, &mut request)?,
            "metadata" => request.metadata = read_metadata(reader)?,
            // Read by `ask`.
            "model" | "stream" | "stream_options" => {}
            name if is_default(DEFAULTS, name, member.value) => {}
            name => {
                if let Some((known, problem)) = STATEFUL.iter().find(|(known, _)| *known == name) {
                    return Err(unsupported(&Path::top(known), problem));
                }
                if !read_limits(name, reader, &mut request)? {
                    request.others.push(Other {
                        name: member.key.clone(),
                        value: Some(member.value),
                    });
                }
            }
        }
    }
    let input = required(input, &Path::top("input"))?;
    request.messages.extend(system.map(|text| Message {
        role: Role::System,
        parts: vec![Part::Text(text)],
        index: 0,
    }));
    request.messages.extend(input.list);
    request
        .others
        .extend(input.others.into_iter().map(Other::named));
    if let Some(choice) = choice {
        request.tool_choice = Some(choose(choice, &mut request.tools)?);
    }
    Ok(request)
}

/// Reads limits and sampling; tells whether `name` is one of them.
fn read_limits<'a>(
    name: &str,
    reader: &mut Reader<'a>,
    request: &mut Request<'a>,
) -> Result<bool, Fault> {
    match name {
        "parallel_tool_calls" => {
            let at = Path::top("parallel_tool_calls");
            request.parallel_tool_calls = Some(reader.boolean(&at)?);
        }
        "max_output_tokens" => {
            request.max_tokens = Some(reader.count(&Path::top("max_output_tokens"))?);
        }
        "temperature" => {
            let at = Path::top("temperature");
            let range = "must be between 0 and 2";
            request.temperature = Some(reader.number(&at, 2.0, range)?);
        }
        "top_p" => {
            let at = Path::top("top_p");
            request.top_p = Some(reader.number(&at, 1.0, "must be between 0 and 1")?);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn read_text<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), Fault> {
    let at = Path::top("text");
    reader.object(&at, |reader, key| match key {
        "format" => {
            request.output = read_output(reader, &at.field("format"), SchemaPlace::Beside)?;
            Ok(())
        }
        "verbosity" => {
            let value = reader.skip()?;
            let at = at.field("verbosity");
            if Reader::new(value).text(&at)? != "medium" {
                request.others.push(Other {
                    name: Text::from("verbosity"),
                    value: Some(value),
                });
            }
            Ok(())
        }
        _ => reader.skip().map(drop),
    })
}

/// `summary` needs no mapping: reasoning is told as far as the model shows it.
fn read_reasoning<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), Fault> {
    let at = Path::top("reasoning");
    reader.object(&at, |reader, key| match key {
        "effort" => {
            request.effort = Some(read_effort(reader, &at.field("effort"))?);
            Ok(())
        }
        "mode" => {
            if reader.text(&at.field("mode"))? != "standard" {
                request.others.push(Other::named("reasoning.mode"));
            }
            Ok(())
        }
        "context" => {
            if reader.text(&at.field("context"))? != "auto" {
                request.others.push(Other::named("reasoning.context"));
            }
            Ok(())
        }
        _ => reader.skip().map(drop),
    })
}

/// What carries reasoning back is always in the answer, for nothing is stored. The rest asks for more of
/// what hosted tools did, which there is none of, but for probabilities.
fn read_include<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), Fault> {
    let at = Path::top("include");
    reader.list(&at, INCLUDE_MAX, |reader, index| {
        if reader.text(&at.item(index))? == "message.output_text.logprobs" {
            request.others.push(Other::named("logprobs"));
        }
        Ok(())
    })
}
