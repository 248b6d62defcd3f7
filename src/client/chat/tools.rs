//! The tools that the model may call, and whether it must.

use super::cache::read_cache_life;
use crate::client::read::{Path, Reader, required, set, unsupported, wrong_kind, wrong_value};
use crate::codec::json::Kind;
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
    let mut function = None;
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
            set(&mut function, read_function(reader, &at)?, &at)
        }
        _ => reader.skip().map(drop),
    })?;
    let kind_at = at.field("type");
    if required(kind, &kind_at)? != "function" {
        return Err(unsupported(
            &kind_at,
            "only tools of type function can be carried to the model's provider",
        ));
    }
    let mut tool: Tool<'_> = required(function, &at.field("function"))?;
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
            set(&mut name, reader.name(&at)?, &at)
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

/// Reads `tool_choice`. Whether its tool is there is known only after all members are.
pub(super) fn read_tool_choice<'a>(reader: &mut Reader<'a>) -> Result<ToolChoice<'a>, Fault> {
    let at = Path::top("tool_choice");
    match reader.kind() {
        Kind::String => match &*reader.text(&at)? {
            "none" => Ok(ToolChoice::None),
            "auto" => Ok(ToolChoice::Auto),
            "required" => Ok(ToolChoice::Required),
            _ => Err(wrong_value(
                &at,
                "must be none, auto, required or an object that names a function",
            )),
        },
        Kind::Object => read_named(reader, &at),
        Kind::Array | Kind::Bool | Kind::Null | Kind::Number => {
            Err(wrong_kind(&at, "must be a string or an object"))
        }
    }
}

fn read_named<'a>(reader: &mut Reader<'a>, at: &Path<'_>) -> Result<ToolChoice<'a>, Fault> {
    let mut kind = None;
    let mut name = None;
    let function_at = at.field("function");
    reader.object(at, |reader, key| match key {
        "type" => {
            let at = at.field("type");
            set(&mut kind, reader.text(&at)?, &at)
        }
        "function" => reader.object(&function_at, |reader, key| match key {
            "name" => {
                let at = function_at.field("name");
                set(&mut name, reader.text(&at)?, &at)
            }
            _ => reader.skip().map(drop),
        }),
        _ => reader.skip().map(drop),
    })?;
    let kind_at = at.field("type");
    match &*required(kind, &kind_at)? {
        "function" => {}
        "allowed_tools" | "custom" => {
            return Err(unsupported(
                &kind_at,
                "cannot be carried to the model's provider; use type function",
            ));
        }
        _ => return Err(wrong_value(&kind_at, "must be function")),
    }
    Ok(ToolChoice::Named(required(
        name,
        &function_at.field("name"),
    )?))
}

/// Checks that there is a tool where one has to be called.
pub(super) fn check_tool_choice(choice: &ToolChoice<'_>, tools: &[Tool<'_>]) -> Result<(), Fault> {
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
    use crate::codec::json::Text;

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
            ToolChoice::Named(name) => format!("named {}", &*name),
            ToolChoice::None => "none".to_owned(),
            ToolChoice::Auto => "auto".to_owned(),
            ToolChoice::Required => "required".to_owned(),
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
            r#"[{"type":"custom","custom":{"name":"x"}}]"#,
            "unsupported_parameter tools[0].type: only tools of type function can be carried to the \
             model's provider",
        );
        check(
            r#"[{"type":"function"}]"#,
            "missing_required_parameter tools[0].function: this field is required",
        );
    }

    #[test]
    fn what_is_wrong_in_a_function_is_named() {
        check(
            r#"[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"a b"}}]"#,
            "invalid_value tools[1].function.name: must be 1 to 64 characters of a-z, A-Z, 0-9, _ and -",
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
    }

    #[test]
    fn other_choices_are_refused() {
        check_choice(
            r#""any""#,
            "invalid_value tool_choice: must be none, auto, required or an object that names a function",
        );
        check_choice(
            "7",
            "invalid_type tool_choice: must be a string or an object",
        );
        check_choice(
            r#"{"type":"allowed_tools","allowed_tools":{}}"#,
            "unsupported_parameter tool_choice.type: cannot be carried to the model's provider; use \
             type function",
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
