//! The metrics of a stream.

use prometheus_client::registry::Unit;

use super::super::encode::{Metric, Read};
use super::super::samples::StreamSample;

pub(super) const STREAM: &[Metric<StreamSample>] = &[
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
