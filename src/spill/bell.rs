//! The bell that wakes the steward.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Wakes the steward.
#[derive(Default)]
pub(super) struct Bell {
    state: Mutex<(bool, bool)>,
    rung: Condvar,
}

impl Bell {
    fn state(&self) -> MutexGuard<'_, (bool, bool)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is something to do.
    pub(super) fn ring(&self) {
        self.state().0 = true;
        self.rung.notify_one();
    }

    /// The log ends.
    pub(super) fn close(&self) {
        self.state().1 = true;
        self.rung.notify_one();
    }

    /// Whether the log ends.
    pub(super) fn is_closed(&self) -> bool {
        self.state().1
    }

    /// Waits until it is rung or closed or `pause` has passed.
    pub(super) fn wait(&self, pause: Option<Duration>) {
        let idle = |state: &mut (bool, bool)| !state.0 && !state.1;
        let state = self.state();
        let mut state = match pause {
            None => self
                .rung
                .wait_while(state, idle)
                .unwrap_or_else(PoisonError::into_inner),
            Some(pause) => {
                let waited = self.rung.wait_timeout_while(state, pause, idle);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        state.0 = false;
    }
}
