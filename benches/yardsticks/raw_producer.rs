//! The Kafka hop alone: librdkafka's batch interface without copies, its cheapest path, at a given rate in bursts of a
//! millisecond. With headers it's the way that takes one record at a time. Events and keys are ready in memory; acknowledgements are only counted, and the latency of one in
//! [`SAMPLED`] is kept: from when librdkafka took an event, so `linger` is in it.

#![expect(
    unsafe_code,
    reason = "librdkafka's batch path has no safe interface, and a yardstick must not carry the gateway's own"
)]

use std::ffi::CString;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use forebay::route::partition_of;
use rdkafka::ClientConfig;
use rdkafka::bindings as sys;
use rdkafka::client::{Client, DefaultClientContext};
use rdkafka::types::{RDKafkaRespErr, RDKafkaType};

use super::threads::say;
use crate::endtoend::figures::percentiles_ms;
use crate::endtoend::work::{Pace, Target};
use crate::support::{self, Numbers};

/// Events of one call, at most.
const BATCH: usize = 50;
/// Different events.
const EVENTS: usize = 12_800;
/// Few enough that asking costs nothing beside the event itself.
const SAMPLED: u64 = 16;

#[derive(Default)]
struct Counts {
    acked: AtomicU64,
    failed: AtomicU64,
    in_window: AtomicBool,
    latencies_us: Mutex<Vec<u32>>,
}

/// A client, and the topic that it writes to. Both live as long as the process.
struct Producer {
    client: Arc<Client<DefaultClientContext>>,
    topic: *mut sys::rd_kafka_topic_t,
    partitions: usize,
    headers: bool,
}

impl Producer {
    fn new(target: &Target, topic: &str, queue: Option<u32>) -> Producer {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &target.bootstrap)
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", "0")
            .set("linger.ms", target.linger_ms.to_string())
            .set("compression.type", &target.compression);
        if let Some(queue) = queue {
            config.set("queue.buffering.max.messages", queue.to_string());
        }
        let native = config.create_native_config().expect("a configuration");
        // SAFETY: the configuration is valid and not yet used.
        unsafe { sys::rd_kafka_conf_set_events(native.ptr(), sys::RD_KAFKA_EVENT_DR) };
        let client = Client::new(
            &config,
            native,
            RDKafkaType::RD_KAFKA_PRODUCER,
            DefaultClientContext,
        );
        let client = Arc::new(client.expect("a client"));
        let name = CString::new(topic).expect("a topic's name");
        // SAFETY: the client is valid and the name is a C string.
        let topic =
            unsafe { sys::rd_kafka_topic_new(client.native_ptr(), name.as_ptr(), null_mut()) };
        Producer {
            client,
            topic,
            partitions: target.partitions,
            headers: target.headers,
        }
    }

    /// Hands over `count` of these events, in turn from the one with this number; how many were taken.
    fn send(&self, events: &[&'static [u8]], first: u64, count: usize) -> usize {
        if self.headers {
            let each = (0..count).map(|offset| events[(first as usize + offset) % EVENTS]);
            return each
                .take_while(|event| self.send_with_headers(event))
                .count();
        }
        let mut batch: Vec<_> = (0..count)
            .map(|offset| message(events[(first as usize + offset) % EVENTS], self.partitions))
            .collect();
        // SAFETY: the topic is valid, and payloads are never freed.
        let taken = unsafe {
            let flags = sys::RD_KAFKA_MSG_F_PARTITION;
            sys::rd_kafka_produce_batch(self.topic, 0, flags, batch.as_mut_ptr(), count as i32)
        };
        usize::try_from(taken).expect("a number of messages")
    }
}

impl Producer {
    /// Hands one event over with a time and two headers, in the cheapest way that there is for it; whether it was taken.
    fn send_with_headers(&self, event: &'static [u8]) -> bool {
        use sys::rd_kafka_vtype_t::*;
        let message = message(event, self.partitions);
        let memory =
            |pointer, size| sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 { ptr: pointer, size };
        // SAFETY: the topic and the arguments are valid for the calls, payloads are never freed, and headers that weren't taken are ours.
        unsafe {
            let headers = sys::rd_kafka_headers_new(2);
            for (name, value) in [("sent-by", "bench"), ("kind", "impression")] {
                let (name, value) = (name.as_bytes(), value.as_bytes());
                let (to, size) = (name.as_ptr().cast(), name.len() as isize);
                let _: RDKafkaRespErr = sys::rd_kafka_header_add(
                    headers,
                    to,
                    size,
                    value.as_ptr().cast(),
                    value.len() as isize,
                );
            }
            let arguments = [
                argument(RD_KAFKA_VTYPE_RKT, |u| u.rkt = self.topic),
                argument(RD_KAFKA_VTYPE_PARTITION, |u| u.i32_ = message.partition),
                argument(RD_KAFKA_VTYPE_VALUE, |u| {
                    u.mem = memory(message.payload, message.len);
                }),
                argument(RD_KAFKA_VTYPE_KEY, |u| {
                    u.mem = memory(message.key, message.key_len)
                }),
                argument(RD_KAFKA_VTYPE_TIMESTAMP, |u| u.i64_ = time_of(event)),
                argument(RD_KAFKA_VTYPE_HEADERS, |u| u.headers = headers),
            ];
            let client = self.client.native_ptr();
            let error = sys::rd_kafka_produceva(client, arguments.as_ptr(), arguments.len());
            if error.is_null() {
                return true;
            }
            sys::rd_kafka_error_destroy(error);
            sys::rd_kafka_headers_destroy(headers);
            false
        }
    }
}

/// As the events' times are written.
const TIME: &[u8] = b"\"time\":";

fn time_of(event: &[u8]) -> i64 {
    let at = memchr::memmem::find(event, TIME).expect("an event with a time") + TIME.len();
    let digits = event[at..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |ms, digit| ms * 10 + i64::from(digit - b'0'))
}

fn argument(
    kind: sys::rd_kafka_vtype_t,
    set: impl FnOnce(&mut sys::rd_kafka_vu_s__bindgen_ty_1),
) -> sys::rd_kafka_vu_t {
    let mut value = sys::rd_kafka_vu_s__bindgen_ty_1 { _pad: [0; 64] };
    set(&mut value);
    sys::rd_kafka_vu_t {
        vtype: kind,
        u: value,
    }
}

fn events(skewed: bool) -> Vec<&'static [u8]> {
    let mut numbers = Numbers::new(11);
    let mut bytes = Vec::new();
    for id in 0..EVENTS as u64 {
        let user = numbers.user(skewed);
        support::event(&mut numbers, id, user, &mut bytes);
    }
    // Never freed: librdkafka reads payloads until their acknowledgement.
    let bytes: &'static [u8] = bytes.leak();
    bytes.chunks_exact(support::EVENT_BYTES).collect()
}

/// Produces `rate` events per second, holding at most `queue`, and says what came of it. Several topics take turns.
pub(crate) fn run(target: &Target, pace: &Pace, rate: f64, queue: Option<u32>) {
    let counts = Arc::<Counts>::default();
    let topics = target.topic.split(',');
    let producers: Vec<_> = topics
        .map(|topic| Producer::new(target, topic, queue))
        .collect();
    for producer in &producers {
        poll(Arc::clone(&producer.client), Arc::clone(&counts));
    }
    let events = events(pace.skewed);
    // The first acknowledgement takes half a second, because the producer acquires its id.
    let firsts = producers.iter().map(|it| it.send(&events, 0, 1) as u64);
    let mut sent = firsts.sum();
    while counts.acked.load(Acquire) < sent {
        std::thread::sleep(Duration::from_millis(1));
    }
    let begun = Instant::now();
    let mut turns = producers.iter().cycle();
    let mut paced = |until: Instant| {
        while Instant::now() < until {
            let due = (begun.elapsed().as_secs_f64() * rate) as u64;
            while sent < due {
                let count = BATCH.min((due - sent) as usize);
                let producer = turns.next().expect("at least one");
                let taken = producer.send(&events, sent, count);
                sent += taken as u64;
                if taken < count {
                    break;
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    paced(begun + pace.warm_up);
    say("begin");
    let (from, before) = (Instant::now(), counts.acked.load(Acquire));
    counts.in_window.store(true, Release);
    paced(from + pace.window);
    counts.in_window.store(false, Release);
    let acked = counts.acked.load(Acquire) - before;
    say(&format!("end {acked} {:.6}", from.elapsed().as_secs_f64()));
    let latencies = std::mem::take(&mut *counts.latencies_us.lock().expect("no panic"));
    let (p50, p99) = percentiles_ms(latencies);
    say(&format!("latency {p50:.3} {p99:.3}"));
    while counts.acked.load(Acquire) + counts.failed.load(Acquire) < sent {
        std::thread::sleep(Duration::from_millis(5));
    }
    say(&format!(
        "done {} {}",
        counts.acked.load(Acquire),
        counts.failed.load(Acquire)
    ));
}

fn message(event: &'static [u8], partitions: usize) -> sys::rd_kafka_message_t {
    let key = &event[support::KEY];
    sys::rd_kafka_message_t {
        err: RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
        rkt: null_mut(),
        partition: partition_of(key, partitions) as i32,
        payload: event.as_ptr().cast_mut().cast(),
        len: event.len(),
        key: key.as_ptr().cast_mut().cast(),
        key_len: key.len(),
        offset: 0,
        _private: null_mut(),
    }
}

/// Reads acknowledgements in a thread that ends with the process.
fn poll(client: Arc<Client<DefaultClientContext>>, counts: Arc<Counts>) {
    std::thread::spawn(move || {
        // SAFETY: the client is valid for as long as the thread runs, and each event until it's destroyed.
        unsafe {
            let queue = sys::rd_kafka_queue_get_main(client.native_ptr());
            let mut seen = 0_u64;
            loop {
                let event = sys::rd_kafka_queue_poll(queue, 100);
                if event.is_null() {
                    continue;
                }
                let (mut acked, mut failed) = (0, 0);
                let mut sampled = Vec::new();
                while let Some(message) = sys::rd_kafka_event_message_next(event).as_ref() {
                    if message.err == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                        seen += 1;
                        if seen.is_multiple_of(SAMPLED) {
                            let micros = sys::rd_kafka_message_latency(message);
                            sampled.push(u32::try_from(micros).unwrap_or(u32::MAX));
                        }
                        acked += 1;
                    } else {
                        failed += 1;
                    }
                }
                sys::rd_kafka_event_destroy(event);
                if counts.in_window.load(Acquire) {
                    let mut latencies = counts.latencies_us.lock().expect("no panic");
                    latencies.append(&mut sampled);
                }
                counts.failed.fetch_add(failed, AcqRel);
                counts.acked.fetch_add(acked, AcqRel);
            }
        }
    });
}
