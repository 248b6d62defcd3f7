//! What stands in a finding's place. A value comes in pieces and is never kept whole: of a long one its beginning, its
//! end and its hash are enough.

use super::action::Action;
use super::kind::Kind;
use super::placeholder::{Mark, Tenant};
use super::plan::Plan;
use super::vault::{Kept, Vault};

/// The longest value that can be allowed, restored or shown in part.
pub(super) const VALUE_BYTES_MAX: usize = 512;
/// The most that `partial` keeps.
const LAST_MAX: usize = 8;

/// A value that is being replaced. It has no `Debug`.
pub(super) struct Value {
    action: Action,
    kind: Kind,
    /// The value, as long as it is short.
    head: String,
    is_long: bool,
    /// The last letters and digits.
    last: Vec<char>,
    mark: Option<Mark>,
}

impl Value {
    pub(super) fn new(plan: &Plan, kind: Kind, tenant: Tenant) -> Self {
        let action = plan.action(kind).unwrap_or(Action::Mask);
        let mark = plan.key.as_ref().and_then(|key| match action {
            Action::Hash => Some(key.hash(plan.name(kind))),
            Action::Placeholder => Some(key.placeholder(tenant, plan.name(kind))),
            Action::Report | Action::Mask | Action::Partial { .. } | Action::Block => None,
        });
        Self {
            action,
            kind,
            head: String::new(),
            is_long: false,
            last: Vec::new(),
            mark,
        }
    }

    pub(super) const fn action(&self) -> Action {
        self.action
    }

    /// Takes the next piece.
    pub(super) fn push(&mut self, piece: &str) {
        if let Some(mark) = &mut self.mark {
            mark.update(piece);
        }
        let room = VALUE_BYTES_MAX.saturating_sub(self.head.len());
        if piece.len() <= room && !self.is_long {
            self.head.push_str(piece);
        } else {
            self.is_long = true;
        }
        if matches!(self.action, Action::Partial { .. }) {
            let letters = piece
                .chars()
                .rev()
                .filter(|letter| letter.is_alphanumeric());
            let mut newest: Vec<char> = letters.take(LAST_MAX).collect();
            newest.reverse();
            self.last.append(&mut newest);
            let extra = self.last.len().saturating_sub(LAST_MAX);
            self.last.drain(..extra);
        }
    }

    /// The whole value, if it is short.
    pub(super) fn whole(&self) -> Option<&str> {
        (!self.is_long).then_some(self.head.as_str())
    }

    /// Writes what stands in the value's place. Where it stays or all is refused, that is nothing.
    pub(super) fn finish(mut self, plan: &Plan, vault: Option<&mut Vault>, out: &mut String) {
        let start = out.len();
        match self.action {
            Action::Report | Action::Block => {}
            Action::Mask => self.write_mask(plan, out),
            Action::Partial { keep_last } => self.write_partial(usize::from(keep_last), out),
            Action::Hash => {
                self.write_label(plan, out);
                if let Some(mark) = self.mark {
                    out.push('_');
                    mark.write_hash(out);
                }
                out.push(']');
            }
            Action::Placeholder => {
                self.write_label(plan, out);
                if let Some(mark) = self.mark.take() {
                    out.push('_');
                    mark.write_letters(out);
                }
                out.push(']');
                let placeholder = out.get(start..).unwrap_or_default();
                let kept = vault.map(|vault| vault.keep(placeholder, self.whole()));
                if kept == Some(Kept::Taken) {
                    out.truncate(start);
                    self.write_mask(plan, out);
                }
            }
        }
    }

    fn write_mask(&self, plan: &Plan, out: &mut String) {
        if let Some(with) = plan.mask(self.kind) {
            out.push_str(with);
            return;
        }
        self.write_label(plan, out);
        out.push(']');
    }

    /// Writes a bracket and the name in capitals.
    fn write_label(&self, plan: &Plan, out: &mut String) {
        out.push('[');
        let name = plan.name(self.kind).chars();
        out.extend(name.map(|letter| letter.to_ascii_uppercase()));
    }

    /// Separators stay in a short value, so that its shape does; a long one is eight stars and its end.
    fn write_partial(&self, keep_last: usize, out: &mut String) {
        if self.is_long {
            out.push_str("********");
            let hidden = self.last.len().saturating_sub(keep_last);
            out.extend(self.last.iter().skip(hidden));
            return;
        }
        let letters = self
            .head
            .chars()
            .filter(|letter| letter.is_alphanumeric())
            .count();
        let hidden = letters.saturating_sub(keep_last.min(letters / 4));
        let mut seen: usize = 0;
        for letter in self.head.chars() {
            if !letter.is_alphanumeric() {
                out.push(letter);
                continue;
            }
            seen = seen.wrapping_add(1);
            out.push(if seen > hidden { letter } else { '*' });
        }
    }
}
