//! Clients that mean harm or don't know better: too slow, too many, too large, or no HTTP at all. Whatever they do, memory
//! stays bounded and good clients are served.

mod framing;
mod garbage;
mod held;
mod kept;
mod limits;
mod memory;
mod refusals;
mod replay;
mod slow;

use std::time::{Duration, Instant};

use crate::support::eventually;
use crate::support::gateway::{Gateway, config};
use crate::support::http::Client;
use crate::support::mock::Mock;

const EVENTS: &str = "/v1/events/events";
const EVENT: &str = r#"{"user":"a","id":"1"}"#;
const MS: Duration = Duration::from_millis(1);
const SOON: Duration = Duration::from_secs(5);

/// A mock cluster with a topic `events`, and a gateway in front of it.
fn started(more: &str) -> (Mock, Gateway) {
    let mock = Mock::start(1, &[("events", 1)]);
    let gateway = Gateway::ready(&config(mock.bootstrap(), more));
    (mock, gateway)
}

/// The head of a request, without the empty line at its end.
fn head(more: &str) -> String {
    format!("POST {EVENTS} HTTP/1.1\r\nhost: test\r\n{more}\r\n")
}

/// Checks that a client that does everything right is served.
#[track_caller]
fn check_good_client(gateway: &Gateway) {
    check_served(&mut gateway.client());
}

/// Checks that a connection serves a good request.
#[track_caller]
fn check_served(client: &mut Client) {
    let answer = client.post_json("events", EVENT);
    assert_eq!(answer.status, 200, "{}", answer.text());
}
