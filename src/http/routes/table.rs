//! All routes of a configuration, by path and method: one tree of paths, which is as fast for a thousand routes as for one.
//!
//! Of several patterns that fit a path, the one with a text where another has a capture counts, from left to right. Two routes with
//! the same pattern and method are a mistake of the configuration.

use std::sync::Arc;

use hyper::{HeaderMap, Method};
use matchit::Router;

use super::asked::Captures;
use super::endpoint::Endpoint;
use super::webhook;
use crate::http::answer::{Problem, Reply};

/// The routes of one configuration.
#[derive(Debug, Default)]
pub struct Endpoints {
    all: Vec<Arc<Endpoint>>,
    tree: Router<usize>,
    slots: Vec<Slot>,
}

/// A pattern, and the routes that have it.
#[derive(Debug, Default)]
struct Slot {
    ways: Vec<Way>,
}

/// A pattern's route, for its methods.
#[derive(Debug)]
struct Way {
    endpoint: Arc<Endpoint>,
    /// Which of the route's patterns it is.
    pattern: usize,
}

/// What a request's path and method fit.
#[derive(Debug)]
pub enum Matched<'e, 'p> {
    /// This route.
    Route(&'e Arc<Endpoint>, Captures<'p>),
    /// Routes for other methods.
    Others(Vec<&'e Method>),
}

/// Two routes with the same path.
#[derive(Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The later route.
    pub route: String,
    /// What is wrong, and what to do.
    pub what: String,
}

impl Endpoints {
    /// Puts routes together, or says which of them are in each other's way.
    pub fn new(all: impl IntoIterator<Item = Endpoint>) -> Result<Endpoints, Vec<Conflict>> {
        let (mut endpoints, mut conflicts) = (Endpoints::default(), Vec::new());
        for endpoint in all {
            let endpoint = Arc::new(endpoint);
            for pattern in 0..endpoint.patterns.len() {
                conflicts.extend(endpoints.add(&endpoint, pattern));
            }
            endpoints.all.push(endpoint);
        }
        match conflicts.is_empty() {
            true => Ok(endpoints),
            false => Err(conflicts),
        }
    }

    fn add(&mut self, endpoint: &Arc<Endpoint>, pattern: usize) -> Option<Conflict> {
        let text = endpoint.patterns[pattern].text.clone();
        let conflict = |what| {
            Some(Conflict {
                route: endpoint.name.clone(),
                what,
            })
        };
        let way = Way {
            endpoint: Arc::clone(endpoint),
            pattern,
        };
        let slot = match self.tree.insert(text.clone(), self.slots.len()) {
            Ok(()) => {
                self.slots.push(Slot::default());
                self.slots.last_mut()
            }
            // Another route's pattern, with the same captures.
            Err(matchit::InsertError::Conflict { with }) if with == text => {
                let known = self.tree.at(&text).map(|known| *known.value);
                known.ok().and_then(|known| self.slots.get_mut(known))
            }
            Err(error) => return conflict(format!("{text:?} can't be told from others: {error}")),
        };
        let slot = slot?;
        for other in &slot.ways {
            let mut methods = other.endpoint.methods.iter();
            if let Some(method) = methods.find(|method| endpoint.methods.contains(method)) {
                let other = &other.endpoint.name;
                return conflict(format!(
                    "{method} {text:?} is a path of route {other:?} as well; give one of them another path or method"
                ));
            }
        }
        slot.ways.push(way);
        None
    }

    /// The answer to a sender of web hooks that asks whether it may send to `path`, with the route; nothing if it doesn't ask that, or if the
    /// path takes no web hooks.
    pub(super) fn handshake(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Option<(&Endpoint, Result<Reply, Problem>)> {
        if !webhook::is_asked(method, headers) {
            return None;
        }
        let Some(Matched::Route(endpoint, _)) = self.find(path, &Method::POST) else {
            return None;
        };
        let webhook = endpoint.webhook.as_ref()?;
        Some((endpoint, webhook.answer(headers, &endpoint.methods)))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The routes, in the order of their names.
    pub fn all(&self) -> &[Arc<Endpoint>] {
        &self.all
    }

    /// The route for a path as it was sent, and a method.
    pub fn find<'e: 'p, 'p>(&'e self, path: &'p str, method: &Method) -> Option<Matched<'e, 'p>> {
        let matched = self.tree.at(path).ok()?;
        let slot = self.slots.get(*matched.value)?;
        let mut ways = slot.ways.iter();
        let way = ways.find(|way| way.endpoint.methods.contains(method));
        let Some(way) = way else {
            let others = slot.ways.iter().flat_map(|way| &way.endpoint.methods);
            return Some(Matched::Others(others.collect()));
        };
        let pattern = &way.endpoint.patterns[way.pattern];
        let names = pattern.captures.iter().map(String::as_str);
        let values = matched.params.iter().map(|(_, value)| value);
        let fixed = pattern.fixed.iter();
        let fixed = fixed.map(|(name, value)| (name.as_str(), value.as_str()));
        Some(Matched::Route(
            &way.endpoint,
            names.zip(values).chain(fixed).collect(),
        ))
    }
}
