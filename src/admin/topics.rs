//! The topics of all streams, with their lanes: those that streams have, and those that they had before a reload gave them others, as
//! long as their clusters are there. What was taken for these still drains, or waits on disk.
//!
//! What is absent: routes. They know where new events go, and nothing of the past.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::lane::{Cluster, Topic};

/// All topics of all streams, by the stream's name: made once for a page, since a stream doesn't know what it had.
pub(super) struct Topics(HashMap<String, Vec<InCluster>>);

/// A topic, and where it is.
type InCluster = (Arc<Cluster>, Arc<Topic>);

impl Topics {
    /// Of the clusters that there are, also those that go.
    pub(super) fn of(clusters: &[Arc<Cluster>]) -> Topics {
        let mut all = HashMap::<String, Vec<_>>::new();
        for cluster in clusters {
            for topic in cluster.topics() {
                let its = (Arc::clone(cluster), Arc::clone(topic));
                all.entry(topic.stream().to_owned()).or_default().push(its);
            }
        }
        Topics(all)
    }

    /// Those of a stream, with their clusters.
    pub(super) fn of_stream(&self, name: &str) -> impl Iterator<Item = &InCluster> {
        self.0.get(name).into_iter().flatten()
    }
}

/// Events of all streams that are known to wait: in rings, with the clients, or on their way into the log.
pub(super) fn in_hand(clusters: &[Arc<Cluster>]) -> u64 {
    let of_topic = |topic: &Arc<Topic>| -> u64 {
        let lanes = topic.lanes_ever();
        lanes.iter().map(|lane| u64::from(lane.events())).sum()
    };
    let of_cluster = |cluster: &Arc<Cluster>| {
        let waiting: u64 = cluster.topics().iter().map(of_topic).sum();
        waiting + cluster.gauges().in_flight_events.load(Relaxed)
    };
    clusters.iter().map(of_cluster).sum()
}
