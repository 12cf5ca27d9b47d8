//! Partition counts, remembered on disk, so that events have lanes while Kafka can't be asked, and a later run knows by how
//! many partitions those of the spill log were sorted.
//!
//! A small file beside the spill log, `partitions.json`: an object of counts by `CLUSTER/STREAM/TOPIC`. A file that is missing
//! or broken is no error: then events wait unrouted until Kafka answers, and behind all that the log holds of their topic.
//!
//! It's written by a thread of its own, the latest counts each time: who notes a count never waits for the disk, and a disk
//! that hangs holds nobody but who asks [`Memory::has`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::lane::Memory;

type Counts = BTreeMap<String, usize>;

/// The counts of all topics.
#[derive(Debug)]
pub(super) struct Partitions {
    shared: Arc<Shared>,
    /// Wakes the writer; none if there's nowhere to keep them. One call that waits is enough: it means the latest.
    writer: Option<SyncSender<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// What is to be remembered.
    counts: Mutex<Counts>,
    /// What is on the disk, or was tried in vain.
    written: Mutex<Counts>,
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Partitions {
    /// Those that are remembered in `dir`; an empty path is nowhere.
    pub(super) fn load(dir: &Path) -> std::io::Result<Partitions> {
        let shared = Arc::<Shared>::default();
        if dir.as_os_str().is_empty() {
            return Ok(Partitions {
                shared,
                writer: None,
            });
        }
        let file = dir.join("partitions.json");
        let text = std::fs::read(&file).ok();
        let counts = text.and_then(|text| serde_json::from_slice::<Counts>(&text).ok());
        let counts = counts.unwrap_or_default();
        *lock(&shared.written) = counts.clone();
        *lock(&shared.counts) = counts;
        let (writer, calls) = sync_channel(1);
        let its = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("partitions".into())
            .spawn(move || write_on(&its, &file, &calls))?;
        Ok(Partitions {
            shared,
            writer: Some(writer),
        })
    }

    /// The count of a stream's topic, if it's known. An earlier forebay wrote one count for all streams of a topic.
    pub(super) fn of(&self, cluster: &str, stream: &str, topic: &str) -> Option<usize> {
        let counts = lock(&self.shared.counts);
        let found = counts.get(&format!("{cluster}/{stream}/{topic}"));
        let found = found.or_else(|| counts.get(&format!("{cluster}/{topic}")));
        found.copied()
    }
}

impl Memory for Partitions {
    fn note(&self, topic: &str, count: usize) {
        let topic = topic.trim_end_matches('/').to_owned();
        let before = lock(&self.shared.counts).insert(topic, count);
        if let Some(writer) = self.writer.as_ref().filter(|_| before != Some(count)) {
            // If a call waits already, it's answered with these counts too.
            writer.try_send(()).ok();
        }
    }

    fn has(&self, topic: &str, count: usize) -> bool {
        let topic = topic.trim_end_matches('/');
        self.writer.is_none() || lock(&self.shared.written).get(topic) == Some(&count)
    }
}

/// Writes the latest counts at each call, until nobody can call any more. No lock is held meanwhile.
fn write_on(shared: &Shared, file: &Path, calls: &Receiver<()>) {
    for () in calls {
        let counts = lock(&shared.counts).clone();
        if *lock(&shared.written) == counts {
            continue;
        }
        if let Err(error) = write(file, &counts) {
            tracing::warn!(file = %file.display(), %error, "partition counts can't be written down; after a restart without kafka, events wait for them");
        }
        *lock(&shared.written) = counts;
    }
}

fn write(file: &Path, counts: &Counts) -> std::io::Result<()> {
    let new: PathBuf = file.with_extension("new");
    let mut out = File::create(&new)?;
    out.write_all(&serde_json::to_vec_pretty(counts)?)?;
    out.sync_all()?;
    std::fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[track_caller]
    fn eventually(what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !is_so() {
            assert!(Instant::now() < deadline, "{what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn counts_outlive_the_process_and_damage_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let partitions = Partitions::load(dir.path()).unwrap();
        assert_eq!(partitions.of("a", "s", "t"), None);
        partitions.note("a/s/t/", 12);
        partitions.note("b/s/t/", 3);
        eventually("it's written down", || {
            partitions.has("a/s/t/", 12) && partitions.has("b/s/t/", 3)
        });
        let again = Partitions::load(dir.path()).unwrap();
        assert_eq!(again.of("a", "s", "t"), Some(12));
        assert_eq!(again.of("b", "s", "t"), Some(3));
        assert_eq!(again.of("b", "other", "t"), None);
        std::fs::write(dir.path().join("partitions.json"), "{\"a/t\": 5}").unwrap();
        let old = Partitions::load(dir.path()).unwrap();
        assert_eq!(old.of("a", "s", "t"), Some(5), "as it was written before");
        std::fs::write(dir.path().join("partitions.json"), "{").unwrap();
        let none = Partitions::load(dir.path()).unwrap();
        assert_eq!(none.of("a", "s", "t"), None);
        let nowhere = Partitions::load(Path::new("")).unwrap();
        nowhere.note("a/s/t/", 1);
        assert!(nowhere.has("a/s/t/", 1), "it never will be");
    }

    /// The file that is written is a pipe which nobody reads: opening it hangs, as on a disk that does.
    #[test]
    fn a_disk_that_hangs_holds_nobody_who_notes_a_count() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("partitions.new");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let partitions = Arc::new(Partitions::load(dir.path()).unwrap());
        partitions.note("a/s/t/", 1_000);
        let writer = partitions.writer.clone().unwrap();
        eventually("the writer has its call", || writer.try_send(()).is_ok());
        // Long enough that it's at the pipe.
        let (noting, begun) = (Arc::clone(&partitions), Instant::now());
        let noting = std::thread::spawn(move || {
            for count in 1.. {
                noting.note("a/s/t/", count);
                assert_eq!(noting.of("a", "s", "t"), Some(count));
                if count >= 1_000 && begun.elapsed() > Duration::from_millis(200) {
                    break;
                }
            }
            noting.note("a/s/t/", 1_000);
        });
        eventually("nobody is held", || noting.is_finished());
        noting.join().unwrap();
        partitions.note("b/s/t/", 7);
        assert!(!partitions.has("b/s/t/", 7) && !dir.path().join("partitions.json").exists());
        // It goes on: what is written into a pipe isn't kept, and the next file is one.
        let opened = File::options().read(true).write(true).open(&pipe).unwrap();
        std::fs::remove_file(&pipe).unwrap();
        eventually("the latest counts are tried", || {
            partitions.has("a/s/t/", 1_000) && partitions.has("b/s/t/", 7)
        });
        partitions.note("b/s/t/", 8);
        eventually("the next ones are on the disk", || {
            Partitions::load(dir.path()).is_ok_and(|again| again.of("b", "s", "t") == Some(8))
        });
        drop(opened);
    }
}
