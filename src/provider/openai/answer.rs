//! An answer of chat completions, whole or one chunk of a stream, read as deep as somebody uses it.
//!
//! What is used now are finish reasons and usage: metering settles by them, and a stream without a
//! finish is a truncated one. Text, reasoning and tool calls are skipped, not parsed; who comes to
//! need them declares them in [`Choice`] as `turn::Escaped` and tells them in [`Answer::tell`].
//! JSON is checked whole by the same pass, so nothing corrupt is passed on.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::refusal;
use crate::fault::{Fault, Upstream};
use crate::provider::Sink;
use crate::turn::{Escaped, Event, Finish, Usage};

/// A `chat.completion` or a `chat.completion.chunk`.
#[derive(Debug, Deserialize)]
pub(super) struct Answer<'a> {
    #[serde(borrow)]
    object: Option<Escaped<'a>>,
    /// Nothing if the member is missing: then it is something that we do not know.
    #[serde(borrow)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    /// Nothing where it is null, as on every chunk but the last.
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    /// What Azure's filter found in the prompt.
    #[serde(borrow)]
    pub(super) prompt_filter_results: Option<&'a RawValue>,
}

/// One of the alternatives.
#[derive(Debug, Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(default)]
    index: u32,
    message: Option<IgnoredAny>,
    pub(super) delta: Option<IgnoredAny>,
    #[serde(borrow)]
    finish_reason: Option<Escaped<'a>>,
}

impl<'a> Answer<'a> {
    /// Reads an answer or a chunk.
    ///
    /// # Errors
    /// It is no JSON object, its known members have other types, or it is an error.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        let is_object = bytes.trim_ascii_start().first() == Some(&b'{');
        let parsed = str::from_utf8(bytes)
            .ok()
            .filter(|_| is_object)
            .and_then(|text| serde_json::from_str::<Self>(text).ok());
        let answer = parsed.ok_or_else(corrupt)?;
        match answer.error {
            Some(error) => Err(refusal::read_error(error)),
            None => Ok(answer),
        }
    }

    /// Tells how choices ended and what it cost. Returns whether a choice ended.
    ///
    /// # Errors
    /// Those of the sink.
    pub(super) fn tell(&self, sink: Sink<'_>) -> Result<bool, Fault> {
        let mut has_finish = false;
        for choice in self.choices.iter().flatten() {
            if let Some(reason) = choice.finish_reason {
                has_finish = true;
                let reason = finish(reason);
                let choice = choice.index;
                sink(Event::Finish { choice, reason })?;
            }
        }
        // A usage that cannot be read is none: the meter keeps its estimate, the app its answer.
        let usage = self.usage.and_then(|usage| read_usage(usage.get()));
        if let Some(usage) = usage {
            sink(Event::Usage(usage))?;
        }
        Ok(has_finish)
    }
}

/// Looks at a whole answer of status 200 and tells its finish reasons and usage.
///
/// # Errors
/// It is no chat completion with at least one message, or it is an error in spite of its status.
pub(super) fn inspect(body: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
    let answer = Answer::parse(body)?;
    // OpenAI-compatible servers leave `object` out or empty; another name is another kind of answer.
    let is_completion = answer
        .object
        .is_none_or(|object| matches!(object.as_str(), "" | "chat.completion"));
    let has_messages = answer.choices.as_deref().is_some_and(|choices| {
        !choices.is_empty() && choices.iter().all(|choice| choice.message.is_some())
    });
    if !is_completion || !has_messages {
        return Err(corrupt());
    }
    sink(Event::Start)?;
    answer.tell(sink).map(|_| ())
}

/// The fault of bytes that are no answer.
pub(super) fn corrupt() -> Fault {
    let message = "the provider's answer is no chat completion";
    Fault::from(Upstream::broken("upstream_corrupt", message))
}

/// A reason that nobody knows yet is a stop: the upstream said that the choice is complete.
fn finish(reason: Escaped<'_>) -> Finish {
    match reason.as_str() {
        "length" => Finish::Length,
        "tool_calls" | "function_call" => Finish::ToolCalls,
        "content_filter" => Finish::ContentFilter,
        _ => Finish::Stop,
    }
}

fn read_usage(json: &str) -> Option<Usage> {
    #[derive(Deserialize)]
    struct Wire {
        prompt_tokens: u64,
        // Azure leaves it out where a filter stopped the answer before its first token.
        completion_tokens: Option<u64>,
        prompt_tokens_details: Option<Prompt>,
        completion_tokens_details: Option<Completion>,
    }
    #[derive(Deserialize)]
    struct Prompt {
        cached_tokens: Option<u64>,
        cache_write_tokens: Option<u64>,
    }
    #[derive(Deserialize)]
    struct Completion {
        reasoning_tokens: Option<u64>,
    }
    let wire: Wire = serde_json::from_str(json).ok()?;
    let prompt = wire.prompt_tokens_details;
    Some(Usage {
        input_tokens: wire.prompt_tokens,
        cached_tokens: prompt
            .as_ref()
            .and_then(|prompt| prompt.cached_tokens)
            .unwrap_or(0),
        cache_write_tokens: prompt
            .and_then(|prompt| prompt.cache_write_tokens)
            .unwrap_or(0),
        output_tokens: wire.completion_tokens.unwrap_or(0),
        reasoning_tokens: wire
            .completion_tokens_details
            .and_then(|completion| completion.reasoning_tokens),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an answer tells, or its fault's code.
    fn told(body: &str) -> Vec<String> {
        let mut told = Vec::new();
        let result = inspect(body.as_bytes(), &mut |event| {
            told.push(format!("{event:?}"));
            Ok(())
        });
        if let Err(fault) = result {
            told.push(fault.code().unwrap_or("none").to_owned());
        }
        told
    }

    #[track_caller]
    fn check(body: &str, want: &[&str]) {
        assert_eq!(told(body), want, "{body}");
    }

    #[test]
    fn a_completion_tells_its_end_and_its_usage() {
        check(
            r#"{"object":"chat.completion","choices":[{"index":0,"message":{},"finish_reason":"stop"}],
                "usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,
                "prompt_tokens_details":{"cached_tokens":3},"completion_tokens_details":{"reasoning_tokens":2}}}"#,
            &[
                "Start",
                "Finish { choice: 0, reason: Stop }",
                "Usage(Usage { input_tokens: 9, cached_tokens: 3, cache_write_tokens: 0, \
                 output_tokens: 4, reasoning_tokens: Some(2) })",
            ],
        );
    }

    #[test]
    fn every_reason_has_its_finish() {
        for (reason, want) in [
            ("stop", Finish::Stop),
            ("length", Finish::Length),
            ("tool_calls", Finish::ToolCalls),
            ("function_call", Finish::ToolCalls),
            ("content_filter", Finish::ContentFilter),
            ("new", Finish::Stop),
        ] {
            assert_eq!(finish(Escaped::from_content(reason)), want);
        }
    }

    #[test]
    fn a_usage_of_another_shape_is_not_told() {
        check(
            r#"{"choices":[{"message":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":-1}}"#,
            &["Start", "Finish { choice: 0, reason: Stop }"],
        );
    }

    #[test]
    fn what_is_no_completion_is_corrupt() {
        for body in [
            "",
            "<html>",
            "[]",
            r#"[null,[{"message":{}}]]"#,
            "{}",
            r#"{"choices":null}"#,
            r#"{"choices":[]}"#,
            r#"{"choices":[{"delta":{}}]}"#,
            r#"{"object":"list","choices":[{"message":{}}]}"#,
            r#"{"choices":[{"message":{}}]"#,
        ] {
            check(body, &["upstream_corrupt"]);
        }
    }

    #[test]
    fn an_error_of_status_200_is_an_error() {
        check(
            r#"{"error":{"message":"m","code":"context_length_exceeded"}}"#,
            &["context_length_exceeded"],
        );
    }
}
