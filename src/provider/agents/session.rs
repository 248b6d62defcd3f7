//! Which of an agent's sessions a request belongs to.
//!
//! Chat completions has no sessions: each request brings its whole conversation. An agent has them, and two
//! conversations in one session would read each other. So a session is only kept where its name is sure:
//!
//! | what is known | the session | what is sent |
//! |---|---|---|
//! | the app names the conversation (`x-tollgate-session`) | hash of target, consumer and that name | what is new |
//! | the app names the person (`safety_identifier`, else `user`) | hash of target, consumer, person and beginning | what is new |
//! | neither, and the target says `session: conversation` | hash of target, consumer and beginning | what is new |
//! | neither | a new one, from the request's random bits | the whole conversation |
//!
//! The *beginning* is all messages up to the first of the user's, that one included: it comes again with
//! every request of a conversation. What is *new* is what follows the assistant's last message. The hash is
//! SHA-256 over the pieces, each behind its length; no text of the app can be read from it.

use sha2::{Digest, Sha256};

use crate::document::Fields;
use crate::turn::{
    Document, DocumentSource, Escaped, Image, Message, Part, Request, Role, SearchResult, Session,
    ToolOutput,
};

/// When a session is kept though nobody named it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Never: two conversations may begin alike.
    Named,
    /// Always: the admin knows that they do not, or that they are one person's.
    Conversation,
}

const KEEP: &[(&str, Keep)] = &[("named", Keep::Named), ("conversation", Keep::Conversation)];

/// One of an agent's sessions.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Its id: 75 letters, digits and hyphens.
    pub(super) id: String,
    /// Whether the agent has heard what came before the assistant's last message.
    pub(super) is_kept: bool,
}

impl Keep {
    /// Reads the field `session`.
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        fields.one_of("session", KEEP).unwrap_or(Self::Named)
    }

    /// The session of a request to the agent of this name.
    pub(super) fn session(self, target: &str, request: &Request<'_>) -> Held {
        let Session {
            caller,
            name,
            user,
            entropy,
        } = request.session;
        let mut pieces = Pieces(Sha256::new());
        pieces.add(target);
        pieces.add(caller.unwrap_or_default());
        if let Some(name) = name {
            pieces.add("name");
            pieces.add(name);
            return kept(pieces);
        }
        if user.is_some() || self == Self::Conversation {
            pieces.add("beginning");
            pieces.add(user.unwrap_or_default());
            let user = |message: &Message<'_>| message.role == Role::User;
            let first = request.messages.iter().position(user).unwrap_or(0);
            for message in request.messages.iter().take(first.saturating_add(1)) {
                pieces.message(message);
            }
            return kept(pieces);
        }
        let [high, low] = entropy;
        fresh(&format!("{high:016x}{low:016x}"))
    }
}

fn kept(pieces: Pieces) -> Held {
    let mut id = KEPT.to_owned();
    push_hex(&pieces.0.finalize(), &mut id);
    Held { id, is_kept: true }
}

const KEPT: &str = "tollgate-k-";
const FRESH: &str = "tollgate-f-";

/// The new session of these 32 hexadecimal digits. Its id is a hash of them: they are in the answer's id
/// as well, which an app may show.
pub(super) fn fresh(seed: &str) -> Held {
    let mut id = FRESH.to_owned();
    push_hex(&Sha256::digest(seed.as_bytes()), &mut id);
    Held { id, is_kept: false }
}

/// Whether a session was one that nobody can guess: an app may name it again.
pub(super) fn is_fresh(id: &str) -> bool {
    id.strip_prefix(FRESH)
        .is_some_and(|hash| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn push_hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 0x0F] {
            out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
}

/// The app's messages that the agent has to hear, and where they begin. System messages are no part of them.
pub(super) fn new_messages<'r, 'a>(request: &'r Request<'a>) -> (usize, &'r [Message<'a>]) {
    let assistant = |message: &Message<'_>| message.role == Role::Assistant;
    let last = request.messages.iter().rposition(assistant);
    let start = last.map_or(0, |at| at.saturating_add(1));
    (start, request.messages.get(start..).unwrap_or_default())
}

/// What is hashed: pieces, each behind its length, so that none can be taken for two.
struct Pieces(Sha256);

impl Pieces {
    fn add(&mut self, piece: &str) {
        let bytes = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.0.update(bytes.to_be_bytes());
        self.0.update(piece);
    }

    fn message(&mut self, message: &Message<'_>) {
        self.add(match message.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        });
        for part in &message.parts {
            match part {
                Part::Text(text) | Part::Refusal(text) => self.text(*text),
                Part::Image(image) => self.image(image),
                Part::Document(Document { source, .. }) => match source {
                    DocumentSource::Inline { base64: text, .. } | DocumentSource::FileId(text) => {
                        self.add(text);
                    }
                },
                Part::SearchResult(SearchResult { source, texts, .. }) => {
                    self.text(*source);
                    for text in texts {
                        self.text(*text);
                    }
                }
                Part::ToolCall { id, .. } | Part::TextCall { id, .. } => self.add(id),
                // An app may leave them out the next time.
                Part::Reasoning { .. } | Part::Redacted(_) | Part::CacheBreakpoint(_) => {}
                Part::ToolResult { id, output } => {
                    self.add(id);
                    for piece in output {
                        match piece {
                            ToolOutput::Text(text) => self.text(*text),
                            ToolOutput::Image(image) => self.image(image),
                        }
                    }
                }
            }
        }
    }

    fn text(&mut self, text: Escaped<'_>) {
        self.add(text.as_str());
    }

    fn image(&mut self, image: &Image<'_>) {
        match image {
            Image::Inline { base64: text, .. } | Image::Url(text) => self.add(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request<'a>(texts: &[(Role, &'a str)], session: Session<'a>) -> Request<'a> {
        let messages = texts.iter().enumerate();
        Request {
            messages: messages
                .map(|(index, (role, text))| Message {
                    role: *role,
                    parts: vec![Part::Text(Escaped::from_content(text))],
                    index,
                })
                .collect(),
            session,
            ..Request::default()
        }
    }

    const FIRST: &[(Role, &str)] = &[(Role::System, "be brief"), (Role::User, "private")];
    const LATER: &[(Role, &str)] = &[
        (Role::System, "be brief"),
        (Role::User, "private"),
        (Role::Assistant, "yes"),
        (Role::User, "and then?"),
    ];

    fn of(
        caller: &'static str,
        name: Option<&'static str>,
        user: Option<&'static str>,
    ) -> Session<'static> {
        Session {
            caller: Some(caller),
            name,
            user,
            entropy: [1, 2],
        }
    }

    /// Whether two requests share a session.
    #[track_caller]
    fn check(keep: Keep, one: &Request<'_>, other: &Request<'_>, want: bool) {
        let (one, other) = (keep.session("a", one), keep.session("a", other));
        for held in [&one, &other] {
            assert!((33..=100).contains(&held.id.len()), "{}", held.id);
            assert!(!held.id.contains("private"));
        }
        assert_eq!(one == other, want);
    }

    #[test]
    fn a_name_makes_the_session_whatever_is_said() {
        let named = of("c", Some("7"), None);
        check(
            Keep::Named,
            &request(FIRST, named),
            &request(&[(Role::User, "x")], named),
            true,
        );
        let other = of("c", Some("8"), None);
        check(
            Keep::Named,
            &request(FIRST, named),
            &request(FIRST, other),
            false,
        );
        let stranger = of("d", Some("7"), None);
        check(
            Keep::Named,
            &request(FIRST, named),
            &request(FIRST, stranger),
            false,
        );
    }

    #[test]
    fn a_persons_conversations_are_told_by_their_beginnings() {
        let ann = of("c", None, Some("ann"));
        check(
            Keep::Named,
            &request(FIRST, ann),
            &request(LATER, ann),
            true,
        );
        check(
            Keep::Named,
            &request(FIRST, ann),
            &request(&[(Role::User, "x")], ann),
            false,
        );
        let bob = of("c", None, Some("bob"));
        check(
            Keep::Named,
            &request(FIRST, ann),
            &request(FIRST, bob),
            false,
        );
    }

    #[test]
    fn without_a_name_only_the_admin_makes_beginnings_count() {
        let nobody = of("c", None, None);
        let again = Session {
            entropy: [3, 4],
            ..nobody
        };
        check(
            Keep::Conversation,
            &request(FIRST, nobody),
            &request(LATER, again),
            true,
        );
        check(
            Keep::Named,
            &request(FIRST, nobody),
            &request(FIRST, again),
            false,
        );
        assert!(!Keep::Named.session("a", &request(FIRST, nobody)).is_kept);
    }

    #[test]
    fn pieces_cannot_be_moved_from_one_to_the_next() {
        check(
            Keep::Named,
            &request(FIRST, of("ab", Some("c"), None)),
            &request(FIRST, of("a", Some("bc"), None)),
            false,
        );
    }

    #[test]
    fn only_new_sessions_can_be_named_again() {
        assert!(is_fresh(&fresh("00").id));
        let kept = Keep::Named.session("a", &request(FIRST, of("c", Some("7"), None)));
        assert!(!is_fresh(&kept.id));
        assert!(!is_fresh("tollgate-f-..%2F"));
    }

    #[test]
    fn what_is_new_follows_the_assistant() {
        let request = request(LATER, Session::default());
        let (start, messages) = new_messages(&request);
        assert_eq!((start, messages.len()), (3, 1));
    }
}
