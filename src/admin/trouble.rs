//! What is wrong, in a sentence, and what somebody does about it.

use std::fmt;
use std::ops::Deref;

use serde_json::{Value, json};

/// Something that isn't as it should be. It reads as its sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// In a sentence.
    pub what: String,
    /// Of which kind it is, which says what is to be done.
    pub kind: Kind,
}

/// Kinds of troubles, by what is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The process starts.
    Starting,
    /// The process stops.
    Stopping,
    /// A cluster isn't up.
    Cluster,
    /// A stream's topic is missing or denied, or isn't known yet.
    Topic,
    /// Neither Kafka nor the log takes events in time.
    Loss,
    /// The log is full.
    LogFull,
    /// The log's disk fails, hangs or is slow.
    Disk,
    /// The log's disk lost events.
    Damage,
    /// Kafka refused events for good.
    DeadLetters,
    /// The last reload failed.
    Reload,
    /// A file of keys can't be taken.
    Keys,
    /// A fault of forebay.
    Bug,
    /// More of the same than is listed.
    More,
}

impl Kind {
    /// What is to be done, for who reads the page. The runbooks of `deploy/prometheus` say more.
    pub fn advice(self) -> &'static str {
        match self {
            Kind::Starting => {
                "Wait: it's over within seconds. Kafka is asked for the partitions of all topics."
            }
            Kind::Stopping => {
                "Wait: what was taken goes to Kafka or stays in the log. Start it again if it has to go on."
            }
            Kind::Cluster => {
                "Look at its brokers, then run `forebay check --connect`. With a log, events are taken and wait; they go out in order when it's back."
            }
            Kind::Topic => {
                "Create the topic, or give the principal WRITE and DESCRIBE on it. forebay goes on by itself then."
            }
            Kind::Loss => {
                "Mend the cluster that is named here, or give room: raise spill.quota or memory.budget and reload. A restart gains nothing."
            }
            Kind::LogFull => {
                "Bring the clusters back that the log stands in for, or raise spill.quota and reload. Don't delete its files: they are acknowledged events."
            }
            Kind::Disk => {
                "Look at the disk (dmesg, its other users). While it's so, an outage of Kafka is a 503."
            }
            Kind::Damage => {
                "Replace the disk, and ask the senders for what is lost if they keep their events."
            }
            Kind::DeadLetters => {
                "Mend the topic (most often max.message.bytes), then send them again: POST /dead/redrive. They are kept until then."
            }
            Kind::Reload => {
                "Mend the file, try it with `forebay reload --dry-run`, then reload. What was in force still is."
            }
            Kind::Keys => {
                "Write the file anew and put it in its place with a rename. The keys from before stay good."
            }
            Kind::Bug => "Keep the log, /metrics and /status of this moment, and report it.",
            Kind::More => "See /status.",
        }
    }

    /// Its name for machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Starting => "starting",
            Kind::Stopping => "stopping",
            Kind::Cluster => "cluster",
            Kind::Topic => "topic",
            Kind::Loss => "loss",
            Kind::LogFull => "log_full",
            Kind::Disk => "disk",
            Kind::Damage => "damage",
            Kind::DeadLetters => "dead_letters",
            Kind::Reload => "reload",
            Kind::Keys => "keys",
            Kind::Bug => "bug",
            Kind::More => "more",
        }
    }
}

impl Trouble {
    /// Of a kind.
    pub fn new(kind: Kind, what: impl Into<String>) -> Trouble {
        let what = what.into();
        Trouble { what, kind }
    }

    pub(super) fn status(&self) -> Value {
        let Trouble { what, kind } = self;
        json!({ "what": what, "kind": kind.as_str(), "do": kind.advice() })
    }
}

impl Deref for Trouble {
    type Target = str;

    fn deref(&self) -> &str {
        &self.what
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.what)
    }
}

impl PartialEq<&str> for Trouble {
    fn eq(&self, other: &&str) -> bool {
        self.what == **other
    }
}
