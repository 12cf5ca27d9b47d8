//! What must hold of routes.

use super::super::Config;
use super::super::check::dotted;
use super::super::nearest::hint;
use super::super::syntax::legal_name;
use super::problems::Problems;
use crate::http::settings::routes::{OUTCOMES, make};

pub(super) fn check(config: &Config, problems: &mut Problems) {
    for (name, route) in &config.routes {
        let key = |rest: &[&str]| dotted(&[&["routes", name], rest].concat());
        problems.unless(&key(&[]), legal_name(name));
        let values = route.streams.iter();
        let values = values.map(|(value, stream)| (key(&["streams", value]), stream));
        let default = route.stream.iter().map(|stream| (key(&["stream"]), stream));
        for (key, stream) in default.chain(values) {
            if !config.streams.contains_key(stream) {
                let hint = hint(stream, config.streams.keys().map(String::as_str));
                problems.add(key, format!("there is no stream \"{stream}\"; {hint}"));
            }
        }
        for outcome in route.answers.keys() {
            if !OUTCOMES.contains(&outcome.as_str()) {
                let hint = hint(outcome, OUTCOMES);
                let what = format!("there is no such outcome; {hint}");
                problems.add(key(&["answers", outcome]), what);
            }
        }
    }
    for wrong in make(&config.routes, &config.streams)
        .err()
        .unwrap_or_default()
    {
        let outcome = wrong.key.strip_prefix("answers.");
        if outcome
            .is_none_or(|outcome| OUTCOMES.contains(&outcome.split('.').next().unwrap_or(outcome)))
        {
            let route = dotted(&["routes", &wrong.route]);
            problems.add(format!("{route}.{}", wrong.key), wrong.what);
        }
    }
}
