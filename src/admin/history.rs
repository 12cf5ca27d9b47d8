//! The last hour, for the charts of the page: a point for each ten seconds, of the process as a whole.
//!
//! It's kept in the process, so that who opens the page after something has happened sees it. It holds [`POINTS`] points of
//! less than 100 bytes, 36 kB together, however many streams and clusters there are.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// Points that are kept: an hour of them.
const POINTS: usize = 360;
/// The time from one to the next.
const EVERY: Duration = Duration::from_secs(10);

/// What is counted since the start of the process, and what is so at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moment {
    /// Events that were admitted.
    pub(super) accepted: u64,
    /// Events that Kafka acknowledged, at once or out of the log.
    pub(super) delivered: u64,
    /// Events that went into the log.
    pub(super) spilled: u64,
    /// Requests that were refused for want of room or of an acknowledgement in time.
    pub(super) turned_away: u64,
    /// Bytes of memory that are held.
    pub(super) memory: u64,
    /// Bytes of disk that the log uses.
    pub(super) spill: u64,
    /// Events that wait in the log.
    pub(super) backlog: u64,
    /// Time until events are refused; nothing while what waits doesn't grow.
    pub(super) time_to_loss: Option<Duration>,
}

#[derive(Debug)]
struct Point {
    at: SystemTime,
    moment: Moment,
}

/// The points of the last hour.
#[derive(Debug, Default)]
pub struct History(Mutex<VecDeque<Point>>);

impl History {
    /// Adds a point if it's time for one.
    pub(super) fn note(&self, now: SystemTime, moment: Moment) {
        let mut points = self.points();
        let last = points.back().map(|last| now.duration_since(last.at));
        // A clock that was set back begins anew.
        let is_due = match last {
            None => true,
            Some(Ok(since)) => since >= EVERY,
            Some(Err(_)) => {
                points.clear();
                true
            }
        };
        if is_due {
            // One more than is shown: a rate is told from two.
            if points.len() > POINTS {
                points.pop_front();
            }
            points.push_back(Point { at: now, moment });
        }
    }

    fn points(&self) -> std::sync::MutexGuard<'_, VecDeque<Point>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `/history`: by name, one number for each point, oldest first; counts as rates per second.
    pub(super) fn status(&self) -> Value {
        let points = self.points();
        let pairs = || points.iter().zip(points.iter().skip(1));
        let rates = |count: fn(&Moment) -> u64| -> Vec<f64> {
            let rate = |(before, now): (&Point, &Point)| {
                let seconds = now.at.duration_since(before.at).unwrap_or(EVERY);
                let more = count(&now.moment).saturating_sub(count(&before.moment));
                (more as f64 / seconds.as_secs_f64() * 10.0).round() / 10.0
            };
            pairs().map(rate).collect()
        };
        let gauge = |read: fn(&Moment) -> u64| -> Vec<u64> {
            pairs().map(|(_, now)| read(&now.moment)).collect()
        };
        let unix = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let left = |it: &Point| it.moment.time_to_loss.map(|left| left.as_secs());
        json!({
            "every_seconds": EVERY.as_secs(),
            "unix_seconds": pairs().map(|(_, now)| unix(now.at)).collect::<Vec<_>>(),
            "accepted_per_second": rates(|it| it.accepted),
            "delivered_per_second": rates(|it| it.delivered),
            "spilled_per_second": rates(|it| it.spilled),
            "turned_away_per_second": rates(|it| it.turned_away),
            "memory_bytes": gauge(|it| it.memory),
            "spill_bytes": gauge(|it| it.spill),
            "backlog_events": gauge(|it| it.backlog),
            "time_to_loss_seconds": pairs().map(|(_, now)| left(now)).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_kept_in_points_of_ten_seconds_and_counts_are_rates() {
        let (history, start) = (History::default(), UNIX_EPOCH + EVERY);
        for second in 0..2 * 3_600 {
            let moment = Moment {
                accepted: 50 * second,
                memory: second,
                ..Moment::default()
            };
            history.note(start + Duration::from_secs(second), moment);
        }
        let status = history.status();
        let of = |name: &str| status[name].as_array().unwrap().clone();
        assert!(of("accepted_per_second").iter().all(|it| it == 50.0));
        for name in ["unix_seconds", "memory_bytes", "time_to_loss_seconds"] {
            assert_eq!(of(name).len(), POINTS, "{name}");
        }
        assert_eq!(of("memory_bytes")[POINTS - 1], 7_190);
        assert!(size_of::<Point>() <= 100);
        // The clock is set back by an hour.
        history.note(start, Moment::default());
        history.note(start + EVERY, Moment::default());
        assert_eq!(
            history.status()["unix_seconds"].as_array().unwrap().len(),
            1
        );
    }
}
