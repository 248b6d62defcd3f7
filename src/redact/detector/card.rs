//! Payment cards: an issuer's range, a length it uses, and the check digit.

use super::number::{MIXED, Prefix};
use super::{Sight, Topic};
use crate::redact::checksum::luhn;
use crate::redact::entity::Entity;
use crate::redact::view::{More, is_name};

pub(super) fn detect(sight: &mut Sight<'_, '_>, number: &Prefix<'_>) {
    let length = number.digits.len();
    let is_issued = is_issued(number);
    let may_be_issued = matches!(number.digit(0), 3..=6) && !is_in_row(sight, number);
    if !(12..=19).contains(&length) || !is_issued && !may_be_issued {
        return;
    }
    if !is_grouped(number) || !luhn(number.digits) {
        return;
    }
    let is_called_card = |sight: &mut Sight<'_, '_>| sight.has(number.start, &[Topic::Card]);
    // Lists of random integers hold what looks like a long card.
    let is_long = length > 16 && number.is_bare();
    let is_listed = is_long && (number.digit(0) != 4 || is_listed(sight, number))
        || is_odd(sight, number)
        || length == 13 && sight.has(number.start, &[Topic::Commerce]);
    let score = match length {
        // A range that the table does not have.
        _ if !is_issued && !is_called_card(sight) => return,
        _ if !is_issued => 75,
        12 => 60,
        _ if is_listed && !is_called_card(sight) => 45,
        _ => 95,
    };
    sight.offer(Entity::PaymentCard, number.start, number.end, score);
}

/// Whether a comma stands behind it or before it.
fn is_listed(sight: &Sight<'_, '_>, number: &Prefix<'_>) -> bool {
    let view = sight.view;
    let start = view.run_back(number.start, 8, |byte| byte.is_ascii_whitespace());
    // What ends a number was read with it.
    view.rest(number.end).first() == Some(&b',') || view.before(start) == b','
}

/// Four groups of four behind a word for cards, whatever marks, tabs or ends of lines stand between them.
pub(super) fn detect_split(sight: &mut Sight<'_, '_>, at: usize) -> Result<(), More> {
    let view = sight.view;
    let mut digits = [0; 16];
    let mut end = at;
    for (place, group) in digits.chunks_exact_mut(4).enumerate() {
        if place > 0 {
            let is_gap = |byte: u8| byte != 0 && !byte.is_ascii_alphanumeric();
            let gap = view.run(end, 4, is_gap)?;
            if gap == end || gap.wrapping_sub(end) > 3 {
                return Ok(());
            }
            end = gap;
        }
        for digit in group {
            let byte = view.ahead(end)?;
            if !byte.is_ascii_digit() {
                return Ok(());
            }
            *digit = byte & 15;
            end = end.wrapping_add(1);
        }
    }
    let number = Prefix {
        end,
        ..Prefix::bare(at, &digits, false)
    };
    let is_over = !is_name(view.ahead(end)?);
    if is_over && is_issued(&number) && luhn(&digits) && sight.has(at, &[Topic::Card]) {
        sight.offer(Entity::PaymentCard, at, end, 85);
    }
    Ok(())
}

/// Groups of four and a shorter one, as no card is printed, among other numbers.
fn is_odd(sight: &Sight<'_, '_>, number: &Prefix<'_>) -> bool {
    let is_short = number.lengths_back().next().is_some_and(|last| last < 4);
    number.separator == b' ' && is_short && is_in_row(sight, number)
}

/// Whether other digits stand a place before it or behind it.
fn is_in_row(sight: &Sight<'_, '_>, number: &Prefix<'_>) -> bool {
    let before = number.start.wrapping_sub(1);
    number.is_followed || sight.view.before(before).is_ascii_digit()
}

/// Three or four digits behind a word that speaks of them.
pub(super) fn detect_cvv(sight: &mut Sight<'_, '_>, start: usize, end: usize) {
    if !sight.topics.may_be_cvv(&sight.view, start) {
        return;
    }
    if sight.has(start, &[Topic::Cvv]) {
        sight.offer(Entity::CardCvv, start, end, 80);
    } else if end.wrapping_sub(start) == 4
        && sight.view.before(start) != b'#'
        && sight.has_near(start, &[Topic::Pin])
    {
        sight.offer(Entity::Password, start, end, 60);
    }
}

/// Whether an issuer gives out numbers that begin so, in this length.
fn is_issued(number: &Prefix<'_>) -> bool {
    let length = number.digits.len();
    match number.value(0, 4) {
        // Visa.
        4000..=4999 => matches!(length, 13 | 16 | 19),
        // Mastercard.
        5100..=5599 | 2221..=2720 => length == 16,
        // American Express.
        3400..=3499 | 3700..=3799 => length == 15,
        // Diners Club.
        3000..=3059 | 3095 | 3600..=3699 | 3800..=3999 => length == 14 || length >= 16,
        // JCB has 3528 to 3589; made-up numbers have all of 35. And its old ones of 15.
        3500..=3599 if length == 16 => true,
        3528..=3589 => (17..=19).contains(&length),
        2131 | 1800 => length == 15,
        // Discover, UnionPay, RuPay, Hipercard, Elo.
        6011 | 6440..=6599 => (16..=19).contains(&length),
        6200..=6299 | 8100..=8199 => (16..=19).contains(&length),
        6060..=6099 | 8200..=8299 | 5080..=5089 => length == 16,
        // Mir, Troy, Verve.
        2200..=2204 => (16..=19).contains(&length),
        9792 => length == 16,
        5061 => (16..=19).contains(&length),
        // Maestro.
        5018
        | 5020
        | 5038
        | 5612
        | 5641
        | 5893
        | 6304
        | 6331..=6334
        | 6390
        | 6759
        | 6761..=6763
        | 6771 => true,
        5000..=5099 | 5600..=5899 | 6700..=6799 => length >= 16,
        _ => false,
    }
}

/// In one piece, in the groups that are printed on cards, or in equal groups.
fn is_grouped(number: &Prefix<'_>) -> bool {
    if number.is_bare() || matches!(number.shape, 0x465 | 0x464 | 0x456) {
        return number.separator != MIXED && number.separator != b'/';
    }
    if !number.is_separated_by(b" -.") {
        return false;
    }
    // Only the last may be shorter.
    let mut lengths = number.lengths_back();
    let last = lengths.next().unwrap_or(0);
    let first = lengths.next().unwrap_or(0);
    last <= first && lengths.all(|length| length == first)
}
