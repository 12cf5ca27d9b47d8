//! Opening the log: what the directory holds becomes the index. The rules are in [`super`].

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::bell::Bell;
use super::clock::Clock;
use super::disk::Disk;
use super::inbox::Inbox;
use super::index::Index;
use super::intake::Intake;
use super::opened::{LostLane, OpenError, Recovered, RecoveredLane};
use super::runs::OpenSegments;
use super::segment::Name;
use super::shared::Shared;
use super::space::{SPARES, Space, Spare, discard};
use super::stats::Counters;
use super::survey::{Survey, survey};
use super::{Lsn, Settings};

/// LSNs that a start leaves out: more than one frame can hold, because the last one may be on disk unseen.
const LSN_SKIP: Lsn = 1 << 26;

/// Lanes with losses that a start speaks of; statistics have them all.
const TOLD: usize = 20;

/// Opens the log's parts; nothing runs yet.
pub(super) fn open(
    disk: Arc<dyn Disk>,
    settings: Settings,
    clock: Clock,
) -> Result<(Arc<Shared>, Recovered), OpenError> {
    let lock = match disk.lock() {
        Ok(Some(lock)) => lock,
        Ok(None) => return Err(OpenError::Locked),
        Err(error) => return Err(OpenError::Directory(error)),
    };
    let found = survey(&*disk)?;
    let now_ms = clock.now_ms();
    let next_lsn = (found.last_lsn + LSN_SKIP).max(now_ms * 1_000);
    let index = index(&found, next_lsn);
    let bad_bytes = put_aside(&*disk, &found);
    let size = settings.segment_bytes();
    let used = found
        .segments
        .iter()
        .map(|segment| segment.bytes)
        .sum::<u64>()
        + bad_bytes;
    let (quota, min_free) = (settings.quota.as_u64(), settings.min_free.as_u64());
    let space = Space::new(
        quota,
        min_free,
        size,
        used + size * count_spares(&found, size),
    );
    keep_spares(&*disk, &found, &space);
    space.free().ask(&*disk);
    let recovered = Recovered {
        lost: lost(&index, now_ms),
        lanes: lanes(&index, now_ms),
        damage: found.damage.clone(),
        segments: index.segments(),
        used_bytes: space.used(),
        disk: disk.describe(),
    };
    tell(&recovered);
    let shared = Arc::new(Shared {
        inbox: Inbox::new(settings.queue.as_u64()),
        intake: Intake::new(settings.stalled_after),
        log_id: found.log_id,
        epoch: found.epoch + 1,
        acks_generation: found.acks.as_ref().map_or(0, |acks| acks.generation),
        disk,
        clock,
        counters: Counters::default(),
        index: Mutex::new(index),
        space,
        open_segments: OpenSegments::default(),
        bell: Bell::default(),
        bad_bytes: AtomicU64::new(bad_bytes),
        _lock: lock,
    });
    Ok((shared, recovered))
}

/// The index of what was found.
pub(super) fn index(found: &Survey, next_lsn: Lsn) -> Index {
    let mut index = Index::new(found.last_id + 1, next_lsn);
    for (name, watermark) in found.watermarks() {
        let lane = index.lane(name);
        index.restore(lane, *watermark);
    }
    for (name, tally) in found.tallies() {
        let lane = index.lane(name);
        index.remember(lane, *tally);
    }
    for segment in &found.segments {
        let spans = segment
            .lanes
            .iter()
            .map(|(name, span)| (index.lane(name), *span))
            .collect();
        index.recovered(segment.id, segment.bytes, segment.end, spans);
    }
    for gap in &found.gaps {
        let lane = index.lane(&gap.lane);
        index.miss(lane, gap);
    }
    index.note_told();
    index.release_all();
    index
}

/// The lanes that have lost records.
pub(super) fn lost(index: &Index, now_ms: u64) -> Vec<LostLane> {
    let age = |since_ms| Duration::from_millis(now_ms.saturating_sub(since_ms));
    let lanes = index.lost().map(|lane| LostLane {
        name: Arc::clone(&lane.name),
        events: lane.lost(),
        before: lane.lost_before(),
        since: Some(lane.tally().since_ms).filter(|ms| *ms > 0).map(age),
    });
    let mut lanes: Vec<_> = lanes.collect();
    lanes.sort_by(|one, other| one.name.cmp(&other.name));
    lanes
}

/// The lanes that have a backlog.
pub(super) fn lanes(index: &Index, now_ms: u64) -> Vec<RecoveredLane> {
    let waiting = index.lanes().filter_map(|lane| {
        let backlog = index.backlog(lane)?;
        Some(RecoveredLane {
            lane,
            name: index.name(lane)?,
            first: backlog.first_lsn,
            last: backlog.last_lsn,
            events: backlog.events,
            bytes: backlog.bytes,
            oldest: Duration::from_millis(now_ms.saturating_sub(backlog.since_ms)),
        })
    });
    let mut lanes: Vec<_> = waiting.collect();
    lanes.sort_by(|one, other| one.name.cmp(&other.name));
    lanes
}

/// Renames segments that can't be used; returns the bytes of all that were ever put aside.
fn put_aside(disk: &dyn Disk, found: &Survey) -> u64 {
    let mut bytes = 0;
    for entry in &found.entries {
        match Name::parse(&entry.name) {
            Some(Name::Bad(_)) => bytes += entry.bytes,
            Some(Name::Segment(id)) if found.bad.contains(&id) => {
                bytes += entry.bytes;
                let aside = Name::Bad(id).file();
                let renamed = disk.rename(&entry.name, &aside);
                tracing::error!(
                    file = entry.name,
                    ?renamed,
                    "a segment with a bad header is put aside"
                );
            }
            _ => {}
        }
    }
    bytes
}

fn spares(found: &Survey, size: u64) -> impl Iterator<Item = &str> {
    let names = found.entries.iter().filter(move |entry| {
        matches!(Name::parse(&entry.name), Some(Name::Spare(_))) && entry.bytes == size
    });
    names.map(|entry| entry.name.as_str()).take(SPARES)
}

fn count_spares(found: &Survey, size: u64) -> u64 {
    spares(found, size).count() as u64
}

/// Keeps prepared files of the right size, as many as are wanted, and removes the others.
fn keep_spares(disk: &dyn Disk, found: &Survey, space: &Space) {
    let size = space.segment_size();
    let wanted: Vec<_> = spares(found, size).collect();
    for entry in &found.entries {
        let Some(Name::Spare(_)) = Name::parse(&entry.name) else {
            continue;
        };
        if !wanted.contains(&entry.name.as_str()) {
            discard(disk, &entry.name);
            continue;
        }
        match disk.open_write(&entry.name) {
            Ok(file) => space.keep(Spare {
                name: entry.name.clone(),
                file,
            }),
            Err(_) => {
                discard(disk, &entry.name);
                space.gone(size);
            }
        }
    }
}

fn tell(recovered: &Recovered) {
    let Recovered {
        lanes,
        damage,
        segments,
        ..
    } = recovered;
    let events: u64 = lanes.iter().map(|lane| lane.events).sum();
    let (lanes, disk) = (lanes.len(), &recovered.disk);
    let (known, news): (Vec<_>, Vec<_>) =
        { recovered.lost.iter() }.partition(|lane| lane.is_known());
    if !news.is_empty()
        || damage.bad_headers > 0
        || damage.cut_segments > 0
        || damage.unreadable_files > 0
    {
        tracing::error!(
            ?damage,
            "the spill log is damaged; everything else in it is used"
        );
    }
    if !known.is_empty() {
        let (lanes, events) = (
            known.len(),
            known.iter().map(|lane| lane.events).sum::<u64>(),
        );
        tracing::info!(
            lanes,
            events,
            "damage of the disk has cost the spill log events before; an earlier start told of them"
        );
    }
    for lane in news.iter().take(TOLD) {
        let (name, since) = (String::from_utf8_lossy(&lane.name), lane.since);
        tracing::error!(lane = %name, events = lane.events, ?since, "a lane of the spill log has lost events to damage of the disk, so many at least, the oldest about so long ago");
    }
    tracing::debug!(
        disk,
        segments,
        lanes,
        events,
        "what the log's files hold is known"
    );
}
