//! Browsers and televisions: SDKs in pages of Chromium, over TLS and with the host names that are written into them, and pages
//! without any SDK. And the package for Python that has its host written into it as well.

use std::collections::BTreeSet;
use std::process::{Child, Command};

use super::faults::{Faults, lost};
use super::*;
use crate::kafka;
use crate::support::certificates::Authority;
use crate::support::eventually;
use crate::support::gateway::Gateway;

/// What pages are told, and who may send.
const ACCESS: &str = r#"
[cors.pages]
origins = ["https://shop.example"]
credentials = true
headers = ["authorization", "content-type", "x-retry-count"]
[sources.shop]
keys = ["writekey"]
secrets = ["the-dev-key"]
ids = ["com.example.tv"]
origins = ["https://shop.example"]
"#;

/// A gateway with a preset, over TLS. `more` follows the streams.
fn secured(kafka: &Kafka, authority: &Authority, name: &str, more: &str) -> Preset {
    authority.write("main", &["*.appsflyer.com", "events.example"]);
    let tls = format!(
        "{ACCESS}{more}[http.tls]\nlisten = \"127.0.0.1:0\"\n[http.tls.certificates.main]\ncert = {:?}\nkey = {:?}\n",
        authority.path("main.pem"),
        authority.path("main.key")
    );
    Preset::ready(kafka, name, name, &tls)
}

fn port(gateway: &Gateway) -> String {
    gateway.tls.unwrap().port().to_string()
}

/// A page that sends with an SDK.
fn page(folder: &Path, sdk: &str, gateway: &Gateway, key: &str, count: usize) -> Child {
    start(page_at(folder, sdk, &port(gateway)).args([key, &count.to_string()]))
}

/// One that sends to this port.
fn page_at(folder: &Path, sdk: &str, port: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(folder.join("browser.mjs")).args([sdk, port]);
    command
}

/// What a browser's SDK says is sent is in Kafka once, under the user that isn't there yet.
#[track_caller]
fn pages_of_segment_deliver(strategy: &str) {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let Some(folder) = folder_or_skip("browser") else {
        return;
    };
    let authority = Authority::new("servers");
    let asks = "[routes.segment]\nauth = [\"basic\"]\ncors = \"pages\"\n[routes.segment-single]\nauth = [\"basic\"]\ncors = \"pages\"\n";
    let preset = secured(kafka, &authority, "segment", asks);
    let said = end(page(&folder, strategy, &preset.gateway, "writekey", 20));
    assert!(said.failed.is_empty(), "{said:?}");
    let by_id = preset.records(kafka, "/messageId");
    let sent: BTreeSet<_> = said.sent.into_iter().collect();
    assert_eq!(sent.len(), 20);
    assert_eq!(by_id.keys().cloned().collect::<BTreeSet<_>>(), sent);
    for records in by_id.values() {
        assert_eq!(records.len(), 1);
        let value: serde_json::Value = serde_json::from_slice(records[0].payload()).unwrap();
        assert_eq!(value["properties"]["city"], "Köln \"5%41\"");
        let key = value["anonymousId"].as_str().unwrap();
        assert_eq!(records[0].key.as_deref(), Some(key.as_bytes()), "{value}");
    }
    let refused = end(page(&folder, strategy, &preset.gateway, "another", 2));
    let after = preset.records(kafka, "/messageId");
    assert_eq!(after.len(), 20, "a wrong key was let in: {refused:?}");
    preset.gateway.stop();
}

#[test]
fn what_segments_sdk_sends_from_a_page_one_by_one_is_in_kafka() {
    pages_of_segment_deliver("segment");
}

#[test]
fn what_segments_sdk_sends_from_a_page_in_batches_is_in_kafka() {
    pages_of_segment_deliver("batching");
}

#[test]
fn what_the_sdk_of_televisions_sends_and_signs_is_in_kafka() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let Some(folder) = folder_or_skip("browser") else {
        return;
    };
    let authority = Authority::new("servers");
    let asks = "[routes.appsflyer-c2s]\nauth = [\"hmac:authorization id=path:app_id\"]\ncors = \"pages\"\n";
    let preset = secured(kafka, &authority, "appsflyer", asks);
    let said = end(page(&folder, "ctv", &preset.gateway, "the-dev-key", 10));
    assert!(said.failed.is_empty(), "{said:?}");
    assert_eq!(said.sent.len(), 11, "the start, and ten events");
    let by_id = preset.records(kafka, "/request_id");
    assert_eq!(by_id.len(), 11);
    let kinds = by_id.values().flatten().map(|record| {
        let header = |name: &str| {
            let mut headers = record.headers.iter();
            let (_, value) = headers.find(|(found, _)| found == name).unwrap();
            String::from_utf8(value.clone().unwrap()).unwrap()
        };
        assert_eq!(header("app_id"), "com.example.tv");
        assert_eq!(header("platform"), "vidaa");
        let value: serde_json::Value = serde_json::from_slice(record.payload()).unwrap();
        let device = value
            .pointer("/device_ids/1/value")
            .unwrap()
            .as_str()
            .unwrap();
        assert_eq!(record.key.as_deref(), Some(device.as_bytes()), "{value}");
        header("kind")
    });
    let kinds: Vec<_> = kinds.collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "inapp").count(), 10);
    let refused = end(page(&folder, "ctv", &preset.gateway, "another-key", 1));
    assert_eq!(refused.failed.len(), 2, "{refused:?}");
    assert_eq!(preset.records(kafka, "/request_id").len(), 11);
    preset.gateway.stop();
}

#[test]
fn what_a_page_without_an_sdk_sends_is_in_kafka() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let Some(folder) = folder_or_skip("browser") else {
        return;
    };
    let authority = Authority::new("servers");
    let cors = "[routes.web]\ncors = \"pages\"\n[sources.other]\nkeys = [\"another-key\"]\n[streams.keyed]\ncluster = \"main\"\nauth = [\"bearer\"]\n";
    let preset = secured(kafka, &authority, "web", cors);
    let said = end(page(&folder, "beacon", &preset.gateway, "none", 12));
    assert!(said.failed.is_empty(), "{said:?}");
    let records = consume_all(kafka.bootstrap(), &preset.topic);
    let ids: BTreeSet<_> = records
        .iter()
        .map(|record| {
            let text = String::from_utf8_lossy(record.payload()).into_owned();
            let at = text.find("beacon-").unwrap();
            let id: String = text[at..]
                .chars()
                .take_while(|letter| letter.is_alphanumeric() || *letter == '-')
                .collect();
            let number: usize = id.rsplit('-').next().unwrap().parse().unwrap();
            let key = format!("user-{}", number % 7);
            assert_eq!(record.key.as_deref(), Some(key.as_bytes()), "{text}");
            id
        })
        .collect();
    assert_eq!(ids, super::ids("beacon", 12));
    assert_eq!(records.len(), 12);
    preset.gateway.stop();
}

#[test]
fn what_the_package_for_servers_sends_is_in_kafka() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let Some(folder) = folder_or_skip("python") else {
        return;
    };
    let authority = Authority::new("servers");
    let asks = "[routes.appsflyer-s2s]\nauth = [\"header:authentication\"]\n";
    let preset = secured(kafka, &authority, "appsflyer", asks);
    let send = |key: &str, count: &str| {
        let mut command = Command::new(folder.join("venv/bin/python"));
        command.arg("-P").arg(drivers().join("appsflyer.py"));
        command.env("REQUESTS_CA_BUNDLE", authority.file());
        end(start(command.args([&port(&preset.gateway), key, count])))
    };
    let said = send("writekey", "20");
    assert!(said.failed.is_empty(), "{said:?}");
    let refused = send("another", "1");
    assert_eq!(refused.failed, ["0 401"]);
    let records = consume_all(kafka.bootstrap(), &preset.topic);
    assert_eq!(records.len(), 20);
    for record in records {
        let value: serde_json::Value = serde_json::from_slice(record.payload()).unwrap();
        let key = value["appsflyer_id"].as_str().unwrap();
        assert_eq!(record.key.as_deref(), Some(key.as_bytes()));
    }
    preset.gateway.stop();
}

/// Refusals with 429 and 503, closed connections, a stop and a kill: what the SDK sends again ends in Kafka, and it loses nothing.
#[track_caller]
fn pages_of_segment_lose_nothing(strategy: &str) {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let Some(folder) = folder_or_skip("browser") else {
        return;
    };
    let authority = Authority::new("servers");
    let asks = "[streams.segment.rate]\nevents = 10\n[routes.segment]\nauth = [\"basic\"]\ncors = \"pages\"\n[routes.segment-single]\nauth = [\"basic\"]\ncors = \"pages\"\n";
    let preset = secured(kafka, &authority, "segment", asks);
    let unavailable = "[routes.segment.answers.overloaded]\nstatus = 503\n[routes.segment-single.answers.overloaded]\nstatus = 503\n";
    let mut faults = Faults::before(preset, unavailable);
    let port = faults.relay.address.port().to_string();
    let page = start(page_at(&folder, strategy, &port).args(["writekey", "200", "faults"]));
    faults.happen(false);
    let stored = || -> BTreeSet<String> {
        let by_number = faults.preset.numbers(kafka, "/properties/number");
        by_number
            .iter()
            .map(|number| format!("number-{number}"))
            .collect()
    };
    let all = super::ids("number", 200);
    // What is left is tried again with pauses of up to a minute.
    eventually("all is in kafka", super::SENDS_WITHIN, || {
        std::thread::sleep(std::time::Duration::from_secs(2));
        stored() == all
    });
    let said = end(page);
    assert_eq!(said.sent.len(), 200, "{said:?}");
    faults.preset.gateway.stop();
}

#[test]
fn segments_sdk_in_a_page_loses_nothing_one_by_one() {
    pages_of_segment_lose_nothing("segment");
}

#[test]
fn segments_sdk_in_a_page_loses_nothing_in_batches() {
    pages_of_segment_lose_nothing("batching");
}

#[test]
fn what_the_sdk_of_televisions_loses_it_tells() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let Some(folder) = folder_or_skip("browser") else {
        return;
    };
    let authority = Authority::new("servers");
    let asks = "[streams.appsflyer.rate]\nevents = 10\n[routes.appsflyer-c2s]\nauth = [\"hmac:authorization id=path:app_id\"]\ncors = \"pages\"\n";
    let preset = secured(kafka, &authority, "appsflyer", asks);
    let unavailable = "[routes.appsflyer-c2s.answers.overloaded]\nstatus = 503\n";
    let mut faults = Faults::before(preset, unavailable);
    let port = faults.relay.address.port().to_string();
    let page = start(page_at(&folder, "ctv", &port).args(["the-dev-key", "1", "faults"]));
    faults.happen(false);
    let said = end(page);
    let stored = faults.preset.records(kafka, "/event_custom_parameters/sku");
    let stored: BTreeSet<_> = stored.into_keys().collect();
    let said = Said {
        sent: said.sent.into_iter().filter(|id| id != "start").collect(),
        ..said
    };
    let lost = lost(&said, &stored, |line| {
        line.split(':').next().unwrap().replace('_', " ")
    });
    assert_eq!(lost, [""; 0], "lost and not told");
    for status in ["429", "503"] {
        assert!(
            said.failed.iter().any(|line| line.contains(status)),
            "{status}: {said:?}"
        );
    }
    faults.preset.gateway.stop();
}
