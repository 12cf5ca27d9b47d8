//! A stream that gets another topic or cluster: what it left at the former one goes to Kafka first, unless its setting `drain` says
//! otherwise.
//!
//! So the events of a key stay in order across the move. New events wait in the log meanwhile, at their new topic, and are
//! acknowledged as durable there; that is bounded by the log's quota, as every outage is. Without a log they wait in memory, as long
//! as a client may wait for its answer at most.
//!
//! A stream moves once at a time. Of a second move nobody could say what goes first, so a reload that asks for one is refused, by name.
//! `drain = "beside"` ends the waiting: for who would rather have new events at once than in order, as when the former cluster is
//! gone for good.
//!
//! A process that ended meanwhile finds in the log what was left, and goes on with the move; and so does who adopts its directory. If the
//! configuration was changed meanwhile, so that the stream goes to a third topic, or back to the first one, the log has events of
//! several moves: they go in the order in which they came ([`Waiting`]), and new events last.
//!
//! **Exception.** A stream that moved on before the partitions of its topic were ever known, was killed, and is moved back, has its new
//! events behind those of before, in one lane. These go last, all of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::chain::Chain;
use crate::http::Route;
use crate::lane::{Cluster, Topic};
use crate::route::Drain;

/// How often a move is looked at while it's young: the former topic is empty within some round trips, if its cluster is in order.
pub(super) const LOOK_SOON: Duration = Duration::from_millis(10);
/// How long it's young. After that, it's said that it takes long.
pub(super) const YOUNG: Duration = Duration::from_secs(5);

/// Streams whose new events wait, by name.
pub(super) type Moves = BTreeMap<String, Move>;

/// Where a stream moves, and since when.
#[derive(Debug)]
pub(super) struct Move {
    pub(super) cluster: Arc<Cluster>,
    pub(super) topic: Arc<Topic>,
    pub(super) since: Instant,
    /// Whether it was said that it takes long.
    pub(super) is_told: bool,
    /// It doesn't move: directories that were adopted have older events.
    pub(super) follows_others: bool,
}

impl Move {
    /// Whether a route goes there.
    pub(super) fn is_to(&self, route: &Route) -> bool {
        Arc::ptr_eq(&self.topic, &route.topic)
    }

    /// New events wait no longer.
    pub(super) fn end(self) {
        self.cluster.hold_topic(&self.topic, false, Instant::now());
    }
}

/// The topics of other places that have events of a stream, and their clusters.
pub(super) fn left<'a>(
    clusters: &'a [Arc<Cluster>],
    stream: &'a str,
    topic: &'a Arc<Topic>,
) -> impl Iterator<Item = (&'a Arc<Cluster>, &'a Arc<Topic>)> {
    let topics = clusters.iter().flat_map(|cluster| {
        let its = cluster.topics().iter();
        its.map(move |topic| (cluster, topic))
    });
    topics.filter(move |(cluster, other)| {
        other.stream() == stream && !Arc::ptr_eq(other, topic) && !cluster.is_drained(other)
    })
}

/// Has what the own log holds of a stream wait for what others hold, or not any more.
pub(super) fn set_behind(clusters: &[Arc<Cluster>], stream: &str, is_behind: bool) {
    let topics = clusters.iter().flat_map(|cluster| cluster.topics().iter());
    let its = topics.filter(|topic| topic.stream() == stream);
    its.for_each(|topic| topic.set_behind(is_behind));
}

/// Has the new events of a stream wait.
pub(super) fn begin(route: &Route, moves: &mut Moves) {
    let now = Instant::now();
    route.cluster.hold_topic(&route.topic, true, now);
    let moving = Move {
        cluster: Arc::clone(&route.cluster),
        topic: Arc::clone(&route.topic),
        since: now,
        is_told: false,
        follows_others: false,
    };
    moves.insert(route.name().to_owned(), moving);
}

/// What an earlier process left of moves: streams that have events in the log for another topic than their present one.
pub(super) struct Unfinished {
    pub(super) moves: Moves,
    /// Their former topics that wait for other former ones.
    pub(super) waiting: Waiting,
}

/// The moves that an earlier process didn't end; and streams of which directories that were adopted have older events, for whom the own log
/// is the next place.
pub(super) fn unfinished(
    clusters: &[Arc<Cluster>],
    routes: &[Arc<Route>],
    chain: &Chain,
) -> Unfinished {
    let mut moves = Moves::new();
    for route in routes {
        let name = route.name();
        let has_moved = left(clusters, name, &route.topic).next().is_some();
        let is_behind = chain.has(name);
        if route.settings.drain == Drain::First && (is_behind || has_moved) {
            begin(route, &mut moves);
            set_behind(clusters, name, is_behind);
            if let Some(moving) = moves.get_mut(name) {
                moving.follows_others = is_behind && !has_moved;
            }
        }
    }
    let is_moving = |topic: &Topic| topic.is_retired() && moves.contains_key(topic.stream());
    let waiting = Waiting::among(clusters, is_moving);
    Unfinished { moves, waiting }
}

/// Topics whose events in the log wait for older ones that their streams have elsewhere.
#[derive(Default)]
pub(super) struct Waiting(Vec<Place>);

/// A stream's topic in its cluster.
struct Place {
    cluster: Arc<Cluster>,
    topic: Arc<Topic>,
}

impl Waiting {
    /// Has those of the topics wait that have to, if they `may`. To be called before the clusters' threads are started.
    pub(super) fn among(clusters: &[Arc<Cluster>], may: impl Fn(&Topic) -> bool) -> Waiting {
        let places = clusters.iter().flat_map(|cluster| {
            let topics = cluster.topics().iter().filter(|topic| may(topic));
            topics.map(|topic| Place {
                cluster: Arc::clone(cluster),
                topic: Arc::clone(topic),
            })
        });
        let waiting: Vec<_> = places.filter(|place| place.waits(clusters)).collect();
        for place in &waiting {
            tracing::info!(
                stream = place.topic.stream(),
                cluster = place.cluster.name(),
                topic = place.topic.name(),
                "what the spill log holds for a topic waits for older events of its stream elsewhere"
            );
            place.hold(true);
        }
        Waiting(waiting)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lets those go that wait for nothing any more.
    pub(super) fn look(&mut self, clusters: &[Arc<Cluster>]) {
        self.0.retain(|place| {
            let waits = place.waits(clusters);
            if !waits {
                place.hold(false);
            }
            waits
        });
    }

    /// Lets all topics of a stream go.
    pub(super) fn let_go(&mut self, stream: &str) {
        self.0.retain(|place| {
            let is_of = place.topic.stream() == stream;
            if is_of {
                place.hold(false);
            }
            !is_of
        });
    }
}

impl Place {
    fn hold(&self, is_held: bool) {
        self.cluster
            .hold_topic(&self.topic, is_held, Instant::now());
    }

    /// The present topic of a stream waits for all others. A former one waits for what is older; of the present one that is in the lanes
    /// of its partitions, since its unrouted events wait themselves.
    fn waits(&self, clusters: &[Arc<Cluster>]) -> bool {
        let mut others = left(clusters, self.topic.stream(), &self.topic);
        if !self.topic.is_retired() {
            return others.next().is_some();
        }
        let [_, Some(own)] = self.cluster.oldest_in_log(&self.topic) else {
            return false;
        };
        others.any(|(cluster, other)| {
            let [routed, unrouted] = cluster.oldest_in_log(other);
            let unrouted = unrouted.filter(|_| other.is_retired());
            let oldest = routed.into_iter().chain(unrouted).min();
            oldest.is_some_and(|oldest| oldest < own)
        })
    }
}
