//! A walk over a document that reports the places which selectors mark.
//!
//! Each byte is read once, and values that no selector reaches are skipped unread. The walk knows nothing of plans: what is
//! done with a place is the caller's. Strings are reported as they are escaped, borrowed from the document.

use core::fmt::Write as _;

use super::select::{Key, Marks, Matcher};
use crate::codec::json::{self, Kind, Text, Walk, string_content};

/// The string is redacted.
pub const TEXT: Marks = 1;
/// All strings in the value are.
pub const INCLUDED: Marks = 1 << 1;
/// Where the string is redacted, it is as JSON.
pub const JSON: Marks = 1 << 2;
/// Nothing in the value is touched.
pub const KEPT: Marks = 1 << 3;
/// The value is an image, audio or a file.
pub const MEDIA: Marks = 1 << 4;
/// The value is text in another form, and not needed.
pub const SHADOW: Marks = 1 << 5;
/// The value is text as numbers, if it is a number.
pub const TOKENS: Marks = 1 << 6;
/// The string is redacted, though nobody knows what it is.
pub const ANY: Marks = 1 << 7;
/// The string stays unless it is [`INCLUDED`].
pub const ASIDE: Marks = 1 << 8;
/// The string stays, whatever includes it.
pub const NAME: Marks = 1 << 9;
/// Above these bits is a number of the caller's.
pub const NUMBER_SHIFT: u32 = 10;
/// Integers of fewer digits are nothing that is found without words: they count, or are times.
const DIGITS_MIN: usize = 12;

/// A place that was reached.
#[derive(Debug, Clone, Copy)]
pub enum Found<'a> {
    /// Text, as it is escaped.
    Text {
        /// What stands between the quotes.
        content: &'a str,
        /// Whether it holds JSON.
        is_json: bool,
        /// Whether its place is known: it is no string of which nobody knows what it is.
        is_known: bool,
    },
    /// A long integer where text may be.
    Number {
        /// The number as it is written.
        value: &'a str,
    },
    /// An image, audio or a file, or text as numbers.
    Media {
        /// The value as it is written.
        value: &'a str,
        /// What its marks have above [`NUMBER_SHIFT`].
        number: Marks,
    },
    /// Text in another form.
    Shadow {
        /// The value as it is written.
        value: &'a str,
    },
}

/// A step of a path.
#[derive(Debug, Clone)]
pub enum Step<'a> {
    /// A member.
    Name {
        /// Its name.
        name: Text<'a>,
        /// Whether a selector names it: any other name may be somebody's text.
        is_known: bool,
    },
    /// An item.
    Item {
        /// Where it is.
        at: usize,
        /// Whether that is what its `index` says.
        is_told: bool,
    },
}

/// How the document differs from the one that selectors speak of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Layout {
    /// A member that is called otherwise here, and its name there.
    pub renamed: Option<(&'static str, &'static str)>,
    /// Items stand where their `index` says, not where they are.
    pub by_index: bool,
}

/// A walk over one document after another.
pub struct Places<'m, 'a> {
    matcher: &'m Matcher,
    layout: Layout,
    states: Vec<u16>,
    path: Vec<Step<'a>>,
    /// What the values above say of all below them.
    inherited: Marks,
}

type Sink<'s, 'a, E> = &'s mut dyn FnMut(Found<'a>, &[Step<'a>]) -> Result<(), E>;

/// Why a walk ends before the document does.
enum Halt {
    Json(json::Error),
    /// The sink has said why.
    Refused,
}

impl From<json::Error> for Halt {
    fn from(error: json::Error) -> Self {
        Self::Json(error)
    }
}

impl<'m, 'a> Places<'m, 'a> {
    /// Stands at the root of what the selectors speak of.
    #[must_use]
    pub fn new(matcher: &'m Matcher, layout: Layout) -> Self {
        let mut states = Vec::new();
        matcher.enter(&mut states);
        Self {
            matcher,
            layout,
            states,
            path: Vec::new(),
            inherited: 0,
        }
    }

    /// Goes on walking below this path.
    #[must_use]
    pub fn at(mut self, path: Vec<Step<'a>>) -> Self {
        for step in path {
            let key = match &step {
                Step::Name { name, .. } => Key::Name(name),
                Step::Item { at, .. } => Key::Item(*at, 0),
            };
            let marks = self.matcher.marks(&self.states) & (INCLUDED | KEPT);
            let before = self.states.len();
            self.matcher.step(&mut self.states, 0..before, key, "");
            self.states.drain(..before);
            self.inherited |= marks;
            self.path.push(step);
        }
        self
    }

    /// Reports every place in `value`, in order.
    ///
    /// # Errors
    /// Those of `sink`, and those of a document that was not validated.
    pub fn walk<E: From<json::Error>>(
        &mut self,
        value: &'a str,
        sink: Sink<'_, 'a, E>,
    ) -> Result<(), E> {
        let end = self.states.len();
        let inherited = self.inherited;
        let mut refused = None;
        let done = self.value(&mut Walk::new(value), 0, inherited, &mut |found, path| {
            sink(found, path).map_err(|error| {
                refused = Some(error);
                Halt::Refused
            })
        });
        self.states.truncate(end);
        match done {
            Err(Halt::Refused) => refused.map_or(Ok(()), Err),
            Err(Halt::Json(error)) => Err(error.into()),
            Ok(()) => Ok(()),
        }
    }

    /// Takes the next value, whose states begin at `start`.
    fn value(
        &mut self,
        walk: &mut Walk<'a>,
        start: usize,
        inherited: Marks,
        sink: Sink<'_, 'a, Halt>,
    ) -> Result<(), Halt> {
        let states = self.states.get(start..).unwrap_or_default();
        let marks = self.matcher.marks(states) | inherited;
        let kind = walk.kind();
        if marks & (KEPT | MEDIA | SHADOW) != 0 {
            let value = walk.skip()?;
            if marks & KEPT != 0 || kind == Kind::Null {
                return Ok(());
            }
            let number = marks >> NUMBER_SHIFT;
            let found = if marks & MEDIA != 0 {
                Found::Media { value, number }
            } else {
                Found::Shadow { value }
            };
            return sink(found, &self.path);
        }
        match kind {
            Kind::String if is_text(marks) => {
                let content = string_content(walk.skip()?).unwrap_or_default();
                let found = Found::Text {
                    content,
                    is_json: marks & JSON != 0,
                    is_known: marks & (TEXT | INCLUDED) != 0,
                };
                sink(found, &self.path)
            }
            Kind::Number if marks & TOKENS != 0 => {
                let value = walk.skip()?;
                sink(Found::Media { value, number: 0 }, &self.path)
            }
            Kind::Number if is_text(marks) => {
                let value = walk.skip()?;
                let digits = integer(value);
                if digits.len() < DIGITS_MIN || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Ok(());
                }
                sink(Found::Number { value }, &self.path)
            }
            Kind::Object if !states.is_empty() || marks & INCLUDED != 0 => {
                self.object(walk, start, marks & INCLUDED, sink)
            }
            Kind::Array if !states.is_empty() || marks & INCLUDED != 0 => {
                self.array(walk, start, marks & INCLUDED, sink)
            }
            Kind::Object | Kind::Array | Kind::String | Kind::Bool | Kind::Null | Kind::Number => {
                walk.skip()?;
                Ok(())
            }
        }
    }

    fn object(
        &mut self,
        walk: &mut Walk<'a>,
        start: usize,
        inherited: Marks,
        sink: Sink<'_, 'a, Halt>,
    ) -> Result<(), Halt> {
        let end = self.states.len();
        let states = self.states.get(start..).unwrap_or_default();
        let needs_child = self.matcher.needs_child(states);
        walk.open();
        while let Some(mut name) = walk.next_key()? {
            if let Some((here, there)) = self.layout.renamed
                && name == here
            {
                name = Text::from(there);
            }
            let child = if needs_child { walk.peek()? } else { "" };
            let key = Key::Name(&name);
            let is_known = self.matcher.step(&mut self.states, start..end, key, child);
            if self.states.len() == end && inherited == 0 {
                walk.skip()?;
                continue;
            }
            self.path.push(Step::Name { name, is_known });
            self.value(walk, end, inherited, sink)?;
            self.path.pop();
            self.states.truncate(end);
        }
        Ok(())
    }

    fn array(
        &mut self,
        walk: &mut Walk<'a>,
        start: usize,
        inherited: Marks,
        sink: Sink<'_, 'a, Halt>,
    ) -> Result<(), Halt> {
        let end = self.states.len();
        let states = self.states.get(start..).unwrap_or_default();
        let needs_child = self.matcher.needs_child(states) || self.layout.by_index;
        let mut length = 0;
        if self.matcher.needs_length(states) {
            let mut items = Walk::new(walk.peek()?);
            items.open();
            while items.next_item()? {
                items.skip()?;
                length = usize::saturating_add(length, 1);
            }
        }
        walk.open();
        let mut place = 0;
        while walk.next_item()? {
            let child = if needs_child { walk.peek()? } else { "" };
            let index = self.layout.by_index.then(|| index_of(child)).flatten();
            let at = index.unwrap_or(place);
            let key = Key::Item(at, length);
            self.matcher.step(&mut self.states, start..end, key, child);
            place = usize::saturating_add(place, 1);
            if self.states.len() == end && inherited == 0 {
                walk.skip()?;
                continue;
            }
            let is_told = index.is_some();
            self.path.push(Step::Item { at, is_told });
            self.value(walk, end, inherited, sink)?;
            self.path.pop();
            self.states.truncate(end);
        }
        Ok(())
    }
}

/// A number as its digits, where it is an integer: tables write cards with `.0` behind.
#[must_use]
pub fn integer(number: &str) -> &str {
    match number.split_once('.') {
        Some((digits, zeros)) if zeros.bytes().all(|byte| byte == b'0') => digits,
        _ => number,
    }
}

/// Whether a string with these marks is redacted.
const fn is_text(marks: Marks) -> bool {
    let is_any = marks & (TEXT | ANY) != 0 && marks & ASIDE == 0;
    marks & NAME == 0 && (is_any || marks & INCLUDED != 0)
}

/// The `index` of a piece of an answer.
fn index_of(item: &str) -> Option<usize> {
    let mut walk = Walk::new(item);
    if walk.kind() != Kind::Object {
        return None;
    }
    walk.open();
    while let Ok(Some(key)) = walk.next_key() {
        let value = walk.skip().ok()?;
        if key == "index" {
            return value.parse().ok();
        }
    }
    None
}

/// Appends a path: `messages[2].content`. With `is_told` for an error, where it ends before a name that may be somebody's
/// text.
pub fn write_path(path: &[Step<'_>], is_told: bool, out: &mut String) {
    for step in path {
        match step {
            Step::Name { is_known, .. } if is_told && !is_known => return,
            Step::Name { name, .. } => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(name);
            }
            Step::Item { at, .. } => {
                let _done = write!(out, "[{at}]");
            }
        }
    }
}
