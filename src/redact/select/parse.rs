//! The grammar of RFC 9535, as far as it is lowered. What is valid there and not lowered here is told apart from what is
//! no JSONPath at all.

use core::fmt;
use core::str::FromStr;

use super::filter::{Filter, Literal, Operator, Part, Query};

/// A selector of places in a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    pub(super) segments: Vec<Segment>,
}

/// One step down, or with `..` any number of them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Segment {
    pub(super) is_descendant: bool,
    pub(super) picks: Vec<Pick>,
}

/// Which children a step takes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Pick {
    Name(String),
    Wildcard,
    Index(i64),
    Slice {
        start: Option<i64>,
        end: Option<i64>,
        step: i64,
    },
    Filter(Filter),
}

impl Pick {
    /// Whether it has to know how many items an array has.
    pub(super) fn needs_length(&self) -> bool {
        match self {
            Self::Index(index) => *index < 0,
            Self::Slice { start, end, step } => {
                let is_negative = |bound: &Option<i64>| bound.is_some_and(|bound| bound < 0);
                *step < 0 || is_negative(start) || is_negative(end)
            }
            Self::Name(_) | Self::Wildcard | Self::Filter(_) => false,
        }
    }
}

impl Selector {
    /// Whether it picks by what it finds: it needs the whole document, and cannot follow a stream.
    #[must_use]
    pub fn needs_whole(&self) -> bool {
        let mut picks = self.segments.iter().flat_map(|segment| &segment.picks);
        picks.any(|pick| matches!(pick, Pick::Filter(_)) || pick.needs_length())
    }

    /// The names that it may begin with.
    pub fn first_names(&self) -> impl Iterator<Item = &str> {
        let picks = self.segments.first().into_iter().flat_map(|it| &it.picks);
        picks.filter_map(|pick| match pick {
            Pick::Name(name) => Some(name.as_str()),
            Pick::Wildcard | Pick::Index(_) | Pick::Slice { .. } | Pick::Filter(_) => None,
        })
    }

    /// Whether all that `other` selects is selected by this one too, step by step.
    #[must_use]
    pub fn has(&self, other: &Self) -> bool {
        self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(|(own, its)| {
                own.is_descendant == its.is_descendant
                    && its.picks.iter().all(|pick| {
                        let is_item = !matches!(pick, Pick::Name(_));
                        own.picks.contains(pick) || is_item && own.picks.contains(&Pick::Wildcard)
                    })
            })
    }

    /// The name that it begins with; nothing if it begins otherwise.
    #[must_use]
    pub fn first_name(&self) -> Option<&str> {
        match self.segments.first() {
            Some(Segment {
                is_descendant: false,
                picks,
            }) => match picks.as_slice() {
                [Pick::Name(name)] => Some(name),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Why a text is no selector, or none that can be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// No JSONPath, from this byte on.
    Syntax {
        /// Bytes before it.
        offset: usize,
    },
    /// JSONPath, but not lowered.
    NotSupported(&'static str),
    /// Longer than the bound.
    TooLong,
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { offset } => write!(out, "no JSONPath: it breaks after byte {offset}"),
            Self::NotSupported(what) => write!(out, "{what}, which this gateway cannot follow"),
            Self::TooLong => write!(out, "longer than {BYTES_MAX} bytes"),
        }
    }
}

/// The longest selector.
const BYTES_MAX: usize = 1_024;
/// RFC 9535 keeps to the integers of I-JSON.
const INTEGER_MAX: i64 = (1 << 53) - 1;
/// How deep filters may be nested in parentheses.
const DEPTH_MAX: usize = 16;

impl FromStr for Selector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.len() > BYTES_MAX {
            return Err(Error::TooLong);
        }
        let mut parser = Parser { text, rest: text };
        parser.expect("$")?;
        let mut segments: Vec<Segment> = Vec::new();
        loop {
            let before = parser.rest;
            parser.skip_blank();
            if parser.rest.is_empty() {
                // Blanks stand between segments, not behind them.
                parser.rest = before;
                break;
            }
            segments.push(parser.segment()?);
        }
        if !parser.rest.is_empty() {
            return Err(parser.broken());
        }
        let deep = segments.iter().skip_while(|segment| !segment.is_descendant);
        for pick in deep.flat_map(|segment| &segment.picks) {
            if matches!(pick, Pick::Filter(_)) {
                return Err(Error::NotSupported("it has a filter below '..'"));
            }
            if pick.needs_length() {
                return Err(Error::NotSupported(
                    "it counts from an array's end below '..'",
                ));
            }
        }
        Ok(Self { segments })
    }
}

struct Parser<'t> {
    text: &'t str,
    rest: &'t str,
}

impl Parser<'_> {
    fn broken(&self) -> Error {
        Error::Syntax {
            offset: self.text.len().saturating_sub(self.rest.len()),
        }
    }

    fn skip_blank(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    /// Whether this comes next; it is taken then.
    fn takes(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), Error> {
        if self.takes(token) {
            Ok(())
        } else {
            Err(self.broken())
        }
    }

    fn segment(&mut self) -> Result<Segment, Error> {
        let is_descendant = self.takes("..");
        if self.takes("[") {
            let picks = self.bracket()?;
            return Ok(Segment {
                is_descendant,
                picks,
            });
        }
        if !is_descendant {
            self.expect(".")?;
        }
        let pick = if self.takes("*") {
            Pick::Wildcard
        } else {
            Pick::Name(self.shorthand()?)
        };
        Ok(Segment {
            is_descendant,
            picks: vec![pick],
        })
    }

    /// A name without quotes.
    fn shorthand(&mut self) -> Result<String, Error> {
        let is_first =
            |letter: char| letter.is_ascii_alphabetic() || letter == '_' || !letter.is_ascii();
        let is_name = |letter: char| is_first(letter) || letter.is_ascii_digit();
        if !self.rest.starts_with(is_first) {
            return Err(self.broken());
        }
        let tail = self.rest.trim_start_matches(is_name);
        let bytes = self.rest.len().saturating_sub(tail.len());
        let name = self.rest.get(..bytes).unwrap_or_default().to_owned();
        self.rest = tail;
        Ok(name)
    }

    /// What stands in brackets, up to the closing one.
    fn bracket(&mut self) -> Result<Vec<Pick>, Error> {
        let mut picks = Vec::new();
        loop {
            self.skip_blank();
            picks.push(self.pick()?);
            self.skip_blank();
            if self.takes("]") {
                return Ok(picks);
            }
            self.expect(",")?;
        }
    }

    fn pick(&mut self) -> Result<Pick, Error> {
        if self.takes("*") {
            return Ok(Pick::Wildcard);
        }
        if self.takes("?") {
            self.skip_blank();
            return Ok(Pick::Filter(self.any(0)?));
        }
        if let Some(name) = self.quoted()? {
            return Ok(Pick::Name(name));
        }
        let start = self.integer()?;
        let before = self.rest;
        self.skip_blank();
        if !self.takes(":") {
            self.rest = before;
            return start.map(Pick::Index).ok_or_else(|| self.broken());
        }
        self.skip_blank();
        let end = self.integer()?;
        let before = self.rest;
        self.skip_blank();
        let mut step = 1;
        if self.takes(":") {
            self.skip_blank();
            step = self.integer()?.unwrap_or(1);
        } else {
            self.rest = before;
        }
        Ok(Pick::Slice { start, end, step })
    }

    fn integer(&mut self) -> Result<Option<i64>, Error> {
        let digits = self.rest.strip_prefix('-').unwrap_or(self.rest);
        let tail = digits.trim_start_matches(|letter: char| letter.is_ascii_digit());
        let bytes = self.rest.len().saturating_sub(tail.len());
        let text = self.rest.get(..bytes).unwrap_or_default();
        if text.is_empty() {
            return Ok(None);
        }
        let is_odd =
            text == "-0" || (text.len() > 1 && text.trim_start_matches('-').starts_with('0'));
        let number = text.parse::<i64>().ok();
        match number.filter(|number| number.unsigned_abs() <= INTEGER_MAX.unsigned_abs() && !is_odd)
        {
            Some(number) => {
                self.rest = tail;
                Ok(Some(number))
            }
            None => Err(self.broken()),
        }
    }

    /// A string literal; nothing if none comes next.
    fn quoted(&mut self) -> Result<Option<String>, Error> {
        let Some(quote @ ('\'' | '"')) = self.rest.chars().next() else {
            return Ok(None);
        };
        self.takes(if quote == '"' { "\"" } else { "'" });
        let mut text = String::new();
        loop {
            let broken = self.broken();
            let mut letters = self.rest.chars();
            let letter = letters.next().ok_or(broken)?;
            self.rest = letters.as_str();
            match letter {
                _ if letter == quote => return Ok(Some(text)),
                '\\' => text.push(self.escape(quote)?),
                '\0'..='\x1f' => return Err(broken),
                _ => text.push(letter),
            }
        }
    }

    /// A character behind a backslash.
    fn escape(&mut self, quote: char) -> Result<char, Error> {
        let broken = self.broken();
        let mut letters = self.rest.chars();
        let letter = letters.next().ok_or(broken)?;
        self.rest = letters.as_str();
        Ok(match letter {
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            '/' | '\\' => letter,
            'u' => return self.unicode(),
            _ if letter == quote => letter,
            _ => return Err(broken),
        })
    }

    fn unicode(&mut self) -> Result<char, Error> {
        let broken = self.broken();
        let first = self.code_unit()?;
        if !(0xD800..0xE000).contains(&first) {
            return char::from_u32(u32::from(first)).ok_or(broken);
        }
        self.expect("\\u")?;
        let units = [first, self.code_unit()?];
        let mut letters = char::decode_utf16(units);
        match (letters.next(), letters.next()) {
            (Some(Ok(letter)), None) => Ok(letter),
            _ => Err(broken),
        }
    }

    fn code_unit(&mut self) -> Result<u16, Error> {
        let broken = self.broken();
        let (digits, tail) = self.rest.split_at_checked(4).ok_or(broken)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(broken);
        }
        self.rest = tail;
        u16::from_str_radix(digits, 16).ok().ok_or(broken)
    }
}

/// The part about filters. `depth` counts the parentheses around.
impl Parser<'_> {
    fn any(&mut self, depth: usize) -> Result<Filter, Error> {
        let mut filters = vec![self.all(depth)?];
        while self.takes_blank("||") {
            filters.push(self.all(depth)?);
        }
        Ok(Filter::Any(filters))
    }

    fn all(&mut self, depth: usize) -> Result<Filter, Error> {
        let mut filters = vec![self.one(depth)?];
        while self.takes_blank("&&") {
            filters.push(self.one(depth)?);
        }
        Ok(Filter::All(filters))
    }

    /// Takes an operator with the blanks around it.
    fn takes_blank(&mut self, token: &str) -> bool {
        let before = self.rest;
        self.skip_blank();
        if self.takes(token) {
            self.skip_blank();
            return true;
        }
        self.rest = before;
        false
    }

    fn one(&mut self, depth: usize) -> Result<Filter, Error> {
        if depth >= DEPTH_MAX {
            return Err(Error::NotSupported("its filter is nested deeply"));
        }
        if self.takes("!") {
            self.skip_blank();
            if self.takes("(") {
                return Ok(Filter::Not(Box::new(self.inner(depth)?)));
            }
            let query = self.query()?.ok_or_else(|| self.broken())?;
            return Ok(Filter::Not(Box::new(Filter::Exists(query))));
        }
        if self.takes("(") {
            return self.inner(depth);
        }
        if let Some(query) = self.query()? {
            return match self.operator() {
                None => Ok(Filter::Exists(query)),
                Some(operator) => Ok(Filter::Compare(query, operator, self.literal()?)),
            };
        }
        let literal = self.literal()?;
        let operator = self.operator().ok_or_else(|| self.broken())?;
        let query = self.query()?;
        let query = query.ok_or(Error::NotSupported("it compares two literals"))?;
        Ok(Filter::Compare(query, operator.turned(), literal))
    }

    /// What stands in parentheses, up to the closing one.
    fn inner(&mut self, depth: usize) -> Result<Filter, Error> {
        self.skip_blank();
        let filter = self.any(depth.saturating_add(1))?;
        self.skip_blank();
        self.expect(")")?;
        Ok(filter)
    }

    fn operator(&mut self) -> Option<Operator> {
        const OPERATORS: [(&str, Operator); 6] = [
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        let found = OPERATORS.iter().find(|(token, _)| self.takes_blank(token));
        found.map(|(_, operator)| *operator)
    }

    /// A query of at most one place; nothing if no query comes next.
    fn query(&mut self) -> Result<Option<Query>, Error> {
        if self.rest.starts_with('$') {
            return Err(Error::NotSupported(
                "its filter looks at the whole document",
            ));
        }
        if !self.takes("@") {
            return Ok(None);
        }
        let mut parts = Vec::new();
        loop {
            let before = self.rest;
            self.skip_blank();
            if !self.rest.starts_with(['.', '[']) {
                self.rest = before;
                return Ok(Some(Query(parts)));
            }
            let segment = self.segment()?;
            let part = match segment.picks.as_slice() {
                _ if segment.is_descendant => None,
                [Pick::Name(name)] => Some(Part::Name(name.clone())),
                [Pick::Index(index)] => usize::try_from(*index).ok().map(Part::Index),
                _ => None,
            };
            parts.push(part.ok_or(Error::NotSupported(
                "its filter looks at more than one place, or counts from an array's end",
            ))?);
        }
    }

    fn literal(&mut self) -> Result<Literal, Error> {
        if let Some(text) = self.quoted()? {
            return Ok(Literal::Text(text));
        }
        let words = [
            ("true", Literal::Bool(true)),
            ("false", Literal::Bool(false)),
            ("null", Literal::Null),
        ];
        for (word, literal) in words {
            if self.takes(word) {
                return Ok(literal);
            }
        }
        if self.rest.starts_with(['@', '$']) {
            return Err(Error::NotSupported("its filter compares two queries"));
        }
        if self
            .rest
            .starts_with(|letter: char| letter.is_ascii_lowercase())
        {
            return Err(Error::NotSupported("its filter calls a function"));
        }
        self.number()
    }

    fn number(&mut self) -> Result<Literal, Error> {
        let is_number = |letter: char| letter.is_ascii_digit() || "+-.eE".contains(letter);
        let tail = self.rest.trim_start_matches(is_number);
        let bytes = self.rest.len().saturating_sub(tail.len());
        let text = self.rest.get(..bytes).unwrap_or_default();
        // JSON's grammar of numbers is that of JSONPath.
        if crate::codec::json::validate(text.as_bytes()).is_err() {
            return Err(self.broken());
        }
        let number = text.parse().ok().ok_or_else(|| self.broken())?;
        self.rest = tail;
        Ok(Literal::Number(number))
    }
}
