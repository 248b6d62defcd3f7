//! Return of control: an agent leaves a tool to the app, and gets its result in the next request.
//!
//! An app tells a result by the call's id alone, but the agent wants to hear of the invocation, the action
//! group and the function or operation again. The gateway keeps nothing, so the id says it all: fields
//! between colons, whose other characters are `.` and two hexadecimal digits:
//! ```text
//! tgc1 : session, if it was new : invocation : place : kind : action group : function, or method and path : agent
//! ```
//! A function is called by its name, an operation as `get_orders_orderId`. Where the agent asks for a
//! confirmation, the result `confirm` or `yes` confirms, and anything else denies.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::codec::json::{Text, unescape, validate, write_string, write_string_content};
use crate::fault::{Fault, Invalid};
use crate::turn::{Message, Part, ToolOutput};

use super::faults::unreadable;
use super::placed;
use super::session;

/// What an agent leaves to the app.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Control<'a> {
    #[serde(borrow, default)]
    invocation_id: Text<'a>,
    #[serde(borrow, default)]
    invocation_inputs: Vec<Input<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input<'a> {
    #[serde(borrow)]
    function_invocation_input: Option<Action<'a>>,
    #[serde(borrow)]
    api_invocation_input: Option<Action<'a>>,
}

/// A function or an operation; each has its own fields among these.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Action<'a> {
    #[serde(borrow, default)]
    action_group: Text<'a>,
    #[serde(borrow, default)]
    action_invocation_type: Text<'a>,
    #[serde(borrow, default)]
    agent_id: Text<'a>,
    #[serde(borrow, default)]
    function: Text<'a>,
    #[serde(borrow, default)]
    api_path: Text<'a>,
    #[serde(borrow, default)]
    http_method: Text<'a>,
    #[serde(borrow, default)]
    parameters: Vec<Parameter<'a>>,
    #[serde(borrow)]
    request_body: Option<RequestBody<'a>>,
}

#[derive(Deserialize)]
struct RequestBody<'a> {
    #[serde(borrow, default)]
    content: BTreeMap<String, Properties<'a>>,
}

#[derive(Deserialize)]
struct Properties<'a> {
    #[serde(borrow, default)]
    properties: Vec<Parameter<'a>>,
}

#[derive(Deserialize)]
struct Parameter<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    value: Text<'a>,
}

/// A call as the app sees it; the arguments are JSON.
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: Vec<u8>,
}

impl Control<'_> {
    /// The calls in their order. `session` is the session that they belong to.
    pub(super) fn calls(&self, session: &str) -> Result<Vec<Call>, Fault> {
        let inputs = self.invocation_inputs.iter().enumerate();
        inputs
            .map(|(place, input)| {
                let (action, is_function) = match input {
                    Input {
                        function_invocation_input: Some(action),
                        ..
                    } => (action, true),
                    Input {
                        api_invocation_input: Some(action),
                        ..
                    } => (action, false),
                    Input { .. } => return Err(unreadable()),
                };
                Ok(self.call(session, place, action, is_function))
            })
            .collect()
    }

    fn call(&self, session: &str, place: usize, action: &Action<'_>, is_function: bool) -> Call {
        let operation = format!("{} {}", &*action.http_method, &*action.api_path);
        let (kind, called) = match &*action.action_invocation_type {
            "USER_CONFIRMATION" if is_function => ("fc", &*action.function),
            "USER_CONFIRMATION" => ("oc", operation.as_str()),
            _ if is_function => ("f", &*action.function),
            _ => ("o", operation.as_str()),
        };
        let session = if session::is_fresh(session) {
            session
        } else {
            ""
        };
        let mut id = VERSION.to_owned();
        for field in [
            session,
            &self.invocation_id,
            &place.to_string(),
            kind,
            &action.action_group,
            called,
            &action.agent_id,
        ] {
            id.push(':');
            push_field(field, &mut id);
        }
        let name = if is_function {
            action.function.to_string()
        } else {
            operation_name(&action.http_method, &action.api_path)
        };
        Call {
            id,
            name,
            arguments: action.arguments(),
        }
    }
}

impl Action<'_> {
    /// All parameters, wherever they stand, as one object. Of two with one name the first counts.
    fn arguments(&self) -> Vec<u8> {
        let bodies = self
            .request_body
            .iter()
            .flat_map(|body| body.content.values());
        let properties = bodies.flat_map(|body| &body.properties);
        let mut seen = BTreeSet::new();
        let mut out = vec![b'{'];
        for parameter in self.parameters.iter().chain(properties) {
            if !seen.insert(&*parameter.name) {
                continue;
            }
            if seen.len() > 1 {
                out.push(b',');
            }
            write_string(&mut out, &parameter.name);
            out.push(b':');
            parameter.write_value(&mut out);
        }
        out.push(b'}');
        out
    }
}

impl Parameter<'_> {
    /// An agent writes every value as a text and its type beside it. A text that is no value of its type
    /// stays a text: nothing is lost and nothing is guessed.
    fn write_value(&self, out: &mut Vec<u8>) {
        let text = self.value.trim();
        let first = text.bytes().next().unwrap_or_default();
        let fits = match &*self.kind {
            "integer" | "number" => first == b'-' || first.is_ascii_digit(),
            "boolean" => matches!(text, "true" | "false"),
            "array" => first == b'[',
            "object" => first == b'{',
            _ => false,
        };
        if fits && validate(text.as_bytes()).is_ok() {
            out.extend_from_slice(text.as_bytes());
        } else {
            write_string(out, &self.value);
        }
    }
}

/// `GET /orders/{orderId}` as a tool's name.
fn operation_name(method: &str, path: &str) -> String {
    let mut name = method.to_ascii_lowercase();
    for letter in path.chars() {
        if letter.is_ascii_alphanumeric() || letter == '-' {
            name.push(letter);
        } else if !name.ends_with('_') {
            name.push('_');
        }
    }
    name.truncate(name.floor_char_boundary(NAME_BYTES_MAX));
    name.trim_matches('_').to_owned()
}

/// OpenAI's bound.
const NAME_BYTES_MAX: usize = 64;
const VERSION: &str = "tgc1";

fn push_field(field: &str, out: &mut String) {
    for byte in field.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            out.push(char::from(byte));
        } else {
            out.push('.');
            for digit in [byte >> 4, byte & 0x0F] {
                out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
            }
        }
    }
}

fn read_field(field: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((plain, tail)) = rest.split_once('.') {
        bytes.extend_from_slice(plain.as_bytes());
        let (digits, tail) = tail.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = tail;
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

/// What an id says.
struct Called {
    session: String,
    invocation: String,
    is_function: bool,
    is_confirmation: bool,
    action_group: String,
    called: String,
    agent: String,
}

impl Called {
    fn parse(id: &str) -> Option<Self> {
        let mut fields = id.strip_prefix(VERSION)?.strip_prefix(':')?.split(':');
        let mut next = || fields.next().and_then(read_field);
        let (session, invocation) = (next()?, next()?);
        let _place = next()?;
        let (kind, action_group) = (next()?, next()?);
        let (called, agent) = (next()?, next()?);
        let (is_function, is_confirmation) = match kind.as_str() {
            "f" => (true, false),
            "fc" => (true, true),
            "o" => (false, false),
            "oc" => (false, true),
            _ => return None,
        };
        fields.next().is_none().then_some(Self {
            session,
            invocation,
            is_function,
            is_confirmation,
            action_group,
            called,
            agent,
        })
    }
}

/// What the results of the app's tools are for.
pub(super) struct Results {
    /// The session of the calls, if they began a new one.
    pub(super) session: Option<String>,
    /// The members of `sessionState`, without braces.
    pub(super) state: Vec<u8>,
}

/// The bound of botocore's `ReturnControlInvocationResults`.
const RESULTS_MAX: usize = 5;

/// Reads the results among `messages`, the first of which is the app's message of this number.
pub(super) fn results(messages: &[Message<'_>]) -> Result<Results, Fault> {
    let mut told = Results {
        session: None,
        state: Vec::new(),
    };
    let mut first: Option<Called> = None;
    let mut count = 0_usize;
    for message in messages {
        let invalid = |problem| {
            let param = format!("messages[{}]", message.index);
            Fault::from(Invalid::value(param, problem))
        };
        for (at, part) in placed(&message.parts) {
            let Part::ToolResult { id, output } = part else {
                return Err(invalid(
                    "the agent waits for the results of its tools and hears nothing else with them; send \
                     this message once it has answered",
                ));
            };
            let called = Called::parse(id).ok_or_else(|| {
                invalid("this is no result of a call that the agent made; repeat the call's id as it was")
            })?;
            let before: &[u8] = match &first {
                None => {
                    told.state.extend_from_slice(br#""invocationId":"#);
                    write_string(&mut told.state, &called.invocation);
                    br#","returnControlInvocationResults":["#
                }
                Some(first) if first.invocation == called.invocation => b",",
                Some(_) => {
                    return Err(invalid(
                        "these results are not all of one turn of the agent",
                    ));
                }
            };
            count = count.saturating_add(1);
            if count > RESULTS_MAX {
                return Err(invalid("the agent takes at most 5 results at once"));
            }
            told.state.extend_from_slice(before);
            let param = || format!("{}.image_url", super::part_param(message.index, at));
            write_result(&called, output, param, &mut told.state)?;
            first.get_or_insert(called);
        }
    }
    told.state.push(b']');
    told.session = first
        .map(|called| called.session)
        .filter(|session| session::is_fresh(session));
    Ok(told)
}

fn write_result(
    called: &Called,
    output: &[ToolOutput<'_>],
    param: impl Fn() -> String,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let mut text = String::new();
    for piece in output {
        match piece {
            ToolOutput::Text(piece) => {
                unescape(piece.as_str(), &mut text)
                    .map_err(|_error| Invalid::value(param(), "the text cannot be read"))?;
            }
            ToolOutput::Image(_) => {
                let problem = "the agent takes texts as results of its tools";
                return Err(Fault::from(Invalid::unsupported(param(), problem)));
            }
        }
    }
    out.extend_from_slice(if called.is_function {
        br#"{"functionResult":{"actionGroup":"#
    } else {
        br#"{"apiResult":{"actionGroup":"#
    });
    write_string(out, &called.action_group);
    let content_type = if called.is_function {
        write_member("function", &called.called, out);
        "TEXT"
    } else {
        let (method, path) = called.called.split_once(' ').unwrap_or_default();
        write_member("httpMethod", method, out);
        write_member("apiPath", path, out);
        "application/json"
    };
    if !called.agent.is_empty() {
        write_member("agentId", &called.agent, out);
    }
    if called.is_confirmation {
        let word = text.trim().to_ascii_lowercase();
        let confirms = matches!(word.as_str(), "confirm" | "yes");
        let state = if confirms { "CONFIRM" } else { "DENY" };
        write_member("confirmationState", state, out);
    }
    if !called.is_function {
        out.extend_from_slice(br#","httpStatusCode":200"#);
    }
    out.extend_from_slice(br#","responseBody":{"#);
    write_string(out, content_type);
    out.extend_from_slice(br#":{"body":""#);
    write_string_content(out, &text);
    out.extend_from_slice(br#""}}}}"#);
    Ok(())
}

fn write_member(name: &str, value: &str, out: &mut Vec<u8>) {
    out.push(b',');
    write_string(out, name);
    out.push(b':');
    write_string(out, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turn::{Escaped, Role};

    fn calls(json: &str, session: &str) -> Vec<Call> {
        let control: Control<'_> = serde_json::from_str(json).unwrap();
        control.calls(session).unwrap()
    }

    fn state(id: &str, text: &str) -> Result<Results, Fault> {
        results(&[Message {
            role: Role::Tool,
            parts: vec![Part::ToolResult {
                id: id.into(),
                output: vec![ToolOutput::Text(Escaped::from_content(text))],
            }],
            index: 2,
        }])
    }

    /// What the app sees of an input, and what the agent gets for the result `text`.
    #[track_caller]
    fn check(input: &str, text: &str, name: &str, arguments: &str, want: &str) {
        let json = format!(r#"{{"invocationId":"i-1","invocationInputs":[{input}]}}"#);
        let calls = calls(&json, "kept");
        let [call] = calls.as_slice() else {
            panic!("one call");
        };
        assert_eq!(
            (call.name.as_str(), str::from_utf8(&call.arguments).unwrap()),
            (name, arguments)
        );
        let told = state(&call.id, text).unwrap();
        let want = format!(r#""invocationId":"i-1","returnControlInvocationResults":[{want}]"#);
        assert_eq!(str::from_utf8(&told.state).unwrap(), want);
        assert_eq!(told.session, None);
    }

    #[test]
    fn a_function_comes_back_with_its_result() {
        check(
            r#"{"functionInvocationInput":{"actionGroup":"Weather:1","function":"get_weather","agentId":"AG","parameters":[{"name":"city","type":"string","value":"7"},{"name":"days","type":"integer","value":"7"},{"name":"city","type":"string","value":"x"}]}}"#,
            r#"{\"c\":3}"#,
            "get_weather",
            r#"{"city":"7","days":7}"#,
            r#"{"functionResult":{"actionGroup":"Weather:1","function":"get_weather","agentId":"AG","responseBody":{"TEXT":{"body":"{\"c\":3}"}}}}"#,
        );
    }

    #[test]
    fn an_operation_comes_back_with_its_method_and_path() {
        check(
            r#"{"apiInvocationInput":{"actionGroup":"Orders","apiPath":"/orders/{id}/pay","httpMethod":"POST","parameters":[{"name":"id","type":"string","value":"a"}],"requestBody":{"content":{"application/json":{"properties":[{"name":"sum","type":"number","value":"1.5"}]}}}}}"#,
            "ok",
            "post_orders_id_pay",
            r#"{"id":"a","sum":1.5}"#,
            r#"{"apiResult":{"actionGroup":"Orders","httpMethod":"POST","apiPath":"/orders/{id}/pay","httpStatusCode":200,"responseBody":{"application/json":{"body":"ok"}}}}"#,
        );
    }

    #[test]
    fn only_a_clear_yes_confirms() {
        let input = r#"{"functionInvocationInput":{"actionGroup":"A","actionInvocationType":"USER_CONFIRMATION","function":"f"}}"#;
        for (text, state) in [
            ("Yes", "CONFIRM"),
            ("confirm ", "CONFIRM"),
            ("well, yes", "DENY"),
            ("", "DENY"),
        ] {
            let want = format!(
                r#"{{"functionResult":{{"actionGroup":"A","function":"f","confirmationState":"{state}","responseBody":{{"TEXT":{{"body":"{text}"}}}}}}}}"#
            );
            check(input, text, "f", "{}", &want);
        }
    }

    #[test]
    fn a_value_that_is_none_of_its_type_stays_a_text() {
        for (kind, value, want) in [
            ("integer", "seven", r#""seven""#),
            ("number", "1.", r#""1.""#),
            ("boolean", "true", "true"),
            ("array", "[1, 2]", "[1, 2]"),
            ("array", "[1", r#""[1""#),
            ("object", " {} ", "{}"),
            ("string", "{}", r#""{}""#),
        ] {
            let parameter = Parameter {
                name: "a".into(),
                kind: kind.into(),
                value: value.into(),
            };
            let mut out = Vec::new();
            parameter.write_value(&mut out);
            assert_eq!(str::from_utf8(&out).unwrap(), want);
        }
    }

    #[test]
    fn only_a_new_session_is_in_the_id() {
        let json = r#"{"invocationId":"i","invocationInputs":[{"functionInvocationInput":{"actionGroup":"A","function":"f"}}]}"#;
        let fresh = session::fresh("00").id;
        let id = &calls(json, &fresh)[0].id;
        assert_eq!(
            state(id, "x").unwrap().session.as_deref(),
            Some(fresh.as_str())
        );
        assert!(
            calls(json, "tollgate-k-00")[0]
                .id
                .starts_with("tgc1::i:0:f:A:f:")
        );
    }

    #[test]
    fn an_id_of_nobody_is_refused() {
        for id in [
            "",
            "call_1",
            "tgc1",
            "tgc1::i:0:f:A:f",
            "tgc1::i:0:x:A:f:",
            "tgc1::i:0:f:.f:f:",
            "tgc1::i:0:f:.ff:f:",
        ] {
            let fault = state(id, "x").map(|_| ()).unwrap_err();
            assert_eq!(
                (fault.status(), fault.param()),
                (400, Some("messages[2]")),
                "{id}"
            );
        }
    }
}
