//! Reads what the simulated model has to know from a chat body that is valid.

use serde_json::{Value, json};

use super::rules::{is_reasoning_model, list};
use crate::model::{Choice, Prompt, Tool};

pub(crate) fn read(body: &Value, model: &str, body_bytes: usize) -> Prompt {
    let messages = list(&body["messages"]);
    let user = messages
        .iter()
        .rev()
        .find(|message| message["role"] == "user");
    let results = messages
        .iter()
        .rev()
        .take_while(|message| message["role"] == "tool")
        .map(|message| text(&message["content"]));
    let mut tool_results: Vec<String> = results.collect();
    tool_results.reverse();
    Prompt {
        user_text: user
            .map(|message| text(&message["content"]))
            .unwrap_or_default(),
        tool_results,
        tools: list(&body["tools"]).iter().filter_map(tool).collect(),
        choice: choice(&body["tool_choice"]),
        is_one_call: body["parallel_tool_calls"] == false,
        json_schema: schema(&body["response_format"]),
        is_reasoning: is_reasoning_model(model) && body["reasoning_effort"] != "none",
        input_bytes: body_bytes,
        output_tokens_max: body["max_completion_tokens"]
            .as_u64()
            .or_else(|| body["max_tokens"].as_u64()),
        stop_sequences: match &body["stop"] {
            Value::String(stop) => vec![stop.clone()],
            stops => list(stops)
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        },
        words: None,
    }
}

fn text(content: &Value) -> String {
    match content.as_str() {
        Some(text) => text.to_owned(),
        None => list(content)
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect::<Vec<_>>()
            .join(" "),
    }
}

fn tool(tool: &Value) -> Option<Tool> {
    let function = &tool["function"];
    // Without parameters a function takes none.
    let schema = function
        .get("parameters")
        .cloned()
        .unwrap_or_else(|| json!({"type": "object"}));
    Some(Tool {
        name: function["name"].as_str()?.to_owned(),
        schema,
    })
}

fn choice(choice: &Value) -> Choice {
    match choice.as_str() {
        Some("none") => Choice::None,
        Some("required") => Choice::Any,
        _ if choice["allowed_tools"]["mode"] == "required" => Choice::Any,
        _ => choice["function"]["name"]
            .as_str()
            .map_or(Choice::Auto, |name| Choice::Named(name.to_owned())),
    }
}

fn schema(format: &Value) -> Option<Value> {
    match format["type"].as_str() {
        Some("json_schema") => Some(format["json_schema"]["schema"].clone()),
        Some("json_object") => Some(json!({"type": "object"})),
        _ => None,
    }
}
