//! An answer of InvokeAgent, as events.
//!
//! ```text
//! Silent --chunk--> Speaking --returnControl--> Returned      trace, files: at any time, skipped but for usage
//! ```
//! The stream has no last event: an answer is complete where the stream ends between two events after it
//! has said something. An exception, a corrupt frame, left-over bytes, silence, and a connection that breaks
//! (which the proxy tells by itself) are faults. The pieces of a text are bytes, cut anywhere.

use serde::Deserialize;

use crate::codec::base64;
use crate::codec::json::{Text, write_string_content};
use crate::fault::{Fault, Upstream};
use crate::provider::{Decoder, Sink};
use crate::turn::{Escaped, Event, Finish, Usage};

use super::control::Control;
use super::faults::unreadable;
use crate::provider::bedrock::frames::Frames;

/// Decodes a streamed answer.
#[derive(Debug)]
pub(super) struct Stream {
    frames: Frames,
    speech: Speech,
}

impl Stream {
    /// `session` is the session that the answer's head names.
    pub(super) fn new(event_bytes_max: usize, session: &str) -> Self {
        Self {
            frames: Frames::new(event_bytes_max),
            speech: Speech {
                session: session.to_owned(),
                ..Speech::default()
            },
        }
    }
}

impl Decoder for Stream {
    fn push(&mut self, chunk: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
        let Self { frames, speech } = self;
        frames.push(chunk, &mut |name, payload| speech.take(name, payload, sink))
    }

    fn finish(&mut self, sink: Sink<'_>) -> Result<(), Fault> {
        self.frames.finish()?;
        self.speech.finish(sink)
    }
}

#[derive(Default)]
struct Speech {
    place: Place,
    session: String,
    /// The first bytes of a character whose others have not come: at most three.
    partial: Vec<u8>,
    /// Room for a piece of text, escaped.
    escaped: Vec<u8>,
    usage: Usage,
    is_blocked: bool,
}

impl std::fmt::Debug for Speech {
    /// Tells no text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Speech")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Silent,
    Speaking,
    Returned,
}

impl Speech {
    fn take(&mut self, name: &str, payload: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
        match name {
            "chunk" => self.text(&read(payload)?, sink),
            "returnControl" => self.give_back(&read(payload)?, sink),
            "trace" => self.trace(&read(payload)?, sink),
            _ => Ok(()),
        }
    }

    fn speak(&mut self, place: Place, sink: Sink<'_>) -> Result<(), Fault> {
        match std::mem::replace(&mut self.place, place) {
            Place::Silent => sink(Event::Start),
            Place::Speaking => Ok(()),
            // Calls are numbered within one event, and nothing is due after it.
            Place::Returned => Err(unreadable()),
        }
    }

    fn text(&mut self, chunk: &Chunk<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        self.speak(Place::Speaking, sink)?;
        let Some(text) = &chunk.bytes else {
            return Ok(());
        };
        base64::read(text, &mut self.partial).ok_or_else(unreadable)?;
        let whole = match str::from_utf8(&self.partial) {
            Ok(text) => text,
            Err(error) if error.error_len().is_none() => {
                let whole = self.partial.get(..error.valid_up_to()).unwrap_or_default();
                str::from_utf8(whole).map_err(|_error| unreadable())?
            }
            Err(_) => return Err(unreadable()),
        };
        self.escaped.clear();
        write_string_content(&mut self.escaped, whole);
        let told = whole.len();
        self.partial.drain(..told);
        if self.escaped.is_empty() {
            return Ok(());
        }
        let text = str::from_utf8(&self.escaped).map_err(|_error| unreadable())?;
        let text = Escaped::from_content(text);
        sink(Event::Text { choice: 0, text })
    }

    fn give_back(&mut self, control: &Control<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        self.speak(Place::Returned, sink)?;
        let calls = control.calls(&self.session)?;
        if calls.is_empty() {
            return Err(unreadable());
        }
        for (index, call) in (0_u32..).zip(calls) {
            let mut escaped = |text: &str| {
                self.escaped.clear();
                write_string_content(&mut self.escaped, text);
                String::from_utf8(self.escaped.clone()).map_err(|_error| unreadable())
            };
            let name = escaped(&call.name)?;
            let arguments = str::from_utf8(&call.arguments).map_err(|_error| unreadable())?;
            let arguments = escaped(arguments)?;
            sink(Event::ToolCall {
                choice: 0,
                index,
                // Its letters need no escape.
                id: Escaped::from_content(&call.id),
                name: Escaped::from_content(&name),
            })?;
            sink(Event::Arguments {
                choice: 0,
                index,
                fragment: Escaped::from_content(&arguments),
            })?;
        }
        Ok(())
    }

    /// Each of the model's own answers has its usage; the sum is what the turn costs.
    fn trace(&mut self, event: &TraceEvent<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        let Some(trace) = &event.trace else {
            return Ok(());
        };
        if let Some(guardrail) = &trace.guardrail {
            self.is_blocked |= guardrail.action.as_deref() == Some("INTERVENED");
        }
        let parts = [
            &trace.before,
            &trace.orchestration,
            &trace.after,
            &trace.classifier,
        ];
        let usages = parts
            .into_iter()
            .flatten()
            .filter_map(|part| part.output.as_ref()?.metadata.as_ref()?.usage.as_ref());
        let mut has_some = false;
        for usage in usages {
            has_some = true;
            let Usage {
                input_tokens,
                output_tokens,
                ..
            } = &mut self.usage;
            *input_tokens = input_tokens.saturating_add(usage.input_tokens.unwrap_or_default());
            *output_tokens = output_tokens.saturating_add(usage.output_tokens.unwrap_or_default());
        }
        if has_some {
            sink(Event::Usage(self.usage))?;
        }
        Ok(())
    }

    fn finish(&mut self, sink: Sink<'_>) -> Result<(), Fault> {
        let reason = match self.place {
            Place::Silent => return Err(Fault::from(Upstream::truncated())),
            Place::Speaking if !self.partial.is_empty() => {
                return Err(Fault::from(Upstream::truncated()));
            }
            Place::Speaking if self.is_blocked => Finish::ContentFilter,
            Place::Speaking => Finish::Stop,
            Place::Returned => Finish::ToolCalls,
        };
        sink(Event::Finish { choice: 0, reason })
    }
}

fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Fault> {
    serde_json::from_slice(json).map_err(|_error| unreadable())
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    bytes: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct TraceEvent<'a> {
    #[serde(borrow)]
    trace: Option<Trace<'a>>,
}

#[derive(Deserialize)]
struct Trace<'a> {
    #[serde(rename = "preProcessingTrace")]
    before: Option<ModelTrace>,
    #[serde(rename = "orchestrationTrace")]
    orchestration: Option<ModelTrace>,
    #[serde(rename = "postProcessingTrace")]
    after: Option<ModelTrace>,
    #[serde(rename = "routingClassifierTrace")]
    classifier: Option<ModelTrace>,
    #[serde(borrow, rename = "guardrailTrace")]
    guardrail: Option<Guardrail<'a>>,
}

#[derive(Deserialize)]
struct Guardrail<'a> {
    #[serde(borrow)]
    action: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct ModelTrace {
    #[serde(rename = "modelInvocationOutput")]
    output: Option<ModelOutput>,
}

#[derive(Deserialize)]
struct ModelOutput {
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    usage: Option<TokenUsage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenUsage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}
