//! InvokeAgentRuntime: an agent of anyone's making, hosted by AgentCore.
//!
//! What the agent reads is its own affair. By default it gets `{"prompt": ".."}`, as AgentCore's own examples
//! do, with what the user said since the agent last spoke; with `payload: messages` it gets
//! `{"messages": [{"role": "user", "content": ".."}]}`, the conversation's texts in OpenAI's form. With a
//! prompt alone an agent in a new session would not know what came before, so such a request is refused.
//! Instructions, tools and sampling are the agent's own.

use std::rc::Rc;

use crate::codec::json::is_blank;
use crate::document::Fields;
use crate::fault::{Fault, Invalid};
use crate::provider::endpoint::push_segment;
use crate::provider::{Call, Decoder, Sink, Translate};
use crate::turn::{Escaped, Headers, Message, Part, Request, Role, Uncarried};

use super::runtime_answer::{Stream, whole};
use super::session::{Held, Keep, new_messages};
use super::{
    Agent, JSON, NO_SEARCH_RESULT, SESSION_HEADER, Site, arn, drain, leave_model_settings,
    part_param, placed, qualifier,
};

const SSE: &str = "text/event-stream";

/// One runtime.
#[derive(Debug)]
pub(super) struct Runtime {
    site: Rc<Site>,
    /// With its query.
    path: String,
    keep: Keep,
    payload: Payload,
}

/// What the agent reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Payload {
    Prompt,
    Messages,
}

const PAYLOADS: &[(&str, Payload)] =
    &[("prompt", Payload::Prompt), ("messages", Payload::Messages)];

impl Runtime {
    pub(super) fn compile(site: &Rc<Site>, fields: &mut Fields<'_>) -> Option<Self> {
        let runtime = fields.parsed("runtime", |text| arn(text, "runtime"));
        let endpoint = fields.parsed("qualifier", qualifier);
        let keep = Keep::read(fields);
        let payload = fields
            .one_of("payload", PAYLOADS)
            .unwrap_or(Payload::Prompt);
        let mut path = format!("{}/runtimes/", site.endpoint.path);
        push_segment(&mut path, runtime?);
        path.push_str("/invocations");
        if let Some(name) = endpoint {
            path.push_str("?qualifier=");
            push_segment(&mut path, name);
        }
        Some(Self {
            site: Rc::clone(site),
            path,
            keep,
            payload,
        })
    }
}

impl Agent for Runtime {
    const COMPLETES: bool = true;

    fn site(&self) -> &Site {
        &self.site
    }
}

impl Translate for Runtime {
    fn encode(
        &self,
        request: &Request<'_>,
        uncarried: &mut Uncarried<'_>,
        call: &mut Call,
    ) -> Result<(), Fault> {
        leave_model_settings(request, false, uncarried)?;
        let has_system = request.messages.iter().any(|it| it.role == Role::System);
        if self.payload == Payload::Prompt && has_system {
            uncarried.leave("agent.system")?;
        }
        let held = self.keep.session(&self.path, request);
        call.body.clear();
        match self.payload {
            Payload::Prompt => write_prompt(request, &held, &mut call.body)?,
            Payload::Messages => write_messages(request, &held, &mut call.body)?,
        }
        call.authority.clone_from(&self.site.endpoint.authority);
        call.path.clone_from(&self.path);
        call.headers.set("content-type", JSON);
        let accept = if request.stream {
            "text/event-stream, application/json"
        } else {
            "application/json, text/event-stream"
        };
        call.headers.set("accept", accept);
        call.headers.set(SESSION_HEADER, held.id);
        Ok(())
    }

    /// Whatever the agent answers can be told piece by piece, though JSON comes as one.
    fn is_stream(&self, head: &Headers) -> bool {
        head.has_content_type(SSE) || head.has_content_type(JSON) || head.has_content_type(TEXT)
    }

    fn decode(&self, head: &Headers, body: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
        if !head.has_content_type(SSE) {
            return whole(head.has_content_type(JSON), body, sink);
        }
        drain(&mut *self.decoder(head), body, sink)
    }

    fn decoder(&self, head: &Headers) -> Box<dyn Decoder> {
        let bytes_max = self.site.event_bytes_max;
        Box::new(if head.has_content_type(SSE) {
            Stream::events(bytes_max)
        } else {
            Stream::whole(head.has_content_type(JSON), bytes_max)
        })
    }
}

const TEXT: &str = "text/plain";

/// Calls `take` with the texts of a message; anything else in it is refused.
fn texts(message: &Message<'_>, mut take: impl FnMut(Escaped<'_>)) -> Result<(), Fault> {
    for (at, part) in placed(&message.parts) {
        let (field, problem) = match part {
            Part::Text(text) | Part::Refusal(text) => {
                if !is_blank(text.as_str()) {
                    take(*text);
                }
                continue;
            }
            Part::Image(_) => (
                ".image_url",
                "the agent takes texts only; leave the image out",
            ),
            Part::Document(_) => ("", "the agent takes texts only; leave the file out"),
            Part::SearchResult(_) => ("", NO_SEARCH_RESULT),
            Part::Reasoning { .. } | Part::Redacted(_) | Part::CacheBreakpoint(_) => continue,
            Part::ToolCall { .. } | Part::TextCall { .. } | Part::ToolResult { .. } => (
                "",
                "the agent calls no tools of the app; leave calls and results out",
            ),
        };
        let param = format!("{}{field}", part_param(message.index, at));
        return Err(Fault::from(Invalid::unsupported(param, problem)));
    }
    Ok(())
}

fn nothing_said() -> Fault {
    Fault::from(Invalid::value(
        "messages",
        "the agent answers a user; end with a user message that has a text",
    ))
}

fn write_prompt(request: &Request<'_>, held: &Held, out: &mut Vec<u8>) -> Result<(), Fault> {
    let (start, messages) = new_messages(request);
    if start > 0 && !held.is_kept {
        return Err(Fault::from(Invalid::unsupported(
            "messages",
            "the agent would not know the conversation so far; name the conversation in the header \
             x-tollgate-session, or the person in safety_identifier or user, from its beginning on",
        )));
    }
    out.extend_from_slice(br#"{"prompt":""#);
    let begin = out.len();
    for message in messages
        .iter()
        .filter(|message| message.role != Role::System)
    {
        texts(message, |text| {
            if out.len() > begin {
                out.extend_from_slice(br"\n\n");
            }
            out.extend_from_slice(text.as_str().as_bytes());
        })?;
    }
    if out.len() == begin {
        return Err(nothing_said());
    }
    out.extend_from_slice(br#""}"#);
    Ok(())
}

fn write_messages(request: &Request<'_>, held: &Held, out: &mut Vec<u8>) -> Result<(), Fault> {
    let (start, new) = new_messages(request);
    if !new.iter().any(|message| message.role == Role::User) {
        return Err(nothing_said());
    }
    let first = if held.is_kept { start } else { 0 };
    out.extend_from_slice(br#"{"messages":["#);
    let begin = out.len();
    for (at, message) in request.messages.iter().enumerate() {
        // A kept session has heard the others; instructions count for this turn as well.
        if message.role != Role::System && at < first {
            continue;
        }
        let role: &[u8] = match message.role {
            Role::System => b"system",
            Role::User => b"user",
            Role::Assistant => b"assistant",
            Role::Tool => b"tool",
        };
        let mut is_open = false;
        texts(message, |text| {
            if is_open {
                out.extend_from_slice(br"\n\n");
            } else {
                if out.len() > begin {
                    out.push(b',');
                }
                out.extend_from_slice(br#"{"role":""#);
                out.extend_from_slice(role);
                out.extend_from_slice(br#"","content":""#);
                is_open = true;
            }
            out.extend_from_slice(text.as_str().as_bytes());
        })?;
        if is_open {
            out.extend_from_slice(br#""}"#);
        }
    }
    out.extend_from_slice(b"]}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request<'a>(texts: &[(Role, &'a str)]) -> Request<'a> {
        let messages = texts.iter().enumerate();
        Request {
            messages: messages
                .map(|(index, (role, text))| Message {
                    role: *role,
                    parts: vec![Part::Text(Escaped::from_content(text))],
                    index,
                })
                .collect(),
            ..Request::default()
        }
    }

    #[track_caller]
    fn check(payload: Payload, is_kept: bool, texts: &[(Role, &str)], want: Result<&str, &str>) {
        let request = request(texts);
        let id = String::new();
        let held = Held { id, is_kept };
        let mut out = Vec::new();
        let written = match payload {
            Payload::Prompt => write_prompt(&request, &held, &mut out),
            Payload::Messages => write_messages(&request, &held, &mut out),
        };
        let got = written.map(|()| String::from_utf8(out).unwrap());
        match got {
            Ok(body) => assert_eq!(Ok(body.as_str()), want),
            Err(fault) => assert_eq!(Err(fault.param().unwrap()), want),
        }
    }

    const LATER: &[(Role, &str)] = &[
        (Role::System, "be brief"),
        (Role::User, "one"),
        (Role::Assistant, "two"),
        (Role::User, "three"),
    ];

    #[test]
    fn a_prompt_is_what_the_user_said_last() {
        check(
            Payload::Prompt,
            false,
            &LATER[..2],
            Ok(r#"{"prompt":"one"}"#),
        );
        check(Payload::Prompt, true, LATER, Ok(r#"{"prompt":"three"}"#));
        check(Payload::Prompt, false, LATER, Err("messages"));
        check(Payload::Prompt, true, &LATER[..3], Err("messages"));
    }

    #[test]
    fn messages_are_the_conversation() {
        check(
            Payload::Messages,
            false,
            LATER,
            Ok(
                r#"{"messages":[{"role":"system","content":"be brief"},{"role":"user","content":"one"},{"role":"assistant","content":"two"},{"role":"user","content":"three"}]}"#,
            ),
        );
        check(
            Payload::Messages,
            true,
            LATER,
            Ok(
                r#"{"messages":[{"role":"system","content":"be brief"},{"role":"user","content":"three"}]}"#,
            ),
        );
    }
}
