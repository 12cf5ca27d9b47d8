//! What can only be told from several looks: how long until memory and disk are full, and whether events vanish.
//!
//! One look a second, kept for [`LOOKS`] seconds.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::sampler::EVERY;
use super::status::View;

/// Looks that are kept, one a second: long enough to see past a burst, short enough to tell in time.
const LOOKS: usize = 30;
/// Part of the memory budget that is filled and emptied all the time, and says nothing about a loss to come.
const WORKING_SET: u64 = 8;

/// What one look saw.
#[derive(Clone, Debug, Default)]
struct Look {
    /// Bytes that wait, in memory and on disk.
    held: u64,
    /// Bytes that still fit.
    room: u64,
    /// Per stream: events admitted that are neither resolved nor known to wait anywhere.
    unexplained: Vec<u64>,
}

/// The last looks.
#[derive(Debug, Default)]
pub struct Trend(Mutex<VecDeque<Look>>);

impl Trend {
    /// Adds a look; to be called once every [`EVERY`].
    pub(super) fn note(&self, view: &View) {
        let look = look(view);
        let mut looks = self.looks();
        if looks.len() == LOOKS {
            looks.pop_front();
        }
        looks.push_back(look);
    }

    fn looks(&self) -> std::sync::MutexGuard<'_, VecDeque<Look>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time until memory and disk are full if events keep coming and going as in the last seconds; `None` while what waits
    /// doesn't grow.
    pub fn time_to_loss(&self) -> Option<Duration> {
        let looks: Vec<_> = self
            .looks()
            .iter()
            .map(|look| (look.held, look.room))
            .collect();
        time_to_loss(&looks)
    }

    /// Events of a stream, by its number, that are nowhere, as far as all of the last looks agree: zero, or there is a bug.
    pub fn residual(&self, stream: usize) -> u64 {
        let looks = self.looks();
        let unexplained = looks
            .iter()
            .map(|look| look.unexplained.get(stream).copied());
        unexplained
            .map(Option::unwrap_or_default)
            .min()
            .unwrap_or(0)
    }
}

/// From what was held and what still fitted, second by second: the mean of the later half less that of the earlier one is
/// the growth in half the time.
fn time_to_loss(looks: &[(u64, u64)]) -> Option<Duration> {
    let half = looks.len() / 2;
    let (_, room) = looks.last()?;
    if half < 2 {
        return None;
    }
    let mean = |looks: &[(u64, u64)]| {
        let sum: u64 = looks.iter().map(|(held, _)| held).sum();
        sum as f64 / looks.len() as f64
    };
    let (earlier, later) = (mean(&looks[..half]), mean(&looks[looks.len() - half..]));
    let seconds = (looks.len() - half) as f64 * EVERY.as_secs_f64();
    let growth = (later - earlier) / seconds;
    // A kilobyte per second is a rounding of the log's estimates.
    (growth > 1024.0).then(|| Duration::from_secs_f64(*room as f64 / growth))
}

fn look(view: &View) -> Look {
    let (used, total) = (view.budget.used(), view.budget.total());
    let log = view.sampler.latest().spill.clone().unwrap_or_default();
    let (backlog, room) = (log.backlog_bytes, log.room_bytes);
    // What is on its way into the log isn't known event by event.
    let in_hand = if log.queued_bytes > 0 {
        u64::MAX
    } else {
        view.streams.iter().map(|stream| view.in_hand(stream)).sum()
    };
    Look {
        held: used.saturating_sub(total / WORKING_SET) + backlog,
        room: total.saturating_sub(used) + room,
        unexplained: view
            .streams
            .iter()
            .map(|stream| {
                let open = stream.ledger.in_flight();
                u64::try_from(open)
                    .unwrap_or(u64::MAX)
                    .saturating_sub(in_hand)
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_loss_is_room_by_growth_and_none_while_nothing_grows() {
        const MB: u64 = 1_000_000;
        let growing: Vec<_> = (0..20)
            .map(|second| (second * 10 * MB, 1_000 * MB))
            .collect();
        let seconds = time_to_loss(&growing).unwrap().as_secs_f64();
        assert!((99.0..101.0).contains(&seconds), "{seconds}");
        assert_eq!(time_to_loss(&[(5 * MB, MB); 20]), None);
        let shrinking: Vec<_> = growing.iter().rev().copied().collect();
        assert_eq!(time_to_loss(&shrinking), None);
        assert_eq!(time_to_loss(&growing[..3]), None, "too early to tell");
    }
}
