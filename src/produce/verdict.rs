//! What a Kafka error means for an event. The only place that classifies them.
//!
//! librdkafka retries everything that can pass by itself (leader changes, timeouts, too few in-sync replicas) and is told
//! never to give up, so what reaches us is either permanent for the event, or says that the client is of no more use.

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::receipt::Cause;

/// What to do with an event that wasn't delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Kafka never takes it; its receipt is resolved so.
    Permanent(Cause),
    /// Kafka doesn't take the batch that it was in: because of this event or another one, or because all of them together
    /// are too large. If it was alone, the same as [`Verdict::Permanent`]; else it's sent again, with fewer others.
    Suspect(Cause),
    /// It was not stored, or it isn't known; it stays in the window and is sent again, in order.
    SendAgain,
    /// The same, and the client must be replaced first.
    ReplaceClient,
}

/// The verdict on a delivery error.
pub fn verdict(code: Code) -> Verdict {
    match code {
        Code::MessageSizeTooLarge | Code::InvalidMessageSize => {
            Verdict::Suspect(Cause::TooLargeForKafka)
        }
        Code::InvalidMessage | Code::InvalidRecord | Code::InvalidTimestamp => {
            Verdict::Suspect(Cause::RefusedByKafka)
        }
        // The topic's configuration or our rights are at fault, and stay so.
        Code::UnsupportedForMessageFormat
        | Code::UnsupportedCompressionType
        | Code::TopicAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::PolicyViolation
        | Code::InvalidTopic
        | Code::UnknownTopic
        | Code::UnknownPartition
        | Code::UnknownTopicOrPartition
        | Code::InvalidRequiredAcks => Verdict::Permanent(Cause::RefusedByKafka),
        // The client is dead: every further message would fail.
        Code::Fatal
        | Code::OutOfOrderSequenceNumber
        | Code::DuplicateSequenceNumber
        | Code::InvalidProducerEpoch
        | Code::UnknownProducerId
        | Code::InvalidProducerIdMapping
        | Code::ProducerFenced => Verdict::ReplaceClient,
        _ => Verdict::SendAgain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_pass_by_themselves_never_cost_an_event() {
        for code in [
            Code::NotLeaderForPartition,
            Code::LeaderNotAvailable,
            Code::NotEnoughReplicas,
            Code::NotEnoughReplicasAfterAppend,
            Code::RequestTimedOut,
            Code::BrokerTransportFailure,
            Code::AllBrokersDown,
            Code::MessageTimedOut,
            Code::QueueFull,
            Code::PurgeQueue,
            Code::PurgeInflight,
        ] {
            assert_eq!(verdict(code), Verdict::SendAgain, "{code:?}");
        }
    }

    #[test]
    fn an_event_that_is_too_large_is_told_apart_from_one_that_is_not_allowed() {
        assert_eq!(
            verdict(Code::MessageSizeTooLarge),
            Verdict::Suspect(Cause::TooLargeForKafka)
        );
        assert_eq!(
            verdict(Code::TopicAuthorizationFailed),
            Verdict::Permanent(Cause::RefusedByKafka)
        );
    }
}
