//! Spill directories of gateways that are gone, on their way to Kafka beside our own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

/// What the adopted directories still hold: events and bytes.
#[derive(Debug, Default)]
pub struct Adopted(Mutex<BTreeMap<PathBuf, (u64, u64)>>);

impl Adopted {
    /// Notes what one holds.
    pub fn note(&self, dir: &Path, events: u64, bytes: u64) {
        let mut dirs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        dirs.insert(dir.to_owned(), (events, bytes));
    }

    pub(super) fn status(&self) -> Value {
        let dirs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let dirs = dirs.iter().map(|(dir, (events, bytes))| {
            json!({ "dir": dir, "backlog_events": events, "backlog_bytes": bytes })
        });
        dirs.collect()
    }
}
