//! OpenAI's error object, for a fault.
//!
//! `{"error":{"message","type","param","code"}}`, with Azure's `innererror` where the upstream sent
//! one. In a stream it is one event with nothing after it: the SDKs raise it as an error.

use crate::codec::json::{validate, write_members, write_string};
use crate::fault::Fault;

/// Appends the error body for `fault`.
pub fn write_error(fault: &Fault, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"error\":{\"message\":");
    write_string(out, &fault.to_string());
    let members = [
        ("type", Some(fault.kind())),
        ("param", fault.param()),
        ("code", fault.code()),
    ];
    write_members(out, &members);
    if let Fault::Upstream(upstream) = fault
        && let Some(inner) = &upstream.inner
        && validate(inner.as_bytes()).is_ok()
    {
        out.extend_from_slice(b",\"innererror\":");
        // In JSON a line break can only be a blank; in a stream it would end the event.
        out.extend(inner.bytes().map(|byte| match byte {
            b'\n' | b'\r' => b' ',
            byte => byte,
        }));
    }
    out.extend_from_slice(b"}}");
}

/// Appends the event that ends a stream with `fault`.
pub fn write_stream_error(fault: &Fault, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    write_error(fault, out);
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Invalid, Upstream};

    #[track_caller]
    fn check(fault: impl Into<Fault>, want: &str) {
        let fault = fault.into();
        let mut out = Vec::new();
        write_error(&fault, &mut out);
        assert_eq!(str::from_utf8(&out).unwrap(), want);
        validate(&out).unwrap();
        let mut event = Vec::new();
        write_stream_error(&fault, &mut event);
        assert_eq!(event, format!("data: {want}\n\n").into_bytes());
    }

    fn upstream(message: &str, inner: Option<&str>) -> Upstream {
        Upstream {
            status: 400,
            kind: "invalid_request_error".into(),
            code: None,
            message: message.to_owned(),
            param: None,
            inner: inner.map(str::to_owned),
        }
    }

    #[test]
    fn a_field_is_named() {
        check(
            Invalid::value("messages[0].role", "must be user"),
            r#"{"error":{"message":"messages[0].role: must be user","type":"invalid_request_error","param":"messages[0].role","code":"invalid_value"}}"#,
        );
    }

    #[test]
    fn what_an_upstream_says_is_escaped() {
        check(
            upstream("a \"b\"\nc", None),
            r#"{"error":{"message":"a \"b\"\nc","type":"invalid_request_error","param":null,"code":null}}"#,
        );
    }

    #[test]
    fn the_inner_error_survives_on_one_line() {
        check(
            upstream("m", Some("{\n\"code\":\"x\"}")),
            r#"{"error":{"message":"m","type":"invalid_request_error","param":null,"code":null,"innererror":{ "code":"x"}}}"#,
        );
    }

    #[test]
    fn a_broken_inner_error_is_left_out() {
        check(
            upstream("m", Some("{")),
            r#"{"error":{"message":"m","type":"invalid_request_error","param":null,"code":null}}"#,
        );
    }
}
