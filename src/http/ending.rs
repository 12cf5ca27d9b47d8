//! What the stop of the process means for one connection, so that no client and no load balancer sees a broken request.
//!
//! | phase | HTTP/1.1 | HTTP/2 |
//! | --- | --- | --- |
//! | grace | each answer says `Connection: close` (`http::ingest`), so that kept connections end one by one, with an answer | GOAWAY, once a request was served |
//! | closing | as in grace; one that rests may bring one more request within `shutdown.idle`, because it may be on its way | GOAWAY |
//!
//! On sockets that somebody else holds open the next clients wait already. There the grace lasts at least for `shutdown.idle`, and a
//! connection that rests at its end is closed after [`KEPT_REST`].
//!
//! A connection that rests isn't closed at once: whoever sends on it at the same moment would see a reset, and many load
//! balancers don't send a POST again. Those that were busy have ended in the grace; so what still rests hardly ever gets one.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use super::watch::Activity;
use crate::lifecycle::{Awaited, Phase, Watch};

/// How long a connection may still rest if the sockets are kept: enough for the first request of a connection that was accepted
/// last. It comes with the end of the TCP handshake, or right behind it.
const KEPT_REST: Duration = Duration::from_millis(50);

/// How long connections may rest once no more are accepted, if they may for `idle` on sockets that are this process's own.
pub(super) fn rest(idle: Duration, is_kept: bool) -> Duration {
    if is_kept { idle.min(KEPT_REST) } else { idle }
}

/// The end of a connection, as the process's phases bring it about.
pub(super) struct Ending {
    watch: Watch,
    idle: Duration,
    step: Step,
}

enum Step {
    /// Nothing has been asked for.
    Serving(Awaited),
    /// The process will stop.
    Grace(Awaited),
    /// It takes no more connections; this one may rest for as long as this.
    Closing(Pin<Box<Sleep>>),
    /// The connection knows.
    Told,
}

impl Ending {
    /// Of a connection in the process that `watch` shows, which may rest for `idle` at the end.
    pub(super) fn new(watch: &Watch, idle: Duration) -> Ending {
        Ending {
            watch: watch.clone(),
            idle,
            step: Step::Serving(Awaited::new(watch, Phase::Grace)),
        }
    }

    /// Whether it's now that the connection is to be told to end with what is under way: true once. If not, the task is woken
    /// when it may be. Each turn of each connection asks, so what is usual is inlined.
    #[inline(always)]
    pub(super) fn is_due(&mut self, activity: &Activity, cx: &mut Context<'_>) -> bool {
        match &self.step {
            Step::Serving(grace) if grace.is_quiet(cx) => false,
            _ => self.go_on(activity, cx),
        }
    }

    #[cold]
    fn go_on(&mut self, activity: &Activity, cx: &mut Context<'_>) -> bool {
        loop {
            match &mut self.step {
                Step::Serving(grace) => {
                    if !grace.has_come(cx) {
                        return false;
                    }
                    self.step = Step::Grace(Awaited::new(&self.watch, Phase::Closing));
                }
                Step::Grace(closing) => {
                    if activity.is_framed() && activity.has_served() {
                        break;
                    }
                    if !closing.has_come(cx) {
                        return false;
                    }
                    self.step = Step::Closing(Box::pin(sleep(self.idle)));
                }
                Step::Closing(over) => {
                    // A request under way isn't cut short, and HTTP/2 says which of its streams were taken.
                    if activity.is_framed() || activity.is_busy() {
                        break;
                    }
                    // A head that has begun to come is waited for, within its own time.
                    if activity.is_beginning() || over.as_mut().poll(cx) == Poll::Pending {
                        return false;
                    }
                    break;
                }
                Step::Told => return false,
            }
        }
        self.step = Step::Told;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
    use std::task::{Wake, Waker};

    use super::*;
    use crate::http::peer::Peer;
    use crate::lifecycle::Life;

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, SeqCst);
        }
    }

    #[test]
    fn a_connection_that_runs_while_a_phase_begins_still_hears_of_the_next() {
        for _ in 0..500 {
            let life = Life::default();
            life.enter(Phase::Running);
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(Arc::clone(&woken));
            let mut cx = Context::from_waker(&waker);
            let activity = Activity::new(Peer::default());
            let mut ending = Ending::new(&life.watch(), Duration::ZERO);
            assert!(!ending.is_due(&activity, &mut cx));
            std::thread::scope(|scope| {
                let entering = scope.spawn(|| life.enter(Phase::Grace));
                while !entering.is_finished() {
                    assert!(!ending.is_due(&activity, &mut cx));
                }
            });
            // As an executor does: one turn for each wake-up.
            while woken.0.swap(false, SeqCst) {
                assert!(!ending.is_due(&activity, &mut cx));
            }
            life.enter(Phase::Closing);
            assert!(woken.0.load(SeqCst), "the connection was forgotten");
        }
    }
}
