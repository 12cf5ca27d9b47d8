//! What the log tells: causes are named in time, and a trouble that stands doesn't fill it.

use rdkafka::types::RDKafkaRespErr as Code;

use super::*;

fn lines(gateway: &Gateway, with: &str) -> usize {
    gateway
        .log()
        .lines()
        .filter(|line| line.contains(with))
        .count()
}

#[test]
fn a_broker_whose_name_cannot_be_resolved_is_named_in_the_log() {
    let gateway = Gateway::start(&config("kafka-7.nowhere.invalid:9092", ""));
    eventually("the log names it", SOON, || {
        let log = gateway.log();
        let mut warnings = log.lines().filter(|line| line.contains(" WARN "));
        warnings
            .any(|line| line.contains("kafka-7.nowhere.invalid:9092") && line.contains("esolve"))
    });
    // It's tried several times a second, and said once.
    std::thread::sleep(5 * SECOND);
    let said = lines(&gateway, "nowhere.invalid");
    assert!((1..=6).contains(&said), "{}", gateway.log());
    gateway.stop();
}

#[test]
fn a_topic_that_is_missing_is_said_once_when_it_changes_and_when_it_is_mended() {
    let mock = mock();
    let fault = |code| mock.with(move |cluster| cluster.topic_error("events", code).unwrap());
    fault(Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    let gateway = Gateway::start(&config(mock.bootstrap(), ""));
    let warned = || lines(&gateway, " WARN ");
    eventually("it is said", SOON, || warned() > 0);
    // The probe looks every two seconds.
    std::thread::sleep(5 * SECOND);
    assert_eq!(
        lines(&gateway, "topic can't be used"),
        1,
        "{}",
        gateway.log()
    );
    fault(Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    eventually("the change is said", SOON, || {
        lines(&gateway, "topic can't be used") == 2
    });
    fault(Code::RD_KAFKA_RESP_ERR_NO_ERROR);
    eventually("the end is said", SOON, || {
        lines(&gateway, "topic can be used again") == 1
    });
    gateway.wait_ready(2 * SOON);
    assert_eq!(gateway.client().post_json("events", EVENT).status, 200);
    gateway.stop();
}
