//! The members of an object, found in one pass without reading their values.

use std::ops::Range;

use memchr::memchr2;

use super::{Cursor, Error, Text, unescape};

/// Iterates over the members of an object, in order and with repeated keys.
///
/// It expects a valid document and checks only what it needs to find its way: on anything else it
/// ends with an error or finds odd values, but stays inside the source. Nothing follows an error.
pub struct Members<'a> {
    source: &'a str,
    cursor: Cursor<'a>,
    place: Place,
}

/// A member of an object. Spans count from the start of the source.
#[derive(Clone)]
pub struct Member<'a> {
    /// The name, without its quotes and escapes.
    pub key: Text<'a>,
    /// Where the name is, with its quotes.
    pub key_span: Range<usize>,
    /// The value as it is written, without blanks around it.
    pub value: &'a str,
    /// Where the value is.
    pub value_span: Range<usize>,
}

impl Member<'_> {
    /// From the first quote of the name to the end of the value.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.key_span.start..self.value_span.end
    }
}

enum Place {
    Start,
    AfterValue,
    End,
}

impl<'a> Members<'a> {
    /// The members of the object that `source` is.
    #[must_use]
    pub fn new(source: &'a str) -> Self {
        Self::within(source, 0..source.len())
    }

    /// The members of the object at `object` in `source`, such as the value of another member.
    #[must_use]
    pub fn within(source: &'a str, object: Range<usize>) -> Self {
        let mut cursor = Cursor::new(source.as_bytes().get(..object.end).unwrap_or_default());
        cursor.skip(object.start);
        Self {
            source,
            cursor,
            place: Place::Start,
        }
    }

    fn member(&mut self) -> Result<Option<Member<'a>>, Error> {
        self.cursor.skip_blank();
        match self.place {
            Place::End => return Ok(None),
            Place::Start => {
                self.cursor.expect(b'{')?;
                self.cursor.skip_blank();
                if self.cursor.peek() == Some(b'}') {
                    return self.end();
                }
            }
            Place::AfterValue if self.cursor.peek() == Some(b'}') => return self.end(),
            Place::AfterValue => self.cursor.expect(b',')?,
        }
        self.cursor.skip_blank();
        let (key, key_span) = read_key(self.source, &mut self.cursor)?;
        self.cursor.skip_blank();
        self.cursor.expect(b':')?;
        self.cursor.skip_blank();
        let start = self.cursor.offset();
        skip_value(&mut self.cursor)?;
        let value_span = start..self.cursor.offset();
        self.place = Place::AfterValue;
        Ok(Some(Member {
            key,
            key_span,
            value: slice(self.source, &value_span)?,
            value_span,
        }))
    }

    /// The cursor stands on the closing brace.
    fn end(&mut self) -> Result<Option<Member<'a>>, Error> {
        self.place = Place::End;
        self.cursor.skip(1);
        self.cursor.skip_blank();
        match self.cursor.rest {
            [] => Ok(None),
            _ => Err(self.cursor.unexpected()),
        }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let member = self.member();
        if member.is_err() {
            self.place = Place::End;
            self.cursor.rest = &[];
        }
        member.transpose()
    }
}

/// Reads a member's name, up to the byte after its closing quote.
pub(super) fn read_key<'a>(
    source: &'a str,
    cursor: &mut Cursor<'a>,
) -> Result<(Text<'a>, Range<usize>), Error> {
    let start = cursor.offset();
    cursor.expect(b'"')?;
    let has_escapes = skip_string_content(cursor)?;
    let span = start..cursor.offset();
    let content = slice(
        source,
        &(span.start.saturating_add(1)..span.end.saturating_sub(1)),
    )?;
    if !has_escapes {
        return Ok((Text::from(content), span));
    }
    let mut key = String::new();
    unescape(content, &mut key)?;
    Ok((Text::from(key), span))
}

pub(super) fn slice<'a>(source: &'a str, span: &Range<usize>) -> Result<&'a str, Error> {
    let offset = span.start;
    source.get(span.clone()).ok_or(Error::Syntax { offset })
}

/// Skips a value, up to the byte after it.
pub(super) fn skip_value(cursor: &mut Cursor<'_>) -> Result<(), Error> {
    match cursor.peek() {
        Some(b'"') => {
            cursor.skip(1);
            skip_string_content(cursor).map(|_| ())
        }
        Some(b'{' | b'[') => skip_container(cursor),
        _ => {
            // A number or a word.
            let is_end =
                |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
            let end = cursor.rest.iter().position(is_end);
            match end.unwrap_or(cursor.rest.len()) {
                0 => Err(cursor.unexpected()),
                end => {
                    cursor.skip(end);
                    Ok(())
                }
            }
        }
    }
}

fn skip_container(cursor: &mut Cursor<'_>) -> Result<(), Error> {
    let mut depth = 0_usize;
    loop {
        match cursor.next().ok_or_else(|| cursor.unexpected())? {
            b'"' => {
                skip_string_content(cursor)?;
            }
            b'{' | b'[' => depth = depth.saturating_add(1),
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Ok(());
                }
            }
            _ => {}
        }
    }
}

/// Skips the rest of a string, its closing quote included. Tells whether there were escapes.
///
/// memchr2 rather than `plain_bytes`: with simd128 in wasm it is half as fast again, natively too.
fn skip_string_content(cursor: &mut Cursor<'_>) -> Result<bool, Error> {
    let mut has_escapes = false;
    loop {
        let end = memchr2(b'"', b'\\', cursor.rest).unwrap_or(cursor.rest.len());
        cursor.skip(end);
        match cursor.next().ok_or_else(|| cursor.unexpected())? {
            b'"' => return Ok(has_escapes),
            // Whatever is escaped, its first byte ends no string.
            _ => cursor.skip(1),
        }
        has_escapes = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::random::Random;

    /// Members as `key=value`; the error, if any, comes last.
    fn members(source: &str) -> Vec<String> {
        Members::new(source)
            .map(|member| match member {
                Ok(member) => {
                    assert_eq!(source.get(member.value_span.clone()).unwrap(), member.value);
                    assert!(
                        source
                            .get(member.key_span.clone())
                            .unwrap()
                            .starts_with('"')
                    );
                    assert!(source.get(member.span()).unwrap().ends_with(member.value));
                    format!("{}={}", &*member.key, member.value)
                }
                Err(error) => error.to_string(),
            })
            .collect()
    }

    #[track_caller]
    fn check(source: &str, want: &[&str]) {
        assert_eq!(members(source), want);
    }

    #[test]
    fn an_object_has_members_of_every_kind() {
        check(
            r#"{"a":1,"b":"x","c":[1,{"d":2}],"e":{},"f":true}"#,
            &["a=1", "b=\"x\"", "c=[1,{\"d\":2}]", "e={}", "f=true"],
        );
    }

    #[test]
    fn blanks_are_not_part_of_a_value() {
        check(" {\n \"a\" : 1 ,\t\"b\":[ 1 ]\r\n} ", &["a=1", "b=[ 1 ]"]);
    }

    #[test]
    fn brackets_and_quotes_inside_strings_are_text() {
        check(
            r#"{"a":["}\"]{\\"],"b":"\\"}"#,
            &[r#"a=["}\"]{\\"]"#, r#"b="\\""#],
        );
    }

    #[test]
    fn keys_are_unescaped() {
        check(r#"{"m\u006fdel":1,"é":2}"#, &["model=1", "é=2"]);
    }

    #[test]
    fn a_repeated_key_is_reported_again() {
        check(r#"{"a":1,"a":2}"#, &["a=1", "a=2"]);
    }

    #[test]
    fn an_empty_object_has_no_members() {
        check("{}", &[]);
        check(" { } ", &[]);
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        check("[1]", &["malformed JSON at byte 0"]);
        check("", &["JSON ends early, after 0 bytes"]);
        check("{} x", &["malformed JSON at byte 3"]);
    }

    #[test]
    fn nothing_follows_an_error() {
        check(r#"{"a":1 "b":2}"#, &["a=1", "malformed JSON at byte 7"]);
        check(r#"{"a":"#, &["JSON ends early, after 5 bytes"]);
        check(r#"{"a":[1"#, &["JSON ends early, after 7 bytes"]);
        check(r#"{"a\x":1}"#, &["malformed JSON at byte 1"]);
    }

    #[test]
    fn members_of_a_member_have_spans_in_the_source() {
        let source = r#"{"a":{"b":1}}"#;
        let outer = Members::new(source).next().unwrap().unwrap();
        let inner = Members::within(source, outer.value_span);
        let found: Vec<_> = inner
            .map(|member| source.get(member.unwrap().span()).unwrap())
            .collect();
        assert_eq!(found, [r#""b":1"#]);
    }

    #[test]
    fn a_range_outside_the_source_has_no_members() {
        assert!(Members::within("{}", 1..9).next().unwrap().is_err());
        let backwards = Range { start: 9, end: 2 };
        assert!(Members::within("{}", backwards).next().unwrap().is_err());
    }

    #[test]
    fn mutated_input_never_panics() {
        let mut random = Random::new(31);
        for _ in 0..50_000 {
            let mut bytes = br#"{"a":[1,{"b":"\"x"}],"\u00e9":{},"c":"y"}"#.to_vec();
            random.mutate(&mut bytes, b"{}[],:\"\\ ");
            let source = String::from_utf8_lossy(&bytes);
            let count = Members::new(&source).count();
            assert!(count <= source.len() + 1);
            if super::super::validate(source.as_bytes()).is_ok() && source.starts_with('{') {
                assert!(
                    Members::new(&source).all(|member| member.is_ok()),
                    "{source}"
                );
            }
        }
    }
}
