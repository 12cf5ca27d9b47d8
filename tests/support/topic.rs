//! A topic as its consumers see it.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

const WITHIN: Duration = Duration::from_secs(20);

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its partition.
    pub partition: i32,
    /// Its place there.
    pub offset: i64,
    /// Its key; none isn't the same as an empty one.
    pub key: Option<Vec<u8>>,
    /// Its value; none is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<(String, String)>,
    /// Its timestamp, in milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
}

impl Record {
    /// The value as text; `null` for a tombstone.
    pub fn text(&self) -> String {
        self.value.as_deref().map_or("null".into(), |value| {
            String::from_utf8_lossy(value).into_owned()
        })
    }

    /// The key as text.
    pub fn key_text(&self) -> Option<String> {
        self.key
            .as_deref()
            .map(|key| String::from_utf8_lossy(key).into_owned())
    }
}

/// Everything that is in `topic` now, partition by partition and in order.
#[track_caller]
pub fn records(bootstrap: &str, topic: &str) -> Vec<Record> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "tests")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "20")
        .create()
        .unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), WITHIN).unwrap();
    let (mut assignment, mut left) = (TopicPartitionList::new(), 0);
    for partition in metadata.topics()[0].partitions() {
        let (low, high) = consumer
            .fetch_watermarks(topic, partition.id(), WITHIN)
            .unwrap();
        assert_eq!(
            low, 0,
            "the mock cluster forgets the oldest records beyond 5 MiB"
        );
        left += high;
        assignment
            .add_partition_offset(topic, partition.id(), Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let mut records = Vec::new();
    while left > 0 {
        let message = consumer.poll(WITHIN).expect("a record").unwrap();
        let headers = message.headers();
        records.push(Record {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers
                .iter()
                .flat_map(|headers| headers.iter())
                .map(|header| {
                    let value =
                        String::from_utf8_lossy(header.value.unwrap_or_default()).into_owned();
                    (header.key.to_owned(), value)
                })
                .collect(),
            timestamp_ms: message.timestamp().to_millis().unwrap(),
        });
        left -= 1;
    }
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}

/// The values of everything in `topic`, as text.
#[track_caller]
pub fn values(bootstrap: &str, topic: &str) -> Vec<String> {
    records(bootstrap, topic).iter().map(Record::text).collect()
}
