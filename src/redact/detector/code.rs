//! Words of letters and digits: IBANs, ids with letters, and keys without a separator in their prefix.
//!
//! The trigger is a word's first digit, so each word is read once.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "sums over at most 40 characters with small weights"
)]

use super::identity::{self, is_chinese, is_finnish};
use super::number::Prefix;
use super::{Sight, Topic, address, card, is_edge, named, token, wallet};
use crate::redact::checksum::{is_date, mod_97};
use crate::redact::entity::Entity;
use crate::redact::run::Set;
use crate::redact::view::{More, View, is_word};

/// Longer words are keys, or nothing that is looked for.
const WORD_BYTES_MAX: usize = 80;

/// The IBAN registry: country and length.
const IBAN_LENGTHS: &[u8] = b"AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30";

#[inline(never)] // What calls it is optimized sooner.
pub(super) fn detect(sight: &mut Sight<'_, '_>, at: usize) -> Result<(), More> {
    let view = sight.view;
    let start = view.run_of_back(at, 64, Set::LETTER);
    let before = view.before(start);
    let letters = at - start;
    if before.is_ascii_digit() {
        return Ok(());
    }
    let end = view.run_of(at, WORD_BYTES_MAX, Set::WORD)?;
    let length = end - start;
    // Names of code are shorter; and what goes on with `@` is asked there.
    let is_value = length >= if before == b'_' { 10 } else { 5 };
    if is_value && !(length < 10 && view.ahead(end)? == b'@') {
        named::detect(sight, at)?;
    }
    if before == b'_' {
        return Ok(());
    }
    match view.part(start..at) {
        [_, _] => iban(sight, start)?,
        [a, b, c, d, _, _] if [a, b, c, d].map(u8::to_ascii_lowercase) == *b"iban" => {
            iban(sight, at - 2)?;
        }
        _ => {}
    }
    if matches!(letters, 2 | 3) || letters <= 10 && end - at >= 13 {
        glued(sight, start, at)?;
    }
    let word = view.part(start..end);
    sight.note().word = end;
    if word.len() == 8 && view.ahead(end)? == b'-' && is_uuid(&view, start)? {
        sight.note().word = start + UUID_BYTES;
        return Ok(());
    }
    token::detect_word(sight, start, end)?;
    token::detect_ended(sight, start, end)?;
    if word.len() < 6 || word.len() > 64 || !is_edge(view.ahead(end)?) {
        if letters == 0 && matches!(word.len(), 1 | 2 | 4) {
            return grouped(sight, start, end);
        }
        return Ok(());
    }
    // The name in an address of mail.
    if view.ahead(end)? != b'@' {
        wallet::detect(sight, start, end);
        identity(sight, start, word);
    }
    Ok(())
}

/// A number right behind the word that says what it is: `VISA4111111111111111`, `SSN536-22-1234`, `ip8.8.4.4`.
fn glued(sight: &mut Sight<'_, '_>, start: usize, at: usize) -> Result<(), More> {
    const CARDS: &[&[u8]] = &[
        b"visa",
        b"mc",
        b"cc",
        b"amex",
        b"card",
        b"pan",
        b"mastercard",
        b"discover",
        b"ccn",
    ];
    let view = sight.view;
    let word = view.part(start..at);
    let is = |name: &[u8]| name.eq_ignore_ascii_case(word);
    if is(b"ip") {
        return address::detect_ipv4(sight, at);
    }
    let is_long = view.ahead(at + 3)?.is_ascii_digit() && view.ahead(at + 12)?.is_ascii_digit();
    let is_ssn = is(b"ssn");
    if !(is_ssn || is_long && CARDS.iter().any(|name| is(name))) {
        return Ok(());
    }
    let mut digits = [0; 19];
    let (mut count, mut end) = (0, at);
    for digit in &mut digits {
        end += usize::from(is_ssn && matches!(count, 3 | 5) && view.ahead(end)? == b'-');
        let byte = view.ahead(end)?;
        if !byte.is_ascii_digit() {
            break;
        }
        *digit = byte & 15;
        count += 1;
        end += 1;
    }
    if is_edge(view.ahead(end)?) {
        let digits = digits.get(..count).unwrap_or_default();
        let number = Prefix {
            end,
            ..Prefix::bare(at, digits, false)
        };
        match is_ssn {
            true => identity::detect(sight, &number),
            false => card::detect(sight, &number),
        }
    }
    Ok(())
}

const UUID_BYTES: usize = 36;

/// `8-4-4-4-12` hexadecimal digits.
fn is_uuid(view: &View<'_>, start: usize) -> Result<bool, More> {
    let near = view.rest(start).first_chunk::<UUID_BYTES>();
    if let Some(
        &[
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            a,
            _,
            _,
            _,
            _,
            b,
            _,
            _,
            _,
            _,
            c,
            _,
            _,
            _,
            _,
            d,
            ..,
        ],
    ) = near
        && [a, b, c, d] != *b"----"
    {
        return Ok(false);
    }
    let mut at = start;
    for length in [8, 4, 4, 4, 12] {
        if at > start {
            if view.ahead(at)? != b'-' {
                return Ok(false);
            }
            at += 1;
        }
        let end = view.run_of(at, length, Set::HEX)?;
        if end != at + length {
            return Ok(false);
        }
        at = end;
    }
    Ok(is_edge(view.ahead(at)?))
}

/// Ids that are one word, by their length.
fn identity(sight: &mut Sight<'_, '_>, start: usize, word: &[u8]) {
    let end = start + word.len();
    let mut offer = |entity, score| sight.offer(entity, start, end, score);
    match word.len() {
        9 if has_shape(word, b"LLDDDDDDL") && is_nino(word) => offer(Entity::UkNino, 80),
        9 if has_shape(word, b"DDDDDDDDL") && is_nif(0, word) => offer(Entity::EsNif, 80),
        9 if has_shape(word, b"LDDDDDDDL") => {
            let place = b"XYZ".iter().position(|&letter| letter == upper(word, 0));
            if place.is_some_and(|place| is_nif(place, word.get(1..).unwrap_or_default())) {
                offer(Entity::EsNif, 85);
            }
            if is_nric(word) {
                offer(Entity::SgNric, 80);
            }
        }
        10 if has_shape(word, b"LLLLLDDDDL")
            && is_upper(word)
            && b"ABCFGHLJPT".contains(&upper(word, 3)) =>
        {
            offer(Entity::InPan, 75);
        }
        11 if has_shape(word, b"DDDDDDLDDDA") => {
            let digits: [u8; 9] = [0, 1, 2, 3, 4, 5, 7, 8, 9].map(|at| digit(word, at));
            if b"ABCDEF".contains(&upper(word, 6)) && is_finnish(&digits, upper(word, 10)) {
                offer(Entity::FiHetu, 85);
            }
        }
        11 if is_mbi(word) => offer(Entity::UsMbi, 70),
        15 if has_shape(word, b"DDLLLLLDDDDLALA") && is_upper(word) && upper(word, 13) == b'Z' => {
            offer(Entity::InGstin, 85);
        }
        16 if is_codice_fiscale(word) => offer(Entity::ItCodiceFiscale, 90),
        17 if is_vin(word) => offer(Entity::Vin, 75),
        18 if has_shape(word, b"LLLLDDDDDDLLLLLLAD") && is_upper(word) => {
            let is_dated = is_date(two(word, 8), two(word, 6));
            if is_dated && b"HMX".contains(&upper(word, 10)) {
                offer(Entity::MxCurp, 85);
            }
        }
        18 if has_shape(word, b"DDDDDDDDDDDDDDDDDL") && upper(word, 17) == b'X' => {
            let digits: [u8; 17] = core::array::from_fn(|at| digit(word, at));
            if is_chinese(&digits, 10) {
                offer(Entity::CnId, 90);
            }
        }
        _ => {}
    }
    by_words(sight, start, word);
}

/// Ids without a check that could tell, by the words before.
fn by_words(sight: &mut Sight<'_, '_>, start: usize, word: &[u8]) {
    let end = start + word.len();
    if word.len() > 16 || word.starts_with(b"0x") {
        return;
    }
    let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = word.len() - digits;
    let before = sight.view.before(start);
    // A part of something longer.
    let is_part = before != 0 && !b" \t\n\"'`:=#(>*|,".contains(&before);
    if letters == 0 || digits < 4 || is_part {
        return;
    }
    if word.len() == 9 && letters <= 2 && is_dea(word) && sight.has(start, &[Topic::Dea]) {
        sight.offer(Entity::UsDea, start, end, 85);
    }
    if (7..=9).contains(&word.len()) && sight.has(start, &[Topic::Passport]) {
        sight.offer(Entity::Passport, start, end, 75);
    }
    if digits >= 5 && sight.has(start, &[Topic::Licence]) {
        sight.offer(Entity::DriverLicence, start, end, 60);
    }
}

/// A word in groups: `AB 12 ...` is none, but `1EG4-TE5-MK73` and `12.345.678-K` are.
fn grouped(sight: &mut Sight<'_, '_>, start: usize, end: usize) -> Result<(), More> {
    let view = sight.view;
    let mut word = [0; 11];
    let mut count = 0;
    let mut at = start;
    // A bit for each character with a separator before it.
    let mut cuts = 0_u16;
    let is_rut = end - start < 4;
    let separators: &[u8] = if is_rut { b".-" } else { b"-" };
    // Of one digit or two three more follow.
    if !separators.contains(&view.ahead(end)?) || is_rut && view.digits(end + 1, 3)? != end + 4 {
        return Ok(());
    }
    for slot in &mut word {
        let byte = view.ahead(at)?;
        let is_separator = separators.contains(&byte);
        cuts |= u16::from(is_separator) << count;
        at += usize::from(is_separator);
        *slot = if is_separator { view.ahead(at)? } else { byte };
        if !is_word(*slot) {
            break;
        }
        count += 1;
        at += 1;
    }
    if !is_edge(view.ahead(at)?) {
        return Ok(());
    }
    let word = word.get(..count).unwrap_or_default();
    if count == 11 && cuts == 0b1001_0000 && is_mbi(word) {
        sight.offer(Entity::UsMbi, start, at, 85);
    }
    let is_printed = matches!((count, cuts), (9, 0b1_0010_0100) | (8, 0b1001_0010));
    if is_rut && is_printed && is_rut_right(word) {
        sight.offer(Entity::ClRut, start, at, 85);
    }
    Ok(())
}

/// A bank account of the registry's length for its country, with the right check. Single spaces and dashes may be inside.
fn iban(sight: &mut Sight<'_, '_>, start: usize) -> Result<(), More> {
    let view = sight.view;
    let Some(length) = iban_length(&view, start)? else {
        return Ok(());
    };
    // In most countries digits follow, or four letters.
    let fourth = start + 4;
    let fifth = fourth + usize::from(matches!(view.ahead(fourth)?, b' ' | b'-' | b'.'));
    if is_numeric(&view, start)? && !view.ahead(fifth)?.is_ascii_digit() {
        return Ok(());
    }
    let mut text = [0; 34];
    let mut at = start;
    for slot in text.iter_mut().take(length) {
        if matches!(view.ahead(at)?, b' ' | b'-' | b'.') {
            at += 1;
        }
        *slot = view.ahead(at)?;
        if !is_word(*slot) {
            return Ok(());
        }
        at += 1;
    }
    let (head, tail) = text.split_at(4);
    let tail = tail.get(..length.saturating_sub(4)).unwrap_or_default();
    let is_right = mod_97(tail.iter().chain(head).copied()) == 1;
    if is_right && is_edge(view.ahead(at)?) {
        sight.offer(Entity::Iban, start, at, 98);
    }
    Ok(())
}

/// Whether a country's accounts begin with a digit behind the check digits.
fn is_numeric(view: &View<'_>, start: usize) -> Result<bool, More> {
    const LETTERS: &[u8] = b"AZBGBHBYDOFKGBGEGIGTHNIEIQITJOKWLCLVMDMTMUNINLPKPSQAROSCSMSVVGYE";
    let head = [view.ahead(start)?, view.ahead(start + 1)?].map(|byte| byte.to_ascii_uppercase());
    let (pairs, _) = LETTERS.as_chunks::<2>();
    Ok(!pairs.contains(&head))
}

fn iban_length(view: &View<'_>, start: usize) -> Result<Option<usize>, More> {
    let head = [view.ahead(start)?, view.ahead(start + 1)?].map(|byte| byte.to_ascii_uppercase());
    // The check digits are two.
    if !view.ahead(start + 3)?.is_ascii_digit() {
        return Ok(None);
    }
    let (rows, _) = IBAN_LENGTHS.as_chunks::<4>();
    let row = rows.iter().find(|&&[a, b, ..]| [a, b] == head);
    Ok(row.map(|&[_, _, tens, ones]| usize::from(tens & 15) * 10 + usize::from(ones & 15)))
}

/// `L` is a letter, `D` a digit, `A` either.
fn has_shape(word: &[u8], shape: &[u8]) -> bool {
    word.len() == shape.len()
        && word.iter().zip(shape).all(|(byte, kind)| match kind {
            b'L' => byte.is_ascii_alphabetic(),
            b'D' => byte.is_ascii_digit(),
            _ => byte.is_ascii_alphanumeric(),
        })
}

fn is_upper(word: &[u8]) -> bool {
    !word.iter().any(u8::is_ascii_lowercase)
}

fn upper(word: &[u8], at: usize) -> u8 {
    word.get(at).map_or(0, u8::to_ascii_uppercase)
}

fn digit(word: &[u8], at: usize) -> u8 {
    upper(word, at) & 15
}

fn two(word: &[u8], at: usize) -> u32 {
    u32::from(digit(word, at)) * 10 + u32::from(digit(word, at + 1))
}

/// National Insurance: prefixes that HMRC gives out, and a suffix of A to D.
pub(super) fn is_nino(word: &[u8]) -> bool {
    let [a, b] = [upper(word, 0), upper(word, 1)];
    let is_given = !b"DFIQUV".contains(&a) && !b"DFIQUVO".contains(&b);
    let is_void = [*b"BG", *b"GB", *b"KN", *b"NK", *b"NT", *b"TN", *b"ZZ"].contains(&[a, b]);
    is_given && !is_void && b"ABCD".contains(&upper(word, 8)) && is_upper(word)
}

/// Spain: the number modulo 23 says the letter. Foreigners have X, Y or Z for 0, 1 or 2 in front.
fn is_nif(first: usize, word: &[u8]) -> bool {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let Some((&letter, digits)) = word.split_last() else {
        return false;
    };
    let number = digits.iter().fold(first, |number, byte| {
        (number * 10 + usize::from(byte & 15)) % 23
    });
    LETTERS.get(number) == Some(&letter.to_ascii_uppercase())
}

fn is_nric(word: &[u8]) -> bool {
    let sum: u32 = (1..8)
        .zip([2, 7, 6, 5, 4, 3, 2])
        .map(|(at, weight)| u32::from(digit(word, at)) * weight)
        .sum();
    let (table, offset): (&[u8; 11], u32) = match upper(word, 0) {
        b'S' => (b"JZIHGFEDCBA", 0),
        b'T' => (b"JZIHGFEDCBA", 4),
        b'F' => (b"XWUTRQPNMLK", 0),
        b'G' => (b"XWUTRQPNMLK", 4),
        b'M' => (b"XWUTRQPNJLK", 3),
        _ => return false,
    };
    let rest = usize::try_from((sum + offset) % 11).unwrap_or(0);
    let rest = if upper(word, 0) == b'M' {
        10 - rest
    } else {
        rest
    };
    table.get(rest) == Some(&upper(word, 8))
}

/// Medicare Beneficiary Identifier: no S, L, O, I, B, Z anywhere.
fn is_mbi(word: &[u8]) -> bool {
    let is_allowed = |byte: &u8| !b"SLOIBZ".contains(byte);
    has_shape(word, b"DLADLADLLDD")
        && upper(word, 0) != b'0'
        && is_upper(word)
        && word.iter().all(is_allowed)
}

fn is_dea(word: &[u8]) -> bool {
    let sum = |places: [usize; 3]| {
        places
            .iter()
            .map(|&at| u32::from(digit(word, at)))
            .sum::<u32>()
    };
    let total = sum([2, 4, 6]) + 2 * sum([3, 5, 7]);
    has_shape(word, b"LADDDDDDD") && total % 10 == u32::from(digit(word, 8))
}

/// Chile: modulo 11, and K stands for 10.
fn is_rut_right(word: &[u8]) -> bool {
    let Some((&check, digits)) = word.split_last() else {
        return false;
    };
    let weights = [2, 3, 4, 5, 6, 7].iter().cycle();
    let pairs = digits.iter().rev().zip(weights);
    let sum: u32 = pairs
        .map(|(byte, weight)| u32::from(byte & 15) * weight)
        .sum();
    let want = match 11 - sum % 11 {
        11 => b'0',
        10 => b'K',
        value => b'0' + u8::try_from(value).unwrap_or(0),
    };
    digits.iter().all(u8::is_ascii_digit) && check.to_ascii_uppercase() == want
}

/// Italy: names, a date, a place, and a check letter over all of it.
fn is_codice_fiscale(word: &[u8]) -> bool {
    /// What a character in an odd place counts, by its value.
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let is_small = !word.iter().any(u8::is_ascii_uppercase);
    if !has_shape(word, b"LLLLLLAALAALAAAL") || !is_small && !is_upper(word) {
        return false;
    }
    let sum: u32 = word
        .iter()
        .take(15)
        .enumerate()
        .map(|(at, byte)| {
            let value = match byte {
                b'0'..=b'9' => byte - b'0',
                _ => byte.to_ascii_uppercase() - b'A',
            };
            let odd = ODD.get(usize::from(value)).copied().unwrap_or(0);
            if at % 2 == 0 { odd } else { u32::from(value) }
        })
        .sum();
    u32::from(upper(word, 15).wrapping_sub(b'A')) == sum % 26
}

/// ISO 3779 with North America's check digit in the ninth place.
fn is_vin(word: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let sum: u32 = word
        .iter()
        .zip(WEIGHTS)
        .map(|(byte, weight)| {
            let value = match byte {
                b'0'..=b'9' => byte - b'0',
                b'A'..=b'H' => byte - b'A' + 1,
                b'J'..=b'R' => byte - b'J' + 1,
                b'S'..=b'Z' => byte - b'S' + 2,
                _ => 0,
            };
            u32::from(value) * weight
        })
        .sum();
    let want = match sum % 11 {
        10 => b'X',
        value => b'0' + u8::try_from(value).unwrap_or(0),
    };
    let letters = word.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    is_upper(word)
        && letters >= 3
        && !word.iter().any(|byte| b"IOQ".contains(byte))
        && upper(word, 8) == want
}
