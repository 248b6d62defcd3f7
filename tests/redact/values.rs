//! Values of each entity, made from its definition: right ones, and near misses that differ in what the definition asks for.
//!
//! The checks are written anew here, so that the scanner is not measured by itself.

/// Numbers that look random and are the same in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    pub(crate) fn of<'t>(&mut self, choices: &[&'t str]) -> &'t str {
        choices[self.below(choices.len())]
    }

    /// A pattern: `<16X>` are sixteen capitals or digits; `d` is a digit, `A` a capital, `a` a small letter, `h` hexadecimal, `x` a
    /// letter or digit.
    pub(crate) fn like(&mut self, pattern: &str) -> String {
        let mut out = String::new();
        for part in pattern.split_inclusive(['<', '>']) {
            let Some(run) = part.strip_suffix('>') else {
                out.push_str(part.trim_end_matches('<'));
                continue;
            };
            let (count, class) = run.split_at(run.len() - 1);
            let letters = match class {
                "d" => "0123456789",
                "A" => "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                "a" => "abcdefghijklmnopqrstuvwxyz",
                "h" => "0123456789abcdef",
                "X" => "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
                _ => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            };
            for _ in 0..count.parse().unwrap() {
                let at = self.below(letters.len());
                out.push(char::from(letters.as_bytes()[at]));
            }
        }
        out
    }

    /// Like one of the patterns, and passing a check of its digits (letters count as in base 36), or failing it.
    fn checked(&mut self, patterns: &[&str], is_right: bool, check: fn(&[u32]) -> bool) -> String {
        loop {
            let text = self.of(patterns).to_owned();
            let text = self.like(&text);
            let values = text.chars().filter_map(|it| it.to_digit(36));
            if check(&values.collect::<Vec<_>>()) == is_right {
                return text;
            }
        }
    }
}

/// One entity.
pub(crate) struct Kind {
    pub(crate) entity: &'static str,
    /// What a text calls it.
    pub(crate) label: &'static str,
    pub(crate) right: Make,
    /// Near misses; nothing if the definition has none.
    pub(crate) wrong: Option<Make>,
    /// What is not caught.
    pub(crate) limits: &'static str,
}

pub(crate) type Make = fn(&mut Random) -> String;

fn luhn(digits: &[u32]) -> bool {
    let doubled = |(at, digit): (usize, &u32)| match (at % 2, digit * 2) {
        (0, _) => *digit,
        (_, double @ 10..) => double - 9,
        (_, double) => double,
    };
    digits
        .iter()
        .rev()
        .enumerate()
        .map(doubled)
        .sum::<u32>()
        .is_multiple_of(10)
}

fn sum(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(a, b)| a * b).sum()
}

fn number(digits: &[u32]) -> u64 {
    digits
        .iter()
        .fold(0, |all, &digit| all * 10 + u64::from(digit))
}

/// Day and month from two digits each.
fn date(day: &[u32], month: &[u32]) -> bool {
    (1..=28).contains(&number(day)) && (1..=12).contains(&number(month))
}

fn mod97(values: &[u32]) -> bool {
    let turned = values[4..].iter().chain(&values[..4]);
    turned.fold(0, |rest, &it| {
        (rest * if it > 9 { 100 } else { 10 } + it) % 97
    }) == 1
}

fn verhoeff(digits: &[u32]) -> bool {
    const PRODUCT: [&str; 10] = [
        "0123456789",
        "1234067895",
        "2340178956",
        "3401289567",
        "4012395678",
        "5987604321",
        "6598710432",
        "7659821043",
        "8765932104",
        "9876543210",
    ];
    const TURNED: [&str; 8] = [
        "0123456789",
        "1576283094",
        "5803796142",
        "8916043527",
        "9453126870",
        "4286573901",
        "2793806415",
        "7046913258",
    ];
    let at = |row: &str, place: u32| u32::from(row.as_bytes()[place as usize] - b'0');
    let digits = digits.iter().rev().enumerate();
    digits.fold(0, |check, (place, &digit)| {
        at(PRODUCT[check as usize], at(TURNED[place % 8], digit))
    }) == 0
}

fn iso_11_10(digits: &[u32]) -> bool {
    let (check, digits) = digits.split_last().unwrap();
    let product = digits.iter().fold(10, |product, digit| {
        let sum = (digit + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == *check
}

fn repeats(digits: &[u32]) -> bool {
    let count = |digit| digits[..10].iter().filter(|&&it| it == digit).count();
    let counts: Vec<_> = (0..10).map(count).collect();
    let twice = counts.iter().filter(|&&it| it == 2 || it == 3).count();
    twice == 1 && counts.iter().all(|&it| it < 4) && digits[0] != 0
}

fn cpf(d: &[u32]) -> bool {
    let check = |sum: u32| sum * 10 % 11 % 10;
    d[..9].iter().any(|&it| it != d[0])
        && check(sum(&d[..9], &[10, 9, 8, 7, 6, 5, 4, 3, 2])) == d[9]
        && check(sum(&d[..10], &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2])) == d[10]
}

fn cnpj(d: &[u32]) -> bool {
    let check = |sum: u32| if sum % 11 < 2 { 0 } else { 11 - sum % 11 };
    check(sum(&d[..12], &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])) == d[12]
        && check(sum(&d[..13], &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])) == d[13]
}

fn fiscal(d: &[u32]) -> bool {
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let value = |it: u32| if it > 9 { it - 10 } else { it };
    let places = d[..15].iter().enumerate();
    let sum: u32 = places
        .map(|(at, &it)| {
            if at % 2 == 0 {
                ODD[value(it) as usize]
            } else {
                value(it)
            }
        })
        .sum();
    sum % 26 == d[15] - 10
}

fn vin(d: &[u32]) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    // A is 1, J is 1, S is 2; I, O and Q are not in use.
    let value = |it: u32| match it {
        0..10 => it,
        10..18 => it - 9,
        18 => 0,
        19..28 => it - 18,
        _ => it - 26,
    };
    let values: Vec<u32> = d.iter().map(|&it| value(it)).collect();
    let check = sum(&values, &WEIGHTS) % 11;
    let is_used = !d.iter().any(|it| [18, 24, 26].contains(it));
    is_used && d[8] == if check == 10 { 33 } else { check }
}

fn card(random: &mut Random, is_right: bool) -> String {
    random.checked(
        &[
            "4<15d>",
            "4<3d> <4d> <4d> <4d>",
            "4<3d>-<4d>-<4d>-<4d>",
            "53<14d>",
            "231<13d>",
            "53<2d> <4d> <4d> <4d>",
            "37<13d>",
            "37<2d> <6d> <5d>",
            "6011<12d>",
            "353<13d>",
            "62<14d>",
            "36<12d>",
        ],
        is_right,
        luhn,
    )
}

fn iban(random: &mut Random, is_right: bool) -> String {
    let patterns = [
        "DE<20d>",
        "FR<25d>",
        "ES<22d>",
        "IT<2d><1A><10d><12X>",
        "GB<2d><4A><14d>",
        "NL<2d><4A><10d>",
        "BE<14d>",
        "CH<7d><12X>",
        "AT<18d>",
        "PL<26d>",
        "DE<2d> <4d> <4d> <4d> <4d> <2d>",
        "DE<2d>-<4d>-<4d>-<4d>-<4d>-<2d>",
        "de<2d>.<4d>.<4d>.<4d>.<4d>.<2d>",
        "BE<2d> <4d> <4d> <4d>",
        "GB<2d> <4A> <4d> <4d> <4d> <2d>",
    ];
    random.checked(&patterns, is_right, mod97)
}

fn ssn(random: &mut Random, is_right: bool) -> String {
    random.checked(
        &["<3d>-<2d>-<4d>", "<3d> <2d> <4d>", "<3d>.<2d>.<4d>"],
        is_right,
        |d| {
            let parts = [&d[..3], &d[3..5], &d[5..]].map(number);
            parts.iter().all(|&it| it > 0) && parts[0] != 666 && parts[0] < 900
        },
    )
}

macro_rules! checked {
    ($patterns:expr, $check:expr) => {
        (
            (|random: &mut Random| random.checked(&$patterns, true, $check)) as Make,
            Some((|random: &mut Random| random.checked(&$patterns, false, $check)) as Make),
        )
    };
}

/// Right ones and near misses that are no more than patterns.
macro_rules! like {
    ($($right:literal)|+) => {
        ((|random: &mut Random| { let it = random.of(&[$($right),+]).to_owned(); random.like(&it) }) as Make, None)
    };
    ($($right:literal)|+, $($wrong:literal)|+) => {
        (
            (|random: &mut Random| { let it = random.of(&[$($right),+]).to_owned(); random.like(&it) }) as Make,
            Some((|random: &mut Random| { let it = random.of(&[$($wrong),+]).to_owned(); random.like(&it) }) as Make),
        )
    };
}

macro_rules! kinds {
    ($($entity:literal, $label:literal, $values:expr, $limits:literal;)+) => {
        vec![$({
            let (right, wrong): (Make, Option<Make>) = $values;
            Kind { entity: $entity, label: $label, right, wrong, limits: $limits }
        }),+]
    };
}

/// All of them.
#[rustfmt::skip]
pub(crate) fn kinds() -> Vec<Kind> {
    kinds! {
        "payment_card", "card", (|it| card(it, true), Some(|it| card(it, false))), "inside longer numbers and words";
        "card_cvv", "cvv", like!("<3d>" | "<4d>"), "without a word before it";
        "iban", "iban", (|it| iban(it, true), Some(|it| iban(it, false))), "countries outside the registry";
        "bic", "bic", like!("<4A>DE<2A>" | "<4A>US<2A>XXX", "<4a>de<2a>"), "outside assignments";
        "us_routing", "routing number", checked!(["0<8d>", "12<7d>", "21<7d>"], |d| sum(d, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10) && matches!(number(&d[..2]), 0..=12 | 21..=32)), "without a word";
        "bank_account", "account number", like!("<8d>" | "<10d>"), "without a word; twelve digits without a bank";
        "bitcoin_address", "wallet", like!("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa" | "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy" | "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb" | "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5"), "test networks";
        "ethereum_address", "wallet", like!("0x<40h>", "0x<39h>" | "0x<41h>"), "the case of letters is not checked";
        "tron_address", "wallet", like!("TJRyWwFs9wTFGZg3JbrVriFbNfCug5tDeC", "TJRyWwFs9wTFGZg3JbrVriFbNfCug5tDeD"), "";
        "us_ssn", "ssn", (|it| ssn(it, true), Some(|it| ssn(it, false))), "in one piece without a word";
        "us_itin", "itin", like!("9<2d>-70-<4d>" | "9<2d>-88-<4d>"), "without dashes and words";
        "us_ein", "ein", like!("12-<7d>" | "84-<7d>"), "without a word";
        "us_npi", "npi", checked!(["1<9d>"], |d| luhn(&[&[8, 0, 8, 4, 0], d].concat())), "without a word";
        "us_mbi", "medicare", like!("1EG4-TE5-MK<2d>" | "2HK9KM8QR<2d>", "1EG4-SE5-MK<2d>"), "";
        "us_dea", "dea number", checked!(["<2A><7d>", "B<1A><7d>"], |d| { let d = &d[d.len() - 7..]; (d[0] + d[2] + d[4] + 2 * (d[1] + d[3] + d[5])) % 10 == d[6] }), "without a word";
        "ca_sin", "sin", checked!(["4<2d> <3d> <3d>", "5<8d>"], luhn), "in one piece without a word";
        "mx_curp", "curp", like!("HEGG560427MVZRRL04" | "<4A>900115H<5A><2d>", "<4A>901515H<5A><2d>"), "the check digit is not checked";
        "br_cpf", "cpf", checked!(["<3d>.<3d>.<3d>-<2d>", "<11d>"], cpf), "in one piece without a word";
        "br_cnpj", "cnpj", checked!(["<2d>.<3d>.<3d>/0001-<2d>"], cnpj), "with letters (from 2026)";
        "ar_cuil", "cuil", checked!(["20-<8d>-<1d>", "27-<8d>-<1d>"], |d| (11 - sum(d, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11 == d[10]), "";
        "cl_rut", "rut", checked!(["<2d>.<3d>.<3d>-<1d>"], |d| (11 - (sum(&[d[7], d[6], d[5], d[4], d[3], d[2], d[1], d[0]], &[2, 3, 4, 5, 6, 7, 2, 3])) % 11) % 11 == d[8]), "without dots";
        "uk_nhs", "nhs number", checked!(["<3d> <3d> <4d>", "<10d>"], |d| (11 - sum(d, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 11 == d[9]), "in one piece without a word";
        "uk_nino", "nino", like!("AB<6d>C" | "JG<6d>A" | "AB <2d> <2d> <2d> C", "DF<6d>C" | "AB<6d>E" | "BG <2d> <2d> <2d> C"), "the letters in front of pairs";
        "de_tax_id", "steuernummer", checked!(["<11d>", "<2d> <3d> <3d> <3d>"], |d| iso_11_10(d) && repeats(d)), "in one piece without a word";
        "fr_insee", "nir", checked!(["1<2d>0675<8d>", "1 <2d> 06 75 <3d> <3d> <2d>"], |d| 97 - number(&d[..13]) % 97 == number(&d[13..])), "Corsica's letters; without the key";
        "es_nif", "nif", checked!(["<8d><1A>"], |d| u32::from(b"TRWAGMYFPDXBNJZSQVHLCKE"[usize::try_from(number(&d[..8]) % 23).unwrap()] - b'A') + 10 == d[8]), "firms";
        "it_codice_fiscale", "codice fiscale", checked!(["<6A><2d><1A>15<1A><3d><1A>"], fiscal), "";
        "pl_pesel", "pesel", checked!(["8<1d>0<1d>1<6d>"], |d| sum(d, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10) && date(&d[4..6], &d[2..4])), "without a word";
        "nl_bsn", "bsn", checked!(["<9d>"], |d| number(d) > 0 && (sum(&d[..8], &[9, 8, 7, 6, 5, 4, 3, 2]) + 10 * d[8]).is_multiple_of(11)), "without a word";
        "be_national_number", "national number", checked!(["<2d>.05.1<1d>-<3d>.<2d>"], |d| { let d: Vec<u32> = d.to_vec(); 97 - number(&d[..9]) % 97 == number(&d[9..]) || 97 - (2_000_000_000 + number(&d[..9])) % 97 == number(&d[9..]) }), "in one piece without a word";
        "se_personnummer", "personnummer", checked!(["<2d>051<1d>-<4d>", "8<1d>051<1d>-<4d>"], luhn), "with `+`";
        "fi_hetu", "hetu", checked!(["1<1d>05<1d>0-<3d><1X>"], |d| { let n: Vec<u32> = d[..9].to_vec(); u32::from(b"0123456789ABCDEFHJKLMNPRSTUVWXY"[usize::try_from(number(&n) % 31).unwrap()]) == u32::from(char::from_digit(d[9], 36).unwrap().to_ascii_uppercase()) }), "with `+`";
        "no_fodselsnummer", "fodselsnummer", checked!(["1<1d>05<7d>"], |d| sum(d, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]).is_multiple_of(11) && sum(d, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)), "";
        "dk_cpr", "cpr", like!("1<1d>05<1d>0-<4d>", "3<1d>15<1d>0-<4d>"), "without a word";
        "pt_nif", "nif fiscal", checked!(["2<8d>"], |d| { let check = 11 - sum(&d[..8], &[9, 8, 7, 6, 5, 4, 3, 2]) % 11; d[8] == if check > 9 { 0 } else { check } }), "without a word";
        "tr_tckn", "tckn", checked!(["1<10d>"], |d| (7 * (d[0] + d[2] + d[4] + d[6] + d[8]) + 9 * (d[1] + d[3] + d[5] + d[7])) % 10 == d[9] && d[..10].iter().sum::<u32>() % 10 == d[10]), "without a word";
        "za_id", "identity number", checked!(["8<1d>0515<4d>08<1d>"], luhn), "without a word";
        "in_aadhaar", "aadhaar", checked!(["2<3d> <4d> <4d>", "3<11d>"], verhoeff), "in one piece without a word";
        "in_pan", "pan", like!("<3A>P<1A><4d><1A>", "<3A>Q<1A><4d><1A>"), "small letters";
        "in_gstin", "gstin", like!("27<5A><4d><1A>1Z<1X>", "27<5A><4d><1A>1Y<1X>"), "the check character is not checked";
        "cn_id", "identity card", checked!(["1101051990051<5d>"], |d| { let product: u32 = sum(d, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]); (12 - product % 11) % 11 == d[17] }), "fifteen digits";
        "kr_rrn", "rrn", like!("<1d>00515-1<6d>" | "020111-3<6d>", "<1d>01515-1<6d>"), "the check digit is not checked: new numbers have none";
        "sg_nric", "nric", checked!(["S<7d><1A>"], |d| u32::from(b"JZIHGFEDCBA"[(sum(&d[1..8], &[2, 7, 6, 5, 4, 3, 2]) % 11) as usize] - b'A') + 10 == d[8]), "";
        "th_id", "thai id", checked!(["1-<4d>-<5d>-<2d>-<1d>"], |d| (11 - sum(d, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 10 == d[12]), "in one piece without a word";
        "au_tfn", "tfn", checked!(["<3d> <3d> <3d>"], |d| sum(d, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11)), "without a word";
        "au_abn", "abn", checked!(["<2d> <3d> <3d> <3d>"], |d| d[0] > 0 && sum(d, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]) % 89 == 10), "in one piece without a word";
        "au_medicare", "medicare", checked!(["2<3d> <5d> <1d>"], |d| sum(&d[..8], &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == d[8]), "in one piece without a word";
        "passport", "passport", like!("C<8d>" | "<9d>" | "AB<7d>"), "without a word";
        "driver_licence", "driver license", like!("<1A><7d>" | "<2A><6d>"), "without a word";
        "date_of_birth", "date of birth", like!("05/1<1d>/1987" | "1987-05-1<1d>" | "15.05.87" | "1<1d> March 1987" | "1<1d>-Oct-1987" | "March 1<1d>, 1987" | "Mar 1<1d> 1987" | "1<1d>th March 1987" | "1987031<1d>", "35/4<1d>/1987" | "1<1d> marbles 1987"), "without a word; a month by name before the day stays";
        "vin", "vin", checked!(["1HGCM8<1X><1d><1X>3<1A><6d>", "JT<3A><1X><1d><1X><1d><2X><6d>"], vin), "Europe's, which have no check digit";
        "imei", "imei", checked!(["4<14d>", "35<13d>"], luhn), "without a word";
        "email", "email", like!("<6a>.<5a>@<6a>.com" | "<3a><2d>@<4a>.co.uk" | "<4a>+<3a>@<5a>.io" | "<8x>@example.org" | "<5a>@m\u{fc}<4a>.de" | "<4a>@\u{4f8b}\u{5b50}.\u{516c}\u{53f8}" | "<5a>@[8.8.<1d>.<1d>]", "<5a>@<5a>" | "icon@2x.png" | "@<6a>.<4a>" | "<5a>@[8.8.<1d>]"), "quoted local parts";
        "phone", "phone", like!("+49 30 2<6d>" | "+44 20 79<2d> <4d>" | "+1-212-555-01<2d>" | "(415) 555-01<2d>" | "415-555-01<2d>" | "+33 6 <2d> <2d> <2d> <2d>" | "06 <2d> <2d> <2d> <2d>" | "+919<9d>" | "020 79<2d> <4d>" | "415.555.01<2d>" | "044 668 1<1d> <2d>" | "0176 1234<4d>" | "(495) 12<1d>-45-<2d>" | "(11) 98765-4<3d>" | "415-555-01<2d> ext. 12" | "+1-415-555-01<2d>x0512" | "415 555-01<2d>" | "030/32<6d>" | "0532 12<1d> <2d> <2d>" | "0044 7724 4<5d>" | "8-988-12<1d>-<2d>-<2d>" | "1300 12<1d> <3d>", "+44 <7d>" | "115-555-01<2d>" | "415-155-01<2d>"), "national numbers in one piece without a word";
        "ipv4", "host", like!("8.8.<1d>.<1d>" | "93.184.2<1d>.34" | "172.217.<1d>.1<1d>", "127.0.0.1" | "8.8.<1d>.9<2d>" | "203.0.113.9"), "behind a word like version";
        "ipv6", "host", like!("2a00:1450:4001:81<1h>::200e" | "2606:4700:<4h>::6810:84<1h>5" | "684d:1111:<4h>:3333:4444:5555:6:77", "2001:db8::<4h>" | "fe80::1:2:3:4" | "2a00:1450:4001:81<1h>:"), "loopback, link-local, documentation";
        "mac_address", "mac", like!("3c:22:<2h>:<2h>:<2h>:<2h>" | "3c-22-<2h>-<2h>-<2h>-<2h>" | "3c22.fb<2h>.<4h>", "3c:22:<2h>:<2h>:<2h>" | "3c:22:<2h>:<2h>:<2h>:gg" | "3c22.fb<2h>" | "1<3d>.<4d>.<4d>"), "in one piece; with dots, without letters";
        "private_key", "key", like!("-----BEGIN RSA PRIVATE KEY-----\\n<64x>\\n-----END RSA PRIVATE KEY-----", "-----BEGIN PUBLIC KEY-----\\n<64x>"), "without its BEGIN line";
        "jwt", "session", like!("eyJhbGciOiJIUzI1NiJ9.eyJz<20x>.<43x>", "eyJhbGci.eyJ"), "a header over 512 bytes";
        "url_credentials", "proxy", like!("https://<5a>:<10x>@proxy.<5a>.com/", "https://<5a>.com/<5a>@<4x>"), "a user alone under 20 bytes";
        "connection_string", "database", like!("postgres://<4a>:<12x>@db.<5a>.net:5432/app" | "mongodb+srv://<5a>:<9x>@c0.<5a>.net/", "postgres://localhost:5432/app"), "a user without a password";
        "password", "password", like!("Tr0ub4dor&3<2x>" | "<6x><1d>!<3x>", "required" | "${PASSWORD}"), "letters only, outside assignments and sentences";
        "generic_secret", "api_key", like!("<1d><2h><1d><16x><1d>" | "<15h><1d><15h><1d>", "aaaaaaaaaaaaaaaa" | "your-api-key" | "$API_KEY"), "without a name; under ten characters; letters alone but for shuffled ones";
        "aws_access_key", "key id", like!("AKIA<16X>" | "ASIA<16X>", "AKIA<10X>"), "`AROA` and others without a digit";
        "aws_secret_key", "aws_secret_access_key", like!("<40x>", "<20x>/a"), "without its name";
    }
}

/// Tokens by vendor: they are no more than a prefix and an alphabet.
#[rustfmt::skip]
pub(crate) const TOKENS: &[(&str, &[&str])] = &[
    ("bedrock_key", &["ABSK<104x>", "bedrock-api-key-<80x>"]),
    ("google_key", &["AIzaSy<33x>", "GOCSPX-<28x>", "ya29.<60x>", "ya29.c.<60x>", "AQ.Ab8RN6<44x>", "1//0g<60x>"]),
    ("alibaba_key", &["LTAI<20x>"]),
    ("digitalocean_token", &["dop_v1_<64h>", "doo_v1_<64h>", "DO00<16X>"]),
    ("openai_key", &["sk-proj-<74x>", "sk-<48x>", "sk-svcacct-<74x>", "ek_<32h>"]),
    ("anthropic_key", &["sk-ant-api03-<93x>AA"]),
    ("model_provider_key", &["hf_<34x>", "gsk_<52x>", "xai-<80x>", "pplx-<48x>", "nvapi-<64x>", "r8_<37x>", "tvly-<32x>", "jina_<60x>", "sk_<48h>", "pa-<43x>", "sk-<10x>4<5A><2d><4a>", "tgp_v1_<43x>", "wandb_v1_<77x>", "crsr_<64h>"]),
    ("github_token", &["ghp_<36x>", "gho_<36x>", "github_pat_<22x>_<59x>", "ghs_<6d>_eyJ<30x>.eyJ<80x>.<43x>"]),
    ("gitlab_token", &["glpat-<20x>", "glrt-<20x>", "glrtr-<20x>", "glwt-<20x>", "glpat-<37x>.01.<2d><7h>", "glrt-t1_<27x>.01.<2d><7h>", "glptt-<40h>"]),
    ("slack_token", &["xoxb-<12d>-<12d>-<24x>", "xoxp-<12d>-<12d>-<12d>-<32h>", "hooks.slack.com/services/T<8X>/B<8X>/<24x>", "hooks.slack.com/triggers/T<8X>/<13d>/<32h>", "xoxd-<60x>%2B<20x>"]),
    ("discord_token", &["M<23x>.<6x>.<27x>"]),
    ("telegram_token", &["<10d>:AA<33x>"]),
    ("stripe_key", &["sk_live_<24x>", "rk_test_<24x>", "whsec_<32x>", "sk_org_live_<60x>", "ek_test_<60x>"]),
    ("payment_token", &["sq0csp-<43x>", "sq0atp-<22x>", "access-sandbox-<8h>-<4h>-<4h>-<4h>-<12h>", "rzp_live_<14x>", "live_<40x>", "live_<20x>A2<6x>7b", "access_token$production$<16h>$<32h>", "sq0csb-<43x>", "A21AA7<92x>", "AQE1hmfxK<20x>/<30x>+<30x>="]),
    ("shopify_token", &["shpat_<32h>", "shpss_<32h>"]),
    ("mail_token", &["SG.<22x>.<43x>", "xkeysib-<64h>-<16x>", "<32h>-us<2d>", "<32h>-<8h>-<8h>", "pubkey-<32h>"]),
    ("twilio_key", &["SK<32h>"]),
    ("package_token", &["npm_<36x>", "pypi-AgEIcHlwaS5vcmc<70x>", "dckr_pat_<27x>", "cmVmd<59x>"]),
    ("vault_token", &["hvs.<90x>", "dp.pt.<43x>", "dp.said.<43x>", "dp.scim.<43x>", "A3-<6X>-<11X>-<5X>-<5X>-<5X>"]),
    ("atlassian_token", &["ATATT3<180x>=<8h>", "ATBB<32x>", "ATTA<64h><8X>"]),
    ("monitoring_token", &["glsa_<32x>_<8h>", "NRAK-<27X>", "sntryu_<64h>", "sntryi_<64h>", "<8h>3<27h>NRAL", "ddapp_<34x>", "ddpat_<40x>", "phs_<43x>", "xaat-<8h>-<4h>-<4h>-<4h>-<12h>"]),
    ("database_token", &["dapi<32h>", "pscale_pw_<43x>", "pcsk_<60x>", "pat<14x>.<64h>", "napi_<60x>", "4b1d<38x>", "AVNS_<19x>", "mdb_sa_sk_<40x>", "sbp_oauth_<40h>", "sbp_v0_<40h>", "dose<32h>"]),
    ("service_token", &["lin_api_<40x>", "figd_<40x>", "PMAK-<24h>-<34h>", "CCIPAT_<22x>_<40h>", "tskey-auth-<17x>-<32x>", "API-<26X>", "HRKU-AA<58x>", "sha256~<43x>", "sk.eyJ<60x>.<22x>", "pat.<22x>.<24h>.<20x>", "vercel_blob_rw_<16x>_<30x>", "sdk-<8h>-<4h>-<4h>-<4h>-<12h>", "AQVN<35x>", "p8e-<32x>", "hooks.zapier.com/hooks/catch/<7d>/<7x>/", "pk_<8d>_<32X>", "<6x>_<29x>_mmk", "s4t2ud-<64h>", "00<19x>1a_B<17x>", "cfut_<48x>", "1/<16d>:<32h>", "bkua_<53x>", "bkaa_<75x>", "HRKU-<8h>-<4h>-<4h>-<4h>-<12h>", "da2-<26h>", "IGAA7<100x>", "AGE-SECRET-KEY-PQ-1<58X>"]),
    ("azure_key", &["AccountKey=<86x>==", "<3a><1d>Q~<34x>", "<51x>1JQQJ99<18X>AZDO<4x>", "<41x>1AzSeA<5x>"]),
];

/// How code, commands, files and sentences give a secret (`<v>`) that a name (`TOKEN`, `password`) speaks of.
pub(crate) const FORMS: &[(&str, &[&str])] = &[
    (
        "environments",
        &[
            "os.environ[\"APP_TOKEN\"] = \"<v>\"",
            "ENV['APP_TOKEN'] = '<v>'",
            "process.env.APP_TOKEN ?? '<v>'",
            "os.getenv(\"APP_TOKEN\", \"<v>\")",
            "export APP_TOKEN=<v>",
            "ENV APP_TOKEN <v>",
            "set -gx APP_TOKEN <v>",
            "setx APP_TOKEN \"<v>\"",
        ],
    ),
    (
        "code",
        &[
            "client.setApiKey(\"<v>\")",
            "#define API_KEY \"<v>\"",
            "let api_key: &'static str = \"<v>\";",
            "api_key: String::from(\"<v>\"),",
            "const apiKey string = \"<v>\"",
            "apiKey := `<v>`",
            "private static final String API_KEY = \"<v>\";",
            ":api_key => \"<v>\"",
            "define('API_KEY', '<v>');",
            "$config['api_key'] = '<v>';",
            "api_key: str = b\"<v>\"",
            "if api_key == \"<v>\":",
        ],
    ),
    (
        "files",
        &[
            "<add key=\"ApiKey\" value=\"<v>\"/>",
            "<apiKey><v></apiKey>",
            "- name: API_KEY\n  value: <v>",
            "api_key: |\n  <v>\n",
            "{\"name\": \"API_KEY\", \"value\": \"<v>\"}",
            "\\\"api_key\\\": \\\"<v>\\\"",
            "variable \"api_key\" {\n  default = \"<v>\"\n}",
            "| `API_KEY` | `<v>` |",
            "machine a.io login bob password <v>",
        ],
    ),
    (
        "commands",
        &[
            "tool --api-key <v> x",
            "tool --password='<v>'",
            "curl -u bob:<v> https://a.io",
            "curl -H 'X-Api-Key: <v>'",
            "sshpass -p <v> ssh x",
            "docker login -u bob -p <v> a.io",
            "CREATE USER bob IDENTIFIED BY '<v>'",
        ],
    ),
    (
        "headers",
        &[
            "Authorization: Bearer <v>",
            "Authorization: Api-Key <v>",
            "Authorization: <v>",
            "Set(\"Authorization\", \"Bearer <v>\")",
            "{'PRIVATE-TOKEN': '<v>'}",
        ],
    ),
    (
        "sentences",
        &[
            "the access token is <v>.",
            "my password: <v>",
            "Use password <v> for it",
            "the password of the router is <v>",
            "here is the API key:\n<v>\n",
        ],
    ),
];

/// What stands where a secret would, and is none.
pub(crate) const NO_SECRETS: &[&str] = &[
    "${APP_TOKEN}",
    "your-token-here",
    "app_settings_name",
    "required",
    "getToken(2)",
];
