//! What is written in base64 or percent-encoded: decoded as often as the policy asks, and searched.
//!
//! A run of the encoding's characters is read from its beginning. If what it stands for is text, and something is found in
//! it, the whole run is the finding: the part that is meant cannot be cut out of it. A run is read up to
//! [`RUN_BYTES_MAX`]; a longer one is not text that somebody hid but a file, and is left alone.

use super::super::candidate::{Candidate, Tail};
use super::super::fold::Folded;
use super::super::plan::Plan;
use super::super::view::{More, View};
use crate::codec::{base64, percent};

/// The longest run that is decoded; a stream holds back no more of one.
pub(super) const RUN_BYTES_MAX: usize = 4_096;
/// Shorter ones hold nothing that could be found.
const BASE64_BYTES_MIN: usize = 12;

/// How often runs are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::redact) struct Depth {
    pub(in crate::redact) base64: u8,
    pub(in crate::redact) url: u8,
}

impl Depth {
    pub(in crate::redact) const NONE: Self = Self { base64: 0, url: 0 };

    pub(super) const fn is_none(self) -> bool {
        self.base64 == 0 && self.url == 0
    }
}

/// The characters of base64 and base64url.
pub(super) const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// What stands in one part of a URL: between `/`, `?`, `&`, `=` and `#`.
pub(super) const fn is_url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'%' | b'.' | b'-' | b'_' | b'~' | b'+' | b'@' | b':')
}

/// Searches the runs that begin here.
pub(super) fn find(
    plan: &Plan,
    view: &View<'_>,
    at: usize,
    depth: Depth,
) -> Result<Option<Candidate>, More> {
    let before = view.before(at);
    let mut best: Option<Candidate> = None;
    if depth.base64 > 0 && !is_base64(before) {
        let end = view.run(at, RUN_BYTES_MAX.wrapping_add(1), is_base64)?;
        let length = end.wrapping_sub(at);
        if (BASE64_BYTES_MIN..=RUN_BYTES_MAX).contains(&length) {
            let end_padded = view.run(end, 2, |byte| byte == b'=')?;
            if let Some(text) = from_base64(view.part(at..end)) {
                let less = Depth {
                    base64: depth.base64.saturating_sub(1),
                    ..depth
                };
                best = covering(plan, &text, less, at, end_padded);
            }
        }
    }
    if depth.url > 0 && !is_url(before) {
        let end = view.run(at, RUN_BYTES_MAX.wrapping_add(1), is_url)?;
        let run = view.part(at..end);
        if run.len() <= RUN_BYTES_MAX
            && let Some(text) = from_url(run)
        {
            let less = Depth {
                url: depth.url.saturating_sub(1),
                ..depth
            };
            let found = covering(plan, &text, less, at, end);
            best = match (best, found) {
                (Some(one), Some(other)) => Some(one.merged(other)),
                (one, other) => one.or(other),
            };
        }
    }
    Ok(best)
}

/// The best of what a decoded text holds, over the run that it stood in.
fn covering(plan: &Plan, text: &str, depth: Depth, start: usize, end: usize) -> Option<Candidate> {
    let mut best: Option<Candidate> = None;
    plan.search(text, &mut Folded::new(), depth, &mut |candidate, _| {
        if best.is_none_or(|best| candidate.beats(&best)) {
            best = Some(candidate);
        }
    });
    best.map(|best| Candidate {
        start,
        end,
        tail: Tail::None,
        ..best
    })
}

/// The text that base64 or base64url stands for, padded or not.
fn from_base64(run: &[u8]) -> Option<String> {
    let mut padded = String::with_capacity(run.len().saturating_add(3));
    padded.extend(run.iter().map(|&byte| match byte {
        b'-' => '+',
        b'_' => '/',
        _ => char::from(byte),
    }));
    while !padded.len().is_multiple_of(4) {
        padded.push('=');
    }
    let mut bytes = Vec::new();
    base64::read(&padded, &mut bytes)?;
    readable(bytes)
}

/// The text behind percent signs, if there are any.
fn from_url(run: &[u8]) -> Option<String> {
    if !run.contains(&b'%') {
        return None;
    }
    let mut bytes = Vec::new();
    if percent::decode(run, &mut bytes) {
        readable(bytes)
    } else {
        None
    }
}

/// Bytes that somebody wrote to be read.
fn readable(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes).ok()?;
    let is_control = |letter: char| letter.is_control() && !letter.is_whitespace();
    (!text.chars().any(is_control)).then_some(text)
}
