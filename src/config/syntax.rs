//! The syntax of texts in the configuration: names, lists of brokers, places of a key. Pure.

use std::net::SocketAddr;

/// Longest name of a topic that Kafka takes.
const NAME_MAX: usize = 249;

/// Whether Kafka would take this as the name of a topic; streams and clusters keep to the same.
pub(super) fn legal_name(name: &str) -> Result<(), String> {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name == "." || name == ".." {
        return Err(format!(
            "\"{name}\" is no name; use letters, digits, \".\", \"_\" and \"-\""
        ));
    }
    if let Some(odd) = name.chars().find(|c| !is_legal(*c)) {
        return Err(format!(
            "the name \"{}\" holds {odd:?}; use letters, digits, \".\", \"_\" and \"-\" only",
            name.escape_debug()
        ));
    }
    if name.len() > NAME_MAX {
        return Err(format!(
            "the name has {} characters; give at most {NAME_MAX}",
            name.len()
        ));
    }
    Ok(())
}

/// Whether a cluster may have this name. The spill log's lanes begin with it, and those of dead letters with `dead`.
pub(super) fn cluster_name(name: &str) -> Result<(), String> {
    if name == "dead" {
        return Err("the spill log has its dead letters under this name; choose another".into());
    }
    legal_name(name)
}

/// What is wrong with a list of brokers.
pub(super) fn bootstrap(list: &str) -> Vec<String> {
    let good = "like \"kafka-1:9092,kafka-2:9092\"";
    if list.trim().is_empty() {
        return vec![format!(
            "it names no broker; give host:port of some, {good}"
        )];
    }
    let bad = list
        .split(',')
        .map(str::trim)
        .filter(|broker| !is_host_port(broker));
    bad.map(|broker| match broker.split_once("://") {
        Some(_) => format!(
            "\"{broker}\" has a protocol; give host:port and set \"security.protocol\" in the cluster's kafka section"
        ),
        None => format!("\"{broker}\" isn't host:port; separate brokers by commas, {good}"),
    })
    .collect()
}

/// Whether this is `name:port`, `1.2.3.4:port` or `[v6]:port`.
fn is_host_port(broker: &str) -> bool {
    if let Ok(address) = broker.parse::<SocketAddr>() {
        return address.port() != 0;
    }
    let Some((host, port)) = broker.rsplit_once(':') else {
        return false;
    };
    let host_is_good = !host.is_empty()
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    let port_is_good =
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0);
    host_is_good && port_is_good
}

/// Whether a stream's `key` can be looked up.
pub(super) fn event_key(given: &str, is_raw: bool) -> Result<(), String> {
    if given == "path" {
        return Ok(());
    }
    if let Some(header) = given.strip_prefix("header:") {
        return match is_header_name(header) {
            true => Ok(()),
            false => Err(format!(
                "\"{header}\" is no name of a header; write it like \"header:x-device-id\""
            )),
        };
    }
    if !given.starts_with('/') {
        return Err(format!(
            "\"{given}\" is no place of a key; give a JSON pointer like \"/device/id\", \"header:NAME\" or \"path\""
        ));
    }
    if is_raw {
        return Err(format!(
            "\"{given}\" can't be looked up, because a raw stream's events are opaque; give \"header:NAME\" or \"path\""
        ));
    }
    pointer(given)
}

/// Whether this is a JSON pointer (RFC 6901) to something inside an event.
pub(super) fn pointer(given: &str) -> Result<(), String> {
    if !given.starts_with('/') {
        return Err(format!(
            "\"{given}\" is no JSON pointer; it begins with a slash, like \"/event_id\""
        ));
    }
    // Splitting at `~` leaves what follows each: it must be 0 or 1.
    let escapes_are_good = given
        .split('~')
        .skip(1)
        .all(|after| after.starts_with(['0', '1']));
    match escapes_are_good {
        true => Ok(()),
        false => Err(format!(
            "\"{given}\" has a \"~\" that is no escape; write \"~0\" for \"~\" and \"~1\" for \"/\""
        )),
    }
}

/// Whether this is a `token` of RFC 9110, as every header's name is.
fn is_header_name(name: &str) -> bool {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.bytes().all(is_token)
}
