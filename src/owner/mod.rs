//! Owners: teams to which streams and clusters belong, and their shares of memory, of the spill log and of the rate.
//!
//! An [`Owner`] is an identity. It lives as long as the process, whatever becomes of the configuration: what is held for it and
//! what was counted for it stays. [`Terms`] are what one configuration says of it, and never change.
//!
//! - A share is a bound, not a reservation. What is below it is shared with the others as it was without owners.
//! - Who has no share has no bound, and costs nothing on the path of an event.
//! - A stream belongs to the owner that it names, else to that of its cluster, else to nobody. A share counts what the owner's
//!   *streams* hold, whatever their clusters.
//! - A stream that moves takes along what waits on disk. What it holds in memory is its former owner's until it's given back.
//!
//! What is absent: what an owner's streams have brought is counted by the streams. An owner knows only what it has of streams that
//! came to it with something, or left ([`Owner::moves`]), so that its counters never go back.

mod settings;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::budget::Cap;
use crate::rate::Limiter;
use crate::spill::Part;

pub use self::settings::Settings;

/// How long nothing more is said about one share that is used up.
const SAID_FOR: Duration = Duration::from_secs(60);

/// What an owner has a share of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Events and bytes per second.
    Rate = 0,
    /// The memory budget.
    Memory = 1,
    /// The spill log.
    Spill = 2,
}

impl Of {
    /// All of them, in order.
    pub const ALL: [Of; 3] = [Of::Rate, Of::Memory, Of::Spill];

    /// The word in the configuration, on metrics and in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Of::Rate => "rate",
            Of::Memory => "memory",
            Of::Spill => "spill",
        }
    }
}

/// A team.
#[derive(Debug)]
pub struct Owner {
    name: String,
    /// What its streams hold of the memory budget, if that is bounded.
    pub memory: Arc<Cap>,
    /// What waits for its streams in the spill log.
    pub spill: Arc<Part>,
    /// Requests refused for each of its shares.
    refused: [AtomicU64; Of::ALL.len()],
    /// When each was spoken of: milliseconds since `start`, and 1 more.
    said: [AtomicU64; Of::ALL.len()],
    start: Instant,
    /// What streams that left had brought until then, less what those that came had.
    moved_events: AtomicI64,
    moved_bytes: AtomicI64,
}

impl Owner {
    /// An owner that nothing is known of.
    pub fn new(name: impl Into<String>) -> Arc<Owner> {
        Arc::new(Owner {
            name: name.into(),
            memory: Arc::default(),
            spill: Arc::default(),
            refused: Default::default(),
            said: Default::default(),
            start: Instant::now(),
            moved_events: AtomicI64::new(0),
            moved_bytes: AtomicI64::new(0),
        })
    }

    /// The name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Requests refused for a share.
    pub fn refused(&self, of: Of) -> u64 {
        self.refused[of as usize].load(Relaxed)
    }

    /// A stream that has brought so much so far goes from one owner to another.
    pub fn moves(from: Option<&Owner>, to: Option<&Owner>, events: u64, bytes: u64) {
        let (events, bytes) = (events as i64, bytes as i64);
        if let Some(from) = from {
            from.moved_events.fetch_add(events, Relaxed);
            from.moved_bytes.fetch_add(bytes, Relaxed);
        }
        if let Some(to) = to {
            to.moved_events.fetch_sub(events, Relaxed);
            to.moved_bytes.fetch_sub(bytes, Relaxed);
        }
    }

    /// Events and bytes of its streams while they were its own, given what the streams that it has now have brought in all.
    pub fn brought(&self, events: u64, bytes: u64) -> (u64, u64) {
        let sum = |now: u64, moved: &AtomicI64| now.saturating_add_signed(moved.load(Relaxed));
        (
            sum(events, &self.moved_events),
            sum(bytes, &self.moved_bytes),
        )
    }

    /// Puts what `settings` say of memory and log in force.
    pub fn limit(&self, settings: &Settings) {
        let given = |bytes: u64| (bytes > 0).then_some(bytes);
        self.memory.set_limit(given(settings.memory.as_u64()));
        self.spill.set_limit(given(settings.spill.as_u64()));
    }
}

/// What one configuration says of an owner.
#[derive(Debug)]
pub struct Terms {
    /// Whom it's about.
    pub owner: Arc<Owner>,
    /// What is configured; all defaults for an owner that is only named.
    pub settings: Settings,
    /// What its streams may bring together; `None`: as much as may come.
    pub rate: Option<Arc<Limiter>>,
}

impl Terms {
    /// The terms that come after `before`: the same, if nothing has changed.
    pub fn next(
        owner: &Arc<Owner>,
        settings: &Settings,
        before: Option<&Arc<Terms>>,
        now: Duration,
    ) -> Arc<Terms> {
        if let Some(before) = before.filter(|before| before.settings == *settings) {
            return Arc::clone(before);
        }
        let rate = before.and_then(|before| before.rate.as_ref());
        Arc::new(Terms {
            owner: Arc::clone(owner),
            settings: settings.clone(),
            rate: Limiter::next(settings.rate, rate, now),
        })
    }

    /// The owner's name.
    pub fn name(&self) -> &str {
        &self.owner.name
    }

    /// Counts a request that was refused for a share, and says so in the log, once a minute. Returns what a client is told of the
    /// share: its key, and what is in it.
    pub fn refuse(&self, of: Of) -> String {
        let owner = &self.owner;
        owner.refused[of as usize].fetch_add(1, Relaxed);
        let share = format!("owners.{}.{}", owner.name, of.as_str());
        let what = match of {
            Of::Rate => {
                let rate = &self.settings.rate;
                let events = (rate.events > 0).then(|| format!("{} events", rate.events));
                let bytes = (rate.bytes.0 > 0).then(|| rate.bytes.to_string());
                let both: Vec<_> = events.into_iter().chain(bytes).collect();
                format!("{} per second", both.join(" and "))
            }
            Of::Memory => self.settings.memory.to_string(),
            Of::Spill => self.settings.spill.to_string(),
        };
        if self.may_say(of) {
            let Settings {
                contact, runbook, ..
            } = &self.settings;
            tracing::warn!(
                owner = owner.name,
                contact,
                runbook,
                share = what,
                "an owner has used its share, {share}; events of its streams are refused until there's room"
            );
        }
        format!("{share}, {what}")
    }

    fn may_say(&self, of: Of) -> bool {
        let (said, owner) = (&self.owner.said[of as usize], &self.owner);
        let now_ms = owner.start.elapsed().as_millis() as u64 + 1;
        let last_ms = said.load(Relaxed);
        let is_due = last_ms == 0 || now_ms - last_ms >= SAID_FOR.as_millis() as u64;
        is_due
            && said
                .compare_exchange(last_ms, now_ms, Relaxed, Relaxed)
                .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stream_brought_stays_with_the_owner_that_it_was_brought_for() {
        let (one, other) = (Owner::new("one"), Owner::new("other"));
        // Two streams of one's, which have brought 10 and 5.
        assert_eq!(one.brought(10 + 5, 1_500), (15, 1_500));
        Owner::moves(Some(&one), Some(&other), 10, 1_000);
        assert_eq!(one.brought(5, 500), (15, 1_500));
        assert_eq!(other.brought(10, 1_000), (0, 0));
        // The one that moved brings three more, and comes back.
        assert_eq!(other.brought(13, 1_300), (3, 300));
        Owner::moves(Some(&other), Some(&one), 13, 1_300);
        assert_eq!(other.brought(0, 0), (3, 300));
        assert_eq!(one.brought(5 + 13, 1_800), (15, 1_500));
        // And goes to nobody.
        Owner::moves(Some(&one), None, 13, 1_300);
        assert_eq!(one.brought(5, 500), (15, 1_500));
    }

    #[test]
    fn terms_change_only_with_their_settings_and_keep_the_level_of_the_rate() {
        let owner = Owner::new("one");
        let of_rate = |events| Settings {
            rate: crate::rate::Settings::of_events(events),
            ..Settings::default()
        };
        let now = Duration::from_secs(5);
        let terms = Terms::next(&owner, &of_rate(10), None, now);
        let same = Terms::next(&owner, &of_rate(10), Some(&terms), now);
        assert!(Arc::ptr_eq(&terms, &same));
        let all = |events| crate::rate::Amount { events, bytes: 0 };
        terms
            .rate
            .as_ref()
            .unwrap()
            .take(all(10), now)
            .unwrap()
            .keep();
        let more = Terms::next(&owner, &of_rate(100), Some(&terms), now);
        assert!(more.rate.as_ref().unwrap().take(all(1), now).is_err());
        let none = Terms::next(&owner, &Settings::default(), Some(&more), now);
        assert!(none.rate.is_none());
        assert_eq!(
            terms.refuse(Of::Rate),
            "owners.one.rate, 10 events per second"
        );
        assert_eq!((owner.refused(Of::Rate), owner.refused(Of::Spill)), (1, 0));
    }
}
