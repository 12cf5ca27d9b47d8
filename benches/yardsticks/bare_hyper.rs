//! The HTTP hop alone: hyper reads the whole body and answers 202. No gateway on hyper can be cheaper per request.
//!
//! Answered at once, closed loops keep the server busy without a pause, which is when a request is cheapest: nothing ever
//! sleeps or is woken, and caches are warm. *Held* answers wait for a beat first, as they wait for Kafka in the gateway, so
//! that both work at about the same rate, in bunches, with pauses between them.

use std::cell::RefCell;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};

use tokio::sync::Notify;

use super::threads;

thread_local! {
    static BEAT: RefCell<Option<Arc<Notify>>> = const { RefCell::new(None) };
}

/// Serves until standard input ends. Answers are held until the next beat, if there is one.
pub(crate) fn run(http2_only: bool, held: Option<Duration>) {
    threads::listen(move |socket| async move {
        let answer = move |request| async move {
            let answer = answer(request).await;
            if let Some(held) = held {
                next_beat(held).await;
            }
            answer
        };
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

/// Waits for the next of this thread's beats, which are `every` apart.
async fn next_beat(every: Duration) {
    let beat = BEAT.with_borrow_mut(|beat| {
        let start = || {
            let beat = Arc::new(Notify::new());
            let beating = Arc::clone(&beat);
            // HTTP/2's streams are tasks of the runtime itself, where local ones can't be started.
            tokio::spawn(async move {
                let mut times = tokio::time::interval(every);
                loop {
                    times.tick().await;
                    beating.notify_waiters();
                }
            });
            beat
        };
        Arc::clone(beat.get_or_insert_with(start))
    });
    beat.notified().await;
}
