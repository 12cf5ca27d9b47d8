//! What a reload does to a cluster while its worker turns: topics come and go, settings change, and the client with them.
//!
//! **Topics.** One that comes gets the next number. One that goes is *retired*: nobody routes to it any more, but a request that
//! has seen the older configuration may still push, and what it pushes is sent. A topic that comes back is the one that went.
//!
//! **Settings.** The worker takes them at its next look. A client is made of some of them; when these change there is another
//! client, and the old one is given time: nothing more is handed over, what isn't on the wire comes back, and what is on the
//! wire is waited for. So nothing is stored twice, unless the old client doesn't answer within [`SETTLE_WITHIN`].

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::time::{Duration, Instant};

use super::carried::Client;
use super::cluster::{Cluster, log_lane};
use super::routing::Routing;
use super::topic::{Topic, TopicOf};
use super::worker::Worker;
use super::{Lane, Settings, UNROUTED};
use crate::budget::{Account, Share};
use crate::produce::trouble::Troubled;
use crate::produce::{self, Backoff, TopicLimits};
use crate::spill::Lsn;

/// How long an old client may take for what is on the wire: a healthy cluster takes milliseconds, and new events wait meanwhile.
/// What has no answer then is sent again by the new client.
const SETTLE_WITHIN: Duration = Duration::from_secs(5);

impl Cluster {
    /// Adds a topic, or takes a retired one with the same names back, of which all goes on: its lanes, its ledger and share, and
    /// what it has in the log. Whether its events go over the log is [set](Topic::set_over_log) when the reload is certain.
    /// One that is added is `recalled` first, which gives the number of its partitions in an earlier run:
    /// others see it when its lanes of the log are found and that number is in force.
    pub fn add_topic(
        &self,
        of: TopicOf,
        recalled: impl FnOnce(&Topic) -> Option<usize>,
    ) -> Arc<Topic> {
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |topic: &&Arc<Topic>| (topic.stream(), topic.name()) == (&of.stream, &of.name);
        if let Some(topic) = self.topics.iter().find(is_it) {
            topic.is_retired.store(false, Release);
            return Arc::clone(topic);
        }
        let topic = self.make_topic(of);
        self.find_lanes(std::slice::from_ref(&topic));
        let count = recalled(&topic);
        // Who hears of it meanwhile waits.
        let alone = topic.routing.state();
        self.topics.push(Arc::clone(&topic));
        if let Some(count) = count {
            self.route(&topic, count, true, &alone);
        }
        drop(alone);
        topic
    }

    /// Retires a topic: what it has drains, and nothing new is meant to come.
    pub fn retire_topic(&self, number: u32) {
        if let Some(topic) = self.topics.get(number as usize) {
            topic.is_retired.store(true, Release);
        }
    }

    /// Whether nothing of a topic is left: not in memory, not with the client, not in the log.
    pub fn is_drained(&self, topic: &Topic) -> bool {
        let mut lanes = topic.lanes_ever().into_iter();
        lanes.all(|lane| lane.ring.is_empty() && !lane.is_open() && !self.has_backlog(&lane))
    }

    /// The number of the oldest record of a topic in the spill log, in the lanes of its partitions, and in that of its unrouted events.
    pub fn oldest_in_log(&self, topic: &Topic) -> [Option<Lsn>; 2] {
        let oldest = |lane: &Lane| {
            let (log, lane) = self.spill.as_ref().zip(lane.spill)?;
            log.lane_oldest(lane)
        };
        let routed = topic.all_lanes();
        let routed = routed.iter().filter_map(|lane| oldest(lane)).min();
        [routed, topic.unrouted.as_deref().and_then(oldest)]
    }

    /// Changes the cluster's settings. What its client is made of comes into force with another client, when the present one
    /// holds nothing any more.
    pub fn change(&self, settings: produce::Settings) {
        let before = self.settings.swap(Arc::new(settings.clone()));
        self.health().set_stale_after(settings.probe * 5);
        for topic in &self.topics {
            topic.limits.change(&settings);
        }
        if !produce::client::is_same(&before, &settings) {
            self.away.forget();
            self.renew_client();
        }
        self.signal.wake();
    }

    /// Changes the settings of the lanes.
    pub fn change_lanes(&self, settings: Settings) {
        self.lane_settings.store(Arc::new(settings));
        self.signal.wake();
    }

    /// Asks the worker for another client, when the present one holds nothing any more: for files with secrets, which the client
    /// read when it was made.
    pub fn renew_client(&self) {
        self.stop.renew();
        self.signal.wake();
    }

    /// Adds one of the topics that the cluster is made with.
    pub(super) fn push_topic(&self, of: TopicOf) -> Arc<Topic> {
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let topic = self.make_topic(of);
        self.topics.push(Arc::clone(&topic));
        topic
    }

    /// One that has the next number, and isn't on the list yet.
    fn make_topic(&self, of: TopicOf) -> Arc<Topic> {
        let number = self.topics.len() as u32;
        let log = self.spill.as_ref();
        let lane = log.and_then(|log| log.lane(log_lane(self.name(), &of, "unrouted").as_bytes()));
        let unrouted = lane.map(|lane| {
            let its = self.lanes.fetch_add(1, AcqRel);
            Lane::new(its, number, UNROUTED, Some(lane))
        });
        Arc::new(Topic {
            number,
            account: Arc::new(Account {
                budget: Arc::clone(&self.budget),
                stream: Arc::clone(&of.share),
                cluster: Arc::clone(self.share()),
                owner: None,
            }),
            replays: Arc::new(Account {
                budget: Arc::clone(&self.budget),
                stream: Share::of_replay(),
                cluster: Arc::clone(&self.replays),
                owner: None,
            }),
            unrouted,
            is_unusable: AtomicBool::new(false),
            is_retired: AtomicBool::new(false),
            is_over_log: AtomicBool::new(of.is_over_log),
            waits: AtomicBool::new(false),
            is_behind: AtomicBool::new(false),
            trouble: Troubled::default(),
            routing: Routing::default(),
            limits: Arc::new(TopicLimits::of(&self.settings())),
            of,
        })
    }
}

impl<P: Client> Worker<P> {
    /// Takes the settings of lanes, if they were changed, and the pauses between two clients.
    pub(super) fn take_changes(&mut self) {
        let limits = self.cluster.settings();
        let (first, longest) = (limits.client_pause, limits.longest_client_pause);
        self.clients.pause.change(first, longest);
        let lanes = self.cluster.lane_settings();
        if Arc::ptr_eq(&lanes, &self.settings) {
            return;
        }
        self.settings = Arc::clone(&lanes);
        let (first, longest) = (lanes.pause, lanes.longest_pause);
        for pause in &mut self.lines.pauses {
            pause.change(first, longest);
        }
        for work in self.lines.works.iter_mut().flatten() {
            work.pause.change(first, longest);
        }
    }

    /// Makes room for what is known of a topic that came later than the worker.
    pub(super) fn meet_topic(&mut self, number: u32) {
        let (first, longest) = (self.settings.pause, self.settings.longest_pause);
        for number in self.lines.pauses.len() as u64..=u64::from(number) {
            let pause = Backoff::new(first, longest, number << 20);
            self.lines.pauses.push(pause);
        }
    }

    /// Brings the end of a client near that is to be replaced when it holds nothing any more. True if it is to be replaced now.
    pub(super) fn is_renewed(&mut self, now: Instant) -> bool {
        if self.cluster.stop.takes_renewal() {
            self.take_changes();
            // Changed again while it settles: the time that it was given counts.
            self.clients.renewing.get_or_insert(now + SETTLE_WITHIN);
        }
        let Some(until) = self.clients.renewing else {
            return false;
        };
        let Some(client) = &mut self.clients.current else {
            self.clients.renewing = None;
            self.clients.pause.succeeds();
            return false;
        };
        client.settle(now);
        self.lines.in_flight_events == 0 || now >= until
    }
}
