//! The places of the agents API.
//!
//! It has many documents, and its provider adds to them: so every text counts but what is known to be an id, a name of a
//! tool or model, an enumeration, or an app's own credential for a tool. The kept ones are told by their place, for
//! arguments, metadata and what tools say may have members of the same names. An item stands where a list has it, under its
//! id, so that one selector takes it in lists and in streams.

use super::At::{Id, Name, Number};
use super::{At, Events, Holds, Is, Sites, Typed};

/// The places of the agents API.
pub static AGENTS: Sites = Sites {
    request: &[
        ("$..*", Holds::Any),
        // A file may stand in these as text.
        ("$.input", Holds::Text),
        ("$.input[*].content", Holds::Text),
        ("$.input[*].content[*].text", Holds::Text),
        ("$.events[*].input[*].content", Holds::Text),
        ("$.events[*].input[*].content[*].text", Holds::Text),
        ("$.events[*].output", Holds::Text),
        ("$.events[*].output[*].text", Holds::Text),
        ("$..arguments", Holds::Json),
        (
            "$['model','agent_id','service_tier','review','role_arn','type']",
            Holds::Kept,
        ),
        ("$.vault_ids[*]", Holds::Kept),
        ("$['agent','tools']..['enum','required'][*]", Holds::Kept),
        ("$.agent['model','service_tier']", Holds::Kept),
        (
            "$.tools[*]['type','name','server_label','server_url','authorization','credential_id']",
            Holds::Kept,
        ),
        ("$.tools[*].transport.server_url", Holds::Kept),
        ("$.tools[*]['headers','env']..*", Holds::Kept),
        ("$.tools[*].transport['headers','env']..*", Holds::Kept),
        (
            "$.agent.tools[*]['type','name','server_label','server_url','authorization','credential_id']",
            Holds::Kept,
        ),
        ("$.agent.tools[*].transport.server_url", Holds::Kept),
        ("$.agent.tools[*]['headers','env']..*", Holds::Kept),
        (
            "$.agent.tools[*].transport['headers','env']..*",
            Holds::Kept,
        ),
        (
            "$.environment['type','id','workspace_directory']",
            Holds::Kept,
        ),
        ("$.environment['env','headers']..*", Holds::Kept),
        ("$.input[*]['type','role']", Holds::Kept),
        ("$.input[*].content[*].type", Holds::Kept),
        (
            "$.events[*]['type','call_id','turn_id','request_id']",
            Holds::Kept,
        ),
        ("$.events[*].input[*]['type','role']", Holds::Kept),
        ("$.events[*].input[*].content[*].type", Holds::Kept),
        ("$.events[*].output[*].type", Holds::Kept),
        ("$.events[*].response['type','decision']", Holds::Kept),
        ("$.target..model", Holds::Kept),
        (
            "$.input[*].content[?@.type != 'input_text']",
            Holds::Media(1),
        ),
        (
            "$.events[*].input[*].content[?@.type != 'input_text']",
            Holds::Media(1),
        ),
        (
            "$.events[*].output[?@.type && @.type != 'input_text' && @.type != 'output_text' && @.type != 'text']",
            Holds::Media(1),
        ),
    ],
    answer: &[
        ("$..*", Holds::Any),
        ("$..arguments", Holds::Json),
        (
            "$['id','object','type','status','model','role','call_id','turn_id','request_id']",
            Holds::Kept,
        ),
        (
            "$['event_id','session_id','item_id','agent_id','environment_id','subagent_id','service_tier']",
            Holds::Kept,
        ),
        ("$.vault_ids[*]", Holds::Kept),
        ("$.data[*].vault_ids[*]", Holds::Kept),
        ("$['first_id','last_id','obfuscation']", Holds::Kept),
        (
            "$.data[*]['id','object','type','status','model','role','name','server_label','call_id','turn_id','request_id']",
            Holds::Kept,
        ),
        (
            "$.data[*]['session_id','agent_id','recipient_agent_id','sender_agent_id','environment_id','subagent_id']",
            Holds::Kept,
        ),
        ("$['content','summary','output'][*].type", Holds::Kept),
        (
            "$.data[*]['content','summary','output'][*].type",
            Holds::Kept,
        ),
        ("$.data[*].output['type','image_url']", Holds::Kept),
        (
            "$['agent','environment']['id','type','model','service_tier','status']",
            Holds::Kept,
        ),
        (
            "$.data[*]['agent','environment']['id','type','model','service_tier','status']",
            Holds::Kept,
        ),
        (
            "$.agent.tools[*]['type','name','server_label','server_url']",
            Holds::Kept,
        ),
        (
            "$.data[*].agent.tools[*]['type','name','server_label','server_url']",
            Holds::Kept,
        ),
        ("$.agent.tools[*]..['enum','required'][*]", Holds::Kept),
        (
            "$.data[*].agent.tools[*]..['enum','required'][*]",
            Holds::Kept,
        ),
        (
            "$.required_actions[*]['type','name','call_id','turn_id','request_id','environment_id']",
            Holds::Kept,
        ),
    ],
    events: Events::Typed(TYPED),
    parts: &["", r#"{"type":"input_text","text":"[removed]"}"#],
    others: &[
        "data",
        "description",
        "events",
        "input",
        "instructions",
        "name",
        "tools",
        "title",
    ],
};

const SESSION: &[At] = &[];
const ITEM: &[At] = &[Name("data"), Id("item", "id")];
const PART: &[At] = &[
    Name("data"),
    Id("item_id", ""),
    Name("content"),
    Number("content_index"),
];
const TEXT: &[At] = &[
    Name("data"),
    Id("item_id", ""),
    Name("content"),
    Number("content_index"),
    Name("text"),
];
const SUMMARY: &[At] = &[
    Name("data"),
    Id("item_id", ""),
    Name("summary"),
    Number("summary_index"),
];
const SUMMARY_TEXT: &[At] = &[
    Name("data"),
    Id("item_id", ""),
    Name("summary"),
    Number("summary_index"),
    Name("text"),
];
const OUTPUT: &[At] = &[Name("data"), Id("item_id", ""), Name("output")];

macro_rules! events {
    ($($name:literal $member:literal $path:ident $is:ident;)*) => {
        &[$(Typed { name: $name, member: $member, path: $path, is: Is::$is }),*]
    };
}

/// A session that rests has told all of its texts; a turn's end is none of theirs, for a subagent's is not its session's.
const TYPED: &[Typed] = events! {
    "agent.session.turn.output_text.delta" "delta" TEXT Piece;
    "agent.session.turn.output_text.done" "text" TEXT Complete;
    "agent.session.turn.reasoning_summary_text.delta" "delta" SUMMARY_TEXT Piece;
    "agent.session.turn.reasoning_summary_text.done" "text" SUMMARY_TEXT Complete;
    "agent.output.command_execution_output.delta" "delta" OUTPUT Piece;
    "agent.session.turn.content_part.added" "part" PART Begun;
    "agent.session.turn.content_part.done" "part" PART Complete;
    "agent.session.turn.reasoning_summary_part.added" "part" SUMMARY Begun;
    "agent.session.turn.reasoning_summary_part.done" "part" SUMMARY Complete;
    "agent.session.turn.item.added" "item" ITEM Begun;
    "agent.session.turn.item.done" "item" ITEM Complete;
    "agent.session.turn.created" "turn" SESSION Begun;
    "agent.session.turn.in_progress" "turn" SESSION Begun;
    "agent.session.turn.completed" "turn" SESSION Begun;
    "agent.session.turn.failed" "turn" SESSION Begun;
    "agent.session.turn.cancelled" "turn" SESSION Begun;
    "agent.session.created" "session" SESSION Begun;
    "agent.session.in_progress" "session" SESSION Begun;
    "agent.session.idle" "session" SESSION Complete;
    "agent.session.requires_action" "session" SESSION Complete;
    "agent.session.failed" "session" SESSION Complete;
    "agent.session.budget_reached" "session" SESSION Complete;
};
