//! The bounds of every buffer. Reaching one is a fault, never growth.

/// Bounds that the admin can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest request body in bytes.
    pub request_body_bytes_max: usize,
    /// The largest whole (not streamed) answer in bytes.
    pub answer_body_bytes_max: usize,
    /// The largest single event of a streamed answer in bytes.
    pub event_bytes_max: usize,
    /// The most upstream calls that one request for embeddings is split into.
    pub embedding_calls_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Converse takes 20 images of 3.75 MB and 5 documents of 4.5 MB; few apps come near.
            request_body_bytes_max: 32 * MIB,
            answer_body_bytes_max: 32 * MIB,
            // botocore takes payloads of 24 MiB; real events stay below 64 KiB.
            event_bytes_max: MIB,
            // As many as there may be inputs: no app that OpenAI serves is refused.
            embedding_calls_max: INPUTS_MAX,
        }
    }
}

/// One mebibyte.
pub const MIB: usize = 1024 * 1024;
/// What an admin may set a limit to at most: a VM has 4 GiB of address space in all.
pub const ADMIN_BYTES_MAX: usize = 256 * MIB;
/// Of a refused request's body, what is read and thrown away before the reply goes out regardless.
pub const DISCARDED_BYTES_MAX: usize = 64 * MIB;
/// Messages of one request.
pub const MESSAGES_MAX: usize = 16_384;
/// Parts of all messages of one request: pieces of content and tool calls.
pub const PARTS_MAX: usize = 65_536;
/// Tools of one request.
pub const TOOLS_MAX: usize = 1_024;
/// Top-level members of one request; chat completions has about 40.
pub const MEMBERS_MAX: usize = 256;
/// Models that one request to the agents API names.
pub const AGENT_MODELS_MAX: usize = 64;
/// Tool calls of one answer.
pub const TOOL_CALLS_MAX: usize = 1_024;
/// Choices of one answer; OpenAI's `n` goes up to 128.
pub const CHOICES_MAX: usize = 128;
/// Inputs of one request for embeddings, as OpenAI bounds them.
pub const INPUTS_MAX: usize = 2_048;
/// Upstream calls of one request that are on their way at once.
pub const CALLS_AT_ONCE: usize = 8;
/// How long one of them may take before it counts as lost.
pub const CALL_TIMEOUT_MS: u64 = 60_000;
/// What redaction replaces in one body at most.
pub const REDACTIONS_MAX: usize = 65_536;
/// Texts of one streamed answer that are redacted at once: each choice's content, each tool call's arguments, ..
pub const CHANNELS_MAX: usize = 4_096;
/// What is kept of them in bytes: their names, and the events that began them without their texts.
pub const CHANNEL_BYTES_MAX: usize = 4 * MIB;
/// Values of one request that its answer gets back.
pub const PLACEHOLDERS_MAX: usize = 4_096;
/// The same in bytes, with their placeholders.
pub const PLACEHOLDER_BYTES_MAX: usize = MIB;
