//! The disk's yardstick: large writes, each made durable before the next.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes of one write: what one frame of the spill log gathers at most.
const WRITE: usize = 4 << 20;
/// The file is written anew from its beginning when it has this size, so that it fits on any disk.
const FILE: u64 = 1 << 30;

/// MB per second.
pub(crate) fn write(folder: &Path, seconds: f64) -> f64 {
    let path = folder.join("yardstick");
    let mut file = File::create(&path).expect("a file");
    // Not zeros: some disks don't store those.
    let bytes: Vec<u8> = (0..WRITE as u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let (begun, mut written) = (Instant::now(), 0_u64);
    while begun.elapsed() < Duration::from_secs_f64(seconds) {
        if written > 0 && written.is_multiple_of(FILE) {
            file.set_len(0).expect("a shorter file");
            file.seek(SeekFrom::Start(0)).expect("its beginning");
        }
        file.write_all(&bytes).expect("a write");
        file.sync_data().expect("a sync");
        written += WRITE as u64;
    }
    let rate = written as f64 / 1e6 / begun.elapsed().as_secs_f64();
    drop(file);
    std::fs::remove_file(path).expect("the file goes");
    rate
}
