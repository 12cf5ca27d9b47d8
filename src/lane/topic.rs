//! A stream's topic in its cluster, and the list of a cluster's topics.
//!
//! A topic has a number for ever. The list only grows: a stream that is taken away leaves its topic *retired*, so that what the
//! topic still has drains, and a stream that is put back finds it as it was.

use std::ops::Index;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::time::{Duration, Instant};

use super::Lane;
use super::routing::Routing;
use crate::budget::{Account, Share};
use crate::produce::TopicLimits;
use crate::produce::trouble::{Trouble, Troubled};
use crate::produce::verdict::TopicFault;
use crate::receipt::Ledger;

/// What a cluster is told of one of its topics.
#[derive(Clone, Debug)]
pub struct TopicOf {
    /// The stream whose events go there.
    pub stream: String,
    /// The Kafka topic's name.
    pub name: String,
    /// Whether events always go over the spill log, also while Kafka takes them.
    pub is_over_log: bool,
    /// What became of the stream's events. It's the stream's, which may outlive its topic.
    pub ledger: Arc<Ledger>,
    /// What the stream's events hold of the memory budget; the stream's as well.
    pub share: Arc<Share>,
}

impl TopicOf {
    /// The topic of a stream that never had another: with a ledger and a share that are new.
    pub fn new(stream: impl Into<String>, name: impl Into<String>) -> TopicOf {
        TopicOf {
            stream: stream.into(),
            name: name.into(),
            is_over_log: false,
            ledger: Arc::default(),
            share: Share::of_stream(),
        }
    }
}

/// A stream's topic in its cluster, and its lanes as far as the partitions are known.
#[derive(Debug)]
pub struct Topic {
    pub(super) number: u32,
    pub(super) of: TopicOf,
    pub(super) account: Arc<Account>,
    pub(super) replays: Arc<Account>,
    /// Where events wait until the partitions are known, if there is a spill log.
    pub(super) unrouted: Option<Arc<Lane>>,
    /// Kafka says that there is no such topic, or that it isn't ours.
    pub(super) is_unusable: AtomicBool,
    /// Nothing new is meant to come.
    pub(super) is_retired: AtomicBool,
    /// Events always go over the spill log, also while Kafka takes them.
    pub(super) is_over_log: AtomicBool,
    /// Without a log: nothing of it is sent, since what its stream left at another topic goes first.
    pub(super) waits: AtomicBool,
    /// Nothing that is in the log is sent: older events of its stream are in another log.
    pub(super) is_behind: AtomicBool,
    pub(super) trouble: Troubled<TopicFault>,
    pub(super) routing: Routing,
    pub(super) limits: Arc<TopicLimits>,
}

impl Topic {
    /// Its number within its cluster.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The Kafka topic's name.
    pub fn name(&self) -> &str {
        &self.of.name
    }

    /// The stream whose events go there.
    pub fn stream(&self) -> &str {
        &self.of.stream
    }

    /// What became of the stream's events.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.of.ledger
    }

    /// The memory that the stream's events are charged to.
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// The memory that its events are charged to once they're read back from the spill log: not the stream's, so that there is
    /// room for new ones.
    pub fn replays(&self) -> &Arc<Account> {
        &self.replays
    }

    /// What Kafka takes for it.
    pub fn limits(&self) -> &Arc<TopicLimits> {
        &self.limits
    }

    /// Whether events always go over the spill log.
    pub fn is_over_log(&self) -> bool {
        self.is_over_log.load(Relaxed)
    }

    /// Has events always go over the spill log from now on, or not. What is under way keeps its way, and its order.
    pub fn set_over_log(&self, is_over_log: bool) {
        self.is_over_log.store(is_over_log, Relaxed);
    }

    /// Whether its stream was taken away. What it still has drains.
    pub fn is_retired(&self) -> bool {
        self.is_retired.load(Acquire)
    }

    /// One lane per partition, by partition; empty until the partitions are known and in use, and while their number changes.
    /// Who pushes to these lanes keeps the list until that is done.
    pub fn lanes(&self) -> arc_swap::Guard<Arc<Vec<Arc<Lane>>>> {
        self.routing.in_use()
    }

    /// All lanes that were ever made, by partition: also those whose partitions are gone, or aren't in use yet.
    pub fn all_lanes(&self) -> arc_swap::Guard<Arc<Vec<Arc<Lane>>>> {
        self.routing.all()
    }

    /// All lanes that were ever made, the one for unrouted events last, also if it takes nothing: what it took before waits in it.
    pub fn lanes_ever(&self) -> Vec<Arc<Lane>> {
        let routed = self.all_lanes();
        routed.iter().chain(&self.unrouted).cloned().collect()
    }

    /// Whether new events wait for older ones because the number of partitions has changed.
    pub fn is_changing(&self) -> bool {
        self.routing.is_changing()
    }

    /// Whether new events wait for what their stream left at another topic.
    pub fn is_held(&self) -> bool {
        self.routing.is_held() || self.waits.load(Relaxed)
    }

    /// Has all that the log holds of it wait for older events of its stream, which are in another log, or not any more. New events have
    /// to be held as well.
    pub fn set_behind(&self, is_behind: bool) {
        self.is_behind.store(is_behind, Release);
    }

    /// For how long that has been so, if it is.
    pub fn held_for(&self) -> Option<Duration> {
        self.routing.held_for()
    }

    /// The one lane that takes events while the partitions aren't known; none if there is no spill log, or the topic can't
    /// be used and never could.
    pub fn unrouted(&self) -> &[Arc<Lane>] {
        if self.is_unusable.load(Relaxed) && self.routing.planned().is_empty() {
            return &[];
        }
        self.unrouted.as_slice()
    }

    /// Whether an event for it has somewhere to go.
    pub fn takes(&self) -> bool {
        !self.lanes().is_empty() || !self.unrouted().is_empty()
    }

    /// Why Kafka takes none of its events at the moment, if that is the topic's own fault.
    pub fn fault(&self) -> Option<Arc<Trouble<TopicFault>>> {
        self.trouble.get()
    }

    /// Notes that Kafka takes none of its events, and why. True if that is news.
    pub fn set_fault(&self, fault: TopicFault, now: Instant) -> bool {
        let reason = || format!("topic {} {fault}", self.of.name);
        self.trouble.set(fault, now, reason)
    }

    /// Notes that Kafka takes its events. Returns what was wrong.
    pub fn clear_fault(&self) -> Option<Arc<Trouble<TopicFault>>> {
        self.trouble.clear()
    }
}

/// The topics of a cluster, by number.
#[derive(Debug, Default)]
pub struct Topics(boxcar::Vec<Arc<Topic>>);

impl Topics {
    /// The topic of this number.
    pub fn get(&self, number: usize) -> Option<&Arc<Topic>> {
        self.0.get(number)
    }

    /// All of them, by number, also those that are retired.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.0.iter().map(|(_, topic)| topic)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds one whose number is the present length. One caller at a time.
    pub(super) fn push(&self, topic: Arc<Topic>) {
        self.0.push(topic);
    }
}

impl Index<usize> for Topics {
    type Output = Arc<Topic>;

    fn index(&self, number: usize) -> &Arc<Topic> {
        &self.0[number]
    }
}

impl<'a> IntoIterator for &'a Topics {
    type Item = &'a Arc<Topic>;
    type IntoIter = Box<dyn Iterator<Item = &'a Arc<Topic>> + 'a>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}
