//! librdkafka properties that a user may not set, each with the reason. Any other goes to the client as it is, and the
//! client refuses what it doesn't know.

/// Properties with the reason why they are refused, by reason.
const REFUSED: [(&[&str], &str); 14] = [
    (
        &["acks", "request.required.acks"],
        "a 2xx means that all in-sync replicas have the event, so it's always \"all\"",
    ),
    (
        &["enable.idempotence", "enable.gapless.guarantee"],
        "order without duplicates rests on it, so it's set for you; for a cluster that has no idempotent producer set the \
         cluster's idempotence",
    ),
    (
        &["message.timeout.ms", "delivery.timeout.ms"],
        "an event that the client gives up may still arrive, after its sender was told no; http.answer_within bounds \
         the sender's wait",
    ),
    (
        &["message.send.max.retries", "retries"],
        "the client retries for as long as the event can be delivered; http.answer_within bounds the sender's wait",
    ),
    (
        &["max.in.flight", "max.in.flight.requests.per.connection"],
        "order within a partition rests on it; max_in_flight_events and max_in_flight of the cluster bound what is in \
         flight",
    ),
    (
        &["delivery.report.only.error"],
        "each event is answered by its delivery report",
    ),
    (
        &["queue.buffering.max.messages", "queue.buffering.max.kbytes"],
        "the client's queue is bounded by max_in_flight_events and max_in_flight of the cluster; set these",
    ),
    (
        &["linger.ms", "queue.buffering.max.ms"],
        "lanes make the batches; set lane.linger",
    ),
    (
        &["queuing.strategy"],
        "anything but fifo breaks the order within a partition",
    ),
    (
        &["bootstrap.servers", "metadata.broker.list"],
        "set bootstrap of the cluster",
    ),
    (
        &["transactional.id"],
        "events of many clients share a producer, so there is no transaction to put them in",
    ),
    (
        &["partitioner"],
        "the partition is chosen before the client sees the event, as the Java client chooses it",
    ),
    (
        &["log.queue", "log_level", "statistics.interval.ms"],
        "logs and statistics of the client are collected for /status and /metrics; set log.filter to see more",
    ),
    (
        &["test.mock.num.brokers"],
        "it sends events to brokers that exist in memory only; use forebay dev to try things",
    ),
];

/// Why the property may not be set; nothing if it may.
pub(super) fn refused(property: &str) -> Option<&'static str> {
    // librdkafka takes properties of topics under both names: `topic.acks` is `acks`.
    let property = property.strip_prefix("topic.").unwrap_or(property);
    let refused = REFUSED.iter().find(|(names, _)| names.contains(&property));
    refused.map(|(_, reason)| *reason)
}

/// Names of all refused properties.
#[cfg(test)]
pub(super) fn refused_names() -> impl Iterator<Item = &'static str> {
    REFUSED.iter().flat_map(|(names, _)| names.iter().copied())
}
