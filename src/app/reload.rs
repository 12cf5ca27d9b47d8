//! A reload: the configuration is read again, and all of it comes into force while traffic flows, or none of it.
//!
//! 1. The file is read and validated, with the environment and the secrets, as at the start. Of each cluster that is to have
//!    another client, one is made and thrown away: only librdkafka knows what it takes. A mistake ends the reload.
//! 2. A [`Plan`] says what changes. A key that only a restart changes ends the reload, by name.
//! 3. What can fail is done first, where nobody sees it: clusters that come are started, topics that come are added and waited
//!    for. A failure takes that back.
//! 4. What can't fail is done then: settings of clusters, lanes, memory and log; and last the snapshot is replaced, which routes
//!    new events. Topics without a route are retired.
//! 5. What goes is looked at until nothing of it is left: then a stream is no longer shown, and a cluster is stopped.
//!
//! **Order.** The events of a key stay in order as long as the stream keeps its topic and its key. If it gets another topic or
//! cluster, new events go there at once, and earlier ones drain to the old one; there's no order between two topics.
//!
//! **Counters.** A stream is kept by its name for as long as the process lives. If it's put back, its counters go on.
//!
//! One task reloads, one reload at a time, on the control thread; files are read on another. No event waits for it.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use serde_json::Value;
use tokio::sync::mpsc;

use super::backend::{Backend, wait_for};
use super::beside::Beside;
use super::routes::{self, Wired};
use crate::admin::View;
use crate::admin::reload::{Ask, Loaded, Outcome};
use crate::config::plan::Plan;
use crate::config::{Config, print};
use crate::http::{Port, Route, Snapshot};
use crate::lane::Cluster;
use crate::lifecycle::{Phase, Watch, reached};
use crate::produce::client;
use crate::route::Ack;
use crate::telemetry::logs;

/// Reads the configuration again. The error is for the person who wrote it.
pub type Source = Arc<dyn Fn() -> Result<Config, String> + Send + Sync>;

/// How long the file, the secrets and the files that clients name may take to be read: a disk that works needs milliseconds, a
/// mount that is slow some seconds. Together with [`TOPICS_WITHIN`] it's less than who asks for a reload waits.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// How long topics that come may take to tell their partitions before new events are routed to them: longer than who asks Kafka for
/// them may wait for its answers to other questions.
const TOPICS_WITHIN: Duration = Duration::from_secs(10);
/// How often what goes is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a cluster whose topics have drained may take to end.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Who reloads.
pub(super) struct Reloader {
    pub(super) source: Source,
    /// What is in force.
    pub(super) config: Arc<ArcSwap<Config>>,
    pub(super) backend: Arc<Backend>,
    pub(super) port: Arc<Port>,
    pub(super) view: Arc<View>,
    /// Configurations that were replaced, of which requests may still be under way.
    pub(super) replaced: Vec<Weak<Snapshot>>,
    /// Where files are read.
    pub(super) beside: Beside,
}

/// What is shown of a configuration that has come into force.
pub(super) fn loaded(config: &Config, generation: u64) -> Loaded {
    Loaded {
        generation,
        hash: print::hash(config),
        at: SystemTime::now(),
        text: print::effective(config),
        failed: None,
    }
}

impl Reloader {
    /// Reloads whenever it's asked for, until the process stops.
    pub(super) async fn run(mut self, mut asks: mpsc::Receiver<Ask>, mut watch: Watch) {
        let now = watch.clone();
        let mut closing = std::pin::pin!(reached(&mut watch, Phase::Closing));
        loop {
            let has_leaving = self.has_leaving();
            tokio::select! {
                () = &mut closing => return,
                ask = asks.recv() => {
                    let Some(ask) = ask else { return };
                    // Who asked was told that it takes too long, and may have asked again.
                    if ask.answer.is_closed() {
                        tracing::warn!(by = ask.by, "a reload wasn't begun: nobody waits for it any more");
                        continue;
                    }
                    let outcome = self.reload(ask.is_dry, &now).await;
                    self.tell(&ask, &outcome);
                    // Who asked may have gone.
                    drop(ask.answer.send(outcome));
                }
                () = tokio::time::sleep(LOOK_EVERY), if has_leaving => self.let_go(),
            }
        }
    }

    /// Says in the log and on the admin port what became of a reload.
    fn tell(&self, ask: &Ask, outcome: &Outcome) {
        let (by, now) = (ask.by, self.view.reloads.loaded());
        match outcome.error() {
            _ if ask.is_dry => {}
            None => {
                let changes = if let Outcome::Done(Value::Array(changes)) = outcome {
                    changes.len()
                } else {
                    0
                };
                tracing::info!(
                    by,
                    generation = now.generation,
                    hash = now.hash,
                    changes,
                    "the configuration was reloaded"
                );
            }
            Some(why) => {
                tracing::error!(
                    by,
                    generation = now.generation,
                    "the configuration was not reloaded, and nothing has changed: {why}"
                );
                let failed = Some((SystemTime::now(), why.to_owned()));
                self.view.reloads.note(Loaded {
                    failed,
                    ..(*now).clone()
                });
            }
        }
    }

    async fn reload(&mut self, is_dry: bool, phase: &Watch) -> Outcome {
        let is_running = || *phase.borrow() == Phase::Running;
        let not_running = || Outcome::Unavailable("forebay isn't running".into());
        if !is_running() {
            return not_running();
        }
        let old = self.config.load_full();
        let (source, its) = (Arc::clone(&self.source), Arc::clone(&old));
        let reading = self.beside.run(READ_WITHIN, move || read(&source, &its));
        let new = match reading.await {
            Ok(Ok(new)) => new,
            Ok(Err(why)) => return Outcome::Wrong(why),
            Err(why) => return Outcome::Wrong(format!("reading the files failed: {why}")),
        };
        // A cluster that is started now would be drained by nobody.
        if !is_running() {
            return not_running();
        }
        let plan = Plan::new(&old, &new);
        let changes = serde_json::to_value(&plan).unwrap_or_default();
        let keys = plan.needs_restart();
        if !keys.is_empty() {
            let why = format!(
                "{} needs a restart; put back what it was, or restart",
                keys.join(", ")
            );
            return Outcome::NeedsRestart(why, changes);
        }
        if let Err(why) = logs::check(&new.log).and_then(|()| routes::check(&new)) {
            return Outcome::Wrong(why);
        }
        if !is_dry && let Err(why) = self.apply(&plan, new).await {
            return Outcome::Wrong(why);
        }
        Outcome::Done(changes)
    }

    /// Puts `new` in force.
    async fn apply(&mut self, plan: &Plan, new: Config) -> Result<(), String> {
        let limits = new
            .decode
            .limits()
            .map_err(|error| format!("decode: {error}"))?;
        let come = self.start_clusters(&new)?;
        let before = self.port.now();
        let known: BTreeMap<_, _> = before
            .streams
            .iter()
            .map(|stream| (stream.name.clone(), Arc::clone(stream)))
            .collect();
        let now = self.port.start.elapsed();
        let wired = routes::wire(&new, &self.backend, &before, known, now);
        let Wired { routes, streams } = match wired {
            Ok(wired) => wired,
            Err(why) => {
                self.stop_clusters(&come);
                self.retire();
                return Err(why);
            }
        };
        // One that was there before waits for its cluster without us.
        let is_new = |route: &&Arc<Route>| {
            let old = before.routes.get(route.name());
            !old.is_some_and(|old| Arc::ptr_eq(&old.topic, &route.topic))
        };
        let topics = routes.values().filter(is_new);
        let topics: Vec<_> = topics.map(|route| Arc::clone(&route.topic)).collect();
        wait_for(|| topics.iter().all(|topic| topic.takes()), TOPICS_WITHIN).await;

        // From here on nothing fails.
        for route in routes.values() {
            route.topic.set_over_log(route.ack == Ack::Disk);
        }
        for (name, settings) in &new.clusters {
            if plan.touches("clusters", name) && !come.contains(name) {
                self.backend
                    .with(name, |unit| unit.change(settings.clone()));
            }
        }
        for cluster in self.backend.clusters().iter() {
            cluster.change_lanes(new.lane.clone());
        }
        self.view.budget.resize(new.memory.budget.as_u64());
        if let Err(why) = logs::change(&new.log) {
            tracing::warn!("{why}");
        }
        let mut snapshot = Snapshot {
            generation: before.generation + 1,
            settings: Arc::new(new.http.clone()),
            idle_at_end: new.shutdown.idle,
            limits,
            lanes: new.lane.clone(),
            shown: Vec::new(),
            routes,
            streams,
            wait_for_all: new.admin.wait_for_all,
        };
        snapshot.shown = shown(&snapshot, &before);
        self.view.reloads.note(loaded(&new, snapshot.generation));
        self.config.store(Arc::new(new));
        self.replaced.push(Arc::downgrade(&before));
        self.port.replace(snapshot);
        self.retire();
        Ok(())
    }

    /// Starts the clusters that come. Their names.
    fn start_clusters(&self, new: &Config) -> Result<HashSet<String>, String> {
        let mut come = HashSet::new();
        let running = self.backend.clusters();
        for (name, settings) in &new.clusters {
            if running.iter().any(|cluster| cluster.name() == name) {
                continue;
            }
            let (settings, lanes) = (settings.clone(), new.lane.clone());
            if let Err(error) = self.backend.add(name, settings, lanes, Vec::new()) {
                self.stop_clusters(&come);
                return Err(format!("cluster {name} can't be started: {error:#}"));
            }
            come.insert(name.clone());
        }
        Ok(come)
    }

    fn stop_clusters(&self, names: &HashSet<String>) {
        for name in names {
            if let Some(unit) = self.backend.remove(name) {
                tokio::spawn(unit.stop(END_WITHIN));
            }
        }
    }

    /// Retires all topics that nothing is routed to.
    fn retire(&self) {
        let now = self.port.now();
        for cluster in self.backend.clusters().iter() {
            for topic in cluster.topics() {
                let is_routed = |route: &&Arc<Route>| Arc::ptr_eq(&route.topic, topic);
                if !now.routes.values().any(|route| is_routed(&route)) {
                    cluster.retire_topic(topic.number());
                }
            }
        }
    }

    /// Clusters that aren't configured any more.
    fn leaving_clusters(&self) -> Vec<Arc<Cluster>> {
        let config = self.config.load();
        let clusters = self.backend.clusters();
        let mut clusters = clusters.iter().cloned().collect::<Vec<_>>();
        clusters.retain(|cluster| !config.clusters.contains_key(cluster.name()));
        clusters
    }

    fn has_leaving(&self) -> bool {
        self.port.now().leaving().next().is_some() || !self.leaving_clusters().is_empty()
    }

    /// Lets go of what nothing is left of.
    fn let_go(&mut self) {
        self.replaced.retain(|old| old.strong_count() > 0);
        // A request that began before may still bring events.
        if !self.replaced.is_empty() {
            return;
        }
        let now = self.port.now();
        let clusters = self.backend.clusters();
        let is_drained = |cluster: &Arc<Cluster>, stream: &str| {
            let mut topics = cluster.topics().iter();
            topics.all(|topic| topic.stream() != stream || cluster.is_drained(topic))
        };
        // It may have had other topics before, of which something is left.
        let is_over = |route: &Arc<Route>| {
            route.stream.ledger.in_flight() == 0
                && route.cluster.is_drained(&route.topic)
                && clusters
                    .iter()
                    .all(|cluster| is_drained(cluster, route.name()))
        };
        let over: Vec<_> = now
            .leaving()
            .filter(|route| is_over(route))
            .cloned()
            .collect();
        if !over.is_empty() {
            let is_kept = |route: &&Arc<Route>| !over.iter().any(|gone| Arc::ptr_eq(gone, route));
            for gone in &over {
                tracing::info!(
                    stream = gone.name(),
                    "a stream is gone: all that it took is settled"
                );
            }
            let shown = now.shown.iter().filter(is_kept).cloned().collect();
            self.replaced.push(Arc::downgrade(&now));
            self.port.replace(now.showing(shown));
        }
        for cluster in self.leaving_clusters() {
            if cluster
                .topics()
                .iter()
                .all(|topic| cluster.is_drained(topic))
            {
                tracing::info!(
                    cluster = cluster.name(),
                    "a cluster is gone: nothing of it is left"
                );
                self.stop_clusters(&HashSet::from([cluster.name().to_owned()]));
            }
        }
    }
}

/// Reads the configuration, and tries out each client that `old` doesn't have.
fn read(source: &Source, old: &Config) -> Result<Config, String> {
    let new = source()?;
    for (name, settings) in &new.clusters {
        let old = old.clusters.get(name);
        if !old.is_some_and(|old| client::is_same(old, settings)) {
            let tried = client::try_out(name, settings);
            tried.map_err(|why| format!("clusters.{name}.kafka: {why}"))?;
        }
    }
    Ok(new)
}

/// The routes that are shown: those in force, and those of streams that have something left.
fn shown(snapshot: &Snapshot, before: &Snapshot) -> Vec<Arc<Route>> {
    let mut shown: Vec<_> = snapshot.routes.values().cloned().collect();
    let is_leaving = |route: &&Arc<Route>| !snapshot.routes.contains_key(route.name());
    shown.extend(before.shown.iter().filter(is_leaving).cloned());
    shown.sort_unstable_by(|one, other| one.name().cmp(other.name()));
    shown
}
