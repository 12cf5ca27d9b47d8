//! What a request's head says, taken out of it before the head is let go of: the values of a route's sources.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::HeaderName;

use super::asked::Asked;
use super::cloudevents::{Mode, Said};
use super::endpoint::{Endpoint, Place};
use super::settings::Form;
use crate::http::answer::Problem;

/// What a value costs beside its bytes.
const VALUE_BYTES: usize = 64;

/// Values of the head.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// By the numbers of the route's sources.
    values: Vec<Option<Arc<[u8]>>>,
    /// Record headers that a prefix gives, with the request headers that they come from.
    pub(super) prefixed: Vec<(String, HeaderName, Vec<u8>)>,
    /// What it says of CloudEvents, if the route takes them.
    pub(super) said: Option<Said>,
    /// The client's address, if the route wants it.
    pub(super) address: Option<IpAddr>,
    /// Where the client asks to be sent on to.
    pub(super) target: Option<Arc<[u8]>>,
    /// What all of it holds.
    pub(super) bytes: u64,
}

/// Whose a request is, as far as its head says.
#[derive(Clone, Debug)]
pub(super) enum Whose<T> {
    /// All of its events are for this stream.
    Stream(T),
    /// Its events say which stream they're for.
    Sorted,
    /// There is no stream for it.
    Nobody,
}

impl Head {
    /// Which stream the events are for; by what is `known` under the names of streams.
    pub(super) fn whose<T>(
        &self,
        endpoint: &Endpoint,
        known: impl Fn(&str) -> Option<T>,
    ) -> Whose<T> {
        let first = self.deciding(endpoint);
        if first.is_some_and(|place| !place.is_of_head()) {
            return Whose::Sorted;
        }
        let mut names = self.names(endpoint);
        names.find_map(known).map_or(Whose::Nobody, Whose::Stream)
    }

    /// The first place that decides on the stream, unless nothing is there: one of the body, or one of the head with a value.
    fn deciding(&self, endpoint: &Endpoint) -> Option<Place> {
        let mut places = endpoint.stream_by.iter().copied();
        places.find(|place| !place.is_of_head() || self.value(*place).is_some())
    }

    /// The streams that it names, the first first, and the one that there is otherwise.
    fn names<'a>(&'a self, endpoint: &'a Endpoint) -> impl Iterator<Item = &'a str> {
        let value = self.deciding(endpoint).and_then(|place| self.value(place));
        let value = value.and_then(|value| std::str::from_utf8(value).ok());
        let named = value.and_then(|value| endpoint.named(value));
        named.into_iter().chain(endpoint.stream.as_deref())
    }

    /// The problem of a request that is for no stream. The configuration was checked, so this is about a value of the head, or
    /// about a stream that is gone.
    pub(super) fn nowhere(&self, endpoint: &Endpoint, is_gone: impl Fn(&str) -> bool) -> Problem {
        let problem = if self.names(endpoint).any(is_gone) {
            let detail = "the stream for this is gone, and takes nothing any more; stop sending";
            Problem::new(StatusCode::GONE, "gone", detail)
        } else {
            let detail = "there is no stream for what the request says in its head";
            Problem::new(StatusCode::NOT_FOUND, "unknown_stream", detail)
        };
        Problem {
            close: true,
            ..problem
        }
    }

    /// Looks for the values that the route wants. `address` is the client's.
    pub(super) fn of(
        endpoint: &Endpoint,
        asked: &Asked<'_>,
        address: impl FnOnce() -> IpAddr,
    ) -> Result<Head, Problem> {
        if let Some(name) = endpoint.single.iter().find(|name| asked.is_doubled(name)) {
            let detail = format!(
                "header {name} says where the events go, and there is more than one; send it once"
            );
            return Err(Problem {
                close: true,
                ..Problem::new(StatusCode::BAD_REQUEST, "key_doubled", detail)
            });
        }
        let sources = endpoint.of_head.iter();
        let values = sources.map(|source| Some(Arc::from(&*asked.value(source)?)));
        let mut head = Head {
            values: values.collect(),
            address: endpoint.wants_address.then(address),
            ..Head::default()
        };
        if endpoint.form == Form::Cloudevents {
            head.said = Some(Said::of(asked.headers)?);
        }
        for prefix in &endpoint.prefixes {
            for name in asked.headers.keys() {
                let rest = name.as_str().strip_prefix(&*prefix.of_request);
                let Some(rest) = rest.filter(|rest| !rest.is_empty()) else {
                    continue;
                };
                if let Some(value) = asked.header(name) {
                    let record = format!("{}{rest}", prefix.of_record);
                    head.prefixed
                        .push((record, name.clone(), value.into_owned()));
                }
            }
        }
        let target = endpoint
            .redirect
            .iter()
            .find_map(|place| head.value(*place));
        head.target = target.cloned();
        let values = head.values.iter().flatten().map(|value| value.len());
        let prefixed = head.prefixed.iter();
        let prefixed = prefixed.map(|(name, _, value)| name.len() + value.len());
        let sizes = values.chain(prefixed).map(|bytes| bytes + VALUE_BYTES);
        let said = head.said.as_ref().map_or(0, Said::bytes);
        head.bytes = (sizes.sum::<usize>() + said) as u64;
        Ok(head)
    }

    /// Whether it announces a batch of CloudEvents, which may be empty.
    pub(super) fn is_batch(&self) -> bool {
        let said = self.said.as_ref();
        said.is_some_and(|said| said.mode == Mode::Batch)
    }

    /// The value of a place in the head.
    pub(super) fn value(&self, place: Place) -> Option<&Arc<[u8]>> {
        match place {
            Place::Head(number) => self.values.get(number)?.as_ref(),
            _ => None,
        }
    }
}
