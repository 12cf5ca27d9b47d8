//! Certificates of the data port: read at the start and with each reload, and again when their files change.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::{Instant, sleep_until};

use super::beside::Beside;
use crate::config::Config;
use crate::http::Port;
use crate::tls;

/// What ALPN offers, the best first: one connection of HTTP/2 carries all of a client's requests.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// How long the files may take to be read.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// What TLS begins with by `config`; nothing if it isn't spoken. Sessions of `before` can be resumed.
pub(super) fn of(
    config: &Config,
    before: Option<&tls::Server>,
) -> Result<Option<Arc<tls::Server>>, String> {
    let settings = &config.http.tls;
    if settings.listen.is_none() {
        return Ok(None);
    }
    let server = tls::Server::build(settings, &PROTOCOLS, before);
    let server = server.map_err(|why| format!("http.tls: {why}"))?;
    Ok(Some(Arc::new(server)))
}

/// The same at the start.
pub(super) fn first(config: &Config) -> Result<Option<Arc<tls::Server>>> {
    of(config, None).map_err(|why| anyhow!(why))
}

/// Looks at the files now and then.
#[derive(Debug, Default)]
pub(super) struct Renewals {
    looked: Option<Instant>,
    /// What was wrong last time, so that it's said once.
    wrong: Option<String>,
}

impl Renewals {
    /// Waits until the files are to be looked at.
    pub(super) fn due(&mut self, settings: &tls::Settings) -> impl Future<Output = ()> + use<> {
        let looked = *self.looked.get_or_insert_with(Instant::now);
        let (every, is_wanted) = (settings.check_files, settings.listen.is_some());
        async move {
            match is_wanted && !every.is_zero() {
                true => sleep_until(looked + every).await,
                false => std::future::pending().await,
            }
        }
    }

    /// Puts certificates in force whose files have changed. One that can't be used leaves the old one there.
    pub(super) async fn look(&mut self, port: &Port, beside: &Beside) {
        self.looked = Some(Instant::now());
        let Some(now) = port.tls.load_full() else {
            return;
        };
        let reading = beside.run(READ_WITHIN, move || now.renewed());
        match reading.await.and_then(|read| read) {
            Ok(None) => self.wrong = None,
            Ok(Some(renewed)) => {
                port.tls.store(Some(Arc::new(renewed)));
                self.wrong = None;
                tracing::info!("certificates were renewed: their files have changed");
            }
            Err(why) => {
                if self.wrong.as_ref() != Some(&why) {
                    tracing::error!(
                        "certificates can't be renewed, and the old ones stay in force: {why}"
                    );
                }
                self.wrong = Some(why);
            }
        }
    }
}
