//! An answer of chat completions, whole or one chunk of a stream, read as deep as somebody uses it.
//!
//! What is used now are finish reasons and usage: metering settles by them, and a stream without a
//! finish is a truncated one. Text, reasoning and tool calls are skipped, not parsed, and told as they are
//! written to whoever counts them. JSON is checked whole by the same pass, so nothing corrupt is passed on. To check it with `validate` and
//! then `Walk` it took half as long again.

use std::fmt;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{Shape, refusal};
use crate::fault::{Fault, Upstream};
use crate::limits::CHOICES_MAX;
use crate::provider::Sink;
use crate::turn::{Detail, Escaped, Event, Finish, Usage};

/// A `chat.completion` or a `chat.completion.chunk`.
#[derive(Deserialize)]
pub(super) struct Answer<'a> {
    #[serde(borrow)]
    object: Option<Escaped<'a>>,
    /// Nothing if the member is missing: then it is something that we do not know.
    #[serde(borrow)]
    pub(super) choices: Option<Choices<'a>>,
    /// Nothing where it is null, as on every chunk but the last.
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    /// What Azure's filter found in the prompt.
    #[serde(borrow)]
    pub(super) prompt_filter_results: Option<&'a RawValue>,
}

/// The alternatives in their order. Almost every chunk has one, which takes no memory of its own.
#[derive(Default)]
pub(super) struct Choices<'a> {
    first: Option<Choice<'a>>,
    others: Vec<Choice<'a>>,
}

/// One of the alternatives.
#[derive(Deserialize)]
pub(super) struct Choice<'a> {
    /// Below [`CHOICES_MAX`].
    #[serde(default)]
    index: u32,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    /// What legacy completions have in place of both.
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    finish_reason: Option<Escaped<'a>>,
}

impl<'a> Answer<'a> {
    /// Reads an answer or a chunk.
    ///
    /// # Errors
    /// It is no JSON object, its known members have other types, it has too many choices, or it is an
    /// error.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        let is_object = bytes.trim_ascii_start().first() == Some(&b'{');
        let parsed = str::from_utf8(bytes)
            .ok()
            .filter(|_| is_object)
            .and_then(|text| serde_json::from_str::<Self>(text).ok());
        let answer = parsed.ok_or_else(corrupt)?;
        if let Some(error) = answer.error {
            return Err(refusal::read_error(error));
        }
        if answer.choices.as_ref().is_some_and(Choices::are_too_many) {
            let message = format!("the provider's answer has more than {CHOICES_MAX} choices");
            return Err(Upstream::broken("upstream_too_large", message).into());
        }
        Ok(answer)
    }

    /// Tells what it cost.
    ///
    /// # Errors
    /// Those of the sink.
    pub(super) fn tell_usage(&self, sink: Sink<'_>) -> Result<(), Fault> {
        // A usage that cannot be read is none: the meter keeps its estimate, the app its answer.
        match self.usage.and_then(|usage| read_usage(usage.get())) {
            Some(usage) => sink(Event::Usage(usage)),
            None => Ok(()),
        }
    }
}

impl<'a> Choices<'a> {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Choice<'a>> {
        self.first.iter().chain(&self.others)
    }

    fn are_too_many(&self) -> bool {
        let is_beyond = |choice: &Choice<'_>| {
            usize::try_from(choice.index).map_or(true, |at| at >= CHOICES_MAX)
        };
        self.others.len() >= CHOICES_MAX || self.iter().any(is_beyond)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Choices<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items;
        impl<'de> Visitor<'de> for Items {
            type Value = Choices<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("choices")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Choices<'de>, A::Error> {
                let first = items.next_element()?;
                let mut others = Vec::new();
                // One more than there may be tells that there are too many.
                while others.len() < CHOICES_MAX
                    && let Some(other) = items.next_element()?
                {
                    others.push(other);
                }
                while let Some(IgnoredAny) = items.next_element()? {}
                Ok(Choices { first, others })
            }
        }
        deserializer.deserialize_seq(Items)
    }
}

impl Choice<'_> {
    /// Its place in a set of choices.
    pub(super) const fn bit(&self) -> u128 {
        1_u128.wrapping_shl(self.index)
    }

    /// Whether it has what each choice of a chunk must have: in legacy completions a text, else a delta.
    pub(super) const fn speaks(&self) -> bool {
        self.delta.is_some() || self.text.is_some()
    }

    /// Tells what it says.
    ///
    /// # Errors
    /// Those of the sink.
    pub(super) fn say(&self, sink: Sink<'_>) -> Result<(), Fault> {
        match self.delta.or(self.message).or(self.text) {
            Some(said) => sink(Event::Detail(Detail::Said(said.get()))),
            None => Ok(()),
        }
    }

    /// Tells how it ended. Returns whether it did.
    ///
    /// # Errors
    /// Those of the sink.
    pub(super) fn tell(&self, sink: Sink<'_>) -> Result<bool, Fault> {
        // Some servers write an empty one into each chunk.
        let Some(reason) = self.finish_reason.filter(|it| !it.is_empty()) else {
            return Ok(false);
        };
        let (choice, reason) = (self.index, finish(reason));
        sink(Event::Finish { choice, reason }).map(|()| true)
    }
}

const _: () = assert!(CHOICES_MAX <= 128, "one bit of a u128 for each choice");

/// Looks at a whole answer of status 200 and tells its finish reasons and usage.
///
/// # Errors
/// It is no chat completion with at least one message, or it is an error in spite of its status.
pub(super) fn inspect(shape: Shape, body: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
    let answer = Answer::parse(body)?;
    // OpenAI-compatible servers leave `object` out or empty; another name is another kind of answer.
    let name = match shape {
        Shape::Chat => "chat.completion",
        Shape::Completions => "text_completion",
    };
    let is_completion = answer
        .object
        .is_none_or(|object| object.is_empty() || object.as_str() == name);
    let choices = answer.choices.as_ref();
    let choices = choices.filter(|choices| {
        choices.first.is_some()
            && choices.iter().all(|choice| match shape {
                Shape::Chat => choice.message.is_some(),
                Shape::Completions => choice.text.is_some(),
            })
    });
    let choices = choices.filter(|_| is_completion).ok_or_else(corrupt)?;
    sink(Event::Start)?;
    for choice in choices.iter() {
        choice.say(sink)?;
        choice.tell(sink)?;
    }
    answer.tell_usage(sink)
}

/// The fault of bytes that are no answer.
pub(super) fn corrupt() -> Fault {
    let message = "the provider's answer is no chat completion";
    Fault::from(Upstream::broken("upstream_corrupt", message))
}

/// A reason that nobody knows yet is a stop: the upstream said that the choice is complete.
pub(super) fn finish(reason: Escaped<'_>) -> Finish {
    match reason.as_str() {
        "length" => Finish::Length,
        "tool_calls" | "function_call" => Finish::ToolCalls,
        "content_filter" => Finish::ContentFilter,
        _ => Finish::Stop,
    }
}

pub(super) fn read_usage(json: &str) -> Option<Usage> {
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
        let result = inspect(Shape::Chat, body.as_bytes(), &mut |event| {
            if !matches!(event, Event::Detail(Detail::Said(_))) {
                told.push(format!("{event:?}"));
            }
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
            r#"{"choices":[{"message":{}}],"choices":[]}"#,
            r#"{"choices":[{"message":{},"index":-1}]}"#,
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

    #[test]
    fn choices_are_bounded() {
        check(
            r#"{"choices":[{"index":128,"message":{}}]}"#,
            &["upstream_too_large"],
        );
        let many = vec![r#"{"message":{}}"#; 200].join(",");
        check(
            &format!(r#"{{"choices":[{many}]}}"#),
            &["upstream_too_large"],
        );
    }
}
