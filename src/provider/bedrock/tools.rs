//! `toolConfig`: the tools, and how they are chosen.
//!
//! - AWS wants `toolConfig` wherever the conversation has calls or results. Where the app sends no tools
//!   any more, the names that were called stand for them, with schemas that take anything.
//! - Converse has no way to say `none`. Without calls in the conversation the tools are left out, which
//!   is the same. With calls they must stay, and `tool_choice.none` is told as not carried.
//! - `auto` is AWS's default and not sent, but for Claude's switch for one call at a time, which wants a
//!   choice beside it.
//! - A choice that the model cannot be made to follow is not carried; neither is `strict`, as
//!   `tools.strict`, nor one call at a time where there is no switch.
//! - A schema for the answer goes to a model without schemas as a tool that it must call: the call's
//!   arguments are the answer ([`ANSWER_TOOL`]). So does the wish for some JSON object, to any model: what
//!   a tool is called with is an object whatever the model does. It takes a request without tools, calls and
//!   reasoning, and a model that can be made to call a tool.
//! - The wish to search the web goes as the system tool that the model has, if it has one.
//! - A tool without parameters takes an empty object. Names are checked; ids of calls that AWS would
//!   refuse become a hash, the same for the call and its result.

use std::collections::BTreeSet;

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::codec::json::{validate, write_escaped, write_string_content};
use crate::fault::{Fault, Invalid};
use crate::turn::{
    Effort, Output, Part, Request, Schema, TEXT_INPUT, Tool, ToolChoice, ToolInput, Uncarried,
};

use super::super::quirks::{ForcedTools, ParallelSwitch, Quirks, SearchTool, ToolId};
use super::cache::{self, Points};

/// The tool whose arguments are the answer's text. Apps' tools may not have its name.
pub(super) const ANSWER_TOOL: &str = "tollgate_answer";

/// The form of the answer that goes to the model as a tool.
pub(super) enum AnswerTool<'r, 'a> {
    /// JSON that obeys a schema.
    Schema(&'r Schema<'a>),
    /// Some JSON object: what a tool is called with is one.
    Object,
}

/// The tool that stands for the answer, where one does.
pub(super) fn answer_tool<'r, 'a>(
    request: &'r Request<'a>,
    quirks: &Quirks,
) -> Option<AnswerTool<'r, 'a>> {
    let tool = match &request.output {
        Output::Schema(schema) if !quirks.output_schema => AnswerTool::Schema(schema),
        Output::JsonObject => AnswerTool::Object,
        Output::Text | Output::Schema(_) => return None,
    };
    let reasons = !matches!(request.effort, None | Some(Effort::None));
    let is_free = request.tools.is_empty() && !has_calls(request) && !reasons;
    let is_free = is_free && search_tool(request, quirks).is_none();
    (is_free && quirks.forced_tools != ForcedTools::No).then_some(tool)
}

/// The system tool by which the model searches the web, where the app wants it to and it can.
fn search_tool(request: &Request<'_>, quirks: &Quirks) -> Option<&'static str> {
    let may_call = !matches!(request.tool_choice, Some(ToolChoice::None));
    let is_wanted = may_call && request.web_search.is_some();
    (is_wanted && quirks.search_tool == SearchTool::NovaGrounding).then_some(NOVA_GROUNDING)
}

/// Its calls come back as any tool's, but Bedrock answers them itself.
pub(super) const NOVA_GROUNDING: &str = "nova_grounding";

fn write_search_tool(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"systemTool":{"name":""#);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(br#""}}"#);
}

fn write_answer_tool(tool: &AnswerTool<'_, '_>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#","toolConfig":{"tools":[{"toolSpec":{"name":""#);
    out.extend_from_slice(ANSWER_TOOL.as_bytes());
    out.push(b'"');
    let description = match tool {
        AnswerTool::Schema(schema) => schema.description.map_or("", |text| text.as_str()),
        AnswerTool::Object => {
            "Gives the answer: the JSON object that was asked for, as the arguments."
        }
    };
    if !description.is_empty() {
        out.extend_from_slice(br#","description":""#);
        out.extend_from_slice(description.as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(br#","inputSchema":{"json":"#);
    out.extend_from_slice(match tool {
        AnswerTool::Schema(schema) => schema.schema.get().as_bytes(),
        AnswerTool::Object => br#"{"type":"object","additionalProperties":true}"#,
    });
    out.extend_from_slice(br#"}}}],"toolChoice":{"tool":{"name":""#);
    out.extend_from_slice(ANSWER_TOOL.as_bytes());
    out.extend_from_slice(br#""}}}"#);
}

/// Appends `toolConfig`, if there is one. Tells whether Claude's switch for one call at a time has to go
/// into the additional fields.
pub(super) fn write(
    request: &Request<'_>,
    quirks: &Quirks,
    points: &mut Points,
    uncarried: &mut Uncarried<'_>,
    out: &mut Vec<u8>,
) -> Result<bool, Fault> {
    let search = search_tool(request, quirks);
    if let Some(wanted) = &request.web_search
        && quirks.search_tool != SearchTool::NovaGrounding
    {
        uncarried.leave(wanted.name)?;
    }
    if request.tools.is_empty() {
        if let Some(ToolChoice::Required | ToolChoice::Named(_)) = request.tool_choice {
            return Err(Fault::from(Invalid::value(
                "tool_choice",
                "there are no tools to call; send tools, or leave tool_choice out",
            )));
        }
        match answer_tool(request, quirks) {
            Some(tool) => write_answer_tool(&tool, out),
            None => write_called(request, search, out),
        }
        return Ok(false);
    }
    if matches!(request.tool_choice, Some(ToolChoice::None)) {
        if !has_calls(request) {
            return Ok(false);
        }
        uncarried.leave("tool_choice.none")?;
    }
    let mut before: &[u8] = br#","toolConfig":{"tools":["#;
    for (at, tool) in request.tools.iter().enumerate() {
        out.extend_from_slice(before);
        write_tool(tool, at, quirks, uncarried, out)?;
        before = b",";
        if tool.cache.is_some()
            && let Some(life) = points.tools.next().flatten()
        {
            out.push(b',');
            cache::write(life, out);
        }
    }
    if let Some(name) = search {
        out.push(b',');
        write_search_tool(name, out);
    }
    out.push(b']');
    let one_at_a_time = match (request.parallel_tool_calls, quirks.parallel_switch) {
        (Some(false), ParallelSwitch::Anthropic) => true,
        (Some(false), ParallelSwitch::None) => {
            uncarried.leave("parallel_tool_calls")?;
            false
        }
        (Some(true) | None, _) => false,
    };
    write_choice(request, quirks, one_at_a_time, uncarried, out)?;
    out.push(b'}');
    Ok(one_at_a_time)
}

fn write_choice(
    request: &Request<'_>,
    quirks: &Quirks,
    one_at_a_time: bool,
    uncarried: &mut Uncarried<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let auto = |out: &mut Vec<u8>| {
        if one_at_a_time {
            out.extend_from_slice(br#","toolChoice":{"auto":{}}"#);
        }
    };
    match &request.tool_choice {
        None | Some(ToolChoice::Auto | ToolChoice::None) => auto(out),
        Some(_) if quirks.forced_tools == ForcedTools::No => {
            uncarried.leave("tool_choice")?;
            auto(out);
        }
        Some(ToolChoice::Required) => out.extend_from_slice(br#","toolChoice":{"any":{}}"#),
        Some(ToolChoice::Named(name)) => {
            check_name(name, || "tool_choice.function.name".to_owned())?;
            out.extend_from_slice(br#","toolChoice":{"tool":{"name":""#);
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(br#""}}"#);
        }
    }
    Ok(())
}

const ANY_OBJECT: &str = r#"{"type":"object","properties":{}}"#;

fn write_tool(
    tool: &Tool<'_>,
    at: usize,
    quirks: &Quirks,
    uncarried: &mut Uncarried<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    check_name(&tool.name, || format!("tools[{at}].function.name"))?;
    if &*tool.name == ANSWER_TOOL {
        return Err(Fault::from(Invalid::value(
            format!("tools[{at}].function.name"),
            "this name is the gateway's own; choose another",
        )));
    }
    out.extend_from_slice(br#"{"toolSpec":{"name":""#);
    out.extend_from_slice(tool.name.as_bytes());
    out.push(b'"');
    write_description(br#","description":"#, tool, out);
    out.extend_from_slice(br#","inputSchema":{"json":"#);
    let schema = match (&tool.input, tool.parameters) {
        (ToolInput::Text | ToolInput::Grammar { .. }, _) => {
            write_text_schema(out);
            ""
        }
        (ToolInput::Json, None) => ANY_OBJECT,
        (ToolInput::Json, Some(raw)) => {
            let inside = raw.get().strip_prefix('{').unwrap_or_default();
            // `{}` means no parameters to OpenAI, and a schema without a type to AWS.
            if inside.trim_start() == "}" {
                ANY_OBJECT
            } else {
                raw.get()
            }
        }
    };
    out.extend_from_slice(schema.as_bytes());
    out.push(b'}');
    if tool.strict == Some(true) {
        if quirks.strict_tools {
            out.extend_from_slice(br#","strict":true"#);
        } else {
            uncarried.leave("tools.strict")?;
        }
    }
    out.extend_from_slice(b"}}");
    Ok(())
}

/// Appends `before` and the description, if there is one; tells whether there is. A grammar, to which no
/// model of Bedrock can be held, is told in it.
pub(in crate::provider) fn write_description(
    before: &[u8],
    tool: &Tool<'_>,
    out: &mut Vec<u8>,
) -> bool {
    let description = tool.description.unwrap_or_default();
    if description.is_empty() && !matches!(tool.input, ToolInput::Grammar { .. }) {
        return false;
    }
    out.extend_from_slice(before);
    out.push(b'"');
    out.extend_from_slice(description.as_str().as_bytes());
    if let ToolInput::Grammar { syntax, definition } = &tool.input {
        out.extend_from_slice(br"\n\nThe input has to follow this ");
        write_string_content(out, syntax);
        out.extend_from_slice(br" grammar:\n");
        out.extend_from_slice(definition.as_str().as_bytes());
    }
    out.push(b'"');
    true
}

/// What a tool that takes text is called with; the text is escaped already.
pub(in crate::provider) fn write_text_input(content: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{""#);
    out.extend_from_slice(TEXT_INPUT.as_bytes());
    out.extend_from_slice(br#"":"#);
    write_escaped(out, content);
    out.push(b'}');
}

/// Of a tool that takes text.
pub(in crate::provider) fn write_text_schema(out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"object","properties":{""#);
    out.extend_from_slice(TEXT_INPUT.as_bytes());
    out.extend_from_slice(br#"":{"type":"string"}},"required":[""#);
    out.extend_from_slice(TEXT_INPUT.as_bytes());
    out.extend_from_slice(br#""]}"#);
}

/// The tools that the conversation called, for an app that sends none any more; and the one that searches.
fn write_called(request: &Request<'_>, search: Option<&str>, out: &mut Vec<u8>) {
    let mut seen = BTreeSet::new();
    let mut before: &[u8] = br#","toolConfig":{"tools":["#;
    for part in parts(request) {
        let (Part::ToolCall { name, .. } | Part::TextCall { name, .. }) = part else {
            continue;
        };
        if !seen.insert(&**name) {
            continue;
        }
        out.extend_from_slice(before);
        // The name was checked where the call was written.
        out.extend_from_slice(br#"{"toolSpec":{"name":""#);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(br#"","inputSchema":{"json":"#);
        out.extend_from_slice(ANY_OBJECT.as_bytes());
        out.extend_from_slice(b"}}}");
        before = b",";
    }
    if let Some(name) = search {
        out.extend_from_slice(before);
        write_search_tool(name, out);
    }
    if search.is_some() || !seen.is_empty() {
        out.extend_from_slice(b"]}");
    }
}

fn has_calls(request: &Request<'_>) -> bool {
    parts(request).any(|part| {
        matches!(
            part,
            Part::ToolCall { .. } | Part::TextCall { .. } | Part::ToolResult { .. }
        )
    })
}

fn parts<'r, 'a>(request: &'r Request<'a>) -> impl Iterator<Item = &'r Part<'a>> {
    request.messages.iter().flat_map(|message| &message.parts)
}

/// AWS's bound for ids and names.
const NAME_BYTES_MAX: usize = 64;

/// Refuses a name that AWS would refuse. What it lets pass needs no escape in JSON.
pub(super) fn check_name(name: &str, param: impl FnOnce() -> String) -> Result<(), Fault> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_legal) {
        return Ok(());
    }
    Err(Fault::from(Invalid::value(
        param(),
        "a tool's name has 1 to 64 letters, digits, _ and -",
    )))
}

/// Writes an id as the model takes it, without quotes. What it writes needs no escape in JSON.
pub(super) fn write_id(out: &mut Vec<u8>, id: &str, form: ToolId) {
    let is_alphanumeric = |byte: u8| byte.is_ascii_alphanumeric();
    let is_legal = match form {
        ToolId::Converse => {
            (1..=NAME_BYTES_MAX).contains(&id.len())
                && id
                    .bytes()
                    .all(|byte| is_alphanumeric(byte) || b"_.:-".contains(&byte))
        }
        ToolId::NineAlphanumeric => id.len() == SHORT_BYTES && id.bytes().all(is_alphanumeric),
    };
    if is_legal {
        out.extend_from_slice(id.as_bytes());
        return;
    }
    // Letters of a hash: 32 of 5 bits for Converse, 9 for the others.
    let (prefix, letters): (&[u8], _) = match form {
        ToolId::Converse => (b"call_", 32),
        ToolId::NineAlphanumeric => (b"", SHORT_BYTES),
    };
    out.extend_from_slice(prefix);
    let digest = Sha256::digest(id.as_bytes());
    let hashed = digest.iter().take(letters);
    out.extend(hashed.map(|byte| {
        let letter = LETTERS.get(usize::from(byte % 32));
        letter.copied().unwrap_or(b'a')
    }));
}

const SHORT_BYTES: usize = 9;
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Some models write several objects in a row where one is due. Empty ones say nothing; of the others,
/// one is the input, and more become the list `arguments` in one object, so that nothing is lost.
pub(in crate::provider) fn one_object(text: &str) -> Option<String> {
    let mut objects = Vec::new();
    for object in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        let object = object.ok()?.get();
        let inside = object.strip_prefix('{')?.trim_start();
        validate(object.as_bytes()).ok()?;
        if inside != "}" {
            objects.push(object);
        }
    }
    Some(match objects.as_slice() {
        [] => "{}".to_owned(),
        [object] => (*object).to_owned(),
        objects => format!(r#"{{"arguments":[{}]}}"#, objects.join(",")),
    })
}

#[cfg(test)]
mod tests {
    use super::super::encode::case::{
        CLAUDE, UNKNOWN, ask, call, check, encoded, hello, raw, refuse, result, text, tool,
    };
    use super::*;
    use crate::limits::PARTS_MAX;
    use crate::turn::{Escaped, Role};

    const SPEC: &str =
        r#"{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object","properties":{}}}}}"#;

    fn with<'a>(choice: Option<ToolChoice<'a>>) -> Request<'a> {
        Request {
            tools: vec![tool("f")],
            tool_choice: choice,
            ..hello()
        }
    }

    fn looped<'a>() -> Request<'a> {
        ask(vec![
            (Role::User, vec![text("hi")]),
            (
                Role::Assistant,
                vec![call("a", "f", "{}"), call("b", "f", "")],
            ),
            (Role::Tool, vec![result("a", "1")]),
            (Role::Tool, vec![result("b", "2")]),
        ])
    }

    #[track_caller]
    fn check_choice(choice: Option<ToolChoice<'_>>, want: &str) {
        let want = format!(r#","toolConfig":{{"tools":[{SPEC}]{want}}}"#);
        check(&with(choice), UNKNOWN, &want, &[]);
    }

    #[test]
    fn choices_are_auto_any_and_one() {
        check_choice(None, "");
        check_choice(Some(ToolChoice::Auto), "");
        check_choice(Some(ToolChoice::Required), r#","toolChoice":{"any":{}}"#);
        check_choice(
            Some(ToolChoice::Named("f".into())),
            r#","toolChoice":{"tool":{"name":"f"}}"#,
        );
    }

    #[test]
    fn a_tool_has_not_the_name_of_the_gateways_own() {
        let request = Request {
            tools: vec![tool(ANSWER_TOOL)],
            ..hello()
        };
        refuse(&request, UNKNOWN, "tools[0].function.name");
    }

    #[test]
    fn no_tools_are_sent_where_none_may_be_called() {
        check(&with(Some(ToolChoice::None)), UNKNOWN, "", &[]);
    }

    #[test]
    fn a_call_of_no_tool_cannot_be_forced() {
        let request = Request {
            tool_choice: Some(ToolChoice::Required),
            ..hello()
        };
        refuse(&request, UNKNOWN, "tool_choice");
    }

    #[test]
    fn tools_stay_where_the_conversation_has_calls() {
        let request = Request {
            tools: vec![tool("f")],
            tool_choice: Some(ToolChoice::None),
            ..looped()
        };
        let (body, left) = encoded(&request, UNKNOWN).unwrap();
        assert!(body.contains(SPEC));
        assert_eq!(left, ["tool_choice.none"]);
    }

    #[test]
    fn names_that_were_called_stand_for_tools_that_are_gone() {
        let (body, left) = encoded(&looped(), UNKNOWN).unwrap();
        let want = format!(r#","toolConfig":{{"tools":[{SPEC}]}}}}"#);
        assert!(body.ends_with(&want), "{body}");
        assert!(left.is_empty());
    }

    /// One look at all names for each would take minutes here.
    #[test]
    fn many_names_that_were_called_take_time_in_proportion() {
        let names: Vec<String> = (0..PARTS_MAX).map(|at| format!("f{at:08}")).collect();
        let calls = names.iter().map(|name| call("a", name, "")).collect();
        let request = ask(vec![
            (Role::User, vec![text("hi")]),
            (Role::Assistant, calls),
        ]);
        let (body, _) = encoded(&request, UNKNOWN).unwrap();
        assert_eq!(body.matches("toolSpec").count(), PARTS_MAX);
    }

    #[test]
    fn a_model_that_cannot_be_forced_leaves_the_choice() {
        check(
            &with(Some(ToolChoice::Required)),
            "anthropic.claude-opus-5-5",
            &format!(r#","toolConfig":{{"tools":[{SPEC}]}}"#),
            &["tool_choice"],
        );
    }

    #[test]
    fn a_tool_has_its_description_schema_and_strictness() {
        let request = |model| {
            let request = Request {
                tools: vec![Tool {
                    description: Some(Escaped::from_content(r"a\n")),
                    parameters: Some(raw(r#"{"type": "object"}"#)),
                    strict: Some(true),
                    ..tool("f")
                }],
                ..hello()
            };
            encoded(&request, model).unwrap()
        };
        let (body, left) = request(CLAUDE);
        let spec = r#"{"name":"f","description":"a\n","inputSchema":{"json":{"type": "object"}},"strict":true}"#;
        assert!(body.contains(spec), "{body}");
        assert!(left.is_empty());
        let (body, left) = request("amazon.nova-lite-v1:0");
        assert!(!body.contains("strict"));
        assert_eq!(left, ["tools.strict"]);
    }

    #[test]
    fn a_schema_of_nothing_is_an_empty_object() {
        let request = Request {
            tools: vec![Tool {
                description: Some(Escaped::default()),
                parameters: Some(raw("{ }")),
                ..tool("f")
            }],
            ..hello()
        };
        let want = format!(r#","toolConfig":{{"tools":[{SPEC}]}}"#);
        check(&request, UNKNOWN, &want, &[]);
    }

    #[test]
    fn one_call_at_a_time_has_a_switch_at_claude_only() {
        let request = Request {
            parallel_tool_calls: Some(false),
            ..with(None)
        };
        check(
            &request,
            CLAUDE,
            &format!(
                r#","toolConfig":{{"tools":[{SPEC}],"toolChoice":{{"auto":{{}}}}}},"additionalModelRequestFields":{{"tool_choice":{{"disable_parallel_tool_use":true}}}}"#
            ),
            &[],
        );
        let (_, left) = encoded(&request, UNKNOWN).unwrap();
        assert_eq!(left, ["parallel_tool_calls"]);
    }

    #[test]
    fn a_name_that_aws_refuses_is_refused_with_its_place() {
        let request = Request {
            tools: vec![tool("ok"), tool("not.ok")],
            ..hello()
        };
        refuse(&request, UNKNOWN, "tools[1].function.name");
        refuse(
            &with(Some(ToolChoice::Named("".into()))),
            UNKNOWN,
            "tool_choice.function.name",
        );
    }

    fn written(id: &str, form: ToolId) -> String {
        let mut out = Vec::new();
        write_id(&mut out, id, form);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn legal_ids_stay_and_others_are_hashed_the_same_every_time() {
        assert_eq!(written("call_1.:-", ToolId::Converse), "call_1.:-");
        for id in ["", "a b", "\"", &"x".repeat(65)] {
            let hashed = written(id, ToolId::Converse);
            assert_eq!(hashed.len(), 37);
            assert_eq!(written(&hashed, ToolId::Converse), hashed);
            assert_eq!(written(id, ToolId::Converse), hashed);
        }
        assert_ne!(
            written("a b", ToolId::Converse),
            written("a c", ToolId::Converse)
        );
    }

    #[test]
    fn short_ids_have_nine_letters() {
        assert_eq!(written("abcDEF123", ToolId::NineAlphanumeric), "abcDEF123");
        let short = written("call_abc", ToolId::NineAlphanumeric);
        assert_eq!(written(&short, ToolId::NineAlphanumeric), short);
    }

    #[test]
    fn a_call_and_its_result_have_the_same_id() {
        let request = ask(vec![
            (Role::User, vec![text("hi")]),
            (Role::Assistant, vec![call("call_1", "f", "{}")]),
            (Role::Tool, vec![result("call_1", "1")]),
        ]);
        let (body, _) = encoded(&request, "mistral.mistral-large-2407-v1:0").unwrap();
        let id = written("call_1", ToolId::NineAlphanumeric);
        let quoted = format!(r#""toolUseId":"{id}""#);
        assert_eq!(body.matches(&quoted).count(), 2, "{body}");
    }

    #[test]
    fn objects_in_a_row_are_one() {
        for (several, want) in [
            (r#"{} {"a":1}"#, r#"{"a":1}"#),
            (
                r#"{"a":1}{"b":[2]}"#,
                r#"{"arguments":[{"a":1},{"b":[2]}]}"#,
            ),
            ("{}{}", "{}"),
        ] {
            assert_eq!(one_object(several).as_deref(), Some(want));
        }
        for broken in [r#"{"a":1}{"#, r#"{"a":1} 7"#, "7 8"] {
            assert_eq!(one_object(broken), None);
        }
    }
}
