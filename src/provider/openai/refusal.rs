//! Errors of OpenAI and Azure, which are almost what apps expect already.
//!
//! Message, type, code and param stay as the provider wrote them; what is missing (Azure's `type` is
//! null, its code may be the status in digits, a proxy's body may be HTML) comes from the status.
//! Three kinds get our own words, for theirs speak of the gateway's account and not of the app's:
//! - 401: the gateway's credential. OpenAI's text shows a part of the key, so none of it is passed.
//! - 403: what that credential may not do. Azure's text names the account. A plain code is kept.
//! - 404: no such model, deployment or path; always `model_not_found`, for the app asked for a model.
//!
//! `innererror` (or `inner_error`) is kept as it came: apps read from it why a filter stepped in.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::codec::json::Text;
use crate::fault::{Fault, Upstream};

/// Reads an answer of another status than 200.
pub(super) fn read(status: u16, body: &[u8]) -> Fault {
    let detail = Detail::of_body(body).unwrap_or_default();
    Fault::from(explain(status, &detail))
}

/// Reads such an answer about a resource that is no model: that there is none is the provider's word.
pub(super) fn read_resource(status: u16, body: &[u8]) -> Fault {
    let detail = Detail::of_body(body).unwrap_or_default();
    let code = detail.code();
    Fault::from(match (status, code.as_deref()) {
        (_, Some("model_not_found")) => explain(status, &detail),
        (404, _) => Upstream {
            code: Some(code.map_or(Cow::Borrowed(NOT_FOUND), Cow::Owned)),
            ..kept(status, None, &detail)
        },
        _ => explain(status, &detail),
    })
}

/// The code of what is not there and is no model.
pub(in crate::provider) const NOT_FOUND: &str = "not_found";

/// Reads the `error` member of an answer or a chunk that came with status 200.
pub(super) fn read_error(error: &RawValue) -> Fault {
    let detail = Detail::of_error(error);
    Fault::from(explain(detail.status(), &detail))
}

/// Every member may have any type: a provider that writes another is still read as far as it goes.
#[derive(Default, Deserialize)]
struct Detail<'a> {
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    param: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    innererror: Option<&'a RawValue>,
    #[serde(borrow)]
    inner_error: Option<&'a RawValue>,
}

impl<'a> Detail<'a> {
    fn of_body(body: &'a [u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body<'a> {
            #[serde(borrow)]
            error: Option<&'a RawValue>,
            /// Azure API Management writes the message here, beside a `statusCode`.
            #[serde(borrow)]
            message: Option<&'a RawValue>,
        }
        let body: Body<'_> = serde_json::from_slice(body).ok()?;
        Some(match body.error {
            Some(error) => Self::of_error(error),
            None => Self {
                message: body.message,
                ..Self::default()
            },
        })
    }

    fn of_error(error: &'a RawValue) -> Self {
        if error.get().starts_with('{') {
            let detail: Self = serde_json::from_str(error.get()).unwrap_or_default();
            // An error event of a responses stream: that is the event's type.
            let is_event = |kind: &&RawValue| kind.get() == "\"error\"";
            Self {
                kind: detail.kind.filter(|kind| !is_event(kind)),
                ..detail
            }
        } else {
            Self {
                message: Some(error),
                ..Self::default()
            }
        }
    }

    /// The code, unless it only repeats the status or is no name.
    fn code(&self) -> Option<String> {
        let code = name(self.code)?;
        (!code.bytes().all(|byte| byte.is_ascii_digit())).then_some(code)
    }

    /// The status of an error that came with none of its own.
    fn status(&self) -> u16 {
        let written = [self.status, self.code]
            .into_iter()
            .flatten()
            .find_map(|raw| {
                let digits = raw.get().trim_matches('"');
                digits.parse().ok().filter(|status| is_error(*status))
            });
        if let Some(status) = written {
            return status;
        }
        let code = name(self.code).unwrap_or_default();
        let kind = name(self.kind).unwrap_or_default();
        match (&*code, &*kind) {
            ("rate_limit_exceeded" | "insufficient_quota", _)
            | (_, "rate_limit_error" | "tokens" | "requests" | "insufficient_quota") => 429,
            ("content_filter" | "context_length_exceeded", _) | (_, "invalid_request_error") => 400,
            (_, "authentication_error") => 401,
            (_, "permission_error") => 403,
            _ => 500,
        }
    }

    fn inner(&self) -> Option<String> {
        let inner = self.innererror.or(self.inner_error)?.get();
        inner.starts_with('{').then(|| inner.to_owned())
    }
}

fn is_error(status: u16) -> bool {
    (400..600).contains(&status)
}

fn text(raw: Option<&RawValue>) -> Option<String> {
    let text: Text<'_> = serde_json::from_str(raw?.get()).ok()?;
    (!text.trim_ascii().is_empty()).then(|| text.into_cow().into_owned())
}

/// A code or type that can stand in an error body and in a metric.
fn name(raw: Option<&RawValue>) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    text(raw).filter(|name| name.len() <= 64 && name.bytes().all(is_plain))
}

fn explain(status: u16, detail: &Detail<'_>) -> Upstream {
    let code = detail.code();
    let own = match (status, code.as_deref()) {
        (_, Some("DeploymentNotFound" | "model_not_found")) | (404, _) => own(
            404,
            "invalid_request_error",
            Some("model_not_found"),
            "the provider does not know this model; the gateway's admin has to check the target's \
             model or deployment and the provider's endpoint",
        ),
        (401, _) | (_, Some("invalid_api_key")) => own(
            401,
            "authentication_error",
            Some("upstream_credential"),
            "the provider refused the gateway's credential, not yours; the gateway's admin has to \
             check it",
        ),
        (403, _) => own(
            403,
            "permission_error",
            None,
            "the provider does not allow this to the gateway's credential; the gateway's admin has \
             to check its permissions",
        ),
        _ => return kept(status, code, detail),
    };
    match own.code {
        Some(_) => own,
        None => Upstream {
            code: code.map(Cow::Owned),
            ..own
        },
    }
}

fn own(
    status: u16,
    kind: &'static str,
    code: Option<&'static str>,
    message: &'static str,
) -> Upstream {
    Upstream {
        status,
        kind: Cow::Borrowed(kind),
        code: code.map(Cow::Borrowed),
        message: message.to_owned(),
        param: (status == 404).then(|| "model".to_owned()),
        inner: None,
    }
}

/// What the provider said, completed by what its status means.
fn kept(status: u16, code: Option<String>, detail: &Detail<'_>) -> Upstream {
    if !is_error(status) {
        let message = format!("the provider answered with status {status}");
        return Upstream::broken("upstream_corrupt", message);
    }
    let invalid = "invalid_request_error";
    let (own_kind, own_code, own_message) = match status {
        408 => (
            "server_error",
            Some("upstream_timeout"),
            "the provider timed out",
        ),
        413 => (
            invalid,
            Some("request_too_large"),
            "the request is too large for the provider",
        ),
        429 => (
            "rate_limit_error",
            Some("rate_limit_exceeded"),
            "the provider's rate limit is reached; try again later",
        ),
        424 => ("server_error", None, "the provider failed"),
        400..=499 => (invalid, None, "the provider refused the request"),
        503 => (
            "server_error",
            Some("overloaded"),
            "the provider is overloaded or not available; try again later",
        ),
        504 => (
            "server_error",
            Some("upstream_timeout"),
            "the provider timed out",
        ),
        _ => ("server_error", None, "the provider failed"),
    };
    Upstream {
        status,
        kind: name(detail.kind).map_or(Cow::Borrowed(own_kind), Cow::Owned),
        code: code.map(Cow::Owned).or_else(|| own_code.map(Cow::Borrowed)),
        message: text(detail.message).unwrap_or_else(|| own_message.to_owned()),
        param: text(detail.param),
        inner: detail.inner(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `status type code param: message`, then the inner error.
    fn line(fault: &Fault) -> String {
        let Fault::Upstream(upstream) = fault else {
            panic!("{fault:?}");
        };
        format!(
            "{} {} {} {}: {}{}",
            upstream.status,
            upstream.kind,
            upstream.code.as_deref().unwrap_or("-"),
            upstream.param.as_deref().unwrap_or("-"),
            upstream.message,
            upstream.inner.as_deref().unwrap_or_default(),
        )
    }

    #[track_caller]
    fn check(status: u16, body: &str, want: &str) {
        assert_eq!(line(&read(status, body.as_bytes())), want);
    }

    #[track_caller]
    fn in_stream(error: &str, want: &str) {
        let error: &RawValue = serde_json::from_str(error).unwrap();
        assert_eq!(line(&read_error(error)), want);
    }

    #[test]
    fn what_openai_says_is_kept() {
        check(
            400,
            r#"{"error":{"message":"too \"long\"","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
            r#"400 invalid_request_error context_length_exceeded messages: too "long""#,
        );
        check(
            429,
            r#"{"error":{"message":"m","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
            "429 insufficient_quota insufficient_quota -: m",
        );
    }

    #[test]
    fn azures_filter_keeps_its_inner_error_and_gets_a_type() {
        for inner in ["innererror", "inner_error"] {
            check(
                400,
                &format!(
                    r#"{{"error":{{"message":"m","type":null,"param":"prompt","code":"content_filter","status":400,"{inner}":{{"code":"ResponsibleAIPolicyViolation"}}}}}}"#
                ),
                r#"400 invalid_request_error content_filter prompt: m{"code":"ResponsibleAIPolicyViolation"}"#,
            );
        }
    }

    #[test]
    fn a_code_that_is_the_status_in_digits_is_none() {
        check(
            429,
            r#"{"error":{"code":"429","message":"slow down"}}"#,
            "429 rate_limit_error rate_limit_exceeded -: slow down",
        );
        check(
            500,
            r#"{"error":{"code":500,"message":"m"}}"#,
            "500 server_error - -: m",
        );
    }

    #[test]
    fn the_credentials_error_has_our_own_words() {
        let fault = read(
            401,
            br#"{"error":{"message":"Incorrect API key provided: sk-ab**cd.","type":"invalid_request_error","code":"invalid_api_key"}}"#,
        );
        let line = line(&fault);
        assert!(line.starts_with("401 authentication_error upstream_credential -: the provider"));
        assert!(!line.contains("sk-"));
    }

    #[test]
    fn a_permission_error_keeps_its_code_only() {
        let fault = read(
            403,
            br#"{"error":{"message":"The principal `p1` lacks","code":"PermissionDenied"}}"#,
        );
        let line = line(&fault);
        assert!(line.starts_with("403 permission_error PermissionDenied -: the provider"));
        assert!(!line.contains("p1"));
    }

    #[test]
    fn an_unknown_deployment_is_an_unknown_model() {
        for body in [
            r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment x"}}"#,
            r#"{"error":{"code":"404","message":"Resource not found"}}"#,
            "",
        ] {
            let line = line(&read(404, body.as_bytes()));
            assert!(
                line.starts_with("404 invalid_request_error model_not_found model: the provider"),
                "{line}"
            );
        }
    }

    #[test]
    fn a_body_that_is_no_error_is_read_by_its_status() {
        check(
            503,
            "<html>down</html>",
            "503 server_error overloaded -: the provider is overloaded or not available; try again later",
        );
        for body in ["", "null", "[]", "{", r#"{"error":{}}"#, r#"{"error":7}"#] {
            check(500, body, "500 server_error - -: the provider failed");
        }
        check(
            413,
            "",
            "413 invalid_request_error request_too_large -: the request is too large for the provider",
        );
    }

    #[test]
    fn api_management_writes_only_a_message() {
        check(
            429,
            r#"{"statusCode":429,"message":"Try again in 26 seconds."}"#,
            "429 rate_limit_error rate_limit_exceeded -: Try again in 26 seconds.",
        );
    }

    #[test]
    fn a_status_that_is_no_error_is_a_broken_answer() {
        check(
            302,
            "",
            "502 server_error upstream_corrupt -: the provider answered with status 302",
        );
    }

    #[test]
    fn codes_that_are_no_names_are_left_out() {
        check(
            400,
            r#"{"error":{"message":"m","code":"a b","type":"\n"}}"#,
            "400 invalid_request_error - -: m",
        );
    }

    #[test]
    fn an_error_inside_an_answer_finds_its_status() {
        in_stream(
            r#"{"message":"m","type":"server_error","code":null}"#,
            "500 server_error - -: m",
        );
        in_stream(
            r#"{"message":"m","code":"429"}"#,
            "429 rate_limit_error rate_limit_exceeded -: m",
        );
        in_stream(
            r#"{"message":"m","status":400,"code":"content_filter"}"#,
            "400 invalid_request_error content_filter -: m",
        );
        in_stream(
            r#"{"message":"m","type":"tokens"}"#,
            "429 tokens rate_limit_exceeded -: m",
        );
        in_stream(r#""gone""#, "500 server_error - -: gone");
    }
}
