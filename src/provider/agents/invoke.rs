//! InvokeAgent: one turn of a Bedrock agent.
//!
//! The agent gets what the user said since it last spoke, as one text, with documents as files; or the
//! results of tools that it left to the app. In a new session it hears the conversation before that as
//! `conversationHistory`, texts only: of earlier calls it knows that there were some. Instructions and tools
//! are the agent's own: system messages (`agent.system`) and tools (`agent.tools`) are not carried. Usage
//! is told in the agent's trace only, which therefore is switched on; nothing else of it is read.

use std::rc::Rc;

use crate::codec::json::{is_blank, write_string};
use crate::document::Fields;
use crate::fault::{Fault, Invalid};
use crate::provider::endpoint::push_segment;
use crate::provider::{Call, Decoder, Sink, Translate};
use crate::turn::{
    Document, DocumentSource, Escaped, Headers, Message, Part, Request, Role, Uncarried,
};

use super::invoke_answer::Stream;
use super::session::{Held, Keep, new_messages};
use super::{
    Agent, EVENT_STREAM, JSON, NO_SEARCH_RESULT, Site, control, decode_framed, has_results,
    is_framed, leave_model_settings, part_param, placed,
};

/// One alias of a Bedrock agent.
#[derive(Debug)]
pub(super) struct InvokeAgent {
    site: Rc<Site>,
    /// Up to the session's id.
    path: String,
    keep: Keep,
    traces: bool,
}

impl InvokeAgent {
    pub(super) fn compile(site: &Rc<Site>, fields: &mut Fields<'_>) -> Option<Self> {
        let agent = fields
            .require("agent", "give the agent's id, such as AGENT12345")
            .parsed("agent", id);
        let alias = fields
            .require(
                "alias",
                "give the id of an alias, such as ALIAS12345 or TSTALIASID",
            )
            .parsed("alias", id);
        let keep = Keep::read(fields);
        let traces = fields.boolean("trace").unwrap_or(true);
        let mut path = format!("{}/agents/", site.endpoint.path);
        push_segment(&mut path, agent?);
        path.push_str("/agentAliases/");
        push_segment(&mut path, alias?);
        path.push_str("/sessions/");
        Some(Self {
            site: Rc::clone(site),
            path,
            keep,
            traces,
        })
    }
}

fn id(text: &str) -> Result<&str, &'static str> {
    if (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(text);
    }
    Err("no id of an agent or alias; it has 1 to 10 letters and digits")
}

impl Agent for InvokeAgent {
    const COMPLETES: bool = false;

    fn site(&self) -> &Site {
        &self.site
    }
}

impl Translate for InvokeAgent {
    fn encode(
        &self,
        request: &Request<'_>,
        uncarried: &mut Uncarried<'_>,
        call: &mut Call,
    ) -> Result<(), Fault> {
        leave_model_settings(request, false, uncarried)?;
        if request
            .messages
            .iter()
            .any(|message| message.role == Role::System)
        {
            uncarried.leave("agent.system")?;
        }
        let mut held = self.keep.session(&self.path, request);
        call.body.clear();
        write(request, &mut held, self.traces, uncarried, &mut call.body)?;
        call.authority.clone_from(&self.site.endpoint.authority);
        call.path.clone_from(&self.path);
        push_segment(&mut call.path, &held.id);
        call.path.push_str("/text");
        call.headers.set("content-type", JSON);
        call.headers.set("accept", EVENT_STREAM);
        Ok(())
    }

    fn is_stream(&self, head: &Headers) -> bool {
        is_framed(head)
    }

    fn decode(&self, head: &Headers, body: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
        decode_framed(self, head, body, sink)
    }

    fn decoder(&self, head: &Headers) -> Box<dyn Decoder> {
        let session = head.text("x-amz-bedrock-agent-session-id");
        Box::new(Stream::new(
            self.site.event_bytes_max,
            session.unwrap_or_default(),
        ))
    }
}

fn write(
    request: &Request<'_>,
    held: &mut Held,
    traces: bool,
    uncarried: &mut Uncarried<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let (start, messages) = new_messages(request);
    out.push(b'{');
    let mut state = Vec::new();
    if messages.iter().any(|message| has_results(&message.parts)) {
        let told = control::results(messages)?;
        if let Some(session) = told.session.filter(|_| !held.is_kept) {
            held.id = session;
        }
        state = told.state;
    } else {
        write_text(messages, out)?;
        out.push(b',');
        write_files(messages, uncarried, &mut state)?;
        if !held.is_kept {
            let earlier = request.messages.get(..start).unwrap_or_default();
            write_history(earlier, &mut state);
        }
    }
    if traces {
        out.extend_from_slice(br#""enableTrace":true,"#);
    }
    if !state.is_empty() {
        out.extend_from_slice(br#""sessionState":{"#);
        out.append(&mut state);
        out.extend_from_slice(b"},");
    }
    out.extend_from_slice(br#""streamingConfigurations":{"streamFinalResponse":"#);
    out.extend_from_slice(if request.stream {
        b"true}}"
    } else {
        b"false}}"
    });
    Ok(())
}

/// Appends the texts of the user's messages as one, a blank line between them.
fn write_text(messages: &[Message<'_>], out: &mut Vec<u8>) -> Result<(), Fault> {
    out.extend_from_slice(br#""inputText":""#);
    let start = out.len();
    for message in messages
        .iter()
        .filter(|message| message.role != Role::System)
    {
        for (at, part) in placed(&message.parts) {
            match part {
                Part::Text(text) | Part::Refusal(text) => push_paragraph(*text, start, out),
                Part::Document(_) => {}
                Part::Image(_) => {
                    return Err(Fault::from(Invalid::unsupported(
                        format!("{}.image_url", part_param(message.index, at)),
                        "the agent takes texts and documents; leave the image out",
                    )));
                }
                Part::SearchResult(_) => {
                    return Err(Fault::from(Invalid::unsupported(
                        part_param(message.index, at),
                        NO_SEARCH_RESULT,
                    )));
                }
                // Calls are the assistant's, and results are read elsewhere.
                Part::ToolCall { .. }
                | Part::TextCall { .. }
                | Part::ToolResult { .. }
                | Part::Reasoning { .. }
                | Part::Redacted(_)
                | Part::CacheBreakpoint(_) => {}
            }
        }
    }
    if out.len() == start {
        return Err(Fault::from(Invalid::value(
            "messages",
            "the agent answers a user; end with a user message that has a text",
        )));
    }
    out.push(b'"');
    Ok(())
}

fn push_paragraph(text: Escaped<'_>, start: usize, out: &mut Vec<u8>) {
    if is_blank(text.as_str()) {
        return;
    }
    if out.len() > start {
        out.extend_from_slice(br"\n\n");
    }
    out.extend_from_slice(text.as_str().as_bytes());
}

fn write_files(
    messages: &[Message<'_>],
    uncarried: &mut Uncarried<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let mut count = 0_usize;
    for message in messages {
        for (at, part) in placed(&message.parts) {
            let Part::Document(Document {
                file_name,
                source,
                cited,
            }) = part
            else {
                continue;
            };
            let DocumentSource::Inline { media_type, base64 } = source else {
                return Err(Fault::from(Invalid::unsupported(
                    format!("{}.file.file_id", part_param(message.index, at)),
                    "this provider does not have the file; send its bytes as file_data",
                )));
            };
            if media_type.starts_with("audio/") || media_type.starts_with("video/") {
                return Err(Fault::from(Invalid::unsupported(
                    part_param(message.index, at),
                    "the agent takes texts and documents; leave the recording out",
                )));
            }
            if *cited {
                uncarried.leave("citations")?;
            }
            let before: &[u8] = if count == 0 { br#""files":["# } else { b"," };
            count = count.saturating_add(1);
            out.extend_from_slice(before);
            out.extend_from_slice(br#"{"name":"#);
            match file_name {
                Some(name) => write_string(out, name),
                None => write_string(out, &format!("document-{count}")),
            }
            out.extend_from_slice(
                br#","source":{"sourceType":"BYTE_CONTENT","byteContent":{"mediaType":"#,
            );
            write_string(out, media_type);
            out.extend_from_slice(br#","data":"#);
            write_string(out, base64);
            out.extend_from_slice(br#"}},"useCase":"CHAT"}"#);
        }
    }
    if count > 0 {
        out.push(b']');
    }
    Ok(())
}

/// Appends the conversation as texts; neighbours of one side are one message.
fn write_history(messages: &[Message<'_>], out: &mut Vec<u8>) {
    let mut open = None;
    for message in messages {
        let side: &[u8] = match message.role {
            Role::System | Role::Tool => continue,
            Role::User => b"user",
            Role::Assistant => b"assistant",
        };
        let has_calls = message
            .parts
            .iter()
            .any(|part| matches!(part, Part::ToolCall { .. } | Part::TextCall { .. }));
        let texts = message.parts.iter().filter_map(|part| match part {
            Part::Text(text) | Part::Refusal(text) if !is_blank(text.as_str()) => Some(*text),
            Part::Text(_)
            | Part::Refusal(_)
            | Part::Image(_)
            | Part::Document(_)
            | Part::SearchResult(_)
            | Part::ToolCall { .. }
            | Part::TextCall { .. }
            | Part::ToolResult { .. }
            | Part::Reasoning { .. }
            | Part::Redacted(_)
            | Part::CacheBreakpoint(_) => None,
        });
        let called = has_calls.then(|| Escaped::from_content(CALLED));
        for text in texts.chain(called) {
            let before: &[u8] = match open {
                None if out.is_empty() => br#""conversationHistory":{"messages":["#,
                None => br#","conversationHistory":{"messages":["#,
                Some(before) if before == side => b",",
                Some(_) => b"]},",
            };
            out.extend_from_slice(before);
            if open != Some(side) {
                out.extend_from_slice(br#"{"role":""#);
                out.extend_from_slice(side);
                out.extend_from_slice(br#"","content":["#);
            }
            open = Some(side);
            out.extend_from_slice(br#"{"text":""#);
            out.extend_from_slice(text.as_str().as_bytes());
            out.extend_from_slice(br#""}"#);
        }
    }
    if open.is_some() {
        out.extend_from_slice(b"]}]}");
    }
}

/// What stands in the history for a turn's calls.
const CALLED: &str = "(I called tools.)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turn::{Parameters, Session};

    fn text(content: &str) -> Part<'_> {
        Part::Text(Escaped::from_content(content))
    }

    fn ask<'a>(messages: Vec<(Role, Vec<Part<'a>>)>, name: Option<&'a str>) -> Request<'a> {
        let messages = messages.into_iter().enumerate();
        Request {
            messages: messages
                .map(|(index, (role, parts))| Message { role, parts, index })
                .collect(),
            session: Session {
                name,
                ..Session::default()
            },
            ..Request::default()
        }
    }

    fn encoded(request: &Request<'_>) -> Result<String, Fault> {
        let mut held = Keep::Named.session("a", request);
        let mut out = Vec::new();
        let rules = Parameters::default();
        let mut uncarried = Uncarried::new(&rules);
        write(request, &mut held, false, &mut uncarried, &mut out)?;
        let text = String::from_utf8(out).unwrap();
        let _valid: &serde_json::value::RawValue = serde_json::from_str(&text).unwrap();
        Ok(text)
    }

    #[track_caller]
    fn check(request: &Request<'_>, want: &str) {
        let end = r#""streamingConfigurations":{"streamFinalResponse":false}}"#;
        assert_eq!(encoded(request).unwrap(), format!("{want}{end}"));
    }

    fn conversation<'a>() -> Vec<(Role, Vec<Part<'a>>)> {
        let call = Part::ToolCall {
            id: "1".into(),
            name: "f".into(),
            arguments: Escaped::from_content("{}"),
        };
        vec![
            (Role::System, vec![text("be brief")]),
            (Role::User, vec![text("one"), text("two")]),
            (Role::Assistant, vec![call]),
            (Role::Assistant, vec![text("three")]),
            (Role::User, vec![text("four"), text(" ")]),
            (Role::User, vec![text("five")]),
        ]
    }

    #[test]
    fn a_new_session_hears_the_whole_conversation() {
        check(
            &ask(conversation(), None),
            r#"{"inputText":"four\n\nfive","sessionState":{"conversationHistory":{"messages":[{"role":"user","content":[{"text":"one"},{"text":"two"}]},{"role":"assistant","content":[{"text":"(I called tools.)"},{"text":"three"}]}]}},"#,
        );
    }

    #[test]
    fn a_kept_session_hears_what_is_new() {
        check(
            &ask(conversation(), Some("7")),
            r#"{"inputText":"four\n\nfive","#,
        );
    }

    #[test]
    fn a_document_goes_along_as_a_file() {
        let document = Part::Document(Document {
            file_name: None,
            source: DocumentSource::Inline {
                media_type: "text/plain".into(),
                base64: "aGk=".into(),
            },
            cited: false,
        });
        check(
            &ask(vec![(Role::User, vec![text("read"), document])], None),
            r#"{"inputText":"read","sessionState":{"files":[{"name":"document-1","source":{"sourceType":"BYTE_CONTENT","byteContent":{"mediaType":"text/plain","data":"aGk="}},"useCase":"CHAT"}]},"#,
        );
    }

    #[test]
    fn what_no_agent_hears_is_refused() {
        let result = || Part::ToolResult {
            id: "tgc1::i:0:f:A:f:".into(),
            output: Vec::new(),
        };
        let image = Part::Image(crate::turn::Image::Url("https://x".into()));
        for (messages, param) in [
            (
                vec![
                    (Role::User, vec![text("a")]),
                    (Role::Assistant, vec![text("b")]),
                ],
                "messages",
            ),
            (vec![(Role::System, vec![text("a")])], "messages"),
            (
                vec![(Role::User, vec![image])],
                "messages[0].content[0].image_url",
            ),
            (
                vec![(Role::Tool, vec![result()]), (Role::User, vec![text("a")])],
                "messages[1]",
            ),
            (
                vec![(Role::Tool, (0..6).map(|_| result()).collect())],
                "messages[0]",
            ),
        ] {
            let fault = encoded(&ask(messages, None)).unwrap_err();
            assert_eq!((fault.status(), fault.param()), (400, Some(param)));
        }
    }
}
