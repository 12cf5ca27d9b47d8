//! Keys and secrets of sources: from what is written, files and variables to what is kept.
//!
//! A file may hold many keys, one a line; lines that begin with `#` are for people. A file of several lines ends with a newline: one that
//! doesn't may be cut, and half of a key would be a key that is easier to guess. Keys are hashed here, so that no configuration in
//! memory has one in the clear. Where they come from files it's kept which, so that a file that changes can be read again without all
//! else: somebody may be in the middle of editing that.

use std::collections::BTreeMap;

use super::super::Config;
use super::super::check::{Mistake, dotted};
use super::super::in_files::{Given, OfSource};
use super::super::secret::{Source, expand};
use super::super::tree::{Node, place_at};
use super::files::{FILE_MAX, read, read_file};
use crate::auth::settings::Key;

type Env = BTreeMap<String, String>;

impl Config {
    /// This configuration, with the keys and secrets that its files hold now. The error is for the person who wrote them.
    pub fn with_key_files(&self) -> Result<Config, String> {
        let mut config = self.clone();
        for (name, given) in &self.in_files.0 {
            let Some(source) = config.sources.get_mut(name) else {
                continue;
            };
            let wrong = |field: &str, what| format!("sources.{name}.{field}: {what}");
            source.keys = resolved(&given.keys, hashed).map_err(|what| wrong("keys", what))?;
            let secrets = resolved(&given.secrets, whole);
            source.secrets = secrets.map_err(|what| wrong("secrets", what))?;
        }
        Ok(config)
    }
}

type Resolve = fn(&str, &Env) -> Result<Vec<String>, String>;

fn resolved(given: &[Given], resolve: Resolve) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for given in given {
        match given {
            Given::Kept(texts) => all.extend_from_slice(texts),
            Given::File(text) => all.extend(resolve(text, &Env::new())?),
        }
    }
    Ok(all)
}

/// Puts in what keys and secrets refer to; what can't be had, or is no key, is returned.
pub(super) fn resolve(config: &mut Config, root: &Node, env: &Env) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (name, source) in &mut config.sources {
        let mut replace = |field: &str, texts: &mut Vec<String>, resolve: Resolve| {
            let mut given = Vec::new();
            for text in std::mem::take(texts) {
                match resolve(&text, env) {
                    Ok(found) => {
                        let is_file = text.contains("${file:") && !text.contains("${env:");
                        texts.extend_from_slice(&found);
                        given.push(match is_file {
                            true => Given::File(text),
                            false => Given::Kept(found),
                        });
                    }
                    Err(what) => {
                        let path = ["sources", name, field];
                        mistakes.push(Mistake::Unresolved {
                            key: dotted(&path),
                            place: place_at(root, &path),
                            what,
                        });
                    }
                }
            }
            given
        };
        let given = OfSource {
            keys: replace("keys", &mut source.keys, hashed),
            secrets: replace("secrets", &mut source.secrets, whole),
        };
        let mut all = given.keys.iter().chain(&given.secrets);
        if all.any(|given| matches!(given, Given::File(_))) {
            config.in_files.0.insert(name.clone(), given);
        }
    }
    mistakes
}

/// A secret with what it refers to.
fn whole(text: &str, env: &Env) -> Result<Vec<String>, String> {
    expand(text, |source| read(source, env, FILE_MAX)).map(|secret| vec![secret])
}

/// What a reference to keys stands for.
fn lines_of(source: Source<'_>, env: &Env) -> Result<String, String> {
    let text = match source {
        Source::Variable(_) => return read(source, env, FILE_MAX),
        Source::File(path) => read_file(path, FILE_MAX)?,
    };
    if text.trim_end().contains('\n') && !text.ends_with('\n') {
        return Err("its last line doesn't end, so that the file may be cut; end it with a newline, or wait until it's written".into());
    }
    Ok(text)
}

/// The keys that a text stands for, hashed.
fn hashed(text: &str, env: &Env) -> Result<Vec<String>, String> {
    let expanded = expand(text, |source| lines_of(source, env))?;
    let lines = expanded.lines().map(str::trim);
    let keys = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys = keys.map(|line| Key::parse(line).map(|key| key.written()));
    let keys: Vec<_> = keys.collect::<Result<_, _>>()?;
    if keys.is_empty() {
        return Err("there is no key in it".into());
    }
    Ok(keys)
}
