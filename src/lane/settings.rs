//! Settings of the lanes: how much may wait, and when a batch leaves.

use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

/// `[lane]`: bounds and pace of every lane (one lane per partition of a stream).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Bytes of events that may wait in one lane. Default 32 MiB. Memory as a whole is bounded by `memory.budget`;
    /// this keeps one hot partition from taking its stream's share alone.
    pub max_bytes: ByteSize,
    /// Events that may wait in one lane. Default 100,000: each costs some hundred bytes beside its own.
    pub max_events: u32,
    /// Shortest time between two batches of one lane. Default 5 ms. A lane that rested longer sends at once, so this delays
    /// nothing at low load; under load it makes batches of what would be many small requests, each of which costs 16 to
    /// 40 µs of CPU here and as much at the broker. While more than 16 lanes of a cluster wait for acknowledgements of four events
    /// and more each, the others wait with them, for a fifth of `spill_after` at most, and then twice `linger` while clients go on
    /// sending (see [`super::wave`]).
    #[serde(with = "humantime_serde")]
    pub linger: Duration,
    /// A batch of this size leaves without waiting. Default 256 KiB.
    pub batch: ByteSize,
    /// A lane whose oldest event has waited this long for Kafka goes to the spill log, if there is one. Default 500 ms:
    /// longer than a healthy Kafka takes, and short for a client.
    #[serde(with = "humantime_serde")]
    pub spill_after: Duration,
    /// Without a spill log: a lane whose oldest event has waited this long for Kafka refuses new ones at once instead of letting each
    /// client wait. Default 3 s.
    #[serde(with = "humantime_serde")]
    pub stalled_after: Duration,
    /// How long a lane waits after Kafka took nothing of it, because its topic is missing or denied or for another reason that may
    /// pass, before it tries again with a small batch. Default 200 ms: soon for a fault of a moment. It's doubled with each
    /// further time up to `longest_pause`, and varies by a quarter so that lanes don't try together.
    #[serde(with = "humantime_serde")]
    pub pause: Duration,
    /// The longest such pause, and so how long after it was mended a topic may still wait. Default 10 s: a try costs a round trip
    /// and a line in the broker's log.
    #[serde(with = "humantime_serde")]
    pub longest_pause: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            max_bytes: ByteSize::mib(32),
            max_events: 100_000,
            linger: Duration::from_millis(5),
            batch: ByteSize::kib(256),
            spill_after: Duration::from_millis(500),
            stalled_after: Duration::from_secs(3),
            pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(10),
        }
    }
}
