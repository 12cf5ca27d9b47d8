//! How far the reading of a lane's part of the log is, and when it goes on.

use std::time::{Duration, Instant};

use super::message::Brought;

/// Pause after a read that failed, doubled with each one that fails again.
const READ_PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause.
const LONGEST_READ_PAUSE: Duration = Duration::from_secs(60);

/// How far the reading of a lane is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lane) struct Reading {
    pub(in crate::lane) reader: Reader,
    /// There was a read, so that the reader knows where it goes on.
    pub(in crate::lane) is_open: bool,
    /// The last read brought all that the log had of the lane then.
    pub(in crate::lane) has_caught_up: bool,
}

/// What the reader of a lane does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lane) enum Reader {
    /// Nothing. The log may hold something new.
    Rests { has_news: bool },
    /// It reads. `has_news`: something was stored meanwhile. So many reads before it failed.
    Reads { has_news: bool, failures: u32 },
    /// It waits after a read that failed.
    Pauses { until: Instant, failures: u32 },
}

impl Reading {
    /// Begins a read, if there may be something to read. True if so.
    pub(super) fn begins(&mut self, now: Instant) -> bool {
        let failures = match self.reader {
            Reader::Rests { has_news: true } => 0,
            Reader::Pauses { until, failures } if now >= until => failures,
            _ => return false,
        };
        // What is stored from now on is news again.
        self.reader = Reader::Reads {
            has_news: false,
            failures,
        };
        true
    }

    /// The read that was to begin didn't.
    pub(super) fn not_asked(&mut self, now: Instant) {
        self.reader = match self.reader {
            Reader::Reads { failures: 0, .. } => Reader::Rests { has_news: true },
            Reader::Reads { failures, .. } => Reader::Pauses {
                until: now,
                failures,
            },
            other => other,
        };
    }

    /// A read ended. False if none was under way.
    pub(super) fn ended(&mut self, brought: Brought, now: Instant) -> bool {
        let Reader::Reads { has_news, failures } = self.reader else {
            return false;
        };
        (self.is_open, self.has_caught_up) = (true, false);
        self.reader = match brought {
            Brought::Events { has_some, is_all } => {
                self.has_caught_up = is_all;
                Reader::Rests {
                    has_news: has_news || has_some,
                }
            }
            Brought::Failure | Brought::Unknown => Reader::Pauses {
                until: now + read_pause(failures),
                failures: failures.saturating_add(1),
            },
        };
        true
    }

    /// The log may hold something that wasn't read.
    pub(super) fn note_news(&mut self) {
        if let Reader::Rests { has_news } | Reader::Reads { has_news, .. } = &mut self.reader {
            *has_news = true;
        }
    }

    /// Whether all that there was is read.
    pub(super) fn is_done(&self) -> bool {
        self.reader == Reader::Rests { has_news: false }
    }

    /// Whether a read is under way.
    pub(super) fn is_under_way(&self) -> bool {
        matches!(self.reader, Reader::Reads { .. })
    }
}

impl Default for Reading {
    fn default() -> Reading {
        Reading {
            reader: Reader::Rests { has_news: true },
            is_open: false,
            has_caught_up: false,
        }
    }
}

fn read_pause(failures: u32) -> Duration {
    let pause = READ_PAUSE.saturating_mul(2u32.saturating_pow(failures));
    pause.min(LONGEST_READ_PAUSE)
}
