//! What single families of models refuse. These change by the month; they were read in November 2026.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use super::prompt::list;

pub(crate) fn check(model: &str, body: &Value) -> Result<(), String> {
    check_system_tools(model, body)?;
    match Family::of(model) {
        Family::Claude(claude) => claude.check(body),
        Family::Nova { is_second } => check_nova(is_second, body),
        Family::GptOss => {
            check_extra(body, &["reasoning_effort"])?;
            check_level(
                &body["additionalModelRequestFields"]["reasoning_effort"],
                "reasoning_effort",
            )
        }
        Family::OpenAi => check_openai(body),
        Family::DeepSeekR1 => {
            check_extra(body, &[])?;
            forbid(body, "/toolConfig")
        }
        Family::DeepSeekV3OrQwen => {
            check_extra(body, &["reasoning_config"])?;
            check_level(
                &body["additionalModelRequestFields"]["reasoning_config"],
                "reasoning_config",
            )
        }
        Family::Mistral => check_mistral(body),
        Family::Other => Ok(()),
    }
}

/// Only some of Nova's models search the web.
fn check_system_tools(model: &str, body: &Value) -> Result<(), String> {
    let searches = ["amazon.nova-2-", "amazon.nova-premier"];
    let searches = searches.iter().any(|family| model.contains(family));
    let mut tools = list(&body["toolConfig"]["tools"]).iter();
    let tool = tools.find_map(|tool| tool.get("systemTool"));
    match tool.map(|tool| tool["name"].as_str().unwrap_or_default()) {
        Some("nova_grounding") if searches => Ok(()),
        Some(name) => Err(format!(
            "The system tool {name} is not supported by this model."
        )),
        None => Ok(()),
    }
}

enum Family {
    Claude(Claude),
    Nova { is_second: bool },
    GptOss,
    OpenAi,
    DeepSeekR1,
    DeepSeekV3OrQwen,
    Mistral,
    Other,
}

impl Family {
    /// A model may be named by a bare id, a regional profile or an ARN of either.
    fn of(model: &str) -> Self {
        let after = |prefix: &str| model.split_once(prefix).map(|(_, name)| name);
        if let Some(name) = after("anthropic.claude-") {
            return Self::Claude(Claude::parse(name));
        }
        if let Some(name) = after("amazon.nova-") {
            return Self::Nova {
                is_second: name.starts_with("2-"),
            };
        }
        if after("openai.gpt-oss").is_some() {
            return Self::GptOss;
        }
        if after("openai.gpt-").is_some() {
            return Self::OpenAi;
        }
        if after("deepseek.r1").is_some() {
            return Self::DeepSeekR1;
        }
        if after("deepseek.v3").is_some() || after("qwen.").is_some() {
            return Self::DeepSeekV3OrQwen;
        }
        if after("mistral.").is_some() {
            return Self::Mistral;
        }
        Self::Other
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Claude {
    /// `opus`, `sonnet`, `haiku`, `fable`
    tier: String,
    version: (u32, u32),
}

impl Claude {
    /// `3-7-sonnet-20250219-v1:0` or `sonnet-4-5-20250929-v1:0`
    fn parse(name: &str) -> Self {
        let words: Vec<&str> = name.split(['-', ':']).collect();
        let tier = words
            .iter()
            .find(|word| ["opus", "sonnet", "haiku", "fable", "instant"].contains(word))
            .unwrap_or(&"");
        // A date has more digits, and `v1` is a version of the packaging.
        let mut numbers = words
            .iter()
            .take_while(|word| !word.starts_with('v'))
            .filter_map(|word| word.parse().ok());
        let mut number = || numbers.next().filter(|&number| number < 100).unwrap_or(0);
        Self {
            tier: (*tier).to_owned(),
            version: (number(), number()),
        }
    }

    fn is_one_of(&self, list: &[(&str, u32, u32)]) -> bool {
        list.iter()
            .any(|&(tier, major, minor)| tier == self.tier && (major, minor) == self.version)
    }

    fn check(&self, body: &Value) -> Result<(), String> {
        let known = &[
            "anthropic_beta",
            "context_management",
            "output_config",
            "speed",
            "thinking",
            "tool_choice",
            "top_k",
        ];
        check_extra(body, known)?;
        self.check_sampling(body)?;
        self.check_thinking(body)?;
        self.check_tools(body)?;
        self.check_schema(body)?;
        let messages = list(&body["messages"]);
        let last = messages.last().unwrap_or(&Value::Null);
        if last["role"] == "assistant" {
            if self.version >= (4, 6) {
                return Err(from_model(
                    "This model does not support assistant message prefill. The conversation must end with a user message.",
                ));
            }
            let text = list(&last["content"])
                .last()
                .and_then(|block| block["text"].as_str())
                .unwrap_or_default();
            if text.ends_with(char::is_whitespace) {
                return Err(from_model(
                    "messages: final assistant content cannot end with trailing whitespace",
                ));
            }
        }
        if list(&body["inferenceConfig"]["stopSequences"])
            .iter()
            .any(|stop| stop.as_str().is_some_and(|stop| stop.trim().is_empty()))
        {
            return Err(from_model(
                "stop_sequences: each stop sequence must contain non-whitespace",
            ));
        }
        Ok(())
    }

    fn check_sampling(&self, body: &Value) -> Result<(), String> {
        let refuses = self.is_one_of(&[
            ("opus", 4, 7),
            ("opus", 4, 8),
            ("opus", 5, 0),
            ("opus", 5, 5),
            ("sonnet", 5, 0),
            ("sonnet", 5, 5),
            ("haiku", 5, 5),
            ("fable", 5, 0),
            ("fable", 5, 1),
        ]);
        if refuses {
            forbid(body, "/inferenceConfig/temperature")?;
            forbid(body, "/inferenceConfig/topP")?;
            forbid(body, "/additionalModelRequestFields/top_k")?;
        }
        let config = &body["inferenceConfig"];
        if [(4, 5), (4, 6)].contains(&self.version)
            && !config["temperature"].is_null()
            && !config["topP"].is_null()
        {
            return Err(from_model(
                "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
            ));
        }
        Ok(())
    }

    fn check_thinking(&self, body: &Value) -> Result<(), String> {
        let thinking = &body["additionalModelRequestFields"]["thinking"];
        let is_adaptive_only = self.is_one_of(&[
            ("fable", 5, 0),
            ("fable", 5, 1),
            ("opus", 5, 5),
            ("sonnet", 5, 5),
            ("haiku", 5, 5),
        ]);
        match thinking["type"].as_str() {
            None if thinking.is_null() => return Ok(()),
            Some("disabled") => return Ok(()),
            Some("adaptive") if self.version >= (4, 6) => {}
            Some("enabled") if is_adaptive_only => {
                return Err(from_model(
                    "\"thinking.type.enabled\" is not supported for this model. Use \"thinking.type.adaptive\".",
                ));
            }
            Some("enabled") if self.version >= (3, 7) => {
                check_budget(thinking, &body["inferenceConfig"])?
            }
            _ => {
                return Err(from_model(
                    "thinking: this form is not supported for this model",
                ));
            }
        }
        for place in [
            "/inferenceConfig/temperature",
            "/inferenceConfig/topP",
            "/additionalModelRequestFields/top_k",
        ] {
            if body
                .pointer(place)
                .is_some_and(|value| !value.is_null() && *value != json!(1) && *value != json!(1.0))
            {
                return Err(from_model(&format!(
                    "`{}` may only be set to 1 or left out when thinking is enabled.",
                    place.rsplit('/').next().unwrap_or_default()
                )));
            }
        }
        if is_forced(body) {
            return Err(from_model(
                "Thinking may not be enabled when tool_choice forces tool use.",
            ));
        }
        Ok(())
    }

    fn check_tools(&self, body: &Value) -> Result<(), String> {
        let config = &body["toolConfig"];
        if is_forced(body) && self.is_one_of(&[("opus", 5, 5), ("sonnet", 5, 5), ("fable", 5, 1)]) {
            return Err(from_model(
                "tool_choice: type \"tool\" and \"any\" are not supported for this model.",
            ));
        }
        let extra = &body["additionalModelRequestFields"]["tool_choice"];
        if let Some((kind, _)) = config["toolChoice"]
            .as_object()
            .and_then(|choice| choice.iter().next())
            && !extra["type"].is_null()
        {
            return Err(format!(
                "The additional field tool_choice/type conflicts with the existing field toolConfig.toolChoice.{kind}"
            ));
        }
        let refuses_strict = self.is_one_of(&[
            ("opus", 4, 7),
            ("opus", 4, 8),
            ("opus", 5, 0),
            ("fable", 5, 0),
            ("sonnet", 5, 0),
        ]);
        let is_strict = |tool: &Value| tool["toolSpec"]["strict"] == true;
        if refuses_strict && list(&config["tools"]).iter().any(is_strict) {
            return Err(from_model(
                "tools.0.custom.strict: Extra inputs are not permitted",
            ));
        }
        Ok(())
    }

    /// Structured output wants every object closed.
    fn check_schema(&self, body: &Value) -> Result<(), String> {
        let text = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"]
            .as_str()
            .unwrap_or("{}");
        let schema: Value = serde_json::from_str(text).unwrap_or_default();
        if is_closed(&schema) {
            return Ok(());
        }
        Err(from_model(
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false",
        ))
    }
}

fn check_budget(thinking: &Value, config: &Value) -> Result<(), String> {
    let budget = thinking["budget_tokens"]
        .as_u64()
        .ok_or_else(|| from_model("thinking.enabled.budget_tokens: Field required"))?;
    if budget < 1024 {
        return Err(from_model(
            "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
        ));
    }
    match config["maxTokens"].as_u64() {
        Some(most) if most <= budget => Err(from_model(
            "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation at \
             https://docs.claude.com/en/docs/build-with-claude/extended-thinking#max-tokens-and-context-window-size",
        )),
        _ => Ok(()),
    }
}

fn is_closed(schema: &Value) -> bool {
    match schema {
        Value::Object(object) => {
            let is_open = object.get("type").is_some_and(|kind| kind == "object")
                && object.get("additionalProperties") != Some(&Value::Bool(false));
            !is_open && object.values().all(is_closed)
        }
        Value::Array(list) => list.iter().all(is_closed),
        _ => true,
    }
}

fn check_nova(is_second: bool, body: &Value) -> Result<(), String> {
    let known: &[&str] = if is_second {
        &["inferenceConfig", "reasoningConfig"]
    } else {
        &["inferenceConfig"]
    };
    check_extra(body, known)?;
    if list(&body["toolConfig"]["tools"])
        .iter()
        .any(|tool| tool.get("cachePoint").is_some())
    {
        return Err(
            "This model doesn't support cachePoint in toolConfig.tools. Remove it and try again."
                .to_owned(),
        );
    }
    let reasoning = &body["additionalModelRequestFields"]["reasoningConfig"];
    if reasoning["type"] != "enabled" {
        return Ok(());
    }
    check_level(
        &reasoning["maxReasoningEffort"],
        "reasoningConfig.maxReasoningEffort",
    )?;
    if reasoning["maxReasoningEffort"] == "high" {
        for name in ["maxTokens", "temperature", "topP"] {
            if !body["inferenceConfig"][name].is_null() {
                return Err(format!(
                    "`{name}` must be unset when reasoningConfig type is 'enabled' and maxReasoningEffort is 'high'"
                ));
            }
        }
    }
    Ok(())
}

fn check_openai(body: &Value) -> Result<(), String> {
    check_extra(body, &["reasoning", "verbosity"])?;
    for name in ["temperature", "topP", "stopSequences"] {
        forbid(body, &format!("/inferenceConfig/{name}"))?;
    }
    if body["inferenceConfig"]["maxTokens"]
        .as_u64()
        .is_some_and(|most| most < 16)
    {
        return Err(from_model(
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16.",
        ));
    }
    let mut blocks = list(&body["messages"])
        .iter()
        .flat_map(|message| list(&message["content"]));
    if blocks.any(|block| {
        list(&block["toolResult"]["content"])
            .iter()
            .any(|part| part.get("image").is_some())
    }) {
        return Err(
            "This model doesn't support the image field in toolResult. Remove image and try again."
                .to_owned(),
        );
    }
    Ok(())
}

static MISTRAL_ID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("^[a-zA-Z0-9]{9}$").expect("a pattern"));

fn check_mistral(body: &Value) -> Result<(), String> {
    let blocks = list(&body["messages"])
        .iter()
        .flat_map(|message| list(&message["content"]));
    for id in blocks.filter_map(|block| block["toolUse"]["toolUseId"].as_str()) {
        if !MISTRAL_ID.is_match(id) {
            return Err(from_model(&format!(
                "Tool call id was {id} but must be a-z, A-Z, 0-9, with a length of 9."
            )));
        }
    }
    forbid(body, "/toolConfig/toolChoice/tool")
}

fn check_extra(body: &Value, known: &[&str]) -> Result<(), String> {
    let extra = &body["additionalModelRequestFields"];
    if extra.is_null() {
        return Ok(());
    }
    let object = extra
        .as_object()
        .ok_or("The additionalModelRequestFields field must be a JSON object.")?;
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(from_model(&format!(
            "{key}: Extra inputs are not permitted"
        ))),
    }
}

fn check_level(level: &Value, name: &str) -> Result<(), String> {
    if level.is_null() || ["low", "medium", "high"].iter().any(|good| level == good) {
        return Ok(());
    }
    Err(from_model(&format!(
        "{name}: Input should be 'low', 'medium' or 'high'"
    )))
}

fn forbid(body: &Value, place: &str) -> Result<(), String> {
    if body.pointer(place).is_none_or(Value::is_null) {
        return Ok(());
    }
    let name = place.rsplit('/').next().unwrap_or_default();
    Err(format!(
        "This model doesn't support the {name} field. Remove {name} and try again."
    ))
}

fn is_forced(body: &Value) -> bool {
    let choice = &body["toolConfig"]["toolChoice"];
    choice.get("any").or_else(|| choice.get("tool")).is_some()
}

fn from_model(message: &str) -> String {
    format!("The model returned the following errors: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_model(model: &str, body: &Value, want: &str) {
        let got = check(model, body).err().unwrap_or_default();
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
    fn claude_has_a_tier_and_a_version() {
        for (name, tier, version) in [
            ("3-7-sonnet-20250219-v1:0", "sonnet", (3, 7)),
            ("sonnet-4-5-20250929-v1:0", "sonnet", (4, 5)),
            ("opus-4-20250514-v1:0", "opus", (4, 0)),
            ("opus-4-6-v1", "opus", (4, 6)),
            ("fable-5", "fable", (5, 0)),
        ] {
            assert_eq!(
                Claude::parse(name),
                Claude {
                    tier: tier.to_owned(),
                    version
                }
            );
        }
    }

    #[test]
    fn newer_claude_refuses_temperature() {
        let body = json!({"inferenceConfig": {"temperature": 0.5}});
        check_model(
            "us.anthropic.claude-opus-4-7",
            &body,
            "doesn't support the temperature field",
        );
        check_model("us.anthropic.claude-sonnet-4-5-20250929-v1:0", &body, "");
        let both = json!({"inferenceConfig": {"temperature": 0.5, "topP": 0.5}});
        check_model(
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
            &both,
            "cannot both be specified",
        );
    }

    #[test]
    fn a_thinking_budget_fits() {
        let think = |budget: u32, most: u32| {
            json!({"inferenceConfig": {"maxTokens": most},
                   "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": budget}}})
        };
        let model = "anthropic.claude-sonnet-4-20250514-v1:0";
        check_model(model, &think(1024, 2000), "");
        check_model(model, &think(1023, 2000), "1024");
        check_model(model, &think(1024, 1024), "must be greater than");
        check_model("anthropic.claude-fable-5", &think(1024, 2000), "adaptive");
    }

    #[test]
    fn nova_thinks_hard_without_limits() {
        let reasoning = json!({"type": "enabled", "maxReasoningEffort": "high"});
        let body = json!({"inferenceConfig": {"maxTokens": 5}, "additionalModelRequestFields": {"reasoningConfig": reasoning}});
        check_model(
            "us.amazon.nova-2-lite-v1:0",
            &body,
            "`maxTokens` must be unset",
        );
        check_model(
            "amazon.nova-lite-v1:0",
            &body,
            "reasoningConfig: Extra inputs",
        );
    }

    #[test]
    fn structured_output_wants_closed_objects() {
        let format = |schema: &str| json!({"outputConfig": {"textFormat": {"structure": {"jsonSchema": {"schema": schema}}}}});
        check_model(
            "anthropic.claude-sonnet-4-5-v1:0",
            &format(r#"{"type":"object"}"#),
            "additionalProperties",
        );
        check_model(
            "anthropic.claude-sonnet-4-5-v1:0",
            &format(r#"{"type":"object","additionalProperties":false}"#),
            "",
        );
    }
}
