//! The life of the process, from its start to its end, as a value that everybody can watch.
//!
//! ```text
//!  Starting ─▶ Running ─▶ Grace ─▶ Closing ─▶ Draining ─▶ Stopped
//! ```
//!
//! | phase | begins when | meanwhile |
//! | --- | --- | --- |
//! | `Starting` | the process starts | ports are being bound |
//! | `Running` | the ports are bound | requests are served |
//! | `Grace` | a stop is asked for | not ready any more, and still serving, until load balancers have noticed |
//! | `Closing` | the grace is over | no new connections; requests under way are answered |
//! | `Draining` | the last answer is given, or their time is over | what was taken goes to Kafka |
//! | `Stopped` | all is in Kafka, or the time is over | the process ends |
//!
//! A phase never goes back. [`signals`] says which signals ask for a stop, [`vital`] which threads must not end before it, and
//! [`settings`] how long each phase may take. This stage knows no other: what a phase means for a stage is written in `app`, where
//! the stage is wired.

pub mod settings;
pub mod signals;
pub mod vital;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::task::{Context, Poll, Wake, Waker};

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

/// A phase that a task waits for beside its real work. As long as nothing woke it for that, a turn of the task costs one load.
pub struct Awaited {
    reached: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// What the wait was last looked at with, if it was.
    wakes: Option<(Arc<Wakes>, Waker)>,
}

/// Wakes a task, and leaves word that it was the phase that woke it. What the phase is by now doesn't tell that: its change may be
/// seen before those who wait are woken. A turn between the two waits anew, and the late wake-up ends this wait too: whoever
/// then takes it for an old one isn't woken ever again.
struct Wakes {
    has_woken: AtomicBool,
    task: Waker,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.has_woken.store(true, Release);
        self.task.wake_by_ref();
    }
}

impl Awaited {
    /// Waits for `phase` or a later one.
    pub fn new(watch: &Watch, phase: Phase) -> Awaited {
        let mut watch = watch.clone();
        Awaited {
            reached: Box::pin(async move { reached(&mut watch, phase).await }),
            wakes: None,
        }
    }

    /// Whether nothing has woken the task for the phase since it was last asked whether it has come.
    #[inline(always)]
    pub fn is_quiet(&self, cx: &Context<'_>) -> bool {
        let wakes = self.wakes.as_ref().map(|(wakes, _)| wakes);
        wakes.is_some_and(|it| it.task.will_wake(cx.waker()) && !it.has_woken.load(Acquire))
    }

    /// Whether the phase has come; if not, the task is woken when it has. Not to be called again once it has.
    pub fn has_come(&mut self, cx: &mut Context<'_>) -> bool {
        !self.is_quiet(cx) && self.look(cx)
    }

    #[cold]
    fn look(&mut self, cx: &mut Context<'_>) -> bool {
        let waker = match &self.wakes {
            Some((wakes, waker)) if wakes.task.will_wake(cx.waker()) => {
                wakes.has_woken.store(false, Relaxed);
                waker
            }
            _ => {
                let wakes = Arc::new(Wakes {
                    has_woken: AtomicBool::new(false),
                    task: cx.waker().clone(),
                });
                let waker = Waker::from(Arc::clone(&wakes));
                &self.wakes.insert((wakes, waker)).1
            }
        };
        let mut cx = Context::from_waker(waker);
        self.reached.as_mut().poll(&mut cx) == Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

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

    /// Begins to wait for the next phase while it's woken for this one.
    struct Begins {
        life: Watch,
        begun: Mutex<Option<Awaited>>,
        waker: Waker,
    }

    impl Wake for Begins {
        fn wake(self: Arc<Self>) {
            let mut begun = self.begun.lock().unwrap();
            if begun.is_none() {
                let mut closing = Awaited::new(&self.life, Phase::Closing);
                assert!(!closing.has_come(&mut Context::from_waker(&self.waker)));
                *begun = Some(closing);
            }
        }
    }

    #[test]
    fn a_task_that_begins_to_wait_while_others_are_still_being_woken_is_not_forgotten() {
        // tokio deals those who wait out to eight lists at random, which are woken one after the other.
        for _ in 0..500 {
            let life = Life::default();
            let woken = Arc::new(Woken::default());
            let begins = Arc::new(Begins {
                life: life.watch(),
                begun: Mutex::default(),
                waker: Waker::from(Arc::clone(&woken)),
            });
            let waker = Waker::from(Arc::clone(&begins));
            let mut grace = Awaited::new(&life.watch(), Phase::Grace);
            assert!(!grace.has_come(&mut Context::from_waker(&waker)));
            life.enter(Phase::Grace);
            let mut closing = begins.begun.lock().unwrap().take().expect("it was woken");
            let mut cx = Context::from_waker(&begins.waker);
            if woken.0.swap(false, SeqCst) {
                assert!(!closing.has_come(&mut cx));
            }
            life.enter(Phase::Closing);
            assert!(woken.0.load(SeqCst), "the task was forgotten");
            assert!(closing.has_come(&mut cx));
        }
    }

    #[test]
    fn a_task_that_got_another_waker_is_woken_by_that() {
        let life = Life::default();
        let mut closing = Awaited::new(&life.watch(), Phase::Closing);
        let [old, new] = [0, 1].map(|_| Arc::new(Woken::default()));
        for woken in [&old, &new] {
            let waker = Waker::from(Arc::clone(woken));
            assert!(!closing.has_come(&mut Context::from_waker(&waker)));
        }
        life.enter(Phase::Closing);
        assert!(!old.0.load(SeqCst) && new.0.load(SeqCst));
    }
}
