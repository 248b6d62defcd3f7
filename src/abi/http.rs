//! The context of one request: callbacks in, effects out.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::exchange::{Effect, Exchange, Flow, Input, Lost};
use crate::turn::Headers;

use super::host::{self, Buffer, Properties, Side, Token};
use super::leases::Leases;
use super::metrics::Metrics;
use super::watch::Watch;

/// Names in filter state, where Envoy puts `wasm.` before them.
const NOTE_TO_UPSTREAM: &str = "tollgate";
const NOTE_TO_EDGE: &str = "tollgate_report";

/// What all requests of a worker have in common.
#[derive(Clone, Default)]
pub(super) struct Worker {
    pub(super) watch: Rc<Watch>,
    pub(super) metrics: Rc<Metrics>,
    pub(super) leases: Rc<Leases>,
}

pub(super) struct Http {
    context_id: u32,
    exchange: Exchange,
    /// Kept between callbacks for its memory.
    effects: Vec<Effect>,
    /// What the proxy holds of the body that is coming in: trailers end a body without saying its size.
    /// Nothing where no body came, and so no buffer is there to write into.
    held_bytes: Option<usize>,
    /// The calls of our own that are on their way: the proxy's token for each, and its number.
    calls: Vec<(Token, usize)>,
    worker: Worker,
    /// The upstream half's line is left to the edge half, which sees the whole exchange.
    logs: bool,
}

impl Http {
    pub(super) fn new(context_id: u32, exchange: Exchange, worker: Worker, logs: bool) -> Self {
        Self {
            context_id,
            exchange,
            effects: Vec::new(),
            held_bytes: None,
            calls: Vec::new(),
            worker,
            logs,
        }
    }

    fn handle(&mut self, input: Input<'_>, bytes: &Buffer) -> Action {
        let flow = self.exchange.handle(input, &mut self.effects);
        let mut refused = None;
        for effect in self.effects.drain(..) {
            if let Effect::RequestBody(body) | Effect::AnswerBody(body) = &effect {
                self.held_bytes = Some(body.len());
            }
            if let Effect::Dispatch(call) = &effect {
                match host::dispatch(call) {
                    Ok(token) => self.calls.push((token, call.number)),
                    Err(_status) => refused = Some(call.number),
                }
            } else {
                apply(effect, bytes);
            }
        }
        if let Some(number) = refused {
            let action = self.call_answer(number, Err(Lost::Refused), bytes);
            // What nothing waited for holds nothing.
            if action == Action::Continue {
                return action;
            }
        }
        match flow {
            Flow::Continue => Action::Continue,
            Flow::Hold => Action::Pause,
        }
    }

    fn call_answer(
        &mut self,
        number: usize,
        answer: Result<(Headers, Vec<u8>), Lost>,
        held: &Buffer,
    ) -> Action {
        let input = Input::CallAnswer {
            number,
            answer,
            host: &Properties,
        };
        self.handle(input, held)
    }

    fn request_body(&mut self, bytes: usize, ends: bool) -> Action {
        let body = Buffer {
            side: Side::Request,
            bytes,
        };
        let input = Input::RequestBody {
            body: &body,
            ends,
            host: &Properties,
        };
        let action = self.handle(input, &body);
        if ends {
            self.add_lease();
        }
        action
    }

    fn add_lease(&self) {
        if let Some(lease) = self.exchange.lease() {
            self.worker.leases.add(lease);
        }
    }

    fn answer_body(&mut self, bytes: usize, ends: bool) -> Action {
        let body = Buffer {
            side: Side::Answer,
            bytes,
        };
        let input = Input::AnswerBody {
            body: &body,
            ends,
            host: &Properties,
        };
        self.handle(input, &body)
    }
}

fn apply(effect: Effect, bytes: &Buffer) {
    let done = match effect {
        Effect::RequestHeaders(headers) => host::set_headers(Side::Request, &headers),
        Effect::AnswerHeaders(headers) => host::set_headers(Side::Answer, &headers),
        Effect::RequestBody(body) | Effect::AnswerBody(body) => bytes.replace(&body),
        Effect::Reroute => host::reroute(),
        Effect::Remember(note) => host::remember(NOTE_TO_UPSTREAM, &note),
        Effect::Note(note) => host::remember(NOTE_TO_EDGE, &note),
        Effect::Dispatch(_) => Ok(()),
        Effect::Reply {
            status,
            headers,
            body,
        } => host::reply(status, &headers, &body),
    };
    if let Err(status) = done {
        log::error!("the proxy refused a call: {status:?}");
    }
}

impl Http {
    /// A call has come to its end.
    fn called(&mut self, token: Token, answer: Result<(Headers, Vec<u8>), Lost>) {
        let Some(at) = self.calls.iter().position(|(known, _)| *known == token) else {
            return;
        };
        let (_, number) = self.calls.swap_remove(at);
        let is_request = self.exchange.is_admitting();
        let side = match is_request {
            true => Side::Request,
            false => Side::Answer,
        };
        let held = Buffer {
            side,
            bytes: self.held_bytes.unwrap_or(0),
        };
        let action = self.call_answer(number, answer, &held);
        if action == Action::Pause {
            return;
        }
        // The proxy lets it go once this callback has returned.
        let resumed = match is_request {
            true => {
                self.add_lease();
                host::resume_request()
            }
            false => host::resume_answer(),
        };
        if let Err(status) = resumed {
            log::error!("the proxy refused a call: {status:?}");
        }
    }
}

impl Context for Http {
    fn on_http_call_response(&mut self, token: u32, _: usize, body_size: usize, _: usize) {
        let answer = host::call_answer(body_size, self.exchange.answer_bytes_max());
        self.called(Token::Http(token), answer);
    }

    fn on_grpc_call_response(&mut self, token: u32, status: u32, body_size: usize) {
        let answer = host::grpc_answer(status, body_size, self.exchange.answer_bytes_max());
        self.called(Token::Grpc(token), answer);
    }
}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        let input = Input::RequestHead {
            headers: host::headers(Side::Request),
            ends: end_of_stream,
            host: &Properties,
        };
        let none = Buffer {
            side: Side::Request,
            bytes: 0,
        };
        let action = self.handle(input, &none);
        if end_of_stream {
            self.add_lease();
        }
        if self.worker.watch.is_on() && self.exchange.is_receiving() {
            let bytes = host::received_bytes();
            self.worker.watch.held(self.context_id, host::now(), bytes);
        }
        action
    }

    fn on_http_request_body(&mut self, body_size: usize, end_of_stream: bool) -> Action {
        self.worker.watch.delivered();
        self.held_bytes = Some(body_size);
        self.request_body(body_size, end_of_stream)
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        if self.exchange.is_receiving() {
            self.request_body(self.held_bytes.unwrap_or(0), true)
        } else {
            Action::Continue
        }
    }

    fn on_http_response_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        self.held_bytes = None;
        let input = Input::AnswerHead {
            headers: host::headers(Side::Answer),
            ends: end_of_stream,
        };
        let none = Buffer {
            side: Side::Answer,
            bytes: 0,
        };
        self.handle(input, &none)
    }

    fn on_http_response_body(&mut self, body_size: usize, end_of_stream: bool) -> Action {
        self.held_bytes = Some(body_size);
        self.answer_body(body_size, end_of_stream)
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        if !self.exchange.holds_answer() {
            return Action::Continue;
        }
        match self.held_bytes {
            Some(bytes) => self.answer_body(bytes, true),
            None => {
                let none = Buffer {
                    side: Side::Answer,
                    bytes: 0,
                };
                self.handle(Input::AnswerEnd, &none)
            }
        }
    }

    fn on_log(&mut self) {
        self.worker.watch.gone(self.context_id);
        if !self.logs {
            return;
        }
        let note = host::property(&["filter_state", "wasm.tollgate_report"]);
        let note = note.and_then(|note| String::from_utf8(note).ok());
        self.exchange.settle(note.as_deref(), &Properties);
        let report = self.exchange.report(note.as_deref());
        self.worker.metrics.count(report);
        if host::logs_info() {
            let took_ms = host::now().unix_ms.saturating_sub(report.began.unix_ms);
            log::info!("{report} ms={took_ms}");
        }
    }
}
