//! The OpenAPI document says what the data port does.

use std::process::Command;

use crate::kafka;
use crate::support::gateway::Gateway;
use crate::support::mock::Mock;

const CONFIG: &str = r#"
[sources.tester]
keys = ["a-key-of-the-tester"]
[streams.open]
cluster = "main"
[streams.keyed]
cluster = "main"
key = "/device/id"
auth = ["bearer", "header:x-api-key"]
[streams.raw]
cluster = "main"
format = "raw"
key = "path"
"#;

/// How schemathesis shows the key, by the names that the document has for the ways.
const KEYS: &str = r#"
[auth.openapi.bearer]
bearer = "a-key-of-the-tester"
[auth.openapi.header-x-api-key]
api_key = "a-key-of-the-tester"
"#;

fn started() -> (Mock, Gateway) {
    let mock = Mock::start(1, &[("open", 2), ("keyed", 2), ("raw", 2)]);
    let cluster = format!("[clusters.main]\nbootstrap = \"{}\"\n", mock.bootstrap());
    let gateway = Gateway::ready(&format!("{cluster}{CONFIG}"));
    (mock, gateway)
}

#[test]
fn the_document_has_each_stream_with_what_it_takes() {
    let (_mock, gateway) = started();
    let (status, text) = gateway.get("/openapi.json");
    assert_eq!(status, 200, "{text}");
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(
        paths,
        [
            "/v1/events/keyed",
            "/v1/events/open",
            "/v1/events/raw/{key}"
        ]
    );
    let keyed = &document["paths"]["/v1/events/keyed"]["post"];
    let security = serde_json::json!([{ "bearer": [] }, { "header-x-api-key": [] }]);
    assert_eq!(keyed["security"], security);
    let event = &keyed["requestBody"]["content"]["application/json"]["schema"]["oneOf"][0];
    assert_eq!(event["required"], serde_json::json!(["device"]));
    assert_eq!(
        document["paths"]["/v1/events/open"]["post"]["security"],
        serde_json::json!([])
    );
    assert!(!text.contains("a-key-of"), "{text}");
    gateway.stop();
}

#[test]
fn schemathesis_finds_no_difference_between_the_document_and_the_port() {
    let (_mock, gateway) = started();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openapi/schemathesis.sh");
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("schemathesis.toml");
    std::fs::write(&keys, KEYS).unwrap();
    let output = Command::new(script)
        .arg(&keys)
        .args([
            format!("http://{}/openapi.json", gateway.admin),
            format!("http://{}", gateway.data),
        ])
        .args(["--checks", "all", "--max-examples", "60", "--seed", "7"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(69) {
        kafka::skip::<()>("schemathesis", &errors);
        return;
    }
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(gateway.events("open", "accepted") > 0, "{text}");
    gateway.stop();
}
