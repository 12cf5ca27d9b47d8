//! Dead letters: events that were acknowledged as durable, and that Kafka then refused for good, for what they are.
//!
//! They are kept in lanes of the spill log that nobody replays, and that say where the events were going and why they didn't
//! get there: `dead/CLUSTER/STREAM/TOPIC/PARTITION/REASON`. What earlier versions wrote, `dead/CLUSTER/TOPIC/PARTITION`, is
//! read as well; its reason is [`Reason::Unknown`]. `redrive` sends them again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cluster::Cluster;
use super::topic::Topic;
use crate::event::Event;
use crate::produce::verdict::EventFault;
use crate::receipt::Parcel;
use crate::spill::{LaneId, Log, Lsn, RecoveredLane};

/// What the names of lanes of dead letters begin with. No cluster may have this name.
pub const DEAD: &str = "dead";
/// How long nothing more is said about dead letters of one stream and reason.
const SAID_FOR: Duration = Duration::from_secs(60);

/// Why Kafka refused an event for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It's larger than the topic or the broker allows.
    TooLarge,
    /// The topic doesn't take such an event: without a key, or with a timestamp out of bounds.
    Refused,
    /// Another version of forebay wrote it, without a reason or with one that this version doesn't know.
    Unknown,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 3] = [Reason::TooLarge, Reason::Refused, Reason::Unknown];

    /// The word in names of lanes, on metrics and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::TooLarge => "too_large",
            Reason::Refused => "refused",
            Reason::Unknown => "unknown",
        }
    }

    /// The reason that this word means.
    pub fn parse(word: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|it| it.as_str() == word)
    }

    /// The reason for a fault of an event.
    pub(super) fn of(fault: EventFault) -> Reason {
        match fault {
            EventFault::TooLarge => Reason::TooLarge,
            EventFault::Refused => Reason::Refused,
        }
    }

    /// What helps.
    fn remedy(self) -> &'static str {
        match self {
            Reason::TooLarge => {
                "raise the topic's max.message.bytes, or have the client send less; then send them again"
            }
            _ => {
                "look at them with `forebay spill cat`, mend the topic's configuration; then send them again"
            }
        }
    }
}

/// Where events go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destination {
    /// The cluster's name.
    pub cluster: String,
    /// The stream's name.
    pub stream: String,
    /// The Kafka topic.
    pub topic: String,
}

impl Destination {
    /// Where the events of all topics of these clusters go.
    pub fn of(clusters: &[Arc<Cluster>]) -> Vec<Destination> {
        let of_cluster = |cluster: &Arc<Cluster>| {
            let name = cluster.name().to_owned();
            let topics = cluster.topics().iter();
            let topics = topics.map(|topic| Destination {
                cluster: name.clone(),
                stream: topic.stream().into(),
                topic: topic.name().into(),
            });
            topics.collect::<Vec<_>>()
        };
        clusters.iter().flat_map(of_cluster).collect()
    }
}

/// A lane of dead letters.
#[derive(Clone, Debug)]
pub struct DeadLane {
    /// Its lane of the log.
    pub lane: LaneId,
    /// Its name.
    pub name: String,
    /// The cluster that its events were going to.
    pub cluster: String,
    /// Their stream; a lane of an earlier version has only that of a configured stream with its topic.
    pub stream: Option<String>,
    /// Their topic.
    pub topic: String,
    /// Why they were refused.
    pub reason: Reason,
    /// How many there are.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
    /// For how long the oldest has been one, to the precision of one segment of the log.
    pub oldest: Duration,
    /// The last one of them.
    pub last: Lsn,
    /// Where they go, if that's configured.
    pub goes_to: Option<Destination>,
}

impl DeadLane {
    fn read(found: &RecoveredLane, known: &[Destination]) -> Option<DeadLane> {
        let name = String::from_utf8_lossy(&found.name).into_owned();
        let parts: Vec<_> = name
            .strip_prefix(DEAD)?
            .strip_prefix('/')?
            .split('/')
            .collect();
        let (cluster, stream, topic, reason) = match parts[..] {
            [cluster, topic, _] => (cluster, None, topic, Reason::Unknown),
            [cluster, stream, topic, _, reason] => {
                let reason = Reason::parse(reason).unwrap_or(Reason::Unknown);
                (cluster, Some(stream), topic, reason)
            }
            _ => return None,
        };
        let goes_to = known.iter().find(|it| {
            let is_stream = stream.is_none_or(|stream| stream == it.stream);
            it.cluster == cluster && it.topic == topic && is_stream
        });
        Some(DeadLane {
            lane: found.lane,
            cluster: cluster.into(),
            stream: stream
                .map(str::to_owned)
                .or_else(|| goes_to.map(|it| it.stream.clone())),
            topic: topic.into(),
            reason,
            events: found.events,
            bytes: found.bytes,
            oldest: found.oldest,
            last: found.last,
            goes_to: goes_to.cloned(),
            name,
        })
    }
}

/// Whether a lane of the log, by its name, holds dead letters.
pub fn is_dead(lane: &[u8]) -> bool {
    lane.strip_prefix(DEAD.as_bytes())
        .is_some_and(|rest| rest.starts_with(b"/"))
}

/// The lanes of dead letters among those that a log has.
pub fn dead_lanes(found: &[RecoveredLane], known: &[Destination]) -> Vec<DeadLane> {
    let lanes = found.iter().filter(|lane| lane.events > 0);
    lanes
        .filter_map(|lane| DeadLane::read(lane, known))
        .collect()
}

/// Dead letters of one stream and reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetters {
    /// The cluster's name.
    pub cluster: String,
    /// The stream's name.
    pub stream: String,
    /// Why they were refused.
    pub reason: Reason,
    /// How many there are.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
    /// For how long the oldest has been one.
    pub oldest: Duration,
}

/// What a log holds of dead letters, for each stream and reason; for configured streams also if there are none.
pub fn census(log: &Log, clusters: &[Arc<Cluster>]) -> Vec<DeadLetters> {
    let known = Destination::of(clusters);
    count(&dead_lanes(&log.lanes(), &known), &known)
}

fn count(lanes: &[DeadLane], known: &[Destination]) -> Vec<DeadLetters> {
    let mut sums = BTreeMap::<_, (u64, u64, Duration)>::new();
    for (to, reason) in known.iter().flat_map(|to| Reason::ALL.map(|it| (to, it))) {
        sums.entry((to.cluster.as_str(), to.stream.as_str(), reason))
            .or_default();
    }
    for lane in lanes {
        let stream = lane.stream.as_deref().unwrap_or("unknown");
        let sum = sums.entry((&lane.cluster, stream, lane.reason));
        let (events, bytes, oldest) = sum.or_default();
        *events += lane.events;
        *bytes += lane.bytes;
        *oldest = (*oldest).max(lane.oldest);
    }
    let sums = sums.into_iter();
    let letters = sums.map(
        |((cluster, stream, reason), (events, bytes, oldest))| DeadLetters {
            cluster: cluster.into(),
            stream: stream.into(),
            reason,
            events,
            bytes,
            oldest,
        },
    );
    letters.collect()
}

/// Says what a log holds of dead letters when it's opened.
pub fn warn_of(found: &[RecoveredLane], known: &[Destination]) {
    let lanes = dead_lanes(found, known);
    for it in count(&lanes, known).iter().filter(|it| it.events > 0) {
        let (cluster, stream, reason) = (&it.cluster, &it.stream, it.reason.as_str());
        tracing::warn!(
            cluster,
            stream,
            reason,
            events = it.events,
            "the spill log holds dead letters of an earlier run, which kafka refused for good. {}: `forebay spill redrive`, or POST /dead/redrive on the admin port",
            it.reason.remedy()
        );
    }
}

/// The lane of the log for an event that a topic refused.
pub(super) fn name(cluster: &str, topic: &Topic, partition: i32, reason: Reason) -> String {
    let (stream, topic, reason) = (topic.stream(), topic.name(), reason.as_str());
    format!("{DEAD}/{cluster}/{stream}/{topic}/{partition}/{reason}")
}

/// Which dead letters were spoken of, so that the first is, and not each one.
#[derive(Debug, Default)]
pub(super) struct Told(RefCell<BTreeMap<(u32, Reason), Instant>>);

impl Told {
    /// A dead letter is being stored in a lane that has none, or has some.
    pub(super) fn note(&self, cluster: &Cluster, topic: &Topic, dead: &Dead, is_first: bool) {
        let (mut told, now) = (self.0.borrow_mut(), Instant::now());
        let key = (topic.number, dead.reason);
        let is_news = match told.get(&key) {
            None => true,
            Some(at) => is_first && now.duration_since(*at) >= SAID_FOR,
        };
        if !is_news {
            return;
        }
        told.insert(key, now);
        let (cluster, stream) = (cluster.name(), topic.stream());
        let event = dead.parcel.events().get(dead.position as usize);
        let bytes = event.map_or(0, Event::weight);
        let (topic, reason) = (topic.name(), dead.reason.as_str());
        tracing::warn!(
            cluster,
            stream,
            topic,
            reason,
            partition = dead.parcel.partition(),
            bytes,
            "kafka refuses an event for good that was acknowledged; it's kept as a dead letter, as others like it will be. {}: `forebay spill redrive`, or POST /dead/redrive on the admin port",
            dead.reason.remedy()
        );
    }
}

/// An event that is to become a dead letter.
pub(super) struct Dead<'a> {
    pub(super) parcel: &'a Arc<Parcel>,
    pub(super) position: u32,
    pub(super) reason: Reason,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spill::tests::hand::HandLog;

    fn known() -> Vec<Destination> {
        let to = |stream: &str, topic: &str| Destination {
            cluster: "main".into(),
            stream: stream.into(),
            topic: topic.into(),
        };
        vec![to("installs", "topic-1"), to("clicks", "topic-2")]
    }

    fn found(name: &str, events: u64) -> RecoveredLane {
        let lane = HandLog::new(0).open().lane(name.as_bytes()).unwrap();
        RecoveredLane {
            lane,
            name: name.as_bytes().into(),
            first: 1,
            last: events,
            events,
            bytes: events * 10,
            oldest: Duration::from_secs(events),
        }
    }

    #[test]
    fn names_say_where_dead_letters_were_going_and_why_also_those_of_earlier_versions() {
        let lanes = [
            found("dead/main/installs/topic-1/3/too_large", 2),
            found("dead/main/installs/topic-1/4/too_large", 5),
            found("dead/main/installs/topic-1/0/refused", 1),
            found("dead/main/topic-2/7", 3),
            found("dead/main/gone/topic-1/0/refused", 4),
            found("dead/gone/topic-1/0", 6),
            found("dead/main/clicks/topic-2/0/of-tomorrow", 7),
            found("dead/what/is/this", 0),
            found("dead/nonsense", 9),
            found("deadly/main/topic-1/0", 9),
            found("main/installs/topic-1/3", 8),
        ];
        let lanes = dead_lanes(&lanes, &known());
        assert_eq!(lanes.len(), 7);
        assert!(lanes[4].goes_to.is_none() && lanes[5].goes_to.is_none());
        assert_eq!(lanes[3].goes_to, Some(known()[1].clone()));
        let counts: Vec<_> = count(&lanes, &known())
            .into_iter()
            .filter(|it| it.events > 0)
            .map(|it| {
                let oldest = it.oldest.as_secs();
                let DeadLetters {
                    cluster,
                    stream,
                    reason,
                    events,
                    bytes,
                    ..
                } = it;
                assert_eq!(bytes, events * 10);
                format!("{cluster} {stream} {} {events} {oldest}", reason.as_str())
            })
            .collect();
        assert_eq!(
            counts,
            [
                "gone unknown unknown 6 6",
                "main clicks unknown 10 7",
                "main gone refused 4 4",
                "main installs too_large 7 5",
                "main installs refused 1 1",
            ]
        );
        assert_eq!(count(&[], &known()).len(), 2 * Reason::ALL.len(), "zeros");
    }

    #[test]
    fn only_lanes_of_dead_letters_are_dead() {
        assert!(is_dead(b"dead/main/topic/0") && is_dead(b"dead/what"));
        assert!(!is_dead(b"deadly/main/topic/0") && !is_dead(b"dead"));
    }

    #[test]
    fn every_reason_is_read_as_it_was_written() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(reason));
        }
        assert_eq!(Reason::of(EventFault::TooLarge), Reason::TooLarge);
        assert_eq!(Reason::of(EventFault::Refused), Reason::Refused);
    }
}
