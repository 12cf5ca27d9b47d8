//! Whether new records are taken, as a state machine: Healthy, Full, Degraded, and Stalled on top of each.
//!
//! The writer reports how writes went; the steward looks for room and probes. Appends only look: no lock, no wait.

use std::io;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::*};
use std::time::Duration;

use super::AppendError;
use super::disk::is_no_space;
use super::stats::State;

const HEALTHY: u8 = 0;
const FULL: u8 = 1;
const DEGRADED: u8 = 2;
const FIRST_PAUSE_MS: u64 = 1_000;
const LONGEST_PAUSE_MS: u64 = 60_000;

/// The state, shared between threads.
pub(super) struct Intake {
    state: AtomicU8,
    /// When it's tried again, if the state isn't healthy.
    retry_at_ms: AtomicU64,
    /// The next pause between probes of a failing disk; grows until a frame was written.
    pause_ms: AtomicU64,
    /// When the write began that the writer waits for; 0 if there is none.
    busy_since_ms: AtomicU64,
    stalled_after_ms: AtomicU64,
}

impl Intake {
    pub(super) fn new(stalled_after: Duration) -> Intake {
        Intake {
            state: AtomicU8::new(HEALTHY),
            retry_at_ms: AtomicU64::new(0),
            pause_ms: AtomicU64::new(FIRST_PAUSE_MS),
            busy_since_ms: AtomicU64::new(0),
            stalled_after_ms: AtomicU64::new(stalled_after.as_millis() as u64),
        }
    }

    /// A write may take so long from now on, also the one that is under way.
    pub(super) fn change(&self, stalled_after: Duration) {
        let ms = stalled_after.as_millis() as u64;
        self.stalled_after_ms.store(ms, Relaxed);
    }

    /// How long a write may take.
    pub(super) fn stalled_after(&self) -> Duration {
        Duration::from_millis(self.stalled_after_ms.load(Relaxed))
    }

    /// The state as others see it.
    pub(super) fn state(&self, now_ms: u64) -> State {
        match self.state.load(Acquire) {
            FULL => State::Full,
            DEGRADED => State::Degraded,
            _ if self.hangs_for(now_ms).is_some() => State::Stalled,
            _ => State::Healthy,
        }
    }

    /// Why nothing new is taken, if so.
    pub(super) fn refusal(&self, now_ms: u64) -> Option<AppendError> {
        let pause = self.retry_at_ms.load(Relaxed).saturating_sub(now_ms);
        let retry_in = Duration::from_millis(pause);
        match self.state(now_ms) {
            State::Healthy => None,
            State::Full => Some(AppendError::Full { retry_in }),
            State::Degraded => Some(AppendError::Degraded { retry_in }),
            State::Stalled => {
                let since = self.hangs_for(now_ms).unwrap_or_default();
                Some(AppendError::Stalled { since })
            }
        }
    }

    fn hangs_for(&self, now_ms: u64) -> Option<Duration> {
        let since = self.busy_since_ms.load(Relaxed);
        let hangs = now_ms.saturating_sub(since);
        (since > 0 && hangs >= self.stalled_after_ms.load(Relaxed))
            .then(|| Duration::from_millis(hangs))
    }

    /// The writer begins to work for waiting appends.
    pub(super) fn begins(&self, now_ms: u64) {
        self.busy_since_ms.store(now_ms.max(1), Relaxed);
    }

    /// The writer waits for nothing.
    pub(super) fn rests(&self) {
        self.busy_since_ms.store(0, Relaxed);
    }

    /// A frame was written.
    pub(super) fn wrote(&self) {
        self.pause_ms.store(FIRST_PAUSE_MS, Relaxed);
    }

    /// There is no way to write at the moment. Returns what waiting appends are told.
    pub(super) fn failed(&self, error: &io::Error, now_ms: u64) -> AppendError {
        if is_no_space(error) {
            self.fail(FULL, now_ms + FIRST_PAUSE_MS, error);
            return AppendError::Full {
                retry_in: Duration::from_millis(FIRST_PAUSE_MS),
            };
        }
        let pause = self.pause_ms.load(Relaxed);
        self.pause_ms
            .store((pause * 2).min(LONGEST_PAUSE_MS), Relaxed);
        self.fail(DEGRADED, now_ms + pause, error);
        AppendError::Degraded {
            retry_in: Duration::from_millis(pause),
        }
    }

    fn fail(&self, state: u8, retry_at_ms: u64, error: &io::Error) {
        self.retry_at_ms.store(retry_at_ms, Relaxed);
        if self.state.swap(state, AcqRel) != state {
            let state = if state == FULL { "full" } else { "degraded" };
            tracing::error!(%error, state, "the spill log takes nothing new; what is stored is safe");
        }
    }

    /// When it is worth to try again; `None` while healthy.
    pub(super) fn retry_at_ms(&self) -> Option<u64> {
        (self.state.load(Acquire) != HEALTHY).then(|| self.retry_at_ms.load(Relaxed))
    }

    /// Whether nothing is taken for want of room.
    pub(super) fn is_full(&self) -> bool {
        self.state.load(Acquire) == FULL
    }

    /// A new file could be made and written.
    pub(super) fn healed(&self) {
        if self.state.swap(HEALTHY, AcqRel) != HEALTHY {
            tracing::info!("the spill log takes new events again");
        }
    }
}
