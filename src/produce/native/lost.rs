//! Which messages may be stored although librdkafka says that they are not.
//!
//! librdkafka keeps a status for each message: not persisted, possibly persisted, persisted. It's never taken back, so that a message
//! whose first try has no answer stays in doubt, whatever becomes of the next one. By its source (2.12) it's too sure in two cases,
//! in both of which a request was written as a whole, and its connection closed before the answer:
//!
//! - **A purge of the queues meets a request that is half written.** The connection is of no more use then, and is closed. All
//!   requests on it that have no answer get the purge's error, `PURGE_QUEUE`, which counts as not persisted
//!   (`rd_kafka_broker_handle_purge_queues`, `rd_kafka_broker_fail`). They get it when the connection counts as down, and requests that
//!   weren't written get it before: so the moment is noted. Messages that were in a request have the number of its broker, and messages
//!   that were in none have not. A purged message with a broker that was handed over before that moment is in doubt.
//! - **A broker is no longer listed in the metadata**, because it's being stopped, or is frozen for longer than its session lasts. Its
//!   connection is closed, and what had no answer is put back into the partition's queue as not persisted (`__DESTROY_BROKER`). If
//!   it's purged from there nothing tells it from a message that was never sent. So this moment is noted as well, before anything
//!   is put back, and all that was handed over earlier is in doubt.
//!
//! Other errors that end a connection are told apart by [`crate::produce::verdict::is_before_storing`].
//!
//! What isn't seen: a leader whose disk failed while it appended (`KAFKA_STORAGE_ERROR`) may find the batch again after it was repaired.
//! librdkafka sends the batch again meanwhile, to another leader if there is one.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::{Duration, Instant};

use rdkafka::bindings as sys;
use rdkafka::types::{RDKafka, RDKafkaRespErr};

use super::wakeups::PRODUCE;

/// When a client last lost sight of requests that it had sent.
#[derive(Debug, Default)]
pub(super) struct Lost {
    /// Their broker was no longer listed.
    pub(super) left: Moment,
    /// A purge ended their connection.
    pub(super) closed: Moment,
}

/// When something happened last, if it ever did.
#[derive(Debug)]
pub(super) struct Moment {
    begun: Instant,
    /// Microseconds after `begun`, rounded up; 0 if there was none.
    at: AtomicU64,
}

impl Default for Moment {
    fn default() -> Moment {
        Moment {
            begun: Instant::now(),
            at: AtomicU64::new(0),
        }
    }
}

impl Moment {
    /// It happens now.
    fn note(&self) {
        self.at.fetch_max(self.micros() + 1, AcqRel);
    }

    /// Whether it has happened since a message was handed over, so long ago.
    pub(super) fn is_since(&self, ago: Duration) -> bool {
        let at = self.at.load(Acquire);
        let ago = u64::try_from(ago.as_micros()).unwrap_or(u64::MAX);
        at > 0 && self.micros().saturating_sub(ago) <= at
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX - 1)
    }
}

thread_local! {
    /// Of a broker's thread: whether it has no connection.
    static IS_DOWN: Cell<bool> = const { Cell::new(false) };
}

/// Adds the interceptors of this module.
///
/// # Safety
/// To be called while the client is being made, with a `lost` that lives longer than the client.
pub(super) unsafe fn add(rk: *mut RDKafka, lost: &Lost) {
    let lost: *const Lost = lost;
    let (name, lost) = (c"lost".as_ptr(), lost.cast_mut().cast());
    // SAFETY: the caller's promise.
    unsafe {
        sys::rd_kafka_interceptor_add_on_response_received(rk, name, Some(on_answer), lost);
        sys::rd_kafka_interceptor_add_on_broker_state_change(rk, name, Some(on_state), lost);
    }
}

/// Called for each request that has its answer or will have none, before that concerns its messages.
unsafe extern "C" fn on_answer(
    _: *mut RDKafka,
    _: c_int,
    _: *const c_char,
    _: i32,
    api_key: i16,
    _: i16,
    _: i32,
    _: usize,
    _: i64,
    error: RDKafkaRespErr,
    lost: *mut c_void,
) -> RDKafkaRespErr {
    let is_left = error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__DESTROY_BROKER;
    let is_purged = error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__PURGE_QUEUE;
    if api_key != PRODUCE || !is_left && !is_purged {
        return RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    // SAFETY: it's from `add`, and lives longer than the client, which is calling.
    if let Some(lost) = unsafe { lost.cast_const().cast::<Lost>().as_ref() } {
        if is_left {
            lost.left.note();
        } else if IS_DOWN.get() {
            lost.closed.note();
        }
    }
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
}

/// Called on the broker's thread, before its requests hear of it.
unsafe extern "C" fn on_state(
    _: *mut RDKafka,
    _: i32,
    _: *const c_char,
    _: *const c_char,
    _: c_int,
    state: *const c_char,
    _: *mut c_void,
) -> RDKafkaRespErr {
    // SAFETY: it's a C string of librdkafka's.
    IS_DOWN.set(!state.is_null() && unsafe { CStr::from_ptr(state) } == c"DOWN");
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
}

#[cfg(test)]
mod tests;
