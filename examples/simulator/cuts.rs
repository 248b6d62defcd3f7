//! Where texts and bytes are cut: everywhere, but the same way for the same seed.

use bytes::Bytes;

pub(crate) struct Cuts {
    state: u64,
    /// Texts are cut after every space instead of anywhere.
    pub(crate) is_by_word: bool,
    /// 0 writes whole events.
    pub(crate) write_bytes_max: usize,
}

impl Cuts {
    pub(crate) fn new(seed: u64, write_bytes_max: usize) -> Self {
        Self {
            state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            is_by_word: false,
            write_bytes_max,
        }
    }

    /// From 1 to `most`, both included.
    pub(crate) fn size(&mut self, most: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        1 + (self.state >> 33) as usize % most.max(1)
    }

    /// Cuts between code points, so also inside of what a person sees as one letter.
    pub(crate) fn text<'a>(&mut self, text: &'a str) -> Vec<&'a str> {
        if self.is_by_word {
            return text.split_inclusive(' ').collect();
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let size = self.size(8);
            let at = rest
                .char_indices()
                .nth(size)
                .map_or(rest.len(), |(at, _)| at);
            let (piece, tail) = rest.split_at(at);
            pieces.push(piece);
            rest = tail;
        }
        pieces
    }

    pub(crate) fn bytes(&mut self, mut bytes: Bytes) -> Vec<Bytes> {
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            // Mostly small pieces, sometimes a single byte, sometimes several events at once.
            let most = self.size(self.write_bytes_max);
            let size = self.size(most).min(bytes.len());
            pieces.push(bytes.split_to(size));
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_the_whole_again() {
        let text = "naïve 👩‍👩‍👧 ".repeat(20);
        for seed in 0..50 {
            let mut cuts = Cuts::new(seed, 40);
            assert_eq!(cuts.text(&text).concat(), text);
            assert_eq!(
                cuts.bytes(Bytes::from(text.clone())).concat(),
                text.as_bytes()
            );
        }
    }
}
