//! What a client reports, read from librdkafka's event queue.

use std::ffi::{CStr, c_char};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::RDKafkaRespErr;

use crate::receipt::Parcel;

/// Something that a client reports.
#[derive(Debug)]
pub enum Report<'a> {
    /// Kafka acknowledged `count` more events of a parcel.
    Acked {
        /// The parcel.
        parcel: &'a Arc<Parcel>,
        /// How many more.
        count: u32,
    },
    /// So long after the client had got them, the acknowledgement of a batch was read; by its first event.
    AckTook(Duration),
    /// The event at `position` of a parcel was not delivered.
    Failed {
        /// The parcel.
        parcel: &'a Arc<Parcel>,
        /// Position of the event in the parcel.
        position: u32,
        /// Why.
        code: RDKafkaErrorCode,
    },
    /// The client noticed an error of its own; for information, unless it is fatal.
    Trouble {
        /// What kind.
        code: RDKafkaErrorCode,
        /// After a fatal error the client does nothing any more and has to be replaced.
        fatal: bool,
        /// librdkafka's words.
        text: &'a str,
    },
    /// A line of librdkafka's log, with its syslog level.
    Log {
        /// 3 error, 4 warning, 5 notice, 6 information, 7 debug.
        level: i32,
        /// librdkafka's short name for the kind of line.
        facility: &'a str,
        /// librdkafka's words.
        text: &'a str,
    },
}

/// Reports the messages of one delivery event, consecutive ones of a parcel together.
///
/// # Safety
/// `event` must be a valid delivery event.
pub(super) unsafe fn deliveries(
    event: *mut sys::rd_kafka_event_t,
    on: &mut impl FnMut(Report<'_>),
) {
    let mut run: Option<(Arc<Parcel>, u32)> = None;
    let mut took = None;
    loop {
        // SAFETY: the event is valid; the message lives until the next call.
        let message = unsafe { sys::rd_kafka_event_message_next(event).as_ref() };
        let Some(message) = message else { break };
        let opaque = message._private.cast_const().cast::<Parcel>();
        if message.err == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            if let Some((parcel, count)) = &mut run
                && Arc::as_ptr(parcel) == opaque
            {
                *count += 1;
                // SAFETY: each message owns one count of its parcel; this one's ends here, and the run keeps its own.
                unsafe { Arc::decrement_strong_count(opaque) };
                continue;
            }
            took = took.or_else(|| {
                // SAFETY: the message is valid.
                let micros = unsafe { sys::rd_kafka_message_latency(message) };
                u64::try_from(micros).ok().map(Duration::from_micros)
            });
            // SAFETY: as above; the run takes the count over.
            let parcel = unsafe { Arc::from_raw(opaque) };
            if let Some((parcel, count)) = run.replace((parcel, 1)) {
                on(Report::Acked {
                    parcel: &parcel,
                    count,
                });
            }
        } else {
            if let Some((parcel, count)) = run.take() {
                on(Report::Acked {
                    parcel: &parcel,
                    count,
                });
            }
            // SAFETY: as above.
            let parcel = unsafe { Arc::from_raw(opaque) };
            let position = position_of(&parcel, message.payload.cast());
            on(Report::Failed {
                parcel: &parcel,
                position,
                code: message.err.into(),
            });
        }
    }
    if let Some((parcel, count)) = run {
        on(Report::Acked {
            parcel: &parcel,
            count,
        });
    }
    if let Some(took) = took {
        on(Report::AckTook(took));
    }
}

/// Which event of the parcel begins at `payload`. Events don't overlap, so there is only one; empty ones are alone.
pub(super) fn position_of(parcel: &Parcel, payload: *const u8) -> u32 {
    let body = parcel.request().body();
    let found = parcel
        .events()
        .iter()
        .position(|event| event.value(body).as_ptr() == payload);
    found.unwrap_or(0) as u32
}

/// # Safety
/// `words` must be null or a C string that outlives the result.
pub(super) unsafe fn text<'a>(words: *const c_char) -> &'a str {
    if words.is_null() {
        return "";
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(words) }
        .to_str()
        .unwrap_or("(not utf-8)")
}
