//! The places of legacy completions.

use super::{Events, Holds, Sites};

pub(in crate::client) static COMPLETIONS: Sites = Sites {
    request: &[
        ("$..*", Holds::Any),
        ("$.prompt", Holds::Tokens),
        ("$.prompt[*]", Holds::Tokens),
        ("$.prompt[*][*]", Holds::Tokens),
        ("$.suffix", Holds::Text),
        ("$.model", Holds::Kept),
        ("$.user", Holds::Aside),
        ("$.seed", Holds::Kept),
    ],
    answer: &[
        ("$..*", Holds::Any),
        ("$.choices[*].text", Holds::Text),
        ("$.choices[*].logprobs", Holds::Shadow),
        (
            "$['id','model','object','system_fingerprint','obfuscation']",
            Holds::Kept,
        ),
        ("$.choices[*].finish_reason", Holds::Kept),
    ],
    events: Events::Pieces {
        renamed: None,
        items: "choices",
        pieces: "text",
        end: "finish_reason",
    },
    parts: &[""],
    others: &["best_of", "echo"],
};
