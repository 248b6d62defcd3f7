//! The places of a text that call detectors, found in blocks of bytes without a branch between them, so that they fit vectors.
//!
//! A place is told by its byte and the two beside it. Whatever is let out here no detector would have found anything at; so
//! a stream, which looks again once the next byte is there, finds the same.

use super::block::{BLOCK_BYTES, Block, class, is_any};
use super::detector::is_idle;
#[cfg(test)]
use super::view::EVERY;
use super::view::{View, is_word};

/// A block, the byte before it and the byte behind it.
const WINDOW_BYTES: usize = BLOCK_BYTES + 2;
/// Up to so many bytes at the end are looked at one by one.
const NEAR_BYTES: usize = 16;

/// No text is so long.
const NOWHERE: usize = usize::MAX >> 1;

/// Where triggers are, block by block.
pub(super) struct Triggers<'t> {
    bytes: &'t [u8],
    base: usize,
    is_end: bool,
    /// Where the block begins whose triggers these are: a bit for each.
    block: usize,
    bits: u64,
}

impl<'t> Triggers<'t> {
    pub(super) const fn new(view: &View<'t>) -> Self {
        Self {
            bytes: view.bytes(),
            base: view.base(),
            is_end: view.is_end(),
            block: NOWHERE,
            bits: 0,
        }
    }

    /// The first trigger at a position or behind it, or the end of the text. The last byte of a text that goes on is one if it
    /// could be.
    #[inline]
    pub(super) fn next(&mut self, from: usize) -> usize {
        let offset = from.wrapping_sub(self.base);
        let shift = offset.wrapping_sub(self.block);
        if shift < BLOCK_BYTES {
            self.bits = self.bits >> shift << shift;
            if self.bits != 0 {
                return self.found();
            }
            return self.search(self.block.wrapping_add(BLOCK_BYTES));
        }
        self.search(offset)
    }

    /// The same without those that are known to come to nothing.
    #[inline]
    pub(super) fn next_busy(&mut self, view: &View<'_>, mut from: usize) -> usize {
        loop {
            let at = self.next(from);
            let is_busy = view.around(at).is_none_or(|(before, behind)| {
                #[cfg(test)]
                if view.steps.get() >= EVERY {
                    return true;
                }
                !is_idle(before, behind)
            });
            if is_busy {
                return at;
            }
            from = at.wrapping_add(1);
        }
    }

    /// The first trigger in a block that begins here or behind it.
    #[inline(never)]
    fn search(&mut self, mut block: usize) -> usize {
        while block < self.bytes.len() {
            let window = block
                .checked_sub(1)
                .and_then(|before| self.bytes.get(before..)?.first_chunk());
            self.bits = match window {
                Some(window) => calls(window),
                None => self.edge(block),
            };
            self.block = block;
            if self.bits != 0 {
                return self.found();
            }
            block = block.wrapping_add(BLOCK_BYTES);
        }
        self.base.wrapping_add(self.bytes.len())
    }

    const fn found(&self) -> usize {
        let offset = self.bits.trailing_zeros() as usize;
        self.base.wrapping_add(self.block).wrapping_add(offset)
    }

    /// A block at the text's beginning or end.
    fn edge(&self, block: usize) -> u64 {
        let rest = self.bytes.get(block..).unwrap_or_default();
        let rest = rest.get(..BLOCK_BYTES).unwrap_or(rest);
        if rest.len() <= NEAR_BYTES {
            return self.near(block, rest);
        }
        if rest.iter().all(|&byte| !is_any(byte)) {
            return 0;
        }
        let mut window = [0; WINDOW_BYTES];
        let skipped = usize::from(block == 0);
        let text = self.bytes.get(block.saturating_sub(1)..);
        let text = text.unwrap_or_default();
        let slots = window.get_mut(skipped..).unwrap_or_default();
        let length = text.len().min(slots.len());
        if let (Some(slots), Some(text)) = (slots.get_mut(..length), text.get(..length)) {
            slots.copy_from_slice(text);
        }
        calls(&window) | self.open(block)
    }

    /// The few bytes that a delta brings, one by one: a block would cost more.
    fn near(&self, block: usize, rest: &[u8]) -> u64 {
        let mut before = block.checked_sub(1).and_then(|at| self.bytes.get(at));
        let mut behind = rest.iter().skip(1);
        let (mut bits, mut bit) = (0, 1);
        for byte in rest {
            let next = behind.next().copied().unwrap_or(0);
            if is_any(*byte) && is_call(before.copied().unwrap_or(0), *byte, next) {
                bits |= bit;
            }
            bit <<= 1;
            before = Some(byte);
        }
        bits | self.open(block)
    }

    /// The last byte of a text that goes on, if it could be a trigger.
    fn open(&self, block: usize) -> u64 {
        let last = self.bytes.len().wrapping_sub(1).wrapping_sub(block);
        let is_open = !self.is_end && self.bytes.last().is_some_and(|&byte| is_any(byte));
        match is_open && last < BLOCK_BYTES {
            true => 1 << last,
            false => 0,
        }
    }
}

/// A bit for each byte of the block that calls.
fn calls(window: &[u8; WINDOW_BYTES]) -> u64 {
    let [_, bytes @ .., _] = window;
    let places = Block::new(bytes).all();
    if places.count_ones() <= FEW {
        few(window, places)
    } else {
        many(window)
    }
}

/// All places at once.
fn many(window: &[u8; WINDOW_BYTES]) -> u64 {
    let [before, bytes @ .., behind] = window;
    let (before, behind) = (*before, *behind);
    let block = Block::new(bytes);
    let digits = block.of(class::DIGIT);
    let lines = block.of(class::LINE);
    let dashes = block.of(class::DASH);
    let dots = block.of(class::DOT);
    let signs = block.of(class::SIGN);
    let separators = lines | dashes | dots;
    let (letters, gaps) = (block.letters(), block.gaps());
    let words = digits | letters;
    // Shifted, a bit says what stands before a place, or behind it.
    let after = |bits: u64, is: bool| bits << 1 | u64::from(is);
    let ahead = |bits: u64, is: bool| bits >> 1 | u64::from(is) << 63;
    let after_letter = after(letters, before.is_ascii_alphabetic());
    let after_word = after(words, is_word(before));
    let before_word = ahead(words, is_word(behind));
    let before_joint = ahead(gaps | dashes | dots, matches!(behind, b' ' | b'-'..=b'/'));
    // The first digit of a number, or of a word with letters; one digit by itself is neither.
    let goes_on = before_word | !after_letter & before_joint;
    let after_digit = after(digits | lines, before.is_ascii_digit() || before == b'_');
    let numbers = digits & !after_digit & goes_on;
    // The first separator of a prefix; a MAC address.
    let more = lines | dashes | signs;
    let is_more = matches!(behind, b'_' | b'-' | b'+' | b'(');
    let prefixes = separators & after_word & (before_word | ahead(more, is_more));
    // The first of dashes in a row.
    let blocks =
        dashes & ahead(dashes, behind == b'-') & !after_word & !after(dashes, before == b'-');
    let phones = signs
        & ahead(
            digits | signs,
            behind.is_ascii_digit() || matches!(behind, b'(' | b'+'),
        )
        & !after_word
        & !after(lines, before == b'_');
    let mut others = block.of(class::ASSIGN) | block.of(class::RARE) | block.of(class::LAST);
    // In `ASIA`, `ABIA` and `LTAI`.
    let middle = others & block.is(b'I');
    if middle != 0 {
        let [a, b, s] = [b'A', b'B', b'S'].map(|byte| block.is(byte));
        let in_key = after(b | s, matches!(before, b'B' | b'S')) & ahead(a, behind == b'A')
            | after(a, before == b'A') & before_word;
        others &= !middle | in_key;
    }
    // In `password` and `passwd`.
    let middle = others & block.is(b'w');
    if middle != 0 {
        let in_word = after(block.is(b's'), before == b's')
            & ahead(
                block.is(b'o') | block.is(b'd'),
                matches!(behind, b'o' | b'd'),
            );
        others &= !middle | in_word;
    }
    numbers | prefixes | blocks | phones | others
}

/// Up to so many it is faster to ask of each.
const FEW: u32 = 5;

/// The same, place by place.
fn few(window: &[u8; WINDOW_BYTES], mut places: u64) -> u64 {
    let mut bits = 0;
    while places != 0 {
        let place = places.trailing_zeros();
        places &= places.wrapping_sub(1);
        let from = usize::try_from(place).unwrap_or(0);
        if let Some(&[before, byte, next, ..]) = window.get(from..) {
            bits |= u64::from(is_call(before, byte, next)) << place;
        }
    }
    bits
}

fn is_call(before: u8, byte: u8, next: u8) -> bool {
    match byte {
        b'0'..=b'9' => {
            let is_joint = matches!(next, b' ' | b'-'..=b'/') && !before.is_ascii_alphabetic();
            !(before.is_ascii_digit() || before == b'_') && (is_word(next) || is_joint)
        }
        b'-' if next == b'-' && !is_word(before) && before != b'-' => true,
        b'_' | b'-' | b'.' => {
            let is_more = matches!(next, b'_' | b'-' | b'+' | b'(');
            is_word(before) && (is_word(next) || is_more)
        }
        b'(' | b'+' => {
            let is_number = next.is_ascii_digit() || matches!(next, b'(' | b'+');
            is_number && !is_word(before) && before != b'_'
        }
        b'I' => matches!(before, b'B' | b'S') && next == b'A' || before == b'A' && is_word(next),
        b'w' => before == b's' && matches!(next, b'o' | b'd'),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::properties::Random;
    use core::cell::Cell;

    /// The text with a `^` before each trigger.
    #[track_caller]
    fn check(want: &str) {
        let text = want.replace('^', "");
        let steps = Cell::new(0);
        let view = View::new(text.as_bytes(), 0, true, &steps);
        let (mut triggers, mut from, mut marked) = (Triggers::new(&view), 0, String::new());
        loop {
            let at = triggers.next(from);
            if at == text.len() {
                break;
            }
            marked.push_str(text.get(from..at).unwrap());
            marked.push('^');
            marked.push_str(text.get(at..=at).unwrap());
            from = at.wrapping_add(1);
        }
        marked.push_str(text.get(from..).unwrap());
        assert_eq!(marked, want);
    }

    #[test]
    fn a_number_calls_with_its_first_digit() {
        check("of ^4111 and u8, f(0) [1] x^27y");
    }

    #[test]
    fn prose_does_not_call() {
        check("One sentence, and (perhaps) another. Well - yes; a + b.");
    }

    #[test]
    fn separators_call_inside_words() {
        check("sk^-abc ghp^_X SG^.x ... ^-----BEGIN a ^= b^:c jane^@x ^(^+^49 e^.g. 1+1");
    }

    #[test]
    fn triggers_are_the_same_wherever_blocks_begin() {
        for length in 0..70 {
            check(&format!("{}ey^Jx A^I^za @x", "x".repeat(length)).replace(" @", " ^@"));
        }
    }

    #[test]
    fn a_few_bytes_at_the_end_are_told_as_a_block_is() {
        let bytes: Vec<u8> = (b' '..=b'~').chain([0, 10, 200]).collect();
        let mut random = Random::new(5);
        let steps = Cell::new(0);
        for _ in 0..20_000 {
            let length = 1 + random.below(NEAR_BYTES);
            let mut window = [0; WINDOW_BYTES];
            window[..=length].fill_with(|| bytes[random.below(bytes.len())]);
            let text = &window[..=length];
            let view = View::new(text, 0, true, &steps);
            let triggers = Triggers::new(&view);
            assert_eq!(triggers.near(1, &text[1..]), many(&window), "{text:?}");
        }
    }

    #[test]
    fn few_places_are_told_as_many_are() {
        let bytes: Vec<u8> = (b' '..=b'~').chain([0, 10, 200]).collect();
        let mut random = Random::new(3);
        for _ in 0..20_000 {
            let window = [(); WINDOW_BYTES].map(|()| bytes[random.below(bytes.len())]);
            let [_, middle @ .., _] = &window;
            let places = Block::new(middle).all();
            assert_eq!(few(&window, places), many(&window), "{window:?}");
        }
    }
}
