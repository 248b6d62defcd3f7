//! Texts as vectors, by InvokeModel, whose bodies are each model's own.
//!
//! | family | texts a call | dimensions | purpose | tokens |
//! |---|---|---|---|---|
//! | Titan v1, v2, image | 1 | v1: 1,536; v2: `dimensions`; image: `outputEmbeddingLength` | - | in the body |
//! | Cohere 3, 4 | 96 | 3: 1,024; 4: `output_dimension` | `input_type`, required | in a header |
//! | Nova | 1 | `embeddingDimension`, required | `embeddingPurpose`, required | in a header |
//!
//! What vectors are for is said by the app's `input_type`, else by the target's, else they are documents.
//! Vectors of documents and of queries differ with Cohere and Nova, so an app that searches says so, or asks
//! for a second name whose target does. A text that is too long is refused, as OpenAI does, not cut.

use std::rc::Rc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::quirks::Embedding;
use super::{JSON, ModelId, Runtime, refusal};
use crate::codec::json::{Kind, Walk, write_u64};
use crate::document::Fields;
use crate::fault::{Fault, Upstream};
use crate::provider::{Call, Embedder, Path, Target};
use crate::turn::{Embed, Escaped, Format, Headers, InputType, Now, Uncarried};

/// An embedding model of a Bedrock endpoint.
#[derive(Debug)]
pub(super) struct Invoke {
    runtime: Rc<Runtime>,
    family: Embedding,
    /// What the policy says that vectors are for.
    input_type: Option<InputType>,
    path: String,
}

/// Cohere's own bound.
const COHERE_TEXTS_MAX: usize = 96;
/// What Nova gives where it is not told; it has to be told.
const NOVA_DIMENSIONS: u64 = 3_072;
const TOKENS_HEADER: &str = "x-amzn-bedrock-input-token-count";

impl Invoke {
    /// Reads the target's own settings.
    pub(super) fn read(
        runtime: Rc<Runtime>,
        family: Embedding,
        model: &ModelId,
        fields: &mut Fields<'_>,
    ) -> Self {
        Self {
            path: format!("{}/invoke", runtime.model_path(model)),
            runtime,
            family,
            input_type: fields.one_of("input_type", InputType::WORDS),
        }
    }

    const fn is_cohere(&self) -> bool {
        matches!(self.family, Embedding::CohereV3 | Embedding::CohereV4)
    }

    /// The length of its vectors, for a model that has but one.
    const fn own_dimensions(&self) -> Option<u64> {
        match self.family {
            Embedding::TitanV1 => Some(1_536),
            Embedding::CohereV3 => Some(1_024),
            Embedding::TitanV2 | Embedding::TitanImage | Embedding::CohereV4 | Embedding::Nova => {
                None
            }
        }
    }

    fn write(&self, embed: &Embed<'_>, inputs: &[Escaped<'_>], out: &mut Vec<u8>) {
        let kind = embed.input_type.or(self.input_type);
        let kind = kind.unwrap_or(InputType::Document);
        let dimensions = embed.dimensions.filter(|_| self.own_dimensions().is_none());
        match self.family {
            Embedding::TitanV1 | Embedding::TitanV2 | Embedding::TitanImage => {
                out.extend_from_slice(br#"{"inputText":"#);
                write_texts(inputs, out);
                match (self.family, dimensions) {
                    (Embedding::TitanImage, Some(dimensions)) => {
                        out.extend_from_slice(br#","embeddingConfig":{"outputEmbeddingLength":"#);
                        write_u64(out, dimensions);
                        out.push(b'}');
                    }
                    (_, Some(dimensions)) => {
                        out.extend_from_slice(br#","dimensions":"#);
                        write_u64(out, dimensions);
                    }
                    (_, None) => {}
                }
                out.push(b'}');
            }
            Embedding::CohereV3 | Embedding::CohereV4 => {
                out.extend_from_slice(br#"{"texts":["#);
                write_texts(inputs, out);
                out.extend_from_slice(br#"],"input_type":""#);
                out.extend_from_slice(kind.as_str().as_bytes());
                out.extend_from_slice(br#"","embedding_types":["float"]"#);
                if let Some(dimensions) = dimensions {
                    out.extend_from_slice(br#","output_dimension":"#);
                    write_u64(out, dimensions);
                }
                out.push(b'}');
            }
            Embedding::Nova => {
                out.extend_from_slice(
                    br#"{"taskType":"SINGLE_EMBEDDING","singleEmbeddingParams":{"embeddingPurpose":""#,
                );
                out.extend_from_slice(nova_purpose(kind).as_bytes());
                out.extend_from_slice(br#"","embeddingDimension":"#);
                write_u64(out, dimensions.unwrap_or(NOVA_DIMENSIONS));
                out.extend_from_slice(br#","text":{"truncationMode":"NONE","value":"#);
                write_texts(inputs, out);
                out.extend_from_slice(b"}}}");
            }
        }
    }
}

/// What an app searches through this gateway are vectors of texts.
const fn nova_purpose(kind: InputType) -> &'static str {
    match kind {
        InputType::Document => "GENERIC_INDEX",
        InputType::Query => "TEXT_RETRIEVAL",
        InputType::Classification => "CLASSIFICATION",
        InputType::Clustering => "CLUSTERING",
    }
}

/// The texts as JSON strings with commas between them.
fn write_texts(inputs: &[Escaped<'_>], out: &mut Vec<u8>) {
    for (index, input) in inputs.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(input.as_str().as_bytes());
        out.push(b'"');
    }
}

impl Target for Invoke {
    fn path(&self, format: Format) -> Option<Path<'_>> {
        match format {
            Format::Embeddings => Some(Path::Embedded(self)),
            Format::Chat | Format::Responses | Format::Completions => None,
        }
    }

    fn sign(&self, now: Now, call: &mut Call) -> Result<(), Fault> {
        self.runtime.credential.sign(now, call)
    }

    fn refusal(&self, head: &Headers, body: &[u8]) -> Fault {
        refusal::read(head, body)
    }
}

impl Embedder for Invoke {
    fn inputs_max(&self) -> usize {
        if self.is_cohere() {
            COHERE_TEXTS_MAX
        } else {
            1
        }
    }

    fn encode(
        &self,
        embed: &Embed<'_>,
        inputs: &[Escaped<'_>],
        uncarried: &mut Uncarried<'_>,
        call: &mut Call,
    ) -> Result<(), Fault> {
        for name in &embed.others {
            uncarried.leave(name)?;
        }
        let own = self.own_dimensions();
        if own.is_some() && embed.dimensions.is_some() && embed.dimensions != own {
            uncarried.leave("dimensions")?;
        }
        let has_purposes = self.is_cohere() || self.family == Embedding::Nova;
        if embed.input_type.is_some() && !has_purposes {
            uncarried.leave("input_type")?;
        }
        call.body.clear();
        self.write(embed, inputs, &mut call.body);
        call.authority.clone_from(&self.runtime.endpoint.authority);
        call.path.clone_from(&self.path);
        call.headers.set("content-type", JSON);
        call.headers.set("accept", JSON);
        Ok(())
    }

    fn decode(
        &self,
        head: &Headers,
        body: &[u8],
        sink: &mut dyn FnMut(&str) -> Result<(), Fault>,
    ) -> Result<Option<u64>, Fault> {
        let answer = Answer::parse(body)?;
        if answer.embedding.is_none() && answer.embeddings.is_none() {
            // Some errors come with status 200.
            let error = refusal::Error::parse(body);
            return Err(match error.is_some() {
                true => refusal::read(head, body),
                false => corrupt(),
            });
        }
        answer.tell(sink)?;
        let header = head.text(TOKENS_HEADER);
        let header = header.and_then(|count| count.parse().ok());
        Ok(answer.input_text_token_count.or(header))
    }
}

/// The answers of all families.
#[derive(Deserialize)]
struct Answer<'a> {
    /// Titan's.
    #[serde(borrow)]
    embedding: Option<&'a RawValue>,
    #[serde(rename = "inputTextTokenCount")]
    input_text_token_count: Option<u64>,
    /// Cohere's, a list of vectors or lists by type; Nova's, a list of objects.
    #[serde(borrow)]
    embeddings: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ByType<'a> {
    #[serde(borrow)]
    float: &'a RawValue,
}

/// One of Nova's vectors.
#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow)]
    embedding: &'a RawValue,
}

impl<'a> Answer<'a> {
    fn parse(body: &'a [u8]) -> Result<Self, Fault> {
        let is_object = body.trim_ascii_start().first() == Some(&b'{');
        let text = str::from_utf8(body).ok().filter(|_| is_object);
        text.and_then(|text| serde_json::from_str(text).ok())
            .ok_or_else(corrupt)
    }

    fn tell(&self, sink: &mut dyn FnMut(&str) -> Result<(), Fault>) -> Result<(), Fault> {
        if let Some(vector) = self.embedding {
            return sink(vector.get());
        }
        let json = self.embeddings.map_or("", RawValue::get);
        let list = match json.starts_with('{') {
            true => parse::<ByType<'_>>(json)?.float.get(),
            false => json,
        };
        // Item by item: a list of what is no vector could be as long as the answer.
        let mut walk = Walk::new(list);
        if walk.kind() != Kind::Array {
            return Err(corrupt());
        }
        walk.open();
        while walk.next_item().map_err(|_error| corrupt())? {
            let item = walk.skip().map_err(|_error| corrupt())?;
            match item.starts_with('{') {
                true => sink(parse::<Typed<'_>>(item)?.embedding.get())?,
                false => sink(item)?,
            }
        }
        Ok(())
    }
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Fault> {
    serde_json::from_str(json).map_err(|_error| corrupt())
}

fn corrupt() -> Fault {
    let message = "the provider's answer holds no embeddings";
    Fault::from(Upstream::broken("upstream_corrupt", message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document;
    use crate::provider::{ALL, Catalogue, Environment};
    use crate::turn::Parameters;

    fn target(model: &str, more: &str) -> Rc<dyn Target> {
        let environment = Environment {
            name: "aws",
            variable: &|_| None,
            limits: crate::limits::Limits::default(),
            catalogue: &Rc::new(Catalogue::shipped().unwrap()),
        };
        let bedrock = ALL.iter().find(|kind| kind.name == "bedrock").unwrap();
        let root = document::parse(br#"{"region":"us-east-1"}"#).unwrap();
        let provider =
            document::read(&root, |fields| (bedrock.compile)(fields, &environment)).unwrap();
        let root = format!(r#"{{"model":"{model}"{more}}}"#);
        let root = document::parse(root.as_bytes()).unwrap();
        document::read(&root, |fields| provider.target(fields)).unwrap()
    }

    fn embedder(target: &Rc<dyn Target>) -> &dyn Embedder {
        match target.path(Format::Embeddings) {
            Some(Path::Embedded(embedder)) => embedder,
            other => panic!("{other:?}"),
        }
    }

    const TITAN: &str = "amazon.titan-embed-text-v2:0";
    const COHERE: &str = "us.cohere.embed-v4:0";
    const NOVA: &str = "amazon.nova-2-multimodal-embeddings-v1:0";

    fn two<'a>() -> Embed<'a> {
        Embed {
            inputs: vec![Escaped::from_content(r"a\n"), Escaped::from_content("b")],
            ..Embed::default()
        }
    }

    /// The body for the first inputs, or the fault's field.
    #[track_caller]
    fn check(model: &str, more: &str, embed: &Embed<'_>, want: &str) {
        let target = target(model, more);
        let embedder = embedder(&target);
        let inputs: Vec<_> = embed
            .inputs
            .iter()
            .copied()
            .take(embedder.inputs_max())
            .collect();
        let rules = Parameters::default();
        let mut call = Call::default();
        let encoded = embedder.encode(embed, &inputs, &mut Uncarried::new(&rules), &mut call);
        let got = match encoded {
            Ok(()) => String::from_utf8(call.body).unwrap(),
            Err(fault) => fault.param().unwrap().to_owned(),
        };
        assert_eq!(got, want);
    }

    #[test]
    fn titan_takes_one_text() {
        check(TITAN, "", &two(), r#"{"inputText":"a\n"}"#);
        check(
            "amazon.titan-embed-text-v1",
            "",
            &two(),
            r#"{"inputText":"a\n"}"#,
        );
    }

    #[test]
    fn cohere_takes_many_and_is_told_what_for() {
        check(
            COHERE,
            "",
            &two(),
            r#"{"texts":["a\n","b"],"input_type":"search_document","embedding_types":["float"]}"#,
        );
        check(
            "cohere.embed-multilingual-v3",
            r#","input_type":"clustering""#,
            &two(),
            r#"{"texts":["a\n","b"],"input_type":"clustering","embedding_types":["float"]}"#,
        );
    }

    #[test]
    fn the_apps_word_on_the_purpose_counts_more_than_the_policys() {
        let embed = Embed {
            input_type: Some(InputType::Query),
            ..two()
        };
        check(
            NOVA,
            r#","input_type":"clustering""#,
            &embed,
            r#"{"taskType":"SINGLE_EMBEDDING","singleEmbeddingParams":{"embeddingPurpose":"TEXT_RETRIEVAL","embeddingDimension":3072,"text":{"truncationMode":"NONE","value":"a\n"}}}"#,
        );
    }

    #[test]
    fn dimensions_are_carried_where_there_is_a_choice() {
        let embed = Embed {
            dimensions: Some(256),
            ..two()
        };
        check(TITAN, "", &embed, r#"{"inputText":"a\n","dimensions":256}"#);
        check(
            "amazon.titan-embed-image-v1",
            "",
            &embed,
            r#"{"inputText":"a\n","embeddingConfig":{"outputEmbeddingLength":256}}"#,
        );
        check(
            COHERE,
            "",
            &embed,
            r#"{"texts":["a\n","b"],"input_type":"search_document","embedding_types":["float"],"output_dimension":256}"#,
        );
        check(
            NOVA,
            "",
            &embed,
            r#"{"taskType":"SINGLE_EMBEDDING","singleEmbeddingParams":{"embeddingPurpose":"GENERIC_INDEX","embeddingDimension":256,"text":{"truncationMode":"NONE","value":"a\n"}}}"#,
        );
        check("amazon.titan-embed-text-v1", "", &embed, "dimensions");
        check("cohere.embed-english-v3", "", &embed, "dimensions");
    }

    #[test]
    fn the_only_dimensions_may_be_asked_for() {
        let embed = Embed {
            dimensions: Some(1_536),
            ..two()
        };
        check(
            "amazon.titan-embed-text-v1",
            "",
            &embed,
            r#"{"inputText":"a\n"}"#,
        );
    }

    /// The vectors and the tokens of an answer, or the fault's code.
    #[track_caller]
    fn check_answer(model: &str, body: &str, want: &str) {
        let target = target(model, "");
        let mut head = Headers::new();
        head.set(":status", "200");
        head.set(TOKENS_HEADER, "9");
        let mut told = Vec::new();
        let decoded = embedder(&target).decode(&head, body.as_bytes(), &mut |numbers| {
            told.push(numbers.to_owned());
            Ok(())
        });
        let got = match decoded {
            Ok(tokens) => format!("{} {tokens:?}", told.join(" ")),
            Err(fault) => fault.code().unwrap().to_owned(),
        };
        assert_eq!(got, want, "{body}");
    }

    #[test]
    fn every_familys_answer_is_read() {
        check_answer(
            TITAN,
            r#"{"embedding":[0.5,1],"embeddingsByType":{"float":[0.5,1]},"inputTextTokenCount":3}"#,
            "[0.5,1] Some(3)",
        );
        check_answer(
            COHERE,
            r#"{"id":"x","embeddings":{"float":[[1],[2]]},"texts":["a"]}"#,
            "[1] [2] Some(9)",
        );
        check_answer(COHERE, r#"{"embeddings":[[1],[2]]}"#, "[1] [2] Some(9)");
        check_answer(
            NOVA,
            r#"{"embeddings":[{"embeddingType":"TEXT","embedding":[1]}]}"#,
            "[1] Some(9)",
        );
    }

    #[test]
    fn what_is_no_answer_is_corrupt() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"embeddings":7}"#,
            r#"{"embeddings":{"int8":[[1]]}}"#,
            r#"{"embeddings":[{"embeddingType":"TEXT"}]}"#,
            r#"{"embedding":[1]"#,
        ] {
            check_answer(COHERE, body, "upstream_corrupt");
        }
    }

    #[test]
    fn an_error_of_status_200_is_an_error() {
        check_answer(
            TITAN,
            r#"{"__type":"ThrottlingException","message":"slow down"}"#,
            "rate_limit_exceeded",
        );
    }

    #[test]
    fn an_embedding_model_holds_no_conversation() {
        assert!(target(TITAN, "").path(Format::Chat).is_none());
        let chat = target("amazon.nova-2-lite-v1:0", "");
        assert!(chat.path(Format::Embeddings).is_none());
    }
}
