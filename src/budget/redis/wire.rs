//! How a command reaches Redis over HTTP, and how its answer comes back.
//!
//! Webdis takes the words of a command in a body, with slashes between them, and answers
//! `{"EVALSHA": "..."}`. A REST service as Upstash runs it takes a list and answers `{"result": "..."}` or
//! `{"error": "..."}`. The script's own answer is one string of words with commas between them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::value::RawValue;

use super::super::{Inbound, Outbound, Unanswered};
use super::{Protocol, Settings};

/// What runs in Redis.
pub(super) const SCRIPT: &str = include_str!("script.lua");
/// By which name Redis knows the script.
pub(super) const SCRIPT_SHA1: &str = "ca8e9d0c79baa9b01ad81738e47e5a12fbcc5cfe";
/// An answer's bound: a batch of orders over a few buckets each.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A call of the script.
#[derive(Debug, Default)]
pub(super) struct Call {
    /// The buckets and records that it touches.
    pub(super) keys: Vec<String>,
    /// What is asked.
    pub(super) words: String,
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply<'a> {
    /// The script's answer.
    Words(&'a str),
    /// Redis does not know the script: it has been started anew.
    NoScript,
    /// Anything else, and nothing at all.
    Nothing,
}

impl Call {
    /// As HTTP, with the whole script or by its name.
    pub(super) fn outbound(&self, settings: &Settings, is_whole: bool) -> Outbound {
        let (command, script) = if is_whole {
            ("EVAL", SCRIPT)
        } else {
            ("EVALSHA", SCRIPT_SHA1)
        };
        let count = self.keys.len().to_string();
        let keys = self.keys.iter().map(String::as_str);
        let words = [command, script, &count].into_iter();
        let words = words.chain(keys).chain([self.words.as_str()]);
        let (content_type, body) = match settings.protocol {
            Protocol::Webdis => ("application/x-www-form-urlencoded", slashed(words)),
            Protocol::Rest => {
                let words: Vec<&str> = words.collect();
                // Strings always are JSON.
                let body = serde_json::to_vec(&words).unwrap_or_default();
                ("application/json", body)
            }
        };
        let mut headers = vec![
            (":method".to_owned(), "POST".to_owned()),
            (":path".to_owned(), settings.path.clone()),
            (":authority".to_owned(), settings.authority.clone()),
            ("content-type".to_owned(), content_type.to_owned()),
            ("content-length".to_owned(), body.len().to_string()),
        ];
        if let Some(authorization) = &settings.authorization {
            let value = authorization.reveal().to_owned();
            headers.push(("authorization".to_owned(), value));
        }
        Outbound {
            cluster: settings.cluster.clone(),
            headers,
            body,
            timeout_ms: settings.timeout_ms,
            is_grpc: false,
        }
    }
}

/// Words as Webdis takes them. A full stop would end them: what follows it names a format.
fn slashed<'w>(words: impl Iterator<Item = &'w str>) -> Vec<u8> {
    let mut body = String::with_capacity(512);
    for (at, word) in words.enumerate() {
        if at > 0 {
            body.push('/');
        }
        for byte in word.bytes() {
            if byte.is_ascii_alphanumeric() || b"_-,:".contains(&byte) {
                body.push(char::from(byte));
            } else if write!(body, "%{byte:02X}").is_err() {
                // A string takes whatever is written.
            }
        }
    }
    body.into_bytes()
}

impl<'a> Reply<'a> {
    /// Reads the answer to a call.
    pub(super) fn read(answer: Result<Inbound<'a>, Unanswered>) -> Self {
        let Ok(Inbound { body, .. }) = answer else {
            return Self::Nothing;
        };
        if body.len() > ANSWER_BYTES_MAX {
            return Self::Nothing;
        }
        let Ok(members) = serde_json::from_slice::<BTreeMap<&str, &RawValue>>(body) else {
            return Self::Nothing;
        };
        let mut values = members.values().map(|value| value.get());
        let is_lost = |value: &str| value.contains("NOSCRIPT");
        if values.clone().any(is_lost) {
            return Self::NoScript;
        }
        let words = values.find_map(|value| value.strip_prefix('"')?.strip_suffix('"'));
        words.map_or(Self::Nothing, Self::Words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn settings(protocol: Protocol) -> Settings {
        Settings {
            name: "s".to_owned(),
            cluster: "c".to_owned(),
            authority: "a".to_owned(),
            path: "/".to_owned(),
            protocol,
            authorization: Some(Secret::new("Bearer t")),
            tag: "{t}".to_owned(),
            timeout_ms: 50,
        }
    }

    fn body(protocol: Protocol) -> String {
        let mut call = Call::new(0);
        call.keys.push("{t}b/a/day@Europe/Berlin".to_owned());
        call.word("L");
        let out = call.outbound(&settings(protocol), false);
        let authorization = ("authorization".to_owned(), "Bearer t".to_owned());
        assert!(out.headers.contains(&authorization));
        String::from_utf8(out.body).unwrap()
    }

    #[track_caller]
    fn check(body: &str, want: &Reply<'_>) {
        let body = body.as_bytes();
        assert_eq!(&Reply::read(Ok(Inbound { status: 200, body })), want);
    }

    #[test]
    fn webdis_takes_words_with_slashes_between_them() {
        let want = format!("EVALSHA/{SCRIPT_SHA1}/1/%7Bt%7Db%2Fa%2Fday%40Europe%2FBerlin/0,L");
        assert_eq!(body(Protocol::Webdis), want);
    }

    #[test]
    fn a_rest_service_takes_a_list() {
        let want = format!(r#"["EVALSHA","{SCRIPT_SHA1}","1","{{t}}b/a/day@Europe/Berlin","0,L"]"#);
        assert_eq!(body(Protocol::Rest), want);
    }

    #[test]
    fn both_answers_are_words() {
        check(r#"{"EVALSHA":"ok,1,0"}"#, &Reply::Words("ok,1,0"));
        check(r#"{"result":"ok,1,0"}"#, &Reply::Words("ok,1,0"));
    }

    #[test]
    fn both_say_that_the_script_is_not_known() {
        check(
            r#"{"EVALSHA":[false,"NOSCRIPT No matching script. Please use EVAL."]}"#,
            &Reply::NoScript,
        );
        check(
            r#"{"error":"NOSCRIPT No matching script"}"#,
            &Reply::NoScript,
        );
    }

    #[test]
    fn anything_else_is_nothing() {
        check("", &Reply::Nothing);
        check("[]", &Reply::Nothing);
        check(r#"{"EVAL":[false,"ERR"]}"#, &Reply::Nothing);
        assert_eq!(Reply::read(Err(Unanswered)), Reply::Nothing);
    }
}
