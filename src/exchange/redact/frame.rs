//! What stands around an event's data: comments, ids, names, and fields that nobody reads.
//!
//! A provider's words may be there as well as in the data. The frames of almost all events are as short as they can be, and
//! told so by their length alone.

use super::{Redaction, Within};
use crate::codec::sse;
use crate::redact::Counts;

/// What a line takes besides its value, and the end of an event.
const LINE_BYTES: usize = "event: \n\n".len();

/// Whether what stands in a block beside its data may go on.
pub(super) fn passes(block: &sse::Event<'_>, redaction: &Redaction, counts: &mut Counts) -> bool {
    if !redaction.rule.redacts_answers {
        return true;
    }
    let name = block.name.unwrap_or_default();
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'.');
    let lines = [Some(block.data), block.name].into_iter().flatten();
    let bytes = lines.fold(0, |bytes: usize, line| {
        bytes.saturating_add(LINE_BYTES).saturating_add(line.len())
    });
    if block.raw.len() <= bytes && name.iter().all(is_word) {
        return true;
    }
    let lines = block.raw.split(|byte| matches!(byte, b'\n' | b'\r'));
    let mut beside = lines.filter(|line| !line.starts_with(b"data:"));
    !beside.any(|line| redaction.find_in(&String::from_utf8_lossy(line), counts) == Within::Hidden)
}
