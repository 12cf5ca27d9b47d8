//! The life of the process: its phases, as values that tests can watch, and the signals that end it.
//!
//! ```text
//!  Starting ─▶ Running ─▶ Grace ─▶ Closing ─▶ Draining ─▶ Stopped
//!                 ready      not ready ...
//! ```
//!
//! It knows no stage. What a phase means for a stage is written where the stage is wired, in `app`.

pub mod settings;
pub mod signals;
pub mod vital;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::watch;

pub use settings::Settings;
pub use vital::{Vital, Vitals};

/// Where the process is in its life. Later phases compare greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Ports are being bound.
    Starting,
    /// Requests are served.
    Running,
    /// A stop was asked for: not ready any more, but still serving, until load balancers have noticed.
    Grace,
    /// No new connections; requests under way are finished.
    Closing,
    /// What was taken goes to Kafka.
    Draining,
    /// All is done.
    Stopped,
}

/// The phase, as its owner sees it.
#[derive(Debug)]
pub struct Life {
    phase: watch::Sender<Phase>,
}

/// The phase, as everyone else sees it.
pub type Watch = watch::Receiver<Phase>;

impl Default for Life {
    fn default() -> Self {
        Life {
            phase: watch::Sender::new(Phase::Starting),
        }
    }
}

impl Life {
    /// Goes on to a later phase; never back.
    pub fn enter(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let later = phase > *now;
            if later {
                *now = phase;
            }
            later
        });
    }

    /// A view of the phase.
    pub fn watch(&self) -> Watch {
        self.phase.subscribe()
    }
}

/// Waits until `phase` or a later one.
pub async fn reached(watch: &mut Watch, phase: Phase) {
    // An error means that the owner is gone, which is the end as well.
    drop(watch.wait_for(|now| *now >= phase).await);
}

/// A phase that a task waits for beside its real work. As long as the phase is what it was, a turn of the task costs one
/// load.
pub struct Awaited {
    /// Its own view. Never marked as seen after the start: a change may be seen here before those who wait for it are
    /// woken, and a turn between the two must not make the next one believe that there's nothing to look at.
    news: Watch,
    reached: Pin<Box<dyn Future<Output = ()> + Send>>,
    was_polled: bool,
}

impl Awaited {
    /// Waits for `phase` or a later one.
    pub fn new(watch: &Watch, phase: Phase) -> Awaited {
        let mut news = watch.clone();
        news.mark_unchanged();
        let mut watch = watch.clone();
        Awaited {
            news,
            reached: Box::pin(async move { reached(&mut watch, phase).await }),
            was_polled: false,
        }
    }

    /// Whether the phase has come; if not, the task is woken when it has. Not to be called again once it has.
    pub fn has_come(&mut self, cx: &mut Context<'_>) -> bool {
        if self.was_polled && !self.news.has_changed().unwrap_or(true) {
            return false;
        }
        self.was_polled = true;
        self.reached.as_mut().poll(cx) == Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
    use std::task::{Wake, Waker};

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, SeqCst);
        }
    }

    #[test]
    fn a_task_that_happens_to_run_while_an_earlier_phase_begins_is_still_woken_for_its_own() {
        for _ in 0..5_000 {
            let life = Life::default();
            life.enter(Phase::Running);
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(Arc::clone(&woken));
            let mut cx = Context::from_waker(&waker);
            let mut closing = Awaited::new(&life.watch(), Phase::Closing);
            assert!(!closing.has_come(&mut cx));
            std::thread::scope(|scope| {
                let entering = scope.spawn(|| life.enter(Phase::Grace));
                while !entering.is_finished() {
                    assert!(!closing.has_come(&mut cx));
                }
            });
            // As an executor does: one turn for the wake-up of the earlier phase.
            if woken.0.swap(false, SeqCst) {
                assert!(!closing.has_come(&mut cx));
            }
            life.enter(Phase::Closing);
            assert!(woken.0.load(SeqCst), "the task was forgotten");
            assert!(closing.has_come(&mut cx));
        }
    }
}
