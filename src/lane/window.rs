//! What a lane has sent and Kafka hasn't acknowledged: our own copy, in order, from which it can all be sent again.
//!
//! librdkafka reports the records of one partition in order. A [`Sent`] parcel therefore needs only a cursor (all before
//! it is acknowledged) and, for the rare ones that failed, their positions. What is neither is still under way.
//!
//! Kafka refuses a batch as a whole, be it for one event in it or because together they are too large for the topic. So what
//! is refused with others is sent again in smaller and smaller *flights*, one at a time, until an event is refused alone.
//! What was under way behind it comes back first: see `produce::native::hold`.

use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::SmallVec;

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
    /// Events whose dead letters are being stored.
    dying: Vec<u32>,
    resolved: u32,
    /// Where its last event stands in the spill log, if it's there.
    stored: Option<Position>,
    /// The spill log failed to store it, or a client to deliver it, and may have done so all the same.
    may_be_stored: bool,
    /// The spill log will never take it.
    is_unstorable: bool,
}

impl Sent {
    /// The positions that are not resolved, in order.
    fn open(&self) -> impl Iterator<Item = u32> {
        let again = self.again.iter().copied();
        let again = again.filter(|position| *position < self.cursor);
        let mut again: SmallVec<[u32; 8]> = again.collect();
        again.sort_unstable();
        again.dedup();
        let all = again.into_iter().chain(self.cursor..self.parcel.count());
        all.filter(|position| !self.failed.contains(position) && !self.dying.contains(position))
    }
}

/// The sent parcels of one lane.
#[derive(Debug, Default)]
pub struct Window {
    sent: VecDeque<Sent>,
    /// Events in the client's hands.
    outstanding: u32,
    rewind: bool,
    /// What comes back is under suspicion: smaller flights will tell which event it is.
    has_suspects: bool,
    /// Events that may be sent again at once, if that's limited.
    flight: Option<u32>,
    /// The size of the flights that last went well.
    good_flight: Option<u32>,
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
            dying: Vec::new(),
            resolved: 0,
            stored,
            may_be_stored: false,
            is_unstorable: false,
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
                let at = &sent.cursor;
                if ![&sent.failed, &sent.again, &sent.dying]
                    .iter()
                    .any(|skipped| skipped.contains(at))
                {
                    bytes += events[sent.cursor as usize].weight();
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
            // Counted once: what is resolved early would let the spill log forget events that haven't arrived.
            if !sent.failed.contains(&position) {
                sent.failed.push(position);
                sent.resolved += 1;
            }
        }
        self.trim();
        parcel.events()[position as usize].weight()
    }

    /// The event at `position` failed for good, and its dead letter is being stored. It's not sent again. Returns its bytes.
    pub fn bury(&mut self, parcel: &Arc<Parcel>, position: u32) -> u64 {
        self.outstanding = self.outstanding.saturating_sub(1);
        if let Some(sent) = find(&mut self.sent, parcel) {
            sent.dying.push(position);
        }
        self.trim();
        parcel.events()[position as usize].weight()
    }

    /// The dead letter of the event at `position` is stored, or not; then the event has to be sent again.
    pub fn buried(&mut self, parcel: &Arc<Parcel>, position: u32, is_stored: bool) {
        let Some(sent) = find(&mut self.sent, parcel) else {
            return;
        };
        sent.dying.retain(|dying| *dying != position);
        sent.failed.retain(|failed| *failed != position);
        if is_stored {
            sent.failed.push(position);
            sent.resolved += 1;
        } else {
            sent.again.push(position);
            self.rewind = true;
        }
        self.trim();
    }

    /// The event at `position` came back. The lane sends nothing new until everything else has come back as well, and
    /// then all that is unresolved, in order. Returns its bytes.
    pub fn came_back(&mut self, parcel: &Arc<Parcel>, position: u32) -> u64 {
        self.outstanding = self.outstanding.saturating_sub(1);
        // What was resolved meanwhile, as a dead letter, isn't sent again.
        if let Some(sent) = find(&mut self.sent, parcel) {
            sent.again.push(position);
            sent.may_be_stored = true;
            self.rewind = true;
        }
        self.trim();
        parcel.events()[position as usize].weight()
    }

    /// As [`Window::came_back`], because Kafka didn't take the batch, which may be the fault of another event.
    pub fn came_back_suspect(&mut self, parcel: &Arc<Parcel>, position: u32) -> u64 {
        self.has_suspects = true;
        // Of a batch that was refused nothing was stored.
        let was_in_doubt = self.is_in_doubt(parcel);
        let bytes = self.came_back(parcel, position);
        if let Some(sent) = find(&mut self.sent, parcel) {
            sent.may_be_stored = was_in_doubt;
        }
        bytes
    }

    /// Whether an event that comes back now was sent alone.
    pub fn was_alone(&self) -> bool {
        self.flight == Some(1)
    }

    /// The client is gone with all that it held: nothing is outstanding, and what is unresolved has to be sent again.
    pub fn client_gone(&mut self) {
        self.outstanding = 0;
        self.rewind = !self.sent.is_empty();
        self.sent
            .iter_mut()
            .for_each(|sent| sent.may_be_stored = true);
    }

    /// Whether new parcels have to wait because old ones have to be sent again.
    pub fn is_rewinding(&self) -> bool {
        self.rewind || self.flight.is_some()
    }

    /// What has to be sent again, in order, as soon as nothing is outstanding any more; the caller hands it all to the
    /// client. That is everything unresolved, or, while an event among it is suspected, a part that gets smaller and
    /// smaller; the rest follows when that has come through.
    pub fn take_rewind(&mut self) -> Option<Vec<(Arc<Parcel>, u32)>> {
        if !self.rewind || self.outstanding > 0 {
            return None;
        }
        if std::mem::take(&mut self.has_suspects) {
            let all: usize = self.sent.iter().map(|sent| sent.open().count()).sum();
            let before = self.flight.or(self.good_flight).unwrap_or(u32::MAX);
            self.flight = Some((before.min(all as u32) / 2).max(1));
        }
        let limit = self.flight.map_or(usize::MAX, |flight| flight as usize);
        let mut unresolved = Vec::new();
        for sent in &mut self.sent {
            let positions: Vec<u32> = sent.open().collect();
            let room = limit - unresolved.len();
            let (now, later) = positions.split_at(room.min(positions.len()));
            let Some(first) = now.first() else {
                if later.is_empty() {
                    continue;
                }
                break;
            };
            // From here on acknowledgements come in the order of `now`: the cursor starts at the first of them, and what
            // lies between and is resolved, or waits for a later flight, is skipped.
            let all = *first..sent.parcel.count();
            sent.failed.retain(|position| position < first);
            sent.failed
                .extend(all.filter(|position| !positions.contains(position)));
            sent.again = later.to_vec();
            sent.cursor = *first;
            unresolved.extend(
                now.iter()
                    .map(|position| (Arc::clone(&sent.parcel), *position)),
            );
        }
        let left = self
            .sent
            .iter()
            .map(|sent| sent.open().count())
            .sum::<usize>();
        self.outstanding = unresolved.len() as u32;
        self.rewind = left > unresolved.len();
        // Nothing may be left, if it was resolved by dead letters.
        self.land();
        Some(unresolved)
    }

    /// Takes out all parcels, for the end.
    pub fn drain(&mut self) -> impl Iterator<Item = Arc<Parcel>> {
        (self.outstanding, self.rewind, self.flight) = (0, false, None);
        self.sent.drain(..).map(|sent| sent.parcel)
    }

    /// The parcels that aren't in the spill log.
    pub fn not_stored(&self) -> impl Iterator<Item = Arc<Parcel>> {
        let mut sent = self.sent.iter();
        let is_stored = |sent: &Sent| sent.stored.is_some() || sent.parcel.is_spilled();
        std::iter::from_fn(move || sent.find(|sent| !is_stored(sent)))
            .map(|sent| Arc::clone(&sent.parcel))
    }

    /// Whether all that is unresolved is in the spill log, and nothing of it on its way to Kafka or to become a dead letter.
    pub fn is_only_stored(&self) -> bool {
        let mut sent = self.sent.iter();
        self.outstanding == 0 && sent.all(|sent| sent.parcel.is_spilled() && sent.dying.is_empty())
    }

    /// Notes that the spill log will never take a sent parcel.
    pub fn note_unstorable(&mut self, parcel: &Arc<Parcel>) {
        if let Some(sent) = find(&mut self.sent, parcel) {
            sent.is_unstorable = true;
        }
    }

    /// Takes out the parcels that the spill log will never take, if nothing is in the client's hands.
    pub fn take_unstorable(&mut self) -> Vec<Arc<Parcel>> {
        let mut taken = Vec::new();
        if self.outstanding == 0 {
            self.sent.retain(|sent| {
                if sent.is_unstorable {
                    taken.push(Arc::clone(&sent.parcel));
                }
                !sent.is_unstorable
            });
            self.trim();
        }
        taken
    }

    /// Forgets all of it: it will be read from the spill log again.
    pub fn forget(&mut self) {
        debug_assert!(self.is_only_stored(), "what isn't in the log would be lost");
        let arrived = self.arrived;
        *self = Window {
            arrived,
            good_flight: self.good_flight,
            ..Window::default()
        };
    }

    /// The positions of the events of a parcel that Kafka hasn't acknowledged.
    pub fn unresolved_of(&self, parcel: &Arc<Parcel>) -> Vec<u32> {
        let mut sent = self.sent.iter();
        let sent = sent.find(|sent| Arc::ptr_eq(&sent.parcel, parcel));
        sent.map(|sent| sent.open().collect()).unwrap_or_default()
    }

    /// Notes where the last event of a sent parcel stands in the spill log. False if the parcel has arrived meanwhile.
    pub fn stored(&mut self, parcel: &Arc<Parcel>, position: Position) -> bool {
        let sent = find(&mut self.sent, parcel);
        sent.map(|sent| sent.stored = Some(position)).is_some()
    }

    /// Notes that the spill log failed to store a sent parcel, and that nobody knows what is on the disk.
    pub fn note_doubt(&mut self, parcel: &Arc<Parcel>) {
        if let Some(sent) = find(&mut self.sent, parcel) {
            sent.may_be_stored = true;
        }
    }

    /// Whether a sent parcel may be stored, by Kafka or the spill log, although that failed.
    pub fn is_in_doubt(&self, parcel: &Arc<Parcel>) -> bool {
        let mut sent = self.sent.iter();
        sent.any(|sent| sent.may_be_stored && Arc::ptr_eq(&sent.parcel, parcel))
    }

    /// Up to where the spill log's records of this lane have arrived in Kafka, if that moved on since the last call.
    pub fn take_arrived(&mut self) -> Option<Position> {
        self.arrived.take()
    }

    /// After the last of several flights: the next time it begins with what went well, or a little more.
    fn land(&mut self) {
        if self.outstanding == 0 && !self.rewind {
            let flight = self.flight.take();
            self.good_flight =
                flight.map_or(self.good_flight, |flight| Some(flight.saturating_mul(4)));
        }
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
        self.rewind &= !self.sent.is_empty();
        self.land();
    }
}

/// Reports come in order, so the parcel is at or near the front.
fn find<'a>(sent: &'a mut VecDeque<Sent>, parcel: &Arc<Parcel>) -> Option<&'a mut Sent> {
    sent.iter_mut()
        .find(|sent| Arc::ptr_eq(&sent.parcel, parcel))
}
