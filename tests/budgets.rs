//! Budgets through a whole exchange, with a clock and a memory of the test's own.
//!
//! What real Envoy adds (workers at once, clients that go away, reloads) is in `tests/envoy/test_budgets.py`.
//!
//! # What others got wrong, and the test that would have told
//! | defect | test |
//! |---|---|
//! | Higress: once the limit is passed nothing more is counted, and what is in flight is free | `cell::an_overrun_is_a_debt_that_the_window_remembers`, Envoy's `no_burst_spends_more_than_the_limit` |
//! | Higress: a store that fails, or was never there, is no limit | `a_store_that_cannot_tell_lets_nothing_pass_unless_the_policy_says_so`, `stores::a_budget_names_a_store_that_is_not_listed` |
//! | Kuadrant: a chunk cut inside a character is not counted | Envoy's `chinese_and_emoji_cut_anywhere_are_counted` |
//! | Kuadrant: usage is looked for in the last event but one | `the_chunk_of_usage_is_asked_for_and_shown_to_whom_asked`, `an_answer_without_usage_is_charged_by_what_it_said` |
//! | Kuadrant: the last piece waits for the store; no settlement when the client is gone | `a_far_budget_is_asked_for_the_next_step_when_half_of_one_is_said`, Envoy's `a_client_that_hangs_up_pays_for_what_was_streamed` |
//! | Plano: an empty prompt panics the VM | `an_empty_prompt_is_a_prompt` |
//! | Plano: as many limits as workers, gone with a reload | Envoy's `exactly_as_many_requests_pass_as_are_allowed`, `a_reload_under_load_keeps_what_was_used` |
//! | agentgateway: no usage is charged as 0; a debt is forgotten; nothing is given back | `an_answer_without_usage_is_charged_by_what_it_said`, `cell::an_overrun_is_a_debt_that_the_window_remembers`, `the_providers_usage_replaces_what_was_held` |
//! | APISIX: refusals are 503; without usage nothing is charged | `a_refusal_is_the_same_in_every_format`, `an_answer_without_usage_is_charged_by_what_it_said` |
//! | Limitador: what remains wraps below zero | `cell::numbers_at_their_ends_neither_wrap_nor_stop_counting`, `books_tell_what_was_charged_refused_and_misjudged` |
//! | Envoy's rate limit service: what is refused counts; a month has 30 days | `cell::what_is_refused_is_not_counted`, `the_month_of_admission_is_charged_across_its_end_and_a_change_of_clocks` |
//! | LiteLLM: `retry-after` is the window's length | `what_fits_no_more_is_refused_in_openais_words` |
//! | LiteLLM: reservations leak for an hour; what is delivered twice counts twice | `a_worker_that_died_leaves_nothing_behind_for_long`, `a_settlement_that_comes_twice_charges_once` |
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "clippy knows test functions, not the helpers of a test file"
)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Deserialize;
use tollgate::budget::{
    Act, Hold, Inbound, Level, Order, Outbound, Shared, Shortfall, Step, Store, Unanswered, Verdict,
};
use tollgate::exchange::{Body, Books, Effect, Exchange, Flow, Host, Input, Lost, Page, Tally};
use tollgate::policy::{Placement, Policy};
use tollgate::turn::{Headers, Now};

/// 2026-11-23T12:00:00Z.
const NOON: u64 = 1_795_435_200_000;
const WHOLE: &str = r#"{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}"#;
const OPEN: &str = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n";

/// A proxy whose memory outlives its exchanges.
struct World {
    /// Nothing can be written any more.
    is_stuck: Cell<bool>,
    reads: Cell<u32>,
    memory: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    now_ms: Cell<u64>,
    policy: RefCell<Rc<Policy>>,
}

impl Host for World {
    fn property(&self, _: &[&str]) -> Option<Vec<u8>> {
        None
    }

    fn now(&self) -> Now {
        Now {
            unix_ms: self.now_ms.get(),
        }
    }

    fn entropy(&self) -> [u64; 2] {
        [1, 2]
    }

    fn shared(&self) -> &dyn Shared {
        self
    }
}

impl Shared for World {
    fn read(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.reads.set(self.reads.get() + 1);
        self.memory.borrow().get(key).cloned()
    }

    fn write(&self, key: &str, bytes: &[u8], version: Option<u32>) -> bool {
        let mut memory = self.memory.borrow_mut();
        if self.is_stuck.get() || memory.get(key).map(|(_, version)| *version) != version {
            return false;
        }
        memory.insert(key.to_owned(), (bytes.to_owned(), version.unwrap_or(0) + 1));
        true
    }
}

struct Bytes<'b>(&'b [u8]);

impl Body for Bytes<'_> {
    fn bytes(&self) -> usize {
        self.0.len()
    }

    fn read(&self) -> Vec<u8> {
        self.0.to_vec()
    }
}

const MODELS: &str = r#"{"name":"gpt-4.1","targets":[{"provider":"o"}]}"#;

fn policy(budgets: &str, more: &str) -> Rc<Policy> {
    policy_of(MODELS, budgets, more)
}

fn policy_of(models: &str, budgets: &str, more: &str) -> Rc<Policy> {
    let text = format!(
        r#"{{"version":1,"anonymous":"allow","consumers":[{{"name":"admin","header":{{"name":"x-c","value":"admin"}}}}],
        "providers":[{{"name":"o","kind":"openai","auth":{{"type":"none"}}}}],
        "models":[{models}],
        "budget_status":{{"path":"/budgets","consumers":["admin"]}},"completion":{{"stream_step_tokens":16}},"budgets":[{budgets}]{more}}}"#
    );
    match Policy::compile(text.as_bytes(), Placement::Single, &|_| None) {
        Ok(policy) => Rc::new(policy),
        Err(problems) => panic!("{problems}"),
    }
}

fn world(budgets: &str) -> World {
    world_with(budgets, "")
}

/// The same, with more fields of the policy.
fn world_with(budgets: &str, more: &str) -> World {
    world_of(policy(budgets, more))
}

fn world_of(policy: Rc<Policy>) -> World {
    World {
        is_stuck: Cell::default(),
        reads: Cell::default(),
        memory: RefCell::default(),
        now_ms: Cell::new(NOON),
        policy: RefCell::new(policy),
    }
}

/// A request that was sent: what became of it, and the exchange that waits for its answer.
struct Sent {
    exchange: Exchange,
    effects: Vec<Effect>,
}

impl Sent {
    /// The status and headers of a reply of the gateway's own.
    fn refusal(&self) -> Option<(u16, &Headers, &[u8])> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Reply {
                status,
                headers,
                body,
            } => Some((*status, headers, body.as_slice())),
            _ => None,
        })
    }

    fn body(&self) -> Option<String> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::RequestBody(body) => Some(String::from_utf8(body.clone()).unwrap()),
            _ => None,
        })
    }
}

#[derive(Deserialize)]
struct Status {
    data: Vec<OneBudget>,
}

#[derive(Deserialize)]
struct OneBudget {
    buckets: Vec<Bucket>,
}

#[derive(Deserialize)]
struct Bucket {
    used: f64,
    held: f64,
}

impl World {
    fn head(&self, method: &str, path: &str, caller: &str) -> Headers {
        let mut headers = Headers::new();
        headers.push(":method", method);
        headers.push(":path", path);
        headers.push("x-c", caller);
        headers
    }

    fn send(&self, fields: &str) -> Sent {
        self.send_text("hello", fields)
    }

    fn send_text(&self, content: &str, fields: &str) -> Sent {
        self.send_body(&format!(
            r#"{{"model":"gpt-4.1","messages":[{{"role":"user","content":"{content}"}}]{fields}}}"#
        ))
    }

    fn send_body(&self, text: &str) -> Sent {
        self.send_to("/v1/chat/completions", text)
    }

    fn send_to(&self, path: &str, text: &str) -> Sent {
        let mut exchange = Exchange::new(Placement::Single, self.policy.borrow().clone());
        let mut effects = Vec::new();
        let headers = self.head("POST", path, "");
        let ends = false;
        let host = self;
        exchange.handle(
            Input::RequestHead {
                headers,
                ends,
                host,
            },
            &mut effects,
        );
        let body = &Bytes(text.as_bytes());
        exchange.handle(
            Input::RequestBody {
                body,
                ends: true,
                host,
            },
            &mut effects,
        );
        Sent { exchange, effects }
    }

    /// A request to the agents API.
    fn board(&self, body: &str) -> Sent {
        let mut exchange = Exchange::new(Placement::Single, self.policy.borrow().clone());
        let mut effects = Vec::new();
        let head = |method| Input::RequestHead {
            headers: self.head(method, "/v1/agents/sessions", ""),
            ends: body.is_empty(),
            host: self,
        };
        if body.is_empty() {
            exchange.handle(head("GET"), &mut effects);
        } else {
            exchange.handle(head("POST"), &mut effects);
            let text = &Bytes(body.as_bytes());
            let input = Input::RequestBody {
                body: text,
                ends: true,
                host: self,
            };
            exchange.handle(input, &mut effects);
        }
        Sent { exchange, effects }
    }

    fn answer_head(&self, sent: &mut Sent, status: &str, kind: &str) {
        let mut headers = Headers::new();
        headers.push(":status", status);
        headers.push("content-type", kind);
        sent.exchange.handle(
            Input::AnswerHead {
                headers,
                ends: false,
            },
            &mut sent.effects,
        );
    }

    fn answer_body(&self, sent: &mut Sent, text: &str, ends: bool) -> (Flow, String) {
        sent.effects.clear();
        let body = &Bytes(text.as_bytes());
        let flow = sent.exchange.handle(
            Input::AnswerBody {
                body,
                ends,
                host: self,
            },
            &mut sent.effects,
        );
        let written = sent.effects.iter().find_map(|effect| match effect {
            Effect::AnswerBody(bytes) => Some(String::from_utf8(bytes.clone()).unwrap()),
            _ => None,
        });
        (flow, written.unwrap_or_else(|| text.to_owned()))
    }

    /// A request with its whole answer, up to its end.
    fn whole(&self, status: &str, text: &str) {
        let mut sent = self.send("");
        assert!(sent.refusal().is_none());
        self.answer_head(&mut sent, status, "application/json");
        self.answer_body(&mut sent, text, true);
        sent.exchange.settle(None, self);
    }

    /// Used and held of the first budget's first bucket, in its own unit.
    fn stands(&self) -> (f64, f64) {
        let status: Status = serde_json::from_str(&self.status()).unwrap();
        let bucket = status.data[0].buckets.first();
        bucket.map_or((0.0, 0.0), |bucket| (bucket.used, bucket.held))
    }

    fn status(&self) -> String {
        let mut exchange = Exchange::new(Placement::Single, self.policy.borrow().clone());
        let mut effects = Vec::new();
        let headers = self.head("GET", "/budgets", "admin");
        exchange.handle(
            Input::RequestHead {
                headers,
                ends: true,
                host: self,
            },
            &mut effects,
        );
        let Some(Effect::Reply {
            status: 200, body, ..
        }) = effects.first()
        else {
            panic!("no status");
        };
        String::from_utf8(body.clone()).unwrap()
    }

    #[track_caller]
    fn check(&self, want: (f64, f64)) {
        let got = self.stands();
        assert!(
            (got.0 - want.0).abs() < 1e-12 && (got.1 - want.1).abs() < 1e-12,
            "{got:?}"
        );
    }
}

const TOKENS: &str = r#"{"name":"b","unit":"tokens","limit":1000,"window":"day"}"#;
const ONE: &str = r#"{"name":"b","unit":"requests","limit":1,"window":"day"}"#;

#[test]
fn the_providers_usage_replaces_what_was_held() {
    let world = world(TOKENS);
    let mut sent = world.send(r#","max_tokens":100"#);
    world.answer_head(&mut sent, "200", "application/json");
    world.answer_body(&mut sent, WHOLE, true);
    sent.exchange.settle(None, &world);
    world.check((13.0, 0.0));
}

#[test]
fn a_settlement_that_comes_twice_charges_once() {
    let world = world(TOKENS);
    let mut sent = world.send("");
    world.answer_head(&mut sent, "200", "application/json");
    world.answer_body(&mut sent, WHOLE, true);
    sent.exchange.settle(None, &world);
    sent.exchange.settle(None, &world);
    world.check((13.0, 0.0));
}

#[test]
fn dollars_are_exact() {
    let world = world(r#"{"name":"b","unit":"usd","limit":1,"window":"month"}"#);
    world.whole("200", WHOLE);
    // 9 tokens at 2 and 4 at 8 millionths of a dollar.
    world.check((0.000_05, 0.0));
}

#[test]
fn an_upstreams_error_is_released() {
    let world = world(ONE);
    for status in ["429", "500", "503"] {
        world.whole(status, r#"{"error":{"message":"no"}}"#);
        world.check((0.0, 0.0));
    }
    world.whole("200", WHOLE);
    world.check((1.0, 0.0));
}

#[test]
fn an_app_that_goes_away_before_the_answer_pays_for_its_prompt() {
    let world = world(TOKENS);
    let mut sent = world.send(r#","max_tokens":100"#);
    sent.exchange.settle(None, &world);
    // By the estimate, without its guard.
    world.check((6.0, 0.0));
}

#[test]
fn an_answer_without_usage_is_charged_by_what_it_said() {
    let world = world(TOKENS);
    let text = WHOLE.replace(
        r#","usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}"#,
        "",
    );
    world.whole("200", &text);
    world.check((8.0, 0.0));
}

#[test]
fn what_fits_no_more_is_refused_in_openais_words() {
    let world = world(ONE);
    world.whole("200", WHOLE);
    let sent = world.send("");
    let (status, headers, body) = sent.refusal().unwrap();
    assert_eq!(status, 429);
    assert_eq!(headers.text("retry-after-ms"), Some("43200000"));
    assert_eq!(headers.text("retry-after"), Some("43200"));
    assert_eq!(
        str::from_utf8(body).unwrap(),
        "{\"error\":{\"message\":\"Rate limit reached for budget 'b' on requests: Limit 1, Used 1, In flight 0, Requested 1. \
         Please try again in 12h0m0s.\",\"type\":\"requests\",\"param\":null,\"code\":\"rate_limit_exceeded\"}}"
    );
    world.now_ms.set(NOON + 43_200_000);
    assert!(world.send("").refusal().is_none());
}

#[test]
fn what_never_fits_says_so() {
    let world = world(TOKENS);
    let sent = world.send(r#","max_tokens":5000"#);
    let (_, headers, body) = sent.refusal().unwrap();
    assert_eq!(headers.text("retry-after"), None);
    assert_eq!(headers.text("x-should-retry"), Some("false"));
    assert!(
        str::from_utf8(body)
            .unwrap()
            .contains("Request too large for budget 'b' on tokens: Limit 1000, Requested 5042")
    );
}

#[test]
fn a_worker_that_died_leaves_nothing_behind_for_long() {
    let world = world(ONE);
    drop(world.send(""));
    assert!(world.send("").refusal().is_some());
    world.now_ms.set(NOON + 70_000);
    assert!(world.send("").refusal().is_none());
}

#[test]
fn a_request_that_waits_long_keeps_its_lease_by_the_timer() {
    let world = world(ONE);
    let mut sent = world.send("");
    let lease = sent.exchange.lease().unwrap();
    for second in 1..600 {
        world.now_ms.set(NOON + second * 1_000);
        lease
            .upgrade()
            .unwrap()
            .borrow_mut()
            .renew(world.now_ms.get(), &world);
    }
    assert!(world.send("").refusal().is_some());
    world.answer_head(&mut sent, "200", "application/json");
    world.answer_body(&mut sent, WHOLE, true);
    sent.exchange.settle(None, &world);
    world.check((1.0, 0.0));
}

#[test]
fn the_month_of_admission_is_charged_across_its_end_and_a_change_of_clocks() {
    // Berlin's October 2026 ends at 23:00 UTC, a week after its clocks went back.
    let world = world(
        r#"{"name":"b","unit":"requests","limit":1,"window":"month","zone":"Europe/Berlin"}"#,
    );
    world.now_ms.set(1_793_487_600_000 - 10);
    let mut sent = world.send("");
    assert!(world.send("").refusal().is_some());
    world.now_ms.set(1_793_487_600_000);
    world.answer_head(&mut sent, "200", "application/json");
    world.answer_body(&mut sent, WHOLE, true);
    sent.exchange.settle(None, &world);
    world.check((0.0, 0.0));
    world.whole("200", WHOLE);
    let refused = world.send("");
    // To the first of December, at 23:00 UTC of the day before.
    let wait_ms = 1_796_079_600_000 - 1_793_487_600_000_u64;
    assert_eq!(
        refused.refusal().unwrap().1.text("retry-after-ms"),
        Some(wait_ms.to_string().as_str())
    );
}

#[test]
fn a_store_that_cannot_tell_lets_nothing_pass_unless_the_policy_says_so() {
    // Higress lets requests pass with a line in its log.
    let world = world(ONE);
    world.is_stuck.set(true);
    let sent = world.send("");
    let (status, _, body) = sent.refusal().unwrap();
    assert_eq!(status, 503);
    assert!(str::from_utf8(body).unwrap().contains("budget_store_down"));
    *world.policy.borrow_mut() = policy(&ONE.replace('}', r#","on_store_down":"allow"}"#), "");
    assert!(world.send("").refusal().is_none());
}

#[test]
fn another_policy_finds_what_was_used() {
    let world = world(ONE);
    world.whole("200", WHOLE);
    *world.policy.borrow_mut() = policy(&ONE.replace("\"limit\":1", "\"limit\":2"), "");
    world.whole("200", WHOLE);
    world.check((2.0, 0.0));
    assert!(world.send("").refusal().is_some());
}

#[test]
fn an_empty_prompt_is_a_prompt() {
    let world = world(TOKENS);
    let mut exchange = Exchange::new(Placement::Single, world.policy.borrow().clone());
    let mut effects = Vec::new();
    let headers = world.head("POST", "/v1/chat/completions", "");
    exchange.handle(
        Input::RequestHead {
            headers,
            ends: false,
            host: &world,
        },
        &mut effects,
    );
    let body = &Bytes(br#"{"model":"gpt-4.1","messages":[],"max_tokens":1}"#);
    exchange.handle(
        Input::RequestBody {
            body,
            ends: true,
            host: &world,
        },
        &mut effects,
    );
    exchange.settle(None, &world);
    world.check((0.0, 0.0));
}

#[test]
fn a_stream_without_a_bound_grows_and_ends_with_length() {
    let world = world(&TOKENS.replace("1000", "60"));
    let mut sent = world.send(r#","stream":true"#);
    world.answer_head(&mut sent, "200", "text/event-stream");
    world.answer_body(&mut sent, OPEN, false);
    let mut written = String::new();
    for _ in 0..100 {
        let delta = OPEN.replace(r#""content":"""#, r#""content":" house""#);
        written.push_str(&world.answer_body(&mut sent, &delta, false).1);
    }
    assert!(
        written.ends_with("\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n"),
        "{written}"
    );
    let words = written.matches(" house").count();
    sent.exchange.settle(None, &world);
    // The prompt is held with 42, and a word of five letters with 1.16: 15 of them are 18 tokens.
    assert_eq!(words, 15);
    world.check((24.0, 0.0));
}

#[test]
fn a_bound_of_the_policy_is_told_to_the_upstream() {
    let world = world(&TOKENS.replace("}", r#","thresholds":[{"at":1,"max_tokens":20}]}"#));
    let sent = world.send(r#","max_tokens":500"#);
    assert!(sent.body().unwrap().contains(r#""max_tokens":20"#));
    let sent = world.send("");
    assert!(sent.body().unwrap().contains(r#""max_tokens":20"#));
}

const AGENTS: &str = r#","agents":[{"provider":"o","consumers":["*"]}]"#;
const SESSION: &str = r#"{"agent":{"model":"gpt-4.1"}}"#;

#[test]
fn the_agents_api_is_counted_by_requests() {
    let world = world_with(&ONE.replace("1,", "2,"), AGENTS);
    let mut sent = world.board(SESSION);
    assert!(sent.refusal().is_none());
    world.check((0.0, 1.0));
    world.answer_head(&mut sent, "200", "application/json");
    let told = sent.effects.iter().any(|effect| {
        matches!(effect, Effect::AnswerHeaders(head) if head.text("x-ratelimit-remaining-requests") == Some("1"))
    });
    assert!(told, "{:?}", sent.effects);
    sent.exchange.settle(None, &world);
    world.check((1.0, 0.0));
    // One without a body is one too, and one that failed is none.
    let mut sent = world.board("");
    world.check((1.0, 1.0));
    world.answer_head(&mut sent, "500", "application/json");
    world.answer_body(&mut sent, "{}", true);
    sent.exchange.settle(None, &world);
    world.check((1.0, 0.0));
    let mut sent = world.board("");
    sent.exchange.settle(None, &world);
    let (status, _, body) = world
        .board(SESSION)
        .refusal()
        .map(|(status, head, body)| (status, head.clone(), body.to_owned()))
        .unwrap();
    let said = String::from_utf8(body).unwrap();
    assert_eq!(status, 429, "{said}");
}

#[track_caller]
fn check_uncounted(budget: &str, body: &str, is_refused: bool) {
    let world = world_with(budget, AGENTS);
    let sent = world.board(body);
    let refusal = sent.refusal().map(|(status, _, body)| {
        let said = String::from_utf8(body.to_owned()).unwrap();
        (status, said.contains("budget_unsupported"))
    });
    assert_eq!(refusal, is_refused.then_some((400, true)));
}

#[test]
fn the_agents_api_does_not_pass_by_a_budget_that_it_does_not_feed() {
    check_uncounted(TOKENS, SESSION, true);
    check_uncounted(TOKENS, "", true);
    check_uncounted(&TOKENS.replace("tokens", "usd"), SESSION, true);
    check_uncounted(&TOKENS.replace('}', r#","mode":"shadow"}"#), SESSION, false);
}

#[test]
fn a_budget_of_another_model_does_not_matter_where_the_model_is_known() {
    let other = TOKENS.replace('}', r#","match":{"model":"other"}}"#);
    check_uncounted(&other, SESSION, false);
    check_uncounted(&other, "", true);
    check_uncounted(&other, r#"{"agent":{"id":"a"}}"#, true);
}

const BLOCKING: &str = r#","redaction":{"entities":{"email":"block"}}"#;
const MASKING: &str = r#","redaction":{"entities":{"email":"mask"}}"#;

#[test]
fn a_request_that_is_blocked_releases_its_hold() {
    let world = world_with(TOKENS, BLOCKING);
    let mut sent = world.send_text("write to jane@corp.com", r#","max_tokens":9"#);
    assert_eq!(sent.refusal().unwrap().0, 400);
    sent.exchange.settle(None, &world);
    world.check((0.0, 0.0));
}

#[test]
fn an_answer_that_is_blocked_is_paid_for_once() {
    let world = world_with(TOKENS, BLOCKING);
    let mut sent = world.send(r#","max_tokens":9"#);
    world.answer_head(&mut sent, "200", "application/json");
    let text = WHOLE.replace("hi", "jane@corp.com");
    let (_, written) = world.answer_body(&mut sent, &text, true);
    assert!(written.contains("content_blocked"), "{written}");
    sent.exchange.settle(None, &world);
    sent.exchange.settle(None, &world);
    world.check((13.0, 0.0));
}

#[test]
fn a_stream_that_is_blocked_pays_for_what_came() {
    let world = world_with(TOKENS, BLOCKING);
    let mut sent = world.send(r#","max_tokens":90,"stream":true"#);
    world.answer_head(&mut sent, "200", "text/event-stream");
    world.answer_body(&mut sent, OPEN, false);
    let delta = OPEN.replace(r#""content":"""#, r#""content":" jane@corp.com ""#);
    let (_, written) = world.answer_body(&mut sent, &delta, false);
    assert!(written.contains("content_blocked"), "{written}");
    sent.exchange.settle(None, &world);
    let (used, held) = world.stands();
    assert!(used > 6.0 && held < 1e-12, "{used} {held}");
}

#[test]
fn a_redacted_stream_that_its_budget_ends_lets_go_of_what_is_held_back() {
    let world = world_with(&TOKENS.replace("1000", "60"), MASKING);
    let mut sent = world.send(r#","stream":true"#);
    world.answer_head(&mut sent, "200", "text/event-stream");
    let mut written = world.answer_body(&mut sent, OPEN, false).1;
    for _ in 0..100 {
        let delta = OPEN.replace(r#""content":"""#, r#""content":" jane@corp.com""#);
        written.push_str(&world.answer_body(&mut sent, &delta, false).1);
    }
    assert!(written.ends_with("data: [DONE]\n\n"), "{written}");
    assert!(
        written.contains("\"finish_reason\":\"length\""),
        "{written}"
    );
    assert!(
        written.contains("[EMAIL]") && !written.contains("jane"),
        "{written}"
    );
    sent.exchange.settle(None, &world);
    let (used, held) = world.stands();
    assert!(used <= 60.0 && held < 1e-12, "{used} {held}");
}

/// Two models of one provider, of which the second answers: the draw is 1 of 2.
const TWINS: &str = r#"{"name":"gpt-4.1","targets":[{"provider":"o","model":"gpt-4.1","weight":1},{"provider":"o","model":"gpt-4.1-mini","weight":1}]}"#;

#[test]
fn two_targets_at_one_provider_are_one_request_to_it() {
    let budget = ONE
        .replace("1,", "2,")
        .replace('}', r#","per":["provider"]}"#);
    let world = world_of(policy_of(TWINS, &budget, ""));
    let sent = world.send("");
    assert!(sent.refusal().is_none());
    world.check((0.0, 1.0));
    world.whole("200", WHOLE);
    world.check((1.0, 1.0));
}

#[test]
fn of_two_targets_at_one_provider_the_dearer_is_held_and_the_one_that_answered_charged() {
    let budget = r#"{"name":"b","unit":"usd","limit":1,"window":"month"}"#;
    for budget in [budget, &budget.replace('}', r#","per":["provider"]}"#)] {
        let world = world_of(policy_of(TWINS, budget, ""));
        let mut sent = world.send(r#","max_tokens":100"#);
        // 42 tokens of the prompt and 100 of the answer, at 2 and 8 millionths of a dollar.
        world.check((0.0, 0.000_884));
        world.answer_head(&mut sent, "200", "application/json");
        world.answer_body(&mut sent, WHOLE, true);
        sent.exchange.settle(None, &world);
        // 9 at 0.4, 4 at 1.6.
        world.check((0.000_01, 0.0));
    }
}

#[test]
fn what_a_pattern_of_models_learns_is_kept_once() {
    let models = MODELS.replace("gpt-4.1", "gpt-*");
    let world = world_of(policy_of(&models, TOKENS, ""));
    let long = "word ".repeat(100);
    for name in ["gpt-4.1", "gpt-5", "gpt-made-up-1", "gpt-made-up-2"] {
        let mut sent = world.send_body(&format!(
            r#"{{"model":"{name}","messages":[{{"role":"user","content":"{long}"}}],"max_tokens":9}}"#
        ));
        world.answer_head(&mut sent, "200", "application/json");
        world.answer_body(&mut sent, &WHOLE.replace(":9,", ":90,"), true);
        sent.exchange.settle(None, &world);
    }
    let memory = world.memory.borrow();
    let learnt: Vec<_> = memory
        .keys()
        .filter(|key| key.contains("calibration"))
        .collect();
    assert_eq!(learnt, ["tollgate.calibration.1/gpt-*"]);
}

/// What is charged of a request that holds 42 tokens of its prompt and 100 of its answer.
#[track_caller]
fn check_charged(status: &str, kind: &str, text: &str, used: f64) {
    let world = world_with(TOKENS, r#","limits":{"answer_body_bytes":1024}"#);
    let mut sent = world.send(r#","max_tokens":100"#);
    world.answer_head(&mut sent, status, kind);
    world.answer_body(&mut sent, text, true);
    sent.exchange.settle(None, &world);
    world.check((used, 0.0));
}

#[test]
fn an_answer_that_fails_here_is_charged_with_all_that_was_held() {
    // The provider has done its work, and will have its money.
    let json = "application/json";
    check_charged("200", json, &"x".repeat(2_000), 142.0);
    check_charged("200", json, "<html>", 142.0);
    check_charged("200", json, "", 142.0);
    check_charged("200", json, r#"{"choices":[]"#, 142.0);
    // It may be that the usage was read before.
    check_charged("200", json, WHOLE, 13.0);
}

#[test]
fn an_answer_that_failed_there_is_free() {
    let json = "application/json";
    check_charged("500", json, "<html>", 0.0);
    check_charged("429", json, r#"{"error":{"message":"no"}}"#, 0.0);
    check_charged("503", "text/plain", &"x".repeat(2_000), 0.0);
}

#[test]
fn a_far_budget_is_not_looked_for_in_this_memory() {
    let stores = r#","stores":[{"name":"far","kind":"redis","cluster":"webdis"}]"#;
    let budget = ONE.replace('}', r#","per":["consumer"],"store":"far"}"#);
    let world = world_with(&budget, stores);
    world.stands();
    assert!(world.reads.get() < 10, "{}", world.reads.get());
}

/// What the books say of the first budget.
fn page(world: &World, books: &Books) -> Page {
    let mut found = None;
    let policy = world.policy.borrow().clone();
    books.read(
        &policy.budgets,
        world.now_ms.get(),
        world,
        &mut |_, page| {
            found = Some(page.clone());
        },
    );
    found.unwrap()
}

fn book(world: &World, books: &Books, mut sent: Sent, answer: Option<&str>) {
    if let Some(answer) = answer {
        world.answer_head(&mut sent, "200", "application/json");
        world.answer_body(&mut sent, answer, true);
    }
    sent.exchange.settle(None, world);
    books.add(sent.exchange.report(None), world.now_ms.get());
}

#[test]
fn books_tell_what_was_charged_refused_and_misjudged() {
    let world = world(TOKENS);
    let books = Books::default();
    let before = page(&world, &books);
    assert_eq!((before.level.limit, before.level.used), (1_000_000, 0));
    let running = world.send(r#","max_tokens":100"#);
    assert_eq!(page(&world, &books).level.held, 142_000);
    book(&world, &books, running, Some(WHOLE));
    book(&world, &books, world.send(r#","max_tokens":5000"#), None);
    let told = page(&world, &books);
    assert_eq!((told.level.used, told.level.held), (13_000, 0));
    assert_eq!((told.settled, told.refused, told.down), (13_000, 1, 0));
    // The prompt was 9, and estimated as 6.
    assert_eq!(
        (told.prompts, told.error_tokens, told.overrun_tokens),
        (1, 3, 0)
    );
    // What was told is not told again, and how it stands is.
    let after = page(&world, &books);
    assert_eq!((after.settled, after.refused, after.prompts), (0, 0, 0));
    assert_eq!(after.level.used, 13_000);
    world.now_ms.set(NOON + 86_400_000);
    assert_eq!(page(&world, &books).level.used, 0);
}

#[test]
fn books_tell_a_prompt_that_was_more_than_was_held() {
    let world = world(TOKENS);
    let books = Books::default();
    let answer = WHOLE.replace(":9,", ":90,");
    book(
        &world,
        &books,
        world.send(r#","max_tokens":100"#),
        Some(&answer),
    );
    assert_eq!(page(&world, &books).overrun_tokens, 48);
}

#[test]
fn books_tell_of_a_shadow_and_of_a_store_that_is_down() {
    let shadow = world(&ONE.replace('}', r#","mode":"shadow"}"#));
    let books = Books::default();
    for _ in 0..3 {
        book(&shadow, &books, shadow.send(""), Some(WHOLE));
    }
    assert_eq!(page(&shadow, &books).refused, 2);
    for (policy, code) in [
        (ONE.to_owned(), 503),
        (ONE.replace('}', r#","on_store_down":"allow"}"#), 200),
    ] {
        let world = world(&policy);
        world.is_stuck.set(true);
        let sent = world.send("");
        assert_eq!(sent.refusal().map_or(200, |(status, _, _)| status), code);
        book(&world, &books, sent, None);
        assert_eq!(page(&world, &books).down, 1);
    }
}

#[test]
fn of_a_budget_with_keys_books_tell_the_fullest() {
    let budget = ONE
        .replace("1,", "10,")
        .replace('}', r#","per":["header:x-c"]}"#);
    let world = world(&budget);
    let books = Books::default();
    let ask = |caller: &str| {
        let mut exchange = Exchange::new(Placement::Single, world.policy.borrow().clone());
        let mut effects = Vec::new();
        let headers = world.head("POST", "/v1/chat/completions", caller);
        let (ends, host) = (false, &world);
        exchange.handle(
            Input::RequestHead {
                headers,
                ends,
                host,
            },
            &mut effects,
        );
        let text = br#"{"model":"gpt-4.1","messages":[]}"#;
        let (body, ends) = (&Bytes(text), true);
        exchange.handle(Input::RequestBody { body, ends, host }, &mut effects);
        book(&world, &books, Sent { exchange, effects }, Some(WHOLE));
    };
    for caller in ["a", "b", "b", "b", "a"] {
        ask(caller);
    }
    assert_eq!(page(&world, &books).level.used, 3);
    ask("a");
    assert_eq!(page(&world, &books).level.used, 3);
    ask("a");
    ask("a");
    assert_eq!(page(&world, &books).level.used, 5);
}

#[test]
fn of_a_far_budget_the_status_tells_what_was_last_seen_and_when() {
    let stores = r#","stores":[{"name":"far","kind":"redis","cluster":"webdis"}]"#;
    let world = world_with(&ONE.replace('}', r#","store":"far"}"#), stores);
    let policy = world.policy.borrow().clone();
    let level = Level {
        used: 1,
        held: 2,
        limit: 1,
        resets_ms: NOON + 1_000,
    };
    let tally = Tally {
        account: policy.budgets[0].only().unwrap(),
        is_near: false,
        level: Some(level),
        settled: 1,
        prompt_tokens: 0,
        is_refused: false,
        is_down: false,
    };
    let mut over = Exchange::new(Placement::Single, Rc::clone(&policy));
    let mut report = over.report(None).clone();
    report.tallies.push(tally);
    let books = Books::default();
    world.check((0.0, 0.0));
    books.add(&report, NOON - 5);
    assert_eq!(page(&world, &books).level, level);
    let status = world.status();
    assert!(status.contains(r#""used":1,"held":2"#), "{status}");
    assert!(
        status.contains(&format!(r#""seen_at_ms":{}"#, NOON - 5)),
        "{status}"
    );
    // Its window has passed: nobody knows what is used now, and nothing was seen.
    world.now_ms.set(NOON + 1_000);
    world.check((0.0, 0.0));
    assert_eq!(page(&world, &books).level.used, 0);
}

const BYTES: &str =
    r#"{"name":"b","unit":"tokens","limit":100000,"window":"day","prompt":"bytes"}"#;

/// What is held for a request; nothing where it is refused as one that bytes do not bound.
#[track_caller]
fn check_bytes(body: &str, want: Option<f64>) {
    let world = world(BYTES);
    let sent = world.send_body(body);
    let refusal = sent.refusal().map(|(status, _, body)| {
        let text = String::from_utf8(body.to_owned()).unwrap();
        (status, text.contains("budget_unsupported"))
    });
    assert_eq!(refusal, want.is_none().then_some((400, true)), "{body}");
    world.check((0.0, want.unwrap_or(0.0)));
}

#[test]
fn a_budget_by_bytes_holds_a_token_for_each() {
    // The body, 32 for its frame, and 9 for the answer.
    let body = r#"{"model":"gpt-4.1","messages":[{"role":"user","content":"hi"}],"max_tokens":9}"#;
    check_bytes(body, Some((body.len() + 32 + 9) as f64));
    let tools = body.replace(
        r#","max_tokens""#,
        r#","tools":[{"type":"function","function":{"name":"f"}}],"max_tokens""#,
    );
    check_bytes(&tools, Some((tools.len() + 32 + 350 + 9) as f64));
}

#[test]
fn a_budget_by_bytes_refuses_what_bytes_do_not_bound() {
    let part = |part: &str| {
        format!(
            r#"{{"model":"gpt-4.1","messages":[{{"role":"user","content":[{part}]}}],"max_tokens":9}}"#
        )
    };
    check_bytes(
        &part(r#"{"type":"image_url","image_url":{"url":"https://a/b"}}"#),
        None,
    );
    check_bytes(
        &part(r#"{"type":"input_audio","input_audio":{"data":"AA","format":"wav"}}"#),
        None,
    );
    check_bytes(&part(r#"{"type":"file","file":{"file_id":"f"}}"#), None);
    let with =
        |field: &str| format!(r#"{{"model":"gpt-4.1","messages":[],"max_tokens":9,{field}}}"#);
    check_bytes(&with(r#""web_search_options":{}"#), None);
    check_bytes(
        &with(r#""tools":[{"type":"function"},{"type":"web_search"}]"#),
        None,
    );
}

#[test]
fn whatever_the_tokenizer_a_budget_by_bytes_is_not_exceeded_by_a_prompt() {
    // A tokenizer that makes a token of each byte, and a text that the estimate takes for cheap.
    let text = "qzxjkvw".repeat(40);
    let answer = WHOLE.replace(":9,", &format!(":{},", text.len()));
    let used = |prompt: &str| {
        let world = world(&BYTES.replace("bytes", prompt).replace("100000", "200"));
        let mut sent = world.send_text(&text, r#","max_tokens":4"#);
        if sent.refusal().is_none() {
            world.answer_head(&mut sent, "200", "application/json");
            world.answer_body(&mut sent, &answer, true);
        }
        sent.exchange.settle(None, &world);
        world.stands().0
    };
    assert!(used("estimate") > 200.0);
    assert!(used("bytes") < 1e-9);
}

/// A store that is far: it grants what fits at once, and holds of streams grow by calls.
#[derive(Debug)]
struct Far {
    limit: u64,
    held: Cell<u64>,
    calls: Cell<u32>,
}

impl Store for Far {
    fn take(&self, order: &Order<'_>, _: &dyn Shared) -> Step {
        let [line] = order.lines else {
            panic!("one budget");
        };
        let level = Level {
            limit: self.limit,
            ..Level::default()
        };
        let amount = match order.act {
            Act::Extend => {
                self.calls.set(self.calls.get() + 1);
                return Step::Call(Outbound {
                    cluster: "far".to_owned(),
                    headers: Vec::new(),
                    body: Vec::new(),
                    timeout_ms: 50,
                    is_grpc: false,
                });
            }
            Act::Reserve => line.amount,
            _ => line.hold.amount,
        };
        self.held.set(amount);
        Step::Done(Verdict::Granted(vec![(
            Hold {
                amount,
                ..line.hold
            },
            level,
        )]))
    }

    fn hear(
        &self,
        order: &Order<'_>,
        answer: Result<Inbound<'_>, Unanswered>,
        _: &dyn Shared,
    ) -> Step {
        let line = order.lines[0];
        let level = Level {
            limit: self.limit,
            ..Level::default()
        };
        if answer.is_err() {
            return Step::Done(Verdict::Down);
        }
        let amount = line.hold.amount + line.amount;
        Step::Done(if amount <= self.limit {
            self.held.set(amount);
            Verdict::Granted(vec![(
                Hold {
                    amount,
                    ..line.hold
                },
                level,
            )])
        } else {
            let (line, fits_ms) = (0, None);
            let shortfall = Shortfall { level, fits_ms };
            Verdict::Refused { line, shortfall }
        })
    }
}

/// A stream of words under a budget that is far.
struct Talk {
    world: World,
    far: Rc<Far>,
    sent: Sent,
    written: String,
    calls: u32,
}

impl Talk {
    fn new(limit_tokens: u64) -> Self {
        let mut policy = policy(TOKENS, "");
        let far = Rc::new(Far {
            limit: limit_tokens * 1_000,
            held: Cell::default(),
            calls: Cell::default(),
        });
        let rules = &mut Rc::get_mut(&mut policy).unwrap().budgets;
        Rc::get_mut(&mut rules[0]).unwrap().store = Rc::clone(&far) as Rc<dyn Store>;
        let world = world_of(policy);
        let mut sent = world.send(r#","stream":true"#);
        assert!(sent.refusal().is_none());
        assert!(
            !sent.body().unwrap().contains("max_"),
            "nobody is told a bound"
        );
        world.answer_head(&mut sent, "200", "text/event-stream");
        let mut talk = Self {
            world,
            far,
            sent,
            written: String::new(),
            calls: 0,
        };
        talk.hear(OPEN, false);
        talk
    }

    fn hear(&mut self, text: &str, ends: bool) -> Flow {
        let (flow, written) = self.world.answer_body(&mut self.sent, text, ends);
        self.written.push_str(&written);
        self.count();
        flow
    }

    fn count(&mut self) {
        let is_call = |effect: &&Effect| matches!(effect, Effect::Dispatch(_));
        self.calls += self.sent.effects.iter().filter(is_call).count() as u32;
    }

    fn say(&mut self, words: usize) -> Flow {
        let delta = OPEN.replace(r#""content":"""#, r#""content":" house""#);
        let mut flow = Flow::Continue;
        for _ in 0..words {
            flow = self.hear(&delta, false);
        }
        flow
    }

    fn answer(&mut self, lost: Option<Lost>) -> Flow {
        self.sent.effects.clear();
        let mut head = Headers::new();
        head.push(":status", "200");
        let input = Input::CallAnswer {
            number: usize::MAX,
            answer: lost.map_or(Ok((head, Vec::new())), Err),
            host: &self.world,
        };
        let flow = self.sent.exchange.handle(input, &mut self.sent.effects);
        for effect in &self.sent.effects {
            if let Effect::AnswerBody(bytes) = effect {
                self.written.push_str(str::from_utf8(bytes).unwrap());
            }
        }
        self.count();
        flow
    }

    fn words(&self) -> usize {
        self.written.matches(" house").count()
    }
}

const CUT: &str = "\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n";

#[test]
fn a_far_budget_is_asked_for_the_next_step_when_half_of_one_is_said() {
    // A step is 16 tokens, and a word 1.16.
    let mut talk = Talk::new(1_000);
    let reads = talk.world.reads.get();
    assert_eq!((talk.say(6), talk.calls), (Flow::Continue, 0));
    assert_eq!((talk.say(1), talk.calls), (Flow::Continue, 1));
    // The stream goes on meanwhile, and asks once.
    assert_eq!(
        (talk.say(5), talk.calls, talk.words()),
        (Flow::Continue, 1, 12)
    );
    // Nothing was kept back, so there is nothing to let go.
    assert_eq!(talk.answer(None), Flow::Hold);
    assert_eq!(talk.far.held.get(), 74_000);
    assert_eq!(
        (talk.say(8), talk.calls, talk.words()),
        (Flow::Continue, 1, 20)
    );
    assert_eq!((talk.say(2), talk.calls), (Flow::Continue, 2));
    // None of it has read the memory.
    assert_eq!(talk.world.reads.get(), reads);
}

#[test]
fn a_stream_waits_for_a_store_only_when_all_that_is_held_is_said() {
    let mut talk = Talk::new(1_000);
    assert_eq!((talk.say(13), talk.words()), (Flow::Continue, 13));
    // The fourteenth is the seventeenth token.
    assert_eq!((talk.say(1), talk.words()), (Flow::Hold, 13));
    assert_eq!((talk.say(2), talk.words(), talk.calls), (Flow::Hold, 13, 1));
    assert_eq!((talk.answer(None), talk.words()), (Flow::Continue, 16));
    assert_eq!((talk.say(1), talk.words()), (Flow::Continue, 17));
}

#[test]
fn a_stream_that_a_far_budget_refuses_says_what_it_holds_and_ends_with_length() {
    let mut talk = Talk::new(60);
    talk.say(10);
    assert_eq!(talk.answer(None), Flow::Hold);
    assert_eq!((talk.say(30), talk.words()), (Flow::Continue, 13));
    assert!(talk.written.ends_with(CUT), "{}", talk.written);
    talk.sent.exchange.settle(None, &talk.world);
}

#[test]
fn what_waited_for_a_store_that_refuses_goes_on_before_the_end() {
    for lost in [None, Some(Lost::Unanswered), Some(Lost::Refused)] {
        let mut talk = Talk::new(60);
        assert_eq!((talk.say(15), talk.words()), (Flow::Hold, 13));
        assert_eq!((talk.answer(lost), talk.words()), (Flow::Continue, 15));
        assert!(talk.written.ends_with(CUT), "{}", talk.written);
        talk.say(3);
        assert_eq!(talk.written.matches("[DONE]").count(), 1);
        assert_eq!(talk.words(), 15);
    }
}

#[test]
fn a_stream_that_ended_while_it_waited_ends_as_its_provider_ended_it() {
    for limit in [60, 1_000] {
        let mut talk = Talk::new(limit);
        talk.say(15);
        let end = OPEN.replace(r#""finish_reason":null"#, r#""finish_reason":"stop""#);
        let flow = talk.hear(&format!("{end}data: [DONE]\n\n"), true);
        assert_eq!((flow, talk.words()), (Flow::Hold, 13));
        assert!(talk.sent.exchange.holds_answer());
        assert_eq!((talk.answer(None), talk.words()), (Flow::Continue, 15));
        assert!(!talk.sent.exchange.holds_answer());
        assert!(talk.written.ends_with("data: [DONE]\n\n") && !talk.written.contains("length"));
    }
}

#[test]
fn what_waits_for_a_store_is_bounded() {
    let mut talk = Talk::new(1_000);
    assert_eq!(talk.say(14), Flow::Hold);
    let long = OPEN.replace(
        r#""content":"""#,
        &format!(r#""content":"{}""#, "x".repeat(60_000)),
    );
    let mut flow = Flow::Hold;
    for _ in 0..40 {
        flow = talk.hear(&long, false);
    }
    assert_eq!(flow, Flow::Continue);
    assert!(talk.written.ends_with(CUT), "{}", talk.written.len());
    assert!(talk.written.len() < 1_300_000, "{}", talk.written.len());
    assert_eq!(talk.answer(None), Flow::Hold);
}

#[test]
fn a_stream_that_breaks_while_it_waits_tells_what_was_kept_first() {
    let mut talk = Talk::new(1_000);
    assert_eq!((talk.say(15), talk.words()), (Flow::Hold, 13));
    let flow = talk.hear("data: {broken\n\n", false);
    assert_eq!((flow, talk.words()), (Flow::Continue, 15));
    assert!(talk.written.contains("\"error\""), "{}", talk.written);
    assert_eq!(talk.answer(None), Flow::Hold);
}

/// Each format's path, and a request in it.
const FORMATS: [(&str, &str); 4] = [
    (
        "/v1/chat/completions",
        r#"{"model":"gpt-4.1","messages":[]"#,
    ),
    ("/v1/completions", r#"{"model":"gpt-4.1","prompt":"hi""#),
    ("/v1/responses", r#"{"model":"gpt-4.1","input":"hi""#),
    ("/v1/embeddings", r#"{"model":"gpt-4.1","input":"hi""#),
];

#[test]
fn a_refusal_is_the_same_in_every_format() {
    for (path, body) in FORMATS {
        let world = world(ONE);
        let body = format!("{body}}}");
        assert!(world.send_to(path, &body).refusal().is_none(), "{path}");
        let refused = world.send_to(path, &body);
        let (status, headers, text) = refused.refusal().unwrap();
        assert_eq!(
            (status, headers.text("content-type")),
            (429, Some("application/json"))
        );
        assert_eq!(headers.text("retry-after-ms"), Some("1000"), "{path}");
        let want = "{\"error\":{\"message\":\"Rate limit reached for budget 'b' on requests: Limit 1, Used 0, In flight 1, \
                    Requested 1. Please try again in 1s.\",\"type\":\"requests\",\"param\":null,\"code\":\"rate_limit_exceeded\"}}";
        assert_eq!(str::from_utf8(text).unwrap(), want, "{path}");
    }
}

/// What a stream of these events becomes under a budget that holds 60 tokens.
fn cut(path: &str, body: &str, opening: &str, delta: &str) -> String {
    let world = world(&TOKENS.replace("1000", "60"));
    let mut sent = world.send_to(path, &format!(r#"{body},"stream":true}}"#));
    assert!(sent.refusal().is_none(), "{path}");
    world.answer_head(&mut sent, "200", "text/event-stream");
    let mut written = world.answer_body(&mut sent, opening, false).1;
    for _ in 0..100 {
        written.push_str(&world.answer_body(&mut sent, delta, false).1);
    }
    sent.exchange.settle(None, &world);
    let (used, held) = world.stands();
    assert!(used <= 60.0 && held < 1e-9, "{used} {held}");
    written
}

#[test]
fn a_stream_ends_with_length_in_every_format() {
    let [(chat, ask), (legacy, prompt), (responses, input), _] = FORMATS;
    let delta = OPEN.replace(r#""content":"""#, r#""content":" house""#);
    assert!(cut(chat, ask, OPEN, &delta).ends_with(CUT));
    let text = "data: {\"id\":\"c\",\"object\":\"text_completion\",\"choices\":[{\"index\":0,\"text\":\" house\",\"finish_reason\":null}]}\n\n";
    let written = cut(legacy, prompt, text, text);
    assert!(written.contains(r#""finish_reason":"length""#) && written.ends_with("[DONE]\n\n"));
    let event = |kind: &str, more: &str| {
        format!("event: {kind}\ndata: {{\"type\":\"{kind}\",\"sequence_number\":1,{more}}}\n\n")
    };
    let created = event(
        "response.created",
        r#""response":{"id":"r","object":"response","status":"in_progress","incomplete_details":null,"output":[]}"#,
    );
    let said = event(
        "response.output_text.delta",
        r#""item_id":"m","output_index":0,"content_index":0,"delta":" house""#,
    );
    let written = cut(responses, input, &created, &said);
    let last = written.trim_end().rsplit("\n\n").next().unwrap();
    assert!(last.starts_with("event: response.incomplete"), "{last}");
    assert!(last.contains("max_output_tokens"), "{last}");
}

#[test]
fn the_chunk_of_usage_is_asked_for_and_shown_to_whom_asked() {
    let usage = "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4,\"total_tokens\":13}}\n\n";
    let end = OPEN.replace(r#""finish_reason":null"#, r#""finish_reason":"stop""#);
    for (fields, is_shown) in [
        ("", false),
        (r#","stream_options":{"include_usage":true}"#, true),
    ] {
        let world = world(TOKENS);
        let mut sent = world.send(&format!(r#","max_tokens":9,"stream":true{fields}"#));
        // Who asks for it is passed on as he wrote.
        let asked = sent.body().unwrap_or_else(|| fields.to_owned());
        assert!(asked.contains(r#""include_usage":true"#), "{asked}");
        world.answer_head(&mut sent, "200", "text/event-stream");
        let text = format!("{OPEN}{end}{usage}data: [DONE]\n\n");
        let (_, written) = world.answer_body(&mut sent, &text, true);
        assert_eq!(written.contains("prompt_tokens"), is_shown, "{written}");
        sent.exchange.settle(None, &world);
        world.check((13.0, 0.0));
    }
}

#[test]
fn an_answers_head_tells_how_the_tightest_budgets_stand() {
    let budgets = r#"{"name":"day","unit":"tokens","limit":1000,"window":"day"},{"name":"minute","unit":"tokens","limit":500,"window":"minute"},
        {"name":"count","unit":"requests","limit":7,"window":"minute"},{"name":"shadow","unit":"requests","limit":1,"window":"day","mode":"shadow"}"#;
    let world = world(budgets);
    world.now_ms.set(NOON + 13_500);
    let mut sent = world.send(r#","max_tokens":100"#);
    world.answer_head(&mut sent, "200", "application/json");
    world.answer_body(&mut sent, WHOLE, true);
    let head = sent.effects.iter().find_map(|effect| match effect {
        Effect::AnswerHeaders(head) => Some(head.clone()),
        _ => None,
    });
    let told = |name: &str| head.as_ref().unwrap().text(name).map(str::to_owned);
    for (name, want) in [
        ("x-ratelimit-limit-requests", "7"),
        ("x-ratelimit-remaining-requests", "6"),
        ("x-ratelimit-reset-requests", "46.5s"),
        ("x-ratelimit-limit-tokens", "500"),
        ("x-ratelimit-remaining-tokens", "358"),
        ("x-ratelimit-reset-tokens", "46.5s"),
    ] {
        assert_eq!(told(name).as_deref(), Some(want), "{name}");
    }
}
