//! Wallets: Bitcoin's and Tron's addresses by their checksums, Ethereum's by its shape.

use sha2::{Digest as _, Sha256};

use super::Sight;
use crate::redact::entity::Entity;

pub(super) fn detect(sight: &mut Sight<'_, '_>, start: usize, end: usize) {
    let word = sight.view.part(start..end);
    match word {
        [b'0', b'x' | b'X', digits @ ..]
            if digits.len() == 40 && digits.iter().all(u8::is_ascii_hexdigit) =>
        {
            sight.offer(Entity::EthereumAddress, start, end, 80);
        }
        [b'b' | b'B', b'c' | b'C', b'1', ..] if is_bech32(word) => {
            sight.offer(Entity::BitcoinAddress, start, end, 95);
        }
        [b'1' | b'3', ..] if (26..=35).contains(&word.len()) && is_base58(word, &[0, 5]) => {
            sight.offer(Entity::BitcoinAddress, start, end, 95);
        }
        [b'T', ..] if word.len() == 34 && is_base58(word, &[0x41]) => {
            sight.offer(Entity::TronAddress, start, end, 95);
        }
        _ => {}
    }
}

/// 25 bytes in base 58: one of these versions, a hash, and the first four bytes of the hash's hash's.
fn is_base58(word: &[u8], versions: &[u8]) -> bool {
    const DIGITS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    // Seven digits in base 2^32, the lowest first.
    let mut number = [0_u32; 7];
    for byte in word {
        let Some(value) = DIGITS.iter().position(|digit| digit == byte) else {
            return false;
        };
        let mut carry = u64::try_from(value).unwrap_or(0);
        for limb in &mut number {
            let sum = u64::from(*limb).wrapping_mul(58).wrapping_add(carry);
            *limb = u32::try_from(sum & 0xFFFF_FFFF).unwrap_or(0);
            carry = sum >> 32;
        }
        if carry != 0 {
            return false;
        }
    }
    let mut bytes = [0; 28];
    let (chunks, _) = bytes.as_chunks_mut::<4>();
    for (chunk, limb) in chunks.iter_mut().zip(number.iter().rev()) {
        *chunk = limb.to_be_bytes();
    }
    let [0, 0, 0, bytes @ ..] = &bytes else {
        return false;
    };
    let (payload, check) = bytes.split_at(21);
    let is_version = payload
        .first()
        .is_some_and(|version| versions.contains(version));
    is_version && Sha256::digest(Sha256::digest(payload)).starts_with(check)
}

/// BIP 173 and BIP 350, for Bitcoin's main network.
fn is_bech32(word: &[u8]) -> bool {
    const DIGITS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATOR: [u32; 5] = [
        0x3b6a_57b2,
        0x2650_8e6d,
        0x1ea1_19fa,
        0x3d42_33dd,
        0x2a14_62b3,
    ];
    let is_one_case =
        !(word.iter().any(u8::is_ascii_lowercase) && word.iter().any(u8::is_ascii_uppercase));
    let mut check: u32 = 1;
    let mut push = |value: u32| {
        let top = check >> 25;
        check = (check & 0x01FF_FFFF) << 5 ^ value;
        for (bit, term) in GENERATOR.iter().enumerate() {
            if top >> bit & 1 == 1 {
                check ^= term;
            }
        }
    };
    // The prefix `bc`, expanded.
    for value in [3, 3, 0, 2, 3] {
        push(value);
    }
    for byte in word.iter().skip(3) {
        let lower = byte.to_ascii_lowercase();
        let Some(value) = DIGITS.iter().position(|&digit| digit == lower) else {
            return false;
        };
        push(u32::try_from(value).unwrap_or(0));
    }
    is_one_case && (14..=64).contains(&word.len()) && matches!(check, 1 | 0x2bc8_30a3)
}
