//! Defaults, then a TOML file, then the environment, each over the former, into a [`Config`].
//!
//! This is the only place where the configuration touches files and the environment's variables. `env.rs` says which
//! variable names which key, `secret.rs` how a value refers to a secret. All mistakes are reported at once, because a
//! start that fails five times over five keys is a bad evening.

mod files;
mod keys;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;

use serde::Deserialize;
use thiserror::Error;

use super::Config;
pub use super::check::Mistake;
use super::check::{check, dotted};
use super::secret::expand;
pub use super::tree::Place;
use super::tree::place_at;
use super::tree::{Node, Table};
use super::{env, include, tree};
use files::{FILE_MAX, read_secret, read_text};

/// Why there is no configuration. What it displays is for the person who wrote the file.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file can't be read.
    #[error("can't read the configuration file {path}: {cause}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        cause: io::Error,
    },
    /// The file isn't TOML.
    #[error("{path} isn't valid TOML ({place}): {what}")]
    Syntax {
        /// The file.
        path: String,
        /// Where.
        place: Place,
        /// What is wrong there.
        what: String,
    },
    /// The file or the environment says things that can't be.
    #[error("{0}")]
    Mistakes(Mistakes),
}

/// All that is wrong with what was given.
#[derive(Debug)]
pub struct Mistakes {
    /// The file, if there is one.
    pub path: Option<String>,
    /// The mistakes: those of the environment's names first, then in the order of the keys.
    pub all: Vec<Mistake>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_environment = self
            .all
            .iter()
            .filter(|mistake| mistake.is_in_environment())
            .count();
        let plural = if self.all.len() == 1 { "" } else { "s" };
        write!(f, "{} mistake{plural} in ", self.all.len())?;
        match &self.path {
            Some(path) if in_environment == 0 => write!(f, "{path}:")?,
            Some(path) if in_environment < self.all.len() => {
                write!(f, "{path} and the environment:")?
            }
            _ => write!(f, "the environment:")?,
        }
        self.all
            .iter()
            .try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

/// The configuration from defaults, `file` and the variables in `env`. It isn't validated yet: [`Config::validate`].
///
/// `env` is the whole environment: `FOREBAY__…` are settings, any other may be named by `${env:NAME}`.
pub fn load(
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Config, LoadError> {
    let env: BTreeMap<String, String> = env.collect();
    let path = file.map(|path| path.display().to_string());
    let mut root = match file {
        Some(file) => read_file(file)?,
        None => Table::new(),
    };
    take_in(&mut root, file, &env)?;

    let ours = env.iter().filter(|(name, _)| name.starts_with(env::PREFIX));
    let mut all: Vec<Mistake> = ours
        .filter_map(|(name, value)| env::overlay(&mut root, name, value).err())
        .collect();
    let root = Node::Table(root);
    // What fits as a whole has no mistake: a key that nobody knows wouldn't fit. Looking for mistakes tries each key by itself, which
    // takes a second for some ten thousand of them.
    let fitted = Config::deserialize(&root);
    if let (Err(_), Node::Table(root)) = (&fitted, &root) {
        all.extend(check(root));
    }
    if !all.is_empty() {
        return Err(LoadError::Mistakes(Mistakes { path, all }));
    }
    let mut config = fitted.map_err(|fault| {
        // `check` tries each value and each section alone, so nothing is left to be found here.
        let place = Place::Line { line: 1, column: 1 };
        let all = vec![Mistake::Unresolved {
            key: "configuration".into(),
            place,
            what: fault.to_string(),
        }];
        LoadError::Mistakes(Mistakes {
            path: path.clone(),
            all,
        })
    })?;
    // What they say is in the configuration now.
    config.include.clear();
    let mut all = resolve_secrets(&mut config, &root, &env);
    all.extend(keys::resolve(&mut config, &root, &env));
    if all.is_empty() {
        Ok(config)
    } else {
        Err(LoadError::Mistakes(Mistakes { path, all }))
    }
}

/// Puts the files under `root` that it takes in; the variable for them has precedence, as any has.
fn take_in(
    root: &mut Table,
    file: Option<&Path>,
    env: &BTreeMap<String, String>,
) -> Result<(), LoadError> {
    let mut named = root.clone();
    let is_meant = |name: &str| {
        let rest = name.strip_prefix(env::PREFIX);
        rest.is_some_and(|rest| rest.eq_ignore_ascii_case(include::KEY))
    };
    for (name, value) in env.iter().filter(|(name, _)| is_meant(name)) {
        // What is wrong with it is reported with all others.
        drop(env::overlay(&mut named, name, value));
    }
    let mut under = Table::new();
    for path in include::named(&named, file) {
        let mut table = read_file(&path)?;
        include::place_in(&mut table, &path.display().to_string());
        if let Some(entry) = table.get(include::KEY) {
            let what = "a file that is taken in takes in no other; name both in the first file";
            let mistake = Mistake::Unresolved {
                key: include::KEY.into(),
                place: entry.place.clone(),
                what: what.into(),
            };
            let path = file.map(|file| file.display().to_string());
            let all = vec![mistake];
            return Err(LoadError::Mistakes(Mistakes { path, all }));
        }
        include::merge(&mut under, table);
    }
    include::merge(&mut under, std::mem::take(root));
    *root = under;
    Ok(())
}

fn read_file(file: &Path) -> Result<Table, LoadError> {
    let path = file.display().to_string();
    let text = read_text(file, FILE_MAX).map_err(|cause| LoadError::Unreadable {
        path: path.clone(),
        cause,
    })?;
    // Some editors begin a file with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    tree::parse(text).map_err(|error| LoadError::Syntax {
        path,
        place: error.place,
        what: error.what,
    })
}

/// Replaces `${…}` in librdkafka properties; what can't be replaced is returned.
fn resolve_secrets(
    config: &mut Config,
    root: &Node,
    env: &BTreeMap<String, String>,
) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (path, value) in config.secrets() {
        match expand(value, |source| read_secret(source, env)) {
            Ok(expanded) => *value = expanded,
            Err(what) => {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                mistakes.push(Mistake::Unresolved {
                    key: dotted(&path),
                    place: place_at(root, &path),
                    what,
                });
            }
        }
    }
    for (cluster, settings) in &mut config.clusters {
        for (property, value) in &mut settings.kafka {
            match expand(value, |source| read_secret(source, env)) {
                Ok(expanded) => *value = expanded,
                Err(what) => {
                    let path = ["clusters", cluster, "kafka", property];
                    mistakes.push(Mistake::Unresolved {
                        key: dotted(&path),
                        place: place_at(root, &path),
                        what,
                    });
                }
            }
        }
    }
    mistakes
}
