//! Golden cases: folders of files named by role, replayed through the whole core.
//!
//! - `client.json`: what the app sends (its `model` picks the provider from `policy.json`), to the path of
//!   legacy completions, responses or embeddings for cases below `completions`, `responses` or `embeddings`, and
//!   of chat completions for all others; or `client.http`, a whole request: `METHOD target`, headers, body
//! - `upstream.http`: what leaves, head and body (absent where nothing may leave); `upstream.2.http` and so on
//!   are calls of the filter's own, answered by `answer.2.http`, or not at all
//! - `answer.http`: the answer, head and body; or its head with `answer.events`, one frame of a Bedrock
//!   stream per line: `{"event":"messageStart","payload":{..}}`, `{"exception":"..","payload":{..}}`,
//!   `{"error":"code","message":".."}`, `{"bytes":"hex"}` for what is no frame
//! - `client.out`: what the app gets, head and body
//!
//! Each answer is delivered whole, in single bytes, at every cut in two, and at random cuts; the app's
//! bytes are the same. `UPDATE_GOLDEN=1` writes `upstream.http` and `client.out`: read the diff.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "clippy knows test functions, not the helpers of a test file"
)]

mod cases;
mod driver;
mod support;

use std::fs;
use std::rc::Rc;

use cases::Case;
use driver::{Message, Proxy, Random, Sent};
use tollgate::exchange::Dispatch;
use tollgate::policy::Policy;
use tollgate::turn::Headers;

/// Cuts of an answer beyond this size are sampled, not all taken.
const EVERY_CUT_BYTES_MAX: usize = 6_000;
const RANDOM_CUTS: usize = 60;

#[test]
fn every_case_gives_the_same_bytes_at_every_cut() {
    let policy = driver::policy(&fs::read_to_string(cases::root().join("policy.json")).unwrap());
    let cases = cases::all();
    assert!(cases.len() >= 150, "only {} cases found", cases.len());
    let mut failed = Vec::new();
    for case in &cases {
        let check = Check {
            case,
            policy: &policy,
        };
        if let Err(problem) = check.run() {
            failed.push(format!("{}: {problem}", case.name));
        }
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n\n"));
}

struct Check<'c> {
    case: &'c Case,
    policy: &'c Rc<Policy>,
}

impl Check<'_> {
    fn run(&self) -> Result<(), String> {
        let mut proxy = Proxy::new(self.policy);
        match proxy.request(self.case.head(), &self.case.ask) {
            Sent::Reply(reply) => self.compare("client.out", &print(&reply)),
            Sent::Call(call) => {
                self.compare("upstream.http", &print(&call))?;
                let (answer, _) = self.case.answer().ok_or("a call left; write its answer")?;
                let (whole, calls) = self.replay(&answer.headers, &[&answer.body]);
                for call in calls {
                    let file = format!("upstream.{}.http", call.number + 1);
                    let call = Message {
                        headers: call.headers,
                        body: call.body,
                    };
                    self.compare(&file, &print(&call))?;
                }
                self.compare("client.out", &print(&whole))?;
                self.check_cuts(&answer, &whole)
            }
        }
    }

    fn replay(&self, answer: &Headers, chunks: &[&[u8]]) -> (Message, Vec<Dispatch>) {
        let mut proxy = Proxy::new(self.policy);
        proxy.further = self.case.further();
        proxy.request(self.case.head(), &self.case.ask);
        proxy.answer(answer, chunks.iter().copied());
        (proxy.client, proxy.calls)
    }

    fn check_cuts(&self, answer: &Message, whole: &Message) -> Result<(), String> {
        let body = &answer.body;
        let check = |chunks: &[&[u8]]| {
            let (got, _) = self.replay(&answer.headers, chunks);
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

    fn compare(&self, file: &str, got: &str) -> Result<(), String> {
        let path = self.case.dir.join(file);
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
