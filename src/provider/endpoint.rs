//! Where a provider is: the scheme, authority and base path of a URL that an admin wrote.

use std::fmt;

use crate::codec::percent;
use crate::document::Fields;

/// A parsed base URL. It has no fragment and no user info.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Host and port as the `:authority` header wants it; the scheme's own port is left out.
    pub authority: String,
    /// The path without a trailing slash; empty for the root.
    pub path: String,
    /// The query without its question mark; empty where there is none.
    pub query: String,
}

/// Why a text is no endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointError {
    /// Neither `https://` nor `http://`.
    Scheme,
    /// No host, or characters that no host has.
    Host,
    /// The port is no number up to 65535.
    Port,
    /// A path or query with white space, control characters, or a fragment.
    Path,
}

impl EndpointError {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Scheme => "an endpoint begins with https:// or http://",
            Self::Host => {
                "an endpoint names a host and no user, such as https://acme.openai.azure.com"
            }
            Self::Port => "the port of an endpoint is a number up to 65535",
            Self::Path => "an endpoint's path has no spaces, control characters or fragment",
        }
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Endpoint {
    /// Reads a URL.
    ///
    /// # Errors
    /// The text is no URL of a server.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let text = text.trim();
        let (rest, own_port) = if let Some(rest) = text.strip_prefix("https://") {
            (rest, ":443")
        } else if let Some(rest) = text.strip_prefix("http://") {
            (rest, ":80")
        } else {
            return Err(EndpointError::Scheme);
        };
        if rest
            .bytes()
            .any(|byte| byte <= b' ' || byte == 0x7f || byte == b'#')
        {
            return Err(EndpointError::Path);
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (host, path) = match rest.split_once('/') {
            Some((host, path)) => (host, format!("/{path}")),
            None => (rest, String::new()),
        };
        let authority = host.strip_suffix(own_port).unwrap_or(host);
        Self::check_authority(authority)?;
        Ok(Self {
            authority: authority.to_ascii_lowercase(),
            path: path.trim_end_matches('/').to_owned(),
            query: query.to_owned(),
        })
    }

    /// Reads the field `endpoint`. No message repeats it: a URL is where people write passwords and keys.
    pub(super) fn read(fields: &mut Fields<'_>) -> Option<Self> {
        fields.secret("endpoint", |text| {
            Self::parse(text).map_err(EndpointError::as_str)
        })
    }

    fn check_authority(authority: &str) -> Result<(), EndpointError> {
        // An IPv6 host carries its own colons inside brackets.
        let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
            let (address, port) = rest.split_once(']').ok_or(EndpointError::Host)?;
            let is_legal = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
            if !address.contains(':') || !address.bytes().all(is_legal) {
                return Err(EndpointError::Host);
            }
            (None, port)
        } else {
            let end = authority.find(':').unwrap_or(authority.len());
            let (name, port) = authority.split_at_checked(end).unwrap_or_default();
            (Some(name), port)
        };
        let is_legal =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if host.is_some_and(|name| name.is_empty() || !name.bytes().all(is_legal)) {
            return Err(EndpointError::Host);
        }
        let is_port = |digits: &str| {
            digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok()
        };
        if port.is_empty() || port.strip_prefix(':').is_some_and(is_port) {
            return Ok(());
        }
        // What stands behind brackets and is no port, or a user before a host.
        Err(if authority.contains('@') {
            EndpointError::Host
        } else {
            EndpointError::Port
        })
    }
}

/// Appends `segment` to a path as one segment, whatever it holds: all but RFC 3986's unreserved
/// characters are percent-encoded, which is also what AWS's signatures expect.
pub(super) fn push_segment(path: &mut String, segment: &str) {
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            path.push(char::from(byte));
        } else {
            push_encoded(path, byte);
        }
    }
}

/// Appends a query to a path, behind the one that it may have. All is encoded as AWS encodes it before it
/// checks a signature: what may stand plainly does, all else has capital digits.
pub(super) fn push_query(path: &mut String, query: &str) {
    if query.is_empty() {
        return;
    }
    path.push(if path.contains('?') { '&' } else { '?' });
    let mut has_value = false;
    let mut rest = query.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'%' => match percent::byte(behind) {
                Some((byte, behind)) => {
                    rest = behind;
                    push_plain(path, byte);
                }
                None => path.push_str("%25"),
            },
            b'&' => path.push('&'),
            b'=' if !has_value => path.push('='),
            b'+' => path.push_str("%20"),
            _ => push_plain(path, byte),
        }
        has_value = byte == b'=' || (has_value && byte != b'&');
    }
}

/// Appends a byte as itself where that may be.
fn push_plain(path: &mut String, byte: u8) {
    match byte {
        b'-' | b'.' | b'_' | b'~' => path.push(char::from(byte)),
        _ if byte.is_ascii_alphanumeric() => path.push(char::from(byte)),
        _ => push_encoded(path, byte),
    }
}

fn push_encoded(path: &mut String, byte: u8) {
    path.push('%');
    for digit in [byte >> 4, byte & 0x0F] {
        let digit = char::from_digit(u32::from(digit), 16).unwrap_or('0');
        path.push(digit.to_ascii_uppercase());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{parse, read};

    #[track_caller]
    fn check(text: &str, authority: &str, path: &str, query: &str) {
        let endpoint = Endpoint::parse(text).unwrap();
        assert_eq!(
            (&*endpoint.authority, &*endpoint.path, &*endpoint.query),
            (authority, path, query)
        );
    }

    #[test]
    fn a_query_is_encoded_as_aws_signs_it() {
        let check = |query: &str, want: &str| {
            let mut path = "/p".to_owned();
            push_query(&mut path, query);
            assert_eq!(path, want);
        };
        check("", "/p");
        check("a=b&c=d=e", "/p?a=b&c=d%3De");
        check("a=%5b%7e%41%26%3d%2b+", "/p?a=%5B~A%26%3D%2B%20");
        check("a=%&b=%4&c=%+1&d=%zz", "/p?a=%25&b=%254&c=%25%201&d=%25zz");
        check("metadata[team]=a:b", "/p?metadata%5Bteam%5D=a%3Ab");
    }

    #[test]
    fn the_schemes_own_port_is_left_out() {
        check("https://A.example:443/v1/", "a.example", "/v1", "");
        check("http://127.0.0.1:80", "127.0.0.1", "", "");
    }

    #[test]
    fn a_segment_is_encoded_whole() {
        let mut path = "/".to_owned();
        push_segment(&mut path, "a-B_c.~1/\u{e9}:%? ");
        assert_eq!(path, "/a-B_c.~1%2F%C3%A9%3A%25%3F%20");
    }

    #[test]
    fn another_port_stays() {
        check("http://127.0.0.1:8080/a/b", "127.0.0.1:8080", "/a/b", "");
        check("https://[::1]:8443?x=1", "[::1]:8443", "", "x=1");
    }

    #[test]
    fn what_is_no_url_is_refused_with_its_reason() {
        for (text, want) in [
            ("acme.openai.azure.com", EndpointError::Scheme),
            ("https://", EndpointError::Host),
            ("https://user@host", EndpointError::Host),
            ("https://user:secret@host", EndpointError::Host),
            ("https://host:99999", EndpointError::Port),
            ("https://host:+80", EndpointError::Port),
            ("https://host:", EndpointError::Port),
            ("https://[::1", EndpointError::Host),
            ("https://[a]", EndpointError::Host),
            ("https://a]b", EndpointError::Host),
            ("https://[::1]x", EndpointError::Port),
            ("https://host/a b", EndpointError::Path),
        ] {
            assert_eq!(Endpoint::parse(text), Err(want), "{text}");
        }
    }

    #[test]
    fn no_message_repeats_an_endpoint() {
        let root = parse(br#"{"endpoint":"https://user:secret@host"}"#).unwrap();
        let problems = read(&root, Endpoint::read).unwrap_err().to_string();
        assert!(
            problems.starts_with("endpoint: ") && !problems.contains("secret"),
            "{problems}"
        );
    }
}
