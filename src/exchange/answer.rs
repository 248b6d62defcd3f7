//! The way back: from the upstream's head to the app's last byte.
//!
//! The head is held as long as a fault can still become a status: until the body is whole, or until
//! the first event of a stream. After that a fault can only be told in band.

use crate::client::error::write_error;
use crate::client::{Client, Writer};
use crate::fault::{Fault, Upstream};
use crate::limits::Limits;
use crate::provider::{self, Decoder, Path, Relay};
use crate::turn::{Detail, Event, Finish, Headers};

use super::passage::{self, Passing, Way};
use super::redact::Filter;
use super::request::store_call;
use super::{
    Body, DROPPED_HEADER, Effect, Flow, GUARDRAIL_HEADER, Host, INVOKED_MODEL_HEADER, Lost,
    REDACTED_HEADER, Report, Turn, Waiting,
};

/// An answer on its way to the app.
pub(super) enum Answer {
    /// It goes on as it is.
    Passing,
    /// Its head is held until its body is whole.
    Collecting { waiting: Waiting, head: Headers },
    /// It goes on piece by piece; the head is held until the first piece.
    Streaming {
        turn: Turn,
        head: Option<Headers>,
        stream: Stream,
        filter: Option<Box<Filter>>,
    },
    /// Its events pass, and its head has gone.
    Relaying(passage::Events),
    /// It goes on as it is, as long as its budgets have room: the edge half reads what the upstream half wrote.
    Measuring {
        client: &'static dyn Client,
        relay: Box<dyn Relay>,
    },
    /// The app has been told how it ended; what still comes is swallowed.
    Spent,
}

/// How a stream's bytes are turned into the app's.
pub(super) enum Stream {
    /// Its events are written anew.
    Translated {
        decoder: Box<dyn Decoder>,
        writer: Box<dyn Writer>,
    },
    /// Its events pass.
    Relayed(Box<dyn Relay>),
}

/// What of an upstream's head the app gets to see when the answer is written anew.
const KEPT: &[&str] = &[
    "date",
    "retry-after",
    "retry-after-ms",
    "server",
    "x-envoy-upstream-service-time",
    "x-request-id",
];
const RATE_LIMIT_PREFIX: &str = "x-ratelimit-";

impl Answer {
    /// Takes the head. `retries` says that the proxy decides about a retry once the head goes on.
    pub(super) fn begin(
        waiting: Waiting,
        retries: bool,
        head: Headers,
        ends: bool,
        limits: Limits,
        report: &mut Report,
        effects: &mut Vec<Effect>,
    ) -> (Self, Flow) {
        report.status = head.status();
        // Of the provider's answer the upstream half tells.
        report.is_served = report.status == 200 && !matches!(waiting, Waiting::Edge { .. });
        let begun = match waiting {
            Waiting::Edge { metered } if is_openai_shaped(&head) => {
                Self::measure(metered, &head, limits)
            }
            Waiting::Turn(turn) if turn.streams(&head) => Self::stream(turn, head, limits),
            Waiting::Passage(passing) => Self::pass(passing, head, ends, limits, report, effects),
            waiting @ (Waiting::Edge { .. } | Waiting::Turn(_) | Waiting::Embedding(_)) => {
                Self::Collecting { waiting, head }
            }
        };
        if matches!(
            begun,
            Self::Passing | Self::Relaying(_) | Self::Measuring { .. }
        ) {
            return (begun, Flow::Continue);
        }
        if !ends {
            return (begun, Flow::Hold);
        }
        let mut held = begun;
        let flow = held.end_without_body(retries, limits, report, effects);
        (held, flow)
    }

    /// Ends an answer whose head is held and no body follows, so that there is nothing to write one into.
    pub(super) fn end_without_body(
        &mut self,
        retries: bool,
        limits: Limits,
        report: &mut Report,
        effects: &mut Vec<Effect>,
    ) -> Flow {
        self.end(&[], limits, report, effects);
        *self = Self::Spent;
        if retries {
            as_head(effects)
        } else {
            as_reply(effects)
        }
    }

    /// Begins an answer that passes: its head goes at once, unless it failed.
    fn pass(
        mut passing: Passing,
        head: Headers,
        ends: bool,
        limits: Limits,
        report: &mut Report,
        effects: &mut Vec<Effect>,
    ) -> Self {
        let tells = passing.tells();
        let way = Way::of(&mut passing, &head, limits.event_bytes_max);
        if matches!(way, Way::Held) && !(ends && passage::is_success(&head)) {
            let waiting = Waiting::Passage(passing);
            return Self::Collecting { waiting, head };
        }
        // Without a body there is nothing to relay, and nothing to tell a fault in.
        let events = match way {
            Way::Events(events) if !ends => Some(events),
            Way::Events(_) | Way::Whole | Way::Held => None,
        };
        report.stream = events.is_some();
        let mut opened = passage::opened(&head, events.is_some());
        if tells {
            opened.push(REDACTED_HEADER, report.redacted.to_string());
        }
        if opened != head {
            effects.push(Effect::AnswerHeaders(opened));
        }
        events.map_or(Self::Passing, Self::Relaying)
    }

    /// Whether the host still holds the head.
    pub(super) const fn holds_head(&self) -> bool {
        matches!(
            self,
            Self::Collecting { .. } | Self::Streaming { head: Some(_), .. }
        )
    }

    /// An answer of the upstream half's.
    fn measure(metered: Option<&'static dyn Client>, head: &Headers, limits: Limits) -> Self {
        let Some(client) = metered.filter(|_| head.has_content_type("text/event-stream")) else {
            return Self::Passing;
        };
        match provider::relay(client.format(), limits.event_bytes_max) {
            Some(relay) => Self::Measuring { client, relay },
            None => Self::Passing,
        }
    }

    fn stream(mut turn: Turn, head: Headers, limits: Limits) -> Self {
        let stream = match turn.target.path(turn.client.format()) {
            Some(Path::Edited(edit)) => Stream::Relayed(edit.relay(turn.opening.include_usage)),
            Some(Path::Translated(translate)) => Stream::Translated {
                decoder: translate.decoder(&head),
                writer: turn.client.writer(turn.opening.clone()),
            },
            Some(Path::Embedded(_)) | None => {
                let waiting = Waiting::Turn(turn);
                return Self::Collecting { waiting, head };
            }
        };
        let redaction = turn.redaction.take();
        turn.tells_redacted = redaction.as_ref().is_some_and(|it| it.tells_found());
        let filter = redaction.and_then(|it| it.into_filter(limits.event_bytes_max));
        Self::Streaming {
            turn,
            head: Some(head),
            stream,
            filter,
        }
    }

    /// Takes more of the body.
    pub(super) fn body(
        &mut self,
        host: &dyn Host,
        body: &dyn Body,
        ends: bool,
        limits: Limits,
        report: &mut Report,
        effects: &mut Vec<Effect>,
    ) -> Flow {
        match self {
            Self::Passing => Flow::Continue,
            Self::Spent => {
                if body.bytes() > 0 {
                    effects.push(Effect::AnswerBody(Vec::new()));
                }
                Flow::Continue
            }
            Self::Collecting { .. } if !ends && body.bytes() <= limits.answer_body_bytes_max => {
                Flow::Hold
            }
            Self::Collecting { .. } => {
                let bytes = if body.bytes() <= limits.answer_body_bytes_max {
                    body.read()
                } else {
                    Vec::new()
                };
                if bytes.is_empty() && body.bytes() > 0 {
                    self.fail(too_large(), report, effects);
                } else if let Self::Collecting {
                    waiting: Waiting::Embedding(embedding),
                    head,
                } = self
                {
                    let taken = embedding.take(0, head, &bytes, limits);
                    return self.gather(host, taken, report, effects);
                } else {
                    self.end(&bytes, limits, report, effects);
                }
                *self = Self::Spent;
                Flow::Continue
            }
            Self::Streaming { .. } => self.chunk(host, &body.read(), ends, report, effects),
            Self::Relaying(events) => {
                if !passage::relayed(events, &body.read(), ends, report, effects) {
                    *self = Self::Spent;
                }
                Flow::Continue
            }
            Self::Measuring { .. } => self.measured(host, &body.read(), ends, report, effects),
        }
    }

    /// Takes a piece of a stream that the upstream half wrote.
    fn measured(
        &mut self,
        host: &dyn Host,
        bytes: &[u8],
        ends: bool,
        report: &mut Report,
        effects: &mut Vec<Effect>,
    ) -> Flow {
        let Self::Measuring { client, relay } = self else {
            return Flow::Continue;
        };
        let mut out = Vec::with_capacity(bytes.len());
        let mut sink = |event: Event<'_>| report.meet(event, host);
        let fed = relay
            .push(bytes, &mut out, &mut sink)
            .and_then(|()| match ends {
                true => relay.finish(&mut out, &mut sink),
                false => Ok(()),
            });
        let is_cut = report.meter.is_cut && relay.cut(&mut out);
        if let (Err(fault), false) = (&fed, is_cut)
            && !relay.fail(fault, &mut out)
        {
            client.write_stream_fault(fault, &mut out);
        }
        effects.extend(report.meter.call().map(store_call).map(Effect::Dispatch));
        if fed.is_ok() && report.meter.keep(&mut out, ends) {
            effects.push(Effect::AnswerBody(Vec::new()));
            return Flow::Hold;
        }
        report.meter.give_up(&mut out);
        if out != bytes {
            effects.push(Effect::AnswerBody(out));
        }
        if ends || fed.is_err() {
            *self = Self::Spent;
        }
        Flow::Continue
    }

    /// Lets go what was kept back while a store was asked, and ends the stream if there is no more room.
    pub(super) fn let_go(
        &mut self,
        mut kept: Vec<u8>,
        ends: bool,
        report: &mut Report,
        effects: &mut Vec<Effect>,
    ) {
        let is_cut = report.meter.is_cut;
        let mut end = Vec::new();
        match self {
            Self::Streaming {
                turn,
                head,
                stream,
                filter,
            } => {
                if is_cut && let Err(fault) = stream.cut(&mut end) {
                    report.fail_in_stream(&fault);
                    turn.client.write_stream_fault(&fault, &mut end);
                }
                if let (Some(filter), true) = (filter, is_cut) {
                    let written = std::mem::take(&mut end);
                    let counts = &mut report.redacted.answer;
                    if let Err(fault) = filter.push(&written, &mut end, counts) {
                        report.fail_in_stream(&fault);
                        let mut told = Vec::new();
                        turn.client.write_stream_fault(&fault, &mut told);
                        filter.fail(&told, &mut end);
                    }
                }
                if let Some(head) = head.take() {
                    turn.open(stream, head, report, effects);
                }
            }
            Self::Measuring { relay, .. } if is_cut => {
                let _is_cut = relay.cut(&mut end);
            }
            Self::Measuring { .. }
            | Self::Passing
            | Self::Collecting { .. }
            | Self::Relaying(_)
            | Self::Spent => {}
        }
        kept.append(&mut end);
        effects.push(Effect::AnswerBody(kept));
        if ends || is_cut {
            *self = Self::Spent;
        }
    }

    /// Finishes an answer whose body is whole.
    fn end(
        &mut self,
        bytes: &[u8],
        limits: Limits,
        report: &mut Report,
        effects: &mut Vec<Effect>,
    ) {
        let done = match self {
            Self::Collecting { waiting, head } => match waiting {
                Waiting::Edge { .. } => Err(from_gateway(head.status(), limits)),
                Waiting::Turn(turn) => turn.whole(head, bytes, report),
                Waiting::Passage(passing) => passing.whole(head, bytes, report),
                // Without a body there is no vector.
                Waiting::Embedding(embedding) => {
                    let taken = embedding.take(0, head, bytes, limits);
                    taken.and_then(|()| Err(Fault::from(Upstream::truncated())))
                }
            },
            Self::Streaming { .. } => Err(Fault::from(Upstream::truncated())),
            Self::Passing | Self::Relaying(_) | Self::Measuring { .. } | Self::Spent => return,
        };
        match (done, self) {
            (
                Ok(Some(body)),
                Self::Collecting {
                    waiting: Waiting::Turn(turn),
                    head,
                },
            ) => turn.answer(head, body, report, effects),
            (
                Ok(Some(body)),
                Self::Collecting {
                    waiting: Waiting::Passage(passing),
                    head,
                },
            ) => passing.answer(head, body, report, effects),
            // The body passes as it is; a provider's cookies are the gateway's, not the app's.
            (Ok(None), Self::Collecting { waiting, head }) => {
                let mut passed = head.clone();
                passed.remove("set-cookie");
                if let Waiting::Turn(turn) = waiting {
                    turn.tell_dropped(&mut passed);
                    turn.tell_redacted(report, &mut passed);
                }
                if let Waiting::Passage(passing) = waiting
                    && passing.tells()
                {
                    passed.push(REDACTED_HEADER, report.redacted.to_string());
                }
                if passed != *head {
                    effects.push(Effect::AnswerHeaders(passed));
                }
            }
            (Ok(_), _) => {}
            (Err(fault), answer) => answer.fail(fault, report, effects),
        }
    }

    /// Takes the answer to one of the filter's own calls, while the head is held.
    pub(super) fn call_answer(
        &mut self,
        host: &dyn Host,
        (number, answered): (usize, Result<(Headers, Vec<u8>), Lost>),
        limits: Limits,
        report: &mut Report,
        effects: &mut Vec<Effect>,
    ) -> Flow {
        let Self::Collecting {
            waiting: Waiting::Embedding(embedding),
            ..
        } = self
        else {
            return Flow::Hold;
        };
        let taken = answered
            .map_err(Lost::fault)
            .and_then(|(head, body)| embedding.take(number, &head, &body, limits));
        self.gather(host, taken, report, effects)
    }

    /// Goes on after an answer with vectors: with more calls, or to the end.
    fn gather(
        &mut self,
        host: &dyn Host,
        taken: Result<(), Fault>,
        report: &mut Report,
        effects: &mut Vec<Effect>,
    ) -> Flow {
        let Self::Collecting {
            waiting: Waiting::Embedding(embedding),
            head,
        } = self
        else {
            return Flow::Hold;
        };
        // It is charged however the others end.
        report.usage = embedding.usage();
        match taken.and_then(|()| embedding.send(host, effects)) {
            Ok(()) if !embedding.is_complete() => return Flow::Hold,
            Ok(()) => {
                let body = embedding.write();
                embedding.turn.answer(head, body, report, effects);
            }
            Err(fault) => {
                effects.clear();
                self.fail(fault, report, effects);
            }
        }
        *self = Self::Spent;
        Flow::Continue
    }

    /// Takes a piece of a stream.
    fn chunk(
        &mut self,
        host: &dyn Host,
        bytes: &[u8],
        ends: bool,
        report: &mut Report,
        effects: &mut Vec<Effect>,
    ) -> Flow {
        let Self::Streaming {
            turn,
            head,
            stream,
            filter,
        } = self
        else {
            return Flow::Continue;
        };
        let mut out = Vec::new();
        let fed = stream.push(host, bytes, &mut out, report).and_then(|()| {
            if ends {
                stream.finish(host, &mut out, report)
            } else {
                Ok(())
            }
        });
        let mut fed = match fed {
            Err(fault) if report.meter.is_cut => stream.cut(&mut out).map_err(|_unable| fault),
            fed => fed,
        };
        if let Some(filter) = filter {
            let came = std::mem::take(&mut out);
            let filtered = filter.push(&came, &mut out, &mut report.redacted.answer);
            fed = filtered.and(fed);
        }
        effects.extend(report.meter.call().map(store_call).map(Effect::Dispatch));
        if fed.is_ok() && report.meter.keep(&mut out, ends) {
            effects.push(Effect::AnswerBody(Vec::new()));
            return Flow::Hold;
        }
        report.meter.give_up(&mut out);
        match fed {
            Ok(()) if out.is_empty() && head.is_some() => {
                effects.push(Effect::AnswerBody(out));
                return Flow::Hold;
            }
            Ok(()) => {}
            Err(fault) if out.is_empty() && head.is_some() => {
                self.fail(fault, report, effects);
                *self = Self::Spent;
                return Flow::Continue;
            }
            Err(fault) => {
                let fault = match filter {
                    Some(filter) => filter.fault(fault, &mut report.redacted.answer),
                    None => fault,
                };
                report.fail_in_stream(&fault);
                let mut told = Vec::new();
                if !stream.fail(&fault, &mut told) {
                    turn.client.write_stream_fault(&fault, &mut told);
                }
                match filter {
                    Some(filter) => filter.fail(&told, &mut out),
                    None => out.append(&mut told),
                }
            }
        }
        if let Some(head) = head.take() {
            turn.open(stream, head, report, effects);
        }
        // A relay changes few bytes: where it changed none, the host has them already.
        if out != bytes {
            effects.push(Effect::AnswerBody(out));
        }
        if ends || report.code.is_some() || report.meter.is_cut {
            *self = Self::Spent;
        }
        Flow::Continue
    }

    /// Makes the answer an error, while its head is held.
    fn fail(&mut self, fault: Fault, report: &mut Report, effects: &mut Vec<Effect>) {
        let counts = &mut report.redacted.answer;
        let (head, fault) = match self {
            Self::Collecting { head, waiting } => match waiting.redaction() {
                Some(redaction) => (head, redaction.fault(fault, counts)),
                None => (head, fault),
            },
            Self::Streaming {
                head: Some(head),
                filter,
                ..
            } => match filter {
                Some(filter) => (head, filter.fault(fault, counts)),
                None => (head, fault),
            },
            Self::Streaming { head: None, .. }
            | Self::Measuring { .. }
            | Self::Passing
            | Self::Relaying(_)
            | Self::Spent => return report.fail(&fault),
        };
        report.fail(&fault);
        let mut body = Vec::new();
        write_error(&fault, &mut body);
        let mut head = kept(head);
        head.set(":status", fault.status().to_string());
        head.push("content-type", "application/json");
        head.push("content-length", body.len().to_string());
        effects.push(Effect::AnswerHeaders(head));
        effects.push(Effect::AnswerBody(body));
    }
}

impl Turn {
    /// Whether this head begins the stream that was asked for.
    fn streams(&self, head: &Headers) -> bool {
        if !self.opening.stream || head.status() != 200 || head.is_compressed() {
            return false;
        }
        match self.target.path(self.client.format()) {
            Some(Path::Edited(_)) => head.has_content_type("text/event-stream"),
            Some(Path::Translated(translate)) => translate.is_stream(head),
            Some(Path::Embedded(_)) | None => false,
        }
    }

    /// Turns a whole body back; nothing where it is in the app's format already.
    fn whole(
        &mut self,
        head: &Headers,
        bytes: &[u8],
        report: &mut Report,
    ) -> Result<Option<Vec<u8>>, Fault> {
        self.refuse(head, bytes)?;
        let mut out = Vec::new();
        match self.target.path(self.client.format()) {
            Some(Path::Edited(edit)) => {
                edit.inspect(bytes, &mut out, &mut |event| {
                    report.count(event);
                    Ok(())
                })?;
            }
            Some(Path::Translated(translate)) => {
                let mut writer = self.client.writer(self.opening.clone());
                translate.decode(head, bytes, &mut |event| {
                    report.count(event);
                    writer.write(event, &mut out)
                })?;
                writer.finish(&mut out)?;
            }
            Some(Path::Embedded(_)) | None => {
                return Err(Fault::Internal("an answer without a path back"));
            }
        }
        if self.opening.stream {
            return Err(Fault::from(Upstream::broken(
                "upstream_not_a_stream",
                "the provider answered in one piece where a stream was due",
            )));
        }
        let Some(redaction) = &mut self.redaction else {
            return Ok((!out.is_empty()).then_some(out));
        };
        let counts = &mut report.redacted.answer;
        if let Some(trace) = &mut report.guardrail
            && self.shows_guardrail
        {
            let redacted = redaction.whole(trace, true, counts)?;
            report.guardrail = header_text(&redacted);
        }
        let whole = if out.is_empty() { bytes } else { &out };
        let redacted = redaction.answer(whole, counts)?;
        Ok(redacted.or_else(|| (!out.is_empty()).then_some(out)))
    }

    /// Fails where a whole answer says of itself that it failed, or cannot be read.
    pub(super) fn refuse(&self, head: &Headers, bytes: &[u8]) -> Result<(), Fault> {
        if head.is_compressed() {
            return Err(Fault::from(Upstream::compressed()));
        }
        if head.status() != 200 {
            return Err(self.target.refusal(head, bytes));
        }
        Ok(())
    }

    /// Answers with a body that was written anew.
    fn answer(&self, head: &Headers, body: Vec<u8>, report: &Report, effects: &mut Vec<Effect>) {
        let mut head = kept(head);
        head.push("content-type", "application/json");
        head.push("content-length", body.len().to_string());
        self.tell_dropped(&mut head);
        self.tell_redacted(report, &mut head);
        self.tell_details(report, &mut head);
        effects.push(Effect::AnswerHeaders(head));
        effects.push(Effect::AnswerBody(body));
    }

    /// Lets a stream's head go.
    fn open(&self, stream: &Stream, head: Headers, report: &Report, effects: &mut Vec<Effect>) {
        let mut opened = match stream {
            Stream::Relayed(_) => {
                let mut head = head;
                head.retain(|name| !matches!(name, "content-length" | "set-cookie"));
                head
            }
            Stream::Translated { .. } => {
                let mut head = kept(&head);
                head.push("content-type", "text/event-stream");
                head.push("cache-control", "no-cache");
                head
            }
        };
        self.tell_dropped(&mut opened);
        self.tell_redacted(report, &mut opened);
        effects.push(Effect::AnswerHeaders(opened));
    }

    fn tell_details(&self, report: &Report, head: &mut Headers) {
        if let Some(model) = &report.invoked_model {
            head.push(INVOKED_MODEL_HEADER, model.as_str());
        }
        if let Some(trace) = &report.guardrail
            && self.shows_guardrail
        {
            head.push(GUARDRAIL_HEADER, trace.as_str());
        }
    }

    /// Tells what was found; of a stream, what was found in its request.
    fn tell_redacted(&self, report: &Report, head: &mut Headers) {
        if self.tells_redacted {
            // What of the answer has come by now depends on where chunks were cut.
            head.push(REDACTED_HEADER, report.redacted.of_request().to_string());
        } else if self.redaction.as_ref().is_some_and(|it| it.tells_found()) {
            head.push(REDACTED_HEADER, report.redacted.to_string());
        }
    }

    fn tell_dropped(&self, head: &mut Headers) {
        if !self.dropped.is_empty() {
            head.push(DROPPED_HEADER, self.dropped.join(", "));
        }
    }
}

impl Stream {
    fn push(
        &mut self,
        host: &dyn Host,
        bytes: &[u8],
        out: &mut Vec<u8>,
        report: &mut Report,
    ) -> Result<(), Fault> {
        match self {
            Self::Translated { decoder, writer } => decoder.push(bytes, &mut |event| {
                report.meet(event, host)?;
                writer.write(event, out)
            }),
            Self::Relayed(relay) => relay.push(bytes, out, &mut |event| report.meet(event, host)),
        }
    }

    fn finish(
        &mut self,
        host: &dyn Host,
        out: &mut Vec<u8>,
        report: &mut Report,
    ) -> Result<(), Fault> {
        match self {
            Self::Translated { decoder, writer } => {
                decoder.finish(&mut |event| {
                    report.meet(event, host)?;
                    writer.write(event, out)
                })?;
                writer.finish(out)
            }
            Self::Relayed(relay) => relay.finish(out, &mut |event| report.meet(event, host)),
        }
    }

    /// Ends the stream as if its limit of tokens had been met.
    fn cut(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        match self {
            Self::Translated { writer, .. } => {
                let reason = Finish::Length;
                writer.write(Event::Finish { choice: 0, reason }, out)?;
                writer.finish(out)
            }
            Self::Relayed(relay) => {
                let is_cut = relay.cut(out);
                is_cut
                    .then_some(())
                    .ok_or(Fault::Internal("a stream that cannot be ended"))
            }
        }
    }
}

impl Stream {
    /// Tells the fault in the stream's own words, if it has them.
    fn fail(&mut self, fault: &Fault, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Translated { writer, .. } => writer.fail(fault, out),
            Self::Relayed(relay) => relay.fail(fault, out),
        }
    }
}

impl Report {
    /// Keeps what an event of a stream says about costs.
    ///
    /// # Errors
    /// The budgets have no room for what it says: it must not go on.
    fn meet(&mut self, event: Event<'_>, host: &dyn Host) -> Result<(), Fault> {
        self.count(event);
        self.meter.grow(host)
    }

    /// Keeps what an event says about costs.
    fn count(&mut self, event: Event<'_>) {
        self.meter.hear(event);
        if let Event::Usage(usage) = event {
            self.usage = Some(usage);
        }
        // Of a stream the rest comes when its head has long gone out.
        if self.stream {
            return;
        }
        if let Event::Detail(Detail::InvokedModel(model)) = event {
            self.invoked_model = header_text(model);
        }
        if let Event::Detail(Detail::Guardrail(trace)) = event {
            self.guardrail = header_text(trace);
        }
    }
}

/// What a header may hold; nothing if it is too long for most.
fn header_text(text: &str) -> Option<String> {
    let letters = text.chars();
    let text = letters.map(|letter| if letter.is_control() { ' ' } else { letter });
    (text.clone().count() <= HEADER_CHARACTERS_MAX).then(|| text.collect())
}

const HEADER_CHARACTERS_MAX: usize = 4096;

/// There is no body to change and a reply would end the retries (seen on Envoy 1.40), so only the head
/// tells what happened. The edge half writes the body by its status.
fn as_head(effects: &mut Vec<Effect>) -> Flow {
    effects.retain_mut(|effect| {
        let Effect::AnswerHeaders(head) = effect else {
            return false;
        };
        head.retain(|name| !matches!(name, "content-length" | "content-type"));
        true
    });
    Flow::Continue
}

/// There is no body to change: what would have replaced head and body is sent as a reply.
fn as_reply(effects: &mut Vec<Effect>) -> Flow {
    let mut reply = None;
    for effect in effects.drain(..) {
        match (effect, &mut reply) {
            (Effect::AnswerHeaders(mut headers), reply) => {
                let status = headers.status();
                headers.retain(|name| !matches!(name, ":status" | "content-length"));
                *reply = Some((status, headers, Vec::new()));
            }
            (Effect::AnswerBody(bytes), Some((_, _, body))) => *body = bytes,
            (_, _) => {}
        }
    }
    match reply {
        Some((status, headers, body)) => {
            effects.push(Effect::Reply {
                status,
                headers,
                body,
            });
            Flow::Hold
        }
        None => Flow::Continue,
    }
}

/// The upstream half and OpenAI-shaped errors need nothing; Envoy's own replies are plain text.
fn is_openai_shaped(head: &Headers) -> bool {
    head.status() < 400 || head.has_content_type("application/json")
}

/// The head that an answer written anew starts with.
fn kept(head: &Headers) -> Headers {
    let mut kept = head.clone();
    kept.retain(|name| {
        name == ":status" || KEPT.contains(&name) || name.starts_with(RATE_LIMIT_PREFIX)
    });
    // AWS names its request id otherwise; OpenAI's SDKs show `x-request-id`.
    if let Some(id) = head.bytes("x-amzn-requestid") {
        kept.set("x-request-id", id);
    }
    kept
}

/// An answer that Envoy itself gave in place of an upstream.
fn from_gateway(status: u16, limits: Limits) -> Fault {
    if status == 413 {
        let limit = limits.request_body_bytes_max;
        return Fault::Client(crate::fault::Client::TooLarge { limit });
    }
    let (code, message) = match status {
        404 => (
            "route_missing",
            "the gateway has no route to the model's provider",
        ),
        408 | 504 => (
            "upstream_timeout",
            "the model's provider did not answer in time",
        ),
        429 => (
            "rate_limit_exceeded",
            "the gateway limits the rate of requests",
        ),
        _ => (
            "upstream_unavailable",
            "the model's provider could not be reached",
        ),
    };
    let kind = if status == 429 {
        "rate_limit_error"
    } else {
        "server_error"
    };
    Fault::from(Upstream {
        status,
        kind: kind.into(),
        code: Some(code.into()),
        message: message.to_owned(),
        param: None,
        inner: None,
    })
}

pub(super) fn too_large() -> Fault {
    Fault::from(Upstream::broken(
        "upstream_too_large",
        "the provider's answer exceeds this gateway's limit",
    ))
}
