//! Streams and routes. A stream is what has a name and counts; a route is how its events go at the moment.
//!
//! A [`Stream`] lives as long as anything of it is left, whatever becomes of the configuration: its counters never go back.
//! A [`Route`] belongs to one configuration and never changes. The next configuration brings another route for the same
//! stream.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arc_swap::ArcSwapOption;

use crate::budget::{Account, Share};
use crate::decode::{Pointer, Wanted};
use crate::lane::{Cluster, Topic};
use crate::owner::{Owner, Terms};
use crate::rate::Limiter;
use crate::receipt::Ledger;
use crate::route::{self, Ack, Format, KeySource, OnMissingKey, Privacy, Sticky};
use crate::telemetry::StreamMetrics;

/// What begins the paths of streams.
pub const PATH: &str = "/v1/events/";

/// A stream: a name, and what is counted under it.
#[derive(Debug)]
pub struct Stream {
    /// The name in the path and the configuration.
    pub name: String,
    /// What became of its events.
    pub ledger: Arc<Ledger>,
    /// What its events hold of the memory budget.
    pub share: Arc<Share>,
    /// What became of its requests.
    pub metrics: StreamMetrics,
    /// Whose it is now, or was last.
    pub owner: ArcSwapOption<Owner>,
}

impl Stream {
    /// The stream that a topic was made for.
    pub fn of(topic: &Topic) -> Arc<Stream> {
        Arc::new(Stream {
            name: topic.stream().into(),
            ledger: Arc::clone(topic.ledger()),
            share: Arc::clone(&topic.account().stream),
            metrics: StreamMetrics::default(),
            owner: ArcSwapOption::empty(),
        })
    }

    /// Makes it somebody's. What it has brought until now stays with whose it was.
    pub fn give_to(&self, owner: Option<&Arc<Owner>>) {
        let before = self.owner.load_full();
        if before.as_ref().map(Arc::as_ptr) == owner.map(Arc::as_ptr) {
            return;
        }
        let (events, bytes) = self.brought();
        Owner::moves(before.as_deref(), owner.map(Arc::as_ref), events, bytes);
        self.owner.store(owner.cloned());
    }

    /// Events that it has brought so far, and bytes of bodies.
    pub fn brought(&self) -> (u64, u64) {
        let bytes = self.metrics.body_bytes.load(Relaxed);
        (self.ledger.accepted.load(Relaxed), bytes)
    }
}

/// How a stream's events go, from the request's path to the topic.
#[derive(Debug)]
pub struct Route {
    /// Whose they are.
    pub stream: Arc<Stream>,
    /// What it's made of.
    pub settings: route::Settings,
    /// What a body holds.
    pub format: Format,
    /// Where the key is.
    pub key: KeySource,
    /// What becomes of events without the key.
    pub on_missing_key: OnMissingKey,
    /// What the decoder shall look for.
    pub wanted: Wanted,
    /// The turn of events without a key.
    pub sticky: Sticky,
    /// What the stream may bring in a second; `None`: as much as may come.
    pub rate: Option<Arc<Limiter>>,
    /// What may be known of its clients.
    pub privacy: Privacy,
    /// What the configuration says of its owner, if it has one.
    pub owner: Option<Arc<Terms>>,
    /// What its owner's streams may bring together in a second; `None`: as much as may come.
    pub owner_rate: Option<Arc<Limiter>>,
    /// The memory that its events are charged to.
    pub account: Arc<Account>,
    /// What a 2xx means.
    pub ack: Ack,
    /// The cluster.
    pub cluster: Arc<Cluster>,
    /// The topic there, with its lanes.
    pub topic: Arc<Topic>,
}

/// The routes of one configuration, by the streams' names. The names are configured, so the hash needs no defence against
/// those who would choose them, and a cheap one saves a hundred instructions per request.
pub type Routes = HashMap<String, Arc<Route>, fnv::FnvBuildHasher>;

impl Route {
    /// Wires a stream. `topic` is its topic in `cluster`.
    pub fn new(
        stream: &Arc<Stream>,
        settings: &route::Settings,
        cluster: &Arc<Cluster>,
        topic: &Arc<Topic>,
    ) -> Result<Route, String> {
        let (key, id) = parse(&stream.name, settings)?;
        let in_event = if let KeySource::Event(pointer) = &key {
            Some(pointer.clone())
        } else {
            None
        };
        Ok(Route {
            stream: Arc::clone(stream),
            settings: settings.clone(),
            format: settings.format,
            on_missing_key: settings.on_missing_key,
            wanted: Wanted { key: in_event, id },
            key,
            sticky: Sticky::default(),
            rate: Limiter::new(settings.rate()),
            privacy: Privacy::new(
                settings.addresses,
                &settings.drop_headers,
                settings.address_key.as_deref().unwrap_or_default(),
            ),
            owner: None,
            owner_rate: None,
            account: Arc::clone(topic.account()),
            ack: settings.ack,
            cluster: Arc::clone(cluster),
            topic: Arc::clone(topic),
        })
    }

    /// The same, of an owner's.
    pub fn owned_by(self, terms: Option<&Arc<Terms>>) -> Route {
        let Some(terms) = terms else { return self };
        let account = match terms.settings.memory.as_u64() {
            0 => self.account,
            _ => Arc::new(Account {
                owner: Some(Arc::clone(&terms.owner.memory)),
                ..Account::clone(&self.account)
            }),
        };
        Route {
            owner: Some(Arc::clone(terms)),
            owner_rate: terms.rate.clone(),
            account,
            ..self
        }
    }

    /// Whether a route can be made of these settings.
    pub fn check(name: &str, settings: &route::Settings) -> Result<(), String> {
        parse(name, settings).map(drop)
    }

    /// The stream's name.
    pub fn name(&self) -> &str {
        &self.stream.name
    }
}

/// Where the key and the id of a stream are.
fn parse(name: &str, settings: &route::Settings) -> Result<(KeySource, Option<Pointer>), String> {
    let key = KeySource::parse(settings.key.as_deref())
        .map_err(|error| format!("streams.{name}.key: {error}"))?;
    let id = settings.id.as_deref().map(Pointer::parse).transpose();
    let id = id.map_err(|error| format!("streams.{name}.id: {error}"))?;
    Ok((key, id))
}
