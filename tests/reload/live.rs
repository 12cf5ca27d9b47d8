//! What may change while the log is open and while clients run: bounds of the log, and files that librdkafka reads itself.

use super::*;

/// A certificate of nobody.
const CERTIFICATE: &str = include_str!("nobody.pem");

fn log(folder: &tempfile::TempDir, quota: &str) -> String {
    let dir = folder.path().display();
    format!(
        "[lane]\nspill_after = \"50ms\"\n\
         [spill]\ndir = \"{dir}\"\nquota = \"{quota}\"\nmin_free = \"1MiB\"\nsegment = \"1MiB\"\n"
    )
}

#[test]
fn the_quota_of_the_log_changes_while_a_backlog_is_in_it() {
    let away = Mock::start(1, &[("events", 4)]);
    away.set_broker(false);
    let folder = tempfile::tempdir().unwrap();
    let text = |quota: &str| log(&folder, quota) + &Parts::new().text(away.bootstrap());
    let gateway = Gateway::ready(&text("8MiB"));
    let large = format!(r#"{{"id":"1","user":"u","pad":"{}"}}"#, "1".repeat(100_000));
    let post = || gateway.client().post_json("events", &large).status;
    for _ in 0..20 {
        assert_eq!(post(), 200);
    }
    let quota = || gateway.status()["spill"]["quota_bytes"].as_u64().unwrap();
    assert_eq!(quota(), 8 << 20);

    // Less than it holds: nothing stored is touched, and no more is taken than the segment that is begun has room for.
    gateway.rewrite(&text("1MiB"));
    assert_eq!(keys(&reloads(&gateway)), ["spill.quota"]);
    let mut taken = 20;
    eventually("it's full", 20 * SECOND, || {
        let status = post();
        taken += u64::from(status == 200);
        status == 503
    });
    assert!(taken <= 30, "{taken}");

    gateway.rewrite(&text("64MiB"));
    assert_eq!(keys(&reloads(&gateway)), ["spill.quota"]);
    eventually("there is room", 5 * SECOND, || {
        let status = post();
        taken += u64::from(status == 200);
        status == 200
    });
    assert_eq!(quota(), 64 << 20);
    let other = text("64MiB").replace("segment = \"1MiB\"", "segment = \"2MiB\"\nqueue = \"9MiB\"");
    gateway.rewrite(&other);
    let (status, answer) = gateway.reload("");
    assert_eq!(status, 409, "{answer:#}");
    let error = answer["error"].as_str().unwrap();
    assert!(error.starts_with("spill.segment needs"), "{error}");

    away.set_broker(true);
    eventually("all is in kafka", 60 * SECOND, || {
        gateway.status()["streams"]["events"]["spill_events"] == 0
    });
    gateway.stop();
    let mut found = 0;
    consume_each(away.bootstrap(), "events", 30 * SECOND, |_| found += 1);
    assert_eq!(found, taken);
}

#[test]
fn a_file_that_a_client_reads_itself_is_read_again_when_it_has_changed() {
    let kafka = Mock::start(1, &[("events", 4)]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, CERTIFICATE).unwrap();
    let location = format!("\"ssl.ca.location\" = {file:?}");
    let tls = format!(
        "[clusters.tls]\nbootstrap = \"127.0.0.1:1\"\n\
         [clusters.tls.kafka]\n\"security.protocol\" = \"ssl\"\n{location}\n"
    );
    let parts = Parts {
        kafka: location.clone(),
        more: tls,
        ..Parts::new()
    };
    let gateway = Gateway::ready(&parts.text(kafka.bootstrap()));
    assert_eq!(post(&gateway, "events"), 200);
    assert_eq!(keys(&reloads(&gateway)), [""; 0], "nothing has changed");
    let renewed = || {
        let log = gateway.log();
        let mut lines = log.lines().filter(|line| line.contains("is made anew"));
        let both = lines.clone().any(|line| line.contains("=\"tls\""));
        both && lines.any(|line| line.contains("=\"main\""))
    };
    assert!(!renewed());

    std::fs::write(&file, format!("# again\n{CERTIFICATE}")).unwrap();
    let of = |cluster: &str| format!("clusters.{cluster}.kafka.\"ssl.ca.location\"");
    let (status, plan) = gateway.reload("?dry_run=true");
    assert_eq!(
        (status, keys(&plan)),
        (200, vec![&*of("main"), &*of("tls")])
    );
    assert_eq!(keys(&reloads(&gateway)).len(), 2);
    eventually("both clients are made anew", 20 * SECOND, renewed);
    assert_eq!(keys(&reloads(&gateway)), [""; 0], "they were read");
    assert_eq!(post(&gateway, "events"), 200);

    std::fs::write(&file, "nothing of use").unwrap();
    let (status, answer) = gateway.reload("");
    assert_eq!(status, 422, "{answer:#}");
    let error = answer["error"].as_str().unwrap();
    let names = |word: &str| error.contains(word);
    assert!(
        names("clusters.tls.kafka: ") && names("ssl.ca.location"),
        "{error}"
    );
    assert_eq!(post(&gateway, "events"), 200);
    // It's mended, and is as it was when it was read.
    std::fs::write(&file, format!("# again\n{CERTIFICATE}")).unwrap();
    assert_eq!(keys(&reloads(&gateway)), [""; 0]);
    gateway.stop();
}

/// Nobody looks at its files while it isn't configured.
#[test]
fn a_cluster_that_is_put_back_while_it_drains_reads_its_files_again() {
    let kafka = |topic| Mock::start(1, &[(topic, 4)]);
    let (main, away) = (kafka("events"), kafka("views"));
    away.set_broker(false);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, CERTIFICATE).unwrap();
    let mut parts = Parts::new();
    let without = log(&folder, "64MiB") + &parts.text(main.bootstrap());
    parts.more = format!(
        "[clusters.away]\nbootstrap = \"{}\"\n[clusters.away.kafka]\n\"ssl.ca.location\" = {file:?}\n\
         [streams.views]\ncluster = \"away\"\n",
        away.bootstrap()
    );
    let with = log(&folder, "64MiB") + &parts.text(main.bootstrap());
    let gateway = Gateway::ready(&with);
    assert_eq!(post(&gateway, "views"), 200);
    let left = || gateway.status()["streams"]["views"]["spill_events"].clone();
    eventually("it waits on disk", 10 * SECOND, || left() == 1);
    gateway.rewrite(&without);
    assert_eq!(keys(&reloads(&gateway)), ["clusters.away", "streams.views"]);
    std::fs::write(&file, format!("# again\n{CERTIFICATE}")).unwrap();
    gateway.rewrite(&with);
    assert_eq!(keys(&reloads(&gateway)), ["clusters.away", "streams.views"]);
    assert_eq!(left(), 1, "it's the one that was there");
    eventually("its client is made anew", 20 * SECOND, || {
        let log = gateway.log();
        let mut lines = log.lines().filter(|line| line.contains("is made anew"));
        lines.any(|line| line.contains("=\"away\""))
    });
    away.set_broker(true);
    eventually("all is in kafka", 60 * SECOND, || left() == 0);
    gateway.stop();
}
