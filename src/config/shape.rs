//! What the configuration may hold: which keys, of which kind. Nothing here is written down by hand: it's asked from
//! the `Deserialize` of [`Config`], so that a setting added to a stage is known here, in error messages, environment
//! variables and tests, at once.
//!
//! How: a deserializer that holds nothing follows a path into `Config`, and there notes what it's asked for: a struct
//! asks with the list of its fields, a map, a number or a text asks as such. Structs with `#[serde(flatten)]` would
//! hide their fields; there are none.

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess, Visitor};

use super::Config;
use super::tree::{Fault, Written};

/// What is expected at a place of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A table with these keys.
    Section(&'static [&'static str]),
    /// A table whose keys are chosen by the user.
    Named,
    /// `true` or `false`.
    Flag,
    /// A whole number from 0 to this.
    Whole(u64),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A length of time, as text.
    Duration,
    /// A number of bytes, as text or bare.
    Size,
    /// An IP address with a port, as text.
    Address,
    /// Texts, each in quotes.
    List,
    /// Any other text.
    Text,
}

impl Kind {
    /// The kind of thing at `path`, or nothing if no such key exists.
    pub(super) fn at(path: &[&str]) -> Option<Kind> {
        let mut seen = None;
        // Nothing is ever given, so this is always an error; what was asked for is in `seen`.
        match Config::deserialize(Probe {
            path,
            seen: &mut seen,
        }) {
            Ok(_) | Err(_) => seen,
        }
    }

    /// What a good value looks like, for an error message.
    pub(super) fn example(&self) -> String {
        match self {
            Kind::Section(_) | Kind::Named => "a section".into(),
            Kind::Flag => "true or false".into(),
            Kind::Whole(max) => format!("a whole number from 0 to {max}, like 128"),
            Kind::Choice(words) => format!("one of \"{}\"", words.join("\", \"")),
            Kind::Duration => "a duration with its unit, like \"5s\" or \"250ms\"".into(),
            Kind::Size => "a size with its unit, like \"64MiB\" or \"900KiB\"".into(),
            Kind::Address => "an address with its port, like \"0.0.0.0:8080\"".into(),
            Kind::List => "a list of texts, like [\"a\", \"b\"]".into(),
            Kind::Text => "text in quotes".into(),
        }
    }

    /// How the environment gives a value of this kind.
    pub(super) fn written(&self) -> Written {
        match self {
            Kind::Flag | Kind::Whole(_) => Written::Bare,
            Kind::List => Written::List,
            _ => Written::Text,
        }
    }
}

/// The deserializer that holds nothing and notes what it's asked for at the end of `path`.
struct Probe<'a> {
    path: &'a [&'a str],
    seen: &'a mut Option<Kind>,
}

impl<'a> Probe<'a> {
    fn note<T>(self, kind: Kind) -> Result<T, Fault> {
        if self.path.is_empty() {
            *self.seen = Some(kind);
        }
        Err(Fault::Nothing)
    }

    fn enter<'de, V: Visitor<'de>>(self, kind: Kind, visitor: V) -> Result<V::Value, Fault> {
        match self.path.split_first() {
            None => self.note(kind),
            Some((key, rest)) => {
                let inner = Some(Probe {
                    path: rest,
                    seen: self.seen,
                });
                visitor.visit_map(OneEntry {
                    key: Some(key),
                    inner,
                })
            }
        }
    }

    fn note_text<'de, V: Visitor<'de>>(self, visitor: &V) -> Result<V::Value, Fault> {
        // The types that parse text say what they expect only in words; a test pins these.
        let kind = match (visitor as &dyn Expected).to_string().as_str() {
            "a duration" => Kind::Duration,
            "an integer or string" => Kind::Size,
            "socket address" => Kind::Address,
            _ => Kind::Text,
        };
        self.note(kind)
    }
}

macro_rules! whole_numbers {
    ($($method:ident $max:expr;)*) => {
        $(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fault> {
            self.note(Kind::Whole($max))
        })*
    };
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.note_text(&visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fault> {
        self.note(Kind::Flag)
    }

    whole_numbers! {
        deserialize_u8 u64::from(u8::MAX);
        deserialize_u16 u64::from(u16::MAX);
        deserialize_u32 u64::from(u32::MAX);
        deserialize_u64 i64::MAX as u64;
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

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.enter(Kind::Section(fields), visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.enter(Kind::Named, visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fault> {
        self.note(Kind::List)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Fault> {
        self.note(Kind::Choice(words))
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple tuple_struct identifier
        ignored_any
    }
}

/// A map with one entry, in which the probe goes on.
struct OneEntry<'a> {
    key: Option<&'a str>,
    inner: Option<Probe<'a>>,
}

impl<'de> MapAccess<'de> for OneEntry<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        self.key
            .take()
            .map(|key| seed.deserialize(key.into_deserializer()))
            .transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        match self.inner.take() {
            Some(probe) => seed.deserialize(probe),
            None => Err(Fault::Nothing),
        }
    }
}
