//! The audit of one run: what the senders were told against what the topic
//! holds, event by event. Pure; nothing here knows Kafka.
//!
//! Fed through a [`Evidence`], which keeps 16 bytes per attempt and 16 per record
//! and every key once, so that runs of millions of events fit.
//!
//! The order rule: per key, the first occurrences of acknowledged events, in
//! partition order, come in the sender's order. An older event that comes again
//! after newer ones is a duplicate and not an inversion. Events whose sender
//! never learnt their fate have no place in the order.

use std::{collections::HashMap, fmt::Write as _, sync::Arc};

use super::consume::Record;

/// Offenders of each kind that a report names.
const NAMED: usize = 20;

/// What the sender of an event was told. In rising order of obligation: of
/// several attempts at one event, the strongest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// An error answer: the event must not be in the topic.
    Refused,
    /// No answer: a cut connection, a timeout. It may be there.
    Unknown,
    /// A 2xx: it has to be there.
    Acked,
}

/// One attempt to send one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) key: Vec<u8>,
    /// Unique within its key.
    pub(crate) id: u64,
    pub(crate) outcome: Outcome,
}

/// Collects both sides of an audit.
#[derive(Default)]
pub(crate) struct Evidence {
    keys: HashMap<Arc<[u8]>, u32>,
    attempts: Vec<Attempt>,
    found: Vec<Found>,
}

#[derive(Clone, Copy)]
struct Attempt {
    id: u64,
    key: u32,
    outcome: Outcome,
}

#[derive(Clone, Copy)]
struct Found {
    id: u64,
    key: u32,
    partition: i32,
}

impl Evidence {
    /// Notes an attempt. Per key, the order of the calls is the sender's order:
    /// that of the acknowledgements, if it waits for one before the next.
    ///
    /// Events without a key have no order; give each a key of its own here.
    pub(crate) fn sent(&mut self, key: &[u8], id: u64, outcome: Outcome) {
        let key = self.key(key);
        self.attempts.push(Attempt { id, key, outcome });
    }

    /// Notes a record of the topic, those of one partition in offset order.
    pub(crate) fn found(&mut self, key: &[u8], id: u64, partition: i32) {
        let key = self.key(key);
        self.found.push(Found { id, key, partition });
    }

    /// Takes over what another one collected.
    pub(crate) fn extend(&mut self, other: Evidence) {
        let mut numbers = vec![0; other.keys.len()];
        for (name, number) in &other.keys {
            numbers[*number as usize] = self.key(name);
        }
        let attempts = other.attempts.into_iter().map(|attempt| Attempt {
            key: numbers[attempt.key as usize],
            ..attempt
        });
        self.attempts.extend(attempts);
        let found = other.found.into_iter().map(|found| Found {
            key: numbers[found.key as usize],
            ..found
        });
        self.found.extend(found);
    }

    fn key(&mut self, key: &[u8]) -> u32 {
        if let Some(number) = self.keys.get(key) {
            return *number;
        }
        let number = u32::try_from(self.keys.len()).expect("fewer than 2^32 keys");
        self.keys.insert(key.into(), number);
        number
    }

    /// Compares the two sides.
    pub(crate) fn audit(mut self) -> Audit {
        let mut names: Vec<Arc<[u8]>> = vec![Arc::default(); self.keys.len()];
        for (name, number) in self.keys {
            names[number as usize] = name;
        }
        // Stable: within a key the order of the calls stays.
        self.attempts.sort_by_key(|attempt| attempt.key);
        self.found.sort_by_key(|found| found.key);
        let mut audit = Audit {
            records: self.found.len() as u64,
            ..Audit::default()
        };
        let (mut attempts, mut found) = (&self.attempts[..], &self.found[..]);
        for (number, name) in (0..).zip(&names) {
            let sent_here = split_run(&mut attempts, |attempt| attempt.key == number);
            let found_here = split_run(&mut found, |found| found.key == number);
            audit.add_key(name, sent_here, found_here);
        }
        audit
    }
}

/// Takes the leading run of items that belong.
fn split_run<'a, T>(items: &mut &'a [T], belongs: impl Fn(&T) -> bool) -> &'a [T] {
    let (run, rest) = items.split_at(items.partition_point(belongs));
    *items = rest;
    run
}

/// An event that something is wrong with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offender {
    pub(crate) key: Arc<[u8]>,
    pub(crate) id: u64,
}

/// An event that first appears behind one that was acknowledged after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inversion {
    pub(crate) key: Arc<[u8]>,
    pub(crate) id: u64,
    /// The newest event that stands before it.
    pub(crate) behind: u64,
}

/// The findings.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    /// Events that were acknowledged.
    pub(crate) acked: u64,
    /// Acknowledged events that are in the topic: `acked` less those lost.
    pub(crate) found: u64,
    /// Records in the topic, all of them.
    pub(crate) records: u64,
    /// Acknowledged and not in the topic.
    pub(crate) lost: Vec<Offender>,
    /// Out of order within their key; not looked for in split keys.
    pub(crate) inversions: Vec<Inversion>,
    /// Keys with records in more than one partition.
    pub(crate) split_keys: Vec<Arc<[u8]>>,
    /// Records beyond the first of their event.
    pub(crate) duplicates: u64,
    /// Events that every attempt was refused of, and that are in the topic.
    pub(crate) ghosts_refused: u64,
    /// Records of an event beyond its attempts that may have left one: a 2xx or
    /// no answer each explain one record, a refusal explains none.
    pub(crate) unexplained: u64,
    /// Events of unknown fate that are in the topic.
    pub(crate) unknown_found: u64,
    /// Records that nobody sent: of another run, or garbled.
    pub(crate) strangers: u64,
    /// The first ghosts and strangers, and duplicates, for the report.
    ghost_names: Vec<Offender>,
    stranger_names: Vec<Offender>,
    duplicate_names: Vec<Offender>,
    unexplained_names: Vec<Offender>,
}

/// An event of one key, all attempts at it together.
struct Event {
    id: u64,
    /// Its place in the sender's order, of the attempt that counts.
    place: u32,
    outcome: Outcome,
    seen: bool,
    /// Records that its attempts explain and that were not found yet.
    explained: u32,
}

impl Audit {
    /// Audits in one go; `id` reads the event's id from a record.
    pub(crate) fn of(
        sent: impl IntoIterator<Item = Sent>,
        records: &[Record],
        id: impl Fn(&Record) -> u64,
    ) -> Audit {
        let mut evidence = Evidence::default();
        for Sent { key, id, outcome } in sent {
            evidence.sent(&key, id, outcome);
        }
        for record in records {
            evidence.found(
                record.key.as_deref().unwrap_or_default(),
                id(record),
                record.partition,
            );
        }
        evidence.audit()
    }

    fn add_key(&mut self, key: &Arc<[u8]>, attempts: &[Attempt], found: &[Found]) {
        let mut events = events_of(attempts);
        let split = found
            .iter()
            .any(|record| record.partition != found[0].partition);
        if split {
            self.split_keys.push(key.clone());
        }
        let mut newest: Option<(u32, u64)> = None;
        for record in found {
            let offender = || Offender {
                key: key.clone(),
                id: record.id,
            };
            let Ok(index) = events.binary_search_by_key(&record.id, |event| event.id) else {
                self.strangers += 1;
                name(&mut self.stranger_names, offender);
                continue;
            };
            let event = &mut events[index];
            match event.explained.checked_sub(1) {
                Some(left) => event.explained = left,
                None => {
                    self.unexplained += 1;
                    name(&mut self.unexplained_names, offender);
                }
            }
            if std::mem::replace(&mut event.seen, true) {
                self.duplicates += 1;
                name(&mut self.duplicate_names, offender);
                continue;
            }
            match event.outcome {
                Outcome::Unknown => self.unknown_found += 1,
                Outcome::Refused => {
                    self.ghosts_refused += 1;
                    name(&mut self.ghost_names, offender);
                }
                Outcome::Acked => {
                    self.found += 1;
                    match newest {
                        Some((place, behind)) if event.place < place => {
                            let inversion = Inversion {
                                key: key.clone(),
                                id: event.id,
                                behind,
                            };
                            self.inversions.extend((!split).then_some(inversion));
                        }
                        _ => newest = Some((event.place, event.id)),
                    }
                }
            }
        }
        let acked = events
            .iter()
            .filter(|event| event.outcome == Outcome::Acked);
        for event in acked {
            self.acked += 1;
            if !event.seen {
                self.lost.push(Offender {
                    key: key.clone(),
                    id: event.id,
                });
            }
        }
    }

    /// Whether every promise was kept. Duplicates are not a breach: delivery is
    /// at least once.
    pub(crate) fn is_clean(&self) -> bool {
        self.lost.is_empty()
            && self.inversions.is_empty()
            && self.split_keys.is_empty()
            && self.ghosts_refused == 0
            && self.unexplained == 0
            && self.strangers == 0
    }

    /// Panics with the report unless [`Audit::is_clean`].
    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        assert!(self.is_clean(), "{}", self.report());
    }

    /// As [`Audit::assert_clean`], and no duplicates either.
    #[track_caller]
    pub(crate) fn assert_exactly_once(&self) {
        assert!(self.is_clean() && self.duplicates == 0, "{}", self.report());
    }

    /// The counts, and the first offenders of each kind.
    pub(crate) fn report(&self) -> String {
        let mut text = format!(
            "audit: {} acknowledged, {} of them found, {} records\n  {} lost, {} inversions, \
             {} split keys, {} refused but found, {} strangers, {} unexplained; {} duplicates, \
             {} unknown but found\n",
            self.acked,
            self.found,
            self.records,
            self.lost.len(),
            self.inversions.len(),
            self.split_keys.len(),
            self.ghosts_refused,
            self.strangers,
            self.unexplained,
            self.duplicates,
            self.unknown_found
        );
        let mut line = |what: &str, key: &[u8], rest: String| {
            writeln!(text, "  {what}: key {}{rest}", key.escape_ascii())
                .expect("writing to a string");
        };
        for Inversion { key, id, behind } in self.inversions.iter().take(NAMED) {
            line("inversion", key, format!(", id {id} behind {behind}"));
        }
        for key in self.split_keys.iter().take(NAMED) {
            line("split", key, String::new());
        }
        let kinds = [
            ("lost", &self.lost),
            ("refused but found", &self.ghost_names),
            ("stranger", &self.stranger_names),
            ("unexplained", &self.unexplained_names),
            ("duplicate", &self.duplicate_names),
        ];
        for (what, offenders) in kinds {
            for Offender { key, id } in offenders.iter().take(NAMED) {
                line(what, key, format!(", id {id}"));
            }
        }
        text
    }
}

/// The events of one key by id, each with its strongest outcome.
fn events_of(attempts: &[Attempt]) -> Vec<Event> {
    let event = |(place, attempt): (u32, &Attempt)| Event {
        id: attempt.id,
        place,
        outcome: attempt.outcome,
        seen: false,
        explained: u32::from(attempt.outcome != Outcome::Refused),
    };
    let mut events: Vec<Event> = (0..).zip(attempts).map(event).collect();
    // The strongest attempt first, of several the first: that one stays, and
    // counts what all of them explain.
    events.sort_by_key(|event| (event.id, std::cmp::Reverse(event.outcome), event.place));
    events.dedup_by(|next, kept| {
        let same = next.id == kept.id;
        kept.explained += if same { next.explained } else { 0 };
        same
    });
    events
}

fn name(names: &mut Vec<Offender>, offender: impl FnOnce() -> Offender) {
    if names.len() < NAMED {
        names.push(offender());
    }
}
