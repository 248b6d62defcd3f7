//! The reader of one map.

use super::node::{Kind, Node, Number, push_index, push_name};
use super::problem::{Problem, Problems, quoted};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::mem;
use std::ops::RangeInclusive;

/// Reads a whole document. There is a result only if there is no problem; `f` returns `None` when something it needs is missing.
pub fn read<'n, R>(
    root: &'n Node,
    f: impl FnOnce(&mut Fields<'n>) -> Option<R>,
) -> Result<R, Problems> {
    let Some(map) = root.as_map() else {
        return Err(Problems::from(Problem {
            path: String::new(),
            message: format!("must be a JSON object, found {}", root.kind()),
        }));
    };
    let (result, problems) = Fields::read(String::new(), map, Problems::default(), f);
    // Without a result there is a problem: `finish` sees to it.
    result.filter(|_| problems.is_empty()).ok_or(problems)
}

/// One map being read. Each field is taken by its name; what nobody took is reported when the reading of the map ends.
///
/// Readers return `None` for a field that is absent, and also for one that is wrong; then they have reported it.
/// An explicit `null` is wrong, whatever is asked for. Only `one_of`, `some_of`, `parsed`, `list_of_parsed` and the readers of numbers
/// repeat what the admin wrote; `secret` and `list_of_secrets` are for what no message may repeat.
#[derive(Debug)]
pub struct Fields<'n> {
    path: String,
    map: &'n [(String, Node)],
    index: BTreeMap<&'n str, &'n Node>,
    /// The names that were asked for, present or not.
    known: BTreeSet<String>,
    is_rest_skipped: bool,
    /// Of the whole document so far: lent by the parent, given back by `finish`.
    problems: Problems,
    problems_before: usize,
}

impl<'n> Fields<'n> {
    /// Where this map is: `providers[1]`; empty for the root.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where a field of this map is or would be.
    #[must_use]
    pub fn path_of(&self, name: &str) -> String {
        let mut path = self.path.clone();
        push_name(&mut path, name);
        path
    }

    /// The names that are written here, in their order.
    pub fn names(&self) -> impl Iterator<Item = &'n str> + use<'n> {
        self.map.iter().map(|(name, _)| name.as_str())
    }

    /// Whether the field is written here. Asking does not take it.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.index.contains_key(name)
    }

    /// What the field is, for one that may be of several kinds. Asking does not take it.
    #[must_use]
    pub fn kind(&self, name: &str) -> Option<Kind> {
        self.index.get(name).map(|node| node.kind())
    }

    /// The field as it is. Asking does not take it.
    #[must_use]
    pub fn peek(&self, name: &str) -> Option<&'n Node> {
        self.index.get(name).copied()
    }

    /// Takes the field as it is.
    pub fn node(&mut self, name: &str) -> Option<&'n Node> {
        if !self.known.contains(name) {
            self.known.insert(name.to_owned());
        }
        self.index.get(name).copied()
    }

    /// Reports the field if it is absent: `fields.require("kind", "..").one_of("kind", KINDS)`.
    pub fn require(&mut self, name: &str, remedy: &str) -> &mut Self {
        if self.node(name).is_none() {
            self.report(self.path_of(name), format!("required; {remedy}"));
        }
        self
    }

    /// A string.
    pub fn string(&mut self, name: &str) -> Option<&'n str> {
        self.typed(name, Kind::String, Node::as_str)
    }

    /// A string that must be there and not be empty.
    pub fn required_string(&mut self, name: &str, remedy: &str) -> Option<&'n str> {
        let text = self.require(name, remedy).string(name)?;
        if text.is_empty() {
            self.report(self.path_of(name), format!("must not be empty; {remedy}"));
            return None;
        }
        Some(text)
    }

    /// A string that `parse` makes something of. The message repeats it: see `secret`.
    pub fn parsed<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&'n str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.string(name)?;
        self.kept(self.path_of(name), text, parse(text))
    }

    /// A string that no message may repeat. The error is a constant, so it cannot either.
    pub fn secret<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&'n str) -> Result<T, &'static str>,
    ) -> Option<T> {
        let parsed = parse(self.string(name)?);
        parsed
            .map_err(|message| self.report(self.path_of(name), message.to_owned()))
            .ok()
    }

    /// A string that is one of these.
    pub fn one_of<T: Clone>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        self.parsed(name, |text| choose(text, choices))
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, name: &str) -> Option<bool> {
        self.typed(name, Kind::Bool, Node::as_bool)
    }

    /// A whole number within bounds. `u64::MAX` as the upper one means none.
    pub fn u64(&mut self, name: &str, bounds: RangeInclusive<u64>) -> Option<u64> {
        let number = self.typed(name, Kind::Number, Node::as_number)?;
        if !number.is_whole() {
            let message = format!("must be a whole number, found {}", shown(number));
            self.report(self.path_of(name), message);
            return None;
        }
        // What does not fit is negative or huge, so outside the bounds.
        let value = number.text().parse().ok();
        let value = value.filter(|value| bounds.contains(value));
        if value.is_none() {
            let (min, max) = bounds.into_inner();
            let max = Some(max).filter(|&max| max < u64::MAX);
            self.report(self.path_of(name), outside(Some(min), max, number));
        }
        value
    }

    /// A whole number within bounds.
    pub fn u32(&mut self, name: &str, bounds: RangeInclusive<u32>) -> Option<u32> {
        let (min, max) = bounds.into_inner();
        let value = self.u64(name, u64::from(min)..=u64::from(max))?;
        // Always fits: `max` does.
        u32::try_from(value).ok()
    }

    /// A number within bounds. An infinite bound means none.
    pub fn number(&mut self, name: &str, bounds: RangeInclusive<f64>) -> Option<f64> {
        let number = self.typed(name, Kind::Number, Node::as_number)?;
        if !bounds.contains(&number.value()) {
            let (min, max) = bounds.into_inner();
            let [min, max] = [min, max].map(|bound| Some(bound).filter(|bound| bound.is_finite()));
            self.report(self.path_of(name), outside(min, max, number));
            return None;
        }
        Some(number.value())
    }

    /// A number that `parse` reads from its decimal digits, without a detour through a double: money. See `Number::text`.
    pub fn decimal<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&'n str) -> Result<T, E>,
    ) -> Option<T> {
        let number = self.typed(name, Kind::Number, Node::as_number)?;
        self.kept(self.path_of(name), number.text(), parse(number.text()))
    }

    /// A list of strings.
    pub fn list_of_strings(&mut self, name: &str) -> Option<Vec<&'n str>> {
        self.each(name, Kind::String, Node::as_str, |_, _, _, text| Some(text))
    }

    /// A list of strings that `parse` makes something of. Those that it refuses are reported and left out.
    pub fn list_of_parsed<T, E: Display>(
        &mut self,
        name: &str,
        mut parse: impl FnMut(&'n str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        self.each(name, Kind::String, Node::as_str, |fields, path, _, text| {
            fields.kept(path, text, parse(text))
        })
    }

    /// A list of strings that no message may repeat: see `secret`.
    pub fn list_of_secrets<T>(
        &mut self,
        name: &str,
        mut parse: impl FnMut(&'n str) -> Result<T, &'static str>,
    ) -> Option<Vec<T>> {
        self.each(name, Kind::String, Node::as_str, |fields, path, _, text| {
            parse(text)
                .map_err(|message| fields.report(path, message.to_owned()))
                .ok()
        })
    }

    /// A list of strings, each of which is one of these.
    pub fn some_of<T: Clone>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<Vec<T>> {
        self.list_of_parsed(name, |text| choose(text, choices))
    }

    /// A map. `f` returns `None` when something it needs is missing.
    pub fn map<R>(&mut self, name: &str, f: impl FnOnce(&mut Self) -> Option<R>) -> Option<R> {
        let map = self.typed(name, Kind::Map, Node::as_map)?;
        self.child(self.path_of(name), map, f)
    }

    /// A list of maps, empty if absent. `f` gets the index; where it returns `None` the map is left out.
    pub fn maps<R>(
        &mut self,
        name: &str,
        mut f: impl FnMut(usize, &mut Self) -> Option<R>,
    ) -> Vec<R> {
        self.each(name, Kind::Map, Node::as_map, |fields, path, index, map| {
            fields.child(path, map, |fields| f(index, fields))
        })
        .unwrap_or_default()
    }

    /// A map whose names are the admin's own, empty if absent. `f` gets each name, and the map to read its value from:
    /// `fields.entries("parameters", |name, fields| Some((name, fields.one_of(name, RULES)?)))`.
    pub fn entries<R>(
        &mut self,
        name: &str,
        mut f: impl FnMut(&'n str, &mut Self) -> Option<R>,
    ) -> Vec<R> {
        self.map(name, |fields| {
            let mut kept = Vec::with_capacity(fields.map.len());
            for name in fields.names() {
                let problems_before = fields.problems.len();
                let entry = f(name, fields);
                if entry.is_none() && fields.problems.len() == problems_before {
                    fields.report(fields.path_of(name), "cannot be read".to_owned());
                }
                kept.extend(entry);
            }
            Some(kept)
        })
        .unwrap_or_default()
    }

    /// Reports a field of this map, or what is at a path from here: `region`, `targets[1].provider`; empty for the map itself.
    pub fn problem(&mut self, field: &str, message: impl Into<String>) {
        let path = if field.is_empty() {
            self.path.clone()
        } else if self.has(field) {
            self.path_of(field)
        } else if self.path.is_empty() {
            field.to_owned()
        } else {
            let dot = if field.starts_with('[') { "" } else { "." };
            format!("{}{dot}{field}", self.path)
        };
        self.report(path, message.into());
    }

    /// Leaves the other fields unread: which ones belong here depends on a field that is wrong. It works only when a problem was
    /// reported in this map, so that nothing is ever skipped in a document that is accepted.
    pub fn skip_rest(&mut self) {
        self.is_rest_skipped = true;
    }
}

impl<'n> Fields<'n> {
    fn read<R>(
        path: String,
        map: &'n [(String, Node)],
        problems: Problems,
        f: impl FnOnce(&mut Self) -> Option<R>,
    ) -> (Option<R>, Problems) {
        let mut fields = Self::new(path, map, problems);
        let result = f(&mut fields);
        let problems = fields.finish(result.is_some());
        (result, problems)
    }

    /// Apart from `read`, which is generic: the module holds one copy of it, not one for each kind of map.
    fn new(path: String, map: &'n [(String, Node)], problems: Problems) -> Self {
        // One by one: `collect` would bring a sort of its own into the module.
        let mut index = BTreeMap::new();
        for (name, node) in map {
            index.insert(name.as_str(), node);
        }
        Self {
            path,
            map,
            index,
            known: BTreeSet::new(),
            is_rest_skipped: false,
            problems_before: problems.len(),
            problems,
        }
    }

    /// Reports what nobody took, and gives the problems back.
    fn finish(mut self, has_result: bool) -> Problems {
        let is_rest_skipped = self.is_rest_skipped && self.problems.len() > self.problems_before;
        for name in self.names() {
            if !is_rest_skipped && !self.known.contains(name) {
                self.report(self.path_of(name), self.unknown(name));
            }
        }
        if !has_result && self.problems.len() == self.problems_before {
            self.report(self.path.clone(), "cannot be read".to_owned());
        }
        self.problems
    }

    fn child<R>(
        &mut self,
        path: String,
        map: &'n [(String, Node)],
        f: impl FnOnce(&mut Self) -> Option<R>,
    ) -> Option<R> {
        let (result, problems) = Self::read(path, map, mem::take(&mut self.problems), f);
        self.problems = problems;
        result
    }

    /// The field, if it is of the kind that `read` reads.
    fn typed<T>(
        &mut self,
        name: &str,
        want: Kind,
        read: impl FnOnce(&'n Node) -> Option<T>,
    ) -> Option<T> {
        let node = self.node(name)?;
        let value = read(node);
        if value.is_none() {
            self.report(self.path_of(name), mismatch(want, node));
        }
        value
    }

    /// The items of a list that are of one kind and that `keep` keeps; it gets their path and index.
    fn each<V, T>(
        &mut self,
        name: &str,
        want: Kind,
        read: impl Fn(&'n Node) -> Option<V>,
        mut keep: impl FnMut(&mut Self, String, usize, V) -> Option<T>,
    ) -> Option<Vec<T>> {
        let items = self.typed(name, Kind::List, Node::as_list)?;
        let mut kept = Vec::with_capacity(items.len());
        for (index, node) in items.iter().enumerate() {
            let mut path = self.path_of(name);
            push_index(&mut path, index);
            match read(node) {
                Some(value) => kept.extend(keep(self, path, index, value)),
                None => self.report(path, mismatch(want, node)),
            }
        }
        Some(kept)
    }

    /// What `parse` made of the text at `path`.
    fn kept<T, E: Display>(&mut self, path: String, text: &str, parsed: Result<T, E>) -> Option<T> {
        parsed
            .map_err(|error| self.report(path, format!("cannot take {}: {error}", quoted(text))))
            .ok()
    }

    fn report(&mut self, path: String, message: String) {
        self.problems.push(Problem { path, message });
    }

    /// The message for a field that nobody took.
    fn unknown(&self, name: &str) -> String {
        // A name that is written here already is no slip of the pen for this one.
        let candidates = self.known.iter().filter(|known| !self.has(known));
        let closest = closest(name, candidates.map(String::as_str));
        let known = join(self.known.iter().map(String::as_str));
        match closest {
            Some(closest) => {
                format!("unknown field; did you mean '{closest}'? known here: {known}")
            }
            None if known.is_empty() => "unknown field; nothing is known here".to_owned(),
            None => format!("unknown field; known here: {known}"),
        }
    }
}

fn choose<T: Clone>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    choices
        .iter()
        .find(|(name, _)| *name == text)
        .map(|(_, value)| value.clone())
        .ok_or_else(|| remedy(text, &mut choices.iter().map(|(name, _)| *name)))
}

/// Apart from `choose`, which is generic.
fn remedy(text: &str, choices: &mut dyn Iterator<Item = &str>) -> String {
    let names: Vec<_> = choices.collect();
    let slip = closest(text, names.iter().copied())
        .map(|closest| format!("did you mean '{closest}'? "))
        .unwrap_or_default();
    format!("{slip}use one of {}", names.join(", "))
}

/// The known name that was meant, if this one is a slip of the pen.
fn closest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known
        .map(|known| (edit_distance(name, known), known))
        // A name of one letter is no slip of another one.
        .filter(|&(distance, known)| {
            distance < known.len() && distance <= known.len().div_ceil(3).min(3)
        })
        .min()
        .map(|(_, known)| known)
}

fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// The message for a value of the wrong kind. It names the kinds only: the value may be a secret.
fn mismatch(want: Kind, node: &Node) -> String {
    let want_text = match want {
        Kind::Bool => "true or false".to_owned(),
        Kind::Null | Kind::Number | Kind::String | Kind::List | Kind::Map => want.to_string(),
    };
    // YAML decides by itself whether a bare word is a string.
    let remedy = match (want, node.kind()) {
        (_, Kind::Null) => "; leave the field out instead",
        (Kind::String, Kind::Number | Kind::Bool) => "; put it in quotes",
        (Kind::Number | Kind::Bool, Kind::String) => "; write it without quotes",
        (Kind::List, _) => "; write a list even for one",
        _ => "",
    };
    format!("must be {want_text}, found {}{remedy}", node.kind())
}

fn outside<T: Display>(min: Option<T>, max: Option<T>, found: &Number) -> String {
    let found = shown(found);
    match (min, max) {
        (Some(min), Some(max)) => format!("must be between {min} and {max}, found {found}"),
        (Some(min), None) => format!("must be at least {min}, found {found}"),
        (None, Some(max)) => format!("must be at most {max}, found {found}"),
        (None, None) => format!("is out of bounds, found {found}"),
    }
}

/// A number's digits, or its size if they are many: `1e300` has 301.
fn shown(number: &Number) -> String {
    if number.text().len() > DIGITS_MAX {
        format!("{:e}", number.value())
    } else {
        number.text().to_owned()
    }
}

const DIGITS_MAX: usize = 24;

/// How many letters must be put in, taken out or replaced to make one name of the other.
fn edit_distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    // A row of the table: what it takes to make the first letters of `to`, without the empty beginning.
    let mut row: Vec<usize> = (1..=to.len()).collect();
    let mut distance = to.len();
    // No name we know is that long, and the work is the product of both.
    for (above, letter) in from.chars().take(LETTERS_MAX).enumerate() {
        let mut diagonal = above;
        distance = above.saturating_add(1);
        for (cell, &wanted) in row.iter_mut().zip(&to) {
            let replaced = diagonal.saturating_add(usize::from(letter != wanted));
            diagonal = mem::replace(cell, replaced.min((*cell).min(distance).saturating_add(1)));
            distance = *cell;
        }
    }
    distance
}

const LETTERS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::{Fields, edit_distance, read};

    /// What `f` makes of the document.
    #[track_caller]
    fn accept<R>(text: &str, f: impl FnOnce(&mut Fields<'_>) -> R) -> R {
        let root = parse(text.as_bytes()).unwrap();
        read(&root, |fields| Some(f(fields))).unwrap()
    }

    /// The problems that reading it with `f` finds, whatever it returns.
    #[track_caller]
    fn refuse<R>(text: &str, f: impl FnOnce(&mut Fields<'_>) -> R, want: &[&str]) {
        let root = parse(text.as_bytes()).unwrap();
        let problems = read(&root, |fields| {
            let _result = f(fields);
            Some(())
        });
        let problems = problems.unwrap_err();
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems, want);
    }

    const COLORS: &[(&str, u8)] = &[("red", 1), ("blue", 2)];

    fn even(text: &str) -> Result<usize, &'static str> {
        Some(text.len())
            .filter(|length| length % 2 == 0)
            .ok_or("odd; add a letter")
    }

    #[test]
    fn what_is_read_may_outlive_the_reader() {
        let root = parse(br#"{"a": "x", "b": ["y", "z"]}"#).unwrap();
        let read = read(&root, |fields| {
            Some((fields.string("a")?, fields.list_of_strings("b")?))
        });
        assert_eq!(read, Ok(("x", vec!["y", "z"])));
    }

    #[test]
    fn an_absent_field_is_no_problem() {
        accept("{}", |fields| {
            assert_eq!(fields.string("a"), None);
            assert_eq!(fields.boolean("a"), None);
            assert_eq!(fields.u64("a", 1..=2), None);
            assert_eq!(fields.number("a", 1.0..=2.0), None);
            assert_eq!(fields.one_of("a", COLORS), None);
            assert_eq!(fields.list_of_strings("a"), None);
            assert_eq!(fields.map("a", |_| Some(())), None);
            assert_eq!(fields.maps("a", |_, _| Some(())), []);
            assert_eq!(fields.entries("a", |name, _| Some(name)), [""; 0]);
        });
    }

    #[test]
    fn a_document_that_is_no_object_is_refused() {
        let root = parse(b"[1]").unwrap();
        let problems = read(&root, |_| Some(())).unwrap_err();
        assert_eq!(problems.to_string(), "must be a JSON object, found a list");
    }

    #[test]
    fn several_problems_are_found_at_once_with_their_paths() {
        refuse(
            r#"{"version": "1", "providers": [{"name": "a"}, {"region": 7, "kind": "x"}, 3]}"#,
            |fields| {
                fields.u32("version", 1..=1);
                fields.maps("providers", |_, fields| {
                    fields.required_string("name", "models refer to it");
                    fields.string("region");
                    fields.one_of("kind", COLORS)
                });
            },
            &[
                "version: must be a number, found a string; write it without quotes",
                "providers[0]: cannot be read",
                "providers[1].name: required; models refer to it",
                "providers[1].region: must be a string, found a number; put it in quotes",
                "providers[1].kind: cannot take 'x': use one of red, blue",
                "providers[2]: must be a map, found a number",
            ],
        );
    }

    #[test]
    fn the_wrong_kind_is_named_with_its_remedy() {
        refuse(
            r#"{"a": true, "b": "yes", "c": "x", "d": null, "e": {}, "f": [1, "x"]}"#,
            |fields| {
                fields.string("a");
                fields.boolean("b");
                fields.list_of_strings("c");
                fields.number("d", 0.0..=1.0);
                fields.string("e");
                fields.list_of_strings("f");
            },
            &[
                "a: must be a string, found a boolean; put it in quotes",
                "b: must be true or false, found a string; write it without quotes",
                "c: must be a list, found a string; write a list even for one",
                "d: must be a number, found null; leave the field out instead",
                "e: must be a string, found a map",
                "f[0]: must be a string, found a number; put it in quotes",
            ],
        );
    }

    #[test]
    fn a_required_string_is_not_empty() {
        refuse(
            r#"{"a": ""}"#,
            |fields| assert_eq!(fields.required_string("a", "name one"), None),
            &["a: must not be empty; name one"],
        );
    }

    #[test]
    fn any_field_can_be_required() {
        refuse(
            "{}",
            |fields| fields.require("color", "pick one").one_of("color", COLORS),
            &["color: required; pick one"],
        );
    }

    #[test]
    fn whole_numbers_may_come_as_doubles() {
        accept(r#"{"a": 1, "b": 2.0, "c": 3e3}"#, |fields| {
            assert_eq!(fields.u64("a", 0..=9), Some(1));
            assert_eq!(fields.u32("b", 0..=9), Some(2));
            assert_eq!(fields.u64("c", 0..=u64::MAX), Some(3_000));
        });
    }

    #[test]
    fn bounds_belong_to_what_they_bound() {
        accept(r#"{"a": 1, "b": 9, "c": -0.5}"#, |fields| {
            assert_eq!(fields.u64("a", 1..=9), Some(1));
            assert_eq!(fields.u32("b", 1..=9), Some(9));
            assert_eq!(fields.number("c", -0.5..=0.5), Some(-0.5));
        });
    }

    #[test]
    fn numbers_out_of_bounds_are_refused() {
        refuse(
            r#"{"a": 0, "b": -1, "c": 1e300, "d": 1.5, "e": 4294967296, "f": 0.1, "g": 2.5}"#,
            |fields| {
                fields.u64("a", 1..=9);
                fields.u64("b", 0..=u64::MAX);
                fields.u64("c", 0..=9);
                fields.u64("d", 0..=9);
                fields.u32("e", 0..=u32::MAX);
                fields.number("f", 0.5..=f64::INFINITY);
                fields.number("g", 0.0..=1.0)
            },
            &[
                "a: must be between 1 and 9, found 0",
                "b: must be at least 0, found -1",
                "c: must be between 0 and 9, found 1e300",
                "d: must be a whole number, found 1.5",
                "e: must be between 0 and 4294967295, found 4294967296",
                "f: must be at least 0.5, found 0.1",
                "g: must be between 0 and 1, found 2.5",
            ],
        );
    }

    #[test]
    fn money_is_read_from_its_digits() {
        accept(r#"{"a": 2.5e-6}"#, |fields| {
            let digits = fields.decimal("a", Ok::<_, String>);
            assert_eq!(digits, Some("0.0000025"));
        });
    }

    #[test]
    fn a_choice_is_taken_by_its_name() {
        accept(r#"{"a": "blue", "b": ["red", "blue"]}"#, |fields| {
            assert_eq!(fields.one_of("a", COLORS), Some(2));
            assert_eq!(fields.some_of("b", COLORS), Some(vec![1, 2]));
        });
    }

    #[test]
    fn a_choice_that_is_none_gets_the_list() {
        refuse(
            r#"{"a": ["red", "Red"]}"#,
            |fields| fields.some_of("a", COLORS),
            &["a[1]: cannot take 'Red': did you mean 'red'? use one of red, blue"],
        );
    }

    #[test]
    fn what_cannot_be_parsed_is_shown_clipped_and_escaped() {
        let long = "x".repeat(61);
        refuse(
            &format!(r#"{{"a": "b\n!", "b": ["{long}", "ok"]}}"#),
            |fields| {
                assert_eq!(fields.parsed("a", even), None);
                assert_eq!(fields.list_of_parsed("b", even), Some(vec![2]));
            },
            &[
                r"a: cannot take 'b\n!': odd; add a letter",
                &format!(
                    "b[0]: cannot take '{}...': odd; add a letter",
                    "x".repeat(60)
                ),
            ],
        );
    }

    #[test]
    fn a_secret_is_not_repeated() {
        refuse(
            r#"{"a": "hunter2", "b": 12345, "c": ["hunter", "hunter2"]}"#,
            |fields| {
                fields.secret("a", even);
                fields.secret("b", even);
                assert_eq!(fields.list_of_secrets("c", even), Some(vec![6]));
            },
            &[
                "a: odd; add a letter",
                "b: must be a string, found a number; put it in quotes",
                "c[1]: odd; add a letter",
            ],
        );
    }

    #[test]
    fn an_unknown_field_is_a_problem_and_gets_a_suggestion() {
        refuse(
            r#"{"regoin": 1, "kind": "x", "flavor": 2, "kinds": 3}"#,
            |fields| {
                fields.string("region");
                fields.string("kind");
            },
            &[
                "regoin: unknown field; did you mean 'region'? known here: kind, region",
                "flavor: unknown field; known here: kind, region",
                "kinds: unknown field; known here: kind, region",
            ],
        );
    }

    #[test]
    fn unknown_fields_are_found_at_every_depth() {
        refuse(
            r#"{"a": {"x.y": 1}, "b": [{}, {"x": 1}], "c": 1}"#,
            |fields| {
                fields.map("a", |_| Some(()));
                fields.maps("b", |_, fields| {
                    fields.string("name");
                    Some(())
                })
            },
            &[
                "a['x.y']: unknown field; nothing is known here",
                "b[1].x: unknown field; known here: name",
                "c: unknown field; known here: a, b",
            ],
        );
    }

    #[test]
    fn asking_what_a_field_is_does_not_take_it() {
        refuse(
            r#"{"a": 1}"#,
            |fields| (fields.has("a"), fields.kind("a")),
            &["a: unknown field; nothing is known here"],
        );
    }

    #[test]
    fn the_rest_is_skipped_when_its_meaning_depends_on_a_mistake() {
        refuse(
            r#"{"color": "blu", "depth": 3}"#,
            |fields| {
                if fields.one_of("color", COLORS).is_none() {
                    fields.skip_rest();
                }
            },
            &["color: cannot take 'blu': did you mean 'blue'? use one of red, blue"],
        );
    }

    #[test]
    fn the_rest_is_not_skipped_without_a_mistake_in_the_same_map() {
        refuse(
            r#"{"a": 1, "b": {"c": 2}}"#,
            |fields| {
                fields.string("a");
                fields.map("b", |fields| {
                    fields.skip_rest();
                    Some(())
                })
            },
            &[
                "a: must be a string, found a number; put it in quotes",
                "b.c: unknown field; nothing is known here",
            ],
        );
    }

    #[test]
    fn maps_know_their_index_and_path() {
        accept(r#"{"a": {"b": [{}, {}]}}"#, |fields| {
            let places = fields.map("a", |fields| {
                Some(fields.maps("b", |index, fields| {
                    Some((index, fields.path().to_owned(), fields.path_of("c.d")))
                }))
            });
            let places = places.unwrap();
            assert_eq!(places.len(), 2);
            assert_eq!(places[1].0, 1);
            assert_eq!(places[1].1, "a.b[1]");
            assert_eq!(places[1].2, "a.b[1]['c.d']");
        });
    }

    #[test]
    fn entries_are_read_like_fields() {
        accept(r#"{"a": {"seed": "red", "n": "blue"}}"#, |fields| {
            let entries = fields.entries("a", |name, fields| {
                Some((name, fields.one_of(name, COLORS)?))
            });
            assert_eq!(entries, [("seed", 1), ("n", 2)]);
        });
    }

    #[test]
    fn a_wrong_entry_has_its_path() {
        refuse(
            r#"{"a": {"claude-*": "red", "gpt-*": "x"}}"#,
            |fields| fields.entries("a", |name, fields| fields.one_of(name, COLORS)),
            &["a['gpt-*']: cannot take 'x': use one of red, blue"],
        );
    }

    #[test]
    fn the_caller_adds_problems_of_its_own() {
        refuse(
            r#"{"a": {"b.c": 1}}"#,
            |fields| {
                fields.map("a", |fields| {
                    fields.node("b.c");
                    fields.problem("", "is odd");
                    fields.problem("b.c", "is odder");
                    fields.problem("d[1].e", "is missing");
                    Some(())
                });
                fields.problem("a.d", "is far away");
            },
            &[
                "a: is odd",
                "a['b.c']: is odder",
                "a.d[1].e: is missing",
                "a.d: is far away",
            ],
        );
    }

    #[test]
    fn no_result_without_a_problem_is_a_problem() {
        let root = parse(b"{}").unwrap();
        let problems = read(&root, |_| None::<()>).unwrap_err();
        assert_eq!(problems.to_string(), "cannot be read");
    }

    #[test]
    fn an_entry_left_out_without_a_problem_is_a_problem() {
        refuse(
            r#"{"a": {"b": 1}}"#,
            |fields| {
                fields.entries("a", |name, fields| fields.node(name).and(None::<()>));
            },
            &["a.b: cannot be read"],
        );
    }

    #[test]
    fn a_result_with_a_problem_is_no_result() {
        let root = parse(br#"{"a": 1}"#).unwrap();
        assert!(read(&root, |_| Some(())).is_err());
    }

    #[test]
    fn the_edit_distance_counts_letters() {
        assert_eq!(edit_distance("", ""), 0);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("abc", ""), 3);
        assert_eq!(edit_distance("region", "region"), 0);
        assert_eq!(edit_distance("regoin", "region"), 2);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
    }
}
