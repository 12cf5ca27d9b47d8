//! Looks into a directory without owning it, for people: nothing is written, and a process that uses it isn't disturbed.
//!
//! In a directory that is in use the view may be behind, and what is acknowledged meanwhile may still be shown.

use std::io;
use std::path::Path;

use super::clock::Clock;
use super::disk::Disk;
use super::index::Index;
use super::opened::{Damage, LostLane, OpenError, RecoveredLane};
use super::record::decode_body;
use super::recover;
use super::runs::OpenSegment;
use super::scan::read_body;
use super::survey::{Survey, survey};
use super::{Lsn, Position, RealDisk, Stored};

/// A directory that is looked into.
pub struct Inspector {
    disk: Box<dyn Disk>,
    found: Survey,
    index: Index,
}

/// What is in the directory.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The lanes with unacknowledged records, by name.
    pub lanes: Vec<RecoveredLane>,
    /// The lanes that have lost records, as far as that's known without reading them all, by name.
    pub lost: Vec<LostLane>,
    /// Number of segments.
    pub segments: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// What is damaged.
    pub damage: Damage,
}

/// A segment couldn't be read.
#[derive(Debug, thiserror::Error)]
#[error("can't read segment {segment:016x}: {source}")]
pub struct InspectError {
    /// The segment.
    pub segment: u64,
    /// What the disk said.
    pub source: io::Error,
}

impl Inspector {
    /// Looks at the directory as it is now.
    pub fn open(dir: &Path) -> Result<Inspector, OpenError> {
        Inspector::open_on(Box::new(RealDisk::read_only(dir)))
    }

    /// Looks at a disk as it is now.
    pub fn open_on(disk: Box<dyn Disk>) -> Result<Inspector, OpenError> {
        let found = survey(&*disk)?;
        let index = recover::index(&found, found.last_lsn + 1);
        Ok(Inspector { disk, found, index })
    }

    /// What is there.
    pub fn inspect(&self) -> Inspection {
        let now_ms = Clock::of_the_machine().now_ms();
        Inspection {
            lanes: recover::lanes(&self.index, now_ms),
            lost: recover::lost(&self.index, now_ms),
            segments: self.found.segments.len() as u64,
            bytes: self.found.entries.iter().map(|entry| entry.bytes).sum(),
            damage: self.found.damage.clone(),
        }
    }

    /// Shows the records of a lane after `after`, oldest first, until `show` returns false. What is damaged is left out; returns
    /// how many records that are, beside those that [`Inspection::lost`] has.
    pub fn records(
        &self,
        lane: &[u8],
        after: Lsn,
        mut show: impl FnMut(Stored) -> bool,
    ) -> Result<u64, InspectError> {
        let (mut after, mut damaged) = (after, 0);
        for segment in &self.found.segments {
            let Some((_, span)) = segment.lanes.iter().find(|(name, _)| **name == *lane) else {
                continue;
            };
            if span.last_lsn <= after {
                continue;
            }
            let failed = |source| InspectError {
                segment: segment.id,
                source,
            };
            let open = match OpenSegment::open(&*self.disk, segment.id) {
                // Acknowledged and removed by the process that owns the directory.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                open => open.map_err(failed)?,
            };
            open.look_up_to(segment.end, self.found.log_id, true)
                .map_err(failed)?;
            while let Some(run) = open.next_run(lane, after) {
                let body = read_body(&*open.file, run.offset.into(), run.len, run.crc);
                let records = body
                    .map_err(failed)?
                    .and_then(|body| decode_body(body, run.count));
                if records.is_none() {
                    let seen = (after + 1).saturating_sub(run.first_lsn);
                    damaged += u64::from(run.count).saturating_sub(seen);
                }
                for (at, (meta, payload)) in (0..).zip(records.unwrap_or_default()) {
                    let lsn = run.first_lsn + at;
                    let position = Position {
                        lsn,
                        ordinal: run.ordinal + at,
                    };
                    let stored = Stored {
                        position,
                        stored_ms: run.written_ms,
                        meta,
                        payload,
                    };
                    if lsn > after && !show(stored) {
                        return Ok(damaged);
                    }
                }
                after = run.last_lsn();
            }
        }
        Ok(damaged)
    }
}
