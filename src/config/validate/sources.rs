//! What must hold of sources, of the ways in which their keys are shown, and of what pages are told.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::Config;
use super::super::check::dotted;
use super::super::nearest::hint;
use super::super::syntax::legal_name;
use super::problems::Problems;
use crate::auth::check;
use crate::http::settings::routes;
use crate::tls::settings::ClientCertificates;

pub(super) fn check_all(config: &Config, problems: &mut Problems) {
    sources(config, problems);
    for (name, cors) in &config.cors {
        let key = dotted(&["cors", name]);
        problems.unless(&key, legal_name(name));
        problems.unless(&key, check::cors(cors));
        let (key, half_a_day) = (format!("{key}.max_age"), Duration::from_secs(12 * 60 * 60));
        problems.lasts(&key, cors.max_age, Duration::ZERO, half_a_day);
    }
    let auth = &config.http.auth;
    let mut asked = way(config, "http.auth", Some(auth), Of::Stream, problems);
    named(config, "http.cors", config.http.cors.as_ref(), problems);
    for (name, stream) in &config.streams {
        let key = |field: &str| dotted(&["streams", name, field]);
        let auth = stream.auth.as_ref();
        asked |= way(config, &key("auth"), auth, Of::Stream, problems);
        named(config, &key("cors"), stream.cors.as_ref(), problems);
    }
    for (name, route) in &config.routes {
        let key = |field: &str| dotted(&["routes", name, field]);
        // What is wrong with it is told with the route.
        let is_good = route.auth.as_ref().filter(|auth| check::ways(auth).is_ok());
        asked |= way(config, &key("auth"), is_good, Of::Route(route), problems);
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
        known("stream", &key, &settings.streams, &config.streams, problems);
        known("route", &key, &settings.routes, &config.routes, problems);
        if settings.keys.is_empty() && settings.secrets.is_empty() && settings.subjects.is_empty() {
            let what = "it has nothing that a request could show; give it keys, secrets that it signs with, or subjects of its certificates";
            problems.add(&key, what);
        }
        if !settings.ids.is_empty() && settings.secrets.is_empty() {
            let what =
                "they say whose signature it is, and it has no secret to sign with; add secrets";
            problems.add(format!("{key}.ids"), what);
        }
        if !settings.subjects.is_empty() && !asks_for_certificates(config) {
            problems.add(format!("{key}.subjects"), NO_CERTIFICATES);
        }
    }
    for (name, what) in check::sources(&config.sources) {
        problems.add(dotted(&["sources", name]), what);
    }
}

/// Why a certificate can't be shown.
const NO_CERTIFICATES: &str = "no client is asked for a certificate; set http.tls.client_certificates to \"optional\" or \"required\", with client_ca and http.tls.listen";

fn asks_for_certificates(config: &Config) -> bool {
    let tls = &config.http.tls;
    tls.listen.is_some() && tls.client_certificates != ClientCertificates::None
}

/// Checks the names of streams or routes that a source may use.
fn known<T>(
    what: &str,
    key: &str,
    named: &[String],
    all: &BTreeMap<String, T>,
    problems: &mut Problems,
) {
    for name in named {
        if !name.ends_with('*') && !all.contains_key(name) {
            let hint = hint(name, all.keys().map(String::as_str));
            let problem = format!("there is no {what} \"{name}\"; {hint}");
            problems.add(format!("{key}.{what}s"), problem);
        }
    }
}

/// Whose ways to show a key are checked.
#[derive(Clone, Copy)]
enum Of<'a> {
    /// Of a stream, or of all that say nothing themselves. A route asks for the same if it says nothing.
    Stream,
    /// Of a route.
    Route(&'a routes::Settings),
}

impl Of<'_> {
    /// Whether there is a path with this capture: all of a route's have it, or some route's.
    fn has_capture(self, name: &str, config: &Config) -> bool {
        let has = |route: &routes::Settings| routes::captures(route).iter().any(|it| it == name);
        match self {
            Of::Route(route) => has(route),
            Of::Stream => config.routes.values().any(has),
        }
    }
}

/// Checks ways to show a key; whether there is one.
fn way(
    config: &Config,
    key: &str,
    given: Option<&Vec<String>>,
    of: Of<'_>,
    problems: &mut Problems,
) -> bool {
    let ways = match check::ways(given.map(Vec::as_slice).unwrap_or_default()) {
        Ok(ways) => ways,
        Err(what) => {
            problems.add(key, what);
            return true;
        }
    };
    if ways.look_into_body && matches!(of, Of::Stream) {
        let what =
            "a stream's body is its events, and has no place for a key; a route can look for one";
        problems.add(key, what);
    }
    for name in &ways.named {
        if !config.sources.contains_key(name) {
            let hint = hint(name, config.sources.keys().map(String::as_str));
            problems.add(key, format!("there is no source \"{name}\"; {hint}"));
        }
        let named = config.sources.get(name);
        if named.is_some_and(|source| source.secrets.is_empty()) {
            let what = format!("source \"{name}\" is said to sign, and has no secrets; add some");
            problems.add(key, what);
        }
    }
    for name in ways
        .captures
        .iter()
        .filter(|name| !of.has_capture(name, config))
    {
        let paths = match of {
            Of::Route(_) => "not every path of the route has it",
            Of::Stream => "no route has it, and the paths of streams have none",
        };
        let what = format!(
            "id=path:{name}: there is no capture {{{name}}}: {paths}; name one that is there, or use id=header:NAME"
        );
        problems.add(key, what);
    }
    if ways.certificate && !asks_for_certificates(config) {
        problems.add(key, format!("\"mtls\": {NO_CERTIFICATES}"));
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
