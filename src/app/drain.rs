//! Bringing the spill directory of a dead gateway to Kafka: `forebay spill drain` does only that, `forebay serve --adopt`
//! does it beside its own work, through clients of its own, so that neither holds the other up.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::backend::{Backend, is_of};
use crate::budget::Budget;
use crate::config::Config;
use crate::spill::{Log, Settings};

/// How often a drain looks how much is left.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A spill directory that is on its way to Kafka.
pub struct Drain {
    dir: PathBuf,
    backend: Backend,
    log: Arc<Log>,
}

/// What a spill directory still holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Events that go to Kafka.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Events that stay: dead letters, and those of streams that aren't configured.
    pub staying: u64,
}

impl Drain {
    /// As [`Drain::start`], in a process that does nothing else.
    pub fn alone(config: &Config, dir: &Path) -> Result<Drain> {
        Drain::start(config, dir, &Budget::new(config.memory.budget.as_u64()))
    }

    /// Opens the directory and starts to bring what it holds to the configured clusters.
    pub fn start(config: &Config, dir: &Path, budget: &Arc<Budget>) -> Result<Drain> {
        ensure!(
            dir.is_dir(),
            "{} is not a spill directory; give the spill.dir of the gateway that is gone",
            dir.display()
        );
        let settings = Settings {
            dir: dir.to_owned(),
            ..config.spill.clone()
        };
        let mut backend = Backend::build(config, &settings, budget)?;
        backend.spawn()?;
        let log = backend.spill.clone().context("a drain has a log")?;
        Ok(Drain {
            dir: dir.to_owned(),
            backend,
            log,
        })
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What it still holds.
    pub fn left(&self) -> Left {
        let mut left = Left::default();
        for (name, backlog) in self.log.backlogs() {
            if is_of(&self.backend.clusters, &String::from_utf8_lossy(&name)) {
                left.events += backlog.events;
                left.bytes += backlog.bytes;
            } else {
                left.staying += backlog.events;
            }
        }
        left
    }

    /// Ends when nothing is left that goes to Kafka. `tell` hears how much is left about every second.
    pub async fn finished(&self, mut tell: impl FnMut(Left)) {
        for look in 0_u32.. {
            let left = self.left();
            if look % 5 == 0 || left.events == 0 {
                tell(left);
            }
            if left.events == 0 {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Ends it: what is still to go stays in the directory. Returns what that is.
    pub async fn stop(self) -> Left {
        self.backend.drain(Duration::from_millis(500));
        self.backend.ended(Duration::from_millis(500)).await;
        self.backend.close_log().await;
        self.left()
    }
}
