//! What the chat completions API demands of a body, in its own words where they are known.

use std::collections::HashSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::Refusal;

pub(crate) type Checked = Result<(), Refusal>;

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Whether all parameters are known and of their types.
pub(crate) fn check_parameters(
    parameters: &[(&str, Kind)],
    body: &Value,
    is_azure: bool,
) -> Checked {
    let Some(object) = body.as_object() else {
        return Err(Refusal::invalid(
            "",
            None,
            "We expected an object as the body of your request.",
        ));
    };
    for (name, value) in object {
        let Some((_, kind)) = parameters.iter().find(|(known, _)| known == name) else {
            return Err(if is_azure {
                Refusal::invalid(
                    "",
                    None,
                    format!("Unrecognized request argument supplied: {name}"),
                )
            } else {
                Refusal::invalid(
                    name,
                    Some("unknown_parameter"),
                    format!("Unknown parameter: '{name}'."),
                )
            });
        };
        kind.check(name, value)?;
    }
    Ok(())
}

pub(crate) fn check(model: &str, body: &Value, is_azure: bool) -> Checked {
    check_parameters(PARAMETERS, body, is_azure)?;
    check_messages(list(&body["messages"]))?;
    check_tools(body)?;
    check_response_format(body)?;
    check_together(body)?;
    if is_reasoning_model(model) {
        check_reasoning_model(body)?;
    }
    let is_older = ["gpt-3", "gpt-4"]
        .iter()
        .any(|family| model.starts_with(family));
    if is_older && !body["reasoning_effort"].is_null() {
        let message = "Unrecognized request argument supplied: reasoning_effort";
        return Err(Refusal::invalid("", None, message));
    }
    Ok(())
}

pub(crate) fn is_reasoning_model(model: &str) -> bool {
    ["gpt-5", "gpt-6", "o1", "o3", "o4"]
        .iter()
        .any(|family| model.starts_with(family))
}

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Bool,
    Text,
    Object,
    Array,
    Integer(i64, i64),
    Number(f64, f64),
    OneOf(&'static [&'static str]),
    Stop,
    TextOrArray,
    TextOrObject,
}

const PARAMETERS: &[(&str, Kind)] = &[
    ("audio", Kind::Object),
    ("frequency_penalty", Kind::Number(-2.0, 2.0)),
    ("function_call", Kind::TextOrObject),
    ("functions", Kind::Array),
    ("logit_bias", Kind::Object),
    ("logprobs", Kind::Bool),
    ("max_completion_tokens", Kind::Integer(1, i64::MAX)),
    ("max_tokens", Kind::Integer(1, i64::MAX)),
    ("messages", Kind::Array),
    ("metadata", Kind::Object),
    ("modalities", Kind::Array),
    ("model", Kind::Text),
    ("moderation", Kind::Object),
    ("n", Kind::Integer(1, 128)),
    ("parallel_tool_calls", Kind::Bool),
    ("prediction", Kind::Object),
    ("presence_penalty", Kind::Number(-2.0, 2.0)),
    ("prompt_cache_key", Kind::Text),
    ("prompt_cache_options", Kind::Object),
    (
        "prompt_cache_retention",
        Kind::OneOf(&["in_memory", "in-memory", "24h"]),
    ),
    (
        "reasoning_effort",
        Kind::OneOf(&["none", "minimal", "low", "medium", "high", "xhigh", "max"]),
    ),
    ("response_format", Kind::Object),
    ("safety_identifier", Kind::Text),
    ("seed", Kind::Integer(i64::MIN, i64::MAX)),
    (
        "service_tier",
        Kind::OneOf(&["auto", "default", "flex", "scale", "priority", "fast"]),
    ),
    ("stop", Kind::Stop),
    ("store", Kind::Bool),
    ("stream", Kind::Bool),
    ("stream_options", Kind::Object),
    ("temperature", Kind::Number(0.0, 2.0)),
    ("tool_choice", Kind::TextOrObject),
    ("tools", Kind::Array),
    ("top_logprobs", Kind::Integer(0, 20)),
    ("top_p", Kind::Number(0.0, 1.0)),
    ("user", Kind::Text),
    ("verbosity", Kind::OneOf(&["low", "medium", "high"])),
    ("web_search_options", Kind::Object),
];

impl Kind {
    pub(super) fn check(self, name: &str, value: &Value) -> Checked {
        // Every optional parameter can be null.
        if value.is_null() && name != "messages" {
            return Ok(());
        }
        let (is_right, wanted) = match self {
            Self::Bool => (value.is_boolean(), "a boolean"),
            Self::Text => (value.is_string(), "a string"),
            Self::Object => (value.is_object(), "an object"),
            Self::Array => (value.is_array(), "an array"),
            Self::Integer(..) => (value.is_i64(), "an integer"),
            Self::Number(..) => (value.is_number(), "a number"),
            Self::OneOf(_) => (value.is_string(), "a string"),
            Self::TextOrArray => (
                value.is_string() || value.is_array(),
                "a string or an array",
            ),
            Self::TextOrObject => (
                value.is_string() || value.is_object(),
                "a string or an object",
            ),
            Self::Stop => {
                let stops = list(value);
                let is_list =
                    value.is_array() && stops.len() <= 4 && stops.iter().all(Value::is_string);
                (
                    value.is_string() || is_list,
                    "a string or an array of at most 4 strings",
                )
            }
        };
        if !is_right {
            return Err(wrong_type(name, wanted, value));
        }
        match self {
            Self::Integer(least, most) => {
                check_range(name, value, least as f64, most as f64, "integer")
            }
            Self::Number(least, most) => check_range(name, value, least, most, "decimal"),
            Self::OneOf(values) if !values.iter().any(|known| value == known) => {
                let supported = values
                    .iter()
                    .map(|value| format!("'{value}'"))
                    .collect::<Vec<_>>()
                    .join(", ");
                let message = format!("Invalid value: {value}. Supported values are: {supported}.");
                Err(Refusal::invalid(
                    name,
                    Some("invalid_value"),
                    message.replace('"', "'"),
                ))
            }
            _ => Ok(()),
        }
    }
}

fn check_range(name: &str, value: &Value, least: f64, most: f64, kind: &str) -> Checked {
    let number = value.as_f64().unwrap_or_default();
    if number < least {
        let code = if kind == "integer" {
            "integer_below_min_value"
        } else {
            "decimal_below_min_value"
        };
        let message = format!(
            "Invalid '{name}': {kind} below minimum value. Expected a value >= {least}, but got {value} instead."
        );
        return Err(Refusal::invalid(name, Some(code), message));
    }
    if number > most {
        let code = if kind == "integer" {
            "integer_above_max_value"
        } else {
            "decimal_above_max_value"
        };
        let message = format!(
            "Invalid '{name}': {kind} above maximum value. Expected a value <= {most}, but got {value} instead."
        );
        return Err(Refusal::invalid(name, Some(code), message));
    }
    Ok(())
}

fn wrong_type(place: &str, wanted: &str, value: &Value) -> Refusal {
    let got = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    Refusal::invalid(
        place,
        Some("invalid_type"),
        format!("Invalid type for '{place}': expected {wanted}, but got {got} instead."),
    )
}

pub(crate) fn missing(place: &str) -> Refusal {
    Refusal::invalid(
        place,
        Some("missing_required_parameter"),
        format!("Missing required parameter: '{place}'."),
    )
}

pub(crate) fn invalid_value(place: &str, message: impl Into<String>) -> Refusal {
    Refusal::invalid(place, Some("invalid_value"), message)
}

fn check_keys(value: &Value, place: &str, known: &[&str]) -> Checked {
    let object = value
        .as_object()
        .ok_or_else(|| wrong_type(place, "an object", value))?;
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => {
            let place = format!("{place}.{key}");
            Err(Refusal::invalid(
                &place,
                Some("unknown_parameter"),
                format!("Unknown parameter: '{place}'."),
            ))
        }
    }
}

fn check_messages(messages: &[Value]) -> Checked {
    if messages.is_empty() {
        return Err(Refusal::invalid(
            "messages",
            Some("empty_array"),
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        ));
    }
    // Ids of calls that wait for their answer.
    let mut open: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let place = format!("messages[{index}]");
        let is_tool = message["role"] == "tool";
        if !is_tool && !open.is_empty() {
            return Err(unanswered(&open));
        }
        check_message(message, &place)?;
        if is_tool {
            let id = message["tool_call_id"]
                .as_str()
                .ok_or_else(|| missing(&format!("{place}.tool_call_id")))?;
            let position = open.iter().position(|known| *known == id).ok_or_else(|| {
                Refusal::invalid(
                    &format!("messages.[{index}].role"),
                    None,
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
                )
            })?;
            open.remove(position);
        }
        open.extend(
            list(&message["tool_calls"])
                .iter()
                .filter_map(|call| call["id"].as_str()),
        );
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err(unanswered(&open))
    }
}

fn unanswered(open: &[&str]) -> Refusal {
    let message = format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following \
         tool_call_ids did not have response messages: {}",
        open.join(", ")
    );
    Refusal::invalid("messages", None, message)
}

fn check_message(message: &Value, place: &str) -> Checked {
    let role = message["role"]
        .as_str()
        .ok_or_else(|| missing(&format!("{place}.role")))?;
    let (known, parts): (&[&str], &[&str]) = match role {
        "system" | "developer" => (&["role", "content", "name"], &["text"]),
        "user" => (
            &["role", "content", "name"],
            &["text", "image_url", "input_audio", "file"],
        ),
        "assistant" => (
            &[
                "role",
                "content",
                "name",
                "refusal",
                "audio",
                "tool_calls",
                "function_call",
                "annotations",
            ],
            &["text", "refusal"],
        ),
        "tool" => (&["role", "content", "tool_call_id"], &["text"]),
        "function" => (&["role", "content", "name"], &["text"]),
        _ => {
            let message = format!(
                "Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'."
            );
            return Err(invalid_value(&format!("{place}.role"), message));
        }
    };
    check_keys(message, place, known)?;
    check_parts(
        &message["content"],
        &format!("{place}.content"),
        parts,
        role,
        message,
    )?;
    for (index, call) in list(&message["tool_calls"]).iter().enumerate() {
        check_call(call, &format!("{place}.tool_calls[{index}]"))?;
    }
    if message["tool_calls"].as_array().is_some_and(Vec::is_empty) {
        let message = format!(
            "Invalid '{place}.tool_calls': empty array. Expected an array with minimum length 1, but got an empty array instead."
        );
        return Err(Refusal::invalid(
            &format!("{place}.tool_calls"),
            Some("empty_array"),
            message,
        ));
    }
    Ok(())
}

fn check_parts(
    content: &Value,
    place: &str,
    kinds: &[&str],
    role: &str,
    message: &Value,
) -> Checked {
    match content {
        Value::String(_) => Ok(()),
        Value::Null
            if role == "assistant"
                && (message["tool_calls"].is_array() || message["refusal"].is_string()) =>
        {
            Ok(())
        }
        Value::Null => Err(invalid_value(
            place,
            format!(
                "Invalid value for '{}': expected a string, got null.",
                "content"
            ),
        )),
        Value::Array(parts) => parts
            .iter()
            .enumerate()
            .try_for_each(|(index, part)| check_part(part, &format!("{place}[{index}]"), kinds)),
        _ => Err(wrong_type(
            place,
            "one of a string or array of objects",
            content,
        )),
    }
}

fn check_part(part: &Value, place: &str, kinds: &[&str]) -> Checked {
    let kind = part["type"]
        .as_str()
        .ok_or_else(|| missing(&format!("{place}.type")))?;
    if !kinds.contains(&kind) {
        let supported = kinds
            .iter()
            .map(|kind| format!("'{kind}'"))
            .collect::<Vec<_>>()
            .join(", ");
        return Err(invalid_value(
            &format!("{place}.type"),
            format!("Invalid value: '{kind}'. Supported values are: {supported}."),
        ));
    }
    check_keys(part, place, &["type", kind, "prompt_cache_breakpoint"])?;
    let value = part
        .get(kind)
        .ok_or_else(|| missing(&format!("{place}.{kind}")))?;
    match kind {
        "text" | "refusal" if !value.is_string() => {
            Err(wrong_type(&format!("{place}.{kind}"), "a string", value))
        }
        "image_url" => check_image(value, &format!("{place}.image_url")),
        "input_audio" => check_keys(value, &format!("{place}.input_audio"), &["data", "format"]),
        "file" => check_keys(
            value,
            &format!("{place}.file"),
            &["file_data", "file_id", "filename"],
        ),
        _ => Ok(()),
    }
}

fn check_image(image: &Value, place: &str) -> Checked {
    check_keys(image, place, &["url", "detail"])?;
    let url = image["url"]
        .as_str()
        .ok_or_else(|| missing(&format!("{place}.url")))?;
    let is_data = url.starts_with("data:image/") && url.contains(";base64,");
    if is_data || url.starts_with("https://") || url.starts_with("http://") {
        return Ok(());
    }
    Err(Refusal::invalid(
        place,
        Some("invalid_image_url"),
        format!("Failed to download image from {url}. Image URL is invalid."),
    ))
}

fn check_call(call: &Value, place: &str) -> Checked {
    check_keys(call, place, &["id", "type", "function", "custom"])?;
    let kind = call["type"]
        .as_str()
        .ok_or_else(|| missing(&format!("{place}.type")))?;
    call["id"]
        .as_str()
        .ok_or_else(|| missing(&format!("{place}.id")))?;
    if kind == "custom" {
        return check_keys(
            &call["custom"],
            &format!("{place}.custom"),
            &["name", "input"],
        );
    }
    let place = format!("{place}.function");
    check_keys(&call["function"], &place, &["name", "arguments"])?;
    check_name(&call["function"]["name"], &format!("{place}.name"))?;
    call["function"]["arguments"]
        .as_str()
        .map(drop)
        .ok_or_else(|| missing(&format!("{place}.arguments")))
}

static FUNCTION_NAME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("^[a-zA-Z0-9_-]{1,64}$").expect("a pattern"));

fn check_name(name: &Value, place: &str) -> Checked {
    let text = name.as_str().ok_or_else(|| missing(place))?;
    if FUNCTION_NAME.is_match(text) {
        return Ok(());
    }
    let message = format!(
        "Invalid '{place}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
    );
    Err(invalid_value(place, message))
}

fn check_tools(body: &Value) -> Checked {
    let tools = list(&body["tools"]);
    if body["tools"].is_array() && (tools.is_empty() || tools.len() > 128) {
        let message = "Invalid 'tools': expected an array of 1 to 128 tools.";
        return Err(Refusal::invalid("tools", Some("empty_array"), message));
    }
    let mut names = HashSet::new();
    for (index, tool) in tools.iter().enumerate() {
        let place = format!("tools[{index}]");
        let kind = tool["type"]
            .as_str()
            .ok_or_else(|| missing(&format!("{place}.type")))?;
        if !["function", "custom"].contains(&kind) {
            let message =
                format!("Invalid value: '{kind}'. Supported values are: 'function' and 'custom'.");
            return Err(invalid_value(&format!("{place}.type"), message));
        }
        check_keys(tool, &place, &["type", kind])?;
        let definition = &tool[kind];
        let place = format!("{place}.{kind}");
        check_keys(
            definition,
            &place,
            &["name", "description", "parameters", "strict", "format"],
        )?;
        check_name(&definition["name"], &format!("{place}.name"))?;
        names.insert(definition["name"].as_str().unwrap_or_default());
        let parameters = &definition["parameters"];
        if !parameters.is_null() && (!parameters.is_object() || parameters["type"] != "object") {
            let name = &definition["name"];
            let message = format!(
                "Invalid schema for function {name}: schema must be a JSON Schema of 'type: \"object\"'."
            );
            return Err(Refusal::invalid(
                &format!("{place}.parameters"),
                Some("invalid_function_parameters"),
                message,
            ));
        }
        if definition["strict"] == true {
            check_strict(
                parameters,
                &format!("{place}.parameters"),
                "invalid_function_parameters",
            )?;
        }
    }
    check_choice(&body["tool_choice"], &names)?;
    for name in ["tool_choice", "parallel_tool_calls"] {
        if tools.is_empty() && !body[name].is_null() {
            let message = format!(
                "Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified."
            );
            return Err(Refusal::invalid(name, None, message));
        }
    }
    Ok(())
}

fn check_choice(choice: &Value, names: &HashSet<&str>) -> Checked {
    let Some(text) = choice.as_str() else {
        return match choice["function"]["name"].as_str() {
            Some(name) if !names.contains(name) => {
                let message = format!(
                    "Invalid value for 'tool_choice': no function named '{name}' was specified in the 'tools' parameter."
                );
                Err(Refusal::invalid("tool_choice", None, message))
            }
            _ => Ok(()),
        };
    };
    if ["none", "auto", "required"].contains(&text) {
        return Ok(());
    }
    Err(invalid_value(
        "tool_choice",
        format!("Invalid value: '{text}'. Supported values are: 'none', 'auto', and 'required'."),
    ))
}

fn check_strict(schema: &Value, place: &str, code: &'static str) -> Checked {
    let is_object = schema["type"] == "object";
    let properties = schema["properties"].as_object();
    let required = list(&schema["required"]);
    if is_object && schema["additionalProperties"] != false {
        let message = format!(
            "Invalid schema at '{place}': 'additionalProperties' is required to be supplied and to be false."
        );
        return Err(Refusal::invalid(place, Some(code), message));
    }
    for (name, property) in properties.into_iter().flatten() {
        if !required.iter().any(|known| known == name) {
            let message = format!(
                "Invalid schema at '{place}': 'required' is required to be supplied and to be an array including every key in \
                 properties. Missing '{name}'."
            );
            return Err(Refusal::invalid(place, Some(code), message));
        }
        check_strict(property, &format!("{place}.properties.{name}"), code)?;
    }
    Ok(())
}

fn check_response_format(body: &Value) -> Checked {
    let format = &body["response_format"];
    match format["type"].as_str() {
        None if format.is_null() => Ok(()),
        Some("text") => check_keys(format, "response_format", &["type"]),
        Some("json_object") => {
            let says_json = body["messages"].to_string().to_lowercase().contains("json");
            if says_json {
                return check_keys(format, "response_format", &["type"]);
            }
            let message = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.";
            Err(Refusal::invalid("messages", None, message))
        }
        Some("json_schema") => {
            check_keys(format, "response_format", &["type", "json_schema"])?;
            let schema = &format["json_schema"];
            check_keys(
                schema,
                "response_format.json_schema",
                &["name", "description", "schema", "strict"],
            )?;
            check_name(&schema["name"], "response_format.json_schema.name")?;
            if schema["strict"] == true {
                check_strict(&schema["schema"], "response_format", "invalid_json_schema")?;
            }
            Ok(())
        }
        _ => {
            let message = format!(
                "Invalid value: {}. Supported values are: 'json_object', 'json_schema', and 'text'.",
                format["type"]
            );
            Err(invalid_value("response_format.type", message))
        }
    }
}

/// Parameters that need, or exclude, one another.
fn check_together(body: &Value) -> Checked {
    if !body["stream_options"].is_null() {
        if body["stream"] != true {
            let message =
                "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
            return Err(Refusal::invalid("stream_options", None, message));
        }
        check_keys(
            &body["stream_options"],
            "stream_options",
            &["include_usage", "include_obfuscation"],
        )?;
    }
    if !body["top_logprobs"].is_null() && body["logprobs"] != true {
        let message = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.";
        return Err(Refusal::invalid("top_logprobs", None, message));
    }
    if !body["max_tokens"].is_null() && !body["max_completion_tokens"].is_null() {
        let message =
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.";
        return Err(Refusal::invalid(
            "max_tokens",
            Some("invalid_parameter_combination"),
            message,
        ));
    }
    Ok(())
}

fn check_reasoning_model(body: &Value) -> Checked {
    if !body["max_tokens"].is_null() {
        let message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
        return Err(Refusal::invalid(
            "max_tokens",
            Some("unsupported_parameter"),
            message,
        ));
    }
    for name in ["temperature", "top_p"] {
        if body[name]
            .as_f64()
            .is_some_and(|value| (value - 1.0).abs() > f64::EPSILON)
        {
            let message = format!(
                "Unsupported value: '{name}' does not support {} with this model. Only the default (1) value is supported.",
                body[name]
            );
            return Err(Refusal::invalid(name, Some("unsupported_value"), message));
        }
    }
    for name in [
        "frequency_penalty",
        "presence_penalty",
        "logprobs",
        "top_logprobs",
        "logit_bias",
    ] {
        if !body[name].is_null() && body[name] != false && body[name].as_f64() != Some(0.0) {
            let message =
                format!("Unsupported parameter: '{name}' is not supported with this model.");
            return Err(Refusal::invalid(
                name,
                Some("unsupported_parameter"),
                message,
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check_body(extra: &Value, want: &str) {
        let mut body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]});
        let object = body.as_object_mut().unwrap();
        object.extend(extra.as_object().unwrap().clone());
        let model = body["model"].as_str().unwrap();
        let got =
            check(model, &body, false).map_or_else(|refusal| refusal.message, |()| String::new());
        assert!(
            if want.is_empty() {
                got.is_empty()
            } else {
                got.contains(want)
            },
            "{got:?} has no {want:?}"
        );
    }

    #[test]
    fn parameters_are_known_and_typed() {
        check_body(&json!({"temperature": 2, "user": null}), "");
        check_body(&json!({"top_k": 1}), "Unknown parameter: 'top_k'");
        check_body(&json!({"temperature": 2.5}), "above maximum");
        check_body(&json!({"n": "1"}), "expected an integer, but got a string");
    }

    #[test]
    fn reasoning_models_count_otherwise() {
        check_body(&json!({"max_tokens": 5}), "");
        check_body(
            &json!({"reasoning_effort": "low"}),
            "supplied: reasoning_effort",
        );
        check_body(
            &json!({"model": "gpt-5-mini", "max_tokens": 5}),
            "Use 'max_completion_tokens' instead",
        );
        check_body(
            &json!({"model": "o3", "temperature": 0.5}),
            "Only the default (1)",
        );
    }

    #[test]
    fn tool_messages_answer_tool_calls() {
        let user = json!({"role": "user", "content": "hi"});
        let call = json!({"role": "assistant", "content": null, "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "t", "arguments": "{}"}}]});
        let tool = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "x"});
        check_body(&json!({"messages": [user, call, tool("a")]}), "");
        check_body(
            &json!({"messages": [user, call, tool("b")]}),
            "preceeding message",
        );
        check_body(
            &json!({"messages": [user, call]}),
            "did not have response messages: a",
        );
        check_body(
            &json!({"messages": [user, tool("a")]}),
            "preceeding message",
        );
    }

    #[test]
    fn choices_need_tools() {
        check_body(&json!({"tool_choice": "auto"}), "only allowed when 'tools'");
        check_body(&json!({"stream_options": {}}), "only allowed when 'stream'");
    }
}
