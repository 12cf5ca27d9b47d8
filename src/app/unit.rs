//! One cluster and all that serves it: its worker, the thread that reads its lanes back while there is something to read, its
//! probe, the threads of its client. It comes and goes while others work.
//!
//! A unit promises that what it took is sent, stored or refused when it has *ended*, and that nothing of it is left when it has
//! *stopped*: no thread, no client, no connection. What hangs is left behind, and said. It knows no other unit; all share the
//! spill log, the memory budget, and what is remembered on disk.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::limits::Limits;
use super::partitions::Partitions;
use super::wait::wait_for;
use crate::lane::{Cluster, Topic, TopicOf, worker};
use crate::produce::probe::{self, Finding, Probe, SharedClient, Subject};
use crate::produce::{Pool, Settings, TopicLimits};

/// How long a worker that was told to end may take beyond its deadline.
pub(super) const END_WITHIN: Duration = Duration::from_secs(4);

/// How long a client may take until it's destroyed: its threads are joined, and a request under way has 2 s.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// What is remembered of all clusters on disk.
#[derive(Clone)]
pub(super) struct Remembered {
    pub(super) partitions: Arc<Partitions>,
    pub(super) limits: Arc<Limits>,
}

/// One cluster, served.
pub(super) struct Unit {
    cluster: Arc<Cluster>,
    remembered: Remembered,
    client: SharedClient,
    probe: Probe,
    worker: JoinHandle<()>,
}

impl Unit {
    /// Starts what serves a cluster; its probe has the threads of `pool`. What is remembered of its topics is in force before.
    pub(super) fn start(
        cluster: &Arc<Cluster>,
        remembered: &Remembered,
        pool: &Pool,
    ) -> std::io::Result<Unit> {
        cluster.remember_in(Arc::clone(&remembered.partitions) as _);
        for topic in cluster.topics() {
            if let Some(count) = remembered.recall(cluster, topic) {
                cluster.recall_partitions(topic.number(), count);
            }
        }
        let client = SharedClient::default();
        let known = Known {
            cluster: Arc::clone(cluster),
            limits: Arc::clone(&remembered.limits),
        };
        let (name, health) = (cluster.name(), Arc::clone(cluster.health()));
        let settings = cluster.settings();
        let probe = probe::start(pool, name, &settings, client.clone(), health, known)?;
        let worker = worker::spawn(Arc::clone(cluster), client.clone())?;
        Ok(Unit {
            cluster: Arc::clone(cluster),
            remembered: remembered.clone(),
            client,
            probe,
            worker,
        })
    }

    /// The cluster.
    pub(super) fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    /// Adds a topic, or takes a retired one back.
    pub(super) fn add_topic(&self, of: TopicOf) -> Arc<Topic> {
        let recalled = |topic: &Topic| self.remembered.recall(&self.cluster, topic);
        let topic = self.cluster.add_topic(of, recalled);
        self.client.ask(topic.number());
        topic
    }

    /// Changes the cluster's settings.
    pub(super) fn change(&self, settings: Settings) {
        self.cluster.change(settings.clone());
        self.probe.change(settings);
    }

    /// Has the cluster get another client with the same settings, because files that these name have changed.
    pub(super) fn renew_client(&self) {
        self.cluster.renew_client();
    }

    /// Tells the worker to bring what it holds to Kafka for at most so long, and then to end.
    pub(super) fn drain(&self, at_most: Duration) {
        self.cluster.drain(at_most);
    }

    /// Whether the worker has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.worker.is_finished()
    }

    /// Drains for at most so long, and waits until nothing of the unit is left. False if something hangs.
    pub(super) async fn stop(self, at_most: Duration) -> bool {
        self.drain(at_most);
        self.probe.stop();
        wait_for(|| self.has_ended(), at_most + END_WITHIN).await;
        let is_gone = || self.has_ended() && !self.cluster.has_threads() && self.probe.has_ended();
        wait_for(is_gone, GONE_WITHIN).await;
        if !is_gone() {
            let cluster = self.cluster.name();
            tracing::warn!(
                cluster,
                "a cluster has ended, but threads of its kafka client hang"
            );
        }
        is_gone()
    }
}

impl Remembered {
    /// Takes what is known of a topic from earlier. Returns how many partitions it had.
    fn recall(&self, cluster: &Cluster, topic: &Topic) -> Option<usize> {
        let (stream, name) = (topic.stream(), topic.name());
        if let Some(config) = self.limits.of(cluster.name(), name) {
            topic.limits().set(config);
        }
        self.partitions.of(cluster.name(), stream, name)
    }
}

/// What a probe asks about, and where its findings go.
struct Known {
    cluster: Arc<Cluster>,
    limits: Arc<Limits>,
}

impl Subject for Known {
    fn topic(&self, number: usize) -> Option<(String, Arc<TopicLimits>)> {
        let topic = self.cluster.topics().get(number)?;
        Some((topic.name().to_owned(), Arc::clone(topic.limits())))
    }

    fn is_wanted(&self, number: usize) -> bool {
        let topic = self.cluster.topics().get(number);
        topic.is_some_and(|topic| !topic.is_retired() || !self.cluster.is_drained(topic))
    }

    fn hear(&self, finding: Finding) -> bool {
        let cluster = &self.cluster;
        match finding {
            Finding::Partitions { topic, count } => {
                if !cluster.health().is_warm() {
                    cluster.look();
                }
                return cluster.hear_partitions(topic as u32, count, Instant::now());
            }
            Finding::Limits { topic, config } => {
                let topic = cluster.topics()[topic].name();
                self.limits.note(cluster.name(), topic, config);
            }
            Finding::Unusable { topic, code } => cluster.set_unusable(topic as u32, code),
            Finding::Stuck => cluster.replace_client(),
            Finding::Away => cluster.goes_away(),
            Finding::Back(address) => cluster.comes_back(address),
        }
        false
    }
}

#[cfg(test)]
mod tests;
