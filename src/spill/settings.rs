//! Settings of the spill log: where it lives and how much it may use.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

/// `[spill]`: the durable log on disk that takes events while Kafka can't.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Directory of the log, changed by a restart only; it belongs to one process. Default: empty, which means
    /// that there is no log, and an outage of Kafka is a 503. It must be on a disk that survives a
    /// restart of the container or the machine, else nothing in it is durable.
    pub dir: PathBuf,
    /// Bytes of disk that the log may use, preallocated files included. Default 50 GiB: about 100 million events of
    /// 400 bytes. At the limit new events are refused with 503; nothing stored is touched.
    pub quota: ByteSize,
    /// Bytes that the log leaves free on its file system, whatever the quota says. Default 1 GiB, so that logs and other
    /// programs on the machine survive a full spill.
    pub min_free: ByteSize,
    /// Size of one segment file, changed by a restart only. Default 64 MiB: space is given back in whole segments, and two idle
    /// ones are kept. The events that one request has for one partition must fit into a quarter of a segment. Larger ones mean fewer files, and more space that one slow lane holds.
    pub segment: ByteSize,
    /// Bytes of events that may wait for the disk in memory, beside the memory budget. Default 32 MiB. From there on the log
    /// answers "busy" at once, and lanes wait with theirs; at 500 MB/s this is a sixteenth of a second of writing. The last append that
    /// is taken may go beyond it, by a quarter of a segment at most: else a large one would wait for good beside small ones.
    pub queue: ByteSize,
    /// How long one write may take before the disk counts as hung and new events are refused at once. Default 2 s: a
    /// healthy disk answers in milliseconds, and clients are answered within 5 s.
    #[serde(with = "humantime_serde")]
    pub stalled_after: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            dir: PathBuf::new(),
            quota: ByteSize::gib(50),
            min_free: ByteSize::gib(1),
            segment: ByteSize::mib(64),
            queue: ByteSize::mib(32),
            stalled_after: Duration::from_secs(2),
        }
    }
}

impl Settings {
    /// Smallest and largest segment.
    const SEGMENT: std::ops::RangeInclusive<u64> = 64 << 10..=1 << 30;

    /// The size of a segment in bytes, within its bounds and in whole pages.
    pub(super) fn segment_bytes(&self) -> u64 {
        let asked = self.segment.as_u64();
        let bytes = asked.clamp(*Self::SEGMENT.start(), *Self::SEGMENT.end());
        bytes - bytes % super::frame::PAGE as u64
    }
}
