//! Events that say by their type what they are, and where in the whole answer their part stands.

use crate::client::sites::{At, Is, Typed};
use crate::codec::json::{Edits, Member, Members, Text, string_content, unescape, write_string};
use crate::codec::sse;
use crate::limits::ADMIN_BYTES_MAX;
use crate::redact::Counts;
use crate::redact::places::{Found, Layout, Places, Step};

use super::stream::{Flow, Open, key, walked, write_event};
use super::{Stop, hollow, put, put_text};

impl Flow {
    /// Takes an event that says by its type what it is.
    pub(super) fn typed(
        &mut self,
        block: &sse::Event<'_>,
        text: &str,
        table: &[Typed],
        (edits, out): (&mut Edits, &mut Vec<u8>),
        counts: &mut Counts,
    ) -> Result<(), Stop> {
        let event = Event::read(text)?;
        let row = table.iter().find(|row| event.kind == *row.name);
        let Some((row, part)) = row.and_then(|row| Some((row, event.member(row.member)?))) else {
            // Where the format says nothing of an event each of its strings is a text of its own.
            let found = walked(Places::new(&self.everything, Layout::default()), text)?;
            for piece in found {
                self.redaction.put_whole(text, piece.found, edits, counts)?;
            }
            return self.renumber(&event, text, edits);
        };
        let path = event.path(row.path);
        let prefix = key(&path);
        let rule = self.rule();
        let matcher = &self.redaction.sides(&rule)?.answer;
        if row.is == Is::Complete {
            self.end(&prefix, event.number, out, counts)?;
        }
        if self.is_failing && row.path.is_empty() {
            // What was said so far may end in what was held back.
            for member in Members::new(part).flatten() {
                if member.key == "output" {
                    put(text, member.value, "[]", edits)?;
                }
            }
            return self.renumber(&event, text, edits);
        }
        let found = walked(Places::new(matcher, Layout::default()).at(path), part)?;
        for piece in found {
            match piece.found {
                Found::Text { content, is_json } if row.is == Is::Piece => {
                    let (came, goes) =
                        self.piece(&prefix, content, is_json, &piece, (block, text), counts)?;
                    put_text(text, content, &came, &goes, edits)?;
                }
                found @ (Found::Text { .. } | Found::Media { .. } | Found::Shadow { .. }) => {
                    let mut again = Counts::default();
                    let counts = if self.is_uncounted(key(&piece.path)) {
                        &mut *counts
                    } else {
                        &mut again
                    };
                    self.redaction.put_whole(text, found, edits, counts)?;
                }
            }
        }
        self.beside(&event, row, text, edits, counts)?;
        if let Some(shadow) = event.member("logprobs")
            && self.redaction.rule.redacts_answers
        {
            put(text, shadow, hollow(shadow), edits)?;
        }
        self.renumber(&event, text, edits)
    }

    /// Takes what an event holds besides its part, at the root of what selectors speak of.
    fn beside(
        &mut self,
        event: &Event<'_>,
        row: &Typed,
        text: &str,
        edits: &mut Edits,
        counts: &mut Counts,
    ) -> Result<(), Stop> {
        let rule = self.rule();
        let matcher = &self.redaction.sides(&rule)?.answer;
        for member in event.members.iter().filter(|it| it.key != *row.member) {
            let name = member.key.clone();
            let step = Step::Name {
                name,
                is_known: true,
            };
            let places = Places::new(matcher, Layout::default()).at(vec![step]);
            for piece in walked(places, member.value)? {
                self.redaction.put_whole(text, piece.found, edits, counts)?;
            }
        }
        Ok(())
    }

    fn renumber(&self, event: &Event<'_>, text: &str, edits: &mut Edits) -> Result<(), Stop> {
        if let (Some(number), Some(written), true) = (
            event.number,
            event.member("sequence_number"),
            self.added > 0,
        ) {
            let number = number.saturating_add(self.added).to_string();
            put(text, written, &number, edits)?;
        }
        Ok(())
    }
}

/// The members of an event with a type.
struct Event<'e> {
    kind: Text<'e>,
    number: Option<u64>,
    members: Vec<Member<'e>>,
}

impl<'e> Event<'e> {
    fn read(text: &'e str) -> Result<Self, Stop> {
        let members: Result<Vec<_>, _> = Members::new(text).collect();
        let mut event = Self {
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
    let mut edits = Edits::new(4, ADMIN_BYTES_MAX);
    for member in Members::new(&open.event) {
        let member = member?;
        match (&*member.key, number) {
            ("delta", _) => {
                let mut piece = Vec::with_capacity(text.len());
                write_string(&mut piece, text);
                edits.replace(member.value_span, &piece)?;
            }
            // Apps may take an event with an id that they know for one that they have.
            ("event_id", _) => {
                let id = member.value.trim_end_matches('"');
                edits.replace(member.value_span, format!("{id}_held\"").as_bytes())?;
            }
            ("sequence_number", Some(number)) => {
                edits.replace(member.value_span, number.to_string().as_bytes())?;
            }
            ("logprobs", _) => {
                edits.replace(member.value_span, hollow(member.value).as_bytes())?;
            }
            _ => {}
        }
    }
    let mut data = Vec::with_capacity(open.event.len());
    edits.apply(open.event.as_bytes(), &mut data)?;
    write_event(&open.name, &data, out);
    Ok(())
}
