//! What the streams of one request are asked for, in two steps. First all that can be said for certain is judged for each stream: sizes, memory,
//! rates. What is wrong there refuses the request, and nothing of it is taken. Then the lanes are asked, and each may still refuse its part.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;

use super::plan::{self, Group, Room};
use super::read::Read;
use crate::budget::{Exhausted, Held};
use crate::http::admission::{Ready, With};
use crate::http::answer::{EventError, Problem};
use crate::http::body::BodyFault;
use crate::http::entry::Entry;
use crate::http::plan::{EVENT_OVERHEAD_BYTES, Plan, wanted};
use crate::http::port::Local;
use crate::http::reasons::{not_ready, problem_of};
use crate::http::rejected::Rejected;
use crate::http::shares;
use crate::http::snapshot::Snapshot;
use crate::http::streams::Route;
use crate::lane::{Lane, Wanted};
use crate::rate::{self, Amount};
use crate::receipt::{Arrival, Parcels};

/// Events of one stream that were admitted.
pub(super) struct Admitted {
    pub(super) route: Arc<Route>,
    pub(super) parcels: Parcels,
}

/// Events of one stream whose lanes took none of them, when those of others were admitted.
pub(super) struct NotAdmitted {
    pub(super) route: Arc<Route>,
    /// Why.
    pub(super) problem: Problem,
    /// Their places in the request.
    pub(super) indices: Vec<u32>,
}

/// A request of which nothing is taken.
pub(super) struct Failed {
    /// The stream that it's about, if that's known.
    pub(super) route: Option<Arc<Route>>,
    pub(super) problem: Problem,
}

impl Failed {
    /// About this stream.
    pub(super) fn of(route: &Arc<Route>, problem: Problem) -> Failed {
        Failed {
            route: Some(Arc::clone(route)),
            problem,
        }
    }
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Failed {
        Failed {
            route: None,
            problem,
        }
    }
}

/// What became of a request's body.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) admitted: SmallVec<[Admitted; 1]>,
    /// Events that can never be taken.
    pub(super) rejected: Rejected,
    pub(super) not_admitted: Vec<NotAdmitted>,
    /// What is charged for what the head said, if no stream is charged for it.
    pub(super) head: Option<Held>,
}

/// Events of one stream of which only the lanes have to be asked.
pub(super) struct Prepared<'a> {
    route: &'a Arc<Route>,
    with: With<'a>,
    plan: Plan,
    wanted: SmallVec<[Wanted<'a>; 1]>,
    ready: Ready<'a>,
    body: Bytes,
    held: Held,
}

/// What one stream of a request is asked for.
pub(super) struct Asking<'a> {
    pub(super) local: &'a Local,
    pub(super) snapshot: &'a Snapshot,
    pub(super) entry: Option<&'a Entry>,
    pub(super) read: &'a Read<'a>,
    pub(super) group: &'a Group<'a>,
    /// The lanes of its topic, by partition.
    pub(super) lanes: &'a [Arc<Lane>],
    pub(super) arrival: Arrival,
}

impl<'a> Asking<'a> {
    /// Plans the events of the only stream of a request, and has its lanes take them. `held` is what the request is charged.
    pub(super) fn take(
        &self,
        body: &Bytes,
        mut held: Held,
        room: &mut Room,
        errors: &mut Vec<EventError>,
    ) -> Result<Option<Parcels>, Problem> {
        let lanes = self.known_lanes()?;
        let plan = self.plan(lanes, &mut held, room, errors)?;
        if plan.events.is_empty() {
            return Ok(None);
        }
        let with = self.with();
        let admitted = with.admit(plan, lanes, body.clone(), self.arrival, held);
        admitted
            .map(|(parcels, _)| Some(parcels))
            .map_err(Problem::from)
    }

    /// Plans the events of one of several streams, and takes for them what isn't the lanes' to give. They get a body of their own.
    pub(super) fn prepare(
        &self,
        body: &Bytes,
        room: &mut Room,
        errors: &mut Vec<EventError>,
    ) -> Result<Option<Prepared<'a>>, Problem> {
        let (route, lanes) = (self.group.route, self.known_lanes()?);
        let bytes = EVENT_OVERHEAD_BYTES + self.group.bytes(self.read);
        let held = route.account.hold(bytes);
        let mut held = held.map_err(|exhausted| self.exhausted(exhausted))?;
        let mut plan = self.plan(lanes, &mut held, room, errors)?;
        if plan.events.is_empty() {
            return Ok(None);
        }
        let body = Bytes::from(plan::own_body(&mut plan, body));
        let (with, wanted) = (self.with(), wanted(&plan, lanes));
        let ready = with.prepare_part(&plan, &wanted, self.arrival, &mut held)?;
        Ok(Some(Prepared {
            route,
            with,
            plan,
            wanted,
            ready,
            body,
            held,
        }))
    }

    fn known_lanes(&self) -> Result<&'a [Arc<Lane>], Problem> {
        let lanes = match self.lanes {
            [] => self.group.route.topic.unrouted(),
            known => known,
        };
        match lanes.is_empty() {
            true => Err(not_ready(self.group.route)),
            false => Ok(lanes),
        }
    }

    fn plan(
        &self,
        lanes: &[Arc<Lane>],
        held: &mut Held,
        room: &mut Room,
        errors: &mut Vec<EventError>,
    ) -> Result<Plan, Problem> {
        let mut charge = |bytes| held.grow(bytes).map_err(|it| self.exhausted(it));
        let (read, at_ms) = (self.read, self.arrival.unix_ms);
        plan::plan(read, self.group, lanes, at_ms, room, &mut charge, errors)
    }

    #[cold]
    fn exhausted(&self, exhausted: Exhausted) -> Problem {
        problem_of(BodyFault::Memory(exhausted), self.local, self.group.route)
    }

    fn with(&self) -> With<'a> {
        With {
            local: self.local,
            snapshot: self.snapshot,
            route: self.group.route,
            entry: self.entry,
        }
    }
}

/// What the streams of a request have taken together. Dropping it gives it back.
#[derive(Default)]
struct Together<'a> {
    of_owners: SmallVec<[rate::Taken<'a>; 1]>,
    of_source: Option<rate::Taken<'a>>,
}

impl<'a> Together<'a> {
    /// Takes what all need of their owners' rates and of their source's. A rate sees one request: what is more than a burst is taken
    /// when nothing else is owed, and it may be so together only.
    fn take(prepared: &[Prepared<'a>], arrival: Arrival) -> Result<Together<'a>, Failed> {
        let mut together = Together::default();
        let mut owners: SmallVec<[(&'a Arc<Route>, Amount); 1]> = SmallVec::new();
        let mut all = Amount::default();
        for Prepared { route, ready, .. } in prepared {
            all = all + ready.amount;
            let Some(rate) = &route.owner_rate else {
                continue;
            };
            let is_its = |one: &Arc<Route>| {
                let known = one.owner_rate.as_ref();
                known.is_some_and(|known| Arc::ptr_eq(known, rate))
            };
            match owners.iter_mut().find(|(one, _)| is_its(one)) {
                Some((_, sum)) => *sum = *sum + ready.amount,
                None => owners.push((route, ready.amount)),
            }
        }
        for (route, amount) in owners {
            let since = arrival_of(prepared, arrival);
            let taken = shares::take_of_owner(route, amount, since);
            let taken = taken.map_err(|problem| Failed::of(route, problem))?;
            together.of_owners.extend(taken);
        }
        let mut entries = prepared.iter().filter_map(|one| one.with.entry);
        if let Some(entry) = entries.next() {
            together.of_source = entry.take(all, arrival_of(prepared, arrival))?;
        }
        Ok(together)
    }

    /// Some of it is used.
    fn keep(self) {
        self.of_owners.into_iter().for_each(rate::Taken::keep);
        self.of_source.into_iter().for_each(rate::Taken::keep);
    }
}

/// When the request came, as rates know the time.
fn arrival_of(prepared: &[Prepared<'_>], arrival: Arrival) -> Duration {
    let first = prepared.first();
    first.map_or(Duration::ZERO, |one| one.with.since_start(arrival))
}

/// Asks the lanes, stream by stream. What lanes refuse costs the events of other streams nothing; if all refuse, that is the request's
/// problem.
pub(super) fn commit(
    prepared: SmallVec<[Prepared<'_>; 1]>,
    arrival: Arrival,
) -> Result<Taken, Failed> {
    let mut taken = Taken::default();
    let together = Together::take(&prepared, arrival)?;
    let mut refused = SmallVec::<[_; 1]>::new();
    for one in prepared {
        let Prepared {
            route,
            with,
            plan,
            wanted,
            ready,
            body,
            held,
        } = one;
        let indices = plan.events.iter().map(|event| event.index).collect();
        let amount = ready.amount;
        match with.commit(ready, plan, &wanted, body, arrival, held) {
            Ok((parcels, _)) => taken.admitted.push(Admitted {
                route: Arc::clone(route),
                parcels,
            }),
            Err(problem) => {
                refused.push((route, with.entry, amount));
                taken.not_admitted.push(NotAdmitted {
                    route: Arc::clone(route),
                    problem: *problem,
                    indices,
                });
            }
        }
    }
    if taken.admitted.is_empty() {
        let all = taken.not_admitted.into_iter();
        return match all.max_by_key(|it| it.problem.retry_after) {
            Some(longest) => Err(Failed {
                route: Some(longest.route),
                problem: longest.problem,
            }),
            None => Ok(Taken::default()),
        };
    }
    together.keep();
    for (route, entry, amount) in refused {
        route
            .owner_rate
            .iter()
            .for_each(|rate| rate.give_back(amount));
        entry.into_iter().for_each(|entry| entry.give_back(amount));
    }
    Ok(taken)
}
