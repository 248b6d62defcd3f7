//! Repeatable randomness for the property tests of this room and those above it.

/// A xorshift generator: the same numbers on every run, so that a failure comes back.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let number = usize::try_from(self.0 >> 33).unwrap();
        number.checked_rem(bound).unwrap_or(0)
    }

    /// Cuts `whole` into chunks of at most `chunk_bytes_max`; some are empty.
    pub(crate) fn cut<'a>(&mut self, whole: &'a [u8], chunk_bytes_max: usize) -> Vec<&'a [u8]> {
        let mut chunks = Vec::new();
        let mut rest = whole;
        while !rest.is_empty() {
            let at = self
                .below(chunk_bytes_max.saturating_add(1))
                .min(rest.len());
            let (head, tail) = rest.split_at(at);
            chunks.push(head);
            rest = tail;
        }
        chunks
    }

    /// Changes, removes, doubles or inserts a few bytes.
    pub(crate) fn mutate(&mut self, bytes: &mut Vec<u8>, alphabet: &[u8]) {
        for _ in 0..self.below(4).saturating_add(1) {
            let at = self.below(bytes.len());
            let byte = match self.below(2) {
                0 => alphabet[self.below(alphabet.len())],
                _ => u8::try_from(self.below(256)).unwrap(),
            };
            match self.below(4) {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => {
                    bytes.remove(at);
                }
                2 => bytes.truncate(at),
                _ => bytes.insert(at, byte),
            }
        }
    }
}
