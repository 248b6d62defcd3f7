//! Strings: borrowed where they have no escapes, or left as they are escaped in the source.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use memchr::memchr;
use serde::Deserialize;

use super::Error;

/// A string of a document. It borrows unless the document escapes something in it.
///
/// `Debug` tells its length only: body text belongs in no log.
#[derive(Clone, Default, Deserialize, Eq, PartialEq, Hash)]
pub struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Text<'a> {
    /// The borrowed string, if nothing in it was escaped.
    #[must_use]
    pub fn borrowed(&self) -> Option<&'a str> {
        match &self.0 {
            Cow::Borrowed(text) => Some(text),
            Cow::Owned(_) => None,
        }
    }

    /// The string, still borrowed if it was.
    #[must_use]
    pub fn into_cow(self) -> Cow<'a, str> {
        self.0
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == *other
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == **other
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

/// The content of a raw JSON string, still escaped; `None` if `raw` is no string.
#[must_use]
pub fn string_content(raw: &str) -> Option<&str> {
    raw.strip_prefix('"')?.strip_suffix('"')
}

/// Appends the text that escaped `content` stands for. Half a surrogate pair becomes U+FFFD.
pub fn unescape(content: &str, out: &mut String) -> Result<(), Error> {
    for piece in pieces(content) {
        match piece? {
            Piece::Plain(text) => out.push_str(text),
            Piece::Escaped(character, _) => out.push(character),
        }
    }
    Ok(())
}

/// Whether escaped `content` stands for nothing but white space.
#[must_use]
pub fn is_blank(content: &str) -> bool {
    // Content that is not blank is left at its first character: do not search it for escapes.
    let content = content.trim_start();
    (content.is_empty() || content.starts_with('\\'))
        && pieces(content).all(|piece| match piece {
            Ok(Piece::Plain(text)) => text.trim_start().is_empty(),
            Ok(Piece::Escaped(character, _)) => character.is_whitespace(),
            Err(_) => false,
        })
}

/// Where the places of a text are in the escaped content that stands for it. They are asked for in ascending order, so
/// that each byte is passed once.
#[derive(Clone, Copy)]
pub struct Places<'a> {
    content: &'a str,
    /// How much of the content was passed, and of the text that it stands for.
    passed: usize,
    text_passed: usize,
}

impl<'a> Places<'a> {
    /// Stands at the beginning of `content`.
    #[must_use]
    pub const fn new(content: &'a str) -> Self {
        Self {
            content,
            passed: 0,
            text_passed: 0,
        }
    }

    /// Goes on to a byte of the text, and tells where it is in the content. What is passed already stays passed.
    pub fn find(&mut self, text_at: usize) -> usize {
        let rest = self.content.get(self.passed..).unwrap_or_default();
        for piece in pieces(rest) {
            let due = text_at.saturating_sub(self.text_passed);
            let Ok(piece) = piece else { break };
            if due == 0 {
                break;
            }
            match piece {
                Piece::Plain(text) => {
                    let bytes = text.len().min(due);
                    self.passed = self.passed.saturating_add(bytes);
                    self.text_passed = self.text_passed.saturating_add(bytes);
                }
                Piece::Escaped(character, bytes) => {
                    self.passed = self.passed.saturating_add(bytes);
                    self.text_passed = self.text_passed.saturating_add(character.len_utf8());
                }
            }
        }
        self.passed
    }
}

enum Piece<'a> {
    Plain(&'a str),
    /// A character, and how many bytes its escape has.
    Escaped(char, usize),
}

/// Cuts escaped content at its escapes. After an error there is nothing more.
fn pieces(content: &str) -> impl Iterator<Item = Result<Piece<'_>, Error>> {
    let mut rest = content;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some(escaped) = rest.strip_prefix('\\') else {
            let end = memchr(b'\\', rest.as_bytes()).unwrap_or(rest.len());
            let (plain, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
            rest = tail;
            return Some(Ok(Piece::Plain(plain)));
        };
        let offset = content.len().saturating_sub(rest.len());
        let (piece, tail) = match escape(escaped) {
            Some((character, tail)) => {
                let bytes = rest.len().saturating_sub(tail.len());
                (Ok(Piece::Escaped(character, bytes)), tail)
            }
            None => (Err(Error::Syntax { offset }), ""),
        };
        rest = tail;
        Some(piece)
    })
}

/// The character of an escape, without its backslash, and what follows.
fn escape(escaped: &str) -> Option<(char, &str)> {
    let mut characters = escaped.chars();
    let character = match characters.next()? {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'b' => '\u{8}',
        'f' => '\u{c}',
        same @ ('"' | '\\' | '/') => same,
        'u' => return unicode(characters.as_str()),
        _ => return None,
    };
    Some((character, characters.as_str()))
}

/// The character of four hexadecimal digits, or of two such groups that are a surrogate pair.
fn unicode(digits: &str) -> Option<(char, &str)> {
    let (unit, tail) = code_unit(digits)?;
    let low = tail.strip_prefix("\\u").and_then(code_unit);
    let (found, tail) = match low {
        Some((low, after))
            if (0xD800..0xDC00).contains(&unit) && (0xDC00..0xE000).contains(&low) =>
        {
            let mut pair = char::decode_utf16([unit, low]);
            (pair.next()?.ok(), after)
        }
        _ => (char::from_u32(u32::from(unit)), tail),
    };
    Some((found.unwrap_or(char::REPLACEMENT_CHARACTER), tail))
}

fn code_unit(digits: &str) -> Option<(u16, &str)> {
    let (digits, tail) = digits.split_at_checked(4)?;
    // from_str_radix would take a sign.
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    Some((u16::from_str_radix(digits, 16).ok()?, tail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::random::Random;

    #[track_caller]
    fn check(content: &str, want: Result<&str, Error>) {
        let mut out = String::new();
        let got = unescape(content, &mut out).map(|()| out.as_str());
        assert_eq!(got, want);
    }

    #[test]
    fn escapes_become_what_they_stand_for() {
        check(r#"a\"\\\/\b\f\n\r\tz"#, Ok("a\"\\/\u{8}\u{c}\n\r\tz"));
        check(r"\u00e9\u0000é", Ok("é\0é"));
        check("", Ok(""));
    }

    #[test]
    fn a_surrogate_pair_is_one_character() {
        check(r"\ud83d\ude00\uD83D\uDE00", Ok("😀😀"));
    }

    #[test]
    fn half_a_surrogate_pair_is_replaced() {
        check(r"\ud83d", Ok("\u{fffd}"));
        check(r"\ude00\ud83d", Ok("\u{fffd}\u{fffd}"));
        check(r"\ud83dx", Ok("\u{fffd}x"));
        check(r"\ud83d\n", Ok("\u{fffd}\n"));
        check(r"\ud83d\ud83d\ude00", Ok("\u{fffd}😀"));
        check(r"\ud83d\u0041", Ok("\u{fffd}A"));
    }

    #[test]
    fn a_malformed_escape_is_an_error() {
        for content in [r"ab\", r"ab\x", r"ab\u12", r"ab\u+123", r"ab\u12é"] {
            check(content, Err(Error::Syntax { offset: 2 }));
        }
    }

    #[test]
    fn places_of_the_text_are_found_in_the_content() {
        let content = r"a\u00e9\ud83d\ude00b\nc";
        let mut text = String::new();
        unescape(content, &mut text).unwrap();
        let mut places = Places::new(content);
        let found: Vec<_> = text.char_indices().map(|(at, _)| places.find(at)).collect();
        assert_eq!(found, [0, 1, 7, 19, 20, 22]);
        assert_eq!(places.find(text.len()), content.len());
        assert_eq!(places.find(99), content.len());
    }

    #[test]
    fn mutated_content_never_panics_and_agrees_with_serde_json() {
        let mut random = Random::new(21);
        for _ in 0..50_000 {
            let mut bytes = br"a\n\u00e9\ud83d\ude00\\z".to_vec();
            random.mutate(&mut bytes, br"\u0dD8e");
            let content = String::from_utf8_lossy(&bytes);
            let mut out = String::new();
            let ours = unescape(&content, &mut out);
            if let Ok(theirs) = serde_json::from_str::<String>(&format!("\"{content}\"")) {
                assert_eq!((ours, out), (Ok(()), theirs), "{content}");
            }
        }
    }

    #[test]
    fn white_space_is_blank_however_it_is_written() {
        for content in ["", "  ", r"\n\t \r\u0020\u00a0", "\u{a0} \\n"] {
            assert!(is_blank(content), "{content:?}");
        }
    }

    #[test]
    fn anything_else_is_not_blank() {
        for content in ["x", r" \n x", r"\n\u0041 ", r"\\", r"\u00", r"\ud83d"] {
            assert!(!is_blank(content), "{content:?}");
        }
    }

    #[test]
    fn only_a_string_has_content() {
        assert_eq!(string_content(r#""a\n""#), Some(r"a\n"));
        assert_eq!(string_content(r#""""#), Some(""));
        assert_eq!(string_content("\""), None);
        assert_eq!(string_content("7"), None);
    }

    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        model: Option<Text<'a>>,
    }

    #[test]
    fn text_borrows_without_escapes_even_in_an_option() {
        let body: Body<'_> = serde_json::from_str(r#"{"model":"gpt"}"#).unwrap();
        assert_eq!(body.model.unwrap().borrowed(), Some("gpt"));
    }

    #[test]
    fn text_with_escapes_is_read() {
        let body: Body<'_> = serde_json::from_str(r#"{"model":"a\nb"}"#).unwrap();
        let model = body.model.unwrap();
        assert_eq!(model, "a\nb");
        assert_eq!(model.borrowed(), None);
    }

    #[test]
    fn debug_does_not_tell_the_text() {
        assert_eq!(format!("{:?}", Text::from("secret")), "Text(6 bytes)");
    }
}
