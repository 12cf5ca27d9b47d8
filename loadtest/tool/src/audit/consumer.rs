//! Reads topics to their ends. A client without a group, so that it disturbs nobody and reads all.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::Book;
use crate::topics::{self, Offsets};

/// Brokers that say nothing for so long while there is more to read are an error.
const SILENCE: Duration = Duration::from_secs(60);

/// What to read.
pub(super) struct Plan<'a> {
    pub(super) bootstrap: &'a str,
    pub(super) topics: &'a [String],
    pub(super) properties: &'a [String],
    /// Where to begin.
    pub(super) from: Option<&'a Path>,
    /// How long to wait for what isn't there yet.
    pub(super) wait: Duration,
}

/// A partition, and how far it's read.
struct Partition {
    /// For the book.
    number: u32,
    /// The offset after the last record that it had at the start.
    end: i64,
    next: i64,
}

/// Reads all records into the book.
pub(super) fn read(book: &mut Book, plan: &Plan<'_>) -> Result<()> {
    let mut config = topics::client(plan.bootstrap, plan.properties)?;
    let consumer = create(&mut config)?;
    let from = plan.from.map(topics::read_offsets).transpose()?;
    let mut partitions = assign(&consumer, plan.topics, from.as_ref())?;
    let begun = Instant::now();
    let mut heard = Instant::now();
    let mut at_end = all_at_end(&partitions);
    loop {
        if at_end && (book.missing() == 0 || begun.elapsed() >= plan.wait) {
            return Ok(());
        }
        match consumer.poll(Duration::from_millis(100)) {
            None if !at_end && heard.elapsed() > SILENCE => {
                bail!("the brokers gave nothing for {SILENCE:?} although there is more to read")
            }
            None => {}
            Some(Ok(record)) => {
                heard = Instant::now();
                let Some(partition) = find(&mut partitions, record.topic(), record.partition())
                else {
                    continue;
                };
                partition.next = record.offset() + 1;
                let value = record.payload().unwrap_or_default();
                book.found(partition.number, record.key(), value);
                if partition.next == partition.end {
                    at_end = all_at_end(&partitions);
                }
            }
            // The end moves past records that aren't shown, such as transaction markers.
            Some(Err(KafkaError::PartitionEOF(_))) => {
                finish(&consumer, &mut partitions);
                at_end = all_at_end(&partitions);
            }
            Some(Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut,
            ))) if heard.elapsed() < SILENCE => {}
            Some(Err(error)) => return Err(error).context("can't read the topic"),
        }
    }
}

fn create(config: &mut ClientConfig) -> Result<BaseConsumer> {
    config
        .set("group.id", "loadtest-audit")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error")
        .set("isolation.level", "read_uncommitted")
        .set("queued.max.messages.kbytes", "16384")
        .set("fetch.message.max.bytes", "1048576")
        .create()
        .context("can't make a consumer; see the properties given with --property")
}

/// The partitions of each topic, by number.
type Partitions = HashMap<String, Vec<Partition>>;

fn all_at_end(partitions: &Partitions) -> bool {
    let mut all = partitions.values().flatten();
    all.all(|partition| partition.next >= partition.end)
}

fn find<'a>(
    partitions: &'a mut Partitions,
    topic: &str,
    partition: i32,
) -> Option<&'a mut Partition> {
    partitions
        .get_mut(topic)?
        .get_mut(usize::try_from(partition).ok()?)
}

fn assign(
    consumer: &BaseConsumer,
    topics: &[String],
    from: Option<&Offsets>,
) -> Result<Partitions> {
    let mut list = TopicPartitionList::new();
    let mut partitions = Partitions::new();
    let mut number = 0;
    for topic in topics {
        let mut of_topic = Vec::new();
        for (partition, (low, end)) in topics::watermarks(consumer, topic)?.into_iter().enumerate()
        {
            let partition = i32::try_from(partition).context("too many partitions")?;
            let start = match from {
                Some(offsets) => offsets.start(topic, partition),
                None => low,
            };
            if start < low {
                bail!(
                    "{topic}/{partition} begins at offset {low}, after the offset {start} to begin at: \
                     the topic's retention took records of the run"
                );
            }
            list.add_partition_offset(topic, partition, Offset::Offset(start))?;
            of_topic.push(Partition {
                number,
                end,
                next: start,
            });
            number += 1;
        }
        partitions.insert(topic.clone(), of_topic);
    }
    consumer.assign(&list).context("can't read the topics")?;
    Ok(partitions)
}

/// Takes over positions that are beyond the last record shown.
fn finish(consumer: &BaseConsumer, partitions: &mut Partitions) {
    let Ok(positions) = consumer.position() else {
        return;
    };
    for element in positions.elements() {
        let Offset::Offset(position) = element.offset() else {
            continue;
        };
        if let Some(partition) = find(partitions, element.topic(), element.partition()) {
            partition.next = partition.next.max(position);
        }
    }
}
