//! JSON as spans of its source: validated once, looked at in place, edited by splices.
//!
//! A document is checked whole by [`validate()`]; after that [`Members`] lists an object's members,
//! [`Walk`] reads the whole of it forwards, and [`Edits`] changes pieces of it, so that every other
//! byte stays as it was. Text is copied as it is escaped in the source where nobody has to read it:
//! that is three times as fast as to unescape and escape again. Nothing here builds a tree, and
//! nothing here panics on input that was not validated.

mod edits;
mod members;
mod text;
mod validate;
mod walk;
mod write;

use std::fmt;
use std::ops::Range;

pub use edits::Edits;
pub use members::{Member, Members};
pub use text::{Places, Text, is_blank, string_content, unescape};
pub use validate::{DEPTH_MAX, validate};
pub use walk::{Kind, Walk};
pub use write::{
    write_escaped, write_members, write_nullable, write_string, write_string_content, write_u64,
};

/// Why a document cannot be read or edited. Offsets are in bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Not JSON, from here on.
    Syntax {
        /// Of the byte that does not fit.
        offset: usize,
    },
    /// The document ends before its value does.
    Truncated {
        /// Its length.
        bytes: usize,
    },
    /// Not UTF-8, from here on.
    Utf8 {
        /// Of the first byte that does not fit.
        offset: usize,
    },
    /// Arrays and objects are nested too deeply.
    TooDeep {
        /// The bound.
        limit: usize,
    },
    /// More edits than the bound.
    TooManyEdits {
        /// The bound.
        limit: usize,
    },
    /// The edits bring more bytes than the bound.
    TooLarge {
        /// The bound.
        limit: usize,
    },
    /// Two edits change the same bytes.
    Overlap {
        /// Where the second begins.
        offset: usize,
    },
    /// An edit lies outside the document, or removes what is no member or item of it.
    Range {
        /// Where it begins.
        offset: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { offset } => write!(f, "malformed JSON at byte {offset}"),
            Self::Truncated { bytes } => write!(f, "JSON ends early, after {bytes} bytes"),
            Self::Utf8 { offset } => write!(f, "invalid UTF-8 at byte {offset}"),
            Self::TooDeep { limit } => write!(f, "JSON is nested more than {limit} levels deep"),
            Self::TooManyEdits { limit } => write!(f, "more than {limit} edits"),
            Self::TooLarge { limit } => write!(f, "edits exceed {limit} bytes"),
            Self::Overlap { offset } => write!(f, "edits overlap at byte {offset}"),
            Self::Range { offset } => write!(f, "edit outside the document at byte {offset}"),
        }
    }
}

impl std::error::Error for Error {}

/// Where `part` lies inside `whole`, if it was borrowed from there.
///
/// An empty `part` has no bytes to tell by: it counts as borrowed when its address fits.
#[must_use]
pub fn span_of(whole: &[u8], part: &[u8]) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= whole.len()).then_some(start..end)
}

/// The unread rest of a document.
struct Cursor<'a> {
    rest: &'a [u8],
    whole_bytes: usize,
}

impl<'a> Cursor<'a> {
    fn new(whole: &'a [u8]) -> Self {
        Self {
            rest: whole,
            whole_bytes: whole.len(),
        }
    }

    fn offset(&self) -> usize {
        self.whole_bytes.saturating_sub(self.rest.len())
    }

    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn next(&mut self) -> Option<u8> {
        let (&byte, tail) = self.rest.split_first()?;
        self.rest = tail;
        Some(byte)
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn skip_blank(&mut self) {
        while let [b' ' | b'\n' | b'\r' | b'\t', tail @ ..] = self.rest {
            self.rest = tail;
        }
    }

    /// The error of the byte that is next.
    fn unexpected(&self) -> Error {
        match self.rest {
            [] => Error::Truncated {
                bytes: self.whole_bytes,
            },
            _ => Error::Syntax {
                offset: self.offset(),
            },
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Error> {
        if self.peek() != Some(byte) {
            return Err(self.unexpected());
        }
        self.skip(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(whole: &[u8], part: &[u8], want: Option<(usize, usize)>) {
        let span = span_of(whole, part).map(|span| (span.start, span.end));
        assert_eq!(span, want);
    }

    #[test]
    fn a_borrowed_part_has_a_span() {
        let whole = b"abcdef".as_slice();
        check(whole, &whole[2..4], Some((2, 4)));
        check(whole, whole, Some((0, 6)));
        check(whole, &whole[6..], Some((6, 6)));
    }

    #[test]
    fn an_equal_part_from_elsewhere_has_none() {
        let elsewhere = vec![b'c'; 2];
        check(b"abccdef", &elsewhere, None);
    }

    #[test]
    fn a_part_that_runs_over_has_none() {
        let all = b"abcdef".as_slice();
        check(&all[..3], &all[2..4], None);
        check(&all[2..], &all[1..3], None);
    }
}
