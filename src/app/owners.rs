//! Owners of a configuration: what each is, what it may, and what is counted for whom.
//!
//! An owner is kept by its name for as long as the process lives, like a stream. If it's put back, its counters go on.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::http::{Routes, Stream};
use crate::lane::dead::DEAD;
use crate::owner::{Owner, Terms};
use crate::route;
use crate::spill::{Log, Part};

/// All owners that there ever were in this process, by name.
#[derive(Default)]
pub(super) struct Owners(BTreeMap<String, Arc<Owner>>);

impl Owners {
    /// What `config` says of owners, by name; what hasn't changed since `before` is the same. `now` is the time since the start.
    pub(super) fn terms(
        &mut self,
        config: &Config,
        before: &[Arc<Terms>],
        now: Duration,
    ) -> Vec<Arc<Terms>> {
        let terms = config.owner_names().into_iter().map(|name| {
            let owner = self.0.entry(name.to_owned());
            let owner = owner.or_insert_with(|| Owner::new(name));
            let settings = config.owners.get(name).cloned().unwrap_or_default();
            let old = before.iter().find(|terms| terms.name() == name);
            Terms::next(owner, &settings, old, now)
        });
        terms.collect()
    }

    /// Puts terms in force. `streams` are all that there ever were: one that isn't configured any more stays its last owner's.
    pub(super) fn put_in_force(
        &self,
        config: &Config,
        terms: &[Arc<Terms>],
        routes: &Routes,
        streams: &[Arc<Stream>],
        log: Option<&Log>,
    ) {
        for terms in terms {
            terms.owner.limit(&terms.settings);
        }
        for route in routes.values() {
            let owner = route.owner.as_ref().map(|terms| &terms.owner);
            route.stream.give_to(owner);
        }
        if let Some(log) = log.filter(|_| !self.0.is_empty()) {
            let part_of = self.part_of(config, streams);
            log.count_by(Box::new(move |lane| part_of.lane(lane)));
        }
    }

    fn part_of(&self, config: &Config, streams: &[Arc<Stream>]) -> PartOf {
        let of_streams = streams.iter().map(|stream| {
            let owner = stream.owner.load_full();
            (stream.name.clone(), owner.map(|it| Arc::clone(&it.spill)))
        });
        let of_clusters = config.clusters.iter().filter_map(|(name, cluster)| {
            let owner = self.0.get(&cluster.owner)?;
            Some((name.clone(), Arc::clone(&owner.spill)))
        });
        PartOf {
            streams: of_streams.collect(),
            clusters: of_clusters.collect(),
        }
    }
}

/// The terms of a stream's owner.
pub(super) fn terms_of<'a>(
    terms: &'a [Arc<Terms>],
    config: &Config,
    stream: &route::Settings,
) -> Option<&'a Arc<Terms>> {
    let name = config.owner_of(stream)?;
    terms.iter().find(|terms| terms.name() == name)
}

/// Which owner's part a lane of the log is.
struct PartOf {
    /// By stream.
    streams: HashMap<String, Option<Arc<Part>>>,
    /// By cluster, for streams of which this process knows nothing.
    clusters: HashMap<String, Arc<Part>>,
}

impl PartOf {
    fn lane(&self, name: &[u8]) -> Option<Arc<Part>> {
        let name = std::str::from_utf8(name).ok()?;
        let mut words = name.split('/').peekable();
        let is_dead = words.next_if_eq(&DEAD).is_some();
        let (cluster, second) = (words.next()?, words.next()?);
        // An earlier version's dead letters name their topic there, and no stream.
        let has_stream = !is_dead || words.count() > 1;
        match self.streams.get(second).filter(|_| has_stream) {
            Some(part) => part.clone(),
            None => self.clusters.get(cluster).cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_their_streams_owners_else_their_clusters() {
        let [of_stream, of_cluster]: [Arc<Part>; 2] = Default::default();
        let part_of = PartOf {
            streams: HashMap::from([
                ("installs".into(), Some(Arc::clone(&of_stream))),
                ("free".into(), None),
            ]),
            clusters: HashMap::from([("ads".into(), Arc::clone(&of_cluster))]),
        };
        let is = |name: &str, part: Option<&Arc<Part>>| {
            let found = part_of.lane(name.as_bytes());
            assert_eq!(
                found.as_ref().map(Arc::as_ptr),
                part.map(Arc::as_ptr),
                "{name}"
            );
        };
        is("ads/installs/topic/3", Some(&of_stream));
        is("other/installs/topic/unrouted", Some(&of_stream));
        is("dead/ads/installs/topic/3/too_large", Some(&of_stream));
        is("ads/free/topic/3", None);
        is("ads/removed/topic/3", Some(&of_cluster));
        is("dead/ads/removed/topic/3/refused", Some(&of_cluster));
        // Of an earlier version: the topic has a stream's name by chance.
        is("dead/ads/installs/3", Some(&of_cluster));
        is("other/removed/topic/3", None);
        is("ads", None);
    }
}
