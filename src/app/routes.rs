//! From streams of a configuration to routes: each gets a topic in its cluster, and keeps what it has.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::backend::Backend;
use super::owners::terms_of;
use crate::config::Config;
use crate::http::access::{self, Access};
use crate::http::routes::Endpoints;
use crate::http::routes::check::make;
use crate::http::{Route, Routes, Snapshot, Stream};
use crate::lane::{Cluster, TopicOf};
use crate::owner::Terms;
use crate::rate::Limiter;
use crate::route::{self, Ack};

/// The routes of a configuration.
pub(super) struct Wired {
    pub(super) routes: Routes,
    /// All streams that there ever were, by name.
    pub(super) streams: Vec<Arc<Stream>>,
}

/// Whether routes can be made of a configuration: what validation says as well, and what wiring mustn't find out.
pub(super) fn check(config: &Config) -> Result<(), String> {
    let streams = config.streams.iter();
    let mut checked = streams.map(|(name, settings)| Route::check(name, settings));
    checked.try_for_each(|checked| checked)?;
    endpoints(config).map(drop)
}

/// The endpoints of a configuration.
pub(super) fn endpoints(config: &Config) -> Result<Endpoints, String> {
    let made = make(&config.routes, &config.streams);
    made.map_err(|wrong| {
        let lines = wrong.iter();
        let lines = lines.map(|it| format!("routes.{}.{}: {}", it.route, it.key, it.what));
        lines.collect::<Vec<_>>().join("; ")
    })
}

/// Who may send, by a configuration. `now` is the time since the start.
pub(super) fn access(
    config: &Config,
    before: Option<&Access>,
    now: Duration,
) -> Result<Option<Arc<Access>>, String> {
    let parts = access::Parts {
        sources: &config.sources,
        cors: &config.cors,
        http: &config.http,
        streams: &config.streams,
        routes: &config.routes,
    };
    Access::new(&parts, before, now)
}

/// The name of a stream's topic.
fn topic_of(stream: &str, settings: &route::Settings) -> TopicOf {
    TopicOf {
        is_over_log: settings.ack == Ack::Disk,
        ..TopicOf::new(stream, settings.topic.as_deref().unwrap_or(stream))
    }
}

/// Wires the streams of `new`. A stream that is known keeps its counters and its memory, a route that is the same is kept. Topics
/// that come are added to their clusters, which have to be there. `now` is the time since the start.
pub(super) fn wire(
    new: &Config,
    backend: &Backend,
    before: &Snapshot,
    mut known: BTreeMap<String, Arc<Stream>>,
    owners: &[Arc<Terms>],
    now: Duration,
) -> Result<Wired, String> {
    let mut routes = Routes::default();
    for (name, settings) in &new.streams {
        let mut of = topic_of(name, settings);
        if let Some(stream) = known.get(name) {
            of.ledger = Arc::clone(&stream.ledger);
            of.share = Arc::clone(&stream.share);
        }
        let added = backend.with(&settings.cluster, |unit| {
            (Arc::clone(unit.cluster()), unit.add_topic(of))
        });
        let (cluster, topic) = added
            .ok_or_else(|| format!("streams.{name}: there is no cluster {}", settings.cluster))?;
        let stream = known
            .entry(name.clone())
            .or_insert_with(|| Stream::of(&topic));
        let old = before.shown.iter().find(|route| route.name() == name);
        let owner = terms_of(owners, new, settings);
        let is_same = |old: &&Arc<Route>| {
            let its = old.owner.as_ref().map(Arc::as_ptr);
            Arc::ptr_eq(&old.topic, &topic) && its == owner.map(Arc::as_ptr)
        };
        let same = old.filter(is_same);
        let route = match same.filter(|old| old.settings == *settings) {
            Some(old) => Arc::clone(old),
            None => {
                let mut route = Route::new(stream, settings, &cluster, &topic)?;
                let before = old.and_then(|old| old.rate.as_ref());
                route.rate = Limiter::next(settings.rate(), before, now);
                Arc::new(route.owned_by(owner))
            }
        };
        routes.insert(name.clone(), route);
    }
    Ok(Wired {
        routes,
        streams: known.into_values().collect(),
    })
}

/// The routes of the configuration that the clusters were made with.
pub(super) fn first(
    config: &Config,
    clusters: &[Arc<Cluster>],
    owners: &[Arc<Terms>],
) -> Result<Routes, String> {
    let mut routes = Routes::default();
    for cluster in clusters {
        // Those are retired that a stream went to before.
        for topic in cluster.topics().iter().filter(|it| !it.is_retired()) {
            let name = topic.stream();
            let settings = &config.streams[name];
            let route = Route::new(&Stream::of(topic), settings, cluster, topic)?;
            let route = route.owned_by(terms_of(owners, config, settings));
            routes.insert(name.to_owned(), Arc::new(route));
        }
    }
    Ok(routes)
}
