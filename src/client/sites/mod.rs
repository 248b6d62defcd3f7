//! Where text stands in each format: in a request, in an answer, and in the events of a stream.
//!
//! Places are told as JSONPath, the language in which an admin adds to them or takes from them. What people, models and
//! tools write is text, and so is every string of which the format does not say that it is something else: what nobody here
//! knows must not leak. Ids, and names of tools and models, are listed as kept. What cannot be read as text is media. Where a
//! text is known by its place, it is because its pieces come one by one, or because it holds JSON.

mod agents;
mod chat;
mod completions;
mod embeddings;
mod responses;

pub use agents::AGENTS;
pub(super) use chat::CHAT;
pub(super) use completions::COMPLETIONS;
pub(super) use embeddings::EMBEDDINGS;
pub(super) use responses::RESPONSES;

/// The places of one format.
#[derive(Debug)]
pub struct Sites {
    /// In a request.
    pub request: &'static [Site],
    /// In a whole answer.
    pub answer: &'static [Site],
    /// In the events of a stream.
    pub events: Events,
    /// What stands in the place of media that were taken out, by [`Holds::Media`]'s number.
    pub parts: &'static [&'static str],
    /// The members of a request and of an answer at the top, besides those that the sites name.
    pub others: &'static [&'static str],
}

/// What is text in an event of a type that no format knows: all but what looks like an id or an enumeration.
pub static UNKNOWN: &[Site] = &[
    ("$..*", Holds::Any),
    ("$..arguments", Holds::Json),
    (
        "$['type','id','item_id','call_id','status','event_id','session_id','turn_id']",
        Holds::Kept,
    ),
    ("$['partial_image_b64','obfuscation']", Holds::Kept),
    ("$.*['id','call_id','model']", Holds::Kept),
];

/// The places of everything that apps speak.
pub fn all() -> impl Iterator<Item = &'static Sites> {
    let turns = super::ALL.iter().map(|client| client.sites());
    turns.chain([&AGENTS])
}

/// A place, and what it holds.
pub type Site = (&'static str, Holds);

/// What a place holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Text, if it is a string.
    Text,
    /// Text, if it is a string, though no format says that it is.
    Any,
    /// JSON as text, if it is a string.
    Json,
    /// A string that stays unless a policy selects it.
    Aside,
    /// A string that is never touched. What is no string is looked into, for that is not what the format has here.
    Kept,
    /// An image, audio or a file; the number of what may stand in its place. 0 where nothing may.
    Media(u8),
    /// The same text again in another form, token by token.
    Shadow,
    /// Text, if it is a string; text as the numbers of its tokens, if it is a number.
    Tokens,
}

/// How a stream's events are parts of the whole answer.
#[derive(Debug, Clone, Copy)]
pub enum Events {
    /// There are no streams.
    None,
    /// Each event looks like the answer and holds pieces of its texts; items are told apart by their `index`.
    Pieces {
        /// A member that is called otherwise here, and its name there.
        renamed: Option<(&'static str, &'static str)>,
        /// The items that end one by one.
        items: &'static str,
        /// The member of an item whose strings come in pieces.
        pieces: &'static str,
        /// Says that an item has ended, where it is neither null nor empty.
        end: &'static str,
    },
    /// Each event says what it is by its `type`.
    Typed(&'static [Typed]),
}

/// An event of one type.
#[derive(Debug, Clone, Copy)]
pub struct Typed {
    /// The type.
    pub name: &'static str,
    /// The member with the text or the part.
    pub member: &'static str,
    /// Where it stands in the whole answer.
    pub path: &'static [At],
    /// What it is.
    pub is: Is,
}

/// A step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// A member.
    Name(&'static str),
    /// The item that this member of the event numbers.
    Number(&'static str),
    /// The item that has the id in this member of the event, or in this member of that.
    Id(&'static str, &'static str),
}

/// What an event's member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Is {
    /// A piece of a text.
    Piece,
    /// A part of the answer as it begins.
    Begun,
    /// A text or part that is complete: no more pieces come for what is in it.
    Complete,
}
