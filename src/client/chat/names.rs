//! The names of tools on their way to an upstream, and what they were.
//!
//! A name that is made legal on the way is in the answer as the app wrote it. Custom tools, whose text
//! travels in a JSON object, are told by their names as well. What the answer's writer has to know of all
//! that is the echo: a line `wire name, tab, c or f, tab, name` for each tool that needs one.

use crate::client::read::{Path, Reader};
use crate::client::tools::{self, legal_name};
use crate::codec::json::{Text, write_string_content};
use crate::fault::Fault;
use crate::limits::TOOLS_MAX;
use crate::turn::Ask;

/// Reads a tool's name and makes it legal.
pub(super) fn read_name<'a>(reader: &mut Reader<'a>, at: &Path<'_>) -> Result<Text<'a>, Fault> {
    tools::read_name(reader, at).map(legal_name)
}

/// Writes the echo. The tools were read before, so nothing is wrong with them.
pub(super) fn echo(ask: &Ask<'_>) -> String {
    let mut echo = String::new();
    let Some(tools) = ask.member("tools").filter(|tools| tools.value != "null") else {
        return echo;
    };
    let at = Path::top("tools");
    let read = Reader::new(tools.value).list(&at, TOOLS_MAX, |reader, _| {
        let mut found = None;
        reader.object(&at, |reader, key| match key {
            "function" | "custom" => {
                let is_custom = key == "custom";
                reader.object(&at, |reader, key| match key {
                    "name" => {
                        found = Some((reader.text(&at)?, is_custom));
                        Ok(())
                    }
                    _ => reader.skip().map(drop),
                })
            }
            _ => reader.skip().map(drop),
        })?;
        if let Some((name, is_custom)) = found {
            let wire = legal_name(Text::from(&*name));
            if is_custom || *wire != *name {
                echo.push_str(&wire);
                echo.push_str(if is_custom { "\tc\t" } else { "\tf\t" });
                echo.push_str(&name);
                echo.push('\n');
            }
        }
        Ok(())
    });
    drop(read);
    echo
}

/// What an echo says.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<Name>);

#[derive(Debug)]
pub(super) struct Name {
    wire: String,
    /// As the app wrote it, escaped as a string's content.
    pub(super) name: String,
    pub(super) is_custom: bool,
}

impl Names {
    pub(super) fn read(echo: &str) -> Self {
        let names = echo.lines().filter_map(|line| {
            let (wire, rest) = line.split_once('\t')?;
            let (kind, name) = rest.split_once('\t')?;
            let mut escaped = Vec::new();
            write_string_content(&mut escaped, name);
            Some(Name {
                wire: wire.to_owned(),
                name: String::from_utf8(escaped).ok()?,
                is_custom: kind == "c",
            })
        });
        Self(names.collect())
    }

    /// The tool that was called so; nothing where its name says all.
    pub(super) fn find(&self, wire: &str) -> Option<&Name> {
        self.0.iter().find(|name| name.wire == wire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ask::ask;
    use crate::turn::Format;

    #[test]
    fn another_name_becomes_legal_and_is_told() {
        let body = r#"{"model":"m","tools":[{"type":"function","function":{"name":"a.b/c"}},
            {"type":"function","function":{"name":"fine"}},{"type":"custom","custom":{"name":"code"}}]}"#;
        let asked = ask(Format::Chat, body.as_bytes()).unwrap();
        let names = Names::read(&echo(&asked));
        let wire = legal_name(Text::from("a.b/c"));
        assert_eq!(names.find(&wire).unwrap().name, "a.b/c");
        assert!(names.find("fine").is_none());
        assert!(names.find("code").unwrap().is_custom);
    }
}
