//! From a route's settings to the route, or to all that is wrong with them.

use hyper::Method;
use hyper::header::HeaderName;

use super::answers;
use super::endpoint::{Endpoint, Fault, Header, Place, Places, Prefix, Streams};
use super::members;
use super::settings::{Form, Settings, Timestamp};
use super::source::Source;
use super::template;
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
        self.endpoint.stream_by = self.places("stream_by", &by);
        self.be_single(&by);
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
        let id = self.given_or_of_streams("id", settings.id.as_deref(), |stream| {
            let pointer = stream.id.as_deref().map(Pointer::parse).transpose().ok()?;
            Some(pointer.map(Source::Event).into_iter().collect())
        });
        self.endpoint.id = self.places("id", &id);
        self.be_single(&id);
        let time = self.sources("time", &settings.time);
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

    fn headers(&mut self) {
        let settings = self.settings;
        let mut secrets = Vec::new();
        for text in &settings.secrets {
            match Pointer::parse(text) {
                Ok(pointer) => secrets.push(pointer),
                Err(error) => self.fault("secrets", error.to_string()),
            }
        }
        if !secrets.is_empty() && settings.events.is_none() {
            let what = "without `events` there's no envelope, and an event is stored byte for byte as it's sent; remove it";
            self.fault("secrets", what);
        }
        for (name, texts) in &settings.headers {
            let field = format!("headers.{name}");
            if texts.is_empty() {
                self.fault(&field, "it names no source");
            }
            if let Some(of_record) = name.strip_suffix('*') {
                self.prefix(&field, of_record, texts);
                continue;
            }
            self.record_name(&field, name);
            let sources = self.sources(&field, texts);
            for source in &sources {
                if let Source::Envelope(pointer) = source
                    && secrets.iter().any(|secret| members::holds(pointer, secret))
                {
                    let what = format!(
                        "{source} is one of the route's `secrets`, or holds one; remove one of them"
                    );
                    self.fault(&field, what);
                }
            }
            let places = self.places(&field, &sources);
            let name = name.as_str().into();
            self.endpoint.headers.push(Header { name, places });
        }
        if let Some(name) = &settings.time_header {
            self.record_name("time_header", name);
            if settings.headers.contains_key(name) {
                self.fault("time_header", "`headers` has one of this name as well");
            }
        }
    }

    fn record_name(&mut self, field: &str, name: &str) {
        if name.is_empty() || name.len() > 255 {
            self.fault(field, "a record header's name has 1 to 255 bytes");
        }
        if matches!(name, "event-id") || name.starts_with("forebay-") {
            self.fault(
                field,
                "forebay gives this header itself; choose another name",
            );
        }
    }

    fn prefix(&mut self, field: &str, of_record: &str, texts: &[String]) {
        let [text] = texts else {
            let what = "it takes one source, such as [\"header:ce-*\"]";
            return self.fault(field, what);
        };
        let of_request = text
            .strip_prefix("header:")
            .and_then(|it| it.strip_suffix('*'));
        let is_name = |prefix: &&str| HeaderName::from_bytes(prefix.as_bytes()).is_ok();
        match of_request.filter(is_name) {
            Some(of_request) => self.endpoint.prefixes.push(Prefix {
                of_request: of_request.to_ascii_lowercase().into(),
                of_record: of_record.into(),
            }),
            None => {
                let what = format!(
                    "{text:?} is no beginning of headers' names; write it like \"header:ce-*\""
                );
                self.fault(field, what);
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

    /// Headers that decide where an event goes, or which it is, must not be there twice.
    fn be_single(&mut self, sources: &[Source]) {
        for source in sources {
            if let Source::Header(name) = source
                && !self.endpoint.single.contains(name)
            {
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

    fn place(&mut self, source: &Source) -> Result<Place, String> {
        let too_many = |_| "too many members are wanted of one object".to_owned();
        let endpoint = &mut self.endpoint;
        match source {
            Source::Event(pointer) => match endpoint.form {
                Form::Json | Form::Ndjson => Ok(Place::Event(
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
