//! A conversation turn as asked, borrowed from the body it came in.

use std::fmt;

use serde_json::value::RawValue;

use super::{Escaped, Session};
use crate::codec::json::Text;

/// All of what is asked of a model.
#[derive(Debug, Default)]
pub struct Request<'a> {
    /// The model's public name. Not the client format's affair: the exchange says it.
    pub model: &'a str,
    /// The conversation in its order, system messages where they stood.
    pub messages: Vec<Message<'a>>,
    /// The tools that the model may call.
    pub tools: Vec<Tool<'a>>,
    /// The wish that the model may search the web.
    pub web_search: Option<WebSearch<'a>>,
    /// Whether and which tools it must call.
    pub tool_choice: Option<ToolChoice<'a>>,
    /// Whether it may call several tools at once.
    pub parallel_tool_calls: Option<bool>,
    /// The most tokens that the answer may have.
    pub max_tokens: Option<u64>,
    /// A JSON number between 0 and 2, as written.
    pub temperature: Option<&'a RawValue>,
    /// A JSON number between 0 and 1, as written.
    pub top_p: Option<&'a RawValue>,
    /// Texts that end the answer, none of them empty.
    pub stop: Vec<Escaped<'a>>,
    /// How hard to reason.
    pub effort: Option<Effort>,
    /// How long prefixes live whose breakpoints say nothing themselves.
    pub cache_life: CacheLife,
    /// The form that the answer's text must have.
    pub output: Output<'a>,
    /// How fast, and at what price, it is to be served.
    pub service_tier: Option<ServiceTier>,
    /// What the app notes about the request, for its own records.
    pub metadata: Vec<(Text<'a>, Text<'a>)>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Parameters of the format that have no place above and are not at their default.
    pub others: Vec<Other<'a>>,
    /// Whose conversation it is. Not the client format's affair: the exchange says it.
    pub session: Session<'a>,
}

/// A parameter of the app's format that has no place in the pivot.
#[derive(Clone)]
pub struct Other<'a> {
    /// Its name in that format.
    pub name: Text<'a>,
    /// Its JSON value, for an upstream that knows the same parameter; nothing where it stands inside of
    /// another, or means something that no upstream is told.
    pub value: Option<&'a str>,
}

impl<'a> Other<'a> {
    /// A parameter of which no upstream is told more than its name.
    #[must_use]
    pub fn named(name: impl Into<Text<'a>>) -> Self {
        Self {
            name: name.into(),
            value: None,
        }
    }
}

impl fmt::Debug for Other<'_> {
    /// Tells sizes, never text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Other")
            .field("value_bytes", &self.value.map(str::len))
            .finish_non_exhaustive()
    }
}

/// How the model may search the web, at the upstream's own hands.
#[derive(Debug, Default)]
pub struct WebSearch<'a> {
    /// What the app's format calls the wish, for the policy.
    pub name: &'static str,
    /// How much of what is found the model shall see: `low`, `medium` or `high`.
    pub context_size: Option<Text<'a>>,
    /// Where the person is, as far as the app says: `city`, `country`, `region`, `timezone`.
    pub location: Vec<(&'static str, Escaped<'a>)>,
}

/// One message. Neighbours of the same role are not merged yet.
#[derive(Debug)]
pub struct Message<'a> {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order. Empty where the app sent no content.
    pub parts: Vec<Part<'a>>,
    /// The message's index in the app's list, for errors that name it.
    pub index: usize,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The operator: both `system` and `developer`.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// A tool; its parts are `ToolResult`s only.
    Tool,
}

/// One piece of a message.
#[derive(Debug)]
pub enum Part<'a> {
    /// Text as written.
    Text(Escaped<'a>),
    /// A picture.
    Image(Image<'a>),
    /// A document; by its media type also sound or a film.
    Document(Document<'a>),
    /// Something that the app found, for the model to cite.
    SearchResult(SearchResult<'a>),
    /// A call that the assistant made earlier.
    ToolCall {
        /// The call's id.
        id: Text<'a>,
        /// The tool's name.
        name: Text<'a>,
        /// The arguments: a JSON text, escaped as a string's content.
        arguments: Escaped<'a>,
    },
    /// A call of a tool that takes text, made earlier.
    TextCall {
        /// The call's id.
        id: Text<'a>,
        /// The tool's name.
        name: Text<'a>,
        /// The text that it was called with.
        input: Escaped<'a>,
    },
    /// The assistant's own reasoning in an earlier turn, as it was signed.
    Reasoning {
        /// The reasoning.
        text: Text<'a>,
        /// What vouches for it.
        signature: Text<'a>,
    },
    /// The assistant's own reasoning that it did not show: bytes in base64.
    Redacted(Text<'a>),
    /// What a tool answered.
    ToolResult {
        /// The id of the call that it answers.
        id: Text<'a>,
        /// The answer's pieces.
        output: Vec<ToolOutput<'a>>,
    },
    /// The assistant's own refusal in an earlier turn.
    Refusal(Escaped<'a>),
    /// No piece of its own: what stands before it shall be cached, in this message and all before.
    CacheBreakpoint(CacheLife),
}

/// How long a cached prefix shall live at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheLife {
    /// In minutes; nothing where the app leaves it to the request or the upstream.
    pub minutes: Option<u32>,
}

/// One piece of a tool's answer.
#[derive(Debug)]
pub enum ToolOutput<'a> {
    /// Text, which may hold JSON.
    Text(Escaped<'a>),
    /// A picture.
    Image(Image<'a>),
}

/// A picture.
#[derive(Debug)]
pub enum Image<'a> {
    /// Bytes inside the request.
    Inline {
        /// The media type, such as `image/png`, in lower case.
        media_type: Text<'a>,
        /// The bytes in base64, without line breaks.
        base64: Text<'a>,
    },
    /// A place on the web, which the upstream would have to fetch.
    Url(Text<'a>),
}

/// A document.
#[derive(Debug)]
pub struct Document<'a> {
    /// The file's name with its extension, if the app gave one.
    pub file_name: Option<Text<'a>>,
    /// Where its bytes are.
    pub source: DocumentSource<'a>,
    /// Whether the model shall cite it.
    pub cited: bool,
}

/// Something that the app found.
#[derive(Debug)]
pub struct SearchResult<'a> {
    /// Where it was found, such as a URL.
    pub source: Escaped<'a>,
    /// Its title.
    pub title: Escaped<'a>,
    /// What it says.
    pub texts: Vec<Escaped<'a>>,
    /// Whether the model shall cite it.
    pub cited: bool,
}

/// Where a document's bytes are.
#[derive(Debug)]
pub enum DocumentSource<'a> {
    /// Inside the request.
    Inline {
        /// The media type, such as `application/pdf`, in lower case.
        media_type: Text<'a>,
        /// The bytes in base64.
        base64: Text<'a>,
    },
    /// A file stored at the provider that the app thinks it speaks to.
    FileId(Text<'a>),
}

/// A tool that the model may call.
pub struct Tool<'a> {
    /// Its name.
    pub name: Text<'a>,
    /// What it is for.
    pub description: Option<Escaped<'a>>,
    /// The JSON schema of its arguments, an object.
    pub parameters: Option<&'a RawValue>,
    /// Whether the arguments must obey the schema.
    pub strict: Option<bool>,
    /// Whether the tools up to this one shall be cached.
    pub cache: Option<CacheLife>,
    /// What it is called with.
    pub input: ToolInput<'a>,
}

/// What a tool is called with.
#[derive(Debug, Default)]
pub enum ToolInput<'a> {
    /// Arguments in JSON.
    #[default]
    Json,
    /// Any text. An upstream that knows only JSON has it as the member [`TEXT_INPUT`] of an object.
    Text,
    /// Text that follows a grammar.
    Grammar {
        /// The grammar's language: `lark` or `regex`.
        syntax: Text<'a>,
        /// The grammar.
        definition: Escaped<'a>,
    },
}

/// How a signature begins that is the encrypted content of reasoning of the responses API. Only that API
/// can read what follows. Such a signature is told whole, by one event.
pub const ENCRYPTED: &str = "responses.";

/// How `encrypted_content` begins that this gateway wrote. Other providers cannot read what follows.
pub const SEAL: &str = "tollgate1.";

/// The member of an object that holds the text of a tool that takes text.
pub const TEXT_INPUT: &str = "input";

impl fmt::Debug for Tool<'_> {
    /// Tells sizes, never text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parameters_bytes = self.parameters.map(|raw| raw.get().len());
        f.debug_struct("Tool")
            .field("name", &self.name)
            .field("description", &self.description)
            .field("parameters_bytes", &parameters_bytes)
            .field("strict", &self.strict)
            .field("cache", &self.cache)
            .field("input", &self.input)
            .finish()
    }
}

/// Whether and which tools must be called.
#[derive(Debug, Clone)]
pub enum ToolChoice<'a> {
    /// No tool may be called.
    None,
    /// The model decides.
    Auto,
    /// At least one must be called.
    Required,
    /// This one must be called.
    Named(Text<'a>),
}

/// The form of the answer's text.
#[derive(Debug, Default)]
pub enum Output<'a> {
    /// Any text.
    #[default]
    Text,
    /// Some JSON object.
    JsonObject,
    /// JSON that obeys a schema.
    Schema(Schema<'a>),
}

/// A schema for the answer.
pub struct Schema<'a> {
    /// Its name.
    pub name: Text<'a>,
    /// What it describes.
    pub description: Option<Escaped<'a>>,
    /// The JSON schema, an object.
    pub schema: &'a RawValue,
    /// Whether the answer must obey it to the letter.
    pub strict: Option<bool>,
}

impl fmt::Debug for Schema<'_> {
    /// Tells sizes, never text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema")
            .field("name", &self.name)
            .field("description", &self.description)
            .field("schema_bytes", &self.schema.get().len())
            .field("strict", &self.strict)
            .finish()
    }
}

/// How fast, and at what price, a request is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceTier {
    /// The usual way.
    Default,
    /// Slower and cheaper.
    Flex,
    /// Faster and dearer.
    Priority,
    /// From capacity that was bought ahead.
    Reserved,
}

/// How hard a model reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Not at all.
    None,
    /// As little as it can.
    Minimal,
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// More than much.
    Xhigh,
    /// All it can.
    Max,
}

impl Effort {
    /// Reads the wire's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "none" => Self::None,
            "minimal" => Self::Minimal,
            "low" => Self::Low,
            "medium" => Self::Medium,
            "high" => Self::High,
            "xhigh" => Self::Xhigh,
            "max" => Self::Max,
            _ => return None,
        })
    }

    /// The wire's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Xhigh => "xhigh",
            Self::Max => "max",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_text() {
        let raw = |json| serde_json::from_str::<&RawValue>(json).unwrap();
        let text = || Escaped::from_content("private");
        let request = Request {
            messages: vec![Message {
                role: Role::User,
                parts: vec![Part::Text(text())],
                index: 0,
            }],
            tools: vec![Tool {
                name: "private".into(),
                description: Some(text()),
                parameters: Some(raw(r#"{"private":1}"#)),
                strict: None,
                cache: None,
                input: ToolInput::Grammar {
                    syntax: "private".into(),
                    definition: text(),
                },
            }],
            output: Output::Schema(Schema {
                name: "private".into(),
                description: None,
                schema: raw(r#"{"private":1}"#),
                strict: None,
            }),
            ..Request::default()
        };
        let shown = format!("{request:?}");
        assert!(!shown.contains("private"), "{shown}");
    }
}
