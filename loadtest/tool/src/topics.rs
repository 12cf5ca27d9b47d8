//! Topics, as far as load tests need them: creating one, and where its partitions end.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::types::RDKafkaErrorCode;
use serde::{Deserialize, Serialize};

const PATIENCE: Duration = Duration::from_secs(10);

/// A topic to create.
#[derive(clap::Args, Debug)]
pub(crate) struct CreateArgs {
    /// Brokers: host:port, separated by commas.
    #[arg(long)]
    bootstrap: String,
    /// Its name.
    #[arg(long)]
    topic: String,
    /// Number of partitions.
    #[arg(long, default_value_t = 12)]
    partitions: i32,
    /// Number of replicas.
    #[arg(long, default_value_t = 1)]
    replication: i32,
    /// How long to wait for the cluster.
    #[arg(long, default_value = "60s")]
    wait: humantime::Duration,
}

/// Topics to look at.
#[derive(clap::Args, Debug)]
pub(crate) struct OffsetsArgs {
    /// Brokers: host:port, separated by commas.
    #[arg(long)]
    bootstrap: String,
    /// Topics.
    #[arg(long, num_args = 1.., required = true)]
    topic: Vec<String>,
    /// A property of librdkafka: security.protocol=ssl.
    #[arg(long, value_name = "NAME=VALUE")]
    property: Vec<String>,
    /// File to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Where partitions ended: topic, then partition by number.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Offsets(BTreeMap<String, Vec<i64>>);

impl Offsets {
    /// Where to begin. A partition or topic that wasn't there then is read from its beginning.
    pub(crate) fn start(&self, topic: &str, partition: i32) -> i64 {
        let of_topic = self.0.get(topic);
        let index = usize::try_from(partition).ok();
        of_topic
            .zip(index)
            .and_then(|(offsets, index)| offsets.get(index))
            .copied()
            .unwrap_or(0)
    }
}

/// The settings of a client.
pub(crate) fn client(bootstrap: &str, properties: &[String]) -> Result<ClientConfig> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    for property in properties {
        let Some((name, value)) = property.split_once('=') else {
            bail!("--property {property} has no \"=\": write name=value");
        };
        config.set(name, value);
    }
    Ok(config)
}

/// First and end offset of each partition, by number.
pub(crate) fn watermarks(consumer: &BaseConsumer, topic: &str) -> Result<Vec<(i64, i64)>> {
    let metadata = consumer
        .fetch_metadata(Some(topic), PATIENCE)
        .with_context(|| {
            format!("no broker tells about the topic {topic}; is the bootstrap address right?")
        })?;
    let partitions = metadata
        .topics()
        .first()
        .map_or(0, |topic| topic.partitions().len());
    if partitions == 0 {
        bail!("there is no topic {topic}");
    }
    (0..partitions)
        .map(|partition| {
            consumer
                .fetch_watermarks(topic, i32::try_from(partition)?, PATIENCE)
                .with_context(|| format!("{topic}/{partition} doesn't tell its offsets"))
        })
        .collect()
}

/// Reads what [`offsets`] wrote.
pub(crate) fn read_offsets(path: &Path) -> Result<Offsets> {
    let text = std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
    serde_json::from_slice(&text)
        .with_context(|| format!("{} wasn't written by `loadtest offsets`", path.display()))
}

/// Writes the end offsets.
pub(crate) fn offsets(args: &OffsetsArgs) -> Result<()> {
    let consumer: BaseConsumer = client(&args.bootstrap, &args.property)?.create()?;
    let mut ends = BTreeMap::new();
    for topic in &args.topic {
        let marks = watermarks(&consumer, topic)?;
        ends.insert(
            topic.clone(),
            marks.into_iter().map(|(_, end)| end).collect(),
        );
    }
    let text = serde_json::to_string(&Offsets(ends))?;
    std::fs::write(&args.out, text).with_context(|| format!("can't write {}", args.out.display()))
}

/// Creates a topic, or takes the one that is there, and waits for its leaders.
pub(crate) fn create(args: &CreateArgs) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let deadline = Instant::now() + *args.wait;
    let mut last = String::from("no answer");
    while Instant::now() < deadline {
        match runtime.block_on(try_create(args)) {
            Ok(()) => match led_partitions(args) {
                Ok(led) if led >= args.partitions.unsigned_abs() as usize => {
                    writeln!(std::io::stdout(), "{}", args.topic)?;
                    return Ok(());
                }
                Ok(led) => last = format!("{led} of {} partitions have a leader", args.partitions),
                Err(error) => last = format!("{error:#}"),
            },
            Err(error) => last = format!("{error:#}"),
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    bail!(
        "topic {} wasn't ready within {}: {last}",
        args.topic,
        args.wait
    )
}

async fn try_create(args: &CreateArgs) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = client(&args.bootstrap, &[])?
        .set("log_level", "0")
        .create()?;
    let new = NewTopic::new(
        &args.topic,
        args.partitions,
        TopicReplication::Fixed(args.replication),
    );
    let options = AdminOptions::new()
        .request_timeout(Some(Duration::from_secs(5)))
        .operation_timeout(Some(Duration::from_secs(5)));
    for result in admin.create_topics([&new], &options).await? {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => bail!("{code}"),
        }
    }
    Ok(())
}

/// Partitions with a leader and all replicas in sync.
fn led_partitions(args: &CreateArgs) -> Result<usize> {
    let consumer: BaseConsumer = client(&args.bootstrap, &[])?
        .set("log_level", "0")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(&args.topic), Duration::from_secs(3))?;
    let Some(topic) = metadata.topics().first() else {
        return Ok(0);
    };
    let led = topic.partitions().iter().filter(|partition| {
        partition.leader() >= 0 && partition.isr().len() == partition.replicas().len()
    });
    Ok(led.count())
}
