//! When requests are due. Pure: time is passed in.

use std::time::Duration;

use humantime::parse_duration;

/// So many times the rate, for so long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spike {
    times: f64,
    length: Duration,
}

/// The rate over time.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    rate: (f64, f64),
    steps: Option<u32>,
    /// Factor, from, to; in seconds.
    spike: Option<(f64, f64, f64)>,
    seconds: f64,
}

impl Profile {
    /// `rate` is in events per second, at the start and the end.
    pub(super) fn new(
        rate: (f64, f64),
        steps: Option<u32>,
        spike: Option<Spike>,
        duration: Duration,
    ) -> Profile {
        let seconds = duration.as_secs_f64();
        let spike = spike.map(|spike| {
            let length = spike.length.as_secs_f64().min(seconds);
            let from = (seconds - length) / 2.0;
            (spike.times, from, from + length)
        });
        Profile {
            rate,
            steps,
            spike,
            seconds,
        }
    }

    /// Events per second at a time, in seconds after the start.
    pub(super) fn rate(&self, at: f64) -> f64 {
        let mut part = at / self.seconds;
        if let Some(steps) = self.steps.filter(|steps| *steps > 1) {
            let step = (part * f64::from(steps)).floor();
            part = step / f64::from(steps - 1);
        }
        let (from, to) = self.rate;
        let rate = from + (to - from) * part.min(1.0);
        match self.spike {
            Some((times, begin, end)) if (begin..end).contains(&at) => rate * times,
            _ => rate,
        }
    }

    /// When `events` more are due after a time at which some were; `None` after the end.
    pub(super) fn next(&self, at: f64, events: f64) -> Option<f64> {
        // By the rate in the middle of the interval. A spike's edge is met exactly, a step's at most one interval late.
        let after = |rate: f64| at + events / rate.max(1e-3);
        let guess = after(self.rate(at));
        let next = after(self.rate((at + guess.min(self.seconds)) / 2.0));
        let edge = self.spike.map_or(f64::INFINITY, |(_, begin, _)| {
            if at < begin { begin } else { f64::INFINITY }
        });
        let next = next.min(edge);
        (next < self.seconds).then_some(next)
    }
}

/// `1000` or `1000..50000`.
pub(super) fn parse_rate(text: &str) -> Result<(f64, f64), String> {
    let number = |text: &str| {
        text.parse::<f64>()
            .ok()
            .filter(|rate| *rate > 0.0 && rate.is_finite())
            .ok_or_else(|| {
                format!(
                    "{text:?} is not a rate: write events per second, such as 1000 or 1000..50000"
                )
            })
    };
    match text.split_once("..") {
        Some((from, to)) => Ok((number(from)?, number(to)?)),
        None => number(text).map(|rate| (rate, rate)),
    }
}

/// `10x30s`.
pub(super) fn parse_spike(text: &str) -> Result<Spike, String> {
    let parts = text.split_once('x').and_then(|(times, length)| {
        let times = times.parse::<f64>().ok().filter(|times| *times > 0.0)?;
        Some(Spike {
            times,
            length: parse_duration(length).ok()?,
        })
    });
    parts.ok_or_else(|| {
        format!("{text:?} is not a spike: write 10x30s for ten times the rate during 30 s")
    })
}

/// `400` or `300..2000`.
pub(super) fn parse_sizes(text: &str) -> Result<(usize, usize), String> {
    let number = |text: &str| {
        text.parse::<usize>()
            .map_err(|_| format!("{text:?} is not a size in bytes"))
    };
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let (from, to) = (number(from)?, number(to)?);
    if from > to {
        return Err(format!("{from} is more than {to}"));
    }
    Ok((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(profile: &Profile) -> usize {
        let mut at = 0.0;
        let mut count = 1;
        while let Some(next) = profile.next(at, 1.0) {
            at = next;
            count += 1;
        }
        count
    }

    #[test]
    fn as_many_are_due_as_the_rate_says() {
        let ten = Duration::from_secs(10);
        let steady = Profile::new((100.0, 100.0), None, None, ten);
        assert!((999..=1001).contains(&count(&steady)));
        let ramp = Profile::new((10.0, 190.0), None, None, ten);
        assert!((980..=1020).contains(&count(&ramp)), "{}", count(&ramp));
        let spike = parse_spike("10x2s").unwrap();
        let spike = Profile::new((100.0, 100.0), None, Some(spike), ten);
        assert!((2790..=2810).contains(&count(&spike)), "{}", count(&spike));
    }

    #[test]
    fn steps_begin_at_the_first_rate_and_end_at_the_last() {
        let steps = Profile::new((100.0, 300.0), Some(3), None, Duration::from_secs(30));
        let rates = [0.0, 9.9, 10.1, 20.1, 29.9].map(|at| steps.rate(at));
        assert_eq!(rates, [100.0, 100.0, 200.0, 300.0, 300.0]);
    }
}
