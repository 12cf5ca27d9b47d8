//! A log on a simulated disk whose writer and steward are turned by hand, for tests of the lanes.

use std::sync::Arc;

use bytesize::ByteSize;

use super::super::clock::Clock;
use super::super::inbox::Bounds;
use super::super::settings::Settings;
use super::super::shared::Shared;
use super::super::steward::Steward;
use super::super::writer::Writer;
use super::super::{Log, recover};
use super::sim_disk::{EIO, Faults, SimDisk};
use super::world::tiny;

/// Room for a few events.
const BUSY_QUEUE: ByteSize = ByteSize::kib(3);

/// What is wrong with the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing.
    None,
    /// So many percent of the writes fail.
    Writes(u64),
    /// There is no room for another segment.
    Full,
    /// The next write fails once; whether its bytes reach the disk.
    OneWrite(bool),
}

struct Running {
    writer: Writer,
    steward: Steward,
    shared: Arc<Shared>,
}

/// The disk, and the log on it while it's open.
pub(crate) struct HandLog {
    disk: SimDisk,
    settings: Settings,
    now_ms: u64,
    running: Option<Running>,
}

impl HandLog {
    /// An empty disk. With every other seed it's soon busy.
    pub(crate) fn new(seed: u64) -> HandLog {
        HandLog {
            disk: SimDisk::new(seed),
            settings: Settings {
                queue: if seed.is_multiple_of(2) {
                    tiny().queue
                } else {
                    BUSY_QUEUE
                },
                ..tiny()
            },
            now_ms: 1_700_000_000_000,
            running: None,
        }
    }

    /// Opens the log that is on the disk.
    pub(crate) fn open(&mut self) -> Arc<Log> {
        let disk = Arc::new(self.disk.clone());
        let opened = recover::open(disk, self.settings.clone(), Clock::standing(self.now_ms));
        // Whether anything is missing is the lanes' test's own business: watermarks that a full disk didn't take look like
        // losses.
        let (shared, _) = opened.expect("the log opens");
        let log = Arc::new(Log::without_threads(&shared));
        self.running = Some(Running {
            writer: Writer::new(&shared),
            steward: Steward::new(&shared),
            shared,
        });
        log
    }

    /// Time passes.
    pub(crate) fn advance(&mut self, by_ms: u64) {
        self.now_ms += by_ms;
        if let Some(running) = &self.running {
            running.shared.clock.advance(by_ms);
        }
    }

    /// One turn of the writer; false if nothing waited.
    pub(crate) fn write(&mut self) -> bool {
        let running = self.running.as_mut();
        running.is_some_and(|running| running.writer.turn())
    }

    /// One turn of the steward.
    pub(crate) fn tend(&mut self) {
        if let Some(running) = &mut self.running {
            running.steward.turn();
        }
    }

    /// Changes what is wrong with the disk.
    pub(crate) fn trouble(&mut self, trouble: Trouble) {
        let write = match trouble {
            Trouble::Writes(percent) => percent,
            _ => 0,
        };
        self.disk.fail(Faults {
            write,
            errno: EIO,
            ..Faults::default()
        });
        self.disk.set_capacity(match trouble {
            Trouble::Full => 0,
            _ => u64::MAX / 4,
        });
        self.disk.state().next_write = match trouble {
            Trouble::OneWrite(reaches) => Some(reaches),
            _ => None,
        };
    }

    /// Ends the log properly; nobody else may have it then.
    pub(crate) fn close(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.writer.finish();
            running.steward.finish();
        }
    }

    /// Forgets what waits for the disk, as a crash does. The log's owners drop theirs then, and call [`HandLog::crashed`].
    pub(crate) fn crash(&mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        running.shared.inbox.close();
        let all = Bounds {
            bytes: u64::MAX,
            room: u64::MAX,
            jobs: usize::MAX,
        };
        let mut waiting = Vec::new();
        running.shared.inbox.take(&mut waiting, &all);
        // What waits holds the cluster, and that the log: a circle that only a process's end breaks.
        drop(waiting);
    }

    /// The machine loses its power, if so, and what isn't on the disk with it.
    pub(crate) fn crashed(&mut self, loses_power: bool) {
        if loses_power {
            self.disk.power_cycle();
        }
        self.trouble(Trouble::None);
    }
}
