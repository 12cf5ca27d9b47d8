//! What Kafka has certainly not stored, and so can still be refused.

use std::sync::Arc;

use super::{State, Window};
use crate::receipt::Parcel;

impl Window {
    /// Takes out the events that came back and are certainly not stored, of those parcels that are `hopeless`: by parcel and position.
    /// They are not sent again.
    pub fn take_unstored(&mut self, hopeless: impl Fn(&Parcel) -> bool) -> Vec<(Arc<Parcel>, u32)> {
        let mut taken = Vec::new();
        for sent in &mut self.sent {
            let is_certain = !sent.may_be_stored && !sent.parcel.is_spilled();
            if sent.back == 0 || !is_certain || !hopeless(&sent.parcel) {
                continue;
            }
            for at in sent.first_back..sent.parcel.count() {
                if sent.state(at) == State::Back {
                    sent.set(at, State::Resolved);
                    self.back -= 1;
                    taken.push((Arc::clone(&sent.parcel), at));
                }
            }
        }
        self.rewind &= self.back > 0;
        self.trim();
        taken
    }
}
