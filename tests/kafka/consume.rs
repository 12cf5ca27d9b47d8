//! Reads a topic from its beginning to its end, with librdkafka.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::{BorrowedMessage, Headers},
};

/// Covers a failover with room to spare.
const TIMEOUT: Duration = Duration::from_secs(180);

/// A record as it is in the topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// Milliseconds since 1970.
    pub(crate) timestamp: Option<i64>,
    pub(crate) key: Option<Vec<u8>>,
    /// `None` is a tombstone, which is not the same as empty.
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Record {
    /// The value; panics on a tombstone.
    pub(crate) fn payload(&self) -> &[u8] {
        let Record {
            partition, offset, ..
        } = self;
        let value = self.value.as_deref();
        value.unwrap_or_else(|| panic!("the record at {partition}:{offset} has no value"))
    }

    fn copy_of(message: &BorrowedMessage<'_>) -> Record {
        let headers = message.headers().map(|headers| {
            let owned = |header: rdkafka::message::Header<'_, &[u8]>| {
                (header.key.to_owned(), header.value.map(<[u8]>::to_vec))
            };
            headers.iter().map(owned).collect()
        });
        Record {
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.unwrap_or_default(),
        }
    }
}

/// All records that the topic holds at the time of the call, by partition and
/// offset. Sits out a cluster in trouble; panics after three minutes.
pub(crate) fn consume_all(bootstrap: &str, topic: &str) -> Vec<Record> {
    let mut records = Vec::new();
    consume_each(bootstrap, topic, TIMEOUT, |message| {
        records.push(Record::copy_of(message))
    });
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}

/// As [`consume_all`], without keeping the records: each partition comes in its
/// order, the partitions mixed. Returns the number of records.
///
/// Every offset up to the end has to hold a record: not for compacted topics
/// and not for transactions, whose markers take offsets.
pub(crate) fn consume_each(
    bootstrap: &str,
    topic: &str,
    timeout: Duration,
    mut each: impl FnMut(&BorrowedMessage<'_>),
) -> u64 {
    let deadline = Instant::now() + timeout;
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        // Required by librdkafka; nothing is ever committed.
        .set("group.id", "forebay-tests")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("check.crcs", "true")
        .set("fetch.wait.max.ms", "50")
        .set("socket.timeout.ms", "10000")
        .set("reconnect.backoff.max.ms", "500")
        .create()
        .expect("a consumer");
    let mut left = unread(&consumer, topic, deadline);
    let mut assignment = TopicPartitionList::new();
    for (partition, range) in &left {
        let added = assignment.add_partition_offset(topic, *partition, Offset::Offset(range.next));
        added.expect("a partition to assign");
    }
    consumer.assign(&assignment).expect("an assignment by hand");

    let mut count = 0;
    let mut last_error = None;
    while !left.is_empty() {
        assert!(
            Instant::now() < deadline,
            "{topic} was not read within {timeout:?}: {count} records so far, left {left:?}, \
             last error {last_error:?}"
        );
        match consumer.poll(Duration::from_millis(200)) {
            None => {}
            // librdkafka goes on by itself; what it cannot mend ends at the deadline.
            Some(Err(error)) => last_error = Some(error),
            Some(Ok(message)) => {
                let partition = message.partition();
                let Some(range) = left.get_mut(&partition) else {
                    continue;
                };
                // After a reset records may come again, or come from later.
                if message.offset() < range.next {
                    continue;
                }
                if message.offset() < range.end {
                    each(&message);
                    count += 1;
                }
                range.next = message.offset() + 1;
                if range.next >= range.end {
                    left.remove(&partition);
                }
            }
        }
    }
    count
}

/// What is still to be read of one partition.
#[derive(Debug)]
struct Range {
    next: i64,
    end: i64,
}

/// The partitions that are not empty, each from its first offset to its high
/// watermark.
fn unread(consumer: &BaseConsumer, topic: &str, deadline: Instant) -> BTreeMap<i32, Range> {
    let patience = Duration::from_secs(5);
    let partitions = retry(deadline, &format!("the partitions of {topic}"), || {
        let metadata = consumer
            .fetch_metadata(Some(topic), patience)
            .map_err(|error| error.to_string())?;
        match &metadata.topics()[0] {
            found if found.error().is_some() => Err(format!("{:?}", found.error())),
            found => Ok(found
                .partitions()
                .iter()
                .map(|p| p.id())
                .collect::<Vec<_>>()),
        }
    });
    let range = |partition: i32| {
        let what = format!("the watermarks of {topic} {partition}");
        let (next, end) = retry(deadline, &what, || {
            let marks = consumer.fetch_watermarks(topic, partition, patience);
            marks.map_err(|error| error.to_string())
        });
        (partition, Range { next, end })
    };
    partitions
        .into_iter()
        .map(range)
        .filter(|(_, range)| range.next < range.end)
        .collect()
}

fn retry<T>(deadline: Instant, what: &str, mut request: impl FnMut() -> Result<T, String>) -> T {
    let mut answer = None;
    let mut last = String::new();
    let left = deadline.saturating_duration_since(Instant::now());
    let answered = super::eventually(left, || match request() {
        Ok(value) => {
            answer = Some(value);
            true
        }
        Err(error) => {
            last = error;
            false
        }
    });
    assert!(
        answered,
        "{what}: no answer in time, the last error: {last}"
    );
    answer.expect("set with the answer")
}
