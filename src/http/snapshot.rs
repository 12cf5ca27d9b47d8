//! What is configured, as a request sees it: one value that never changes.
//!
//! A request takes the snapshot that is in force when its head has come, and keeps it until its answer, so that it sees one
//! configuration from its first step to its last. A connection takes one when it's accepted, for what concerns the
//! connection: how large a head may be, how long it may rest. A reload puts another snapshot in the place of this one.
//!
//! What is absent: counters, memory and health. They belong to streams, topics and clusters, which outlive snapshots.

use std::sync::Arc;
use std::time::Duration;

use super::settings::Settings;
use super::streams::{Route, Routes};
use crate::decode::Limits;
use crate::lane;

/// One configuration of the data port.
#[derive(Debug)]
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
    /// The routes by the streams' names.
    pub routes: Routes,
    /// The routes that are shown on the admin port, by name.
    pub shown: Vec<Arc<Route>>,
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
        let mut shown: Vec<_> = routes.values().cloned().collect();
        shown.sort_unstable_by(|one, other| one.name().cmp(other.name()));
        Snapshot {
            generation: 1,
            settings: Arc::new(settings),
            idle_at_end,
            limits,
            lanes,
            routes,
            shown,
        }
    }
}
