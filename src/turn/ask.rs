//! What an app asks, as far as routing and same-format edits need it.

use std::fmt;

use crate::codec::json::{Member, Text};

/// A wire format that apps speak and that some upstreams speak as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OpenAI's chat completions.
    Chat,
    /// OpenAI's legacy completions.
    Completions,
    /// OpenAI's responses.
    Responses,
    /// OpenAI's embeddings.
    Embeddings,
}

/// One request, read only as deep as its top-level members.
///
/// The body is valid JSON and valid UTF-8; members below the top are nobody's business until a
/// translation asks for them.
pub struct Ask<'a> {
    /// The format that the app wrote.
    pub format: Format,
    /// The whole body as it arrived.
    pub body: &'a str,
    /// The top-level members in their order, no key twice.
    pub members: Vec<Member<'a>>,
    /// The model's public name.
    pub model: Text<'a>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Whether the app asked for a usage chunk at the end of its stream.
    pub include_usage: bool,
}

impl Format {
    /// The format's own word, for notes between the halves of the filter.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completions => "completions",
            Self::Responses => "responses",
            Self::Embeddings => "embeddings",
        }
    }
}

impl<'a> Ask<'a> {
    /// The member of this name, if the app sent it.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Member<'a>> {
        self.members.iter().find(|member| &*member.key == name)
    }
}

impl fmt::Debug for Ask<'_> {
    /// Tells sizes, never text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask")
            .field("format", &self.format)
            .field("body_bytes", &self.body.len())
            .field("members", &self.members.len())
            .finish_non_exhaustive()
    }
}
