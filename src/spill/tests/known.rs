//! What is known of the runs of segments that are being read has a bound, however small the runs are.

use std::sync::Arc;

use super::super::clock::Clock;
use super::super::runs::KNOWN_BYTES;
use super::super::steward::Steward;
use super::super::writer::Writer;
use super::super::{Log, Record, recover};
use super::sim_disk::SimDisk;
use super::world::tiny;

#[test]
fn what_is_known_of_many_small_runs_is_forgotten_for_what_is_read_now() {
    let disk = Arc::new(SimDisk::new(1));
    let opened = recover::open(disk, tiny(), Clock::standing(1_700_000_000_000));
    let (shared, _) = opened.expect("the log opens");
    let log = Log::without_threads(&shared);
    let (mut writer, mut steward) = (Writer::new(&shared), Steward::new(&shared));
    let names = (0..100).map(|number| format!("lane-{number}"));
    let lanes: Vec<_> = names
        .map(|name| log.lane(name.as_bytes()).unwrap())
        .collect();
    for lane in &lanes {
        let record = Record {
            meta: vec![].into(),
            payload: vec![b'x'; 600].into(),
        };
        assert!(log.append(*lane, vec![record], |_| {}).is_ok());
        writer.turn();
        steward.turn();
    }
    let mut most = 0;
    for lane in &lanes {
        let read = log.reader(*lane).unwrap().read(1 << 20).unwrap();
        assert_eq!(read.len(), 1);
        most = most.max(shared.open_segments.known_beside_last());
    }
    assert!(most > 0, "several segments are read");
    assert!(most <= KNOWN_BYTES, "{most} bytes");
    writer.finish();
    steward.finish();
}
