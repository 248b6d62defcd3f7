//! What a text weighs in hundredths of a token: by the runs of its letters, digits, blanks and marks.
//!
//! Short texts, such as the deltas of a stream, are read byte by byte; [`blocks`] weighs longer ones, and finds
//! the same.

use super::blocks;

/// A shorter text is not worth a block.
const BLOCKS_BYTES_MIN: usize = 40;

/// The weight of a text.
pub(super) fn weigh(text: &[u8]) -> u64 {
    match text.len() {
        ..BLOCKS_BYTES_MIN => one_by_one(text),
        _ => blocks::weigh(text),
    }
}

/// What the last character was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Run {
    Start,
    Word,
    Upper(u64),
    Digits(u64),
    Space,
    Break,
    Mark,
    Foreign,
}

/// The weight, byte by byte.
#[inline(never)]
pub(super) fn one_by_one(text: &[u8]) -> u64 {
    let mut sum = 0_u64;
    let mut run = Run::Start;
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        let (weight, next) = match byte {
            b'a'..=b'z' => {
                // A capital begins its word.
                let begins = run == Run::Upper(1);
                let (first, length) = if begins { (0, 2) } else { (WORD, 1) };
                // Most bytes are the rest of a word: they are counted, not weighed one by one.
                let rest = bytes.as_slice();
                let end = rest.iter().position(|byte| !byte.is_ascii_lowercase());
                let more = end.unwrap_or(rest.len());
                bytes = rest.get(more..).unwrap_or_default().iter();
                (first.saturating_add(letters(length, more)), Run::Word)
            }
            b'A'..=b'Z' => {
                if let Run::Upper(length) = run {
                    (CAPITAL, Run::Upper(length.saturating_add(1)))
                } else {
                    (WORD, Run::Upper(1))
                }
            }
            b'0'..=b'9' => {
                if let Run::Digits(length) = run {
                    let weight = if length % 3 == 0 { NUMBER } else { 0 };
                    (weight, Run::Digits(length.saturating_add(1)))
                } else {
                    (NUMBER, Run::Digits(1))
                }
            }
            // One blank belongs to the word behind it; more are one token.
            b' ' => (if run == Run::Space { BLANK } else { 0 }, Run::Space),
            b'\n' | b'\r' | b'\t' => (if run == Run::Break { BREAKS } else { BREAK }, Run::Break),
            b'\\' => match bytes.next() {
                Some(b'n' | b'r' | b't') => {
                    (if run == Run::Break { BREAKS } else { BREAK }, Run::Break)
                }
                Some(b'u') => {
                    // Four digits follow: a character that few write so.
                    bytes.nth(3);
                    (FOREIGN, Run::Foreign)
                }
                _ => (if run == Run::Mark { MARKS } else { MARK }, Run::Mark),
            },
            0x00..=0x7F => (if run == Run::Mark { MARKS } else { MARK }, Run::Mark),
            // The first byte of a character says of which script it is.
            0x80..=0xBF => (0, run),
            0xC0..=0xCF => (ACCENT, Run::Foreign),
            0xD0..=0xD3 => (CYRILLIC, Run::Foreign),
            0xD4..=0xDF => (SCRIPT, Run::Foreign),
            0xE3..=0xED => (CJK, Run::Foreign),
            0xE0..=0xEF => (FOREIGN, Run::Foreign),
            0xF0..=0xFF => (EMOJI, Run::Foreign),
        };
        sum = sum.saturating_add(weight);
        run = next;
    }
    sum
}

pub(super) const WORD: u64 = 100;
/// What a letter adds to a short word: these are whole tokens, long ones fall into pieces.
pub(super) const LETTER: u64 = 4;
/// What one adds that has six before it.
pub(super) const LATE_LETTER: u64 = 18;
pub(super) const CAPITAL: u64 = 35;
/// Three digits.
pub(super) const NUMBER: u64 = 100;
/// One blank belongs to the word behind it; more are one token.
pub(super) const BLANK: u64 = 4;
pub(super) const MARK: u64 = 75;
pub(super) const MARKS: u64 = 45;
pub(super) const BREAK: u64 = 85;
pub(super) const BREAKS: u64 = 10;
pub(super) const ACCENT: u64 = 50;
pub(super) const CYRILLIC: u64 = 28;
pub(super) const SCRIPT: u64 = 40;
pub(super) const CJK: u64 = 80;
pub(super) const FOREIGN: u64 = 100;
pub(super) const EMOJI: u64 = 250;

/// What more letters add to a word of this length: short words are whole tokens, long ones fall into pieces.
fn letters(length: u64, more: usize) -> u64 {
    let more = u64::try_from(more).unwrap_or(u64::MAX);
    let cheap = more.min(SHORT.saturating_sub(length));
    let dear = more.saturating_sub(cheap).saturating_mul(LATE_LETTER);
    cheap.saturating_mul(LETTER).saturating_add(dear)
}

/// Up to so many letters a word is short.
const SHORT: u64 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_a_word_weigh_the_same_one_by_one() {
        for begun in 1..9 {
            for more in 0..20 {
                let one_by_one: u64 = (0..more).map(|at| letters(begun + at, 1)).sum();
                let more = usize::try_from(more).unwrap();
                assert_eq!(letters(begun, more), one_by_one);
            }
        }
        assert_eq!([letters(5, 1), letters(6, 1)], [4, 18]);
    }
}
