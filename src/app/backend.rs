//! What stands behind the HTTP threads, wired: clusters with their lanes, workers and probes, on one spill log.
//!
//! The gateway has one. A drain has one too, on another's spill log, with nothing in front.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use arc_swap::ArcSwap;

use super::limits::Limits;
use super::partitions::Partitions;
use super::unit::{END_WITHIN, Remembered, Unit};
use super::wait::wait_for;
use crate::budget::Budget;
use crate::config::Config;
use crate::lane::dead::{self, Destination, is_dead};
use crate::lane::{self, Cluster, Topic, TopicOf};
use crate::produce::{self, Pool};
use crate::route::Ack;
use crate::spill::{Log, RecoveredLane, Settings};

/// How long the spill log may take to write what waits and its last watermarks: a disk that works needs milliseconds.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// The list of clusters, by name.
pub(super) type Clusters = Arc<Vec<Arc<Cluster>>>;

/// Clusters, and what serves them once they are started.
pub(super) struct Backend {
    pub(super) spill: Option<Arc<Log>>,
    budget: Arc<Budget>,
    remembered: Remembered,
    list: Arc<ArcSwap<Vec<Arc<Cluster>>>>,
    units: Mutex<BTreeMap<String, Unit>>,
    /// The threads of the probes.
    probes: Pool,
}

impl Backend {
    /// Wires the configured clusters on the spill log that `settings` name, if they name one.
    pub(super) fn build(
        config: &Config,
        settings: &Settings,
        budget: &Arc<Budget>,
    ) -> Result<Backend> {
        let (backend, found) = Backend::open(settings, budget)?;
        let clusters = config.clusters.iter().map(|(name, of_cluster)| {
            let streams = config.streams.iter();
            let mine = streams.filter(|(_, stream)| stream.cluster == *name);
            let topics = mine.map(|(stream, settings)| TopicOf {
                is_over_log: settings.ack == Ack::Disk,
                ..TopicOf::new(stream, settings.topic.as_ref().unwrap_or(stream))
            });
            let (of_cluster, of_lanes) = (of_cluster.clone(), config.lane.clone());
            backend.make(name, of_cluster, of_lanes, topics.collect())
        });
        let clusters: Vec<_> = clusters.collect();
        take_back(config, &clusters, &found);
        warn_of_strangers(&clusters, &found);
        dead::warn_of(&found, &Destination::of(&clusters));
        backend.list.store(Arc::new(clusters));
        Ok(backend)
    }

    /// Without any cluster, on the spill log that `settings` name, if they name one; and the lanes that it has.
    fn open(settings: &Settings, budget: &Arc<Budget>) -> Result<(Backend, Vec<RecoveredLane>)> {
        let (spill, found) = open_spill(settings)?;
        let partitions = Partitions::load(&settings.dir).context("partition counts")?;
        let limits = Limits::load(&settings.dir).context("what topics take")?;
        let backend = Backend {
            spill,
            budget: Arc::clone(budget),
            remembered: Remembered {
                partitions: Arc::new(partitions),
                limits: Arc::new(limits),
            },
            list: Arc::default(),
            units: Mutex::default(),
            probes: Pool::default(),
        };
        Ok((backend, found))
    }

    /// Without any cluster.
    #[cfg(test)]
    pub(super) fn empty(settings: &Settings, budget: &Arc<Budget>) -> Result<Backend> {
        Ok(Backend::open(settings, budget)?.0)
    }

    fn make(
        &self,
        name: &str,
        settings: produce::Settings,
        of_lanes: lane::Settings,
        topics: Vec<TopicOf>,
    ) -> Arc<Cluster> {
        let log = self.spill.clone();
        Cluster::new(name, settings, of_lanes, topics, &self.budget, log)
    }

    /// Starts the threads of all clusters.
    pub(super) fn spawn(&self) -> Result<()> {
        let mut units = self.units();
        for cluster in self.clusters().iter() {
            let unit = Unit::start(cluster, &self.remembered, &self.probes)?;
            units.insert(cluster.name().to_owned(), unit);
        }
        Ok(())
    }

    /// The clusters that there are now, by name.
    pub(super) fn clusters(&self) -> Clusters {
        self.list.load_full()
    }

    /// The same, as it will be each time somebody looks.
    pub(super) fn list(&self) -> &Arc<ArcSwap<Vec<Arc<Cluster>>>> {
        &self.list
    }

    /// Adds a cluster, and starts it. There must be none of this name.
    pub(super) fn add(
        &self,
        name: &str,
        settings: produce::Settings,
        of_lanes: lane::Settings,
        topics: Vec<TopicOf>,
    ) -> Result<Arc<Cluster>> {
        let mut units = self.units();
        anyhow::ensure!(!units.contains_key(name), "there is a cluster {name}");
        let cluster = self.make(name, settings, of_lanes, topics);
        let unit = Unit::start(&cluster, &self.remembered, &self.probes)?;
        units.insert(name.to_owned(), unit);
        self.show(&units);
        Ok(cluster)
    }

    /// Takes a cluster off the list. Who has its unit stops it; what it has in the log stays there.
    pub(super) fn remove(&self, name: &str) -> Option<Unit> {
        let mut units = self.units();
        let unit = units.remove(name);
        self.show(&units);
        unit
    }

    /// Does something with the unit of a cluster, if it's there.
    pub(super) fn with<T>(&self, name: &str, what: impl FnOnce(&Unit) -> T) -> Option<T> {
        self.units().get(name).map(what)
    }

    fn show(&self, units: &BTreeMap<String, Unit>) {
        let clusters = units.values().map(|unit| Arc::clone(unit.cluster()));
        self.list.store(Arc::new(clusters.collect()));
    }

    fn units(&self) -> MutexGuard<'_, BTreeMap<String, Unit>> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the workers to bring what they hold to Kafka for at most so long, and then to end.
    pub(super) fn drain(&self, at_most: Duration) {
        self.units().values().for_each(|unit| unit.drain(at_most));
    }

    /// Waits until the workers have ended, at most `at_most` and the moment that giving up takes.
    pub(super) async fn ended(&self, at_most: Duration) {
        let all_ended = || self.units().values().all(Unit::has_ended);
        wait_for(all_ended, at_most + END_WITHIN).await;
    }

    /// Closes the spill log, whoever else still has it: a probe that waits for a broker mustn't keep the last watermarks from
    /// the disk, or what Kafka has would be sent again.
    pub(super) async fn close_log(&self) {
        let Some(log) = self.spill.clone() else {
            return;
        };
        let closed = tokio::task::spawn_blocking(move || log.close(CLOSE_WITHIN)).await;
        if !matches!(closed, Ok(Ok(()))) {
            tracing::warn!(
                "the disk didn't take the spill log's last watermarks in time; nothing is lost, but some events may be sent to kafka again"
            );
        }
    }
}

type Opened = (Option<Arc<Log>>, Vec<RecoveredLane>);

/// Opens the spill log, if there is to be one.
fn open_spill(settings: &Settings) -> Result<Opened> {
    if settings.dir.as_os_str().is_empty() {
        return Ok((None, Vec::new()));
    }
    let (log, recovered) = Log::open(settings.clone())
        .with_context(|| format!("can't open the spill log in {}", settings.dir.display()))?;
    let events: u64 = recovered.lanes.iter().map(|lane| lane.events).sum();
    tracing::info!(dir = %settings.dir.display(), disk = recovered.disk, lanes = recovered.lanes.len(), events, "spill log opened");
    Ok((Some(Arc::new(log)), recovered.lanes))
}

/// Gives clusters the topics that streams went to before, and left events for in the log: those drain.
fn take_back(config: &Config, clusters: &[Arc<Cluster>], found: &[RecoveredLane]) {
    for lane in found.iter().filter(|lane| lane.events > 0) {
        let name = String::from_utf8_lossy(&lane.name);
        let parts: Vec<_> = name.split('/').collect();
        let [cluster, stream, topic, _] = parts[..] else {
            continue;
        };
        let cluster = clusters.iter().find(|it| it.name() == cluster);
        let (Some(cluster), true) = (cluster, config.streams.contains_key(stream)) else {
            continue;
        };
        let mut topics = clusters.iter().flat_map(|cluster| cluster.topics().iter());
        let present = topics.find(|it| it.stream() == stream && !it.is_retired());
        let is_there = |it: &Arc<Topic>| it.stream() == stream && it.name() == topic;
        if let Some(present) = present.filter(|_| !cluster.topics().iter().any(is_there)) {
            let of = TopicOf {
                ledger: Arc::clone(present.ledger()),
                share: Arc::clone(&present.account().stream),
                ..TopicOf::new(stream, topic)
            };
            let left = cluster.add_topic(of, |_| None);
            cluster.retire_topic(left.number());
            tracing::info!(
                stream,
                cluster = cluster.name(),
                topic,
                "the spill log holds events of a stream for another topic than its present one; they go there"
            );
        }
    }
}

/// Says which events of the log no configured stream will ever send.
fn warn_of_strangers(clusters: &[Arc<Cluster>], found: &[RecoveredLane]) {
    for lane in found {
        let name = String::from_utf8_lossy(&lane.name);
        if lane.events > 0 && !is_dead(&lane.name) && !is_of(clusters, &name) {
            tracing::warn!(lane = %name, events = lane.events, "the spill log holds events of a stream that isn't configured; they are kept until it is");
        }
    }
}

/// Whether a lane of the log belongs to a topic of one of the clusters.
pub(super) fn is_of(clusters: &[Arc<Cluster>], lane: &str) -> bool {
    let topics = clusters.iter().flat_map(|cluster| {
        let prefix = |topic: &Arc<_>| cluster.log_prefix(topic);
        cluster.topics().iter().map(prefix)
    });
    let mut prefixes = topics;
    prefixes.any(|prefix| lane.starts_with(&prefix))
}
