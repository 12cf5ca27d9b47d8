//! What is configured, as a request sees it: one value that never changes.
//!
//! A request takes the snapshot that is in force when its head has come, and keeps it until its answer, so that it sees one
//! configuration from its first step to its last. A connection takes one when it's accepted, for what concerns the
//! connection: how large a head may be, how long it may rest. A reload puts another snapshot in the place of this one.
//!
//! What is absent: counters, memory and health. They belong to streams, topics and clusters, which outlive snapshots.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::access::Access;
use super::routes::Endpoints;
use super::settings::Settings;
use super::streams::{Route, Routes, Stream};
use crate::decode::Limits;
use crate::lane;
use crate::owner::Terms;

/// One configuration of the data port.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Which configuration it is: 1 at the start, one more with each reload.
    pub generation: u64,
    /// The port's settings.
    pub settings: Arc<Settings>,
    /// How long a connection may rest while the process closes.
    pub idle_at_end: Duration,
    /// What a body may hold.
    pub limits: Limits,
    /// How much may wait in a lane.
    pub lanes: lane::Settings,
    /// Who may send, unless anybody may.
    pub access: Option<Arc<Access>>,
    /// The routes by the streams' names.
    pub routes: Routes,
    /// The endpoints that take what SDKs send as it is.
    pub endpoints: Arc<Endpoints>,
    /// Names of streams that are configured as gone: they have no route.
    pub gone: HashSet<String>,
    /// The routes that are shown on the admin port, by name: all of `routes`, and those of streams that aren't configured any more,
    /// of which something is left.
    pub shown: Vec<Arc<Route>>,
    /// All streams that there ever were in this process.
    pub streams: Vec<Arc<Stream>>,
    /// What is configured of owners, by name; also of those that are only named.
    pub owners: Vec<Arc<Terms>>,
    /// How long readiness waits for all streams at the start (`admin.wait_for_all`).
    pub wait_for_all: Duration,
}

impl Snapshot {
    /// The first configuration: what is shown are its routes.
    pub fn first(
        settings: Settings,
        idle_at_end: Duration,
        limits: Limits,
        lanes: lane::Settings,
        routes: Routes,
    ) -> Snapshot {
        let shown = by_name(&routes);
        let streams = shown.iter().map(|route| Arc::clone(&route.stream));
        Snapshot {
            generation: 1,
            settings: Arc::new(settings),
            idle_at_end,
            limits,
            lanes,
            access: None,
            streams: streams.collect(),
            routes,
            endpoints: Arc::default(),
            shown,
            owners: Vec::new(),
            gone: HashSet::new(),
            wait_for_all: Duration::ZERO,
        }
    }

    /// The same configuration, in which these streams are gone: their routes are shown, and lead nowhere.
    pub fn without(mut self, gone: impl IntoIterator<Item = String>) -> Snapshot {
        self.gone = gone.into_iter().collect();
        self.routes.retain(|name, _| !self.gone.contains(name));
        self
    }

    /// The same configuration, of which other routes are shown.
    pub fn showing(&self, shown: Vec<Arc<Route>>) -> Snapshot {
        Snapshot {
            shown,
            ..self.clone()
        }
    }

    /// The routes that are in force, by name.
    pub fn taking(&self) -> impl Iterator<Item = &Arc<Route>> {
        let shown = self.shown.iter();
        shown.filter(|route| self.routes.contains_key(route.name()))
    }

    /// The routes of streams that aren't configured any more, by name.
    pub fn leaving(&self) -> impl Iterator<Item = &Arc<Route>> {
        let shown = self.shown.iter();
        shown.filter(|route| !self.routes.contains_key(route.name()))
    }
}

/// Routes by the names of their streams.
pub fn by_name(routes: &Routes) -> Vec<Arc<Route>> {
    let mut all: Vec<_> = routes.values().cloned().collect();
    all.sort_unstable_by(|one, other| one.name().cmp(other.name()));
    all
}
