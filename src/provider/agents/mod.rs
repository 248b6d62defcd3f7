//! Agents on AWS as models: Bedrock Agents, and AgentCore's runtimes and harnesses.
//!
//! ```text
//! mod        settings and targets: where a call goes and how it is signed
//!  session   which of the agent's sessions a request belongs to, and what of it the agent has heard
//!  faults    what is wrong with an answer that no frame tells
//!  invoke    InvokeAgent: a request; invoke_answer: its answer; control: tools that the app runs
//!  harness   InvokeHarness: a request; harness_answer: its answer
//!  runtime   InvokeAgentRuntime: a request; runtime_answer: what an agent says, in whichever form
//! ```
//! The wire is that of botocore's service models `bedrock-agent-runtime` and `bedrock-agentcore`. An agent
//! has its own model, and Bedrock Agents their own instructions and tools: what an app sends of those is
//! left to the policy's `parameters`. An agent keeps its conversations in sessions; `session` says how an
//! app's conversation finds its own, so that no two of them ever share one by chance. An agent makes up its
//! own mind: reasoning of earlier turns does not go back to it, nor does it cache what the app marks.

mod control;
mod faults;
mod harness;
mod harness_answer;
mod invoke;
mod invoke_answer;
mod runtime;
mod runtime_answer;
mod session;

use std::rc::Rc;

use crate::document::Fields;
use crate::fault::Fault;
use crate::turn::{Format, Headers, Now, Part, Request, ServiceTier, ToolChoice, Uncarried};

use super::bedrock::model::Region;
use super::bedrock::refusal;
use super::credential::{Credential, Default as DefaultCredential};
use super::{Call, Decoder, Endpoint, Environment, Kind, Path, Provider, Sink, Target, Translate};

/// Bedrock Agents' entry in the table of providers.
pub(super) const INVOKE: Kind = Kind {
    name: "bedrock_agents",
    compile: |fields, environment| {
        let site = Site::compile(fields, environment, "bedrock-agent-runtime", "bedrock")?;
        Some(Rc::new(Agents(Rc::new(site))))
    },
};

/// AgentCore's entry in the table of providers.
pub(super) const AGENTCORE: Kind = Kind {
    name: "agentcore",
    compile: |fields, environment| {
        let site = Site::compile(
            fields,
            environment,
            "bedrock-agentcore",
            "bedrock-agentcore",
        )?;
        Some(Rc::new(AgentCore(Rc::new(site))))
    },
};

const JSON: &str = "application/json";
const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";
/// AgentCore's name for a session.
const SESSION_HEADER: &str = "x-amzn-bedrock-agentcore-runtime-session-id";

/// What all agents of one endpoint share.
#[derive(Debug)]
struct Site {
    endpoint: Endpoint,
    credential: Credential,
    event_bytes_max: usize,
}

impl Site {
    fn compile(
        fields: &mut Fields<'_>,
        environment: &Environment<'_>,
        host: &str,
        service: &'static str,
    ) -> Option<Self> {
        let region = fields
            .require("region", "use one like us-east-1")
            .parsed("region", str::parse::<Region>);
        let written = fields.has("endpoint");
        let endpoint = Endpoint::read(fields);
        if endpoint.as_ref().is_some_and(|url| !url.query.is_empty()) {
            fields.problem("endpoint", "an agent's endpoint has no query; leave it out");
        }
        let default = DefaultCredential::SigV4 {
            // Where the region is wrong nothing is signed, and the credential is not to blame as well.
            region: region.as_ref().map_or("none", Region::as_str),
            service,
        };
        let credential = Credential::read(fields, environment, default);
        let region = region?;
        let endpoint = match endpoint {
            None if written => return None,
            None => region.host(host),
            Some(endpoint) => endpoint,
        };
        Some(Self {
            endpoint,
            credential: credential?,
            event_bytes_max: environment.limits.event_bytes_max,
        })
    }
}

/// One agent: all of them translate, and have the credential and the errors of where they are.
trait Agent: Translate {
    /// Whether it never leaves a tool to the app: legacy completions have no place for calls.
    const COMPLETES: bool;

    fn site(&self) -> &Site;
}

impl<A: Agent> Target for A {
    fn path(&self, format: Format) -> Option<Path<'_>> {
        match format {
            Format::Chat | Format::Responses => Some(Path::Translated(self)),
            Format::Completions => A::COMPLETES.then_some(Path::Translated(self)),
            Format::Embeddings => None,
        }
    }

    fn sign(&self, now: Now, call: &mut Call) -> Result<(), Fault> {
        self.site().credential.sign(now, call)
    }

    fn refusal(&self, head: &Headers, body: &[u8]) -> Fault {
        refusal::read(head, body)
    }
}

fn is_framed(head: &Headers) -> bool {
    head.has_content_type(EVENT_STREAM)
}

/// Decodes the whole answer of an agent that answers in frames only.
fn decode_framed(
    agent: &impl Agent,
    head: &Headers,
    body: &[u8],
    sink: Sink<'_>,
) -> Result<(), Fault> {
    if !is_framed(head) {
        return Err(faults::not_a_stream(body));
    }
    drain(&mut *agent.decoder(head), body, sink)
}

/// Decodes a stream that came as one.
fn drain(stream: &mut dyn Decoder, body: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
    stream.push(body, sink)?;
    stream.finish(sink)
}

#[derive(Debug)]
struct Agents(Rc<Site>);

impl Provider for Agents {
    fn target(&self, fields: &mut Fields<'_>) -> Option<Rc<dyn Target>> {
        Some(Rc::new(invoke::InvokeAgent::compile(&self.0, fields)?))
    }
}

#[derive(Debug)]
struct AgentCore(Rc<Site>);

impl Provider for AgentCore {
    fn target(&self, fields: &mut Fields<'_>) -> Option<Rc<dyn Target>> {
        const ONE: &str = "name one: runtime or harness";
        if fields.has("runtime") && fields.has("harness") {
            fields.problem(
                "harness",
                format!("the target has a runtime already; {ONE}"),
            );
            fields.skip_rest();
            return None;
        }
        if fields.has("harness") {
            return Some(Rc::new(harness::Harness::compile(&self.0, fields)?));
        }
        fields.require("runtime", ONE);
        Some(Rc::new(runtime::Runtime::compile(&self.0, fields)?))
    }
}

/// An ARN of AgentCore, of this kind of resource: checked as far as it must be to stand in a path.
fn arn<'t>(text: &'t str, resource: &str) -> Result<&'t str, String> {
    let mut pieces = text.splitn(6, ':');
    let is_account =
        |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_:/".contains(&byte);
    let is_legal = text.len() <= ARN_BYTES_MAX
        && pieces.next() == Some("arn")
        && pieces
            .next()
            .is_some_and(|partition| partition.starts_with("aws"))
        && pieces.next() == Some("bedrock-agentcore")
        && pieces
            .next()
            .is_some_and(|region| region.parse::<Region>().is_ok())
        && pieces.next().is_some_and(is_account)
        && pieces
            .next()
            .and_then(|rest| rest.strip_prefix(resource)?.strip_prefix('/'))
            .is_some_and(|id| !id.is_empty() && id.bytes().all(is_name));
    if is_legal {
        return Ok(text);
    }
    Err(format!(
        "no ARN of a {resource}; use one like \
         arn:aws:bedrock-agentcore:us-east-1:123456789012:{resource}/name-a1b2c3d4e5"
    ))
}

const ARN_BYTES_MAX: usize = 2048;

/// The name of an endpoint: `[a-zA-Z][a-zA-Z0-9_]{0,47}`.
fn qualifier(text: &str) -> Result<&str, &'static str> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let begins = text
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic());
    if begins && text.len() <= 48 && text.bytes().all(is_name) {
        return Ok(text);
    }
    Err("no name of an endpoint; it has a letter and up to 47 letters, digits and _")
}

/// Leaves behind what an agent decides itself: of these a harness takes the app's tools and a bound of its answer.
fn leave_model_settings(
    request: &Request<'_>,
    is_harness: bool,
    uncarried: &mut Uncarried<'_>,
) -> Result<(), Fault> {
    use crate::turn::{Effort, Output};
    for other in &request.others {
        let name = &other.name;
        // They have been read: they name the session.
        if *name != "user" && *name != "safety_identifier" {
            uncarried.leave(name)?;
        }
    }
    if let Some(search) = &request.web_search {
        uncarried.leave(search.name)?;
    }
    let is_free = matches!(request.tool_choice, None | Some(ToolChoice::Auto));
    let is_none = matches!(request.tool_choice, Some(ToolChoice::None));
    let reasons = !matches!(request.effort, None | Some(Effort::None));
    let is_usual = matches!(request.service_tier, None | Some(ServiceTier::Default));
    let mut parts = request.messages.iter().flat_map(|message| &message.parts);
    let is_marked = request.tools.iter().any(|tool| tool.cache.is_some())
        || parts.any(|part| matches!(part, Part::CacheBreakpoint(_)));
    for (name, is_set) in [
        ("agent.tools", !is_harness && !request.tools.is_empty()),
        ("tool_choice", !(is_free || is_harness && is_none)),
        (
            "parallel_tool_calls",
            request.parallel_tool_calls == Some(false),
        ),
        ("temperature", request.temperature.is_some()),
        ("top_p", request.top_p.is_some()),
        ("stop", !request.stop.is_empty()),
        ("reasoning_effort", reasons),
        ("response_format", !matches!(request.output, Output::Text)),
        ("service_tier", !is_usual),
        ("metadata", !request.metadata.is_empty()),
        ("prompt_cache_breakpoint", is_marked),
        ("max_tokens", !is_harness && request.max_tokens.is_some()),
    ] {
        if is_set {
            uncarried.leave(name)?;
        }
    }
    Ok(())
}

/// The parts that an agent could hear, each with its place among the app's own.
fn placed<'r, 'a>(parts: &'r [Part<'a>]) -> impl Iterator<Item = (usize, &'r Part<'a>)> {
    let is_said = |part: &&Part<'_>| {
        !matches!(
            part,
            Part::CacheBreakpoint(_) | Part::Reasoning { .. } | Part::Redacted(_)
        )
    };
    parts.iter().filter(is_said).enumerate()
}

/// The place of a part in the app's body.
fn part_param(message: usize, part: usize) -> String {
    format!("messages[{message}].content[{part}]")
}

const NO_SEARCH_RESULT: &str = "the agent searches itself; send what was found as a text";

/// Whether a message holds results of tools.
fn has_results(parts: &[Part<'_>]) -> bool {
    parts
        .iter()
        .any(|part| matches!(part, Part::ToolResult { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document;
    use crate::limits::Limits;
    use crate::provider::{Catalogue, Path};
    use crate::turn::{Escaped, Format, Message, Parameters, Role};

    const REGION: &str = r#"{"region":"us-east-1"}"#;
    const AGENT: &str = r#"{"agent":"AGENT12345","alias":"TSTALIASID"}"#;
    const HARNESS: &str = "arn:aws:bedrock-agentcore:us-east-1:123456789012:harness/h-a1b2c3d4e5";
    const RUNTIME: &str = "arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/r-a1b2c3d4e5";

    fn target(kind: Kind, settings: &str, model: &str) -> Result<Rc<dyn Target>, String> {
        let root = document::parse(settings.as_bytes()).unwrap();
        let environment = Environment {
            name: "aws",
            // A Bedrock API key is of no use here, and is not tried.
            variable: &|name| (name != "AWS_SESSION_TOKEN").then(|| "key".to_owned()),
            limits: Limits::default(),
            catalogue: &Rc::new(Catalogue::shipped().unwrap()),
        };
        let provider = document::read(&root, |fields| (kind.compile)(fields, &environment))
            .map_err(|problems| problems.to_string())?;
        let root = document::parse(model.as_bytes()).unwrap();
        document::read(&root, |fields| provider.target(fields))
            .map_err(|problems| problems.to_string())
    }

    /// Where a request goes, with the end of its path left out, and the service it is signed for.
    #[track_caller]
    fn check(kind: Kind, settings: &str, model: &str, place: &str, service: &str) {
        let target = target(kind, settings, model).unwrap();
        let Some(Path::Translated(translate)) = target.path(Format::Chat) else {
            panic!("agents translate");
        };
        let request = Request {
            messages: vec![Message {
                role: Role::User,
                parts: vec![Part::Text(Escaped::from_content("hi"))],
                index: 0,
            }],
            ..Request::default()
        };
        let rules = Parameters::default();
        let mut call = Call::default();
        translate
            .encode(&request, &mut Uncarried::new(&rules), &mut call)
            .unwrap();
        target.sign(Now { unix_ms: 0 }, &mut call).unwrap();
        let got = format!("{}{}", call.authority, call.path);
        assert!(got.starts_with(place), "{got}");
        let signed = call.headers.text("authorization").unwrap();
        assert!(
            signed.contains(&format!("/us-east-1/{service}/aws4_request")),
            "{signed}"
        );
    }

    #[track_caller]
    fn refuse(kind: Kind, settings: &str, model: &str, want: &str) {
        let problems = target(kind, settings, model).map(|_| ()).unwrap_err();
        assert!(problems.contains(want), "{problems}");
    }

    #[test]
    fn each_kind_of_agent_has_its_place() {
        check(
            INVOKE,
            REGION,
            AGENT,
            "bedrock-agent-runtime.us-east-1.amazonaws.com/agents/AGENT12345/agentAliases/TSTALIASID/sessions/tollgate-f-",
            "bedrock",
        );
        check(
            AGENTCORE,
            REGION,
            &format!(r#"{{"harness":"{HARNESS}","qualifier":"PROD"}}"#),
            "bedrock-agentcore.us-east-1.amazonaws.com/harnesses/invoke?harnessArn=arn%3Aaws%3Abedrock-agentcore%3Aus-east-1%3A123456789012%3Aharness%2Fh-a1b2c3d4e5&qualifier=PROD",
            "bedrock-agentcore",
        );
        check(
            AGENTCORE,
            r#"{"region":"us-east-1","endpoint":"http://127.0.0.1:9001/base/"}"#,
            &format!(r#"{{"runtime":"{RUNTIME}"}}"#),
            "127.0.0.1:9001/base/runtimes/arn%3Aaws%3Abedrock-agentcore%3Aus-east-1%3A123456789012%3Aruntime%2Fr-a1b2c3d4e5/invocations",
            "bedrock-agentcore",
        );
    }

    #[test]
    fn every_wrong_setting_is_named() {
        let runtime = format!(r#"{{"runtime":"{RUNTIME}""#);
        refuse(INVOKE, "{}", AGENT, "region: required");
        refuse(
            INVOKE,
            r#"{"region":"us-east-1","endpoint":"http://x?a=1"}"#,
            AGENT,
            "no query",
        );
        refuse(INVOKE, REGION, "{}", "agent: required");
        refuse(INVOKE, REGION, r#"{"agent":"A"}"#, "alias: required");
        refuse(INVOKE, REGION, r#"{"agent":"a/b","alias":"A"}"#, "agent: ");
        refuse(
            INVOKE,
            REGION,
            r#"{"agent":"A","alias":"A","model":"m"}"#,
            "model: unknown field",
        );
        refuse(AGENTCORE, REGION, "{}", "runtime: required; name one");
        refuse(AGENTCORE, REGION, r#"{"runtime":"my-agent"}"#, "runtime: ");
        refuse(
            AGENTCORE,
            REGION,
            &format!(r#"{{"harness":"{RUNTIME}"}}"#),
            "harness: ",
        );
        refuse(
            AGENTCORE,
            REGION,
            &format!(r#"{runtime},"harness":"{HARNESS}"}}"#),
            "harness: ",
        );
        refuse(
            AGENTCORE,
            REGION,
            &format!(r#"{runtime},"qualifier":"1"}}"#),
            "qualifier: ",
        );
        refuse(
            AGENTCORE,
            REGION,
            &format!(r#"{runtime},"payload":"text"}}"#),
            "payload: ",
        );
        refuse(
            AGENTCORE,
            REGION,
            &format!(r#"{runtime},"session":"never"}}"#),
            "session: ",
        );
    }
}
