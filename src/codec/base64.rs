//! A reader of base64 with the standard alphabet.

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
    fn check(text: &str, want: Option<&[u8]>) {
        let mut out = Vec::new();
        let read = super::read(text, &mut out);
        assert_eq!(read.map(|()| out.as_slice()), want);
    }

    #[test]
    fn the_vectors_of_rfc_4648_hold() {
        check("", Some(b""));
        check("Zg==", Some(b"f"));
        check("Zm8=", Some(b"fo"));
        check("Zm9v", Some(b"foo"));
        check("Zm9vYmFy", Some(b"foobar"));
        check("ABCD+/+/", Some(&[0x00, 0x10, 0x83, 0xFB, 0xFF, 0xBF]));
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for text in [
            "Z", "Zg", "Zg=", "Z===", "Zm9v====", "Zm 9", "Zm-_", "Zg==Zg==",
        ] {
            check(text, None);
        }
    }
}
