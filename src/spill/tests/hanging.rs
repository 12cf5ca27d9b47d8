//! A disk that hangs, how long a start takes with many segments, and bounds that change.

use std::io;
use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use bytesize::ByteSize;

use super::super::disk::{Cache, Disk, Entry, File, Lock};
use super::super::{AppendError, Log, RealDisk, Record, Settings, State};

#[derive(Clone)]
struct Hanging {
    disk: Arc<RealDisk>,
    hangs: Arc<(Mutex<bool>, Condvar)>,
}

impl Hanging {
    fn hang(&self, hangs: bool) {
        *self.hangs.0.lock().unwrap() = hangs;
        self.hangs.1.notify_all();
    }
}

struct HangingFile(Hanging, Box<dyn File>);

impl File for HangingFile {
    fn write_durable(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let (hangs, changed) = &*self.0.hangs;
        drop(
            changed
                .wait_while(hangs.lock().unwrap(), |hangs| *hangs)
                .unwrap(),
        );
        self.1.write_durable(offset, bytes)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8], cache: Cache) -> io::Result<usize> {
        self.1.read_at(offset, buffer, cache)
    }
}

impl Disk for Hanging {
    fn list(&self) -> io::Result<Vec<Entry>> {
        self.disk.list()
    }
    fn create(&self, name: &str, size: u64) -> io::Result<Box<dyn File>> {
        Ok(Box::new(HangingFile(
            self.clone(),
            self.disk.create(name, size)?,
        )))
    }
    fn open_write(&self, name: &str) -> io::Result<Box<dyn File>> {
        Ok(Box::new(HangingFile(
            self.clone(),
            self.disk.open_write(name)?,
        )))
    }
    fn open_read(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.disk.open_read(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn unlink(&self, name: &str) -> io::Result<()> {
        self.disk.unlink(name)
    }
    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir()
    }
    fn free_space(&self) -> io::Result<u64> {
        self.disk.free_space()
    }
    fn lock(&self) -> io::Result<Option<Lock>> {
        self.disk.lock()
    }
    fn recycles(&self) -> bool {
        self.disk.recycles()
    }
    fn describe(&self) -> String {
        self.disk.describe()
    }
}

fn settings(dir: &Path) -> Settings {
    Settings {
        dir: dir.to_owned(),
        segment: ByteSize::kib(64),
        min_free: ByteSize::b(0),
        stalled_after: Duration::from_millis(100),
        ..Settings::default()
    }
}

fn record() -> Record {
    Record {
        meta: Bytes::new(),
        payload: Bytes::from_static(&[7; 500]),
    }
}

fn eventually(holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "it never came about");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_hanging_disk_refuses_new_records_at_once_and_keeps_those_it_took() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Hanging {
        disk: Arc::new(RealDisk::new(dir.path()).unwrap()),
        hangs: Arc::default(),
    };
    let (log, _) = Log::open_on(Arc::new(disk.clone()), settings(dir.path())).unwrap();
    let lane = log.lane(b"lane").unwrap();
    disk.hang(true);
    let (done, answers) = channel();
    log.append(lane, vec![record()], move |result| {
        done.send(result).unwrap()
    })
    .unwrap();
    eventually(|| log.stats().state == State::Stalled);
    let refused = log
        .append(lane, vec![record()], |_| panic!("refused"))
        .unwrap_err();
    assert!(matches!(refused.why, AppendError::Stalled { .. }) && refused.records.len() == 1);
    let started = Instant::now();
    assert!(log.close(Duration::from_millis(50)).is_err());
    drop(log);
    assert!(started.elapsed() < Duration::from_secs(2));
    disk.hang(false);
    assert!(
        answers
            .recv_timeout(Duration::from_secs(10))
            .unwrap()
            .is_ok()
    );
    eventually(|| Log::open(settings(dir.path())).is_ok());
    let (_log, recovered) = Log::open(settings(dir.path())).unwrap();
    assert_eq!(recovered.lanes[0].events, 1);
}

#[test]
fn many_segments_are_opened_quickly() {
    // On memory where there is some: the point is what is read, not how fast.
    let dir = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    let (log, _) = Log::open(settings(dir.path())).unwrap();
    let lane = log.lane(b"lane").unwrap();
    while log.stats().segments < 400 {
        let full = log
            .append(lane, vec![record(); 20], |result| assert!(result.is_ok()))
            .is_err();
        if full {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    log.close(Duration::from_secs(30)).unwrap();
    drop(log);
    let started = Instant::now();
    let (log, recovered) = Log::open(settings(dir.path())).unwrap();
    assert!(
        started.elapsed() < Duration::from_millis(500),
        "{:?}",
        started.elapsed()
    );
    assert!(recovered.segments >= 400 && recovered.damage.scanned_segments == 0);
    assert_eq!(log.stats().backlog_events, recovered.lanes[0].events);
}

#[test]
fn bounds_change_while_the_log_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let first = Settings {
        quota: ByteSize::kib(8 * 64),
        segment: ByteSize::kib(64),
        ..settings(dir.path())
    };
    let (log, _) = Log::open(first.clone()).unwrap();
    let lane = log.lane(b"lane").unwrap();
    let append = || {
        let (tell, told) = channel();
        let record = Record {
            meta: Bytes::new(),
            payload: Bytes::from(vec![7; 15_000]),
        };
        let appended = log.append(lane, vec![record], move |it| tell.send(it.is_ok()).unwrap());
        appended.is_ok() && told.recv().unwrap()
    };
    let stored = (0..12).filter(|_| append()).count();
    assert_eq!(stored, 12, "that is four segments");
    let change = |quota, queue| {
        let (quota, queue) = (ByteSize::kib(quota), ByteSize::kib(queue));
        log.change(&Settings {
            quota,
            queue,
            ..first.clone()
        });
    };
    change(64, 1_024);
    // What is left of the segment that is begun.
    let more = (0..12).filter(|_| append()).count();
    assert!(more <= 4, "{more}");
    eventually(|| log.stats().spares == 0);
    assert_eq!(log.lane_backlog(lane).events, (stored + more) as u64);
    assert_eq!(log.state(), State::Full);
    change(20 * 64, 1_024);
    eventually(|| log.state() == State::Healthy);
    assert!(append());
    // An append that is larger than all that may wait goes when nothing does, so that its lane doesn't stand still.
    change(20 * 64, 1);
    eventually(append);
    eventually(append);
}
