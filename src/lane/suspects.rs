//! Who sends what Kafka refuses waits a multiple of the time for which others waited for it.
//!
//! When Kafka refuses a batch for an event in it, the client settles, and all lanes of the cluster wait (`produce::native::hold`).
//! What the topic doesn't take is refused at the door, as far as that can be known; the rest would stop the cluster as often as a
//! client likes. So two rules hold for a topic whose batch was refused for an event:
//!
//! - Its own: it waits a multiple of the time that settling took. The multiple begins with one, so that there is room for a
//!   search, and is doubled up to [`SHARE`]. It begins anew when the topic was in order for [`FORGIVEN_AFTER`].
//! - All topics' together: each settling has to be paid for with [`SHARE`] times as long, in which nobody who was refused sends.
//!   A cluster that is in order has saved [`ROOM`] of that. So topics that are refused again and again follow each other, however
//!   many they are, and one that is refused for the first time meanwhile goes behind them.
//!
//! Together they stop their cluster for one part in [`SHARE`] of the time at most, beside the first time of each, which nobody can
//! foresee. What waits meanwhile is in the rings, or goes over the log: that costs the topic's own streams alone.
//!
//! **Exception.** One settling costs no more than `longest`, so that a broker that hung for a minute doesn't stop a topic for twenty.
//! Where settling takes more than a part in [`SHARE`] of that, half a second by default, the bound isn't kept: with settlings of
//! 2 s and a `longest` of 10 s, a sixth of the time is lost. And a topic that was mended waits for those before it, for `longest`
//! times their number at most.
//!
//! Pure: time is passed in.

use std::time::{Duration, Instant};

/// A settling is paid for with so many times as long. One part in twenty is what others may lose of their rate.
const SHARE: u32 = 20;
/// After so long without a refusal a topic counts as being in order.
const FORGIVEN_AFTER: Duration = Duration::from_secs(10);
/// What a cluster that is in order has saved. It pays for a tenth of a second of settling, which is a search or two.
const ROOM: Duration = Duration::from_secs(2);

/// The topics of one cluster.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// The client is settling since then.
    since: Option<Instant>,
    /// Topics whose batches were refused in this settling.
    refused: Vec<u32>,
    /// When all settling is paid for.
    paid: Option<Instant>,
    /// By number.
    topics: Vec<Suspect>,
}

/// One topic.
#[derive(Clone, Copy, Debug, Default)]
struct Suspect {
    /// How often it was refused without a long time between.
    count: u32,
    /// When it may go on.
    until: Option<Instant>,
}

impl Suspects {
    /// A batch of a topic was refused, for an event.
    pub(super) fn refused(&mut self, topic: u32) {
        if !self.refused.contains(&topic) {
            self.refused.push(topic);
        }
    }

    /// Whether the client is settling. When it has settled, the topics for which it did begin to wait; one settling costs no more
    /// than `longest`. True if it begins to settle.
    pub(super) fn note(&mut self, is_settling: bool, longest: Duration, now: Instant) -> bool {
        if is_settling {
            let begins = self.since.is_none();
            self.since.get_or_insert(now);
            return begins;
        }
        let (since, refused) = (self.since.take(), std::mem::take(&mut self.refused));
        let Some(since) = since.filter(|_| !refused.is_empty()) else {
            return false;
        };
        let took = now - since;
        let saved = now.checked_sub(ROOM).unwrap_or(now);
        let before = self.paid.map_or(saved, |paid| paid.max(saved));
        let paid = before + took.saturating_mul(SHARE).min(longest);
        self.paid = Some(paid);
        for topic in refused {
            let own = self.multiple(topic, now);
            let until = paid.max(now + took.saturating_mul(own).min(longest));
            self.topics[topic as usize].until = Some(until);
        }
        false
    }

    /// How many times as long as the settling a topic has to wait by itself.
    fn multiple(&mut self, topic: u32, now: Instant) -> u32 {
        let index = topic as usize;
        if index >= self.topics.len() {
            self.topics.resize(index + 1, Suspect::default());
        }
        let suspect = &mut self.topics[index];
        let is_forgiven = |until| now.duration_since(until) >= FORGIVEN_AFTER;
        if suspect.until.is_some_and(is_forgiven) {
            suspect.count = 0;
        }
        let times = 1_u32.checked_shl(suspect.count).unwrap_or(SHARE);
        suspect.count = suspect.count.saturating_add(1);
        times.min(SHARE)
    }

    /// Whether a topic may send `now`.
    pub(super) fn may_send(&self, topic: u32, now: Instant) -> bool {
        let until = self.topics.get(topic as usize).and_then(|it| it.until);
        until.is_none_or(|until| now >= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const LONGEST: Duration = Duration::from_secs(10);

    /// Topics that send what is refused as soon as they may: each refusal makes the client settle for `took`. Returns for how long it
    /// settled within the first minute and within the four after it, and how many refusals there were.
    fn settling(topics: u32, took: Duration) -> ([Duration; 2], u32) {
        let (mut suspects, begun) = (Suspects::default(), Instant::now());
        let (mut now, mut all, mut refusals) = (begun, [Duration::ZERO; 2], 0);
        while now < begun + 300_000 * MS {
            if let Some(topic) = (0..topics).find(|topic| suspects.may_send(*topic, now)) {
                suspects.note(true, LONGEST, now);
                suspects.refused(topic);
                let minute = usize::from(now >= begun + 60_000 * MS);
                now += took;
                suspects.note(false, LONGEST, now);
                (all[minute], refusals) = (all[minute] + took, refusals + 1);
            }
            now += MS;
        }
        (all, refusals)
    }

    #[test]
    fn all_that_is_refused_stops_the_cluster_for_a_twentieth_of_the_time() {
        let few = [(1, 2), (1, 5), (1, 100), (1, 500), (1, 2000)];
        let many = [(10, 5), (10, 20), (50, 5), (50, 100), (200, 20)];
        for (topics, ms) in few.into_iter().chain(many) {
            let (took, ([first, later], refusals)) = (ms * MS, settling(topics, ms * MS));
            assert!(refusals > 20, "they are tried again: {topics}, {ms}");
            // No settling costs more than the longest pause.
            let share = took.as_secs_f64() / (20 * took).min(LONGEST).as_secs_f64();
            // What nobody can foresee: the first time of each; and the one that is under way in the end.
            let first_most = (60_000 * MS + ROOM).mul_f64(share) + (topics + 1) * took;
            assert!(first <= first_most, "{topics}, {ms}: {first:?}");
            let later_most = (240_000 * MS).mul_f64(share) + 2 * took;
            assert!(later <= later_most, "{topics}, {ms}: {later:?}");
        }
    }

    #[test]
    fn a_cluster_that_was_in_order_is_given_room_for_a_search() {
        let (mut suspects, mut now) = (Suspects::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..7 {
            suspects.note(true, LONGEST, now);
            suspects.refused(3);
            now += 4 * MS;
            suspects.note(false, LONGEST, now);
            let settled = now;
            while !suspects.may_send(3, now) {
                now += MS;
            }
            waits.push((now - settled) / 4);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 20, 20].map(|times| times * MS));
        assert!(suspects.may_send(0, now) && suspects.may_send(4, now));
        // What another topic does wrong doesn't count against it.
        suspects.note(true, LONGEST, now);
        suspects.refused(4);
        suspects.note(false, LONGEST, now + 4 * MS);
        assert!(suspects.may_send(4, now + 8 * MS), "its first time");
        now += LONGEST;
        suspects.note(true, LONGEST, now);
        suspects.refused(3);
        suspects.note(false, LONGEST, now + MS);
        assert!(suspects.may_send(3, now + 2 * MS), "it's forgiven");
    }

    #[test]
    fn nobody_waits_for_a_client_that_settled_for_another_reason_and_nobody_waits_for_ever() {
        let (mut suspects, now) = (Suspects::default(), Instant::now());
        suspects.note(true, LONGEST, now);
        suspects.note(false, LONGEST, now + 500 * MS);
        assert!(suspects.may_send(0, now + 500 * MS));
        // A refusal that nobody had to wait for.
        suspects.refused(0);
        suspects.note(false, LONGEST, now + 500 * MS);
        assert!(suspects.may_send(0, now + 500 * MS));
        // A broker that hung.
        suspects.note(true, LONGEST, now);
        suspects.refused(0);
        suspects.refused(1);
        suspects.note(false, LONGEST, now + 60_000 * MS);
        assert!(!suspects.may_send(0, now + 69_000 * MS));
        assert!(suspects.may_send(0, now + 70_000 * MS));
        assert!(suspects.may_send(1, now + 80_000 * MS));
    }
}
