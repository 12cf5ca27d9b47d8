//! Which keys a request gets, so that a key is in one request at a time.

use crate::event::Identity;
use crate::ledger::Run;
use crate::random::Random;

/// Draws before the next free key is looked for one by one.
const DRAWS: usize = 8;

/// The keys of one source.
#[derive(Debug)]
pub(super) struct Keys {
    source: u64,
    /// Next sequence number of each.
    next: Vec<u32>,
    /// Those in a request that isn't answered.
    busy: Vec<bool>,
    free: usize,
    zipf: f64,
    random: Random,
    drawn: Vec<u32>,
}

impl Keys {
    /// `count` keys with the exponent `zipf`.
    pub(super) fn new(source: u64, count: u32, zipf: f64) -> Keys {
        let count = count as usize;
        Keys {
            source,
            next: vec![0; count],
            busy: vec![false; count],
            free: count,
            zipf,
            random: Random::new(),
            drawn: Vec::new(),
        }
    }

    /// The id of the source.
    pub(super) fn source(&self) -> u64 {
        self.source
    }

    /// Keys and sequence numbers for `events` events; `None` if no key is free. The keys stay busy until
    /// [`Keys::release`].
    pub(super) fn take(&mut self, events: u32) -> Option<Vec<Run>> {
        if self.free == 0 {
            return None;
        }
        let mut drawn = std::mem::take(&mut self.drawn);
        drawn.clear();
        for _ in 0..events {
            drawn.push(self.draw_free());
        }
        drawn.sort_unstable();
        let mut runs: Vec<Run> = Vec::new();
        for key in &drawn {
            match runs.last_mut() {
                Some(run) if run.key == *key => run.count += 1,
                _ => runs.push(Run {
                    key: *key,
                    first: self.next[*key as usize],
                    count: 1,
                }),
            }
        }
        self.drawn = drawn;
        for run in &runs {
            let key = run.key as usize;
            self.next[key] += run.count;
            self.busy[key] = true;
            self.free -= 1;
        }
        Some(runs)
    }

    /// The request of these keys is answered or given up.
    pub(super) fn release(&mut self, runs: &[Run]) {
        for run in runs {
            self.busy[run.key as usize] = false;
            self.free += 1;
        }
    }

    /// The identities of a request's events, in the order of the body.
    pub(super) fn identities(source: u64, runs: &[Run]) -> impl Iterator<Item = Identity> + '_ {
        runs.iter().flat_map(move |run| {
            (run.first..run.first + run.count).map(move |seq| Identity {
                source,
                key: run.key,
                seq,
            })
        })
    }

    fn draw_free(&mut self) -> u32 {
        let mut key = 0;
        for _ in 0..DRAWS {
            key = self.draw();
            if !self.busy[key] {
                return key as u32;
            }
        }
        while self.busy[key] {
            key = (key + 1) % self.busy.len();
        }
        key as u32
    }

    /// By the inverse of the continuous law, which is close to Zipf's and needs no table.
    fn draw(&mut self) -> usize {
        let count = self.busy.len() as f64;
        let unit = self.random.unit();
        let rank = if (self.zipf - 1.0).abs() < 1e-6 {
            (count + 1.0).powf(unit)
        } else {
            let power = 1.0 - self.zipf;
            (((count + 1.0).powf(power) - 1.0) * unit + 1.0).powf(1.0 / power)
        };
        (rank as usize).saturating_sub(1).min(self.busy.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_in_one_request_at_a_time_and_counts_on() {
        let mut keys = Keys::new(1, 3, 1.0);
        let first = keys.take(2).unwrap();
        let second = keys.take(2);
        let busy = |runs: &[Run]| runs.iter().map(|run| run.key).collect::<Vec<_>>();
        if let Some(second) = &second {
            assert!(busy(second).iter().all(|key| !busy(&first).contains(key)));
        }
        keys.release(&first);
        let third = keys.take(1).unwrap();
        let before = first.iter().find(|run| run.key == third[0].key);
        if let Some(before) = before {
            assert_eq!(third[0].first, before.first + before.count);
        }
    }

    #[test]
    fn no_free_key_is_none() {
        let mut keys = Keys::new(1, 1, 0.0);
        let runs = keys.take(5).unwrap();
        assert_eq!((runs.len(), runs[0].count), (1, 5));
        assert!(keys.take(1).is_none());
        keys.release(&runs);
        assert_eq!(keys.take(1).unwrap()[0].first, 5);
    }

    #[test]
    fn the_first_key_gets_its_share() {
        let share = |zipf| {
            let mut keys = Keys::new(1, 1_000, zipf);
            let first = (0..100_000).filter(|_| keys.draw() == 0).count();
            first as f64 / 100_000.0
        };
        assert!((0.0005..0.002).contains(&share(0.0)));
        assert!((0.08..0.12).contains(&share(1.0)));
    }
}
