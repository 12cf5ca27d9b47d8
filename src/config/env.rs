//! The environment over the file: which key a variable names.
//!
//! * `FOREBAY__HTTP__LISTEN` is `listen` in `[http]`: `FOREBAY`, then the sections, then the key, joined by `__`, in
//!   any case (by custom upper).
//! * Inside `[clusters.NAME.kafka]` the rest of the name is the librdkafka property, in lower case, with `.` for each
//!   `_`: `FOREBAY__CLUSTERS__ADS__KAFKA__SASL_PASSWORD` is `"sasl.password"`.
//! * The name of a stream or cluster matches one that is there already, without regard to case and with `-`, `.` and
//!   `_` alike: `FOREBAY__STREAMS__AD_CLICKS__TOPIC` is `topic` in `[streams.ad-clicks]`. One that matches none makes a
//!   new one, in lower case: `[streams.ad_clicks]`.
//! * Numbers and flags are written as in TOML, lists as texts with commas between them or as in TOML, everything else as bare
//!   text without quotes.
//!
//! Nothing here reads the environment: the variables are passed in.

use std::collections::btree_map::Entry as Slot;

use super::check::{Mistake, dotted};
use super::nearest::{fold, nearest};
use super::secret;
use super::shape::Kind;
use super::tree::{self, Entry, Node, Place, Table, table_at};

/// What the names of our variables begin with.
pub(super) const PREFIX: &str = "FOREBAY__";

/// Puts one variable into the tree.
pub(super) fn overlay(root: &mut Table, name: &str, value: &str) -> Result<(), Mistake> {
    let rest = name.strip_prefix(PREFIX).unwrap_or(name);
    let (path, kind) = resolve(root, name, rest)?;
    let leaf = Node::Leaf(tree::from_variable(name, value, kind.written()));
    insert(root, &path, name, leaf)
}

/// The path of the key that the variable names, and the key's kind.
fn resolve(root: &Table, name: &str, mut rest: &str) -> Result<(Vec<String>, Kind), Mistake> {
    let mut path: Vec<String> = Vec::new();
    loop {
        let borrowed: Vec<&str> = path.iter().map(String::as_str).collect();
        let Some(kind) = Kind::at(&borrowed) else {
            return Err(unknown(name, "no such key".into()));
        };
        let (part, after) = match &kind {
            Kind::Section(fields) => {
                let (given, after) = split(rest);
                let field = fields
                    .iter()
                    .find(|field| field.eq_ignore_ascii_case(given));
                let part =
                    field.ok_or_else(|| unknown(name, suggestion(name, rest, given, fields)))?;
                (part.to_string(), after)
            }
            Kind::Named if is_property_table(&borrowed) => {
                (rest.to_lowercase().replace('_', "."), "")
            }
            Kind::Named => entry_name(table_at(root, &borrowed), name, rest)?,
            _ if rest.is_empty() => return Ok((path, kind)),
            _ => {
                return Err(unknown(
                    name,
                    format!("{} is a value, not a section", dotted(&borrowed)),
                ));
            }
        };
        path.push(part);
        rest = after;
        let borrowed: Vec<&str> = path.iter().map(String::as_str).collect();
        let is_section = matches!(Kind::at(&borrowed), Some(Kind::Section(_) | Kind::Named));
        if rest.is_empty() && is_section {
            return Err(unknown(
                name,
                format!("[{}] is a section; add {name}__KEY", dotted(&borrowed)),
            ));
        }
    }
}

/// The name of a stream or cluster at the start of `rest`, and what follows it.
fn entry_name<'r>(
    existing: Option<&Table>,
    name: &str,
    rest: &'r str,
) -> Result<(String, &'r str), Mistake> {
    // Names may hold `__` themselves, so the existing ones are tried first, and the longest that fits is meant.
    let folded = fold(rest);
    let fits = |known: &&String| {
        let known = fold(known);
        folded
            .strip_prefix(&known)
            .is_some_and(|after| after.is_empty() || after.starts_with("__"))
    };
    let mut matches: Vec<&String> = existing
        .into_iter()
        .flat_map(Table::keys)
        .filter(fits)
        .collect();
    let longest = matches.iter().map(|known| known.len()).max().unwrap_or(0);
    matches.retain(|known| known.len() == longest);
    match matches.as_slice() {
        [] => {
            let (given, after) = split(rest);
            if given.is_empty() {
                return Err(unknown(
                    name,
                    "it lacks the name of a stream or cluster".into(),
                ));
            }
            Ok((given.to_lowercase(), after))
        }
        [known] => {
            let after = rest.get(known.len()..).unwrap_or_default();
            Ok(((*known).clone(), after.strip_prefix("__").unwrap_or(after)))
        }
        several => {
            let candidates = several
                .iter()
                .map(|known| format!("\"{known}\""))
                .collect::<Vec<_>>()
                .join(" or ");
            Err(Mistake::Ambiguous {
                name: name.into(),
                candidates,
            })
        }
    }
}

fn is_property_table(path: &[&str]) -> bool {
    let mut inside = path.to_vec();
    inside.push("any");
    secret::is_property(&inside)
}

fn split(rest: &str) -> (&str, &str) {
    rest.split_once("__").unwrap_or((rest, ""))
}

fn unknown(name: &str, hint: String) -> Mistake {
    Mistake::UnknownVariable {
        name: name.into(),
        hint,
    }
}

/// The variable that was most likely meant, where `given`, at the start of `rest`, is none of `fields`.
fn suggestion(name: &str, rest: &str, given: &str, fields: &[&str]) -> String {
    let before = &name[..name.len() - rest.len()];
    match nearest(given, fields.iter().copied()) {
        Some(field) => format!(
            "did you mean {before}{}{}?",
            field.to_uppercase(),
            &rest[given.len()..]
        ),
        None => {
            let names: Vec<String> = fields.iter().map(|field| field.to_uppercase()).collect();
            format!("known after {before}: {}", names.join(", "))
        }
    }
}

/// Puts the leaf at `path`, over what the file says there.
fn insert(root: &mut Table, path: &[String], name: &str, leaf: Node) -> Result<(), Mistake> {
    let Some((key, above)) = path.split_last() else {
        return Ok(());
    };
    let place = Place::Variable(name.into());
    let mut table = root;
    for part in above {
        let section = || Entry {
            place: place.clone(),
            node: Node::Table(Table::new()),
        };
        match &mut table.entry(part.clone()).or_insert_with(section).node {
            Node::Table(inner) => table = inner,
            // A value where a section belongs: a mistake of the file, and reported as such.
            Node::Leaf(_) => return Ok(()),
        }
    }
    match table.entry(key.clone()) {
        Slot::Vacant(slot) => {
            slot.insert(Entry { place, node: leaf });
        }
        Slot::Occupied(mut slot) => {
            if let Place::Variable(first) = &slot.get().place {
                let borrowed: Vec<&str> = path.iter().map(String::as_str).collect();
                let key = dotted(&borrowed);
                return Err(Mistake::GivenTwice {
                    key,
                    first: first.clone(),
                    second: name.into(),
                });
            }
            slot.insert(Entry { place, node: leaf });
        }
    }
    Ok(())
}
