//! What is wrong with the spill log's disk, in words: for the log, for readiness, for people.
//!
//! A disk that fails or is full says so by itself. One that is slow or hangs says nothing, so it is noticed here, look by
//! look.

use std::time::{Duration, Instant};

use super::sampler::STALE;
use crate::spill::{State, Stats};
use crate::telemetry::Standing;

/// Looks, one a second, over which a disk is judged to be slow.
const LOOKS: usize = 5;
/// A disk is slow if what waits for it would take longer than this: clients are answered within seconds.
const SLOW: Duration = Duration::from_secs(1);
/// Good looks after which a trouble is over. A slow disk has its moments.
const GOOD_LOOKS: u32 = 10;

/// The last looks at the disk.
#[derive(Debug, Default)]
pub(super) struct Disk {
    /// Bytes written so far, and bytes that wait, oldest look first.
    looks: Vec<(u64, u64)>,
    standing: Standing,
    good_looks: u32,
    words: Option<String>,
}

impl Disk {
    /// Adds a look; says in the log what is news.
    pub(super) fn note(&mut self, stats: &Stats, now: Instant) {
        if self.looks.len() > LOOKS {
            self.looks.remove(0);
        }
        self.looks.push((stats.frame_bytes, stats.queued_bytes));
        match trouble(stats).or_else(|| slow(&self.looks)) {
            Some(words) => {
                self.good_looks = 0;
                // One trouble, whatever the numbers in its words.
                if self.standing.is_due("the disk", now) {
                    tracing::warn!("{words}; events that kafka doesn't take in time are refused");
                }
                self.words = Some(words);
            }
            None => {
                self.good_looks += 1;
                if self.good_looks >= GOOD_LOOKS {
                    self.words = None;
                    if let Some(after) = self.standing.ends(now) {
                        let seconds = after.as_secs();
                        tracing::info!(seconds, "the spill log's disk keeps up again");
                    }
                }
            }
        }
    }

    /// What is wrong, if anything is.
    pub(super) fn words(&self) -> Option<&str> {
        self.words.as_deref()
    }
}

/// What the log knows by itself and says nowhere else.
fn trouble(stats: &Stats) -> Option<String> {
    if stats.state == State::Stalled {
        return Some(
            "the spill log's disk hangs: a write takes longer than spill.stalled_after".into(),
        );
    }
    let silent = stats.room_age.as_secs();
    (stats.room_age >= STALE).then(|| {
        format!("the spill log's disk hangs: it hasn't told its free space for {silent} s")
    })
}

/// A disk for which something waits at every look, for longer than it may.
fn slow(looks: &[(u64, u64)]) -> Option<String> {
    let ((first, _), (last, queued)) = (looks.first()?, looks.last()?);
    if looks.len() <= LOOKS || looks.iter().any(|(_, queued)| *queued == 0) {
        return None;
    }
    let rate = last.saturating_sub(*first) / (looks.len() as u64 - 1);
    (*queued > rate.saturating_mul(SLOW.as_secs())).then(|| {
        let (rate, queued) = (rate / 1_000, queued / 1_000);
        format!("the spill log's disk is slow: it takes {rate} kB/s, and {queued} kB wait for it")
    })
}

/// Why the log takes nothing, beside what [`Disk::words`] says.
pub(super) fn refuses_because(stats: &Stats) -> Option<&'static str> {
    match stats.state {
        State::Healthy | State::Stalled => None,
        State::Full => Some(
            "the spill log is full: it takes nothing until kafka has taken some of it, or there is more room",
        ),
        State::Degraded => Some("the spill log's disk fails: it takes nothing"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn stats(frame_bytes: u64, queued_bytes: u64) -> Stats {
        Stats {
            frame_bytes,
            queued_bytes,
            ..Stats::default()
        }
    }

    #[test]
    fn a_disk_that_cannot_keep_up_is_slow_and_a_busy_one_is_not() {
        let (start, mut disk) = (Instant::now(), Disk::default());
        for second in 0..30_u32 {
            let second = u64::from(second);
            // 500 MB/s with a full queue.
            disk.note(&stats(second * 500_000_000, 32 << 20), start);
            assert_eq!(disk.words(), None, "{second}");
        }
        let mut disk = Disk::default();
        for second in 0..8_u32 {
            disk.note(
                &stats(u64::from(second) * 20_000, 900_000),
                start + second * SECOND,
            );
            assert_eq!(disk.words().is_some(), second >= 5, "{second}");
        }
        assert_eq!(
            disk.words(),
            Some("the spill log's disk is slow: it takes 20 kB/s, and 900 kB wait for it")
        );
        for second in 8..8 + GOOD_LOOKS {
            assert!(disk.words().is_some(), "{second}");
            disk.note(&stats(160_000, 0), start + second * SECOND);
        }
        assert_eq!(disk.words(), None);
    }

    #[test]
    fn a_disk_that_hangs_is_told_at_once() {
        let now = Instant::now();
        let mut disk = Disk::default();
        disk.note(
            &Stats {
                state: State::Stalled,
                ..Stats::default()
            },
            now,
        );
        assert!(disk.words().unwrap().contains("hangs: a write"));
        let mut disk = Disk::default();
        disk.note(
            &Stats {
                room_age: 60 * SECOND,
                ..Stats::default()
            },
            now,
        );
        assert!(disk.words().unwrap().contains("for 60 s"));
    }
}
