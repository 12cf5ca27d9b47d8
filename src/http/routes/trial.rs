//! What a route would make of a request that stands in a file: what would be stored, and what would be answered. Without Kafka, and
//! without sending anything.
//!
//! It's the same code that takes real requests, up to the lanes. What only Kafka or other requests decide isn't known here: the
//! partition, room, quotas, who may send.

use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Uri};

use super::answers::{bytes_of, nothing_taken};
use super::asked::Asked;
use super::endpoint::{Endpoint, Streams};
use super::extras::Extras;
use super::head::Head;
use super::plan::stream_of;
use super::read::{self, Read};
use super::settings::Form;
use super::table::{Endpoints, Matched};
use crate::decode::{Limits, Picked, encoding};
use crate::event::headers;
use crate::http::answer::{self, EventError, Problem, Reply};
use crate::http::head::{Lines, encoding_of};
use crate::http::plan::{body_problem, error_of};
use crate::receipt::Outcome;
use crate::route::{OnMissingKey, Privacy};

/// As much may a body be after decompression.
const MOST_BYTES: usize = 64 << 20;

/// A request as it's written in a file.
#[derive(Debug)]
pub struct Written {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// An event that would be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its stream.
    pub stream: String,
    /// Where it stands in the body, from and to.
    pub range: (u32, u32),
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// It has no id, so that the record gets one.
    pub gets_id: bool,
    /// The time that it says, in milliseconds since 1970.
    pub time_ms: Option<i64>,
    /// The record's own timestamp, if it isn't that of arrival.
    pub timestamp_ms: Option<i64>,
    /// Record headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The record's value.
    pub value: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What would become of a request.
#[derive(Debug)]
pub struct Trial {
    /// The route that takes it.
    pub route: String,
    /// What would be stored.
    pub stored: Vec<Stored>,
    /// What would not: place, code, reason.
    pub refused: Vec<(u32, &'static str, String)>,
    /// The answer, if all that can be taken is taken.
    pub answer: Told,
    /// The answer if there's no room.
    pub overloaded: Told,
}

impl Written {
    /// Reads a request: its first line, its headers, an empty line, its body. Lines may end with or without a carriage return.
    pub fn parse(text: &[u8]) -> Result<Written, String> {
        let mut rest = text;
        let mut line = || {
            let end = rest.iter().position(|byte| *byte == b'\n');
            let (line, behind) = match end {
                Some(end) => (&rest[..end], &rest[end + 1..]),
                None if rest.is_empty() => return None,
                None => (rest, &[][..]),
            };
            rest = behind;
            Some(line.strip_suffix(b"\r").unwrap_or(line))
        };
        let first = line().unwrap_or_default();
        let first = String::from_utf8_lossy(first).into_owned();
        let wrong = || {
            format!(
                "{first:?} is no first line of a request; write it like \"POST /v1/batch HTTP/1.1\""
            )
        };
        let mut parts = first.split_whitespace();
        let (method, target) = parts.next().zip(parts.next()).ok_or_else(wrong)?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| wrong())?;
        let uri = target.parse::<Uri>().map_err(|_| wrong())?;
        let mut headers = HeaderMap::new();
        while let Some(line) = line().filter(|line| !line.is_empty()) {
            let shown = String::from_utf8_lossy(line);
            let wrong = || format!("{shown:?} is no header; an empty line comes before the body");
            let at = line
                .iter()
                .position(|byte| *byte == b':')
                .ok_or_else(wrong)?;
            let name = HeaderName::from_bytes(&line[..at]).map_err(|_| wrong())?;
            let value = HeaderValue::from_bytes(line[at + 1..].trim_ascii());
            headers.append(name, value.map_err(|_| wrong())?);
        }
        Ok(Written {
            method,
            uri,
            headers,
            body: rest.to_vec(),
        })
    }
}

/// Tries a request. `now_ms` is the time of its arrival.
pub fn attempt(
    endpoints: &Endpoints,
    streams: &Streams,
    limits: &Limits,
    request: &Written,
    now_ms: i64,
) -> Result<Trial, String> {
    let (path, method) = (request.uri.path(), &request.method);
    let (endpoint, captures) = match endpoints.find(path, method) {
        Some(Matched::Route(endpoint, captures)) => (endpoint, captures),
        Some(Matched::Others(methods)) => {
            let methods: Vec<_> = methods.iter().map(|method| method.as_str()).collect();
            let methods = methods.join(", ");
            return Err(format!(
                "{path:?} is a route's, but not for {method}; it takes {methods}"
            ));
        }
        None => return Err(format!("no route has the path {path:?}")),
    };
    let asked = Asked {
        headers: &request.headers,
        query: request.uri.query().unwrap_or_default(),
        captures,
        address: None,
    };
    let mut trial = Trial {
        route: endpoint.name.clone(),
        stored: Vec::new(),
        refused: Vec::new(),
        answer: Told::default(),
        overloaded: Told::default(),
    };
    let (reply, target) = match Head::of(endpoint, &asked) {
        Err(problem) => (problem.reply(), None),
        Ok(head) => {
            let target = head.target.clone();
            let taken = trial.take(endpoint, streams, limits, request, &asked, &head, now_ms);
            (taken.unwrap_or_else(|problem| problem.reply()), target)
        }
    };
    trial.answer = Told::of(reply, endpoint, target.as_deref());
    let full = Problem::unavailable("full", "there is no room", Duration::from_secs(1));
    trial.overloaded = Told::of(full.reply(), endpoint, None);
    Ok(trial)
}

impl Trial {
    #[expect(
        clippy::too_many_arguments,
        reason = "what is configured, and what a request says"
    )]
    fn take(
        &mut self,
        endpoint: &Endpoint,
        streams: &Streams,
        limits: &Limits,
        request: &Written,
        asked: &Asked<'_>,
        head: &Head,
        now_ms: i64,
    ) -> Result<Reply, Problem> {
        if endpoint.is_fixed {
            return Ok(nothing_taken());
        }
        let coding = encoding_of(&Lines::of(&request.headers))?;
        let plain = encoding::decompress(coding, &request.body, MOST_BYTES, &mut |_| true);
        let plain = plain.map_err(|error| {
            let status = hyper::StatusCode::BAD_REQUEST;
            Problem::new(status, "corrupt_encoding", error.to_string())
        })?;
        let body = match endpoint.form {
            Form::Query => asked.query.as_bytes().to_vec(),
            _ => plain,
        };
        let mut picked = Picked::default();
        read::decode(endpoint, head, &body, limits, &mut picked).map_err(body_problem)?;
        let mut errors: Vec<_> = picked.decoded.rejected.drain(..).map(error_of).collect();
        let read = Read {
            endpoint,
            head,
            body: &body,
            picked: &picked,
            sender: None,
        };
        for position in 0..picked.decoded.events.len() {
            match stored(&read, streams, now_ms, position) {
                Ok(stored) => self.stored.push(stored),
                Err(error) => errors.push(error),
            }
        }
        errors.sort_by_key(|error| error.index);
        let refused = errors.iter();
        let refused = refused.map(|error| (error.index, error.code, error.detail.clone()));
        self.refused = refused.collect();
        if self.stored.is_empty() {
            return Err(match errors.is_empty() {
                true => {
                    let status = hyper::StatusCode::BAD_REQUEST;
                    Problem::new(
                        status,
                        "empty",
                        "the body holds no event; send at least one",
                    )
                }
                false => answer::unacceptable(errors.into()),
            });
        }
        let outcome = Outcome {
            acked: self.stored.len() as u32,
            ..Outcome::default()
        };
        let (_, said) = answer::settled(outcome, errors.into(), || None, || Duration::ZERO);
        Ok(said.reply(&mut HeaderMap::new()))
    }
}

/// What would be stored of the event at `position`.
fn stored(
    read: &Read<'_>,
    streams: &Streams,
    now_ms: i64,
    position: usize,
) -> Result<Stored, EventError> {
    let event = &read.picked.decoded.events[position];
    let error = |code, detail| EventError {
        index: event.index,
        code,
        detail,
    };
    let stream = stream_of(
        read,
        position,
        |name| streams.get_key_value(name),
        |_| false,
    );
    let (stream, settings) = stream.map_err(|(code, detail)| error(code, detail))?;
    let endpoint = read.endpoint;
    let found = read.first(&endpoint.key, position, None);
    let key = found.and_then(|found| found.into_key());
    let is_wanted = settings.on_missing_key == OnMissingKey::Reject;
    if key.is_none() && !endpoint.key.is_empty() && is_wanted {
        let detail = format!("there's no key at {}", endpoint.key_text);
        return Err(error("key_missing", detail));
    }
    // Nobody's address is known, so that the key of hashes doesn't matter.
    let privacy = Privacy::new(settings.addresses, &settings.drop_headers, "");
    let extras = Extras::of(read, &privacy, now_ms);
    let (gets_id, extra) = extras.event(position, event.index);
    let block = extra
        .as_ref()
        .map_or(&[][..], |extra| extra.headers.block(read.body));
    let headers = headers::iter(block);
    let headers =
        headers.map(|(name, value)| (name.to_owned(), value.unwrap_or_default().to_vec()));
    Ok(Stored {
        stream: stream.clone(),
        range: (event.start, event.end),
        key: key.and_then(|key| Some(key.bytes(read.body)?.to_vec())),
        gets_id,
        time_ms: read.time(position),
        timestamp_ms: extra.as_ref().and_then(|extra| extra.timestamp_ms),
        headers: headers.collect(),
        value: event.bytes(read.body).unwrap_or_default().to_vec(),
    })
}

impl Told {
    fn of(mut reply: Reply, endpoint: &Endpoint, target: Option<&[u8]>) -> Told {
        endpoint.answers.apply(&mut reply, target);
        let (head, mut body) = reply.into_parts();
        let headers = head.headers.iter();
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = headers.map(|(name, value)| (name.to_string(), text(value)));
        Told {
            status: head.status.as_u16(),
            headers: headers.collect(),
            body: bytes_of(&mut body).to_vec(),
        }
    }
}
