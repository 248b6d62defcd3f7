//! The places of responses: items of many types, to which every version of the API adds.

use super::At::{Name, Number};
use super::{At, Events, Holds, Is, Sites, Typed};

/// The places of a body: its own, then those that a request and an answer have alike, whose items and tools stand where it says.
macro_rules! places {
    (items: $items:literal, tools: [$($tools:literal),+], [$($own:expr,)+]) => {
        &[
            ("$..*", Holds::Any),
            $($own,)+
            ("$.conversation.id", Holds::Kept),
            ("$.tool_choice..*", Holds::Kept),
            ("$.text..['enum','required'][*]", Holds::Kept),
            ("$.prompt['id','version']", Holds::Kept),
            ("$['user','safety_identifier','prompt_cache_key']", Holds::Aside),
            ("$.metadata.*", Holds::Aside),
            (concat!($items, ".arguments"), Holds::Json),
            (concat!($items, ".content[*].logprobs"), Holds::Shadow),
            (
                concat!($items, "['id','call_id','type','role','status','phase']"),
                Holds::Kept,
            ),
            (concat!($items, "['name','namespace','server_label']"), Holds::Kept),
            (
                concat!($items, "['approval_request_id','container_id','encrypted_content','fingerprint']"),
                Holds::Kept,
            ),
            (concat!($items, ".caller.caller_id"), Holds::Kept),
            (concat!($items, ".content[*].type"), Holds::Kept),
            (
                concat!($items, ".content[*].annotations[*]['type','file_id','container_id']"),
                Holds::Kept,
            ),
            (concat!($items, ".results[*].file_id"), Holds::Kept),
            $(
                (concat!($tools, "..['enum','required'][*]"), Holds::Kept),
                (
                    concat!(
                        $tools,
                        "['type','name','server_label','server_url','authorization','tunnel_id','container']"
                    ),
                    Holds::Kept,
                ),
                (concat!($tools, ".headers..*"), Holds::Kept),
                (concat!($tools, "['allowed_tools','require_approval']..*"), Holds::Kept),
                (concat!($tools, ".vector_store_ids[*]"), Holds::Kept),
                (concat!($tools, "['container','environment'].file_ids[*]"), Holds::Kept),
                (
                    concat!(
                        $tools,
                        "['container','environment'].network_policy.domain_secrets[*].value"
                    ),
                    Holds::Kept,
                ),
                (concat!($tools, ".environment.container_id"), Holds::Kept),
                (concat!($tools, ".environment.skills[*].skill_id"), Holds::Kept),
                (concat!($tools, ".tools[*]['type','name']"), Holds::Kept),
            )+
        ]
    };
}

pub(in crate::client) static RESPONSES: Sites = Sites {
    request: places!(items: "$.input[*]", tools: ["$.tools[*]", "$.input[*].tools[*]"], [
        // A file may stand in these as text.
        ("$.input", Holds::Text),
        ("$.input[*]['content','output','input','code']", Holds::Text),
        ("$.input[*]['content','output'][*].text", Holds::Text),
        (
            "$.input[*].content[?@.type != 'input_text' && @.type != 'output_text' && @.type != 'text' && \
             @.type != 'refusal' && @.type != 'reasoning_text' && @.type != 'summary_text']",
            Holds::Media(1),
        ),
        (
            "$.input[*].output[?@.type && @.type != 'input_text' && @.type != 'output_text' && @.type != 'text']",
            Holds::Media(1),
        ),
        ("$.input[?@.type == 'computer_call_output'].output", Holds::Media(0)),
        ("$.input[?@.type == 'image_generation_call'].result", Holds::Media(0)),
        ("$.input[*].outputs[?@.type == 'image']", Holds::Media(0)),
        (
            "$.prompt.variables[?@.type == 'input_image' || @.type == 'input_file']",
            Holds::Media(0),
        ),
        ("$.tools[*].input_image_mask", Holds::Media(0)),
        ("$.tools[*].environment.skills[*].source.data", Holds::Media(0)),
        ("$.input[*].tools[*].input_image_mask", Holds::Media(0)),
        ("$.input[*].tools[*].environment.skills[*].source.data", Holds::Media(0)),
        ("$['model','previous_response_id','conversation']", Holds::Kept),
    ]),
    answer: places!(items: "$.output[*]", tools: ["$.tools[*]", "$.output[*].tools[*]"], [
        (
            "$['id','model','object','status','service_tier','previous_response_id']",
            Holds::Kept,
        ),
        // Of events.
        ("$['type','item_id','call_id','obfuscation']", Holds::Kept),
    ]),
    events: Events::Typed(TYPED),
    parts: &["", r#"{"type":"input_text","text":"[removed]"}"#],
    others: &[
        "background",
        "completed_at",
        "created_at",
        "error",
        "include",
        "incomplete_details",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "output_text",
        "reasoning",
        "service_tier",
        "text",
        "top_logprobs",
        "truncation",
    ],
};

const ITEM: &[At] = &[Name("output"), Number("output_index")];
const PART: &[At] = &[
    Name("output"),
    Number("output_index"),
    Name("content"),
    Number("content_index"),
];
const SUMMARY: &[At] = &[
    Name("output"),
    Number("output_index"),
    Name("summary"),
    Number("summary_index"),
];

macro_rules! part_of {
    ($items:literal $index:literal $member:literal) => {
        &[
            Name("output"),
            Number("output_index"),
            Name($items),
            Number($index),
            Name($member),
        ]
    };
}

macro_rules! item_of {
    ($member:literal) => {
        &[Name("output"), Number("output_index"), Name($member)]
    };
}

const DIFF: &[At] = &[
    Name("output"),
    Number("output_index"),
    Name("operation"),
    Name("diff"),
];
const COMMAND: &[At] = &[
    Name("output"),
    Number("output_index"),
    Name("action"),
    Name("commands"),
    Number("command_index"),
];
/// What one command wrote: an object, or a list of them.
const WRITTEN: &[At] = &[
    Name("output"),
    Number("output_index"),
    Name("output"),
    Number("command_index"),
];
const TEXT: &[At] = part_of!("content" "content_index" "text");
const REFUSAL: &[At] = part_of!("content" "content_index" "refusal");
const SUMMARY_TEXT: &[At] = part_of!("summary" "summary_index" "text");
const ARGUMENTS: &[At] = item_of!("arguments");
const INPUT: &[At] = item_of!("input");
const CODE: &[At] = item_of!("code");

const fn event(name: &'static str, member: &'static str, path: &'static [At], is: Is) -> Typed {
    Typed {
        name,
        member,
        path,
        is,
    }
}

const TYPED: &[Typed] = &[
    event("response.output_text.delta", "delta", TEXT, Is::Piece),
    event("response.output_text.done", "text", TEXT, Is::Complete),
    event("response.refusal.delta", "delta", REFUSAL, Is::Piece),
    event("response.refusal.done", "refusal", REFUSAL, Is::Complete),
    event("response.reasoning_text.delta", "delta", TEXT, Is::Piece),
    event("response.reasoning_text.done", "text", TEXT, Is::Complete),
    event(
        "response.reasoning_summary_text.delta",
        "delta",
        SUMMARY_TEXT,
        Is::Piece,
    ),
    event(
        "response.reasoning_summary_text.done",
        "text",
        SUMMARY_TEXT,
        Is::Complete,
    ),
    event(
        "response.reasoning_summary_part.added",
        "part",
        SUMMARY,
        Is::Begun,
    ),
    event(
        "response.reasoning_summary_part.done",
        "part",
        SUMMARY,
        Is::Complete,
    ),
    event("response.content_part.added", "part", PART, Is::Begun),
    event("response.content_part.done", "part", PART, Is::Complete),
    event(
        "response.function_call_arguments.delta",
        "delta",
        ARGUMENTS,
        Is::Piece,
    ),
    event(
        "response.function_call_arguments.done",
        "arguments",
        ARGUMENTS,
        Is::Complete,
    ),
    event(
        "response.mcp_call_arguments.delta",
        "delta",
        ARGUMENTS,
        Is::Piece,
    ),
    event(
        "response.mcp_call_arguments.done",
        "arguments",
        ARGUMENTS,
        Is::Complete,
    ),
    event(
        "response.custom_tool_call_input.delta",
        "delta",
        INPUT,
        Is::Piece,
    ),
    event(
        "response.custom_tool_call_input.done",
        "input",
        INPUT,
        Is::Complete,
    ),
    event(
        "response.code_interpreter_call_code.delta",
        "delta",
        CODE,
        Is::Piece,
    ),
    event(
        "response.code_interpreter_call_code.done",
        "code",
        CODE,
        Is::Complete,
    ),
    event(
        "response.apply_patch_call_operation_diff.delta",
        "delta",
        DIFF,
        Is::Piece,
    ),
    event(
        "response.apply_patch_call_operation_diff.done",
        "diff",
        DIFF,
        Is::Complete,
    ),
    event(
        "response.shell_call_command.added",
        "command",
        COMMAND,
        Is::Begun,
    ),
    event(
        "response.shell_call_command.delta",
        "delta",
        COMMAND,
        Is::Piece,
    ),
    event(
        "response.shell_call_command.done",
        "command",
        COMMAND,
        Is::Complete,
    ),
    event(
        "response.shell_call_output_content.delta",
        "delta",
        WRITTEN,
        Is::Piece,
    ),
    event(
        "response.shell_call_output_content.done",
        "output",
        WRITTEN,
        Is::Complete,
    ),
    event("response.output_item.added", "item", ITEM, Is::Begun),
    event("response.output_item.done", "item", ITEM, Is::Complete),
    event("response.queued", "response", &[], Is::Begun),
    event("response.created", "response", &[], Is::Begun),
    event("response.in_progress", "response", &[], Is::Begun),
    event("response.completed", "response", &[], Is::Complete),
    event("response.incomplete", "response", &[], Is::Complete),
    event("response.failed", "response", &[], Is::Complete),
];
