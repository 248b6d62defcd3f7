//! Counts what an answer says while it passes, and has the ledger hold more for a stream without a limit.
//!
//! The provider's own usage replaces the count when it comes. Until then the count decides: what would
//! exceed what every budget can hold is not passed on, and the stream ends there.

use std::cell::RefCell;
use std::rc::Rc;

use crate::budget::{Content, Estimate};
use crate::fault::Fault;
use crate::turn::{Detail, Event};

use super::Host;
use super::ledger::Ledger;

/// The count of one answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter {
    /// Whether anybody wants to know.
    pub(super) is_on: bool,
    /// For a stream without a limit: what holds for it, and by how much that grows.
    pub(super) growth: Option<(Rc<RefCell<Ledger>>, u64)>,
    /// The budgets had no room for more.
    pub(super) is_cut: bool,
    said: Estimate,
    noted_tokens: u64,
}

/// A note runs ahead by so much, so that it is written once in a while and never says too little.
const NOTE_STEP_TOKENS: u64 = 16;

impl Meter {
    /// The tokens that the answer has had so far, about.
    pub(super) const fn tokens(&self) -> u64 {
        self.said.tokens()
    }

    /// Counts an event.
    pub(super) fn hear(&mut self, event: Event<'_>) {
        if !self.is_on {
            return;
        }
        match event {
            Event::Text { text, .. }
            | Event::Refusal { text, .. }
            | Event::Reasoning { text, .. }
            | Event::Arguments { fragment: text, .. }
            | Event::ToolCall { name: text, .. } => self.said.text(text.as_str()),
            Event::Detail(Detail::Said(json)) => self.said.value(json, Content::Answer),
            Event::Start
            | Event::Signature { .. }
            | Event::Redacted { .. }
            | Event::Usage(_)
            | Event::Citation { .. }
            | Event::Detail(_)
            | Event::Finish { .. } => {}
        }
    }

    /// Has the budgets hold for what was counted.
    ///
    /// # Errors
    /// One of them has no room: what was counted last must not go on.
    pub(super) fn grow(&mut self, host: &dyn Host) -> Result<(), Fault> {
        let Some((ledger, step)) = &self.growth else {
            return Ok(());
        };
        let tokens = self.said.tokens();
        let mut ledger = ledger.borrow_mut();
        let held = ledger.output_tokens();
        if tokens <= held {
            return Ok(());
        }
        let now_ms = host.now().unix_ms;
        let wanted = tokens.max(held.saturating_add(*step));
        // Where a whole step does not fit, what was said may.
        if ledger.extend(wanted, now_ms, host.shared())
            || ledger.extend(tokens, now_ms, host.shared())
        {
            return Ok(());
        }
        self.is_cut = true;
        Err(Fault::Internal("a budget that is gone ends its stream"))
    }

    /// What is to be noted for the other half of the filter, if that is more than was noted before.
    pub(super) const fn note(&mut self) -> Option<u64> {
        let tokens = self.said.tokens();
        if !self.is_on || tokens <= self.noted_tokens {
            return None;
        }
        self.noted_tokens = tokens.saturating_add(NOTE_STEP_TOKENS);
        Some(self.noted_tokens)
    }
}
