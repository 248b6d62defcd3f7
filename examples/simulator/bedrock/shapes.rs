//! Checks a body against AWS's own description of it.
//!
//! `shapes.json` is what botocore's service model says about Converse requests (`shapes.py` extracts it), so this room knows
//! no field by name. It finds what a type can tell; what only the service can tell is in `rules`.

use std::collections::HashMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

pub(crate) struct Shapes(HashMap<String, Shape>);

#[derive(Deserialize)]
struct Shape {
    #[serde(rename = "type")]
    kind: Kind,
    min: Option<f64>,
    max: Option<f64>,
    #[serde(default, deserialize_with = "whole_pattern")]
    pattern: Option<Regex>,
    #[serde(rename = "enum")]
    variants: Option<Vec<String>>,
    #[serde(default)]
    required: Vec<String>,
    #[serde(default)]
    union: bool,
    #[serde(default)]
    members: HashMap<String, String>,
    member: Option<String>,
    key: Option<String>,
    value: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Structure,
    List,
    Map,
    String,
    Integer,
    Float,
    Boolean,
    Blob,
    Document,
}

/// AWS anchors its patterns at both ends, whether or not they say so.
fn whole_pattern<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Regex>, D::Error> {
    let pattern = String::deserialize(from)?;
    Regex::new(&format!("^(?:{pattern})$"))
        .map(Some)
        .map_err(serde::de::Error::custom)
}

impl Shapes {
    pub(crate) fn load() -> Self {
        Self(
            serde_json::from_str(include_str!("../shapes.json"))
                .expect("shapes.json is made by shapes.py"),
        )
    }

    /// Says what AWS would say about `value` if it is not a `shape`.
    pub(crate) fn check(&self, shape: &str, value: &Value) -> Result<(), String> {
        self.check_at(shape, value, &mut Vec::new())
    }

    /// The same for a value outside of the body.
    pub(crate) fn check_named(&self, shape: &str, name: &str, value: &Value) -> Result<(), String> {
        self.check_at(shape, value, &mut vec![name.to_owned()])
    }

    fn check_at<'a>(
        &'a self,
        shape: &str,
        value: &'a Value,
        path: &mut Vec<String>,
    ) -> Result<(), String> {
        let shape = &self.0[shape];
        match shape.kind {
            Kind::Document => Ok(()),
            Kind::Structure => self.check_structure(shape, value, path),
            Kind::List => self.check_list(shape, value, path),
            Kind::Map => self.check_map(shape, value, path),
            Kind::String => check_string(
                shape,
                value.as_str().ok_or_else(|| wrong_type(path, "String"))?,
                path,
            ),
            Kind::Blob => check_blob(
                shape,
                value.as_str().ok_or_else(|| wrong_type(path, "Blob"))?,
                path,
            ),
            Kind::Boolean => value
                .as_bool()
                .map(drop)
                .ok_or_else(|| wrong_type(path, "Boolean")),
            Kind::Integer => {
                let number = value
                    .as_i64()
                    .filter(|&number| i32::try_from(number).is_ok());
                number.ok_or_else(|| wrong_type(path, "Integer"))?;
                check_range(shape, value, path)
            }
            Kind::Float => {
                value.as_f64().ok_or_else(|| wrong_type(path, "Float"))?;
                check_range(shape, value, path)
            }
        }
    }

    fn check_structure<'a>(
        &'a self,
        shape: &'a Shape,
        value: &'a Value,
        path: &mut Vec<String>,
    ) -> Result<(), String> {
        let object = value
            .as_object()
            .ok_or_else(|| wrong_type(path, "Object"))?;
        for (name, value) in object {
            let Some(member) = shape.members.get(name) else {
                return Err(format!(
                    "The model returned the following errors: Malformed input request: #{}: extraneous key [{name}] is not \
                     permitted, please reformat your input and try again.",
                    path.iter()
                        .map(|part| format!("/{part}"))
                        .collect::<String>(),
                ));
            };
            // AWS reads an explicit null as absent.
            if !value.is_null() {
                path.push(name.clone());
                self.check_at(member, value, path)?;
                path.pop();
            }
        }
        let present = object.values().filter(|value| !value.is_null()).count();
        if shape.union && present != 1 {
            let members = {
                let mut names: Vec<&str> = shape.members.keys().map(String::as_str).collect();
                names.sort_unstable();
                names.join(", ")
            };
            let place = path.join(".");
            return Err(format!(
                "Exactly one of the following keys must be set for {place}: {members} ({present} are set)"
            ));
        }
        for name in &shape.required {
            if object.get(name).is_none_or(Value::is_null) {
                path.push(name.clone());
                return Err(constraint(path, "Member must not be null"));
            }
        }
        Ok(())
    }

    fn check_list<'a>(
        &'a self,
        shape: &'a Shape,
        value: &'a Value,
        path: &mut Vec<String>,
    ) -> Result<(), String> {
        let list = value.as_array().ok_or_else(|| wrong_type(path, "List"))?;
        check_length(shape, list.len(), path)?;
        let member = shape.member.as_deref().expect("a list shape has a member");
        for (index, value) in list.iter().enumerate() {
            path.push(index.to_string());
            self.check_at(member, value, path)?;
            path.pop();
        }
        Ok(())
    }

    fn check_map<'a>(
        &'a self,
        shape: &'a Shape,
        value: &'a Value,
        path: &mut Vec<String>,
    ) -> Result<(), String> {
        let map = value.as_object().ok_or_else(|| wrong_type(path, "Map"))?;
        check_length(shape, map.len(), path)?;
        let key_shape = &self.0[shape.key.as_deref().expect("a map shape has a key")];
        let value_shape = shape.value.as_deref().expect("a map shape has a value");
        for (key, value) in map {
            check_string(key_shape, key, path)?;
            path.push(key.clone());
            self.check_at(value_shape, value, path)?;
            path.pop();
        }
        Ok(())
    }
}

fn check_string(shape: &Shape, text: &str, path: &[String]) -> Result<(), String> {
    check_length(shape, text.chars().count(), path)?;
    if shape
        .pattern
        .as_ref()
        .is_some_and(|pattern| !pattern.is_match(text))
    {
        let pattern = shape.pattern.as_ref().map_or("", Regex::as_str);
        return Err(constraint(
            path,
            &format!("Member must satisfy regular expression pattern: {pattern}"),
        ));
    }
    if let Some(variants) = &shape.variants
        && !variants.iter().any(|variant| variant == text)
    {
        return Err(constraint(
            path,
            &format!(
                "Member must satisfy enum value set: [{}]",
                variants.join(", ")
            ),
        ));
    }
    Ok(())
}

fn check_blob(shape: &Shape, text: &str, path: &[String]) -> Result<(), String> {
    match BASE64_STANDARD.decode(text) {
        Ok(bytes) => check_length(shape, bytes.len(), path),
        Err(_) => Err(constraint(path, "Member must be valid base64")),
    }
}

fn check_length(shape: &Shape, length: usize, path: &[String]) -> Result<(), String> {
    let length = length as f64;
    if let Some(min) = shape.min.filter(|&min| length < min) {
        return Err(constraint(
            path,
            &format!("Member must have length greater than or equal to {min}"),
        ));
    }
    if let Some(max) = shape.max.filter(|&max| length > max) {
        return Err(constraint(
            path,
            &format!("Member must have length less than or equal to {max}"),
        ));
    }
    Ok(())
}

fn check_range(shape: &Shape, value: &Value, path: &[String]) -> Result<(), String> {
    let number = value.as_f64().unwrap_or(f64::NAN);
    if let Some(min) = shape.min.filter(|&min| number < min) {
        return Err(constraint(
            path,
            &format!("Member must have value greater than or equal to {min}"),
        ));
    }
    if let Some(max) = shape.max.filter(|&max| number > max) {
        return Err(constraint(
            path,
            &format!("Member must have value less than or equal to {max}"),
        ));
    }
    Ok(())
}

fn constraint(path: &[String], what: &str) -> String {
    format!(
        "1 validation error detected: Value at '{}' failed to satisfy constraint: {what}",
        path.join(".")
    )
}

fn wrong_type(path: &[String], wanted: &str) -> String {
    format!(
        "The value at {} can not be converted to {wanted}",
        path.join(".")
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(value: Value, want: &str) {
        let got = Shapes::load()
            .check("ConverseStreamRequest", &value)
            .err()
            .unwrap_or_default();
        assert!(
            if want.is_empty() {
                got.is_empty()
            } else {
                got.contains(want)
            },
            "{got:?} has no {want:?}"
        );
    }

    fn block(block: &Value) -> Value {
        json!({"messages": [{"role": "user", "content": [block]}]})
    }

    #[test]
    fn a_plain_request_is_valid() {
        check(block(&json!({"text": "hello"})), "");
    }

    #[test]
    fn an_unknown_member_is_named_with_its_place() {
        check(
            block(&json!({"text": "a", "txt": "b"})),
            "#/messages/0/content/0: extraneous key [txt]",
        );
    }

    #[test]
    fn the_model_id_is_no_member_of_the_body() {
        check(json!({"modelId": "x"}), "extraneous key [modelId]");
    }

    #[test]
    fn a_union_has_exactly_one_member() {
        check(
            block(&json!({"text": "a", "cachePoint": {"type": "default"}})),
            "Exactly one",
        );
        check(block(&json!({})), "Exactly one");
    }

    #[test]
    fn null_is_absent() {
        check(block(&json!({"text": "a", "cachePoint": null})), "");
        check(
            json!({"messages": [{"role": null, "content": []}]}),
            "messages.0.role",
        );
    }

    #[test]
    fn numbers_have_ranges() {
        check(
            json!({"inferenceConfig": {"maxTokens": 0}}),
            "greater than or equal to 1",
        );
        check(
            json!({"inferenceConfig": {"temperature": 1.5}}),
            "less than or equal to 1",
        );
        check(json!({"inferenceConfig": {"maxTokens": 1.5}}), "Integer");
    }

    #[test]
    fn patterns_hold_for_the_whole_text() {
        check(json!({"requestMetadata": {"a": "fine: 1"}}), "");
        check(
            json!({"requestMetadata": {"a": "not {fine}"}}),
            "regular expression",
        );
        check(json!({"requestMetadata": {}}), "length");
    }

    #[test]
    fn blobs_are_base64() {
        check(
            block(&json!({"image": {"format": "png", "source": {"bytes": "@@"}}})),
            "base64",
        );
        check(
            block(&json!({"image": {"format": "png", "source": {"bytes": ""}}})),
            "length",
        );
        check(
            block(&json!({"image": {"format": "bmp", "source": {"bytes": "aaaa"}}})),
            "enum",
        );
    }

    #[test]
    fn stream_processing_mode_is_for_streams_only() {
        let body = json!({"guardrailConfig": {"streamProcessingMode": "sync"}});
        check(body.clone(), "");
        assert!(Shapes::load().check("ConverseRequest", &body).is_err());
    }
}
