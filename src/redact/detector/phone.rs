//! Phone numbers: international ones behind a `+`, North America's plan, and national ones in groups.
//!
//! A number that only could be one counts when the words before speak of phones.

use super::number::{MIXED, Prefix};
use super::{Sight, Topic, address, is_edge};
use crate::redact::entity::Entity;
use crate::redact::view::{More, View, is_name};

const PHONE: &[Topic] = &[Topic::Phone];

/// Behind `+` or inside `(`.
#[inline(never)] // What calls it is optimized sooner.
pub(super) fn detect_marked(sight: &mut Sight<'_, '_>, at: usize) -> Result<(), More> {
    let view = sight.view;
    let mark = view.ahead(at)?;
    let mut first = at.wrapping_add(1);
    let is_nested = mark == b'(' && view.ahead(first)? == b'+';
    first = first.wrapping_add(usize::from(is_nested));
    if !view.ahead(first)?.is_ascii_digit() || is_name(view.before(at)) || view.before(at) == b'+' {
        return Ok(());
    }
    let mut digits = [0; 16];
    let mut count: usize = 0;
    let mut position = first;
    let mut end = first;
    let mut gap = 0;
    for digit in &mut digits {
        loop {
            let byte = view.ahead(position)?;
            if byte.is_ascii_digit() {
                *digit = byte & 15;
                break;
            }
            if gap == 2 || !matches!(byte, b' ' | b'-' | b'.' | b'/' | b'(' | b')') {
                gap = 3;
                break;
            }
            // What is long enough ends before the address of a machine.
            if count >= 7 && byte == b' ' && address::is_ipv4(&view, position.wrapping_add(1))? {
                gap = 3;
                break;
            }
            gap = u8::wrapping_add(gap, 1);
            position = position.wrapping_add(1);
        }
        if gap == 3 {
            break;
        }
        gap = 0;
        count = count.wrapping_add(1);
        position = position.wrapping_add(1);
        end = position;
    }
    let digits = digits.get(..count).unwrap_or_default();
    if count < 7 {
        return Ok(());
    }
    let Some(end) = extended(&view, end)? else {
        return Ok(());
    };
    let is_international = mark == b'+' || is_nested;
    let is_closed = mark == b'+' || view.part(at..end).contains(&b')');
    let score = match digits {
        _ if !is_closed => 0,
        [1, national @ ..] if is_international => {
            85_u8.saturating_mul(u8::from(is_american(national)))
        }
        [2..=9, ..] if is_international => 80_u8.saturating_mul(u8::from(is_planned(digits))),
        [2..=9, ..] if is_american(digits) => 75,
        [0, 1..=9, ..] if mark == b'(' && (9..=12).contains(&count) => 65,
        // Russia's, and Brazil's mobiles.
        [2..=9, ..] if count == 10 && view.ahead(first.wrapping_add(3))? == b')' => 60,
        [1..=9, 1..=9, 9, ..] if count == 11 && view.ahead(first.wrapping_add(2))? == b')' => 65,
        _ => 0,
    };
    sight.offer(Entity::Phone, at, end, score);
    Ok(())
}

/// Country codes whose national numbers have these lengths; those of others have five to twelve digits.
const PLANS: &[(u16, u8, u8)] = &[
    (7, 10, 10),
    (27, 9, 9),
    (30, 10, 10),
    (31, 9, 9),
    (32, 8, 9),
    (33, 9, 9),
    (34, 9, 9),
    (36, 8, 9),
    (39, 6, 12),
    (40, 9, 9),
    (41, 9, 9),
    (44, 9, 11),
    (45, 8, 8),
    (46, 7, 10),
    (47, 8, 8),
    (48, 9, 9),
    (49, 6, 13),
    (52, 10, 11),
    (55, 10, 11),
    (61, 9, 10),
    (64, 8, 10),
    (65, 8, 8),
    (81, 9, 11),
    (82, 8, 11),
    (86, 10, 12),
    (90, 10, 10),
    (91, 10, 11),
    (351, 9, 9),
    (353, 7, 10),
    (358, 6, 12),
    (852, 8, 8),
    (971, 8, 9),
    (972, 8, 9),
];

/// Whether an international number has a length that its country uses.
fn is_planned(digits: &[u8]) -> bool {
    let code = |length: usize| {
        let digits = digits.get(..length).unwrap_or_default();
        digits.iter().fold(0_u16, |code, &digit| {
            code.wrapping_mul(10).wrapping_add(u16::from(digit))
        })
    };
    let plan = PLANS
        .iter()
        .find(|&&(plan, ..)| [1, 2, 3].map(code).contains(&plan));
    let (length, least, most) = match plan {
        Some(&(0..10, least, most)) => (1, least, most),
        Some(&(10..100, least, most)) => (2, least, most),
        Some(&(_, least, most)) => (3, least, most),
        None => (2, 6, 12),
    };
    let national = digits.len().saturating_sub(length);
    (usize::from(least)..=usize::from(most)).contains(&national)
}

/// Where a number ends with its extension; nothing if it goes on as something else.
fn extended(view: &View<'_>, end: usize) -> Result<Option<usize>, More> {
    let mut at = end;
    let next = view.ahead(end)?;
    if !matches!(next, b' ' | b',' | b'x' | b'e') {
        return Ok(is_edge(next).then_some(end));
    }
    let gap = view.run(at, 2, |byte| matches!(byte, b' ' | b','))?;
    if matches!(view.ahead(gap)?, b'x' | b'e') {
        at = gap;
    }
    for mark in [&b"x"[..], b"ext. ", b"ext ", b"extension "] {
        if view.has(at, mark)? {
            let from = at.wrapping_add(mark.len());
            let to = view.run(from, 6, |byte| byte.is_ascii_digit())?;
            if to > from && is_edge(view.ahead(to)?) {
                return Ok(Some(to));
            }
        }
    }
    Ok(is_edge(view.ahead(end)?).then_some(end))
}

/// The North American plan: area and exchange begin with 2 to 9 and do not end in 11.
fn is_american(digits: &[u8]) -> bool {
    let &[a, b, c, d, e, f, ..] = digits else {
        return false;
    };
    digits.len() == 10 && a > 1 && d > 1 && [b, c] != [1, 1] && [e, f] != [1, 1] && b != 9
}

/// Numbers without a mark.
pub(super) fn detect(sight: &mut Sight<'_, '_>, number: &Prefix<'_>) -> Result<(), More> {
    let count = number.digits.len();
    if !(7..=14).contains(&count) || sight.plan.strength(Entity::Phone, 90).is_none() {
        return Ok(());
    }
    // `030/1234567`; dates are no phones.
    let is_area = matches!(number.digits, [0, 1..=9, ..])
        && matches!(number.shape, 0x35..=0x38 | 0x45..=0x48 | 0x55..=0x57);
    if matches!(number.shape, 0x422 | 0x224) || number.separator == b'/' && !is_area {
        return Ok(());
    }
    let view = sight.view;
    if number.is_bare() && (view.before(number.start) == b'-' || is_constant(&view, number.start)) {
        return Ok(());
    }
    let alone = match number.separator == b' ' && is_listed(&view, number) {
        true => 0,
        false => alone(&view, number),
    };
    let score = if is_possible(number) && sight.has(number.start, PHONE) {
        let is_other = number.is_bare() && sight.has(number.start, &[Topic::Commerce]);
        if is_other { alone } else { alone.max(70) }
    } else {
        alone
    };
    if score == 0 {
        return Ok(());
    }
    if let Some(end) = extended(&sight.view, number.end)? {
        sight.offer(Entity::Phone, number.start, end, score);
    }
    Ok(())
}

/// Whether a number with spaces stands among others: other numbers, or pairs of hexadecimal digits.
fn is_listed(view: &View<'_>, number: &Prefix<'_>) -> bool {
    if number.is_followed || view.before(number.start) != b' ' {
        return number.is_followed;
    }
    let end = number.start.wrapping_sub(1);
    let words =
        view.part(view.run_back(end, 5, |byte| byte == b' ' || byte.is_ascii_hexdigit())..end);
    view.before(end).is_ascii_digit()
        || matches!(words, [_, _, b' ', last @ ..] if !last.contains(&b' '))
}

/// Whether a number is the value of a constant in code: `X: u32 = 7`.
fn is_constant(view: &View<'_>, start: usize) -> bool {
    let behind = view.run_back(start, 1, |byte| byte == b' ');
    let is_set = behind < start && view.before(behind) == b'=';
    is_set
        && matches!(
            view.part(behind.wrapping_sub(4)..behind),
            [_, b'2' | b'4', b' ', b'=']
        )
}

/// Whether the words may make a phone number of it.
fn is_possible(number: &Prefix<'_>) -> bool {
    if number.is_bare() {
        return (7..=13).contains(&number.digits.len());
    }
    let are_groups = number.lengths_back().all(|length| length <= 8);
    let is_last_long = number.lengths_back().next().is_some_and(|last| last > 1);
    // `1.234567` is a number.
    let is_decimal = number.separator == b'.' && number.shape < 0x100;
    are_groups && is_last_long && !is_decimal && number.shape < 1 << 24
}

/// What it is worth by its shape.
fn alone(view: &View<'_>, number: &Prefix<'_>) -> u8 {
    let digits = number.digits;
    let separator = number.separator;
    let first = view
        .rest(number.start)
        .iter()
        .find(|byte| !byte.is_ascii_digit());
    if separator == MIXED {
        // `212 555-0143`, `070-123 45 67`, `11 91234-5678`.
        let last = view.before(number.end.wrapping_sub(4));
        return match (number.shape, digits) {
            (0x334, _) if last == b'-' && is_american(digits) => 60,
            (0x3322 | 0x334, [0, 1..=9, ..]) if first == Some(&b'-') => 55,
            (0x344, [0, 1..=9, ..]) if last == b'-' => 55,
            (0x254, [1..=9, 1..=9, 9, ..]) if last == b'-' => 60,
            _ => 0,
        };
    }
    if separator == b'/' {
        return if digits.len() > 8 { 60 } else { 0 };
    }
    if !number.is_separated_by(b"- .") {
        return 0;
    }
    let american = match digits {
        [1, rest @ ..] if digits.len() == 11 => rest,
        [0, 0, 1, rest @ ..] if digits.len() == 13 => rest,
        _ => digits,
    };
    if matches!(number.shape, 0x334 | 0x1334 | 0x3334) && is_american(american) {
        return match separator {
            b'-' => 75,
            b'.' => 65,
            _ => 60,
        };
    }
    match (number.shape, digits) {
        // Switzerland, Turkey, Belgium, Hungary; Russia; Australia's for services.
        (0x3322 | 0x4322 | 0x4222, [0, 1..=9, ..]) => 60,
        (0x2234, [0, 6, ..]) => 60,
        (0x13322, [8, 9, ..]) => 60,
        (0x433, [1, 3 | 8, 0, 0, ..]) => 60,
        // China, India.
        (0x344, [1, 3..=9, ..]) => 60,
        (0x55, [6..=9, ..]) if separator != b'.' => 55,
        // France.
        (0x22222, [0, 1..=9, ..]) if !number.is_followed => 65,
        // Ireland, New Zealand, Korea.
        (0x234, [0, 1..=9, ..]) if separator != b'.' => 55,
        (shape, [0, 1..=9, ..]) if is_trunk(shape, digits.len()) && separator != b'.' => 60,
        // `0044 ...`: a country's plan.
        (_, [0, 0, rest @ ..])
            if first == Some(&separator) && is_dialled(number) && is_planned(rest) =>
        {
            65
        }
        _ => 0,
    }
}

/// Whether the first group is `00` and a country's code.
fn is_dialled(number: &Prefix<'_>) -> bool {
    let first = number.lengths_back().last();
    matches!(first, Some(4 | 5)) && number.shape > 0xFF && number.digits.len() > 10
}

/// A national number behind 0: an area of two to five digits, and groups of three or more.
fn is_trunk(shape: u64, digits: usize) -> bool {
    let (first, groups) = match shape {
        0x10..=0xFF => (shape >> 4, [shape & 15, 3]),
        0x100..=0xFFF => (shape >> 8, [shape >> 4 & 15, shape & 15]),
        _ => return false,
    };
    (10..=12).contains(&digits)
        && (2..=5).contains(&first)
        && groups.iter().all(|&length| length >= 3)
}
