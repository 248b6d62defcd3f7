//! The tools that the model may call, whether it must, and what they are called on the way.
//!
//! Responses has kinds of tools that an upstream with function tools only does not know:
//! - A custom tool takes text, and gives it back as text; its name stays.
//! - A namespace holds tools. On the way a tool inside is called `{namespace}__{tool}`. Its answers carry
//!   namespace and name apart again.
//! - Tools that OpenAI hosts (`file_search` and the like) run nowhere else: each is left, as
//!   `tools.{type}`, to the policy's rule for parameters; so is `web_search` where the upstream has none.
//!
//! A name that upstreams do not take is made legal on the way, and its answers carry it as it was.
//!
//! `allowed_tools` leaves the model only the tools that it names.

use crate::client::read::{Path, Reader, required, set, unsupported, wrong_value};
use crate::client::tools::{
    Choice, Draft, GrammarPlace, check_choice, is_required, legal_name, read_name,
};
use crate::client::web_search::{LocationPlace, read_web_search};
use crate::codec::json::{Members, Text};
use crate::fault::{Fault, Invalid};
use crate::limits::TOOLS_MAX;
use crate::turn::{Other, Tool, ToolChoice, WebSearch};

/// The tools of a request.
#[derive(Default)]
pub(super) struct Tools<'a> {
    pub(super) list: Vec<Tool<'a>>,
    /// What is left to the policy: `tools.{type}`.
    pub(super) hosted: Vec<Other<'a>>,
    /// The tool that searches the web: some upstreams have it too.
    pub(super) web_search: Option<WebSearch<'a>>,
}

/// What stands around the members of a tool: the namespace that it is in.
type Namespace<'n> = Option<&'n str>;

impl<'a> Tools<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let at = Path::top("tools");
        let mut tools = Self::default();
        reader.list(&at, TOOLS_MAX, |reader, index| {
            tools.tool(reader, &at.item(index), None)
        })?;
        Ok(tools)
    }

    fn tool(
        &mut self,
        reader: &mut Reader<'a>,
        at: &Path<'_>,
        namespace: Namespace<'_>,
    ) -> Result<(), Fault> {
        // The kind says what the other members are, and may come last.
        let raw = reader.skip()?;
        let kind_at = at.field("type");
        match &*kind_of(raw, at)? {
            "function" => self.push(read_function(raw, at)?, namespace, at),
            "custom" => self.push(read_custom(raw, at)?, namespace, at),
            "namespace" if namespace.is_none() => self.namespace(raw, at),
            "web_search"
            | "web_search_2025_08_26"
            | "web_search_preview"
            | "web_search_preview_2025_03_11"
                if namespace.is_none() =>
            {
                let place = LocationPlace::Beside;
                let mut reader = Reader::new(raw);
                let search = read_web_search(&mut reader, at, "tools.web_search", place)?;
                self.web_search = Some(search);
                if has_filters(raw) {
                    self.hosted.push(Other::named("tools.web_search.filters"));
                }
                Ok(())
            }
            kind if namespace.is_none() && is_plain(kind) => {
                self.hosted.push(Other::named(format!("tools.{kind}")));
                Ok(())
            }
            _ => Err(wrong_value(&kind_at, "must be function or custom")),
        }
    }

    fn namespace(&mut self, raw: &'a str, at: &Path<'_>) -> Result<(), Fault> {
        let name = name_of(raw, at)?;
        Reader::new(raw).object(at, |reader, key| match key {
            "tools" => {
                let at = at.field("tools");
                reader.list(&at, TOOLS_MAX, |reader, index| {
                    self.tool(reader, &at.item(index), Some(&name))
                })
            }
            _ => reader.skip().map(drop),
        })
    }

    fn push(
        &mut self,
        mut tool: Tool<'a>,
        namespace: Namespace<'_>,
        at: &Path<'_>,
    ) -> Result<(), Fault> {
        if self.list.len() >= TOOLS_MAX {
            let problem = format!("a request may have at most {TOOLS_MAX} tools");
            return Err(Invalid::value("tools", problem).into());
        }
        tool.name = wire_name(namespace, tool.name);
        if namespace.is_some() && self.list.iter().any(|other| *other.name == *tool.name) {
            return Err(wrong_value(
                &at.field("name"),
                "another tool has this name, or its namespace and name joined by __",
            ));
        }
        self.list.push(tool);
        Ok(())
    }
}

/// The name of a tool on its way to an upstream that knows no namespaces and takes few letters.
pub(super) fn wire_name<'a>(namespace: Namespace<'_>, name: Text<'a>) -> Text<'a> {
    legal_name(match namespace {
        Some(namespace) => Text::from(format!("{namespace}__{}", &*name)),
        None => name,
    })
}

/// The tool's `type`.
pub(super) fn kind_of<'a>(raw: &'a str, at: &Path<'_>) -> Result<Text<'a>, Fault> {
    member(raw, at, "type", Reader::text)
}

/// The name of a tool or of a namespace.
pub(super) fn name_of<'a>(raw: &'a str, at: &Path<'_>) -> Result<Text<'a>, Fault> {
    member(raw, at, "name", read_name)
}

fn member<'a>(
    raw: &'a str,
    at: &Path<'_>,
    name: &'static str,
    read: fn(&mut Reader<'a>, &Path<'_>) -> Result<Text<'a>, Fault>,
) -> Result<Text<'a>, Fault> {
    let mut value = None;
    let field = at.field(name);
    Reader::new(raw).object(at, |reader, key| match key == name {
        true => set(&mut value, read(reader, &field)?, &field),
        false => reader.skip().map(drop),
    })?;
    required(value, &field)
}

/// Whether a search is kept to some places, for which there is nothing elsewhere.
fn has_filters(raw: &str) -> bool {
    let mut members = Members::new(raw).map_while(Result::ok);
    members.any(|member| member.key == "filters" && !matches!(member.value, "null" | "{}"))
}

/// A kind of tool that may stand in a header and in an error.
fn is_plain(kind: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=48).contains(&kind.len()) && kind.bytes().all(is_plain)
}

fn read_function<'a>(raw: &'a str, at: &Path<'_>) -> Result<Tool<'a>, Fault> {
    let mut draft = Draft::default();
    Reader::new(raw).object(at, |reader, key| {
        draft.function_member(reader, key, at, read_name)
    })?;
    draft.function(at)
}

fn read_custom<'a>(raw: &'a str, at: &Path<'_>) -> Result<Tool<'a>, Fault> {
    let mut draft = Draft::default();
    Reader::new(raw).object(at, |reader, key| {
        draft.custom_member(reader, key, at, read_name, GrammarPlace::Format)
    })?;
    draft.custom(at)
}

/// Reads `tool_choice`.
pub(super) fn read_choice<'a>(reader: &mut Reader<'a>) -> Result<Choice<'a>, Fault> {
    Choice::read(reader, |reader, at| read_choice_object(reader.skip()?, at))
}

fn read_choice_object<'a>(raw: &'a str, at: &Path<'_>) -> Result<Choice<'a>, Fault> {
    let kind_at = at.field("type");
    match &*kind_of(raw, at)? {
        "function" | "custom" => Ok(Choice::Plain(ToolChoice::Named(read_reference(raw, at)?))),
        "allowed_tools" => read_allowed(raw, at),
        _ => Err(unsupported(
            &kind_at,
            "a tool that OpenAI hosts cannot be called at the model's provider; use type function, \
             custom or allowed_tools",
        )),
    }
}

/// The name, on its way, of the tool that `{name, namespace}` refers to.
fn read_reference<'a>(raw: &'a str, at: &Path<'_>) -> Result<Text<'a>, Fault> {
    let mut name = None;
    let mut namespace = None;
    Reader::new(raw).object(at, |reader, key| match key {
        "name" => {
            let at = at.field("name");
            set(&mut name, reader.text(&at)?, &at)
        }
        "namespace" => {
            let at = at.field("namespace");
            set(&mut namespace, reader.text(&at)?, &at)
        }
        _ => reader.skip().map(drop),
    })?;
    let name = required(name, &at.field("name"))?;
    Ok(wire_name(namespace.as_deref(), name))
}

fn read_allowed<'a>(raw: &'a str, at: &Path<'_>) -> Result<Choice<'a>, Fault> {
    let mut mode = None;
    let mut names = None;
    Reader::new(raw).object(at, |reader, key| match key {
        "mode" => {
            let at = at.field("mode");
            set(&mut mode, reader.text(&at)?, &at)
        }
        "tools" => {
            let at = at.field("tools");
            let mut list = Vec::new();
            reader.list(&at, TOOLS_MAX, |reader, index| {
                let at = at.item(index);
                let raw = reader.skip()?;
                // Hosted tools are left behind where they are declared.
                if matches!(&*kind_of(raw, &at)?, "function" | "custom") {
                    list.push(read_reference(raw, &at)?);
                }
                Ok(())
            })?;
            set(&mut names, list, &at)
        }
        _ => reader.skip().map(drop),
    })?;
    let is_required = is_required(mode, &at.field("mode"))?;
    let names = required(names, &at.field("tools"))?;
    Ok(Choice::Allowed { names, is_required })
}

/// Makes the choice among the tools that there are.
pub(super) fn choose<'a>(
    choice: Choice<'a>,
    tools: &mut Vec<Tool<'a>>,
) -> Result<ToolChoice<'a>, Fault> {
    let at = Path::top("tool_choice");
    let choice = match choice {
        Choice::Plain(choice) => choice,
        Choice::Allowed { names, is_required } => {
            tools.retain(|tool| names.iter().any(|name| **name == *tool.name));
            match (is_required, tools.is_empty()) {
                (true, _) => ToolChoice::Required,
                (false, false) => ToolChoice::Auto,
                (false, true) => ToolChoice::None,
            }
        }
    };
    check_choice(&choice, tools, &at.field("name"))?;
    Ok(choice)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tools' names on their way, then what is left; or the fault.
    #[track_caller]
    fn check(tools: &str, want: &str) {
        let got = match Tools::read(&mut Reader::new(tools)) {
            Ok(tools) => {
                let names = tools.list.iter().map(|tool| &*tool.name);
                let hosted = tools.hosted.iter().map(|other| &*other.name);
                names.chain(hosted).collect::<Vec<_>>().join(" ")
            }
            Err(fault) => fault.to_string(),
        };
        assert_eq!(got, want);
    }

    #[test]
    fn a_tools_kind_may_come_last() {
        check(
            r#"[{"name":"f","type":"function"},{"name":"g","type":"custom"}]"#,
            "f g",
        );
    }

    #[test]
    fn tools_in_a_namespace_carry_its_name() {
        check(
            r#"[{"type":"namespace","tools":[{"type":"function","name":"f"}],"name":"n"}]"#,
            "n__f",
        );
        let long = "a".repeat(64);
        let nested = format!(
            r#"[{{"type":"namespace","name":"n","tools":[{{"type":"custom","name":"{long}"}}]}}]"#
        );
        let mut reader = Reader::new(&nested);
        let tools = Tools::read(&mut reader).unwrap();
        assert_eq!(tools.list[0].name.len(), 64);
        let other = wire_name(Some("m"), Text::from(long));
        assert_ne!(*tools.list[0].name, *other);
    }

    #[test]
    fn a_namespace_holds_no_namespaces_and_no_doubles() {
        check(
            r#"[{"type":"namespace","name":"n","tools":[{"type":"namespace","name":"m","tools":[]}]}]"#,
            "tools[0].tools[0].type: must be function or custom",
        );
        check(
            r#"[{"type":"function","name":"n__f"},{"type":"namespace","name":"n","tools":[{"type":"function","name":"f"}]}]"#,
            "tools[1].tools[0].name: another tool has this name, or its namespace and name joined by __",
        );
    }

    #[test]
    fn hosted_tools_are_left_by_their_kind() {
        check(
            r#"[{"type":"mcp"},{"type":"file_search"},{"type":"web_search"}]"#,
            "tools.mcp tools.file_search",
        );
        check(
            r#"[{"type":"Odd Kind"}]"#,
            "tools[0].type: must be function or custom",
        );
    }

    #[test]
    fn a_grammar_is_kept() {
        check(
            r#"[{"type":"custom","name":"f","format":{"type":"grammar","syntax":"lark"}}]"#,
            "tools[0].format.definition: this field is required",
        );
        check(
            r#"[{"type":"custom","name":"f","format":{"type":"text"}}]"#,
            "f",
        );
    }
}
