//! A route of the configuration, checked and ready: nothing is parsed when a request comes.
//!
//! The sources of all its lists are numbered once, so that each value of a request is looked for once, whatever it's for.

use std::collections::BTreeMap;

use hyper::Method;
use hyper::header::HeaderName;

use super::answers::Answers;
use super::settings::{Form, Settings, Timestamp};
use super::source::Source;
use super::template::Pattern;
use super::webhook::Webhook;
use crate::decode::{Layout, Pointer};
use crate::route;

/// Where a value is looked for, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A wanted value of the event.
    Event(usize),
    /// A wanted value of the envelope.
    Envelope(usize),
    /// A value of the head.
    Head(usize),
    /// A field of a form or a query.
    Field(usize),
    /// The client's address. How it's shown is the stream's choice.
    Address,
    /// An attribute of a CloudEvent.
    Attribute(usize),
    /// The name of the source that sends.
    Sender,
}

impl Place {
    /// Whether the value may be another for each event of a request.
    pub(super) fn is_of_event(&self) -> bool {
        matches!(
            self,
            Place::Event(_) | Place::Field(_) | Place::Attribute(_)
        )
    }

    /// Whether an id at this place is a part of the event, and of its record.
    pub(super) fn is_in_event(&self) -> bool {
        matches!(self, Place::Event(_) | Place::Attribute(_))
    }

    /// Whether the value is in the head.
    pub(super) fn is_of_head(&self) -> bool {
        matches!(self, Place::Head(_))
    }
}

/// Places, the first first.
pub(super) type Places = Box<[Place]>;

/// A record header, and where its value is.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) name: Box<str>,
    pub(super) places: Places,
}

/// Request headers of which each becomes a record header: those whose names begin so.
#[derive(Debug)]
pub(super) struct Prefix {
    pub(super) of_request: Box<str>,
    pub(super) of_record: Box<str>,
}

/// One route.
#[derive(Debug)]
pub struct Endpoint {
    /// Its name.
    pub name: String,
    pub(super) methods: Vec<Method>,
    pub(super) patterns: Vec<Pattern>,
    pub(super) is_fixed: bool,
    pub(super) form: Form,
    pub(super) layout: Layout,
    /// Sources of the head, by number.
    pub(super) of_head: Vec<Source>,
    /// Those of them of which a request must have no more than one.
    pub(super) single: Vec<HeaderName>,
    /// Whether the client's address is looked for.
    pub(super) wants_address: bool,
    /// Names of attributes of CloudEvents by number, and what each is among the wanted values of an event.
    pub(super) attributes: Vec<(String, usize)>,
    /// The attributes that each event must have.
    pub(super) required: Vec<usize>,
    /// Names of fields, by number.
    pub(super) fields: Vec<String>,
    pub(super) key: Places,
    /// The key as it's written, for messages.
    pub(super) key_text: String,
    /// The sources of the key, to describe the route.
    pub(super) key_sources: Box<[Source]>,
    /// Those of the stream, in the same way.
    pub(super) stream_sources: Box<[Source]>,
    pub(super) id: Places,
    pub(super) time: Places,
    pub(super) time_header: Option<Box<str>>,
    pub(super) timestamp: Timestamp,
    pub(super) headers: Vec<Header>,
    pub(super) prefixes: Vec<Prefix>,
    pub(super) stream: Option<String>,
    pub(super) stream_by: Places,
    pub(super) streams: BTreeMap<String, String>,
    pub(super) redirect: Places,
    /// Members of the body that may be keys of sources.
    pub(super) members: Vec<(Pointer, Place)>,
    pub(super) answers: Answers,
    pub(super) webhook: Option<Webhook>,
}

/// What is wrong with a route: the key within its section, and what to do.
pub type Fault = (String, String);

/// The streams that are configured.
pub type Streams = BTreeMap<String, route::Settings>;

impl Endpoint {
    /// A route of which nothing was looked at yet.
    pub(super) fn empty(name: &str, settings: &Settings) -> Endpoint {
        Endpoint {
            name: name.into(),
            methods: Vec::new(),
            patterns: Vec::new(),
            is_fixed: settings.fixed,
            form: settings.body,
            layout: Layout::default(),
            of_head: Vec::new(),
            single: Vec::new(),
            wants_address: false,
            attributes: Vec::new(),
            required: Vec::new(),
            fields: Vec::new(),
            key: Places::default(),
            key_text: String::new(),
            key_sources: Box::default(),
            stream_sources: Box::default(),
            id: Places::default(),
            time: Places::default(),
            time_header: settings.time_header.as_deref().map(Into::into),
            timestamp: settings.timestamp,
            headers: Vec::new(),
            prefixes: Vec::new(),
            stream: settings.stream.clone(),
            stream_by: Places::default(),
            streams: settings.streams.clone(),
            redirect: Places::default(),
            members: Vec::new(),
            answers: Answers::default(),
            webhook: None,
        }
    }

    /// The stream that a value names which decides on it, if it's one of the route's.
    pub(super) fn named<'a>(&'a self, value: &'a str) -> Option<&'a str> {
        match self.streams.is_empty() {
            true => Some(value),
            false => self.streams.get(value).map(String::as_str),
        }
    }

    /// The streams that its events may go to, by name.
    pub fn targets<'a>(settings: &'a Settings, streams: &'a Streams) -> Vec<&'a str> {
        let is_open = !settings.stream_by.is_empty() && settings.streams.is_empty();
        let named = settings.stream.iter().chain(settings.streams.values());
        let mut all: Vec<&str> = named.map(String::as_str).collect();
        if is_open {
            all.extend(streams.keys().map(String::as_str));
        }
        all.sort_unstable();
        all.dedup();
        all
    }
}
