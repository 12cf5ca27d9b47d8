//! Events by partition: a counting sort, which keeps the order within one.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::event::{Event, Key};
use crate::http::plan::Plan;
use crate::http::streams::Route;
use crate::lane::Lane;
use crate::receipt::Slot;

/// In the place of the partition of an event whose key chooses none.
const ANY: u32 = u32::MAX;

/// Events in the order in which they were sent, and the partition that each one's key chooses.
#[derive(Debug)]
pub(super) struct Routed {
    events: SmallVec<[Event; 1]>,
    partitions: SmallVec<[u32; 1]>,
    has_any: bool,
}

impl Routed {
    /// With room for as many events.
    pub(super) fn of(count: usize) -> Routed {
        Routed {
            events: SmallVec::with_capacity(count),
            partitions: SmallVec::with_capacity(count),
            has_any: false,
        }
    }

    /// Adds an event.
    pub(super) fn push(&mut self, event: Event, partition: Option<u32>) {
        self.has_any |= partition.is_none();
        self.events.push(event);
        self.partitions.push(partition.unwrap_or(ANY));
    }

    /// Sorts the events by partition of `lanes`, within one in the order in which they were sent.
    pub(super) fn sort(mut self, route: &Route, lanes: &[Arc<Lane>]) -> Plan {
        if self.has_any {
            let bytes = self.events.iter().map(|event| u64::from(event.len())).sum();
            let turn = route.sticky.partition(bytes, lanes.len()) as u32;
            let without = self.partitions.iter_mut().filter(|it| **it == ANY);
            without.for_each(|partition| *partition = turn);
        }
        let mut plan = Plan::default();
        match self.partitions[..] {
            [] => {}
            [partition] => {
                plan.slots.push(slot(lanes, partition, 0, 1));
                plan.partitions.push(partition);
                plan.events = self.events;
            }
            _ => self.sort_several(lanes, &mut plan),
        }
        plan
    }

    fn sort_several(mut self, lanes: &[Arc<Lane>], plan: &mut Plan) {
        let mut ends: SmallVec<[u32; 64]> = SmallVec::from_elem(0, lanes.len());
        for partition in &self.partitions {
            ends[*partition as usize] += 1;
        }
        let mut first = 0;
        for (partition, end) in (0..).zip(&mut ends) {
            let count = std::mem::replace(end, first);
            if count > 0 {
                plan.slots.push(slot(lanes, partition, first, count));
                plan.partitions.push(partition);
                first += count;
            }
        }
        let mut order: SmallVec<[u32; 64]> = SmallVec::from_elem(0, self.events.len());
        for (position, partition) in (0..).zip(&self.partitions) {
            let end = &mut ends[*partition as usize];
            order[*end as usize] = position;
            *end += 1;
        }
        plan.events.reserve_exact(order.len());
        let sorted = order.iter().map(|position| {
            let event = &mut self.events[*position as usize];
            std::mem::replace(event, TAKEN)
        });
        plan.events.extend(sorted);
    }
}

fn slot(lanes: &[Arc<Lane>], partition: u32, first: u32, count: u32) -> Slot {
    let lane = &lanes[partition as usize];
    Slot {
        lane: lane.number(),
        partition: lane.partition(),
        first,
        count,
    }
}

/// In the place of an event that has gone to its own.
const TAKEN: Event = Event {
    index: 0,
    start: 0,
    end: 0,
    key: Key::None,
    header_id: None,
    extra: None,
};
