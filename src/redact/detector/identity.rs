//! Numbers of people and firms: those with check digits and printed groups by themselves, the others by the words before.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "sums over at most 24 digits with small weights"
)]

use super::number::{Number, Prefix};
use super::{Sight, Topic, code, is_edge};
use crate::redact::checksum::{
    is_date, luhn, luhn_sum, mod_11_2, mod_11_10, modulo, verhoeff, weighted,
};
use crate::redact::entity::Entity;
use crate::redact::run::Set;
use crate::redact::view::More;

/// Words that speak of a person's number, for numbers that say much themselves; for the others a mere `id` says too little.
const PERSON: &[Topic] = &[Topic::Personal, Topic::Id];

pub(super) fn detect(sight: &mut Sight<'_, '_>, number: &Prefix<'_>) {
    if (0x111..=0xFFF).contains(&number.shape) && number.digits.len() <= 8 {
        birth(sight, number);
    }
    if !number.is_bare() && !is_printed(number.shape) {
        return;
    }
    match number.digits.len() {
        8 if number.is_bare() => eight(sight, number),
        9 => nine(sight, number),
        10 => ten(sight, number),
        11 => eleven(sight, number),
        12 => twelve(sight, number),
        13 => thirteen(sight, number),
        14 => fourteen(sight, number),
        15 => fifteen(sight, number),
        18 => eighteen(sight, number),
        _ => {}
    }
    account(sight, number);
}

/// The groups in which some country prints its numbers.
const fn is_printed(shape: u64) -> bool {
    matches!(
        shape,
        0x324
            | 0x27
            | 0x333
            | 0x334
            | 0x64
            | 0x451
            | 0x2333
            | 0x65
            | 0x22232
            | 0x3332
            | 0x281
            | 0x444
            | 0x84
            | 0x14521
            | 0x67
            | 0x23342
            | 0x122_2332
            | 0xD2
            | 0x2661
    )
}

/// Whether another group stands before or behind it: then it is no number by itself.
fn is_in_row(sight: &Sight<'_, '_>, number: &Prefix<'_>) -> bool {
    let view = sight.view;
    number.is_followed
        || view.before(number.start) == b' '
            && view.before(number.start.wrapping_sub(1)).is_ascii_digit()
}

/// Offers a number that one score suits when words speak of it, and another when it stands alone.
fn offer(
    sight: &mut Sight<'_, '_>,
    entity: Entity,
    number: &Prefix<'_>,
    topics: &[Topic],
    with: u8,
    alone: u8,
) {
    // Asking for words costs more than not asking.
    let score = if with > alone && sight.has(number.start, topics) {
        with
    } else {
        alone
    };
    sight.offer(entity, number.start, number.end, score);
}

/// A date of birth in one piece, the year first or last.
fn eight(sight: &mut Sight<'_, '_>, number: &Prefix<'_>) {
    let years = 1900..2030;
    let is_first =
        years.contains(&number.value(0, 4)) && is_date(number.value(6, 8), number.value(4, 6));
    let [one, other] = [number.value(0, 2), number.value(2, 4)];
    let is_last =
        years.contains(&number.value(4, 8)) && (is_date(one, other) || is_date(other, one));
    if is_first || is_last {
        offer(sight, Entity::DateOfBirth, number, &[Topic::Birth], 80, 10);
    }
}

fn nine(sight: &mut Sight<'_, '_>, number: &Prefix<'_>) {
    let digits = number.digits;
    let is_bare = number.is_bare();
    let is_ssn_shaped = number.shape == 0x324 && number.is_separated_by(b"- .");
    if is_ssn_shaped || is_bare {
        let alone = match number.separator {
            b'-' => 85,
            0 => 20,
            _ if is_in_row(sight, number) => 45,
            _ => 60,
        };
        if is_ssn(number) {
            offer(sight, Entity::UsSsn, number, &[Topic::Ssn], 90, alone);
        } else if is_itin(number) {
            offer(
                sight,
                Entity::UsItin,
                number,
                &[Topic::Tax, Topic::Ssn],
                85,
                alone.min(70),
            );
        }
    }
    if number.shape == 0x27 && number.is_separated_by(b"-") {
        offer(sight, Entity::UsEin, number, &[Topic::Tax], 75, 40);
    }
    let is_triple =
        number.shape == 0x333 && number.is_separated_by(b"- ") && !is_in_row(sight, number);
    if !is_triple && !is_bare {
        return;
    }
    if luhn(digits) && !matches!(number.digit(0), 0 | 8) {
        let alone = if is_triple { 60 } else { 20 };
        offer(sight, Entity::CaSin, number, &[Topic::Sin], 85, alone);
    }
    if weighted(digits, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11) {
        offer(sight, Entity::AuTfn, number, &[Topic::Australia], 80, 20);
    }
    // The last weight is -1.
    if weighted(digits, &[9, 8, 7, 6, 5, 4, 3, 2, 10]).is_multiple_of(11) {
        offer(sight, Entity::NlBsn, number, &[Topic::Bsn], 85, 20);
    }
    let check = 11 - weighted(digits, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    if (if check > 9 { 0 } else { check }) == u32::from(number.digit(8)) {
        offer(sight, Entity::PtNif, number, &[Topic::Tax], 75, 20);
    }
    let district = number.value(0, 2);
    let is_district = matches!(district, 0..=12 | 21..=32 | 61..=72 | 80);
    if is_bare && is_district && weighted(digits, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10) {
        offer(sight, Entity::UsRouting, number, &[Topic::Routing], 85, 20);
    }
    if is_bare {
        offer(sight, Entity::Passport, number, &[Topic::Passport], 75, 10);
        offer(
            sight,
            Entity::DriverLicence,
            number,
            &[Topic::Licence],
            60,
            10,
        );
    }
}

fn is_ssn(number: &Prefix<'_>) -> bool {
    let area = number.value(0, 3);
    let whole = number.value(0, 9);
    let is_area = area != 0 && area != 666 && area < 900;
    // Two that were printed in advertisements.
    let is_void = whole == 78_051_120 || whole == 219_099_999;
    let is_one_digit = number.digits.iter().all(|&digit| digit == number.digit(0));
    is_area && number.value(3, 5) != 0 && number.value(5, 9) != 0 && !is_void && !is_one_digit
}

fn is_itin(number: &Prefix<'_>) -> bool {
    let group = matches!(number.value(3, 5), 50..=65 | 70..=88 | 90..=92 | 94..=99);
    number.digit(0) == 9 && group
}

fn ten(sight: &mut Sight<'_, '_>, number: &Prefix<'_>) {
    let digits = number.digits;
    let is_bare = number.is_bare();
    let sum = || weighted(digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    if (is_bare || number.shape == 0x334) && sum().is_multiple_of(11) {
        let alone = match is_bare || is_in_row(sight, number) {
            true => 20,
            false => 55,
        };
        offer(sight, Entity::UkNhs, number, &[Topic::Nhs], 85, alone);
    }
    // The prefix 80840 adds 24.
    if is_bare && matches!(number.digit(0), 1 | 2) && (luhn_sum(digits) + 24).is_multiple_of(10) {
        offer(sight, Entity::UsNpi, number, &[Topic::Npi], 80, 20);
    }
    let is_pair = number.shape == 0x64 && number.is_separated_by(b"-");
    if is_pair && is_finnish(digits, number.digit(9) | b'0') {
        sight.offer(Entity::FiHetu, number.start, number.end, 85);
        return;
    }
    if (is_pair || is_bare) && luhn(digits) && is_date(number.value(4, 6), number.value(2, 4)) {
        let alone = if is_pair { 70 } else { 30 };
        offer(sight, Entity::SePersonnummer, number, PERSON, 85, alone);
    }
    if (is_pair || is_bare) && is_date(number.value(0, 2), number.value(2, 4)) {
        let alone = if is_pair { 45 } else { 10 };
        offer(sight, Entity::DkCpr, number, &[Topic::Personal], 70, alone);
    }
    if !is_bare && number.shape != 0x451 {
        return;
    }
    let check = weighted(digits, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10;
    let is_medicare = (2..=6).contains(&number.digit(0)) && check == u32::from(number.digit(8));
    if is_medicare && (is_bare || number.shape == 0x451) {
        let alone = match is_bare || is_in_row(sight, number) {
            true => 20,
            false => 70,
        };
        offer(
            sight,
            Entity::AuMedicare,
            number,
            &[Topic::Australia],
            85,
            alone,
        );
    }
}

fn eleven(sight: &mut Sight<'_, '_>, number: &Prefix<'_>) {
    let digits = number.digits;
    let is_bare = number.is_bare();
    if !is_bare && !matches!(number.shape, 0x2333 | 0x65 | 0x22232 | 0x3332 | 0x281) {
        return;
    }
    let is_2333 = number.shape == 0x2333 && number.is_separated_by(b" ");
    if (is_bare || is_2333) && number.digit(0) != 0 && mod_11_10(digits) && repeats_once(digits) {
        offer(
            sight,
            Entity::DeTaxId,
            number,
            &[Topic::Tax],
            85,
            if is_bare { 30 } else { 65 },
        );
    }
    // The first digit is one too high.
    if (is_bare || is_2333)
        && (weighted(digits, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]) + 79).is_multiple_of(89)
    {
        offer(
            sight,
            Entity::AuAbn,
            number,
            &[Topic::Australia],
            85,
            if is_bare { 20 } else { 55 },
        );
    }
    let month = number.value(2, 4) % 20;
    let pesel = || weighted(digits, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]);
    if is_bare && is_date(number.value(4, 6), month) && pesel().is_multiple_of(10) {
        offer(
            sight,
            Entity::PlPesel,
            number,
            &[Topic::Pesel, Topic::Personal],
            85,
            45,
        );
    }
    // Of numbers for the meantime the first digit is 4 too high, of hospitals' the third.
    let is_number = is_bare || number.shape == 0x65 && number.is_separated_by(b" -");
    let is_dated = number.value(0, 2) <= 71
        && number.value(2, 4) <= 52
        && is_date(number.value(0, 2) % 40, number.value(2, 4) % 40);
    if is_number
        && is_dated
        && weighted(digits, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]).is_multiple_of(11)
        && weighted(digits, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
    {
        offer(sight, Entity::NoFodselsnummer, number, PERSON, 85, 55);
    }
    eleven_more(sight, number);
}

/// Belgium, Brazil, Turkey, Argentina.
fn eleven_more(sight: &mut Sight<'_, '_>, number: &Prefix<'_>) {
    let digits = number.digits;
    let is_bare = number.is_bare();
    let base = modulo(digits.get(..9).unwrap_or_default(), 97);
    // Who was born since 2000 has a 2 in front.
    let since_2000 = (base + 2_000_000_000 % 97) % 97;
    let check = u64::from(number.value(9, 11));
    let is_belgian = number.value(2, 4) <= 12 && (97 - base == check || 97 - since_2000 == check);
    if is_belgian && (is_bare || number.shape == 0x22232) {
        let alone = if is_bare { 30 } else { 85 };
        offer(sight, Entity::BeNationalNumber, number, PERSON, 85, alone);
    }
    if is_cpf(number) && (is_bare || number.shape == 0x3332) {
        offer(
            sight,
            Entity::BrCpf,
            number,
            PERSON,
            90,
            if is_bare { 40 } else { 85 },
        );
    }
    if is_bare && is_tckn(number) {
        offer(sight, Entity::TrTckn, number, PERSON, 80, 40);
    }
    let check = (11 - weighted(digits, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11;
    let is_kind = matches!(
        number.value(0, 2),
        20 | 23 | 24 | 25 | 26 | 27 | 30 | 33 | 34
    );
    if is_kind && check == u32::from(number.digit(10)) && (is_bare || number.shape == 0x281) {
        offer(
            sight,
            Entity::ArCuil,
            number,
            &[Topic::Personal],
            85,
            if is_bare { 30 } else { 80 },
        );
    }
}

/// Of the first ten digits of a German tax number one comes twice or three times, another not at all.
fn repeats_once(digits: &[u8]) -> bool {
    let mut counts = [0_u8; 10];
    for &digit in digits.iter().take(10) {
        if let Some(count) = counts.get_mut(usize::from(digit)) {
            *count += 1;
        }
    }
    let repeated = counts.iter().filter(|&&count| count > 1).count();
    repeated == 1 && counts.iter().all(|&count| count <= 3)
}

fn is_cpf(number: &Prefix<'_>) -> bool {
    let check = |sum: u32| match sum * 10 % 11 {
        10 => 0,
        rest => rest,
    };
    let first = check(weighted(number.digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2]));
    let second = check(weighted(number.digits, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]));
    let is_one_digit = number.digits.iter().all(|&digit| digit == number.digit(0));
    !is_one_digit && [first, second] == [9, 10].map(|at| u32::from(number.digit(at)))
}

fn is_tckn(number: &Prefix<'_>) -> bool {
    let digits = number.digits;
    let tenth = weighted(digits, &[7, 9, 7, 9, 7, 9, 7, 9, 7]) % 10;
    let all: u32 = digits.iter().take(10).map(|&digit| u32::from(digit)).sum();
    let checks = [9, 10].map(|at| u32::from(number.digit(at)));
    number.digit(0) != 0 && [tenth, all % 10] == checks
}

fn twelve(sight: &mut Sight<'_, '_>, number: &Prefix<'_>) {
    let digits = number.digits;
    let is_bare = number.is_bare();
    // With a fourth group it is a card's number, even a wrong one.
    let is_grouped =
        number.shape == 0x444 && number.is_separated_by(b"- ") && !is_in_row(sight, number);
    let is_palindrome = || digits.iter().eq(digits.iter().rev());
    if (is_bare || is_grouped) && number.digit(0) > 1 && verhoeff(digits) && !is_palindrome() {
        offer(
            sight,
            Entity::InAadhaar,
            number,
            &[Topic::Personal],
            90,
            if is_bare { 40 } else { 75 },
        );
    }
    let is_pair = number.shape == 0x84 && number.is_separated_by(b"-");
    let is_dated =
        || is_date(number.value(6, 8), number.value(4, 6)) && matches!(number.value(0, 2), 19 | 20);
    if (is_bare || is_pair) && is_dated() && luhn(digits.get(2..).unwrap_or_default()) {
        offer(
            sight,
            Entity::SePersonnummer,
            number,
            PERSON,
            85,
            if is_bare { 40 } else { 75 },
        );
    }
}

fn thirteen(sight: &mut Sight<'_, '_>, number: &Prefix<'_>) {
    let digits = number.digits;
    let is_bare = number.is_bare();
    if !is_bare && !matches!(number.shape, 0x14521 | 0x67) {
        return;
    }
    let is_dated = is_date(number.value(4, 6), number.value(2, 4));
    if is_bare && is_dated && number.digit(10) < 2 && luhn(digits) {
        offer(sight, Entity::ZaId, number, PERSON, 85, 45);
    }
    let sum = weighted(digits, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    let is_thai = (11 - sum % 11) % 10 == u32::from(number.digit(12)) && number.digit(0) != 0;
    if is_thai && (is_bare || number.shape == 0x14521) {
        offer(
            sight,
            Entity::ThId,
            number,
            &[Topic::Personal],
            80,
            if is_bare { 20 } else { 80 },
        );
    }
    // Numbers given since 2020 have no check digit.
    if number.shape == 0x67 && number.is_separated_by(b"-") && is_dated && number.digit(6) < 9 {
        offer(sight, Entity::KrRrn, number, PERSON, 85, 70);
    }
}

fn fourteen(sight: &mut Sight<'_, '_>, number: &Prefix<'_>) {
    if !number.is_bare() && number.shape != 0x23342 {
        return;
    }
    let check = |sum: u32| match sum % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    };
    let first = check(weighted(
        number.digits,
        &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2],
    ));
    let second = check(weighted(
        number.digits,
        &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2],
    ));
    let is_right = [first, second] == [12, 13].map(|at| u32::from(number.digit(at)));
    let is_bare = number.is_bare();
    if is_right && (is_bare || number.shape == 0x23342) {
        offer(
            sight,
            Entity::BrCnpj,
            number,
            PERSON,
            90,
            if is_bare { 40 } else { 85 },
        );
    }
}

fn fifteen(sight: &mut Sight<'_, '_>, number: &Prefix<'_>) {
    let key = 97 - modulo(number.digits.get(..13).unwrap_or_default(), 97);
    let is_month = matches!(number.value(3, 5), 1..=12 | 20..=42 | 50..=99);
    let is_person = matches!(number.digit(0), 1..=4 | 7 | 8) && is_month;
    if is_person && key == u64::from(number.value(13, 15)) {
        // In one piece it looks like many other numbers.
        let alone = if number.is_bare() { 45 } else { 75 };
        offer(
            sight,
            Entity::FrInsee,
            number,
            &[Topic::Personal, Topic::Ssn],
            90,
            alone,
        );
    }
    if luhn(number.digits) && (number.is_bare() || number.shape == 0x2661) {
        let alone = if number.is_bare() { 20 } else { 70 };
        offer(sight, Entity::Imei, number, &[Topic::Imei], 85, alone);
    }
}

fn eighteen(sight: &mut Sight<'_, '_>, number: &Prefix<'_>) {
    if number.is_bare() && is_chinese(number.digits, u32::from(number.digit(17))) {
        sight.offer(Entity::CnId, number.start, number.end, 85);
    }
}

/// A resident number of China: region, date, and the check that may be 10.
pub(super) fn is_chinese(digits: &[u8], check: u32) -> bool {
    let value = |from: usize, to: usize| {
        let digits = digits.get(from..to).unwrap_or_default();
        digits
            .iter()
            .fold(0, |value, &digit| value * 10 + u32::from(digit))
    };
    let is_dated = is_date(value(12, 14), value(10, 12)) && (1900..2100).contains(&value(6, 10));
    is_dated
        && (11..=82).contains(&value(0, 2))
        && mod_11_2(digits.get(..17).unwrap_or_default()) == check
}

/// A date, if the words before say that somebody was born.
fn birth(sight: &mut Sight<'_, '_>, number: &Prefix<'_>) {
    if !number.is_separated_by(b"/-.") || !(0x111..=0xFFF).contains(&number.shape) {
        return;
    }
    let [first, second, third] =
        [8, 4, 0].map(|shift| usize::try_from(number.shape >> shift & 15).unwrap_or(0));
    let behind = first + second;
    let parts = [
        number.value(0, first),
        number.value(first, behind),
        number.value(behind, behind + third),
    ];
    let years = 1900..2100;
    if first != 4 && matches!(third, 1 | 3) {
        return;
    }
    let is_dated = match parts {
        [year, month, day] if years.contains(&year) => is_date(day, month),
        [one, other, year] if years.contains(&year) || year < 100 => {
            is_date(one, other) || is_date(other, one)
        }
        _ => false,
    };
    if is_dated {
        offer(sight, Entity::DateOfBirth, number, &[Topic::Birth], 80, 10);
    }
}

/// Any number without separators, if the words before speak of a bank account.
fn account(sight: &mut Sight<'_, '_>, number: &Prefix<'_>) {
    let length = number.digits.len();
    if !number.is_bare()
        || !(7..=17).contains(&length)
        || sight.plan.strength(Entity::BankAccount, 55).is_none()
        // `to-close-an-account-1472503166868` is a name.
        || sight.view.before(number.start) == b'-'
        || sight.has(number.start, &[Topic::Commerce, Topic::Phone])
    {
        return;
    }
    // Cloud accounts have 12 digits.
    let is_account = length != 12 && sight.has_near(number.start, &[Topic::Account]);
    if is_account || sight.has(number.start, &[Topic::Bank]) {
        sight.offer(Entity::BankAccount, number.start, number.end, 55);
    }
}

/// A National Insurance number in pairs: `AB 12 34 56 C`. A stream may have let the first letters go; so they stay.
fn detect_nino(sight: &mut Sight<'_, '_>, number: &Number<'_>) -> Result<(), More> {
    let view = sight.view;
    let start = number.start;
    if number.head() != 0x222 || number.count() != 6 || view.before(start) != b' ' {
        return Ok(());
    }
    let Some(pairs) = number.prefixes().last() else {
        return Ok(());
    };
    let [first, second] = [2, 1].map(|back| view.before(start.wrapping_sub(back)));
    if view.ahead(pairs.end)? != b' ' || !is_edge(view.before(start.wrapping_sub(3))) {
        return Ok(());
    }
    let last = pairs.end.wrapping_add(1);
    let word = [
        first,
        second,
        b'0',
        b'0',
        b'0',
        b'0',
        b'0',
        b'0',
        view.ahead(last)?,
    ];
    let end = last.wrapping_add(1);
    if code::is_nino(&word) && is_edge(view.ahead(end)?) {
        sight.offer(Entity::UkNino, start, end, 80);
    }
    Ok(())
}

/// Months in small letters: English, and German where it is no beginning of that. Three letters of one will do.
const MONTHS: &[&str] = &[
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "m\u{e4}rz",
    "mai",
    "juni",
    "juli",
    "oktober",
    "dezember",
];

/// Whether a month's name is this, or begins so.
fn is_month(name: &[u8]) -> bool {
    let is_begun = |month: &str| {
        let begin = month.as_bytes().get(..name.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(name))
    };
    let may_begin = name
        .first()
        .is_some_and(|first| b"adfjmnos".contains(&(first | 0x20)));
    may_begin && name.len() > 2 && MONTHS.iter().any(|month| is_begun(month))
}

/// A date of birth whose month is a name: `12 March 1980`, `12-Mar-1980`, `3. Oktober 1990`. A month before the day stays: a stream
/// may have let it go.
#[inline(never)] // What calls it is optimized sooner.
pub(super) fn detect_month(
    sight: &mut Sight<'_, '_>,
    start: usize,
    behind: usize,
) -> Result<(), More> {
    let view = sight.view;
    let ordinal = view.run(behind, 2, |byte| byte.is_ascii_lowercase())?;
    let is_ordinal = matches!(view.part(behind..ordinal), b"st" | b"nd" | b"rd" | b"th");
    let mut from = match is_ordinal {
        true => ordinal,
        false => behind,
    };
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte >= 0x80;
    let is_after = view.before(start) == b' ' && {
        let end = start.wrapping_sub(1);
        is_month(view.part(view.run_back(end, 10, is_letter)..end))
    };
    let mut name = from;
    if !is_after {
        if view.ahead(from)? == b'.' && view.ahead(from.wrapping_add(1))? == b' ' {
            from = from.wrapping_add(1);
        }
        from = from.wrapping_add(1);
        if !view.ahead(from)?.is_ascii_alphabetic() {
            return Ok(());
        }
        name = view.run(from, 10, is_letter)?;
        if !is_month(view.part(from..name)) {
            return Ok(());
        }
    }
    let year = view.run(name, 2, |byte| matches!(byte, b' ' | b'.' | b',' | b'-'))?;
    let end = view.run_of(year, 5, Set::DIGIT)?;
    let is_year = match view.part(year..end) {
        [b'1', b'9', _, _] | [b'2', b'0', _, _] => true,
        // `11-Jul-76`.
        [_, _] => view.before(year) == b'-' && view.before(from) == b'-',
        _ => false,
    };
    let is_day = matches!(
        view.part(start..behind),
        [b'1'..=b'9'] | [b'0'..=b'2', _] | [b'3', b'0' | b'1']
    );
    if is_year && is_day && is_edge(view.ahead(end)?) && sight.has(start, &[Topic::Birth]) {
        sight.offer(Entity::DateOfBirth, start, end, 80);
    }
    Ok(())
}

/// Numbers that end in a letter behind a group: Finland's, and Chile's.
pub(super) fn detect_letter(sight: &mut Sight<'_, '_>, number: &Number<'_>) -> Result<(), More> {
    detect_nino(sight, number)?;
    let view = sight.view;
    let Some(end) = number.dashed_pair([6, 3]) else {
        return Ok(());
    };
    let letter = view.ahead(end)?;
    let last = end.wrapping_add(1);
    if letter.is_ascii_alphanumeric()
        && is_edge(view.ahead(last)?)
        && is_finnish(number.digits(), letter)
    {
        sight.offer(Entity::FiHetu, number.start, last, 85);
    }
    Ok(())
}

/// A personal code of Finland: a date, a serial number, and a check character.
pub(super) fn is_finnish(digits: &[u8], check: u8) -> bool {
    const CHECKS: &[u8] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";
    let digits = digits.get(..9).unwrap_or_default();
    let rest = usize::try_from(modulo(digits, 31)).ok();
    let want = rest.and_then(|rest| CHECKS.get(rest));
    let day_and_month: [u32; 2] = [0, 2].map(|at| {
        let pair = digits.get(at..at + 2).unwrap_or_default();
        pair.iter()
            .fold(0, |value, &digit| value * 10 + u32::from(digit))
    });
    want == Some(&check.to_ascii_uppercase()) && is_date(day_and_month[0], day_and_month[1])
}
