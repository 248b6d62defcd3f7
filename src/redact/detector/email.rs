//! E-mail addresses: a local part, and a domain whose last label could be a top-level domain.

use super::Sight;
use crate::redact::entity::Entity;
use crate::redact::view::{More, class, is_in, is_local, is_word};

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
    let mut end = view.run(behind, DOMAIN_BYTES_MAX, |byte| {
        is_in(byte, class::DOTTED) && byte != b'_'
    })?;
    while end > behind && !is_word(view.before(end)) {
        end = end.wrapping_sub(1);
    }
    // Most of what is no address has no last label.
    let top = view.run_back(end, TOP_BYTES_MAX.wrapping_add(1), is_word);
    if top < behind.wrapping_add(2) || end.wrapping_sub(top) < 2 {
        return Ok(());
    }
    let mut start = view.run_back(at, LOCAL_BYTES_MAX, is_local);
    while start < at && !is_word(view.ahead(start)?) && view.ahead(start)? != b'_' {
        start = start.wrapping_add(1);
    }
    if start == at {
        return Ok(());
    }
    // The password of a URL whose name and password are of an example.
    if view.before(start) == b':' {
        let user = view.run_back(start.wrapping_sub(1), LOCAL_BYTES_MAX, is_local);
        if view.part(user.wrapping_sub(3)..user) == b"://" {
            return Ok(());
        }
    }
    let domain = view.part(behind..end);
    // `git@github.com:owner/repo` is an address of a machine.
    let is_remote = view.part(start..at) == b"git" && matches!(view.ahead(end)?, b':' | b'/');
    if is_domain(domain) && !is_remote {
        sight.offer(Entity::Email, start, end, 90);
    }
    Ok(())
}

fn is_domain(domain: &[u8]) -> bool {
    let mut labels = domain.rsplit(|&byte| byte == b'.');
    let top = labels.next().unwrap_or_default();
    let is_top = (2..=TOP_BYTES_MAX).contains(&top.len())
        && top.iter().all(u8::is_ascii_alphabetic)
        || top.starts_with(b"xn--");
    let mut count: usize = 0;
    let are_labels = labels.all(|label| {
        count = count.saturating_add(1);
        let edges = [label.first(), label.last()];
        label.len() <= 63
            && edges
                .iter()
                .all(|edge| edge.is_some_and(|&byte| is_word(byte)))
    });
    let is_file = FILES.iter().any(|file| file.eq_ignore_ascii_case(top));
    is_top && are_labels && count > 0 && !is_file
}
