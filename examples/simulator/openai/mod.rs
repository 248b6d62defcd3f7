//! OpenAI's chat completions, responses, legacy completions and embeddings, and Azure's several ways to the same.

pub(crate) mod answer;
mod embeddings;
mod prompt;
pub(crate) mod responses;
mod rules;
pub(crate) mod text;

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use self::answer::Style;
use crate::exchange::{Dialect, Received, Reply, Turn, Upstream};

pub(crate) struct Keys {
    pub(crate) openai: String,
    pub(crate) azure: String,
    /// A token as Entra would have issued it; Azure takes it as a bearer.
    pub(crate) entra: String,
}

/// An error as the API words it.
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) param: Option<String>,
    pub(crate) code: Option<&'static str>,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn invalid(
        param: &str,
        code: Option<&'static str>,
        message: impl Into<String>,
    ) -> Self {
        let param = (!param.is_empty()).then(|| param.to_owned());
        Self {
            status: 400,
            kind: "invalid_request_error",
            param,
            code,
            message: message.into(),
        }
    }

    pub(crate) fn reply(&self) -> Reply {
        let Self {
            status,
            kind,
            param,
            code,
            message,
        } = self;
        Reply::json(
            *status,
            &json!({"error": {"message": message, "type": kind, "param": param, "code": code}}),
        )
    }
}

/// Deployments that exist in Azure; `None` is any but `missing`.
pub(crate) type Deployments = Option<Vec<String>>;

pub(crate) fn accept(
    keys: &Keys,
    deployments: &Deployments,
    request: &Received,
) -> Result<Turn, Reply> {
    if let Some(name) = request.leaked_header() {
        return Err(Refusal::invalid(
            name,
            None,
            format!("The header {name} must not reach this service."),
        )
        .reply());
    }
    let route = match request.upstream {
        Upstream::Azure => {
            let route = route_azure(request)?;
            check_azure_key(keys, request)?;
            if let Some(name) = &route.deployment {
                check_deployment(deployments, name)?;
            }
            route
        }
        Upstream::OpenAi | Upstream::Bedrock | Upstream::Mantle => {
            let route = route_openai(request)?;
            check_openai_key(keys, request)?;
            route
        }
    };
    accept_body(deployments, request, route)
}

fn accept_body(deployments: &Deployments, request: &Received, route: Route) -> Result<Turn, Reply> {
    if !request
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/json"))
    {
        let message = "Invalid Content-Type header: expected application/json.";
        return Err(Refusal {
            status: 415,
            ..Refusal::invalid("", Some("unsupported_content_type"), message)
        }
        .reply());
    }
    let body: Value = serde_json::from_slice(&request.body).map_err(|_syntax| {
        Refusal::invalid(
            "",
            None,
            "We could not parse the JSON body of your request.",
        )
        .reply()
    })?;
    let is_azure = request.upstream == Upstream::Azure;
    let model = match route.deployment {
        Some(deployment) => deployment,
        None => {
            let named = body["model"].as_str().ok_or_else(|| {
                Refusal::invalid("", None, "you must provide a model parameter").reply()
            })?;
            if is_azure {
                check_deployment(deployments, named)?;
            }
            named.to_owned()
        }
    };
    if !is_azure && model.contains("missing") {
        let message =
            format!("The model `{model}` does not exist or you do not have access to it.");
        return Err(Refusal {
            status: 404,
            ..Refusal::invalid("", Some("model_not_found"), message)
        }
        .reply());
    }
    check_api(&model, route.api)?;
    let checked = match route.api {
        Api::Chat => rules::check(&model, &body, is_azure),
        Api::Text => text::check(&model, &body),
        Api::Responses => responses::check(&body, is_azure),
        // Checked while they are answered.
        Api::Embeddings => Ok(()),
    };
    checked.map_err(|refusal| refusal.reply())?;
    if is_azure
        && request
            .body
            .windows(22)
            .any(|window| window == b"trigger-content-filter")
    {
        return Err(content_filter());
    }
    turn(request, body, model, route.api).map_err(|refusal| refusal.reply())
}

/// Some models speak one of the APIs only.
fn check_api(model: &str, api: Api) -> Result<(), Reply> {
    let is_one_of = |marks: &[&str]| marks.iter().any(|mark| model.contains(mark));
    let message = match api {
        Api::Chat if is_one_of(&["-codex", "o1-pro", "o3-pro", "gpt-5-pro"]) => {
            "This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you mean to use \
             v1/responses?"
        }
        Api::Responses if is_one_of(&["-search-preview", "-audio-preview", "chat-only"]) => {
            "The requested model cannot be used with the Responses API."
        }
        Api::Chat | Api::Responses | Api::Text | Api::Embeddings => return Ok(()),
    };
    Err(Refusal {
        status: 404,
        ..Refusal::invalid("model", None, message)
    }
    .reply())
}

fn turn(request: &Received, body: Value, model: String, api: Api) -> Result<Turn, Refusal> {
    let body_bytes = request.body.len();
    let is_stream = body["stream"] == true;
    let prompt = match api {
        Api::Chat => prompt::read(&body, &model, body_bytes),
        Api::Text => text::read(&body, body_bytes),
        Api::Responses => responses::prompt(&body, &model, body_bytes),
        Api::Embeddings => crate::model::Prompt::default(),
    };
    let style = |model| Style {
        is_azure: request.upstream == Upstream::Azure,
        include_usage: body["stream_options"]["include_usage"] == true,
        choices: body["n"].as_u64().unwrap_or(1),
        is_gpt_oss: false,
        model,
    };
    let dialect = match api {
        Api::Chat => Dialect::Chat(style(model)),
        Api::Text => Dialect::Text(style(model)),
        Api::Responses => Dialect::Responses(responses::Style {
            model,
            request: body,
        }),
        Api::Embeddings => Dialect::Vectors {
            body: embeddings::answer(&model, &body)?,
            tokens: None,
        },
    };
    Ok(Turn {
        prompt,
        is_stream,
        dialect,
    })
}

/// A request to one of Bedrock's endpoints, which knows its models by their makers' names.
pub(crate) fn accept_for_bedrock(
    request: &Received,
    body: &Value,
    model: &str,
    api: Api,
) -> Result<Turn, Reply> {
    let is_gpt_oss = model.contains("gpt-oss");
    let family = model.rsplit_once("openai.").map_or(model, |(_, name)| name);
    let checked = match api {
        Api::Chat => rules::check(family, body, false),
        Api::Text => text::check(family, body),
        Api::Responses => responses::check(body, false),
        Api::Embeddings => Ok(()),
    };
    checked.map_err(|refusal| refusal.reply())?;
    let turn = turn(request, body.clone(), family.to_owned(), api);
    let mut turn = turn.map_err(|refusal| refusal.reply())?;
    turn.prompt.is_reasoning |= is_gpt_oss;
    match &mut turn.dialect {
        Dialect::Chat(style) => {
            style.is_gpt_oss = is_gpt_oss;
            style.model = model.to_owned();
        }
        Dialect::Responses(style) => style.model = model.to_owned(),
        _ => {}
    }
    Ok(turn)
}

/// Which of OpenAI's APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    Chat,
    Text,
    Responses,
    Embeddings,
}

/// What a path asks for.
struct Route {
    /// The deployment, where the path names one.
    deployment: Option<String>,
    api: Api,
}

fn route_openai(request: &Received) -> Result<Route, Reply> {
    let api = match (request.method.as_str(), request.path()) {
        ("POST", "/v1/chat/completions") => Some(Api::Chat),
        ("POST", "/v1/completions") => Some(Api::Text),
        ("POST", "/v1/responses") => Some(Api::Responses),
        ("POST", "/v1/embeddings") => Some(Api::Embeddings),
        _ => None,
    };
    if let Some(api) = api {
        return Ok(Route {
            deployment: None,
            api,
        });
    }
    let message = format!("Invalid URL ({} {})", request.method, request.path());
    Err(Refusal {
        status: 404,
        ..Refusal::invalid("", None, message)
    }
    .reply())
}

static API_VERSION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\d{4}-\d{2}-\d{2}(-preview)?$").expect("a pattern"));

/// The first version with responses beside the deployments.
const RESPONSES_SINCE: &str = "2025-03-01";

fn route_azure(request: &Received) -> Result<Route, Reply> {
    let segments: Vec<&str> = request.path().split('/').skip(1).collect();
    let version = request.query("api-version");
    let is_dated = version.is_some_and(|version| API_VERSION.is_match(version));
    let (before, api) = match segments.as_slice() {
        _ if request.method != "POST" => return Err(not_found()),
        [before @ .., "chat", "completions"] => (before, Api::Chat),
        [before @ .., "completions"] => (before, Api::Text),
        [before @ .., "responses"] => (before, Api::Responses),
        [before @ .., "embeddings"] => (before, Api::Embeddings),
        _ => return Err(not_found()),
    };
    let deployment = match (before, api) {
        (["openai", "v1"] | ["api", "projects", _, "openai", "v1"], _) => {
            if version.is_some_and(|version| version != "preview" && version != "v1") {
                return Err(azure_error(400, "BadRequest", "API version not supported"));
            }
            None
        }
        (["openai"], Api::Responses)
            if is_dated && version.is_some_and(|version| &version[..10] >= RESPONSES_SINCE) =>
        {
            None
        }
        (["openai", "deployments", deployment], Api::Chat | Api::Text | Api::Embeddings)
            if is_dated =>
        {
            Some((*deployment).to_owned())
        }
        _ => return Err(not_found()),
    };
    Ok(Route { deployment, api })
}

fn not_found() -> Reply {
    azure_error(404, "404", "Resource not found")
}

fn check_deployment(deployments: &Deployments, name: &str) -> Result<(), Reply> {
    let is_there = match deployments {
        Some(names) => names.iter().any(|known| known == name),
        None => {
            name != "missing"
                && !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        }
    };
    if is_there {
        return Ok(());
    }
    Err(azure_error(
        404,
        "DeploymentNotFound",
        "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait \
         a moment and try again.",
    ))
}

fn check_azure_key(keys: &Keys, request: &Received) -> Result<(), Reply> {
    let bearer = request
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "));
    let is_known = match (request.header("api-key"), bearer) {
        (Some(key), None) => key == keys.azure,
        (None, Some(token)) => token == keys.entra || token == keys.azure,
        // Two at once, or none.
        _ => false,
    };
    if is_known {
        return Ok(());
    }
    Err(azure_error(
        401,
        "401",
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active \
         subscription and use a correct regional API endpoint for your resource.",
    ))
}

pub(crate) fn check_openai_key(keys: &Keys, request: &Received) -> Result<(), Reply> {
    let unauthorized = |code, message: String| {
        Err(Refusal {
            status: 401,
            ..Refusal::invalid("", code, message)
        }
        .reply())
    };
    match request.header("authorization").map(|value| value.strip_prefix("Bearer ")) {
        Some(Some(key)) if key == keys.openai => Ok(()),
        Some(_) => unauthorized(
            Some("invalid_api_key"),
            "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.".to_owned(),
        ),
        None => unauthorized(
            None,
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. \
             Authorization: Bearer YOUR_KEY)."
                .to_owned(),
        ),
    }
}

fn azure_error(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(
        status,
        &json!({"error": {"code": code, "message": message}}),
    )
}

fn content_filter() -> Reply {
    let result = json!({
        "hate": {"filtered": false, "severity": "safe"},
        "jailbreak": {"filtered": false, "detected": false},
        "self_harm": {"filtered": false, "severity": "safe"},
        "sexual": {"filtered": false, "severity": "safe"},
        "violence": {"filtered": true, "severity": "high"},
    });
    let message = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your \
                   prompt and retry. To learn more about our content filtering policies please read our documentation: \
                   https://go.microsoft.com/fwlink/?linkid=2198766";
    Reply::json(
        400,
        &json!({"error": {
            "message": message,
            "type": null,
            "param": "prompt",
            "code": "content_filter",
            "status": 400,
            "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": result},
        }}),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_route(target: &str, want: Result<Option<&str>, u16>) {
        let got = route_azure(&Received::for_test(target, &[], "")).map_err(|reply| reply.status);
        let got = got.map(|route| route.deployment);
        assert_eq!(got, want.map(|name| name.map(str::to_owned)));
    }

    #[test]
    fn azure_has_three_ways_in() {
        check_route(
            "/openai/deployments/gpt/chat/completions?api-version=2024-10-21",
            Ok(Some("gpt")),
        );
        check_route("/openai/v1/chat/completions", Ok(None));
        check_route("/openai/v1/chat/completions?api-version=preview", Ok(None));
        check_route("/api/projects/p/openai/v1/chat/completions", Ok(None));
    }

    #[test]
    fn azure_has_responses_beside_the_deployments() {
        check_route("/openai/v1/responses", Ok(None));
        check_route("/openai/responses?api-version=2025-04-01-preview", Ok(None));
        check_route("/openai/responses?api-version=2024-10-21", Err(404));
        check_route("/openai/responses", Err(404));
        check_route(
            "/openai/deployments/gpt/responses?api-version=2025-04-01-preview",
            Err(404),
        );
    }

    #[test]
    fn an_azure_deployment_needs_a_version() {
        check_route("/openai/deployments/gpt/chat/completions", Err(404));
        check_route(
            "/openai/deployments/gpt/chat/completions?api-version=latest",
            Err(404),
        );
        check_route(
            "/openai/v1/chat/completions?api-version=2024-10-21",
            Err(400),
        );
        check_route("/openai/openai/v1/chat/completions", Err(404));
    }
}
