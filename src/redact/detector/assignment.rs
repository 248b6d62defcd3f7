//! Assignments: a name that speaks of a secret, `:` or `=`, and a value that looks like one.
//!
//! In code, logs, JSON, headers and connection strings. The value alone is found, the name stays.

use super::Sight;
use super::token;
use crate::redact::candidate::{self, Tail};
use crate::redact::entity::Entity;
use crate::redact::run::Set;
use crate::redact::view::{More, View, class, is_in};

/// What of a value decides; the rest is swallowed.
const VALUE_BYTES: usize = 48;

/// What a name promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Promise {
    Password,
    Secret,
    AwsSecret,
    StorageKey,
    Header,
    /// What tells one request from another: a secret unless it is a UUID.
    Request,
    Bic,
    Passport,
    /// Many things are called so: only what is long and random is a secret.
    Key,
    /// The same, and longer.
    Signature,
    Pin,
}

/// The ends of names, in lower case without `_`, `-` and `.`.
const NAMES: &[(&[u8], Promise)] = &[
    (b"password", Promise::Password),
    (b"passwd", Promise::Password),
    (b"passphrase", Promise::Password),
    (b"passcode", Promise::Password),
    (b"pwd", Promise::Password),
    (b"secretaccesskey", Promise::AwsSecret),
    (b"awssecretkey", Promise::AwsSecret),
    (b"awssecret", Promise::AwsSecret),
    (b"accountkey", Promise::StorageKey),
    (b"sharedaccesskey", Promise::StorageKey),
    (b"authorization", Promise::Header),
    (b"secret", Promise::Secret),
    (b"token", Promise::Secret),
    (b"requesttoken", Promise::Request),
    (b"idempotencytoken", Promise::Request),
    (b"apikey", Promise::Secret),
    (b"secretkey", Promise::Secret),
    (b"accesskey", Promise::Secret),
    (b"privatekey", Promise::Secret),
    (b"authkey", Promise::Secret),
    (b"signingkey", Promise::Secret),
    (b"encryptionkey", Promise::Secret),
    (b"masterkey", Promise::Secret),
    (b"subscriptionkey", Promise::Secret),
    (b"licensekey", Promise::Secret),
    (b"clientid", Promise::Secret),
    (b"accessid", Promise::Secret),
    (b"appkey", Promise::Secret),
    (b"credential", Promise::Secret),
    (b"credentials", Promise::Secret),
    (b"bearer", Promise::Secret),
    (b"bic", Promise::Bic),
    (b"swift", Promise::Bic),
    (b"passport", Promise::Passport),
    (b"passportnumber", Promise::Passport),
    (b"passportno", Promise::Passport),
    (b"pass", Promise::Password),
    (b"auth", Promise::Secret),
    (b"secretkeybase", Promise::Secret),
    (b"key", Promise::Key),
    (b"session", Promise::Key),
    (b"sessionid", Promise::Key),
    (b"sessid", Promise::Key),
    (b"sig", Promise::Signature),
    (b"code", Promise::Signature),
    (b"pin", Promise::Pin),
];

/// Names that count only if they are a whole word of a name.
const WHOLE: &[&[u8]] = &[b"pass", b"auth", b"sig", b"code", b"pin", b"session"];
/// Keys that let nobody in.
const OPEN_KEYS: &[&[u8]] = &[
    b"publickey",
    b"primarykey",
    b"foreignkey",
    b"cachekey",
    b"sortkey",
    b"partitionkey",
    b"objectkey",
    b"idempotencykey",
    b"s3key",
    b"filekey",
    b"hashkey",
    b"rowkey",
    b"pubkey",
];

#[inline(never)] // What calls it is optimized sooner.
pub(super) fn detect(sight: &mut Sight<'_, '_>, at: usize) -> Result<(), More> {
    let view = sight.view;
    let (until, times) = sight.seen.value;
    if at < until && times > 0 {
        return Ok(());
    }
    let Some(promise) = promise(&view, at) else {
        return Ok(());
    };
    let Some((start, is_quoted)) = value_start(&view, at)? else {
        return Ok(());
    };
    judge(sight, promise, start, is_quoted)
}

/// A value that tells by its first digit, behind a name and something else than `:` and `=`: `<token>value`, `("token", "value"`,
/// `--token value`, `the token is value`.
pub(super) fn detect_value(sight: &mut Sight<'_, '_>, start: usize) -> Result<(), More> {
    let view = sight.view;
    let mark = start.wrapping_sub(1);
    let (name_end, is_quoted) = match view.before(start) {
        b'>' => (mark, false),
        b'"' | b'\'' => {
            let behind = view.run_back(mark, 2, |byte| byte == b' ');
            if view.before(behind) != b',' {
                return Ok(());
            }
            (behind.wrapping_sub(1), true)
        }
        b' ' => {
            let name = view.run_of_back(mark, 32, Set::BASE64URL);
            match view.part(name..mark) {
                b"is" if view.before(name) == b' ' => (name.wrapping_sub(1), false),
                [b'-', b'-', ..] => (mark, false),
                _ => return Ok(()),
            }
        }
        _ => return Ok(()),
    };
    match promise(&view, name_end) {
        Some(promise) if promise != Promise::Header => judge(sight, promise, start, is_quoted),
        _ => Ok(()),
    }
}

/// What is behind a name that promises something.
fn judge(
    sight: &mut Sight<'_, '_>,
    promise: Promise,
    start: usize,
    is_quoted: bool,
) -> Result<(), More> {
    let view = sight.view;
    let (until, times) = sight.seen.value;
    if promise == Promise::Header {
        return header(sight, start);
    }
    let end = view.run(start, VALUE_BYTES, |byte| is_value(byte, is_quoted))?;
    sight.note().value = (
        end,
        if start < until {
            times.saturating_add(1)
        } else {
            0
        },
    );
    let value = view.part(start..end);
    if promise == Promise::Request && is_uuid(value) {
        return Ok(());
    }
    let is_secret = matches!(promise, Promise::Secret | Promise::Request);
    let is_short = value.len() < 6 || is_secret && value.len() < SECRET_BYTES_MIN;
    if is_short || is_secret && !has_digits(value) {
        return Ok(());
    }
    // A call, a template, an index: not the value itself.
    let is_code =
        !is_quoted && matches!(view.ahead(end)?, b'(' | b'[' | b'{') || is_template(value);
    if is_code || token::begins(value) {
        return Ok(());
    }
    let whole = (start, end);
    match promise {
        Promise::Password => password(sight, whole, is_quoted),
        Promise::Secret | Promise::Request => secret(sight, whole, is_quoted),
        Promise::AwsSecret => {
            if value.len() == 40 && distinct(value) >= 14 {
                sight.offer(Entity::AwsSecretKey, start, end, 95);
            } else {
                secret(sight, whole, is_quoted);
            }
        }
        Promise::StorageKey => {
            if value.len() >= 40 && distinct(value) >= 14 {
                sight.offer_open(Entity::AzureKey, start, end, 95, Tail::Base64);
            }
        }
        Promise::Bic | Promise::Passport | Promise::Pin => number(sight, promise, whole),
        Promise::Key | Promise::Signature => {
            if is_long(promise, value) {
                secret(sight, whole, is_quoted);
            }
        }
        Promise::Header => {}
    }
    Ok(())
}

/// What is no secret, and is found by its name all the same.
fn number(sight: &mut Sight<'_, '_>, promise: Promise, (start, end): (usize, usize)) {
    let value = sight.view.part(start..end);
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let (entity, score, is_right) = if promise == Promise::Bic {
        (Entity::Bic, 85, is_bic(value))
    } else if promise == Promise::Pin {
        let is_pin = digits == value.len() && (4..=8).contains(&digits);
        (Entity::Password, 60, is_pin)
    } else {
        let is_number = value.iter().all(u8::is_ascii_alphanumeric);
        let is_passport = is_number && (6..=9).contains(&value.len()) && digits >= 4;
        (Entity::Passport, 80, is_passport)
    };
    if is_right {
        sight.offer(entity, start, end, score);
    }
}

/// Whether a value behind a name that says little is long enough, and no name itself.
fn is_long(promise: Promise, value: &[u8]) -> bool {
    let is_mark = |byte: &&u8| matches!(byte, b'-' | b'_');
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b'-' | b'_');
    if promise != Promise::Key {
        return value.len() >= 40;
    }
    let is_name = value.iter().filter(is_mark).count() > 2;
    value.len() >= 24 && value.iter().all(is_plain) && !is_name
}

/// A password in a sentence: `the password is hunter2`. What is only letters is a word of the sentence.
pub(super) fn detect_prose(sight: &mut Sight<'_, '_>, at: usize) -> Result<(), More> {
    let view = sight.view;
    let start = at.wrapping_sub(4);
    if at < 4 || !view.part(start..at).eq_ignore_ascii_case(b"pass") {
        return Ok(());
    }
    let mut from = view.run(at, 5, |byte| byte.is_ascii_lowercase())?;
    if !matches!(view.part(at..from), b"word" | b"wd" | b"words") {
        return Ok(());
    }
    let verbs: [&[u8]; 6] = [
        b" is ",
        b" was ",
        b" is: ",
        b" to ",
        b" will be ",
        b" for you is ",
    ];
    let mut verb = None;
    for known in verbs {
        if verb.is_none() && view.has(from, known)? {
            verb = Some(known.len());
        }
    }
    let Some(verb) = verb else {
        return Ok(());
    };
    from = from.wrapping_add(verb);
    let is_quoted = matches!(view.ahead(from)?, b'"' | b'\'' | b'`');
    from = from.wrapping_add(usize::from(is_quoted));
    let is_in = |byte: u8| is_value(byte, is_quoted) || byte == b'&';
    let end = view.run(from, VALUE_BYTES, is_in)?;
    let value = view.part(from..end);
    let value = match is_quoted {
        true => value,
        false => {
            let marks = value.iter().rev();
            let marks = marks.take_while(|byte| matches!(byte, b'.' | b'?' | b':'));
            let length = value.len().saturating_sub(marks.count());
            value.get(..length).unwrap_or_default()
        }
    };
    let end = from.wrapping_add(value.len());
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = value.iter().any(u8::is_ascii_alphabetic);
    let marks = value.iter().filter(|byte| byte.is_ascii_punctuation());
    let is_marked = marks
        .clone()
        .any(|byte| !matches!(byte, b'-' | b'_' | b'.' | b'/' | b':'));
    let is_named = NOT_PASSWORDS.iter().any(|name| {
        let head = value.get(..name.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(name))
    });
    let is_secret = match (letters, digits) {
        (true, 0) => is_marked && value.len() >= 8,
        (true, _) => value.len() >= 6,
        (false, _) => digits >= 4 && digits == value.len(),
    };
    if is_secret && !is_named && !is_template(value) && !token::begins(value) {
        sight.offer(Entity::Password, from, end, 65);
    }
    Ok(())
}

/// What is said of passwords rather than one.
const NOT_PASSWORDS: &[&[u8]] = &[
    b"base64", b"base32", b"sha", b"md5", b"utf", b"argon2", b"pbkdf2", b"bcrypt", b"rot13",
    b"aes", b"http", b"rfc", b"ascii", b"i18n", b"oauth", b"the", b"not", b"in-", b"<",
];

fn is_uuid(value: &[u8]) -> bool {
    let is_in_place = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    value.len() == 36 && value.iter().enumerate().all(is_in_place)
}

/// Four letters for the bank, two for the country, two for the place, and perhaps three for the branch.
fn is_bic(value: &[u8]) -> bool {
    let (letters, rest) = value.split_at_checked(6).unwrap_or_default();
    let is_rest = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    matches!(value.len(), 8 | 11)
        && letters.iter().all(u8::is_ascii_uppercase)
        && rest.iter().all(is_rest)
}

/// Whether the bytes before a separator may be a name that promises something: what else stands there is told by three letters.
#[inline]
pub(super) fn may_begin(before: &[u8; 16]) -> bool {
    let is_mark = |byte| matches!(byte, b' ' | b'"' | b'\'' | b'\\' | b':');
    let &[.., d, c, b, a] = before;
    match (is_mark(a), is_mark(b)) {
        (true, true) => true,
        // The type of `token string`.
        (true, false) => b == b'g' || may_end([d, c, b]),
        _ => a == b'g' || may_end([c, b, a]),
    }
}

/// What the name before a separator promises.
fn promise(view: &View<'_>, at: usize) -> Option<Promise> {
    let mut end = at;
    let before = view.before(at);
    if !before.is_ascii_alphabetic() {
        if !matches!(before, b' ' | b'"' | b'\'' | b'\\' | b':') {
            return None;
        }
        for mark in [b' ', b'"', b'\'', b'\\', b':', b' '] {
            if view.before(end) == mark {
                end = end.wrapping_sub(1);
            }
        }
    }
    // `token string = "value"`: its type is no part of the name.
    if view.before(end) == b'g' {
        let start = ends_with(view, end, b"string").unwrap_or(end);
        if start < end && matches!(view.before(start), b' ' | b':') {
            end = view.run_back(start, 2, |byte| matches!(byte, b' ' | b':'));
        }
    }
    // Most separators stand behind something else.
    let last = [2, 1, 0].map(|back| view.before(end.wrapping_sub(back)));
    if !may_end(last) {
        return None;
    }
    let end_of_name = tail(last);
    let rows = NAMES.iter().zip(&TAILS);
    let rows = rows.filter(|&(_, &tail)| tail == end_of_name);
    let rows = rows.filter(|((known, _), _)| ends_with(view, end, known).is_some());
    let (row, _) = rows.max_by_key(|((known, _), _)| known.len())?;
    // Where reading goes on is no secret.
    let is_cursor = row.0.ends_with(b"token")
        && CURSORS
            .iter()
            .any(|cursor| ends_with(view, end, cursor).is_some());
    let is_whole = row.1 != Promise::Bic || {
        let start = ends_with(view, end, row.0)?;
        !is_name_byte(view.before(start)) || ends_with(view, end, b"bicswift").is_some()
    };
    let is_open = row.1 == Promise::Key
        && OPEN_KEYS
            .iter()
            .any(|key| ends_with(view, end, key).is_some());
    let is_cut = WHOLE.contains(&row.0) && {
        let start = ends_with(view, end, row.0)?;
        view.before(start).is_ascii_alphanumeric()
    };
    (!is_cursor && is_whole && !is_open && !is_cut).then_some(row.1)
}

const CURSORS: &[&[u8]] = &[
    b"nexttoken",
    b"pagetoken",
    b"continuationtoken",
    b"synctoken",
    b"csrftoken",
];

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// Whether some name may end in these three letters.
fn may_end(last: [u8; 3]) -> bool {
    let [earlier, before, last] = last.map(|byte| byte | 0x20);
    let is_near = last.is_ascii_lowercase() && before.is_ascii_lowercase();
    let (befores, earliers) = LAST.get(usize::from(last & 31)).copied().unwrap_or((0, 0));
    is_near && befores >> (before & 31) & 1 == 1 && earliers >> (earlier & 31) & 1 == 1
}

/// The last three letters of each name.
const TAILS: [u32; NAMES.len()] = TABLES.0;
/// By the last letter of a name: which letters stand before it, and which before those, a bit for each.
const LAST: [(u32, u32); 32] = TABLES.1;
const TABLES: ([u32; NAMES.len()], [(u32, u32); 32]) = tables();

#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which refuses to build where it goes wrong"
)]
const fn tables() -> ([u32; NAMES.len()], [(u32, u32); 32]) {
    let mut tails = [0; NAMES.len()];
    let mut last = [(0, 0); 32];
    let mut row = 0;
    while row < NAMES.len() {
        let name = NAMES[row].0;
        let end = name.len();
        tails[row] = tail([name[end - 3], name[end - 2], name[end - 1]]);
        let letters = &mut last[(name[end - 1] & 31) as usize];
        letters.0 |= 1 << (name[end - 2] & 31);
        letters.1 |= 1 << (name[end - 3] & 31);
        row += 1;
    }
    (tails, last)
}

/// Three letters, in small ones.
const fn tail(letters: [u8; 3]) -> u32 {
    let [a, b, c] = letters;
    u32::from_le_bytes([a | 0x20, b | 0x20, c | 0x20, 0])
}

/// Where the name that ends at a position begins, if it is this one in any case, with or without `_`, `-`, `.` and spaces inside.
fn ends_with(view: &View<'_>, end: usize, name: &[u8]) -> Option<usize> {
    let mut at = end;
    for &want in name.iter().rev() {
        if at < end && matches!(view.before(at), b'_' | b'-' | b'.' | b' ') {
            at = at.wrapping_sub(1);
        }
        if view.before(at).to_ascii_lowercase() != want {
            return None;
        }
        at = at.wrapping_sub(1);
    }
    Some(at)
}

/// Where the value behind a separator begins, and whether in quotes.
fn value_start(view: &View<'_>, at: usize) -> Result<Option<(usize, bool)>, More> {
    let mut start = at.wrapping_add(1);
    // `:=`, `=>`; but `==` compares and `::` is a path.
    match view.ahead(start)? {
        b'=' if view.ahead(at)? == b'=' => return Ok(None),
        b':' => return Ok(None),
        b'=' | b'>' => start = start.wrapping_add(1),
        _ => {}
    }
    start = view.run(start, 3, |byte| matches!(byte, b' ' | b'\t'))?;
    if view.ahead(start)? == b'\\' {
        start = start.wrapping_add(1);
    }
    let is_quoted = matches!(view.ahead(start)?, b'"' | b'\'' | b'`');
    Ok(Some((
        start.wrapping_add(usize::from(is_quoted)),
        is_quoted,
    )))
}

fn is_value(byte: u8, is_quoted: bool) -> bool {
    match is_quoted {
        true => candidate::is_quoted(byte),
        false => is_in(byte, class::VALUE) && !matches!(byte, b'(' | b'[' | b'{'),
    }
}

const fn value_tail(is_quoted: bool) -> Tail {
    match is_quoted {
        true => Tail::Quoted,
        false => Tail::Value,
    }
}

fn is_template(value: &[u8]) -> bool {
    const NOTHING: &[&[u8]] = &[
        b"$",
        b"%",
        b"{",
        b"*",
        b"[",
        b"your",
        b"YOUR",
        b"xxx",
        b"XXX",
        b"null",
        b"None",
        b"none",
        b"true",
        b"false",
        b"undefined",
        b"process.",
        b"os.",
        b"env.",
        b"ENV",
        b"string",
        b"example",
        b"http",
        b"self.",
        b"this.",
        b"config.",
        b"required",
        b"...",
    ];
    NOTHING.iter().any(|nothing| value.starts_with(nothing))
}

/// How many different bytes.
fn distinct(value: &[u8]) -> u32 {
    let seen = value
        .iter()
        .fold(0_u128, |seen, &byte| seen | 1 << (byte & 127));
    seen.count_ones()
}

fn password(sight: &mut Sight<'_, '_>, (start, end): (usize, usize), is_quoted: bool) {
    let value = sight.view.part(start..end);
    let digits = value.iter().any(u8::is_ascii_digit);
    let letters = value.iter().any(u8::is_ascii_alphabetic);
    let symbols = value.iter().any(|byte| {
        byte.is_ascii_punctuation() && !matches!(byte, b'.' | b'_' | b'-' | b':' | b'|' | b'/')
    });
    let is_name = value.contains(&b'.') && !digits || value.contains(&b'(');
    let score = match (digits, letters, symbols) {
        _ if is_name || distinct(value) < 4 => 0,
        (true, true, _) | (_, true, true) => 80,
        (true, false, _) if is_quoted => 60,
        _ => 0,
    };
    sight.offer_open(Entity::Password, start, end, score, value_tail(is_quoted));
}

pub(super) const SECRET_BYTES_MIN: usize = 10;

/// Two at least.
fn has_digits(value: &[u8]) -> bool {
    value.iter().filter(|byte| byte.is_ascii_digit()).count() > 1
}

/// A value of high entropy: about 3.5 bits in each character.
fn secret(sight: &mut Sight<'_, '_>, (start, end): (usize, usize), is_quoted: bool) {
    let value = sight.view.part(start..end);
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let is_alphabet = value.iter().all(|byte| {
        byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'_' | b'-' | b'+' | b'/' | b'=' | b'.' | b'~' | b'|' | b':' | b'%'
            )
    });
    let is_alphabet = is_alphabet || is_quoted && value.len() >= 32;
    // A path in code.
    let is_alphabet = is_alphabet && (is_quoted || !value.windows(2).any(|two| two == b"::"));
    let is_dense = || entropy(value) >= if value.len() < 20 { 3.0 } else { 3.3 };
    let is_numeric = digits == value.len();
    if value.len() >= SECRET_BYTES_MIN && digits >= 2 && is_alphabet && !is_numeric && is_dense() {
        sight.offer_open(Entity::GenericSecret, start, end, 75, value_tail(is_quoted));
    }
}

/// Shannon's, in bits.
fn entropy(value: &[u8]) -> f32 {
    let mut counts = [0_u8; 128];
    // Of each byte the difference that its coming makes: in all, the sum of n log n.
    let mut sum = 0.0;
    for byte in value {
        if let Some(count) = counts.get_mut(usize::from(byte & 127)) {
            let terms = TERMS.get(usize::from(*count)..);
            if let Some([before, after, ..]) = terms {
                sum += after - before;
            }
            *count = count.saturating_add(1);
        }
    }
    let total = f32::from(u8::try_from(value.len()).unwrap_or(u8::MAX));
    LOGARITHMS.get(value.len()).copied().unwrap_or(0.0) - sum / total
}

/// `log2 n`.
const LOGARITHMS: [f32; VALUE_BYTES + 1] = [
    0.0,
    0.0,
    1.0,
    1.584_962_5,
    2.0,
    2.321_928,
    2.584_962_5,
    2.807_355,
    3.0,
    3.169_925,
    3.321_928,
    3.459_431_6,
    3.584_962_5,
    3.700_439_7,
    3.807_355,
    3.906_890_6,
    4.0,
    4.087_463,
    4.169_925,
    4.247_927_5,
    4.321_928,
    4.392_317_4,
    4.459_431_6,
    4.523_562,
    4.584_962_5,
    4.643_856,
    4.700_44,
    4.754_887_5,
    4.807_355,
    4.857_981,
    4.906_890_6,
    4.954_196_3,
    5.0,
    5.044_394,
    5.087_463,
    5.129_283,
    5.169_925,
    5.209_453_4,
    5.247_927_5,
    5.285_402_2,
    5.321_928,
    5.357_552,
    5.392_317_4,
    5.426_265,
    5.459_431_6,
    5.491_853,
    5.523_562,
    5.554_589,
    5.584_962_5,
];

/// `n log2 n` up to the longest value that is looked at.
const TERMS: [f32; VALUE_BYTES + 1] = [
    0.0, 0.0, 2.0, 4.754_9, 8.0, 11.609_6, 15.509_8, 19.651_5, 24.0, 28.529_3, 33.219_3, 38.053_7,
    43.019_6, 48.105_7, 53.303, 58.603_4, 64.0, 69.486_9, 75.058_7, 80.710_6, 86.438_6, 92.238_7,
    98.107_5, 104.041_9, 110.039_1, 116.096_4, 122.211_4, 128.382, 134.605_9, 140.881_4, 147.206_7,
    153.580_1, 160.0, 166.465, 172.973_7, 179.524_9, 186.117_3, 192.749_8, 199.421_2, 206.130_7,
    212.877_1, 219.659_6, 226.477_3, 233.329_4, 240.215, 247.133_4, 254.083_8, 261.065_7,
    268.078_2,
];

/// `Authorization: Bearer ...`; the scheme stays.
fn header(sight: &mut Sight<'_, '_>, start: usize) -> Result<(), More> {
    let view = sight.view;
    for scheme in [
        &b"Bearer "[..],
        b"bearer ",
        b"Basic ",
        b"basic ",
        b"Token ",
        b"token ",
        b"SSWS ",
        b"ApiKey ",
        b"Bot ",
    ] {
        if !view.has(start, scheme)? {
            continue;
        }
        let from = start.wrapping_add(scheme.len());
        let end = view.run(from, VALUE_BYTES, |byte| is_value(byte, false))?;
        let value = view.part(from..end);
        let is_secret = value.len() >= 12
            && distinct(value) >= 7
            && !is_template(value)
            && !token::begins(value);
        if is_secret {
            sight.offer_open(Entity::GenericSecret, from, end, 80, Tail::Value);
        }
    }
    Ok(())
}
