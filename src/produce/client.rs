//! From settings to a librdkafka configuration. Every property that is set here says why. Those that a user may not
//! change are refused when the configuration is read.

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

use super::settings::{CLIENT_MAX_BYTES, Idempotence, Settings};
use super::{Native, NoMessages};

/// The configuration of the producer of the cluster called `name`.
pub fn producer(name: &str, settings: &Settings) -> ClientConfig {
    let mut config = connection(name, settings);
    // The bounds are ours; librdkafka's are set out of the way, so that its queue is never the one that is full.
    let queue_messages = (u64::from(settings.max_in_flight_events) * 2).clamp(1_000, 10_000_000);
    let queue_kbytes = (settings.max_in_flight.as_u64() / 512).clamp(1_024, 2_097_151);
    match settings.idempotence {
        Idempotence::On => config.set("enable.idempotence", "true"),
        // Two requests of a partition, of which the first is sent again, would change places.
        Idempotence::Off => config
            .set("enable.idempotence", "false")
            .set("max.in.flight.requests.per.connection", "1"),
    };
    config
        .set("acks", "all")
        .set("message.timeout.ms", "0")
        // Our lanes release whole batches; waiting for more would only cost time. Measured against 0.5 ms: a fifth less CPU
        // per event in batches of 50, and no difference for single events.
        .set("linger.ms", "0")
        .set("queue.buffering.max.messages", queue_messages.to_string())
        .set("queue.buffering.max.kbytes", queue_kbytes.to_string())
        // What a topic takes is asked for and checked at the door; the default would refuse what Kafka takes. How much goes
        // into one batch is `batch.size`, which is smaller than what a topic takes by default.
        .set("message.max.bytes", CLIENT_MAX_BYTES.to_string())
        // A typo in a topic's name must fail, not create a topic.
        .set("allow.auto.create.topics", "false");
    for (key, value) in &settings.kafka {
        config.set(key, value);
    }
    // The log of the idempotent producer, a few lines in its life, tells when it has its id. The statistics tell it too, but
    // they list every partition that was ever asked for: 20 ms of CPU per second for 12,800 of them.
    let debug = settings.kafka.get("debug");
    let debug = debug.map_or("eos".into(), |more| format!("eos,{more}"));
    config
        .set("debug", debug)
        .set_log_level(RDKafkaLogLevel::Debug);
    config
}

/// Whether both make the same client, if the files that librdkafka's properties name are the same: see [`super::files`].
pub fn is_same(one: &Settings, other: &Settings) -> bool {
    let sizes = |it: &Settings| (it.max_in_flight, it.max_in_flight_events);
    let ways = |it: &Settings| (it.idempotence, it.answers);
    let is_same = sizes(one) == sizes(other) && ways(one) == ways(other);
    is_same && one.bootstrap == other.bootstrap && one.kafka == other.kafka
}

/// Whether librdkafka makes a client of these settings, and why not. The client is thrown away, and connects to nobody: it knows
/// no broker. It reads the files that properties name, so it may take as long as a disk.
pub fn try_out(name: &str, settings: &Settings) -> Result<(), String> {
    let mut config = producer(name, settings);
    config.remove("bootstrap.servers");
    Native::<NoMessages>::new(&config)
        .map(drop)
        .map_err(|error| refusal(&error))
}

/// Why librdkafka makes no client, for logs and for people. An error's own words end with the value of the property, which may be
/// a secret, also where the property's name is misspelt.
pub fn refusal(error: &KafkaError) -> String {
    let KafkaError::ClientConfig(kind, words, property, value) = error else {
        return error.to_string();
    };
    // A list is refused for one of its parts.
    let mut parts = value.split(',').map(str::trim);
    let is_told = parts.any(|part| !part.is_empty() && words.contains(part));
    // What is a number is told: the words say which one may be set.
    let is_range = words.contains("outside allowed range");
    match kind {
        RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN => format!("there is no property \"{property}\""),
        _ if is_told && !is_range => format!("\"{property}\" can't have this value"),
        _ => words.trim().to_owned(),
    }
}

/// The configuration of any client of the cluster, without what only producers know.
pub fn connection(name: &str, settings: &Settings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.bootstrap)
        .set("client.id", format!("forebay-{name}"))
        // The default of 60 s would let a frozen broker hold its partitions for a minute.
        .set("socket.timeout.ms", "10000")
        .set("request.timeout.ms", "8000")
        .set("socket.connection.setup.timeout.ms", "5000")
        // Half of it is how often librdkafka tries to connect when no broker is there. Fifty dead clusters cost half as much with
        // 1,000 ms as with 50 ms; but a broker that was away for a moment has to wait for it.
        .set("reconnect.backoff.ms", "200")
        // The default of 10 s would delay the recovery after an outage by as much.
        .set("reconnect.backoff.max.ms", "1000")
        .set("retry.backoff.ms", "50")
        .set("retry.backoff.max.ms", "1000")
        .set("topic.metadata.refresh.interval.ms", "60000")
        .set("socket.keepalive.enable", "true")
        // Brokers close idle connections after 10 minutes; be first, quietly.
        .set("connections.max.idle.ms", "540000")
        // No telemetry that nobody asked for (KIP-714).
        .set("enable.metrics.push", "false");
    config.set_log_level(RDKafkaLogLevel::Info);
    config
}

/// The configuration of a consumer that only looks, for `forebay tail` and `forebay dev`.
pub fn consumer(name: &str, settings: &Settings) -> ClientConfig {
    let mut config = connection(name, settings);
    // `request.timeout.ms` belongs to producers; a consumer would warn about it.
    config.remove("request.timeout.ms");
    config
        .set("group.id", format!("forebay-tail-{}", std::process::id()))
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "latest")
        .set("enable.partition.eof", "false")
        .set("fetch.wait.max.ms", "100");
    for (key, value) in settings
        .kafka
        .iter()
        .filter(|(key, _)| is_about_connections(key))
    {
        config.set(key, value);
    }
    config
}

fn is_about_connections(key: &str) -> bool {
    [
        "security.",
        "sasl.",
        "ssl.",
        "socket.",
        "broker.",
        "client.",
        "api.",
        "enable.ssl",
        "enable.sasl",
    ]
    .iter()
    .any(|prefix| key.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(property: &str, value: &str) -> Result<(), String> {
        let mut settings = Settings::new("127.0.0.1:1");
        settings.kafka.insert(property.into(), value.into());
        try_out("main", &settings)
    }

    #[test]
    fn a_refusal_names_the_property_and_never_its_value() {
        for (property, value) in [
            ("sasl.passwrd", "hunter2"),
            ("socket.keepalive.enable", "hunter2"),
            ("socket.timeout.ms", "hunter2"),
            ("security.protocol", "hunter2"),
            ("builtin.features", "gzip,hunter2"),
            ("debug", "broker, hunter2"),
        ] {
            let why = tried(property, value).unwrap_err();
            assert!(why.contains(property), "{why}");
            assert!(!why.contains("hunter2"), "{why}");
        }
        let why = tried("socket.timeout.ms", "1").unwrap_err();
        assert!(why.contains("1 is outside allowed range 10.."), "{why}");
        assert_eq!(tried("socket.timeout.ms", "10000"), Ok(()));
    }

    #[test]
    fn a_file_that_is_missing_is_found_by_trying() {
        let mut settings = Settings::new("127.0.0.1:1");
        for (property, value) in [
            ("security.protocol", "ssl"),
            ("ssl.ca.location", "/nobody/has/this.pem"),
        ] {
            settings.kafka.insert(property.into(), value.into());
        }
        let why = try_out("main", &settings).unwrap_err();
        assert!(why.contains("ssl.ca.location"), "{why}");
    }
}
