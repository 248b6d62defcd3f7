//! Requests that are no turn of a conversation: they pass to a provider's agents API, and so do their answers.
//!
//! The way in is that of a turn: the head is held until the body is whole, for the models in it are checked and get
//! the provider's names; a request without a body goes on at once. The way back holds nothing that need not be held:
//! an app listens to a session before it sends what there is to hear, so the head of a stream goes out when it
//! comes. Only an answer that failed is held, to be told in OpenAI's form.
//!
//! Where the policy redacts, a whole answer is held too, and a file is none that can be looked into. What another request
//! of a session has sent is not known here, so a placeholder comes back only in the answer to the request it was made in.
//!
//! No answer tells what it cost, so budgets count requests here; where one counts tokens or money nothing passes.
//!
//! In a split the edge half checks, and its note has the provider, the caller and the path: an attempt must not read them from
//! headers, which the attempt before it has changed. The provider of the attempt has to be that of the note.

use std::rc::Rc;

use crate::client::agents::{self, Place};
use crate::client::sites::AGENTS;
use crate::codec::json::{Edits, Error, write_string};
use crate::fault::{self, Fault, Upstream};
use crate::limits::{ADMIN_BYTES_MAX, AGENT_MODELS_MAX};
use crate::policy::{Agents, Caller, Placement};
use crate::provider::{Call, Relay};
use crate::turn::{Headers, Method};

use super::admit::{self, Halt};
use super::journal::Journal;
use super::redact::{Filter, Redaction};
use super::request::{Held, PASSING, ROUTED_BY, chosen};
use super::{
    CLUSTER_HEADER, Effect, Exchange, Flow, Host, REDACTED_HEADER, Report, State, Waiting,
};

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
        self.check_body_head(&headers)?;
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
        // A consumer's name has no blank.
        let mut words = note.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_default();
        let (provider, caller, rest) = (word(), word(), word());
        self.report.consumer = Some(caller.to_owned()).filter(|caller| !caller.is_empty());
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
        self.admit_body(Held::Passage(Box::new(passage)), Vec::new(), host, effects)
    }

    /// Has the budgets that count requests hold for one to this API.
    pub(super) fn admit_passage(
        &mut self,
        passage: &Passage,
        body: Option<&agents::Body<'_>>,
        host: &dyn Host,
        journal: &mut Journal,
    ) -> Result<(), Halt> {
        let From::App(caller) = &passage.from else {
            return Ok(());
        };
        if self.policy.budgets.is_empty() {
            return Ok(());
        }
        // Of several models, or of a saved agent's, nobody knows here which will answer.
        let model = body.and_then(|body| match &*body.models {
            [named] if !body.has_saved_agent => Some(&*named.model),
            _ => None,
        });
        if let Some(model) = model {
            // Who may not use it does not learn of its budgets.
            self.policy.model(caller, model)?;
        }
        let facts = (&passage.headers, model, &*passage.agents.provider);
        self.admission = admit::admit_passage(&self.policy, caller, facts, host, journal)?;
        Ok(())
    }

    /// Sends the request on, with its whole body, as it was read and as it came.
    pub(super) fn pass(
        &mut self,
        passage: Passage,
        (read, bytes): (Option<agents::Body<'_>>, &[u8]),
        host: &dyn Host,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Fault> {
        let mut redaction = None;
        let mut redacted = None;
        if self.placement != Placement::Edge {
            redaction = self.redaction(&passage, read.as_ref())?;
        }
        if let Some(redaction) = &mut redaction {
            let counts = &mut self.report.redacted.request;
            let query = passage.rest.split_once('?').map(|(_, query)| query);
            redaction.query(query.unwrap_or_default(), counts)?;
            if let Some(read) = &read {
                redacted = redaction.request(read.text, counts)?;
            }
        }
        let renamed = match (&redacted, &read) {
            (Some(redacted), _) => self.rename(&passage, &agents::read(redacted)?)?,
            (None, Some(read)) => self.rename(&passage, read)?,
            (None, None) => None,
        };
        if self.placement == Placement::Edge {
            self.hand_on(passage, effects);
            return Ok(());
        }
        let changed = renamed.or(redacted);
        let is_same = changed.is_none();
        let body = changed.unwrap_or_else(|| bytes.to_vec());
        self.depart(passage, (body, is_same), redaction, host, effects)
    }

    /// Writes and signs the call. The body may be the same that the host holds.
    fn depart(
        &mut self,
        passage: Passage,
        (body, is_same): (Vec<u8>, bool),
        redaction: Option<Box<Redaction>>,
        host: &dyn Host,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Fault> {
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
        if !is_same {
            effects.push(Effect::RequestBody(call.body));
        }
        if is_routed {
            effects.push(Effect::Reroute);
        }
        self.note(true, effects);
        let is_file = rest
            .split('?')
            .next()
            .is_some_and(|path| path.ends_with(FILE));
        self.state = State::Waiting(Waiting::Passage(Passing {
            agents,
            redaction,
            is_file,
        }));
        Ok(())
    }

    /// Writes the body with the provider's names of the models that it names, each of which the caller may use; nothing
    /// where they are the same.
    fn rename(
        &mut self,
        passage: &Passage,
        body: &agents::Body<'_>,
    ) -> Result<Option<Vec<u8>>, Fault> {
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
        if edits.is_empty() {
            return Ok(None);
        }
        let mut out = Vec::new();
        edits
            .apply(body.text.as_bytes(), &mut out)
            .map_err(impossible)?;
        Ok(Some(out))
    }

    /// What is redacted: by the rule for the models that the body names.
    fn redaction(
        &self,
        passage: &Passage,
        body: Option<&agents::Body<'_>>,
    ) -> Result<Option<Box<Redaction>>, Fault> {
        // A saved agent has a model that is not known here.
        let known = body.filter(|body| !body.has_saved_agent);
        let models = known.into_iter().flat_map(|body| &body.models);
        let models = models.map(|named| &*named.model);
        let consumer = self.report.consumer.as_deref();
        let provider = &passage.agents.provider;
        let rule = self
            .policy
            .redaction
            .find_for_all(consumer, models, provider)?;
        Ok(rule.map(|rule| Redaction::by(rule, consumer, &AGENTS)))
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
        let caller = self.report.consumer.as_deref().unwrap_or_default();
        let note = format!("{NOTE}{} {caller} {rest}", agents.provider);
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

/// How the paths of files end.
const FILE: &str = "/content";

/// What the answer's way back needs to know.
pub(super) struct Passing {
    agents: Rc<Agents>,
    pub(super) redaction: Option<Box<Redaction>>,
    /// The answer is somebody's file.
    is_file: bool,
}

/// How an answer passes.
pub(super) enum Way {
    /// As it is.
    Whole,
    /// Event by event.
    Events(Events),
    /// It is held: it failed, or has to be redacted as a whole.
    Held,
}

/// The events of a session on their way to the app.
pub(super) struct Events {
    relay: Box<dyn Relay>,
    filter: Option<Box<Filter>>,
}

impl Way {
    /// Chooses by the answer's head.
    pub(super) fn of(passing: &mut Passing, head: &Headers, event_bytes_max: usize) -> Self {
        if !is_success(head) || head.is_compressed() {
            Self::Held
        } else if head.has_content_type("text/event-stream") && !passing.is_file {
            let redaction = passing.redaction.take();
            Self::Events(Events {
                relay: passing.agents.passage.relay(),
                filter: redaction.and_then(|it| it.into_filter(event_bytes_max)),
            })
        } else if passing
            .redaction
            .as_ref()
            .is_some_and(|it| it.is_answer_changed())
        {
            Self::Held
        } else {
            Self::Whole
        }
    }
}

pub(super) fn is_success(head: &Headers) -> bool {
    (200..300).contains(&head.status())
}

impl Passing {
    /// Whether the app wants to be told what was found.
    pub(super) fn tells(&self) -> bool {
        self.redaction.as_ref().is_some_and(|it| it.tells_found())
    }

    /// Answers with a body that was redacted.
    pub(super) fn answer(
        &self,
        head: &Headers,
        body: Vec<u8>,
        report: &Report,
        effects: &mut Vec<Effect>,
    ) {
        let mut head = opened(head, false);
        head.set("content-length", body.len().to_string());
        if self.tells() {
            head.push(REDACTED_HEADER, report.redacted.to_string());
        }
        effects.push(Effect::AnswerHeaders(head));
        effects.push(Effect::AnswerBody(body));
    }

    /// Takes an answer that was held; nothing where it stays as it is.
    pub(super) fn whole(
        &mut self,
        head: &Headers,
        body: &[u8],
        report: &mut Report,
    ) -> Result<Option<Vec<u8>>, Fault> {
        if head.is_compressed() {
            return Err(Fault::from(Upstream::compressed()));
        }
        if !is_success(head) {
            return Err(self.agents.passage.refusal(head, body));
        }
        match &mut self.redaction {
            Some(redaction) if !body.is_empty() => {
                if self.is_file || !head.has_content_type("application/json") {
                    redaction.file()?;
                    return Ok(None);
                }
                redaction.answer(body, &mut report.redacted.answer)
            }
            _ => Ok(None),
        }
    }
}

/// The head as the app gets it: a provider's cookies are the gateway's, and events are not as long as they were.
pub(super) fn opened(head: &Headers, is_stream: bool) -> Headers {
    let mut opened = head.clone();
    opened.retain(|name| name != "set-cookie" && !(is_stream && name == "content-length"));
    opened
}

/// Passes a piece of a stream. Tells whether the stream goes on.
pub(super) fn relayed(
    events: &mut Events,
    bytes: &[u8],
    ends: bool,
    report: &mut Report,
    effects: &mut Vec<Effect>,
) -> bool {
    let mut out = Vec::with_capacity(bytes.len());
    let mut sink = |_: crate::turn::Event<'_>| Ok(());
    let Events { relay, filter } = events;
    let mut fed = relay.push(bytes, &mut out, &mut sink).and_then(|()| {
        if ends {
            relay.finish(&mut out, &mut sink)
        } else {
            Ok(())
        }
    });
    if let Some(filter) = filter {
        let came = std::mem::take(&mut out);
        fed = filter
            .push(&came, &mut out, &mut report.redacted.answer)
            .and(fed);
    }
    let redacted = &mut report.redacted.answer;
    let fed = fed.map_err(|fault| match filter {
        Some(filter) => filter.fault(fault, redacted),
        None => fault,
    });
    if let Err(fault) = &fed {
        report.fail_in_stream(fault);
        let mut told = Vec::new();
        relay.fail(fault, &mut told);
        match filter {
            Some(filter) => filter.fail(&told, &mut out),
            None => out.append(&mut told),
        }
    }
    if out != bytes {
        effects.push(Effect::AnswerBody(out));
    }
    fed.is_ok() && !ends
}
