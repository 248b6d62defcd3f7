//! A document read forwards, each byte once.
//!
//! The caller asks for the kind of the value that is next and then either opens it or skips it.
//! Where [`Members`](super::Members) finds the end of each value before anyone reads it, nested
//! values would be passed once per level; here they are passed once.

use super::members::{read_key, skip_value, slice};
use super::{Cursor, Error, Text};

/// Reads a valid document from front to back.
///
/// Each value has to be taken in full before the next key or item is asked for. It checks only what
/// it needs to find its way: on a document that was not validated, or out of step, it ends with an
/// error or finds odd values, but stays inside the source.
pub struct Walk<'a> {
    source: &'a str,
    cursor: Cursor<'a>,
    /// A container was opened and nothing has been taken since: no comma comes next.
    is_fresh: bool,
}

/// What kind of value is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `{`
    Object,
    /// `[`
    Array,
    /// A string.
    String,
    /// `true` or `false`.
    Bool,
    /// `null`.
    Null,
    /// A number.
    Number,
}

impl<'a> Walk<'a> {
    /// Stands before the value that `source` is.
    #[must_use]
    pub fn new(source: &'a str) -> Self {
        let mut cursor = Cursor::new(source.as_bytes());
        cursor.skip_blank();
        Self {
            source,
            cursor,
            is_fresh: false,
        }
    }

    /// The kind of the next value.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.cursor.peek() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// Enters the object or array that is next.
    pub fn open(&mut self) {
        self.cursor.skip(1);
        self.is_fresh = true;
    }

    /// The next key of the object that was entered, standing before its value; nothing at its end.
    pub fn next_key(&mut self) -> Result<Option<Text<'a>>, Error> {
        if !self.advance(b'}')? {
            return Ok(None);
        }
        let (key, _) = read_key(self.source, &mut self.cursor)?;
        self.cursor.skip_blank();
        self.cursor.expect(b':')?;
        self.cursor.skip_blank();
        Ok(Some(key))
    }

    /// Stands before the next item of the array that was entered, or says that there is none.
    pub fn next_item(&mut self) -> Result<bool, Error> {
        self.advance(b']')
    }

    /// The next value as it is written; it stays the next.
    pub fn peek(&self) -> Result<&'a str, Error> {
        let mut cursor = Cursor {
            rest: self.cursor.rest,
            whole_bytes: self.cursor.whole_bytes,
        };
        let start = cursor.offset();
        skip_value(&mut cursor)?;
        slice(self.source, &(start..cursor.offset()))
    }

    /// Takes the next value as it is written.
    pub fn skip(&mut self) -> Result<&'a str, Error> {
        let start = self.cursor.offset();
        skip_value(&mut self.cursor)?;
        slice(self.source, &(start..self.cursor.offset()))
    }

    fn advance(&mut self, end: u8) -> Result<bool, Error> {
        self.cursor.skip_blank();
        let was_fresh = std::mem::replace(&mut self.is_fresh, false);
        if self.cursor.peek() == Some(end) {
            self.cursor.skip(1);
            return Ok(false);
        }
        if !was_fresh {
            self.cursor.expect(b',')?;
            self.cursor.skip_blank();
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::random::Random;

    /// Writes what it reads, without blanks.
    fn copy(walk: &mut Walk<'_>, out: &mut String, depth: usize) -> Result<(), Error> {
        match walk.kind() {
            Kind::Object if depth > 0 => {
                walk.open();
                out.push('{');
                while let Some(key) = walk.next_key()? {
                    out.push_str(&key);
                    out.push('=');
                    copy(walk, out, depth.saturating_sub(1))?;
                    out.push(';');
                }
                out.push('}');
            }
            Kind::Array if depth > 0 => {
                walk.open();
                out.push('[');
                while walk.next_item()? {
                    copy(walk, out, depth.saturating_sub(1))?;
                    out.push(';');
                }
                out.push(']');
            }
            Kind::Object | Kind::Array | Kind::String | Kind::Bool | Kind::Null | Kind::Number => {
                out.push_str(walk.skip()?);
            }
        }
        Ok(())
    }

    #[track_caller]
    fn check(source: &str, depth: usize, want: &str) {
        let mut out = String::new();
        copy(&mut Walk::new(source), &mut out, depth).unwrap();
        assert_eq!(out, want);
    }

    #[test]
    fn nested_values_are_read_in_order() {
        check(
            " { \"a\" : [ 1 , { \"b\" : \"x]\" } , [ ] , { } ] , \"c\" : null } ",
            9,
            r#"{a=[1;{b="x]";};[];{};];c=null;}"#,
        );
    }

    #[test]
    fn what_is_skipped_comes_as_it_is_written() {
        check(r#"{"a":[1, {"b":2}],"c":0}"#, 1, r#"{a=[1, {"b":2}];c=0;}"#);
    }

    #[test]
    fn what_was_looked_at_is_still_next() {
        let mut walk = Walk::new("[[1, 2],3]");
        walk.open();
        assert_eq!(walk.next_item(), Ok(true));
        assert_eq!(walk.peek(), Ok("[1, 2]"));
        assert_eq!(walk.skip(), Ok("[1, 2]"));
    }

    #[test]
    fn keys_are_unescaped() {
        check(r#"{"\u0061":1}"#, 1, "{a=1;}");
    }

    #[test]
    fn mutated_input_never_panics() {
        let mut random = Random::new(31);
        let mut broken = 0;
        for _ in 0..20_000 {
            let mut bytes = br#"{"a":[1,{"b":"x\n"},[],{}],"c":null,"d":-1.5e3}"#.to_vec();
            random.mutate(&mut bytes, b"{}[],:\"\\");
            let text = String::from_utf8_lossy(&bytes);
            let mut out = String::new();
            broken += usize::from(copy(&mut Walk::new(&text), &mut out, 64).is_err());
        }
        assert!(broken > 1_000, "the test sees both sides");
    }
}
