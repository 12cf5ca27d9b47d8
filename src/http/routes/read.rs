//! The events of one body, and the values that a route wants of them, wherever they are.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;

use super::cloudevents::Mode;
use super::endpoint::{Endpoint, Place};
use super::fields::field;
use super::head::Head;
use super::settings::Form;
use super::time;
use crate::auth;
use crate::decode::{self, BodyError, Limits, Picked, Pointer, Value};
use crate::event::Key;
use crate::http::answer::{self, EventError, Problem};

/// A body that was decoded.
pub(super) struct Read<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) head: &'a Head,
    pub(super) body: &'a [u8],
    pub(super) picked: &'a Picked,
    /// The wanted values of what is around the events, by number.
    pub(super) around: &'a [Around],
    /// The name of the source that sends, if a key was asked for.
    pub(super) sender: Option<&'a str>,
}

/// A value of the envelope, which is the same for all events: it's looked for once.
pub(super) enum Around {
    /// There is none, or null.
    None,
    /// It stands in the body as such.
    Within(u32, u32),
    /// A text that has escapes in the body.
    Text(Arc<[u8]>),
    /// An object or an array, from where to where.
    Composite(u32, u32),
}

/// A value that was found.
pub(super) enum Found<'a> {
    /// It stands in the body as such.
    Within(u32, u32),
    /// It's the same for all events of the request.
    Shared(&'a Arc<[u8]>),
    /// Anything else.
    Apart(Cow<'a, [u8]>),
    /// An object or an array, from where to where.
    Composite(u32, u32),
}

/// Decodes a body as its route says.
pub(super) fn decode(
    endpoint: &Endpoint,
    head: &Head,
    body: &[u8],
    limits: &Limits,
    picked: &mut Picked,
) -> Result<(), BodyError> {
    match endpoint.form {
        Form::Json => decode::pick_json(body, &endpoint.layout, limits, picked),
        Form::Cloudevents => cloudevents(endpoint, head, body, limits, picked),
        Form::Ndjson => decode::pick_ndjson(body, &endpoint.layout, limits, picked),
        Form::Raw => {
            picked.clear();
            decode::raw(body, limits, &mut picked.decoded)
        }
        Form::Form | Form::Query if body.is_empty() => Err(BodyError::Empty),
        Form::Form | Form::Query => {
            picked.clear();
            decode::raw(body, limits, &mut picked.decoded)
        }
    }
}

/// The problem of a request of which nothing is left to take.
pub(super) fn none_to_take(errors: Vec<EventError>) -> Problem {
    match errors.is_empty() {
        true => Problem::new(
            StatusCode::BAD_REQUEST,
            "empty",
            "the body holds no event; send at least one",
        ),
        false => answer::unacceptable(errors.into()),
    }
}

/// The body of a request, or the event that is its query and has none.
pub(super) fn event_of(query: Option<&Bytes>, body: Bytes) -> Result<Bytes, Problem> {
    match query {
        None => Ok(body),
        Some(query) if body.is_empty() => Ok(query.clone()),
        Some(_) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "unexpected_body",
            "the route takes what the address says behind its question mark, and no body",
        )),
    }
}

/// One event or an array of them, as the content type says.
fn cloudevents(
    endpoint: &Endpoint,
    head: &Head,
    body: &[u8],
    limits: &Limits,
    picked: &mut Picked,
) -> Result<(), BodyError> {
    let mode = head.said.as_ref().map_or(Mode::Binary, |said| said.mode);
    let (first, what) = match mode {
        Mode::Binary => {
            picked.clear();
            return decode::raw(body, limits, &mut picked.decoded);
        }
        Mode::Structured => (b'{', "expected one object, as the content type says"),
        Mode::Batch => (b'[', "expected an array, as the content type says"),
    };
    decode::pick_json(body, &endpoint.layout, limits, picked)?;
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    match text.trim_ascii_start().first() {
        Some(byte) if *byte == first => Ok(()),
        _ => {
            picked.clear();
            Err(BodyError::Malformed { offset: 0, what })
        }
    }
}

/// Looks for the wanted values of the envelope. `charge` is asked before one is copied, with its bytes.
pub(super) fn around<E>(
    endpoint: &Endpoint,
    body: &[u8],
    picked: &Picked,
    mut charge: impl FnMut(u64) -> Result<(), E>,
) -> Result<Vec<Around>, E> {
    let layout = &endpoint.layout;
    let numbers = 0..layout.wanted_of_envelope();
    let values = numbers.map(|number| {
        let value = picked.of_envelope(layout, body, number);
        Ok(match value {
            Value::Missing | Value::Null => Around::None,
            Value::Plain(span) => Around::Within(span.start, span.end),
            Value::Composite(span) => Around::Composite(span.start, span.end),
            Value::Escaped(span) => {
                charge(u64::from(span.end - span.start))?;
                let text = value.text(body);
                text.map_or(Around::None, |text| Around::Text(text.into()))
            }
        })
    });
    values.collect()
}

impl<'a> Read<'a> {
    /// Why the event at `position` is none that the route takes, as code and detail.
    pub(super) fn fault(&self, position: usize) -> Option<(&'static str, String)> {
        let mut required = self.endpoint.required.iter();
        let missing = required.find(|number| {
            let found = self.at(Place::Attribute(**number), position, None);
            // An object or an array is none: the specification has texts here, and some SDKs numbers.
            let is_one = |found: &Found<'_>| !matches!(found, Found::Composite(..));
            let is_given = |found: Found<'_>| !found.bytes(self.body).is_empty();
            !found.filter(is_one).is_some_and(is_given)
        })?;
        let (name, _) = self.endpoint.attributes.get(*missing)?;
        let detail = format!(
            "the attribute {name} is missing or no text, and every event of CloudEvents has one"
        );
        Some(("not_a_cloudevent", detail))
    }

    /// The value at the first of `places` where there is one, of the event at `position`. `address` is the client's, as its stream
    /// shows it.
    #[inline]
    pub(super) fn first(
        &self,
        places: &[Place],
        position: usize,
        address: Option<&'a str>,
    ) -> Option<Found<'a>> {
        let mut places = places.iter();
        places.find_map(|place| self.at(*place, position, address))
    }

    #[inline(always)]
    fn at(&self, place: Place, position: usize, address: Option<&'a str>) -> Option<Found<'a>> {
        match place {
            Place::Event(number) => self.in_event(position, number),
            elsewhere => self.at_elsewhere(elsewhere, position, address),
        }
    }

    #[inline(always)]
    fn in_event(&self, position: usize, number: usize) -> Option<Found<'a>> {
        let layout = &self.endpoint.layout;
        self.of_body(self.picked.of_event(layout, self.body, position, number))
    }

    #[inline(never)]
    fn at_elsewhere(
        &self,
        place: Place,
        position: usize,
        address: Option<&'a str>,
    ) -> Option<Found<'a>> {
        match place {
            Place::Event(number) => self.in_event(position, number),
            Place::Envelope(number) => match self.around.get(number)? {
                Around::None => None,
                Around::Within(start, end) => Some(Found::Within(*start, *end)),
                Around::Text(text) => Some(Found::Shared(text)),
                Around::Composite(start, end) => Some(Found::Composite(*start, *end)),
            },
            Place::Field(number) => {
                let name = self.endpoint.fields.get(number)?;
                field(self.body, name).map(Found::Apart)
            }
            Place::Attribute(number) => {
                let (name, wanted) = self.endpoint.attributes.get(number)?;
                match &self.head.said {
                    Some(said) if said.mode == Mode::Binary => {
                        let value = said.attribute(name);
                        value.map(|value| Found::Apart(Cow::Borrowed(value)))
                    }
                    _ => self.in_event(position, *wanted),
                }
            }
            Place::Head(_) => self.head.value(place).map(Found::Shared),
            Place::Sender => {
                let name = self.sender;
                name.map(|name| Found::Apart(Cow::Borrowed(name.as_bytes())))
            }
            Place::Address => address.map(|text| Found::Apart(Cow::Borrowed(text.as_bytes()))),
        }
    }

    #[inline(always)]
    fn of_body(&self, value: Value) -> Option<Found<'a>> {
        match value {
            Value::Missing | Value::Null => None,
            Value::Plain(span) => Some(Found::Within(span.start, span.end)),
            Value::Composite(span) => Some(Found::Composite(span.start, span.end)),
            Value::Escaped(_) => value.text(self.body).map(Found::Apart),
        }
    }

    /// A member that is the key of a source: around the events, or in the first one.
    pub(super) fn member(&self, pointer: &Pointer) -> auth::Found<'a> {
        let mut members = self.endpoint.members.iter();
        let place = members.find(|(known, _)| known == pointer);
        let found = place.and_then(|(_, place)| self.at(*place, 0, None));
        match found {
            None | Some(Found::Composite(..)) => auth::Found::None,
            Some(found) => auth::Found::One(Cow::Owned(found.bytes(self.body).to_vec())),
        }
    }

    /// The time that the event at `position` says, in milliseconds since 1970.
    pub(super) fn time(&self, position: usize) -> Option<i64> {
        let mut places = self.endpoint.time.iter();
        places.find_map(|place| {
            let found = self.at(*place, position, None)?;
            time::parse(found.bytes(self.body))
        })
    }
}

impl Found<'_> {
    /// Its bytes; of an object or an array its JSON as it was sent.
    pub(super) fn bytes<'b>(&'b self, body: &'b [u8]) -> &'b [u8] {
        match self {
            Found::Within(start, end) | Found::Composite(start, end) => {
                body.get(*start as usize..*end as usize).unwrap_or_default()
            }
            Found::Shared(bytes) => bytes,
            Found::Apart(bytes) => bytes,
        }
    }

    /// The record's key, if it can be one.
    pub(super) fn into_key(self) -> Option<Key> {
        match self {
            Found::Within(start, end) => Some(Key::Within(start, end)),
            Found::Shared(bytes) => Some(Key::Apart(Arc::clone(bytes))),
            Found::Apart(bytes) => Some(Key::Apart(bytes.into())),
            Found::Composite(..) => None,
        }
    }
}
