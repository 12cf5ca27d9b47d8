//! Connections of HTTP/1.1.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Counts;
use super::request::Request;

/// One connection: `depth` requests in one write, then their answers.
pub(super) async fn run(
    mut socket: TcpStream,
    mut requests: VecDeque<Request>,
    counts: Rc<Counts>,
) {
    let depth = counts.case.depth;
    let mut burst = Vec::new();
    let mut answers = Answers::default();
    while !counts.stop.get() {
        let due = counts.due().await;
        let ids: Vec<_> = requests
            .iter_mut()
            .take(depth)
            .map(|request| request.renew(&counts))
            .collect();
        let bytes = if depth == 1 {
            &requests[0].bytes
        } else {
            burst.clear();
            for request in requests.iter().take(depth) {
                burst.extend_from_slice(&request.bytes);
            }
            &burst
        };
        let sent = due.unwrap_or_else(Instant::now);
        if socket.write_all(bytes).await.is_err() {
            let lost = (depth * counts.case.events) as u64;
            counts.unknown.set(counts.unknown.get() + lost);
            return;
        }
        for first in ids {
            let Some(status) = answers.next(&mut socket).await else {
                counts
                    .unknown
                    .set(counts.unknown.get() + counts.case.events as u64);
                return;
            };
            counts.answered(&requests[0], first, sent, status);
            requests.rotate_left(1);
            if status >= 500 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

/// Reads answers of HTTP/1.1 that say their length; enough for the servers here.
#[derive(Default)]
struct Answers {
    read: Vec<u8>,
    at: usize,
}

impl Answers {
    async fn next(&mut self, socket: &mut TcpStream) -> Option<u16> {
        loop {
            if let Some((status, length)) = head(&self.read[self.at..])
                && self.at + length <= self.read.len()
            {
                self.at += length;
                if self.at == self.read.len() {
                    self.read.clear();
                    self.at = 0;
                }
                return Some(status);
            }
            self.read.reserve(16 * 1024);
            if socket.read_buf(&mut self.read).await.ok()? == 0 {
                return None;
            }
        }
    }
}

/// Status and whole length of the answer that begins here, if its head is complete.
fn head(bytes: &[u8]) -> Option<(u16, usize)> {
    let end = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
    let status = std::str::from_utf8(bytes.get(9..12)?).ok()?.parse().ok()?;
    let mut length = 0;
    for line in bytes[..end].split(|byte| *byte == b'\n').skip(1) {
        if line.len() > 15 && line[..15].eq_ignore_ascii_case(b"content-length:") {
            let digits = std::str::from_utf8(&line[15..]).expect("a number");
            length = digits.trim().parse().expect("a length");
        }
    }
    Some((status, end + length))
}
