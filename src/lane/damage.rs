//! What damage of the disk has cost, by stream: events that the spill log held and can't give back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::cluster::Cluster;
use super::dead::{DEAD, Destination};
use crate::spill::{Log, LostLane};

/// Where nobody knows which cluster or stream it was.
const UNKNOWN: &str = "unknown";

/// Events of one stream that are lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// The cluster that they were going to.
    pub cluster: String,
    /// Their stream.
    pub stream: String,
    /// How many at least, since the log's directory was made.
    pub events: u64,
    /// How long ago the oldest of them was stored, about.
    pub since: Option<Duration>,
}

/// What a log has lost, for each stream; for configured streams also if that is nothing.
pub fn damaged(log: &Log, clusters: &[Arc<Cluster>]) -> Vec<Damaged> {
    count(&log.lost(), &Destination::of(clusters))
}

fn count(lost: &[LostLane], known: &[Destination]) -> Vec<Damaged> {
    let mut sums = BTreeMap::<(String, String), (u64, Option<Duration>)>::new();
    for to in known {
        sums.entry((to.cluster.clone(), to.stream.clone()))
            .or_default();
    }
    for lane in lost {
        let (events, since) = sums.entry(of_lane(&lane.name)).or_default();
        *events += lane.events;
        *since = (*since).max(lane.since);
    }
    let damaged = sums
        .into_iter()
        .map(|((cluster, stream), (events, since))| Damaged {
            cluster,
            stream,
            events,
            since,
        });
    damaged.collect()
}

/// Cluster and stream of a lane of the log, by its name.
fn of_lane(name: &[u8]) -> (String, String) {
    let name = String::from_utf8_lossy(name);
    let parts: Vec<_> = name.split('/').collect();
    let (cluster, stream) = match parts[..] {
        [DEAD, cluster, _, _] => (cluster, UNKNOWN),
        [DEAD, cluster, stream, ..] => (cluster, stream),
        [cluster, stream, _, _] => (cluster, stream),
        _ => (UNKNOWN, UNKNOWN),
    };
    (cluster.into(), stream.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_belong_to_the_streams_that_their_lanes_name() {
        let lane = |name: &str, events, since| LostLane {
            name: name.as_bytes().into(),
            events,
            before: 0,
            since: Some(Duration::from_secs(since)),
        };
        let lost = [
            lane("main/installs/topic/0", 5, 9),
            lane("main/installs/topic/unrouted", 2, 20),
            lane("dead/main/installs/topic/0/refused", 1, 1),
            lane("dead/main/topic/0", 3, 1),
            lane("of another kind", 4, 1),
        ];
        let known = ["clicks", "installs"].map(|stream| Destination {
            cluster: "main".into(),
            stream: stream.into(),
            topic: "topic".into(),
        });
        let damaged: Vec<_> = count(&lost, &known)
            .into_iter()
            .map(|it| {
                (
                    it.cluster + "/" + &it.stream,
                    it.events,
                    it.since.map(|it| it.as_secs()),
                )
            })
            .collect();
        let expected = [
            ("main/clicks", 0, None),
            ("main/installs", 8, Some(20)),
            ("main/unknown", 3, Some(1)),
            ("unknown/unknown", 4, Some(1)),
        ];
        assert_eq!(
            damaged,
            expected.map(|(name, events, since)| (name.to_owned(), events, since))
        );
    }
}
