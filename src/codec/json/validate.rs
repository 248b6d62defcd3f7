//! The check of a whole document: UTF-8, syntax, depth, in one pass without recursion.
//!
//! `serde_json` has no bound on depth when it skips values, and tells lines instead of offsets.

use super::{Cursor, Error};

/// How deep arrays and objects may be nested.
pub const DEPTH_MAX: usize = 128;

/// Checks that `bytes` are one JSON value, with nothing but blanks around it.
pub fn validate(bytes: &[u8]) -> Result<&str, Error> {
    let text = str::from_utf8(bytes).map_err(|error| Error::Utf8 {
        offset: error.valid_up_to(),
    })?;
    let mut validator = Validator {
        cursor: Cursor::new(bytes),
        objects: 0,
        depth: 0,
    };
    validator.document()?;
    Ok(text)
}

struct Validator<'a> {
    cursor: Cursor<'a>,
    /// One bit for each open container, the innermost lowest: set if it is an object.
    objects: u128,
    depth: usize,
}

const _: () = assert!(DEPTH_MAX <= 128, "one bit of a u128 for each level");

impl Validator<'_> {
    fn document(&mut self) -> Result<(), Error> {
        loop {
            self.cursor.skip_blank();
            if self.value()? == Progress::Opened {
                continue;
            }
            // A value has ended: so may the containers around it.
            loop {
                self.cursor.skip_blank();
                if self.depth == 0 {
                    return match self.cursor.rest {
                        [] => Ok(()),
                        _ => Err(self.cursor.unexpected()),
                    };
                }
                match (self.cursor.peek(), self.is_in_object()) {
                    (Some(b','), is_in_object) => {
                        self.cursor.skip(1);
                        if is_in_object {
                            self.cursor.skip_blank();
                            self.key()?;
                        }
                        break;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => self.close(),
                    _ => return Err(self.cursor.unexpected()),
                }
            }
        }
    }

    fn value(&mut self) -> Result<Progress, Error> {
        match self.cursor.peek() {
            Some(b'"') => self.string()?,
            Some(b'{') => {
                self.open(true)?;
                if self.cursor.peek() != Some(b'}') {
                    self.key()?;
                    return Ok(Progress::Opened);
                }
                self.close();
            }
            Some(b'[') => {
                self.open(false)?;
                if self.cursor.peek() != Some(b']') {
                    return Ok(Progress::Opened);
                }
                self.close();
            }
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.literal(b"true")?,
            Some(b'f') => self.literal(b"false")?,
            Some(b'n') => self.literal(b"null")?,
            _ => return Err(self.cursor.unexpected()),
        }
        Ok(Progress::Ended)
    }

    fn is_in_object(&self) -> bool {
        self.objects & 1 == 1
    }

    fn open(&mut self, is_object: bool) -> Result<(), Error> {
        if self.depth >= DEPTH_MAX {
            return Err(Error::TooDeep { limit: DEPTH_MAX });
        }
        self.depth = self.depth.saturating_add(1);
        self.objects = (self.objects << 1) | u128::from(is_object);
        self.cursor.skip(1);
        self.cursor.skip_blank();
        Ok(())
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.objects >>= 1;
        self.cursor.skip(1);
    }

    fn key(&mut self) -> Result<(), Error> {
        if self.cursor.peek() != Some(b'"') {
            return Err(self.cursor.unexpected());
        }
        self.string()?;
        self.cursor.skip_blank();
        self.cursor.expect(b':')
    }

    /// The cursor stands on the opening quote.
    fn string(&mut self) -> Result<(), Error> {
        self.cursor.skip(1);
        loop {
            self.cursor.skip(plain_bytes(self.cursor.rest));
            match self.cursor.peek() {
                Some(b'"') => {
                    self.cursor.skip(1);
                    return Ok(());
                }
                Some(b'\\') => {
                    self.cursor.skip(1);
                    self.escape()?;
                }
                // A control character, or the end.
                _ => return Err(self.cursor.unexpected()),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Error> {
        match self.cursor.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.cursor.skip(1),
            Some(b'u') => {
                self.cursor.skip(1);
                for _ in 0..4 {
                    match self.cursor.peek() {
                        Some(byte) if byte.is_ascii_hexdigit() => self.cursor.skip(1),
                        _ => return Err(self.cursor.unexpected()),
                    }
                }
            }
            _ => return Err(self.cursor.unexpected()),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Error> {
        if self.cursor.peek() == Some(b'-') {
            self.cursor.skip(1);
        }
        // No digit follows a leading zero.
        if self.cursor.peek() == Some(b'0') {
            self.cursor.skip(1);
        } else {
            self.digits()?;
        }
        if self.cursor.peek() == Some(b'.') {
            self.cursor.skip(1);
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.cursor.peek() {
            self.cursor.skip(1);
            if let Some(b'+' | b'-') = self.cursor.peek() {
                self.cursor.skip(1);
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Error> {
        if !self.cursor.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.cursor.unexpected());
        }
        while self.cursor.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.cursor.skip(1);
        }
        Ok(())
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), Error> {
        word.iter().try_for_each(|&byte| self.cursor.expect(byte))
    }
}

#[derive(PartialEq, Eq)]
enum Progress {
    /// A container has opened and its first value is next.
    Opened,
    Ended,
}

/// How many bytes at the front are neither a quote, a backslash nor a control character.
///
/// Eight at a time: in wasm this is twice the width of a `usize`.
pub(super) fn plain_bytes(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES << 7;
    const QUOTES: u64 = 0x2222_2222_2222_2222;
    const BACKSLASHES: u64 = 0x5C5C_5C5C_5C5C_5C5C;
    const SPACES: u64 = 0x2020_2020_2020_2020;

    let (words, tail) = bytes.as_chunks::<8>();
    let mut plain = 0_usize;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let quote = word ^ QUOTES;
        let backslash = word ^ BACKSLASHES;
        // A borrow can only raise false alarms above a true one, and the lowest alarm is taken.
        let alarms = (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(SPACES) & !word);
        let alarms = alarms & HIGHS;
        if alarms != 0 {
            let at = usize::try_from(alarms.trailing_zeros() / 8).unwrap_or(0);
            return plain.saturating_add(at);
        }
        plain = plain.saturating_add(8);
    }
    let at = tail
        .iter()
        .position(|&byte| byte < b' ' || byte == b'"' || byte == b'\\');
    plain.saturating_add(at.unwrap_or(tail.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::random::Random;
    use serde_json::value::RawValue;

    #[track_caller]
    fn check(input: &str, want: Result<(), Error>) {
        assert_eq!(validate(input.as_bytes()).map(|_| ()), want);
    }

    #[test]
    fn every_kind_of_value_is_valid() {
        check(
            r#" {"a":[1,-0.5e+3,true,false,null,"x\n\u00e9",{}],"b":[] , "c" : {"d":0}} "#,
            Ok(()),
        );
        check("7", Ok(()));
    }

    #[test]
    fn a_document_that_ends_early_is_truncated() {
        for input in [
            "", " ", "{", "[1,", "\"a", "{\"a\"", "{\"a\":", "tru", "-", "1.", "\"\\u00",
        ] {
            let bytes = input.len();
            check(input, Err(Error::Truncated { bytes }));
        }
    }

    #[test]
    fn the_offset_is_that_of_the_first_wrong_byte() {
        check("[1,]", Err(Error::Syntax { offset: 3 }));
        check("{\"a\":1,}", Err(Error::Syntax { offset: 7 }));
        check("{a:1}", Err(Error::Syntax { offset: 1 }));
        check("[1}", Err(Error::Syntax { offset: 2 }));
        check("{\"a\" 1}", Err(Error::Syntax { offset: 5 }));
        check("01", Err(Error::Syntax { offset: 1 }));
        check("\"a\nb\"", Err(Error::Syntax { offset: 2 }));
        check("\"\\x\"", Err(Error::Syntax { offset: 2 }));
        check("1 2", Err(Error::Syntax { offset: 2 }));
        check("nulL", Err(Error::Syntax { offset: 3 }));
    }

    #[test]
    fn text_must_be_utf_8() {
        assert_eq!(validate(b"\"a\xff\""), Err(Error::Utf8 { offset: 2 }));
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        check(&nested(DEPTH_MAX), Ok(()));
        check(&nested(DEPTH_MAX + 1), Err(Error::TooDeep { limit: 128 }));
        check(
            &"{\"a\":".repeat(1_000_000),
            Err(Error::TooDeep { limit: 128 }),
        );
    }

    #[test]
    fn a_plain_run_ends_at_what_must_be_escaped() {
        for at in 0..20 {
            for special in [0, 0x1F, b'"', b'\\'] {
                // Neighbours of the special bytes, and bytes of UTF-8, are plain.
                for plain in [b' ', b'!', b'#', b'[', b']', 0x7F, 0x80, 0xA2, 0xDC, 0xFF] {
                    let mut bytes = [plain; 20];
                    bytes[at] = special;
                    assert_eq!(plain_bytes(&bytes), at, "{special} in {plain}");
                    assert_eq!(plain_bytes(&[plain; 20]), 20);
                }
            }
        }
    }

    #[test]
    fn mutated_input_is_judged_as_serde_json_does() {
        let source = br#"{"a":[1,-0.5e+3,true,null,"x\n\u00e9",{}],"b":"long text","c":{"d":0}}"#;
        let mut random = Random::new(11);
        let mut valid = 0;
        for _ in 0..50_000 {
            let mut input = source.to_vec();
            random.mutate(&mut input, b"{}[],:\"\\ 0-1.eEtu\n");
            let ours = validate(&input);
            let theirs = serde_json::from_slice::<&RawValue>(&input);
            assert_eq!(
                ours.is_ok(),
                theirs.is_ok(),
                "{}: {ours:?}",
                input.escape_ascii()
            );
            valid += usize::from(ours.is_ok());
        }
        assert!(valid > 1_000, "the test sees both sides");
    }
}
