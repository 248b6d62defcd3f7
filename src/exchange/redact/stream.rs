//! The events of a streamed answer on their way to the app.
//!
//! Each text of the answer is a channel: events bring pieces of it, and what is decided of a piece stands in its place. A
//! piece of which nothing is decided stays as an empty one, so that no event is lost. What is still held when the text
//! ends goes out before that in an event of its own, made like those that brought it. A text ends where the format says
//! so: with a choice's finish reason, or with the event that repeats it whole. It does not end where another one goes on,
//! or the whole answer, in which both pieces stand together, would be redacted otherwise. On a failure what is held is
//! dropped.

use std::collections::{BTreeMap, BTreeSet};

use crate::client::sites::Events;
use crate::codec::json::{
    Edits, Kind, Member, Members, Walk, unescape, validate, write_string, write_u64,
};
use crate::codec::sse;
use crate::fault::{Fault, Upstream};
use crate::limits::{ADMIN_BYTES_MAX, CHANNEL_BYTES_MAX, CHANNELS_MAX, REDACTIONS_MAX};
use crate::policy::RedactionRule;
use crate::redact::Counts;
use crate::redact::places::{Found, Layout, Places, Step, write_path};

use super::channel::Channel;
use super::mould::{Fit, Mould};
use super::typed::write_again;
use super::{Redaction, Stop, frame, unreadable};

/// Redacts a streamed answer.
pub(in crate::exchange) struct Filter {
    blocks: sse::Decoder,
    flow: Flow,
}

/// What is known of the stream, besides the block that is coming.
pub(super) struct Flow {
    pub(super) redaction: Redaction,
    /// The texts that have begun, by their path in the whole answer.
    open: BTreeMap<String, Open>,
    /// The texts whose findings were counted, for they come again when they are whole.
    counted: BTreeSet<String>,
    /// What every event of a stream of pieces says of the answer, as JSON members.
    head: String,
    /// It names the answer: a first event may leave the id and the model blank.
    is_named: bool,
    /// How many events were added, by which those behind have later numbers.
    pub(super) added: u64,
    /// What `open` and `counted` keep, besides the texts.
    kept_bytes: usize,
    pub(super) is_failing: bool,
    /// How events with one piece look, of the last texts that had any.
    moulds: Vec<Mould>,
}

/// A text that has begun.
pub(super) struct Open {
    channel: Channel,
    /// Where it stands in the whole answer, or, of an event with a type, below its delta.
    pub(super) path: Vec<Owned>,
    /// The event that began it, without any text, from which others of its kind are made.
    pub(super) name: Option<Vec<u8>>,
    pub(super) event: String,
}

/// A step of a path that outlives its event.
pub(super) enum Owned {
    Name(String),
    Item(usize),
}

/// A text in an event.
pub(super) struct Piece<'e> {
    pub(super) found: Found<'e>,
    pub(super) path: Vec<Step<'e>>,
}

impl Filter {
    pub(super) fn new(redaction: Redaction, event_bytes_max: usize) -> Self {
        // What the gateway writes of an event of the upstream's is not much longer.
        let blocks = sse::Decoder::new(event_bytes_max.saturating_mul(8));
        Self {
            blocks,
            flow: Flow {
                redaction,
                open: BTreeMap::new(),
                counted: BTreeSet::new(),
                head: String::new(),
                is_named: false,
                added: 0,
                kept_bytes: 0,
                is_failing: false,
                moulds: Vec::new(),
            },
        }
    }

    /// Takes what would have gone to the app; adds what goes.
    pub(in crate::exchange) fn push(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        counts: &mut Counts,
    ) -> Result<(), Fault> {
        let flow = &mut self.flow;
        let pushed = self.blocks.push(bytes, |block| {
            flow.take(&block, out, counts).map_err(Broken::Stop)
        });
        pushed.map_err(|broken| match broken {
            Broken::Stop(stop) => stop.into_fault(),
            Broken::Framing => out_of_step(),
        })
    }

    /// What is told of a fault.
    pub(in crate::exchange) fn fault(&self, fault: Fault, counts: &mut Counts) -> Fault {
        self.flow.redaction.fault(fault, counts)
    }

    /// Takes what tells the app of a failure. What is held, and the texts in the answer so far, are not told any more.
    pub(in crate::exchange) fn fail(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.flow.open.clear();
        self.flow.is_failing = true;
        let before = out.len();
        if self.push(bytes, out, &mut Counts::default()).is_err() {
            out.truncate(before);
        }
    }
}

/// Texts that come in turns: a few choices, or calls.
const MOULDS_MAX: usize = 4;
/// An event of a piece is short.
const MOULD_BYTES_MAX: usize = 4096;

/// What is written by the gateway itself is whole.
const fn out_of_step() -> Fault {
    Fault::Internal("a stream's events were cut")
}

/// Why the decoder stopped.
enum Broken {
    Stop(Stop),
    Framing,
}

impl From<sse::Error> for Broken {
    fn from(_error: sse::Error) -> Self {
        Self::Framing
    }
}

impl Flow {
    fn take(
        &mut self,
        block: &sse::Event<'_>,
        out: &mut Vec<u8>,
        counts: &mut Counts,
    ) -> Result<(), Stop> {
        let data = block.data.trim_ascii();
        // Of a frame that tells something nothing goes on but the data.
        let is_bare = !frame::passes(block, &self.redaction, counts);
        let block = if is_bare {
            &sse::Event {
                name: None,
                raw: b"",
                ..*block
            }
        } else {
            block
        };
        if data.is_empty() {
            out.extend_from_slice(if is_bare { b":\n\n" } else { block.raw });
            return Ok(());
        }
        if data == b"[DONE]" {
            self.end("", None, out, counts)?;
            out.extend_from_slice(if is_bare {
                b"data: [DONE]\n\n"
            } else {
                block.raw
            });
            return Ok(());
        }
        let mut edits = Edits::new(REDACTIONS_MAX, ADMIN_BYTES_MAX);
        let text = match self.alike(block.name, data) {
            Some((text, fit)) => {
                self.piece(&fit.key, text, fit.content, false, (&mut edits, counts))?;
                self.renumber(text, fit.number, &mut edits)?;
                text
            }
            None => self.walk(block, data, (&mut edits, out), counts)?,
        };
        if edits.is_empty() && !is_bare {
            out.extend_from_slice(block.raw);
            return Ok(());
        }
        let mut edited = Vec::with_capacity(text.len());
        edits.apply(text.as_bytes(), &mut edited)?;
        sse::write_json(block.name, &edited, out);
        Ok(())
    }

    /// What differs in an event that looks like one before, of a text that has not ended.
    fn alike<'e>(&self, name: Option<&[u8]>, data: &'e [u8]) -> Option<(&'e str, Fit<'e>)> {
        if self.moulds.is_empty() || self.is_failing {
            return None;
        }
        let text = str::from_utf8(data).ok()?;
        let mut fits = self.moulds.iter().filter_map(|mould| mould.fit(name, text));
        let fit = fits.find(|fit| self.has_begun(&fit.key))?;
        Some((text, fit))
    }

    /// Remembers how an event looks in which nothing but a piece of one text was found.
    pub(super) fn remember(&mut self, key: &str, name: Option<&[u8]>, event: &str, content: &str) {
        if event.len() > MOULD_BYTES_MAX || self.is_failing {
            return;
        }
        if self.moulds.len() >= MOULDS_MAX {
            self.moulds.remove(0);
        }
        self.moulds.extend(Mould::new(key, name, event, content));
    }

    /// Events that were added have moved the numbers of those behind.
    pub(super) fn renumber(
        &self,
        event: &str,
        written: Option<&str>,
        edits: &mut Edits,
    ) -> Result<(), Stop> {
        if let Some(written) = written.filter(|_| self.added > 0)
            && let Ok(number) = written.parse::<u64>()
        {
            let number = number.saturating_add(self.added).to_string();
            edits.put(event, written, &number)?;
        }
        Ok(())
    }

    /// Looks for the texts of an event. Gives the event as text.
    fn walk<'e>(
        &mut self,
        block: &sse::Event<'e>,
        data: &'e [u8],
        (edits, out): (&mut Edits, &mut Vec<u8>),
        counts: &mut Counts,
    ) -> Result<&'e str, Stop> {
        let text = validate(data).map_err(unreadable)?;
        match self.redaction.sites.events {
            Events::Pieces {
                renamed,
                items,
                pieces,
                end,
            } => {
                let layout = Layout {
                    renamed,
                    by_index: true,
                };
                let items = (items, pieces, end);
                self.pieces(block, text, layout, items, (edits, out), counts)?;
            }
            Events::Typed(table) => self.typed(block, text, table, (edits, out), counts)?,
            Events::None => {}
        }
        Ok(text)
    }

    pub(super) fn rule(&self) -> std::rc::Rc<RedactionRule> {
        std::rc::Rc::clone(&self.redaction.rule)
    }

    /// Takes an event that looks like the answer.
    fn pieces(
        &mut self,
        block: &sse::Event<'_>,
        text: &str,
        layout: Layout,
        (items, member, end): (&str, &str, &str),
        (edits, out): (&mut Edits, &mut Vec<u8>),
        counts: &mut Counts,
    ) -> Result<(), Stop> {
        if !self.is_named {
            (self.head, self.is_named) = head(text)?;
        }
        let rule = self.rule();
        let matcher = &self.redaction.sides(&rule)?.answer;
        let found = walked(Places::new(matcher, layout), text)?;
        let ended = ended(text, items, end)?;
        let mut pieces = Vec::new();
        for piece in found {
            if let Found::Text {
                content,
                is_json,
                is_known,
            } = piece.found
                && is_piece(&piece.path, (items, member), is_known)
            {
                pieces.push((piece.path, content, is_json));
            } else {
                self.redaction.put_whole(text, piece.found, edits, counts)?;
            }
        }
        let is_alone = pieces.len() == 1 && edits.is_empty() && ended.is_empty() && self.is_named;
        for (path, content, is_json) in pieces {
            let key = key(&path);
            let is_last = ended.iter().any(|prefix| is_below(&key, prefix));
            if !self.has_begun(&key) {
                let path = path.iter().map(Owned::from).collect();
                self.begin(&key, is_json, path, (block.name, ""))?;
            }
            self.piece(&key, text, content, is_last, (edits, counts))?;
            if is_alone {
                self.remember(&key, block.name, text, content);
            }
        }
        for prefix in &ended {
            self.end(prefix, None, out, counts)?;
        }
        Ok(())
    }

    /// Whether a text has begun and not ended.
    pub(super) fn has_begun(&self, key: &str) -> bool {
        self.open.contains_key(key)
    }

    /// Begins a text.
    pub(super) fn begin(
        &mut self,
        key: &str,
        is_json: bool,
        path: Vec<Owned>,
        (name, event): (Option<&[u8]>, &str),
    ) -> Result<(), Stop> {
        let open = Open {
            channel: Channel::new(&self.redaction, is_json),
            path,
            name: name.map(<[u8]>::to_owned),
            event: event.to_owned(),
        };
        let bytes = self.kept_bytes.saturating_add(open.bytes(key));
        if self.open.len() >= CHANNELS_MAX || bytes > CHANNEL_BYTES_MAX {
            let message = format!(
                "the provider's answer has more than {CHANNELS_MAX} texts at once, or {CHANNEL_BYTES_MAX} bytes of what \
                 tells them apart"
            );
            return Err(Fault::from(Upstream::broken("upstream_too_large", message)).into());
        }
        self.kept_bytes = bytes;
        self.open.insert(key.to_owned(), open);
        self.is_uncounted(key.to_owned());
        Ok(())
    }

    /// Takes a piece of a text, the last one or not: puts what goes on now in its place.
    pub(super) fn piece(
        &mut self,
        key: &str,
        source: &str,
        content: &str,
        is_last: bool,
        (edits, counts): (&mut Edits, &mut Counts),
    ) -> Result<(), Stop> {
        let (mut came, mut goes) = (String::new(), String::new());
        unescape(content, &mut came)?;
        if let Some(open) = self.open.get_mut(key) {
            let redaction = &self.redaction;
            open.channel.push(redaction, &came, &mut goes, counts)?;
        }
        if is_last && let Some(mut open) = self.close(key) {
            open.channel.finish(&self.redaction, &mut goes, counts)?;
        }
        if came != goes {
            edits.put_text(source, content, &goes)?;
        }
        Ok(())
    }

    fn close(&mut self, key: &str) -> Option<Open> {
        let open = self.open.remove(key)?;
        self.kept_bytes = self.kept_bytes.saturating_sub(open.bytes(key));
        Some(open)
    }

    /// Ends the texts at and below a path: what is held of them goes out. `number` is that of the event behind.
    pub(super) fn end(
        &mut self,
        prefix: &str,
        number: Option<u64>,
        out: &mut Vec<u8>,
        counts: &mut Counts,
    ) -> Result<(), Stop> {
        let keys = self.open.range(prefix.to_owned()..);
        let keys = keys.take_while(|(key, _)| key.starts_with(prefix));
        let ended: Vec<String> = keys
            .filter(|(key, _)| is_below(key, prefix))
            .map(|(key, _)| key.clone())
            .collect();
        for key in ended {
            let Some(mut open) = self.close(&key) else {
                continue;
            };
            let mut rest = String::new();
            open.channel.finish(&self.redaction, &mut rest, counts)?;
            if rest.is_empty() {
                continue;
            }
            match self.redaction.sites.events {
                Events::Pieces { renamed, .. } => self.write_piece(&open, renamed, &rest, out),
                Events::Typed(_) => {
                    let number = number.map(|number| number.saturating_add(self.added));
                    write_again(&open, number, &rest, out)?;
                    self.added = self.added.saturating_add(1);
                }
                Events::None => {}
            }
        }
        Ok(())
    }

    /// Writes an event with a piece of one text.
    fn write_piece(
        &self,
        open: &Open,
        renamed: Option<(&str, &str)>,
        text: &str,
        out: &mut Vec<u8>,
    ) {
        let mut data = b"{".to_vec();
        data.extend_from_slice(self.head.as_bytes());
        let mut closing = Vec::new();
        let mut is_inside = true;
        for (at, step) in open.path.iter().enumerate() {
            match step {
                Owned::Name(name) => {
                    if !is_inside {
                        data.push(b'{');
                        closing.push("}");
                    }
                    is_inside = false;
                    let here = renamed.filter(|(_, there)| name == there);
                    write_string(&mut data, here.map_or(name.as_str(), |(here, _)| here));
                    data.push(b':');
                }
                Owned::Item(index) => {
                    data.extend_from_slice(b"[{\"index\":");
                    write_u64(&mut data, u64::try_from(*index).unwrap_or(u64::MAX));
                    data.push(b',');
                    is_inside = true;
                    // The items at the top are choices, which say that they go on.
                    closing.push(if at == 1 {
                        ",\"logprobs\":null,\"finish_reason\":null}]"
                    } else {
                        "}]"
                    });
                }
            }
        }
        write_string(&mut data, text);
        for end in closing.iter().rev() {
            data.extend_from_slice(end.as_bytes());
        }
        data.push(b'}');
        sse::write_json(open.name.as_deref(), &data, out);
    }

    /// Whether the findings of a whole text are still to be counted. Beyond the bound they are not.
    pub(super) fn is_uncounted(&mut self, key: String) -> bool {
        let bytes = self.kept_bytes.saturating_add(key.len());
        let has_room = self.counted.len() < CHANNELS_MAX && bytes <= CHANNEL_BYTES_MAX;
        let is_new = has_room && self.counted.insert(key);
        if is_new {
            self.kept_bytes = bytes;
        }
        is_new
    }
}

impl Open {
    fn bytes(&self, key: &str) -> usize {
        let name = self.name.as_ref().map_or(0, Vec::len);
        let bytes = name.saturating_add(self.event.len());
        bytes.saturating_add(key.len())
    }
}

/// The texts of a part of an event.
pub(super) fn walked<'e>(
    mut places: Places<'_, 'e>,
    part: &'e str,
) -> Result<Vec<Piece<'e>>, Stop> {
    let mut found = Vec::new();
    places.walk(part, &mut |it, path| {
        found.push(Piece {
            found: it,
            path: path.to_vec(),
        });
        Ok::<(), Stop>(())
    })?;
    Ok(found)
}

impl From<&Step<'_>> for Owned {
    fn from(step: &Step<'_>) -> Self {
        match step {
            Step::Name { name, .. } => Self::Name(name.to_string()),
            Step::Item { at, .. } => Self::Item(*at),
        }
    }
}

pub(super) fn key(path: &[Step<'_>]) -> String {
    let mut key = String::new();
    write_path(path, false, &mut key);
    key
}

/// Whether a path is this one or goes on below it.
fn is_below(key: &str, prefix: &str) -> bool {
    key.strip_prefix(prefix)
        .is_some_and(|rest| prefix.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Whether a text comes in pieces. What is not in an item comes once, and so does what stands in it beside its message.
/// Some servers do not number their choices; they stand where they are. Other items may be whole ones then.
fn is_piece(path: &[Step<'_>], (items, member): (&str, &str), is_known: bool) -> bool {
    let is_direct = path.len() <= 4;
    (is_known || is_direct)
        && path.iter().enumerate().all(|(depth, step)| match step {
            Step::Name { name, .. } => match depth {
                0 => *name == *items,
                2 => *name == *member,
                _ => true,
            },
            Step::Item { is_told, .. } => *is_told || depth == 1,
        })
}

/// What the events of one stream have in common.
const HEAD: [&str; 6] = [
    "id",
    "object",
    "created",
    "model",
    "system_fingerprint",
    "service_tier",
];

fn head(text: &str) -> Result<(String, bool), Stop> {
    let (mut head, mut is_named) = (String::new(), false);
    for member in Members::new(text) {
        let member = member?;
        if HEAD.contains(&&*member.key) {
            head.push('"');
            head.push_str(&member.key);
            head.push_str("\":");
            head.push_str(member.value);
            head.push(',');
            is_named |= member.key == *"id" && member.value != "\"\"";
        }
    }
    Ok((head, is_named))
}

/// The paths of the items that end with this event.
fn ended(text: &str, items: &str, end: &str) -> Result<Vec<String>, Stop> {
    let mut ended = Vec::new();
    for member in Members::new(text) {
        let member = member?;
        if member.key != *items || Walk::new(member.value).kind() != Kind::Array {
            continue;
        }
        let mut walk = Walk::new(member.value);
        walk.open();
        let mut place = 0_usize;
        while walk.next_item()? {
            let item = walk.skip()?;
            let (mut index, mut is_ended) = (place.to_string(), false);
            place = place.saturating_add(1);
            if Walk::new(item).kind() != Kind::Object {
                continue;
            }
            for member in Members::new(item) {
                let Member { key, value, .. } = member?;
                if key == "index" {
                    value.clone_into(&mut index);
                }
                // Some servers write an empty reason into each chunk.
                is_ended |= key == *end && !matches!(value, "null" | "\"\"");
            }
            if is_ended {
                ended.push(format!("{items}[{index}]"));
            }
        }
    }
    Ok(ended)
}
