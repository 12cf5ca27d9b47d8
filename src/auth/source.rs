//! A source: somebody who sends.

use std::collections::HashSet;
use std::sync::Arc;

use super::origins::Origins;
use super::refusal::Refusal;
use super::settings::Settings;
use super::signature::Secret;
use crate::rate::Limiter;
use crate::telemetry::source::Counts;

/// Somebody who sends, as configured.
#[derive(Debug)]
pub struct Source {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// What is counted of it.
    pub counts: Arc<Counts>,
    /// What it may bring.
    pub rate: Option<Arc<Limiter>>,
    streams: Names,
    routes: Names,
    origins: Origins,
    /// What it signs with.
    pub(super) secrets: Vec<Secret>,
}

impl Source {
    /// One of these settings, which keeps what was counted of it.
    pub fn new(
        name: &str,
        settings: &Settings,
        counts: Arc<Counts>,
        rate: Option<Arc<Limiter>>,
    ) -> Result<Source, String> {
        let secrets = settings.secrets.iter().map(|text| Secret::parse(text));
        Ok(Source {
            name: name.into(),
            counts,
            rate,
            streams: Names::of(&settings.streams),
            routes: Names::of(&settings.routes),
            origins: Origins::parse(&settings.origins)?,
            secrets: secrets.collect::<Result<_, _>>()?,
        })
    }

    /// Whether it may send to this stream, from a page of this origin.
    pub fn may_use(self: &Arc<Self>, stream: &str, origin: Option<&[u8]>) -> Result<(), Refused> {
        if !self.streams.has(stream) {
            return Err(Refused::of(self, Refusal::NotAllowed));
        }
        self.may_come_from(origin)
    }

    /// Whether it may send from a page of this origin, to whatever stream.
    pub fn may_come_from(self: &Arc<Self>, origin: Option<&[u8]>) -> Result<(), Refused> {
        match origin {
            Some(origin) if !self.origins.is_empty() && !self.origins.has(origin) => {
                Err(Refused::of(self, Refusal::OriginNotAllowed))
            }
            _ => Ok(()),
        }
    }

    /// Whether it may send through this route.
    pub fn may_use_route(self: &Arc<Self>, route: &str) -> Result<(), Refused> {
        match self.routes.has(route) {
            true => Ok(()),
            false => Err(Refused::of(self, Refusal::NotAllowed)),
        }
    }

    /// The names of streams that it may use, as they're configured, without those that end in a star.
    pub fn streams(&self) -> impl Iterator<Item = &str> {
        self.streams.exact.iter().map(String::as_str)
    }
}

/// A refusal, and whose it is if that's known: for the log, which names the source.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Why.
    pub why: Refusal,
    /// Who was recognised all the same.
    pub source: Option<Arc<Source>>,
}

impl Refused {
    /// A refusal of somebody who was recognised. It's counted with the source.
    pub fn of(source: &Arc<Source>, why: Refusal) -> Refused {
        source.counts.refuse();
        Refused {
            why,
            source: Some(Arc::clone(source)),
        }
    }
}

impl From<Refusal> for Refused {
    fn from(why: Refusal) -> Refused {
        Refused { why, source: None }
    }
}

/// Names of streams or routes, of which one may end in a star.
#[derive(Debug, Default)]
struct Names {
    any: bool,
    exact: HashSet<String, fnv::FnvBuildHasher>,
    begun: Vec<String>,
}

impl Names {
    fn of(texts: &[String]) -> Names {
        let mut names = Names::default();
        for text in texts {
            match text.strip_suffix('*') {
                Some("") => names.any = true,
                Some(begun) => names.begun.push(begun.into()),
                None => {
                    names.exact.insert(text.clone());
                }
            }
        }
        names
    }

    fn has(&self, name: &str) -> bool {
        let is_begun = |begun: &String| name.starts_with(&**begun);
        self.any || self.exact.contains(name) || self.begun.iter().any(is_begun)
    }
}
