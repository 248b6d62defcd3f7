//! Assignments: a name that speaks of a secret, `:` or `=`, and a value that looks like one.
//!
//! In code, logs, JSON, headers and connection strings. The value alone is found, the name stays.

use super::Sight;
use super::token;
use crate::redact::candidate::Tail;
use crate::redact::entity::Entity;
use crate::redact::view::{More, View};

const NAME_BYTES_MAX: usize = 40;
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
    Bic,
    Passport,
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
];

pub(super) fn detect(sight: &mut Sight<'_, '_>, at: usize) -> Result<(), More> {
    let view = sight.view;
    let Some(promise) = promise(&view, at) else {
        return Ok(());
    };
    let Some((start, is_quoted)) = value_start(&view, at)? else {
        return Ok(());
    };
    if promise == Promise::Header {
        return header(sight, start);
    }
    let end = view.run(start, VALUE_BYTES, |byte| is_value(byte, is_quoted))?;
    let value = view.part(start..end);
    // A call, a template, an index: not the value itself.
    let is_code = matches!(view.ahead(end)?, b'(' | b'[' | b'{') || is_template(value);
    if value.len() < 6 || is_code || token::begins(value) {
        return Ok(());
    }
    let whole = (start, end);
    match promise {
        Promise::Password => password(sight, whole, is_quoted),
        Promise::Secret => secret(sight, whole),
        Promise::AwsSecret => {
            if value.len() == 40 && distinct(value) >= 14 {
                sight.offer(Entity::AwsSecretKey, start, end, 95);
            } else {
                secret(sight, whole);
            }
        }
        Promise::StorageKey => {
            if value.len() >= 40 && distinct(value) >= 14 {
                sight.offer_open(Entity::AzureKey, start, end, 95, Tail::Base64);
            }
        }
        Promise::Bic => {
            let (letters, rest) = value.split_at_checked(6).unwrap_or_default();
            let is_bic =
                letters.iter().all(u8::is_ascii_uppercase) && matches!(value.len(), 8 | 11);
            if is_bic
                && rest
                    .iter()
                    .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
            {
                sight.offer(Entity::Bic, start, end, 85);
            }
        }
        Promise::Passport => {
            let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
            if (6..=9).contains(&value.len())
                && digits >= 4
                && value.iter().all(u8::is_ascii_alphanumeric)
            {
                sight.offer(Entity::Passport, start, end, 80);
            }
        }
        Promise::Header => {}
    }
    Ok(())
}

/// What the name before a separator promises.
fn promise(view: &View<'_>, at: usize) -> Option<Promise> {
    let mut end = at;
    for mark in [b' ', b'"', b'\'', b'\\', b':', b' '] {
        if view.before(end) == mark {
            end = end.wrapping_sub(1);
        }
    }
    // The last letters of all names; most separators stand behind something else.
    let last = view.before(end) | 0x20;
    if !matches!(
        last,
        b'd' | b'e' | b'y' | b't' | b'n' | b's' | b'r' | b'c' | b'l' | b'o'
    ) {
        return None;
    }
    let start = view.run_back(end, NAME_BYTES_MAX, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
    });
    let mut name = [0; NAME_BYTES_MAX];
    let letters = view
        .part(start..end)
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric());
    let mut length: usize = 0;
    for (slot, byte) in name.iter_mut().zip(letters) {
        *slot = byte.to_ascii_lowercase();
        length = length.wrapping_add(1);
    }
    let name = name.get(..length).unwrap_or_default();
    // Where reading goes on is no secret.
    let is_cursor = [
        &b"nexttoken"[..],
        b"pagetoken",
        b"continuationtoken",
        b"synctoken",
        b"csrftoken",
    ]
    .iter()
    .any(|cursor| name.ends_with(cursor));
    let row = NAMES.iter().filter(|(known, _)| name.ends_with(known));
    let row = row.max_by_key(|(known, _)| known.len())?;
    let is_whole = !matches!(row.1, Promise::Bic) || row.0 == name || name.ends_with(b"bicswift");
    (!is_cursor && is_whole).then_some(row.1)
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

const fn is_value(byte: u8, is_quoted: bool) -> bool {
    let is_end = byte <= b' '
        || matches!(
            byte,
            b'"' | b'\'' | b'`' | b',' | b';' | b'<' | b'>' | b'&' | b'\\' | b')' | b'}' | b']'
        );
    !is_end && (is_quoted || !matches!(byte, b'(' | b'[' | b'{'))
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
    sight.offer_open(Entity::Password, start, end, score, Tail::Value);
}

/// A value of high entropy: about 3.5 bits in each character.
fn secret(sight: &mut Sight<'_, '_>, (start, end): (usize, usize)) {
    let value = sight.view.part(start..end);
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let is_alphabet = value.iter().all(|byte| {
        byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'_' | b'-' | b'+' | b'/' | b'=' | b'.' | b'~' | b'|' | b':'
            )
    });
    let is_dense = entropy(value) >= if value.len() < 20 { 3.0 } else { 3.3 };
    let is_numeric = digits == value.len();
    if value.len() >= 10 && digits >= 2 && is_alphabet && is_dense && !is_numeric {
        sight.offer_open(Entity::GenericSecret, start, end, 75, Tail::Value);
    }
}

/// Shannon's, in bits.
fn entropy(value: &[u8]) -> f32 {
    let mut counts = [0_u8; 128];
    for byte in value {
        if let Some(count) = counts.get_mut(usize::from(byte & 127)) {
            *count = count.saturating_add(1);
        }
    }
    let total = f32::from(u8::try_from(value.len()).unwrap_or(u8::MAX));
    let shares = counts.iter().filter(|&&count| count > 0);
    shares
        .map(|&count| f32::from(count) / total)
        .map(|share| -share * share.log2())
        .sum()
}

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
