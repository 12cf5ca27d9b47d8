//! What a refusal says about what a topic takes: so that the door knows it, and what can be mended isn't given up.

use std::sync::Arc;
use std::time::Instant;

use super::Topic;
use crate::produce::verdict::{EventFault, Fault, TopicFault};
use crate::receipt::{Arrival, Cause, Parcel};

/// Notes what is learned from a fault that Kafka found in the event at `position` of a parcel, which was alone in its batch or
/// not. Returns the fault that it is in the light of what was known before.
pub(super) fn learn(
    topic: &Topic,
    parcel: &Arc<Parcel>,
    position: u32,
    fault: Fault,
    was_alone: bool,
) -> Fault {
    let limits = topic.limits();
    match fault {
        Fault::Event(EventFault::TooLarge) if was_alone => {
            let event = &parcel.events()[position as usize];
            let key = event.key.bytes(parcel.request().body());
            let key_bytes = key.map_or(0, <[u8]>::len) as u64;
            limits.size_refused(u64::from(event.len()) + key_bytes);
        }
        Fault::Event(_) => limits.doubt(),
        Fault::Stamp => {
            let now_ms = Arrival::now(Instant::now()).unix_ms;
            if !limits.stamp_refused(parcel.received_ms(position), now_ms) {
                return Fault::Topic(TopicFault::Clock);
            }
        }
        _ => {}
    }
    fault
}

/// What an event's client is told of a fault that Kafka found in it.
pub(super) fn cause_of(fault: EventFault) -> Cause {
    match fault {
        EventFault::TooLarge => Cause::TooLargeForKafka,
        EventFault::Refused => Cause::RefusedByKafka,
    }
}
