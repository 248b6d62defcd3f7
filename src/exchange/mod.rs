//! One request and its answer, as a state machine that does no I/O.
//!
//! ```text
//!  Idle -- head --> Receiving -- whole body, budgets --> Waiting -- head --+-- Collecting -- whole body --> Over
//!   |                   |  \-- a store is asked --> Admitting --^           +-- Streaming -- chunks -------> Over
//!   +-- refused --------+--> Refusing -- end of the body --> Over           +-- Passing (nothing to do)
//! ```
//! Whatever becomes of it, [`Exchange::settle`] ends it: what its budgets held is charged or given back, once.
//!
//! A request for embeddings may need several calls: `embed` makes them while it is Collecting. What is no turn of a
//! conversation is Boarding in place of Receiving, and passes: see `passage`.
//!
//! The host feeds [`Input`]s and applies the [`Effect`]s of each before the next. A fault on the
//! way in becomes one reply. On the way out it becomes the answer as long as the head is still held,
//! and one error chunk after that; whatever the upstream sends later is swallowed.
//!
//! The same machine runs in every [`Placement`]. `Single` does everything. In a split, `Edge` knows the
//! app: it identifies, routes and remembers; `Upstream` knows the provider of this attempt: it
//! translates, signs and turns the answer back. Between the two a request travels as the app wrote it.
//!
//! It refuses to know clocks, randomness and hosts: time and entropy arrive with the input.

mod admit;
mod answer;
mod books;
mod embed;
mod journal;
mod ledger;
mod meter;
mod passage;
mod redact;
mod report;
mod request;
mod status;
mod tell;

pub use books::{Books, Page};
pub use ledger::{Ledger, Tally};
pub use report::{Prompt, Redacted, Report};
pub use tell::BUDGET_HEADER;

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use crate::budget::{Inbound, Shared, Tokens, Unanswered};
use crate::client::error::write_error;
use crate::client::{Client, Opening};
use crate::fault::Fault;
use crate::limits::DISCARDED_BYTES_MAX;
use crate::policy::{Placement, Policy};
use crate::provider::Target;
use crate::turn::{Headers, Now, Usage};

use admit::Admission;
use answer::Answer;
use embed::Embedding;
use ledger::Served;
use passage::{Passage, Passing};
use redact::Redaction;
use request::{Admitting, Receiving};

/// The header by which a route picks the cluster; Envoy's `cluster_header`.
pub const CLUSTER_HEADER: &str = "x-tollgate-cluster";
/// The header by which an app names its conversation, for upstreams that keep conversations themselves.
pub const SESSION_HEADER: &str = "x-tollgate-session";
/// The answer's header that names the parameters left behind.
pub const DROPPED_HEADER: &str = "x-tollgate-dropped";

/// The answer's header that tells what was redacted, where the policy wants that.
pub const REDACTED_HEADER: &str = "x-tollgate-redacted";
/// The answer's header that names the model which a provider's router chose.
pub const INVOKED_MODEL_HEADER: &str = "x-tollgate-invoked-model";
/// Where a request has this header with `true`, and the policy the trace on, the answer has it with what the
/// guardrail found.
pub const GUARDRAIL_HEADER: &str = "x-tollgate-guardrail-trace";

/// What the host tells.
pub enum Input<'a> {
    /// The request's head. `ends` says that no body follows.
    RequestHead {
        /// All headers, pseudo headers included.
        headers: Headers,
        /// Whether the request is complete.
        ends: bool,
        /// What the host knows besides.
        host: &'a dyn Host,
    },
    /// More of the request's body is there; the host keeps all of it until it is let go.
    RequestBody {
        /// All of it so far.
        body: &'a dyn Body,
        /// Whether the request is complete.
        ends: bool,
        /// What the host knows besides.
        host: &'a dyn Host,
    },
    /// The answer's head.
    AnswerHead {
        /// All headers, pseudo headers included.
        headers: Headers,
        /// Whether the answer is complete.
        ends: bool,
    },
    /// More of the answer's body: what came since it was last let go or taken.
    AnswerBody {
        /// The bytes.
        body: &'a dyn Body,
        /// Whether the answer is complete.
        ends: bool,
        /// What the host knows besides.
        host: &'a dyn Host,
    },
    /// The answer, whose head is held, is complete without a body: trailers came in its place.
    AnswerEnd,
    /// One of the filter's own calls has come to its end. [`Flow::Continue`] lets the held answer go.
    CallAnswer {
        /// The call's number.
        number: usize,
        /// Head and body.
        answer: Result<(Headers, Vec<u8>), Lost>,
        /// What the host knows besides.
        host: &'a dyn Host,
    },
}

/// Why a call of the filter's own has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The host does not make it.
    Refused,
    /// Nothing came in time.
    Unanswered,
    /// The answer exceeds the bound of answers.
    TooLarge,
}

/// A call of the filter's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    /// Its number, by which its answer is known.
    pub number: usize,
    /// The cluster that it goes to.
    pub cluster: String,
    /// All headers, pseudo headers included.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
    /// How long it may take.
    pub timeout_ms: u64,
    /// Whether it is a call of gRPC's, see [`Outbound`](crate::budget::Outbound).
    pub is_grpc: bool,
}

/// Bytes that the host holds; reading them costs a copy, so it is done once and only where needed.
pub trait Body {
    /// How many there are.
    fn bytes(&self) -> usize;
    /// All of them.
    fn read(&self) -> Vec<u8>;
}

/// What the host knows besides headers.
pub trait Host {
    /// A property by its path, such as `["xds", "cluster_name"]`.
    fn property(&self, path: &[&str]) -> Option<Vec<u8>>;
    /// The clock.
    fn now(&self) -> Now;
    /// 128 random bits for this exchange.
    fn entropy(&self) -> [u64; 2];
    /// Memory that all workers share.
    fn shared(&self) -> &dyn Shared;
}

/// What the host has to do, in order, before the next input.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Replaces all headers of the request.
    RequestHeaders(Headers),
    /// Replaces the whole body of the request.
    RequestBody(Vec<u8>),
    /// Has the route chosen anew, by the headers as they are now.
    Reroute,
    /// Keeps a note for the upstream half of the filter.
    Remember(String),
    /// Keeps the upstream half's part of the report where the edge half and access logs find it.
    Note(String),
    /// Replaces all headers of the answer, whose head is held.
    AnswerHeaders(Headers),
    /// Replaces the bytes of the answer that were last told.
    AnswerBody(Vec<u8>),
    /// Makes a call besides the exchange's own.
    Dispatch(Dispatch),
    /// Answers in the upstream's place.
    Reply {
        /// The status.
        status: u16,
        /// The headers besides `:status`.
        headers: Headers,
        /// The body.
        body: Vec<u8>,
    },
}

/// Whether the bytes told go on now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// They go on.
    Continue,
    /// The host keeps them, and the head if it has not gone yet.
    Hold,
}

/// One request and its answer.
pub struct Exchange {
    placement: Placement,
    policy: Rc<Policy>,
    state: State,
    report: Report,
    /// What its budgets hold for it, until it is settled.
    admission: Option<Admission>,
    /// The answer's head as it came, until it has gone on with what is told of the budgets.
    head: Option<Headers>,
}

enum State {
    Idle,
    Receiving(Receiving),
    /// The same, of a request that is no turn of a conversation.
    Boarding(Box<Passage>),
    /// The request is whole, and a store is asked whether its budgets have room for it.
    Admitting(Box<Admitting>),
    /// The reply waits for the end of the body, which is thrown away. A reply before it would have
    /// Envoy close the connection, and a client that still writes would see a reset, not the reply.
    Refusing {
        reply: Effect,
        discarded_bytes: usize,
    },
    Waiting(Waiting),
    /// The answer has begun.
    Answering(Answer),
    Over,
}

/// A request that has gone on; its answer is awaited.
enum Waiting {
    /// Nothing is due but errors in OpenAI's shape: the upstream half has done the rest. A stream whose
    /// holds grow is read on its way, in this format.
    Edge {
        metered: Option<&'static dyn Client>,
    },
    /// The answer has to be turned back.
    Turn(Turn),
    /// The answer holds vectors, and may be one of several.
    Embedding(Box<Embedding>),
    /// The answer passes.
    Passage(Passing),
}

impl Waiting {
    /// What the answer is redacted by, here.
    fn redaction(&self) -> Option<&Redaction> {
        match self {
            Self::Edge { .. } => None,
            Self::Turn(turn) => turn.redaction.as_deref(),
            Self::Embedding(embedding) => embedding.turn.redaction.as_deref(),
            Self::Passage(passing) => passing.redaction.as_deref(),
        }
    }
}

/// What the answer's way back needs to know.
struct Turn {
    client: &'static dyn Client,
    target: Rc<dyn Target>,
    opening: Opening,
    dropped: Vec<String>,
    redaction: Option<Box<Redaction>>,
    /// The same of a stream, whose filter has the redaction.
    tells_redacted: bool,
    /// The app wants to know what a guardrail found.
    shows_guardrail: bool,
}

impl Exchange {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(placement: Placement, policy: Rc<Policy>) -> Self {
        Self {
            placement,
            policy,
            state: State::Idle,
            report: Report::default(),
            admission: None,
            head: None,
        }
    }

    /// What is known of the exchange, for the log. `note` is what the upstream half noted.
    pub fn report(&mut self, note: Option<&str>) -> &Report {
        if let Some(note) = note {
            self.report.hear(note);
        }
        &self.report
    }

    /// What is held for it, for whoever renews leases.
    #[must_use]
    pub fn lease(&self) -> Option<Weak<RefCell<Ledger>>> {
        self.admission
            .as_ref()
            .map(|admission| Rc::downgrade(&admission.ledger))
    }

    /// Charges what the exchange cost, or gives back what was held if it cost nothing. It is over, however it
    /// ended; a second time nothing happens. `note` is what the upstream half noted.
    pub fn settle(&mut self, note: Option<&str>, host: &dyn Host) {
        if let State::Admitting(admitting) = &mut self.state {
            admitting.journal.abandon(host.shared());
        }
        let Some(admission) = self.admission.take() else {
            return;
        };
        if let Some(note) = note {
            self.report.hear(note);
        }
        let now_ms = host.now().unix_ms;
        let cost = self.cost(&admission);
        let mut ledger = admission.ledger.borrow_mut();
        let served = Served {
            provider: self.report.provider.as_deref(),
            target: self.report.target,
        };
        let tallies = match cost {
            Cost::Nothing => ledger.release(now_ms, host.shared()),
            Cost::Tokens(tokens) => ledger.settle(Some(&tokens), served, now_ms, host.shared()),
            Cost::Held => ledger.settle(None, served, now_ms, host.shared()),
        };
        if let Some(usage) = &self.report.usage {
            admission.learn(usage.input_tokens, host.shared());
            self.report.prompt = Some(Prompt {
                estimated_tokens: admission.estimated_tokens,
                counted_tokens: usage.input_tokens,
            });
        }
        self.report.tallies = tallies;
    }

    /// What is to be charged.
    fn cost(&self, admission: &Admission) -> Cost {
        let report = &self.report;
        let said_tokens = report.meter.tokens().max(report.streamed_tokens);
        // An estimate is never more than what the answer was bounded by.
        let bound = admission.ledger.borrow().output_tokens();
        let estimated = Cost::Tokens(Tokens {
            input: admission.estimated_tokens,
            output: said_tokens.min(bound),
            ..Tokens::default()
        });
        if report.meter.is_cut {
            return estimated;
        }
        if let Some(usage) = report.usage {
            return Cost::Tokens(tokens(&usage));
        }
        let has_failed = report.code.is_some() || report.status >= 400;
        // Where no head came, the app went away while the model was at work.
        if !has_failed || (report.stream && said_tokens > 0) {
            return estimated;
        }
        match (report.is_billed, said_tokens) {
            (true, _) => Cost::Held,
            (false, 0) => Cost::Nothing,
            (false, _) => estimated,
        }
    }

    /// Whether the request's head is held and its body awaited.
    #[must_use]
    pub const fn is_receiving(&self) -> bool {
        matches!(
            self.state,
            State::Receiving(_) | State::Boarding(_) | State::Refusing { .. }
        )
    }

    /// Whether the whole request is held until its budgets have been asked.
    #[must_use]
    pub const fn is_admitting(&self) -> bool {
        matches!(self.state, State::Admitting(_))
    }

    /// Whether the answer is held, its head or what came last.
    #[must_use]
    pub fn holds_answer(&self) -> bool {
        let holds_head = matches!(&self.state, State::Answering(answer) if answer.holds_head());
        holds_head || self.report.meter.is_waiting()
    }

    /// The bound of whole answers.
    #[must_use]
    pub fn answer_bytes_max(&self) -> usize {
        self.policy.limits.answer_body_bytes_max
    }

    /// Takes the next input and says what to do.
    pub fn handle(&mut self, input: Input<'_>, effects: &mut Vec<Effect>) -> Flow {
        match input {
            Input::RequestHead {
                headers,
                ends,
                host,
            } => {
                let done = self.request_head(headers, ends, host, effects);
                self.request_flow(done, ends, effects)
            }
            Input::RequestBody { body, ends, host } => {
                if let State::Refusing { .. } = self.state {
                    return self.discard(body, ends, effects);
                }
                let done = self.request_body(body, ends, host, effects);
                let flow = self.request_flow(done, ends, effects);
                if let State::Refusing { .. } = self.state {
                    return self.discard(body, ends, effects);
                }
                flow
            }
            Input::AnswerHead { headers, ends } => {
                self.head = self.admission.is_some().then(|| headers.clone());
                let flow = self.answer_head(headers, ends, effects);
                self.note(ends, effects);
                self.tell(flow, effects);
                flow
            }
            Input::AnswerBody { body, ends, host } => {
                let flow = self.answer_body(host, body, ends, effects);
                let noted = self.placement == Placement::Upstream && self.report.note_progress();
                self.note(ends || noted, effects);
                self.tell(flow, effects);
                flow
            }
            Input::AnswerEnd => {
                let flow = self.answer_end(effects);
                self.note(true, effects);
                self.tell(flow, effects);
                flow
            }
            Input::CallAnswer { answer, host, .. } if self.is_admitting() => {
                let done = self.store_answer(host, answer, effects);
                self.request_flow(done, true, effects)
            }
            Input::CallAnswer {
                number: request::STORE_CALL,
                answer,
                host,
            } => {
                let flow = self.grown(host, answer, effects);
                self.tell(flow, effects);
                flow
            }
            Input::CallAnswer {
                number,
                answer,
                host,
            } => {
                let flow = self.call_answer(host, number, answer, effects);
                self.note(flow == Flow::Continue, effects);
                self.tell(flow, effects);
                flow
            }
        }
    }

    /// Adds to the answer's head, when it goes on, how the budgets stand.
    fn tell(&mut self, flow: Flow, effects: &mut Vec<Effect>) {
        let Some(admission) = &self.admission else {
            return;
        };
        let is_reply = |effect: &Effect| matches!(effect, Effect::Reply { .. });
        if self.head.is_none() || (flow == Flow::Hold && !effects.iter().any(is_reply)) {
            return;
        }
        let Some(head) = self.head.take() else {
            return;
        };
        let is_head =
            |effect: &Effect| matches!(effect, Effect::AnswerHeaders(_) | Effect::Reply { .. });
        if !effects.iter().any(is_head) {
            effects.insert(0, Effect::AnswerHeaders(head));
        }
        for effect in effects {
            if let Effect::AnswerHeaders(headers) | Effect::Reply { headers, .. } = effect {
                tell::levels(
                    &admission.ledger.borrow(),
                    self.report.began.unix_ms,
                    headers,
                );
                if !admission.warnings.is_empty() {
                    headers.set(BUDGET_HEADER, admission.warnings.join(", "));
                }
            }
        }
    }

    /// The upstream half's log callback is never called (seen on 1.40), so it notes what it knows.
    fn note(&self, is_due: bool, effects: &mut Vec<Effect>) {
        if is_due && self.placement == Placement::Upstream {
            effects.push(Effect::Note(self.report.note()));
        }
    }

    fn request_flow(
        &mut self,
        done: Result<Flow, Fault>,
        ends: bool,
        effects: &mut Vec<Effect>,
    ) -> Flow {
        let fault = match done {
            Ok(flow) => return flow,
            Err(fault) => fault,
        };
        self.report.fail(&fault);
        // What was to be done before the fault is not done.
        effects.clear();
        let reply = reply(&fault);
        if ends {
            self.state = State::Over;
            effects.push(reply);
        } else {
            self.state = State::Refusing {
                reply,
                discarded_bytes: 0,
            };
        }
        Flow::Hold
    }

    /// Throws away what came of a refused request's body, and replies at its end.
    fn discard(&mut self, body: &dyn Body, ends: bool, effects: &mut Vec<Effect>) -> Flow {
        let State::Refusing {
            discarded_bytes, ..
        } = &mut self.state
        else {
            return Flow::Continue;
        };
        *discarded_bytes = discarded_bytes.saturating_add(body.bytes());
        if !ends && *discarded_bytes <= DISCARDED_BYTES_MAX {
            if body.bytes() > 0 {
                effects.push(Effect::RequestBody(Vec::new()));
            }
        } else if let State::Refusing { reply, .. } =
            std::mem::replace(&mut self.state, State::Over)
        {
            effects.push(reply);
        }
        Flow::Hold
    }

    fn answer_head(&mut self, headers: Headers, ends: bool, effects: &mut Vec<Effect>) -> Flow {
        let waiting = match std::mem::replace(&mut self.state, State::Over) {
            State::Waiting(waiting) => waiting,
            // A reply of our own, or of a filter before us, passes as it is.
            State::Idle
            | State::Receiving(_)
            | State::Boarding(_)
            | State::Admitting(_)
            | State::Refusing { .. }
            | State::Answering(_)
            | State::Over => {
                return Flow::Continue;
            }
        };
        let limits = self.policy.limits;
        let retries = self.placement == Placement::Upstream;
        let report = &mut self.report;
        let (answer, flow) =
            Answer::begin(waiting, retries, headers, ends, limits, report, effects);
        self.state = State::Answering(answer);
        flow
    }

    fn answer_body(
        &mut self,
        host: &dyn Host,
        body: &dyn Body,
        ends: bool,
        effects: &mut Vec<Effect>,
    ) -> Flow {
        let State::Answering(answer) = &mut self.state else {
            return Flow::Continue;
        };
        let limits = self.policy.limits;
        answer.body(host, body, ends, limits, &mut self.report, effects)
    }

    fn call_answer(
        &mut self,
        host: &dyn Host,
        number: usize,
        answered: Result<(Headers, Vec<u8>), Lost>,
        effects: &mut Vec<Effect>,
    ) -> Flow {
        // The answer may have gone out as an error: what comes late is nobody's.
        let State::Answering(answer) = &mut self.state else {
            return Flow::Hold;
        };
        let limits = self.policy.limits;
        answer.call_answer(host, (number, answered), limits, &mut self.report, effects)
    }

    /// Goes on with the admission that waited for a store's answer.
    fn store_answer(
        &mut self,
        host: &dyn Host,
        answer: Result<(Headers, Vec<u8>), Lost>,
        effects: &mut Vec<Effect>,
    ) -> Result<Flow, Fault> {
        let State::Admitting(mut admitting) = std::mem::replace(&mut self.state, State::Over)
        else {
            return Ok(Flow::Hold);
        };
        let answer = answer.map(|(head, body)| (head.status(), body));
        admitting.journal.resume(answer.map_err(|_lost| Unanswered));
        self.go_on(*admitting, host, effects)
    }

    /// Takes what a store says of a stream's hold. [`Flow::Continue`] lets go what was kept back until now.
    fn grown(
        &mut self,
        host: &dyn Host,
        answer: Result<(Headers, Vec<u8>), Lost>,
        effects: &mut Vec<Effect>,
    ) -> Flow {
        let (status, body) = answer.map_or((0, Vec::new()), |(head, body)| (head.status(), body));
        let body = &body;
        let answer = (status != 0).then_some(Inbound { status, body });
        let kept = self.report.meter.hear_store(answer.ok_or(Unanswered), host);
        let call = self.report.meter.call().map(request::store_call);
        effects.extend(call.map(Effect::Dispatch));
        match (kept, &mut self.state) {
            (Some((bytes, ends)), State::Answering(answer)) => {
                answer.let_go(bytes, ends, &mut self.report, effects);
                Flow::Continue
            }
            (_, _) => Flow::Hold,
        }
    }

    fn answer_end(&mut self, effects: &mut Vec<Effect>) -> Flow {
        let State::Answering(answer) = &mut self.state else {
            return Flow::Continue;
        };
        let retries = self.placement == Placement::Upstream;
        answer.end_without_body(retries, self.policy.limits, &mut self.report, effects)
    }
}

/// What an exchange cost.
enum Cost {
    /// No provider has done anything.
    Nothing,
    Tokens(Tokens),
    /// Nobody can say, so it is what was held: a provider has answered, and nobody can read it.
    Held,
}

/// Tokens by class, of which a provider's totals are made.
fn tokens(usage: &Usage) -> Tokens {
    let reasoning = usage.reasoning_tokens.unwrap_or(0);
    let cached = usage.cached_tokens.saturating_add(usage.cache_write_tokens);
    Tokens {
        input: usage.input_tokens.saturating_sub(cached),
        cached: usage.cached_tokens,
        cache_write: usage.cache_write_tokens,
        output: usage.output_tokens.saturating_sub(reasoning),
        reasoning,
    }
}

/// A fault as an answer of our own.
fn reply(fault: &Fault) -> Effect {
    let mut body = Vec::new();
    write_error(fault, &mut body);
    let mut headers = Headers::new();
    headers.push("content-type", "application/json");
    if let Fault::Client(crate::fault::Client::Method { allow }) = fault {
        headers.push("allow", *allow);
    }
    tell::retry(fault, &mut headers);
    Effect::Reply {
        status: fault.status(),
        headers,
        body,
    }
}
