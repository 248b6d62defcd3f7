//! What is asked of a model that turns texts into vectors.

use super::Escaped;
use crate::codec::json::Text;

/// All of what is asked, borrowed from the body it came in.
///
/// The answer is one vector for each input, in their order, and what they cost. A vector travels as the
/// JSON list of numbers that the upstream wrote: how the app gets it is the client format's affair.
#[derive(Debug, Default)]
pub struct Embed<'a> {
    /// The texts, none of them empty.
    pub inputs: Vec<Escaped<'a>>,
    /// How many numbers a vector is to have.
    pub dimensions: Option<u64>,
    /// What the vectors are for. OpenAI has no such field; its SDKs pass one on in `extra_body`.
    pub input_type: Option<InputType>,
    /// How the app wants the vectors.
    pub encoding: Encoding,
    /// Parameters of the format that have no place above.
    pub others: Vec<Text<'a>>,
}

/// How an app wants its vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// A list of numbers.
    #[default]
    Float,
    /// The base64 of little-endian 32-bit floats.
    Base64,
}

/// What vectors are for, where a model makes a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputType {
    /// Texts that are searched.
    Document,
    /// Texts that search.
    Query,
    /// Texts that a classifier sorts.
    Classification,
    /// Texts that are put into groups.
    Clustering,
}

impl InputType {
    /// The words for each, which are Cohere's.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("search_document", Self::Document),
        ("search_query", Self::Query),
        ("classification", Self::Classification),
        ("clustering", Self::Clustering),
    ];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let words = Self::WORDS.iter().find(|(_, known)| *known == self);
        words.map_or("search_document", |(word, _)| word)
    }
}
