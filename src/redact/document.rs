//! The redaction of one document: what is found at its places becomes splices, and every other byte stays.
//!
//! A string without escapes is scanned where it lies; of another one the text is made in room that is used again, and
//! what is found is led back to the escaped bytes. A document without findings costs no copy.

use super::Folded;
use super::action::Action;
use super::counts::Counts;
use super::kind::Kind;
use super::leaves::Leaves;
use super::places::{Found, Places, Step, integer, write_path};
use super::plan::Plan;
use super::stream::{Finding, Sink};
use super::vault::Vault;
use crate::codec::json::{self, Edits, span_of, unescape, write_string, write_string_content};
use crate::limits::{ADMIN_BYTES_MAX, REDACTIONS_MAX};

/// What happens to images, audio and files, which cannot be looked into.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Media {
    /// They go on.
    Pass,
    /// A text that says so stands in their place; where no text can, all is refused.
    Strip,
    /// All is refused.
    #[default]
    Refuse,
}

/// Why a document does not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The plan blocks what was found.
    Blocked {
        /// What it was.
        kind: Kind,
        /// Where, as far as no name of somebody's is in it.
        at: String,
    },
    /// There is something that cannot be looked into.
    Media {
        /// Where, as far as no name of somebody's is in it.
        at: String,
    },
    /// The document cannot be read or edited.
    Json(json::Error),
}

impl From<json::Error> for Refusal {
    fn from(error: json::Error) -> Self {
        Self::Json(error)
    }
}

/// Redacts one document.
pub struct Redactor<'r, 'a> {
    plan: &'r Plan,
    source: &'a str,
    vault: &'r mut Vault,
    counts: &'r mut Counts,
    edits: Edits,
    folded: Folded,
    /// Room for the text of strings with escapes, for findings, and for what stands in their place.
    text: String,
    findings: Vec<Finding>,
    replaced: String,
}

impl<'r, 'a> Redactor<'r, 'a> {
    /// Nothing is found yet.
    #[must_use]
    pub fn new(
        plan: &'r Plan,
        source: &'a str,
        vault: &'r mut Vault,
        counts: &'r mut Counts,
    ) -> Self {
        Self {
            plan,
            source,
            vault,
            counts,
            edits: Edits::new(REDACTIONS_MAX, ADMIN_BYTES_MAX),
            folded: Folded::new(),
            text: String::new(),
            findings: Vec::new(),
            replaced: String::new(),
        }
    }

    /// Redacts what is at the places of `value`, a part of the document. What stands in the place of media is `parts`'s
    /// entry of their number; none where it is empty.
    ///
    /// # Errors
    /// The document does not go on.
    pub fn redact(
        &mut self,
        mut places: Places<'_, 'a>,
        value: &'a str,
        media: Media,
        parts: &[&str],
    ) -> Result<(), Refusal> {
        places.walk(value, &mut |found, path| match found {
            Found::Text {
                content,
                is_json,
                is_known,
            } => {
                if !is_known && media != Media::Pass && is_data_url(content) {
                    return self.file(content, media, path);
                }
                self.text(content, is_json, path)
            }
            Found::Number { value } => self.number(value, path),
            Found::Shadow { value } => self.put(value, hollow(value)),
            Found::Media { value, number } => match media {
                Media::Pass => Ok(()),
                Media::Strip => match parts.get(usize::from(number)).filter(|it| !it.is_empty()) {
                    Some(part) => self.put(value, part),
                    None => Err(media_at(path)),
                },
                Media::Refuse => Err(media_at(path)),
            },
        })
    }

    /// A file in a string of which nobody knows what it is.
    fn file(&mut self, content: &str, media: Media, path: &[Step<'_>]) -> Result<(), Refusal> {
        if media == Media::Refuse {
            return Err(media_at(path));
        }
        self.edits.put_text(self.source, content, REMOVED)?;
        Ok(())
    }

    fn put(&mut self, part: &str, json: &str) -> Result<(), Refusal> {
        self.edits.put(self.source, part, json)?;
        Ok(())
    }

    fn span(&self, part: &str) -> Result<core::ops::Range<usize>, Refusal> {
        let offset = self.source.len();
        span_of(self.source.as_bytes(), part.as_bytes())
            .ok_or(Refusal::Json(json::Error::Range { offset }))
    }

    /// Appends the redacted document; tells whether anything has changed.
    ///
    /// # Errors
    /// Edits overlap: a member came twice.
    pub fn finish(&self, out: &mut Vec<u8>) -> Result<bool, Refusal> {
        if self.edits.is_empty() {
            return Ok(false);
        }
        self.edits.apply(self.source.as_bytes(), out)?;
        Ok(true)
    }

    /// Redacts a string.
    fn text(&mut self, content: &'a str, is_json: bool, path: &[Step<'_>]) -> Result<(), Refusal> {
        if content.is_empty() {
            return Ok(());
        }
        let base = self.span(content)?.start;
        if !content.contains('\\') && !is_json {
            return self.plain(content, base, path);
        }
        self.text.clear();
        unescape(content, &mut self.text)?;
        let text = core::mem::take(&mut self.text);
        let done = if is_json {
            self.json(content, &text, base, path)
        } else {
            self.escaped(content, &text, base, path)
        };
        self.text = text;
        done
    }

    fn plain(&mut self, text: &str, base: usize, path: &[Step<'_>]) -> Result<(), Refusal> {
        self.scan(text);
        for at in 0..self.findings.len() {
            if let Some(span) = self.replacement(at, text, path)? {
                let span = base.saturating_add(span.start)..base.saturating_add(span.end);
                self.replace(span)?;
            }
        }
        Ok(())
    }

    fn escaped(
        &mut self,
        content: &str,
        text: &str,
        base: usize,
        path: &[Step<'_>],
    ) -> Result<(), Refusal> {
        self.scan(text);
        let mut places = json::Places::new(content);
        for at in 0..self.findings.len() {
            if let Some(span) = self.replacement(at, text, path)? {
                let start = base.saturating_add(places.find(span.start));
                let end = base.saturating_add(places.find(span.end));
                self.replace(start..end)?;
            }
        }
        Ok(())
    }

    /// Redacts a number: what is found in it makes all of it a string.
    fn number(&mut self, value: &'a str, path: &[Step<'_>]) -> Result<(), Refusal> {
        let digits = integer(value);
        self.scan(digits);
        for at in 0..self.findings.len() {
            if self.replacement(at, digits, path)?.is_some() {
                let mut string = Vec::new();
                write_string(&mut string, &self.replaced);
                let span = self.span(value)?;
                self.edits.replace(span, &string)?;
                break;
            }
        }
        Ok(())
    }

    fn scan(&mut self, text: &str) {
        self.findings.clear();
        let findings = &mut self.findings;
        self.plan
            .scan(text, &mut self.folded, |finding| findings.push(finding));
    }

    /// Counts a finding, and makes what stands in its place; nothing if the text stays.
    fn replacement(
        &mut self,
        at: usize,
        text: &str,
        path: &[Step<'_>],
    ) -> Result<Option<core::ops::Range<usize>>, Refusal> {
        let Some(finding) = self.findings.get(at) else {
            return Ok(None);
        };
        self.counts.add(self.plan, finding);
        match finding.action {
            Action::Report => return Ok(None),
            Action::Block => return Err(blocked(finding.kind, path)),
            Action::Mask | Action::Partial { .. } | Action::Hash | Action::Placeholder => {}
        }
        let value = text.get(finding.span.clone()).unwrap_or_default();
        self.replaced.clear();
        self.plan
            .hide(finding, value, self.vault, &mut self.replaced);
        Ok(Some(finding.span.clone()))
    }

    fn replace(&mut self, span: core::ops::Range<usize>) -> Result<(), Refusal> {
        let mut escaped = Vec::with_capacity(self.replaced.len());
        write_string_content(&mut escaped, &self.replaced);
        self.edits.replace(span, &escaped)?;
        Ok(())
    }

    /// Redacts a string that holds JSON.
    fn json(
        &mut self,
        content: &str,
        text: &str,
        base: usize,
        path: &[Step<'_>],
    ) -> Result<(), Refusal> {
        let mut splices = Splices {
            text,
            places: json::Places::new(content),
            base,
            at: 0,
            taken: 0,
            edits: &mut self.edits,
            vault: self.vault,
            failed: None,
        };
        let mut leaves = Leaves::new(splices.vault.tenant());
        let (plan, counts) = (self.plan, &mut *self.counts);
        let mut found = |finding: Finding| counts.add(plan, &finding);
        leaves.push(self.plan, text, &mut splices, &mut found);
        leaves.finish(self.plan, &mut splices, &mut found);
        if let Some(kind) = leaves.stream().blocked() {
            return Err(blocked(kind, path));
        }
        splices.failed.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// What stands in the place of a file that was a string.
const REMOVED: &str = "[removed]";

/// Whether a string, as it is escaped, is a file and nothing else. Its slashes may be escaped.
fn is_data_url(content: &str) -> bool {
    const HEAD_BYTES_MAX: usize = 128;
    let scheme = content.get(..5).unwrap_or_default();
    let head = content.as_bytes().get(..HEAD_BYTES_MAX);
    let head = head.unwrap_or(content.as_bytes());
    scheme.eq_ignore_ascii_case("data:") && memchr::memmem::find(head, b";base64,").is_some()
}

/// What stands in the place of text in another form.
#[must_use]
pub fn hollow(value: &str) -> &'static str {
    if value.starts_with('[') { "[]" } else { "null" }
}

fn blocked(kind: Kind, path: &[Step<'_>]) -> Refusal {
    let at = told(path);
    Refusal::Blocked { kind, at }
}

fn media_at(path: &[Step<'_>]) -> Refusal {
    Refusal::Media { at: told(path) }
}

fn told(path: &[Step<'_>]) -> String {
    let mut at = String::new();
    write_path(path, true, &mut at);
    at
}

/// Turns what becomes of the text of a string into splices of the escaped string.
struct Splices<'s, 'a> {
    text: &'a str,
    places: json::Places<'a>,
    base: usize,
    at: usize,
    taken: usize,
    edits: &'s mut Edits,
    vault: &'s mut Vault,
    failed: Option<json::Error>,
}

impl Sink for Splices<'_, '_> {
    fn copied(&mut self, text: &str) {
        self.at = self.at.saturating_add(text.len());
    }

    fn taken(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_add(bytes);
    }

    fn replaced(&mut self, text: &str) {
        let start = self.at;
        self.at = start.saturating_add(core::mem::take(&mut self.taken));
        if self.text.get(start..self.at) == Some(text) {
            return;
        }
        let start = self.base.saturating_add(self.places.find(start));
        let end = self.base.saturating_add(self.places.find(self.at));
        let mut escaped = Vec::with_capacity(text.len());
        write_string_content(&mut escaped, text);
        if let Err(error) = self.edits.replace(start..end, &escaped) {
            self.failed.get_or_insert(error);
        }
    }

    fn vault(&mut self) -> Option<&mut Vault> {
        Some(self.vault)
    }
}
