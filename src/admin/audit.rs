//! The audit of the admin port: a line ([`crate::telemetry::audit`]) for each change that was asked for over it, and for attempts without a
//! token that may make it. A dry run changes nothing and has no line.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde_json::Value;

use crate::telemetry::audit::TARGET;

/// How often refused attempts have a line: whoever reaches the port can make as many as he likes. What is between is counted.
const EVERY: Duration = Duration::from_secs(1);

/// Who changes something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Who {
    /// Where from, if over the admin port.
    pub(super) address: SocketAddr,
    /// Whose token was shown, as the setting is called; nothing if none is asked for.
    pub(super) token: Option<&'static str>,
}

/// What was asked for over the admin port; nothing if no change was.
pub(super) fn action(path: &str) -> &'static str {
    match path {
        "/reload" => "reload",
        "/dead/redrive" => "redrive",
        _ => "unknown",
    }
}

/// A change that was asked for over the admin port, and its answer.
pub(super) fn answered(who: Who, path: &str, query: &str, status: StatusCode, body: &Value) {
    if body["dry_run"] == true {
        return;
    }
    let result = match status {
        StatusCode::ACCEPTED => "begun",
        status if status.is_success() => "done",
        _ => "failed",
    };
    let (address, token) = (who.address, who.token);
    let what = Some(query).filter(|query| !query.is_empty());
    let number = |value: &Value| value.as_u64();
    tracing::info!(
        target: TARGET,
        action = action(path),
        result,
        via = "admin port",
        %address,
        token,
        status = status.as_u16(),
        what,
        generation = number(&body["generation"]),
        changes = body["changes"].as_array().map(Vec::len),
        events = number(&body["events"]),
        error = body["error"].as_str(),
        "audit"
    );
}

/// Attempts without a token that may change something.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<(Option<Instant>, u64)>);

impl Attempts {
    /// Notes one.
    pub(super) fn refused(&self, who: Who, path: &str, status: StatusCode) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, others) = &mut *last;
        if at.is_some_and(|at| at.elapsed() < EVERY) {
            *others += 1;
            return;
        }
        let (address, token) = (who.address, who.token);
        tracing::warn!(
            target: TARGET,
            action = action(path),
            result = "refused",
            via = "admin port",
            %address,
            token,
            status = status.as_u16(),
            others,
            "audit"
        );
        *last = (Some(Instant::now()), 0);
    }
}
