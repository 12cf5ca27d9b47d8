//! How much may come in a second: the one rate limiter of the program, for streams and owners alike.
//!
//! A [`Limiter`] holds a rate of events, a rate of bytes, or both, each with a burst. Who has no rate has no limiter: `None`
//! costs a comparison. A limiter never changes; a reload makes the [next](Limiter::next) one, which goes on at the same level.
//!
//! - Events and bytes are taken together or not at all. A refusal says when they would be taken, if nobody else comes.
//! - [`Taken`] gives back what it took when it's dropped, unless it was kept: what isn't taken in the end uses nothing up.
//! - A request that alone is more than a burst is taken when nothing else is owed.
//! - Nothing here locks, waits, or reads a clock: time is passed in, as the time since any fixed moment.

mod bucket;
pub mod settings;

use std::sync::Arc;
use std::time::Duration;

use self::bucket::Bucket;
pub use self::settings::Settings;

/// Events and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many events.
    pub events: u32,
    /// Their bytes, with their keys, uncompressed.
    pub bytes: u64,
}

impl Amount {
    /// The part that so many of the events are, if all have the same size.
    pub fn part(self, events: u32) -> Amount {
        let bytes = u128::from(self.bytes) * u128::from(events) / u128::from(self.events.max(1));
        Amount {
            events,
            bytes: bytes as u64,
        }
    }
}

impl std::ops::Add for Amount {
    type Output = Amount;

    fn add(self, other: Amount) -> Amount {
        Amount {
            events: self.events + other.events,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// What there's too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// More events than the rate allows.
    Events,
    /// More bytes than the rate allows.
    Bytes,
}

/// More than the rate allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// What has to be waited for longer.
    pub what: What,
    /// After what time it would be taken, if nobody else comes.
    pub wait: Duration,
}

/// A rate, and how much of it is used.
#[derive(Debug)]
pub struct Limiter {
    settings: Settings,
    events: Option<Bucket>,
    bytes: Option<Bucket>,
}

impl Limiter {
    /// A limiter of which nothing is used; `None` if there's no rate.
    pub fn new(settings: Settings) -> Option<Arc<Limiter>> {
        Limiter::next(settings, None, Duration::ZERO)
    }

    /// The limiter that comes after `before`. It's the same one if the rate is the same. Else each burst is used as far as it was, in
    /// proportion: a change of a rate neither gives a burst away nor takes one.
    pub fn next(
        settings: Settings,
        before: Option<&Arc<Limiter>>,
        now: Duration,
    ) -> Option<Arc<Limiter>> {
        if let Some(before) = before.filter(|before| before.settings == settings) {
            return Some(Arc::clone(before));
        }
        if settings.is_none() {
            return None;
        }
        let now_ns = nanoseconds(now);
        let events = before.and_then(|before| before.events.as_ref());
        let bytes = before.and_then(|before| before.bytes.as_ref());
        Some(Arc::new(Limiter {
            settings,
            events: Bucket::next(settings.events(), events, now_ns),
            bytes: Bucket::next(settings.bytes(), bytes, now_ns),
        }))
    }

    /// What it was made of.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Takes an amount, or says what there's too much of and after what time it would be taken.
    pub fn take(&self, amount: Amount, now: Duration) -> Result<Taken<'_>, Over> {
        let now_ns = nanoseconds(now);
        let (events, bytes) = (u64::from(amount.events), amount.bytes);
        if let Err(wait_ns) = take(&self.events, events, now_ns) {
            let of_bytes = self.bytes.as_ref();
            let of_bytes_ns = of_bytes.map_or(0, |bucket| bucket.wait_ns(bytes, now_ns));
            return Err(over(wait_ns, of_bytes_ns));
        }
        if let Err(wait_ns) = take(&self.bytes, bytes, now_ns) {
            give_back(&self.events, events);
            return Err(over(0, wait_ns));
        }
        Ok(Taken {
            limiter: self,
            amount,
        })
    }

    /// Gives back what was kept for events that were refused after all: their client sends them again.
    pub fn give_back(&self, amount: Amount) {
        give_back(&self.events, u64::from(amount.events));
        give_back(&self.bytes, amount.bytes);
    }
}

fn nanoseconds(time: Duration) -> u64 {
    time.as_nanos() as u64
}

fn take(bucket: &Option<Bucket>, amount: u64, now_ns: u64) -> Result<(), u64> {
    match bucket {
        Some(bucket) => bucket.take(amount, now_ns),
        None => Ok(()),
    }
}

fn give_back(bucket: &Option<Bucket>, amount: u64) {
    if let Some(bucket) = bucket {
        bucket.give_back(amount);
    }
}

fn over(events_ns: u64, bytes_ns: u64) -> Over {
    let what = match events_ns >= bytes_ns {
        true => What::Events,
        false => What::Bytes,
    };
    Over {
        what,
        wait: Duration::from_nanos(events_ns.max(bytes_ns)),
    }
}

/// A request's part of a rate. Dropping it gives it back: a request that isn't taken uses nothing up.
#[derive(Debug)]
#[must_use = "dropping it gives it back"]
pub struct Taken<'a> {
    limiter: &'a Limiter,
    amount: Amount,
}

impl Taken<'_> {
    /// The events were taken: their part is used.
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.limiter.give_back(self.amount);
    }
}

#[cfg(test)]
mod tests;
