//! The events that a client is told of one by one: the first ones by name, all of them in number.
//!
//! An event that can't be accepted may have two bytes, and what is said of it a hundred. Without a bound a small request would
//! have an answer of a megabyte, held until its client has read it.

use serde::Serialize;

/// An event that can never be accepted, or isn't durable, with its place in the request.
#[derive(Clone, Debug, Serialize)]
pub struct EventError {
    /// Position among the request's events, from 0.
    pub index: u32,
    /// For programs.
    pub code: &'static str,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// As many entries as `errors` has at most: enough to see what is wrong, and at most some ten KiB.
pub const LISTED: usize = 100;

/// Events that aren't accepted, or not durable. It's a word as long as there are none, because it's handed on with each request.
#[derive(Clone, Debug, Default)]
pub struct Rejected(Option<Box<Several>>);

#[derive(Clone, Debug)]
struct Several {
    listed: Vec<EventError>,
    count: u32,
    are_all_too_large: bool,
    /// At most so many are listed.
    most: usize,
}

impl Default for Several {
    fn default() -> Self {
        Several {
            listed: Vec::new(),
            count: 0,
            are_all_too_large: true,
            most: LISTED,
        }
    }
}

impl Rejected {
    /// How many there are.
    pub fn count(&self) -> u32 {
        self.0.as_ref().map_or(0, |several| several.count)
    }

    /// How many aren't listed.
    pub fn omitted(&self) -> u32 {
        self.count() - self.listed().len() as u32
    }

    /// The first ones, by their places in the request.
    pub fn listed(&self) -> &[EventError] {
        self.0.as_ref().map_or(&[], |several| &several.listed)
    }

    /// Whether nothing else is wrong with any of them than their size.
    pub fn are_all_too_large(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|several| several.are_all_too_large)
    }

    /// Lists none of them, and none of those that are added.
    pub fn list_none(&mut self) {
        let several = self.0.get_or_insert_default();
        (several.listed, several.most) = (Vec::new(), 0);
    }

    /// Adds more of them.
    pub fn add(&mut self, errors: impl IntoIterator<Item = EventError>) {
        let several = self.0.get_or_insert_default();
        for error in errors {
            several.count += 1;
            several.are_all_too_large &=
                matches!(error.code, "event_too_large" | "too_large_for_kafka");
            several.listed.push(error);
        }
        several.listed.sort_unstable_by_key(|error| error.index);
        several.listed.truncate(several.most);
        several.listed.shrink_to_fit();
    }
}

impl From<Vec<EventError>> for Rejected {
    #[inline(always)]
    fn from(errors: Vec<EventError>) -> Rejected {
        let mut rejected = Rejected::default();
        // Mostly there are none.
        if !errors.is_empty() {
            rejected.add(errors);
        }
        rejected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(index: u32, code: &'static str) -> EventError {
        EventError {
            index,
            code,
            detail: String::new(),
        }
    }

    #[test]
    fn the_first_hundred_are_listed_and_all_are_counted() {
        let even: Vec<_> = (0..250)
            .rev()
            .map(|at| error(2 * at, "malformed"))
            .collect();
        let mut rejected = Rejected::from(even);
        assert_eq!((rejected.count(), rejected.omitted()), (250, 150));
        let odd: Vec<_> = (0..250).map(|at| error(2 * at + 1, "malformed")).collect();
        rejected.add(odd);
        assert_eq!((rejected.count(), rejected.omitted()), (500, 400));
        let listed = rejected.listed().iter().map(|error| error.index);
        assert!(listed.eq(0..100));
        rejected.list_none();
        rejected.add([error(500, "malformed")]);
        assert_eq!((rejected.count(), rejected.omitted()), (501, 501));
    }

    #[test]
    fn one_that_is_not_too_large_is_remembered_though_it_is_not_listed() {
        let large = (0..100).map(|at| error(at, "event_too_large"));
        let mut rejected: Rejected = large.collect::<Vec<_>>().into();
        assert!(rejected.are_all_too_large());
        rejected.add([error(100, "malformed")]);
        assert!(!rejected.are_all_too_large() && rejected.omitted() == 1);
    }
}
