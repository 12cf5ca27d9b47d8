//! What librdkafka gives back with the report on a message: whose it is.
//!
//! It's a pointer to the message's group, of which the message owns one count. Where the value begins tells which message of the
//! group it is. An empty value and a null don't tell: then it's a pointer to a group and a position, marked by its lowest bit.

use std::ffi::c_void;
use std::sync::Arc;

use crate::produce::Messages;

/// Set in a pointer to a [`Placed`]. What an [`Arc`] and a [`Box`] of one point to is aligned to more than one byte.
const PLACED: usize = 1;

struct Placed<G> {
    group: Arc<G>,
    position: u32,
}

/// The opaque of the message at `position` of a group. It's to be taken back once.
pub(super) fn of<G>(group: &Arc<G>, position: u32, value: Option<&[u8]>) -> *mut c_void {
    let group = Arc::clone(group);
    if value.is_some_and(|value| !value.is_empty()) {
        return Arc::into_raw(group).cast_mut().cast();
    }
    let placed: *mut c_void = Box::into_raw(Box::new(Placed { group, position })).cast();
    placed.map_addr(|address| address | PLACED)
}

/// Whether this is the opaque of a message of `group` whose value tells its position.
pub(super) fn is_of<G>(opaque: *mut c_void, group: &Arc<G>) -> bool {
    Arc::as_ptr(group) == opaque.cast_const().cast()
}

/// Takes back what an opaque has: the group, and the position if the value doesn't tell it.
///
/// # Safety
/// Of each opaque that this module made for groups of this type, only once.
pub(super) unsafe fn take<G>(opaque: *mut c_void) -> (Arc<G>, Option<u32>) {
    if opaque.addr() & PLACED == 0 {
        // SAFETY: it's from `of`, and this is its only use.
        return (unsafe { Arc::from_raw(opaque.cast_const().cast()) }, None);
    }
    let placed = opaque.map_addr(|address| address & !PLACED);
    // SAFETY: it's from `of`, and this is its only use.
    let placed = *unsafe { Box::from_raw(placed.cast::<Placed<G>>()) };
    (placed.group, Some(placed.position))
}

/// Which message of the group has the value that begins at `value` and isn't empty. Values don't overlap, so there is only one. If they
/// stand in the order of their positions, it's found without looking at each.
pub(super) fn position_of<G: Messages>(group: &G, value: *const u8) -> u32 {
    let starts_at = |at: u32| group.value(at).unwrap_or_default().as_ptr();
    let is_it = |at: &u32| {
        let found = group.value(*at).unwrap_or_default();
        !found.is_empty() && found.as_ptr() == value
    };
    let (mut low, mut high) = (0, group.count());
    while low < high {
        let middle = low + (high - low) / 2;
        if starts_at(middle) < value {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let found = Some(low).filter(|at| *at < group.count() && is_it(at));
    let found = found.or_else(|| (0..group.count()).find(is_it));
    found.unwrap_or(0)
}
