//! Watches connections for slowness: how long a request's head takes, and how long a connection rests.
//!
//! hyper's own timer for heads is made anew for each request. Here the socket notes that the first byte of a request came
//! and the service when it was answered; one timer per connection looks at that about every ten seconds. A request
//! thus costs a few atomic stores, and a connection that is too slow is closed at most one look too late: the timer
//! is set to the earliest moment at which it can have something to do. The clock is read for a head only if it didn't
//! come as a whole, which is rare: that is what [`Activity::stamp`] is for.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::budget::HeldByProcess;

/// What a connection is doing, and since when.
#[derive(Debug)]
pub struct Activity {
    start: Instant,
    /// Requests between head and answer.
    requests: AtomicU32,
    /// When the head of a request began to arrive, in microseconds since `start` and never 0; 0 while none does, and
    /// `JUST_NOW` until it's stamped.
    head_us: AtomicU64,
    /// When the connection began to rest.
    rest_us: AtomicU64,
    /// HTTP/2: bytes between requests are pings and the like, and no head begins with them.
    is_framed: AtomicBool,
    /// The connection is to end with what is under way.
    is_ending: AtomicBool,
    /// What its last answers are charged with, until it has ended.
    last: Mutex<Vec<HeldByProcess>>,
}

const JUST_NOW: u64 = u64::MAX;

/// Why a connection has to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slow {
    /// A head took longer than allowed.
    Head,
    /// It rested longer than allowed.
    Idle,
}

impl Activity {
    /// Of a connection that was just accepted.
    pub fn new() -> Arc<Activity> {
        Arc::new(Activity {
            start: Instant::now(),
            requests: AtomicU32::new(0),
            head_us: AtomicU64::new(0),
            rest_us: AtomicU64::new(1),
            is_framed: AtomicBool::new(false),
            is_ending: AtomicBool::new(false),
            last: Mutex::default(),
        })
    }

    /// Whether the connection is to end with what is under way.
    pub fn is_ending(&self) -> bool {
        self.is_ending.load(Relaxed)
    }

    fn us_at(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.start);
        since.as_secs() * 1_000_000 + u64::from(since.subsec_micros()) + 1
    }

    /// A head is complete. Ends with the guard.
    pub fn request(self: &Arc<Self>) -> Busy {
        self.requests.fetch_add(1, Relaxed);
        self.head_us.store(0, Relaxed);
        Busy {
            activity: Arc::clone(self),
            answered: None,
        }
    }

    fn bytes_came(&self) {
        if self.requests.load(Relaxed) == 0
            && self.head_us.load(Relaxed) == 0
            && !self.is_framed.load(Relaxed)
        {
            self.head_us.store(JUST_NOW, Relaxed);
        }
    }

    /// Notes the time of a head that began to arrive and isn't complete. To be called whenever the connection has done what
    /// it could.
    pub fn stamp(&self) {
        self.stamp_at(Instant::now);
    }

    fn stamp_at(&self, now: impl FnOnce() -> Instant) {
        if self.head_us.load(Relaxed) == JUST_NOW {
            self.head_us.store(self.us_at(now()), Relaxed);
        }
    }

    /// Whether the connection is too slow, or else after what time to look again.
    pub fn check(&self, head_within: Duration, idle_within: Duration) -> Result<Duration, Slow> {
        self.check_at(Instant::now(), head_within, idle_within)
    }

    fn check_at(
        &self,
        now: Instant,
        head_within: Duration,
        idle_within: Duration,
    ) -> Result<Duration, Slow> {
        if self.requests.load(Relaxed) > 0 {
            return Ok(head_within.min(idle_within));
        }
        let now = self.us_at(now);
        let head = self.head_us.load(Relaxed);
        let (since, within, slow) = if head > 0 {
            (head, head_within, Slow::Head)
        } else {
            (self.rest_us.load(Relaxed), idle_within, Slow::Idle)
        };
        let spent = Duration::from_micros(now.saturating_sub(since));
        match within.checked_sub(spent) {
            // While it rests, a head may begin at once and must then be looked at in time.
            Some(left) if !left.is_zero() => Ok(left.min(head_within)),
            _ => Err(slow),
        }
    }
}

/// A request between head and answer.
#[derive(Debug)]
pub struct Busy {
    activity: Arc<Activity>,
    answered: Option<Instant>,
}

impl Busy {
    /// The answer is the connection's last, and `held` for as long as the connection lives.
    pub fn end_connection(&self, held: HeldByProcess) {
        let activity = &self.activity;
        let mut last = activity.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.push(held);
        activity.is_ending.store(true, Relaxed);
    }

    /// Ends, with the answer ready `at` this time.
    pub fn end(mut self, at: Instant) {
        self.answered = Some(at);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let answered = self.answered.unwrap_or_else(Instant::now);
        let activity = &self.activity;
        activity.rest_us.store(activity.us_at(answered), Relaxed);
        activity.requests.fetch_sub(1, Relaxed);
    }
}

/// A socket that notes when bytes come.
#[derive(Debug)]
pub struct Watched<S> {
    socket: S,
    activity: Arc<Activity>,
    has_begun: bool,
}

impl<S> Watched<S> {
    /// Watches `socket`.
    pub fn new(socket: S, activity: Arc<Activity>) -> Watched<S> {
        Watched {
            socket,
            activity,
            has_begun: false,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buffer);
        if let Some(came @ [_, ..]) = buffer.filled().get(before..) {
            if !self.has_begun {
                self.has_begun = true;
                // A client that sends even the preface in drops is watched like any other.
                self.activity
                    .is_framed
                    .store(came.starts_with(b"PRI "), Relaxed);
            }
            self.activity.bytes_came();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_slow_head_and_a_long_rest_are_told_apart() {
        let activity = Activity::new();
        let at = |ms: u32| activity.start + ms * MS;
        let check = |ms| activity.check_at(at(ms), 20 * MS, 60 * MS);
        assert_eq!(check(10), Ok(20 * MS), "a head may begin at once");
        activity.bytes_came();
        activity.stamp_at(|| at(10));
        assert!(check(29).is_ok());
        activity.bytes_came();
        activity.stamp_at(|| at(29));
        assert_eq!(check(30), Err(Slow::Head), "further bytes don't buy time");
        activity.request().end(at(40));
        assert!(check(99).is_ok());
        assert_eq!(check(100), Err(Slow::Idle));
    }

    #[test]
    fn a_head_that_came_as_a_whole_begins_nothing() {
        let activity = Activity::new();
        let at = |ms: u32| activity.start + ms * MS;
        activity.bytes_came();
        activity.request().end(at(10));
        activity.stamp_at(|| at(10));
        assert!(activity.check_at(at(40), 20 * MS, 60 * MS).is_ok());
    }

    #[test]
    fn a_connection_that_waits_for_its_answer_is_not_slow() {
        let activity = Activity::new();
        let at = |ms: u32| activity.start + ms * MS;
        let busy = activity.request();
        assert!(activity.check_at(at(1000), 10 * MS, 10 * MS).is_ok());
        busy.end(at(1000));
        assert!(activity.check_at(at(1009), 10 * MS, 10 * MS).is_ok());
    }
}
