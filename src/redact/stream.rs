//! A text that comes in pieces. What comes out is what the whole text would have given, wherever it was cut.
//!
//! Only what may be a match is held back; the rest goes on at once. A long token is not kept: its bytes are dropped as
//! they come, and what replaces it is written at its end. One stream belongs to one channel: a choice's content, one tool
//! call's arguments.

use super::action::Action;
use super::candidate::Candidate;
use super::fold::Folded;
use super::kind::Kind;
use super::own::Depth;
use super::placeholder::Tenant;
use super::plan::Plan;
use super::replace::Value;
use super::scan::{Piece, Scan};
use super::vault::Vault;
use super::view::{LOOK_BACK_BYTES, View};
use core::ops::Range;

/// How much more than must be kept may be, so that not every push moves the text.
const SLACK_BYTES: usize = 256;

/// Something that was found. It does not hold the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is; [`Plan::name`] names it.
    pub kind: Kind,
    /// Where it is, in bytes of the text.
    pub span: Range<usize>,
    /// How sure that is, in percent.
    pub score: u8,
    /// What the plan says about it.
    pub action: Action,
}

/// Takes what becomes of a text, from front to back.
pub trait Sink {
    /// This piece of the text stays.
    fn copied(&mut self, text: &str);

    /// So many bytes of the text are part of a value that may be replaced.
    fn taken(&mut self, bytes: usize);

    /// What stands in the place of all that was taken since the last time; of a value that stays after all, the value.
    fn replaced(&mut self, text: &str);

    /// Where a request keeps what its answer is to get back.
    fn vault(&mut self) -> Option<&mut Vault> {
        None
    }
}

impl Sink for String {
    fn copied(&mut self, text: &str) {
        self.push_str(text);
    }

    fn taken(&mut self, _bytes: usize) {}

    fn replaced(&mut self, text: &str) {
        self.push_str(text);
    }
}

/// The redaction of one text that comes in pieces.
pub struct Stream {
    scan: Scan,
    folded: Folded,
    /// What is not decided, and behind it what detectors may look back at.
    text: String,
    /// How much at its beginning folds to itself.
    same: usize,
    /// The place of `text` in the whole text, and in the whole folded text.
    text_base: usize,
    folded_base: usize,
    /// How much of `text` was delivered or replaced.
    done: usize,
    /// A match whose tail goes on, and where it began.
    open: Option<(Value, usize)>,
    blocked: Option<Kind>,
    tenant: Tenant,
}

impl core::fmt::Debug for Stream {
    /// Without the text.
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let held = self.held_bytes();
        out.debug_struct("Stream")
            .field("held_bytes", &held)
            .finish_non_exhaustive()
    }
}

impl Default for Stream {
    fn default() -> Self {
        Self::new(Tenant::default())
    }
}

impl Stream {
    /// Nothing has come yet. The tenant is the request's, so that its values have the same placeholders.
    #[must_use]
    pub const fn new(tenant: Tenant) -> Self {
        Self {
            scan: Scan::new(),
            folded: Folded::new(),
            text: String::new(),
            same: 0,
            text_base: 0,
            folded_base: 0,
            done: 0,
            open: None,
            blocked: None,
            tenant,
        }
    }

    /// How many bytes wait for more.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        self.text.len().saturating_sub(self.done)
    }

    #[cfg(test)]
    pub(super) const fn buffered_bytes(&self) -> usize {
        self.text.len()
    }

    /// The kind of finding for which all is refused. Nothing comes out any more then.
    #[must_use]
    pub const fn blocked(&self) -> Option<Kind> {
        self.blocked
    }

    /// Takes the next piece. What is decided is added to `out`.
    pub fn push(
        &mut self,
        plan: &Plan,
        piece: &str,
        out: &mut dyn Sink,
        found: &mut dyn FnMut(Finding),
    ) {
        self.text.push_str(piece);
        self.run(plan, false, out, found);
        self.trim();
    }

    /// The text is over: all that is held comes out.
    ///
    /// A stream that breaks off is not finished but dropped, and what it holds with it.
    pub fn finish(&mut self, plan: &Plan, out: &mut dyn Sink, found: &mut dyn FnMut(Finding)) {
        self.run(plan, true, out, found);
        self.text.clear();
        self.same = 0;
        self.done = 0;
    }

    fn run(
        &mut self,
        plan: &Plan,
        is_end: bool,
        out: &mut dyn Sink,
        found: &mut dyn FnMut(Finding),
    ) {
        if self.blocked.is_some() {
            self.text.clear();
            self.done = 0;
            return;
        }
        self.folded.fold_from(&self.text, self.same);
        self.same = match self.folded.is_same() {
            true => self.text.len(),
            false => 0,
        };
        let (text, folded, base) = (self.text.as_str(), &self.folded, self.folded_base);
        let view = View::new(
            folded.bytes(text),
            base,
            is_end,
            #[cfg(test)]
            &folded.steps,
        );
        let (done, open, blocked) = (&mut self.done, &mut self.open, &mut self.blocked);
        let (text_base, tenant) = (self.text_base, self.tenant);
        let decided = self
            .scan
            .advance(plan, &view, is_end, plan.depth(), &mut |piece: Piece<
                '_,
            >| {
                if blocked.is_some() {
                    return;
                }
                let start = folded.start(text, piece.from.wrapping_sub(base));
                let end = folded.end(text, piece.to.wrapping_sub(base)).max(*done);
                let (mut value, from) = open.take().unwrap_or_else(|| {
                    out.copied(part(text, *done, start));
                    *done = start;
                    let value = Value::new(plan, piece.candidate.kind, tenant);
                    (value, start.wrapping_add(text_base))
                });
                let bytes = part(text, *done, end);
                value.push(bytes);
                if value.action() == Action::Report {
                    out.copied(bytes);
                } else {
                    out.taken(bytes.len());
                }
                *done = end;
                if !piece.is_last {
                    *open = Some((value, from));
                    return;
                }
                let span = from..end.wrapping_add(text_base);
                if let Some(finding) = close(plan, value, piece.candidate, span, out) {
                    if finding.action == Action::Block {
                        *blocked = blocked.or(Some(finding.kind));
                    }
                    found(finding);
                }
            });
        if self.open.is_none() && self.blocked.is_none() {
            let is_all = decided >= view.end();
            let end = if is_all {
                text.len()
            } else {
                folded.start(text, decided.wrapping_sub(base))
            };
            let end = end.max(self.done);
            out.copied(part(text, self.done, end));
            self.done = end;
        }
    }

    /// Forgets what no detector looks back at.
    fn trim(&mut self) {
        let mut keep = self
            .folded
            .place(&self.text, self.done)
            .saturating_sub(LOOK_BACK_BYTES);
        if keep < SLACK_BYTES {
            return;
        }
        let start = self.folded.start(&self.text, keep);
        while keep > 0 && self.folded.start(&self.text, keep.wrapping_sub(1)) == start {
            keep = keep.wrapping_sub(1);
        }
        self.text.drain(..start);
        self.same = self.same.saturating_sub(start);
        self.text_base = self.text_base.wrapping_add(start);
        self.folded_base = self.folded_base.wrapping_add(keep);
        self.done = self.done.saturating_sub(start);
    }
}

/// Ends a value: what stands in its place goes out. Nothing was found where the admin lets it through.
fn close(
    plan: &Plan,
    value: Value,
    candidate: &Candidate,
    span: Range<usize>,
    out: &mut dyn Sink,
) -> Option<Finding> {
    let action = value.action();
    let allowed = value
        .whole()
        .filter(|whole| plan.is_allowed(candidate.kind, whole));
    if let Some(allowed) = allowed {
        if action != Action::Report {
            out.replaced(allowed);
        }
        return None;
    }
    if action != Action::Report {
        let mut replaced = String::new();
        value.finish(plan, out.vault(), &mut replaced);
        out.replaced(&replaced);
    }
    Some(finding(candidate, span, action))
}

impl Plan {
    /// Finds everything in a whole text, in the order of the places. `folded` is room that is used again.
    pub fn scan(&self, text: &str, folded: &mut Folded, mut found: impl FnMut(Finding)) {
        self.search(text, folded, self.depth(), &mut |candidate, span| {
            if let Some(action) = self.action(candidate.kind) {
                found(finding(&candidate, span, action));
            }
        });
    }

    /// The same as candidates, decoding encoded runs so often.
    pub(super) fn search(
        &self,
        text: &str,
        folded: &mut Folded,
        depth: Depth,
        found: &mut dyn FnMut(Candidate, Range<usize>),
    ) {
        folded.fold(text);
        let folded = &*folded;
        let view = View::new(
            folded.bytes(text),
            0,
            true,
            #[cfg(test)]
            &folded.steps,
        );
        Scan::new().advance(self, &view, true, depth, &mut |piece: Piece<'_>| {
            let span = folded.start(text, piece.from)..folded.end(text, piece.to);
            let value = text.get(span.clone()).unwrap_or_default();
            if !self.is_allowed(piece.candidate.kind, value) {
                found(*piece.candidate, span);
            }
        });
    }

    /// Writes what stands in the place of a finding's value. For `report` and `block` that is the value itself.
    pub fn replace(&self, finding: &Finding, value: &str, tenant: Tenant, out: &mut String) {
        self.write(finding, value, tenant, None, out);
    }

    /// The same for a request: what its answer is to get back is kept in the vault.
    pub fn hide(&self, finding: &Finding, value: &str, vault: &mut Vault, out: &mut String) {
        self.write(finding, value, vault.tenant(), Some(vault), out);
    }

    fn write(
        &self,
        finding: &Finding,
        value: &str,
        tenant: Tenant,
        vault: Option<&mut Vault>,
        out: &mut String,
    ) {
        if matches!(finding.action, Action::Report | Action::Block) {
            out.push_str(value);
            return;
        }
        let mut replaced = Value::new(self, finding.kind, tenant);
        replaced.push(value);
        replaced.finish(self, vault, out);
    }
}

const fn finding(candidate: &Candidate, span: Range<usize>, action: Action) -> Finding {
    Finding {
        kind: candidate.kind,
        span,
        score: candidate.score,
        action,
    }
}

fn part(text: &str, from: usize, to: usize) -> &str {
    text.get(from..to).unwrap_or_default()
}
