//! Destroying clients that are of no more use. That joins their threads, which may hang, and must not hold the lanes.
//!
//! Each burial has a thread of its own, and there are few of them per cluster: a client that can't be buried now waits, and
//! its cluster with it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::carried::Client;

/// How long a client that was given up, and hangs, may hold the memory of what it still has to report.
const BURY_WITHIN: Duration = Duration::from_secs(600);
/// Burials of one cluster that may be under way. One takes a moment, unless the client's threads hang; with this many that
/// hang, another client would do no better.
const BURIALS_AT_MOST: usize = 4;

/// The burials of one cluster's clients.
#[derive(Debug)]
pub(super) struct Burials {
    under_way: Arc<()>,
    /// Held by each thread that works for the cluster.
    crew: Arc<()>,
}

impl Burials {
    /// Those of the cluster whose threads hold `crew`.
    pub(super) fn of(crew: &Arc<()>) -> Burials {
        Burials {
            under_way: Arc::default(),
            crew: Arc::clone(crew),
        }
    }

    /// Has a client destroyed, on a thread of its own; or gives it back, with the reason why that can't be now. What it still
    /// reports is of no interest, but gives memory back.
    pub(super) fn bury<P: Client>(&self, client: P) -> Result<(), (P, String)> {
        let under_way = Arc::strong_count(&self.under_way) - 1;
        if under_way >= BURIALS_AT_MOST {
            return Err((client, format!("{under_way} others hang")));
        }
        let handed = Arc::new(Mutex::new(Some(client)));
        let (taken, burial) = (Arc::clone(&handed), Arc::clone(&self.under_way));
        let crew = Arc::clone(&self.crew);
        let begun = std::thread::Builder::new()
            .name("burial".into())
            .spawn(move || {
                if let Some(mut client) = take(&taken) {
                    client.close(BURY_WITHIN, |_| {});
                    drop(client);
                }
                drop((burial, crew));
            });
        match begun {
            Ok(_) => Ok(()),
            // The thread never was, so the client is still here.
            Err(error) => take(&handed).map_or(Ok(()), |client| Err((client, error.to_string()))),
        }
    }

    /// Waits until none is under way. They take real time, of which a test's clock knows nothing.
    #[cfg(test)]
    pub(super) fn wait(&self) {
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while Arc::strong_count(&self.under_way) > 1 {
            assert!(std::time::Instant::now() < deadline, "a burial hangs");
            std::thread::yield_now();
        }
    }

    /// As [`Burials::bury`], at the end of the process: it ends all the same if the client can't be destroyed.
    pub(super) fn bury_or_leak<P: Client>(&self, client: P) {
        if let Err((client, _)) = self.bury(client) {
            std::mem::forget(client);
        }
    }
}

fn take<P>(client: &Mutex<Option<P>>) -> Option<P> {
    let mut client = client.lock().unwrap_or_else(PoisonError::into_inner);
    client.take()
}
