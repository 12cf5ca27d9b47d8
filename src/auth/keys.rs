//! From a key to its source.
//!
//! A key is looked up by its SHA-256, of which eight bytes, made of all 32, choose the place in the table. They tell somebody who measures
//! time nothing of use: to try a digest he needs a key that has it. All of the digest is compared in constant time.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use smallvec::SmallVec;

use super::digest::Digest;
use super::refusal::Refusal;
use super::settings::{KEY_BYTES, Key};
use super::source::{Refused, Source};

#[derive(Debug)]
struct Entry {
    key: Key,
    source: Arc<Source>,
}

/// All keys, and the other ways to find a source.
#[derive(Debug, Default)]
pub struct Keys {
    by_digest: HashMap<u64, SmallVec<[Entry; 1]>, BuildHasherDefault<Taken>>,
    by_id: HashMap<String, Arc<Source>>,
    by_subject: HashMap<String, Arc<Source>>,
    by_name: HashMap<Arc<str>, Arc<Source>>,
}

impl Keys {
    /// Adds a source with its keys, the ids that signatures are found by, and the subjects of its certificates. The error names the source
    /// that has one of them already.
    pub fn add(
        &mut self,
        source: &Arc<Source>,
        keys: Vec<Key>,
        ids: &[String],
        subjects: &[String],
    ) -> Result<(), String> {
        for key in keys {
            let entries = self.by_digest.entry(key.digest.bucket()).or_default();
            if let Some(other) = entries.iter().find(|other| other.key.digest == key.digest) {
                return Err(format!(
                    "source {} has one of these keys as well; a key belongs to one source, and stands there once",
                    other.source.name
                ));
            }
            let source = Arc::clone(source);
            entries.push(Entry { key, source });
        }
        for id in ids {
            once(&mut self.by_id, id, source)?;
        }
        for subject in subjects {
            once(&mut self.by_subject, subject, source)?;
        }
        self.by_name
            .insert(Arc::clone(&source.name), Arc::clone(source));
        Ok(())
    }

    /// Whose key this is. `now` is in seconds since 1970, and asked for only if the key expires.
    pub fn find(&self, key: &[u8], now: impl FnOnce() -> u64) -> Result<&Arc<Source>, Refused> {
        if key.len() > KEY_BYTES {
            return Err(Refusal::UnknownKey.into());
        }
        let digest = Digest::of(key);
        let entries = self.by_digest.get(&digest.bucket());
        let entries = entries.map(|entries| &entries[..]).unwrap_or_default();
        let found = entries.iter().find(|entry| entry.key.digest == digest);
        let Entry { key, source } = found.ok_or(Refusal::UnknownKey)?;
        match key.until {
            Some(until) if now() >= until => Err(Refused::of(source, Refusal::KeyExpired)),
            _ => Ok(source),
        }
    }

    /// The source that signs for this id.
    pub fn by_id(&self, id: &str) -> Option<&Arc<Source>> {
        self.by_id.get(id)
    }

    /// The source whose certificates have this subject.
    pub fn by_subject(&self, subject: &str) -> Option<&Arc<Source>> {
        self.by_subject.get(subject)
    }

    /// The source of this name.
    pub fn by_name(&self, name: &str) -> Option<&Arc<Source>> {
        self.by_name.get(name)
    }

    /// Keys that share a place in the table, at most: one, but by chance.
    #[cfg(test)]
    pub(super) fn most_in_a_place(&self) -> usize {
        let places = self.by_digest.values();
        places.map(|place| place.len()).max().unwrap_or_default()
    }

    /// All sources.
    pub fn sources(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.by_name.values()
    }
}

fn once(
    map: &mut HashMap<String, Arc<Source>>,
    name: &str,
    source: &Arc<Source>,
) -> Result<(), String> {
    match map.entry(name.to_owned()) {
        Slot::Occupied(other) => Err(format!(
            "source {} has \"{name}\" as well; it belongs to one",
            other.get().name
        )),
        Slot::Vacant(slot) => {
            slot.insert(Arc::clone(source));
            Ok(())
        }
    }
}

/// What is hashed is a hash already.
#[derive(Debug, Default)]
struct Taken(u64);

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}
