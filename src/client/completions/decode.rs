//! The whole request, for a translation.

use crate::client::chat::decode::read_stop;
use crate::client::parameters::is_default;
use crate::client::read::{Path, Reader, required, unsupported, wrong_kind, wrong_value};
use crate::codec::json::{Kind, is_blank};
use crate::fault::Fault;
use crate::turn::{Ask, Escaped, Message, Other, Part, Request, Role};

/// OpenAI's own limit where the app sets none.
const MAX_TOKENS: u64 = 16;

/// Values that say no more than leaving the parameter out, written without blanks.
const DEFAULTS: &[(&str, &[&str])] = &[
    ("best_of", &["1"]),
    ("echo", &["false"]),
    ("frequency_penalty", &["0", "0.0"]),
    ("logit_bias", &["{}"]),
    ("n", &["1"]),
    ("presence_penalty", &["0", "0.0"]),
    ("suffix", &["\"\""]),
];

/// More than one are refused anyway, so none beyond is counted.
const PROMPTS_MAX: usize = 2_048;

pub(super) fn decode<'a>(ask: &Ask<'a>) -> Result<Request<'a>, Fault> {
    let mut request = Request {
        stream: ask.stream,
        max_tokens: Some(MAX_TOKENS),
        ..Request::default()
    };
    let mut prompt = None;
    // A null counts as absent.
    for member in ask.members.iter().filter(|member| member.value != "null") {
        let mut reader = Reader::new(member.value);
        let reader = &mut reader;
        match &*member.key {
            "prompt" => prompt = Some(read_prompt(reader)?),
            "max_tokens" => request.max_tokens = Some(reader.count(&Path::top("max_tokens"))?),
            "temperature" => {
                let at = Path::top("temperature");
                let range = "must be between 0 and 2";
                request.temperature = Some(reader.number(&at, 2.0, range)?);
            }
            "top_p" => {
                let at = Path::top("top_p");
                request.top_p = Some(reader.number(&at, 1.0, "must be between 0 and 1")?);
            }
            "stop" => request.stop = read_stop(reader)?,
            // Read by `ask`.
            "model" | "stream" | "stream_options" => {}
            name if is_default(DEFAULTS, name, member.value) => {}
            _ => request.others.push(Other {
                name: member.key.clone(),
                value: Some(member.value),
            }),
        }
    }
    request.messages.push(Message {
        role: Role::User,
        parts: vec![Part::Text(required(prompt, &Path::top("prompt"))?)],
        index: 0,
    });
    Ok(request)
}

fn read_prompt<'a>(reader: &mut Reader<'a>) -> Result<Escaped<'a>, Fault> {
    let at = Path::top("prompt");
    let prompt = match reader.kind() {
        Kind::String => reader.escaped(&at)?,
        Kind::Array => {
            let mut prompts = Vec::new();
            reader.list(&at, PROMPTS_MAX, |reader, index| {
                if matches!(reader.kind(), Kind::Number | Kind::Array) {
                    return Err(unsupported(
                        &at,
                        "this model reads no tokens of another's vocabulary; send the prompt as text",
                    ));
                }
                prompts.push(reader.escaped(&at.item(index))?);
                Ok(())
            })?;
            match prompts.as_slice() {
                [prompt] => *prompt,
                [] => return Err(wrong_value(&at, "must not be an empty list")),
                _ => {
                    return Err(unsupported(
                        &at,
                        "this model takes one prompt at a time; send a request for each",
                    ));
                }
            }
        }
        Kind::Object | Kind::Bool | Kind::Null | Kind::Number => {
            return Err(wrong_kind(&at, "must be a string or a list of strings"));
        }
    };
    if is_blank(prompt.as_str()) {
        return Err(wrong_value(&at, "must have more than white space"));
    }
    Ok(prompt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ask::ask;
    use crate::turn::Format;

    /// The prompt and what else was read, or the fault's param and code.
    #[track_caller]
    fn check(members: &str, want: &str) {
        let body = format!(r#"{{"model":"m",{members}}}"#);
        let ask = ask(Format::Completions, body.as_bytes()).unwrap();
        let got = match decode(&ask) {
            Ok(request) => {
                let [message] = request.messages.as_slice() else {
                    panic!("one message");
                };
                let [Part::Text(prompt)] = message.parts.as_slice() else {
                    panic!("one text");
                };
                let others: Vec<&str> = request.others.iter().map(|other| &*other.name).collect();
                let (prompt, others) = (prompt.as_str(), others.join(","));
                format!("{prompt} {} {others}", request.max_tokens.unwrap())
            }
            Err(fault) => format!("{} {}", fault.param().unwrap(), fault.code().unwrap()),
        };
        assert_eq!(got, want);
    }

    #[test]
    fn a_prompt_is_what_the_user_says() {
        check(r#""prompt":"a\n\u00e9""#, r"a\n\u00e9 16 ");
        check(r#""prompt":["a"],"max_tokens":7"#, "a 7 ");
    }

    #[test]
    fn several_prompts_and_tokens_are_refused_with_a_word() {
        let refused = "prompt unsupported_parameter";
        check(r#""prompt":["a","b"]"#, refused);
        check(r#""prompt":[1,2]"#, refused);
        check(r#""prompt":[[1],[2]]"#, refused);
    }

    #[test]
    fn what_is_no_prompt_is_refused() {
        check(r#""prompt":null"#, "prompt missing_required_parameter");
        check(r#""prompt":[]"#, "prompt invalid_value");
        check(r#""prompt":" \n""#, "prompt invalid_value");
        check(r#""prompt":7"#, "prompt invalid_type");
        check(r#""prompt":[true]"#, "prompt[0] invalid_type");
        check(r#""prompt":"a","max_tokens":0"#, "max_tokens invalid_value");
    }

    #[test]
    fn what_has_no_place_is_left_unless_it_is_the_default() {
        check(
            r#""prompt":"a","suffix":"s","echo":true,"logprobs":2,"best_of":3,"n":2,"user":"u","seed":1"#,
            "a 16 suffix,echo,logprobs,best_of,n,user,seed",
        );
        check(
            r#""prompt":"a","suffix":"","echo":false,"logprobs":null,"best_of":1,"n":1,"logit_bias":{ }"#,
            "a 16 ",
        );
    }
}
