//! The log for machines: JSON with fields that keep their names, and the audit in it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::eventually;
use crate::support::gateway::{Gateway, config};
use crate::support::http::Client;
use crate::support::mock::Mock;

const JSON: &[(&str, &str)] = &[("FOREBAY__LOG__FORMAT", "json")];
const TOKENS: &str =
    "[admin]\ntoken = \"changes everything\"\nread_token = \"looks and no more\"\n";

/// The fields that `deploy/logs.md` names.
fn documented() -> BTreeSet<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/logs.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let firsts = rows.filter_map(|row| row.split('|').nth(1));
    firsts
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

/// A gateway whose log is JSON. It says where it listens in the same words.
fn gateway(config: &str, filter: &str) -> (Gateway, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let log = format!(
        "[spill]\ndir = {:?}\n[log]\nfilter = \"{filter}\"\n",
        folder.path()
    );
    (
        Gateway::start_with_env(&format!("{log}{config}"), JSON),
        folder,
    )
}

fn lines(log: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|it| panic!("{it}: {line}"));
    log.lines().map(parse).collect()
}

/// The lines of the audit, without their time.
fn audit(log: &str) -> Vec<Value> {
    let all = lines(log).into_iter();
    let mut its: Vec<_> = all.filter(|line| line["target"] == "audit").collect();
    for line in &mut its {
        assert_eq!(line["message"], "audit");
        let line = line.as_object_mut().unwrap();
        assert!(
            line.remove("timestamp")
                .unwrap()
                .as_str()
                .unwrap()
                .ends_with('Z')
        );
        line.remove("message");
        line.remove("target");
    }
    its
}

fn ask(gateway: &Gateway, path: &str, token: &str) -> (u16, String) {
    let shown = format!("Bearer {token}");
    let mut client = Client::connect(gateway.admin);
    let address = client.socket.local_addr().unwrap().to_string();
    let answer = client.post(path, &[("authorization", &shown)], b"");
    (answer.status, address)
}

#[test]
fn each_line_is_one_json_object_whose_fields_are_documented() {
    let mock = Mock::start(1, &[("events", 1)]);
    let (gateway, _log) = gateway(&config(mock.bootstrap(), ""), "debug");
    gateway.wait_ready(Duration::from_secs(30));
    assert_eq!(
        gateway
            .client()
            .post_json("events", "{\"user\":\"a\"}")
            .status,
        200
    );
    gateway.reload("");
    let log = gateway.stop();
    let (known, lines) = (documented(), lines(&log));
    assert!(lines.len() > 5, "{log}");
    for line in lines {
        let fields: BTreeSet<_> = line.as_object().unwrap().keys().cloned().collect();
        for always in ["timestamp", "level", "target", "message"] {
            assert!(line[always].is_string(), "no {always}: {line}");
        }
        // What other people's parts say at this level is theirs.
        let is_ours = line["target"].as_str().unwrap().starts_with("forebay");
        let unknown: Vec<_> = fields.difference(&known).collect();
        assert!(!is_ours || unknown.is_empty(), "{unknown:?}: {line}");
    }
}

#[test]
fn the_audit_says_who_changed_what_and_who_was_refused_whatever_the_filter_is() {
    let mock = Mock::start(1, &[("events", 1)]);
    // Nothing else is written.
    let (gateway, _log) = gateway(
        &config(mock.bootstrap(), TOKENS),
        "off,forebay::commands=info",
    );
    let get = |token: &str| {
        let head =
            format!("GET /status HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
        let mut client = Client::connect(gateway.admin);
        client.write(head.as_bytes()).unwrap();
        client.answer().unwrap().status
    };
    eventually("it answers", Duration::from_secs(30), || {
        gateway.get("/readyz").0 == 200
    });
    assert_eq!(
        [
            get("looks and no more"),
            get("changes everything"),
            get("nothing")
        ],
        [200, 200, 401]
    );
    assert_eq!(gateway.get("/status").0, 401);
    let (status, refused) = ask(&gateway, "/reload", "looks and no more");
    assert_eq!(status, 403);
    let text = std::fs::read_to_string(gateway.file()).unwrap();
    assert_eq!(
        ask(&gateway, "/reload?dry_run=true", "changes everything").0,
        200
    );
    gateway.rewrite(&format!("{text}quota = 900\n"));
    let (status, done) = ask(&gateway, "/reload", "changes everything");
    assert_eq!(status, 200);
    let (status, nothing) = ask(&gateway, "/dead/redrive?lane=events", "changes everything");
    assert_eq!(status, 404);
    gateway.rewrite("[[[");
    gateway.signal("HUP");
    let is_told = || {
        audit(&gateway.log())
            .iter()
            .any(|line| line["via"] == "SIGHUP")
    };
    eventually("the hang-up is told", Duration::from_secs(30), is_told);
    check(&audit(&gateway.stop()), [refused, done, nothing]);
}

/// The lines of the audit: what was asked from these addresses, and then by signals.
#[track_caller]
fn check(found: &[Value], [refused, done, nothing]: [String; 3]) {
    let by = "admin port";
    let expected = [
        serde_json::json!({ "level": "WARN", "action": "reload", "result": "refused", "via": by, "address": refused,
            "token": "admin.read_token", "status": 403, "others": 0 }),
        serde_json::json!({ "level": "INFO", "action": "reload", "result": "done", "via": by, "address": done,
            "token": "admin.token", "status": 200, "generation": 2, "changes": 1 }),
        serde_json::json!({ "level": "INFO", "action": "redrive", "result": "failed", "via": by, "address": nothing,
            "token": "admin.token", "status": 404, "what": "lane=events", "error": "there are no such dead letters; see /dead" }),
    ];
    assert_eq!(found[..3], expected);
    let [reload, stop] = &found[3..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        [
            &reload["action"],
            &reload["result"],
            &reload["via"],
            &reload["generation"]
        ],
        [
            &Value::from("reload"),
            &"failed".into(),
            &"SIGHUP".into(),
            &2.into()
        ]
    );
    assert!(reload["error"].as_str().unwrap().contains("TOML"));
    assert_eq!([&stop["action"], &stop["via"]], ["stop", "SIGTERM"]);
    let known = documented();
    for line in found {
        let unknown = line
            .as_object()
            .unwrap()
            .keys()
            .find(|name| !known.contains(*name));
        assert_eq!(unknown, None);
    }
}
