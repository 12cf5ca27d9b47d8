//! What a route takes and answers, for those who describe it to others (`admin::openapi`). Nothing here serves a request.

use hyper::{Method, StatusCode};

use super::answers::Answered;
use super::endpoint::Endpoint;
use super::settings::Form;
use super::source::Source;
use crate::decode::Pointer;

/// A route, as others may know it.
#[derive(Debug)]
pub struct Described<'a> {
    /// Its name.
    pub name: &'a str,
    /// The methods that it takes.
    pub methods: &'a [Method],
    /// What a body holds; nothing if the route takes no events.
    pub form: Option<Form>,
    /// Where in a body the events are, if not at its root.
    pub events: Option<&'a Pointer>,
    /// Places in the head where something is looked for.
    pub head: &'a [Source],
    /// Fields of a form or a query that are looked for.
    pub fields: &'a [String],
    /// Where the key is looked for.
    pub key: &'a [Source],
    /// Where the value is looked for that decides on the stream.
    pub stream_by: &'a [Source],
    /// The values that do, if they're known.
    pub values: Vec<&'a str>,
    /// The streams that events may go to; nothing if it may be any.
    pub streams: Option<Vec<&'a str>>,
    /// The stream of events for which nothing decides.
    pub stream: Option<&'a str>,
    /// Whether senders of web hooks may ask for it.
    pub takes_webhooks: bool,
    endpoint: &'a Endpoint,
}

/// A path of a route.
#[derive(Debug)]
pub struct Path<'a> {
    /// The path, with `{0}`, `{1}` … for captures.
    pub text: &'a str,
    /// The names of these.
    pub names: &'a [String],
}

impl Endpoint {
    /// The route, as others may know it.
    pub fn described(&self) -> Described<'_> {
        let is_open = !self.stream_by.is_empty() && self.streams.is_empty();
        let named = self.stream.iter().chain(self.streams.values());
        Described {
            name: &self.name,
            methods: &self.methods,
            form: (!self.is_fixed).then_some(self.form),
            events: self.layout.events(),
            head: &self.of_head,
            fields: &self.fields,
            key: &self.key_sources,
            stream_by: &self.stream_sources,
            values: self.streams.keys().map(String::as_str).collect(),
            streams: (!is_open).then(|| named.map(String::as_str).collect()),
            stream: self.stream.as_deref(),
            takes_webhooks: self.webhook.is_some(),
            endpoint: self,
        }
    }
}

impl<'a> Described<'a> {
    /// The paths, with alternatives spelled out.
    pub fn paths(&self) -> impl Iterator<Item = Path<'a>> {
        let patterns = self.endpoint.patterns.iter();
        patterns.map(|pattern| Path {
            text: &pattern.text,
            names: &pattern.captures,
        })
    }

    /// What is answered where forebay's own answer would have this status.
    pub fn answered(&self, own: StatusCode) -> Answered<'a> {
        self.endpoint.answers.described(own)
    }
}
