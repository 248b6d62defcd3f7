//! The least JSON that a JSON Schema accepts, or nearly: `pattern` is not solved.

use serde_json::{Map, Value, json};

/// Schemas that refer to themselves end here.
const DEPTH_MAX: usize = 24;
const ITEMS_MAX: u64 = 64;

pub(crate) fn instance(schema: &Value) -> Value {
    build(schema, schema, "text", DEPTH_MAX)
}

fn build(root: &Value, schema: &Value, name: &str, depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else {
        return Value::Null;
    };
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root
            .pointer(reference.trim_start_matches('#'))
            .unwrap_or(&Value::Null);
        return build(root, target, name, depth);
    }
    if let Some(value) = schema.get("const").or_else(|| schema["enum"].get(0)) {
        return value.clone();
    }
    if let Some(part) = ["anyOf", "oneOf"]
        .iter()
        .find_map(|key| schema[*key].get(0))
    {
        return build(root, part, name, depth);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        return all_of(root, schema, parts, name, depth);
    }
    let kind = schema["type"]
        .as_str()
        .or_else(|| schema["type"].get(0).and_then(Value::as_str));
    let has_members = schema.get("properties").is_some();
    match kind.unwrap_or(if has_members { "object" } else { "string" }) {
        "object" => object(root, schema, depth),
        "array" => {
            let count = schema["minItems"].as_u64().unwrap_or(0).min(ITEMS_MAX);
            (0..count)
                .map(|_| build(root, &schema["items"], name, depth))
                .collect()
        }
        "integer" => json!(least(schema).ceil() as i64),
        "number" => json!(least(schema)),
        "boolean" => json!(false),
        "null" => Value::Null,
        _ => json!(string(schema, name)),
    }
}

fn object(root: &Value, schema: &Value, depth: usize) -> Value {
    let required = schema["required"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let members = required.iter().filter_map(Value::as_str);
    members
        .map(|name| {
            (
                name.to_owned(),
                build(root, &schema["properties"][name], name, depth),
            )
        })
        .collect::<Map<_, _>>()
        .into()
}

fn all_of(root: &Value, schema: &Value, parts: &[Value], name: &str, depth: usize) -> Value {
    let mut whole = object(root, schema, depth);
    for part in parts {
        match (&mut whole, build(root, part, name, depth)) {
            (Value::Object(whole), Value::Object(part)) => whole.extend(part),
            (_, other) => return other,
        }
    }
    whole
}

fn least(schema: &Value) -> f64 {
    let least = schema["minimum"]
        .as_f64()
        .or_else(|| schema["exclusiveMinimum"].as_f64().map(|least| least + 1.0));
    least
        .unwrap_or(0.0)
        .min(schema["maximum"].as_f64().unwrap_or(f64::MAX))
}

fn string(schema: &Value, name: &str) -> String {
    let text = match schema["format"].as_str() {
        Some("date-time") => "2026-11-23T00:00:00Z",
        Some("date") => "2026-11-23",
        Some("time") => "00:00:00Z",
        Some("email") => "someone@example.com",
        Some("uri") => "https://example.com/",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        _ => name,
    };
    let count = |key: &str| {
        schema[key]
            .as_u64()
            .and_then(|count| usize::try_from(count).ok())
    };
    let padding = count("minLength")
        .unwrap_or(0)
        .saturating_sub(text.chars().count());
    let padded = text.to_owned() + &"x".repeat(padding);
    padded
        .chars()
        .take(count("maxLength").unwrap_or(usize::MAX))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(schema: &Value, want: &Value) {
        assert_eq!(&instance(schema), want);
    }

    #[test]
    fn only_required_members_are_made() {
        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}}});
        check(&schema, &json!({}));
        let mut schema = schema;
        schema["required"] = json!(["city", "unit"]);
        check(&schema, &json!({"city": "city", "unit": "C"}));
    }

    #[test]
    fn references_and_unions_are_followed() {
        check(
            &json!({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"type": "integer", "minimum": 3}]}}}),
            &json!(3),
        );
    }

    #[test]
    fn a_schema_that_needs_itself_ends() {
        instance(&json!({"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}}));
    }

    #[test]
    fn lengths_hold() {
        check(&json!({"type": "string", "minLength": 6}), &json!("textxx"));
        check(
            &json!({"type": "array", "minItems": 2, "items": {"type": "boolean"}}),
            &json!([false, false]),
        );
    }
}
