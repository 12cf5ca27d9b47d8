//! Keeps the order of a partition when one of its batches fails: what stands behind it may not go on by itself.
//!
//! librdkafka has up to five batches of a partition under way. When Kafka refuses one for good, those behind it fail as well,
//! for the gap in their sequence numbers (but for a client's first one, which goes alone: `firsts`); librdkafka then begins a new epoch and sends them again, before the lane has
//! heard anything and could send the sound events of the refused batch, which belong before them.
//!
//! So the partition is paused in the moment in which a batch of it fails: by an interceptor, which librdkafka calls on the
//! broker's thread, before it reports the failure and before that thread can send anything more. From then on the client
//! is *settling*: the worker hands it nothing, asks for all back that isn't on the wire (`Native::settle`), and
//! when everything was acknowledged or has come back, the partition goes on and the worker sends all that is
//! unresolved again, in order. All partitions of the cluster wait for that, usually a few round trips; a new epoch makes them
//! wait anyhow.
//!
//! **What a pause alone doesn't hold**, by librdkafka's source (2.12):
//! - A request that was made from the partition's messages, and waits for its turn on the broker's connection, is sent although the
//!   partition is paused (`rkb_outbufs`). With idempotence the broker refuses it, for the gap; without, it would be stored.
//! - A produce answer that the topic is denied takes all partitions away from the topic before the failure is reported
//!   (`rd_kafka_topic_set_error`). The pause then finds, or makes, another partition object than the one that has the messages. The
//!   old object fails them only when its broker's thread comes to the operation that says so (`PARTITION_LEAVE`); but the wake-up at the end of
//!   the drain goes before that operation, by its priority, and lets the thread make requests of them first.
//!
//! So the same interceptor also asks for a purge of the client's queues, which each broker's thread then does by itself. That has the
//! priority of the wake-up, and was asked for before it: the partition of the failed batch counts as under way until after its report,
//! so that the drain ends later. A thread serves its operations after it has read answers and before it makes requests or
//! writes them: what hasn't been written comes back. Messages that the worker hands over from then on come back as well. What it is
//! handing over in that moment has to be in the queues before the purge ([`Hold::hand_over`]): other partitions aren't paused, so that
//! the rest of a purged batch would be sent before its beginning. What could still go before the purge is a wake-up of an earlier
//! drain, by a thread that stood still between the drain's end and the wake-up for as long as settling took.
//!
//! **What a pause leaves behind**, by the same source. Pausing marks a partition as *desired*, as a consumer's. Each pause and each
//! resumption then puts an operation into the partition's queue of fetched messages, and so does each loss of its topic (denied,
//! missing) from then on, whoever is refused. A producer has nobody who reads that queue. So [`release`] empties the queues of all
//! partitions that were ever paused. Else each try on a denied topic would leave some hundred bytes for each of its partitions, for
//! as long as the client lives.
//!
//! **How long it takes.** Going on waits for the client's main thread, and for a sign of each broker's thread. One of these may hang,
//! as in a name server that doesn't answer. The others don't wait for it for longer than [`RELEASE_WITHIN`]. What is asked of the
//! thread that hangs changes nothing when it comes to it.
//!
//! Pausing waits for the client's main thread. It's done on threads of brokers only, for which that thread never waits, except
//! at the end of the client, where the failures have another reason and are left alone.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::bindings as sys;
use rdkafka::client::{Client, ClientContext};
use rdkafka::types::{RDKafka, RDKafkaRespErr};

/// How long paused partitions may take to go on. What is handed over after that for a broker whose thread hangs waits for it, as it does
/// anyhow.
const RELEASE_WITHIN: Duration = Duration::from_secs(1);
/// A flag of `rd_kafka_purge` that is librdkafka's own, for transactions (`RD_KAFKA_PURGE_F_ABORT_TXN`). Alone it purges nothing, and
/// wakes each broker's thread.
const WAKE: i32 = 0x100;

/// Which partitions of a client are paused.
#[derive(Debug, Default)]
pub(super) struct Hold {
    paused: Mutex<Vec<Partition>>,
    /// All that were ever paused, and so have a queue that nobody else reads: at most as many as the topics have partitions.
    marked: Mutex<BTreeSet<Partition>>,
    is_held: AtomicBool,
    /// The release that is under way.
    release: Mutex<Option<Releasing>>,
    /// How many releases there were.
    releases: AtomicU64,
    /// Locked while messages are being handed over.
    handing: Mutex<()>,
}

/// Partitions that are to go on: since when, and the number of the release.
#[derive(Clone, Copy, Debug)]
struct Releasing {
    since: Instant,
    number: u64,
}

/// A partition, by the name of its topic and its number.
type Partition = (CString, i32);

thread_local! {
    static IS_BROKERS: Cell<bool> = const { Cell::new(false) };
}

impl Hold {
    /// Whether a partition is paused.
    pub(super) fn is_held(&self) -> bool {
        self.is_held.load(Acquire)
    }

    /// Begins to hand messages over, which takes until the guard is dropped. `None` if a partition is paused.
    pub(super) fn hand_over(&self) -> Option<MutexGuard<'_, ()>> {
        let handing = self.handing.lock().unwrap_or_else(PoisonError::into_inner);
        (!self.is_held()).then_some(handing)
    }

    /// Begins a release; returns its number.
    fn begins_release(&self) -> u64 {
        let number = self.releases.fetch_add(1, Relaxed);
        let since = Instant::now();
        let mut release = self.release.lock().unwrap_or_else(PoisonError::into_inner);
        *release = Some(Releasing { since, number });
        number
    }

    /// Ends the release that is under way, if it `may`.
    fn ends_release(&self, may: impl FnOnce(Releasing) -> bool) {
        let mut release = self.release.lock().unwrap_or_else(PoisonError::into_inner);
        if release.is_some_and(may) {
            *release = None;
            self.is_held.store(false, Release);
        }
    }

    fn pause(&self, rk: *mut RDKafka, topic: &CStr, partition: i32) {
        let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        if paused
            .iter()
            .any(|(name, number)| *number == partition && name.as_c_str() == topic)
        {
            return;
        }
        paused.push((topic.to_owned(), partition));
        self.is_held.store(true, Release);
        drop(paused);
        // The worker waits for no thread of the client meanwhile.
        drop(self.handing.lock().unwrap_or_else(PoisonError::into_inner));
        let purge = sys::RD_KAFKA_PURGE_F_QUEUE | sys::RD_KAFKA_PURGE_F_NON_BLOCKING;
        // SAFETY: the client is valid: it's calling.
        unsafe {
            change(rk, topic, partition, sys::rd_kafka_pause_partitions);
            let _: RDKafkaRespErr = sys::rd_kafka_purge(rk, purge);
        }
    }
}

/// Lets the paused partitions of `client` go on, on a thread of its own, since it waits for a thread of the client. To be
/// called when the client holds nothing any more. `hold_of` finds the client's.
pub(super) fn release<C: ClientContext + 'static>(
    client: &Arc<Client<C>>,
    hold_of: fn(&C) -> &Hold,
) {
    let hold = hold_of(client.context());
    let paused = std::mem::take(&mut *hold.paused.lock().unwrap_or_else(PoisonError::into_inner));
    if paused.is_empty() {
        // They are going on already.
        return hold.ends_release(|release| release.since.elapsed() >= RELEASE_WITHIN);
    }
    let number = hold.begins_release();
    let (client, again) = (Arc::clone(client), paused.clone());
    let resumes = std::thread::Builder::new()
        .name("resume".into())
        .spawn(move || {
            for (topic, partition) in &paused {
                // SAFETY: the client is valid as long as it's owned here.
                unsafe {
                    change(
                        client.native_ptr(),
                        topic,
                        *partition,
                        sys::rd_kafka_resume_partitions,
                    );
                }
            }
            // Wakes the brokers' threads and waits until each has looked at its partitions. One that was paused, or emptied, with
            // a wake-up on its way gives no further one for new events; they'd lie there for up to a second (seen).
            // SAFETY: as above.
            let _: RDKafkaRespErr = unsafe { sys::rd_kafka_purge(client.native_ptr(), WAKE) };
            let hold = hold_of(client.context());
            empty_queues(&client, hold, paused);
            // It may have taken so long that nobody waits for it any more.
            hold.ends_release(|release| release.number == number);
        });
    if resumes.is_err() {
        // No thread now; the next call tries again.
        *hold.release.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *hold.paused.lock().unwrap_or_else(PoisonError::into_inner) = again;
    }
}

/// Empties the queues of all partitions that were ever paused, those that are resumed now among them.
fn empty_queues<C: ClientContext>(client: &Client<C>, hold: &Hold, paused: Vec<Partition>) {
    let mut marked = hold.marked.lock().unwrap_or_else(PoisonError::into_inner);
    marked.extend(paused);
    for (topic, partition) in &*marked {
        // SAFETY: the client is valid as long as it's borrowed, and the name a C string. The topic is known, so that this is one more
        // handle of it, which is given back. Without a wait, reading destroys all that isn't a message; a producer has none.
        unsafe {
            let handle = sys::rd_kafka_topic_new(client.native_ptr(), topic.as_ptr(), null_mut());
            if !handle.is_null() {
                let message = sys::rd_kafka_consume(handle, *partition, 0);
                if !message.is_null() {
                    sys::rd_kafka_message_destroy(message);
                }
                sys::rd_kafka_topic_destroy(handle);
            }
        }
    }
}

/// Adds the interceptors of this module, which pause the partitions whose batches fail.
///
/// # Safety
/// To be called while the client is being made, with a hold that lives longer than the client.
pub(super) unsafe fn add(rk: *mut RDKafka, hold: &Hold) {
    let (name, none) = (c"hold".as_ptr(), null_mut());
    let hold: *const Hold = hold;
    // SAFETY: the caller's promise.
    unsafe {
        sys::rd_kafka_interceptor_add_on_thread_start(rk, name, Some(on_thread_start), none);
        let hold = hold.cast_mut().cast();
        sys::rd_kafka_interceptor_add_on_acknowledgement(rk, name, Some(on_report), hold);
    }
}

unsafe extern "C" fn on_thread_start(
    _: *mut RDKafka,
    kind: sys::rd_kafka_thread_type_t,
    _: *const c_char,
    _: *mut c_void,
) -> RDKafkaRespErr {
    IS_BROKERS.set(kind == sys::rd_kafka_thread_type_t::RD_KAFKA_THREAD_BROKER);
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
}

/// Called for each message before it's reported.
unsafe extern "C" fn on_report(
    rk: *mut RDKafka,
    message: *mut sys::rd_kafka_message_t,
    hold: *mut c_void,
) -> RDKafkaRespErr {
    use RDKafkaRespErr::*;
    // SAFETY: the message is valid during the call, and so is its topic; the client is calling; its hold is from `add`.
    unsafe {
        let message = &*message;
        let is_ours = matches!(
            message.err,
            RD_KAFKA_RESP_ERR_NO_ERROR
                | RD_KAFKA_RESP_ERR__PURGE_QUEUE
                | RD_KAFKA_RESP_ERR__PURGE_INFLIGHT
                | RD_KAFKA_RESP_ERR__DESTROY
        );
        if !is_ours && !message.rkt.is_null() && IS_BROKERS.get() {
            let topic = CStr::from_ptr(sys::rd_kafka_topic_name(message.rkt));
            if let Some(hold) = hold.cast_const().cast::<Hold>().as_ref() {
                hold.pause(rk, topic, message.partition);
            }
        }
    }
    RD_KAFKA_RESP_ERR_NO_ERROR
}

/// Pauses or resumes one partition.
///
/// # Safety
/// The client must be valid.
unsafe fn change(
    rk: *mut RDKafka,
    topic: &CStr,
    partition: i32,
    how: unsafe extern "C" fn(
        *mut RDKafka,
        *mut sys::rd_kafka_topic_partition_list_t,
    ) -> RDKafkaRespErr,
) {
    // SAFETY: the list is made, used and destroyed here.
    unsafe {
        let list = sys::rd_kafka_topic_partition_list_new(1);
        sys::rd_kafka_topic_partition_list_add(list, topic.as_ptr(), partition);
        let _: RDKafkaRespErr = how(rk, list);
        sys::rd_kafka_topic_partition_list_destroy(list);
    }
}

#[cfg(test)]
mod tests;
