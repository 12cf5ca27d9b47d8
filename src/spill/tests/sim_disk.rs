//! A disk in memory that fails like real ones: torn sectors, forgotten directory entries, errors after which the data is
//! gone although the page cache still shows it, no room, rot. It can stop at any operation.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

const SECTOR: usize = 512;
pub(super) const EIO: i32 = 5;
pub(super) const ENOSPC: i32 = 28;

/// A small generator of random numbers (splitmix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What may go wrong, in percent of the operations.
#[derive(Clone, Default)]
pub(super) struct Faults {
    pub(super) write: u64,
    pub(super) read: u64,
    /// Creating, renaming, unlinking, syncing the directory.
    pub(super) directory: u64,
    /// Reads that the page cache answers with zeros.
    pub(super) stale: u64,
    /// The error that writes get.
    pub(super) errno: i32,
}

/// A disk that says that it synced, and didn't: negative controls.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lie {
    None,
    /// Writes are never synced.
    Sync,
    /// Writes are synced when the next operation begins: like answering before the sync.
    LateSync,
    /// Directories are never synced.
    DirectorySync,
}

#[derive(Default)]
pub(super) struct Inode {
    pub(super) current: Vec<u8>,
    pub(super) durable: Vec<u8>,
    pub(super) is_sized: bool,
}

pub(super) enum Change {
    Add(String, usize),
    Rename(String, String, usize),
    Remove(String),
}

pub(super) struct Unsynced {
    pub(super) inode: usize,
    pub(super) offset: usize,
    pub(super) bytes: Vec<u8>,
}

pub(super) struct State {
    pub(super) inodes: Vec<Inode>,
    pub(super) names: BTreeMap<String, usize>,
    pub(super) durable_names: BTreeMap<String, usize>,
    pub(super) changes: Vec<Change>,
    pub(super) unsynced: Vec<Unsynced>,
    pub(super) random: Random,
    pub(super) operations: u64,
    pub(super) writes: u64,
    pub(super) crash_at: u64,
    pub(super) is_crashed: bool,
    pub(super) is_locked: bool,
    /// The next write fails, although (or not) its bytes reached the disk.
    pub(super) next_write: Option<bool>,
    /// Operations in this range fail with this error.
    pub(super) outage: (std::ops::Range<u64>, i32),
    pub(super) capacity: u64,
    pub(super) faults: Faults,
    pub(super) lie: Lie,
}

/// The disk; clones are the same disk.
#[derive(Clone)]
pub(super) struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    pub(super) fn new(seed: u64) -> SimDisk {
        SimDisk(Arc::new(Mutex::new(State {
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: Vec::new(),
            unsynced: Vec::new(),
            random: Random(seed),
            operations: 0,
            writes: 0,
            crash_at: u64::MAX,
            is_crashed: false,
            is_locked: false,
            next_write: None,
            outage: (0..0, EIO),
            capacity: u64::MAX / 4,
            faults: Faults::default(),
            lie: Lie::None,
        })))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn lie(&self, lie: Lie) {
        self.state().lie = lie;
    }

    pub(super) fn fail(&self, faults: Faults) {
        self.state().faults = faults;
    }

    pub(super) fn set_capacity(&self, bytes: u64) {
        self.state().capacity = bytes;
    }

    /// The power goes off in the n-th operation from now.
    pub(super) fn crash_in(&self, operations: u64) {
        let mut state = self.state();
        state.crash_at = state.operations + operations;
    }

    /// The next write fails; whether its bytes reach the disk nevertheless.
    pub(super) fn fail_next_write(&self, reaches: bool) {
        self.state().next_write = Some(reaches);
    }

    /// `count` operations fail, after `start` more have not.
    pub(super) fn fail_after(&self, start: u64, count: u64, errno: i32) {
        let mut state = self.state();
        let from = state.operations + start;
        state.outage = (from..from + count, errno);
    }

    pub(super) fn is_crashed(&self) -> bool {
        self.state().is_crashed
    }

    pub(super) fn writes(&self) -> u64 {
        self.state().writes
    }

    pub(super) fn operations(&self) -> u64 {
        self.state().operations
    }

    /// The power comes back: what wasn't durable is partly gone.
    pub(super) fn power_cycle(&self) {
        let mut state = self.state();
        let state = &mut *state;
        for lost in std::mem::take(&mut state.unsynced) {
            state.inodes[lost.inode].tear(&mut state.random, lost.offset, &lost.bytes);
        }
        let mut names = std::mem::take(&mut state.durable_names);
        for change in state.changes.drain(..) {
            if state.random.percent(50) {
                change.apply(&mut names);
            }
        }
        for inode in &mut state.inodes {
            if !inode.is_sized && state.random.percent(50) {
                inode.durable.clear();
            }
            inode.is_sized = true;
            inode.current = inode.durable.clone();
        }
        state.durable_names = names.clone();
        state.names = names;
        (state.is_crashed, state.crash_at, state.is_locked) = (false, u64::MAX, false);
        state.faults = Faults::default();
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    pub(super) fn content(&self, name: &str) -> Vec<u8> {
        let state = self.state();
        state.inodes[state.names[name]].current.clone()
    }

    /// Changes a file behind the log's back, durably.
    pub(super) fn edit(&self, name: &str, edit: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let inode = state.names[name];
        let inode = &mut state.inodes[inode];
        edit(&mut inode.current);
        inode.durable = inode.current.clone();
    }

    pub(super) fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.state();
        let inode = state.inodes.len();
        state.inodes.push(Inode {
            current: bytes.clone(),
            durable: bytes,
            is_sized: true,
        });
        state.names.insert(name.into(), inode);
        state.durable_names.insert(name.into(), inode);
    }

    pub(super) fn delete(&self, name: &str) {
        let mut state = self.state();
        state.names.remove(name);
        state.durable_names.remove(name);
    }
}

impl Inode {
    /// An arbitrary subset of the sectors reaches the disk.
    pub(super) fn tear(&mut self, random: &mut Random, offset: usize, bytes: &[u8]) {
        let odds = [0, 50, 90, 100][random.below(4) as usize];
        for (at, sector) in bytes.chunks(SECTOR).enumerate() {
            let start = offset + at * SECTOR;
            if random.percent(odds) {
                self.durable[start..start + sector.len()].copy_from_slice(sector);
            }
        }
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Change::Add(name, inode) => drop(names.insert(name.clone(), *inode)),
            Change::Remove(name) => drop(names.remove(name)),
            Change::Rename(from, to, inode) => {
                names.remove(from);
                // A file has one name, whatever was lost before.
                names.retain(|_, named| named != inode);
                names.insert(to.clone(), *inode);
            }
        }
    }
}

impl State {
    /// Begins an operation that changes something; true if the power goes off in it.
    pub(super) fn begin(&mut self) -> io::Result<bool> {
        if self.is_crashed {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        self.operations += 1;
        if self.outage.0.contains(&self.operations) {
            return Err(io::Error::from_raw_os_error(self.outage.1));
        }
        self.is_crashed = self.operations >= self.crash_at;
        if self.lie == Lie::LateSync && !self.is_crashed {
            for late in std::mem::take(&mut self.unsynced) {
                let end = late.offset + late.bytes.len();
                self.inodes[late.inode].durable[late.offset..end].copy_from_slice(&late.bytes);
            }
        }
        Ok(self.is_crashed)
    }

    pub(super) fn change(&mut self, change: Change) -> io::Result<()> {
        let crashes = self.begin()?;
        let percent = self.faults.directory;
        if !crashes && self.random.percent(percent) {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        change.apply(&mut self.names);
        self.changes.push(change);
        if crashes {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        Ok(())
    }

    pub(super) fn used(&self) -> u64 {
        self.names
            .values()
            .map(|&inode| self.inodes[inode].current.len() as u64)
            .sum()
    }

    pub(super) fn inode(&self, name: &str) -> io::Result<usize> {
        self.names
            .get(name)
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}
