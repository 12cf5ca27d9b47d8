//! Which keys and secrets of sources come from files, as they were given: so that a file can be read again without all else.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::secret::{Source, expand};

/// Keys and secrets of those sources that have some in files, as they were given.
#[derive(Clone, Default)]
pub struct InFiles(pub(super) BTreeMap<String, OfSource>);

#[derive(Clone, Default)]
pub(super) struct OfSource {
    pub(super) keys: Vec<Given>,
    pub(super) secrets: Vec<Given>,
}

#[derive(Clone)]
pub(super) enum Given {
    /// What it was resolved to.
    Kept(Vec<String>),
    /// A text that refers to files.
    File(String),
}

/// Without what is in it.
impl fmt::Debug for InFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl InFiles {
    /// The files that keys and secrets of sources are read from.
    pub fn paths(&self) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        for source in self.0.values() {
            for given in source.keys.iter().chain(&source.secrets) {
                let Given::File(text) = given else { continue };
                let found = expand(text, |source| {
                    if let Source::File(path) = source {
                        paths.push(path.into());
                    }
                    Ok(String::new())
                });
                // It was expanded before.
                drop(found);
            }
        }
        paths
    }
}
