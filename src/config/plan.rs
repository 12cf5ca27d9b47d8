//! What a reload would change: two configurations, compared key by key, and what each change means for traffic.
//!
//! Pure: nothing here reads files or touches what runs. Every key has an [`Effect`]; a test walks all keys and fails if one has
//! none. A key that only a restart changes makes the whole reload impossible: all of a configuration is in force, or none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Serialize, Serializer};

use super::Config;
use super::check::dotted;
use super::print::table;
use super::secret::{MASK, is_secret_at};

/// What a change means for traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// In force at once, for all that is under way.
    AtOnce,
    /// For requests whose head comes after it. Those before keep what they began with.
    Requests,
    /// For connections that are accepted after it. Those before keep what they were charged by.
    Connections,
    /// The cluster gets another client. What the old one has in hand is settled first; new events wait meanwhile.
    Client,
    /// A file that librdkafka reads itself has other contents. The same comes of it.
    File,
    /// New events go to another topic. What was taken before drains to the old one, first, unless the stream says otherwise.
    Target,
    /// A stream or cluster comes.
    Comes,
    /// A stream or cluster goes. What was taken drains, then nothing of it is left but its counters.
    Goes,
    /// Only a restart changes it.
    Restart,
}

impl Effect {
    /// In words for an operator.
    pub fn as_str(self) -> &'static str {
        match self {
            Effect::AtOnce => "at once",
            Effect::Requests => "for new requests",
            Effect::Connections => "for new connections",
            Effect::Client => "the cluster gets another client, when the old one holds nothing",
            Effect::File => {
                "the file has changed; the cluster gets another client, when the old one holds nothing"
            }
            Effect::Target => {
                "new events go to the other topic when earlier ones have drained to the old one, or at once with drain = \"beside\""
            }
            Effect::Comes => "it is added",
            Effect::Goes => "it is removed; what it took drains",
            Effect::Restart => "needs a restart",
        }
    }

    /// Of the key at `path`; `None` if there is no such key.
    pub(super) fn of(path: &[&str]) -> Option<Effect> {
        Some(match path {
            ["http", "tls", "listen"] => Effect::Restart,
            ["admin", "tls", _] => Effect::Connections,
            ["http", "tls", _] | ["http", "tls", "certificates", _, "cert" | "key"] => {
                Effect::Connections
            }
            ["http", "listen" | "plain" | "threads"] | ["admin", "listen"] | ["log", "format"] => {
                Effect::Restart
            }
            // The log was opened with them: it has files of this size in this directory.
            ["spill", "dir" | "segment"] => Effect::Restart,
            [
                "http",
                "address_from"
                | "trusted"
                | "max_body"
                | "max_decompressed"
                | "body_timeout"
                | "refused_timeout"
                | "answer_within"
                | "auth"
                | "cors"
                | "max_requests_per_address"
                | "max_failures_per_address",
            ] => Effect::Requests,
            ["sources" | "cors", _, _] | ["sources", _, "rate", _] => Effect::Requests,
            ["http", _] | ["shutdown", "idle"] => Effect::Connections,
            ["decode", _] => Effect::Requests,
            ["lane" | "memory" | "spill" | "admin" | "shutdown", _] | ["log", "filter"] => {
                Effect::AtOnce
            }
            // What it takes in is compared key by key.
            ["include"] => Effect::AtOnce,
            ["routes", _, ..] => Effect::Requests,
            ["owners", _, _] | ["owners", _, "rate", _] => Effect::AtOnce,
            ["clusters", _, "kafka", ..] => Effect::Client,
            [
                "clusters",
                _,
                "bootstrap" | "idempotence" | "answers" | "max_in_flight" | "max_in_flight_events",
            ] => Effect::Client,
            ["clusters", _, _] => Effect::AtOnce,
            ["streams", _, "cluster" | "topic"] => Effect::Target,
            ["streams", _, "drain"] => Effect::AtOnce,
            ["streams", _, _] | ["streams", _, "rate", _] => Effect::Requests,
            _ => return None,
        })
    }
}

impl Serialize for Effect {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One key, or one whole stream or cluster, that is another than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The key: `http.max_body`, `streams.installs`.
    pub key: String,
    /// What it was; nothing if it wasn't there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What it is to be; nothing if it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What that means.
    pub effect: Effect,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key)?;
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, ": {from} -> {to}")?,
            (Some(from), None) => write!(f, ": {from} -> (default)")?,
            (None, Some(to)) => write!(f, ": (default) -> {to}")?,
            (None, None) => {}
        }
        write!(f, " [{}]", self.effect.as_str())
    }
}

/// All that a reload would change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Plan {
    /// By key.
    pub changes: Vec<Change>,
}

impl Plan {
    /// What is to change so that `old` becomes `new`.
    pub fn new(old: &Config, new: &Config) -> Plan {
        let (old_leaves, new_leaves) = (leaves_apart(old, new), leaves_apart(new, old));
        let mut changes = named("clusters", &old.clusters, &new.clusters);
        changes.extend(named("streams", &old.streams, &new.streams));
        changes.extend(named("sources", &old.sources, &new.sources));
        changes.extend(named("cors", &old.cors, &new.cors));
        changes.extend(named("routes", &old.routes, &new.routes));
        let is_whole = |path: &[String]| match path {
            [section, name, ..] if section == "clusters" => {
                old.clusters.contains_key(name) != new.clusters.contains_key(name)
            }
            [section, name, ..] if section == "streams" => {
                old.streams.contains_key(name) != new.streams.contains_key(name)
            }
            [section, name, ..] if section == "sources" => {
                old.sources.contains_key(name) != new.sources.contains_key(name)
            }
            [section, name, ..] if section == "cors" => {
                old.cors.contains_key(name) != new.cors.contains_key(name)
            }
            [section, name, ..] if section == "routes" => {
                old.routes.contains_key(name) != new.routes.contains_key(name)
            }
            _ => false,
        };
        let paths: BTreeSet<_> = old_leaves.keys().chain(new_leaves.keys()).collect();
        for path in paths {
            let (from, to) = (old_leaves.get(path), new_leaves.get(path));
            if from == to || is_whole(path) {
                continue;
            }
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let shown = |value: &String| match is_secret_at(&path) {
                true => MASK.to_owned(),
                false => value.clone(),
            };
            changes.push(Change {
                key: dotted(&path),
                from: from.map(shown),
                to: to.map(shown),
                // A key that nobody thought of isn't changed on the fly.
                effect: Effect::of(&path).unwrap_or(Effect::Restart),
            });
        }
        changes.sort_by(|one, other| one.key.cmp(&other.key));
        Plan { changes }
    }

    /// Adds that the file has changed which a property of a cluster names.
    pub fn note_file(&mut self, cluster: &str, property: &str) {
        let key = dotted(&["clusters", cluster, "kafka", property]);
        // Another path says enough.
        if let Err(place) = self.changes.binary_search_by(|change| change.key.cmp(&key)) {
            let change = Change {
                key,
                from: None,
                to: None,
                effect: Effect::File,
            };
            self.changes.insert(place, change);
        }
    }

    /// Whether both are the same.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The keys that only a restart changes.
    pub fn needs_restart(&self) -> Vec<&str> {
        let changes = self.changes.iter();
        let of_restart = changes.filter(|change| change.effect == Effect::Restart);
        of_restart.map(|change| &*change.key).collect()
    }

    /// Whether a file has changed that a property of a cluster names.
    pub fn has_files_of(&self, cluster: &str) -> bool {
        let of_it = dotted(&["clusters", cluster]) + ".";
        let changes = self.changes.iter();
        let mut files = changes.filter(|change| change.effect == Effect::File);
        files.any(|change| change.key.starts_with(&of_it))
    }

    /// Whether anything of a cluster or stream changes: `section` is `clusters` or `streams`.
    pub fn touches(&self, section: &str, name: &str) -> bool {
        let key = dotted(&[section, name]);
        let is_of = |change: &Change| {
            let rest = change.key.strip_prefix(&key);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.changes.iter().any(is_of)
    }
}

/// What comes and goes of what has names.
fn named<T>(section: &str, old: &BTreeMap<String, T>, new: &BTreeMap<String, T>) -> Vec<Change> {
    let change = |name: &str, effect| Change {
        key: dotted(&[section, name]),
        from: None,
        to: None,
        effect,
    };
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    let come = new.keys().filter(|name| !old.contains_key(*name));
    gone.map(|name| change(name, Effect::Goes))
        .chain(come.map(|name| change(name, Effect::Comes)))
        .collect()
}

/// Every key of `one` with its value, but for sources, streams and routes that are the same in `other`: of these there may be
/// thousands, of which a reload changes a few.
fn leaves_apart(one: &Config, other: &Config) -> BTreeMap<Vec<String>, String> {
    fn apart<T: Clone + PartialEq>(
        one: &BTreeMap<String, T>,
        other: &BTreeMap<String, T>,
    ) -> BTreeMap<String, T> {
        let is_apart = |(name, its): &(&String, &T)| other.get(*name) != Some(*its);
        let all = one.iter().filter(is_apart);
        all.map(|(name, its)| (name.clone(), its.clone())).collect()
    }
    leaves(&Config {
        include: one.include.clone(),
        http: one.http.clone(),
        decode: one.decode.clone(),
        lane: one.lane.clone(),
        memory: one.memory.clone(),
        spill: one.spill.clone(),
        owners: one.owners.clone(),
        clusters: one.clusters.clone(),
        streams: apart(&one.streams, &other.streams),
        sources: apart(&one.sources, &other.sources),
        in_files: Default::default(),
        cors: one.cors.clone(),
        routes: apart(&one.routes, &other.routes),
        admin: one.admin.clone(),
        shutdown: one.shutdown.clone(),
        log: one.log.clone(),
    })
}

/// Every key with its value as it's written.
fn leaves(config: &Config) -> BTreeMap<Vec<String>, String> {
    fn collect(
        table: &toml::Table,
        path: &mut Vec<String>,
        all: &mut BTreeMap<Vec<String>, String>,
    ) {
        for (key, value) in table {
            path.push(key.clone());
            match value {
                toml::Value::Table(inside) => collect(inside, path, all),
                value => drop(all.insert(path.clone(), value.to_string())),
            }
            path.pop();
        }
    }
    let mut all = BTreeMap::new();
    // What was read from TOML can be written as TOML: a test does it with every key.
    if let Ok(table) = table(config) {
        collect(&table, &mut Vec::new(), &mut all);
    }
    all
}
