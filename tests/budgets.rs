//! Budgets through a whole exchange, with a clock and a memory of the test's own.
//!
//! What real Envoy adds (workers at once, clients that go away, reloads) is in `tests/envoy/test_budgets.py`.
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
use tollgate::budget::Shared;
use tollgate::exchange::{Body, Effect, Exchange, Flow, Host, Input};
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
        let mut exchange = Exchange::new(Placement::Single, self.policy.borrow().clone());
        let mut effects = Vec::new();
        let headers = self.head("POST", "/v1/chat/completions", "");
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
        let status: Status = serde_json::from_slice(body).unwrap();
        let bucket = status.data[0].buckets.first();
        bucket.map_or((0.0, 0.0), |bucket| (bucket.used, bucket.held))
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
