//! What is wrong with a document, and where.

use std::fmt;

/// One thing that is wrong. Lower case, no full stop, with its remedy where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: `providers[1].region`. Empty for the whole document.
    pub path: String,
    /// What, and what to write instead.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(out, "{}: ", self.path)?;
        }
        out.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

/// Everything that is wrong, in the order it was found. The first 100 are kept, the others counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    kept: Vec<Problem>,
    more: usize,
}

const KEPT_MAX: usize = 100;

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        if self.kept.len() < KEPT_MAX {
            self.kept.push(problem);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// How many there are, with those that were only counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len().saturating_add(self.more)
    }

    /// Those that were kept.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.kept.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self {
            kept: vec![problem],
            more: 0,
        }
    }
}

/// One problem per line, without a newline after the last.
impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.kept.iter().enumerate() {
            if index > 0 {
                out.write_str("\n")?;
            }
            write!(out, "{problem}")?;
        }
        if self.more > 0 {
            write!(out, "\nand {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Puts an admin's text into a message: in quotes, on one line, clipped.
pub(super) fn quoted(text: &str) -> String {
    let clipped = match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => text.get(..end).unwrap_or_default(),
        None => text,
    };
    let dots = if clipped.len() < text.len() {
        "..."
    } else {
        ""
    };
    format!("'{}{dots}'", clipped.escape_debug())
}

pub(super) const QUOTED_CHARS_MAX: usize = 60;

#[cfg(test)]
mod tests {
    use super::{Problem, Problems, quoted};

    fn problem(path: &str) -> Problem {
        Problem {
            path: path.to_owned(),
            message: "is wrong".to_owned(),
        }
    }

    #[test]
    fn a_problem_begins_with_its_path() {
        assert_eq!(problem("a[1].b").to_string(), "a[1].b: is wrong");
        assert_eq!(problem("").to_string(), "is wrong");
    }

    #[test]
    fn problems_are_shown_one_per_line() {
        let mut problems = Problems::from(problem("a"));
        problems.push(problem("b"));
        assert_eq!(problems.to_string(), "a: is wrong\nb: is wrong");
    }

    #[test]
    fn past_a_hundred_problems_are_counted_only() {
        let mut problems = Problems::default();
        for _ in 0..103 {
            problems.push(problem("a"));
        }
        assert_eq!(problems.iter().count(), 100);
        assert_eq!(problems.len(), 103);
        assert!(problems.to_string().ends_with("a: is wrong\nand 3 more"));
    }

    #[test]
    fn quoted_text_is_clipped_and_stays_on_its_line() {
        assert_eq!(quoted("a\n\u{1b}'b"), r"'a\n\u{1b}\'b'");
        assert_eq!(quoted(&"é".repeat(60)), format!("'{}'", "é".repeat(60)));
        assert_eq!(quoted(&"é".repeat(61)), format!("'{}...'", "é".repeat(60)));
    }
}
