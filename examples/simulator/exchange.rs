//! One request as it came in, and one reply as it goes out: whole, in timed pieces, or never.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Sleep;

use crate::bedrock::agents::Kind;
use crate::model::Prompt;
use crate::wire::Wire;

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Upstream {
    Bedrock,
    /// `bedrock-mantle`.
    Mantle,
    Azure,
    OpenAi,
}

pub(crate) struct Received {
    pub(crate) upstream: Upstream,
    pub(crate) method: String,
    /// Path and query, exactly as received.
    pub(crate) target: String,
    /// In the order received; names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    pub(crate) at: SystemTime,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// A header that a gateway must keep to itself: its own, or the client's secrets.
    pub(crate) fn leaked_header(&self) -> Option<&str> {
        let leaks = |(name, value): &&(String, String)| {
            name.starts_with("x-tollgate-")
                || name == "cookie"
                || (name == "authorization"
                    && self.upstream != Upstream::OpenAi
                    && value.contains("sk-"))
        };
        self.headers
            .iter()
            .find(leaks)
            .map(|(name, _)| name.as_str())
    }

    #[cfg(test)]
    pub(crate) fn for_test(target: &str, headers: &[(&str, &str)], body: &'static str) -> Self {
        Self {
            upstream: Upstream::Bedrock,
            method: "POST".to_owned(),
            target: target.to_owned(),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: Bytes::from_static(body.as_bytes()),
            at: SystemTime::UNIX_EPOCH,
        }
    }
}

/// A request that passed every check.
pub(crate) struct Turn {
    pub(crate) prompt: Prompt,
    pub(crate) dialect: Dialect,
    pub(crate) is_stream: bool,
}

pub(crate) enum Dialect {
    Converse {
        model: String,
        /// The request asks to be told which stop sequence it was.
        has_stop_path: bool,
    },
    Chat(crate::openai::answer::Style),
    /// Legacy completions.
    Text(crate::openai::answer::Style),
    Responses(crate::openai::responses::Style),
    /// Embeddings, whose answer is ready.
    Vectors {
        body: Value,
        /// What Bedrock says in a header.
        tokens: Option<u64>,
    },
    Agent(Kind),
}

impl Dialect {
    pub(crate) fn wire(&self) -> Wire {
        match self {
            Self::Converse { .. } => Wire::Frames,
            Self::Chat(_)
            | Self::Text(_)
            | Self::Responses(_)
            | Self::Vectors { .. }
            | Self::Agent(Kind::Runtime) => Wire::Sse,
            Self::Agent(Kind::Invoke | Kind::Harness) => Wire::Frames,
        }
    }

    pub(crate) fn answer(&self, prompt: &Prompt) -> Value {
        match self {
            Self::Converse {
                model,
                has_stop_path,
            } => crate::bedrock::answer::body(model, *has_stop_path, prompt),
            Self::Chat(style) => crate::openai::answer::body(style, prompt),
            Self::Text(style) => crate::openai::text::body(style, prompt),
            Self::Responses(style) => crate::openai::responses::body(style, prompt),
            Self::Vectors { body, .. } => body.clone(),
            Self::Agent(kind) => crate::bedrock::agents::body(*kind, prompt),
        }
    }

    /// The events of a stream that says what the whole `answer` says.
    pub(crate) fn events(&self, answer: &Value, cuts: &mut crate::cuts::Cuts) -> Vec<Value> {
        match self {
            Self::Converse { .. } => crate::bedrock::answer::events(answer, cuts),
            Self::Chat(style) => crate::openai::answer::events(style, answer, cuts),
            Self::Text(style) => crate::openai::text::events(style, answer, cuts),
            Self::Responses(style) => crate::openai::responses::events(style, answer, cuts),
            Self::Vectors { .. } => Vec::new(),
            Self::Agent(kind) => crate::bedrock::agents::events(*kind, answer, cuts),
        }
    }
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::whole(status, "application/json", Bytes::from(body.to_string()))
    }

    pub(crate) fn whole(status: u16, content_type: &str, body: Bytes) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self {
            status,
            headers,
            body: Body::Whole(Some(body)),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(key, _)| key != name);
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// What happens to the body, in order.
#[derive(Debug)]
pub(crate) enum Step {
    /// Written to the socket on its own.
    Bytes(Bytes),
    Sleep(Duration),
    /// The connection closes here, without the end of the body.
    Cut,
    /// Nothing more, and no end either.
    Hang,
}

pub(crate) enum Body {
    Whole(Option<Bytes>),
    Steps(Steps),
    /// Whatever comes, until its sender is gone.
    Live(UnboundedReceiver<Step>),
}

#[derive(Default)]
pub(crate) struct Steps {
    rest: VecDeque<Step>,
    sleep: Option<Pin<Box<Sleep>>>,
    is_flushing: bool,
}

impl Body {
    pub(crate) fn steps(steps: impl IntoIterator<Item = Step>) -> Self {
        Self::Steps(Steps {
            rest: steps.into_iter().collect(),
            ..Steps::default()
        })
    }
}

impl Steps {
    #[cfg(test)]
    pub(crate) fn into_steps(self) -> VecDeque<Step> {
        self.rest
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            if let Some(sleep) = &mut self.sleep {
                std::task::ready!(sleep.as_mut().poll(context));
                self.sleep = None;
            }
            if std::mem::take(&mut self.is_flushing) {
                // hyper writes what it holds before it waits.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            match self.rest.pop_front() {
                None => return Poll::Ready(None),
                Some(Step::Sleep(time)) => self.sleep = Some(Box::pin(tokio::time::sleep(time))),
                Some(Step::Cut) => {
                    return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
                }
                Some(Step::Hang) => {
                    self.rest.push_front(Step::Hang);
                    return Poll::Pending;
                }
                Some(Step::Bytes(bytes)) => {
                    self.is_flushing = true;
                    return Poll::Ready(Some(Ok(bytes)));
                }
            }
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Steps(steps) => steps
                .poll(context)
                .map(|step| step.map(|bytes| bytes.map(Frame::data))),
            Self::Live(steps) => loop {
                match std::task::ready!(steps.poll_recv(context)) {
                    Some(Step::Bytes(bytes)) => {
                        return Poll::Ready(Some(Ok(Frame::data(bytes))));
                    }
                    Some(Step::Cut) => {
                        return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
                    }
                    // Waits are for what was scripted from the start.
                    Some(Step::Sleep(_) | Step::Hang) => {}
                    None => return Poll::Ready(None),
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Steps(_) | Self::Live(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Steps(_) | Self::Live(_) => SizeHint::default(),
        }
    }
}
