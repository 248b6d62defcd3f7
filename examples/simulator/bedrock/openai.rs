//! Bedrock's OpenAI endpoints: the runtime's `/openai/v1`, and mantle with a path for each model.
//!
//! What stands before the models answers in AWS's form, the models in OpenAI's.

use serde_json::{Value, json};

use super::{Keys, Refusal, check_media_types};
use crate::exchange::{Received, Reply, Turn, Upstream};
use crate::openai::{self, Api};

const REGIONS: &[&str] = &["us.", "eu.", "apac.", "jp.", "au.", "global.", "us-gov."];

pub(super) fn accept(keys: &Keys, request: &Received) -> Result<Turn, Reply> {
    let is_mantle = request.upstream == Upstream::Mantle;
    let (prefix, api) = route(is_mantle, request)
        .ok_or_else(|| Refusal::new(404, "UnknownOperationException", "").reply())?;
    if let Some(name) = request.leaked_header() {
        let message = format!("The header {name} must not reach this service.");
        return Err(Refusal::invalid(message).reply());
    }
    let service = if is_mantle {
        "bedrock-mantle"
    } else {
        "bedrock"
    };
    let judged = keys
        .check(request, service, request.at)
        .and_then(|()| check_media_types(request, "text/event-stream"));
    judged.map_err(|refusal| refusal.reply())?;
    let body: Value = serde_json::from_slice(&request.body)
        .map_err(|_syntax| Refusal::invalid("The body is not JSON.").reply())?;
    let model = body["model"].as_str().unwrap_or_default().to_owned();
    if is_mantle {
        check_mantle(prefix, &model, api)?;
    } else {
        check_runtime(&model).map_err(|message| Refusal::invalid(message).reply())?;
    }
    check_guardrail(is_mantle, request).map_err(|message| Refusal::invalid(message).reply())?;
    check_gpt_oss(&model, &body).map_err(|refusal| refusal.reply())?;
    openai::accept_for_bedrock(request, &body, &model, api)
}

/// The prefix, and what is asked for behind it. Responses are mantle's alone.
fn route(is_mantle: bool, request: &Received) -> Option<(&str, Api)> {
    let path = request.path();
    let (prefix, api) = match path.strip_suffix("/chat/completions") {
        Some(prefix) => (prefix, Api::Chat),
        None if is_mantle => (path.strip_suffix("/responses")?, Api::Responses),
        None => return None,
    };
    let is_known = match prefix {
        "/openai/v1" => true,
        "/v1" => is_mantle,
        _ => false,
    };
    (is_known && request.method == "POST").then_some((prefix, api))
}

fn is_regional(model: &str) -> bool {
    REGIONS.iter().any(|region| model.starts_with(region))
}

fn check_runtime(model: &str) -> Result<(), String> {
    if model.is_empty() || model.contains("missing") {
        return Err("The provided model identifier is invalid.".to_owned());
    }
    if model.contains(":application-inference-profile/") {
        return Err("Application inference profiles are not supported by this API.".to_owned());
    }
    let is_profile = model.starts_with("arn:") || is_regional(model);
    if model.starts_with("openai.gpt-") && !model.contains("gpt-oss") && !is_profile {
        return Err(format!(
            "Invocation of model ID {model} with on-demand throughput isn\u{2019}t supported. Retry your request with the ID \
             or ARN of an inference profile that contains this model."
        ));
    }
    Ok(())
}

fn check_mantle(prefix: &str, model: &str, api: Api) -> Result<(), Reply> {
    let error = |status, code: &str, message: String| {
        let error = json!({"message": message, "type": "invalid_request_error", "param": null, "code": code});
        Err(Reply::json(status, &json!({"error": error})))
    };
    if model.is_empty()
        || model.contains("missing")
        || model.starts_with("arn:")
        || is_regional(model)
    {
        let message = format!("The model '{model}' does not exist");
        return error(404, "model_not_found", message);
    }
    let is_openai = model.starts_with("openai.gpt-") && !model.contains("gpt-oss");
    let is_under_openai =
        is_openai || model.starts_with("xai.") || model.starts_with("google.gemma-4");
    let own = if is_under_openai { "/openai/v1" } else { "/v1" };
    let is_responses_only = ["openai.gpt-5.4", "openai.gpt-5.5"].contains(&model);
    if own != prefix || (is_responses_only && api == Api::Chat) {
        let message = format!("model `{model}` isn't supported on this route");
        return error(400, "validation_error", message);
    }
    Ok(())
}

/// A guardrail comes in headers, by id and version, and to the runtime's chats only.
fn check_guardrail(is_mantle: bool, request: &Received) -> Result<(), String> {
    const PREFIX: &str = "x-amzn-bedrock-";
    let named = request.headers.iter();
    let mut named = named.filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?, value)));
    let is_known = |(name, value): (&str, &String)| match name {
        "guardrailidentifier" => !value.is_empty(),
        "guardrailversion" => value == "DRAFT" || value.parse::<u32>().is_ok(),
        "trace" => ["ENABLED", "DISABLED", "ENABLED_FULL"].contains(&value.as_str()),
        _ => false,
    };
    if let Some((name, _)) = named.find(|header| is_mantle || !is_known(*header)) {
        return Err(format!("The header {PREFIX}{name} is not supported."));
    }
    let has = |name: &str| request.header(&format!("{PREFIX}{name}")).is_some();
    if has("guardrailidentifier") != has("guardrailversion") {
        return Err("Guardrail identifier and version must be specified together.".to_owned());
    }
    Ok(())
}

fn check_gpt_oss(model: &str, body: &Value) -> Result<(), openai::Refusal> {
    if !model.contains("gpt-oss") {
        return Ok(());
    }
    let is_there = |name: &&str| !body[*name].is_null();
    let refused = ["logit_bias", "max_tokens"];
    if let Some(name) = refused.iter().find(|name| is_there(name)) {
        let message = format!("Unsupported parameter: '{name}' is not supported with this model.");
        return Err(openai::Refusal::invalid(
            name,
            Some("unsupported_parameter"),
            message,
        ));
    }
    if body["n"].as_u64().is_some_and(|count| count > 1) {
        let message = "Invalid 'n': only one completion is supported.";
        return Err(openai::Refusal::invalid(
            "n",
            Some("unsupported_value"),
            message,
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_path(is_mantle: bool, target: &str, prefix: Option<&str>) {
        let request = Received::for_test(target, &[], "");
        let found = route(is_mantle, &request).map(|(prefix, _api)| prefix);
        assert_eq!(found, prefix, "{target}");
    }

    #[test]
    fn each_endpoint_has_its_paths() {
        check_path(false, "/openai/v1/chat/completions", Some("/openai/v1"));
        check_path(false, "/v1/chat/completions", None);
        check_path(true, "/v1/chat/completions", Some("/v1"));
        check_path(true, "/openai/v1/chat/completions", Some("/openai/v1"));
        check_path(true, "/openai/v1/openai/v1/chat/completions", None);
        check_path(true, "/openai/v1/responses", Some("/openai/v1"));
        check_path(false, "/openai/v1/responses", None);
    }

    #[test]
    fn mantle_has_one_path_for_a_model() {
        let asked = |prefix, model, api| {
            let refusal = check_mantle(prefix, model, api).err();
            refusal.map(|reply| reply.status)
        };
        let status = |prefix, model| asked(prefix, model, Api::Chat);
        assert_eq!(status("/v1", "openai.gpt-oss-120b"), None);
        assert_eq!(status("/openai/v1", "openai.gpt-oss-120b"), Some(400));
        assert_eq!(status("/openai/v1", "openai.gpt-5.6-terra"), None);
        assert_eq!(status("/openai/v1", "us.openai.gpt-5.6-terra"), Some(404));
        assert_eq!(status("/openai/v1", "openai.gpt-5.5"), Some(400));
        assert_eq!(asked("/openai/v1", "openai.gpt-5.5", Api::Responses), None);
    }

    #[test]
    fn a_guardrail_is_whole_and_the_runtimes() {
        let check = |is_mantle, headers: &[(&str, &str)]| {
            check_guardrail(is_mantle, &Received::for_test("/", headers, "")).is_ok()
        };
        let id = ("x-amzn-bedrock-guardrailidentifier", "gr1");
        let version = ("x-amzn-bedrock-guardrailversion", "3");
        assert!(check(false, &[]) && check(true, &[]));
        assert!(check(
            false,
            &[id, version, ("x-amzn-bedrock-trace", "ENABLED")]
        ));
        assert!(!check(
            false,
            &[id, version, ("x-amzn-bedrock-trace", "enabled")]
        ));
        assert!(!check(false, &[id]) && !check(true, &[id, version]));
        assert!(!check(false, &[("x-amzn-bedrock-colour", "red")]));
    }

    #[test]
    fn the_runtime_wants_a_profile_for_newer_models() {
        assert!(check_runtime("openai.gpt-5.6-terra").is_err());
        assert_eq!(check_runtime("us.openai.gpt-5.6-terra"), Ok(()));
        assert_eq!(check_runtime("openai.gpt-oss-20b-1:0"), Ok(()));
    }
}
