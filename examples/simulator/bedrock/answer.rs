//! What Converse answers, whole and as the events of a stream.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use super::prompt::list;
use crate::cuts::Cuts;
use crate::model::{Output, Prompt, Stop};

pub(crate) fn body(model: &str, has_stop_path: bool, prompt: &Prompt) -> Value {
    let output = prompt.answer();
    let mut content = Vec::new();
    if let Some(reasoning) = &output.reasoning {
        content.push(reasoning_block(model, reasoning));
    }
    content.extend(output.text.as_ref().map(|text| json!({"text": text})));
    content.extend(output.calls.iter().map(|call| {
        json!({"toolUse": {"toolUseId": tool_use_id(model, &call.id), "name": call.name, "input": call.input}})
    }));
    let mut body = json!({
        "metrics": {"latencyMs": 42},
        "output": {"message": {"content": content, "role": "assistant"}},
        "stopReason": stop_reason(&output.stop),
        "usage": usage(&output),
    });
    if let Stop::Sequence(stop) = &output.stop
        && has_stop_path
    {
        body["additionalModelResponseFields"] = json!({"stop_sequence": stop});
    }
    body
}

/// OpenAI's models keep their thoughts to themselves.
fn reasoning_block(model: &str, reasoning: &str) -> Value {
    if model.contains("openai.gpt") && !model.contains("gpt-oss") {
        return json!({"reasoningContent": {"redactedContent": BASE64_STANDARD.encode(reasoning)}});
    }
    let mut text = json!({"text": reasoning});
    if model.contains("anthropic") {
        text["signature"] = json!(BASE64_STANDARD.encode(format!("signed:{reasoning}")));
    }
    json!({"reasoningContent": {"reasoningText": text}})
}

fn tool_use_id(model: &str, id: &str) -> String {
    if model.contains("mistral.") {
        id.to_owned()
    } else {
        format!("tooluse_{id}")
    }
}

fn stop_reason(stop: &Stop) -> &'static str {
    match stop {
        Stop::End => "end_turn",
        Stop::Tool => "tool_use",
        Stop::Length => "max_tokens",
        Stop::Sequence(_) => "stop_sequence",
    }
}

/// With the duplicates that AWS puts on the wire and its model does not name.
fn usage(output: &Output) -> Value {
    json!({
        "inputTokens": output.input_tokens,
        "outputTokens": output.output_tokens,
        "totalTokens": output.input_tokens + output.output_tokens,
        "cacheReadInputTokens": 0,
        "cacheReadInputTokenCount": 0,
        "cacheWriteInputTokens": 0,
        "cacheWriteInputTokenCount": 0,
        "serverToolUsage": {},
    })
}

pub(crate) fn events(body: &Value, cuts: &mut Cuts) -> Vec<Value> {
    let message = &body["output"]["message"];
    let mut events = vec![event("messageStart", json!({"role": message["role"]}))];
    for (index, block) in list(&message["content"]).iter().enumerate() {
        // Text and reasoning blocks have no start.
        if let Some(tool) = block.get("toolUse") {
            let mut start = tool.as_object().cloned().unwrap_or_default();
            start.remove("input");
            events.push(event(
                "contentBlockStart",
                json!({"contentBlockIndex": index, "start": {"toolUse": start}}),
            ));
        }
        for delta in deltas(block, cuts) {
            events.push(event(
                "contentBlockDelta",
                json!({"contentBlockIndex": index, "delta": delta}),
            ));
        }
        events.push(event(
            "contentBlockStop",
            json!({"contentBlockIndex": index}),
        ));
    }
    events.push(event(
        "messageStop",
        picked(body, &["stopReason", "additionalModelResponseFields"]),
    ));
    events.push(event(
        "metadata",
        picked(
            body,
            &[
                "usage",
                "metrics",
                "trace",
                "performanceConfig",
                "serviceTier",
            ],
        ),
    ));
    for event in &mut events {
        pad(event, cuts);
    }
    events
}

fn deltas(block: &Value, cuts: &mut Cuts) -> Vec<Value> {
    let reasoning = &block["reasoningContent"];
    if let Some(text) = block["text"].as_str() {
        return cuts
            .text(text)
            .into_iter()
            .map(|piece| json!({"text": piece}))
            .collect();
    }
    if let Some(tool) = block.get("toolUse") {
        // Without arguments there is no delta at all.
        let is_empty = tool["input"].as_object().is_some_and(Map::is_empty);
        let input = if is_empty {
            String::new()
        } else {
            tool["input"].to_string()
        };
        return cuts
            .text(&input)
            .into_iter()
            .map(|piece| json!({"toolUse": {"input": piece}}))
            .collect();
    }
    if let Some(redacted) = reasoning.get("redactedContent") {
        return vec![json!({"reasoningContent": {"redactedContent": redacted}})];
    }
    if let Some(text) = reasoning.get("reasoningText") {
        let pieces = cuts.text(text["text"].as_str().unwrap_or_default());
        let pieces = pieces
            .into_iter()
            .map(|piece| json!({"reasoningContent": {"text": piece}}));
        let signature = text
            .get("signature")
            .map(|signature| json!({"reasoningContent": {"signature": signature}}));
        return pieces.chain(signature).collect();
    }
    if let Some(cited) = block.get("citationsContent") {
        let texts = list(&cited["content"])
            .iter()
            .map(|part| json!({"text": part["text"]}));
        let citations = list(&cited["citations"])
            .iter()
            .map(|citation| json!({"citation": citation}));
        return texts.chain(citations).collect();
    }
    Vec::new()
}

fn event(kind: &str, payload: Value) -> Value {
    json!({kind: payload})
}

fn picked(body: &Value, names: &[&str]) -> Value {
    names
        .iter()
        .filter_map(|name| {
            body.get(*name)
                .map(|value| ((*name).to_owned(), value.clone()))
        })
        .collect()
}

/// AWS hides the length of what is said behind a member that says nothing.
fn pad(event: &mut Value, cuts: &mut Cuts) {
    const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let size = cuts.size(LETTERS.len());
    if let Some(payload) = event
        .as_object_mut()
        .and_then(|event| event.values_mut().next())
    {
        payload["p"] = json!(LETTERS[..size]);
    }
}
