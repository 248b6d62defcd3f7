//! AWS's errors in OpenAI's terms.
//!
//! An error's name comes from `x-amzn-errortype`, from `__type` in the body, or from the headers of an
//! exception in the event stream; the table below knows what it means to an app. What AWS says goes to
//! the app, but for two cases: a refused credential is the gateway's affair, and AWS's words about it
//! can hold the canonical request with the session token; and a missing permission names the gateway's
//! own identity. Both get words of our own.

use std::borrow::Cow;

use serde::Deserialize;

use crate::codec::json::Text;
use crate::fault::{Fault, Upstream};
use crate::turn::Headers;

/// Reads an answer whose status says that it failed.
pub(in crate::provider) fn read(head: &Headers, body: &[u8]) -> Fault {
    let error = Error::parse(body);
    let name = head.text("x-amzn-errortype");
    let name = name.or(error.name.as_deref()).unwrap_or_default();
    fault(name, head.status(), &error)
}

/// An error's body, in whichever spelling.
#[derive(Debug, Default, Deserialize)]
pub(in crate::provider) struct Error<'a> {
    #[serde(borrow, rename = "__type")]
    pub(in crate::provider) name: Option<Text<'a>>,
    #[serde(borrow)]
    message: Option<Text<'a>>,
    #[serde(borrow, rename = "Message")]
    message_in_capitals: Option<Text<'a>>,
    /// What the model's own server said, in a stream.
    #[serde(borrow, rename = "originalMessage")]
    original_message: Option<Text<'a>>,
    #[serde(rename = "originalStatusCode")]
    original_status: Option<u16>,
}

impl<'a> Error<'a> {
    /// An error that is no JSON of this kind says nothing.
    pub(in crate::provider) fn parse(body: &'a [u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// An error of which there is only a text.
    pub(in crate::provider) fn of(message: &'a str) -> Self {
        Self {
            message: Some(Text::from(message)),
            ..Self::default()
        }
    }

    /// Whether the body says anything at all.
    pub(in crate::provider) fn is_some(&self) -> bool {
        self.name.is_some() || self.message.is_some() || self.message_in_capitals.is_some()
    }

    fn message(&self) -> &str {
        let texts = [
            &self.message,
            &self.message_in_capitals,
            &self.original_message,
        ];
        let mut texts = texts.into_iter().flatten();
        texts.find(|text| !text.is_empty()).map_or("", |text| text)
    }
}

/// What an error's name means: status, OpenAI's type, OpenAI's code.
type Meaning = (u16, &'static str, &'static str);

const INVALID: &str = "invalid_request_error";
const SERVER: &str = "server_error";
const MODEL_NOT_FOUND: Meaning = (404, INVALID, "model_not_found");
const TOO_LONG: Meaning = (400, INVALID, "context_length_exceeded");
/// The app's own key is good: its code must not say otherwise.
const CREDENTIAL: Meaning = (401, "authentication_error", "upstream_credential");
const PERMISSION: Meaning = (403, "permission_error", "upstream_permission");

/// botocore's exceptions of `bedrock-runtime`, and those that AWS's front adds.
const MEANINGS: &[(&str, Meaning)] = &[
    ("ValidationException", (400, INVALID, "invalid_request")),
    ("SerializationException", (400, INVALID, "invalid_request")),
    ("ConflictException", (400, INVALID, "conflict")),
    ("AccessDeniedException", PERMISSION),
    ("UnrecognizedClientException", CREDENTIAL),
    ("InvalidSignatureException", CREDENTIAL),
    ("SignatureDoesNotMatch", CREDENTIAL),
    ("IncompleteSignatureException", CREDENTIAL),
    ("MissingAuthenticationTokenException", CREDENTIAL),
    ("MissingAuthenticationToken", CREDENTIAL),
    ("InvalidClientTokenId", CREDENTIAL),
    ("ExpiredTokenException", CREDENTIAL),
    ("ExpiredToken", CREDENTIAL),
    ("RequestExpired", CREDENTIAL),
    ("NotAuthorized", CREDENTIAL),
    ("ResourceNotFoundException", MODEL_NOT_FOUND),
    ("UnknownOperationException", MODEL_NOT_FOUND),
    (
        "ThrottlingException",
        (429, "rate_limit_error", "rate_limit_exceeded"),
    ),
    (
        "TooManyRequestsException",
        (429, "rate_limit_error", "rate_limit_exceeded"),
    ),
    // OpenAI's own status for it.
    (
        "ServiceQuotaExceededException",
        (429, "insufficient_quota", "insufficient_quota"),
    ),
    ("ModelNotReadyException", (429, SERVER, "model_not_ready")),
    (
        "ModelTimeoutException",
        (408, "server_error", "upstream_timeout"),
    ),
    ("ModelErrorException", (424, SERVER, "upstream_model_error")),
    (
        "ModelStreamErrorException",
        (424, SERVER, "upstream_model_error"),
    ),
    ("InternalServerException", (500, SERVER, "upstream_error")),
    ("InternalFailure", (500, SERVER, "upstream_error")),
    ("ServiceUnavailableException", (503, SERVER, "overloaded")),
    ("ServiceUnavailable", (503, SERVER, "overloaded")),
    // Those that only agents have.
    (
        "DependencyFailedException",
        (424, SERVER, "upstream_dependency"),
    ),
    ("BadGatewayException", (502, SERVER, "upstream_error")),
    ("RuntimeClientError", (424, SERVER, "upstream_agent_error")),
    ("RetryableConflictException", (409, SERVER, "conflict")),
];

/// Parts of what models and AWS say when a prompt does not fit.
const TOO_LONG_TEXTS: &[&str] = &[
    "input is too long",
    "too many input tokens",
    "prompt is too long",
    "maximum context length",
    "exceeds the context window",
    "exceed context limit",
];
const NO_MODEL_TEXTS: &[&str] = &["model identifier is invalid"];
const CREDENTIAL_TEXTS: &[&str] = &[
    "api key",
    "security token",
    "bearer token",
    "signature",
    "authentication failed",
];

/// Longer messages are cut: AWS's own are a few hundred bytes.
const MESSAGE_BYTES_MAX: usize = 4096;

/// The fault of an error with this name; `status` is 0 where there is none of its own.
pub(in crate::provider) fn fault(name: &str, status: u16, error: &Error<'_>) -> Fault {
    // `com.amazon.coral.service#UnknownOperationException:http://internal.amazon.com/..`
    let name = name.split(':').next().unwrap_or_default();
    let name = name.rsplit('#').next().unwrap_or_default();
    // An exception in a stream has its member's name: throttlingException.
    let row = MEANINGS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    let message = error.message();
    let meaning = row.map_or_else(|| by_status(status), |(_, meaning)| *meaning);
    let meaning = by_text(meaning, message);
    let meaning = match error.original_status {
        Some(original) if meaning.2 == "upstream_model_error" => by_original(meaning, original),
        _ => meaning,
    };
    let known = row.map(|(known, _)| *known);
    let (status, kind, code) = meaning;
    Fault::from(Upstream {
        status,
        kind: Cow::Borrowed(kind),
        code: Some(Cow::Borrowed(code)),
        message: told(meaning, known, message),
        param: (meaning == MODEL_NOT_FOUND).then(|| "model".to_owned()),
        inner: None,
    })
}

fn by_status(status: u16) -> Meaning {
    match status {
        401 => CREDENTIAL,
        403 => PERMISSION,
        404 => MODEL_NOT_FOUND,
        408 => (408, "server_error", "upstream_timeout"),
        413 => (413, INVALID, "request_too_large"),
        429 => (429, "rate_limit_error", "rate_limit_exceeded"),
        400..=499 => (400, INVALID, "invalid_request"),
        503 => (503, SERVER, "overloaded"),
        504 => (504, SERVER, "upstream_timeout"),
        _ => (502, SERVER, "upstream_error"),
    }
}

/// Some errors are told apart by their words only.
fn by_text(meaning: Meaning, message: &str) -> Meaning {
    let says = |texts: &[&str]| {
        let message = message.to_ascii_lowercase();
        texts.iter().any(|text| message.contains(text))
    };
    match meaning {
        (400, ..) if says(TOO_LONG_TEXTS) => TOO_LONG,
        (400, ..) if says(NO_MODEL_TEXTS) => MODEL_NOT_FOUND,
        // A bad Bedrock API key is an AccessDeniedException.
        PERMISSION if says(CREDENTIAL_TEXTS) => CREDENTIAL,
        meaning => meaning,
    }
}

/// The status of the model's own server says whether another try may help.
fn by_original(meaning: Meaning, original: u16) -> Meaning {
    match original {
        // Not what that server thinks of AWS's own credential or path.
        400 | 408 | 413 | 429 | 500..=599 => (original, by_status(original).1, meaning.2),
        _ => meaning,
    }
}

fn told(meaning: Meaning, name: Option<&str>, message: &str) -> String {
    let name = name.map_or(String::new(), |name| format!(" ({name})"));
    if meaning == CREDENTIAL {
        return format!(
            "the provider refused the gateway's credential{name}; the gateway's admin has to check it"
        );
    }
    if meaning == PERMISSION && message.contains("arn:") {
        return format!(
            "the gateway's identity at the provider may not use this model{name}; the gateway's \
             admin has to grant it"
        );
    }
    if meaning == MODEL_NOT_FOUND && message.is_empty() {
        return format!("the provider does not know this model{name}");
    }
    if message.is_empty() {
        return format!("the provider answered with an error and no message{name}");
    }
    let end = message.floor_char_boundary(MESSAGE_BYTES_MAX);
    message.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, name: &str, body: &str) -> Upstream {
        let mut head = Headers::new();
        head.set(":status", status.to_string());
        if !name.is_empty() {
            head.set("x-amzn-errortype", name);
        }
        let fault = read(&head, body.as_bytes());
        let Fault::Upstream(upstream) = fault else {
            panic!("{fault:?}");
        };
        *upstream
    }

    #[track_caller]
    fn check(status: u16, name: &str, message: &str, want: (u16, &str, &str)) {
        let body = format!(r#"{{"message":"{message}"}}"#);
        let upstream = refused(status, name, &body);
        let code = upstream.code.as_deref().unwrap();
        assert_eq!((upstream.status, &*upstream.kind, code), want);
        assert_eq!(upstream.message, message);
    }

    #[test]
    fn every_exception_has_its_meaning() {
        for (status, name, want) in [
            (
                400,
                "ValidationException",
                (400, "invalid_request_error", "invalid_request"),
            ),
            (
                403,
                "AccessDeniedException",
                (403, "permission_error", "upstream_permission"),
            ),
            (
                404,
                "ResourceNotFoundException",
                (404, "invalid_request_error", "model_not_found"),
            ),
            (
                429,
                "ThrottlingException",
                (429, "rate_limit_error", "rate_limit_exceeded"),
            ),
            (
                400,
                "ServiceQuotaExceededException",
                (429, "insufficient_quota", "insufficient_quota"),
            ),
            (
                429,
                "ModelNotReadyException",
                (429, "server_error", "model_not_ready"),
            ),
            (
                408,
                "ModelTimeoutException",
                (408, "server_error", "upstream_timeout"),
            ),
            (
                424,
                "ModelErrorException",
                (424, "server_error", "upstream_model_error"),
            ),
            (
                500,
                "InternalServerException",
                (500, "server_error", "upstream_error"),
            ),
            (
                503,
                "ServiceUnavailableException",
                (503, "server_error", "overloaded"),
            ),
            (
                409,
                "NewException",
                (400, "invalid_request_error", "invalid_request"),
            ),
            (507, "", (502, "server_error", "upstream_error")),
        ] {
            check(status, name, "as AWS says", want);
        }
    }

    #[test]
    fn the_name_may_have_a_url_and_a_namespace() {
        let want = (429, "rate_limit_error", "rate_limit_exceeded");
        for name in [
            "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/",
            "com.amazon.coral.availability#ThrottlingException",
        ] {
            check(400, name, "x", want);
        }
    }

    #[test]
    fn the_body_may_name_it_and_may_write_message_in_capitals() {
        let upstream = refused(
            400,
            "",
            r#"{"__type":"com.amazon#ServiceUnavailableException","Message":"busy"}"#,
        );
        assert_eq!((upstream.status, &*upstream.message), (503, "busy"));
    }

    #[test]
    fn a_prompt_that_does_not_fit_has_openai_s_code() {
        check(
            400,
            "ValidationException",
            "Input is too long for requested model.",
            (400, "invalid_request_error", "context_length_exceeded"),
        );
    }

    #[test]
    fn a_model_id_that_aws_does_not_know_is_not_found() {
        check(
            400,
            "ValidationException",
            "The provided model identifier is invalid.",
            (404, "invalid_request_error", "model_not_found"),
        );
    }

    #[test]
    fn what_aws_says_of_a_credential_is_not_passed_on() {
        for (name, message) in [
            (
                "InvalidSignatureException",
                "The Canonical String should have been 'x-amz-security-token:SECRET'",
            ),
            ("ExpiredTokenException", "token SECRET expired"),
            (
                "AccessDeniedException",
                "Authentication failed: API Key SECRET is not valid",
            ),
        ] {
            let body = format!(r#"{{"message":"{message}"}}"#);
            let upstream = refused(403, name, &body);
            assert_eq!(
                (upstream.status, &*upstream.kind),
                (401, "authentication_error")
            );
            assert!(upstream.message.contains(name), "{}", upstream.message);
            assert!(!upstream.message.contains("SECRET"));
        }
    }

    #[test]
    fn the_gateway_s_own_identity_is_not_told() {
        let upstream = refused(
            403,
            "AccessDeniedException",
            r#"{"message":"User: arn:aws:iam::123456789012:user/gw is not authorized"}"#,
        );
        assert_eq!(upstream.status, 403);
        assert!(!upstream.message.contains("123456789012"));
    }

    #[test]
    fn a_body_that_is_no_json_is_told_by_its_status() {
        let upstream = refused(503, "", "<html>SECRET</html>");
        assert_eq!(upstream.status, 503);
        assert!(!upstream.message.contains("html"));
        assert_eq!(refused(302, "", "").status, 502);
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let body = format!(r#"{{"message":"a{}"}}"#, "é".repeat(4096));
        let message = refused(400, "", &body).message;
        assert_eq!(message.len(), MESSAGE_BYTES_MAX - 1);
    }
}
