//! An event stream of Converse or of an agent: events by their names, and everything else as a fault.

use crate::codec::event_stream::{self, Message};
use crate::fault::{Fault, Upstream};

use super::decode::unreadable;
use super::refusal;

/// What an event's name and payload go to. No generic closure: one reader of frames serves all answers.
pub(in crate::provider) type Take<'t> = &'t mut dyn FnMut(&str, &[u8]) -> Result<(), Fault>;

/// Cuts a stream into events.
#[derive(Debug)]
pub(in crate::provider) struct Frames(event_stream::Decoder);

impl Frames {
    pub(in crate::provider) fn new(event_bytes_max: usize) -> Self {
        Self(event_stream::Decoder::new(event_bytes_max))
    }

    /// Feeds a chunk; `take` gets the name and the payload of each event.
    pub(in crate::provider) fn push(&mut self, chunk: &[u8], take: Take<'_>) -> Result<(), Fault> {
        let result = self.0.push(chunk, |message| {
            let name = name(&message).map_err(Stop::Fault)?;
            take(name, message.payload).map_err(Stop::Fault)
        });
        result.map_err(Stop::into_fault)
    }

    /// Says that no chunk will follow.
    pub(in crate::provider) fn finish(&mut self) -> Result<(), Fault> {
        self.0
            .finish()
            .map_err(|_truncated| Fault::from(Upstream::truncated()))
    }
}

fn name<'m>(message: &Message<'m>) -> Result<&'m str, Fault> {
    match message.header(":message-type") {
        Some("event") | None => Ok(message.header(":event-type").unwrap_or_default()),
        Some("exception") => {
            let name = message.header(":exception-type").unwrap_or_default();
            let error = refusal::Error::parse(message.payload);
            Err(refusal::fault(name, 0, &error))
        }
        Some("error") => {
            let name = message.header(":error-code").unwrap_or_default();
            let text = message.header(":error-message").unwrap_or_default();
            Err(refusal::fault(name, 0, &refusal::Error::of(text)))
        }
        Some(_) => Err(unreadable()),
    }
}

/// Why frames are read no further.
enum Stop {
    Frame(event_stream::Error),
    Fault(Fault),
}

impl From<event_stream::Error> for Stop {
    fn from(error: event_stream::Error) -> Self {
        Self::Frame(error)
    }
}

impl Stop {
    fn into_fault(self) -> Fault {
        match self {
            Self::Fault(fault) => fault,
            Self::Frame(error @ event_stream::Error::TooLarge { .. }) => {
                Fault::from(Upstream::broken("upstream_too_large", error.to_string()))
            }
            Self::Frame(error) => {
                Fault::from(Upstream::broken("upstream_corrupt", error.to_string()))
            }
        }
    }
}
