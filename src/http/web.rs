//! Requests of pages, of whichever origin: what their browsers have to be told, on every answer.
//!
//! A request of an origin that isn't listed is refused before its body is read. It can be sent all the same, by pages that don't ask
//! before: the page then can't read its answer, and its SDK would send the events again.
//!
//! What hyper answers by itself has nothing of this: a head that can't be read names no origin.

use std::sync::Arc;

use hyper::body::Body;
use hyper::header::{ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, ORIGIN, VARY};
use hyper::{Method, Request, Response, StatusCode};

use super::access::{Access, Gate};
use super::answer::{Problem, Reply};
use super::head::{Lines, check_framing};
use super::routes::Endpoints;
use super::sending::Sending;
use crate::auth::Refusal;

/// A request to what pages may send to.
#[derive(Debug)]
pub(super) struct Web {
    gate: Arc<Gate>,
    /// What its page's origin is allowed as.
    allowed: Option<HeaderValue>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// No page sends it, or the browser doesn't say which.
    Plain,
    /// A page sends it.
    Sent,
    /// A browser asks whether a page may send it.
    Preflight,
}

impl Web {
    /// Of a request whose head is still there. Nothing where pages are told nothing.
    pub(super) fn of<B: Body>(
        access: &Access,
        request: &Request<B>,
        routes: &Endpoints,
    ) -> Option<Box<Web>> {
        if !access.has_cors() {
            return None;
        }
        let headers = request.headers();
        let asked = headers.get(ACCESS_CONTROL_REQUEST_METHOD);
        let asked = asked.filter(|_| request.method() == Method::OPTIONS);
        let method = asked.and_then(|method| Method::from_bytes(method.as_bytes()).ok());
        let method = method.as_ref().unwrap_or(request.method());
        let gate = access.of_page(request.uri().path(), method, routes);
        let cors = gate.cors.as_ref()?;
        let origin = headers.get(ORIGIN);
        Some(Box::new(Web {
            allowed: origin.and_then(|origin| cors.allowed(origin)),
            kind: match origin {
                None => Kind::Plain,
                // A preflight has no body. With one it's a request like any other.
                Some(_) if asked.is_some() && request.body().is_end_stream() => Kind::Preflight,
                Some(_) => Kind::Sent,
            },
            gate: Arc::clone(gate),
        }))
    }

    /// The answer before anything else is looked at: to a preflight, and to pages that may not send.
    pub(super) fn answer<B: Body>(&self, request: &Request<B>) -> Option<Result<Reply, Problem>> {
        match (self.kind, &self.allowed) {
            (Kind::Plain, _) | (Kind::Sent, Some(_)) => None,
            _ if let Err(problem) = check_framing(request, &Lines::of(request.headers())) => {
                Some(Err(problem))
            }
            (Kind::Preflight, Some(_)) => Some(Ok(self.preflight())),
            (Kind::Preflight | Kind::Sent, None) => {
                let why = Refusal::OriginNotAllowed;
                Some(Err(Problem {
                    close: !request.body().is_end_stream(),
                    ..Problem::new(StatusCode::FORBIDDEN, why.code(), why.to_string())
                }))
            }
        }
    }

    fn preflight(&self) -> Reply {
        let mut reply = Response::new(Sending::default());
        *reply.status_mut() = StatusCode::NO_CONTENT;
        if let Some(cors) = &self.gate.cors {
            let headers = reply.headers_mut();
            cors.write_preflight(&self.gate.methods, headers);
            let asked = "access-control-request-method, access-control-request-headers";
            headers.append(VARY, HeaderValue::from_static(asked));
        }
        reply
    }

    /// Writes into an answer what its browser has to know.
    pub(super) fn write(self, reply: &mut Reply) {
        if let Some(cors) = &self.gate.cors {
            cors.write(self.allowed, reply.headers_mut());
        }
    }
}
