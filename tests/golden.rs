//! Golden cases: folders of files named by role, replayed through the whole core.
//!
//! - `client.json`: what the app sends (its `model` picks the provider from `policy.json`)
//! - `upstream.http`: what leaves, head and body (absent where nothing may leave)
//! - `answer.http`: the answer, head and body; or its head with `answer.events`, one frame of a Bedrock
//!   stream per line: `{"event":"messageStart","payload":{..}}`, `{"exception":"..","payload":{..}}`,
//!   `{"error":"code","message":".."}`, `{"bytes":"hex"}` for what is no frame
//! - `client.out`: what the app gets, head and body
//!
//! Each answer is delivered whole, in single bytes, at every cut in two, and at random cuts; the app's
//! bytes are the same. `UPDATE_GOLDEN=1` writes `upstream.http` and `client.out`: read the diff.

mod driver;

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use driver::{Message, Proxy, Random, Sent, chat_head};
use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate::policy::Policy;
use tollgate::turn::Headers;

/// Cuts of an answer beyond this size are sampled, not all taken.
const EVERY_CUT_BYTES_MAX: usize = 6_000;
const RANDOM_CUTS: usize = 60;

#[test]
fn every_case_gives_the_same_bytes_at_every_cut() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let policy = driver::policy(&fs::read_to_string(root.join("policy.json")).unwrap());
    let mut cases = Vec::new();
    find_cases(&root, &mut cases);
    cases.sort();
    assert!(cases.len() >= 40, "only {} cases found", cases.len());
    let mut failed = Vec::new();
    for case in &cases {
        let name = case.strip_prefix(&root).unwrap().display().to_string();
        if let Err(problem) = (Case {
            dir: case,
            policy: &policy,
        })
        .check()
        {
            failed.push(format!("{name}: {problem}"));
        }
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n\n"));
}

fn find_cases(dir: &Path, cases: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.join("client.json").exists() {
            cases.push(path);
        } else if path.is_dir() {
            find_cases(&path, cases);
        }
    }
}

struct Case<'c> {
    dir: &'c Path,
    policy: &'c Rc<Policy>,
}

impl Case<'_> {
    fn check(&self) -> Result<(), String> {
        let ask = fs::read(self.dir.join("client.json")).unwrap();
        let mut proxy = Proxy::new(self.policy);
        match proxy.request(chat_head(&ask), &ask) {
            Sent::Reply(reply) => self.compare("client.out", &print(&reply)),
            Sent::Call(call) => {
                self.compare("upstream.http", &print(&call))?;
                let answer = self.answer();
                let whole = self.replay(&ask, &answer.headers, &[&answer.body]);
                self.compare("client.out", &print(&whole))?;
                self.check_cuts(&ask, &answer, &whole)
            }
        }
    }

    fn replay(&self, ask: &[u8], head: &Headers, chunks: &[&[u8]]) -> Message {
        let mut proxy = Proxy::new(self.policy);
        proxy.request(chat_head(ask), ask);
        proxy.answer(head, chunks.iter().copied());
        proxy.client
    }

    fn check_cuts(&self, ask: &[u8], answer: &Message, whole: &Message) -> Result<(), String> {
        let body = &answer.body;
        let check = |chunks: &[&[u8]]| {
            let got = self.replay(ask, &answer.headers, chunks);
            if got == *whole {
                return Ok(());
            }
            let sizes: Vec<_> = chunks.iter().map(|chunk| chunk.len()).take(8).collect();
            Err(format!("cut as {sizes:?}.. it gives\n{}", print(&got)))
        };
        check(&body.chunks(1).collect::<Vec<_>>())?;
        // An end that comes alone is how HTTP/1.1 chunking and HTTP/2 often end.
        check(&[body, b""])?;
        let step = body.len() / EVERY_CUT_BYTES_MAX + 1;
        for at in (1..body.len()).step_by(step) {
            check(&[&body[..at], &body[at..]])?;
        }
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        for _ in 0..RANDOM_CUTS {
            let mut rest = body.as_slice();
            let mut chunks = Vec::new();
            while !rest.is_empty() {
                let (chunk, tail) = rest.split_at(1 + random.below(rest.len().min(200)));
                chunks.push(chunk);
                rest = tail;
            }
            check(&chunks)?;
        }
        Ok(())
    }

    /// Reads `answer.http`, and the frames of `answer.events`.
    fn answer(&self) -> Message {
        let text = fs::read(self.dir.join("answer.http")).expect("a call is answered");
        let at = text.windows(2).position(|pair| pair == b"\n\n");
        let (head, body) = text.split_at(at.map_or(text.len(), |at| at + 1));
        let mut answer = Message::default();
        for line in str::from_utf8(head).unwrap().lines() {
            let (name, value) = line.split_once(": ").expect("name: value");
            answer.headers.push(name.to_owned(), value);
        }
        answer.body = body.get(1..).unwrap_or_default().to_vec();
        if let Ok(events) = fs::read_to_string(self.dir.join("answer.events")) {
            events
                .lines()
                .for_each(|line| frame(line, &mut answer.body));
        }
        answer
    }

    fn compare(&self, file: &str, got: &str) -> Result<(), String> {
        let path = self.dir.join(file);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(path, got).unwrap();
            return Ok(());
        }
        let want = fs::read_to_string(path).unwrap_or_default();
        if got == want {
            return Ok(());
        }
        Err(format!("{file} should be\n{want}\nbut is\n{got}"))
    }
}

/// Head and body as a text file; headers keep their order.
fn print(message: &Message) -> String {
    let mut text = String::new();
    for (name, value) in message.headers.iter() {
        text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value)));
    }
    text.push('\n');
    text.push_str(str::from_utf8(&message.body).expect("what is sent is UTF-8"));
    text
}

#[derive(Deserialize)]
struct Frame<'a> {
    event: Option<&'a str>,
    exception: Option<&'a str>,
    error: Option<&'a str>,
    message: Option<&'a str>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    bytes: Option<&'a str>,
}

/// Appends one frame of an AWS event stream.
fn frame(line: &str, out: &mut Vec<u8>) {
    let frame: Frame<'_> = serde_json::from_str(line).unwrap();
    if let Some(hex) = frame.bytes {
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        out.extend((0..hex.len()).step_by(2).map(byte));
        return;
    }
    let mut headers = Vec::new();
    let mut header = |name: &str, value: &str| {
        headers.push(u8::try_from(name.len()).unwrap());
        headers.extend_from_slice(name.as_bytes());
        headers.push(7);
        headers.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    };
    if let Some(event) = frame.event {
        header(":event-type", event);
        header(":content-type", "application/json");
        header(":message-type", "event");
    } else if let Some(exception) = frame.exception {
        header(":exception-type", exception);
        header(":content-type", "application/json");
        header(":message-type", "exception");
    } else if let Some(code) = frame.error {
        header(":error-code", code);
        header(":error-message", frame.message.unwrap_or_default());
        header(":message-type", "error");
    }
    let payload = frame.payload.map_or("", |payload| payload.get());
    let start = out.len();
    let total = u32::try_from(headers.len() + payload.len() + 16).unwrap();
    out.extend_from_slice(&total.to_be_bytes());
    out.extend_from_slice(&u32::try_from(headers.len()).unwrap().to_be_bytes());
    let prelude = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&prelude.to_be_bytes());
    out.extend_from_slice(&headers);
    out.extend_from_slice(payload.as_bytes());
    let message = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&message.to_be_bytes());
}
