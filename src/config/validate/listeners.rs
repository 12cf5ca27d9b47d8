//! What must hold of what listens, and of TLS.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::Config;
use super::problems::Problems;
use crate::admin::settings::TokenFor;
use crate::http::settings::AddressFrom;

const TICK: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// The shortest token.
const TOKEN_MIN: usize = 16;
/// Most handshakes at once.
const HANDSHAKES_MAX: usize = 1_000_000;

pub(super) fn check(config: &Config, problems: &mut Problems) {
    let Config { http, admin, .. } = config;
    let all = [
        ("http.listen", http.plain.then_some(http.listen)),
        ("http.tls.listen", http.tls.listen),
        ("admin.listen", Some(admin.listen)),
    ];
    let all: Vec<_> = { all.into_iter() }
        .filter_map(|(name, address)| Some((name, address?)))
        .collect();
    for (at, (name, address)) in all.iter().enumerate() {
        for (other, taken) in &all[..at] {
            if collide(*address, *taken) {
                let what =
                    format!("{address} is the same port as {other}, {taken}; give each its own");
                problems.add(*name, what);
            }
        }
    }
    if !http.plain && http.tls.listen.is_none() {
        let what = "nothing listens for events then; set http.tls.listen, or leave it true";
        problems.add("http.plain", what);
    }
    balancers(config, problems);
    tls(config, problems);
    tokens(config, problems);
    if let Some((key, what)) = admin.tls.check() {
        problems.add(format!("admin.tls.{key}"), what);
    }
    let every = admin.tls.check_files;
    problems.lasts("admin.tls.check_files", every, Duration::ZERO, HOUR);
}

/// Tokens that can't be guessed, and one for changes wherever one is for looking.
fn tokens(config: &Config, problems: &mut Problems) {
    let admin = &config.admin;
    let tokens = [
        ("admin.token", &admin.token),
        ("admin.read_token", &admin.read_token),
    ];
    for (key, token) in tokens {
        let length = token.as_ref().map(|token| token.trim().len());
        if length.is_some_and(|length| length < TOKEN_MIN) {
            let what = format!(
                "it's shorter than {TOKEN_MIN} characters, which can be guessed; give a longer one"
            );
            problems.add(key, what);
        }
    }
    if admin.token.is_none() && admin.token_for == TokenFor::All {
        let what = "there is no token that could be asked for; set admin.token";
        problems.add("admin.token_for", what);
    }
    let same = |one: &String, other: &String| one.trim() == other.trim();
    match (&admin.token, &admin.read_token) {
        (None, Some(_)) => {
            let what = "there is none for changes, so anybody could make them; set admin.token";
            problems.add("admin.read_token", what);
        }
        (Some(token), Some(read)) if same(token, read) => {
            let what = "it's that of admin.token; give another one, or none";
            problems.add("admin.read_token", what);
        }
        _ => {}
    }
}

/// Nobody's word is taken for where a request comes from unless it's trusted.
fn balancers(config: &Config, problems: &mut Problems) {
    let http = &config.http;
    let wanting = [
        ("http.proxy_protocol", http.proxy_protocol),
        ("http.tls.proxy_protocol", http.tls.proxy_protocol),
        (
            "http.address_from",
            http.address_from != AddressFrom::Connection,
        ),
    ];
    for (key, _) in wanting.iter().filter(|(_, is_set)| *is_set) {
        if http.trusted.is_empty() {
            let what = "no network is trusted to say whose a request is; name those of your load balancers in http.trusted";
            problems.add(*key, what);
        }
    }
}

fn tls(config: &Config, problems: &mut Problems) {
    let settings = &config.http.tls;
    for (key, what) in settings.check() {
        problems.add(format!("http.tls.{key}"), what);
    }
    let within = settings.handshake_timeout;
    problems.lasts("http.tls.handshake_timeout", within, TICK, MINUTE);
    let every = settings.check_files;
    problems.lasts("http.tls.check_files", every, Duration::ZERO, HOUR);
    let most = settings.max_handshakes;
    problems.within("http.tls.max_handshakes", most, 1, HANDSHAKES_MAX);
}

/// Whether one process can't listen on both. Port 0 means any free port.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let same_host = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.port() != 0 && same_host
}
