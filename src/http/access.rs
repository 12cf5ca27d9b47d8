//! Who may send to a stream: what [`auth`](crate::auth) judges, asked for a request of the data port.
//!
//! There is an [`Access`] only if something of it is configured. Without one a request costs a look at an `Option` for it.
//!
//! A request is judged by its head before its body is read, and refused then if it can be; what the body shows is judged as soon as it's
//! there, before it's decompressed. What is refused is told in the log with its source, some lines in a minute, and never with a key.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::body::Body;
use hyper::header::{HeaderValue, ORIGIN, WWW_AUTHENTICATE};
use hyper::{Request, StatusCode};

use super::answer::{Problem, Reply};
use super::settings::Settings;
use super::shows::Head;
use super::streams::Stream;
use crate::auth::source::Counts;
use crate::auth::{
    self, Cors, CorsSettings, Key, Keys, Passed, Pending, Policy, Refusal, Refused, Source,
};
use crate::rate::{Amount, Limiter, Taken};
use crate::route;
use crate::telemetry::Refusals;

/// The shortest time between two lines of the log about one source, or about requests of nobody that is known, in seconds.
const LINE_EVERY_S: u64 = 10;

/// What it takes to send to a stream, or through a route.
#[derive(Debug)]
pub struct Gate {
    /// How keys are shown.
    pub policy: Policy,
    /// What pages of other origins are told.
    pub cors: Option<Cors>,
    /// The methods that a page may use.
    pub methods: HeaderValue,
}

impl Gate {
    /// Of these settings; the methods are POST.
    pub fn new(auth: &[String], cors: Option<&CorsSettings>) -> Result<Gate, String> {
        Ok(Gate {
            policy: Policy::parse(auth)?,
            cors: cors.map(Cors::new).transpose()?,
            methods: HeaderValue::from_static("POST"),
        })
    }

    /// Says in an answer how keys are shown.
    fn challenge(&self, reply: &mut Reply) {
        if reply.status() == StatusCode::UNAUTHORIZED {
            for challenge in self.policy.challenges() {
                reply
                    .headers_mut()
                    .append(WWW_AUTHENTICATE, challenge.clone());
            }
        }
    }
}

/// Who may send, as configured.
#[derive(Debug)]
pub struct Access {
    keys: Keys,
    /// Of streams that say nothing themselves, and of paths that are nobody's.
    port: Arc<Gate>,
    /// Of streams that do.
    streams: HashMap<String, Arc<Gate>, fnv::FnvBuildHasher>,
    /// Something is told to pages of other origins.
    has_cors: bool,
    /// What was counted of sources, also of those that aren't configured any more.
    counts: BTreeMap<Arc<str>, Arc<Counts>>,
    /// What is said of requests that no source is known of.
    nobody: Lines,
}

/// What it's made of.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// Sources by name.
    pub sources: &'a BTreeMap<String, auth::Settings>,
    /// What pages are told, by name.
    pub cors: &'a BTreeMap<String, CorsSettings>,
    /// The port.
    pub http: &'a Settings,
    /// Streams by name.
    pub streams: &'a BTreeMap<String, route::Settings>,
}

impl Access {
    /// Of these settings, or nothing if they leave all open. It goes on with what `before` has counted.
    /// `now` is the time since the start.
    pub fn new(
        parts: &Parts<'_>,
        before: Option<&Access>,
        now: Duration,
    ) -> Result<Option<Arc<Access>>, String> {
        let Parts {
            sources,
            cors,
            http,
            streams,
        } = parts;
        if sources.is_empty() && cors.is_empty() && http.auth.is_empty() {
            return Ok(None);
        }
        let mut counts = before
            .map(|before| before.counts.clone())
            .unwrap_or_default();
        let keys = keys_of(sources, &mut counts, before, now)?;
        let gate = |key: &str, auth: &[String], named: Option<&String>| {
            let settings = named.and_then(|name| cors.get(name));
            let gate = Gate::new(auth, settings).map_err(|why| format!("{key}: {why}"))?;
            Ok::<_, String>(Arc::new(gate))
        };
        let port = gate("http", &http.auth, http.cors.as_ref())?;
        let mut gates = HashMap::default();
        for (name, stream) in *streams {
            if stream.auth.is_none() && stream.cors.is_none() {
                continue;
            }
            let auth = stream.auth.as_ref().unwrap_or(&http.auth);
            let named = stream.cors.as_ref().or(http.cors.as_ref());
            let gate = gate(&format!("streams.{name}"), auth, named)?;
            gates.insert(name.clone(), gate);
        }
        Ok(Some(Arc::new(Access {
            has_cors: port.cors.is_some() || gates.values().any(|gate| gate.cors.is_some()),
            keys,
            port,
            streams: gates,
            counts,
            nobody: Lines::default(),
        })))
    }

    /// What it takes to send to a stream.
    pub(super) fn of_stream(&self, name: &str) -> &Arc<Gate> {
        self.streams.get(name).unwrap_or(&self.port)
    }

    /// What it takes to send to a path.
    pub(super) fn of_path(&self, path: &str) -> &Arc<Gate> {
        let rest = path.strip_prefix("/v1/events/").unwrap_or_default();
        let end = rest.bytes().position(|byte| byte == b'/');
        self.of_stream(&rest[..end.unwrap_or(rest.len())])
    }

    /// Whether pages of other origins are told something anywhere.
    pub(super) fn has_cors(&self) -> bool {
        self.has_cors
    }

    /// What was counted of each source.
    pub fn counts(&self) -> &BTreeMap<Arc<str>, Arc<Counts>> {
        &self.counts
    }

    /// Judges the head of a request for a stream.
    #[inline(never)]
    pub(super) fn enter<B: Body>(
        self: &Arc<Self>,
        stream: &Arc<Stream>,
        request: &Request<B>,
        refusals: &Refusals,
    ) -> Result<Option<Box<Entry>>, Box<Reply>> {
        let gate = self.of_stream(&stream.name);
        let view = Head {
            headers: request.headers(),
            uri: request.uri(),
        };
        let judged = gate.policy.before_body(&view, &self.keys, now);
        let origin = request.headers().get(ORIGIN).map(HeaderValue::as_bytes);
        let judged = judged.and_then(|passed| {
            let source = match &passed {
                Passed::Anybody => return Ok(None),
                Passed::Source(source) | Passed::Later(Pending::Signed(_, source, _)) => source,
                Passed::Later(Pending::Member(_)) => return Err(Refusal::NoKey.into()),
            };
            source.may_use(&stream.name, origin)?;
            Ok(Some(passed))
        });
        let passed = match judged {
            Ok(None) => return Ok(None),
            Ok(Some(passed)) => passed,
            Err(refused) => {
                let mut problem = self.refuse(&refused, stream);
                refusals.count(problem.code);
                problem.close = !request.body().is_end_stream();
                let mut reply = problem.reply();
                gate.challenge(&mut reply);
                return Err(Box::new(reply));
            }
        };
        Ok(Some(Box::new(Entry {
            access: Arc::clone(self),
            gate: Arc::clone(gate),
            stream: Arc::clone(stream),
            passed,
        })))
    }

    /// The problem of a request that isn't let in, which the log hears of now and then.
    #[cold]
    fn refuse(&self, refused: &Refused, stream: &Stream) -> Problem {
        let Refused { why, source } = refused;
        let lines = match source {
            Some(source) => &source.counts.lines,
            None => &self.nobody.0,
        };
        let (source, stream) = (source.as_ref().map(|it| &*it.name), &*stream.name);
        let reason = why.code();
        if let Some(others) = may_say(lines, now()) {
            tracing::warn!(
                source,
                stream,
                reason,
                others,
                "a request is refused: {why}"
            );
        }
        problem_of(*why)
    }
}

/// The sources of these settings, by their keys.
fn keys_of(
    sources: &BTreeMap<String, auth::Settings>,
    counts: &mut BTreeMap<Arc<str>, Arc<Counts>>,
    before: Option<&Access>,
    now: Duration,
) -> Result<Keys, String> {
    let mut keys = Keys::default();
    for (name, settings) in sources {
        let counted = counts.entry(name.as_str().into()).or_default();
        let old = before.and_then(|before| before.keys.by_name(name));
        let rate = old.and_then(|old| old.rate.as_ref());
        let rate = Limiter::next(settings.rate, rate, now);
        let source = Source::new(name, settings, Arc::clone(counted), rate);
        let wrong = |why| format!("sources.{name}: {why}");
        let source = Arc::new(source.map_err(wrong)?);
        let of_source = settings.keys.iter().map(|text| Key::parse(text));
        let of_source = of_source.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        keys.add(&source, of_source, &settings.ids, &settings.subjects)
            .map_err(wrong)?;
    }
    Ok(keys)
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// When the log was told last, and of how many it wasn't told since: seconds in the upper half, a number in the lower.
#[derive(Debug, Default)]
struct Lines(AtomicU64);

/// Whether there may be a line now, and how many had none since the last one.
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

/// What a client that isn't let in is told.
fn problem_of(why: Refusal) -> Problem {
    let status = match why {
        Refusal::Doubled => StatusCode::BAD_REQUEST,
        Refusal::NotAllowed | Refusal::OriginNotAllowed => StatusCode::FORBIDDEN,
        Refusal::SourceQuota(_) | Refusal::AddressQuota(_) => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::UNAUTHORIZED,
    };
    Problem {
        retry_after: why.retry_after(),
        ..Problem::new(status, why.code(), why.to_string())
    }
}

/// A request that was let in, or will be when its body has shown what it has to.
#[derive(Debug)]
pub(super) struct Entry {
    access: Arc<Access>,
    gate: Arc<Gate>,
    stream: Arc<Stream>,
    passed: Passed,
}

impl Entry {
    /// Judges a body as it was sent.
    pub(super) fn with_body(&mut self, body: &[u8]) -> Result<(), Problem> {
        if let Passed::Later(pending) = &self.passed {
            let judged = self.gate.policy.signed(pending, body);
            let judged = judged.unwrap_or(Err(Refusal::NoKey.into()));
            let judged = judged.map_err(|refused| self.access.refuse(&refused, &self.stream));
            self.passed = Passed::Source(judged?);
        }
        if let Some(counts) = self.counts() {
            counts.requests.fetch_add(1, Relaxed);
            counts.bytes.fetch_add(body.len() as u64, Relaxed);
        }
        Ok(())
    }

    /// Takes its part of what the source may bring.
    pub(super) fn take(&self, amount: Amount, now: Duration) -> Result<Option<Taken<'_>>, Problem> {
        let Passed::Source(source) = &self.passed else {
            return Ok(None);
        };
        let Some(rate) = &source.rate else {
            return Ok(None);
        };
        rate.take(amount, now).map(Some).map_err(|over| {
            let why = Refusal::SourceQuota(over.wait);
            self.access.refuse(&Refused::of(source, why), &self.stream)
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
