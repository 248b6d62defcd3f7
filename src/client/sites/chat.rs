//! The places of chat completions.
//!
//! Texts of a request are known by their place only so far that a file may stand in them as text.
//! What stands in a message of an answer comes in pieces: its own strings, whatever they are called, and those that are
//! listed below them. Any other string is whole where it comes.

use super::{Events, Holds, Sites};

pub(in crate::client) static CHAT: Sites = Sites {
    request: &[
        ("$..*", Holds::Any),
        ("$.messages[*].content", Holds::Text),
        ("$.messages[*].content[*].text", Holds::Text),
        (
            "$.messages[*].tool_calls[*].function.arguments",
            Holds::Json,
        ),
        ("$.messages[*].function_call.arguments", Holds::Json),
        (
            "$.messages[*].content[?@.type != 'text' && @.type != 'refusal']",
            Holds::Media(1),
        ),
        ("$.messages[*].audio", Holds::Media(0)),
        ("$.modalities[?@ != 'text']", Holds::Media(0)),
        ("$['model','seed']", Holds::Kept),
        (
            "$['user','safety_identifier','prompt_cache_key']",
            Holds::Aside,
        ),
        ("$.metadata.*", Holds::Aside),
        ("$['tool_choice','function_call']..*", Holds::Kept),
        ("$.messages[*]['role','tool_call_id']", Holds::Kept),
        ("$.messages[*].tool_calls[*]['id','type']", Holds::Kept),
        (
            "$.messages[*].tool_calls[*]['function','custom'].name",
            Holds::Kept,
        ),
        ("$.messages[*].function_call.name", Holds::Kept),
        (
            "$.messages[*].thinking_blocks[*]['signature','data']",
            Holds::Kept,
        ),
        ("$.messages[*].content[*].type", Holds::Kept),
        (
            "$['tools','functions','response_format']..['enum','required'][*]",
            Holds::Kept,
        ),
        ("$.tools[*].type", Holds::Kept),
        ("$.tools[*]['function','custom'].name", Holds::Kept),
        ("$.functions[*].name", Holds::Kept),
        ("$['response_format'].type", Holds::Kept),
        ("$.response_format.json_schema.name", Holds::Kept),
    ],
    answer: &[
        ("$..*", Holds::Any),
        // These come in pieces, below the texts that any member of a message may be.
        (
            "$.choices[*].message.content[*]['text','refusal']",
            Holds::Text,
        ),
        (
            "$.choices[*].message.tool_calls[*].function.arguments",
            Holds::Json,
        ),
        (
            "$.choices[*].message.tool_calls[*].custom.input",
            Holds::Text,
        ),
        ("$.choices[*].message.function_call.arguments", Holds::Json),
        (
            "$.choices[*].message.thinking_blocks[*].thinking",
            Holds::Text,
        ),
        (
            "$.choices[*].message.reasoning_details[*]['text','summary']",
            Holds::Text,
        ),
        ("$.choices[*].message.audio.transcript", Holds::Text),
        ("$.choices[*].logprobs", Holds::Shadow),
        (
            "$['id','model','object','system_fingerprint','service_tier','obfuscation']",
            Holds::Kept,
        ),
        ("$.metadata.*", Holds::Aside),
        (
            "$.choices[*].message['role','phase','signature']",
            Holds::Kept,
        ),
        ("$.choices[*].message.audio['id','data']", Holds::Kept),
        (
            "$.choices[*].message['thinking_blocks','reasoning_details'][*]['id','type','format','signature','data']",
            Holds::Kept,
        ),
        ("$.choices[*].finish_reason", Holds::Kept),
        (
            "$.choices[*].message.tool_calls[*]['id','type']",
            Holds::Kept,
        ),
        (
            "$.choices[*].message.tool_calls[*]['function','custom'].name",
            Holds::Kept,
        ),
        ("$.choices[*].message.function_call.name", Holds::Kept),
    ],
    events: Events::Pieces {
        renamed: Some(("delta", "message")),
        items: "choices",
        pieces: "message",
        end: "finish_reason",
    },
    parts: &["", r#"{"type":"text","text":"[removed]"}"#],
    others: &[
        "audio",
        "created",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "metadata",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_retention",
        "prompt_filter_results",
        "reasoning_effort",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "system_fingerprint",
        "temperature",
        "top_logprobs",
        "top_p",
        "usage",
        "user",
        "verbosity",
        "web_search_options",
    ],
};
