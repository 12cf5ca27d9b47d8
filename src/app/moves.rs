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
//! A process that ended meanwhile finds in the log what was left, and goes on with the move.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// Has the new events of a stream wait.
pub(super) fn begin(route: &Route, moves: &mut Moves) {
    let now = Instant::now();
    route.cluster.hold_topic(&route.topic, true, now);
    let moving = Move {
        cluster: Arc::clone(&route.cluster),
        topic: Arc::clone(&route.topic),
        since: now,
        is_told: false,
    };
    moves.insert(route.name().to_owned(), moving);
}

/// The moves that an earlier process didn't end: streams that have events in the log for another topic than their present one.
pub(super) fn unfinished(clusters: &[Arc<Cluster>], routes: &[Arc<Route>]) -> Moves {
    let mut moves = Moves::new();
    for route in routes {
        let mut others = left(clusters, route.name(), &route.topic);
        if route.settings.drain == Drain::First && others.next().is_some() {
            begin(route, &mut moves);
        }
    }
    moves
}
