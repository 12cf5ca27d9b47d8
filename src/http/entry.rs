//! A request that has to show who sends: judged by its head before its body is read, and by its body as soon as that is there.
//!
//! What is refused is told in the log with its source, a line in ten seconds for each, and never with a key.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::Request;
use hyper::body::Body;
use hyper::header::{HeaderValue, ORIGIN};

use super::access::{Access, Gate};
use super::answer::{Problem, Reply};
use super::callers::{Caller, problem_of};
use super::routes::Endpoints;
use super::shows::Head;
use super::streams::Stream;
use super::turned;
use crate::auth::origins::ORIGIN_BYTES;
use crate::auth::{Found, Passed, Pending, Refusal, Refused, Source};
use crate::decode::Pointer;
use crate::rate::{Amount, Taken};
use crate::telemetry::Refusals;
use crate::telemetry::source::Counts;

/// The shortest time between two lines of the log about one source, or about requests of nobody that is known, in seconds.
const LINE_EVERY_S: u64 = 10;

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// Whether there may be a line now, and how many had none since the last one. `lines` has the seconds of the last one in its upper half,
/// and in its lower one how many had none since.
fn may_say(lines: &AtomicU64, now_s: u64) -> Option<u32> {
    let before = lines.load(Relaxed);
    let (last_s, others) = (before >> 32, before as u32);
    if now_s.saturating_sub(last_s) < LINE_EVERY_S {
        lines.store(before.saturating_add(u64::from(others < u32::MAX)), Relaxed);
        return None;
    }
    lines.store(now_s << 32, Relaxed);
    Some(others)
}

/// A request that was let in, or will be when its body has shown what it has to.
#[derive(Debug)]
pub(super) struct Entry {
    access: Arc<Access>,
    gate: Arc<Gate>,
    /// Nothing until the body says which one.
    stream: Option<Arc<Stream>>,
    passed: Passed,
    /// Why nobody is known who sends, where some streams of a route take what anybody sends.
    why: Option<Refused>,
    /// Bytes of the body as it was sent.
    bytes: u64,
    /// The route whose own ways to show a key were asked for.
    route: Option<Box<str>>,
    /// Who calls, until the source is known.
    caller: Option<Caller>,
    /// The origin of the page, until the source is known.
    origin: Option<Box<[u8]>>,
}

/// The route by which a request came, and all others, in which its path was found.
#[derive(Clone, Copy)]
pub(super) struct By<'a> {
    pub(super) name: &'a str,
    pub(super) all: &'a Endpoints,
}

impl Entry {
    /// Judges the head of a request for a stream, or of one whose events say which stream they're for. Then the streams are asked when the
    /// events are known: [`Entry::may_send`]. A request that isn't let in gets this answer, once [`turned::away`] has seen to its body.
    #[inline(never)]
    pub(super) fn enter<B: Body>(
        access: &Arc<Access>,
        stream: Option<&Arc<Stream>>,
        by: Option<By<'_>>,
        request: &Request<B>,
        refusals: &Refusals,
    ) -> Result<Option<Box<Entry>>, Box<Reply>> {
        let own = by.and_then(|by| access.of_route(by.name));
        let sorting = by.filter(|_| stream.is_none() && own.is_none());
        let sorting = sorting.and_then(|by| access.of_sorting(by.name));
        let of_stream = || access.of_stream(stream.map_or("", |stream| &stream.name));
        let gate = { own.or(sorting.map(|it| &it.gate)) }.unwrap_or_else(of_stream);
        let caller = request.extensions().get::<Caller>();
        let view = Head {
            headers: request.headers(),
            uri: request.uri(),
            method: request.method(),
            endpoints: by.map(|by| by.all),
            names: caller.map_or(&[], Caller::names),
        };
        let judged = match access.callers().may_try(caller) {
            Ok(()) => gate.policy.before_body(&view, access.keys(), now),
            Err(_) if gate.policy.is_open() => Ok(Passed::Anybody),
            Err(why) => Err(why.into()),
        };
        let origin = request.headers().get(ORIGIN).map(HeaderValue::as_bytes);
        let judged = judged.and_then(|passed| {
            let source = match &passed {
                Passed::Anybody => return Ok(None),
                Passed::Source(source) | Passed::Later(Pending::Signed(_, source, _)) => source,
                Passed::Later(Pending::Member(_)) if own.is_some() => return Ok(Some(passed)),
                Passed::Later(Pending::Member(_)) => return Err(Refusal::NoKey.into()),
            };
            may_use(source, stream, origin)?;
            by.map_or(Ok(()), |by| source.may_use_route(by.name))?;
            Ok(Some(passed))
        });
        let has_open = sorting.is_some_and(|sorting| sorting.has_open);
        let (passed, why) = match judged {
            Ok(None) => return Ok(None),
            Ok(Some(passed)) => (passed, None),
            Err(refused) if has_open => {
                access.callers().failed(caller, refused.why);
                (Passed::Anybody, Some(refused))
            }
            Err(refused) => {
                access.callers().failed(caller, refused.why);
                refusals.count(refused.why.code());
                say(access, &refused, stream.map(Arc::as_ref));
                return Err(turned::reply(gate, refused.why));
            }
        };
        Ok(Some(Box::new(Entry {
            access: Arc::clone(access),
            gate: Arc::clone(gate),
            stream: stream.cloned(),
            why,
            caller: caller
                .filter(|_| matches!(passed, Passed::Later(_)))
                .cloned(),
            route: by.filter(|_| own.is_some()).map(|by| by.name.into()),
            origin: origin
                .filter(|_| matches!(passed, Passed::Later(Pending::Member(_))))
                .map(|origin| origin[..origin.len().min(ORIGIN_BYTES + 1)].into()),
            passed,
            bytes: 0,
        })))
    }

    /// Whether events may go to the stream `name`, which the body of a request has named that was let in.
    pub(super) fn may_send(&self, name: &str) -> Result<(), Refused> {
        let gate = self.access.of_stream(name);
        if self.route.is_none() && gate.policy.is_open() {
            return Ok(());
        }
        match &self.passed {
            Passed::Source(source)
                if self.route.is_some() || gate.policy.is_like(&self.gate.policy) =>
            {
                source.may_use(name, None)
            }
            Passed::Source(source) => Err(Refused::of(source, Refusal::NotAllowed)),
            _ => Err(self.why.clone().unwrap_or(Refusal::NoKey.into())),
        }
    }

    /// Who sends, if that was asked for: whoever is let in without it sends to streams that ask nobody.
    pub(super) fn asked(&self) -> Option<&Entry> {
        (!matches!(self.passed, Passed::Anybody)).then_some(self)
    }

    /// Judges a body as it was sent.
    pub(super) fn with_body(&mut self, body: &[u8]) -> Result<(), Problem> {
        self.bytes = body.len() as u64;
        if let Passed::Later(pending) = &self.passed
            && let Some(judged) = self.gate.policy.signed(pending, body)
        {
            let judged = judged.map_err(|refused| self.refuse(&refused));
            self.passed = Passed::Source(judged?);
        }
        self.count();
        Ok(())
    }

    /// Judges the members of a body that was decoded, if the key is still to be shown; `member` finds one.
    pub(super) fn with_members<'b>(
        &mut self,
        member: impl Fn(&Pointer) -> Found<'b>,
    ) -> Result<(), Problem> {
        let Passed::Later(pending) = &self.passed else {
            return Ok(());
        };
        let judged = self
            .gate
            .policy
            .member(pending, self.access.keys(), now, member);
        let judged = judged.unwrap_or(Err(Refusal::NoKey.into()));
        let judged = judged.and_then(|source| {
            may_use(&source, self.stream.as_ref(), self.origin.as_deref())?;
            self.route
                .as_ref()
                .map_or(Ok(()), |name| source.may_use_route(name))?;
            Ok(source)
        });
        let judged = judged.map_err(|refused| self.refuse(&refused));
        self.passed = Passed::Source(judged?);
        self.count();
        Ok(())
    }

    /// The problem of a request whose body has shown no good key.
    fn refuse(&self, refused: &Refused) -> Problem {
        let caller = self.caller.as_ref();
        self.access.callers().failed(caller, refused.why);
        self.problem(refused)
    }

    /// The problem of a request that isn't let in to any of its streams.
    pub(super) fn problem(&self, refused: &Refused) -> Problem {
        refuse(&self.access, refused, self.stream.as_deref())
    }

    fn count(&self) {
        if let Some(counts) = self.counts() {
            counts.requests.fetch_add(1, Relaxed);
            counts.bytes.fetch_add(self.bytes, Relaxed);
        }
    }

    /// The name of who sends.
    pub(super) fn source(&self) -> Option<&str> {
        match &self.passed {
            Passed::Source(source) => Some(&source.name),
            _ => None,
        }
    }

    /// Takes its part of what the source may bring.
    pub(super) fn take(&self, amount: Amount, now: Duration) -> Result<Option<Taken<'_>>, Problem> {
        let Passed::Source(source) = &self.passed else {
            // Nobody is let in whose key wasn't seen, whatever led here.
            return Err(self.problem(&Refusal::NoKey.into()));
        };
        let Some(rate) = &source.rate else {
            return Ok(None);
        };
        rate.take(amount, now).map(Some).map_err(|over| {
            let why = Refusal::SourceQuota(over.wait);
            self.problem(&Refused::of(source, why))
        })
    }

    /// Notes events that were taken.
    pub(super) fn took(&self, events: u32) {
        if let Some(counts) = self.counts() {
            counts.events.fetch_add(events.into(), Relaxed);
        }
    }

    /// Gives back what isn't taken after all.
    pub(super) fn give_back(&self, amount: Amount) {
        if let Passed::Source(source) = &self.passed
            && let Some(rate) = &source.rate
        {
            rate.give_back(amount);
        }
    }

    /// Says in an answer how keys are shown.
    pub(super) fn challenge(&self, reply: &mut Reply) {
        self.gate.challenge(reply);
    }

    fn counts(&self) -> Option<&Counts> {
        match &self.passed {
            Passed::Source(source) => Some(&source.counts),
            _ => None,
        }
    }
}

/// Whether a source may send from a page of this origin, and to the stream if that's known.
fn may_use(
    source: &Arc<Source>,
    stream: Option<&Arc<Stream>>,
    origin: Option<&[u8]>,
) -> Result<(), Refused> {
    match stream {
        Some(stream) => source.may_use(&stream.name, origin),
        None => source.may_come_from(origin),
    }
}

/// The problem of a request that isn't let in, which the log hears of now and then.
#[cold]
fn refuse(access: &Access, refused: &Refused, stream: Option<&Stream>) -> Problem {
    say(access, refused, stream);
    problem_of(refused.why)
}

/// Tells the log now and then of requests that aren't let in.
fn say(access: &Access, refused: &Refused, stream: Option<&Stream>) {
    let Refused { why, source } = refused;
    let lines = match source {
        Some(source) => &source.counts.lines,
        None => access.nobody(),
    };
    if let Some(others) = may_say(lines, now()) {
        let source = source.as_ref().map(|it| &*it.name);
        let stream = stream.map(|stream| &*stream.name);
        let reason = why.code();
        tracing::warn!(
            source,
            stream,
            reason,
            others,
            "a request is refused: {why}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_hears_of_one_in_a_while_and_how_many_there_were() {
        let lines = AtomicU64::new(0);
        let said: Vec<_> = [100, 100, 101, 109, 110, 111, 130]
            .map(|at| may_say(&lines, at))
            .into();
        assert_eq!(said, [Some(0), None, None, None, Some(3), None, Some(1)]);
    }
}
