//! InvokeHarness: a turn of AgentCore's own agent loop.
//!
//! The messages are shaped as Converse's, with texts, calls and results only. What the app says in system
//! messages takes the place of the harness's own prompt, and its tools, as inline functions that the app
//! runs, the place of the harness's own; where the app sends none, the harness keeps its own. A new session
//! hears the whole conversation, a kept one what is new, with the calls that the results belong to.

use std::rc::Rc;

use sha2::{Digest, Sha256};

use crate::codec::json::{is_blank, unescape, validate, write_string, write_u64};
use crate::document::Fields;
use crate::fault::{Fault, Invalid};
use crate::provider::bedrock::tools;
use crate::provider::endpoint::push_segment;
use crate::provider::{Call, Decoder, Sink, Translate};
use crate::turn::{
    Escaped, Headers, Message, Part, Request, Role, ToolChoice, ToolInput, ToolOutput, Uncarried,
};

use super::harness_answer::Stream;
use super::session::{Keep, new_messages};
use super::{
    Agent, EVENT_STREAM, JSON, NO_SEARCH_RESULT, SESSION_HEADER, Site, arn, decode_framed,
    has_results, is_framed, leave_model_settings, part_param, placed, qualifier,
};

/// One harness.
#[derive(Debug)]
pub(super) struct Harness {
    site: Rc<Site>,
    /// With its query.
    path: String,
    keep: Keep,
}

impl Harness {
    pub(super) fn compile(site: &Rc<Site>, fields: &mut Fields<'_>) -> Option<Self> {
        let harness = fields.parsed("harness", |text| arn(text, "harness"));
        let endpoint = fields.parsed("qualifier", qualifier);
        let keep = Keep::read(fields);
        let mut path = format!("{}/harnesses/invoke?harnessArn=", site.endpoint.path);
        push_segment(&mut path, harness?);
        if let Some(name) = endpoint {
            path.push_str("&qualifier=");
            push_segment(&mut path, name);
        }
        Some(Self {
            site: Rc::clone(site),
            path,
            keep,
        })
    }
}

impl Agent for Harness {
    const COMPLETES: bool = false;

    fn site(&self) -> &Site {
        &self.site
    }
}

impl Translate for Harness {
    fn encode(
        &self,
        request: &Request<'_>,
        uncarried: &mut Uncarried<'_>,
        call: &mut Call,
    ) -> Result<(), Fault> {
        leave_model_settings(request, true, uncarried)?;
        let held = self.keep.session(&self.path, request);
        call.body.clear();
        write(request, held.is_kept, uncarried, &mut call.body)?;
        call.authority.clone_from(&self.site.endpoint.authority);
        call.path.clone_from(&self.path);
        call.headers.set("content-type", JSON);
        call.headers.set("accept", EVENT_STREAM);
        call.headers.set(SESSION_HEADER, held.id);
        Ok(())
    }

    fn is_stream(&self, head: &Headers) -> bool {
        is_framed(head)
    }

    fn decode(&self, head: &Headers, body: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
        decode_framed(self, head, body, sink)
    }

    fn decoder(&self, _head: &Headers) -> Box<dyn Decoder> {
        Box::new(Stream::new(self.site.event_bytes_max))
    }
}

fn write(
    request: &Request<'_>,
    is_kept: bool,
    uncarried: &mut Uncarried<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let (start, new) = new_messages(request);
    let mut messages = request.messages.as_slice();
    if is_kept {
        // A result without its call before it means nothing. An app may have a message for each call.
        let is_assistants = |message: &&Message<'_>| message.role == Role::Assistant;
        let calls = if new.iter().any(|message| has_results(&message.parts)) {
            let before = messages.get(..start).unwrap_or_default();
            before.iter().rev().take_while(is_assistants).count()
        } else {
            0
        };
        messages = messages
            .get(start.saturating_sub(calls)..)
            .unwrap_or_default();
    }
    out.extend_from_slice(br#"{"messages":["#);
    let mut turns = Turns { out, open: None };
    for message in messages {
        turns.message(message)?;
    }
    turns.finish()?;
    write_system(request, out)?;
    if !matches!(request.tool_choice, Some(ToolChoice::None)) {
        write_tools(request, uncarried, out)?;
    }
    if let Some(max_tokens) = request.max_tokens {
        out.extend_from_slice(br#","maxTokens":"#);
        // The wire's numbers are of 31 bits.
        write_u64(out, max_tokens.clamp(1, i32::MAX.unsigned_abs().into()));
    }
    out.push(b'}');
    Ok(())
}

/// The messages being written; neighbours of one side are one message.
struct Turns<'o> {
    out: &'o mut Vec<u8>,
    open: Option<&'static str>,
}

impl Turns<'_> {
    fn message(&mut self, message: &Message<'_>) -> Result<(), Fault> {
        let side = match message.role {
            Role::System => return Ok(()),
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
        };
        for (at, part) in placed(&message.parts) {
            let refuse = |field: &str, problem| {
                let param = format!("{}{field}", part_param(message.index, at));
                Err(Fault::from(Invalid::unsupported(param, problem)))
            };
            match part {
                Part::Text(text) | Part::Refusal(text) => {
                    if !is_blank(text.as_str()) {
                        write_text(self.block(side), *text);
                    }
                }
                Part::Image(_) => {
                    return refuse(
                        ".image_url",
                        "the agent takes texts only; leave the image out",
                    );
                }
                Part::Document(_) => {
                    return refuse("", "the agent takes texts only; leave the file out");
                }
                Part::SearchResult(_) => return refuse("", NO_SEARCH_RESULT),
                Part::ToolCall {
                    id,
                    name,
                    arguments,
                } => {
                    check_name(name, || format!("messages[{}].tool_calls", message.index))?;
                    let input = input(*arguments, message.index)?;
                    let out = self.block(side);
                    out.extend_from_slice(br#"{"toolUse":{"toolUseId":""#);
                    write_id(id, out);
                    out.extend_from_slice(br#"","name":"#);
                    write_string(out, name);
                    out.extend_from_slice(br#","input":"#);
                    out.extend_from_slice(input.as_bytes());
                    out.extend_from_slice(b"}}");
                }
                Part::TextCall { id, name, input } => {
                    check_name(name, || format!("messages[{}].tool_calls", message.index))?;
                    let out = self.block(side);
                    out.extend_from_slice(br#"{"toolUse":{"toolUseId":""#);
                    write_id(id, out);
                    out.extend_from_slice(br#"","name":"#);
                    write_string(out, name);
                    out.extend_from_slice(br#","input":"#);
                    tools::write_text_input(input.as_str(), out);
                    out.extend_from_slice(b"}}");
                }
                Part::Reasoning { .. } | Part::Redacted(_) | Part::CacheBreakpoint(_) => {}
                Part::ToolResult { id, output } => {
                    if !write_result(id, output, self.block(side)) {
                        return refuse(".image_url", "the agent takes texts as results of tools");
                    }
                }
            }
        }
        Ok(())
    }

    /// Begins a block, in a new message where the side changes.
    fn block(&mut self, side: &'static str) -> &mut Vec<u8> {
        match self.open {
            Some(open) if open == side => self.out.push(b','),
            open => {
                if open.is_some() {
                    self.out.extend_from_slice(b"]},");
                }
                self.out.extend_from_slice(br#"{"role":""#);
                self.out.extend_from_slice(side.as_bytes());
                self.out.extend_from_slice(br#"","content":["#);
                self.open = Some(side);
            }
        }
        self.out
    }

    fn finish(self) -> Result<(), Fault> {
        if self.open != Some("user") {
            return Err(Fault::from(Invalid::value(
                "messages",
                "the agent answers a user; end with a user message that has a text",
            )));
        }
        self.out.extend_from_slice(b"]}]");
        Ok(())
    }
}

fn input(arguments: Escaped<'_>, message: usize) -> Result<String, Fault> {
    let mut text = String::new();
    let is_read = unescape(arguments.as_str(), &mut text).is_ok();
    if is_read && text.trim().is_empty() {
        return Ok("{}".to_owned());
    }
    if is_read && text.trim_start().starts_with('{') {
        if validate(text.as_bytes()).is_ok() {
            return Ok(text);
        }
        if let Some(one) = tools::one_object(&text) {
            return Ok(one);
        }
    }
    Err(Fault::from(Invalid::value(
        format!("messages[{message}].tool_calls"),
        "the arguments of a call are no JSON object",
    )))
}

fn write_text(out: &mut Vec<u8>, text: Escaped<'_>) {
    out.extend_from_slice(br#"{"text":""#);
    out.extend_from_slice(text.as_str().as_bytes());
    out.extend_from_slice(br#""}"#);
}

/// Tells whether all of the result could be written.
fn write_result(id: &str, output: &[ToolOutput<'_>], out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(br#"{"toolResult":{"toolUseId":""#);
    write_id(id, out);
    out.extend_from_slice(br#"","content":"#);
    let mut before: &[u8] = b"[";
    for piece in output {
        let ToolOutput::Text(text) = piece else {
            return false;
        };
        if !text.is_empty() {
            out.extend_from_slice(before);
            write_text(out, *text);
            before = b",";
        }
    }
    if before == b"[" {
        out.push(b'[');
        write_text(out, Escaped::from_content("(empty)"));
    }
    out.extend_from_slice(b"]}}");
    true
}

fn write_system(request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut before: &[u8] = br#","systemPrompt":["#;
    let is_system = |message: &&Message<'_>| message.role == Role::System;
    for message in request.messages.iter().filter(is_system) {
        for (at, part) in placed(&message.parts) {
            let (Part::Text(text) | Part::Refusal(text)) = part else {
                return Err(Fault::from(Invalid::value(
                    part_param(message.index, at),
                    "a system message holds text only; move the rest to a user message",
                )));
            };
            if !is_blank(text.as_str()) {
                out.extend_from_slice(before);
                write_text(out, *text);
                before = b",";
            }
        }
    }
    if before == b"," {
        out.push(b']');
    }
    Ok(())
}

const ANY_OBJECT: &str = r#"{"type":"object","properties":{}}"#;

fn write_tools(
    request: &Request<'_>,
    uncarried: &mut Uncarried<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let mut before: &[u8] = br#","tools":["#;
    for (at, tool) in request.tools.iter().enumerate() {
        check_name(&tool.name, || format!("tools[{at}].function.name"))?;
        if tool.strict == Some(true) {
            uncarried.leave("tools.strict")?;
        }
        out.extend_from_slice(before);
        before = b",";
        out.extend_from_slice(br#"{"type":"inline_function","name":"#);
        write_string(out, &tool.name);
        out.extend_from_slice(br#","config":{"inlineFunction":{"description":"#);
        if !tools::write_description(b"", tool, out) {
            // It has to have one.
            write_string(out, &tool.name);
        }
        out.extend_from_slice(br#","inputSchema":"#);
        match tool.input {
            ToolInput::Text | ToolInput::Grammar { .. } => tools::write_text_schema(out),
            ToolInput::Json => {
                let schema = tool.parameters.map_or(ANY_OBJECT, |raw| raw.get());
                out.extend_from_slice(schema.as_bytes());
            }
        }
        out.extend_from_slice(b"}}}");
    }
    if before == b"," {
        out.push(b']');
    }
    Ok(())
}

/// AWS's bound for ids and names.
const NAME_BYTES_MAX: usize = 64;

fn is_name(text: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_legal)
}

fn check_name(name: &str, param: impl FnOnce() -> String) -> Result<(), Fault> {
    if is_name(name) {
        return Ok(());
    }
    Err(Fault::from(Invalid::value(
        param(),
        "a tool's name has 1 to 64 letters, digits, _ and -",
    )))
}

/// Writes an id; of one that AWS would refuse a hash, the same for the call and its result.
fn write_id(id: &str, out: &mut Vec<u8>) {
    if is_name(id) {
        return out.extend_from_slice(id.as_bytes());
    }
    out.extend_from_slice(b"call_");
    for byte in Sha256::digest(id.as_bytes()).iter().take(16) {
        for digit in [byte >> 4, byte & 0x0F] {
            let digit = char::from_digit(u32::from(digit), 16).unwrap_or('0');
            out.extend(u8::try_from(digit));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turn::{Parameters, Tool};

    fn text(content: &str) -> Part<'_> {
        Part::Text(Escaped::from_content(content))
    }

    fn ask(messages: Vec<(Role, Vec<Part<'_>>)>) -> Request<'_> {
        let messages = messages.into_iter().enumerate();
        Request {
            messages: messages
                .map(|(index, (role, parts))| Message { role, parts, index })
                .collect(),
            ..Request::default()
        }
    }

    fn encoded(request: &Request<'_>, is_kept: bool) -> Result<String, Fault> {
        let rules = Parameters::default();
        let mut out = Vec::new();
        write(request, is_kept, &mut Uncarried::new(&rules), &mut out)?;
        let text = String::from_utf8(out).unwrap();
        let _valid: &serde_json::value::RawValue = serde_json::from_str(&text).unwrap();
        Ok(text)
    }

    #[track_caller]
    fn check(request: &Request<'_>, is_kept: bool, want: &str) {
        assert_eq!(encoded(request, is_kept).unwrap(), want);
    }

    fn looped<'a>() -> Vec<(Role, Vec<Part<'a>>)> {
        let call = Part::ToolCall {
            id: "a:1".into(),
            name: "f".into(),
            arguments: Escaped::from_content(""),
        };
        let result = Part::ToolResult {
            id: "a:1".into(),
            output: vec![ToolOutput::Text(Escaped::from_content("4"))],
        };
        vec![
            (Role::System, vec![text("be brief")]),
            (Role::User, vec![text("hi")]),
            (Role::Assistant, vec![call]),
            (Role::Tool, vec![result]),
        ]
    }

    const CALLED: &str = r#"{"role":"assistant","content":[{"toolUse":{"toolUseId":"call_2b2c40a6706d9e5f320d553628313833","name":"f","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"call_2b2c40a6706d9e5f320d553628313833","content":[{"text":"4"}]}}]}],"systemPrompt":[{"text":"be brief"}]}"#;

    #[test]
    fn a_new_session_hears_everything() {
        let want =
            format!(r#"{{"messages":[{{"role":"user","content":[{{"text":"hi"}}]}},{CALLED}"#);
        check(&ask(looped()), false, &want);
    }

    #[test]
    fn a_kept_session_hears_the_results_behind_their_calls() {
        check(&ask(looped()), true, &format!(r#"{{"messages":[{CALLED}"#));
    }

    #[test]
    fn tools_become_inline_functions() {
        let tool = Tool {
            name: "f".into(),
            description: None,
            parameters: None,
            strict: None,
            cache: None,
            input: ToolInput::Json,
        };
        let mut request = ask(vec![(Role::User, vec![text("hi")])]);
        request.tools = vec![tool];
        request.max_tokens = Some(u64::MAX);
        check(
            &request,
            false,
            r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}],"tools":[{"type":"inline_function","name":"f","config":{"inlineFunction":{"description":"f","inputSchema":{"type":"object","properties":{}}}}}],"maxTokens":2147483647}"#,
        );
    }

    #[test]
    fn a_conversation_that_ends_with_the_assistant_is_refused() {
        let request = ask(vec![
            (Role::User, vec![text("a")]),
            (Role::Assistant, vec![text("b")]),
        ]);
        assert_eq!(
            encoded(&request, false).unwrap_err().param(),
            Some("messages")
        );
    }

    #[test]
    fn arguments_in_a_row_are_one_object() {
        let mut messages = looped();
        messages[2].1 = vec![Part::ToolCall {
            id: "a:1".into(),
            name: "f".into(),
            arguments: Escaped::from_content(r#"{}{\"a\":1}"#),
        }];
        let want = CALLED.replace(r#""input":{}"#, r#""input":{"a":1}"#);
        check(&ask(messages), true, &format!(r#"{{"messages":[{want}"#));
    }
}
