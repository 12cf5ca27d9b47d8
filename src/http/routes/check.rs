//! What `[routes.NAME]` may say, and all that is wrong with what it says.

use std::collections::BTreeMap;

use super::endpoint::{Endpoint, Streams};
use super::table::Endpoints;

pub use super::answers::OUTCOMES;
pub use super::settings::Settings;
use super::template;

/// One thing that is wrong with a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The route.
    pub route: String,
    /// The key within its section.
    pub key: String,
    /// What is wrong, and what to do.
    pub what: String,
}

/// The routes, or all that is wrong with them.
pub fn make(
    routes: &BTreeMap<String, Settings>,
    streams: &Streams,
) -> Result<Endpoints, Vec<Wrong>> {
    let (mut all, mut wrong) = (Vec::new(), Vec::new());
    for (name, settings) in routes {
        let of_route = |(key, what)| Wrong {
            route: name.clone(),
            key,
            what,
        };
        match Endpoint::new(name, settings, streams) {
            Ok(endpoint) => all.push(endpoint),
            Err(faults) => wrong.extend(faults.into_iter().map(of_route)),
        }
    }
    match Endpoints::new(all) {
        Ok(endpoints) if wrong.is_empty() => return Ok(endpoints),
        Ok(_) => {}
        Err(conflicts) => wrong.extend(conflicts.into_iter().map(|conflict| Wrong {
            route: conflict.route,
            key: "paths".into(),
            what: conflict.what,
        })),
    }
    Err(wrong)
}

/// The captures that each path of a route has.
pub fn captures(settings: &Settings) -> Vec<String> {
    template::captures(&settings.paths)
}
