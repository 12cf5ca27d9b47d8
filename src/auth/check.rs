//! What is wrong with settings, for those who read them before anything is made of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cors::Cors;
use super::keys::Keys;
use super::kind::Kind;
use super::policy::Policy;
use super::settings::{CorsSettings, Key, Settings};
use super::source::Source;

/// What is wrong with sources, by name.
pub fn sources(sources: &BTreeMap<String, Settings>) -> Vec<(&str, String)> {
    let mut keys = Keys::default();
    let mut add = |name: &str, settings: &Settings| {
        let source = Arc::new(Source::new(name, settings, Arc::default(), None)?);
        let of_source = settings.keys.iter().map(|text| Key::parse(text));
        let of_source = of_source.collect::<Result<Vec<_>, _>>()?;
        keys.add(&source, of_source, &settings.ids, &settings.subjects)
    };
    let checked = sources.iter();
    let checked = checked.map(|(name, settings)| (name.as_str(), add(name, settings)));
    let wrong = checked.filter_map(|(name, added)| added.err().map(|what| (name, what)));
    wrong.collect()
}

/// What settings say of the ways to show a key.
#[derive(Debug)]
pub struct Ways {
    /// A key is asked for.
    pub asks: bool,
    /// It may be in the body.
    pub look_into_body: bool,
    /// It may be a client certificate.
    pub certificate: bool,
    /// The sources by name that signatures are said to be of.
    pub named: Vec<String>,
    /// The captures of a path that the ids of sources are looked for in.
    pub captures: Vec<String>,
}

/// What ways to show a key ask for, or what is wrong with them.
pub fn ways(texts: &[String]) -> Result<Ways, String> {
    let policy = Policy::parse(texts)?;
    let mut kinds = policy.kinds().iter();
    Ok(Ways {
        asks: !policy.is_open(),
        look_into_body: kinds.any(|kind| matches!(kind, Kind::Member(_))),
        certificate: policy.has_certificates(),
        captures: policy.captures().map(str::to_owned).collect(),
        named: policy.named().map(str::to_owned).collect(),
    })
}

/// What is wrong with what pages are told.
pub fn cors(settings: &CorsSettings) -> Result<(), String> {
    Cors::new(settings).map(drop)
}
