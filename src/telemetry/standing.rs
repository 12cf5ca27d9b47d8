//! A trouble that stands: said when it begins or changes, then at growing intervals, and once more when it's over.

use std::time::{Duration, Instant};

/// The pause before it is said for the second time; it doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(60);
/// The longest pause: a log of some hours shall show it.
const LONGEST: Duration = Duration::from_secs(3_600);

/// One trouble, or none.
#[derive(Debug, Default)]
pub struct Standing(Option<Told>);

#[derive(Debug)]
struct Told {
    what: String,
    since: Instant,
    due: Instant,
    pause: Duration,
}

impl Standing {
    /// The trouble is there, in these words. True if it is to be said now.
    pub fn is_due(&mut self, what: &str, now: Instant) -> bool {
        match &mut self.0 {
            Some(told) if told.what == what => {
                if now < told.due {
                    return false;
                }
                told.pause = (told.pause * 2).min(LONGEST);
                told.due = now + told.pause;
            }
            other => {
                let since = other.as_ref().map_or(now, |told| told.since);
                *other = Some(Told {
                    what: what.into(),
                    since,
                    due: now + FIRST,
                    pause: FIRST,
                });
            }
        }
        true
    }

    /// The trouble isn't there. How long it was, if it had been: that is to be said.
    pub fn ends(&mut self, now: Instant) -> Option<Duration> {
        let told = self.0.take()?;
        Some(now.saturating_duration_since(told.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_when_it_begins_or_changes_then_less_and_less_often_and_when_it_ends() {
        let (start, mut standing) = (Instant::now(), Standing::default());
        let at = |second: u32| start + second * Duration::from_secs(1);
        assert_eq!(standing.ends(start), None);
        let said: Vec<_> = (0..=86_400)
            .step_by(2)
            .filter(|second| standing.is_due("no such topic", at(*second)))
            .collect();
        assert_eq!(said[..5], [0, 60, 180, 420, 900]);
        assert!((24..34).contains(&said.len()), "in a day: {said:?}");
        assert!(standing.is_due("denied", at(86_402)));
        assert!(!standing.is_due("denied", at(86_404)));
        assert_eq!(standing.ends(at(86_410)), Some(Duration::from_secs(86_410)));
        assert_eq!(standing.ends(at(86_410)), None);
        assert!(standing.is_due("denied", at(86_411)));
    }
}
