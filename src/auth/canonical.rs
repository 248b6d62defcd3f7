//! The canonical request: what both sides hash, so it must have one reading only.
//!
//! ```text
//! POST
//! /model/m%253A0/converse          the sent path, normalised and encoded once more
//! a=1&b=                           the sent query, sorted
//! content-type:application/json    names in lower case, sorted; values trimmed
//! host:..
//!
//! content-type;host
//! 44136fa355b3678a..               SHA-256 of the body
//! ```
//! It follows botocore's `SigV4Auth`, which every AWS service but S3 accepts. A character that
//! would start a line of its own, or that the wire reads differently than we do, is refused.

use core::cmp::Ordering;

use sha2::{Digest as _, Sha256};

use super::{Error, Outgoing, is_visible};

/// Written by the signer, or read by AWS instead of what the signer hashed.
const RESERVED: [&str; 5] = [
    "authorization",
    "host",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
];

/// A canonical request and the names of its headers. Its buffers are reused.
#[derive(Default)]
pub(super) struct Canonical {
    text: String,
    signed_headers: String,
}

impl Canonical {
    /// Replaces what it holds by `outgoing`, sent at `stamp` and with `token`.
    pub(super) fn write(
        &mut self,
        outgoing: &Outgoing<'_>,
        stamp: &str,
        token: Option<&str>,
    ) -> Result<(), Error> {
        self.text.clear();
        self.signed_headers.clear();
        self.method(outgoing.method)?;
        self.path(outgoing.path)?;
        self.query(outgoing.query)?;
        self.headers(outgoing, stamp, token)?;
        push_hex(&mut self.text, &Sha256::digest(outgoing.body).into());
        Ok(())
    }

    pub(super) fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.text).into()
    }

    /// `content-type;host;x-amz-date`
    pub(super) fn signed_headers(&self) -> &str {
        &self.signed_headers
    }

    fn method(&mut self, method: &str) -> Result<(), Error> {
        if !is_token(method) {
            return Err(Error::Method);
        }
        self.text
            .extend(method.chars().map(|letter| letter.to_ascii_uppercase()));
        self.text.push('\n');
        Ok(())
    }

    /// Drops empty segments and `.`, takes `..` back, and encodes what is left.
    fn path(&mut self, path: &str) -> Result<(), Error> {
        let refused = |byte: u8| byte <= b' ' || matches!(byte, b'?' | b'#' | 0x7f);
        if !(path.is_empty() || path.starts_with('/')) || path.bytes().any(refused) {
            return Err(Error::Path);
        }
        let start = self.text.len();
        for segment in path.split('/') {
            match segment {
                "" | "." => {}
                ".." => {
                    let written = self.text.get(start..).unwrap_or_default();
                    let kept = written.rfind('/').unwrap_or_default();
                    self.text.truncate(start.saturating_add(kept));
                }
                _ => {
                    self.text.push('/');
                    segment
                        .bytes()
                        .for_each(|byte| push_encoded(&mut self.text, byte));
                }
            }
        }
        if self.text.len() == start || path.ends_with('/') {
            self.text.push('/');
        }
        self.text.push('\n');
        Ok(())
    }

    /// Sorts by name, then by value. The query is already encoded: unlike the path it is not
    /// encoded again.
    fn query(&mut self, query: &str) -> Result<(), Error> {
        if query
            .bytes()
            .any(|byte| !byte.is_ascii_graphic() || byte == b'#')
        {
            return Err(Error::Query);
        }
        if !query.is_empty() {
            let pairs = query
                .split('&')
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            let mut pairs: Vec<_> = pairs.collect();
            pairs.sort_unstable();
            let mut separator = "";
            for (name, value) in pairs {
                self.text.extend([separator, name, "=", value]);
                separator = "&";
            }
        }
        self.text.push('\n');
        Ok(())
    }

    fn headers(
        &mut self,
        outgoing: &Outgoing<'_>,
        stamp: &str,
        token: Option<&str>,
    ) -> Result<(), Error> {
        if !is_visible(outgoing.host) {
            return Err(Error::Host);
        }
        for (name, value) in outgoing.headers {
            check_header(name, value)?;
        }
        let mut headers = vec![("host", outgoing.host), ("x-amz-date", stamp)];
        headers.extend(token.map(|token| ("x-amz-security-token", token)));
        headers.extend_from_slice(outgoing.headers);
        // Stable: the values of one name stay in the order they are sent in.
        headers.sort_by(|(a, _), (b, _)| compare_names(a, b));

        // Headers of one name share a line.
        for same in headers.chunk_by(|(a, _), (b, _)| a.eq_ignore_ascii_case(b)) {
            let Some((name, _)) = same.first() else {
                continue;
            };
            if !self.signed_headers.is_empty() {
                self.signed_headers.push(';');
            }
            let name = name.chars().map(|letter| letter.to_ascii_lowercase());
            self.signed_headers.extend(name.clone());
            self.text.extend(name);
            let mut separator = ':';
            for (_, value) in same {
                self.text.push(separator);
                push_trimmed(&mut self.text, value);
                separator = ',';
            }
            self.text.push('\n');
        }
        self.text.extend(["\n", &self.signed_headers, "\n"]);
        Ok(())
    }
}

/// botocore collapses the spaces of all Unicode, AWS documents only the ASCII ones: other text is
/// refused before the two can differ.
fn check_header(name: &str, value: &str) -> Result<(), Error> {
    if !is_token(name) {
        return Err(Error::HeaderName);
    }
    if RESERVED
        .iter()
        .any(|reserved| name.eq_ignore_ascii_case(reserved))
    {
        return Err(Error::HeaderReserved);
    }
    if !value
        .bytes()
        .all(|byte| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t'))
    {
        return Err(Error::HeaderValue);
    }
    Ok(())
}

fn compare_names(a: &str, b: &str) -> Ordering {
    let lower = |byte: u8| byte.to_ascii_lowercase();
    a.bytes().map(lower).cmp(b.bytes().map(lower))
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_tchar)
}

fn push_trimmed(text: &mut String, value: &str) {
    let mut separator = "";
    for word in value.split_ascii_whitespace() {
        text.extend([separator, word]);
        separator = " ";
    }
}

/// Encodes all but RFC 3986's unreserved characters.
fn push_encoded(text: &mut String, byte: u8) {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        text.push(char::from(byte));
    } else {
        text.push('%');
        let [high, low] = digits(byte);
        text.extend([high.to_ascii_uppercase(), low.to_ascii_uppercase()]);
    }
}

/// Writes `digest` in lower case, as AWS compares it.
pub(super) fn push_hex(text: &mut String, digest: &[u8; 32]) {
    text.extend(digest.iter().flat_map(|&byte| digits(byte)));
}

fn digits(byte: u8) -> [char; 2] {
    [byte >> 4, byte & 0xf].map(|nibble| char::from_digit(nibble.into(), 16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTGOING: Outgoing<'_> = Outgoing {
        method: "POST",
        host: "example.com",
        path: "/",
        query: "",
        headers: &[],
        body: b"",
    };

    #[track_caller]
    fn check(outgoing: &Outgoing<'_>, line: usize, want: Result<&str, Error>) {
        let mut canonical = Canonical::default();
        let result = canonical.write(outgoing, "20150830T123600Z", None);
        assert_eq!(
            result.map(|()| canonical.text.split('\n').nth(line).unwrap()),
            want
        );
    }

    #[track_caller]
    fn check_path(path: &str, want: Result<&str, Error>) {
        check(&Outgoing { path, ..OUTGOING }, 1, want);
    }

    #[track_caller]
    fn check_query(query: &str, want: Result<&str, Error>) {
        check(&Outgoing { query, ..OUTGOING }, 2, want);
    }

    #[track_caller]
    fn check_first_header(name: &str, value: &str, want: Result<&str, Error>) {
        check(
            &Outgoing {
                headers: &[(name, value)],
                ..OUTGOING
            },
            3,
            want,
        );
    }

    #[test]
    fn a_request_is_seven_parts() {
        let outgoing = Outgoing {
            path: "/m%3A0",
            query: "b&a=1",
            headers: &[("B", " 1  2 ")],
            ..OUTGOING
        };
        let mut canonical = Canonical::default();
        canonical
            .write(&outgoing, "20150830T123600Z", Some("t"))
            .unwrap();
        let want = "POST\n/m%253A0\na=1&b=\nb:1 2\nhost:example.com\n\
                    x-amz-date:20150830T123600Z\nx-amz-security-token:t\n\n\
                    b;host;x-amz-date;x-amz-security-token\n\
                    e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(canonical.text, want);
    }

    #[test]
    fn nothing_of_the_last_request_stays() {
        let mut canonical = Canonical::default();
        let long = Outgoing {
            path: "/a/b/c",
            headers: &[("x", "y")],
            ..OUTGOING
        };
        canonical
            .write(&long, "20150830T123600Z", Some("t"))
            .unwrap();
        let refused = Outgoing {
            path: "no",
            ..OUTGOING
        };
        assert_eq!(
            canonical.write(&refused, "20150830T123600Z", None),
            Err(Error::Path)
        );
        canonical
            .write(&OUTGOING, "20150830T123600Z", None)
            .unwrap();
        assert_eq!(canonical.signed_headers(), "host;x-amz-date");
        assert_eq!(canonical.text.lines().count(), 8);
    }

    #[test]
    fn an_encoded_arn_stays_one_segment() {
        check_path(
            "/model/arn%3Aaws%2Fx/invoke",
            Ok("/model/arn%253Aaws%252Fx/invoke"),
        );
    }

    #[test]
    fn an_encoded_dot_is_no_dot_segment() {
        check_path("/a/%2e%2e/b", Ok("/a/%252e%252e/b"));
    }

    #[test]
    fn dots_do_not_climb_over_the_root() {
        check_path("/../../a", Ok("/a"));
    }

    #[test]
    fn a_line_in_the_path_is_refused() {
        check_path("/a\nx-amz-date:0", Err(Error::Path));
        check_path("/a\r", Err(Error::Path));
        check_path("/a\0", Err(Error::Path));
        check_path("/a\x7f", Err(Error::Path));
    }

    #[test]
    fn a_path_that_would_end_the_request_line_is_refused() {
        check_path("/a HTTP/1.1", Err(Error::Path));
    }

    #[test]
    fn a_path_that_holds_a_query_is_refused() {
        check_path("/a?b=c", Err(Error::Path));
        check_path("/a#b", Err(Error::Path));
    }

    #[test]
    fn a_relative_path_is_refused() {
        check_path("a", Err(Error::Path));
        check_path("*", Err(Error::Path));
    }

    #[test]
    fn names_sort_before_values() {
        check_query("a.b=0&a=2&a=1&A=3", Ok("A=3&a=1&a=2&a.b=0"));
    }

    #[test]
    fn a_query_that_is_not_encoded_is_refused() {
        check_query("a=1\nhost:evil", Err(Error::Query));
        check_query("a= ", Err(Error::Query));
        check_query("a=#", Err(Error::Query));
        check_query("a=\u{fc}", Err(Error::Query));
    }

    #[test]
    fn a_line_in_a_header_is_refused() {
        check_first_header("a", "1\nhost:evil", Err(Error::HeaderValue));
        check_first_header("a", "1\r\nhost: evil", Err(Error::HeaderValue));
        check_first_header("a", "1\n", Err(Error::HeaderValue));
        check_first_header("a", "1\0", Err(Error::HeaderValue));
    }

    #[test]
    fn a_value_that_trims_differently_elsewhere_is_refused() {
        check_first_header("a", "1\u{a0}\u{a0}2", Err(Error::HeaderValue));
        check_first_header("a", "1\x0b2", Err(Error::HeaderValue));
    }

    #[test]
    fn a_name_that_is_no_token_is_refused() {
        check_first_header("", "1", Err(Error::HeaderName));
        check_first_header("a:b", "1", Err(Error::HeaderName));
        check_first_header("a;host", "1", Err(Error::HeaderName));
        check_first_header("a\nb", "1", Err(Error::HeaderName));
        check_first_header(":authority", "1", Err(Error::HeaderName));
    }

    #[test]
    fn a_header_of_the_signer_is_refused() {
        check_first_header("Host", "evil", Err(Error::HeaderReserved));
        check_first_header("X-Amz-Date", "0", Err(Error::HeaderReserved));
        check_first_header("x-amz-content-sha256", "0", Err(Error::HeaderReserved));
    }

    #[test]
    fn tabs_are_spaces() {
        check_first_header("a", "\t1\t 2\t", Ok("a:1 2"));
    }

    #[test]
    fn a_host_that_would_start_a_line_is_refused() {
        check(
            &Outgoing {
                host: "a\nb:c",
                ..OUTGOING
            },
            3,
            Err(Error::Host),
        );
        check(
            &Outgoing {
                host: "",
                ..OUTGOING
            },
            3,
            Err(Error::Host),
        );
    }

    #[test]
    fn a_method_that_is_no_token_is_refused() {
        check(
            &Outgoing {
                method: "GET\n/",
                ..OUTGOING
            },
            0,
            Err(Error::Method),
        );
        check(
            &Outgoing {
                method: "",
                ..OUTGOING
            },
            0,
            Err(Error::Method),
        );
    }
}
