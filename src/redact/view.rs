//! The text as detectors see it: bytes from some place on, and perhaps more to come.
//!
//! A detector reads with [`View::ahead`], which fails with [`More`] where the text so far ends. So a decision rests
//! on bytes that were there, and is the same wherever the text was cut. Looking back never fails: the scanner keeps
//! [`LOOK_BACK_BYTES`] behind whatever is undecided.

#[cfg(test)]
use core::cell::Cell;
use core::ops::Range;

/// The decision needs bytes that have not arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct More;

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
        let last = at.saturating_add(max);
        let mut end = at;
        while end < last && is_in(self.ahead(end)?) {
            end = end.wrapping_add(1);
        }
        Ok(end)
    }

    /// Where the run of a class that ends at a position begins; at most `max` bytes back.
    #[inline]
    pub(super) fn run_back(&self, at: usize, max: usize, is_in: impl Fn(u8) -> bool) -> usize {
        let first = at.saturating_sub(max);
        let mut start = at;
        while start > first && is_in(self.before(start)) {
            start = start.wrapping_sub(1);
        }
        start
    }

    /// Bytes that were read before.
    pub(super) fn part(&self, range: Range<usize>) -> &'t [u8] {
        let start = range.start.wrapping_sub(self.base);
        let end = range.end.wrapping_sub(self.base);
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// Whether the text goes on with these bytes.
    pub(super) fn has(&self, at: usize, want: &[u8]) -> Result<bool, More> {
        for (at, &want) in (at..).zip(want) {
            if self.ahead(at)? != want {
                return Ok(false);
            }
        }
        Ok(true)
    }
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
pub(super) const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// What may stand before the `@` of an address; every start of a match that lies before its trigger is made of these.
pub(super) const fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+' | b'%' | b'\'' | b'&')
}
