//! A chat completion, and the chunks that say the same.

use serde_json::{Value, json};

use super::rules::list;
use crate::cuts::Cuts;
use crate::model::{Output, Prompt, Stop, tokens};

pub(crate) struct Style {
    pub(crate) is_azure: bool,
    pub(crate) model: String,
    pub(crate) include_usage: bool,
    pub(crate) choices: u64,
    /// As Bedrock serves it: its reasoning inside the text, its tool calls numbered.
    pub(crate) is_gpt_oss: bool,
}

pub(super) const CREATED: u64 = 1_795_000_000;

pub(crate) fn body(style: &Style, prompt: &Prompt) -> Value {
    let output = prompt.answer();
    let choices: Vec<Value> = (0..style.choices)
        .map(|index| choice(style, &output, index))
        .collect();
    let mut body = json!({
        "id": format!("chatcmpl-simulator{:015}", prompt.input_bytes),
        "object": "chat.completion",
        "created": CREATED,
        "model": style.model,
        "choices": choices,
        "usage": usage(style, &output),
        "service_tier": "default",
        "system_fingerprint": "fp_simulator",
    });
    if style.is_azure {
        body["prompt_filter_results"] = prompt_filter_results();
    }
    body
}

fn choice(style: &Style, output: &Output, index: u64) -> Value {
    let mut message =
        json!({"role": "assistant", "content": output.text, "refusal": null, "annotations": []});
    if style.is_gpt_oss {
        let reasoning = output.reasoning.as_deref().unwrap_or_default();
        let text = output.text.as_deref().unwrap_or_default();
        message["content"] = json!(format!("<reasoning>{reasoning}</reasoning>{text}"));
    }
    if !output.calls.is_empty() {
        let calls = output.calls.iter().enumerate().map(|(at, call)| {
            let function = json!({"name": call.name, "arguments": call.input.to_string()});
            let id = if style.is_gpt_oss {
                at.to_string()
            } else {
                call.id.clone()
            };
            json!({"id": format!("call_{id}"), "type": "function", "function": function})
        });
        message["tool_calls"] = calls.collect();
    }
    let finish_reason = match output.stop {
        Stop::End | Stop::Sequence(_) => "stop",
        Stop::Tool => "tool_calls",
        Stop::Length => "length",
    };
    let mut choice = json!({"index": index, "message": message, "logprobs": null, "finish_reason": finish_reason});
    if style.is_azure {
        choice["content_filter_results"] = filter_results();
    }
    choice
}

pub(super) fn usage(style: &Style, output: &Output) -> Value {
    let completion_tokens = output.output_tokens.saturating_mul(style.choices);
    json!({
        "prompt_tokens": output.input_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": output.input_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": output.reasoning.as_ref().map_or(0, |text| tokens(text.len())),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

pub(super) fn filter_results() -> Value {
    let safe = json!({"filtered": false, "severity": "safe"});
    json!({"hate": safe, "self_harm": safe, "sexual": safe, "violence": safe})
}

pub(super) fn prompt_filter_results() -> Value {
    json!([{"prompt_index": 0, "content_filter_results": filter_results()}])
}

pub(crate) fn events(style: &Style, body: &Value, cuts: &mut Cuts) -> Vec<Value> {
    let mut events = Vec::new();
    if style.is_azure {
        events.push(json!({
            "choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": prompt_filter_results(),
        }));
    }
    for choice in list(&body["choices"]) {
        choice_events(style, body, choice, cuts, &mut events);
    }
    if style.include_usage {
        let mut last = chunk(style, body, Vec::new());
        last["usage"] = body["usage"].clone();
        events.push(last);
    }
    events.push(json!("[DONE]"));
    events
}

fn choice_events(
    style: &Style,
    body: &Value,
    choice: &Value,
    cuts: &mut Cuts,
    events: &mut Vec<Value>,
) {
    let index = &choice["index"];
    let mut push = |delta: Value, finish_reason: &Value| {
        let mut choice = json!({"index": index, "delta": delta, "logprobs": null, "finish_reason": finish_reason});
        if style.is_azure {
            choice["content_filter_results"] = json!({});
        }
        events.push(chunk(style, body, vec![choice]));
    };
    let message = &choice["message"];
    let calls = list(&message["tool_calls"]);
    let content = message["content"].as_str();
    let start = if content.is_some() {
        json!("")
    } else {
        Value::Null
    };
    push(
        json!({"role": "assistant", "content": start, "refusal": null}),
        &Value::Null,
    );
    for name in ["content", "refusal"] {
        for piece in cuts.text(message[name].as_str().unwrap_or_default()) {
            push(json!({name: piece}), &Value::Null);
        }
    }
    for (position, call) in calls.iter().enumerate() {
        let mut start = call.clone();
        start["index"] = json!(position);
        start["function"]["arguments"] = json!("");
        push(json!({"tool_calls": [start]}), &Value::Null);
        for piece in cuts.text(call["function"]["arguments"].as_str().unwrap_or_default()) {
            push(
                json!({"tool_calls": [{"index": position, "function": {"arguments": piece}}]}),
                &Value::Null,
            );
        }
    }
    push(json!({}), &choice["finish_reason"]);
    if style.is_azure {
        // The asynchronous filter reports in a choice of its own, which has no delta.
        let bytes = content.map_or(0, str::len);
        let offsets = json!({"check_offset": 0, "start_offset": 0, "end_offset": bytes});
        let filter = json!({
            "index": index, "finish_reason": null, "content_filter_results": filter_results(), "content_filter_offsets": offsets,
        });
        events.push(chunk(style, body, vec![filter]));
    }
}

fn chunk(style: &Style, body: &Value, choices: Vec<Value>) -> Value {
    let mut chunk = json!({
        "id": body["id"],
        "object": "chat.completion.chunk",
        "created": body["created"],
        "model": body["model"],
        "service_tier": body["service_tier"],
        "system_fingerprint": body["system_fingerprint"],
        "choices": choices,
    });
    if style.include_usage {
        chunk["usage"] = Value::Null;
    }
    chunk
}
