//! Each outcome has its status, and Kafka's failures are never a client's.

use super::*;

fn outcome(acked: u32, not_acked: &[(u32, Cause)]) -> Outcome {
    Outcome {
        acked,
        spilled: 0,
        queued: 0,
        not_acked: not_acked.to_vec(),
    }
}

fn status_of(outcome: Outcome, rejected: Vec<EventError>) -> (Answer, u16, Option<String>) {
    let (answer, said) = settled(
        outcome,
        rejected.into(),
        || None,
        || Duration::from_millis(1_200),
    );
    let reply = said.reply(&mut spare());
    assert!(!reply.headers().contains_key(hyper::header::COOKIE));
    let retry = reply
        .headers()
        .get(RETRY_AFTER)
        .map(|value| value.to_str().unwrap().to_owned());
    (answer, reply.status().as_u16(), retry)
}

/// What a request's headers may be.
fn spare() -> HeaderMap {
    HeaderMap::from_iter([(hyper::header::COOKIE, HeaderValue::from_static("secret"))])
}

fn rejected(code: &'static str) -> Vec<EventError> {
    vec![EventError {
        index: 1,
        code,
        detail: String::new(),
    }]
}

#[test]
fn each_outcome_has_its_status() {
    assert_eq!(status_of(outcome(3, &[]), vec![]), (Answer::Ok, 200, None));
    assert_eq!(
        status_of(outcome(3, &[]), rejected("malformed")),
        (Answer::Partly, 207, None)
    );
    assert_eq!(
        status_of(outcome(3, &[(0, Cause::TooLargeForKafka)]), vec![]),
        (Answer::Partly, 207, None)
    );
    assert_eq!(
        status_of(outcome(0, &[(0, Cause::TooLargeForKafka)]), vec![]),
        (Answer::Client, 413, None)
    );
}

#[test]
fn a_kafka_failure_is_never_the_clients_fault() {
    for cause in [
        Cause::Timeout,
        Cause::Draining,
        Cause::NotTaken,
        Cause::RefusedByKafka,
        Cause::Unknown,
    ] {
        let expected = (Answer::Unavailable, 503, Some("2".to_owned()));
        assert_eq!(
            status_of(outcome(0, &[(0, cause)]), vec![]),
            expected,
            "{cause:?}"
        );
        assert_eq!(
            status_of(outcome(5, &[(0, cause)]), rejected("malformed")),
            expected,
            "{cause:?}"
        );
    }
}
