//! Lists of words: names of projects, customers, places that are to stay in the house.
//!
//! Words are compared as the text is folded: look-alikes, full-width letters and what is invisible make no difference. A
//! word is looked up by the hash of its key: its first run of letters and digits, of phrases the first two, which have to end
//! in the text where they end in the word; of words that may stand inside others, and of those without letters, some of their first bytes. Words with the same key are
//! sorted, so that a place in the text is compared with few of them, however many there are.

use core::ops::Range;

use super::super::fold::Folded;
use super::super::view::{More, View};
use super::is_word;
use super::sieve::Shape;

pub(super) const WORD_BYTES_MAX: usize = 64;
pub(super) const WORD_BYTES_MIN: usize = 2;

/// Keys: the first run, the first two, or so many bytes.
pub(super) const KEYS: usize = 5;
const RUN: usize = 0;
const RUNS: usize = 1;
const KEY_BYTES: [usize; KEYS] = [0, 0, 2, 4, 8];

/// The words of one list.
#[derive(Debug)]
pub(super) struct List {
    /// Folded, in small letters unless case counts; sorted by kind of key, key and what follows it.
    bytes: Box<[u8]>,
    /// Where each word begins in them, and where the last ends.
    places: Box<[u32]>,
    /// Words by kind of key.
    keys: [Range<usize>; KEYS],
    /// By the hash of a key, one more than its place among keys.
    slots: Box<[u32]>,
    /// By key, the first word that has it; and how many words there are.
    firsts_of: Box<[u32]>,
    /// By byte: whether a word begins with it.
    firsts: Box<[bool; 256]>,
    /// How long the longest word is.
    bytes_max: usize,
    ignores_case: bool,
    is_whole: bool,
}

/// A place of the text, as lists see it.
#[derive(Debug)]
pub(super) struct Spot<'t> {
    at: usize,
    /// As much as a word may have.
    text: &'t [u8],
    before: u8,
    /// How long the first run is; more than a word if it is longer.
    run: usize,
    /// Whether the text ends in it and may go on.
    is_cut: bool,
}

impl<'t> Spot<'t> {
    /// The run is looked for unless it is known.
    pub(super) fn new(view: &View<'t>, at: usize, known: Option<usize>) -> Self {
        let rest = view.rest(at);
        let is_cut = rest.len() < WORD_BYTES_MAX && !view.is_end();
        #[cfg(test)]
        view.looked(1);
        Self {
            at,
            text: rest.get(..WORD_BYTES_MAX).unwrap_or(rest),
            before: view.before(at),
            run: known.unwrap_or_else(|| run(rest)),
            is_cut,
        }
    }

    /// The hash of the key of this kind, if the text has it whole.
    pub(super) fn hash(&self, kind: usize) -> Option<u32> {
        let length = self.key_bytes(kind);
        let is_cut = kind <= RUNS && self.is_cut && length == self.text.len();
        (length <= self.text.len() && !is_cut).then(|| hash(self.text, length, kind))
    }

    fn key_bytes(&self, kind: usize) -> usize {
        match KEY_BYTES.get(kind) {
            Some(&length @ 1..) => length,
            _ if kind == RUNS => {
                let behind = self.text.get(self.run..).unwrap_or_default();
                self.run.saturating_add(run(behind))
            }
            _ => self.run,
        }
    }

    pub(super) const fn is_cut(&self) -> bool {
        self.is_cut
    }
}

/// How long the first run of letters and digits is, with what stands before it; more than a word has if it is longer.
fn run(text: &[u8]) -> usize {
    let near = text.get(..=WORD_BYTES_MAX).unwrap_or(text);
    let is_word_at = |at: usize| near.get(at).is_some_and(|&byte| is_word(byte));
    let mut end = 0;
    while end < near.len() && !is_word_at(end) {
        end = end.wrapping_add(1);
    }
    while is_word_at(end) {
        end = end.wrapping_add(1);
    }
    end
}

/// A hash of the first bytes, in whatever case.
fn hash(text: &[u8], length: usize, kind: usize) -> u32 {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut hash = u64::try_from(length.wrapping_mul(KEYS).wrapping_add(kind)).unwrap_or(0);
    let mut from = 0;
    while from < length {
        let rest = text.get(from..).unwrap_or_default();
        let left = length.wrapping_sub(from);
        let eight = small(eight(rest, left));
        hash = (hash ^ eight).wrapping_mul(FACTOR);
        hash ^= hash >> 32;
        from = from.wrapping_add(8);
    }
    u32::try_from(hash.wrapping_mul(FACTOR) >> 32).unwrap_or(0)
}

/// The first eight bytes, or fewer and zeros.
fn eight(text: &[u8], length: usize) -> u64 {
    let word = match text.first_chunk() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => {
            let bytes = text.iter().rev();
            bytes.fold(0, |word, &byte| word << 8 | u64::from(byte))
        }
    };
    let missing = u32::try_from(8_usize.saturating_sub(length)).unwrap_or(0);
    let mask = u64::MAX.checked_shr(missing.wrapping_mul(8)).unwrap_or(0);
    word & mask
}

/// ASCII's capitals as small letters, all eight at once.
const fn small(eight: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let low = eight & EACH.wrapping_mul(0x7F);
    // With 0x80 - `A` and 0x7F - `Z` the highest bit says what is at least `A`, and what is beyond `Z`.
    let from_a = low.wrapping_add(EACH.wrapping_mul(0x3F));
    let beyond_z = low.wrapping_add(EACH.wrapping_mul(0x25));
    let capitals = (from_a ^ beyond_z) & !eight & EACH.wrapping_mul(0x80);
    eight | capitals >> 2
}

/// A word while the list is made: its kind of key, the key, what follows.
fn order(word: &[u8], is_whole: bool) -> (usize, &[u8], &[u8]) {
    let first = run(word);
    let behind = word.get(first..).unwrap_or_default();
    let has_run = |text: &[u8]| text.iter().any(|&byte| is_word(byte));
    let (kind, length) = match word.len() {
        _ if is_whole && has_run(behind) => (RUNS, first.saturating_add(run(behind))),
        _ if is_whole && has_run(word) => (RUN, first),
        ..4 => (2, 2),
        4..8 => (3, 4),
        _ => (4, 8),
    };
    let (key, rest) = word.split_at_checked(length).unwrap_or((word, &[]));
    (kind, key, rest)
}

impl List {
    pub(super) fn new(words: &[&str], ignores_case: bool, is_whole: bool) -> Self {
        let mut folded = Folded::new();
        // All spellings one behind the other, and where each is.
        let (mut text, mut all) = (Vec::new(), Vec::new());
        for word in words {
            let mut add = |spelling: &str| {
                folded.fold(spelling);
                let bytes = folded.bytes(spelling);
                if (WORD_BYTES_MIN..=WORD_BYTES_MAX).contains(&bytes.len()) {
                    let start = text.len();
                    text.extend_from_slice(bytes);
                    all.push(start..text.len());
                }
            };
            add(word);
            // Only ASCII is compared without case, so other letters are listed in both.
            if ignores_case && !word.is_ascii() {
                add(&word.to_lowercase());
                add(&word.to_uppercase());
            }
        }
        if ignores_case {
            text.make_ascii_lowercase();
        }
        let all = all.into_iter();
        let mut all: Vec<_> = all
            .map(|place: Range<usize>| order(text.get(place).unwrap_or_default(), is_whole))
            .collect();
        all.sort_unstable();
        all.dedup();
        let mut list = Self {
            bytes: Box::default(),
            places: Box::default(),
            keys: [const { 0..0 }; KEYS],
            slots: Box::default(),
            firsts_of: Box::default(),
            firsts: Box::new([false; 256]),
            bytes_max: 0,
            ignores_case,
            is_whole,
        };
        list.fill(&all);
        list
    }

    /// Takes the words in their order.
    fn fill(&mut self, words: &[(usize, &[u8], &[u8])]) {
        let (mut bytes, mut places) = (Vec::new(), vec![0]);
        let (mut hashes, mut firsts) = (Vec::new(), Vec::new());
        let mut last: Option<(usize, &[u8])> = None;
        for (at, &(kind, key, rest)) in words.iter().enumerate() {
            if last != Some((kind, key)) {
                last = Some((kind, key));
                hashes.push(hash(key, key.len(), kind));
                firsts.push(u32::try_from(at).unwrap_or(0));
            }
            if let Some(range) = self.keys.get_mut(kind) {
                range.start = if range.start == range.end {
                    at
                } else {
                    range.start
                };
                range.end = at.wrapping_add(1);
            }
            let first = key.first().map(|&byte| usize::from(byte));
            if let Some(is_first) = first.and_then(|first| self.firsts.get_mut(first)) {
                *is_first = true;
            }
            self.bytes_max = key.len().saturating_add(rest.len()).max(self.bytes_max);
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(rest);
            places.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        }
        firsts.push(u32::try_from(words.len()).unwrap_or(0));
        let mut slots = vec![0; firsts.len().saturating_mul(2).next_power_of_two()];
        for (key, hash) in (1..).zip(hashes) {
            let mut free = Slots::new(&slots, hash).skip_while(|&at| slots.get(at) != Some(&0));
            let free = free.next().and_then(|at| slots.get_mut(at));
            free.into_iter().for_each(|slot| *slot = key);
        }
        self.slots = slots.into();
        self.firsts_of = firsts.into();
        self.bytes = bytes.into();
        self.places = places.into();
        if self.ignores_case {
            let firsts = *self.firsts;
            for (byte, is_first) in (0..=u8::MAX).zip(self.firsts.iter_mut()) {
                let small = usize::from(byte.to_ascii_lowercase());
                *is_first |= firsts.get(small).copied().unwrap_or(false);
            }
        }
    }

    fn word(&self, at: usize) -> &[u8] {
        let place = |at: usize| {
            let place = self.places.get(at).copied();
            place.and_then(|place| usize::try_from(place).ok())
        };
        let range = place(at).zip(place(at.wrapping_add(1)));
        range
            .and_then(|(start, end)| self.bytes.get(start..end))
            .unwrap_or_default()
    }

    /// Whether a word may begin with a byte.
    pub(super) fn may_begin(&self, byte: u8) -> bool {
        self.firsts.get(usize::from(byte)).copied().unwrap_or(false)
    }

    pub(super) const fn is_whole(&self) -> bool {
        self.is_whole
    }

    pub(super) const fn longest(&self) -> usize {
        self.bytes_max
    }

    /// The hashes of all keys.
    pub(super) fn hashes(&self) -> impl Iterator<Item = u32> {
        let keys = 0..self.firsts_of.len().saturating_sub(1);
        keys.map(|key| {
            let word = self.word(self.with(key).start);
            let (kind, key, _) = order(word, self.is_whole);
            hash(key, key.len(), kind)
        })
    }

    /// The words with a key.
    fn with(&self, key: usize) -> Range<usize> {
        let first = |key: usize| {
            let first = self.firsts_of.get(key).copied();
            first.and_then(|first| usize::try_from(first).ok())
        };
        let words = first(key).zip(first(key.wrapping_add(1)));
        words.map_or(0..0, |(first, behind)| first..behind)
    }

    pub(super) fn has_key(&self, kind: usize) -> bool {
        self.keys.get(kind).is_some_and(|range| !range.is_empty())
    }

    /// What may stand where a word begins that is kept out of longer words, or one that is not.
    pub(super) fn shapes(&self) -> [(bool, Shape); 2] {
        let mut shapes = [true, false].map(|is_edge| (is_edge, Shape::default()));
        for at in 0..self.places.len().saturating_sub(1) {
            let word = self.word(at);
            let is_edge = self.is_whole && word.first().is_some_and(|&byte| is_word(byte));
            let [edge, other] = &mut shapes;
            let (_, shape) = if is_edge { edge } else { other };
            for (slot, place) in shape.places.iter_mut().enumerate() {
                match word.get(slot) {
                    Some(&byte) if self.ignores_case => {
                        place.insert(byte);
                        place.insert(byte.to_ascii_uppercase());
                    }
                    Some(&byte) => place.insert(byte),
                    None => (0..=u8::MAX).for_each(|byte| place.insert(byte)),
                }
            }
        }
        shapes
    }

    /// Where the longest word that begins here and ends up to a place ends.
    pub(super) fn find(
        &self,
        view: &View<'_>,
        spot: &Spot<'_>,
        until: usize,
    ) -> Result<Option<usize>, More> {
        let Some(&first) = spot.text.first().filter(|&&byte| self.may_begin(byte)) else {
            return Ok(None);
        };
        if self.is_whole && is_word(first) && is_word(spot.before) {
            return Ok(None);
        }
        let near = until.saturating_sub(spot.at).min(self.bytes_max);
        let near = spot.text.get(..near);
        // What is cut there does not go on.
        let is_cut = spot.is_cut && near.is_none_or(|near| near.len() == spot.text.len());
        let near = near.unwrap_or(spot.text);
        let mut small = [0; WORD_BYTES_MAX];
        let text = match self.ignores_case {
            true => lowered(near, &mut small),
            false => near,
        };
        let mut end = None;
        for (kind, range) in self.keys.iter().enumerate() {
            if range.is_empty() {
                continue;
            }
            let length = spot.key_bytes(kind);
            if text.len() < length || kind <= RUNS && text.len() == length {
                if is_cut && self.goes_on(kind, text) {
                    return Err(More);
                }
                if text.len() < length || is_cut {
                    continue;
                }
            }
            let found = self.longest_of(view, (spot.at, is_cut), kind, length, text)?;
            end = end.max(found);
        }
        Ok(end)
    }

    /// Whether a key begins with all that there is of a text.
    fn goes_on(&self, kind: usize, text: &[u8]) -> bool {
        let range = self.keys.get(kind).cloned().unwrap_or(0..0);
        let key = |at: usize| order(self.word(at), self.is_whole).1;
        let at = lower_bound(range.clone(), |at| key(at) < text);
        range.contains(&at) && key(at).starts_with(text)
    }

    /// The words with the key that a text begins with.
    fn with_key(&self, kind: usize, key: &[u8]) -> Option<Range<usize>> {
        let range = self.keys.get(kind)?;
        let has_key = |at: usize| {
            let behind = self.word(at).strip_prefix(key);
            range.contains(&at)
                && behind.is_some_and(|rest| {
                    kind > RUNS || rest.first().is_none_or(|&byte| !is_word(byte))
                })
        };
        let mut probes = Slots::new(&self.slots, hash(key, key.len(), kind));
        probes.find_map(|slot| {
            let key = self.slots.get(slot).copied().unwrap_or(0).checked_sub(1);
            match key.and_then(|key| usize::try_from(key).ok()) {
                Some(key) => {
                    let words = self.with(key);
                    has_key(words.start).then_some(Some(words))
                }
                None => Some(None),
            }
        })?
    }

    /// Where the longest word of those with the text's key ends.
    fn longest_of(
        &self,
        view: &View<'_>,
        (at, is_cut): (usize, bool),
        kind: usize,
        length: usize,
        text: &[u8],
    ) -> Result<Option<usize>, More> {
        let key = text.get(..length).unwrap_or(text);
        let Some(words) = self.with_key(kind, key) else {
            return Ok(None);
        };
        let mut near = text;
        loop {
            let behind = lower_bound(words.clone(), |at| self.word(at) <= near);
            if is_cut && near.len() == text.len() && words.contains(&behind) {
                // A longer word may be on its way.
                if self.word(behind).starts_with(text) {
                    return Err(More);
                }
            }
            let last = behind.checked_sub(1).filter(|last| words.contains(last));
            let Some(last) = last else {
                return Ok(None);
            };
            let word = self.word(last);
            let same = word.iter().zip(near).take_while(|(a, b)| a == b).count();
            let mut shorter = same;
            if same == word.len() {
                let end = at.wrapping_add(same);
                let is_open = word.last().is_some_and(|&byte| is_word(byte));
                if !self.is_whole || !is_open || !is_word(view.ahead(end)?) {
                    return Ok(Some(end));
                }
                shorter = same.saturating_sub(1);
            }
            match near.get(..shorter) {
                Some(less) if shorter >= length => near = less,
                _ => return Ok(None),
            }
        }
    }

    /// Whether a word stands in a text of ours.
    pub(super) fn is_in(&self, text: &str) -> bool {
        let mut folded = Folded::new();
        folded.fold(text);
        let view = View::new(
            folded.bytes(text),
            0,
            true,
            #[cfg(test)]
            &folded.steps,
        );
        (0..view.end()).any(|at| {
            self.find(&view, &Spot::new(&view, at, None), usize::MAX)
                .is_ok_and(|end| end.is_some())
        })
    }
}

/// The first in a range for which this does not hold: it holds for those before, and for none behind.
fn lower_bound(range: Range<usize>, holds: impl Fn(usize) -> bool) -> usize {
    let (mut from, mut to) = (range.start, range.end);
    while from < to {
        let middle = from.midpoint(to);
        if holds(middle) {
            from = middle.wrapping_add(1);
        } else {
            to = middle;
        }
    }
    from
}

fn lowered<'s>(text: &[u8], small: &'s mut [u8; WORD_BYTES_MAX]) -> &'s [u8] {
    for (slot, byte) in small.iter_mut().zip(text) {
        *slot = byte.to_ascii_lowercase();
    }
    small.get(..text.len()).unwrap_or_default()
}

/// The slots that a hash may be in, one after the other.
struct Slots {
    mask: usize,
    at: usize,
    left: usize,
}

impl Slots {
    fn new(slots: &[u32], hash: u32) -> Self {
        Self {
            mask: slots.len().saturating_sub(1),
            at: usize::try_from(hash).unwrap_or(0),
            left: slots.len(),
        }
    }
}

impl Iterator for Slots {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let at = self.at & self.mask;
        self.at = self.at.wrapping_add(1);
        Some(at)
    }
}
