//! Triggers that come to nothing, told by the bytes beside them.
//!
//! Most triggers are a name's colon, a dot between words, a small number. Whatever is let out here no detector would find
//! anything at, or keep anything of; so it makes no difference but time where these bytes are not all there.

use super::{assignment, email, may_end_value, named, token};
use crate::redact::run::{self, Set};
use crate::redact::view::{class, is_in, is_name, is_word};

/// Whether no detector finds anything at the first of the bytes behind.
#[inline]
pub(in crate::redact) fn is_idle(before: &[u8; 16], behind: &[u8; 16]) -> bool {
    let &[byte, next, second, ..] = behind;
    let &[.., third, earlier, last] = before;
    match byte {
        b'0'..=b'9' if last.is_ascii_alphabetic() => is_idle_word(before, behind),
        b'0'..=b'9' => is_idle_number(before, behind),
        b':' => is_idle_colon(before, behind),
        b'=' => !assignment::may_begin(before),
        b'_' => !behind.starts_with(b"_mmk") && !token::may_begin(before, byte),
        // Else perhaps a MAC address with dots.
        b'.' => !(token::may_begin(before, byte) || is_hex(last) && behind[5] == b'.'),
        b'-' if !is_word(last) => [next, second] != *b"--",
        b'-' => {
            let is_digit =
                last.is_ascii_digit() && !matches!([earlier, last], [b'A', b'3'] | [b'a', b'2']);
            let is_token = !is_digit && token::may_begin(before, byte);
            let is_mac = is_pair(earlier, last) && is_pair(next, second) && behind[3] == b'-';
            !is_token && (!is_mac || is_word(third) || third == b'-')
        }
        b'@' => {
            let may_be_domain = Set::DOMAIN.has(second) || second >= 0x80;
            let may_be_mail = may_be_domain || next >= 0x80 || next == b'[';
            !email::may_stand(last, next) || !may_be_mail && !named::may_begin(before)
        }
        b'I' => !matches!((earlier, last), (b'A', _) | (b'T', b'A')),
        b'J' => [earlier, last] != *b"ey",
        b'K' => last != b'A' && [earlier, last] != *b"BS",
        b'z' => last != b'I' || next != b'a',
        b'w' => !matches!([third | 0x20, earlier | 0x20], [b'a', b's']),
        _ => false,
    }
}

/// A colon that is no part of an address or a token, and behind no name.
fn is_idle_colon(before: &[u8; 16], behind: &[u8; 16]) -> bool {
    let &[_, next, second, ..] = behind;
    let &[.., eighth, _, _, _, _, _, earlier, last] = before;
    match next {
        b'/' => return false,
        // An address is more than what stands before two colons.
        b':' => return !is_hex(second),
        _ => {}
    }
    let is_promise = match last {
        b'0'..=b'9' => eighth.is_ascii_digit() && run::length_back(before, Set::DIGIT) > 7,
        _ if last.is_ascii_alphabetic() && !earlier.is_ascii_alphabetic() => false,
        _ => assignment::may_begin(before),
    };
    !is_promise && (!is_hex(last) || !is_hex(next) || !may_be_address(before, behind))
}

/// Whether four groups of hexadecimal digits may begin before a colon, or three and two colons.
fn may_be_address(before: &[u8; 16], behind: &[u8; 16]) -> bool {
    let first = run::length_back(before, Set::HEX);
    let edge = before.iter().rev().nth(first);
    // The word of `host:2a00:1450::1`; see [`super::address::is_label`].
    let mut label = before.iter().rev().skip(first.wrapping_add(1)).take(8);
    let mut is_label = || {
        let other = label.find(|&&byte| !is_hex(byte));
        other.is_some_and(u8::is_ascii_alphabetic)
    };
    if first > 4 || edge.is_none_or(|&edge| is_name(edge) || edge == b':' && !is_label()) {
        return false;
    }
    let mut groups = behind.get(1..).unwrap_or_default();
    for _ in 0..2 {
        let length = groups.iter().take_while(|&&byte| is_hex(byte)).count();
        match groups.get(length..) {
            Some([b':', b':', ..]) => return true,
            Some([b':', rest @ ..]) => groups = rest,
            _ => return false,
        }
    }
    true
}

/// A few digits that are no part of a date, of an address or of a number in groups.
fn is_idle_number(before: &[u8; 16], behind: &[u8; 16]) -> bool {
    let &[.., earlier, last] = before;
    let length = behind.first_chunk().map_or(8, run::digits);
    let Some(&[next, second]) = behind.get(length..).and_then(<[u8]>::first_chunk) else {
        return false;
    };
    let is_short = length < 3;
    if length > 7 || !is_short && may_end_value(earlier, last) {
        return false;
    }
    // Inside a row of groups.
    match last {
        b'-' if earlier.is_ascii_digit() => return length > 3 || next != b'.',
        b'/' | b'.' if earlier.is_ascii_digit() => return true,
        b' ' if earlier.is_ascii_digit() && is_short => return next != b'.',
        b' ' if earlier.is_ascii_digit() && is_joint(next) && length < 7 => {
            let may_be_address = length == 3 && next == b'.';
            return !may_be_address && !may_be_split(length, behind) && !may_go_on(length, behind);
        }
        _ => {}
    }
    if length == 4 && next == b'-' {
        return is_time(behind);
    }
    if next.is_ascii_alphabetic() {
        return is_idle_digit(length, behind);
    }
    if !is_short && length != 5 {
        return false;
    }
    match next {
        b' ' | b'-' | b'.' | b',' | b'/' => {
            let may_be_after = last == b' ' && (earlier.is_ascii_alphabetic() || earlier >= 0x80);
            let may_be_before = second.is_ascii_alphabetic() || [next, second] == *b". ";
            let may_be_day = is_short && (may_be_after || may_be_before);
            !may_be_day && (!second.is_ascii_digit() || next == b',')
        }
        b'_' | b'@' => false,
        _ => true,
    }
}

/// Whether a group behind another may be the first of a number; see [`super::number::may_go_on`].
fn may_go_on(length: usize, behind: &[u8; 16]) -> bool {
    // As many as seven if that cannot be told.
    let group = |at: usize| {
        let rest = behind.get(at..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length < rest.len() { length } else { 7 }
    };
    let second = group(length.wrapping_add(1));
    let third = || group(length.wrapping_add(second).wrapping_add(2));
    match (length, second) {
        (3, 2..=4) => matches!(third(), 4 | 7),
        (4, 4) => matches!(third(), 4 | 7) && !matches!(behind[0], b'0' | b'1' | b'7'),
        (4, 5 | 6) => true,
        (3 | 4, _) => second > 6,
        _ => false,
    }
}

/// Whether a group may be a card's whose groups stand apart by several marks; see [`super::card::detect_split`].
fn may_be_split(length: usize, behind: &[u8; 16]) -> bool {
    let second = behind.get(5..).unwrap_or_default();
    let second = second.iter().take_while(|byte| byte.is_ascii_digit());
    length == 4 && matches!(behind[0], b'2'..=b'6') && matches!(second.count(), 0 | 4)
}

/// What may stand between groups.
const fn is_joint(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'/')
}

/// A date that goes on with a letter: `2026-11-23T`.
fn is_time(behind: &[u8; 16]) -> bool {
    let &[_, _, _, _, b'-', a, b, b'-', c, d, letter, ..] = behind else {
        return false;
    };
    [a, b, c, d].iter().all(u8::is_ascii_digit) && letter.is_ascii_alphabetic() && letter != b'x'
}

/// A short word that begins with digits, and is no day and no number with an extension.
fn is_idle_digit(digits: usize, behind: &[u8; 16]) -> bool {
    let length = run::length(behind, Set::WORD);
    let marks = [digits, length].map(|at| behind.get(at).copied().unwrap_or(0));
    let is_grouped = length == 4 && marks[1] == b'-';
    length < 5 && !is_grouped && marks[1] != b'~' && !b"snrtx".contains(&marks[0])
}

/// A short word, or one that was read before.
fn is_idle_word(before: &[u8; 16], behind: &[u8; 16]) -> bool {
    let letters = run::length_back(before, Set::LETTER);
    let length = run::length(behind, Set::WORD);
    let place = before.len().wrapping_sub(letters).wrapping_sub(1);
    let all = letters.wrapping_add(length);
    let next = match (before.get(place), behind.get(length)) {
        (Some(b'0'..=b'9'), _) => return true,
        (Some(b'_'), _) if all < 10 => return true,
        (Some(_), Some(&next)) => next,
        _ => return false,
    };
    // An IBAN, or an address behind `ip`.
    let may_be_pair = letters == 2 && behind[1].is_ascii_digit();
    // A name in an address of mail is read from its `@`.
    let is_short = all < 5 || all < 10 && next == b'@' && !token::begins_word(before, letters);
    is_short && !may_be_pair && next != b'~'
}

fn is_pair(one: u8, other: u8) -> bool {
    is_hex(one) && is_hex(other)
}

fn is_hex(byte: u8) -> bool {
    is_in(byte, class::HEX)
}
