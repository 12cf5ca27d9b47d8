//! When it's believed that a topic has fewer partitions than it had.
//!
//! **Certainty.** A broker that was frozen, or has just started, may answer with what it knew long ago. More partitions than
//! before are believed at once. Fewer are believed when [`ANSWERS`] answers in a row, over [`SURE_AFTER`], said so: routing
//! by too few would be right as well, but it costs every key a move.

use std::time::{Duration, Instant};

/// So many answers in a row have to say that there are fewer partitions.
const ANSWERS: u32 = 3;
/// The first and the last of them are at least so far apart: longer than a broker that comes back needs to catch up.
const SURE_AFTER: Duration = Duration::from_secs(10);

/// Answers that say that there are fewer partitions than there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    count: usize,
    answers: u32,
    since: Instant,
}

impl Doubt {
    /// One more answer; true if there is no doubt any more.
    pub(super) fn is_sure(doubt: &mut Option<Doubt>, count: usize, now: Instant) -> bool {
        let first = Doubt {
            count,
            answers: 0,
            since: now,
        };
        let doubt = match doubt {
            Some(doubt) if doubt.count == count => doubt,
            other => other.insert(first),
        };
        doubt.answers += 1;
        doubt.answers >= ANSWERS && now.duration_since(doubt.since) >= SURE_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_partitions_are_believed_after_some_answers_and_some_time() {
        let now = Instant::now();
        let at = |seconds: u64| now + Duration::from_secs(seconds);
        let mut doubt = None;
        assert!(!Doubt::is_sure(&mut doubt, 3, at(0)));
        assert!(!Doubt::is_sure(&mut doubt, 3, at(1)));
        assert!(!Doubt::is_sure(&mut doubt, 3, at(9)), "too soon");
        assert!(!Doubt::is_sure(&mut doubt, 4, at(11)), "another number");
        assert!(!Doubt::is_sure(&mut doubt, 4, at(30)), "two answers");
        assert!(Doubt::is_sure(&mut doubt, 4, at(31)));
    }
}
