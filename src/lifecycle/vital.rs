//! Parts of the process that must not end while it runs: threads and tasks that hold a guard. A guard that is dropped too
//! early says that its part has ended, or has panicked; the process stops then, in order, and with an error.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Phase, Watch};

/// All vital parts, and the first of them that failed.
#[derive(Clone, Debug)]
pub struct Vitals {
    phase: Watch,
    failed: Arc<watch::Sender<Option<String>>>,
}

/// Held by a part for as long as it lives.
#[derive(Debug)]
#[must_use = "dropping it says that its part has ended"]
pub struct Vital {
    part: String,
    vitals: Vitals,
}

impl Vitals {
    /// Of a process whose phase is `phase`.
    pub fn new(phase: &Watch) -> Vitals {
        Vitals {
            phase: phase.clone(),
            failed: Arc::new(watch::Sender::new(None)),
        }
    }

    /// A guard for a part of this name.
    pub fn guard(&self, part: impl Into<String>) -> Vital {
        Vital {
            part: part.into(),
            vitals: self.clone(),
        }
    }

    /// The first part that failed, and how.
    pub fn failed(&self) -> Option<String> {
        self.failed.borrow().clone()
    }

    /// Waits until a part has failed; how it did.
    pub async fn fails(&self) -> String {
        let mut news = self.failed.subscribe();
        let failed = news.wait_for(Option::is_some).await;
        failed.map_or_else(|_| String::new(), |why| why.clone().unwrap_or_default())
    }

    fn fail(&self, why: String) {
        tracing::error!(
            reason = why,
            "a part of forebay has failed: this is a bug; forebay stops"
        );
        self.failed.send_if_modified(|failed| {
            let is_first = failed.is_none();
            if is_first {
                *failed = Some(why);
            }
            is_first
        });
    }
}

impl Vital {
    /// The part can't do its work any more.
    pub fn fail(self, why: impl std::fmt::Display) {
        self.vitals.fail(format!("{}: {why}", self.part));
        // Its drop would tell it once more, and worse.
        std::mem::forget(self);
    }
}

impl Drop for Vital {
    fn drop(&mut self) {
        // From the closing on, parts end in their turn.
        let is_early = *self.vitals.phase.borrow() < Phase::Closing;
        if std::thread::panicking() {
            self.vitals.fail(format!("{} panicked", self.part));
        } else if is_early {
            self.vitals.fail(format!("{} has ended", self.part));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Life;
    use super::*;

    #[test]
    fn a_part_that_ends_panics_or_gives_up_before_the_closing_is_a_failure() {
        let life = Life::default();
        life.enter(Phase::Running);
        let failed = |end: fn(Vital)| {
            let vitals = Vitals::new(&life.watch());
            let guard = vitals.guard("accepting");
            std::thread::spawn(move || end(guard)).join().unwrap_or(());
            vitals.failed()
        };
        assert_eq!(failed(drop).as_deref(), Some("accepting has ended"));
        let panicked = failed(|_guard| panic!("as a test"));
        assert_eq!(panicked.as_deref(), Some("accepting panicked"));
        let given_up = failed(|guard| guard.fail("no sockets"));
        assert_eq!(given_up.as_deref(), Some("accepting: no sockets"));
        life.enter(Phase::Closing);
        assert_eq!(failed(drop), None);
        let panicked = failed(|_guard| panic!("as a test"));
        assert_eq!(panicked.as_deref(), Some("accepting panicked"));
    }

    #[tokio::test]
    async fn the_first_failure_is_told_to_who_waits() {
        let life = Life::default();
        let vitals = Vitals::new(&life.watch());
        let (first, second) = (vitals.guard("first"), vitals.guard("second"));
        let waiting = tokio::spawn(async move { vitals.fails().await });
        drop(first);
        drop(second);
        assert_eq!(waiting.await.unwrap(), "first has ended");
    }
}
