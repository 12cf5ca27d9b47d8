//! Who may send to a stream: what [`crate::auth`] judges, asked for a request of the data port.
//!
//! There is an [`Access`] only if something of it is configured. Without one a request costs a look at an `Option` for it.
//!
//! `entry` judges a request by it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hyper::header::{HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, Request, StatusCode};

use super::address::ClientAddress;
use super::answer::{Problem, Reply};
use super::callers::{Callers, problem_of};
use super::peer::Peer;
use super::routes::{self, Endpoint, Endpoints, Matched};
use super::settings::Settings;
use super::streams::PATH;
use crate::auth::{self, Cors, CorsSettings, Key, Keys, Policy, Source};
use crate::rate::Limiter;
use crate::route;
use crate::telemetry::source::{Counts, SourceSample};

/// Sources that have a label of their own on metrics: those that were there first. The others share one without a name.
const LABELLED: usize = 1_000;

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
    pub(super) fn challenge(&self, reply: &mut Reply) {
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
    streams: Gates,
    /// Of routes that say how keys are shown.
    routes: Gates,
    /// Of routes without ways of their own whose events say which stream they're for: what all these streams ask for.
    sorting: HashMap<String, Sorting, fnv::FnvBuildHasher>,
    /// Of all routes: what pages are told.
    pages: Gates,
    /// Something is told to pages of other origins.
    has_cors: bool,
    /// What was counted of sources, also of those that aren't configured any more.
    counts: BTreeMap<Arc<str>, Arc<Counts>>,
    /// What is asked for of who calls.
    callers: Callers,
    /// What is said of requests that no source is known of.
    nobody: AtomicU64,
}

/// What it takes to send through a route whose events say which stream they're for, before that is known.
#[derive(Debug)]
pub(super) struct Sorting {
    /// What one of the streams asks for: the first of those that ask for something, if any does.
    pub(super) gate: Arc<Gate>,
    /// Another of them takes what anybody sends.
    pub(super) has_open: bool,
}

type Gates = HashMap<String, Arc<Gate>, fnv::FnvBuildHasher>;

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
    /// Routes by name.
    pub routes: &'a BTreeMap<String, routes::Settings>,
}

impl Parts<'_> {
    /// Whether not all is open.
    fn ask_for_something(&self) -> bool {
        let asks = |auth: &Option<Vec<String>>| auth.as_ref().is_some_and(|auth| !auth.is_empty());
        let is_asked = self.streams.values().any(|stream| asks(&stream.auth))
            || self.routes.values().any(|route| asks(&route.auth))
            || !self.http.auth.is_empty();
        let (requests, failures) = (
            self.http.max_requests_per_address,
            self.http.max_failures_per_address,
        );
        let is_limited = requests > 0 || failures > 0;
        is_asked || is_limited || !self.sources.is_empty() || !self.cors.is_empty()
    }
}

impl Access {
    /// Of these settings, or nothing if they leave all open and there was no source before. It goes on with what `before` has counted.
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
            routes,
        } = parts;
        // What was counted of sources stays, though all is open now.
        let has_counted = before.is_some_and(|before| !before.counts.is_empty());
        if !parts.ask_for_something() && !has_counted {
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
        let (mut gates, mut of_routes, mut pages) = <(Gates, Gates, Gates)>::default();
        for (name, stream) in *streams {
            if stream.auth.is_none() && stream.cors.is_none() {
                continue;
            }
            let auth = stream.auth.as_ref().unwrap_or(&http.auth);
            let named = stream.cors.as_ref().or(http.cors.as_ref());
            let gate = gate(&format!("streams.{name}"), auth, named)?;
            gates.insert(name.clone(), gate);
        }
        for (name, route) in *routes {
            let key = format!("routes.{name}");
            let named = route.cors.as_ref().or(http.cors.as_ref());
            let mut page = Gate::new(&[], named.and_then(|name| cors.get(name)))
                .map_err(|why| format!("{key}: {why}"))?;
            let methods = HeaderValue::try_from(route.methods.join(", "));
            page.methods = methods.map_err(|why| format!("{key}.methods: {why}"))?;
            pages.insert(name.clone(), Arc::new(page));
            if let Some(auth) = &route.auth {
                of_routes.insert(name.clone(), gate(&key, auth, None)?);
            }
        }
        let mut all = gates.values().chain(pages.values());
        let certificates = {
            let all = gates.values().chain(of_routes.values());
            let mut all = all.chain([&port]);
            all.any(|gate| gate.policy.has_certificates())
        };
        let sorting = sorting(streams, routes, &gates, &port);
        Ok(Some(Arc::new(Access {
            sorting,
            callers: Callers::new(http, certificates, before.map(|it| &it.callers)),
            has_cors: port.cors.is_some() || all.any(|gate| gate.cors.is_some()),
            keys,
            port,
            streams: gates,
            routes: of_routes,
            pages,
            counts,
            nobody: AtomicU64::default(),
        })))
    }

    /// What it takes to send to a stream.
    pub fn of_stream(&self, name: &str) -> &Arc<Gate> {
        self.streams.get(name).unwrap_or(&self.port)
    }

    /// What it takes to send through a route, if that isn't what its stream asks for.
    pub fn of_route(&self, name: &str) -> Option<&Arc<Gate>> {
        self.routes.get(name)
    }

    /// What it takes to send through a route before it's known to which stream; nothing if that isn't left to the body, or if the route
    /// says itself what it takes.
    pub(super) fn of_sorting(&self, name: &str) -> Option<&Sorting> {
        self.sorting.get(name)
    }

    /// What pages are told that send to a path by a method.
    pub(super) fn of_page(&self, path: &str, method: &Method, all: &Endpoints) -> &Arc<Gate> {
        if let Some(rest) = path.strip_prefix(PATH) {
            let end = rest.bytes().position(|byte| byte == b'/');
            return self.of_stream(&rest[..end.unwrap_or(rest.len())]);
        }
        match all.find(path, method) {
            Some(Matched::Route(route, _)) => self.pages.get(&route.name).unwrap_or(&self.port),
            _ => &self.port,
        }
    }

    /// Whether pages of other origins are told something anywhere.
    pub(super) fn has_cors(&self) -> bool {
        self.has_cors
    }

    /// What was counted of each source, as metrics show it.
    pub fn samples(&self) -> Vec<SourceSample> {
        let mut others = SourceSample::default();
        let mut samples = Vec::new();
        for (name, counts) in &self.counts {
            if counts.is_labelled {
                samples.push(SourceSample::of(name, counts));
            } else {
                others.add(counts);
            }
        }
        if self.counts.len() > samples.len() {
            samples.push(others);
        }
        samples
    }

    /// What is asked for of who calls.
    pub(super) fn callers(&self) -> &Callers {
        &self.callers
    }

    /// Notes in a request who calls, if anything asks for it; or says why there's no room for the request.
    pub(super) fn introduce<B>(
        &self,
        peer: &Peer,
        settings: &Settings,
        request: &mut Request<B>,
    ) -> Result<(), Problem> {
        let (headers, from) = (request.headers(), settings.address_from);
        let address = || ClientAddress::of(peer, headers, from, &settings.trusted).ip();
        self.callers.count(address).map_err(problem_of)?;
        if let Some(caller) = self.callers.of(address, peer.certificate.as_deref()) {
            request.extensions_mut().insert(caller);
        }
        Ok(())
    }

    /// The sources by their keys.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// What the log was told of requests that no source is known of.
    pub(super) fn nobody(&self) -> &AtomicU64 {
        &self.nobody
    }
}

/// What streams ask for of which a body chooses one, by the names of routes.
fn sorting(
    streams: &BTreeMap<String, route::Settings>,
    routes: &BTreeMap<String, routes::Settings>,
    gates: &Gates,
    port: &Arc<Gate>,
) -> HashMap<String, Sorting, fnv::FnvBuildHasher> {
    let of_stream = |name: &str| gates.get(name).unwrap_or(port);
    let of_route = |route: &routes::Settings| {
        let targets = Endpoint::targets(route, streams);
        let targets = route.stream.as_deref().into_iter().chain(targets);
        let targets: Vec<_> = targets.map(of_stream).collect();
        let mut all = targets.iter().copied();
        let mut closed = all.clone().filter(|gate| !gate.policy.is_open());
        let first = closed.next();
        Sorting {
            gate: Arc::clone(first.or_else(|| all.clone().next()).unwrap_or(port)),
            has_open: first.is_some() && all.any(|gate| gate.policy.is_open()),
        }
    };
    let by_body = routes.iter();
    let by_body = by_body.filter(|(_, it)| it.auth.is_none() && !it.stream_by.is_empty());
    by_body
        .map(|(name, route)| (name.clone(), of_route(route)))
        .collect()
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
        let is_labelled = counts.len() < LABELLED;
        let new = || Arc::new(Counts::new(is_labelled));
        let counted = counts.entry(name.as_str().into()).or_insert_with(new);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asks_for_a_key_stays_closed_though_there_is_no_source() {
        let (none, no_cors, http) = (BTreeMap::new(), BTreeMap::new(), Settings::default());
        let access = |http: &Settings, auth: Option<Vec<String>>| {
            let stream = route::Settings {
                auth,
                ..route::Settings::new("main")
            };
            let streams = BTreeMap::from([("events".to_owned(), stream)]);
            let parts = Parts {
                sources: &none,
                cors: &no_cors,
                http,
                streams: &streams,
                routes: &BTreeMap::new(),
            };
            let access = Access::new(&parts, None, Duration::ZERO).unwrap();
            access.map(|access| access.of_stream("events").policy.is_open())
        };
        let bearer = || vec!["bearer".to_owned()];
        assert_eq!(access(&http, None), None);
        assert_eq!(access(&http, Some(Vec::new())), None);
        assert_eq!(access(&http, Some(bearer())), Some(false));
        let asking = Settings {
            auth: bearer(),
            ..Settings::default()
        };
        assert_eq!(access(&asking, None), Some(false));
        assert_eq!(access(&asking, Some(Vec::new())), Some(true));
    }

    #[test]
    fn what_was_counted_of_sources_stays_though_all_is_open_again() {
        let (none, no_cors) = (BTreeMap::new(), BTreeMap::new());
        let (http, streams, routes) = (Settings::default(), BTreeMap::new(), BTreeMap::new());
        let access = |sources, before: Option<&Access>| {
            let parts = Parts {
                sources,
                cors: &no_cors,
                http: &http,
                streams: &streams,
                routes: &routes,
            };
            Access::new(&parts, before, Duration::ZERO).unwrap()
        };
        let shop = BTreeMap::from([("shop".to_owned(), auth::Settings::default())]);
        let first = access(&shop, None).unwrap();
        first.keys().by_name("shop").unwrap().counts.refuse();
        let refused = |access: &Access| access.samples().iter().map(|it| it.refused).sum::<u64>();
        let open = access(&none, Some(&first)).unwrap();
        assert_eq!((refused(&open), open.port.policy.is_open()), (1, true));
        let again = access(&shop, Some(&open)).unwrap();
        assert_eq!(refused(&again), 1);
        assert!(access(&none, None).is_none());
    }
}
