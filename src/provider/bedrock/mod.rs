//! Amazon Bedrock, spoken to by Converse and ConverseStream or, on its OpenAI endpoints, in OpenAI's formats;
//! and by InvokeModel for embeddings.
//!
//! ```text
//! mod        settings and targets: where a call goes and how it is signed
//!  openai    the OpenAI endpoints: bedrock-runtime's and bedrock-mantle
//!  model     which ids a model may have, and their place in a path
//!  encode    a request as a Converse body
//!   messages the conversation
//!   tools    the tools and how they are chosen
//!   sampling limits, sampling and stop sequences
//!   reasoning how hard to think, in the words of the model's family
//!   cache    where the prompt is cached
//!   settings what the admin says of every request
//!   metadata what the app notes, as AWS takes it
//!   section  a member that is there only if something is in it
//!  decode    an answer, whole or from the event stream, as events
//!   events   what ConverseStream's own events say
//!   frames   how they are framed
//!  embed     texts as vectors: Titan, Cohere, Nova
//!  refusal   AWS's errors in OpenAI's terms
//! ```
//! The wire is that of botocore's service model `bedrock-runtime`. What a model takes beyond it is
//! data: see [`Quirks`]. A field that Converse has no place for is left to the policy's `parameters`.

mod cache;
mod decode;
mod embed;
mod encode;
pub(super) mod events;
pub(super) mod frames;
mod messages;
mod metadata;
pub(super) mod model;
mod openai;
mod reasoning;
pub(super) mod refusal;
mod sampling;
mod section;
mod settings;
pub(super) mod tools;

use std::rc::Rc;

use crate::document::Fields;
use crate::fault::Fault;
use crate::turn::{Format, Headers, Now, Request, Uncarried};

use super::catalogue::Catalogue;
use super::credential::{Credential, Default as DefaultCredential};
use super::endpoint::push_segment;
use super::quirks::{Quirks, RuntimeSurface};
use super::{
    Call, Decoder, Endpoint, Environment, Kind, Passage, Path, Provider, Relay, Sink, Target,
    Translate,
};
use embed::Invoke;
use model::{ModelId, Region};
use openai::{ManagedAgents, OpenAi};
use settings::Settings;

/// Bedrock's entry in the table of providers.
pub(super) const KIND: Kind = Kind {
    name: "bedrock",
    compile,
};

/// How a model is spoken to, in the policy's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Surface {
    /// Converse, at `bedrock-runtime`.
    Converse,
    /// OpenAI's formats, at `bedrock-runtime`.
    OpenAi,
    /// OpenAI's formats, at `bedrock-mantle`: another host, with another signing name.
    Mantle,
}

const SURFACES: &[(&str, Surface)] = &[
    ("converse", Surface::Converse),
    ("openai", Surface::OpenAi),
    ("mantle", Surface::Mantle),
];
const JSON: &str = "application/json";
const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// A configured Bedrock endpoint.
#[derive(Debug)]
struct Bedrock {
    runtime: Rc<Runtime>,
    /// That of targets which name none.
    surface: Option<Surface>,
    /// Mantle's project.
    project: Option<String>,
}

/// What all models of one endpoint share.
#[derive(Debug)]
struct Runtime {
    catalogue: Rc<Catalogue>,
    endpoint: Endpoint,
    credential: Rc<Credential>,
    event_bytes_max: usize,
}

/// One model of a Bedrock endpoint.
#[derive(Debug)]
struct Converse {
    runtime: Rc<Runtime>,
    quirks: Quirks,
    settings: Settings,
    whole_path: String,
    stream_path: String,
}

fn compile(fields: &mut Fields<'_>, environment: &Environment<'_>) -> Option<Rc<dyn Provider>> {
    let region = fields
        .require("region", "use one like us-east-1")
        .parsed("region", str::parse::<Region>);
    let written = fields.has("endpoint");
    let endpoint = Endpoint::read(fields);
    if endpoint.as_ref().is_some_and(|url| !url.query.is_empty()) {
        fields.problem("endpoint", "Bedrock's endpoint has no query; leave it out");
    }
    let surface = fields.one_of("surface", SURFACES);
    let is_mantle = surface == Some(Surface::Mantle);
    let project = is_mantle
        .then(|| fields.parsed("project", openai::project))
        .flatten();
    let default = DefaultCredential::Aws {
        // Where the region is wrong nothing is signed, and the credential is not to blame as well.
        region: region.as_ref().map_or("none", Region::as_str),
        service: if is_mantle {
            "bedrock-mantle"
        } else {
            "bedrock"
        },
    };
    let credential = Credential::read(fields, environment, default);
    let region = region?;
    let endpoint = match endpoint {
        None if written => return None,
        None if is_mantle => region.mantle(),
        None => region.endpoint(),
        Some(endpoint) => endpoint,
    };
    Some(Rc::new(Bedrock {
        runtime: Rc::new(Runtime {
            catalogue: Rc::clone(environment.catalogue),
            endpoint,
            credential: Rc::new(credential?),
            event_bytes_max: environment.limits.event_bytes_max,
        }),
        surface,
        project,
    }))
}

impl Provider for Bedrock {
    fn target(&self, fields: &mut Fields<'_>) -> Option<Rc<dyn Target>> {
        let model = fields
            .require("model", "give a model id, an inference profile or an ARN")
            .parsed("model", str::parse::<ModelId>);
        let catalogue = &self.runtime.catalogue;
        let quirks = catalogue.resolve(model.as_ref().map_or("", ModelId::as_str), fields);
        let settings = Settings::read(fields);
        let written = fields.one_of("surface", SURFACES);
        let model = model?;
        if let Some(family) = quirks.embedding {
            let has_surface = written.is_some() || self.is_mantle();
            if let Some(field) = settings.any().or_else(|| has_surface.then_some("surface")) {
                fields.problem(field, NO_CONVERSATION);
                return None;
            }
            let runtime = Rc::clone(&self.runtime);
            return Some(Rc::new(Invoke::read(runtime, family, &model, fields)));
        }
        let surface = self.surface(&model, written, quirks.surface, &settings, fields)?;
        let converse = || Converse::new(&self.runtime, &model, quirks.clone(), settings);
        Some(match surface {
            Surface::Converse => Rc::new(converse()),
            Surface::OpenAi => Rc::new(OpenAi::at_runtime(converse(), model.as_str())),
            Surface::Mantle => {
                let project = self.project.as_deref();
                let model = model.as_str();
                Rc::new(OpenAi::at_mantle(&self.runtime, project, model, &quirks))
            }
        })
    }

    fn agents(&self) -> Option<Rc<dyn Passage>> {
        let project = self.project.as_deref();
        self.is_mantle()
            .then(|| Rc::new(ManagedAgents::new(&self.runtime, project)) as Rc<dyn Passage>)
    }
}

const NO_CONVERSATION: &str = "an embedding model is reached by InvokeModel at bedrock-runtime, which knows no surface and \
                               none of Converse's settings; leave it out, and list a provider without surface: mantle";

impl Bedrock {
    fn is_mantle(&self) -> bool {
        self.surface == Some(Surface::Mantle)
    }

    /// The surface of a target: what it says, else what the provider says, else what is best for the model.
    fn surface(
        &self,
        model: &ModelId,
        written: Option<Surface>,
        best: RuntimeSurface,
        settings: &Settings,
        fields: &mut Fields<'_>,
    ) -> Option<Surface> {
        let is_mantle = self.is_mantle();
        let is_named = written.is_some() || self.surface.is_some();
        let surface = written.or(self.surface).unwrap_or(match best {
            RuntimeSurface::Converse => Surface::Converse,
            RuntimeSurface::OpenAi => Surface::OpenAi,
        });
        let catalogue = &self.runtime.catalogue;
        let (field, problem) = match surface {
            Surface::Mantle if !is_mantle => (
                "surface",
                "bedrock-mantle is another host; list a provider of its own with surface: mantle",
            ),
            Surface::Converse | Surface::OpenAi if is_mantle => (
                "surface",
                "the provider is bedrock-mantle; list another one without surface: mantle",
            ),
            Surface::Mantle if model.is_arn() || catalogue.is_regional(model.as_str()) => (
                "model",
                "mantle knows neither ARNs nor cross-region profiles; write the model's own id, such as \
                 openai.gpt-oss-120b",
            ),
            Surface::Mantle if settings.any().is_some() => (
                settings.any().unwrap_or_default(),
                "mantle does not take it; list the model at a provider without surface: mantle",
            ),
            Surface::OpenAi if is_named && settings.of_converse().is_some() => (
                settings.of_converse().unwrap_or_default(),
                "only Converse takes it; say surface: converse, or leave it out",
            ),
            Surface::OpenAi if !is_named && settings.any().is_some() => {
                return Some(Surface::Converse);
            }
            Surface::OpenAi if model.is_application_profile() && is_named => (
                "model",
                "only Converse takes an application inference profile; say surface: converse",
            ),
            Surface::OpenAi if model.is_application_profile() => return Some(Surface::Converse),
            Surface::Converse | Surface::OpenAi | Surface::Mantle => return Some(surface),
        };
        fields.problem(field, problem);
        None
    }
}

impl Runtime {
    /// The path of a model, without a slash at its end.
    fn model_path(&self, model: &ModelId) -> String {
        let mut path = format!("{}/model/", self.endpoint.path);
        push_segment(&mut path, model.as_str());
        path
    }
}

impl Converse {
    fn new(runtime: &Rc<Runtime>, model: &ModelId, quirks: Quirks, settings: Settings) -> Self {
        let path = format!("{}/converse", runtime.model_path(model));
        Self {
            runtime: Rc::clone(runtime),
            quirks,
            settings,
            stream_path: format!("{path}-stream"),
            whole_path: path,
        }
    }
}

impl Target for Converse {
    fn path(&self, format: Format) -> Option<Path<'_>> {
        match format {
            Format::Chat | Format::Responses | Format::Completions => Some(Path::Translated(self)),
            Format::Embeddings => None,
        }
    }

    fn sign(&self, now: Now, call: &mut Call) -> Result<(), Fault> {
        self.runtime.credential.sign(now, call)
    }

    fn refusal(&self, head: &Headers, body: &[u8]) -> Fault {
        refusal::read(head, body)
    }
}

impl Translate for Converse {
    fn encode(
        &self,
        request: &Request<'_>,
        uncarried: &mut Uncarried<'_>,
        call: &mut Call,
    ) -> Result<(), Fault> {
        call.body.clear();
        encode::write(
            request,
            &self.quirks,
            &self.settings,
            uncarried,
            &mut call.body,
        )?;
        let (path, accept) = if request.stream {
            (&self.stream_path, EVENT_STREAM)
        } else {
            (&self.whole_path, JSON)
        };
        call.authority.clone_from(&self.runtime.endpoint.authority);
        call.path.clone_from(path);
        call.headers.set("content-type", JSON);
        call.headers.set("accept", accept);
        Ok(())
    }

    fn is_stream(&self, head: &Headers) -> bool {
        head.has_content_type(EVENT_STREAM)
    }

    fn decode(&self, _head: &Headers, body: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
        decode::whole(body, sink)
    }

    fn decoder(&self, _head: &Headers) -> Box<dyn Decoder> {
        Box::new(decode::Stream::new(self.runtime.event_bytes_max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document;
    use crate::limits::Limits;
    use crate::turn::{Escaped, Message, Parameters, Part, Role};

    const MODEL: &str = r#"{"model":"us.anthropic.claude-sonnet-4-5-20250929-v1:0"}"#;

    fn provider(settings: &str) -> Result<Rc<dyn Provider>, String> {
        let root = document::parse(settings.as_bytes()).unwrap();
        let environment = Environment {
            name: "aws",
            variable: &|name| {
                (name == "AWS_BEARER_TOKEN_BEDROCK").then(|| "bedrock-key".to_owned())
            },
            limits: Limits::default(),
            catalogue: &Rc::new(Catalogue::shipped().unwrap()),
        };
        document::read(&root, |fields| compile(fields, &environment))
            .map_err(|problems| problems.to_string())
    }

    fn target(settings: &str, model: &str) -> Result<Rc<dyn Target>, String> {
        let provider = provider(settings)?;
        let root = document::parse(model.as_bytes()).unwrap();
        document::read(&root, |fields| provider.target(fields))
            .map_err(|problems| problems.to_string())
    }

    fn call(settings: &str, model: &str, stream: bool) -> Call {
        let target = target(settings, model).unwrap();
        let Some(Path::Translated(translate)) = target.path(Format::Chat) else {
            panic!("Converse translates");
        };
        let request = Request {
            messages: vec![Message {
                role: Role::User,
                parts: vec![Part::Text(Escaped::from_content("hi"))],
                index: 0,
            }],
            stream,
            ..Request::default()
        };
        let rules = Parameters::default();
        let mut call = Call::default();
        translate
            .encode(&request, &mut Uncarried::new(&rules), &mut call)
            .unwrap();
        target.sign(Now { unix_ms: 0 }, &mut call).unwrap();
        call
    }

    #[track_caller]
    fn refuse(settings: &str, model: &str, want: &str) {
        let problems = target(settings, model).map(|_| ()).unwrap_err();
        assert!(problems.contains(want), "{problems}");
    }

    #[test]
    fn a_call_goes_to_the_regions_endpoint() {
        let call = call(r#"{"region":"eu-west-1"}"#, MODEL, false);
        assert_eq!(call.authority, "bedrock-runtime.eu-west-1.amazonaws.com");
        assert_eq!(
            call.path,
            "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
        );
        assert_eq!(call.headers.text("accept"), Some("application/json"));
        assert_eq!(call.headers.text("content-type"), Some("application/json"));
        assert_eq!(
            call.headers.text("authorization"),
            Some("Bearer bedrock-key")
        );
        assert_eq!(
            str::from_utf8(&call.body).unwrap(),
            r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#
        );
    }

    #[test]
    fn a_stream_has_its_own_path_and_type() {
        let call = call(
            r#"{"region":"us-east-1","endpoint":"http://127.0.0.1:9001/base/"}"#,
            r#"{"model":"arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1"}"#,
            true,
        );
        assert_eq!(call.authority, "127.0.0.1:9001");
        assert_eq!(
            call.path,
            "/base/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fa1/converse-stream"
        );
        assert_eq!(
            call.headers.text("accept"),
            Some("application/vnd.amazon.eventstream")
        );
    }

    #[test]
    fn every_wrong_setting_is_named() {
        refuse("{}", MODEL, "region: required");
        refuse(r#"{"region":"Virginia"}"#, MODEL, "region: ");
        refuse(
            r#"{"region":"us-east-1","endpoint":"https://me:secret@h"}"#,
            MODEL,
            "endpoint: an endpoint names a host and no user",
        );
        refuse(
            r#"{"region":"us-east-1","endpoint":"x"}"#,
            MODEL,
            "endpoint: ",
        );
        refuse(
            r#"{"region":"us-east-1","endpoint":"http://x?a=1"}"#,
            MODEL,
            "no query",
        );
        refuse(r#"{"region":"us-east-1"}"#, "{}", "model: required");
        refuse(r#"{"region":"us-east-1"}"#, r#"{"model":"a b"}"#, "model: ");
        refuse(
            r#"{"region":"us-east-1"}"#,
            r#"{"model":"m","quirks":{"stop":1}}"#,
            "quirks.stop: ",
        );
    }

    const MANTLE: &str = r#"{"region":"us-east-1","surface":"mantle"}"#;

    /// How chat completions reach a model: by Converse, or where else its body goes.
    #[track_caller]
    fn check_surface(settings: &str, model: &str, want: &str) {
        let target = target(settings, model).unwrap();
        let got = match target.path(Format::Chat) {
            Some(Path::Translated(translate)) => {
                let rules = Parameters::default();
                let mut call = Call::default();
                let messages = vec![Message {
                    role: Role::User,
                    parts: vec![Part::Text(Escaped::from_content("hi"))],
                    index: 0,
                }];
                let request = Request {
                    messages,
                    ..Request::default()
                };
                translate
                    .encode(&request, &mut Uncarried::new(&rules), &mut call)
                    .unwrap();
                match call.path.ends_with("/converse") {
                    true => "converse".to_owned(),
                    false => format!("{}{}", call.authority, call.path),
                }
            }
            Some(Path::Edited(edit)) => {
                let rules = Parameters::default();
                let mut call = Call::default();
                let ask = crate::provider::openai::fixture::ask(r#"{"model":"m"}"#);
                edit.edit(&ask, &mut Uncarried::new(&rules), &mut call)
                    .unwrap();
                format!("{}{}", call.authority, call.path)
            }
            Some(Path::Embedded(_)) => panic!("chat completions are no embeddings"),
            None => "nothing".to_owned(),
        };
        assert_eq!(got, want, "{model}");
    }

    #[test]
    fn the_model_decides_on_its_surface_unless_the_policy_does() {
        const RUNTIME: &str = r#"{"region":"us-east-1"}"#;
        let path = "bedrock-runtime.us-east-1.amazonaws.com/openai/v1/chat/completions";
        check_surface(RUNTIME, MODEL, "converse");
        check_surface(
            RUNTIME,
            r#"{"model":"openai.gpt-oss-120b-1:0"}"#,
            "converse",
        );
        check_surface(RUNTIME, r#"{"model":"us.openai.gpt-5.6-terra"}"#, path);
        let oss = r#"{"model":"openai.gpt-oss-120b-1:0","surface":"openai"}"#;
        check_surface(RUNTIME, oss, path);
        let oss = r#"{"model":"openai.gpt-oss-120b-1:0"}"#;
        let settings = r#"{"region":"us-east-1","surface":"openai"}"#;
        check_surface(settings, oss, path);
        let gpt = r#"{"model":"us.openai.gpt-6","surface":"converse"}"#;
        check_surface(settings, gpt, "converse");
        let like = r#"{"model":"arn:aws:bedrock:us-east-1:1:application-inference-profile/a","quirks":{"like":"openai.gpt-6"}}"#;
        check_surface(RUNTIME, like, "converse");
    }

    #[test]
    fn mantle_has_a_path_for_each_model() {
        for (model, path) in [
            ("openai.gpt-oss-120b", "v1"),
            ("openai.gpt-5.6-terra", "openai/v1"),
            ("xai.grok-4.6", "openai/v1"),
            ("google.gemma-4-27b", "openai/v1"),
            ("deepseek.v3.2", "v1"),
        ] {
            let want = format!("bedrock-mantle.us-east-1.api.aws/{path}/chat/completions");
            check_surface(MANTLE, &format!(r#"{{"model":"{model}"}}"#), &want);
        }
        check_surface(
            MANTLE,
            r#"{"model":"acme.new","quirks":{"mantle_path":"openai_v1"}}"#,
            "bedrock-mantle.us-east-1.api.aws/openai/v1/chat/completions",
        );
        check_surface(
            MANTLE,
            r#"{"model":"openai.gpt-5.5"}"#,
            "bedrock-mantle.us-east-1.api.aws/openai/v1/responses",
        );
    }

    #[test]
    fn a_surface_that_cannot_be_is_refused() {
        let gpt = r#"{"model":"us.openai.gpt-5.6"}"#;
        refuse(MANTLE, gpt, "model: mantle knows neither");
        refuse(
            MANTLE,
            r#"{"model":"m","surface":"openai"}"#,
            "surface: the",
        );
        refuse(
            r#"{"region":"us-east-1"}"#,
            r#"{"model":"m","surface":"mantle"}"#,
            "surface: bedrock-mantle is another host",
        );
        refuse(
            r#"{"region":"us-east-1","surface":"openai"}"#,
            r#"{"model":"arn:aws:bedrock:us-east-1:1:application-inference-profile/a"}"#,
            "model: only Converse",
        );
        refuse(
            r#"{"region":"us-east-1","project":"proj_1"}"#,
            MODEL,
            "project: unknown field",
        );
        refuse(
            r#"{"region":"us-east-1","surface":"mantel"}"#,
            MODEL,
            "did you mean 'mantle'",
        );
    }

    #[test]
    fn legacy_completions_reach_a_model_by_what_it_speaks() {
        let gpt = r#"{"model":"openai.gpt-6"}"#;
        let format = Format::Completions;
        check_path(r#"{"region":"us-east-1"}"#, gpt, format, "translated");
        check_path(MANTLE, gpt, format, "translated");
    }

    /// How a format reaches a model.
    #[track_caller]
    fn check_path(settings: &str, model: &str, format: Format, want: &str) {
        let target = target(settings, model).unwrap();
        let got = match target.path(format) {
            Some(Path::Translated(_)) => "translated",
            Some(Path::Edited(_)) => "edited",
            Some(Path::Embedded(_)) => "embedded",
            None => "nothing",
        };
        assert_eq!(got, want, "{settings} {model}");
    }

    const TITAN: &str = r#"{"model":"amazon.titan-embed-text-v2:0"}"#;

    #[test]
    fn embeddings_reach_embedding_models_only() {
        let gpt = r#"{"model":"openai.gpt-6"}"#;
        for surface in ["", r#","surface":"converse""#, r#","surface":"openai""#] {
            let settings = format!(r#"{{"region":"us-east-1"{surface}}}"#);
            check_path(&settings, TITAN, Format::Embeddings, "embedded");
            check_path(&settings, TITAN, Format::Chat, "nothing");
            check_path(&settings, MODEL, Format::Embeddings, "nothing");
            check_path(&settings, gpt, Format::Embeddings, "nothing");
        }
        check_path(MANTLE, gpt, Format::Embeddings, "nothing");
    }

    #[test]
    fn what_embedding_models_do_not_know_is_refused() {
        refuse(MANTLE, TITAN, "surface: an embedding model");
        for (field, more) in [
            ("surface", r#""surface":"openai""#),
            ("guardrail", r#""guardrail":{"id":"g","version":"1"}"#),
            ("service_tier", r#""service_tier":"flex""#),
        ] {
            let model = format!(r#"{{"model":"amazon.titan-embed-text-v2:0",{more}}}"#);
            let want = format!("{field}: an embedding model");
            refuse(r#"{"region":"us-east-1"}"#, &model, &want);
        }
        refuse(
            r#"{"region":"us-east-1"}"#,
            r#"{"model":"m","input_type":"clustering"}"#,
            "input_type: unknown field",
        );
    }

    #[test]
    fn a_wrong_region_is_one_problem() {
        let root = document::parse(br#"{"region":"Virginia"}"#).unwrap();
        let environment = Environment {
            name: "aws",
            variable: &|name| name.contains("ACCESS_KEY").then(|| "key".to_owned()),
            limits: Limits::default(),
            catalogue: &Rc::new(Catalogue::shipped().unwrap()),
        };
        let compiled = document::read(&root, |fields| compile(fields, &environment));
        assert_eq!(compiled.unwrap_err().len(), 1);
    }

    #[test]
    fn only_the_event_stream_is_streamed() {
        let target = target(r#"{"region":"us-east-1"}"#, MODEL).unwrap();
        let Some(Path::Translated(translate)) = target.path(Format::Chat) else {
            panic!("Converse translates");
        };
        let mut head = Headers::new();
        head.set("content-type", "application/vnd.amazon.eventstream");
        assert!(translate.is_stream(&head));
        // Coral answers some errors with status 200 and JSON.
        head.set("content-type", "application/json");
        assert!(!translate.is_stream(&head));
    }
}
