//! What the events of ConverseStream say, be it a model that sends them or an agent's harness.
//!
//! Members that AWS adds are skipped, and so is a member whose event never means anything to an app.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::codec::json::Text;
use crate::fault::{Fault, Upstream};
use crate::turn::{Escaped, Usage};

/// Of a whole answer, or the start of one in a stream.
#[derive(Deserialize)]
pub(in crate::provider) struct ToolUse<'a> {
    #[serde(borrow, rename = "toolUseId")]
    pub(in crate::provider) tool_use_id: Escaped<'a>,
    #[serde(borrow)]
    pub(in crate::provider) name: Escaped<'a>,
    #[serde(borrow)]
    pub(in crate::provider) input: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    pub(in crate::provider) kind: Option<Text<'a>>,
}

#[derive(Deserialize)]
pub(in crate::provider) struct BlockStart<'a> {
    #[serde(rename = "contentBlockIndex")]
    pub(in crate::provider) content_block_index: u32,
    #[serde(borrow)]
    pub(in crate::provider) start: Option<Start<'a>>,
}

#[derive(Deserialize)]
pub(in crate::provider) struct Start<'a> {
    #[serde(borrow, rename = "toolUse")]
    pub(in crate::provider) tool_use: Option<ToolUse<'a>>,
}

#[derive(Deserialize)]
pub(in crate::provider) struct BlockDelta<'a> {
    #[serde(rename = "contentBlockIndex")]
    pub(in crate::provider) content_block_index: u32,
    #[serde(borrow)]
    pub(in crate::provider) delta: Option<Delta<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::provider) struct Delta<'a> {
    #[serde(borrow)]
    pub(in crate::provider) text: Option<Escaped<'a>>,
    #[serde(borrow)]
    pub(in crate::provider) tool_use: Option<ToolUseDelta<'a>>,
    #[serde(borrow)]
    pub(in crate::provider) reasoning_content: Option<ReasoningDelta<'a>>,
    #[serde(borrow)]
    pub(in crate::provider) citation: Option<Citation<'a>>,
}

#[derive(Deserialize)]
pub(in crate::provider) struct ToolUseDelta<'a> {
    #[serde(borrow)]
    pub(in crate::provider) input: Option<Escaped<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::provider) struct ReasoningDelta<'a> {
    #[serde(borrow)]
    pub(in crate::provider) text: Option<Escaped<'a>>,
    #[serde(borrow)]
    pub(in crate::provider) signature: Option<Escaped<'a>>,
    #[serde(borrow)]
    pub(in crate::provider) redacted_content: Option<Escaped<'a>>,
}

#[derive(Deserialize)]
pub(in crate::provider) struct BlockStop {
    #[serde(rename = "contentBlockIndex")]
    pub(in crate::provider) content_block_index: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::provider) struct MessageStop<'a> {
    #[serde(borrow)]
    pub(in crate::provider) stop_reason: Option<Text<'a>>,
    #[serde(borrow)]
    pub(in crate::provider) additional_model_response_fields: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(in crate::provider) struct Citation<'a> {
    #[serde(borrow)]
    pub(in crate::provider) title: Option<Escaped<'a>>,
    #[serde(borrow)]
    pub(in crate::provider) source: Option<Escaped<'a>>,
    #[serde(borrow)]
    pub(in crate::provider) location: Option<Location<'a>>,
}

#[derive(Deserialize)]
pub(in crate::provider) struct Location<'a> {
    #[serde(borrow)]
    pub(in crate::provider) web: Option<Web<'a>>,
}

#[derive(Deserialize)]
pub(in crate::provider) struct Web<'a> {
    #[serde(borrow)]
    pub(in crate::provider) url: Option<Escaped<'a>>,
}

impl<'a> Citation<'a> {
    /// Where the source is on the web: a page, or what the app gave as a search result's source.
    pub(in crate::provider) fn url(&self) -> Option<Escaped<'a>> {
        let web = self
            .location
            .as_ref()
            .and_then(|location| location.web.as_ref());
        let is_url = |source: &Escaped<'_>| {
            let source = source.as_str().replace("\\/", "/");
            source.starts_with("https://") || source.starts_with("http://")
        };
        web.and_then(|web| web.url)
            .or_else(|| self.source.filter(is_url))
    }
}

/// The wire has each of the cache's numbers under a second name too, which is not read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::provider) struct TokenUsage {
    pub(in crate::provider) input_tokens: Option<u64>,
    pub(in crate::provider) output_tokens: Option<u64>,
    pub(in crate::provider) cache_read_input_tokens: Option<u64>,
    pub(in crate::provider) cache_write_input_tokens: Option<u64>,
}

impl TokenUsage {
    /// AWS counts cached tokens beside the input, OpenAI inside of it.
    pub(in crate::provider) fn total(&self) -> Usage {
        let cached_tokens = self.cache_read_input_tokens.unwrap_or_default();
        let cache_write_tokens = self.cache_write_input_tokens.unwrap_or_default();
        let fresh = self.input_tokens.unwrap_or_default();
        Usage {
            input_tokens: fresh
                .saturating_add(cached_tokens)
                .saturating_add(cache_write_tokens),
            cached_tokens,
            cache_write_tokens,
            output_tokens: self.output_tokens.unwrap_or_default(),
            reasoning_tokens: None,
        }
    }
}

/// Refuses what stopped for a fault of the model's.
pub(in crate::provider) fn check_stop(reason: &str) -> Result<(), Fault> {
    let (code, message) = match reason {
        "malformed_model_output" => (
            "malformed_model_output",
            "the model's output was malformed; try again",
        ),
        "malformed_tool_use" => (
            "malformed_tool_use",
            "the model called a tool in a malformed way; try again",
        ),
        _ => return Ok(()),
    };
    Err(Fault::from(Upstream::broken(code, message)))
}
