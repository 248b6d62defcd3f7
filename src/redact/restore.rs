//! Puts the values back in an answer that comes in pieces.
//!
//! Only this request's placeholders are known, and text is held back only while it may be the beginning of one. A model may
//! change a placeholder's case and escape its underscores as Markdown does; anything else is another text and stays.
//! A channel's text passes the scanner first and this second: what is restored is the app's own and is not redacted again.

use super::vault::Vault;
use crate::codec::json::write_string_content;

/// Backslashes before one underscore: Markdown's, and those that JSON adds to it.
const SLASHES_MAX: u8 = 8;

/// What the restored text is part of: how often a value is escaped for a JSON string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escaping {
    /// Plain text, such as content that was unescaped.
    Plain,
    /// Inside a JSON string: raw content, or tool arguments that were unescaped.
    Json,
    /// Inside a JSON string inside a JSON string: raw tool arguments.
    JsonTwice,
}

/// The restoring of one channel of an answer.
pub struct Restore {
    escaping: Escaping,
    /// What may be the beginning of a placeholder, as it came.
    held: String,
    /// The same as it would be written by us.
    known: String,
    /// Backslashes at its end.
    slashes: u8,
    restored: usize,
    room: (Vec<u8>, Vec<u8>),
}

impl core::fmt::Debug for Restore {
    /// Without the text.
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("Restore")
            .field("held_bytes", &self.held.len())
            .field("restored", &self.restored)
            .finish_non_exhaustive()
    }
}

impl Restore {
    /// Nothing has come yet.
    #[must_use]
    pub const fn new(escaping: Escaping) -> Self {
        Self {
            escaping,
            held: String::new(),
            known: String::new(),
            slashes: 0,
            restored: 0,
            room: (Vec::new(), Vec::new()),
        }
    }

    /// How many bytes wait for more.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        self.held.len()
    }

    /// How many placeholders became values again.
    #[must_use]
    pub const fn restored(&self) -> usize {
        self.restored
    }

    /// Takes the next piece. What is decided is added to `out`.
    pub fn push(&mut self, vault: &Vault, piece: &str, out: &mut String) {
        let mut rest = piece;
        loop {
            if self.held.is_empty() {
                let Some((plain, behind)) = rest.split_once('[').filter(|_| !vault.is_empty())
                else {
                    out.push_str(rest);
                    return;
                };
                out.push_str(plain);
                self.held.push('[');
                self.known.push('[');
                rest = behind;
            }
            let mut letters = rest.chars();
            let Some(letter) = letters.next() else {
                return;
            };
            if self.goes_on(vault, letter) {
                rest = letters.as_str();
                self.close(vault, out);
            } else {
                self.finish(out);
            }
        }
    }

    /// The text is over: what is held was no placeholder.
    pub fn finish(&mut self, out: &mut String) {
        out.push_str(&self.held);
        self.clear();
    }

    /// Takes one more letter if a placeholder may go on so.
    fn goes_on(&mut self, vault: &Vault, letter: char) -> bool {
        if letter == '\\' && self.slashes < SLASHES_MAX {
            self.slashes = self.slashes.saturating_add(1);
            self.held.push(letter);
            return true;
        }
        if self.slashes > 0 && letter != '_' {
            return false;
        }
        self.known.push(letter.to_ascii_uppercase());
        if !vault.has_beginning(&self.known) {
            return false;
        }
        self.slashes = 0;
        self.held.push(letter);
        true
    }

    /// Writes the value if the placeholder is whole.
    fn close(&mut self, vault: &Vault, out: &mut String) {
        // No placeholder is the beginning of another: each ends in the only `]` that it has.
        let Some(value) = vault.value(&self.known).filter(|_| self.slashes == 0) else {
            return;
        };
        let (once, twice) = &mut self.room;
        let escaped = match self.escaping {
            Escaping::Plain => value,
            Escaping::Json | Escaping::JsonTwice => {
                once.clear();
                write_string_content(once, value);
                str::from_utf8(once).unwrap_or_default()
            }
        };
        if self.escaping == Escaping::JsonTwice {
            twice.clear();
            write_string_content(twice, escaped);
            out.push_str(str::from_utf8(twice).unwrap_or_default());
        } else {
            out.push_str(escaped);
        }
        self.restored = self.restored.saturating_add(1);
        self.clear();
    }

    fn clear(&mut self) {
        self.held.clear();
        self.known.clear();
        self.slashes = 0;
    }
}
