//! The parts of a worker. Each owns its fields, so that what reports change is changed while the client that reports is at work.

use std::sync::Arc;
use std::time::Instant;

use rdkafka::error::KafkaResult;

use super::Settings;
use super::burial::Burials;
use super::carried::Client;
use super::cluster::Cluster;
use super::pace::ReplayPace;
use super::spilling::Spiller;
use super::suspects::Suspects;
use super::wave::Wave;
use super::work::Work;
use crate::produce::Backoff;
use crate::produce::probe::SharedClient;
use crate::telemetry::LogLimit;

/// The cluster's lanes as their worker sees them, and what the client holds of all of them together.
#[derive(Default)]
pub(super) struct Lines {
    /// By lane number; lanes that never had an event have no entry.
    pub(super) works: Vec<Option<Box<Work>>>,
    /// Numbers of the lanes that have a backlog or a window.
    pub(super) active: Vec<u32>,
    /// By topic: when its lanes may try again, after Kafka took nothing of it.
    pub(super) pauses: Vec<Backoff>,
    /// Topics whose events are refused, which must not stop the others too often.
    pub(super) suspects: Suspects,
    pub(super) in_flight_events: u32,
    pub(super) in_flight_bytes: u64,
    /// Acknowledged since the last look at the rate.
    pub(super) acked_bytes: u64,
    pub(super) wave: Wave,
}

impl Lines {
    /// What the worker does for a lane.
    pub(super) fn work(&mut self, lane: u32) -> Option<&mut Work> {
        self.works.get_mut(lane as usize)?.as_deref_mut()
    }

    /// The same, and the pause of the lane's topic, if there is one.
    pub(super) fn work_and_pause(
        &mut self,
        lane: u32,
    ) -> Option<(&mut Work, Option<&mut Backoff>)> {
        let work = self.works.get_mut(lane as usize)?.as_deref_mut()?;
        let pause = self.pauses.get_mut(work.lane.topic as usize);
        Some((work, pause))
    }

    /// The client doesn't have so many events and bytes any more.
    pub(super) fn let_go(&mut self, events: u32, bytes: u64) {
        self.in_flight_events = self.in_flight_events.saturating_sub(events);
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(bytes);
    }

    /// Until when the cluster's wave holds back what isn't full.
    pub(super) fn held_until(&mut self, settings: &Settings, now: Instant) -> Option<Instant> {
        self.wave.turn(self.in_flight_events, settings, now)
    }

    /// The client is gone with all that it held: it has to be sent again.
    pub(super) fn client_gone(&mut self) {
        let works = self.works.iter_mut().flatten();
        works.for_each(|work| work.window.client_gone());
        (self.in_flight_events, self.in_flight_bytes) = (0, 0);
    }
}

/// The client, and how one follows another.
pub(super) struct Clients<P> {
    pub(super) make: fn(&Cluster) -> KafkaResult<P>,
    pub(super) current: Option<P>,
    /// When there may be another client, after one failed.
    pub(super) pause: Backoff,
    /// The client is to be replaced when it holds nothing any more, at the latest then.
    pub(super) renewing: Option<Instant>,
    /// A client that is of no more use, and whose burial couldn't begin yet.
    pub(super) corpse: Option<P>,
    /// Held by each burial that is under way.
    pub(super) burials: Burials,
}

impl<P> Clients<P> {
    pub(super) fn new(cluster: &Cluster, make: fn(&Cluster) -> KafkaResult<P>) -> Clients<P> {
        let limits = cluster.settings();
        Clients {
            make,
            current: None,
            pause: Backoff::new(limits.client_pause, limits.longest_client_pause, 0),
            renewing: None,
            corpse: None,
            burials: Burials::of(&cluster.crew),
        }
    }
}

impl<P: Client> Clients<P> {
    /// The client, if anything may be handed to it now.
    pub(super) fn ready(&mut self) -> Option<&mut P> {
        let client = self.current.as_mut();
        client.filter(|client| self.renewing.is_none() && !client.is_settling())
    }
}

/// The spill log, if there is one, and what is on its way from it.
pub(super) struct SpillPort {
    pub(super) spiller: Option<Spiller>,
    /// Bytes that are being read.
    pub(super) reading: u64,
    pub(super) pace: ReplayPace,
}

impl SpillPort {
    pub(super) fn new(spiller: Option<Spiller>, now: Instant) -> SpillPort {
        SpillPort {
            spiller,
            reading: 0,
            pace: ReplayPace::new(now),
        }
    }
}

/// What is noted of the client, for those who keep it and ask through it.
pub(super) struct Notes {
    /// It has to be replaced.
    pub(super) is_useless: bool,
    /// Through which the probe asks.
    pub(super) shared: SharedClient,
    /// What it says.
    pub(super) log: LogLimit,
}

impl Notes {
    pub(super) fn new(cluster: &Arc<Cluster>, shared: SharedClient) -> Notes {
        Notes {
            is_useless: false,
            shared,
            log: LogLimit::new(cluster.name()),
        }
    }
}
