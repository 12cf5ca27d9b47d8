//! Clients as people use them, over TLS.

use std::process::{Command, Stdio};

use super::*;
use crate::support::program_or_skip;

/// What a command printed.
#[track_caller]
fn output(command: &mut Command) -> String {
    let ended = command.stdin(Stdio::null()).output().unwrap();
    let (out, err) = (ended.stdout, ended.stderr);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(ended.status.success(), "{}{}", text(&out), text(&err));
    text(&out)
}

#[test]
fn curl_and_python_are_served_in_each_version_of_http_and_of_tls() {
    let (Some(curl), Some(python)) = (
        program_or_skip("curl", &["curl", "ca-certificates"]),
        program_or_skip("python3", &["python3"]),
    ) else {
        return;
    };
    let world = World::new("");
    let (ca, port) = (world.authority.file(), world.address().port());
    let url = format!("https://localhost:{port}{EVENTS}");
    let rows = [
        ("--http1.1", "1.1", "--tlsv1.3", "1.3"),
        ("--http2", "2", "--tlsv1.3", "1.3"),
        ("--http2", "2", "--tlsv1.2", "1.2"),
    ];
    for (http, spoken, tls, most) in rows {
        let mut curl = Command::new(&curl);
        curl.args(["-sS", http, tls, "--tls-max", most, "--cacert"])
            .arg(&ca)
            .args(["-w", " %{http_version}", "-d", EVENT, "-H"])
            .args(["content-type: application/json", &url]);
        let said = output(&mut curl);
        assert!(
            said.contains(r#""accepted":1"#) && said.ends_with(&format!(" {spoken}")),
            "{http} {tls}: {said}"
        );
    }
    let script = "import http.client, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
client = http.client.HTTPSConnection('localhost', int(sys.argv[2]), context=context)
for _ in range(3):
    client.request('POST', sys.argv[3], sys.argv[4], {'content-type': 'application/json'})
    print(client.getresponse().read().decode())";
    let mut python = Command::new(python);
    python.args(["-c", script]).arg(&ca);
    python.args([&port.to_string(), EVENTS, EVENT]);
    let said = output(&mut python);
    assert_eq!(said.matches(r#""accepted":1"#).count(), 3, "{said}");
    world.gateway.stop();
}

#[test]
fn a_client_that_speaks_no_tls_is_closed_and_counted_and_harms_nobody() {
    let world = World::new("");
    let mut plain = crate::support::http::Client::connect(world.address());
    plain.send(EVENTS, &[], EVENT.as_bytes()).unwrap();
    assert!(plain.until_closed(SOON).is_some());
    assert_eq!(world.refused("tls_malformed"), 1);
    // A look at whether the port is open is no failure.
    drop(std::net::TcpStream::connect(world.address()).unwrap());
    let client = secure::client(&world.authority, None);
    assert_eq!(world.post(&client).unwrap(), 200);
    assert_eq!(world.gateway.refused_in_all(), 1);
}

#[test]
fn both_ports_serve_and_tls_may_be_the_only_one() {
    let world = World::new("");
    let client = secure::client(&world.authority, None);
    assert_eq!(world.post(&client).unwrap(), 200);
    assert_eq!(
        world.gateway.client().post_json("events", EVENT).status,
        200
    );
    let only = World::with("[http]\nplain = false", "");
    let client = secure::client(&only.authority, None);
    assert_eq!(only.post(&client).unwrap(), 200);
    assert!(
        only.gateway.data.ip().is_unspecified(),
        "nothing else listens"
    );
}
