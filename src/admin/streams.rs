//! What the admin port shows of streams and their lanes.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Map, Value, json};

use super::sampler::Sample;
use super::topics::Topics;
use super::view::View;
use crate::http::Route;
use crate::lane::{Lane, Phase};
use crate::spill::Backlog;
use crate::telemetry::Answer;
use crate::telemetry::samples::StreamSample;

/// A stream's lanes together.
#[derive(Default)]
struct Lanes {
    /// Direct, spilling, and replaying or about to be direct again.
    phases: [u64; 3],
    waiting_events: u64,
    waiting_bytes: u64,
    spilled: Backlog,
}

fn backlog(sample: &Sample, lane: &Lane) -> Backlog {
    let stored = lane.spill();
    stored.map_or_else(Backlog::default, |id| sample.backlog(id))
}

/// Whose it is; empty if nobody's.
fn owner_of(route: &Route) -> &str {
    let terms = route.owner.as_ref();
    terms.map(|terms| terms.name()).unwrap_or_default()
}

impl View {
    fn lanes_together(&self, route: &Route, topics: &Topics) -> Lanes {
        let mut sum = Lanes::default();
        let sample = self.sampler.latest();
        let its = topics.of_stream(route.name());
        let lanes = its.flat_map(|(_, topic)| {
            let is_retired = topic.is_retired();
            topic
                .lanes_ever()
                .into_iter()
                .map(move |lane| (lane, is_retired))
        });
        for (lane, is_retired) in lanes {
            let backlog = backlog(&sample, &lane);
            let phase = lane.phase();
            // Nothing goes directly to a topic that the stream doesn't have any more.
            if (lane.partition() >= 0 && !is_retired) || phase != Phase::Direct {
                sum.phases[(phase as usize).min(2)] += 1;
            }
            sum.waiting_events += u64::from(lane.events());
            sum.waiting_bytes += lane.bytes();
            sum.spilled.events += backlog.events;
            sum.spilled.bytes += backlog.bytes;
            sum.spilled.oldest = sum.spilled.oldest.max(backlog.oldest).max(lane.age());
        }
        sum
    }

    /// `/lanes`.
    pub(super) fn lanes(&self) -> Value {
        let sample = self.sampler.latest();
        let topics = Topics::of(&self.clusters());
        let lane = |cluster: &str, topic: &str, lane: &Lane| {
            let backlog = backlog(&sample, lane);
            json!({
                "cluster": cluster,
                "topic": topic,
                "partition": lane.partition(),
                "phase": lane.phase().as_str(),
                "age_ms": lane.age().as_millis() as u64,
                "waiting_events": lane.events(),
                "waiting_bytes": lane.bytes(),
                "spill_events": backlog.events,
                "spill_bytes": backlog.bytes,
                "spill_oldest_seconds": backlog.oldest.as_secs(),
            })
        };
        let stream = |route: &Arc<Route>| {
            let its = topics.of_stream(route.name());
            let lanes = its.flat_map(|(cluster, topic)| {
                let lanes = topic.lanes_ever().into_iter();
                lanes.map(move |its| lane(cluster.name(), topic.name(), &its))
            });
            (route.name().to_owned(), lanes.collect::<Value>())
        };
        Value::Object(
            self.port
                .now()
                .shown
                .iter()
                .map(stream)
                .collect::<Map<_, _>>(),
        )
    }

    pub(super) fn stream_status(
        &self,
        route: &Route,
        refused: Option<&str>,
        topics: &Topics,
    ) -> Value {
        let (stream, ledger) = (&route.stream, &route.stream.ledger);
        let lanes = self.lanes_together(route, topics);
        let answers = Answer::ALL.map(|answer| {
            (
                answer.as_str().to_owned(),
                json!(stream.metrics.answers(answer)),
            )
        });
        json!({
            "cluster": route.cluster.name(),
            "topic": route.topic.name(),
            "owner": owner_of(route),
            "partitions": route.topic.lanes().len(),
            "takes": refused.is_none(),
            "reason": refused.unwrap_or_default(),
            "moving": self.moving(route, topics),
            "events": {
                "accepted": ledger.accepted.load(Relaxed),
                "acked": ledger.acked.load(Relaxed),
                "spilled": ledger.spilled.load(Relaxed),
                "replayed": ledger.replayed.load(Relaxed),
                "dead": ledger.dead.load(Relaxed),
                "redriven": ledger.redriven.load(Relaxed),
                "refused": ledger.refused.load(Relaxed),
                "failed": ledger.failed.load(Relaxed),
                "unknown": ledger.unknown.load(Relaxed),
                "in_flight": ledger.in_flight(),
                "late": ledger.late.load(Relaxed),
                "lost": ledger.lost.load(Relaxed),
                "rejected": stream.metrics.rejected.load(Relaxed),
            },
            "answers": serde_json::Map::from_iter(answers),
            "lanes": { "direct": lanes.phases[0], "spilling": lanes.phases[1], "replaying": lanes.phases[2] },
            "waiting_events": lanes.waiting_events,
            "waiting_bytes": lanes.waiting_bytes,
            "spill_events": lanes.spilled.events,
            "spill_bytes": lanes.spilled.bytes,
            "oldest_seconds": lanes.spilled.oldest.as_secs_f64(),
            "memory_bytes": stream.share.used(),
        })
    }

    /// What new events of a stream wait for that has moved, and since when; nothing if they don't.
    fn moving(&self, route: &Route, topics: &Topics) -> Value {
        let Some(since) = route.topic.held_for() else {
            return Value::Null;
        };
        let sample = self.sampler.latest();
        let others = topics.of_stream(route.name());
        let others = others.filter(|(_, topic)| !Arc::ptr_eq(topic, &route.topic));
        let left = others.map(|(cluster, topic)| {
            let lanes = topic.lanes_ever();
            let spilled = lanes
                .iter()
                .map(|lane| backlog(&sample, lane).events)
                .sum::<u64>();
            let waiting: u64 = lanes.iter().map(|lane| u64::from(lane.events())).sum();
            json!({
                "cluster": cluster.name(),
                "topic": topic.name(),
                "spill_events": spilled,
                "waiting_events": waiting,
            })
        });
        json!({ "seconds": since.as_secs_f64(), "waits_for": left.collect::<Vec<_>>() })
    }

    pub(super) fn stream_sample(&self, route: &Route, topics: &Topics) -> StreamSample {
        let (stream, ledger) = (&route.stream, &route.stream.ledger);
        let lanes = self.lanes_together(route, topics);
        StreamSample {
            name: stream.name.clone(),
            cluster: route.cluster.name().into(),
            topic: route.topic.name().into(),
            owner: owner_of(route).into(),
            accepted: ledger.accepted.load(Relaxed),
            acked: ledger.acked.load(Relaxed),
            spilled: ledger.spilled.load(Relaxed),
            replayed: ledger.replayed.load(Relaxed),
            dead: ledger.dead.load(Relaxed),
            redriven: ledger.redriven.load(Relaxed),
            refused: ledger.refused.load(Relaxed),
            failed: ledger.failed.load(Relaxed),
            unknown: ledger.unknown.load(Relaxed),
            late: ledger.late.load(Relaxed),
            lost: ledger.lost.load(Relaxed),
            in_flight: ledger.in_flight(),
            rejected: stream.metrics.rejected.load(Relaxed),
            body_bytes: stream.metrics.body_bytes.load(Relaxed),
            answers: Answer::ALL.map(|answer| (answer.as_str(), stream.metrics.answers(answer))),
            latency: stream.metrics.latency.sample(),
            waiting_events: lanes.waiting_events,
            waiting_bytes: lanes.waiting_bytes,
            lanes: lanes.phases,
            oldest: lanes.spilled.oldest,
            spill_events: lanes.spilled.events,
            residual: 0,
            takes: true,
            is_leaving: false,
        }
    }
}
