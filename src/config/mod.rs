//! The configuration as a whole: the stages' own settings, composed.
//!
//! It comes from the defaults, then a TOML file, then the environment (`FOREBAY__HTTP__LISTEN`), each over the former.
//! It refuses and never repairs: an unknown key, a stream whose cluster doesn't exist, a limit that contradicts another
//! is an error that names the key and says what to do. [`plan`] compares two, for a reload. No stage imports this module.

mod check;
mod env;
mod in_files;
mod include;
pub mod load;
mod nearest;
pub mod plan;
pub mod print;
mod properties;
mod secret;
mod shape;
mod syntax;
mod tree;
pub mod validate;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

/// Everything that `forebay serve` can be told.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Files whose settings are taken in, relative to the file that names them. What they say is in the other fields once they
    /// are read. Default: none.
    pub include: Vec<String>,
    /// The data port.
    pub http: crate::http::Settings,
    /// What a body may hold.
    pub decode: crate::decode::Settings,
    /// The bounds and pace of lanes.
    pub lane: crate::lane::Settings,
    /// The memory that events may take.
    pub memory: Memory,
    /// The log on disk that takes events while Kafka can't.
    pub spill: crate::spill::Settings,
    /// Teams by name.
    pub owners: BTreeMap<String, crate::owner::Settings>,
    /// Kafka clusters by name.
    pub clusters: BTreeMap<String, crate::produce::Settings>,
    /// Streams by name.
    pub streams: BTreeMap<String, crate::route::Settings>,
    /// Who may send, by name.
    pub sources: BTreeMap<String, crate::auth::Settings>,
    /// Where keys and secrets of sources were read from.
    #[serde(skip)]
    pub in_files: in_files::InFiles,
    /// What pages of other origins are told, by the names that streams and routes call it.
    pub cors: BTreeMap<String, crate::auth::settings::CorsSettings>,
    /// Routes by name: endpoints that take what SDKs send as it is.
    pub routes: BTreeMap<String, crate::http::settings::routes::Settings>,
    /// The admin port.
    pub admin: crate::admin::Settings,
    /// The stop.
    pub shutdown: crate::lifecycle::Settings,
    /// The log.
    pub log: crate::telemetry::Settings,
}

impl Config {
    /// Settings that are a secret each, with their paths.
    fn secrets(&mut self) -> impl Iterator<Item = (Vec<String>, &mut String)> {
        let admin = &mut self.admin;
        let tokens = [
            ("token", &mut admin.token),
            ("read_token", &mut admin.read_token),
        ];
        let tokens = tokens.into_iter().filter_map(|(name, token)| {
            Some((["admin", name].map(str::to_owned).to_vec(), token.as_mut()?))
        });
        let keys = self.streams.iter_mut().filter_map(|(name, stream)| {
            let path = ["streams", name, "address_key"].map(str::to_owned);
            Some((path.to_vec(), stream.address_key.as_mut()?))
        });
        tokens.chain(keys)
    }

    /// The name of a stream's owner: its own, else its cluster's, else none.
    pub fn owner_of<'a>(&'a self, stream: &'a crate::route::Settings) -> Option<&'a str> {
        let of_cluster = || Some(&self.clusters.get(&stream.cluster)?.owner);
        let name = stream.owner.as_ref().or_else(of_cluster);
        name.map(String::as_str).filter(|name| !name.is_empty())
    }

    /// The names of streams that take nothing any more.
    pub fn gone(&self) -> impl Iterator<Item = String> {
        let gone = self.streams.iter().filter(|(_, stream)| stream.gone);
        gone.map(|(name, _)| name.clone())
    }

    /// The names of all owners: those that are configured, and those that are only named.
    pub fn owner_names(&self) -> BTreeSet<&str> {
        let configured = self.owners.keys().map(String::as_str);
        let of_clusters = self.clusters.values().map(|it| it.owner.as_str());
        let of_streams = self.streams.values().filter_map(|it| it.owner.as_deref());
        let all = configured.chain(of_clusters).chain(of_streams);
        all.filter(|name| !name.is_empty()).collect()
    }
}

/// `[memory]`: the one budget that all events share.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Memory {
    /// Bytes that requests, events waiting for Kafka and connections may hold together. Default 512 MiB.
    /// The process's resident memory stays below this plus 64 MiB.
    pub budget: ByteSize,
}

impl Default for Memory {
    fn default() -> Self {
        Memory {
            budget: ByteSize::mib(512),
        }
    }
}
