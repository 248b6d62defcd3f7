//! Digits in groups: `4111 1111 1111 1111`, `078-05-1123`, `123.456.789-09`.
//!
//! A [`Number`] is read once where the first digit of a group stands, whatever asks about it; a [`Prefix`] is its first
//! groups, since what follows may be another number. One separator stands between two groups.

use crate::redact::view::{More, View, is_name};

const DIGITS_MAX: usize = 24;
const GROUPS_MAX: usize = 20;

/// Groups of digits, each behind one separator.
#[derive(Debug)]
pub(in crate::redact) struct Number {
    pub(super) start: usize,
    digits: [u8; DIGITS_MAX],
    groups: [Group; GROUPS_MAX],
    count: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Group {
    length: u8,
    /// Digits up to its end.
    sum: u8,
    /// What stands before it.
    separator: u8,
    /// How far behind the number's start it ends.
    end: u8,
    /// Whether the number may end here.
    is_last: bool,
}

/// The first groups of a number.
#[derive(Debug, Clone, Copy)]
pub(in crate::redact) struct Prefix<'n> {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) digits: &'n [u8],
    /// Whether another group stands behind a space.
    pub(super) is_followed: bool,
    groups: &'n [Group],
}

impl Number {
    /// Reads from the first digit of a group on. Only a number that ends within the bounds is one.
    pub(in crate::redact) fn read(view: &View<'_>, start: usize) -> Result<Self, More> {
        let mut number = Self {
            start,
            digits: [0; DIGITS_MAX],
            groups: [Group::default(); GROUPS_MAX],
            count: 0,
        };
        let mut at = start;
        let mut separator = 0;
        let mut sum: usize = 0;
        for group in &mut number.groups {
            let from = sum;
            for digit in number.digits.iter_mut().skip(from) {
                let byte = view.ahead(at)?;
                if !byte.is_ascii_digit() {
                    break;
                }
                *digit = byte & 15;
                sum = sum.wrapping_add(1);
                at = at.wrapping_add(1);
            }
            if sum == from {
                break;
            }
            let next = view.ahead(at)?;
            *group = Group {
                length: u8::try_from(sum.wrapping_sub(from)).unwrap_or(0),
                sum: u8::try_from(sum).unwrap_or(0),
                separator,
                end: u8::try_from(at.wrapping_sub(start)).unwrap_or(u8::MAX),
                is_last: !is_name(next) && next != b'@',
            };
            number.count = number.count.wrapping_add(1);
            if next == b'x' && view.ahead(at.wrapping_add(1))?.is_ascii_digit() {
                // An extension; but `0x` is hexadecimal.
                group.is_last = sum > 6;
                break;
            }
            if !matches!(next, b' ' | b'-' | b'.' | b'/') {
                break;
            }
            separator = next;
            at = at.wrapping_add(1);
            if !view.ahead(at)?.is_ascii_digit() {
                // `1234-abcd` is one word; `1234.` is the end of a sentence.
                if next == b'-' && is_name(view.ahead(at)?) {
                    group.is_last = false;
                }
                break;
            }
            // `1234-5678` is not `1234`; `1234 5678` may be.
            group.is_last = next == b' ';
        }
        Ok(number)
    }

    /// Two groups of these lengths with a dash between, and where they end.
    pub(super) fn dashed_pair(&self, lengths: [u8; 2]) -> Option<usize> {
        let [first, second, ..] = &self.groups;
        let is_pair = self.count == 2 && [first.length, second.length] == lengths;
        (is_pair && second.separator == b'-')
            .then(|| self.start.wrapping_add(usize::from(second.end)))
    }

    pub(super) fn digits(&self) -> &[u8] {
        &self.digits
    }

    /// How many digits there are in all.
    pub(in crate::redact) fn count(&self) -> u8 {
        let groups = self.groups.iter().take(self.count);
        groups.map(|group| group.sum).next_back().unwrap_or(0)
    }

    /// How long the first group is.
    pub(in crate::redact) fn first_length(&self) -> u8 {
        self.groups.first().map_or(0, |group| group.length)
    }

    /// What may be a number by itself: the groups up to each place where it may end.
    pub(in crate::redact) fn prefixes(&self) -> impl Iterator<Item = Prefix<'_>> {
        let groups = self.groups.iter().take(self.count).enumerate();
        groups
            .filter(|(_, group)| group.is_last)
            .map(|(at, group)| Prefix {
                start: self.start,
                end: self.start.wrapping_add(usize::from(group.end)),
                digits: self
                    .digits
                    .get(..usize::from(group.sum))
                    .unwrap_or_default(),
                is_followed: at.wrapping_add(1) < self.count,
                groups: self.groups.get(..=at).unwrap_or_default(),
            })
    }
}

impl Prefix<'_> {
    /// Whether the groups have these lengths.
    pub(super) fn is(&self, lengths: &[u8]) -> bool {
        self.groups.len() == lengths.len()
            && self
                .groups
                .iter()
                .map(|group| group.length)
                .eq(lengths.iter().copied())
    }

    /// Whether it is written without a separator.
    pub(super) fn is_bare(&self) -> bool {
        self.groups.len() == 1
    }

    /// Between all groups the same separator, one of these.
    pub(super) fn is_separated_by(&self, separators: &[u8]) -> bool {
        let mut found = self.separators();
        let first = found.next();
        first.is_some_and(|first| separators.contains(&first) && found.all(|other| other == first))
    }

    /// What stands between the groups.
    pub(super) fn separators(&self) -> impl Iterator<Item = u8> {
        self.groups.iter().skip(1).map(|group| group.separator)
    }

    /// The lengths of the groups.
    pub(super) fn lengths(&self) -> impl Iterator<Item = u8> {
        self.groups.iter().map(|group| group.length)
    }

    /// The number that some of its digits write.
    pub(super) fn value(&self, from: usize, to: usize) -> u32 {
        let digits = self.digits.get(from..to).unwrap_or_default();
        digits.iter().fold(0_u32, |value, &digit| {
            value.wrapping_mul(10).wrapping_add(u32::from(digit))
        })
    }

    pub(super) fn digit(&self, at: usize) -> u8 {
        self.digits.get(at).copied().unwrap_or(0)
    }
}

/// Whether a number may begin here: not inside a word, a decimal, a UUID or a longer number.
pub(in crate::redact) fn may_begin(view: &View<'_>, at: usize) -> bool {
    let before = view.before(at);
    if is_name(before) {
        return false;
    }
    let earlier = view.before(at.wrapping_sub(1));
    match before {
        b'.' => !is_name(earlier),
        // `8-4-4-4-12`: a group of a UUID, or the end of another compound.
        b'-' => {
            let word = view.run_back(at.wrapping_sub(1), 20, is_name);
            let length = at.wrapping_sub(1).wrapping_sub(word);
            let is_hex = view
                .part(word..at.wrapping_sub(1))
                .iter()
                .any(u8::is_ascii_digit);
            length == 0 || !is_hex
        }
        _ => true,
    }
}
