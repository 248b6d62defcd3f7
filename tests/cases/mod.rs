//! The golden cases' inputs, as `tests/golden.rs` describes them.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::value::RawValue;

use tollgate::turn::Headers;

use crate::driver::{CHAT, COMPLETIONS, EMBEDDINGS, Message, RESPONSES, head};

/// A folder with a `client.json` or a `client.http`.
pub(crate) struct Case {
    pub(crate) dir: PathBuf,
    /// The path below `tests/golden`.
    pub(crate) name: String,
    /// What the app sends.
    pub(crate) ask: Vec<u8>,
    /// Method, target and headers of a `client.http`, where they are not the usual ones.
    own_head: Vec<(String, String)>,
}

/// A piece of an answer's body.
pub(crate) enum Frame {
    /// A message of an AWS event stream.
    Message {
        headers: Vec<(&'static str, String)>,
        payload: Vec<u8>,
    },
    /// Bytes as they are.
    Bytes(Vec<u8>),
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// All cases, in the order of their names.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    find(&root(), &mut cases);
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    cases
}

fn find(dir: &Path, cases: &mut Vec<Case>) {
    for entry in fs::read_dir(dir).unwrap() {
        let dir = entry.unwrap().path();
        let name = dir.strip_prefix(root()).unwrap().display().to_string();
        if let Ok(ask) = fs::read(dir.join("client.json")) {
            let own_head = Vec::new();
            cases.push(Case {
                dir,
                name,
                ask,
                own_head,
            });
        } else if let Ok(text) = fs::read_to_string(dir.join("client.http")) {
            let (own_head, ask) = read_request(&text);
            cases.push(Case {
                dir,
                name,
                ask,
                own_head,
            });
        } else if dir.is_dir() {
            find(&dir, cases);
        }
    }
}

/// A line with method and target, headers, and behind an empty line the body.
fn read_request(text: &str) -> (Vec<(String, String)>, Vec<u8>) {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let (method, target) = lines.next().and_then(|line| line.split_once(' ')).unwrap();
    let mut own = vec![
        (":method".to_owned(), method.to_owned()),
        (":path".to_owned(), target.to_owned()),
    ];
    for line in lines {
        let (name, value) = line.split_once(": ").expect("name: value");
        own.push((name.to_owned(), value.to_owned()));
    }
    (own, body.trim_end().as_bytes().to_vec())
}

impl Case {
    /// Where the app posts it.
    pub(crate) fn path(&self) -> &'static str {
        match self.name.split('/').next() {
            Some("completions") => COMPLETIONS,
            Some("embeddings") => EMBEDDINGS,
            Some("responses") => RESPONSES,
            _ => CHAT,
        }
    }

    /// Whether the request is written out, with its method and path.
    pub(crate) fn has_own_head(&self) -> bool {
        !self.own_head.is_empty()
    }

    /// The head of the app's request.
    pub(crate) fn head(&self) -> Headers {
        let mut head = head(self.path(), &self.ask);
        for (name, value) in &self.own_head {
            head.set(name.clone(), value.as_str());
        }
        if self.has_own_head() && self.ask.is_empty() {
            head.remove("content-length");
            head.remove("content-type");
        }
        head
    }

    /// The answer's head and what follows it; nothing where no call leaves.
    pub(crate) fn answer(&self) -> Option<(Message, Vec<Frame>)> {
        let mut answer = self.message("answer.http")?;
        let mut frames = vec![Frame::Bytes(std::mem::take(&mut answer.body))];
        if let Ok(events) = fs::read_to_string(self.dir.join("answer.events")) {
            frames = events.lines().map(Frame::parse).collect();
        }
        frames
            .iter()
            .for_each(|frame| frame.write(&mut answer.body));
        Some((answer, frames))
    }

    /// The answers to the filter's own calls: `answer.2.http` and so on.
    pub(crate) fn further(&self) -> Vec<Message> {
        let answers = (2..).map_while(|number| self.message(&format!("answer.{number}.http")));
        answers.collect()
    }

    fn message(&self, file: &str) -> Option<Message> {
        let text = fs::read(self.dir.join(file)).ok()?;
        let at = text.windows(2).position(|pair| pair == b"\n\n");
        let (head, body) = text.split_at(at.map_or(text.len(), |at| at + 1));
        let mut answer = Message::default();
        for line in str::from_utf8(head).unwrap().lines() {
            let (name, value) = line.split_once(": ").expect("name: value");
            answer.headers.push(name.to_owned(), value);
        }
        answer.body = body.get(1..).unwrap_or_default().to_vec();
        Some(answer)
    }
}

#[derive(Deserialize)]
struct Line<'a> {
    event: Option<String>,
    exception: Option<String>,
    error: Option<String>,
    message: Option<String>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    bytes: Option<&'a str>,
}

impl Frame {
    fn parse(line: &str) -> Self {
        let line: Line<'_> = serde_json::from_str(line).unwrap();
        if let Some(hex) = line.bytes {
            let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            return Self::Bytes((0..hex.len()).step_by(2).map(byte).collect());
        }
        let json = (":content-type", "application/json".to_owned());
        let headers = if let Some(event) = line.event {
            vec![
                (":event-type", event),
                json,
                (":message-type", "event".to_owned()),
            ]
        } else if let Some(kind) = line.exception {
            let message = (":message-type", "exception".to_owned());
            vec![(":exception-type", kind), json, message]
        } else {
            vec![
                (":error-code", line.error.expect("one of four kinds")),
                (":error-message", line.message.unwrap_or_default()),
                (":message-type", "error".to_owned()),
            ]
        };
        let payload = line.payload.map_or("", |payload| payload.get());
        Self::Message {
            headers,
            payload: payload.as_bytes().to_vec(),
        }
    }

    /// Appends the piece as it is on the wire.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let (headers, payload) = match self {
            Self::Message { headers, payload } => (headers, payload),
            Self::Bytes(bytes) => return out.extend_from_slice(bytes),
        };
        let mut block = Vec::new();
        for (name, value) in headers {
            block.push(u8::try_from(name.len()).unwrap());
            block.extend_from_slice(name.as_bytes());
            block.push(7);
            block.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
            block.extend_from_slice(value.as_bytes());
        }
        let start = out.len();
        let total = u32::try_from(block.len() + payload.len() + 16).unwrap();
        out.extend_from_slice(&total.to_be_bytes());
        out.extend_from_slice(&u32::try_from(block.len()).unwrap().to_be_bytes());
        let prelude = crc32fast::hash(&out[start..]);
        out.extend_from_slice(&prelude.to_be_bytes());
        out.extend_from_slice(&block);
        out.extend_from_slice(payload);
        let message = crc32fast::hash(&out[start..]);
        out.extend_from_slice(&message.to_be_bytes());
    }
}
