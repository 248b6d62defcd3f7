//! Places in a JSON document: RFC 9535 (JSONPath), lowered to what one walk over the bytes can follow.
//!
//! A [`Selector`] is parsed once, at configuration (`parse`), and becomes a path through a [`Matcher`]: a small automaton
//! that many selectors share. Its states go down with the walk, so a document is read once, whatever the number of
//! selectors, and no tree is built. Lowered are names, indexes, slices, wildcards, descendants, and filters (`filter`)
//! that test existence or compare with literals. Functions, absolute queries inside filters, comparisons of two queries
//! and filters or negative indexes below `..` (work that grows with depth) are refused when the selector is parsed.

mod filter;
mod matcher;
mod parse;

pub use matcher::{Key, Marks, Matcher};
pub use parse::{Error, Selector};

#[cfg(test)]
mod tests;
