//! OpenAI's embeddings, as an app speaks it.
//!
//! A request that is translated has texts as its inputs. Token arrays are refused: they are of OpenAI's
//! own tokenizers, and no other model can read them. `input_type` is no field of OpenAI's; apps that know
//! the model behind the name pass it on (`extra_body`), in Cohere's words. Every other field that has no
//! place is left to the policy's rule for parameters.
//!
//! A vector goes out as the upstream wrote its numbers, or as the base64 of little-endian 32-bit floats,
//! which is what the Python and Node SDKs ask for unless the app says otherwise. Checked against the types
//! of the `openai` package 3.54.

use super::ask::ask;
use super::read::{Path, Reader, required, unsupported, wrong_kind, wrong_value};
use super::sites::{self, Sites};
use super::{Client, Embeds};
use crate::codec::base64;
use crate::codec::json::{Kind, Text, write_string, write_u64};
use crate::fault::{Fault, Upstream};
use crate::limits::INPUTS_MAX;
use crate::turn::{Ask, Embed, Encoding, Escaped, Format, InputType, Usage};

/// The format of `POST /v1/embeddings`.
#[derive(Debug, Clone, Copy)]
pub struct Embeddings;

impl Client for Embeddings {
    fn format(&self) -> Format {
        Format::Embeddings
    }

    fn path(&self) -> &'static str {
        "/v1/embeddings"
    }

    fn sites(&self) -> &'static Sites {
        &sites::EMBEDDINGS
    }

    fn ask<'a>(&self, body: &'a [u8]) -> Result<Ask<'a>, Fault> {
        let ask = ask(Format::Embeddings, body)?;
        // There is no stream of vectors; an upstream that knows no such field says so itself.
        Ok(Ask {
            stream: false,
            include_usage: false,
            ..ask
        })
    }

    fn embeds(&self) -> Option<&'static dyn Embeds> {
        Some(&Self)
    }
}

const INPUT: Path<'static> = Path::top("input");
const TOKENS: &str = "this model takes text, and no tokens of another model; send strings (LangChain: \
                      check_embedding_ctx_length=False)";

impl Embeds for Embeddings {
    fn decode<'a>(&self, ask: &Ask<'a>) -> Result<Embed<'a>, Fault> {
        let mut embed = Embed::default();
        let mut inputs = None;
        // A null counts as absent.
        for member in ask.members.iter().filter(|member| member.value != "null") {
            let mut reader = Reader::new(member.value);
            match &*member.key {
                "model" | "stream" | "stream_options" => {}
                "input" => inputs = Some(read_inputs(&mut reader)?),
                "dimensions" => embed.dimensions = Some(reader.count(&Path::top("dimensions"))?),
                "encoding_format" => {
                    embed.encoding = word(&mut reader, "encoding_format", ENCODINGS, ENCODING)?;
                }
                "input_type" => {
                    let kind = word(&mut reader, "input_type", InputType::WORDS, INPUT_TYPE)?;
                    embed.input_type = Some(kind);
                }
                other => embed.others.push(Text::from(other.to_owned())),
            }
        }
        embed.inputs = required(inputs, &INPUT)?;
        if embed.inputs.is_empty() {
            return Err(wrong_value(&INPUT, "must not be empty"));
        }
        Ok(embed)
    }

    fn write_vector(
        &self,
        index: usize,
        numbers: &str,
        encoding: Encoding,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let inside = inside(numbers).ok_or_else(no_vector)?;
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"object\":\"embedding\",\"index\":");
        write_u64(out, u64::try_from(index).unwrap_or(u64::MAX));
        out.extend_from_slice(b",\"embedding\":");
        match encoding {
            Encoding::Float => out.extend_from_slice(numbers.as_bytes()),
            Encoding::Base64 => {
                let mut bytes = Vec::with_capacity(inside.len() / 2);
                for number in inside.split(',').filter(|_| !inside.is_empty()) {
                    let float: f32 = number.trim().parse().unwrap_or(f32::NAN);
                    if !float.is_finite() {
                        return Err(no_vector());
                    }
                    bytes.extend(float.to_le_bytes());
                }
                out.push(b'"');
                base64::write(bytes, out);
                out.push(b'"');
            }
        }
        out.push(b'}');
        Ok(())
    }

    fn write_answer(&self, model: &str, vectors: &[Vec<u8>], usage: Usage, out: &mut Vec<u8>) {
        let bytes: usize = vectors.iter().map(Vec::len).sum();
        out.reserve(bytes.saturating_add(model.len()).saturating_add(128));
        out.extend_from_slice(b"{\"object\":\"list\",\"data\":[");
        for piece in vectors {
            out.extend_from_slice(piece);
        }
        out.extend_from_slice(b"],\"model\":");
        write_string(out, model);
        out.extend_from_slice(b",\"usage\":{\"prompt_tokens\":");
        write_u64(out, usage.input_tokens);
        out.extend_from_slice(b",\"total_tokens\":");
        write_u64(out, usage.input_tokens);
        out.extend_from_slice(b"}}");
    }
}

const ENCODINGS: &[(&str, Encoding)] = &[("float", Encoding::Float), ("base64", Encoding::Base64)];
const ENCODING: &str = "must be float or base64";
const INPUT_TYPE: &str = "must be search_document, search_query, classification or clustering";

fn word<T: Copy>(
    reader: &mut Reader<'_>,
    name: &'static str,
    words: &[(&str, T)],
    problem: &'static str,
) -> Result<T, Fault> {
    let at = Path::top(name);
    let text = reader.text(&at)?;
    let found = words.iter().find(|(known, _)| *known == &*text);
    found
        .map(|(_, value)| *value)
        .ok_or_else(|| wrong_value(&at, problem))
}

fn read_inputs<'a>(reader: &mut Reader<'a>) -> Result<Vec<Escaped<'a>>, Fault> {
    match reader.kind() {
        Kind::String => Ok(vec![read_text(reader, &INPUT)?]),
        Kind::Array => {
            let mut inputs = Vec::new();
            reader.list(&INPUT, INPUTS_MAX, |reader, index| {
                inputs.push(read_text(reader, &INPUT.item(index))?);
                Ok(())
            })?;
            Ok(inputs)
        }
        Kind::Object | Kind::Bool | Kind::Null | Kind::Number => {
            Err(wrong_kind(&INPUT, "must be a string or a list of strings"))
        }
    }
}

fn read_text<'a>(reader: &mut Reader<'a>, at: &Path<'_>) -> Result<Escaped<'a>, Fault> {
    if matches!(reader.kind(), Kind::Number | Kind::Array) {
        return Err(unsupported(&INPUT, TOKENS));
    }
    let text = reader.escaped(at)?;
    if text.is_empty() {
        return Err(wrong_value(at, "must not be an empty string"));
    }
    Ok(text)
}

/// What is inside a list of numbers. The text is valid JSON, so all that could be there besides them shows in
/// its bytes.
fn inside(json: &str) -> Option<&str> {
    let inside = json.strip_prefix('[')?.strip_suffix(']')?.trim_ascii();
    let is_number = |byte: u8| byte.is_ascii_digit() || b"+-.eE, \n\r\t".contains(&byte);
    inside.bytes().all(is_number).then_some(inside)
}

fn no_vector() -> Fault {
    let message = "the provider's answer holds what is no vector of numbers";
    Fault::from(Upstream::broken("upstream_corrupt", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is asked, or the fault.
    #[track_caller]
    fn check(fields: &str, want: &str) {
        let body = format!(r#"{{"model":"m",{fields}}}"#);
        let ask = Embeddings.ask(body.as_bytes()).unwrap();
        let got = match Embeds::decode(&Embeddings, &ask) {
            Ok(embed) => {
                let texts: Vec<_> = embed.inputs.iter().map(|text| text.as_str()).collect();
                let others: Vec<_> = embed.others.iter().map(|name| &**name).collect();
                format!(
                    "{} {:?} {:?} {:?} {}",
                    texts.join("|"),
                    embed.dimensions,
                    embed.encoding,
                    embed.input_type,
                    others.join(",")
                )
            }
            Err(fault) => format!("{} {fault}", fault.code().unwrap()),
        };
        assert_eq!(got.trim_end(), want);
    }

    #[test]
    fn one_text_or_many_are_taken() {
        check(r#""input":"a\nb""#, r"a\nb None Float None");
        check(r#""input":["a","b"]"#, "a|b None Float None");
    }

    #[test]
    fn what_is_asked_of_the_vectors_is_read() {
        check(
            r#""input":"a","dimensions":256,"encoding_format":"base64","input_type":"search_query","user":"u","stream":true"#,
            "a Some(256) Base64 Some(Query) user",
        );
        check(
            r#""input":"a","dimensions":null,"encoding_format":null"#,
            "a None Float None",
        );
    }

    #[test]
    fn tokens_are_refused_with_a_remedy() {
        for input in ["[1,2]", "[[1,2],[3]]"] {
            check(
                &format!(r#""input":{input}"#),
                &format!("unsupported_parameter input: {TOKENS}"),
            );
        }
    }

    #[test]
    fn there_is_something_to_embed() {
        check(
            r#""user":"u""#,
            "missing_required_parameter input: this field is required",
        );
        check(r#""input":[]"#, "invalid_value input: must not be empty");
        check(
            r#""input":["a",""]"#,
            "invalid_value input[1]: must not be an empty string",
        );
        check(
            r#""input":["a",null]"#,
            "invalid_type input[1]: must be a string",
        );
        check(
            r#""input":{}"#,
            "invalid_type input: must be a string or a list of strings",
        );
    }

    #[test]
    fn wrong_words_are_named() {
        check(
            r#""input":"a","encoding_format":"int8""#,
            "invalid_value encoding_format: must be float or base64",
        );
        check(
            r#""input":"a","dimensions":0"#,
            "invalid_value dimensions: must be an integer of at least 1",
        );
    }

    #[test]
    fn inputs_are_bounded() {
        let many = vec!["\"a\""; INPUTS_MAX + 1].join(",");
        check(
            &format!(r#""input":[{many}]"#),
            "invalid_value input: the list may have at most 2048 items",
        );
    }

    #[track_caller]
    fn check_vector(numbers: &str, encoding: Encoding, want: Option<&str>) {
        let mut out = Vec::new();
        let written = Embeddings.write_vector(0, numbers, encoding, &mut out);
        let got = written.ok().map(|()| String::from_utf8(out).unwrap());
        let want =
            want.map(|want| format!(r#"{{"object":"embedding","index":0,"embedding":{want}}}"#));
        assert_eq!(got, want, "{numbers}");
    }

    #[test]
    fn numbers_stay_as_they_were_written() {
        check_vector("[0.10, -1e-7]", Encoding::Float, Some("[0.10, -1e-7]"));
        check_vector("[]", Encoding::Float, Some("[]"));
    }

    #[test]
    fn base64_is_of_little_endian_floats() {
        // 1.0 is 00 00 80 3f, -2.5 is 00 00 20 c0.
        check_vector("[1, -2.5]", Encoding::Base64, Some("\"AACAPwAAIMA=\""));
        check_vector("[]", Encoding::Base64, Some("\"\""));
        check_vector("[1e39]", Encoding::Base64, None);
    }

    #[test]
    fn what_is_no_vector_is_refused() {
        for encoding in [Encoding::Float, Encoding::Base64] {
            for numbers in ["[[1]]", "[\"1\"]", "[null]", "{}", "7", "[true]"] {
                check_vector(numbers, encoding, None);
            }
        }
    }

    #[test]
    fn an_answer_is_a_list_in_order() {
        let mut vectors = vec![Vec::new(), Vec::new()];
        for (index, piece) in vectors.iter_mut().enumerate() {
            Embeddings
                .write_vector(index, "[1]", Encoding::Float, piece)
                .unwrap();
        }
        let usage = Usage {
            input_tokens: 7,
            ..Usage::default()
        };
        let mut out = Vec::new();
        Embeddings.write_answer("m", &vectors, usage, &mut out);
        assert_eq!(
            str::from_utf8(&out).unwrap(),
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1]},{"object":"embedding","index":1,"embedding":[1]}],"model":"m","usage":{"prompt_tokens":7,"total_tokens":7}}"#
        );
    }
}
