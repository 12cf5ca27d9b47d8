//! One cluster and all that serves it: its worker, the thread that reads its lanes back while there is something to read, its
//! probe, the threads of its client. It comes and goes while others work.
//!
//! A unit promises that what it took is sent, stored or refused when it has *ended*, and that nothing of it is left when it has
//! *stopped*: no thread, no client, no connection. What hangs is left behind, and said. It knows no other unit; all share the
//! spill log, the memory budget, and what is remembered on disk.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::backend::wait_for;
use super::limits::Limits;
use super::partitions::Partitions;
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
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rdkafka::mocking::MockCluster;

    use super::super::backend::Backend;
    use super::*;
    use crate::budget::Budget;
    use crate::lane::TopicOf;
    use crate::produce::health::Condition;

    /// Set in the process in which a test is alone: others would have threads and files too.
    const ALONE: &str = "FOREBAY_TEST_ALONE";

    /// Runs a test of this name again, in a process of its own. True in that process.
    fn is_alone(test: &str) -> bool {
        if std::env::var_os(ALONE).is_some() {
            return true;
        }
        let run = std::process::Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture"])
            .env(ALONE, "1")
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
        assert!(
            run.status.success() && words.contains("1 passed"),
            "{words}"
        );
        false
    }

    /// Threads by name, and open files.
    fn held() -> (BTreeMap<String, usize>, usize) {
        let mut threads = BTreeMap::new();
        for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
            let name = std::fs::read_to_string(task.path().join("comm"));
            *threads.entry(name.unwrap_or_default()).or_default() += 1;
        }
        (threads, std::fs::read_dir("/proc/self/fd").unwrap().count())
    }

    fn settings(bootstrap: &str) -> Settings {
        Settings {
            probe: Duration::from_millis(200),
            ..Settings::new(bootstrap)
        }
    }

    async fn eventually(what: &str, is_so: impl Fn() -> bool) {
        wait_for(&is_so, Duration::from_secs(30)).await;
        assert!(is_so(), "{what}");
    }

    #[tokio::test]
    async fn clusters_come_and_go_and_leave_no_thread_and_no_file() {
        if !is_alone("app::unit::tests::clusters_come_and_go_and_leave_no_thread_and_no_file") {
            return;
        }
        let kafka = MockCluster::new(1).unwrap();
        kafka.create_topic("events", 2, 1).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = crate::spill::Settings {
            dir: dir.path().to_owned(),
            ..crate::spill::Settings::default()
        };
        let backend = Backend::empty(&log, &Budget::new(64 << 20)).unwrap();
        let add = |name: &str, bootstrap: &str| {
            let (settings, topic) = (settings(bootstrap), TopicOf::new("events", "events"));
            let cluster = backend.add(name, settings, Default::default(), vec![topic]);
            cluster.unwrap()
        };
        let mut before = None;
        for round in 0..20 {
            let dead = add("dead", "127.0.0.1:1");
            let living = add("living", &kafka.bootstrap_servers());
            assert_eq!(backend.clusters().len(), 2);
            eventually("up", || living.health().condition() == Condition::Up).await;
            assert_ne!(dead.health().condition(), Condition::Up);
            for name in ["dead", "living"] {
                let unit = backend.remove(name).unwrap();
                assert!(unit.stop(Duration::from_secs(1)).await, "it hangs");
            }
            assert!(backend.clusters().is_empty());
            // The first round starts what stays: the allocator's, the runtime's and the mock's own.
            if round == 0 {
                eventually("no probe's thread is left", || {
                    !held().0.contains_key("probe\n")
                })
                .await;
                before = Some(held());
            }
        }
        let before = before.unwrap();
        eventually("threads and files are as before", || {
            let (threads, files) = held();
            threads == before.0 && files <= before.1
        })
        .await;
    }
}
