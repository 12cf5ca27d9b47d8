//! Every metric, named and described here and nowhere else; `render` writes them as OpenMetrics text.
//!
//! Stages count into plain atomics; the admin port takes samples of these when it is asked, so that a metric costs
//! nothing on the path of an event but its atomic add.

mod door;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text::encode};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::{Registry, Unit};

use self::door::{REFUSAL, SOURCE};
use super::encode::{Metric, Read, family, histograms};
use super::samples::{
    ClusterSample, DamageSample, DeadSample, ProcessSample, Samples, StreamSample,
};

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

const STREAM: &[Metric<StreamSample>] = &[
    (
        "events_accepted",
        None,
        "Events admitted; equals acked + spilled + refused + failed + unknown + in flight",
        Read::Counter(|s| s.accepted),
    ),
    (
        "events_acked",
        None,
        "Events acknowledged by Kafka with acks=all",
        Read::Counter(|s| s.acked),
    ),
    (
        "events_spilled",
        None,
        "Events that are durable in the spill log, and go to Kafka later",
        Read::Counter(|s| s.spilled),
    ),
    (
        "events_replayed",
        None,
        "Spilled events, of this run or an earlier one, acknowledged by Kafka since",
        Read::Counter(|s| s.replayed),
    ),
    (
        "events_dead",
        None,
        "Spilled events that Kafka refused for good since the start, kept in the spill log as dead letters; dead_letters says how many there are",
        Read::Counter(|s| s.dead),
    ),
    (
        "events_redriven",
        None,
        "Dead letters that were put on their way to Kafka again",
        Read::Counter(|s| s.redriven),
    ),
    (
        "events_refused",
        None,
        "Admitted events given up before they were sent; they never arrive",
        Read::Counter(|s| s.refused),
    ),
    (
        "events_failed",
        None,
        "Admitted events that Kafka refused for good",
        Read::Counter(|s| s.failed),
    ),
    (
        "events_unknown",
        None,
        "Events that Kafka had in hand, unanswered, when forebay stopped",
        Read::Counter(|s| s.unknown),
    ),
    (
        "events_late",
        None,
        "Events acknowledged after their client was told that their fate is unknown",
        Read::Counter(|s| s.late),
    ),
    (
        "events_lost",
        None,
        "Admitted events that were never resolved: a bug; zero, always",
        Read::Counter(|s| s.lost),
    ),
    (
        "events_rejected",
        None,
        "Events that can never be accepted: malformed, too large, without key",
        Read::Counter(|s| s.rejected),
    ),
    (
        "events_in_flight",
        None,
        "Events admitted and not yet resolved",
        Read::Gauge(|s| s.in_flight as f64),
    ),
    (
        "events_waiting",
        None,
        "Events that wait in the stream's lanes",
        Read::Gauge(|s| s.waiting_events as f64),
    ),
    (
        "waiting",
        Some(Unit::Bytes),
        "Bytes that wait in the stream's lanes",
        Read::Gauge(|s| s.waiting_bytes as f64),
    ),
    (
        "stream_takes",
        None,
        "1 while the stream's events are accepted, by Kafka or by the spill log; 0 if its topic is missing or denied, or nothing takes them",
        Read::Gauge(|s| f64::from(s.takes)),
    ),
    (
        "lanes_direct",
        None,
        "Partitions whose events go to Kafka from memory",
        Read::Gauge(|s| s.lanes[0] as f64),
    ),
    (
        "lanes_spilling",
        None,
        "Partitions whose events go into the spill log and not yet on to Kafka",
        Read::Gauge(|s| s.lanes[1] as f64),
    ),
    (
        "lanes_replaying",
        None,
        "Partitions whose events go to Kafka through the spill log",
        Read::Gauge(|s| s.lanes[2] as f64),
    ),
    (
        "oldest_event_age",
        Some(Unit::Seconds),
        "Age of the oldest event that waits for Kafka, in memory or in the spill log",
        Read::Gauge(|s| s.oldest.as_secs_f64()),
    ),
    (
        "stream_spill_events",
        None,
        "Events of the stream that wait in the spill log",
        Read::Gauge(|s| s.spill_events as f64),
    ),
    (
        "events_residual",
        None,
        "Events admitted that are neither resolved nor known to wait anywhere: zero, or forebay has a bug",
        Read::Gauge(|s| s.residual as f64),
    ),
    (
        "body",
        Some(Unit::Bytes),
        "Bytes of request bodies as they were sent",
        Read::Counter(|s| s.body_bytes),
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
