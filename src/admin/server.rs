//! The admin port's server: few requests, small answers, on the control thread. It speaks TLS if it has a certificate (`[admin.tls]`), and
//! then nothing else.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::audit::{self, Who};
use super::guard::is_reading;
use super::page;
use super::view::View;
use crate::tls;

/// Connections at once; a monitoring system needs a handful.
const MAX_CONNECTIONS: usize = 64;
/// How long a handshake may take, and a head.
const BEGUN_WITHIN: Duration = Duration::from_secs(10);
/// A connection that lives longer is closed: monitoring systems connect again, and nothing can hang.
const LIFETIME: Duration = Duration::from_secs(60);

/// Serves until the future is dropped.
pub async fn serve(listener: std::net::TcpListener, view: Arc<View>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return Ok(());
        };
        let (socket, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "an admin connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let view = Arc::clone(&view);
        tokio::spawn(async move {
            // Each connection begins with what is in force then.
            let served = async {
                match view.tls.load_full() {
                    None => serve_on(socket, peer, view).await,
                    Some(server) => {
                        if let Some(secure) = shake(socket, &server).await {
                            serve_on(secure, peer, view).await;
                        }
                    }
                }
            };
            drop(tokio::time::timeout(LIFETIME, served).await);
            drop(permit);
        });
    }
}

/// Does a handshake, or gives up.
async fn shake(socket: TcpStream, server: &tls::Server) -> Option<TlsStream<TcpStream>> {
    let acceptor = TlsAcceptor::from(Arc::clone(server.config()));
    let accept = acceptor.accept_with(socket, |it| {
        it.set_buffer_limit(Some(tls::server::OUT_BYTES));
    });
    match tokio::time::timeout(BEGUN_WITHIN, accept).await {
        Ok(Ok(secure)) => Some(secure),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a handshake with the admin port failed");
            None
        }
        Err(_) => None,
    }
}

/// Serves what comes over one connection.
async fn serve_on(
    socket: impl AsyncRead + AsyncWrite + Unpin,
    address: SocketAddr,
    view: Arc<View>,
) {
    let service = service_fn(move |request| {
        let view = Arc::clone(&view);
        async move {
            let (token, verdict) = view.guard.judge(&request);
            let who = Who { address, token };
            if let Err(status) = verdict {
                if !is_reading(&request) {
                    view.guard
                        .attempts
                        .refused(who, request.uri().path(), status);
                }
                return Ok(refused(status));
            }
            // Whether the process lives is told without waiting for anything, and the page holds nothing of it.
            if !matches!(request.uri().path(), "/livez" | "/") {
                view.sampler.refresh().await;
            }
            Ok::<_, Infallible>(match *request.method() {
                Method::POST => change(&view, who, &request).await,
                _ => answer(&view, &request),
            })
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(BEGUN_WITHIN)
        .serve_connection(TokioIo::new(socket), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "an admin connection ended with an error");
    }
}

/// Changes something, if there is such a change.
async fn change(view: &Arc<View>, who: Who, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let (path, query) = (request.uri().path(), request.uri().query());
    let query = query.unwrap_or_default();
    let (status, body) = match path {
        "/reload" => view.reloads.answer(query).await,
        "/dead/redrive" => view.redrive(query),
        _ => return answer(view, request),
    };
    audit::answered(who, path, query, status, &body);
    reply(status, "application/json", format!("{body:#}\n"))
}

fn answer(view: &Arc<View>, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if matches!(request.uri().path(), "/dead/redrive" | "/reload") {
        return use_post();
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return reply(
            StatusCode::METHOD_NOT_ALLOWED,
            "text/plain",
            "use GET\n".into(),
        );
    }
    match request.uri().path() {
        "/livez" => reply(StatusCode::OK, "text/plain", "alive\n".into()),
        "/readyz" => {
            let readiness = view.readiness();
            let (status, word) = if readiness.ready {
                (StatusCode::OK, "ready")
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "not ready")
            };
            let lines: String = readiness
                .reasons
                .iter()
                .map(|reason| format!("{reason}\n"))
                .collect();
            reply(status, "text/plain", format!("{word}\n{lines}"))
        }
        "/metrics" => reply(
            StatusCode::OK,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            view.metrics(),
        ),
        "/status" => json(&view.status()),
        "/lanes" => json(&view.lanes()),
        "/dead" => json(&view.dead()),
        "/openapi.json" => json(&view.openapi()),
        "/config" => reply(
            StatusCode::OK,
            "application/toml",
            view.reloads.loaded().text.clone(),
        ),
        "/history" => json(&view.history.status()),
        "/" => page::answer(),
        _ => reply(
            StatusCode::NOT_FOUND,
            "text/plain",
            "there is /livez, /readyz, /metrics, /status, /lanes, /dead, /history, /config, /openapi.json and /; POST /dead/redrive, POST /reload\n".into(),
        ),
    }
}

fn json(value: &serde_json::Value) -> Response<Full<Bytes>> {
    reply(StatusCode::OK, "application/json", format!("{value:#}\n"))
}

fn refused(status: StatusCode) -> Response<Full<Bytes>> {
    let what = match status {
        StatusCode::FORBIDDEN => "this token (admin.read_token) may look and change nothing\n",
        _ => {
            "show the token (admin.token, or admin.read_token to look) as Authorization: Bearer TOKEN\n"
        }
    };
    let mut answer = reply(status, "text/plain", what.into());
    if status == StatusCode::UNAUTHORIZED {
        let scheme = HeaderValue::from_static("Bearer");
        answer.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    }
    answer
}

fn use_post() -> Response<Full<Bytes>> {
    let mut answer = reply(
        StatusCode::METHOD_NOT_ALLOWED,
        "text/plain",
        "use POST\n".into(),
    );
    let allowed = HeaderValue::from_static("POST");
    answer.headers_mut().insert(ALLOW, allowed);
    answer
}

fn reply(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}
