//! What chat completions and responses say alike of tools: a function's members, a custom tool's and its
//! grammar, the words of a choice, and names that are cut to the length that upstreams take.
//!
//! The two nest them differently: chat completions has a tool's members in a member that its kind names,
//! and a grammar's in `grammar`; responses has all of them beside the kind. Where the members stand,
//! and which names are legal, is for the format to say.

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::read::{Path, Reader, required, set, wrong_kind, wrong_value};
use crate::codec::json::{Kind, Members, Text, string_content, unescape, validate};
use crate::fault::Fault;
use crate::turn::{Escaped, TEXT_INPUT, Tool, ToolChoice, ToolInput};

/// The longest name of a tool, as an app writes it.
const NAME_BYTES_MAX: usize = 256;

/// OpenAI's and AWS's bound for a tool's name.
const LEGAL_NAME_BYTES_MAX: usize = 64;

/// Reads a tool's name.
pub(super) type NameReader<'a> = fn(&mut Reader<'a>, &Path<'_>) -> Result<Text<'a>, Fault>;

/// Where a custom tool's grammar stands.
#[derive(Clone, Copy)]
pub(super) enum GrammarPlace {
    /// In the member `grammar` of the tool's `format`.
    Member,
    /// In `format` itself.
    Format,
}

/// The members of a tool, as far as they have come.
#[derive(Default)]
pub(super) struct Draft<'a> {
    name: Option<Text<'a>>,
    description: Option<Escaped<'a>>,
    parameters: Option<&'a RawValue>,
    strict: Option<bool>,
    input: Option<ToolInput<'a>>,
}

impl<'a> Draft<'a> {
    /// Takes a member of a function.
    pub(super) fn function_member(
        &mut self,
        reader: &mut Reader<'a>,
        key: &str,
        at: &Path<'_>,
        read_name: NameReader<'a>,
    ) -> Result<(), Fault> {
        match key {
            "parameters" => {
                let at = at.field("parameters");
                set(&mut self.parameters, reader.raw_object(&at)?, &at)
            }
            "strict" => {
                let at = at.field("strict");
                set(&mut self.strict, reader.boolean(&at)?, &at)
            }
            // Of the rest some are hints for tools that OpenAI hosts.
            _ => self.member(reader, key, at, read_name),
        }
    }

    /// Takes a member of a custom tool.
    pub(super) fn custom_member(
        &mut self,
        reader: &mut Reader<'a>,
        key: &str,
        at: &Path<'_>,
        read_name: NameReader<'a>,
        place: GrammarPlace,
    ) -> Result<(), Fault> {
        match key {
            "format" => {
                let at = at.field("format");
                set(&mut self.input, read_format(reader, &at, place)?, &at)
            }
            _ => self.member(reader, key, at, read_name),
        }
    }

    fn member(
        &mut self,
        reader: &mut Reader<'a>,
        key: &str,
        at: &Path<'_>,
        read_name: NameReader<'a>,
    ) -> Result<(), Fault> {
        match key {
            "name" => {
                let at = at.field("name");
                set(&mut self.name, read_name(reader, &at)?, &at)
            }
            "description" => {
                let at = at.field("description");
                set(&mut self.description, reader.escaped(&at)?, &at)
            }
            _ => reader.skip().map(drop),
        }
    }

    /// The function whose members stood at `at`.
    pub(super) fn function(self, at: &Path<'_>) -> Result<Tool<'a>, Fault> {
        self.finish(ToolInput::Json, at)
    }

    /// The custom tool whose members stood at `at`.
    pub(super) fn custom(self, at: &Path<'_>) -> Result<Tool<'a>, Fault> {
        self.finish(ToolInput::Text, at)
    }

    fn finish(self, input: ToolInput<'a>, at: &Path<'_>) -> Result<Tool<'a>, Fault> {
        Ok(Tool {
            name: required(self.name, &at.field("name"))?,
            description: self.description,
            parameters: self.parameters,
            strict: self.strict,
            cache: None,
            input: self.input.unwrap_or(input),
        })
    }
}

fn read_format<'a>(
    reader: &mut Reader<'a>,
    at: &Path<'_>,
    place: GrammarPlace,
) -> Result<ToolInput<'a>, Fault> {
    let mut kind = None;
    let mut grammar = Grammar::default();
    let inside = at.field("grammar");
    let grammar_at = match place {
        GrammarPlace::Member => &inside,
        GrammarPlace::Format => at,
    };
    reader.object(at, |reader, key| match (key, place) {
        ("type", _) => {
            let at = at.field("type");
            set(&mut kind, reader.text(&at)?, &at)
        }
        ("grammar", GrammarPlace::Member) => reader.object(grammar_at, |reader, key| {
            grammar.member(reader, key, grammar_at)
        }),
        (_, GrammarPlace::Member) => reader.skip().map(drop),
        (key, GrammarPlace::Format) => grammar.member(reader, key, at),
    })?;
    let kind_at = at.field("type");
    match &*required(kind, &kind_at)? {
        "text" => Ok(ToolInput::Text),
        "grammar" => Ok(ToolInput::Grammar {
            syntax: required(grammar.syntax, &grammar_at.field("syntax"))?,
            definition: required(grammar.definition, &grammar_at.field("definition"))?,
        }),
        _ => Err(wrong_value(&kind_at, "must be text or grammar")),
    }
}

#[derive(Default)]
struct Grammar<'a> {
    syntax: Option<Text<'a>>,
    definition: Option<Escaped<'a>>,
}

impl<'a> Grammar<'a> {
    fn member(&mut self, reader: &mut Reader<'a>, key: &str, at: &Path<'_>) -> Result<(), Fault> {
        match key {
            "syntax" => {
                let at = at.field("syntax");
                set(&mut self.syntax, reader.text(&at)?, &at)
            }
            "definition" => {
                let at = at.field("definition");
                set(&mut self.definition, reader.escaped(&at)?, &at)
            }
            _ => reader.skip().map(drop),
        }
    }
}

/// `tool_choice` as it is written; whether its tools are there is known only after all members are.
pub(super) enum Choice<'a> {
    Plain(ToolChoice<'a>),
    /// Only these tools, as if the others were not there.
    Allowed {
        names: Vec<Text<'a>>,
        is_required: bool,
    },
}

impl<'a> Choice<'a> {
    /// Reads a word; an object is the format's own.
    pub(super) fn read(
        reader: &mut Reader<'a>,
        read_object: fn(&mut Reader<'a>, &Path<'_>) -> Result<Self, Fault>,
    ) -> Result<Self, Fault> {
        let at = Path::top("tool_choice");
        match reader.kind() {
            Kind::String => Ok(Self::Plain(match &*reader.text(&at)? {
                "none" => ToolChoice::None,
                "auto" => ToolChoice::Auto,
                "required" => ToolChoice::Required,
                _ => {
                    return Err(wrong_value(
                        &at,
                        "must be none, auto, required or an object that names a tool",
                    ));
                }
            })),
            Kind::Object => read_object(reader, &at),
            Kind::Array | Kind::Bool | Kind::Null | Kind::Number => {
                Err(wrong_kind(&at, "must be a string or an object"))
            }
        }
    }
}

/// Whether one of the allowed tools has to be called, as `mode` says.
pub(super) fn is_required(mode: Option<Text<'_>>, at: &Path<'_>) -> Result<bool, Fault> {
    match &*required(mode, at)? {
        "auto" => Ok(false),
        "required" => Ok(true),
        _ => Err(wrong_value(at, "must be auto or required")),
    }
}

/// Checks that there is a tool where one has to be called. `name_at` is where a choice names its tool.
pub(super) fn check_choice(
    choice: &ToolChoice<'_>,
    tools: &[Tool<'_>],
    name_at: &Path<'_>,
) -> Result<(), Fault> {
    match choice {
        ToolChoice::Required if tools.is_empty() => Err(wrong_value(
            &Path::top("tool_choice"),
            "a tool is required, and there are no tools",
        )),
        ToolChoice::Named(name) if !tools.iter().any(|tool| *tool.name == **name) => {
            Err(wrong_value(name_at, NO_SUCH_TOOL))
        }
        ToolChoice::None | ToolChoice::Auto | ToolChoice::Required | ToolChoice::Named(_) => Ok(()),
    }
}

pub(super) const NO_SUCH_TOOL: &str = "there is no such tool in tools";

/// Reads a tool's name as the app wrote it.
pub(super) fn read_name<'a>(reader: &mut Reader<'a>, at: &Path<'_>) -> Result<Text<'a>, Fault> {
    let name = reader.text(at)?;
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(wrong_value(
            at,
            "must be 1 to 256 bytes without control characters",
        ));
    }
    Ok(name)
}

/// A name that upstreams take. They take 64 letters, digits, `_` and `-`; the tools of other servers have
/// dots, slashes and longer names, and gateways that apps come from let them pass. Of such a name stays
/// what is legal, with a hash of the whole so that no two meet.
pub(super) fn legal_name(name: Text<'_>) -> Text<'_> {
    let is_legal = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    if name.len() <= LEGAL_NAME_BYTES_MAX && name.chars().all(is_legal) {
        return name;
    }
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    const HASH_LETTERS: usize = 9;
    let digest = Sha256::digest(name.as_bytes());
    let hash = digest.iter().take(HASH_LETTERS).map(|byte| {
        let letter = LETTERS.get(usize::from(byte % 32)).copied();
        char::from(letter.unwrap_or(b'a'))
    });
    let letters = name
        .chars()
        .map(|letter| if is_legal(letter) { letter } else { '_' });
    let kept = letters.take(LEGAL_NAME_BYTES_MAX.saturating_sub(HASH_LETTERS + 2));
    Text::from(kept.chain("__".chars()).chain(hash).collect::<String>())
}

/// The text that a custom tool was called with, from the arguments that it travelled in; both are escaped
/// as a string's content. Arguments that hold no such text, or were cut short, are the text.
pub(super) fn text_of(arguments: &str) -> String {
    let mut json = String::new();
    if unescape(arguments, &mut json).is_err() || validate(json.as_bytes()).is_err() {
        return arguments.to_owned();
    }
    let mut members = Members::new(&json).map_while(Result::ok);
    let input = members.find(|member| member.key == TEXT_INPUT);
    match input.and_then(|member| string_content(member.value)) {
        Some(text) => text.to_owned(),
        None if json.trim() == "{}" => String::new(),
        None => arguments.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_legal_name_stays() {
        assert_eq!(legal_name(Text::from("get_weather-2")), "get_weather-2");
    }

    #[test]
    fn another_name_keeps_its_legal_letters() {
        let legal = legal_name(Text::from("a.b/c"));
        assert!(
            legal.starts_with("a_b_c__") && legal.len() == 16,
            "{legal:?}"
        );
        let other = legal_name(Text::from("a/b.c"));
        assert_ne!(legal, other);
    }

    #[test]
    fn a_long_name_is_cut() {
        let long = |end: &str| legal_name(Text::from("x".repeat(100) + end));
        assert_eq!(long("a").len(), LEGAL_NAME_BYTES_MAX);
        assert_ne!(long("a"), long("b"));
    }

    #[test]
    fn a_custom_tools_text_is_unwrapped() {
        assert_eq!(text_of(r#"{\"input\": \"a\\n\\\"b\\\"\"}"#), r#"a\n\"b\""#);
        assert_eq!(text_of("{}"), "");
        assert_eq!(text_of(r#"{\"x\":1}"#), r#"{\"x\":1}"#);
        assert_eq!(text_of(r#"{\"input\": \"a"#), r#"{\"input\": \"a"#);
    }

    #[track_caller]
    fn check(format: &str, place: GrammarPlace, want: &str) {
        let read = read_format(&mut Reader::new(format), &Path::top("format"), place);
        let got = match read {
            Ok(ToolInput::Grammar { syntax, definition }) => {
                format!("{} {}", &*syntax, definition.as_str())
            }
            Ok(ToolInput::Text) => "text".to_owned(),
            Ok(ToolInput::Json) => "json".to_owned(),
            Err(fault) => fault.to_string(),
        };
        assert_eq!(got, want);
    }

    #[test]
    fn a_grammar_stands_where_its_format_has_it() {
        let (nested, flat) = (GrammarPlace::Member, GrammarPlace::Format);
        let inside = r#"{"grammar":{"definition":"d","syntax":"lark"},"type":"grammar"}"#;
        let beside = r#"{"type":"grammar","definition":"d","syntax":"lark"}"#;
        check(inside, nested, "lark d");
        check(beside, flat, "lark d");
        check(
            beside,
            nested,
            "format.grammar.syntax: this field is required",
        );
        check(inside, flat, "format.syntax: this field is required");
        check(r#"{"type":"text"}"#, flat, "text");
        check(
            r#"{"type":"xml"}"#,
            flat,
            "format.type: must be text or grammar",
        );
    }
}
