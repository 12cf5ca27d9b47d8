//! Watches connections for slowness: how long a request's head takes, and how long a connection rests.
//!
//! hyper's own timer for heads is made anew for each request. Here the socket notes that the first byte of a request came
//! and the service when it was answered; one timer per connection looks at that about every ten seconds. A request
//! thus costs a few atomic stores, and a connection that is too slow is closed at most one look too late: the timer
//! is set to the earliest moment at which it can have something to do. The clock is read for a head only if it didn't
//! come as a whole, which is rare: that is what [`Activity::stamp`] is for.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::peer::Peer;
use crate::budget::HeldByProcess;

/// What a connection is doing, and since when.
#[derive(Debug)]
pub struct Activity {
    start: Instant,
    /// Who is at the other end.
    peer: Peer,
    /// Requests between head and answer.
    requests: AtomicU32,
    /// When the head of a request began to arrive, in microseconds since `start` and never 0; 0 while none does, and
    /// `JUST_NOW` until it's stamped.
    head_us: AtomicU64,
    /// When the connection began to rest.
    rest_us: AtomicU64,
    /// HTTP/2: bytes between requests are pings and the like, and no head begins with them.
    is_framed: AtomicBool,
    /// HTTP/2: bytes that came.
    brought: AtomicU64,
    /// The connection is to end with what is under way.
    is_ending: AtomicBool,
    /// When the socket first took no more of what it was to write, as `head_us`; 0 when it has taken all.
    blocked_us: AtomicU64,
    /// HTTP/2: answers that are ready and not written, and since when none of them was, as `head_us`.
    untaken: AtomicU32,
    untaken_us: AtomicU64,
    /// What lists of its answers are charged, until it has ended.
    lists: Mutex<Vec<HeldByProcess>>,
    /// A request was refused whose body hadn't come as a whole.
    leaves_unread: AtomicBool,
    /// When a request was first turned away by its head, as `head_us`; 0 if none was.
    refused_us: AtomicU64,
    /// The socket, once HTTP is done with it.
    socket: Mutex<Option<TcpStream>>,
}

const JUST_NOW: u64 = u64::MAX;

/// Lists that one connection may be charged for; with more it ends, and gives them back. Some hundred of its requests had
/// events that can't be accepted.
const LISTS_BYTES: u64 = 256 * 1024;

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// A head, from its first byte on.
    pub head: Duration,
    /// Rest between requests.
    pub idle: Duration,
    /// Answers, until their client takes them.
    pub send: Duration,
}

/// Why a connection has to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slow {
    /// A head took longer than allowed.
    Head,
    /// It rested longer than allowed.
    Idle,
    /// Its client doesn't take its answers.
    Answers,
}

impl Slow {
    /// The code by which it's counted, if it costs the client a request or an answer.
    pub(super) fn code(self) -> Option<&'static str> {
        match self {
            Slow::Head => Some("head_timeout"),
            Slow::Answers => Some("answer_not_taken"),
            Slow::Idle => None,
        }
    }
}

impl Activity {
    /// Of a connection that begins.
    pub fn new(peer: Peer) -> Arc<Activity> {
        Arc::new(Activity {
            start: Instant::now(),
            peer,
            requests: AtomicU32::new(0),
            head_us: AtomicU64::new(0),
            rest_us: AtomicU64::new(1),
            is_framed: AtomicBool::new(false),
            brought: AtomicU64::new(0),
            is_ending: AtomicBool::new(false),
            blocked_us: AtomicU64::new(0),
            untaken: AtomicU32::new(0),
            untaken_us: AtomicU64::new(0),
            lists: Mutex::default(),
            leaves_unread: AtomicBool::new(false),
            refused_us: AtomicU64::new(0),
            socket: Mutex::default(),
        })
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Whether the connection is to end with what is under way.
    pub fn is_ending(&self) -> bool {
        self.is_ending.load(Relaxed)
    }

    /// The connection is to end with what is under way.
    pub fn end(&self) {
        self.is_ending.store(true, Relaxed);
    }

    /// Bytes that a connection of HTTP/2 has brought.
    pub fn brought(&self) -> u64 {
        self.brought.load(Relaxed)
    }

    /// Whether a request is under way.
    pub fn is_busy(&self) -> bool {
        self.requests.load(Relaxed) > 0
    }

    /// HTTP/2: whether an answer is ready and not written.
    pub(super) fn has_untaken(&self) -> bool {
        self.untaken.load(Relaxed) > 0
    }

    /// Whether the head of a request has begun to come and isn't complete.
    pub fn is_beginning(&self) -> bool {
        self.head_us.load(Relaxed) > 0
    }

    /// Whether a request was answered.
    pub fn has_served(&self) -> bool {
        self.rest_us.load(Relaxed) > 1
    }

    /// Whether its client may be sending what nobody has read: the rest of a body, or of a head that was refused.
    pub fn may_be_sending(&self) -> bool {
        self.leaves_unread.load(Relaxed) || self.is_beginning()
    }

    /// The connection's first bytes say that it's HTTP/2, or that it isn't. Those of HTTP/2 were no head.
    pub(super) fn begins(&self, is_framed: bool) {
        self.is_framed.store(is_framed, Relaxed);
        if is_framed {
            self.head_us.store(0, Relaxed);
        }
    }

    /// HTTP is done with the socket.
    pub(super) fn return_socket(&self, returned: Option<TcpStream>) {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        *socket = returned;
    }

    /// The socket, once HTTP is done with it.
    pub fn take_socket(&self) -> Option<TcpStream> {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        socket.take()
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

    /// So many bytes came.
    pub(super) fn bytes_came(&self, bytes: usize) {
        if self.is_framed() {
            let brought = self.brought.load(Relaxed) + bytes as u64;
            self.brought.store(brought, Relaxed);
            return;
        }
        if self.requests.load(Relaxed) == 0 && self.head_us.load(Relaxed) == 0 {
            self.head_us.store(JUST_NOW, Relaxed);
        }
    }

    /// The socket takes no more of what it's to write, or has taken all.
    pub(super) fn is_blocked(&self, blocked: bool) {
        let since = self.blocked_us.load(Relaxed);
        if blocked && since == 0 {
            self.blocked_us.store(JUST_NOW, Relaxed);
        } else if !blocked && since != 0 {
            self.blocked_us.store(0, Relaxed);
        }
    }

    /// Whether it was a connection of HTTP/2 from its first bytes on.
    pub fn is_framed(&self) -> bool {
        self.is_framed.load(Relaxed)
    }

    /// Notes the time of a head that began to arrive and isn't complete, of a socket that takes no more, and of answers that are
    /// ready. To be called whenever the connection has done what it could.
    #[inline(always)]
    pub fn stamp(&self) {
        self.stamp_at(Instant::now);
    }

    #[inline(always)]
    fn stamp_at(&self, now: impl Fn() -> Instant) {
        for stamp in [&self.head_us, &self.blocked_us, &self.untaken_us] {
            if stamp.load(Relaxed) == JUST_NOW {
                stamp.store(self.us_at(now()), Relaxed);
            }
        }
    }

    /// Whether the connection is too slow, or else after what time to look again.
    pub fn check(&self, times: &Times) -> Result<Duration, Slow> {
        self.check_at(Instant::now(), times)
    }

    fn check_at(&self, now: Instant, times: &Times) -> Result<Duration, Slow> {
        let now = self.us_at(now);
        let left = |since: u64, within: Duration| {
            let spent = Duration::from_micros(now.saturating_sub(since));
            within.checked_sub(spent).filter(|left| !left.is_zero())
        };
        let mut next = times.head.min(times.idle).min(times.send);
        for since in [&self.blocked_us, &self.untaken_us] {
            let since = since.load(Relaxed);
            if since > 0 {
                next = next.min(left(since, times.send).ok_or(Slow::Answers)?);
            }
        }
        if self.requests.load(Relaxed) > 0 {
            return Ok(next);
        }
        let head = self.head_us.load(Relaxed);
        let left = if head > 0 {
            left(head, times.head).ok_or(Slow::Head)?
        } else {
            left(self.rest_us.load(Relaxed), times.idle).ok_or(Slow::Idle)?
        };
        // While it rests, a head may begin at once and must then be looked at in time.
        Ok(left.min(next))
    }
}

/// A request between head and answer.
#[derive(Debug)]
pub struct Busy {
    activity: Arc<Activity>,
    answered: Option<Instant>,
}

impl Busy {
    /// Who is at the other end of its connection.
    pub fn peer(&self) -> &Peer {
        self.activity.peer()
    }

    /// Keeps what an answer is charged for as long as the connection lives, which may be `the_last` answer's time only. True if
    /// it's the last.
    pub fn keep(&self, held: HeldByProcess, the_last: bool) -> bool {
        let activity = &self.activity;
        let lists = activity.lists.lock();
        let mut lists = lists.unwrap_or_else(PoisonError::into_inner);
        lists.push(held);
        let all: u64 = lists.iter().map(HeldByProcess::bytes).sum();
        if the_last || all > LISTS_BYTES {
            activity.end();
        }
        activity.is_ending()
    }

    /// The answer is ready; the guard is to be dropped when it's taken.
    pub fn answer(&self) -> Untaken {
        let activity = Arc::clone(&self.activity);
        if activity.untaken.fetch_add(1, Relaxed) == 0 {
            activity.untaken_us.store(JUST_NOW, Relaxed);
        }
        Untaken(activity)
    }

    /// The request is refused, and not all of its body has been read.
    pub fn leaves_unread(&self) {
        self.activity.leaves_unread.store(true, Relaxed);
    }

    /// The request is turned away by its head, `at` this time. Whether the connection's first such request was at least `within` before.
    pub(super) fn is_refused_since(&self, at: Instant, within: Duration) -> bool {
        let (now, first) = (self.activity.us_at(at), &self.activity.refused_us);
        let since = first.load(Relaxed);
        if since == 0 {
            first.store(now, Relaxed);
            return within.is_zero();
        }
        u128::from(now.saturating_sub(since)) >= within.as_micros()
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

/// An answer that is ready and not taken.
#[derive(Debug)]
pub struct Untaken(Arc<Activity>);

impl Drop for Untaken {
    fn drop(&mut self) {
        let is_last = self.0.untaken.fetch_sub(1, Relaxed) == 1;
        let since = if is_last { 0 } else { JUST_NOW };
        self.0.untaken_us.store(since, Relaxed);
    }
}

#[cfg(test)]
mod tests;
