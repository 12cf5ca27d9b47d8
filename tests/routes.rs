//! Routes: what SDKs put on the wire, as it was recorded, in front of a mock cluster; and what is in the topic afterwards.

mod answers;
mod appsflyer;
mod cloudevents;
mod configured;
mod hostile;
mod large;
mod reloaded;
mod segment;
mod several;
mod tried;
mod web;
mod webhook;

use crate::support::gateway::Gateway;
use crate::support::http::{Answer, Client};
use crate::support::mock::Mock;
use crate::support::topic::{Record, records};

/// A gateway with a preset of `deploy/presets`, in front of a mock cluster with the stream that it needs, of two partitions.
fn preset(name: &str, stream: &str, more: &str) -> (Mock, Gateway) {
    let include = format!(
        "include = [\"{}/deploy/presets/{name}.toml\"]\n",
        env!("CARGO_MANIFEST_DIR")
    );
    started(&include, &[stream], more)
}

/// A gateway with these streams. `first` is the configuration's beginning, `more` its end.
fn started(first: &str, streams: &[&str], more: &str) -> (Mock, Gateway) {
    let topics: Vec<_> = streams.iter().map(|name| (*name, 2)).collect();
    let mock = Mock::start(1, &topics);
    let streams = streams
        .iter()
        .map(|name| format!("[streams.{name}]\ncluster = \"main\"\n"));
    let config = format!(
        "{first}[clusters.main]\nbootstrap = \"{}\"\n{}{more}",
        mock.bootstrap(),
        streams.collect::<String>()
    );
    let gateway = Gateway::ready(&config);
    (mock, gateway)
}

/// Sends a request as it's written, with its length behind its headers, and reads the answer.
#[track_caller]
fn send(client: &mut Client, head: &str, body: &[u8]) -> Answer {
    let head = head.trim_start().replace('\n', "\r\n");
    let length = match body {
        [] => String::new(),
        body => format!("Content-Length: {}\r\n", body.len()),
    };
    let head = format!("{head}\r\nHost: test\r\n{length}\r\n");
    client.write(&[head.as_bytes(), body].concat()).unwrap();
    client.answer().unwrap()
}

/// A record's header.
fn header<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    let mut headers = record.headers.iter();
    let (_, value) = headers.find(|(found, _)| found == name)?;
    Some(value)
}

/// The records of a topic, in the order of their values.
fn sorted(mock: &Mock, topic: &str) -> Vec<Record> {
    let mut records = records(mock.bootstrap(), topic);
    records.sort_by_key(Record::text);
    records
}
