//! An answer, as a response object or as the stream of events that leads to it.
//!
//! ```text
//! Before -- start --> Running -- finish of the choice --> Ended -- finish --> Complete
//! stream: created, in_progress | for each item: added, parts and deltas, done | completed, incomplete
//! ```
//! Text, reasoning and each call are items of their own, in the order in which they begin. A text or a
//! reasoning is done when something else begins; a call when its arguments are whole, at the latest
//! with the answer. What a custom tool takes is told in one piece: it has to be unwrapped first. Both
//! forms collect the whole output, which the last event holds too; what is collected has a bound.
//!
//! A failed answer ends with `error` and `response.failed`: SDKs raise on the one or the other. There is
//! no `[DONE]`.

use super::echo::Names;
use super::item::{
    Call, Item, Kind, Sources, State, write_refusal_part, write_source, write_summary_part,
    write_text_part,
};
use super::seal;
use crate::client::room::Room;
use crate::client::{Opening, Writer};
use crate::codec::json::{write_escaped, write_members, write_string, write_u64};
use crate::fault::{Fault, Upstream};
use crate::limits::TOOL_CALLS_MAX;
use crate::turn::{ENCRYPTED, Escaped, Event, Finish, Usage};

/// Writes an answer.
#[derive(Debug)]
pub(super) struct Answer {
    opening: Opening,
    names: Names,
    /// What all ids are made of.
    random: String,
    phase: Phase,
    /// Of the next event of a stream.
    sequence: u64,
    items: Vec<Item>,
    /// The items that are open, in order: the last one and calls before it.
    open: Vec<usize>,
    calls: u32,
    /// Characters of text so far.
    letters: u64,
    usage: Option<Usage>,
    /// How many bytes may still be collected.
    room: Room,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Before,
    Running,
    Ended(Finish),
    Complete,
}

/// How a response object stands.
enum Status<'f> {
    InProgress,
    Ended(Finish),
    Failed(&'f Fault),
}

/// What an item costs besides its text.
const ITEM_BYTES: usize = 256;

impl Answer {
    pub(super) fn new(opening: Opening) -> Self {
        let mut random = Vec::new();
        opening.write_id("", &mut random);
        Self {
            names: Names::read(&opening.echo),
            opening,
            random: String::from_utf8(random).unwrap_or_default(),
            phase: Phase::Before,
            sequence: 0,
            items: Vec::new(),
            open: Vec::new(),
            calls: 0,
            letters: 0,
            usage: None,
            room: Room::new(),
        }
    }

    /// Checks that an event may come now, and that its text fits.
    fn take(&mut self, choice: u32, bytes: usize) -> Result<(), Fault> {
        if self.phase != Phase::Running || choice != 0 {
            return Err(Fault::Internal("an answer's event is out of place"));
        }
        self.room.take(bytes)
    }

    /// Begins an item; those before it that can be done are done.
    fn begin_item(&mut self, kind: Kind, out: &mut Vec<u8>) -> Result<usize, Fault> {
        self.take(0, ITEM_BYTES)?;
        self.end_items(State::Completed, false, out);
        let index = self.items.len();
        self.items.push(Item::new(kind));
        self.open.push(index);
        self.event("response.output_item.added", out, |answer, out| {
            answer.write_item(index, true, out);
        });
        Ok(index)
    }

    /// Ends open items; calls only if they are whole or if `all` are to end.
    fn end_items(&mut self, state: State, all: bool, out: &mut Vec<u8>) {
        let last = self.items.len().saturating_sub(1);
        for index in std::mem::take(&mut self.open) {
            let Some(item) = self.items.get_mut(index) else {
                return;
            };
            let may_end = match &item.kind {
                Kind::Message { .. } | Kind::Refusal { .. } | Kind::Reasoning { .. } => true,
                Kind::Call(call) => all || call.is_whole(),
            };
            if !may_end {
                self.open.push(index);
                continue;
            }
            // Only the last item can have been cut short.
            item.state = if index == last {
                state
            } else {
                State::Completed
            };
            if let Kind::Call(call) = &mut item.kind {
                call.end();
            }
            self.write_end(index, out);
        }
    }

    /// Writes the events that end an item.
    fn write_end(&mut self, index: usize, out: &mut Vec<u8>) {
        let Some(item) = self.items.get(index) else {
            return;
        };
        let names: &[&'static str] = match &item.kind {
            Kind::Message { .. } => &["response.output_text.done", "response.content_part.done"],
            Kind::Refusal { .. } => &["response.refusal.done", "response.content_part.done"],
            Kind::Reasoning { text, .. } if text.is_empty() => &[],
            Kind::Reasoning { .. } => &[
                "response.reasoning_summary_text.done",
                "response.reasoning_summary_part.done",
            ],
            Kind::Call(call) if !call.is_custom => &["response.function_call_arguments.done"],
            Kind::Call(call) if call.arguments.is_empty() => {
                &["response.custom_tool_call_input.done"]
            }
            Kind::Call(_) => &[
                "response.custom_tool_call_input.delta",
                "response.custom_tool_call_input.done",
            ],
        };
        for name in names {
            self.event(name, out, |answer, out| {
                answer.write_place(index, out);
                if let Some(item) = answer.items.get(index) {
                    write_whole(item, name, out);
                }
            });
        }
        self.event("response.output_item.done", out, |answer, out| {
            answer.write_item(index, false, out);
        });
    }

    /// Writes one event of a stream; `write` writes its members after type and number.
    fn event(&mut self, name: &str, out: &mut Vec<u8>, write: impl FnOnce(&Self, &mut Vec<u8>)) {
        if !self.opening.stream {
            return;
        }
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\ndata: {\"type\":\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\",\"sequence_number\":");
        write_u64(out, self.sequence);
        self.sequence = self.sequence.saturating_add(1);
        write(self, out);
        out.extend_from_slice(b"}\n\n");
    }

    /// Writes a piece of an item's text.
    fn delta(&mut self, name: &str, index: usize, text: Escaped<'_>, out: &mut Vec<u8>) {
        self.event(name, out, |answer, out| {
            answer.write_place(index, out);
            if let Some(item) = answer.items.get(index) {
                write_inner_place(item, out);
            }
            out.extend_from_slice(b",\"delta\":");
            write_escaped(out, text.as_str());
        });
    }

    fn text(&mut self, text: Escaped<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        let is_open = matches!(
            self.items.last(),
            Some(Item {
                kind: Kind::Message { .. },
                state: State::Open
            })
        );
        if !is_open {
            let kind = Kind::Message {
                text: String::new(),
                sources: Sources {
                    starts: self.letters,
                    ..Sources::default()
                },
            };
            let index = self.begin_item(kind, out)?;
            self.event("response.content_part.added", out, |answer, out| {
                answer.write_place(index, out);
                out.extend_from_slice(b",\"content_index\":0,\"part\":");
                write_text_part("", b"", out);
            });
        }
        let index = self.items.len().saturating_sub(1);
        if let Some(Item {
            kind: Kind::Message { text: whole, .. },
            ..
        }) = self.items.last_mut()
        {
            whole.push_str(text.as_str());
        }
        self.letters = self.letters.saturating_add(text.letters());
        self.delta("response.output_text.delta", index, text, out);
        Ok(())
    }

    fn refuse(&mut self, text: Escaped<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        let is_open = matches!(
            self.items.last(),
            Some(Item {
                kind: Kind::Refusal { .. },
                state: State::Open
            })
        );
        if !is_open {
            let kind = Kind::Refusal {
                text: String::new(),
            };
            let index = self.begin_item(kind, out)?;
            self.event("response.content_part.added", out, |answer, out| {
                answer.write_place(index, out);
                out.extend_from_slice(b",\"content_index\":0,\"part\":");
                write_refusal_part("", out);
            });
        }
        let index = self.items.len().saturating_sub(1);
        if let Some(Item {
            kind: Kind::Refusal { text: whole },
            ..
        }) = self.items.last_mut()
        {
            whole.push_str(text.as_str());
        }
        self.delta("response.refusal.delta", index, text, out);
        Ok(())
    }

    /// Notes a source of the text that is being told. One that comes when the text is done has no place.
    fn cite(&mut self, range: (u64, u64), url: &str, title: &str, out: &mut Vec<u8>) {
        let index = self.items.len().saturating_sub(1);
        let Some(Item {
            kind: Kind::Message { sources, .. },
            state: State::Open,
        }) = self.items.last_mut()
        else {
            return;
        };
        let range = (
            range.0.saturating_sub(sources.starts),
            range.1.saturating_sub(sources.starts),
        );
        let mut source = Vec::new();
        write_source(range, url, title, &mut source);
        if sources.count > 0 {
            sources.list.push(b',');
        }
        sources.list.extend_from_slice(&source);
        let count = sources.count;
        sources.count = count.saturating_add(1);
        self.event(
            "response.output_text.annotation.added",
            out,
            |answer, out| {
                answer.write_place(index, out);
                out.extend_from_slice(b",\"content_index\":0,\"annotation_index\":");
                write_u64(out, count);
                out.extend_from_slice(b",\"annotation\":");
                out.extend_from_slice(&source);
            },
        );
    }

    /// Takes what is said, and what is told about it.
    fn say(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        match event {
            Event::Text { choice, text } => {
                self.take(choice, text.as_str().len())?;
                if !text.is_empty() {
                    self.text(text, out)?;
                }
            }
            Event::Refusal { choice, text } => {
                self.take(choice, text.as_str().len())?;
                if !text.is_empty() {
                    self.refuse(text, out)?;
                }
            }
            Event::Reasoning { choice, text } => {
                self.take(choice, text.as_str().len())?;
                if !text.is_empty() {
                    self.reason(text, out)?;
                }
            }
            Event::Signature { choice, text } => {
                self.take(choice, text.as_str().len())?;
                if !text.is_empty() {
                    self.sign(text, out)?;
                }
            }
            Event::Redacted { choice, base64 } => {
                self.take(choice, base64.as_str().len())?;
                if !base64.is_empty() {
                    self.redacted(base64, out)?;
                }
            }
            Event::Citation {
                choice,
                start,
                end,
                url,
                title,
            } => {
                let (url, title) = (url.as_str(), title.as_str());
                let bytes = url.len().saturating_add(title.len());
                self.take(choice, bytes.saturating_add(ITEM_BYTES))?;
                self.cite((start, end), url, title, out);
            }
            Event::Start
            | Event::ToolCall { .. }
            | Event::Arguments { .. }
            | Event::Usage(_)
            | Event::Detail(_)
            | Event::Finish { .. } => {}
        }
        Ok(())
    }

    /// The reasoning that is open and not sealed; a new one where there is none.
    fn reasoning(&mut self, may_be_sealed: bool, out: &mut Vec<u8>) -> Result<usize, Fault> {
        if let Some(Item {
            kind: Kind::Reasoning { sealed, .. },
            state: State::Open,
        }) = self.items.last()
            && (may_be_sealed || sealed.is_empty())
        {
            return Ok(self.items.len().saturating_sub(1));
        }
        let kind = Kind::Reasoning {
            text: String::new(),
            sealed: String::new(),
        };
        self.begin_item(kind, out)
    }

    fn reason(&mut self, piece: Escaped<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        let index = self.reasoning(false, out)?;
        let mut begins = false;
        if let Some(Item {
            kind: Kind::Reasoning { text, .. },
            ..
        }) = self.items.get_mut(index)
        {
            begins = text.is_empty();
            text.push_str(piece.as_str());
        }
        if begins {
            self.event(
                "response.reasoning_summary_part.added",
                out,
                |answer, out| {
                    answer.write_place(index, out);
                    out.extend_from_slice(b",\"summary_index\":0,\"part\":");
                    write_summary_part("", out);
                },
            );
        }
        self.delta("response.reasoning_summary_text.delta", index, piece, out);
        Ok(())
    }

    fn sign(&mut self, piece: Escaped<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        // What is encrypted is a signature of its own, not a piece.
        let is_piece = !piece.as_str().starts_with(ENCRYPTED);
        let index = self.reasoning(is_piece, out)?;
        if let Some(Item {
            kind: Kind::Reasoning { sealed, .. },
            ..
        }) = self.items.get_mut(index)
        {
            if sealed.is_empty() {
                seal::begin_signature(sealed);
            }
            sealed.push_str(piece.as_str());
        }
        Ok(())
    }

    fn redacted(&mut self, base64: Escaped<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut sealed = String::new();
        seal::begin_redacted(&mut sealed);
        sealed.push_str(base64.as_str());
        let text = String::new();
        self.begin_item(Kind::Reasoning { text, sealed }, out)?;
        // It is whole, and a signature that follows is not its own.
        self.end_items(State::Completed, false, out);
        Ok(())
    }

    fn call(
        &mut self,
        index: u32,
        id: Escaped<'_>,
        name: Escaped<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        if usize::try_from(self.calls).unwrap_or(usize::MAX) >= TOOL_CALLS_MAX {
            let message = format!("the provider's answer calls more than {TOOL_CALLS_MAX} tools");
            return Err(Upstream::broken("upstream_too_large", message).into());
        }
        if index != self.calls {
            return Err(Fault::Internal("a tool call is out of order"));
        }
        self.calls = self.calls.saturating_add(1);
        let call = Call::new(index, id, name, &self.names);
        self.begin_item(Kind::Call(call), out)?;
        Ok(())
    }

    fn arguments(
        &mut self,
        index: u32,
        fragment: Escaped<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        // Mostly it is the last.
        let found = self
            .items
            .iter_mut()
            .enumerate()
            .rev()
            .find_map(|(at, item)| {
                let is_open = item.state == State::Open;
                match &mut item.kind {
                    Kind::Call(call) if call.index == index && is_open => Some((at, call)),
                    Kind::Call(_)
                    | Kind::Message { .. }
                    | Kind::Refusal { .. }
                    | Kind::Reasoning { .. } => None,
                }
            });
        let Some((at, call)) = found else {
            return Err(Fault::Internal("arguments come without their tool call"));
        };
        call.arguments.push_str(fragment.as_str());
        if !call.is_custom {
            self.delta("response.function_call_arguments.delta", at, fragment, out);
        }
        Ok(())
    }

    /// Writes which item an event is about.
    fn write_place(&self, index: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"output_index\":");
        write_u64(out, u64::try_from(index).unwrap_or(u64::MAX));
        out.extend_from_slice(b",\"item_id\":\"");
        if let Some(item) = self.items.get(index) {
            item.write_id(&self.random, index, out);
        }
        out.push(b'"');
    }

    fn write_item(&self, index: usize, begins: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"output_index\":");
        write_u64(out, u64::try_from(index).unwrap_or(u64::MAX));
        out.extend_from_slice(b",\"item\":");
        if let Some(item) = self.items.get(index) {
            item.write(&self.random, index, begins, out);
        }
    }

    fn write_state(&mut self, name: &str, status: &Status<'_>, out: &mut Vec<u8>) {
        self.event(name, out, |answer, out| {
            out.extend_from_slice(b",\"response\":");
            answer.write_response(status, out);
        });
    }

    fn write_response(&self, status: &Status<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":\"resp_");
        out.extend_from_slice(self.random.as_bytes());
        out.extend_from_slice(b"\",\"object\":\"response\",\"created_at\":");
        write_u64(out, self.opening.created);
        out.extend_from_slice(b",\"status\":\"");
        out.extend_from_slice(match status {
            Status::InProgress => b"in_progress",
            Status::Ended(reason) => event_of(*reason).1.as_bytes(),
            Status::Failed(_) => b"failed",
        });
        out.extend_from_slice(b"\",\"error\":");
        match status {
            Status::Failed(fault) => write_failure(fault, out),
            Status::InProgress | Status::Ended(_) => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(match status {
            Status::Ended(Finish::Length) => {
                b",\"incomplete_details\":{\"reason\":\"max_output_tokens\"}" as &[u8]
            }
            Status::Ended(Finish::ContentFilter) => {
                b",\"incomplete_details\":{\"reason\":\"content_filter\"}"
            }
            Status::InProgress
            | Status::Ended(Finish::Stop | Finish::ToolCalls)
            | Status::Failed(_) => b",\"incomplete_details\":null",
        });
        out.extend_from_slice(b",\"model\":");
        write_string(out, &self.opening.model);
        out.extend_from_slice(b",\"output\":[");
        for (index, item) in self.items.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            item.write(&self.random, index, false, out);
        }
        out.extend_from_slice(
            b"],\"background\":false,\"previous_response_id\":null,\"store\":false",
        );
        let echo = self.opening.echo.strip_prefix('{');
        let echo = echo.and_then(|echo| echo.strip_suffix('}'));
        if let Some(echo) = echo.filter(|echo| !echo.is_empty()) {
            out.push(b',');
            out.extend_from_slice(echo.as_bytes());
        }
        out.extend_from_slice(b",\"usage\":");
        match &self.usage {
            // Where the upstream told no usage there is none to tell: zeros would be a lie.
            None => out.extend_from_slice(b"null"),
            Some(usage) => write_usage(usage, out),
        }
        out.push(b'}');
    }
}

impl Writer for Answer {
    fn write(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        match event {
            Event::Start => {
                if self.phase != Phase::Before {
                    return Err(Fault::Internal("an answer starts twice"));
                }
                self.phase = Phase::Running;
                self.write_state("response.created", &Status::InProgress, out);
                self.write_state("response.in_progress", &Status::InProgress, out);
            }
            Event::Text { .. }
            | Event::Refusal { .. }
            | Event::Reasoning { .. }
            | Event::Signature { .. }
            | Event::Redacted { .. }
            | Event::Citation { .. } => self.say(event, out)?,
            Event::ToolCall {
                choice,
                index,
                id,
                name,
            } => {
                self.take(
                    choice,
                    id.as_str().len().saturating_add(name.as_str().len()),
                )?;
                self.call(index, id, name, out)?;
            }
            Event::Arguments {
                choice,
                index,
                fragment,
            } => {
                self.take(choice, fragment.as_str().len())?;
                if !fragment.is_empty() {
                    self.arguments(index, fragment, out)?;
                }
            }
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Detail(_) => {}
            Event::Finish { choice, reason } => {
                self.take(choice, 0)?;
                let state = match reason {
                    Finish::Stop | Finish::ToolCalls => State::Completed,
                    Finish::Length | Finish::ContentFilter => State::Incomplete,
                };
                self.end_items(state, true, out);
                self.phase = Phase::Ended(reason);
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let Phase::Ended(reason) = self.phase else {
            return Err(match self.phase {
                Phase::Complete => Fault::Internal("an answer is completed twice"),
                Phase::Before | Phase::Running | Phase::Ended(_) => Upstream::truncated().into(),
            });
        };
        self.phase = Phase::Complete;
        let status = Status::Ended(reason);
        if self.opening.stream {
            self.write_state(event_of(reason).0, &status, out);
        } else {
            self.write_response(&status, out);
        }
        Ok(())
    }

    fn fail(&mut self, fault: &Fault, out: &mut Vec<u8>) -> bool {
        if !self.opening.stream || matches!(self.phase, Phase::Before | Phase::Complete) {
            return false;
        }
        self.phase = Phase::Complete;
        self.event("error", out, |_, out| write_error_members(fault, out));
        self.write_state("response.failed", &Status::Failed(fault), out);
        true
    }
}

/// The event that ends a stream, and the response's status.
const fn event_of(reason: Finish) -> (&'static str, &'static str) {
    match reason {
        Finish::Stop | Finish::ToolCalls => ("response.completed", "completed"),
        Finish::Length | Finish::ContentFilter => ("response.incomplete", "incomplete"),
    }
}

/// Writes where in its item an event's text is.
fn write_inner_place(item: &Item, out: &mut Vec<u8>) {
    match &item.kind {
        Kind::Message { .. } => out.extend_from_slice(b",\"content_index\":0,\"logprobs\":[]"),
        Kind::Refusal { .. } => out.extend_from_slice(b",\"content_index\":0"),
        Kind::Reasoning { .. } => out.extend_from_slice(b",\"summary_index\":0"),
        Kind::Call(_) => {}
    }
}

/// Writes the whole of an item's text, as the event of this name has it.
fn write_whole(item: &Item, name: &str, out: &mut Vec<u8>) {
    let is_part = name.ends_with("_part.done");
    match &item.kind {
        Kind::Message { .. } | Kind::Refusal { .. } if is_part => {
            out.extend_from_slice(b",\"content_index\":0,\"part\":");
            item.write_part(out);
        }
        Kind::Refusal { text } => {
            write_inner_place(item, out);
            out.extend_from_slice(b",\"refusal\":");
            write_escaped(out, text);
        }
        Kind::Message { text, .. } => {
            write_inner_place(item, out);
            out.extend_from_slice(b",\"text\":");
            write_escaped(out, text);
        }
        Kind::Reasoning { text, .. } => {
            write_inner_place(item, out);
            if is_part {
                out.extend_from_slice(b",\"part\":");
                write_summary_part(text, out);
            } else {
                out.extend_from_slice(b",\"text\":");
                write_escaped(out, text);
            }
        }
        Kind::Call(call) => {
            out.extend_from_slice(match (call.is_custom, name.ends_with(".delta")) {
                (true, true) => b",\"delta\":" as &[u8],
                (true, false) => b",\"input\":",
                (false, _) => b",\"arguments\":",
            });
            write_escaped(out, &call.arguments);
        }
    }
}

/// Writes a response's `error`. Its code is one of a closed list; the fault's own is in the `error` event.
fn write_failure(fault: &Fault, out: &mut Vec<u8>) {
    let code = match fault.status() {
        429 => "rate_limit_exceeded",
        _ => "server_error",
    };
    out.extend_from_slice(b"{\"code\":");
    write_string(out, code);
    out.extend_from_slice(b",\"message\":");
    write_string(out, &fault.to_string());
    out.push(b'}');
}

/// Writes the members of an `error` event after its type and number.
pub(super) fn write_error_members(fault: &Fault, out: &mut Vec<u8>) {
    write_members(out, &fault.members(&fault.to_string()));
}

fn write_usage(usage: &Usage, out: &mut Vec<u8>) {
    for (name, count) in [
        ("{\"input_tokens\":", usage.input_tokens),
        (
            ",\"input_tokens_details\":{\"cached_tokens\":",
            usage.cached_tokens,
        ),
        (",\"cache_write_tokens\":", usage.cache_write_tokens),
        ("},\"output_tokens\":", usage.output_tokens),
        // The SDKs have the number as required.
        (
            ",\"output_tokens_details\":{\"reasoning_tokens\":",
            usage.reasoning_tokens.unwrap_or(0),
        ),
        (
            "},\"total_tokens\":",
            usage.input_tokens.saturating_add(usage.output_tokens),
        ),
    ] {
        out.extend_from_slice(name.as_bytes());
        write_u64(out, count);
    }
    out.push(b'}');
}
