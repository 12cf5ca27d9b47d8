//! What a request is for: its stream, by path and method.

use std::sync::Arc;

use hyper::body::{Body as _, Incoming};
use hyper::{Method, Request, StatusCode};

use super::answer::Problem;
use super::head::{Lines, check_framing};
use super::shown::shown;
use super::snapshot::Snapshot;
use super::streams::Route;
use crate::route::KeySource;

/// What a request is for.
pub(super) struct Target<'a> {
    pub(super) route: &'a Arc<Route>,
    /// The key that the path has, if it's the stream's way to have one.
    pub(super) path_key: Option<Vec<u8>>,
}

/// Why a request is for no stream.
pub(super) enum Missed {
    /// Its path is none of a stream's. It may be a route's.
    Elsewhere,
    /// Something is wrong with it.
    Problem(Problem),
}

impl From<Problem> for Missed {
    fn from(problem: Problem) -> Missed {
        Missed::Problem(problem)
    }
}

/// The problem of a request whose path is nobody's.
#[cold]
pub(super) fn nowhere(request: &Request<Incoming>) -> Problem {
    let detail = "there is nothing here; send events to POST /v1/events/{stream}";
    Problem {
        close: !request.body().is_end_stream(),
        ..Problem::new(StatusCode::NOT_FOUND, "not_found", detail)
    }
}

/// Finds it, or says what is wrong with path or method, or with what decides where the request ends.
pub(super) fn find<'a>(
    snapshot: &'a Snapshot,
    request: &Request<Incoming>,
    lines: &Lines<'_>,
) -> Result<Target<'a>, Missed> {
    check_framing(request, lines)?;
    // A body that nobody reads ends the connection.
    let refusal = |status, code, detail| {
        Missed::Problem(Problem {
            close: !request.body().is_end_stream(),
            ..Problem::new(status, code, detail)
        })
    };
    let path = request.uri().path();
    let Some(rest) = path.strip_prefix(super::streams::PATH) else {
        return Err(Missed::Elsewhere);
    };
    // Not `split_once`, which takes several times as long for a byte.
    let (name, key) = match rest.bytes().position(|byte| byte == b'/') {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let Some(route) = snapshot.routes.get(name) else {
        if snapshot.gone.contains(name) {
            let detail =
                format!("stream {name:?} is gone, and takes nothing any more; stop sending to it");
            return Err(refusal(StatusCode::GONE, "gone", detail));
        }
        let detail = format!("there is no stream {}; check the path", shown(name));
        return Err(refusal(StatusCode::NOT_FOUND, "unknown_stream", detail));
    };
    match key {
        Some("") => {
            let detail = format!(
                "the path ends in a slash, with no key behind it; send to /v1/events/{name}, or with a key"
            );
            return Err(refusal(StatusCode::NOT_FOUND, "empty_key", detail));
        }
        Some(_) if !matches!(route.key, KeySource::Path) => {
            let detail = format!(
                "stream {name:?} doesn't take its key from the path; send to /v1/events/{name}"
            );
            return Err(refusal(StatusCode::NOT_FOUND, "unknown_stream", detail));
        }
        _ => {}
    }
    if request.method() != Method::POST {
        let detail = format!(
            "method {} is not possible here; use POST",
            shown(request.method().as_str())
        );
        return Err(refusal(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            detail,
        ));
    }
    let decoded = |key: &str| percent_encoding::percent_decode(key.as_bytes()).collect();
    Ok(Target {
        route,
        path_key: key.map(decoded),
    })
}
