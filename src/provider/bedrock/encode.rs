//! A request as a Converse body.
//!
//! Text is copied as the app escaped it; schemas and numbers are copied as written. Each part of the
//! request is mapped, left to the policy's `parameters` by [`Uncarried::leave`], or refused with the
//! field that is to blame; which of them is said where it is written.

use crate::codec::json::write_string;
use crate::fault::Fault;
use crate::turn::{Output, Request, Uncarried};

use super::super::quirks::Quirks;
use super::cache::Points;
use super::section::Section;
use super::settings::Settings;
use super::{messages, metadata, reasoning, sampling, tools};

/// Appends the body.
pub(super) fn write(
    request: &Request<'_>,
    quirks: &Quirks,
    settings: &Settings,
    uncarried: &mut Uncarried<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    for other in &request.others {
        uncarried.leave(&other.name)?;
    }
    let steering = reasoning::steering(request, quirks, uncarried)?;
    out.push(b'{');
    let mut points = Points::plan(request, quirks, uncarried)?;
    messages::write(request, quirks, &mut points, out)?;
    sampling::write(request, quirks, &steering, uncarried, out)?;
    let one_at_a_time = tools::write(request, quirks, &mut points, uncarried, out)?;
    let mut fields = Section::new(out, "additionalModelRequestFields");
    steering.write(&mut fields);
    if one_at_a_time {
        // Without a `type`, which would conflict with toolConfig.toolChoice.
        fields
            .member("tool_choice")
            .extend_from_slice(br#"{"disable_parallel_tool_use":true}"#);
    }
    fields.close();
    write_output(request, quirks, uncarried, out)?;
    settings.write(request, uncarried, out)?;
    if !request.metadata.is_empty() {
        metadata::write(&request.metadata, uncarried, out)?;
    }
    if !request.stop.is_empty() && quirks.stop && quirks.stop_told {
        out.extend_from_slice(br#","additionalModelResponseFieldPaths":["/stop_sequence"]"#);
    }
    out.push(b'}');
    Ok(())
}

/// A form to which the model can be held in no way is left to the policy: it would answer anything.
fn write_output(
    request: &Request<'_>,
    quirks: &Quirks,
    uncarried: &mut Uncarried<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let schema = match &request.output {
        Output::Text => return Ok(()),
        Output::Schema(schema) if quirks.output_schema => schema,
        Output::JsonObject | Output::Schema(_) => {
            return match tools::answer_tool(request, quirks) {
                Some(_) => Ok(()),
                None => uncarried.leave("response_format"),
            };
        }
    };
    out.extend_from_slice(
        br#","outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"#,
    );
    // A string that holds JSON.
    write_string(out, schema.schema.get());
    if !schema.name.is_empty() {
        out.extend_from_slice(br#","name":"#);
        write_string(out, &schema.name);
    }
    if let Some(description) = schema.description.filter(|text| !text.is_empty()) {
        out.extend_from_slice(br#","description":""#);
        out.extend_from_slice(description.as_str().as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b"}}}}");
    Ok(())
}

/// Requests for the tests of this room, and what becomes of them.
#[cfg(test)]
pub(super) mod case {
    use serde_json::value::RawValue;

    use super::{Fault, Quirks, Request, Settings, Uncarried};
    use crate::document;
    use crate::turn::{
        Escaped, Message, Parameters, Part, Role, Rule, Tool, ToolInput, ToolOutput,
    };

    pub(in super::super) const CLAUDE: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
    pub(in super::super) const UNKNOWN: &str = "acme.model-1";

    pub(in super::super) fn ask<'a>(messages: Vec<(Role, Vec<Part<'a>>)>) -> Request<'a> {
        let messages = messages.into_iter().enumerate();
        Request {
            messages: messages
                .map(|(index, (role, parts))| Message { role, parts, index })
                .collect(),
            ..Request::default()
        }
    }

    pub(in super::super) fn hello<'a>() -> Request<'a> {
        ask(vec![(Role::User, vec![text("hi")])])
    }

    pub(in super::super) fn text(content: &str) -> Part<'_> {
        Part::Text(Escaped::from_content(content))
    }

    pub(in super::super) fn call<'a>(id: &'a str, name: &'a str, arguments: &'a str) -> Part<'a> {
        Part::ToolCall {
            id: id.into(),
            name: name.into(),
            arguments: Escaped::from_content(arguments),
        }
    }

    pub(in super::super) fn result<'a>(id: &'a str, output: &'a str) -> Part<'a> {
        Part::ToolResult {
            id: id.into(),
            output: vec![ToolOutput::Text(Escaped::from_content(output))],
        }
    }

    pub(in super::super) fn tool(name: &str) -> Tool<'_> {
        Tool {
            name: name.into(),
            description: None,
            parameters: None,
            strict: None,
            cache: None,
            input: ToolInput::Json,
        }
    }

    pub(in super::super) fn raw(json: &str) -> &RawValue {
        serde_json::from_str(json).unwrap()
    }

    /// The body, and what was left behind.
    pub(in super::super) fn encoded(
        request: &Request<'_>,
        model: &str,
    ) -> Result<(String, Vec<String>), Fault> {
        let root = document::parse(b"{}").unwrap();
        let quirks = document::read(&root, |fields| Some(Quirks::resolve(model, fields))).unwrap();
        let rules = Parameters {
            default: Some(Rule::Warn),
            named: Vec::new(),
        };
        let mut uncarried = Uncarried::new(&rules);
        let mut body = Vec::new();
        let settings = Settings::default();
        super::write(request, &quirks, &settings, &mut uncarried, &mut body)?;
        let body = String::from_utf8(body).unwrap();
        let _valid: &RawValue = serde_json::from_str(&body).unwrap();
        Ok((body, uncarried.into_warned()))
    }

    /// `want` is the body after the messages of `hello`.
    #[track_caller]
    pub(in super::super) fn check(request: &Request<'_>, model: &str, want: &str, left: &[&str]) {
        let (body, warned) = encoded(request, model).unwrap();
        let hello = r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]"#;
        let rest = body.strip_prefix(hello).unwrap_or(&body);
        assert_eq!(rest.strip_suffix('}').unwrap(), want);
        assert_eq!(warned, left);
    }

    #[track_caller]
    pub(in super::super) fn refuse(request: &Request<'_>, model: &str, param: &str) {
        let fault = encoded(request, model).unwrap_err();
        assert_eq!((fault.status(), fault.param()), (400, Some(param)));
    }
}

#[cfg(test)]
mod tests {
    use super::case::{self, CLAUDE, UNKNOWN, check, hello, raw};
    use super::*;
    use crate::turn::{Escaped, Other, Schema};

    fn with_schema() -> Request<'static> {
        Request {
            output: Output::Schema(Schema {
                name: "answer".into(),
                description: Some(Escaped::from_content(r"a \u00e9")),
                schema: raw(r#"{"type":"object","title":"\"x\""}"#),
                strict: Some(true),
            }),
            ..hello()
        }
    }

    #[test]
    fn a_schema_is_carried_as_a_string() {
        check(
            &with_schema(),
            CLAUDE,
            r#","outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{\"type\":\"object\",\"title\":\"\\\"x\\\"\"}","name":"answer","description":"a \u00e9"}}}}"#,
            &[],
        );
    }

    #[test]
    fn a_model_without_schemas_answers_by_a_tool() {
        check(
            &with_schema(),
            "amazon.nova-lite-v1:0",
            r#","toolConfig":{"tools":[{"toolSpec":{"name":"tollgate_answer","description":"a \u00e9","inputSchema":{"json":{"type":"object","title":"\"x\""}}}}],"toolChoice":{"tool":{"name":"tollgate_answer"}}}"#,
            &[],
        );
    }

    #[test]
    fn a_schema_beside_reasoning_is_left_where_a_tool_would_carry_it() {
        let request = Request {
            effort: Some(crate::turn::Effort::Low),
            ..with_schema()
        };
        let (body, left) = case::encoded(&request, "amazon.nova-2-lite-v1:0").unwrap();
        assert!(!body.contains("toolConfig"), "{body}");
        assert_eq!(left, ["response_format"]);
    }

    #[test]
    fn some_json_object_is_what_a_tool_is_called_with() {
        let request = Request {
            output: Output::JsonObject,
            ..hello()
        };
        check(
            &request,
            CLAUDE,
            r#","toolConfig":{"tools":[{"toolSpec":{"name":"tollgate_answer","description":"Gives the answer: the JSON object that was asked for, as the arguments.","inputSchema":{"json":{"type":"object","additionalProperties":true}}}}],"toolChoice":{"tool":{"name":"tollgate_answer"}}}"#,
            &[],
        );
        check(
            &request,
            "anthropic.claude-opus-5-5",
            "",
            &["response_format"],
        );
    }

    #[test]
    fn other_parameters_are_left() {
        let request = Request {
            others: vec![Other::named("seed"), Other::named("n")],
            ..hello()
        };
        check(&request, UNKNOWN, "", &["seed", "n"]);
    }
}
