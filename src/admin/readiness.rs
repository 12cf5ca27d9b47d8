//! Whether forebay accepts events now, and if not, why.

use std::time::Duration;

use super::trouble::{Kind, Trouble};
use crate::lifecycle::Phase;
use crate::produce::health::Condition;

/// How long a cluster that was never reached is waited for before the spill log stands in for it.
pub(super) const WARM_WITHIN: Duration = Duration::from_secs(1);

/// Reasons that are listed, at most; what is above it is a number.
const LISTED: usize = 20;

/// The verdict and its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Whether load balancers should send requests here.
    pub ready: bool,
    /// What isn't as it should be, also if forebay is ready in spite of it.
    pub reasons: Vec<Trouble>,
    /// Why a stream's events aren't accepted, by the stream's number; nothing for those that are.
    pub refused: Vec<Option<String>>,
}

/// A cluster as readiness sees it.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// How it is.
    pub condition: Condition,
    /// It can never work as it's configured.
    pub is_impossible: bool,
    /// Whether the spill log takes its events while it can't.
    pub spills: bool,
}

/// A stream as readiness sees it.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Its name.
    pub name: String,
    /// Number of its cluster.
    pub cluster: usize,
    /// Its topic.
    pub topic: String,
    /// The topic's partitions are known.
    pub has_partitions: bool,
    /// The topic was seen, or may be there: with a log, events may wait for it.
    pub may_wait: bool,
    /// What is wrong with the topic, if anything is known to be.
    pub fault: Option<String>,
}

/// Judges: running, and events of either all streams are accepted, or `wait_for_all` has passed and those of one are.
pub fn judge(
    phase: Phase,
    running_for: Duration,
    wait_for_all: Duration,
    clusters: &[Cluster],
    streams: &[Stream],
) -> Readiness {
    let refused: Vec<_> = streams
        .iter()
        .map(|stream| {
            let cluster = clusters.get(stream.cluster)?;
            why_refused(stream, cluster, running_for)
        })
        .collect();
    let accepted = refused.iter().filter(|why| why.is_none()).count();
    let enough = accepted == streams.len() || (accepted > 0 && running_for >= wait_for_all);
    let mut reasons = Vec::new();
    match phase {
        Phase::Running => {}
        Phase::Starting => reasons.push(Trouble::new(Kind::Starting, "forebay is starting")),
        _ => reasons.push(Trouble::new(Kind::Stopping, "forebay is stopping")),
    }
    let not_up = clusters.iter().filter_map(why_not_up);
    reasons.extend(not_up.map(|why| Trouble::new(Kind::Cluster, why)));
    let of_topics = streams.iter().zip(&refused).filter_map(|(stream, why)| {
        let is_up = clusters.get(stream.cluster)?.condition == Condition::Up;
        let words = match (&stream.fault, why) {
            (Some(fault), None) => format!("{fault}; the spill log takes its events"),
            (Some(fault), Some(_)) => fault.clone(),
            // That its cluster isn't up was said.
            (None, why) => why.clone().filter(|_| is_up)?,
        };
        let what = format!("stream {}: {words}", stream.name);
        Some(Trouble::new(Kind::Topic, what))
    });
    reasons.extend(of_topics);
    let more = reasons.len().saturating_sub(LISTED);
    if more > 0 {
        reasons.truncate(LISTED);
        let more = format!("and {more} more; see /status");
        reasons.push(Trouble::new(Kind::More, more));
    }
    Readiness {
        ready: phase == Phase::Running && enough,
        reasons,
        refused,
    }
}

fn why_not_up(cluster: &Cluster) -> Option<String> {
    let name = &cluster.name;
    match &cluster.condition {
        Condition::Up => None,
        Condition::Starting(reason) => Some(format!("cluster {name} is starting: {reason}")),
        Condition::Down(reason) => Some(format!("cluster {name} is down: {reason}")),
    }
}

/// Why a stream's events aren't accepted: neither Kafka nor the log takes them.
fn why_refused(stream: &Stream, cluster: &Cluster, running_for: Duration) -> Option<String> {
    // A producer needs half a second to be ready; until then all events would take the way over the disk.
    let is_starting = matches!(cluster.condition, Condition::Starting(_));
    let spills = cluster.spills && (!is_starting || running_for >= WARM_WITHIN);
    // What Kafka never takes isn't accepted, however much room the log has.
    let log_takes = spills && stream.may_wait && !cluster.is_impossible;
    let is_up = cluster.condition == Condition::Up;
    if log_takes || (is_up && stream.has_partitions && stream.fault.is_none()) {
        return None;
    }
    let of_topic = || {
        stream
            .fault
            .as_ref()
            .map(|fault| format!("{fault} (cluster {})", cluster.name))
    };
    let unknown = || format!("the partitions of topic {} aren't known yet", stream.topic);
    of_topic()
        .or_else(|| why_not_up(cluster))
        .or_else(|| Some(unknown()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(10);

    fn cluster(name: &str, condition: Condition, spills: bool) -> Cluster {
        let (name, is_impossible) = (name.into(), false);
        Cluster {
            name,
            condition,
            is_impossible,
            spills,
        }
    }

    fn clusters(up: usize, down: usize) -> Vec<Cluster> {
        let up = (0..up).map(|number| cluster(&format!("up{number}"), Condition::Up, false));
        let condition = Condition::Down("silent".into());
        let down =
            (0..down).map(|number| cluster(&format!("down{number}"), condition.clone(), false));
        up.chain(down).collect()
    }

    fn stream(cluster: usize) -> Stream {
        Stream {
            name: format!("s{cluster}"),
            cluster,
            topic: "t".into(),
            has_partitions: true,
            may_wait: true,
            fault: None,
        }
    }

    /// With a stream for each cluster.
    fn judged(phase: Phase, running_for: Duration, clusters: &[Cluster]) -> Readiness {
        let streams: Vec<_> = (0..clusters.len()).map(stream).collect();
        judge(phase, running_for, WAIT, clusters, &streams)
    }

    #[test]
    fn a_dead_kafka_does_not_make_it_unready_while_the_spill_log_takes_events() {
        let mut clusters = clusters(0, 1);
        assert!(!judged(Phase::Running, WAIT, &clusters).ready);
        clusters[0].spills = true;
        let readiness = judged(Phase::Running, Duration::ZERO, &clusters);
        assert!(readiness.ready && readiness.reasons[0].contains("down0"));
        clusters[0].condition = Condition::Starting("no id yet".into());
        let ready_after = |time| judged(Phase::Running, time, &clusters).ready;
        assert!(!ready_after(WARM_WITHIN / 2) && ready_after(WARM_WITHIN));
        clusters[0].is_impossible = true;
        assert!(!judged(Phase::Running, WAIT, &clusters).ready);
    }

    #[test]
    fn a_gateway_whose_topics_are_all_missing_or_denied_is_not_ready_and_says_which_and_why() {
        let clusters = clusters(1, 0);
        let mut streams = vec![stream(0), stream(0)];
        streams[0].fault = Some("topic a doesn't exist".into());
        let one = judge(Phase::Running, WAIT, WAIT, &clusters, &streams);
        assert!(one.ready, "one of many");
        assert_eq!(one.reasons, ["stream s0: topic a doesn't exist"]);
        assert_eq!(
            one.refused[0].as_deref(),
            Some("topic a doesn't exist (cluster up0)")
        );
        assert_eq!(one.refused[1], None);
        streams[1].has_partitions = false;
        let all = judge(Phase::Running, WAIT, WAIT, &clusters, &streams);
        assert!(!all.ready);
        assert_eq!(
            all.reasons[1],
            "stream s0: the partitions of topic t aren't known yet"
        );
    }

    #[test]
    fn a_topic_that_is_denied_is_accepted_while_the_log_takes_its_events() {
        let clusters = [cluster("c", Condition::Up, true)];
        let mut streams = vec![stream(0)];
        streams[0].fault = Some("topic a is denied".into());
        let readiness = judge(Phase::Running, WAIT, WAIT, &clusters, &streams);
        assert!(readiness.ready);
        assert_eq!(
            readiness.reasons,
            ["stream s0: topic a is denied; the spill log takes its events"]
        );
        // It was never seen, so nobody knows that it's ours: its events are refused.
        (streams[0].may_wait, streams[0].has_partitions) = (false, false);
        assert!(!judge(Phase::Running, WAIT, WAIT, &clusters, &streams).ready);
    }

    #[test]
    fn reasons_are_bounded() {
        let clusters = clusters(1, 0);
        let mut denied = stream(0);
        denied.fault = Some("topic a is denied".into());
        let streams = vec![denied; 1_000];
        let reasons = judge(Phase::Running, WAIT, WAIT, &clusters, &streams).reasons;
        assert_eq!(reasons.len(), LISTED + 1);
        assert_eq!(reasons[LISTED], "and 980 more; see /status");
    }

    #[test]
    fn one_sick_cluster_does_not_make_the_others_unreachable() {
        assert!(judged(Phase::Running, WAIT, &clusters(1, 1)).ready);
        assert!(!judged(Phase::Running, WAIT, &clusters(0, 2)).ready);
    }

    #[test]
    fn right_after_the_start_all_clusters_are_waited_for() {
        assert!(!judged(Phase::Running, Duration::ZERO, &clusters(1, 1)).ready);
        assert!(judged(Phase::Running, Duration::ZERO, &clusters(2, 0)).ready);
    }

    #[test]
    fn only_a_running_process_is_ready_and_it_says_why_not() {
        for phase in [
            Phase::Starting,
            Phase::Grace,
            Phase::Closing,
            Phase::Draining,
            Phase::Stopped,
        ] {
            let readiness = judged(phase, WAIT, &clusters(1, 0));
            assert!(
                !readiness.ready && readiness.reasons[0].starts_with("forebay is st"),
                "{phase:?}"
            );
        }
        assert!(judged(Phase::Running, WAIT, &clusters(1, 1)).reasons[0].contains("down0"));
    }
}
