//! Settlements on their way to a store.
//!
//! They stand in the memory that all workers share until the store has answered: a call that is lost, a VM
//! that is gone or an outage delay them, no more. A batch is known by its mark; one that is not answered in
//! time is sent again, and how often it is charged then is the store's affair.
//!
//! The memory is bounded: what finds no place is not noted, and the caller is told.

use std::cell::Cell;

use super::Shared;

/// Settlements of one call.
#[derive(Debug)]
pub(super) struct Batch {
    /// By what it is known.
    pub(super) mark: String,
    pub(super) keys: Vec<String>,
    /// Each settlement's words, with a comma before them.
    pub(super) words: String,
}

/// The settlements of a store.
#[derive(Debug)]
pub(super) struct Outbox {
    name: String,
    /// The shards that may have something to send, as bits.
    dirty: Cell<u16>,
    swept_ms: Cell<u64>,
}

/// A settlement.
struct Entry {
    /// Of which batch; 0 before it is sent.
    batch: u64,
    sent_ms: u64,
    keys: Vec<String>,
    words: String,
}

/// How keys of this version begin.
const PREFIX: &str = "tollgate.outbox.1/";
const LAYOUT: u8 = 1;
const SHARDS: u16 = 16;
/// Some 200 settlements of a request with three budgets.
const SHARD_BYTES_MAX: usize = 128 * 1024;
/// Settlements of one batch.
const BATCH_MAX: usize = 32;
/// When a batch without an answer is sent again.
const RESEND_MS: u64 = 2_000;
/// How often every shard is looked at: another worker's may have been left behind.
const SWEEP_MS: u64 = 1_000;

impl Outbox {
    /// The settlements of a store of this name.
    pub(super) fn new(store: &str) -> Self {
        Self {
            name: format!("{PREFIX}{store}/"),
            dirty: Cell::new(0),
            swept_ms: Cell::new(0),
        }
    }

    /// Notes a settlement; its first key is the record of its request. Says whether there was a place for it.
    pub(super) fn put(
        &self,
        id: u128,
        (keys, words): (&[String], &str),
        shared: &dyn Shared,
    ) -> bool {
        let shard = u16::try_from(id.checked_rem(u128::from(SHARDS)).unwrap_or(0)).unwrap_or(0);
        let is_noted = self.change(shard, shared, |entries| {
            let mut bytes = encode(entries);
            Entry::write(0, 0, keys, words, &mut bytes);
            (bytes.len() <= SHARD_BYTES_MAX).then_some(bytes)
        });
        self.dirty.set(self.dirty.get() | bit(shard));
        is_noted
    }

    /// Settlements to be sent now, and marks them as sent.
    pub(super) fn batch(&self, now_ms: u64, shared: &dyn Shared) -> Option<Batch> {
        if now_ms.abs_diff(self.swept_ms.get()) >= SWEEP_MS {
            self.swept_ms.set(now_ms);
            self.dirty.set(u16::MAX);
        }
        for shard in 0..SHARDS {
            if self.dirty.get() & bit(shard) == 0 {
                continue;
            }
            if let Some(batch) = self.batch_of(shard, now_ms, shared) {
                return Some(batch);
            }
            self.dirty.set(self.dirty.get() & !bit(shard));
        }
        None
    }

    /// A batch has been answered: its settlements are done.
    pub(super) fn delivered(&self, mark: &str, shared: &dyn Shared) {
        let Some((shard, batch)) = read_mark(mark) else {
            return;
        };
        self.change(shard, shared, |entries| {
            let before = entries.len();
            entries.retain(|entry| entry.batch != batch);
            (entries.len() < before).then(|| encode(entries))
        });
    }

    fn batch_of(&self, shard: u16, now_ms: u64, shared: &dyn Shared) -> Option<Batch> {
        let mut due = None;
        self.change(shard, shared, |entries| {
            let is_due = |entry: &&mut Entry| {
                entry.batch == 0 || entry.sent_ms.saturating_add(RESEND_MS) <= now_ms
            };
            let mut batch = 0;
            let mut keys = Vec::new();
            let mut words = String::new();
            for entry in entries.iter_mut().filter(is_due).take(BATCH_MAX) {
                if batch == 0 {
                    batch = entry.lead(now_ms);
                }
                entry.batch = batch;
                entry.sent_ms = now_ms;
                keys.append(&mut entry.keys.clone());
                words.push(',');
                words.push_str(&entry.words);
            }
            due = None;
            if batch == 0 {
                return None;
            }
            let mark = format!("o-{shard}-{batch}");
            due = Some(Batch { mark, keys, words });
            Some(encode(entries))
        });
        due
    }

    /// Changes a shard. Says whether it has.
    fn change(
        &self,
        shard: u16,
        shared: &dyn Shared,
        mut change: impl FnMut(&mut Vec<Entry>) -> Option<Vec<u8>>,
    ) -> bool {
        let key = format!("{}{shard}", self.name);
        let mut is_changed = false;
        let done = shared.update(&key, &mut |bytes| {
            let bytes = change(&mut decode(bytes));
            is_changed = bytes.is_some();
            bytes
        });
        done.is_ok() && is_changed
    }
}

const fn bit(shard: u16) -> u16 {
    1_u16.wrapping_shl(shard as u32)
}

fn read_mark(mark: &str) -> Option<(u16, u64)> {
    let (shard, batch) = mark.strip_prefix("o-")?.split_once('-')?;
    Some((shard.parse().ok()?, batch.parse().ok()?))
}

/// The entries behind a byte: a host may take an empty value for none, and none can never be replaced.
fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1_024);
    out.push(LAYOUT);
    for entry in entries {
        Entry::write(
            entry.batch,
            entry.sent_ms,
            &entry.keys,
            &entry.words,
            &mut out,
        );
    }
    out
}

fn decode(bytes: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    let Some(mut bytes) = bytes.strip_prefix(&[LAYOUT]) else {
        return entries;
    };
    while let Some(entry) = Entry::read(&mut bytes) {
        entries.push(entry);
    }
    entries
}

/// An entry's bytes: batch, moment, how long its text is, and the text: the words, then each key, with line
/// feeds between them.
impl Entry {
    /// A number for a batch that begins with this entry.
    fn lead(&self, now_ms: u64) -> u64 {
        let mut hash = now_ms;
        for byte in self.keys.first().map_or("", String::as_str).bytes() {
            hash = hash.wrapping_mul(0x0100_0000_01B3) ^ u64::from(byte);
        }
        hash.max(1)
    }

    fn write(batch: u64, sent_ms: u64, keys: &[String], words: &str, out: &mut Vec<u8>) {
        let keys_length = keys.iter().map(|key| key.len().saturating_add(1));
        let length = keys_length.fold(words.len(), usize::saturating_add);
        out.extend_from_slice(&batch.to_le_bytes());
        out.extend_from_slice(&sent_ms.to_le_bytes());
        out.extend_from_slice(&u32::try_from(length).unwrap_or(0).to_le_bytes());
        out.extend_from_slice(words.as_bytes());
        for key in keys {
            out.push(b'\n');
            out.extend_from_slice(key.as_bytes());
        }
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (batch, rest) = bytes.split_first_chunk()?;
        let (sent_ms, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (text, rest) = rest.split_at_checked(length)?;
        *bytes = rest;
        let mut lines = str::from_utf8(text).ok()?.split('\n');
        Some(Self {
            batch: u64::from_le_bytes(*batch),
            sent_ms: u64::from_le_bytes(*sent_ms),
            words: lines.next()?.to_owned(),
            keys: lines.map(str::to_owned).collect(),
        })
    }
}
