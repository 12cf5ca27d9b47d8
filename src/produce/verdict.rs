//! Whose fault a Kafka error is. The only place that classifies them.
//!
//! - An event's own fault ([`Fault::Event`]) is the only one that an event may be given up for, and only after it was refused
//!   alone: Kafka refuses a batch as a whole, for any event in it.
//! - A topic's fault ([`Fault::Topic`]) can be mended by its owners. Its lanes wait, say why, and go on by themselves.
//! - A client's fault ([`Fault::Client`]) concerns all lanes of its cluster. The client is replaced, less and less often.
//! - All else passes ([`Fault::Passing`]). librdkafka retries what can pass by itself (leader changes, timeouts, too few in-sync
//!   replicas) and is told never to give up, so little of it reaches us. An error that nobody knows is of this kind: it
//!   must not cost an event.

use rdkafka::error::RDKafkaErrorCode as Code;

/// Whose fault it is that an event wasn't delivered, and so what to do with the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Kafka doesn't take the batch that it was in: because of this event or another one, or because all of them together are too
    /// large. If it was alone, Kafka never takes it; else it's sent again, with fewer others.
    Event(EventFault),
    /// Kafka doesn't take the timestamp of an event in the batch. That is ours to mend: it's sent again with another one. If
    /// Kafka doesn't take the present either, it's the topic's fault, [`TopicFault::Clock`].
    Stamp,
    /// Nothing goes to the topic until somebody mends it. The event was not stored, and is sent again later.
    Topic(TopicFault),
    /// The client that had the event is of no more use. The event is sent again through another one.
    Client(ClientFault),
    /// Nobody's. The event was not stored, or that isn't known; it's sent again.
    Passing,
}

/// What is wrong with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventFault {
    /// It's larger than the topic or the broker allows.
    TooLarge,
    /// The topic doesn't take such an event: without a key, for example.
    Refused,
}

/// What is wrong with a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicFault {
    /// We may not write to it.
    Denied,
    /// There is no such topic.
    Missing,
    /// The topic has fewer partitions than it had.
    PartitionMissing,
    /// Its configuration, or a policy of the cluster, doesn't allow what we send.
    Refuses,
    /// It doesn't take the present as a timestamp: our clock or the brokers' is wrong.
    Clock,
}

/// What is wrong with a client, or with its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFault {
    /// We may not use the cluster as we do: before Kafka 2.8 the idempotent producer needs a right of its own.
    Denied,
    /// Who we say we are isn't believed.
    Credentials,
    /// The cluster can't do what we ask for: before Kafka 0.11 there is no idempotent producer.
    Unsupported,
    /// The client can't go on. Another one can.
    Dead,
}

impl std::fmt::Display for TopicFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            TopicFault::Denied => "is denied: the right WRITE isn't allowed",
            TopicFault::Missing => "doesn't exist",
            TopicFault::PartitionMissing => "has fewer partitions than before",
            TopicFault::Refuses => "refuses what is sent by its configuration",
            TopicFault::Clock => {
                "refuses the present as a timestamp: compare this machine's clock with the brokers', and see message.timestamp.before.max.ms and after.max.ms"
            }
        })
    }
}

impl std::fmt::Display for ClientFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ClientFault::Denied => "the cluster denies the right that an idempotent producer needs",
            ClientFault::Credentials => "the cluster doesn't accept the credentials",
            ClientFault::Unsupported => {
                "the cluster has no idempotent producer (before kafka 0.11): set `idempotence = \"off\"`"
            }
            ClientFault::Dead => "the kafka client failed",
        })
    }
}

/// Whose fault an error is.
pub fn fault(code: Code) -> Fault {
    match code {
        Code::MessageSizeTooLarge | Code::InvalidMessageSize | Code::MessageBatchTooLarge => {
            Fault::Event(EventFault::TooLarge)
        }
        // Before Kafka 2.4 a record without a key for a compacted topic is an invalid message.
        Code::InvalidMessage | Code::InvalidRecord => Fault::Event(EventFault::Refused),
        Code::InvalidTimestamp => Fault::Stamp,
        Code::TopicAuthorizationFailed => Fault::Topic(TopicFault::Denied),
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownTopicId => {
            Fault::Topic(TopicFault::Missing)
        }
        Code::UnknownPartition => Fault::Topic(TopicFault::PartitionMissing),
        Code::InvalidTopic
        | Code::PolicyViolation
        | Code::UnsupportedForMessageFormat
        | Code::UnsupportedCompressionType
        | Code::InvalidRequiredAcks
        | Code::InvalidRequest
        | Code::InvalidConfig
        | Code::ReadOnly => Fault::Topic(TopicFault::Refuses),
        code => of_client(code).map_or(Fault::Passing, Fault::Client),
    }
}

/// Whether an error is said of a batch only before it's stored: Kafka judged the batch and took nothing of it, or the client never
/// sent it. Any other error may be the end of a connection on which the batch was under way, whatever librdkafka says of it; or
/// Kafka's own, in the middle of storing.
pub fn is_before_storing(code: Code) -> bool {
    match fault(code) {
        Fault::Event(_) | Fault::Stamp | Fault::Topic(_) => true,
        Fault::Client(fault) => fault == ClientFault::Denied,
        Fault::Passing => matches!(code, Code::PurgeQueue | Code::InvalidDifferentRecord),
    }
}

/// What an error says about the client, if it's about the client.
fn of_client(code: Code) -> Option<ClientFault> {
    Some(match code {
        Code::ClusterAuthorizationFailed | Code::TransactionalIdAuthorizationFailed => {
            ClientFault::Denied
        }
        Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState
        | Code::SecurityDisabled
        | Code::SSL
        | Code::DelegationTokenAuthDisabled
        | Code::DelegationTokenNotFound
        | Code::DelegationTokenOwnerMismatch
        | Code::DelegationTokenRequestNotAllowed
        | Code::DelegationTokenAuthorizationFailed
        | Code::DelegationTokenExpired
        | Code::InvalidPrincipalType
        | Code::UnacceptableCredential
        | Code::PrincipalDeserializationFailure => ClientFault::Credentials,
        Code::UnsupportedFeature | Code::UnsupportedVersion => ClientFault::Unsupported,
        Code::Fatal
        | Code::GaplessGuarantee
        | Code::Inconsistent
        | Code::State
        | Code::Fenced
        | Code::ProducerFenced
        | Code::OutOfOrderSequenceNumber
        | Code::DuplicateSequenceNumber
        | Code::UnknownProducerId
        | Code::InvalidProducerEpoch
        | Code::InvalidProducerIdMapping
        | Code::InvalidTransactionalState
        | Code::InvalidTransactionTimeout
        | Code::ConcurrentTransactions
        | Code::TransactionCoordinatorFenced => ClientFault::Dead,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use rdkafka::types::RDKafkaRespErr;

    use super::*;

    /// Every code that librdkafka knows.
    fn all() -> impl Iterator<Item = Code> {
        let codes = (-200..=200).filter_map(|code| RDKafkaRespErr::try_from(code).ok());
        codes.map(Code::from)
    }

    fn codes(is_wanted: impl Fn(Fault) -> bool) -> String {
        let wanted = all().filter(|code| is_wanted(fault(*code)));
        let names: Vec<_> = wanted.map(|code| format!("{code:?}")).collect();
        names.join(" ")
    }

    /// The whole table but for what passes: a code of a later librdkafka is of that kind until somebody decides about it here.
    #[test]
    fn each_error_is_somebodys_fault_or_passes() {
        let of_event = "InvalidMessage InvalidMessageSize MessageSizeTooLarge MessageBatchTooLarge InvalidRecord";
        assert_eq!(codes(|fault| matches!(fault, Fault::Event(_))), of_event);
        assert_eq!(codes(|fault| fault == Fault::Stamp), "InvalidTimestamp");
        let of_topic = "UnknownPartition UnknownTopic ReadOnly UnknownTopicOrPartition InvalidTopic InvalidRequiredAcks TopicAuthorizationFailed InvalidConfig InvalidRequest UnsupportedForMessageFormat PolicyViolation UnsupportedCompressionType UnknownTopicId";
        assert_eq!(codes(|fault| matches!(fault, Fault::Topic(_))), of_topic);
        let of_client = "SSL State Authentication UnsupportedFeature Fatal Inconsistent GaplessGuarantee Fenced ClusterAuthorizationFailed UnsupportedSASLMechanism IllegalSASLState UnsupportedVersion OutOfOrderSequenceNumber DuplicateSequenceNumber InvalidProducerEpoch InvalidTransactionalState InvalidProducerIdMapping InvalidTransactionTimeout ConcurrentTransactions TransactionCoordinatorFenced TransactionalIdAuthorizationFailed SecurityDisabled SaslAuthenticationFailed UnknownProducerId DelegationTokenAuthDisabled DelegationTokenNotFound DelegationTokenOwnerMismatch DelegationTokenRequestNotAllowed DelegationTokenAuthorizationFailed DelegationTokenExpired InvalidPrincipalType ProducerFenced UnacceptableCredential PrincipalDeserializationFailure";
        assert_eq!(codes(|fault| matches!(fault, Fault::Client(_))), of_client);
        let count = all().count();
        assert!(count > 160, "{count} codes");
    }

    #[test]
    fn only_an_event_itself_can_cost_an_event() {
        for code in [
            Code::TopicAuthorizationFailed,
            Code::ClusterAuthorizationFailed,
            Code::UnknownTopicOrPartition,
            Code::UnknownPartition,
            Code::NotLeaderForPartition,
            Code::NotEnoughReplicas,
            Code::NotEnoughReplicasAfterAppend,
            Code::RequestTimedOut,
            Code::BrokerTransportFailure,
            Code::AllBrokersDown,
            Code::MessageTimedOut,
            Code::QueueFull,
            Code::PurgeQueue,
            Code::PurgeInflight,
            Code::InvalidDifferentRecord,
            Code::Unknown,
        ] {
            assert!(!matches!(fault(code), Fault::Event(_)), "{code:?}");
        }
    }

    /// Errors that librdkafka gives to batches that were under way when it closed their connection, and Kafka's word for a surprise.
    #[test]
    fn what_may_befall_a_batch_under_way_is_never_a_certain_no() {
        for code in [
            Code::PurgeInflight,
            Code::Authentication,
            Code::SaslAuthenticationFailed,
            Code::DestroyBroker,
            Code::BrokerTransportFailure,
            Code::SSL,
            Code::RequestTimedOut,
            Code::NotEnoughReplicasAfterAppend,
            Code::KafkaStorageError,
            Code::Fatal,
            Code::Unknown,
        ] {
            assert!(!is_before_storing(code), "{code:?}");
        }
        assert!(is_before_storing(Code::TopicAuthorizationFailed));
        assert!(is_before_storing(Code::PurgeQueue));
    }

    #[test]
    fn an_event_that_is_too_large_is_told_apart_from_one_that_is_not_allowed() {
        let (large, refused) = (EventFault::TooLarge, EventFault::Refused);
        assert_eq!(fault(Code::MessageSizeTooLarge), Fault::Event(large));
        assert_eq!(fault(Code::InvalidRecord), Fault::Event(refused));
    }
}
