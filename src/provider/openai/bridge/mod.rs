//! A model that speaks only one of chat completions and responses, asked in the other.
//!
//! ```text
//! mod               which call, and how its answer is read
//!  body             members of a body, but for what the model refuses
//!  chat_body        a request as chat completions     chat_answer        an answer of theirs
//!  responses_body   a request as responses            responses_answer   an answer of theirs
//! ```
//! Requests come as the pivot and answers go as events, as with every translation: neither half knows what
//! the app speaks. Which of the two a model speaks is data, the quirks `apis`, `runtime_apis` and
//! `mantle_apis`, and the server's: an Azure of a date without responses has chat completions only.
//! Nothing is stored upstream: the app sends its conversation whole, and what a model wants back with
//! its reasoning travels encrypted with the app.

mod body;
mod chat_answer;
mod chat_body;
mod responses_answer;
mod responses_body;

use std::rc::Rc;

use super::{CHAT, MaxTokens, Traits};
use crate::fault::Fault;
use crate::provider::{Call, Decoder, Sink, Translate};
use crate::turn::{Headers, Request, Uncarried};

/// A model that is asked by chat completions, whatever the app speaks.
#[derive(Debug)]
pub(super) struct ByChat(pub(super) Rc<Traits>);

impl Translate for ByChat {
    fn encode(
        &self,
        request: &Request<'_>,
        uncarried: &mut Uncarried<'_>,
        call: &mut Call,
    ) -> Result<(), Fault> {
        let traits = &*self.0;
        let model = traits.name.as_deref().unwrap_or(request.model);
        // On Azure's deployments path nobody reads the body's.
        traits.open(CHAT, request.model, request.stream, call);
        let taste = chat_body::Taste {
            model,
            max_tokens: match &traits.max_tokens {
                MaxTokens::Known(known) => *known,
                MaxTokens::Asked(names) => names.of(request.model),
            },
            has_search: traits.has_search_options,
            refused: &traits.refused,
        };
        chat_body::write(request, &taste, uncarried, &mut call.body)
    }

    fn is_stream(&self, head: &Headers) -> bool {
        head.has_content_type("text/event-stream")
    }

    fn decode(&self, _head: &Headers, body: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
        chat_answer::whole(body, self.0.amend.clone(), sink)
    }

    fn decoder(&self, _head: &Headers) -> Box<dyn Decoder> {
        let traits = &*self.0;
        let amend = traits.amend.clone();
        Box::new(chat_answer::Stream::new(
            amend,
            traits.server.event_bytes_max,
        ))
    }
}

/// A model that is asked by responses, whatever the app speaks.
#[derive(Debug)]
pub(super) struct ByResponses {
    traits: Rc<Traits>,
    /// Path and query.
    path: String,
}

impl ByResponses {
    /// The model, where its server has responses.
    pub(super) fn of(traits: &Rc<Traits>) -> Option<Self> {
        let path = traits.server.responses.clone()?;
        let traits = Rc::clone(traits);
        Some(Self { traits, path })
    }
}

impl Translate for ByResponses {
    fn encode(
        &self,
        request: &Request<'_>,
        uncarried: &mut Uncarried<'_>,
        call: &mut Call,
    ) -> Result<(), Fault> {
        let traits = &*self.traits;
        traits.server.open(&self.path, request.stream, call);
        let model = traits.name.as_deref().unwrap_or(request.model);
        responses_body::write(request, model, &traits.refused, uncarried, &mut call.body)
    }

    fn is_stream(&self, head: &Headers) -> bool {
        head.has_content_type("text/event-stream")
    }

    fn decode(&self, _head: &Headers, body: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
        responses_answer::whole(body, sink)
    }

    fn decoder(&self, _head: &Headers) -> Box<dyn Decoder> {
        let event_bytes_max = self.traits.server.event_bytes_max;
        Box::new(responses_answer::Stream::new(event_bytes_max))
    }
}

/// What both answers tell, for the tests of this room.
#[cfg(test)]
mod case {
    use super::{Decoder, Fault};
    use crate::turn::Event;

    /// An event in a line.
    fn line(event: Event<'_>) -> String {
        match event {
            Event::Text { text, .. } => format!("text {}", text.as_str()),
            Event::Refusal { text, .. } => format!("refusal {}", text.as_str()),
            Event::Reasoning { text, .. } => format!("reasoning {}", text.as_str()),
            Event::Signature { text, .. } => format!("signature {}", text.as_str()),
            Event::ToolCall {
                index, id, name, ..
            } => format!("call {index} {} {}", id.as_str(), name.as_str()),
            Event::Arguments {
                index, fragment, ..
            } => format!("arguments {index} {}", fragment.as_str()),
            Event::Citation {
                start, end, url, ..
            } => format!("cites {start} {end} {}", url.as_str()),
            Event::Finish { reason, .. } => format!("{reason:?}"),
            Event::Start | Event::Redacted { .. } | Event::Usage(_) | Event::Detail(_) => {
                String::new()
            }
        }
    }

    /// What a reader tells, and the code of its fault.
    pub(super) fn told(
        read: impl FnOnce(&mut dyn FnMut(Event<'_>) -> Result<(), Fault>) -> Result<(), Fault>,
    ) -> Vec<String> {
        let mut lines = Vec::new();
        let result = read(&mut |event| {
            lines.extend(Some(line(event)).filter(|line| !line.is_empty()));
            Ok(())
        });
        lines.extend(result.err().map(|fault| {
            let code = fault.code().unwrap_or("none");
            format!("fault {code}")
        }));
        lines
    }

    /// What a stream tells, whole and in single bytes.
    #[track_caller]
    pub(super) fn streamed(new: impl Fn() -> Box<dyn Decoder>, events: &[&str]) -> Vec<String> {
        let stream: String = events
            .iter()
            .map(|data| format!("data: {data}\n\n"))
            .collect();
        let tell = |pieces: Vec<&[u8]>| {
            let mut decoder = new();
            told(|sink| {
                pieces
                    .into_iter()
                    .try_for_each(|piece| decoder.push(piece, sink))?;
                decoder.finish(sink)
            })
        };
        let whole = tell(vec![stream.as_bytes()]);
        assert_eq!(whole, tell(stream.as_bytes().chunks(1).collect()));
        whole
    }
}
