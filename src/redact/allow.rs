//! What the admin lets through: values compared whole, and ranges of addresses, domains and numbers.

use core::net::IpAddr;

use super::entity::Entity;
use super::kind::Kind;
use crate::document::Fields;

/// The longest value.
const VALUE_BYTES_MAX: usize = 128;
const ENTRIES_MAX: usize = 4_096;
/// Digits of the longest beginning of a number: as many as a card's number has.
const DIGITS_MAX: usize = 19;

/// What is let through. It has no `Debug` of the values.
pub(super) struct Allow {
    /// Sorted.
    values: Vec<String>,
    /// Most policies let nothing through.
    pub(super) is_empty: bool,
    domains: Vec<String>,
    networks: Vec<Network>,
    numbers: Vec<Numbers>,
}

impl Default for Allow {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            is_empty: true,
            domains: Vec::new(),
            networks: Vec::new(),
            numbers: Vec::new(),
        }
    }
}

impl core::fmt::Debug for Allow {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str("Allow(..)")
    }
}

impl Allow {
    /// Reads `allow`, `allow_domains`, `allow_networks` and `allow_numbers`.
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let mut allow = Self {
            values: fields.list_of_secrets("allow", value).unwrap_or_default(),
            domains: fields
                .list_of_parsed("allow_domains", domain)
                .unwrap_or_default(),
            networks: fields
                .list_of_parsed("allow_networks", Network::parse)
                .unwrap_or_default(),
            numbers: fields
                .list_of_secrets("allow_numbers", Numbers::parse)
                .unwrap_or_default(),
            is_empty: false,
        };
        allow.is_empty = allow.values.is_empty()
            && allow.domains.is_empty()
            && allow.networks.is_empty()
            && allow.numbers.is_empty();
        for (name, count) in [
            ("allow", allow.values.len()),
            ("allow_domains", allow.domains.len()),
            ("allow_networks", allow.networks.len()),
            ("allow_numbers", allow.numbers.len()),
        ] {
            if count > ENTRIES_MAX {
                fields.problem(name, format!("has more than {ENTRIES_MAX} values"));
            }
        }
        allow.values.sort_unstable();
        allow
    }

    /// Whether a value is let through, whole as it stands in the text.
    pub(super) fn has(&self, kind: Kind, text: &str) -> bool {
        let found = self
            .values
            .binary_search_by(|value| value.as_str().cmp(text));
        found.is_ok() || matches!(kind, Kind::Entity(entity) if self.has_in_range(entity, text))
    }

    fn has_in_range(&self, entity: Entity, text: &str) -> bool {
        if entity == Entity::Email && !self.domains.is_empty() {
            let domain = text
                .rsplit_once('@')
                .map(|(_, domain)| domain.to_ascii_lowercase());
            return domain
                .is_some_and(|domain| self.domains.iter().any(|known| is_within(&domain, known)));
        }
        if matches!(entity, Entity::Ipv4 | Entity::Ipv6) && !self.networks.is_empty() {
            let address = text.parse().ok();
            return address.is_some_and(|address| self.networks.iter().any(|it| it.has(address)));
        }
        matches!(entity, Entity::PaymentCard | Entity::Phone)
            && self.numbers.iter().any(|numbers| numbers.has(text))
    }
}

/// Whether a domain is the other one, or below it.
fn is_within(domain: &str, other: &str) -> bool {
    let head = domain.strip_suffix(other);
    head.is_some_and(|head| head.is_empty() || head.ends_with('.'))
}

fn value(text: &str) -> Result<String, &'static str> {
    match text.len() {
        0 => Err("must not be empty"),
        1..=VALUE_BYTES_MAX => Ok(text.to_owned()),
        _ => Err("is longer than 128 bytes"),
    }
}

fn domain(text: &str) -> Result<String, &'static str> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    if !is_edge(bytes.first()) || !is_edge(bytes.last()) || !text.bytes().all(is_fine) {
        return Err("must be a domain such as example.com; those below it are let through too");
    }
    Ok(text.to_ascii_lowercase())
}

/// Addresses that begin with the same bits.
struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    fn parse(text: &str) -> Result<Self, &'static str> {
        const SHAPE: &str = "must be a network such as 10.0.0.0/8 or 2001:db8::/32";
        let (address, bits) = text.split_once('/').ok_or(SHAPE)?;
        let (address, bits) = address.parse().ok().zip(bits.parse().ok()).ok_or(SHAPE)?;
        let network = Self { address, bits };
        let width = if network.address.is_ipv4() { 32 } else { 128 };
        if network.bits > width {
            return Err(SHAPE);
        }
        Ok(network)
    }

    fn has(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= self.bits
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

/// Numbers that begin with the same digits, or with digits in between.
struct Numbers {
    from: u64,
    to: u64,
    digits: usize,
}

impl Numbers {
    fn parse(text: &str) -> Result<Self, &'static str> {
        const SHAPE: &str = "must be the first digits of numbers such as 411111, or 411111-411199";
        let text = text.strip_prefix('+').unwrap_or(text);
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        let is_fine = |text: &str| {
            (1..=DIGITS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if from.len() != to.len() || !is_fine(from) || !is_fine(to) || from > to {
            return Err(SHAPE);
        }
        let (from, to): (u64, u64) = from.parse().ok().zip(to.parse().ok()).ok_or(SHAPE)?;
        Ok(Self {
            from,
            to,
            digits: text.split('-').next().map_or(0, str::len),
        })
    }

    fn has(&self, text: &str) -> bool {
        let mut count: usize = 0;
        let mut value: u64 = 0;
        let digits = text.chars().filter_map(|letter| letter.to_digit(10));
        for digit in digits.take(self.digits) {
            value = value.saturating_mul(10).saturating_add(u64::from(digit));
            count = count.saturating_add(1);
        }
        count == self.digits && (self.from..=self.to).contains(&value)
    }
}
