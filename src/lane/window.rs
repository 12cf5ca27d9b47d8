//! What a lane has sent and Kafka hasn't acknowledged: our own copy, in order, from which it can all be sent again.
//!
//! librdkafka reports the records of one partition in order. A [`Sent`] parcel therefore needs only a cursor (all before
//! it is acknowledged) and, for the rare ones that failed, their positions. What is neither is still under way.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::receipt::Parcel;
use crate::spill::Position;

/// A parcel that was handed to the client.
#[derive(Debug)]
pub struct Sent {
    parcel: Arc<Parcel>,
    /// Events before it are resolved, except those in `again`.
    cursor: u32,
    /// Events that failed for good.
    failed: Vec<u32>,
    /// Events that came back and have to be sent again.
    again: Vec<u32>,
    resolved: u32,
    /// Where its last event stands in the spill log, if it's there.
    stored: Option<Position>,
}

/// The sent parcels of one lane.
#[derive(Debug, Default)]
pub struct Window {
    sent: VecDeque<Sent>,
    /// Events in the client's hands.
    outstanding: u32,
    rewind: bool,
    /// Up to where the spill log's records of the lane arrived, since it was last asked for.
    arrived: Option<Position>,
}

impl Window {
    /// Whether nothing is unresolved.
    pub fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// Events in the client's hands.
    pub fn outstanding(&self) -> u32 {
        self.outstanding
    }

    /// The oldest unresolved parcel.
    pub fn oldest(&self) -> Option<&Arc<Parcel>> {
        self.sent.front().map(|sent| &sent.parcel)
    }

    /// Adds a parcel whose events are being handed to the client, all of them.
    pub fn push(&mut self, parcel: Arc<Parcel>, stored: Option<Position>) {
        self.outstanding += parcel.count();
        self.sent.push_back(Sent {
            parcel,
            cursor: 0,
            failed: Vec::new(),
            again: Vec::new(),
            resolved: 0,
            stored,
        });
    }

    /// `count` more events of `parcel` were acknowledged. Returns their bytes.
    pub fn acked(&mut self, parcel: &Arc<Parcel>, count: u32) -> u64 {
        self.outstanding = self.outstanding.saturating_sub(count);
        let mut bytes = 0;
        if let Some(sent) = find(&mut self.sent, parcel) {
            let events = parcel.events();
            let mut left = count;
            while left > 0 && (sent.cursor as usize) < events.len() {
                if !sent.failed.contains(&sent.cursor) && !sent.again.contains(&sent.cursor) {
                    bytes += u64::from(events[sent.cursor as usize].len());
                    left -= 1;
                }
                sent.cursor += 1;
            }
            sent.resolved += count;
        }
        self.trim();
        bytes
    }

    /// The event at `position` failed for good. Returns its bytes.
    pub fn failed(&mut self, parcel: &Arc<Parcel>, position: u32) -> u64 {
        self.outstanding = self.outstanding.saturating_sub(1);
        if let Some(sent) = find(&mut self.sent, parcel) {
            // Counted once, also if it was sent again while its dead letter was being stored: what is resolved early would
            // let the spill log forget events that haven't arrived.
            if !sent.failed.contains(&position) {
                sent.failed.push(position);
                sent.resolved += 1;
            }
        }
        self.trim();
        u64::from(parcel.events()[position as usize].len())
    }

    /// The event at `position` came back. The lane sends nothing new until everything else has come back as well, and
    /// then all that is unresolved, in order. Returns its bytes.
    pub fn came_back(&mut self, parcel: &Arc<Parcel>, position: u32) -> u64 {
        self.outstanding = self.outstanding.saturating_sub(1);
        self.rewind = true;
        if let Some(sent) = find(&mut self.sent, parcel) {
            sent.again.push(position);
        }
        u64::from(parcel.events()[position as usize].len())
    }

    /// The client is gone with all that it held: nothing is outstanding, and what is unresolved has to be sent again.
    pub fn client_gone(&mut self) {
        self.outstanding = 0;
        self.rewind = !self.sent.is_empty();
    }

    /// Whether new parcels have to wait because old ones have to be sent again.
    pub fn is_rewinding(&self) -> bool {
        self.rewind
    }

    /// Everything that has to be sent again, in order, as soon as nothing is outstanding any more; the caller hands it
    /// all to the client.
    pub fn take_rewind(&mut self) -> Option<Vec<(Arc<Parcel>, u32)>> {
        if !self.rewind || self.outstanding > 0 {
            return None;
        }
        let mut unresolved = Vec::new();
        for sent in &mut self.sent {
            let tail = sent.cursor..sent.parcel.count();
            let mut positions: Vec<u32> = sent.again.drain(..).chain(tail).collect();
            positions.sort_unstable();
            positions.dedup();
            positions.retain(|position| !sent.failed.contains(position));
            // From here on acknowledgements come in the order of `positions`: the cursor starts at the first of them,
            // and what lies between and is resolved is skipped like a failed one.
            if let Some(first) = positions.first() {
                let resolved =
                    (*first..sent.parcel.count()).filter(|position| !positions.contains(position));
                sent.failed = resolved.collect();
                sent.cursor = *first;
            }
            unresolved.extend(
                positions
                    .into_iter()
                    .map(|position| (Arc::clone(&sent.parcel), position)),
            );
        }
        self.outstanding = unresolved.len() as u32;
        self.rewind = false;
        Some(unresolved)
    }

    /// Takes out all parcels, for the end.
    pub fn drain(&mut self) -> impl Iterator<Item = Arc<Parcel>> {
        self.outstanding = 0;
        self.rewind = false;
        self.sent.drain(..).map(|sent| sent.parcel)
    }

    /// Events that Kafka hasn't acknowledged, parcel by parcel, with the positions of the events in theirs.
    pub fn unresolved(&self) -> Vec<(Arc<Parcel>, Vec<u32>)> {
        let open = |sent: &Sent| {
            let tail = sent.cursor..sent.parcel.count();
            let mut positions: Vec<u32> = sent.again.iter().copied().chain(tail).collect();
            positions.sort_unstable();
            positions.dedup();
            positions.retain(|position| !sent.failed.contains(position));
            (Arc::clone(&sent.parcel), positions)
        };
        self.sent.iter().map(open).collect()
    }

    /// Notes where the last event of a sent parcel stands in the spill log. False if the parcel has arrived meanwhile.
    pub fn stored(&mut self, parcel: &Arc<Parcel>, position: Position) -> bool {
        let sent = find(&mut self.sent, parcel);
        sent.map(|sent| sent.stored = Some(position)).is_some()
    }

    /// Up to where the spill log's records of this lane have arrived in Kafka, if that moved on since the last call.
    pub fn take_arrived(&mut self) -> Option<Position> {
        self.arrived.take()
    }

    fn trim(&mut self) {
        while self
            .sent
            .front()
            .is_some_and(|sent| sent.resolved >= sent.parcel.count())
        {
            let arrived = self.sent.pop_front().and_then(|sent| sent.stored);
            self.arrived = arrived.or(self.arrived);
        }
    }
}

/// Reports come in order, so the parcel is at or near the front.
fn find<'a>(sent: &'a mut VecDeque<Sent>, parcel: &Arc<Parcel>) -> Option<&'a mut Sent> {
    sent.iter_mut()
        .find(|sent| Arc::ptr_eq(&sent.parcel, parcel))
}
