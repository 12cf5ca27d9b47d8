//! Kafka's side: the broker, a fresh topic for each measurement, and what is in it afterwards.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::kafka::{self, Kafka};
use crate::support;

const PATIENCE: Duration = Duration::from_secs(20);

/// The broker of this run.
pub(crate) fn broker() -> &'static Kafka {
    kafka::one_or_skip().expect("the benchmark needs Kafka; FOREBAY_TEST_KAFKA=host:port names one")
}

/// The broker's indexes are mapped files, whose first page takes tens of milliseconds with 10 MB, the default.
const INDEX: &[(&str, &str)] = &[("segment.index.bytes", "1048576")];
/// Records of ours at the beginning of each partition.
const FIRST: u64 = 2;

/// A topic that is removed when this is dropped. Its partitions begin with records of ours, because the first ones cost the
/// broker files, syncs and page faults: seconds, if there are many partitions, which isn't what is measured.
pub(crate) struct Topic {
    kafka: &'static Kafka,
    pub(crate) name: String,
    pub(crate) partitions: usize,
    reader: BaseConsumer,
}

impl Topic {
    pub(crate) fn new(kafka: &'static Kafka, partitions: usize) -> Topic {
        let reader = ClientConfig::new()
            .set("bootstrap.servers", kafka.bootstrap())
            .set("group.id", "forebay-bench")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "false")
            .create()
            .expect("a consumer");
        let name = kafka.fresh_topic("bench", partitions as i32, 1, INDEX);
        touch(kafka, &name, partitions);
        Topic {
            name,
            kafka,
            partitions,
            reader,
        }
    }

    /// How many records it holds beside ours. Idempotent producers write nothing else, so these are the events.
    pub(crate) fn records(&self) -> u64 {
        (0..self.partitions)
            .map(|partition| self.end(partition) - FIRST)
            .sum()
    }

    /// The offset after the last record.
    fn end(&self, partition: usize) -> u64 {
        let marks = self
            .reader
            .fetch_watermarks(&self.name, partition as i32, PATIENCE);
        let (low, high) = marks.expect("the watermarks of a partition");
        assert_eq!(low, 0, "nothing expires meanwhile");
        high as u64
    }

    /// The ids of all events in a partition, sorted.
    pub(crate) fn ids(&self, partition: usize) -> Vec<u64> {
        let events = self.end(partition) - FIRST;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.name, partition as i32, Offset::Offset(FIRST as i64))
            .expect("a partition");
        self.reader.assign(&list).expect("an assignment");
        let mut ids = Vec::with_capacity(events as usize);
        while (ids.len() as u64) < events {
            let record = self.reader.poll(PATIENCE).expect("more records in time");
            let record = record.expect("a record");
            let event = record.payload().expect("an event");
            assert_eq!(
                record.key(),
                event.get(support::KEY),
                "the key is the event's"
            );
            ids.push(support::read_id(event).expect("an id"));
        }
        self.reader.unassign().expect("an assignment");
        ids.sort_unstable();
        ids
    }
}

/// Writes the first records. After 4 KB the next one is the first in the broker's indexes.
fn touch(kafka: &Kafka, name: &str, partitions: usize) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", kafka.bootstrap())
        .set("acks", "all")
        .create()
        .expect("a producer");
    for length in [5000, 1] {
        let payload = vec![b'.'; length];
        for partition in 0..partitions {
            let record = BaseRecord::<(), [u8]>::to(name)
                .payload(&payload)
                .partition(partition as i32);
            producer.send(record).expect("a queue with room");
        }
        producer.flush(PATIENCE).expect("all partitions take one");
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        // After a panic the broker may be dead, and goes with this process in any case.
        if !std::thread::panicking() {
            self.kafka.delete_topic(&self.name);
        }
    }
}
