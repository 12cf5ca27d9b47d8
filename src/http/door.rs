//! What a stream's topic takes: what Kafka would refuse later is refused here, before anything is promised for it.

use std::time::Duration;

use super::answer::{EventError, Problem};
use super::streams::Route;
use crate::decode;
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
        let trouble = route.cluster.health().client();
        if trouble.is(ClientFault::Unsupported) {
            let reason = trouble.get().map(|it| it.reason.clone());
            let (name, reason) = (route.cluster.name(), reason.unwrap_or_default());
            let detail = format!("cluster {name} takes nothing: {reason}");
            return Err(Problem::unavailable(
                "cluster_impossible",
                detail,
                LONG_WAIT,
            ));
        }
        let limits = route.topic.limits();
        let needs_key = limits.needs_key();
        if needs_key && matches!(route.key, KeySource::None) {
            let detail = format!(
                "topic {} is compacted and takes only events with a key, but the stream has none; set its `key`, or change the topic's cleanup.policy",
                route.topic.name()
            );
            return Err(Problem::unavailable("topic_needs_key", detail, LONG_WAIT));
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

    /// Whether an event of so many bytes, its key among them, is too large.
    pub(super) fn is_too_low_for(self, bytes: u64) -> bool {
        bytes > self.max_payload
    }

    /// The error of an event that is too large.
    pub(super) fn size_error(self, event: &decode::Event, key: u64, route: &Route) -> EventError {
        let value = event.end - event.start;
        let detail = format!(
            "{value} bytes with a key of {key} bytes; topic {} takes {} bytes of both together",
            route.topic.name(),
            self.max_payload
        );
        EventError {
            index: event.index,
            code: "too_large_for_kafka",
            detail,
        }
    }
}
