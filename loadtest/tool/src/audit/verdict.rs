//! The numbers of an audit, and what they mean.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// What was compared. All are events, unless their name says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    /// In the ledgers.
    pub(crate) sent: u64,
    /// Said to be in Kafka.
    pub(crate) acked: u64,
    /// Said to be in the gateway's log.
    pub(crate) spilled: u64,
    /// Said not to be taken, for now.
    pub(crate) refused: u64,
    /// Said never to be taken.
    pub(crate) rejected: u64,
    /// Without an answer, or with one that doesn't know.
    pub(crate) unknown: u64,
    /// Never sent, for want of a connection.
    pub(crate) unsent: u64,
    /// In the topics, each counted once.
    pub(crate) found: u64,
    /// Acked or spilled, and not in the topics.
    pub(crate) lost: u64,
    /// Copies beyond the first.
    pub(crate) duplicated: u64,
    /// Acked or spilled, and for the first time behind a later one of the same key.
    pub(crate) out_of_order: u64,
    /// The same of events without a 2xx: a sender that gave up may be overtaken by itself.
    pub(crate) out_of_order_unanswered: u64,
    /// Refused, rejected or unsent, and in the topics all the same.
    pub(crate) refused_but_found: u64,
    /// Unknown, and in the topics.
    pub(crate) unknown_but_found: u64,
    /// Records with another key than the event was sent with.
    pub(crate) wrong_key: u64,
    /// Keys with events in more than one partition.
    pub(crate) split_keys: u64,
    /// Records of the ledgers' sources that no ledger knows: a ledger was cut short.
    pub(crate) unledgered: u64,
    /// Records of others.
    pub(crate) strangers: u64,
    /// Ledgers that were cut short.
    pub(crate) open_ledgers: u64,
    /// Some of the lost, for a look at the logs.
    pub(crate) lost_examples: Vec<String>,
    /// Some of those out of order.
    pub(crate) order_examples: Vec<String>,
}

impl Verdict {
    /// Whether the gateway kept its word.
    pub(crate) fn passes(&self, unordered: bool, strict: bool) -> bool {
        self.lost == 0
            && (unordered || self.out_of_order == 0)
            && !(strict && (self.duplicated > 0 || self.refused_but_found > 0))
    }

    /// Names and values, in the order to be read in.
    pub(crate) fn rows(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("sent", self.sent),
            ("acked", self.acked),
            ("spilled", self.spilled),
            ("refused", self.refused),
            ("rejected", self.rejected),
            ("unknown", self.unknown),
            ("unsent", self.unsent),
            ("found", self.found),
            ("lost", self.lost),
            ("duplicated", self.duplicated),
            ("out of order", self.out_of_order),
            ("out of order, unanswered", self.out_of_order_unanswered),
            ("refused but found", self.refused_but_found),
            ("unknown but found", self.unknown_but_found),
            ("wrong key", self.wrong_key),
            ("split keys", self.split_keys),
            ("not in a ledger", self.unledgered),
            ("of others", self.strangers),
            ("ledgers cut short", self.open_ledgers),
        ]
    }

    /// For people, without a judgement.
    pub(crate) fn text(&self) -> String {
        let mut text = String::from("audit\n");
        for (name, value) in self.rows() {
            // The first nine and those that say something.
            if value > 0 || text.lines().count() < 12 {
                writeln!(text, "  {name:<26}{value:>14}").unwrap_or_default();
            }
        }
        for (what, examples) in [
            ("lost", &self.lost_examples),
            ("out of order", &self.order_examples),
        ] {
            if !examples.is_empty() {
                writeln!(text, "  {what}, for example: {}", examples.join(" ")).unwrap_or_default();
            }
        }
        text
    }
}
