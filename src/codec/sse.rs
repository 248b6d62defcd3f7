//! Server-sent events (WHATWG HTML, section 9.2), cut into blocks.
//!
//! A block is everything up to and including a blank line. Each block is reported with its exact
//! bytes, so that a relay can pass it unchanged and the concatenation of all `raw` is the stream.
//! The decoder knows nothing of what the data means; UTF-8 is the reader's to check, per event.
//!
//! ```text
//!             +-- other --> Inside -- \n --> LineStart        \n : end of block
//! LineStart --+-- \r --> BlankCr: the block ends here, with the \n that may follow
//!             +-- \n --> end of block
//! Inside -- \r --> AfterCr -- \n --> LineStart,  \r --> end of block,  other --> Inside
//! ```

use std::fmt;

use memchr::memchr2;

/// Decodes a stream of server-sent events. Chunks may be cut anywhere. An error is final.
pub struct Decoder {
    /// A block whose blank line has not arrived; empty while blocks lie whole in the chunks.
    block: Vec<u8>,
    /// The data of the current event when it has several lines.
    joined: Vec<u8>,
    scan: Scan,
    /// A byte order mark may stand before the first block only.
    is_first: bool,
    event_bytes_max: usize,
}

/// A block of the stream.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    /// The value of the last `event` field.
    pub name: Option<&'a [u8]>,
    /// The values of all `data` fields, joined by line feeds.
    pub data: &'a [u8],
    /// False for comments, keep-alives and stray blank lines: a relay passes them, others skip them.
    pub has_data: bool,
    /// The whole block as it came, with its blank line.
    pub raw: &'a [u8],
}

/// Why a stream of events cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A block is longer than the bound.
    TooLarge {
        /// The bound.
        limit: usize,
    },
    /// The stream ended inside a block.
    Truncated {
        /// How much of the block had arrived.
        bytes: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => write!(f, "event exceeds {limit} bytes"),
            Self::Truncated { bytes } => write!(f, "stream ended {bytes} bytes into an event"),
        }
    }
}

impl std::error::Error for Error {}

impl Decoder {
    /// A decoder that holds back at most `event_bytes_max` bytes, and refuses longer blocks.
    #[must_use]
    pub fn new(event_bytes_max: usize) -> Self {
        Self {
            block: Vec::new(),
            joined: Vec::new(),
            scan: Scan::default(),
            is_first: true,
            event_bytes_max,
        }
    }

    /// Feeds `chunk`, calling `sink` for every block it completes.
    pub fn push<E: From<Error>>(
        &mut self,
        chunk: &[u8],
        mut sink: impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = chunk;
        while !rest.is_empty() {
            let found = self.scan.block_end(rest);
            let (head, tail) = found
                .and_then(|end| rest.split_at_checked(end))
                .unwrap_or((rest, &[]));
            rest = tail;
            if self.block.len().saturating_add(head.len()) > self.event_bytes_max {
                let limit = self.event_bytes_max;
                return Err(Error::TooLarge { limit }.into());
            }
            if found.is_none() {
                self.block.extend_from_slice(head);
                break;
            }
            let lines = std::mem::take(&mut self.scan).lines;
            let is_first = std::mem::take(&mut self.is_first);
            if self.block.is_empty() {
                sink(parse(head, lines, is_first, &mut self.joined))?;
            } else {
                self.block.extend_from_slice(head);
                let result = sink(parse(&self.block, lines, is_first, &mut self.joined));
                self.block.clear();
                result?;
            }
        }
        Ok(())
    }

    /// Ends the stream. Blank lines may be left over, a piece of a block may not.
    pub fn finish(&mut self) -> Result<(), Error> {
        let block = std::mem::take(&mut self.block);
        self.scan = Scan::default();
        let text = if std::mem::take(&mut self.is_first) {
            without_mark(&block)
        } else {
            &block
        };
        if text.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            return Ok(());
        }
        let bytes = block.len();
        Err(Error::Truncated { bytes })
    }
}

impl fmt::Debug for Decoder {
    /// Tells sizes, never text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("block_bytes", &self.block.len())
            .field("joined_bytes", &self.joined.len())
            .field("event_bytes_max", &self.event_bytes_max)
            .finish_non_exhaustive()
    }
}

/// The search for the end of the current block, which goes on from chunk to chunk.
#[derive(Debug, Default)]
struct Scan {
    place: Place,
    /// How many lines that are not blank have ended.
    lines: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum Place {
    #[default]
    LineStart,
    Inside,
    /// A line ended with a carriage return; a line feed would belong to it.
    AfterCr,
    /// A blank line ended with a carriage return; a line feed would belong to it.
    BlankCr,
}

impl Scan {
    /// How many of `bytes` belong to the current block, if it ends in them.
    fn block_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0_usize;
        loop {
            let byte = *bytes.get(at)?;
            match (self.place, byte) {
                (Place::BlankCr, b'\n') => return at.checked_add(1),
                (Place::BlankCr, _) => return Some(at),
                // Where the line before ended with \r alone, so does the blank one: waiting for
                // a line feed would hold every event back until the next.
                (Place::AfterCr, b'\r') | (Place::LineStart, b'\n') => return at.checked_add(1),
                (Place::LineStart, b'\r') => self.place = Place::BlankCr,
                (Place::AfterCr, b'\n') => self.place = Place::LineStart,
                (Place::Inside, b'\n') => self.end_line(Place::LineStart),
                (Place::Inside, b'\r') => self.end_line(Place::AfterCr),
                (Place::Inside | Place::LineStart | Place::AfterCr, _) => {
                    self.place = Place::Inside;
                    let rest = bytes.get(at..)?;
                    at = at.checked_add(memchr2(b'\n', b'\r', rest)?)?;
                    continue;
                }
            }
            at = at.checked_add(1)?;
        }
    }

    fn end_line(&mut self, place: Place) {
        self.place = place;
        self.lines = self.lines.saturating_add(1);
    }
}

/// Reads the fields of a whole block of `lines` lines. Nothing is copied unless `data` has several.
fn parse<'a>(block: &'a [u8], lines: usize, is_first: bool, joined: &'a mut Vec<u8>) -> Event<'a> {
    let mut name = None;
    let mut data: Option<&'a [u8]> = None;
    let mut is_joined = false;
    let mut rest = if is_first { without_mark(block) } else { block };
    for left in (0..lines).rev() {
        let line = match left {
            // The last line is what is left: no second search through long data.
            0 => without_ends(rest),
            _ => next_line(&mut rest),
        };
        if let Some(value) = field(line, b"data") {
            match data {
                None => data = Some(value),
                Some(first) => {
                    if !is_joined {
                        joined.clear();
                        joined.extend_from_slice(first);
                        is_joined = true;
                    }
                    joined.push(b'\n');
                    joined.extend_from_slice(value);
                }
            }
        } else if let Some(value) = field(line, b"event") {
            name = Some(value);
        }
    }
    Event {
        name,
        data: if is_joined {
            joined
        } else {
            data.unwrap_or_default()
        },
        has_data: data.is_some(),
        raw: block,
    }
}

fn next_line<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let end = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
    let (line, tail) = rest.split_at_checked(end).unwrap_or((rest, &[]));
    *rest = match tail {
        [b'\r', b'\n', tail @ ..] | [_, tail @ ..] => tail,
        [] => tail,
    };
    line
}

fn without_ends(mut line: &[u8]) -> &[u8] {
    while let [head @ .., b'\r' | b'\n'] = line {
        line = head;
    }
    line
}

/// The value of `line` if it is a field of this name. A name alone has the empty value.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    match line.strip_prefix(name)? {
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        [] => Some(&[]),
        _ => None,
    }
}

fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}

/// Appends an event with these JSON data. JSON has line breaks between its tokens only, where blanks do as well.
pub fn write_json(name: Option<&[u8]>, json: &[u8], out: &mut Vec<u8>) {
    if let Some(name) = name {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name);
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    out.extend(json.iter().map(|byte| match byte {
        b'\n' | b'\r' => b' ',
        byte => *byte,
    }));
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::random::Random;

    /// Events as `name|data`, other blocks as `-`; the error, if any, comes last.
    fn events<'a>(
        chunks: impl IntoIterator<Item = &'a [u8]>,
        event_bytes_max: usize,
    ) -> Vec<String> {
        let mut decoder = Decoder::new(event_bytes_max);
        let mut seen = Vec::new();
        let mut pushed: Result<(), Error> = Ok(());
        for chunk in chunks {
            pushed = decoder.push(chunk, |event| {
                let name = String::from_utf8_lossy(event.name.unwrap_or_default()).into_owned();
                let data = String::from_utf8_lossy(event.data).into_owned();
                seen.push(if event.has_data {
                    format!("{name}|{data}")
                } else {
                    "-".to_owned()
                });
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

    /// The raw bytes of every block.
    fn blocks<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
        let mut decoder = Decoder::new(1024);
        let mut seen = Vec::new();
        for chunk in chunks {
            let keep = |event: Event<'_>| {
                seen.push(event.raw.to_vec());
                Ok::<(), Error>(())
            };
            decoder.push(chunk, keep).unwrap();
        }
        seen
    }

    #[track_caller]
    fn check(input: &str, want: &[&str]) {
        assert_eq!(events([input.as_bytes()], 64), want, "in one chunk");
        assert_eq!(events(input.as_bytes().chunks(1), 64), want, "byte by byte");
    }

    #[test]
    fn json_is_written_on_one_line() {
        let mut out = Vec::new();
        write_json(Some(b"x"), b"{\n\"a\":\r\n1}", &mut out);
        write_json(None, b"1", &mut out);
        assert_eq!(out, b"event: x\ndata: { \"a\":  1}\n\ndata: 1\n\n");
    }

    #[test]
    fn data_without_a_space_is_data() {
        check("data:x\n\n", &["|x"]);
    }

    #[test]
    fn one_space_is_not_data_but_the_second_is() {
        check("data:  x\n\n", &["| x"]);
    }

    #[test]
    fn an_event_may_have_a_name() {
        check("event: a\ndata: x\n\ndata: y\n\n", &["a|x", "|y"]);
    }

    #[test]
    fn the_name_may_follow_the_data() {
        check("data: x\nevent: a\n\n", &["a|x"]);
    }

    #[test]
    fn lines_of_data_are_joined() {
        check("data: x\ndata\ndata: y\n\n", &["|x\n\ny"]);
    }

    #[test]
    fn any_line_end_will_do() {
        check("data: x\r\n\r\ndata: y\r\rdata: z\n\n", &["|x", "|y", "|z"]);
        check("data: x\n\r\ndata: y\r\n\n", &["|x", "|y"]);
    }

    #[test]
    fn an_event_ended_by_carriage_returns_does_not_wait_for_the_next() {
        check("data: x\r\r", &["|x"]);
    }

    #[test]
    fn comments_and_blank_lines_are_blocks_without_data() {
        check(": ping\n\n\ndata: x\n\n\n", &["-", "-", "|x", "-"]);
    }

    #[test]
    fn a_comment_inside_an_event_is_not_data() {
        check(":c\ndata: x\n:d\nid: 7\n\n", &["|x"]);
    }

    #[test]
    fn a_name_without_data_is_no_event() {
        check("event: a\n\ndata: x\n\n", &["-", "|x"]);
    }

    #[test]
    fn data_may_be_empty() {
        check("data\n\ndata:\n\ndata: \n\n", &["|", "|", "|"]);
    }

    #[test]
    fn other_fields_are_not_data() {
        check("database: x\n\n", &["-"]);
    }

    #[test]
    fn a_byte_order_mark_is_skipped_once() {
        check("\u{feff}data: x\n\n\u{feff}data: y\n\n", &["|x", "-"]);
        check("\u{feff}", &[]);
    }

    #[test]
    fn an_event_without_its_blank_line_is_truncated() {
        check(
            "data: x\n\ndata: y",
            &["|x", "stream ended 7 bytes into an event"],
        );
        check("data: y\n", &["stream ended 8 bytes into an event"]);
        check("data: y\r\n\r", &["stream ended 10 bytes into an event"]);
    }

    #[test]
    fn blank_bytes_at_the_end_are_not_truncation() {
        check("data: x\n\n\r", &["|x"]);
        check("", &[]);
    }

    #[test]
    fn an_event_of_exactly_the_limit_passes() {
        check(
            &format!("data:{}\n\n", "x".repeat(57)),
            &[&format!("|{}", "x".repeat(57))],
        );
    }

    #[test]
    fn an_event_over_the_limit_is_too_large() {
        let long = "x".repeat(58);
        check(
            &format!("data:y\n\ndata:{long}\n\n"),
            &["|y", "event exceeds 64 bytes"],
        );
        check(&"x".repeat(65), &["event exceeds 64 bytes"]);
    }

    #[test]
    fn raw_bytes_are_the_whole_stream() {
        let want: [&[u8]; 6] = [
            b": a\r\n\r\n",
            b"\n",
            b"\r\n",
            b"data: x\rdata: y\r\r",
            b"event: z\r\n\n",
            b"data: 1\n\n",
        ];
        let input = want.concat();
        assert_eq!(blocks([input.as_slice()]), want);
        assert_eq!(blocks(input.chunks(1)), want);
    }

    #[test]
    fn the_error_of_the_sink_comes_back() {
        let mut decoder = Decoder::new(64);
        let refused = Error::Truncated { bytes: 7 };
        let got: Result<(), Error> = decoder.push(b"data: x\n\n", |_| Err(refused));
        assert_eq!(got, Err(refused));
    }

    #[test]
    fn debug_tells_sizes_only() {
        let mut decoder = Decoder::new(64);
        let pushed: Result<(), Error> = decoder.push(b"data: a\ndata: b\n\ndata: c", |_| Ok(()));
        assert_eq!(pushed, Ok(()));
        assert_eq!(
            format!("{decoder:?}"),
            "Decoder { block_bytes: 7, joined_bytes: 3, event_bytes_max: 64, .. }"
        );
    }

    #[test]
    fn random_cuts_of_random_input_change_nothing() {
        let pieces = [
            "data:", "data: ", "event: ", ":", "x", "\n", "\n", "\r", "\r\n", "\u{feff}", "é",
        ];
        let mut random = Random::new(7);
        for _ in 0..20_000 {
            let input: String = (0..random.below(24))
                .map(|_| pieces[random.below(pieces.len())])
                .collect();
            let whole = input.as_bytes();
            let cuts = random.cut(whole, 5);
            assert_eq!(
                events(cuts.iter().copied(), 24),
                events([whole], 24),
                "{input:?} as {cuts:?}"
            );
            assert_eq!(blocks(cuts), blocks([whole]), "{input:?}");
        }
    }

    #[test]
    fn mutated_input_never_panics() {
        let mut random = Random::new(8);
        for _ in 0..20_000 {
            let mut input = b"event: a\ndata: x\r\n\r\ndata: y\ndata: z\n\n".to_vec();
            random.mutate(&mut input, b"\r\n: da");
            assert_eq!(events(input.chunks(3), 32), events([input.as_slice()], 32));
        }
    }
}
