//! Who may send: keys, signatures, origins, and what strangers try.

mod callers;
mod floods;
mod keys;
mod pages;
mod rotation;
mod routes;
mod several;

use std::time::Duration;

use super::support::gateway::{Gateway, config};
use super::support::http::{Answer, Client};
use super::support::mock::Mock;

const EVENTS: &str = "/v1/events/events";
const EVENT: &[u8] = br#"{"user":"a","id":"1"}"#;
const JSON: (&str, &str) = ("content-type", "application/json");

/// A gateway with streams `events` and `others`, and these lines before them.
fn started(more: &str) -> (Mock, Gateway) {
    let mock = Mock::start(1, &[("events", 2), ("others", 2)]);
    let gateway = Gateway::ready(&with_others(&mock, more));
    (mock, gateway)
}

fn with_others(mock: &Mock, more: &str) -> String {
    let config = config(mock.bootstrap(), more);
    format!("{config}[streams.others]\ncluster = \"main\"\n")
}

/// Posts an event with these headers, on a connection of its own.
fn post(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> Answer {
    gateway.client().post(path, headers, EVENT)
}

/// Status, and the code of the problem if it is one.
fn told(answer: &Answer) -> (u16, String) {
    let code = match answer.header("content-type") {
        Some("application/problem+json") => answer.json()["type"].as_str().unwrap().to_owned(),
        _ => String::new(),
    };
    (answer.status, code.replace("urn:forebay:", ""))
}

#[track_caller]
fn check(answer: &Answer, status: u16, code: &str) {
    assert_eq!(told(answer), (status, code.to_owned()), "{}", answer.text());
}
