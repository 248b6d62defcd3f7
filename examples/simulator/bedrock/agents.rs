//! Agents: InvokeAgent, InvokeHarness and InvokeAgentRuntime, as strict as the shapes that AWS publishes.
//!
//! The agent leaves `get_weather` to the app, and runs no tool itself but the harness's `shell`, when it is
//! asked about files. It remembers nothing: what a session has heard is for tests to see in the record.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::prompt::list;
use super::{Bedrock, Refusal, decode};
use crate::cuts::Cuts;
use crate::exchange::{Dialect, Received, Turn};
use crate::model::{Prompt, Tool};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Invoke,
    Harness,
    Runtime,
}

const SESSION: &str = "x-amzn-bedrock-agentcore-runtime-session-id";

/// What a path asks for, with what stands in it; nothing where it is no agent's.
pub(super) fn route(request: &Received) -> Option<(Kind, Vec<(&'static str, String)>)> {
    let segments: Vec<&str> = request.path().split('/').skip(1).collect();
    match segments.as_slice() {
        [
            "agents",
            agent,
            "agentAliases",
            alias,
            "sessions",
            session,
            "text",
        ] => Some((
            Kind::Invoke,
            vec![
                ("agent.AgentId", decode(agent)),
                ("agent.AgentAliasId", decode(alias)),
                ("agent.SessionId", decode(session)),
            ],
        )),
        ["harnesses", "invoke"] => {
            let arn = request.query("harnessArn").unwrap_or_default();
            let mut values = vec![("agentcore.HarnessArn", decode(arn))];
            if let Some(qualifier) = request.query("qualifier") {
                values.push(("agentcore.HarnessEndpointName", decode(qualifier)));
            }
            let session = request.header(SESSION).unwrap_or_default().to_owned();
            values.push((
                "agentcore.InvokeHarnessRequestRuntimeSessionIdString",
                session,
            ));
            Some((Kind::Harness, values))
        }
        ["runtimes", arn, "invocations"] => {
            let session = request.header(SESSION).unwrap_or_default().to_owned();
            let values = vec![
                ("agentcore.String", decode(arn)),
                ("agentcore.SessionType", session),
            ];
            Some((Kind::Runtime, values))
        }
        _ => None,
    }
}

impl Bedrock {
    pub(super) fn accept_agent(
        &self,
        request: &Received,
        kind: Kind,
        values: &[(&'static str, String)],
    ) -> Result<Turn, Refusal> {
        if request
            .header("authorization")
            .is_some_and(|value| value.starts_with("Bearer "))
        {
            return Err(Refusal::new(
                403,
                "AccessDeniedException",
                "Bedrock API keys are not for agents.",
            ));
        }
        let (service, stream) = match kind {
            Kind::Invoke => ("bedrock", "application/vnd.amazon.eventstream"),
            Kind::Harness => ("bedrock-agentcore", "application/vnd.amazon.eventstream"),
            Kind::Runtime => ("bedrock-agentcore", "text/event-stream"),
        };
        self.keys.check(request, service, request.at)?;
        super::check_media_types(request, stream)?;
        for (shape, value) in values {
            self.shapes
                .check_named(shape, shape, &json!(value))
                .map_err(Refusal::invalid)?;
        }
        let body: Value = serde_json::from_slice(&request.body)
            .map_err(|error| Refusal::invalid(format!("The body is not JSON: {error}")))?;
        let shape = match kind {
            Kind::Invoke => Some("agent.InvokeAgentRequest"),
            Kind::Harness => Some("agentcore.InvokeHarnessRequest"),
            // The agent's own affair.
            Kind::Runtime => None,
        };
        if let Some(shape) = shape {
            self.shapes.check(shape, &body).map_err(Refusal::invalid)?;
        }
        let prompt = match kind {
            Kind::Invoke => invoke_prompt(&body),
            Kind::Harness => harness_prompt(&body),
            Kind::Runtime => runtime_prompt(&body),
        };
        let mut prompt = prompt.map_err(Refusal::invalid)?;
        prompt.input_bytes = request.body.len();
        let accepts_events = request
            .header("accept")
            .is_some_and(|accept| accept.starts_with("text/event-stream"));
        Ok(Turn {
            prompt,
            dialect: Dialect::Agent(kind),
            is_stream: kind != Kind::Runtime || accepts_events,
        })
    }
}

fn invoke_prompt(body: &Value) -> Result<Prompt, String> {
    let state = &body["sessionState"];
    let results = list(&state["returnControlInvocationResults"]);
    if results.is_empty() && body["inputText"].as_str().is_none_or(str::is_empty) {
        return Err("Input text is required.".to_owned());
    }
    if !results.is_empty() && state["invocationId"] != INVOCATION {
        return Err("The invocation id does not match one of this session.".to_owned());
    }
    let text = |result: &Value| {
        let body = &result["functionResult"]["responseBody"]["TEXT"]["body"];
        body.as_str().unwrap_or_default().to_owned()
    };
    let schema =
        json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    Ok(Prompt {
        user_text: body["inputText"].as_str().unwrap_or_default().to_owned(),
        tool_results: results.iter().map(text).collect(),
        tools: vec![Tool {
            name: "get_weather".to_owned(),
            schema,
        }],
        ..Prompt::default()
    })
}

const INVOCATION: &str = "79e0feaa-c6f7-49bf-814d-b7c498505172";

fn harness_prompt(body: &Value) -> Result<Prompt, String> {
    let messages = list(&body["messages"]);
    let Some(last) = messages.last().filter(|last| last["role"] == "user") else {
        return Err("The last message must be the user's.".to_owned());
    };
    let blocks = || {
        messages
            .iter()
            .flat_map(|message| list(&message["content"]))
    };
    for result in blocks().filter_map(|block| block.get("toolResult")) {
        let is_its = |block: &Value| block["toolUse"]["toolUseId"] == result["toolUseId"];
        if !blocks().any(is_its) {
            return Err("A tool result has no tool use before it.".to_owned());
        }
    }
    let texts = |blocks: &[Value]| -> Vec<String> {
        let texts = blocks.iter().filter_map(|block| block["text"].as_str());
        texts.map(str::to_owned).collect()
    };
    let results = list(&last["content"]).iter();
    let tools = list(&body["tools"]).iter().map(|tool| Tool {
        name: tool["name"].as_str().unwrap_or_default().to_owned(),
        schema: tool["config"]["inlineFunction"]["inputSchema"].clone(),
    });
    Ok(Prompt {
        user_text: texts(list(&last["content"])).join(" "),
        tool_results: results
            .filter_map(|block| block.get("toolResult"))
            .map(|result| texts(list(&result["content"])).join(" "))
            .collect(),
        tools: tools.collect(),
        output_tokens_max: body["maxTokens"].as_u64(),
        ..Prompt::default()
    })
}

fn runtime_prompt(body: &Value) -> Result<Prompt, String> {
    let last = list(&body["messages"]).last();
    let text = last.map_or(&body["prompt"], |message| &message["content"]);
    match text.as_str() {
        Some(text) => Ok(Prompt {
            user_text: text.to_owned(),
            ..Prompt::default()
        }),
        None => Err("The agent wants a prompt or messages.".to_owned()),
    }
}

pub(crate) fn body(kind: Kind, prompt: &Prompt) -> Value {
    let output = prompt.answer();
    let calls: Vec<Value> = output
        .calls
        .iter()
        .map(|call| json!({"id": call.id, "name": call.name, "input": call.input}))
        .collect();
    let usage = json!({"inputTokens": output.input_tokens, "outputTokens": output.output_tokens});
    match kind {
        Kind::Runtime => json!({"result": output.text, "usage": usage}),
        Kind::Invoke | Kind::Harness => {
            json!({"text": output.text, "calls": calls, "usage": usage, "isWorking": prompt.user_text.contains("files")})
        }
    }
}

pub(crate) fn events(kind: Kind, answer: &Value, cuts: &mut Cuts) -> Vec<Value> {
    match kind {
        Kind::Invoke => invoke_events(answer, cuts),
        Kind::Harness => harness_events(answer, cuts),
        Kind::Runtime => {
            let text = answer["result"].as_str().unwrap_or_default();
            let mut events: Vec<Value> = cuts
                .text(text)
                .into_iter()
                .map(|it| json!({"data": it}))
                .collect();
            events.push(json!({"usage": answer["usage"]}));
            events
        }
    }
}

fn invoke_events(answer: &Value, cuts: &mut Cuts) -> Vec<Value> {
    let usage = json!({"usage": answer["usage"]});
    let mut events = vec![
        json!({"trace": {"agentId": "AGENT12345", "trace": {"orchestrationTrace":
        {"modelInvocationOutput": {"metadata": usage, "traceId": "trace"}}}}}),
    ];
    let text = answer["text"].as_str().unwrap_or_default().as_bytes();
    let mut rest = text;
    while !rest.is_empty() {
        // Anywhere, also inside of a letter.
        let (piece, tail) = rest.split_at(cuts.size(9).min(rest.len()));
        events.push(json!({"chunk": {"bytes": BASE64_STANDARD.encode(piece)}}));
        rest = tail;
    }
    let inputs: Vec<Value> = list(&answer["calls"])
        .iter()
        .map(|call| {
            let parameters = call["input"].as_object().into_iter().flatten();
            let parameters: Vec<Value> = parameters
                .map(|(name, value)| json!({"name": name, "type": "string", "value": value.as_str().unwrap_or_default()}))
                .collect();
            json!({"functionInvocationInput": {"actionGroup": "Weather", "actionInvocationType": "RESULT",
                "agentId": "AGENT12345", "function": call["name"], "parameters": parameters}})
        })
        .collect();
    if !inputs.is_empty() {
        events.push(
            json!({"returnControl": {"invocationId": INVOCATION, "invocationInputs": inputs}}),
        );
    }
    events
}

fn harness_events(answer: &Value, cuts: &mut Cuts) -> Vec<Value> {
    let start = |role: &str| json!({"messageStart": {"role": role}});
    let stop = |reason: &str| json!({"messageStop": {"stopReason": reason}});
    let delta = |index: usize, delta: Value| json!({"contentBlockDelta": {"contentBlockIndex": index, "delta": delta}});
    let mut events = Vec::new();
    if answer["isWorking"] == true {
        events.extend([
            start("assistant"),
            json!({"contentBlockStart": {"contentBlockIndex": 0, "start": {"toolUse":
                {"toolUseId": "shell_1", "name": "shell", "type": "tool_use"}}}}),
            delta(0, json!({"toolUse": {"input": "{\"command\":\"ls\"}"}})),
            json!({"contentBlockStop": {"contentBlockIndex": 0}}),
            stop("tool_use"),
            start("user"),
            json!({"contentBlockStart": {"contentBlockIndex": 0, "start": {"toolResult": {"toolUseId": "shell_1"}}}}),
            delta(0, json!({"toolResult": [{"text": "a secret of the harness"}]})),
            stop("tool_result"),
        ]);
    }
    events.push(start("assistant"));
    for piece in cuts.text(answer["text"].as_str().unwrap_or_default()) {
        events.push(delta(0, json!({"text": piece})));
    }
    let calls = list(&answer["calls"]);
    for (index, call) in (1..).zip(calls) {
        events.push(json!({"contentBlockStart": {"contentBlockIndex": index, "start": {"toolUse":
            {"toolUseId": format!("tooluse_{}", call["id"].as_str().unwrap_or_default()), "name": call["name"], "type": "tool_use"}}}}));
        for piece in cuts.text(&call["input"].to_string()) {
            events.push(delta(index, json!({"toolUse": {"input": piece}})));
        }
        events.push(json!({"contentBlockStop": {"contentBlockIndex": index}}));
    }
    events.push(stop(if calls.is_empty() {
        "end_turn"
    } else {
        "tool_use"
    }));
    let mut usage = answer["usage"].clone();
    usage["totalTokens"] = json!(0);
    events.push(json!({"metadata": {"usage": usage, "metrics": {"latencyMs": 42}}}));
    events
}
