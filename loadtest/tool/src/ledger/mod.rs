//! What clients were told, request by request, in a file that stays small.
//!
//! ```text
//! file    := "FBYLEDG1" frame*
//! frame   := varint(bytes of what follows) tag(1 byte) fields
//! varint  := 7 bits a byte, low ones first, the high bit says that more follow
//! text    := varint(bytes) UTF-8
//!
//! 1 start    varint unix time in µs, to which all times are relative; text title
//! 2 source   varint index, varint id, text stream
//! 3 request  varint source index, varint due µs, varint sent µs after due, varint answered µs after due,
//!            varint status (0: no answer),
//!            varint runs, runs × (varint key, varint first seq, varint count),
//!            varint fates, fates × (outcome code (1 byte), varint count)
//! 4 shed     varint due µs, varint events
//! 5 sample   varint µs, varint values, values × varint   in the order of Sample::NAMES
//! 6 end
//! ```
//!
//! A source must be named before its first request. A ledger without its end, of a sender that was killed, is read up
//! to the last whole frame; what was sent after that isn't in it.

mod reader;
mod varint;
mod writer;

pub(crate) use reader::Reader;
pub(crate) use writer::Writer;

use crate::outcome::Fates;

const MAGIC: &[u8; 8] = b"FBYLEDG1";

/// Consecutive events of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The key, among its source's.
    pub(crate) key: u32,
    /// The first event's place among the key's.
    pub(crate) first: u32,
    /// How many.
    pub(crate) count: u32,
}

/// One request and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Index of the source that sent it.
    pub(crate) source: u32,
    /// When it was due, µs after the start.
    pub(crate) due_us: u64,
    /// From then until it was sent.
    pub(crate) sent_after_us: u64,
    /// From when it was due until its answer was there, or it was given up.
    pub(crate) latency_us: u64,
    /// 0 if there was no answer.
    pub(crate) status: u16,
    /// Its events, in the order of the body.
    pub(crate) runs: Vec<Run>,
    /// What became of them, in the same order.
    pub(crate) fates: Fates,
}

impl Request {
    /// How many events it has.
    pub(crate) fn events(&self) -> u64 {
        self.runs.iter().map(|run| u64::from(run.count)).sum()
    }
}

/// What the gateway says of itself at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    /// µs after the start.
    pub(crate) at_us: u64,
    /// In the order of [`Sample::NAMES`].
    pub(crate) values: [u64; Sample::NAMES.len()],
}

impl Sample {
    /// What is sampled.
    pub(crate) const NAMES: [&str; 7] = [
        "ring events",
        "in flight to Kafka",
        "spill backlog events",
        "spill backlog bytes",
        "memory bytes",
        "connections",
        "resident bytes",
    ];
}

/// A frame of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The first one.
    Start {
        /// Unix time, in µs.
        unix_us: u64,
        /// What ran.
        title: String,
    },
    /// Who sends.
    Source {
        /// By which requests name it.
        index: u32,
        /// As in the events.
        id: u64,
        /// Where its events go.
        stream: String,
    },
    /// What was sent.
    Request(Request),
    /// What was due and never sent, because too much was outstanding.
    Shed {
        /// When, µs after the start.
        due_us: u64,
        /// How many events.
        events: u64,
    },
    /// How the gateway was.
    Sample(Sample),
    /// Nothing is missing.
    End,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;

    fn entries() -> Vec<Entry> {
        let request = Request {
            source: 0,
            due_us: 1_000_000,
            sent_after_us: 12,
            latency_us: 5_000,
            status: 207,
            runs: vec![
                Run {
                    key: 7,
                    first: 300,
                    count: 2,
                },
                Run {
                    key: 100_000,
                    first: 0,
                    count: 1,
                },
            ],
            fates: Fates::each([Outcome::Acked, Outcome::Rejected, Outcome::Acked]),
        };
        vec![
            Entry::Start {
                unix_us: 1,
                title: "steady, é".into(),
            },
            Entry::Source {
                index: 0,
                id: u64::MAX,
                stream: "events".into(),
            },
            Entry::Request(request),
            Entry::Shed {
                due_us: 2,
                events: 50,
            },
            Entry::Sample(Sample {
                at_us: 3,
                values: [1, 2, 3, 4, 5, 6, 7],
            }),
            Entry::End,
        ]
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ledger");
        let mut writer = Writer::create(&path).unwrap();
        for entry in entries().split_last().unwrap().1 {
            writer.append(entry).unwrap();
        }
        writer.close().unwrap();
        let read: Vec<_> = Reader::open(&path).unwrap().map(Result::unwrap).collect();
        assert_eq!(read, entries());
    }

    #[test]
    fn a_torn_tail_ends_the_ledger_and_nothing_before_it_is_missed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ledger");
        let mut writer = Writer::create(&path).unwrap();
        for entry in entries().split_last().unwrap().1 {
            writer.append(entry).unwrap();
        }
        writer.close().unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in MAGIC.len()..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let read: Vec<_> = Reader::open(&path).unwrap().map(Result::unwrap).collect();
            assert!(read.len() < entries().len());
            assert_eq!(read, entries()[..read.len()]);
        }
    }

    #[test]
    fn another_file_is_an_error_that_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ledger");
        std::fs::write(&path, "something else").unwrap();
        let error = Reader::open(&path).err().unwrap().to_string();
        assert!(error.contains("is not a ledger"), "{error}");
    }
}
