//! What the admin port shows of owners.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::http::Snapshot;
use crate::owner::{Of, Terms};
use crate::telemetry::samples::OwnerSample;

/// Owners that are configured or named, and those whose streams aren't any more but have something left, by name.
fn shown(now: &Snapshot) -> Vec<&Arc<Terms>> {
    let mut all: Vec<_> = now.owners.iter().collect();
    for terms in now.leaving().filter_map(|route| route.owner.as_ref()) {
        if !all.iter().any(|known| known.name() == terms.name()) {
            all.push(terms);
        }
    }
    all.sort_unstable_by_key(|terms| terms.name());
    all
}

/// All owners, at this moment.
pub(super) fn samples(now: &Snapshot) -> Vec<OwnerSample> {
    let sample = |terms: &Arc<Terms>| {
        let owner = &terms.owner;
        let (mut events, mut bytes, mut held) = (0, 0, 0);
        for stream in &now.streams {
            let its = stream.owner.load();
            if its.as_ref().is_some_and(|its| Arc::ptr_eq(its, owner)) {
                let brought = stream.brought();
                events += brought.0;
                bytes += brought.1;
                held += stream.share.used();
            }
        }
        let (events, body_bytes) = owner.brought(events, bytes);
        OwnerSample {
            name: owner.name().to_owned(),
            contact: terms.settings.contact.clone(),
            runbook: terms.settings.runbook.clone(),
            events,
            body_bytes,
            // What isn't bounded isn't counted by owner.
            memory_used: owner.memory.limit().map_or(held, |_| owner.memory.used()),
            memory_limit: owner.memory.limit(),
            spill_used: owner.spill.used(),
            spill_limit: owner.spill.limit(),
            refused: Of::ALL.map(|of| (of.as_str(), owner.refused(of))),
        }
    };
    shown(now).into_iter().map(sample).collect()
}

/// `/status`.
pub(super) fn status(now: &Snapshot) -> Value {
    let streams_of = |owner: &str| -> Vec<&str> {
        let its = now.shown.iter().filter(|route| {
            let terms = route.owner.as_ref();
            terms.is_some_and(|terms| terms.name() == owner)
        });
        its.map(|route| route.name()).collect()
    };
    let all = samples(now).into_iter().map(|it| {
        let refused = it
            .refused
            .map(|(share, count)| (share.to_owned(), json!(count)));
        let its = json!({
            "contact": it.contact,
            "runbook": it.runbook,
            "streams": streams_of(&it.name),
            "events": it.events,
            "body_bytes": it.body_bytes,
            "memory_bytes": it.memory_used,
            "memory_limit_bytes": it.memory_limit,
            "spill_bytes": it.spill_used,
            "spill_limit_bytes": it.spill_limit,
            "refusals": Map::from_iter(refused),
        });
        (it.name, its)
    });
    Value::Object(all.collect())
}
