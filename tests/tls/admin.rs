//! The admin port over TLS.

use super::*;
use crate::support::command::{Ended, run};
use crate::support::http::Client;

/// The section of the certificate `admin`.
fn section(authority: &Authority) -> String {
    let [cert, key] = ["admin.pem", "admin.key"].map(|file| authority.path(file));
    format!("[admin.tls]\ncert = {cert:?}\nkey = {key:?}\ncheck_files = \"100ms\"\n")
}

/// What `forebay reload` says of the port at this URL, with these arguments.
fn reload(url: &str, more: &[&str]) -> Ended {
    run(&[&["reload", "--admin", url], more].concat(), &[])
}

#[test]
fn the_admin_port_speaks_tls_and_commands_ask_it() {
    let (authority, strangers) = (Authority::new("servers"), Authority::new("others"));
    authority.write("admin", &NAMES);
    let mock = Mock::start(1, &[("events", 1)]);
    let token = "[admin]\ntoken = \"a-token-of-some-length\"\n";
    let text = config(mock.bootstrap(), &format!("{token}{}", section(&authority)));
    let gateway = Gateway::start(&text);
    let client = secure::client(&authority, None);
    let get = |path: &str| {
        let mut client = secure::connect(gateway.admin, &client, "localhost").unwrap();
        client.get(path).status
    };
    assert_eq!(get("/livez"), 200);
    eventually("ready", 6 * SOON, || get("/readyz") == 200);
    // Without TLS there is no answer.
    let mut plain = Client::connect(gateway.admin);
    plain
        .write(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n")
        .unwrap();
    assert!(plain.answer().is_err());
    let url = format!("https://{}", gateway.admin);
    let ca = |authority: &Authority| authority.file().display().to_string();
    let (good, strange) = (ca(&authority), ca(&strangers));
    let file = authority.path("token");
    std::fs::write(&file, "a-token-of-some-length\n\n").unwrap();
    let token = ["--admin-token-file", file.to_str().unwrap()];
    let with = |more: &[&str]| reload(&url, &[&token, more].concat());
    let done = with(&["--admin-ca", &good, "--dry-run"]);
    assert_eq!(
        (done.code, &*done.out),
        (Some(0), "nothing changes\n"),
        "{done:?}"
    );
    let refused = with(&["--admin-ca", &strange]);
    assert_eq!(refused.code, Some(69), "{refused:?}");
    assert!(refused.err.contains("certificate"), "{refused:?}");
    assert_eq!(with(&[]).code, Some(64));
    let without = reload(&url, &["--admin-ca", &good]);
    assert!(
        without.code == Some(69) && without.err.contains("show the token"),
        "{without:?}"
    );
    let other_name = format!("https://127.0.0.2:{}", gateway.admin.port());
    assert_eq!(reload(&other_name, &["--admin-ca", &good]).code, Some(69));
    gateway.stop();
}

#[test]
fn the_admin_ports_certificate_is_renewed_and_a_reload_begins_and_ends_tls() {
    let authority = Authority::new("servers");
    authority.write("admin", &NAMES);
    let mock = Mock::start(1, &[("events", 1)]);
    let [plain, with] =
        [String::new(), section(&authority)].map(|section| config(mock.bootstrap(), &section));
    let gateway = Gateway::ready(&plain);
    let client = secure::client(&authority, None);
    let shown = || {
        let client = secure::connect(gateway.admin, &client, "localhost").ok()?;
        let shown = client.socket.conn.peer_certificates()?.first()?;
        Some(shown.clone().into_owned())
    };
    assert_eq!(shown(), None);
    gateway.rewrite(&with);
    let (status, answer) = gateway.reload("");
    assert_eq!(status, 200, "{answer}");
    assert!(shown().is_some());
    for _ in 0..2 {
        let next = authority.write("admin", &NAMES).certificate;
        eventually("the new one is shown", SOON, || {
            shown().as_ref() == Some(&next)
        });
    }
    let (url, ca) = (format!("https://{}", gateway.admin), authority.file());
    gateway.rewrite(&plain);
    let done = reload(&url, &["--admin-ca", ca.to_str().unwrap()]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!((shown(), gateway.get("/livez").0), (None, 200));
    gateway.stop();
}
