//! The disk space of the log: what it uses, what it may use, and files that wait to become segments.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::disk::{Disk, File};
use super::frame::{Buffer, PAGE};
use super::segment::Name;

/// Files kept for the next segments; one is prepared, the other comes from recycling.
pub(super) const SPARES: usize = 2;

/// A preallocated file.
pub(super) struct Spare {
    pub(super) name: String,
    pub(super) file: Box<dyn File>,
}

/// The account of the disk space.
pub(super) struct Space {
    state: Mutex<State>,
    quota: AtomicU64,
    min_free: AtomicU64,
    /// Size of a segment.
    size: u64,
    free: Arc<Free>,
}

/// What the file system had free when it was asked last. A disk that hangs doesn't answer, so whoever mustn't wait looks
/// here.
pub(super) struct Free {
    start: Instant,
    bytes: AtomicU64,
    asked_ms: AtomicU64,
}

impl Free {
    fn new() -> Free {
        Free {
            start: Instant::now(),
            bytes: AtomicU64::new(0),
            asked_ms: AtomicU64::new(0),
        }
    }

    /// Asks the file system; waits for it.
    pub(super) fn ask(&self, disk: &dyn Disk) {
        let free = disk.free_space().unwrap_or(0);
        self.bytes.store(free, Relaxed);
        let now_ms = self.start.elapsed().as_millis() as u64;
        self.asked_ms.store(now_ms, Relaxed);
    }

    fn age(&self) -> Duration {
        let asked = Duration::from_millis(self.asked_ms.load(Relaxed));
        self.start.elapsed().saturating_sub(asked)
    }
}

struct State {
    used: u64,
    spares: Vec<Spare>,
}

impl Space {
    pub(super) fn new(quota: u64, min_free: u64, size: u64, used: u64) -> Space {
        let state = State {
            used,
            spares: Vec::new(),
        };
        Space {
            state: Mutex::new(state),
            quota: AtomicU64::new(quota),
            min_free: AtomicU64::new(min_free),
            size,
            free: Arc::new(Free::new()),
        }
    }

    /// Other bounds from now on. What is stored stays, however little may be used.
    pub(super) fn change(&self, quota: u64, min_free: u64) {
        self.quota.store(quota, Relaxed);
        self.min_free.store(min_free, Relaxed);
    }

    /// Bytes that the log may use.
    pub(super) fn quota(&self) -> u64 {
        self.quota.load(Relaxed)
    }

    fn min_free(&self) -> u64 {
        self.min_free.load(Relaxed)
    }

    /// What the file system has free; somebody has to ask it from time to time.
    pub(super) fn free(&self) -> &Arc<Free> {
        &self.free
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes in use.
    pub(super) fn used(&self) -> u64 {
        self.state().used
    }

    /// Bytes left, by the quota and by what the file system said last, and how long ago that was. Never waits for the disk.
    pub(super) fn room(&self) -> (u64, Duration) {
        let free = self.free.bytes.load(Relaxed);
        let of_disk = free.saturating_sub(self.min_free());
        let room = self.quota().saturating_sub(self.used()).min(of_disk);
        (room, self.free.age())
    }

    /// Size of a segment.
    pub(super) fn segment_size(&self) -> u64 {
        self.size
    }

    /// How many files wait.
    pub(super) fn spares(&self) -> usize {
        self.state().spares.len()
    }

    /// A file that waits, the one that was put in last. None while more is used than may be, because that has become less.
    pub(super) fn take(&self) -> Option<Spare> {
        let mut state = self.state();
        if state.used > self.quota() {
            return None;
        }
        state.spares.pop()
    }

    /// A file that waits and has to go, because more is used than may be.
    pub(super) fn take_surplus(&self) -> Option<Spare> {
        let mut state = self.state();
        if state.used <= self.quota() {
            return None;
        }
        state.spares.pop()
    }

    /// Keeps a file for later.
    pub(super) fn keep(&self, spare: Spare) {
        self.state().spares.push(spare);
    }

    /// Whether a released segment is worth keeping as a spare file.
    pub(super) fn wants_more(&self, disk: &dyn Disk) -> bool {
        let state = self.state();
        let within = state.used <= self.quota() && state.spares.len() < SPARES;
        drop(state);
        within && disk.recycles() && disk.free_space().is_ok_and(|free| free >= self.min_free())
    }

    /// A file of `bytes` is gone.
    pub(super) fn gone(&self, bytes: u64) {
        let mut state = self.state();
        state.used = state.used.saturating_sub(bytes);
    }

    /// Makes a new file within the quota and writes a page to it, which also shows whether the disk can be written.
    pub(super) fn make(&self, disk: &dyn Disk, id: u64) -> io::Result<Spare> {
        {
            let mut state = self.state();
            if state.used + self.size > self.quota() {
                return Err(io::Error::new(
                    io::ErrorKind::StorageFull,
                    "the quota is used up",
                ));
            }
            state.used += self.size;
        }
        let made = self.create(disk, id);
        if made.is_err() {
            self.gone(self.size);
        }
        made
    }

    fn create(&self, disk: &dyn Disk, id: u64) -> io::Result<Spare> {
        if disk.free_space()? < self.min_free().saturating_add(self.size) {
            let why = "the file system has no more than `min_free` left";
            return Err(io::Error::new(io::ErrorKind::StorageFull, why));
        }
        let name = Name::Spare(id).file();
        let file = disk.create(&name, self.size)?;
        let spare = Spare { name, file };
        if let Err(error) = probe(&spare) {
            discard(disk, &spare.name);
            return Err(error);
        }
        Ok(spare)
    }
}

/// Writes a page of zeros to the beginning of the file: an old header is gone, and the disk has shown that it works.
pub(super) fn probe(spare: &Spare) -> io::Result<()> {
    spare
        .file
        .write_durable(0, Buffer::zeroed(2 * PAGE).bytes())
}

/// Removes a file that was never used; if that fails, the next start does it.
pub(super) fn discard(disk: &dyn Disk, name: &str) {
    match disk.unlink(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(file = name, %error, "can't remove a file of the spill log");
        }
        _ => {}
    }
}
