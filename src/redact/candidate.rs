//! What a detector offers, and which of two that overlap is kept.

use super::action::Strength;
use super::kind::Kind;
use super::view::{View, class, is_in};

/// A match in the folded text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
    /// In percent.
    pub(super) score: u8,
    pub(super) strength: Strength,
    /// What follows the part that was checked.
    pub(super) tail: Tail,
}

impl Candidate {
    /// The written rule for overlaps: the stricter action, then the higher score, then the longer match, then the earlier.
    pub(super) fn beats(&self, other: &Self) -> bool {
        let rank = |it: &Self| (it.strength, it.score, it.end.saturating_sub(it.start));
        rank(self) > rank(other)
    }

    /// One match in place of two that overlap: the better of them, over everything that both cover.
    pub(super) fn merged(self, other: Self) -> Self {
        let better = if other.beats(&self) { other } else { self };
        Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
            tail: other.tail,
            ..better
        }
    }
}

/// How a match goes on behind the part that makes it certain. Its length has no bound; its state is a few bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// Not at all.
    None,
    /// base64url: tokens.
    Base64Url,
    /// base64url and dots: JWTs.
    Dotted,
    /// base64 and its padding: storage keys, bearer tokens.
    Base64,
    /// Up to white space or a quote or what stands between assignments: their values.
    Value,
    /// Up to white space or a quote: values in quotes.
    Quoted,
    /// Up to the end of a PEM block: so many dashes seen in a row, and how far it is.
    Pem {
        /// Dashes in a row.
        dashes: u8,
        /// Whether the `END` line has begun.
        is_ending: bool,
    },
}

impl Tail {
    /// Goes on from a position, as far as the text goes. Tells where it stopped, and whether the match is over.
    #[inline(never)] // Small functions are optimized sooner.
    pub(super) fn advance(&mut self, view: &View<'_>, at: usize) -> (usize, bool) {
        let rest = view.rest(at);
        let run = |classes: u8| rest.iter().position(|&byte| !is_in(byte, classes));
        let length = match self {
            Self::None => Some(0),
            Self::Base64Url => run(class::BASE64URL),
            Self::Dotted => run(class::DOTTED),
            Self::Base64 => run(class::BASE64),
            Self::Value => run(class::VALUE),
            Self::Quoted => rest.iter().position(|&byte| !is_quoted(byte)),
            Self::Pem { dashes, is_ending } => {
                let end = rest
                    .iter()
                    .position(|&byte| pem_ends(dashes, is_ending, byte));
                // The last dash belongs to the block; a byte that ends it early does not.
                end.map(|end| end.wrapping_add(usize::from(*dashes == PEM_OVER)))
            }
        };
        (
            at.wrapping_add(length.unwrap_or(rest.len())),
            length.is_some(),
        )
    }
}

/// What values in quotes are made of.
pub(super) const fn is_quoted(byte: u8) -> bool {
    !(byte <= b' ' || matches!(byte, b'"' | b'\'' | b'`' | b'\\'))
}

const PEM_OVER: u8 = 255;

/// Takes one more byte of a block; whether the block is over with it.
fn pem_ends(dashes: &mut u8, is_ending: &mut bool, byte: u8) -> bool {
    if byte == b'-' {
        *dashes = dashes.saturating_add(1);
        if *dashes == 5 {
            if *is_ending {
                *dashes = PEM_OVER;
                return true;
            }
            *is_ending = true;
            *dashes = 0;
        }
        return false;
    }
    *dashes = 0;
    let is_in = byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'+' | b'/' | b'=' | b' ' | b'\n' | b'\r' | b'\t' | b'\\' | b':' | b','
        );
    !is_in
}
