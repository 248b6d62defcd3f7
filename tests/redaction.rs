//! Redaction through a whole exchange: requests, answers and streams, as an app and a provider see them.
//!
//! The main property: what a stream's pieces make together is what the same answer in one piece would be, however its
//! texts are cut into events, its events into chunks, and its characters into escapes.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "clippy knows test functions, not the helpers of a test file"
)]

#[expect(dead_code, reason = "each test file takes of it what it needs")]
mod driver;

use std::collections::BTreeMap;
use std::rc::Rc;

use driver::{CHAT, COMPLETIONS, EMBEDDINGS, Message, Proxy, RESPONSES, Random, Sent, head};
use serde_json::{Value, json};
use tollgate::policy::{Placement, Policy};
use tollgate::turn::Headers;

fn compile(redaction: &str) -> Result<Rc<Policy>, String> {
    let text = format!(
        r#"{{"version": 1, "anonymous": "allow",
        "providers": [{{"name": "openai", "kind": "openai"}},
            {{"name": "azure", "kind": "azure", "endpoint": "https://acme.openai.azure.com"}},
            {{"name": "bedrock", "kind": "bedrock", "region": "us-east-1", "auth": {{"type": "bearer", "env": "BEDROCK_KEY"}}}}],
        "models": [{{"name": "gpt", "targets": [{{"provider": "openai", "model": "gpt-4.1"}}]}},
            {{"name": "gpt-azure", "targets": [{{"provider": "azure", "deployment": "gpt-4.1"}}]}},
            {{"name": "embed", "targets": [{{"provider": "openai", "model": "text-embedding-3-small"}}]}},
            {{"name": "claude", "targets": [{{"provider": "bedrock", "model": "us.anthropic.claude-sonnet-4-5-20250929-v1:0"}}]}}],
        "agents": [{{"provider": "openai", "consumers": ["*"], "resources": ["agents", "sessions"]}}],
        "redaction": {redaction}}}"#
    );
    let variable = |name: &str| match name {
        "HASH_KEY" => Some("0123456789abcdef".to_owned()),
        name => driver::variable(name),
    };
    Policy::compile(text.as_bytes(), Placement::Single, &variable)
        .map(Rc::new)
        .map_err(|problems| problems.to_string())
}

fn policy(redaction: &str) -> Rc<Policy> {
    compile(redaction).unwrap_or_else(|problems| panic!("{problems}"))
}

const MASK: &str = r#"{"entities": {"all": "mask"}}"#;

fn send(policy: &Rc<Policy>, path: &str, body: &str) -> (Proxy, Sent) {
    let mut proxy = Proxy::new(policy);
    let sent = proxy.request(head(path, body.as_bytes()), body.as_bytes());
    (proxy, sent)
}

/// The body that leaves.
#[track_caller]
fn check_request(redaction: &str, path: &str, body: &str, want: &str) {
    match send(&policy(redaction), path, body).1 {
        Sent::Call(call) => assert_eq!(String::from_utf8(call.body).unwrap(), want),
        Sent::Reply(reply) => panic!("{}", String::from_utf8_lossy(&reply.body)),
    }
}

/// The error's code, param and message; nothing leaves.
#[track_caller]
fn check_refused(redaction: &str, path: &str, body: &str, param: &str, message: &str) {
    let Sent::Reply(reply) = send(&policy(redaction), path, body).1 else {
        panic!("it left");
    };
    assert_eq!(reply.headers.status(), 400);
    let error: Value = serde_json::from_slice(&reply.body).unwrap();
    let error = &error["error"];
    assert_eq!(error["code"], "content_blocked");
    assert_eq!(error["type"], "invalid_request_error");
    assert_eq!(error["param"], param);
    let said = error["message"].as_str().unwrap();
    assert!(said.contains(message), "{said}");
}

#[test]
fn texts_of_a_chat_request_are_redacted_and_no_other_byte_changes() {
    check_request(
        MASK,
        CHAT,
        r#"{ "model":"gpt", "messages":[ {"role":"system","content":"Mail jane@corp.com\n"},{"role":"user","content":[{"type":"text","text":"call \u0034111 1111 1111 1111, \u00e9"}]},
 {"role":"assistant","content":null,"tool_calls":[{"id":"jane@corp.com","type":"function","function":{"name":"jane@corp.com","arguments":"{\"to@x.com\": \"jane@\\u0063orp.com \\u00e9\", \"card\":4111111111111111, \"n\":[1.50,true]}"}}]},{"role":"tool","tool_call_id":"jane@corp.com","content":"536-22-1234"}],"user":"jane@corp.com","temperature":1.0 }"#,
        r#"{ "model":"gpt-4.1", "messages":[ {"role":"system","content":"Mail [EMAIL]\n"},{"role":"user","content":[{"type":"text","text":"call [PAYMENT_CARD], \u00e9"}]},
 {"role":"assistant","content":null,"tool_calls":[{"id":"jane@corp.com","type":"function","function":{"name":"jane@corp.com","arguments":"{\"to@x.com\": \"[EMAIL] \\u00e9\", \"card\":\"[PAYMENT_CARD]\", \"n\":[1.50,true]}"}}]},{"role":"tool","tool_call_id":"jane@corp.com","content":"[US_SSN]"}],"user":"jane@corp.com","temperature":1.0 }"#,
    );
}

#[test]
fn texts_of_the_other_formats_are_redacted() {
    check_request(
        MASK,
        RESPONSES,
        r#"{"model":"gpt","instructions":"a@corp.com","input":[{"role":"user","content":"b@corp.com"},{"type":"function_call","call_id":"c@corp.com","name":"f","arguments":"{\"x\":\"d@corp.com\"}"},{"type":"function_call_output","call_id":"c@corp.com","output":"e@corp.com"},{"role":"user","content":[{"type":"input_text","text":"f@corp.com"}]}]}"#,
        r#"{"model":"gpt-4.1","instructions":"[EMAIL]","input":[{"role":"user","content":"[EMAIL]"},{"type":"function_call","call_id":"c@corp.com","name":"f","arguments":"{\"x\":\"[EMAIL]\"}"},{"type":"function_call_output","call_id":"c@corp.com","output":"[EMAIL]"},{"role":"user","content":[{"type":"input_text","text":"[EMAIL]"}]}]}"#,
    );
    check_request(
        MASK,
        EMBEDDINGS,
        r#"{"model":"embed","input":["a@corp.com","b"]}"#,
        r#"{"model":"text-embedding-3-small","input":["[EMAIL]","b"]}"#,
    );
    check_request(
        MASK,
        COMPLETIONS,
        r#"{"model":"gpt","prompt":"a@corp.com","suffix":"b@corp.com"}"#,
        r#"{"model":"gpt-4.1","prompt":"[EMAIL]","suffix":"[EMAIL]"}"#,
    );
}

#[test]
fn a_string_that_no_format_knows_is_text() {
    check_request(
        MASK,
        CHAT,
        r#"{"model":"gpt","messages":[{"role":"user","name":"a@corp.com","content":"x","note":{"to":["b@corp.com"]}}],"stop":["c@corp.com"],"new":"d@corp.com","tools":[{"type":"function","function":{"name":"send","parameters":{"properties":{"to":{"description":"e@corp.com","default":"f@corp.com","type":"string"}},"required":["to"]}}}]}"#,
        r#"{"model":"gpt-4.1","messages":[{"role":"user","name":"[EMAIL]","content":"x","note":{"to":["[EMAIL]"]}}],"stop":["[EMAIL]"],"new":"[EMAIL]","tools":[{"type":"function","function":{"name":"send","parameters":{"properties":{"to":{"description":"[EMAIL]","default":"[EMAIL]","type":"string"}},"required":["to"]}}}]}"#,
    );
    check_request(
        MASK,
        RESPONSES,
        r#"{"model":"gpt","input":[{"type":"computer_call","id":"a@corp.com","actions":[{"type":"type","text":"b@corp.com"}]},{"type":"mcp_call","id":"m","name":"f","server_label":"s","arguments":"{}","error":{"type":"mcp_protocol_error","message":"no c@corp.com"}},{"type":"unheard_of","said":"d@corp.com"}]}"#,
        r#"{"model":"gpt-4.1","input":[{"type":"computer_call","id":"a@corp.com","actions":[{"type":"type","text":"[EMAIL]"}]},{"type":"mcp_call","id":"m","name":"f","server_label":"s","arguments":"{}","error":{"type":"mcp_protocol_error","message":"no [EMAIL]"}},{"type":"unheard_of","said":"[EMAIL]"}]}"#,
    );
}

#[test]
fn what_a_schema_lets_a_model_choose_from_stays() {
    let schema = r#"{"type":"object","properties":{"to":{"anyOf":[{"enum":["a@corp.com","b@corp.com"]}]},"a@corp.com":{}},"required":["a@corp.com"]}"#;
    for (path, members) in [
        (
            CHAT,
            format!(
                r#""messages":[],"tools":[{{"type":"function","function":{{"name":"send","parameters":{schema}}}}}]"#
            ),
        ),
        (
            CHAT,
            format!(
                r#""messages":[],"response_format":{{"type":"json_schema","json_schema":{{"name":"to","schema":{schema}}}}}"#
            ),
        ),
        (
            RESPONSES,
            format!(
                r#""input":"x","tools":[{{"type":"function","name":"send","parameters":{schema}}}]"#
            ),
        ),
        (
            RESPONSES,
            format!(
                r#""input":"x","text":{{"format":{{"type":"json_schema","name":"to","schema":{schema}}}}}"#
            ),
        ),
    ] {
        let body = |model: &str| format!(r#"{{"model":"{model}",{members}}}"#);
        check_request(MASK, path, &body("gpt"), &body("gpt-4.1"));
    }
}

#[test]
fn a_card_that_is_a_number_becomes_text() {
    let body = |card: &str| {
        format!(
            r#"{{"model":"gpt","seed":4111111111111111,"max_tokens":100,"messages":[{{"role":"user","content":{card}}}]}}"#
        )
    };
    let want = body(r#""[PAYMENT_CARD]""#).replace("\"gpt\"", "\"gpt-4.1\"");
    check_request(MASK, CHAT, &body("4111111111111111"), &want);
    check_request(MASK, CHAT, &body("4111111111111111.0"), &want);
    let (at, message) = ("messages[0].content", "holds payment_card, which");
    let block = r#"{"entities": {"payment_card": "block"}}"#;
    check_refused(block, CHAT, &body("4111111111111111"), at, message);
}

#[test]
fn a_file_in_a_string_that_no_format_knows_is_media() {
    let body = |file: &str| {
        format!(
            r#"{{"model":"gpt","messages":[{{"role":"user","content":"data:text/plain;base64,eA==","images":["{file}"]}},{{"role":"user","content":[{{"type":"text","text":"x","image_url":{{"url":"{file}"}}}}]}}]}}"#
        )
    };
    let file = "data:image/png;base64,iVBORw0KGgo=";
    check_refused(MASK, CHAT, &body(file), "messages[0]", "images");
    let strip = r#"{"entities": {"all": "mask"}, "media": "strip"}"#;
    let want = body("[removed]").replace("\"gpt\"", "\"gpt-4.1\"");
    check_request(strip, CHAT, &body(file), &want);
    let pass = r#"{"entities": {"all": "mask"}, "media": "pass"}"#;
    let want = body(file).replace("\"gpt\"", "\"gpt-4.1\"");
    check_request(pass, CHAT, &body(file), &want);
}

#[test]
fn what_stands_where_an_id_or_a_name_should_is_looked_into() {
    check_request(
        MASK,
        CHAT,
        r#"{"model":"gpt","messages":[{"role":["a@corp.com"],"tool_call_id":{"x":"b@corp.com"},"content":"x"}],"user":"c@corp.com","metadata":{"to":"d@corp.com"}}"#,
        r#"{"model":"gpt-4.1","messages":[{"role":["[EMAIL]"],"tool_call_id":{"x":"[EMAIL]"},"content":"x"}],"user":"c@corp.com","metadata":{"to":"d@corp.com"}}"#,
    );
}

#[test]
fn texts_of_answers_that_no_format_knows_are_redacted() {
    let answer = r#"{"id":"a@corp.com","choices":[{"index":0,"message":{"role":"assistant","content":"x","context":{"citations":[{"content":"b@corp.com","url":"https://x/?to=c@corp.com"}]},"card":4111111111111111},"finish_reason":"stop"}]}"#;
    let want = r#"{"id":"a@corp.com","choices":[{"index":0,"message":{"role":"assistant","content":"x","context":{"citations":[{"content":"[EMAIL]","url":"https://x/?to=[EMAIL]"}]},"card":"[PAYMENT_CARD]"},"finish_reason":"stop"}]}"#;
    for redaction in [
        MASK,
        r#"{"entities": {"all": "mask", "us_ssn": "placeholder"}, "hash_key_variable": "HASH_KEY"}"#,
    ] {
        let got = whole(&policy(redaction), CHAT, answer, "536-22-1234");
        assert_eq!(String::from_utf8(got.body).unwrap(), want);
    }
}

#[test]
fn of_a_streamed_message_strings_are_pieces_and_what_is_beside_it_is_whole() {
    let chunk = |delta: &str, beside: &str| {
        format!(
            "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{delta},{beside}\"finish_reason\":null}}]}}\n\n"
        )
    };
    let end = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let stream = [
        &chunk(
            r#"{"role":"assistant","thinking":"mail jane@","extra":{"signature":"abc"}}"#,
            r#""content_filter_results":{"hate":{"severity":"safe"}},"#,
        ),
        &chunk(
            r#"{"thinking":"corp.com"}"#,
            r#""content_filter_results":{"hate":{"severity":"safe"}},"#,
        ),
        end,
    ]
    .concat();
    let got = streamed(&policy(MASK), CHAT, stream.as_bytes(), &mut || 9, "x");
    let got = String::from_utf8(got).unwrap();
    assert!(!got.contains("jane") && !got.contains("corp"), "{got}");
    assert_eq!(got.matches(r#""severity":"safe""#).count(), 2, "{got}");
    assert!(got.contains(r#""extra":{"signature":"abc"}"#), "{got}");
    assert!(got.contains("[EMAIL]"), "{got}");
}

#[test]
fn what_is_blocked_is_named_and_not_told() {
    let block = r#"{"entities": {"email": "block"}}"#;
    check_refused(
        block,
        CHAT,
        r#"{"model":"gpt","messages":[{"role":"user","content":"x"},{"role":"user","content":"jane@corp.com"}]}"#,
        "messages[1].content",
        "holds email, which",
    );
    check_refused(
        block,
        CHAT,
        r#"{"model":"gpt","messages":[{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"jane\":\"jane@corp.com\"}"}}]}]}"#,
        "messages[0].tool_calls[0].function.arguments",
        "holds email, which",
    );
}

#[test]
fn a_name_that_may_be_somebodys_is_not_told() {
    check_refused(
        r#"{"entities": {"email": "block"}, "select": {"request": {"include": ["$.metadata"]}}}"#,
        CHAT,
        r#"{"model":"gpt","messages":[],"metadata":{"jane doe":"jane@corp.com"}}"#,
        "metadata",
        "holds email, which",
    );
}

const IMAGE: &str = r#"{"model":"gpt","messages":[{"role":"user","content":[{"type":"text","text":"jane@corp.com"},{"type":"image_url","image_url":{"url":"https://x/a.png"}}]}]}"#;

#[test]
fn media_are_refused_taken_out_or_passed() {
    check_refused(
        MASK,
        CHAT,
        IMAGE,
        "messages[0].content[1]",
        "cannot be looked into",
    );
    check_request(
        r#"{"entities": {"all": "mask"}, "media": "strip"}"#,
        CHAT,
        IMAGE,
        r#"{"model":"gpt-4.1","messages":[{"role":"user","content":[{"type":"text","text":"[EMAIL]"},{"type":"text","text":"[removed]"}]}]}"#,
    );
    check_request(
        r#"{"entities": {"all": "mask"}, "media": "pass"}"#,
        CHAT,
        IMAGE,
        r#"{"model":"gpt-4.1","messages":[{"role":"user","content":[{"type":"text","text":"[EMAIL]"},{"type":"image_url","image_url":{"url":"https://x/a.png"}}]}]}"#,
    );
    check_refused(
        MASK,
        EMBEDDINGS,
        r#"{"model":"embed","input":[1,2]}"#,
        "input[0]",
        "tokens",
    );
    check_refused(
        MASK,
        RESPONSES,
        r#"{"model":"gpt","input":[{"role":"user","content":[{"type":"input_file","file_id":"f"}]}]}"#,
        "input[0].content[0]",
        "files",
    );
}

#[test]
fn a_rule_holds_for_the_provider_it_names() {
    let rules = r#"[{"providers": ["azure"], "entities": {"all": "mask"}}]"#;
    let body = |model: &str| {
        format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"jane@corp.com"}}]}}"#)
    };
    for (model, is_masked) in [("gpt", false), ("gpt-azure", true), ("claude", false)] {
        let Sent::Call(call) = send(&policy(rules), CHAT, &body(model)).1 else {
            panic!("refused");
        };
        let sent = String::from_utf8(call.body).unwrap();
        assert_eq!(sent.contains("[EMAIL]"), is_masked, "{sent}");
        assert_eq!(sent.contains("jane@corp.com"), !is_masked, "{sent}");
    }
}

#[test]
fn the_first_rule_that_fits_holds() {
    let rules =
        r#"[{"models": ["gpt-*"], "entities": {"all": "off"}}, {"entities": {"all": "mask"}}]"#;
    let body = r#"{"model":"gpt-azure","messages":[{"role":"user","content":"jane@corp.com"}]}"#;
    let Sent::Call(call) = send(&policy(rules), CHAT, body).1 else {
        panic!("refused");
    };
    assert!(
        String::from_utf8(call.body)
            .unwrap()
            .contains("jane@corp.com")
    );
    check_request(
        rules,
        CHAT,
        r#"{"model":"gpt","messages":[{"role":"user","content":"jane@corp.com"}]}"#,
        r#"{"model":"gpt-4.1","messages":[{"role":"user","content":"[EMAIL]"}]}"#,
    );
}

#[test]
fn selectors_add_places_and_take_them_away() {
    let body = r#"{"model":"gpt","messages":[{"role":"system","content":"a@corp.com"},{"role":"user","content":"b@corp.com"}],"metadata":{"by":"c@corp.com"}}"#;
    check_request(
        r#"{"entities": {"all": "mask"}, "select": {"request": {"include": ["standard", "$.metadata"], "exclude": ["$.messages[?@.role=='system']"]}}}"#,
        CHAT,
        body,
        r#"{"model":"gpt-4.1","messages":[{"role":"system","content":"a@corp.com"},{"role":"user","content":"[EMAIL]"}],"metadata":{"by":"[EMAIL]"}}"#,
    );
    check_request(
        r#"{"entities": {"all": "mask"}, "select": {"request": {"include": ["$.messages[-1]"]}}}"#,
        CHAT,
        body,
        r#"{"model":"gpt-4.1","messages":[{"role":"system","content":"a@corp.com"},{"role":"user","content":"[EMAIL]"}],"metadata":{"by":"c@corp.com"}}"#,
    );
}

#[test]
fn what_a_rule_would_miss_is_a_problem() {
    for (redaction, problem) in [
        (
            r#"{"providers": ["azur"], "entities": {"all": "mask"}}"#,
            "redaction.providers[0]: cannot take 'azur': fits none that this policy has",
        ),
        (
            r#"{"entities": {"all": "mask"}, "select": {"request": {"include": ["$.mesages[*].content"]}}}"#,
            "begins with a member that no client format has",
        ),
        (
            r#"{"entities": {"all": "mask"}, "select": {"request": {"include": ["$.messages[*].tool_call_id"]}}}"#,
            "selects keys, ids, names or enumerations, which are never touched",
        ),
        (
            r#"{"entities": {"all": "mask"}, "select": {"answer": {"exclude": ["$.choices[?@.index==0]"]}}}"#,
            "picks by what it finds, which a stream shows too late",
        ),
        (
            r#"{"entities": {"all": "mask"}, "select": {"request": {"include": ["$[?match(@.a,'b')]"]}}}"#,
            "its filter calls a function, which this gateway cannot follow",
        ),
        (
            r#"{"entities": {"all": "mask"}, "directions": []}"#,
            "redaction.directions: must not be empty",
        ),
    ] {
        let problems = compile(redaction).unwrap_err();
        assert!(problems.contains(problem), "{problems}");
    }
}

// Answers.

/// The texts of an answer, by their path.
type Texts = BTreeMap<String, String>;

fn answer_head(content_type: &str) -> Headers {
    let mut headers = Headers::new();
    headers.push(":status", "200");
    headers.push("content-type", content_type);
    headers
}

fn begun(redaction: &Rc<Policy>, path: &str, stream: bool, prompt: &str) -> Proxy {
    let body = match path {
        CHAT => {
            json!({"model": "gpt", "stream": stream, "messages": [{"role": "user", "content": prompt}]})
        }
        COMPLETIONS => json!({"model": "gpt", "stream": stream, "prompt": prompt}),
        _ => json!({"model": "gpt", "stream": stream, "input": prompt}),
    };
    let (proxy, sent) = send(redaction, path, &body.to_string());
    assert!(matches!(sent, Sent::Call(_)), "{sent:?}");
    proxy
}

fn whole(policy: &Rc<Policy>, path: &str, answer: &str, prompt: &str) -> Message {
    let mut proxy = begun(policy, path, false, prompt);
    proxy.answer(&answer_head("application/json"), [answer.as_bytes()]);
    proxy.client
}

fn streamed(
    policy: &Rc<Policy>,
    path: &str,
    stream: &[u8],
    cuts: &mut dyn FnMut() -> usize,
    prompt: &str,
) -> Vec<u8> {
    let mut proxy = begun(policy, path, true, prompt);
    let (mut chunks, mut rest) = (Vec::new(), stream);
    while !rest.is_empty() {
        let (chunk, tail) = rest.split_at(cuts().clamp(1, rest.len()));
        chunks.push(chunk);
        rest = tail;
    }
    proxy.answer(&answer_head("text/event-stream"), chunks);
    proxy.client.body
}

/// Adds up the texts of a chat answer, or of the pieces of one.
fn add_choice(choice: &Value, message: &str, texts: &mut Texts) {
    let at = choice["index"].as_u64().unwrap();
    let mut add = |name: String, text: &Value| {
        if let Some(text) = text.as_str() {
            texts
                .entry(format!("{at}.{name}"))
                .or_default()
                .push_str(text);
        }
    };
    add("text".to_owned(), &choice["text"]);
    let message = &choice[message];
    for name in ["content", "reasoning_content", "refusal"] {
        add(name.to_owned(), &message[name]);
    }
    for (place, call) in message["tool_calls"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        let index = call["index"].as_u64().unwrap_or(place as u64);
        add(format!("call{index}"), &call["function"]["arguments"]);
    }
}

/// The texts of a stream, each of whose choices ends with its reason.
fn stream_texts(stream: &[u8]) -> Texts {
    let mut texts = Texts::new();
    let mut ended = Vec::new();
    let stream = String::from_utf8(stream.to_vec()).unwrap();
    assert!(stream.ends_with("data: [DONE]\n\n"), "{stream}");
    for event in stream.split_terminator("\n\n") {
        let data = event.strip_prefix("data: ").expect("one line of data");
        if data == "[DONE]" {
            continue;
        }
        let chunk: Value = serde_json::from_str(data).expect("JSON in, JSON out");
        assert_eq!(chunk["id"], "c1", "{chunk}");
        for choice in chunk["choices"].as_array().unwrap() {
            let index = choice["index"].as_u64().unwrap();
            assert!(
                !ended.contains(&index),
                "a piece behind the finish: {choice}"
            );
            add_choice(choice, "delta", &mut texts);
            if !choice["finish_reason"].is_null() {
                ended.push(index);
            }
        }
    }
    texts
}

/// Texts that hold every kind of finding, and much that nearly is one.
const TEXTS: &[&str] = &[
    "Card 4111 1111 1111 1111, exp 12/27, cvv 123; mail jane.doe@mail.corp.org or 4111-1111-1111-1111.john@x.com!",
    "IBAN DE89 3704 0044 0532 0130 00 / GB82WEST12345698765432; SSN 536-22-1234; ssn 536221234; tel (212) 555-0143 x12",
    "host 8.8.4.4:53, 2a00:1450:4001:81b::200e, 3c:22:fb:9a:01:7e; postgres://app:s3cr3t@db:5432/x https://a:b@c.d/",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a, AKIAIOSFODNN7EXAMPLE eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U.",
    "x -----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY----- \"q\\uote\" 😀 \u{1} é",
    "{\"password\": \"hunter2!\", \"n\":\"４１１１ １１１１\u{200B} １１１１ １１１１\u{301}é\"} jаne＠example.org",
    "aaaa-bbbb a@b a@b.c.d.e@f.gh +1 +49 ( (2 eyJ eyJhbGciOi.x -----BEGIN - ---- 10.0.0. 1.2.3 :: a:b:c =\"\" ghp_ AKIA",
    "",
    "ok",
    "jane@corp.com",
];

fn text(random: &mut Random) -> String {
    let mut text = TEXTS[random.below(TEXTS.len())].to_owned();
    if random.below(2) == 0 {
        text.push_str(TEXTS[random.below(TEXTS.len())]);
    }
    text
}

/// Tool arguments: JSON as a rule, odd escapes in it, or cut short, or none at all.
fn arguments(random: &mut Random) -> String {
    let mut json = format!(
        "{{\"to\": {}, \"list\":[{},4111111111111111,-1.5e3,true,null,{{}}],\"ssn\" :\"536221234\",\"{}\":\"\\u00e9\\/\"}}",
        escaped(&text(random), random),
        escaped(&text(random), random),
        ["jane@corp.com", "k"][random.below(2)],
    );
    match random.below(8) {
        0 => json = cut(&json, random.below(json.len())).to_owned(),
        1 => json.insert_str(random_boundary(&json, random), "jane@corp.com"),
        _ => {}
    }
    json
}

fn random_boundary(text: &str, random: &mut Random) -> usize {
    (0..=random.below(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap()
}

fn cut(text: &str, at: usize) -> &str {
    let at = (0..=at)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap();
    &text[..at]
}

/// A JSON string in which any character may be escaped.
fn escaped(text: &str, random: &mut Random) -> String {
    let mut out = "\"".to_owned();
    let odd = random.below(3) == 0;
    for letter in text.chars() {
        if odd && random.below(4) == 0 {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            let plain = serde_json::to_string(&letter.to_string()).unwrap();
            out.push_str(&plain[1..plain.len() - 1]);
        }
    }
    out.push('"');
    out
}

/// A text in pieces of one, two, three or any number of characters.
fn pieces(text: &str, random: &mut Random) -> Vec<String> {
    let kind = random.below(5);
    let (mut pieces, mut letters) = (Vec::new(), text.chars().peekable());
    while letters.peek().is_some() {
        let count = match kind {
            0..3 => kind + 1,
            3 => 1 + random.below(12),
            _ => text.len(),
        };
        pieces.push(letters.by_ref().take(count).collect());
    }
    pieces
}

/// A choice, the name of a text in it or the place of a tool call, and its pieces.
type Pieces = (usize, &'static str, Option<usize>, Vec<String>);

/// One answer of two choices, whole and as a stream with all of its texts interleaved.
fn chat_answer(random: &mut Random) -> (String, String) {
    let mut channels: Vec<Pieces> = Vec::new();
    let mut choices = Vec::new();
    for choice in 0..2 {
        let (content, reasoning) = (text(random), text(random));
        let calls = [arguments(random), arguments(random)];
        channels.push((choice, "content", None, pieces(&content, random)));
        channels.push((
            choice,
            "reasoning_content",
            None,
            pieces(&reasoning, random),
        ));
        for (index, call) in calls.iter().enumerate() {
            channels.push((choice, "", Some(index), pieces(call, random)));
        }
        let calls: Vec<_> = calls
            .iter()
            .map(|call| {
                format!(
                    r#"{{"id":"t","type":"function","function":{{"name":"f","arguments":{}}}}}"#,
                    escaped(call, random)
                )
            })
            .collect();
        choices.push(format!(
            r#"{{"index":{choice},"message":{{"role":"assistant","content":{},"reasoning_content":{},"tool_calls":[{}]}},"logprobs":{{"content":[{{"token":"jane@corp.com"}}]}},"finish_reason":"stop"}}"#,
            escaped(&content, random),
            escaped(&reasoning, random),
            calls.join(",")
        ));
    }
    let whole = format!(
        r#"{{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{}],"usage":{{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}}}"#,
        choices.join(",")
    );
    (whole, interleaved(channels, random))
}

/// The pieces of these channels as a stream, in any order.
fn interleaved(mut channels: Vec<Pieces>, random: &mut Random) -> String {
    let mut stream = String::new();
    let mut event = |choices: &str| {
        stream.push_str(&format!(
            "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{choices}],\"usage\":null}}\n\n"
        ));
    };
    for channel in &mut channels {
        channel.3.reverse();
    }
    let mut open = channels;
    for choice in 0..2 {
        event(&format!(
            r#"{{"index":{choice},"delta":{{"role":"assistant","content":""}},"finish_reason":null}}"#
        ));
    }
    while !open.is_empty() {
        let at = random.below(open.len());
        let (choice, name, index, left) = &mut open[at];
        let piece = left.pop();
        let escaped = escaped(piece.as_deref().unwrap_or_default(), random);
        let delta = match index {
            Some(index) => format!(
                r#""tool_calls":[{{"index":{index},"function":{{"arguments":{escaped}}}}}]"#
            ),
            None => format!("\"{name}\":{escaped}"),
        };
        let choice = *choice;
        if left.is_empty() {
            open.remove(at);
        }
        let is_last = !open.iter().any(|(other, ..)| *other == choice);
        // The finish comes with the last piece, or behind it.
        let with = is_last && random.below(2) == 0;
        let reason = if with { "\"stop\"" } else { "null" };
        event(&format!(
            r#"{{"index":{choice},"delta":{{{delta}}},"logprobs":{{"content":[{{"token":{escaped}}}]}},"finish_reason":{reason}}}"#
        ));
        if is_last && !with {
            event(&format!(
                r#"{{"index":{choice},"delta":{{}},"finish_reason":"stop"}}"#
            ));
        }
    }
    stream.push_str("data: [DONE]\n\n");
    stream
}

const PLANS: &[&str] = &[
    MASK,
    r#"{"entities": {"all": {"action": "partial", "keep_last": 4}}}"#,
    r#"{"entities": {"all": "hash", "email": "report"}, "hash_key_variable": "HASH_KEY"}"#,
    r#"{"entities": {"all": "placeholder"}, "hash_key_variable": "HASH_KEY", "allow": ["jane@corp.com"]}"#,
    r#"{"entities": {"all": "placeholder"}, "hash_key_variable": "HASH_KEY", "directions": ["request"]}"#,
];

#[test]
fn a_streamed_chat_answer_is_what_the_whole_one_is_however_it_is_cut() {
    let mut random = Random(77);
    let mut changed = 0;
    for round in 0..60 {
        let policy = policy(PLANS[round % PLANS.len()]);
        let prompt = "I am jane.doe@mail.corp.org, 4111 1111 1111 1111";
        let (answer, stream) = chat_answer(&mut random);
        let one = whole(&policy, CHAT, &answer, prompt).body;
        let one: Value = serde_json::from_slice(&one).unwrap();
        let mut want = Texts::new();
        for choice in one["choices"].as_array().unwrap() {
            add_choice(choice, "message", &mut want);
        }
        let kind = random.below(4);
        let mut cuts = || match kind {
            0..3 => kind + 1,
            _ => 1 + random.below(400),
        };
        let got = stream_texts(&streamed(
            &policy,
            CHAT,
            stream.as_bytes(),
            &mut cuts,
            prompt,
        ));
        assert_eq!(got, want, "round {round}");
        changed += usize::from(
            want.values()
                .any(|text| text.contains('[') || text.contains("***")),
        );
    }
    assert!(changed > 30, "{changed}");
}

/// The items of an answer.
fn response_items(reasoning: &str, content: &str, call: &str, random: &mut Random) -> [String; 3] {
    [
        format!(
            r#"{{"type":"reasoning","id":"r","summary":[{{"type":"summary_text","text":{}}}]}}"#,
            escaped(reasoning, random)
        ),
        format!(
            r#"{{"type":"message","id":"m","role":"assistant","status":"completed","content":[{{"type":"output_text","text":{},"annotations":[],"logprobs":[{{"token":"jane@corp.com"}}]}}]}}"#,
            escaped(content, random)
        ),
        format!(
            r#"{{"type":"function_call","id":"f","call_id":"c","name":"f","arguments":{}}}"#,
            escaped(call, random)
        ),
    ]
}

/// One answer of a message, a reasoning and a call, whole and as the events that OpenAI writes.
fn responses_answer(random: &mut Random) -> (String, String) {
    let (content, reasoning, call) = (text(random), text(random), arguments(random));
    let output = response_items(&reasoning, &content, &call, random);
    let whole = format!(
        r#"{{"id":"resp_1","object":"response","status":"completed","model":"m","output":[{}],"usage":null}}"#,
        output.join(",")
    );
    let mut stream = String::new();
    let mut number = 0;
    let mut event = |name: &str, members: String| {
        stream.push_str(&format!("event: {name}\ndata: {{\"type\":\"{name}\",\"sequence_number\":{number},{members}}}\n\n"));
        number += 1;
    };
    let begun =
        r#""response":{"id":"resp_1","object":"response","status":"in_progress","output":[]}"#;
    event("response.created", begun.to_owned());
    let mut channels = vec![
        (
            "response.reasoning_summary_text.delta",
            r#""item_id":"r","output_index":0,"summary_index":0"#,
            pieces(&reasoning, random),
        ),
        (
            "response.output_text.delta",
            r#""item_id":"m","output_index":1,"content_index":0,"logprobs":[{"token":"jane@corp.com"}]"#,
            pieces(&content, random),
        ),
        (
            "response.function_call_arguments.delta",
            r#""item_id":"f","output_index":2"#,
            pieces(&call, random),
        ),
    ];
    for channel in &mut channels {
        channel.2.reverse();
    }
    while !channels.is_empty() {
        let at = random.below(channels.len());
        let (name, place, left) = &mut channels[at];
        let (name, place) = (*name, *place);
        if let Some(piece) = left.pop() {
            event(
                name,
                format!("{place},\"delta\":{}", escaped(&piece, random)),
            );
            continue;
        }
        channels.remove(at);
        match name {
            "response.reasoning_summary_text.delta" => {
                event(
                    "response.reasoning_summary_text.done",
                    format!("{place},\"text\":{}", escaped(&reasoning, random)),
                );
                event(
                    "response.output_item.done",
                    format!("\"output_index\":0,\"item\":{}", output[0]),
                );
            }
            // Without an event of its own the text ends with its item.
            "response.output_text.delta" => event(
                "response.output_item.done",
                format!("\"output_index\":1,\"item\":{}", output[1]),
            ),
            _ => event(
                "response.function_call_arguments.done",
                format!("{place},\"arguments\":{}", escaped(&call, random)),
            ),
        }
    }
    event("response.completed", format!("\"response\":{whole}"));
    (whole, stream)
}

/// The texts of an answer of responses.
fn response_texts(response: &Value) -> Texts {
    let mut texts = Texts::new();
    for (at, item) in response["output"].as_array().unwrap().iter().enumerate() {
        let text = [
            &item["summary"][0]["text"],
            &item["content"][0]["text"],
            &item["arguments"],
        ];
        let text = text.iter().find_map(|text| text.as_str()).unwrap();
        texts.insert(at.to_string(), text.to_owned());
    }
    texts
}

/// What the pieces of a stream make together; whatever an event repeats whole is the same.
fn response_stream_texts(stream: &[u8]) -> Texts {
    let mut texts: Texts = (0..3).map(|at| (at.to_string(), String::new())).collect();
    let mut completed = None;
    let stream = String::from_utf8(stream.to_vec()).unwrap();
    for (number, event) in stream.split_terminator("\n\n").enumerate() {
        let (name, data) = event.split_once("\ndata: ").expect("a name and data");
        let event: Value = serde_json::from_str(data).expect("JSON in, JSON out");
        assert_eq!(
            event["sequence_number"], number,
            "events are numbered through"
        );
        let kind = event["type"].as_str().unwrap();
        assert_eq!(name, format!("event: {kind}"));
        let at = event["output_index"].to_string();
        if let Some(piece) = event["delta"].as_str() {
            texts.get_mut(&at).unwrap().push_str(piece);
        }
        for whole in [&event["text"], &event["arguments"]] {
            if let Some(whole) = whole.as_str() {
                assert_eq!(texts[&at], whole);
            }
        }
        if event["item"].is_object() {
            let item = json!({"output": [event["item"]]});
            assert_eq!(response_texts(&item)["0"], texts[&at]);
        }
        if kind == "response.completed" {
            completed = Some(event["response"].clone());
        }
    }
    assert_eq!(response_texts(&completed.unwrap()), texts);
    texts
}

#[test]
fn a_streamed_response_is_what_the_whole_one_is_however_it_is_cut() {
    let mut random = Random(99);
    for round in 0..60 {
        let policy = policy(PLANS[round % PLANS.len()]);
        let prompt = "I am jane.doe@mail.corp.org, 4111 1111 1111 1111";
        let (answer, stream) = responses_answer(&mut random);
        let one = whole(&policy, RESPONSES, &answer, prompt).body;
        let want = response_texts(&serde_json::from_slice(&one).unwrap());
        let kind = random.below(4);
        let mut cuts = || match kind {
            0..3 => kind + 1,
            _ => 1 + random.below(400),
        };
        let stream = streamed(&policy, RESPONSES, stream.as_bytes(), &mut cuts, prompt);
        assert_eq!(response_stream_texts(&stream), want, "round {round}");
        let redacts_answers = !PLANS[round % PLANS.len()].contains("directions");
        let has_shadow = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("token\":");
        assert_eq!(
            (has_shadow(&one), has_shadow(&stream)),
            (!redacts_answers, !redacts_answers)
        );
    }
}

#[test]
fn a_streamed_completion_is_what_the_whole_one_is() {
    let mut random = Random(11);
    let policy = policy(MASK);
    for _ in 0..20 {
        let text = text(&mut random);
        let choice = |text: &str, reason: &str| {
            format!(
                r#"{{"id":"c1","object":"text_completion","created":1,"model":"m","choices":[{{"text":{text},"index":0,"logprobs":null,"finish_reason":{reason}}}]}}"#
            )
        };
        let one = whole(
            &policy,
            COMPLETIONS,
            &choice(&escaped(&text, &mut random), "\"stop\""),
            "x",
        )
        .body;
        let one: Value = serde_json::from_slice(&one).unwrap();
        let mut want = Texts::new();
        add_choice(&one["choices"][0], "", &mut want);
        let mut stream = String::new();
        for piece in pieces(&text, &mut random) {
            stream.push_str(&format!(
                "data: {}\n\n",
                choice(&escaped(&piece, &mut random), "null")
            ));
        }
        stream.push_str(&format!(
            "data: {}\n\ndata: [DONE]\n\n",
            choice("\"\"", "\"stop\"")
        ));
        let got = stream_texts(&streamed(
            &policy,
            COMPLETIONS,
            stream.as_bytes(),
            &mut || 3,
            "x",
        ));
        assert_eq!(got, want);
    }
}

const CHUNK: &str = r#"data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"TEXT"},"finish_reason":null}]}"#;

fn chunks(texts: &[&str]) -> String {
    texts
        .iter()
        .map(|text| format!("{}\n\n", CHUNK.replace("TEXT", text)))
        .collect()
}

#[test]
fn a_stream_that_breaks_off_never_tells_what_was_held_back() {
    let stream = chunks(&["the card is ", "4111 1111 ", "1111 11"]);
    for (answer, end) in [
        (stream.clone(), "upstream_truncated"),
        (format!("{stream}data: {{\n\n"), "upstream_corrupt"),
    ] {
        let got = streamed(&policy(MASK), CHAT, answer.as_bytes(), &mut || 7, "x");
        let got = String::from_utf8(got).unwrap();
        assert!(got.contains("the card is"), "{got}");
        assert!(!got.contains("4111") && !got.contains("[DONE]"), "{got}");
        assert!(got.contains(end), "{got}");
    }
}

#[test]
fn choices_that_do_not_say_their_index_are_told_by_their_place() {
    let pieces = chunks(&["mail jane@", "corp.com ", "now"]).replace("\"index\":0,", "");
    let end = CHUNK
        .replace(r#"{"content":"TEXT"}"#, "{}")
        .replace("null", "\"stop\"");
    let stream = format!("{pieces}{end}\n\ndata: [DONE]\n\n");
    let got = streamed(&policy(MASK), CHAT, stream.as_bytes(), &mut || 9, "x");
    let got = String::from_utf8(got).unwrap();
    assert!(!got.contains("jane") && !got.contains("corp"), "{got}");
    assert!(got.contains("[EMAIL]") && got.contains("now"), "{got}");
}

#[test]
fn pieces_of_events_that_no_table_knows_are_pieces() {
    let event = |kind: &str, index: u32, rest: &str| {
        format!(
            "event: {kind}\ndata: {{\"type\":\"{kind}\",\"output_index\":{index},\"item_id\":\"i{index}\",{rest}}}\n\n"
        )
    };
    let (delta, done) = ("response.odd_text.delta", "response.odd_text.done");
    let mut random = Random(7);
    let (_, stream) = responses_answer(&mut random);
    let at = stream.find("event: response.completed").unwrap();
    let (before, after) = stream.split_at(at);
    let stream = [
        before,
        &event(delta, 90, "\"delta\":\"mail jane@\""),
        &event(delta, 91, "\"delta\":\"or joe@corp\""),
        &event(delta, 90, "\"delta\":\"corp.com\""),
        &event(done, 90, "\"text\":\"mail jane@corp.com\""),
        &event(delta, 91, "\"delta\":\"-mail.com\""),
        after,
    ]
    .concat();
    let got = streamed(&policy(MASK), RESPONSES, stream.as_bytes(), &mut || 40, "x");
    let got = String::from_utf8(got).unwrap();
    for held in ["jane", "joe", "corp"] {
        assert!(!got[at.min(got.len())..].contains(held), "{got}");
    }
    let mut texts = BTreeMap::new();
    let mut ended = false;
    for data in got.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let event: Value = serde_json::from_str(data).unwrap();
        let index = event["output_index"].as_u64().unwrap_or_default();
        ended |= event["type"] == done;
        if event["type"] == delta {
            assert!(!(ended && index == 90), "a piece behind the end: {event}");
            let text: &mut String = texts.entry(index).or_default();
            text.push_str(event["delta"].as_str().unwrap());
        }
    }
    assert_eq!(texts[&90], "mail [EMAIL]");
    assert_eq!(texts[&91], "or [EMAIL]");
}

/// Redacts a stream whose events have these types and members; an answer's end comes behind them.
#[track_caller]
fn typed_stream(redaction: &str, events: &[(&str, &str)]) -> Vec<Value> {
    let mut stream = String::new();
    for (number, (kind, members)) in events.iter().enumerate() {
        stream.push_str(&format!(
            "event: {kind}\ndata: {{\"type\":\"{kind}\",\"sequence_number\":{number},{members}}}\n\n"
        ));
    }
    let (kind, number) = ("response.completed", events.len());
    stream.push_str(&format!(
        "event: {kind}\ndata: {{\"type\":\"{kind}\",\"sequence_number\":{number},\"response\":{{\"id\":\"r\",\"status\":\"completed\",\"output\":[]}}}}\n\n"
    ));
    let got = streamed(
        &policy(redaction),
        RESPONSES,
        stream.as_bytes(),
        &mut || 17,
        "x",
    );
    let got = String::from_utf8(got).unwrap();
    let data = got.lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<Value> = data
        .map(|data| serde_json::from_str(data).expect(data))
        .collect();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number, "{got}");
    }
    assert_eq!(events.last().unwrap()["type"], kind, "{got}");
    events
}

/// What the pieces at this pointer of events of this type make together, by one of their members.
fn added_up(events: &[Value], kind: &str, by: &str, pointer: &str) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for event in events.iter().filter(|event| event["type"] == kind) {
        let text: &mut String = texts.entry(event[by].to_string()).or_default();
        text.push_str(
            event
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default(),
        );
    }
    texts
}

fn two(first: &str, second: &str) -> BTreeMap<String, String> {
    let texts = [first, second].map(str::to_owned);
    ["0", "1"]
        .map(str::to_owned)
        .into_iter()
        .zip(texts)
        .collect()
}

#[test]
fn a_patch_comes_in_pieces() {
    let (delta, done) = (
        "response.apply_patch_call_operation_diff.delta",
        "response.apply_patch_call_operation_diff.done",
    );
    let got = typed_stream(
        MASK,
        &[
            (
                delta,
                r#""output_index":0,"item_id":"a","delta":"+to jane@""#,
            ),
            (
                delta,
                r#""output_index":1,"item_id":"b","delta":"-4111 1111 ""#,
            ),
            (
                delta,
                r#""output_index":0,"item_id":"a","delta":"corp.com""#,
            ),
            (
                done,
                r#""output_index":0,"item_id":"a","diff":"+to jane@corp.com""#,
            ),
            (
                delta,
                r#""output_index":1,"item_id":"b","delta":"1111 1111""#,
            ),
            (
                done,
                r#""output_index":1,"item_id":"b","diff":"-4111 1111 1111 1111""#,
            ),
        ],
    );
    let want = two("+to [EMAIL]", "-[PAYMENT_CARD]");
    assert_eq!(added_up(&got, delta, "output_index", "/delta"), want);
    assert_eq!(added_up(&got, done, "output_index", "/diff"), want);
}

#[test]
fn commands_come_in_pieces() {
    let (delta, done) = (
        "response.shell_call_command.delta",
        "response.shell_call_command.done",
    );
    let got = typed_stream(
        MASK,
        &[
            (
                "response.shell_call_command.added",
                r#""output_index":0,"command_index":0,"command":"a@corp.com""#,
            ),
            (
                delta,
                r#""output_index":0,"command_index":0,"delta":"mail jane@""#,
            ),
            (
                delta,
                r#""output_index":0,"command_index":1,"delta":"ping 8.8.""#,
            ),
            (
                delta,
                r#""output_index":0,"command_index":0,"delta":"corp.com""#,
            ),
            (
                done,
                r#""output_index":0,"command_index":0,"command":"mail jane@corp.com""#,
            ),
            (delta, r#""output_index":0,"command_index":1,"delta":"4.4""#),
            (
                done,
                r#""output_index":0,"command_index":1,"command":"ping 8.8.4.4""#,
            ),
        ],
    );
    let want = two("mail [EMAIL]", "ping [IPV4]");
    assert_eq!(got[0]["command"], "[EMAIL]");
    assert_eq!(added_up(&got, delta, "command_index", "/delta"), want);
    assert_eq!(added_up(&got, done, "command_index", "/command"), want);
}

#[test]
fn what_commands_write_comes_in_two_texts_of_pieces() {
    let (delta, done) = (
        "response.shell_call_output_content.delta",
        "response.shell_call_output_content.done",
    );
    let got = typed_stream(
        MASK,
        &[
            (
                delta,
                r#""output_index":0,"item_id":"a","command_index":0,"delta":{"stdout":"jane@","stderr":"8.8."}"#,
            ),
            (
                delta,
                r#""output_index":0,"item_id":"a","command_index":1,"delta":{"stdout":"joe@"}"#,
            ),
            (
                delta,
                r#""output_index":0,"item_id":"a","command_index":0,"delta":{"stdout":"corp.com"}"#,
            ),
            (
                delta,
                r#""output_index":0,"item_id":"a","command_index":0,"delta":{"stderr":"4.4"}"#,
            ),
            (
                done,
                r#""output_index":0,"item_id":"a","command_index":0,"output":[{"stdout":"jane@corp.com","stderr":"8.8.4.4","outcome":{"type":"exit","exit_code":0}}]"#,
            ),
            (
                delta,
                r#""output_index":0,"item_id":"a","command_index":1,"delta":{"stdout":"corp.com"}"#,
            ),
        ],
    );
    assert_eq!(
        added_up(&got, delta, "command_index", "/delta/stdout"),
        two("[EMAIL]", "[EMAIL]")
    );
    assert_eq!(
        added_up(&got, delta, "command_index", "/delta/stderr"),
        two("[IPV4]", "")
    );
    assert_eq!(
        added_up(&got, done, "command_index", "/output/0/stdout")["0"],
        "[EMAIL]"
    );
    assert_eq!(
        added_up(&got, done, "command_index", "/output/0/stderr")["0"],
        "[IPV4]"
    );
}

#[test]
fn audio_is_no_text() {
    let audio = r#""delta":"anRhbmVAY29ycC5jb20=4111111111111111""#;
    let got = typed_stream(
        MASK,
        &[
            ("response.audio.delta", audio),
            ("response.audio.transcript.delta", r#""delta":"jane@""#),
            ("response.audio.transcript.delta", r#""delta":"corp.com""#),
        ],
    );
    assert_eq!(got[0]["delta"], "anRhbmVAY29ycC5jb20=4111111111111111");
    let text = added_up(&got, "response.audio.transcript.delta", "item_id", "/delta");
    assert_eq!(text["null"], "[EMAIL]");
}

#[test]
fn a_selector_of_everything_meets_probabilities_too() {
    let all = r#"{"entities": {"all": "mask"}, "select": {"answer": {"include": ["$..*"]}}}"#;
    let delta = "response.output_text.delta";
    let place = r#""output_index":0,"content_index":0,"item_id":"m","note":"joe@corp.com","logprobs":[{"token":"jane@corp.com"}]"#;
    let got = typed_stream(
        all,
        &[
            (delta, &format!(r#"{place},"delta":"jane@""#)),
            (delta, &format!(r#"{place},"delta":"corp.com""#)),
        ],
    );
    assert_eq!(
        added_up(&got, delta, "content_index", "/delta")["0"],
        "[EMAIL]"
    );
    for event in &got[..3] {
        assert_eq!(
            (&event["logprobs"], &event["note"]),
            (&json!([]), &json!("[EMAIL]"))
        );
    }
}

#[test]
fn what_tells_texts_apart_is_bounded() {
    let note = "n".repeat(600_000);
    let event = |index: usize| {
        format!(
            "data: {{\"type\":\"response.output_text.delta\",\"output_index\":{index},\"content_index\":0,\"note\":\"{note}\",\"delta\":\"{}a@\"}}\n\n",
            "b ".repeat(9)
        )
    };
    let stream: String = (0..12).map(event).collect();
    let got = streamed(
        &policy(MASK),
        RESPONSES,
        stream.as_bytes(),
        &mut || 65_536,
        "x",
    );
    let got = String::from_utf8(got).unwrap();
    assert!(
        got.contains("upstream_too_large"),
        "{}",
        &got[got.len() - 500..]
    );
}

#[test]
fn a_first_chunk_that_names_no_answer_is_not_what_is_added_like() {
    let first = r#"data: {"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}],"created":0,"id":"","model":"","object":""}"#;
    let end = CHUNK
        .replace(r#"{"content":"TEXT"}"#, "{}")
        .replace("null", "\"stop\"");
    let pieces = chunks(&["mail jane@", "corp.com"]);
    let stream = format!("{first}\n\n{pieces}{end}\n\ndata: [DONE]\n\n");
    let got = streamed(&policy(MASK), CHAT, stream.as_bytes(), &mut || 9, "x");
    let got = String::from_utf8(got).unwrap();
    let told = got.lines().filter(|line| line.contains("[EMAIL]"));
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), 1, "{got}");
    assert!(
        told[0].contains(r#""id":"c1""#) && told[0].contains(r#""model":"m""#),
        "{got}"
    );
}

#[test]
fn more_findings_than_can_be_replaced_are_the_apps_to_mend() {
    let many = "a@corp.com ".repeat(65_537);
    let body = json!({"model": "gpt", "messages": [{"role": "user", "content": many}]});
    let Sent::Reply(reply) = send(&policy(MASK), CHAT, &body.to_string()).1 else {
        panic!("it left");
    };
    let error: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(reply.headers.status(), 400);
    assert_eq!(error["error"]["code"], "too_many_findings");
    let said = error["error"]["message"].as_str().unwrap();
    assert!(said.contains("more than 65536 values"), "{said}");
}

/// What an app gets of this failure, and the request was this prompt.
fn failed(redaction: &str, path: &str, model: &str, status: &str, body: &str) -> Message {
    let request = match path {
        CHAT => {
            json!({"model": model, "messages": [{"role": "user", "content": "I am joe@corp.com"}]})
        }
        _ => json!({"model": model, "input": "I am joe@corp.com"}),
    };
    let (mut proxy, sent) = send(&policy(redaction), path, &request.to_string());
    assert!(matches!(sent, Sent::Call(_)), "{sent:?}");
    let mut head = answer_head("application/json");
    head.set(":status", status);
    proxy.answer(&head, [body.as_bytes()]);
    proxy.client
}

#[test]
fn what_a_provider_says_of_an_error_is_redacted_too() {
    let openai = r#"{"error":{"message":"no such user: jane@corp.com","type":"invalid_request_error","param":"messages","code":"bad"}}"#;
    let azure = r#"{"error":{"message":"no: jane@corp.com","code":"content_filter","innererror":{"code":"x","content_filter_result":{"custom_blocklists":{"details":[{"id":"jane@corp.com"}]}}}}}"#;
    let aws = r#"{"message":"no: jane@corp.com"}"#;
    for (path, model, body) in [
        (CHAT, "gpt", openai),
        (RESPONSES, "gpt", openai),
        (EMBEDDINGS, "embed", openai),
        (CHAT, "gpt-azure", azure),
        (CHAT, "claude", aws),
    ] {
        let got = failed(MASK, path, model, "400", body);
        let told = String::from_utf8(got.body).unwrap();
        assert_eq!(got.headers.status(), 400);
        assert!(
            told.contains("[EMAIL]") && !told.contains("corp.com"),
            "{told}"
        );
        let requests_only = r#"{"entities": {"all": "mask"}, "directions": ["request"]}"#;
        let got = failed(requests_only, path, model, "400", body);
        let told = String::from_utf8(got.body).unwrap();
        assert!(told.contains("jane@corp.com"), "{told}");
    }
    let block = r#"[{"entities": {"email": "block"}, "directions": ["answer"]}]"#;
    let got = failed(block, CHAT, "gpt", "400", openai);
    let told: Value = serde_json::from_slice(&got.body).unwrap();
    assert_eq!(
        (got.headers.status(), &told["error"]["code"]),
        (400, &json!("bad"))
    );
    let said = told["error"]["message"].as_str().unwrap();
    assert!(said.contains("policy blocks what it said"), "{said}");

    let (mut proxy, _) = send_agents(MASK, ITEMS, "");
    let mut head = answer_head("application/json");
    head.set(":status", "404");
    proxy.answer(&head, [openai.as_bytes()]);
    let told = String::from_utf8(proxy.client.body).unwrap();
    assert!(
        told.contains("[EMAIL]") && !told.contains("corp.com"),
        "{told}"
    );
}

#[test]
fn an_error_in_a_stream_is_redacted_too() {
    let error = r#"{"error":{"message":"no: jane@corp.com","type":"server_error","code":"bad"}}"#;
    let stream = format!("{}data: {error}\n\n", chunks(&["hi"]));
    let chat = streamed(&policy(MASK), CHAT, stream.as_bytes(), &mut || 9, "x");
    let alone = format!("data: {error}\n\n");
    let first = streamed(&policy(MASK), CHAT, alone.as_bytes(), &mut || 9, "x");
    let mut random = Random(3);
    let (_, stream) = responses_answer(&mut random);
    let at = stream.find("event: response.completed").unwrap();
    let failed = r#"{"type":"response.failed","sequence_number":900,"response":{"id":"resp_1","object":"response","status":"failed","error":{"code":"server_error","message":"no: jane@corp.com"},"output":[]}}"#;
    let stream = format!(
        "{}event: response.failed\ndata: {failed}\n\n",
        &stream[..at]
    );
    let response = streamed(&policy(MASK), RESPONSES, stream.as_bytes(), &mut || 50, "x");
    for got in [chat, first, response] {
        let got = String::from_utf8(got).unwrap();
        assert!(
            got.contains("no: [EMAIL]") && !got.contains("no: jane"),
            "{got}"
        );
    }
}

#[test]
fn the_code_and_type_of_an_error_are_words_of_the_providers_too() {
    let error = r#"{"error":{"message":"no","type":"of-536-22-1234","param":"to 536-22-1234","code":"536-22-1234"}}"#;
    for redaction in [MASK, r#"{"entities": {"us_ssn": "block"}}"#] {
        let stream = format!("{}data: {error}\n\n", chunks(&["hi"]));
        let in_stream = streamed(&policy(redaction), CHAT, stream.as_bytes(), &mut || 9, "x");
        let whole = failed(redaction, CHAT, "gpt", "429", error).body;
        let response = failed(redaction, RESPONSES, "gpt", "500", error).body;
        for told in [in_stream, whole, response] {
            let told = String::from_utf8(told).unwrap();
            assert!(!told.contains("1234"), "{told}");
            assert!(told.contains(r#""code":null"#), "{told}");
        }
    }
}

#[test]
fn a_code_with_a_finding_is_not_logged_where_only_requests_are_redacted() {
    let error = r#"{"error":{"message":"no 536-22-1234","type":"a","code":"536-22-1234"}}"#;
    let requests = r#"{"entities": {"all": "mask"}, "directions": ["request"]}"#;
    let told = String::from_utf8(failed(requests, CHAT, "gpt", "429", error).body).unwrap();
    assert!(told.contains("no 536-22-1234"), "{told}");
    assert!(told.contains(r#""code":null"#), "{told}");
}

#[test]
fn what_frames_an_event_is_redacted_too() {
    let chunk = chunks(&["hi "]);
    let chunk = chunk.trim_end();
    let stream = [
        ": asked by jane@corp.com\n\n",
        ": keep-alive\n\n",
        &format!("id: bob@corp.com\n{chunk}\n\n"),
        &format!("event: tom@corp.com\ndatabase: tim@corp.com\n{chunk}\n\n"),
        &format!("id: 7\nretry: 5\nevent: chunk\n{chunk}\n\n"),
        &CHUNK
            .replace(r#"{"content":"TEXT"}"#, "{}")
            .replace("null", "\"stop\""),
        "\n\n: by ann@corp.com\ndata: [DONE]\n\n",
    ]
    .concat();
    let got = streamed(&policy(MASK), CHAT, stream.as_bytes(), &mut || 9, "x");
    let got = String::from_utf8(got).unwrap();
    assert!(!got.contains("corp.com"), "{got}");
    assert!(got.contains(": keep-alive\n\n"), "{got}");
    assert!(
        got.contains("id: 7\nretry: 5\nevent: chunk\ndata: "),
        "{got}"
    );
    assert_eq!(got.matches(r#""content":"hi ""#).count(), 3, "{got}");
    assert!(got.ends_with("data: [DONE]\n\n"), "{got}");
}

#[test]
fn what_a_guardrail_found_is_redacted() {
    let body = r#"{"model":"claude","messages":[{"role":"user","content":"x"}]}"#;
    let mut asked = head(CHAT, body.as_bytes());
    asked.push("x-tollgate-guardrail-trace", "true");
    let mut proxy = Proxy::new(&policy(MASK));
    proxy.request(asked, body.as_bytes());
    let answer = r#"{"output":{"message":{"role":"assistant","content":[{"text":"hi"}]}},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2},"metrics":{"latencyMs":1},"trace":{"guardrail":{"inputAssessment":{"g":{"sensitiveInformationPolicy":{"piiEntities":[{"match":"jane@corp.com","type":"EMAIL","action":"NONE"}]}}}}}}"#;
    proxy.answer(&answer_head("application/json"), [answer.as_bytes()]);
    let told = proxy
        .client
        .headers
        .text("x-tollgate-guardrail-trace")
        .unwrap();
    assert!(
        told.contains(r#""match":"[EMAIL]","type":"EMAIL""#),
        "{told}"
    );

    let trace = r#""amazon-bedrock-trace":{"guardrail":{"input":{"g":{"match":"jane@corp.com"}},"outputs":["joe@corp.com"]}}"#;
    let answer = format!(
        r#"{{"id":"c1","choices":[{{"index":0,"message":{{"role":"assistant","content":"hi"}},"finish_reason":"stop"}}],{trace}}}"#
    );
    let got = whole(&policy(MASK), CHAT, &answer, "x").body;
    let got = String::from_utf8(got).unwrap();
    assert!(
        got.contains(r#""match":"[EMAIL]""#) && !got.contains("corp.com"),
        "{got}"
    );
    let end = CHUNK
        .replace(r#"{"content":"TEXT"}"#, "{}")
        .replace("null", "\"stop\"");
    let end = end.replace(r#""model":"m""#, &format!(r#""model":"m",{trace}"#));
    let stream = format!("{}{end}\n\ndata: [DONE]\n\n", chunks(&["hi"]));
    let got = streamed(&policy(MASK), CHAT, stream.as_bytes(), &mut || 9, "x");
    let got = String::from_utf8(got).unwrap();
    assert!(
        got.contains(r#""match":"[EMAIL]""#) && !got.contains("corp.com"),
        "{got}"
    );
    assert_eq!(got.matches("amazon-bedrock-trace").count(), 1, "{got}");
}

#[test]
fn an_empty_finish_reason_ends_no_text() {
    let pieces = chunks(&["mail jane@", "corp.com"]).replace("null", "\"\"");
    let end = CHUNK
        .replace(r#"{"content":"TEXT"}"#, "{}")
        .replace("null", "\"stop\"");
    let stream = format!("{pieces}{end}\n\ndata: [DONE]\n\n");
    let got = streamed(&policy(MASK), CHAT, stream.as_bytes(), &mut || 9, "x");
    let got = String::from_utf8(got).unwrap();
    assert!(!got.contains("corp") && got.contains("[EMAIL]"), "{got}");
}

#[test]
fn a_failed_response_repeats_nothing_that_was_held_back() {
    let mut random = Random(5);
    let (_, stream) = responses_answer(&mut random);
    let at = stream.find("response.completed").unwrap();
    let got = streamed(
        &policy(MASK),
        RESPONSES,
        &stream.as_bytes()[..at],
        &mut || 50,
        "x",
    );
    let got = String::from_utf8(got).unwrap();
    assert!(got.contains("upstream_truncated"), "{got}");
    assert!(!got.contains("response.completed"));
}

#[test]
fn a_failed_response_repeats_what_was_asked_redacted() {
    let created = r#"{"type":"response.created","sequence_number":0,"response":{"id":"r","object":"response","status":"in_progress","instructions":"ask jane@corp.com","output":[]}}"#;
    let stream = format!("event: response.created\ndata: {created}\n\n");
    let got = streamed(&policy(MASK), RESPONSES, stream.as_bytes(), &mut || 50, "x");
    let got = String::from_utf8(got).unwrap();
    assert!(got.contains("response.failed"), "{got}");
    assert_eq!(
        got.matches(r#""instructions":"ask [EMAIL]""#).count(),
        2,
        "{got}"
    );
    assert!(!got.contains("jane"), "{got}");
}

#[test]
fn a_member_that_comes_twice_in_an_event_is_redacted_twice() {
    let twice = r#"{"type":"agent.session.turn.output_text.delta","item_id":"i","content_index":0,"delta":"hi ","delta":"jane@corp.com "}"#;
    let stream = format!("data: {twice}\n\n");
    let got = agents_answer(MASK, EVENTS, "text/event-stream", &[stream.as_bytes()]);
    let got = String::from_utf8(got.body).unwrap();
    assert!(got.contains(r#""delta":"hi ","delta":"[EMAIL] ""#), "{got}");
}

#[test]
fn a_blocked_answer_ends_with_an_error() {
    let block = policy(r#"{"entities": {"email": "block"}}"#);
    let stream = format!(
        "{}data: [DONE]\n\n",
        chunks(&["mail to jane@", "corp.com and", " more"])
    );
    let got = streamed(&block, CHAT, stream.as_bytes(), &mut || 9, "x");
    let got = String::from_utf8(got).unwrap();
    assert!(
        got.contains("content_blocked") && got.contains("holds email"),
        "{got}"
    );
    assert!(
        !got.contains("jane") && !got.contains("[DONE]") && !got.contains("more"),
        "{got}"
    );

    let answer = r#"{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"jane@corp.com"},"finish_reason":"stop"}]}"#;
    let answer = whole(&block, CHAT, answer, "x");
    assert_eq!(answer.headers.status(), 400);
    let error: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(error["error"]["code"], "content_blocked");
    assert!(!error.to_string().contains("jane"));
}

#[test]
fn text_goes_on_as_soon_as_it_cannot_be_anything() {
    let mut proxy = begun(&policy(MASK), CHAT, true, "x");
    proxy.answer_head(&answer_head("text/event-stream"), false);
    proxy.answer_body(chunks(&["Good morning. ", "I am at "]).as_bytes(), false);
    let got = String::from_utf8(proxy.client.body).unwrap();
    assert!(
        got.contains("Good morning. ") && got.contains("I am at "),
        "{got}"
    );
}

#[test]
fn an_answer_without_findings_passes_byte_for_byte() {
    let stream = format!(
        ": hi\n\n{}data: [DONE]\n\n",
        chunks(&["caf\\u00e9, ", "ok. ", "\\/ "])
    );
    let stream = stream.replace(r#""finish_reason":null}]}"#, r#""finish_reason" : null}]}"#);
    let end = CHUNK
        .replace(r#"{"content":"TEXT"}"#, "{}")
        .replace("null", "\"stop\"");
    let stream = stream.replace("data: [DONE]", &format!("{end}\n\ndata: [DONE]"));
    let got = streamed(&policy(MASK), CHAT, stream.as_bytes(), &mut || 11, "x");
    assert_eq!(String::from_utf8(got).unwrap(), stream);
}

#[test]
fn values_come_back_in_the_answer() {
    let plan = policy(r#"{"entities": {"all": "placeholder"}, "hash_key_variable": "HASH_KEY"}"#);
    let prompt = "mail \"jane\" at jane@corp.com";
    let body =
        json!({"model": "gpt", "messages": [{"role": "user", "content": prompt}]}).to_string();
    let (mut proxy, sent) = send(&plan, CHAT, &body);
    let Sent::Call(call) = sent else {
        panic!("refused")
    };
    let sent: Value = serde_json::from_slice(&call.body).unwrap();
    let sent = sent["messages"][0]["content"].as_str().unwrap();
    let hidden = &sent[sent.find('[').unwrap()..];
    assert!(!sent.contains("corp.com"));
    let arguments = format!("{{\\\"to\\\":\\\"{hidden}\\\"}}");
    let answer = format!(
        r#"{{"id":"c1","choices":[{{"index":0,"message":{{"role":"assistant","content":"to {hidden}","tool_calls":[{{"id":"t","type":"function","function":{{"name":"f","arguments":"{arguments}"}}}}]}},"finish_reason":"stop"}}]}}"#
    );
    proxy.answer(&answer_head("application/json"), [answer.as_bytes()]);
    let got: Value = serde_json::from_slice(&proxy.client.body).unwrap();
    let message = &got["choices"][0]["message"];
    assert_eq!(message["content"], "to jane@corp.com");
    assert_eq!(
        message["tool_calls"][0]["function"]["arguments"],
        r#"{"to":"jane@corp.com"}"#
    );
}

#[test]
fn the_answer_tells_what_was_found_where_the_policy_wants_that() {
    let plan = policy(r#"{"entities": {"all": "mask"}, "header": true}"#);
    let answer = r#"{"id":"c1","choices":[{"index":0,"message":{"role":"assistant","content":"a@corp.com b@corp.com"},"finish_reason":"stop"}]}"#;
    let got = whole(&plan, CHAT, answer, "c@corp.com");
    let told = got.headers.text("x-tollgate-redacted").unwrap();
    assert_eq!(told, "request.mask.email=1,answer.mask.email=2");
}

/// A request to the agents API; without a body it is a GET.
fn send_agents(redaction: &str, target: &str, body: &str) -> (Proxy, Sent) {
    let mut head = head(target, body.as_bytes());
    if body.is_empty() {
        head.set(":method", "GET");
        head.remove("content-length");
    }
    let mut proxy = Proxy::new(&policy(redaction));
    let sent = proxy.request(head, body.as_bytes());
    (proxy, sent)
}

#[track_caller]
fn check_agents(target: &str, body: &str, want: &str) {
    match send_agents(MASK, target, body).1 {
        Sent::Call(call) => assert_eq!(String::from_utf8(call.body).unwrap(), want),
        Sent::Reply(reply) => panic!("{}", String::from_utf8_lossy(&reply.body)),
    }
}

/// Nothing leaves, and the error does not say what it was.
#[track_caller]
fn check_agents_refused(redaction: &str, target: &str, body: &str, param: &str) {
    let Sent::Reply(reply) = send_agents(redaction, target, body).1 else {
        panic!("it left");
    };
    let error: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(reply.headers.status(), 400);
    assert_eq!(error["error"]["code"], "content_blocked");
    assert_eq!(error["error"]["param"], param);
    assert!(!error.to_string().contains("corp.com"), "{error}");
}

/// What an app gets of an answer to a GET.
fn agents_answer(redaction: &str, target: &str, kind: &str, chunks: &[&[u8]]) -> Message {
    let (mut proxy, sent) = send_agents(redaction, target, "");
    assert!(matches!(sent, Sent::Call(_)), "{sent:?}");
    proxy.answer(&answer_head(kind), chunks.iter().copied());
    proxy.client
}

const EVENTS: &str = "/v1/agents/sessions/s_1/events";
const ITEMS: &str = "/v1/agents/sessions/s_1/items";

#[test]
fn what_goes_into_a_session_is_redacted_and_ids_are_not() {
    check_agents(
        "/v1/agents/sessions",
        r#"{"agent":{"model":"gpt","instructions":"ask a@corp.com","tools":[{"type":"mcp","server_label":"b@corp.com","headers":{"x":"c@corp.com"},"description":"d@corp.com"}]},"input":"e@corp.com","metadata":{"id":"f@corp.com"}}"#,
        r#"{"agent":{"model":"gpt-4.1","instructions":"ask [EMAIL]","tools":[{"type":"mcp","server_label":"b@corp.com","headers":{"x":"c@corp.com"},"description":"[EMAIL]"}]},"input":"[EMAIL]","metadata":{"id":"[EMAIL]"}}"#,
    );
    check_agents(
        EVENTS,
        r#"{"events":[{"type":"agent.session.input.message","input":[{"role":"user","content":[{"type":"input_text","text":"a@corp.com"}]}]},{"type":"agent.session.input.tool_result","call_id":"b@corp.com","turn_id":"t","output":"c@\u0063orp.com","error":"d@corp.com"},{"type":"unheard of","new":[{"id":"e@corp.com"}]}]}"#,
        r#"{"events":[{"type":"agent.session.input.message","input":[{"role":"user","content":[{"type":"input_text","text":"[EMAIL]"}]}]},{"type":"agent.session.input.tool_result","call_id":"b@corp.com","turn_id":"t","output":"[EMAIL]","error":"[EMAIL]"},{"type":"unheard of","new":[{"id":"[EMAIL]"}]}]}"#,
    );
}

#[test]
fn what_of_a_session_cannot_be_redacted_is_refused() {
    let image = r#"{"events":[{"type":"agent.session.input.message","input":[{"role":"user","content":[{"type":"input_image","image_url":"https://corp.com"}]}]}]}"#;
    check_agents_refused(MASK, EVENTS, image, "events[0].input[0].content[0]");
    check_agents_refused(
        MASK,
        "/v1/agents/sessions?metadata%5Bto%5D=jane%40corp%2Ecom",
        "",
        "query",
    );
    let by_model = r#"{"entities": {"all": "mask"}, "models": ["gpt"]}"#;
    check_agents_refused(by_model, EVENTS, r#"{"events":[]}"#, "model");
    check_agents_refused(by_model, ITEMS, "", "model");
    let (_, sent) = send_agents(
        by_model,
        "/v1/agents/sessions",
        r#"{"agent":{"model":"gpt"}}"#,
    );
    assert!(matches!(sent, Sent::Call(_)), "{sent:?}");

    let file = "/v1/agents/sessions/s_1/artifacts/a/content";
    let got = agents_answer(MASK, file, "application/json", &[b"\"jane@corp.com\""]);
    assert_eq!(got.headers.status(), 400);
    assert!(!String::from_utf8(got.body).unwrap().contains("jane"));
    let passing = r#"{"entities": {"all": "mask"}, "media": "pass"}"#;
    let got = agents_answer(passing, file, "text/plain", &[b"jane@corp.com"]);
    assert_eq!(got.body, b"jane@corp.com");
}

const HISTORY: &str = r#"{"object":"list","data":[{"type":"message","id":"a@corp.com","role":"assistant","content":[{"type":"output_text","text":"to b@corp.com"}]},{"type":"function_call","id":"f","name":"c@corp.com","call_id":"d@corp.com","arguments":{"id":"e@corp.com"}},{"type":"mcp_call","id":"m","output":{"name":"f@corp.com"}}],"last_id":"m"}"#;

#[test]
fn what_a_session_kept_is_redacted_when_it_is_told() {
    let header = r#"{"entities": {"all": "mask"}, "header": true}"#;
    let got = agents_answer(header, ITEMS, "application/json", &[HISTORY.as_bytes()]);
    let want = HISTORY
        .replace("to b@corp.com", "to [EMAIL]")
        .replace("e@corp.com", "[EMAIL]")
        .replace("f@corp.com", "[EMAIL]");
    assert_eq!(String::from_utf8(got.body).unwrap(), want);
    assert_eq!(
        got.headers.text("x-tollgate-redacted"),
        Some("answer.mask.email=3")
    );
    assert_eq!(
        got.headers.text("content-length"),
        Some(&*want.len().to_string())
    );
}

#[test]
fn the_events_of_a_session_are_redacted_at_every_cut() {
    let text = |delta: &str, item: &str| {
        format!(
            "event: agent.session.turn.output_text.delta\ndata: {{\"type\":\"agent.session.turn.output_text.delta\",\"event_id\":\"e\",\"session_id\":\"s\",\"item_id\":\"{item}\",\"output_index\":0,\"content_index\":0,\"delta\":\"{delta}\"}}\n\n"
        )
    };
    let done = |item: &str, whole: &str| {
        format!(
            "data: {{\"type\":\"agent.session.turn.item.done\",\"item\":{{\"id\":\"{item}\",\"type\":\"message\",\"content\":[{{\"type\":\"output_text\",\"text\":\"{whole}\"}}]}}}}\n\n"
        )
    };
    let silent = "data: {\"type\":\"agent.session.turn.item.done\",\"item\":{\"id\":\"x\",\"type\":\"command_execution\",\"output\":\"c@corp.com\"}}\n\n";
    let new =
        "data: {\"type\":\"agent.session.unheard_of\",\"said\":{\"text\":\"d@corp.com\"}}\n\n";
    let idle =
        "data: {\"type\":\"agent.session.idle\",\"session\":{\"id\":\"s\",\"error\":null}}\n\n";
    let stream = [
        &text("to jane@", "one"),
        &text("card 4111 1111 ", "two"),
        &text("corp.com", "one"),
        &text("1111 1111", "two"),
        &done("one", "to jane@corp.com"),
        &done("two", "card 4111 1111 1111 1111"),
        silent,
        new,
        idle,
    ]
    .concat();
    let whole = agents_answer(MASK, EVENTS, "text/event-stream", &[stream.as_bytes()]).body;
    let got = String::from_utf8(whole.clone()).unwrap();
    for planted in ["jane", "4111", "1111", "corp.com"] {
        assert!(!got.contains(planted), "{got}");
    }
    let mut texts = BTreeMap::<String, String>::new();
    let mut ids = Vec::new();
    for event in got
        .split("\n\n")
        .filter_map(|event| event.split("data: ").nth(1))
    {
        let event: Value = serde_json::from_str(event).expect("JSON in, JSON out");
        if let Some(delta) = event["delta"].as_str() {
            let item = event["item_id"].as_str().unwrap().to_owned();
            texts.entry(item).or_default().push_str(delta);
            ids.push(event["event_id"].clone());
        }
        if let Some(text) = event["item"]["content"][0]["text"].as_str() {
            assert_eq!(texts[event["item"]["id"].as_str().unwrap()], text);
        }
    }
    assert_eq!(texts["one"], "to [EMAIL]");
    assert_eq!(texts["two"], "card [PAYMENT_CARD]");
    assert!(
        ids.contains(&json!("e_held")),
        "what was held has an id of its own: {ids:?}"
    );
    for at in 1..stream.len() {
        let (head, tail) = stream.as_bytes().split_at(at);
        let cut = agents_answer(MASK, EVENTS, "text/event-stream", &[head, tail]).body;
        assert_eq!(cut, whole, "cut at {at}");
    }
}
