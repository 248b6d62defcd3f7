//! E-mail addresses: a local part, and a domain whose last label could be a top-level domain.

use super::Sight;
use crate::redact::entity::Entity;
use crate::redact::run::Set;
use crate::redact::view::{More, is_word};

/// RFC 5321, section 4.5.3.1; of a longer local part the last bytes are taken.
pub(in crate::redact) const LOCAL_BYTES_MAX: usize = 64;
const DOMAIN_BYTES_MAX: usize = 253;
const TOP_BYTES_MAX: usize = 24;

/// Last labels that are files or versions far more often: `icon@2x.png`.
const FILES: &[&[u8]] = &[
    b"png", b"jpg", b"jpeg", b"gif", b"svg", b"webp", b"ico", b"js", b"ts", b"css", b"json",
    b"html", b"php", b"py", b"yaml", b"yml", b"toml", b"xml", b"tgz", b"zip", b"gz", b"service",
    b"timer", b"socket",
];

#[inline(never)] // What calls it is optimized sooner.
pub(super) fn detect(sight: &mut Sight<'_, '_>, at: usize) -> Result<(), More> {
    let view = sight.view;
    let behind = at.wrapping_add(1);
    // What was found before is not a part of an address too: the password of a URL.
    let last = view.before(at);
    if sight.taken == at || !is_word(last) && !matches!(last, b'_' | b'-' | b'+') {
        return Ok(());
    }
    let mut end = view.run_of(behind, DOMAIN_BYTES_MAX, Set::DOMAIN)?;
    while end > behind && !is_word(view.before(end)) {
        end = end.wrapping_sub(1);
    }
    // Most of what is no address has no last label.
    let top = view.run_of_back(end, TOP_BYTES_MAX.wrapping_add(1), Set::WORD);
    if top < behind.wrapping_add(2) || end.wrapping_sub(top) < 2 {
        return Ok(());
    }
    let mut start = view.run_of_back(at, LOCAL_BYTES_MAX, Set::LOCAL);
    while start < at && !is_word(view.ahead(start)?) && view.ahead(start)? != b'_' {
        start = start.wrapping_add(1);
    }
    if start == at {
        return Ok(());
    }
    let domain = view.part(behind..end);
    // `git@github.com:owner/repo` is an address of a machine.
    let is_remote = view.part(start..at) == b"git" && matches!(view.ahead(end)?, b':' | b'/');
    if is_domain(domain) && !is_remote {
        sight.offer(Entity::Email, start, end, 90);
    }
    Ok(())
}

/// Labels of letters, digits and dashes, the last of them no file's.
fn is_domain(domain: &[u8]) -> bool {
    let Some(dot) = domain.iter().rposition(|&byte| byte == b'.') else {
        return false;
    };
    let (labels, top) = domain.split_at(dot);
    let top = top.get(1..).unwrap_or_default();
    let is_name =
        (2..=TOP_BYTES_MAX).contains(&top.len()) && top.iter().all(u8::is_ascii_alphabetic);
    let is_label = |label: &[u8]| {
        let edges = [label.first(), label.last()];
        label.len() <= 63
            && edges
                .iter()
                .all(|edge| edge.is_some_and(|&byte| is_word(byte)))
    };
    (is_name && !(top.len() <= 8 && PACKED.contains(&packed(top))) || top.starts_with(b"xn--"))
        && labels.split(|&byte| byte == b'.').all(is_label)
}

/// The names of [`FILES`] as numbers.
const PACKED: [u64; FILES.len()] = {
    let mut numbers = [0; FILES.len()];
    let mut row = 0;
    while row < FILES.len() {
        #[expect(
            clippy::indexing_slicing,
            reason = "evaluated by the compiler, which refuses to build where it goes wrong"
        )]
        {
            assert!(FILES[row].len() <= 8);
            numbers[row] = packed(FILES[row]);
        }
        row = row.wrapping_add(1);
    }
    numbers
};

/// Up to eight letters as a number, in any case the same.
const fn packed(mut letters: &[u8]) -> u64 {
    let mut number = 0;
    while let [letter, rest @ ..] = letters {
        number = number << 8 | (*letter | 0x20) as u64;
        letters = rest;
    }
    number
}
