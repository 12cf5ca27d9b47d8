//! What must hold of sources, of the ways in which their keys are shown, and of what pages are told.

use std::time::Duration;

use super::super::Config;
use super::super::check::dotted;
use super::super::nearest::hint;
use super::super::syntax::legal_name;
use super::problems::Problems;
use crate::auth::check;

pub(super) fn check_all(config: &Config, problems: &mut Problems) {
    sources(config, problems);
    for (name, cors) in &config.cors {
        let key = dotted(&["cors", name]);
        problems.unless(&key, legal_name(name));
        problems.unless(&key, check::cors(cors));
        let (key, half_a_day) = (format!("{key}.max_age"), Duration::from_secs(12 * 60 * 60));
        problems.lasts(&key, cors.max_age, Duration::ZERO, half_a_day);
    }
    let mut asked = way(config, "http.auth", Some(&config.http.auth), true, problems);
    named(config, "http.cors", config.http.cors.as_ref(), problems);
    for (name, stream) in &config.streams {
        let key = |field: &str| dotted(&["streams", name, field]);
        asked |= way(config, &key("auth"), stream.auth.as_ref(), true, problems);
        named(config, &key("cors"), stream.cors.as_ref(), problems);
    }
    for (name, route) in &config.routes {
        let key = |field: &str| dotted(&["routes", name, field]);
        // What is wrong with it is told with the route.
        let is_good = route.auth.as_ref().filter(|auth| check::ways(auth).is_ok());
        asked |= way(config, &key("auth"), is_good, false, problems);
        named(config, &key("cors"), route.cors.as_ref(), problems);
    }
    if asked && config.sources.is_empty() {
        let what = "a key is asked for, but there is no source that could have one; add [sources.NAME] with keys";
        problems.add("sources", what);
    } else if !asked && !config.sources.is_empty() {
        let what = "there are sources, but nothing asks for a key, so that anybody may send; set http.auth, or auth of a stream, like [\"bearer\"]";
        problems.add("sources", what);
    }
}

fn sources(config: &Config, problems: &mut Problems) {
    for (name, settings) in &config.sources {
        let key = dotted(&["sources", name]);
        problems.unless(&key, legal_name(name));
        for (field, what) in settings.rate.check() {
            problems.add(format!("{key}.rate.{field}"), what);
        }
        for stream in &settings.streams {
            if !stream.ends_with('*') && !config.streams.contains_key(stream) {
                let hint = hint(stream, config.streams.keys().map(String::as_str));
                let what = format!("there is no stream \"{stream}\"; {hint}");
                problems.add(format!("{key}.streams"), what);
            }
        }
    }
    for (name, what) in check::sources(&config.sources) {
        problems.add(dotted(&["sources", name]), what);
    }
}

/// Checks ways to show a key; whether there is one.
fn way(
    config: &Config,
    key: &str,
    given: Option<&Vec<String>>,
    is_of_stream: bool,
    problems: &mut Problems,
) -> bool {
    let ways = match check::ways(given.map(Vec::as_slice).unwrap_or_default()) {
        Ok(ways) => ways,
        Err(what) => {
            problems.add(key, what);
            return true;
        }
    };
    if ways.look_into_body && is_of_stream {
        let what =
            "a stream's body is its events, and has no place for a key; a route can look for one";
        problems.add(key, what);
    }
    for name in &ways.named {
        if !config.sources.contains_key(name) {
            let hint = hint(name, config.sources.keys().map(String::as_str));
            problems.add(key, format!("there is no source \"{name}\"; {hint}"));
        }
    }
    ways.asks
}

/// Checks the name of what pages are told.
fn named(config: &Config, key: &str, given: Option<&String>, problems: &mut Problems) {
    let Some(name) = given else { return };
    if !config.cors.contains_key(name) {
        let what = match config.cors.is_empty() {
            true => "add [cors.NAME] with origins = [\"https://…\"]".into(),
            false => hint(name, config.cors.keys().map(String::as_str)),
        };
        problems.add(key, format!("there is no cors \"{name}\"; {what}"));
    }
}
