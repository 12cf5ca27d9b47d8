//! Why an event isn't durable, as its client is told.

/// Why an event that was admitted isn't durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The request's deadline passed while the event waited in its lane. It will not arrive.
    Timeout,
    /// Kafka doesn't take the event, and the spill log can't store it. It will not arrive.
    NoRoom,
    /// Kafka doesn't take the event, and its owner has used its share of the spill log. It will not arrive.
    ShareFull,
    /// forebay is stopping and the event could not be delivered any more. It will not arrive.
    Draining,
    /// Kafka takes nothing of the topic, or of the client, and there is no spill log to wait in. It will not arrive.
    NotTaken,
    /// Kafka can never take this event: it is larger than the broker or the topic allows.
    TooLargeForKafka,
    /// Kafka refused the event for a reason that the client can't mend: authorisation, a deleted topic, a broken record.
    RefusedByKafka,
    /// The event was handed to Kafka and no answer came in time. It may arrive.
    Unknown,
}
