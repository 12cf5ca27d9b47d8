//! Given against expected: every unknown key, every wrong value, every required key that is absent, all at once.

use serde::Deserialize;
use thiserror::Error;

use super::Config;
use super::nearest::{hint, nearest};
use super::secret;
use super::shape::Kind;
use super::tree::{Entry, Fault, Leaf, Node, Place, Table, table_at};

/// One thing that is wrong with what was given.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Mistake {
    /// A key that doesn't exist.
    #[error("unknown key \"{key}\" {section} ({place}); {hint}")]
    UnknownKey {
        /// The key.
        key: String,
        /// Where it stands: `in [http]`.
        section: String,
        /// Place of the key.
        place: Place,
        /// The nearest known key.
        hint: String,
    },
    /// A variable whose name is no key's.
    #[error("unknown environment variable {name}; {hint}")]
    UnknownVariable {
        /// The variable.
        name: String,
        /// The nearest known name.
        hint: String,
    },
    /// Two variables, different in case only, for one key.
    #[error("{key} is given twice, by the environment variables {first} and {second}; keep one")]
    GivenTwice {
        /// The key.
        key: String,
        /// A variable.
        first: String,
        /// Another.
        second: String,
    },
    /// A variable that could mean several streams or clusters, because their names differ in `-` and `_` only.
    #[error("environment variable {name} could mean {candidates}; set the key in the file")]
    Ambiguous {
        /// The variable.
        name: String,
        /// The streams or clusters.
        candidates: String,
    },
    /// A value that doesn't fit its key.
    #[error("wrong value {given} for {key} ({place}): give {example}")]
    WrongValue {
        /// The key with its section.
        key: String,
        /// The value as it was written.
        given: String,
        /// Place of the value.
        place: Place,
        /// What a good value looks like.
        example: String,
    },
    /// A librdkafka property whose dots made sections of it.
    #[error(
        "librdkafka property {property} {section} ({place}) needs quotes: write \"{property}\" = \"…\""
    )]
    Unquoted {
        /// The property.
        property: String,
        /// Where it stands.
        section: String,
        /// Place of its first part.
        place: Place,
    },
    /// A required key that is absent.
    #[error("key \"{key}\" is missing {section} ({place}): {advice}")]
    Missing {
        /// The key.
        key: String,
        /// Where it should stand.
        section: String,
        /// Place of the section.
        place: Place,
        /// What to do.
        advice: String,
    },
    /// A `${…}` that leads to nothing.
    #[error("{key} ({place}): {what}")]
    Unresolved {
        /// The key with its section.
        key: String,
        /// Place of the value.
        place: Place,
        /// What is wrong.
        what: String,
    },
}

impl Mistake {
    /// Whether the environment, not the file, is to be corrected.
    pub(super) fn is_in_environment(&self) -> bool {
        match self {
            Mistake::UnknownVariable { .. }
            | Mistake::GivenTwice { .. }
            | Mistake::Ambiguous { .. } => true,
            Mistake::UnknownKey { place, .. }
            | Mistake::WrongValue { place, .. }
            | Mistake::Unquoted { place, .. }
            | Mistake::Missing { place, .. }
            | Mistake::Unresolved { place, .. } => matches!(place, Place::Variable(_)),
        }
    }
}

/// Every mistake in what was given.
pub(super) fn check(root: &Table) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    if let Some(kind) = Kind::at(&[]) {
        let mut walk = Walk {
            root,
            path: Vec::new(),
            mistakes: &mut mistakes,
        };
        walk.table(&kind, root, None);
    }
    mistakes
}

/// A path as it's written in messages: `clusters.ads.kafka."sasl.password"`.
pub(super) fn dotted(path: &[&str]) -> String {
    let quoted = |part: &&str| match part
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    {
        true if !part.is_empty() => part.to_string(),
        _ => format!("\"{}\"", part.escape_debug()),
    };
    path.iter().map(quoted).collect::<Vec<_>>().join(".")
}

/// The section at `path` as it's written in messages: `in [http]`.
fn section(path: &[&str]) -> String {
    if path.is_empty() {
        "at the top level".into()
    } else {
        format!("in [{}]", dotted(path))
    }
}

/// One pass over the tree.
struct Walk<'a, 'm> {
    root: &'a Table,
    path: Vec<&'a str>,
    mistakes: &'m mut Vec<Mistake>,
}

impl<'a> Walk<'a, '_> {
    /// Checks a section, and whether what it requires is there. The root has no place, and requires nothing.
    fn table(&mut self, kind: &Kind, table: &'a Table, place: Option<&Place>) {
        let mut good = Table::new();
        for (key, entry) in table {
            self.path.push(key);
            let before = self.mistakes.len();
            match Kind::at(&self.path) {
                Some(inner) => self.entry(&inner, entry),
                None => self.unknown(kind, entry),
            }
            if self.mistakes.len() == before {
                good.insert(key.clone(), entry.clone());
            }
            self.path.pop();
        }
        let (Some(place), Kind::Section(fields)) = (place, kind) else {
            return;
        };
        // A key of a section above may be what's missing: that is reported there.
        if let Err(Fault::Missing(key)) = fit(&self.path, Node::Table(good))
            && fields.contains(&key)
            && !table.contains_key(key)
        {
            let mistake = Mistake::Missing {
                key: key.into(),
                section: section(&self.path),
                place: place.clone(),
                advice: self.advice(key, place),
            };
            self.mistakes.push(mistake);
        }
    }

    fn entry(&mut self, kind: &Kind, entry: &'a Entry) {
        match (kind, &entry.node) {
            (Kind::Section(_) | Kind::Named, Node::Table(table)) => {
                self.table(kind, table, Some(&entry.place))
            }
            (Kind::Section(_) | Kind::Named, Node::Leaf(leaf)) => {
                let example = format!("a section, [{}]", dotted(&self.path));
                self.wrong(&leaf.shown, &leaf.place, example);
            }
            (_, Node::Table(table)) if self.is_unquoted() => self.unquoted(table, entry),
            (_, Node::Table(_)) => self.wrong("(a section)", &entry.place, kind.example()),
            (_, Node::Leaf(leaf)) => self.leaf(kind, leaf),
        }
    }

    fn leaf(&mut self, kind: &Kind, leaf: &Leaf) {
        if fit(&self.path, Node::Leaf(leaf.clone())).is_ok() {
            return;
        }
        let word = leaf.value.as_ref().and_then(toml::Value::as_str);
        let example = match (kind, word) {
            (Kind::Choice(words), Some(word)) => match nearest(word, words.iter().copied()) {
                Some(near) => format!("{}; did you mean \"{near}\"?", kind.example()),
                None => kind.example(),
            },
            (Kind::Text, None) if !secret::is_secret_at(&self.path) => {
                format!("text in quotes: \"{}\"", leaf.shown)
            }
            _ => kind.example(),
        };
        self.wrong(&leaf.shown, &leaf.place, example);
    }

    fn wrong(&mut self, given: &str, place: &Place, example: String) {
        let given = if secret::is_secret_at(&self.path) {
            secret::MASK
        } else {
            given
        };
        let mistake = Mistake::WrongValue {
            key: dotted(&self.path),
            given: given.into(),
            place: place.clone(),
            example,
        };
        self.mistakes.push(mistake);
    }

    fn unknown(&mut self, kind: &Kind, entry: &Entry) {
        let (Some((key, above)), Kind::Section(fields)) = (self.path.split_last(), kind) else {
            return;
        };
        let mistake = Mistake::UnknownKey {
            key: (*key).into(),
            section: section(above),
            place: entry.place.clone(),
            hint: hint(key, fields.iter().copied()),
        };
        self.mistakes.push(mistake);
    }

    /// Whether the key at the path is the first part of a librdkafka property: those with quotes hold a dot.
    fn is_unquoted(&self) -> bool {
        secret::is_property(&self.path) && self.path.last().is_some_and(|key| !key.contains('.'))
    }

    /// `security.protocol = "ssl"` without quotes is a section `security` to TOML.
    fn unquoted(&mut self, table: &'a Table, entry: &Entry) {
        let Some((first, above)) = self.path.split_last() else {
            return;
        };
        let mut parts = vec![*first];
        let mut inside = Some(table);
        while let Some((key, entry)) = inside.and_then(Table::first_key_value) {
            parts.push(key);
            inside = match &entry.node {
                Node::Table(table) => Some(table),
                Node::Leaf(_) => None,
            };
        }
        let mistake = Mistake::Unquoted {
            property: parts.join("."),
            section: section(above),
            place: entry.place.clone(),
        };
        self.mistakes.push(mistake);
    }

    /// What to do about a missing `key` of the section at the path.
    fn advice(&self, key: &str, place: &Place) -> String {
        match place {
            Place::Line { .. } | Place::Included { .. } => format!("add {key} = \"…\""),
            Place::Variable(_) => match self.sibling() {
                Some(name) => format!("set it too; or did the variable mean \"{name}\"?"),
                None => "set it too, or correct the variable's name".into(),
            },
        }
    }

    /// The stream or cluster whose name is nearest to that of the section at the path.
    fn sibling(&self) -> Option<&'a str> {
        let (name, above) = self.path.split_last()?;
        let all = table_at(self.root, above)?;
        nearest(
            name,
            all.keys().map(String::as_str).filter(|other| other != name),
        )
    }
}

/// Whether `node` fits at `path`; what the sections above it lack is no matter here.
fn fit(path: &[&str], node: Node) -> Result<(), Fault> {
    let nowhere = Place::Line { line: 0, column: 0 };
    let wrap = |node, key: &&str| {
        Node::Table(Table::from([(
            key.to_string(),
            Entry {
                place: nowhere.clone(),
                node,
            },
        )]))
    };
    let is_leaf = matches!(node, Node::Leaf(_));
    let chain = path.iter().rev().fold(node, wrap);
    match Config::deserialize(&chain) {
        Err(Fault::Missing(_)) if is_leaf => Ok(()),
        Err(fault) => Err(fault),
        Ok(_) => Ok(()),
    }
}
