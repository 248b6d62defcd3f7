//! The places of legacy completions.

use super::{Events, Holds, Sites};

pub(in crate::client) static COMPLETIONS: Sites = Sites {
    request: &[
        ("$.prompt", Holds::Tokens),
        ("$.prompt[*]", Holds::Tokens),
        ("$.prompt[*][*]", Holds::Tokens),
        ("$.suffix", Holds::Text),
        ("$.model", Holds::Kept),
    ],
    answer: &[
        ("$.choices[*].text", Holds::Text),
        ("$.choices[*].logprobs", Holds::Shadow),
        ("$['id','model','object']", Holds::Kept),
        ("$.choices[*].finish_reason", Holds::Kept),
    ],
    events: Events::Pieces {
        renamed: None,
        items: "choices",
        end: "finish_reason",
    },
    parts: &[""],
    others: &["best_of", "echo"],
};
