//! A request's fields, read in one pass, with the path of each for the error that names it.
//!
//! A path is a chain of borrowed steps on the stack: it costs nothing until a field is wrong and its
//! name is written out. A field whose value is `null` counts as absent, as OpenAI's does. A key that
//! comes twice is refused: two readers may pick different ones.
//!
//! This knows JSON and faults; which fields there are is the formats' business.

use std::fmt::{self, Write as _};

use serde_json::value::RawValue;

use crate::codec::json::{Error, Kind, Text, Walk, string_content, unescape};
use crate::fault::{Fault, Invalid};
use crate::turn::Escaped;

/// Where a field is: `messages[2].content[0].image_url.url`.
#[derive(Clone, Copy)]
pub(super) struct Path<'p> {
    parent: Option<&'p Self>,
    step: Step,
}

#[derive(Clone, Copy)]
enum Step {
    Name(&'static str),
    Index(usize),
}

impl<'p> Path<'p> {
    /// A top-level field.
    pub(super) const fn top(name: &'static str) -> Self {
        let step = Step::Name(name);
        Self { parent: None, step }
    }

    /// A field of this object.
    pub(super) const fn field(&'p self, name: &'static str) -> Self {
        Self {
            parent: Some(self),
            step: Step::Name(name),
        }
    }

    /// An item of this list.
    pub(super) const fn item(&'p self, index: usize) -> Self {
        Self {
            parent: Some(self),
            step: Step::Index(index),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Name(name) => {
                if self.parent.is_some() {
                    f.write_char('.')?;
                }
                f.write_str(name)
            }
        }
    }
}

/// The fault that a value has the wrong JSON type.
pub(super) fn wrong_kind(at: &Path<'_>, problem: &'static str) -> Fault {
    Invalid::kind(at.to_string(), problem).into()
}

/// The fault that a value is none that the field takes.
pub(super) fn wrong_value(at: &Path<'_>, problem: &'static str) -> Fault {
    Invalid::value(at.to_string(), problem).into()
}

/// The fault that a field or its value cannot be carried.
pub(super) fn unsupported(at: &Path<'_>, problem: &'static str) -> Fault {
    Invalid::unsupported(at.to_string(), problem).into()
}

/// The value of a field that must be there.
pub(super) fn required<T>(value: Option<T>, at: &Path<'_>) -> Result<T, Fault> {
    value.ok_or_else(|| Invalid::missing(at.to_string()).into())
}

/// Puts a field's value into its slot, once.
pub(super) fn set<T>(slot: &mut Option<T>, value: T, at: &Path<'_>) -> Result<(), Fault> {
    if slot.is_some() {
        return Err(wrong_value(at, "this field comes twice"));
    }
    *slot = Some(value);
    Ok(())
}

/// Reads a validated document forwards. Every method takes the next value in full, or fails.
pub(super) struct Reader<'a> {
    walk: Walk<'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(valid_json: &'a str) -> Self {
        Self {
            walk: Walk::new(valid_json),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        self.walk.kind()
    }

    /// Reads an object: `field` is called with each key, and has to take its value.
    pub(super) fn object(
        &mut self,
        at: &Path<'_>,
        mut field: impl FnMut(&mut Self, &str) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if self.kind() != Kind::Object {
            return Err(wrong_kind(at, "must be an object"));
        }
        self.walk.open();
        while let Some(key) = self.walk.next_key().map_err(out_of_step)? {
            if self.kind() == Kind::Null {
                self.skip()?;
            } else {
                field(self, &key)?;
            }
        }
        Ok(())
    }

    /// Reads a list: `item` is called with each index, and has to take the item there.
    pub(super) fn list(
        &mut self,
        at: &Path<'_>,
        items_max: usize,
        mut item: impl FnMut(&mut Self, usize) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if self.kind() != Kind::Array {
            return Err(wrong_kind(at, "must be a list"));
        }
        self.walk.open();
        let mut index = 0_usize;
        while self.walk.next_item().map_err(out_of_step)? {
            if index >= items_max {
                let problem = format!("the list may have at most {items_max} items");
                return Err(Invalid::value(at.to_string(), problem).into());
            }
            item(self, index)?;
            index = index.saturating_add(1);
        }
        Ok(())
    }

    /// Takes a value that nobody reads.
    pub(super) fn skip(&mut self) -> Result<&'a str, Fault> {
        self.walk.skip().map_err(out_of_step)
    }

    /// A string, as it is escaped.
    pub(super) fn escaped(&mut self, at: &Path<'_>) -> Result<Escaped<'a>, Fault> {
        string_content(self.skip()?)
            .map(Escaped::from_content)
            .ok_or_else(|| wrong_kind(at, "must be a string"))
    }

    /// A string, without its escapes.
    pub(super) fn text(&mut self, at: &Path<'_>) -> Result<Text<'a>, Fault> {
        let content = self.escaped(at)?.as_str();
        if !content.contains('\\') {
            return Ok(Text::from(content));
        }
        let mut text = String::with_capacity(content.len());
        unescape(content, &mut text).map_err(out_of_step)?;
        Ok(Text::from(text))
    }

    /// A name as OpenAI takes it, for a tool or a schema.
    pub(super) fn name(&mut self, at: &Path<'_>) -> Result<Text<'a>, Fault> {
        let name = self.text(at)?;
        let is_fine = (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if !is_fine {
            return Err(wrong_value(
                at,
                "must be 1 to 64 characters of a-z, A-Z, 0-9, _ and -",
            ));
        }
        Ok(name)
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, at: &Path<'_>) -> Result<bool, Fault> {
        match self.skip()? {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(wrong_kind(at, "must be true or false")),
        }
    }

    /// A number of tokens or the like: whole and at least 1.
    pub(super) fn count(&mut self, at: &Path<'_>) -> Result<u64, Fault> {
        if self.kind() != Kind::Number {
            return Err(wrong_kind(at, "must be an integer"));
        }
        let raw = self.skip()?;
        match raw.parse() {
            Ok(count) if count > 0 => Ok(count),
            _ if raw.contains(['.', 'e', 'E']) => Err(wrong_kind(at, "must be an integer")),
            _ => Err(wrong_value(at, "must be an integer of at least 1")),
        }
    }

    /// A number between 0 and `limit`, as it is written.
    pub(super) fn number(
        &mut self,
        at: &Path<'_>,
        limit: f64,
        out_of_range: &'static str,
    ) -> Result<&'a RawValue, Fault> {
        if self.kind() != Kind::Number {
            return Err(wrong_kind(at, "must be a number"));
        }
        let raw = self.skip()?;
        match raw.parse::<f64>() {
            Ok(number) if (0.0..=limit).contains(&number) => carried(raw),
            _ => Err(wrong_value(at, out_of_range)),
        }
    }

    /// An object that is passed on as it is written.
    pub(super) fn raw_object(&mut self, at: &Path<'_>) -> Result<&'a RawValue, Fault> {
        if self.kind() != Kind::Object {
            return Err(wrong_kind(at, "must be an object"));
        }
        carried(self.skip()?)
    }
}

fn carried(raw: &str) -> Result<&RawValue, Fault> {
    serde_json::from_str(raw).map_err(|_error| Fault::Internal("a valid value does not parse"))
}

/// The document was validated before: only a mistake in here gets a reader out of step.
fn out_of_step(_: Error) -> Fault {
    Fault::Internal("a request's reader is out of step")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: fmt::Debug>(got: Result<T, Fault>, code: &str, problem: &str) {
        let fault = got.unwrap_err();
        assert_eq!(fault.code(), Some(code));
        assert_eq!(fault.to_string(), format!("a: {problem}"));
    }

    const AT: Path<'static> = Path::top("a");

    #[test]
    fn a_path_is_written_as_openai_writes_it() {
        let messages = Path::top("messages");
        let message = messages.item(2);
        let content = message.field("content");
        assert_eq!(content.item(0).to_string(), "messages[2].content[0]");
        let part = content.item(0);
        assert_eq!(
            part.field("image_url").field("url").to_string(),
            "messages[2].content[0].image_url.url"
        );
    }

    #[test]
    fn a_wrong_type_is_told() {
        check(
            Reader::new("1").text(&AT),
            "invalid_type",
            "must be a string",
        );
        check(
            Reader::new("\"true\"").boolean(&AT),
            "invalid_type",
            "must be true or false",
        );
        check(
            Reader::new("[]").raw_object(&AT),
            "invalid_type",
            "must be an object",
        );
        check(
            Reader::new("1.5").count(&AT),
            "invalid_type",
            "must be an integer",
        );
        check(
            Reader::new("\"1\"").count(&AT),
            "invalid_type",
            "must be an integer",
        );
    }

    #[test]
    fn a_count_is_at_least_one() {
        for raw in ["0", "-1", "99999999999999999999"] {
            check(
                Reader::new(raw).count(&AT),
                "invalid_value",
                "must be an integer of at least 1",
            );
        }
        assert_eq!(Reader::new("7").count(&AT).unwrap(), 7);
    }

    #[test]
    fn a_number_stays_as_it_is_written() {
        let number = |raw: &'static str| Reader::new(raw).number(&AT, 2.0, "between 0 and 2");
        assert_eq!(number("0.70").unwrap().get(), "0.70");
        assert_eq!(number("2").unwrap().get(), "2");
        assert_eq!(number("-0.0").unwrap().get(), "-0.0");
        for raw in ["2.01", "-1", "1e999"] {
            check(number(raw), "invalid_value", "between 0 and 2");
        }
    }

    #[test]
    fn a_field_comes_once() {
        let mut slot = Some(1);
        check(
            set(&mut slot, 2, &AT),
            "invalid_value",
            "this field comes twice",
        );
    }

    #[test]
    fn a_list_has_a_bound() {
        let read = Reader::new("[1,2,3]").list(&AT, 2, |reader, _| reader.skip().map(drop));
        check(read, "invalid_value", "the list may have at most 2 items");
    }
}
