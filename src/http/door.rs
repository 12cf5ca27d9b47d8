//! What a stream's topic takes: what Kafka would refuse later is refused here, before anything is promised for it.

use std::time::Duration;

use super::answer::{EventError, Problem};
use super::streams::Route;
use crate::decode::{self, Captured};
use crate::produce::verdict::ClientFault;
use crate::route::KeySource;

/// When to send again what only an operator can make welcome.
const LONG_WAIT: Duration = Duration::from_secs(10);

/// The limits of a topic, as of now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Door {
    max_payload: u64,
    needs_key: bool,
}

impl Door {
    /// A cluster that can't do what its settings ask for takes nothing, ever: what the log took for it would stay there. A
    /// topic that needs keys takes nothing of a stream that has none. No client can mend that, so it's no fault of theirs.
    pub(super) fn of(route: &Route) -> Result<Door, Problem> {
        if route.cluster.health().client().is(ClientFault::Unsupported) {
            return Err(cluster_impossible(route));
        }
        let limits = route.topic.limits();
        let needs_key = limits.needs_key();
        if needs_key && matches!(route.key, KeySource::None) {
            return Err(topic_needs_key(route));
        }
        Ok(Door {
            max_payload: limits.max_payload(),
            needs_key,
        })
    }

    /// Whether the topic takes events without a key.
    pub(super) fn needs_key(self) -> bool {
        self.needs_key
    }

    /// How many bytes an event may have, its key among them.
    pub(super) fn max_payload(self) -> u64 {
        self.max_payload
    }

    /// The error of an event that is too large. `key` and `headers` are bytes beside its own.
    pub(super) fn size_error(
        self,
        event: &decode::Event,
        key: u64,
        headers: u64,
        route: &Route,
    ) -> EventError {
        let value = event.end - event.start;
        let (headers, all) = match headers {
            0 => (String::new(), "both"),
            headers => (format!(" and headers of {headers} bytes"), "all"),
        };
        let detail = format!(
            "{value} bytes with a key of {key} bytes{headers}; topic {} takes {} bytes of {all} together",
            route.topic.name(),
            self.max_payload
        );
        EventError {
            index: event.index,
            code: "too_large_for_kafka",
            detail,
        }
    }

    /// The error of an event that has no key and needs one.
    pub(super) fn key_error(self, event: &decode::Event, route: &Route) -> EventError {
        let (code, what) = match (&route.key, event.key) {
            (KeySource::Event(_), Captured::Composite) => (
                "key_not_scalar",
                "is an object or an array; send a string or a number",
            ),
            (KeySource::Event(_), _) => ("key_missing", "is missing or null in the event"),
            (KeySource::Header(_), _) => ("key_missing", "is missing among the request's headers"),
            _ => (
                "key_missing",
                "is missing in the path; send to /v1/events/{stream}/{key}",
            ),
        };
        let name = match &route.key {
            KeySource::Event(pointer) => format!("the key at {pointer}"),
            KeySource::Header(name) => format!("the key in header {name}"),
            _ => "the key".into(),
        };
        let why = if self.needs_key {
            "; the stream's topic is compacted and takes only events with a key"
        } else {
            ""
        };
        EventError {
            index: event.index,
            code,
            detail: format!("{name} {what}{why}"),
        }
    }
}

#[cold]
fn cluster_impossible(route: &Route) -> Problem {
    let trouble = route.cluster.health().client().get();
    let reason = trouble.map(|it| it.reason.clone()).unwrap_or_default();
    let name = route.cluster.name();
    let detail = format!("cluster {name} takes nothing: {reason}");
    Problem::unavailable("cluster_impossible", detail, LONG_WAIT)
}

#[cold]
fn topic_needs_key(route: &Route) -> Problem {
    let detail = format!(
        "topic {} is compacted and takes only events with a key, but the stream has none; set its `key`, or change the topic's cleanup.policy",
        route.topic.name()
    );
    Problem::unavailable("topic_needs_key", detail, LONG_WAIT)
}
