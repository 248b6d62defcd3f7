//! The syntax of an admin's pattern: the part of regular expressions whose matches have a bounded length.
//!
//! Literals, `.`, classes, `\d \w \s` and their opposites, groups, `|`, `?`, `{n}` and `{n,m}`; `\b` at either end, `(?i)`
//! at the beginning. What could match without end, or only somewhere in a text, is refused with a remedy: a value stands
//! anywhere, and a stream holds back no more than the longest match.

use crate::redact::fold::Folded;

/// The longest match of a pattern.
pub(super) const MATCH_BYTES_MAX: usize = 256;
const PATTERN_BYTES_MAX: usize = 512;
const DEPTH_MAX: u8 = 16;

/// A set of bytes. None of a pattern holds 0, which stands for the end of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Bytes([u128; 2]);

impl Bytes {
    pub(super) fn of(mut is_in: impl FnMut(u8) -> bool) -> Self {
        let mut bytes = Self::default();
        for byte in 1..=u8::MAX {
            if is_in(byte) {
                bytes.insert(byte);
            }
        }
        bytes
    }

    pub(super) fn insert(&mut self, byte: u8) {
        let [low, high] = &mut self.0;
        let half = if byte < 128 { low } else { high };
        *half |= 1_u128 << (byte & 127);
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (own, more) in self.0.iter_mut().zip(other.0) {
            *own |= more;
        }
    }

    /// How much of ordinary text is made of these.
    pub(super) fn frequency(&self) -> u32 {
        let of = |byte: u8| match byte {
            b' ' => 16,
            b'a'..=b'z' => 4,
            b'0'..=b'9' => 3,
            b'A'..=b'Z' => 2,
            _ => 1,
        };
        let own = (0..=u8::MAX).filter(|&byte| self.has(byte));
        own.map(of).sum()
    }

    pub(super) const fn has(&self, byte: u8) -> bool {
        let [low, high] = self.0;
        let half = if byte < 128 { low } else { high };
        (half >> (byte & 127)) & 1 == 1
    }
}

/// What a pattern is made of.
#[derive(Debug, Clone)]
pub(super) enum Node {
    One(Bytes),
    All(Vec<Self>),
    Any(Vec<Self>),
    Repeated { node: Box<Self>, min: u16, max: u16 },
}

/// A pattern that was read.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) node: Node,
    /// Whether a word has to begin or end where the match begins.
    pub(super) is_edge_before: bool,
    pub(super) is_edge_behind: bool,
}

/// Why a pattern is refused, and what to write instead.
pub(super) type Refused = &'static str;

/// Reads a pattern.
pub(super) fn parse(text: &str, ignores_case: bool) -> Result<Pattern, Refused> {
    if text.len() > PATTERN_BYTES_MAX {
        return Err("is longer than 512 bytes");
    }
    let body = text.strip_prefix("(?i)");
    let ignores_case = ignores_case || body.is_some();
    let body = body.unwrap_or(text);
    let behind = body.strip_prefix(r"\b");
    let is_edge_before = behind.is_some();
    let body = behind.unwrap_or(body);
    let (body, is_edge_behind) = match body.strip_suffix(r"\b") {
        Some(head) if head.bytes().rev().take_while(|&byte| byte == b'\\').count() % 2 == 0 => {
            (head, true)
        }
        _ => (body, false),
    };
    let mut parser = Parser {
        rest: body,
        ignores_case,
        depth: 0,
    };
    let node = parser.any()?;
    if !parser.rest.is_empty() {
        return Err("has a ')' that closes nothing; write \\) for the character");
    }
    if matches!(node, Node::Any(_)) && (is_edge_before || is_edge_behind) {
        return Err("has \\b beside alternatives; put them in a group: \\b(a|b)\\b");
    }
    match node.bytes_max() {
        0 => Err("matches nothing but the empty text"),
        1..=MATCH_BYTES_MAX if node.bytes_min() > 0 => Ok(Pattern {
            node,
            is_edge_before,
            is_edge_behind,
        }),
        1..=MATCH_BYTES_MAX => Err("matches the empty text; demand at least one character"),
        _ => Err("can match more than 256 bytes; use smaller bounds (a character may have four)"),
    }
}

impl Node {
    pub(super) fn bytes_max(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::All(nodes) => nodes
                .iter()
                .fold(0, |sum, node| sum.saturating_add(node.bytes_max())),
            Self::Any(nodes) => nodes.iter().map(Self::bytes_max).max().unwrap_or(0),
            Self::Repeated { node, max, .. } => node.bytes_max().saturating_mul(usize::from(*max)),
        }
    }

    fn bytes_min(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::All(nodes) => nodes
                .iter()
                .fold(0, |sum, node| sum.saturating_add(node.bytes_min())),
            Self::Any(nodes) => nodes.iter().map(Self::bytes_min).min().unwrap_or(0),
            Self::Repeated { node, min, .. } => node.bytes_min().saturating_mul(usize::from(*min)),
        }
    }

    /// Any character beyond ASCII.
    fn beyond_ascii() -> Self {
        let one = |from: u8, to: u8| Self::One(Bytes::of(|byte| (from..=to).contains(&byte)));
        let next = || one(0x80, 0xBF);
        Self::Any(vec![
            Self::All(vec![one(0xC2, 0xDF), next()]),
            Self::All(vec![one(0xE0, 0xEF), next(), next()]),
            Self::All(vec![one(0xF0, 0xF4), next(), next(), next()]),
        ])
    }
}

struct Parser<'p> {
    rest: &'p str,
    ignores_case: bool,
    depth: u8,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let mut letters = self.rest.chars();
        let letter = letters.next();
        self.rest = letters.as_str();
        letter
    }

    fn takes(&mut self, want: &str) -> bool {
        let behind = self.rest.strip_prefix(want);
        self.rest = behind.unwrap_or(self.rest);
        behind.is_some()
    }

    /// Alternatives.
    fn any(&mut self) -> Result<Node, Refused> {
        let first = self.all()?;
        let mut nodes = vec![first];
        while self.takes("|") {
            nodes.push(self.all()?);
        }
        match nodes.pop() {
            Some(only) if nodes.is_empty() => Ok(only),
            last => {
                nodes.extend(last);
                Ok(Node::Any(nodes))
            }
        }
    }

    fn all(&mut self) -> Result<Node, Refused> {
        let mut nodes = Vec::new();
        while !matches!(self.peek(), None | Some('|' | ')')) {
            let node = self.one()?;
            nodes.push(self.repeated(node)?);
        }
        Ok(Node::All(nodes))
    }

    fn one(&mut self) -> Result<Node, Refused> {
        match self.take().unwrap_or_default() {
            '(' => self.group(),
            '[' => self.class(),
            '.' => Ok(Node::Any(vec![
                Node::One(Bytes::of(|byte| byte.is_ascii() && byte != b'\n')),
                Node::beyond_ascii(),
            ])),
            '\\' => self.escape(),
            '^' | '$' => Err("has an anchor; a value stands anywhere in a text, so use \\b"),
            '*' | '+' | '?' | '{' => Err("repeats nothing; write \\ before the character itself"),
            letter => self.literal(letter),
        }
    }

    fn group(&mut self) -> Result<Node, Refused> {
        if !self.takes("?:") && self.peek() == Some('?') {
            return Err(
                "has a group other than (..) and (?:..); (?i) stands at the beginning only",
            );
        }
        self.depth = self.depth.saturating_add(1);
        if self.depth > DEPTH_MAX {
            return Err("has more than 16 groups in each other");
        }
        let node = self.any()?;
        self.depth = self.depth.saturating_sub(1);
        if self.takes(")") {
            Ok(node)
        } else {
            Err("has a '(' that nothing closes; write \\( for the character")
        }
    }

    fn escape(&mut self) -> Result<Node, Refused> {
        let letter = self.take().ok_or("ends in a backslash")?;
        if let Some(bytes) = shorthand(letter) {
            return Ok(Node::One(bytes));
        }
        if let Some(bytes) = shorthand(letter.to_ascii_lowercase()) {
            let ascii = Node::One(Bytes::of(|byte| byte.is_ascii() && !bytes.has(byte)));
            return Ok(Node::Any(vec![ascii, Node::beyond_ascii()]));
        }
        match letter {
            'b' => Err("has \\b inside; it may stand at the beginning and at the end only"),
            '1'..='9' => Err("refers back to a group; only what is matched by itself can be found"),
            _ => self.literal(control(letter)?),
        }
    }

    /// A character, as the folded text has it.
    fn literal(&mut self, letter: char) -> Result<Node, Refused> {
        if letter.is_ascii() {
            let byte = u8::try_from(letter).unwrap_or_default();
            return match byte {
                0 => Err("has a zero byte"),
                _ => Ok(Node::One(self.cased(byte))),
            };
        }
        let mut text = letter.to_string();
        if self.ignores_case {
            text = letter.to_lowercase().collect();
        }
        let lower = self.folded(&text)?;
        let upper: String = letter.to_uppercase().collect();
        let upper = self.folded(&upper)?;
        Ok(match self.ignores_case {
            true => Node::Any(vec![lower, upper]),
            false => lower,
        })
    }

    fn folded(&self, text: &str) -> Result<Node, Refused> {
        let mut folded = Folded::new();
        folded.fold(text);
        let bytes = folded.bytes(text);
        if bytes.is_empty() {
            return Err("has a character that is invisible, which texts are searched without");
        }
        Ok(Node::All(
            bytes
                .iter()
                .map(|&byte| Node::One(self.cased(byte)))
                .collect(),
        ))
    }

    fn cased(&self, byte: u8) -> Bytes {
        Bytes::of(|it| it == byte || self.ignores_case && it.eq_ignore_ascii_case(&byte))
    }

    fn class(&mut self) -> Result<Node, Refused> {
        const OPEN: Refused = "has a '[' that nothing closes; write \\[ for the character";
        let is_negated = self.takes("^");
        let mut bytes = Bytes::default();
        let mut is_first = true;
        loop {
            let letter = self.take().ok_or(OPEN)?;
            match letter {
                ']' if !is_first => break,
                '[' => return Err("has a '[' inside a class; write \\[ for the character"),
                _ => {}
            }
            is_first = false;
            if letter == '\\'
                && let Some(more) = self.peek().and_then(shorthand)
            {
                self.take();
                bytes = Bytes::of(|byte| bytes.has(byte) || more.has(byte));
                continue;
            }
            let from = self.member(letter)?;
            let mut to = from;
            if self.rest.starts_with('-') && !self.rest.starts_with("-]") {
                self.take();
                let letter = self.take().ok_or(OPEN)?;
                to = self.member(letter)?;
            }
            if to < from {
                return Err("has a range in a class that ends before it begins");
            }
            bytes = Bytes::of(|byte| bytes.has(byte) || (from..=to).contains(&byte));
        }
        if self.ignores_case {
            bytes = Bytes::of(|byte| {
                bytes.has(byte.to_ascii_lowercase()) || bytes.has(byte.to_ascii_uppercase())
            });
        }
        if is_negated {
            let ascii = Node::One(Bytes::of(|byte| byte.is_ascii() && !bytes.has(byte)));
            return Ok(Node::Any(vec![ascii, Node::beyond_ascii()]));
        }
        Ok(Node::One(bytes))
    }

    /// One character of a class.
    fn member(&mut self, letter: char) -> Result<u8, Refused> {
        let letter = if letter == '\\' {
            control(self.take().ok_or("ends in a backslash")?)?
        } else {
            letter
        };
        match u8::try_from(letter) {
            Ok(byte @ 1..=127) => Ok(byte),
            _ => Err("has a character beyond ASCII in a class; use alternatives: (é|è)"),
        }
    }

    fn repeated(&mut self, node: Node) -> Result<Node, Refused> {
        let (min, max) = match self.peek() {
            Some('?') => (0, 1),
            Some('*' | '+') => {
                return Err("repeats without end; give a bound such as {0,64} in place of * or +");
            }
            Some('{') => return self.counted(node),
            _ => return Ok(node),
        };
        self.take();
        self.ended(Node::Repeated {
            node: Box::new(node),
            min,
            max,
        })
    }

    /// `{n}` or `{n,m}`.
    fn counted(&mut self, node: Node) -> Result<Node, Refused> {
        const SHAPE: Refused = "has a '{' that is no {n} or {n,m}; write \\{ for the character";
        let (inside, behind) = self.rest.split_once('}').ok_or(SHAPE)?;
        let inside = inside.strip_prefix('{').ok_or(SHAPE)?;
        let (min, max) = match inside.split_once(',') {
            Some((_, "")) => return Err("repeats without end; write {n,m} in place of {n,}"),
            Some((min, max)) => (min, max),
            None => (inside, inside),
        };
        let number = |text: &str| match text.len() {
            1..=3 if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
            _ => None,
        };
        let (min, max): (u16, u16) = number(min).zip(number(max)).ok_or(SHAPE)?;
        if max < min || max == 0 {
            return Err("has a repetition that ends before it begins");
        }
        self.rest = behind;
        self.ended(Node::Repeated {
            node: Box::new(node),
            min,
            max,
        })
    }

    /// What may not follow a repetition.
    fn ended(&self, node: Node) -> Result<Node, Refused> {
        match self.peek() {
            Some('?' | '*' | '+' | '{') => Err(
                "repeats a repetition; the longest match is found anyway, so leave the second out",
            ),
            _ => Ok(node),
        }
    }
}

fn shorthand(letter: char) -> Option<Bytes> {
    match letter {
        'd' => Some(Bytes::of(|byte| byte.is_ascii_digit())),
        'w' => Some(Bytes::of(|byte| {
            byte.is_ascii_alphanumeric() || byte == b'_'
        })),
        's' => Some(Bytes::of(|byte| byte.is_ascii_whitespace() || byte == 0x0B)),
        _ => None,
    }
}

/// What a backslash makes of a character.
fn control(letter: char) -> Result<char, Refused> {
    match letter {
        'n' => Ok('\n'),
        'r' => Ok('\r'),
        't' => Ok('\t'),
        letter if letter.is_alphanumeric() => {
            Err("has an escape that is none of \\b \\d \\D \\w \\W \\s \\S \\n \\r \\t")
        }
        letter => Ok(letter),
    }
}
