//! Shares of a rate and of the log: what a request takes of its stream's and its owner's, and what it hears if that is too much.
//!
//! A rate is taken last, when all else is known, and whole. It's given back if nothing becomes of the events. A stream without rates
//! costs two comparisons.

use std::time::Duration;

use hyper::StatusCode;

use super::answer::Problem;
use super::retry;
use super::streams::Route;
use crate::lane::{Phase, Wanted};
use crate::owner::Of;
use crate::rate::{Amount, Over, Taken, What};
use crate::receipt::{Cause, Outcome, Parcels};

/// What was taken of rates. Dropping it gives it back.
pub(super) struct Taking<'a> {
    stream: Option<Taken<'a>>,
    owner: Option<Taken<'a>>,
}

impl Taking<'_> {
    /// The events were taken: their part is used.
    #[inline]
    pub(super) fn keep(self) {
        self.stream.into_iter().for_each(Taken::keep);
        self.owner.into_iter().for_each(Taken::keep);
    }
}

/// Takes what events need of the rates that bound their stream.
#[inline]
pub(super) fn take<'a>(
    route: &'a Route,
    wanted: &[Wanted<'_>],
    now: impl FnOnce() -> Duration,
) -> Result<Taking<'a>, Problem> {
    if route.rate.is_none() && route.owner_rate.is_none() {
        return Ok(Taking {
            stream: None,
            owner: None,
        });
    }
    take_some(route, amount_of(wanted), now())
}

#[inline(never)]
fn take_some(route: &Route, amount: Amount, now: Duration) -> Result<Taking<'_>, Problem> {
    let stream = route.rate.as_ref().map(|rate| rate.take(amount, now));
    let stream = stream.transpose().map_err(|over| over_rate(over, route))?;
    let owner = route.owner_rate.as_ref().map(|rate| rate.take(amount, now));
    let owner = owner
        .transpose()
        .map_err(|over| over_owners_rate(over, route))?;
    Ok(Taking { stream, owner })
}

/// Takes what events need of the rate of their stream, and of no other.
pub(super) fn take_alone<'a>(
    route: &'a Route,
    amount: Amount,
    now: Duration,
) -> Result<Taking<'a>, Problem> {
    let stream = route.rate.as_ref().map(|rate| rate.take(amount, now));
    let stream = stream.transpose().map_err(|over| over_rate(over, route))?;
    Ok(Taking {
        stream,
        owner: None,
    })
}

/// Takes what all streams of an owner need for a request of its rate. `route` is one of them.
pub(super) fn take_of_owner(
    route: &Route,
    amount: Amount,
    now: Duration,
) -> Result<Option<Taken<'_>>, Problem> {
    let owner = route.owner_rate.as_ref().map(|rate| rate.take(amount, now));
    { owner.transpose() }.map_err(|over| over_owners_rate(over, route))
}

/// Events that wait for room: of all lanes together, with their keys.
pub(super) fn amount_of(wanted: &[Wanted<'_>]) -> Amount {
    Amount {
        events: wanted.iter().map(|room| room.events).sum(),
        bytes: wanted.iter().map(|room| room.bytes).sum(),
    }
}

/// Gives back what was taken for events that aren't durable: their client sends them again. Counts those that their owner's share
/// of the log had no room for. Returns what was given back.
#[cold]
pub(super) fn give_back(route: &Route, parcels: &Parcels, outcome: &Outcome) -> Amount {
    let all = Amount {
        events: parcels.iter().map(|parcel| parcel.count()).sum(),
        bytes: parcels.iter().map(|parcel| parcel.bytes()).sum(),
    };
    let part = all.part(outcome.not_acked.len() as u32);
    for rate in route.rate.iter().chain(&route.owner_rate) {
        rate.give_back(part);
    }
    let mut causes = outcome.not_acked.iter();
    if let Some(terms) = &route.owner
        && causes.any(|(_, cause)| *cause == Cause::ShareFull)
    {
        terms.refuse(Of::Spill);
    }
    part
}

#[cold]
fn over_rate(over: Over, route: &Route) -> Problem {
    let rate = route.settings.rate();
    let may = match over.what {
        What::Events => format!("{} events per second", rate.events),
        What::Bytes => format!("{} of events per second", rate.bytes),
    };
    let detail =
        format!("the stream may bring {may}, and brings more; nothing of the request was taken");
    too_many(over, "quota", detail)
}

#[cold]
fn over_owners_rate(over: Over, route: &Route) -> Problem {
    let what = match over.what {
        What::Events => "events",
        What::Bytes => "bytes",
    };
    let share = refuse(route, Of::Rate);
    let detail = format!(
        "the streams of this stream's owner bring more {what} together than its share lets ({share}); nothing of the request was \
         taken; send it again later, or have the share raised"
    );
    too_many(over, "owner_rate", detail)
}

fn too_many(over: Over, code: &'static str, detail: String) -> Problem {
    Problem {
        retry_after: Some(over.wait),
        ..Problem::new(StatusCode::TOO_MANY_REQUESTS, code, detail)
    }
}

/// Counts a refusal for a share of the route's owner. Returns the share.
fn refuse(route: &Route, of: Of) -> String {
    let terms = route.owner.as_ref();
    terms.map_or_else(String::new, |terms| terms.refuse(of))
}

/// The problem of a request that its owner's share of memory has no room for.
#[cold]
pub(super) fn no_memory(route: &Route) -> Problem {
    let share = refuse(route, Of::Memory);
    let held = route.account.owner.as_ref().map_or(0, |cap| cap.used());
    let detail = format!(
        "the events of this stream's owner hold its share of memory ({share}); send it again later, or have the share raised, or see \
         why they wait"
    );
    let wait = retry::until_drained(&route.cluster, held / 2);
    Problem::unavailable("owner_memory", detail, wait)
}

/// Refuses events that would have to go over the log, if their owner's share of it has no room for them.
#[inline]
pub(super) fn check_spill(route: &Route, wanted: &[Wanted<'_>]) -> Result<(), Problem> {
    match &route.owner {
        Some(terms) if terms.settings.spill.as_u64() > 0 => check_share(route, wanted),
        _ => Ok(()),
    }
}

#[inline(never)]
fn check_share(route: &Route, wanted: &[Wanted<'_>]) -> Result<(), Problem> {
    let goes_over = |room: &Wanted<'_>| !matches!(room.lane.phase(), Phase::Direct);
    match why_no_spill(route, amount_of(wanted).bytes) {
        Some(why) if wanted.iter().any(goes_over) => {
            refuse(route, Of::Spill);
            let detail = format!("{why}; nothing of the request was taken");
            let wait = retry::after_silence(&route.cluster);
            Err(Problem::unavailable("owner_spill", detail, wait))
        }
        _ => Ok(()),
    }
}

/// Whether a refusal for want of room is about what all have together, and not the topic's fault or its owner's share.
#[cold]
pub(super) fn concerns_all(route: &Route) -> bool {
    route.topic.fault().is_none() && why_no_spill(route, 0).is_none()
}

/// The problem of a request that Kafka doesn't take: another one, if the owner's share of the log is what is missing.
pub(super) fn instead(route: &Route, problem: Problem) -> Problem {
    let Some(why) = why_no_spill(route, 0) else {
        return problem;
    };
    refuse(route, Of::Spill);
    let detail = format!("{}; {why}", problem.detail);
    Problem {
        code: "owner_spill",
        detail,
        ..problem
    }
}

/// Why so many more bytes of the owner's can't wait in the log, if they can't.
pub(super) fn why_no_spill(route: &Route, bytes: u64) -> Option<String> {
    let terms = route.owner.as_ref()?;
    let (spill, limit) = (&terms.owner.spill, terms.settings.spill);
    let is_full = limit.as_u64() > 0 && (spill.is_full() || !spill.takes(bytes));
    is_full.then(|| {
        format!(
            "the events of this stream's owner that wait on disk for kafka have used its share (owners.{}.spill, {limit}); send it \
             again when they are in kafka, or have the share raised",
            terms.name()
        )
    })
}
