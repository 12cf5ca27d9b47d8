//! Certificates of the data port: read at the start and with each reload, and again when their files change.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::{Instant, sleep_until};

use super::beside::Looking;
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

/// How long files that have changed have to stay as they are before they are taken: somebody may be writing them, and a chain that is
/// cut behind its first certificate looks whole.
const SETTLES: Duration = Duration::from_millis(300);

/// A look: what was in force when it began, and what is to be instead, if the files have changed.
pub(super) type Looked = (Arc<tls::Server>, Result<Option<tls::Server>, String>);

/// Looks at the files now and then.
#[derive(Default)]
pub(super) struct Renewals {
    looked: Option<Instant>,
    /// What was wrong last time, so that it's said once.
    wrong: Option<String>,
    pub(super) looking: Looking<Looked>,
}

impl Renewals {
    /// Waits until the files are to be looked at.
    pub(super) fn due(&mut self, settings: &tls::Settings) -> impl Future<Output = ()> + use<> {
        let looked = *self.looked.get_or_insert_with(Instant::now);
        let is_wanted = settings.listen.is_some() && !self.looking.is_under_way();
        let every = settings.check_files;
        async move {
            match is_wanted && !every.is_zero() {
                true => sleep_until(looked + every).await,
                false => std::future::pending().await,
            }
        }
    }

    /// Begins a look.
    pub(super) fn begin(&mut self, port: &Port) {
        self.looked = Some(Instant::now());
        if let Some(now) = port.tls.load_full() {
            self.looking.begin(READ_WITHIN, move || {
                let renewed = renewed(&now);
                (now, renewed)
            });
        }
    }

    /// Puts certificates in force whose files have changed. One that can't be used leaves the old one there.
    pub(super) fn take(&mut self, port: &Port, looked: Result<Looked, String>) {
        let renewed = looked.and_then(|(was, renewed)| {
            let now = port.tls.load_full();
            // A reload came between, which has read the files as well.
            match now.is_some_and(|now| Arc::ptr_eq(&now, &was)) {
                true => renewed,
                false => Ok(None),
            }
        });
        match renewed {
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

/// What is to be in force instead of `now`, if the files have changed and stay so.
fn renewed(now: &tls::Server) -> Result<Option<tls::Server>, String> {
    let Some(first) = now.renewed()? else {
        return Ok(None);
    };
    std::thread::sleep(SETTLES);
    // What is still written is looked at next time.
    let second = now.renewed()?;
    Ok(second.filter(|second| second.has_files_of(&first)))
}
