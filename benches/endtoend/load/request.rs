//! What a connection sends, ready but for the ids of its events.

use std::io::Write as _;

use forebay::route::partition_of;

use super::{Counts, Note};
use crate::endtoend::cases::Encoding;
use crate::support::{self, Numbers, Shape};

pub(super) struct Request {
    pub(super) path: String,
    /// Those that tell what the body is.
    pub(super) headers: Vec<(&'static str, &'static str)>,
    /// For HTTP/1.1.
    pub(super) bytes: Vec<u8>,
    body_at: usize,
    /// The first of the ids, if they can't be written anew.
    first: Option<u64>,
    /// Position of each event, and whether the audit wants its id.
    pub(super) events: Vec<(usize, bool)>,
}

impl Request {
    pub(super) fn new(
        counts: &Counts,
        stream: &str,
        numbers: &mut Numbers,
        skewed: bool,
        note: Option<&Note>,
    ) -> Request {
        let case = &counts.case;
        let first = counts.new_ids(case.events);
        let plain = support::body(numbers, case.shape, case.events, first, skewed);
        let body = encode(&plain, case.encoding);
        let mut headers = vec![match case.shape {
            Shape::Json => ("content-type", "application/json"),
            Shape::Ndjson => ("content-type", "application/x-ndjson"),
        }];
        match case.encoding {
            Encoding::Plain => {}
            Encoding::Gzip => headers.push(("content-encoding", "gzip")),
            Encoding::Zstd => headers.push(("content-encoding", "zstd")),
        }
        let (path, shown) = case.asks(stream);
        headers.extend_from_slice(shown);
        let length = body.len();
        let mut bytes =
            format!("POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench\r\ncontent-length: {length}\r\n")
                .into_bytes();
        for (name, value) in &headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        let body_at = bytes.len();
        bytes.extend_from_slice(&body);
        let wanted = |start: usize| {
            let key = &plain[start..][support::KEY];
            note.is_some_and(|note| partition_of(key, note.partitions) == note.partition)
        };
        Request {
            path,
            headers,
            bytes,
            body_at,
            first: (case.encoding != Encoding::Plain).then_some(first),
            events: support::event_starts(case.shape, case.events)
                .map(|start| (body_at + start, wanted(start)))
                .collect(),
        }
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.bytes[self.body_at..]
    }

    /// Gives all events new ids, unless they're compressed; the first of them.
    pub(super) fn renew(&mut self, counts: &Counts) -> u64 {
        if let Some(first) = self.first {
            return first;
        }
        let first = counts.new_ids(self.events.len());
        for (id, (at, _)) in (first..).zip(&self.events) {
            let at = at + support::ID_OFFSET;
            support::write_id(id, &mut self.bytes[at..at + support::ID_DIGITS]);
        }
        first
    }
}

/// With the levels that clients have when they don't choose.
pub(crate) fn encode(body: &[u8], encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Plain => body.to_vec(),
        Encoding::Gzip => {
            let level = flate2::Compression::default();
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder
                .write_all(body)
                .and_then(|()| encoder.finish())
                .expect("a vector takes everything")
        }
        Encoding::Zstd => zstd::bulk::compress(body, 0).expect("a vector takes everything"),
    }
}
