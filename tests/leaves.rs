//! Every string that a format has, each with a value of its own planted into it: which of them come through redaction?
//!
//! `leaves/*.jsonl` has a document for each free string of openai-python's types, made by `leaves/shapes.py`. What comes
//! through must be in `leaves/alone.txt`, below the reason for it, and nothing else may be there. A place is told with the
//! types of what it is in, `<function_call>`, or for all of them without. A string that is refused, as files and images
//! are, has not come through.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_types,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "clippy knows test functions, not the helpers of a test file"
)]

#[expect(dead_code, reason = "each test file takes of it what it needs")]
mod driver;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use driver::{CHAT, COMPLETIONS, EMBEDDINGS, Proxy, RESPONSES, Sent, head};
use serde_json::{Value, json};
use tollgate::policy::Policy;
use tollgate::turn::Headers;

const POLICY: &str = r#"{"version": 1, "anonymous": "allow",
    "providers": [{"name": "openai", "kind": "openai"}],
    "models": [{"name": "gpt", "targets": [{"provider": "openai", "model": "gpt-4.1"}]}],
    "agents": [{"provider": "openai", "consumers": ["*"], "resources": ["agents", "sessions"]}],
    "redaction": {"entities": {"all": "mask"}}}"#;

const PLANTED: &str = "jane@corp.com";

const AGENTS: &str = "/v1/agents";
const SESSIONS: &str = "/v1/agents/sessions";
const SESSION_EVENTS: &str = "/v1/agents/sessions/s_1/events";
const SESSION_ITEMS: &str = "/v1/agents/sessions/s_1/items";

fn room() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/leaves")
}

/// The documents of a kind.
fn shapes(kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(room().join(format!("{kind}.jsonl"))).unwrap();
    let documents = text.lines().map(|line| serde_json::from_str(line).unwrap());
    documents.collect()
}

/// Puts the value in the place of the free string; tells where that is.
fn plant(value: &mut Value, at: &mut String) {
    match value {
        Value::String(text) => PLANTED.clone_into(text),
        Value::Array(items) => {
            at.push_str("[*]");
            plant(&mut items[0], at);
        }
        Value::Object(members) => {
            let kind = members.get("type").filter(|_| members.len() > 1);
            if let Some(kind) = kind.and_then(Value::as_str) {
                at.push_str(&format!("<{kind}>"));
            }
            let is_told = |name: &String| matches!(name.as_str(), "type" | "role");
            let name = members.keys().find(|name| !is_told(name));
            let name = name.or_else(|| members.keys().next_back()).unwrap().clone();
            let member = members.get_mut(&name).unwrap();
            at.push_str(&format!(".{name}"));
            plant(member, at);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => panic!("a shape without a string"),
    }
}

/// The places of a kind through which the value comes. `pass` tells what goes on of a document.
fn come_through(kind: &str, mut pass: impl FnMut(&Value) -> Vec<u8>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for mut document in shapes(kind) {
        let mut at = "$".to_owned();
        plant(&mut document, &mut at);
        let passed = pass(&document);
        if String::from_utf8_lossy(&passed).contains("jane") {
            found.insert(format!("{kind} {at}"));
        }
    }
    found
}

/// What leaves of a request; nothing if it is refused.
fn leaves(policy: &Rc<Policy>, path: &str, document: &Value) -> Vec<u8> {
    let mut body = document.clone();
    // The model is looked up, and another one gets nowhere.
    if body.get("model").is_none() && matches!(path, CHAT | COMPLETIONS | EMBEDDINGS | RESPONSES) {
        body["model"] = json!("gpt");
    }
    let needed = match path {
        CHAT => ("messages", json!([])),
        COMPLETIONS => ("prompt", json!("")),
        EMBEDDINGS | RESPONSES => ("input", json!("")),
        _ => ("metadata", json!({})),
    };
    if body.get(needed.0).is_none() {
        body[needed.0] = needed.1;
    }
    let body = body.to_string();
    match Proxy::new(policy).request(head(path, body.as_bytes()), body.as_bytes()) {
        Sent::Call(call) => call.body,
        Sent::Reply(reply) => {
            assert_eq!(reply.headers.status() / 100, 4, "{body}");
            assert!(!reply.body.windows(4).any(|it| it == b"jane"), "{body}");
            Vec::new()
        }
    }
}

fn asked(policy: &Rc<Policy>, path: &str, stream: bool) -> Proxy {
    let text = json!([{"role": "user", "content": "x"}]);
    let body = match path {
        CHAT => json!({"model": "gpt", "stream": stream, "messages": text}).to_string(),
        COMPLETIONS => json!({"model": "gpt", "stream": stream, "prompt": "x"}).to_string(),
        RESPONSES => json!({"model": "gpt", "stream": stream, "input": text}).to_string(),
        _ => String::new(),
    };
    let mut head = head(path, body.as_bytes());
    if body.is_empty() {
        head.set(":method", "GET");
        head.remove("content-length");
    }
    let mut proxy = Proxy::new(policy);
    let sent = proxy.request(head, body.as_bytes());
    assert!(matches!(sent, Sent::Call(_)), "{sent:?}");
    proxy
}

fn answered(mut proxy: Proxy, kind: &str, answer: &str) -> Vec<u8> {
    let mut head = Headers::new();
    head.push(":status", "200");
    head.push("content-type", kind);
    proxy.answer(&head, [answer.as_bytes()]);
    assert_eq!(
        proxy.client.headers.status(),
        200,
        "{answer} {:?}",
        String::from_utf8(proxy.client.body)
    );
    proxy.client.body
}

/// Gives an answer the choice without which it is none, and that its message.
fn complete(answer: &mut Value, member: &str, empty: Value) {
    if answer.get("choices").is_none() {
        answer["choices"] = json!([{}]);
    }
    let choice = &mut answer["choices"][0];
    choice["index"] = json!(0);
    if choice.get(member).is_none() {
        choice[member] = empty;
    }
}

/// A stream in which an event comes, that ends as such streams do.
fn stream_of(path: &str, event: &Value) -> String {
    match path {
        CHAT => {
            let mut chunk = event.clone();
            complete(&mut chunk, "delta", json!({}));
            let end = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
            format!("data: {chunk}\n\ndata: {end}\n\ndata: [DONE]\n\n")
        }
        RESPONSES => {
            let end = r#"{"type":"response.completed","response":{"id":"r","status":"completed","output":[]}}"#;
            format!("data: {event}\n\nevent: response.completed\ndata: {end}\n\n")
        }
        _ => format!("data: {event}\n\n"),
    }
}

#[test]
fn what_comes_through_has_a_reason() {
    let policy = driver::policy(POLICY);
    let mut found = BTreeSet::new();
    for (kind, path) in [
        ("chat.request", CHAT),
        ("completions.request", COMPLETIONS),
        ("embeddings.request", EMBEDDINGS),
        ("responses.request", RESPONSES),
        ("agents.request", AGENTS),
        ("sessions.request", SESSIONS),
        ("events.request", SESSION_EVENTS),
    ] {
        found.append(&mut come_through(kind, |it| leaves(&policy, path, it)));
    }
    for (kind, path) in [
        ("chat.answer", CHAT),
        ("completions.answer", COMPLETIONS),
        ("responses.answer", RESPONSES),
        ("agents.answer", AGENTS),
        ("sessions.answer", SESSIONS),
        ("items.answer", SESSION_ITEMS),
    ] {
        found.append(&mut come_through(kind, |it| {
            let mut whole = it.clone();
            match kind {
                "chat.answer" => complete(&mut whole, "message", json!({})),
                "completions.answer" => complete(&mut whole, "text", json!("")),
                "responses.answer" => {
                    whole["object"] = json!("response");
                    whole["status"] = json!("completed");
                    if it.get("output").is_none() {
                        whole["output"] = json!([]);
                    }
                }
                "items.answer" => whole = json!({"object": "list", "data": [it]}),
                _ => {}
            }
            let proxy = asked(&policy, path, false);
            answered(proxy, "application/json", &whole.to_string())
        }));
    }
    for (kind, path) in [
        ("chat.event", CHAT),
        ("responses.event", RESPONSES),
        ("sessions.event", SESSION_EVENTS),
    ] {
        found.append(&mut come_through(kind, |it| {
            let proxy = asked(&policy, path, true);
            answered(proxy, "text/event-stream", &stream_of(path, it))
        }));
    }
    let told = fs::read_to_string(room().join("alone.txt")).unwrap();
    let told: BTreeSet<&str> = told.lines().filter(|line| line.contains(" $")).collect();
    let is_told =
        |place: &&String| told.contains(place.as_str()) || told.contains(&*untyped(place));
    let leaks: Vec<_> = found.iter().filter(|it| !is_told(it)).collect();
    assert!(
        leaks.is_empty(),
        "these come through without a reason\n{leaks:#?}"
    );
    let met: BTreeSet<_> = found.iter().map(|it| untyped(it)).collect();
    let stale: Vec<_> = told
        .iter()
        .filter(|it| !met.contains(**it) && !found.contains(**it))
        .collect();
    assert!(
        stale.is_empty(),
        "these do not come through any more\n{stale:#?}"
    );
}

/// A place without the types of what it is in.
fn untyped(place: &str) -> String {
    let mut parts = place.split('<');
    let mut untyped = parts.next().unwrap().to_owned();
    for part in parts {
        untyped.push_str(part.split_once('>').unwrap().1);
    }
    untyped
}
