//! Splices of a document: bytes that no edit touches come out as they went in.

use std::ops::Range;

use super::{Error, Member, span_of, write_string_content};

/// A bounded list of edits to one document. They may come in any order, cheapest from front to back.
pub struct Edits {
    /// In the order of their ranges.
    edits: Vec<Edit>,
    /// The new bytes of all edits.
    text: Vec<u8>,
    edits_max: usize,
    text_bytes_max: usize,
}

struct Edit {
    range: Range<usize>,
    kind: Kind,
}

enum Kind {
    /// Puts this piece of the text in place of the range.
    Splice(Range<usize>),
    /// Takes the range out with the comma that becomes one too many.
    Remove,
}

impl Edits {
    /// No edits yet, and room for `edits_max` with `text_bytes_max` new bytes in all.
    #[must_use]
    pub fn new(edits_max: usize, text_bytes_max: usize) -> Self {
        Self {
            edits: Vec::new(),
            text: Vec::new(),
            edits_max,
            text_bytes_max,
        }
    }

    /// Whether the document stays as it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Puts `bytes` in place of `range`.
    pub fn replace(&mut self, range: Range<usize>, bytes: &[u8]) -> Result<(), Error> {
        let start = self.text.len();
        let end = start.saturating_add(bytes.len());
        if end > self.text_bytes_max {
            let limit = self.text_bytes_max;
            return Err(Error::TooLarge { limit });
        }
        self.add(range, Kind::Splice(start..end))?;
        self.text.extend_from_slice(bytes);
        Ok(())
    }

    /// Puts `bytes` before the byte at `at`, after what was inserted there earlier.
    pub fn insert(&mut self, at: usize, bytes: &[u8]) -> Result<(), Error> {
        self.replace(at..at, bytes)
    }

    /// Puts JSON in the place of `part`, which is borrowed from `source`, unless it is the same.
    pub fn put(&mut self, source: &str, part: &str, json: &str) -> Result<(), Error> {
        if part == json {
            return Ok(());
        }
        self.replace(part_of(source, part)?, json.as_bytes())
    }

    /// Puts a text in the place of `content`, which stands between the quotes of a string of `source`.
    pub fn put_text(&mut self, source: &str, content: &str, text: &str) -> Result<(), Error> {
        let mut escaped = Vec::with_capacity(text.len());
        write_string_content(&mut escaped, text);
        self.replace(part_of(source, content)?, &escaped)
    }

    /// Takes `member` out of its object, with one comma if there is one.
    pub fn remove_member(&mut self, member: &Member<'_>) -> Result<(), Error> {
        self.remove_item(member.span())
    }

    /// Takes an item out of its array, or a member with this span out of its object.
    pub fn remove_item(&mut self, span: Range<usize>) -> Result<(), Error> {
        self.add(span, Kind::Remove)
    }

    fn add(&mut self, range: Range<usize>, kind: Kind) -> Result<(), Error> {
        if self.edits.len() >= self.edits_max {
            let limit = self.edits_max;
            return Err(Error::TooManyEdits { limit });
        }
        // An insertion comes before a change of what follows it: (start, end) orders them so.
        let key = |range: &Range<usize>| (range.start, range.end);
        let at = match self.edits.last() {
            Some(last) if key(&last.range) > key(&range) => self
                .edits
                .partition_point(|edit| key(&edit.range) <= key(&range)),
            _ => self.edits.len(),
        };
        self.edits.insert(at, Edit { range, kind });
        Ok(())
    }

    /// Appends the edited `source` to `out`, which stays as it was if there is an error.
    pub fn apply(&self, source: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let before = out.len();
        out.reserve(source.len().saturating_add(self.text.len()));
        let result = self.write(source, out);
        if result.is_err() {
            out.truncate(before);
        }
        result
    }

    fn write(&self, source: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let mut done = 0_usize;
        // Where the first items of a container were removed, the next one is now the first.
        let mut first_at = None;
        for edit in &self.edits {
            let offset = edit.range.start;
            let (range, text) = match &edit.kind {
                Kind::Splice(text) => (edit.range.clone(), text.clone()),
                Kind::Remove => {
                    let (range, is_first) =
                        removal(source, &edit.range, first_at).ok_or(Error::Range { offset })?;
                    if is_first {
                        first_at = Some(range.end);
                    }
                    (range, 0..0)
                }
            };
            if range.start < done {
                return Err(Error::Overlap { offset });
            }
            let kept = source.get(done..range.start);
            let is_inside = range.start <= range.end && range.end <= source.len();
            let kept = kept.filter(|_| is_inside).ok_or(Error::Range { offset })?;
            out.extend_from_slice(kept);
            out.extend_from_slice(self.text.get(text).unwrap_or_default());
            done = range.end;
        }
        out.extend_from_slice(source.get(done..).unwrap_or_default());
        Ok(())
    }
}

fn part_of(source: &str, part: &str) -> Result<Range<usize>, Error> {
    let offset = source.len();
    span_of(source.as_bytes(), part.as_bytes()).ok_or(Error::Range { offset })
}

/// What to take out with the item at `span`, and whether it is the first that is left.
///
/// The first takes all up to the next item; any other takes all from the end of the one before.
fn removal(
    source: &[u8],
    span: &Range<usize>,
    first_at: Option<usize>,
) -> Option<(Range<usize>, bool)> {
    let (before, after) = (source.get(..span.start)?, source.get(span.end..)?);
    let before = before.trim_ascii_end();
    let is_first = match before.last()? {
        b'{' | b'[' => true,
        b',' => first_at == Some(span.start),
        _ => return None,
    };
    if !is_first {
        let before = before.split_last()?.1.trim_ascii_end();
        return Some((before.len()..span.end, false));
    }
    let end = match after.trim_ascii_start() {
        [b',', next @ ..] => source.len().checked_sub(next.trim_ascii_start().len())?,
        [b'}' | b']', ..] => span.end,
        _ => return None,
    };
    Some((span.start..end, true))
}

#[cfg(test)]
mod tests {
    use super::super::{Members, validate};
    use super::*;
    use crate::codec::random::Random;

    fn applied(source: &str, edits: &Edits) -> Result<String, Error> {
        let mut out = b"kept".to_vec();
        let result = edits.apply(source.as_bytes(), &mut out);
        let out = String::from_utf8(out).unwrap();
        let out = out.strip_prefix("kept").unwrap().to_owned();
        result.map(|()| out)
    }

    /// Removes the members with these keys, in this order.
    #[track_caller]
    fn check(source: &str, keys: &[&str], want: &str) {
        let mut edits = Edits::new(8, 64);
        for key in keys {
            let found = Members::new(source).find(|member| member.as_ref().unwrap().key == *key);
            edits.remove_member(&found.unwrap().unwrap()).unwrap();
        }
        assert_eq!(applied(source, &edits).unwrap(), want);
    }

    #[test]
    fn the_first_member_goes_with_the_comma_after_it() {
        check(r#"{"a":1, "b":2,"c":3}"#, &["a"], r#"{"b":2,"c":3}"#);
    }

    #[test]
    fn any_other_member_goes_with_the_comma_before_it() {
        check(r#"{"a":1 , "b":2,"c":3}"#, &["b"], r#"{"a":1,"c":3}"#);
        check(r#"{"a":1,"b":2 , "c":3 }"#, &["c"], r#"{"a":1,"b":2 }"#);
    }

    #[test]
    fn the_only_member_goes_alone() {
        check(r#"{ "a":1 }"#, &["a"], "{  }");
    }

    #[test]
    fn neighbours_go_together() {
        check(r#"{"a":1,"b":2,"c":3}"#, &["a", "b"], r#"{"c":3}"#);
        check(r#"{"a":1,"b":2,"c":3}"#, &["b", "c"], r#"{"a":1}"#);
        check(r#"{"a":1,"b":2,"c":3}"#, &["a", "c"], r#"{"b":2}"#);
        check(r#"{"a":1,"b":2,"c":3}"#, &["c", "a", "b"], "{}");
    }

    #[test]
    fn any_members_may_go_in_any_order_and_the_rest_is_valid() {
        let source = "{\"a\":1, \"b\" : [2] ,\"c\":{},\n\"d\":\"x\" , \"e\":null }";
        let members: Vec<_> = Members::new(source).map(|member| member.unwrap()).collect();
        let mut random = Random::new(41);
        for _ in 0..2_000 {
            let mut left: Vec<_> = members.clone();
            let mut edits = Edits::new(8, 0);
            for _ in 0..random.below(6) {
                edits
                    .remove_member(&left.remove(random.below(left.len())))
                    .unwrap();
            }
            let out = applied(source, &edits).unwrap();
            let text = validate(out.as_bytes()).unwrap();
            let found: Vec<_> = Members::new(text)
                .map(|member| member.unwrap().value)
                .collect();
            let want: Vec<_> = left.iter().map(|member| member.value).collect();
            assert_eq!(found, want, "{out}");
        }
    }

    #[test]
    fn items_of_an_array_are_removed_too() {
        let mut edits = Edits::new(8, 64);
        edits.remove_item(1..2).unwrap();
        edits.remove_item(4..5).unwrap();
        assert_eq!(applied("[1, 2,3]", &edits).unwrap(), "[3]");
    }

    #[test]
    fn edits_apply_in_the_order_of_the_source() {
        let mut edits = Edits::new(8, 64);
        edits.replace(4..5, b"E").unwrap();
        edits.replace(1..3, b"").unwrap();
        edits.insert(1, b"1").unwrap();
        edits.insert(1, b"2").unwrap();
        edits.insert(6, b"!").unwrap();
        assert_eq!(applied("abcdef", &edits).unwrap(), "a12dEf!");
    }

    #[test]
    fn no_edits_change_nothing() {
        let edits = Edits::new(8, 64);
        assert!(edits.is_empty());
        assert_eq!(applied("abc", &edits).unwrap(), "abc");
    }

    #[test]
    fn edits_that_touch_do_not_overlap() {
        let mut edits = Edits::new(8, 64);
        edits.replace(1..2, b"B").unwrap();
        edits.replace(2..3, b"C").unwrap();
        edits.insert(3, b"+").unwrap();
        assert_eq!(applied("abcd", &edits).unwrap(), "aBC+d");
    }

    #[test]
    fn edits_that_overlap_are_refused() {
        let mut edits = Edits::new(8, 64);
        edits.replace(1..3, b"x").unwrap();
        edits.replace(2..4, b"y").unwrap();
        assert_eq!(applied("abcdef", &edits), Err(Error::Overlap { offset: 2 }));
    }

    #[test]
    fn an_edit_inside_a_removed_member_overlaps() {
        let mut edits = Edits::new(8, 64);
        edits.replace(5..6, b"2").unwrap();
        edits.remove_item(1..6).unwrap();
        assert_eq!(
            applied(r#"{"a":1}"#, &edits),
            Err(Error::Overlap { offset: 5 })
        );
    }

    #[test]
    fn an_edit_outside_the_source_is_refused() {
        let mut edits = Edits::new(8, 64);
        edits.replace(2..9, b"x").unwrap();
        assert_eq!(applied("abc", &edits), Err(Error::Range { offset: 2 }));
        let mut edits = Edits::new(8, 64);
        edits.insert(4, b"x").unwrap();
        assert_eq!(applied("abc", &edits), Err(Error::Range { offset: 4 }));
    }

    #[test]
    fn what_is_no_part_of_the_source_is_refused() {
        let (source, other) = ("{\"a\":\"b\"}".to_owned(), "\"b\"".to_owned());
        let mut edits = Edits::new(8, 64);
        assert_eq!(
            edits.put(&source, &other, "1"),
            Err(Error::Range { offset: 9 })
        );
        assert_eq!(
            edits.put_text(&source, &other, "1"),
            Err(Error::Range { offset: 9 })
        );
        edits
            .put(&source, source.get(5..8).unwrap(), "\"b\"")
            .unwrap();
        assert!(edits.is_empty());
        edits
            .put_text(&source, source.get(6..7).unwrap(), "\n")
            .unwrap();
        assert_eq!(applied(&source, &edits).unwrap(), r#"{"a":"\n"}"#);
    }

    #[test]
    fn what_is_no_member_is_not_removed() {
        let mut edits = Edits::new(8, 64);
        edits.remove_item(5..6).unwrap();
        assert_eq!(
            applied(r#"{"a":1}"#, &edits),
            Err(Error::Range { offset: 5 })
        );
    }

    #[test]
    fn both_bounds_hold() {
        let mut edits = Edits::new(2, 4);
        assert_eq!(edits.insert(0, b"12345"), Err(Error::TooLarge { limit: 4 }));
        edits.insert(0, b"1234").unwrap();
        assert_eq!(edits.insert(0, b"5"), Err(Error::TooLarge { limit: 4 }));
        edits.insert(0, b"").unwrap();
        assert_eq!(edits.insert(0, b""), Err(Error::TooManyEdits { limit: 2 }));
        assert_eq!(applied("x", &edits).unwrap(), "1234x");
    }

    #[test]
    fn random_edits_never_panic() {
        let mut random = Random::new(42);
        for _ in 0..20_000 {
            let mut edits = Edits::new(4, 8);
            for _ in 0..random.below(5) {
                let range = random.below(16)..random.below(16);
                let added = match random.below(2) {
                    0 => edits.replace(range, b"xy"),
                    _ => edits.remove_item(range),
                };
                added.unwrap();
            }
            if let Err(error) = applied(r#"{"a":1,"b":[2]}"#, &edits) {
                assert!(matches!(error, Error::Overlap { .. } | Error::Range { .. }));
            }
        }
    }
}
