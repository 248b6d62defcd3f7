//! The AWS event stream (`application/vnd.amazon.eventstream`), as messages.
//!
//! ```text
//! u32 total | u32 headers | u32 crc of these 8 bytes | headers | payload | u32 crc of all before
//! header = u8 name length, name, u8 type, value             all numbers big endian
//! ```
//!
//! A length is believed only after its checksum agrees, so a corrupt stream asks for no memory. A
//! message that reaches the sink is whole: checksums and every header have been checked. What the
//! headers and the payload mean is not known here.

use std::fmt;

/// Decodes a stream of messages. Chunks may be cut anywhere. An error is final.
pub struct Decoder {
    /// A message that has not arrived whole; empty while messages lie whole in the chunks.
    partial: Vec<u8>,
    /// The prelude of `partial`, once it is there and checked.
    prelude: Option<Prelude>,
    message_bytes_max: usize,
}

/// A whole message with valid headers.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    headers: &'a [u8],
    /// The bytes between the headers and the checksum.
    pub payload: &'a [u8],
}

/// The headers of a message, in order.
#[derive(Clone)]
pub struct Headers<'a> {
    rest: &'a [u8],
}

/// The value of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Types 0 and 1.
    Bool(bool),
    /// Type 2.
    Byte(i8),
    /// Type 3.
    Short(i16),
    /// Type 4.
    Int(i32),
    /// Type 5.
    Long(i64),
    /// Type 6.
    Bytes(&'a [u8]),
    /// Type 7.
    Text(&'a str),
    /// Type 8: milliseconds since 1970.
    Timestamp(i64),
    /// Type 9.
    Uuid(&'a [u8; 16]),
}

/// Why a stream of messages cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A message is longer than the bound, or its headers than the format allows.
    TooLarge {
        /// The bound.
        limit: usize,
    },
    /// The lengths do not agree with their checksum.
    PreludeChecksum,
    /// The lengths are genuine but do not fit each other.
    Length {
        /// Of the whole message.
        total_bytes: u32,
        /// Of its headers.
        headers_bytes: u32,
    },
    /// The message does not agree with its checksum.
    MessageChecksum,
    /// A header is cut short, of an unknown type, without a name or not UTF-8.
    Header {
        /// Where it begins in the block of headers.
        offset: usize,
    },
    /// The stream ended inside a message.
    Truncated {
        /// How much of the message had arrived.
        bytes: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => write!(f, "message exceeds {limit} bytes"),
            Self::PreludeChecksum => f.write_str("wrong checksum of a message prelude"),
            Self::Length {
                total_bytes,
                headers_bytes,
            } => write!(
                f,
                "message of {total_bytes} bytes cannot have {headers_bytes} bytes of headers"
            ),
            Self::MessageChecksum => f.write_str("wrong checksum of a message"),
            Self::Header { offset } => write!(f, "malformed message header at byte {offset}"),
            Self::Truncated { bytes } => write!(f, "stream ended {bytes} bytes into a message"),
        }
    }
}

impl std::error::Error for Error {}

impl Decoder {
    /// A decoder that holds back at most `message_bytes_max` bytes, and refuses longer messages.
    #[must_use]
    pub fn new(message_bytes_max: usize) -> Self {
        Self {
            partial: Vec::new(),
            prelude: None,
            message_bytes_max,
        }
    }

    /// Feeds `chunk`, calling `sink` for every message it completes.
    pub fn push<E: From<Error>>(
        &mut self,
        chunk: &[u8],
        mut sink: impl FnMut(Message<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = chunk;
        while !rest.is_empty() {
            if self.partial.is_empty()
                && let Some(prelude) = Prelude::read(rest, self.message_bytes_max)?
                && let Some((whole, tail)) = rest.split_at_checked(prelude.total_bytes)
            {
                rest = tail;
                sink(Message::read(whole, &prelude)?)?;
                continue;
            }
            let wanted = match &self.prelude {
                None => PRELUDE_BYTES,
                Some(prelude) => prelude.total_bytes,
            };
            let missing = wanted.saturating_sub(self.partial.len());
            let (head, tail) = rest.split_at_checked(missing).unwrap_or((rest, &[]));
            self.partial.extend_from_slice(head);
            rest = tail;
            if head.len() < missing {
                break;
            }
            match self.prelude.take() {
                None => self.prelude = Prelude::read(&self.partial, self.message_bytes_max)?,
                Some(prelude) => {
                    let result = match Message::read(&self.partial, &prelude) {
                        Ok(message) => sink(message),
                        Err(error) => Err(error.into()),
                    };
                    self.partial.clear();
                    result?;
                }
            }
        }
        Ok(())
    }

    /// Ends the stream, which must not be inside a message.
    pub fn finish(&mut self) -> Result<(), Error> {
        self.prelude = None;
        match std::mem::take(&mut self.partial).len() {
            0 => Ok(()),
            bytes => Err(Error::Truncated { bytes }),
        }
    }
}

impl fmt::Debug for Decoder {
    /// Tells sizes, never text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("partial_bytes", &self.partial.len())
            .field("prelude", &self.prelude)
            .field("message_bytes_max", &self.message_bytes_max)
            .finish()
    }
}

/// Two lengths and their checksum.
const PRELUDE_BYTES: usize = 12;
const CHECKSUM_BYTES: usize = 4;
/// The format's own bound.
const HEADERS_BYTES_MAX: usize = 128 * 1024;

/// Lengths that have been checked: they fit each other and the bound.
#[derive(Debug)]
struct Prelude {
    total_bytes: usize,
    headers_bytes: usize,
    payload_bytes: usize,
}

impl Prelude {
    /// `None` while it has not arrived whole.
    fn read(mut bytes: &[u8], message_bytes_max: usize) -> Result<Option<Self>, Error> {
        let Some(lengths) = bytes.get(..8) else {
            return Ok(None);
        };
        let (Some(total), Some(headers), Some(checksum)) =
            (number(&mut bytes), number(&mut bytes), number(&mut bytes))
        else {
            return Ok(None);
        };
        if crc32fast::hash(lengths) != checksum {
            return Err(Error::PreludeChecksum);
        }
        let length = Error::Length {
            total_bytes: total,
            headers_bytes: headers,
        };
        // A length beyond usize is beyond any bound.
        let total_bytes = usize::try_from(total).unwrap_or(usize::MAX);
        let headers_bytes = usize::try_from(headers).unwrap_or(usize::MAX);
        let payload_bytes = total_bytes
            .checked_sub(PRELUDE_BYTES + CHECKSUM_BYTES)
            .and_then(|bytes| bytes.checked_sub(headers_bytes))
            .ok_or(length)?;
        for (bytes, limit) in [
            (total_bytes, message_bytes_max),
            (headers_bytes, HEADERS_BYTES_MAX),
        ] {
            if bytes > limit {
                return Err(Error::TooLarge { limit });
            }
        }
        Ok(Some(Self {
            total_bytes,
            headers_bytes,
            payload_bytes,
        }))
    }
}

impl<'a> Message<'a> {
    /// `whole` has the length that `prelude` gives.
    fn read(whole: &'a [u8], prelude: &Prelude) -> Result<Self, Error> {
        let (body, mut tail) = whole
            .split_last_chunk::<CHECKSUM_BYTES>()
            .map(|(body, tail)| (body, tail.as_slice()))
            .ok_or(Error::MessageChecksum)?;
        if number(&mut tail) != Some(crc32fast::hash(body)) {
            return Err(Error::MessageChecksum);
        }
        let (headers, payload) = body
            .get(PRELUDE_BYTES..)
            .and_then(|rest| rest.split_at_checked(prelude.headers_bytes))
            .filter(|(_, payload)| payload.len() == prelude.payload_bytes)
            .ok_or(Error::MessageChecksum)?;
        let mut rest = headers;
        while !rest.is_empty() {
            let offset = headers.len().saturating_sub(rest.len());
            header(&mut rest).ok_or(Error::Header { offset })?;
        }
        Ok(Self { headers, payload })
    }

    /// The value of the first header of this name, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        match self.headers().find(|(found, _)| *found == name)? {
            (_, Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// All headers, in order.
    #[must_use]
    pub fn headers(&self) -> Headers<'a> {
        Headers { rest: self.headers }
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        header(&mut self.rest)
    }
}

/// Takes a header off the front of `rest`; `None` if there is none that is well formed.
fn header<'a>(rest: &mut &'a [u8]) -> Option<(&'a str, Value<'a>)> {
    let [name_bytes] = array(rest)?;
    let name = take(rest, usize::from(*name_bytes))?;
    if name.is_empty() {
        return None;
    }
    let [kind] = array(rest)?;
    let value = match kind {
        0 => Value::Bool(true),
        1 => Value::Bool(false),
        2 => Value::Byte(i8::from_be_bytes(*array(rest)?)),
        3 => Value::Short(i16::from_be_bytes(*array(rest)?)),
        4 => Value::Int(i32::from_be_bytes(*array(rest)?)),
        5 => Value::Long(i64::from_be_bytes(*array(rest)?)),
        6 => Value::Bytes(counted(rest)?),
        7 => Value::Text(str::from_utf8(counted(rest)?).ok()?),
        8 => Value::Timestamp(i64::from_be_bytes(*array(rest)?)),
        9 => Value::Uuid(array(rest)?),
        _ => return None,
    };
    Some((str::from_utf8(name).ok()?, value))
}

fn counted<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let bytes = u16::from_be_bytes(*array(rest)?);
    take(rest, usize::from(bytes))
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    array(rest).map(|bytes| u32::from_be_bytes(*bytes))
}

fn array<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(head)
}

fn take<'a>(rest: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(bytes)?;
    *rest = tail;
    Some(head)
}

/// Appends a message with text headers, as a service would send it.
#[cfg(test)]
pub(crate) fn encode(headers: &[(&str, &str)], payload: &[u8], out: &mut Vec<u8>) {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(u8::try_from(name.len()).unwrap());
        block.extend_from_slice(name.as_bytes());
        block.push(7);
        block.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        block.extend_from_slice(value.as_bytes());
    }
    encode_raw(&block, payload, out);
}

#[cfg(test)]
fn encode_raw(headers: &[u8], payload: &[u8], out: &mut Vec<u8>) {
    let total = [headers, payload].concat().len().saturating_add(16);
    let mut message = Vec::new();
    for bytes in [total, headers.len()] {
        message.extend_from_slice(&u32::try_from(bytes).unwrap().to_be_bytes());
    }
    message.extend_from_slice(&crc32fast::hash(&message).to_be_bytes());
    message.extend_from_slice(headers);
    message.extend_from_slice(payload);
    message.extend_from_slice(&crc32fast::hash(&message).to_be_bytes());
    out.append(&mut message);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::random::Random;

    /// Messages as `name=value,..|payload`; the error, if any, comes last.
    fn messages<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let mut decoder = Decoder::new(256);
        let mut seen = Vec::new();
        let mut pushed: Result<(), Error> = Ok(());
        for chunk in chunks {
            pushed = decoder.push(chunk, |message| {
                let headers: Vec<_> = message
                    .headers()
                    .map(|(name, value)| format!("{name}={value:?}"))
                    .collect();
                let payload = String::from_utf8_lossy(message.payload);
                seen.push(format!("{}|{payload}", headers.join(",")));
                Ok(())
            });
            if pushed.is_err() {
                break;
            }
        }
        if let Err(error) = pushed.and_then(|()| decoder.finish()) {
            seen.push(error.to_string());
        }
        seen
    }

    fn encoded(headers: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode_raw(headers, payload, &mut out);
        out
    }

    /// A message with these lengths under a good prelude checksum.
    fn with_lengths(total: u32, headers: u32) -> Vec<u8> {
        let mut out = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
        out
    }

    #[track_caller]
    fn check(input: &[u8], want: &[&str]) {
        assert_eq!(messages([input]), want, "in one chunk");
        assert_eq!(messages(input.chunks(1)), want, "byte by byte");
    }

    #[test]
    fn a_message_has_headers_and_a_payload() {
        let mut input = Vec::new();
        encode(&[(":event-type", "messageStop")], b"{}", &mut input);
        check(&input, &[":event-type=Text(\"messageStop\")|{}"]);
    }

    #[test]
    fn a_message_of_another_encoder_decodes() {
        // The empty message of the Smithy specification's test vectors.
        let input = b"\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2\x48\xeb\x7d\x98\xc8\xff";
        check(input, &["|"]);
    }

    #[test]
    fn messages_follow_each_other() {
        check(
            &[encoded(b"", b"one"), encoded(b"", b"two")].concat(),
            &["|one", "|two"],
        );
    }

    #[test]
    fn every_type_of_header_is_read() {
        check(
            &encoded(b"\x01a\x00\x01b\x01\x01c\x02\xff\x01d\x03\xff\xfe", b""),
            &["a=Bool(true),b=Bool(false),c=Byte(-1),d=Short(-2)|"],
        );
        check(
            &encoded(
                b"\x01e\x04\xff\xff\xff\xfd\x01f\x05\xff\xff\xff\xff\xff\xff\xff\xfc",
                b"",
            ),
            &["e=Int(-3),f=Long(-4)|"],
        );
        check(
            &encoded(
                b"\x01g\x06\x00\x01\x09\x01h\x07\x00\x01x\x01i\x08\0\0\0\0\0\0\0\x07",
                b"",
            ),
            &["g=Bytes([9]),h=Text(\"x\"),i=Timestamp(7)|"],
        );
        check(
            &encoded(b"\x01j\x09\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05", b""),
            &["j=Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5])|"],
        );
    }

    #[test]
    fn a_text_header_is_found_by_name() {
        let mut input = Vec::new();
        encode(&[("a", "x"), ("b", "y")], b"", &mut input);
        let mut found = Vec::new();
        let keep = |message: Message<'_>| {
            found.push(message.header("b").map(str::to_owned));
            found.push(message.header("c").map(str::to_owned));
            Ok::<(), Error>(())
        };
        Decoder::new(256).push(&input, keep).unwrap();
        assert_eq!(found, [Some("y".to_owned()), None]);
    }

    #[test]
    fn debug_tells_sizes_only() {
        let mut decoder = Decoder::new(64);
        let pushed: Result<(), Error> = decoder.push(b"\x00\x00\x00", |_| Ok(()));
        assert_eq!(pushed, Ok(()));
        assert_eq!(
            format!("{decoder:?}"),
            "Decoder { partial_bytes: 3, prelude: None, message_bytes_max: 64 }"
        );
    }

    #[test]
    fn a_header_that_runs_over_its_block_is_malformed() {
        check(
            &encoded(b"\x01a\x07\x00\x05xyz", b"payload"),
            &["malformed message header at byte 0"],
        );
        check(
            &encoded(b"\x01a\x00\x09bcd", b"payload"),
            &["malformed message header at byte 3"],
        );
        check(
            &encoded(b"\x01a", b""),
            &["malformed message header at byte 0"],
        );
    }

    #[test]
    fn a_header_without_a_name_is_malformed() {
        check(
            &encoded(b"\x00\x00", b""),
            &["malformed message header at byte 0"],
        );
    }

    #[test]
    fn a_header_of_an_unknown_type_is_malformed() {
        check(
            &encoded(b"\x01a\x0a", b""),
            &["malformed message header at byte 0"],
        );
    }

    #[test]
    fn header_text_must_be_utf_8() {
        check(
            &encoded(b"\x01a\x07\x00\x01\xff", b""),
            &["malformed message header at byte 0"],
        );
        check(
            &encoded(b"\x01\xff\x00", b""),
            &["malformed message header at byte 0"],
        );
    }

    #[test]
    fn lengths_are_not_believed_without_their_checksum() {
        let mut input = with_lengths(u32::MAX, 0);
        input[11] ^= 1;
        check(&input, &["wrong checksum of a message prelude"]);
        check(&[0; 12], &["wrong checksum of a message prelude"]);
    }

    #[test]
    fn a_changed_payload_is_noticed() {
        let mut input = encoded(b"", b"x");
        input[12] ^= 1;
        check(&input, &["wrong checksum of a message"]);
    }

    #[test]
    fn a_message_of_no_length_is_refused() {
        check(
            &with_lengths(0, 0),
            &["message of 0 bytes cannot have 0 bytes of headers"],
        );
        check(
            &with_lengths(15, 0),
            &["message of 15 bytes cannot have 0 bytes of headers"],
        );
    }

    #[test]
    fn headers_longer_than_the_message_are_refused() {
        check(
            &with_lengths(17, 2),
            &["message of 17 bytes cannot have 2 bytes of headers"],
        );
    }

    #[test]
    fn a_message_over_the_limit_is_refused_by_its_prelude() {
        check(&with_lengths(257, 0), &["message exceeds 256 bytes"]);
        check(&with_lengths(u32::MAX, 0), &["message exceeds 256 bytes"]);
    }

    #[test]
    fn a_message_of_exactly_the_limit_passes() {
        let payload = "x".repeat(240);
        check(&encoded(b"", payload.as_bytes()), &[&format!("|{payload}")]);
    }

    #[test]
    fn a_message_cut_short_is_truncated() {
        let whole = encoded(b"", b"x");
        check(&whole[..16], &["stream ended 16 bytes into a message"]);
        check(&whole[..3], &["stream ended 3 bytes into a message"]);
        check(b"", &[]);
    }

    #[test]
    fn the_error_of_the_sink_comes_back() {
        let refused = Error::Truncated { bytes: 7 };
        let got: Result<(), Error> = Decoder::new(256).push(&encoded(b"", b""), |_| Err(refused));
        assert_eq!(got, Err(refused));
    }

    #[test]
    fn random_cuts_change_nothing() {
        let mut random = Random::new(3);
        for _ in 0..5_000 {
            let mut input = Vec::new();
            for _ in 0..random.below(5) {
                let payload = vec![b'x'; random.below(60)];
                encode(&[(":event-type", "a"), ("b", "")], &payload, &mut input);
            }
            let cuts = random.cut(&input, 40);
            assert_eq!(messages(cuts), messages([input.as_slice()]));
        }
    }

    #[test]
    fn mutated_input_never_panics() {
        let mut random = Random::new(4);
        for _ in 0..20_000 {
            let mut input = encoded(b"\x01a\x07\x00\x01x\x01b\x00", b"payload");
            random.mutate(&mut input, b"\x00\x01\x07\x10");
            assert_eq!(messages(input.chunks(5)), messages([input.as_slice()]));
        }
    }

    #[test]
    fn mutated_headers_under_good_checksums_never_panic() {
        let mut random = Random::new(5);
        for _ in 0..20_000 {
            let mut headers = b"\x01a\x07\x00\x01x\x01b\x00\x01j\x09sixteen bytes ok".to_vec();
            random.mutate(
                &mut headers,
                b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a",
            );
            let input = encoded(&headers, b"payload");
            assert_eq!(messages(input.chunks(5)), messages([input.as_slice()]));
        }
    }
}
