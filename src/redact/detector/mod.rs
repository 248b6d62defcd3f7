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
mod idle;
mod named;
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
use super::run::Set;
use super::view::{More, View, class, is_in, is_name, is_word};
pub(super) use idle::is_idle;
use number::Prefix;
pub(super) use number::Row;

/// What a detector works with: the text, the words before, and what was found at this trigger.
pub(super) struct Sight<'s, 't> {
    pub(super) view: View<'t>,
    pub(super) topics: &'s mut Topics,
    pub(super) plan: &'s Plan,
    pub(super) best: Option<Candidate>,
    /// Where the finding before this one ends.
    pub(super) taken: usize,
    pub(super) seen: &'s mut Seen,
    /// What was seen before this trigger, if it added to that.
    before: Option<Seen>,
}

/// What was looked at and is nothing, so that nobody looks at it again and again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// Digits before this are parts of such a word.
    pub(super) word: usize,
    /// A token that begins before this is a part of what is none.
    pub(super) token: usize,
    /// Up to where a value was looked at, and how often.
    pub(super) value: (usize, u8),
}

impl Seen {
    pub(super) const fn new() -> Self {
        Self {
            word: 0,
            token: 0,
            value: (0, 0),
        }
    }
}

impl<'s, 't> Sight<'s, 't> {
    pub(super) const fn new(
        view: &View<'t>,
        plan: &'s Plan,
        topics: &'s mut Topics,
        seen: &'s mut Seen,
        taken: usize,
    ) -> Self {
        Self {
            view: *view,
            topics,
            plan,
            best: None,
            taken,
            seen,
            before: None,
        }
    }

    /// Asks the detectors that the byte at a position calls.
    #[inline]
    pub(super) fn detect(&mut self, row: &mut Row, at: usize) -> Result<(), More> {
        // Whether it calls depends on the byte behind it.
        self.view.ahead(at.wrapping_add(1))?;
        let byte = self.view.ahead(at)?;
        detect(self, row, at, byte)
    }

    /// What was seen at this trigger counts from now on: everybody has decided.
    #[inline]
    pub(super) const fn keep(&mut self) {
        if self.before.is_some() {
            self.before = None;
        }
    }

    /// This trigger is asked again when more of the text is there.
    pub(super) const fn forget(&mut self) {
        self.best = None;
        if let Some(before) = self.before.take() {
            *self.seen = before;
        }
    }

    /// Where the next trigger may be: not inside a word that was read, since only its first digit tells about it.
    #[inline]
    pub(super) const fn skipped(&self, next: usize) -> usize {
        if self.seen.word > next {
            self.seen.word
        } else {
            next
        }
    }

    /// Room for what this trigger sees.
    fn note(&mut self) -> &mut Seen {
        if self.before.is_none() {
            self.before = Some(*self.seen);
        }
        self.seen
    }

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
        if self.best.as_ref().is_none_or(|best| candidate.beats(best)) {
            self.best = Some(candidate);
        }
    }

    /// Whether a word of one of these topics stands before what begins at `start`.
    fn has(&mut self, start: usize, topics: &[Topic]) -> bool {
        self.topics.has(&self.view, start, topics)
    }

    /// The same, but the word stands right before it.
    fn has_near(&mut self, start: usize, topics: &[Topic]) -> bool {
        let reach = 24;
        self.topics.has_within(&self.view, start, topics, reach)
    }

    /// Whether nothing that scores so without words counts, and there are none.
    fn is_silent(&mut self, start: usize, score: u8) -> bool {
        !self.plan.counts(score) && self.topics.is_silent(&self.view, start)
    }
}

/// Asks the detectors that this byte calls.
fn detect(sight: &mut Sight<'_, '_>, row: &mut Row, at: usize, byte: u8) -> Result<(), More> {
    match byte {
        b'0'..=b'9' => detect_digit(sight, row, at),
        b'@' => {
            let view = sight.view;
            if email::may_stand(view.before(at), view.ahead(at.wrapping_add(1))?) {
                named::detect(sight, at)?;
            }
            email::detect(sight, at)
        }
        b'_' if sight.view.has(at, b"_mmk")? => token::detect_suffix(sight, at),
        b'.' if is_in(sight.view.before(at), class::HEX) => {
            address::detect_dotted(sight, at)?;
            token::detect(sight, at)
        }
        b'_' | b'.' => token::detect(sight, at),
        b'-' => {
            let view = sight.view;
            let before = view.before(at);
            // Of prefixes only `A3-` and `da2-` have a digit before their first dash.
            if !before.is_ascii_digit()
                || matches!(
                    [view.before(at.wrapping_sub(1)), before],
                    [b'A', b'3'] | [b'a', b'2']
                )
            {
                token::detect(sight, at)?;
            }
            // A MAC address begins with a pair.
            let is_pair =
                is_in(before, class::HEX) && is_in(view.before(at.wrapping_sub(1)), class::HEX);
            match is_pair && !is_word(view.before(at.wrapping_sub(2))) {
                true => address::detect_mac(sight, at),
                false => Ok(()),
            }
        }
        b':' => detect_colon(sight, at),
        b'=' => assignment::detect(sight, at),
        b'+' | b'(' => phone::detect_marked(sight, at),
        b'I' | b'J' | b'K' | b'z' => token::detect_letter(sight, at),
        b'w' => assignment::detect_prose(sight, at),
        _ => Ok(()),
    }
}

/// A colon by what stands beside it.
#[inline(never)] // What calls it is optimized sooner.
fn detect_colon(sight: &mut Sight<'_, '_>, at: usize) -> Result<(), More> {
    let before = sight.view.before(at);
    match sight.view.ahead(at.wrapping_add(1))? {
        b'/' => url::detect(sight, at)?,
        b':' => return address::detect_ipv6(sight, at),
        _ => {}
    }
    let view = sight.view;
    if before.is_ascii_digit() {
        if view.before(at.wrapping_sub(7)).is_ascii_digit() {
            token::detect_telegram(sight, at)?;
        }
    } else if !before.is_ascii_alphabetic() || view.before(at.wrapping_sub(1)).is_ascii_alphabetic()
    {
        // No name has one letter.
        assignment::detect(sight, at)?;
    }
    if !is_in(before, class::HEX) {
        return Ok(());
    }
    let group = view.run_of_back(at, 5, Set::HEX);
    if view.before(group) != b':' || address::is_label(&view, group) {
        address::detect_ipv6(sight, at)?;
        address::detect_mac(sight, at)?;
    }
    Ok(())
}

/// The first digit of a number, or of a word that holds letters too.
fn detect_digit(sight: &mut Sight<'_, '_>, row: &mut Row, at: usize) -> Result<(), More> {
    let view = sight.view;
    let before = view.before(at);
    if before.is_ascii_alphabetic() {
        return code::detect(sight, at);
    }
    let earlier = view.before(at.wrapping_sub(1));
    let is_inner = earlier.is_ascii_digit();
    if is_inner
        && matches!(before, b'/' | b'.')
        && !view.ahead(at.wrapping_add(1))?.is_ascii_digit()
    {
        return Ok(());
    }
    let length = view.digits(at, 20)?.wrapping_sub(at);
    if length > 2 && may_end_value(earlier, before) {
        named::detect(sight, at)?;
    }
    // Inside a row of groups only one that could be a card's or a phone's first is tried again.
    if is_inner {
        match before {
            b' ' if length < 3 && view.ahead(at.wrapping_add(length))? == b'.' => {
                return address::detect_ipv4(sight, at);
            }
            b'-' if length < 4 && view.ahead(at.wrapping_add(length))? == b'.' => {
                return address::detect_ipv4(sight, at);
            }
            b' ' if length < 3 => return Ok(()),
            b'/' | b'-' | b'.' if length < 8 => return Ok(()),
            _ => {}
        }
    }
    if !number::may_begin(&view, at) {
        return Ok(());
    }
    let behind = at.wrapping_add(length);
    let next = view.ahead(behind)?;
    if length <= 2 && matches!(next, b' ' | b'-' | b'.' | b',' | b's' | b'n' | b'r' | b't') {
        identity::detect_month(sight, at, behind)?;
    }
    if length == 4 && !is_inner && matches!(view.ahead(at)?, b'2'..=b'6') {
        card::detect_split(sight, at)?;
    }
    if next == b'|' && matches!(length, 15 | 16) {
        token::detect_app(sight, at, behind)?;
    }
    if matches!(next, b' ' | b'-' | b'.' | b'/' | b'x') {
        if next == b'.' && length <= 3 {
            address::detect_ipv4(sight, at)?;
        }
        let is_inner = before == b' ' && is_inner;
        if !matches!(length, 0..9 | 13) {
            // Nothing that is printed in groups has one so long.
            if let Some(is_followed) = number::ends(&view, behind)? {
                bare(sight, at, behind, is_followed)?;
            }
        } else if !is_inner || length > 6 || number::may_go_on(&view, behind, length)? {
            grouped(sight, row, at, is_inner && length <= 6)?;
        }
    } else if (3..20).contains(&length) && !is_name(next) && next != b'@' {
        match length {
            3 | 4 => card::detect_cvv(sight, at, behind),
            5 => {}
            // Up to ten digits are something only if words say so.
            6..=10 if sight.is_silent(at, BARE_SCORE) => {}
            _ => bare(sight, at, behind, false)?,
        }
    }
    // A word that goes on with letters, or groups that end in one.
    if length < 18 && (next.is_ascii_alphabetic() || next == b'.' && length <= 2) {
        code::detect(sight, at)?;
    }
    Ok(())
}

/// Whether digits behind these two may be the end of a value that began with letters: `correct-horse-42`.
const fn may_end_value(earlier: u8, last: u8) -> bool {
    earlier.is_ascii_alphabetic() && matches!(last, b'-' | b'.' | b'+' | b'%')
}

/// Digits in groups.
#[inline(never)] // What calls it is optimized sooner.
fn grouped(
    sight: &mut Sight<'_, '_>,
    row: &mut Row,
    at: usize,
    is_inner: bool,
) -> Result<(), More> {
    let number = row.number(&sight.view, at)?;
    if number.count() > 2 && (!is_inner || number.may_stand_behind()) {
        number
            .prefixes()
            .filter(|prefix| prefix.digits.len() >= 12 || !is_part(prefix))
            .try_for_each(|prefix| detect_number(sight, &prefix))?;
        identity::detect_letter(sight, &number)?;
    }
    Ok(())
}

/// Digits without a separator.
#[inline(never)] // What calls it is optimized sooner.
fn bare(
    sight: &mut Sight<'_, '_>,
    start: usize,
    end: usize,
    is_followed: bool,
) -> Result<(), More> {
    let text = sight.view.part(start..end);
    let mut digits = [0; 20];
    for (digit, &byte) in digits.iter_mut().zip(text) {
        *digit = byte & 15;
    }
    let digits = digits.get(..text.len()).unwrap_or_default();
    detect_number(sight, &Prefix::bare(start, digits, is_followed))
}

/// Of equal groups in a longer row none is a number by itself, unless it is a card's.
const fn is_part(number: &Prefix<'_>) -> bool {
    number.is_followed
        && matches!(
            number.shape,
            0x4 | 0x44 | 0x444 | 0x4444 | 0x333 | 0x3333 | 0x2222 | 0x22222
        )
}

/// What may be a number by itself.
#[inline(never)] // What calls it is optimized sooner.
fn detect_number(sight: &mut Sight<'_, '_>, number: &Prefix<'_>) -> Result<(), More> {
    if number.is_bare() {
        match number.digits.len() {
            3 | 4 if !number.is_followed => {
                card::detect_cvv(sight, number.start, number.end);
                return Ok(());
            }
            // Up to ten digits are something only if words say so.
            6..=10 if !sight.is_silent(number.start, BARE_SCORE) => {}
            11.. => {}
            _ => return Ok(()),
        }
    }
    card::detect(sight, number);
    if is_part(number) {
        return Ok(());
    }
    identity::detect(sight, number);
    phone::detect(sight, number)
}

/// The most that ten digits without a separator score by themselves.
const BARE_SCORE: u8 = 30;

/// Whether the byte ends a word.
const fn is_edge(byte: u8) -> bool {
    !is_word(byte) && byte != b'_'
}
