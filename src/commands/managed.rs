//! What the service manager hears of a gateway that runs: [`crate::service::notify`] has the words, here are the moments.
//!
//! Ready means that the ports are open and the threads run. Kafka may be away: then the spill log takes events, or clients are told
//! to come again, and a manager that restarts the process would mend neither. `/readyz` is the word for load balancers.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

use super::Failure;
use crate::app::Running;
use crate::lifecycle::{Phase, Watch};
use crate::service::Manager;

/// How often it is looked whether the status is another.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A conversation with the service manager.
pub(super) struct Managed {
    manager: Arc<Manager>,
    /// The status that was told last.
    told: String,
    look: Interval,
    lives: Option<Interval>,
    reload: Option<Pin<Box<dyn Future<Output = ()>>>>,
    /// The configuration may have changed again since the reload that is under way began.
    is_outdated: bool,
}

/// Tells on until it's dropped.
pub(super) struct Telling(tokio::task::JoinHandle<()>);

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Managed {
    /// Tells that the gateway serves.
    pub(super) fn begin(running: &Running) -> Result<Managed, Failure> {
        let manager = Manager::of_this_process().map_err(Failure::internal)?;
        let every = |period| {
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        let managed = Managed {
            look: every(LOOK_EVERY),
            lives: manager.watched_every().map(every),
            manager: Arc::new(manager),
            told: running.status(),
            reload: None,
            is_outdated: false,
        };
        managed.manager.ready(&managed.told);
        Ok(managed)
    }

    /// Begins a reload. Hang-ups that come during one are one more reload after it.
    pub(super) fn hang_up(&mut self, running: &Running) {
        if self.reload.is_some() {
            self.is_outdated = true;
            return;
        }
        self.manager.reloading();
        self.reload = Some(Box::pin(running.reload("SIGHUP")));
    }

    /// Does the next thing that is to be done. It may be dropped and called again at any moment.
    pub(super) async fn goes_on(&mut self, running: &Running) {
        tokio::select! {
            () = next(self.reload.as_mut()) => {
                self.reload = None;
                self.told = running.status();
                self.manager.ready(&self.told);
                if std::mem::take(&mut self.is_outdated) {
                    self.hang_up(running);
                }
            }
            () = tick(self.lives.as_mut()) => self.manager.lives(),
            _ = self.look.tick(), if self.manager.is_there() => {
                let status = running.status();
                if status != self.told {
                    self.manager.status(&status);
                    self.told = status;
                }
            }
        }
    }

    /// Tells of the stop, and of its phases until the result is dropped.
    pub(super) fn stopping(self, mut watch: Watch) -> Telling {
        self.manager.stopping("stopping");
        let (manager, mut lives) = (self.manager, self.lives);
        Telling(tokio::spawn(async move {
            loop {
                tokio::select! {
                    changed = watch.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        let phase = *watch.borrow_and_update();
                        if let Some(words) = words(phase) {
                            manager.status(words);
                        }
                    }
                    () = tick(lives.as_mut()) => manager.lives(),
                }
            }
        }))
    }
}

/// What a phase of the stop is for.
fn words(phase: Phase) -> Option<&'static str> {
    match phase {
        Phase::Starting | Phase::Running | Phase::Stopped => None,
        Phase::Grace => Some("stopping: serving until load balancers have noticed"),
        Phase::Closing => Some("stopping: answering what is under way"),
        Phase::Draining => Some("stopping: bringing what was taken to Kafka"),
    }
}

async fn next(reload: Option<&mut Pin<Box<dyn Future<Output = ()>>>>) {
    match reload {
        Some(reload) => reload.await,
        None => std::future::pending().await,
    }
}

async fn tick(ticks: Option<&mut Interval>) {
    match ticks {
        Some(ticks) => drop(ticks.tick().await),
        None => std::future::pending().await,
    }
}
