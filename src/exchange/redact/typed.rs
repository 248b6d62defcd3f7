//! Events that say by their type what they are, and where in the whole answer their part stands.
//!
//! Of a type that no table has, pieces are told by its name: what ends in `.delta` brings pieces of one text as long as its
//! ids and indexes are the same, and what is called so but ends in `.done` ends that text.

use std::collections::BTreeSet;

use crate::client::sites::{At, Is, Typed};
use crate::codec::json::{
    Edits, Error, Kind, Member, Members, Text, Walk, string_content, unescape,
};
use crate::codec::sse;
use crate::fault::Fault;
use crate::limits::{ADMIN_BYTES_MAX, REDACTIONS_MAX};
use crate::redact::Counts;
use crate::redact::document::hollow;
use crate::redact::places::{Found, Layout, Places, Step, write_path};

use super::Stop;
use super::stream::{Flow, Open, Owned, Piece, key, walked};

/// What is done with an event: its edits, and what goes out before it.
type Goes<'g> = (&'g mut Edits, &'g mut Vec<u8>);

impl Flow {
    /// Takes an event that says by its type what it is.
    pub(super) fn typed(
        &mut self,
        block: &sse::Event<'_>,
        text: &str,
        table: &[Typed],
        (edits, out): Goes<'_>,
        counts: &mut Counts,
    ) -> Result<(), Stop> {
        let event = Event::read(text, block.name)?;
        let row = table.iter().find(|row| event.kind == *row.name);
        match row.and_then(|row| Some((row, event.member(row.member)?))) {
            Some((row, part)) => self.known(&event, row, part, (edits, out), counts)?,
            None => self.unknown(&event, (edits, out), counts)?,
        }
        self.renumber(text, event.member("sequence_number"), edits)
    }

    /// Takes an event of a type that the format has.
    fn known(
        &mut self,
        event: &Event<'_>,
        row: &Typed,
        part: &str,
        (edits, out): Goes<'_>,
        counts: &mut Counts,
    ) -> Result<(), Stop> {
        let path = event.path(row.path);
        let rule = self.rule();
        let matcher = &self.redaction.sides(&rule)?.answer;
        if row.is == Is::Complete {
            self.end(&key(&path), event.number, out, counts)?;
        }
        if self.is_failing && row.path.is_empty() {
            return self.failed(event, part, edits, counts);
        }
        let mut found = Vec::new();
        for part in parts(part)? {
            let places = Places::new(matcher, Layout::default());
            found.append(&mut walked(places.at(path.clone()), part)?);
        }
        let beside = |flow: &Self, edits: &mut Edits, counts: &mut Counts| {
            flow.beside(event, part, edits, counts)
        };
        if row.is == Is::Piece {
            let keys: Vec<_> = found.iter().map(|piece| key(&piece.path)).collect();
            let pieces: Vec<_> = keys.into_iter().zip(found).collect();
            return self.put_pieces(event, &pieces, row.path.len(), &beside, (edits, counts));
        }
        let mut again = Counts::default();
        for piece in found {
            let is_new = self.is_uncounted(key(&piece.path));
            let counts = if is_new { &mut *counts } else { &mut again };
            let found = piece.found;
            self.redaction.put_whole(event.text, found, edits, counts)?;
        }
        beside(self, edits, counts)
    }

    /// Takes an event of which the format says nothing.
    fn unknown<'e>(
        &mut self,
        event: &Event<'e>,
        (edits, out): Goes<'_>,
        counts: &mut Counts,
    ) -> Result<(), Stop> {
        let rule = self.rule();
        let found = walked(Places::new(&rule.unknown, Layout::default()), event.text)?;
        if let Some(stem) = event.kind.strip_suffix(".done") {
            let begun = event.channel(stem);
            self.end(&begun, event.number, out, counts)?;
            let mut again = Counts::default();
            let is_new = self.is_uncounted(begun);
            let counts = if is_new { counts } else { &mut again };
            return self.put_all(event, &found, edits, counts);
        }
        let Some(stem) = event.kind.strip_suffix(".delta") else {
            return self.put_all(event, &found, edits, counts);
        };
        let is_delta = |piece: &Piece<'_>| {
            let first = piece.path.first();
            matches!(first, Some(Step::Name { name, .. }) if *name == *"delta")
        };
        let (mut pieces, others): (Vec<_>, Vec<_>) = found.into_iter().partition(is_delta);
        // Audio is no text, and each piece of it is decoded by itself.
        if stem.ends_with("audio") {
            pieces.clear();
        }
        let begun = event.channel(stem);
        let keyed = |mut piece: Piece<'e>| {
            let mut key = begun.clone();
            write_path(piece.path.get(1..).unwrap_or_default(), false, &mut key);
            if let Found::Text { is_json, .. } = &mut piece.found {
                *is_json |= stem.ends_with("arguments");
            }
            (key, piece)
        };
        let pieces: Vec<_> = pieces.into_iter().map(keyed).collect();
        let beside = |flow: &Self, edits: &mut Edits, counts: &mut Counts| {
            flow.put_all(event, &others, edits, counts)
        };
        self.put_pieces(event, &pieces, 1, &beside, (edits, counts))
    }

    fn put_all(
        &self,
        event: &Event<'_>,
        pieces: &[Piece<'_>],
        edits: &mut Edits,
        counts: &mut Counts,
    ) -> Result<(), Stop> {
        for piece in pieces {
            let found = piece.found;
            self.redaction.put_whole(event.text, found, edits, counts)?;
        }
        Ok(())
    }

    /// Takes pieces of texts, each with its text's name. `depth` is how much of their paths is not in the event. `beside`
    /// edits the rest of it, also where it is written again.
    fn put_pieces(
        &mut self,
        event: &Event<'_>,
        pieces: &[(String, Piece<'_>)],
        depth: usize,
        beside: &dyn Fn(&Self, &mut Edits, &mut Counts) -> Result<(), Stop>,
        (edits, counts): (&mut Edits, &mut Counts),
    ) -> Result<(), Stop> {
        beside(self, edits, counts)?;
        let is_alone = pieces.len() == 1 && edits.is_empty();
        let mut blank = String::new();
        for (key, piece) in pieces {
            let below = piece.path.get(depth..).unwrap_or_default();
            let is_piece = below.iter().all(|step| matches!(step, Step::Name { .. }));
            let Found::Text {
                content, is_json, ..
            } = piece.found
            else {
                continue;
            };
            if !is_piece {
                self.redaction
                    .put_whole(event.text, piece.found, edits, counts)?;
                continue;
            }
            if !self.has_begun(key) {
                if blank.is_empty() {
                    let mut edits = Edits::new(REDACTIONS_MAX, ADMIN_BYTES_MAX);
                    for (_, piece) in pieces {
                        if let Found::Text { content, .. } = piece.found {
                            edits.put_text(event.text, content, "")?;
                        }
                    }
                    beside(self, &mut edits, &mut Counts::default())?;
                    let mut bytes = Vec::new();
                    edits.apply(event.text.as_bytes(), &mut bytes)?;
                    blank = String::from_utf8(bytes).unwrap_or_default();
                }
                let path = below.iter().map(Owned::from).collect();
                self.begin(key, is_json, path, (event.name, &blank))?;
            }
            self.piece(key, event.text, content, false, (edits, counts))?;
            if is_alone {
                self.remember(key, event.name, event.text, content);
            }
        }
        Ok(())
    }

    /// Takes the whole answer as the event of its failure repeats it. What was said so far may end in what was held back.
    fn failed(
        &self,
        event: &Event<'_>,
        part: &str,
        edits: &mut Edits,
        counts: &mut Counts,
    ) -> Result<(), Stop> {
        for member in Members::new(part) {
            let member = member?;
            if member.key == "output" {
                edits.put(event.text, member.value, "[]")?;
                continue;
            }
            self.put_member(event, &member, edits, counts)?;
        }
        Ok(())
    }

    /// Takes what an event holds besides its part, at the root of what selectors speak of: the part's name too, where it
    /// comes again.
    fn beside(
        &self,
        event: &Event<'_>,
        part: &str,
        edits: &mut Edits,
        counts: &mut Counts,
    ) -> Result<(), Stop> {
        let rule = self.rule();
        let is_other = |it: &&Member<'_>| it.value.as_ptr() != part.as_ptr();
        for member in event.members.iter().filter(is_other) {
            if member.key == "logprobs" && rule.redacts_answers {
                edits.put(event.text, member.value, hollow(member.value))?;
                continue;
            }
            self.put_member(event, member, edits, counts)?;
        }
        Ok(())
    }

    /// Takes a member at the root of what selectors speak of.
    fn put_member(
        &self,
        event: &Event<'_>,
        member: &Member<'_>,
        edits: &mut Edits,
        counts: &mut Counts,
    ) -> Result<(), Stop> {
        let rule = self.rule();
        let matcher = &self.redaction.sides(&rule)?.answer;
        let step = Step::Name {
            name: member.key.clone(),
            is_known: true,
        };
        let places = Places::new(matcher, Layout::default()).at(vec![step]);
        self.put_all(event, &walked(places, member.value)?, edits, counts)
    }
}

/// The parts that stand at one place: the items of a list, or else one.
fn parts(part: &str) -> Result<Vec<&str>, Error> {
    let mut walk = Walk::new(part);
    if walk.kind() != Kind::Array {
        return Ok(vec![part]);
    }
    let mut parts = Vec::new();
    walk.open();
    while walk.next_item()? {
        parts.push(walk.skip()?);
    }
    Ok(parts)
}

/// An event with a type.
struct Event<'e> {
    /// Its name in the framing.
    name: Option<&'e [u8]>,
    text: &'e str,
    kind: Text<'e>,
    number: Option<u64>,
    members: Vec<Member<'e>>,
}

impl<'e> Event<'e> {
    fn read(text: &'e str, name: Option<&'e [u8]>) -> Result<Self, Stop> {
        let members: Result<Vec<_>, _> = Members::new(text).collect();
        let mut event = Self {
            name,
            text,
            kind: Text::default(),
            number: None,
            members: members?,
        };
        if let Some(content) = event.member("type").and_then(string_content) {
            let mut kind = String::new();
            unescape(content, &mut kind)?;
            event.kind = Text::from(kind);
        }
        event.number = event
            .member("sequence_number")
            .and_then(|number| number.parse().ok());
        Ok(event)
    }

    fn member(&self, name: &str) -> Option<&'e str> {
        let found = self.members.iter().find(|member| member.key == *name);
        found.map(|member| member.value)
    }

    /// The id in a member, or in a member of that; empty where there is none.
    fn id(&self, name: &str, inner: &str) -> Text<'e> {
        let mut value = self.member(name);
        if let Some(object) = value.filter(|it| it.starts_with('{')) {
            let mut members = Members::new(object).flatten();
            value = members.find(|it| it.key == *inner).map(|it| it.value);
        }
        let content = value.and_then(string_content).unwrap_or_default();
        let mut id = String::new();
        match unescape(content, &mut id) {
            Ok(()) => Text::from(id),
            Err(_) => Text::default(),
        }
    }

    /// What tells the text of an unknown event from others: what its type begins with, its ids and its indexes. No path
    /// begins like it.
    fn channel(&self, stem: &str) -> String {
        let mut ids = BTreeSet::new();
        for Member { key, value, .. } in &self.members {
            let is_id = key.ends_with("_index") || (key.ends_with("_id") && *key != *"event_id");
            if is_id && !value.starts_with(['{', '[']) {
                ids.insert(format!("{}={value}?", &**key));
            }
        }
        let mut channel = format!("?{stem}?");
        for id in ids {
            channel.push_str(&id);
        }
        channel
    }

    /// Where the event's part stands in the whole answer.
    fn path(&self, path: &[At]) -> Vec<Step<'e>> {
        let step = |at: &At| match at {
            At::Name(name) => Step::Name {
                name: Text::from(*name),
                is_known: true,
            },
            At::Number(member) => Step::Item {
                at: self
                    .member(member)
                    .and_then(|number| number.parse().ok())
                    .unwrap_or(0),
                is_told: true,
            },
            At::Id(member, inner) => Step::Name {
                name: self.id(member, inner),
                is_known: true,
            },
        };
        path.iter().map(step).collect()
    }
}

/// Writes the event that began a text once more, with another piece of it.
pub(super) fn write_again(
    open: &Open,
    number: Option<u64>,
    text: &str,
    out: &mut Vec<u8>,
) -> Result<(), Stop> {
    let event = &*open.event;
    let mut edits = Edits::new(4, ADMIN_BYTES_MAX);
    for member in Members::new(event) {
        let member = member?;
        match (&*member.key, number) {
            ("delta", _) => edits.put_text(event, empty(member.value, &open.path)?, text)?,
            // Apps may take an event with an id that they know for one that they have.
            ("event_id", _) => {
                let id = member.value.trim_end_matches('"');
                edits.put(event, member.value, &format!("{id}_held\""))?;
            }
            ("sequence_number", Some(number)) => {
                edits.put(event, member.value, &number.to_string())?;
            }
            _ => {}
        }
    }
    let mut data = Vec::with_capacity(event.len());
    edits.apply(event.as_bytes(), &mut data)?;
    sse::write_json(open.name.as_deref(), &data, out);
    Ok(())
}

/// The empty text at a path in a delta.
fn empty<'d>(delta: &'d str, path: &[Owned]) -> Result<&'d str, Stop> {
    let mut value = delta;
    for step in path {
        let mut members = Members::new(value).flatten();
        let found = members.find(|it| matches!(step, Owned::Name(name) if it.key == **name));
        value = found.map_or("", |found| found.value);
    }
    string_content(value)
        .ok_or_else(|| Fault::Internal("a piece of an answer lost its place").into())
}
