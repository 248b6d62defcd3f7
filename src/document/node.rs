//! The tree, and the one pass that builds it from JSON.

use super::problem::{Problem, QUOTED_CHARS_MAX, quoted};
use super::protobuf;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeSet;
use std::fmt;

/// One value of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// Written as `null`, or as nothing in YAML.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Any number.
    Number(Number),
    /// A string, unescaped.
    String(String),
    /// Values in their order.
    List(Vec<Self>),
    /// Names and values in their order; `parse` lets no name come twice.
    Map(Vec<(String, Self)>),
}

/// A number, whole or not. `1`, `1.0` and `1e0` are one number, because a YAML document that went through a protobuf `Struct`
/// has only doubles; for the same reason whole numbers are exact up to 2^53.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    text: String,
    value: f64,
}

/// What a value is, for messages and for fields that may be of several kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `Node::Null`
    Null,
    /// `Node::Bool`
    Bool,
    /// `Node::Number`
    Number,
    /// `Node::String`
    String,
    /// `Node::List`
    List,
    /// `Node::Map`
    Map,
}

/// Reads JSON, or the protobuf `Struct` that Envoy makes of YAML. The problem has the path, line and column where reading stopped, and no text of the document but names.
pub fn parse(text: &[u8]) -> Result<Node, Problem> {
    if let Some(root) = protobuf::parse(text) {
        return Ok(root);
    }
    let mut place = Place::default();
    let mut json = serde_json::Deserializer::from_slice(text);
    let root = Reader(&mut place)
        .deserialize(&mut json)
        .and_then(|root| json.end().map(|()| root));
    root.map_err(|error| Problem {
        message: if text.trim_ascii().is_empty() {
            "the document is empty; write a JSON object".to_owned()
        } else if let Some(refusal) = place.refusal {
            let (line, column) = (error.line(), error.column());
            format!("{refusal}, at line {line} column {column}")
        } else {
            format!("not JSON: {error}")
        },
        path: place.path,
    })
}

impl Node {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Bool,
            Self::Number(_) => Kind::Number,
            Self::String(_) => Kind::String,
            Self::List(_) => Kind::List,
            Self::Map(_) => Kind::Map,
        }
    }

    /// The boolean, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self {
            Some(*value)
        } else {
            None
        }
    }

    /// The number, if it is one.
    #[must_use]
    pub fn as_number(&self) -> Option<&Number> {
        if let Self::Number(number) = self {
            Some(number)
        } else {
            None
        }
    }

    /// The string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// The list, if it is one.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        if let Self::List(items) = self {
            Some(items)
        } else {
            None
        }
    }

    /// The map, if it is one.
    #[must_use]
    pub fn as_map(&self) -> Option<&[(String, Self)]> {
        if let Self::Map(fields) = self {
            Some(fields)
        } else {
            None
        }
    }
}

impl Number {
    /// Decimal digits without an exponent, the fewest that mean this number: `1000` for `1e3`, `0.0000025` for `2.5e-6`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The nearest double; finite.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Whether nothing is behind the decimal point.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.text.contains('.')
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        // Adding zero turns -0 into 0.
        let value = value + 0.0;
        Self {
            text: value.to_string(),
            value,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::List => "a list",
            Self::Map => "a map",
        })
    }
}

/// Appends a field's name to a path: `.region`, or `['claude-*']` where a bare name would be misread.
pub(super) fn push_name(path: &mut String, name: &str) {
    let is_plain = !name.is_empty()
        && name.len() <= QUOTED_CHARS_MAX
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if !is_plain {
        path.push('[');
        path.push_str(&quoted(name));
        path.push(']');
        return;
    }
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

/// Appends a list's index to a path.
pub(super) fn push_index(path: &mut String, index: usize) {
    path.push('[');
    path.push_str(&index.to_string());
    path.push(']');
}

/// Where the reader is. It stays there when reading fails.
#[derive(Default)]
struct Place {
    path: String,
    depth: usize,
    /// Why we stopped, when it was not the JSON's fault.
    refusal: Option<String>,
}

/// Maps and lists in each other. A policy needs about eight; the stack of a wasm worker has room for many more than this.
pub(super) const DEPTH_MAX: usize = 32;

impl Place {
    fn enter<E: serde::de::Error>(&mut self) -> Result<(), E> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > DEPTH_MAX {
            return Err(self.refuse(format!(
                "more than {DEPTH_MAX} maps and lists in each other"
            )));
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn refuse<E: serde::de::Error>(&mut self, refusal: String) -> E {
        self.refusal = Some(refusal);
        E::custom("refused")
    }
}

/// Reads the value at the place.
struct Reader<'p>(&'p mut Place);

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Node, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Node;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(Number {
            text: value.to_string(),
            value: value as f64,
        }))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(Number {
            text: value.to_string(),
            value: value as f64,
        }))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Number(Number::from(value)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let place = self.0;
        place.enter::<A::Error>()?;
        let path_bytes = place.path.len();
        let mut items = Vec::new();
        loop {
            push_index(&mut place.path, items.len());
            let item = list.next_element_seed(Reader(place))?;
            place.path.truncate(path_bytes);
            match item {
                Some(item) => items.push(item),
                None => break,
            }
        }
        place.leave();
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let place = self.0;
        place.enter::<A::Error>()?;
        let path_bytes = place.path.len();
        let mut names = BTreeSet::new();
        let mut fields = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            push_name(&mut place.path, &name);
            if !names.insert(name.clone()) {
                return Err(place.refuse("written twice; keep one".to_owned()));
            }
            let node = map.next_value_seed(Reader(place))?;
            place.path.truncate(path_bytes);
            fields.push((name, node));
        }
        place.leave();
        Ok(Node::Map(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::{Node, parse};
    use std::cmp::Ordering;

    #[track_caller]
    fn check(text: &str, want: &str) {
        assert_eq!(parse(text.as_bytes()).unwrap_err().to_string(), want);
    }

    #[track_caller]
    fn check_number(text: &str, want: &str, is_whole: bool) {
        let node = parse(text.as_bytes()).unwrap();
        let number = node.as_number().unwrap();
        assert_eq!((number.text(), number.is_whole()), (want, is_whole));
        let value: f64 = text.parse().unwrap();
        assert_eq!(number.value().total_cmp(&(value + 0.0)), Ordering::Equal);
    }

    #[test]
    fn fields_keep_their_order() {
        let number = parse(b"1").unwrap();
        let fields = vec![
            ("b".to_owned(), Node::List(vec![Node::Null, number])),
            ("a".to_owned(), Node::Bool(true)),
            ("\n".to_owned(), Node::String("\u{e9}".to_owned())),
        ];
        let text = br#"{"b": [null, 1.0], "a": true, "\n": "\u00e9"}"#;
        assert_eq!(parse(text), Ok(Node::Map(fields)));
    }

    #[test]
    fn whole_numbers_may_be_written_as_doubles() {
        for text in ["1000", "1000.0", "1e3", "1E+3", "10000e-1"] {
            check_number(text, "1000", true);
        }
        check_number("-7.0", "-7", true);
        check_number("18446744073709551615", "18446744073709551615", true);
    }

    #[test]
    fn zero_has_no_sign() {
        for text in ["0", "-0", "-0.0", "0e9"] {
            check_number(text, "0", true);
        }
    }

    #[test]
    fn the_text_of_a_number_has_no_exponent() {
        check_number("2.5e-6", "0.0000025", false);
        check_number("0.00000015", "0.00000015", false);
        check_number("1e20", "100000000000000000000", true);
    }

    #[test]
    fn a_number_beyond_a_double_is_refused() {
        check(
            r#"{"a": 1e999}"#,
            "a: not JSON: number out of range at line 1 column 11",
        );
    }

    #[test]
    fn broken_json_is_named_with_line_and_column() {
        check(
            "{\"a\": [1,\n x]}",
            "a[1]: not JSON: expected value at line 2 column 2",
        );
        check("version: 1", "not JSON: expected value at line 1 column 1");
    }

    #[test]
    fn a_document_cut_short_is_refused() {
        check(
            r#"{"a": "#,
            "a: not JSON: EOF while parsing a value at line 1 column 6",
        );
    }

    #[test]
    fn nothing_may_follow_the_document() {
        check("{} {}", "not JSON: trailing characters at line 1 column 4");
    }

    #[test]
    fn an_empty_document_says_so() {
        check(" \n", "the document is empty; write a JSON object");
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let problem = parse(b"{\"a\": \"\xff\"}").unwrap_err().to_string();
        assert!(
            problem.starts_with("a: not JSON: invalid unicode"),
            "{problem}"
        );
    }

    #[test]
    fn a_name_written_twice_is_refused_where_it_is() {
        check(
            r#"{"list": [{"a": 1}, {"a": 1, "a": 2}]}"#,
            "list[1].a: written twice; keep one, at line 1 column 32",
        );
    }

    #[test]
    fn a_name_escaped_differently_is_still_the_same() {
        check(
            r#"{"a": 1, "\u0061": 2}"#,
            "a: written twice; keep one, at line 1 column 17",
        );
    }

    #[test]
    fn a_name_that_is_no_word_is_quoted_in_the_path() {
        check(
            r#"{"m": {"gpt.5\n": [x]}}"#,
            r"m['gpt.5\n'][0]: not JSON: expected value at line 1 column 20",
        );
    }

    #[test]
    fn thirty_two_levels_are_read() {
        let text = "[".repeat(32) + &"]".repeat(32);
        assert!(parse(text.as_bytes()).is_ok());
    }

    #[test]
    fn one_level_more_is_refused() {
        let text = r#"{"a":"#.repeat(33);
        let path = ["a"; 32].join(".");
        let want = format!("{path}: more than 32 maps and lists in each other");
        let problem = parse(text.as_bytes()).unwrap_err().to_string();
        assert!(problem.starts_with(&want), "{problem}");
    }

    #[test]
    fn levels_beside_each_other_do_not_add_up() {
        let text = format!("[{}[]]", "[],".repeat(100));
        assert!(parse(text.as_bytes()).is_ok());
    }
}
