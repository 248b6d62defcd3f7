//! Writers of JSON scalars into a buffer of the caller.

use super::validate::plain_bytes;

/// Appends `text` as a JSON string with its quotes.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len().saturating_add(2));
    out.push(b'"');
    write_string_content(out, text);
    out.push(b'"');
}

/// Appends `text` escaped, without quotes: content may be written piece by piece.
pub fn write_string_content(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    loop {
        let (plain, tail) = rest
            .split_at_checked(plain_bytes(rest))
            .unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let Some((&byte, tail)) = tail.split_first() else {
            return;
        };
        write_escape(out, byte);
        rest = tail;
    }
}

/// Appends `content`, which is escaped already, with quotes.
pub fn write_escaped(out: &mut Vec<u8>, content: &str) {
    out.push(b'"');
    out.extend_from_slice(content.as_bytes());
    out.push(b'"');
}

/// Appends `text` as a JSON string, or null.
pub fn write_nullable(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => write_string(out, text),
        None => out.extend_from_slice(b"null"),
    }
}

/// Appends members that follow others, each with a name that needs no escapes.
pub fn write_members(out: &mut Vec<u8>, members: &[(&str, Option<&str>)]) {
    for (name, text) in members {
        out.push(b',');
        write_escaped(out, name);
        out.push(b':');
        write_nullable(out, *text);
    }
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0C => b'f',
        _ => {
            let digit = |value: u8| match value {
                0..=9 => b'0'.wrapping_add(value),
                _ => b'a'.wrapping_add(value.wrapping_sub(10)),
            };
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[digit(byte >> 4), digit(byte & 0x0F)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Appends `number` in decimal.
pub fn write_u64(out: &mut Vec<u8>, number: u64) {
    // u64::MAX has 20 digits.
    let mut digits = [b'0'; 20];
    let mut rest = number;
    let mut count = 0_usize;
    for digit in digits.iter_mut().rev() {
        *digit = u8::try_from(rest % 10).map_or(b'0', |value| b'0'.wrapping_add(value));
        rest /= 10;
        count = count.saturating_add(1);
        if rest == 0 {
            break;
        }
    }
    let start = digits.len().saturating_sub(count);
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::random::Random;

    #[track_caller]
    fn check(text: &str, want: &str) {
        let mut out = Vec::new();
        write_string(&mut out, text);
        assert_eq!(str::from_utf8(&out).unwrap(), want);
    }

    #[test]
    fn plain_text_is_copied() {
        check("", r#""""#);
        check(
            "plain text, and more of it: é😀",
            r#""plain text, and more of it: é😀""#,
        );
    }

    #[test]
    fn quotes_and_backslashes_are_escaped() {
        check(r#"a"b\c"#, r#""a\"b\\c""#);
    }

    #[test]
    fn control_characters_are_escaped() {
        check("\n\r\t\u{8}\u{c}", r#""\n\r\t\b\f""#);
        check("\0\u{1f}\u{7f}", "\"\\u0000\\u001f\u{7f}\"");
    }

    #[test]
    fn random_text_reads_back() {
        let mut random = Random::new(9);
        for _ in 0..5_000 {
            let text: String = (0..random.below(40))
                .filter_map(|_| char::from_u32(u32::try_from(random.below(300)).unwrap()))
                .collect();
            let mut out = Vec::new();
            write_string(&mut out, &text);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }

    #[test]
    fn numbers_are_decimal() {
        for number in [0, 7, 10, 1_234_567, u64::MAX] {
            let mut out = Vec::new();
            write_u64(&mut out, number);
            assert_eq!(str::from_utf8(&out).unwrap(), number.to_string());
        }
    }
}
