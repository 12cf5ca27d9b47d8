//! What librdkafka gives back with the report on a message: whose it is.
//!
//! It's a pointer to the message's [`Parcel`], of which the message owns one count. Where the value begins tells which event of the
//! parcel it is. An empty value and a null don't tell: then it's a pointer to a parcel and a position, marked by its lowest bit.

use std::ffi::c_void;
use std::sync::Arc;

use crate::receipt::Parcel;

/// Set in a pointer to a [`Placed`]. Both kinds of targets are aligned to more than one byte.
const PLACED: usize = 1;

struct Placed {
    parcel: Arc<Parcel>,
    position: u32,
}

/// The opaque of the message at `position` of a parcel. It's to be taken back once.
pub(super) fn of(parcel: &Arc<Parcel>, position: u32, value: Option<&[u8]>) -> *mut c_void {
    let parcel = Arc::clone(parcel);
    if value.is_some_and(|value| !value.is_empty()) {
        return Arc::into_raw(parcel).cast_mut().cast();
    }
    let placed: *mut c_void = Box::into_raw(Box::new(Placed { parcel, position })).cast();
    placed.map_addr(|address| address | PLACED)
}

/// Whether this is the opaque of a message of `parcel` whose value tells its position.
pub(super) fn is_of(opaque: *mut c_void, parcel: &Arc<Parcel>) -> bool {
    Arc::as_ptr(parcel) == opaque.cast_const().cast()
}

/// Takes back what an opaque has: the parcel, and the position if the value doesn't tell it.
///
/// # Safety
/// Of each opaque that this module made only once.
pub(super) unsafe fn take(opaque: *mut c_void) -> (Arc<Parcel>, Option<u32>) {
    if opaque.addr() & PLACED == 0 {
        // SAFETY: it's from `of`, and this is its only use.
        return (unsafe { Arc::from_raw(opaque.cast_const().cast()) }, None);
    }
    let placed = opaque.map_addr(|address| address & !PLACED);
    // SAFETY: it's from `of`, and this is its only use.
    let placed = *unsafe { Box::from_raw(placed.cast::<Placed>()) };
    (placed.parcel, Some(placed.position))
}

/// Which event of the parcel begins at `value`, and isn't empty. Events don't overlap, so there is only one. They stand in the
/// order of the body, so that it's found without looking at each.
pub(super) fn position_of(parcel: &Parcel, value: *const u8) -> u32 {
    let body = parcel.request().body();
    let events = parcel.events();
    let at = events.partition_point(|event| event.value(body).as_ptr() < value);
    let is_it = |at: &usize| {
        let event = &events[*at];
        !event.is_empty() && event.value(body).as_ptr() == value
    };
    let found = Some(at).filter(|at| *at < events.len() && is_it(at));
    let found = found.or_else(|| (0..events.len()).find(is_it));
    found.unwrap_or(0) as u32
}
