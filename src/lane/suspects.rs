//! Who sends what Kafka refuses waits a multiple of the time for which others waited for it.
//!
//! When Kafka refuses a batch for an event in it, the client settles, and all lanes of the cluster wait (`produce::native::hold`).
//! What the topic doesn't take is refused at the door, as far as that can be known; the rest would stop the cluster as often as a
//! client likes. So a topic whose batch was refused for an event sends nothing for a multiple of the time that settling took. Such
//! topics follow each other, so that together they stop their cluster for one part in [`SHARE`] of the time at most. What waits
//! meanwhile is in the rings, or goes over the log: that costs the topic's own streams alone.
//!
//! A cluster that was in order until now is given room for a search: the multiple begins with one and is doubled.
//!
//! Pure: time is passed in.

use std::time::{Duration, Instant};

/// A topic waits up to so many times as long as the cluster settled for it. One part in twenty is what others may lose of their rate.
const SHARE: u32 = 20;
/// After so long without a refusal a cluster counts as being in order.
const FORGIVEN_AFTER: Duration = Duration::from_secs(10);

/// The topics of one cluster.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// The client is settling since then.
    since: Option<Instant>,
    /// Topics whose batches were refused in this settling.
    refused: Vec<u32>,
    /// How often it settled like this without a long time between.
    count: u32,
    settled_at: Option<Instant>,
    /// When the topic that waits longest may go on.
    last: Option<Instant>,
    /// By topic: until when it waits.
    until: Vec<Option<Instant>>,
}

impl Suspects {
    /// A batch of a topic was refused, for an event.
    pub(super) fn refused(&mut self, topic: u32) {
        if !self.refused.contains(&topic) {
            self.refused.push(topic);
        }
    }

    /// Whether the client is settling. When it has settled, the topics for which it did begin to wait, no longer than `longest` each.
    pub(super) fn note(&mut self, is_settling: bool, longest: Duration, now: Instant) {
        if is_settling {
            self.since.get_or_insert(now);
            return;
        }
        let since = self.since.take();
        for topic in std::mem::take(&mut self.refused) {
            if let Some(since) = since {
                self.wait(topic, now - since, longest, now);
            }
        }
    }

    fn wait(&mut self, topic: u32, took: Duration, longest: Duration, now: Instant) {
        let index = topic as usize;
        if index >= self.until.len() {
            self.until.resize(index + 1, None);
        }
        let is_forgiven = |at: Instant| now.duration_since(at) >= FORGIVEN_AFTER.max(longest);
        if self.settled_at.is_none_or(is_forgiven) {
            self.count = 0;
        }
        let times = 1_u32.checked_shl(self.count).unwrap_or(SHARE);
        (self.count, self.settled_at) = (self.count.saturating_add(1), Some(now));
        let pause = took.saturating_mul(times.min(SHARE)).min(longest);
        let begin = self.last.map_or(now, |last| last.clamp(now, now + longest));
        self.last = Some(begin + pause);
        self.until[index] = self.last;
    }

    /// Whether a topic may send `now`.
    pub(super) fn may_send(&self, topic: u32, now: Instant) -> bool {
        let until = self.until.get(topic as usize).copied().flatten();
        until.is_none_or(|until| now >= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const LONGEST: Duration = Duration::from_secs(10);

    /// Topics that send what is refused as soon as they may, for a minute: each refusal makes the client settle for `took`.
    /// Returns for how long it settled, and how many refusals there were.
    fn settling(topics: u32, took: Duration) -> (Duration, u32) {
        let (mut suspects, begun) = (Suspects::default(), Instant::now());
        let (mut now, mut all, mut refusals) = (begun, Duration::ZERO, 0);
        while now < begun + 60_000 * MS {
            if let Some(topic) = (0..topics).find(|topic| suspects.may_send(*topic, now)) {
                suspects.note(true, LONGEST, now);
                suspects.refused(topic);
                now += took;
                suspects.note(false, LONGEST, now);
                (all, refusals) = (all + took, refusals + 1);
            }
            now += MS;
        }
        (all, refusals)
    }

    #[test]
    fn all_that_is_refused_stops_the_cluster_for_a_twentieth_of_the_time() {
        for (topics, ms) in [(1, 2), (1, 5), (1, 100), (10, 5), (10, 20), (50, 5)] {
            let (all, refusals) = settling(topics, ms * MS);
            assert!(refusals > 20, "they are tried again: {topics}, {ms}");
            assert!(all < 60_000 * MS / 18, "{topics}, {ms}: {all:?}");
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
