//! The counts that are committed. `--check` fails if a case takes more.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// What a count may be above the committed one, in percent. How often the thread wakes moves those of HTTP/2 by two
/// or more on a machine that is busy.
const ALLOWED_PERCENT: f64 = 3.0;

/// Instructions per request, by case.
pub(crate) struct Reference {
    counts: BTreeMap<String, f64>,
}

fn path() -> PathBuf {
    [
        env!("CARGO_MANIFEST_DIR"),
        "benches/instructions/reference.toml",
    ]
    .iter()
    .collect()
}

impl Reference {
    /// What is committed.
    pub(crate) fn load() -> Reference {
        let text = std::fs::read_to_string(path()).expect("the committed counts");
        let counts = toml::from_str(&text).expect("a number for each case");
        Reference { counts }
    }

    /// What a case may be expected to take, if its yardstick takes `bare` today: where hyper, a library or the compiler has
    /// changed, it has changed for both. Not a number for a case that was never saved, which nothing is worse than.
    pub(crate) fn expected(&self, case: &str, yardstick: Option<(&str, f64)>) -> f64 {
        let of = |case: &str| self.counts.get(case).copied().unwrap_or(f64::NAN);
        let drift = yardstick.map_or(0.0, |(name, now)| now - of(name));
        of(case) + drift
    }

    /// Puts new counts in the place of these.
    pub(crate) fn save(mut self, counts: impl IntoIterator<Item = (&'static str, f64)>) {
        for (case, count) in counts {
            self.counts.insert(case.into(), count.round());
        }
        let mut text = String::from(
            "# Instructions per request. Written by `cargo bench --bench instructions -- --save`.\n",
        );
        for (case, count) in &self.counts {
            text.push_str(&format!("{case} = {count:.1}\n"));
        }
        std::fs::write(path(), text).expect("the file can be written");
    }
}

/// How much more a count is than expected, in percent.
pub(crate) fn percent_above(count: f64, expected: f64) -> f64 {
    (count / expected - 1.0) * 100.0
}

/// Whether it's more than noise.
pub(crate) fn is_worse(count: f64, expected: f64) -> bool {
    percent_above(count, expected) > ALLOWED_PERCENT
}
