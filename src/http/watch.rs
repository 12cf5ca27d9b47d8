//! Watches connections for slowness: how long a request's head takes, and how long a connection rests.
//!
//! hyper's own timer for heads is made anew for each request. Here the socket notes when the first byte of a request came
//! and the service when it was answered; one timer per connection looks at that about every ten seconds. A request
//! thus costs a few atomic stores, and a connection that is too slow is closed at most one look too late: the timer
//! is set to the earliest moment at which it can have something to do.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a connection is doing, and since when.
#[derive(Debug)]
pub struct Activity {
    start: Instant,
    /// Requests between head and answer.
    requests: AtomicU32,
    /// When the head of a request began to arrive, in microseconds since `start` and never 0; 0 while none does.
    head_us: AtomicU64,
    /// When the connection began to rest.
    rest_us: AtomicU64,
    /// HTTP/2: bytes between requests are pings and the like, and no head begins with them.
    is_framed: AtomicBool,
}

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
        })
    }

    fn now_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64 + 1
    }

    /// A head is complete. Ends with the guard.
    pub fn request(self: &Arc<Self>) -> Busy {
        self.requests.fetch_add(1, Relaxed);
        self.head_us.store(0, Relaxed);
        Busy(Arc::clone(self))
    }

    fn bytes_came(&self) {
        if self.requests.load(Relaxed) == 0
            && self.head_us.load(Relaxed) == 0
            && !self.is_framed.load(Relaxed)
        {
            self.head_us.store(self.now_us(), Relaxed);
        }
    }

    /// Whether the connection is too slow, or else after what time to look again.
    pub fn check(&self, head_within: Duration, idle_within: Duration) -> Result<Duration, Slow> {
        if self.requests.load(Relaxed) > 0 {
            return Ok(head_within.min(idle_within));
        }
        let now = self.now_us();
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
pub struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.rest_us.store(self.0.now_us(), Relaxed);
        self.0.requests.fetch_sub(1, Relaxed);
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
        assert!(activity.check(20 * MS, 60 * MS).is_ok());
        activity.bytes_came();
        std::thread::sleep(30 * MS);
        activity.bytes_came();
        assert_eq!(
            activity.check(20 * MS, 60 * MS),
            Err(Slow::Head),
            "further bytes don't buy time"
        );
        drop(activity.request());
        assert!(activity.check(20 * MS, 60 * MS).is_ok());
        std::thread::sleep(70 * MS);
        assert_eq!(activity.check(20 * MS, 60 * MS), Err(Slow::Idle));
    }

    #[test]
    fn a_connection_that_waits_for_its_answer_is_not_slow() {
        let activity = Activity::new();
        let busy = activity.request();
        std::thread::sleep(30 * MS);
        assert!(activity.check(10 * MS, 10 * MS).is_ok());
        drop(busy);
        assert!(activity.check(10 * MS, 10 * MS).is_ok());
    }
}
