//! Base64, padded, with the standard alphabet.

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

/// Appends the bytes that `text` stands for; `None` if it is no base64. What is appended then is of no use.
#[must_use]
pub fn read(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let digits = text.trim_end_matches('=').as_bytes();
    let padding = text.len().saturating_sub(digits.len());
    if padding > 2 || !text.len().is_multiple_of(4) {
        return None;
    }
    out.reserve(digits.len());
    for group in digits.chunks(4) {
        let mut bits = 0_u32;
        for at in 0..4 {
            bits = (bits << 6) | group.get(at).map_or(Some(0), |digit| value(*digit))?;
        }
        let [_, first, second, third] = bits.to_be_bytes();
        match group.len() {
            4 => out.extend([first, second, third]),
            3 => out.extend([first, second]),
            _ => out.push(first),
        }
    }
    Some(())
}

fn value(digit: u8) -> Option<u32> {
    let (base, start) = match digit {
        b'A'..=b'Z' => (b'A', 0),
        b'a'..=b'z' => (b'a', 26),
        b'0'..=b'9' => (b'0', 52),
        b'+' => (b'+', 62),
        b'/' => (b'/', 63),
        _ => return None,
    };
    Some(u32::from(digit.saturating_sub(base)).saturating_add(start))
}

#[cfg(test)]
mod tests {
    #[track_caller]
    fn check(bytes: &[u8], text: &str) {
        let mut out = Vec::new();
        super::write(bytes.iter().copied(), &mut out);
        assert_eq!(str::from_utf8(&out).unwrap(), text);
        out.clear();
        assert_eq!(super::read(text, &mut out), Some(()));
        assert_eq!(out, bytes);
    }

    #[test]
    fn the_vectors_of_rfc_4648_hold() {
        check(b"", "");
        check(b"f", "Zg==");
        check(b"fo", "Zm8=");
        check(b"foo", "Zm9v");
        check(b"foobar", "Zm9vYmFy");
        check(&[0x00, 0x10, 0x83, 0xFB, 0xFF, 0xBF], "ABCD+/+/");
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for text in [
            "Z", "Zg", "Zg=", "Z===", "Zm9v====", "Zm 9", "Zm-_", "Zg==Zg==",
        ] {
            assert_eq!(super::read(text, &mut Vec::new()), None, "{text}");
        }
    }
}
