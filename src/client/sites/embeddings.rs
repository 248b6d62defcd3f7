//! The places of embeddings: an answer has vectors only.

use super::{Events, Holds, Sites};

pub(in crate::client) static EMBEDDINGS: Sites = Sites {
    request: &[
        ("$..*", Holds::Any),
        ("$.input", Holds::Tokens),
        ("$.input[*]", Holds::Tokens),
        ("$.input[*][*]", Holds::Tokens),
        ("$['model','encoding_format']", Holds::Kept),
        ("$.user", Holds::Aside),
    ],
    answer: &[],
    events: Events::None,
    parts: &[""],
    others: &["data", "dimensions", "object"],
};
