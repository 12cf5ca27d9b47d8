//! The log with its threads on real file systems.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytesize::ByteSize;

use super::super::disk::Disk;
use super::super::frame::{Buffer, PAGE};
use super::super::{
    Appended, Inspector, LaneReader, Log, Mode, OpenError, RealDisk, Record, Settings,
};

fn settings(dir: &Path) -> Settings {
    Settings {
        dir: dir.to_owned(),
        segment: ByteSize::mib(1),
        min_free: ByteSize::b(0),
        ..Settings::default()
    }
}

fn record(number: u64) -> Record {
    let mut payload = number.to_le_bytes().to_vec();
    payload.resize(8 + (number % 700) as usize, number as u8);
    Record {
        meta: b"m".as_slice().into(),
        payload: payload.into(),
    }
}

fn append(log: &Log, lane: &str, numbers: std::ops::Range<u64>) -> Appended {
    let (done, answer) = channel();
    let lane = log.lane(lane.as_bytes()).unwrap();
    log.append(lane, numbers.map(record).collect(), move |result| {
        done.send(result).unwrap()
    })
    .unwrap();
    answer.recv().unwrap().unwrap()
}

fn read_all(reader: &mut LaneReader) -> Vec<u64> {
    let mut numbers = Vec::new();
    loop {
        let batch = reader.read(100_000).unwrap();
        if batch.is_empty() {
            return numbers;
        }
        for stored in batch {
            let number = u64::from_le_bytes(stored.payload[..8].try_into().unwrap());
            assert_eq!(stored.payload, record(number).payload);
            numbers.push(number);
        }
    }
}

fn disks() -> Vec<(tempfile::TempDir, Arc<dyn Disk>)> {
    let here = tempfile::tempdir().unwrap();
    let real = RealDisk::new(here.path()).unwrap();
    let plain = tempfile::tempdir().unwrap();
    let buffered = RealDisk::buffered(plain.path());
    assert_eq!(buffered.mode(), Mode::Buffered);
    assert!(buffered.describe().contains("fdatasync"));
    let mut disks: Vec<(_, Arc<dyn Disk>)> =
        vec![(here, Arc::new(real)), (plain, Arc::new(buffered))];
    if let Ok(memory) = tempfile::tempdir_in("/dev/shm") {
        let real = RealDisk::new(memory.path()).unwrap();
        disks.push((memory, Arc::new(real)));
    }
    disks
}

#[test]
fn many_appenders_are_read_back_in_order_after_a_restart() {
    for (dir, disk) in disks() {
        let (log, _) = Log::open_on(Arc::clone(&disk), settings(dir.path())).unwrap();
        std::thread::scope(|scope| {
            for lane in 0..8 {
                let log = &log;
                scope.spawn(move || {
                    for start in (0..500).step_by(10) {
                        append(log, &format!("lane-{lane}"), start..start + 10);
                    }
                });
            }
        });
        assert!(matches!(
            Log::open_on(Arc::clone(&disk), settings(dir.path())),
            Err(OpenError::Locked)
        ));
        log.close(Duration::from_secs(10)).unwrap();
        drop(log);
        let (log, recovered) = Log::open_on(disk, settings(dir.path())).unwrap();
        assert_eq!(recovered.lanes.len(), 8);
        for lane in recovered.lanes {
            assert_eq!(lane.events, 500);
            let mut reader = log.reader(lane.lane).unwrap();
            let begins = reader.read(1_000).unwrap().len();
            assert!((1..500).contains(&begins) && !reader.is_at_end());
            reader.rewind();
            assert!(read_all(&mut reader).into_iter().eq(0..500));
            assert!(reader.is_at_end());
        }
    }
}

#[test]
fn a_file_that_was_removed_takes_no_writes() {
    for (dir, disk) in disks() {
        let file = disk.create("a", 8192).unwrap();
        let page = Buffer::zeroed(PAGE);
        file.write_durable(0, page.bytes()).unwrap();
        std::fs::remove_file(dir.path().join("a")).unwrap();
        assert!(file.write_durable(4096, page.bytes()).is_err());
    }
}

#[test]
fn a_log_that_is_dropped_loses_nothing_and_gives_the_directory_back() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(settings(dir.path())).unwrap();
    let stored = append(&log, "a", 0..10);
    log.acked(log.lane(b"a").unwrap(), stored.position(3));
    drop(log);
    let (log, recovered) = Log::open(settings(dir.path())).unwrap();
    assert_eq!(recovered.lanes[0].events, 6);
    let mut reader = log.reader(recovered.lanes[0].lane).unwrap();
    assert!(read_all(&mut reader).into_iter().eq(4..10));
}

#[test]
fn a_lane_is_read_while_it_is_written() {
    for (dir, disk) in disks() {
        let (log, _) = Log::open_on(disk, settings(dir.path())).unwrap();
        let lane = log.lane(b"tail").unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (log, stop) = (&log, &stop);
            let writer = scope.spawn(move || {
                let mut next = 0;
                while !stop.load(Relaxed) {
                    append(log, "other", next..next + 3);
                    append(log, "tail", next..next + 7);
                    next += 7;
                }
                next
            });
            let mut reader = log.reader(lane).unwrap();
            let (mut read, until) = (0, Instant::now() + Duration::from_millis(700));
            while Instant::now() < until {
                for stored in reader.read(20_000).unwrap() {
                    assert_eq!(stored.payload[..8], u64::to_le_bytes(read));
                    read += 1;
                    log.acked(lane, stored.position);
                }
            }
            stop.store(true, Relaxed);
            let written = writer.join().unwrap();
            read += read_all(&mut reader).len() as u64;
            assert_eq!(read, written);
        });
        let stats = log.stats();
        assert_eq!((stats.lost_events, stats.bad_runs), (0, 0));
    }
}

#[test]
fn people_can_look_into_a_directory_that_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(settings(dir.path())).unwrap();
    append(&log, "a", 0..10);
    append(&log, "b", 0..5);
    let look = || {
        let inspector = Inspector::open(dir.path()).unwrap();
        let mut seen = 0;
        inspector
            .records(b"a", 0, |stored| {
                assert_eq!(stored.payload[..8], u64::to_le_bytes(seen));
                seen += 1;
                true
            })
            .unwrap();
        let lanes = inspector.inspect().lanes;
        (
            seen,
            lanes
                .iter()
                .map(|lane| (lane.name.to_vec(), lane.events))
                .collect::<Vec<_>>(),
        )
    };
    let all = vec![(b"a".to_vec(), 10), (b"b".to_vec(), 5)];
    assert_eq!(look(), (10, all.clone()));
    log.close(Duration::from_secs(5)).unwrap();
    assert_eq!(look(), (10, all));
    assert!(matches!(
        Inspector::open(&dir.path().join("missing")),
        Err(OpenError::Directory(_))
    ));
}

#[test]
fn a_directory_that_cannot_be_used_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(matches!(
        Log::open(settings(file.path())),
        Err(OpenError::Directory(_))
    ));
}

const CHILD: &str = "FOREBAY_SPILL_CHILD";

/// The process that is killed: says on its standard output what is stored, after it is.
#[test]
fn as_a_child_it_appends_until_it_is_killed() {
    let Ok(dir) = std::env::var(CHILD) else {
        return;
    };
    let (log, recovered) = Log::open(settings(Path::new(&dir))).unwrap();
    let out = Arc::new(Mutex::new(std::io::stdout()));
    let mut next: BTreeMap<String, u64> = BTreeMap::new();
    for lane in &recovered.lanes {
        let name = String::from_utf8(lane.name.to_vec()).unwrap();
        let numbers = read_all(&mut log.reader(lane.lane).unwrap());
        next.insert(name, numbers.last().unwrap() + 1);
    }
    loop {
        for lane in ["x", "y", "z"] {
            let first = next.entry(lane.into()).or_default();
            let (numbers, out) = (*first..*first + 5, Arc::clone(&out));
            *first += 5;
            let id = log.lane(lane.as_bytes()).unwrap();
            let records = numbers.clone().map(record).collect();
            let busy = log.append(id, records, move |result| {
                result.unwrap();
                writeln!(out.lock().unwrap(), "stored {lane} {}", numbers.end).unwrap();
            });
            if busy.is_err() {
                *first -= 5;
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

#[test]
fn a_process_that_is_killed_keeps_what_it_said_it_had_stored() {
    let dir = tempfile::tempdir().unwrap();
    let mut stored: BTreeMap<String, u64> = BTreeMap::new();
    for round in 0..4 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "spill::tests::real::as_a_child_it_appends_until_it_is_killed",
            ])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(120 + 70 * round));
            child.kill().unwrap();
            child.wait().unwrap();
        });
        for line in out.lines().map_while(Result::ok) {
            let words: Vec<_> = line.split(' ').collect();
            if let ["stored", lane, up_to] = words[..] {
                stored.insert(lane.into(), up_to.parse().unwrap());
            }
        }
        killer.join().unwrap();
        let (log, recovered) = Log::open(settings(dir.path())).unwrap();
        assert_eq!(recovered.damage.lost_events, 0);
        for (lane, up_to) in &stored {
            let mut reader = log.reader(log.lane(lane.as_bytes()).unwrap()).unwrap();
            let numbers = read_all(&mut reader);
            assert!(
                numbers.len() as u64 >= *up_to,
                "{} of {up_to}",
                numbers.len()
            );
            assert!(
                numbers.iter().copied().eq(0..numbers.len() as u64),
                "out of order"
            );
        }
        assert_eq!(log.stats().lost_events, 0);
    }
    assert!(stored.values().all(|&up_to| up_to > 0), "{stored:?}");
}

#[test]
fn closing_writes_the_last_watermarks_whoever_else_has_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(settings(dir.path())).unwrap();
    append(&log, "lane", 0..10);
    let lane = log.lane(b"lane").unwrap();
    // Some more, right behind the ones whose watermark was written a moment ago.
    for _ in 0..2 {
        let mut reader = log.reader(lane).unwrap();
        let last = reader.read(1 << 20).unwrap().pop();
        log.acked(lane, last.unwrap().position);
        append(&log, "lane", 10..20);
    }
    let mut reader = log.reader(lane).unwrap();
    log.acked(lane, reader.read(1 << 20).unwrap().pop().unwrap().position);
    log.close(Duration::from_secs(5)).unwrap();
    log.close(Duration::ZERO).unwrap();
    // The log is still there, as if a thread had it; what is on disk now is what the next start would find.
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(dir.path()).unwrap().flatten() {
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let (_next, recovered) = Log::open(settings(copy.path())).unwrap();
    assert_eq!(recovered.lanes.len(), 0, "nothing is sent again");
    drop(log);
}
