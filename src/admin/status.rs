//! What the admin port shows, gathered from the counters and gauges of the other stages.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde_json::{Value, json};

use super::readiness::{self, Readiness, judge};
use super::resident::resident_bytes;
use super::sampler::{STALE, Sample, log_takes};
use super::topics::Topics;
use super::trouble::{Kind, Trouble};
use super::view::View;
use super::{dead, disk, owners};
use crate::http::{Route, Snapshot};
use crate::lane::Cluster;
use crate::lane::dead::DeadLetters;
use crate::produce::health::Condition;
use crate::produce::verdict::ClientFault;
use crate::spill::{State, Stats};
use crate::telemetry::metrics;
use crate::telemetry::samples::{ClusterSample, ProcessSample, Samples, StreamSample};

/// How long before events are refused that is said: as the alert does that pages.
const SOON: Duration = Duration::from_secs(1_800);
/// Why a stream takes nothing that isn't configured any more.
const REMOVED: &str = "the stream is no longer configured; what it took drains";
/// Why a stream takes nothing that is configured so.
const GONE: &str = "the stream is configured as gone; what it took drains";

impl View {
    /// Whether requests are accepted.
    pub fn readiness(&self) -> Readiness {
        self.readiness_of(&self.port.now(), &self.clusters(), self.start.elapsed())
    }

    /// Whether events wait in the log, as far as it was looked at.
    pub fn has_backlog(&self) -> bool {
        let log = self.sampler.latest().spill.clone();
        log.is_some_and(|log| log.backlog_events > 0)
    }

    /// Whether requests would be accepted now if no cluster were waited for any longer: those of clusters that were never reached go
    /// over the log.
    pub fn is_ready_over_log(&self) -> bool {
        let running_for = self.start.elapsed().max(readiness::WARM_WITHIN);
        let readiness = self.readiness_of(&self.port.now(), &self.clusters(), running_for);
        readiness.ready
    }

    /// Whether requests are accepted with this configuration by a process that has run for so long.
    fn readiness_of(
        &self,
        now: &Snapshot,
        known: &[Arc<Cluster>],
        running_for: Duration,
    ) -> Readiness {
        let sample = self.sampler.latest();
        let spills = log_takes(&sample);
        let clusters: Vec<_> = known
            .iter()
            .map(|cluster| judged_cluster(cluster, spills))
            .collect();
        let routes = now.taking();
        let streams: Vec<_> = routes.map(|route| judged_stream(route, known)).collect();
        let mut readiness = judge(
            self.phase(),
            running_for,
            now.wait_for_all,
            &clusters,
            &streams,
        );
        readiness.reasons.extend(self.damage_reasons());
        let unseen = sample.at.elapsed();
        if unseen >= STALE {
            let seconds = unseen.as_secs();
            let why =
                format!("the sampler has stood still for {seconds} s: this is a bug in forebay");
            readiness.reasons.push(Trouble::new(Kind::Bug, why));
        }
        if let Some(log) = &sample.spill
            && let Some(why) = disk::refuses_because(log)
        {
            let kind = match log.state {
                State::Full => Kind::LogFull,
                _ => Kind::Disk,
            };
            readiness.reasons.push(Trouble::new(kind, why));
        }
        let disk = self.trend.disk_trouble();
        readiness
            .reasons
            .extend(disk.map(|why| Trouble::new(Kind::Disk, why)));
        if let Some(why) = self.vitals.failed() {
            readiness.ready = false;
            let why = format!("{why}: this is a bug");
            readiness.reasons.push(Trouble::new(Kind::Bug, why));
        }
        readiness
    }

    /// What is wrong, the worst first: what readiness says of it, and what doesn't concern it.
    fn troubles(&self, readiness: &Readiness, dead: &[DeadLetters]) -> Vec<Trouble> {
        let mut all = Vec::new();
        match self.trend.time_to_loss() {
            Some(left) if left.is_zero() => {
                let what = "events are refused: neither Kafka nor the log takes them in time";
                all.push(Trouble::new(Kind::Loss, what));
            }
            Some(left) if left < SOON => {
                let what = format!(
                    "events are refused in {} s if it goes on so",
                    left.as_secs()
                );
                all.push(Trouble::new(Kind::Loss, what));
            }
            _ => {}
        }
        all.extend(readiness.reasons.iter().cloned());
        let (dead, _) = dead::sums(dead);
        if dead > 0 {
            let what = format!("{dead} events are dead letters: Kafka refused them for good");
            all.push(Trouble::new(Kind::DeadLetters, what));
        }
        let loaded = self.reloads.loaded();
        if let Some((_, why)) = &loaded.failed {
            let what = format!("the last reload failed and changed nothing: {why}");
            all.push(Trouble::new(Kind::Reload, what));
        }
        if let Some((_, why)) = &loaded.keys_failed {
            let what = format!("a changed file of keys can't be taken: {why}");
            all.push(Trouble::new(Kind::Keys, what));
        }
        all
    }

    /// `/metrics`.
    pub fn metrics(&self) -> String {
        let now = self.port.now();
        let known = self.clusters();
        let readiness = self.readiness_of(&now, &known, self.start.elapsed());
        let clusters: Vec<_> = known
            .iter()
            .map(|cluster| cluster_sample(cluster))
            .collect();
        let topics = Topics::of(&known);
        let streams: Vec<_> = with_refusals(&now, &readiness)
            .map(|(route, refused)| StreamSample {
                residual: self.trend.residual(route.name()),
                takes: refused.is_none(),
                is_leaving: !now.routes.contains_key(route.name()),
                ..self.stream_sample(route, &topics)
            })
            .collect();
        let sample = self.sampler.latest();
        let log = &sample.spill;
        let of_log = |read: fn(&Stats) -> u64| log.as_ref().map_or(0, read);
        let dead = &sample.dead;
        let (dead_events, dead_bytes) = dead::sums(dead);
        let loaded = self.reloads.loaded();
        let process = ProcessSample {
            ready: readiness.ready,
            connections: self.server.connections() as u64,
            memory_used: self.budget.used(),
            memory_budget: self.budget.total(),
            memory_resident: resident_bytes(),
            spill_takes: log_takes(&sample),
            spill_used: of_log(|log| log.used_bytes),
            spill_quota: of_log(|log| log.quota_bytes),
            spill_backlog_events: of_log(|log| log.backlog_events).saturating_sub(dead_events),
            spill_backlog: of_log(|log| log.backlog_bytes).saturating_sub(dead_bytes),
            time_to_loss: self.trend.time_to_loss(),
            config_generation: loaded.generation,
            config_reload_failed: loaded.failed.is_some(),
            key_files_failed: loaded.keys_failed.is_some(),
        };

        metrics::render(Samples {
            process,
            refusals: self.port.refusals.all().to_vec(),
            sources: now
                .access
                .as_ref()
                .map(|it| it.samples())
                .unwrap_or_default(),
            clusters,
            streams,
            owners: owners::samples(&now),
            dead: dead::samples(dead),
            damage: self.damage_samples(),
        })
    }

    /// `/status`.
    pub fn status(&self) -> Value {
        let now = self.port.now();
        let known = self.clusters();
        let readiness = self.readiness_of(&now, &known, self.start.elapsed());
        let sample = self.sampler.latest();
        let dead = &sample.dead;
        let topics = Topics::of(&known);
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_seconds": self.start.elapsed().as_secs(),
            "phase": format!("{:?}", self.phase()).to_lowercase(),
            "ready": readiness.ready,
            "reasons": readiness.reasons.iter().map(|it| it.what.as_str()).collect::<Vec<_>>(),
            "troubles": self.troubles(&readiness, dead).iter().map(Trouble::status).collect::<Vec<_>>(),
            "configuration": self.reloads.loaded().status(),
            "connections": self.server.connections(),
            "refusals": self.port.refusals.all().iter().map(|(reason, count)| (*reason, *count)).collect::<std::collections::BTreeMap<_, _>>(),
            "memory": {
                "used_bytes": self.budget.used(),
                "budget_bytes": self.budget.total(),
                "resident_bytes": resident_bytes(),
            },
            "spill": sample.spill.as_ref().map(|log| spill_status(log, &sample)),
            "dead_letters": dead::status(dead),
            "damage": self.damage_status(),
            "redrive": self.redriver.status(),
            "adopted": self.adopted.status(),
            "time_to_loss_seconds": self.trend.time_to_loss().map(|left| left.as_secs()),
            "clusters": known.iter().map(|cluster| (cluster.name().to_owned(), cluster_status(cluster))).collect::<serde_json::Map<_, _>>(),
            "owners": owners::status(&now),
            "streams": with_refusals(&now, &readiness).map(|(route, why)| (route.name().to_owned(), self.stream_status(route, why, &topics))).collect::<serde_json::Map<_, _>>(),
        })
    }
}

/// All routes that are shown, with why their events aren't accepted.
fn with_refusals<'a>(
    now: &'a Snapshot,
    readiness: &'a Readiness,
) -> impl Iterator<Item = (&'a Arc<Route>, Option<&'a str>)> {
    let taking = now.taking().zip(&readiness.refused);
    let taking = taking.map(|(route, why)| (route, why.as_deref()));
    let why = |route: &Route| match now.gone.contains(route.name()) {
        true => GONE,
        false => REMOVED,
    };
    let leaving = now.leaving().map(move |route| (route, Some(why(route))));
    taking.chain(leaving)
}

fn judged_stream(route: &Route, known: &[Arc<Cluster>]) -> readiness::Stream {
    let mut clusters = known.iter();
    let cluster = clusters.position(|cluster| Arc::ptr_eq(cluster, &route.cluster));
    readiness::Stream {
        name: route.name().to_owned(),
        cluster: cluster.unwrap_or(usize::MAX),
        topic: route.topic.name().to_owned(),
        has_partitions: !route.topic.lanes().is_empty(),
        may_wait: route.topic.takes(),
        fault: route.topic.fault().map(|fault| fault.reason.clone()),
    }
}

fn judged_cluster(cluster: &Cluster, spills: bool) -> readiness::Cluster {
    let trouble = cluster.health().client().get();
    readiness::Cluster {
        name: cluster.name().to_owned(),
        condition: cluster.health().condition(),
        is_impossible: trouble.is_some_and(|it| it.fault == ClientFault::Unsupported),
        spills,
    }
}

fn spill_status(stats: &Stats, sample: &Sample) -> Value {
    let (dead_events, dead_bytes) = dead::sums(&sample.dead);
    json!({
        "state": format!("{:?}", stats.state).to_lowercase(),
        "used_bytes": stats.used_bytes,
        "quota_bytes": stats.quota_bytes,
        "segments": stats.segments,
        "backlog_events": stats.backlog_events.saturating_sub(dead_events),
        "backlog_bytes": stats.backlog_bytes.saturating_sub(dead_bytes),
        "dead_events": dead_events,
        "dead_bytes": dead_bytes,
        "queued_bytes": stats.queued_bytes,
        "room_bytes": stats.room_bytes,
        "room_age_seconds": stats.room_age.as_secs_f64(),
        "seen_seconds_ago": sample.at.elapsed().as_secs_f64(),
    })
}

fn condition(cluster: &Cluster) -> (&'static str, String) {
    match cluster.health().condition() {
        Condition::Up => ("up", String::new()),
        Condition::Starting(reason) => ("starting", reason),
        Condition::Down(reason) => ("down", reason),
    }
}

fn cluster_status(cluster: &Cluster) -> Value {
    let (condition, reason) = condition(cluster);
    let gauges = cluster.gauges();
    json!({
        "owner": cluster.settings().owner,
        "bootstrap": cluster.settings().bootstrap,
        "condition": condition,
        "reason": reason,
        "in_flight_events": gauges.in_flight_events.load(Relaxed),
        "in_flight_bytes": gauges.in_flight_bytes.load(Relaxed),
        "drain_rate_bytes_per_second": gauges.drain_rate.load(Relaxed),
        "last_ack_age_seconds": cluster.health().acked_age().map(|age| age.as_secs_f64()),
        "stalled_lanes": gauges.stalled_lanes.load(Relaxed),
        "replaced_clients": gauges.replaced_clients.load(Relaxed),
        "new_epochs": gauges.new_epochs.load(Relaxed),
        "settlings": gauges.settlings.load(Relaxed),
        "memory_bytes": cluster.memory_bytes(),
    })
}

fn cluster_sample(cluster: &Cluster) -> ClusterSample {
    let gauges = cluster.gauges();
    ClusterSample {
        name: cluster.name().into(),
        owner: cluster.settings().owner.clone(),
        up: cluster.health().condition() == Condition::Up,
        in_flight_events: gauges.in_flight_events.load(Relaxed),
        in_flight_bytes: gauges.in_flight_bytes.load(Relaxed),
        drain_rate: gauges.drain_rate.load(Relaxed),
        last_ack_age: cluster.health().acked_age(),
        stalled_lanes: gauges.stalled_lanes.load(Relaxed),
        replaced_clients: gauges.replaced_clients.load(Relaxed),
        new_epochs: gauges.new_epochs.load(Relaxed),
        ack: gauges.ack.sample(),
        memory: cluster.memory_bytes(),
    }
}
