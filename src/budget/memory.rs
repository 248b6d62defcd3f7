//! Memory as Envoy shares it, for tests: who writes what another has changed meanwhile is refused.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::Shared;

/// What all workers share.
#[derive(Default)]
pub(super) struct Memory {
    /// What is written under each key, with its version.
    pub(super) values: Mutex<BTreeMap<String, (Vec<u8>, u32)>>,
}

impl Shared for Memory {
    fn read(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.values.lock().unwrap().get(key).cloned()
    }

    fn write(&self, key: &str, bytes: &[u8], version: Option<u32>) -> bool {
        let mut values = self.values.lock().unwrap();
        let known = values.get(key).map(|(_, version)| *version);
        if known != version {
            return false;
        }
        let next = known.map_or(1, |known| known.wrapping_add(1));
        values.insert(key.to_owned(), (bytes.to_owned(), next));
        true
    }
}
