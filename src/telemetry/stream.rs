//! What is counted per stream, beside the ledger of its events. Updated once per request.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

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

/// Upper bounds of the latency buckets, in microseconds.
pub const BUCKETS_US: [u64; 14] = [
    500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000,
    2_000_000, 5_000_000, 10_000_000,
];

/// Counters of one stream.
#[derive(Debug, Default)]
pub struct StreamMetrics {
    answers: [AtomicU64; Answer::ALL.len()],
    /// Events refused because they can never be accepted.
    pub rejected: AtomicU64,
    /// Bytes of bodies as they were sent.
    pub body_bytes: AtomicU64,
    latency: [AtomicU64; BUCKETS_US.len() + 1],
    latency_us: AtomicU64,
}

impl StreamMetrics {
    /// Notes an answer, and how long it took since the request's head arrived.
    pub fn answered(&self, answer: Answer, took: Duration) {
        let us = took.as_micros() as u64;
        self.answers[answer as usize].fetch_add(1, Relaxed);
        let bucket = BUCKETS_US.partition_point(|bound| *bound < us);
        self.latency[bucket].fetch_add(1, Relaxed);
        self.latency_us.fetch_add(us, Relaxed);
    }

    /// Requests answered so.
    pub fn answers(&self, answer: Answer) -> u64 {
        self.answers[answer as usize].load(Relaxed)
    }

    /// Requests per latency bucket, not cumulative; the last one has no upper bound.
    pub fn latency(&self) -> [u64; BUCKETS_US.len() + 1] {
        std::array::from_fn(|bucket| self.latency[bucket].load(Relaxed))
    }

    /// Sum of all latencies in microseconds.
    pub fn latency_us(&self) -> u64 {
        self.latency_us.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_counts_in_the_first_bucket_that_holds_it() {
        let metrics = StreamMetrics::default();
        for us in [1, 500, 501, 9_999_999, 10_000_001] {
            metrics.answered(Answer::Ok, Duration::from_micros(us));
        }
        let latency = metrics.latency();
        assert_eq!(
            (latency[0], latency[1], latency[13], latency[14]),
            (2, 1, 1, 1)
        );
        assert_eq!(metrics.answers(Answer::Ok), 5);
    }
}
