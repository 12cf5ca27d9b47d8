//! What clients are told, and what is in the topic afterwards: each test sends to the data port in front of a mock
//! cluster, and compares answers and records with what the contract says.

mod bodies;
mod encodings;
mod keys;
mod lists;
mod problems;
mod protocols;

use serde_json::Value;

use crate::support::gateway::{Gateway, config};
use crate::support::http::{Answer, Client};
use crate::support::mock::Mock;

/// Where the stream `events` takes events.
const EVENTS: &str = "/v1/events/events";
const JSON: (&str, &str) = ("content-type", "application/json");
const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

/// A mock cluster in which the topic `events` has one partition, so that its order is that of sending, and a gateway
/// in front of it.
fn started(more: &str) -> (Mock, Gateway) {
    let mock = Mock::start(1, &[("events", 1)]);
    let gateway = Gateway::ready(&config(mock.bootstrap(), more));
    (mock, gateway)
}

/// Checks that all of a request's events were taken.
#[track_caller]
fn check_taken(answer: &Answer, events: usize) {
    let expected = format!(r#"{{"accepted":{events},"acked":{events},"spilled":0}}"#);
    assert_eq!((answer.status, answer.text()), (200, expected));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

/// Checks that an answer is a problem as RFC 9457 has it, and returns it.
#[track_caller]
fn check_problem(answer: &Answer, status: u16, code: &str) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    let problem = answer.json();
    assert_eq!(problem["type"], format!("urn:forebay:{code}"), "{problem}");
    assert_eq!(problem["status"], status, "{problem}");
    assert!(
        problem["title"]
            .as_str()
            .is_some_and(|title| !title.is_empty()),
        "{problem}"
    );
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|detail| !detail.is_empty()),
        "{problem}"
    );
    problem
}

/// Index and code of each error of a body.
fn errors(body: &Value) -> Vec<(u64, String)> {
    let errors = body["errors"].as_array().unwrap().iter();
    errors
        .map(|error| {
            (
                error["index"].as_u64().unwrap(),
                error["code"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}
