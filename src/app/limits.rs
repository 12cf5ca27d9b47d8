//! What topics take, remembered on disk, so that the door knows it while Kafka can't be asked.
//!
//! A small file beside the spill log, `limits.json`: an object by `CLUSTER/TOPIC`. A file that is missing or broken is no
//! error: then the careful default counts until Kafka answers. It's written by a thread of its own, the latest each time, so
//! that a disk that hangs holds no probe.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use crate::produce::topic_limits::TopicConfig;

type Known = BTreeMap<String, TopicConfig>;

/// What is known of all topics.
#[derive(Debug)]
pub(super) struct Limits {
    known: Arc<Mutex<Known>>,
    /// Wakes the writer; none if there's nowhere to write. One call that waits is enough: it means the latest.
    writer: Option<SyncSender<()>>,
}

impl Limits {
    /// What is remembered in `dir`; an empty path is nowhere.
    pub(super) fn load(dir: &Path) -> std::io::Result<Limits> {
        if dir.as_os_str().is_empty() {
            return Ok(Limits {
                known: Arc::default(),
                writer: None,
            });
        }
        let file = dir.join("limits.json");
        let text = std::fs::read(&file).ok();
        let known = text.and_then(|text| serde_json::from_slice(&text).ok());
        let known = Arc::new(Mutex::new(known.unwrap_or_default()));
        let (writer, calls) = sync_channel(1);
        let its = Arc::clone(&known);
        std::thread::Builder::new()
            .name("limits".into())
            .spawn(move || write_on(&its, &file, &calls))?;
        Ok(Limits {
            known,
            writer: Some(writer),
        })
    }

    /// What a topic took, if it's known.
    pub(super) fn of(&self, cluster: &str, topic: &str) -> Option<TopicConfig> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&format!("{cluster}/{topic}")).copied()
    }

    /// Notes what a topic takes. Never waits for the disk.
    pub(super) fn note(&self, cluster: &str, topic: &str, config: TopicConfig) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.insert(format!("{cluster}/{topic}"), config);
        if let Some(writer) = self.writer.as_ref().filter(|_| before != Some(config)) {
            // If a call waits already, it's answered with this too.
            writer.try_send(()).ok();
        }
    }
}

/// Writes the latest at each call, until nobody can call any more. No lock is held meanwhile.
fn write_on(known: &Mutex<Known>, file: &Path, calls: &Receiver<()>) {
    for () in calls {
        let known = known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Err(error) = write(file, &known) {
            tracing::warn!(file = %file.display(), %error, "what topics take can't be written down; after a restart without kafka, assumed_max_message counts");
        }
    }
}

fn write(file: &Path, known: &Known) -> std::io::Result<()> {
    let new = file.with_extension("new");
    let mut out = File::create(&new)?;
    out.write_all(&serde_json::to_vec_pretty(known)?)?;
    out.sync_all()?;
    std::fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn what_topics_take_outlives_the_process_and_damage_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let compacted = TopicConfig {
            is_compacted: true,
            ..TopicConfig::default()
        };
        let limits = Limits::load(dir.path()).unwrap();
        assert_eq!(limits.of("a", "t"), None);
        limits.note("a", "t", compacted);
        let deadline = Instant::now() + Duration::from_secs(20);
        while Limits::load(dir.path()).unwrap().of("a", "t") != Some(compacted) {
            assert!(Instant::now() < deadline, "it isn't written");
            std::thread::sleep(Duration::from_millis(5));
        }
        std::fs::write(dir.path().join("limits.json"), "{").unwrap();
        assert_eq!(Limits::load(dir.path()).unwrap().of("a", "t"), None);
        let nowhere = Limits::load(Path::new("")).unwrap();
        nowhere.note("a", "t", compacted);
        assert_eq!(nowhere.of("a", "t"), Some(compacted));
    }
}
