//! 64 bytes at once: which of them are of a class, as a bit for each place. With vectors in wasm, where the filter runs; by
//! loops that compilers turn into vectors everywhere else.

/// Bytes that are looked at together.
pub(crate) const LANES: usize = 64;

pub(crate) use vectors::{Lanes, bits};

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod vectors {
    use super::LANES;
    use core::arch::wasm32::{
        i8x16_bitmask, i8x16_sub, u8x16_eq, u8x16_le, u8x16_splat, u64x2, v128,
    };

    #[derive(Clone, Copy)]
    pub(crate) struct Lanes([v128; 4]);

    impl Lanes {
        #[inline]
        pub(crate) fn new(bytes: &[u8; LANES]) -> Self {
            let (eights, _) = bytes.as_chunks::<8>();
            let lane = |at: usize| {
                let word = |at: usize| eights.get(at).copied().map_or(0, u64::from_le_bytes);
                u64x2(word(at), word(at.wrapping_add(1)))
            };
            Self([lane(0), lane(2), lane(4), lane(6)])
        }

        /// Where this byte stands.
        #[inline]
        pub(crate) fn is(self, byte: u8) -> u64 {
            bits(self.0.map(|lane| u8x16_eq(lane, u8x16_splat(byte))))
        }

        /// Where a byte stands from the first to the last of these.
        #[inline]
        pub(crate) fn within(self, first: u8, last: u8) -> u64 {
            let more = u8x16_splat(last.wrapping_sub(first));
            let first = u8x16_splat(first);
            bits(self.0.map(|lane| u8x16_le(i8x16_sub(lane, first), more)))
        }

        /// Where a byte beyond ASCII stands.
        #[inline]
        pub(crate) fn high(self) -> u64 {
            bits(self.0)
        }
    }

    /// The highest bit of each byte.
    #[inline]
    pub(crate) fn bits([a, b, c, d]: [v128; 4]) -> u64 {
        let [a, b, c, d] = [a, b, c, d].map(|lane| i8x16_bitmask(lane));
        let low = u32::from(a) | u32::from(b) << 16;
        let high = u32::from(c) | u32::from(d) << 16;
        u64::from(low) | u64::from(high) << 32
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod vectors {
    use super::LANES;

    #[derive(Clone, Copy)]
    pub(crate) struct Lanes([u8; LANES]);

    impl Lanes {
        #[inline]
        pub(crate) const fn new(bytes: &[u8; LANES]) -> Self {
            Self(*bytes)
        }

        /// Where this byte stands.
        #[inline]
        pub(crate) fn is(self, byte: u8) -> u64 {
            bits(&self.0.map(|other| u8::from(other == byte)))
        }

        /// Where a byte stands from the first to the last of these.
        #[inline]
        pub(crate) fn within(self, first: u8, last: u8) -> u64 {
            let more = last.wrapping_sub(first);
            bits(
                &self
                    .0
                    .map(|byte| u8::from(byte.wrapping_sub(first) <= more)),
            )
        }

        /// Where a byte beyond ASCII stands.
        #[inline]
        pub(crate) fn high(self) -> u64 {
            bits(&self.0.map(|byte| byte >> 7))
        }
    }

    /// A bit for each byte, which is 0 or 1.
    pub(crate) fn bits(marks: &[u8; LANES]) -> u64 {
        let (eights, _) = marks.as_chunks::<8>();
        eights.iter().rev().fold(0, |bits, eight| {
            // The product's highest byte has a bit for each byte that is 1.
            bits << 8 | u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56
        })
    }
}
