//! A request as a chat completions body.
//!
//! - Items of the assistant's become one message: chat completions has text and calls in the same one. What a
//!   tool answered follows at once; pictures in it, which only a user may show, come in a message after
//!   the last of the answers.
//! - A tool that takes text goes as a function with one text, as to every upstream that knows functions
//!   only; its grammar is told in the description.
//! - Earlier reasoning has no place, nor have marks of prompt caches. `metadata` is left behind: OpenAI takes it
//!   with stored answers only, and stores of its own nobody reads here.
//! - A stream is asked for its usage: metering needs it.

use super::body::{
    Body, VERBOSITY, open_text, verbosity, write_after, write_data_url, write_lines, write_schema,
};
use crate::codec::json::{write_escaped, write_string, write_string_content, write_u64};
use crate::fault::{Fault, Invalid};
use crate::provider::bedrock::tools::{write_description, write_text_schema};
use crate::provider::quirks::MaxTokensName;
use crate::turn::{
    Document, DocumentSource, Escaped, Image, Message, Output, Part, Request, Role, Tool,
    ToolChoice, ToolInput, ToolOutput, Uncarried, WebSearch,
};

/// What the model takes.
pub(super) struct Taste<'t> {
    /// Its name.
    pub(super) model: &'t str,
    pub(super) max_tokens: MaxTokensName,
    /// Whether it takes `web_search_options`.
    pub(super) has_search: bool,
    /// Parameters that it refuses.
    pub(super) refused: &'t [String],
}

/// Appends the body.
pub(super) fn write(
    request: &Request<'_>,
    taste: &Taste<'_>,
    uncarried: &mut Uncarried<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let mut body = Body::begin(taste.model, taste.refused, uncarried, out);
    write_messages(request, &mut body)?;
    if request.stream {
        body.always("stream").extend_from_slice(b"true");
        body.always("stream_options")
            .extend_from_slice(b"{\"include_usage\":true}");
    }
    write_tools(request, &mut body)?;
    body.write_shared(request)?;
    if let Some(max_tokens) = request.max_tokens {
        let name = match taste.max_tokens {
            MaxTokensName::AsWritten => "max_tokens",
            MaxTokensName::MaxCompletionTokens => "max_completion_tokens",
        };
        if let Some(out) = body.member(name)? {
            write_u64(out, max_tokens);
        }
    }
    if !request.stop.is_empty()
        && let Some(out) = body.member("stop")?
    {
        let mut before = b'[';
        for stop in &request.stop {
            out.push(before);
            before = b',';
            write_escaped(out, stop.as_str());
        }
        out.push(b']');
    }
    if let Some(effort) = request.effort
        && let Some(out) = body.member("reasoning_effort")?
    {
        write_string(out, effort.as_str());
    }
    if let Some(value) = verbosity(request) {
        body.raw(VERBOSITY, value)?;
    }
    write_output(request, &mut body)?;
    match &request.web_search {
        Some(search) if taste.has_search => write_search(search, &mut body)?,
        Some(search) => body.leave(search.name)?,
        None => {}
    }
    if !request.metadata.is_empty() {
        body.leave("metadata")?;
    }
    body.end();
    Ok(())
}

fn write_output(request: &Request<'_>, body: &mut Body<'_, '_>) -> Result<(), Fault> {
    let schema = match &request.output {
        Output::Text => return Ok(()),
        Output::JsonObject => {
            return body.raw("response_format", "{\"type\":\"json_object\"}");
        }
        Output::Schema(schema) => schema,
    };
    let Some(out) = body.member("response_format")? else {
        return Ok(());
    };
    out.extend_from_slice(b"{\"type\":\"json_schema\",\"json_schema\":{");
    write_schema(out, schema);
    write_strict(schema.strict, out);
    out.extend_from_slice(b"}}");
    Ok(())
}

fn write_strict(strict: Option<bool>, out: &mut Vec<u8>) {
    if let Some(strict) = strict {
        out.extend_from_slice(if strict {
            b",\"strict\":true" as &[u8]
        } else {
            b",\"strict\":false"
        });
    }
}

fn write_search(search: &WebSearch<'_>, body: &mut Body<'_, '_>) -> Result<(), Fault> {
    let Some(out) = body.member("web_search_options")? else {
        return Ok(());
    };
    let mut before = "{";
    if let Some(size) = &search.context_size {
        write_after(out, "{\"search_context_size\":", size);
        before = ",";
    }
    out.extend_from_slice(before.as_bytes());
    if search.location.is_empty() {
        // An object either way.
        if before == "," {
            out.pop();
        }
    } else {
        out.extend_from_slice(b"\"user_location\":{\"type\":\"approximate\",\"approximate\":");
        let mut before = b'{';
        for (name, value) in &search.location {
            out.push(before);
            before = b',';
            write_string(out, name);
            out.push(b':');
            write_escaped(out, value.as_str());
        }
        out.extend_from_slice(b"}}");
    }
    out.push(b'}');
    Ok(())
}

fn write_tools(request: &Request<'_>, body: &mut Body<'_, '_>) -> Result<(), Fault> {
    if request.tools.is_empty() {
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
    out.push(b']');
    match &request.tool_choice {
        // What it is anyway.
        None | Some(ToolChoice::Auto) => {}
        Some(ToolChoice::None) => body.raw("tool_choice", "\"none\"")?,
        Some(ToolChoice::Required) => body.raw("tool_choice", "\"required\"")?,
        Some(ToolChoice::Named(name)) => {
            if let Some(out) = body.member("tool_choice")? {
                write_after(out, "{\"type\":\"function\",\"function\":{\"name\":", name);
                out.extend_from_slice(b"}}");
            }
        }
    }
    Ok(())
}

fn write_tool(tool: &Tool<'_>, out: &mut Vec<u8>) {
    write_after(
        out,
        "{\"type\":\"function\",\"function\":{\"name\":",
        &tool.name,
    );
    write_description(b",\"description\":", tool, out);
    match (&tool.input, tool.parameters) {
        (ToolInput::Text | ToolInput::Grammar { .. }, _) => {
            out.extend_from_slice(b",\"parameters\":");
            write_text_schema(out);
        }
        (ToolInput::Json, Some(raw)) => {
            out.extend_from_slice(b",\"parameters\":");
            out.extend_from_slice(raw.get().as_bytes());
            write_strict(tool.strict, out);
        }
        (ToolInput::Json, None) => {}
    }
    out.extend_from_slice(b"}}");
}

fn write_messages(request: &Request<'_>, body: &mut Body<'_, '_>) -> Result<(), Fault> {
    let mut list = List {
        out: body.always("messages"),
        before: b'[',
        shown: Vec::new(),
    };
    let mut has_breakpoint = request.tools.iter().any(|tool| tool.cache.is_some());
    let mut rest = request.messages.as_slice();
    while let [message, after @ ..] = rest {
        let is_marked = |part: &Part<'_>| matches!(part, Part::CacheBreakpoint(_));
        has_breakpoint |= message.parts.iter().any(is_marked);
        if message.role != Role::Tool {
            list.show();
        }
        rest = after;
        match message.role {
            Role::System => list.user("system", message)?,
            Role::User => list.user("user", message)?,
            Role::Tool => list.results(message),
            Role::Assistant => {
                let others = after.iter().take_while(|next| next.role == Role::Assistant);
                let (others, after) = after
                    .split_at_checked(others.count())
                    .unwrap_or((&[], after));
                rest = after;
                list.assistant(message, others);
            }
        }
    }
    list.show();
    if list.before == b'[' {
        list.out.push(b'[');
    }
    list.out.push(b']');
    if has_breakpoint {
        body.leave("prompt_cache_breakpoint")?;
    }
    Ok(())
}

/// The list of messages.
struct List<'o, 'r> {
    out: &'o mut Vec<u8>,
    /// What stands before the next message.
    before: u8,
    /// Pictures in answers of tools, still to be shown.
    shown: Vec<&'r Image<'r>>,
}

impl<'r> List<'_, 'r> {
    fn begin(&mut self, role: &str) {
        self.out.push(self.before);
        self.before = b',';
        write_after(self.out, "{\"role\":", role);
    }

    /// Shows the pictures in answers of tools, as a user would.
    fn show(&mut self) {
        if self.shown.is_empty() {
            return;
        }
        let shown = std::mem::take(&mut self.shown);
        self.begin("user");
        let mut before: &[u8] = b",\"content\":[";
        for image in shown {
            self.out.extend_from_slice(before);
            before = b",";
            write_image(self.out, image);
        }
        self.out.extend_from_slice(b"]}");
    }

    fn user(&mut self, role: &str, message: &Message<'_>) -> Result<(), Fault> {
        self.begin(role);
        self.out.extend_from_slice(b",\"content\":");
        if let [Part::Text(text)] = message.parts.as_slice() {
            write_escaped(self.out, text.as_str());
            self.out.push(b'}');
            return Ok(());
        }
        let mut before = b'[';
        for part in &message.parts {
            let start = self.out.len();
            self.out.push(before);
            match part {
                Part::Text(text) | Part::Refusal(text) => write_text(self.out, *text),
                Part::Image(image) => write_image(self.out, image),
                Part::Document(document) => write_document(self.out, document, message.index)?,
                Part::SearchResult(found) => {
                    self.out.extend_from_slice(b"{\"type\":\"text\",\"text\":");
                    let head = [found.title, found.source].into_iter();
                    write_lines(self.out, head.chain(found.texts.iter().copied()));
                    self.out.push(b'}');
                }
                Part::ToolCall { .. }
                | Part::TextCall { .. }
                | Part::Reasoning { .. }
                | Part::Redacted(_)
                | Part::ToolResult { .. }
                | Part::CacheBreakpoint(_) => {
                    self.out.truncate(start);
                    continue;
                }
            }
            before = b',';
        }
        self.out.extend_from_slice(match before {
            b'[' => b"\"\"}" as &[u8],
            _ => b"]}",
        });
        Ok(())
    }

    /// A message for each answer of a tool.
    fn results(&mut self, message: &'r Message<'_>) {
        for part in &message.parts {
            let Part::ToolResult { id, output } = part else {
                continue;
            };
            self.begin("tool");
            write_after(self.out, ",\"tool_call_id\":", id);
            self.out.extend_from_slice(b",\"content\":");
            let texts = output.iter().filter_map(|piece| match piece {
                ToolOutput::Text(text) => Some(*text),
                ToolOutput::Image(_) => None,
            });
            write_lines(self.out, texts);
            self.out.push(b'}');
            self.shown
                .extend(output.iter().filter_map(|piece| match piece {
                    ToolOutput::Image(image) => Some(image),
                    ToolOutput::Text(_) => None,
                }));
        }
    }

    /// One message of neighbours.
    fn assistant(&mut self, first: &Message<'_>, others: &[Message<'_>]) {
        let parts = || {
            let others = others.iter().flat_map(|message| &message.parts);
            first.parts.iter().chain(others)
        };
        let texts = || {
            parts().filter_map(|part| {
                let Part::Text(text) = part else { return None };
                Some(*text)
            })
        };
        let refusals = || {
            parts().filter_map(|part| {
                let Part::Refusal(text) = part else {
                    return None;
                };
                Some(*text)
            })
        };
        let is_call =
            |part: &&Part<'_>| matches!(part, Part::ToolCall { .. } | Part::TextCall { .. });
        let has_calls = parts().any(|part| is_call(&part));
        let has_refusal = refusals().next().is_some();
        if texts().next().is_none() && !has_calls && !has_refusal {
            // Nothing but reasoning.
            return;
        }
        self.begin("assistant");
        if texts().next().is_some() {
            self.out.extend_from_slice(b",\"content\":");
            write_lines(self.out, texts());
        } else {
            self.out.extend_from_slice(b",\"content\":null");
        }
        if has_refusal {
            self.out.extend_from_slice(b",\"refusal\":");
            write_lines(self.out, refusals());
        }
        let mut before: &[u8] = b",\"tool_calls\":[";
        for part in parts().filter(is_call) {
            self.out.extend_from_slice(before);
            before = b",";
            write_call(part, self.out);
        }
        if has_calls {
            self.out.push(b']');
        }
        self.out.push(b'}');
    }
}

fn write_call(part: &Part<'_>, out: &mut Vec<u8>) {
    let (Part::ToolCall { id, name, .. } | Part::TextCall { id, name, .. }) = part else {
        return;
    };
    write_after(out, "{\"id\":", id);
    write_after(out, ",\"type\":\"function\",\"function\":{\"name\":", name);
    out.extend_from_slice(b",\"arguments\":");
    if let Part::ToolCall { arguments, .. } = part {
        match arguments.is_empty() {
            true => out.extend_from_slice(b"\"{}\""),
            false => write_escaped(out, arguments.as_str()),
        }
    }
    if let Part::TextCall { input, .. } = part {
        out.push(b'"');
        open_text(out);
        // A string in a text that is itself a string.
        write_string_content(out, input.as_str());
        out.extend_from_slice(b"\\\"}\"");
    }
    out.extend_from_slice(b"}}");
}

fn write_text(out: &mut Vec<u8>, text: Escaped<'_>) {
    out.extend_from_slice(b"{\"type\":\"text\",\"text\":");
    write_escaped(out, text.as_str());
    out.push(b'}');
}

fn write_image(out: &mut Vec<u8>, image: &Image<'_>) {
    out.extend_from_slice(b"{\"type\":\"image_url\",\"image_url\":{\"url\":");
    match image {
        Image::Inline { media_type, base64 } => write_data_url(out, media_type, base64),
        Image::Url(url) => write_string(out, url),
    }
    out.extend_from_slice(b"}}");
}

fn write_document(out: &mut Vec<u8>, document: &Document<'_>, message: usize) -> Result<(), Fault> {
    match &document.source {
        DocumentSource::FileId(id) => {
            write_after(out, "{\"type\":\"file\",\"file\":{\"file_id\":", id);
        }
        DocumentSource::Inline { media_type, base64 } => {
            let is_media = media_type.starts_with("audio/") || media_type.starts_with("video/");
            if is_media {
                return Err(Fault::from(Invalid::unsupported(
                    format!("input[{message}].content"),
                    "sound and films cannot be carried to this model",
                )));
            }
            let name = document.file_name.as_deref().unwrap_or("file");
            write_after(out, "{\"type\":\"file\",\"file\":{\"filename\":", name);
            out.extend_from_slice(b",\"file_data\":");
            write_data_url(out, media_type, base64);
        }
    }
    out.extend_from_slice(b"}}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turn::{Parameters, Rule};

    /// The messages, and what was left behind.
    #[track_caller]
    fn check(messages: Vec<(Role, Vec<Part<'_>>)>, want: &str, left: &[&str]) {
        let rules = Parameters {
            default: Some(Rule::Warn),
            named: Vec::new(),
        };
        let messages = messages.into_iter().zip(0..);
        let request = Request {
            messages: messages
                .map(|((role, parts), index)| Message { role, parts, index })
                .collect(),
            ..Request::default()
        };
        let taste = Taste {
            model: "m",
            max_tokens: MaxTokensName::AsWritten,
            has_search: false,
            refused: &[],
        };
        let mut uncarried = Uncarried::new(&rules);
        let mut out = Vec::new();
        write(&request, &taste, &mut uncarried, &mut out).unwrap();
        let want = format!(r#"{{"model":"m","messages":{want}}}"#);
        assert_eq!(String::from_utf8(out).unwrap(), want);
        assert_eq!(uncarried.into_warned(), left);
    }

    fn text(text: &str) -> Part<'_> {
        Part::Text(Escaped::from_content(text))
    }

    fn call(id: &str) -> Part<'_> {
        Part::ToolCall {
            id: id.into(),
            name: "f".into(),
            arguments: Escaped::default(),
        }
    }

    #[test]
    fn neighbours_of_the_assistants_are_one_message() {
        check(
            vec![
                (Role::Assistant, vec![text("a")]),
                (Role::Assistant, vec![call("1")]),
                (Role::Assistant, vec![call("2"), text("b")]),
            ],
            r#"[{"role":"assistant","content":"a\nb","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"2","type":"function","function":{"name":"f","arguments":"{}"}}]}]"#,
            &[],
        );
    }

    #[test]
    fn pictures_of_tools_come_when_all_of_them_have_answered() {
        let shown = |id: &'static str| Part::ToolResult {
            id: id.into(),
            output: vec![ToolOutput::Image(Image::Url("u".into()))],
        };
        check(
            vec![
                (Role::Tool, vec![shown("1")]),
                (Role::Tool, vec![shown("2")]),
            ],
            r#"[{"role":"tool","tool_call_id":"1","content":""},{"role":"tool","tool_call_id":"2","content":""},{"role":"user","content":[{"type":"image_url","image_url":{"url":"u"}},{"type":"image_url","image_url":{"url":"u"}}]}]"#,
            &[],
        );
    }

    #[test]
    fn marks_of_caches_are_left_behind_once() {
        let mark = || Part::CacheBreakpoint(crate::turn::CacheLife::default());
        check(
            vec![
                (Role::System, vec![text("a"), mark()]),
                (Role::User, vec![mark()]),
            ],
            r#"[{"role":"system","content":[{"type":"text","text":"a"}]},{"role":"user","content":""}]"#,
            &["prompt_cache_breakpoint"],
        );
    }

    #[test]
    fn nothing_but_reasoning_is_no_message() {
        let thought = Part::Reasoning {
            text: "r".into(),
            signature: "s".into(),
        };
        check(vec![(Role::Assistant, vec![thought])], "[]", &[]);
    }
}
