//! The threads of a log: writer and steward, and one that asks the file system for its free space.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::shared::Shared;
use super::steward::Steward;
use super::writer::Writer;

/// How often the file system is asked for its free space.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// The log wasn't closed within its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the disk didn't take what waits in time")]
pub struct CloseError;

/// Tells when both threads have ended.
pub(super) struct Threads {
    running: Mutex<Running>,
}

/// How many of them still run, and where they tell that they don't.
struct Running {
    count: u32,
    ended: Receiver<()>,
}

impl Threads {
    pub(super) fn start(shared: &Arc<Shared>) -> std::io::Result<Threads> {
        let (ends, ended) = sync_channel(2);
        let mut writer = Writer::new(shared);
        spawn("spill-writer", ends.clone(), shared, move |shared| {
            while shared.inbox.wait() {
                writer.turn();
            }
            writer.finish();
        })
        .and_then(|()| {
            let mut steward = Steward::new(shared);
            spawn("spill-steward", ends, shared, move |shared| {
                while !shared.bell.is_closed() {
                    let next = steward.turn();
                    let pause = next.map(|at| at.saturating_sub(shared.clock.now_ms()));
                    shared.bell.wait(pause.map(Duration::from_millis));
                }
                steward.finish();
            })
        })
        .and_then(|()| watch_room(shared))
        .inspect_err(|_| shared.inbox.close())?;
        Ok(Threads {
            running: Mutex::new(Running { count: 2, ended }),
        })
    }

    /// Waits until both have ended: the writer first, because its last segment changes what the steward writes. At once, if
    /// they have.
    pub(super) fn finish(&self, shared: &Shared, within: Duration) -> Result<(), CloseError> {
        let deadline = Instant::now() + within;
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        while running.count > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            let ended = running.ended.recv_timeout(left);
            shared.bell.close();
            ended.map_err(|_| CloseError)?;
            running.count -= 1;
        }
        Ok(())
    }
}

/// Keeps the free space known. Nobody waits for this thread: a hung file system may hold it for ever, so it holds nothing
/// of the log's but the disk.
fn watch_room(shared: &Arc<Shared>) -> std::io::Result<()> {
    let (disk, free) = (Arc::clone(&shared.disk), Arc::clone(shared.space.free()));
    let log = Arc::downgrade(shared);
    let run = move || {
        while log.strong_count() > 0 {
            std::thread::sleep(ASK_EVERY);
            free.ask(&*disk);
        }
    };
    let name = "spill-room".to_owned();
    std::thread::Builder::new().name(name).spawn(run)?;
    Ok(())
}

fn spawn(
    name: &str,
    ends: SyncSender<()>,
    shared: &Arc<Shared>,
    work: impl FnOnce(&Shared) + Send + 'static,
) -> std::io::Result<()> {
    let shared = Arc::clone(shared);
    let run = move || {
        if catch_unwind(AssertUnwindSafe(|| work(&shared))).is_err() {
            // Appends would wait for answers that never come. Nothing acknowledged is lost by ending here.
            tracing::error!(
                "a thread of the spill log panicked; this is a bug, and the process ends"
            );
            std::process::abort();
        }
        // The directory is free before anybody is told.
        drop(shared);
        if ends.send(()).is_err() {
            tracing::debug!("nobody waited for the spill log to close");
        }
    };
    std::thread::Builder::new()
        .name(name.into())
        .spawn(run)
        .map(drop)
}
