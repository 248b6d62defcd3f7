//! Makes the reply to a turn: what the model says, changed by the faults that were asked for.

use std::io::Write as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::cuts::Cuts;
use crate::exchange::{Body, Dialect, Received, Reply, Step, Turn, Upstream};
use crate::fault::Fault;
use crate::model::Words;
use crate::wire::Wire;

/// What was sent needs a moment to leave before the connection closes, or the close overtakes it.
const BEFORE_CUT: Duration = Duration::from_millis(20);

pub(crate) fn reply(mut turn: Turn, faults: &[Fault], request: &Received, mut cuts: Cuts) -> Reply {
    if let Some(status) = status_of(faults, request.upstream) {
        return status;
    }
    for fault in faults {
        if let Fault::Chunks { count, word } = fault {
            turn.prompt.words = Some(Words {
                count: *count,
                word: word.clone(),
            });
        }
    }
    cuts.is_by_word = turn.prompt.words.is_some();
    let (content_type, parts) = match content(&turn, faults, &mut cuts) {
        Ok(content) => content,
        Err(message) => return impossible(&message),
    };
    let mut reply = Reply::whole(200, content_type, Bytes::new());
    if let Dialect::Vectors {
        tokens: Some(tokens),
        ..
    } = &turn.dialect
    {
        reply = reply.with("x-amzn-bedrock-input-token-count", tokens.to_string());
    }
    let mut parts = break_parts(parts, faults, &turn);
    if faults.iter().any(|fault| matches!(fault, Fault::Gzip {})) {
        if !request
            .header("accept-encoding")
            .is_some_and(|accepted| accepted.contains("gzip"))
        {
            return impossible(
                "gzip was asked for by a rule, but accept-encoding does not allow it",
            );
        }
        parts = vec![Part::Event(gzip(&parts))];
        reply = reply.with("content-encoding", "gzip");
    }
    if let [Part::Event(whole)] = parts.as_slice()
        && faults.iter().all(|fault| {
            matches!(
                fault,
                Fault::Answer { .. } | Fault::Chunks { .. } | Fault::Gzip {}
            )
        })
        && !turn.is_stream
    {
        reply.body = Body::Whole(Some(whole.clone()));
        return reply;
    }
    let mut bytes_max = faults.iter().find_map(|fault| match fault {
        Fault::Cut { after_bytes, .. } => *after_bytes,
        _ => None,
    });
    if !turn.is_stream
        && faults
            .iter()
            .any(|fault| matches!(fault, Fault::Cut { .. }))
    {
        // What is missing is missed only if it was promised.
        let whole: usize = parts.iter().map(Part::len).sum();
        reply = reply.with("content-length", whole.to_string());
        bytes_max = bytes_max.or(Some(whole / 2));
    }
    reply.body = Body::steps(limited(steps(parts, faults, &mut cuts), bytes_max));
    reply
}

/// Waiting before the head of the reply.
pub(crate) fn first_delay(faults: &[Fault]) -> Option<Duration> {
    faults.iter().find_map(|fault| match fault {
        Fault::Slow { first_ms, .. } if *first_ms > 0 => Some(Duration::from_millis(*first_ms)),
        _ => None,
    })
}

pub(crate) fn is_silent(faults: &[Fault]) -> bool {
    faults
        .iter()
        .any(|fault| matches!(fault, Fault::Hang { after: None }))
}

/// The reply of a fault that is a status, if one is.
pub(crate) fn status_of(faults: &[Fault], upstream: Upstream) -> Option<Reply> {
    let mut faults = faults.iter();
    let fault = faults.find(|fault| matches!(fault, Fault::Status { .. }))?;
    Some(status(fault, upstream))
}

fn status(fault: &Fault, upstream: Upstream) -> Reply {
    let Fault::Status {
        status,
        errortype,
        message,
        headers,
        body,
    } = fault
    else {
        return impossible("no status");
    };
    if !(200..=999).contains(status) {
        return impossible("a status of a rule is from 200 to 999");
    }
    let is_legal = |(name, value): (&String, &String)| {
        HeaderName::from_bytes(name.as_bytes()).is_ok() && HeaderValue::from_str(value).is_ok()
    };
    if !headers.iter().all(is_legal) {
        return impossible("a header of a rule is not legal");
    }
    let message = message.as_deref().unwrap_or("asked for by a rule");
    let kind = errortype.as_deref();
    let mut reply = match (body, upstream) {
        (Some(Value::String(raw)), _) => {
            Reply::whole(*status, "text/plain", Bytes::from(raw.clone()))
        }
        (Some(json), _) => Reply::json(*status, json),
        (None, Upstream::Bedrock) => Reply::json(*status, &json!({"message": message})),
        (None, _) => {
            let error = json!({"message": message, "type": kind, "param": null, "code": kind});
            Reply::json(*status, &json!({"error": error}))
        }
    };
    if let (Some(kind), Upstream::Bedrock) = (kind, upstream) {
        reply = reply.with("x-amzn-errortype", kind);
    }
    headers.iter().fold(reply, |reply, (name, value)| {
        reply.with(&name.to_lowercase(), value)
    })
}

/// A rule that does not fit its request is the test's mistake, and says so.
fn impossible(message: &str) -> Reply {
    let message = format!("simulator: {message}");
    Reply::json(
        500,
        &json!({"message": message, "error": {"message": message, "type": "simulator"}}),
    )
}

enum Part {
    Event(Bytes),
    Cut,
    Hang,
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::Event(bytes) => bytes.len(),
            Self::Cut | Self::Hang => 0,
        }
    }
}

type Content = (&'static str, Vec<Part>);

fn content(turn: &Turn, faults: &[Fault], cuts: &mut Cuts) -> Result<Content, String> {
    let script = faults.iter().find_map(|fault| match fault {
        Fault::Answer { body, events } => Some((body.as_ref(), events.as_ref())),
        _ => None,
    });
    let (body, events) = script.unwrap_or_default();
    let answer = || {
        body.cloned()
            .unwrap_or_else(|| turn.dialect.answer(&turn.prompt))
    };
    if !turn.is_stream {
        if script.is_some() && body.is_none() {
            return Err(
                "the answer of a rule has no body, but the request wants no stream".to_owned(),
            );
        }
        if faults
            .iter()
            .any(|fault| matches!(fault, Fault::Exception { .. } | Fault::Leftover {}))
        {
            return Err("exception and leftover need a stream".to_owned());
        }
        return Ok((
            "application/json",
            vec![Part::Event(Bytes::from(answer().to_string()))],
        ));
    }
    let wire = turn.dialect.wire();
    let events = match events {
        Some(events) => scripted(events, &turn.dialect)?,
        None => turn.dialect.events(&answer(), cuts),
    };
    Ok((
        wire.content_type(),
        events
            .iter()
            .map(|event| Part::Event(wire.event(event)))
            .collect(),
    ))
}

fn scripted(events: &[Value], dialect: &Dialect) -> Result<Vec<Value>, String> {
    let is_frames = dialect.wire() == Wire::Frames;
    if is_frames
        && events
            .iter()
            .any(|event| event.as_object().is_none_or(|event| event.len() != 1))
    {
        return Err("an event of a rule is an object with one member, its type".to_owned());
    }
    let mut events = events.to_vec();
    let is_chat = matches!(dialect, Dialect::Chat(_));
    if is_chat && events.last().is_none_or(|event| event != "[DONE]") {
        events.push(json!("[DONE]"));
    }
    Ok(events)
}

fn break_parts(mut parts: Vec<Part>, faults: &[Fault], turn: &Turn) -> Vec<Part> {
    let wire = turn.dialect.wire();
    for fault in faults {
        match fault {
            Fault::Exception { after, exception } => {
                parts.truncate(*after);
                parts.push(Part::Event(wire.exception(exception)));
            }
            // A whole answer is cut by bytes.
            Fault::Cut {
                after: Some(after), ..
            } if turn.is_stream => {
                parts.truncate(*after);
                parts.push(Part::Cut);
            }
            Fault::Hang { after: Some(after) } => {
                parts.truncate(*after);
                parts.push(Part::Hang);
            }
            Fault::End { after } => parts.truncate(*after),
            Fault::Garbage { after, form } => {
                parts.insert((*after).min(parts.len()), Part::Event(wire.garbage(*form)));
            }
            Fault::Leftover {} => parts.push(Part::Event(wire.half_event())),
            _ => {}
        }
    }
    parts
}

fn gzip(parts: &[Part]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for part in parts {
        if let Part::Event(bytes) = part {
            encoder.write_all(bytes).expect("memory takes all");
        }
    }
    Bytes::from(encoder.finish().expect("memory takes all"))
}

/// Events that follow one another at once are one run of bytes, cut anywhere.
fn steps(parts: Vec<Part>, faults: &[Fault], cuts: &mut Cuts) -> Vec<Step> {
    let delay = faults.iter().find_map(|fault| match fault {
        Fault::Slow { delay_ms, .. } if *delay_ms > 0 => Some(Duration::from_millis(*delay_ms)),
        _ => None,
    });
    let mut steps = Vec::new();
    let mut run = BytesMut::new();
    for part in parts {
        match part {
            Part::Event(bytes) if cuts.write_bytes_max == 0 => {
                steps.push(Step::Bytes(bytes));
                steps.extend(delay.map(Step::Sleep));
            }
            Part::Event(bytes) => {
                run.extend_from_slice(&bytes);
                if let Some(delay) = delay {
                    steps.extend(
                        cuts.bytes(run.split().freeze())
                            .into_iter()
                            .map(Step::Bytes),
                    );
                    steps.push(Step::Sleep(delay));
                }
            }
            Part::Cut | Part::Hang => {
                steps.extend(
                    cuts.bytes(run.split().freeze())
                        .into_iter()
                        .map(Step::Bytes),
                );
                if matches!(part, Part::Hang) {
                    steps.push(Step::Hang);
                } else {
                    steps.extend([Step::Sleep(BEFORE_CUT), Step::Cut]);
                }
            }
        }
    }
    steps.extend(cuts.bytes(run.freeze()).into_iter().map(Step::Bytes));
    steps
}

/// Cuts the connection after so many bytes of the body.
fn limited(steps: Vec<Step>, bytes_max: Option<usize>) -> Vec<Step> {
    let Some(mut left) = bytes_max else {
        return steps;
    };
    let mut kept = Vec::new();
    for step in steps {
        match step {
            Step::Bytes(mut bytes) => {
                bytes.truncate(left);
                left -= bytes.len();
                kept.push(Step::Bytes(bytes));
            }
            other => kept.push(other),
        }
        if left == 0 {
            break;
        }
    }
    kept.extend([Step::Sleep(BEFORE_CUT), Step::Cut]);
    kept
}

#[cfg(test)]
mod tests {
    use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};

    use super::*;
    use crate::model::Prompt;

    fn played(faults: Value, is_stream: bool, seed: u64) -> Reply {
        let faults: Vec<Fault> = serde_json::from_value(faults).unwrap();
        let prompt = Prompt {
            user_text: "naïve 👩‍👩‍👧 hello".to_owned(),
            ..Prompt::default()
        };
        let turn = Turn {
            prompt,
            dialect: Dialect::Converse {
                model: "m".to_owned(),
                has_stop_path: false,
            },
            is_stream,
        };
        reply(
            turn,
            &faults,
            &Received::for_test("/", &[], ""),
            Cuts::new(seed, 30),
        )
    }

    /// What a reader sees with AWS's own decoder: the frames' types, then how it ended.
    fn seen(faults: Value, seed: u64) -> Vec<String> {
        let Body::Steps(steps) = played(faults, true, seed).body else {
            panic!("a stream has steps")
        };
        let mut decoder = MessageFrameDecoder::new();
        let mut buffer = BytesMut::new();
        let mut seen = Vec::new();
        for step in steps.into_steps() {
            match step {
                Step::Bytes(bytes) => buffer.extend_from_slice(&bytes),
                Step::Cut => seen.push("cut".to_owned()),
                Step::Hang => seen.push("hang".to_owned()),
                Step::Sleep(_) => {}
            }
            loop {
                match decoder.decode_frame(&mut buffer) {
                    Ok(DecodedFrame::Complete(message)) => {
                        let kind = message.headers()[0]
                            .value()
                            .as_string()
                            .unwrap()
                            .as_str()
                            .to_owned();
                        seen.push(kind);
                    }
                    Ok(_) => break,
                    Err(_) => {
                        seen.push("corrupt".to_owned());
                        return seen;
                    }
                }
            }
        }
        if !buffer.is_empty() {
            seen.push("leftover".to_owned());
        }
        seen
    }

    #[track_caller]
    fn check_end(faults: Value, count: usize, last: &str) {
        let seen = seen(faults, 1);
        assert_eq!((seen.len(), seen.last().unwrap().as_str()), (count, last));
    }

    #[test]
    fn a_stream_is_whole_however_it_is_cut() {
        for seed in 0..100 {
            let seen = seen(json!([]), seed);
            assert_eq!(
                (seen[0].as_str(), seen.last().unwrap().as_str()),
                ("messageStart", "metadata")
            );
        }
    }

    #[test]
    fn faults_come_after_so_many_events() {
        check_end(json!([{"kind": "end", "after": 2}]), 2, "contentBlockDelta");
        check_end(json!([{"kind": "cut", "after": 2}]), 3, "cut");
        check_end(json!([{"kind": "hang", "after": 0}]), 1, "hang");
        let exception = json!({"type": "throttlingException"});
        check_end(
            json!([{"kind": "exception", "after": 1, "exception": exception}]),
            2,
            "throttlingException",
        );
        check_end(json!([{"kind": "garbage", "after": 1}]), 2, "corrupt");
        check_end(
            json!([{"kind": "chunks", "count": 3}, {"kind": "leftover"}]),
            8,
            "leftover",
        );
    }

    #[test]
    fn a_scripted_answer_becomes_a_stream() {
        let content = json!([{"toolUse": {"toolUseId": "a", "name": "t", "input": {}}}]);
        let body = json!({"output": {"message": {"role": "assistant", "content": content}}, "stopReason": "tool_use"});
        let events = [
            "messageStart",
            "contentBlockStart",
            "contentBlockStop",
            "messageStop",
            "metadata",
        ];
        assert_eq!(seen(json!([{"kind": "answer", "body": body}]), 1), events);
    }

    #[test]
    fn a_cut_answer_is_shorter_than_it_promised() {
        let reply = played(json!([{"kind": "cut", "after_bytes": 5}]), false, 1);
        assert!(
            reply
                .headers
                .iter()
                .any(|(name, value)| name == "content-length" && value != "5")
        );
    }

    #[test]
    fn a_rule_that_does_not_fit_says_so() {
        assert_eq!(played(json!([{"kind": "gzip"}]), false, 1).status, 500);
        assert_eq!(played(json!([{"kind": "leftover"}]), false, 1).status, 500);
        assert_eq!(
            played(json!([{"kind": "status", "status": 99}]), false, 1).status,
            500
        );
    }
}
