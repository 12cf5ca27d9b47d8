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
    /// In the environment, by this name.
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line { line, column } => write!(f, "line {line}, column {column}"),
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
    match DeTable::parse(text) {
        Ok(table) => Ok(table_of(text, table.get_ref())),
        Err(error) => {
            let at = error.span().map_or(text.len(), |span| span.start);
            Err(SyntaxError {
                place: place_of(text, at),
                what: error.message().to_lowercase(),
            })
        }
    }
}

fn table_of(text: &str, table: &DeTable<'_>) -> Table {
    let entry = |(key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
        let place = place_of(text, key.span().start);
        (
            key.get_ref().to_string(),
            Entry {
                place,
                node: node_of(text, value),
            },
        )
    };
    table.iter().map(entry).collect()
}

fn node_of(text: &str, value: &Spanned<DeValue<'_>>) -> Node {
    if let DeValue::Table(table) = value.get_ref() {
        return Node::Table(table_of(text, table));
    }
    let span = value.span();
    let place = place_of(text, span.start);
    let shown = shown(text.get(span).unwrap_or_default());
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

fn place_of(text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place::Line {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

/// The value that an environment variable gives: text, or TOML where the key is `bare` (a number, a flag).
pub(super) fn from_variable(name: &str, raw: &str, bare: bool) -> Leaf {
    let parsed = if bare { raw.trim().parse().ok() } else { None };
    let value = Some(parsed.unwrap_or_else(|| toml::Value::String(raw.into())));
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
