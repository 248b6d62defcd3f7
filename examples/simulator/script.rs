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
    for fault in faults {
        match fault {
            Fault::Status { .. } => return status(fault, request.upstream),
            Fault::Chunks { count, word } => {
                turn.prompt.words = Some(Words {
                    count: *count,
                    word: word.clone(),
                })
            }
            _ => {}
        }
    }
    cuts.is_by_word = turn.prompt.words.is_some();
    let (content_type, parts) = match content(&turn, faults, &mut cuts) {
        Ok(content) => content,
        Err(message) => return impossible(&message),
    };
    let mut reply = Reply::whole(200, content_type, Bytes::new());
    let mut parts = break_parts(parts, faults, turn.dialect.wire());
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
    let is_frames = matches!(dialect, Dialect::Converse { .. });
    if is_frames
        && events
            .iter()
            .any(|event| event.as_object().is_none_or(|event| event.len() != 1))
    {
        return Err("an event of a rule is an object with one member, its type".to_owned());
    }
    let mut events = events.to_vec();
    if !is_frames && events.last().is_none_or(|event| event != "[DONE]") {
        events.push(json!("[DONE]"));
    }
    Ok(events)
}

fn break_parts(mut parts: Vec<Part>, faults: &[Fault], wire: Wire) -> Vec<Part> {
    for fault in faults {
        match fault {
            Fault::Exception { after, exception } => {
                parts.truncate(*after);
                parts.push(Part::Event(wire.exception(exception)));
            }
            Fault::Cut {
                after: Some(after), ..
            } => {
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
