//! Reads a request's body: bounded in bytes and time, charged to the memory budget before it's held.
//!
//! The body is copied once, out of the connection's buffer into memory of its own size. A slice of the connection's buffer
//! would be free, but would keep all 16 KiB of it alive for an event of 400 bytes, uncounted.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use hyper::body::{Body, Incoming};
use tokio::time::{Sleep, sleep};

use crate::budget::{Exhausted, Held};
use crate::decode::encoding::{self, DecompressError, Encoding};

/// Why a body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyFault {
    /// Larger than `http.max_body`.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// Not complete within `http.body_timeout`.
    #[error("the body was not complete after {0:?}")]
    Timeout(Duration),
    /// No memory for it now.
    #[error("{0}")]
    Memory(#[from] Exhausted),
    /// The connection broke, or the framing is wrong.
    #[error("the body could not be read: {0}")]
    Broken(hyper::Error),
    /// It can't be decompressed.
    #[error("{0}")]
    Encoding(DecompressError),
}

/// The first buffer, at most; it grows by doubling, as bytes arrive, never by what a header promises.
const FIRST_BUFFER_BYTES: u64 = 64 * 1024;

/// A body that was read to its end.
#[derive(Debug)]
pub struct Whole {
    /// What it holds.
    pub bytes: Bytes,
    /// When its last byte came.
    pub arrived: Instant,
    /// Trailers came behind it. hyper takes them to end with an empty line that has a carriage return (`CRLF CRLF`), while the
    /// line before it may end without. So they may hold what another reader takes for the next request, and then nothing
    /// that follows on the connection can be trusted.
    pub had_trailers: bool,
}

/// Reads the body into memory that `held` is charged for. `begun` is when its head came; the clock is only read again if the
/// body wasn't there yet.
pub fn read<'a>(
    body: &'a mut Incoming,
    begun: Instant,
    limit: u64,
    within: Duration,
    held: &'a mut Held,
) -> Reading<'a> {
    Reading {
        buffer: Buffer {
            bytes: Vec::new(),
            limit,
            expected: body.size_hint().upper(),
        },
        body: Pin::new(body),
        begun,
        within,
        held,
        timer: None,
        had_trailers: false,
    }
}

/// A body that is being read.
#[derive(Debug)]
pub struct Reading<'a> {
    body: Pin<&'a mut Incoming>,
    begun: Instant,
    within: Duration,
    held: &'a mut Held,
    buffer: Buffer,
    /// It's only made if the body isn't there yet, which is rare.
    timer: Option<Pin<Box<Sleep>>>,
    had_trailers: bool,
}

impl Future for Reading<'_> {
    type Output = Result<Whole, BodyFault>;

    // As a part of the request that reads it, which an async function with several callers isn't.
    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let it = &mut *self;
        let limit = it.buffer.limit;
        if it.buffer.expected.is_some_and(|bytes| bytes > limit) {
            return Poll::Ready(Err(BodyFault::TooLarge { limit }));
        }
        loop {
            match it.body.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.data_ref() {
                    Some(data) => it.buffer.add(data, it.held)?,
                    None => it.had_trailers = true,
                },
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(BodyFault::Broken(error))),
                Poll::Ready(None) => break,
                Poll::Pending => {
                    let expired = expired(&mut it.timer, it.within, cx);
                    return expired.map(Err);
                }
            }
        }
        Poll::Ready(Ok(Whole {
            arrived: it.timer.as_ref().map_or(it.begun, |_| Instant::now()),
            bytes: it.buffer.finish(it.held),
            had_trailers: it.had_trailers,
        }))
    }
}

/// Reads the body and drops it, at most `limit` bytes of it. True: trailers came behind it.
pub async fn skip(body: &mut Incoming, limit: u64, within: Duration) -> Result<bool, BodyFault> {
    let (mut body, mut bytes, mut had_trailers) = (Pin::new(body), 0, false);
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|cx| {
        loop {
            match body.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.data_ref() {
                    Some(data) => bytes += data.len() as u64,
                    None => had_trailers = true,
                },
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(BodyFault::Broken(error))),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => return expired(&mut timer, within, cx).map(Err),
            }
            if bytes > limit {
                return Poll::Ready(Err(BodyFault::TooLarge { limit }));
            }
        }
    })
    .await?;
    Ok(had_trailers)
}

fn expired(
    timer: &mut Option<Pin<Box<Sleep>>>,
    within: Duration,
    cx: &mut Context<'_>,
) -> Poll<BodyFault> {
    let timer = timer.get_or_insert_with(|| Box::pin(sleep(within)));
    timer.as_mut().poll(cx).map(|()| BodyFault::Timeout(within))
}

#[derive(Debug)]
struct Buffer {
    bytes: Vec<u8>,
    limit: u64,
    expected: Option<u64>,
}

impl Buffer {
    fn reserve(&mut self, capacity: u64, held: &mut Held) -> Result<(), BodyFault> {
        let more = capacity.saturating_sub(self.bytes.capacity() as u64);
        held.grow(more)?;
        match self.bytes.capacity() {
            // Most bodies come at once. What grows a vector takes twice as long.
            0 => self.bytes = Vec::with_capacity(capacity as usize),
            _ => self
                .bytes
                .reserve_exact(capacity as usize - self.bytes.len()),
        }
        Ok(())
    }

    #[inline(always)]
    fn add(&mut self, data: &Bytes, held: &mut Held) -> Result<(), BodyFault> {
        let needed = (self.bytes.len() + data.remaining()) as u64;
        if needed > self.limit {
            return Err(BodyFault::TooLarge { limit: self.limit });
        }
        let capacity = self.bytes.capacity() as u64;
        if needed > capacity {
            // Not before the first bytes are here, and not all that a header promises: both are cheap to claim.
            let most = self.expected.unwrap_or(self.limit).max(needed);
            let wanted = (capacity * 2).max(FIRST_BUFFER_BYTES);
            self.reserve(wanted.clamp(needed, most), held)?;
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    #[inline(always)]
    fn finish(&mut self, held: &mut Held) -> Bytes {
        let spare = self.bytes.capacity() - self.bytes.len();
        if spare > 0 {
            self.bytes.shrink_to_fit();
            held.shrink(spare as u64);
        }
        Bytes::from(std::mem::take(&mut self.bytes))
    }
}

/// Undoes the content encoding; at most `limit` bytes come out. Both bodies are charged while both exist.
#[inline(always)]
pub fn decompress(
    encoding: Encoding,
    compressed: Bytes,
    limit: u64,
    held: &mut Held,
) -> Result<Bytes, BodyFault> {
    match encoding {
        Encoding::Identity => Ok(compressed),
        _ => undo(encoding, compressed, limit, held),
    }
}

fn undo(
    encoding: Encoding,
    compressed: Bytes,
    limit: u64,
    held: &mut Held,
) -> Result<Bytes, BodyFault> {
    // Held only until the result is there: nothing else runs on this thread meanwhile.
    held.grow(encoding.workspace_bytes())?;
    let (mut charged, mut exhausted) = (0_u64, None);
    let out = encoding::decompress(encoding, &compressed, limit as usize, &mut |capacity| {
        let more = (capacity as u64).saturating_sub(charged);
        match held.grow(more) {
            Ok(()) => {
                charged += more;
                true
            }
            Err(error) => {
                exhausted = Some(error);
                false
            }
        }
    });
    held.shrink(encoding.workspace_bytes());
    if let Some(error) = exhausted {
        return Err(BodyFault::Memory(error));
    }
    let mut out = out.map_err(BodyFault::Encoding)?;
    out.shrink_to_fit();
    held.shrink(compressed.len() as u64 + charged.saturating_sub(out.len() as u64));
    Ok(Bytes::from(out))
}
