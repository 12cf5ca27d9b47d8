//! What is where: the lanes with their watermarks, and which segment holds what of which lane. In memory, nothing per record.
//!
//! The writer publishes each frame here after it is durable; readers look only at what was published. A segment is
//! released when every lane in it is acknowledged to its end, whatever its neighbours hold.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::acks::Watermark;
use super::lane::{Lane, LaneBacklog};
use super::part::{Part, PartOf};
use super::seal::Span;
use super::{LaneId, Lsn, Position};

/// The index, behind the lock of the log.
#[derive(Default)]
pub(super) struct Index {
    pub(super) lanes: Vec<Lane>,
    by_name: HashMap<Arc<[u8]>, u32>,
    segments: BTreeMap<u64, Segment>,
    /// The segment that is being written; its spans stay complete until it is sealed.
    active: Option<u64>,
    /// Segments without anything unacknowledged, for the steward to take away.
    released: Vec<Released>,
    /// The next number for a file.
    next_id: u64,
    /// The LSN that the next record gets.
    pub(super) next_lsn: Lsn,
    /// Watermarks moved since they were last written.
    pub(super) is_dirty: bool,
    part_of: Option<PartOf>,
}

/// One segment file.
#[derive(Clone, Copy)]
pub(super) struct Segment {
    pub(super) size: u64,
    /// Readers may read below this.
    pub(super) end: u64,
    /// Lanes that have a span in it.
    live: u32,
    /// Something in it couldn't be read.
    is_damaged: bool,
}

/// A segment that nobody needs.
pub(super) struct Released {
    pub(super) id: u64,
    pub(super) size: u64,
    pub(super) is_damaged: bool,
}

/// Where a lane goes on.
pub(super) struct Next {
    pub(super) span: Span,
    pub(super) end: u64,
}

impl Index {
    pub(super) fn new(next_id: u64, next_lsn: Lsn) -> Index {
        Index {
            next_id,
            next_lsn,
            ..Index::default()
        }
    }

    /// The lane of this name, made if it's new.
    pub(super) fn lane(&mut self, name: &[u8]) -> LaneId {
        if let Some(&number) = self.by_name.get(name) {
            return LaneId(number);
        }
        let number = self.lanes.len() as u32;
        let name: Arc<[u8]> = name.into();
        self.by_name.insert(Arc::clone(&name), number);
        let part = self.part_of.as_ref().and_then(|part_of| part_of(&name));
        self.lanes.push(Lane::new(name));
        self.lanes[number as usize].assign(part);
        LaneId(number)
    }

    /// Counts all lanes by these parts from now on.
    pub(super) fn count_by(&mut self, part_of: PartOf) {
        for lane in &mut self.lanes {
            let part = part_of(&lane.name);
            lane.assign(part);
        }
        self.part_of = Some(part_of);
    }

    /// The part that a lane is of.
    pub(super) fn part(&self, lane: LaneId) -> Option<&Arc<Part>> {
        self.get(lane)?.part()
    }

    /// The lane's name, if there is such a lane.
    pub(super) fn name(&self, lane: LaneId) -> Option<Arc<[u8]>> {
        self.get(lane).map(|lane| Arc::clone(&lane.name))
    }

    /// Whether there is such a lane.
    pub(super) fn knows(&self, lane: LaneId) -> bool {
        (lane.0 as usize) < self.lanes.len()
    }

    fn get(&self, lane: LaneId) -> Option<&Lane> {
        self.lanes.get(lane.0 as usize)
    }

    /// All lanes.
    pub(super) fn lanes(&self) -> impl Iterator<Item = LaneId> + use<> {
        (0..self.lanes.len() as u32).map(LaneId)
    }

    /// A number for a new file; never given twice.
    pub(super) fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }

    /// The number that the next file gets.
    pub(super) fn next_id(&self) -> u64 {
        self.next_id
    }

    /// A segment begins; the one before it is complete.
    pub(super) fn begin(&mut self, id: u64, size: u64, end: u64) {
        self.finish();
        self.segments.insert(
            id,
            Segment {
                size,
                end,
                live: 0,
                is_damaged: false,
            },
        );
        self.active = Some(id);
    }

    /// Nothing more comes into the active segment.
    pub(super) fn finish(&mut self) {
        let Some(id) = self.active.take() else {
            return;
        };
        for number in 0..self.lanes.len() {
            if self.lanes[number]
                .spans
                .back()
                .is_some_and(|span| span.segment == id)
            {
                self.release(number);
            }
        }
        self.release_empty(id);
    }

    /// A segment found on disk, with what it holds.
    pub(super) fn recovered(&mut self, id: u64, size: u64, end: u64, spans: Vec<(LaneId, Span)>) {
        let live = spans.len() as u32;
        self.segments.insert(
            id,
            Segment {
                size,
                end,
                live,
                is_damaged: false,
            },
        );
        for (lane, span) in spans {
            if let Some(lane) = self.lanes.get_mut(lane.0 as usize) {
                if lane.spans.is_empty() && lane.watermark == Watermark::default() {
                    lane.watermark.events = span.first;
                }
                lane.bytes += span.bytes;
                lane.end = lane.end.max(span.end);
                lane.spans.push_back(span);
            }
        }
        self.release_empty(id);
    }

    /// What the watermark of a lane was. Before [`Index::recovered`].
    pub(super) fn restore(&mut self, lane: LaneId, watermark: Watermark) {
        if let Some(lane) = self.lanes.get_mut(lane.0 as usize) {
            lane.watermark = watermark;
            lane.end = watermark.events;
        }
    }

    /// Releases what is acknowledged already. After all [`Index::recovered`].
    pub(super) fn release_all(&mut self) {
        (0..self.lanes.len()).for_each(|number| self.release(number));
    }

    /// A run became durable.
    pub(super) fn publish(
        &mut self,
        lane: LaneId,
        first_lsn: Lsn,
        count: u64,
        bytes: u64,
        ms: u64,
    ) {
        let Some(active) = self.active else { return };
        let Some(lane) = self.lanes.get_mut(lane.0 as usize) else {
            return;
        };
        let (first, last_lsn) = (lane.end, first_lsn + count - 1);
        lane.end += count;
        lane.bytes += bytes;
        match lane.spans.back_mut() {
            Some(span) if span.segment == active => {
                assert!(span.last_lsn < first_lsn, "LSNs of a lane only grow");
                span.last_lsn = last_lsn;
                span.end += count;
                span.bytes += bytes;
            }
            _ => {
                lane.spans.push_back(Span {
                    segment: active,
                    first_lsn,
                    last_lsn,
                    first,
                    end: lane.end,
                    bytes,
                    since_ms: ms,
                });
                if let Some(segment) = self.segments.get_mut(&active) {
                    segment.live += 1;
                }
            }
        }
        lane.count();
    }

    /// Readers may read the active segment up to here.
    pub(super) fn publish_end(&mut self, end: u64) {
        if let Some(segment) = self.active.and_then(|id| self.segments.get_mut(&id)) {
            segment.end = end;
        }
    }

    /// The ordinal of the lane's next record.
    pub(super) fn end(&self, lane: LaneId) -> u64 {
        self.get(lane).map_or(0, |lane| lane.end)
    }

    /// Moves a lane's watermark; true if segments were released by it.
    pub(super) fn ack(&mut self, lane: LaneId, up_to: Position) -> bool {
        let number = lane.0 as usize;
        let Some(lane) = self.lanes.get_mut(number) else {
            return false;
        };
        let stored = lane.spans.back().map_or(0, |span| span.last_lsn);
        debug_assert!(
            up_to.lsn <= stored.max(lane.watermark.lsn),
            "acknowledged before it was stored"
        );
        lane.advance(Watermark {
            lsn: up_to.lsn.min(stored),
            events: up_to.ordinal + 1,
        });
        lane.count();
        self.is_dirty = true;
        let before = self.released.len();
        self.release(number);
        self.released.len() > before
    }

    /// Records after `from` up to `to` can't be read: they are stepped over as soon as all before them is acknowledged.
    pub(super) fn skip(&mut self, lane: LaneId, from: Lsn, to: Watermark, segment: u64) {
        if let Some(segment) = self.segments.get_mut(&segment) {
            segment.is_damaged = true;
        }
        let number = lane.0 as usize;
        if let Some(lane) = self.lanes.get_mut(number) {
            lane.skip(from, to);
            lane.count();
            self.is_dirty = true;
            self.release(number);
        }
    }

    fn release(&mut self, number: usize) {
        let Some(lane) = self.lanes.get_mut(number) else {
            return;
        };
        let mut empty = Vec::new();
        while let Some(span) = lane.spans.front().copied() {
            if Some(span.segment) == self.active || span.last_lsn > lane.watermark.lsn {
                break;
            }
            lane.spans.pop_front();
            lane.bytes -= span.bytes;
            if let Some(segment) = self.segments.get_mut(&span.segment) {
                segment.live -= 1;
                empty.push(span.segment);
            }
        }
        empty.into_iter().for_each(|id| self.release_empty(id));
    }

    fn release_empty(&mut self, id: u64) {
        if self.active == Some(id)
            || self
                .segments
                .get(&id)
                .is_none_or(|segment| segment.live > 0)
        {
            return;
        }
        if let Some(segment) = self.segments.remove(&id) {
            let Segment {
                size, is_damaged, ..
            } = segment;
            self.released.push(Released {
                id,
                size,
                is_damaged,
            });
        }
    }

    /// Takes the released segments.
    pub(super) fn take_released(&mut self) -> Vec<Released> {
        std::mem::take(&mut self.released)
    }

    /// Whether there are released segments.
    pub(super) fn has_released(&self) -> bool {
        !self.released.is_empty()
    }

    /// Where the lane's first record after `after` is.
    pub(super) fn next(&self, lane: LaneId, after: Lsn) -> Option<Next> {
        let spans = &self.get(lane)?.spans;
        let at = spans.partition_point(|span| span.last_lsn <= after);
        let span = *spans.get(at)?;
        let end = self.segments.get(&span.segment)?.end;
        Some(Next { span, end })
    }

    /// A segment that is still needed.
    pub(super) fn segment(&self, id: u64) -> Option<Segment> {
        self.segments.get(&id).copied()
    }

    /// How many segments are in use.
    pub(super) fn segments(&self) -> u64 {
        self.segments.len() as u64
    }

    /// How far the lane is acknowledged.
    pub(super) fn watermark(&self, lane: LaneId) -> Watermark {
        self.get(lane)
            .map_or(Watermark::default(), |lane| lane.watermark)
    }

    /// All watermarks that say anything, for the file.
    pub(super) fn watermarks(&self) -> Vec<(Box<[u8]>, Watermark)> {
        let known = self
            .lanes
            .iter()
            .filter(|lane| lane.watermark != Watermark::default());
        known
            .map(|lane| (lane.name.as_ref().into(), lane.watermark))
            .collect()
    }

    /// What the active segment holds, for its seal.
    pub(super) fn active_spans(&self) -> Vec<(Box<[u8]>, Span)> {
        let spans = self.lanes.iter().filter_map(|lane| {
            let span = lane
                .spans
                .back()
                .filter(|span| Some(span.segment) == self.active)?;
            Some((lane.name.as_ref().into(), *span))
        });
        spans.collect()
    }

    /// What waits in a lane; `None` if nothing does.
    pub(super) fn backlog(&self, lane: LaneId) -> Option<LaneBacklog> {
        self.get(lane)?.backlog()
    }
}
