//! Native time and allocations of the core: what an exchange does between two callbacks.
//!
//! Each benchmark feeds `Exchange` as `abi` does, with a host that is memory, so hostcalls are not in
//! it; reading a body is a copy here as there. Each has a row for each [`Way`]: what the app speaks, and
//! what the upstream does. `request` is the whole way in of a 4 KiB request: head, body, parse, route,
//! translate or edit, and a credential (a header, or in the rows that say so a signature). `answer` is a
//! whole answer of 100 words, or a vector of 1,024 numbers. `delta` is one more piece of a stream that
//! flows, one event in each read. `stream` is a whole answer of 100 deltas in one read: divide by 100.
//!
//! `cargo bench --bench exchange`; a word behind it picks benchmarks, as `-- delta`.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that measures the wrong thing should stop loudly"
)]
#![expect(clippy::panic, reason = "the same")]

use std::fmt;
use std::hint::black_box;
use std::rc::Rc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
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

/// What the app speaks, and who answers.
#[derive(Debug, Clone, Copy)]
struct Way(Api, Upstream);

#[derive(Debug, Clone, Copy)]
enum Api {
    Chat,
    Responses,
    Completions,
    Embeddings,
}

#[derive(Debug, Clone, Copy)]
enum Upstream {
    Converse,
    /// Signed here.
    ConverseSigV4,
    /// Bedrock's OpenAI endpoint; the model writes its reasoning into the text, so that every delta is edited.
    GptOss,
    Mantle,
    InvokeAgent,
    Harness,
    Runtime,
    /// InvokeModel of an embedding model.
    Titan,
    Cohere,
    /// OpenAI's own format: the body's model is edited.
    Azure,
    OpenAi,
    /// The same, with every detector on and nothing to find.
    Redacted,
}

use Api::{Chat, Completions, Embeddings, Responses};
use Upstream::{
    Azure, Cohere, Converse, ConverseSigV4, GptOss, Harness, InvokeAgent, Mantle, OpenAi, Redacted,
    Runtime, Titan,
};

const TALKING: [Way; 21] = [
    Way(Chat, Converse),
    Way(Chat, ConverseSigV4),
    Way(Chat, GptOss),
    Way(Chat, Mantle),
    Way(Chat, InvokeAgent),
    Way(Chat, Harness),
    Way(Chat, Runtime),
    Way(Chat, Azure),
    Way(Chat, OpenAi),
    Way(Chat, Redacted),
    Way(Responses, Converse),
    Way(Responses, Mantle),
    Way(Responses, InvokeAgent),
    Way(Responses, Harness),
    Way(Responses, Runtime),
    Way(Responses, Azure),
    Way(Responses, OpenAi),
    Way(Responses, Redacted),
    Way(Completions, Converse),
    Way(Completions, Runtime),
    Way(Completions, Azure),
];
const EMBEDDING: [Way; 3] = [
    Way(Embeddings, Titan),
    Way(Embeddings, Cohere),
    Way(Embeddings, Azure),
];

fn all() -> impl Iterator<Item = Way> {
    TALKING.into_iter().chain(EMBEDDING)
}

#[divan::bench(args = all())]
fn request(bencher: Bencher<'_, '_>, way: Way) {
    let policy = way.policy();
    let body = way.body(false);
    let mut effects = Vec::new();
    bencher
        .counter(BytesCount::new(body.len()))
        .with_inputs(|| way.head())
        .bench_local_values(|head| {
            effects.clear();
            send(&policy, head, &body, &mut effects)
        });
}

#[divan::bench(args = all())]
fn answer(bencher: Bencher<'_, '_>, way: Way) {
    let answer = way.answer();
    bencher
        .counter(BytesCount::new(answer.len()))
        .with_inputs(|| way.asked(false))
        .bench_local_refs(|(exchange, effects)| read(exchange, black_box(&answer), true, effects));
    let (mut exchange, mut effects) = way.asked(false);
    read(&mut exchange, &answer, true, &mut effects);
    let is_refused =
        |effect: &Effect| matches!(effect, Effect::AnswerHeaders(head) if head.status() != 200);
    let is_whole = !effects.iter().any(is_refused);
    let said = bytes_of(&effects).unwrap_or(&answer);
    let said = String::from_utf8_lossy(said);
    assert!(
        is_whole && (said.contains(WORD) || matches!(way.0, Embeddings)),
        "{way:?} {said}: {effects:?}"
    );
}

#[divan::bench(args = TALKING)]
fn delta(bencher: Bencher<'_, '_>, way: Way) {
    let (mut exchange, mut effects) = way.asked(true);
    let event = way.delta();
    // The first text brings the head, if what is before it has not.
    for before in [&way.first(), &event] {
        read(&mut exchange, before, false, &mut effects);
    }
    bencher.bench_local(|| {
        effects.clear();
        read(&mut exchange, black_box(&event), false, &mut effects)
    });
    assert!(
        matches!(effects.as_slice(), [] | [Effect::AnswerBody(_)]),
        "a delta goes on: {effects:?}"
    );
}

#[divan::bench(args = TALKING)]
fn stream(bencher: Bencher<'_, '_>, way: Way) {
    let answer = way.stream();
    bencher
        .counter(ItemsCount::new(DELTAS))
        .with_inputs(|| way.asked(true))
        .bench_local_refs(|(exchange, effects)| read(exchange, black_box(&answer), true, effects));
    let (mut exchange, mut effects) = way.asked(true);
    read(&mut exchange, &answer, true, &mut effects);
    let out = String::from_utf8_lossy(bytes_of(&effects).unwrap_or(&answer));
    let end = match way.0 {
        Responses => "event: response.completed",
        Chat | Completions | Embeddings => "data: [DONE]",
    };
    assert!(out.contains(end), "{way:?} is whole: {out}");
}

fn bytes_of(effects: &[Effect]) -> Option<&[u8]> {
    effects.iter().find_map(|effect| {
        let Effect::AnswerBody(bytes) = effect else {
            return None;
        };
        Some(bytes.as_slice())
    })
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

impl fmt::Display for Way {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{:?} {:?}", self.0, self.1)
    }
}

const WORD: &str = "word ";

impl Way {
    fn policy(self) -> Rc<Policy> {
        let (provider, target) = self.1.provider();
        let redaction = if matches!(self.1, Redacted) {
            r#","redaction":{"entities":{"all":"mask"}}"#
        } else {
            ""
        };
        let text = format!(
            r#"{{"version":1,"anonymous":"deny",
            "consumers":[{{"name":"demo","api_key_sha256":["{KEY_SHA256}"]}}],
            "providers":[{{"name":"it",{provider}}}],"models":[{{"name":"bench","targets":[{{"provider":"it",{target}}}]}}]{redaction}}}"#
        );
        let variable = |name: &str| {
            let value = match (self.1, name) {
                (Converse, "AWS_BEARER_TOKEN_BEDROCK") => "a-key",
                (ConverseSigV4, "AWS_ACCESS_KEY_ID") => "AKIDEXAMPLE",
                (ConverseSigV4, "AWS_SECRET_ACCESS_KEY") => "a-secret",
                (Azure, "AZURE_OPENAI_API_KEY") | (OpenAi | Redacted, "OPENAI_API_KEY") => "a-key",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let policy = Policy::compile(text.as_bytes(), Placement::Single, &variable);
        Rc::new(policy.unwrap_or_else(|problems| panic!("{problems}")))
    }

    fn head(self) -> Headers {
        let path = match self.0 {
            Chat => "/v1/chat/completions",
            Responses => "/v1/responses",
            Completions => "/v1/completions",
            Embeddings => "/v1/embeddings",
        };
        let mut head = request_head();
        head.set(":path", path);
        head
    }

    /// A request of exactly `REQUEST_BYTES`.
    fn body(self, is_stream: bool) -> Vec<u8> {
        let stream = match (is_stream, self.0) {
            (true, Responses) => r#""stream":true,"#,
            (true, _) => r#""stream":true,"stream_options":{"include_usage":true},"#,
            (false, _) => "",
        };
        let (head, close) = match self.0 {
            Chat => (
                r#""max_completion_tokens":512,"messages":[{"role":"system","content":"You are brief."},"#,
                r#""}]}"#,
            ),
            Responses => (
                r#""max_output_tokens":512,"store":false,"instructions":"You are brief.","input":["#,
                r#""}]}"#,
            ),
            Completions => (r#""max_tokens":512,"prompt":""#, r#""}"#),
            Embeddings => (r#""encoding_format":"base64","input":""#, r#""}"#),
        };
        let head = format!(r#"{{"model":"bench",{stream}{head}"#);
        let (turn, end) = match self.0 {
            Chat | Responses => (TURN, r#"{"role":"user","content":""#),
            Completions | Embeddings => (TEXT, ""),
        };
        let fixed = [&head, end, close].map(str::len).iter().sum::<usize>();
        let left = REQUEST_BYTES.checked_sub(fixed).expect("it fits");
        let turns = left.checked_div(turn.len()).expect("a turn has a length");
        let filler = left.checked_rem(turn.len()).expect("a turn has a length");
        let turns = turn.repeat(turns);
        let body = format!("{head}{turns}{end}{}{close}", "a".repeat(filler));
        assert!(body.len() == REQUEST_BYTES, "{} bytes", body.len());
        body.into_bytes()
    }

    /// An exchange that has the head of an answer.
    fn asked(self, is_stream: bool) -> (Exchange, Vec<Effect>) {
        let mut effects = Vec::new();
        let body = self.body(is_stream);
        let mut exchange = send(&self.policy(), self.head(), &body, &mut effects);
        let mut headers = Headers::new();
        headers.push(":status", "200");
        headers.push("content-type", self.content_type(is_stream));
        let ends = false;
        exchange.handle(Input::AnswerHead { headers, ends }, &mut effects);
        effects.clear();
        (exchange, effects)
    }

    const fn content_type(self, is_stream: bool) -> &'static str {
        match (self.1, is_stream) {
            // They stream whatever the app asks for.
            (InvokeAgent | Harness, _) | (Converse | ConverseSigV4, true) => {
                "application/vnd.amazon.eventstream"
            }
            (_, true) => "text/event-stream; charset=utf-8",
            (_, false) => "application/json",
        }
    }

    fn answer(self) -> Vec<u8> {
        let text = WORD.repeat(DELTAS);
        let answer = match (self.0, self.1) {
            (_, InvokeAgent | Harness) => return self.stream(),
            (_, Converse | ConverseSigV4) => format!(
                r#"{{"output":{{"message":{{"role":"assistant","content":[{{"text":"{text}"}}]}}}},"stopReason":"end_turn",{USAGE}}}"#
            ),
            (_, Runtime) => format!(r#"{{"result":"{text}"}}"#),
            (_, Titan) => format!(r#"{{"embedding":[{}],"inputTextTokenCount":2}}"#, numbers()),
            (_, Cohere) => format!(r#"{{"embeddings":{{"float":[[{}]]}},"id":"a"}}"#, numbers()),
            (Embeddings, _) => format!(
                r#"{{"object":"list","data":[{{"object":"embedding","index":0,"embedding":[{}]}}],"model":"m","usage":{{"prompt_tokens":2,"total_tokens":2}}}}"#,
                numbers()
            ),
            (Chat, _) => format!(
                r#"{{{HEAD}"object":"chat.completion","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],"usage":{TOKENS}}}"#
            ),
            (Completions, _) => format!(
                r#"{{{HEAD}"object":"text_completion","choices":[{{"index":0,"text":"{text}","logprobs":null,"finish_reason":"stop"}}],"usage":{TOKENS}}}"#
            ),
            (Responses, _) => response("completed", &text),
        };
        answer.into_bytes()
    }

    fn stream(self) -> Vec<u8> {
        let mut answer = self.first();
        for _ in 0..DELTAS {
            answer.extend(self.delta());
        }
        answer.extend(self.last());
        answer
    }

    /// What comes before the text.
    fn first(self) -> Vec<u8> {
        match (self.0, self.1) {
            (_, Converse | ConverseSigV4 | Harness) => {
                message("messageStart", r#"{"role":"assistant"}"#)
            }
            (_, InvokeAgent | Runtime) => self.delta(),
            (Responses, _) => ["created", "in_progress"]
                .map(|name| {
                    let response = response("in_progress", "");
                    event(name, &format!(r#""response":{response}"#))
                })
                .concat(),
            (_, GptOss) => chunk(r#""delta":{"role":"assistant","content":"<reasoning>"}"#),
            (Completions, _) => self.delta(),
            _ => chunk(r#""delta":{"role":"assistant","content":""}"#),
        }
    }

    fn delta(self) -> Vec<u8> {
        match (self.0, self.1) {
            (_, Converse | ConverseSigV4 | Harness) => {
                let delta = format!(r#"{{"contentBlockIndex":0,"delta":{{"text":"{WORD}"}}}}"#);
                message("contentBlockDelta", &delta)
            }
            (_, InvokeAgent) => {
                let bytes = BASE64_STANDARD.encode(WORD);
                message("chunk", &format!(r#"{{"bytes":"{bytes}"}}"#))
            }
            (_, Runtime) => format!("data: \"{WORD}\"\n\n").into_bytes(),
            (Responses, _) => event(
                "output_text.delta",
                &format!(
                    r#""item_id":"msg_1","output_index":0,"content_index":0,"delta":"{WORD}","logprobs":[]"#
                ),
            ),
            (Completions, _) => chunk(&format!(r#""text":"{WORD}""#)),
            _ => chunk(&format!(r#""delta":{{"content":"{WORD}"}}"#)),
        }
    }

    /// What comes after the text.
    fn last(self) -> Vec<u8> {
        match (self.0, self.1) {
            (_, Converse | ConverseSigV4 | Harness) => [
                message("contentBlockStop", r#"{"contentBlockIndex":0}"#),
                message("messageStop", r#"{"stopReason":"end_turn"}"#),
                message("metadata", &format!("{{{USAGE}}}")),
            ]
            .concat(),
            (_, InvokeAgent | Runtime) => Vec::new(),
            (Responses, _) => {
                let response = response("completed", &WORD.repeat(DELTAS));
                event("completed", &format!(r#""response":{response}"#))
            }
            (api, _) => {
                let end = match api {
                    Completions => r#""text":"","finish_reason":"stop""#,
                    Chat | Responses | Embeddings => r#""delta":{},"finish_reason":"stop""#,
                };
                let usage = format!("data: {{{HEAD}\"choices\":[],\"usage\":{TOKENS}}}\n\n");
                [&chunk(end), usage.as_bytes(), b"data: [DONE]\n\n"].concat()
            }
        }
    }
}

impl Upstream {
    /// As the policy names it and its model.
    const fn provider(self) -> (&'static str, &'static str) {
        match self {
            Converse | ConverseSigV4 => (
                r#""kind":"bedrock","region":"us-east-1""#,
                r#""model":"us.anthropic.claude-sonnet-4-5-20250929-v1:0""#,
            ),
            GptOss => (
                r#""kind":"bedrock","region":"us-east-1","auth":{"type":"none"}"#,
                r#""model":"openai.gpt-oss-120b-1:0","surface":"openai""#,
            ),
            Mantle => (
                r#""kind":"bedrock","region":"us-east-1","surface":"mantle","auth":{"type":"none"}"#,
                r#""model":"openai.gpt-5.6-terra""#,
            ),
            InvokeAgent => (
                r#""kind":"bedrock_agents","region":"us-east-1","auth":{"type":"none"}"#,
                r#""agent":"AGENT12345","alias":"TSTALIASID""#,
            ),
            Harness => (
                r#""kind":"agentcore","region":"us-east-1","auth":{"type":"none"}"#,
                r#""harness":"arn:aws:bedrock-agentcore:us-east-1:123456789012:harness/my_harness-a1b2c3d4e5""#,
            ),
            Runtime => (
                r#""kind":"agentcore","region":"us-east-1","auth":{"type":"none"}"#,
                r#""runtime":"arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/my_agent-a1b2c3d4e5","payload":"messages""#,
            ),
            Titan => (
                r#""kind":"bedrock","region":"us-east-1","auth":{"type":"none"}"#,
                r#""model":"amazon.titan-embed-text-v2:0""#,
            ),
            Cohere => (
                r#""kind":"bedrock","region":"us-east-1","auth":{"type":"none"}"#,
                r#""model":"us.cohere.embed-v4:0""#,
            ),
            Azure => (
                r#""kind":"azure","endpoint":"https://acme.openai.azure.com""#,
                r#""deployment":"gpt-4.1""#,
            ),
            OpenAi | Redacted => (r#""kind":"openai""#, r#""model":"gpt-4.1""#),
        }
    }
}

const TEXT: &str = r#"She wrote back: \"Please send the corrected version before noon.\"\nNobody had. Compare both drafts. "#;
const TURN: &str = r#"{"role":"user","content":"She wrote back: \"Please send the corrected version before noon.\"\nNobody had."},{"role":"assistant","content":"Compare both drafts, list what differs, and say which one you would publish and why."},"#;
const USAGE: &str = r#""metrics":{"latencyMs":900},"usage":{"inputTokens":900,"outputTokens":100,"totalTokens":1000}"#;
const TOKENS: &str = r#"{"completion_tokens":100,"prompt_tokens":900,"total_tokens":1000}"#;
const HEAD: &str = r#""id":"chatcmpl-BxyzABC123","created":1790000000,"model":"gpt-4.1-2025-04-14","system_fingerprint":"fp_1","#;

/// A vector as models write it.
fn numbers() -> String {
    let numbers = (12_345_678..12_346_702).map(|number| format!("-0.0{number}"));
    numbers.collect::<Vec<_>>().join(",")
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

/// A chunk as OpenAI streams it, with what it has of a choice.
fn chunk(choice: &str) -> Vec<u8> {
    let reason = match choice.contains("finish_reason") {
        true => "",
        false => r#","finish_reason":null"#,
    };
    let choice = format!(r#"{{"index":0,{choice},"logprobs":null{reason}}}"#);
    let object = r#""object":"chat.completion.chunk","#;
    format!("data: {{{HEAD}{object}\"choices\":[{choice}],\"usage\":null}}\n\n").into_bytes()
}

/// An event of a response.
fn event(name: &str, members: &str) -> Vec<u8> {
    let name = format!("response.{name}");
    format!("event: {name}\ndata: {{\"type\":\"{name}\",\"sequence_number\":4,{members}}}\n\n")
        .into_bytes()
}

/// A response as OpenAI answers it.
fn response(status: &str, text: &str) -> String {
    let output = match text {
        "" => String::new(),
        _ => format!(
            r#"{{"id":"msg_1","type":"message","role":"assistant","status":"completed","content":[{{"type":"output_text","text":"{text}","annotations":[],"logprobs":[]}}]}}"#
        ),
    };
    format!(
        r#"{{"id":"resp_1","object":"response","created_at":1790000000,"status":"{status}","error":null,"incomplete_details":null,"model":"gpt-4.1-2025-04-14","output":[{output}],"parallel_tool_calls":true,"tool_choice":"auto","tools":[],"usage":{{"input_tokens":900,"input_tokens_details":{{"cached_tokens":0,"cache_write_tokens":0}},"output_tokens":100,"output_tokens_details":{{"reasoning_tokens":0}},"total_tokens":1000}}}}"#
    )
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
