//! How a rate is configured.

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

use super::bucket::Rate;

/// Most bytes per second that a rate may have: more is no limit.
const BYTES_MAX: ByteSize = ByteSize::tib(1);

/// The longest that a burst may be ahead of its rate, in seconds.
const BURST_MAX: u64 = 3_600;

/// `rate`: events and bytes per second, each with a burst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Events per second. Default 0: as many as may come.
    pub events: u32,
    /// Events that may come at once, when none came for a while. Default 0: one second's worth.
    pub events_burst: u32,
    /// Bytes of events per second, with their keys, uncompressed. Default 0: as many as may come.
    pub bytes: ByteSize,
    /// Bytes that may come at once, when none came for a while. Default 0: one second's worth.
    pub bytes_burst: ByteSize,
}

impl Settings {
    /// So many events per second, with one second's worth at once.
    pub fn of_events(events: u32) -> Settings {
        Settings {
            events,
            ..Settings::default()
        }
    }

    /// Whether anything may come.
    pub fn is_none(&self) -> bool {
        self.events == 0 && self.bytes.0 == 0
    }

    pub(super) fn events(&self) -> Option<Rate> {
        rate(self.events.into(), self.events_burst.into())
    }

    pub(super) fn bytes(&self) -> Option<Rate> {
        rate(self.bytes.0, self.bytes_burst.0)
    }

    /// What is wrong with it, by field.
    pub fn check(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let both = [
            (
                "events_burst",
                "events",
                self.events.into(),
                u64::from(self.events_burst),
            ),
            ("bytes_burst", "bytes", self.bytes.0, self.bytes_burst.0),
        ];
        for (field, rate, per_second, burst) in both {
            if burst > 0 && per_second == 0 {
                wrong.push((
                    field,
                    format!("there is no rate for it; set {rate} as well"),
                ));
            } else if burst > per_second.saturating_mul(BURST_MAX) {
                let what = format!(
                    "{burst} is more than an hour's worth of {rate}, {per_second}; lower it"
                );
                wrong.push((field, what));
            }
        }
        if self.bytes > BYTES_MAX {
            wrong.push((
                "bytes",
                "more than 1 TiB is no limit; lower it, or give 0".into(),
            ));
        }
        wrong
    }
}

fn rate(per_second: u64, burst: u64) -> Option<Rate> {
    let burst = if burst == 0 { per_second } else { burst };
    (per_second > 0).then_some(Rate { per_second, burst })
}
