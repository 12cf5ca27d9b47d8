//! Honest `Retry-After`: the time until room is expected, from what was measured.

use std::time::Duration;

use crate::budget::Exhausted;
use crate::lane::{Cluster, Refusal};

/// The shortest time that is told: the header has whole seconds.
pub(super) const SHORTEST: Duration = Duration::from_secs(1);
/// The longest: after that, things look different anyway, and SDKs should not go to sleep.
const LONGEST: Duration = Duration::from_secs(30);

/// When a lane will have room, or move again.
pub fn after_refusal(refusal: &Refusal, cluster: &Cluster) -> Duration {
    match refusal {
        // Half of what waits: by then there is room for more than the first one to come back.
        Refusal::Full { bytes, .. } => until_drained(cluster, bytes / 2),
        // Another instance takes it.
        Refusal::Draining => SHORTEST,
        // Nobody knows how long an outage lasts; as long again as it has lasted is the best single guess.
        Refusal::Stalled { since_ms, .. } => clamp(Duration::from_millis(u64::from(*since_ms))),
    }
}

/// When memory will be free.
pub fn after_exhaustion(
    exhausted: Exhausted,
    held_by_stream: u64,
    cluster: &Cluster,
    held: u64,
) -> Duration {
    match exhausted {
        Exhausted::Stream | Exhausted::Owner => until_drained(cluster, held_by_stream / 2),
        Exhausted::Cluster => until_drained(cluster, cluster.share().used() / 2),
        Exhausted::Budget => until_drained(cluster, held / 2),
    }
}

/// When Kafka is expected to answer again.
pub fn after_silence(cluster: &Cluster) -> Duration {
    clamp(cluster.health().acked_age().unwrap_or(SHORTEST * 5))
}

/// When Kafka will have taken so many bytes.
pub fn until_drained(cluster: &Cluster, bytes: u64) -> Duration {
    match cluster.time_to_drain(bytes) {
        Some(time) => clamp(time),
        None => after_silence(cluster),
    }
}

fn clamp(time: Duration) -> Duration {
    time.clamp(SHORTEST, LONGEST)
}
