//! A rolling restart behind the usual load balancers: no client sees a broken request.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::*;
use crate::support::http::Client;
use crate::support::{Program, program_or_skip};

const HAPROXY: &str = "defaults
  mode http
  timeout connect 3s
  timeout client 30s
  timeout server 30s
  option redispatch
  http-reuse always
frontend front
  bind FRONT
  default_backend gateways
backend gateways
  option httpchk GET /readyz
  default-server check inter 300ms fall 1 rise 1
";
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
  upstream gateways {
SERVERS    keepalive 32;
  }
  server {
    listen FRONT;
    keepalive_requests 100000;
    location / {
      proxy_pass http://gateways;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_set_header Host $host;
    }
  }
}
";

fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Where a gateway listens, before and after its restart.
#[derive(Clone, Copy)]
struct Place {
    data: SocketAddr,
    admin: SocketAddr,
}

impl Place {
    fn start(self, bootstrap: &str) -> Gateway {
        let (data, admin) = (self.data.to_string(), self.admin.to_string());
        let env = [
            ("FOREBAY__HTTP__LISTEN", data.as_str()),
            ("FOREBAY__ADMIN__LISTEN", admin.as_str()),
            ("FOREBAY__SHUTDOWN__GRACE", "2s"),
            ("FOREBAY__SHUTDOWN__IDLE", "1s"),
        ];
        let gateway = Gateway::start_with_env(&config(bootstrap, ""), &env);
        gateway.wait_ready(4 * SOON);
        gateway
    }
}

fn balancer(name: &str, places: &[Place], folder: &Path) -> (Program, SocketAddr) {
    let front = free();
    let is_haproxy = name == "haproxy";
    let servers: String = places
        .iter()
        .enumerate()
        .map(|(number, Place { data, admin })| match is_haproxy {
            true => format!("  server s{number} {data} port {}\n", admin.port()),
            false => format!("    server {data} max_fails=1 fail_timeout=1s;\n"),
        })
        .collect();
    let text = if is_haproxy {
        HAPROXY.to_owned() + &servers
    } else {
        NGINX.replace("SERVERS", &servers)
    };
    let text = text.replace("FRONT", &front.to_string());
    let file = folder.join(name);
    std::fs::write(&file, text.replace("FOLDER", folder.to_str().unwrap())).unwrap();
    let mut command = Command::new(name);
    match is_haproxy {
        true => command.arg("-db").arg("-f"),
        false => command.arg("-c"),
    };
    command.arg(&file).stderr(Stdio::null());
    let balancer = Program(command.spawn().unwrap());
    eventually("the balancer serves", 4 * SOON, || {
        let client = Client::try_connect(front);
        client.is_some_and(|mut client| {
            client.send(EVENTS, &[], EVENT.as_bytes()).is_ok()
                && client.answer().is_ok_and(|answer| answer.status == 200)
        })
    });
    (balancer, front)
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
    let (Some(_), Some(_)) = (
        program_or_skip("haproxy", &["haproxy"]),
        program_or_skip("nginx", &["nginx-light"]),
    ) else {
        return;
    };
    let mock = mock();
    let places = [(); 3].map(|()| Place {
        data: free(),
        admin: free(),
    });
    let mut gateways = places.map(|place| Some(place.start(mock.bootstrap())));
    let folder = tempfile::tempdir().unwrap();
    let balancers = ["haproxy", "nginx"].map(|name| balancer(name, &places, folder.path()));
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
            *gateway = Some(place.start(mock.bootstrap()));
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
