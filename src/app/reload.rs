//! A reload: the configuration is read again, and all of it comes into force while traffic flows, or none of it.
//!
//! 1. The file is read and validated, with the environment and the secrets, as at the start. Files that librdkafka reads itself
//!    are looked at as well ([`crate::produce::files`]). Of each cluster that is to have another client, one is made and thrown away: only
//!    librdkafka knows what it takes. A mistake ends the reload.
//! 2. A [`Plan`] says what changes. A key that only a restart changes ends the reload, by name.
//! 3. What can fail is done first, where nobody sees it: clusters that come are started, topics that come are added and waited
//!    for. A failure takes that back.
//! 4. What can't fail is done then: settings of clusters, lanes, memory and log; and last the snapshot is replaced, which routes
//!    new events. Topics without a route are retired.
//! 5. What goes is looked at until nothing of it is left: then a stream is no longer shown, and a cluster is stopped.
//!
//! **Order.** The events of a key stay in order as long as the stream keeps its key, also when it gets another topic or cluster: what
//! was taken before goes to the old one first ([`super::moves`]).
//!
//! **Counters.** A stream is kept by its name for as long as the process lives. If it's put back, its counters go on.
//!
//! One task reloads, one reload at a time, on the control thread; files are read on another. No event waits for it.

mod keys;
mod leaving;
mod looks;
mod moving;
mod read;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use self::looks::KeyFiles;
pub use self::read::Source;
use self::read::{Files, changed_files, files_of, read};
use super::backend::Backend;
use super::beside::Beside;
use super::certificates::Certificates;
use super::chain::Chain;
use super::moves::{Moves, Unfinished, Waiting};
use super::owners::Owners;
use super::routes::{self, Wired};
use super::unit::Unit;
use super::wait::wait_for;
use crate::admin::View;
use crate::admin::reload::{Ask, Loaded, Outcome};
use crate::config::plan::Plan;
use crate::config::{Config, print};
use crate::http::{Port, Route, Routes, Snapshot};
use crate::lifecycle::{Phase, Watch, reached};
use crate::route::Ack;
use crate::telemetry::logs;

/// How long the file, the secrets and the files that clients name may take to be read: a disk that works needs milliseconds, a
/// mount that is slow some seconds. Together with [`TOPICS_WITHIN`] it's less than who asks for a reload waits.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// How long topics that come may take to tell their partitions before new events are routed to them: longer than who asks Kafka for
/// them may wait for its answers to other questions.
const TOPICS_WITHIN: Duration = Duration::from_secs(10);
/// How often the files that keys are in are looked at.
const LOOK_AT_KEYS_EVERY: Duration = Duration::from_millis(500);
/// How often what goes is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a cluster whose topics have drained may take to end.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Who reloads.
pub(super) struct Reloader {
    source: Source,
    /// What is in force.
    config: Arc<ArcSwap<Config>>,
    backend: Arc<Backend>,
    owners: Owners,
    port: Arc<Port>,
    view: Arc<View>,
    /// Configurations that were replaced, of which requests may still be under way.
    replaced: Vec<Weak<Snapshot>>,
    /// Where files are read.
    beside: Beside,
    /// By cluster: what was in the files that its client reads itself, before it was made. Nothing is known of a cluster whose files
    /// couldn't be read in time: it gets another client with the next reload.
    files: Files,
    /// Files with keys of sources.
    keys: KeyFiles,
    /// Streams whose new events wait.
    moves: Moves,
    /// Former topics that wait for other former ones.
    waiting: Waiting,
    /// What adopted directories hold, which goes before what is in the own log.
    chain: Arc<Chain>,
}

/// What is shown of a configuration that has come into force.
pub(super) fn loaded(config: &Config, generation: u64) -> Loaded {
    let text = print::effective(config);
    Loaded {
        generation,
        hash: print::hash(&text),
        at: SystemTime::now(),
        text,
        failed: None,
        keys_failed: None,
    }
}

impl Reloader {
    /// Who reloads `config`, which is in force, from `source`.
    pub(super) fn new(
        source: Source,
        config: &Arc<ArcSwap<Config>>,
        backend: &Arc<Backend>,
        owners: Owners,
        port: Arc<Port>,
        view: &Arc<View>,
        (unfinished, chain): (Unfinished, Arc<Chain>),
    ) -> Reloader {
        let Unfinished { moves, waiting } = unfinished;
        Reloader {
            source,
            config: Arc::clone(config),
            backend: Arc::clone(backend),
            owners,
            port,
            view: Arc::clone(view),
            replaced: Vec::new(),
            beside: Beside::default(),
            files: Files::default(),
            keys: KeyFiles::default(),
            moves,
            waiting,
            chain,
        }
    }

    /// Reloads whenever it's asked for, until the process stops.
    pub(super) async fn run(mut self, mut asks: mpsc::Receiver<Ask>, mut watch: Watch) {
        let (now, config) = (watch.clone(), self.config.load_full());
        let look = move || files_of(&config);
        self.files = self.beside.run(READ_WITHIN, look).await.unwrap_or_default();
        let mut closing = std::pin::pin!(reached(&mut watch, Phase::Closing));
        let mut look_at_keys = tokio::time::interval(LOOK_AT_KEYS_EVERY);
        look_at_keys.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let look = self
                .moves_due()
                .or_else(|| self.has_leaving().then_some(LOOK_EVERY));
            tokio::select! {
                () = &mut closing => return,
                ask = asks.recv() => {
                    let Some(ask) = ask else { return };
                    if !ask.begin() {
                        tracing::warn!(by = ask.by, "a reload wasn't begun: nobody waits for it any more");
                        continue;
                    }
                    let outcome = self.reload(ask.is_dry, &now).await;
                    self.tell(&ask, &outcome);
                    // Who asked may have gone.
                    drop(ask.answer.send(outcome));
                }
                () = tokio::time::sleep(look.unwrap_or(LOOK_EVERY)), if look.is_some() => self.let_go(),
                _ = look_at_keys.tick() => if *now.borrow() == Phase::Running {
                    self.look_at_keys();
                },
                looked = self.keys.looking.looked() => if *now.borrow() == Phase::Running {
                    self.take_keys(looked).await;
                },
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
                self.view.reloads.failed(why);
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
        let before = self.files.clone();
        let tls = Certificates::now(&self.port, &self.view);
        let reading = self.beside.run(READ_WITHIN, move || {
            let (new, files) = read(&source, &its, &before)?;
            let tls = tls.next(&new)?;
            Ok((new, files, tls))
        });
        let (new, files, tls) = match reading.await {
            Ok(Ok(read)) => read,
            Ok(Err(why)) => return Outcome::Wrong(why),
            // The file may be right: it's us who couldn't read it.
            Err(why) => {
                return Outcome::Unavailable(format!("reading the files failed: {why}"));
            }
        };
        // A cluster that is started now would be drained by nobody.
        if !is_running() {
            return not_running();
        }
        let mut plan = Plan::new(&old, &new);
        for (cluster, property) in changed_files(&old, &self.files, &files) {
            plan.note_file(&cluster, &property);
        }
        let changes = serde_json::to_value(&plan).unwrap_or_default();
        let keys = plan.needs_restart();
        if !keys.is_empty() {
            let why = format!(
                "{} needs a restart; put back what it was, or restart",
                keys.join(", ")
            );
            return Outcome::NeedsRestart(why, changes);
        }
        let checked = logs::check(&new.log).and_then(|()| routes::check(&new));
        if let Err(why) = checked.and_then(|()| self.check_moves(&new)) {
            return Outcome::Wrong(why);
        }
        if !is_dry {
            if let Err(why) = self.apply(&plan, new).await {
                return Outcome::Wrong(why);
            }
            self.view.reloads.succeeded();
            self.files = files;
            tls.put_in_force(&self.port, &self.view);
        }
        Outcome::Done(changes)
    }

    /// Puts `new` in force.
    async fn apply(&mut self, plan: &Plan, new: Config) -> Result<(), String> {
        let limits = new
            .decode
            .limits()
            .map_err(|error| format!("decode: {error}"))?;
        let endpoints = Arc::new(routes::endpoints(&new)?);
        let before = self.port.now();
        let now = self.port.start.elapsed();
        let access = routes::access(&new, before.access.as_deref(), now)?;
        let come = self.start_clusters(&new)?;
        let known: BTreeMap<_, _> = before
            .streams
            .iter()
            .map(|stream| (stream.name.clone(), Arc::clone(stream)))
            .collect();
        let owners = self.owners.terms(&new, &before.owners, now);
        let wired = routes::wire(&new, &self.backend, &before, known, &owners, now);
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
            let is_old = old.is_some_and(|old| Arc::ptr_eq(&old.topic, &route.topic));
            !is_old && !route.settings.gone
        };
        let topics = routes.values().filter(is_new);
        let topics: Vec<_> = topics.map(|route| Arc::clone(&route.topic)).collect();
        wait_for(|| topics.iter().all(|topic| topic.takes()), TOPICS_WITHIN).await;

        // From here on nothing fails.
        self.begin_moves(&routes);
        self.change_what_runs(plan, &new, &come, &routes);
        let mut snapshot = Snapshot {
            generation: before.generation + 1,
            settings: Arc::new(new.http.clone()),
            idle_at_end: new.shutdown.idle,
            limits,
            lanes: new.lane.clone(),
            access,
            shown: Vec::new(),
            endpoints,
            routes,
            streams,
            owners,
            gone: HashSet::new(),
            wait_for_all: new.admin.wait_for_all,
        };
        snapshot.shown = shown(&snapshot, &before);
        let (routes, streams) = (&snapshot.routes, &snapshot.streams);
        let log = self.backend.spill.as_deref();
        self.owners
            .put_in_force(&new, &snapshot.owners, routes, streams, log);
        let snapshot = snapshot.without(new.gone());
        self.view.reloads.note(loaded(&new, snapshot.generation));
        self.config.store(Arc::new(new));
        self.replaced.push(Arc::downgrade(&before));
        self.port.replace(snapshot);
        self.retire();
        Ok(())
    }

    /// Gives new settings to what runs: clusters but those that have just come, lanes, memory, the log. A cluster that was taken away
    /// and still drains, and is put back, gets another client: nobody looked at its files meanwhile.
    fn change_what_runs(&self, plan: &Plan, new: &Config, come: &HashSet<String>, routes: &Routes) {
        let old = self.config.load();
        for route in routes.values() {
            route.topic.set_over_log(route.ack == Ack::Disk);
        }
        for (name, settings) in &new.clusters {
            if plan.touches("clusters", name) && !come.contains(name) {
                self.backend
                    .with(name, |unit| unit.change(settings.clone()));
            }
            let is_back = !old.clusters.contains_key(name) && !come.contains(name);
            if plan.has_files_of(name) || is_back {
                self.backend.with(name, Unit::renew_client);
            }
        }
        for cluster in self.backend.clusters().iter() {
            cluster.change_lanes(new.lane.clone());
        }
        self.view.guard.change(&new.admin);
        self.view.budget.resize(new.memory.budget.as_u64());
        if let Some(log) = &self.backend.spill {
            log.change(&new.spill);
        }
        if let Err(why) = logs::change(&new.log) {
            tracing::warn!("{why}");
        }
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
}

/// The routes that are shown: those in force, and those of streams that have something left. A stream that is configured as gone is
/// one of these, unless it was gone before and nothing was left.
fn shown(snapshot: &Snapshot, before: &Snapshot) -> Vec<Arc<Route>> {
    let was_shown = |name: &str| before.shown.iter().any(|route| route.name() == name);
    let is_shown = |route: &&Arc<Route>| {
        let name = route.name();
        !route.settings.gone || was_shown(name) || !before.gone.contains(name)
    };
    let routes = snapshot.routes.values().filter(is_shown);
    let mut shown: Vec<_> = routes.cloned().collect();
    let is_leaving = |route: &&Arc<Route>| !snapshot.routes.contains_key(route.name());
    shown.extend(before.shown.iter().filter(is_leaving).cloned());
    shown.sort_unstable_by(|one, other| one.name().cmp(other.name()));
    shown
}
