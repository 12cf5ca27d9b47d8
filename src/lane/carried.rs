//! A parcel as its client carries it: a group of messages, one per event.

use uuid::Uuid;

use crate::event::headers;
use crate::produce::messages::Time;
use crate::produce::{Messages, Producer};
use crate::receipt::Parcel;

/// What a worker needs of its client.
pub(super) trait Client: Producer<Group = Parcel> + Send + 'static {}

impl<P: Producer<Group = Parcel> + Send + 'static> Client for P {}

impl Messages for Parcel {
    fn count(&self) -> u32 {
        Parcel::count(self)
    }

    fn value(&self, position: u32) -> Option<&[u8]> {
        let event = &self.events()[position as usize];
        event.record_value(self.request().body())
    }

    fn key(&self, position: u32) -> Option<&[u8]> {
        let event = &self.events()[position as usize];
        event.key.bytes(self.request().body())
    }

    fn id(&self, position: u32) -> Option<Uuid> {
        self.events()[position as usize].header_id
    }

    fn time(&self, position: u32) -> Time {
        let own = self.events()[position as usize].timestamp_ms();
        own.map_or_else(|| Time::Arrival(self.received_ms(position)), Time::Own)
    }

    fn headers(&self, position: u32) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let event = &self.events()[position as usize];
        headers::entries(event.header_block(self.request().body()))
    }
}
