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
pub(super) fn read(head: &Headers, body: &[u8]) -> Fault {
    let error = Error::parse(body);
    let name = head.text("x-amzn-errortype");
    let name = name.or(error.name.as_deref()).unwrap_or_default();
    fault(name, head.status(), &error)
}

/// An error's body, in whichever spelling.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Error<'a> {
    #[serde(borrow, rename = "__type")]
    pub(super) name: Option<Text<'a>>,
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
    pub(super) fn parse(body: &'a [u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// An error of which there is only a text.
    pub(super) fn of(message: &'a str) -> Self {
        Self {
            message: Some(Text::from(message)),
            ..Self::default()
        }
    }

    /// Whether the body says anything at all.
    pub(super) fn is_some(&self) -> bool {
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
        (408, "timeout", "upstream_timeout"),
    ),
    ("ModelErrorException", (502, SERVER, "upstream_model_error")),
    (
        "ModelStreamErrorException",
        (502, SERVER, "upstream_model_error"),
    ),
    ("InternalServerException", (500, SERVER, "upstream_error")),
    ("InternalFailure", (500, SERVER, "upstream_error")),
    ("ServiceUnavailableException", (503, SERVER, "overloaded")),
    ("ServiceUnavailable", (503, SERVER, "overloaded")),
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
pub(super) fn fault(name: &str, status: u16, error: &Error<'_>) -> Fault {
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
        408 => (408, "timeout", "upstream_timeout"),
        413 => (413, INVALID, "request_too_large"),
        429 => (429, "rate_limit_error", "rate_limit_exceeded"),
        400..=499 => (400, INVALID, "invalid_request"),
        503 => (503, SERVER, "overloaded"),
        504 => (504, SERVER, "upstream_timeout"),
        500 | 502 | 505..=599 => (502, SERVER, "upstream_error"),
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
        400..=599 => (original, by_status(original).1, meaning.2),
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
    if message.is_empty() {
        return format!("the provider answered with an error and no message{name}");
    }
    let end = message.floor_char_boundary(MESSAGE_BYTES_MAX);
    message.get(..end).unwrap_or_default().to_owned()
}
