//! Mutated inputs to every decoder and parser, the same ones in every run.
//!
//! Seeds are the golden cases' own requests and answers. `TOLLGATE_FUZZ_INPUTS` says how many inputs each
//! target gets; `make fuzz` gives each a million (policies, which no app writes, a
//! tenth). Besides "does not panic" each target holds what must be
//! true of any input:
//! - what leaves for a provider is a JSON object behind legal headers, without the app's own secrets
//! - what the app gets is JSON, or a stream of JSON events
//! - a stream that the upstream did not end itself never ends in `[DONE]`
//! - where chunks are cut changes nothing
//!
//! A failure prints its input; the same run fails at the same input again.
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

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::Range;
use std::rc::Rc;
use std::time::Instant;

use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use cases::{Case, Frame};
use driver::{CHAT, EMBEDDINGS, Message, Proxy, RESPONSES, Random, Sent, head};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use tollgate::auth::{Auth, Credentials, Outgoing, Scope, Signer, UnixSeconds};
use tollgate::budget::{
    Account, Act, Budget, Cell as BudgetCell, Hold, Inbound, Line, ORDER_CALLS_MAX, Order, PERIODS,
    Protocol, Redis, RedisSettings, Rls, RlsSettings, Shared, Slices, StandIn, Step, Store, Unit,
    Verdict, WhenDown, Window, Zone,
};
use tollgate::codec::json::{self, Edits, Members};
use tollgate::codec::{event_stream, percent, sse};
use tollgate::document;
use tollgate::policy::{Placement, Policy};
use tollgate::redact::{Action, Escaping, Folded, Plan, Restore, Stream, Tenant, Vault};
use tollgate::secret::Secret;
use tollgate::turn::Headers;

/// Inputs of each target unless the environment says otherwise: half a minute in all, unoptimized.
const INPUTS: usize = 10_000;
/// Mutations may double what they mutate.
const INPUT_BYTES_MAX: usize = 32 * 1024;

fn inputs() -> usize {
    let wanted = std::env::var("TOLLGATE_FUZZ_INPUTS").ok();
    wanted.map_or(INPUTS, |wanted| wanted.parse().expect("a number"))
}

/// Calls `run` with as many sources of randomness as inputs are wanted.
#[expect(
    clippy::disallowed_methods,
    reason = "a test may tell how long it took"
)]
fn fuzz(target: &str, inputs: usize, mut run: impl FnMut(&mut Random, &mut Vec<u8>)) {
    let began = Instant::now();
    let mut input = Input {
        target: target.to_owned(),
        number: 0,
        bytes: Vec::new(),
    };
    for number in 0..inputs {
        input.number = number;
        let seed = u64::try_from(number).unwrap() + 1;
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        // The first numbers of a xorshift resemble its seed.
        for _ in 0..4 {
            random.below(1);
        }
        input.bytes.clear();
        run(&mut random, &mut input.bytes);
    }
    let seconds = began.elapsed().as_secs_f64();
    let rate = f64::from(u32::try_from(inputs).unwrap()) / seconds;
    say(&format!(
        "{target}: {inputs} inputs in {seconds:.1} s, {rate:.0} per second"
    ));
}

/// Tells the input if the test dies of it.
struct Input {
    target: String,
    number: usize,
    bytes: Vec<u8>,
}

impl Drop for Input {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let bytes = self.bytes.escape_ascii();
            say(&format!(
                "{} fails at input {}: {bytes}",
                self.target, self.number
            ));
        }
    }
}

/// Writes past the capture of a passing test's output.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap_or_default();
}

// Mutation

/// JSON values that stand where others are due.
const VALUES: &[&str] = &[
    "null",
    "true",
    "0",
    "-1",
    "1.5",
    "1e999",
    "-0.0E-7",
    "18446744073709551616",
    "4294967296",
    r#""""#,
    r#"" \n""#,
    r#""\ud83d""#,
    r#""\u0000\ud83d\ude00\"\\""#,
    r#""{}""#,
    r#""{\"a\":[1,{\"b\":\"\\u00e9\"}]}""#,
    r#""{\"a\":""#,
    r#""data:image/png;base64,AA==""#,
    r#""an id or a name that is longer than the sixty-four characters of AWS's limit""#,
    "[]",
    "{}",
    "[{}]",
    r#"{"text":"x"}"#,
    r#"{"type":"text","text":"x"}"#,
    r#"{"role":"user","content":"x"}"#,
    r#"{"error":{"message":"m"}}"#,
    r#""user""#,
    r#""assistant""#,
    r#""tool""#,
    r#""system""#,
    r#""required""#,
    r#""function""#,
    r#""tool_use""#,
    r#""stop""#,
];

/// What parsers of bytes stumble over.
const TOKENS: &[&[u8]] = &[
    b"\"model\":\"claude\",",
    b"\"error\":{},",
    b"data: [DONE]\n\n",
    b"data: {}\n\n",
    b"data:",
    b"event: error\n",
    b"\n",
    b"\n\n",
    b"\r\n",
    b"\r",
    b"\\",
    b"\"",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xc3",
    b"\xe2\x80\xa8",
    b"\x00",
    b"%2F",
    b"../",
    b"?a=b&c",
    &[b'['; 130],
    &[b'{'; 130],
];

/// Changes a JSON document so that it mostly stays one; anything else as bytes.
fn mutate_json(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    if random.below(4) == 0 {
        return mutate(random, bytes, other);
    }
    let others = Places::of(other);
    for _ in 0..=random.below(3) {
        let places = Places::of(bytes);
        let (Some(value), Some(taken)) = (places.value(random), others.value(random)) else {
            return mutate(random, bytes, other);
        };
        let known = VALUES[random.below(VALUES.len())].as_bytes();
        let new = if random.below(3) == 0 {
            &other[taken]
        } else {
            known
        };
        match (random.below(8), places.key(random), others.key(random)) {
            (0, Some(key), Some(taken)) => insert(bytes, key, &other[taken]),
            (1, Some(key), _) => {
                // The same name again, before or after itself.
                let member = [&bytes[key.clone()], b":", new, b","].concat();
                insert(bytes, key.start..key.start, &member);
            }
            (2, Some(key), Some(taken)) => {
                let member = [&other[taken], b":", new, b","].concat();
                insert(bytes, key.start..key.start, &member);
            }
            (3, ..) if bytes[..value.start].trim_ascii_end().ends_with(b"[") => {
                let items = [new, b","].concat().repeat(1 + random.below(3));
                insert(bytes, value.start..value.start, &items);
            }
            _ => insert(bytes, value, new),
        }
        bytes.truncate(INPUT_BYTES_MAX);
    }
}

/// Where a JSON document has its keys and values.
#[derive(Default)]
struct Places {
    keys: Vec<Range<usize>>,
    values: Vec<Range<usize>>,
}

impl Places {
    /// Of what is no JSON it finds something or nothing.
    fn of(bytes: &[u8]) -> Self {
        let mut places = Self::default();
        let mut open = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let start = at;
            at += 1;
            match bytes[start] {
                b'{' | b'[' => open.push(start),
                b'}' | b']' => places.values.extend(open.pop().map(|start| start..at)),
                b'"' => {
                    while at < bytes.len() && bytes[at] != b'"' {
                        at += 1 + usize::from(bytes[at] == b'\\');
                    }
                    at = bytes.len().min(at + 1);
                    if bytes[at..].trim_ascii_start().starts_with(b":") {
                        places.keys.push(start..at);
                    } else {
                        places.values.push(start..at);
                    }
                }
                b'-' | b'0'..=b'9' | b'a'..=b'z' => {
                    let is_end =
                        |byte: &u8| !(byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
                    at += bytes[at..].iter().position(is_end).unwrap_or(0);
                    places.values.push(start..at);
                }
                _ => {}
            }
        }
        places
    }

    fn value(&self, random: &mut Random) -> Option<Range<usize>> {
        self.values.get(random.below(self.values.len())).cloned()
    }

    fn key(&self, random: &mut Random) -> Option<Range<usize>> {
        self.keys.get(random.below(self.keys.len())).cloned()
    }
}

/// Changes `bytes` in one to four places; `other` is what a splice takes its tail from.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let run = at..bytes.len().min(at + 1 + random.below(24));
        match random.below(10) {
            0 if at < bytes.len() => bytes[at] ^= 1_u8 << random.below(8),
            1 if at < bytes.len() => bytes[at] = byte(random),
            2 => bytes.insert(at, byte(random)),
            3 => drop(bytes.drain(run)),
            4 => bytes.truncate(at),
            5 => repeat(random, bytes, run),
            6 => {
                bytes.truncate(at);
                bytes.extend_from_slice(&other[random.below(other.len() + 1)..]);
            }
            7 => insert(bytes, at..at, VALUES[random.below(VALUES.len())].as_bytes()),
            _ => insert(bytes, at..at, TOKENS[random.below(TOKENS.len())]),
        }
        bytes.truncate(INPUT_BYTES_MAX);
    }
}

fn byte(random: &mut Random) -> u8 {
    u8::try_from(random.below(256)).unwrap()
}

fn insert(bytes: &mut Vec<u8>, range: Range<usize>, token: &[u8]) {
    bytes.splice(range, token.iter().copied());
}

fn repeat(random: &mut Random, bytes: &mut Vec<u8>, run: Range<usize>) {
    let piece = bytes[run.clone()].repeat(1 + random.below(4));
    insert(bytes, run.end..run.end, &piece);
}

// Seeds

/// A golden case whose call gets an answer.
struct Seed {
    head: Headers,
    ask: Vec<u8>,
    answer: Message,
    frames: Vec<Frame>,
    /// The answers to the filter's own calls.
    further: Vec<Message>,
}

impl Seed {
    fn is_responses(&self) -> bool {
        self.head.text(":path") == Some(RESPONSES)
    }
}

struct Seeds {
    policy: Rc<Policy>,
    /// Paths and bodies.
    asks: Vec<(&'static str, Vec<u8>)>,
    answered: Vec<Seed>,
}

impl Seeds {
    /// The golden cases of conversations; of their answers those that `keep` wants.
    fn of(keep: impl Fn(&str, &Headers) -> bool) -> Self {
        Self::among(
            |case| case.path() != EMBEDDINGS && !case.has_own_head(),
            keep,
        )
    }

    /// Those of the agents API.
    fn of_passages(keep: impl Fn(&str, &Headers) -> bool) -> Self {
        Self::among(is_passage, keep)
    }

    /// Those of embeddings.
    fn of_embeddings(keep: impl Fn(&str, &Headers) -> bool) -> Self {
        Self::among(|case| case.path() == EMBEDDINGS, keep)
    }

    fn among(wants: impl Fn(&Case) -> bool, keep: impl Fn(&str, &Headers) -> bool) -> Self {
        let policy = std::fs::read_to_string(cases::root().join("policy.json")).unwrap();
        let mut seeds = Self {
            policy: driver::policy(&policy),
            asks: Vec::new(),
            answered: Vec::new(),
        };
        for case in cases::all().into_iter().filter(wants) {
            seeds.asks.push((case.path(), case.ask.clone()));
            let further = case.further();
            if let Some((answer, frames)) = case.answer()
                && keep(&case.name, &answer.headers)
            {
                seeds.answered.push(Seed {
                    head: case.head(),
                    ask: case.ask,
                    answer,
                    frames,
                    further,
                });
            }
        }
        seeds
    }

    /// The same under a policy that redacts both ways.
    fn redacted(mut self) -> Self {
        let text = std::fs::read_to_string(cases::root().join("policy.json")).unwrap();
        let redaction = r#""redaction": [{ "entities": { "all": "mask" }, "media": "pass", "header": true,
            "select": { "request": { "include": ["standard", "$..metadata", "$.user"] } } },"#;
        // Before the rules of golden cases, which come behind it.
        let text = text.replacen(r#""redaction": ["#, redaction, 1);
        self.policy = driver::policy(&text);
        self
    }

    fn pick(&self, random: &mut Random) -> &Seed {
        &self.answered[random.below(self.answered.len())]
    }

    /// Puts a seed's answer into `body`, changed by `mutate`.
    fn mutated(
        &self,
        random: &mut Random,
        body: &mut Vec<u8>,
        mutate: impl Fn(&mut Random, &mut Vec<u8>, &[u8]),
    ) -> &Seed {
        let seed = self.pick(random);
        let other = self.pick(random);
        body.extend_from_slice(&seed.answer.body);
        mutate(random, body, &other.answer.body);
        seed
    }

    /// Sends the seed's request and then this answer, in pieces.
    fn play(&self, random: &mut Random, seed: &Seed, head: &Headers, body: &[u8]) -> Message {
        let whole = self.deliver(seed, head, [body]);
        if random.below(4) == 0 {
            let cut = self.deliver(seed, head, cut(random, body));
            assert_eq!(whole, cut, "where chunks are cut changes nothing");
        }
        whole
    }

    fn deliver<'c>(
        &self,
        seed: &Seed,
        answer: &Headers,
        chunks: impl IntoIterator<Item = &'c [u8]>,
    ) -> Message {
        let mut proxy = Proxy::new(&self.policy);
        proxy.further.clone_from(&seed.further);
        let sent = proxy.request(seed.head.clone(), &seed.ask);
        assert!(matches!(sent, Sent::Call(_)), "golden requests leave");
        proxy.answer(answer, chunks);
        proxy.client
    }
}

/// Never empty: the end of an answer comes with its last piece.
fn cut<'b>(random: &mut Random, body: &'b [u8]) -> Vec<&'b [u8]> {
    let mut chunks = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let (chunk, tail) = rest.split_at(1 + random.below(rest.len().min(80)));
        chunks.push(chunk);
        rest = tail;
    }
    if chunks.is_empty() {
        chunks.push(rest);
    }
    chunks
}

fn is_streamed(head: &Headers) -> bool {
    head.has_content_type("text/event-stream")
        || head.has_content_type("application/vnd.amazon.eventstream")
}

// What holds for every answer

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
}

impl Object<'_> {
    /// Of an event of responses, the kind.
    fn event(&self) -> &str {
        self.kind.map_or("", |kind| kind.get().trim_matches('"'))
    }
}

fn object(bytes: &[u8]) -> Object<'_> {
    assert!(bytes.trim_ascii().starts_with(b"{"), "an object is due");
    serde_json::from_slice(bytes).expect("what the app gets is JSON")
}

/// Checks what the app got; says whether it is a stream that ended well.
fn check_client(client: &Message, is_responses: bool) -> bool {
    let status = client.headers.status();
    assert!((200..600).contains(&status), "{status} is no final status");
    check_headers(&client.headers);
    if !client.headers.has_content_type("text/event-stream") {
        let has_error = object(&client.body).error.is_some();
        // A response that failed is an answer.
        assert!(has_error == (status != 200) || is_responses && status == 200);
        return false;
    }
    assert_eq!(status, 200);
    let (mut is_done, mut is_failed, mut is_error) = (false, false, false);
    // A stream may end with a carriage return; the decoder waits whether a line feed follows.
    let body = [client.body.as_slice(), b"\n"].concat();
    let mut decoder = sse::Decoder::new(usize::MAX);
    let fed: Result<(), sse::Error> = decoder.push(&body, |event| {
        let data = event.data.trim_ascii();
        // A relay passes on events without data, as they came.
        if !data.is_empty() {
            assert!(!is_done && !is_failed, "nothing follows the end");
            if data == b"[DONE]" {
                is_done = true;
            } else {
                let object = object(data);
                match if is_responses { object.event() } else { "" } {
                    "response.completed" | "response.incomplete" => is_done = true,
                    // An `error` comes before, and alone where the response is not known.
                    "response.failed" => is_failed = true,
                    "error" => is_error = true,
                    _ => {
                        let error = object.error;
                        is_failed = error.is_some_and(|error| error.get() != "null");
                    }
                }
            }
        }
        Ok(())
    });
    assert_eq!(fed.and_then(|()| decoder.finish()), Ok(()));
    is_failed |= is_error;
    assert!(is_done ^ is_failed, "a stream ends well or with an error");
    is_done
}

fn check_headers(headers: &Headers) {
    for (name, value) in headers.iter() {
        let is_legal = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
        assert!(value.iter().all(is_legal), "{name} cannot be sent");
    }
}

// Targets: requests

#[test]
fn requests() {
    let seeds = Seeds::of(|_, _| false);
    let models = [
        "claude",
        "claude-old",
        "claude-new",
        "claude-arn",
        "nova",
        "mistral",
        "gpt-oss",
        "gpt-oss-native",
        "gpt-mantle",
        "gpt",
        "gpt-dated",
        "gpt-reasoning",
        "gpt-openai",
        "agent",
        "agent-kept",
        "harness",
        "runtime",
        "runtime-messages",
        "o4-mini",
    ];
    fuzz_requests("requests", &seeds, &models);
}

/// What leaves is sound, or nothing leaves and the app is told why.
fn fuzz_requests(name: &str, seeds: &Seeds, models: &[&str]) {
    fuzz(name, inputs(), |random, body| {
        let (path, ask) = &seeds.asks[random.below(seeds.asks.len())];
        let (_, other) = &seeds.asks[random.below(seeds.asks.len())];
        let mut from = with_model(ask, models[random.below(models.len())]);
        mutate_json(random, &mut from, other);
        body.append(&mut from);
        if body.is_empty() {
            return;
        }
        match Proxy::new(&seeds.policy).request(head(path, body), body) {
            Sent::Reply(reply) => {
                assert!(!check_client(&reply, false));
                assert_ne!(reply.headers.status(), 200);
            }
            Sent::Call(call) => check_call(&call),
        }
    });
}

/// The request, for another model.
fn with_model(ask: &[u8], model: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(ask);
    let Some((before, after)) = text.split_once("\"model\"") else {
        return ask.to_vec();
    };
    let mut quotes = after.splitn(3, '"');
    let (colon, rest) = (quotes.next().unwrap_or(":"), quotes.nth(1).unwrap_or("}"));
    format!("{before}\"model\"{colon}\"{model}\"{rest}").into_bytes()
}

fn check_call(call: &Message) {
    object(&call.body);
    check_headers(&call.headers);
    let length = call.body.len().to_string();
    assert_eq!(call.headers.text("content-length"), Some(&*length));
    let path = call.headers.text(":path").expect("a path");
    assert!(path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(call.headers.bytes("cookie").is_none(), "cookies stay here");
    for (name, value) in call.headers.iter() {
        let has_key = value.windows(9).any(|part| part == b"sk-golden");
        assert!(!has_key, "{name} carries the app's key");
    }
}

#[test]
fn request_heads() {
    let seeds = Seeds::of(|_, _| false);
    let ask = br#"{"model":"claude","messages":[{"role":"user","content":"Hi."}]}"#;
    let others: [&[u8]; 6] = [
        b"/v1/models",
        b"/v1/models/claude",
        b"/v1/chat/completions?x=1",
        b"GET",
        b"18446744073709551616",
        b"bearer  sk-golden",
    ];
    fuzz("request heads", inputs(), |random, input| {
        let sent = head(CHAT, ask);
        let place = random.below(sent.iter().count());
        let mut headers = Headers::new();
        for (at, (name, value)) in sent.iter().enumerate() {
            let mut value = value.to_vec();
            if at == place {
                let other = others[random.below(others.len())];
                mutate(random, &mut value, other);
                input.clone_from(&value);
            }
            headers.push(name.to_owned(), value);
        }
        let mut proxy = Proxy::new(&seeds.policy);
        if let Sent::Reply(reply) = proxy.request(headers, ask) {
            check_client(&reply, false);
        }
    });
}

#[test]
fn embedding_requests() {
    let seeds = Seeds::of_embeddings(|_, _| false);
    let models = [
        "titan",
        "titan-old",
        "cohere",
        "nova-embed",
        "embed-azure",
        "embed-openai",
    ];
    fuzz_requests("embedding requests", &seeds, &models);
}

// Targets: answers

#[test]
fn embedding_answers() {
    let seeds = Seeds::of_embeddings(|_, head| head.status() == 200);
    fuzz("embedding answers", inputs(), |random, body| {
        let seed = seeds.mutated(random, body, mutate_json);
        check_client(&seeds.play(random, seed, &seed.answer.headers, body), false);
    });
}

/// What was JSON with our places in it stays JSON, whatever is found where.
#[test]
fn redacted_requests() {
    let seeds = Seeds::of(|_, _| false).redacted();
    fuzz("redacted requests", inputs() / 2, |random, body| {
        let (path, ask) = &seeds.asks[random.below(seeds.asks.len())];
        let (_, other) = &seeds.asks[random.below(seeds.asks.len())];
        let mut from = with_model(ask, ["claude", "gpt", "gpt-openai"][random.below(3)]);
        let other = [other, FINDINGS.as_bytes()][random.below(2)];
        mutate_json(random, &mut from, other);
        body.append(&mut from);
        if body.is_empty() {
            return;
        }
        match Proxy::new(&seeds.policy).request(head(path, body), body) {
            Sent::Reply(reply) => assert!(!check_client(&reply, false)),
            Sent::Call(call) => check_call(&call),
        }
    });
}

const FINDINGS: &str = r#"{"a":"jane@corp.com","b":"{\"c\":\"4111 1111 1111 1111\",\"ssn\":536221234}","d":["\u0034111111111111111","AKIAIOSFODNN7EXAMPLE"]}"#;

#[test]
fn redacted_answers() {
    let seeds = Seeds::of(|_, head| head.status() == 200 && !is_streamed(head)).redacted();
    fuzz("redacted answers", inputs() / 2, |random, body| {
        let seed = seeds.mutated(random, body, mutate_json);
        check_client(
            &seeds.play(random, seed, &seed.answer.headers, body),
            seed.is_responses(),
        );
    });
}

#[test]
fn redacted_streams() {
    let seeds =
        Seeds::of(|name, head| !is_agents(name) && head.has_content_type("text/event-stream"));
    let seeds = seeds.redacted();
    fuzz("redacted streams", inputs() / 2, |random, body| {
        let seed = seeds.mutated(random, body, mutate_data);
        let client = seeds.play(random, seed, &seed.answer.headers, body);
        check_client(&client, seed.is_responses());
    });
}

#[test]
fn selectors() {
    use tollgate::redact::places::{INCLUDED, Layout, Places};
    use tollgate::redact::select::{Matcher, Selector};
    let seeds = Seeds::of(|_, _| false);
    let known = b"$.messages[?@.role=='user' && !(@.name || @['n']<=-1.5e2)]..content[*]['text','a'][-1:2:1].x";
    fuzz("selectors", inputs(), |random, input| {
        input.extend_from_slice(known);
        mutate(random, input, b"$['a\\u00e9',0,-1:,?@.b!=null]..*");
        let Ok(selector) = String::from_utf8_lossy(input).parse::<Selector>() else {
            return;
        };
        let mut matcher = Matcher::default();
        assert!(matcher.add(&selector, INCLUDED));
        let (_, ask) = &seeds.asks[random.below(seeds.asks.len())];
        let Ok(text) = json::validate(ask) else {
            return;
        };
        let mut places = Places::new(&matcher, Layout::default());
        let walked = places.walk(text, &mut |_, _| Ok::<(), json::Error>(()));
        assert_eq!(walked, Ok(()));
    });
}

#[test]
fn whole_answers() {
    let seeds = Seeds::of(|_, head| head.status() == 200 && !is_streamed(head));
    fuzz("whole answers", inputs(), |random, body| {
        let seed = seeds.mutated(random, body, mutate_json);
        check_client(
            &seeds.play(random, seed, &seed.answer.headers, body),
            seed.is_responses(),
        );
    });
}

#[test]
fn errors() {
    let seeds = Seeds::of(|_, head| head.status() != 200);
    let statuses = [
        400, 401, 403, 404, 408, 413, 424, 429, 500, 502, 503, 529, 301, 204,
    ];
    fuzz("errors", inputs(), |random, body| {
        let seed = seeds.mutated(random, body, mutate_json);
        let mut head = seed.answer.headers.clone();
        let status: usize = statuses[random.below(statuses.len())];
        head.set(":status", status.to_string());
        if let Some(kind) = head.bytes("x-amzn-errortype") {
            let mut kind = kind.to_vec();
            mutate(
                random,
                &mut kind,
                b"com.amazon#ValidationException:http://x",
            );
            kind.retain(|byte| *byte >= b' ' && *byte != 0x7f);
            head.set("x-amzn-errortype", kind);
        }
        let client = seeds.play(random, seed, &head, body);
        check_client(&client, seed.is_responses());
    });
}

/// Frames that break: lengths, checksums, headers.
#[test]
fn bedrock_streams() {
    let seeds = Seeds::of(|name, head| {
        !is_agents(name) && head.has_content_type("application/vnd.amazon.eventstream")
    });
    fuzz("bedrock streams", inputs(), |random, body| {
        let seed = seeds.mutated(random, body, mutate);
        check_bedrock_stream(&seeds, random, seed, body);
    });
}

/// Frames that are whole, with odd names and payloads, in any order.
#[test]
fn bedrock_events() {
    let seeds = Seeds::of(|name, head| {
        !is_agents(name) && head.has_content_type("application/vnd.amazon.eventstream")
    });
    let whole = |frame: &&Frame| matches!(frame, Frame::Message { .. });
    let pick = |random: &mut Random| loop {
        let seed = seeds.pick(random);
        let frames: Vec<_> = seed.frames.iter().filter(whole).collect();
        if !frames.is_empty() {
            return frames;
        }
    };
    fuzz("bedrock events", inputs(), |random, body| {
        let mut frames = pick(random);
        let others = pick(random);
        let other = others[random.below(others.len())];
        match random.below(6) {
            0 => frames.insert(random.below(frames.len() + 1), other),
            1 => drop(frames.remove(random.below(frames.len()))),
            2 => {
                let (one, two) = (random.below(frames.len()), random.below(frames.len()));
                frames.swap(one, two);
            }
            _ => {}
        }
        let odd = random.below(frames.len().max(1));
        for (at, frame) in frames.iter().enumerate() {
            if at == odd {
                changed(random, frame, other).write(body);
            } else {
                frame.write(body);
            }
        }
        let seed = seeds.pick(random);
        check_bedrock_stream(&seeds, random, seed, body);
    });
}

/// The frame with another payload, and now and then another header.
fn changed(random: &mut Random, frame: &Frame, other: &Frame) -> Frame {
    let (Frame::Message { headers, payload }, Frame::Message { payload: tail, .. }) =
        (frame, other)
    else {
        panic!("whole frames only");
    };
    let (mut headers, mut payload) = (headers.clone(), payload.clone());
    mutate_json(random, &mut payload, tail);
    if random.below(8) == 0 {
        let at = random.below(headers.len());
        let mut value = headers[at].1.clone().into_bytes();
        mutate(random, &mut value, b"exception");
        headers[at].1 = String::from_utf8_lossy(&value).into_owned();
    }
    Frame::Message { headers, payload }
}

fn check_bedrock_stream(seeds: &Seeds, random: &mut Random, seed: &Seed, body: &[u8]) {
    let client = seeds.play(random, seed, &seed.answer.headers, body);
    let streams = String::from_utf8_lossy(&seed.ask).contains("\"stream\": true");
    if check_client(&client, seed.is_responses()) && streams {
        assert!(ended_itself(body), "only messageStop ends a stream well");
    }
}

/// Whether AWS's own decoder finds nothing but whole frames, with a `messageStop` among them.
fn ended_itself(body: &[u8]) -> bool {
    let mut decoder = MessageFrameDecoder::new();
    let mut rest = body;
    let mut is_stopped = false;
    while !rest.is_empty() {
        let Ok(DecodedFrame::Complete(message)) = decoder.decode_frame(&mut rest) else {
            return false;
        };
        is_stopped |= message.headers().iter().any(|header| {
            let value = header.value().as_string();
            value.is_ok_and(|value| value.as_str() == "messageStop")
        });
    }
    is_stopped
}

#[test]
fn openai_streams() {
    let seeds =
        Seeds::of(|name, head| !is_agents(name) && head.has_content_type("text/event-stream"));
    fuzz("openai streams", inputs(), |random, body| {
        let seed = seeds.mutated(random, body, mutate_data);
        let client = seeds.play(random, seed, &seed.answer.headers, body);
        if check_client(&client, seed.is_responses()) {
            let has = |mark: &[u8]| body.windows(mark.len()).any(|part| part == mark);
            let is_marked =
                has(b"[DONE]") || has(b"response.completed") || has(b"response.incomplete");
            assert!(is_marked, "only the provider's own mark ends a stream well");
        }
    });
}

/// What the app speaks is not what the upstream does: only the upstream's own last word ends a stream well.
#[test]
fn bridged_streams() {
    let is_bridged = |name: &str| name.split('/').any(|folder| folder == "bridge");
    let seeds = Seeds::of(|name, head| is_bridged(name) && is_streamed(head));
    fuzz("bridged streams", inputs(), |random, body| {
        let seed = seeds.mutated(random, body, mutate_data);
        let client = seeds.play(random, seed, &seed.answer.headers, body);
        if check_client(&client, seed.is_responses()) {
            let has = |mark: &[u8]| body.windows(mark.len()).any(|part| part == mark);
            let is_marked = match seed.is_responses() {
                true => has(b"[DONE]") && has(b"finish_reason"),
                false => has(b"response.completed") || has(b"response.incomplete"),
            };
            assert!(is_marked, "only the provider's own mark ends a stream well");
        }
    });
}

fn is_agents(name: &str) -> bool {
    name.split('/').any(|folder| folder == "agents")
}

/// Agents' streams have no last event of one kind: what ends well has at least been whole.
#[test]
fn agent_streams() {
    let is_frames = |head: &Headers| head.has_content_type("application/vnd.amazon.eventstream");
    let seeds = Seeds::of(|name, head| is_agents(name) && is_frames(head));
    fuzz("agent streams", inputs(), |random, body| {
        let seed = seeds.pick(random);
        let others = seeds.pick(random);
        let odd = random.below(seed.frames.len().max(1));
        for (at, frame) in seed.frames.iter().enumerate() {
            match (frame, others.frames.first()) {
                (Frame::Message { .. }, Some(other @ Frame::Message { .. })) if at == odd => {
                    changed(random, frame, other).write(body);
                }
                _ => frame.write(body),
            }
        }
        if random.below(2) == 0 {
            mutate(random, body, &others.answer.body);
        }
        let client = seeds.play(random, seed, &seed.answer.headers, body);
        if check_client(&client, seed.is_responses()) {
            assert!(is_whole(body), "a stream that broke never ends well");
        }
    });
}

/// Whether AWS's own decoder finds nothing but whole frames, and events in them.
fn is_whole(body: &[u8]) -> bool {
    let mut decoder = MessageFrameDecoder::new();
    let mut rest = body;
    while !rest.is_empty() {
        let Ok(DecodedFrame::Complete(message)) = decoder.decode_frame(&mut rest) else {
            return false;
        };
        let is_error = message.headers().iter().any(|header| {
            let value = header.value().as_string();
            let is_type = header.name().as_str() == ":message-type";
            is_type && value.is_ok_and(|value| value.as_str() != "event")
        });
        if is_error {
            return false;
        }
    }
    true
}

#[test]
fn agent_events() {
    let seeds =
        Seeds::of(|name, head| is_agents(name) && head.has_content_type("text/event-stream"));
    fuzz("agent events", inputs(), |random, body| {
        let seed = seeds.mutated(random, body, mutate_data);
        let client = seeds.play(random, seed, &seed.answer.headers, body);
        check_client(&client, seed.is_responses());
    });
}

/// Whether it is for the agents API, and no turn of a conversation.
fn is_passage(case: &Case) -> bool {
    let head = case.head();
    let path = head.text(":path");
    path.is_some_and(|path| path.starts_with("/v1/agents"))
}

/// Whatever an app asks of the agents API, what leaves is a call of that API.
#[test]
fn passages() {
    let cases: Vec<_> = cases::all().into_iter().filter(is_passage).collect();
    let seeds = Seeds::of_passages(|_, _| false);
    fuzz("passages", inputs(), |random, input| {
        let case = &cases[random.below(cases.len())];
        let other = &cases[random.below(cases.len())];
        let mut head = case.head();
        let mut body = case.ask.clone();
        if random.below(2) == 0 || body.is_empty() {
            let mut target = head.bytes(":path").unwrap_or_default().to_vec();
            let tokens: [&[u8]; 5] = [b"/../", b"%2e%2e/", b"?x=%zz&=a b", b"//", b"\\"];
            let token = tokens[random.below(tokens.len())];
            mutate(random, &mut target, token);
            head.set(":path", target.clone());
            *input = target;
        } else {
            mutate_json(random, &mut body, &other.ask);
            input.clone_from(&body);
        }
        match Proxy::new(&seeds.policy).request(head, &body) {
            Sent::Reply(reply) => {
                assert!(!check_client(&reply, false));
                assert!(reply.headers.status() >= 400);
            }
            Sent::Call(call) => check_passage(&call),
        }
    });
}

fn check_passage(call: &Message) {
    check_headers(&call.headers);
    let target = call.headers.text(":path").expect("a path");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let rest = path.strip_prefix("/openai").unwrap_or(path);
    let rest = rest.strip_prefix("/v1/agents").expect("a path of the API");
    assert!(
        rest.split('/')
            .all(|segment| !matches!(segment, "." | ".."))
    );
    assert!(rest.is_empty() || rest.starts_with('/') && !rest.contains("//"));
    assert!(!rest.contains(['%', '\\']), "nothing is left to decode");
    assert!(
        query
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'#')
    );
    if !call.body.is_empty() {
        object(&call.body);
    }
    for (name, value) in call.headers.iter() {
        let has_key = value.windows(9).any(|part| part == b"sk-golden");
        assert!(!has_key && name != "cookie", "{name} carries the app's own");
    }
}

/// What the app hears of a session is what came, as far as it was whole, and an error of ours where that was not all.
#[test]
fn session_events() {
    let seeds = Seeds::of_passages(|name, head| is_streamed(head) && !name.contains("redaction"));
    fuzz("session events", inputs(), |random, body| {
        let seed = seeds.mutated(random, body, mutate_data);
        let client = seeds.play(random, seed, &seed.answer.headers, body);
        let mark = b"event: error\ndata: {\"type\":\"error\",\"event_id\":\"gateway_error\"";
        let at = client
            .body
            .windows(mark.len())
            .position(|part| part == mark);
        let heard = client.body.get(..at.unwrap_or(client.body.len()));
        assert!(body.starts_with(heard.unwrap()), "events pass as they came");
        if at.is_none() {
            let has = |mark: &[u8]| body.windows(mark.len()).any(|part| part == mark);
            let rests = [&b"agent.session."[..], b"error", b"[DONE]"];
            assert!(
                rests.iter().any(|mark| has(mark)),
                "a session says that it rests"
            );
        }
    });
}

/// Changes a stream as bytes, or the JSON of one of its events.
fn mutate_data(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    let mut lines: Vec<_> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let at = random.below(lines.len());
    if random.below(4) == 0 || !lines.get(at).is_some_and(|line| line.contains(&b'{')) {
        return mutate(random, bytes, other);
    }
    let others: Vec<_> = other.split(|byte| *byte == b'\n').collect();
    let mut data = lines[at].trim_ascii_start().to_vec();
    let other = others[random.below(others.len())];
    mutate_json(random, &mut data, other);
    lines[at] = &data;
    *bytes = lines.concat();
}

// Targets: codecs

#[test]
fn sse_blocks() {
    let seeds = Seeds::of(|_, head| head.has_content_type("text/event-stream"));
    fuzz("sse blocks", inputs(), |random, input| {
        seeds.mutated(random, input, mutate);
        let event_bytes_max = if random.below(4) == 0 { 200 } else { 1 << 20 };
        let decode = |chunks: &[&[u8]]| {
            let mut told = Vec::new();
            let mut decoder = sse::Decoder::new(event_bytes_max);
            for chunk in chunks {
                decoder.push(chunk, |event: sse::Event<'_>| {
                    let name = event.name.map(<[u8]>::to_vec);
                    told.push((name, event.data.to_vec(), event.raw.to_vec()));
                    Ok::<(), sse::Error>(())
                })?;
            }
            decoder.finish().map(|()| told)
        };
        let whole = decode(&[input]);
        assert_eq!(whole, decode(&cut(random, input)));
        if let Ok(told) = whole {
            let raw: Vec<u8> = told.into_iter().flat_map(|(_, _, raw)| raw).collect();
            assert!(input.starts_with(&raw), "blocks are the stream");
            assert!(
                input[raw.len()..]
                    .iter()
                    .all(|byte| b"\r\n\xef\xbb\xbf".contains(byte))
            );
        }
    });
}

#[test]
fn event_stream_messages() {
    let seeds = Seeds::of(|_, head| head.has_content_type("application/vnd.amazon.eventstream"));
    fuzz("event stream messages", inputs(), |random, input| {
        seeds.mutated(random, input, mutate);
        let decode = |chunks: &[&[u8]]| {
            let mut told = Vec::new();
            let mut decoder = event_stream::Decoder::new(1 << 16);
            let fed: Result<(), event_stream::Error> = chunks.iter().try_for_each(|chunk| {
                decoder.push(chunk, |message| {
                    let kind = message.header(":event-type").map(str::to_owned);
                    let headers = message.headers().count();
                    told.push((kind, headers, message.payload.to_vec()));
                    Ok(())
                })
            });
            (told, fed.and_then(|()| decoder.finish()))
        };
        let whole = decode(&[input]);
        assert_eq!(whole, decode(&cut(random, input)));
        let mut theirs = MessageFrameDecoder::new();
        let mut rest = input.as_slice();
        for (_, headers, payload) in &whole.0 {
            let Ok(DecodedFrame::Complete(message)) = theirs.decode_frame(&mut rest) else {
                panic!("AWS's own decoder sees no message here");
            };
            assert_eq!(message.headers().len(), *headers);
            assert_eq!(message.payload().as_ref(), payload);
        }
    });
}

/// What is decoded is no longer than what was read, is the same piece by piece where no escape is cut, and nothing is lost:
/// encoded again, byte by byte, it is decoded to itself.
#[test]
fn percent_encoded() {
    let seed = b"/a%20b?q=jane%40corp.com&x=%C3%A9%25%4%zz%%41";
    fuzz("percent encoded", inputs(), |random, input| {
        input.extend_from_slice(seed);
        mutate(random, input, b"%2F%+1%G0%%");
        let mut out = Vec::new();
        let is_encoded = percent::decode(input, &mut out);
        assert!(out.len() <= input.len());
        assert_eq!(is_encoded, out.len() < input.len());
        if !input.contains(&b'%') {
            assert_eq!(out, *input);
        }
        let at = random.below(input.len() + 1);
        let (head, tail) = input.split_at(at);
        if !head[head.len().saturating_sub(2)..].contains(&b'%') {
            let mut pieces = Vec::new();
            let is_either = percent::decode(head, &mut pieces) | percent::decode(tail, &mut pieces);
            assert_eq!((is_either, pieces), (is_encoded, out.clone()));
        }
        let again: String = out.iter().map(|byte| format!("%{byte:02x}")).collect();
        let mut decoded = Vec::new();
        assert_eq!(
            percent::decode(again.as_bytes(), &mut decoded),
            !out.is_empty()
        );
        assert_eq!(decoded, out);
    });
}

#[test]
fn json_documents() {
    let seeds = Seeds::of(|_, head| !is_streamed(head));
    fuzz("json documents", inputs(), |random, input| {
        let asks: Vec<_> = seeds.asks.iter().map(|(_, ask)| ask).collect();
        input.extend_from_slice(asks[random.below(asks.len())]);
        let other = seeds.pick(random);
        mutate_json(random, input, &other.answer.body);
        let text = match json::validate(input) {
            Ok(text) => text,
            // serde_json stops at 128 levels as well, but does not count what it ignores.
            Err(json::Error::TooDeep { .. }) => return,
            Err(_) => {
                let theirs = str::from_utf8(input).map(serde_json::from_str::<IgnoredAny>);
                assert!(!matches!(theirs, Ok(Ok(_))), "serde_json takes it");
                // A walk over what was never validated may find anything, but ends.
                let text = String::from_utf8_lossy(input);
                assert!(Members::new(&text).count() <= text.len() + 1);
                return;
            }
        };
        let theirs = serde_json::from_str::<IgnoredAny>(text);
        assert!(theirs.is_ok(), "serde_json refuses it: {theirs:?}");
        if text.trim_ascii().starts_with('{') {
            edit(random, text);
        }
    });
}

/// Members are where they say, and a document stays one when its members are edited.
fn edit(random: &mut Random, text: &str) {
    let members: Vec<_> = Members::new(text).map(Result::unwrap).collect();
    let mut edits = Edits::new(16, 1 << 16);
    for member in &members {
        assert_eq!(&text[member.value_span.clone()], member.value);
        json::validate(member.value.as_bytes()).expect("a member's value is JSON");
        let key: String = serde_json::from_str(&text[member.key_span.clone()]).unwrap_or_default();
        assert!(key == *member.key || member.key.contains('\u{fffd}'));
        let done = match random.below(4) {
            0 => edits.remove_member(member),
            1 => edits.replace(member.value_span.clone(), b"{\"a\":[1]}"),
            2 => edits.insert(member.value_span.start, b" "),
            _ => Ok(()),
        };
        assert!(done.is_ok() || members.len() > 16);
    }
    let mut edited = Vec::new();
    edits.apply(text.as_bytes(), &mut edited).unwrap();
    let edited = json::validate(&edited).expect("an edited document is one");
    assert!(Members::new(edited).count() <= members.len());
}

// Targets: configuration and signatures

#[test]
fn policies() {
    let golden = std::fs::read(cases::root().join("policy.json")).unwrap();
    let full = br#"{"version":1,"anonymous":"allow","consumers":[
        {"name":"mobile","header":{"name":"x-consumer","value":"mobile"}},
        {"name":"alice","jwt":{"payload":"jwt","claim":"sub","value":"a*"},"models":["c*"]}],
        "providers":[
        {"name":"b","kind":"bedrock","cluster":"c","region":"us-east-1","endpoint":"http://127.0.0.1:9001","auth":{"type":"sigv4","service":"bedrock","region":"eu-west-1","session_token_env":"T"}},
        {"name":"o","kind":"openai","organization":"org","project":"p","auth":{"type":"bearer","env":"OPENAI_API_KEY"}},
        {"name":"a","kind":"azure","endpoint":"https://x.services.ai.azure.com/api/projects/p/openai/v1?api-version=preview","auth":{"type":"none"}}],
        "models":[{"name":"m","cluster":"m","targets":[{"provider":"b","model":"amazon.nova-lite-v1:0","weight":3},{"provider":"a","deployment":"d","weight":1}]},
        {"name":"gpt-*","targets":[{"provider":"o"}]}],
        "parameters":{"default":"warn","named":{"n":"reject"}},
        "limits":{"request_body_bytes":1048576,"answer_body_bytes":1048576,"event_bytes":65536}}"#;
    let placements = [Placement::Single, Placement::Edge, Placement::Upstream];
    // Each target of a policy reads the table of models' quirks, and no app's bytes get here: a tenth will do.
    fuzz("policies", inputs() / 10, |random, input| {
        let (seed, other) = if random.below(2) == 0 {
            (golden.as_slice(), full.as_slice())
        } else {
            (full.as_slice(), golden.as_slice())
        };
        input.extend_from_slice(seed);
        mutate_json(random, input, other);
        let placement = placements[random.below(3)];
        if let Err(problems) = Policy::compile(input, placement, &driver::variable) {
            assert!(!problems.to_string().is_empty(), "a refusal says why");
        }
    });
}

/// What detectors look for, and what nearly is it.
const SENSITIVE: &[&str] = &[
    "pay 4111 1111 1111 1111 or 3782-822463-10005, cvv 123; IBAN DE89 3704 0044 0532 0130 00",
    "ssn 536-22-1234, cpf 529.982.247-25, 131052-308T, 12.345.678-5, 1EG4-TE5-MK73, born 01/02/1980",
    "jane.doe+x@mail.example.co.uk (212) 555-0143 x12 +49 30 901820 tel: 020 7946 0958",
    "8.8.4.4:53 2a00:1450:4001:81b::200e 3c:22:fb:9a:01:7e 550e8400-e29b-41d4-a716-446655440000",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a AKIAIOSFODNN7EXAMPLE sk-proj-9f8e7d6c5b4a39281706AbCdEfGhIjKlMn",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----",
    "password = \"hunter2!\" api_key=9f8e7d6c5b4a39281706 postgres://app:s3cr3t@db:5432/x",
    "\u{FF14}\u{FF11}\u{FF11}\u{FF11} 4\u{200B}1 j\u{430}ne\u{FF20}example.org 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
];

/// The scanner finds the same in a stream, wherever it is cut, as in the whole text.
#[test]
fn scraps_of_values() {
    let plan = Plan::all(Action::Mask);
    fuzz("scraps_of_values", inputs(), |random, bytes| {
        for _ in 0..=random.below(3) {
            bytes.extend_from_slice(SENSITIVE[random.below(SENSITIVE.len())].as_bytes());
            bytes.push(b" \n,\"-"[random.below(5)]);
        }
        let other = SENSITIVE[random.below(SENSITIVE.len())].as_bytes();
        for _ in 0..=random.below(3) {
            mutate(random, bytes, other);
        }
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (mut whole, mut found, mut end) = (String::new(), Vec::new(), 0);
        plan.scan(&text, &mut Folded::new(), |finding| {
            whole.push_str(&text[end..finding.span.start]);
            plan.replace(
                &finding,
                &text[finding.span.clone()],
                Tenant::default(),
                &mut whole,
            );
            end = finding.span.end;
            found.push(finding);
        });
        whole.push_str(&text[end..]);
        let (mut streamed, mut found_streamed) = (String::new(), Vec::new());
        let (mut stream, mut rest) = (Stream::default(), text.as_str());
        while !rest.is_empty() {
            let cut = rest.ceil_char_boundary((1 + random.below(24)).min(rest.len()));
            let (piece, behind) = rest.split_at(cut);
            stream.push(&plan, piece, &mut streamed, &mut |it| {
                found_streamed.push(it)
            });
            rest = behind;
        }
        stream.finish(&plan, &mut streamed, &mut |it| found_streamed.push(it));
        assert_eq!((streamed, found_streamed), (whole, found));
    });
}

/// A plan that somebody wrote wrong or right, and a text: a stream gives what the whole gives, and what was hidden comes back.
#[test]
fn redaction() {
    let section = br#"{"entities":{"all":"placeholder","network":{"action":"mask","with":"***"},"secrets":"hash"},"hash_key_variable":"KEY",
        "patterns":[{"name":"p","pattern":"\\b[a-c]{2,3}(-\\d{1,4}|\\s[^x]?)\\b","action":"placeholder","context":["ab","of it"]},
        {"name":"q","pattern":"(?i)1.{1,3}2|x{3}","action":"report","score":60}],"on_overrun":"skip",
        "lists":[{"name":"l","words":["ab","Falcon","b-c"],"action":"partial","case":"exact"},{"name":"m","words":["xy"],"action":"hash","whole_words":false}],
        "decode":{"base64":1,"url":1},"allow":["ab"],"allow_domains":["b.io"],"allow_networks":["8.8.0.0/16"],"allow_numbers":["4111","+49"]}"#;
    let text = "ab ab-12 of it 1xx2 Falcon xy u@b.io jane@corp.com 8.8.4.4 +49 30 901820 amFuZUBjb3JwLmNvbQ== x=a%40b.org \
        [EMAIL_BCDFGHLMNPQR] AKIAIOSFODNN7EXAMPLE b-c-123"
        .as_bytes();
    let variable = |_: &str| Some("0123456789abcdef".to_owned());
    // Each input makes tables of its patterns, which no app's bytes do: a tenth will do.
    let mut plans = 0;
    fuzz("redaction", inputs() / 10, |random, input| {
        input.extend_from_slice(section);
        // Most of what is mutated is refused: the section as it is keeps texts coming.
        match random.below(3) {
            0 => mutate_json(random, input, text),
            1 => mutate(random, input, text),
            _ => {}
        }
        let plan = document::parse(input)
            .ok()
            .and_then(|root| document::read(&root, |fields| Plan::read(fields, &variable)).ok());
        let mut bytes = text.to_vec();
        mutate(random, &mut bytes, section);
        let Some(plan) = plan else { return };
        plans += 1;
        let text = String::from_utf8_lossy(&bytes);
        let (mut whole, mut hidden, mut end, mut count) = (String::new(), String::new(), 0, 0);
        let mut vault = Vault::new(Tenant::default());
        plan.scan(&text, &mut Folded::new(), |finding| {
            let value = &text[finding.span.clone()];
            for out in [&mut whole, &mut hidden] {
                out.push_str(&text[end..finding.span.start]);
            }
            plan.replace(&finding, value, Tenant::default(), &mut whole);
            plan.hide(&finding, value, &mut vault, &mut hidden);
            end = finding.span.end;
            count += usize::from(finding.action == Action::Block);
        });
        whole.push_str(&text[end..]);
        hidden.push_str(&text[end..]);
        if vault.lost() == 0 {
            assert_eq!(hidden, whole);
        }
        let at = text.floor_char_boundary(random.below(text.len() + 1));
        let (mut stream, mut out) = (Stream::default(), String::new());
        stream.push(&plan, &text[..at], &mut out, &mut |_| {});
        stream.push(&plan, &text[at..], &mut out, &mut |_| {});
        stream.finish(&plan, &mut out, &mut |_| {});
        assert!(count > 0 || out == whole, "{out:?} is not {whole:?}");
        let (mut restore, mut restored) = (Restore::new(Escaping::Plain), String::new());
        restore.push(&vault, &hidden, &mut restored);
        restore.finish(&mut restored);
        assert!(restore.restored() >= usize::from(!vault.is_empty()));
    });
    assert!(plans > inputs() / 50, "only {plans} sections were plans");
}

#[test]
fn budget_cells() {
    let mut seed = Vec::new();
    let window = Window::Rolling { length_ms: 60_000 };
    let mut cell = BudgetCell::default();
    for now_ms in [0, 7_000, 14_000] {
        cell.reserve(now_ms, &window.frame(now_ms), 100, 3)
            .expect("room");
    }
    cell.encode(&mut seed);
    fuzz("budget cells", inputs(), |random, input| {
        *input = seed.clone();
        mutate(random, input, &seed);
        let mut rest = input.as_slice();
        let Some(mut cell) = BudgetCell::decode(&mut rest) else {
            return;
        };
        // What was read is what is written, and whatever it is, what it admits stays within the limit.
        let mut again = Vec::new();
        cell.encode(&mut again);
        assert_eq!(again, input[..input.len() - rest.len()]);
        let frame = window.frame(20_000);
        if cell.reserve(20_000, &frame, 100, 10).is_ok() {
            let level = cell.level(20_000, &frame, 100);
            assert!(level.used.saturating_add(level.held) <= 100);
        }
    });
}

/// Memory as Envoy shares it.
#[derive(Default)]
struct Memory(RefCell<BTreeMap<String, (Vec<u8>, u32)>>);

impl Shared for Memory {
    fn read(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.0.borrow().get(key).cloned()
    }

    fn write(&self, key: &str, bytes: &[u8], version: Option<u32>) -> bool {
        assert!(bytes.len() <= 256 * 1024, "what workers share is bounded");
        let next = version.map_or(0, |version| version.wrapping_add(1));
        let value = (bytes.to_owned(), next);
        self.0.borrow_mut().insert(key.to_owned(), value);
        true
    }
}

const NOON: u64 = 1_795_435_200_000;

/// Stores that are asked by calls, each with an answer to a reservation of one request.
fn far_stores() -> Vec<(Box<dyn Store>, Vec<u8>)> {
    let redis = |protocol| RedisSettings {
        name: "s".to_owned(),
        cluster: "c".to_owned(),
        authority: "a".to_owned(),
        path: "/".to_owned(),
        protocol,
        authorization: None,
        tag: "{t}".to_owned(),
        timeout_ms: 50,
    };
    let service = RlsSettings {
        name: "s".to_owned(),
        cluster: "c".to_owned(),
        domain: "d".to_owned(),
        timeout_ms: 50,
        refunds: true,
    };
    let whole = format!("ok,{NOON},0,g,0,179543526,1,5,6,{NOON}");
    let slice = format!("ok,{NOON},f-0-1,s,0,{NOON},1,1,0,40,5,6,{NOON},-1");
    let counted = [
        8, 1, 18, 14, 8, 1, 18, 4, 8, 100, 16, 2, 24, 60, 34, 2, 8, 7,
    ];
    vec![
        (
            Box::new(Redis::new(redis(Protocol::Webdis))),
            format!(r#"{{"EVALSHA":"{whole}"}}"#).into_bytes(),
        ),
        (
            Box::new(Redis::new(redis(Protocol::Rest))),
            format!(r#"{{"result":"{whole}"}}"#).into_bytes(),
        ),
        (
            Box::new(Slices::new(redis(Protocol::Webdis))),
            format!(r#"{{"EVALSHA":"{slice}"}}"#).into_bytes(),
        ),
        (Box::new(Rls::new(service)), counted.to_vec()),
    ]
}

/// A bucket of 100 requests for ever.
fn hundred() -> Account {
    let budget = Budget::new("b".to_owned(), Unit::Requests, Window::Always, false, 4);
    Account {
        budget: Rc::new(budget),
        key: 1,
        label: String::new(),
        values: Vec::new(),
        limit: 100,
    }
}

fn order<'o>(act: Act, now_ms: u64, lines: &'o [Line<'o>]) -> Order<'o> {
    Order {
        act,
        id: 7,
        now_ms,
        lines,
    }
}

/// Takes an order whose every call has this answer, as the exchange does. Gives what is held then.
fn take(store: &dyn Store, order: &Order<'_>, body: &[u8], memory: &Memory) -> Option<Hold> {
    let mut step = store.take(order, memory);
    for _ in 0..ORDER_CALLS_MAX {
        match step {
            Step::Call(_) => {
                let answer = Ok(Inbound { status: 200, body });
                step = store.hear(order, answer, memory);
            }
            Step::Done(Verdict::Granted(done)) => {
                let lines = order.lines.len();
                assert!(done.len() == lines || order.act == Act::Settle, "{done:?}");
                return done.first().map(|(hold, _)| *hold);
            }
            Step::Done(Verdict::Refused { line, .. }) => {
                assert!(line < order.lines.len());
                return None;
            }
            Step::Done(Verdict::Down) => return None,
        }
    }
    None
}

/// Settles a hold and runs errands that are all answered so.
fn settle(store: &dyn Store, account: &Account, hold: Hold, body: &[u8], memory: &Memory) {
    let lines = [Line {
        account,
        hold,
        amount: 3,
    }];
    take(store, &order(Act::Settle, NOON, &lines), body, memory);
    for now_ms in [NOON, NOON + 3_000, NOON + 90_000] {
        for _ in 0..8 {
            let Some(call) = store.errand(now_ms, memory) else {
                break;
            };
            assert!(call.body.len() <= 256 * 1024, "a call is bounded");
            store.errand_done(now_ms, Ok(Inbound { status: 200, body }), memory);
        }
    }
}

#[test]
fn answers_of_stores() {
    let account = hundred();
    let lines = [Line {
        account: &account,
        hold: Hold::default(),
        amount: 1,
    }];
    let reserve = order(Act::Reserve, NOON, &lines);
    let mut granted = 0;
    fuzz("answers of stores", inputs(), |random, input| {
        let mut stores = far_stores();
        let other = stores[random.below(stores.len())].1.clone();
        let (store, answer) = stores.swap_remove(random.below(stores.len()));
        let memory = Memory::default();
        assert!(
            take(&*store, &reserve, &answer, &memory).is_some(),
            "the seed"
        );
        *input = answer;
        mutate(random, input, &other);
        let (store, _) = far_stores().swap_remove(random.below(4));
        let memory = Memory::default();
        let hold = take(&*store, &reserve, input, &memory);
        granted += usize::from(hold.is_some());
        settle(&*store, &account, hold.unwrap_or_default(), input, &memory);
    });
    assert!(granted > inputs() / 50, "only {granted} were granted");
}

/// Outboxes, purses, buckets, and what is remembered of a store that is down.
#[test]
fn memory_that_workers_share() {
    let mut account = hundred();
    Rc::get_mut(&mut account.budget).unwrap().when_down = WhenDown::Share;
    let lines = [Line {
        account: &account,
        hold: Hold::default(),
        amount: 1,
    }];
    let reserve = order(Act::Reserve, NOON, &lines);
    fuzz("memory that workers share", inputs(), |random, input| {
        let (store, answer) = far_stores().swap_remove(random.below(4));
        let store = StandIn::new(Rc::from(store), "s", 2);
        let memory = Memory::default();
        let hold = take(&store, &reserve, &answer, &memory).expect("the seed");
        // Noted, and not delivered.
        let lines = [Line {
            account: &account,
            hold,
            amount: 3,
        }];
        take(&store, &order(Act::Settle, NOON, &lines), &answer, &memory);
        // Held here while nobody answers.
        take(
            &store,
            &order(Act::Reserve, NOON + 50_000, reserve.lines),
            b"",
            &memory,
        );
        let keys: Vec<String> = memory.0.borrow().keys().cloned().collect();
        assert!(keys.len() > 1, "{keys:?}");
        let key = &keys[random.below(keys.len())];
        *input = memory.0.borrow()[key].0.clone();
        let other = input.clone();
        mutate(random, input, &other);
        memory
            .0
            .borrow_mut()
            .insert(key.clone(), (input.clone(), 1));
        for body in [&answer[..], b""] {
            let hold = take(&store, &reserve, body, &memory).unwrap_or_default();
            settle(&store, &account, hold, body, &memory);
        }
    });
}

#[test]
fn time_zones() {
    let rules = [
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "<-04>4<-03>,M9.1.6/24,M4.1.6/24",
        "AAA3BBB,J60/0,J300/0",
        "Europe/Berlin",
    ];
    fuzz("time zones", inputs(), |random, input| {
        let seed = rules[random.below(rules.len())].as_bytes();
        *input = seed.to_vec();
        mutate(random, input, rules[0].as_bytes());
        let Some(zone) = str::from_utf8(input)
            .ok()
            .and_then(|text| Zone::parse(text).ok())
        else {
            return;
        };
        for (_, period) in PERIODS {
            let (start_ms, end_ms) = zone.bounds(*period, 1_795_435_200_000);
            assert!(start_ms <= end_ms);
        }
    });
}

#[test]
fn signatures() {
    let credentials = Credentials {
        access_key_id: "AKIDGOLDEN".to_owned(),
        secret_access_key: Secret::new("golden-secret"),
        session_token: Some(Secret::new("golden-token")),
    };
    let scope = Scope {
        region: "us-east-1".to_owned(),
        service: "bedrock".to_owned(),
    };
    let auth = Auth::SigV4(Box::new(Signer::new(credentials, scope).unwrap()));
    fuzz("signatures", inputs(), |random, input| {
        let mut odd = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            if random.below(2) == 0 {
                mutate(random, &mut bytes, b"/%41/./..//%zz?x=%20&&=y");
            }
            input.extend_from_slice(&bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let path = odd("/model/arn%3Aaws%3Abedrock%2Fabc/converse-stream");
        let query = odd("api-version=2024-10-21&b=&a=%2F");
        let host = odd("bedrock-runtime.us-east-1.amazonaws.com");
        let value = odd("  application/json   x ");
        let outgoing = Outgoing {
            method: "POST",
            host: &host,
            path: &path,
            query: &query,
            headers: &[("content-type", &value)],
            body: b"{}",
        };
        let sign = || {
            let mut told = Vec::new();
            let signed = auth.apply(UnixSeconds(1_795_435_200), &outgoing, &mut |name, value| {
                told.push((name, value.to_owned()));
            });
            (signed, told)
        };
        let (signed, told) = sign();
        assert_eq!((signed, &told), (sign().0, &sign().1), "the same again");
        for (name, value) in told {
            let is_legal = value.bytes().all(|byte| (b' '..0x7f).contains(&byte));
            assert!(is_legal, "{name} cannot be sent");
        }
    });
}
