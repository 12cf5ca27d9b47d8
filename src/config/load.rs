//! Defaults, then a TOML file, then the environment, each over the former, into a [`Config`].
//!
//! This is the only place where the configuration touches files and the environment's variables. `env.rs` says which
//! variable names which key, `secret.rs` how a value refers to a secret. All mistakes are reported at once, because a
//! start that fails five times over five keys is a bad evening.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;
use thiserror::Error;

use super::Config;
pub use super::check::Mistake;
use super::check::{check, dotted};
use super::secret::{Source, expand};
pub use super::tree::Place;
use super::tree::{Node, Table};
use super::{env, tree};

/// Largest configuration file, in bytes.
const FILE_MAX: u64 = 4 << 20;

/// Largest file that `${file:…}` may name, in bytes.
const SECRET_MAX: u64 = 64 << 10;

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

    let ours = env.iter().filter(|(name, _)| name.starts_with(env::PREFIX));
    let mut all: Vec<Mistake> = ours
        .filter_map(|(name, value)| env::overlay(&mut root, name, value).err())
        .collect();
    all.extend(check(&root));
    if !all.is_empty() {
        return Err(LoadError::Mistakes(Mistakes { path, all }));
    }

    let root = Node::Table(root);
    let mut config = Config::deserialize(&root).map_err(|fault| {
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
    let all = resolve_secrets(&mut config, &root, &env);
    if all.is_empty() {
        Ok(config)
    } else {
        Err(LoadError::Mistakes(Mistakes { path, all }))
    }
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

/// The text of a file of at most `max` bytes.
fn read_text(path: &Path, max: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(max + 1).read_to_string(&mut text)?;
    if text.len() as u64 > max {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it's larger than {max} bytes"),
        ));
    }
    Ok(text)
}

/// Replaces `${…}` in librdkafka properties; what can't be replaced is returned.
fn resolve_secrets(
    config: &mut Config,
    root: &Node,
    env: &BTreeMap<String, String>,
) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (cluster, settings) in &mut config.clusters {
        for (property, value) in &mut settings.kafka {
            match expand(value, |source| read_secret(source, env)) {
                Ok(expanded) => *value = expanded,
                Err(what) => {
                    let path = ["clusters", cluster, "kafka", property];
                    mistakes.push(Mistake::Unresolved {
                        key: dotted(&path),
                        place: place_of(root, &path),
                        what,
                    });
                }
            }
        }
    }
    mistakes
}

fn read_secret(source: Source<'_>, env: &BTreeMap<String, String>) -> Result<String, String> {
    match source {
        Source::Variable(name) => env.get(name).cloned().ok_or_else(|| {
            format!("environment variable {name} isn't set; set it or correct the name")
        }),
        Source::File(path) => {
            let mut text = read_text(Path::new(path), SECRET_MAX).map_err(|cause| {
                format!("can't read the file {path}: {cause}; create it, or correct the path or its permissions")
            })?;
            if text.ends_with('\n') {
                text.pop();
                if text.ends_with('\r') {
                    text.pop();
                }
            }
            Ok(text)
        }
    }
}

/// Place of what was given at `path`.
fn place_of(root: &Node, path: &[&str]) -> Place {
    let mut place = Place::Line { line: 1, column: 1 };
    let mut node = root;
    for key in path {
        let Node::Table(table) = node else { break };
        let Some(entry) = table.get(*key) else { break };
        place = entry.place.clone();
        node = &entry.node;
    }
    place
}
