//! The end of a worker: what is only in memory goes to the spill log, or is refused; nothing is left without an answer.

use std::time::{Duration, Instant};

use super::spilling::Mode;
use super::worker::{CLOSE_WITHIN, Worker};
use crate::receipt::Cause;

/// How long the spill log may take to store what is left at the end.
const STORE_WITHIN: Duration = Duration::from_secs(3);

impl Worker {
    /// The end: what waits goes to the spill log or is refused, what the client holds is copied to it and given up.
    pub(super) fn finish(&mut self) {
        self.cluster.stop.close();
        self.spill_all();
        self.refuse_waiting();
        if let Some(mut native) = self.native.take() {
            self.shared_client.set(None);
            native.close(CLOSE_WITHIN, |report| self.take_last_report(report));
            std::thread::spawn(move || drop(native));
        }
        let unresolved: Vec<_> = self
            .works
            .iter_mut()
            .flatten()
            .flat_map(|work| work.window.drain())
            .collect();
        for parcel in unresolved.iter().filter(|parcel| parcel.abandon()) {
            self.finished(parcel);
        }
        // What was being admitted while the door closed.
        self.refuse_waiting();
        self.knock();
    }

    /// Brings all that is only in memory to the spill log, if there is one.
    fn spill_all(&mut self) {
        let Some(spiller) = self.spiller.take() else {
            return;
        };
        self.collect_ready();
        let mut finished = Vec::new();
        for work in self.works.iter_mut().flatten() {
            work.pull();
            let waits = !work.backlog.is_empty() || !work.window.is_empty();
            if matches!(work.mode, Mode::Direct) && waits {
                spiller.enter(work, &self.cluster);
            }
            finished.extend(spiller.append_backlog(work, &self.cluster));
        }
        self.spiller = Some(spiller);
        let deadline = Instant::now() + STORE_WITHIN;
        while self.is_appending() && Instant::now() < deadline {
            self.take_stored();
            std::thread::sleep(Duration::from_millis(1));
        }
        for parcel in finished {
            self.finished(&parcel);
        }
    }

    /// Whether nothing waits in memory. What waits in the spill log can go on waiting.
    pub(super) fn is_idle(&self) -> bool {
        self.active.iter().all(|number| {
            let work = self.works[*number as usize].as_ref();
            work.is_none_or(|work| {
                work.backlog.is_empty() && work.window.is_empty() && !work.mode.is_appending()
            })
        })
    }

    fn is_appending(&self) -> bool {
        self.works
            .iter()
            .flatten()
            .any(|work| work.mode.is_appending())
    }

    fn refuse_waiting(&mut self) {
        self.collect_ready();
        let mut waiting = Vec::new();
        for work in self.works.iter_mut().flatten() {
            work.pull();
            for parcel in work.backlog.drain(..) {
                work.lane.ring.release(parcel.bytes(), parcel.count());
                waiting.push(parcel);
            }
        }
        for parcel in waiting
            .iter()
            .filter(|parcel| parcel.refuse(Cause::Draining))
        {
            self.finished(parcel);
        }
    }
}
