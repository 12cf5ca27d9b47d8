//! Whether forebay accepts events now, and if not, why.

use std::time::Duration;

use crate::lifecycle::Phase;
use crate::produce::health::Condition;

/// How long a cluster that was never reached is waited for before the spill log stands in for it.
const WARM_WITHIN: Duration = Duration::from_secs(1);

/// The verdict and its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Whether load balancers should send requests here.
    pub ready: bool,
    /// What isn't as it should be, also if forebay is ready in spite of it.
    pub reasons: Vec<String>,
}

/// A cluster as readiness sees it.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// How it is.
    pub condition: Condition,
    /// Whether the spill log takes its events while it can't.
    pub spills: bool,
}

/// Judges: running, and events for either all clusters are taken, or `wait_for_all` has passed and those for one are.
pub fn judge(
    phase: Phase,
    running_for: Duration,
    wait_for_all: Duration,
    clusters: &[Cluster],
) -> Readiness {
    let mut reasons: Vec<_> = clusters
        .iter()
        .filter_map(
            |Cluster {
                 name, condition, ..
             }| match condition {
                Condition::Up => None,
                Condition::Starting(reason) => {
                    Some(format!("cluster {name} is starting: {reason}"))
                }
                Condition::Down(reason) => Some(format!("cluster {name} is down: {reason}")),
            },
        )
        .collect();
    // A producer needs half a second to be ready; until then all events would take the way over the disk.
    let spills = |cluster: &Cluster| {
        let is_starting = matches!(cluster.condition, Condition::Starting(_));
        cluster.spills && (!is_starting || running_for >= WARM_WITHIN)
    };
    let takes = |cluster: &&Cluster| cluster.condition == Condition::Up || spills(cluster);
    let taking = clusters.iter().filter(takes).count();
    let enough = taking == clusters.len() || (taking > 0 && running_for >= wait_for_all);
    match phase {
        Phase::Running => {}
        Phase::Starting => reasons.insert(0, "forebay is starting".into()),
        _ => reasons.insert(0, "forebay is stopping".into()),
    }
    Readiness {
        ready: phase == Phase::Running && enough,
        reasons,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(10);

    fn clusters(up: usize, down: usize) -> Vec<Cluster> {
        let cluster = |name: String, condition| Cluster {
            name,
            condition,
            spills: false,
        };
        let up = (0..up).map(|number| cluster(format!("up{number}"), Condition::Up));
        let down = (0..down)
            .map(|number| cluster(format!("down{number}"), Condition::Down("silent".into())));
        up.chain(down).collect()
    }

    #[test]
    fn a_dead_kafka_does_not_make_it_unready_while_the_spill_log_takes_events() {
        let mut clusters = clusters(0, 1);
        assert!(!judge(Phase::Running, WAIT, WAIT, &clusters).ready);
        clusters[0].spills = true;
        let readiness = judge(Phase::Running, Duration::ZERO, WAIT, &clusters);
        assert!(readiness.ready && readiness.reasons[0].contains("down0"));
        clusters[0].condition = Condition::Starting("no id yet".into());
        let ready_after = |time| judge(Phase::Running, time, WAIT, &clusters).ready;
        assert!(!ready_after(WARM_WITHIN / 2) && ready_after(WARM_WITHIN));
    }

    #[test]
    fn one_sick_cluster_does_not_make_the_others_unreachable() {
        assert!(judge(Phase::Running, WAIT, WAIT, &clusters(1, 1)).ready);
        assert!(!judge(Phase::Running, WAIT, WAIT, &clusters(0, 2)).ready);
    }

    #[test]
    fn right_after_the_start_all_clusters_are_waited_for() {
        assert!(!judge(Phase::Running, Duration::ZERO, WAIT, &clusters(1, 1)).ready);
        assert!(judge(Phase::Running, Duration::ZERO, WAIT, &clusters(2, 0)).ready);
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
            let readiness = judge(phase, WAIT, WAIT, &clusters(1, 0));
            assert!(
                !readiness.ready && readiness.reasons[0].starts_with("forebay is st"),
                "{phase:?}"
            );
        }
        assert!(judge(Phase::Running, WAIT, WAIT, &clusters(1, 1)).reasons[0].contains("down0"));
    }
}
