//! The servers: the gateway's own HTTP thread in front of a mock cluster, or hyper alone.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use forebay::budget::Budget;
use forebay::http::access::{self, Access};
use forebay::http::routes::check::make;
use forebay::http::{self, Port, Route, Routes, Server, Snapshot, Stream, listener};
use forebay::lane::{self, Cluster, worker};
use forebay::lifecycle::{Life, Phase, Vitals};
use forebay::{auth, decode, produce, route, tls};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rdkafka::mocking::MockCluster;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

/// A function that only the counted thread runs.
pub(crate) const MARK: &str = "hyper::proto::h";

const PARTITIONS: usize = 4;

/// What bodies are signed with.
pub(crate) const SECRET: &str = "a secret of the bench";

/// The key of a source, by number.
pub(crate) fn key_of(number: usize) -> String {
    format!("key-of-the-bench-{number:06}")
}

/// What stands behind the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// hyper alone.
    Bare,
    /// The gateway, with nothing configured but a stream.
    Native,
    /// The gateway, with sources and routes. The stream asks for a bearer's key, or a signature.
    Guarded {
        /// Keys of sources.
        keys: usize,
        /// Routes; one of them is asked.
        routes: usize,
    },
}

/// The names of the threads that serve.
pub(crate) const THREADS: [&str; 2] = ["http-0", "bare"];

/// Starts a server with one HTTP thread, lets `load` use it, and ends. It speaks TLS if it's said how.
pub(crate) fn with<F: Future<Output = ()>>(
    what: What,
    is_http2: bool,
    secure: Option<&Arc<tls::Server>>,
    load: impl FnOnce(SocketAddr) -> F,
) {
    let data = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = data.local_addr().expect("a bound port");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    if what == What::Bare {
        let config = secure.map(|server| Arc::clone(server.config()));
        let bare = move || bare(data, is_http2, config);
        let thread = std::thread::Builder::new().name(THREADS[1].into());
        thread.spawn(bare).expect("a thread");
        return tokio::task::LocalSet::new().block_on(&runtime, load(address));
    }
    let mock = MockCluster::new(1).expect("a mock cluster");
    mock.create_topic("events", PARTITIONS as i32, 1)
        .expect("a topic");
    let life = Life::default();
    let (server, port, cluster) = gateway(mock.bootstrap_servers(), what, &life);
    port.tls.store(secure.map(Arc::clone));
    let worker = worker::spawn(Arc::clone(&cluster), Default::default()).expect("a thread");
    life.enter(Phase::Running);
    data.set_nonblocking(true).expect("a socket's mode");
    let data = vec![listener::Listening {
        socket: data,
        way: match secure {
            Some(_) => listener::Way::Tls,
            None => listener::Way::Plain,
        },
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
    // Else the counted thread is the last to have a configuration, or not, and drops ten thousand keys.
    std::mem::forget(port);
    life.enter(Phase::Closing);
    cluster.drain(Duration::from_secs(1));
    worker.join().expect("the worker ends");
}

fn gateway(bootstrap: String, what: What, life: &Life) -> (Server, Arc<Port>, Arc<Cluster>) {
    let settings = http::Settings {
        threads: 1,
        // Everything is some fifty times slower under valgrind.
        answer_within: Duration::from_secs(60),
        refused_timeout: Duration::from_secs(600),
        head_timeout: Duration::from_secs(60),
        body_timeout: Duration::from_secs(60),
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
        auth: (what != What::Native).then(|| {
            ["hmac:x-signature source=signer", "bearer"]
                .map(str::to_owned)
                .into()
        }),
        ..route::Settings::new("bench")
    };
    let topic = &cluster.topics()[0];
    let route = Route::new(&Stream::of(topic), &stream, &cluster, topic);
    let routes = Routes::from_iter([("events".to_owned(), Arc::new(route.expect("a route")))]);
    let limits = decode::Settings::default().limits();
    let limits = limits.expect("the default limits");
    let lanes = lane::Settings::default();
    let mut snapshot = Snapshot::first(settings, Duration::ZERO, limits, lanes, routes);
    if let What::Guarded { keys, routes } = what {
        let streams = BTreeMap::from([("events".to_owned(), stream)]);
        guard(&mut snapshot, &streams, keys, routes);
    }
    let port = Arc::new(Port {
        is_kept: false,
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

/// Puts so many keys and routes in front of the stream.
fn guard(
    snapshot: &mut Snapshot,
    streams: &BTreeMap<String, route::Settings>,
    keys: usize,
    routes: usize,
) {
    let config = config(keys, routes);
    let config: Front = toml::from_str(&config).expect("a configuration");
    let endpoints = make(&config.routes, streams).expect("routes");
    let parts = access::Parts {
        sources: &config.sources,
        cors: &BTreeMap::new(),
        http: &http::Settings::default(),
        streams,
        routes: &config.routes,
    };
    let access = Access::new(&parts, None, Duration::ZERO).expect("sources");
    (snapshot.endpoints, snapshot.access) = (Arc::new(endpoints), access);
}

/// What is in front of the stream.
#[derive(serde::Deserialize)]
struct Front {
    sources: BTreeMap<String, auth::settings::Settings>,
    routes: BTreeMap<String, http::settings::routes::Settings>,
}

fn config(keys: usize, routes: usize) -> String {
    let mut config = format!("[sources.signer]\nsecrets = [\"{SECRET}\"]\n");
    for key in 0..keys {
        config += &format!("[sources.s{key}]\nkeys = [\"{}\"]\n", key_of(key));
    }
    for route in 0..routes {
        config += &format!(
            "[routes.r{route}]\npaths = [\"/sdk/r{route}/v1/{{t|track}}\"]\nstream = \"events\"\nkey = [\"/userId\", \"/user\"]\n\
             time = [\"/timestamp\", \"/time\"]\ntimestamp = \"event\"\nauth = [\"basic\"]\n\
             [routes.r{route}.headers]\nsent-by = [\"header:user-agent\"]\nkind = [\"/type\"]\n",
        );
    }
    config
}

fn bare(data: TcpListener, is_http2: bool, secure: Option<Arc<ServerConfig>>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    data.set_nonblocking(true).expect("a socket's mode");
    runtime.block_on(async {
        let data = tokio::net::TcpListener::from_std(data).expect("a listener");
        while let Ok((socket, _)) = data.accept().await {
            let secure = secure.clone();
            tokio::spawn(async move {
                let Some(secure) = secure else {
                    return serve(socket, is_http2).await;
                };
                socket.set_nodelay(true).expect("a socket's mode");
                let accepted = TlsAcceptor::from(secure).accept(socket).await;
                serve(accepted.expect("TLS"), is_http2).await;
            });
        }
    });
}

async fn serve(socket: impl AsyncRead + AsyncWrite + Unpin + 'static, is_http2: bool) {
    let socket = TokioIo::new(socket);
    // The clients close when they are done, which is an error to some.
    if is_http2 {
        let builder = http2::Builder::new(TokioExecutor::new());
        drop(builder.serve_connection(socket, service_fn(answer)).await);
    } else {
        let builder = http1::Builder::new();
        drop(builder.serve_connection(socket, service_fn(answer)).await);
    }
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
