//! A writer of base64, padded, with the standard alphabet.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends the base64 of `bytes`.
pub fn write(bytes: impl IntoIterator<Item = u8>, out: &mut Vec<u8>) {
    let mut bytes = bytes.into_iter();
    while let Some(first) = bytes.next() {
        let (second, third) = (bytes.next(), bytes.next());
        let group = [first, second.unwrap_or(0), third.unwrap_or(0)];
        let [first, middle, last] = group.map(u32::from);
        let bits = first << 16 | middle << 8 | last;
        out.extend([digit(bits >> 18), digit(bits >> 12)]);
        out.push(second.map_or(b'=', |_| digit(bits >> 6)));
        out.push(third.map_or(b'=', |_| digit(bits)));
    }
}

/// The digit of the lowest six bits.
fn digit(bits: u32) -> u8 {
    let place = usize::try_from(bits & 0x3F).unwrap_or(0);
    ALPHABET.get(place).copied().unwrap_or(b'A')
}

#[cfg(test)]
mod tests {
    #[track_caller]
    fn check(text: &str, want: &str) {
        let mut out = Vec::new();
        super::write(text.bytes(), &mut out);
        assert_eq!(str::from_utf8(&out).unwrap(), want);
    }

    #[test]
    fn the_vectors_of_rfc_4648_hold() {
        check("", "");
        check("f", "Zg==");
        check("fo", "Zm8=");
        check("foo", "Zm9v");
        check("foobar", "Zm9vYmFy");
    }

    #[test]
    fn every_digit_is_used() {
        let mut out = Vec::new();
        super::write([0x00, 0x10, 0x83, 0xFB, 0xFF, 0xBF], &mut out);
        assert_eq!(out, b"ABCD+/+/");
    }
}
