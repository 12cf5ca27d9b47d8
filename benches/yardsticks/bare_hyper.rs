//! The HTTP hop alone: hyper reads the whole body and answers 202 at once. No gateway on hyper can be cheaper per request.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::threads;

/// Serves until standard input ends.
pub(crate) fn run(http2_only: bool) {
    threads::listen(move |socket| async move {
        // The load generator closes connections when it ends, which is an error to some.
        if http2_only {
            let builder = http2::Builder::new(TokioExecutor::new());
            drop(
                builder
                    .serve_connection(TokioIo::new(socket), service_fn(answer))
                    .await,
            );
        } else {
            let mut builder = http1::Builder::new();
            builder.pipeline_flush(true);
            drop(
                builder
                    .serve_connection(TokioIo::new(socket), service_fn(answer))
                    .await,
            );
        }
    });
}

async fn answer(request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let body = request.into_body().collect().await;
    let is_whole = body.is_ok_and(|body| !body.to_bytes().is_empty());
    let status = if is_whole {
        StatusCode::ACCEPTED
    } else {
        StatusCode::BAD_REQUEST
    };
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    Ok(response)
}
