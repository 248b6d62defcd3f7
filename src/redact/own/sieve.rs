//! Where something of the admin's may begin: all patterns, lists and encoded runs together, 64 places at once.
//!
//! Each rule is in one of eight buckets, and a place passes for a bucket if the first three bytes from it on may stand so in any
//! rule of the bucket, and no word goes on in it where that matters. More places pass than there are matches; none that begins
//! one is left out.

use super::super::block::{BLOCK_BYTES, Halves, SIEVED_BYTES, Sieved};
use super::super::view::View;
use super::is_word;
use super::syntax::Bytes;

/// The first bytes of a match.
const TABLES: usize = 3;
const BUCKETS: usize = 8;
/// What begins where words do: patterns that have to leave the word, those that need not, and words of lists.
const LEAVING_WORDS: usize = 0;
const IN_WORDS: usize = 1;
const WORDS: usize = 2;
/// The same of what may begin anywhere.
const LEAVING: usize = 3;
const ANYWHERE: usize = 4;
const SCRAPS: usize = 5;
/// Runs that may be decoded, and patterns that sleep.
const ENCODED: usize = 6;
const ASLEEP: usize = 7;

/// What a match may begin with.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape {
    pub(super) places: [Bytes; TABLES],
}

/// The rules while the sieve is made.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    buckets: [Shape; BUCKETS],
    exits: Bytes,
}

impl Buckets {
    /// A pattern, and with which bytes it leaves the run of letters and digits that it begins in if it has to.
    pub(super) fn add_pattern(&mut self, shape: &Shape, is_at_edge: bool, exits: Option<&Bytes>) {
        let bucket = match (is_at_edge, exits) {
            (true, Some(_)) => LEAVING_WORDS,
            (true, None) => IN_WORDS,
            (false, Some(_)) => LEAVING,
            (false, None) => ANYWHERE,
        };
        self.add_to(bucket, shape);
        exits.into_iter().for_each(|exits| self.exits.add(exits));
    }

    fn add_to(&mut self, bucket: usize, shape: &Shape) {
        let places = self.buckets.get_mut(bucket);
        let places = places.into_iter().flat_map(|bucket| &mut bucket.places);
        for (own, more) in places.zip(&shape.places) {
            own.add(more);
        }
    }

    pub(super) fn add_sleeper(&mut self, shape: &Shape) {
        self.add_to(ASLEEP, shape);
    }

    /// Runs of characters that begin behind others.
    pub(super) fn add_encoded(&mut self, shape: &Shape) {
        self.add_to(ENCODED, shape);
    }

    /// Words that begin where a word does, or that stand anywhere.
    pub(super) fn add_words(&mut self, shape: &Shape, is_at_edge: bool) {
        self.add_to(if is_at_edge { WORDS } else { SCRAPS }, shape);
    }
}

/// Up to so many bytes at the end are looked at one by one.
const NEAR_BYTES: usize = 8;

/// The rules as tables.
#[derive(Debug)]
pub(super) struct Sieve {
    tables: Box<[Halves; TABLES]>,
    exits: Halves,
}

/// Places that passed, in a block or what there is of one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passed {
    pub(super) start: usize,
    pub(super) end: usize,
    /// By place: for patterns that sleep, and for all the rest.
    pub(super) sleepers: u64,
    pub(super) others: u64,
    /// Where letters and digits stand.
    pub(super) words: u64,
}

/// Places of a block.
const BITS: u32 = u64::BITS;

/// So many places.
fn bits(count: u32) -> u64 {
    !u64::MAX.checked_shl(count).unwrap_or(0)
}

impl Passed {
    /// The first places of these, fewer than all.
    fn up_to(mut self, count: u32) -> Self {
        self.end = self.start.wrapping_add(usize::try_from(count).unwrap_or(0));
        self.sleepers &= bits(count);
        self.others &= bits(count);
        self
    }

    pub(super) const fn nowhere() -> Self {
        Self {
            start: 0,
            end: 0,
            sleepers: 0,
            others: 0,
            words: 0,
        }
    }
}

impl Sieve {
    pub(super) fn new(buckets: &Buckets) -> Self {
        let mut tables = Box::new([[[0; 16]; 2]; TABLES]);
        for (bit, shape) in (0_u8..).zip(&buckets.buckets) {
            for (halves, bytes) in tables.iter_mut().zip(&shape.places) {
                mark(halves, bytes, 1 << bit);
            }
        }
        let mut exits = [[0; 16]; 2];
        mark(&mut exits, &buckets.exits, 1);
        Self { tables, exits }
    }

    /// Looks at the places from here on.
    #[inline(never)]
    pub(super) fn look(&self, view: &View<'_>, at: usize) -> Passed {
        let rest = view.rest(at);
        match rest.first_chunk() {
            Some(window) => self.block(window, view, at),
            None if rest.len() <= NEAR_BYTES => self.near(view, at),
            None => self.edge(view, at),
        }
    }

    #[inline]
    fn block(&self, window: &[u8; SIEVED_BYTES], view: &View<'_>, at: usize) -> Passed {
        let sieved = Sieved::new(window, &self.tables);
        let before = view.before(at);
        let words = sieved.words();
        // Shifted, a bit says what stands before a place.
        let inside = words << 1 | u64::from(is_word(before));
        let inside_run = (words & !sieved.high()) << 1 | u64::from(is_word(before) && before < 128);
        let exits = sieved.any(&self.exits) & !words;
        let leaving = runs(words, exits) | !words;
        let of = |bucket: usize| sieved.of(1 << bucket);
        let at_edges = of(LEAVING_WORDS) & leaving | sieved.of(1 << IN_WORDS | 1 << WORDS);
        let passed = Passed {
            start: at,
            end: at.wrapping_add(BLOCK_BYTES),
            sleepers: of(ASLEEP),
            others: sieved.of(1 << ANYWHERE | 1 << SCRAPS)
                | of(LEAVING) & leaving
                | at_edges & !inside
                | of(ENCODED) & !inside_run,
            words,
        };
        // A word that may go on belongs to the next block, where its end is seen.
        match words.leading_ones() {
            cut @ 1..32 => passed.up_to(BITS.wrapping_sub(cut)),
            _ => passed,
        }
    }

    /// The same at the text's end. What has not come yet may be anything.
    fn edge(&self, view: &View<'_>, at: usize) -> Passed {
        let mut window = [0; SIEVED_BYTES];
        let rest = view.rest(at);
        if let Some(slots) = window.get_mut(..rest.len()) {
            slots.copy_from_slice(rest);
        }
        let mut passed = self.block(&window, view, at);
        let length = u32::try_from(rest.len()).unwrap_or(0);
        if length < BITS {
            passed = passed.up_to(length);
        }
        if !view.is_end() {
            // The last two places, and the run at the end.
            let open = (passed.words | !bits(length)).leading_ones();
            let open =
                bits(length) & !bits(BITS.saturating_sub(open).min(length.saturating_sub(2)));
            passed.sleepers |= open;
            passed.others |= open;
        }
        passed
    }

    /// The few bytes that a delta brings, place by place: a block would cost more.
    fn near(&self, view: &View<'_>, at: usize) -> Passed {
        let rest = view.rest(at);
        let mut passed = Passed {
            start: at,
            end: at.wrapping_add(rest.len()),
            ..Passed::nowhere()
        };
        for (place, byte) in rest.iter().enumerate().take(NEAR_BYTES) {
            let ahead = |by: usize| match rest.get(place.wrapping_add(by)) {
                None if !view.is_end() => u8::MAX,
                byte => self.class(by, byte.copied().unwrap_or(0)),
            };
            let passing = ahead(0) & ahead(1) & ahead(2);
            let bit = 1 << place;
            passed.sleepers |= if passing & 1 << ASLEEP != 0 { bit } else { 0 };
            passed.others |= if passing & !(1 << ASLEEP) != 0 {
                bit
            } else {
                0
            };
            passed.words |= if is_word(*byte) { bit } else { 0 };
        }
        passed
    }

    fn class(&self, table: usize, byte: u8) -> u8 {
        let halves = self.tables.get(table);
        halves.map_or(0, |[low, high]| {
            let half = |half: &[u8; 16], at: u8| half.get(usize::from(at)).copied().unwrap_or(0);
            half(low, byte & 15) & half(high, byte >> 4)
        })
    }
}

/// Adds bytes to a class: all that have a low half and a high half of theirs.
fn mark([low, high]: &mut Halves, bytes: &Bytes, bit: u8) {
    for byte in (0..=u8::MAX).filter(|&byte| bytes.has(byte)) {
        for (half, at) in [(&mut *low, byte & 15), (&mut *high, byte >> 4)] {
            if let Some(slot) = half.get_mut(usize::from(at)) {
                *slot |= bit;
            }
        }
    }
}

/// The runs behind which one of these stands, and the last one if it may go on.
fn runs(words: u64, exits: u64) -> u64 {
    let last = u64::MAX.checked_shl(64_u32.wrapping_sub(words.leading_ones()));
    let mut runs = last.unwrap_or(0);
    let mut exits = exits & words << 1;
    while exits != 0 {
        let end = exits.trailing_zeros();
        let below = exits & exits.wrapping_neg();
        exits &= !below;
        let below = below.wrapping_sub(1);
        // The last place before it that is none of the run.
        let gap = (!words & below).leading_zeros();
        let start = 64_u32.wrapping_sub(gap).min(end);
        runs |= below & u64::MAX.checked_shl(start).unwrap_or(0);
    }
    runs
}
