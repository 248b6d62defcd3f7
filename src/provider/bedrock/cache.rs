//! Where the prompt is cached: `cachePoint` blocks.
//!
//! - AWS takes at most four, in the tools, the system and the messages together. Of more, the last four in
//!   the order of the prompt (tools, system, messages) stay: they end the longest prefixes. The others are
//!   told as `prompt_cache_breakpoint`, and so are all where the model takes none there.
//! - A prefix lives 5 minutes or an hour. What shall live longer than 5 minutes gets an hour, where the
//!   model has it. A point of an hour must not follow one of 5 minutes: then it gets 5 minutes as well. A
//!   life that is shorter than asked is told as `prompt_cache_breakpoint.ttl`.
//! - A point stands behind something, and not behind another point: what would not is left out, for the
//!   prefix that it ends is cached or empty. A prefix below the model's least size is not cached; AWS says
//!   nothing of it, and neither do we.

use crate::fault::Fault;
use crate::turn::{CacheLife, Message, Part, Request, Role, Uncarried};

use super::super::quirks::{PromptCache, Quirks};

const POINTS_MAX: usize = 4;

/// How long AWS keeps a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// Five minutes.
    Short,
    Hour,
}

/// For the marks of one part of the prompt, in their order, what becomes of each.
type Marks = std::vec::IntoIter<Option<Life>>;

/// The marks of a request.
#[derive(Debug, Default)]
pub(super) struct Points {
    pub(super) tools: Marks,
    pub(super) system: Marks,
    pub(super) messages: Marks,
}

impl Points {
    /// Decides about all marks.
    pub(super) fn plan(
        request: &Request<'_>,
        quirks: &Quirks,
        uncarried: &mut Uncarried<'_>,
    ) -> Result<Self, Fault> {
        let is_system = |message: &&Message<'_>| message.role == Role::System;
        // Alone, system messages are the user's.
        let has_others = !request.messages.iter().all(|message| is_system(&message));
        let marks = |wants_system: bool| {
            let messages = request.messages.iter();
            let messages =
                messages.filter(move |message| (has_others && is_system(message)) == wants_system);
            messages
                .flat_map(|message| &message.parts)
                .filter_map(|part| match part {
                    Part::CacheBreakpoint(life) => Some(*life),
                    Part::Text(_)
                    | Part::Image(_)
                    | Part::Document(_)
                    | Part::SearchResult(_)
                    | Part::ToolCall { .. }
                    | Part::ToolResult { .. }
                    | Part::Refusal(_)
                    | Part::TextCall { .. }
                    | Part::Reasoning { .. }
                    | Part::Redacted(_) => None,
                })
        };
        let tools = request.tools.iter().filter_map(|tool| tool.cache);
        let mut wanted: Vec<CacheLife> = tools.collect();
        let tools = wanted.len();
        wanted.extend(marks(true));
        let system = wanted.len();
        wanted.extend(marks(false));
        if wanted.is_empty() {
            return Ok(Self::default());
        }
        let mut decided = decide(&wanted, tools, request.cache_life, quirks, uncarried)?;
        let messages = decided.split_off(system.min(decided.len()));
        let system = decided.split_off(tools.min(decided.len()));
        Ok(Self {
            tools: decided.into_iter(),
            system: system.into_iter(),
            messages: messages.into_iter(),
        })
    }
}

/// The first `tools` of the marks are the tools'.
fn decide(
    wanted: &[CacheLife],
    tools: usize,
    otherwise: CacheLife,
    quirks: &Quirks,
    uncarried: &mut Uncarried<'_>,
) -> Result<Vec<Option<Life>>, Fault> {
    let refused = match quirks.prompt_cache {
        PromptCache::None => wanted.len(),
        PromptCache::FiveMinutes | PromptCache::OneHour if !quirks.prompt_cache_tools => tools,
        PromptCache::FiveMinutes | PromptCache::OneHour => 0,
    };
    let refused = refused.max(wanted.len().saturating_sub(POINTS_MAX));
    if refused > 0 {
        uncarried.leave("prompt_cache_breakpoint")?;
    }
    let mut longest = match quirks.prompt_cache {
        PromptCache::OneHour => Life::Hour,
        PromptCache::FiveMinutes | PromptCache::None => Life::Short,
    };
    let mut decided = Vec::with_capacity(wanted.len());
    for (at, life) in wanted.iter().enumerate() {
        if at < refused {
            decided.push(None);
            continue;
        }
        let minutes = life.minutes.or(otherwise.minutes).unwrap_or(SHORT_MINUTES);
        if minutes <= SHORT_MINUTES {
            longest = Life::Short;
        } else if longest == Life::Short || minutes > HOUR_MINUTES {
            uncarried.leave("prompt_cache_breakpoint.ttl")?;
        }
        decided.push(Some(longest));
    }
    Ok(decided)
}

const SHORT_MINUTES: u32 = 5;
const HOUR_MINUTES: u32 = 60;

/// Appends a point. Without a life AWS keeps the prefix for five minutes.
pub(super) fn write(life: Life, out: &mut Vec<u8>) {
    out.extend_from_slice(match life {
        Life::Short => br#"{"cachePoint":{"type":"default"}}"#.as_slice(),
        Life::Hour => br#"{"cachePoint":{"type":"default","ttl":"1h"}}"#.as_slice(),
    });
}

#[cfg(test)]
mod tests {
    use super::super::encode::case::{CLAUDE, ask, encoded, result, text, tool};
    use super::*;
    use crate::turn::{Escaped, Tool};

    fn mark<'a>(minutes: u32) -> Part<'a> {
        Part::CacheBreakpoint(CacheLife {
            minutes: (minutes > 0).then_some(minutes),
        })
    }

    /// A word for each block: its text, `5m` and `1h` for points; tools, then system, then messages.
    #[track_caller]
    fn check(request: &Request<'_>, model: &str, want: &str, left: &[&str]) {
        let (body, warned) = encoded(request, model).unwrap();
        let mut body = body;
        for (block, word) in [
            (r#"{"cachePoint":{"type":"default","ttl":"1h"}}"#, "1h"),
            (r#"{"cachePoint":{"type":"default"}}"#, "5m"),
            (
                r#"{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object","properties":{}}}}}"#,
                "x",
            ),
            (
                r#"{"toolResult":{"toolUseId":"t","content":[{"text":"r"}]}}"#,
                "x",
            ),
            (r#"{"text":""#, ""),
            (r#""}"#, ""),
        ] {
            body = body.replace(block, word);
        }
        let lists = |name: &str| -> Vec<String> {
            let lists = body.split(name).skip(1);
            lists
                .map(|rest| rest.split(']').next().unwrap().replace(',', " "))
                .collect()
        };
        let mut got = vec![
            lists("\"tools\":[").concat(),
            lists("\"system\":[").concat(),
        ];
        got.extend(lists("\"content\":["));
        assert_eq!(got.join("|"), want);
        assert_eq!(warned, left);
    }

    fn marked<'a>(minutes: [u32; 3]) -> Request<'a> {
        let [tools, system, message] = minutes;
        Request {
            tools: vec![Tool {
                cache: Some(CacheLife {
                    minutes: (tools > 0).then_some(tools),
                }),
                ..tool("f")
            }],
            ..ask(vec![
                (Role::System, vec![text("s"), mark(system)]),
                (Role::User, vec![text("a"), mark(message), text("b")]),
            ])
        }
    }

    #[test]
    fn points_stand_where_the_marks_stood() {
        check(&marked([0, 5, 5]), CLAUDE, "x 5m|s 5m|a 5m b", &[]);
        check(&marked([30, 60, 0]), CLAUDE, "x 1h|s 1h|a 5m b", &[]);
        let request = Request {
            cache_life: CacheLife { minutes: Some(30) },
            ..marked([0, 0, 0])
        };
        check(&request, CLAUDE, "x 1h|s 1h|a 1h b", &[]);
    }

    #[test]
    fn a_shorter_life_than_asked_is_told() {
        let left = &["prompt_cache_breakpoint.ttl"];
        check(&marked([5, 60, 60]), CLAUDE, "x 5m|s 5m|a 5m b", left);
        check(&marked([720, 60, 60]), CLAUDE, "x 1h|s 1h|a 1h b", left);
        let older = "anthropic.claude-3-7-sonnet-20250219-v1:0";
        check(&marked([0, 0, 60]), older, "x 5m|s 5m|a 5m b", left);
    }

    #[test]
    fn a_model_without_points_is_asked_for_none() {
        let left = &["prompt_cache_breakpoint"];
        check(
            &marked([0, 0, 0]),
            "meta.llama3-1-70b-instruct-v1:0",
            "x|s|a b",
            left,
        );
        check(
            &marked([0, 0, 0]),
            "amazon.nova-pro-v1:0",
            "x|s 5m|a 5m b",
            left,
        );
    }

    #[test]
    fn of_more_than_four_the_last_stay() {
        let mut parts = vec![text("a"), mark(0), text("b"), mark(0), text("c"), mark(0)];
        parts.extend([text("d"), mark(0), text("e")]);
        let request = ask(vec![
            (Role::System, vec![text("s"), mark(0)]),
            (Role::User, parts),
        ]);
        let left = &["prompt_cache_breakpoint"];
        check(&request, CLAUDE, "|s|a 5m b 5m c 5m d 5m e", left);
    }

    #[test]
    fn a_point_has_something_before_it_and_no_other_point() {
        let request = ask(vec![
            (Role::System, vec![mark(0), text("s"), mark(0), mark(0)]),
            (Role::User, vec![text(" "), mark(0), text("a")]),
        ]);
        check(&request, CLAUDE, "|s 5m|a", &[]);
        let blank = vec![Part::Text(Escaped::default()), mark(0)];
        let request = ask(vec![
            (Role::User, vec![text("a"), mark(0)]),
            (Role::User, blank),
            (Role::Assistant, vec![text("b")]),
            (Role::Tool, vec![result("t", "r"), mark(0)]),
        ]);
        check(&request, "amazon.nova-pro-v1:0", "||a 5m|b|x 5m", &[]);
    }
}
