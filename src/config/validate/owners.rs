//! What must hold of owners.

use bytesize::ByteSize;

use super::super::Config;
use super::super::check::dotted;
use super::super::nearest::hint;
use super::super::print::size;
use super::super::syntax::legal_name;
use super::problems::Problems;

pub(super) fn check(config: &Config, problems: &mut Problems) {
    for (name, owner) in &config.owners {
        let key = |field: &str| dotted(&["owners", name, field]);
        problems.unless(&dotted(&["owners", name]), legal_name(name));
        for (field, what) in owner.rate.check() {
            problems.add(dotted(&["owners", name, "rate", field]), what);
        }
        let runbook = &owner.runbook;
        if !runbook.is_empty() && !is_link(runbook) {
            let what =
                format!("\"{runbook}\" is no link; give one that begins with http:// or https://");
            problems.add(key("runbook"), what);
        }
        problems.at_most(
            &key("memory"),
            owner.memory,
            config.memory.budget,
            "memory.budget",
        );
        let request = ByteSize(config.http.max_body.0 + config.http.max_decompressed.0);
        if owner.memory.0 > 0 && owner.memory < request {
            let [given, request] = [owner.memory, request].map(size);
            let what = format!(
                "{given} can't hold the largest request, http.max_body and http.max_decompressed together, {request}; raise it"
            );
            problems.add(key("memory"), what);
        }
        problems.at_most(
            &key("spill"),
            owner.spill,
            config.spill.quota,
            "spill.quota",
        );
        let event = config.decode.max_event;
        if owner.spill.0 > 0 && owner.spill < event {
            let [given, event] = [owner.spill, event].map(size);
            let what = format!(
                "{given} can't hold the largest event, decode.max_event, {event}; raise it"
            );
            problems.add(key("spill"), what);
        }
    }
    named(config, problems);
}

/// Once there are owners, whoever names one means one of them.
fn named(config: &Config, problems: &mut Problems) {
    if config.owners.is_empty() {
        return;
    }
    let of_clusters = config.clusters.iter().map(|(name, cluster)| {
        let key = dotted(&["clusters", name, "owner"]);
        (key, cluster.owner.as_str())
    });
    let of_streams = config.streams.iter().map(|(name, stream)| {
        let key = dotted(&["streams", name, "owner"]);
        (key, stream.owner.as_deref().unwrap_or_default())
    });
    for (key, owner) in of_clusters.chain(of_streams) {
        if !owner.is_empty() && !config.owners.contains_key(owner) {
            let hint = hint(owner, config.owners.keys().map(String::as_str));
            problems.add(key, format!("there is no owner \"{owner}\"; {hint}"));
        }
    }
}

fn is_link(text: &str) -> bool {
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '<' | '>');
    rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(is_plain))
}
