//! Whether forebay accepts events now, and if not, why.

use std::time::Duration;

use crate::lifecycle::Phase;
use crate::produce::health::Condition;

/// The verdict and its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Whether load balancers should send requests here.
    pub ready: bool,
    /// What isn't as it should be, also if forebay is ready in spite of it.
    pub reasons: Vec<String>,
}

/// Judges: running, and either all clusters are up, or `wait_for_all` has passed and one is.
pub fn judge(
    phase: Phase,
    running_for: Duration,
    wait_for_all: Duration,
    clusters: &[(String, Condition)],
) -> Readiness {
    let mut reasons: Vec<_> = clusters
        .iter()
        .filter_map(|(name, condition)| match condition {
            Condition::Up => None,
            Condition::Starting(reason) => Some(format!("cluster {name} is starting: {reason}")),
            Condition::Down(reason) => Some(format!("cluster {name} is down: {reason}")),
        })
        .collect();
    let up = clusters.len() - reasons.len();
    let enough = up == clusters.len() || (up > 0 && running_for >= wait_for_all);
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

    fn clusters(up: usize, down: usize) -> Vec<(String, Condition)> {
        let up = (0..up).map(|number| (format!("up{number}"), Condition::Up));
        up.chain(
            (0..down).map(|number| (format!("down{number}"), Condition::Down("silent".into()))),
        )
        .collect()
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
