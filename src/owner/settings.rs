//! How an owner is configured.

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

use crate::rate;

/// `[owners.NAME]`: a team, and its shares of what all have together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Who is to be told: an address, a channel. Shown on metrics, in the status and in the log. Default: none.
    pub contact: String,
    /// A link to what is to be done when something of the owner's is wrong. Shown beside the contact. Default: none.
    pub runbook: String,
    /// Bytes of `memory.budget` that the events of the owner's streams may hold together; more is a 503. Default 0: their fair part.
    pub memory: ByteSize,
    /// Bytes of events that may wait in the spill log for the owner's streams together, dead letters among them; more is a 503.
    /// Default 0: as many as `spill.quota` lets.
    pub spill: ByteSize,
    /// Events and bytes per second that the owner's streams may bring together; more is a 429. Default: no limit.
    pub rate: rate::Settings,
}
