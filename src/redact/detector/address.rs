//! Addresses of machines: IPv4, IPv6, MAC. Those that name no one's machine are let through: loopback, link-local,
//! multicast, masks, and what RFC 5737 and 3849 set aside for documentation.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::{Sight, Topic, is_edge};
use crate::redact::entity::Entity;
use crate::redact::run::Set;
use crate::redact::view::{More, View, class, is_in, is_word};

#[inline(never)] // What calls it is optimized sooner.
pub(super) fn detect_ipv4(sight: &mut Sight<'_, '_>, at: usize) -> Result<(), More> {
    let view = sight.view;
    let end = view.run_of(at, 16, Set::DECIMAL)?;
    let text = view.part(at..end);
    let text = text.strip_suffix(b".").unwrap_or(text);
    let end = at.wrapping_add(text.len());
    let Some(address) = parse_ipv4(text) else {
        return Ok(());
    };
    let next = view.ahead(end)?;
    let before = [view.before(at.wrapping_sub(1)), view.before(at)];
    // `agent/1.2.3.4`, `^1.2.3.4`, `>=1.2.3.4`.
    let is_product = match before {
        [name, b'/'] => is_word(name),
        [b'<' | b'>' | b'=' | b'~' | b'!', b'='] | [_, b'^' | b'~'] => true,
        _ => false,
    };
    let behind = end.wrapping_add(1);
    let is_range = next == b'-' && is_ipv4(&view, behind)?;
    let is_longer =
        !is_edge(next) || matches!(next, b'.' | b'-') && is_word(view.ahead(behind)?) && !is_range;
    let is_part = before[1] == b'-' && {
        let last = at.wrapping_sub(1);
        let first = view.run_of_back(last, 16, Set::DECIMAL);
        parse_ipv4(view.part(first..last)).is_none()
    };
    if is_product || is_longer || is_part || is_reserved(address) {
        return Ok(());
    }
    if sight.has_near(at, &[Topic::Version]) {
        return Ok(());
    }
    let [_, b, c, d] = address.octets();
    // `1.2.0.0` is a network or a version more often than a machine.
    let score = match (address.is_private(), b, c, d) {
        (true, ..) => 60,
        (_, 0, 0, 0) if next != b'/' => 45,
        (_, _, 0, 0) => 50,
        _ => 85,
    };
    sight.offer(Entity::Ipv4, at, end, score);
    Ok(())
}

/// Whether an address stands there.
pub(super) fn is_ipv4(view: &View<'_>, at: usize) -> Result<bool, More> {
    let end = view.run_of(at, 16, Set::DECIMAL)?;
    let text = view.part(at..end);
    let text = text.strip_suffix(b".").unwrap_or(text);
    Ok(parse_ipv4(text).is_some())
}

/// Four numbers below 256 without zeros in front.
fn parse_ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0_u8; 4];
    let mut bytes = text.iter();
    for (place, octet) in octets.iter_mut().enumerate() {
        let mut value: Option<u16> = None;
        loop {
            match (bytes.next(), value) {
                (Some(digit @ b'0'..=b'9'), None) => value = Some(u16::from(digit & 15)),
                (Some(digit @ b'0'..=b'9'), Some(before @ 1..=25)) => {
                    value = Some(before.wrapping_mul(10).wrapping_add(u16::from(digit & 15)));
                }
                (Some(b'.'), Some(_)) if place < 3 => break,
                (None, Some(_)) if place == 3 => break,
                _ => return None,
            }
        }
        *octet = u8::try_from(value?).ok()?;
    }
    Some(Ipv4Addr::from(octets))
}

fn is_reserved(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    a == 0
        || a >= 224
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        // Of protocols, RFC 6890, and benchmarks, RFC 2544.
        || address.octets().starts_with(&[192, 0, 0])
        || a == 198 && (b & 0xFE) == 18
}

/// The first colon of an address.
pub(super) fn detect_ipv6(sight: &mut Sight<'_, '_>, at: usize) -> Result<(), More> {
    let view = sight.view;
    let start = view.run_of_back(at, 5, Set::HEX);
    let before = view.before(start);
    let is_inner = matches!(before, b':' | b'.' | b'-') && !is_label(&view, start);
    if at.wrapping_sub(start) > 4 || !is_edge(before) || is_inner {
        return Ok(());
    }
    // Two colons in a row, or another group: everything else is a label or a time.
    let first = view.ahead(at.wrapping_add(1))?;
    if first != b':' && (start == at || !first.is_ascii_hexdigit()) {
        return Ok(());
    }
    let end = view.run(start, 46, |byte| {
        byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')
    })?;
    let text = view.part(start..end);
    let text = text.strip_suffix(b".").unwrap_or(text);
    let text = match text.strip_suffix(b":") {
        Some(shorter) if !shorter.ends_with(b":") => shorter,
        _ => text,
    };
    let end = start.wrapping_add(text.len());
    let address = parse_ipv6(text);
    if address.is_none_or(is_reserved_ipv6) {
        return Ok(());
    }
    let groups = text
        .split(|&byte| byte == b':')
        .filter(|group| !group.is_empty());
    let longest = groups.clone().map(<[u8]>::len).max().unwrap_or(0);
    let count = groups.count();
    // `a::b` and `bed::fade` are paths in code.
    let is_plain = count >= 2 && longest >= 3 && text.iter().any(u8::is_ascii_digit);
    let is_known = address.is_some_and(is_assigned) || count >= 4;
    if is_plain && is_known && is_edge(view.ahead(end)?) {
        sight.offer(Entity::Ipv6, start, end, 90);
    }
    Ok(())
}

/// Whether what begins here stands behind a word and a colon, as `host:2a00:1450::1`, and the word is no part of it.
pub(super) fn is_label(view: &View<'_>, start: usize) -> bool {
    let end = start.wrapping_sub(1);
    let word = view.part(view.run_of_back(end, 8, Set::LETTER)..end);
    view.before(start) == b':' && word.iter().any(|byte| !is_in(*byte, class::HEX))
}

/// Eight groups, or fewer around two colons. What ends in an IPv4 address is rare.
fn parse_ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    if text.contains(&b'.') {
        return str::from_utf8(text).ok()?.parse().ok();
    }
    let mut groups = [0_u16; 8];
    let mut count: usize = 0;
    let mut gap = None;
    let mut rest = text;
    loop {
        if gap.is_none()
            && let Some(behind) = rest.strip_prefix(b"::")
        {
            gap = Some(count);
            rest = behind;
            if rest.is_empty() {
                break;
            }
        } else if count > 0 {
            rest = rest.strip_prefix(b":")?;
        }
        let length = rest.iter().take_while(|byte| **byte != b':').count();
        let (digits, behind) = rest.split_at_checked(length)?;
        if !(1..=4).contains(&length) {
            return None;
        }
        *groups.get_mut(count)? = digits.iter().fold(0, |value, byte| {
            let digit = byte & 15;
            let letter = if *byte > b'9' { 9 } else { 0 };
            value << 4 | u16::from(digit.wrapping_add(letter))
        });
        count = count.wrapping_add(1);
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    match gap {
        None => (count == 8).then(|| groups.into()),
        Some(gap) if count < 8 => {
            groups
                .get_mut(gap..)?
                .rotate_right(8_usize.wrapping_sub(count));
            Some(groups.into())
        }
        Some(_) => None,
    }
}

/// Link-local, multicast, documentation; and those that stand for an IPv4 address that is let through.
fn is_reserved_ipv6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let is_documentation = first == 0x2001 && second == 0x0DB8 || first == 0x3FFF;
    let mapped = address.to_ipv4_mapped();
    is_documentation
        || first & 0xFFC0 == 0xFE80
        || address.is_multicast()
        || address.is_loopback()
        || address.is_unspecified()
        || mapped.is_some_and(is_reserved)
}

/// In a range that is in use: global, local, or an IPv4 address.
fn is_assigned(address: Ipv6Addr) -> bool {
    let [first, ..] = address.segments();
    first & 0xE000 == 0x2000 || first & 0xFE00 == 0xFC00 || address.to_ipv4_mapped().is_some()
}

/// The first dot of a MAC address as Cisco writes it: `3c22.fb9a.017e`.
pub(super) fn detect_dotted(sight: &mut Sight<'_, '_>, at: usize) -> Result<(), More> {
    let view = sight.view;
    let start = at.wrapping_sub(4);
    if at < 4
        || !is_in(view.before(at), class::HEX)
        || is_word(view.before(start))
        || matches!(view.before(start), b'.' | b'-')
    {
        return Ok(());
    }
    // Most dots between words have no other in this place.
    if view.ahead(at.wrapping_add(5))? != b'.' {
        return Ok(());
    }
    let end = view.run(at, 10, |byte| is_in(byte, class::HEX) || byte == b'.')?;
    let text = view.part(start..end);
    let is_in_place = |(place, byte): (usize, &u8)| match place {
        4 | 9 => *byte == b'.',
        _ => is_in(*byte, class::HEX),
    };
    let is_mac = text.len() == 14 && text.iter().enumerate().all(is_in_place);
    let letters = text
        .iter()
        .filter(|byte| byte.is_ascii_alphabetic())
        .count();
    // Without letters it is a number in groups.
    let next = view.ahead(end)?;
    let is_over = is_edge(next) && !(next == b'.' && is_word(view.ahead(end.wrapping_add(1))?));
    if is_mac && letters > 0 && letters < 12 && is_over {
        sight.offer(Entity::MacAddress, start, end, 85);
    }
    Ok(())
}

/// The first separator of a MAC address: six pairs, `:` or `-` between them.
#[inline(never)] // What calls it is optimized sooner.
pub(super) fn detect_mac(sight: &mut Sight<'_, '_>, at: usize) -> Result<(), More> {
    let view = sight.view;
    let separator = view.ahead(at)?;
    let start = at.wrapping_sub(2);
    if view.run_of_back(at, 3, Set::HEX) != start {
        return Ok(());
    }
    let before = view.before(start);
    if !is_edge(before) || before == separator {
        return Ok(());
    }
    let mut end = at;
    for _ in 0..5 {
        if view.ahead(end)? != separator {
            return Ok(());
        }
        let pair = end.wrapping_add(1);
        end = view.run(pair, 2, |byte| byte.is_ascii_hexdigit())?;
        if end != pair.wrapping_add(2) {
            return Ok(());
        }
    }
    let next = view.ahead(end)?;
    let text = view.part(start..end);
    let digits = || text.iter().filter(|&&byte| byte != separator);
    let is_one_digit = digits().all(|byte| Some(byte) == text.first());
    if is_edge(next) && next != separator && !is_one_digit {
        sight.offer(Entity::MacAddress, start, end, 85);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::properties::Random;

    #[test]
    fn an_address_is_read_as_the_standard_library_reads_it() {
        let mut random = Random::new(6);
        let (mut read, mut refused) = (0, 0);
        for _ in 0..50_000 {
            let mut text = String::new();
            for at in 0..1 + random.below(9) {
                if at > 0 || random.below(4) == 0 {
                    text.push_str([":", ":", ":", ":", "::"][random.below(5)]);
                }
                text.push_str(
                    ["1", "2001", "a", "Fe80", "0", "0c0D", "ffff1", ""][random.below(8)],
                );
            }
            let want = text.parse::<Ipv6Addr>().ok();
            assert_eq!(parse_ipv6(text.as_bytes()), want, "{text}");
            *(if want.is_some() {
                &mut read
            } else {
                &mut refused
            }) += 1;
        }
        assert!(
            read > 1_000 && refused > 1_000,
            "{read} read, {refused} refused"
        );
    }
}
