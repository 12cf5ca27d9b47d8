//! The prototype: what one writes in an afternoon. hyper, one `ThreadedProducer` (acks=all, idempotent), a borrowed parse
//! by serde, one send per event, and 200 when the last event of the request is acknowledged. It has no limits, no deadline,
//! no metrics, and keeps no order when a send fails.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use forebay::route::partition_of;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer};
use serde::Deserialize;
use tokio::sync::oneshot;

use super::threads;
use crate::endtoend::work::Target;

/// What a request waits for.
struct Waiting {
    open: AtomicUsize,
    failed: AtomicBool,
    done: Mutex<Option<oneshot::Sender<()>>>,
}

impl Waiting {
    fn close(&self, count: usize, failed: bool) {
        if failed {
            self.failed.store(true, Release);
        }
        if self.open.fetch_sub(count, AcqRel) == count {
            let done = self
                .done
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(done) = done {
                // The client may have gone.
                done.send(()).unwrap_or_default();
            }
        }
    }
}

struct Reports;

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = Arc<Waiting>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Arc<Waiting>) {
        waiting.close(1, result.is_err());
    }
}

#[derive(Deserialize)]
struct Keyed<'a> {
    #[serde(borrow)]
    user: Cow<'a, str>,
}

struct Toy {
    producer: ThreadedProducer<Reports>,
    topic: String,
    partitions: usize,
}

/// Serves until standard input ends.
pub(crate) fn run(target: &Target) {
    let producer = ClientConfig::new()
        .set("bootstrap.servers", &target.bootstrap)
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("linger.ms", target.linger_ms.to_string())
        .set("compression.type", &target.compression)
        .create_with_context(Reports)
        .expect("a producer");
    let toy = Arc::new(Toy {
        producer,
        topic: target.topic.clone(),
        partitions: target.partitions,
    });
    threads::listen(move |socket| {
        let toy = Arc::clone(&toy);
        async move {
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder.http1().pipeline_flush(true);
            let service = service_fn(move |request| answer(Arc::clone(&toy), request));
            // The load generator closes connections when it ends, which is an error to some.
            drop(
                builder
                    .serve_connection(TokioIo::new(socket), service)
                    .await,
            );
        }
    });
}

async fn answer(
    toy: Arc<Toy>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let reply = |status: StatusCode, text: String| {
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = status;
        Ok(response)
    };
    let body = match request.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return reply(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let events = match parse(&body) {
        Ok(events) => events,
        Err(error) => return reply(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let (done, finished) = oneshot::channel();
    let waiting = Arc::new(Waiting {
        open: AtomicUsize::new(events.len()),
        failed: AtomicBool::new(false),
        done: Mutex::new(Some(done)),
    });
    for (payload, key) in &events {
        let record = BaseRecord::with_opaque_to(&toy.topic, Arc::clone(&waiting))
            .payload(*payload)
            .key(key.as_ref())
            .partition(partition_of(key.as_bytes(), toy.partitions) as i32);
        if toy.producer.send(record).is_err() {
            waiting.close(1, true);
        }
    }
    if finished.await.is_err() || waiting.failed.load(Acquire) {
        return reply(
            StatusCode::SERVICE_UNAVAILABLE,
            "not all events are stored".into(),
        );
    }
    reply(
        StatusCode::OK,
        format!(r#"{{"accepted":{}}}"#, events.len()),
    )
}

/// The events of an object, an array or lines, with their keys.
fn parse(body: &[u8]) -> serde_json::Result<Vec<(&[u8], Cow<'_, str>)>> {
    let mut events = Vec::new();
    let mut at = 0;
    loop {
        while body
            .get(at)
            .is_some_and(|byte| matches!(byte, b'[' | b']' | b',') || byte.is_ascii_whitespace())
        {
            at += 1;
        }
        let mut values = serde_json::Deserializer::from_slice(&body[at..]).into_iter::<Keyed<'_>>();
        let Some(event) = values.next() else { break };
        let end = at + values.byte_offset();
        events.push((&body[at..end], event?.user));
        at = end;
    }
    Ok(events)
}
