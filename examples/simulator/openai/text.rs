//! Legacy completions: one prompt or several, in text or tokens, and the texts that follow them.

use serde_json::{Value, json};

use super::Refusal;
use super::answer::{CREATED, Style, filter_results, prompt_filter_results, usage};
use super::rules::{Checked, Kind, is_reasoning_model, list, missing};
use crate::cuts::Cuts;
use crate::model::{Output, Prompt, Stop};

const PARAMETERS: &[(&str, Kind)] = &[
    ("best_of", Kind::Integer(1, 20)),
    ("echo", Kind::Bool),
    ("frequency_penalty", Kind::Number(-2.0, 2.0)),
    ("logit_bias", Kind::Object),
    ("logprobs", Kind::Integer(0, 5)),
    ("max_tokens", Kind::Integer(0, i64::MAX)),
    ("model", Kind::Text),
    ("n", Kind::Integer(1, 128)),
    ("presence_penalty", Kind::Number(-2.0, 2.0)),
    ("seed", Kind::Integer(i64::MIN, i64::MAX)),
    ("stop", Kind::Stop),
    ("stream", Kind::Bool),
    ("stream_options", Kind::Object),
    ("suffix", Kind::Text),
    ("temperature", Kind::Number(0.0, 2.0)),
    ("top_p", Kind::Number(0.0, 1.0)),
    ("user", Kind::Text),
];

pub(super) fn check(model: &str, body: &Value) -> Checked {
    let object = body.as_object().ok_or_else(|| {
        let message = "We expected an object as the body of your request.";
        Refusal::invalid("", None, message)
    })?;
    for (name, value) in object {
        if name == "prompt" {
            check_prompt(value)?;
            continue;
        }
        let known = PARAMETERS.iter().find(|(known, _)| known == name);
        let (_, kind) = known.ok_or_else(|| {
            let message = format!("Unrecognized request argument supplied: {name}");
            Refusal::invalid("", None, message)
        })?;
        kind.check(name, value)?;
    }
    if body["prompt"].is_null() {
        return Err(missing("prompt"));
    }
    if !body["stream_options"].is_null() && body["stream"] != true {
        let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err(Refusal::invalid("stream_options", None, message));
    }
    if is_reasoning_model(model) {
        let message = "This is a chat model and not supported in the v1/completions endpoint. Did you mean to use \
                       v1/chat/completions?";
        return Err(Refusal {
            status: 404,
            ..Refusal::invalid("model", None, message)
        });
    }
    Ok(())
}

fn check_prompt(prompt: &Value) -> Checked {
    let is_tokens = |value: &Value| {
        let tokens = list(value);
        !tokens.is_empty() && tokens.iter().all(Value::is_u64)
    };
    let items = list(prompt);
    let is_right = prompt.is_null()
        || prompt.is_string()
        || is_tokens(prompt)
        || !items.is_empty() && items.iter().all(|item| item.is_string() || is_tokens(item));
    if is_right {
        return Ok(());
    }
    Err(Refusal::invalid("prompt", None, "'$.prompt' is invalid."))
}

pub(super) fn read(body: &Value, body_bytes: usize) -> Prompt {
    let prompt = &body["prompt"];
    let first = list(prompt).first().unwrap_or(prompt);
    Prompt {
        user_text: first.as_str().unwrap_or("tokens").to_owned(),
        input_bytes: body_bytes,
        output_tokens_max: Some(body["max_tokens"].as_u64().unwrap_or(16)),
        stop_sequences: match &body["stop"] {
            Value::String(stop) => vec![stop.clone()],
            stops => list(stops)
                .iter()
                .filter_map(|stop| stop.as_str().map(str::to_owned))
                .collect(),
        },
        ..Prompt::default()
    }
}

pub(crate) fn body(style: &Style, prompt: &Prompt) -> Value {
    let output = prompt.answer();
    let choices = (0..style.choices).map(|index| choice(style, &output, index));
    let mut body = json!({
        "id": "cmpl-simulator000000000000001",
        "object": "text_completion",
        "created": CREATED,
        "model": style.model,
        "choices": choices.collect::<Vec<_>>(),
        "usage": usage(style, &output),
    });
    if style.is_azure {
        body["prompt_filter_results"] = prompt_filter_results();
    }
    body
}

fn choice(style: &Style, output: &Output, index: u64) -> Value {
    let reason = match output.stop {
        Stop::End | Stop::Sequence(_) | Stop::Tool => "stop",
        Stop::Length => "length",
    };
    let mut choice =
        json!({"text": output.text, "index": index, "logprobs": null, "finish_reason": reason});
    if style.is_azure {
        choice["content_filter_results"] = filter_results();
    }
    choice
}

pub(crate) fn events(style: &Style, body: &Value, cuts: &mut Cuts) -> Vec<Value> {
    let piece = |choices: Value| {
        let mut piece = json!({
            "id": body["id"], "object": "text_completion", "created": body["created"], "model": body["model"], "choices": choices,
        });
        if style.include_usage {
            piece["usage"] = Value::Null;
        }
        piece
    };
    let mut events = Vec::new();
    if style.is_azure {
        events.push(json!({
            "choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": prompt_filter_results(),
        }));
    }
    for choice in list(&body["choices"]) {
        let said = |text: &str, reason: &Value| json!([{"text": text, "index": choice["index"], "logprobs": null, "finish_reason": reason}]);
        for text in cuts.text(choice["text"].as_str().unwrap_or_default()) {
            events.push(piece(said(text, &Value::Null)));
        }
        events.push(piece(said("", &choice["finish_reason"])));
    }
    if style.include_usage {
        let mut last = piece(json!([]));
        last["usage"] = body["usage"].clone();
        events.push(last);
    }
    events.push(json!("[DONE]"));
    events
}
