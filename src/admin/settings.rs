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
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 9090)),
            wait_for_all: Duration::from_secs(10),
        }
    }
}
