//! Bringing the spill directory of a dead gateway to Kafka: `forebay spill drain` does only that, `forebay serve --adopt`
//! does it beside its own work, through clients of its own, so that no stream holds up another. `app::chain` says in which order
//! several directories and the own log go.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Acquire;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::backend::{Backend, Clusters, is_of};
use super::chain::{Chain, Link, Streams};
use super::moves::{Waiting, set_behind};
use crate::budget::Budget;
use crate::config::Config;
use crate::lane::dead::{DeadLane, Destination, dead_lanes, is_dead};
use crate::lane::redrive::{self, Progress};
use crate::route;
use crate::spill::{Log, LostLane, RecoveredLane, Settings};

pub use crate::lane::dead::Reason;
pub use crate::lane::redrive::{Choice, Plan};

/// How often a drain looks how much is left.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A spill directory that is on its way to Kafka.
pub struct Drain {
    dir: PathBuf,
    backend: Backend,
    log: Arc<Log>,
    /// Topics that wait for what their streams left at others.
    waiting: Mutex<Waiting>,
    chain: Arc<Chain>,
    link: Link,
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

/// What a drain leaves behind.
#[derive(Clone, Debug, Default)]
pub struct Rest {
    /// What is still to go to Kafka.
    pub left: Left,
    /// Dead letters.
    pub dead: Vec<DeadLane>,
    /// Lanes of streams that aren't configured.
    pub strangers: Vec<RecoveredLane>,
    /// Lanes that have lost events to damage of the disk.
    pub lost: Vec<LostLane>,
}

/// Where the events of the configured streams go.
pub fn destinations(config: &Config) -> Vec<Destination> {
    let streams = config.streams.iter();
    let streams = streams.map(|(name, stream)| Destination {
        cluster: stream.cluster.clone(),
        stream: name.clone(),
        topic: stream.topic.as_ref().unwrap_or(name).clone(),
    });
    streams.collect()
}

impl Drain {
    /// As `Drain::start`, in a process that does nothing else.
    pub fn alone(config: &Config, dir: &Path) -> Result<Drain> {
        let budget = Budget::new(config.memory.budget.as_u64());
        Drain::start(config, dir, &budget, &Arc::default())
    }

    /// Opens the directory and starts to bring what it holds to the configured clusters, behind what is in the chain already.
    pub(super) fn start(
        config: &Config,
        dir: &Path,
        budget: &Arc<Budget>,
        chain: &Arc<Chain>,
    ) -> Result<Drain> {
        ensure!(
            dir.is_dir(),
            "{} is not a spill directory; give the spill.dir of the gateway that is gone",
            dir.display()
        );
        let settings = Settings {
            dir: dir.to_owned(),
            ..config.spill.clone()
        };
        let backend = Backend::build(config, &settings, budget)?;
        let goes_in_order = |stream: &str| {
            let settings = config.streams.get(stream);
            settings.is_some_and(|it| it.drain == route::Drain::First)
        };
        let clusters = backend.clusters();
        let waiting = Waiting::among(&clusters, |topic| goes_in_order(topic.stream()));
        let log = backend.spill.clone().context("a drain has a log")?;
        let link = chain.add(streams_in(&log, &clusters));
        for name in config.streams.keys().filter(|name| goes_in_order(name)) {
            set_behind(&clusters, name, chain.is_before(link, name));
        }
        backend.spawn()?;
        Ok(Drain {
            dir: dir.to_owned(),
            backend,
            log,
            waiting: Mutex::new(waiting),
            chain: Arc::clone(chain),
            link,
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
            if is_of(&self.backend.clusters(), &String::from_utf8_lossy(&name)) {
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
            self.look_at_order();
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

    /// Lets go what waited for older events of its stream, when these are in Kafka: here and in the links behind.
    fn look_at_order(&self) {
        let clusters = self.backend.clusters();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.look(&clusters);
        drop(waiting);
        let streams = streams_in(&self.log, &clusters);
        for stream in &streams {
            if !self.chain.is_before(self.link, stream) {
                set_behind(&clusters, stream, false);
            }
        }
        self.chain.note(self.link, streams);
    }

    /// Sends the dead letters of `choice` again; returns when they are on their way. `tell` hears how many are.
    pub async fn redrive(&self, choice: &Choice, mut tell: impl FnMut(u64)) -> Arc<Progress> {
        let known = Destination::of(&self.backend.clusters());
        let plan = Plan::new(&self.log.lanes(), &known, choice);
        let progress = Arc::<Progress>::default();
        let (log, clusters) = (Arc::clone(&self.log), self.backend.clusters());
        let moved = Arc::clone(&progress);
        let mut moving = tokio::task::spawn_blocking(move || {
            redrive::run(&log, &clusters, &plan, &moved, &|| true);
        });
        loop {
            tokio::select! {
                _ = &mut moving => return progress,
                () = tokio::time::sleep(5 * LOOK_EVERY) => tell(progress.events()),
            }
        }
    }

    /// How many events were refused for good since it was started.
    pub fn refused(&self) -> u64 {
        let clusters = self.backend.clusters();
        let topics = clusters.iter().flat_map(|it| it.topics());
        topics.map(|topic| topic.ledger().dead.load(Acquire)).sum()
    }

    fn rest(&self) -> Rest {
        let known = Destination::of(&self.backend.clusters());
        let lanes = self.log.lanes();
        let dead = dead_lanes(&lanes, &known);
        let is_strange = |lane: &RecoveredLane| {
            let name = String::from_utf8_lossy(&lane.name);
            lane.events > 0 && !is_dead(&lane.name) && !is_of(&self.backend.clusters(), &name)
        };
        Rest {
            left: self.left(),
            dead,
            strangers: lanes.into_iter().filter(is_strange).collect(),
            lost: self.log.lost(),
        }
    }

    /// Ends it: what is still to go stays in the directory. Returns what that is.
    pub async fn stop(self) -> Rest {
        self.backend.drain(Duration::from_millis(500));
        self.backend.ended(Duration::from_millis(500)).await;
        self.backend.close_log().await;
        self.rest()
    }
}

/// The streams of which a log has events that go to the clusters.
fn streams_in(log: &Log, clusters: &Clusters) -> Streams {
    let mut streams = Streams::new();
    for (name, _) in log.backlogs() {
        let name = String::from_utf8_lossy(&name);
        let stream = name.split('/').nth(1);
        streams.extend(stream.filter(|_| is_of(clusters, &name)).map(str::to_owned));
    }
    streams
}
