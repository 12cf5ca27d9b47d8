//! What a route's clients are told, by outcome: its own answers, and never that events are durable when they aren't.

use super::*;

const OWN: &str = r#"
[routes.own]
paths = ["/own"]
stream = "all"
key = ["/k"]
[routes.own.answers.accepted]
status = 202
type = "text/plain"
body = "taken"
[routes.own.answers.partly]
status = 200
body = "some"
[routes.own.answers.bad]
status = 400
body = "no"
[routes.own.answers.too_large]
status = 400
body = "large"
[routes.own.answers.overloaded]
status = 429
body = "later"
[http]
max_body = "64KiB"
answer_within = "1s"
[lane]
spill_after = "200ms"
stalled_after = "500ms"
"#;

#[test]
fn each_outcome_has_its_own_answer() {
    let (mock, gateway) = started("", &["all"], &format!("rate = {{ events = 4 }}\n{OWN}"));
    let mut client = gateway.client();
    let mut post = |body: &str| {
        let answer = send(&mut client, "POST /own HTTP/1.1", body.as_bytes());
        if answer.header("connection") == Some("close") {
            client = gateway.client();
        }
        (
            answer.status,
            answer.text(),
            answer.header("retry-after").is_some(),
        )
    };
    assert_eq!(post(r#"{"k":1}"#), (202, "taken".into(), false));
    assert_eq!(post(r#"[{"k":1},{}]"#), (200, "some".into(), false));
    assert_eq!(post("{}"), (400, "no".into(), false));
    assert_eq!(post("{"), (400, "no".into(), false));
    assert_eq!(
        post(&format!(r#"{{"k":"{}"}}"#, "x".repeat(70_000))),
        (400, "large".into(), false)
    );
    let mut last = post(r#"[{"k":1},{"k":2}]"#);
    for _ in 0..3 {
        if last.0 == 429 {
            break;
        }
        last = post(r#"[{"k":1},{"k":2},{"k":3}]"#);
    }
    assert_eq!(last, (429, "later".into(), true));
    let taken = gateway.events("all", "acked");
    assert_eq!(records(mock.bootstrap(), "all").len() as i64, taken);
}

#[test]
fn an_outage_is_overload_and_no_success() {
    let (mock, gateway) = started("", &["all"], OWN);
    let mut client = gateway.client();
    let mut post = |body: &str| send(&mut client, "POST /own HTTP/1.1", body.as_bytes());
    assert_eq!(post(r#"{"k":1}"#).status, 202);
    mock.set_broker(false);
    let answer = post(r#"{"k":2}"#);
    assert_eq!((answer.status, answer.text()), (429, "later".into()));
    assert!(answer.header("retry-after").is_some());
}
