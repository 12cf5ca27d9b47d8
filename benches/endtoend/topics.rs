//! Kafka's side: the broker, a fresh topic for each measurement, and what is in it afterwards.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::kafka::{self, Kafka};
use crate::support;

const PATIENCE: Duration = Duration::from_secs(20);

/// The broker of this run.
pub(crate) fn broker() -> &'static Kafka {
    kafka::one_or_skip().expect("the benchmark needs Kafka; FOREBAY_TEST_KAFKA=host:port names one")
}

/// A topic that is removed when this is dropped.
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
        Topic {
            name: kafka.fresh_topic("bench", partitions as i32, 1, &[]),
            kafka,
            partitions,
            reader,
        }
    }

    /// How many records it holds. Idempotent producers write nothing else, so these are the events.
    pub(crate) fn records(&self) -> u64 {
        (0..self.partitions)
            .map(|partition| self.end(partition))
            .sum()
    }

    fn end(&self, partition: usize) -> u64 {
        let marks = self
            .reader
            .fetch_watermarks(&self.name, partition as i32, PATIENCE);
        let (low, high) = marks.expect("the watermarks of a partition");
        (high - low) as u64
    }

    /// The ids of all events in a partition, sorted.
    pub(crate) fn ids(&self, partition: usize) -> Vec<u64> {
        let end = self.end(partition);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.name, partition as i32, Offset::Beginning)
            .expect("a partition");
        self.reader.assign(&list).expect("an assignment");
        let mut ids = Vec::with_capacity(end as usize);
        while (ids.len() as u64) < end {
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

impl Drop for Topic {
    fn drop(&mut self) {
        // After a panic the broker may be dead, and goes with this process in any case.
        if !std::thread::panicking() {
            self.kafka.delete_topic(&self.name);
        }
    }
}
