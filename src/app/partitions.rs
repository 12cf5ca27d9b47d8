//! Partition counts, remembered on disk, so that events have lanes while Kafka can't be asked.
//!
//! A small file beside the spill log, `partitions.json`: an object of counts by `CLUSTER/TOPIC`. Nothing depends on it but
//! how soon events find their lanes: without it they wait unrouted. So a file that is missing or broken is no error.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The counts of all topics.
#[derive(Debug)]
pub(super) struct Partitions {
    /// None if there's nowhere to keep them.
    file: Option<PathBuf>,
    counts: Mutex<BTreeMap<String, usize>>,
}

impl Partitions {
    /// Those that are remembered in `dir`; an empty path is nowhere.
    pub(super) fn load(dir: &Path) -> Partitions {
        let file = (!dir.as_os_str().is_empty()).then(|| dir.join("partitions.json"));
        let text = file.as_ref().and_then(|file| std::fs::read(file).ok());
        let counts = text.and_then(|text| serde_json::from_slice(&text).ok());
        Partitions {
            file,
            counts: Mutex::new(counts.unwrap_or_default()),
        }
    }

    /// The count of a topic, if it's known.
    pub(super) fn of(&self, cluster: &str, topic: &str) -> Option<usize> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&format!("{cluster}/{topic}")).copied()
    }

    /// Notes a count, and writes it down if it's news.
    pub(super) fn note(&self, cluster: &str, topic: &str, count: usize) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let before = counts.insert(format!("{cluster}/{topic}"), count);
        let Some(file) = self.file.as_ref().filter(|_| before != Some(count)) else {
            return;
        };
        if let Err(error) = write(file, &counts) {
            tracing::warn!(file = %file.display(), %error, "partition counts can't be written down; after a restart without kafka, events wait for them");
        }
    }
}

fn write(file: &Path, counts: &BTreeMap<String, usize>) -> std::io::Result<()> {
    let new = file.with_extension("new");
    let mut out = File::create(&new)?;
    out.write_all(&serde_json::to_vec_pretty(counts)?)?;
    out.sync_all()?;
    std::fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_outlive_the_process_and_damage_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let partitions = Partitions::load(dir.path());
        assert_eq!(partitions.of("a", "t"), None);
        partitions.note("a", "t", 12);
        partitions.note("b", "t", 3);
        let again = Partitions::load(dir.path());
        assert_eq!(
            (again.of("a", "t"), again.of("b", "t")),
            (Some(12), Some(3))
        );
        std::fs::write(dir.path().join("partitions.json"), "{").unwrap();
        assert_eq!(Partitions::load(dir.path()).of("a", "t"), None);
        Partitions::load(Path::new("")).note("a", "t", 1);
    }
}
