//! The tools that the model may call, and whether it must.

use super::cache::read_cache_life;
use super::names::read_name;
use crate::client::read::{Path, Reader, required, set, unsupported, wrong_kind, wrong_value};
use crate::codec::json::{Kind, Text};
use crate::fault::Fault;
use crate::limits::TOOLS_MAX;
use crate::turn::{Tool, ToolChoice, ToolInput};

pub(super) fn read_tools<'a>(reader: &mut Reader<'a>) -> Result<Vec<Tool<'a>>, Fault> {
    let at = Path::top("tools");
    let mut tools = Vec::new();
    reader.list(&at, TOOLS_MAX, |reader, index| {
        tools.push(read_tool(reader, &at.item(index))?);
        Ok(())
    })?;
    Ok(tools)
}

fn read_tool<'a>(reader: &mut Reader<'a>, at: &Path<'_>) -> Result<Tool<'a>, Fault> {
    let mut kind = None;
    let mut tool = None;
    let mut cache = None;
    reader.object(at, |reader, key| match key {
        "cache_control" | "prompt_cache_breakpoint" => {
            cache = Some(read_cache_life(reader, &at.field("cache_control"))?);
            Ok(())
        }
        "type" => {
            let at = at.field("type");
            set(&mut kind, reader.text(&at)?, &at)
        }
        "function" => {
            let at = at.field("function");
            set(&mut tool, read_function(reader, &at)?, &at)
        }
        "custom" => {
            let at = at.field("custom");
            set(&mut tool, read_custom(reader, &at)?, &at)
        }
        _ => reader.skip().map(drop),
    })?;
    let kind_at = at.field("type");
    let field = match &*required(kind, &kind_at)? {
        "function" => at.field("function"),
        "custom" => at.field("custom"),
        _ => {
            return Err(unsupported(
                &kind_at,
                "only tools of type function or custom can be carried to the model's provider",
            ));
        }
    };
    let mut tool: Tool<'_> = required(tool, &field)?;
    tool.cache = tool.cache.or(cache);
    Ok(tool)
}

fn read_function<'a>(reader: &mut Reader<'a>, at: &Path<'_>) -> Result<Tool<'a>, Fault> {
    let mut name = None;
    let mut description = None;
    let mut parameters = None;
    let mut strict = None;
    let mut cache = None;
    reader.object(at, |reader, key| match key {
        "name" => {
            let at = at.field("name");
            set(&mut name, read_name(reader, &at)?, &at)
        }
        "description" => {
            let at = at.field("description");
            set(&mut description, reader.escaped(&at)?, &at)
        }
        "parameters" => {
            let at = at.field("parameters");
            set(&mut parameters, reader.raw_object(&at)?, &at)
        }
        "strict" => {
            let at = at.field("strict");
            set(&mut strict, reader.boolean(&at)?, &at)
        }
        "cache_control" => {
            let at = at.field("cache_control");
            set(&mut cache, read_cache_life(reader, &at)?, &at)
        }
        _ => reader.skip().map(drop),
    })?;
    Ok(Tool {
        name: required(name, &at.field("name"))?,
        description,
        parameters,
        strict,
        cache,
        input: ToolInput::Json,
    })
}

fn read_custom<'a>(reader: &mut Reader<'a>, at: &Path<'_>) -> Result<Tool<'a>, Fault> {
    let mut name = None;
    let mut description = None;
    let mut input = None;
    reader.object(at, |reader, key| match key {
        "name" => {
            let at = at.field("name");
            set(&mut name, read_name(reader, &at)?, &at)
        }
        "description" => {
            let at = at.field("description");
            set(&mut description, reader.escaped(&at)?, &at)
        }
        "format" => {
            let at = at.field("format");
            set(&mut input, read_format(reader, &at)?, &at)
        }
        _ => reader.skip().map(drop),
    })?;
    Ok(Tool {
        name: required(name, &at.field("name"))?,
        description,
        parameters: None,
        strict: None,
        cache: None,
        input: input.unwrap_or(ToolInput::Text),
    })
}

/// Unlike in responses, a grammar is inside of `grammar` here.
fn read_format<'a>(reader: &mut Reader<'a>, at: &Path<'_>) -> Result<ToolInput<'a>, Fault> {
    let mut kind = None;
    let mut syntax = None;
    let mut definition = None;
    let grammar_at = at.field("grammar");
    reader.object(at, |reader, key| match key {
        "type" => {
            let at = at.field("type");
            set(&mut kind, reader.text(&at)?, &at)
        }
        "grammar" => reader.object(&grammar_at, |reader, key| match key {
            "syntax" => {
                let at = grammar_at.field("syntax");
                set(&mut syntax, reader.text(&at)?, &at)
            }
            "definition" => {
                let at = grammar_at.field("definition");
                set(&mut definition, reader.escaped(&at)?, &at)
            }
            _ => reader.skip().map(drop),
        }),
        _ => reader.skip().map(drop),
    })?;
    let kind_at = at.field("type");
    match &*required(kind, &kind_at)? {
        "text" => Ok(ToolInput::Text),
        "grammar" => Ok(ToolInput::Grammar {
            syntax: required(syntax, &grammar_at.field("syntax"))?,
            definition: required(definition, &grammar_at.field("definition"))?,
        }),
        _ => Err(wrong_value(&kind_at, "must be text or grammar")),
    }
}

/// `tool_choice` as it is written.
pub(super) enum Choice<'a> {
    Plain(ToolChoice<'a>),
    /// Only these tools, as if the others were not there.
    Allowed {
        names: Vec<Text<'a>>,
        is_required: bool,
    },
}

impl<'a> Choice<'a> {
    /// Checks the choice against the tools, and takes those away that are not allowed.
    pub(super) fn apply(self, tools: &mut Vec<Tool<'a>>) -> Result<ToolChoice<'a>, Fault> {
        let choice = match self {
            Self::Plain(choice) => choice,
            Self::Allowed { names, is_required } => {
                let at = Path::top("tool_choice");
                let at = at.field("allowed_tools");
                let is_there = |name: &Text<'_>| tools.iter().any(|tool| *tool.name == **name);
                if !names.iter().all(is_there) {
                    return Err(wrong_value(
                        &at.field("tools"),
                        "there is no such tool in tools",
                    ));
                }
                tools.retain(|tool| names.iter().any(|name| **name == *tool.name));
                match is_required {
                    true => ToolChoice::Required,
                    false => ToolChoice::Auto,
                }
            }
        };
        check_tool_choice(&choice, tools)?;
        Ok(choice)
    }
}

/// Reads `tool_choice`. Whether its tool is there is known only after all members are.
pub(super) fn read_tool_choice<'a>(reader: &mut Reader<'a>) -> Result<Choice<'a>, Fault> {
    let at = Path::top("tool_choice");
    match reader.kind() {
        Kind::String => Ok(Choice::Plain(match &*reader.text(&at)? {
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
        Kind::Object => read_choice_object(reader, &at),
        Kind::Array | Kind::Bool | Kind::Null | Kind::Number => {
            Err(wrong_kind(&at, "must be a string or an object"))
        }
    }
}

fn read_choice_object<'a>(reader: &mut Reader<'a>, at: &Path<'_>) -> Result<Choice<'a>, Fault> {
    let mut kind = None;
    let mut name = None;
    let mut allowed = None;
    reader.object(at, |reader, key| match key {
        "type" => {
            let at = at.field("type");
            set(&mut kind, reader.text(&at)?, &at)
        }
        "function" => {
            let at = at.field("function");
            set(&mut name, read_named(reader, &at)?, &at)
        }
        "custom" => {
            let at = at.field("custom");
            set(&mut name, read_named(reader, &at)?, &at)
        }
        "allowed_tools" => {
            let at = at.field("allowed_tools");
            set(&mut allowed, read_allowed(reader, &at)?, &at)
        }
        _ => reader.skip().map(drop),
    })?;
    let kind_at = at.field("type");
    let field = match &*required(kind, &kind_at)? {
        "function" => at.field("function"),
        "custom" => at.field("custom"),
        "allowed_tools" => return required(allowed, &at.field("allowed_tools")),
        _ => {
            return Err(wrong_value(
                &kind_at,
                "must be function, custom or allowed_tools",
            ));
        }
    };
    let name = required(name, &field.field("name"))?;
    Ok(Choice::Plain(ToolChoice::Named(name)))
}

/// The `name` in an object.
fn read_named<'a>(reader: &mut Reader<'a>, at: &Path<'_>) -> Result<Text<'a>, Fault> {
    let mut name = None;
    let name_at = at.field("name");
    reader.object(at, |reader, key| match key {
        "name" => set(&mut name, read_name(reader, &name_at)?, &name_at),
        _ => reader.skip().map(drop),
    })?;
    required(name, &name_at)
}

fn read_allowed<'a>(reader: &mut Reader<'a>, at: &Path<'_>) -> Result<Choice<'a>, Fault> {
    let mut mode = None;
    let mut names = Vec::new();
    reader.object(at, |reader, key| match key {
        "mode" => {
            let at = at.field("mode");
            set(&mut mode, reader.text(&at)?, &at)
        }
        "tools" => {
            let at = at.field("tools");
            reader.list(&at, TOOLS_MAX, |reader, index| {
                let at = at.item(index);
                reader.object(&at, |reader, key| match key {
                    "function" => {
                        names.push(read_named(reader, &at.field("function"))?);
                        Ok(())
                    }
                    "custom" => {
                        names.push(read_named(reader, &at.field("custom"))?);
                        Ok(())
                    }
                    _ => reader.skip().map(drop),
                })
            })
        }
        _ => reader.skip().map(drop),
    })?;
    let mode_at = at.field("mode");
    let is_required = match &*required(mode, &mode_at)? {
        "auto" => false,
        "required" => true,
        _ => return Err(wrong_value(&mode_at, "must be auto or required")),
    };
    Ok(Choice::Allowed { names, is_required })
}

/// Checks that there is a tool where one has to be called.
fn check_tool_choice(choice: &ToolChoice<'_>, tools: &[Tool<'_>]) -> Result<(), Fault> {
    let at = Path::top("tool_choice");
    match choice {
        ToolChoice::None | ToolChoice::Auto => Ok(()),
        ToolChoice::Required if tools.is_empty() => Err(wrong_value(
            &at,
            "a tool is required, and there are no tools",
        )),
        ToolChoice::Required => Ok(()),
        ToolChoice::Named(name) if tools.iter().any(|tool| tool.name == **name) => Ok(()),
        ToolChoice::Named(_) => Err(wrong_value(
            &at.field("function").field("name"),
            "there is no such tool in tools",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<T>(result: Result<T, Fault>, outline: impl FnOnce(T) -> String) -> String {
        match result {
            Ok(value) => outline(value),
            Err(fault) => format!("{} {fault}", fault.code().unwrap()),
        }
    }

    #[track_caller]
    fn check(tools: &str, want: &str) {
        let got = told(read_tools(&mut Reader::new(tools)), |tools| {
            let lines = tools.iter().map(|tool| {
                let description = tool.description.map_or("-", |text| text.as_str());
                let parameters = tool.parameters.map_or("-", |raw| raw.get());
                let name = &*tool.name;
                format!("{name} {description} {parameters} {:?}", tool.strict)
            });
            lines.collect::<Vec<_>>().join("; ")
        });
        assert_eq!(got, want);
    }

    #[track_caller]
    fn check_choice(choice: &str, want: &str) {
        let choice = read_tool_choice(&mut Reader::new(choice));
        let got = told(choice, |choice| match choice {
            Choice::Allowed { names, is_required } => {
                let names: Vec<&str> = names.iter().map(|name| &**name).collect();
                format!("allowed {} {is_required}", names.join(","))
            }
            Choice::Plain(ToolChoice::Named(name)) => format!("named {}", &*name),
            Choice::Plain(ToolChoice::None) => "none".to_owned(),
            Choice::Plain(ToolChoice::Auto) => "auto".to_owned(),
            Choice::Plain(ToolChoice::Required) => "required".to_owned(),
        });
        assert_eq!(got, want);
    }

    #[test]
    fn a_function_is_read_and_its_schema_stays_as_it_is() {
        check(
            r#"[{"type":"function","function":{"name":"f","description":"a\nb","parameters":{"b": 1,"a": 1.0},"strict":true}},
                {"function":{"name":"g","parameters":null},"type":"function"}]"#,
            r#"f a\nb {"b": 1,"a": 1.0} Some(true); g - - None"#,
        );
        check("[]", "");
    }

    #[test]
    fn other_tools_are_refused_by_name() {
        check(
            r#"[{"type":"mcp"}]"#,
            "unsupported_parameter tools[0].type: only tools of type function or custom can be carried to \
             the model's provider",
        );
        check(
            r#"[{"type":"function"}]"#,
            "missing_required_parameter tools[0].function: this field is required",
        );
    }

    #[test]
    fn what_is_wrong_in_a_function_is_named() {
        check(
            r#"[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":""}}]"#,
            "invalid_value tools[1].function.name: must be 1 to 256 bytes without control characters",
        );
        check(
            r#"[{"type":"function","function":{}}]"#,
            "missing_required_parameter tools[0].function.name: this field is required",
        );
        check(
            r#"[{"type":"function","function":{"name":"f","parameters":[]}}]"#,
            "invalid_type tools[0].function.parameters: must be an object",
        );
    }

    #[test]
    fn a_choice_is_a_word_or_a_name() {
        for word in ["none", "auto", "required"] {
            check_choice(&format!("\"{word}\""), word);
        }
        check_choice(r#"{"type":"function","function":{"name":"f"}}"#, "named f");
        check_choice(r#"{"type":"custom","custom":{"name":"f"}}"#, "named f");
        check_choice(
            r#"{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"g"}}]}}"#,
            "allowed f,g true",
        );
    }

    #[test]
    fn other_choices_are_refused() {
        check_choice(
            r#""any""#,
            "invalid_value tool_choice: must be none, auto, required or an object that names a tool",
        );
        check_choice(
            "7",
            "invalid_type tool_choice: must be a string or an object",
        );
        check_choice(
            r#"{"type":"allowed_tools","allowed_tools":{"mode":"any"}}"#,
            "invalid_value tool_choice.allowed_tools.mode: must be auto or required",
        );
        check_choice(
            r#"{"type":"hosted"}"#,
            "invalid_value tool_choice.type: must be function, custom or allowed_tools",
        );
        check_choice(
            r#"{"type":"function"}"#,
            "missing_required_parameter tool_choice.function.name: this field is required",
        );
    }

    #[test]
    fn a_tool_that_must_be_called_is_there() {
        let tools = read_tools(&mut Reader::new(
            r#"[{"type":"function","function":{"name":"f"}}]"#,
        ))
        .unwrap();
        let named = |name| ToolChoice::Named(Text::from(name));
        assert!(check_tool_choice(&named("f"), &tools).is_ok());
        assert!(check_tool_choice(&named("g"), &tools).is_err());
        assert!(check_tool_choice(&ToolChoice::Required, &tools).is_ok());
        assert!(check_tool_choice(&ToolChoice::Required, &[]).is_err());
        assert!(check_tool_choice(&ToolChoice::None, &[]).is_ok());
    }
}
