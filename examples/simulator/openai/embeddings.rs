//! OpenAI's embeddings: what the API demands of a body, and what it answers.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::Refusal;
use crate::model::tokens;
use crate::vector;

const KNOWN: &[&str] = &["model", "input", "dimensions", "encoding_format", "user"];
const INPUTS_MAX: usize = 2_048;

pub(super) fn answer(model: &str, body: &Value) -> Result<Value, Refusal> {
    let object = body.as_object();
    if let Some(key) =
        object.and_then(|body| body.keys().find(|key| !KNOWN.contains(&key.as_str())))
    {
        let message = format!("Unrecognized request argument supplied: {key}");
        return Err(Refusal::invalid("", None, message));
    }
    let dimensions = match &body["dimensions"] {
        Value::Null => 1_536,
        number => number
            .as_u64()
            .filter(|number| (1..=3_072).contains(number))
            .ok_or_else(|| {
                Refusal::invalid("dimensions", None, "Invalid value for 'dimensions'.")
            })?,
    };
    let is_base64 = match body["encoding_format"].as_str() {
        None if body["encoding_format"].is_null() => false,
        Some("float") => false,
        Some("base64") => true,
        _ => {
            let message = "Invalid value for 'encoding_format'.";
            return Err(Refusal::invalid("encoding_format", None, message));
        }
    };
    let inputs = inputs(&body["input"])?;
    let count: u64 = inputs.iter().map(|text| tokens(text.len())).sum();
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let numbers = vector::of(text, dimensions);
            let embedding = match is_base64 {
                true => json!(base64(&numbers)),
                false => json!(numbers),
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    Ok(json!({
        "object": "list",
        "data": data,
        "model": model,
        "usage": {"prompt_tokens": count, "total_tokens": count},
    }))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "32 bits are what base64 has"
)]
fn base64(numbers: &[f64]) -> String {
    let bytes: Vec<u8> = numbers
        .iter()
        .flat_map(|number| (*number as f32).to_le_bytes())
        .collect();
    BASE64_STANDARD.encode(bytes)
}

/// Each input as a text; tokens as the digits that they are.
fn inputs(input: &Value) -> Result<Vec<String>, Refusal> {
    let wrong = |message: &str| Refusal::invalid("input", None, message);
    let is_tokens = |value: &Value| {
        value
            .as_array()
            .is_some_and(|list| !list.is_empty() && list.iter().all(Value::is_u64))
    };
    let one = |value: &Value| match value {
        Value::String(text) if text.is_empty() => Err(wrong("'input' cannot be an empty string.")),
        Value::String(text) => Ok(text.clone()),
        tokens if is_tokens(tokens) => Ok(tokens.to_string()),
        _ => Err(wrong("'$.input' is invalid.")),
    };
    match input {
        Value::Array(list) if !is_tokens(input) => {
            if list.is_empty() || list.len() > INPUTS_MAX {
                return Err(wrong("'$.input' is invalid."));
            }
            list.iter().map(one).collect()
        }
        other => Ok(vec![one(other)?]),
    }
}
