//! The text as detectors see it: bytes from some place on, and perhaps more to come.
//!
//! A detector reads with [`View::ahead`], which fails with [`More`] where the text so far ends. So a decision rests
//! on bytes that were there, and is the same wherever the text was cut. Looking back never fails: the scanner keeps
//! [`LOOK_BACK_BYTES`] behind whatever is undecided.

#[cfg(test)]
use core::cell::Cell;
use core::ops::Range;

use super::block::BLOCK_BYTES;
use super::run::{self, Set};

/// The decision needs bytes that have not arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct More;

/// Steps of a text whose triggers are all asked, even those that are known to come to nothing: it makes no difference, as a test
/// holds.
#[cfg(test)]
pub(super) const EVERY: u64 = 1 << 63;

/// What stays readable behind the first undecided byte: the longest start of a match, and the context before it.
pub(super) const LOOK_BACK_BYTES: usize = 192;

/// A part of the folded text. Positions count from the beginning of the whole text.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'t> {
    bytes: &'t [u8],
    base: usize,
    is_end: bool,
    /// How many bytes detectors have looked at.
    #[cfg(test)]
    pub(super) steps: &'t Cell<u64>,
}

impl<'t> View<'t> {
    pub(super) const fn new(
        bytes: &'t [u8],
        base: usize,
        is_end: bool,
        #[cfg(test)] steps: &'t Cell<u64>,
    ) -> Self {
        Self {
            bytes,
            base,
            is_end,
            #[cfg(test)]
            steps,
        }
    }

    #[cfg(test)]
    pub(super) fn looked(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.steps.set(self.steps.get().saturating_add(bytes));
    }

    pub(super) const fn bytes(&self) -> &'t [u8] {
        self.bytes
    }

    /// Where the bytes begin.
    pub(super) const fn base(&self) -> usize {
        self.base
    }

    pub(super) const fn is_end(&self) -> bool {
        self.is_end
    }

    /// Where the text so far ends.
    pub(super) const fn end(&self) -> usize {
        self.base.wrapping_add(self.bytes.len())
    }

    /// The bytes from a position on.
    pub(super) fn rest(&self, from: usize) -> &'t [u8] {
        self.bytes
            .get(from.wrapping_sub(self.base)..)
            .unwrap_or_default()
    }

    /// The byte at a position; 0 behind the end of the text.
    #[inline]
    pub(super) fn ahead(&self, at: usize) -> Result<u8, More> {
        #[cfg(test)]
        self.looked(1);
        match self.bytes.get(at.wrapping_sub(self.base)) {
            Some(&byte) => Ok(byte),
            None if self.is_end => Ok(0),
            None => Err(More),
        }
    }

    /// The byte before a position; 0 at the beginning of the text.
    #[inline]
    pub(super) fn before(&self, at: usize) -> u8 {
        #[cfg(test)]
        self.looked(1);
        let before = at.checked_sub(1).and_then(|at| at.checked_sub(self.base));
        let byte = before.and_then(|at| self.bytes.get(at));
        byte.copied().unwrap_or(0)
    }

    /// Where the run of a class that begins at a position ends; at most `max` bytes on.
    #[inline]
    pub(super) fn run(
        &self,
        at: usize,
        max: usize,
        is_in: impl Fn(u8) -> bool,
    ) -> Result<usize, More> {
        let rest = self.rest(at);
        let near = rest.get(..max).unwrap_or(rest);
        let length = near.iter().position(|&byte| !is_in(byte));
        #[cfg(test)]
        self.looked(length.unwrap_or(near.len()).saturating_add(1));
        match length {
            Some(length) => Ok(at.wrapping_add(length)),
            None if near.len() == max || self.is_end => Ok(at.wrapping_add(near.len())),
            None => Err(More),
        }
    }

    /// The same for a set.
    pub(super) fn run_of(&self, at: usize, max: usize, set: Set) -> Result<usize, More> {
        let rest = self.rest(at);
        let length = match rest.first_chunk() {
            // Most runs end in their first bytes.
            Some(first) => match run::length_of(first, set) {
                16.. => run::length(rest.get(..max).unwrap_or(rest), set),
                length => length,
            },
            None => run::length(rest, set),
        };
        let length = length.min(max);
        #[cfg(test)]
        self.looked(length.saturating_add(1));
        match length < rest.len() || length == max || self.is_end {
            true => Ok(at.wrapping_add(length)),
            false => Err(More),
        }
    }

    /// Where the digits that begin at a position end; at most `max` bytes on.
    #[inline]
    pub(super) fn digits(&self, at: usize, max: usize) -> Result<usize, More> {
        let length = self.rest(at).first_chunk().map_or(8, run::digits);
        if length < 8 {
            #[cfg(test)]
            self.looked(length.saturating_add(1));
            return Ok(at.wrapping_add(length.min(max)));
        }
        self.run_of(at, max, Set::DIGIT)
    }

    /// The sixteen bytes before a position and those from it on, where there are so many.
    #[inline]
    pub(super) fn around(&self, at: usize) -> Option<(&'t [u8; 16], &'t [u8; 16])> {
        let first = at.wrapping_sub(self.base).checked_sub(16)?;
        let near: &[u8; 32] = self.bytes.get(first..)?.first_chunk()?;
        near.first_chunk().zip(near.last_chunk())
    }

    /// The block of bytes before a position, where there are so many.
    pub(super) fn block_before(&self, at: usize) -> Option<&'t [u8; BLOCK_BYTES]> {
        let end = at.wrapping_sub(self.base);
        self.bytes.get(..end)?.last_chunk()
    }

    /// Where the run of a class that ends at a position begins; at most `max` bytes back.
    #[inline]
    pub(super) fn run_back(&self, at: usize, max: usize, is_in: impl Fn(u8) -> bool) -> usize {
        let end = at.wrapping_sub(self.base);
        let near = self.bytes.get(end.saturating_sub(max)..end);
        let near = near.unwrap_or_default().iter().rev();
        let length = near.take_while(|&&byte| is_in(byte)).count();
        #[cfg(test)]
        self.looked(length.saturating_add(1));
        at.wrapping_sub(length)
    }

    /// The same for a set.
    pub(super) fn run_of_back(&self, at: usize, max: usize, set: Set) -> usize {
        let end = at.wrapping_sub(self.base);
        let before = self.bytes.get(..end).unwrap_or_default();
        let length = match before.last_chunk() {
            Some(last) => match run::length_of_back(last, set) {
                16.. => {
                    let first = end.saturating_sub(max);
                    run::length_back(before.get(first..).unwrap_or_default(), set)
                }
                length => length,
            },
            None => run::length_back(before, set),
        };
        let length = length.min(max);
        #[cfg(test)]
        self.looked(length.saturating_add(1));
        at.wrapping_sub(length)
    }

    /// Bytes that were read before.
    pub(super) fn part(&self, range: Range<usize>) -> &'t [u8] {
        let start = range.start.wrapping_sub(self.base);
        let end = range.end.wrapping_sub(self.base);
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// Whether the text goes on with these bytes.
    pub(super) fn has(&self, at: usize, want: &[u8]) -> Result<bool, More> {
        let rest = self.rest(at);
        let near = rest.get(..want.len()).unwrap_or(rest);
        #[cfg(test)]
        self.looked(near.len());
        if !want.starts_with(near) {
            return Ok(false);
        }
        match near.len() == want.len() {
            true => Ok(true),
            false if self.is_end => Ok(false),
            false => Err(More),
        }
    }
}

/// What bytes are made use of, a bit for each.
pub(super) mod class {
    pub(in crate::redact) const WORD: u8 = 1;
    pub(in crate::redact) const NAME: u8 = 2;
    pub(in crate::redact) const BASE64URL: u8 = 4;
    /// What may stand between a name and the `:` or `=` behind it.
    pub(in crate::redact) const MARK: u8 = 8;
    pub(in crate::redact) const DOTTED: u8 = 16;
    pub(in crate::redact) const BASE64: u8 = 32;
    pub(in crate::redact) const VALUE: u8 = 64;
    pub(in crate::redact) const HEX: u8 = 128;
}

const CLASSES: [u8; 256] = {
    use class::{BASE64, BASE64URL, DOTTED, HEX, MARK, NAME, VALUE, WORD};
    let mut table = [0; 256];
    let mut byte = u8::MAX;
    loop {
        let mut bits = 0;
        if byte.is_ascii_alphanumeric() {
            bits |= WORD | NAME | BASE64URL | DOTTED | BASE64;
        }
        if byte.is_ascii_hexdigit() {
            bits |= HEX;
        }
        bits |= match byte {
            b'_' => NAME | BASE64URL | DOTTED | BASE64,
            b'-' => BASE64URL | DOTTED | BASE64,
            b'.' => DOTTED | BASE64,
            b'+' | b'/' | b'=' | b'~' => BASE64,
            _ => 0,
        };
        let is_mark = matches!(
            byte,
            b' ' | b'\t'
                | b'"'
                | b'\''
                | b'`'
                | b'\\'
                | b':'
                | b'['
                | b']'
                | b'}'
                | b'*'
                | b'?'
                | b'!'
        );
        if is_mark {
            bits |= MARK;
        }
        let is_end = byte <= b' '
            || matches!(
                byte,
                b'"' | b'\'' | b'`' | b',' | b';' | b'<' | b'>' | b'&' | b'\\' | b')' | b'}' | b']'
            );
        if !is_end {
            bits |= VALUE;
        }
        #[expect(
            clippy::indexing_slicing,
            reason = "evaluated by the compiler, which refuses to build where it goes wrong"
        )]
        {
            table[byte as usize] = bits;
        }
        if byte == 0 {
            break;
        }
        byte = byte.wrapping_sub(1);
    }
    table
};

/// Whether a byte is of one of these classes.
#[inline]
pub(super) fn is_in(byte: u8, classes: u8) -> bool {
    let class = CLASSES.get(usize::from(byte));
    class.is_some_and(|class| class & classes != 0)
}

/// Letters and digits.
pub(super) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// What a name in code is made of.
pub(super) const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// base64url, which most tokens are made of.
pub(super) fn is_base64url(byte: u8) -> bool {
    is_in(byte, class::BASE64URL)
}
