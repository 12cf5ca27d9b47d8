//! The configuration as it was given: keys and values, each with its place in the file or its environment variable.
//! Nothing here knows which keys exist.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue, ValueDeserializer};

/// Longest part of a given value that an error message repeats, in characters.
const SHOWN_MAX: usize = 80;

/// Where a key or a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the file, both counted from 1.
    Line {
        /// The line.
        line: usize,
        /// The column, in characters.
        column: usize,
    },
    /// In a file that the file takes in.
    Included {
        /// The file.
        file: String,
        /// The line.
        line: usize,
        /// The column, in characters.
        column: usize,
    },
    /// In the environment, by this name.
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line { line, column } => write!(f, "line {line}, column {column}"),
            Place::Included { file, line, column } => {
                write!(f, "{file}, line {line}, column {column}")
            }
            Place::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// A section: what is given under each key.
pub(super) type Table = BTreeMap<String, Entry>;

/// A key with what was given for it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Place of the key.
    pub(super) place: Place,
    /// What it holds.
    pub(super) node: Node,
}

/// A section or a value.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// A section.
    Table(Table),
    /// A value.
    Leaf(Leaf),
}

/// A value.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    /// The value; nothing if it's a number too large for any setting.
    pub(super) value: Option<toml::Value>,
    /// How it was written.
    pub(super) shown: String,
    /// Place of the value.
    pub(super) place: Place,
}

/// Why a text isn't TOML.
#[derive(Debug)]
pub(super) struct SyntaxError {
    /// Where.
    pub(super) place: Place,
    /// What is wrong, without the text itself, which may hold secrets.
    pub(super) what: String,
}

/// Reads TOML.
pub(super) fn parse(text: &str) -> Result<Table, SyntaxError> {
    let source = Source::of(text);
    match DeTable::parse(text) {
        Ok(table) => Ok(table_of(&source, table.get_ref())),
        Err(error) => {
            let at = error.span().map_or(text.len(), |span| span.start);
            Err(SyntaxError {
                place: source.place_of(at),
                what: error.message().to_lowercase(),
            })
        }
    }
}

fn table_of(source: &Source<'_>, table: &DeTable<'_>) -> Table {
    let entry = |(key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
        let place = source.place_of(key.span().start);
        (
            key.get_ref().to_string(),
            Entry {
                place,
                node: node_of(source, value),
            },
        )
    };
    table.iter().map(entry).collect()
}

fn node_of(source: &Source<'_>, value: &Spanned<DeValue<'_>>) -> Node {
    if let DeValue::Table(table) = value.get_ref() {
        return Node::Table(table_of(source, table));
    }
    let span = value.span();
    let place = source.place_of(span.start);
    let shown = shown(source.text.get(span).unwrap_or_default());
    let value = toml::Value::deserialize(ValueDeserializer::from(value.clone())).ok();
    Node::Leaf(Leaf {
        value,
        shown,
        place,
    })
}

fn shown(source: &str) -> String {
    let line = source.lines().next().unwrap_or_default();
    match line.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None if line.len() < source.len() => format!("{line} …"),
        None => line.into(),
    }
}

/// A text, and where its lines begin: a file of ten thousand keys has as many places.
struct Source<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Source<'t> {
    fn of(text: &'t str) -> Source<'t> {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1));
        Source {
            text,
            starts: starts.collect(),
        }
    }

    fn place_of(&self, offset: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..offset).unwrap_or_default();
        Place::Line {
            line,
            column: before.chars().count() + 1,
        }
    }
}

/// How an environment variable gives its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// As text without quotes.
    Text,
    /// As TOML: a number, a flag.
    Bare,
    /// As texts with commas between them, or as a list of TOML.
    List,
}

/// The value that an environment variable gives.
pub(super) fn from_variable(name: &str, raw: &str, written: Written) -> Leaf {
    let toml = || raw.trim().parse::<toml::Value>().ok();
    let text = |text: &str| toml::Value::String(text.into());
    let value = match written {
        Written::Text => text(raw),
        Written::Bare => toml().unwrap_or_else(|| text(raw)),
        Written::List if raw.trim_start().starts_with('[') => toml().unwrap_or_else(|| text(raw)),
        Written::List => {
            let parts = raw.split(',').map(str::trim);
            let parts = parts.filter(|part| !part.is_empty());
            toml::Value::Array(parts.map(text).collect())
        }
    };
    let value = Some(value);
    Leaf {
        value,
        shown: shown(&format!("\"{raw}\"")),
        place: Place::Variable(name.into()),
    }
}

/// The section at `path`, if there is one.
pub(super) fn table_at<'t>(root: &'t Table, path: &[&str]) -> Option<&'t Table> {
    path.iter()
        .try_fold(root, |table, key| match &table.get(*key)?.node {
            Node::Table(inner) => Some(inner),
            Node::Leaf(_) => None,
        })
}

/// Place of what was given at `path`.
pub(super) fn place_at(root: &Node, path: &[&str]) -> Place {
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

/// Why a tree doesn't fit a type.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// This key is required and absent.
    Missing(&'static str),
    /// A value doesn't fit.
    Misfit(String),
    /// Nothing was given at all: the answer of a probe.
    Nothing,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Missing(field) => write!(f, "key \"{field}\" is missing"),
            Fault::Misfit(what) => f.write_str(what),
            Fault::Nothing => f.write_str("nothing was given"),
        }
    }
}

impl std::error::Error for Fault {}

impl serde::de::Error for Fault {
    fn custom<T: fmt::Display>(what: T) -> Fault {
        Fault::Misfit(what.to_string())
    }

    fn missing_field(field: &'static str) -> Fault {
        Fault::Missing(field)
    }
}

fn misfit(error: toml::de::Error) -> Fault {
    Fault::Misfit(error.message().into())
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Node::Table(table) => visitor.visit_map(Entries {
                rest: table.iter(),
                value: None,
            }),
            Node::Leaf(leaf) => leaf.given()?.deserialize_any(visitor).map_err(misfit),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self {
            Node::Table(_) => Err(Fault::Misfit("a section where a word is expected".into())),
            Node::Leaf(leaf) => leaf
                .given()?
                .deserialize_enum(name, words, visitor)
                .map_err(misfit),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

impl Leaf {
    fn given(&self) -> Result<toml::Value, Fault> {
        self.value
            .clone()
            .ok_or_else(|| Fault::Misfit("the number is too large".into()))
    }
}

/// The entries of a section on their way into a type.
struct Entries<'de> {
    rest: btree_map::Iter<'de, String, Entry>,
    value: Option<&'de Node>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let Some((key, entry)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some(&entry.node);
        seed.deserialize(key.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        seed.deserialize(self.value.take().ok_or(Fault::Nothing)?)
    }
}
