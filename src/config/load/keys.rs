//! Keys and secrets of sources: from what is written, files and variables to what is kept.
//!
//! A file may hold many keys, one a line; lines that begin with `#` are for people. Keys are hashed here, so that no configuration in
//! memory has one in the clear.

use std::collections::BTreeMap;

use super::super::Config;
use super::super::check::{Mistake, dotted};
use super::super::secret::expand;
use super::super::tree::{Node, place_at};
use super::files::{FILE_MAX, read};
use crate::auth::settings::Key;

/// Puts in what keys and secrets refer to; what can't be had, or is no key, is returned.
pub(super) fn resolve(
    config: &mut Config,
    root: &Node,
    env: &BTreeMap<String, String>,
) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (name, source) in &mut config.sources {
        let mut note = |field: &str, what: String| {
            let path = ["sources", name, field];
            mistakes.push(Mistake::Unresolved {
                key: dotted(&path),
                place: place_at(root, &path),
                what,
            });
        };
        let given = std::mem::take(&mut source.keys);
        for text in given {
            match hashed(&text, env) {
                Ok(keys) => source.keys.extend(keys),
                Err(what) => note("keys", what),
            }
        }
        for secret in &mut source.secrets {
            match expand(secret, |source| read(source, env, FILE_MAX)) {
                Ok(expanded) => *secret = expanded,
                Err(what) => note("secrets", what),
            }
        }
    }
    mistakes
}

/// The keys that a text stands for, hashed.
fn hashed(text: &str, env: &BTreeMap<String, String>) -> Result<Vec<String>, String> {
    let expanded = expand(text, |source| read(source, env, FILE_MAX))?;
    let lines = expanded.lines().map(str::trim);
    let keys = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys = keys.map(|line| Key::parse(line).map(|key| key.written()));
    let keys: Vec<_> = keys.collect::<Result<_, _>>()?;
    if keys.is_empty() {
        return Err("there is no key in it".into());
    }
    Ok(keys)
}
