//! Files that a configuration takes in: `include = ["presets/segment.toml"]`.
//!
//! Paths are relative to the file that names them. What a file says itself goes over what it takes in, key by key; of two files that
//! are taken in the later goes over the former. So a preset is used with one key changed, and no line of it copied. A file that is
//! taken in takes in no other.
//!
//! Nothing here reads files: the reader is passed in.

use std::path::{Path, PathBuf};

use super::tree::{Entry, Node, Place, Table};

/// The key.
pub(super) const KEY: &str = "include";

/// The files that `root` takes in, and where it says so. What isn't a list of texts is reported as any wrong value is.
pub(super) fn named(root: &Table, of: Option<&Path>) -> Vec<PathBuf> {
    let Some(Entry {
        node: Node::Leaf(leaf),
        ..
    }) = root.get(KEY)
    else {
        return Vec::new();
    };
    let all = leaf.value.as_ref().and_then(toml::Value::as_array);
    let texts = all.into_iter().flatten().filter_map(toml::Value::as_str);
    let dir = of.and_then(Path::parent).unwrap_or(Path::new(""));
    texts.map(|text| dir.join(text)).collect()
}

/// Says of every place of a table that it's in `file`.
pub(super) fn place_in(table: &mut Table, file: &str) {
    for entry in table.values_mut() {
        in_file(&mut entry.place, file);
        match &mut entry.node {
            Node::Table(inner) => place_in(inner, file),
            Node::Leaf(leaf) => in_file(&mut leaf.place, file),
        }
    }
}

fn in_file(place: &mut Place, file: &str) {
    if let Place::Line { line, column } = place {
        *place = Place::Included {
            file: file.into(),
            line: *line,
            column: *column,
        };
    }
}

/// Puts `over` over `under`, key by key.
pub(super) fn merge(under: &mut Table, over: Table) {
    for (key, entry) in over {
        match (under.get_mut(&key), entry) {
            (
                Some(Entry {
                    node: Node::Table(known),
                    ..
                }),
                Entry {
                    node: Node::Table(more),
                    ..
                },
            ) => merge(known, more),
            (_, entry) => drop(under.insert(key, entry)),
        }
    }
}
