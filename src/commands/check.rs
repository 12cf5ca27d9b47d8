//! `forebay check`: what is wrong with a configuration, before traffic finds out.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, Producer};

use super::{Failure, configuration};
use crate::config::{Config, print};
use crate::produce::client;

/// How long a cluster may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Loads and validates; asks the clusters if `connect`; prints the effective configuration if `print`.
pub fn run(file: &Path, connect: bool, print: bool) -> Result<(), Failure> {
    let mut config = configuration(file)?;
    if config.http.max_connections.is_none() {
        let connections = config.http.connections(config.memory.budget.0);
        println!("http.max_connections follows memory.budget: {connections}");
        config.http.max_connections = Some(connections);
    }
    if print {
        println!("{}", print::effective(&config));
    }
    let mut problems = Vec::new();
    for (name, settings) in &config.clusters {
        // Creating a client shows what librdkafka thinks of the `kafka` properties; it connects to nobody yet.
        match producer(&client::producer(name, settings)) {
            Ok(producer) if connect => ask(&config, name, &producer, &mut problems),
            Ok(_) => {}
            Err(error) => problems.push(format!("clusters.{name}.kafka: {error}")),
        }
    }
    if !problems.is_empty() {
        return Err(Failure {
            code: if connect { 69 } else { 78 },
            message: problems.join("\n  "),
        });
    }
    let (clusters, streams) = (config.clusters.len(), config.streams.len());
    println!(
        "{} is good: {clusters} clusters, {streams} streams",
        file.display()
    );
    Ok(())
}

fn producer(config: &ClientConfig) -> rdkafka::error::KafkaResult<BaseProducer> {
    config.create()
}

fn ask(config: &Config, cluster: &str, producer: &BaseProducer, problems: &mut Vec<String>) {
    let streams = config
        .streams
        .iter()
        .filter(|(_, stream)| stream.cluster == cluster);
    let topics: BTreeSet<_> = streams
        .map(|(name, stream)| stream.topic.as_ref().unwrap_or(name))
        .collect();
    for topic in topics {
        match producer.client().fetch_metadata(Some(topic), ANSWER_WITHIN) {
            Err(error) => {
                problems.push(format!(
                    "cluster {cluster} doesn't answer: {error}; check `bootstrap` and `kafka`"
                ));
                return;
            }
            Ok(metadata) => {
                let found = metadata.topics().iter().find(|found| found.name() == topic);
                let error = found
                    .and_then(|found| found.error())
                    .map(RDKafkaErrorCode::from);
                let partitions = found.map_or(0, |found| found.partitions().len());
                match error {
                    Some(error) => problems.push(format!("cluster {cluster}, topic {topic}: {error}; create it, or correct the stream's `topic`")),
                    None if partitions == 0 => problems.push(format!("cluster {cluster}, topic {topic}: it has no partitions")),
                    None => println!("cluster {cluster}, topic {topic}: {partitions} partitions on {} brokers", metadata.brokers().len()),
                }
            }
        }
    }
}
