//! What an answer says about each event of its request. Takes the gateway at its word: whether the word is true is the
//! audit's question.

use serde::Deserialize;

/// The fate of an event, as its sender knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Outcome {
    /// Durable in Kafka.
    Acked = 1,
    /// Durable in the gateway's log.
    Spilled = 2,
    /// Not taken, to be sent again: must not be in the topic.
    Refused = 3,
    /// Can never be taken: must not be in the topic.
    Rejected = 4,
    /// No answer, or one that says so: may be in the topic.
    Unknown = 5,
    /// There was no connection to send it on: must not be in the topic.
    Unsent = 6,
}

impl Outcome {
    /// All, in the order of their codes.
    pub(crate) const ALL: [Outcome; 6] = [
        Outcome::Acked,
        Outcome::Spilled,
        Outcome::Refused,
        Outcome::Rejected,
        Outcome::Unknown,
        Outcome::Unsent,
    ];

    /// The one with this code, as the ledger has it.
    pub(crate) fn of_code(code: u8) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|known| *known as u8 == code)
    }

    /// Place in [`Outcome::ALL`].
    pub(crate) fn index(self) -> usize {
        self as usize - 1
    }

    /// Whether the sender was promised that it's durable.
    pub(crate) fn is_durable(self) -> bool {
        matches!(self, Outcome::Acked | Outcome::Spilled)
    }

    /// The word for people.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Outcome::Acked => "acked",
            Outcome::Spilled => "spilled",
            Outcome::Refused => "refused",
            Outcome::Rejected => "rejected",
            Outcome::Unknown => "unknown",
            Outcome::Unsent => "unsent",
        }
    }
}

/// The fates of a request's events, as runs of equal ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fates(Vec<(Outcome, u32)>);

impl Fates {
    /// All the same.
    pub(crate) fn all(outcome: Outcome, count: u32) -> Fates {
        Fates(vec![(outcome, count)])
    }

    /// One for each event, by index.
    pub(crate) fn each(outcomes: impl IntoIterator<Item = Outcome>) -> Fates {
        let mut runs: Vec<(Outcome, u32)> = Vec::new();
        for outcome in outcomes {
            match runs.last_mut() {
                Some((last, count)) if *last == outcome => *count += 1,
                _ => runs.push((outcome, 1)),
            }
        }
        Fates(runs)
    }

    /// From runs of equal fates.
    pub(crate) fn from_runs(runs: Vec<(Outcome, u32)>) -> Fates {
        Fates(runs)
    }

    /// Runs of equal fates: which, and how many events.
    pub(crate) fn runs(&self) -> &[(Outcome, u32)] {
        &self.0
    }

    /// The fate of each event, by index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Outcome> + '_ {
        self.0
            .iter()
            .flat_map(|(outcome, count)| (0..*count).map(|_| *outcome))
    }

    /// The one that a whole request is filed under: the worst of its events'.
    pub(crate) fn worst(&self) -> Outcome {
        use Outcome::{Acked, Refused, Rejected, Spilled, Unknown, Unsent};
        [Unknown, Unsent, Refused, Rejected, Spilled]
            .into_iter()
            .find(|bad| self.0.iter().any(|(outcome, _)| outcome == bad))
            .unwrap_or(Acked)
    }
}

#[derive(Deserialize)]
struct Body {
    accepted: Option<u32>,
    acked: Option<u32>,
    #[serde(default)]
    errors: Vec<Error>,
    /// Errors that aren't listed.
    #[serde(default)]
    errors_omitted: u32,
}

#[derive(Deserialize)]
struct Error {
    index: usize,
    code: String,
}

/// The fates of `count` events from the answer to them. Which events of a request went over the log isn't told; they're
/// taken to be the last ones, so that the counts are right.
pub(crate) fn judge(status: u16, body: &[u8], count: u32) -> Fates {
    match status {
        200 | 207 | 503 => {}
        429 => return Fates::all(Outcome::Refused, count),
        400..500 => return Fates::all(Outcome::Rejected, count),
        // From something on the way that can't know.
        _ => return Fates::all(Outcome::Unknown, count),
    }
    let body: Option<Body> = serde_json::from_slice(body).ok();
    let (Some(body), true) = (
        &body,
        body.as_ref().is_some_and(|body| body.accepted.is_some()),
    ) else {
        let word = if status == 503 {
            Outcome::Refused
        } else {
            // Every 2xx is a promise, also one that can't be read.
            Outcome::Acked
        };
        return Fates::all(word, count);
    };
    let mut fates: Vec<Option<Outcome>> = vec![None; count as usize];
    for error in &body.errors {
        if let Some(fate) = fates.get_mut(error.index) {
            *fate = Some(of_code(&error.code));
        }
    }
    if body.errors_omitted > 0 {
        // The list is cut short: each of the others is durable or isn't.
        let fates = fates.into_iter();
        return Fates::each(fates.map(|fate| fate.unwrap_or(Outcome::Unknown)));
    }
    let mut acked = body.acked.unwrap_or(count);
    Fates::each(fates.into_iter().map(|fate| {
        fate.unwrap_or_else(|| {
            let durable = if acked > 0 {
                Outcome::Acked
            } else {
                Outcome::Spilled
            };
            acked = acked.saturating_sub(1);
            durable
        })
    }))
}

/// The fate of an event that an answer lists as an error.
fn of_code(code: &str) -> Outcome {
    match code {
        "unknown" => Outcome::Unknown,
        "timeout" | "not_taken" | "draining" | "no_room" | "refused_by_kafka" => Outcome::Refused,
        _ => Outcome::Rejected,
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome::{Acked, Refused, Rejected, Spilled, Unknown};
    use super::*;

    #[track_caller]
    fn check(status: u16, body: &str, expected: &[Outcome]) {
        let fates = judge(status, body.as_bytes(), expected.len() as u32);
        assert_eq!(
            fates.iter().collect::<Vec<_>>(),
            expected,
            "{status} {body}"
        );
    }

    #[test]
    fn each_answer_has_its_meaning() {
        check(
            200,
            r#"{"accepted":3,"acked":2,"spilled":1}"#,
            &[Acked, Acked, Spilled],
        );
        check(
            207,
            r#"{"accepted":1,"acked":0,"spilled":1,"rejected":1,"errors":[{"index":0,"code":"malformed"}]}"#,
            &[Rejected, Spilled],
        );
        check(
            503,
            r#"{"accepted":1,"acked":1,"spilled":0,"rejected":0,"errors":[{"index":0,"code":"timeout"},{"index":2,"code":"unknown"}]}"#,
            &[Refused, Acked, Unknown],
        );
        check(
            503,
            r#"{"accepted":1,"acked":1,"spilled":0,"rejected":0,"errors":[{"index":0,"code":"timeout"}],"errors_omitted":1}"#,
            &[Refused, Unknown, Unknown],
        );
        check(503, r#"{"status":503}"#, &[Refused, Refused]);
        check(429, "", &[Refused]);
        check(422, "{}", &[Rejected]);
        check(502, "<html>", &[Unknown]);
        check(200, "not json", &[Acked]);
    }

    #[test]
    fn a_request_is_filed_under_its_worst_event() {
        assert_eq!(Fates::each([Acked, Spilled]).worst(), Spilled);
        assert_eq!(Fates::each([Unknown, Refused, Acked]).worst(), Unknown);
    }
}
