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
use crate::provider::openai::{Address, Model, RESPONSES, Server};
use crate::turn::{Format, Headers, Now};

use super::super::quirks::{MantlePath, Quirks};
use super::{Call, Converse, Path, Runtime, Target, refusal};

/// A model at one of the endpoints.
#[derive(Debug)]
pub(super) struct OpenAi {
    model: Model,
    /// The same model at the same host, for what the endpoint does not speak.
    converse: Option<Converse>,
}

impl OpenAi {
    pub(super) fn at_runtime(converse: Converse, id: &str) -> Self {
        let quirks = &converse.quirks;
        let server = server(&converse.runtime, "/openai/v1", None);
        Self {
            model: Model::with_quirks(server, id, quirks, quirks.runtime_apis),
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
        let server = server(runtime, base, project);
        Self {
            model: Model::with_quirks(server, id, quirks, quirks.mantle_apis),
            converse: None,
        }
    }
}

fn server(runtime: &Runtime, base: &str, project: Option<&str>) -> Rc<Server> {
    let endpoint = &runtime.endpoint;
    Rc::new(Server {
        authority: endpoint.authority.clone(),
        responses: Some(format!("{}{base}{RESPONSES}", endpoint.path)),
        address: Address::Fixed {
            base: format!("{}{base}", endpoint.path),
            query: String::new(),
        },
        headers: project
            .map(|project| ("openai-project", project.to_owned()))
            .into_iter()
            .collect(),
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
            Format::Chat | Format::Responses => self.model.path(format),
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

    fn refusal(&self, head: &Headers, body: &[u8]) -> Fault {
        let is_aws =
            head.bytes("x-amzn-errortype").is_some() || refusal::Error::parse(body).is_some();
        let fault = match is_aws {
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
        let root = parse(format!(r#"{{"model":"{model}"}}"#).as_bytes()).unwrap();
        read(&root, |fields| provider.target(fields)).unwrap()
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
