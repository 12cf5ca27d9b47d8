//! A few threads for work that comes again and again and may block for seconds: the probes of all clusters.
//!
//! Each [`Round`] says when its next one is due. One thread is enough while rounds are short. One that hangs, because its cluster does,
//! holds up nobody else: a thread always watches the clock, and joins in when those at work have begun nothing for `HANGS_AFTER`,
//! or when a round has been due for `LATE_AFTER`. So a hundred hanging clusters get a hundred threads within seconds, and two
//! hundred that are in order get two. A thread ends when there are more than were at work at once
//! in the last `LINGER`, and one to watch the clock.
//!
//! Rounds that are due at about the same time are done by one thread, one after the other: fewer threads wake.
//!
//! What is absent: Kafka. Nothing here knows what a round does.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long ago the last round may have begun, while others are due, before all that are under way count as hanging: some round
/// trips.
const HANGS_AFTER: Duration = Duration::from_millis(50);
/// How long a round may be due before one more thread helps, although none hangs: a fraction of the pause between two of them.
const LATE_AFTER: Duration = Duration::from_millis(500);
/// The shortest time between two threads that join in for that.
const ONE_AT_A_TIME: Duration = Duration::from_millis(10);
/// How long a thread stays after it was needed: longer than the pause after which a cluster that hangs is asked again.
const LINGER: Duration = Duration::from_secs(10);
/// Rounds are due at multiples of this.
const BEAT: Duration = Duration::from_millis(50);

/// Work that comes again and again.
pub trait Round: Send {
    /// Does what is to be done now. The pause until the next round; none if there is none.
    fn turn(&mut self) -> Option<Duration>;
}

/// The threads, shared by all who have rounds.
#[derive(Clone, Default)]
pub struct Pool(Arc<Inner>);

/// A member of a pool: its rounds go on until they say that it's over.
pub struct Member {
    pool: Pool,
    number: u64,
    /// The round has the other one.
    life: Arc<()>,
}

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    /// Wakes the thread that watches the clock.
    changed: Condvar,
    /// Wakes one of those that have nothing to do.
    wanted: Condvar,
}

#[derive(Default)]
struct State {
    /// Rounds that wait, by the time at which they are due.
    due: BTreeMap<(Instant, u64), Held>,
    /// When they are due, by number.
    times: HashMap<u64, Instant>,
    /// Rounds that are under way, and are to come again at once.
    again: HashSet<u64>,
    first: Option<Instant>,
    last_number: u64,
    threads: usize,
    /// Threads that do a round.
    at_work: usize,
    /// When the last of them began it.
    begun: Option<Instant>,
    /// Threads that neither do a round nor watch the clock.
    resting: usize,
    is_watched: bool,
    peak: Peak,
}

/// How many threads were at work at once: in the present span of [`LINGER`], and in the one before.
#[derive(Default)]
struct Peak {
    since: Option<Instant>,
    now: usize,
    before: usize,
}

impl Peak {
    fn note(&mut self, at_work: usize, now: Instant) {
        let since = *self.since.get_or_insert(now);
        if now.duration_since(since) >= LINGER {
            let is_recent = now.duration_since(since) < 2 * LINGER;
            self.before = if is_recent { self.now } else { 0 };
            (self.since, self.now) = (Some(now), 0);
        }
        self.now = self.now.max(at_work);
    }

    /// Whether so many threads are more than are needed.
    fn is_exceeded_by(&self, threads: usize) -> bool {
        threads > self.now.max(self.before) + 1
    }
}

/// A round, and the sign that it lives.
struct Held {
    round: Box<dyn Round>,
    _life: Arc<()>,
}

impl State {
    /// On the next beat, so that others are due then too.
    fn beat_after(&mut self, at: Instant) -> Instant {
        let first = *self.first.get_or_insert(at);
        let beats = at.duration_since(first).as_millis() / BEAT.as_millis() + 1;
        first + BEAT * u32::try_from(beats).unwrap_or(u32::MAX)
    }

    /// When one more thread does a round that is due `at`.
    fn joins(&self, at: Instant) -> Instant {
        let Some(begun) = self.begun.filter(|_| self.at_work > 0) else {
            return at;
        };
        let is_late = (at + LATE_AFTER).max(begun + ONE_AT_A_TIME);
        (begun + HANGS_AFTER).min(is_late).max(at)
    }
}

impl Pool {
    /// Adds work, whose first round is due at once. The error is that there is no thread for it.
    pub fn add(&self, round: impl Round + 'static) -> std::io::Result<Member> {
        let life = Arc::new(());
        let held = Held {
            round: Box::new(round),
            _life: Arc::clone(&life),
        };
        let mut state = self.state();
        state.last_number += 1;
        let number = state.last_number;
        if state.threads == 0 {
            self.start_thread(&mut state)?;
        }
        self.put(&mut state, number, Instant::now(), held);
        drop(state);
        Ok(Member {
            pool: self.clone(),
            number,
            life,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_thread(&self, state: &mut State) -> std::io::Result<()> {
        let pool = self.clone();
        let thread = std::thread::Builder::new().name("probe".into());
        thread.spawn(move || pool.run())?;
        state.threads += 1;
        Ok(())
    }

    /// A thread's life.
    fn run(&self) {
        let (mut state, mut was_at_work) = (self.state(), false);
        loop {
            let now = Instant::now();
            let first = state.due.keys().next().copied();
            let begins = first.map(|(at, _)| if was_at_work { at } else { state.joins(at) });
            was_at_work = false;
            match first {
                Some(first) if begins.is_some_and(|at| at <= now) => {
                    state = self.work(state, first);
                    was_at_work = true;
                }
                None if state.at_work == 0 => {
                    // Who adds something starts a thread.
                    state.threads -= 1;
                    self.0.wanted.notify_all();
                    self.0.changed.notify_all();
                    return;
                }
                _ if !state.is_watched => {
                    let pause = begins.map_or(LINGER, |at| at.saturating_duration_since(now));
                    state.is_watched = true;
                    let waited = self.0.changed.wait_timeout(state, pause);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                    state.is_watched = false;
                }
                _ => {
                    let at_work = state.at_work;
                    state.peak.note(at_work, now);
                    if state.peak.is_exceeded_by(state.threads) {
                        state.threads -= 1;
                        return;
                    }
                    state.resting += 1;
                    let rested = self.0.wanted.wait_timeout(state, LINGER);
                    state = rested.unwrap_or_else(PoisonError::into_inner).0;
                    state.resting -= 1;
                }
            }
        }
    }

    /// Does a round, without the lock. Another thread watches the clock meanwhile.
    fn work<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        key: (Instant, u64),
    ) -> MutexGuard<'a, State> {
        let Some(mut held) = state.due.remove(&key) else {
            return state;
        };
        let number = key.1;
        state.times.remove(&number);
        state.at_work += 1;
        let (at_work, now) = (state.at_work, Instant::now());
        state.begun = Some(now);
        state.peak.note(at_work, now);
        if !state.is_watched {
            if state.resting > 0 {
                self.0.wanted.notify_one();
            } else if let Err(error) = self.start_thread(&mut state) {
                tracing::warn!(%error, "there is no thread that could stand in for one that hangs");
            }
        }
        drop(state);
        let Ok(pause) = catch_unwind(AssertUnwindSafe(|| held.round.turn())) else {
            // Nothing would be known of the cluster any more. Nothing acknowledged is lost by ending here.
            tracing::error!("the probe of a cluster panicked; this is a bug, and forebay ends");
            std::process::abort();
        };
        if pause.is_none() {
            // It has a client, whose end may take a while.
            drop(held);
            let mut state = self.state();
            state.again.remove(&number);
            state.at_work -= 1;
            return state;
        }
        let mut state = self.state();
        state.at_work -= 1;
        let now = Instant::now();
        let at = match pause.filter(|_| !state.again.remove(&number)) {
            Some(pause) => state.beat_after(now + pause),
            None => now,
        };
        self.put(&mut state, number, at, held);
        state
    }

    /// Has a round wait until `at`.
    fn put(&self, state: &mut State, number: u64, at: Instant, held: Held) {
        state.times.insert(number, at);
        state.due.insert((at, number), held);
        if state.is_watched && state.due.keys().next() == Some(&(at, number)) {
            self.0.changed.notify_one();
        }
    }

    /// Has a round come at once.
    fn hurry(&self, number: u64) {
        let mut state = self.state();
        match state.times.get(&number).copied() {
            Some(at) => {
                if let Some(held) = state.due.remove(&(at, number)) {
                    self.put(&mut state, number, Instant::now(), held);
                }
            }
            None => drop(state.again.insert(number)),
        }
    }
}

impl Member {
    /// Has the next round come at once; if one is under way, after it.
    pub fn hurry(&self) {
        if !self.has_ended() {
            self.pool.hurry(self.number);
        }
    }

    /// Whether there won't be another round, and the last one has ended.
    pub fn has_ended(&self) -> bool {
        Arc::strong_count(&self.life) == 1
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Counts its turns; hangs while it's told to.
    #[derive(Clone, Default)]
    struct Counting {
        turns: Arc<AtomicUsize>,
        hangs: Arc<AtomicBool>,
        is_over: Arc<AtomicBool>,
        pause: Duration,
    }

    impl Round for Counting {
        fn turn(&mut self) -> Option<Duration> {
            self.turns.fetch_add(1, SeqCst);
            while self.hangs.load(SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
            (!self.is_over.load(SeqCst)).then_some(self.pause)
        }
    }

    fn counting(pause: Duration) -> Counting {
        Counting {
            pause,
            ..Counting::default()
        }
    }

    #[track_caller]
    fn eventually(what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + 20 * SECOND;
        while !holds() {
            assert!(Instant::now() < deadline, "{what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn short_rounds_of_many_need_few_threads() {
        let pool = Pool::default();
        let rounds: Vec<_> = (0..200).map(|_| counting(SECOND / 5)).collect();
        let add = |round: &Counting| pool.add(round.clone()).unwrap();
        let members: Vec<_> = rounds.iter().map(add).collect();
        let turns = |least| rounds.iter().all(|it| it.turns.load(SeqCst) >= least);
        eventually("all have turns", || turns(5));
        // Two, where each thread gets its CPU at once.
        assert!(pool.state().threads <= 20, "{}", pool.state().threads);
        for round in &rounds {
            round.is_over.store(true, SeqCst);
        }
        members.iter().for_each(Member::hurry);
        eventually("all have ended", || members.iter().all(Member::has_ended));
        eventually("no thread is left", || pool.state().threads == 0);
        let again = counting(SECOND);
        let _member = pool.add(again.clone()).unwrap();
        eventually("it begins anew", || again.turns.load(SeqCst) == 1);
    }

    #[test]
    fn rounds_that_hang_hold_up_no_others() {
        let pool = Pool::default();
        let hanging: Vec<_> = (0..30).map(|_| counting(SECOND)).collect();
        for round in &hanging {
            round.hangs.store(true, SeqCst);
        }
        let mut members: Vec<_> = hanging
            .iter()
            .map(|it| pool.add(it.clone()).unwrap())
            .collect();
        let working = counting(SECOND / 20);
        members.push(pool.add(working.clone()).unwrap());
        eventually("it has its turns", || working.turns.load(SeqCst) >= 20);
        eventually("each has a thread", || pool.state().at_work >= 30);
        for round in &hanging {
            round.hangs.store(false, SeqCst);
        }
        eventually("they go on", || {
            hanging.iter().all(|it| it.turns.load(SeqCst) >= 2)
        });
    }

    #[test]
    fn a_round_that_is_hurried_comes_at_once_and_after_the_one_under_way() {
        let pool = Pool::default();
        let round = counting(1_000 * SECOND);
        let member = pool.add(round.clone()).unwrap();
        eventually("the first one", || round.turns.load(SeqCst) == 1);
        eventually("it waits", || pool.state().at_work == 0);
        round.hangs.store(true, SeqCst);
        member.hurry();
        eventually("the second one", || round.turns.load(SeqCst) == 2);
        member.hurry();
        member.hurry();
        round.hangs.store(false, SeqCst);
        eventually("the third one", || round.turns.load(SeqCst) == 3);
        eventually("it waits", || pool.state().at_work == 0);
        assert_eq!(round.turns.load(SeqCst), 3, "once for both");
        round.is_over.store(true, SeqCst);
        member.hurry();
        eventually("it's over", || member.has_ended());
    }
}
