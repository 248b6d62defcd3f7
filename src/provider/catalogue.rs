//! The module's own table of models.
//!
//! `models.json` is the table. Every row whose pattern fits the model's id applies, in the order of
//! the table, and sets the quirks that it names: so a later row wins, general rows come first, and a
//! model that nobody listed takes after its family. A model that no row fits gets the permissive
//! [`Quirks::default`]. Last comes the target's own `quirks`, with the same fields; its `like` names
//! the model to look up where the id says nothing, such as an application inference profile's ARN.
//!
//! Patterns see the id without an ARN's head and without the prefix of a cross-region profile:
//! `arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-2-lite-v1:0` is
//! `amazon.nova-2-lite-v1:0`. The table is read once for each policy, never for a request.

use super::quirks::{MaxTokensName, Quirk, Quirks};
use crate::document::{self, Fields, Problems};
use crate::glob::Glob;

/// What is known of models.
#[derive(Debug, Clone)]
pub struct Catalogue {
    region_prefixes: Vec<String>,
    rows: Vec<Row>,
}

/// What some models have in common.
#[derive(Debug, Clone)]
struct Row {
    patterns: Vec<Glob>,
    quirks: Vec<Quirk>,
}

const TABLE: &str = include_str!("models.json");

impl Catalogue {
    /// Reads the table that is part of the module.
    ///
    /// # Errors
    /// It is broken, which a test rules out.
    pub fn shipped() -> Result<Self, Problems> {
        Self::parse(TABLE)
    }

    fn parse(text: &str) -> Result<Self, Problems> {
        let table = document::parse(text.as_bytes())?;
        document::read(&table, |table| {
            let prefixes = table
                .require("region_prefixes", "list those of cross-region profiles")
                .list_of_strings("region_prefixes")?;
            let rows = table.maps("models", |_, row| {
                let patterns = row
                    .require("match", "list patterns of model ids")
                    .list_of_parsed("match", str::parse::<Glob>);
                let quirks = Quirk::read(row);
                let patterns = patterns?;
                Some(Row { patterns, quirks })
            });
            Some(Self {
                region_prefixes: prefixes.into_iter().map(str::to_owned).collect(),
                rows,
            })
        })
    }

    /// What the table says of `model`, then what the target's own `quirks` in `fields` say.
    pub(super) fn resolve(&self, model: &str, fields: &mut Fields<'_>) -> Quirks {
        let own = fields.map("quirks", |own| {
            let mut quirks = self.of(own.string("like").unwrap_or(model));
            for quirk in &Quirk::read(own) {
                quirks.set(quirk);
            }
            Some(quirks)
        });
        own.unwrap_or_else(|| self.of(model))
    }

    /// What the table says of `model`.
    fn of(&self, model: &str) -> Quirks {
        let name = self.plain(model);
        let mut quirks = Quirks::default();
        for row in &self.rows {
            if row.patterns.iter().any(|pattern| pattern.matches(name)) {
                row.quirks.iter().for_each(|quirk| quirks.set(quirk));
            }
        }
        quirks
    }

    /// The table's word on one quirk, for a target whose model is known only when an app asks for it.
    pub(super) fn max_tokens_names(&self) -> MaxTokensNames {
        let mut names = Vec::new();
        for row in &self.rows {
            for quirk in &row.quirks {
                if let Quirk::MaxTokensName(name) = quirk {
                    names.extend(row.patterns.iter().map(|pattern| (pattern.clone(), *name)));
                }
            }
        }
        MaxTokensNames(names)
    }

    /// Whether `model` is the id of a cross-region profile, which has its region as a prefix.
    pub(super) fn is_regional(&self, model: &str) -> bool {
        self.without_region(model).is_some()
    }

    /// The id that patterns see.
    #[must_use]
    pub fn plain<'m>(&self, model: &'m str) -> &'m str {
        // `arn:..:custom-model/amazon.nova-lite-v1:0/abc`: the base model stands first.
        let name = match model.split_once('/') {
            Some((_, resource)) if model.starts_with("arn:") => {
                resource.split('/').next().unwrap_or(resource)
            }
            _ => model,
        };
        self.without_region(name).unwrap_or(name)
    }

    fn without_region<'m>(&self, name: &'m str) -> Option<&'m str> {
        let (prefix, rest) = name.split_once('.')?;
        self.region_prefixes
            .iter()
            .any(|known| known == prefix)
            .then_some(rest)
    }
}

/// What models call the limit of output tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MaxTokensNames(Vec<(Glob, MaxTokensName)>);

impl MaxTokensNames {
    /// What `model` calls it.
    pub(super) fn of(&self, model: &str) -> MaxTokensName {
        let fitting = self.0.iter().rev().find(|(glob, _)| glob.matches(model));
        fitting.map_or(MaxTokensName::AsWritten, |(_, name)| *name)
    }
}

#[cfg(test)]
impl Quirks {
    /// What the shipped table and a target's `quirks` say of `model`.
    pub(super) fn resolve(model: &str, fields: &mut Fields<'_>) -> Self {
        Catalogue::shipped().unwrap().resolve(model, fields)
    }
}

#[cfg(test)]
mod tests {
    use super::super::quirks::{
        Apis, ForcedTools, MantlePath, Reasoning, RuntimeSurface, Sampling, ToolId,
    };
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
        let problems = Catalogue::shipped().map(|_| ());
        assert!(problems.is_ok(), "{}", problems.unwrap_err());
    }

    /// Ids that fit a pattern, and ids that nearly do.
    fn samples(catalogue: &Catalogue) -> Vec<String> {
        let patterns = catalogue.rows.iter().flat_map(|row| &row.patterns);
        patterns
            .flat_map(|pattern| {
                ["", "1", "opus", "sonnet", "haiku"]
                    .map(|filling| pattern.as_str().replace('*', filling))
            })
            .collect()
    }

    #[test]
    fn no_row_is_shadowed_and_no_quirk_says_what_holds_anyway() {
        let catalogue = Catalogue::shipped().unwrap();
        let samples = samples(&catalogue);
        let resolved = |catalogue: &Catalogue| -> Vec<_> {
            samples.iter().map(|id| catalogue.of(id)).collect()
        };
        let want = resolved(&catalogue);
        for (at, row) in catalogue.rows.iter().enumerate() {
            assert!(!row.patterns.is_empty() && !row.quirks.is_empty());
            for quirk in &row.quirks {
                let mut without = catalogue.clone();
                without.rows[at].quirks.retain(|other| other != quirk);
                let patterns = &row.patterns;
                assert!(resolved(&without) != want, "{quirk:?} of {patterns:?}");
            }
            for pattern in &row.patterns {
                let mut without = catalogue.clone();
                without.rows[at].patterns.retain(|other| other != pattern);
                assert!(resolved(&without) != want, "{pattern:?}");
            }
        }
    }

    #[test]
    fn a_broken_table_is_refused_with_the_place() {
        for (table, path) in [
            ("{}", "region_prefixes"),
            (
                r#"{"region_prefixes":[],"models":[{"stop":true}]}"#,
                "models[0].match",
            ),
            (
                r#"{"region_prefixes":[],"models":[{"match":["a"],"stops":true}]}"#,
                "models[0].stops",
            ),
            (
                r#"{"region_prefixes":[],"models":[{"match":["a?"]}]}"#,
                "models[0].match[0]",
            ),
        ] {
            let problems = Catalogue::parse(table).unwrap_err().to_string();
            assert!(problems.starts_with(path), "{problems}");
        }
    }

    #[test]
    fn openai_s_models_are_spoken_to_in_their_own_format() {
        check(
            &["openai.gpt-5.6-terra", "us.openai.gpt-6", "xai.grok-4.6"],
            |quirks| (quirks.surface, quirks.mantle_path, quirks.mantle_apis),
            &(RuntimeSurface::OpenAi, MantlePath::OpenAiV1, Apis::Both),
        );
        check(
            &["openai.gpt-5.4", "openai.gpt-5.5"],
            |quirks| (quirks.mantle_path, quirks.mantle_apis),
            &(MantlePath::OpenAiV1, Apis::Responses),
        );
        check(
            &["openai.gpt-oss-120b-1:0", "openai.gpt-oss-20b"],
            |quirks| (quirks.surface, quirks.mantle_path, quirks.inline_reasoning),
            &(RuntimeSurface::Converse, MantlePath::V1, true),
        );
    }

    #[test]
    fn only_claude_refuses_a_blank_stop() {
        check(
            &["anthropic.claude-opus-5"],
            |quirks| quirks.blank_stop,
            &false,
        );
        check(
            &["amazon.nova-lite-v1:0"],
            |quirks| quirks.blank_stop,
            &true,
        );
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
        let names = Catalogue::shipped().unwrap().max_tokens_names();
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
