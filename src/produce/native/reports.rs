//! What a client reports, read from librdkafka's event queue.

use std::ffi::{CStr, c_char};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::RDKafkaRespErr;

use super::firsts::Firsts;
use super::lost::Lost;
use super::opaque;
use crate::produce::Messages;
use crate::produce::topic_limits::batch_bytes;
use crate::produce::verdict::is_before_storing;

/// Something that a client reports.
#[derive(Debug)]
pub enum Report<'a, G> {
    /// Kafka acknowledged `count` more messages of a group.
    Acked {
        /// The group.
        group: &'a Arc<G>,
        /// How many more.
        count: u32,
    },
    /// So long after the client had got them, the acknowledgement of a batch was read; by its first message.
    AckTook(Duration),
    /// The message at `position` of a group was not delivered.
    Failed {
        /// The group.
        group: &'a Arc<G>,
        /// Position of the message in the group.
        position: u32,
        /// Why, and what else is known of it.
        failure: Failure,
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

/// What is known of a message that wasn't delivered.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// Why.
    pub code: RDKafkaErrorCode,
    /// Kafka told it apart from the others of its batch: the fault is its own.
    pub is_named: bool,
    /// Kafka has certainly not stored it, now or at an earlier try.
    pub is_unstored: bool,
    /// What it was sent with, itself among it: the size of the batch that failed, as
    /// [`crate::produce::topic_limits::batch_bytes`] counts.
    pub batch_bytes: u64,
}

/// Reports the messages of one delivery event, consecutive ones of a group together.
///
/// # Safety
/// `event` must be a valid delivery event of a client whose messages are of groups of this type.
pub(super) unsafe fn deliveries<G: Messages>(
    event: *mut sys::rd_kafka_event_t,
    lost: &Lost,
    firsts: &mut Firsts,
    on: &mut impl FnMut(Report<'_, G>),
) {
    let mut run: Option<(Arc<G>, u32)> = None;
    let mut took = None;
    loop {
        // SAFETY: the event is valid; the message lives as long.
        let message = unsafe { sys::rd_kafka_event_message_next(event).as_ref() };
        let Some(message) = message else { break };
        if message.err != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            acked(run.take(), on);
            // SAFETY: as above.
            unsafe { failures(event, message, lost, firsts, on) };
            break;
        }
        if let Some((group, count)) = &mut run
            && opaque::is_of(message._private, group)
        {
            *count += 1;
            // SAFETY: each message owns one count of its group; this one's ends here, and the run keeps its own.
            unsafe { Arc::decrement_strong_count(Arc::as_ptr(group)) };
            continue;
        }
        if took.is_none() {
            firsts.acked((message.rkt.addr(), message.partition));
        }
        took = took.or_else(|| {
            // SAFETY: the message is valid.
            let micros = unsafe { sys::rd_kafka_message_latency(message) };
            u64::try_from(micros).ok().map(Duration::from_micros)
        });
        // SAFETY: as above; the run takes the count over.
        let (group, _) = unsafe { opaque::take(message._private) };
        acked(run.replace((group, 1)), on);
    }
    acked(run, on);
    if let Some(took) = took {
        on(Report::AckTook(took));
    }
}

fn acked<G>(run: Option<(Arc<G>, u32)>, on: &mut impl FnMut(Report<'_, G>)) {
    if let Some((group, count)) = run {
        let group = &group;
        on(Report::Acked { group, count });
    }
}

/// Reports what is left of a delivery event, from a message on that wasn't delivered. Kafka may have told the guilty ones of a batch
/// apart from the others, which is known only when all were seen.
///
/// # Safety
/// `event` must be as for [`deliveries`], and `first` its last message that was taken.
unsafe fn failures<G: Messages>(
    event: *mut sys::rd_kafka_event_t,
    first: &sys::rd_kafka_message_t,
    lost: &Lost,
    firsts: &mut Firsts,
    on: &mut impl FnMut(Report<'_, G>),
) {
    use RDKafkaRespErr::*;
    // SAFETY: the event and its messages live longer than this function.
    let next = || unsafe { sys::rd_kafka_event_message_next(event).as_ref() };
    let messages: Vec<_> = std::iter::once(first)
        .chain(std::iter::from_fn(next))
        .collect();
    let other = RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD;
    let names = messages.iter().any(|message| message.err == other);
    let owned = messages.iter().map(|message| {
        // SAFETY: each message owns one count of its group.
        let (group, position) = unsafe { opaque::take::<G>(message._private) };
        let at = || opaque::position_of(&*group, message.payload.cast());
        let position = position.unwrap_or_else(at);
        (*message, group, position)
    });
    let owned: Vec<_> = owned.collect();
    let of_headers = |group: &G, position| {
        let headers = group.headers(position);
        let lengths = headers.map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len));
        lengths.sum::<usize>()
    };
    let bytes = owned.iter().map(|(message, group, position)| {
        (message.len + message.key_len + of_headers(group, *position)) as u64
    });
    let batch_bytes = batch_bytes(owned.len() as u32, bytes.sum());
    for (message, group, position) in owned {
        if message.err == RD_KAFKA_RESP_ERR_NO_ERROR {
            acked(Some((group, 1)), on);
            continue;
        }
        firsts.failed((message.rkt.addr(), message.partition));
        let failure = Failure {
            code: message.err.into(),
            is_named: names && message.err != other,
            // SAFETY: the message is valid.
            is_unstored: unsafe { is_unstored(message, lost) },
            batch_bytes,
        };
        on(Report::Failed {
            failure,
            position,
            group: &group,
        });
    }
}

/// Whether Kafka has certainly not stored a message. librdkafka's word alone doesn't do: see [`super::lost`].
///
/// # Safety
/// The message must be valid.
unsafe fn is_unstored(message: &sys::rd_kafka_message_t, lost: &Lost) -> bool {
    // SAFETY: the caller's promise.
    let (status, broker, micros) = unsafe {
        (
            sys::rd_kafka_message_status(message),
            sys::rd_kafka_message_broker_id(message),
            sys::rd_kafka_message_latency(message),
        )
    };
    let Ok(ago) = u64::try_from(micros).map(Duration::from_micros) else {
        return false;
    };
    let is_purged = message.err == RDKafkaRespErr::RD_KAFKA_RESP_ERR__PURGE_QUEUE;
    let was_requested = broker >= 0;
    status == sys::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED
        && is_before_storing(message.err.into())
        && !(is_purged && was_requested && lost.closed.is_since(ago))
        && !lost.left.is_since(ago)
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

#[cfg(test)]
mod tests;
