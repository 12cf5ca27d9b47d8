//! What the admin port shows of dead letters.

use std::borrow::Cow;

use hyper::StatusCode;
use serde_json::{Value, json};

use super::redrive::Asked;
use super::view::View;
use crate::lane::dead::{DeadLane, DeadLetters, Destination, census, dead_lanes};
use crate::lane::redrive::Plan;
use crate::lifecycle::Phase;
use crate::telemetry::samples::DeadSample;

impl View {
    /// The dead letters of the spill log, by stream and reason.
    pub fn dead_letters(&self) -> Vec<DeadLetters> {
        let log = self.spill.as_ref();
        log.map_or_else(Vec::new, |log| census(log, &self.clusters()))
    }
}

pub(super) fn status(dead: &[DeadLetters]) -> Value {
    let dead = dead.iter().filter(|it| it.events > 0).map(|it| {
        json!({
            "cluster": it.cluster,
            "stream": it.stream,
            "reason": it.reason.as_str(),
            "events": it.events,
            "bytes": it.bytes,
            "oldest_seconds": it.oldest.as_secs(),
        })
    });
    dead.collect()
}

pub(super) fn samples(dead: &[DeadLetters]) -> Vec<DeadSample> {
    let samples = dead.iter().map(|it| DeadSample {
        cluster: it.cluster.clone(),
        stream: it.stream.clone(),
        reason: it.reason.as_str(),
        events: it.events,
        bytes: it.bytes,
        oldest: it.oldest,
    });
    samples.collect()
}

/// Events and bytes of all of them.
pub(super) fn sums(dead: &[DeadLetters]) -> (u64, u64) {
    let events = dead.iter().map(|it| it.events).sum();
    (events, dead.iter().map(|it| it.bytes).sum())
}

fn lane(lane: &DeadLane) -> Value {
    json!({
        "lane": lane.name,
        "cluster": lane.cluster,
        "stream": lane.stream,
        "topic": lane.topic,
        "reason": lane.reason.as_str(),
        "events": lane.events,
        "bytes": lane.bytes,
        "oldest_seconds": lane.oldest.as_secs(),
        "configured": lane.goes_to.is_some(),
    })
}

impl View {
    /// `/dead`: the lanes of dead letters, and the last redrive.
    pub(super) fn dead(&self) -> Value {
        let known = Destination::of(&self.clusters());
        let lanes = self
            .spill
            .as_ref()
            .map(|log| dead_lanes(&log.lanes(), &known));
        let lanes = lanes.unwrap_or_default();
        json!({
            "lanes": lanes.iter().map(lane).collect::<Vec<_>>(),
            "redrive": self.redriver.status(),
        })
    }

    /// `POST /dead/redrive`.
    pub(super) fn redrive(&self, query: &str) -> (StatusCode, Value) {
        let refused = |status, error: Cow<'_, str>| (status, json!({ "error": error }));
        let Some(log) = &self.spill else {
            return refused(
                StatusCode::NOT_FOUND,
                "there is no spill log (spill.dir)".into(),
            );
        };
        let asked = match Asked::parse(query) {
            Ok(asked) => asked,
            Err(error) => return refused(StatusCode::BAD_REQUEST, error.into()),
        };
        if !asked.is_dry && self.phase() != Phase::Running {
            return refused(
                StatusCode::SERVICE_UNAVAILABLE,
                "forebay isn't running".into(),
            );
        }
        let known = Destination::of(&self.clusters());
        let plan = Plan::new(&log.lanes(), &known, &asked.choice);
        if plan.is_empty() {
            return refused(
                StatusCode::NOT_FOUND,
                "there are no such dead letters; see /dead".into(),
            );
        }
        let (events, bytes) = plan.sums();
        let mut answer = json!({
            "dry_run": asked.is_dry,
            "events": events,
            "bytes": bytes,
            "lanes": plan.goes.iter().map(lane).collect::<Vec<_>>(),
            "stay_because_not_configured": plan.stays.iter().map(lane).collect::<Vec<_>>(),
        });
        if asked.is_dry || events == 0 {
            return (StatusCode::OK, answer);
        }
        let (clusters, phase) = (self.clusters(), self.phase.clone());
        match self.redriver.start(log, clusters, phase, plan) {
            Ok(run) => {
                answer["redrive"] = run.status();
                (StatusCode::ACCEPTED, answer)
            }
            Err(run) => {
                let error = "a redrive is running, one at a time; see /dead";
                let running = json!({ "error": error, "redrive": run.status() });
                (StatusCode::CONFLICT, running)
            }
        }
    }
}
