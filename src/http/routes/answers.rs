//! What a route's clients are told, by outcome, where that isn't forebay's own answer.
//!
//! | outcome | is when forebay's own status is | statuses that it may have |
//! | --- | --- | --- |
//! | `accepted` | 200: every event is durable | 2xx; 3xx with an address to go to |
//! | `partly` | 207: every valid event is durable | 2xx |
//! | `bad` | another 4xx: nothing was taken, for the client's fault | 4xx |
//! | `unauthorized` | 401, 403 | 4xx |
//! | `too_large` | 413 | 4xx |
//! | `overloaded` | 429, 503: not all is durable, send it again | 429, 503 |
//!
//! So an answer never lies: a 2xx is one only if the events are durable. `Retry-After` stays, and so does what says that the
//! connection ends. A 408 stays as it is: it asks for another try, and no other status of the client's fault does.
//!
//! A client is sent on only to an address that begins like one of a list, which names scheme and host up to a slash.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use hyper::body::Body as _;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{HeaderMap, StatusCode};

use super::settings::Answer;
use super::source::Source;
use crate::http::answer::{Reply, Said};
use crate::http::sending::Sending;

/// The outcomes, as they're named in the configuration.
pub const OUTCOMES: [&str; 6] = [
    "accepted",
    "partly",
    "bad",
    "unauthorized",
    "too_large",
    "overloaded",
];

/// The place of the outcome of a request all of whose events are taken.
const ACCEPTED: usize = 0;

/// An image of one transparent pixel.
const PIXEL: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// A route's answers.
#[derive(Debug, Default)]
pub(super) struct Answers {
    given: [Option<Given>; OUTCOMES.len()],
}

#[derive(Debug, Default)]
struct Given {
    status: Option<StatusCode>,
    content_type: Option<HeaderValue>,
    body: Option<Bytes>,
    redirect: Option<Redirect>,
}

/// One of a route's answers, as others may know it.
#[derive(Debug, PartialEq, Eq)]
pub struct Answered<'a> {
    /// The status.
    pub status: u16,
    /// The content type of a body of the route's own; nothing if the body is forebay's.
    pub content_type: Option<&'a str>,
    /// There is a body.
    pub has_body: bool,
    /// The client may be sent on to another address.
    pub sends_on: bool,
}

/// Where a client is sent on to.
#[derive(Debug)]
struct Redirect {
    allowed: Vec<String>,
    location: Option<HeaderValue>,
}

/// The place of an outcome among [`OUTCOMES`], by forebay's own status.
fn outcome_of(status: StatusCode) -> Option<usize> {
    Some(match status.as_u16() {
        200 => ACCEPTED,
        207 => 1,
        401 | 403 => 3,
        408 => return None,
        413 => 4,
        429 | 503 => 5,
        400..=499 => 2,
        _ => return None,
    })
}

impl Answers {
    /// Takes the answer to `outcome`, or says what is wrong with it.
    pub(super) fn add(&mut self, outcome: &str, answer: &Answer) -> Result<(), String> {
        let Some(at) = OUTCOMES.iter().position(|known| *known == outcome) else {
            let all = OUTCOMES.join(", ");
            return Err(format!("there is no such outcome; known are {all}"));
        };
        let mut given = Given::of(answer)?;
        let is_sent_on = given.redirect.is_some();
        if is_sent_on && at != 0 {
            return Err("only who is `accepted` is sent on".into());
        }
        let status = answer.status;
        let fits = match at {
            0 if is_sent_on => status == 0 || matches!(status, 301..=303 | 307 | 308),
            0 | 1 => status == 0 || (200..300).contains(&status),
            5 => matches!(status, 0 | 429 | 503),
            _ => status == 0 || (400..500).contains(&status),
        };
        if !fits {
            let what = match at {
                0 if is_sent_on => "301, 302, 303, 307 or 308, as it has an address to go to",
                0 => "200 to 299, or an address to go to",
                1 => "200 to 299",
                5 => "429 or 503: clients send again after these",
                _ => "400 to 499: it must not look as if the events were taken",
            };
            return Err(format!("status {status} doesn't fit; give {what}"));
        }
        if is_sent_on && given.status.is_none() {
            given.status = Some(StatusCode::FOUND);
        }
        self.given[at] = Some(given);
        Ok(())
    }

    /// What a route says of what forebay would say itself. `target` is where the client asks to be sent on to.
    pub(super) fn say(&self, said: Said, target: Option<&[u8]>) -> Said {
        match said {
            Said::All { .. } if self.given[ACCEPTED].is_none() => said,
            Said::Other(mut reply) => {
                self.apply(&mut reply, target);
                Said::Other(reply)
            }
            said => {
                let mut reply = said.reply(&mut HeaderMap::new());
                self.apply(&mut reply, target);
                reply.into()
            }
        }
    }

    /// What becomes of an answer of forebay's own with this status.
    pub(super) fn described(&self, own: StatusCode) -> Answered<'_> {
        let given = outcome_of(own).and_then(|at| self.given[at].as_ref());
        let status = given.and_then(|given| given.status).unwrap_or(own);
        let sends_on = given.is_some_and(|given| given.redirect.is_some());
        let content_type = given.and_then(|given| given.content_type.as_ref());
        let is_empty = |body: &Bytes| body.is_empty();
        let body = given.and_then(|given| given.body.as_ref());
        Answered {
            status: status.as_u16(),
            content_type: content_type.and_then(|it| it.to_str().ok()),
            has_body: !sends_on && !body.is_some_and(is_empty),
            sends_on,
        }
    }

    /// Makes the route's answer of forebay's own. `target` is where the client asks to be sent on to.
    pub(super) fn apply(&self, reply: &mut Reply, target: Option<&[u8]>) {
        let Some(at) = outcome_of(reply.status()) else {
            return;
        };
        if let Some(given) = &self.given[at] {
            given.apply(reply, target);
        }
    }
}

impl Given {
    fn of(answer: &Answer) -> Result<Given, String> {
        let mut given = Given::default();
        if answer.status != 0 {
            let status = StatusCode::from_u16(answer.status);
            given.status = Some(status.map_err(|_| format!("{} is no status", answer.status))?);
        }
        let header = |text: &str, what| {
            HeaderValue::from_str(text).map_err(|_| format!("{text:?} can't be {what}"))
        };
        if let Some(text) = &answer.r#type {
            given.content_type = Some(header(text, "a content type")?);
        }
        given.body = answer.body.clone().map(Bytes::from);
        if let Some(body) = answer.body.as_deref().filter(|body| !body.is_empty()) {
            given.content_type.get_or_insert(type_of(body));
        }
        if answer.gif {
            if given.body.replace(Bytes::from_static(PIXEL)).is_some() {
                return Err("it has a body and is a gif; give one of them".into());
            }
            let gif = HeaderValue::from_static("image/gif");
            given.content_type.get_or_insert(gif);
        }
        let is_empty = given.body.as_ref().is_some_and(Bytes::is_empty);
        if matches!(answer.status, 204 | 205) {
            if given.body.is_some() && !is_empty {
                return Err(format!(
                    "status {} has no body; leave one out",
                    answer.status
                ));
            }
            given.body = Some(Bytes::new());
        }
        given.redirect = redirect(answer)?;
        Ok(given)
    }

    fn apply(&self, reply: &mut Reply, target: Option<&[u8]>) {
        let mut status = self.status;
        if let Some(redirect) = &self.redirect {
            let to = redirect.to(target);
            if to.is_none() {
                status = Some(StatusCode::NO_CONTENT);
            }
            if let Some(to) = to {
                reply.headers_mut().insert(LOCATION, to);
            }
            let no_store = HeaderValue::from_static("no-store");
            reply.headers_mut().insert(CACHE_CONTROL, no_store);
            *reply.body_mut() = Sending::default();
        }
        if let Some(status) = status {
            let own = std::mem::replace(reply.status_mut(), status);
            if self.body.is_none() && own != status {
                retitle(reply, own);
            }
        }
        if let Some(body) = &self.body {
            *reply.body_mut() = Sending::new(body.clone());
        }
        if let Some(content_type) = &self.content_type {
            reply
                .headers_mut()
                .insert(CONTENT_TYPE, content_type.clone());
        }
        if reply.status() == StatusCode::NO_CONTENT || self.redirect.is_some() {
            reply.headers_mut().remove(CONTENT_TYPE);
        }
        if reply
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|it| it == "image/gif")
        {
            let no_store = HeaderValue::from_static("no-store");
            reply.headers_mut().insert(CACHE_CONTROL, no_store);
        }
    }
}

/// Has problem details say the status that the answer has (RFC 9457, 3.1.2), which was `own`.
fn retitle(reply: &mut Reply, own: StatusCode) {
    let words = |status: StatusCode| {
        let title = status.canonical_reason().unwrap_or("error");
        format!("\"title\":\"{title}\",\"status\":{}", status.as_u16())
    };
    let (before, after) = (words(own), words(reply.status()));
    let body = bytes_of(reply.body_mut());
    let at = memchr::memmem::find(&body, before.as_bytes());
    let body = at.map_or(body.clone(), |at| {
        [&body[..at], after.as_bytes(), &body[at + before.len()..]]
            .concat()
            .into()
    });
    *reply.body_mut() = Sending::new(body);
}

/// The bytes of a body, which has none from then on. A whole body is there at once.
pub(super) fn bytes_of(body: &mut Sending) -> Bytes {
    let mut context = Context::from_waker(Waker::noop());
    let frame = match Pin::new(body).poll_frame(&mut context) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
        _ => None,
    };
    frame.map_or_else(Bytes::new, |mut piece| {
        let bytes = piece.remaining();
        piece.copy_to_bytes(bytes)
    })
}

/// The content type of a body that says none: it isn't that of forebay's own, which it replaces.
fn type_of(body: &str) -> HeaderValue {
    match serde_json::from_str::<serde::de::IgnoredAny>(body) {
        Ok(_) => HeaderValue::from_static("application/json"),
        Err(_) => HeaderValue::from_static("text/plain; charset=utf-8"),
    }
}

fn redirect(answer: &Answer) -> Result<Option<Redirect>, String> {
    if answer.redirect.is_empty() && answer.location.is_none() {
        return match answer.allowed.is_empty() {
            true => Ok(None),
            false => Err("`allowed` says where to, but `redirect` names no source".into()),
        };
    }
    if !answer.redirect.is_empty() && answer.allowed.is_empty() {
        return Err("`redirect` would send clients anywhere that a link says; name the beginnings of good addresses in `allowed`".into());
    }
    if answer.gif || answer.body.is_some() || answer.r#type.is_some() {
        return Err("who is sent on gets no body".into());
    }
    for allowed in &answer.allowed {
        if !is_beginning(allowed) {
            return Err(format!(
                "{allowed:?} doesn't say where a host ends; write it like \"https://shop.example/\""
            ));
        }
    }
    let location = answer.location.as_deref().map(|location| {
        let value = HeaderValue::from_str(location).ok();
        value.filter(|_| is_beginning(location)).ok_or_else(|| {
            format!("{location:?} is no address; write it like \"https://shop.example/\"")
        })
    });
    Ok(Some(Redirect {
        allowed: answer.allowed.clone(),
        location: location.transpose()?,
    }))
}

/// Whether the text names a scheme, and a host up to its end.
fn is_beginning(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let is_scheme = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let end = rest.find(['/', '?']).unwrap_or(0);
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    is_scheme && !scheme.is_empty() && end > 0 && rest[..end].bytes().all(is_host)
}

impl Redirect {
    fn to(&self, target: Option<&[u8]>) -> Option<HeaderValue> {
        let is_plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b'\\';
        let is_allowed = |target: &&[u8]| {
            let mut allowed = self.allowed.iter();
            target.iter().all(is_plain) && allowed.any(|it| target.starts_with(it.as_bytes()))
        };
        let asked = target.filter(is_allowed);
        let asked = asked.and_then(|target| HeaderValue::from_bytes(target).ok());
        asked.or_else(|| self.location.clone())
    }
}

/// The answer of a route that takes no events, before it's made the route's own.
pub(super) fn nothing_taken() -> Reply {
    let mut reply = Reply::new(Sending::new(Bytes::from_static(b"{}")));
    let json = HeaderValue::from_static("application/json");
    reply.headers_mut().insert(CONTENT_TYPE, json);
    reply
}

/// The sources of where a client is sent on to.
pub(super) fn targets(answer: &Answer) -> Result<Vec<Source>, String> {
    let sources = answer.redirect.iter().map(|text| Source::parse(text));
    let sources: Vec<_> = sources.collect::<Result<_, _>>()?;
    if sources.contains(&Source::Address) {
        return Err("address: that is where the client is, and no address to send it on to; name another source".into());
    }
    match sources.iter().find(|source| !source.is_of_request()) {
        Some(source) => Err(format!(
            "{source} is in the body; a redirect is in the head"
        )),
        None => Ok(sources),
    }
}

#[cfg(test)]
mod tests;
