//! Bedrock's OpenAI endpoints: `bedrock-runtime.../openai/v1` and `bedrock-mantle`.
//!
//! Both speak OpenAI's formats, so requests are edited and answers pass: all of that is the room
//! `openai`'s. What is here is where a model is served and what its errors mean. Errors come in
//! OpenAI's form from the model and in AWS's form from what stands before it.
//!
//! Neither knows legacy completions. At the runtime the same model is translated to Converse for them; at
//! mantle they go by the format that the model speaks.

use std::rc::Rc;

use crate::fault::{Fault, Upstream};
use crate::provider::Passage;
use crate::provider::openai::{Address, Agents, Model, NOT_FOUND, RESPONSES, Server};
use crate::turn::{Format, Headers, Now};

use super::super::quirks::{Apis, MantlePath, Quirks};
use super::settings::GUARDRAIL_TAGS;
use super::{Call, Converse, Path, Relay, Runtime, Target, refusal};

/// A model at one of the endpoints.
#[derive(Debug)]
pub(super) struct OpenAi {
    model: Model,
    /// A guardrail looks at every chat. AWS says of no other format that its headers count.
    is_guarded: bool,
    /// The same model at the same host, for what the endpoint does not speak.
    converse: Option<Converse>,
}

impl OpenAi {
    pub(super) fn at_runtime(converse: Converse, id: &str) -> Self {
        let mut quirks = converse.quirks.clone();
        let guardrail = converse.settings.headers();
        if !guardrail.is_empty() {
            // By tags an app could keep its words from the guardrail.
            quirks.refused_parameters.push(GUARDRAIL_TAGS.to_owned());
        }
        let is_guarded = !guardrail.is_empty();
        let apis = if is_guarded {
            Apis::Chat
        } else {
            quirks.runtime_apis
        };
        let server = server(&converse.runtime, "/openai/v1", guardrail.to_vec());
        Self {
            model: Model::with_quirks(server, id, &quirks, apis),
            is_guarded,
            converse: Some(converse),
        }
    }

    pub(super) fn at_mantle(
        runtime: &Runtime,
        project: Option<&str>,
        id: &str,
        quirks: &Quirks,
    ) -> Self {
        let base = match quirks.mantle_path {
            MantlePath::V1 => "/v1",
            MantlePath::OpenAiV1 => "/openai/v1",
        };
        let server = server(runtime, base, named(project));
        Self {
            model: Model::with_quirks(server, id, quirks, quirks.mantle_apis),
            is_guarded: false,
            converse: None,
        }
    }
}

/// A project as a header.
fn named(project: Option<&str>) -> Vec<(&'static str, String)> {
    let header = project.map(|project| ("openai-project", project.to_owned()));
    header.into_iter().collect()
}

fn server(runtime: &Runtime, base: &str, headers: Vec<(&'static str, String)>) -> Rc<Server> {
    let endpoint = &runtime.endpoint;
    Rc::new(Server {
        authority: endpoint.authority.clone(),
        responses: Some(format!("{}{base}{RESPONSES}", endpoint.path)),
        address: Address::Fixed {
            base: format!("{}{base}", endpoint.path),
            query: String::new(),
        },
        headers,
        credential: Rc::clone(&runtime.credential),
        event_bytes_max: runtime.event_bytes_max,
        catalogue: Rc::clone(&runtime.catalogue),
    })
}

/// Reads the name of a project of mantle.
pub(super) fn project(text: &str) -> Result<String, &'static str> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    match (1..=128).contains(&text.len()) && text.bytes().all(is_legal) {
        true => Ok(text.to_owned()),
        false => Err("use the project's id: letters, digits, _ and -"),
    }
}

impl Target for OpenAi {
    fn path(&self, format: Format) -> Option<Path<'_>> {
        match format {
            Format::Chat => self.model.path(format),
            Format::Responses => match &self.converse {
                Some(converse) if self.is_guarded => converse.path(format),
                _ => self.model.path(format),
            },
            Format::Completions => match &self.converse {
                Some(converse) => converse.path(format),
                None => self.model.translated(),
            },
            // A model that turns texts into vectors has no surface: see `embed`.
            Format::Embeddings => None,
        }
    }

    fn sign(&self, now: Now, call: &mut Call) -> Result<(), Fault> {
        self.model.sign(now, call)
    }

    fn agent_model<'m>(&'m self, asked: &'m str) -> Option<&'m str> {
        // The runtime has no agents.
        self.converse.is_none().then_some(())?;
        self.model.agent_model(asked)
    }

    fn refusal(&self, head: &Headers, body: &[u8]) -> Fault {
        let fault = match is_aws(head, body) {
            true => refusal::read(head, body),
            false => self.model.refusal(head, body),
        };
        if let Fault::Upstream(upstream) = &fault
            && is_wrong_route(upstream)
        {
            return Fault::from(Upstream {
                status: 404,
                code: Some("model_not_found".into()),
                message: WRONG_ROUTE.to_owned(),
                param: Some("model".to_owned()),
                ..Upstream::clone(upstream)
            });
        }
        fault
    }
}

/// Whether an error is that of what stands before the models.
fn is_aws(head: &Headers, body: &[u8]) -> bool {
    head.bytes("x-amzn-errortype").is_some() || refusal::Error::parse(body).is_some()
}

/// Bedrock Managed Agents: the agents API at mantle, under one path for every model.
#[derive(Debug)]
pub(super) struct ManagedAgents(Agents);

impl ManagedAgents {
    pub(super) fn new(runtime: &Runtime, project: Option<&str>) -> Self {
        let base = "/openai/v1";
        Self(Agents {
            server: server(runtime, base, named(project)),
            base: format!("{}{base}", runtime.endpoint.path),
            query: String::new(),
        })
    }
}

impl Passage for ManagedAgents {
    fn open(&self, rest: &str, call: &mut Call) {
        self.0.open(rest, call);
    }

    fn sign(&self, now: Now, call: &mut Call) -> Result<(), Fault> {
        self.0.sign(now, call)
    }

    fn refusal(&self, head: &Headers, body: &[u8]) -> Fault {
        if !is_aws(head, body) {
            return self.0.refusal(head, body);
        }
        let fault = refusal::read(head, body);
        if let Fault::Upstream(upstream) = &fault
            && upstream.status == 404
        {
            // AWS's name for what is not there does not say whether that is a model.
            return Fault::from(Upstream {
                code: Some(NOT_FOUND.into()),
                message: NO_RESOURCE.to_owned(),
                param: None,
                ..Upstream::clone(upstream)
            });
        }
        fault
    }

    fn relay(&self) -> Box<dyn Relay> {
        self.0.relay()
    }
}

const NO_RESOURCE: &str = "the provider has no such resource, or does not do this with it";

/// Mantle's words for the wrong one of its two paths, and for a format that it does not speak for the model.
fn is_wrong_route(upstream: &Upstream) -> bool {
    upstream.status == 400 && upstream.message.contains("isn't supported on this route")
}

const WRONG_ROUTE: &str = "the provider does not serve this model at this path; the gateway's admin has to \
                           check the target's model, surface and quirks (mantle_path, mantle_apis)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{parse, read};
    use crate::limits::Limits;
    use crate::provider::bedrock::compile;
    use crate::provider::openai::fixture::ask;
    use crate::provider::{Catalogue, Environment};
    use crate::turn::{Parameters, Uncarried};

    fn target(settings: &str, model: &str) -> Rc<dyn Target> {
        compiled(settings, &format!(r#"{{"model":"{model}"}}"#)).unwrap()
    }

    fn compiled(settings: &str, model: &str) -> Result<Rc<dyn Target>, String> {
        let root = parse(settings.as_bytes()).unwrap();
        let environment = Environment {
            name: "aws",
            variable: &|name| {
                (name != "AWS_BEARER_TOKEN_BEDROCK").then(|| format!("value-of-{name}"))
            },
            limits: Limits::default(),
            catalogue: &Rc::new(Catalogue::shipped().unwrap()),
        };
        let provider = read(&root, |fields| compile(fields, &environment)).unwrap();
        let root = parse(model.as_bytes()).unwrap();
        let target = read(&root, |fields| provider.target(fields));
        target.map_err(|problems| problems.to_string())
    }

    const RUNTIME: &str = r#"{"region":"eu-west-1","surface":"openai"}"#;
    const MANTLE: &str = r#"{"region":"eu-west-1","surface":"mantle","project":"proj_1"}"#;
    const OSS: &str = "openai.gpt-oss-120b";

    fn call(settings: &str, body: &str) -> (Call, Vec<String>) {
        let target = target(settings, OSS);
        let Some(Path::Edited(edit)) = target.path(Format::Chat) else {
            panic!("not edited");
        };
        let rules = Parameters {
            default: Some(crate::turn::Rule::Warn),
            named: Vec::new(),
        };
        let mut uncarried = Uncarried::new(&rules);
        let mut call = Call::default();
        edit.edit(&ask(body), &mut uncarried, &mut call).unwrap();
        target.sign(Now { unix_ms: 0 }, &mut call).unwrap();
        (call, uncarried.into_warned())
    }

    #[test]
    fn each_endpoint_has_its_signing_name() {
        for (settings, service) in [(RUNTIME, "bedrock"), (MANTLE, "bedrock-mantle")] {
            let (call, _) = call(settings, r#"{"model":"m"}"#);
            let authorization = call.headers.text("authorization").unwrap();
            let scope = format!("/19700101/eu-west-1/{service}/aws4_request,");
            assert!(authorization.contains(&scope), "{authorization}");
        }
    }

    #[test]
    fn mantle_hears_of_the_project() {
        let (mantle, _) = call(MANTLE, r#"{"model":"m"}"#);
        assert_eq!(mantle.headers.text("openai-project"), Some("proj_1"));
        assert_eq!(mantle.body, br#"{"model":"openai.gpt-oss-120b"}"#);
    }

    #[test]
    fn a_guarded_model_answers_responses_by_converse() {
        let guard = r#"{"model":"openai.gpt-oss-120b-1:0","guardrail":{"id":"gr1","version":"1"}}"#;
        let guarded = compiled(RUNTIME, guard).unwrap();
        assert!(matches!(guarded.path(Format::Chat), Some(Path::Edited(_))));
        for format in [Format::Responses, Format::Completions] {
            assert!(matches!(guarded.path(format), Some(Path::Translated(_))));
        }
    }

    #[test]
    fn what_an_endpoint_does_not_take_is_refused() {
        let refused = |settings: &str, more: &str| {
            let model = format!(r#"{{"model":"{OSS}",{more}}}"#);
            compiled(settings, &model).unwrap_err()
        };
        let stream = r#""guardrail":{"id":"gr1","version":"1","stream":"sync"}"#;
        assert!(refused(RUNTIME, stream).starts_with("guardrail.stream: only Converse"));
        let latency = r#""latency":"optimized""#;
        assert!(refused(RUNTIME, latency).starts_with("latency: only Converse"));
        let guard = r#""guardrail":{"id":"gr1","version":"1"}"#;
        assert!(refused(MANTLE, guard).starts_with("guardrail: mantle does not"));
    }

    #[test]
    fn what_gpt_oss_refuses_is_left_out_and_told() {
        let body = r#"{"model":"m","n":2,"logit_bias":{"1":2},"max_tokens":5}"#;
        let (edited, warned) = call(RUNTIME, body);
        assert_eq!(
            str::from_utf8(&edited.body).unwrap(),
            r#"{"model":"openai.gpt-oss-120b","max_completion_tokens":5}"#
        );
        assert_eq!(warned, ["n", "logit_bias"]);
        let (_, warned) = call(RUNTIME, r#"{"model":"m","n":1,"logit_bias":null}"#);
        assert!(warned.is_empty());
    }

    /// The status and code of an error.
    #[track_caller]
    fn check(name: Option<&str>, status: u16, body: &str, want: (u16, &str)) {
        let mut head = Headers::new();
        head.set(":status", status.to_string());
        if let Some(name) = name {
            head.set("x-amzn-errortype", name);
        }
        let fault = target(MANTLE, OSS).refusal(&head, body.as_bytes());
        assert_eq!(
            (fault.status(), fault.code().unwrap_or("-")),
            want,
            "{body}"
        );
    }

    #[test]
    fn errors_of_aws_and_of_openai_are_told_apart() {
        check(
            Some("ThrottlingException:http://x"),
            429,
            r#"{"message":"slow down"}"#,
            (429, "rate_limit_exceeded"),
        );
        check(
            None,
            403,
            r#"{"Message":"Authentication failed: Please make sure your API Key is valid."}"#,
            (401, "upstream_credential"),
        );
        check(
            None,
            400,
            r#"{"error":{"message":"m","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
            (400, "context_length_exceeded"),
        );
        check(None, 503, "<html>", (503, "overloaded"));
    }

    #[test]
    fn a_wrong_route_is_the_admins_to_mend() {
        let message = "model `m` isn't supported on this route";
        let openai = format!(r#"{{"error":{{"message":"{message}"}}}}"#);
        check(None, 400, &openai, (404, "model_not_found"));
        let aws = format!(r#"{{"message":"{message}"}}"#);
        check(
            Some("ValidationException"),
            400,
            &aws,
            (404, "model_not_found"),
        );
    }
}
