//! What the log tells: causes are named in time, and a trouble that stands doesn't fill it.

use rdkafka::types::RDKafkaRespErr as Code;

use super::*;

fn lines(gateway: &Gateway, with: &str) -> usize {
    gateway
        .log()
        .lines()
        .filter(|line| line.contains(with))
        .count()
}

#[test]
fn a_broker_whose_name_cannot_be_resolved_is_named_in_the_log() {
    let gateway = Gateway::start(&config("kafka-7.nowhere.invalid:9092", ""));
    eventually("the log names it", SOON, || {
        let log = gateway.log();
        let mut warnings = log.lines().filter(|line| line.contains(" WARN "));
        warnings
            .any(|line| line.contains("kafka-7.nowhere.invalid:9092") && line.contains("esolve"))
    });
    // It's tried several times a second, and said once.
    std::thread::sleep(5 * SECOND);
    let said = lines(&gateway, "nowhere.invalid");
    assert!((1..=6).contains(&said), "{}", gateway.log());
    gateway.stop();
}

#[test]
fn a_topic_that_is_missing_is_said_once_when_it_changes_and_when_it_is_mended() {
    let mock = mock();
    let fault = |code| mock.with(move |cluster| cluster.topic_error("events", code).unwrap());
    fault(Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    let gateway = Gateway::start(&config(mock.bootstrap(), ""));
    let warned = || lines(&gateway, " WARN ");
    eventually("it is said", SOON, || warned() > 0);
    // The probe looks every two seconds.
    std::thread::sleep(5 * SECOND);
    assert_eq!(
        lines(&gateway, "topic can't be used"),
        1,
        "{}",
        gateway.log()
    );
    fault(Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    eventually("the change is said", SOON, || {
        lines(&gateway, "topic can't be used") == 2
    });
    fault(Code::RD_KAFKA_RESP_ERR_NO_ERROR);
    eventually("the end is said", SOON, || {
        lines(&gateway, "topic can be used again") == 1
    });
    gateway.wait_ready(2 * SOON);
    assert_eq!(gateway.client().post_json("events", EVENT).status, 200);
    gateway.stop();
}

/// Posts an event and returns the detail of the refusal.
#[track_caller]
fn refusal(gateway: &Gateway, stream: &str) -> String {
    let answer = gateway.client().post_json(stream, EVENT);
    assert_eq!(answer.status, 503, "{}", answer.text());
    answer.json()["detail"].as_str().unwrap().to_owned()
}

#[test]
fn a_gateway_whose_topics_are_all_missing_or_denied_is_not_ready_and_everybody_is_told_why() {
    let mock = Mock::start(1, &[("events", 1), ("more", 1)]);
    let fault = |topic: &'static str, code| {
        mock.with(move |cluster| cluster.topic_error(topic, code).unwrap());
    };
    fault("events", Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    fault("more", Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    let more =
        "[admin]\nwait_for_all = \"0s\"\n[streams.more]\ncluster = \"main\"\nkey = \"/user\"\n";
    let gateway = Gateway::start(&config(mock.bootstrap(), more));
    let readyz = || gateway.get("/readyz");
    eventually("both reasons are known", 2 * SOON, || {
        let (_, text) = readyz();
        text.contains("stream events: topic events doesn't exist")
            && text.contains("stream more: topic more is denied")
    });
    assert_eq!(readyz().0, 503);
    let detail = refusal(&gateway, "events");
    assert!(
        detail.contains("topic events doesn't exist (cluster main)"),
        "{detail}"
    );
    let detail = refusal(&gateway, "more");
    assert!(detail.contains("topic more is denied"), "{detail}");
    assert!(!detail.contains("has not answered yet"), "{detail}");
    let stream = |name: &str| gateway.status()["streams"][name].clone();
    assert_eq!(stream("events")["takes"], false);
    assert!(
        stream("more")["reason"]
            .as_str()
            .unwrap()
            .contains("is denied")
    );
    let takes = |name: &str| {
        let metrics = gateway.get("/metrics").1;
        let name = format!("forebay_stream_takes{{stream=\"{name}\",cluster=\"main\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap().parse::<f64>().unwrap()
    };
    assert_eq!((takes("events"), takes("more")), (0.0, 0.0));

    // One of many is ready, and the other is still told.
    fault("events", Code::RD_KAFKA_RESP_ERR_NO_ERROR);
    gateway.wait_ready(2 * SOON);
    assert_eq!((takes("events"), takes("more")), (1.0, 0.0));
    assert!(readyz().1.contains("stream more: topic more is denied"));
    let troubles = gateway.status()["troubles"].to_string();
    assert!(troubles.contains("topic more is denied"), "{troubles}");
    assert_eq!(gateway.client().post_json("events", EVENT).status, 200);
    gateway.stop();
}

/// Kafka is away, the quota is used up and every event is refused: that is zero seconds to a loss, and stays so.
#[test]
fn while_events_are_refused_for_want_of_room_the_time_to_loss_is_zero() {
    let mock = mock();
    let dir = tempfile::tempdir().unwrap();
    let spill = format!(
        "[spill]\ndir = \"{}\"\nquota = \"1MiB\"\nmin_free = \"1MiB\"\nsegment = \"256KiB\"\n",
        dir.path().display()
    );
    let gateway = Gateway::ready(&config(mock.bootstrap(), &spill));
    let time_to_loss = || gateway.status()["time_to_loss_seconds"].clone();
    assert_eq!(time_to_loss(), serde_json::Value::Null);
    mock.set_broker(false);
    let text = "x".repeat(8_000);
    let event = format!(r#"{{"user":"a","id":"1","text":"{text}"}}"#);
    let mut refused_at = None;
    eventually("it is full and refuses for a while", 12 * SOON, || {
        if gateway.client().post_json("events", &event).status == 503 {
            refused_at.get_or_insert_with(Instant::now);
        }
        let Some(at) = refused_at else { return false };
        if at.elapsed() > 3 * SECOND {
            assert_eq!(time_to_loss(), 0, "after {:?} of refusals", at.elapsed());
        }
        at.elapsed() > 10 * SECOND
    });
    assert!(gateway.get("/readyz").1.contains("the spill log is full"));
    mock.set_broker(true);
    eventually("it drains", 6 * SOON, || {
        time_to_loss() == serde_json::Value::Null
    });
}
