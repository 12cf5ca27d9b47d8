//! Where each lane's runs are in the segments that are being read: built from run directories, shared by all readers.
//!
//! A segment's directories are read once, whatever number of lanes is in it; bodies are read by the lane that wants them.
//! What is known of segments has a bound in bytes: small events that came one by one make it a quarter of a segment's size.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Lsn;
use super::disk::{Disk, File};
use super::scan::{Step, Walk};
use super::segment::{DATA, Name};

/// How many segments are kept open for reading.
const OPEN: usize = 8;
/// What may be known of their runs beside the last one's, in bytes: enough for all of them unless events came one by one.
pub(super) const KNOWN_BYTES: usize = if cfg!(test) { 8 << 10 } else { 8 << 20 };
/// About what a lane's list of runs holds beside these and its name.
const LANE_BYTES: usize = 128;

/// One run of a lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunAt {
    pub(super) first_lsn: Lsn,
    pub(super) ordinal: u64,
    pub(super) written_ms: u64,
    /// Where its body is in the file.
    pub(super) offset: u32,
    pub(super) len: u32,
    pub(super) count: u32,
    pub(super) crc: u32,
}

impl RunAt {
    pub(super) fn last_lsn(&self) -> Lsn {
        self.first_lsn + u64::from(self.count) - 1
    }

    /// The ordinal behind its last record.
    pub(super) fn end(&self) -> u64 {
        self.ordinal + u64::from(self.count)
    }
}

/// A segment that is open for reading.
pub(super) struct OpenSegment {
    pub(super) id: u64,
    /// Whoever reads a run keeps this, and not what else is known of the segment.
    pub(super) file: Arc<dyn File>,
    found: Mutex<FoundRuns>,
    /// About what `found` holds. Read while somebody else may wait for the disk with `found` in hand.
    bytes: AtomicUsize,
}

#[derive(Default)]
struct FoundRuns {
    /// Frames before this are known.
    up_to: u64,
    lanes: HashMap<Box<[u8]>, Vec<RunAt>>,
}

impl OpenSegment {
    pub(super) fn open(disk: &dyn Disk, id: u64) -> io::Result<OpenSegment> {
        let file = disk.open_read(&Name::Segment(id).file())?;
        let found = FoundRuns {
            up_to: DATA,
            ..FoundRuns::default()
        };
        Ok(OpenSegment {
            id,
            file: file.into(),
            found: Mutex::new(found),
            bytes: AtomicUsize::new(0),
        })
    }

    /// Reads the run directories up to `end`, as far as they aren't known yet.
    pub(super) fn look_up_to(
        &self,
        end: u64,
        log_id: u128,
        skips_unreadable: bool,
    ) -> io::Result<()> {
        let mut found = self.found();
        if found.up_to >= end {
            return Ok(());
        }
        let mut walk = Walk::new(&*self.file, log_id, self.id, found.up_to, end);
        walk.skips_unreadable = skips_unreadable;
        while let Some(step) = walk.step()? {
            let Step::Frame(frame) = step else { continue };
            for run in frame.runs() {
                let at = RunAt {
                    first_lsn: run.first_lsn,
                    ordinal: run.ordinal,
                    written_ms: frame.header.written_ms,
                    offset: (frame.offset + u64::from(run.offset)) as u32,
                    len: run.len,
                    count: run.count,
                    crc: run.crc,
                };
                let mut bytes = size_of::<RunAt>();
                match found.lanes.get_mut(run.lane) {
                    Some(runs) => runs.push(at),
                    None => {
                        bytes += LANE_BYTES + run.lane.len();
                        found.lanes.insert(run.lane.into(), vec![at]);
                    }
                }
                self.bytes.fetch_add(bytes, Relaxed);
            }
            found.up_to = frame.end();
        }
        found.up_to = end;
        Ok(())
    }

    /// The first run of the lane that has records after `after`.
    pub(super) fn next_run(&self, lane: &[u8], after: Lsn) -> Option<RunAt> {
        let found = self.found();
        let runs = found.lanes.get(lane)?;
        let at = runs.partition_point(|run| run.last_lsn() <= after);
        runs.get(at).copied()
    }

    fn found(&self) -> MutexGuard<'_, FoundRuns> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The segments that are open for reading, the one used last at the end.
#[derive(Default)]
pub(super) struct OpenSegments {
    open: Mutex<Vec<Arc<OpenSegment>>>,
}

impl OpenSegments {
    /// The segment, opened if it isn't.
    pub(super) fn get(&self, disk: &dyn Disk, id: u64) -> io::Result<Arc<OpenSegment>> {
        let mut open = self.open();
        let segment = match open.iter().position(|segment| segment.id == id) {
            Some(at) => open.remove(at),
            None => Arc::new(OpenSegment::open(disk, id)?),
        };
        while open.len() >= OPEN || known_bytes(&open) > KNOWN_BYTES {
            open.remove(0);
        }
        open.push(Arc::clone(&segment));
        Ok(segment)
    }

    /// About what is known of all but the one that was used last.
    #[cfg(test)]
    pub(super) fn known_beside_last(&self) -> usize {
        let open = self.open();
        known_bytes(&open[..open.len().saturating_sub(1)])
    }

    /// The file is going away.
    pub(super) fn forget(&self, id: u64) {
        self.open().retain(|segment| segment.id != id);
    }

    fn open(&self) -> MutexGuard<'_, Vec<Arc<OpenSegment>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// About what is known of the runs of segments.
fn known_bytes(of: &[Arc<OpenSegment>]) -> usize {
    of.iter().map(|open| open.bytes.load(Relaxed)).sum()
}
