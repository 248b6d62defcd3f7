//! Digits in groups: `4111 1111 1111 1111`, `078-05-1123`, `123.456.789-09`.
//!
//! A [`Row`] is all groups in a row, read once whatever asks about it; a [`Number`] begins with one of its groups; a [`Prefix`]
//! is a number's first groups, since what follows may be another. One separator stands between two groups.

use crate::redact::run::{self, Set};
use crate::redact::view::{More, View, is_name};

const DIGITS_MAX: usize = 64;
const GROUPS_MAX: usize = 24;
/// The longest number that anything asks for.
const NUMBER_DIGITS_MAX: u8 = 19;

/// Groups of digits, each behind one separator.
#[derive(Debug, Clone)]
pub(in crate::redact) struct Row {
    start: usize,
    digits: [u8; DIGITS_MAX],
    groups: [Group; GROUPS_MAX],
    count: usize,
    /// The group that was last asked about: those before it are not asked about again.
    last: usize,
    /// Whether it ends because no other group follows, and not because it is long.
    is_whole: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Group {
    length: u8,
    /// Digits up to its end, in the row.
    sum: u8,
    /// What stands before it.
    separator: u8,
    /// How far behind the row's start it ends.
    end: u8,
    /// Whether the number may end here.
    is_last: bool,
    /// Whether another group stands behind a space.
    is_followed: bool,
}

impl Group {
    const NONE: Self = Self {
        length: 0,
        sum: 0,
        separator: 0,
        end: 0,
        is_last: false,
        is_followed: false,
    };
}

/// What begins with a group of a row.
#[derive(Debug, Clone, Copy)]
pub(in crate::redact) struct Number<'r> {
    pub(super) start: usize,
    row_start: usize,
    digits: &'r [u8],
    groups: &'r [Group],
    /// Digits of the row before it.
    passed: u8,
}

/// The first groups of a number.
#[derive(Debug, Clone, Copy)]
pub(in crate::redact) struct Prefix<'n> {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) digits: &'n [u8],
    /// The groups' lengths, four bits each: 3, 2 and 4 are `0x324`.
    pub(super) shape: u64,
    /// What stands between all groups: nothing is 0, and 255 are several.
    pub(super) separator: u8,
    /// Whether another group stands behind a space.
    pub(super) is_followed: bool,
}

pub(super) const MIXED: u8 = u8::MAX;

impl Row {
    pub(in crate::redact) const fn new() -> Self {
        Self {
            start: 0,
            digits: [0; DIGITS_MAX],
            groups: [Group::NONE; GROUPS_MAX],
            count: 0,
            last: 0,
            is_whole: false,
        }
    }

    /// The number that begins at the first digit of a group.
    pub(in crate::redact) fn number(
        &mut self,
        view: &View<'_>,
        at: usize,
    ) -> Result<Number<'_>, More> {
        let known = self.place(at);
        let place = match known {
            Some(place) => place,
            None => {
                self.count = 0;
                self.read(view, at)?;
                0
            }
        };
        self.last = place;
        let before = place.checked_sub(1).and_then(|last| self.groups.get(last));
        let passed = before.map_or(0, |group| group.sum);
        Ok(Number {
            start: at,
            row_start: self.start,
            digits: self.digits.get(usize::from(passed)..).unwrap_or_default(),
            groups: self.groups.get(place..self.count).unwrap_or_default(),
            passed,
        })
    }

    /// The group that begins at a position, if what was read behind it is enough.
    fn place(&self, at: usize) -> Option<usize> {
        let offset = at.checked_sub(self.start)?;
        let (groups, _) = self.groups.split_at_checked(self.count)?;
        let all = groups.last()?.sum;
        let mut near = groups.iter().enumerate().skip(self.last);
        let (place, group) =
            near.find(|(_, group)| usize::from(group.end.wrapping_sub(group.length)) == offset)?;
        let rest = all.wrapping_sub(group.sum).wrapping_add(group.length);
        (self.is_whole || rest >= NUMBER_DIGITS_MAX).then_some(place)
    }

    fn read(&mut self, view: &View<'_>, start: usize) -> Result<(), More> {
        self.start = start;
        let mut at = start;
        let mut separator = 0;
        let mut sum: usize = 0;
        let mut count: usize = 0;
        self.is_whole = true;
        for group in &mut self.groups {
            let from = sum;
            let room = self.digits.get_mut(from..).unwrap_or_default();
            let length = copy_digits(view, at, room)?;
            sum = sum.wrapping_add(length);
            at = at.wrapping_add(length);
            let next = view.ahead(at)?;
            if sum == from || next.is_ascii_digit() {
                // No room for all of it.
                self.is_whole = false;
                if count > 0 {
                    break;
                }
            }
            *group = Group {
                length: u8::try_from(sum.wrapping_sub(from)).unwrap_or(0),
                sum: u8::try_from(sum).unwrap_or(0),
                separator,
                end: u8::try_from(at.wrapping_sub(start)).unwrap_or(u8::MAX),
                is_last: !is_name(next) && next != b'@',
                is_followed: false,
            };
            count = count.wrapping_add(1);
            if next == b'x' && view.ahead(at.wrapping_add(1))?.is_ascii_digit() {
                // An extension; but `0x` is hexadecimal.
                group.is_last = sum > 6;
                self.count = count;
                return Ok(());
            }
            if !matches!(next, b' ' | b'-' | b'.' | b'/') {
                self.count = count;
                return Ok(());
            }
            separator = next;
            at = at.wrapping_add(1);
            let behind = view.ahead(at)?;
            if !behind.is_ascii_digit() {
                // `1234-abcd` is one word; `1234.` is the end of a sentence.
                if next == b'-' && is_name(behind) {
                    group.is_last = false;
                }
                self.count = count;
                return Ok(());
            }
            // `1234-5678` is not `1234`; `1234 5678` may be.
            group.is_last = next == b' ';
            group.is_followed = group.is_last;
        }
        self.is_whole = false;
        self.count = count;
        Ok(())
    }
}

/// Copies the digits from a position on, as far as there is room. Tells how many they are.
fn copy_digits(view: &View<'_>, at: usize, room: &mut [u8]) -> Result<usize, More> {
    // What is behind a short group is written over or not read.
    if let (Some(near), Some(room)) = (view.rest(at).first_chunk(), room.first_chunk_mut()) {
        let length = run::digits(near);
        if length < 8 {
            #[cfg(test)]
            view.looked(length.saturating_add(1));
            *room = near.map(|byte| byte & 15);
            return Ok(length);
        }
    }
    let mut length: usize = 0;
    for digit in room {
        let byte = view.ahead(at.wrapping_add(length))?;
        if !byte.is_ascii_digit() {
            break;
        }
        *digit = byte & 15;
        length = length.wrapping_add(1);
    }
    Ok(length)
}

impl<'r> Number<'r> {
    /// Two groups of these lengths with a dash between, and where they end.
    pub(super) fn dashed_pair(&self, lengths: [u8; 2]) -> Option<usize> {
        let [first, second] = self.groups else {
            return None;
        };
        let is_pair = [first.length, second.length] == lengths && second.separator == b'-';
        is_pair.then(|| self.row_start.wrapping_add(usize::from(second.end)))
    }

    pub(super) const fn digits(&self) -> &'r [u8] {
        self.digits
    }

    /// How many digits there are in all.
    pub(in crate::redact) fn count(&self) -> u8 {
        let last = self.groups.last();
        last.map_or(0, |group| group.sum.wrapping_sub(self.passed))
    }

    /// Whether a card, a phone or an id begins so that may stand behind other groups.
    pub(in crate::redact) fn may_stand_behind(&self) -> bool {
        matches!(
            self.head(),
            0x444 | 0x465 | 0x464 | 0x456 | 0x334 | 0x344 | 0x324 | 0x451
        )
    }

    /// The lengths of its first three groups, four bits each.
    pub(in crate::redact) fn head(&self) -> u64 {
        let groups = self.groups.iter().take(3);
        groups.fold(0, |head, group| head << 4 | u64::from(group.length.min(15)))
    }

    /// What may be a number by itself: the groups up to each place where it may end.
    pub(in crate::redact) fn prefixes(&self) -> impl Iterator<Item = Prefix<'r>> {
        let Self {
            start,
            row_start,
            digits,
            groups,
            passed,
        } = *self;
        let (mut shape, mut separator) = (0_u64, 0);
        let numbers = groups.iter().enumerate().map(move |(at, group)| {
            shape = shape << 4 | u64::from(group.length.min(15));
            separator = match at {
                0 => 0,
                1 => group.separator,
                _ if group.separator == separator => separator,
                _ => MIXED,
            };
            let count = group.sum.wrapping_sub(passed);
            let prefix = Prefix {
                start,
                end: row_start.wrapping_add(usize::from(group.end)),
                digits: digits.get(..usize::from(count)).unwrap_or_default(),
                shape,
                separator,
                is_followed: group.is_followed,
            };
            (group.is_last, count, prefix)
        });
        numbers
            .take_while(|&(_, count, _)| count <= NUMBER_DIGITS_MAX)
            .filter_map(|(is_last, _, prefix)| is_last.then_some(prefix))
    }
}

impl<'n> Prefix<'n> {
    /// Digits without a separator.
    pub(super) fn bare(start: usize, digits: &'n [u8], is_followed: bool) -> Self {
        Self {
            start,
            end: start.wrapping_add(digits.len()),
            digits,
            shape: u64::try_from(digits.len().min(15)).unwrap_or(15),
            separator: 0,
            is_followed,
        }
    }

    /// Whether it is written without a separator.
    pub(super) const fn is_bare(&self) -> bool {
        self.separator == 0
    }

    /// Between all groups the same separator, one of these.
    pub(super) fn is_separated_by(&self, separators: &[u8]) -> bool {
        separators.contains(&self.separator)
    }

    /// The lengths of the groups, the last one first.
    pub(super) fn lengths_back(&self) -> impl Iterator<Item = u64> {
        let mut rest = self.shape;
        core::iter::from_fn(move || {
            let length = rest & 15;
            rest >>= 4;
            (length > 0).then_some(length)
        })
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

/// Whether a group behind others may be the first of a card, a phone or an id, by its length and those of the next two.
pub(super) fn may_go_on(view: &View<'_>, end: usize, length: usize) -> Result<bool, More> {
    if !matches!(length, 3 | 4) {
        return Ok(false);
    }
    let second = end.wrapping_add(1);
    let second_end = view.digits(second, 7)?;
    let second = second_end.wrapping_sub(second);
    if !matches!((length, second), (3, 2..=4) | (4, 4..=6)) {
        return Ok(false);
    }
    // No issuer's numbers of sixteen digits begin so.
    let first = view.before(end.wrapping_sub(3));
    if (length, second) == (4, 4) && matches!(first, b'0' | b'1' | b'7') {
        return Ok(false);
    }
    let third = second_end.wrapping_add(1);
    let third = view.digits(third, 7)?.wrapping_sub(third);
    Ok(matches!(
        (length, second, third),
        (3, _, 4) | (4, 4, 4) | (4, 6, 4 | 5) | (4, 5, 1 | 6)
    ))
}

/// Whether a long group is a number by itself, and then whether another group stands behind a space.
pub(super) fn ends(view: &View<'_>, end: usize) -> Result<Option<bool>, More> {
    let next = view.ahead(end)?;
    let behind = view.ahead(end.wrapping_add(1))?;
    Ok(match next {
        b'x' => behind.is_ascii_digit().then_some(false),
        _ if behind.is_ascii_digit() => (next == b' ').then_some(true),
        b'-' if is_name(behind) => None,
        _ => Some(false),
    })
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
            let word = view.run_of_back(at.wrapping_sub(1), 20, Set::NAME);
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
