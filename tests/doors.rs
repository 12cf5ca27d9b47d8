//! Behind load balancers: whose a connection is, in the PROXY protocol, and who may say so.

mod addresses;

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::certificates::Authority;
use crate::support::gateway::{Gateway, config};
use crate::support::http::Client;
use crate::support::mock::Mock;
use crate::support::{Program, eventually, program_or_skip, secure};

const EVENTS: &str = "/v1/events/events";
const EVENT: &str = r#"{"user":"a","id":"1"}"#;
const JSON: (&str, &str) = ("content-type", "application/json");
const SOON: Duration = Duration::from_secs(5);

fn started(http: &str) -> (Mock, Gateway) {
    let mock = Mock::start(1, &[("events", 1)]);
    let gateway = Gateway::ready(&config(mock.bootstrap(), &format!("[http]\n{http}\n")));
    (mock, gateway)
}

/// A connection that begins with these bytes.
fn begun(gateway: &Gateway, head: &[u8]) -> Client {
    let mut client = gateway.client();
    client.write(head).unwrap();
    client
}

fn is_served(client: &mut Client) -> bool {
    let sent = client.send(EVENTS, &[], EVENT.as_bytes());
    sent.is_ok() && client.answer().is_ok_and(|answer| answer.status == 200)
}

fn first(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 127.0.0.1 4711 80\r\n").into_bytes()
}

fn second(client: [u8; 4]) -> Vec<u8> {
    let signature = b"\r\n\r\n\0\r\nQUIT\n";
    let ports = [18, 103, 0, 80];
    [
        &signature[..],
        &[0x21, 0x11, 0, 12],
        &client,
        &[127, 0, 0, 1],
        &ports,
    ]
    .concat()
}

#[test]
fn the_address_that_a_balancer_names_is_the_one_that_connections_are_counted_by() {
    let (_mock, gateway) = started(
        "trusted = [\"127.0.0.0/8\"]\nproxy_protocol = true\nmax_connections_per_address = 1",
    );
    let mut one = begun(&gateway, &first("192.0.2.1"));
    assert!(is_served(&mut one));
    // The same client by the other version, and in two pieces; then another client.
    let head = second([192, 0, 2, 1]);
    let mut again = begun(&gateway, &head[..9]);
    again.write(&head[9..]).unwrap();
    assert!(again.until_closed(SOON).is_some());
    assert_eq!(gateway.refused("too_many_connections"), 1);
    let mut other = begun(&gateway, &second([192, 0, 2, 2]));
    assert!(is_served(&mut other) && is_served(&mut one));
    drop(one);
    eventually("its client may come again", SOON, || {
        is_served(&mut begun(&gateway, &first("192.0.2.1")))
    });
    // A balancer that asks for itself is counted by its own address.
    let mut own = begun(&gateway, b"PROXY UNKNOWN\r\n");
    assert!(is_served(&mut own));
}

#[test]
fn what_begins_with_no_head_of_a_trusted_balancer_is_closed_and_counted() {
    let (_mock, gateway) =
        started("trusted = [\"127.0.0.1\"]\nproxy_protocol = true\nhead_timeout = \"500ms\"");
    for wrong in [
        &b"POST / HTTP/1.1\r\n"[..],
        b"PROXY TCP4 nobody\r\n",
        &[b'x'; 5000],
    ] {
        assert!(begun(&gateway, wrong).until_closed(SOON).is_some());
    }
    assert_eq!(gateway.refused("proxy_malformed"), 3);
    for stalled in [
        &b""[..],
        b"PROXY TCP4 192.0.2.1",
        &second([192, 0, 2, 1])[..20],
    ] {
        assert!(begun(&gateway, stalled).until_closed(SOON).is_some());
    }
    assert_eq!(gateway.refused("proxy_timeout"), 3);
    let stranger =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    stranger
        .bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into())
        .unwrap();
    stranger.connect(&gateway.data.into()).unwrap();
    let mut stranger = Client::over(TcpStream::from(stranger));
    stranger.write(&first("192.0.2.1")).unwrap();
    assert!(stranger.until_closed(SOON).is_some());
    assert_eq!(gateway.refused("proxy_untrusted"), 1);
    // A look at whether the port is open is no refusal.
    drop(gateway.client());
    assert!(is_served(&mut begun(&gateway, &first("192.0.2.1"))));
    assert_eq!(gateway.refused_in_all(), 7);
}

fn haproxy(server: SocketAddr, send: &str, folder: &Path) -> Option<(Program, SocketAddr)> {
    let program = program_or_skip("haproxy", &["haproxy"])?;
    let front = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = front.local_addr().unwrap();
    drop(front);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/haproxy/tcp.cfg");
    let text = std::fs::read_to_string(file).unwrap();
    let text = text.replace("bind :443", &format!("bind {address}"));
    // The other version as well; and one gateway, whose health is another test's subject.
    let text = text.replace(
        "check port 9090 inter 500ms fall 2 rise 2 send-proxy-v2",
        send,
    );
    let lines = text.lines().filter(|line| !line.contains(" 10.0.0."));
    let text = lines.collect::<Vec<_>>().join("\n") + &format!("\n  server gateway {server}\n");
    assert!(text.contains(&format!("default-server {send}\n")), "{text}");
    let file = folder.join(send);
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(program);
    command.args(["-db", "-f"]).arg(&file).stderr(Stdio::null());
    let balancer = Program(command.spawn().unwrap());
    eventually("haproxy listens", SOON, || {
        TcpStream::connect(address).is_ok()
    });
    Some((balancer, address))
}

/// Connects from an address of this machine's own network.
fn from(client: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((client, 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.into()
}

#[test]
fn haproxy_says_whose_a_connection_is_in_both_versions_and_before_tls() {
    let authority = Authority::new("servers");
    authority.write("main", &["localhost"]);
    let tls = format!(
        "[http.tls]\nlisten = \"127.0.0.1:0\"\nproxy_protocol = true\n{}",
        authority.section("main")
    );
    let (_mock, gateway) = started(&format!(
        "trusted = [\"127.0.0.1\"]\nproxy_protocol = true\nmax_connections_per_address = 1\n{tls}"
    ));
    let folder = tempfile::tempdir().unwrap();
    let client = secure::client(&authority, None);
    for (number, send) in [(3, "send-proxy"), (4, "send-proxy-v2")] {
        let Some((_balancer, front)) = haproxy(gateway.data, send, folder.path()) else {
            return;
        };
        let mut one = Client::over(from([127, 0, 1, number], front));
        assert!(is_served(&mut one), "{send}");
        let mut same = Client::over(from([127, 0, 1, number], front));
        assert!(!is_served(&mut same), "{send}: it has one already");
        let mut other = Client::over(from([127, 0, 2, number], front));
        assert!(is_served(&mut other), "{send}");
        let secured = haproxy(gateway.tls.unwrap(), send, folder.path());
        let (_secured, front) = secured.unwrap();
        let connect = |address| secure::on(from(address, front), &client, "localhost");
        let mut one = connect([127, 0, 3, number]).unwrap();
        assert_eq!(one.post_json("events", EVENT).status, 200, "{send}");
        assert!(
            connect([127, 0, 3, number]).is_err(),
            "{send}: it has one already"
        );
        assert!(connect([127, 0, 4, number]).is_ok(), "{send}");
    }
}

#[test]
fn what_changes_something_needs_the_admin_ports_token() {
    let mock = Mock::start(1, &[("events", 1)]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "a token of some length\n").unwrap();
    let admin = |more: &str| format!("[admin]\ntoken = \"${{file:{}}}\"\n{more}", file.display());
    let gateway = Gateway::ready(&config(mock.bootstrap(), &admin("")));
    let post = |path: &str, token: &str| {
        let shown = format!("Bearer {token}");
        let headers = [("authorization", shown.as_str())];
        Client::connect(gateway.admin)
            .post(path, &headers, b"")
            .status
    };
    for path in ["/reload", "/dead/redrive"] {
        let answer = Client::connect(gateway.admin).post(path, &[], b"");
        assert_eq!(answer.status, 401, "{}", answer.text());
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert_eq!(post(path, "a token of some other"), 401);
    }
    assert_eq!(post("/reload", "a token of some length"), 200);
    let (status, shown) = gateway.get("/config");
    assert_eq!(status, 200);
    assert!(
        !shown.contains("some length") && shown.contains("token = \"***\""),
        "{shown}"
    );
    // The command shows what the configuration says, or what a file has.
    let url = format!("http://{}", gateway.admin);
    let reload = |arguments: &[&std::ffi::OsStr]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_forebay"));
        command.args(["reload", "--admin", &url]).args(arguments);
        command.stderr(Stdio::null()).stdout(Stdio::null());
        command.status().unwrap().code()
    };
    assert_eq!(reload(&[]), Some(69));
    assert_eq!(
        reload(&["--config".as_ref(), gateway.file().as_ref()]),
        Some(0)
    );
    assert_eq!(
        reload(&["--admin-token-file".as_ref(), file.as_ref()]),
        Some(0)
    );
    // Another token, and for everything, from the next reload on.
    gateway.rewrite(&config(mock.bootstrap(), &admin("token_for = \"all\"\n")));
    std::fs::write(&file, "another token of some length").unwrap();
    assert_eq!(post("/reload", "a token of some length"), 200);
    assert_eq!(post("/reload", "a token of some length"), 401);
    assert_eq!(post("/reload", "another token of some length"), 200);
    let get = |path: &str| gateway.get(path).0;
    assert_eq!(
        [
            get("/livez"),
            get("/readyz"),
            get("/status"),
            get("/metrics")
        ],
        [200, 200, 401, 401]
    );
}
