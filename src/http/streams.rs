//! The streams as the data port sees them: by name, with all that a request for one needs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::budget::Account;
use crate::decode::{Pointer, Wanted};
use crate::lane::{Cluster, Topic};
use crate::receipt::Ledger;
use crate::route::{self, Ack, Format, KeySource, OnMissingKey, Quota, Sticky};
use crate::telemetry::StreamMetrics;

/// A stream, wired to its cluster.
#[derive(Debug)]
pub struct Stream {
    /// The name in the path and the configuration.
    pub name: String,
    /// What its bodies hold.
    pub format: Format,
    /// Where its key is.
    pub key: KeySource,
    /// What becomes of events without the key.
    pub on_missing_key: OnMissingKey,
    /// What the decoder shall look for.
    pub wanted: Wanted,
    /// The turn of events without a key.
    pub sticky: Sticky,
    /// What it may bring.
    pub quota: Quota,
    /// What a 2xx means.
    pub ack: Ack,
    /// Its cluster.
    pub cluster: Arc<Cluster>,
    /// Its topic there, with its lanes.
    pub topic: Arc<Topic>,
    /// Its memory.
    pub account: Arc<Account>,
    /// What became of its events.
    pub ledger: Arc<Ledger>,
    /// What became of its requests.
    pub metrics: StreamMetrics,
}

/// All streams, by name.
pub type Streams = HashMap<String, Arc<Stream>>;

impl Stream {
    /// Wires a stream. `topic` is its topic in `cluster`.
    pub fn new(
        name: &str,
        settings: &route::Settings,
        cluster: &Arc<Cluster>,
        topic: &Arc<Topic>,
    ) -> Result<Stream, String> {
        let key = KeySource::parse(settings.key.as_deref())
            .map_err(|error| format!("streams.{name}.key: {error}"))?;
        let id = settings.id.as_deref().map(Pointer::parse).transpose();
        let id = id.map_err(|error| format!("streams.{name}.id: {error}"))?;
        let in_event = if let KeySource::Event(pointer) = &key {
            Some(pointer.clone())
        } else {
            None
        };
        Ok(Stream {
            name: name.into(),
            format: settings.format,
            on_missing_key: settings.on_missing_key,
            wanted: Wanted { key: in_event, id },
            key,
            sticky: Sticky::default(),
            quota: Quota::new(settings.quota),
            ack: settings.ack,
            cluster: Arc::clone(cluster),
            topic: Arc::clone(topic),
            account: Arc::clone(topic.account()),
            ledger: Arc::clone(topic.ledger()),
            metrics: StreamMetrics::default(),
        })
    }
}
