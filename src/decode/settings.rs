//! How much a request may hold: the `[decode]` part of the configuration.
//!
//! Promises that [`Limits`] has only values that the decoder can keep to. Knows nothing
//! of where the configuration comes from; no I/O.

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

/// The deepest nesting that can be followed: one bit of a `u128` for each container.
pub(super) const DEEPEST: u16 = 128;

/// The limits as they are written in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How many events one request may hold, the rejected ones included.
    pub max_events: u32,
    /// How large one event may be, as sent, and together with its key.
    ///
    /// The default, 900 KiB (921 600 bytes), stays below the 1 000 000 bytes that a Kafka
    /// producer allows for a message by default: what is left is for the headers and the framing
    /// of the record. A larger event would be taken from the client only
    /// to be refused behind its back.
    pub max_event: ByteSize,
    /// How deep objects and arrays may be nested, the event itself being the first; 128
    /// at most.
    pub max_depth: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_events: 10_000,
            max_event: ByteSize::kib(900),
            max_depth: 32,
        }
    }
}

/// [`Settings`] that have been checked, as plain numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub(super) max_events: u32,
    pub(super) max_event: u32,
    pub(super) max_depth: u16,
}

/// Why settings can't be kept to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No request could ever be taken.
    #[error("max_events is 0, which refuses every request; set it to 1 or more")]
    NoEvents,
    /// Offsets into a body have 32 bits.
    #[error("max_event is {0} bytes; set it to between 2 and 4294967295 bytes")]
    EventSize(u64),
    /// Each level takes one of 128 bits.
    #[error("max_depth is {0}; set it to between 1 and {DEEPEST}")]
    Depth(u16),
}

impl Limits {
    /// How many bytes one event may have, its key included.
    #[must_use]
    pub fn max_event(&self) -> u32 {
        self.max_event
    }
}

impl Settings {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// If one of them is out of the range that the decoder can keep to.
    pub fn limits(&self) -> Result<Limits, SettingsError> {
        if self.max_events == 0 {
            return Err(SettingsError::NoEvents);
        }
        let bytes = self.max_event.as_u64();
        let max_event = match u32::try_from(bytes) {
            Ok(max_event) if max_event >= 2 => max_event,
            _ => return Err(SettingsError::EventSize(bytes)),
        };
        if !(1..=DEEPEST).contains(&self.max_depth) {
            return Err(SettingsError::Depth(self.max_depth));
        }
        Ok(Limits {
            max_events: self.max_events,
            max_event,
            max_depth: self.max_depth,
        })
    }
}
