//! What has to be sent again, in flights: one at a time, smaller after a refusal and larger after each that went well.

use std::sync::Arc;

use super::{State, Window};
use crate::produce::topic_limits::batch_bytes;
use crate::receipt::Parcel;

impl Window {
    /// What is sent again next is to be so few events at most.
    pub fn begin_small(&mut self, at_most: u32) {
        if !self.sent.is_empty() {
            (self.flight, self.flew) = (Some(self.flight.unwrap_or(at_most).min(at_most)), false);
        }
    }

    /// What has to be sent again, in order, as soon as nothing is outstanding any more; the caller hands it all to the
    /// client. That is everything unresolved, or a flight of it, while an event among it is suspected, or after a pause, or because
    /// together they would be more than `max_batch` bytes; the rest follows when that has come through.
    pub fn take_rewind(&mut self, max_batch: u64) -> Option<Vec<(Arc<Parcel>, u32)>> {
        if !self.has_rewind() {
            return None;
        }
        let flew = std::mem::take(&mut self.flew);
        if std::mem::take(&mut self.has_suspects) {
            let before = self.flight.or(self.good_flight).unwrap_or(u32::MAX);
            self.flight = Some((before.min(self.back) / 2).max(1));
        } else if flew {
            self.flight = self.flight.map(|flight| flight.saturating_mul(2));
        }
        let count = self.flight.unwrap_or(u32::MAX).min(self.back);
        let again = self.take_back(count, max_batch);
        let weight = |(parcel, at): &(Arc<Parcel>, u32)| parcel.events()[*at as usize].weight();
        self.outstanding = again.len() as u32;
        self.outstanding_bytes = again.iter().map(weight).sum();
        self.rewind = self.back > 0;
        // Nothing may be left, if it was resolved by dead letters.
        self.land();
        Some(again)
    }

    /// Takes the first `count` of the events that came back, or fewer, so that they fit into a batch. From here on acknowledgements come in their order: a cursor stands
    /// at the first of them in its parcel, and skips what lies between.
    fn take_back(&mut self, count: u32, max_batch: u64) -> Vec<(Arc<Parcel>, u32)> {
        let mut again = Vec::with_capacity(count as usize);
        let (mut bytes, mut is_full) = (0, false);
        while again.len() < count as usize
            && !is_full
            && let Some(sent) = self.sent.get_mut(self.first_back)
        {
            self.steps.count();
            let mut is_first = true;
            let mut at = sent.first_back;
            while sent.back > 0
                && !is_full
                && again.len() < count as usize
                && at < sent.parcel.count()
            {
                self.steps.count();
                if sent.state(at) == State::Back {
                    bytes += sent.parcel.events()[at as usize].weight();
                    is_full = batch_bytes(again.len() as u32 + 1, bytes) > max_batch;
                    // One alone goes as it is.
                    if is_full && !again.is_empty() {
                        break;
                    }
                    sent.set(at, State::UnderWay);
                    self.back -= 1;
                    again.push((Arc::clone(&sent.parcel), at));
                    if std::mem::take(&mut is_first) {
                        sent.cursor = at;
                    }
                }
                at += 1;
            }
            sent.first_back = at;
            if sent.back == 0 {
                sent.first_back = sent.parcel.count();
                self.first_back += 1;
            }
        }
        again
    }

    /// After the last of several flights: the next time it begins with what went well, or a little more.
    pub(super) fn land(&mut self) {
        if self.outstanding == 0 && !self.rewind {
            let (flight, before) = (self.flight.take(), self.good_flight);
            self.good_flight = flight.map_or(before, |flight| Some(flight.saturating_mul(4)));
        }
    }
}
