//! What stands behind the HTTP threads, wired: clusters with their lanes, workers and probes, on one spill log.
//!
//! The gateway has one. A drain has one too, on another's spill log, with nothing in front.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::limits::Limits;
use super::partitions::Partitions;
use crate::budget::Budget;
use crate::config::Config;
use crate::lane::dead::{self, Destination, is_dead};
use crate::lane::{Cluster, TopicOf, worker};
use crate::produce::probe::{self, Finding, Probe, SharedClient};
use crate::route::Ack;
use crate::spill::{Log, RecoveredLane, Settings};

/// How long workers that were told to end may take beyond their deadline.
pub(super) const END_WITHIN: Duration = Duration::from_secs(4);

/// How long the spill log may take to write what waits and its last watermarks: a disk that works needs milliseconds.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Clusters, and what serves them once they are spawned.
pub(super) struct Backend {
    pub(super) clusters: Vec<Arc<Cluster>>,
    pub(super) spill: Option<Arc<Log>>,
    partitions: Arc<Partitions>,
    limits: Arc<Limits>,
    workers: Vec<(Arc<Cluster>, JoinHandle<()>)>,
    probes: Vec<Probe>,
}

impl Backend {
    /// Wires the configured clusters on the spill log that `settings` name, if they name one.
    pub(super) fn build(
        config: &Config,
        settings: &Settings,
        budget: &Arc<Budget>,
    ) -> Result<Backend> {
        let (spill, found) = open_spill(settings)?;
        let partitions = Partitions::load(&settings.dir).context("partition counts")?;
        let partitions = Arc::new(partitions);
        let limits = Limits::load(&settings.dir).context("what topics take")?;
        let mut clusters = Vec::new();
        for (name, of_cluster) in &config.clusters {
            let streams = config.streams.iter();
            let mine = streams.filter(|(_, stream)| stream.cluster == *name);
            let topics: Vec<_> = mine
                .map(|(stream, settings)| TopicOf {
                    is_over_log: settings.ack == Ack::Disk,
                    ..TopicOf::new(stream, settings.topic.as_ref().unwrap_or(stream))
                })
                .collect();
            let (of_cluster, of_lanes) = (of_cluster.clone(), config.lane.clone());
            let log = spill.clone();
            clusters.push(Cluster::new(
                name, of_cluster, of_lanes, topics, budget, log,
            ));
        }
        warn_of_strangers(&clusters, &found);
        dead::warn_of(&found, &Destination::of(&clusters));
        Ok(Backend {
            clusters,
            spill,
            partitions,
            limits: Arc::new(limits),
            workers: Vec::new(),
            probes: Vec::new(),
        })
    }

    /// Starts all threads.
    pub(super) fn spawn(&mut self) -> Result<()> {
        for cluster in &self.clusters {
            cluster.remember_in(Arc::clone(&self.partitions) as _);
            for (number, topic) in (0..).zip(cluster.topics()) {
                let (stream, name) = (topic.stream(), topic.name());
                if let Some(config) = self.limits.of(cluster.name(), name) {
                    topic.limits().set(config);
                }
                if let Some(count) = self.partitions.of(cluster.name(), stream, name) {
                    cluster.recall_partitions(number, count);
                }
            }
            let client = SharedClient::default();
            let topics = cluster.topics().iter();
            let topics = topics.map(|topic| (topic.name().to_owned(), Arc::clone(topic.limits())));
            let (health, known) = (Arc::clone(cluster.health()), Arc::clone(cluster));
            let limits = Arc::clone(&self.limits);
            let on = move |finding: Finding| {
                match finding {
                    Finding::Partitions { topic, count } => {
                        return known.hear_partitions(topic as u32, count, Instant::now());
                    }
                    Finding::Limits { topic, config } => {
                        let (cluster, topic) = (known.name(), known.topics()[topic].name());
                        limits.note(cluster, topic, config);
                    }
                    Finding::Unusable { topic, code } => known.set_unusable(topic as u32, code),
                    Finding::Stuck => known.replace_client(),
                }
                false
            };
            let (name, settings) = (cluster.name(), cluster.settings());
            let probe = probe::spawn(name, settings, client.clone(), health, topics.collect(), on)?;
            self.probes.push(probe);
            let worker = worker::spawn(Arc::clone(cluster), client)?;
            self.workers.push((Arc::clone(cluster), worker));
        }
        Ok(())
    }

    /// Tells the workers to bring what they hold to Kafka for at most so long, and then to end.
    pub(super) fn drain(&self, at_most: Duration) {
        for cluster in &self.clusters {
            cluster.drain(at_most);
        }
    }

    /// Waits until the workers have ended, at most `at_most` and the moment that giving up takes.
    pub(super) async fn ended(&self, at_most: Duration) {
        let all_ended = || self.workers.iter().all(|(_, worker)| worker.is_finished());
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

/// Waits until `done`, at most so long.
pub(super) async fn wait_for(done: impl Fn() -> bool, at_most: Duration) {
    let deadline = Instant::now() + at_most;
    while !done() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
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
