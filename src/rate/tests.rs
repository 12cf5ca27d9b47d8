//! Single cases, and any sequence of acts against a model that counts in whole units.

use std::sync::atomic::{AtomicU64, Ordering::*};

use bytesize::ByteSize;
use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn events(events: u32) -> Amount {
    Amount { events, bytes: 0 }
}

fn per_second(events: u32) -> Arc<Limiter> {
    Limiter::new(Settings::of_events(events)).unwrap()
}

/// Takes events for good.
fn take(limiter: &Limiter, count: u32, now: Duration) -> Result<(), Duration> {
    take_both(limiter, events(count), now).map_err(|over| over.wait)
}

fn take_both(limiter: &Limiter, amount: Amount, now: Duration) -> Result<(), Over> {
    limiter.take(amount, now).map(Taken::keep)
}

#[test]
fn what_is_not_kept_goes_back() {
    let quota = per_second(1_000);
    for _ in 0..10 {
        drop(quota.take(events(1_000), 5 * MS).unwrap());
    }
    assert_eq!(take(&quota, 600, 5 * MS), Ok(()));
    // Of what others owe nothing is given back.
    drop(quota.take(events(400), 5 * MS).unwrap());
    assert_eq!(take(&quota, 401, 5 * MS), Err(MS));
    quota.give_back(events(600));
    assert_eq!(take(&quota, 1_000, 5 * MS), Ok(()));
    assert_eq!(take(&quota, 1, 5 * MS), Err(MS));
    // Nothing is earned by giving back late.
    quota.give_back(events(1_000));
    assert_eq!(take(&quota, 1_000, 5_000 * MS), Ok(()));
    assert_eq!(take(&quota, 1, 5_000 * MS), Err(MS));
}

#[test]
fn a_second_of_events_passes_at_once_and_then_only_the_rate() {
    let quota = per_second(1_000);
    assert_eq!(take(&quota, 1_000, 5 * MS), Ok(()));
    assert_eq!(take(&quota, 100, 5 * MS), Err(100 * MS));
    assert_eq!(take(&quota, 100, 104 * MS), Err(MS));
    assert_eq!(take(&quota, 100, 105 * MS), Ok(()));
}

#[test]
fn a_large_batch_waits_until_nothing_is_owed_and_then_passes() {
    let quota = per_second(100);
    assert_eq!(take(&quota, 50, MS), Ok(()));
    assert_eq!(take(&quota, 500, MS), Err(500 * MS));
    assert_eq!(take(&quota, 500, 501 * MS), Ok(()));
    assert_eq!(take(&quota, 1, 501 * MS), Err(4_010 * MS));
}

#[test]
fn without_a_rate_there_is_no_limiter() {
    assert!(Limiter::new(Settings::default()).is_none());
    let before = per_second(1);
    assert!(Limiter::next(Settings::default(), Some(&before), MS).is_none());
}

const BOTH: Settings = Settings {
    events: 1_000,
    events_burst: 10,
    bytes: ByteSize(1_000_000),
    bytes_burst: ByteSize(50_000),
};

#[test]
fn events_and_bytes_are_taken_together_or_not_at_all() {
    let both = Limiter::new(BOTH).unwrap();
    let amount = |events, bytes| Amount { events, bytes };
    assert_eq!(take_both(&both, amount(1, 50_000), MS), Ok(()));
    let too_many_bytes = Over {
        what: What::Bytes,
        wait: 2 * MS,
    };
    for _ in 0..100 {
        assert_eq!(take_both(&both, amount(1, 2_000), MS), Err(too_many_bytes));
    }
    // What was refused for its bytes has used no events.
    assert_eq!(take_both(&both, amount(9, 0), MS), Ok(()));
    // The longer wait is told, whatever is refused first.
    assert_eq!(take_both(&both, amount(1, 2_000), MS), Err(too_many_bytes));
    let too_many_events = Over {
        what: What::Events,
        wait: 5 * MS,
    };
    assert_eq!(take_both(&both, amount(5, 2_000), MS), Err(too_many_events));
    assert_eq!(take_both(&both, amount(5, 2_000), 6 * MS), Ok(()));
}

#[test]
fn a_part_of_an_amount_has_its_part_of_the_bytes() {
    let all = Amount {
        events: 3,
        bytes: 1_000,
    };
    assert_eq!(all.part(3), all);
    assert_eq!(all.part(1).bytes, 333);
    assert_eq!(all.part(0), Amount::default());
    assert_eq!(Amount::default().part(0), Amount::default());
}

#[test]
fn another_rate_goes_on_at_the_same_level() {
    let now = 7_000 * MS;
    let of = |events, events_burst| Settings {
        events,
        events_burst,
        ..Settings::default()
    };
    let slow = Limiter::new(of(100, 200)).unwrap();
    let same = Limiter::next(of(100, 200), Some(&slow), now).unwrap();
    assert!(Arc::ptr_eq(&slow, &same));

    // Half of the burst is used, and so half of the next.
    assert_eq!(take(&slow, 100, now), Ok(()));
    let fast = Limiter::next(of(1_000, 500), Some(&slow), now).unwrap();
    assert_eq!(take(&fast, 251, now), Err(MS));
    assert_eq!(take(&fast, 250, now), Ok(()));
    // All is used, and whoever waits waits by the new rate.
    let slower = Limiter::next(of(10, 20), Some(&fast), now).unwrap();
    assert_eq!(take(&slower, 1, now), Err(100 * MS));
    assert_eq!(take(&slower, 1, now + 100 * MS), Ok(()));
    // A rate of another kind begins with a whole burst.
    let of_bytes = Settings {
        bytes: ByteSize(1_000),
        ..of(10, 20)
    };
    let both = Limiter::next(of_bytes, Some(&slower), now + 100 * MS).unwrap();
    let bytes = Amount {
        events: 0,
        bytes: 1_000,
    };
    assert_eq!(take_both(&both, bytes, now + 100 * MS), Ok(()));
    assert_eq!(take(&both, 1, now + 100 * MS), Err(100 * MS));
}

#[test]
fn the_largest_amounts_and_rates_do_not_overflow() {
    let largest = Settings {
        events: u32::MAX,
        events_burst: u32::MAX,
        bytes: ByteSize(u64::MAX),
        bytes_burst: ByteSize(u64::MAX),
    };
    let limiter = Limiter::new(largest).unwrap();
    let all = Amount {
        events: u32::MAX,
        bytes: u64::MAX,
    };
    assert_eq!(take_both(&limiter, all, MS), Ok(()));
    assert!(take_both(&limiter, all, MS).is_err());
    let slowest = Settings {
        events: 1,
        bytes: ByteSize(1),
        ..Settings::default()
    };
    let next = Limiter::next(slowest, Some(&limiter), MS).unwrap();
    assert!(take_both(&next, all, MS).is_err());
    let limiter = Limiter::new(slowest).unwrap();
    assert_eq!(take_both(&limiter, all, MS), Ok(()));
    assert!(take_both(&limiter, all, MS).is_err());
}

#[test]
fn what_is_wrong_with_settings_is_told_by_field() {
    let fields = |settings: Settings| {
        let wrong = settings.check().into_iter();
        wrong.map(|(field, _)| field).collect::<Vec<_>>()
    };
    assert_eq!(fields(BOTH), [""; 0]);
    assert_eq!(fields(Settings::default()), [""; 0]);
    let bursts_alone = Settings {
        events: 0,
        bytes: ByteSize(0),
        ..BOTH
    };
    assert_eq!(fields(bursts_alone), ["events_burst", "bytes_burst"]);
    let endless = Settings {
        events_burst: 3_600_001,
        bytes: ByteSize::tib(2),
        ..BOTH
    };
    assert_eq!(fields(endless), ["events_burst", "bytes"]);
}

/// What many threads take at once is never more than the burst and the rate give.
#[test]
fn threads_together_get_no_more_than_the_rate_and_lose_nothing_of_it() {
    const EACH: u64 = 20_000;
    let settings = Settings {
        events: 1_000_000,
        events_burst: 5_000,
        bytes: ByteSize(3_000_000),
        bytes_burst: ByteSize(15_000),
    };
    let limiter = Limiter::new(settings).unwrap();
    // A clock that all advance: one microsecond, one event, for each try.
    let (clock_us, taken) = (AtomicU64::new(1), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let (limiter, clock_us, taken) = (&limiter, &clock_us, &taken);
            scope.spawn(move || {
                for turn in 0..EACH {
                    let now = Duration::from_micros(clock_us.fetch_add(1, Relaxed));
                    let amount = Amount {
                        events: 4,
                        bytes: 12,
                    };
                    let Ok(got) = limiter.take(amount, now) else {
                        continue;
                    };
                    match (thread + turn) % 3 {
                        0 => drop(got),
                        1 => {
                            got.keep();
                            limiter.give_back(amount.part(2));
                            taken.fetch_add(2, Relaxed);
                        }
                        _ => {
                            got.keep();
                            taken.fetch_add(4, Relaxed);
                        }
                    }
                }
            });
        }
    });
    let (most, taken) = (5_000 + 4 * EACH, taken.into_inner());
    assert!(taken <= most, "{taken} of {most}");
    // Twice as many were asked for, and half of that was given back: whoever loses what is given back falls short.
    assert!(taken >= most - 100, "{taken} of {most}");
}

#[derive(Clone, Debug)]
enum Act {
    Pass(u64),
    Take { events: u32, bytes: u64 },
    TakeAndDrop { events: u32, bytes: u64 },
    TakeAndGiveBack { events: u32, bytes: u64 },
}

fn act() -> impl Strategy<Value = Act> {
    let amount = || (0..30u32, 0..3_000u64);
    prop_oneof![
        (0..40u64).prop_map(Act::Pass),
        amount().prop_map(|(events, bytes)| Act::Take { events, bytes }),
        amount().prop_map(|(events, bytes)| Act::TakeAndDrop { events, bytes }),
        amount().prop_map(|(events, bytes)| Act::TakeAndGiveBack { events, bytes }),
    ]
}

/// A tank of what is owed, which runs out evenly: in units × milliseconds per second, so that nothing is rounded.
struct Tank {
    per_second: u64,
    burst: u64,
    owed: u64,
}

impl Tank {
    fn pass(&mut self, ms: u64) {
        self.owed = self.owed.saturating_sub(ms * self.per_second);
    }

    fn after(&self, ms: u64) -> Tank {
        let mut tank = Tank { ..*self };
        tank.pass(ms);
        tank
    }

    fn fits(&self, units: u64) -> bool {
        self.owed == 0 || self.owed + units * 1_000 <= self.burst * 1_000
    }

    /// Milliseconds until it fits, rounded up.
    fn wait_ms(&self, units: u64) -> u64 {
        let room = (self.burst * 1_000).saturating_sub(units * 1_000);
        self.owed.saturating_sub(room).div_ceil(self.per_second)
    }
}

proptest! {
    #[test]
    fn any_sequence_is_taken_as_the_model_takes_it(acts in proptest::collection::vec(act(), 1..200)) {
        // Rates of which each unit costs whole microseconds.
        let settings = Settings {
            events: 500,
            events_burst: 40,
            bytes: ByteSize(50_000),
            bytes_burst: ByteSize(4_000),
        };
        let limiter = Limiter::new(settings).unwrap();
        let tank = |per_second, burst| Tank { per_second, burst, owed: 0 };
        let (mut events, mut bytes) = (tank(500, 40), tank(50_000, 4_000));
        let mut now_ms = 1;
        for act in acts {
            let now = Duration::from_millis(now_ms);
            let (amount, is_kept) = match act {
                Act::Pass(ms) => {
                    now_ms += ms;
                    events.pass(ms);
                    bytes.pass(ms);
                    continue;
                }
                Act::Take { events, bytes } => (Amount { events, bytes }, true),
                Act::TakeAndDrop { events, bytes } | Act::TakeAndGiveBack { events, bytes } =>
                    (Amount { events, bytes }, false),
            };
            let given_back = matches!(act, Act::TakeAndGiveBack { .. });
            let (of_events, of_bytes) = (u64::from(amount.events), amount.bytes);
            let fits = events.fits(of_events) && bytes.fits(of_bytes);
            match limiter.take(amount, now) {
                Ok(taken) => {
                    prop_assert!(fits, "{amount:?} is taken");
                    if is_kept {
                        events.owed += of_events * 1_000;
                        bytes.owed += of_bytes * 1_000;
                        taken.keep();
                    } else if given_back {
                        taken.keep();
                        limiter.give_back(amount);
                    }
                }
                Err(over) => {
                    prop_assert!(!fits, "{amount:?} is refused");
                    let wait_ms = events.wait_ms(of_events).max(bytes.wait_ms(of_bytes));
                    let told_ms = over.wait.as_micros().div_ceil(1_000) as u64;
                    prop_assert_eq!(told_ms, wait_ms);
                    // It's honest: then it fits, and a moment before it doesn't.
                    let fits_after = |ms| events.after(ms).fits(of_events) && bytes.after(ms).fits(of_bytes);
                    prop_assert!(fits_after(wait_ms) && !fits_after(wait_ms - 1));
                }
            }
        }
    }
}
