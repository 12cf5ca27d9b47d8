//! Settings of the data port. Every one has a unit, a default and a reason; `deploy/forebay.toml` shows them all.

use std::net::SocketAddr;
use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

pub use super::address::AddressFrom;
use super::networks::Networks;
pub use super::routes::check as routes;
use crate::tls;

/// `[http]`: the data port, where SDKs and servers send events.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port of the data port. Default `0.0.0.0:8080`.
    pub listen: SocketAddr,
    /// Networks of load balancers, whose word is taken for where a request comes from. Default: none.
    pub trusted: Networks,
    /// Where the address of a client comes from. Default `connection`. The headers count only if the connection comes from `trusted`.
    pub address_from: AddressFrom,
    /// Each connection to `listen` begins with its client's address, in the PROXY protocol. Only networks in `trusted` may connect
    /// then. Default `false`.
    pub proxy_protocol: bool,
    /// Whether `listen` is served; if it isn't, TLS is the only way in (`[http.tls]`). Default `true`.
    pub plain: bool,
    /// Threads that serve connections, each with its own single-threaded runtime. 0, the default, means one per core.
    pub threads: usize,
    /// Largest body as sent, in bytes. Default 4 MiB: some thousand events, and still a small part of the budget.
    pub max_body: ByteSize,
    /// Largest body after decompression, in bytes. Default 16 MiB, so that a small bomb can't take the memory.
    pub max_decompressed: ByteSize,
    /// Largest request head (request line and headers), in bytes. Default 16 KiB; at least 8 KiB.
    /// Each open connection is charged this much, and 12 KiB, against the memory budget, because that is what it may make
    /// us hold.
    pub max_head: ByteSize,
    /// Headers of one request. Default 100, far more than SDKs and load balancers send: each costs some hundred bytes beside
    /// its text. 1 to 1,000.
    pub max_headers: usize,
    /// Open connections at once, all clients together. Default: 10,000, or as many as five eighths of `memory.budget` hold if
    /// that is fewer, so that a small budget needs no second setting. More wait in the kernel's backlog.
    pub max_connections: Option<usize>,
    /// Open connections at once from one client address, of IPv6 from one network of 64 bits. Default 0, which means no limit of its own:
    /// behind a load balancer all clients share a few addresses.
    pub max_connections_per_address: usize,
    /// Requests per second from one client address, with one second's worth at once; more is a 429. Default 0: no limit of its own, because
    /// behind a load balancer all clients share a few addresses.
    pub max_requests_per_address: u32,
    /// Requests per second from one client address that show no good key. With more of them, the address is refused before its keys are
    /// looked at. Default 0: no limit, for the same reason.
    pub max_failures_per_address: u32,
    /// The ways in which keys of sources are shown, for streams that don't say it themselves: `basic`, `bearer`, `header:NAME`,
    /// `query:NAME`, `hmac:HEADER …`, `mtls`. Default: none, which means that anybody may send.
    pub auth: Vec<String>,
    /// What pages of other origins are told, by its name in `[cors.NAME]`, where the stream doesn't say it. Default: nothing, so that
    /// browsers keep answers from them.
    pub cors: Option<String>,
    /// Time for which a connection is read from after its last answer, if its client may still be sending what was refused: a
    /// client that writes before it reads would lose the answer otherwise. Default 20 s: as long as a body may take.
    #[serde(with = "humantime_serde")]
    pub linger: Duration,
    /// Bytes that are read and dropped meanwhile, at most. Default 64 MiB: sixteen of the largest bodies, so that a client that
    /// sends far too much hears of it, and nobody sends for ever.
    pub linger_bytes: ByteSize,
    /// Connections that may do so at once; the others are closed at once. Default 1,000: a tenth of the connections. 0: none.
    pub max_lingering: usize,
    /// Concurrent HTTP/2 streams on one connection. Default 128.
    pub max_streams: u32,
    /// Time from the first byte of a request until its head is complete. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub head_timeout: Duration,
    /// Time from the head until the body is complete. Default 20 s.
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    /// Time for which a connection goes on that brings requests without a good key. Requests after it that show none end it; until then
    /// only those do whose bodies are larger than 16 KiB, or come late. Default 10 s: long enough that a flood of them costs less than as
    /// many good requests, and as short as a head may take, so that strangers hold no connections. 0: each ends its connection.
    #[serde(with = "humantime_serde")]
    pub refused_timeout: Duration,
    /// Time that a connection may rest between requests. Default 75 s: longer than the 60 s after which
    /// the usual load balancers close theirs, so that it's never we who close under a request.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// Every request is answered within this time after its body arrived, whatever Kafka does. Default 5 s,
    /// below the timeouts of the usual SDKs.
    #[serde(with = "humantime_serde")]
    pub answer_within: Duration,
    /// Time that a client may leave its answers untaken before its connection is closed: they are held for it meanwhile.
    /// Default 20 s, as long as a body may take to come.
    #[serde(with = "humantime_serde")]
    pub send_timeout: Duration,
    /// The data port over TLS.
    pub tls: tls::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            listen: SocketAddr::from(([0, 0, 0, 0], 8080)),
            trusted: Networks::default(),
            address_from: AddressFrom::default(),
            proxy_protocol: false,
            plain: true,
            threads: 0,
            max_body: ByteSize::mib(4),
            max_decompressed: ByteSize::mib(16),
            max_head: ByteSize::kib(16),
            max_headers: 100,
            max_connections: None,
            max_connections_per_address: 0,
            max_requests_per_address: 0,
            max_failures_per_address: 0,
            auth: Vec::new(),
            cors: None,
            linger: Duration::from_secs(20),
            linger_bytes: ByteSize::mib(64),
            max_lingering: 1_000,
            max_streams: 128,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(20),
            refused_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            answer_within: Duration::from_secs(5),
            send_timeout: Duration::from_secs(20),
            tls: tls::Settings::default(),
        }
    }
}

/// Open connections at once, if the budget is large enough and nothing else is said.
const CONNECTIONS: u64 = 10_000;
/// What a connection holds beside its read buffer: 8 KiB for hyper to write from, and 4 KiB for hyper's state, ours, and
/// the task.
pub const CONNECTION: ByteSize = ByteSize::kib(12);

impl Settings {
    /// What an open connection without TLS is charged, in bytes.
    pub fn connection_bytes(&self) -> u64 {
        self.max_head.0.saturating_add(CONNECTION.0)
    }

    /// What an open connection over TLS is charged, in bytes.
    pub fn secure_bytes(&self) -> u64 {
        self.connection_bytes() + self.tls.connection_bytes()
    }

    /// What the dearest of the open connections is charged, in bytes: one over TLS, if TLS is spoken.
    pub fn dearest_bytes(&self) -> u64 {
        match self.tls.listen {
            Some(_) => self.secure_bytes(),
            None => self.connection_bytes(),
        }
    }

    /// Open connections at once, if `budget_bytes` is what all memory may take.
    pub fn connections(&self, budget_bytes: u64) -> usize {
        // The rest is for what they send: a default must not let connections alone take what events need.
        let hold = || (budget_bytes / 8 * 5 / self.dearest_bytes()).clamp(1, CONNECTIONS);
        self.max_connections.unwrap_or_else(|| hold() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_follow_the_budget_unless_they_are_given() {
        let mut settings = Settings::default();
        let at = |settings: &Settings, mib: u64| settings.connections(mib << 20);
        assert_eq!(
            [512, 128, 64, 1].map(|mib| at(&settings, mib)),
            [10_000, 2_925, 1_462, 22]
        );
        settings.max_head = ByteSize::mib(1);
        assert_eq!([512, 1].map(|mib| at(&settings, mib)), [316, 1]);
        settings.max_connections = Some(7);
        assert_eq!(at(&settings, 64), 7);
    }

    #[test]
    fn where_tls_is_spoken_the_budget_holds_fewer_connections() {
        let mut settings = Settings::default();
        settings.tls.listen = Some(settings.listen);
        let at = |settings: &Settings| [2048, 512, 1].map(|mib| settings.connections(mib << 20));
        assert_eq!(at(&settings), [10_000, 4_311, 8]);
        settings.tls.client_certificates = tls::settings::ClientCertificates::Optional;
        assert_eq!(at(&settings), [10_000, 3_276, 6]);
    }
}
