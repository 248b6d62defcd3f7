//! OpenAI's responses: what they demand of a body, the response object, and the events that say the same.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::Refusal;
use super::rules::{self, Checked, Kind, invalid_value, is_reasoning_model, list, missing};
use crate::cuts::Cuts;
use crate::model::{Choice, Prompt, Stop, Tool, tokens};

pub(crate) struct Style {
    pub(crate) model: String,
    /// What the response repeats of its request.
    pub(crate) request: Value,
}

const CREATED: u64 = 1_795_000_000;
const RESPONSE_ID: &str = "resp_simulator000000000000001";

const PARAMETERS: &[(&str, Kind)] = &[
    ("background", Kind::Bool),
    // The SDK does not name it, but Codex sends it to whoever it works with.
    ("client_metadata", Kind::Object),
    ("conversation", Kind::TextOrObject),
    ("include", Kind::Array),
    ("input", Kind::TextOrArray),
    ("instructions", Kind::Text),
    ("max_output_tokens", Kind::Integer(16, i64::MAX)),
    ("max_tool_calls", Kind::Integer(1, i64::MAX)),
    ("metadata", Kind::Object),
    ("model", Kind::Text),
    ("parallel_tool_calls", Kind::Bool),
    ("previous_response_id", Kind::Text),
    ("prompt", Kind::Object),
    ("prompt_cache_key", Kind::Text),
    ("prompt_cache_options", Kind::Object),
    (
        "prompt_cache_retention",
        Kind::OneOf(&["in_memory", "in-memory", "24h"]),
    ),
    ("reasoning", Kind::Object),
    ("safety_identifier", Kind::Text),
    (
        "service_tier",
        Kind::OneOf(&["auto", "default", "flex", "scale", "priority", "fast"]),
    ),
    ("store", Kind::Bool),
    ("stream", Kind::Bool),
    ("stream_options", Kind::Object),
    ("temperature", Kind::Number(0.0, 2.0)),
    ("text", Kind::Object),
    ("tool_choice", Kind::TextOrObject),
    ("tools", Kind::Array),
    ("top_logprobs", Kind::Integer(0, 20)),
    ("top_p", Kind::Number(0.0, 1.0)),
    ("truncation", Kind::OneOf(&["auto", "disabled"])),
    ("user", Kind::Text),
];

pub(crate) fn check(body: &Value, is_azure: bool) -> Checked {
    rules::check_parameters(PARAMETERS, body, is_azure)?;
    if body["input"].is_null() {
        return Err(missing("input"));
    }
    for (at, tool) in list(&body["tools"]).iter().enumerate() {
        check_tool(tool, &format!("tools[{at}]"))?;
    }
    check_settings(body)?;
    let mut calls = HashSet::new();
    for (at, item) in list(&body["input"]).iter().enumerate() {
        check_item(item, &format!("input[{at}]"), &mut calls)?;
    }
    Ok(())
}

const EFFORTS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// What stands in objects: a choice of a tool that is there, a format, an effort, and what to include.
fn check_settings(body: &Value) -> Checked {
    let choice = &body["tool_choice"];
    let kind = choice["type"].as_str().unwrap_or_default();
    let is_there = |tool: &Value| tool["type"] == kind && tool["name"] == choice["name"];
    if ["function", "custom"].contains(&kind) && !list(&body["tools"]).iter().any(is_there) {
        let message = "Tool choice not found in 'tools' parameter.";
        return Err(invalid_value("tool_choice", message));
    }
    let format = &body["text"]["format"];
    if format["type"] == "json_schema" {
        for (name, is_right) in [
            ("name", format["name"].is_string()),
            ("schema", format["schema"].is_object()),
        ] {
            if !is_right {
                return Err(missing(&format!("text.format.{name}")));
            }
        }
    }
    let effort = &body["reasoning"]["effort"];
    if !effort.is_null() && !EFFORTS.iter().any(|known| effort == *known) {
        return Err(invalid_value("reasoning.effort", "Invalid value."));
    }
    let is_odd = |wish: &Value| !wish.as_str().is_some_and(|wish| wish.contains('.'));
    match list(&body["include"]).iter().position(is_odd) {
        Some(at) => Err(invalid_value(&format!("include[{at}]"), "Invalid value.")),
        None => Ok(()),
    }
}

/// A custom tool's grammar stands in `format` itself, not in a member of it.
fn check_custom(tool: &Value, place: &str) -> Checked {
    let format = &tool["format"];
    match format["type"].as_str() {
        None if format.is_null() => Ok(()),
        Some("text") => Ok(()),
        Some("grammar") => {
            let mut members = ["syntax", "definition"].into_iter();
            match members.find(|name| !format[*name].is_string()) {
                Some(name) => Err(missing(&format!("{place}.format.{name}"))),
                None => Ok(()),
            }
        }
        _ => Err(invalid_value(
            &format!("{place}.format.type"),
            "Invalid value.",
        )),
    }
}

fn check_tool(tool: &Value, place: &str) -> Checked {
    let has_name = tool["name"].as_str().is_some_and(|name| !name.is_empty());
    match tool["type"].as_str() {
        Some("function" | "custom" | "namespace") if !has_name => {
            Err(missing(&format!("{place}.name")))
        }
        Some("custom") => check_custom(tool, place),
        Some("function" | "web_search" | "mcp") => Ok(()),
        Some("namespace") => {
            let mut tools = list(&tool["tools"]).iter().enumerate();
            tools.try_for_each(|(at, tool)| check_tool(tool, &format!("{place}.tools[{at}]")))
        }
        _ => Err(invalid_value(&format!("{place}.type"), "Invalid value.")),
    }
}

fn check_item(item: &Value, place: &str, calls: &mut HashSet<String>) -> Checked {
    let call_id = || {
        let id = item["call_id"].as_str();
        id.map(str::to_owned)
            .ok_or_else(|| missing(&format!("{place}.call_id")))
    };
    match item["type"].as_str().unwrap_or("message") {
        "message" => {
            let roles = ["user", "assistant", "system", "developer"];
            if !roles.iter().any(|role| item["role"] == *role) {
                return Err(invalid_value(&format!("{place}.role"), "Invalid value."));
            }
            let mut parts = list(&item["content"]).iter();
            let is_known = |part: &Value| {
                let own = if item["role"] == "assistant" {
                    ["output_text", "refusal", ""]
                } else {
                    ["input_text", "input_image", "input_file"]
                };
                own.iter().any(|kind| part["type"] == *kind)
            };
            let is_whole = |part: &Value| match part["type"].as_str() {
                Some("input_image") => part["image_url"].is_string() || part["file_id"].is_string(),
                Some("input_file") => part["file_data"].is_string() || part["file_id"].is_string(),
                Some("refusal") => part["refusal"].is_string(),
                _ => part["text"].is_string(),
            };
            match parts.position(|part| !is_known(part) || !is_whole(part)) {
                Some(at) => Err(invalid_value(
                    &format!("{place}.content[{at}].type"),
                    "Invalid value.",
                )),
                None => Ok(()),
            }
        }
        "function_call" | "custom_tool_call" => {
            calls.insert(call_id()?);
            Ok(())
        }
        "function_call_output" | "custom_tool_call_output" => {
            let id = call_id()?;
            if calls.contains(&id) {
                return Ok(());
            }
            let message = format!("No tool call found for function call output with call_id {id}.");
            Err(Refusal::invalid("input", None, message))
        }
        "reasoning" => {
            let sealed = item["encrypted_content"].as_str().unwrap_or("gAAA");
            if sealed.starts_with("gAAA") {
                return Ok(());
            }
            let message = "The encrypted content could not be verified.";
            Err(Refusal::invalid(
                "",
                Some("invalid_encrypted_content"),
                message,
            ))
        }
        _ => Err(invalid_value(&format!("{place}.type"), "Invalid value.")),
    }
}

pub(crate) fn prompt(body: &Value, model: &str, body_bytes: usize) -> Prompt {
    let items = list(&body["input"]);
    let is_output = |item: &&Value| {
        let kind = item["type"].as_str();
        kind.is_some_and(|kind| kind.ends_with("_output"))
    };
    let results = items.iter().rev().take_while(is_output);
    let mut tool_results: Vec<String> = results.map(|item| text(&item["output"])).collect();
    tool_results.reverse();
    let user = items.iter().rev().find(|item| item["role"] == "user");
    let format = &body["text"]["format"];
    Prompt {
        user_text: match body["input"].as_str() {
            Some(text) => text.to_owned(),
            None => user.map(|item| text(&item["content"])).unwrap_or_default(),
        },
        tool_results,
        tools: list(&body["tools"]).iter().filter_map(tool).collect(),
        choice: match (&body["tool_choice"], body["tool_choice"]["name"].as_str()) {
            (_, Some(name)) => Choice::Named(name.to_owned()),
            (choice, None) if choice == "none" => Choice::None,
            (choice, None) if choice == "required" => Choice::Any,
            _ => Choice::Auto,
        },
        is_one_call: body["parallel_tool_calls"] == false,
        json_schema: match format["type"].as_str() {
            Some("json_schema") => Some(format["schema"].clone()),
            Some("json_object") => Some(json!({})),
            _ => None,
        },
        is_reasoning: is_reasoning_model(model),
        input_bytes: body_bytes,
        output_tokens_max: body["max_output_tokens"].as_u64(),
        stop_sequences: Vec::new(),
        words: None,
    }
}

fn tool(tool: &Value) -> Option<Tool> {
    let schema = match tool["type"].as_str()? {
        "function" => tool.get("parameters").cloned(),
        _ => return None,
    };
    Some(Tool {
        name: tool["name"].as_str()?.to_owned(),
        schema: schema.unwrap_or_else(|| json!({"type": "object"})),
    })
}

fn text(content: &Value) -> String {
    match content.as_str() {
        Some(text) => text.to_owned(),
        None => {
            let texts = list(content)
                .iter()
                .filter_map(|part| part["text"].as_str());
            texts.collect::<Vec<_>>().join(" ")
        }
    }
}

pub(crate) fn body(style: &Style, prompt: &Prompt) -> Value {
    let output = prompt.answer();
    let mut items = Vec::new();
    if let Some(reasoning) = &output.reasoning {
        items.push(json!({
            "id": "rs_1", "type": "reasoning", "encrypted_content": "gAAAsimulator",
            "summary": [{"type": "summary_text", "text": reasoning}],
        }));
    }
    if let Some(text) = &output.text {
        items.push(json!({
            "id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "annotations": [], "logprobs": [], "text": text}],
        }));
    }
    items.extend(output.calls.iter().enumerate().map(|(at, call)| {
        json!({
            "id": format!("fc_{at}"), "type": "function_call", "status": "completed",
            "call_id": format!("call_{}", call.id), "name": call.name, "arguments": call.input.to_string(),
        })
    }));
    let is_cut = output.stop == Stop::Length;
    let mut response = response(style, if is_cut { "incomplete" } else { "completed" });
    if is_cut {
        response["incomplete_details"] = json!({"reason": "max_output_tokens"});
    }
    response["output"] = json!(items);
    response["usage"] = json!({
        "input_tokens": output.input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": output.output_tokens,
        "output_tokens_details": {
            "reasoning_tokens": output.reasoning.as_ref().map_or(0, |text| tokens(text.len())),
        },
        "total_tokens": output.input_tokens + output.output_tokens,
    });
    response
}

fn response(style: &Style, status: &str) -> Value {
    let of = |name: &str, default: Value| match style.request.get(name) {
        Some(value) if !value.is_null() => value.clone(),
        _ => default,
    };
    json!({
        "id": RESPONSE_ID,
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": null,
        "incomplete_details": null,
        "instructions": of("instructions", Value::Null),
        "metadata": of("metadata", json!({})),
        "model": style.model,
        "output": [],
        "parallel_tool_calls": of("parallel_tool_calls", json!(true)),
        "tool_choice": of("tool_choice", json!("auto")),
        "tools": of("tools", json!([])),
        "text": of("text", json!({"format": {"type": "text"}})),
        "usage": null,
    })
}

pub(crate) fn events(style: &Style, body: &Value, cuts: &mut Cuts) -> Vec<Value> {
    let begun = response(style, "in_progress");
    let mut events = vec![
        json!({"type": "response.created", "response": begun}),
        json!({"type": "response.in_progress", "response": begun}),
    ];
    for (index, item) in list(&body["output"]).iter().enumerate() {
        item_events(index, item, cuts, &mut events);
    }
    let status = body["status"].as_str().unwrap_or_default();
    events.push(json!({"type": format!("response.{status}"), "response": body}));
    for (number, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = json!(number);
    }
    events
}

fn item_events(index: usize, item: &Value, cuts: &mut Cuts, events: &mut Vec<Value>) {
    let mut begun = item.clone();
    let (names, place, whole): (&[&str; 4], _, _) = match item["type"].as_str() {
        Some("message") => {
            begun["content"] = json!([]);
            let names = &[
                "response.content_part.added",
                "response.output_text.delta",
                "response.output_text.done",
                "response.content_part.done",
            ];
            (names, Some("content_index"), &item["content"][0])
        }
        Some("reasoning") => {
            begun["summary"] = json!([]);
            let names = &[
                "response.reasoning_summary_part.added",
                "response.reasoning_summary_text.delta",
                "response.reasoning_summary_text.done",
                "response.reasoning_summary_part.done",
            ];
            (names, Some("summary_index"), &item["summary"][0])
        }
        _ => {
            begun["arguments"] = json!("");
            let names = &[
                "",
                "response.function_call_arguments.delta",
                "response.function_call_arguments.done",
                "",
            ];
            (names, None, item)
        }
    };
    let event = |name: &str| {
        let mut event = json!({"type": name, "output_index": index, "item_id": item["id"]});
        if let Some(place) = place {
            event[place] = json!(0);
        }
        if name.starts_with("response.output_text") {
            event["logprobs"] = json!([]);
        }
        event
    };
    let text_name = if place.is_some() { "text" } else { "arguments" };
    let [part_added, delta, done, part_done] = names;
    events
        .push(json!({"type": "response.output_item.added", "output_index": index, "item": begun}));
    if place.is_some() {
        let mut added = event(part_added);
        added["part"] = whole.clone();
        added["part"]["text"] = json!("");
        events.push(added);
    }
    for piece in cuts.text(whole[text_name].as_str().unwrap_or_default()) {
        let mut delta = event(delta);
        delta["delta"] = json!(piece);
        events.push(delta);
    }
    let mut done = event(done);
    done[text_name] = whole[text_name].clone();
    events.push(done);
    if place.is_some() {
        let mut done = event(part_done);
        done["part"] = whole.clone();
        events.push(done);
    }
    events.push(json!({"type": "response.output_item.done", "output_index": index, "item": item}));
}
