//! OpenAI's Agents API: `/v1/agents` and what is below it.
//!
//! It is no turn of a conversation: sessions, their events and items are kept by the provider, so requests pass on
//! as the app wrote them. What the gateway reads is the path, for a policy lets resources in one by one, and the
//! models that a body names, for each is checked and gets the provider's name. A `model` counts wherever it stands
//! but in what is the app's own: metadata, schemas, messages. That way a place of which this file does not know
//! cannot name a model past the policy.

use std::ops::Range;

use crate::client::ask::invalid_json;
use crate::client::read::{Path, wrong_kind};
use crate::codec::json::{Error, Kind, Text, Walk, span_of, validate};
use crate::fault::{Client, Fault, Invalid};
use crate::limits::AGENT_MODELS_MAX;

/// What the API keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Saved agents: `/agents`, `/agents/{id}`.
    Agents,
    /// Sessions, their events, items, turns, artifacts.
    Sessions,
    /// Hosted environments, their files and templates.
    Environments,
    /// What starts sessions by itself.
    Automations,
}

/// Every resource, by the name that a policy calls it and, but for the first, by its segment of the path.
pub const RESOURCES: &[(&str, Resource)] = &[
    ("agents", Resource::Agents),
    ("sessions", Resource::Sessions),
    ("environments", Resource::Environments),
    ("automations", Resource::Automations),
];

const PREFIX: &str = "/v1";
const ROOT: &str = "/agents";

/// A path of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'p> {
    /// What it is about.
    pub resource: Resource,
    /// The path from `/agents` on, with its query.
    pub rest: &'p str,
}

impl<'p> Place<'p> {
    /// Reads a path with its query; nothing if it is no path of this API, or one that could be read as another
    /// when it is decoded or normalised further on.
    #[must_use]
    pub fn find(target: &'p str) -> Option<Self> {
        let rest = target.strip_prefix(PREFIX)?;
        let path = rest.split('?').next().unwrap_or_default();
        let below = path.strip_prefix(ROOT)?;
        let resource = match below.strip_prefix('/') {
            None if below.is_empty() => Resource::Agents,
            None => return None,
            Some(segments) => {
                if !segments.split('/').all(is_plain) {
                    return None;
                }
                let first = segments.split('/').next().unwrap_or_default();
                let known = RESOURCES.iter().skip(1).find(|(name, _)| *name == first);
                known.map_or(Resource::Agents, |(_, resource)| *resource)
            }
        };
        Some(Self { resource, rest })
    }
}

/// Ids are opaque, but they are letters, digits and a few signs; nothing of a segment is encoded.
fn is_plain(segment: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@!$'()*+,;=".contains(&byte);
    !segment.is_empty() && !matches!(segment, "." | "..") && segment.bytes().all(is_legal)
}

/// A body, as far as it is read.
#[derive(Debug)]
pub struct Body<'b> {
    /// The whole of it.
    pub text: &'b str,
    /// The models that it names, in their order.
    pub models: Vec<Named<'b>>,
    /// Whether it refers to a saved agent, which has a model of its own.
    pub has_saved_agent: bool,
}

/// A model that a body names.
#[derive(Debug)]
pub struct Named<'b> {
    /// Its public name.
    pub model: Text<'b>,
    /// Where it stands, with its quotes.
    pub span: Range<usize>,
}

/// Members that hold what is the app's own: whatever they say of a `model` is no model.
const OWN: &[&str] = &[
    "arguments",
    "env",
    "events",
    "headers",
    "input",
    "metadata",
    "output",
    "parameters",
    "request_metadata",
    "schema",
];

/// Reads a body.
///
/// # Errors
/// It is no JSON object, or a `model` in it is no text.
pub fn read(body: &[u8]) -> Result<Body<'_>, Fault> {
    let text = validate(body).map_err(invalid_json)?;
    let mut walk = Walk::new(text);
    if walk.kind() != Kind::Object {
        return Err(wrong_kind(&Path::top("body"), "must be a JSON object"));
    }
    let mut body = Body {
        text,
        models: Vec::new(),
        has_saved_agent: false,
    };
    body.collect(&mut walk)?;
    Ok(body)
}

impl<'b> Body<'b> {
    /// Reads the next value. Its depth is bounded, for it was validated.
    fn collect(&mut self, walk: &mut Walk<'b>) -> Result<(), Fault> {
        match walk.kind() {
            Kind::Object => {
                walk.open();
                while let Some(key) = walk.next_key().map_err(out_of_step)? {
                    self.member(&key, walk)?;
                }
            }
            Kind::Array => {
                walk.open();
                while walk.next_item().map_err(out_of_step)? {
                    self.collect(walk)?;
                }
            }
            Kind::String | Kind::Bool | Kind::Null | Kind::Number => {
                walk.skip().map_err(out_of_step)?;
            }
        }
        Ok(())
    }

    fn member(&mut self, key: &str, walk: &mut Walk<'b>) -> Result<(), Fault> {
        let kind = walk.kind();
        match key {
            "model" if kind == Kind::String => {
                let raw = walk.skip().map_err(out_of_step)?;
                return self.name(raw);
            }
            "model" if kind != Kind::Null => {
                return Err(wrong_kind(&Path::top("model"), "must be a string"));
            }
            "agent_id" if kind == Kind::String => self.has_saved_agent = true,
            _ if OWN.contains(&key) => {}
            _ => return self.collect(walk),
        }
        walk.skip().map(drop).map_err(out_of_step)
    }

    fn name(&mut self, raw: &'b str) -> Result<(), Fault> {
        if self.models.len() >= AGENT_MODELS_MAX {
            let problem = format!("may name at most {AGENT_MODELS_MAX} models");
            return Err(Invalid::value("model", problem).into());
        }
        let span = span_of(self.text.as_bytes(), raw.as_bytes());
        // Valid JSON may hold half a surrogate pair, which is no text.
        let model = serde_json::from_str(raw).map_err(|_error| Client::UnknownModel)?;
        let span = span.ok_or(OUT_OF_STEP)?;
        self.models.push(Named { model, span });
        Ok(())
    }
}

const OUT_OF_STEP: Fault = Fault::Internal("a body of the agents API that was valid is not");

fn out_of_step(_error: Error) -> Fault {
    OUT_OF_STEP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_place(target: &str, want: Option<(Resource, &str)>) {
        let place = Place::find(target).map(|place| (place.resource, place.rest));
        assert_eq!(place, want, "{target}");
    }

    /// The models and what they are replaced by, `!` at the end for a saved agent; or the fault.
    #[track_caller]
    fn check(body: &str, want: &str) {
        let got = match read(body.as_bytes()) {
            Ok(read) => {
                let models = read.models.iter().map(|named| {
                    let written = read.text.get(named.span.clone()).unwrap();
                    format!("{}={written}", &*named.model)
                });
                let models: Vec<_> = models.collect();
                let saved = if read.has_saved_agent { "!" } else { "" };
                format!("{}{saved}", models.join(" "))
            }
            Err(fault) => format!("{} {fault}", fault.code().unwrap()),
        };
        assert_eq!(got, want);
    }

    #[test]
    fn a_path_is_about_a_resource() {
        check_place("/v1/agents", Some((Resource::Agents, "/agents")));
        check_place(
            "/v1/agents?limit=2",
            Some((Resource::Agents, "/agents?limit=2")),
        );
        check_place(
            "/v1/agents/agent_1",
            Some((Resource::Agents, "/agents/agent_1")),
        );
        check_place(
            "/v1/agents/sessions/s-1/events?a=/b/..",
            Some((Resource::Sessions, "/agents/sessions/s-1/events?a=/b/..")),
        );
        check_place(
            "/v1/agents/environments/templates",
            Some((Resource::Environments, "/agents/environments/templates")),
        );
        check_place(
            "/v1/agents/automations/x/pause",
            Some((Resource::Automations, "/agents/automations/x/pause")),
        );
    }

    #[test]
    fn a_path_that_could_lead_elsewhere_is_none() {
        for target in [
            "/v1/agentsx",
            "/agents",
            "/v1/agents/",
            "/v1/agents//sessions",
            "/v1/agents/../chat/completions",
            "/v1/agents/./sessions",
            "/v1/agents/%2e%2e/chat/completions",
            "/v1/agents/sessions%2fx",
            "/v1/agents/sessions\\..\\x",
            "/v1/agents/sessions/\u{e9}",
            "/v1/agents/sessions/a b",
        ] {
            check_place(target, None);
        }
    }

    #[test]
    fn models_are_found_where_they_stand() {
        check("{}", "");
        check(r#"{"model":"a"}"#, r#"a="a""#);
        check(r#"{"agent":{"model":"\u0061"}}"#, r#"a="\u0061""#);
        check(
            r#"{"target":{"session":[{"agent":{"model":"a","model":"b"}}]}}"#,
            r#"a="a" b="b""#,
        );
        check(r#"{"agent":{"model":null}}"#, "");
    }

    #[test]
    fn a_saved_agent_is_noticed() {
        check(r#"{"agent_id":"agent_1"}"#, "!");
        check(
            r#"{"target":{"agent_id":"agent_1","agent":{"model":"a"}}}"#,
            r#"a="a"!"#,
        );
        check(r#"{"agent_id":null}"#, "");
    }

    #[test]
    fn what_is_the_apps_own_names_no_model() {
        check(
            r#"{"metadata":{"model":"a"},"tools":[{"parameters":{"model":7}}],"input":[{"model":"b"}],"events":[{"output":{"model":[]}}]}"#,
            "",
        );
    }

    #[test]
    fn what_is_no_body_is_refused() {
        check("[]", "invalid_type body: must be a JSON object");
        check(
            r#"{"agent":{"model":{"id":"a"}}}"#,
            "invalid_type model: must be a string",
        );
        check(
            "{",
            "invalid_json the request body is no valid JSON: it breaks after byte 1",
        );
        let many = vec![r#"{"model":"a"}"#; AGENT_MODELS_MAX + 1].join(",");
        check(
            &format!(r#"{{"a":[{many}]}}"#),
            "invalid_value model: may name at most 64 models",
        );
    }
}
