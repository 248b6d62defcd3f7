//! The conversation: messages, their parts, tool calls and what tools answered.
//!
//! A message's `name` (OpenAI gives it to the model as a hint) is left behind as `messages.name`. Written
//! rules of what is dropped: what an app replays of our own answers and cannot be replayed
//! (`reasoning_content`, `annotations`), and any member that OpenAI does not know. One that it does not
//! know is read: `thinking_blocks`, which an answer holds where the provider signs its reasoning, so that
//! an app that appends the answer's message to its conversation keeps the model's thread.

use super::cache::read_cache_life;
use super::names::read_name;
use crate::client::data_url;
use crate::client::parts::PartCount;
use crate::client::read::{Path, Reader, required, set, unsupported, wrong_kind, wrong_value};
use crate::codec::json::{Kind, Text};
use crate::fault::Fault;
use crate::limits::{MESSAGES_MAX, PARTS_MAX, TOOL_CALLS_MAX};
use crate::turn::{
    CacheLife, Document, DocumentSource, Escaped, Image, Message, Part, Role, SearchResult,
    ToolOutput,
};

/// Reads `messages`, and remembers what else it met on the way.
#[derive(Default)]
pub(super) struct Messages<'a> {
    pub(super) list: Vec<Message<'a>>,
    /// Some picture asks for a level of detail.
    pub(super) has_image_detail: bool,
    /// Some message says which of several people speaks.
    pub(super) has_name: bool,
    /// Parts of all messages so far.
    parts: PartCount,
}

/// A message whose role may not be known yet: members come in any order.
#[derive(Default)]
struct Draft<'a> {
    role: Option<Role>,
    content: Option<Vec<Part<'a>>>,
    refusal: Option<Escaped<'a>>,
    tool_calls: Option<Vec<Part<'a>>>,
    tool_call_id: Option<Text<'a>>,
    thoughts: Option<Vec<Part<'a>>>,
    cache: Option<CacheLife>,
}

impl<'a> Messages<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let at = Path::top("messages");
        let mut messages = Self::default();
        reader.list(&at, MESSAGES_MAX, |reader, index| {
            let message = messages.message(reader, &at.item(index), index)?;
            messages.list.push(message);
            Ok(())
        })?;
        if messages.list.is_empty() {
            return Err(wrong_value(&at, "must hold at least one message"));
        }
        Ok(messages)
    }

    fn message(
        &mut self,
        reader: &mut Reader<'a>,
        at: &Path<'_>,
        index: usize,
    ) -> Result<Message<'a>, Fault> {
        let mut draft = Draft::default();
        reader.object(at, |reader, key| match key {
            "role" => {
                let at = at.field("role");
                let role = role(&reader.text(&at)?, &at)?;
                set(&mut draft.role, role, &at)
            }
            "content" => {
                let at = at.field("content");
                let content = self.content(reader, &at)?;
                set(&mut draft.content, content, &at)
            }
            "refusal" => {
                let at = at.field("refusal");
                set(&mut draft.refusal, reader.escaped(&at)?, &at)
            }
            "tool_calls" => {
                let at = at.field("tool_calls");
                let calls = self.tool_calls(reader, &at)?;
                set(&mut draft.tool_calls, calls, &at)
            }
            "tool_call_id" => {
                let at = at.field("tool_call_id");
                set(&mut draft.tool_call_id, reader.text(&at)?, &at)
            }
            "thinking_blocks" => {
                let at = at.field("thinking_blocks");
                let thoughts = self.thoughts(reader, &at)?;
                set(&mut draft.thoughts, thoughts, &at)
            }
            "name" => {
                self.has_name = true;
                reader.skip().map(drop)
            }
            "cache_control" => {
                let at = at.field("cache_control");
                set(&mut draft.cache, read_cache_life(reader, &at)?, &at)
            }
            "audio" => Err(unsupported(
                &at.field("audio"),
                "earlier audio answers are stored at OpenAI and cannot be carried; send their text",
            )),
            "function_call" => Err(unsupported(
                &at.field("function_call"),
                "this legacy field cannot be carried; use tool_calls",
            )),
            _ => reader.skip().map(drop),
        })?;
        draft.finish(at, index)
    }

    /// A text, or a list of parts: one part for each item, and a mark behind it where it ends a prefix
    /// to cache.
    fn content(&mut self, reader: &mut Reader<'a>, at: &Path<'_>) -> Result<Vec<Part<'a>>, Fault> {
        match reader.kind() {
            Kind::String => {
                self.parts.add(at)?;
                Ok(vec![Part::Text(reader.escaped(at)?)])
            }
            Kind::Array => {
                let mut parts = Vec::new();
                reader.list(at, PARTS_MAX, |reader, index| {
                    let at = at.item(index);
                    self.parts.add(&at)?;
                    let (part, cache) = self.part(reader, &at)?;
                    parts.push(part);
                    parts.extend(cache.map(Part::CacheBreakpoint));
                    Ok(())
                })?;
                Ok(parts)
            }
            Kind::Object | Kind::Bool | Kind::Null | Kind::Number => {
                Err(wrong_kind(at, "must be a string or a list of parts"))
            }
        }
    }

    fn part(
        &mut self,
        reader: &mut Reader<'a>,
        at: &Path<'_>,
    ) -> Result<(Part<'a>, Option<CacheLife>), Fault> {
        let mut cache = None;
        let mut kind = None;
        let mut text = None;
        let mut refusal = None;
        let mut image = None;
        let mut document = None;
        let mut found = Found::default();
        reader.object(at, |reader, key| match key {
            "source" | "title" | "content" | "citations" => found.read(reader, at, key),
            "input_audio" => {
                let at = at.field("input_audio");
                set(&mut document, read_audio(reader, &at)?, &at)
            }
            "video_url" => {
                let at = at.field("video_url");
                set(&mut document, read_video(reader, &at)?, &at)
            }
            "type" => {
                let at = at.field("type");
                set(&mut kind, reader.text(&at)?, &at)
            }
            "text" => {
                let at = at.field("text");
                set(&mut text, reader.escaped(&at)?, &at)
            }
            "refusal" => {
                let at = at.field("refusal");
                set(&mut refusal, reader.escaped(&at)?, &at)
            }
            "image_url" => {
                let at = at.field("image_url");
                set(&mut image, self.image(reader, &at)?, &at)
            }
            "file" => {
                let at = at.field("file");
                set(&mut document, read_document(reader, &at)?, &at)
            }
            "prompt_cache_breakpoint" | "cache_control" => {
                cache = Some(read_cache_life(
                    reader,
                    &at.field("prompt_cache_breakpoint"),
                )?);
                Ok(())
            }
            _ => reader.skip().map(drop),
        })?;
        let kind_at = at.field("type");
        let part = match &*required(kind, &kind_at)? {
            "text" => Part::Text(required(text, &at.field("text"))?),
            "refusal" => Part::Refusal(required(refusal, &at.field("refusal"))?),
            "image_url" => Part::Image(required(image, &at.field("image_url"))?),
            "file" => Part::Document(Document {
                cited: found.cited,
                ..required(document, &at.field("file"))?
            }),
            "input_audio" => Part::Document(required(document, &at.field("input_audio"))?),
            "video_url" => Part::Document(required(document, &at.field("video_url"))?),
            "search_result" => Part::SearchResult(found.finish(at)?),
            _ => {
                return Err(wrong_value(
                    &kind_at,
                    "unknown part; use text, image_url, input_audio or file",
                ));
            }
        };
        Ok((part, cache))
    }

    fn image(&mut self, reader: &mut Reader<'a>, at: &Path<'_>) -> Result<Image<'a>, Fault> {
        let mut url = None;
        reader.object(at, |reader, key| match key {
            "url" => {
                let at = at.field("url");
                set(&mut url, reader.text(&at)?, &at)
            }
            "detail" => {
                let at = at.field("detail");
                match &*reader.text(&at)? {
                    "auto" => {}
                    "low" | "high" | "original" => self.has_image_detail = true,
                    _ => return Err(wrong_value(&at, "must be auto, low, high or original")),
                }
                Ok(())
            }
            _ => reader.skip().map(drop),
        })?;
        let at = at.field("url");
        let url = required(url, &at)?;
        data_url::image(url, &at)
    }

    fn thoughts(&mut self, reader: &mut Reader<'a>, at: &Path<'_>) -> Result<Vec<Part<'a>>, Fault> {
        let mut thoughts = Vec::new();
        reader.list(at, PARTS_MAX, |reader, index| {
            let at = at.item(index);
            self.parts.add(&at)?;
            thoughts.extend(read_thought(reader, &at)?);
            Ok(())
        })?;
        Ok(thoughts)
    }

    fn tool_calls(
        &mut self,
        reader: &mut Reader<'a>,
        at: &Path<'_>,
    ) -> Result<Vec<Part<'a>>, Fault> {
        let mut calls = Vec::new();
        reader.list(at, TOOL_CALLS_MAX, |reader, index| {
            let at = at.item(index);
            self.parts.add(&at)?;
            calls.push(read_tool_call(reader, &at)?);
            Ok(())
        })?;
        Ok(calls)
    }
}

fn read_thought<'a>(reader: &mut Reader<'a>, at: &Path<'_>) -> Result<Option<Part<'a>>, Fault> {
    let mut kind = None;
    let mut text = None;
    let mut signature = None;
    let mut data = None;
    reader.object(at, |reader, key| match key {
        "type" => {
            let at = at.field("type");
            set(&mut kind, reader.text(&at)?, &at)
        }
        "thinking" => {
            let at = at.field("thinking");
            set(&mut text, reader.text(&at)?, &at)
        }
        "signature" => {
            let at = at.field("signature");
            set(&mut signature, reader.text(&at)?, &at)
        }
        "data" => {
            let at = at.field("data");
            set(&mut data, reader.text(&at)?, &at)
        }
        _ => reader.skip().map(drop),
    })?;
    Ok(match kind.as_deref() {
        // Without its signature nobody takes it back.
        Some("thinking") => signature.map(|signature| Part::Reasoning {
            text: text.unwrap_or_else(|| Text::from("")),
            signature,
        }),
        Some("redacted_thinking") => data.map(Part::Redacted),
        _ => None,
    })
}

impl<'a> Draft<'a> {
    fn finish(self, at: &Path<'_>, index: usize) -> Result<Message<'a>, Fault> {
        let role = required(self.role, &at.field("role"))?;
        if role != Role::Assistant
            && self
                .tool_calls
                .as_ref()
                .is_some_and(|calls| !calls.is_empty())
        {
            return Err(wrong_value(
                &at.field("tool_calls"),
                "only an assistant's message may hold tool calls",
            ));
        }
        let content_at = at.field("content");
        let mut parts = match (self.content, role) {
            (Some(parts), _) => parts,
            // An assistant that only called tools, or only refused, said nothing.
            (None, Role::Assistant) => Vec::new(),
            (None, _) => required(None, &content_at)?,
        };
        let is_said = |part: &&Part<'_>| !matches!(part, Part::CacheBreakpoint(_));
        for (part, index) in parts.iter().filter(is_said).zip(0..) {
            check_part(role, part, &content_at.item(index))?;
        }
        match role {
            Role::System | Role::User => {}
            Role::Assistant => {
                if let Some(thoughts) = self.thoughts {
                    parts.splice(..0, thoughts);
                }
                parts.extend(self.refusal.map(Part::Refusal));
                parts.extend(self.tool_calls.unwrap_or_default());
            }
            Role::Tool => {
                let at = at.field("tool_call_id");
                let id = required(self.tool_call_id, &at)?;
                if id.is_empty() {
                    return Err(wrong_value(&at, "must not be empty"));
                }
                let mark = |part: &Part<'a>| {
                    let Part::CacheBreakpoint(life) = part else {
                        return None;
                    };
                    Some(*life)
                };
                let cache = parts.iter().rev().find_map(mark);
                let output = parts.into_iter().filter_map(tool_output).collect();
                parts = vec![Part::ToolResult { id, output }];
                parts.extend(cache.map(Part::CacheBreakpoint));
            }
        }
        parts.extend(self.cache.map(Part::CacheBreakpoint));
        Ok(Message { role, parts, index })
    }
}

fn role(word: &str, at: &Path<'_>) -> Result<Role, Fault> {
    Ok(match word {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        "function" => {
            return Err(unsupported(
                at,
                "the legacy role function cannot be carried; use the role tool with a tool_call_id",
            ));
        }
        _ => {
            return Err(wrong_value(
                at,
                "must be system, developer, user, assistant or tool",
            ));
        }
    })
}

/// Whether a message of this role may hold this part.
fn check_part(role: Role, part: &Part<'_>, at: &Path<'_>) -> Result<(), Fault> {
    let (is_fine, problem) = match part {
        Part::Text(_) => (true, ""),
        // OpenAI takes text only from a tool; pictures are an extension that many apps rely on.
        Part::Image(_) => (
            matches!(role, Role::User | Role::Tool),
            "only a user's message may hold pictures",
        ),
        Part::Document(_) | Part::SearchResult(_) => {
            (role == Role::User, "only a user's message may hold files")
        }
        Part::Refusal(_) => (
            role == Role::Assistant,
            "only an assistant's message may hold a refusal",
        ),
        Part::ToolCall { .. }
        | Part::ToolResult { .. }
        | Part::Reasoning { .. }
        | Part::Redacted(_)
        | Part::TextCall { .. }
        | Part::CacheBreakpoint(_) => {
            return Err(Fault::Internal("content holds what is no content"));
        }
    };
    if is_fine {
        return Ok(());
    }
    Err(wrong_value(&at.field("type"), problem))
}

fn tool_output(part: Part<'_>) -> Option<ToolOutput<'_>> {
    match part {
        Part::Text(text) => Some(ToolOutput::Text(text)),
        Part::Image(image) => Some(ToolOutput::Image(image)),
        Part::Document(_)
        | Part::SearchResult(_)
        | Part::ToolCall { .. }
        | Part::ToolResult { .. }
        | Part::Refusal(_)
        | Part::Reasoning { .. }
        | Part::Redacted(_)
        | Part::TextCall { .. }
        | Part::CacheBreakpoint(_) => None,
    }
}

/// What an app found, as Anthropic writes it; OpenAI has no such part. Of it, files have `citations`.
#[derive(Default)]
struct Found<'a> {
    source: Option<Escaped<'a>>,
    title: Option<Escaped<'a>>,
    texts: Vec<Escaped<'a>>,
    cited: bool,
}

impl<'a> Found<'a> {
    fn read(&mut self, reader: &mut Reader<'a>, at: &Path<'_>, key: &str) -> Result<(), Fault> {
        match key {
            "source" => {
                let at = at.field("source");
                set(&mut self.source, reader.escaped(&at)?, &at)
            }
            "title" => {
                let at = at.field("title");
                set(&mut self.title, reader.escaped(&at)?, &at)
            }
            "citations" => {
                let at = at.field("citations");
                reader.object(&at, |reader, key| match key {
                    "enabled" => {
                        self.cited = reader.boolean(&at.field("enabled"))?;
                        Ok(())
                    }
                    _ => reader.skip().map(drop),
                })
            }
            _ => {
                let at = at.field("content");
                reader.list(&at, PARTS_MAX, |reader, index| {
                    let at = at.item(index);
                    reader.object(&at, |reader, key| match key {
                        "text" => {
                            self.texts.push(reader.escaped(&at.field("text"))?);
                            Ok(())
                        }
                        _ => reader.skip().map(drop),
                    })
                })
            }
        }
    }

    fn finish(self, at: &Path<'_>) -> Result<SearchResult<'a>, Fault> {
        Ok(SearchResult {
            source: required(self.source, &at.field("source"))?,
            title: required(self.title, &at.field("title"))?,
            texts: self.texts,
            cited: self.cited,
        })
    }
}

fn read_audio<'a>(reader: &mut Reader<'a>, at: &Path<'_>) -> Result<Document<'a>, Fault> {
    let mut data = None;
    let mut format = None;
    reader.object(at, |reader, key| match key {
        "data" => {
            let at = at.field("data");
            set(&mut data, reader.text(&at)?, &at)
        }
        "format" => {
            let at = at.field("format");
            set(&mut format, reader.text(&at)?, &at)
        }
        _ => reader.skip().map(drop),
    })?;
    let data_at = at.field("data");
    let format = required(format, &at.field("format"))?;
    let source = data_url::document(&required(data, &data_at)?, &data_at)?;
    let source = match source {
        DocumentSource::Inline { base64, .. } => DocumentSource::Inline {
            media_type: Text::from(format!("audio/{}", &*format)),
            base64,
        },
        stored @ DocumentSource::FileId(_) => stored,
    };
    Ok(Document {
        file_name: None,
        source,
        cited: false,
    })
}

/// A film, as other gateways and servers take it; OpenAI has no such part.
fn read_video<'a>(reader: &mut Reader<'a>, at: &Path<'_>) -> Result<Document<'a>, Fault> {
    let mut url = None;
    let url_at = at.field("url");
    reader.object(at, |reader, key| match key {
        "url" => set(&mut url, reader.text(&url_at)?, &url_at),
        _ => reader.skip().map(drop),
    })?;
    let url = required(url, &url_at)?;
    if !url.starts_with("data:") {
        return Err(wrong_value(
            &url_at,
            "must be a data URL (data:video/mp4;base64,...)",
        ));
    }
    Ok(Document {
        file_name: None,
        source: data_url::document(&url, &url_at)?,
        cited: false,
    })
}

fn read_document<'a>(reader: &mut Reader<'a>, at: &Path<'_>) -> Result<Document<'a>, Fault> {
    let mut file_data = None;
    let mut file_id = None;
    let mut file_name = None;
    reader.object(at, |reader, key| match key {
        "file_data" => {
            let at = at.field("file_data");
            set(&mut file_data, reader.text(&at)?, &at)
        }
        "file_id" => {
            let at = at.field("file_id");
            set(&mut file_id, reader.text(&at)?, &at)
        }
        "filename" => {
            let at = at.field("filename");
            set(&mut file_name, reader.text(&at)?, &at)
        }
        _ => reader.skip().map(drop),
    })?;
    let at = at.field("file_data");
    let source = match (file_data, file_id) {
        // With both, the bytes are here and need no store.
        (Some(data), _) => data_url::document(&data, &at)?,
        (None, Some(id)) => DocumentSource::FileId(id),
        (None, None) => required(None, &at)?,
    };
    Ok(Document {
        file_name,
        source,
        cited: false,
    })
}

fn read_tool_call<'a>(reader: &mut Reader<'a>, at: &Path<'_>) -> Result<Part<'a>, Fault> {
    let mut id = None;
    let mut kind = None;
    let mut function = None;
    let mut custom = None;
    let function_at = at.field("function");
    let custom_at = at.field("custom");
    reader.object(at, |reader, key| match key {
        "id" => {
            let at = at.field("id");
            set(&mut id, reader.text(&at)?, &at)
        }
        "type" => {
            let at = at.field("type");
            set(&mut kind, reader.text(&at)?, &at)
        }
        "function" => {
            let called = read_called(reader, &function_at, "arguments")?;
            set(&mut function, called, &function_at)
        }
        "custom" => {
            let called = read_called(reader, &custom_at, "input")?;
            set(&mut custom, called, &custom_at)
        }
        _ => reader.skip().map(drop),
    })?;
    let kind_at = at.field("type");
    let kind = required(kind, &kind_at)?;
    let id_at = at.field("id");
    let id = required(id, &id_at)?;
    if id.is_empty() {
        return Err(wrong_value(&id_at, "must not be empty"));
    }
    match &*kind {
        "function" => {
            let (name, arguments) = required(function, &function_at)?;
            Ok(Part::ToolCall {
                id,
                name,
                arguments,
            })
        }
        "custom" => {
            let (name, input) = required(custom, &custom_at)?;
            Ok(Part::TextCall { id, name, input })
        }
        _ => Err(wrong_value(&kind_at, "must be function or custom")),
    }
}

/// The name of the tool that was called, and what it was called with.
fn read_called<'a>(
    reader: &mut Reader<'a>,
    at: &Path<'_>,
    with: &'static str,
) -> Result<(Text<'a>, Escaped<'a>), Fault> {
    let mut name = None;
    let mut written = None;
    let (name_at, written_at) = (at.field("name"), at.field(with));
    reader.object(at, |reader, key| match key {
        "name" => set(&mut name, read_name(reader, &name_at)?, &name_at),
        _ if key == with => set(&mut written, reader.escaped(&written_at)?, &written_at),
        _ => reader.skip().map(drop),
    })?;
    Ok((required(name, &name_at)?, required(written, &written_at)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message as `role part part`; or the fault's code and text.
    #[track_caller]
    fn check(messages: &str, want: &[&str]) {
        serde_json::from_str::<serde::de::IgnoredAny>(messages).unwrap();
        let got = match Messages::read(&mut Reader::new(messages)) {
            Ok(messages) => messages.list.iter().map(outline).collect(),
            Err(fault) => vec![format!("{} {fault}", fault.code().unwrap())],
        };
        assert_eq!(got, want);
    }

    fn outline(message: &Message<'_>) -> String {
        let mut line = format!("{:?}", message.role).to_lowercase();
        for part in &message.parts {
            line.push(' ');
            line.push_str(&match part {
                Part::Text(text) => format!("'{}'", text.as_str()),
                Part::Refusal(text) => format!("refusal '{}'", text.as_str()),
                Part::Image(image) => image_outline(image),
                Part::Document(document) => {
                    let name = document.file_name.as_deref().unwrap_or("-");
                    match &document.source {
                        DocumentSource::Inline { media_type, base64 } => {
                            format!("file {name} {}:{}", &**media_type, &**base64)
                        }
                        DocumentSource::FileId(id) => format!("file {name} id {}", &**id),
                    }
                }
                Part::TextCall { .. } => {
                    panic!("chat has no such part")
                }
                Part::ToolCall {
                    id,
                    name,
                    arguments,
                } => format!("{}={}({})", &**id, &**name, arguments.as_str()),
                Part::ToolResult { id, output } => {
                    let output = output.iter().map(|output| match output {
                        ToolOutput::Text(text) => format!("'{}'", text.as_str()),
                        ToolOutput::Image(image) => image_outline(image),
                    });
                    format!("{}:{}", &**id, output.collect::<Vec<_>>().join(","))
                }
                Part::Reasoning { text, signature } => {
                    format!("thought '{}' {}", &**text, &**signature)
                }
                Part::Redacted(base64) => format!("redacted {}", &**base64),
                Part::SearchResult(found) => format!("found {}", found.source.as_str()),
                Part::CacheBreakpoint(life) => format!("cache {}", life.minutes.unwrap_or(0)),
            });
        }
        line
    }

    fn image_outline(image: &Image<'_>) -> String {
        match image {
            Image::Inline { media_type, base64 } => format!("{}:{}", &**media_type, &**base64),
            Image::Url(url) => format!("<{}>", &**url),
        }
    }

    #[test]
    fn every_role_is_read_and_developer_is_system() {
        check(
            r#"[{"role":"system","content":"s"},{"role":"developer","content":"d"},
                {"role":"user","content":"u"},{"role":"assistant","content":"a"},
                {"role":"tool","tool_call_id":"t1","content":"r"}]"#,
            &[
                "system 's'",
                "system 'd'",
                "user 'u'",
                "assistant 'a'",
                "tool t1:'r'",
            ],
        );
    }

    #[test]
    fn a_mark_stands_behind_what_it_ends() {
        check(
            r#"[{"role":"user","content":[{"type":"text","text":"a","prompt_cache_breakpoint":{"mode":"explicit","ttl":"30m"}},{"type":"text","text":"b"}]},
                {"role":"system","content":"c","cache_control":{"type":"ephemeral"}},
                {"role":"tool","tool_call_id":"t","content":[{"type":"text","text":"r","cache_control":{"type":"ephemeral","ttl":"1h"}},{"type":"text","text":"s"}]}]"#,
            &[
                "user 'a' cache 30 'b'",
                "system 'c' cache 0",
                "tool t:'r','s' cache 60",
            ],
        );
    }

    #[test]
    fn signed_thoughts_come_first() {
        check(
            r#"[{"role":"assistant","content":"a","reasoning_content":"t","thinking_blocks":[
                {"type":"thinking","thinking":"t","signature":"s"},{"type":"redacted_thinking","data":"aGk="},{"type":"other"}]}]"#,
            &["assistant thought 't' s redacted aGk= 'a'"],
        );
        check(
            r#"[{"role":"user","content":"a","thinking_blocks":[{"type":"thinking","thinking":"t"}]}]"#,
            &["user 'a'"],
        );
    }

    #[test]
    fn members_come_in_any_order() {
        check(
            r#"[{"content":"r","tool_call_id":"t1","role":"tool"}]"#,
            &["tool t1:'r'"],
        );
    }

    #[test]
    fn text_stays_escaped() {
        check(
            r#"[{"role":"user","content":"a\n\"\u00e9"}]"#,
            &[r#"user 'a\n\"\u00e9'"#],
        );
    }

    #[test]
    fn content_may_be_parts() {
        check(
            r#"[{"role":"user","content":[{"type":"text","text":"a"},
                {"type":"image_url","image_url":{"url":"data:image/PNG;base64,aGk=","detail":"auto"}},
                {"type":"image_url","image_url":{"url":"https://a/b.png"}},
                {"type":"file","file":{"file_data":"data:application/pdf;base64,aGk=","filename":"a.pdf"}},
                {"type":"file","file":{"file_id":"file-1"}}]}]"#,
            &[
                "user 'a' image/png:aGk= <https://a/b.png> file a.pdf application/pdf:aGk= file - id file-1",
            ],
        );
        check(r#"[{"role":"user","content":[]}]"#, &["user"]);
    }

    #[test]
    fn escaped_slashes_in_a_data_url_are_read() {
        check(
            r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image\/png;base64,a\/8="}}]}]"#,
            &["user image/png:a/8="],
        );
    }

    #[test]
    fn a_file_of_bare_base64_is_taken_by_its_name() {
        check(
            r#"[{"role":"user","content":[{"type":"file","file":{"file_data":"aG\/k=","filename":"a.csv"}}]}]"#,
            &["user file a.csv application/octet-stream:aG/k="],
        );
    }

    #[test]
    fn an_assistant_may_call_tools_and_say_nothing() {
        check(
            r#"[{"role":"assistant","content":null,"tool_calls":[
                {"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},
                {"function":{"arguments":"","name":"g"},"type":"function","id":"2"}]}]"#,
            &[r#"assistant 1=f({\"a\":1}) 2=g()"#],
        );
        check(r#"[{"role":"assistant"}]"#, &["assistant"]);
    }

    #[test]
    fn an_assistant_may_have_refused() {
        check(
            r#"[{"role":"assistant","content":null,"refusal":"no"},
                {"role":"assistant","content":[{"type":"refusal","refusal":"no"}]}]"#,
            &["assistant refusal 'no'", "assistant refusal 'no'"],
        );
    }

    #[test]
    fn an_answer_of_the_sdk_may_be_sent_back() {
        check(
            r#"[{"role":"assistant","content":"a","refusal":null,"annotations":[],"audio":null,
                "function_call":null,"tool_calls":null,"reasoning_content":"r","name":"n"}]"#,
            &["assistant 'a'"],
        );
    }

    #[test]
    fn a_tool_answers_with_text_or_pictures() {
        check(
            r#"[{"role":"tool","tool_call_id":"1","content":[{"type":"text","text":"a"},
                {"type":"image_url","image_url":{"url":"data:image/png;base64,aGk="}}]}]"#,
            &["tool 1:'a',image/png:aGk="],
        );
    }

    #[test]
    fn hints_are_remembered() {
        let source = r#"[{"role":"user","content":[{"type":"image_url","prompt_cache_breakpoint":
            {"mode":"explicit"},"image_url":{"url":"http://a","detail":"high"}}]}]"#;
        let messages = Messages::read(&mut Reader::new(source)).unwrap();
        assert!(messages.has_image_detail);
    }

    #[track_caller]
    fn refuse(message: &str, want: &str) {
        check(&format!("[{message}]"), &[want]);
    }

    #[test]
    fn a_message_is_an_object_in_a_list() {
        check("{}", &["invalid_type messages: must be a list"]);
        check(
            "[]",
            &["invalid_value messages: must hold at least one message"],
        );
        refuse("7", "invalid_type messages[0]: must be an object");
    }

    #[test]
    fn a_wrong_role_is_refused() {
        refuse(
            r#"{"content":"x"}"#,
            "missing_required_parameter messages[0].role: this field is required",
        );
        refuse(
            r#"{"role":"bot","content":"x"}"#,
            "invalid_value messages[0].role: must be system, developer, user, assistant or tool",
        );
        refuse(
            r#"{"role":"function","name":"f","content":"x"}"#,
            "unsupported_parameter messages[0].role: the legacy role function cannot be carried; \
             use the role tool with a tool_call_id",
        );
    }

    #[test]
    fn content_is_required_but_of_an_assistant() {
        for message in [r#"{"role":"user"}"#, r#"{"role":"system","content":null}"#] {
            refuse(
                message,
                "missing_required_parameter messages[0].content: this field is required",
            );
        }
        refuse(
            r#"{"role":"user","content":7}"#,
            "invalid_type messages[0].content: must be a string or a list of parts",
        );
    }

    #[test]
    fn a_part_that_does_not_fit_is_named() {
        refuse(
            r#"{"role":"user","content":[{"type":"text","text":"x"},{"type":"video"}]}"#,
            "invalid_value messages[0].content[1].type: unknown part; use text, image_url, input_audio or file",
        );
        refuse(
            r#"{"role":"user","content":[{"type":"text","text":7}]}"#,
            "invalid_type messages[0].content[0].text: must be a string",
        );
        refuse(
            r#"{"role":"user","content":[{"type":"image_url"}]}"#,
            "missing_required_parameter messages[0].content[0].image_url: this field is required",
        );
        refuse(
            r#"{"role":"system","content":[{"type":"image_url","image_url":{"url":"http://a"}}]}"#,
            "invalid_value messages[0].content[0].type: only a user's message may hold pictures",
        );
        refuse(
            r#"{"role":"user","content":[{"type":"refusal","refusal":"x"}]}"#,
            "invalid_value messages[0].content[0].type: only an assistant's message may hold a refusal",
        );
    }

    #[test]
    fn a_picture_that_is_none_is_refused() {
        refuse(
            r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"a.png"}}]}"#,
            "invalid_value messages[0].content[0].image_url.url: must be a data URL \
             (data:image/png;base64,...) or an https URL",
        );
        refuse(
            r#"{"role":"user","content":[{"type":"image_url","image_url":"http://a"}]}"#,
            "invalid_type messages[0].content[0].image_url: must be an object",
        );
        refuse(
            r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png,x"}}]}"#,
            "invalid_value messages[0].content[0].image_url.url: a data URL has to be in base64: \
             data:image/png;base64,...",
        );
        refuse(
            r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://a","detail":"x"}}]}"#,
            "invalid_value messages[0].content[0].image_url.detail: must be auto, low, high or original",
        );
    }

    #[test]
    fn a_file_without_bytes_is_refused() {
        refuse(
            r#"{"role":"user","content":[{"type":"file","file":{"filename":"a"}}]}"#,
            "missing_required_parameter messages[0].content[0].file.file_data: this field is required",
        );
        refuse(
            r#"{"role":"user","content":[{"type":"file","file":{"file_data":"<>"}}]}"#,
            "invalid_value messages[0].content[0].file.file_data: the data is no base64: only A-Z \
             a-z 0-9 + / and = at the end are",
        );
    }

    #[test]
    fn a_tool_call_that_does_not_fit_is_named() {
        let call = |call: &str| format!(r#"{{"role":"assistant","tool_calls":[{call}]}}"#);
        refuse(
            &call(r#"{"type":"function","function":{"name":"f","arguments":"{}"}}"#),
            "missing_required_parameter messages[0].tool_calls[0].id: this field is required",
        );
        refuse(
            &call(r#"{"id":"1","type":"function"}"#),
            "missing_required_parameter messages[0].tool_calls[0].function: this field is required",
        );
        refuse(
            &call(r#"{"id":"1","type":"function","function":{"name":"f","arguments":{}}}"#),
            "invalid_type messages[0].tool_calls[0].function.arguments: must be a string",
        );
        refuse(
            r#"{"role":"user","content":"x","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":""}}]}"#,
            "invalid_value messages[0].tool_calls: only an assistant's message may hold tool calls",
        );
    }

    #[test]
    fn a_tools_answer_names_its_call() {
        refuse(
            r#"{"role":"tool","content":"x"}"#,
            "missing_required_parameter messages[0].tool_call_id: this field is required",
        );
    }

    #[test]
    fn legacy_fields_and_stored_audio_are_refused() {
        refuse(
            r#"{"role":"assistant","function_call":{"name":"f","arguments":""}}"#,
            "unsupported_parameter messages[0].function_call: this legacy field cannot be carried; \
             use tool_calls",
        );
        refuse(
            r#"{"role":"assistant","audio":{"id":"a"}}"#,
            "unsupported_parameter messages[0].audio: earlier audio answers are stored at OpenAI \
             and cannot be carried; send their text",
        );
    }

    #[test]
    fn a_member_comes_once() {
        refuse(
            r#"{"role":"user","content":"a","content":"b"}"#,
            "invalid_value messages[0].content: this field comes twice",
        );
    }

    #[test]
    fn messages_and_parts_are_bounded() {
        let many = |item: &str, count: usize| format!("[{}]", vec![item; count].join(","));
        check(
            &many(r#"{"role":"user","content":""}"#, MESSAGES_MAX + 1),
            &["invalid_value messages: the list may have at most 16384 items"],
        );
        let parts = many(r#"{"type":"text","text":""}"#, PARTS_MAX / 2 + 1);
        let message = format!(r#"{{"role":"user","content":{parts}}}"#);
        check(
            &format!("[{message},{message}]"),
            &["invalid_value messages[1].content[32767]: a request may have at most 65536 parts"],
        );
    }
}
