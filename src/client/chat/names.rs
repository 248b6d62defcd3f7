//! The names of tools on their way to an upstream, and what they were.
//!
//! OpenAI takes 64 letters, digits, `_` and `-`; other tools' servers have dots, slashes and longer names,
//! and gateways that apps come from let them pass. Here such a name becomes legal on the way (what it has of
//! legal letters, and a hash so that no two meet), and the answer has it as the app wrote it. Custom tools,
//! whose text travels in a JSON object, are told by their names as well. What the answer's writer has to
//! know of all that is the echo: a line `wire name, tab, c or f, tab, name` for each tool that needs one.

use crate::client::read::{Path, Reader, wrong_value};
use crate::client::tools::{NAME_BYTES_MAX as WIRE_BYTES_MAX, cut_name};
use crate::codec::json::{Text, write_string_content};
use crate::fault::Fault;
use crate::limits::TOOLS_MAX;
use crate::turn::Ask;

const NAME_BYTES_MAX: usize = 256;

/// Reads a tool's name and makes it legal.
pub(super) fn read_name<'a>(reader: &mut Reader<'a>, at: &Path<'_>) -> Result<Text<'a>, Fault> {
    let name = reader.text(at)?;
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(wrong_value(
            at,
            "must be 1 to 256 bytes without control characters",
        ));
    }
    Ok(wire_name(name))
}

fn wire_name(name: Text<'_>) -> Text<'_> {
    let is_legal = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    if name.len() <= WIRE_BYTES_MAX && name.chars().all(is_legal) {
        return name;
    }
    let legal = name
        .chars()
        .map(|letter| if is_legal(letter) { letter } else { '_' });
    cut_name(legal, &name)
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
            let wire = wire_name(Text::from(&*name));
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
    fn a_legal_name_stays() {
        assert_eq!(wire_name(Text::from("get_weather-2")), "get_weather-2");
    }

    #[test]
    fn another_name_becomes_legal_and_is_told() {
        let body = r#"{"model":"m","tools":[{"type":"function","function":{"name":"a.b/c"}},
            {"type":"function","function":{"name":"fine"}},{"type":"custom","custom":{"name":"code"}}]}"#;
        let asked = ask(Format::Chat, body.as_bytes()).unwrap();
        let names = Names::read(&echo(&asked));
        let wire = wire_name(Text::from("a.b/c"));
        assert!(wire.starts_with("a_b_c__") && wire.len() == 16, "{wire:?}");
        assert_eq!(names.find(&wire).unwrap().name, "a.b/c");
        assert!(names.find("fine").is_none());
        assert!(names.find("code").unwrap().is_custom);
    }

    #[test]
    fn a_long_name_is_cut() {
        let long = |end: &str| wire_name(Text::from("x".repeat(100) + end));
        assert_eq!(long("a").len(), WIRE_BYTES_MAX);
        assert_ne!(long("a"), long("b"));
    }
}
