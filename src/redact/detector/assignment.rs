//! Assignments: a name that speaks of a secret, `:` or `=`, and a value that looks like one.
//!
//! In code, logs, JSON, headers and connection strings; of pairs (`name: TOKEN, value: ...`) the name stands in the value of the
//! first. The value alone is found, the name stays. Values without a separator before them are looked for in `named.rs`.

use super::Sight;
use super::token;
use crate::redact::candidate::{self, Tail};
use crate::redact::entity::Entity;
use crate::redact::view::{More, View, class, is_in};

/// What of a value decides; the rest is swallowed.
const VALUE_BYTES: usize = 48;

/// What a name promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Promise {
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
    /// A user and a password in base64.
    Basic,
    /// The value of what was named before it.
    Value,
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
    (b"value", Promise::Value),
    (b"default", Promise::Value),
    (b"passwort", Promise::Password),
    (b"kennwort", Promise::Password),
    (b"motdepasse", Promise::Password),
    (b"contrasena", Promise::Password),
    (b"wachtwoord", Promise::Password),
    (b"senha", Promise::Password),
    (b"securestring", Promise::Password),
    (b"basic", Promise::Basic),
    (b"contribsyscom", Promise::Secret),
    (b"sonarlogin", Promise::Secret),
    (b"amzsignature", Promise::Signature),
    (b"googsignature", Promise::Signature),
    (b"presharedkey", Promise::Password),
    (b"psk", Promise::Password),
    (b"storepass", Promise::Password),
    (b"keypass", Promise::Password),
    (b"requirepass", Promise::Password),
    (b"changetoken", Promise::Request),
    (b"clienttoken", Promise::Request),
    (b"actiontoken", Promise::Request),
];

/// Names that count only if they are a whole word of a name.
const WHOLE: &[&[u8]] = &[
    b"pass", b"auth", b"sig", b"code", b"pin", b"session", b"value", b"default", b"psk",
];
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
    b"evaluatedkey",
    b"startkey",
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
    let Some(place) = value_start(&view, at)? else {
        return Ok(());
    };
    judge(sight, promise, &place)
}

/// Where a value stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) start: usize,
    pub(super) is_quoted: bool,
    /// Whether on the line behind its name: then it is all of that line.
    pub(super) is_below: bool,
}

/// What is behind a name that promises something.
pub(super) fn judge(
    sight: &mut Sight<'_, '_>,
    promise: Promise,
    place: &Place,
) -> Result<(), More> {
    let view = sight.view;
    let (until, times) = sight.seen.value;
    let &Place {
        start,
        is_quoted,
        is_below,
    } = place;
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
    let is_line = || Ok(matches!(view.ahead(end)?, b'\n' | b'\r' | 0) && !value.ends_with(b":"));
    if promise == Promise::Request && is_uuid(value) || is_below && !is_line()? {
        return Ok(());
    }
    let is_secret = matches!(promise, Promise::Secret | Promise::Request);
    let is_short = value.len() < 6 || is_secret && value.len() < SECRET_BYTES_MIN;
    if is_short || is_secret && !has_digits(value) && !is_shuffled(value, is_quoted) {
        return Ok(());
    }
    // A call, a template, an index: not the value itself.
    let is_code =
        !is_quoted && matches!(view.ahead(end)?, b'(' | b'[' | b'{') || is_template(value);
    let is_type = promise != Promise::Password && is_type(&view, end);
    if is_code || is_type || token::begins(value) {
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
            if value.len() >= 40 && distinct(value) >= 14 && has_digits(value) {
                sight.offer_open(Entity::AzureKey, start, end, 95, Tail::Base64);
            }
        }
        Promise::Bic | Promise::Passport | Promise::Pin => number(sight, promise, whole),
        Promise::Key | Promise::Signature => {
            if is_long(promise, value) {
                secret(sight, whole, is_quoted);
            }
        }
        Promise::Basic => {
            if is_user_and_password(value) {
                sight.offer_open(Entity::GenericSecret, start, end, 85, Tail::Base64);
            }
        }
        Promise::Header | Promise::Value => {}
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

/// Whether a value is named as what it would be: `token: CachedX509Token`.
fn is_type(view: &View<'_>, end: usize) -> bool {
    known(view, end).is_some_and(|(_, start)| end.wrapping_sub(start) >= 5)
}

/// base64 of `user:password`.
fn is_user_and_password(value: &[u8]) -> bool {
    let (mut bits, mut has_colon) = (0_u32, false);
    let digits = value.iter().take_while(|&&byte| byte != b'=');
    let is_text = digits.enumerate().all(|(place, byte)| {
        let digit = match byte {
            b'A'..=b'Z' => byte.wrapping_sub(b'A'),
            b'a'..=b'z' => byte.wrapping_sub(71),
            b'0'..=b'9' => byte.wrapping_add(4),
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return false,
        };
        bits = bits << 6 | u32::from(digit);
        // Behind the first digit of four no byte is whole.
        let [byte, ..] = (bits >> [8, 4, 2, 0].get(place & 3).copied().unwrap_or(0)).to_le_bytes();
        has_colon |= place & 3 != 0 && byte == b':';
        place & 3 == 0 || byte >= b' '
    });
    value.len() >= 12 && is_text && (has_colon || value.len() == VALUE_BYTES)
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
    let is_secret = match (letters, digits) {
        (true, 0) => is_marked && value.len() >= 8,
        (true, _) => value.len() >= 6,
        (false, _) => digits >= 4 && digits == value.len(),
    };
    if is_secret && !is_said_of_passwords(value) && !is_template(value) && !token::begins(value) {
        sight.offer(Entity::Password, from, end, 65);
    }
    Ok(())
}

/// What is said of passwords rather than one.
const NOT_PASSWORDS: &[&[u8]] = &[
    b"base64", b"base32", b"sha", b"md5", b"utf", b"argon2", b"pbkdf2", b"bcrypt", b"rot13",
    b"aes", b"http", b"rfc", b"ascii", b"i18n", b"oauth", b"the", b"not", b"in-", b"<",
];

pub(super) fn is_said_of_passwords(value: &[u8]) -> bool {
    NOT_PASSWORDS.iter().any(|name| {
        let head = value.get(..name.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(name))
    })
}

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
    let &[.., e, d, c, b, a] = before;
    let letters = if !is_mark(a) {
        [c, b, a]
    } else if !is_mark(b) {
        [d, c, b]
    } else if !is_mark(c) {
        [e, d, c]
    } else {
        return true;
    };
    // The type of `token string`, `token: &str`.
    matches!(letters, [_, b'n', b'g'] | [_, b't', b'r']) || may_end(letters)
}

/// What the name before a separator promises.
fn promise(view: &View<'_>, at: usize) -> Option<Promise> {
    let mut end = at;
    if !view.before(at).is_ascii_alphabetic() {
        end = view.run_back(at, 8, is_mark);
        if end == at {
            return None;
        }
    }
    let end = untyped(view, end);
    let (row, start) = name(view, end)?;
    // `arn:aws:secretsmanager:us-east-1:1:secret:name` names no value, `password::<Sha256>` neither.
    let is_path = view.rest(at).first() == Some(&b':')
        && (view.before(at) == b':' || view.before(start) == b':' && end == at);
    (!is_path).then_some(row)
}

/// What the name that ends here promises, and where the part of it begins that does.
pub(super) fn name(view: &View<'_>, end: usize) -> Option<(Promise, usize)> {
    let (promise, start) = known(view, end)?;
    if promise != Promise::Value {
        return Some((promise, start));
    }
    // `name: TOKEN, value: ...`, `key="token" value="..."`.
    let end = view.run_back(start, 16, |byte| !byte.is_ascii_alphanumeric());
    known(view, end).filter(|&(promise, _)| end < start && promise != Promise::Value)
}

/// What stands between a name and its separator.
fn is_mark(byte: u8) -> bool {
    is_in(byte, class::MARK)
}

/// `token string = "value"`, `token: &'static str = "value"`: its type is no part of a name.
fn untyped(view: &View<'_>, end: usize) -> usize {
    let is_between = |byte: u8| matches!(byte, b' ' | b':' | b'&' | b'\'');
    let mut start = match view.before(end) {
        b'g' => ends_with(view, end, b"string"),
        b'r' => ends_with(view, end, b"str"),
        _ => None,
    }
    .unwrap_or(end);
    if start == end || !is_between(view.before(start)) {
        return end;
    }
    for word in [&b"static"[..], b"as"] {
        let behind = view.run_back(start, 4, is_between);
        start = ends_with(view, behind, word)
            .filter(|&start| is_between(view.before(start)))
            .unwrap_or(start);
    }
    view.run_back(start, 4, is_between)
}

/// The row of the name that ends here.
fn known(view: &View<'_>, end: usize) -> Option<(Promise, usize)> {
    // Most separators stand behind something else.
    let last = [2, 1, 0].map(|back| view.before(end.wrapping_sub(back)));
    if !may_end(last) {
        return None;
    }
    let end_of_name = tail(last);
    let rows = NAMES.iter().zip(&TAILS);
    let rows = rows.filter(|&(_, &tail)| tail == end_of_name);
    let rows = rows
        .filter_map(|(&(known, promise), _)| Some((known, promise, ends_with(view, end, known)?)));
    let (known, promise, start) = rows.max_by_key(|(known, ..)| known.len())?;
    let is_any = |names: &[&[u8]]| {
        names
            .iter()
            .any(|name| ends_with(view, end, name).is_some())
    };
    // Where reading goes on is no secret.
    let is_cursor = known.ends_with(b"token") && is_any(CURSORS);
    let is_whole = promise != Promise::Bic
        || !is_name_byte(view.before(start))
        || ends_with(view, end, b"bicswift").is_some();
    let is_open = promise == Promise::Key && is_any(OPEN_KEYS);
    let is_cut = WHOLE.contains(&known) && view.before(start).is_ascii_alphanumeric();
    (!is_cursor && is_whole && !is_open && !is_cut).then_some((promise, start))
}

const CURSORS: &[&[u8]] = &[
    b"nexttoken",
    b"pagetoken",
    b"continuationtoken",
    b"synctoken",
    b"csrftoken",
    b"paginationtoken",
    b"resumetoken",
    b"cursortoken",
    // Codecov's for a picture, in public pages.
    b"svg?token",
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

/// Where the value behind a separator begins.
fn value_start(view: &View<'_>, at: usize) -> Result<Option<Place>, More> {
    let mut start = at.wrapping_add(1);
    let mut is_compared = false;
    // `:=`, `=>`, `==`; but `::` is a path.
    match view.ahead(start)? {
        b'=' if view.ahead(at)? == b'=' => {
            is_compared = true;
            start = view.run(start, 2, |byte| byte == b'=')?;
        }
        _ if view.before(at) == b'!' => is_compared = true,
        b':' => return Ok(None),
        b'=' | b'>' => start = start.wrapping_add(1),
        _ => {}
    }
    start = view.run(start, 3, |byte| matches!(byte, b' ' | b'\t'))?;
    let line = match view.ahead(start)? {
        // YAML's blocks.
        b'|' | b'>' => view.run(start, 2, |byte| matches!(byte, b'|' | b'>' | b'-'))?,
        _ => start,
    };
    let is_below = view.ahead(at)? == b':' && matches!(view.ahead(line)?, b'\n' | b'\r');
    if is_below {
        start = view.run(line, 12, |byte| {
            matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
        })?;
    }
    start = match view.ahead(start)? {
        b'\\' => view.run(start, 3, |byte| byte == b'\\')?,
        b'<' => start.wrapping_add(1),
        b'S' if view.has(start, b"String::from(")? => start.wrapping_add(13),
        b'S' if view.has(start, b"Some(")? => start.wrapping_add(5),
        b'b' | b'f' | b'r' | b'u' | b'@' => {
            let quote = start.wrapping_add(1);
            let is_prefix = matches!(view.ahead(quote)?, b'"' | b'\'');
            if is_prefix { quote } else { start }
        }
        _ => start,
    };
    let is_quoted = matches!(view.ahead(start)?, b'"' | b'\'' | b'`');
    if is_compared && !is_quoted {
        return Ok(None);
    }
    Ok(Some(Place {
        start: start.wrapping_add(usize::from(is_quoted)),
        is_quoted,
        is_below,
    }))
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
        b"urn:",
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

const SECRET_BYTES_MIN: usize = 10;

/// Two at least.
fn has_digits(value: &[u8]) -> bool {
    value.iter().filter(|byte| byte.is_ascii_digit()).count() > 1
}

/// Capitals and small letters, a third of each at least: no words, even without digits.
fn is_shuffled(value: &[u8], is_quoted: bool) -> bool {
    let capitals = value
        .iter()
        .filter(|byte| byte.is_ascii_uppercase())
        .count();
    let small = value
        .iter()
        .filter(|byte| byte.is_ascii_lowercase())
        .count();
    let least = if is_quoted { 16 } else { 24 };
    value.len() >= least
        && value.iter().all(u8::is_ascii_alphanumeric)
        && capitals.min(small).saturating_mul(3) >= value.len()
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
    let is_dense = || entropy(value) >= if value.len() <= 32 { 3.0 } else { 3.3 };
    let is_numeric = digits == value.len();
    if value.len() >= SECRET_BYTES_MIN
        && (digits >= 2 || is_shuffled(value, is_quoted))
        && is_alphabet
        && !is_numeric
        && is_dense()
    {
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
    core::f32::consts::LOG2_10,
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
    let scheme = view.run(start, 16, |byte| {
        byte.is_ascii_alphanumeric() || byte == b'-'
    })?;
    let is_scheme = view.ahead(scheme)? == b' ' && scheme > start;
    let from = match is_scheme {
        true => scheme.wrapping_add(1),
        false => start,
    };
    let end = view.run(from, VALUE_BYTES, |byte| is_value(byte, false))?;
    let value = view.part(from..end);
    let least = if is_scheme { 12 } else { 20 };
    // `Digest username="..."` and the like name what they hold.
    let text = value.len().saturating_sub(3);
    let is_named = value.iter().take(text).any(|&byte| byte == b'=');
    let is_secret = value.len() >= least
        && !is_named
        && !is_type(&view, end)
        && is_random(value)
        && distinct(value) >= 7
        && !is_template(value)
        && !token::begins(value);
    if is_secret {
        sight.offer_open(Entity::GenericSecret, from, end, 80, Tail::Value);
    }
    Ok(())
}

/// Digits, or capitals and small letters in turns: no word.
fn is_random(value: &[u8]) -> bool {
    let turns = value.windows(2).filter(|two| {
        let [one, next] = two else { return false };
        one.is_ascii_lowercase() && next.is_ascii_uppercase()
    });
    value.iter().any(u8::is_ascii_digit) || turns.count() >= 3
}
