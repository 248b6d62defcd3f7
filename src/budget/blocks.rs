//! What a long text weighs, 64 bytes at once.
//!
//! Each byte is of a class: small letters, capitals, digits, blanks, breaks, marks, or of another script. A run of one class
//! weighs by its length, so the sum is made of how many bytes of a class there are, how many begin a run, and how many stand
//! far into a word: counts of bits in masks with a bit for each byte. An escape is one character of the class that it stands
//! for. Where runs and escapes cross the end of a block, the next one is told.

use super::weigh::{
    ACCENT, BLANK, BREAK, BREAKS, CAPITAL, CJK, CYRILLIC, EMOJI, FOREIGN, LATE_LETTER, LETTER,
    MARK, MARKS, NUMBER, SCRIPT, WORD,
};
use crate::codec::lanes::{LANES, Lanes};

/// The weight of a text.
#[inline(never)] // It stands in the module once.
pub(super) fn weigh(text: &[u8]) -> u64 {
    let mut before = Before::default();
    let mut sum = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let mut last = [0; LANES];
        let (block, behind) = split(rest, &mut last);
        sum = sum.saturating_add(before.weigh(block, behind.first().copied()));
        rest = behind;
    }
    sum
}

/// Characters beyond ASCII: their first byte says of which script they are. From the last such byte on.
const SCRIPTS: [(u8, u64); 7] = [
    (0xF0, EMOJI),
    (0xEE, FOREIGN),
    (0xE3, CJK),
    (0xE0, FOREIGN),
    (0xD4, SCRIPT),
    (0xD0, CYRILLIC),
    (0xC0, ACCENT),
];
/// A byte that weighs nothing: the rest of a character.
const NOTHING: u8 = 0x80;

/// What the block before ends with.
#[derive(Default)]
struct Before {
    small: u64,
    /// The small letters behind another.
    pairs: u64,
    capitals: u64,
    /// The capitals that begin a run.
    heads: u64,
    blanks: u64,
    breaks: u64,
    marks: u64,
    digits: u64,
    /// The digits behind another.
    more_digits: u64,
    /// The digits that begin a token.
    numbers: u64,
    /// Of an escape at its end, so many bytes stand in this block.
    tail_bytes: u32,
    tail: Escape,
}

/// What an escape stands for.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Escape {
    Break,
    Mark,
    #[default]
    Number,
}

/// Where escapes stand in a block.
#[derive(Default)]
struct Escapes {
    all: u64,
    /// All but their first bytes.
    rests: u64,
    breaks: u64,
    marks: u64,
    numbers: u64,
}

impl Before {
    /// Weighs a block; `next` is the byte behind it.
    fn weigh(&mut self, block: &[u8; LANES], next: Option<u8>) -> u64 {
        let lanes = Lanes::new(block);
        let escapes = self.escapes(block, lanes.is(b'\\'), next);
        let high = lanes.high();
        let small = lanes.within(b'a', b'z') & !escapes.all;
        let capitals = lanes.within(b'A', b'Z') & !escapes.all;
        let digits = lanes.within(b'0', b'9') & !escapes.all;
        let blanks = lanes.is(b' ') & !escapes.all;
        let breaks = (lanes.within(b'\t', b'\n') | lanes.is(b'\r')) & !escapes.all;
        let plain = small | capitals | digits | blanks | breaks | high | escapes.all;
        let breaks = breaks | escapes.breaks;
        let marks = !plain | escapes.marks;

        let heads = capitals & !behind(capitals, self.capitals, 1);
        let pairs = small & behind(small, self.small, 1);
        let begins = small & !pairs;
        // A capital begins its word.
        let words = begins & !behind(heads, self.heads, 1);
        let fours = pairs & behind(pairs, self.pairs, 2);
        let sixes = fours & behind(pairs, self.pairs, 4);
        let late = sixes & behind(small | heads, self.small | self.heads, 6);
        let more_blanks = blanks & behind(blanks, self.blanks, 1);
        let first_breaks = breaks & !behind(breaks, self.breaks, 1);
        let first_marks = marks & !behind(marks, self.marks, 1);
        let sum = [
            (words | heads, WORD),
            (pairs, LETTER),
            (late, LATE_LETTER.saturating_sub(LETTER)),
            (capitals & !heads, CAPITAL),
            (more_blanks, BLANK),
            (breaks & !escapes.rests, BREAKS),
            (first_breaks, BREAK.saturating_sub(BREAKS)),
            (marks & !escapes.rests, MARKS),
            (first_marks, MARK.saturating_sub(MARKS)),
            (escapes.numbers, FOREIGN),
            (self.numbers(digits), NUMBER),
        ];
        let sum = sum.into_iter().fold(0, |sum, (places, each)| {
            count(places).wrapping_mul(each).wrapping_add(sum)
        });
        *self = Self {
            small,
            pairs,
            capitals,
            heads,
            blanks,
            breaks,
            marks,
            ..*self
        };
        match high {
            0 => sum,
            _ => sum.wrapping_add(scripts(lanes, !escapes.all)),
        }
    }

    /// The digits that begin a token: the first of each run, the fourth and so on.
    fn numbers(&mut self, digits: u64) -> u64 {
        let more = digits & behind(digits, self.digits, 1);
        // Those with three others before them.
        let mut joined = more & behind(more, self.more_digits, 2);
        let mut firsts = digits & !more | joined & behind(0, self.numbers, 3);
        let mut by = 3;
        while joined != 0 && by < u64::BITS {
            firsts |= joined & firsts << by;
            joined &= joined << by;
            by = by.wrapping_mul(2);
        }
        (self.digits, self.more_digits, self.numbers) = (digits, more, firsts);
        firsts
    }

    /// Finds what stands for one character.
    fn escapes(&mut self, block: &[u8; LANES], slashes: u64, next: Option<u8>) -> Escapes {
        let mut escapes = Escapes::default();
        if slashes | u64::from(self.tail_bytes) == 0 {
            return escapes;
        }
        let tail = low(self.tail_bytes);
        escapes.add(self.tail, tail);
        escapes.rests = tail;
        self.tail_bytes = 0;
        let mut left = slashes & !tail;
        while left != 0 {
            let at = left.trailing_zeros();
            let place = usize::try_from(at).unwrap_or(LANES).wrapping_add(1);
            let (escape, bytes) = escape(block.get(place).copied().or(next).unwrap_or(NOTHING));
            let span = low(bytes) << at;
            let first = 1 << at;
            escapes.add(escape, span);
            escapes.rests |= span & !first;
            if escape == Escape::Number {
                escapes.numbers |= first;
            }
            let end = at.wrapping_add(bytes);
            if end > u64::BITS {
                (self.tail, self.tail_bytes) = (escape, end.wrapping_sub(u64::BITS));
            }
            left &= !span;
        }
        escapes
    }
}

impl Escapes {
    fn add(&mut self, escape: Escape, span: u64) {
        self.all |= span;
        match escape {
            Escape::Break => self.breaks |= span,
            Escape::Mark => self.marks |= span,
            Escape::Number => {}
        }
    }
}

/// What a backslash before this byte stands for, and how many bytes both have with what belongs to them.
const fn escape(next: u8) -> (Escape, u32) {
    match next {
        b'n' | b'r' | b't' => (Escape::Break, 2),
        b'u' => (Escape::Number, 6),
        // No JSON escapes a character beyond ASCII; its rest is skipped with it.
        0xC0..=0xDF => (Escape::Mark, 3),
        0xE0..=0xEF => (Escape::Mark, 4),
        0xF0..=0xFF => (Escape::Mark, 5),
        _ => (Escape::Mark, 2),
    }
}

/// What characters beyond ASCII weigh, at these places.
#[inline(never)]
fn scripts(lanes: Lanes, places: u64) -> u64 {
    let mut above = 0;
    SCRIPTS.into_iter().fold(0, |sum, (first, each)| {
        let all = from(lanes, first, places);
        let own = all.wrapping_sub(above);
        above = all;
        own.wrapping_mul(each).wrapping_add(sum)
    })
}

/// How many bytes there are from this one on, at these places.
#[inline(never)]
fn from(lanes: Lanes, first: u8, places: u64) -> u64 {
    count(lanes.within(first, u8::MAX) & places)
}

/// The places that stand so many behind these, and behind those of the block before.
const fn behind(places: u64, before: u64, by: u32) -> u64 {
    places << by | before >> u64::BITS.wrapping_sub(by)
}

/// So many places from the first on.
const fn low(places: u32) -> u64 {
    (1_u64 << places).wrapping_sub(1)
}

fn count(places: u64) -> u64 {
    u64::from(places.count_ones())
}

/// Splits off a block. The last one is filled with what weighs nothing.
pub(super) fn split<'b, 't: 'b>(
    text: &'t [u8],
    last: &'b mut [u8; LANES],
) -> (&'b [u8; LANES], &'t [u8]) {
    match text.split_first_chunk() {
        Some(split) => split,
        None => {
            *last = padded(text);
            (last, &[])
        }
    }
}

#[inline(never)]
fn padded(text: &[u8]) -> [u8; LANES] {
    let mut block = [NOTHING; LANES];
    if let Some(start) = block.get_mut(..text.len()) {
        start.copy_from_slice(text);
    }
    block
}

#[cfg(test)]
mod tests {
    use super::super::weigh::one_by_one;
    use super::*;
    use crate::codec::random::Random;

    #[track_caller]
    fn check(text: &str) {
        assert_eq!(
            weigh(text.as_bytes()),
            one_by_one(text.as_bytes()),
            "{text:?}"
        );
    }

    #[test]
    fn every_pair_of_bytes_weighs_what_it_does_one_by_one() {
        for pair in 0..=u16::MAX {
            let [one, other] = pair.to_le_bytes().map(char::from);
            check(&format!("{one}{other}"));
        }
    }

    #[test]
    fn runs_of_every_length_weigh_the_same_wherever_a_block_ends() {
        for unit in [
            "a", "A", "Aa", "1", " ", "\n", "\\n", "-", "\\\"", "\\\\", "\\u00e9", "é", "д", "字",
            "🙂", "\\é", "\\字", "\\🙂",
        ] {
            for lead in 0..70 {
                for length in 1..12 {
                    let (lead, run) = (".".repeat(lead), unit.repeat(length));
                    check(&format!("{lead}{run}"));
                    check(&format!("{lead}A{run}b"));
                    check(&format!("{lead}{run}-{}", "z9".repeat(40)));
                }
            }
        }
    }

    #[test]
    fn words_and_numbers_that_fill_blocks_weigh_the_same() {
        for unit in ["a", "A", "1", " ", "\n", "-", "字"] {
            for length in 0..300 {
                check(&unit.repeat(length));
                check(&format!("B{}", unit.repeat(length)));
            }
        }
    }

    /// Characters of every class, and halves of escapes.
    const PIECES: &[&str] = &[
        "a",
        "e",
        "n",
        "r",
        "t",
        "u",
        "z",
        "word",
        "internationalization",
        "A",
        "Z",
        "The",
        "HTTP",
        "0",
        "7",
        "2026",
        "123456789",
        " ",
        "   ",
        "\n",
        "\r\n",
        "\t",
        "\\n",
        "\\t",
        "\\\"",
        "\\\\",
        "\\",
        "\\u",
        "\\u00",
        "\\u00e9",
        "\\u4e2d",
        ".",
        "{",
        "\"",
        "\u{b}",
        "\0",
        "\u{7f}",
        "\u{80}",
        "é",
        "ö",
        "Д",
        "д",
        "א",
        "ى",
        "ก",
        "€",
        "字",
        "网关",
        "\u{e000}",
        "ﬁ",
        "🙂",
        "👩‍💻",
    ];

    #[test]
    fn a_text_of_all_classes_weighs_what_it_does_byte_by_byte_at_every_cut() {
        let mut random = Random::new(5);
        for round in 0..3_000 {
            let mut text = String::new();
            // Some texts have few classes, so that runs grow long.
            let (from, width) = (random.below(PIECES.len()), 1 + random.below(PIECES.len()));
            for _ in 0..random.below(120) {
                let at = (from + random.below(width)) % PIECES.len();
                text += PIECES[at];
            }
            check(&text);
            if round % 50 != 0 {
                continue;
            }
            for (at, _) in text.char_indices() {
                let (head, tail) = text.split_at(at);
                check(head);
                check(tail);
            }
        }
    }

    #[test]
    fn real_texts_weigh_what_they_do_byte_by_byte() {
        for text in [
            include_str!("blocks.rs"),
            include_str!("../../README.md"),
            include_str!("zones.txt"),
        ] {
            check(text);
            check(&serde_json::to_string(text).unwrap());
        }
    }
}
