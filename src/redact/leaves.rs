//! JSON inside a text, such as the arguments of a tool call, redacted as it comes.
//!
//! ```text
//!  Value -- " --> Leaf -- " --> After -- , --> Value or Key -- " --> Colon -- : --> Value
//!    +-- digit --> Number --> After              any other byte --> Text, to the end
//! ```
//! Keys pass. Each string is a text of its own, with its key as context, and stays escaped as it was but for what is
//! replaced; a number in which something is found becomes a string, so that what was JSON stays JSON. From the byte where
//! the text stops being JSON it is a text like any other. So the result is the same wherever the text was cut, and a whole
//! one is redacted as one piece.

use core::mem;

use super::action::Action;
use super::placeholder::Tenant;
use super::places::integer;
use super::plan::Plan;
use super::stream::{Finding, Sink, Stream};
use super::vault::Vault;
use crate::codec::json::{DEPTH_MAX, Places, unescape, write_string_content};

/// The redaction of one JSON text that comes in pieces.
pub struct Leaves {
    tenant: Tenant,
    state: State,
    /// One bit for each open container, the innermost lowest: set if it is an object.
    objects: u128,
    depth: usize,
    /// The key of the value that comes next, as it is escaped.
    key: String,
    stream: Stream,
    leaf: Leaf,
    number: String,
    /// The number is longer than any that is looked at, and passes.
    is_long: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Value,
    /// Behind `[`: a value or the end.
    FirstItem,
    /// Behind `{`: a key or the end.
    FirstKey,
    /// Behind a comma in an object.
    NextKey,
    Key {
        is_escaped: bool,
    },
    Colon,
    Leaf,
    Number,
    /// How much of `true`, `false` or `null` has come.
    Word(&'static [u8]),
    After,
    Text,
}

/// The string that is open.
#[derive(Default)]
struct Leaf {
    /// What its stream holds, as it is escaped in the text.
    raw: String,
    /// The beginning of an escape.
    pending: String,
    /// What is being replaced, as it is escaped, if it is short; so is what an admin allows.
    taken: String,
    taken_bytes: usize,
    /// How much of the stream is still context and not the string.
    context_bytes: usize,
}

/// Keys longer than this are no context.
const KEY_BYTES_MAX: usize = 64;
/// What stands between a key and its value where detectors read them.
const BETWEEN: &str = ": ";
/// Of a value that is being replaced, what is kept: an allowed one of 128 bytes, each of them escaped.
const TAKEN_BYTES_MAX: usize = 1_024;
/// Longer numbers are nothing that a detector looks for.
const NUMBER_BYTES_MAX: usize = 64;

impl core::fmt::Debug for Leaves {
    /// Without the text.
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("Leaves")
            .field("depth", &self.depth)
            .field("held_bytes", &self.leaf.raw.len())
            .finish_non_exhaustive()
    }
}

impl Leaves {
    /// Nothing has come yet. The tenant is the request's.
    #[must_use]
    pub fn new(tenant: Tenant) -> Self {
        Self {
            tenant,
            state: State::Value,
            objects: 0,
            depth: 0,
            key: String::new(),
            stream: Stream::new(tenant),
            leaf: Leaf::default(),
            number: String::new(),
            is_long: false,
        }
    }

    /// The stream of the leaf that is open, which knows what was blocked.
    #[must_use]
    pub const fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Takes the next piece. What is decided goes to `out`.
    pub fn push(
        &mut self,
        plan: &Plan,
        piece: &str,
        out: &mut dyn Sink,
        found: &mut dyn FnMut(Finding),
    ) {
        let mut rest = piece;
        while !rest.is_empty() && self.stream.blocked().is_none() {
            rest = match self.state {
                State::Leaf => self.in_leaf(plan, rest, out, found),
                State::Number => self.in_number(plan, rest, out, found),
                State::Text => {
                    self.stream.push(plan, rest, out, found);
                    ""
                }
                State::Value
                | State::FirstItem
                | State::FirstKey
                | State::NextKey
                | State::Key { .. }
                | State::Colon
                | State::Word(_)
                | State::After => self.between(plan, rest, out, found),
            };
        }
    }

    /// The text is over: all that is held comes out.
    pub fn finish(&mut self, plan: &Plan, out: &mut dyn Sink, found: &mut dyn FnMut(Finding)) {
        match self.state {
            State::Leaf => self.end_leaf(plan, out, found),
            State::Number => self.end_number(plan, out, found),
            State::Text => self.stream.finish(plan, out, found),
            State::Value
            | State::FirstItem
            | State::FirstKey
            | State::NextKey
            | State::Key { .. }
            | State::Colon
            | State::Word(_)
            | State::After => {}
        }
        self.state = State::Text;
    }

    /// Passes what is neither string nor number, and returns what is left.
    fn between<'p>(
        &mut self,
        plan: &Plan,
        piece: &'p str,
        out: &mut dyn Sink,
        found: &mut dyn FnMut(Finding),
    ) -> &'p str {
        let mut passed = 0_usize;
        for (at, byte) in piece.bytes().enumerate() {
            if !self.step(byte) {
                self.state = State::Text;
                self.stream = Stream::new(self.tenant);
            }
            passed = at;
            match self.state {
                // The first byte of these is their own, the quote is not.
                State::Number | State::Text => break,
                State::Leaf => {
                    passed = at.saturating_add(1);
                    break;
                }
                State::Value
                | State::FirstItem
                | State::FirstKey
                | State::NextKey
                | State::Key { .. }
                | State::Colon
                | State::Word(_)
                | State::After => passed = at.saturating_add(1),
            }
        }
        let (head, tail) = piece.split_at_checked(passed).unwrap_or((piece, ""));
        out.copied(head);
        if self.state == State::Leaf {
            self.begin_leaf(plan, found);
        }
        tail
    }

    /// Takes a byte between strings and numbers; tells whether JSON may go on with it.
    fn step(&mut self, byte: u8) -> bool {
        let is_object = self.objects & 1 == 1;
        let next = match (self.state, byte) {
            (State::Key { is_escaped }, _) => {
                if self.key.len() <= KEY_BYTES_MAX && byte.is_ascii() && byte != b'"' {
                    self.key.push(char::from(byte));
                }
                match byte {
                    b'"' if !is_escaped => State::Colon,
                    _ => State::Key {
                        is_escaped: byte == b'\\' && !is_escaped,
                    },
                }
            }
            (State::Word([due, rest @ ..]), _) if *due == byte => match rest {
                [] => State::After,
                _ => State::Word(rest),
            },
            (State::Word(_), _) => return false,
            (state, b' ' | b'\t' | b'\n' | b'\r') => state,
            (State::Value | State::FirstItem, b'"') => State::Leaf,
            (State::Value | State::FirstItem, b'-' | b'0'..=b'9') => State::Number,
            (State::Value | State::FirstItem, b't') => State::Word(b"rue"),
            (State::Value | State::FirstItem, b'f') => State::Word(b"alse"),
            (State::Value | State::FirstItem, b'n') => State::Word(b"ull"),
            (State::Value | State::FirstItem, b'{' | b'[') => {
                if self.depth >= DEPTH_MAX {
                    return false;
                }
                self.depth = self.depth.saturating_add(1);
                self.objects = (self.objects << 1) | u128::from(byte == b'{');
                if byte == b'{' {
                    State::FirstKey
                } else {
                    State::FirstItem
                }
            }
            (State::FirstKey | State::NextKey, b'"') => {
                self.key.clear();
                State::Key { is_escaped: false }
            }
            (State::Colon, b':') => State::Value,
            (State::After, b',') if self.depth > 0 && is_object => State::NextKey,
            (State::After, b',') if self.depth > 0 => State::Value,
            (State::FirstKey | State::After, b'}') if self.depth > 0 && is_object => self.close(),
            (State::FirstItem | State::After, b']') if self.depth > 0 && !is_object => self.close(),
            _ => return false,
        };
        self.state = next;
        true
    }

    fn close(&mut self) -> State {
        self.depth = self.depth.saturating_sub(1);
        self.objects >>= 1;
        State::After
    }

    /// Begins a string: its key stands before it as it would in a text.
    fn begin_leaf(&mut self, plan: &Plan, found: &mut dyn FnMut(Finding)) {
        self.stream = Stream::new(self.tenant);
        self.leaf = Leaf::default();
        let context = self.context();
        self.leaf.context_bytes = context.len();
        self.feed(plan, &context, &mut Nowhere, found);
    }

    /// What is said of a value before it.
    fn context(&self) -> String {
        let mut context = String::new();
        if self.has_context() {
            context.push_str(&self.key);
            context.push_str(BETWEEN);
        }
        context
    }

    fn has_context(&self) -> bool {
        let is_plain = self.key.len() <= KEY_BYTES_MAX && !self.key.contains('\\');
        is_plain && !self.key.is_empty()
    }

    /// Gives the stream more of the string.
    fn feed(
        &mut self,
        plan: &Plan,
        text: &str,
        out: &mut dyn Sink,
        found: &mut dyn FnMut(Finding),
    ) {
        let context_bytes = self.context_bytes();
        let mut sink = Inner::new(&mut self.leaf, out);
        self.stream.push(plan, text, &mut sink, &mut |finding| {
            if finding.span.end > context_bytes {
                found(finding);
            }
        });
        let passed = sink.passed;
        if self.leaf.raw.is_char_boundary(passed) {
            self.leaf.raw.drain(..passed);
        }
    }

    fn context_bytes(&self) -> usize {
        match self.has_context() {
            true => self.key.len().saturating_add(BETWEEN.len()),
            false => 0,
        }
    }

    /// Takes more of a string, perhaps to its end, and returns what is left.
    fn in_leaf<'p>(
        &mut self,
        plan: &Plan,
        piece: &'p str,
        out: &mut dyn Sink,
        found: &mut dyn FnMut(Finding),
    ) -> &'p str {
        let end = self.leaf_end(piece);
        let (content, tail) = piece
            .split_at_checked(end.unwrap_or(piece.len()))
            .unwrap_or((piece, ""));
        let mut escaped = mem::take(&mut self.leaf.pending);
        escaped.push_str(content);
        let (good, is_broken) = decided_bytes(&escaped, end.is_some());
        let (now, later) = escaped.split_at_checked(good).unwrap_or((&escaped, ""));
        let mut text = String::with_capacity(now.len());
        // It holds whole escapes only.
        let _done = unescape(now, &mut text);
        self.leaf.raw.push_str(now);
        self.feed(plan, &text, out, found);
        if self.stream.blocked().is_some() {
            return "";
        }
        if is_broken {
            // No JSON from here on.
            self.end_leaf(plan, out, found);
            self.state = State::Text;
            self.stream = Stream::new(self.tenant);
            self.stream.push(plan, later, out, found);
            return tail;
        }
        later.clone_into(&mut self.leaf.pending);
        if end.is_some() {
            self.end_leaf(plan, out, found);
            if self.stream.blocked().is_some() {
                return "";
            }
            self.state = State::After;
            out.copied("\"");
            return tail.get(1..).unwrap_or_default();
        }
        tail
    }

    /// Where the string's closing quote is.
    fn leaf_end(&self, piece: &str) -> Option<usize> {
        // An escape that was cut behind its backslash goes on with the first byte, whatever it is.
        let backslashes = self.leaf.pending.bytes().rev();
        let is_cut = backslashes.take_while(|byte| *byte == b'\\').count() % 2 == 1;
        let mut at = usize::from(is_cut);
        loop {
            let rest = piece.as_bytes().get(at..)?;
            let next = memchr::memchr2(b'"', b'\\', rest)?;
            at = at.saturating_add(next);
            if piece.as_bytes().get(at) == Some(&b'"') {
                return Some(at);
            }
            at = at.saturating_add(2);
        }
    }

    fn end_leaf(&mut self, plan: &Plan, out: &mut dyn Sink, found: &mut dyn FnMut(Finding)) {
        let context_bytes = self.context_bytes();
        let mut sink = Inner::new(&mut self.leaf, out);
        self.stream.finish(plan, &mut sink, &mut |finding| {
            if finding.span.end > context_bytes {
                found(finding);
            }
        });
        // Half an escape at the end of a text that was cut short.
        let pending = mem::take(&mut self.leaf.pending);
        if self.stream.blocked().is_none() {
            out.copied(&pending);
        }
        self.leaf.raw.clear();
    }

    fn in_number<'p>(
        &mut self,
        plan: &Plan,
        piece: &'p str,
        out: &mut dyn Sink,
        found: &mut dyn FnMut(Finding),
    ) -> &'p str {
        let is_number = |letter: char| letter.is_ascii_digit() || "+-.eE".contains(letter);
        let tail = piece.trim_start_matches(is_number);
        let bytes = piece.len().saturating_sub(tail.len());
        self.number.push_str(piece.get(..bytes).unwrap_or_default());
        self.is_long |= self.number.len() > NUMBER_BYTES_MAX;
        if self.is_long {
            out.copied(&mem::take(&mut self.number));
        }
        if !tail.is_empty() {
            self.end_number(plan, out, found);
            self.is_long = false;
            self.state = State::After;
        }
        tail
    }

    /// Looks at a number as at a text.
    fn end_number(&mut self, plan: &Plan, out: &mut dyn Sink, found: &mut dyn FnMut(Finding)) {
        let number = mem::take(&mut self.number);
        let context = self.context();
        let mut redacted = Kept {
            text: String::new(),
            out,
        };
        let mut is_replaced = false;
        self.stream = Stream::new(self.tenant);
        let mut notice = |finding: Finding| {
            if finding.span.end > context.len() {
                is_replaced |= finding.action != Action::Report;
                found(finding);
            }
        };
        let whole = format!("{context}{}", integer(&number));
        self.stream.push(plan, &whole, &mut redacted, &mut notice);
        self.stream.finish(plan, &mut redacted, &mut notice);
        if self.stream.blocked().is_some() {
            return;
        }
        let redacted = redacted.text;
        match redacted.strip_prefix(context.as_str()) {
            Some(text) if is_replaced => {
                out.taken(number.len());
                out.replaced(&quoted(text));
            }
            None if is_replaced => {
                out.taken(number.len());
                out.replaced(&quoted(&redacted));
            }
            _ => out.copied(&number),
        }
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

fn escaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    write_string_content(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}

/// How much of escaped content means the same whatever follows it, and whether it breaks behind that.
fn decided_bytes(content: &str, is_end: bool) -> (usize, bool) {
    let bytes = content.as_bytes();
    let mut at = 0_usize;
    let is_odd = |byte: &u8| *byte == b'\\' || *byte < b' ';
    while let Some(next) = bytes.get(at..).unwrap_or_default().iter().position(is_odd) {
        at = at.saturating_add(next);
        let rest = bytes.get(at..).unwrap_or_default();
        let length = match rest {
            [b'\\'] => return (at, is_end),
            [b'\\', b'u', digits @ ..] => {
                let due = digits.get(..4).unwrap_or(digits);
                if !due.iter().all(u8::is_ascii_hexdigit) {
                    return (at, true);
                }
                if due.len() < 4 {
                    return (at, is_end);
                }
                if !is_end && is_half(due) && may_complete(digits.get(4..).unwrap_or_default()) {
                    return (at, false);
                }
                6
            }
            [
                b'\\',
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                ..,
            ] => 2,
            _ => return (at, true),
        };
        at = at.saturating_add(length);
    }
    (bytes.len(), false)
}

/// Whether these are the digits of the first half of a surrogate pair.
fn is_half(digits: &[u8]) -> bool {
    matches!(
        digits,
        [b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B', ..]
    )
}

/// Whether this may be the beginning of the other half.
fn may_complete(after: &[u8]) -> bool {
    after.len() < 6 && b"\\u".iter().zip(after).all(|(due, byte)| due == byte)
}

/// Where the context goes.
struct Nowhere;

impl Sink for Nowhere {
    fn copied(&mut self, _text: &str) {}
    fn taken(&mut self, _bytes: usize) {}
    fn replaced(&mut self, _text: &str) {}
}

/// Keeps what becomes of a text, with the vault of another sink.
struct Kept<'k> {
    text: String,
    out: &'k mut dyn Sink,
}

impl Sink for Kept<'_> {
    fn copied(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn taken(&mut self, _bytes: usize) {}

    fn replaced(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn vault(&mut self) -> Option<&mut Vault> {
        self.out.vault()
    }
}

/// Turns what a string's stream says into what becomes of the escaped string.
struct Inner<'l> {
    leaf: &'l mut Leaf,
    out: &'l mut dyn Sink,
    /// How much of the leaf's raw content was passed.
    passed: usize,
}

impl<'l> Inner<'l> {
    fn new(leaf: &'l mut Leaf, out: &'l mut dyn Sink) -> Self {
        Self {
            leaf,
            out,
            passed: 0,
        }
    }

    /// Goes on by so many bytes of the stream; returns how much of the raw content that is.
    fn advance(&mut self, bytes: usize) -> core::ops::Range<usize> {
        let context = bytes.min(self.leaf.context_bytes);
        self.leaf.context_bytes = self.leaf.context_bytes.saturating_sub(context);
        let bytes = bytes.saturating_sub(context);
        let start = self.passed;
        let rest = self.leaf.raw.get(start..).unwrap_or_default();
        let raw = Places::new(rest).find(bytes);
        self.passed = start.saturating_add(raw);
        start..self.passed
    }
}

impl Sink for Inner<'_> {
    fn copied(&mut self, text: &str) {
        let range = self.advance(text.len());
        self.out
            .copied(self.leaf.raw.get(range).unwrap_or_default());
    }

    fn taken(&mut self, bytes: usize) {
        let range = self.advance(bytes);
        let raw = self.leaf.raw.get(range).unwrap_or_default();
        self.out.taken(raw.len());
        self.leaf.taken_bytes = self.leaf.taken_bytes.saturating_add(raw.len());
        if self.leaf.taken_bytes <= TAKEN_BYTES_MAX {
            self.leaf.taken.push_str(raw);
        }
    }

    fn replaced(&mut self, text: &str) {
        let taken = mem::take(&mut self.leaf.taken);
        if mem::take(&mut self.leaf.taken_bytes) == 0 {
            // It was context.
            return;
        }
        let mut value = String::new();
        let is_kept = unescape(&taken, &mut value).is_ok() && value == text;
        let stays = if is_kept { taken } else { escaped(text) };
        self.out.replaced(&stays);
    }

    fn vault(&mut self) -> Option<&mut Vault> {
        self.out.vault()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::validate;

    /// The text as it goes on, in pieces of so many letters.
    fn redacted(plan: &Plan, text: &str, letters: usize) -> String {
        let mut leaves = Leaves::new(Tenant::default());
        let mut out = String::new();
        let mut rest: Vec<char> = text.chars().collect();
        while !rest.is_empty() {
            let piece: String = rest.drain(..letters.min(rest.len())).collect();
            leaves.push(plan, &piece, &mut out, &mut |_| {});
        }
        leaves.finish(plan, &mut out, &mut |_| {});
        out
    }

    #[track_caller]
    fn check(text: &str, want: &str) {
        let plan = Plan::all(Action::Mask);
        for letters in [1, 2, 3, 7, usize::MAX] {
            assert_eq!(redacted(&plan, text, letters), want, "{letters} letters");
        }
        assert_eq!(
            validate(text.as_bytes()).is_ok(),
            validate(want.as_bytes()).is_ok()
        );
    }

    #[test]
    fn strings_are_redacted_and_keys_are_not() {
        check(
            r#" {"jane@corp.com": ["jane@corp.com", {"a" : "x"}], "b":true,"c":null,"d":{},"e":[]} "#,
            r#" {"jane@corp.com": ["[EMAIL]", {"a" : "x"}], "b":true,"c":null,"d":{},"e":[]} "#,
        );
        check(r#""jane@corp.com""#, r#""[EMAIL]""#);
    }

    #[test]
    fn escapes_stay_as_they_are_written_beside_what_is_replaced() {
        check(
            r#"["\u00e9\/\ud83d\ude00 jane\u0040corp.com \"\n\\"]"#,
            r#"["\u00e9\/\ud83d\ude00 [EMAIL] \"\n\\"]"#,
        );
    }

    #[test]
    fn the_key_says_what_a_value_is() {
        check(r#"{"ssn":"536221234"}"#, r#"{"ssn":"[US_SSN]"}"#);
        check(r#"{"n":"536221234"}"#, r#"{"n":"536221234"}"#);
    }

    #[test]
    fn a_number_with_a_finding_becomes_a_string() {
        check(
            r#"{"card":4111111111111111,"n":-1.5e3}"#,
            r#"{"card":"[PAYMENT_CARD]","n":-1.5e3}"#,
        );
        check(r#"[4111111111111111.00,1.0]"#, r#"["[PAYMENT_CARD]",1.0]"#);
    }

    #[test]
    fn what_is_no_json_is_text_from_there_on() {
        check("jane@corp.com", "[EMAIL]");
        check(r#"{"a":1} jane@corp.com"#, r#"{"a":1} [EMAIL]"#);
        check(r#"{"a":"x\q jane@corp.com"}"#, r#"{"a":"x\q [EMAIL]"}"#);
        check(r#"{"a":tru jane@corp.com"#, r#"{"a":tru [EMAIL]"#);
    }

    #[test]
    fn a_text_that_is_cut_short_keeps_what_it_has() {
        check(r#"{"to":"jane@corp.com"#, r#"{"to":"[EMAIL]"#);
        check(r#"{"to":"a\u00"#, r#"{"to":"a\u00"#);
        check(r#"{"n":12"#, r#"{"n":12"#);
    }

    #[test]
    fn an_allowed_value_stays_as_it_is_written() {
        let plan = crate::redact::restored::plan(
            r#"{"entities": {"all": "mask"}, "allow": ["jane@corp.com"]}"#,
        );
        let text = r#"["jane\u0040corp.com","bob@corp.com"]"#;
        for letters in [1, 4, 99] {
            let got = redacted(&plan, text, letters);
            assert_eq!(got, r#"["jane\u0040corp.com","[EMAIL]"]"#);
        }
    }
}
