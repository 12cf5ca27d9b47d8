//! What HTTP/2 refuses by itself, counted: a head that is too large or isn't one, streams above their number, a flood of frames.
//! hyper answers these without a word to anybody, so the frames that it writes are looked at on their way out.
//!
//! It's a few steps per frame: of most frames only the nine bytes of their head are read. The table of compressed heads isn't
//! kept: an answer of the library is a status and nothing more, and each of ours has more fields than one.

use std::sync::Arc;

use super::unread::{HEAD_TOO_LARGE, MALFORMED};
use crate::telemetry::Refusals;

/// Length, kind, flags and stream (RFC 9113, 4.1).
const HEAD: usize = 9;
/// What a frame holds that is looked into is no longer.
const LONGEST: usize = 16;

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
/// The flag of the last frame of a stream.
const END_STREAM: u8 = 1;

/// The code of the problem when a connection has more streams than it may have.
const TOO_MANY_STREAMS: &str = "too_many_streams";
/// The code of the problem when frames cost more than they bring.
const FLOOD: &str = "flood";

/// The frames that one connection writes.
#[derive(Debug)]
pub(super) struct Frames {
    refusals: Arc<Refusals>,
    /// The beginning of a frame, as far as it's written.
    begun: [u8; HEAD + LONGEST],
    len: usize,
    /// What is still to be written of a frame that nobody looks into.
    skip: usize,
    /// The stream that was refused last. It may be reset as well.
    refused: [u8; 4],
}

impl Frames {
    /// Of a new connection.
    pub(super) fn new(refusals: Arc<Refusals>) -> Frames {
        Frames {
            refusals,
            begun: [0; HEAD + LONGEST],
            len: 0,
            skip: 0,
            refused: [0; 4],
        }
    }

    /// These bytes were written.
    pub(super) fn wrote(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let whole = if self.len < HEAD {
                HEAD
            } else {
                HEAD + self.content_len()
            };
            let more = (whole - self.len).min(bytes.len());
            self.begun[self.len..self.len + more].copy_from_slice(&bytes[..more]);
            self.len += more;
            bytes = &bytes[more..];
            if self.len < HEAD {
                return;
            }
            let content = self.content_len();
            if content > LONGEST || !self.is_looked_into() {
                (self.skip, self.len) = (content, 0);
            } else if self.len == HEAD + content {
                self.look();
                self.len = 0;
            }
        }
    }

    /// Whether a frame of this head may tell of a refusal. The head of an answer with a body doesn't.
    fn is_looked_into(&self) -> bool {
        match self.begun[3] {
            HEADERS => self.begun[4] & END_STREAM != 0,
            kind => matches!(kind, RST_STREAM | GOAWAY),
        }
    }

    fn content_len(&self) -> usize {
        let [high, middle, low, ..] = self.begun;
        usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)
    }

    /// A frame is complete.
    fn look(&mut self) {
        let (head, content) = self.begun[..self.len].split_at(HEAD);
        let mut stream = [0; 4];
        stream.copy_from_slice(&head[5..]);
        let reason = match (head[3], content) {
            (HEADERS, fields) if is_one_field(fields) => {
                self.refused = stream;
                Some(HEAD_TOO_LARGE)
            }
            (RST_STREAM, code) if stream != self.refused => reason_of(code),
            (GOAWAY, [_, _, _, _, code @ ..]) => reason_of(code),
            _ => None,
        };
        if let Some(reason) = reason {
            self.refusals.count(reason);
        }
    }
}

/// What an error code (RFC 9113, 7) says of what the client sent. The others are for what is over, on either side.
fn reason_of(code: &[u8]) -> Option<&'static str> {
    match code.get(..4)? {
        // Protocol, flow control, settings, frame size, compression.
        [0, 0, 0, 1 | 3 | 4 | 6 | 9] => Some(MALFORMED),
        [0, 0, 0, 7] => Some(TOO_MANY_STREAMS),
        [0, 0, 0, 11] => Some(FLOOD),
        _ => None,
    }
}

/// Whether a block (RFC 7541, 6) is one field: an entry of a table, or `:status` with a text.
fn is_one_field(mut block: &[u8]) -> bool {
    // A table's new size may stand before it.
    while let [first, rest @ ..] = block
        && first & 0xe0 == 0x20
    {
        block = if first & 0x1f < 0x1f {
            rest
        } else {
            let end = rest.iter().position(|byte| byte & 0x80 == 0);
            end.map_or(&[], |end| &rest[end + 1..])
        };
    }
    match block {
        [entry] => entry & 0x80 != 0,
        [0x08 | 0x18 | 0x48, len, text @ ..] => usize::from(len & 0x7f) == text.len(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u8, content: &[u8]) -> Vec<u8> {
        let len = content.len() as u32;
        let head = [&len.to_be_bytes()[1..], &[kind, flags, 0, 0, 0, stream]].concat();
        [head, content.to_vec()].concat()
    }

    /// What is counted, whatever pieces it's written in.
    #[track_caller]
    fn check(written: &[u8], expected: &[(&str, u64)]) {
        for piece in [1, 3, 10, written.len()] {
            let refusals = Arc::<Refusals>::default();
            let mut frames = Frames::new(Arc::clone(&refusals));
            written.chunks(piece).for_each(|bytes| frames.wrote(bytes));
            let counted = refusals.all().into_iter().filter(|(_, count)| *count > 0);
            assert_eq!(
                counted.collect::<Vec<_>>(),
                expected,
                "in pieces of {piece}"
            );
        }
    }

    #[test]
    fn refusals_of_the_library_are_counted_and_answers_are_not() {
        let status = b"\x48\x83\x68\xcb\x7f";
        let own = [
            frame(4, 0, 0, &[0; 18]),
            frame(HEADERS, 4, 1, b"\x48\x83\x68\xcb\x7f\x5f\x87text"),
            frame(0, END_STREAM, 1, &[HEADERS; 300]),
            frame(HEADERS, 4, 3, b"\xbf\xbe\xc0"),
            frame(HEADERS, 5, 5, b"\xbf\xbe"),
            frame(RST_STREAM, 0, 3, &[0, 0, 0, 0]),
            frame(RST_STREAM, 0, 3, &[0, 0, 0, 8]),
            frame(GOAWAY, 0, 0, &[0; 8]),
        ];
        check(&own.concat(), &[]);
        let refusals = [
            frame(HEADERS, 5, 7, status),
            frame(HEADERS, 5, 9, b"\xbe"),
            frame(RST_STREAM, 0, 9, &[0, 0, 0, 1]),
            frame(HEADERS, 5, 11, b"\x20\x3f\xe1\x1f\x48\x83\x68\xcb\x7f"),
            frame(RST_STREAM, 0, 13, &[0, 0, 0, 1]),
            frame(RST_STREAM, 0, 15, &[0, 0, 0, 7]),
            frame(GOAWAY, 0, 0, b"\0\0\0\x0f\0\0\0\x0bmore"),
        ];
        let counts = [
            (HEAD_TOO_LARGE, 3),
            (MALFORMED, 1),
            (TOO_MANY_STREAMS, 1),
            (FLOOD, 1),
        ];
        let all = [own.concat(), refusals.concat(), own.concat()].concat();
        check(&all, &counts);
        let long = frame(GOAWAY, 0, 0, &[1; 100]);
        check(&[long, refusals.concat()].concat(), &counts);
    }
}
