//! Every metric, named and described here and nowhere else; `render` writes them as OpenMetrics text.
//!
//! Stages count into plain atomics; the admin port takes samples of these when it is asked, so that a metric costs
//! nothing on the path of an event but its atomic add.

mod door;
mod owners;
mod streams;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text::encode};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use self::door::{REFUSAL, SOURCE};
use self::owners::OWNER;
use self::streams::STREAM;
use super::encode::{Metric, Read, family, histograms};
use super::samples::{ClusterSample, DamageSample, DeadSample, ProcessSample, Samples};

const PROCESS: &[Metric<ProcessSample>] = &[
    (
        "ready",
        None,
        "1 while requests are accepted, else 0",
        Read::Gauge(|s| f64::from(s.ready)),
    ),
    (
        "connections",
        None,
        "Open connections of the data port",
        Read::Gauge(|s| s.connections as f64),
    ),
    (
        "memory_used",
        Some(Unit::Bytes),
        "Memory held by requests, waiting events and connections",
        Read::Gauge(|s| s.memory_used as f64),
    ),
    (
        "memory_budget",
        Some(Unit::Bytes),
        "Memory that they may hold (memory.budget)",
        Read::Gauge(|s| s.memory_budget as f64),
    ),
    (
        "memory_resident",
        Some(Unit::Bytes),
        "Resident memory of the process, at most memory.budget and 64 MiB; NaN if the system doesn't say",
        Read::Gauge(|s| s.memory_resident.map_or(f64::NAN, |bytes| bytes as f64)),
    ),
    (
        "spill_takes",
        None,
        "1 while the spill log takes events, 0 if it's full, failing or not there",
        Read::Gauge(|s| f64::from(s.spill_takes)),
    ),
    (
        "spill_used",
        Some(Unit::Bytes),
        "Disk that the spill log uses",
        Read::Gauge(|s| s.spill_used as f64),
    ),
    (
        "spill_quota",
        Some(Unit::Bytes),
        "Disk that the spill log may use (spill.quota)",
        Read::Gauge(|s| s.spill_quota as f64),
    ),
    (
        "spill_backlog_events",
        None,
        "Events that wait in the spill log for Kafka; dead letters are apart",
        Read::Gauge(|s| s.spill_backlog_events as f64),
    ),
    (
        "spill_backlog",
        Some(Unit::Bytes),
        "Bytes of events that wait in the spill log for Kafka",
        Read::Gauge(|s| s.spill_backlog as f64),
    ),
    (
        "time_to_loss",
        Some(Unit::Seconds),
        "Time until events are refused for want of room, if they come and go as in the last half minute: 0 while they are, +Inf while what waits doesn't grow",
        Read::Gauge(|s| {
            s.time_to_loss
                .map_or(f64::INFINITY, |left| left.as_secs_f64())
        }),
    ),
    (
        "config_generation",
        None,
        "Which configuration is in force: 1 at the start, one more with each reload",
        Read::Gauge(|s| s.config_generation as f64),
    ),
    (
        "config_reload_failed",
        None,
        "1 if the last reload failed, and so changed nothing; /status says why",
        Read::Gauge(|s| f64::from(s.config_reload_failed)),
    ),
    (
        "key_files_failed",
        None,
        "1 while a file of keys that has changed can't be taken, and its keys stay as they were; /status says why",
        Read::Gauge(|s| f64::from(s.key_files_failed)),
    ),
];

const CLUSTER: &[Metric<ClusterSample>] = &[
    (
        "cluster_up",
        None,
        "1 while the cluster answers and acknowledges, else 0",
        Read::Gauge(|s| f64::from(s.up)),
    ),
    (
        "cluster_in_flight_events",
        None,
        "Events handed to the cluster's client and not acknowledged",
        Read::Gauge(|s| s.in_flight_events as f64),
    ),
    (
        "cluster_in_flight",
        Some(Unit::Bytes),
        "Bytes handed to the cluster's client and not acknowledged",
        Read::Gauge(|s| s.in_flight_bytes as f64),
    ),
    (
        "cluster_drain_rate_bytes_per_second",
        None,
        "Bytes that the cluster acknowledges per second, averaged over seconds",
        Read::Gauge(|s| s.drain_rate as f64),
    ),
    (
        "cluster_last_ack_age",
        Some(Unit::Seconds),
        "Time since the cluster's last acknowledgement; NaN before the first",
        Read::Gauge(|s| s.last_ack_age.map_or(f64::NAN, |age| age.as_secs_f64())),
    ),
    (
        "cluster_stalled_lanes",
        None,
        "Partitions that refuse events because Kafka doesn't take the old ones",
        Read::Gauge(|s| s.stalled_lanes as f64),
    ),
    (
        "cluster_replaced_clients",
        None,
        "Kafka clients that failed and were replaced",
        Read::Counter(|s| s.replaced_clients),
    ),
    (
        "cluster_new_epochs",
        None,
        "Times that Kafka lost track of the producer's batches, after which some may be stored twice",
        Read::Counter(|s| s.new_epochs),
    ),
    (
        "cluster_memory",
        Some(Unit::Bytes),
        "Memory held by the cluster's events",
        Read::Gauge(|s| s.memory as f64),
    ),
];

const DEAD: &[Metric<DeadSample>] = &[
    (
        "dead_letters",
        None,
        "Events that Kafka refused for good after they were acknowledged, kept in the spill log until they are sent again (`forebay spill redrive`)",
        Read::Gauge(|s| s.events as f64),
    ),
    (
        "dead_letters",
        Some(Unit::Bytes),
        "Bytes of these events",
        Read::Gauge(|s| s.bytes as f64),
    ),
    (
        "dead_letters_oldest_age",
        Some(Unit::Seconds),
        "For how long the oldest of these events has been kept, to the precision of one segment of the spill log; 0 if there is none",
        Read::Gauge(|s| s.oldest.as_secs_f64()),
    ),
];

const DAMAGE: &[Metric<DamageSample>] = &[(
    "spill_damaged_events",
    None,
    "Events that the spill log held and lost to damage of its disk, so many at least, since its directory was made",
    Read::Counter(|s| s.events),
)];

/// Writes all metrics.
pub fn render(samples: Samples) -> String {
    let mut registry = Registry::with_prefix("forebay");
    registry.register_collector(Box::new(samples));
    let mut text = String::new();
    if let Err(error) = encode(&mut text, &registry) {
        tracing::error!(%error, "metrics could not be written");
    }
    text
}

impl Collector for Samples {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let process = std::slice::from_ref(&self.process);
        family(&mut encoder, PROCESS, process, |_| vec![])?;
        family(&mut encoder, REFUSAL, &self.refusals, |(reason, _)| {
            vec![("reason", (*reason).to_owned())]
        })?;
        family(&mut encoder, SOURCE, &self.sources, |s| {
            vec![("source", s.name.clone())]
        })?;
        family(&mut encoder, CLUSTER, &self.clusters, |s| {
            vec![("cluster", s.name.clone()), ("owner", s.owner.clone())]
        })?;
        family(&mut encoder, STREAM, &self.streams, |s| {
            vec![("stream", s.name.clone()), ("cluster", s.cluster.clone())]
        })?;
        family(&mut encoder, OWNER, &self.owners, |s| {
            vec![("owner", s.name.clone())]
        })?;
        self.stream_info(&mut encoder)?;
        self.owner_info(&mut encoder)?;
        family(&mut encoder, DEAD, &self.dead, |s| {
            vec![
                ("cluster", s.cluster.clone()),
                ("stream", s.stream.clone()),
                ("reason", s.reason.to_owned()),
            ]
        })?;
        family(&mut encoder, DAMAGE, &self.damage, |s| {
            vec![("cluster", s.cluster.clone()), ("stream", s.stream.clone())]
        })?;
        self.answers(&mut encoder)?;
        self.durations(&mut encoder)
    }
}

impl Samples {
    fn stream_info(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let help = "Always 1: whose a stream is, and where its events go. A stream that isn't configured any more is leaving until nothing of it is left";
        let mut family = encoder.encode_descriptor("stream_info", help, None, MetricType::Gauge)?;
        for stream in &self.streams {
            let state = match stream.is_leaving {
                true => "leaving",
                false => "configured",
            };
            let labels = [
                ("stream", stream.name.as_str()),
                ("state", state),
                ("cluster", stream.cluster.as_str()),
                ("topic", stream.topic.as_str()),
                ("owner", stream.owner.as_str()),
            ];
            ConstGauge::new(1.0).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn owner_info(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let help = "Always 1: whom to tell when something of an owner's is wrong, and what is to be done then";
        let mut family = encoder.encode_descriptor("owner_info", help, None, MetricType::Gauge)?;
        for owner in &self.owners {
            let (contact, runbook) = (owner.contact.as_str(), owner.runbook.as_str());
            let labels = [
                ("owner", owner.name.as_str()),
                ("contact", contact),
                ("runbook", runbook),
            ];
            ConstGauge::new(1.0).encode(family.encode_family(&labels)?)?;
        }
        let help = "Requests refused because their owner's share was used up: of the rate, of memory, of the spill log";
        let kind = MetricType::Counter;
        let mut family = encoder.encode_descriptor("owner_refusals", help, None, kind)?;
        for owner in &self.owners {
            for (share, count) in owner.refused {
                let labels = [("owner", owner.name.as_str()), ("share", share)];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn answers(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let help = "Requests by answer: ok 200, partly 207, client_error 4xx, unavailable 503";
        let mut family = encoder.encode_descriptor("requests", help, None, MetricType::Counter)?;
        for stream in &self.streams {
            for (answer, count) in stream.answers {
                let labels = [("stream", stream.name.as_str()), ("answer", answer)];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn durations(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let help = "Time from a request's head to its answer";
        let streams = self
            .streams
            .iter()
            .map(|s| (vec![("stream", s.name.clone())], &s.latency));
        histograms(encoder, "request_duration", help, streams)?;
        let help = "Time from handing a batch to the cluster's client until its acknowledgement was read, by its oldest event: Kafka's part of a request's time";
        let clusters = self
            .clusters
            .iter()
            .map(|s| (vec![("cluster", s.name.clone())], &s.ack));
        histograms(encoder, "cluster_ack_duration", help, clusters)
    }
}
