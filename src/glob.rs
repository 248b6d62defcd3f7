//! Patterns for names: `claude-*`, `*`, `gpt-5`.
//!
//! Only `*` is special: it stands for any run of characters, also none. Case counts. Matching is linear in the name, whatever
//! the pattern, because the pieces between the stars are searched from left to right and never again.
//!
//! What other globs give a meaning (`?`, `[..]`, `{..}`, `\`) is refused: read as itself it would silently match no name.

use std::fmt;
use std::str::FromStr;

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: String,
    pattern: Pattern,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    /// Without a star: the name itself, which is `Glob::text`.
    Exact,
    /// `prefix * middle[0] * middle[1] * .. * suffix`; the middle pieces are not empty.
    Stars {
        prefix: String,
        middle: Vec<String>,
        suffix: String,
    },
}

impl Glob {
    /// Whether the whole of `name` fits the pattern.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match &self.pattern {
            Pattern::Exact => name == self.text,
            Pattern::Stars {
                prefix,
                middle,
                suffix,
            } => name
                .strip_prefix(prefix.as_str())
                .and_then(|rest| rest.strip_suffix(suffix.as_str()))
                // The leftmost place for a piece leaves the most room for the next ones, so there is nothing to go back to.
                .and_then(|rest| {
                    middle.iter().try_fold(rest, |rest, piece| {
                        rest.split_once(piece.as_str()).map(|(_, after)| after)
                    })
                })
                .is_some(),
        }
    }

    /// Whether it has no star and so matches one name only.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        matches!(self.pattern, Pattern::Exact)
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Glob {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::Empty);
        }
        if let Some(found) = text.chars().find(|&letter| r"?[]{}\".contains(letter)) {
            return Err(Error::NotSupported(found));
        }
        let pattern = match (text.split_once('*'), text.rsplit_once('*')) {
            (Some((prefix, _)), Some((before, suffix))) => Pattern::Stars {
                prefix: prefix.to_owned(),
                // Between the first star and the last one; of a lone star, nothing.
                middle: before
                    .split('*')
                    .skip(1)
                    .filter(|piece| !piece.is_empty())
                    .map(str::to_owned)
                    .collect(),
                suffix: suffix.to_owned(),
            },
            _ => Pattern::Exact,
        };
        Ok(Self {
            text: text.to_owned(),
            pattern,
        })
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// An empty pattern would match only the empty name.
    Empty,
    /// A character that other globs give a meaning, and this one does not.
    NotSupported(char),
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => out.write_str("the pattern is empty; write * for every name"),
            Self::NotSupported(found) => {
                write!(
                    out,
                    "{found} is not supported in a pattern; only * is special"
                )
            }
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::{Error, Glob};

    #[track_caller]
    fn check(pattern: &str, hits: &[&str], misses: &[&str]) {
        let glob: Glob = pattern.parse().unwrap();
        for name in hits {
            assert!(glob.matches(name), "{pattern} should match {name}");
        }
        for name in misses {
            assert!(!glob.matches(name), "{pattern} should not match {name}");
        }
    }

    #[test]
    fn a_name_matches_itself_only() {
        check("gpt-5", &["gpt-5"], &["", "gpt-5x", "xgpt-5", "GPT-5"]);
    }

    #[test]
    fn a_star_matches_everything() {
        check("*", &["", "x", "é"], &[]);
        check("**", &["", "x", "é"], &[]);
    }

    #[test]
    fn a_star_at_the_end_takes_the_rest() {
        check(
            "claude-*",
            &["claude-", "claude-3"],
            &["claude", "a-claude-"],
        );
    }

    #[test]
    fn a_star_at_the_start_takes_what_comes_before() {
        check("*-mini", &["-mini", "o4-mini"], &["o4-mini-", "mini"]);
    }

    #[test]
    fn prefix_and_suffix_do_not_share_characters() {
        check("aba*aba", &["abaaba", "abaxaba"], &["aba", "ababa"]);
    }

    #[test]
    fn pieces_come_in_order_and_do_not_overlap() {
        check("*a*b*", &["ab", "xaxbx", "aab"], &["ba", "a", "b"]);
        check("a*aa*a", &["aaaa", "axaaxa"], &["aaa", "a"]);
    }

    #[test]
    fn dots_are_only_dots() {
        check("anthropic.*:0", &["anthropic.x:0"], &["anthropicxx:0"]);
    }

    #[test]
    fn a_hostile_pattern_takes_no_longer() {
        let pattern = "*a".repeat(2_000);
        let name = "a".repeat(1_999) + &"b".repeat(100_000);
        check(&pattern, &[], &[&name]);
    }

    #[test]
    fn every_small_pattern_agrees_with_the_definition() {
        fn defined(pattern: &[u8], name: &[u8]) -> bool {
            match (pattern, name) {
                ([], []) => true,
                ([b'*', rest @ ..], _) => {
                    (0..=name.len()).any(|taken| defined(rest, &name[taken..]))
                }
                ([first, rest @ ..], [letter, others @ ..]) => {
                    first == letter && defined(rest, others)
                }
                _ => false,
            }
        }
        fn words(alphabet: &str, length_max: usize) -> Vec<String> {
            let mut words = vec![String::new()];
            let mut from = 0;
            for _ in 0..length_max {
                let to = words.len();
                for at in from..to {
                    for letter in alphabet.chars() {
                        words.push(format!("{}{letter}", words[at]));
                    }
                }
                from = to;
            }
            words
        }
        let names = words("ab", 5);
        for pattern in words("ab*", 5).into_iter().skip(1) {
            let glob: Glob = pattern.parse().unwrap();
            for name in &names {
                let want = defined(pattern.as_bytes(), name.as_bytes());
                assert_eq!(glob.matches(name), want, "{pattern} on {name}");
            }
        }
    }

    #[test]
    fn only_a_pattern_without_a_star_is_exact() {
        assert!("gpt-5".parse::<Glob>().unwrap().is_exact());
        assert!(!"gpt-*".parse::<Glob>().unwrap().is_exact());
    }

    #[test]
    fn what_would_silently_match_nothing_is_refused() {
        assert_eq!("".parse::<Glob>(), Err(Error::Empty));
        assert_eq!("gpt-?".parse::<Glob>(), Err(Error::NotSupported('?')));
        assert_eq!("{a,b}".parse::<Glob>(), Err(Error::NotSupported('{')));
    }
}
