//! The chain of generations: what waits on disk for a stream is sent in the order in which it came, directory by directory.
//!
//! ```text
//!  adopted first ─▶ adopted second ─▶ … ─▶ own log: lanes of partitions ─▶ own log: unrouted ─▶ new events
//! ```
//!
//! A *generation* is what one life of a gateway left in a spill directory. Each is a *link*; those that are adopted come in the order of
//! the command line, and the process's own log is the last one. A link sends events of a stream when no link before it has
//! any. So the events of a key stay in order: what an adopted directory holds was acknowledged before its gateway ended, and
//! whoever adopts it got its clients afterwards.
//!
//! - New events wait in the own log meanwhile, as those of a stream that moves ([`super::moves`]), and are acknowledged as durable there. That
//!   is bounded by the log's quota. Without a log they wait for `http.answer_within` at most, and the order is given up then.
//! - A stream waits for itself alone. `drain = "beside"` lets it wait for nothing.
//! - A directory belongs to one process (`LOCK`), and what Kafka acknowledged is noted in it. So nobody else adopts it meanwhile, and who
//!   adopts it again sends what is left. A kill -9 makes duplicates of what was acknowledged within the last second, as everywhere.
//! - A process that was killed has to be started with the same `--adopt` until the directory is empty. Without it its own log would go
//!   first.
//!
//! **A restart in place** needs no link: the next process takes the directory itself (`service`).
//!
//! **Another way to get a link**, such as from a peer or a store while the process runs, needs three steps: [`Chain::add`] with the streams that
//! it brings; `moves::begin` for each of these, which takes lanes out of use that are in use; [`Chain::note`] as it empties. What
//! the own lanes had then goes on, as nothing tells which of the two is older.
//!
//! What is absent: nothing here reads a directory or sends anything.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Names of streams.
pub(super) type Streams = BTreeSet<String>;

/// By link, in their order: the streams of which it has something.
#[derive(Debug, Default)]
pub(super) struct Chain(Mutex<Vec<Streams>>);

/// Place of a link in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link(usize);

impl Chain {
    fn links(&self) -> MutexGuard<'_, Vec<Streams>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a link behind all others, and before the own log.
    pub(super) fn add(&self, streams: Streams) -> Link {
        let mut links = self.links();
        links.push(streams);
        Link(links.len() - 1)
    }

    /// A link has something of these streams only.
    pub(super) fn note(&self, link: Link, streams: Streams) {
        if let Some(its) = self.links().get_mut(link.0) {
            *its = streams;
        }
    }

    /// Whether a link before this one has something of a stream.
    pub(super) fn is_before(&self, link: Link, stream: &str) -> bool {
        let links = self.links();
        links.iter().take(link.0).any(|it| it.contains(stream))
    }

    /// Whether any link has something of a stream: the own log waits for all of them.
    pub(super) fn has(&self, stream: &str) -> bool {
        self.links().iter().any(|it| it.contains(stream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Streams {
        names.iter().map(|it| (*it).to_owned()).collect()
    }

    #[test]
    fn a_link_waits_for_those_before_it_and_the_own_log_for_all() {
        let chain = Chain::default();
        let first = chain.add(of(&["a", "b"]));
        let second = chain.add(of(&["a", "c"]));
        assert!(!chain.is_before(first, "a") && chain.is_before(second, "a"));
        assert!(!chain.is_before(second, "c") && chain.has("c") && !chain.has("d"));
        chain.note(first, of(&["b"]));
        assert!(!chain.is_before(second, "a") && chain.has("a"));
        chain.note(second, of(&[]));
        assert!(!chain.has("a") && chain.has("b"));
    }
}
