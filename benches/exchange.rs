//! Native time and allocations of the core: what an exchange does between two callbacks.
//!
//! Each benchmark feeds `Exchange` as `abi` does, with a host that is memory, so hostcalls are not in
//! it; reading a body is a copy here as there. `request` is the whole way in of a 4 KiB chat request:
//! head, body, parse, route, translate or edit, sign. `delta` is one more piece of a stream that flows,
//! one event in each read. `stream` is a whole answer of 100 deltas in one read: divide by 100.
//! `vector` is the whole answer of Titan with 1,024 numbers on its way to the app.
//!
//! `cargo bench --bench exchange`; a word behind it picks benchmarks, as `-- azure`.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that measures the wrong thing should stop loudly"
)]
#![expect(clippy::panic, reason = "the same")]

use std::hint::black_box;
use std::rc::Rc;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use tollgate::budget::Shared;
use tollgate::exchange::{Body, Effect, Exchange, Flow, Host, Input};
use tollgate::policy::{Placement, Policy};
use tollgate::turn::{Headers, Now};

#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

const DELTAS: usize = 100;
const REQUEST_BYTES: usize = 4096;
const NOW: Now = Now {
    unix_ms: 1_790_000_000_000,
};

fn main() {
    divan::main();
}

/// Who answers, and how it knows the gateway.
#[derive(Debug, Clone, Copy)]
enum Upstream {
    /// Converse, with a Bedrock API key, which costs nothing but a header.
    BedrockKey,
    /// Converse, signed here.
    BedrockSigV4,
    /// Bedrock's OpenAI endpoint, signed here; the model writes its reasoning into the text, so that every
    /// delta is edited.
    GptOss,
    /// InvokeModel of an embedding model.
    Titan,
    /// OpenAI's own format: the body's model is edited.
    Azure,
}

use Upstream::{Azure, BedrockKey, BedrockSigV4, GptOss, Titan};

#[divan::bench(args = [BedrockKey, BedrockSigV4, GptOss, Azure])]
fn request(bencher: Bencher<'_, '_>, upstream: Upstream) {
    let policy = upstream.policy();
    let body = body(false);
    let mut effects = Vec::new();
    bencher
        .counter(BytesCount::new(body.len()))
        .with_inputs(request_head)
        .bench_local_values(|head| {
            effects.clear();
            send(&policy, head, &body, &mut effects)
        });
}

#[divan::bench(args = [BedrockKey, GptOss, Azure])]
fn delta(bencher: Bencher<'_, '_>, upstream: Upstream) {
    let mut effects = Vec::new();
    let mut exchange = upstream.streaming(&mut effects);
    // The first event also brings the head.
    let event = upstream.delta("word ");
    read(&mut exchange, &upstream.first(), false, &mut effects);
    bencher.bench_local(|| {
        effects.clear();
        read(&mut exchange, black_box(&event), false, &mut effects)
    });
    assert!(
        matches!(effects.as_slice(), [] | [Effect::AnswerBody(_)]),
        "a delta goes on: {effects:?}"
    );
}

#[divan::bench(args = [BedrockKey, GptOss, Azure])]
fn stream(bencher: Bencher<'_, '_>, upstream: Upstream) {
    let answer = upstream.stream();
    bencher
        .counter(ItemsCount::new(DELTAS))
        .with_inputs(|| {
            let mut effects = Vec::new();
            (upstream.streaming(&mut effects), effects)
        })
        .bench_local_refs(|(exchange, effects)| {
            effects.clear();
            read(exchange, black_box(&answer), true, effects)
        });
    let mut effects = Vec::new();
    let mut exchange = upstream.streaming(&mut effects);
    effects.clear();
    read(&mut exchange, &answer, true, &mut effects);
    let bytes = effects.iter().find_map(|effect| {
        let Effect::AnswerBody(bytes) = effect else {
            return None;
        };
        Some(bytes.as_slice())
    });
    let out = bytes.unwrap_or(&answer);
    assert!(out.ends_with(b"data: [DONE]\n\n"), "the stream is whole");
}

#[divan::bench(args = ["float", "base64"])]
fn vector(bencher: Bencher<'_, '_>, encoding: &str) {
    let policy = Titan.policy();
    let ask = format!(r#"{{"model":"bench","input":"Hello.","encoding_format":"{encoding}"}}"#);
    let numbers: Vec<String> = (12_345_678..12_346_702)
        .map(|number| format!("-0.0{number}"))
        .collect();
    let answer = format!(
        r#"{{"embedding":[{}],"inputTextTokenCount":2}}"#,
        numbers.join(",")
    );
    let asked = || {
        let mut effects = Vec::new();
        let mut head = request_head();
        head.set(":path", "/v1/embeddings");
        let mut exchange = send(&policy, head, ask.as_bytes(), &mut effects);
        let mut headers = Headers::new();
        headers.push(":status", "200");
        headers.push("content-type", "application/json");
        let ends = false;
        exchange.handle(Input::AnswerHead { headers, ends }, &mut effects);
        effects.clear();
        (exchange, effects)
    };
    bencher
        .counter(BytesCount::new(answer.len()))
        .with_inputs(asked)
        .bench_local_refs(|(exchange, effects)| {
            read(exchange, black_box(answer.as_bytes()), true, effects)
        });
    let (mut exchange, mut effects) = asked();
    read(&mut exchange, answer.as_bytes(), true, &mut effects);
    assert!(
        matches!(effects.as_slice(), [Effect::AnswerHeaders(head), Effect::AnswerBody(_)] if head.status() == 200),
        "a vector: {effects:?}"
    );
}

/// Feeds a request whole; what comes out is a call.
fn send(policy: &Rc<Policy>, headers: Headers, body: &[u8], effects: &mut Vec<Effect>) -> Exchange {
    let mut exchange = Exchange::new(Placement::Single, Rc::clone(policy));
    let head = Input::RequestHead {
        headers,
        ends: false,
        host: &Memory,
    };
    exchange.handle(head, effects);
    let body = Input::RequestBody {
        body: &Held(body),
        ends: true,
        host: &Memory,
    };
    let flow = exchange.handle(body, effects);
    assert!(flow == Flow::Continue, "refused: {effects:?}");
    exchange
}

fn read(exchange: &mut Exchange, bytes: &[u8], ends: bool, effects: &mut Vec<Effect>) -> Flow {
    let body = &Held(bytes);
    let host = &Memory;
    exchange.handle(Input::AnswerBody { body, ends, host }, effects)
}

impl Upstream {
    fn policy(self) -> Rc<Policy> {
        let (provider, target) = match self {
            BedrockKey | BedrockSigV4 => (
                r#"{"name":"it","kind":"bedrock","region":"us-east-1"}"#,
                r#"{"provider":"it","model":"us.anthropic.claude-sonnet-4-5-20250929-v1:0"}"#,
            ),
            GptOss => (
                r#"{"name":"it","kind":"bedrock","region":"us-east-1"}"#,
                r#"{"provider":"it","model":"openai.gpt-oss-120b-1:0","surface":"openai"}"#,
            ),
            Titan => (
                r#"{"name":"it","kind":"bedrock","region":"us-east-1"}"#,
                r#"{"provider":"it","model":"amazon.titan-embed-text-v2:0"}"#,
            ),
            Azure => (
                r#"{"name":"it","kind":"azure","endpoint":"https://acme.openai.azure.com"}"#,
                r#"{"provider":"it","deployment":"gpt-4.1"}"#,
            ),
        };
        let text = format!(
            r#"{{"version":1,"anonymous":"deny",
            "consumers":[{{"name":"demo","api_key_sha256":["{KEY_SHA256}"]}}],
            "providers":[{provider}],"models":[{{"name":"bench","targets":[{target}]}}]}}"#
        );
        let variable = |name: &str| {
            let value = match (self, name) {
                (BedrockKey | Titan, "AWS_BEARER_TOKEN_BEDROCK") => "a-key",
                (BedrockSigV4 | GptOss, "AWS_ACCESS_KEY_ID") => "AKIDEXAMPLE",
                (BedrockSigV4 | GptOss, "AWS_SECRET_ACCESS_KEY") => "a-secret",
                (Azure, "AZURE_OPENAI_API_KEY") => "a-key",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let policy = Policy::compile(text.as_bytes(), Placement::Single, &variable);
        Rc::new(policy.unwrap_or_else(|problems| panic!("{problems}")))
    }

    /// An exchange that has the head of a streamed answer.
    fn streaming(self, effects: &mut Vec<Effect>) -> Exchange {
        let mut exchange = send(&self.policy(), request_head(), &body(true), effects);
        let mut headers = Headers::new();
        headers.push(":status", "200");
        headers.push("content-type", self.content_type());
        let ends = false;
        exchange.handle(Input::AnswerHead { headers, ends }, effects);
        exchange
    }

    const fn content_type(self) -> &'static str {
        match self {
            BedrockKey | BedrockSigV4 | Titan => "application/vnd.amazon.eventstream",
            GptOss | Azure => "text/event-stream; charset=utf-8",
        }
    }

    fn stream(self) -> Vec<u8> {
        let mut answer = self.first();
        for _ in 0..DELTAS {
            answer.extend(self.delta("word "));
        }
        answer.extend(self.last());
        answer
    }

    /// What comes before the text.
    fn first(self) -> Vec<u8> {
        match self {
            BedrockKey | BedrockSigV4 | Titan => message("messageStart", r#"{"role":"assistant"}"#),
            GptOss => chunk(
                r#"{"role":"assistant","content":"<reasoning>"}"#,
                "null",
                "null",
            ),
            Azure => chunk(r#"{"role":"assistant","content":""}"#, "null", "null"),
        }
    }

    fn delta(self, text: &str) -> Vec<u8> {
        match self {
            BedrockKey | BedrockSigV4 | Titan => {
                let delta = format!(r#"{{"contentBlockIndex":0,"delta":{{"text":"{text}"}}}}"#);
                message("contentBlockDelta", &delta)
            }
            GptOss | Azure => chunk(&format!(r#"{{"content":"{text}"}}"#), "null", "null"),
        }
    }

    /// What comes after the text.
    fn last(self) -> Vec<u8> {
        match self {
            BedrockKey | BedrockSigV4 | Titan => [
                message("contentBlockStop", r#"{"contentBlockIndex":0}"#),
                message("messageStop", r#"{"stopReason":"end_turn"}"#),
                message(
                    "metadata",
                    r#"{"metrics":{"latencyMs":900},"usage":{"inputTokens":900,"outputTokens":100,"totalTokens":1000}}"#,
                ),
            ]
            .concat(),
            GptOss | Azure => {
                let usage =
                    r#"{"completion_tokens":100,"prompt_tokens":900,"total_tokens":1000}"#;
                let mut end = chunk("{}", r#""stop""#, "null");
                end.extend(chunk("{}", "null", usage));
                end.extend_from_slice(b"data: [DONE]\n\n");
                end
            }
        }
    }
}

/// SHA-256 of `sk-demo`.
const KEY_SHA256: &str = "f77894fdfa58e447c57e077eaa9708e8e009c84dc6aba2db80461275e9b85be7";

/// As Envoy shows the request of an OpenAI SDK.
fn request_head() -> Headers {
    let pairs = [
        (":authority", "127.0.0.1:10000"),
        (":path", "/v1/chat/completions"),
        (":method", "POST"),
        (":scheme", "http"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("user-agent", "OpenAI/Python 3.54.0"),
        ("x-stainless-lang", "python"),
        ("x-stainless-package-version", "3.54.0"),
        ("x-stainless-runtime", "CPython"),
        ("x-stainless-retry-count", "0"),
        ("authorization", "Bearer sk-demo"),
        ("content-length", "4096"),
        ("x-forwarded-proto", "http"),
        ("x-request-id", "0f8b8cb1-5f29-4e43-9f3c-6b1a2f6a9f10"),
    ];
    let mut headers = Headers::new();
    for (name, value) in pairs {
        headers.push(name, value);
    }
    headers
}

/// A conversation of exactly `REQUEST_BYTES`.
fn body(is_stream: bool) -> Vec<u8> {
    let turn = r#"{"role":"user","content":"She wrote back: \"Please send the corrected version before noon.\"\nNobody had."},{"role":"assistant","content":"Compare both drafts, list what differs, and say which one you would publish and why."},"#;
    let stream = match is_stream {
        true => r#""stream":true,"stream_options":{"include_usage":true},"#,
        false => "",
    };
    let head = format!(
        r#"{{"model":"bench",{stream}"temperature":0.7,"max_completion_tokens":512,"messages":[{{"role":"system","content":"You are brief."}},"#
    );
    let end = r#"{"role":"user","content":""#;
    let close = r#""}]}"#;
    let fixed = [&head, end, close].map(str::len).iter().sum::<usize>();
    let left = REQUEST_BYTES.checked_sub(fixed).expect("it fits");
    let turns = left.checked_div(turn.len()).expect("a turn has a length");
    let filler = left.checked_rem(turn.len()).expect("a turn has a length");
    let body = format!(
        "{head}{}{end}{}{close}",
        turn.repeat(turns),
        "a".repeat(filler)
    );
    assert!(body.len() == REQUEST_BYTES, "{} bytes", body.len());
    body.into_bytes()
}

/// An event as OpenAI streams it.
fn chunk(delta: &str, finish_reason: &str, usage: &str) -> Vec<u8> {
    let choices = match usage {
        "null" => {
            format!(
                r#"{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish_reason}}}"#
            )
        }
        _ => String::new(),
    };
    format!(
        "data: {{\"id\":\"chatcmpl-BxyzABC123\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,\
         \"model\":\"gpt-4.1-2025-04-14\",\"system_fingerprint\":\"fp_1\",\"choices\":[{choices}],\"usage\":{usage}}}\n\n"
    )
    .into_bytes()
}

/// An event as AWS frames it.
fn message(event: &str, payload: &str) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in [
        (":event-type", event),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ] {
        headers.push(u8::try_from(name.len()).expect("names are short"));
        headers.extend_from_slice(name.as_bytes());
        // A string follows.
        headers.push(7);
        let length = u16::try_from(value.len()).expect("values are short");
        headers.extend_from_slice(&length.to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let length = |bytes: usize| {
        u32::try_from(bytes)
            .expect("events are short")
            .to_be_bytes()
    };
    // Two lengths and two checksums surround headers and payload.
    let total = [headers.len(), payload.len(), 16].iter().sum();
    let mut framed = [length(total), length(headers.len())].concat();
    framed.extend_from_slice(&crc32fast::hash(&framed).to_be_bytes());
    framed.extend_from_slice(&headers);
    framed.extend_from_slice(payload.as_bytes());
    framed.extend_from_slice(&crc32fast::hash(&framed).to_be_bytes());
    framed
}

/// A host that knows nothing besides headers.
struct Memory;

impl Host for Memory {
    fn now(&self) -> Now {
        NOW
    }

    fn property(&self, _: &[&str]) -> Option<Vec<u8>> {
        None
    }

    fn shared(&self) -> &dyn Shared {
        self
    }

    fn entropy(&self) -> [u64; 2] {
        [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210]
    }
}

/// It forgets at once.
impl Shared for Memory {
    fn read(&self, _: &str) -> Option<(Vec<u8>, u32)> {
        None
    }

    fn write(&self, _: &str, _: &[u8], _: Option<u32>) -> bool {
        true
    }
}

/// Bytes in the host's buffer.
struct Held<'b>(&'b [u8]);

impl Body for Held<'_> {
    fn bytes(&self) -> usize {
        self.0.len()
    }

    fn read(&self) -> Vec<u8> {
        self.0.to_vec()
    }
}
