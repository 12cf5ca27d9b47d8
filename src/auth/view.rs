//! A request's head, as far as keys may be in it. Whoever has one implements [`View`].

use std::borrow::Cow;

use hyper::header::HeaderName;

/// What is at a place of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// Nothing.
    None,
    /// This, once.
    One(Cow<'a, [u8]>),
    /// More than one.
    Several,
}

impl<'a> Found<'a> {
    /// Of all that there are.
    pub fn of(mut all: impl Iterator<Item = Cow<'a, [u8]>>) -> Found<'a> {
        match (all.next(), all.next()) {
            (None, _) => Found::None,
            (Some(one), None) => Found::One(one),
            (Some(_), Some(_)) => Found::Several,
        }
    }
}

/// A request's head, as far as keys may be in it.
pub trait View {
    /// A header.
    fn header(&self, name: &HeaderName) -> Found<'_>;
    /// A query parameter, decoded.
    fn query(&self, name: &str) -> Found<'_>;
    /// What a template captured of the path, decoded.
    fn capture(&self, name: &str) -> Found<'_>;
    /// The subject of the client's certificate, which was verified, and its other names.
    fn subjects(&self) -> &[String];
}

/// Where something short is in a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// What a template captured of the path.
    Capture(String),
    /// A header.
    Header(HeaderName),
    /// A query parameter.
    Query(String),
}

impl Place {
    /// Reads `path:NAME`, `header:NAME` or `query:NAME`.
    pub(super) fn parse(text: &str) -> Result<Place, String> {
        match text.split_once(':') {
            Some(("path", name)) if !name.is_empty() => Ok(Place::Capture(name.into())),
            Some(("query", name)) if !name.is_empty() => Ok(Place::Query(name.into())),
            Some(("header", name)) => HeaderName::from_bytes(name.as_bytes())
                .map(Place::Header)
                .map_err(|_| format!("\"{name}\" is not a header's name")),
            _ => Err(format!(
                "\"{text}\" is no place; there are path:NAME, header:NAME and query:NAME"
            )),
        }
    }

    /// What is there.
    pub(super) fn find<'v>(&self, view: &'v impl View) -> Found<'v> {
        match self {
            Place::Capture(name) => view.capture(name),
            Place::Header(name) => view.header(name),
            Place::Query(name) => view.query(name),
        }
    }
}
