//! What a worker makes of its client's reports: windows move on, receipts are resolved, requests are finished.

use std::sync::Arc;

use rdkafka::error::RDKafkaErrorCode::{AllBrokersDown, PurgeQueue};

use super::worker::Worker;
use crate::produce::Report;
use crate::produce::verdict::{Verdict, verdict};
use crate::receipt::{Cause, Parcel};

/// Reports of the client that are read in one turn, at most: one report holds the acknowledgements of one request.
const REPORTS_PER_TURN: usize = 4_096;

impl Worker {
    /// Reads what the client has to report; returns how much it was.
    pub(super) fn read_reports(&mut self) -> usize {
        let Some(mut native) = self.native.take() else {
            return 0;
        };
        let reports = native.poll(REPORTS_PER_TURN, |report| self.take_report(report));
        self.native = Some(native);
        reports
    }

    pub(super) fn take_report(&mut self, report: Report<'_>) {
        match report {
            Report::Acked { parcel, count } => {
                let bytes = self
                    .works
                    .get_mut(parcel.lane() as usize)
                    .and_then(Option::as_mut)
                    .map_or(0, |work| work.window.acked(parcel, count));
                self.in_flight_events = self.in_flight_events.saturating_sub(count);
                self.in_flight_bytes = self.in_flight_bytes.saturating_sub(bytes);
                self.acked_bytes += bytes;
                if parcel.acked(count) {
                    self.finished(parcel);
                }
            }
            Report::Failed {
                parcel,
                position,
                code,
            } => self.not_delivered(parcel, position, verdict(code), code),
            Report::Trouble { code, fatal, text } => {
                // That all are down is no reason: the one noted before, of a single broker, says why.
                if code != AllBrokersDown {
                    self.cluster.health().trouble(text);
                }
                self.log.write(if fatal { 3 } else { 5 }, text);
                if fatal {
                    tracing::error!(
                        cluster = self.cluster.name(),
                        ?code,
                        reason = text,
                        "kafka client failed"
                    );
                    self.replace_client = true;
                }
            }
            Report::Log {
                level,
                facility,
                text,
            } => match producer_state(facility, text) {
                Some(has_id) => self.cluster.health().set_warm(has_id),
                None => self.log.write(level, text),
            },
        }
    }

    /// Notes what became of appends to the spill log; returns how many there were.
    pub(super) fn take_stored(&mut self) -> usize {
        let Some(spiller) = self.spiller.take() else {
            return 0;
        };
        let mut count = 0;
        while let Some(stored) = spiller.next_stored() {
            count += 1;
            let work = self.works.get_mut(stored.lane() as usize);
            if let Some(work) = work.and_then(Option::as_mut)
                && let Some(parcel) = stored.settle(work, &spiller)
            {
                self.finished(&parcel);
            }
        }
        self.spiller = Some(spiller);
        count
    }

    pub(super) fn not_delivered(
        &mut self,
        parcel: &Arc<Parcel>,
        position: u32,
        verdict: Verdict,
        code: impl std::fmt::Debug,
    ) {
        let Some(work) = self
            .works
            .get_mut(parcel.lane() as usize)
            .and_then(Option::as_mut)
        else {
            return;
        };
        self.in_flight_events = self.in_flight_events.saturating_sub(1);
        if let (Verdict::Permanent(_), true, Some(spiller)) =
            (verdict, parcel.is_spilled(), &self.spiller)
            && spiller.bury(&self.cluster, work, parcel, position)
        {
            let bytes = u64::from(parcel.events()[position as usize].len());
            self.in_flight_bytes = self.in_flight_bytes.saturating_sub(bytes);
            self.log.write(
                4,
                &format!(
                    "kafka refused a spilled event for good, it's kept as a dead letter: {code:?}"
                ),
            );
            return;
        }
        // A spilled event can't be given up: without a grave it's sent again.
        let verdict = match verdict {
            Verdict::Permanent(_) if parcel.is_spilled() => Verdict::SendAgain,
            verdict => verdict,
        };
        let bytes = match verdict {
            Verdict::Permanent(_) => work.window.failed(parcel, position),
            Verdict::SendAgain | Verdict::ReplaceClient => work.window.came_back(parcel, position),
        };
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(bytes);
        match verdict {
            Verdict::Permanent(cause) => {
                self.log
                    .write(4, &format!("kafka refused an event for good: {code:?}"));
                if parcel.failed(position, cause) {
                    self.finished(parcel);
                }
            }
            Verdict::SendAgain => {}
            Verdict::ReplaceClient => self.replace_client = true,
        }
    }

    pub(super) fn finished(&mut self, parcel: &Arc<Parcel>) {
        let request = parcel.request();
        if request.mailbox().put(Arc::clone(request)) {
            self.to_knock.push(Arc::clone(request.mailbox()));
        }
    }

    pub(super) fn knock(&mut self) {
        for mailbox in self.to_knock.drain(..) {
            mailbox.knock();
        }
    }

    /// As [`Worker::take_report`], but nothing is sent again.
    pub(super) fn take_last_report(&mut self, report: Report<'_>) {
        match report {
            Report::Failed { parcel, .. } if parcel.is_spilled() => {}
            Report::Failed {
                parcel,
                position,
                code,
            } => {
                let finished = match verdict(code) {
                    Verdict::Permanent(cause) => parcel.failed(position, cause),
                    _ if code == PurgeQueue => parcel.given_up(position, Cause::Draining),
                    _ => parcel.given_up(position, Cause::Unknown),
                };
                if finished {
                    self.finished(parcel);
                }
            }
            report => self.take_report(report),
        }
    }
}

/// Whether the idempotent producer has its id, if that is what a line of librdkafka's log tells.
fn producer_state(facility: &str, line: &str) -> Option<bool> {
    (facility == "IDEMPSTATE").then(|| line.ends_with("-> Assigned"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_producers_state_is_told_by_its_log() {
        let line = |to| format!("[thrd:main]: Idempotent producer state change WaitPID -> {to}");
        assert_eq!(producer_state("IDEMPSTATE", &line("Assigned")), Some(true));
        assert_eq!(
            producer_state("IDEMPSTATE", &line("DrainBump")),
            Some(false)
        );
        assert_eq!(producer_state("FAIL", "connection refused"), None);
    }
}
