//! What budgets cost, natively and in wasm, with a host that is memory: the estimate of a prompt, a whole exchange without
//! budgets and with them, a delta of a stream whose hold grows, and the memory that keys take.
//!
//! `exchange` is a request of 4 KiB and a whole answer, from head to settlement; what a row adds to the first is what its
//! budgets cost: estimate, holds, settlement, calibration and the headers. `delta` is one more event of a stream. Each
//! hostcall that reads or writes the shared memory adds about 0.2 µs in Envoy; a table of them is printed first.
//!
//!     cargo bench --bench budget [word]                          # only benchmarks whose name holds the word
//!     cargo bench --bench budget --target wasm32-wasip1 [word]   # in node's V8, the engine that Envoy has

#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark that measures the wrong thing should stop loudly, and say what it measured"
)]

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hint::black_box;
use std::rc::Rc;

use timing::Timing;
use tollgate::budget::{Content, Estimate, Shared};
use tollgate::exchange::{Body, Exchange, Flow, Host, Input};
use tollgate::policy::{Placement, Policy};
use tollgate::turn::{Headers, Now};

mod timing;

const ROWS: [&str; 4] = ["none", "one", "three", "three by key"];
const WHOLE: &str = r#"{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":900,"completion_tokens":4,"total_tokens":904}}"#;
const DELTA: &str = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" house\"},\"finish_reason\":null}]}\n\n";
/// A line of a prompt, as JSON has it.
const LINE: &str = "The quick brown fox jumps over 13 lazy dogs, and says: \\\"hello\\\".\\n";
const KEYS: u64 = 10_000;
const TEXT_BYTES: usize = 4 * 1024;

fn main() {
    let timing = Timing::new();
    tell();
    let schema = r#"{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string","description":"Where"}}}}},"#;
    for (name, unit) in [
        ("prompt", LINE),
        ("english", include_str!("../LICENSE")),
        ("code", include_str!("../src/exchange/mod.rs")),
        ("chinese", "大语言模型网关,预算在请求之前预留。"),
        ("numbers", "1,234.5 99 "),
        ("schema", schema),
    ] {
        let text: String = unit.chars().cycle().take(TEXT_BYTES).collect();
        let json = match name {
            "prompt" => format!("\"{text}\""),
            "schema" => text,
            _ => serde_json::to_string(&text).unwrap_or_default(),
        };
        let content = match name {
            "schema" => Content::Schema,
            _ => Content::Messages,
        };
        timing.bench(&format!("estimate {name}"), json.len(), &mut || {
            let mut estimate = Estimate::default();
            estimate.value(black_box(&json), content);
            usize::from(estimate.tokens() > 0)
        });
    }
    timing.bench("estimate delta", 0, &mut || {
        let mut estimate = Estimate::default();
        // One is too short for a clock.
        for _ in 0..1_000 {
            estimate.text(black_box(" house"));
        }
        usize::from(estimate.tokens() > 0)
    });
    for row in ROWS {
        let world = World::new(row);
        timing.bench(&format!("exchange {row}"), 0, &mut || {
            world.exchange("tenant");
            1
        });
    }
    for row in ROWS {
        let world = World::new(row);
        let (mut exchange, mut effects) = world.send("", true);
        world.say(&mut exchange, DELTA, &mut effects);
        timing.bench(&format!("delta {row}"), 0, &mut || {
            world.say(&mut exchange, DELTA, &mut effects);
            1
        });
    }
}

/// How often the shared memory is touched, and how full it gets.
fn tell() {
    for row in ROWS {
        let world = World::new(row);
        world.exchange("");
        let (reads, writes) = world.calls.take();
        println!("{row}: {reads} reads and {writes} writes of shared memory for an exchange");
        let (mut exchange, mut effects) = world.send("", true);
        let before = world.calls.take();
        world.say(&mut exchange, DELTA, &mut effects);
        let calls = world.calls.take();
        println!(
            "{row}: {} calls before a delta, {} for it",
            before.0 + before.1,
            calls.0 + calls.1
        );
    }
    let world = World::new("keys");
    for key in 0..KEYS {
        world.exchange(&format!("tenant-{key:05}"));
    }
    let memory = world.memory.borrow();
    let bytes: usize = memory
        .iter()
        .map(|(key, (value, _))| key.len() + value.len())
        .sum();
    println!(
        "{KEYS} keys that were used once: {bytes} bytes in {} values",
        memory.len()
    );
}

/// A proxy's memory and clock, and a policy.
struct World {
    policy: Rc<Policy>,
    body: String,
    memory: RefCell<HashMap<String, (Vec<u8>, u32)>>,
    calls: Cell<(u32, u32)>,
}

impl World {
    fn new(row: &str) -> Self {
        let own = r#"{"name":"a","unit":"tokens","limit":1000000000000,"window":"month"}"#;
        let budgets = match row {
            "none" => String::new(),
            "one" => own.to_owned(),
            "keys" => own.replace('}', r#","per":["header:x-tenant"]}"#),
            _ => {
                let per = if row == "three" {
                    ""
                } else {
                    r#","per":["header:x-tenant"]"#
                };
                format!(
                    r#"{own},{{"name":"b","unit":"usd","limit":1000000000,"window":"day"{per}}},
                       {{"name":"c","unit":"requests","limit":1000000000,"rolling":"1h"{per}}}"#
                )
            }
        };
        let text = format!(
            r#"{{"version":1,"anonymous":"allow","providers":[{{"name":"o","kind":"openai","auth":{{"type":"none"}}}}],
            "models":[{{"name":"gpt-4.1","targets":[{{"provider":"o"}}]}}],"budgets":[{budgets}]}}"#
        );
        let policy = match Policy::compile(text.as_bytes(), Placement::Single, &|_| None) {
            Ok(policy) => Rc::new(policy),
            Err(problems) => panic!("{problems}"),
        };
        let prose = LINE.repeat(59);
        Self {
            policy,
            body: format!(
                r#"{{"model":"gpt-4.1","messages":[{{"role":"user","content":"{prose}"}}]"#
            ),
            memory: RefCell::default(),
            calls: Cell::default(),
        }
    }

    fn send(&self, tenant: &str, stream: bool) -> (Exchange, Vec<tollgate::exchange::Effect>) {
        let mut exchange = Exchange::new(Placement::Single, Rc::clone(&self.policy));
        let mut effects = Vec::new();
        let mut headers = Headers::new();
        headers.push(":method", "POST");
        headers.push(":path", "/v1/chat/completions");
        headers.push("x-tenant", tenant);
        let (ends, host) = (false, self);
        exchange.handle(
            Input::RequestHead {
                headers,
                ends,
                host,
            },
            &mut effects,
        );
        let bound = if stream {
            r#","stream":true}"#
        } else {
            r#","max_tokens":100}"#
        };
        let text = format!("{}{bound}", self.body);
        let (body, ends) = (&Held(text.as_bytes()), true);
        let flow = exchange.handle(Input::RequestBody { body, ends, host }, &mut effects);
        assert_eq!(flow, Flow::Continue, "refused");
        let mut headers = Headers::new();
        headers.push(":status", "200");
        let kind = if stream {
            "text/event-stream"
        } else {
            "application/json"
        };
        headers.push("content-type", kind);
        exchange.handle(
            Input::AnswerHead {
                headers,
                ends: false,
            },
            &mut effects,
        );
        (exchange, effects)
    }

    fn say(
        &self,
        exchange: &mut Exchange,
        text: &str,
        effects: &mut Vec<tollgate::exchange::Effect>,
    ) {
        effects.clear();
        let (body, ends) = (&Held(text.as_bytes()), text == WHOLE);
        exchange.handle(
            Input::AnswerBody {
                body,
                ends,
                host: self,
            },
            effects,
        );
    }

    fn exchange(&self, tenant: &str) {
        let (mut exchange, mut effects) = self.send(tenant, false);
        self.say(&mut exchange, WHOLE, &mut effects);
        exchange.settle(None, self);
    }
}

impl Host for World {
    fn property(&self, _: &[&str]) -> Option<Vec<u8>> {
        None
    }

    fn now(&self) -> Now {
        Now {
            unix_ms: 1_795_435_200_000,
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
        let (reads, writes) = self.calls.get();
        self.calls.set((reads + 1, writes));
        self.memory.borrow().get(key).cloned()
    }

    fn write(&self, key: &str, bytes: &[u8], version: Option<u32>) -> bool {
        let (reads, writes) = self.calls.get();
        self.calls.set((reads, writes + 1));
        let mut memory = self.memory.borrow_mut();
        if memory.get(key).map(|(_, version)| *version) != version {
            return false;
        }
        memory.insert(key.to_owned(), (bytes.to_owned(), version.unwrap_or(0) + 1));
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
