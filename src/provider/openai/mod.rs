//! OpenAI, and every server that speaks chat completions as OpenAI does.
//!
//! Requests are in the upstream's format already: they are edited, not translated, and answers pass
//! unchanged but for what [`relay`] says. Azure speaks the same and differs in addresses and keys
//! only, so `azure` compiles its own settings into this room's [`Server`] and uses the rest.
//!
//! Settings: `endpoint` (default `https://api.openai.com/v1`), `organization`, `project`, `auth`
//! (default: bearer from `OPENAI_API_KEY`). The endpoint may end in `/chat/completions`, and `/v1` is
//! added to a path that names no version. A target's: `model` (absent: the name that the app asked
//! for, as globs need it) and `quirks`.

mod answer;
mod edit;
mod embeddings;
#[cfg(test)]
pub(super) mod fixture;
mod refusal;
mod relay;

use std::fmt;
use std::rc::Rc;

use self::edit::Changes;
use self::embeddings::Embeddings;
use super::credential::{Credential, Default};
use super::endpoint::push_segment;
use super::quirks::{MaxTokensName, MaxTokensNames, Quirks};
use super::{Call, Edit, Endpoint, Environment, Kind, Path, Provider, Relay, Sink, Target};
use crate::document::Fields;
use crate::fault::Fault;
use crate::turn::{Ask, Format, Headers, Now};

/// The entry in the table of providers.
pub(super) const KIND: Kind = Kind {
    name: "openai",
    compile,
};

const ENDPOINT: &str = "https://api.openai.com/v1";
/// What follows the base of every chat completions URL.
pub(super) const CHAT: &str = "/chat/completions";
/// What follows the base of every embeddings URL.
pub(super) const EMBEDDINGS: &str = "/embeddings";

fn compile(fields: &mut Fields<'_>, environment: &Environment<'_>) -> Option<Rc<dyn Provider>> {
    let endpoint = if fields.has("endpoint") {
        fields.parsed("endpoint", Endpoint::parse)
    } else {
        Endpoint::parse(ENDPOINT).ok()
    };
    let headers = [
        (
            "openai-organization",
            fields.parsed("organization", header_value),
        ),
        ("openai-project", fields.parsed("project", header_value)),
    ];
    let credential = Credential::read(fields, environment, Default::Bearer("OPENAI_API_KEY"));
    let endpoint = endpoint?;
    let server = Server {
        chat: Address::Fixed(path(&endpoint, CHAT)),
        embeddings: Address::Fixed(path(&endpoint, EMBEDDINGS)),
        authority: endpoint.authority,
        headers: headers
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect(),
        credential: credential?,
        event_bytes_max: environment.limits.event_bytes_max,
    };
    Some(Rc::new(OpenAi(Rc::new(server))))
}

fn header_value(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("use visible ASCII characters without spaces");
    }
    Ok(text.to_owned())
}

/// The path of an API. The endpoint may name another API, as it stands in a provider's documentation.
fn path(endpoint: &Endpoint, api: &str) -> String {
    let base = [CHAT, EMBEDDINGS]
        .iter()
        .find_map(|named| endpoint.path.strip_suffix(named))
        .unwrap_or(&endpoint.path);
    // `/v1`, `/api/v3`, `/v1beta/openai`: a path that names a version is complete.
    let is_version = |segment: &str| {
        let mut bytes = segment.bytes();
        bytes.next() == Some(b'v') && bytes.next().is_some_and(|byte| byte.is_ascii_digit())
    };
    let version = if base.split('/').any(is_version) || base.len() < endpoint.path.len() {
        ""
    } else {
        "/v1"
    };
    let mark = if endpoint.query.is_empty() { "" } else { "?" };
    format!("{base}{version}{api}{mark}{}", endpoint.query)
}

#[derive(Debug)]
struct OpenAi(Rc<Server>);

impl Provider for OpenAi {
    fn target(&self, fields: &mut Fields<'_>) -> Option<Rc<dyn Target>> {
        let name = match fields.has("model") {
            true => Some(fields.required_string("model", "say the model's id, or leave it out")?),
            false => None,
        };
        let model = Model::read(Rc::clone(&self.0), name, name, fields);
        Some(Rc::new(model))
    }
}

/// A configured server of chat completions and embeddings.
pub(super) struct Server {
    pub(super) authority: String,
    pub(super) chat: Address,
    pub(super) embeddings: Address,
    /// Headers of every call.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) credential: Credential,
    pub(super) event_bytes_max: usize,
}

/// Where the model's name goes.
#[derive(Debug)]
pub(super) enum Address {
    /// Into the body; path and query are these.
    Fixed(String),
    /// Into the path, between these as one segment. The body's `model` stays as the app wrote it:
    /// nobody reads it there.
    Deployment {
        /// Up to and including the slash before the name.
        before: String,
        /// From the slash after the name, with the query.
        after: String,
    },
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("authority", &self.authority)
            .field("chat", &self.chat)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Begins the call to the model of this name at one of the server's addresses. Gives the name back if
    /// it belongs into the body.
    fn open<'n>(&self, address: &Address, name: &'n str, call: &mut Call) -> Option<&'n str> {
        call.authority.clone_from(&self.authority);
        call.path.clear();
        let model = match address {
            Address::Fixed(path) => {
                call.path.push_str(path);
                Some(name)
            }
            Address::Deployment { before, after } => {
                call.path.push_str(before);
                push_segment(&mut call.path, name);
                call.path.push_str(after);
                None
            }
        };
        call.headers.set("content-type", "application/json");
        for (name, value) in &self.headers {
            call.headers.set(*name, value.as_str());
        }
        model
    }
}

/// A model at a server.
#[derive(Debug)]
pub(super) struct Model {
    server: Rc<Server>,
    /// What the server calls it; absent: as the app does.
    name: Option<String>,
    max_tokens: MaxTokens,
    embeddings: Embeddings,
}

/// What the model calls the limit of output tokens.
#[derive(Debug)]
enum MaxTokens {
    /// Known when the policy was compiled.
    Known(MaxTokensName),
    /// Known when an app has said which model it wants.
    Asked(MaxTokensNames),
}

impl Model {
    /// Reads `quirks`. `base` is the model that they are looked up for.
    pub(super) fn read(
        server: Rc<Server>,
        name: Option<&str>,
        base: Option<&str>,
        fields: &mut Fields<'_>,
    ) -> Self {
        let max_tokens = if base.is_none() && !fields.has("quirks") {
            MaxTokens::Asked(MaxTokensNames::read())
        } else {
            let quirks = Quirks::resolve(base.unwrap_or_default(), fields);
            MaxTokens::Known(quirks.max_tokens_name)
        };
        let name = name.map(str::to_owned);
        Self {
            embeddings: Embeddings {
                server: Rc::clone(&server),
                name: name.clone(),
            },
            server,
            name,
            max_tokens,
        }
    }
}

impl Target for Model {
    fn path(&self, format: Format) -> Option<Path<'_>> {
        match format {
            Format::Chat => Some(Path::Edited(self)),
            Format::Embeddings => Some(Path::Edited(&self.embeddings)),
        }
    }

    fn sign(&self, now: Now, call: &mut Call) -> Result<(), Fault> {
        self.server.credential.sign(now, call)
    }

    fn refusal(&self, head: &Headers, body: &[u8]) -> Fault {
        refusal::read(head.status(), body)
    }
}

impl Edit for Model {
    fn edit(&self, ask: &Ask<'_>, call: &mut Call) -> Result<(), Fault> {
        let name = self.name.as_deref().unwrap_or(&ask.model);
        let model = self.server.open(&self.server.chat, name, call);
        let accept = match ask.stream {
            true => "text/event-stream",
            false => "application/json",
        };
        call.headers.set("accept", accept);
        let max_tokens = match &self.max_tokens {
            MaxTokens::Known(known) => *known,
            MaxTokens::Asked(names) => names.of(&ask.model),
        };
        let changes = Changes {
            model,
            rename_max_tokens: max_tokens == MaxTokensName::MaxCompletionTokens,
        };
        call.body.clear();
        changes.write(ask, &mut call.body)
    }

    fn relay(&self, show_usage: bool) -> Box<dyn Relay> {
        Box::new(relay::Chunks::new(show_usage, self.server.event_bytes_max))
    }

    fn inspect(&self, body: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
        answer::inspect(body, sink)
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::{call, target};
    use super::*;

    /// The URL that an endpoint becomes.
    #[track_caller]
    fn check(endpoint: &str, want: &str) {
        let settings = format!(r#"{{"endpoint":"{endpoint}"}}"#);
        let call = call(KIND, &settings, "{}", r#"{"model":"m"}"#);
        assert_eq!(
            format!("{}{}", call.authority, call.path),
            want,
            "{endpoint}"
        );
    }

    #[test]
    fn any_spelling_of_the_endpoint_will_do() {
        let want = "api.openai.com/v1/chat/completions";
        for endpoint in [
            "https://api.openai.com",
            "https://api.openai.com/",
            "https://api.openai.com/v1",
            "https://api.openai.com:443/v1/",
            "https://API.openai.com/v1/chat/completions",
            "https://api.openai.com/v1/chat/completions/",
        ] {
            check(endpoint, want);
        }
    }

    #[test]
    fn another_server_keeps_its_path() {
        check(
            "http://127.0.0.1:9001",
            "127.0.0.1:9001/v1/chat/completions",
        );
        check("https://h/llm", "h/llm/v1/chat/completions");
        check("https://h/openai/v1/", "h/openai/v1/chat/completions");
        check(
            "https://h/v1beta/openai",
            "h/v1beta/openai/chat/completions",
        );
        check("https://h/llm/chat/completions", "h/llm/chat/completions");
        check("https://h/v1?team=a", "h/v1/chat/completions?team=a");
    }

    #[test]
    fn a_call_has_the_headers_of_the_settings_and_the_key() {
        let settings = r#"{"organization":"org-1","project":"proj_2"}"#;
        let call = call(KIND, settings, "{}", r#"{"model":"m","stream":true}"#);
        assert_eq!(call.path, "/v1/chat/completions");
        for (name, want) in [
            ("content-type", "application/json"),
            ("accept", "text/event-stream"),
            ("openai-organization", "org-1"),
            ("openai-project", "proj_2"),
            ("authorization", "Bearer value-of-OPENAI_API_KEY"),
        ] {
            assert_eq!(call.headers.text(name), Some(want), "{name}");
        }
    }

    #[test]
    fn a_whole_answer_is_accepted_as_json() {
        let call = call(KIND, "{}", "{}", r#"{"model":"m"}"#);
        assert_eq!(call.headers.text("accept"), Some("application/json"));
    }

    #[test]
    fn the_models_name_is_the_targets_or_the_asked_one() {
        let body = r#"{"model":"gpt-5","n":1}"#;
        let renamed = call(KIND, "{}", r#"{"model":"gpt-5-mini"}"#, body);
        assert_eq!(renamed.body, br#"{"model":"gpt-5-mini","n":1}"#);
        assert_eq!(call(KIND, "{}", "{}", body).body, body.as_bytes());
    }

    #[test]
    fn max_tokens_is_renamed_where_the_model_demands_it() {
        for (target, asked, key) in [
            ("{}", "gpt-5", "max_completion_tokens"),
            ("{}", "gpt-4o", "max_tokens"),
            (r#"{"model":"o3"}"#, "o3", "max_completion_tokens"),
            (
                r#"{"model":"o3","quirks":{"max_tokens_name":"as_written"}}"#,
                "o3",
                "max_tokens",
            ),
            (
                r#"{"quirks":{"like":"o3"}}"#,
                "mine",
                "max_completion_tokens",
            ),
        ] {
            let body = format!(r#"{{"model":"{asked}","max_tokens":5}}"#);
            let want = format!(r#"{{"model":"{asked}","{key}":5}}"#);
            let call = call(KIND, "{}", target, &body);
            assert_eq!(String::from_utf8(call.body).unwrap(), want, "{target}");
        }
    }

    #[test]
    fn wrong_settings_are_named() {
        let problems = target(
            KIND,
            r#"{"endpoint":"api.openai.com","project":"a b","region":"x"}"#,
            "{}",
        )
        .unwrap_err();
        for path in ["endpoint: ", "project: ", "region: "] {
            assert!(problems.contains(path), "{problems}");
        }
        let problems = target(KIND, "{}", r#"{"model":""}"#).unwrap_err();
        assert!(problems.starts_with("model: "), "{problems}");
    }
}
