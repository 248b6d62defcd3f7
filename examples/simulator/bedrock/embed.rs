//! InvokeModel for the embedding models: what each demands of its body, and what it answers.
//!
//! The bodies are the models' own, so botocore knows nothing of them; the rules are those of AWS's user
//! guide ("Inference request parameters").

use serde_json::{Value, json};

use super::Refusal;
use crate::model::tokens;
use crate::vector;

/// A body, and the tokens that go into a header.
pub(crate) type Answer = (Value, u64);

const COHERE_TEXTS_MAX: usize = 96;
const COHERE_TYPES: &[&str] = &[
    "search_document",
    "search_query",
    "classification",
    "clustering",
];
const NOVA_PURPOSES: &[&str] = &[
    "GENERIC_INDEX",
    "GENERIC_RETRIEVAL",
    "TEXT_RETRIEVAL",
    "IMAGE_RETRIEVAL",
    "VIDEO_RETRIEVAL",
    "DOCUMENT_RETRIEVAL",
    "AUDIO_RETRIEVAL",
    "CLASSIFICATION",
    "CLUSTERING",
];

pub(crate) fn answer(model: &str, body: &Value) -> Result<Answer, Refusal> {
    if model.contains("titan-embed-text-v2") {
        titan_v2(body)
    } else if model.contains("titan-embed-image") {
        titan_image(body)
    } else if model.contains("titan-embed") {
        titan_v1(body)
    } else if model.contains("cohere.embed-v4") {
        cohere(body, true)
    } else if model.contains("cohere.embed-") {
        cohere(body, false)
    } else if model.contains("nova") && model.contains("embeddings") {
        nova(body)
    } else {
        Err(Refusal::invalid(
            "The simulator invokes embedding models only.",
        ))
    }
}

fn titan_v1(body: &Value) -> Result<Answer, Refusal> {
    only(body, "#", &["inputText"])?;
    titan(text(body, "inputText")?, 1_536)
}

fn titan_v2(body: &Value) -> Result<Answer, Refusal> {
    only(
        body,
        "#",
        &["inputText", "dimensions", "normalize", "embeddingTypes"],
    )?;
    let dimensions = one_of(body, "dimensions", &[256, 512, 1_024], 1_024)?;
    let (mut answer, count) = titan(text(body, "inputText")?, dimensions)?;
    answer["embeddingsByType"] = json!({"float": answer["embedding"]});
    Ok((answer, count))
}

fn titan_image(body: &Value) -> Result<Answer, Refusal> {
    only(body, "#", &["inputText", "inputImage", "embeddingConfig"])?;
    let config = &body["embeddingConfig"];
    if !config.is_null() {
        only(config, "#/embeddingConfig", &["outputEmbeddingLength"])?;
    }
    let dimensions = one_of(config, "outputEmbeddingLength", &[256, 384, 1_024], 1_024)?;
    titan(text(body, "inputText")?, dimensions)
}

fn titan(text: &str, dimensions: u64) -> Result<Answer, Refusal> {
    if text.len() > 50_000 {
        return Err(Refusal::invalid(
            "400 Bad Request: Too many input tokens. Max input tokens: 8192, request input token count: 12500",
        ));
    }
    let count = tokens(text.len());
    let answer = json!({"embedding": vector::of(text, dimensions), "inputTextTokenCount": count});
    Ok((answer, count))
}

fn cohere(body: &Value, is_v4: bool) -> Result<Answer, Refusal> {
    let mut known = vec![
        "texts",
        "input_type",
        "truncate",
        "embedding_types",
        "images",
    ];
    if is_v4 {
        known.extend(["output_dimension", "inputs", "max_tokens"]);
    }
    only(body, "#", &known)?;
    let kind = text(body, "input_type")?;
    if !COHERE_TYPES.contains(&kind) {
        return Err(malformed(
            "#/input_type",
            &format!("{kind} is not a valid enum value"),
        ));
    }
    let texts = body["texts"]
        .as_array()
        .ok_or_else(|| malformed("#", "required key [texts] not found"))?;
    if texts.is_empty() || texts.len() > COHERE_TEXTS_MAX {
        return Err(malformed(
            "#/texts",
            &format!(
                "expected minimum item count: 1, maximum item count: 96, found: {}",
                texts.len()
            ),
        ));
    }
    let dimensions = match is_v4 {
        true => one_of(body, "output_dimension", &[256, 512, 1_024, 1_536], 1_536)?,
        false => 1_024,
    };
    let mut vectors = Vec::new();
    let mut count = 0;
    for text in texts {
        let text = text
            .as_str()
            .filter(|text| !text.is_empty())
            .ok_or_else(|| malformed("#/texts", "expected type: String"))?;
        count += tokens(text.len());
        vectors.push(vector::json_of(text, dimensions));
    }
    // Version 4 sorts its vectors by type; version 3 does so when it is asked for types.
    let embeddings = if is_v4 || !body["embedding_types"].is_null() {
        json!({"float": vectors})
    } else {
        Value::Array(vectors)
    };
    let answer = json!({
        "id": "00000000-0000-4000-8000-000000000000",
        "response_type": if embeddings.is_array() { "embeddings_floats" } else { "embeddings_by_type" },
        "texts": texts,
        "embeddings": embeddings,
    });
    Ok((answer, count))
}

fn nova(body: &Value) -> Result<Answer, Refusal> {
    only(
        body,
        "#",
        &["schemaVersion", "taskType", "singleEmbeddingParams"],
    )?;
    if body["taskType"] != "SINGLE_EMBEDDING" {
        return Err(malformed("#/taskType", "is not a valid enum value"));
    }
    let parameters = &body["singleEmbeddingParams"];
    let at = "#/singleEmbeddingParams";
    only(
        parameters,
        at,
        &["embeddingPurpose", "embeddingDimension", "text"],
    )?;
    let purpose = text(parameters, "embeddingPurpose")?;
    if !NOVA_PURPOSES.contains(&purpose) {
        return Err(malformed(
            at,
            &format!("{purpose} is not a valid enum value"),
        ));
    }
    let dimensions = one_of(
        parameters,
        "embeddingDimension",
        &[256, 384, 1_024, 3_072],
        3_072,
    )?;
    let part = &parameters["text"];
    only(
        part,
        "#/singleEmbeddingParams/text",
        &["truncationMode", "value", "source"],
    )?;
    let mode = text(part, "truncationMode")?;
    if !["START", "END", "NONE"].contains(&mode) {
        return Err(malformed(at, &format!("{mode} is not a valid enum value")));
    }
    let value = text(part, "value")?;
    let vector = vector::of(value, dimensions);
    let answer = json!({"embeddings": [{"embeddingType": "TEXT", "embedding": vector}]});
    Ok((answer, tokens(value.len())))
}

fn only(value: &Value, at: &str, known: &[&str]) -> Result<(), Refusal> {
    let object = value
        .as_object()
        .ok_or_else(|| malformed(at, "expected type: JSONObject"))?;
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(malformed(
            at,
            &format!("extraneous key [{key}] is not permitted"),
        )),
        None => Ok(()),
    }
}

fn text<'b>(body: &'b Value, name: &str) -> Result<&'b str, Refusal> {
    match &body[name] {
        Value::Null => Err(malformed("#", &format!("required key [{name}] not found"))),
        Value::String(text) if text.is_empty() => Err(malformed(
            &format!("#/{name}"),
            "expected minLength: 1, actual: 0",
        )),
        Value::String(text) => Ok(text),
        _ => Err(malformed(&format!("#/{name}"), "expected type: String")),
    }
}

fn one_of(body: &Value, name: &str, choices: &[u64], default: u64) -> Result<u64, Refusal> {
    if body[name].is_null() {
        return Ok(default);
    }
    let number = body[name]
        .as_u64()
        .filter(|number| choices.contains(number));
    number.ok_or_else(|| {
        malformed(
            &format!("#/{name}"),
            &format!("{} is not a valid enum value", body[name]),
        )
    })
}

fn malformed(at: &str, problem: &str) -> Refusal {
    Refusal::invalid(format!(
        "Malformed input request: {at}: {problem}, please reformat your input and try again."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TITAN: &str = "amazon.titan-embed-text-v2:0";
    const COHERE: &str = "us.cohere.embed-v4:0";
    const NOVA: &str = "amazon.nova-2-multimodal-embeddings-v1:0";

    #[track_caller]
    fn check(model: &str, body: &Value, want: Result<u64, &str>) {
        let got = answer(model, body).map(|(_, tokens)| tokens);
        match (got, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want),
            (Err(refusal), Err(want)) => {
                assert!(refusal.message.contains(want), "{}", refusal.message);
            }
            (got, _) => panic!("{got:?}"),
        }
    }

    #[test]
    fn titan_takes_one_text_and_chosen_dimensions() {
        check(TITAN, &json!({"inputText": "12345678"}), Ok(2));
        check(
            TITAN,
            &json!({"inputText": ["a"]}),
            Err("expected type: String"),
        );
        check(
            TITAN,
            &json!({"inputText": "a", "dimensions": 100}),
            Err("enum"),
        );
        check(
            "amazon.titan-embed-text-v1",
            &json!({"inputText": "a", "dimensions": 256}),
            Err("extraneous key [dimensions]"),
        );
    }

    #[test]
    fn cohere_wants_a_type_and_few_texts() {
        check(
            COHERE,
            &json!({"texts": ["a", "b"], "input_type": "clustering"}),
            Ok(2),
        );
        check(
            COHERE,
            &json!({"texts": ["a"]}),
            Err("required key [input_type]"),
        );
        let many = vec!["a"; 97];
        check(
            COHERE,
            &json!({"texts": many, "input_type": "clustering"}),
            Err("maximum item count: 96"),
        );
    }

    #[test]
    fn nova_wants_all_it_is_due() {
        let body = |mode: &str| {
            json!({"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": {
                "embeddingPurpose": "GENERIC_INDEX", "embeddingDimension": 256, "text": {"truncationMode": mode, "value": "a"}}})
        };
        check(NOVA, &body("NONE"), Ok(1));
        check(NOVA, &body("MIDDLE"), Err("enum"));
        check(
            NOVA,
            &json!({"taskType": "SINGLE_EMBEDDING"}),
            Err("JSONObject"),
        );
    }
}
