//! The tools that the model may call, and whether it must.

use super::cache::read_cache_life;
use super::names::read_name;
use crate::client::read::{Path, Reader, required, set, unsupported, wrong_value};
use crate::client::tools::{Choice, Draft, GrammarPlace, NO_SUCH_TOOL, check_choice, is_required};
use crate::codec::json::Text;
use crate::fault::Fault;
use crate::limits::TOOLS_MAX;
use crate::turn::{Tool, ToolChoice};

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
    let mut draft = Draft::default();
    let mut cache = None;
    reader.object(at, |reader, key| match key {
        "cache_control" => {
            let at = at.field("cache_control");
            set(&mut cache, read_cache_life(reader, &at)?, &at)
        }
        _ => draft.function_member(reader, key, at, read_name),
    })?;
    let mut tool = draft.function(at)?;
    tool.cache = cache;
    Ok(tool)
}

fn read_custom<'a>(reader: &mut Reader<'a>, at: &Path<'_>) -> Result<Tool<'a>, Fault> {
    let mut draft = Draft::default();
    reader.object(at, |reader, key| {
        draft.custom_member(reader, key, at, read_name, GrammarPlace::Member)
    })?;
    draft.custom(at)
}

/// Reads `tool_choice`.
pub(super) fn read_tool_choice<'a>(reader: &mut Reader<'a>) -> Result<Choice<'a>, Fault> {
    Choice::read(reader, read_choice_object)
}

/// Checks the choice against the tools, and takes those away that are not allowed.
pub(super) fn choose<'a>(
    choice: Choice<'a>,
    tools: &mut Vec<Tool<'a>>,
) -> Result<ToolChoice<'a>, Fault> {
    let at = Path::top("tool_choice");
    let choice = match choice {
        Choice::Plain(choice) => choice,
        Choice::Allowed { names, is_required } => {
            let is_there = |name: &Text<'_>| tools.iter().any(|tool| *tool.name == **name);
            if !names.iter().all(is_there) {
                let at = at.field("allowed_tools");
                return Err(wrong_value(&at.field("tools"), NO_SUCH_TOOL));
            }
            tools.retain(|tool| names.iter().any(|name| **name == *tool.name));
            match is_required {
                true => ToolChoice::Required,
                false => ToolChoice::Auto,
            }
        }
    };
    check_choice(&choice, tools, &at.field("function").field("name"))?;
    Ok(choice)
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
    let is_required = is_required(mode, &at.field("mode"))?;
    Ok(Choice::Allowed { names, is_required })
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
    fn check_choice_is(choice: &str, want: &str) {
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
            check_choice_is(&format!("\"{word}\""), word);
        }
        check_choice_is(r#"{"type":"function","function":{"name":"f"}}"#, "named f");
        check_choice_is(r#"{"type":"custom","custom":{"name":"f"}}"#, "named f");
        check_choice_is(
            r#"{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"g"}}]}}"#,
            "allowed f,g true",
        );
    }

    #[test]
    fn other_choices_are_refused() {
        check_choice_is(
            r#""any""#,
            "invalid_value tool_choice: must be none, auto, required or an object that names a tool",
        );
        check_choice_is(
            "7",
            "invalid_type tool_choice: must be a string or an object",
        );
        check_choice_is(
            r#"{"type":"allowed_tools","allowed_tools":{"mode":"any"}}"#,
            "invalid_value tool_choice.allowed_tools.mode: must be auto or required",
        );
        check_choice_is(
            r#"{"type":"hosted"}"#,
            "invalid_value tool_choice.type: must be function, custom or allowed_tools",
        );
        check_choice_is(
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
        let at = Path::top("tool_choice");
        assert!(check_choice(&named("f"), &tools, &at).is_ok());
        assert!(check_choice(&named("g"), &tools, &at).is_err());
        assert!(check_choice(&ToolChoice::Required, &tools, &at).is_ok());
        assert!(check_choice(&ToolChoice::Required, &[], &at).is_err());
        assert!(check_choice(&ToolChoice::None, &[], &at).is_ok());
    }
}
