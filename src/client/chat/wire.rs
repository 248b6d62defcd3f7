//! What a stream and a whole answer have in common: the order of events, ids, usage, reasons.

use crate::client::Opening;
use crate::codec::json::write_u64;
use crate::fault::{Fault, Upstream};
use crate::limits::{CHOICES_MAX, TOOL_CALLS_MAX};
use crate::turn::{Finish, ServiceTier, Usage};

/// Follows an answer's events and refuses those that cannot be.
///
/// ```text
/// answer: Before --start--> Running --complete--> Complete
/// choice: Waiting --open--> Open --finish--> Finished
/// ```
#[derive(Debug, Default)]
pub(in crate::client) struct Progress {
    phase: Phase,
    choices: Vec<Choice>,
    /// Of all choices.
    tool_calls: usize,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Before,
    Running,
    Complete,
}

#[derive(Debug)]
enum Choice {
    Waiting,
    Open {
        /// For each tool call, whether it has arguments yet.
        has_arguments: Vec<bool>,
    },
    Finished,
}

impl Progress {
    pub(in crate::client) fn start(&mut self) -> Result<(), Fault> {
        if self.phase != Phase::Before {
            return Err(Fault::Internal("an answer starts twice"));
        }
        self.phase = Phase::Running;
        Ok(())
    }

    /// Says that `choice` has an event; tells whether it is its first.
    pub(in crate::client) fn open(&mut self, choice: u32) -> Result<bool, Fault> {
        if self.phase != Phase::Running {
            return Err(Fault::Internal(
                "an answer's event comes before or after it",
            ));
        }
        let index = usize::try_from(choice).unwrap_or(usize::MAX);
        if index >= CHOICES_MAX {
            let message = format!("the provider's answer has more than {CHOICES_MAX} choices");
            return Err(Upstream::broken("upstream_too_large", message).into());
        }
        while self.choices.len() <= index {
            self.choices.push(Choice::Waiting);
        }
        match self.choices.get_mut(index) {
            Some(waiting @ Choice::Waiting) => {
                *waiting = Choice::Open {
                    has_arguments: Vec::new(),
                };
                Ok(true)
            }
            Some(Choice::Open { .. }) => Ok(false),
            Some(Choice::Finished) | None => {
                Err(Fault::Internal("a choice goes on after its finish"))
            }
        }
    }

    /// Says that an open `choice` calls a tool.
    pub(in crate::client) fn call_tool(&mut self, choice: u32, index: u32) -> Result<(), Fault> {
        if self.tool_calls >= TOOL_CALLS_MAX {
            let message = format!("the provider's answer calls more than {TOOL_CALLS_MAX} tools");
            return Err(Upstream::broken("upstream_too_large", message).into());
        }
        let calls = self.calls(choice)?;
        if usize::try_from(index) != Ok(calls.len()) {
            return Err(Fault::Internal("a tool call is out of order"));
        }
        calls.push(false);
        self.tool_calls = self.tool_calls.saturating_add(1);
        Ok(())
    }

    /// Says that a tool call of an open `choice` has arguments.
    pub(in crate::client) fn add_arguments(
        &mut self,
        choice: u32,
        index: u32,
    ) -> Result<(), Fault> {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        match self.calls(choice)?.get_mut(index) {
            Some(has_arguments) => {
                *has_arguments = true;
                Ok(())
            }
            None => Err(Fault::Internal("arguments come without their tool call")),
        }
    }

    /// Says that an open `choice` is done; tells for each of its tool calls whether it has arguments.
    pub(in crate::client) fn finish(&mut self, choice: u32) -> Result<Vec<bool>, Fault> {
        let has_arguments = std::mem::take(self.calls(choice)?);
        if let Some(choice) = self.choice_mut(choice) {
            *choice = Choice::Finished;
        }
        Ok(has_arguments)
    }

    /// Says that no event will follow.
    pub(in crate::client) fn complete(&mut self) -> Result<(), Fault> {
        let is_finished = |choice: &Choice| matches!(choice, Choice::Finished);
        let is_open = |choice: &Choice| matches!(choice, Choice::Open { .. });
        match self.phase {
            Phase::Complete => Err(Fault::Internal("an answer is completed twice")),
            Phase::Running
                if self.choices.iter().any(is_finished) && !self.choices.iter().any(is_open) =>
            {
                self.phase = Phase::Complete;
                Ok(())
            }
            Phase::Before | Phase::Running => Err(Upstream::truncated().into()),
        }
    }

    fn calls(&mut self, choice: u32) -> Result<&mut Vec<bool>, Fault> {
        match self.choice_mut(choice) {
            Some(Choice::Open { has_arguments }) => Ok(has_arguments),
            Some(Choice::Waiting | Choice::Finished) | None => {
                Err(Fault::Internal("a choice has to be open"))
            }
        }
    }

    fn choice_mut(&mut self, choice: u32) -> Option<&mut Choice> {
        self.choices.get_mut(usize::try_from(choice).ok()?)
    }
}

/// Appends the answer's id.
pub(super) fn write_id(opening: &Opening, out: &mut Vec<u8>) {
    opening.write_id("chatcmpl-", out);
}

/// Appends the usage object.
pub(in crate::client) fn write_usage(usage: &Usage, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"prompt_tokens\":");
    write_u64(out, usage.input_tokens);
    out.extend_from_slice(b",\"completion_tokens\":");
    write_u64(out, usage.output_tokens);
    out.extend_from_slice(b",\"total_tokens\":");
    write_u64(out, usage.input_tokens.saturating_add(usage.output_tokens));
    out.extend_from_slice(b",\"prompt_tokens_details\":{\"cached_tokens\":");
    write_u64(out, usage.cached_tokens);
    if usage.cache_write_tokens > 0 {
        out.extend_from_slice(b",\"cache_write_tokens\":");
        write_u64(out, usage.cache_write_tokens);
    }
    out.push(b'}');
    if let Some(reasoning_tokens) = usage.reasoning_tokens {
        out.extend_from_slice(b",\"completion_tokens_details\":{\"reasoning_tokens\":");
        write_u64(out, reasoning_tokens);
        out.push(b'}');
    }
    out.push(b'}');
}

/// Appends an annotation; URL and title are escaped. In streams it says which of its choice it is: the SDKs
/// put pieces of lists together by that.
pub(super) fn write_citation(
    index: Option<u64>,
    range: (u64, u64),
    url: &str,
    title: &str,
    out: &mut Vec<u8>,
) {
    out.push(b'{');
    if let Some(index) = index {
        out.extend_from_slice(b"\"index\":");
        write_u64(out, index);
        out.push(b',');
    }
    out.extend_from_slice(b"\"type\":\"url_citation\",\"url_citation\":{\"start_index\":");
    write_u64(out, range.0);
    out.extend_from_slice(b",\"end_index\":");
    write_u64(out, range.1);
    out.extend_from_slice(b",\"title\":\"");
    out.extend_from_slice(title.as_bytes());
    out.extend_from_slice(b"\",\"url\":\"");
    out.extend_from_slice(url.as_bytes());
    out.extend_from_slice(b"\"}}");
}

/// Reasoning that the provider takes back in a later turn; all is escaped.
pub(super) enum Thought<'t> {
    Signed { text: &'t str, signature: &'t str },
    Redacted(&'t str),
}

/// Appends one of `thinking_blocks`: the field of Anthropic's blocks that other gateways have too. The SDKs
/// keep fields that they do not know, so a message that an app sends back has it. In streams it says which
/// of its choice it is.
pub(super) fn write_thought(index: Option<u64>, thought: &Thought<'_>, out: &mut Vec<u8>) {
    out.push(b'{');
    if let Some(index) = index {
        out.extend_from_slice(b"\"index\":");
        write_u64(out, index);
        out.push(b',');
    }
    match thought {
        Thought::Signed { text, signature } => {
            out.extend_from_slice(b"\"type\":\"thinking\",\"thinking\":\"");
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(b"\",\"signature\":\"");
            out.extend_from_slice(signature.as_bytes());
        }
        Thought::Redacted(data) => {
            out.extend_from_slice(b"\"type\":\"redacted_thinking\",\"data\":\"");
            out.extend_from_slice(data.as_bytes());
        }
    }
    out.extend_from_slice(b"\"}");
}

/// Appends the tier that served the answer, where the upstream says it.
pub(super) fn write_service_tier(tier: Option<ServiceTier>, out: &mut Vec<u8>) {
    let Some(tier) = tier else {
        return;
    };
    out.extend_from_slice(b",\"service_tier\":\"");
    out.extend_from_slice(match tier {
        ServiceTier::Default => b"default",
        ServiceTier::Flex => b"flex",
        ServiceTier::Priority => b"priority",
        // OpenAI's word for capacity that was bought ahead.
        ServiceTier::Reserved => b"scale",
    });
    out.push(b'"');
}

/// Appends the stop sequence that ended a choice. The field is not OpenAI's but vLLM's, whose apps read it.
pub(super) fn write_stop(stop: Option<&str>, out: &mut Vec<u8>) {
    if let Some(stop) = stop {
        out.extend_from_slice(b",\"stop_reason\":\"");
        out.extend_from_slice(stop.as_bytes());
        out.push(b'"');
    }
}

/// The wire's word for why a choice ended.
pub(in crate::client) const fn finish_reason(reason: Finish) -> &'static str {
    match reason {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter => "content_filter",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(entropy: [u64; 2], want: &str) {
        let opening = Opening {
            entropy,
            created: 0,
            model: String::new(),
            stream: false,
            include_usage: false,
            echo: String::new(),
        };
        let mut out = Vec::new();
        write_id(&opening, &mut out);
        assert_eq!(str::from_utf8(&out).unwrap(), want);
    }

    #[test]
    fn an_id_has_all_random_bits() {
        check([0, 0], "chatcmpl-000000000000000000000000");
        check([1 << 63, u64::MAX], "chatcmpl-V00000000000zzzzzzzzzzxB");
    }

    #[test]
    fn usage_has_what_is_known() {
        let usage = Usage {
            input_tokens: 5,
            cached_tokens: 2,
            output_tokens: 3,
            ..Usage::default()
        };
        let mut out = Vec::new();
        write_usage(&usage, &mut out);
        assert_eq!(
            str::from_utf8(&out).unwrap(),
            r#"{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8,"prompt_tokens_details":{"cached_tokens":2}}"#
        );
        let usage = Usage {
            cache_write_tokens: 1,
            reasoning_tokens: Some(0),
            ..usage
        };
        out.clear();
        write_usage(&usage, &mut out);
        assert_eq!(
            str::from_utf8(&out).unwrap(),
            r#"{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8,"prompt_tokens_details":{"cached_tokens":2,"cache_write_tokens":1},"completion_tokens_details":{"reasoning_tokens":0}}"#
        );
    }
}
