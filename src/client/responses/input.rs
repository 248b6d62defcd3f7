//! The conversation: messages, tool calls, what tools answered, and reasoning.
//!
//! A string is one message of the user's. In a list each item becomes a message of its own; neighbours
//! of one side are merged later. An assistant's items come back as they were answered:
//! - a reasoning item by its `encrypted_content`, if that is this gateway's (see [`super::seal`]). One of
//!   another maker says nothing to the model and is dropped, and so is one without: no model takes
//!   reasoning that nothing vouches for. Its `id`, `status` and `content` are dropped too;
//! - a tool call in a namespace by the name that the tool has on its way.
//!
//! Dropped: ids and statuses of items, `phase`, annotations and probabilities of earlier texts, and the
//! items of tools that OpenAI hosts, which go with their tools: to `input.{type}`, for the policy.

use super::seal::{self, Sealed};
use super::tools::wire_name;
use crate::client::data_url;
use crate::client::parts::PartCount;
use crate::client::read::{Path, Reader, required, set, unsupported, wrong_kind, wrong_value};
use crate::client::tools::read_name;
use crate::codec::json::{Kind, Text, unescape};
use crate::fault::Fault;
use crate::limits::{MESSAGES_MAX, PARTS_MAX};
use crate::turn::{Document, DocumentSource, Escaped, Image, Message, Part, Role, ToolOutput};

/// The conversation, and what else was met on the way.
#[derive(Default)]
pub(super) struct Input<'a> {
    pub(super) list: Vec<Message<'a>>,
    /// Parameters that are met inside of items, for the policy.
    pub(super) others: Vec<String>,
    /// Parts of all messages so far.
    parts: PartCount,
}

/// Kinds of items that come from tools that OpenAI hosts.
const HOSTED: &[&str] = &[
    "additional_tools",
    "apply_patch_call",
    "apply_patch_call_output",
    "code_interpreter_call",
    "compaction",
    "computer_call",
    "computer_call_output",
    "file_search_call",
    "image_generation_call",
    "local_shell_call",
    "local_shell_call_output",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "mcp_list_tools",
    "shell_call",
    "shell_call_output",
    "tool_search_call",
    "tool_search_output",
    "web_search_call",
];

impl<'a> Input<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let at = Path::top("input");
        let mut input = Self::default();
        match reader.kind() {
            Kind::String => {
                let parts = vec![Part::Text(reader.escaped(&at)?)];
                input.push(Role::User, parts, 0);
            }
            Kind::Array => reader.list(&at, MESSAGES_MAX, |reader, index| {
                input.item(reader.skip()?, &at.item(index), index)
            })?,
            Kind::Object | Kind::Bool | Kind::Null | Kind::Number => {
                return Err(wrong_kind(&at, "must be a string or a list of items"));
            }
        }
        if input.list.is_empty() {
            return Err(wrong_value(&at, "must hold at least one message"));
        }
        Ok(input)
    }

    fn push(&mut self, role: Role, parts: Vec<Part<'a>>, index: usize) {
        self.list.push(Message { role, parts, index });
    }

    fn item(&mut self, raw: &'a str, at: &Path<'_>, index: usize) -> Result<(), Fault> {
        let mut kind = None;
        Reader::new(raw).object(at, |reader, key| match key {
            "type" => {
                let at = at.field("type");
                set(&mut kind, reader.text(&at)?, &at)
            }
            _ => reader.skip().map(drop),
        })?;
        // Only a message may go without its kind.
        let kind = kind.unwrap_or_else(|| Text::from("message"));
        match &*kind {
            "message" => self.message(raw, at, index),
            "function_call" | "custom_tool_call" => {
                self.parts.add(at)?;
                let call = read_call(raw, at, &kind == "custom_tool_call")?;
                self.push(Role::Assistant, vec![call], index);
                Ok(())
            }
            "function_call_output" | "custom_tool_call_output" => self.output(raw, at, index),
            "reasoning" => {
                self.parts.add(at)?;
                if let Some(part) = read_reasoning(raw, at)? {
                    self.push(Role::Assistant, vec![part], index);
                }
                Ok(())
            }
            "item_reference" => Err(unsupported(
                at,
                "this gateway stores no items; send the item itself, and set store to false where \
                 the app's SDK sends references by itself",
            )),
            kind if HOSTED.contains(&kind) => {
                self.note(&format!("input.{kind}"));
                Ok(())
            }
            _ => Err(wrong_value(
                &at.field("type"),
                "unknown item; use message, function_call, function_call_output, \
                 custom_tool_call, custom_tool_call_output or reasoning",
            )),
        }
    }

    fn message(&mut self, raw: &'a str, at: &Path<'_>, index: usize) -> Result<(), Fault> {
        let mut role = None;
        let mut parts = None;
        Reader::new(raw).object(at, |reader, key| match key {
            "role" => {
                let at = at.field("role");
                set(&mut role, read_role(&reader.text(&at)?, &at)?, &at)
            }
            "content" => {
                let at = at.field("content");
                set(&mut parts, self.content(reader, &at)?, &at)
            }
            _ => reader.skip().map(drop),
        })?;
        let role = required(role, &at.field("role"))?;
        let content_at = at.field("content");
        let parts = required(parts, &content_at)?;
        for (part, index) in parts.iter().zip(0..) {
            check_part(role, part, &content_at.item(index))?;
        }
        self.push(role, parts, index);
        Ok(())
    }

    /// A text, or a list of parts: exactly one part for each item.
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
                    parts.push(self.part(reader, &at)?);
                    Ok(())
                })?;
                Ok(parts)
            }
            Kind::Object | Kind::Bool | Kind::Null | Kind::Number => {
                Err(wrong_kind(at, "must be a string or a list of parts"))
            }
        }
    }

    fn part(&mut self, reader: &mut Reader<'a>, at: &Path<'_>) -> Result<Part<'a>, Fault> {
        let mut draft = Draft::default();
        reader.object(at, |reader, key| draft.field(reader, key, at))?;
        if draft.has_cache_breakpoint {
            self.note("prompt_cache_breakpoint");
        }
        if draft.has_detail {
            self.note("image_url.detail");
        }
        draft.finish(at)
    }

    fn note(&mut self, name: &str) {
        if !self.others.iter().any(|known| known == name) {
            self.others.push(name.to_owned());
        }
    }

    fn output(&mut self, raw: &'a str, at: &Path<'_>, index: usize) -> Result<(), Fault> {
        let mut id = None;
        let mut parts = None;
        let id_at = at.field("call_id");
        let output_at = at.field("output");
        Reader::new(raw).object(at, |reader, key| match key {
            "call_id" => set(&mut id, reader.text(&id_at)?, &id_at),
            "output" => set(&mut parts, self.content(reader, &output_at)?, &output_at),
            _ => reader.skip().map(drop),
        })?;
        let id = required(id, &id_at)?;
        if id.is_empty() {
            return Err(wrong_value(&id_at, "must not be empty"));
        }
        let mut output = Vec::new();
        for (part, index) in required(parts, &output_at)?.into_iter().zip(0..) {
            output.push(match part {
                Part::Text(text) => ToolOutput::Text(text),
                Part::Image(image) => ToolOutput::Image(image),
                Part::Document(_)
                | Part::ToolCall { .. }
                | Part::TextCall { .. }
                | Part::Reasoning { .. }
                | Part::Redacted(_)
                | Part::ToolResult { .. }
                | Part::SearchResult(_)
                | Part::CacheBreakpoint(_)
                | Part::Refusal(_) => {
                    return Err(unsupported(
                        &output_at.item(index).field("type"),
                        "what a tool answers may hold texts and pictures",
                    ));
                }
            });
        }
        self.push(Role::Tool, vec![Part::ToolResult { id, output }], index);
        Ok(())
    }
}

/// A part whose kind may not be known yet: members come in any order.
#[derive(Default)]
struct Draft<'a> {
    kind: Option<Text<'a>>,
    text: Option<Escaped<'a>>,
    refusal: Option<Escaped<'a>>,
    image_url: Option<Text<'a>>,
    file_id: Option<Text<'a>>,
    file_data: Option<Text<'a>>,
    file_name: Option<Text<'a>>,
    has_file_url: bool,
    has_detail: bool,
    has_cache_breakpoint: bool,
}

impl<'a> Draft<'a> {
    fn field(&mut self, reader: &mut Reader<'a>, key: &str, at: &Path<'_>) -> Result<(), Fault> {
        let text = |reader: &mut Reader<'a>, slot: &mut Option<Text<'a>>, name| {
            let at = at.field(name);
            set(slot, reader.text(&at)?, &at)
        };
        match key {
            "type" => text(reader, &mut self.kind, "type"),
            "text" => {
                let at = at.field("text");
                set(&mut self.text, reader.escaped(&at)?, &at)
            }
            "refusal" => {
                let at = at.field("refusal");
                set(&mut self.refusal, reader.escaped(&at)?, &at)
            }
            "image_url" => text(reader, &mut self.image_url, "image_url"),
            "file_id" => text(reader, &mut self.file_id, "file_id"),
            "file_data" => text(reader, &mut self.file_data, "file_data"),
            "filename" => text(reader, &mut self.file_name, "filename"),
            "detail" => {
                let at = at.field("detail");
                self.has_detail = match &*reader.text(&at)? {
                    "auto" => false,
                    "low" | "high" | "original" => true,
                    _ => return Err(wrong_value(&at, "must be auto, low, high or original")),
                };
                Ok(())
            }
            "file_url" => {
                self.has_file_url = true;
                reader.skip().map(drop)
            }
            "prompt_cache_breakpoint" => {
                self.has_cache_breakpoint = true;
                reader.skip().map(drop)
            }
            _ => reader.skip().map(drop),
        }
    }

    fn finish(self, at: &Path<'_>) -> Result<Part<'a>, Fault> {
        let kind_at = at.field("type");
        Ok(match self.kind.as_deref() {
            // `text` is what some apps write for both.
            Some("input_text" | "output_text" | "text") => {
                Part::Text(required(self.text, &at.field("text"))?)
            }
            Some("refusal") => Part::Refusal(required(self.refusal, &at.field("refusal"))?),
            Some("input_image") => Part::Image(self.image(at)?),
            Some("input_file") => Part::Document(self.document(at)?),
            Some("input_audio") => {
                return Err(unsupported(
                    &kind_at,
                    "audio cannot be carried to the model's provider",
                ));
            }
            Some(_) => {
                return Err(wrong_value(
                    &kind_at,
                    "unknown part; use input_text, input_image, input_file, output_text or refusal",
                ));
            }
            None => required(None, &kind_at)?,
        })
    }

    fn image(self, at: &Path<'_>) -> Result<Image<'a>, Fault> {
        let url_at = at.field("image_url");
        match self.image_url {
            Some(url) => data_url::image(url, &url_at),
            None if self.file_id.is_some() => Err(unsupported(
                &at.field("file_id"),
                "this provider does not have the file; send its bytes as a data URL in image_url",
            )),
            None => required(None, &url_at),
        }
    }

    fn document(self, at: &Path<'_>) -> Result<Document<'a>, Fault> {
        let data_at = at.field("file_data");
        let source = match (self.file_data, self.file_id) {
            // With both, the bytes are here and need no store.
            (Some(data), _) => data_url::document(&data, &data_at)?,
            (None, Some(id)) => DocumentSource::FileId(id),
            (None, None) if self.has_file_url => {
                return Err(unsupported(
                    &at.field("file_url"),
                    "this provider does not fetch files; send the bytes as file_data",
                ));
            }
            (None, None) => required(None, &data_at)?,
        };
        Ok(Document {
            file_name: self.file_name,
            source,
            cited: false,
        })
    }
}

fn read_role(word: &str, at: &Path<'_>) -> Result<Role, Fault> {
    Ok(match word {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        _ => {
            return Err(wrong_value(
                at,
                "must be system, developer, user or assistant",
            ));
        }
    })
}

/// Whether a message of this role may hold this part.
fn check_part(role: Role, part: &Part<'_>, at: &Path<'_>) -> Result<(), Fault> {
    let problem = match (part, role) {
        (Part::Image(_) | Part::Document(_), Role::System | Role::Assistant) => {
            "only a user's message may hold pictures and files"
        }
        (Part::Refusal(_), Role::System | Role::User) => {
            "only an assistant's message may hold a refusal"
        }
        _ => return Ok(()),
    };
    Err(wrong_value(&at.field("type"), problem))
}

fn read_call<'a>(raw: &'a str, at: &Path<'_>, is_custom: bool) -> Result<Part<'a>, Fault> {
    let mut id = None;
    let mut name = None;
    let mut namespace = None;
    let mut written = None;
    let id_at = at.field("call_id");
    let name_at = at.field("name");
    let written_at = at.field(if is_custom { "input" } else { "arguments" });
    Reader::new(raw).object(at, |reader, key| match key {
        "call_id" => set(&mut id, reader.text(&id_at)?, &id_at),
        "name" => set(&mut name, read_name(reader, &name_at)?, &name_at),
        "namespace" => {
            let at = at.field("namespace");
            set(&mut namespace, reader.text(&at)?, &at)
        }
        "arguments" if !is_custom => set(&mut written, reader.escaped(&written_at)?, &written_at),
        "input" if is_custom => set(&mut written, reader.escaped(&written_at)?, &written_at),
        _ => reader.skip().map(drop),
    })?;
    let id = required(id, &id_at)?;
    if id.is_empty() {
        return Err(wrong_value(&id_at, "must not be empty"));
    }
    let name = required(name, &name_at)?;
    let name = wire_name(namespace.as_deref(), name);
    let written: Escaped<'a> = required(written, &written_at)?;
    Ok(match is_custom {
        true => Part::TextCall {
            id,
            name,
            input: written,
        },
        false => Part::ToolCall {
            id,
            name,
            arguments: written,
        },
    })
}

/// Nothing where the item says nothing to the model.
fn read_reasoning<'a>(raw: &'a str, at: &Path<'_>) -> Result<Option<Part<'a>>, Fault> {
    let mut sealed = None;
    let mut summary: Vec<Escaped<'a>> = Vec::new();
    let sealed_at = at.field("encrypted_content");
    let summary_at = at.field("summary");
    Reader::new(raw).object(at, |reader, key| match key {
        "encrypted_content" => set(&mut sealed, reader.text(&sealed_at)?, &sealed_at),
        "summary" => reader.list(&summary_at, PARTS_MAX, |reader, index| {
            let at = summary_at.item(index);
            reader.object(&at, |reader, key| match key {
                "text" => {
                    summary.push(reader.escaped(&at.field("text"))?);
                    Ok(())
                }
                _ => reader.skip().map(drop),
            })
        }),
        _ => reader.skip().map(drop),
    })?;
    let Some(sealed) = sealed.as_ref().and_then(seal::open) else {
        return Ok(None);
    };
    match sealed {
        Sealed::Signature(signature) => {
            let mut text = String::new();
            for piece in summary {
                unescape(piece.as_str(), &mut text)
                    .map_err(|_error| Fault::Internal("a request's reader is out of step"))?;
            }
            Ok(Some(Part::Reasoning {
                text: Text::from(text),
                signature,
            }))
        }
        Sealed::Redacted(base64) => match data_url::base64(&base64) {
            Ok(_) => Ok(Some(Part::Redacted(base64))),
            Err(_) => Err(wrong_value(
                &sealed_at,
                "this is not as the gateway wrote it; send it unchanged",
            )),
        },
    }
}
