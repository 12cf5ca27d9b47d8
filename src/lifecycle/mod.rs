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

use tokio::sync::watch;

pub use settings::Settings;

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
