//! Under systemd, without systemd: what it is told, the sockets that it passes on, and the units that `deploy/systemd` has.

mod inplace;
mod kept;
mod told;
mod units;

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;

use crate::support::eventually;
use crate::support::gateway::{Gateway, config};
use crate::support::mock::Mock;

const EVENTS: &str = "/v1/events/events";
const EVENT: &str = r#"{"user":"a","id":"1"}"#;
const SOON: Duration = Duration::from_secs(10);

/// Becomes the gateway as systemd starts it: what comes as standard input and output becomes descriptors 3 and 4.
const ACTIVATE: &str =
    "exec 3<&0 4<&1 </dev/null >/dev/null; export LISTEN_PID=$$ LISTEN_FDS=2; exec \"$@\"";

/// Sockets that outlive each gateway, as those of `forebay.socket` and `forebay-admin.socket`.
struct Sockets([TcpListener; 2]);

impl Sockets {
    fn open() -> Sockets {
        Sockets([(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap()))
    }

    /// Starts a gateway on them, under these names. Its log, if it ends instead.
    fn start(&self, names: &str, config: &str, env: &[(&str, &str)]) -> Result<Gateway, String> {
        let given = self
            .0
            .each_ref()
            .map(|socket| Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
        let env = [&[("LISTEN_FDNAMES", names)], env].concat();
        Gateway::try_start_given(given, &["sh", "-c", ACTIVATE, "sh"], config, &[], &env)
    }
}

fn mock() -> Mock {
    Mock::start(1, &[("events", 1)])
}
