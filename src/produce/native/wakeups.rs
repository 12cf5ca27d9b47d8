//! Brokers' threads wake once for many answers, and don't interrupt other threads when they wake.
//!
//! Kafka answers the requests of a connection one after the other, and librdkafka sends one request per partition. Its thread would
//! wake for each answer, look at every partition, and sleep again, at a cost that grows with the square of the partitions. But
//! the worker reads reports on its tick of about 1 ms, and until then nobody needs the answers.
//!
//! So each socket has a low-water mark (`SO_RCVLOWAT`, socket(7)): the kernel doesn't tell of data before there is as much as the
//! answers that are under way will have. Requests and answers are counted by interceptors, on the broker's thread.
//! What comes to less than that is fetched by the worker ([`Sockets::fetch`]): it takes the mark from a socket that
//! nothing was read from for a tick. The end of a connection is told of at once, whatever the mark.
//!
//! - An answer counts as much as the smallest so far on its connection, so that a mark is too low rather than too high.
//! - While a request of another kind is under way (metadata, a producer's id, authentication) there is no mark.
//! - An error begins the count anew. If it's too low then, the thread wakes too often; if it were too high, the worker fetches.
//! - Two threads set marks: the broker's, and the worker that takes them away. What we believe and what the kernel has are set
//!   under one lock. Without it the worker's "none" could be overtaken by the broker's mark, which nobody would take away then:
//!   answers would lie at the socket until the next request.
//! - `answers = "each"` in a cluster's settings switches marks off.
//! - The number of a closed socket may belong to something else when the mark is taken from it. Only the default is set
//!   then, which nothing else in this process changes.
//!
//! And these threads get the scheduling policy `SCHED_BATCH` (sched(7)): one that wakes waits for its turn instead of interrupting
//! another on the same CPU. Else it interrupts the worker after each lane's batch, and sends one request at a time. Where a
//! CPU is idle it changes nothing.
//!
//! A client has two threads that do next to nothing and look at the time once a second: its main one, and that of a broker which librdkafka
//! keeps for itself. They may wake [`SLACK_NS`] late, so that those of many clients wake together: a CPU that sleeps wakes once for all of
//! them. What others have for them wakes them at once all the same.
//!
//! `benches/DECISIONS.md` has what marks and policy gave, and what was tried and dropped.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::num::NonZeroU64;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering::*};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rdkafka::bindings as sys;
use rdkafka::types::{RDKafka, RDKafkaRespErr};

/// Keys of requests (<https://kafka.apache.org/protocol#protocol_api_keys>).
pub(super) const PRODUCE: i16 = 0;
/// The first request of every connection.
const API_VERSIONS: i16 = 18;
/// Length and correlation id of an answer, which librdkafka doesn't count as its size.
const ANSWER_HEAD: usize = 8;
/// How late a thread may wake that only looks at the time, in nanoseconds (`PR_SET_TIMERSLACK`, prctl(2)): 50 ms. What it has by the clock
/// is measured in seconds, or tried again anyway.
const SLACK_NS: u64 = 50_000_000;
/// How the name of the thread ends that librdkafka keeps for itself.
const INTERNAL: &[u8] = b"/internal";
/// The kernel's default mark, in bytes: none.
const NO_MARK: c_int = 1;

/// The connections of one client, as its worker sees them.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    all: Mutex<Vec<Weak<Socket>>>,
    is_off: AtomicBool,
}

impl Sockets {
    /// Has the threads read what lies at their sockets, if they have read nothing since the last call.
    pub(super) fn fetch(&self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|socket| {
            let Some(socket) = socket.upgrade() else {
                return false;
            };
            let moves = socket.moves.load(Relaxed);
            if socket.seen.swap(moves, Relaxed) == moves {
                socket.set_mark(NO_MARK);
            }
            true
        });
    }

    /// From now on there are no marks.
    pub(super) fn switch_off(&self) {
        self.is_off.store(true, SeqCst);
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let all = all.iter().filter_map(Weak::upgrade);
        all.for_each(|socket| socket.set_mark(NO_MARK));
    }

    fn add(&self) -> Arc<Socket> {
        let socket = Arc::new(Socket::default());
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::downgrade(&socket));
        socket
    }
}

/// The socket of a broker's thread.
#[derive(Debug, Default)]
struct Socket {
    fd: AtomicI32,
    /// Bytes; what was set last. Changed under `setting` only.
    mark: AtomicI32,
    /// Held while kernel and `mark` don't agree. Free but for a worker that has waited a tick for this socket.
    setting: Mutex<()>,
    /// Grows when the thread reads an answer, and when it begins to wait for some.
    moves: AtomicU32,
    /// How much that was when the worker last looked.
    seen: AtomicU32,
}

impl Socket {
    fn set_mark(&self, mark: c_int) {
        if self.mark.load(Acquire) == mark {
            return;
        }
        let _setting = self.setting.lock().unwrap_or_else(PoisonError::into_inner);
        self.mark.store(mark, Release);
        #[cfg(test)]
        std::thread::yield_now();
        // SAFETY: the value lives during the call; a descriptor that isn't a socket's is refused.
        let _: c_int = unsafe {
            libc::setsockopt(
                self.fd.load(Acquire),
                libc::SOL_SOCKET,
                libc::SO_RCVLOWAT,
                (&raw const mark).cast(),
                size_of::<c_int>() as libc::socklen_t,
            )
        };
    }
}

/// What a broker's thread knows of its connection.
#[derive(Debug)]
struct Connection {
    socket: Arc<Socket>,
    /// Requests to produce that aren't answered.
    produces: u32,
    /// Other requests that aren't answered.
    others: u32,
    /// Bytes of the smallest answer to a request to produce; 0 before the first.
    smallest: usize,
}

impl Connection {
    fn new(socket: Arc<Socket>) -> Connection {
        Connection {
            socket,
            produces: 0,
            others: 0,
            smallest: 0,
        }
    }

    fn requested(&mut self, fd: c_int, api_key: i16) {
        if api_key == API_VERSIONS || self.socket.fd.load(Relaxed) != fd {
            *self = Connection::new(Arc::clone(&self.socket));
            let setting = &self.socket.setting;
            let _setting = setting.lock().unwrap_or_else(PoisonError::into_inner);
            self.socket.fd.store(fd, Release);
            self.socket.mark.store(NO_MARK, Release);
        }
        if api_key != PRODUCE {
            self.others += 1;
            return self.socket.set_mark(NO_MARK);
        }
        self.produces += 1;
        if self.produces == 1 {
            self.socket.moves.fetch_add(1, Relaxed);
        }
        // A call to the kernel for each would cost more than waking twice.
        if self.produces.is_power_of_two() {
            self.socket.set_mark(self.mark());
        }
    }

    /// An answer of `size` bytes was read; none, if there was an error instead.
    fn answered(&mut self, api_key: i16, size: Option<usize>) {
        self.socket.moves.fetch_add(1, Relaxed);
        match size {
            None => (self.produces, self.others) = (0, 0),
            Some(size) if api_key == PRODUCE => {
                let size = size + ANSWER_HEAD;
                self.produces = self.produces.saturating_sub(1);
                self.smallest = match self.smallest {
                    0 => size,
                    smallest => smallest.min(size),
                };
            }
            Some(_) => self.others = self.others.saturating_sub(1),
        }
        let (set, mark) = (self.socket.mark.load(Relaxed), self.mark());
        if set == NO_MARK || mark <= set / 2 {
            self.socket.set_mark(mark);
        }
    }

    fn mark(&self) -> c_int {
        if self.others > 0 {
            return NO_MARK;
        }
        let bytes = self.smallest * self.produces as usize;
        c_int::try_from(bytes).unwrap_or(c_int::MAX).max(NO_MARK)
    }
}

thread_local! {
    static CONNECTION: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

/// Adds the interceptors of this module.
///
/// # Safety
/// To be called while the client is being made, with sockets that live longer than the client.
pub(super) unsafe fn add(rk: *mut RDKafka, sockets: &Sockets) {
    let (name, none) = (c"wakeups".as_ptr(), null_mut());
    let sockets: *const Sockets = sockets;
    let sockets = sockets.cast_mut().cast();
    // SAFETY: the caller's promise.
    unsafe {
        sys::rd_kafka_interceptor_add_on_thread_start(rk, name, Some(on_thread_start), none);
        sys::rd_kafka_interceptor_add_on_request_sent(rk, name, Some(on_request), sockets);
        sys::rd_kafka_interceptor_add_on_response_received(rk, name, Some(on_answer), sockets);
    }
}

/// The sockets that an interceptor was added with.
///
/// # Safety
/// The client is calling.
unsafe fn sockets_of<'a>(sockets: *mut c_void) -> Option<&'a Sockets> {
    // SAFETY: they are from `add`, and live longer than the client.
    let sockets = unsafe { sockets.cast_const().cast::<Sockets>().as_ref() };
    sockets.filter(|sockets| !sockets.is_off.load(Relaxed))
}

unsafe extern "C" fn on_thread_start(
    _: *mut RDKafka,
    kind: sys::rd_kafka_thread_type_t,
    name: *const c_char,
    _: *mut c_void,
) -> RDKafkaRespErr {
    use sys::rd_kafka_thread_type_t::{RD_KAFKA_THREAD_BROKER, RD_KAFKA_THREAD_MAIN};
    let is_internal = || {
        // SAFETY: librdkafka gives a thread's name as a C string.
        !name.is_null()
            && unsafe { CStr::from_ptr(name) }
                .to_bytes()
                .ends_with(INTERNAL)
    };
    if kind == RD_KAFKA_THREAD_MAIN || is_internal() {
        // If it's refused, it costs time and nothing else.
        rustix::thread::set_current_timer_slack(NonZeroU64::new(SLACK_NS)).unwrap_or_default();
    }
    if kind == RD_KAFKA_THREAD_BROKER {
        // SAFETY: all zeros is a valid value.
        let none: libc::sched_param = unsafe { std::mem::zeroed() };
        // SAFETY: it's about this thread; the parameter lives during the call. If it's refused, it costs time and nothing else.
        let _: c_int = unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const none) };
    }
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
}

/// Called on the broker's thread.
unsafe extern "C" fn on_request(
    _: *mut RDKafka,
    fd: c_int,
    _: *const c_char,
    _: i32,
    api_key: i16,
    _: i16,
    _: i32,
    _: usize,
    sockets: *mut c_void,
) -> RDKafkaRespErr {
    // SAFETY: the client is calling.
    if let Some(sockets) = unsafe { sockets_of(sockets) } {
        CONNECTION.with_borrow_mut(|connection| {
            let connection = connection.get_or_insert_with(|| Connection::new(sockets.add()));
            connection.requested(fd, api_key);
        });
    }
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
}

/// Called on the broker's thread, and once more on the one that handles an answer if that is another.
unsafe extern "C" fn on_answer(
    _: *mut RDKafka,
    _: c_int,
    _: *const c_char,
    _: i32,
    api_key: i16,
    _: i16,
    _: i32,
    size: usize,
    _: i64,
    error: RDKafkaRespErr,
    sockets: *mut c_void,
) -> RDKafkaRespErr {
    // SAFETY: the client is calling.
    if unsafe { sockets_of(sockets) }.is_some() {
        let is_answer = error == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
        CONNECTION.with_borrow_mut(|connection| {
            if let Some(connection) = connection {
                connection.answered(api_key, is_answer.then_some(size));
            }
        });
    }
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
}

#[cfg(test)]
mod tests;
