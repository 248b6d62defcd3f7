//! All lists together: a place of the text is hashed once, and says which of them may have a word there.

use super::super::kind::Kind;
use super::list::{KEYS, List, Spot};

/// The most entries of the table of hashes, two bytes each.
const ENTRIES_MAX: usize = 256 * 1024;
/// Entries for each word, so that few places are asked for nothing.
const ENTRIES_EACH: usize = 8;

/// The lists of a plan, at most sixteen.
#[derive(Debug)]
pub(super) struct Lists {
    pub(super) all: Vec<(Kind, u8, List)>,
    /// By hash of a key: a bit for each list that may have it.
    havers: Box<[u16]>,
    /// By kind of key, lists that have such.
    kinds: [u16; KEYS],
}

impl Lists {
    pub(super) fn new(all: Vec<(Kind, u8, List)>) -> Self {
        let keys = all.iter().map(|(.., list)| list.hashes().count());
        let entries = keys.sum::<usize>().saturating_mul(ENTRIES_EACH);
        let entries = entries.next_power_of_two().min(ENTRIES_MAX);
        let mut lists = Self {
            all,
            havers: vec![0; entries].into(),
            kinds: [0; KEYS],
        };
        for (place, (.., list)) in (0_u32..).zip(&lists.all) {
            let bit = 1_u16.checked_shl(place).unwrap_or(0);
            for (kind, havers) in lists.kinds.iter_mut().enumerate() {
                *havers |= if list.has_key(kind) { bit } else { 0 };
            }
            for hash in list.hashes() {
                if let Some(havers) = lists.havers.get_mut(slot(hash, entries)) {
                    *havers |= bit;
                }
            }
        }
        lists
    }

    /// Lists by their bits.
    pub(super) fn of(&self, having: u16) -> impl Iterator<Item = &(Kind, u8, List)> {
        let all = (0_u32..).zip(&self.all);
        let own = all.filter(move |&(place, _)| having.checked_shr(place).unwrap_or(0) & 1 != 0);
        own.map(|(_, list)| list)
    }

    /// Lists that may have a word here: a bit for each.
    #[inline]
    pub(super) fn having(&self, spot: &Spot<'_>) -> u16 {
        let mut having = 0;
        for (kind, &havers) in self.kinds.iter().enumerate() {
            if havers == 0 {
                continue;
            }
            having |= match spot.hash(kind) {
                Some(hash) => {
                    let slot = slot(hash, self.havers.len());
                    havers & self.havers.get(slot).copied().unwrap_or(0)
                }
                None if spot.is_cut() => havers,
                None => 0,
            };
        }
        having
    }
}

/// The high bits: lists use the low ones.
fn slot(hash: u32, entries: usize) -> usize {
    let hash = usize::try_from(hash.rotate_left(16)).unwrap_or(0);
    hash & entries.wrapping_sub(1)
}
