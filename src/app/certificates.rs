//! Certificates of the data port and the admin port: read at the start and with each reload, and again when their files change.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::time::{Instant, sleep_until};

use super::beside::Looking;
use crate::admin::View;
use crate::config::Config;
use crate::http::Port;
use crate::lifecycle::{Phase, Watch, reached};
use crate::tls;

/// What ALPN offers, the best first: one connection of HTTP/2 carries all of a client's requests.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// How long the files may take to be read.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// What TLS begins with on each port that speaks it.
#[derive(Default)]
pub(super) struct Certificates {
    pub(super) data: Option<Arc<tls::Server>>,
    pub(super) admin: Option<Arc<tls::Server>>,
}

impl Certificates {
    /// Those in force.
    pub(super) fn now(port: &Port, view: &View) -> Certificates {
        Certificates {
            data: port.tls.load_full(),
            admin: view.tls.load_full(),
        }
    }

    /// Those of `config`. Sessions of these can be resumed. The error names the section.
    pub(super) fn next(&self, config: &Config) -> Result<Certificates, String> {
        let data = Some(&config.http.tls).filter(|it| it.listen.is_some());
        let admin = config.admin.tls.listener();
        Ok(Certificates {
            data: build("http.tls", data, &PROTOCOLS, self.data.as_deref())?,
            admin: build(
                "admin.tls",
                admin.as_ref(),
                &PROTOCOLS[1..],
                self.admin.as_deref(),
            )?,
        })
    }

    /// Those at the start.
    pub(super) fn first(config: &Config) -> Result<Certificates> {
        let first = Certificates::default().next(config);
        first.map_err(|why| anyhow!(why))
    }

    /// Puts them in force for new connections.
    pub(super) fn put_in_force(self, port: &Port, view: &View) {
        port.tls.store(self.data);
        view.tls.store(self.admin);
    }
}

fn build(
    section: &str,
    settings: Option<&tls::Settings>,
    protocols: &[&[u8]],
    before: Option<&tls::Server>,
) -> Result<Option<Arc<tls::Server>>, String> {
    let built = settings.map(|settings| tls::Server::build(settings, protocols, before));
    let built = built.transpose();
    built
        .map(|server| server.map(Arc::new))
        .map_err(|why| format!("{section}: {why}"))
}

/// How long files that have changed have to stay as they are before they are taken: somebody may be writing them, and a chain that is
/// cut behind its first certificate looks whole.
const SETTLES: Duration = Duration::from_millis(300);

/// A look: what was in force when it began, and what is to be instead, if the files have changed.
type Looked = (Arc<tls::Server>, Result<Option<tls::Server>, String>);

/// Looks at the files of both ports now and then, until the process stops. A reload that reads them at the same time may put in force what
/// they held a moment ago; the next look makes that good.
pub(super) async fn renew(
    config: Arc<ArcSwap<Config>>,
    port: Arc<Port>,
    view: Arc<View>,
    mut watch: Watch,
) {
    let mut closing = std::pin::pin!(reached(&mut watch, Phase::Closing));
    let mut replaced = port.replaced.subscribe();
    let [mut data, mut admin] = ["data", "admin"].map(Renewals::of);
    loop {
        let every = {
            let config = config.load();
            [config.http.tls.check_files, config.admin.tls.check_files]
        };
        tokio::select! {
            () = &mut closing => return,
            // What is looked at, and how often, may be another now.
            changed = replaced.changed() => if changed.is_err() { return },
            () = data.due(&port.tls, every[0]) => data.begin(&port.tls),
            looked = data.looking.looked() => data.take(&port.tls, looked),
            () = admin.due(&view.tls, every[1]) => admin.begin(&view.tls),
            looked = admin.looking.looked() => admin.take(&view.tls, looked),
        }
    }
}

/// Where a port has what its connections begin with.
type Slot = ArcSwapOption<tls::Server>;

/// Looks at the files of one port now and then.
struct Renewals {
    /// The port, for the log.
    port: &'static str,
    looked: Option<Instant>,
    /// What was wrong last time, so that it's said once.
    wrong: Option<String>,
    looking: Looking<Looked>,
}

impl Renewals {
    /// Of this port.
    fn of(port: &'static str) -> Renewals {
        Renewals {
            port,
            looked: None,
            wrong: None,
            looking: Looking::default(),
        }
    }

    /// Waits until the files are to be looked at.
    fn due(&mut self, slot: &Slot, every: Duration) -> impl Future<Output = ()> + use<> {
        let looked = *self.looked.get_or_insert_with(Instant::now);
        let is_wanted = slot.load().is_some() && !self.looking.is_under_way();
        async move {
            match is_wanted && !every.is_zero() {
                true => sleep_until(looked + every).await,
                false => std::future::pending().await,
            }
        }
    }

    /// Begins a look.
    fn begin(&mut self, slot: &Slot) {
        self.looked = Some(Instant::now());
        if let Some(now) = slot.load_full() {
            self.looking.begin(READ_WITHIN, move || {
                let renewed = renewed(&now);
                (now, renewed)
            });
        }
    }

    /// Puts certificates in force whose files have changed. One that can't be used leaves the old one there.
    fn take(&mut self, slot: &Slot, looked: Result<Looked, String>) {
        let renewed = looked.and_then(|(was, renewed)| {
            let now = slot.load_full();
            // A reload came between, which has read the files as well.
            match now.is_some_and(|now| Arc::ptr_eq(&now, &was)) {
                true => renewed,
                false => Ok(None),
            }
        });
        let port = self.port;
        match renewed {
            Ok(None) => self.wrong = None,
            Ok(Some(renewed)) => {
                slot.store(Some(Arc::new(renewed)));
                self.wrong = None;
                tracing::info!(port, "certificates were renewed: their files have changed");
            }
            Err(why) => {
                if self.wrong.as_ref() != Some(&why) {
                    tracing::error!(
                        port,
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
