//! What every request of the data port goes through once its events are known, whichever way they came: memory, rate, lanes, and the
//! wait for what becomes of them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::StatusCode;

use super::answer::Problem;
use super::body::BodyFault;
use super::deadlines::Waiting;
use super::entry::Entry;
use super::plan::{self, EVENT_OVERHEAD_BYTES, Plan};
use super::port::Local;
use super::reasons::{problem_of, problem_of_refusal};
use super::rejected::Rejected;
use super::shares;
use super::snapshot::Snapshot;
use super::streams::Route;
use crate::budget::{Held, HeldByProcess};
use crate::lane::{Lane, Wanted, admit};
use crate::rate::{Amount, Taken};
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
    /// The request was turned away by its head, and its connection may go on for so long: `http.refused_timeout`.
    pub(super) turned_away: Option<Duration>,
    /// How the request was let in, if something was asked for.
    pub(super) entry: Option<Box<Entry>>,
}

impl Answered {
    pub(super) fn at(at: Instant) -> Answered {
        Answered {
            at,
            list: None,
            is_last: false,
            turned_away: None,
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

/// Events that nothing is said against but by their lanes, with what was taken for them of rates. Dropping it gives that back.
pub(super) struct Ready<'a> {
    taken: shares::Taking<'a>,
    of_source: Option<Taken<'a>>,
    /// The events, where something was taken for them of what isn't their stream's alone.
    pub(super) amount: Amount,
}

impl<'a> With<'a> {
    /// Charges and admits what was planned for `lanes`, all of it or nothing.
    #[inline(always)]
    pub(super) fn admit(
        &self,
        planned: Plan,
        lanes: &[Arc<Lane>],
        body: Bytes,
        arrival: Arrival,
        mut held: Held,
    ) -> Result<(Parcels, Rejected), Box<Problem>> {
        let wanted = plan::wanted(&planned, lanes);
        let ready = self.prepare(&planned, &wanted, arrival, &mut held)?;
        self.commit(ready, planned, &wanted, body, arrival, held)
    }

    /// Charges what was planned and takes it of rates, or says why it's too much. Nothing of it is in a lane yet.
    #[inline(always)]
    pub(super) fn prepare(
        &self,
        planned: &Plan,
        wanted: &[Wanted<'_>],
        arrival: Arrival,
        held: &mut Held,
    ) -> Result<Ready<'a>, Box<Problem>> {
        let (local, route) = (self.local, self.route);
        self.charge(planned, held)?;
        let since_start = || arrival.at.duration_since(local.port.start);
        let taken = shares::take(route, wanted, since_start)?;
        shares::check_spill(route, wanted)?;
        let amount = |_| shares::amount_of(wanted);
        let amount = self.entry.map(amount).unwrap_or_default();
        let of_source = self.entry.map(|entry| entry.take(amount, since_start()));
        Ok(Ready {
            taken,
            of_source: of_source.transpose()?.flatten(),
            amount,
        })
    }

    /// As [`With::prepare`], for one of several streams: nothing is taken of what they may have in common, their owner's rate and their
    /// source's.
    pub(super) fn prepare_part(
        &self,
        planned: &Plan,
        wanted: &[Wanted<'_>],
        arrival: Arrival,
        held: &mut Held,
    ) -> Result<Ready<'a>, Box<Problem>> {
        self.charge(planned, held)?;
        let amount = shares::amount_of(wanted);
        let taken = shares::take_alone(self.route, amount, self.since_start(arrival))?;
        shares::check_spill(self.route, wanted)?;
        Ok(Ready {
            taken,
            of_source: None,
            amount,
        })
    }

    /// When a request came, as rates know the time.
    pub(super) fn since_start(&self, arrival: Arrival) -> Duration {
        arrival.at.duration_since(self.local.port.start)
    }

    /// Admits what was prepared, all of it or nothing: only its lanes may still say no.
    #[inline(always)]
    pub(super) fn commit(
        &self,
        ready: Ready<'a>,
        planned: Plan,
        wanted: &[Wanted<'_>],
        body: Bytes,
        arrival: Arrival,
        held: Held,
    ) -> Result<(Parcels, Rejected), Box<Problem>> {
        let (local, route) = (self.local, self.route);
        let admitted = admit(&route.cluster, &self.snapshot.lanes, wanted, || {
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
                ready.taken.keep();
                ready.of_source.into_iter().for_each(Taken::keep);
                if let Some(entry) = self.entry {
                    entry.took(ready.amount.events);
                }
                Ok((parcels, planned.rejected))
            }
            Err(refusal) => Err(problem_of_refusal(&refusal, route).into()),
        }
    }

    /// Charges what the events cost beside the body and the first one's bookkeeping, unless with their keys they are too large.
    #[inline(always)]
    fn charge(&self, planned: &Plan, held: &mut Held) -> Result<(), Problem> {
        let limit = self.snapshot.settings.max_decompressed.as_u64();
        // Events alone are no larger than their body, and that was looked at before.
        if planned.bytes > limit {
            return Err(too_large_together(limit));
        }
        let more = planned.overhead.saturating_sub(EVENT_OVERHEAD_BYTES);
        if more == 0 {
            return Ok(());
        }
        held.grow(more)
            .map_err(|exhausted| problem_of(BodyFault::Memory(exhausted), self.local, self.route))
    }

    /// What becomes of admitted events: waits as long as their stream asks for, at most `within` from the request's arrival on.
    pub(super) fn outcome(&'a self, parcels: &'a Parcels, within: Duration) -> Deciding<'a> {
        let first = parcels.first().filter(|_| self.route.ack != Ack::Memory);
        let waiting = first.map(|first| {
            let (request, deadlines) = (first.request(), &self.local.deadlines);
            (
                request,
                deadlines.enter(request, request.received_at(), within),
            )
        });
        Deciding {
            with: self,
            parcels,
            waiting,
            has_looked: false,
        }
    }
}

/// The problem of events that are larger than a body may be, because each of them gets what the request says once.
#[cold]
pub(super) fn too_large_together(limit: u64) -> Problem {
    let detail = format!(
        "with keys and headers of their own, the events have more than {limit} bytes, which are allowed together; send fewer events at once"
    );
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
}

/// The wait until every event of a request is resolved.
pub(super) struct Deciding<'a> {
    with: &'a With<'a>,
    parcels: &'a Parcels,
    /// Nothing where nobody waits.
    waiting: Option<(&'a Arc<receipt::Request>, Waiting<'a>)>,
    /// Nobody else ends the waiting while this thread is here, so the first look can't find it over.
    has_looked: bool,
}

impl Future for Deciding<'_> {
    type Output = Outcome;

    // As a part of the request that waits, which an async function with several callers isn't.
    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let it = &mut *self;
        let Some((request, waiting)) = &it.waiting else {
            return Poll::Ready(Outcome {
                queued: it.parcels.iter().map(|parcel| parcel.count()).sum(),
                ..Outcome::default()
            });
        };
        let is_over = request.is_finished() || (it.has_looked && waiting.is_over());
        if !is_over {
            it.has_looked = true;
            request.on_finish(cx.waker());
            // It may have been finished before it was known whom to wake.
            if !request.is_finished() {
                return Poll::Pending;
            }
        }
        let outcome = receipt::settle(it.parcels);
        if !outcome.not_acked.is_empty() {
            let not_taken = shares::give_back(it.with.route, it.parcels, &outcome);
            if let Some(entry) = it.with.entry {
                entry.give_back(not_taken);
            }
        }
        Poll::Ready(outcome)
    }
}
