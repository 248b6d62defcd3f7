//! 64 bytes at once: of which class they are, as a bit for each place. With vectors in wasm, where the filter runs; by loops
//! that compilers turn into vectors everywhere else.

use crate::codec::lanes::LANES;

pub(super) const BLOCK_BYTES: usize = LANES;

pub(super) use lanes::{Block, Sieved};

/// A block and two bytes behind it.
pub(super) const SIEVED_BYTES: usize = BLOCK_BYTES + 2;

/// Classes of bytes, a bit for each, as two look-ups tell them: by the low half of a byte, and by the high one.
pub(super) type Halves = [[u8; 16]; 2];

/// Classes of bytes, a bit for each.
pub(super) mod class {
    pub(in crate::redact) const DIGIT: u8 = 1;
    /// A colon or `=`.
    pub(in crate::redact) const ASSIGN: u8 = 2;
    /// `(` or `+`.
    pub(in crate::redact) const SIGN: u8 = 4;
    pub(in crate::redact) const DASH: u8 = 8;
    pub(in crate::redact) const DOT: u8 = 16;
    pub(in crate::redact) const LINE: u8 = 32;
    /// `@`, `I`, `J` or `K`.
    pub(in crate::redact) const RARE: u8 = 64;
    /// `z` or `w`.
    pub(in crate::redact) const LAST: u8 = 128;
}

/// The classes of a byte. Nothing but comparisons.
#[inline]
pub(super) const fn class_of(byte: u8) -> u8 {
    mask(byte.wrapping_sub(b'0') < 10, class::DIGIT)
        | mask((byte == b':') | (byte == b'='), class::ASSIGN)
        | mask((byte == b'(') | (byte == b'+'), class::SIGN)
        | mask(byte == b'-', class::DASH)
        | mask(byte == b'.', class::DOT)
        | mask(byte == b'_', class::LINE)
        | mask((byte == b'@') | (byte.wrapping_sub(b'I') < 3), class::RARE)
        | mask((byte == b'z') | (byte == b'w'), class::LAST)
}

/// The same of a single byte.
#[inline]
pub(super) fn is_any(byte: u8) -> bool {
    ANY.get(usize::from(byte)).copied().unwrap_or(false)
}

const ANY: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = u8::MAX;
    loop {
        #[expect(
            clippy::indexing_slicing,
            reason = "evaluated by the compiler, which refuses to build where it goes wrong"
        )]
        {
            table[byte as usize] = class_of(byte) != 0;
        }
        if byte == 0 {
            break;
        }
        byte = byte.wrapping_sub(1);
    }
    table
};

#[inline]
const fn mask(is: bool, class: u8) -> u8 {
    (is as u8).wrapping_neg() & class
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod lanes {
    use super::{BLOCK_BYTES, Halves, SIEVED_BYTES, class_of};
    use crate::codec::lanes::bits;
    use core::arch::wasm32::{
        i8x16_shl, i8x16_sub, i8x16_swizzle, u8x16_eq, u8x16_le, u8x16_ne, u8x16_shr, u8x16_splat,
        u64x2, v128, v128_and, v128_any_true, v128_or,
    };

    pub(in crate::redact) struct Block {
        bytes: [v128; 4],
        classes: [v128; 4],
    }

    impl Block {
        #[inline]
        pub(in crate::redact) fn new(bytes: &[u8; BLOCK_BYTES]) -> Self {
            let (eights, _) = bytes.as_chunks::<8>();
            let lane = |at: usize| {
                let word = |at: usize| eights.get(at).copied().map_or(0, u64::from_le_bytes);
                u64x2(word(at), word(at.wrapping_add(1)))
            };
            let bytes = [lane(0), lane(2), lane(4), lane(6)];
            Self {
                bytes,
                classes: bytes.map(classes),
            }
        }

        /// Where a byte of any class stands.
        #[inline]
        pub(in crate::redact) fn all(&self) -> u64 {
            let [a, b, c, d] = self.classes;
            if !v128_any_true(v128_or(v128_or(a, b), v128_or(c, d))) {
                return 0;
            }
            bits(self.classes.map(|lane| u8x16_ne(lane, u8x16_splat(0))))
        }

        /// Where a byte of a class stands.
        #[inline]
        pub(in crate::redact) fn of(&self, class: u8) -> u64 {
            let shift = class.leading_zeros();
            bits(self.classes.map(|lane| i8x16_shl(lane, shift)))
        }

        #[inline]
        pub(in crate::redact) fn letters(&self) -> u64 {
            bits(self.bytes.map(|lane| {
                let small = v128_or(lane, u8x16_splat(0x20));
                u8x16_le(i8x16_sub(small, u8x16_splat(b'a')), u8x16_splat(25))
            }))
        }

        #[inline]
        pub(in crate::redact) fn capitals(&self) -> u64 {
            bits(
                self.bytes
                    .map(|lane| u8x16_le(i8x16_sub(lane, u8x16_splat(b'A')), u8x16_splat(25))),
            )
        }

        /// Where this byte stands.
        #[inline]
        pub(in crate::redact) fn is(&self, byte: u8) -> u64 {
            bits(self.bytes.map(|lane| u8x16_eq(lane, u8x16_splat(byte))))
        }

        /// Where a space or a slash stands.
        #[inline]
        pub(in crate::redact) fn gaps(&self) -> u64 {
            bits(self.bytes.map(|lane| {
                let space = u8x16_eq(lane, u8x16_splat(b' '));
                v128_or(space, u8x16_eq(lane, u8x16_splat(b'/')))
            }))
        }
    }

    /// A block of places by what stands at each and behind it.
    pub(in crate::redact) struct Sieved {
        bytes: [v128; 4],
        passed: [v128; 4],
    }

    impl Sieved {
        /// What is of the classes of one table at a place, of those of the next one behind it, and so on.
        #[inline]
        pub(in crate::redact) fn new(window: &[u8; SIEVED_BYTES], tables: &[Halves; 3]) -> Self {
            let tables = tables.each_ref().map(|halves| halves.each_ref().map(table));
            let lane = |from: usize| {
                let word = |from: usize| {
                    let eight = window.get(from..).and_then(|rest| rest.first_chunk());
                    eight.copied().map_or(0, u64::from_le_bytes)
                };
                u64x2(word(from), word(from.wrapping_add(8)))
            };
            let passed = [0, 16, 32, 48].map(|from: usize| {
                let [a, b, c] = tables;
                let of = |[low, high]: [v128; 2], ahead: usize| {
                    let bytes = lane(from.wrapping_add(ahead));
                    let low = i8x16_swizzle(low, v128_and(bytes, u8x16_splat(15)));
                    v128_and(low, i8x16_swizzle(high, u8x16_shr(bytes, 4)))
                };
                v128_and(v128_and(of(a, 0), of(b, 1)), of(c, 2))
            });
            Self {
                bytes: [0, 16, 32, 48].map(lane),
                passed,
            }
        }

        /// Where any of these classes passed.
        #[inline]
        pub(in crate::redact) fn of(&self, classes: u8) -> u64 {
            bits(self.passed.map(|lane| {
                let own = v128_and(lane, u8x16_splat(classes));
                u8x16_ne(own, u8x16_splat(0))
            }))
        }

        /// Where a byte stands that is of any class of a table.
        #[inline]
        pub(in crate::redact) fn any(&self, halves: &Halves) -> u64 {
            let [low, high] = halves.each_ref().map(table);
            bits(self.bytes.map(|lane| {
                let low = i8x16_swizzle(low, v128_and(lane, u8x16_splat(15)));
                let own = v128_and(low, i8x16_swizzle(high, u8x16_shr(lane, 4)));
                u8x16_ne(own, u8x16_splat(0))
            }))
        }

        /// Where a byte beyond ASCII stands.
        #[inline]
        pub(in crate::redact) fn high(&self) -> u64 {
            bits(self.bytes)
        }

        /// Where a letter or digit of any script, or an underscore stands.
        #[inline]
        pub(in crate::redact) fn words(&self) -> u64 {
            bits(self.bytes.map(|lane| {
                let small = v128_or(lane, u8x16_splat(0x20));
                let letter = u8x16_le(i8x16_sub(small, u8x16_splat(b'a')), u8x16_splat(25));
                let digit = u8x16_le(i8x16_sub(lane, u8x16_splat(b'0')), u8x16_splat(9));
                let line = u8x16_eq(lane, u8x16_splat(b'_'));
                v128_or(v128_or(letter, digit), v128_or(line, lane))
            }))
        }
    }

    /// A class is a product of high and low halves of bytes; so two look-ups in tables of sixteen tell it.
    #[inline]
    fn classes(bytes: v128) -> v128 {
        let low = i8x16_swizzle(table(&LOW), v128_and(bytes, u8x16_splat(15)));
        let high = i8x16_swizzle(table(&HIGH), u8x16_shr(bytes, 4));
        v128_and(low, high)
    }

    #[inline]
    const fn table(bytes: &[u8; 16]) -> v128 {
        let [a, b, c, d, e, f, g, h, high @ ..] = *bytes;
        u64x2(
            u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            u64::from_le_bytes(high),
        )
    }

    const LOW: [u8; 16] = halves(false);
    const HIGH: [u8; 16] = halves(true);

    #[expect(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::indexing_slicing,
        reason = "evaluated by the compiler, which refuses to build where it goes wrong"
    )]
    const fn halves(is_high: bool) -> [u8; 16] {
        let mut table = [0; 16];
        let mut byte = 0;
        while byte < 256 {
            let half = if is_high { byte >> 4 } else { byte & 15 };
            table[half] |= class_of(byte as u8);
            byte += 1;
        }
        table
    }

    const _: () = {
        let mut byte = 0_u8;
        loop {
            let (low, high) = (byte & 15, byte >> 4);
            #[expect(
                clippy::indexing_slicing,
                reason = "evaluated by the compiler, which refuses to build where it goes wrong"
            )]
            let class = LOW[low as usize] & HIGH[high as usize];
            assert!(class == class_of(byte));
            byte = byte.wrapping_add(1);
            if byte == 0 {
                break;
            }
        }
    };
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod lanes {
    use super::{BLOCK_BYTES, Halves, SIEVED_BYTES, class_of};
    use crate::codec::lanes::bits;

    pub(in crate::redact) struct Block {
        bytes: [u8; BLOCK_BYTES],
        classes: [u8; BLOCK_BYTES],
    }

    impl Block {
        #[inline]
        pub(in crate::redact) fn new(bytes: &[u8; BLOCK_BYTES]) -> Self {
            Self {
                bytes: *bytes,
                classes: bytes.map(class_of),
            }
        }

        /// Where a byte of any class stands.
        pub(in crate::redact) fn all(&self) -> u64 {
            let (eights, _) = self.classes.as_chunks::<8>();
            let any = eights
                .iter()
                .fold(0, |any, eight| any | u64::from_le_bytes(*eight));
            if any == 0 {
                return 0;
            }
            bits(&self.classes.map(|class| u8::from(class != 0)))
        }

        /// Where a byte of a class stands.
        pub(in crate::redact) fn of(&self, class: u8) -> u64 {
            bits(&self.classes.map(|other| u8::from(other & class != 0)))
        }

        pub(in crate::redact) fn letters(&self) -> u64 {
            bits(
                &self
                    .bytes
                    .map(|byte| u8::from((byte | 0x20).wrapping_sub(b'a') < 26)),
            )
        }

        pub(in crate::redact) fn capitals(&self) -> u64 {
            bits(&self.bytes.map(|byte| u8::from(byte.is_ascii_uppercase())))
        }

        /// Where this byte stands.
        pub(in crate::redact) fn is(&self, byte: u8) -> u64 {
            bits(&self.bytes.map(|other| u8::from(other == byte)))
        }

        /// Where a space or a slash stands.
        pub(in crate::redact) fn gaps(&self) -> u64 {
            bits(
                &self
                    .bytes
                    .map(|byte| u8::from((byte == b' ') | (byte == b'/'))),
            )
        }
    }

    /// A block of places by what stands at each and behind it.
    pub(in crate::redact) struct Sieved {
        bytes: [u8; BLOCK_BYTES],
        passed: [u8; BLOCK_BYTES],
    }

    impl Sieved {
        /// What is of the classes of one table at a place, of those of the next one behind it, and so on.
        pub(in crate::redact) fn new(window: &[u8; SIEVED_BYTES], tables: &[Halves; 3]) -> Self {
            let mut sieved = Self {
                bytes: [0; BLOCK_BYTES],
                passed: [u8::MAX; BLOCK_BYTES],
            };
            for (ahead, [low, high]) in tables.iter().enumerate() {
                let window = window.get(ahead..).unwrap_or_default();
                for (passed, byte) in sieved.passed.iter_mut().zip(window) {
                    let half = |half: &[u8; 16], at: u8| half.get(usize::from(at)).copied();
                    let low = half(low, byte & 15).unwrap_or(0);
                    *passed &= low & half(high, byte >> 4).unwrap_or(0);
                }
            }
            let [bytes @ .., _, _] = window;
            sieved.bytes = *bytes;
            sieved
        }

        /// Where any of these classes passed.
        pub(in crate::redact) fn of(&self, classes: u8) -> u64 {
            bits(&self.passed.map(|passed| u8::from(passed & classes != 0)))
        }

        /// Where a byte stands that is of any class of a table.
        pub(in crate::redact) fn any(&self, [low, high]: &Halves) -> u64 {
            let half = |half: &[u8; 16], at: u8| half.get(usize::from(at)).copied().unwrap_or(0);
            bits(
                &self
                    .bytes
                    .map(|byte| u8::from(half(low, byte & 15) & half(high, byte >> 4) != 0)),
            )
        }

        /// Where a byte beyond ASCII stands.
        pub(in crate::redact) fn high(&self) -> u64 {
            bits(&self.bytes.map(|byte| byte >> 7))
        }

        /// Where a letter or digit of any script, or an underscore stands.
        pub(in crate::redact) fn words(&self) -> u64 {
            bits(&self.bytes.map(|byte| {
                let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
                let is_digit = byte.wrapping_sub(b'0') < 10;
                u8::from(is_letter | is_digit | (byte == b'_') | (byte >= 0x80))
            }))
        }
    }
}
