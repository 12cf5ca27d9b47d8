//! What a reload reads: the configuration, and the files that clients read by themselves. Nothing is changed here.
//!
//! It may take as long as a disk, so it's done beside the control thread.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::Config;
use crate::produce::client;
use crate::produce::files::{self, Contents};

/// Reads the configuration again. The error is for the person who wrote it.
pub type Source = Arc<dyn Fn() -> Result<Config, String> + Send + Sync>;

/// What is in the files that clients read themselves, by cluster.
pub(super) type Files = BTreeMap<String, Contents>;

/// Reads the configuration and the files that clients read themselves, and tries out each client that isn't there yet.
pub(super) fn read(
    source: &Source,
    old: &Config,
    before: &Files,
) -> Result<(Config, Files), String> {
    let new = source()?;
    // First these: what changes meanwhile is seen by the next reload.
    let files = files_of(&new);
    for (name, settings) in &new.clusters {
        let old = old.clusters.get(name);
        let is_same = old.is_some_and(|old| client::is_same(old, settings));
        if !is_same || before.get(name) != files.get(name) {
            let tried = client::try_out(name, settings);
            tried.map_err(|why| format!("clusters.{name}.kafka: {why}"))?;
        }
    }
    Ok((new, files))
}

pub(super) fn files_of(config: &Config) -> Files {
    let clusters = config.clusters.iter();
    let looked = clusters.map(|(name, settings)| (name.clone(), files::contents(settings)));
    looked.collect()
}

/// The properties whose files have changed, of clusters that were there before.
pub(super) fn changed_files(old: &Config, before: &Files, now: &Files) -> Vec<(String, String)> {
    let mut changed = Vec::new();
    for (cluster, contents) in now {
        if !old.clusters.contains_key(cluster) {
            continue;
        }
        let before = before.get(cluster);
        for (property, content) in contents {
            if before.and_then(|before| before.get(property)) != Some(content) {
                changed.push((cluster.clone(), property.clone()));
            }
        }
    }
    changed
}
