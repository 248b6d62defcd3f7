//! How many tokens a text will be, before anybody has counted them.
//!
//! One pass over the bytes of JSON as it was written, without a vocabulary: runs of letters, digits,
//! blanks and marks weigh what they weigh in OpenAI's `o200k`, each a little too much. Vocabularies of other
//! makers differ by a factor, which [`Calibration`](super::Calibration) learns. Files and pictures are not
//! text and count by what they are.
//!
//! It reads JSON that was checked elsewhere; on anything else it counts something and stays inside.

use memchr::{memchr2, memmem};

use super::blocks::split;
use super::weigh::weigh;
use crate::codec::lanes::{LANES, Lanes};

/// A sum of tokens in the making.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Estimate {
    /// In hundredths, so that pieces of one text add up to what the whole is.
    hundredths: u64,
    /// There is something besides text.
    has_files: bool,
}

/// What a member of a request holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Messages: what they say counts, the names of their fields do not.
    Messages,
    /// Something that the model reads as it is written, such as the schemas of tools.
    Schema,
    /// A piece of an answer: its strings count, and nothing for their frame.
    Answer,
}

/// Below these keys is what is no text, or what stands elsewhere.
const FILES: &[&[u8]] = &[
    b"image_url",
    b"input_audio",
    b"video_url",
    b"file_data",
    b"file_id",
    b"file_url",
    b"item_reference",
];
/// What each message and each of its parts adds.
const PART: u64 = 400;
/// What providers tell a model of tools in general; Claude's takes the most.
const TOOLS: u64 = 35_000;
/// The same in tokens.
pub const TOOLS_TOKENS: u64 = TOOLS / 100;
/// A picture. Models charge by its size, and few charge more.
const PICTURE: u64 = 160_000;
/// Of any other file, this many base64 characters are a token, but it has as many as a picture at least.
const FILE_CHARACTERS: u64 = 40;
/// Of a file that is text, so many: three bytes of it.
const TEXT_CHARACTERS: u64 = 4;
/// Of a recording, so many are.
const RECORDING_CHARACTERS: u64 = 600;

impl Estimate {
    /// The tokens, rounded up.
    #[must_use]
    pub const fn tokens(&self) -> u64 {
        self.hundredths.div_ceil(100)
    }

    /// Whether there was text and nothing else: no token of it is shorter than a byte.
    #[must_use]
    pub const fn is_text(&self) -> bool {
        !self.has_files
    }

    /// Adds what a model is told besides, where there are tools for it.
    pub fn tools(&mut self) {
        self.add(TOOLS);
    }

    /// Adds a text: the content of a JSON string as it was written.
    pub fn text(&mut self, text: &str) {
        self.add(weigh(text.as_bytes()));
    }

    /// Adds a JSON value.
    pub fn value(&mut self, json: &str, content: Content) {
        let mut rest = json.as_bytes();
        if content == Content::Schema {
            self.add(weigh(rest));
            return;
        }
        let mut key: &[u8] = b"";
        while let Some(at) = memchr2(b'"', b'{', rest) {
            let (plain, found) = rest.split_at(at);
            // Lists of tokens, which completions and embeddings take.
            self.add(numbers(plain));
            let Some((first, behind)) = found.split_first() else {
                return;
            };
            if *first == b'{' {
                if content == Content::Messages {
                    self.add(PART);
                }
                rest = behind;
                continue;
            }
            let (text, behind) = string(behind);
            rest = behind;
            if rest.trim_ascii_start().first() == Some(&b':') {
                key = text;
                self.has_files |= FILES.contains(&key);
            } else {
                self.add(worth(key, text));
            }
        }
        self.add(numbers(rest));
    }

    fn add(&mut self, hundredths: u64) {
        self.hundredths = self.hundredths.saturating_add(hundredths);
    }
}

/// Splits at a string's closing quote.
#[inline(never)]
fn string(bytes: &[u8]) -> (&[u8], &[u8]) {
    match closing(bytes).and_then(|at| bytes.split_at_checked(at)) {
        Some((text, rest)) => (text, rest.get(1..).unwrap_or_default()),
        None => (bytes, b""),
    }
}

/// Where a string ends.
fn closing(bytes: &[u8]) -> Option<usize> {
    // Whether a block's first byte belongs to an escape, as a number.
    let mut is_escaped = 0_u64;
    let (mut from, mut rest) = (0_usize, bytes);
    while !rest.is_empty() {
        let mut last = [0; LANES];
        let (block, behind) = split(rest, &mut last);
        let lanes = Lanes::new(block);
        let (quotes, slashes) = (lanes.is(b'"'), lanes.is(b'\\'));
        let ends = quotes & !escaped(slashes, &mut is_escaped);
        if ends != 0 {
            let at = usize::try_from(ends.trailing_zeros()).ok()?;
            return Some(from.saturating_add(at));
        }
        from = from.saturating_add(LANES);
        rest = behind;
    }
    None
}

/// The places behind backslashes that are not behind one themselves. Of a row of them every other one counts: the sum carries
/// through it, and ends at an even place or an odd one.
fn escaped(slashes: u64, is_escaped: &mut u64) -> u64 {
    const ODD: u64 = 0xAAAA_AAAA_AAAA_AAAA;
    if slashes == 0 {
        return std::mem::take(is_escaped);
    }
    let begins = slashes & !*is_escaped;
    let rows = (begins << 1 | ODD).wrapping_sub(begins) ^ ODD;
    let escaped = rows ^ (slashes | *is_escaped);
    *is_escaped = (rows & slashes) >> 63;
    escaped
}

/// What a string below this key counts.
fn worth(key: &[u8], text: &[u8]) -> u64 {
    match key {
        // Words of the format. A longer one is none.
        b"role" | b"type" | b"detail" | b"id" | b"tool_call_id" | b"call_id" | b"status"
            if text.len() <= WORD_BYTES_MAX =>
        {
            0
        }
        b"file_id" | b"url" | b"image_url" | b"file_url" | b"data" | b"file_data" => {
            match encoded(key, text) {
                Some((kind, base64)) => media(kind, base64),
                None if matches!(key, b"data" | b"file_data") => weigh(text),
                None => PICTURE.max(weigh(text)),
            }
        }
        _ => weigh(text),
    }
}

/// What stands in base64 here, and of which kind it is. Text that only begins like it is text.
fn encoded<'t>(key: &[u8], text: &'t [u8]) -> Option<(&'t [u8], &'t [u8])> {
    const MARK: &[u8] = b";base64,";
    let (kind, base64) = match text.strip_prefix(b"data:") {
        Some(uri) => {
            let head = uri.get(..KIND_BYTES_MAX).unwrap_or(uri);
            let at = memmem::find(head, MARK)?;
            let (kind, rest) = uri.split_at(at);
            (kind, rest.get(MARK.len()..)?)
        }
        None if key == b"data" => (AUDIO, text),
        None if key == b"file_data" => (b"".as_slice(), text),
        None => return None,
    };
    // Some write a slash with its escape.
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=-_\\".contains(byte);
    base64.iter().all(is_base64).then_some((kind, base64))
}

/// What a model is charged for a file of this kind.
fn media(kind: &[u8], base64: &[u8]) -> u64 {
    let length = u64::try_from(base64.len()).unwrap_or(u64::MAX);
    let by = |characters: u64| length.saturating_mul(100).checked_div(characters);
    if kind.starts_with(b"image/") {
        return PICTURE;
    }
    if kind.starts_with(AUDIO) {
        return by(RECORDING_CHARACTERS).unwrap_or(0);
    }
    let mut texts = [b"text/".as_slice(), b"application/json", b"application/xml"].into_iter();
    let is_text = texts.any(|name| kind.starts_with(name));
    match is_text {
        true => by(TEXT_CHARACTERS).unwrap_or(0),
        false => PICTURE.max(by(FILE_CHARACTERS).unwrap_or(0)),
    }
}

const AUDIO: &[u8] = b"audio/";
/// No word of the format, and no name of a file's kind, is longer.
const WORD_BYTES_MAX: usize = 128;
const KIND_BYTES_MAX: usize = 128;

/// The numbers between strings, a token each.
fn numbers(bytes: &[u8]) -> u64 {
    let mut sum = 0_u64;
    let mut was_digit = false;
    for byte in bytes {
        let is_digit = byte.is_ascii_digit();
        if is_digit && !was_digit {
            sum = sum.saturating_add(100);
        }
        was_digit = is_digit;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::random::Random;

    #[track_caller]
    fn check(json: &str, content: Content, want: u64) {
        let mut estimate = Estimate::default();
        estimate.value(json, content);
        assert_eq!(estimate.tokens(), want);
    }

    #[test]
    fn words_are_tokens_and_long_ones_several() {
        check(r#""the cat sat""#, Content::Messages, 4);
        check(r#""internationalization""#, Content::Messages, 4);
    }

    #[test]
    fn a_string_ends_where_it_does_byte_by_byte() {
        let plain = |bytes: &[u8]| {
            let mut at = 0;
            while at < bytes.len() && bytes[at] != b'"' {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            (at < bytes.len()).then_some(at)
        };
        let mut random = Random::new(11);
        for _ in 0..50_000 {
            let (slashes, quotes) = (random.below(4), random.below(9));
            let bytes = (0..random.below(200)).map(|_| match random.below(10) {
                kind if kind < slashes * 3 => b'\\',
                _ if random.below(60) < quotes => b'"',
                _ => b'a',
            });
            let bytes: Vec<u8> = bytes.collect();
            let text = String::from_utf8_lossy(&bytes);
            assert_eq!(closing(&bytes), plain(&bytes), "{text}");
        }
    }

    #[test]
    fn three_digits_are_a_token() {
        check(r#""123456789""#, Content::Messages, 3);
    }

    #[test]
    fn what_a_message_says_counts_and_the_names_of_its_fields_do_not() {
        check(r#"[{"role":"user","content":"cat"}]"#, Content::Messages, 6);
    }

    #[test]
    fn an_escaped_quote_does_not_end_a_text() {
        check(r#"["a\"b",1]"#, Content::Messages, 4);
    }

    #[test]
    fn a_list_of_tokens_is_so_many() {
        check("[[1,20,300],[4000]]", Content::Messages, 4);
    }

    #[test]
    fn a_picture_counts_as_a_picture_and_not_by_its_bytes() {
        let picture = format!(
            r#"{{"url":"data:image/png;base64,{}"}}"#,
            "A".repeat(1_000_000)
        );
        check(&picture, Content::Messages, 1_604);
    }

    #[test]
    fn a_file_counts_by_its_size() {
        let file = format!(
            r#"{{"file_data":"data:application/pdf;base64,{}"}}"#,
            "A".repeat(400_000)
        );
        check(&file, Content::Messages, 10_004);
    }

    /// Whether a thousand words under this key weigh what they weigh anywhere.
    #[track_caller]
    fn check_text(key: &str, lead: &str, is_text: bool) {
        let words = " house".repeat(1_000);
        let tokens = |json: &str| {
            let mut estimate = Estimate::default();
            estimate.value(json, Content::Messages);
            estimate.tokens()
        };
        let found = tokens(&format!(r#"{{"{key}":"{lead}{words}"}}"#));
        assert_eq!(
            found >= tokens(&format!(r#""{words}""#)),
            is_text,
            "{found}"
        );
    }

    #[test]
    fn a_prompt_is_a_prompt_however_it_begins() {
        for lead in ["", "data:", "data:image/png;base64,", "data:;base64,AAAA"] {
            for key in [
                "content",
                "text",
                "url",
                "image_url",
                "data",
                "file_data",
                "role",
                "id",
            ] {
                check_text(key, lead, true);
            }
        }
    }

    #[test]
    fn a_picture_in_a_text_is_read_as_text() {
        let picture = format!("data:image/png;base64,{}", "iVBORw0KGgo".repeat(1_000));
        let mut estimate = Estimate::default();
        estimate.value(&format!(r#"{{"text":"{picture}"}}"#), Content::Messages);
        assert!(estimate.tokens() > 4_000, "{estimate:?}");
    }

    #[test]
    fn a_text_in_a_file_counts_as_text() {
        for kind in ["text/plain", "application/json", "text/csv"] {
            let file = format!(
                r#"{{"file_data":"data:{kind};base64,{}"}}"#,
                "A".repeat(4_000)
            );
            check(&file, Content::Messages, 1_004);
        }
    }

    #[test]
    fn a_recording_counts_by_its_size_whether_or_not_its_slashes_are_escaped() {
        let recording = |piece: &str| format!(r#"{{"data":"{}"}}"#, piece.repeat(15_000));
        check(&recording("AA/A"), Content::Messages, 104);
        check(&recording(r"AA\/"), Content::Messages, 104);
    }

    #[test]
    fn a_schema_counts_as_it_is_written() {
        let mut estimate = Estimate::default();
        estimate.value(
            r#"{"type":"object","properties":{"city":{"type":"string"}}}"#,
            Content::Schema,
        );
        // o200k has 13.
        assert!((13..=22).contains(&estimate.tokens()), "{estimate:?}");
    }

    #[test]
    fn a_text_in_pieces_weighs_at_least_what_the_whole_does() {
        let text = "The quick brown fox jumps over 13 lazy dogs; 網關 says hello.\\n";
        let mut whole = Estimate::default();
        whole.text(text);
        let mut random = Random::new(9);
        for _ in 0..500 {
            let mut pieces = Estimate::default();
            let mut rest = text;
            while !rest.is_empty() {
                let at = rest.ceil_char_boundary(1 + random.below(9)).min(rest.len());
                let (head, tail) = rest.split_at(at);
                pieces.text(head);
                rest = tail;
            }
            assert!(
                pieces.hundredths + 200 >= whole.hundredths,
                "{pieces:?} {whole:?}"
            );
        }
    }

    #[test]
    fn no_bytes_make_it_leave_its_bounds() {
        let mut random = Random::new(3);
        for _ in 0..20_000 {
            let mut bytes =
                br#"[{"role":"user","content":"a\u00e9 \"b\" 12"},{"data":"x"}]"#.to_vec();
            random.mutate(&mut bytes, b"\"\\{}[]:,");
            let text = String::from_utf8_lossy(&bytes);
            for content in [Content::Messages, Content::Schema] {
                Estimate::default().value(&text, content);
            }
        }
    }
}
