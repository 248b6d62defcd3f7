//! Amazon Bedrock, spoken to by Converse and ConverseStream.
//!
//! ```text
//! mod        settings and targets: where a call goes and how it is signed
//!  model     which ids a model may have, and their place in a path
//!  encode    a request as a Converse body
//!   messages the conversation
//!   tools    the tools and how they are chosen
//!   sampling limits, sampling and stop sequences
//!   reasoning how hard to think, in the words of the model's family
//!   section  a member that is there only if something is in it
//!  decode    an answer, whole or from the event stream, as events
//!  refusal   AWS's errors in OpenAI's terms
//! ```
//! The wire is that of botocore's service model `bedrock-runtime`. What a model takes beyond it is
//! data: see [`Quirks`]. A field that Converse has no place for is left to the policy's `parameters`.

mod decode;
mod encode;
mod messages;
pub(super) mod model;
mod reasoning;
pub(super) mod refusal;
mod sampling;
mod section;
mod tools;

use std::rc::Rc;

use crate::document::Fields;
use crate::fault::Fault;
use crate::turn::{Format, Headers, Now, Request, Uncarried};

use super::credential::{Credential, Default as DefaultCredential};
use super::endpoint::push_segment;
use super::quirks::Quirks;
use super::{Call, Decoder, Endpoint, Environment, Kind, Path, Provider, Sink, Target, Translate};
use model::{ModelId, Region};

/// Bedrock's entry in the table of providers.
pub(super) const KIND: Kind = Kind {
    name: "bedrock",
    compile,
};

const SERVICE: &str = "bedrock";
const JSON: &str = "application/json";
const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// A configured Bedrock endpoint.
#[derive(Debug)]
struct Bedrock {
    runtime: Rc<Runtime>,
}

/// What all models of one endpoint share.
#[derive(Debug)]
struct Runtime {
    endpoint: Endpoint,
    credential: Credential,
    event_bytes_max: usize,
}

/// One model of a Bedrock endpoint.
#[derive(Debug)]
struct Converse {
    runtime: Rc<Runtime>,
    quirks: Quirks,
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
    let default = DefaultCredential::Aws {
        // Where the region is wrong nothing is signed, and the credential is not to blame as well.
        region: region.as_ref().map_or("none", Region::as_str),
        service: SERVICE,
    };
    let credential = Credential::read(fields, environment, default);
    let region = region?;
    let endpoint = match endpoint {
        None if written => return None,
        None => region.endpoint(),
        Some(endpoint) => endpoint,
    };
    Some(Rc::new(Bedrock {
        runtime: Rc::new(Runtime {
            endpoint,
            credential: credential?,
            event_bytes_max: environment.limits.event_bytes_max,
        }),
    }))
}

impl Provider for Bedrock {
    fn target(&self, fields: &mut Fields<'_>) -> Option<Rc<dyn Target>> {
        let model = fields
            .require("model", "give a model id, an inference profile or an ARN")
            .parsed("model", str::parse::<ModelId>);
        let quirks = Quirks::resolve(model.as_ref().map_or("", ModelId::as_str), fields);
        let mut path = format!("{}/model/", self.runtime.endpoint.path);
        push_segment(&mut path, model?.as_str());
        path.push_str("/converse");
        Some(Rc::new(Converse {
            runtime: Rc::clone(&self.runtime),
            quirks,
            stream_path: format!("{path}-stream"),
            whole_path: path,
        }))
    }
}

impl Target for Converse {
    fn path(&self, format: Format) -> Option<Path<'_>> {
        match format {
            Format::Chat => Some(Path::Translated(self)),
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
        encode::write(request, &self.quirks, uncarried, &mut call.body)?;
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
    use crate::turn::{Message, Parameters, Part, Role};

    const MODEL: &str = r#"{"model":"us.anthropic.claude-sonnet-4-5-20250929-v1:0"}"#;

    fn provider(settings: &str) -> Result<Rc<dyn Provider>, String> {
        let root = document::parse(settings.as_bytes()).unwrap();
        let environment = Environment {
            name: "aws",
            variable: &|name| {
                (name == "AWS_BEARER_TOKEN_BEDROCK").then(|| "bedrock-key".to_owned())
            },
            limits: Limits::default(),
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
                parts: vec![Part::Text(crate::turn::Escaped::from_content("hi"))],
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

    #[test]
    fn a_wrong_region_is_one_problem() {
        let root = document::parse(br#"{"region":"Virginia"}"#).unwrap();
        let environment = Environment {
            name: "aws",
            variable: &|name| name.contains("ACCESS_KEY").then(|| "key".to_owned()),
            limits: Limits::default(),
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
