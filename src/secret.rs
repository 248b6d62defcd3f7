//! Text that must never be printed, and the digest that stands for it in a table.
//!
//! A [`Secret`] has no `Display` and a `Debug` that shows nothing, so a credential reaches the
//! wire only where somebody wrote `reveal`. A [`Digest`] is what the policy holds instead of a
//! consumer's API key.

use core::fmt;
use core::hint::black_box;

use sha2::{Digest as _, Sha256};

/// A credential. Printing it prints nothing; comparing it takes the same time wherever it differs.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes the text out of sight.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that sends it or derives from it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(..)")
    }
}

impl PartialEq for Secret {
    /// The length is no secret; the bytes are all read whatever they hold.
    fn eq(&self, other: &Self) -> bool {
        let pairs = self.0.bytes().zip(other.0.bytes());
        let differing = pairs.fold(0, |seen, (a, b)| black_box(seen | (a ^ b)));
        self.0.len() == other.0.len() && differing == 0
    }
}

impl Eq for Secret {}

/// The SHA-256 of an API key.
///
/// It compares in ordinary time, so that a table can hold it: who probes the table would have to
/// steer the digest, not the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `key`.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Reads 64 hexadecimal digits of either case, and nothing around them.
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return None;
        }
        let mut digest = [0; 32];
        for (byte, &[high, low]) in digest.iter_mut().zip(pairs) {
            *byte = (nibble(high)? << 4) | nibble(low)?;
        }
        Some(Self(digest))
    }

    /// The digest itself.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

fn nibble(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

impl fmt::Debug for Digest {
    /// Enough to tell two entries apart, not enough to look a weak key up.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, ..] = self.0;
        write!(out, "Digest({a:02x}{b:02x}..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `abc`, FIPS 180-2 appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[track_caller]
    fn check_parse(hex: &str, want: Option<Digest>) {
        assert_eq!(Digest::parse(hex), want);
    }

    #[test]
    fn sixty_four_digits_are_a_digest() {
        check_parse(ABC, Some(Digest::of(b"abc")));
    }

    #[test]
    fn digits_may_be_upper_case() {
        check_parse(&ABC.to_uppercase(), Some(Digest::of(b"abc")));
    }

    #[test]
    fn a_digit_too_few_is_refused() {
        check_parse(ABC.trim_end_matches('d'), None);
    }

    #[test]
    fn a_digit_too_many_is_refused() {
        check_parse(&format!("{ABC}0"), None);
    }

    #[test]
    fn nothing_is_refused() {
        check_parse("", None);
    }

    #[test]
    fn a_sign_is_no_digit() {
        check_parse(&ABC.replacen("ba", "+a", 1), None);
    }

    #[test]
    fn letters_that_are_not_hexadecimal_are_refused() {
        check_parse(&ABC.replacen('a', "ä", 1), None);
    }

    #[test]
    fn printing_shows_nothing_of_a_secret() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(..)");
    }

    #[test]
    fn printing_shows_little_of_a_digest() {
        assert_eq!(format!("{:?}", Digest::of(b"abc")), "Digest(ba78..)");
    }

    #[test]
    fn secrets_are_equal_when_every_byte_is() {
        assert_eq!(Secret::new("sk-1"), Secret::new("sk-1"));
        assert_ne!(Secret::new("sk-1"), Secret::new("sk-2"));
        assert_ne!(Secret::new("sk-1"), Secret::new("sk-"));
        assert_ne!(Secret::new(""), Secret::new("sk-1"));
    }
}
