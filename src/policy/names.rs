//! What the admin may call things, and a table from names and patterns to what they stand for.
//!
//! Exact names win over patterns, and patterns are tried in the order they were written. What could
//! never be found, because something before it matches all that it matches, is refused.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::glob::Glob;

/// A table from names and patterns to `T`.
#[derive(Debug)]
pub(super) struct Names<T> {
    exact: BTreeMap<String, T>,
    globs: Vec<(Glob, T)>,
}

/// Why an entry could never be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clash<T> {
    /// The same text stands for this already.
    Twice(T),
    /// The pattern of this one, written before, matches all that the new one would.
    Covered(T),
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self {
            exact: BTreeMap::new(),
            globs: Vec::new(),
        }
    }
}

impl<T: Clone> Names<T> {
    /// Adds an entry behind those that are there.
    pub(super) fn insert(&mut self, name: Glob, value: T) -> Result<(), Clash<T>> {
        if name.is_exact() {
            return match self.exact.entry(name.as_str().to_owned()) {
                Entry::Occupied(known) => Err(Clash::Twice(known.get().clone())),
                Entry::Vacant(place) => {
                    place.insert(value);
                    Ok(())
                }
            };
        }
        // A pattern that matches another one's text, with its stars taken as letters, does so with stars of
        // its own, which take whatever those letters stand for.
        let covers = |(known, _): &&(Glob, T)| known.matches(name.as_str());
        if let Some((known, value)) = self.globs.iter().find(covers) {
            let value = value.clone();
            return Err(if *known == name {
                Clash::Twice(value)
            } else {
                Clash::Covered(value)
            });
        }
        self.globs.push((name, value));
        Ok(())
    }
}

impl<T> Names<T> {
    /// What `name` stands for.
    pub(super) fn find(&self, name: &str) -> Option<&T> {
        self.exact.get(name).or_else(|| {
            let found = self.globs.iter().find(|(glob, _)| glob.matches(name));
            found.map(|(_, value)| value)
        })
    }

    /// Whether some name that fits `glob` may be found. Where both have stars the answer is yes, unproven.
    pub(super) fn may_meet(&self, glob: &Glob) -> bool {
        if glob.is_exact() {
            return self.find(glob.as_str()).is_some();
        }
        !self.globs.is_empty() || self.exact.keys().any(|name| glob.matches(name))
    }

    /// Whether there is no entry.
    pub(super) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.globs.is_empty()
    }
}

/// The name of a provider or a consumer: it goes into errors, Envoy's metadata and metric names.
pub(super) fn plain(text: &str) -> Result<String, &'static str> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if (1..=PLAIN_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_legal) {
        Ok(text.to_owned())
    } else {
        Err("a name has 1 to 64 letters, digits, '_', '-' or '.'")
    }
}

const PLAIN_BYTES_MAX: usize = 64;

/// The name of an Envoy cluster: it goes into a header.
pub(super) fn cluster(text: &str) -> Result<String, &'static str> {
    if is_visible(text) {
        Ok(text.to_owned())
    } else {
        Err("a cluster's name has 1 to 256 visible ASCII characters and no space")
    }
}

/// The public name of a model, or a pattern for such names.
pub(super) fn public(text: &str) -> Result<Glob, String> {
    if !is_visible(text) {
        return Err("a model's name has 1 to 256 visible ASCII characters and no space".to_owned());
    }
    text.parse().map_err(|error| format!("{error}"))
}

/// Whether an app's name for a model may be looked up: it has the form of a public name, and is no step
/// of a path, into which it may go.
pub(super) fn is_askable(name: &str) -> bool {
    is_visible(name) && !matches!(name, "." | "..")
}

fn is_visible(text: &str) -> bool {
    (1..=VISIBLE_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

const VISIBLE_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn table(names: &[&str]) -> Names<usize> {
        let mut table = Names::default();
        for (index, name) in names.iter().enumerate() {
            table.insert(name.parse().unwrap(), index).unwrap();
        }
        table
    }

    #[track_caller]
    fn check(names: &[&str], asked: &str, want: Option<usize>) {
        assert_eq!(table(names).find(asked).copied(), want);
    }

    #[track_caller]
    fn check_clash(names: &[&str], next: &str, want: Result<(), Clash<usize>>) {
        let mut table = table(names);
        assert_eq!(table.insert(next.parse().unwrap(), names.len()), want);
    }

    #[test]
    fn an_exact_name_wins_over_a_pattern_before_it() {
        check(&["gpt-*", "gpt-5"], "gpt-5", Some(1));
        check(&["gpt-*", "gpt-5"], "gpt-5-mini", Some(0));
    }

    #[test]
    fn the_first_pattern_that_matches_wins() {
        check(&["gpt-5*", "gpt-*"], "gpt-5-mini", Some(0));
        check(&["gpt-*", "*-mini"], "gpt-5-mini", Some(0));
    }

    #[test]
    fn what_no_entry_matches_is_not_found() {
        check(&["gpt-*", "claude"], "claude-2", None);
        check(&[], "claude", None);
    }

    #[test]
    fn a_text_comes_once() {
        check_clash(&["a", "b"], "b", Err(Clash::Twice(1)));
        check_clash(&["a*", "b*"], "a*", Err(Clash::Twice(0)));
    }

    #[test]
    fn a_pattern_behind_a_wider_one_is_refused() {
        check_clash(&["a", "*"], "gpt-*", Err(Clash::Covered(1)));
        check_clash(&["g*-*"], "gpt-*-x", Err(Clash::Covered(0)));
    }

    #[test]
    fn a_pattern_behind_a_narrower_one_is_fine() {
        check_clash(&["gpt-*"], "*", Ok(()));
        check_clash(&["gpt-*"], "*-mini", Ok(()));
        check_clash(&["*"], "gpt-5", Ok(()));
    }

    #[test]
    fn a_list_meets_what_it_could_match() {
        let may_meet = |names: &[&str], glob: &str| table(names).may_meet(&glob.parse().unwrap());
        assert!(may_meet(&["claude-4"], "claude*"));
        assert!(may_meet(&["gpt-*"], "gpt-5"));
        assert!(may_meet(&["gpt-*"], "*-mini"));
        assert!(!may_meet(&["claude-4"], "claude"));
        assert!(!may_meet(&["claude-4"], "gpt*"));
    }

    #[test]
    fn names_have_legal_characters_only() {
        for text in ["", "a b", "a/b", "\u{e9}", &"x".repeat(65)] {
            assert!(plain(text).is_err(), "{text}");
        }
        assert!(plain("Team_1.eu-west").is_ok());
        for text in ["", "a b", "a\n", &"x".repeat(257)] {
            assert!(cluster(text).is_err(), "{text}");
            assert!(public(text).is_err(), "{text}");
        }
        assert!(cluster("outbound|443||api.example").is_ok());
        assert!(public("meta/llama:8b*").is_ok());
        assert!(public("gpt-?").is_err());
    }
}
