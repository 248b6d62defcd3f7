//! Bedrock's runtime: Converse, ConverseStream, InvokeModel of embedding models, and the OpenAI endpoints; and the agents of other
//! endpoints, on the same port.
//!
//! A request passes the path, the headers, the caller's identity, the shapes, the service's rules and the model's quirks, in
//! this order; the first thing wrong is the answer.

pub(crate) mod agents;
pub(crate) mod answer;
mod embed;
mod openai;
mod prompt;
mod quirks;
mod rules;
mod shapes;
mod signature;

use std::borrow::Cow;

use serde_json::{Value, json};

use self::shapes::Shapes;
pub(crate) use self::signature::Keys;
use crate::exchange::{Dialect, Received, Reply, Turn, Upstream};

pub(crate) struct Bedrock {
    keys: Keys,
    shapes: Shapes,
}

/// An error as the service words it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) errortype: Cow<'static, str>,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, errortype: &'static str, message: &str) -> Self {
        Self {
            status,
            errortype: Cow::Borrowed(errortype),
            message: message.to_owned(),
        }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            errortype: Cow::Borrowed("ValidationException"),
            message: message.into(),
        }
    }

    pub(crate) fn reply(&self) -> Reply {
        Reply::json(self.status, &json!({"message": self.message}))
            .with("x-amzn-errortype", self.errortype.as_ref())
    }
}

enum Operation {
    Converse,
    ConverseStream,
    InvokeModel,
}

impl Bedrock {
    pub(crate) fn new(keys: Keys) -> Self {
        Self {
            keys,
            shapes: Shapes::load(),
        }
    }

    pub(crate) fn accept(&self, request: &Received) -> Result<Turn, Reply> {
        if request.upstream == Upstream::Mantle || request.path().starts_with("/openai/") {
            return openai::accept(&self.keys, request);
        }
        if let Some((kind, values)) = agents::route(request) {
            if let Some(name) = request.leaked_header() {
                let problem = format!("The header {name} must not reach this service.");
                return Err(Refusal::invalid(problem).reply());
            }
            return self
                .accept_agent(request, kind, &values)
                .map_err(|refusal| refusal.reply());
        }
        let (model, operation) = route(request)?;
        if let Some(name) = request.leaked_header() {
            return Err(Refusal::invalid(format!(
                "The header {name} must not reach this service."
            ))
            .reply());
        }
        self.accept_operation(request, model, &operation)
            .map_err(|refusal| refusal.reply())
    }

    /// Who asks mantle for what is no turn.
    pub(crate) fn check_mantle_key(&self, request: &Received) -> Result<(), Reply> {
        let judged = self.keys.check(request, "bedrock-mantle", request.at);
        judged.map_err(|refusal| refusal.reply())
    }

    fn accept_operation(
        &self,
        request: &Received,
        model: String,
        operation: &Operation,
    ) -> Result<Turn, Refusal> {
        self.keys.check(request, "bedrock", request.at)?;
        check_media_types(request, "application/vnd.amazon.eventstream")?;
        let body: Value = serde_json::from_slice(&request.body).map_err(|error| {
            Refusal::new(
                400,
                "SerializationException",
                &format!("The body is not JSON: {error}"),
            )
        })?;
        self.shapes
            .check_named("ConversationalModelId", "modelId", &json!(model))
            .map_err(Refusal::invalid)?;
        if model.contains("missing") {
            return Err(Refusal::invalid(
                "The provided model identifier is invalid.",
            ));
        }
        let shape = match operation {
            Operation::Converse => "ConverseRequest",
            Operation::ConverseStream => "ConverseStreamRequest",
            Operation::InvokeModel => return vectors(&model, &body),
        };
        if is_embedding_model(&model) {
            let message = "The model that you are using does not support this operation.";
            return Err(Refusal::invalid(message));
        }
        self.shapes.check(shape, &body).map_err(Refusal::invalid)?;
        rules::check(&body).map_err(Refusal::invalid)?;
        quirks::check(&model, &body).map_err(Refusal::invalid)?;
        Ok(Turn {
            prompt: prompt::read(&body, request.body.len()),
            dialect: Dialect::Converse {
                has_stop_path: prompt::has_stop_path(&body),
                model,
            },
            is_stream: matches!(operation, Operation::ConverseStream),
        })
    }
}

fn is_embedding_model(model: &str) -> bool {
    model.contains("embed")
}

fn vectors(model: &str, body: &Value) -> Result<Turn, Refusal> {
    let (body, tokens) = embed::answer(model, body)?;
    Ok(Turn {
        prompt: crate::model::Prompt::default(),
        dialect: Dialect::Vectors {
            body,
            tokens: Some(tokens),
        },
        is_stream: false,
    })
}

/// The model id is one segment; a slash in it must be encoded.
fn route(request: &Received) -> Result<(String, Operation), Reply> {
    let segments: Vec<&str> = request.path().split('/').skip(1).collect();
    match (request.method.as_str(), segments.as_slice()) {
        ("POST", ["model", model, "converse"]) if !model.is_empty() => {
            Ok((decode(model), Operation::Converse))
        }
        ("POST", ["model", model, "converse-stream"]) if !model.is_empty() => {
            Ok((decode(model), Operation::ConverseStream))
        }
        ("POST", ["model", model, "invoke"]) if !model.is_empty() => {
            Ok((decode(model), Operation::InvokeModel))
        }
        (_, ["model", ..]) => Err(unknown_operation()),
        _ => Err(Refusal::new(404, "UnknownOperationException", "").reply()),
    }
}

/// The real service says this with status 200.
fn unknown_operation() -> Reply {
    let output =
        json!({"__type": "com.amazon.coral.service#UnknownOperationException", "message": null});
    Reply::json(200, &json!({"Output": output, "Version": "1.0"}))
}

fn decode(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail
            .get(..2)
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code.filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `stream` is the type of streamed answers.
fn check_media_types(request: &Received, stream: &str) -> Result<(), Refusal> {
    let content_type = request.header("content-type").unwrap_or_default();
    if content_type.split(';').next().unwrap_or_default().trim() != "application/json" {
        return Err(Refusal::new(
            415,
            "UnsupportedMediaTypeException",
            "content-type must be application/json.",
        ));
    }
    let accept = request.header("accept").unwrap_or("*/*");
    if ["*/*", "application/*", "application/json", stream]
        .iter()
        .any(|good| accept.contains(good))
    {
        return Ok(());
    }
    Err(Refusal::new(
        406,
        "NotAcceptableException",
        &format!("This service does not answer with {accept}."),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(target: &str, want: Result<&str, u16>) {
        let request = Received::for_test(target, &[], "");
        let got = route(&request)
            .map(|(model, _)| model)
            .map_err(|reply| reply.status);
        assert_eq!(got, want.map(str::to_owned));
    }

    #[test]
    fn a_model_id_is_one_segment() {
        check(
            "/model/amazon.nova-lite-v1%3A0/converse",
            Ok("amazon.nova-lite-v1:0"),
        );
        check(
            "/model/arn%3Aaws%3Abedrock%3Aa%3A%3Afoundation-model%2Fx/converse",
            Ok("arn:aws:bedrock:a::foundation-model/x"),
        );
        check(
            "/model/arn:aws:bedrock:a::foundation-model/x/converse",
            Err(200),
        );
    }

    #[test]
    fn other_paths_are_unknown() {
        check("/model/x/count", Err(200));
        check("/v1/chat/completions", Err(404));
    }
}
