//! What happens in an answer, in no one's format.

use super::{Escaped, ServiceTier};

/// One thing that an upstream's answer tells, in the order of the answer.
///
/// An answer is `Start`, then any of the content events, then one `Finish` per choice; `Usage` may
/// come before or after `Finish`. `Finish` is sent only where the upstream itself said why it
/// stopped: its absence is how a truncated answer is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// The assistant's message begins.
    Start,
    /// Some of the answer's text.
    Text {
        /// Which of the answer's alternatives; 0 where there is one.
        choice: u32,
        /// The next piece of the text.
        text: Escaped<'a>,
    },
    /// Some of what the model says in place of an answer that it refuses to give.
    Refusal {
        /// Which alternative.
        choice: u32,
        /// The next piece of the text.
        text: Escaped<'a>,
    },
    /// Some of the model's reasoning, as far as it shows it.
    Reasoning {
        /// Which alternative.
        choice: u32,
        /// The next piece of the reasoning.
        text: Escaped<'a>,
    },
    /// What vouches for the reasoning before it; the model wants it back with that.
    Signature {
        /// Which alternative.
        choice: u32,
        /// The next piece of the signature.
        text: Escaped<'a>,
    },
    /// A whole block of reasoning that the model does not show, but wants back.
    Redacted {
        /// Which alternative.
        choice: u32,
        /// Its bytes in base64.
        base64: Escaped<'a>,
    },
    /// The model calls a tool.
    ToolCall {
        /// Which alternative.
        choice: u32,
        /// The call's place among the calls of this choice: 0, 1, 2, without gaps.
        index: u32,
        /// The id that the tool's result will name.
        id: Escaped<'a>,
        /// The tool's name.
        name: Escaped<'a>,
    },
    /// Some of a tool call's arguments, a JSON text.
    Arguments {
        /// Which alternative.
        choice: u32,
        /// The call's place, as in its `ToolCall`.
        index: u32,
        /// The next piece of the JSON text, itself escaped as a string's content.
        fragment: Escaped<'a>,
    },
    /// What the answer cost. A later one replaces an earlier one.
    Usage(Usage),
    /// A source of some of the text told before.
    Citation {
        /// Which alternative.
        choice: u32,
        /// Where the text begins that it is the source of, in characters from the beginning of the answer.
        start: u64,
        /// Where that text ends.
        end: u64,
        /// The source on the web.
        url: Escaped<'a>,
        /// The source's title.
        title: Escaped<'a>,
    },
    /// Something about how it was answered. It may come at any time after the start, also after the
    /// last `Finish`, and may be skipped.
    Detail(Detail<'a>),
    /// A choice is complete.
    Finish {
        /// Which alternative.
        choice: u32,
        /// Why it ended.
        reason: Finish,
    },
}

/// What an upstream says about how it answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail<'a> {
    /// The tier that served it.
    ServiceTier(ServiceTier),
    /// The model that a router chose, by the provider's id for it.
    InvokedModel(&'a str),
    /// The stop sequence that will end a choice; its `Finish` follows.
    StopSequence {
        /// Which alternative.
        choice: u32,
        /// The sequence as the app wrote it.
        text: Escaped<'a>,
    },
    /// What a guardrail found, a JSON object in the provider's words.
    Guardrail(&'a str),
    /// A piece of an answer that passes in its own format: JSON whose strings are said. Only meters read it.
    Said(&'a str),
}

/// Why a choice ended, in the words of chat completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model was done, or met a stop sequence.
    Stop,
    /// The token limit or the context window ended it.
    Length,
    /// The model waits for its tools.
    ToolCalls,
    /// A filter or a guardrail stepped in.
    ContentFilter,
}

/// Tokens of one exchange. The parts are included in their totals, as OpenAI counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// All tokens of the prompt, cached ones included.
    pub input_tokens: u64,
    /// Those of the prompt that were read from a cache.
    pub cached_tokens: u64,
    /// Those of the prompt that were written to a cache.
    pub cache_write_tokens: u64,
    /// All tokens of the answer, reasoning included.
    pub output_tokens: u64,
    /// Those of the answer that were reasoning; nothing where the upstream does not say.
    pub reasoning_tokens: Option<u64>,
}

impl Usage {
    /// Adds what another message of the same exchange took.
    pub(crate) fn add(&mut self, other: Self) {
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(other.cached_tokens);
        self.cache_write_tokens = self
            .cache_write_tokens
            .saturating_add(other.cache_write_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        if let Some(tokens) = other.reasoning_tokens {
            let known = self.reasoning_tokens.unwrap_or(0);
            self.reasoning_tokens = Some(known.saturating_add(tokens));
        }
    }
}
