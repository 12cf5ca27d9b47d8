//! What a stream left behind when it got another cluster is shown and counted until it has drained.

use rdkafka::types::RDKafkaRespErr;

use super::*;

pub(super) fn on_log(folder: &tempfile::TempDir, away: &Mock) -> String {
    format!(
        "[spill]\ndir = \"{}\"\nquota = \"1GiB\"\nmin_free = \"1MiB\"\nsegment = \"1MiB\"\n\
         [clusters.away]\nbootstrap = \"{}\"\n",
        folder.path().display(),
        away.bootstrap()
    )
}

#[test]
fn what_a_stream_left_in_another_cluster_is_shown_until_it_has_drained() {
    let (main, away) = (
        Mock::start(1, &[("events", 4)]),
        Mock::start(1, &[("events", 4)]),
    );
    away.set_broker(false);
    let folder = tempfile::tempdir().unwrap();
    let beside = "[streams.beside]\ncluster = \"main\"\ntopic = \"events\"\nquota = 0\n";
    let moved = on_log(&folder, &away) + &Parts::new().text(main.bootstrap());
    let moved = moved.replace(beside, &format!("{beside}drain = \"beside\"\n"));
    let first = moved.replace(beside, &beside.replace("main", "away"));
    let gateway = Gateway::ready(&first);
    for _ in 0..3 {
        assert_eq!(post(&gateway, "beside") / 100, 2);
    }
    let stream = || gateway.status()["streams"]["beside"].clone();
    eventually("three wait on disk", 10 * SECOND, || {
        stream()["spill_events"] == 3
    });

    gateway.rewrite(&moved);
    assert_eq!(keys(&reloads(&gateway)), ["streams.beside.cluster"]);
    assert_eq!(post(&gateway, "beside"), 200);
    // A new topic's events may take the way over the log until its partitions are known.
    eventually("the other cluster has its own", 10 * SECOND, || {
        stream()["spill_events"] == 3 && stream()["events"]["in_flight"] == 0
    });
    assert_eq!(stream()["cluster"], "main");
    let (_, metrics) = gateway.get("/metrics");
    let told = r#"forebay_stream_spill_events{stream="beside",cluster="main"} 3"#;
    assert!(metrics.contains(told), "{metrics}");
    let lanes: Value = serde_json::from_str(&gateway.get("/lanes").1).unwrap();
    let mut lanes = lanes["beside"].as_array().unwrap().iter();
    assert!(
        lanes.any(|lane| lane["cluster"] == "away" && lane["spill_events"] == 3),
        "{lanes:?}"
    );

    gateway.rewrite(&moved.replace(&format!("{beside}drain = \"beside\"\n"), ""));
    reloads(&gateway);
    // What goes is looked at four times a second.
    let until = Instant::now() + 2 * SECOND;
    eventually("some looks are over", 3 * SECOND, || {
        Instant::now() >= until
    });
    assert_eq!(stream()["spill_events"], 3);
    assert!(!gateway.log().contains("a stream is gone"));

    away.set_broker(true);
    eventually("nothing of it is left", 60 * SECOND, || {
        gateway.status()["streams"].get("beside").is_none()
    });
    gateway.stop();
    let mut found = 0;
    consume_each(away.bootstrap(), "events", 30 * SECOND, |_| found += 1);
    assert_eq!(found, 3);
}

#[test]
fn what_waits_for_a_topic_that_turns_out_to_be_missing_is_shown() {
    let away = Mock::start(1, &[("events", 4)]);
    away.set_broker(false);
    let folder = tempfile::tempdir().unwrap();
    let text =
        on_log(&folder, &away) + "[streams.beside]\ncluster = \"away\"\ntopic = \"events\"\n";
    let gateway = Gateway::ready(&text);
    assert_eq!(post(&gateway, "beside") / 100, 2);
    let missing = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    away.with(move |cluster| cluster.topic_error("events", missing).unwrap());
    away.set_broker(true);
    let stream = || gateway.status()["streams"]["beside"].clone();
    eventually("it's known to be missing", 30 * SECOND, || {
        gateway.log().contains("topic can't be used") && stream()["takes"] == false
    });
    eventually("one waits on disk", 10 * SECOND, || {
        stream()["spill_events"] == 1
    });
    gateway.stop();
}

#[test]
fn a_stream_goes_over_the_log_from_the_reload_on_that_says_so_and_back() {
    let main = Mock::start(1, &[("events", 4)]);
    let folder = tempfile::tempdir().unwrap();
    let text = on_log(&folder, &main).replace("away", "main")
        + "[streams.beside]\ncluster = \"main\"\ntopic = \"events\"\n";
    let gateway = Gateway::ready(&text);
    let spilled = || gateway.events("beside", "spilled");
    eventually("its partitions are known", 10 * SECOND, || {
        let before = spilled();
        post(&gateway, "beside") == 200 && spilled() == before
    });
    let before = spilled();
    gateway.rewrite(&format!("{text}ack = \"disk\"\n"));
    reloads(&gateway);
    assert_eq!(post(&gateway, "beside") / 100, 2);
    assert_eq!(spilled(), before + 1);
    eventually("it's in kafka", 10 * SECOND, || {
        gateway.status()["streams"]["beside"]["spill_events"] == 0
    });
    gateway.rewrite(&text);
    reloads(&gateway);
    eventually("events go to kafka again", 10 * SECOND, || {
        let before = spilled();
        post(&gateway, "beside") == 200 && spilled() == before
    });
    gateway.stop();
}
