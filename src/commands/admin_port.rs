//! The admin port of a gateway that runs, asked by commands: over TLS if its address begins with `https`.
//!
//! Over TLS the port has to show a certificate that one of `--admin-ca` has signed, for the name or address in the URL. No authority of the
//! system is believed: whoever could have a certificate of one for that name would get the token.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Failure, control_runtime};
use crate::cli::Where;
use crate::config::Config;
use crate::tls;

/// How long the gateway may take to answer: a little longer than it takes at most.
const ANSWER_WITHIN: Duration = Duration::from_secs(35);

/// An admin port.
pub(super) struct AdminPort {
    url: String,
    authority: String,
    /// Over TLS: what it's known by, and its name.
    secure: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    token: Option<String>,
}

impl AdminPort {
    /// The one that is meant, or else the one of a configuration.
    pub(super) fn of(config: Option<&Config>, given: &Where) -> Result<AdminPort, Failure> {
        let url = match (&given.admin, config) {
            (Some(url), _) => url.clone(),
            (None, Some(config)) => url_of(config),
            (None, None) => return Err(Failure::usage("give --config FILE, or --admin URL")),
        };
        let wrong = |what: String| {
            Failure::usage(format!(
                "{url} {what}; give http://HOST:PORT or https://HOST:PORT"
            ))
        };
        let parsed: Uri = url
            .parse()
            .map_err(|error| wrong(format!("is no URL: {error}")))?;
        let authority = parsed.authority();
        let authority = authority.ok_or_else(|| wrong("has no host".into()))?;
        let port = match (parsed.port_u16(), parsed.scheme_str()) {
            (Some(port), _) => port,
            (None, Some("https")) => 443,
            (None, _) => 80,
        };
        let secure = match parsed.scheme_str() {
            Some("https") => Some(secure(&url, authority.host(), config, given)?),
            Some("http") => None,
            _ => return Err(wrong("is neither http nor https".into())),
        };
        let authority = format!("{}:{port}", authority.host());
        Ok(AdminPort {
            authority,
            secure,
            token: token_of(config, given.admin_token_file.as_deref())?,
            url,
        })
    }

    /// Status and body of what it answers.
    pub(super) fn ask(&self, method: Method, path: &str) -> Result<(u16, String), Failure> {
        let asking = async {
            let socket = TcpStream::connect(&self.authority).await;
            let socket = socket.map_err(|error| self.is_away(&error))?;
            let Some((config, name)) = &self.secure else {
                return self.ask_on(socket, method, path).await;
            };
            let connector = TlsConnector::from(Arc::clone(config));
            let secure = connector.connect(name.clone(), socket).await;
            let secure = secure.map_err(|error| self.is_away(&error))?;
            self.ask_on(secure, method, path).await
        };
        control_runtime()?.block_on(async {
            match tokio::time::timeout(ANSWER_WITHIN, asking).await {
                Ok(answered) => answered,
                Err(_) => Err(self.is_away(&"it takes too long")),
            }
        })
    }

    async fn ask_on(
        &self,
        socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        method: Method,
        path: &str,
    ) -> Result<(u16, String), Failure> {
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await;
        let (mut sender, connection) = handshake.map_err(|error| self.is_away(&error))?;
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.authority);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Full::<Bytes>::default());
        let request = request.map_err(|error| self.is_away(&error))?;
        let answer = sender.send_request(request).await;
        let answer = answer.map_err(|error| self.is_away(&error))?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await;
        let body = body.map_err(|error| self.is_away(&error))?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    fn is_away(&self, what: &dyn std::fmt::Display) -> Failure {
        Failure::unavailable(format!("no admin port answers at {}: {what}", self.url))
    }
}

impl std::fmt::Display for AdminPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.url)
    }
}

fn url_of(config: &Config) -> String {
    let scheme = match config.admin.tls.listener() {
        Some(_) => "https",
        None => "http",
    };
    format!("{scheme}://{}", config.admin.listen)
}

/// What a port that speaks TLS is known by, and its name.
fn secure(
    url: &str,
    host: &str,
    config: Option<&Config>,
    given: &Where,
) -> Result<(Arc<ClientConfig>, ServerName<'static>), Failure> {
    let of_config = config.and_then(|config| config.admin.tls.cert.as_ref());
    let ca = given.admin_ca.as_ref().or(of_config).ok_or_else(|| {
        Failure::usage(format!(
            "give --admin-ca FILE, which says who {url} has to be"
        ))
    })?;
    let trusting = tls::client::trusting(ca).map_err(Failure::usage)?;
    // An address of IPv6 stands in brackets.
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(name.to_owned());
    let name = name.map_err(|error| Failure::usage(format!("{url}: {error}")))?;
    Ok((Arc::new(trusting), name))
}

/// The admin port's token: what the file has, else what the configuration says.
fn token_of(config: Option<&Config>, file: Option<&Path>) -> Result<Option<String>, Failure> {
    let Some(file) = file else {
        let token = config.and_then(|config| config.admin.token.as_ref());
        return Ok(token.map(|token| token.trim().to_owned()));
    };
    let text = std::fs::read_to_string(file);
    let text =
        text.map_err(|error| Failure::usage(format!("can't read {}: {error}", file.display())))?;
    Ok(Some(text.trim().to_owned()))
}
