//! Settings of the admin port.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::tls;

/// `[admin]`: health, metrics and status for people and machines that operate forebay.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port of the admin port. Default `127.0.0.1:9090`: open it on purpose.
    pub listen: SocketAddr,
    /// After the start, `/readyz` waits this long for every cluster; from then on one reachable cluster is enough,
    /// because one sick cluster must not cost the others anything. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub wait_for_all: Duration,
    /// What has to be shown for a change, as `Authorization: Bearer TOKEN`. Default: none; whoever reaches the port may change then.
    pub token: Option<String>,
    /// What has to be shown by who only looks, in the same way; `token` is good for that as well. With it, everything but `/livez` and
    /// `/readyz` asks for one of them. Default: none.
    pub read_token: Option<String>,
    /// What the token is asked for. Default `changes`.
    pub token_for: TokenFor,
    /// TLS on it, instead of none.
    pub tls: Tls,
}

/// `[admin.tls]`: the certificate of the admin port. With one the port speaks TLS and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// File with the certificate and what it's signed by, up to the authority (PEM). Default: none, and no TLS.
    pub cert: Option<PathBuf>,
    /// File with its private key (PEM): PKCS #8, PKCS #1 or SEC 1. Default: none.
    pub key: Option<PathBuf>,
    /// How often the files are looked at; if they have changed, they are in force for the next connection. Default 10 s. 0: only when
    /// the configuration is reloaded.
    #[serde(with = "humantime_serde")]
    pub check_files: Duration,
}

impl Default for Tls {
    fn default() -> Self {
        Tls {
            cert: None,
            key: None,
            check_files: Duration::from_secs(10),
        }
    }
}

impl Tls {
    /// What TLS is begun with; nothing if it isn't spoken.
    pub fn listener(&self) -> Option<tls::Settings> {
        let (cert, key) = (self.cert.clone()?, self.key.clone()?);
        let files = tls::settings::Files { cert, key };
        Some(tls::Settings {
            certificates: BTreeMap::from([("admin".to_owned(), files)]),
            ..tls::Settings::default()
        })
    }

    /// Whether all that is needed is said; if not, the key and what to do.
    pub fn check(&self) -> Option<(&'static str, &'static str)> {
        match (&self.cert, &self.key) {
            (Some(_), None) => Some((
                "key",
                "there is a certificate without its key; give the file that has it",
            )),
            (None, Some(_)) => Some((
                "cert",
                "there is a key without its certificate; give the file that has it",
            )),
            _ => None,
        }
    }
}

/// What the token is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenFor {
    /// Whatever changes something: reloads and redrives.
    #[default]
    Changes,
    /// Everything but `/livez` and `/readyz`, and the page, which holds nothing by itself and asks for the token.
    All,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 9090)),
            wait_for_all: Duration::from_secs(10),
            token: None,
            read_token: None,
            token_for: TokenFor::default(),
            tls: Tls::default(),
        }
    }
}
