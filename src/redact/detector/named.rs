//! Values behind a name and something else than `:` and `=`: `set TOKEN value`, `--token value`, `("token", "value")`, `token("value")`,
//! `<token>value`, `PASSWORD 'value'`, `| token | value |`, `the token is value`.
//!
//! Or behind an option that commands take a password with: `curl -u user:value`, `sshpass -p value`.
//!
//! The value tells by its first digit, so nothing is looked for where there is none; from there it is read back to where it
//! begins, over what a stream holds back.

use super::Sight;
use super::assignment::{self, Place, Promise};
use crate::redact::run::Set;
use crate::redact::view::{More, View, is_base64url};

/// Up to so many bytes of a value stand before its first digit.
const START_BYTES_MAX: usize = 40;
/// Between a name and its value.
const GAP_BYTES_MAX: usize = 12;

/// What a name and its value stand apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gap {
    /// A quote and whatever is before it, `>`, or an option's space: nothing else stands so.
    Sure,
    /// A space: the value has to show that it is none of the sentence's words.
    Space,
}

/// A value's first digit.
pub(super) fn detect(sight: &mut Sight<'_, '_>, at: usize) -> Result<(), More> {
    let view = sight.view;
    // Of what a stream holds back quotes and `&` begin something.
    let run = view.run_of_back(at, START_BYTES_MAX, Set::LOCAL);
    let behind = view.part(run..at);
    let mark = behind.iter().rposition(|byte| matches!(byte, b'\'' | b'&'));
    let start = run.wrapping_add(mark.map_or(0, |mark| mark.wrapping_add(1)));
    let Some((end, gap)) = named(&view, start) else {
        return Ok(());
    };
    let (start, promise) = match assignment::name(&view, end) {
        Some((Promise::Header, _)) => return Ok(()),
        Some((promise, _)) if view.before(start) != b':' => (start, promise),
        _ => match told(&view, start, end) {
            Some(start) => (start, Promise::Password),
            None => return Ok(()),
        },
    };
    if start < sight.seen.value.0 {
        return Ok(());
    }
    if gap == Gap::Space && promise != Promise::Basic && !is_said(&view, start)? {
        return Ok(());
    }
    let place = Place {
        start,
        is_quoted: matches!(view.before(start), b'"' | b'\'' | b'`'),
        is_below: false,
    };
    assignment::judge(sight, promise, &place)
}

/// Whether a value may stand before what calls, as far as these bytes tell; see [`named`].
pub(super) fn may_begin(before: &[u8; 16]) -> bool {
    let mark = before.iter().rev().find(|&&byte| !is_start(byte));
    mark.is_none_or(|mark| matches!(mark, b'>' | b'"' | b'\'' | b'`' | b' ' | b':'))
}

/// What a value may have before its first digit: a stream holds it back.
const fn is_start(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'.' | b'%')
}

/// Where the name ends whose value begins at `start`.
fn named(view: &View<'_>, start: usize) -> Option<(usize, Gap)> {
    let mark = start.wrapping_sub(1);
    match view.before(start) {
        b'>' => Some((view.run_back(mark, 2, |byte| byte == b'"'), Gap::Sure)),
        b'"' | b'\'' | b'`' => {
            let mut end = view.run_back(start, GAP_BYTES_MAX, is_gap);
            // An assignment's own separator calls for it.
            if matches!(view.before(end), b':' | b'=') {
                return None;
            }
            for word in [&b" or"[..], b" BY"] {
                // `token = read("TOKEN") or "value"`, `IDENTIFIED BY 'value'`.
                let before = end.wrapping_sub(3);
                if view.part(before..end) == word {
                    end = view.run_back(before, GAP_BYTES_MAX, is_gap);
                }
            }
            Some((end, Gap::Sure))
        }
        b' ' => {
            let is_gap = |byte: u8| matches!(byte, b' ' | b'|' | b'`' | b'-' | b'>');
            let end = view.run_back(start, GAP_BYTES_MAX, is_gap);
            let verb = view.run_back(end, 4, |byte| byte.is_ascii_lowercase());
            let is_told = VERBS.contains(&view.part(verb..end)) && view.before(verb) == b' ';
            if is_told {
                return Some((verb.wrapping_sub(1), Gap::Space));
            }
            let name = view.run_back(end, 32, is_base64url);
            let is_option = view.part(name..end).starts_with(b"-");
            let gap = match is_option || view.part(end..start).contains(&b'|') {
                true => Gap::Sure,
                false => Gap::Space,
            };
            Some((end, gap))
        }
        b':' => Some((mark, Gap::Sure)),
        _ => None,
    }
}

/// `the password is value`, `was changed to value`.
const VERBS: &[&[u8]] = &[b"is", b"was", b"be", b"to", b"now", b"ist", b"est", b"es"];

fn is_gap(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t'
            | b'"'
            | b'\''
            | b'`'
            | b'('
            | b')'
            | b','
            | b'|'
            | b'?'
            | b'['
            | b'\\'
            | b'@'
            | b'<'
    )
}

/// Where a password begins that something else than its name tells: a command's option, or a name that stands earlier.
fn told(view: &View<'_>, start: usize, end: usize) -> Option<usize> {
    if view.before(start) == b':' {
        // `curl -u user:password`.
        let user = view.run_back(end, 40, |byte| is_start(byte) || byte == b'@');
        let end = view.run_back(user, 2, |byte| matches!(byte, b' ' | b'"' | b'\'' | b'='));
        let option = view.run_back(end, 12, is_base64url);
        let is_user = matches!(
            view.part(option..end),
            b"-u" | b"--user" | b"-U" | b"--proxy-user"
        );
        return (is_user && user < end.wrapping_add(3)).then_some(start);
    }
    if view.part(end.wrapping_sub(10)..end) == b"IDENTIFIED" {
        return Some(start);
    }
    let option = view.run_back(end, 4, is_base64url);
    let is_option = matches!(view.part(option..end), b"-p" | b"-a" | b"-w" | b"-P");
    if is_option && is_command(view, option, true) {
        return Some(start);
    }
    let behind = start.wrapping_add(2);
    if view.part(start..behind) == b"-p" && is_command(view, start, false) {
        return Some(behind);
    }
    // `the password of the router is value`.
    let verb = view.part(end..start);
    if !verb.starts_with(b" ") || !VERBS.contains(&verb.trim_ascii()) {
        return None;
    }
    let mut end = end;
    for _ in 0..4 {
        end = view.run_back(end, 16, |byte| byte.is_ascii_alphanumeric());
        if view.before(end) != b' ' {
            return None;
        }
        end = end.wrapping_sub(1);
        if let Some((promise, _)) = assignment::name(view, end) {
            return (promise == Promise::Password).then_some(start);
        }
    }
    None
}

/// Whether the command takes a password so, behind a space or without one.
fn is_command(view: &View<'_>, end: usize, is_apart: bool) -> bool {
    const APART: &[&[u8]] = &[b"sshpass ", b"login ", b"mongo ", b"redis-cli ", b"ldap"];
    const GLUED: &[&[u8]] = &[b"mysql", b"mariadb"];
    let line = view.run_back(end, 64, |byte| !matches!(byte, b'\n' | b';' | b'&'));
    let line = view.part(line..end);
    let commands = if is_apart { APART } else { GLUED };
    commands
        .iter()
        .any(|command| line.windows(command.len()).any(|part| part == *command))
}

/// Whether a word of a sentence is a value rather than a word: two digits at least, letters, and nothing of a path or a name in code.
fn is_said(view: &View<'_>, start: usize) -> Result<bool, More> {
    let end = view.run(start, 48, |byte| {
        byte > b' ' && !matches!(byte, b',' | b';' | b'"' | b'\'')
    })?;
    let value = view.part(start..end);
    let value = value.strip_suffix(b".").unwrap_or(value);
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = value
        .iter()
        .filter(|byte| byte.is_ascii_alphabetic())
        .count();
    let is_code = value.iter().any(|byte| {
        matches!(
            byte,
            b'(' | b')' | b'[' | b']' | b'{' | b'<' | b'>' | b'`' | b'"' | b'=' | b':' | b'/'
        )
    });
    let is_code = is_code || assignment::is_said_of_passwords(value);
    Ok(value.len() >= 8 && digits >= 2 && letters >= 2 && (!is_code || value.len() >= 32))
}
