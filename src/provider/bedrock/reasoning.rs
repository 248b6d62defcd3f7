//! How hard to reason, in the words of the model's family.
//!
//! `reasoning_effort` has seven words; most families have three. `minimal` is the least that a family
//! has, `xhigh` and `max` the most where it has no such words. An effort that cannot be told is left to
//! the policy's `parameters`; so is one that the conversation does not allow:
//! - Claude's budget needs room below the limit of output tokens;
//! - Claude's budget is refused when the last assistant turn called tools without a thinking block
//!   before: the app has to send the signed one that it got;
//! - some models cannot reason when they are made to call a tool: the tool outweighs the effort;
//! - Nova's highest effort takes no limit of output tokens: the limit outweighs the effort.

use crate::codec::json::write_u64;
use crate::fault::Fault;
use crate::turn::{Effort, Part, Request, Role, ToolChoice, Uncarried};

use super::super::quirks::{ForcedTools, Quirks, Reasoning};
use super::messages::is_thought;
use super::section::Section;

/// How the model is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Steering {
    /// Not at all: it reasons as it does by itself.
    None,
    ClaudeBudget {
        tokens: u64,
    },
    ClaudeAdaptive(&'static str),
    Nova(&'static str),
    FlatEffort(&'static str),
    OpenAi(&'static str),
    FlatConfig(&'static str),
}

/// What Claude takes at least.
const BUDGET_TOKENS_MIN: u64 = 1024;
const NOVA_HIGHEST: &str = "high";

/// Decides how the effort that was asked for is told.
pub(super) fn steering(
    request: &Request<'_>,
    quirks: &Quirks,
    uncarried: &mut Uncarried<'_>,
) -> Result<Steering, Fault> {
    let Some(effort) = request.effort else {
        return Ok(Steering::None);
    };
    let is_forced = matches!(
        request.tool_choice,
        Some(ToolChoice::Required | ToolChoice::Named(_))
    );
    let collides =
        is_forced && effort != Effort::None && quirks.forced_tools == ForcedTools::WithoutReasoning;
    let steering = if collides {
        None
    } else {
        in_words_of(quirks, effort, request)
    };
    match steering {
        Some(Steering::Nova(NOVA_HIGHEST)) if request.max_tokens.is_some() => {
            uncarried.leave("reasoning_effort")?;
            Ok(Steering::Nova("medium"))
        }
        Some(steering) => Ok(steering),
        None => {
            uncarried.leave("reasoning_effort")?;
            Ok(Steering::None)
        }
    }
}

/// Nothing if the family has no words for this effort.
fn in_words_of(quirks: &Quirks, effort: Effort, request: &Request<'_>) -> Option<Steering> {
    match quirks.reasoning {
        Reasoning::None => None,
        // It does not think unless it is told to.
        Reasoning::ClaudeBudget | Reasoning::Nova if effort == Effort::None => Some(Steering::None),
        Reasoning::ClaudeBudget => {
            let tokens = budget_tokens(effort, request.max_tokens)?;
            let allowed = !last_turn_called_without_thinking(request, quirks);
            allowed.then_some(Steering::ClaudeBudget { tokens })
        }
        Reasoning::ClaudeAdaptive => match effort {
            // Some of them think by themselves and cannot be stopped.
            Effort::None => None,
            Effort::Minimal => Some(Steering::ClaudeAdaptive("low")),
            Effort::Low | Effort::Medium | Effort::High | Effort::Xhigh | Effort::Max => {
                Some(Steering::ClaudeAdaptive(effort.as_str()))
            }
        },
        Reasoning::Nova => three_words(effort).map(Steering::Nova),
        Reasoning::FlatEffort => three_words(effort).map(Steering::FlatEffort),
        Reasoning::FlatConfig => three_words(effort).map(Steering::FlatConfig),
        Reasoning::OpenAi => Some(Steering::OpenAi(effort.as_str())),
    }
}

const fn three_words(effort: Effort) -> Option<&'static str> {
    Some(match effort {
        Effort::None => return None,
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::Xhigh | Effort::Max => NOVA_HIGHEST,
    })
}

/// OpenAI's limit of output tokens includes reasoning, and so does Claude's: where there is one, at
/// least half of it stays for the answer, unless that leaves less than Claude takes.
fn budget_tokens(effort: Effort, max_tokens: Option<u64>) -> Option<u64> {
    let wanted = match effort {
        Effort::None => return None,
        Effort::Minimal => BUDGET_TOKENS_MIN,
        Effort::Low => 2048,
        Effort::Medium => 8192,
        Effort::High => 16_384,
        // Opus 4 writes at most 32000 tokens, and the budget has to be less.
        Effort::Xhigh | Effort::Max => 24_576,
    };
    match max_tokens {
        None => Some(wanted),
        Some(limit) if limit > BUDGET_TOKENS_MIN => {
            Some(wanted.min((limit / 2).max(BUDGET_TOKENS_MIN)))
        }
        Some(_) => None,
    }
}

/// Whether the assistant's last message calls tools, in a turn without a thinking block that could be
/// shown to Claude. The tools' answers are inside of a turn.
fn last_turn_called_without_thinking(request: &Request<'_>, quirks: &Quirks) -> bool {
    let messages = request.messages.iter().rev();
    let mut turn = messages
        .skip_while(|message| message.role != Role::Assistant)
        .take_while(|message| matches!(message.role, Role::Assistant | Role::Tool))
        .peekable();
    let is_call = |part: &Part<'_>| matches!(part, Part::ToolCall { .. } | Part::TextCall { .. });
    let calls = turn
        .peek()
        .is_some_and(|last| last.parts.iter().any(is_call));
    calls && !turn.any(|message| message.parts.iter().any(|part| is_thought(part, quirks)))
}

impl Steering {
    /// Whether the model takes temperature and top-p as well.
    pub(super) fn takes_sampling(self) -> bool {
        !matches!(
            self,
            Self::ClaudeBudget { .. } | Self::ClaudeAdaptive(_) | Self::Nova(NOVA_HIGHEST)
        )
    }

    /// Writes the members of `additionalModelRequestFields`.
    pub(super) fn write(self, fields: &mut Section<'_>) {
        match self {
            Self::None => {}
            Self::ClaudeBudget { tokens } => {
                let out = fields.member("thinking");
                out.extend_from_slice(br#"{"type":"enabled","budget_tokens":"#);
                write_u64(out, tokens);
                out.push(b'}');
            }
            Self::ClaudeAdaptive(word) => {
                let out = fields.member("thinking");
                out.extend_from_slice(br#"{"type":"adaptive"}"#);
                write_word(
                    fields.member("output_config"),
                    br#"{"effort":""#,
                    word,
                    b"\"}",
                );
            }
            Self::Nova(word) => write_word(
                fields.member("reasoningConfig"),
                br#"{"type":"enabled","maxReasoningEffort":""#,
                word,
                b"\"}",
            ),
            Self::FlatEffort(word) => {
                write_word(fields.member("reasoning_effort"), b"\"", word, b"\"");
            }
            Self::OpenAi(word) => {
                write_word(fields.member("reasoning"), br#"{"effort":""#, word, b"\"}");
            }
            Self::FlatConfig(word) => {
                write_word(fields.member("reasoning_config"), b"\"", word, b"\"");
            }
        }
    }
}

fn write_word(out: &mut Vec<u8>, before: &[u8], word: &str, after: &[u8]) {
    out.extend_from_slice(before);
    out.extend_from_slice(word.as_bytes());
    out.extend_from_slice(after);
}

#[cfg(test)]
mod tests {
    use super::super::encode::case::{
        CLAUDE, UNKNOWN, ask, call, check, encoded, hello, raw, result, text, tool,
    };
    use super::*;

    fn with<'a>(effort: Effort) -> Request<'a> {
        Request {
            effort: Some(effort),
            ..hello()
        }
    }

    #[track_caller]
    fn check_fields(effort: Effort, model: &str, want: &str, left: &[&str]) {
        let want = match want {
            "" => String::new(),
            want => format!(",\"additionalModelRequestFields\":{{{want}}}"),
        };
        check(&with(effort), model, &want, left);
    }

    const LEFT: &[&str] = &["reasoning_effort"];

    #[test]
    fn every_family_has_its_own_words() {
        for (model, want) in [
            (
                CLAUDE,
                r#""thinking":{"type":"enabled","budget_tokens":2048}"#,
            ),
            (
                "us.anthropic.claude-opus-4-6-v1",
                r#""thinking":{"type":"adaptive"},"output_config":{"effort":"low"}"#,
            ),
            (
                "amazon.nova-2-lite-v1:0",
                r#""reasoningConfig":{"type":"enabled","maxReasoningEffort":"low"}"#,
            ),
            ("openai.gpt-oss-120b-1:0", r#""reasoning_effort":"low""#),
            ("openai.gpt-5.6", r#""reasoning":{"effort":"low"}"#),
            ("qwen.qwen3-32b-v1:0", r#""reasoning_config":"low""#),
        ] {
            check_fields(Effort::Low, model, want, &[]);
        }
    }

    #[test]
    fn a_model_that_cannot_be_told_leaves_the_effort() {
        check_fields(Effort::Low, UNKNOWN, "", LEFT);
        check_fields(Effort::High, "deepseek.r1-v1:0", "", LEFT);
    }

    #[test]
    fn no_effort_is_the_default_where_thinking_is_off() {
        check_fields(Effort::None, CLAUDE, "", &[]);
        check_fields(Effort::None, "amazon.nova-2-lite-v1:0", "", &[]);
        check_fields(Effort::None, "anthropic.claude-opus-5", "", LEFT);
        check_fields(Effort::None, "openai.gpt-oss-20b-1:0", "", LEFT);
    }

    #[test]
    fn the_largest_budget_fits_every_model_that_takes_one() {
        assert_eq!(budget_tokens(Effort::Max, None), Some(24_576));
        assert_eq!(budget_tokens(Effort::Xhigh, Some(200_000)), Some(24_576));
    }

    #[test]
    fn a_budget_stays_below_the_limit() {
        for (limit, want) in [
            (100_000, Some(8192)),
            (10_000, Some(5000)),
            (1_500, Some(1024)),
            (1_024, None),
            (1, None),
        ] {
            assert_eq!(budget_tokens(Effort::Medium, Some(limit)), want, "{limit}");
        }
    }

    #[test]
    fn claude_takes_no_sampling_while_it_thinks() {
        let request = Request {
            temperature: Some(raw("0.5")),
            ..with(Effort::Low)
        };
        check(
            &request,
            CLAUDE,
            r#","additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":2048}}"#,
            &["temperature"],
        );
    }

    #[test]
    fn a_budget_is_left_in_the_middle_of_a_tool_loop() {
        let mut messages = vec![
            (Role::User, vec![text("hi")]),
            (Role::Assistant, vec![call("a", "f", "{}")]),
            (Role::Tool, vec![result("a", "1")]),
        ];
        let request = |messages| Request {
            effort: Some(Effort::Low),
            ..ask(messages)
        };
        let (_, left) = encoded(&request(messages), CLAUDE).unwrap();
        assert_eq!(left, LEFT);
        // Once the assistant has answered, the loop is over.
        messages = vec![
            (Role::Assistant, vec![call("a", "f", "{}")]),
            (Role::Tool, vec![result("a", "1")]),
            (Role::Assistant, vec![text("one")]),
            (Role::User, vec![text("and?")]),
        ];
        let (body, left) = encoded(&request(messages), CLAUDE).unwrap();
        assert!(body.contains("budget_tokens"));
        assert!(left.is_empty());
    }

    #[test]
    fn a_signed_thought_goes_back_and_the_tool_loop_goes_on_thinking() {
        let messages = || {
            let thought = Part::Reasoning {
                text: "t".into(),
                signature: "s".into(),
            };
            let redacted = Part::Redacted("aGk=".into());
            vec![
                (Role::User, vec![text("hi")]),
                (
                    Role::Assistant,
                    vec![thought, redacted, call("a", "f", "{}")],
                ),
                (Role::Tool, vec![result("a", "1")]),
            ]
        };
        let request = Request {
            effort: Some(Effort::Low),
            ..ask(messages())
        };
        let (body, left) = encoded(&request, CLAUDE).unwrap();
        let turn = r#""content":[{"reasoningContent":{"reasoningText":{"text":"t","signature":"s"}}},{"reasoningContent":{"redactedContent":"aGk="}},{"toolUse":"#;
        assert!(body.contains(turn), "{body}");
        assert!(body.contains("budget_tokens"));
        assert!(left.is_empty());
        // Another family gave no such proof.
        let (body, _) = encoded(&ask(messages()), UNKNOWN).unwrap();
        assert!(!body.contains("reasoningContent"), "{body}");
    }

    #[test]
    fn a_thought_that_led_to_nothing_is_left_out() {
        let thought = || Part::Reasoning {
            text: "t".into(),
            signature: "s".into(),
        };
        let request = ask(vec![
            (Role::User, vec![text("hi")]),
            (Role::Assistant, vec![text("a")]),
            (Role::Assistant, vec![thought()]),
            (Role::User, vec![text("so?")]),
        ]);
        let (body, _) = encoded(&request, CLAUDE).unwrap();
        assert!(!body.contains("reasoningContent"), "{body}");
    }

    #[test]
    fn a_forced_tool_outweighs_the_effort() {
        let request = Request {
            tools: vec![tool("f")],
            tool_choice: Some(ToolChoice::Required),
            ..with(Effort::Low)
        };
        let (body, left) = encoded(&request, CLAUDE).unwrap();
        assert!(body.contains(r#""toolChoice":{"any":{}}"#));
        assert_eq!(left, LEFT);
    }

    #[test]
    fn a_limit_outweighs_novas_highest_effort() {
        let nova = "amazon.nova-2-lite-v1:0";
        let request = Request {
            max_tokens: Some(100),
            ..with(Effort::High)
        };
        let (body, left) = encoded(&request, nova).unwrap();
        assert!(body.contains(r#""maxReasoningEffort":"medium""#));
        assert_eq!(left, LEFT);
        let request = Request {
            temperature: Some(raw("0.2")),
            ..with(Effort::Max)
        };
        let (body, left) = encoded(&request, nova).unwrap();
        assert!(body.contains(r#""maxReasoningEffort":"high""#));
        assert_eq!(left, ["temperature"]);
    }
}
