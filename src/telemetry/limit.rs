//! Keeps a talkative source from filling the log: some lines get through, the rest is counted.

use std::time::{Duration, Instant};

/// librdkafka writes a line per broker and attempt; this lets some through and counts the rest.
#[derive(Debug)]
pub struct LogLimit {
    cluster: String,
    written: u32,
    suppressed: u64,
    since: Instant,
}

impl LogLimit {
    const PER_PERIOD: u32 = 5;
    const PERIOD: Duration = Duration::from_secs(10);

    /// For the lines about one cluster.
    pub fn new(cluster: &str) -> LogLimit {
        LogLimit {
            cluster: cluster.into(),
            written: 0,
            suppressed: 0,
            since: Instant::now(),
        }
    }

    /// Writes a line of librdkafka with its syslog level, or counts it.
    pub fn write(&mut self, level: i32, text: &str) {
        if self.written >= Self::PER_PERIOD {
            self.suppressed += 1;
            return;
        }
        self.written += 1;
        match level {
            ..=3 => tracing::warn!(cluster = self.cluster, "librdkafka: {text}"),
            4 | 5 => tracing::info!(cluster = self.cluster, "librdkafka: {text}"),
            _ => tracing::debug!(cluster = self.cluster, "librdkafka: {text}"),
        }
    }

    /// Once per period, says how many lines were held back.
    pub fn report_suppressed(&mut self, now: Instant) {
        if now.duration_since(self.since) < Self::PERIOD {
            return;
        }
        if self.suppressed > 0 {
            tracing::info!(
                cluster = self.cluster,
                lines = self.suppressed,
                "librdkafka logged more lines like these"
            );
        }
        (self.written, self.suppressed, self.since) = (0, 0, now);
    }
}
