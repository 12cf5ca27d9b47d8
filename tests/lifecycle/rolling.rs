//! A rolling restart behind the usual load balancers: no client sees a broken request.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::*;
use crate::support::http::Client;
use crate::support::{Program, program_or_skip};

/// What stands around `deploy/nginx/forebay.conf`.
const NGINX: &str = "daemon off;
master_process off;
pid FOLDER/pid;
error_log FOLDER/log;
events {}
http {
  access_log off;
  client_body_temp_path FOLDER/body;
  proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi;
  uwsgi_temp_path FOLDER/uwsgi;
  scgi_temp_path FOLDER/scgi;
";

pub(super) fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Where a gateway listens, before and after its restart.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) data: SocketAddr,
    pub(super) admin: SocketAddr,
}

impl Place {
    pub(super) fn at_free_ports() -> Place {
        let (data, admin) = (free(), free());
        Place { data, admin }
    }

    pub(super) fn start(self, config: &str) -> Gateway {
        let (data, admin) = (self.data.to_string(), self.admin.to_string());
        let env = [
            ("FOREBAY__HTTP__LISTEN", data.as_str()),
            ("FOREBAY__ADMIN__LISTEN", admin.as_str()),
            ("FOREBAY__SHUTDOWN__GRACE", "2s"),
            ("FOREBAY__SHUTDOWN__IDLE", "1s"),
        ];
        let gateway = Gateway::start_with_env(config, &env);
        gateway.wait_ready(4 * SOON);
        gateway
    }
}

/// The configuration of `deploy/` for a balancer that listens on `front`, with these gateways.
fn configured(name: &str, places: &[Place], front: SocketAddr, folder: &Path) -> String {
    let (file, listens) = match name {
        "haproxy" => ("deploy/haproxy/http.cfg", "bind :80"),
        _ => ("deploy/nginx/forebay.conf", "listen 80;"),
    };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(listens), "{text}");
    let text = text.replace(
        listens,
        &listens
            .replace(":80", "80")
            .replace("80", &front.to_string()),
    );
    let of = |(number, place): (usize, &Place)| match name {
        "haproxy" => format!(
            "  server s{number} {} port {}",
            place.data,
            place.admin.port()
        ),
        _ => format!("  server {} max_fails=1 fail_timeout=1s;", place.data),
    };
    let mut servers = places.iter().enumerate().map(of);
    // The servers of the file are three, one a line.
    let line = |line: &str| match line.contains(" 10.0.0.") {
        true => servers.next().unwrap_or_default(),
        false => line.to_owned(),
    };
    let text = text.lines().map(line).collect::<Vec<_>>().join("\n") + "\n";
    assert!(servers.next().is_none(), "{text}");
    match name {
        "haproxy" => text,
        _ => NGINX.replace("FOLDER", folder.to_str().unwrap()) + &text + "}\n",
    }
}

pub(super) fn balancer(name: &str, places: &[Place], folder: &Path) -> (Program, SocketAddr) {
    let front = free();
    let file = folder.join(name);
    std::fs::write(&file, configured(name, places, front, folder)).unwrap();
    let mut command = Command::new(name);
    match name {
        "haproxy" => command.arg("-db").arg("-f"),
        _ => command.arg("-c"),
    };
    command.arg(&file).stderr(Stdio::null());
    let balancer = Program(command.spawn().unwrap());
    eventually("the balancer listens", 4 * SOON, || {
        Client::try_connect(front).is_some()
    });
    (balancer, front)
}

/// Waits until an event gets through.
pub(super) fn wait_served(front: SocketAddr) {
    eventually("the balancer serves", 4 * SOON, || {
        let client = Client::try_connect(front);
        client.is_some_and(|mut client| {
            client.send(EVENTS, &[], EVENT.as_bytes()).is_ok()
                && client.answer().is_ok_and(|answer| answer.status == 200)
        })
    });
}

pub(super) fn has_balancers() -> bool {
    let haproxy = program_or_skip("haproxy", &["haproxy"]);
    haproxy.is_some() && program_or_skip("nginx", &["nginx-light"]).is_some()
}

/// Sends 25 requests per second over a kept connection until it's over, and notes what went wrong.
fn send(front: SocketAddr, is_over: &AtomicBool, wrong: &Mutex<Vec<String>>) -> u64 {
    let mut client = Client::connect(front);
    let (mut sent, begun) = (0, Instant::now());
    while !is_over.load(Relaxed) {
        let answer = client
            .send(EVENTS, &[], EVENT.as_bytes())
            .and_then(|()| client.answer());
        sent += 1;
        match answer {
            Ok(answer) if answer.status == 200 => {
                // The front may end a connection with an answer; that breaks nothing.
                if answer.header("connection") == Some("close") {
                    client = Client::connect(front);
                }
            }
            Ok(answer) => wrong.lock().unwrap().push(answer.text()),
            Err(error) => {
                wrong.lock().unwrap().push(error.to_string());
                client = Client::connect(front);
            }
        }
        let next = begun + sent * 40 * MS;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    u64::from(sent)
}

#[test]
fn a_rolling_restart_behind_haproxy_and_nginx_breaks_no_request() {
    if !has_balancers() {
        return;
    }
    let mock = mock();
    let config = config(mock.bootstrap(), "");
    let places = [(); 3].map(|()| Place::at_free_ports());
    let mut gateways = places.map(|place| Some(place.start(&config)));
    let folder = tempfile::tempdir().unwrap();
    let balancers = ["haproxy", "nginx"].map(|name| balancer(name, &places, folder.path()));
    balancers.iter().for_each(|(_, front)| wait_served(*front));
    let (is_over, wrong) = (AtomicBool::new(false), Mutex::default());
    let sent: u64 = std::thread::scope(|scope| {
        let senders: Vec<_> = balancers
            .iter()
            .flat_map(|(_, front)| [front; 10])
            .map(|front| scope.spawn(|| send(*front, &is_over, &wrong)))
            .collect();
        for (gateway, place) in gateways.iter_mut().zip(places) {
            // Each is stopped while the two others, and the one before it, serve.
            if let Some(gateway) = gateway.take() {
                gateway.stop();
            }
            *gateway = Some(place.start(&config));
            let served = || gateway.as_ref().unwrap().events("events", "acked");
            eventually("it's in use again", 4 * SOON, || served() > 50);
        }
        is_over.store(true, Relaxed);
        senders
            .into_iter()
            .map(|sender| sender.join().unwrap())
            .sum()
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {sent}: {wrong:?}", wrong.len());
    assert!(sent > 2_000, "{sent} requests");
}

/// Reads a request on each connection, answers it or ends without an answer, and counts.
fn stand_in(answer: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (mut read, mut bytes) = (Vec::new(), [0; 4096]);
            let is_whole = |read: &[u8]| {
                read.ends_with(b"}") || read.ends_with(b"\r\n\r\n") && read.starts_with(b"GET")
            };
            while !is_whole(&read) {
                match stream.read(&mut bytes) {
                    Ok(length) if length > 0 => read.extend(&bytes[..length]),
                    _ => break,
                }
            }
            counted.fetch_add(usize::from(is_whole(&read)), Relaxed);
            drop(stream.write_all(answer));
        }
    });
    (address, count)
}

#[test]
fn a_balancer_sends_nothing_twice_that_may_have_been_taken_and_goes_on_where_nothing_was() {
    const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    if !has_balancers() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (admin, _) = stand_in(OK);
    for name in ["haproxy", "nginx"] {
        let silent = [(); 3].map(|()| stand_in(b""));
        let places = [0, 1, 2].map(|at: usize| silent[at].0);
        let places = places.map(|data| Place { data, admin });
        let (_balancer, front) = balancer(name, &places, folder.path());
        let answer = Client::connect(front).post(EVENTS, &[], EVENT.as_bytes());
        assert_eq!(answer.status, 502, "{name}: {}", answer.text());
        let taken: usize = silent.iter().map(|(_, it)| it.load(Relaxed)).sum();
        assert_eq!(taken, 1, "{name}: who doesn't answer may have taken it");
        // Two of three refuse connections, and nobody has noticed yet.
        let (good, count) = stand_in(OK);
        let places = [free(), good, free()].map(|data| Place { data, admin });
        let (_balancer, front) = balancer(name, &places, folder.path());
        for _ in 0..6 {
            let answer = Client::connect(front).post(EVENTS, &[], EVENT.as_bytes());
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        }
        assert_eq!(count.load(Relaxed), 6, "{name}");
    }
}
