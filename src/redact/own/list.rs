//! Lists of words: names of projects, customers, places that are to stay in the house.
//!
//! Words are compared as the text is folded: look-alikes, full-width letters and what is invisible make no difference. They
//! are kept sorted, and a place in the text narrows them letter by letter.

use super::super::fold::Folded;
use super::super::view::{More, View};
use super::is_word;

pub(super) const WORD_BYTES_MAX: usize = 64;
pub(super) const WORD_BYTES_MIN: usize = 2;

/// The words of one list.
#[derive(Debug)]
pub(super) struct List {
    /// Folded, in small letters unless case counts, sorted.
    words: Vec<Box<[u8]>>,
    /// Which two bytes words begin with: a bit for each pair.
    pairs: Box<[u64; 1024]>,
    ignores_case: bool,
    is_whole: bool,
}

impl List {
    pub(super) fn new(words: &[&str], ignores_case: bool, is_whole: bool) -> Self {
        let mut folded = Folded::new();
        let mut all: Vec<Box<[u8]>> = Vec::with_capacity(words.len());
        for word in words {
            let (small, large) = (word.to_lowercase(), word.to_uppercase());
            // Only ASCII is compared without case, so other letters are listed in both.
            let spellings = match ignores_case {
                true if word.is_ascii() => [Some(small.as_str()), None, None],
                true => [Some(*word), Some(small.as_str()), Some(large.as_str())],
                false => [Some(*word), None, None],
            };
            for spelling in spellings.into_iter().flatten() {
                folded.fold(spelling);
                let mut bytes = folded.bytes(spelling).to_vec();
                if ignores_case {
                    bytes.make_ascii_lowercase();
                }
                all.push(bytes.into());
            }
        }
        all.sort_unstable();
        all.dedup();
        let mut list = Self {
            words: all,
            pairs: Box::new([0; 1024]),
            ignores_case,
            is_whole,
        };
        for word in &list.words {
            if let [first, second, ..] = **word {
                let (slot, bit) = pair(first, second);
                if let Some(slot) = list.pairs.get_mut(slot) {
                    *slot |= bit;
                }
            }
        }
        list
    }

    /// Whether a word may begin with a byte.
    pub(super) fn may_begin(&self, byte: u8) -> bool {
        let byte = self.cased(byte);
        self.words.iter().any(|word| word.first() == Some(&byte))
    }

    pub(super) const fn is_whole(&self) -> bool {
        self.is_whole
    }

    const fn cased(&self, byte: u8) -> u8 {
        if self.ignores_case {
            byte.to_ascii_lowercase()
        } else {
            byte
        }
    }

    pub(super) fn longest(&self) -> usize {
        self.words.iter().map(|word| word.len()).max().unwrap_or(0)
    }

    /// Where the longest word that begins here and ends up to a place ends.
    pub(super) fn find(
        &self,
        view: &View<'_>,
        at: usize,
        until: usize,
    ) -> Result<Option<usize>, More> {
        let first = view.ahead(at)?;
        if self.is_whole && is_word(first) && is_word(view.before(at)) {
            return Ok(None);
        }
        let second = view.ahead(at.wrapping_add(1))?;
        let (slot, bit) = pair(self.cased(first), self.cased(second));
        if self.pairs.get(slot).is_none_or(|slot| slot & bit == 0) {
            return Ok(None);
        }
        let mut words = self.words.as_slice();
        let mut end = None;
        for depth in 0..WORD_BYTES_MAX.saturating_add(1) {
            let here = at.wrapping_add(depth);
            // The shortest is the first: it is what was read so far.
            if words.first().is_some_and(|word| word.len() == depth) {
                if !self.is_whole || !is_word(view.before(here)) || !is_word(view.ahead(here)?) {
                    end = Some(here);
                }
                words = words.get(1..).unwrap_or_default();
            }
            if words.is_empty() || here >= until {
                break;
            }
            let byte = self.cased(view.ahead(here)?);
            let of = |word: &[u8]| word.get(depth).copied().unwrap_or(0);
            let from = words.partition_point(|word| of(word) < byte);
            let to = words.partition_point(|word| of(word) <= byte);
            words = words.get(from..to).unwrap_or_default();
        }
        Ok(end)
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
            self.find(&view, at, usize::MAX)
                .is_ok_and(|end| end.is_some())
        })
    }
}

fn pair(first: u8, second: u8) -> (usize, u64) {
    let pair = usize::from(first) << 8 | usize::from(second);
    (pair >> 6, 1 << (pair & 63))
}
