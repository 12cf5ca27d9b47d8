//! What the admin port shows of events that damage of the disk has cost.

use serde_json::{Value, json};

use super::trouble::{Kind, Trouble};
use super::view::View;
use crate::lane::damage::{Damaged, damaged};
use crate::telemetry::samples::DamageSample;

impl View {
    fn damaged(&self) -> Vec<Damaged> {
        let log = self.spill.as_ref();
        log.map_or_else(Vec::new, |log| damaged(log, &self.clusters()))
    }

    /// Events that the spill log is known to have lost, and how many of them were known before this start.
    pub fn lost_by_damage(&self) -> (u64, u64) {
        let stats = self.spill.as_ref().map(|log| log.stats());
        stats.map_or((0, 0), |stats| (stats.lost_events, stats.lost_before))
    }

    /// What readiness says of it, though it doesn't change it: what this start, or this run, found.
    pub(super) fn damage_reasons(&self) -> Vec<Trouble> {
        let (all, before) = self.lost_by_damage();
        if all <= before {
            return Vec::new();
        }
        let damaged = self.damaged().into_iter().filter(|it| it.events > 0);
        let reasons = damaged.map(|it| {
            let since = it.since.map_or(String::new(), |since| {
                format!(", the oldest stored about {} s ago", since.as_secs())
            });
            let Damaged { cluster, stream, events, .. } = it;
            let what = format!("the spill log has lost at least {events} events of stream {stream}, cluster {cluster}, to damage of its disk{since}");
            Trouble::new(Kind::Damage, what)
        });
        reasons.collect()
    }

    pub(super) fn damage_status(&self) -> Value {
        let damaged = self.damaged().into_iter().filter(|it| it.events > 0);
        let damaged = damaged.map(|it| {
            json!({
                "cluster": it.cluster,
                "stream": it.stream,
                "events": it.events,
                "oldest_seconds": it.since.map(|since| since.as_secs()),
            })
        });
        damaged.collect()
    }

    pub(super) fn damage_samples(&self) -> Vec<DamageSample> {
        let samples = self.damaged().into_iter().map(|it| DamageSample {
            cluster: it.cluster,
            stream: it.stream,
            events: it.events,
        });
        samples.collect()
    }
}
