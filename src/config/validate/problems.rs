//! Why a configuration can't be used, all reasons at once.

use std::fmt;
use std::time::Duration;

use bytesize::ByteSize;

use super::super::print::size;

/// One reason why a configuration can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key: `http.max_head`, `streams.installs.cluster`.
    pub key: String,
    /// What is wrong with it, and what to do.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { key, what } = self;
        write!(f, "{key}: {what}")
    }
}

/// Reasons, as they are found.
#[derive(Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn add(&mut self, key: impl Into<String>, what: impl Into<String>) {
        self.0.push(Problem {
            key: key.into(),
            what: what.into(),
        });
    }

    /// Takes over what a check of `key` found.
    pub(super) fn unless(&mut self, key: &str, checked: Result<(), String>) {
        if let Err(what) = checked {
            self.add(key, what);
        }
    }

    /// `value` of `key` must lie within these.
    pub(super) fn within<T: PartialOrd + fmt::Display>(
        &mut self,
        key: &str,
        value: T,
        least: T,
        most: T,
    ) {
        if value < least || value > most {
            self.add(
                key,
                format!("{value} is out of range; give {least} to {most}"),
            );
        }
    }

    /// `value` of `key` must not exceed `most`, which is called `other`.
    pub(super) fn at_most(&mut self, key: &str, value: ByteSize, most: ByteSize, other: &str) {
        if value > most {
            let (value, most) = (size(value), size(most));
            self.add(
                key,
                format!("{value} is more than {other}, {most}; lower the one or raise the other"),
            );
        }
    }

    /// `value` of `key` must lie within these.
    pub(super) fn lasts(&mut self, key: &str, value: Duration, least: Duration, most: Duration) {
        if value < least || value > most {
            let [value, least, most] = [value, least, most].map(humantime::format_duration);
            self.add(
                key,
                format!("{value} is out of range; give {least} to {most}"),
            );
        }
    }

    /// Every reason, if there is one.
    pub(super) fn into_result(self) -> Result<(), Vec<Problem>> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(self.0),
        }
    }
}
