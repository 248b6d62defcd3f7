//! Reads what the simulated model has to know from a Converse body that is valid.

use serde_json::Value;

use crate::model::{Choice, Prompt, Tool};

pub(crate) fn read(body: &Value, body_bytes: usize) -> Prompt {
    let messages = list(&body["messages"]);
    let last = messages.last().unwrap_or(&Value::Null);
    let user = messages
        .iter()
        .rev()
        .find(|message| message["role"] == "user" && has_text(message));
    let config = &body["inferenceConfig"];
    let extra = &body["additionalModelRequestFields"];
    let schema = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"].as_str();
    Prompt {
        user_text: user.map(texts).unwrap_or_default(),
        tool_results: list(&last["content"])
            .iter()
            .filter_map(|block| block.get("toolResult"))
            .map(result_text)
            .collect(),
        tools: list(&body["toolConfig"]["tools"])
            .iter()
            .filter_map(|tool| tool.get("toolSpec"))
            .map(tool)
            .collect(),
        choice: choice(&body["toolConfig"]["toolChoice"]),
        is_one_call: extra["tool_choice"]["disable_parallel_tool_use"] == true,
        json_schema: schema.and_then(|text| serde_json::from_str(text).ok()),
        is_reasoning: is_reasoning(extra),
        input_bytes: body_bytes,
        output_tokens_max: config["maxTokens"].as_u64(),
        stop_sequences: list(&config["stopSequences"])
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        words: None,
    }
}

pub(crate) fn has_stop_path(body: &Value) -> bool {
    list(&body["additionalModelResponseFieldPaths"])
        .iter()
        .any(|path| path == "/stop_sequence")
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn has_text(message: &Value) -> bool {
    list(&message["content"])
        .iter()
        .any(|block| block["text"].is_string())
}

fn texts(message: &Value) -> String {
    let texts: Vec<&str> = list(&message["content"])
        .iter()
        .filter_map(|block| block["text"].as_str())
        .collect();
    texts.join(" ")
}

fn result_text(result: &Value) -> String {
    let parts = list(&result["content"]).iter().map(|part| {
        match (part["text"].as_str(), part.get("json")) {
            (Some(text), _) => text.to_owned(),
            (None, Some(json)) => json.to_string(),
            (None, None) => "an attachment".to_owned(),
        }
    });
    parts.collect::<Vec<_>>().join(" ")
}

fn tool(spec: &Value) -> Tool {
    Tool {
        name: spec["name"].as_str().unwrap_or_default().to_owned(),
        schema: spec["inputSchema"]["json"].clone(),
    }
}

fn choice(choice: &Value) -> Choice {
    if choice.get("any").is_some() {
        return Choice::Any;
    }
    choice["tool"]["name"]
        .as_str()
        .map_or(Choice::Auto, |name| Choice::Named(name.to_owned()))
}

fn is_reasoning(extra: &Value) -> bool {
    let is_on = |value: &Value| value.is_string() && value != "none" && value != "disabled";
    is_on(&extra["thinking"]["type"])
        || is_on(&extra["reasoningConfig"]["type"])
        || is_on(&extra["reasoning"]["effort"])
        || is_on(&extra["reasoning_effort"])
        || is_on(&extra["reasoning_config"])
}
