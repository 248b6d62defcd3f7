//! The light look at a request: valid JSON, its top-level members, the model, the kind of answer.

use crate::client::read::{Path, Reader, required, set, wrong_kind};
use crate::codec::json::{Error, Kind, Member, Members, validate};
use crate::fault::{Client, Fault, Invalid};
use crate::limits::MEMBERS_MAX;
use crate::turn::{Ask, Format};

/// What an error about the body as a whole names.
const BODY: Path<'static> = Path::top("body");

/// Reads a body in `format`; all formats name their model and their kind of answer alike.
pub(super) fn ask(format: Format, body: &[u8]) -> Result<Ask<'_>, Fault> {
    if body.trim_ascii().is_empty() {
        return Err(Client::EmptyBody.into());
    }
    let body = validate(body).map_err(invalid_json)?;
    let members = members(body)?;

    let mut model = None;
    let mut stream = false;
    let mut include_usage = false;
    // A null counts as absent.
    for member in members.iter().filter(|member| member.value != "null") {
        let mut reader = Reader::new(member.value);
        match &*member.key {
            "model" => model = Some(reader.text(&Path::top("model"))?),
            "stream" => stream = reader.boolean(&Path::top("stream"))?,
            "stream_options" => include_usage = read_include_usage(&mut reader)?,
            _ => {}
        }
    }
    let model = required(model, &Path::top("model"))?;
    if model.is_empty() {
        return Err(Invalid::value("model", "name a model; GET /v1/models lists them").into());
    }
    Ok(Ask {
        format,
        body,
        members,
        model,
        stream,
        // OpenAI refuses stream_options without a stream; here they have no effect.
        include_usage: include_usage && stream,
    })
}

fn members(body: &str) -> Result<Vec<Member<'_>>, Fault> {
    if Reader::new(body).kind() != Kind::Object {
        return Err(wrong_kind(&BODY, "must be a JSON object"));
    }
    let mut members: Vec<Member<'_>> = Vec::with_capacity(16);
    for member in Members::new(body) {
        let member = member.map_err(invalid_json)?;
        if members.len() >= MEMBERS_MAX {
            let problem = format!("may have at most {MEMBERS_MAX} members");
            return Err(Invalid::value("body", problem).into());
        }
        members.push(member);
    }
    // Two readers may pick different ones: what is checked would not be what is sent. Sorted, long
    // keys that differ at their ends only are compared a few times each.
    let mut keys: Vec<&str> = members.iter().map(|member| &*member.key).collect();
    keys.sort_unstable();
    let mut neighbours = keys.iter().zip(keys.iter().skip(1));
    if let Some((key, _)) = neighbours.find(|(key, next)| key == next) {
        return Err(Invalid::value(plain(key), "this field comes twice").into());
    }
    Ok(members)
}

/// The app's own key in an error, if it looks like one.
fn plain(key: &str) -> &str {
    let is_plain = (1..=64).contains(&key.len())
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_plain { key } else { "body" }
}

fn read_include_usage(reader: &mut Reader<'_>) -> Result<bool, Fault> {
    let at = Path::top("stream_options");
    let mut include_usage = None;
    reader.object(&at, |reader, key| match key {
        "include_usage" => {
            let at = at.field("include_usage");
            set(&mut include_usage, reader.boolean(&at)?, &at)
        }
        // include_obfuscation asks for padding against eavesdroppers: none is ever written.
        _ => reader.skip().map(drop),
    })?;
    Ok(include_usage.unwrap_or(false))
}

pub(super) fn invalid_json(error: Error) -> Fault {
    match error {
        Error::Syntax { offset } | Error::Utf8 { offset } => Client::Json { offset }.into(),
        Error::Truncated { bytes } => Client::Json { offset: bytes }.into(),
        Error::TooDeep { limit } => {
            let problem = format!("may be nested at most {limit} levels deep");
            Invalid::value("body", problem).into()
        }
        Error::TooManyEdits { .. }
        | Error::TooLarge { .. }
        | Error::Overlap { .. }
        | Error::Range { .. } => Fault::Internal("reading a request reports an edit's error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The model, `stream`, `usage`; or the fault's code and text.
    #[track_caller]
    fn check(body: &str, want: &str) {
        let got = match ask(Format::Chat, body.as_bytes()) {
            Ok(ask) => {
                let stream = if ask.stream { " stream" } else { "" };
                let usage = if ask.include_usage { " usage" } else { "" };
                format!("{}{stream}{usage}", &*ask.model)
            }
            Err(fault) => format!("{} {fault}", fault.code().unwrap()),
        };
        assert_eq!(got, want);
    }

    #[test]
    fn the_model_is_read() {
        check(r#"{"model":"gpt"}"#, "gpt");
        check(r#"{"messages":[],"model":"a\/b"}"#, "a/b");
    }

    #[test]
    fn a_stream_is_asked_for() {
        check(r#"{"model":"m","stream":true}"#, "m stream");
        check(r#"{"model":"m","stream":false}"#, "m");
        check(r#"{"model":"m","stream":null,"stream_options":null}"#, "m");
    }

    #[test]
    fn usage_is_asked_for_with_a_stream_only() {
        check(
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
            "m stream usage",
        );
        check(
            r#"{"model":"m","stream":true,"stream_options":{"include_obfuscation":false}}"#,
            "m stream",
        );
        check(
            r#"{"model":"m","stream_options":{"include_usage":true}}"#,
            "m",
        );
    }

    #[test]
    fn the_model_is_required() {
        let missing = "missing_required_parameter model: this field is required";
        check("{}", missing);
        check(r#"{"model":null}"#, missing);
        check(r#"{"model":7}"#, "invalid_type model: must be a string");
        check(
            r#"{"model":""}"#,
            "invalid_value model: name a model; GET /v1/models lists them",
        );
    }

    #[test]
    fn wrong_types_are_named() {
        check(
            r#"{"model":"m","stream":"true"}"#,
            "invalid_type stream: must be true or false",
        );
        check(
            r#"{"model":"m","stream_options":[]}"#,
            "invalid_type stream_options: must be an object",
        );
        check(
            r#"{"model":"m","stream_options":{"include_usage":1}}"#,
            "invalid_type stream_options.include_usage: must be true or false",
        );
    }

    #[test]
    fn what_is_no_json_is_told_with_its_place() {
        check(
            r#"{"model":"m",}"#,
            "invalid_json the request body is no valid JSON: it breaks after byte 13",
        );
        check(
            r#"{"model":"#,
            "invalid_json the request body is no valid JSON: it breaks after byte 9",
        );
        check(
            " ",
            "empty_body the request has no body; send a JSON object",
        );
    }

    #[test]
    fn the_body_is_an_object() {
        check("[]", "invalid_type body: must be a JSON object");
        check("null", "invalid_type body: must be a JSON object");
    }

    #[test]
    fn a_key_comes_once() {
        check(
            r#"{"model":"a","model":"b"}"#,
            "invalid_value model: this field comes twice",
        );
        check(
            r#"{"model":"a","\u006dodel":"b"}"#,
            "invalid_value model: this field comes twice",
        );
        check(
            r#"{"model":"m","stream_options":{"include_usage":true,"include_usage":false}}"#,
            "invalid_value stream_options.include_usage: this field comes twice",
        );
        check(
            r#"{"<b>":1,"<b>":1}"#,
            "invalid_value body: this field comes twice",
        );
    }

    #[test]
    fn members_and_depth_are_bounded() {
        let members: Vec<_> = (0..=MEMBERS_MAX).map(|n| format!("\"a{n}\":0")).collect();
        check(
            &format!("{{{}}}", members.join(",")),
            "invalid_value body: may have at most 256 members",
        );
        check(
            &"[".repeat(200),
            "invalid_value body: may be nested at most 128 levels deep",
        );
    }

    #[test]
    fn members_keep_their_order_and_their_bytes() {
        let asked = ask(Format::Chat, br#"{ "x": [1, 2] , "model":"m"}"#).unwrap();
        let members: Vec<_> = asked.members.iter().map(|member| member.value).collect();
        assert_eq!(members, ["[1, 2]", "\"m\""]);
    }
}
