//! Percent-encoding (RFC 3986): `%41` stands for `A`.

/// The byte that the two digits behind a `%` stand for, and what follows them.
#[must_use]
pub fn byte(digits: &[u8]) -> Option<(u8, &[u8])> {
    let (&[high, low], rest) = digits.split_first_chunk::<2>()?;
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let byte = digit(high)?.checked_mul(16)?.checked_add(digit(low)?)?;
    Some((u8::try_from(byte).ok()?, rest))
}

/// Appends what a text stands for, and tells whether any of it was encoded. A `%` without digits stands for itself.
pub fn decode(text: &[u8], out: &mut Vec<u8>) -> bool {
    let mut rest = text;
    let mut is_encoded = false;
    while let Some((&first, behind)) = rest.split_first() {
        let found = Some(behind).filter(|_| first == b'%').and_then(byte);
        is_encoded |= found.is_some();
        let (byte, behind) = found.unwrap_or((first, behind));
        out.push(byte);
        rest = behind;
    }
    is_encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str, is_encoded: bool) {
        let mut out = Vec::new();
        assert_eq!(decode(text.as_bytes(), &mut out), is_encoded);
        assert_eq!(out, want.as_bytes());
    }

    #[test]
    fn digits_stand_for_bytes_in_either_case() {
        check("%41%c3%A9+%25", "A\u{e9}+%", true);
    }

    #[test]
    fn what_is_not_encoded_stands_for_itself() {
        check("a+b", "a+b", false);
        check("%", "%", false);
        check("%4", "%4", false);
        check("%+1%zz%%41", "%+1%zz%A", true);
    }
}
