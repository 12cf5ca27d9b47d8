//! What the admin port looks at.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::{ArcSwap, ArcSwapOption};

use super::adopted::Adopted;
use super::guard::Guard;
use super::history::History;
use super::redrive::Redriver;
use super::reload::Reloads;
use super::sampler::Sampler;
use super::trend::Trend;
use crate::budget::Budget;
use crate::http::{Port, Server};
use crate::lane::Cluster;
use crate::lifecycle::{Phase, Vitals, Watch};
use crate::spill::Log;
use crate::tls;

/// Everything that the admin port looks at.
#[derive(Debug)]
pub struct View {
    /// When the process started.
    pub start: Instant,
    /// The process's phase.
    pub phase: Watch,
    /// The memory budget.
    pub budget: Arc<Budget>,
    /// The HTTP threads.
    pub server: Arc<Server>,
    /// The data port, and what is configured of it.
    pub port: Arc<Port>,
    /// The spill log, if there is one.
    pub spill: Option<Arc<Log>>,
    /// All clusters, as they are each time somebody looks.
    pub clusters: Arc<ArcSwap<Vec<Arc<Cluster>>>>,
    /// The configuration in force, and the way to another.
    pub reloads: Reloads,
    /// Directories of others that are being brought to Kafka.
    pub adopted: Adopted,
    /// Dead letters that are sent again.
    pub redriver: Redriver,
    /// The last seconds.
    pub trend: Trend,
    /// The last hour.
    pub history: History,
    /// What was seen last of the spill log.
    pub sampler: Sampler,
    /// What mustn't end.
    pub vitals: Vitals,
    /// Who may ask for what.
    pub guard: Guard,
    /// What connections to the admin port begin with; nothing if it speaks no TLS.
    pub tls: ArcSwapOption<tls::Server>,
}

impl View {
    /// The clusters that there are now, by name.
    pub(super) fn clusters(&self) -> Arc<Vec<Arc<Cluster>>> {
        self.clusters.load_full()
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }
}
