//! What is counted per stream, beside the ledger of its events. Updated once per request.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::durations::Durations;

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Answer {
    /// 200: everything is durable.
    Ok = 0,
    /// 207: everything valid is durable.
    Partly = 1,
    /// 4xx: the client's fault.
    Client = 2,
    /// 503: ours.
    Unavailable = 3,
}

impl Answer {
    /// All of them, in order.
    pub const ALL: [Answer; 4] = [
        Answer::Ok,
        Answer::Partly,
        Answer::Client,
        Answer::Unavailable,
    ];

    /// The word on metrics and in status.
    pub fn as_str(self) -> &'static str {
        match self {
            Answer::Ok => "ok",
            Answer::Partly => "partly",
            Answer::Client => "client_error",
            Answer::Unavailable => "unavailable",
        }
    }
}

/// Counters of one stream.
#[derive(Debug, Default)]
pub struct StreamMetrics {
    answers: [AtomicU64; Answer::ALL.len()],
    /// Events refused because they can never be accepted.
    pub rejected: AtomicU64,
    /// Requests refused for want of room, or because nothing acknowledged them in time, though nothing is wrong with the topic.
    pub turned_away: AtomicU64,
    /// Bytes of bodies as they were sent.
    pub body_bytes: AtomicU64,
    /// From a request's head to its answer.
    pub latency: Durations,
}

impl StreamMetrics {
    /// Notes an answer, and how long it took since the request's head arrived.
    pub fn answered(&self, answer: Answer, took: Duration) {
        self.answers[answer as usize].fetch_add(1, Relaxed);
        self.latency.add(took);
    }

    /// Notes events that can never be accepted.
    pub fn add_rejected(&self, events: u32) {
        self.rejected.fetch_add(events.into(), Relaxed);
    }

    /// Notes a request that was turned away though nothing is wrong with the topic.
    pub fn add_turned_away(&self) {
        self.turned_away.fetch_add(1, Relaxed);
    }

    /// Notes a body of so many bytes.
    pub fn add_body_bytes(&self, bytes: u64) {
        self.body_bytes.fetch_add(bytes, Relaxed);
    }

    /// Requests answered so.
    pub fn answers(&self, answer: Answer) -> u64 {
        self.answers[answer as usize].load(Relaxed)
    }
}
