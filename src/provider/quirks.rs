//! What one model takes and another refuses.
//!
//! [`Quirks`] is what the providers ask; a [`Quirk`] is one of its fields with a value, as a row of the
//! table or a target's own `quirks` sets it. The policy's README.md is the reference: a test holds
//! it to have every field and every word. Which model has which quirk is the table's business: see
//! [`super::catalogue`].

use crate::document::Fields;

/// What a model takes.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Whether a stop sequence may be nothing but white space.
    pub(super) blank_stop: bool,
    /// Whether it tells which stop sequence ended an answer, if it is asked to.
    pub(super) stop_told: bool,
    /// What becomes of a temperature, which Converse has from 0 to 1 and OpenAI from 0 to 2.
    pub(super) temperature: Temperature,
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
    /// How long it caches a prompt where the app marks it.
    pub(super) prompt_cache: PromptCache,
    /// Whether it takes such a mark among the tools.
    pub(super) prompt_cache_tools: bool,
    /// What a chat completions body calls the limit of output tokens.
    pub(super) max_tokens_name: MaxTokensName,
    /// Which of the runtime's surfaces is to be used where the policy names none.
    pub(super) surface: RuntimeSurface,
    /// What it speaks at OpenAI, at Azure and at servers like them.
    pub(super) apis: Apis,
    /// What it speaks at the runtime's OpenAI endpoint.
    pub(super) runtime_apis: Apis,
    /// What it speaks at mantle.
    pub(super) mantle_apis: Apis,
    /// Where mantle serves it.
    pub(super) mantle_path: MantlePath,
    /// How it is told that it may search the web.
    pub(super) search_tool: SearchTool,
    /// Parameters that Bedrock's OpenAI endpoints refuse for it.
    pub(super) refused_parameters: Vec<String>,
    /// Whether its reasoning comes inside the text, between `<reasoning>` and `</reasoning>`.
    pub(super) inline_reasoning: bool,
    /// Whether it numbers its tool calls anew in every answer, so that their ids come again.
    pub(super) positional_tool_ids: bool,
    /// How it is asked for embeddings; nothing if it holds conversations.
    pub(super) embedding: Option<Embedding>,
}

/// One field of [`Quirks`] and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Quirk {
    Reasoning(Reasoning),
    Sampling(Sampling),
    ForcedTools(ForcedTools),
    Prefill(bool),
    Stop(bool),
    BlankStop(bool),
    StopTold(bool),
    Temperature(Temperature),
    MaxTokensMin(u64),
    ParallelSwitch(ParallelSwitch),
    ToolId(ToolId),
    ToolResultImages(bool),
    StrictTools(bool),
    OutputSchema(bool),
    PromptCache(PromptCache),
    PromptCacheTools(bool),
    MaxTokensName(MaxTokensName),
    Surface(RuntimeSurface),
    Apis(Apis),
    RuntimeApis(Apis),
    MantleApis(Apis),
    MantlePath(MantlePath),
    SearchTool(SearchTool),
    RefusedParameters(Vec<String>),
    InlineReasoning(bool),
    PositionalToolIds(bool),
    Embedding(Option<Embedding>),
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

/// What becomes of a temperature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Temperature {
    /// What is above 1 becomes 1.
    Cut,
    /// All of them are halved.
    Halved,
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

/// How long a model caches a prompt where the app marks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PromptCache {
    /// It takes no marks.
    None,
    /// Five minutes.
    FiveMinutes,
    /// Five minutes or an hour.
    OneHour,
}

/// What a chat completions body calls the limit of output tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MaxTokensName {
    /// The model takes whichever name the app wrote.
    AsWritten,
    /// It refuses `max_tokens`.
    MaxCompletionTokens,
}

/// How a model at `bedrock-runtime` is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RuntimeSurface {
    /// By Converse.
    Converse,
    /// In OpenAI's formats.
    OpenAi,
}

/// Which of OpenAI's formats a model speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Apis {
    /// Chat completions and Responses.
    Both,
    /// Chat completions only.
    Chat,
    /// Responses only.
    Responses,
}

impl Apis {
    pub(super) const fn has_chat(self) -> bool {
        matches!(self, Self::Both | Self::Chat)
    }

    pub(super) const fn has_responses(self) -> bool {
        matches!(self, Self::Both | Self::Responses)
    }
}

/// How a model is told that it may search the web.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SearchTool {
    /// It cannot.
    None,
    /// By Converse's system tool `nova_grounding`.
    NovaGrounding,
    /// By `web_search_options` of chat completions.
    Options,
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

/// Where mantle serves a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MantlePath {
    /// Under `/v1`, as most.
    V1,
    /// Under `/openai/v1`.
    OpenAiV1,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            reasoning: Reasoning::None,
            sampling: Sampling::Both,
            forced_tools: ForcedTools::Yes,
            prefill: true,
            stop: true,
            blank_stop: true,
            stop_told: false,
            temperature: Temperature::Cut,
            max_tokens_min: 1,
            parallel_switch: ParallelSwitch::None,
            tool_id: ToolId::Converse,
            tool_result_images: true,
            strict_tools: true,
            output_schema: true,
            prompt_cache: PromptCache::OneHour,
            prompt_cache_tools: true,
            max_tokens_name: MaxTokensName::AsWritten,
            surface: RuntimeSurface::Converse,
            apis: Apis::Both,
            runtime_apis: Apis::Both,
            mantle_apis: Apis::Both,
            mantle_path: MantlePath::V1,
            search_tool: SearchTool::None,
            refused_parameters: Vec::new(),
            inline_reasoning: false,
            positional_tool_ids: false,
            embedding: None,
        }
    }
}

impl Quirks {
    pub(super) fn set(&mut self, quirk: &Quirk) {
        match quirk {
            Quirk::Reasoning(value) => self.reasoning = *value,
            Quirk::Sampling(value) => self.sampling = *value,
            Quirk::ForcedTools(value) => self.forced_tools = *value,
            Quirk::Prefill(value) => self.prefill = *value,
            Quirk::Stop(value) => self.stop = *value,
            Quirk::BlankStop(value) => self.blank_stop = *value,
            Quirk::StopTold(value) => self.stop_told = *value,
            Quirk::Temperature(value) => self.temperature = *value,
            Quirk::MaxTokensMin(value) => self.max_tokens_min = *value,
            Quirk::ParallelSwitch(value) => self.parallel_switch = *value,
            Quirk::ToolId(value) => self.tool_id = *value,
            Quirk::ToolResultImages(value) => self.tool_result_images = *value,
            Quirk::StrictTools(value) => self.strict_tools = *value,
            Quirk::OutputSchema(value) => self.output_schema = *value,
            Quirk::PromptCache(value) => self.prompt_cache = *value,
            Quirk::PromptCacheTools(value) => self.prompt_cache_tools = *value,
            Quirk::MaxTokensName(value) => self.max_tokens_name = *value,
            Quirk::Surface(value) => self.surface = *value,
            Quirk::Apis(value) => self.apis = *value,
            Quirk::RuntimeApis(value) => self.runtime_apis = *value,
            Quirk::MantleApis(value) => self.mantle_apis = *value,
            Quirk::MantlePath(value) => self.mantle_path = *value,
            Quirk::SearchTool(value) => self.search_tool = *value,
            Quirk::RefusedParameters(value) => self.refused_parameters.clone_from(value),
            Quirk::InlineReasoning(value) => self.inline_reasoning = *value,
            Quirk::PositionalToolIds(value) => self.positional_tool_ids = *value,
            Quirk::Embedding(value) => self.embedding = *value,
        }
    }
}

impl Quirk {
    /// Reads those that `fields` name.
    pub(super) fn read(fields: &mut Fields<'_>) -> Vec<Self> {
        let refused = fields.list_of_parsed("refused_parameters", parameter);
        [
            fields.one_of("reasoning", REASONING).map(Self::Reasoning),
            fields.one_of("sampling", SAMPLING).map(Self::Sampling),
            fields
                .one_of("forced_tools", FORCED_TOOLS)
                .map(Self::ForcedTools),
            fields.boolean("prefill").map(Self::Prefill),
            fields.boolean("stop").map(Self::Stop),
            fields.boolean("blank_stop").map(Self::BlankStop),
            fields.boolean("stop_told").map(Self::StopTold),
            fields
                .one_of("temperature", TEMPERATURE)
                .map(Self::Temperature),
            fields
                .u64("max_tokens_min", 1..=1_000_000)
                .map(Self::MaxTokensMin),
            fields
                .one_of("parallel_switch", PARALLEL_SWITCH)
                .map(Self::ParallelSwitch),
            fields.one_of("tool_id", TOOL_ID).map(Self::ToolId),
            fields
                .boolean("tool_result_images")
                .map(Self::ToolResultImages),
            fields.boolean("strict_tools").map(Self::StrictTools),
            fields.boolean("output_schema").map(Self::OutputSchema),
            fields
                .one_of("prompt_cache", PROMPT_CACHE)
                .map(Self::PromptCache),
            fields
                .boolean("prompt_cache_tools")
                .map(Self::PromptCacheTools),
            fields
                .one_of("max_tokens_name", MAX_TOKENS_NAME)
                .map(Self::MaxTokensName),
            fields.one_of("surface", SURFACE).map(Self::Surface),
            fields.one_of("apis", APIS).map(Self::Apis),
            fields.one_of("runtime_apis", APIS).map(Self::RuntimeApis),
            fields.one_of("mantle_apis", APIS).map(Self::MantleApis),
            fields
                .one_of("mantle_path", MANTLE_PATH)
                .map(Self::MantlePath),
            fields
                .one_of("search_tool", SEARCH_TOOL)
                .map(Self::SearchTool),
            refused.map(Self::RefusedParameters),
            fields
                .boolean("inline_reasoning")
                .map(Self::InlineReasoning),
            fields
                .boolean("positional_tool_ids")
                .map(Self::PositionalToolIds),
            fields.one_of("embedding", EMBEDDING).map(Self::Embedding),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// A parameter that can be left out of a request.
fn parameter(name: &str) -> Result<String, &'static str> {
    if ["messages", "model", "stream"].contains(&name) {
        return Err("a request is none without it");
    }
    let is_legal = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    match (1..=64).contains(&name.len()) && name.bytes().all(is_legal) {
        true => Ok(name.to_owned()),
        false => Err("name a parameter of the request, such as logit_bias"),
    }
}

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
const TEMPERATURE: &[(&str, Temperature)] =
    &[("cut", Temperature::Cut), ("halved", Temperature::Halved)];
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
const PROMPT_CACHE: &[(&str, PromptCache)] = &[
    ("none", PromptCache::None),
    ("five_minutes", PromptCache::FiveMinutes),
    ("one_hour", PromptCache::OneHour),
];
const MAX_TOKENS_NAME: &[(&str, MaxTokensName)] = &[
    ("as_written", MaxTokensName::AsWritten),
    ("max_completion_tokens", MaxTokensName::MaxCompletionTokens),
];
pub(super) const SURFACE: &[(&str, RuntimeSurface)] = &[
    ("converse", RuntimeSurface::Converse),
    ("openai", RuntimeSurface::OpenAi),
];
const APIS: &[(&str, Apis)] = &[
    ("both", Apis::Both),
    ("chat", Apis::Chat),
    ("responses", Apis::Responses),
];
const SEARCH_TOOL: &[(&str, SearchTool)] = &[
    ("none", SearchTool::None),
    ("nova_grounding", SearchTool::NovaGrounding),
    ("web_search_options", SearchTool::Options),
];
const MANTLE_PATH: &[(&str, MantlePath)] =
    &[("v1", MantlePath::V1), ("openai_v1", MantlePath::OpenAiV1)];
const EMBEDDING: &[(&str, Option<Embedding>)] = &[
    ("none", None),
    ("titan_v1", Some(Embedding::TitanV1)),
    ("titan_v2", Some(Embedding::TitanV2)),
    ("titan_image", Some(Embedding::TitanImage)),
    ("cohere_v3", Some(Embedding::CohereV3)),
    ("cohere_v4", Some(Embedding::CohereV4)),
    ("nova", Some(Embedding::Nova)),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{parse, read};

    const REFERENCE: &str = include_str!("../policy/README.md");

    /// Every quirk that there is, each with the words that it takes.
    fn vocabulary() -> Vec<(&'static str, Vec<&'static str>)> {
        fn words<T>(choices: &[(&'static str, T)]) -> Vec<&'static str> {
            choices.iter().map(|(word, _)| *word).collect()
        }
        vec![
            ("reasoning", words(REASONING)),
            ("sampling", words(SAMPLING)),
            ("forced_tools", words(FORCED_TOOLS)),
            ("prefill", vec![]),
            ("stop", vec![]),
            ("blank_stop", vec![]),
            ("stop_told", vec![]),
            ("temperature", words(TEMPERATURE)),
            ("max_tokens_min", vec![]),
            ("parallel_switch", words(PARALLEL_SWITCH)),
            ("tool_id", words(TOOL_ID)),
            ("tool_result_images", vec![]),
            ("strict_tools", vec![]),
            ("output_schema", vec![]),
            ("prompt_cache", words(PROMPT_CACHE)),
            ("prompt_cache_tools", vec![]),
            ("max_tokens_name", words(MAX_TOKENS_NAME)),
            ("surface", words(SURFACE)),
            ("apis", words(APIS)),
            ("runtime_apis", words(APIS)),
            ("mantle_apis", words(APIS)),
            ("mantle_path", words(MANTLE_PATH)),
            ("search_tool", words(SEARCH_TOOL)),
            ("refused_parameters", vec![]),
            ("inline_reasoning", vec![]),
            ("positional_tool_ids", vec![]),
            ("embedding", words(EMBEDDING)),
        ]
    }

    /// The problems of a map of quirks.
    fn problems(json: &str) -> String {
        let root = parse(json.as_bytes()).unwrap();
        let read = read(&root, |fields| Some(Quirk::read(fields)));
        read.map_or_else(|problems| problems.to_string(), |_| String::new())
    }

    #[test]
    fn the_reference_has_every_quirk_and_every_word() {
        for (name, words) in vocabulary() {
            let row = REFERENCE
                .lines()
                .find(|line| line.starts_with(&format!("| `{name}` |")));
            let row = row.unwrap_or_else(|| panic!("{name} is not in the reference"));
            for word in words {
                assert!(row.contains(&format!("`{word}`")), "{name}: {word}");
            }
        }
    }

    #[test]
    fn an_error_knows_every_quirk() {
        let problems = problems(r#"{"x":1}"#);
        for (name, _) in vocabulary() {
            assert!(problems.contains(name), "{problems}");
        }
        let known = problems.split_once("known here: ").unwrap().1;
        assert_eq!(known.split(", ").count(), vocabulary().len());
    }

    #[test]
    fn what_a_request_cannot_be_without_is_never_left_out() {
        for name in ["model", "messages", "a b", ""] {
            let problems = problems(&format!(r#"{{"refused_parameters":["{name}"]}}"#));
            assert!(problems.starts_with("refused_parameters[0]: "), "{name}");
        }
        assert_eq!(problems(r#"{"refused_parameters":["n","logit_bias"]}"#), "");
    }
}
