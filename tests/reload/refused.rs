//! What librdkafka refuses, and files that nobody can read: said in time, and without a secret.

use std::process::Command;

use super::*;

/// Where people look.
fn shown(gateway: &Gateway) -> [String; 3] {
    let page = |path: &str| gateway.get(path).1;
    [page("/readyz"), page("/status"), gateway.log()]
}

#[test]
fn a_property_that_librdkafka_refuses_is_named_without_its_value() {
    let properties = "\"sasl.passwrd\" = \"hunter2\"".to_owned();
    let wrong = Parts {
        kafka: properties,
        ..Parts::new()
    };
    // It starts, since another cluster may be in order.
    let gateway = Gateway::start(&wrong.text("127.0.0.1:1"));
    eventually("all say it", STARTS, || {
        shown(&gateway)
            .iter()
            .all(|text| text.contains("sasl.passwrd"))
    });
    let mut all = Vec::from(shown(&gateway));
    let (status, answer) = gateway.reload("");
    assert_eq!(status, 200, "{answer:#}");
    all.push(answer.to_string());
    let file = gateway.file();
    let file = file.to_str().unwrap();
    for arguments in [
        &["check", "--config", file][..],
        &["check", "--connect", "--config", file],
    ] {
        let checked = run(arguments, &[]);
        assert_eq!(checked.code, Some(78), "{checked:?}");
        assert!(checked.err.contains("sasl.passwrd"), "{checked:?}");
        all.extend([checked.out, checked.err]);
    }
    let tail = run(&["tail", "events", "--config", file], &[]);
    all.extend([tail.out, tail.err]);
    all.push(gateway.stop());
    for text in all {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn a_file_that_hangs_is_told_and_holds_up_no_stop() {
    let kafka = Mock::start(1, &[("events", 4)]);
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "none").unwrap();
    let properties = format!("\"sasl.password\" = \"${{file:{}}}\"", secret.display());
    let parts = Parts {
        kafka: properties,
        ..Parts::new()
    };
    let gateway = Gateway::ready(&parts.text(kafka.bootstrap()));
    // Who reads it waits for somebody who writes.
    std::fs::remove_file(&secret).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(&secret)
            .status()
            .unwrap()
            .success()
    );
    let (status, answer) = gateway.reload("");
    assert_eq!(status, 503, "{answer:#}");
    assert!(gateway.log().contains("it takes longer than 10 s"));
    let configuration = gateway.status()["configuration"].clone();
    assert_eq!(configuration["last_reload_failed"], true);
    assert_eq!(post(&gateway, "events"), 200);
    // Once more, and the stop comes meanwhile.
    gateway.signal("HUP");
    let log = gateway.stop();
    assert!(log.contains("nothing has changed"), "{log}");
}

#[test]
fn a_dead_cluster_holds_up_no_reload_of_others() {
    let kafka = Mock::start(1, &[("events", 4)]);
    let away = "[clusters.away]\nbootstrap = \"127.0.0.1:1\"\n[streams.away]\ncluster = \"away\"\n";
    let mut parts = Parts {
        more: away.into(),
        ..Parts::new()
    };
    let gateway = Gateway::start(&parts.text(kafka.bootstrap()));
    eventually("the living one takes events", STARTS, || {
        post(&gateway, "events") == 200
    });
    parts.quota = 7;
    gateway.rewrite(&parts.text(kafka.bootstrap()));
    let start = Instant::now();
    assert_eq!(keys(&reloads(&gateway)), ["streams.beside.quota"]);
    let took = start.elapsed();
    assert!(took < 3 * SECOND, "{took:?}");
    gateway.stop();
}
