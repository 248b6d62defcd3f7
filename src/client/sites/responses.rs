//! The places of responses: items of many types, whose texts have few names.

use super::At::{Name, Number};
use super::{At, Events, Holds, Is, Sites, Typed};

pub(in crate::client) static RESPONSES: Sites = Sites {
    request: &[
        ("$['instructions','input']", Holds::Text),
        ("$.input[*].content", Holds::Text),
        (
            "$.input[*].content[*]['text','refusal','transcript']",
            Holds::Text,
        ),
        ("$.input[*].summary[*].text", Holds::Text),
        ("$.input[*].arguments", Holds::Json),
        (
            "$.input[*]['input','output','code','reason','error']",
            Holds::Text,
        ),
        (
            "$.input[*].output[*]['text','stdout','stderr']",
            Holds::Text,
        ),
        ("$.input[*].outputs[*].logs", Holds::Text),
        ("$.input[*].queries[*]", Holds::Text),
        ("$.input[*].results[*].text", Holds::Text),
        ("$.input[*].action['query','text']", Holds::Text),
        (
            "$.input[*].action['command','commands','queries'][*]",
            Holds::Text,
        ),
        ("$.input[*].operation.diff", Holds::Text),
        ("$.prompt.variables.*", Holds::Text),
        ("$.prompt.variables.*.text", Holds::Text),
        ("$.tools[*]..description", Holds::Text),
        ("$.text.format..description", Holds::Text),
        (
            "$.input[*].content[?@.type != 'input_text' && @.type != 'output_text' && @.type != 'text' && \
             @.type != 'refusal' && @.type != 'reasoning_text' && @.type != 'summary_text']",
            Holds::Media(1),
        ),
        (
            "$.input[*].output[?@.type && @.type != 'input_text' && @.type != 'output_text' && @.type != 'text']",
            Holds::Media(1),
        ),
        (
            "$.input[?@.type == 'computer_call_output'].output",
            Holds::Media(0),
        ),
        (
            "$.input[?@.type == 'image_generation_call'].result",
            Holds::Media(0),
        ),
        ("$.input[*].outputs[?@.type == 'image']", Holds::Media(0)),
        (
            "$.prompt.variables[?@.type == 'input_image' || @.type == 'input_file']",
            Holds::Media(0),
        ),
        (
            "$['model','tool_choice','include','previous_response_id','conversation']",
            Holds::Kept,
        ),
        (
            "$.input[*]['id','call_id','type','role','name','status','server_label']",
            Holds::Kept,
        ),
        ("$.input[*].content[*].type", Holds::Kept),
        ("$.input[*].encrypted_content", Holds::Kept),
        ("$.tools[*]['type','name','server_label']", Holds::Kept),
        ("$.prompt['id','version']", Holds::Kept),
    ],
    answer: &[
        ("$.output_text", Holds::Text),
        (
            "$.output[*].content[*]['text','refusal','transcript']",
            Holds::Text,
        ),
        ("$.output[*].content[*].annotations[*].title", Holds::Text),
        ("$.output[*].summary[*].text", Holds::Text),
        ("$.output[*].arguments", Holds::Json),
        ("$.output[*]['input','output','code','error']", Holds::Text),
        (
            "$.output[*].output[*]['text','stdout','stderr']",
            Holds::Text,
        ),
        ("$.output[*].outputs[*].logs", Holds::Text),
        ("$.output[*].queries[*]", Holds::Text),
        ("$.output[*].results[*].text", Holds::Text),
        ("$.output[*].action['query','text']", Holds::Text),
        (
            "$.output[*].action['command','commands','queries'][*]",
            Holds::Text,
        ),
        ("$.output[*].operation.diff", Holds::Text),
        ("$.error.message", Holds::Text),
        ("$.output[*].content[*].logprobs", Holds::Shadow),
        (
            "$['id','model','object','status','instructions','tools','tool_choice']",
            Holds::Kept,
        ),
        (
            "$.output[*]['id','call_id','type','role','name','status','server_label']",
            Holds::Kept,
        ),
        ("$.output[*].content[*].type", Holds::Kept),
        ("$.output[*].encrypted_content", Holds::Kept),
    ],
    events: Events::Typed(TYPED),
    parts: &["", r#"{"type":"input_text","text":"[removed]"}"#],
    others: &[
        "background",
        "completed_at",
        "created_at",
        "error",
        "incomplete_details",
        "max_output_tokens",
        "max_tool_calls",
        "service_tier",
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
