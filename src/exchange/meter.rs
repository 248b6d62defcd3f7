//! Counts what an answer says while it passes, and has the ledger hold more for a stream without a limit.
//!
//! ```text
//!   said   0 ....... half a step is left ....... all that is held ........
//!   far    -         asks for the next step      keeps back until answered
//!   near   -         -                           holds the next step at once
//! ```
//! The provider's own usage replaces the count when it comes. Until then the count decides: what would exceed what
//! every budget can hold is not passed on, and the stream ends there. A store that is far is asked ahead of need, by a call
//! that the stream does not wait for; only where its answer is late as well is the answer kept back until it comes, and what
//! was kept goes on before the stream ends, if it has to end.

use std::cell::RefCell;
use std::rc::Rc;

use crate::budget::{Content, Estimate, Inbound, Outbound, Unanswered};
use crate::fault::Fault;
use crate::limits::MIB;
use crate::turn::{Detail, Event};

use super::Host;
use super::ledger::{Grown, Ledger};

/// The count of one answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter {
    /// Whether anybody wants to know.
    pub(super) is_on: bool,
    /// For a stream without a limit.
    growth: Option<Growth>,
    /// The budgets had no room for more.
    pub(super) is_cut: bool,
    said: Estimate,
    noted_tokens: u64,
}

/// How a stream's holds grow.
#[derive(Debug, Clone)]
struct Growth {
    ledger: Rc<RefCell<Ledger>>,
    /// By how much.
    step: u64,
    /// A store is asked ahead of need, for its answer takes a while.
    is_far: bool,
    /// There is no more.
    is_refused: bool,
    /// What a store has to be asked.
    call: Option<Outbound>,
    /// What was written since all that is held was said.
    kept: Option<Kept>,
}

/// Bytes that wait for a store.
#[derive(Debug, Clone, Default)]
struct Kept {
    bytes: Vec<u8>,
    /// The upstream has ended.
    ends: bool,
}

/// More does not wait for a store that is late: the stream ends.
const KEPT_BYTES_MAX: usize = MIB;

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

    /// The holds of this ledger grow by so much.
    pub(super) fn grow_by(&mut self, step: u64, ledger: &Rc<RefCell<Ledger>>) {
        self.growth = Some(Growth {
            ledger: Rc::clone(ledger),
            step,
            is_far: ledger.borrow().is_far(),
            is_refused: false,
            call: None,
            kept: None,
        });
    }

    /// Whether holds grow.
    pub(super) const fn grows(&self) -> bool {
        self.growth.is_some()
    }

    /// Has the budgets hold for what was counted.
    ///
    /// # Errors
    /// One of them has no room: what was counted last must not go on.
    pub(super) fn grow(&mut self, host: &dyn Host) -> Result<(), Fault> {
        let tokens = self.said.tokens();
        let Some(growth) = &mut self.growth else {
            return Ok(());
        };
        if growth.has_room(tokens, host) {
            return Ok(());
        }
        self.is_cut = true;
        Err(Fault::Internal("a budget that is gone ends its stream"))
    }

    /// The call that a store has to make for the stream, if there is one.
    pub(super) fn call(&mut self) -> Option<Outbound> {
        self.growth.as_mut()?.call.take()
    }

    /// Takes the answer to the call. Gives what was kept, and whether the upstream has ended, once it may go on; the
    /// meter is cut if that is all.
    pub(super) fn hear_store(
        &mut self,
        answer: Result<Inbound<'_>, Unanswered>,
        host: &dyn Host,
    ) -> Option<(Vec<u8>, bool)> {
        let tokens = self.said.tokens();
        let growth = self.growth.as_mut()?;
        let now_ms = host.now().unix_ms;
        let grown = growth
            .ledger
            .borrow_mut()
            .grow_on(Some(answer), now_ms, host.shared());
        growth.take(grown);
        // One event may have said more than a step.
        let has_room = growth.has_room(tokens, host);
        if growth.ledger.borrow().is_growing() {
            return None;
        }
        let Kept { bytes, ends } = growth.kept.take()?;
        self.is_cut = !has_room && !ends;
        Some((bytes, ends))
    }

    /// Whether something is kept back.
    pub(super) fn is_waiting(&self) -> bool {
        let growth = self.growth.as_ref();
        growth.is_some_and(|growth| growth.kept.is_some())
    }

    /// Puts what was kept back before what is written now: the stream ends here, and waits for nothing.
    pub(super) fn give_up(&mut self, out: &mut Vec<u8>) {
        if let Some(Kept { bytes, .. }) = self.growth.as_mut().and_then(|it| it.kept.take()) {
            out.splice(0..0, bytes);
        }
    }

    /// Keeps back what was written, where a store is late. Says whether it does.
    pub(super) fn keep(&mut self, out: &mut Vec<u8>, ends: bool) -> bool {
        let kept = self.growth.as_mut().and_then(|it| it.kept.as_mut());
        let Some(kept) = kept.filter(|_| !self.is_cut) else {
            return false;
        };
        kept.bytes.append(out);
        kept.ends |= ends;
        true
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

impl Growth {
    /// Has the budgets hold for so many tokens.
    fn has_room(&mut self, tokens: u64, host: &dyn Host) -> bool {
        let mut held = self.ledger.borrow().output_tokens();
        let ahead = if self.is_far { self.step / 2 } else { 0 };
        if tokens.saturating_add(ahead) <= held {
            return true;
        }
        if !self.is_refused && !self.ledger.borrow().is_growing() {
            // Beyond what was said, too, where the next step has to be asked for ahead of need.
            let wanted = match self.is_far {
                true => tokens.max(held).saturating_add(self.step),
                false => tokens.max(held.saturating_add(self.step)),
            };
            self.ask(wanted, host);
            // Where a whole step does not fit, what was said may.
            if self.is_refused && !self.is_far {
                self.is_refused = false;
                self.ask(tokens, host);
            }
            held = self.ledger.borrow().output_tokens();
        }
        if tokens > held && self.ledger.borrow().is_growing() {
            let kept = self.kept.get_or_insert_default();
            return kept.bytes.len() <= KEPT_BYTES_MAX;
        }
        tokens <= held
    }

    fn ask(&mut self, tokens: u64, host: &dyn Host) {
        let now_ms = host.now().unix_ms;
        let grown = self.ledger.borrow_mut().grow(tokens, now_ms, host.shared());
        self.take(grown);
    }

    fn take(&mut self, grown: Grown) {
        match grown {
            Grown::Done => {}
            Grown::Asked(call) => self.call = Some(call),
            Grown::Refused => self.is_refused = true,
        }
    }
}
