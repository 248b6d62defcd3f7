//! How far letters and digits go on: sixteen bytes at once in wasm, where the filter runs.
//!
//! A byte is of at most a few atoms, and a set is a choice of atoms.

/// Bytes that words and tokens are made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Set(u8);

impl Set {
    pub(super) const DIGIT: Self = Self(DIGIT);
    pub(super) const HEX: Self = Self(DIGIT | HEX);
    pub(super) const LETTER: Self = Self(LETTER);
    pub(super) const WORD: Self = Self(DIGIT | LETTER);
    /// What a name in code is made of.
    pub(super) const NAME: Self = Self(DIGIT | LETTER | LINE);
    pub(super) const BASE64URL: Self = Self(DIGIT | LETTER | LINE | DASH);
    /// What stands before the `@` of an address; every start of a match that lies before its trigger is made of these.
    pub(super) const LOCAL: Self = Self(DIGIT | LETTER | LINE | DASH | DOT | MARK);
    /// What stands behind it.
    pub(super) const DOMAIN: Self = Self(DIGIT | LETTER | DASH | DOT);
    /// What an IPv4 address is made of.
    pub(super) const DECIMAL: Self = Self(DIGIT | DOT);

    pub(super) fn has(self, byte: u8) -> bool {
        let atoms = ATOMS.get(usize::from(byte));
        atoms.is_some_and(|atoms| atoms & self.0 != 0)
    }
}

/// The same of a vector.
pub(super) use lanes::{length as length_of, length_back as length_of_back};

/// Whether a letter is among them.
pub(super) fn has_letter(bytes: &[u8; 16]) -> bool {
    let small = bytes.map(|byte| u8::from((byte | 0x20).wrapping_sub(b'a') < 26));
    small.iter().fold(0, |any, is| any | is) != 0
}

/// How many of eight bytes are digits, from the first on.
pub(super) fn digits(bytes: &[u8; 8]) -> usize {
    let values = u64::from_le_bytes(*bytes) ^ 0x3030_3030_3030_3030;
    // What is more than nine gets its highest bit; a carry touches only what is behind such.
    let others = (values.wrapping_add(0x7676_7676_7676_7676) | values) & 0x8080_8080_8080_8080;
    (others.trailing_zeros() / 8) as usize
}

/// How many bytes at the beginning are in a set.
pub(super) fn length(bytes: &[u8], set: Set) -> usize {
    let (blocks, rest) = bytes.as_chunks::<16>();
    let mut length: usize = 0;
    for block in blocks {
        let count = length_of(block, set);
        length = length.wrapping_add(count);
        if count < block.len() {
            return length;
        }
    }
    let count = rest.iter().position(|&byte| !set.has(byte));
    length.wrapping_add(count.unwrap_or(rest.len()))
}

/// How many bytes at the end are in a set.
pub(super) fn length_back(bytes: &[u8], set: Set) -> usize {
    let (rest, blocks) = bytes.as_rchunks::<16>();
    let mut length: usize = 0;
    for block in blocks.iter().rev() {
        let count = length_of_back(block, set);
        length = length.wrapping_add(count);
        if count < block.len() {
            return length;
        }
    }
    let count = rest.iter().rev().position(|&byte| !set.has(byte));
    length.wrapping_add(count.unwrap_or(rest.len()))
}

/// `0` to `9`.
const DIGIT: u8 = 1;
/// `A` to `O` and `a` to `o`; `P` to `Z` and `p` to `z`.
const LETTER: u8 = 2 | 4;
/// `A` to `F` and `a` to `f`.
const HEX: u8 = 8;
const LINE: u8 = 16;
const DASH: u8 = 32;
const DOT: u8 = 64;
/// `%`, `&`, `'` and `+`.
const MARK: u8 = 128;

/// The atoms of bytes: a product of those of their high and their low halves.
const ATOMS: [u8; 256] = atoms();
const HIGH: [u8; 16] = [
    0,
    0,
    DASH | DOT | MARK,
    DIGIT,
    2 | HEX,
    4 | LINE,
    2 | HEX,
    4,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
];
const LOW: [u8; 16] = [
    DIGIT | 4,
    DIGIT | LETTER | HEX,
    DIGIT | LETTER | HEX,
    DIGIT | LETTER | HEX,
    DIGIT | LETTER | HEX,
    DIGIT | LETTER | HEX | MARK,
    DIGIT | LETTER | HEX | MARK,
    DIGIT | LETTER | MARK,
    DIGIT | LETTER,
    DIGIT | LETTER,
    LETTER,
    2 | MARK,
    2,
    2 | DASH,
    2 | DOT,
    2 | LINE,
];

#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which refuses to build where it goes wrong"
)]
const fn atoms() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = HIGH[byte >> 4] & LOW[byte & 15];
        byte += 1;
    }
    table
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod lanes {
    use super::{HIGH, LOW, Set};
    use core::arch::wasm32::{
        i8x16_bitmask, i8x16_swizzle, u8x16_eq, u8x16_shr, u8x16_splat, u64x2, v128, v128_and,
    };

    pub(in crate::redact) fn length(block: &[u8; 16], set: Set) -> usize {
        // The sentinel ends a block that is all in.
        (others(block, set) | 1 << 16).trailing_zeros() as usize
    }

    pub(in crate::redact) fn length_back(block: &[u8; 16], set: Set) -> usize {
        (others(block, set) << 16 | 1 << 15).leading_zeros() as usize
    }

    /// A bit for each byte that is not in the set.
    fn others(block: &[u8; 16], set: Set) -> u32 {
        let bytes = vector(block);
        let low = i8x16_swizzle(vector(&LOW), v128_and(bytes, u8x16_splat(15)));
        let high = i8x16_swizzle(vector(&HIGH), u8x16_shr(bytes, 4));
        let atoms = v128_and(v128_and(low, high), u8x16_splat(set.0));
        u32::from(i8x16_bitmask(u8x16_eq(atoms, u8x16_splat(0))))
    }

    fn vector(bytes: &[u8; 16]) -> v128 {
        let (eights, _) = bytes.as_chunks::<8>();
        let word = |at: usize| eights.get(at).copied().map_or(0, u64::from_le_bytes);
        u64x2(word(0), word(1))
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod lanes {
    use super::Set;

    pub(in crate::redact) fn length(block: &[u8; 16], set: Set) -> usize {
        let count = block.iter().position(|&byte| !set.has(byte));
        count.unwrap_or(block.len())
    }

    pub(in crate::redact) fn length_back(block: &[u8; 16], set: Set) -> usize {
        let count = block.iter().rev().position(|&byte| !set.has(byte));
        count.unwrap_or(block.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a set are letters and digits, as far as they are named, and these marks.
    #[track_caller]
    fn check(set: Set, is_in: fn(u8) -> bool, marks: &[u8]) {
        for byte in 0..=u8::MAX {
            let want = is_in(byte) || marks.contains(&byte);
            assert_eq!(set.has(byte), want, "{:?}", char::from(byte));
        }
    }

    #[test]
    fn sets_hold_what_they_are_called_for() {
        check(Set::DIGIT, |byte| byte.is_ascii_digit(), b"");
        check(Set::HEX, |byte| byte.is_ascii_hexdigit(), b"");
        check(Set::LETTER, |byte| byte.is_ascii_alphabetic(), b"");
        check(Set::WORD, |byte| byte.is_ascii_alphanumeric(), b"");
        check(Set::NAME, |byte| byte.is_ascii_alphanumeric(), b"_");
        check(Set::BASE64URL, |byte| byte.is_ascii_alphanumeric(), b"_-");
        check(Set::LOCAL, |byte| byte.is_ascii_alphanumeric(), b"_-.%&'+");
        check(Set::DOMAIN, |byte| byte.is_ascii_alphanumeric(), b"-.");
        check(Set::DECIMAL, |byte| byte.is_ascii_digit(), b".");
    }

    #[test]
    fn digits_end_where_another_byte_stands() {
        for byte in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit()) {
            assert_eq!(digits(&[b'0', b'9', b'5', byte, b'1', 0, 255, b'/']), 3);
        }
        assert_eq!(digits(b"01234567"), 8);
    }

    #[test]
    fn a_run_ends_where_another_byte_stands() {
        for count in 0..70 {
            let word = "a1".repeat(count);
            let behind = format!("{word} a1");
            assert_eq!(length(word.as_bytes(), Set::WORD), word.len());
            assert_eq!(length(behind.as_bytes(), Set::WORD), word.len());
            let before = format!("a1 {word}");
            assert_eq!(length_back(word.as_bytes(), Set::WORD), word.len());
            assert_eq!(length_back(before.as_bytes(), Set::WORD), word.len());
        }
    }
}
