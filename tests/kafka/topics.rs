//! Topics of a cluster, and what its nodes say about them.

use std::{
    collections::BTreeSet,
    net::TcpStream,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::Thread,
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    error::KafkaResult,
    types::RDKafkaErrorCode,
};

use super::{cluster::Kafka, eventually};

/// For a change of topics to reach every node, also during a failover.
const TOPIC_TIMEOUT: Duration = Duration::from_secs(60);

/// What one node knows of the cluster.
pub(super) struct View {
    /// The nodes that it takes for alive.
    pub(super) brokers: Vec<i32>,
    pub(super) partitions: Vec<PartitionView>,
}

/// One partition, as one node knows it.
pub(super) struct PartitionView {
    topic: String,
    partition: i32,
    /// -1 if there is none.
    leader: i32,
    replicas: Vec<i32>,
    in_sync: Vec<i32>,
}

impl PartitionView {
    /// Led, and in sync wherever a running node has a replica.
    pub(super) fn is_healthy(&self, running: &[i32]) -> bool {
        let in_sync = |id: &i32| !running.contains(id) || self.in_sync.contains(id);
        self.leader >= 0 && self.replicas.iter().all(in_sync)
    }
}

/// Asks the node at this address, and no other: a client that has just been
/// made knows only that one. `None` if it does not answer soon.
pub(super) fn view_of(address: &str) -> Option<View> {
    // librdkafka would retry a refused connection until its deadline.
    TcpStream::connect(address).ok()?;
    let client: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", address)
        .create()
        .expect("a client for metadata");
    let metadata = client.fetch_metadata(None, Duration::from_secs(3)).ok()?;
    let brokers = metadata
        .brokers()
        .iter()
        .map(|broker| broker.id())
        .collect();
    let mut partitions = Vec::new();
    for topic in metadata.topics() {
        partitions.extend(topic.partitions().iter().map(|partition| PartitionView {
            topic: topic.name().to_owned(),
            partition: partition.id(),
            leader: partition.leader(),
            replicas: partition.replicas().to_vec(),
            in_sync: partition.isr().to_vec(),
        }));
    }
    Some(View {
        brokers,
        partitions,
    })
}

impl Kafka {
    /// Creates a topic under a name that no other test has; returns the name.
    pub(crate) fn fresh_topic(
        &self,
        stem: &str,
        partitions: i32,
        replication: i32,
        configs: &[(&str, &str)],
    ) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{stem}-{}-{number}", std::process::id());
        self.create_topic(&name, partitions, replication, configs);
        name
    }

    /// Creates a topic, and waits until every running node knows a leader for
    /// every partition and has its replicas in sync.
    pub(crate) fn create_topic(
        &self,
        name: &str,
        partitions: i32,
        replication: i32,
        configs: &[(&str, &str)],
    ) {
        let new = || {
            let new = NewTopic::new(name, partitions, TopicReplication::Fixed(replication));
            configs
                .iter()
                .fold(new, |new, (key, value)| new.set(key, value))
        };
        self.change(
            "create",
            name,
            RDKafkaErrorCode::TopicAlreadyExists,
            |admin, options| block_on(admin.create_topics([&new()], options)),
        );
        self.wait_for_partitions(name, partitions);
    }

    /// Raises the number of partitions, and waits as [`Kafka::create_topic`].
    pub(crate) fn grow_topic(&self, name: &str, partitions: i32) {
        let count = usize::try_from(partitions).expect("a number of partitions");
        let grown = RDKafkaErrorCode::InvalidPartitions;
        self.change("grow", name, grown, |admin, options| {
            block_on(admin.create_partitions([&NewPartitions::new(name, count)], options))
        });
        self.wait_for_partitions(name, partitions);
    }

    /// Deletes a topic, and waits until no running node knows it.
    pub(crate) fn delete_topic(&self, name: &str) {
        self.change(
            "delete",
            name,
            RDKafkaErrorCode::UnknownTopicOrPartition,
            |admin, options| block_on(admin.delete_topics(&[name], options)),
        );
        let gone = eventually(TOPIC_TIMEOUT, || {
            self.answering().iter().all(|address| {
                view_of(address).is_some_and(|view| view.partitions.iter().all(|p| p.topic != name))
            })
        });
        assert!(
            gone,
            "topic {name} was still known {TOPIC_TIMEOUT:?} after its deletion"
        );
    }

    /// Deletes every topic that isn't Kafka's own.
    pub(super) fn delete_all_topics(&self) {
        let view = self.view();
        let partitions = view.map_or_else(Vec::new, |view| view.partitions);
        let names: BTreeSet<_> = partitions.into_iter().map(|it| it.topic).collect();
        for name in names.iter().filter(|name| !name.starts_with("__")) {
            self.delete_topic(name);
        }
    }

    /// The leader of a partition, by the first running node that answers; `None`
    /// while there is none. A dead leader is named until its session has ended.
    pub(crate) fn leader(&self, topic: &str, partition: i32) -> Option<i32> {
        let view = self.view()?;
        let found = view
            .partitions
            .iter()
            .find(|p| p.topic == topic && p.partition == partition);
        found
            .map(|partition| partition.leader)
            .filter(|leader| *leader >= 0)
    }

    /// Partitions that cannot be written to: topic and number. `None` if no
    /// node answers.
    pub(crate) fn partitions_without_leader(&self) -> Option<Vec<(String, i32)>> {
        let leaderless = self.view()?.partitions.into_iter().filter(|p| p.leader < 0);
        Some(leaderless.map(|p| (p.topic, p.partition)).collect())
    }

    fn view(&self) -> Option<View> {
        self.answering().iter().find_map(|address| view_of(address))
    }

    fn wait_for_partitions(&self, topic: &str, count: i32) {
        let ids = self.nodes();
        let healthy = |address: &String| {
            view_of(address).is_some_and(|view| {
                let of_topic = view.partitions.iter().filter(|p| p.topic == topic);
                let healthy =
                    of_topic.filter(|p| p.leader >= 0 && p.is_healthy(&running(&ids, &view)));
                i32::try_from(healthy.count()) == Ok(count)
            })
        };
        let ready = eventually(TOPIC_TIMEOUT, || self.answering().iter().all(healthy));
        assert!(
            ready,
            "topic {topic} did not get {count} led partitions in {TOPIC_TIMEOUT:?}"
        );
    }

    /// One admin request, repeated while the cluster cannot serve it. From the
    /// second try on, the change may have been made by the one before.
    fn change(
        &self,
        act: &str,
        topic: &str,
        done_before: RDKafkaErrorCode,
        request: impl Fn(&Admin, &AdminOptions) -> KafkaResult<Vec<TopicResult>>,
    ) {
        let patience = Some(Duration::from_secs(10));
        let options = AdminOptions::new()
            .request_timeout(patience)
            .operation_timeout(patience);
        let mut tries = 0;
        let mut last = String::new();
        let changed = eventually(TOPIC_TIMEOUT, || {
            tries += 1;
            let admin: Admin = ClientConfig::new()
                .set("bootstrap.servers", self.answering().join(","))
                .create()
                .expect("a client for administration");
            match request(&admin, &options).map(|mut results| results.remove(0)) {
                Ok(Ok(_)) => true,
                Ok(Err((_, code))) if code == done_before && tries > 1 => true,
                Ok(Err((_, code))) if !is_passing(code) => panic!("{act} topic {topic}: {code}"),
                Ok(Err((_, code))) => {
                    last = code.to_string();
                    false
                }
                Err(error) => {
                    last = error.to_string();
                    false
                }
            }
        });
        assert!(
            changed,
            "{act} topic {topic}: {tries} tries, the last one: {last}"
        );
    }
}

type Admin = AdminClient<DefaultClientContext>;
type TopicResult = Result<String, (String, RDKafkaErrorCode)>;

fn running(all: &[i32], view: &View) -> Vec<i32> {
    all.iter()
        .copied()
        .filter(|id| view.brokers.contains(id))
        .collect()
}

/// Errors that a cluster in trouble gives, and a healthy one does not.
fn is_passing(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::RequestTimedOut
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::NotController
            | RDKafkaErrorCode::InvalidReplicationFactor
            | RDKafkaErrorCode::BrokerNotAvailable
            | RDKafkaErrorCode::NetworkException
    )
}

/// Waits for a future of the admin client, which has a thread of its own to
/// drive it: no runtime is needed, and one that is there does not matter.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
