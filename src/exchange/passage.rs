//! Requests that are no turn of a conversation: they pass to a provider's agents API, and so do their answers.
//!
//! The way in is that of a turn: the head is held until the body is whole, for the models in it are checked and get
//! the provider's names; a request without a body goes on at once. The way back holds nothing that need not be held:
//! an app listens to a session before it sends what there is to hear, so the head of a stream goes out when it
//! comes. Only an answer that failed is held, to be told in OpenAI's form.
//!
//! In a split the edge half checks, and its note has the provider and the path: an attempt must not read them from
//! headers, which the attempt before it has changed. The provider of the attempt has to be that of the note.

use std::rc::Rc;

use crate::client::agents::{self, Place};
use crate::codec::json::{Edits, Error, write_string};
use crate::fault::{self, Fault, Upstream};
use crate::limits::{ADMIN_BYTES_MAX, AGENT_MODELS_MAX};
use crate::policy::{Agents, Caller, Placement};
use crate::provider::{Call, Relay};
use crate::turn::{Headers, Method};

use super::answer::is_compressed;
use super::request::{PASSING, ROUTED_BY, chosen};
use super::{CLUSTER_HEADER, Effect, Exchange, Flow, Host, Report, State, Waiting};

/// A request whose head is held until its body is whole.
pub(super) struct Passage {
    method: Method,
    headers: Headers,
    /// Path and query from `/agents` on.
    rest: String,
    agents: Rc<Agents>,
    from: From,
}

/// Who hands the request to this half of the filter.
enum From {
    /// An app, as this caller.
    App(Caller),
    /// The edge half.
    Edge,
}

/// What the API reads of the app's own headers.
const OWN: &[&str] = &["accept", "content-type", "idempotency-key", "openai-beta"];
/// How the edge half's note begins, where it is not about a turn.
pub(super) const NOTE: &str = "agents ";

impl Exchange {
    /// Takes the head of an app's request.
    pub(super) fn passage_head(
        &mut self,
        caller: Caller,
        headers: Headers,
        ends: bool,
        host: &dyn Host,
        effects: &mut Vec<Effect>,
    ) -> Result<Flow, Fault> {
        let target = headers.text(":path").unwrap_or_default();
        let place = Place::find(target).ok_or(fault::Client::UnknownPath)?;
        let method = headers.text(":method").and_then(Method::parse);
        let method = method.ok_or(fault::Client::Method { allow: Method::ALL })?;
        let agents = Rc::clone(self.policy.agents(&caller, place.resource)?);
        self.check_length(&headers)?;
        let passage = Passage {
            method,
            rest: place.rest.to_owned(),
            headers,
            agents,
            from: From::App(caller),
        };
        self.board(passage, ends, host, effects)
    }

    /// Takes the head that the edge half handed on with this note.
    pub(super) fn passage_attempt(
        &mut self,
        note: &str,
        headers: Headers,
        ends: bool,
        host: &dyn Host,
        effects: &mut Vec<Effect>,
    ) -> Result<Flow, Fault> {
        let (provider, rest) = note.split_once(' ').unwrap_or((note, ""));
        if chosen(host).is_some_and(|chosen| chosen != provider.as_bytes()) {
            return Err(Fault::Policy(fault::Policy::Target));
        }
        let agents = self.policy.agents_at(provider);
        let agents = agents.ok_or(Fault::Policy(fault::Policy::Target))?;
        let method = headers.text(":method").and_then(Method::parse);
        let passage = Passage {
            method: method.ok_or(Fault::Internal("the edge half's method"))?,
            rest: rest.to_owned(),
            agents: Rc::clone(agents),
            headers,
            from: From::Edge,
        };
        self.board(passage, ends, host, effects)
    }

    fn board(
        &mut self,
        passage: Passage,
        ends: bool,
        host: &dyn Host,
        effects: &mut Vec<Effect>,
    ) -> Result<Flow, Fault> {
        if !ends {
            self.state = State::Boarding(Box::new(passage));
            return Ok(Flow::Hold);
        }
        self.pass(passage, &[], host, effects)?;
        Ok(Flow::Continue)
    }

    /// Sends the request on, with its whole body.
    pub(super) fn pass(
        &mut self,
        passage: Passage,
        bytes: &[u8],
        host: &dyn Host,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Fault> {
        let mut body = Vec::new();
        if !bytes.is_empty() {
            self.rename(&passage, bytes, &mut body)?;
        }
        if self.placement == Placement::Edge {
            self.hand_on(passage, effects);
            return Ok(());
        }
        let Passage {
            method,
            mut headers,
            rest,
            agents,
            ..
        } = passage;
        self.report.provider = Some(agents.provider.clone());
        let mut call = Call {
            method,
            body,
            ..Call::default()
        };
        for name in OWN {
            if let Some(value) = headers.bytes(name) {
                call.headers.set(*name, value);
            }
        }
        agents.passage.open(&rest, &mut call);
        agents.passage.sign(host.now(), &mut call)?;
        let is_routed = self.placement == Placement::Single;
        headers.retain(|name| {
            matches!(name, ":method" | ":scheme")
                || PASSING.contains(&name)
                || (is_routed && name == ROUTED_BY)
        });
        headers.push(":authority", call.authority);
        headers.push(":path", call.path);
        if is_routed {
            headers.push(CLUSTER_HEADER, agents.cluster.as_str());
        }
        if method == Method::Post || !call.body.is_empty() {
            headers.push("content-length", call.body.len().to_string());
        }
        headers.append(call.headers);
        effects.push(Effect::RequestHeaders(headers));
        if call.body != bytes {
            effects.push(Effect::RequestBody(call.body));
        }
        if is_routed {
            effects.push(Effect::Reroute);
        }
        self.note(true, effects);
        self.state = State::Waiting(Waiting::Passage(agents));
        Ok(())
    }

    /// Writes the body with the provider's names of the models that it names, each of which the caller may use.
    fn rename(&mut self, passage: &Passage, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let body = agents::read(bytes)?;
        if let From::App(caller) = &passage.from
            && body.has_saved_agent
            && body.models.is_empty()
            && caller.has_list()
        {
            // Nobody knows here which model a saved agent has.
            return Err(fault::Invalid::missing("agent.model").into());
        }
        let mut edits = Edits::new(AGENT_MODELS_MAX, ADMIN_BYTES_MAX);
        for named in &body.models {
            let asked = &*named.model;
            let model = match &passage.from {
                From::App(caller) => self.policy.model(caller, asked)?,
                From::Edge => self
                    .policy
                    .route(asked)
                    .ok_or(Fault::Policy(fault::Policy::Target))?,
            };
            let name = passage.agents.model(model, asked)?;
            if self.report.model.is_none() {
                self.report.model = Some(asked.to_owned());
            }
            if name != asked {
                let mut written = Vec::new();
                write_string(&mut written, name);
                edits
                    .replace(named.span.clone(), &written)
                    .map_err(impossible)?;
            }
        }
        edits.apply(body.text.as_bytes(), out).map_err(impossible)
    }

    /// Sends the request on as the app wrote it, with what the upstream half must know.
    fn hand_on(&mut self, passage: Passage, effects: &mut Vec<Effect>) {
        let Passage {
            mut headers,
            rest,
            agents,
            ..
        } = passage;
        headers.retain(|name| {
            name.starts_with(':')
                || PASSING.contains(&name)
                || OWN.contains(&name)
                || matches!(name, "content-length" | ROUTED_BY)
        });
        headers.push(CLUSTER_HEADER, agents.cluster.as_str());
        let note = format!("{NOTE}{} {rest}", agents.provider);
        effects.push(Effect::Remember(note));
        effects.push(Effect::RequestHeaders(headers));
        effects.push(Effect::Reroute);
        self.state = State::Waiting(Waiting::Edge { metered: None });
    }
}

/// The body was validated, and every span is of one of its values.
const fn impossible(_error: Error) -> Fault {
    Fault::Internal("an edit of a request to the agents API")
}

/// How an answer passes.
pub(super) enum Way {
    /// As it is.
    Whole,
    /// Event by event.
    Events(Box<dyn Relay>),
    /// It is held, for it failed.
    Held,
}

impl Way {
    /// Chooses by the answer's head.
    pub(super) fn of(agents: &Agents, head: &Headers) -> Self {
        if !(200..300).contains(&head.status()) || is_compressed(head) {
            Self::Held
        } else if head.has_content_type("text/event-stream") {
            Self::Events(agents.passage.relay())
        } else {
            Self::Whole
        }
    }
}

/// What is wrong with an answer that was held.
pub(super) fn refusal(agents: &Agents, head: &Headers, body: &[u8]) -> Fault {
    if is_compressed(head) {
        return Fault::from(Upstream::compressed());
    }
    agents.passage.refusal(head, body)
}

/// The head as the app gets it: a provider's cookies are the gateway's, and events are not as long as they were.
pub(super) fn opened(head: &Headers, is_stream: bool) -> Headers {
    let mut opened = head.clone();
    opened.retain(|name| name != "set-cookie" && !(is_stream && name == "content-length"));
    opened
}

/// Passes a piece of a stream. Tells whether the stream goes on.
pub(super) fn relayed(
    relay: &mut dyn Relay,
    bytes: &[u8],
    ends: bool,
    report: &mut Report,
    effects: &mut Vec<Effect>,
) -> bool {
    let mut out = Vec::with_capacity(bytes.len());
    let mut sink = |_: crate::turn::Event<'_>| Ok(());
    let fed = relay.push(bytes, &mut out, &mut sink).and_then(|()| {
        if ends {
            relay.finish(&mut out, &mut sink)
        } else {
            Ok(())
        }
    });
    if let Err(fault) = &fed {
        report.fail_in_stream(fault);
        relay.fail(fault, &mut out);
    }
    if out != bytes {
        effects.push(Effect::AnswerBody(out));
    }
    fed.is_ok() && !ends
}
