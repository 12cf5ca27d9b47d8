//! Why a request isn't taken, in words that are true now, and when to try again.

use std::time::Duration;

use hyper::StatusCode;

use super::answer::Problem;
use super::body::BodyFault;
use super::port::Local;
use super::retry;
use super::shares;
use super::streams::Route;
use crate::budget::Exhausted;
use crate::lane::Refusal;

#[cold]
pub(super) fn problem_of(fault: BodyFault, local: &Local, route: &Route) -> Problem {
    problem_by(fault, |exhausted| match exhausted {
        Exhausted::Owner => shares::no_memory(route),
        exhausted => {
            let held = local.port.budget.used();
            let wait =
                retry::after_exhaustion(exhausted, route.stream.share.used(), &route.cluster, held);
            Problem::unavailable("no_memory", exhausted.to_string(), wait)
        }
    })
}

/// The same, while it isn't known which stream the body is for.
#[cold]
pub(super) fn problem_of_unsorted(fault: BodyFault) -> Problem {
    problem_by(fault, |exhausted| {
        let detail = match exhausted {
            Exhausted::Budget => exhausted.to_string(),
            _ => "bodies that say themselves which stream they are for hold their fair part of the memory budget".into(),
        };
        Problem::unavailable("no_memory", detail, retry::SHORTEST)
    })
}

fn problem_by(fault: BodyFault, no_memory: impl FnOnce(Exhausted) -> Problem) -> Problem {
    use crate::decode::encoding::DecompressError;
    let detail = fault.to_string();
    let problem = match fault {
        BodyFault::TooLarge { .. } | BodyFault::Encoding(DecompressError::TooLarge { .. }) => {
            Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                format!("{detail}; send fewer events at once"),
            )
        }
        BodyFault::Timeout(_) => Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail),
        BodyFault::Memory(exhausted) => no_memory(exhausted),
        BodyFault::Broken(_) => Problem::new(StatusCode::BAD_REQUEST, "broken_body", detail),
        BodyFault::Encoding(_) => Problem::new(StatusCode::BAD_REQUEST, "corrupt_encoding", detail),
    };
    Problem {
        close: true,
        ..problem
    }
}

#[cold]
pub(super) fn not_ready(route: &Route) -> Problem {
    let detail = format!(
        "the partitions of the stream's topic aren't known: {}",
        unknown_because(route)
    );
    Problem::unavailable("not_ready", detail, Duration::from_secs(2))
}

#[cold]
pub(super) fn problem_of_refusal(refusal: &Refusal, route: &Route) -> Problem {
    let code = match refusal {
        Refusal::Full { .. } => "full",
        Refusal::Stalled { .. } => "stalled",
        Refusal::Draining => "draining",
    };
    let wait = retry::after_refusal(refusal, &route.cluster);
    let because = match refusal {
        Refusal::Draining => None,
        _ => why_not_taken(route).map(|why| format!("; {why}")),
    };
    let because = because.unwrap_or_default();
    let detail = format!("{refusal}{because}; nothing of the request was taken");
    match refusal {
        // With room in the log they would wait there.
        Refusal::Full { .. } | Refusal::Stalled { .. } => {
            shares::instead(route, Problem::unavailable(code, detail, wait))
        }
        Refusal::Draining => Problem::unavailable(code, detail, wait),
    }
}

/// The reason that is true now: the topic's fault before its cluster's.
fn unknown_because(route: &Route) -> String {
    let topic = route.topic.name();
    why_not_taken(route).unwrap_or_else(|| format!("topic {topic} has not answered yet"))
}

/// What is known to be wrong with the topic, or with its cluster.
pub(super) fn why_not_taken(route: &Route) -> Option<String> {
    use crate::produce::health::Condition::*;
    let cluster = route.cluster.name();
    if let Some(trouble) = route.topic.fault() {
        return Some(format!("{} (cluster {cluster})", trouble.reason));
    }
    match route.cluster.health().condition() {
        Up if route.topic.is_held() => Some(format!(
            "stream {} moves to topic {}, and what it left at its former topic goes first",
            route.name(),
            route.topic.name()
        )),
        Up if route.topic.is_changing() => Some(format!(
            "the number of partitions of topic {} has changed, and what came before goes first",
            route.topic.name()
        )),
        Up => None,
        Starting(reason) => Some(format!("cluster {cluster} is starting: {reason}")),
        Down(reason) => Some(format!("cluster {cluster} is down: {reason}")),
    }
}
