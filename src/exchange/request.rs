//! The way in: from the app's head to a call that leaves.

use std::fmt::Write as _;
use std::rc::Rc;

use sha2::{Digest, Sha256};

use crate::budget::Outbound;
use crate::client::agents::{self, Place};
use crate::client::models::{write_model, write_models};
use crate::client::{self, Client, Opening};
use crate::codec::percent;
use crate::fault::{self, Fault};
use crate::policy::{Caller, Model, Placement};
use crate::provider::{Call, Path};
use crate::turn::{Ask, Headers, Now, Session, Uncarried};

use super::admit::{self, Halt};
use super::embed::{Direct, Embedding};
use super::journal::Journal;
use super::passage::Passage;
use super::redact::Redaction;
use super::status::write_status;
use super::{
    Body, CLUSTER_HEADER, Dispatch, Effect, Exchange, Flow, GUARDRAIL_HEADER, Host, SESSION_HEADER,
    State, Turn, Waiting, passage,
};

/// A request whose head is held until its body is whole.
pub(super) struct Receiving {
    client: &'static dyn Client,
    headers: Headers,
    from: From,
}

/// Who hands the request to this half of the filter.
enum From {
    /// An app, as this caller.
    App(Caller),
    /// The edge half.
    Edge {
        /// The public name of the model that the attempt is for.
        model: String,
        /// Who called, by its name in the policy.
        caller: Option<String>,
    },
}

/// How a call gets to its provider.
struct Route<'r> {
    /// The cluster to route to; nothing where Envoy has chosen already.
    cluster: Option<&'r str>,
    /// The cluster for further calls of the filter's own.
    direct_cluster: Option<String>,
}

/// Headers that may leave besides those that a provider writes: they tell traces apart, not people.
pub(super) const PASSING: &[&str] = &["traceparent", "tracestate", "x-request-id"];
/// Without it Envoy finds no route (seen on 1.40); the shipped routes take it off.
pub(super) const ROUTED_BY: &str = "x-forwarded-proto";
/// Of the app's request, what the upstream half still needs.
const TO_UPSTREAM_HALF: &[&str] = &[
    "content-length",
    "content-type",
    GUARDRAIL_HEADER,
    ROUTED_BY,
];

const MODELS_PATH: &str = "/v1/models";
/// What a model in the list says of itself: a policy knows neither its maker nor its age.
const OWNER: &str = "tollgate";
const CREATED: u64 = 0;
const GET: &str = "GET";
const POST: &str = "POST";

/// What a method and path ask for.
enum Endpoint<'p> {
    /// A model's answer, in this format.
    Turn(&'static dyn Client),
    /// The list of models.
    Models,
    /// One model, named as paths name it.
    Model(&'p str),
    /// Something of the agents API.
    Agents,
}

impl Endpoint<'_> {
    fn find(headers: &Headers) -> Result<Endpoint<'_>, Fault> {
        let method = headers.text(":method").unwrap_or_default();
        let path = headers.text(":path").unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let (endpoint, allow) = if path == MODELS_PATH {
            (Endpoint::Models, GET)
        } else if let Some(name) = path.strip_prefix("/v1/models/") {
            (Endpoint::Model(name), GET)
        } else if let Some(client) = client::ALL.iter().find(|client| client.path() == path) {
            (Endpoint::Turn(*client), POST)
        } else if Place::find(path).is_some() {
            return Ok(Endpoint::Agents);
        } else {
            return Err(Fault::from(fault::Client::UnknownPath));
        };
        if method != allow {
            return Err(Fault::from(fault::Client::Method { allow }));
        }
        Ok(endpoint)
    }
}

/// A request whose budgets are asked.
pub(super) struct Admitting {
    held: Held,
    bytes: Vec<u8>,
    pub(super) journal: Journal,
}

/// What is held while its budgets are asked.
pub(super) enum Held {
    Turn(Box<Receiving>),
    Passage(Box<Passage>),
}

/// A store's call as one of the filter's own. There is one at a time.
pub(super) fn store_call(call: Outbound) -> Dispatch {
    let mut headers = Headers::new();
    for (name, value) in call.headers {
        headers.push(name, value);
    }
    Dispatch {
        number: STORE_CALL,
        cluster: call.cluster,
        headers,
        body: call.body,
        timeout_ms: call.timeout_ms,
        is_grpc: call.is_grpc,
    }
}

/// The number of a store's call.
pub(super) const STORE_CALL: usize = usize::MAX;

impl Exchange {
    pub(super) fn request_head(
        &mut self,
        headers: Headers,
        ends: bool,
        host: &dyn Host,
        effects: &mut Vec<Effect>,
    ) -> Result<Flow, Fault> {
        self.report.began = host.now();
        let receiving = if self.placement == Placement::Upstream {
            let note = handed_note(host)?;
            if let Some(note) = note.strip_prefix(passage::NOTE) {
                return self.passage_attempt(note, headers, ends, host, effects);
            }
            let (receiving, is_metered) = attempt(&note, headers)?;
            self.report.meter.is_on = is_metered;
            receiving
        } else {
            let caller = self
                .policy
                .identify(&headers, &|path| host.property(path))?;
            self.report.consumer = caller.name().map(str::to_owned);
            if let Some(status) = self.status(&caller, &headers, host) {
                return Ok(self.reply(status, effects));
            }
            let client = match Endpoint::find(&headers)? {
                Endpoint::Turn(client) => client,
                Endpoint::Agents => {
                    return self.passage_head(caller, headers, ends, host, effects);
                }
                Endpoint::Models => {
                    let models = self.models(&caller);
                    return Ok(self.reply(models, effects));
                }
                Endpoint::Model(name) => {
                    let model = self.one_model(&caller, name)?;
                    return Ok(self.reply(model, effects));
                }
            };
            self.check_body_head(&headers)?;
            let from = From::App(caller);
            Receiving {
                client,
                headers,
                from,
            }
        };
        if ends {
            return Err(Fault::from(fault::Client::EmptyBody));
        }
        self.state = State::Receiving(receiving);
        Ok(Flow::Hold)
    }

    pub(super) fn request_body(
        &mut self,
        body: &dyn Body,
        ends: bool,
        host: &dyn Host,
        effects: &mut Vec<Effect>,
    ) -> Result<Flow, Fault> {
        let limit = self.policy.limits.request_body_bytes_max;
        if body.bytes() > limit {
            return Err(Fault::from(fault::Client::TooLarge { limit }));
        }
        if !ends {
            return Ok(Flow::Hold);
        }
        let receiving = match std::mem::replace(&mut self.state, State::Over) {
            State::Receiving(receiving) => receiving,
            State::Boarding(passage) => {
                return self.admit_body(Held::Passage(passage), body.read(), host, effects);
            }
            State::Idle
            | State::Admitting(_)
            | State::Refusing { .. }
            | State::Waiting(_)
            | State::Answering(_)
            | State::Over => return Ok(Flow::Continue),
        };
        if body.bytes() == 0 {
            return Err(Fault::from(fault::Client::EmptyBody));
        }
        let held = Held::Turn(Box::new(receiving));
        self.admit_body(held, body.read(), host, effects)
    }

    /// Has a whole request admitted by its budgets, and goes on with it.
    pub(super) fn admit_body(
        &mut self,
        held: Held,
        bytes: Vec<u8>,
        host: &dyn Host,
        effects: &mut Vec<Effect>,
    ) -> Result<Flow, Fault> {
        let [high, low] = host.entropy().map(u128::from);
        let id = (high << 64) | low;
        let admitting = Admitting {
            held,
            bytes,
            journal: Journal::new(id, host.now().unix_ms),
        };
        self.go_on(admitting, host, effects)
    }

    /// Goes on with an admission, as far as it gets without an answer that is not there yet.
    pub(super) fn go_on(
        &mut self,
        admitting: Admitting,
        host: &dyn Host,
        effects: &mut Vec<Effect>,
    ) -> Result<Flow, Fault> {
        let Admitting {
            held,
            bytes,
            mut journal,
        } = admitting;
        let (held, halt) = match held {
            Held::Passage(passage) => {
                let body = match &*bytes {
                    [] => None,
                    bytes => Some(agents::read(bytes)?),
                };
                match self.admit_passage(&passage, body.as_ref(), host, &mut journal) {
                    Ok(()) => {
                        let gone = self.pass(*passage, (body, &bytes), host, effects);
                        return gone.map(|()| Flow::Continue);
                    }
                    Err(halt) => (Held::Passage(passage), halt),
                }
            }
            Held::Turn(receiving) => {
                let ask = receiving.client.ask(&bytes)?;
                self.report.stream = ask.stream;
                match self.admit(&receiving, &ask, host, &mut journal) {
                    Ok(None) => {
                        let gone = self.route(*receiving, (&ask, &bytes), host, effects);
                        return gone.map(|()| Flow::Continue);
                    }
                    Ok(Some(body)) => {
                        let ask = receiving.client.ask(&body)?;
                        let gone = self.route(*receiving, (&ask, &bytes), host, effects);
                        return gone.map(|()| Flow::Continue);
                    }
                    Err(halt) => (Held::Turn(receiving), halt),
                }
            }
        };
        match halt {
            Halt::Fault(fault) => {
                self.report.tallies = journal.tallies;
                Err(fault)
            }
            Halt::Call(call) => {
                effects.push(Effect::Dispatch(store_call(call)));
                self.state = State::Admitting(Box::new(Admitting {
                    held,
                    bytes,
                    journal,
                }));
                Ok(Flow::Hold)
            }
        }
    }

    /// Has the budgets hold what the request may cost. Gives the body anew if it leaves otherwise than it came.
    fn admit(
        &mut self,
        receiving: &Receiving,
        ask: &Ask<'_>,
        host: &dyn Host,
        journal: &mut Journal,
    ) -> Result<Option<Vec<u8>>, Halt> {
        let From::App(caller) = &receiving.from else {
            return Ok(None);
        };
        // Who may not use the model does not learn of its budgets.
        self.policy.model(caller, &ask.model)?;
        let admitted = admit::admit(&self.policy, caller, &receiving.headers, ask, host, journal)?;
        let Some(mut admission) = admitted else {
            return Ok(None);
        };
        let body = admission.body.take();
        let meter = &mut self.report.meter;
        meter.is_on = true;
        let ledger = &admission.ledger;
        if let Some(step) = admission.step_tokens {
            meter.grow_by(step, ledger);
        }
        self.admission = Some(admission);
        Ok(body)
    }

    /// A body that says it is too large is refused before it comes.
    /// Refuses a body by what its head says, before it comes.
    pub(super) fn check_body_head(&self, headers: &Headers) -> Result<(), Fault> {
        if headers.is_compressed() {
            return Err(Fault::from(fault::Client::Compressed));
        }
        let limit = self.policy.limits.request_body_bytes_max;
        let length = headers.text("content-length");
        match length.and_then(|length| length.parse::<u64>().ok()) {
            Some(length) if length > u64::try_from(limit).unwrap_or(u64::MAX) => {
                Err(Fault::from(fault::Client::TooLarge { limit }))
            }
            _ => Ok(()),
        }
    }

    /// Sends a turn on its way. `came` is the body that the host holds.
    fn route(
        &mut self,
        receiving: Receiving,
        (ask, came): (&Ask<'_>, &[u8]),
        host: &dyn Host,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Fault> {
        let policy = self.policy.clone();
        let model = match &receiving.from {
            // Admission has asked whether the caller may use it; what a threshold sent it to, it may.
            From::App(_) => policy
                .route(&ask.model)
                .ok_or(Fault::Client(fault::Client::UnknownModel))?,
            From::Edge { model, caller } => {
                self.report.consumer.clone_from(caller);
                policy
                    .route(model)
                    .ok_or(Fault::Policy(fault::Policy::Target))?
            }
        };
        self.report.model = Some(ask.model.to_string());
        let entropy = host.entropy();
        let (target, cluster) = match self.placement {
            Placement::Edge => {
                self.pass_to_upstream_half(receiving, (ask, came), model, effects);
                return Ok(());
            }
            Placement::Single => {
                let [pick, _] = entropy;
                let target = model.pick(pick);
                let mut targets = model.targets();
                self.report.target = targets.position(|it| std::ptr::eq(it, target));
                (target, Some(target.cluster.as_str()))
            }
            Placement::Upstream => (attempted(model, host)?, None),
        };
        self.report.provider = Some(target.provider.clone());
        let mut redaction = Redaction::find(
            &policy,
            self.report.consumer.as_deref(),
            &ask.model,
            &target.provider,
            receiving.client.sites(),
        );
        let redacted = match &mut redaction {
            Some(redaction) => redaction.request(ask.body, &mut self.report.redacted.request)?,
            None => None,
        };
        let turn = Turn {
            client: receiving.client,
            target: target.target.clone(),
            opening: Opening {
                entropy,
                created: self.report.began.unix_seconds(),
                model: ask.model.to_string(),
                stream: ask.stream,
                include_usage: ask.include_usage,
                echo: String::new(),
            },
            dropped: Vec::new(),
            redaction,
            tells_redacted: false,
            shows_guardrail: receiving.headers.text(GUARDRAIL_HEADER) == Some("true"),
        };
        let route = Route {
            cluster,
            direct_cluster: target.direct_cluster.clone(),
        };
        let now = host.now();
        match &redacted {
            None => self.call(now, turn, (ask, came), receiving.headers, &route, effects),
            Some(body) => {
                let ask = turn.client.ask(body)?;
                self.call(now, turn, (&ask, came), receiving.headers, &route, effects)
            }
        }
    }

    /// Sends the request on as the app wrote it, or as its budgets have it, with what the upstream half must know.
    fn pass_to_upstream_half(
        &mut self,
        receiving: Receiving,
        (ask, came): (&Ask<'_>, &[u8]),
        model: &Model,
        effects: &mut Vec<Effect>,
    ) {
        let is_edited = ask.body.as_bytes() != came;
        let whose = self.whose(&receiving.headers);
        let mut headers = receiving.headers;
        headers.retain(|name| {
            name.starts_with(':') || PASSING.contains(&name) || TO_UPSTREAM_HALF.contains(&name)
        });
        headers.push(CLUSTER_HEADER, model.cluster.as_str());
        let caller = self.report.consumer.as_deref().unwrap_or_default();
        let mut note = note(receiving.client, &ask.model, &whose, caller);
        if self.report.meter.is_on {
            note.push(' ');
            note.push_str(METERED);
        }
        effects.push(Effect::Remember(note));
        if is_edited {
            headers.set("content-length", ask.body.len().to_string());
        }
        effects.push(Effect::RequestHeaders(headers));
        if is_edited {
            effects.push(Effect::RequestBody(ask.body.as_bytes().to_vec()));
        }
        effects.push(Effect::Reroute);
        let grows = self.report.meter.grows();
        let metered = grows.then_some(receiving.client);
        self.state = State::Waiting(Waiting::Edge { metered });
    }

    /// Writes and signs the call to the target. `came` is the body that the host holds.
    fn call(
        &mut self,
        now: Now,
        mut turn: Turn,
        (ask, came): (&Ask<'_>, &[u8]),
        mut headers: Headers,
        route: &Route<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Fault> {
        let mut call = Call::default();
        let mut uncarried = Uncarried::new(&self.policy.parameters);
        let target = Rc::clone(&turn.target);
        let waiting = match target.path(ask.format) {
            Some(Path::Edited(edit)) => {
                edit.edit(ask, &mut uncarried, &mut call)?;
                turn.dropped = uncarried.into_warned();
                Waiting::Turn(turn)
            }
            Some(Path::Translated(translate)) => {
                let mut request = turn.client.decode(ask)?;
                request.model = &turn.opening.model;
                request.session = self.session(ask, &headers, turn.opening.entropy);
                translate
                    .encode(&request, &mut uncarried, &mut call)
                    .map_err(|fault| turn.client.blame(fault))?;
                turn.opening.echo = turn.client.echo(ask);
                turn.dropped = uncarried.into_warned();
                Waiting::Turn(turn)
            }
            Some(Path::Embedded(_)) => {
                let mut passing = headers.clone();
                passing.retain(|name| PASSING.contains(&name));
                let direct = Direct {
                    cluster: route.direct_cluster.clone(),
                    passing,
                };
                let limits = self.policy.limits;
                let (embedding, first) = Embedding::begin(turn, ask, uncarried, limits, direct)?;
                call = first;
                Waiting::Embedding(Box::new(embedding))
            }
            None => return Err(Fault::from(fault::Policy::Format)),
        };
        target.sign(now, &mut call)?;
        let is_routed = route.cluster.is_some();
        headers.retain(|name| {
            matches!(name, ":method" | ":scheme")
                || PASSING.contains(&name)
                || (is_routed && name == ROUTED_BY)
        });
        headers.push(":authority", call.authority);
        headers.push(":path", call.path);
        if let Some(cluster) = route.cluster {
            headers.push(CLUSTER_HEADER, cluster);
        }
        headers.push("content-length", call.body.len().to_string());
        headers.append(call.headers);
        effects.push(Effect::RequestHeaders(headers));
        if call.body != came {
            effects.push(Effect::RequestBody(call.body));
        }
        if is_routed {
            effects.push(Effect::Reroute);
        }
        self.note(true, effects);
        self.state = State::Waiting(waiting);
        Ok(())
    }

    /// Whose conversation it is, for upstreams that keep conversations themselves.
    fn session<'r>(
        &'r self,
        ask: &Ask<'r>,
        headers: &'r Headers,
        entropy: [u64; 2],
    ) -> Session<'r> {
        let named = headers.text(SESSION_HEADER).filter(|name| !name.is_empty());
        let (caller, name) = if self.placement == Placement::Upstream {
            let word = named.unwrap_or_default();
            (word.strip_prefix(CALLER), word.strip_prefix(CONVERSATION))
        } else {
            (self.report.consumer.as_deref(), named)
        };
        let texts =
            ["safety_identifier", "user"].map(|field| ask.member(field)?.value.strip_prefix('"'));
        Session {
            caller,
            name,
            // With its closing quote: what is not empty is a text of some length.
            user: texts.into_iter().flatten().find(|text| *text != "\""),
            entropy,
        }
    }

    /// The same as one word of a note. What an app wrote goes as a hash: notes end in access logs.
    fn whose(&self, headers: &Headers) -> String {
        let caller = self.report.consumer.as_deref().unwrap_or_default();
        match headers.text(SESSION_HEADER).filter(|name| !name.is_empty()) {
            None => format!("{CALLER}{caller}"),
            Some(name) => {
                let digest = Sha256::new().chain_update(caller).chain_update([0]);
                let mut word = CONVERSATION.to_owned();
                for byte in digest.chain_update(name).finalize() {
                    let _done = write!(word, "{byte:02x}");
                }
                word
            }
        }
    }

    /// How the budgets stand, for whom the policy lets see it. To others the path is like any other.
    fn status(&self, caller: &Caller, headers: &Headers, host: &dyn Host) -> Option<Vec<u8>> {
        let path = headers.text(":path")?.split('?').next()?;
        let is_asked = headers.text(":method") == Some(GET);
        if !is_asked || !self.policy.shows_budgets(path, caller) {
            return None;
        }
        let mut body = Vec::new();
        let now_ms = host.now().unix_ms;
        write_status(&self.policy.budgets, now_ms, host.shared(), &mut body);
        Some(body)
    }

    fn models(&self, caller: &Caller) -> Vec<u8> {
        let mut body = Vec::new();
        let names = self.policy.models_of(caller).map(|name| (name, OWNER));
        write_models(names, CREATED, &mut body);
        body
    }

    fn one_model(&self, caller: &Caller, name: &str) -> Result<Vec<u8>, Fault> {
        let mut decoded = Vec::new();
        percent::decode(name.as_bytes(), &mut decoded);
        // What is no UTF-8 is no model's name either.
        let name = str::from_utf8(&decoded).unwrap_or_default();
        self.policy.model(caller, name)?;
        let mut body = Vec::new();
        write_model(name, OWNER, CREATED, &mut body);
        Ok(body)
    }

    /// Answers with what the filter knows by itself.
    fn reply(&mut self, body: Vec<u8>, effects: &mut Vec<Effect>) -> Flow {
        const STATUS: u16 = 200;
        let mut headers = Headers::new();
        headers.push("content-type", "application/json");
        effects.push(Effect::Reply {
            status: STATUS,
            headers,
            body,
        });
        self.report.status = STATUS;
        self.state = State::Over;
        Flow::Hold
    }
}

/// What the edge half noted of the request that it handed on.
fn handed_note(host: &dyn Host) -> Result<String, Fault> {
    host.property(&["filter_state", "wasm.tollgate"])
        .and_then(|note| String::from_utf8(note).ok())
        .ok_or(Fault::Host(
            "the request reached the upstream half of the filter without passing the edge half; the \
             gateway's admin has to load the filter with root_id edge on the listener",
        ))
}

/// A request that the edge half handed on with this note.
fn attempt(note: &str, mut headers: Headers) -> Result<(Receiving, bool), Fault> {
    let mut words = note.split(' ');
    let (format, model) = (words.next().unwrap_or_default(), words.next());
    // In the app's place: an earlier attempt has taken the app's own header away.
    headers.set(SESSION_HEADER, words.next().unwrap_or_default());
    let client = client::ALL
        .iter()
        .find(|client| client.format().name() == format)
        .ok_or(Fault::Internal("the edge half's note"))?;
    let caller = words.next().filter(|caller| !caller.is_empty());
    let from = From::Edge {
        model: model.unwrap_or_default().to_owned(),
        caller: caller.map(str::to_owned),
    };
    let receiving = Receiving {
        client: *client,
        headers,
        from,
    };
    Ok((receiving, words.next() == Some(METERED)))
}

/// In a note: the edge half wants to know how much an answer has said, while it says it.
const METERED: &str = "metered";

/// What the upstream half must know of a request: it cannot tell from headers, which an earlier
/// attempt has changed.
fn note(client: &dyn Client, model: &str, whose: &str, caller: &str) -> String {
    format!("{} {model} {whose} {caller}", client.format().name())
}

/// What [`Exchange::whose`] wrote: the caller, or the hash that stands for caller and conversation.
const CALLER: &str = "c";
const CONVERSATION: &str = "n";

/// The target that this attempt goes to.
fn attempted<'m>(model: &'m Model, host: &dyn Host) -> Result<&'m crate::policy::Target, Fault> {
    let target = match chosen(host) {
        Some(name) => str::from_utf8(&name).ok().and_then(|name| model.at(name)),
        None => model.only(),
    };
    target.ok_or(Fault::Policy(fault::Policy::Target))
}

/// The provider of this attempt, if anything says it: Envoy has chosen the host, and its metadata names the provider.
pub(super) fn chosen(host: &dyn Host) -> Option<Vec<u8>> {
    const HOST: &[&str] = &[
        "xds",
        "upstream_host_metadata",
        "filter_metadata",
        "tollgate",
        "provider",
    ];
    const CLUSTER: &[&str] = &[
        "xds",
        "cluster_metadata",
        "filter_metadata",
        "tollgate",
        "provider",
    ];
    [HOST, CLUSTER]
        .iter()
        .find_map(|path| host.property(path))
        .filter(|name| !name.is_empty())
}
