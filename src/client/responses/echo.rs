//! What an answer repeats of its request, and the names that tools had there.
//!
//! OpenAI's response object holds most of its request's settings, and its SDKs have some of them as
//! required. The echo is a JSON object on one line, copied from the request's own members; what the app
//! did not send is at OpenAI's default.

use super::tools::{kind_of, name_of, wire_name};
use crate::client::read::{Path, Reader};
use crate::codec::json::{Members, Text, write_string_content};
use crate::fault::Fault;
use crate::limits::TOOLS_MAX;
use crate::turn::Ask;

/// What is repeated, and what it is where the app does not say.
const MEMBERS: &[(&str, &str)] = &[
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("temperature", "null"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", "\"auto\""),
    ("tools", "[]"),
    ("top_p", "null"),
    ("truncation", "\"disabled\""),
    ("user", "null"),
];

pub(super) fn echo(ask: &Ask<'_>) -> String {
    let mut echo = String::with_capacity(512);
    for ((name, default), before) in MEMBERS
        .iter()
        .zip("{".chars().chain(std::iter::repeat(',')))
    {
        let written = ask.member(name).map(|member| member.value);
        echo.push(before);
        echo.push('"');
        echo.push_str(name);
        echo.push_str("\":");
        let value = written.filter(|value| *value != "null").unwrap_or(default);
        if value.contains(['\n', '\r']) {
            // In JSON a line break can only be a blank; in a stream it would end the event.
            echo.extend(value.chars().map(|letter| match letter {
                '\n' | '\r' => ' ',
                letter => letter,
            }));
        } else {
            echo.push_str(value);
        }
    }
    echo.push('}');
    echo
}

/// How the request called those of its tools that were called otherwise on the way, or that take text.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<Name>);

/// One tool.
#[derive(Debug)]
pub(super) struct Name {
    /// On the way.
    wire: String,
    /// As the app wrote it, escaped as a string's content; and so is the namespace.
    pub(super) name: String,
    pub(super) namespace: Option<String>,
    /// Whether it takes text.
    pub(super) is_custom: bool,
}

impl Names {
    /// Reads them from an echo.
    pub(super) fn read(echo: &str) -> Self {
        let mut names = Self::default();
        let mut members = Members::new(echo).map_while(Result::ok);
        if let Some(tools) = members.find(|member| member.key == "tools") {
            // What was read once for the call is read again; it has no fault by now.
            let done = names.list(&mut Reader::new(tools.value), &Path::top("tools"), None);
            drop(done);
        }
        names
    }

    /// The tool that was called so; nothing where its name says all.
    pub(super) fn find(&self, wire: &str) -> Option<&Name> {
        self.0.iter().find(|name| name.wire == wire)
    }

    fn list(
        &mut self,
        reader: &mut Reader<'_>,
        at: &Path<'_>,
        namespace: Option<&str>,
    ) -> Result<(), Fault> {
        reader.list(at, TOOLS_MAX, |reader, index| {
            let at = at.item(index);
            let raw = reader.skip()?;
            match &*kind_of(raw, &at)? {
                "namespace" => {
                    let namespace = name_of(raw, &at)?;
                    let tools_at = at.field("tools");
                    Reader::new(raw).object(&at, |reader, key| match key {
                        "tools" => self.list(reader, &tools_at, Some(&namespace)),
                        _ => reader.skip().map(drop),
                    })
                }
                kind @ ("function" | "custom") => {
                    let name = name_of(raw, &at)?;
                    let wire = wire_name(namespace, Text::from(&*name));
                    if kind == "custom" || *wire != *name {
                        self.0.push(Name {
                            wire: wire.to_string(),
                            name: escaped(&name),
                            namespace: namespace.map(escaped),
                            is_custom: kind == "custom",
                        });
                    }
                    Ok(())
                }
                _ => Ok(()),
            }
        })
    }
}

fn escaped(name: &str) -> String {
    let mut content = Vec::new();
    write_string_content(&mut content, name);
    String::from_utf8(content).unwrap_or_default()
}
