//! One byte for each event, and what is known of each key. Nothing here knows Kafka.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::Verdict;
use crate::event::Identity;
use crate::ledger::{Entry, Reader, Request};
use crate::outcome::Outcome;

/// The low bits of an event's byte are its outcome; 0 means that no ledger has it.
const OUTCOME: u8 = 0x07;
const FOUND: u8 = 0x08;
const MAX_EXAMPLES: usize = 10;
const NO_PARTITION: u32 = u32::MAX;

/// A key: where its events are, and what was found of them.
#[derive(Clone, Debug)]
struct Key {
    /// Place of its first event.
    start: u64,
    /// One more than the highest sequence number found; 0 if none was.
    found_to: u32,
    /// Topic and partition of the first one found.
    partition: u32,
}

/// All events that were sent.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// By id: place of the source's first key, and the number of its keys.
    sources: HashMap<u64, (usize, usize)>,
    /// Of all sources, and one more that ends the last one's events.
    keys: Vec<Key>,
    events: Vec<u8>,
    /// Durable and not yet found.
    missing: u64,
    seen: Verdict,
}

impl Book {
    /// Reads ledgers, twice: the first time for the sizes. What was sent to other streams than these is left out; all count if
    /// none is named.
    pub(crate) fn from_ledgers(paths: &[PathBuf], streams: &[String]) -> Result<Book> {
        let mut sizes = Sizes::default();
        for path in paths {
            sizes.read(path, streams)?;
        }
        let mut book = sizes.into_book();
        for path in paths {
            for_each_request(path, streams, |id, request| book.enter(id, &request))?;
        }
        Ok(book)
    }

    /// Events in the ledgers.
    pub(crate) fn sent(&self) -> u64 {
        self.seen.sent
    }

    /// Events with a 2xx that weren't found yet.
    pub(crate) fn missing(&self) -> u64 {
        self.missing
    }

    fn enter(&mut self, source: u64, request: &Request) -> Result<()> {
        let mut fates = request.fates.iter();
        for run in &request.runs {
            for seq in run.first..run.first + run.count {
                let identity = Identity {
                    source,
                    key: run.key,
                    seq,
                };
                let (Some((_, place)), Some(fate)) = (self.place(identity), fates.next()) else {
                    bail!("the ledgers changed while they were read");
                };
                let byte = &mut self.events[place];
                if *byte != 0 {
                    bail!(
                        "event {} is in the ledgers twice: give each ledger once",
                        name(identity)
                    );
                }
                *byte = fate as u8;
                self.missing += u64::from(fate.is_durable());
                let seen = &mut self.seen;
                seen.sent += 1;
                *match fate {
                    Outcome::Acked => &mut seen.acked,
                    Outcome::Spilled => &mut seen.spilled,
                    Outcome::Refused => &mut seen.refused,
                    Outcome::Rejected => &mut seen.rejected,
                    Outcome::Unknown => &mut seen.unknown,
                    Outcome::Unsent => &mut seen.unsent,
                } += 1;
            }
        }
        Ok(())
    }

    /// Places of the key and the event.
    fn place(&self, identity: Identity) -> Option<(usize, usize)> {
        let (first, count) = *self.sources.get(&identity.source)?;
        let number = identity.key as usize;
        if number >= count {
            return None;
        }
        let key = first + number;
        let place = self.keys[key].start + u64::from(identity.seq);
        (place < self.keys[key + 1].start).then_some((key, place as usize))
    }

    /// A record of a topic, in the order of its partition. `partition` is a number for topic and partition together.
    pub(crate) fn found(&mut self, partition: u32, key: Option<&[u8]>, value: &[u8]) {
        let Some(identity) = Identity::of_value(value) else {
            self.seen.strangers += 1;
            return;
        };
        if !self.sources.contains_key(&identity.source) {
            self.seen.strangers += 1;
            return;
        }
        let Some((of_key, place)) = self.place(identity) else {
            self.seen.unledgered += 1;
            return;
        };
        let byte = self.events[place];
        let Some(outcome) = Outcome::of_code(byte & OUTCOME) else {
            self.seen.unledgered += 1;
            return;
        };
        if key.is_some_and(|key| !identity.has_key(key)) {
            self.seen.wrong_key += 1;
        }
        if byte & FOUND != 0 {
            self.seen.duplicated += 1;
            return;
        }
        self.events[place] |= FOUND;
        self.seen.found += 1;
        match outcome {
            Outcome::Acked | Outcome::Spilled => self.missing -= 1,
            Outcome::Unknown => self.seen.unknown_but_found += 1,
            Outcome::Refused | Outcome::Rejected | Outcome::Unsent => {
                self.seen.refused_but_found += 1;
            }
        }
        self.order(of_key, partition, identity, outcome);
    }

    /// A first copy, against what was found of its key before.
    fn order(&mut self, of_key: usize, partition: u32, identity: Identity, outcome: Outcome) {
        let key = &mut self.keys[of_key];
        if key.partition == NO_PARTITION {
            key.partition = partition;
        } else if key.partition != partition {
            // Counted once: from now on it's at home here.
            self.seen.split_keys += 1;
            key.partition = partition;
        }
        if identity.seq >= key.found_to {
            key.found_to = identity.seq + 1;
        } else if outcome.is_durable() {
            self.seen.out_of_order += 1;
            if self.seen.order_examples.len() < MAX_EXAMPLES {
                self.seen.order_examples.push(name(identity));
            }
        } else {
            self.seen.out_of_order_unanswered += 1;
        }
    }

    /// What it comes to.
    pub(crate) fn verdict(&self) -> Verdict {
        let mut verdict = self.seen.clone();
        verdict.lost = self.missing;
        if self.missing > 0 {
            verdict.lost_examples = self.lost().take(MAX_EXAMPLES).map(name).collect();
        }
        verdict
    }

    fn lost(&self) -> impl Iterator<Item = Identity> + '_ {
        let keys = self.sources.iter().flat_map(|(source, (first, count))| {
            (0..*count).map(move |number| (*source, number, *first + number))
        });
        keys.flat_map(move |(source, number, key)| {
            let (start, end) = (self.keys[key].start, self.keys[key + 1].start);
            (start..end).filter_map(move |place| {
                let byte = self.events[place as usize];
                let durable = Outcome::of_code(byte & OUTCOME).is_some_and(Outcome::is_durable);
                (durable && byte & FOUND == 0).then_some(Identity {
                    source,
                    key: number as u32,
                    seq: (place - start) as u32,
                })
            })
        })
    }
}

fn name(identity: Identity) -> String {
    let Identity { source, key, seq } = identity;
    format!("lt-{source:x}-{key}-{seq}")
}

/// How many events each key has.
#[derive(Default)]
struct Sizes {
    by_source: HashMap<u64, Vec<u32>>,
    open: u64,
}

impl Sizes {
    fn read(&mut self, path: &Path, streams: &[String]) -> Result<()> {
        let by_source = &mut self.by_source;
        let complete = for_each_request(path, streams, |id, request| {
            let keys = by_source.entry(id).or_default();
            for run in &request.runs {
                let number = run.key as usize;
                if number >= keys.len() {
                    keys.resize(number + 1, 0);
                }
                keys[number] = keys[number].max(run.first + run.count);
            }
            Ok(())
        })?;
        self.open += u64::from(!complete);
        Ok(())
    }

    fn into_book(self) -> Book {
        let mut book = Book::default();
        let mut start = 0;
        book.keys
            .reserve_exact(self.by_source.values().map(Vec::len).sum::<usize>() + 1);
        let key = |start| Key {
            start,
            found_to: 0,
            partition: NO_PARTITION,
        };
        for (id, sizes) in self.by_source {
            book.sources.insert(id, (book.keys.len(), sizes.len()));
            for size in sizes {
                book.keys.push(key(start));
                start += u64::from(size);
            }
        }
        book.keys.push(key(start));
        book.events = vec![0; start as usize];
        book.seen.open_ledgers = self.open;
        book
    }
}

/// Calls `each` with the id of the source and the request, for those to `streams`, or for all if none is named; true if the
/// ledger has its end.
fn for_each_request(
    path: &Path,
    streams: &[String],
    mut each: impl FnMut(u64, Request) -> Result<()>,
) -> Result<bool> {
    // None: of a stream that is left out.
    let mut ids: HashMap<u32, Option<u64>> = HashMap::new();
    let mut complete = false;
    for entry in Reader::open(path)? {
        match entry? {
            Entry::Source { index, id, stream } => {
                let counts = streams.is_empty() || streams.contains(&stream);
                ids.insert(index, counts.then_some(id));
            }
            Entry::Request(request) => {
                let Some(id) = ids.get(&request.source) else {
                    bail!(
                        "{} has a request of a source it doesn't name",
                        path.display()
                    );
                };
                if let Some(id) = *id {
                    each(id, request)?;
                }
            }
            Entry::End => complete = true,
            Entry::Start { .. } | Entry::Shed { .. } | Entry::Sample(_) => {}
        }
    }
    Ok(complete)
}
