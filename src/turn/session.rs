//! Whose conversation a request belongs to, for upstreams that keep conversations themselves.

use std::fmt;

/// What tells a conversation from others besides its own words.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Session<'a> {
    /// The consumer that the policy knows.
    pub caller: Option<&'a str>,
    /// What the app calls the conversation.
    pub name: Option<&'a str>,
    /// What the app calls the person it speaks for.
    pub user: Option<&'a str>,
    /// Random bits of this request.
    pub entropy: [u64; 2],
}

impl fmt::Debug for Session<'_> {
    /// Tells what there is, never text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("caller", &self.caller.is_some())
            .field("name", &self.name.is_some())
            .field("user", &self.user.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_text() {
        let session = Session {
            name: Some("private"),
            user: Some("private"),
            ..Session::default()
        };
        let shown = format!("{session:?}");
        assert!(!shown.contains("private"), "{shown}");
    }
}
