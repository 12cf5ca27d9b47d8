//! What is known of a request's events when it's answered.

use std::sync::PoisonError;
use std::sync::atomic::Ordering::*;

use super::cause::Cause;
use super::parcel::Parcels;

/// What became of a request's admitted events, as far as is known when it is answered.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Events acknowledged by Kafka.
    pub acked: u32,
    /// Events that are durable in the spill log.
    pub spilled: u32,
    /// Events that are in memory, where that is all that their stream asks for.
    pub queued: u32,
    /// The other ones: position in the request and cause, in the client's order.
    pub not_acked: Vec<(u32, Cause)>,
}

/// Takes the outcome for the answer. Parcels still queued are given up, and will not arrive; events already sent are
/// reported as [`Cause::Unknown`].
#[inline(always)]
pub fn settle(parcels: &Parcels) -> Outcome {
    let Some(first) = parcels.first() else {
        return Outcome::default();
    };
    let request = first.request();
    let mut unknown = Vec::new();
    if !request.is_finished() {
        request.abandoned.store(true, Release);
        for parcel in parcels {
            if !parcel.give_up(Cause::Timeout) {
                parcel.list_unresolved(&mut unknown);
            }
        }
    }
    let mut not_acked = std::mem::take(
        &mut *request
            .not_acked
            .lock()
            .unwrap_or_else(PoisonError::into_inner),
    );
    if !unknown.is_empty() {
        // A failure may have been noted after the parcel was looked at; one entry per event is enough.
        let mut known: Vec<_> = not_acked.iter().map(|(index, _)| *index).collect();
        known.sort_unstable();
        unknown.retain(|(index, _)| known.binary_search(index).is_err());
        not_acked.append(&mut unknown);
    }
    not_acked.sort_unstable_by_key(|(index, _)| *index);
    // What is spilled meanwhile would be listed as unknown; it's counted once, by what the client is told.
    let durable = request.events.len() as u32 - not_acked.len() as u32;
    let spilled = request.spilled.load(Acquire).min(durable);
    Outcome {
        acked: durable - spilled,
        spilled,
        queued: 0,
        not_acked,
    }
}
