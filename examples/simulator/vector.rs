//! The "embedding model": numbers that follow from the text, the same for the same text.

use serde_json::{Value, json};

/// Numbers between -1 and 1 with four digits.
pub(crate) fn of(text: &str, dimensions: u64) -> Vec<f64> {
    // FNV-1a, stirred once more for each number.
    let seed = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let number = |index: u64| {
        let mut bits = seed ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits ^= bits >> 29;
        bits = bits.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let small = u32::try_from((bits >> 32) % 20_001).unwrap_or(0);
        (f64::from(small) - 10_000.0) / 10_000.0
    };
    (0..dimensions).map(number).collect()
}

pub(crate) fn json_of(text: &str, dimensions: u64) -> Value {
    json!(of(text, dimensions))
}
