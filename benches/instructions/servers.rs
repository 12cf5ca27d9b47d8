//! The servers: the gateway's own HTTP thread in front of a mock cluster, or hyper alone.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use forebay::budget::Budget;
use forebay::http::{self, Port, Route, Routes, Server, Snapshot, Stream, listener};
use forebay::lane::{self, Cluster, worker};
use forebay::lifecycle::{Life, Phase, Vitals};
use forebay::{decode, produce, route};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rdkafka::mocking::MockCluster;

/// A function that only the counted thread runs.
pub(crate) const MARK: &str = "hyper::proto::h";

const PARTITIONS: usize = 4;

/// Starts a server with one HTTP thread, lets `load` use it, and ends.
pub(crate) fn with<F: Future<Output = ()>>(
    is_bare: bool,
    is_http2: bool,
    load: impl FnOnce(SocketAddr) -> F,
) {
    let data = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = data.local_addr().expect("a bound port");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    if is_bare {
        std::thread::spawn(move || bare(data, is_http2));
        return tokio::task::LocalSet::new().block_on(&runtime, load(address));
    }
    let mock = MockCluster::new(1).expect("a mock cluster");
    mock.create_topic("events", PARTITIONS as i32, 1)
        .expect("a topic");
    let life = Life::default();
    let (server, port, cluster) = gateway(mock.bootstrap_servers(), &life);
    let worker = worker::spawn(Arc::clone(&cluster), Default::default()).expect("a thread");
    life.enter(Phase::Running);
    data.set_nonblocking(true).expect("a socket's mode");
    let data = vec![listener::Listening {
        socket: data,
        way: listener::Way::Plain,
        is_kept: false,
    }];
    let accept = listener::accept(data, Arc::clone(&port), life.watch(), |accepted| {
        server.deal(accepted)
    });
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        tokio::select! {
            ended = accept => panic!("the port was closed: {ended:?}"),
            () = load(address) => {}
        }
    });
    life.enter(Phase::Closing);
    cluster.drain(Duration::from_secs(1));
    worker.join().expect("the worker ends");
}

fn gateway(bootstrap: String, life: &Life) -> (Server, Arc<Port>, Arc<Cluster>) {
    let settings = http::Settings {
        threads: 1,
        // Everything is some fifty times slower under valgrind.
        answer_within: Duration::from_secs(60),
        ..http::Settings::default()
    };
    let budget = Budget::new(1 << 29);
    let topics = [lane::TopicOf::new("events", "events")];
    let cluster = Cluster::new(
        "bench",
        produce::Settings::new(bootstrap),
        lane::Settings::default(),
        topics,
        &budget,
        None,
    );
    cluster.set_partitions(0, PARTITIONS);
    let stream = route::Settings {
        key: Some("/user".into()),
        id: Some("/id".into()),
        ..route::Settings::new("bench")
    };
    let topic = &cluster.topics()[0];
    let route = Route::new(&Stream::of(topic), &stream, &cluster, topic);
    let routes = Routes::from_iter([("events".to_owned(), Arc::new(route.expect("a route")))]);
    let limits = decode::Settings::default().limits();
    let limits = limits.expect("the default limits");
    let lanes = lane::Settings::default();
    let snapshot = Snapshot::first(settings, Duration::ZERO, limits, lanes, routes);
    let port = Arc::new(Port {
        snapshot: arc_swap::ArcSwap::from_pointee(snapshot),
        replaced: tokio::sync::watch::Sender::default(),
        lingering: Default::default(),
        refusals: Default::default(),
        start: Instant::now(),
        unsorted: forebay::budget::Account::of_nobody(&budget),
        budget,
        framed: forebay::budget::Share::of_streams(),
        answers: forebay::budget::Share::of_answers(),
        tls: Default::default(),
        addresses: Default::default(),
    });
    let server =
        Server::spawn(&port, &life.watch(), &Vitals::new(&life.watch())).expect("a thread");
    (server, port, cluster)
}

fn bare(data: TcpListener, is_http2: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    data.set_nonblocking(true).expect("a socket's mode");
    runtime.block_on(async {
        let data = tokio::net::TcpListener::from_std(data).expect("a listener");
        while let Ok((socket, _)) = data.accept().await {
            let socket = TokioIo::new(socket);
            // The clients close when they are done, which is an error to some.
            tokio::spawn(async move {
                if is_http2 {
                    let builder = http2::Builder::new(TokioExecutor::new());
                    drop(builder.serve_connection(socket, service_fn(answer)).await);
                } else {
                    let builder = http1::Builder::new();
                    drop(builder.serve_connection(socket, service_fn(answer)).await);
                }
            });
        }
    });
}

async fn answer(request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let body = request.into_body().collect().await;
    let mut response = Response::new(Empty::new());
    *response.status_mut() = match body {
        Ok(_) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::BAD_REQUEST,
    };
    Ok(response)
}
