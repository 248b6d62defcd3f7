//! The items of an answer's output, collected and written.
//!
//! Text is kept as it is escaped. An item is written in the same form when it begins, when it is done
//! and in the final response; only then its content is in it.

use super::echo::Names;
use crate::client::tools::text_of;
use crate::codec::json::{unescape, validate, write_escaped, write_u64};
use crate::turn::Escaped;

/// One item of the output.
pub(super) struct Item {
    pub(super) kind: Kind,
    pub(super) state: State,
}

/// Where an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    Completed,
    /// The answer ended before the item did.
    Incomplete,
}

/// What it is.
pub(super) enum Kind {
    /// Some text of the answer.
    Message { text: String, sources: Sources },
    /// What is said in place of an answer.
    Refusal { text: String },
    /// Some reasoning, and what the model wants back with it.
    Reasoning { text: String, sealed: String },
    /// A call of a tool.
    Call(Call),
}

/// The sources of a text on the web.
#[derive(Default)]
pub(super) struct Sources {
    /// Characters of the answer before the text.
    pub(super) starts: u64,
    pub(super) count: u64,
    /// A JSON list without its brackets.
    pub(super) list: Vec<u8>,
}

/// A call of a tool.
pub(super) struct Call {
    /// Its place among the calls.
    pub(super) index: u32,
    id: String,
    name: String,
    namespace: Option<String>,
    pub(super) is_custom: bool,
    /// A JSON text, escaped as a string's content; of a custom tool that is done, its input.
    pub(super) arguments: String,
}

impl std::fmt::Debug for Item {
    /// Tells sizes, never text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, text) = match &self.kind {
            Kind::Message { text, .. } => ("message", text),
            Kind::Refusal { text } => ("refusal", text),
            Kind::Reasoning { text, .. } => ("reasoning", text),
            Kind::Call(call) => ("call", &call.arguments),
        };
        f.debug_struct("Item")
            .field("kind", &kind)
            .field("state", &self.state)
            .field("text_bytes", &text.len())
            .finish_non_exhaustive()
    }
}

impl Call {
    /// A call as it begins. `name` is the tool's on its way.
    pub(super) fn new(index: u32, id: Escaped<'_>, name: Escaped<'_>, names: &Names) -> Self {
        let known = names.find(name.as_str());
        Self {
            index,
            id: id.as_str().to_owned(),
            name: known.map_or_else(|| name.as_str().to_owned(), |known| known.name.clone()),
            namespace: known.and_then(|known| known.namespace.clone()),
            is_custom: known.is_some_and(|known| known.is_custom),
            arguments: String::new(),
        }
    }

    /// Whether the arguments are one JSON text, to which nothing can be added.
    pub(super) fn is_whole(&self) -> bool {
        let mut json = String::new();
        unescape(&self.arguments, &mut json).is_ok() && validate(json.as_bytes()).is_ok()
    }

    /// Ends the arguments: apps parse them as JSON, so a call without any has an empty object; of a
    /// custom tool only the text counts.
    pub(super) fn end(&mut self) {
        if !self.is_custom {
            if self.arguments.is_empty() {
                self.arguments.push_str("{}");
            }
            return;
        }
        self.arguments = text_of(&self.arguments);
    }
}

impl Item {
    pub(super) const fn new(kind: Kind) -> Self {
        Self {
            kind,
            state: State::Open,
        }
    }

    /// Appends the item's id, made of the response's: `msg_{random}_{index}`.
    pub(super) fn write_id(&self, random: &str, index: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(match &self.kind {
            Kind::Message { .. } | Kind::Refusal { .. } => b"msg_",
            Kind::Reasoning { .. } => b"rs_",
            Kind::Call(call) if call.is_custom => b"ctc_",
            Kind::Call(_) => b"fc_",
        });
        out.extend_from_slice(random.as_bytes());
        out.push(b'_');
        write_u64(out, u64::try_from(index).unwrap_or(u64::MAX));
    }

    /// Appends the item, with its content unless it has just begun.
    pub(super) fn write(&self, random: &str, index: usize, begins: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":\"");
        self.write_id(random, index, out);
        let status: &[u8] = match (begins, self.state) {
            (true, _) => b"in_progress",
            (false, State::Completed) => b"completed",
            (false, State::Open | State::Incomplete) => b"incomplete",
        };
        match &self.kind {
            Kind::Message { .. } | Kind::Refusal { .. } => {
                out.extend_from_slice(
                    b"\",\"type\":\"message\",\"role\":\"assistant\",\"status\":\"",
                );
                out.extend_from_slice(status);
                out.extend_from_slice(b"\",\"content\":[");
                if !begins {
                    self.write_part(out);
                }
                out.extend_from_slice(b"]}");
            }
            Kind::Reasoning { text, sealed } => {
                out.extend_from_slice(b"\",\"type\":\"reasoning\",\"summary\":[");
                if !begins && !text.is_empty() {
                    write_summary_part(text, out);
                }
                out.push(b']');
                if !begins && !sealed.is_empty() {
                    out.extend_from_slice(b",\"encrypted_content\":");
                    write_escaped(out, sealed);
                }
                out.push(b'}');
            }
            Kind::Call(call) => write_call(call, status, begins, out),
        }
    }
}

impl Item {
    /// Appends a message's part.
    pub(super) fn write_part(&self, out: &mut Vec<u8>) {
        match &self.kind {
            Kind::Message { text, sources } => write_text_part(text, &sources.list, out),
            Kind::Refusal { text } => write_refusal_part(text, out),
            Kind::Reasoning { .. } | Kind::Call(_) => {}
        }
    }
}

fn write_call(call: &Call, status: &[u8], begins: bool, out: &mut Vec<u8>) {
    // A custom tool's call has no status.
    if call.is_custom {
        out.extend_from_slice(b"\",\"type\":\"custom_tool_call\",\"call_id\":");
    } else {
        out.extend_from_slice(b"\",\"type\":\"function_call\",\"status\":\"");
        out.extend_from_slice(status);
        out.extend_from_slice(b"\",\"call_id\":");
    }
    write_escaped(out, &call.id);
    out.extend_from_slice(b",\"name\":");
    write_escaped(out, &call.name);
    if let Some(namespace) = &call.namespace {
        out.extend_from_slice(b",\"namespace\":");
        write_escaped(out, namespace);
    }
    out.extend_from_slice(match call.is_custom {
        true => b",\"input\":" as &[u8],
        false => b",\"arguments\":",
    });
    write_escaped(out, if begins { "" } else { &call.arguments });
    out.push(b'}');
}

/// Appends a message's part.
pub(super) fn write_text_part(text: &str, sources: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"output_text\",\"annotations\":[");
    out.extend_from_slice(sources);
    out.extend_from_slice(b"],\"logprobs\":[],\"text\":");
    write_escaped(out, text);
    out.push(b'}');
}

/// Appends a part that refuses.
pub(super) fn write_refusal_part(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"refusal\",\"refusal\":");
    write_escaped(out, text);
    out.push(b'}');
}

/// Appends a source of a text.
pub(super) fn write_source(range: (u64, u64), url: &str, title: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"url_citation\",\"start_index\":");
    write_u64(out, range.0);
    out.extend_from_slice(b",\"end_index\":");
    write_u64(out, range.1);
    out.extend_from_slice(b",\"url\":");
    write_escaped(out, url);
    out.extend_from_slice(b",\"title\":");
    write_escaped(out, title);
    out.push(b'}');
}

/// Appends a part of a reasoning item's summary.
pub(super) fn write_summary_part(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"summary_text\",\"text\":");
    write_escaped(out, text);
    out.push(b'}');
}
