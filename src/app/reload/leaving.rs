//! What a reload leaves behind: topics without a route, streams and clusters that aren't configured any more. They are looked at until
//! nothing of them is left.

use std::collections::HashSet;
use std::sync::Arc;

use super::Reloader;
use crate::http::Route;
use crate::lane::Cluster;

impl Reloader {
    /// Retires all topics that nothing is routed to.
    pub(super) fn retire(&self) {
        let now = self.port.now();
        for cluster in self.backend.clusters().iter() {
            for topic in cluster.topics() {
                let is_routed = |route: &&Arc<Route>| Arc::ptr_eq(&route.topic, topic);
                if !now.routes.values().any(|route| is_routed(&route)) {
                    cluster.retire_topic(topic.number());
                }
            }
        }
    }

    /// Clusters that aren't configured any more.
    pub(super) fn leaving_clusters(&self) -> Vec<Arc<Cluster>> {
        let config = self.config.load();
        let clusters = self.backend.clusters();
        let mut clusters = clusters.iter().cloned().collect::<Vec<_>>();
        clusters.retain(|cluster| !config.clusters.contains_key(cluster.name()));
        clusters
    }

    pub(super) fn has_leaving(&self) -> bool {
        self.port.now().leaving().next().is_some() || !self.leaving_clusters().is_empty()
    }

    /// Lets go of what nothing is left of.
    pub(super) fn let_go(&mut self) {
        self.replaced.retain(|old| old.strong_count() > 0);
        self.end_moves(self.replaced.is_empty());
        // A request that began before may still bring events.
        if !self.replaced.is_empty() {
            return;
        }
        let now = self.port.now();
        let clusters = self.backend.clusters();
        let is_drained = |cluster: &Arc<Cluster>, stream: &str| {
            let mut topics = cluster.topics().iter();
            topics.all(|topic| topic.stream() != stream || cluster.is_drained(topic))
        };
        // It may have had other topics before, of which something is left.
        let is_over = |route: &Arc<Route>| {
            route.stream.ledger.in_flight() == 0
                && route.cluster.is_drained(&route.topic)
                && clusters
                    .iter()
                    .all(|cluster| is_drained(cluster, route.name()))
        };
        let over: Vec<_> = now
            .leaving()
            .filter(|route| is_over(route))
            .cloned()
            .collect();
        if !over.is_empty() {
            let is_kept = |route: &&Arc<Route>| !over.iter().any(|gone| Arc::ptr_eq(gone, route));
            for gone in &over {
                tracing::info!(
                    stream = gone.name(),
                    "a stream is gone: all that it took is settled"
                );
            }
            let shown = now.shown.iter().filter(is_kept).cloned().collect();
            self.replaced.push(Arc::downgrade(&now));
            self.port.replace(now.showing(shown));
        }
        for cluster in self.leaving_clusters() {
            if cluster
                .topics()
                .iter()
                .all(|topic| cluster.is_drained(topic))
            {
                tracing::info!(
                    cluster = cluster.name(),
                    "a cluster is gone: nothing of it is left"
                );
                self.stop_clusters(&HashSet::from([cluster.name().to_owned()]));
            }
        }
    }
}
