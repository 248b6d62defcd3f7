//! What stands in a finding's place. A value comes in pieces and is never kept whole: of a long one its beginning, its
//! end and its hash are enough.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::entity::Entity;
use super::plan::{ALLOWED_BYTES_MAX, Action, Plan};

/// How many of a hash's bytes are written.
const HASH_BYTES: usize = 8;
/// The most that `partial` keeps.
const LAST_MAX: usize = 8;

/// A value that is being replaced. It has no `Debug`.
pub(super) struct Value {
    action: Action,
    entity: Entity,
    /// The value, as long as it is short.
    head: String,
    is_long: bool,
    /// The last letters and digits.
    last: Vec<char>,
    hash: Option<Hmac<Sha256>>,
}

impl Value {
    pub(super) fn new(plan: &Plan, entity: Entity) -> Self {
        let action = plan.action(entity).unwrap_or(Action::Mask);
        let key = plan.hash_key.as_ref().filter(|_| action == Action::Hash);
        // HMAC takes keys of any length.
        let mut hash =
            key.and_then(|key| Hmac::<Sha256>::new_from_slice(key.reveal().as_bytes()).ok());
        if let Some(hash) = &mut hash {
            hash.update(entity.name().as_bytes());
            hash.update(&[0]);
        }
        Self {
            action,
            entity,
            head: String::new(),
            is_long: false,
            last: Vec::new(),
            hash,
        }
    }

    pub(super) const fn action(&self) -> Action {
        self.action
    }

    /// Takes the next piece.
    pub(super) fn push(&mut self, piece: &str) {
        if let Some(hash) = &mut self.hash {
            hash.update(piece.as_bytes());
        }
        let room = ALLOWED_BYTES_MAX.saturating_sub(self.head.len());
        match piece.get(..) {
            Some(piece) if piece.len() <= room && !self.is_long => self.head.push_str(piece),
            _ => self.is_long = true,
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

    /// The whole value, if it is short enough to be allowed.
    pub(super) fn whole(&self) -> Option<&str> {
        (!self.is_long).then_some(self.head.as_str())
    }

    /// Writes what stands in the value's place. Where it stays or all is refused, that is nothing.
    pub(super) fn finish(self, out: &mut String) {
        match self.action {
            Action::Report | Action::Block => {}
            Action::Mask => {
                out.push('[');
                self.push_label(out);
                out.push(']');
            }
            Action::Partial { keep_last } => self.write_partial(usize::from(keep_last), out),
            Action::Hash => {
                out.push('[');
                self.push_label(out);
                if let Some(hash) = self.hash {
                    out.push('_');
                    for byte in hash.finalize().into_bytes().iter().take(HASH_BYTES) {
                        for nibble in [byte >> 4, byte & 15] {
                            out.extend(char::from_digit(u32::from(nibble), 16));
                        }
                    }
                }
                out.push(']');
            }
        }
    }

    fn push_label(&self, out: &mut String) {
        let name = self.entity.name().chars();
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
