//! What an event looks like around its one piece of text.
//!
//! The events of a stream differ in little but that piece. So the bytes of one that was walked, and in which nothing else
//! was found, tell where the piece stands in the next: an event whose other bytes are the same has the same places, for
//! selectors of answers go by names and numbers only. What differs in each event and is nobody's text, its sequence number
//! and the filling that hides how long a piece is, may differ here too. An event that does not fit is walked.

use std::rc::Rc;

use crate::codec::json::{Members, Walk, span_of, string_content, validate};

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
    /// The piece.
    Piece,
    /// Another string.
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
        let span = |part: &str| span_of(event.as_bytes(), part.as_bytes());
        let piece = span(content)?;
        // With its quotes.
        let piece = piece.start.checked_sub(1)?..piece.end.checked_add(1)?;
        let mut spans = vec![(piece, Hole::Piece)];
        for member in Members::new(event) {
            let member = member.ok()?;
            match &*member.key {
                "obfuscation" => spans.push((span(member.value)?, Hole::Filling)),
                "sequence_number" => spans.push((span(member.value)?, Hole::Number)),
                _ => {}
            }
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
            let value = scalar(rest)?;
            rest = rest.get(value.len()..)?;
            match hole {
                Hole::Piece | Hole::Filling => {
                    let text = string_content(value)?;
                    if *hole == Hole::Piece {
                        content = text;
                    }
                }
                Hole::Number => {
                    number = Some(value).filter(|it| it.bytes().all(|byte| byte.is_ascii_digit()));
                    number?;
                }
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

/// The string or number that stands right here.
fn scalar(text: &str) -> Option<&str> {
    if !text.starts_with(|first: char| first == '"' || first.is_ascii_digit()) {
        return None;
    }
    let value = Walk::new(text).skip().ok()?;
    validate(value.as_bytes()).ok()
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
