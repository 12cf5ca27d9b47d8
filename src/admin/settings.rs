//! Settings of the admin port.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

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
    /// What the token is asked for. Default `changes`.
    pub token_for: TokenFor,
}

/// What the token is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenFor {
    /// Whatever changes something: reloads and redrives.
    #[default]
    Changes,
    /// Everything but `/livez` and `/readyz`.
    All,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 9090)),
            wait_for_all: Duration::from_secs(10),
            token: None,
            token_for: TokenFor::default(),
        }
    }
}
