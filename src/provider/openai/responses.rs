//! The responses API at OpenAI and Azure, for apps that speak it: requests are edited, answers pass.
//!
//! ```text
//! Waiting -- first event --> Streaming -- completed, incomplete --> Done
//!                                      \- failed -----------------> Failed
//! ```
//! - `model` becomes the upstream's name, where that differs. Reasoning that this gateway sealed for
//!   another provider is taken out of the input: OpenAI refuses what it did not encrypt itself.
//! - The events of a stream come out with the bytes they came in with. An end without one of the last
//!   events, or data that is no event, is a fault; what follows the last event is ignored. The app is
//!   told by `error`, unless the upstream has said so, and by a `response.failed` made of the response
//!   that the stream began with.

use std::rc::Rc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::edit::Changes;
use super::refusal;
use super::{MaxTokensName, Traits};
use crate::codec::json::{Edits, Members, Text, write_members, write_string, write_u64};
use crate::codec::sse;
use crate::fault::{Fault, Upstream};
use crate::limits::ADMIN_BYTES_MAX;
use crate::provider::stop::Stop;
use crate::provider::{Call, Edit, Relay, Sink};
use crate::turn::{Ask, Detail, Escaped, Event, Finish, ServiceTier, Uncarried, Usage};

/// A model at a server that has responses.
#[derive(Debug)]
pub(super) struct Responses {
    traits: Rc<Traits>,
    /// Path and query.
    path: String,
}

impl Responses {
    /// The model's responses, where the server has them.
    pub(super) fn of(traits: &Rc<Traits>) -> Option<Self> {
        let path = traits.server.responses.clone()?;
        let traits = Rc::clone(traits);
        Some(Self { traits, path })
    }
}

impl Edit for Responses {
    fn edit(
        &self,
        ask: &Ask<'_>,
        uncarried: &mut Uncarried<'_>,
        call: &mut Call,
    ) -> Result<(), Fault> {
        let traits = &*self.traits;
        traits.server.open(&self.path, ask.stream, call);
        traits.leave_refused(ask, uncarried)?;
        let changes = Changes {
            model: Some(traits.name.as_deref().unwrap_or(&ask.model)),
            max_tokens: MaxTokensName::AsWritten,
            include_usage: false,
            drops_sealed: true,
            refused: &traits.refused,
        };
        changes.write(ask, &mut call.body)
    }

    fn relay(&self, _show_usage: bool) -> Box<dyn Relay> {
        relay(self.traits.server.event_bytes_max)
    }

    fn inspect(&self, body: &[u8], _out: &mut Vec<u8>, sink: Sink<'_>) -> Result<(), Fault> {
        let response: Response<'_> = read(body)?;
        if response.object.as_deref() != Some("response") {
            return Err(match response.error {
                Some(error) => refusal::read_error(error),
                None => corrupt(),
            });
        }
        sink(Event::Start)?;
        response.tell(false, sink).map(drop)
    }
}

/// Passes a stream on.
pub(super) fn relay(event_bytes_max: usize) -> Box<dyn Relay> {
    Box::new(Events {
        blocks: sse::Decoder::new(event_bytes_max),
        passage: Passage::default(),
    })
}

/// Passes one stream on.
#[derive(Debug)]
struct Events {
    blocks: sse::Decoder,
    passage: Passage,
}

#[derive(Default)]
struct Passage {
    state: State,
    /// The number that an event of ours would have.
    sequence: u64,
    /// The response that the stream began with, a JSON object on one line. It comes from one event, so
    /// the bound of events is its bound.
    response: String,
    /// Whether the upstream itself told an error.
    has_told: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Waiting,
    Streaming,
    Done,
    Failed,
}

impl std::fmt::Debug for Passage {
    /// Tells sizes, never text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passage")
            .field("state", &self.state)
            .field("sequence", &self.sequence)
            .field("response_bytes", &self.response.len())
            .finish_non_exhaustive()
    }
}

impl Relay for Events {
    fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>, sink: Sink<'_>) -> Result<(), Fault> {
        let passage = &mut self.passage;
        if passage.is_over() {
            return Ok(());
        }
        let pushed = self.blocks.push(chunk, |block| {
            passage.take(&block, out, sink).map_err(Stop::Fault)
        });
        match pushed {
            Err(Stop::Framing(_)) if passage.is_over() => Ok(()),
            pushed => pushed.map_err(Stop::into_fault),
        }
    }

    fn finish(&mut self, _out: &mut Vec<u8>, _sink: Sink<'_>) -> Result<(), Fault> {
        match self.passage.state {
            State::Done | State::Failed => Ok(()),
            State::Waiting | State::Streaming => Err(Upstream::truncated().into()),
        }
    }

    fn fail(&mut self, fault: &Fault, out: &mut Vec<u8>) -> bool {
        self.passage.fail(fault, out);
        true
    }

    fn cut(&mut self, out: &mut Vec<u8>) -> bool {
        self.passage.cut(out)
    }
}

impl Passage {
    const fn is_over(&self) -> bool {
        matches!(self.state, State::Done | State::Failed)
    }

    fn take(
        &mut self,
        block: &sse::Event<'_>,
        out: &mut Vec<u8>,
        sink: Sink<'_>,
    ) -> Result<(), Fault> {
        let data = block.data.trim_ascii();
        if self.is_over() {
            return Ok(());
        }
        // Comments, keep-alives, and events that WHATWG's rules do not dispatch.
        if data.is_empty() {
            out.extend_from_slice(block.raw);
            return Ok(());
        }
        let event: StreamEvent<'_> = read(data)?;
        // OpenAI's SDKs raise on any event with an `error`, whatever its type.
        let (kind, error) = (event.kind.as_deref(), event.error);
        if let Some(error) = error.filter(|_| kind != Some("error")) {
            return Err(refusal::read_error(error));
        }
        let kind = kind.ok_or_else(corrupt)?;
        if self.state == State::Waiting {
            self.state = State::Streaming;
            sink(Event::Start)?;
        }
        let next = event.sequence_number.map(|number| number.saturating_add(1));
        self.sequence = next.unwrap_or_else(|| self.sequence.saturating_add(1));
        match kind {
            "response.created" => {
                if let Some(response) = event.response {
                    // In JSON a line break can only be a blank.
                    self.response = response.get().replace(['\n', '\r'], " ");
                }
            }
            "response.completed" | "response.incomplete" => {
                let response = event.response.ok_or_else(corrupt)?;
                read::<Response<'_>>(response.get().as_bytes())?.tell(false, sink)?;
                self.state = State::Done;
            }
            "response.failed" => {
                let response = event.response.ok_or_else(corrupt)?;
                let response: Response<'_> = read(response.get().as_bytes())?;
                out.extend_from_slice(block.raw);
                self.state = State::Failed;
                response.tell(false, sink)?;
                return Err(response.error.map_or_else(corrupt, refusal::read_error));
            }
            "error" => self.has_told = true,
            _ => {
                if let Some(delta) = event.delta.filter(|_| kind.ends_with(".delta")) {
                    sink(Event::Detail(Detail::Said(delta.get())))?;
                }
            }
        }
        out.extend_from_slice(block.raw);
        Ok(())
    }

    fn fail(&mut self, fault: &Fault, out: &mut Vec<u8>) {
        if self.is_over() {
            return;
        }
        self.state = State::Failed;
        if !self.has_told {
            self.begin("error", out);
            write_members(out, &fault.members(&fault.to_string()));
            out.extend_from_slice(b"}\n\n");
        }
        let mut failed = Vec::new();
        if failed_response(&self.response, fault, &mut failed).is_some() {
            self.begin("response.failed", out);
            out.extend_from_slice(b",\"response\":");
            out.extend_from_slice(&failed);
            out.extend_from_slice(b"}\n\n");
        }
    }

    /// Ends the response as if the limit of tokens had been met.
    fn cut(&mut self, out: &mut Vec<u8>) -> bool {
        let mut ended = Vec::new();
        let changes: [(&str, &[u8]); 2] = [
            ("status", b"\"incomplete\""),
            ("incomplete_details", b"{\"reason\":\"max_output_tokens\"}"),
        ];
        if self.is_over() || changed_response(&self.response, &changes, &mut ended).is_none() {
            return self.is_over();
        }
        self.begin("response.incomplete", out);
        out.extend_from_slice(b",\"response\":");
        out.extend_from_slice(&ended);
        out.extend_from_slice(b"}\n\n");
        self.state = State::Done;
        true
    }

    fn begin(&mut self, name: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\ndata: {\"type\":\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\",\"sequence_number\":");
        write_u64(out, self.sequence);
        self.sequence = self.sequence.saturating_add(1);
    }
}

/// The response as it began, but failed; nothing if there is none.
fn failed_response(began: &str, fault: &Fault, out: &mut Vec<u8>) -> Option<()> {
    let mut error = Vec::new();
    error.extend_from_slice(b"{\"code\":");
    write_string(
        &mut error,
        match fault.status() {
            429 => "rate_limit_exceeded",
            _ => "server_error",
        },
    );
    error.extend_from_slice(b",\"message\":");
    write_string(&mut error, &fault.to_string());
    error.push(b'}');
    changed_response(began, &[("status", b"\"failed\""), ("error", &error)], out)
}

/// The response with other values of members that it has, the first of which it must have.
fn changed_response(began: &str, changes: &[(&str, &[u8])], out: &mut Vec<u8>) -> Option<()> {
    let mut edits = Edits::new(4, ADMIN_BYTES_MAX);
    let mut is_there = false;
    for member in Members::new(began) {
        let member = member.ok()?;
        let change = changes.iter().position(|(name, _)| **name == *member.key);
        if let Some(at) = change {
            is_there |= at == 0;
            let (_, value) = changes.get(at)?;
            edits.replace(member.value_span, value).ok()?;
        }
    }
    edits.apply(began.as_bytes(), out).ok()?;
    is_there.then_some(())
}

/// One event of a stream.
#[derive(Deserialize)]
struct StreamEvent<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    sequence_number: Option<u64>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// A response object, as deep as somebody uses it.
#[derive(Deserialize)]
pub(super) struct Response<'a> {
    #[serde(borrow)]
    object: Option<Text<'a>>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    incomplete_details: Option<Details<'a>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<Escaped<'a>>,
}

#[derive(Deserialize)]
struct Details<'a> {
    #[serde(borrow)]
    reason: Option<Text<'a>>,
}

impl Response<'_> {
    /// Checks that it is a response, and none that failed.
    ///
    /// # Errors
    /// Its own, where it has one.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let is_response = self.object.as_deref() == Some("response");
        match self.error {
            Some(error) => Err(refusal::read_error(error)),
            None if is_response && self.status.as_deref() != Some("failed") => Ok(()),
            None => Err(corrupt()),
        }
    }

    /// Tells what it cost and how it ended; tells whether it did.
    pub(super) fn tell(&self, has_calls: bool, sink: Sink<'_>) -> Result<bool, Fault> {
        // A usage that cannot be read is none: the meter keeps its estimate, the app its answer.
        if let Some(usage) = self.usage.and_then(|usage| read_usage(usage.get())) {
            sink(Event::Usage(usage))?;
        }
        if let Some(tier) = self.service_tier.and_then(|word| tier(word.as_str())) {
            sink(Event::Detail(Detail::ServiceTier(tier)))?;
        }
        let reason = self.incomplete_details.as_ref();
        let reason = match (
            self.status.as_deref(),
            reason.and_then(|it| it.reason.as_deref()),
        ) {
            (Some("completed"), _) if has_calls => Finish::ToolCalls,
            (Some("completed"), _) => Finish::Stop,
            (Some("incomplete"), Some("content_filter")) => Finish::ContentFilter,
            (Some("incomplete"), _) => Finish::Length,
            // Queued or in progress: it runs in the background.
            _ => return Ok(false),
        };
        sink(Event::Finish { choice: 0, reason }).map(|()| true)
    }
}

/// The tier of OpenAI's word for it.
pub(super) fn tier(word: &str) -> Option<ServiceTier> {
    match word {
        "default" => Some(ServiceTier::Default),
        "flex" => Some(ServiceTier::Flex),
        "priority" | "fast" => Some(ServiceTier::Priority),
        _ => None,
    }
}

fn read_usage(json: &str) -> Option<Usage> {
    #[derive(Deserialize)]
    struct Wire {
        input_tokens: u64,
        output_tokens: u64,
        input_tokens_details: Option<Input>,
        output_tokens_details: Option<Output>,
    }
    #[derive(Deserialize)]
    struct Input {
        cached_tokens: Option<u64>,
        cache_write_tokens: Option<u64>,
    }
    #[derive(Deserialize)]
    struct Output {
        reasoning_tokens: Option<u64>,
    }
    let wire: Wire = serde_json::from_str(json).ok()?;
    let input = wire.input_tokens_details.as_ref();
    let output = wire.output_tokens_details;
    Some(Usage {
        input_tokens: wire.input_tokens,
        cached_tokens: input.and_then(|it| it.cached_tokens).unwrap_or(0),
        cache_write_tokens: input.and_then(|it| it.cache_write_tokens).unwrap_or(0),
        output_tokens: wire.output_tokens,
        reasoning_tokens: output.and_then(|it| it.reasoning_tokens),
    })
}

/// Reads an object. Its unknown members are JSON as well: nothing corrupt is passed on.
pub(super) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Fault> {
    let is_object = bytes.trim_ascii_start().first() == Some(&b'{');
    let text = str::from_utf8(bytes).ok().filter(|_| is_object);
    text.and_then(|text| serde_json::from_str(text).ok())
        .ok_or_else(corrupt)
}

pub(super) fn corrupt() -> Fault {
    let message = "the provider's answer is no response";
    Fault::from(Upstream::broken("upstream_corrupt", message))
}
