//! E-mail addresses: a local part, and a domain whose last label could be a top-level domain.

use super::Sight;
use super::address::is_ipv4;
use crate::redact::entity::Entity;
use crate::redact::run::Set;
use crate::redact::view::{More, View, class, is_in, is_word};

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
    if sight.taken == at || !may_stand(last, view.ahead(behind)?) {
        return Ok(());
    }
    let mut end = domain_end(
        &view,
        view.run_of(behind, DOMAIN_BYTES_MAX, Set::DOMAIN)?,
        behind,
    );
    let mut is_address = is_domain(view.part(behind..end));
    if !is_address && view.ahead(end)? >= 0x80 {
        // In letters of other scripts. Other text may stand behind an address in ours.
        end = domain_end(
            &view,
            view.run(behind, DOMAIN_BYTES_MAX, is_foreign)?,
            behind,
        );
        is_address = is_domain(view.part(behind..end));
    } else if end == behind && view.ahead(behind)? == b'[' {
        // RFC 5321, section 4.1.3.
        end = view.run(behind, 17, |byte| {
            byte.is_ascii_digit() || matches!(byte, b'.' | b'[')
        })?;
        is_address = view.ahead(end)? == b']' && is_ipv4(&view, behind.wrapping_add(1))?;
        end = end.wrapping_add(1);
    }
    if !is_address {
        return Ok(());
    }
    let mut start = view.run_of_back(at, LOCAL_BYTES_MAX, Set::LOCAL);
    while start < at && !is_word(view.ahead(start)?) && view.ahead(start)? != b'_' {
        start = start.wrapping_add(1);
    }
    if start == at {
        return Ok(());
    }
    // The password of a URL whose name and password are of an example.
    if view.before(start) == b':' {
        let user = view.run_of_back(start.wrapping_sub(1), LOCAL_BYTES_MAX, Set::LOCAL);
        if view.part(user.wrapping_sub(3)..user) == b"://" {
            return Ok(());
        }
    }
    // `git@github.com:owner/repo` is an address of a machine.
    let is_remote = view.part(start..at) == b"git" && matches!(view.ahead(end)?, b':' | b'/');
    if !is_remote {
        sight.offer(Entity::Email, start, end, 90);
    }
    Ok(())
}

/// What may stand beside the `@` of an address.
pub(super) const fn may_stand(last: u8, next: u8) -> bool {
    (is_word(last) || matches!(last, b'_' | b'-' | b'+')) && (is_label(next) || next == b'[')
}

/// Where a domain ends: with a letter or digit.
fn domain_end(view: &View<'_>, mut end: usize, from: usize) -> usize {
    while end > from && !is_label(view.before(end)) {
        end = end.wrapping_sub(1);
    }
    end
}

/// What domains are made of, and bytes of letters that are not ASCII: but for blocks that hold marks.
fn is_foreign(byte: u8) -> bool {
    let is_letter = byte >= 0x80 && !matches!(byte, 0xC2 | 0xE2 | 0xEF);
    is_letter || is_in(byte, class::DOTTED) && byte != b'_'
}

const fn is_label(byte: u8) -> bool {
    is_word(byte) || byte >= 0x80
}

/// Labels of letters, digits and dashes, the last of them no file's.
fn is_domain(domain: &[u8]) -> bool {
    let Some(dot) = domain.iter().rposition(|&byte| byte == b'.') else {
        return false;
    };
    let (labels, top) = domain.split_at(dot);
    let top = top.get(1..).unwrap_or_default();
    let is_name = (2..=TOP_BYTES_MAX).contains(&top.len())
        && top
            .iter()
            .all(|&byte| byte.is_ascii_alphabetic() || byte >= 0x80);
    let is_known = |label: &[u8]| {
        let edges = [label.first(), label.last()];
        label.len() <= 63
            && edges
                .iter()
                .all(|edge| edge.is_some_and(|&byte| is_label(byte)))
    };
    let is_coded = top.starts_with(b"xn--") || top.starts_with(b"XN--");
    (is_name && !(top.len() <= 8 && PACKED.contains(&packed(top))) || is_coded)
        && labels.split(|&byte| byte == b'.').all(is_known)
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
