//! Reads `patterns`, `lists`, `on_overrun` and `decode` of the section.

use super::automaton::{Automaton, ENTRIES_MAX as TABLE_ENTRIES_MAX};
use super::decode::{Depth, is_base64, is_url};
use super::list::{List, WORD_BYTES_MAX, WORD_BYTES_MIN};
use super::lists::Lists;
use super::pattern::{Pattern, Patterns};
use super::sieve::{Buckets, Shape, Sieve};
use super::syntax::{self, Bytes};
use super::{Own, begins};
use crate::document::Fields;
use crate::redact::action::{Action, Treatment};
use crate::redact::entity::{Entity, Group};
use crate::redact::fold::Folded;
use crate::redact::kind::Kind;
use crate::redact::placeholder::{LETTERS, LETTERS_COUNT};

const PATTERNS_MAX: usize = 64;
const LISTS_MAX: usize = 16;
const WORDS_MAX: usize = 65_536;
const CONTEXT_MAX: usize = 32;
const NAME_BYTES_MAX: usize = 32;
/// Entries of all patterns' tables together: a mebibyte.
const ENTRIES_MAX: usize = 512 * 1024;
const SCORE: u8 = 80;
/// What the bound of work is called where it is a finding.
const OVERRUN: &str = "pattern_overrun";

/// Reads what is the admin's own, and how each is dealt with; nothing if nothing is.
pub(in crate::redact) fn read(fields: &mut Fields<'_>) -> Option<(Own, Vec<Treatment>)> {
    let mut read = Read {
        names: Vec::new(),
        treatments: Vec::new(),
    };
    let patterns = fields.maps("patterns", |_, fields| read.pattern(fields));
    let lists = fields.maps("lists", |_, fields| read.list(fields));
    let overrun = fields.one_of(
        "on_overrun",
        &[("block", Action::Block), ("skip", Action::Report)],
    );
    let depth = fields.map("decode", |fields| {
        let base64 = fields.u32("base64", 0..=3);
        let url = fields.u32("url", 0..=3);
        let depth = |depth: Option<u32>| u8::try_from(depth.unwrap_or(0)).unwrap_or(0);
        Some(Depth {
            base64: depth(base64),
            url: depth(url),
        })
    });
    let depth = depth.unwrap_or_default();
    if patterns.len() > PATTERNS_MAX {
        fields.problem("patterns", format!("has more than {PATTERNS_MAX}"));
    }
    if lists.len() > LISTS_MAX {
        fields.problem("lists", format!("has more than {LISTS_MAX}"));
    }
    let entries = patterns.iter().map(|pattern| pattern.automaton.entries());
    if entries.fold(0, usize::saturating_add) > ENTRIES_MAX {
        fields.problem("patterns", "are too large together; use smaller bounds");
    }
    if patterns.is_empty() && lists.is_empty() && depth.is_none() {
        return None;
    }
    read.refuse_what_finds_our_own(fields, &patterns, &lists);
    read.names.push(OVERRUN.into());
    read.treatments
        .push(overrun.unwrap_or(Action::Block).into());
    let patterns = Patterns::new(patterns);
    let own = Own {
        sieve: sieve(&patterns, &lists, depth),
        begins: begins(&lists, depth),
        names: read.names,
        patterns,
        lists: Lists::new(lists),
        depth,
    };
    Some((own, read.treatments))
}

/// What is read so far.
struct Read {
    names: Vec<Box<str>>,
    treatments: Vec<Treatment>,
}

impl Read {
    fn pattern(&mut self, fields: &mut Fields<'_>) -> Option<Pattern> {
        let common = self.common(fields);
        let ignores_case = fields.boolean("ignore_case").unwrap_or(false);
        let context = fields.list_of_parsed("context", word);
        if context
            .as_ref()
            .is_some_and(|words| words.len() > CONTEXT_MAX)
        {
            fields.problem("context", format!("has more than {CONTEXT_MAX} words"));
        }
        let compiled = fields
            .require("pattern", "write what to find")
            .parsed("pattern", |text| {
                let pattern = syntax::parse(text, ignores_case)?;
                let automaton = Automaton::new(&[(&pattern.node, 1)], TABLE_ENTRIES_MAX)?;
                Ok::<_, syntax::Refused>((pattern, automaton))
            });
        let ((kind, score), (pattern, automaton)) = common.zip(compiled)?;
        let context = context.map(|words| List::new(&words, true, true));
        Some(Pattern {
            kind,
            score,
            node: pattern.node,
            automaton,
            is_edge_before: pattern.is_edge_before,
            is_edge_behind: pattern.is_edge_behind,
            context,
        })
    }

    fn list(&mut self, fields: &mut Fields<'_>) -> Option<(Kind, u8, List)> {
        let common = self.common(fields);
        let ignores_case = fields.one_of("case", &[("ignore", true), ("exact", false)]);
        let is_whole = fields.boolean("whole_words").unwrap_or(true);
        fields.require("words", "write what to find");
        // What is to stay in the house is not repeated in messages either.
        let words = fields.list_of_secrets("words", word)?;
        if words.is_empty() || words.len() > WORDS_MAX {
            fields.problem("words", format!("must be 1 to {WORDS_MAX}"));
        }
        let list = List::new(&words, ignores_case.unwrap_or(true), is_whole);
        let (kind, score) = common?;
        Some((kind, score, list))
    }

    /// What we write in a value's place must not be found in the next turn.
    fn refuse_what_finds_our_own(
        &self,
        fields: &mut Fields<'_>,
        patterns: &[Pattern],
        lists: &[(Kind, u8, List)],
    ) {
        let entities = Entity::ALL.iter().map(|entity| entity.name());
        let names = entities.chain(self.names.iter().map(|name| &**name));
        let labels: Vec<String> = names.map(str::to_ascii_uppercase).collect();
        for label in &labels {
            let mask = format!("[{label}]");
            let placeholder = format!("[{label}_");
            let of_mask = mask.as_bytes().chunks(1);
            let of_placeholder = placeholder.as_bytes().chunks(1);
            let letters = [LETTERS.as_slice(); LETTERS_COUNT];
            let of_placeholder = of_placeholder.chain(letters).chain([b"]".as_slice()]);
            let shapes: [Vec<&[u8]>; 2] = [of_mask.collect(), of_placeholder.collect()];
            let pattern = patterns
                .iter()
                .find(|it| shapes.iter().any(|shape| it.is_in(shape)));
            let list = lists.iter().find(|(_, _, list)| list.is_in(&mask));
            let found = pattern.map(|it| ("patterns", it.kind));
            let found = found.or_else(|| list.map(|(kind, ..)| ("lists", *kind)));
            if let Some((section, Kind::Own(place))) = found {
                let name = self.names.get(usize::from(place)).map_or("", |name| name);
                let message = format!(
                    "'{name}' finds what we write in a value's place, such as {mask}; leave that out"
                );
                fields.problem(section, message);
                return;
            }
        }
    }

    /// What patterns and lists have in common: name, action, score.
    fn common(&mut self, fields: &mut Fields<'_>) -> Option<(Kind, u8)> {
        let name = fields.require("name", "findings and metrics are called by it");
        let name = name.parsed("name", is_name);
        let treatment = Treatment::read_members(fields);
        let score = fields.u32("score", 1..=100);
        let score = score.map_or(Some(SCORE), |score| u8::try_from(score).ok());
        let name = name?;
        if self.names.iter().any(|known| **known == *name) {
            fields.problem("name", "is the name of another pattern or list");
            return None;
        }
        let place = u16::try_from(self.names.len()).ok()?;
        self.names.push(name.into());
        self.treatments.push(treatment?);
        Some((Kind::Own(place), score?))
    }
}

fn is_name(name: &str) -> Result<&str, &'static str> {
    let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.len() > NAME_BYTES_MAX
        || !name.bytes().all(is_fine)
        || !name.starts_with(|letter: char| letter.is_ascii_lowercase())
    {
        return Err(
            "must be 1 to 32 small letters, digits and underscores, and begin with a letter",
        );
    }
    let is_entity = Entity::ALL.iter().any(|entity| entity.name() == name);
    let is_group = Group::ALL.iter().any(|(group, _)| *group == name);
    if is_entity || is_group || name == "all" || name == OVERRUN {
        return Err("is the name of something that is found already");
    }
    Ok(name)
}

fn word(word: &str) -> Result<&str, &'static str> {
    let mut folded = Folded::new();
    folded.fold(word);
    let is_fine = |bytes: &[u8]| (WORD_BYTES_MIN..=WORD_BYTES_MAX).contains(&bytes.len());
    match is_fine(word.as_bytes()) && is_fine(folded.bytes(word)) {
        true => Ok(word),
        false => Err("must have 2 to 64 bytes"),
    }
}

/// Where anything may begin.
fn sieve(patterns: &Patterns, lists: &[(Kind, u8, List)], depth: Depth) -> Sieve {
    let mut buckets = Buckets::default();
    patterns.sift(&mut buckets);
    for (.., list) in lists {
        for (is_edge, shape) in list.shapes() {
            buckets.add_words(&shape, is_edge);
        }
    }
    let mut add_runs = |is_in: fn(u8) -> bool| {
        // Even the shortest run of a URL has three bytes: what is encoded in it.
        let places = [(); 3].map(|()| Bytes::of(is_in));
        buckets.add_encoded(&Shape { places });
    };
    if depth.base64 > 0 {
        add_runs(is_base64);
    }
    if depth.url > 0 {
        add_runs(is_url);
    }
    Sieve::new(&buckets)
}

/// What else than patterns may begin with each byte.
fn begins(lists: &[(Kind, u8, List)], depth: Depth) -> Box<[u8; 256]> {
    let mut all = Box::new([0; 256]);
    for (byte, bits) in (0..=u8::MAX).zip(all.iter_mut()) {
        for (.., list) in lists.iter().filter(|(.., list)| list.may_begin(byte)) {
            *bits |= match list.is_whole() {
                true => begins::WORD,
                false => begins::ANYWHERE,
            };
        }
        if depth.base64 > 0 && is_base64(byte) {
            *bits |= begins::BASE64;
        }
        if depth.url > 0 && is_url(byte) {
            *bits |= begins::URL;
        }
    }
    all
}
