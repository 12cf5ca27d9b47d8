//! Settings of one stream: where its events go and how they are keyed.

use serde::{Deserialize, Serialize};

pub use super::privacy::Addresses;
use crate::rate;

/// `[streams.NAME]`: a named flow of events with an owner.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name of the cluster (`[clusters.NAME]`) that the stream's topic is in. Required.
    pub cluster: String,
    /// The team that the stream belongs to (`[owners.NAME]`). Default: its cluster's owner.
    #[serde(default)]
    pub owner: Option<String>,
    /// The Kafka topic. Default: the stream's name.
    #[serde(default)]
    pub topic: Option<String>,
    /// What a body holds. Default `json`.
    #[serde(default)]
    pub format: Format,
    /// Where the key is: a JSON pointer into the event (`/device/id`), `header:NAME`, or `path`
    /// (`POST /v1/events/STREAM/KEY`). Default: none; events without a key go to one partition after another, batch by batch.
    #[serde(default)]
    pub key: Option<String>,
    /// What becomes of an event in which the key can't be found or is `null`. Default `reject`.
    #[serde(default)]
    pub on_missing_key: OnMissingKey,
    /// JSON pointer of the event's own unique id. Default: none; then, and for events that lack it, the record gets a
    /// header `event-id` with a UUIDv7, at some CPU cost.
    #[serde(default)]
    pub id: Option<String>,
    /// Events per second that the stream may bring, with one second's worth at once; more is a 429. Default 0: no quota. A short
    /// way to say `rate.events`.
    #[serde(default)]
    pub quota: u32,
    /// Events and bytes per second that the stream may bring, each with a burst; more is a 429. Default: no limit.
    #[serde(default)]
    pub rate: rate::Settings,
    /// What a 2xx means. Default `durable`.
    #[serde(default)]
    pub ack: Ack,
    /// What goes first when a reload gives the stream another topic or cluster, or when a directory that was adopted has events of it. Default
    /// `first`.
    #[serde(default)]
    pub drain: Drain,
    /// The ways in which keys of sources are shown. Default: those of `http.auth`. An empty list means that anybody may send.
    #[serde(default)]
    pub auth: Option<Vec<String>>,
    /// What pages of other origins are told, by its name in `[cors.NAME]`. Default: `http.cors`.
    #[serde(default)]
    pub cors: Option<String>,
    /// How the addresses of clients are shown in records and logs. Default `full`.
    #[serde(default)]
    pub addresses: Addresses,
    /// The key of hashed addresses. Default: none.
    #[serde(default)]
    pub address_key: Option<String>,
    /// Request headers whose values don't become record headers and aren't logged, whatever else says that they do. Default: none.
    #[serde(default)]
    pub drop_headers: Vec<String>,
    /// Nothing more is to come: new events get a 410, so that their senders stop, and what was taken drains. Default false.
    #[serde(default)]
    pub gone: bool,
}

impl Settings {
    /// A stream of this cluster, with the defaults.
    pub fn new(cluster: &str) -> Settings {
        Settings {
            cluster: cluster.into(),
            owner: None,
            topic: None,
            format: Format::default(),
            key: None,
            on_missing_key: OnMissingKey::default(),
            id: None,
            quota: 0,
            rate: rate::Settings::default(),
            ack: Ack::default(),
            drain: Drain::default(),
            gone: false,
            auth: None,
            cors: None,
            addresses: Addresses::default(),
            address_key: None,
            drop_headers: Vec::new(),
        }
    }

    /// What the stream may bring.
    pub fn rate(&self) -> rate::Settings {
        if self.quota == 0 {
            return self.rate;
        }
        rate::Settings {
            events: self.quota,
            ..self.rate
        }
    }
}

/// What a body of a stream holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object, an array of objects, or NDJSON (by `Content-Type: application/x-ndjson`).
    #[default]
    Json,
    /// One opaque event per body; its key can only come from a header or the path.
    Raw,
}

/// What becomes of an event whose key is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnMissingKey {
    /// It is refused as `key_missing`: without its key it would land on the wrong partition, out of order, unnoticed.
    #[default]
    Reject,
    /// It is taken as an event without a key.
    Null,
}

/// What goes first when a stream gets another topic or cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Drain {
    /// What was taken before, so that the events of a key stay in order across the move. New events wait in the spill log until it's
    /// in Kafka, however long the former cluster is dead. Without a log they wait in memory, for `http.answer_within` at most.
    #[default]
    First,
    /// Nothing: new events go to the new topic at once, and those before to the former one when it takes them. For streams whose
    /// order doesn't matter, and for a former cluster that is gone for good.
    Beside,
}

/// When a client hears 2xx.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ack {
    /// When the event is safe: Kafka acknowledged it with acks=all, or it is fsynced in the spill log because Kafka is slow
    /// or away.
    #[default]
    Durable,
    /// After fsync in the spill log, always; from there it goes to Kafka. Needs `spill.dir`. Answers are as fast as the
    /// disk, however far away Kafka is. While the log takes nothing, Kafka's acknowledgement is waited for instead.
    Disk,
    /// When it's in memory: `queued`. A kill, a crash or a full disk in an outage loses it. For events that may be lost.
    Memory,
}
