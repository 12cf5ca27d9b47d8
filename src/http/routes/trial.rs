//! What a route would make of a request that stands in a file: what would be stored, and what would be answered. Without Kafka, and
//! without sending anything.
//!
//! It's the same code that takes real requests, up to the lanes. What only Kafka or other requests decide isn't known here: the
//! partition, what the topic takes, room, quotas, client certificates. The client's address is 192.0.2.1.

mod sender;
mod written;

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderValue};

use self::sender::Sender;
pub use self::written::Written;
use super::answers::{bytes_of, nothing_taken};
use super::asked::Asked;
use super::endpoint::{Endpoint, Streams};
use super::extras::Extras;
use super::head::{Head, Whose};
use super::plan::stream_of;
use super::read::{self, Read};
use super::records::{Costs, NeedsKey, Records};
use super::settings::Form;
use super::table::{Endpoints, Matched};
use crate::decode::{Limits, Picked, encoding};
use crate::event::headers;
use crate::http::access::Access;
use crate::http::admission::too_large_together;
use crate::http::answer::{self, EventError, Problem, Reply};
use crate::http::body::BodyFault;
use crate::http::head::{Lines, encoding_of};
use crate::http::plan::{body_problem, error_of};
use crate::http::reasons::problem_of_unsorted;
use crate::http::settings as http;
use crate::receipt::Outcome;
use crate::route::{self, OnMissingKey, Privacy};

/// The client's address: one of those that are for examples (RFC 5737).
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// An event that would be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its stream.
    pub stream: String,
    /// Where it stands in the body, from and to.
    pub range: (u32, u32),
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// Its own id.
    pub id: Option<Vec<u8>>,
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
    /// The source that sends, if a key was asked for and shown.
    pub source: Option<String>,
    /// What would be stored.
    pub stored: Vec<Stored>,
    /// What would not: place, code, reason.
    pub refused: Vec<(u32, &'static str, String)>,
    /// The answer, if all that can be taken is taken.
    pub answer: Told,
    /// The answer if there's no room.
    pub overloaded: Told,
}

/// What a request is tried against.
#[derive(Clone, Copy, Debug)]
pub struct Against<'a> {
    /// The routes.
    pub endpoints: &'a Endpoints,
    /// The streams, also those that are gone.
    pub streams: &'a Streams,
    /// What a body may hold.
    pub limits: &'a Limits,
    /// The port, for what a body may have in bytes.
    pub http: &'a http::Settings,
    /// Who may send, unless anybody may.
    pub access: Option<&'a Access>,
}

/// Tries a request. `now_ms` is the time of its arrival.
pub fn attempt(against: &Against<'_>, request: &Written, now_ms: i64) -> Result<Trial, String> {
    let (path, method) = (request.uri.path(), &request.method);
    let asked = (against.endpoints).handshake(method, path, &request.headers);
    if let Some((endpoint, answer)) = asked {
        return Ok(Trial::of(endpoint, answer));
    }
    let (endpoint, captures) = match against.endpoints.find(path, method) {
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
    let mut trial = Trial::empty(endpoint);
    let (reply, target) = match Head::of(endpoint, &asked, || ADDRESS.into()) {
        Err(problem) => (problem.reply(), None),
        Ok(head) => {
            let target = head.target.clone();
            let trying = Trying {
                against,
                endpoint,
                head: &head,
                now_ms,
            };
            let taken = trial.take(&trying, request, asked.query);
            (taken.unwrap_or_else(|problem| problem.reply()), target)
        }
    };
    trial.answer = Told::of(reply, endpoint, target.as_deref());
    let full = Problem::unavailable("full", "there is no room", Duration::from_secs(1));
    trial.overloaded = Told::of(full.reply(), endpoint, None);
    Ok(trial)
}

/// A request of a route that is tried.
struct Trying<'a> {
    against: &'a Against<'a>,
    endpoint: &'a Endpoint,
    head: &'a Head,
    now_ms: i64,
}

impl<'a> Trying<'a> {
    /// A stream that takes events, with its name.
    fn stream(&self, name: &str) -> Option<(&'a String, &'a route::Settings)> {
        let found = self.against.streams.get_key_value(name);
        found.filter(|(_, settings)| !settings.gone)
    }

    fn is_gone(&self, name: &str) -> bool {
        let settings = self.against.streams.get(name);
        settings.is_some_and(|settings| settings.gone)
    }

    /// Who sends, if keys are asked for anywhere; as far as the head and a signature say.
    fn sender(
        &self,
        stream: Option<&'a str>,
        request: &'a Written,
    ) -> Result<Option<Sender<'a>>, Problem> {
        let by = (self.endpoint.name.as_str(), self.against.endpoints);
        let access = self.against.access;
        let sender = access.map(|access| Sender::of(access, by, stream, request));
        let mut sender = sender.transpose()?;
        if let Some(sender) = &mut sender {
            sender.with_body(&request.body)?;
        }
        Ok(sender)
    }

    /// The event's bytes of a request.
    fn body(&self, request: &Written, query: &str) -> Result<Bytes, Problem> {
        let (coding, http) = (
            encoding_of(&Lines::of(&request.headers))?,
            self.against.http,
        );
        let (limit, bytes) = (http.max_body.as_u64(), request.body.len() as u64);
        if bytes > limit {
            return Err(problem_of_unsorted(BodyFault::TooLarge { limit }));
        }
        let most = http.max_decompressed.as_u64() as usize;
        let plain = encoding::decompress(coding, &request.body, most, &mut |_| true);
        let plain = plain.map_err(|error| problem_of_unsorted(BodyFault::Encoding(error)))?;
        let is_query = self.endpoint.form == Form::Query;
        let query = is_query.then(|| Bytes::copy_from_slice(query.as_bytes()));
        read::event_of(query.as_ref(), plain.into())
    }
}

impl Trial {
    fn empty(endpoint: &Endpoint) -> Trial {
        Trial {
            route: endpoint.name.clone(),
            source: None,
            stored: Vec::new(),
            refused: Vec::new(),
            answer: Told::default(),
            overloaded: Told::default(),
        }
    }

    /// Of a sender of web hooks that asks whether it may send.
    fn of(endpoint: &Endpoint, answer: Result<Reply, Problem>) -> Trial {
        let told = Told::plain(answer.unwrap_or_else(|problem| problem.reply()));
        Trial {
            answer: told.clone(),
            overloaded: told,
            ..Trial::empty(endpoint)
        }
    }

    fn take(
        &mut self,
        trying: &Trying<'_>,
        request: &Written,
        query: &str,
    ) -> Result<Reply, Problem> {
        let Trying { endpoint, head, .. } = *trying;
        if endpoint.is_fixed {
            return Ok(nothing_taken());
        }
        let stream = match head.whose(endpoint, |name| trying.stream(name)) {
            Whose::Nobody => return Err(head.nowhere(endpoint, |name| trying.is_gone(name))),
            Whose::Stream((name, _)) => Some(name.as_str()),
            Whose::Sorted => None,
        };
        let mut sender = trying.sender(stream, request)?;
        let body = trying.body(request, query)?;
        let mut picked = Picked::default();
        let limits = trying.against.limits;
        read::decode(endpoint, head, &body, limits, &mut picked).map_err(body_problem)?;
        let mut errors: Vec<_> = picked.decoded.rejected.drain(..).map(error_of).collect();
        let Ok(around) = read::around(endpoint, &body, &picked, |_| Ok::<_, Infallible>(()));
        let read = Read {
            endpoint,
            head,
            body: &body,
            picked: &picked,
            around: &around,
            sender: None,
        };
        if let Some(sender) = &mut sender {
            sender.with_members(|pointer| read.member(pointer))?;
        }
        let read = Read {
            sender: sender.as_ref().and_then(Sender::name),
            ..read
        };
        self.source = read.sender.map(str::to_owned);
        let (mut costs, most) = (
            Costs::default(),
            trying.against.http.max_decompressed.as_u64(),
        );
        for position in 0..picked.decoded.events.len() {
            match stored(trying, &read, position, &mut costs) {
                Ok(stored) => self.stored.push(stored),
                Err(error) => errors.push(error),
            }
            if costs.bytes > most {
                self.stored.clear();
                return Err(too_large_together(most));
            }
        }
        errors.sort_by_key(|error| error.index);
        let refused = errors.iter();
        let refused = refused.map(|error| (error.index, error.code, error.detail.clone()));
        self.refused = refused.collect();
        if self.stored.is_empty() && (!errors.is_empty() || !head.is_batch()) {
            return Err(read::none_to_take(errors));
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
    trying: &Trying<'_>,
    read: &Read<'_>,
    position: usize,
    costs: &mut Costs,
) -> Result<Stored, EventError> {
    let index = read.picked.decoded.events[position].index;
    let known = |name: &str| trying.stream(name);
    let stream = stream_of(read, position, known, |name| trying.is_gone(name));
    let (stream, settings) = stream.map_err(|(code, detail)| EventError {
        index,
        code,
        detail,
    })?;
    let key = settings.address_key.as_deref().unwrap_or_default();
    let privacy = Privacy::new(settings.addresses, &settings.drop_headers, key);
    let max_event = u64::from(trying.against.limits.max_event());
    let needs_key = settings.on_missing_key == OnMissingKey::Reject;
    let mut records = Records {
        read,
        extras: Extras::of(read, &privacy, trying.now_ms, max_event, 1),
        max_event,
        needs_key: needs_key.then_some(NeedsKey::Stream),
    };
    let event = records.event(position, |_, _, _| None)?;
    costs.add(&event, read.body);
    let headers = headers::iter(event.header_block(read.body));
    let headers =
        headers.map(|(name, value)| (name.to_owned(), value.unwrap_or_default().to_vec()));
    Ok(Stored {
        stream: stream.clone(),
        range: (event.start, event.end),
        key: event.key.bytes(read.body).map(<[u8]>::to_vec),
        id: { read.first(&trying.endpoint.id, position, None) }
            .map(|found| found.bytes(read.body).to_vec())
            .filter(|_| event.header_id.is_none()),
        gets_id: event.header_id.is_some(),
        time_ms: read.time(position),
        timestamp_ms: event.timestamp_ms(),
        headers: headers.collect(),
        value: event.value(read.body).to_vec(),
    })
}

impl Told {
    fn of(mut reply: Reply, endpoint: &Endpoint, target: Option<&[u8]>) -> Told {
        endpoint.answers.apply(&mut reply, target);
        Told::plain(reply)
    }

    fn plain(reply: Reply) -> Told {
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
