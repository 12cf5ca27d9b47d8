//! The steward: prepares files, takes released segments away, writes the watermarks, and looks whether the disk has healed.
//!
//! Nothing on the path of a record waits for it: a writer without a prepared file makes one itself.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::acks::{Acks, Slots};
use super::disk::is_no_space;
use super::index::Released;
use super::segment::Name;
use super::shared::Shared;
use super::space::{self, Spare, discard};
use super::stats::Counters;

/// Shortest time between two writes of the watermarks, and between attempts that failed.
const PACE_MS: u64 = 1_000;
/// Damaged segments are kept for a look as long as they are no more than this many.
const KEPT_DAMAGED: u64 = 2;

/// The steward's state. It lives on its own thread.
pub(super) struct Steward {
    shared: Arc<Shared>,
    slots: Slots,
    generation: u64,
    acks_at_ms: u64,
    spare_at_ms: u64,
    /// The watermarks on disk cover what was released.
    may_take_away: bool,
}

impl Steward {
    pub(super) fn new(shared: &Arc<Shared>) -> Steward {
        let generation = shared.acks_generation;
        Steward {
            shared: Arc::clone(shared),
            slots: Slots::default(),
            generation,
            acks_at_ms: 0,
            spare_at_ms: 0,
            may_take_away: true,
        }
    }

    /// Does what is to be done; returns when there will be more without being rung for.
    pub(super) fn turn(&mut self) -> Option<u64> {
        let now_ms = self.shared.clock.now_ms();
        let has_released = self.shared.index().has_released();
        // Watermarks go first: a crash then finds them not behind what was taken away, and counts no false loss.
        let acks_again = self.keep_watermarks(now_ms, has_released);
        if has_released && self.may_take_away {
            self.take_away();
        }
        self.give_back();
        let spare_again = self.keep_spare(now_ms);
        [acks_again, spare_again].into_iter().flatten().min()
    }

    /// Writes the watermarks for the last time.
    pub(super) fn finish(&mut self) {
        self.keep_watermarks(self.shared.clock.now_ms(), true);
        if self.may_take_away && self.shared.index().has_released() {
            self.take_away();
        }
    }

    fn keep_watermarks(&mut self, now_ms: u64, at_once: bool) -> Option<u64> {
        let mut index = self.shared.index();
        if !index.is_dirty {
            return None;
        }
        if !at_once && now_ms < self.acks_at_ms {
            return Some(self.acks_at_ms);
        }
        index.is_dirty = false;
        let acks = Acks {
            log_id: self.shared.log_id,
            generation: self.generation + 1,
            epoch: self.shared.epoch,
            next_lsn: index.next_lsn,
            next_id: index.next_id(),
            lanes: index.watermarks(),
            tallies: index.tallies(),
        };
        drop(index);
        self.acks_at_ms = now_ms + PACE_MS;
        match self.slots.write(&*self.shared.disk, &acks) {
            Ok(()) => {
                self.may_take_away = true;
                self.generation += 1;
                Counters::add(&self.shared.counters.acks_written, 1);
                None
            }
            Err(error) => {
                // Without room for them, taking away is what helps.
                self.may_take_away = is_no_space(&error);
                self.trouble("can't write the watermarks", &error);
                self.shared.index().is_dirty = true;
                Some(self.acks_at_ms)
            }
        }
    }

    fn take_away(&self) {
        let released = self.shared.index().take_released();
        let mut recycled = Vec::new();
        for segment in released {
            self.shared.open_segments.forget(segment.id);
            if segment.is_damaged && self.put_aside(&segment) {
                continue;
            }
            let is_whole = segment.size == self.shared.space.segment_size();
            let wanted = recycled.is_empty() && self.shared.space.wants_more(&*self.shared.disk);
            match (is_whole && wanted).then(|| self.recycle(&segment)) {
                Some(Ok(spare)) => recycled.push(spare),
                Some(Err(error)) => {
                    self.trouble("can't recycle a segment", &error);
                    self.remove(&segment);
                }
                None => self.remove(&segment),
            }
        }
        if recycled.is_empty() {
            return;
        }
        // Only then: a file that still has its old name after a crash must not have been written over.
        match self.shared.disk.sync_dir() {
            Ok(()) => recycled.into_iter().for_each(|spare| {
                Counters::add(&self.shared.counters.recycled, 1);
                self.shared.space.keep(spare);
            }),
            Err(error) => {
                self.trouble("can't make a renaming durable", &error);
                for spare in recycled {
                    discard(&*self.shared.disk, &spare.name);
                    self.shared.space.gone(self.shared.space.segment_size());
                }
            }
        }
    }

    /// Removes files that wait while more is used than may be.
    fn give_back(&self) {
        while let Some(spare) = self.shared.space.take_surplus() {
            discard(&*self.shared.disk, &spare.name);
            self.shared.space.gone(self.shared.space.segment_size());
        }
    }

    fn recycle(&self, segment: &Released) -> io::Result<Spare> {
        let (from, name) = (
            Name::Segment(segment.id).file(),
            Name::Spare(segment.id).file(),
        );
        self.shared.disk.rename(&from, &name)?;
        let file = self.shared.disk.open_write(&name)?;
        Ok(Spare { name, file })
    }

    fn put_aside(&self, segment: &Released) -> bool {
        let room = KEPT_DAMAGED * self.shared.space.segment_size();
        if self.shared.bad_bytes.load(Relaxed) + segment.size > room {
            return false;
        }
        let renamed = self.shared.disk.rename(
            &Name::Segment(segment.id).file(),
            &Name::Bad(segment.id).file(),
        );
        if renamed.is_ok() {
            self.shared.put_aside(segment.size);
            tracing::warn!(
                segment = segment.id,
                "a damaged segment is kept for a look, as `.bad`"
            );
        }
        renamed.is_ok()
    }

    fn remove(&self, segment: &Released) {
        for name in [
            Name::Segment(segment.id).file(),
            Name::Spare(segment.id).file(),
        ] {
            match self.shared.disk.unlink(&name) {
                Ok(()) => {
                    Counters::add(&self.shared.counters.removed, 1);
                    self.shared.space.gone(segment.size);
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // It stays, and counts as used, until the next start.
                Err(error) => return self.trouble("can't remove a segment", &error),
            }
        }
        self.shared.space.gone(segment.size);
    }

    /// Keeps one file ready, and with it finds out whether the disk takes writes again.
    fn keep_spare(&mut self, now_ms: u64) -> Option<u64> {
        let shared = &*self.shared;
        let retry_at_ms = shared.intake.retry_at_ms();
        if shared.space.spares() > 0 && retry_at_ms.is_none() {
            return None;
        }
        // A full log is looked after whenever there was something to take away, a failing one when its pause is over.
        let not_before = match retry_at_ms {
            Some(_) if shared.intake.is_full() => 0,
            Some(at) => at,
            None => self.spare_at_ms,
        };
        if now_ms < not_before {
            return Some(not_before);
        }
        let proven = self.proven_spare().and_then(|spare| match retry_at_ms {
            Some(_) => self.in_durable_directory(spare),
            None => Ok(spare),
        });
        match proven {
            Ok(spare) => {
                shared.space.keep(spare);
                shared.intake.healed();
                None
            }
            Err(error) => {
                self.spare_at_ms = now_ms + PACE_MS;
                if retry_at_ms.is_some() {
                    shared.intake.failed(&error, now_ms);
                } else if is_no_space(&error) {
                    // The writer still has room; it tells when it has none.
                    tracing::debug!(%error, "no room for the next segment");
                } else {
                    self.trouble("can't prepare a segment", &error);
                }
                shared.intake.retry_at_ms().or(Some(self.spare_at_ms))
            }
        }
    }

    /// A spare file that was written successfully just now.
    fn proven_spare(&self) -> io::Result<Spare> {
        let shared = &*self.shared;
        let Some(spare) = shared.space.take() else {
            let id = shared.index().new_id();
            return shared.space.make(&*shared.disk, id);
        };
        match space::probe(&spare) {
            Ok(()) => Ok(spare),
            Err(error) => {
                discard(&*shared.disk, &spare.name);
                shared.space.gone(shared.space.segment_size());
                Err(error)
            }
        }
    }

    /// A new segment needs the directory as well: a disk that doesn't sync it hasn't healed.
    fn in_durable_directory(&self, spare: Spare) -> io::Result<Spare> {
        let shared = &*self.shared;
        if let Err(error) = shared.disk.sync_dir() {
            discard(&*shared.disk, &spare.name);
            shared.space.gone(shared.space.segment_size());
            return Err(error);
        }
        Ok(spare)
    }

    fn trouble(&self, what: &'static str, error: &io::Error) {
        Counters::add(&self.shared.counters.housekeeping_errors, 1);
        tracing::warn!(%error, "{what}");
    }
}
