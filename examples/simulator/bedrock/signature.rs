//! Who is calling: AWS Signature Version 4, recomputed by AWS's own crate, or a Bedrock API key.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode,
};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_types::date_time::{DateTime, Format};

use super::Refusal;
use super::agents::service;
use crate::exchange::Received;

/// AWS refuses requests whose date is further away than this.
const SKEW_MAX: Duration = Duration::from_secs(5 * 60);

pub(crate) struct Keys {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: Option<String>,
    pub(crate) region: String,
    pub(crate) bearer: String,
}

impl Keys {
    pub(crate) fn check(&self, request: &Received, now: SystemTime) -> Result<(), Refusal> {
        let Some(authorization) = request.header("authorization") else {
            return Err(forbidden(
                "MissingAuthenticationTokenException",
                "Missing Authentication Token",
            ));
        };
        if let Some(token) = authorization.strip_prefix("Bearer ") {
            if token == self.bearer {
                return Ok(());
            }
            return Err(forbidden(
                "AccessDeniedException",
                "Authentication failed: Please make sure your API Key is valid.",
            ));
        }
        let Some(claim) = authorization.strip_prefix("AWS4-HMAC-SHA256 ") else {
            return Err(forbidden(
                "MissingAuthenticationTokenException",
                "Missing Authentication Token",
            ));
        };
        self.check_signature(request, &Claim::parse(claim)?, now)
    }

    fn check_signature(
        &self,
        request: &Received,
        claim: &Claim<'_>,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        let date = request.header("x-amz-date").ok_or_else(|| {
            forbidden(
                "IncompleteSignatureException",
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
            )
        })?;
        let time = parse_date(date)?;
        let scope = Scope::parse(claim.credential)?;
        if scope.date != &date[..8] {
            return Err(invalid(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP",
            ));
        }
        if scope.region != self.region {
            return Err(invalid(&format!(
                "Credential should be scoped to a valid region, not '{}'.",
                scope.region
            )));
        }
        if scope.service != service(request.path()) {
            return Err(invalid("Credential should be scoped to correct service."));
        }
        if scope.access_key_id != self.access_key_id
            || request.header("x-amz-security-token") != self.session_token.as_deref()
        {
            return Err(forbidden(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            ));
        }
        check_age(date, time, now)?;
        claim.check_signed_headers(request)?;
        if claim.signature == self.signature(request, claim, time)? {
            return Ok(());
        }
        Err(invalid(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key \
             and signing method. Consult the service documentation for details.",
        ))
    }

    fn signature(
        &self,
        request: &Received,
        claim: &Claim<'_>,
        time: SystemTime,
    ) -> Result<String, Refusal> {
        let identity = Credentials::new(
            &self.access_key_id,
            &self.secret_access_key,
            self.session_token.clone(),
            None,
            "simulator",
        )
        .into();
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Double;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Enabled;
        settings.excluded_headers = None;
        if claim.has_signed("x-amz-content-sha256") {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(service(request.path()))
            .time(time)
            .settings(settings)
            .build()
            .map_err(|error| invalid(&error.to_string()))?
            .into();
        let headers = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let signable = SignableRequest::new(
            &request.method,
            format!(
                "http://{}{}",
                request.header("host").unwrap_or_default(),
                request.target
            ),
            headers.filter(|(name, _)| claim.has_signed(name)),
            SignableBody::Bytes(&request.body),
        )
        .map_err(|error| invalid(&error.to_string()))?;
        let signed = aws_sigv4::http_request::sign(signable, &parameters)
            .map_err(|error| invalid(&error.to_string()))?;
        Ok(signed.signature().to_owned())
    }
}

/// `Credential=.., SignedHeaders=.., Signature=..`
struct Claim<'a> {
    credential: &'a str,
    signed_headers: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Claim<'a> {
    fn parse(text: &'a str) -> Result<Self, Refusal> {
        let part = |name: &str| {
            let mut parts = text
                .split(',')
                .filter_map(|part| part.trim().split_once('='));
            parts
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value)
                .ok_or_else(|| {
                    forbidden(
                        "IncompleteSignatureException",
                        &format!("Authorization header requires '{name}' parameter."),
                    )
                })
        };
        Ok(Self {
            credential: part("Credential")?,
            signed_headers: part("SignedHeaders")?.split(';').collect(),
            signature: part("Signature")?,
        })
    }

    fn has_signed(&self, header: &str) -> bool {
        self.signed_headers.contains(&header)
    }

    /// `host` and every `x-amz-*` header must be signed, and a header that is signed must be there.
    fn check_signed_headers(&self, request: &Received) -> Result<(), Refusal> {
        let names = request.headers.iter().map(|(name, _)| name.as_str());
        // Proxies on the way may add a trace id after the client has signed.
        let must = names.filter(|name| {
            *name == "host" || (name.starts_with("x-amz-") && *name != "x-amzn-trace-id")
        });
        for name in must {
            if !self.has_signed(name) {
                return Err(invalid(&format!(
                    "'{name}' must be a 'SignedHeader' in the AWS Authorization."
                )));
            }
        }
        match self
            .signed_headers
            .iter()
            .find(|name| request.header(name).is_none())
        {
            None if self.signed_headers.is_sorted() => Ok(()),
            None => Err(invalid("SignedHeaders must be sorted.")),
            Some(name) => Err(invalid(&format!(
                "'{name}' is a 'SignedHeader' but not in the request."
            ))),
        }
    }
}

struct Scope<'a> {
    access_key_id: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
}

impl<'a> Scope<'a> {
    fn parse(credential: &'a str) -> Result<Self, Refusal> {
        let parts: Vec<&str> = credential.split('/').collect();
        match parts[..] {
            [access_key_id, date, region, service, "aws4_request"] => Ok(Self {
                access_key_id,
                date,
                region,
                service,
            }),
            _ => Err(forbidden(
                "IncompleteSignatureException",
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.",
            )),
        }
    }
}

/// `20261123T083000Z`
fn parse_date(text: &str) -> Result<SystemTime, Refusal> {
    let bad = || invalid("Date must be in ISO-8601 'basic format'.");
    if text.len() != 16 || !text.is_ascii() {
        return Err(bad());
    }
    let extended = format!(
        "{}-{}-{}:{}:{}",
        &text[..4],
        &text[4..6],
        &text[6..11],
        &text[11..13],
        &text[13..],
    );
    let date = DateTime::from_str(&extended, Format::DateTime).ok();
    date.and_then(|date| SystemTime::try_from(date).ok())
        .ok_or_else(bad)
}

fn check_age(date: &str, time: SystemTime, now: SystemTime) -> Result<(), Refusal> {
    if now.duration_since(time).is_ok_and(|age| age > SKEW_MAX) {
        return Err(invalid(&format!(
            "Signature expired: {date} is now earlier than the server's time - 5 min."
        )));
    }
    if time.duration_since(now).is_ok_and(|lead| lead > SKEW_MAX) {
        return Err(invalid(&format!(
            "Signature not yet current: {date} is still later than the server's time + 5 min."
        )));
    }
    Ok(())
}

fn invalid(message: &str) -> Refusal {
    forbidden("InvalidSignatureException", message)
}

fn forbidden(errortype: &'static str, message: &str) -> Refusal {
    Refusal::new(403, errortype, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signed by botocore 1.44.5 (`SigV4Auth`), so this test has a third opinion.
    const DATE: &str = "20261123T083000Z";
    const SIGNATURE: &str = "1031506892f5b7ecfbb4fc3978c804b8abe9f542c289d80969b1f8d710de5cc0";

    fn keys() -> Keys {
        Keys {
            access_key_id: "AKIDSIMULATOR".to_owned(),
            secret_access_key: "simulator-secret".to_owned(),
            session_token: None,
            region: "us-east-1".to_owned(),
            bearer: "simulator-bedrock-key".to_owned(),
        }
    }

    fn request(authorization: &str) -> Received {
        Received::for_test(
            "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
            &[
                ("host", "bedrock-runtime.us-east-1.amazonaws.com"),
                ("content-type", "application/json"),
                ("x-amz-date", DATE),
                ("authorization", authorization),
            ],
            r#"{"messages":[]}"#,
        )
    }

    fn signed(signature: &str) -> Received {
        request(&format!(
            "AWS4-HMAC-SHA256 Credential=AKIDSIMULATOR/20261123/us-east-1/bedrock/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, Signature={signature}"
        ))
    }

    #[track_caller]
    fn check(keys: &Keys, request: &Received, seconds_later: u64, want: &str) {
        let now = parse_date(DATE).unwrap() + Duration::from_secs(seconds_later);
        let got = keys.check(request, now).map_or_else(
            |refusal| refusal.errortype.into_owned(),
            |()| "ok".to_owned(),
        );
        assert_eq!(got, want);
    }

    #[test]
    fn what_botocore_signs_is_accepted() {
        check(&keys(), &signed(SIGNATURE), 299, "ok");
    }

    #[test]
    fn an_old_date_is_refused() {
        check(
            &keys(),
            &signed(SIGNATURE),
            301,
            "InvalidSignatureException",
        );
    }

    #[test]
    fn another_body_path_or_secret_is_refused() {
        let mut body = signed(SIGNATURE);
        body.body = bytes::Bytes::from_static(b"{}");
        check(&keys(), &body, 0, "InvalidSignatureException");
        let mut path = signed(SIGNATURE);
        path.target = path.target.replace("%3A", ":");
        check(&keys(), &path, 0, "InvalidSignatureException");
        let secret = Keys {
            secret_access_key: "other".to_owned(),
            ..keys()
        };
        check(&secret, &signed(SIGNATURE), 0, "InvalidSignatureException");
    }

    #[test]
    fn a_session_token_that_is_configured_must_be_sent() {
        let keys = Keys {
            session_token: Some("token".to_owned()),
            ..keys()
        };
        check(&keys, &signed(SIGNATURE), 0, "UnrecognizedClientException");
    }

    #[test]
    fn bearer_keys_are_compared_whole() {
        check(&keys(), &request("Bearer simulator-bedrock-key"), 0, "ok");
        check(
            &keys(),
            &request("Bearer simulator-bedrock"),
            0,
            "AccessDeniedException",
        );
        check(
            &keys(),
            &request("Basic abc"),
            0,
            "MissingAuthenticationTokenException",
        );
    }
}
