//! From a route's settings to the route, or to all that is wrong with them.

mod headers;

use hyper::Method;
use hyper::header::AUTHORIZATION;

use super::answers;
use super::cloudevents::REQUIRED;
use super::endpoint::{Endpoint, Fault, Place, Places, Streams};
use super::members;
use super::settings::{Form, Settings, Timestamp};
use super::source::Source;
use super::template;
use super::webhook::Webhook;
use crate::decode::{Layout, Pointer};
use crate::http::streams::PATH;
use crate::route::{self, KeySource};

impl Endpoint {
    /// Makes a route of its settings, or says all that is wrong with them.
    pub fn new(name: &str, settings: &Settings, streams: &Streams) -> Result<Endpoint, Vec<Fault>> {
        let mut making = Making {
            settings,
            streams,
            faults: Vec::new(),
            captures: Vec::new(),
            endpoint: Endpoint::empty(name, settings),
        };
        making.paths();
        making.answers();
        making.webhook();
        if settings.fixed {
            making.is_fixed();
        } else {
            making.events();
            making.streams();
            making.values();
            making.headers();
        }
        making
            .faults
            .extend(members::want(&mut making.endpoint, settings).err());
        match making.faults.is_empty() {
            true => Ok(making.endpoint),
            false => Err(making.faults),
        }
    }
}

/// A route on its way.
struct Making<'a> {
    settings: &'a Settings,
    streams: &'a Streams,
    faults: Vec<Fault>,
    /// Captures that all paths have.
    captures: Vec<String>,
    endpoint: Endpoint,
}

impl Making<'_> {
    fn fault(&mut self, key: &str, what: impl Into<String>) {
        self.faults.push((key.into(), what.into()));
    }

    fn paths(&mut self) {
        if self.settings.paths.is_empty() {
            self.fault("paths", "there is none; give one like [\"/v1/batch\"]");
        }
        for path in &self.settings.paths {
            if path.starts_with(PATH.trim_end_matches('/')) {
                let what = format!("{path:?} is where streams are; choose another path");
                self.fault("paths", what);
                continue;
            }
            match template::parse(path) {
                Ok(patterns) => self.endpoint.patterns.extend(patterns),
                Err(what) => self.fault("paths", what),
            }
        }
        let mut patterns = self.endpoint.patterns.iter();
        let of_first = patterns
            .next()
            .map(|first| first.names().collect::<Vec<_>>());
        let mut of_all = of_first.unwrap_or_default();
        of_all.retain(|name| {
            let patterns = &self.endpoint.patterns;
            patterns
                .iter()
                .all(|pattern| pattern.names().any(|known| known == *name))
        });
        self.captures = of_all.into_iter().map(str::to_owned).collect();
        if self.settings.methods.is_empty() {
            self.fault("methods", "there is none; give [\"POST\"]");
        }
        for method in &self.settings.methods {
            match Method::from_bytes(method.as_bytes()) {
                Ok(good) if good.as_str().bytes().all(|byte| byte.is_ascii_uppercase()) => {
                    self.endpoint.methods.push(good);
                }
                _ => self.fault("methods", format!("{method:?} is no method, like \"POST\"")),
            }
        }
    }

    fn answers(&mut self) {
        for (outcome, answer) in &self.settings.answers {
            if let Err(what) = self.endpoint.answers.add(outcome, answer) {
                self.fault(&format!("answers.{outcome}"), what);
            }
            match answers::targets(answer) {
                Ok(sources) => {
                    let places = self.places("answers.accepted.redirect", &sources);
                    self.endpoint.redirect = places;
                }
                Err(what) => self.fault(&format!("answers.{outcome}.redirect"), what),
            }
        }
    }

    /// Senders of web hooks ask with OPTIONS and send with POST.
    fn webhook(&mut self) {
        match Webhook::of(&self.settings.webhook) {
            Ok(webhook) => self.endpoint.webhook = webhook,
            Err(what) => self.fault("webhook.origins", what),
        }
        let methods = &self.endpoint.methods;
        let is_wrong = !methods.contains(&Method::POST) || methods.contains(&Method::OPTIONS);
        if self.endpoint.webhook.is_some() && is_wrong {
            let what = "senders of web hooks ask with OPTIONS, which is answered for the route, and send with POST; give \"POST\" and not \"OPTIONS\"";
            self.fault("methods", what);
        }
    }

    /// A route without events has nothing to look for in them.
    fn is_fixed(&mut self) {
        let settings = self.settings;
        let lists = [
            ("stream_by", !settings.stream_by.is_empty()),
            ("streams", !settings.streams.is_empty()),
            ("stream", settings.stream.is_some()),
            ("events", settings.events.is_some()),
            ("key", settings.key.is_some()),
            ("id", settings.id.is_some()),
            ("time", !settings.time.is_empty()),
            ("time_header", settings.time_header.is_some()),
            ("headers", !settings.headers.is_empty()),
            ("secrets", !settings.secrets.is_empty()),
        ];
        for (key, is_given) in lists {
            if is_given {
                self.fault(
                    key,
                    "the route is `fixed` and takes no events; remove one of them",
                );
            }
        }
    }

    fn events(&mut self) {
        if self.settings.body == Form::Cloudevents {
            for name in REQUIRED {
                if let Ok(Place::Attribute(number)) = self.attribute(name) {
                    self.endpoint.required.push(number);
                }
            }
        }
        let Some(text) = &self.settings.events else {
            return;
        };
        if self.settings.body != Form::Json {
            self.fault(
                "events",
                "only a body of \"json\" has events inside; remove it",
            );
            return;
        }
        match Pointer::parse(text) {
            Ok(pointer) => self.endpoint.layout = Layout::new(Some(pointer)),
            Err(error) => self.fault("events", error.to_string()),
        }
    }

    fn streams(&mut self) {
        let settings = self.settings;
        let by = self.sources("stream_by", &settings.stream_by);
        let what = "address: how an address is shown is the stream's choice, so it can't choose the stream; name another source";
        self.has_no_address("stream_by", &by, what);
        self.endpoint.stream_by = self.places("stream_by", &by);
        self.be_single(&by);
        self.endpoint.stream_sources = by.into();
        if settings.stream.is_none() && settings.stream_by.is_empty() {
            self.fault("stream", "it's missing; name a stream of [streams], or say by what it's chosen in `stream_by`");
        }
        if settings.stream_by.is_empty() && !settings.streams.is_empty() {
            self.fault(
                "stream_by",
                "it's missing; say where the value is that `streams` is about, such as [\"/type\"]",
            );
        }
    }

    fn values(&mut self) {
        let settings = self.settings;
        let key = self.given_or_of_streams("key", settings.key.as_deref(), |stream| {
            match KeySource::parse(stream.key.as_deref()) {
                Ok(KeySource::Event(pointer)) => Some(vec![Source::Event(pointer)]),
                Ok(KeySource::Header(name)) => Some(vec![Source::Header(name)]),
                Ok(KeySource::None) => Some(Vec::new()),
                // Only the stream's own address has it.
                _ => None,
            }
        });
        self.endpoint.key = self.places("key", &key);
        let shown: Vec<_> = key.iter().map(Source::to_string).collect();
        self.endpoint.key_text = shown.join(", ");
        self.be_single(&key);
        self.endpoint.key_sources = key.into();
        let id = self.given_or_of_streams("id", settings.id.as_deref(), |stream| {
            let pointer = stream.id.as_deref().map(Pointer::parse).transpose().ok()?;
            Some(pointer.map(Source::Event).into_iter().collect())
        });
        self.endpoint.id = self.places("id", &id);
        self.be_single(&id);
        let time = self.sources("time", &settings.time);
        self.has_no_address(
            "time",
            &time,
            "address: an address is no time; name another source",
        );
        self.endpoint.time = self.places("time", &time);
        let goes_somewhere =
            settings.time_header.is_some() || settings.timestamp == Timestamp::Event;
        match (settings.time.is_empty(), goes_somewhere) {
            (false, false) => self.fault(
                "time",
                "it goes nowhere; name a `time_header`, or set timestamp = \"event\"",
            ),
            (true, true) => self.fault("time", "it's missing; say where the event's time is, or remove `time_header` and `timestamp`"),
            _ => {}
        }
    }

    /// The sources that the route gives, or that its streams have in common.
    fn given_or_of_streams(
        &mut self,
        field: &str,
        given: Option<&[String]>,
        of_stream: impl Fn(&route::Settings) -> Option<Vec<Source>>,
    ) -> Vec<Source> {
        if let Some(given) = given {
            return self.sources(field, given);
        }
        let targets = Endpoint::targets(self.settings, self.streams);
        let known = targets.iter().filter_map(|name| self.streams.get(*name));
        let mut all = known.map(of_stream);
        let first = all.next().unwrap_or(Some(Vec::new()));
        match first.filter(|first| all.all(|other| other.as_ref() == Some(first))) {
            Some(sources) => sources,
            None => {
                let what = format!(
                    "its streams have none in common; say where the {field} is, such as [\"/{field}\"]; [] for none"
                );
                self.fault(field, what);
                Vec::new()
            }
        }
    }

    fn sources(&mut self, field: &str, texts: &[String]) -> Vec<Source> {
        let mut sources = Vec::new();
        for text in texts {
            match Source::parse(text) {
                Ok(source) => sources.push(source),
                Err(what) => self.fault(field, what),
            }
        }
        sources
    }

    fn has_no_address(&mut self, field: &str, sources: &[Source], what: &str) {
        if sources.contains(&Source::Address) {
            self.fault(field, what);
        }
    }

    /// Headers that decide where an event goes, or which it is, must not be there twice.
    fn be_single(&mut self, sources: &[Source]) {
        for source in sources {
            let name = match source {
                Source::Header(name) => name,
                Source::Basic => &AUTHORIZATION,
                _ => continue,
            };
            if !self.endpoint.single.contains(name) {
                self.endpoint.single.push(name.clone());
            }
        }
    }

    /// Numbers sources, and says which of them this route can't have.
    fn places(&mut self, field: &str, sources: &[Source]) -> Places {
        let mut places = Vec::new();
        for source in sources {
            match self.place(source) {
                Ok(place) => places.push(place),
                Err(what) => self.fault(field, format!("{source}: {what}")),
            }
        }
        places.into()
    }

    /// An attribute is a member of an event, or a header.
    fn attribute(&mut self, name: &str) -> Result<Place, String> {
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if !name.bytes().all(is_name) {
            return Err("names of attributes have small letters and digits only".into());
        }
        let pointer = Pointer::parse(&format!("/{name}")).map_err(|error| error.to_string())?;
        let endpoint = &mut self.endpoint;
        let wanted = endpoint.layout.want_of_event(&pointer);
        let wanted = wanted.map_err(|error| error.to_string())?;
        let attribute = (name.to_owned(), wanted);
        Ok(Place::Attribute(number(
            &mut endpoint.attributes,
            &attribute,
        )))
    }

    fn place(&mut self, source: &Source) -> Result<Place, String> {
        let too_many = |_| "too many members are wanted of one object".to_owned();
        let endpoint = &mut self.endpoint;
        match source {
            Source::Event(pointer) => match endpoint.form {
                Form::Json | Form::Ndjson | Form::Cloudevents => Ok(Place::Event(
                    endpoint.layout.want_of_event(pointer).map_err(too_many)?,
                )),
                Form::Form | Form::Query => match pointer.names().collect::<Vec<_>>()[..] {
                    [name] => Ok(Place::Field(number(&mut endpoint.fields, &name.to_owned()))),
                    _ => Err("a field has no members; name it like \"/clickid\"".into()),
                },
                Form::Raw => Err("nobody looks into a \"raw\" body; look in the head".into()),
            },
            Source::Envelope(_) if endpoint.layout.events().is_none() => {
                Err("without `events` there's no envelope; give a pointer into the event".into())
            }
            Source::Envelope(pointer) => {
                let number = endpoint.layout.want_of_envelope(pointer);
                Ok(Place::Envelope(number.map_err(too_many)?))
            }
            Source::Address => {
                endpoint.wants_address = true;
                Ok(Place::Address)
            }
            Source::Attribute(_) if endpoint.form != Form::Cloudevents => {
                Err("only a body of \"cloudevents\" has attributes".into())
            }
            Source::Attribute(name) => self.attribute(name),
            Source::Sender => Ok(Place::Sender),
            Source::Path(name) if !self.captures.contains(name) => Err(match &self.captures[..] {
                [] => {
                    "the route's paths have no capture in common; write it as {name} in each".into()
                }
                known => format!(
                    "no capture that each path has; known are {}",
                    known.join(", ")
                ),
            }),
            source => Ok(Place::Head(number(&mut endpoint.of_head, source))),
        }
    }
}

/// The place of `one` among `all`, where it's added if it's new.
fn number<T: PartialEq + Clone>(all: &mut Vec<T>, one: &T) -> usize {
    let known = all.iter().position(|known| known == one);
    known.unwrap_or_else(|| {
        all.push(one.clone());
        all.len() - 1
    })
}
