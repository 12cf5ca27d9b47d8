//! A reload's part in the moves of streams: begun with it, looked at after it.

use std::sync::Arc;
use std::time::Duration;

use super::super::moves::{LOOK_SOON, Move, Moves, YOUNG, begin, left, set_behind};
use super::{LOOK_EVERY, Reloader};
use crate::config::Config;
use crate::http::Routes;
use crate::route::Drain;

impl Reloader {
    /// Whether the moves that are under way let `new` come into force.
    pub(super) fn check_moves(&self, new: &Config) -> Result<(), String> {
        for (name, moving) in &self.moves {
            let Some(settings) = new.streams.get(name) else {
                continue;
            };
            let topic = settings.topic.as_deref().unwrap_or(name);
            let is_there =
                settings.cluster == moving.cluster.name() && topic == moving.topic.name();
            if !is_there && settings.drain == Drain::First {
                return Err(format!(
                    "streams.{name}: it still moves to topic {} of cluster {}, since what it left at its former topic isn't in kafka; wait for that, or give up the order with drain = \"beside\"",
                    moving.topic.name(),
                    moving.cluster.name()
                ));
            }
        }
        Ok(())
    }

    /// Has the new events of streams wait that get another topic with `routes`, which aren't in force yet.
    pub(super) fn begin_moves(&mut self, routes: &Routes) {
        let before = self.port.now();
        let clusters = self.backend.clusters();
        for route in routes.values() {
            let name = route.name();
            let is_beside = route.settings.drain == Drain::Beside;
            if is_beside {
                self.waiting.let_go(name);
            }
            if let Some(moving) = self.moves.remove(name) {
                if is_beside || !moving.is_to(route) {
                    set_behind(&clusters, name, false);
                    moving.end();
                } else {
                    self.moves.insert(name.to_owned(), moving);
                    continue;
                }
            }
            let old = before.routes.get(name);
            let is_moved = match old {
                Some(old) => !Arc::ptr_eq(&old.topic, &route.topic),
                // It was taken away, and is put back elsewhere.
                None => left(&clusters, name, &route.topic).next().is_some(),
            };
            if is_moved && !is_beside {
                tracing::info!(
                    stream = name,
                    cluster = route.cluster.name(),
                    topic = route.topic.name(),
                    "a stream moves; its new events wait until those before are in kafka at its former topic"
                );
                begin(route, &mut self.moves);
            }
        }
    }

    /// How soon moves are to be looked at again, if there are any.
    pub(super) fn moves_due(&self) -> Option<Duration> {
        let is_young = |it: &Move| it.since.elapsed() < YOUNG;
        let has_young = self.moves.values().any(is_young);
        let has_some = !self.moves.is_empty() || !self.waiting.is_empty();
        has_some.then_some(if has_young { LOOK_SOON } else { LOOK_EVERY })
    }

    /// Ends the moves of streams that have left nothing at another topic. To be called when no request is under way that could
    /// bring something there.
    pub(super) fn end_moves(&mut self, is_quiet: bool) {
        let clusters = self.backend.clusters();
        self.waiting.look(&clusters);
        let answered = self.port.now().settings.answer_within + LOOK_SOON;
        let has_log = self.backend.spill.is_some();
        let mut going_on = Moves::new();
        for (name, mut moving) in std::mem::take(&mut self.moves) {
            let seconds = moving.since.elapsed().as_secs_f32();
            let is_behind = self.chain.has(&name);
            if !is_behind {
                set_behind(&clusters, &name, false);
            }
            let waits_for = left(&clusters, &name, &moving.topic).next();
            let (to, topic) = (moving.cluster.name(), moving.topic.name());
            if is_quiet && waits_for.is_none() && !is_behind {
                let what = match moving.follows_others {
                    true => {
                        "the older events of a stream are in kafka; those of the own log follow"
                    }
                    false => "a stream has moved",
                };
                tracing::info!(stream = name, cluster = to, topic, seconds, "{what}");
                moving.end();
            } else if !has_log && moving.since.elapsed() > answered {
                tracing::warn!(
                    stream = name,
                    "a stream's new events go on, and some of before may come later: without a spill log nothing can wait longer"
                );
                set_behind(&clusters, &name, false);
                moving.end();
            } else {
                if let Some((cluster, left)) = waits_for
                    && moving.since.elapsed() >= YOUNG
                    && !std::mem::replace(&mut moving.is_told, true)
                {
                    tracing::warn!(
                        stream = name,
                        from_cluster = cluster.name(),
                        from_topic = left.name(),
                        cluster = to,
                        topic,
                        "a stream's new events wait in the log until its former topic has those before; drain = \"beside\" would end that"
                    );
                }
                going_on.insert(name, moving);
            }
        }
        self.moves = going_on;
    }
}
