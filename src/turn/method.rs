//! What is done to a resource.

/// A method of HTTP, as far as the gateway passes it on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Method {
    /// `POST`: every turn of a conversation.
    #[default]
    Post,
    /// `GET`
    Get,
    /// `DELETE`
    Delete,
}

impl Method {
    /// Every method, for the `allow` header.
    pub const ALL: &'static str = "GET, POST, DELETE";

    /// Reads a method; nothing if it is none of these.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Post, Self::Get, Self::Delete]
            .into_iter()
            .find(|method| method.as_str() == text)
    }

    /// The method as it is on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Get => "GET",
            Self::Delete => "DELETE",
        }
    }
}
