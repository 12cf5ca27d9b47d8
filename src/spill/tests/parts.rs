//! Lanes that are counted together: exactly what waits of them, also after a restart, and no more than they may.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;

use bytesize::ByteSize;

use super::super::{AppendError, Batch, LaneId, Log, Part, PartOf, Settings};

const BODY: usize = 1_000;

fn open(dir: &Path) -> Log {
    let settings = Settings {
        dir: dir.to_owned(),
        segment: ByteSize::kib(256),
        min_free: ByteSize::b(0),
        ..Settings::default()
    };
    Log::open(settings).unwrap().0
}

/// Lanes by the first letter of their names.
fn by_letter(parts: &[(u8, Arc<Part>)]) -> PartOf {
    let parts = parts.to_vec();
    Box::new(move |name| {
        let its = parts
            .iter()
            .find(|(letter, _)| name.first() == Some(letter));
        its.map(|(_, part)| Arc::clone(part))
    })
}

fn batch(records: usize) -> Batch {
    let mut batch = Batch::default();
    for _ in 0..records {
        batch.push(|out| out.resize(out.len() + BODY, b'x'));
    }
    batch
}

/// Appends records and waits until they are durable; with their position.
fn append(log: &Log, lane: LaneId, records: usize) -> Result<super::super::Position, AppendError> {
    let (done, answer) = channel();
    log.append_batch(lane, batch(records), move |result| {
        done.send(result).unwrap();
    })?;
    answer.recv().unwrap().map(|appended| appended.last())
}

/// What the log itself says that waits in lanes whose names begin so.
fn waiting(log: &Log, letter: u8) -> u64 {
    let lanes = log.backlogs().into_iter();
    let its = lanes.filter(|(name, _)| name.first() == Some(&letter));
    its.map(|(_, backlog)| backlog.bytes).sum()
}

#[test]
fn what_waits_is_counted_and_what_is_acknowledged_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let part: Arc<Part> = Arc::default();
    let (first, second);
    {
        let log = open(dir.path());
        log.count_by(by_letter(&[(b'a', Arc::clone(&part))]));
        first = log.lane(b"a/1").unwrap();
        second = log.lane(b"a/2").unwrap();
        let other = log.lane(b"b/1").unwrap();
        let middle = append(&log, first, 10).unwrap();
        append(&log, second, 5).unwrap();
        append(&log, other, 7).unwrap();
        // Through several segments, of which the first are released.
        for _ in 0..60 {
            append(&log, first, 10).unwrap();
        }
        let each = part.used() / 615;
        assert!(each >= BODY as u64 && part.used() == 615 * each);
        log.acked(first, middle);
        assert_eq!(part.used(), 605 * each);
        assert_eq!(part.used(), waiting(&log, b'a'));
        let last = append(&log, first, 1).unwrap();
        log.acked(first, last);
        assert_eq!(part.used(), 5 * each);
        append(&log, first, 2).unwrap();
        assert_eq!(part.used(), 7 * each);
    }
    // What is found at a start is counted as soon as somebody counts.
    let log = open(dir.path());
    let (again, others): (Arc<Part>, Arc<Part>) = Default::default();
    log.count_by(by_letter(&[(b'a', Arc::clone(&again))]));
    assert_eq!(again.used(), part.used());
    // And it moves to another part with its lane.
    log.count_by(by_letter(&[(b'a', Arc::clone(&others))]));
    assert_eq!((again.used(), others.used()), (0, part.used()));
    assert_eq!(others.used(), waiting(&log, b'a'));
}

#[test]
fn a_part_that_is_full_takes_nothing_and_others_do() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let (full, other): (Arc<Part>, Arc<Part>) = Default::default();
    full.set_limit(Some(19_200));
    log.count_by(by_letter(&[
        (b'a', Arc::clone(&full)),
        (b'b', Arc::clone(&other)),
    ]));
    let (lane, of_other) = (log.lane(b"a/1").unwrap(), log.lane(b"b/1").unwrap());
    let nobodys = log.lane(b"c/1").unwrap();
    assert!(log.has_part_room(lane));
    let position = append(&log, lane, 19).unwrap();
    let refused = append(&log, lane, 1).unwrap_err();
    assert!(
        matches!(refused, AppendError::PartFull { used, limit: 19_200 } if used == full.used()),
        "{refused}"
    );
    assert!(!log.has_part_room(lane));
    for lane in [of_other, nobodys] {
        append(&log, lane, 40).unwrap();
        assert!(log.has_part_room(lane));
    }
    // What the log has already, in another lane, is stored all the same.
    let (done, answer) = channel();
    log.append_anyway(lane, batch(2), move |result| done.send(result).unwrap())
        .unwrap();
    let moved = answer.recv().unwrap().unwrap();
    assert!(full.used() > 19_200);
    // Another limit, and what is acknowledged, make room.
    full.set_limit(Some(30_000));
    append(&log, lane, 1).unwrap();
    full.set_limit(Some(19_200));
    assert!(append(&log, lane, 1).is_err());
    log.acked(lane, position);
    append(&log, lane, 10).unwrap();
    log.acked(lane, moved.last());
    full.set_limit(None);
    append(&log, lane, 50).unwrap();
}

/// What is on its way to the disk is counted too: many small appends at once don't get around the limit.
#[test]
fn many_appends_at_once_do_not_get_around_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let part: Arc<Part> = Arc::default();
    part.set_limit(Some(100_000));
    log.count_by(by_letter(&[(b'a', Arc::clone(&part))]));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (log, name) = (&log, format!("a/{thread}"));
            scope.spawn(move || {
                let lane = log.lane(name.as_bytes()).unwrap();
                for _ in 0..200 {
                    let pushed = log.append_batch(lane, batch(1), |result| {
                        result.unwrap();
                    });
                    assert!(matches!(pushed, Ok(()) | Err(AppendError::PartFull { .. })));
                }
            });
        }
    });
    log.close(std::time::Duration::from_secs(5)).unwrap();
    // Four threads may have looked at once.
    let each = BODY as u64 + 6;
    assert!(part.used() <= 100_000 + 3 * each, "{}", part.used());
    assert!(part.used() > 100_000 - 2 * each, "{}", part.used());
    assert_eq!(part.used(), waiting(&log, b'a'));
}
