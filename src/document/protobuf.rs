//! Reads a `google.protobuf.Struct`, which is what Envoy hands to a plugin whose configuration was
//! written as YAML (seen on 1.40: the message as it is on the wire, not JSON).
//!
//! ```text
//! Struct    { map<string, Value> fields = 1 }          an entry is { key = 1, value = 2 }
//! Value     { null = 1 | number = 2 | string = 3 | bool = 4 | struct = 5 | list = 6 }
//! ListValue { repeated Value values = 1 }
//! ```
//! Anything else is no Struct, and then it may be JSON: no JSON text is a Struct by accident, for every
//! length inside would have to fit.

use super::node::{DEPTH_MAX, Node, Number};
use crate::codec::protobuf::{Field, Fields};

/// Reads a whole Struct; nothing where the bytes are none.
pub(super) fn parse(bytes: &[u8]) -> Option<Node> {
    if bytes.is_empty() {
        return None;
    }
    structure(bytes, DEPTH_MAX)
}

fn structure(bytes: &[u8], depth: usize) -> Option<Node> {
    let mut entries: Vec<(String, Node)> = Vec::new();
    for field in Fields(bytes) {
        let Field::Bytes(1, entry) = field? else {
            return None;
        };
        let mut name = String::new();
        let mut node = Node::Null;
        for field in Fields(entry) {
            match field? {
                Field::Bytes(1, bytes) => str::from_utf8(bytes).ok()?.clone_into(&mut name),
                Field::Bytes(2, bytes) => node = value(bytes, depth.checked_sub(1)?)?,
                Field::Bytes(..) | Field::Varint(..) | Field::Double(..) | Field::Word(..) => {
                    return None;
                }
            }
        }
        if entries.iter().any(|(known, _)| *known == name) {
            return None;
        }
        entries.push((name, node));
    }
    Some(Node::Map(entries))
}

fn value(bytes: &[u8], depth: usize) -> Option<Node> {
    let mut node = Node::Null;
    for field in Fields(bytes) {
        node = match field? {
            Field::Varint(1, 0) => Node::Null,
            Field::Varint(4, bit @ (0 | 1)) => Node::Bool(bit == 1),
            Field::Double(2, number) => Node::Number(Number::from(number)),
            Field::Bytes(3, bytes) => Node::String(str::from_utf8(bytes).ok()?.to_owned()),
            Field::Bytes(5, bytes) => structure(bytes, depth)?,
            Field::Bytes(6, bytes) => list(bytes, depth)?,
            Field::Varint(..) | Field::Double(..) | Field::Word(..) | Field::Bytes(..) => {
                return None;
            }
        };
    }
    Some(node)
}

fn list(bytes: &[u8], depth: usize) -> Option<Node> {
    let mut items = Vec::new();
    for field in Fields(bytes) {
        let Field::Bytes(1, item) = field? else {
            return None;
        };
        items.push(value(item, depth.checked_sub(1)?)?);
    }
    Some(Node::List(items))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of bytes; what a Struct holds in a test is short.
    fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        [&[number << 3 | 2, length], content].concat()
    }

    fn entry(name: &str, value: &[u8]) -> Vec<u8> {
        bytes(1, &[bytes(1, name.as_bytes()), bytes(2, value)].concat())
    }

    #[track_caller]
    fn check(message: &[u8], json: &str) {
        assert_eq!(
            parse(message),
            Some(super::super::parse(json.as_bytes()).unwrap())
        );
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let number = [&[2 << 3 | 1][..], &1.5_f64.to_le_bytes()].concat();
        let message = [
            entry("a", &[1 << 3, 0]),
            entry("b", &number),
            entry("c", &bytes(3, b"x")),
            entry("d", &[4 << 3, 1]),
            entry("e", &bytes(5, &entry("f", &[4 << 3, 0]))),
            entry("g", &bytes(6, &bytes(1, &bytes(3, b"y")))),
        ];
        let json = r#"{"a":null,"b":1.5,"c":"x","d":true,"e":{"f":false},"g":["y"]}"#;
        check(&message.concat(), json);
    }

    #[test]
    fn json_is_no_struct_even_where_it_begins_like_one() {
        assert_eq!(parse(b"{}"), None);
        let text = format!("\n{{\"version\":1,{}}}", "\n".repeat(120));
        assert_eq!(parse(text.as_bytes()), None);
    }

    #[test]
    fn a_cut_struct_is_none() {
        let message = entry("a", &bytes(3, b"xyz"));
        for end in 0..message.len() {
            assert_eq!(parse(&message[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn nesting_has_a_bound() {
        // Lengths of one byte reach 20 levels; the bound is tested by starting near it.
        let mut value = vec![4 << 3, 1];
        for _ in 0..10 {
            value = bytes(5, &entry("n", &value));
        }
        let message = entry("n", &value);
        assert!(structure(&message, 11).is_some());
        assert_eq!(structure(&message, 10), None);
    }
}
