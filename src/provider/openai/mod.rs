//! OpenAI, and every server that speaks chat completions, responses or embeddings as OpenAI does.
//!
//! Requests are in the upstream's format already: they are edited, not translated, and answers pass
//! unchanged but for what [`mod@relay`] and [`amend`] say.
//! Azure and Bedrock's OpenAI endpoints speak the same and differ in addresses and keys only, so they
//! compile their own settings into this room's [`Server`] and use the rest.
//!
//! Settings: `endpoint` (default `https://api.openai.com/v1`), `organization`, `project`, `auth`
//! (default: bearer from `OPENAI_API_KEY`). The endpoint may end in `/chat/completions`, `/responses` or `/embeddings`,
//! and `/v1` is added to a path that names no version. A target's: `model` (absent: the name that the app asked
//! for, as globs need it) and `quirks`.

mod amend;
mod answer;
mod edit;
mod embeddings;
#[cfg(test)]
pub(super) mod fixture;
mod refusal;
mod relay;
mod responses;

use std::fmt;
use std::rc::Rc;

use self::amend::Amend;
use self::edit::Changes;
use self::embeddings::Embeddings;
use self::responses::Responses;
use super::catalogue::{Catalogue, MaxTokensNames};
use super::credential::{Credential, Default};
use super::endpoint::push_segment;
use super::quirks::{MaxTokensName, Quirks};
use super::{Call, Edit, Endpoint, Environment, Kind, Path, Provider, Relay, Sink, Target};
use crate::document::Fields;
use crate::fault::Fault;
use crate::turn::{Ask, Format, Headers, Now, Uncarried};

/// The entry in the table of providers.
pub(super) const KIND: Kind = Kind {
    name: "openai",
    compile,
};

const ENDPOINT: &str = "https://api.openai.com/v1";
/// What follows the base of every chat completions URL.
pub(super) const CHAT: &str = "/chat/completions";
/// What follows the base of every responses URL.
pub(super) const RESPONSES: &str = "/responses";
/// What follows the base of every embeddings URL.
const EMBEDDINGS: &str = "/embeddings";

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
        responses: Some(responses(&endpoint)),
        address: address(&endpoint),
        authority: endpoint.authority,
        headers: headers
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect(),
        credential: Rc::new(credential?),
        event_bytes_max: environment.limits.event_bytes_max,
        catalogue: Rc::clone(environment.catalogue),
    };
    Some(Rc::new(OpenAi(Rc::new(server))))
}

fn header_value(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("use visible ASCII characters without spaces");
    }
    Ok(text.to_owned())
}

fn address(endpoint: &Endpoint) -> Address {
    let (base, query) = split(endpoint);
    Address::Fixed { base, query }
}

/// Path and query of the responses API.
fn responses(endpoint: &Endpoint) -> String {
    let (base, query) = split(endpoint);
    format!("{base}{RESPONSES}{query}")
}

/// The path up to the API's own, and the query with its question mark.
fn split(endpoint: &Endpoint) -> (String, String) {
    let written = [CHAT, RESPONSES, EMBEDDINGS];
    let mut bases = written.iter().map(|api| endpoint.path.strip_suffix(api));
    let base = bases.find_map(|base| base).unwrap_or(&endpoint.path);
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
    (
        format!("{base}{version}"),
        format!("{mark}{}", endpoint.query),
    )
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

/// A configured server of chat completions and what else there is beside them.
pub(super) struct Server {
    pub(super) authority: String,
    pub(super) address: Address,
    /// Path and query of the responses API, where the server has it.
    pub(super) responses: Option<String>,
    /// Headers of every call.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) credential: Rc<Credential>,
    pub(super) event_bytes_max: usize,
    pub(super) catalogue: Rc<Catalogue>,
}

/// Where the model's name goes.
#[derive(Debug)]
pub(super) enum Address {
    /// Into the body.
    Fixed {
        /// The path up to the slash before the API's own.
        base: String,
        /// The query with its question mark, or nothing.
        query: String,
    },
    /// Into the path, as one segment before the API's own. The body's `model` stays as the app wrote
    /// it: nobody reads it there.
    Deployment {
        /// Up to and including the slash before the name.
        before: String,
        /// The query with its question mark, or nothing.
        query: String,
    },
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("authority", &self.authority)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Begins a call: all but its credential and its body.
    fn open(&self, path: &str, stream: bool, call: &mut Call) {
        call.authority.clone_from(&self.authority);
        call.path.clear();
        call.path.push_str(path);
        call.headers.set("content-type", "application/json");
        let accept = match stream {
            true => "text/event-stream",
            false => "application/json",
        };
        call.headers.set("accept", accept);
        for (name, value) in &self.headers {
            call.headers.set(*name, value.as_str());
        }
        call.body.clear();
    }
}

/// A model at a server.
#[derive(Debug)]
pub(super) struct Model {
    chat: Speaker,
    completions: Speaker,
    responses: Option<Responses>,
    embeddings: Embeddings,
}

/// The two formats whose answers are choices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Chat completions: messages and deltas.
    Chat,
    /// Legacy completions: texts.
    Completions,
}

/// Passes on a stream that this gateway or OpenAI wrote.
pub(super) fn relay(format: Format, event_bytes_max: usize) -> Option<Box<dyn Relay>> {
    let chunks = |shape| -> Box<dyn Relay> {
        Box::new(relay::Chunks::new(
            shape,
            Amend::default(),
            true,
            event_bytes_max,
        ))
    };
    match format {
        Format::Chat => Some(chunks(Shape::Chat)),
        Format::Completions => Some(chunks(Shape::Completions)),
        Format::Responses => Some(responses::relay(event_bytes_max)),
        Format::Embeddings => None,
    }
}

/// A model, spoken to in one of its formats.
#[derive(Debug)]
struct Speaker {
    shape: Shape,
    traits: Rc<Traits>,
}

/// What a model's formats have in common.
#[derive(Debug)]
struct Traits {
    server: Rc<Server>,
    /// What the server calls it; absent: as the app does.
    name: Option<String>,
    max_tokens: MaxTokens,
    /// Parameters that it refuses.
    refused: Vec<String>,
    amend: Amend,
}

impl Traits {
    /// Begins the call to the API of this path. Gives the model's name if it belongs into the body.
    fn open<'n>(
        &'n self,
        api: &str,
        ask: &'n Ask<'_>,
        stream: bool,
        call: &mut Call,
    ) -> Option<&'n str> {
        let name = self.name.as_deref().unwrap_or(&ask.model);
        self.server.open("", stream, call);
        let (model, query) = match &self.server.address {
            Address::Fixed { base, query } => {
                call.path.push_str(base);
                (Some(name), query)
            }
            Address::Deployment { before, query } => {
                call.path.push_str(before);
                push_segment(&mut call.path, name);
                (None, query)
            }
        };
        call.path.push_str(api);
        call.path.push_str(query);
        model
    }

    /// Counts what the model refuses as left behind.
    fn leave_refused(&self, ask: &Ask<'_>, uncarried: &mut Uncarried<'_>) -> Result<(), Fault> {
        for name in &self.refused {
            let member = ask.member(name);
            if member.is_some_and(|member| asks(name, member.value)) {
                uncarried.leave(name)?;
            }
        }
        Ok(())
    }
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
            MaxTokens::Asked(server.catalogue.max_tokens_names())
        } else {
            let quirks = server.catalogue.resolve(base.unwrap_or_default(), fields);
            MaxTokens::Known(quirks.max_tokens_name)
        };
        Self::of(Traits {
            server,
            name: name.map(str::to_owned),
            max_tokens,
            refused: Vec::new(),
            amend: Amend::default(),
        })
    }

    /// A model of which all quirks hold, those of Bedrock's endpoints too.
    pub(super) fn with_quirks(server: Rc<Server>, name: &str, quirks: &Quirks) -> Self {
        Self::of(Traits {
            server,
            name: Some(name.to_owned()),
            max_tokens: MaxTokens::Known(quirks.max_tokens_name),
            refused: quirks.refused_parameters.clone(),
            amend: Amend::new(quirks.inline_reasoning, quirks.positional_tool_ids),
        })
    }

    fn of(traits: Traits) -> Self {
        let traits = Rc::new(traits);
        let speaker = |shape| Speaker {
            shape,
            traits: Rc::clone(&traits),
        };
        Self {
            responses: Responses::of(&traits),
            chat: speaker(Shape::Chat),
            completions: speaker(Shape::Completions),
            embeddings: Embeddings(traits),
        }
    }
}

impl Target for Model {
    fn path(&self, format: Format) -> Option<Path<'_>> {
        Some(Path::Edited(match format {
            Format::Chat => &self.chat,
            Format::Completions => &self.completions,
            Format::Responses => self.responses.as_ref()?,
            Format::Embeddings => &self.embeddings,
        }))
    }

    fn sign(&self, now: Now, call: &mut Call) -> Result<(), Fault> {
        self.chat.traits.server.credential.sign(now, call)
    }

    fn refusal(&self, head: &Headers, body: &[u8]) -> Fault {
        refusal::read(head.status(), body)
    }
}

/// What follows the base of the format's URL.
const fn api(shape: Shape) -> &'static str {
    match shape {
        Shape::Chat => CHAT,
        Shape::Completions => "/completions",
    }
}

impl Edit for Speaker {
    fn edit(
        &self,
        ask: &Ask<'_>,
        uncarried: &mut Uncarried<'_>,
        call: &mut Call,
    ) -> Result<(), Fault> {
        let traits = &*self.traits;
        let model = traits.open(api(self.shape), ask, ask.stream, call);
        traits.leave_refused(ask, uncarried)?;
        let max_tokens = match &traits.max_tokens {
            MaxTokens::Known(known) => *known,
            MaxTokens::Asked(names) => names.of(&ask.model),
        };
        let changes = Changes {
            model,
            // Legacy completions know the older name only.
            max_tokens: match self.shape {
                Shape::Chat => max_tokens,
                Shape::Completions => MaxTokensName::AsWritten,
            },
            include_usage: ask.stream,
            drops_sealed: false,
            refused: &traits.refused,
        };
        changes.write(ask, &mut call.body)
    }

    fn relay(&self, show_usage: bool) -> Box<dyn Relay> {
        Box::new(relay::Chunks::new(
            self.shape,
            self.traits.amend.clone(),
            show_usage,
            self.traits.server.event_bytes_max,
        ))
    }

    fn inspect(&self, body: &[u8], out: &mut Vec<u8>, sink: Sink<'_>) -> Result<(), Fault> {
        answer::inspect(self.shape, body, sink)?;
        let text = str::from_utf8(body).ok();
        if let Some(amended) =
            text.and_then(|text| self.traits.amend.clone().write(text, "message"))
        {
            out.extend_from_slice(&amended);
        }
        Ok(())
    }
}

/// Whether a parameter's value says more than leaving it out.
fn asks(name: &str, value: &str) -> bool {
    !matches!(value, "null" | "{}" | "[]" | "false" | "0") && (name, value) != ("n", "1")
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
