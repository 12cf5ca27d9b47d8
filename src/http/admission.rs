//! What every request of the data port goes through once its events are known, whichever way they came: memory, rate, lanes, and the
//! wait for what becomes of them.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::StatusCode;

use super::answer::Problem;
use super::body::BodyFault;
use super::entry::Entry;
use super::plan::{self, EVENT_OVERHEAD_BYTES, Plan};
use super::port::Local;
use super::reasons::{problem_of, problem_of_refusal};
use super::rejected::Rejected;
use super::shares;
use super::snapshot::Snapshot;
use super::streams::Route;
use crate::budget::{Held, HeldByProcess};
use crate::lane::{Lane, admit};
use crate::rate::Taken;
use crate::receipt::{self, Arrival, Outcome, Parcels};
use crate::route::Ack;

/// What is known of an answer beside it.
pub(super) struct Answered {
    /// When it was ready.
    pub(super) at: Instant,
    /// What its list is charged.
    pub(super) list: Option<HeldByProcess>,
    /// The connection ends with it.
    pub(super) is_last: bool,
    /// How the request was let in, if something was asked for.
    pub(super) entry: Option<Box<Entry>>,
}

impl Answered {
    pub(super) fn at(at: Instant) -> Answered {
        Answered {
            at,
            list: None,
            is_last: false,
            entry: None,
        }
    }
}

/// What a request that was read is taken with.
pub(super) struct With<'a> {
    pub(super) local: &'a Local,
    pub(super) snapshot: &'a Snapshot,
    pub(super) route: &'a Route,
    pub(super) entry: Option<&'a Entry>,
}

impl With<'_> {
    /// Charges and admits what was planned for `lanes`, all of it or nothing.
    pub(super) fn admit(
        &self,
        planned: Plan,
        lanes: &[Arc<Lane>],
        body: Bytes,
        arrival: Arrival,
        mut held: Held,
    ) -> Result<(Parcels, Rejected), Box<Problem>> {
        let (local, route) = (self.local, self.route);
        self.charge(&planned, &mut held)?;
        let wanted = plan::wanted(&planned, lanes);
        let since_start = || arrival.at.duration_since(local.port.start);
        let taken = shares::take(route, &wanted, since_start)?;
        shares::check_spill(route, &wanted)?;
        let amount = |_| shares::amount_of(&wanted);
        let amount = self.entry.map(amount).unwrap_or_default();
        let of_source = self.entry.map(|entry| entry.take(amount, since_start()));
        let of_source = of_source.transpose()?.flatten();
        let admitted = admit(&route.cluster, &self.snapshot.lanes, &wanted, || {
            receipt::Request::into_parcels(
                body,
                planned.events,
                &planned.slots,
                arrival,
                (route.ack != Ack::Memory).then(|| Arc::clone(&local.mailbox)),
                Arc::clone(&route.stream.ledger),
                held,
            )
        });
        match admitted {
            Ok(parcels) => {
                taken.keep();
                of_source.into_iter().for_each(Taken::keep);
                if let Some(entry) = self.entry {
                    entry.took(amount.events);
                }
                Ok((parcels, planned.rejected))
            }
            Err(refusal) => Err(problem_of_refusal(&refusal, route).into()),
        }
    }

    /// Charges what the events cost beside the body and the first one's bookkeeping, unless with their keys they are too large.
    fn charge(&self, planned: &Plan, held: &mut Held) -> Result<(), Problem> {
        let limit = self.snapshot.settings.max_decompressed.as_u64();
        // Events alone are no larger than their body, and that was looked at before.
        if planned.bytes > limit {
            let detail = format!(
                "with its key each, the events have {} bytes, and {limit} are allowed; send fewer events at once",
                planned.bytes
            );
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            return Err(Problem::new(status, "body_too_large", detail));
        }
        let more = planned.overhead.saturating_sub(EVENT_OVERHEAD_BYTES);
        if more == 0 {
            return Ok(());
        }
        held.grow(more)
            .map_err(|exhausted| problem_of(BodyFault::Memory(exhausted), self.local, self.route))
    }

    /// What becomes of admitted events: waits as long as their stream asks for, at most `within` from the request's arrival on.
    pub(super) async fn outcome(&self, parcels: &Parcels, within: Duration) -> Outcome {
        if self.route.ack == Ack::Memory {
            return Outcome {
                queued: parcels.iter().map(|parcel| parcel.count()).sum(),
                ..Outcome::default()
            };
        }
        let outcome = wait(self.local, parcels, within).await;
        if !outcome.not_acked.is_empty() {
            let not_taken = shares::give_back(self.route, parcels, &outcome);
            if let Some(entry) = self.entry {
                entry.give_back(not_taken);
            }
        }
        outcome
    }
}

/// Waits until every event is resolved, at most `within` from the request's arrival on.
async fn wait(local: &Local, parcels: &Parcels, within: Duration) -> Outcome {
    let Some(first) = parcels.first() else {
        return Outcome::default();
    };
    let request = first.request();
    let waiting = local
        .deadlines
        .enter(request, request.received_at(), within);
    // Nobody else ends the waiting while this thread is here, so the first look can't find it over.
    let mut has_looked = false;
    poll_fn(|cx| {
        if request.is_finished() || (has_looked && waiting.is_over()) {
            return Poll::Ready(());
        }
        has_looked = true;
        request.on_finish(cx.waker());
        // It may have been finished before it was known whom to wake.
        if request.is_finished() {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
    receipt::settle(parcels)
}
