//! What must hold of streams.

use super::super::Config;
use super::super::check::dotted;
use super::super::nearest::hint;
use super::super::syntax::{event_key, legal_name, pointer};
use super::problems::Problems;
use crate::route::settings::{Ack, Addresses, Format};

pub(super) fn check(config: &Config, problems: &mut Problems) {
    if config.streams.is_empty() {
        let what = "there is none, so every event would be refused; add [streams.NAME] with cluster = \"…\"";
        problems.add("streams", what);
    }
    for (name, stream) in &config.streams {
        let key = |field: &str| dotted(&["streams", name, field]);
        problems.unless(&dotted(&["streams", name]), legal_name(name));
        if !config.clusters.contains_key(&stream.cluster) {
            let hint = match config.clusters.is_empty() {
                true => "add [clusters.NAME] with bootstrap = \"HOST:PORT\"".into(),
                false => hint(&stream.cluster, config.clusters.keys().map(String::as_str)),
            };
            problems.add(
                key("cluster"),
                format!("there is no cluster \"{}\"; {hint}", stream.cluster),
            );
        }
        if let Some(topic) = &stream.topic {
            problems.unless(&key("topic"), legal_name(topic));
        }
        for (field, what) in stream.rate.check() {
            problems.add(dotted(&["streams", name, "rate", field]), what);
        }
        if stream.quota > 0 && stream.rate.events > 0 {
            let what = "rate.events says the same; give one of them";
            problems.add(key("quota"), what);
        }
        if stream.ack == Ack::Disk && config.spill.dir.as_os_str().is_empty() {
            let what = "\"disk\" needs a spill log; set spill.dir";
            problems.add(key("ack"), what);
        }
        let is_hashed = stream.addresses == Addresses::Hashed;
        if is_hashed && stream.address_key.as_ref().is_none_or(String::is_empty) {
            let what = "hashed addresses need a key, or anybody could try out all addresses; give one, like \"${file:/run/secrets/addresses}\"";
            problems.add(key("address_key"), what);
        }
        let is_raw = stream.format == Format::Raw;
        if let Some(given) = &stream.key {
            problems.unless(&key("key"), event_key(given, is_raw));
        }
        match &stream.id {
            Some(id) if is_raw => {
                let what = format!(
                    "\"{id}\" can't be looked up, because a raw stream's events are opaque; remove it"
                );
                problems.add(key("id"), what);
            }
            Some(id) => problems.unless(&key("id"), pointer(id)),
            None => {}
        }
    }
}
