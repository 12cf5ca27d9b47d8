//! What a refusal says about what a topic takes: so that the door knows it, and what can be mended isn't given up.

use std::sync::Arc;
use std::time::Instant;

use super::Topic;
use crate::produce::verdict::{EventFault, Fault, TopicFault};
use crate::receipt::{Arrival, Cause, Parcel};

/// Notes what is learned from a fault that Kafka found in the event at `position` of a parcel, which was alone in its `batch`, or
/// in one of so many bytes. Returns the fault that it is in the light of what was known before. The fault of an event that wasn't alone may be that of
/// another one in its batch.
pub(super) fn learn(
    topic: &Topic,
    parcel: &Arc<Parcel>,
    position: u32,
    fault: Fault,
    batch: Option<u64>,
) -> Fault {
    let limits = topic.limits();
    match fault {
        Fault::Event(EventFault::TooLarge) if batch.is_none() => {
            limits.size_refused(parcel.events()[position as usize].weight());
        }
        Fault::Event(why) => {
            limits.doubt();
            if let (EventFault::TooLarge, Some(bytes)) = (why, batch) {
                limits.batch_refused(bytes);
            }
        }
        // Where events have times of their own, a batch has some of all ages. Only one that is refused alone tells something.
        Fault::Stamp if batch.is_some() && limits.has_own_times() => {
            return Fault::Event(EventFault::Refused);
        }
        Fault::Stamp => {
            let now_ms = Arrival::now(Instant::now()).unix_ms;
            if !limits.stamp_refused(parcel.timestamp_ms(position), now_ms) {
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
