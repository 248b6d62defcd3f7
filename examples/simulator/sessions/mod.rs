//! OpenAI's Agents API, at OpenAI and at Bedrock's mantle: what is made is kept, and events go live to who listens.
//!
//! Mantle has of it what AWS's preview reference lists: sessions, their events and items. OpenAI has saved agents
//! besides. An agent answers each message at once, by saying it again.

mod rules;
mod session;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::UnboundedSender;

use self::session::Session;
use crate::bedrock::{self, Bedrock};
use crate::cuts::Cuts;
use crate::exchange::{Body, Received, Reply, Step, Upstream};
use crate::fault::Fault;
use crate::openai;
use crate::wire::Wire;

/// What was made so far, by its id.
#[derive(Default)]
pub(crate) struct Sessions {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    sessions: BTreeMap<String, (Upstream, Session)>,
    agents: BTreeMap<String, Value>,
    count: usize,
}

/// What a request that passed every check wants.
pub(crate) enum Operation {
    CreateSession(Value),
    ListSessions,
    Session(String),
    DeleteSession(String),
    Submit(String, Value),
    Listen(String),
    Items(String),
    CreateAgent(Value),
    ListAgents,
    Agent(String),
    DeleteAgent(String),
}

/// Somebody who listens to a session.
struct Listener {
    steps: UnboundedSender<Step>,
    /// How many more events it hears, and how that ends.
    left: Option<(usize, Ending)>,
    has_padding: bool,
    cuts: Cuts,
}

#[derive(Clone, Copy)]
enum Ending {
    End,
    Cut,
}

impl Listener {
    fn hear(&mut self, event: &Value) {
        if matches!(self.left, Some((0, _))) {
            return;
        }
        let mut event = event.clone();
        if self.has_padding {
            event["obfuscation"] = json!("x7Yq");
        }
        self.tell(Wire::Sse.event(&event));
        if let Some((left, ending)) = &mut self.left {
            *left -= 1;
            if *left == 0 {
                let ending = *ending;
                self.end(ending);
            }
        }
    }

    fn tell(&mut self, bytes: Bytes) {
        for piece in self.cuts.bytes(bytes) {
            // A listener that has gone hears nothing.
            let _gone = self.steps.send(Step::Bytes(piece));
        }
    }

    fn end(&mut self, ending: Ending) {
        if let Ending::Cut = ending {
            let _gone = self.steps.send(Step::Cut);
        }
        // The body ends with its sender.
        let (nobody, _) = tokio::sync::mpsc::unbounded_channel();
        self.steps = nobody;
    }
}

/// Whether the path is one of the API's.
pub(crate) fn is_here(request: &Received) -> bool {
    let is_upstream = matches!(request.upstream, Upstream::Mantle | Upstream::OpenAi);
    let path = request.path();
    let mut prefixes = ["/v1/agents", "/openai/v1/agents"].into_iter();
    is_upstream && prefixes.any(|prefix| path.starts_with(prefix))
}

impl Sessions {
    /// Judges a request.
    pub(crate) fn accept(
        &self,
        bedrock: &Bedrock,
        keys: &openai::Keys,
        request: &Received,
    ) -> Result<Operation, Reply> {
        if let Some(name) = request.leaked_header() {
            let message = format!("The header {name} must not reach this service.");
            return Err(openai::Refusal::invalid(name, None, message).reply());
        }
        let is_mantle = request.upstream == Upstream::Mantle;
        if is_mantle {
            bedrock.check_mantle_key(request)?;
        } else {
            openai::check_openai_key(keys, request)?;
        }
        let operation = route(request)?;
        rules::check(request, &operation).map_err(|refusal| refusal.reply())?;
        let kept = self.kept();
        let is_there = match &operation {
            Operation::Session(id)
            | Operation::DeleteSession(id)
            | Operation::Submit(id, _)
            | Operation::Listen(id)
            | Operation::Items(id) => kept
                .sessions
                .get(id)
                .is_some_and(|(upstream, _)| *upstream == request.upstream),
            Operation::Agent(id) | Operation::DeleteAgent(id) => kept.agents.contains_key(id),
            _ => true,
        };
        if is_there {
            return Ok(operation);
        }
        let message = "No resource found with this id.";
        Err(openai::Refusal {
            status: 404,
            ..openai::Refusal::invalid("", None, message)
        }
        .reply())
    }

    /// Does what was asked for.
    pub(crate) fn answer(
        &self,
        operation: Operation,
        request: &Received,
        faults: &[Fault],
        cuts: Cuts,
    ) -> Reply {
        let mut kept = self.kept();
        kept.count += 1;
        let id = format!("{:04}", kept.count);
        let now = request.at.duration_since(SystemTime::UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs();
        match operation {
            Operation::CreateSession(body) => {
                let is_stream = body["stream"] == true;
                let has_padding = body["stream_options"]["include_obfuscation"] != false;
                let mut session = Session::new(format!("asess_{id}"), &body, now);
                let reply = is_stream.then(|| session.listen(has_padding, faults, cuts));
                session.begin(&body["input"]);
                let resource = session.resource.clone();
                let own = resource["id"].as_str().unwrap_or_default().to_owned();
                kept.sessions.insert(own, (request.upstream, session));
                reply.unwrap_or_else(|| Reply::json(200, &resource))
            }
            Operation::ListSessions => {
                let own = kept.sessions.values();
                let own = own.filter(|(upstream, _)| *upstream == request.upstream);
                list(own.map(|(_, session)| session.resource.clone()), request)
            }
            Operation::ListAgents => list(kept.agents.values().cloned(), request),
            Operation::CreateAgent(mut body) => {
                let id = format!("agent_{id}");
                body["id"] = json!(id);
                body["object"] = json!("agent");
                body["created_at"] = json!(now);
                kept.agents.insert(id, body.clone());
                Reply::json(200, &body)
            }
            Operation::Agent(id) => Reply::json(200, &kept.agents[&id]),
            Operation::DeleteAgent(id) => {
                kept.agents.remove(&id);
                Reply::json(
                    200,
                    &json!({"id": id, "object": "agent.deleted", "deleted": true}),
                )
            }
            Operation::DeleteSession(id) => {
                kept.sessions.remove(&id);
                let deleted = json!({"id": id, "object": "agent.session.deleted", "deleted": true});
                Reply::json(200, &deleted)
            }
            Operation::Session(id) => Reply::json(200, &kept.session(&id).resource),
            Operation::Items(id) => list(kept.session(&id).items.iter().cloned(), request),
            Operation::Listen(id) => {
                let has_padding = request.query("include_obfuscation") != Some("false");
                kept.session(&id).listen(has_padding, faults, cuts)
            }
            Operation::Submit(id, body) => {
                for event in body["events"].as_array().into_iter().flatten() {
                    kept.session(&id).take(event);
                }
                Reply {
                    status: 202,
                    headers: Vec::new(),
                    body: Body::Whole(None),
                }
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn session(&mut self, id: &str) -> &mut Session {
        let (_, session) = self
            .sessions
            .get_mut(id)
            .expect("it was there a moment ago");
        session
    }
}

/// A page in the order that was asked for; the newest first, if none was.
fn list(all: impl Iterator<Item = Value>, request: &Received) -> Reply {
    let mut all: Vec<Value> = all.collect();
    if request.query("order") != Some("asc") {
        all.reverse();
    }
    if let Some(after) = request.query("after") {
        let at = all.iter().position(|value| value["id"] == after);
        all = at.map_or_else(Vec::new, |at| all.split_off(at + 1));
    }
    let limit = request.query("limit").and_then(|limit| limit.parse().ok());
    let rest = all.split_off(limit.unwrap_or(20).min(all.len()));
    let id = |value: Option<&Value>| value.map(|value| value["id"].clone());
    Reply::json(
        200,
        &json!({
            "object": "list",
            "first_id": id(all.first()),
            "last_id": id(all.last()),
            "has_more": !rest.is_empty(),
            "data": all,
        }),
    )
}

fn route(request: &Received) -> Result<Operation, Reply> {
    let is_mantle = request.upstream == Upstream::Mantle;
    let prefix = if is_mantle { "/openai/v1/" } else { "/v1/" };
    let path = request.path().strip_prefix(prefix).unwrap_or_default();
    let segments: Vec<&str> = path.split('/').collect();
    let own = |id: &str| id.to_owned();
    let body = || -> Result<Value, Reply> { read(request) };
    Ok(match (request.method.as_str(), segments.as_slice()) {
        ("POST", ["agents", "sessions"]) => Operation::CreateSession(body()?),
        ("GET", ["agents", "sessions"]) => Operation::ListSessions,
        ("GET", ["agents", "sessions", id]) => Operation::Session(own(id)),
        ("DELETE", ["agents", "sessions", id]) => Operation::DeleteSession(own(id)),
        ("POST", ["agents", "sessions", id, "events"]) => Operation::Submit(own(id), body()?),
        ("GET", ["agents", "sessions", id, "events"]) => Operation::Listen(own(id)),
        ("GET", ["agents", "sessions", id, "items"]) => Operation::Items(own(id)),
        _ if is_mantle => {
            return Err(bedrock::Refusal::new(404, "UnknownOperationException", "").reply());
        }
        ("POST", ["agents"]) => Operation::CreateAgent(body()?),
        ("GET", ["agents"]) => Operation::ListAgents,
        ("GET", ["agents", id]) => Operation::Agent(own(id)),
        ("DELETE", ["agents", id]) => Operation::DeleteAgent(own(id)),
        (method, _) => {
            let message = format!("Invalid URL ({method} {})", request.path());
            return Err(openai::Refusal {
                status: 404,
                ..openai::Refusal::invalid("", None, message)
            }
            .reply());
        }
    })
}

fn read(request: &Received) -> Result<Value, Reply> {
    let is_json = request
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/json"));
    let body: Option<Map<String, Value>> = serde_json::from_slice(&request.body).ok();
    match body {
        Some(body) if is_json => Ok(Value::Object(body)),
        _ => {
            let message = "We could not parse the JSON body of your request.";
            Err(openai::Refusal::invalid("", None, message).reply())
        }
    }
}
