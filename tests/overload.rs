//! More events than Kafka takes, or no Kafka at all: every request is answered in time, what was refused stays refused, and
//! one sick cluster costs the others nothing.

mod full;
mod outage;

use std::time::{Duration, Instant};

use crate::support::eventually;
use crate::support::gateway::{Gateway, config};
use crate::support::http::{Answer, Client};
use crate::support::mock::Mock;

const MS: Duration = Duration::from_millis(1);
const SOON: Duration = Duration::from_secs(10);

fn event(user: &str, id: &str) -> String {
    format!(r#"{{"user":"{user}","id":"{id}"}}"#)
}

/// Checks that an answer is a 503 with an honest time to wait, and returns its code.
#[track_caller]
fn check_unavailable(answer: &Answer) -> String {
    assert_eq!(answer.status, 503, "{}", answer.text());
    let wait: u32 = answer
        .header("retry-after")
        .expect("retry-after")
        .parse()
        .unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    answer.json()["type"]
        .as_str()
        .unwrap()
        .trim_start_matches("urn:forebay:")
        .to_owned()
}

/// Writes a request on a connection of its own, and leaves the answer for later.
fn sent(gateway: &Gateway, stream: &str, body: &str) -> Client {
    let mut client = gateway.client();
    client
        .send(&format!("/v1/events/{stream}"), &[], body.as_bytes())
        .unwrap();
    client
}
