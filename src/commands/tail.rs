//! `forebay tail`: a stream's events as consumers see them.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::{Failure, configuration};
use crate::produce::{self, client};

/// Prints events until `count` were printed, or for ever.
pub fn run(
    stream: &str,
    file: &Path,
    from_beginning: bool,
    count: Option<u64>,
) -> Result<(), Failure> {
    let config = configuration(file)?;
    let Some(settings) = config.streams.get(stream) else {
        let known: Vec<_> = config.streams.keys().map(String::as_str).collect();
        return Err(Failure::usage(format!(
            "there is no stream {stream:?}; there is {}",
            known.join(", ")
        )));
    };
    let topic = settings.topic.as_deref().unwrap_or(stream);
    let Some(cluster) = config.clusters.get(&settings.cluster) else {
        return Err(Failure::config(format!(
            "stream {stream} names an unknown cluster"
        )));
    };
    let offset = if from_beginning {
        Offset::Beginning
    } else {
        Offset::End
    };
    let consumer =
        consumer(&settings.cluster, cluster, &[topic], offset).map_err(Failure::unavailable)?;
    let mut left = count.unwrap_or(u64::MAX);
    while left > 0 {
        match consumer.poll(Duration::from_millis(200)) {
            None => {}
            Some(Ok(message)) => {
                if print(&message).is_err() {
                    return Ok(()); // nobody reads any more
                }
                left -= 1;
            }
            Some(Err(error)) => eprintln!("forebay: {error}"),
        }
    }
    Ok(())
}

/// A consumer of all partitions of some topics, without a group.
pub(super) fn consumer(
    name: &str,
    cluster: &produce::Settings,
    topics: &[&str],
    offset: Offset,
) -> Result<BaseConsumer, String> {
    let consumer: BaseConsumer = client::consumer(name, cluster)
        .create()
        .map_err(|error| client::refusal(&error))?;
    let mut partitions = TopicPartitionList::new();
    for topic in topics {
        let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10));
        let metadata =
            metadata.map_err(|error| format!("cluster {name} doesn't answer: {error}"))?;
        let found = metadata.topics().iter();
        let found = found.filter(|found| found.name() == *topic);
        let before = partitions.count();
        for partition in found.flat_map(|found| found.partitions()) {
            let added = partitions.add_partition_offset(topic, partition.id(), offset);
            added.map_err(|error| error.to_string())?;
        }
        if partitions.count() == before {
            return Err(format!("topic {topic} doesn't exist in cluster {name}"));
        }
    }
    consumer
        .assign(&partitions)
        .map_err(|error| error.to_string())?;
    Ok(consumer)
}

/// One line: partition, offset, key, headers, value.
pub(super) fn print(message: &BorrowedMessage<'_>) -> std::io::Result<()> {
    let mut line = format!(
        "{}:{}@{}",
        message.topic(),
        message.partition(),
        message.offset()
    );
    if let Some(key) = message.key() {
        line += &format!(" key={}", String::from_utf8_lossy(key));
    }
    for header in message.headers().iter().flat_map(|headers| headers.iter()) {
        let value = header
            .value
            .map_or("(null)".into(), String::from_utf8_lossy);
        line += &format!(" {}={value}", header.key);
    }
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.write_all(b" ")?;
    out.write_all(message.payload().unwrap_or(b"(null)"))?;
    out.write_all(b"\n")?;
    out.flush()
}
