//! What a measurement finds: CPU of a process and of the broker, per event.

use super::child::{Cpu, Place, cpu, cpu_by_thread, cpu_worked, resident_mb};
use crate::kafka::Kafka;

/// What one measurement of one subject found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) events_per_second: f64,
    /// CPU of the subject's process per event, in microseconds.
    pub(crate) user: f64,
    pub(crate) system: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Of a gateway, by its own histograms: p99 of its requests, and p99 and p99.9 of Kafka's acknowledgements.
    pub(crate) inside_p99_ms: f64,
    pub(crate) ack_p99_ms: f64,
    pub(crate) ack_p999_ms: f64,
    pub(crate) resident_mb: f64,
    /// CPU of the broker per event, if the broker was started here.
    pub(crate) broker: f64,
    /// Requests with another answer than 2xx.
    pub(crate) others: u64,
    /// Part of the subject's CPU that others used, in percent. More than a few disturb the measurement.
    pub(crate) disturbed: f64,
    /// CPU per event by thread.
    pub(crate) threads: Vec<(String, f64)>,
}

impl Sample {
    pub(crate) fn cpu(&self) -> f64 {
        self.user + self.system
    }
}

/// CPU of the subject and the broker over the window.
pub(crate) struct Meter {
    pid: u32,
    broker: Option<u32>,
    /// The CPU that the subject is pinned to, and what it had worked.
    core: Option<(usize, f64)>,
    before: (Cpu, Cpu),
    threads: Vec<(String, f64)>,
}

impl Meter {
    pub(crate) fn start(kafka: &Kafka, server: Place, pid: u32) -> Meter {
        let broker = kafka.nodes().first().and_then(|node| kafka.pid(*node));
        Meter {
            pid,
            broker,
            core: match server {
                Place::Cpu(number) => Some((number, cpu_worked(number))),
                Place::Anywhere => None,
            },
            before: (cpu(pid), broker.map(cpu).unwrap_or_default()),
            threads: cpu_by_thread(pid),
        }
    }

    pub(crate) fn stop(self, events: f64, seconds: f64) -> Sample {
        let per_event = 1e6 / events;
        let spent = cpu(self.pid) - self.before.0;
        let broker = self.broker.map(cpu).unwrap_or_default() - self.before.1;
        let threads = cpu_by_thread(self.pid).into_iter().map(|(name, after)| {
            let before = self.threads.iter().find(|(known, _)| *known == name);
            let spent = after - before.map_or(0.0, |(_, before)| *before);
            let name = name.split('/').next().unwrap_or_default().to_owned();
            (name, spent * per_event)
        });
        Sample {
            events_per_second: events / seconds,
            user: spent.user * per_event,
            system: spent.system * per_event,
            broker: broker.total() * per_event,
            resident_mb: resident_mb(self.pid),
            disturbed: self.core.map_or(0.0, |(number, before)| {
                let others = cpu_worked(number) - before - spent.total();
                (others / seconds * 100.0).max(0.0)
            }),
            threads: threads.collect(),
            ..Sample::default()
        }
    }
}
