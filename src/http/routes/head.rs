//! What a request's head says, taken out of it before the head is let go of: the values of a route's sources.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::HeaderName;

use super::asked::Asked;
use super::cloudevents::Said;
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

impl Head {
    /// Looks for the values that the route wants.
    pub(super) fn of(endpoint: &Endpoint, asked: &Asked<'_>) -> Result<Head, Problem> {
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

    /// The value of a place in the head.
    pub(super) fn value(&self, place: Place) -> Option<&Arc<[u8]>> {
        match place {
            Place::Head(number) => self.values.get(number)?.as_ref(),
            _ => None,
        }
    }
}
