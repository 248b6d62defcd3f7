//! What one model takes and another refuses, as data.
//!
//! `models.json` is the table. Every row whose pattern fits the model's id applies, in the order of
//! the table, and sets the fields that it names: so a later row wins, general rows come first, and a
//! model that nobody listed takes after its family. A model that no row fits gets the permissive
//! [`Quirks::default`]. Last comes the target's own `quirks`, with the same fields; its `like` names
//! the model to look up where the id says nothing, such as an application inference profile's ARN.
//!
//! Patterns see the id without an ARN's head and without the prefix of a cross-region profile:
//! `arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-2-lite-v1:0` is
//! `amazon.nova-2-lite-v1:0`. All of it is read at configuration, never for a request.

use crate::document::{self, Fields};
use crate::glob::Glob;

/// What a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quirks {
    /// How it is told how hard to reason.
    pub(super) reasoning: Reasoning,
    /// Which of temperature and top-p it takes.
    pub(super) sampling: Sampling,
    /// Whether it can be made to call a tool.
    pub(super) forced_tools: ForcedTools,
    /// Whether a conversation may end with the assistant's words, for it to go on from there.
    pub(super) prefill: bool,
    /// Whether it takes stop sequences.
    pub(super) stop: bool,
    /// The smallest limit of output tokens that it takes.
    pub(super) max_tokens_min: u64,
    /// How it is told to call one tool at a time.
    pub(super) parallel_switch: ParallelSwitch,
    /// Which ids of tool calls it takes.
    pub(super) tool_id: ToolId,
    /// Whether a tool's result may hold images.
    pub(super) tool_result_images: bool,
    /// Whether it takes tools that are `strict`.
    pub(super) strict_tools: bool,
    /// Whether it can be held to a JSON schema.
    pub(super) output_schema: bool,
    /// What a chat completions body calls the limit of output tokens.
    pub(super) max_tokens_name: MaxTokensName,
    /// How it is asked for embeddings; nothing if it holds conversations.
    pub(super) embedding: Option<Embedding>,
}

/// How a model of Bedrock's is asked for embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Embedding {
    /// Titan Text Embeddings G1: one text, 1,536 dimensions.
    TitanV1,
    /// Titan Text Embeddings V2: one text, dimensions as asked.
    TitanV2,
    /// Titan Multimodal Embeddings G1: one text, dimensions as asked.
    TitanImage,
    /// Cohere Embed 3: up to 96 texts, 1,024 dimensions.
    CohereV3,
    /// Cohere Embed 4: up to 96 texts, dimensions as asked.
    CohereV4,
    /// Nova Multimodal Embeddings: one text, dimensions as asked.
    Nova,
}

/// How a model is told how hard to reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reasoning {
    /// It cannot be told.
    None,
    /// `thinking: {type: enabled, budget_tokens}`; takes no sampling then.
    ClaudeBudget,
    /// `thinking: {type: adaptive}` and `output_config.effort`; takes no sampling then.
    ClaudeAdaptive,
    /// `reasoningConfig: {type: enabled, maxReasoningEffort}`.
    Nova,
    /// `reasoning_effort` with three words.
    FlatEffort,
    /// `reasoning: {effort}` with OpenAI's words.
    OpenAi,
    /// `reasoning_config` with three words.
    FlatConfig,
}

/// Which of temperature and top-p a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sampling {
    /// Both at once.
    Both,
    /// One of them.
    One,
    /// Neither.
    None,
}

/// Whether a model can be made to call a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ForcedTools {
    /// It can.
    Yes,
    /// Not while it reasons.
    WithoutReasoning,
    /// It cannot.
    No,
}

/// How a model is told to call one tool at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParallelSwitch {
    /// It cannot be told.
    None,
    /// `tool_choice.disable_parallel_tool_use`.
    Anthropic,
}

/// Which ids of tool calls a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ToolId {
    /// All that Converse takes.
    Converse,
    /// Nine letters and digits.
    NineAlphanumeric,
}

/// What a chat completions body calls the limit of output tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MaxTokensName {
    /// The model takes whichever name the app wrote.
    AsWritten,
    /// It refuses `max_tokens`.
    MaxCompletionTokens,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            reasoning: Reasoning::None,
            sampling: Sampling::Both,
            forced_tools: ForcedTools::Yes,
            prefill: true,
            stop: true,
            max_tokens_min: 1,
            parallel_switch: ParallelSwitch::None,
            tool_id: ToolId::Converse,
            tool_result_images: true,
            strict_tools: true,
            output_schema: true,
            max_tokens_name: MaxTokensName::AsWritten,
            embedding: None,
        }
    }
}

impl Quirks {
    /// What the table says of `model`, then what the target's own `quirks` in `fields` say.
    pub(super) fn resolve(model: &str, fields: &mut Fields<'_>) -> Self {
        let own = fields.map("quirks", |own| {
            let like = own.string("like").unwrap_or(model);
            let mut quirks = Self::of(like);
            if quirks.is_none() {
                own.problem("", TABLE_BROKEN);
            }
            if let Some(quirks) = &mut quirks {
                quirks.read(own);
            }
            quirks
        });
        own.or_else(|| Self::of(model)).unwrap_or_default()
    }

    /// What the table says of `model`. There is nothing only if the table is broken.
    fn of(model: &str) -> Option<Self> {
        let table = document::parse(TABLE.as_bytes()).ok()?;
        document::read(&table, |table| {
            let prefixes = table.list_of_strings("region_prefixes")?;
            let name = plain(model, &prefixes);
            let mut quirks = Self::default();
            // The rows' own values are in `quirks`; what they return is nothing.
            let _rows = table.maps("models", |_, row| {
                let patterns = row.list_of_parsed("match", str::parse::<Glob>)?;
                let mut next = quirks;
                next.read(row);
                if patterns.iter().any(|pattern| pattern.matches(name)) {
                    quirks = next;
                }
                Some(())
            });
            Some(quirks)
        })
        .ok()
    }

    /// Takes over what `fields` set.
    fn read(&mut self, fields: &mut Fields<'_>) {
        set(&mut self.reasoning, fields.one_of("reasoning", REASONING));
        set(&mut self.sampling, fields.one_of("sampling", SAMPLING));
        set(
            &mut self.forced_tools,
            fields.one_of("forced_tools", FORCED_TOOLS),
        );
        set(&mut self.prefill, fields.boolean("prefill"));
        set(&mut self.stop, fields.boolean("stop"));
        set(
            &mut self.max_tokens_min,
            fields.u64("max_tokens_min", 1..=1_000_000),
        );
        set(
            &mut self.parallel_switch,
            fields.one_of("parallel_switch", PARALLEL_SWITCH),
        );
        set(&mut self.tool_id, fields.one_of("tool_id", TOOL_ID));
        set(
            &mut self.tool_result_images,
            fields.boolean("tool_result_images"),
        );
        set(&mut self.strict_tools, fields.boolean("strict_tools"));
        set(&mut self.output_schema, fields.boolean("output_schema"));
        set(
            &mut self.max_tokens_name,
            fields.one_of("max_tokens_name", MAX_TOKENS_NAME),
        );
        set(&mut self.embedding, fields.one_of("embedding", EMBEDDING));
    }
}

/// The table's word on one quirk, for a target whose model is known only when an app asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MaxTokensNames(Vec<(Glob, MaxTokensName)>);

impl MaxTokensNames {
    /// Takes the rows that name the quirk out of the table.
    pub(super) fn read() -> Self {
        let mut names = Vec::new();
        let table = document::parse(TABLE.as_bytes()).ok();
        // A broken table is found by a test, and leaves every model its default.
        let _read = table.map(|table| {
            document::read(&table, |table| {
                table.list_of_strings("region_prefixes")?;
                let _rows = table.maps("models", |_, row| {
                    let patterns = row.list_of_parsed("match", str::parse::<Glob>)?;
                    let has_name = row.has("max_tokens_name");
                    let mut quirks = Quirks::default();
                    quirks.read(row);
                    let name = quirks.max_tokens_name;
                    let patterns = patterns.into_iter().filter(|_| has_name);
                    names.extend(patterns.map(|pattern| (pattern, name)));
                    Some(())
                });
                Some(())
            })
        });
        Self(names)
    }

    /// What `model` calls the limit of output tokens.
    pub(super) fn of(&self, model: &str) -> MaxTokensName {
        let fitting = self.0.iter().rev().find(|(glob, _)| glob.matches(model));
        fitting.map_or(MaxTokensName::AsWritten, |(_, name)| *name)
    }
}

fn set<T>(value: &mut T, written: Option<T>) {
    if let Some(written) = written {
        *value = written;
    }
}

/// The id that patterns see.
fn plain<'m>(model: &'m str, region_prefixes: &[&str]) -> &'m str {
    // `arn:..:custom-model/amazon.nova-lite-v1:0/abc`: the base model stands first.
    let name = match model.split_once('/') {
        Some((_, resource)) if model.starts_with("arn:") => {
            resource.split('/').next().unwrap_or(resource)
        }
        _ => model,
    };
    match name.split_once('.') {
        Some((prefix, rest)) if region_prefixes.contains(&prefix) => rest,
        _ => name,
    }
}

const TABLE: &str = include_str!("models.json");
const TABLE_BROKEN: &str = "the module's own table of models cannot be read";

const REASONING: &[(&str, Reasoning)] = &[
    ("none", Reasoning::None),
    ("claude_budget", Reasoning::ClaudeBudget),
    ("claude_adaptive", Reasoning::ClaudeAdaptive),
    ("nova", Reasoning::Nova),
    ("flat_effort", Reasoning::FlatEffort),
    ("openai", Reasoning::OpenAi),
    ("reasoning_config", Reasoning::FlatConfig),
];
const SAMPLING: &[(&str, Sampling)] = &[
    ("both", Sampling::Both),
    ("one", Sampling::One),
    ("none", Sampling::None),
];
const FORCED_TOOLS: &[(&str, ForcedTools)] = &[
    ("yes", ForcedTools::Yes),
    ("without_reasoning", ForcedTools::WithoutReasoning),
    ("no", ForcedTools::No),
];
const PARALLEL_SWITCH: &[(&str, ParallelSwitch)] = &[
    ("none", ParallelSwitch::None),
    ("anthropic", ParallelSwitch::Anthropic),
];
const TOOL_ID: &[(&str, ToolId)] = &[
    ("converse", ToolId::Converse),
    ("nine_alphanumeric", ToolId::NineAlphanumeric),
];
const EMBEDDING: &[(&str, Option<Embedding>)] = &[
    ("none", None),
    ("titan_v1", Some(Embedding::TitanV1)),
    ("titan_v2", Some(Embedding::TitanV2)),
    ("titan_image", Some(Embedding::TitanImage)),
    ("cohere_v3", Some(Embedding::CohereV3)),
    ("cohere_v4", Some(Embedding::CohereV4)),
    ("nova", Some(Embedding::Nova)),
];
const MAX_TOKENS_NAME: &[(&str, MaxTokensName)] = &[
    ("as_written", MaxTokensName::AsWritten),
    ("max_completion_tokens", MaxTokensName::MaxCompletionTokens),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn resolved(model: &str, target: &str) -> Quirks {
        let root = document::parse(target.as_bytes()).unwrap();
        document::read(&root, |fields| Some(Quirks::resolve(model, fields))).unwrap()
    }

    #[track_caller]
    fn check<T: PartialEq + std::fmt::Debug>(models: &[&str], field: fn(&Quirks) -> T, want: &T) {
        for model in models {
            assert_eq!(&field(&resolved(model, "{}")), want, "{model}");
        }
    }

    #[test]
    fn the_table_is_sound() {
        let table = document::parse(TABLE.as_bytes()).unwrap();
        let read = document::read(&table, |table| {
            table.list_of_strings("region_prefixes")?;
            let rows = table.maps("models", |_, row| {
                Quirks::default().read(row);
                row.require("match", "patterns")
                    .list_of_parsed("match", str::parse::<Glob>)
            });
            Some(rows.len())
        });
        assert!(read.unwrap() > 10);
    }

    #[test]
    fn an_unknown_model_takes_everything() {
        assert_eq!(resolved("acme.thinker-1", "{}"), Quirks::default());
        assert_eq!(resolved("", "{}"), Quirks::default());
    }

    #[test]
    fn regions_and_arns_do_not_matter() {
        check(
            &[
                "anthropic.claude-sonnet-4-5-20250929-v1:0",
                "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
                "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
                "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0",
                "arn:aws-us-gov:bedrock:us-gov-west-1:1:inference-profile/us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0",
            ],
            |quirks| (quirks.reasoning, quirks.sampling),
            &(Reasoning::ClaudeBudget, Sampling::One),
        );
        check(
            &["arn:aws:bedrock:us-east-1:1:custom-model/mistral.m-1/abc"],
            |quirks| quirks.tool_id,
            &ToolId::NineAlphanumeric,
        );
    }

    #[test]
    fn a_claude_that_nobody_listed_is_a_new_one() {
        check(
            &[
                "anthropic.claude-opus-4-6-v1",
                "anthropic.claude-opus-7",
                "anthropic.claude-sonnet-5",
            ],
            |quirks| (quirks.reasoning, quirks.prefill),
            &(Reasoning::ClaudeAdaptive, false),
        );
        check(
            &["anthropic.claude-3-5-sonnet-20240620-v1:0"],
            |quirks| (quirks.reasoning, quirks.prefill),
            &(Reasoning::None, true),
        );
    }

    #[test]
    fn a_later_row_wins() {
        check(
            &["anthropic.claude-opus-5"],
            |quirks| (quirks.forced_tools, quirks.strict_tools),
            &(ForcedTools::WithoutReasoning, false),
        );
        check(
            &["anthropic.claude-opus-5-5"],
            |quirks| (quirks.forced_tools, quirks.strict_tools),
            &(ForcedTools::No, true),
        );
    }

    #[test]
    fn openai_s_newer_models_refuse_max_tokens() {
        check(
            &[
                "o1",
                "o3-mini",
                "o4-mini-2025-04-16",
                "gpt-5",
                "gpt-5.1-codex",
                "gpt-6-nano",
            ],
            |quirks| quirks.max_tokens_name,
            &MaxTokensName::MaxCompletionTokens,
        );
        check(
            &["gpt-4o", "gpt-4.1-mini", "gpt-35-turbo", "my-deployment"],
            |quirks| quirks.max_tokens_name,
            &MaxTokensName::AsWritten,
        );
    }

    #[test]
    fn a_model_known_late_has_the_same_name_for_its_limit() {
        let names = MaxTokensNames::read();
        for model in ["o3-mini", "gpt-5", "gpt-4o", "gpt-35-turbo", "mine"] {
            let want = resolved(model, "{}").max_tokens_name;
            assert_eq!(names.of(model), want, "{model}");
        }
        assert_eq!(names.of("gpt-5"), MaxTokensName::MaxCompletionTokens);
    }

    #[test]
    fn a_target_overrides_what_it_names() {
        let quirks = resolved("amazon.nova-2-lite-v1:0", r#"{"quirks":{"stop":false}}"#);
        assert_eq!((quirks.reasoning, quirks.stop), (Reasoning::Nova, false));
    }

    #[test]
    fn a_target_can_be_like_another_model() {
        let quirks = resolved(
            "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc",
            r#"{"quirks":{"like":"us.mistral.large","stop":false}}"#,
        );
        assert_eq!(
            (quirks.tool_id, quirks.stop),
            (ToolId::NineAlphanumeric, false)
        );
    }

    #[test]
    fn an_unknown_quirk_is_refused_with_its_path() {
        let root = document::parse(br#"{"quirks":{"sampling":"two"}}"#).unwrap();
        let problems = document::read(&root, |fields| Some(Quirks::resolve("x", fields)));
        let problems = problems.unwrap_err().to_string();
        assert!(problems.starts_with("quirks.sampling: "), "{problems}");
    }
}
