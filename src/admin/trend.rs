//! What can only be told from several looks: how long until memory and disk are full, and whether events vanish.
//!
//! One look a second, kept for [`LOOKS`] seconds. A refusal counts for as long as a request may take; growth and what is missing are
//! told from the last [`TELLING`] looks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::disk::Disk;
use super::sampler::EVERY;
use crate::spill::Stats;

/// Looks that are kept, one a second: more than `http.answer_within` may be, since clients who send again at once are refused in
/// bursts, one each such time.
const LOOKS: usize = 64;
/// Looks that tell growth, and what is missing: long enough to see past a burst, short enough to tell in time.
const TELLING: usize = 30;
/// Looks in which a refusal counts as one of now, beside those that a request takes at most: clients who send again at once are
/// refused in bursts, one each `http.answer_within`.
const RECENT: usize = 2;
/// Bytes per second that are a rounding of the log's estimates.
const NOISE: f64 = 1024.0;

/// What one look saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// Bytes that wait, in memory and on disk.
    pub(super) held: u64,
    /// Bytes that still fit.
    pub(super) room: u64,
    /// Bytes of them that wait on disk for Kafka.
    pub(super) backlog: u64,
    /// There is a log, and it takes nothing.
    pub(super) log_refuses: bool,
    /// Requests refused so far for want of room, or of an acknowledgement in time.
    pub(super) turned_away: u64,
    /// Looks from a request to its answer, at most.
    pub(super) to_answer: usize,
    /// Per stream: events admitted that are neither resolved nor known to wait anywhere.
    pub(super) unexplained: BTreeMap<String, u64>,
}

/// The last looks.
#[derive(Debug, Default)]
pub struct Trend {
    looks: Mutex<VecDeque<Look>>,
    disk: Mutex<Disk>,
}

impl Trend {
    /// Adds a look; to be called once every [`EVERY`].
    pub(super) fn note(&self, look: Look, log: Option<&Stats>) {
        if let Some(stats) = log {
            self.disk().note(stats, Instant::now());
        }
        let mut looks = self.looks();
        if looks.len() == LOOKS {
            looks.pop_front();
        }
        looks.push_back(look);
    }

    fn disk(&self) -> std::sync::MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wrong with the spill log's disk, if it's slow or hangs.
    pub(super) fn disk_trouble(&self) -> Option<String> {
        self.disk().words().map(str::to_owned)
    }

    fn looks(&self) -> std::sync::MutexGuard<'_, VecDeque<Look>> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time until events are refused for want of room, if they keep coming and going as in the last seconds. Zero while they
    /// are; `None` while what waits doesn't grow.
    pub fn time_to_loss(&self) -> Option<Duration> {
        time_to_loss(self.looks().make_contiguous())
    }

    /// Events of a stream that are nowhere, as far as all of the last looks agree: zero, or there is a bug.
    pub fn residual(&self, stream: &str) -> u64 {
        let looks = self.looks();
        let latest = looks.iter().rev().take(TELLING);
        let unexplained = latest.map(|look| look.unexplained.get(stream).copied());
        unexplained
            .map(Option::unwrap_or_default)
            .min()
            .unwrap_or(0)
    }
}

/// From the looks, one a second. The mean of the later half less that of the earlier one is the growth in half the time.
fn time_to_loss(looks: &[Look]) -> Option<Duration> {
    let last = looks.last()?;
    let before = &looks[looks.len().saturating_sub(RECENT + last.to_answer + 1)];
    if last.turned_away > before.turned_away {
        return Some(Duration::ZERO);
    }
    let looks = &looks[looks.len().saturating_sub(TELLING)..];
    let half = looks.len() / 2;
    if half < 2 {
        return None;
    }
    let mean = |looks: &[Look]| {
        let sum: u64 = looks.iter().map(|look| look.held).sum();
        sum as f64 / looks.len() as f64
    };
    let (earlier, later) = (mean(&looks[..half]), mean(&looks[looks.len() - half..]));
    let seconds = (looks.len() - half) as f64 * EVERY.as_secs_f64();
    let growth = (later - earlier) / seconds;
    // Kafka doesn't take what the log holds, and the log takes nothing more: the next event has no place.
    let drains = growth < -NOISE || last.backlog < before.backlog;
    if last.log_refuses && last.backlog > 0 && !drains {
        return Some(Duration::ZERO);
    }
    (growth > NOISE).then(|| Duration::from_secs_f64(last.room as f64 / growth))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    /// A series of looks, by second.
    fn series(seconds: u64, look: impl Fn(u64) -> Look) -> Vec<Look> {
        (0..seconds).map(look).collect()
    }

    fn filling(second: u64) -> Look {
        Look {
            held: second * 10 * MB,
            room: 1_000 * MB,
            backlog: second * 10 * MB,
            ..Look::default()
        }
    }

    fn full(_: u64) -> Look {
        Look {
            held: 900 * MB,
            room: 60 * MB,
            backlog: 900 * MB,
            log_refuses: true,
            ..Look::default()
        }
    }

    #[test]
    fn filling_it_is_room_by_growth() {
        let seconds = time_to_loss(&series(20, filling)).unwrap().as_secs_f64();
        assert!((99.0..101.0).contains(&seconds), "{seconds}");
        assert_eq!(time_to_loss(&series(3, filling)), None, "too early to tell");
    }

    #[test]
    fn empty_or_draining_it_is_infinite() {
        assert_eq!(time_to_loss(&[]), None);
        assert_eq!(time_to_loss(&series(30, |_| Look::default())), None);
        let steady = Look {
            held: 5 * MB,
            room: MB,
            ..Look::default()
        };
        assert_eq!(time_to_loss(&series(30, |_| steady.clone())), None);
        let draining: Vec<_> = series(30, filling).into_iter().rev().collect();
        assert_eq!(time_to_loss(&draining), None);
        // A full log drains as well: as soon as Kafka takes some of it.
        let mut drains = series(30, full);
        for (second, look) in drains[27..].iter_mut().enumerate() {
            look.backlog -= (second as u64 + 1) * MB;
        }
        assert_eq!(time_to_loss(&drains), None);
    }

    #[test]
    fn full_it_is_zero_and_stays_so_while_it_refuses() {
        assert_eq!(time_to_loss(&series(30, full)), Some(Duration::ZERO));
        // At 5 s the log is full, and from then on requests are refused: zero at each second.
        for seconds in 7..60 {
            let looks = series(seconds, |second| match second {
                0..=5 => filling(second),
                _ => Look {
                    turned_away: second * 100,
                    ..full(second)
                },
            });
            let looks = &looks[looks.len().saturating_sub(LOOKS)..];
            assert_eq!(time_to_loss(looks), Some(Duration::ZERO), "{seconds}");
        }
    }

    #[test]
    fn a_disk_that_hangs_or_is_slow_is_a_loss_as_soon_as_requests_are_refused() {
        // It takes 20 kB/s, has gigabytes of room, and nearly all is refused.
        let slow = series(30, |second| Look {
            held: second * 20_000,
            room: 6_000 * MB,
            backlog: second * 20_000,
            turned_away: second * 50,
            ..Look::default()
        });
        assert_eq!(time_to_loss(&slow), Some(Duration::ZERO));
        // A refusal now and then, and the last one some seconds ago.
        let over = series(30, |second| Look {
            turned_away: second.min(20),
            ..Look::default()
        });
        assert_eq!(time_to_loss(&over), None);
        // It hangs and holds events that Kafka doesn't take: the next one has no place.
        let hung = series(30, |second| Look {
            held: 50 * MB + second * 10 * MB,
            room: 100 * MB,
            backlog: 50 * MB,
            log_refuses: true,
            ..Look::default()
        });
        assert_eq!(time_to_loss(&hung), Some(Duration::ZERO));
        // It hangs while Kafka takes everything.
        let idle = Look {
            log_refuses: true,
            ..Look::default()
        };
        assert_eq!(time_to_loss(&series(30, |_| idle.clone())), None);
    }

    #[test]
    fn refusals_in_bursts_leave_no_time_between_them() {
        let bursts = series(30, |second| Look {
            turned_away: second / 6 * 24,
            to_answer: 5,
            log_refuses: false,
            ..full(second)
        });
        for looks in 7..30 {
            let left = time_to_loss(&bursts[..looks]);
            assert_eq!(left, Some(Duration::ZERO), "after {looks} looks");
        }
    }

    #[test]
    fn refusals_are_remembered_as_long_as_a_request_may_take() {
        // `http.answer_within` is 59 s: one burst each minute.
        let bursts = series(240, |second| Look {
            turned_away: second / 60 * 24,
            to_answer: 59,
            log_refuses: false,
            ..full(second)
        });
        for seconds in 61..240_usize {
            let looks = &bursts[seconds.saturating_sub(LOOKS)..seconds];
            let left = time_to_loss(looks);
            assert_eq!(left, Some(Duration::ZERO), "after {seconds} looks");
        }
        // Growth is that of the last half minute.
        let grows = series(64, |second| filling(second.max(40) - 40));
        let seconds = time_to_loss(&grows).unwrap().as_secs_f64();
        assert!(seconds < 200.0, "{seconds}");
        let grew = series(64, |second| filling(second.min(30)));
        assert_eq!(time_to_loss(&grew), None);
    }
}
