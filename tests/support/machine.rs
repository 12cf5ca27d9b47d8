//! The machine, which tests share: one that measures time has it for itself.

use std::cell::Cell;
use std::sync::{Condvar, Mutex};

/// Gateways that run now, and whether a test that measures time wants the machine for itself.
static MACHINE: (Mutex<(usize, bool)>, Condvar) = (Mutex::new((0, false)), Condvar::new());

thread_local! {
    /// Gateways of this thread's test, and whether it has the machine for itself.
    static MINE: Cell<(usize, bool)> = const { Cell::new((0, false)) };
}

/// The machine, without other tests' gateways, until this is dropped: for tests in which time is the subject. To be
/// taken before the test starts a gateway, and after its three brokers: a test that has these may wait for a gateway.
pub struct Alone(());

impl Alone {
    /// Waits until no gateway runs, and keeps others from starting.
    pub fn on_the_machine() -> Alone {
        assert_eq!(MINE.get(), (0, false));
        let state = MACHINE.0.lock().unwrap();
        let mut state = MACHINE.1.wait_while(state, |(_, alone)| *alone).unwrap();
        state.1 = true;
        drop(
            MACHINE
                .1
                .wait_while(state, |(running, _)| *running > 0)
                .unwrap(),
        );
        MINE.set((0, true));
        Alone(())
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        MINE.set((0, false));
        MACHINE.0.lock().unwrap().1 = false;
        MACHINE.1.notify_all();
    }
}

/// A gateway's place on the machine.
pub(super) struct Place {
    counted: bool,
}

impl Place {
    pub(super) fn take() -> Place {
        let (mine, alone) = MINE.get();
        if alone {
            return Place { counted: false };
        }
        let mut state = MACHINE.0.lock().unwrap();
        if mine == 0 {
            // A test that has one gateway may start another: waiting would be for itself.
            state = MACHINE.1.wait_while(state, |(_, alone)| *alone).unwrap();
        }
        state.0 += 1;
        MINE.set((mine + 1, false));
        Place { counted: true }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.counted {
            let (mine, alone) = MINE.get();
            MINE.set((mine.saturating_sub(1), alone));
            MACHINE.0.lock().unwrap().0 -= 1;
            MACHINE.1.notify_all();
        }
    }
}
