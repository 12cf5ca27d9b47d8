//! A log on a simulated disk, beside a plain model of what it promised.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use bytesize::ByteSize;

use super::super::clock::Clock;
use super::super::shared::Shared;
use super::super::steward::Steward;
use super::super::writer::Writer;
use super::super::{
    AppendError, Appended, Damage, LaneReader, Log, OpenError, Position, Record, Recovered,
    Settings, Stored, recover,
};
use super::sim_disk::SimDisk;

/// What became of an append.
#[derive(Clone, Debug, PartialEq)]
enum Fate {
    Unknown,
    Stored,
    Failed,
}

#[derive(Debug)]
struct Sent {
    bytes: Bytes,
    fate: Fate,
    /// The group commit that it was part of.
    turn: u64,
}

/// One lane as it should be.
#[derive(Debug, Default)]
pub(super) struct Lane {
    sent: Vec<Sent>,
    /// The events before this one are acknowledged.
    acked: usize,
}

type Answers = Arc<Mutex<Vec<(usize, usize, usize, Result<Appended, AppendError>)>>>;

/// A running log without threads.
pub(super) struct Running {
    pub(super) log: Log,
    pub(super) writer: Writer,
    pub(super) steward: Steward,
    pub(super) shared: Arc<Shared>,
    readers: BTreeMap<usize, (LaneReader, Vec<Position>, Vec<usize>)>,
}

/// The log, its disk, and the model.
pub(super) struct World {
    pub(super) disk: SimDisk,
    pub(super) settings: Settings,
    pub(super) now_ms: u64,
    pub(super) running: Option<Running>,
    pub(super) lanes: Vec<Lane>,
    pub(super) recovered: Recovered,
    /// Watermarks may be older than what was taken away, which looks like loss; it never is.
    pub(super) troubled: bool,
    /// What the last append was told that wasn't stored.
    pub(super) last_error: Option<AppendError>,
    answers: Answers,
    turn: u64,
    next: u64,
}

/// Tiny segments and a tiny queue, so that every limit is met all the time.
pub(super) fn tiny() -> Settings {
    Settings {
        segment: ByteSize::kib(64),
        queue: ByteSize::kib(64),
        min_free: ByteSize::b(0),
        ..Settings::default()
    }
}

pub(super) fn record(meta: &[u8], payload: Bytes) -> Record {
    Record {
        meta: Bytes::copy_from_slice(meta),
        payload,
    }
}

impl World {
    pub(super) fn new(seed: u64, lanes: usize) -> World {
        World {
            disk: SimDisk::new(seed),
            settings: tiny(),
            now_ms: 1_700_000_000_000,
            running: None,
            lanes: (0..lanes).map(|_| Lane::default()).collect(),
            recovered: Recovered::default(),
            troubled: false,
            last_error: None,
            answers: Answers::default(),
            turn: 0,
            next: 0,
        }
    }

    pub(super) fn open(&mut self) -> Result<(), OpenError> {
        self.running = None;
        let disk = Arc::new(self.disk.clone());
        let clock = Clock::standing(self.now_ms);
        let (shared, recovered) = recover::open(disk, self.settings.clone(), clock)?;
        self.recovered = recovered;
        self.running = Some(Running {
            log: Log::without_threads(&shared),
            writer: Writer::new(&shared),
            steward: Steward::new(&shared),
            shared,
            readers: BTreeMap::new(),
        });
        Ok(())
    }

    pub(super) fn running(&mut self) -> &mut Running {
        self.running.as_mut().unwrap()
    }

    pub(super) fn log(&self) -> &Log {
        &self.running.as_ref().unwrap().log
    }

    pub(super) fn advance(&mut self, by_ms: u64) {
        self.now_ms += by_ms;
        self.running().shared.clock.advance(by_ms);
    }

    /// Appends `count` events of about `len` bytes.
    pub(super) fn append(
        &mut self,
        lane: usize,
        count: usize,
        len: usize,
    ) -> Result<(), AppendError> {
        let first = self.lanes[lane].sent.len();
        let mut records = Vec::new();
        for at in first..first + count {
            let mut bytes = format!("{lane}:{at}:{}:", self.next).into_bytes();
            self.next += 1;
            bytes.resize(bytes.len().max(len), b'x');
            records.push(record(b"meta", bytes.into()));
        }
        let answers = Arc::clone(&self.answers);
        let id = self.log().lane(format!("lane/{lane}").as_bytes()).unwrap();
        let copies: Vec<_> = records
            .iter()
            .map(|record| record.payload.clone())
            .collect();
        let result = self.log().append(id, records, move |answer| {
            answers.lock().unwrap().push((lane, first, count, answer));
        });
        let result = result.map_err(|refused| refused.why);
        if result.is_ok() {
            let unknown = |bytes| Sent {
                bytes,
                fate: Fate::Unknown,
                turn: 0,
            };
            self.lanes[lane]
                .sent
                .extend(copies.into_iter().map(unknown));
        }
        result
    }

    /// Turns the writer once.
    pub(super) fn write(&mut self) -> bool {
        let turned = self.running().writer.turn();
        self.turn += 1;
        for (lane, first, count, answer) in self.answers.lock().unwrap().drain(..) {
            self.last_error = answer.err().or(self.last_error);
            for sent in &mut self.lanes[lane].sent[first..first + count] {
                sent.fate = if answer.is_ok() {
                    Fate::Stored
                } else {
                    Fate::Failed
                };
                sent.turn = self.turn;
            }
        }
        turned
    }

    pub(super) fn write_all(&mut self) {
        while self.write() {}
    }

    pub(super) fn tend(&mut self) {
        self.running().steward.turn();
    }

    /// Reads a little of a lane; what comes must be what was sent, in order.
    pub(super) fn read(&mut self, lane: usize, max_bytes: usize) -> usize {
        let name = format!("lane/{lane}");
        let running = self.running.as_mut().unwrap();
        let id = running.log.lane(name.as_bytes()).unwrap();
        let (reader, positions, places) = running
            .readers
            .entry(lane)
            .or_insert_with(|| (running.log.reader(id).unwrap(), Vec::new(), Vec::new()));
        let Ok(batch) = reader.read(max_bytes) else {
            return 0;
        };
        for stored in &batch {
            let place = self.lanes[lane].place(stored);
            assert!(
                places.last().is_none_or(|&last| last < place),
                "out of order or twice"
            );
            assert!(positions.last().is_none_or(|last| *last < stored.position));
            positions.push(stored.position);
            places.push(place);
        }
        batch.len()
    }

    /// Acknowledges the first `count` of what was read and isn't acknowledged.
    pub(super) fn ack(&mut self, lane: usize, count: usize) {
        let running = self.running.as_mut().unwrap();
        let Some((reader, positions, places)) = running.readers.get_mut(&lane) else {
            return;
        };
        let count = count.min(positions.len());
        if count == 0 {
            return;
        }
        running.log.acked(reader.lane(), positions[count - 1]);
        let model = &mut self.lanes[lane];
        model.acked = model.acked.max(places[count - 1] + 1);
        positions.drain(..count);
        places.drain(..count);
    }

    /// Ends like a process that is told to.
    pub(super) fn close(&mut self) {
        self.write_all();
        let running = self.running();
        running.writer.finish();
        running.steward.finish();
        self.troubled |= running.log.stats().housekeeping_errors > 0;
        self.running = None;
    }

    /// Ends like a machine without power.
    pub(super) fn power_cut(&mut self) {
        if let Some(running) = &self.running {
            self.troubled |= running.log.stats().housekeeping_errors > 0;
        }
        self.answers.lock().unwrap().clear();
        self.running = None;
        self.disk.power_cycle();
    }

    /// Reads everything of all lanes from the beginning and compares it with the model.
    pub(super) fn check(&mut self) -> Missing {
        let mut missing = Missing::default();
        for lane in 0..self.lanes.len() {
            let log = self.log();
            let id = log.lane(format!("lane/{lane}").as_bytes()).unwrap();
            let mut reader = log.reader(id).unwrap();
            let mut places = Vec::new();
            loop {
                let batch = reader.read(3_000).unwrap();
                if batch.is_empty() {
                    break;
                }
                places.extend(batch.iter().map(|stored| self.lanes[lane].place(stored)));
            }
            assert!(
                places.is_sorted_by(|one, other| one < other),
                "lane {lane}: {places:?}"
            );
            self.lanes[lane].note_missing(&places, &mut missing);
        }
        missing
    }

    /// Opens, and compares: nothing acknowledged may be missing.
    pub(super) fn open_and_check(&mut self) {
        self.open().unwrap();
        assert_eq!(self.check(), Missing::default());
        let Damage {
            lost_events,
            bad_stretches,
            bad_headers,
            ..
        } = self.recovered.damage;
        assert_eq!((lost_events, bad_stretches, bad_headers), (0, 0, 0));
        assert_eq!(self.log().stats().lost_events, 0);
    }

    pub(super) fn stored(&self) -> usize {
        let sent = self.lanes.iter().flat_map(|lane| &lane.sent);
        sent.filter(|sent| sent.fate == Fate::Stored).count()
    }
}

/// Acknowledged events that weren't read, and the group commits that they came from.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Missing {
    pub(super) events: u64,
    pub(super) turns: Vec<u64>,
}

impl Lane {
    /// Which event this is; panics if it was never sent.
    fn place(&self, stored: &Stored) -> usize {
        let text = String::from_utf8_lossy(&stored.payload);
        let place = text
            .split(':')
            .nth(1)
            .and_then(|place| place.parse::<usize>().ok());
        let place = place.expect("garbage was read");
        assert_eq!(stored.meta, b"meta"[..]);
        assert_eq!(self.sent[place].bytes, stored.payload, "not what was sent");
        place
    }

    fn note_missing(&self, places: &[usize], missing: &mut Missing) {
        for (place, sent) in self.sent.iter().enumerate().skip(self.acked) {
            if sent.fate == Fate::Stored && places.binary_search(&place).is_err() {
                missing.events += 1;
                if !missing.turns.contains(&sent.turn) {
                    missing.turns.push(sent.turn);
                }
            }
        }
    }
}
