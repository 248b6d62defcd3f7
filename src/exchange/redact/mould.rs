//! What an event looks like around its one piece of text.
//!
//! The events of a stream differ in little but that piece. So the bytes of one that was walked, and in which nothing else
//! was found, tell where the piece stands in the next: an event whose other bytes are the same has the same places, for
//! selectors of answers go by names and numbers only. What differs in each event and is nobody's text, its sequence number
//! and the filling that hides how long a piece is, may differ here too. An event that does not fit is walked.

use std::rc::Rc;

use crate::codec::json::{Members, span_of, string_content};

/// The bytes of an event but those that may differ.
pub(super) struct Mould {
    /// The name of the text.
    key: Rc<str>,
    /// The event's name in the framing.
    name: Option<Vec<u8>>,
    /// What stands before each hole.
    holes: Vec<(String, Hole)>,
    /// What stands behind the last.
    end: String,
}

/// What may differ.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hole {
    /// The piece, between its quotes.
    Piece,
    /// Another string, between its quotes.
    Filling,
    /// The sequence number.
    Number,
}

/// What differs in an event that fits.
pub(super) struct Fit<'e> {
    /// The name of the text.
    pub(super) key: Rc<str>,
    /// The piece, as it is escaped.
    pub(super) content: &'e str,
    /// The sequence number, as it is written.
    pub(super) number: Option<&'e str>,
}

impl Mould {
    /// The mould of an event whose only text is `content`.
    pub(super) fn new(key: &str, name: Option<&[u8]>, event: &str, content: &str) -> Option<Self> {
        let mut holes = vec![(content, Hole::Piece)];
        for member in Members::new(event) {
            let member = member.ok()?;
            if member.key == "obfuscation"
                && let Some(content) = string_content(member.value)
            {
                holes.push((content, Hole::Filling));
            }
            if member.key == "sequence_number" {
                holes.push((member.value, Hole::Number));
            }
        }
        let mut spans = Vec::with_capacity(holes.len());
        for (part, hole) in holes {
            spans.push((span_of(event.as_bytes(), part.as_bytes())?, hole));
        }
        spans.sort_unstable_by_key(|(span, _)| span.start);
        let (mut kept, mut at) = (Vec::with_capacity(spans.len()), 0);
        for (span, hole) in spans {
            let before = event.get(at..span.start)?;
            kept.push((before.to_owned(), hole));
            at = span.end;
        }
        Some(Self {
            key: Rc::from(key),
            name: name.map(<[u8]>::to_owned),
            holes: kept,
            end: event.get(at..)?.to_owned(),
        })
    }

    /// What differs in an event that fits.
    pub(super) fn fit<'e>(&self, name: Option<&[u8]>, event: &'e str) -> Option<Fit<'e>> {
        if self.name.as_deref() != name {
            return None;
        }
        let (mut rest, mut content, mut number) = (event, "", None);
        for (before, hole) in &self.holes {
            rest = rest.strip_prefix(before.as_str())?;
            let end = match hole {
                Hole::Piece | Hole::Filling => content_end(rest.as_bytes())?,
                Hole::Number => number_end(rest.as_bytes())?,
            };
            let (part, behind) = rest.split_at_checked(end)?;
            rest = behind;
            match hole {
                Hole::Piece => content = part,
                Hole::Filling => {}
                Hole::Number => number = Some(part),
            }
        }
        let key = Rc::clone(&self.key);
        (rest == self.end).then_some(Fit {
            key,
            content,
            number,
        })
    }
}

/// Where the string ends whose content begins here. A string that JSON does not allow has no end.
fn content_end(text: &[u8]) -> Option<usize> {
    let mut end = 0_usize;
    loop {
        let rest = text.get(end..)?;
        let found = rest
            .iter()
            .position(|&byte| byte == b'"' || byte == b'\\' || byte < b' ')?;
        end = end.checked_add(found)?;
        match text.get(end)? {
            b'"' => return Some(end),
            b'\\' => end = end.checked_add(escape_length(text.get(end..)?)?)?,
            _ => return None,
        }
    }
}

/// How long the escape is that stands here.
fn escape_length(text: &[u8]) -> Option<usize> {
    match text.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => {
            let digits = text.get(2..6)?;
            digits.iter().all(u8::is_ascii_hexdigit).then_some(6)
        }
        _ => None,
    }
}

/// Where the whole number ends that begins here.
fn number_end(text: &[u8]) -> Option<usize> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit())?;
    let is_json = text.first() != Some(&b'0') || end == 1;
    (end > 0 && is_json).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"sequence_number":7,"delta":"a \"b\"","obfuscation":"xy","n":[1]}"#;

    /// What differs in the second event, if it fits the first with its delta as the piece.
    #[track_caller]
    fn check(event: &str, want: Option<(&str, Option<&str>)>) {
        let content = Members::new(EVENT).flatten().find(|it| it.key == "delta");
        let content = string_content(content.unwrap().value).unwrap();
        let mould = Mould::new("text", None, EVENT, content).unwrap();
        let fit = mould.fit(None, event);
        assert_eq!(fit.map(|fit| (fit.content, fit.number)), want);
        assert!(mould.fit(Some(b"other"), event).is_none());
    }

    #[test]
    fn an_event_fits_that_differs_in_its_piece_its_number_and_its_filling() {
        check(EVENT, Some((r#"a \"b\""#, Some("7"))));
        check(
            r#"{"sequence_number":10,"delta":"\u00e9","obfuscation":"","n":[1]}"#,
            Some((r"\u00e9", Some("10"))),
        );
    }

    #[test]
    fn an_event_that_differs_elsewhere_does_not() {
        for event in [
            r#"{"sequence_number":7,"delta":"a","obfuscation":"","n":[2]}"#,
            r#"{"sequence_number":7,"delta":"a","n":[1]}"#,
            r#"{"sequence_number":7,"delta":"a","obfuscation":"","n":[1],"text":"b"}"#,
            r#"{"sequence_number":7,"delta":["a"],"obfuscation":"","n":[1]}"#,
            r#"{"sequence_number":null,"delta":"a","obfuscation":"","n":[1]}"#,
            r#"{"sequence_number":7}"#,
            "",
        ] {
            check(event, None);
        }
    }

    #[test]
    fn an_event_that_is_no_json_does_not() {
        for (delta, number) in [
            (r"\x", "7"),
            (r"\u12", "7"),
            (r"\", "7"),
            ("\n", "7"),
            ("a", "07"),
            ("a", ""),
            ("a", "7.0"),
        ] {
            let event = format!(
                r#"{{"sequence_number":{number},"delta":"{delta}","obfuscation":"","n":[1]}}"#
            );
            check(&event, None);
        }
    }
}
