//! Stored records that are in no file: how a start finds them by the ordinals of their lanes, and how they are counted once.

use std::collections::HashMap;

use super::LaneId;
use super::acks::{Acks, Tally};
use super::index::Index;
use super::lane::Lane;

/// Records of a lane that were stored, not acknowledged, and are in no file.
#[derive(Debug)]
pub(super) struct Gap {
    pub(super) lane: Box<[u8]>,
    /// Ordinal of the first.
    pub(super) from: u64,
    /// Ordinal behind the last.
    pub(super) to: u64,
    /// When the record before them was stored, or the one behind; 0 if there is none.
    pub(super) since_ms: u64,
    /// They are the first ones of their lane, before everything that a reader will see.
    pub(super) is_before_all: bool,
}

/// Finds gaps in the ordinals of lanes: stored records that are gone.
pub(super) struct Ordinals {
    /// By lane: the ordinal that comes next, and when the one before it was stored.
    expected: HashMap<Box<[u8]>, (u64, u64)>,
    /// What the watermarks don't know was never acknowledged, so that it begins with the lane's first record. If one of their
    /// slots is damaged, that isn't known.
    knows_beginnings: bool,
    pub(super) gaps: Vec<Gap>,
}

impl Ordinals {
    pub(super) fn new(acks: Option<&Acks>, knows_beginnings: bool) -> Ordinals {
        let lanes = acks.into_iter().flat_map(|acks| &acks.lanes);
        Ordinals {
            expected: lanes
                .map(|(name, mark)| (name.clone(), (mark.events, 0)))
                .collect(),
            knows_beginnings,
            gaps: Vec::new(),
        }
    }

    pub(super) fn note(&mut self, lane: &[u8], first: u64, end: u64, at_ms: u64) {
        let is_known = self.expected.contains_key(lane);
        let beginning = if self.knows_beginnings { 0 } else { first };
        let unknown = (beginning, 0);
        let expected = match self.expected.get_mut(lane) {
            Some(expected) => expected,
            None => self.expected.entry(lane.into()).or_insert(unknown),
        };
        if first > expected.0 {
            self.gaps.push(Gap {
                lane: lane.into(),
                from: expected.0,
                to: first,
                since_ms: if expected.1 == 0 { at_ms } else { expected.1 },
                is_before_all: !is_known,
            });
        }
        *expected = (expected.0.max(end), at_ms);
    }

    /// So many records of a lane were stored.
    pub(super) fn note_end(&mut self, lane: &[u8], stored: u64) {
        let (found, since_ms) = self.expected.get(lane).copied().unwrap_or_default();
        if stored > found {
            self.gaps.push(Gap {
                lane: lane.into(),
                from: found,
                to: stored,
                since_ms,
                is_before_all: false,
            });
        }
    }
}

impl Index {
    /// What was remembered of a lane beside its watermark. Before [`Index::recovered`].
    pub(super) fn remember(&mut self, lane: LaneId, tally: Tally) {
        if let Some(lane) = self.lanes.get_mut(lane.0 as usize) {
            lane.restore(tally);
        }
    }

    /// Records of a lane that the start misses. After [`Index::recovered`].
    pub(super) fn miss(&mut self, lane: LaneId, gap: &Gap) {
        if let Some(lane) = self.lanes.get_mut(lane.0 as usize) {
            if gap.is_before_all {
                lane.lose(gap.from, gap.to, gap.since_ms);
            } else {
                lane.foresee(gap.from, gap.to, gap.since_ms);
            }
            self.is_dirty = true;
        }
    }

    /// Records of a lane can't be read back; returns how many of them are news.
    pub(super) fn lose(&mut self, lane: LaneId, from: u64, to: u64, since_ms: u64) -> u64 {
        let lane = self.lanes.get_mut(lane.0 as usize);
        let news = lane.map_or(0, |lane| lane.lose(from, to, since_ms));
        self.is_dirty |= news > 0;
        news
    }

    /// The start has found what it finds. After all [`Index::miss`].
    pub(super) fn note_told(&mut self) {
        self.lanes.iter_mut().for_each(Lane::note_told);
    }

    /// The lanes that have lost records.
    pub(super) fn lost(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter().filter(|lane| lane.lost() > 0)
    }

    /// All tallies that say anything, for the file.
    pub(super) fn tallies(&self) -> Vec<(Box<[u8]>, Tally)> {
        let tallies = self.lanes.iter().map(|lane| (&lane.name, lane.tally()));
        let known = tallies.filter(|(_, tally)| *tally != Tally::default());
        known
            .map(|(name, tally)| (name.as_ref().into(), tally))
            .collect()
    }
}
