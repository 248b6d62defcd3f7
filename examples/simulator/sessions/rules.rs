//! What the API refuses: it knows every field of its own, and takes no other.

use serde_json::Value;

use super::Operation;
use crate::exchange::{Received, Upstream};
use crate::openai::Refusal;

const SESSION: &[&str] = &[
    "agent",
    "agent_id",
    "environment",
    "input",
    "metadata",
    "prompt_cache_options",
    "review",
    "spend_control",
    "stream",
    "stream_options",
    "vault_ids",
];
/// Of the agent that a session is made with.
const AGENT: &[&str] = &[
    "compaction",
    "experimental",
    "instructions",
    "model",
    "multi_agent",
    "reasoning",
    "service_tier",
    "text",
    "tools",
];
const PAGE: &[&str] = &["after", "limit", "order"];

pub(super) fn check(request: &Received, operation: &Operation) -> Result<(), Refusal> {
    let is_mantle = request.upstream == Upstream::Mantle;
    if !is_mantle && request.header("openai-beta") != Some("agents=v1") {
        let message = "You must provide the 'OpenAI-Beta' header to access the Agents API: 'OpenAI-Beta: agents=v1'.";
        return Err(Refusal::invalid("", Some("invalid_beta"), message));
    }
    if request.method != "POST" && !request.body.is_empty() {
        let message = "This method takes no body.";
        return Err(Refusal::invalid("", None, message));
    }
    let known: &[&str] = match operation {
        Operation::ListSessions => &["after", "limit", "order", "agent_id", "metadata%5Bteam%5D"],
        Operation::Items(_) | Operation::ListAgents => PAGE,
        Operation::Listen(_) => &["include_obfuscation"],
        _ => &[],
    };
    let query = request
        .target
        .split_once('?')
        .map_or("", |(_, query)| query);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let is_bad = name == "limit" && !(1..=100).contains(&value.parse().unwrap_or(0));
        if is_bad || !known.contains(&name) {
            let message = format!("Unknown or wrong parameter: '{name}'.");
            return Err(Refusal::invalid(name, Some("unknown_parameter"), message));
        }
    }
    match operation {
        Operation::CreateSession(body) => session(is_mantle, body),
        Operation::CreateAgent(body) => {
            let own = ["metadata", "name"];
            fields("", body, &[AGENT, &own].concat())?;
            model(false, "model", &body["model"])
        }
        Operation::Submit(_, body) => submission(body),
        Operation::Listen(_) => match request.header("accept") {
            Some("text/event-stream") => Ok(()),
            _ => Err(Refusal::invalid(
                "",
                None,
                "Accept must be text/event-stream.",
            )),
        },
        _ => Ok(()),
    }
}

fn session(is_mantle: bool, body: &Value) -> Result<(), Refusal> {
    let more: &[&str] = if is_mantle { &["role_arn"] } else { &[] };
    fields("", body, &[SESSION, more].concat())?;
    if is_mantle
        && !body["role_arn"]
            .as_str()
            .unwrap_or_default()
            .starts_with("arn:aws:iam::")
    {
        return Err(missing("role_arn"));
    }
    let environment = body["environment"]["type"].as_str();
    let is_known = match environment.ok_or_else(|| missing("environment"))? {
        "self_hosted" => body["environment"]["workspace_directory"].is_string(),
        "none" | "openai_hosted" => !is_mantle,
        "agentcore_runtime" => is_mantle,
        _ => false,
    };
    if !is_known {
        let message = "Invalid value for 'environment'.";
        return Err(Refusal::invalid(
            "environment",
            Some("invalid_value"),
            message,
        ));
    }
    let mut notes = body["metadata"].as_object().into_iter().flatten();
    if notes.any(|(_, value)| !value.is_string()) {
        let message = "Invalid type for 'metadata'.";
        return Err(Refusal::invalid("metadata", Some("invalid_type"), message));
    }
    if body["agent"].is_null() && body["agent_id"].is_string() && !is_mantle {
        return Ok(());
    }
    fields("agent.", &body["agent"], AGENT)?;
    if body["agent"]["model"].is_null() && body["agent_id"].is_string() && !is_mantle {
        return Ok(());
    }
    model(is_mantle, "agent.model", &body["agent"]["model"])
}

fn submission(body: &Value) -> Result<(), Refusal> {
    fields("", body, &["events"])?;
    let events = body["events"]
        .as_array()
        .filter(|events| !events.is_empty());
    for event in events.ok_or_else(|| missing("events"))? {
        let kind = event["type"].as_str().unwrap_or_default();
        let is_good = match kind {
            "agent.session.input.message" => {
                fields("events[].", event, &["type", "input"])?;
                let input = event["input"].as_array().filter(|input| !input.is_empty());
                input.is_some_and(|input| {
                    input.iter().all(|message| {
                        message["role"] == "user" && !super::session::said(message).is_empty()
                    })
                })
            }
            "agent.session.input.cancel" => true,
            _ => false,
        };
        if !is_good {
            let message = format!("Invalid event of type '{kind}'.");
            return Err(Refusal::invalid("events", Some("invalid_value"), message));
        }
    }
    Ok(())
}

fn fields(place: &str, object: &Value, known: &[&str]) -> Result<(), Refusal> {
    let members = object.as_object();
    let members = members.ok_or_else(|| missing(place.trim_end_matches('.')))?;
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let name = format!("{place}{name}");
            let message = format!("Unknown parameter: '{name}'.");
            Err(Refusal::invalid(&name, Some("unknown_parameter"), message))
        }
    }
}

fn missing(name: &str) -> Refusal {
    let message = format!("Missing required parameter: '{name}'.");
    Refusal::invalid(name, Some("missing_required_parameter"), message)
}

fn model(is_mantle: bool, place: &str, model: &Value) -> Result<(), Refusal> {
    let name = model.as_str().ok_or_else(|| missing(place))?;
    let is_known = if is_mantle {
        name.starts_with("openai.gpt-")
    } else {
        name.starts_with("gpt-")
    };
    if is_known {
        return Ok(());
    }
    let message = format!("The requested model '{name}' does not exist.");
    Err(Refusal {
        status: 404,
        ..Refusal::invalid(place, Some("model_not_found"), message)
    })
}
