//! Which certificate is shown, which clients are let in, and how both change.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use rustls::HandshakeKind;

use super::*;
use crate::support::certificates::Signed;

fn shown(world: &World, name: &str) -> Vec<u8> {
    let client = secure::client(&world.authority, None);
    let client = secure::connect(world.address(), &client, name).unwrap();
    let all = client.socket.conn.peer_certificates().unwrap();
    all[0].to_vec()
}

#[test]
fn each_name_has_its_certificate_and_an_unknown_one_the_default() {
    let authority = Authority::new("servers");
    let main = authority.write("main", &NAMES);
    let wild = authority.write("wild", &["*.sdk.example", "other.org"]);
    let sections = authority.section("wild");
    let world = World::of(
        authority,
        "",
        &format!("default_certificate = \"main\"\n{sections}"),
    );
    let is = |name: &str, signed: &Signed| shown(&world, name) == signed.certificate.as_ref();
    assert!(is("localhost", &main) && is("127.0.0.1", &main));
    assert!(is("a.sdk.example", &wild) && is("other.org", &wild));
    let client = secure::client(&world.authority, None);
    let unknown = secure::connect(world.address(), &client, "unknown.org");
    assert!(unknown.is_err(), "it gets the default, and refuses it");
    eventually("it's counted", SOON, || {
        world.refused("tls_refused_by_client") == 1
    });
    assert_eq!(world.post(&client).unwrap(), 200);
}

#[test]
fn a_client_that_trusts_another_authority_refuses_and_is_counted() {
    let world = World::new("");
    let strange = secure::client(&Authority::new("strangers"), None);
    assert!(world.post(&strange).is_err());
    eventually("it's counted", SOON, || {
        world.refused("tls_refused_by_client") == 1
    });
    let client = secure::client(&world.authority, None);
    assert_eq!(world.post(&client).unwrap(), 200);
}

#[test]
fn only_clients_with_a_good_certificate_are_let_in_where_it_is_required() {
    let phones = Authority::new("phones");
    let wanted = |asked: &str| {
        format!(
            "client_certificates = {asked:?}\nclient_ca = {:?}",
            phones.file()
        )
    };
    for (asked, without) in [("required", false), ("optional", true)] {
        let world = World::new(&wanted(asked));
        let known = phones.sign(&["phone.example"], "phone 1");
        let known = secure::client(&world.authority, Some(&known));
        assert_eq!(world.post(&known).unwrap(), 200);
        // A session that is resumed shows it again.
        assert_eq!(world.post(&known).unwrap(), 200);
        let strange = Authority::new("phones").sign(&["phone.example"], "phone 1");
        let strange = secure::client(&world.authority, Some(&strange));
        assert!(world.post(&strange).is_err());
        let unknown = secure::client(&world.authority, None);
        assert_eq!(world.post(&unknown).is_ok(), without, "{asked}");
        let refused = if without { 1 } else { 2 };
        eventually("they are counted", SOON, || {
            world.refused("tls_client_certificate") == refused
        });
    }
}

/// Requests that are sent until it's over.
#[derive(Default)]
struct Traffic {
    is_over: AtomicBool,
    sent: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

impl Traffic {
    /// Sends on one connection, or on a new one each time.
    fn send(&self, address: SocketAddr, client: &Arc<rustls::ClientConfig>, is_kept: bool) {
        let mut kept = None;
        while !self.is_over.load(Relaxed) {
            let mut once = || {
                let mut connection = match kept.take() {
                    Some(kept) => kept,
                    None => secure::connect(address, client, "localhost")?,
                };
                connection.send(EVENTS, &[], EVENT.as_bytes())?;
                let status = connection.answer()?.status;
                kept = is_kept.then_some(connection);
                std::io::Result::Ok(status)
            };
            self.sent.fetch_add(1, Relaxed);
            match once() {
                Ok(200) => {}
                other => self.wrong.lock().unwrap().push(format!("{other:?}")),
            }
            std::thread::sleep(5 * MS);
        }
    }
}

#[test]
fn a_certificate_is_renewed_under_traffic_and_no_request_fails() {
    let mock = Mock::start(1, &[("events", 1)]);
    let authority = Authority::new("servers");
    let first = authority.write("main", &NAMES);
    let text = configuration(&mock, &authority, "", "check_files = \"100ms\"");
    let world = World {
        gateway: Gateway::ready(&text),
        _mock: mock,
        authority,
    };
    let traffic = Traffic::default();
    let client = secure::client(&world.authority, None);
    let is_shown = |signed: &Signed| shown(&world, "localhost") == signed.certificate.as_ref();
    std::thread::scope(|scope| {
        for is_kept in [true, true, false, false] {
            let (traffic, world, client) = (&traffic, &world, &client);
            scope.spawn(move || traffic.send(world.address(), client, is_kept));
        }
        assert!(is_shown(&first));
        for _ in 0..5 {
            let next = world.authority.write("main", &NAMES);
            eventually("the new one is shown", SOON, || is_shown(&next));
        }
        // One whose key is another's changes nothing, until it's mended.
        let last = world.authority.write("main", &NAMES);
        eventually("the last one is shown", SOON, || is_shown(&last));
        let key = std::fs::read(world.authority.path("main.key")).unwrap();
        world.authority.write("main", &NAMES);
        std::fs::write(world.authority.path("main.key"), key).unwrap();
        eventually("it's said", SOON, || {
            world
                .gateway
                .log()
                .contains("certificates can't be renewed")
        });
        assert!(is_shown(&last));
        let (status, answer) = world.gateway.reload("");
        assert_eq!(status, 422, "{answer}");
        let mended = world.authority.write("main", &NAMES);
        eventually("the mended one is shown", SOON, || is_shown(&mended));
        // A reload takes what was written at once.
        let reloaded = world.authority.write("main", &NAMES);
        assert_eq!(world.gateway.reload("").0, 200);
        assert!(is_shown(&reloaded));
        traffic.is_over.store(true, Relaxed);
    });
    let (sent, wrong) = (
        traffic.sent.into_inner(),
        traffic.wrong.into_inner().unwrap(),
    );
    assert!(wrong.is_empty(), "{} of {sent}: {wrong:?}", wrong.len());
    assert!(sent > 100, "{sent} requests");
}

#[test]
fn a_session_is_resumed_and_outlives_a_renewal() {
    let world = World::new("check_files = \"0s\"");
    let client = secure::client(&world.authority, None);
    let kind = || {
        let mut connection = secure::connect(world.address(), &client, "localhost").unwrap();
        // The ticket comes with the first answer.
        assert_eq!(connection.post_json("events", EVENT).status, 200);
        connection.socket.conn.handshake_kind()
    };
    assert_ne!(kind(), Some(HandshakeKind::Resumed));
    assert_eq!(kind(), Some(HandshakeKind::Resumed));
    let renewed = world.authority.write("main", &NAMES);
    assert_eq!(world.gateway.reload("").0, 200);
    assert_eq!(kind(), Some(HandshakeKind::Resumed));
    assert!(shown(&world, "localhost") == renewed.certificate.as_ref());
}

#[test]
fn what_is_wrong_with_a_certificate_keeps_it_from_starting_and_is_told() {
    let mock = Mock::start(1, &[("events", 1)]);
    let authority = Authority::new("servers");
    authority.write("main", &NAMES);
    std::fs::write(authority.path("main.key"), "nothing").unwrap();
    let text = configuration(&mock, &authority, "", "");
    let Err(log) = Gateway::try_start(&[], &text, &[], &[]) else {
        panic!("it starts without a key");
    };
    assert!(
        log.contains("main.key has no private key that can be read"),
        "{log}"
    );
}
