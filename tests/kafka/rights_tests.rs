//! The authorizer tested: one that refuses nobody proves nothing about what is in front of it.

use std::{sync::Mutex, time::Duration};

use rdkafka::{
    ClientConfig, ClientContext,
    producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext},
    types::RDKafkaErrorCode,
};

use super::{Kafka, Right, User, consume_all, eventually, guarded_or_skip};

/// For a change to reach the broker, and for a client to connect.
const WITHIN: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Told(Mutex<Option<RDKafkaErrorCode>>);

impl ClientContext for Told {}

impl ProducerContext for Told {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let code = result
            .as_ref()
            .err()
            .and_then(|(error, _)| error.rdkafka_error_code());
        *self.0.lock().expect("nobody panics with it") = code;
    }
}

/// Sends one record as this user; what Kafka has against it.
fn deliver(kafka: &Kafka, user: &User, topic: &str, bytes: usize) -> Option<RDKafkaErrorCode> {
    let producer: BaseProducer<Told> = ClientConfig::new()
        .set("bootstrap.servers", kafka.guarded_bootstrap())
        .set("security.protocol", "sasl_plaintext")
        .set("sasl.mechanism", user.mechanism())
        .set("sasl.username", user.name())
        .set("sasl.password", user.password())
        .set("message.timeout.ms", "3000")
        .create_with_context(Told::default())
        .expect("a producer");
    let payload = vec![b'x'; bytes];
    let record: BaseRecord<'_, (), _> = BaseRecord::to(topic).payload(&payload);
    if let Err((error, _)) = producer.send(record) {
        return error.rdkafka_error_code();
    }
    producer.flush(WITHIN).expect("an answer in time");
    *producer.context().0.lock().expect("nobody panics with it")
}

#[test]
fn rights_come_and_go() {
    let Some(kafka) = guarded_or_skip() else {
        return;
    };
    let topic = kafka.fresh_topic("rights", 1, 1, &[]);
    let user = kafka.fresh_user();
    let told = |code| eventually(WITHIN, || deliver(kafka, &user, &topic, 1) == code);
    let denied = Some(RDKafkaErrorCode::TopicAuthorizationFailed);
    assert!(told(denied), "a user has no rights at first");
    kafka.set_rights(&user, &Right::to_produce(&topic));
    assert!(told(None), "the right was given");
    let other = kafka.fresh_user();
    assert_eq!(deliver(kafka, &other, &topic, 1), denied, "to one user");
    kafka.set_rights(&user, &Right::to_look(&topic));
    assert!(told(denied), "the right was taken back");
    let mut rights = Right::to_produce(&topic);
    rights.push(Right::no_topic("*", "WRITE"));
    kafka.set_rights(&user, &rights);
    assert_eq!(deliver(kafka, &user, &topic, 1), denied, "no beats yes");
    let arrived = consume_all(kafka.bootstrap(), &topic).len();
    assert_eq!(arrived, 1, "what was refused isn't there");
}

#[test]
fn users_come_and_go() {
    let Some(kafka) = guarded_or_skip() else {
        return;
    };
    let topic = kafka.fresh_topic("users", 1, 1, &[]);
    let user = kafka.fresh_passing_user();
    kafka.set_rights(&user, &Right::to_produce(&topic));
    let told = |code| eventually(WITHIN, || deliver(kafka, &user, &topic, 1) == code);
    assert!(told(None));
    kafka.dismiss_user(&user);
    assert!(
        told(Some(RDKafkaErrorCode::MessageTimedOut)),
        "nobody lets it in"
    );
    kafka.admit_user(&user);
    assert!(told(None));
}

#[test]
fn a_topic_is_set_anew() {
    let Some(kafka) = guarded_or_skip() else {
        return;
    };
    let topic = kafka.fresh_topic("set", 1, 1, &[]);
    let user = kafka.fresh_user();
    kafka.set_rights(&user, &Right::to_produce(&topic));
    let told = |code| eventually(WITHIN, || deliver(kafka, &user, &topic, 5_000) == code);
    assert!(told(None));
    kafka.configure_topic(&topic, "max.message.bytes", "2000");
    assert!(told(Some(RDKafkaErrorCode::MessageSizeTooLarge)));
    kafka.configure_topic(&topic, "max.message.bytes", "9000");
    assert!(told(None));
}
