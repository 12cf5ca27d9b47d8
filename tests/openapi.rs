//! The OpenAPI document says what the data port does.

use std::process::Command;

use serde_json::{Value, json};

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
[routes.batch]
paths = ["/v1/batch", "/v1/{kind:t|i}/{app_id}"]
stream = "open"
events = "/batch"
key = ["/user", "/device/id"]
auth = ["bearer", "body:/writeKey"]
headers.app = ["query:app"]
answers.overloaded = { status = 429 }
[routes.sorted]
paths = ["/sorted"]
stream_by = ["/type"]
streams = { view = "open", buy = "open" }
answers.accepted = { status = 204 }
answers.bad = { status = 400, body = "no", type = "text/plain" }
[routes.pixel]
paths = ["/p/{app}"]
methods = ["GET"]
body = "query"
stream = "open"
key = ["/k"]
headers.uid = ["cookie:uid"]
answers.accepted = { gif = true }
[routes.form]
paths = ["/p/{id}"]
body = "form"
stream = "open"
key = ["/k"]
[routes.events]
paths = ["/ce"]
body = "cloudevents"
stream = "open"
key = ["ce:subject"]
webhook.origins = ["*"]
[routes.settings]
paths = ["/settings"]
methods = ["GET"]
fixed = true
[routes.link]
paths = ["/link"]
methods = ["GET"]
body = "query"
stream = "open"
key = ["/k"]
answers.accepted = { redirect = ["query:to"], allowed = ["https://shop.example/"] }
"#;

/// Lines, which schemathesis can't write.
const LINES: &str = r#"
[routes.lines]
paths = ["/lines"]
methods = ["POST", "PUT"]
body = "ndjson"
stream = "open"
"#;

/// How schemathesis shows the key, by the names that the document has for the ways; and what it takes for right.
const KEYS: &str = r#"
[auth.openapi.bearer]
bearer = "a-key-of-the-tester"
[auth.openapi.header-x-api-key]
api_key = "a-key-of-the-tester"
# Bad events of a batch don't cost the good ones; and OPTIONS is none of a route's methods, unless a sender of web hooks asks.
[checks.negative_data_rejection]
expected-statuses = [207, 400, 401, 403, 404, 405, 413, 415, 422, 429, 431, "5xx"]
[checks.missing_required_header]
expected-statuses = [400, 401, 403, 405, 406, 415, 422]
"#;

fn started(more: &str) -> (Mock, Gateway) {
    let mock = Mock::start(1, &[("open", 2), ("keyed", 2), ("raw", 2)]);
    let cluster = format!("[clusters.main]\nbootstrap = \"{}\"\n", mock.bootstrap());
    let gateway = Gateway::ready(&format!("{cluster}{CONFIG}{more}"));
    (mock, gateway)
}

#[test]
fn the_document_has_each_stream_with_what_it_takes() {
    let (_mock, gateway) = started(LINES);
    let (status, text) = gateway.get("/openapi.json");
    assert_eq!(status, 200, "{text}");
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(
        paths,
        [
            "/ce",
            "/lines",
            "/link",
            "/p/{id}",
            "/settings",
            "/sorted",
            "/v1/batch",
            "/v1/events/keyed",
            "/v1/events/open",
            "/v1/events/raw/{key}",
            "/v1/i/{app_id}",
            "/v1/t/{app_id}",
        ]
    );
    let keyed = &document["paths"]["/v1/events/keyed"]["post"];
    let security = json!([{ "bearer": [] }, { "header-x-api-key": [] }]);
    assert_eq!(keyed["security"], security);
    let event = &keyed["requestBody"]["content"]["application/json"]["schema"]["oneOf"][0];
    assert_eq!(event["required"], json!(["device"]));
    assert_eq!(
        document["paths"]["/v1/events/open"]["post"]["security"],
        json!([])
    );
    assert!(!text.contains("a-key-of"), "{text}");
    says_what_routes_take(&document["paths"]);
    says_what_other_routes_take(&document["paths"]);
    gateway.stop();
}

/// The statuses that an operation may answer.
fn statuses(operation: &Value) -> Vec<u16> {
    let all = operation["responses"].as_object().unwrap();
    all.keys().map(|status| status.parse().unwrap()).collect()
}

/// What the document has of the routes.
fn says_what_routes_take(paths: &Value) {
    let at = |pointer: &str| {
        paths
            .pointer(pointer)
            .unwrap_or_else(|| panic!("{pointer} isn't in {paths:#}"))
    };
    let batch = "/~1v1~1batch/post";
    // A member of the body has no scheme.
    assert_eq!(*at(&format!("{batch}/security")), json!([{ "bearer": [] }]));
    let schema = format!("{batch}/requestBody/content/application~1json/schema");
    assert_eq!(*at(&format!("{schema}/required")), json!(["batch"]));
    let event = at(&format!("{schema}/properties/batch/oneOf/0"));
    assert_eq!(event["anyOf"].as_array().unwrap().len(), 2);
    assert_eq!(
        event["anyOf"][1]["properties"]["device"]["required"],
        json!(["id"])
    );
    let of_batch = statuses(at(batch));
    assert!(
        of_batch.contains(&207) && of_batch.contains(&429),
        "{of_batch:?}"
    );
    assert!(!of_batch.contains(&503), "overload is a 429 here");
    let captured = json!([{ "name": "app_id", "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 } }]);
    assert_eq!(at("/~1v1~1t~1{app_id}/post/parameters")[0], captured[0]);
    assert_eq!(at("/~1v1~1t~1{app_id}/post/parameters")[1]["in"], "query");
    let event = at("/~1sorted/post/requestBody/content/application~1json/schema/oneOf/0");
    assert_eq!(
        event["properties"]["type"],
        json!({ "enum": ["buy", "view"] })
    );
    assert!(at("/~1sorted/post/responses/204").get("content").is_none());
    assert_eq!(
        *at("/~1sorted/post/responses/400/content"),
        json!({ "text/plain": {} })
    );
}

/// What it has of those that share a path, or aren't JSON.
fn says_what_other_routes_take(paths: &Value) {
    let at = |pointer: &str| {
        paths
            .pointer(pointer)
            .unwrap_or_else(|| panic!("{pointer} isn't in {paths:#}"))
    };
    // Two routes with the same path call its capture by one name, and each has its method.
    assert_eq!(at("/~1p~1{id}/get/parameters")[0]["name"], "id");
    assert_eq!(
        *at("/~1p~1{id}/get/responses/200/content"),
        json!({ "image/gif": {} })
    );
    let form = at("/~1p~1{id}/post/requestBody/content/application~1x-www-form-urlencoded/schema");
    assert_eq!(form["required"], json!(["k"]));
    assert!(
        at("/~1lines/put/requestBody/content")
            .get("application/x-ndjson")
            .is_some()
    );
    let event = at("/~1ce/post/requestBody/content/application~1cloudevents+json/schema");
    assert_eq!(
        event["required"],
        json!(["specversion", "id", "source", "type", "subject"])
    );
    assert!(
        at("/~1ce/options/responses/200/headers")
            .get("WebHook-Allowed-Rate")
            .is_some()
    );
    assert_eq!(
        statuses(at("/~1settings/get")),
        [200, 400, 405, 408, 413, 429, 431, 501, 503]
    );
    assert!(
        at("/~1link/get/responses/302/headers")
            .get("Location")
            .is_some()
    );
}

#[test]
fn schemathesis_finds_no_difference_between_the_document_and_the_port() {
    let (_mock, gateway) = started("");
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
