//! The one module with `unsafe` code: librdkafka's batch produce path without copies, and its event queue.
//!
//! The crate's safe producers copy every payload, look the topic up by name for every message, and wake one future per
//! message; measured, that is 1.7 to 5.7 times the CPU per event of what stands here. What makes it sound:
//!
//! - Payloads aren't copied: librdkafka keeps pointers to the values of the messages' group. Each message therefore owns one
//!   strong count of its group, as its opaque (`opaque`). A value is borrowed from its group, so that it stays where and what it is as
//!   long as the group lives. The count comes back with the delivery report, of which librdkafka promises exactly one per accepted
//!   message.
//! - Keys are copied by librdkafka, headers and timestamps too.
//! - Payload memory is never given away (`RD_KAFKA_MSG_F_FREE` would call another allocator's `free`).
//! - Topic handles and the queue are destroyed before the client. Reports still unread when [`Native`] is dropped
//!   would leak their counts, so [`Native::close`] reads them all first; what doesn't come in time is left to leak, and
//!   counted by its caller, because librdkafka might still read the memory.
//!
//! Its interceptors (`context`) keep the order of a partition when a batch fails (`hold`), have brokers' threads wake once for
//! many answers (`wakeups`), and know what may be stored although librdkafka says no (`lost`). Where Kafka can't find a gap, there is none (`firsts`).
//!
//! What is absent: no policy. Nothing here knows events, receipts, lanes, retries or health.

#![expect(
    unsafe_code,
    reason = "librdkafka's batch path has no safe interface; the rules are in the module's docs"
)]

mod arguments;
mod context;
mod describe;
mod firsts;
mod headers;
mod hold;
mod lost;
mod opaque;
mod reports;
mod wakeups;

use std::ffi::CString;
use std::marker::PhantomData;
use std::ptr::{null, null_mut};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use rdkafka::bindings as sys;
use rdkafka::client::Client;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::types::{RDKafkaQueue, RDKafkaRespErr, RDKafkaTopic, RDKafkaType};

use arguments::Arguments;
pub use context::Context;
pub use describe::{Described, may_write, topic_configs};
use firsts::Firsts;
use headers::Headers;
pub use reports::{Failure, Report};
use reports::{deliveries, text};

use super::topic_limits::{ID_HEADER, RECEIVED_HEADER, Stamp, TIME_HEADER};
use super::{Messages, Producer, messages::Time};

/// How often a client that is settling is asked for what it hasn't sent: a fraction of a round trip.
const SETTLE_PAUSE: Duration = Duration::from_millis(2);

/// A producer client for messages of groups of type `G`.
pub struct Native<G> {
    client: Arc<Client<Context>>,
    queue: *mut RDKafkaQueue,
    topics: Vec<*mut RDKafkaTopic>,
    batch: Vec<sys::rd_kafka_message_t>,
    settled_at: Option<Instant>,
    firsts: Firsts,
    groups: PhantomData<Arc<G>>,
}

// SAFETY: librdkafka's handles may be used from any thread, and so may groups; `Native` is used from one at a time.
unsafe impl<G: Messages> Send for Native<G> {}

impl<G: Messages> Native<G> {
    /// Creates the client. It connects by itself, in threads of its own.
    pub fn new(config: &ClientConfig) -> KafkaResult<Native<G>> {
        let native_config = config.create_native_config()?;
        let events = sys::RD_KAFKA_EVENT_DR | sys::RD_KAFKA_EVENT_ERROR | sys::RD_KAFKA_EVENT_LOG;
        // SAFETY: the configuration is valid and not yet used.
        unsafe { sys::rd_kafka_conf_set_events(native_config.ptr(), events) };
        context::intercept(&native_config);
        let client = Client::new(
            config,
            native_config,
            RDKafkaType::RD_KAFKA_PRODUCER,
            Context::default(),
        )?;
        // SAFETY: the client is valid; the queue is destroyed in `drop`, before it.
        let queue = unsafe { sys::rd_kafka_queue_get_main(client.native_ptr()) };
        Ok(Native {
            client: Arc::new(client),
            queue,
            topics: Vec::new(),
            batch: Vec::new(),
            settled_at: None,
            firsts: Firsts::default(),
            groups: PhantomData,
        })
    }

    /// The same, with a thread that wakes for each answer of a broker.
    pub fn told_of_each_answer(self) -> Native<G> {
        self.client.context().sockets.switch_off();
        self
    }

    /// The client, for metadata requests from other threads.
    pub fn client(&self) -> &Arc<Client<Context>> {
        &self.client
    }

    fn topic(&self, topic: u32) -> *mut RDKafkaTopic {
        self.topics
            .get(topic as usize)
            .copied()
            .unwrap_or(null_mut())
    }

    /// Begins to hand messages over for a topic; or why none may be.
    fn hand_over(
        client: &Client<Context>,
        handle: *mut RDKafkaTopic,
    ) -> Result<MutexGuard<'_, ()>, RDKafkaRespErr> {
        if handle.is_null() {
            return Err(RDKafkaRespErr::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC);
        }
        // A batch may have failed since the worker looked.
        let handing = client.context().hold.hand_over();
        handing.ok_or(RDKafkaRespErr::RD_KAFKA_RESP_ERR__PURGE_QUEUE)
    }

    /// Messages that the client holds, and reports not yet read.
    fn outstanding(&self) -> usize {
        // SAFETY: the client is valid.
        usize::try_from(unsafe { sys::rd_kafka_outq_len(self.client.native_ptr()) }).unwrap_or(0)
    }
}

impl<G: Messages> Producer for Native<G> {
    type Group = G;

    fn shared(&self) -> Option<Arc<Client<Context>>> {
        Some(Arc::clone(&self.client))
    }

    fn open_topic(&mut self, topic: u32, name: &str) {
        let index = topic as usize;
        if self
            .topics
            .get(index)
            .is_some_and(|handle| !handle.is_null())
        {
            return;
        }
        self.topics
            .resize(self.topics.len().max(index + 1), null_mut());
        if let Ok(name) = CString::new(name) {
            // SAFETY: the client is valid and the name is a C string; a null handle is refused in `flush`.
            self.topics[index] = unsafe {
                sys::rd_kafka_topic_new(self.client.native_ptr(), name.as_ptr(), null_mut())
            };
        }
    }

    fn add(&mut self, group: &Arc<G>, position: u32) {
        let value = group.value(position);
        let key = group.key(position);
        self.batch.push(sys::rd_kafka_message_t {
            err: RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
            rkt: null_mut(),
            partition: 0,
            payload: value.map_or(null_mut(), |value| value.as_ptr().cast_mut().cast()),
            len: value.map_or(0, <[u8]>::len),
            // A key of length 0 isn't a missing one: its pointer is never null.
            key: key.map_or(null_mut(), |key| key.as_ptr().cast_mut().cast()),
            key_len: key.map_or(0, <[u8]>::len),
            offset: 0,
            _private: opaque::of(group, position, value),
        });
    }

    fn flush(
        &mut self,
        topic: u32,
        partition: i32,
        mut refused: impl FnMut(&Arc<G>, u32, RDKafkaErrorCode),
    ) {
        if self.batch.is_empty() {
            return;
        }
        let handle = self.topic(topic);
        let of = (handle.addr(), partition);
        let most = self.firsts.most(of).min(self.batch.len());
        let waits = RDKafkaRespErr::RD_KAFKA_RESP_ERR__PURGE_QUEUE;
        let (batch, later) = self.batch.split_at_mut(most);
        later.iter_mut().for_each(|message| message.err = waits);
        let accepted = match Self::hand_over(&self.client, handle) {
            _ if batch.is_empty() => 0,
            Err(error) => {
                batch.iter_mut().for_each(|message| message.err = error);
                0
            }
            // SAFETY: the handle is valid; payloads live as long as the groups that the messages own.
            Ok(_handing) => unsafe {
                sys::rd_kafka_produce_batch(
                    handle,
                    partition,
                    0,
                    batch.as_mut_ptr(),
                    batch.len() as i32,
                )
            },
        };
        if accepted > 0 {
            self.firsts.sent(of);
        }
        if accepted as usize != self.batch.len() {
            for message in &self.batch {
                if message.err != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                    // SAFETY: librdkafka didn't take the message, so its count is still ours.
                    let (group, position) = unsafe { opaque::take::<G>(message._private) };
                    let at = || opaque::position_of(&*group, message.payload.cast());
                    refused(&group, position.unwrap_or_else(at), message.err.into());
                }
            }
        }
        self.batch.clear();
    }

    fn send_stamped(
        &mut self,
        topic: u32,
        partition: i32,
        group: &Arc<G>,
        position: u32,
        stamp: Stamp,
    ) -> Result<(), RDKafkaErrorCode> {
        let handle = self.topic(topic);
        let of = (handle.addr(), partition);
        let most = self.firsts.most(of);
        if most == 0 {
            return Err(RDKafkaErrorCode::PurgeQueue);
        }
        let _handing = Self::hand_over(&self.client, handle).map_err(RDKafkaErrorCode::from)?;
        let (time, value) = (group.time(position), group.value(position));
        let time_header = match time {
            Time::Own(_) => TIME_HEADER,
            Time::Arrival(_) => RECEIVED_HEADER,
        };
        let (stamp_ms, told) = match stamp {
            Stamp::Event => (time.ms(), None),
            // librdkafka takes its own clock then.
            Stamp::Present => (0, Some(time.ms().to_string())),
        };
        let id = group.id(position).map(|id| id.hyphenated().to_string());
        let ours = [(ID_HEADER, id.as_deref()), (time_header, told.as_deref())];
        let headers = headers::of(group.headers(position), ours);
        let opaque = opaque::of(group, position, value);
        let (to, what) = ((handle, partition), (group.key(position), value));
        let mut arguments = Arguments::new(to, what, stamp_ms, opaque);
        if let Some(headers) = &headers {
            arguments.push(arguments::headers(headers));
        } else {
            for (name, value) in ours {
                let header = value.map(|value| arguments::header(name, value));
                header.into_iter().for_each(|it| arguments.push(it));
            }
        }
        let (client, all) = (self.client.native_ptr(), arguments.as_slice());
        // SAFETY: all arguments are valid for the call, the payload as long as the group that the message owns.
        let error = unsafe { sys::rd_kafka_produceva(client, all.as_ptr(), all.len()) };
        if error.is_null() {
            // What is known to have taken something stays so.
            if most == 1 {
                self.firsts.sent(of);
            }
            headers.into_iter().for_each(Headers::given);
            return Ok(());
        }
        // SAFETY: the error is ours to destroy; the message wasn't taken, so its opaque is still ours.
        unsafe {
            let code = sys::rd_kafka_error_code(error);
            sys::rd_kafka_error_destroy(error);
            drop(opaque::take::<G>(opaque));
            Err(code.into())
        }
    }

    fn poll(&mut self, at_most: usize, mut on: impl FnMut(Report<'_, G>)) -> usize {
        self.client.context().sockets.fetch();
        for read in 0..at_most {
            // SAFETY: the queue is valid; the event is destroyed below.
            let event = unsafe { sys::rd_kafka_queue_poll(self.queue, 0) };
            if event.is_null() {
                return read;
            }
            // SAFETY: the event is valid until it's destroyed.
            unsafe {
                match sys::rd_kafka_event_type(event) {
                    sys::RD_KAFKA_EVENT_DR => {
                        let lost = &self.client.context().lost;
                        deliveries(event, lost, &mut self.firsts, &mut on);
                    }
                    sys::RD_KAFKA_EVENT_ERROR => {
                        let fatal = sys::rd_kafka_event_error_is_fatal(event) != 0;
                        on(Report::Trouble {
                            code: if fatal {
                                // The event says only that it's fatal.
                                sys::rd_kafka_fatal_error(self.client.native_ptr(), null_mut(), 0)
                            } else {
                                sys::rd_kafka_event_error(event)
                            }
                            .into(),
                            fatal,
                            text: text(sys::rd_kafka_event_error_string(event)),
                        });
                    }
                    sys::RD_KAFKA_EVENT_LOG => {
                        let (mut facility, mut line, mut level) = (null(), null(), 0);
                        if sys::rd_kafka_event_log(event, &mut facility, &mut line, &mut level) == 0
                        {
                            on(Report::Log {
                                level,
                                facility: text(facility),
                                text: text(line),
                            });
                        }
                    }
                    _ => {}
                }
                sys::rd_kafka_event_destroy(event);
            }
        }
        at_most
    }

    fn is_settling(&self) -> bool {
        self.client.context().hold.is_held()
    }

    fn settle(&mut self, now: Instant) {
        if self.outstanding() == 0 {
            return hold::release(&self.client, |context| &context.hold);
        }
        if self
            .settled_at
            .is_none_or(|at| now.duration_since(at) >= SETTLE_PAUSE)
        {
            self.settled_at = Some(now);
            // What was on the wire and failed is in the queues only now: hence again and again.
            let purge = sys::RD_KAFKA_PURGE_F_QUEUE | sys::RD_KAFKA_PURGE_F_NON_BLOCKING;
            // SAFETY: the client is valid.
            let _: RDKafkaRespErr = unsafe { sys::rd_kafka_purge(self.client.native_ptr(), purge) };
        }
    }

    fn close(&mut self, at_most: Duration, mut on: impl FnMut(Report<'_, G>)) -> bool {
        let deadline = Instant::now() + at_most;
        self.client.context().sockets.switch_off();
        let purge = sys::RD_KAFKA_PURGE_F_QUEUE
            | sys::RD_KAFKA_PURGE_F_INFLIGHT
            // Else it waits for threads of the client, which may hang.
            | sys::RD_KAFKA_PURGE_F_NON_BLOCKING;
        // SAFETY: the client is valid.
        let _: RDKafkaRespErr = unsafe { sys::rd_kafka_purge(self.client.native_ptr(), purge) };
        loop {
            self.poll(usize::MAX, &mut on);
            if self.outstanding() == 0 {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl<G> Drop for Native<G> {
    fn drop(&mut self) {
        for handle in self.topics.drain(..).filter(|handle| !handle.is_null()) {
            // SAFETY: the handle is valid and used nowhere else.
            unsafe { sys::rd_kafka_topic_destroy(handle) };
        }
        // SAFETY: the queue is valid and used nowhere else.
        unsafe { sys::rd_kafka_queue_destroy(self.queue) };
    }
}
