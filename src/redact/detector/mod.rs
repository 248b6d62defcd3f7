//! The detectors, by the byte that calls them.
//!
//! A detector is called where its trigger stands: the first digit of a number or a code, an `@`, a separator inside a
//! token's prefix, the `=` of an assignment. It reads a bounded number of bytes around it, checks what can be checked,
//! and offers what it found. Of all offers at one trigger the best is kept; see [`Candidate::beats`].

mod address;
mod assignment;
mod card;
mod code;
mod email;
mod identity;
mod number;
mod phone;
mod token;
mod url;
mod wallet;

use super::candidate::{Candidate, Tail};
use super::context::{Topic, Topics};
use super::entity::Entity;
use super::kind::Kind;
use super::plan::Plan;
use super::view::{More, View, is_word};

/// What a detector works with: the text, the words before, and what was found at this trigger.
pub(super) struct Sight<'s, 't> {
    pub(super) view: View<'t>,
    pub(super) topics: &'s mut Topics,
    pub(super) plan: &'s Plan,
    pub(super) best: Option<Candidate>,
    /// Where the finding before this one ends.
    pub(super) taken: usize,
}

impl Sight<'_, '_> {
    /// Offers a match whose end is known.
    fn offer(&mut self, entity: Entity, start: usize, end: usize, score: u8) {
        self.offer_open(entity, start, end, score, Tail::None);
    }

    /// Offers a match that is sure, and goes on for as long as its tail does.
    fn offer_open(&mut self, entity: Entity, start: usize, end: usize, score: u8, tail: Tail) {
        let kind = Kind::Entity(entity);
        let Some(strength) = self.plan.strength(kind, score) else {
            return;
        };
        let candidate = Candidate {
            kind,
            start,
            end,
            score,
            strength,
            tail,
        };
        if self.best.is_none_or(|best| candidate.beats(&best)) {
            self.best = Some(candidate);
        }
    }

    /// Whether a word of one of these topics stands before what begins at `start`.
    fn has(&mut self, start: usize, topics: &[Topic]) -> bool {
        self.topics.has(&self.view, start, topics)
    }
}

/// Whether a byte may call a detector. It is asked for every byte of the text, so it is nothing but comparisons.
#[inline]
pub(super) const fn is_trigger(byte: u8) -> bool {
    // `-`, `.`, `/`, digits, `:`
    (byte.wrapping_sub(b'-') <= b':' - b'-')
        | (byte == b'(')
        | (byte == b'+')
        | (byte == b'=')
        | (byte == b'@')
        | (byte == b'_')
        | (byte.wrapping_sub(b'J') <= 1)
        | (byte == b'z')
}

/// Asks the detectors that this byte calls.
pub(super) fn detect(sight: &mut Sight<'_, '_>, at: usize, byte: u8) -> Result<(), More> {
    match byte {
        b'0'..=b'9' => detect_digit(sight, at),
        b'@' => email::detect(sight, at),
        b'_' => token::detect(sight, at),
        b'-' => {
            token::detect(sight, at)?;
            address::detect_mac(sight, at)
        }
        // Most dots end a sentence or a decimal.
        b'.' => match sight.view.ahead(at.wrapping_add(1))? {
            next if is_word(next) && !sight.view.before(at).is_ascii_whitespace() => {
                token::detect(sight, at)
            }
            _ => Ok(()),
        },
        b':' => {
            url::detect(sight, at)?;
            assignment::detect(sight, at)?;
            token::detect_telegram(sight, at)?;
            address::detect_ipv6(sight, at)?;
            address::detect_mac(sight, at)
        }
        b'=' => assignment::detect(sight, at),
        b'+' | b'(' => phone::detect_marked(sight, at),
        b'J' | b'K' | b'z' => token::detect_letter(sight, at),
        _ => Ok(()),
    }
}

/// The first digit of a number, or of a word that holds letters too.
fn detect_digit(sight: &mut Sight<'_, '_>, at: usize) -> Result<(), More> {
    let view = sight.view;
    let before = view.before(at);
    if before.is_ascii_digit() {
        return Ok(());
    }
    if before.is_ascii_alphabetic() {
        return code::detect(sight, at);
    }
    if !number::may_begin(&view, at) {
        return Ok(());
    }
    // Inside a row of groups only one that could be a card's or a phone's first is tried again.
    let is_inside = before == b' ' && view.before(at.wrapping_sub(1)).is_ascii_digit();
    if is_inside && view.run(at, 3, |byte| byte.is_ascii_digit())? < at.wrapping_add(3) {
        return Ok(());
    }
    let number = number::Number::read(&view, at)?;
    let first = number.first_length();
    let behind = at.wrapping_add(usize::from(first));
    let next = view.ahead(behind)?;
    if next == b'.' && first <= 3 {
        address::detect_ipv4(sight, at)?;
    }
    if number.count() > 2 {
        for prefix in number.prefixes() {
            card::detect(sight, &prefix);
            identity::detect(sight, &prefix);
            phone::detect(sight, &prefix)?;
        }
        identity::detect_letter(sight, &number)?;
    }
    // A word that goes on with letters, or groups that end in one.
    if first < 18 && (next.is_ascii_alphabetic() || next == b'.' && first <= 2) {
        code::detect(sight, at)?;
    }
    Ok(())
}

/// Whether the byte ends a word.
const fn is_edge(byte: u8) -> bool {
    !is_word(byte) && byte != b'_'
}
