//! Looks at what takes a lock of the data path to look at: the spill log's statistics and backlogs.
//!
//! The thread `sampler` looks once a second, and whenever somebody asks. Everybody else reads what it saw last, with its
//! age, and never waits for a lock or a disk. What is old is bad.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::lane::dead::DeadLetters;
use crate::spill::{Backlog, LaneId, State, Stats};

/// How often it looks by itself.
pub(super) const EVERY: Duration = Duration::from_secs(1);
/// How long somebody who asks waits for a fresh look, before the last one has to do.
const FRESH_WITHIN: Duration = Duration::from_millis(500);
/// A look that is older says nothing any more: the thread that looks stands still.
pub(super) const STALE: Duration = Duration::from_secs(5);

/// What was seen.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When.
    pub at: Instant,
    /// The spill log, if there is one.
    pub spill: Option<Stats>,
    /// What waits in its lanes, by their number.
    pub backlogs: Vec<Backlog>,
    /// Its dead letters.
    pub dead: Vec<DeadLetters>,
    /// Whose wish for a look came before this one.
    pub(super) wishes: u64,
}

impl Sample {
    /// What waits in a lane of the log.
    pub fn backlog(&self, lane: LaneId) -> Backlog {
        let backlog = self.backlogs.get(lane.0 as usize);
        backlog.copied().unwrap_or_default()
    }
}

/// Whether the spill log takes events, as far as is known: what was seen too long ago isn't known.
pub(super) fn log_takes(sample: &Sample) -> bool {
    let log = sample.spill.as_ref();
    sample.at.elapsed() < STALE
        && log.is_some_and(|log| log.state == State::Healthy && log.room_age < STALE)
}

/// The last sample, and the way to ask for another.
#[derive(Debug)]
pub struct Sampler {
    latest: watch::Sender<Arc<Sample>>,
    wishes: AtomicU64,
    bell: SyncSender<()>,
}

/// Where the sampler's thread hears that somebody asks.
#[derive(Debug)]
pub struct Wishes(Receiver<()>);

impl Wishes {
    /// Waits for one, at most so long.
    pub(super) fn wait(&self, at_most: Duration) {
        self.0.recv_timeout(at_most).unwrap_or_default();
    }
}

impl Sampler {
    /// One that has seen nothing yet.
    pub fn new() -> (Sampler, Wishes) {
        let (bell, rung) = sync_channel(1);
        let nothing = Sample {
            at: Instant::now(),
            spill: None,
            backlogs: Vec::new(),
            dead: Vec::new(),
            wishes: 0,
        };
        let sampler = Sampler {
            latest: watch::Sender::new(Arc::new(nothing)),
            wishes: AtomicU64::new(0),
            bell,
        };
        (sampler, Wishes(rung))
    }

    /// The last sample.
    pub fn latest(&self) -> Arc<Sample> {
        Arc::clone(&self.latest.borrow())
    }

    /// Waits for a sample from now, for a moment.
    pub async fn refresh(&self) {
        let wish = self.wishes.fetch_add(1, AcqRel) + 1;
        let mut news = self.latest.subscribe();
        // If the bell is rung already, the look that follows is for this wish as well.
        self.bell.try_send(()).unwrap_or_default();
        let fresh = news.wait_for(|sample| sample.wishes >= wish);
        drop(tokio::time::timeout(FRESH_WITHIN, fresh).await);
    }

    /// How many have asked for a look so far.
    pub(super) fn wishes(&self) -> u64 {
        self.wishes.load(Acquire)
    }

    /// Shows what was seen.
    pub(super) fn publish(&self, sample: Sample) {
        self.latest.send_replace(Arc::new(sample));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_asks_gets_a_look_from_after_the_question_or_the_last_one() {
        let (sampler, wishes) = Sampler::new();
        let sampler = Arc::new(sampler);
        let asked = Instant::now();
        // Nobody looks: the old sample has to do.
        sampler.refresh().await;
        assert!(asked.elapsed() >= FRESH_WITHIN);
        assert!(sampler.latest().at <= asked);
        let looking = Arc::clone(&sampler);
        let thread = std::thread::spawn(move || {
            while wishes.0.recv_timeout(Duration::from_secs(2)).is_ok() {
                let sample = Sample {
                    at: Instant::now(),
                    wishes: looking.wishes.load(Acquire),
                    ..(*looking.latest()).clone()
                };
                looking.publish(sample);
            }
        });
        let asked = Instant::now();
        sampler.refresh().await;
        assert!(sampler.latest().at >= asked, "no fresh look");
        thread.join().unwrap();
    }
}
