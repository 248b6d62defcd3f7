//! Placeholders: what stands for a value while a model works with it.
//!
//! `[EMAIL_DGFTQBWNLRCS]` is the kind's name and twelve letters of an HMAC of tenant, kind and value. So it is the
//! same in every turn without anybody remembering it, and prompt caches and references last. The letters are sixteen
//! consonants: no digits, so that no detector takes it for a number, a code or a token; no vowels, so that it is no word;
//! no case, so that a model may change it.

use core::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Each is half a byte.
pub(super) const LETTERS: &[u8; 16] = b"BCDFGHLMNPQRSTVW";
/// 48 bits: of 4,096 values in one request two share a placeholder once in 30 million requests, and then only one is restored.
pub(super) const LETTERS_COUNT: usize = 12;
/// How many of a hash's bytes are written.
const HASH_BYTES: usize = 8;

/// Whose values they are. Two tenants have different placeholders for the same value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tenant([u8; 16]);

impl Tenant {
    /// A tenant by its name: a consumer's.
    #[must_use]
    pub fn new(name: &str) -> Self {
        use sha2::Digest as _;
        let digest: [u8; 32] = Sha256::digest(name.as_bytes()).into();
        let (head, _) = digest.as_chunks::<16>();
        Self(head.first().copied().unwrap_or_default())
    }
}

/// The key of hashes and placeholders, ready to run.
#[derive(Clone)]
pub(super) struct Key(Hmac<Sha256>);

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Key(..)")
    }
}

impl Key {
    pub(super) fn new(key: &str) -> Option<Self> {
        // HMAC takes keys of any length.
        Hmac::new_from_slice(key.as_bytes()).ok().map(Self)
    }

    /// Begins the hash of a value.
    pub(super) fn hash(&self, name: &str) -> Mark {
        let mut hash = self.0.clone();
        hash.update(name.as_bytes());
        hash.update(&[0]);
        Mark(hash)
    }

    /// Begins the placeholder of a value.
    pub(super) fn placeholder(&self, tenant: Tenant, name: &str) -> Mark {
        let mut hash = self.0.clone();
        // No name has a zero byte, so no hash begins so.
        hash.update(&[0]);
        hash.update(&tenant.0);
        hash.update(name.as_bytes());
        hash.update(&[0]);
        Mark(hash)
    }
}

/// What is computed of a value while it comes.
#[derive(Clone)]
pub(super) struct Mark(Hmac<Sha256>);

impl Mark {
    pub(super) fn update(&mut self, piece: &str) {
        self.0.update(piece.as_bytes());
    }

    pub(super) fn write_hash(self, out: &mut String) {
        for byte in self.0.finalize().into_bytes().iter().take(HASH_BYTES) {
            for nibble in [byte >> 4, byte & 15] {
                out.extend(char::from_digit(u32::from(nibble), 16));
            }
        }
    }

    pub(super) fn write_letters(self, out: &mut String) {
        for byte in self
            .0
            .finalize()
            .into_bytes()
            .iter()
            .take(LETTERS_COUNT / 2)
        {
            for nibble in [byte >> 4, byte & 15] {
                let letter = LETTERS.get(usize::from(nibble)).copied();
                out.push(char::from(letter.unwrap_or(b'B')));
            }
        }
    }
}
