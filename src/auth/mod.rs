//! How the gateway proves to a provider who it is.
//!
//! An [`Auth`] is made once, from the configuration and the VM's environment, and then adds its
//! headers to each outgoing request. It knows no provider: who speaks to Azure picks
//! [`Auth::ApiKeyHeader`], who speaks to AWS picks [`Auth::SigV4`].
//!
//! What holds here: nothing that could end a header or a line of what is signed passes, it is
//! refused; a refused request gets no header at all; no error carries text of the request or of
//! the credential; time comes in with the request.

mod canonical;
mod date;
mod sigv4;

use core::fmt;

pub use date::UnixSeconds;
pub use sigv4::{Credentials, Scope, Signer};

use crate::secret::Secret;

/// The credential of a provider.
#[derive(Debug)]
pub enum Auth {
    /// The gateway signs after us, or nobody has to.
    None,
    /// `authorization: Bearer ..`: OpenAI, Bedrock API keys, Entra tokens.
    Bearer(Secret),
    /// `api-key: ..`: Azure OpenAI.
    ApiKeyHeader(Secret),
    /// AWS Signature Version 4.
    SigV4(Box<Signer>),
}

/// A request as it leaves, whole. What is signed here must reach the wire unchanged.
/// It has no `Debug`: it holds the body.
#[derive(Clone, Copy)]
pub struct Outgoing<'a> {
    /// `POST`
    pub method: &'a str,
    /// `:authority` as sent, with the port if it is sent.
    pub host: &'a str,
    /// The path as sent, percent-encoded once, without the query.
    pub path: &'a str,
    /// The query as sent, percent-encoded, without the `?`; empty if there is none.
    pub query: &'a str,
    /// The headers to sign besides those of the signer. Not those that a proxy on the way may
    /// rewrite, such as `user-agent` or `traceparent`.
    pub headers: &'a [(&'a str, &'a str)],
    /// The whole body.
    pub body: &'a [u8],
}

impl Auth {
    /// Says at configuration what [`Auth::apply`] would say of this credential at each request.
    /// A newline at the end of a mounted secret is the usual case.
    pub fn check(&self) -> Result<(), Error> {
        match self {
            // A signer was checked when it was made.
            Self::None | Self::SigV4(_) => Ok(()),
            Self::Bearer(secret) | Self::ApiKeyHeader(secret) => {
                if is_visible(secret.reveal()) {
                    Ok(())
                } else {
                    Err(Error::Credential)
                }
            }
        }
    }

    /// Gives `sink` the headers that `outgoing` needs. Each replaces a header of the same name:
    /// the client's own `authorization` is meant for us and must not travel on.
    pub fn apply(
        &self,
        now: UnixSeconds,
        outgoing: &Outgoing<'_>,
        sink: &mut dyn FnMut(&'static str, &str),
    ) -> Result<(), Error> {
        self.check()?;
        match self {
            Self::None => {}
            Self::Bearer(secret) => {
                sink("authorization", &format!("Bearer {}", secret.reveal()));
            }
            Self::ApiKeyHeader(secret) => sink("api-key", secret.reveal()),
            Self::SigV4(signer) => signer.sign(now, outgoing, sink)?,
        }
        Ok(())
    }
}

/// Whether `text` has something in it and nothing that a header could end at.
fn is_visible(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Why a credential cannot be used, or a request cannot be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A part of the credential is empty or not visible ASCII.
    Credential,
    /// The region or the service is empty or has a character that no AWS name has.
    Scope,
    /// The clock is past the year 9999.
    Time,
    /// The method is no token.
    Method,
    /// The host is empty or not visible ASCII.
    Host,
    /// The path is relative, or has a space, a control character, `?` or `#`.
    Path,
    /// The query has a character that must be percent-encoded.
    Query,
    /// The name of a header is no token.
    HeaderName,
    /// The value of a header is not ASCII, or has a control character.
    HeaderValue,
    /// A header to sign is one that the signer writes.
    HeaderReserved,
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Credential => "credential is empty or not visible ascii",
            Self::Scope => "region or service is not a name",
            Self::Time => "time is past the year 9999",
            Self::Method => "method is not a token",
            Self::Host => "host is empty or not visible ascii",
            Self::Path => "path is relative or not encoded",
            Self::Query => "query is not encoded",
            Self::HeaderName => "header name is not a token",
            Self::HeaderValue => "header value has a character that cannot be signed",
            Self::HeaderReserved => "header is written by the signer",
        })
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTGOING: Outgoing<'_> = Outgoing {
        method: "POST",
        host: "example.com",
        path: "/",
        query: "",
        headers: &[],
        body: b"{}",
    };

    #[track_caller]
    fn check(auth: &Auth, want: Result<&str, Error>) {
        let mut lines = String::new();
        let result = auth.apply(UnixSeconds(0), &OUTGOING, &mut |name, value| {
            lines.push_str(&format!("{name}: {value}\n"));
        });
        assert_eq!(result.map(|()| lines.as_str()), want);
        assert!(
            result.is_ok() || lines.is_empty(),
            "refused, yet wrote {lines}"
        );
    }

    fn signer() -> Signer {
        let credentials = Credentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Secret::new("secret"),
            session_token: Some(Secret::new("token")),
        };
        let scope = Scope {
            region: "us-east-1".to_owned(),
            service: "bedrock".to_owned(),
        };
        Signer::new(credentials, scope).unwrap()
    }

    #[test]
    fn none_adds_nothing() {
        check(&Auth::None, Ok(""));
    }

    #[test]
    fn a_bearer_goes_into_authorization() {
        check(
            &Auth::Bearer(Secret::new("sk-1")),
            Ok("authorization: Bearer sk-1\n"),
        );
    }

    #[test]
    fn an_api_key_has_its_own_header() {
        check(&Auth::ApiKeyHeader(Secret::new("k")), Ok("api-key: k\n"));
    }

    #[test]
    fn a_signer_dates_shows_its_token_and_signs() {
        let mut names = Vec::new();
        let result =
            Auth::SigV4(Box::new(signer()))
                .apply(UnixSeconds(0), &OUTGOING, &mut |name, _| names.push(name));
        assert_eq!(result, Ok(()));
        assert_eq!(
            names,
            ["x-amz-date", "x-amz-security-token", "authorization"]
        );
    }

    #[test]
    fn a_secret_with_a_newline_is_refused() {
        check(&Auth::Bearer(Secret::new("sk-1\n")), Err(Error::Credential));
        check(
            &Auth::ApiKeyHeader(Secret::new("k\r\nhost: evil")),
            Err(Error::Credential),
        );
    }

    #[test]
    fn an_empty_secret_is_refused() {
        check(&Auth::Bearer(Secret::new("")), Err(Error::Credential));
    }

    #[test]
    fn printing_shows_no_credential() {
        assert_eq!(
            format!("{:?}", Auth::Bearer(Secret::new("sk-1"))),
            "Bearer(Secret(..))"
        );
        let signer = format!("{:?}", Auth::SigV4(Box::new(signer())));
        assert!(
            !signer.contains("secret") && !signer.contains("token"),
            "{signer}"
        );
    }
}
