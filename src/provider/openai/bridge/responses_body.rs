//! A request as a responses body.
//!
//! - `store` is false and `include` asks for encrypted reasoning: the conversation stays with the app. Earlier
//!   reasoning goes back only where this room gave it out (its signature begins with [`ENCRYPTED`]);
//!   OpenAI refuses what it did not encrypt itself.
//! - `strict` is written where the app says nothing, for here it is on unless it is switched off.
//! - A limit below the smallest that the API takes becomes that.
//! - Stop sequences have no place, nor have marks of prompt caches: the API caches by itself. Sound and films
//!   have none either, and are refused. What the app found for the model to cite goes as text.

use std::collections::BTreeSet;

use super::body::{
    Body, VERBOSITY, verbosity, write_after, write_data_url, write_lines, write_schema,
};
use crate::codec::json::{write_escaped, write_string, write_u64};
use crate::fault::{Fault, Invalid};
use crate::turn::{
    Document, DocumentSource, ENCRYPTED, Image, Message, Output, Part, Request, Role, Tool,
    ToolChoice, ToolInput, ToolOutput, Uncarried, WebSearch,
};

/// The smallest `max_output_tokens`.
const TOKENS_MIN: u64 = 16;

/// Appends the body.
pub(super) fn write(
    request: &Request<'_>,
    model: &str,
    refused: &[String],
    uncarried: &mut Uncarried<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let mut body = Body::begin(model, refused, uncarried, out);
    write_input(request, &mut body)?;
    body.always("store").extend_from_slice(b"false");
    body.always("include")
        .extend_from_slice(b"[\"reasoning.encrypted_content\"]");
    if request.stream {
        body.always("stream").extend_from_slice(b"true");
    }
    write_tools(request, &mut body)?;
    body.write_shared(request)?;
    if let Some(max_tokens) = request.max_tokens
        && let Some(out) = body.member("max_output_tokens")?
    {
        write_u64(out, max_tokens.max(TOKENS_MIN));
    }
    if let Some(effort) = request.effort
        && let Some(out) = body.member("reasoning")?
    {
        write_after(out, "{\"effort\":", effort.as_str());
        out.push(b'}');
    }
    write_text(request, &mut body)?;
    if !request.metadata.is_empty()
        && let Some(out) = body.member("metadata")?
    {
        let mut before = b'{';
        for (name, value) in &request.metadata {
            out.push(before);
            write_string(out, name);
            write_after(out, ":", value);
            before = b',';
        }
        out.push(b'}');
    }
    if !request.stop.is_empty() {
        body.leave("stop")?;
    }
    body.end();
    Ok(())
}

fn write_text(request: &Request<'_>, body: &mut Body<'_, '_>) -> Result<(), Fault> {
    let verbosity = verbosity(request);
    if verbosity.is_none() && matches!(request.output, Output::Text) {
        return Ok(());
    }
    let Some(out) = body.member("text")? else {
        return Ok(());
    };
    let mut before = "{";
    match &request.output {
        Output::Text => {}
        Output::JsonObject => {
            out.extend_from_slice(b"{\"format\":{\"type\":\"json_object\"}");
            before = ",";
        }
        Output::Schema(schema) => {
            out.extend_from_slice(b"{\"format\":{\"type\":\"json_schema\",");
            write_schema(out, schema);
            write_strict(schema.strict, out);
            out.push(b'}');
            before = ",";
        }
    }
    if let Some(verbosity) = verbosity {
        out.extend_from_slice(before.as_bytes());
        write_string(out, VERBOSITY);
        out.push(b':');
        out.extend_from_slice(verbosity.as_bytes());
    }
    out.push(b'}');
    Ok(())
}

fn write_strict(strict: Option<bool>, out: &mut Vec<u8>) {
    out.extend_from_slice(match strict {
        Some(true) => b",\"strict\":true" as &[u8],
        Some(false) | None => b",\"strict\":false",
    });
}

fn write_input(request: &Request<'_>, body: &mut Body<'_, '_>) -> Result<(), Fault> {
    let mut items = Items {
        out: body.always("input"),
        before: b'[',
        texts_called: BTreeSet::new(),
        has_breakpoint: request.tools.iter().any(|tool| tool.cache.is_some()),
    };
    for message in &request.messages {
        items.message(message)?;
    }
    let (is_empty, has_breakpoint) = (items.before == b'[', items.has_breakpoint);
    items
        .out
        .extend_from_slice(if is_empty { b"[]" as &[u8] } else { b"]" });
    if has_breakpoint {
        body.leave("prompt_cache_breakpoint")?;
    }
    Ok(())
}

/// The items of `input`.
struct Items<'o, 'r> {
    out: &'o mut Vec<u8>,
    /// What stands before the next item.
    before: u8,
    /// Ids of calls of tools that take text: their results have another kind.
    texts_called: BTreeSet<&'r str>,
    has_breakpoint: bool,
}

impl<'r> Items<'_, 'r> {
    fn begin(&mut self, start: &str) {
        self.out.push(self.before);
        self.before = b',';
        self.out.extend_from_slice(start.as_bytes());
    }

    /// One message is one item, but for calls, results and reasoning, which are items of their own.
    fn message(&mut self, message: &'r Message<'_>) -> Result<(), Fault> {
        let mut rest = message.parts.as_slice();
        while let [part, after @ ..] = rest {
            let said = rest.iter().take_while(|part| is_said(part)).count();
            if let Some((said, after)) = rest.split_at_checked(said)
                && !said.is_empty()
            {
                self.said(message, said)?;
                rest = after;
                continue;
            }
            rest = after;
            self.part(part);
        }
        Ok(())
    }

    /// Appends what stands in no message.
    fn part(&mut self, part: &'r Part<'_>) {
        match part {
            Part::ToolCall {
                id,
                name,
                arguments,
            } => {
                self.call("{\"type\":\"function_call\",\"call_id\":", id, name);
                self.out.extend_from_slice(b",\"arguments\":");
                write_escaped(self.out, arguments.as_str());
                self.out.push(b'}');
            }
            Part::TextCall { id, name, input } => {
                self.texts_called.insert(id);
                self.call("{\"type\":\"custom_tool_call\",\"call_id\":", id, name);
                self.out.extend_from_slice(b",\"input\":");
                write_escaped(self.out, input.as_str());
                self.out.push(b'}');
            }
            Part::Reasoning { text, signature } => {
                if let Some(encrypted) = signature.strip_prefix(ENCRYPTED) {
                    self.begin("{\"type\":\"reasoning\",\"summary\":[");
                    if !text.is_empty() {
                        write_after(self.out, "{\"type\":\"summary_text\",\"text\":", text);
                        self.out.push(b'}');
                    }
                    write_after(self.out, "],\"encrypted_content\":", encrypted);
                    self.out.push(b'}');
                }
            }
            Part::ToolResult { id, output } => self.result(id, output),
            Part::CacheBreakpoint(_) => self.has_breakpoint = true,
            // Of another maker.
            Part::Redacted(_) => {}
            // Said in a message.
            Part::Text(_)
            | Part::Image(_)
            | Part::Document(_)
            | Part::SearchResult(_)
            | Part::Refusal(_) => {}
        }
    }

    fn call(&mut self, start: &str, id: &str, name: &str) {
        self.begin(start);
        write_string(self.out, id);
        write_after(self.out, ",\"name\":", name);
    }

    fn result(&mut self, id: &str, output: &[ToolOutput<'_>]) {
        self.begin(match self.texts_called.contains(id) {
            true => "{\"type\":\"custom_tool_call_output\",\"call_id\":",
            false => "{\"type\":\"function_call_output\",\"call_id\":",
        });
        write_string(self.out, id);
        self.out.extend_from_slice(b",\"output\":");
        match output {
            [] => self.out.extend_from_slice(b"\"\""),
            [ToolOutput::Text(text)] => write_escaped(self.out, text.as_str()),
            several => {
                let mut before = b'[';
                for piece in several {
                    self.out.push(before);
                    before = b',';
                    match piece {
                        ToolOutput::Text(text) => {
                            self.out
                                .extend_from_slice(b"{\"type\":\"input_text\",\"text\":");
                            write_escaped(self.out, text.as_str());
                            self.out.push(b'}');
                        }
                        ToolOutput::Image(image) => write_image(self.out, image),
                    }
                }
                self.out.push(b']');
            }
        }
        self.out.push(b'}');
    }

    /// Appends a message of neighbouring parts that are said in one.
    fn said(&mut self, message: &Message<'_>, parts: &[Part<'_>]) -> Result<(), Fault> {
        let (role, text_kind) = match message.role {
            Role::System => ("developer", "input_text"),
            Role::User | Role::Tool => ("user", "input_text"),
            Role::Assistant => ("assistant", "output_text"),
        };
        self.begin("{\"type\":\"message\",\"role\":\"");
        self.out.extend_from_slice(role.as_bytes());
        self.out.extend_from_slice(b"\",\"content\":");
        if let [Part::Text(text)] = parts {
            write_escaped(self.out, text.as_str());
            self.out.push(b'}');
            return Ok(());
        }
        let mut before = b'[';
        for part in parts {
            self.out.push(before);
            before = b',';
            match part {
                Part::Text(text) => {
                    write_after(self.out, "{\"type\":", text_kind);
                    self.out.extend_from_slice(b",\"text\":");
                    write_escaped(self.out, text.as_str());
                    self.out.push(b'}');
                }
                Part::Refusal(text) => {
                    self.out
                        .extend_from_slice(b"{\"type\":\"refusal\",\"refusal\":");
                    write_escaped(self.out, text.as_str());
                    self.out.push(b'}');
                }
                Part::SearchResult(found) => {
                    write_after(self.out, "{\"type\":", text_kind);
                    self.out.extend_from_slice(b",\"text\":");
                    let head = [found.title, found.source].into_iter();
                    write_lines(self.out, head.chain(found.texts.iter().copied()));
                    self.out.push(b'}');
                }
                Part::Image(image) => write_image(self.out, image),
                Part::Document(document) => write_document(self.out, document, message.index)?,
                Part::ToolCall { .. }
                | Part::TextCall { .. }
                | Part::Reasoning { .. }
                | Part::Redacted(_)
                | Part::ToolResult { .. }
                | Part::CacheBreakpoint(_) => {
                    return Err(Fault::Internal("a part that no message holds"));
                }
            }
        }
        self.out.extend_from_slice(b"]}");
        Ok(())
    }
}

/// Whether a part stands in a message; others are items.
const fn is_said(part: &Part<'_>) -> bool {
    matches!(
        part,
        Part::Text(_)
            | Part::Image(_)
            | Part::Document(_)
            | Part::SearchResult(_)
            | Part::Refusal(_)
    )
}

fn write_image(out: &mut Vec<u8>, image: &Image<'_>) {
    out.extend_from_slice(b"{\"type\":\"input_image\",\"detail\":\"auto\",\"image_url\":");
    match image {
        Image::Inline { media_type, base64 } => write_data_url(out, media_type, base64),
        Image::Url(url) => write_string(out, url),
    }
    out.push(b'}');
}

fn write_document(out: &mut Vec<u8>, document: &Document<'_>, message: usize) -> Result<(), Fault> {
    out.extend_from_slice(b"{\"type\":\"input_file\"");
    match &document.source {
        DocumentSource::FileId(id) => write_after(out, ",\"file_id\":", id),
        DocumentSource::Inline { media_type, .. }
            if media_type.starts_with("audio/") || media_type.starts_with("video/") =>
        {
            return Err(Fault::from(Invalid::unsupported(
                format!("messages[{message}].content"),
                "the model's provider takes neither sound nor films by responses, which is all that \
                 this model speaks",
            )));
        }
        DocumentSource::Inline { media_type, base64 } => {
            let name = document.file_name.as_deref().unwrap_or("file");
            write_after(out, ",\"filename\":", name);
            out.extend_from_slice(b",\"file_data\":");
            write_data_url(out, media_type, base64);
        }
    }
    out.push(b'}');
    Ok(())
}

fn write_tools(request: &Request<'_>, body: &mut Body<'_, '_>) -> Result<(), Fault> {
    if request.tools.is_empty() && request.web_search.is_none() {
        return Ok(());
    }
    let Some(out) = body.member("tools")? else {
        return Ok(());
    };
    let mut before = b'[';
    for tool in &request.tools {
        out.push(before);
        before = b',';
        write_tool(tool, out);
    }
    if let Some(search) = &request.web_search {
        out.push(before);
        write_search(search, out);
    }
    out.push(b']');
    let kind = |name: &str| {
        let called = request.tools.iter().find(|tool| *tool.name == *name);
        match called.map(|tool| &tool.input) {
            Some(ToolInput::Text | ToolInput::Grammar { .. }) => "custom",
            Some(ToolInput::Json) | None => "function",
        }
    };
    match &request.tool_choice {
        // What it is anyway.
        None | Some(ToolChoice::Auto) => {}
        Some(ToolChoice::None) => body.raw("tool_choice", "\"none\"")?,
        Some(ToolChoice::Required) => body.raw("tool_choice", "\"required\"")?,
        Some(ToolChoice::Named(name)) => {
            if let Some(out) = body.member("tool_choice")? {
                write_after(out, "{\"type\":", kind(name));
                write_after(out, ",\"name\":", name);
                out.push(b'}');
            }
        }
    }
    Ok(())
}

fn write_tool(tool: &Tool<'_>, out: &mut Vec<u8>) {
    let is_function = matches!(tool.input, ToolInput::Json);
    write_after(
        out,
        "{\"type\":",
        if is_function { "function" } else { "custom" },
    );
    write_after(out, ",\"name\":", &tool.name);
    if let Some(description) = tool.description {
        out.extend_from_slice(b",\"description\":");
        write_escaped(out, description.as_str());
    }
    match &tool.input {
        ToolInput::Json => {
            out.extend_from_slice(b",\"parameters\":");
            let schema = tool.parameters.map_or(NO_PARAMETERS, |raw| raw.get());
            out.extend_from_slice(schema.as_bytes());
            write_strict(tool.strict, out);
        }
        ToolInput::Text => {}
        ToolInput::Grammar { syntax, definition } => {
            write_after(out, ",\"format\":{\"type\":\"grammar\",\"syntax\":", syntax);
            out.extend_from_slice(b",\"definition\":");
            write_escaped(out, definition.as_str());
            out.push(b'}');
        }
    }
    out.push(b'}');
}

const NO_PARAMETERS: &str = r#"{"type":"object","properties":{}}"#;

fn write_search(search: &WebSearch<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"web_search\"");
    if let Some(size) = &search.context_size {
        write_after(out, ",\"search_context_size\":", size);
    }
    if !search.location.is_empty() {
        out.extend_from_slice(b",\"user_location\":{\"type\":\"approximate\"");
        for (name, value) in &search.location {
            out.push(b',');
            write_string(out, name);
            out.push(b':');
            write_escaped(out, value.as_str());
        }
        out.push(b'}');
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turn::{Escaped, Other, Parameters, Rule};

    /// The body between the model and the end, and what was left behind.
    #[track_caller]
    fn check(request: &Request<'_>, refused: &[String], want: &str, left: &[&str]) {
        let rules = Parameters {
            default: Some(Rule::Warn),
            named: Vec::new(),
        };
        let mut uncarried = Uncarried::new(&rules);
        let mut out = Vec::new();
        write(request, "m", refused, &mut uncarried, &mut out).unwrap();
        let body = String::from_utf8(out).unwrap();
        let always = r#","store":false,"include":["reasoning.encrypted_content"]"#;
        let rest = body.replacen(always, "", 1);
        let rest = rest.strip_prefix(r#"{"model":"m","input":"#).unwrap();
        assert_eq!(rest.strip_suffix('}').unwrap(), want);
        assert_eq!(uncarried.into_warned(), left);
    }

    fn said(role: Role, parts: Vec<Part<'_>>) -> Request<'_> {
        let index = 0;
        Request {
            messages: vec![Message { role, parts, index }],
            ..Request::default()
        }
    }

    fn text(text: &str) -> Part<'_> {
        Part::Text(Escaped::from_content(text))
    }

    #[test]
    fn calls_stand_between_the_texts_around_them() {
        let call = Part::ToolCall {
            id: "c".into(),
            name: "f".into(),
            arguments: Escaped::from_content("{}"),
        };
        check(
            &said(Role::Assistant, vec![text("a"), call, text("b")]),
            &[],
            r#"[{"type":"message","role":"assistant","content":"a"},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"message","role":"assistant","content":"b"}]"#,
            &[],
        );
    }

    #[test]
    fn reasoning_of_another_maker_is_dropped() {
        let thought = |signature: &'static str| Part::Reasoning {
            text: "".into(),
            signature: signature.into(),
        };
        check(
            &said(
                Role::Assistant,
                vec![thought("Claude"), thought("responses.x")],
            ),
            &[],
            r#"[{"type":"reasoning","summary":[],"encrypted_content":"x"}]"#,
            &[],
        );
    }

    #[test]
    fn what_was_found_goes_as_text() {
        let found = Part::SearchResult(crate::turn::SearchResult {
            source: Escaped::from_content("s"),
            title: Escaped::from_content(""),
            texts: vec![Escaped::from_content("x"), Escaped::from_content("y")],
            cited: true,
        });
        check(
            &said(Role::User, vec![found]),
            &[],
            r#"[{"type":"message","role":"user","content":[{"type":"input_text","text":"s\nx\ny"}]}]"#,
            &[],
        );
    }

    #[test]
    fn what_the_model_refuses_is_left_behind() {
        let request = Request {
            max_tokens: Some(3),
            others: vec![
                Other {
                    name: "user".into(),
                    value: Some("\"u\""),
                },
                Other::named("seed"),
            ],
            stop: vec![Escaped::from_content("x")],
            ..said(Role::User, vec![text("a")])
        };
        let input = r#"[{"type":"message","role":"user","content":"a"}]"#;
        check(
            &request,
            &["user".to_owned(), "max_output_tokens".to_owned()],
            input,
            &["user", "seed", "max_output_tokens", "stop"],
        );
        let want = format!(r#"{input},"user":"u","max_output_tokens":16"#);
        check(&request, &[], &want, &["seed", "stop"]);
    }
}
