//! OpenAI's Agents API, at OpenAI and at Bedrock's mantle: requests pass, and so do answers.
//!
//! A stream of events follows its session for as long as the app listens, so no event ends it. One that ends
//! nevertheless is complete where the session rests, and cut short where a turn is under way, or where nothing
//! has been told:
//! ```text
//! Unknown -- idle, requires_action, failed, budget_reached, error, a turn's end --> Resting
//!    \------- in_progress, anything else of a turn -------> Working <--------------/
//! ```
//! Events come out whole, with the bytes they came in with; what is cut short ends in an event `error`, the
//! API's own. OpenAI's SDKs raise nothing for it: they hand it to the app, which reads its type.

use std::fmt;
use std::rc::Rc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Server, refusal};
use crate::codec::json::{Text, write_members, write_string};
use crate::codec::sse;
use crate::fault::{Fault, Upstream};
use crate::provider::endpoint::push_query;
use crate::provider::stop::Stop;
use crate::provider::{Call, Passage, Relay, Sink};
use crate::turn::{Headers, Now};

/// The way to the API of one server.
#[derive(Debug)]
pub(in crate::provider) struct Agents {
    pub(in crate::provider) server: Rc<Server>,
    /// Up to the slash before `agents`.
    pub(in crate::provider) base: String,
    /// The server's own query, without its question mark.
    pub(in crate::provider) query: String,
}

impl Passage for Agents {
    fn open(&self, rest: &str, call: &mut Call) {
        let server = &*self.server;
        call.authority.clone_from(&server.authority);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        call.path.clone_from(&self.base);
        call.path.push_str(path);
        push_query(&mut call.path, &self.query);
        push_query(&mut call.path, query);
        for (name, value) in &server.headers {
            call.headers.set(*name, value.as_str());
        }
    }

    fn sign(&self, now: Now, call: &mut Call) -> Result<(), Fault> {
        self.server.credential.sign(now, call)
    }

    fn refusal(&self, head: &Headers, body: &[u8]) -> Fault {
        refusal::read_resource(head.status(), body)
    }

    fn relay(&self) -> Box<dyn Relay> {
        Box::new(Events {
            blocks: sse::Decoder::new(self.server.event_bytes_max),
            watch: Watch::default(),
        })
    }
}

/// Passes one stream on.
#[derive(Debug)]
struct Events {
    blocks: sse::Decoder,
    watch: Watch,
}

/// What is known of the session.
#[derive(Default)]
struct Watch {
    state: State,
    /// Its id, a JSON string; it comes from one event, so the bound of events is its bound.
    session: String,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Unknown,
    Working,
    Resting,
}

impl fmt::Debug for Watch {
    /// Tells sizes, never text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("state", &self.state)
            .field("session_bytes", &self.session.len())
            .finish()
    }
}

impl Relay for Events {
    fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>, _sink: Sink<'_>) -> Result<(), Fault> {
        let watch = &mut self.watch;
        let pushed = self.blocks.push(chunk, |block| {
            watch.hear(block.data.trim_ascii()).map_err(Stop::Fault)?;
            out.extend_from_slice(block.raw);
            Ok(())
        });
        pushed.map_err(Stop::into_fault)
    }

    fn finish(&mut self, _out: &mut Vec<u8>, _sink: Sink<'_>) -> Result<(), Fault> {
        let is_whole = self.blocks.finish().is_ok();
        match self.watch.state {
            State::Resting if is_whole => Ok(()),
            State::Resting | State::Working | State::Unknown => Err(Upstream::truncated().into()),
        }
    }

    fn fail(&mut self, fault: &Fault, out: &mut Vec<u8>) -> bool {
        self.watch.fail(fault, out);
        true
    }
}

impl Watch {
    fn hear(&mut self, data: &[u8]) -> Result<(), Fault> {
        // Comments and keep-alives.
        if data.is_empty() {
            return Ok(());
        }
        if data == b"[DONE]" {
            self.state = State::Resting;
            return Ok(());
        }
        let event: Event<'_> = serde_json::from_slice(data).map_err(|_error| corrupt())?;
        let kind = event.kind.ok_or_else(corrupt)?;
        let owner = event
            .session
            .map(RawValue::get)
            .map(serde_json::from_str::<Owner<'_>>);
        let owner = owner.and_then(Result::ok).and_then(|owner| owner.id);
        let session = event.session_id.or(owner).map(RawValue::get);
        if let Some(session) = session.filter(|raw| raw.starts_with('"')) {
            session.clone_into(&mut self.session);
        }
        let turn = event
            .turn
            .map(RawValue::get)
            .map(serde_json::from_str::<Turn<'_>>);
        // A subagent's turn is part of another.
        let is_subagents = matches!(
            turn,
            Some(Ok(Turn {
                subagent_id: Some(_)
            }))
        );
        let words = kind.strip_prefix("agent.session.").unwrap_or_default();
        self.state = match words {
            "idle" | "requires_action" | "failed" | "budget_reached" => State::Resting,
            _ if &*kind == "error" => State::Resting,
            "turn.completed" | "turn.failed" | "turn.cancelled" if !is_subagents => State::Resting,
            "in_progress" => State::Working,
            _ if words.starts_with("turn.") || kind.starts_with("agent.output.") => State::Working,
            _ => self.state,
        };
        Ok(())
    }

    fn fail(&self, fault: &Fault, out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"event: error\ndata: {\"type\":\"error\",\"event_id\":\"gateway_error\",\"session_id\":",
        );
        let session = match self.session.as_str() {
            "" => r#""""#,
            session => session,
        };
        out.extend_from_slice(session.as_bytes());
        out.extend_from_slice(b",\"error\":{\"type\":");
        write_string(out, fault.kind());
        write_members(out, &fault.members(&fault.to_string()));
        out.extend_from_slice(b"}}\n\n");
    }
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    session_id: Option<&'a RawValue>,
    #[serde(borrow)]
    session: Option<&'a RawValue>,
    #[serde(borrow)]
    turn: Option<&'a RawValue>,
}

/// A session's own events have all of it.
#[derive(Deserialize)]
struct Owner<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Turn<'a> {
    #[serde(borrow)]
    subagent_id: Option<Text<'a>>,
}

fn corrupt() -> Fault {
    Upstream::broken(
        "upstream_corrupt",
        "the provider sent what is no event of a session",
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::random::Random;

    const CREATED: &str = r#"{"type":"agent.session.created","session":{"object":"agent.session","id":"s\u0031"},"event_id":"e"}"#;
    const DELTA: &str =
        r#"{"type":"agent.session.turn.output_text.delta","session_id":"s\u0031","delta":"a"}"#;
    const COMPLETED: &str = r#"{"type":"agent.session.turn.completed","session_id":"s\u0031","turn":{"id":"t","subagent_id":null}}"#;
    const SUBAGENTS: &str = r#"{"type":"agent.session.turn.completed","session_id":"s\u0031","turn":{"subagent_id":"x"}}"#;
    const IDLE: &str = r#"{"type":"agent.session.idle","session_id":"s\u0031"}"#;
    const FAILED: &str = "event: error\ndata: {\"type\":\"error\",\"event_id\":\"gateway_error\",\"session_id\":\"s\\u0031\",\"error\":{\"type\":\"server_error\",\"code\":\"upstream_truncated\",\"message\":\"the provider's answer ended before it was complete\",\"param\":null}}\n\n";

    fn stream(events: &[&str]) -> String {
        let blocks = events.iter().map(|data| format!("data: {data}\n\n"));
        format!(": hello\n\n{}", blocks.collect::<String>())
    }

    /// What the app gets of these chunks.
    fn relayed<'c>(chunks: impl IntoIterator<Item = &'c [u8]>) -> String {
        let mut events = Events {
            blocks: sse::Decoder::new(1000),
            watch: Watch::default(),
        };
        let mut out = Vec::new();
        let mut sink = |_: crate::turn::Event<'_>| Ok(());
        let fed = chunks
            .into_iter()
            .try_for_each(|chunk| events.push(chunk, &mut out, &mut sink));
        if let Err(fault) = fed.and_then(|()| events.finish(&mut out, &mut sink)) {
            assert!(events.fail(&fault, &mut out));
        }
        String::from_utf8(out).unwrap()
    }

    /// What the app gets behind what came.
    #[track_caller]
    fn check(events: &[&str], more: &str) {
        let input = stream(events);
        assert_eq!(relayed([input.as_bytes()]), format!("{input}{more}"));
        let mut random = Random::new(7);
        for _ in 0..50 {
            let chunks = random.cut(input.as_bytes(), 40);
            assert_eq!(relayed(chunks), format!("{input}{more}"));
        }
    }

    #[test]
    fn a_session_that_rests_may_end() {
        check(&[CREATED, DELTA, COMPLETED], "");
        check(&[CREATED, DELTA, COMPLETED, IDLE], "");
        check(&[CREATED, IDLE, CREATED], "");
        check(&[DELTA, "[DONE]"], "");
        check(&[DELTA, r#"{"type":"error","error":{"message":"m"}}"#], "");
    }

    #[test]
    fn a_session_at_work_is_cut_short() {
        check(&[CREATED, DELTA], FAILED);
        check(&[IDLE, DELTA], FAILED);
        check(&[DELTA, SUBAGENTS], FAILED);
        check(&[CREATED], FAILED);
        let nameless = FAILED.replace(r#""s\u0031""#, r#""""#);
        check(&[], &nameless);
    }

    #[test]
    fn half_an_event_is_never_told() {
        let whole = stream(&[IDLE]);
        let input = format!("{whole}data: {{\"type\":\"agent.session.idle\"");
        assert_eq!(relayed([input.as_bytes()]), format!("{whole}{FAILED}"));
    }

    #[test]
    fn what_is_no_event_ends_the_stream() {
        for data in ["{", "[]", "{}", r#"{"type":7}"#] {
            let whole = stream(&[IDLE]);
            let input = format!("{whole}data: {data}\n\n");
            let got = relayed([input.as_bytes()]);
            let got = got.strip_prefix(&whole).unwrap();
            assert!(
                got.contains(r#""code":"upstream_corrupt""#),
                "{data}: {got}"
            );
        }
    }

    #[test]
    fn an_event_beyond_the_bound_ends_the_stream() {
        let long = format!(
            r#"{{"type":"agent.session.idle","a":"{}"}}"#,
            "x".repeat(1000)
        );
        let got = relayed([stream(&[&long]).as_bytes()]);
        assert!(got.contains(r#""code":"upstream_too_large""#), "{got}");
    }
}
