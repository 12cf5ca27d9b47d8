//! Dead letters that are sent again because somebody asked the admin port for it: one redrive at a time, on a thread of its own.

use std::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::http::shown;
use crate::lane::Cluster;
use crate::lane::dead::Reason;
use crate::lane::redrive::{self, Choice, Plan, Progress};
use crate::lifecycle::{Phase, Watch};
use crate::spill::Log;

/// The redrive that runs, or the last one.
#[derive(Debug, Default)]
pub struct Redriver(Mutex<Option<Arc<Run>>>);

#[derive(Debug)]
pub(super) struct Run {
    begun: Instant,
    events: u64,
    bytes: u64,
    progress: Progress,
    is_over: AtomicBool,
}

impl Run {
    pub(super) fn status(&self) -> Value {
        let faults = self.progress.faults().into_iter();
        let faults: Vec<_> = faults.map(|fault| fault.to_string()).collect();
        json!({
            "running": !self.is_over.load(Acquire),
            "begun_seconds_ago": self.begun.elapsed().as_secs(),
            "planned_events": self.events,
            "planned_bytes": self.bytes,
            "events": self.progress.events(),
            "bytes": self.progress.bytes(),
            "faults": faults,
        })
    }
}

impl Redriver {
    fn last(&self) -> std::sync::MutexGuard<'_, Option<Arc<Run>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn status(&self) -> Value {
        self.last().as_ref().map_or(Value::Null, |run| run.status())
    }

    /// Starts one; the one that runs already, if one does.
    pub(super) fn start(
        &self,
        log: &Arc<Log>,
        clusters: Arc<Vec<Arc<Cluster>>>,
        phase: Watch,
        plan: Plan,
    ) -> Result<Arc<Run>, Arc<Run>> {
        let mut last = self.last();
        if let Some(run) = last.as_ref().filter(|run| !run.is_over.load(Acquire)) {
            return Err(Arc::clone(run));
        }
        let (events, bytes) = plan.sums();
        let run = Arc::new(Run {
            begun: Instant::now(),
            events,
            bytes,
            progress: Progress::default(),
            is_over: AtomicBool::new(false),
        });
        let (log, of_thread) = (Arc::clone(log), Over(Arc::clone(&run)));
        let thread = std::thread::Builder::new().name("redrive".into());
        let started = thread.spawn(move || {
            let progress = &of_thread.0.progress;
            let may_go_on = || *phase.borrow() == Phase::Running;
            redrive::run(&log, &clusters, &plan, progress, &may_go_on);
            let (sent, faults) = (progress.events(), progress.faults().len());
            tracing::info!(
                planned = events,
                sent,
                faults,
                "dead letters are on their way again"
            );
        });
        if let Err(error) = started {
            tracing::warn!(%error, "no thread can be had to send dead letters again");
            return Err(run);
        }
        *last = Some(Arc::clone(&run));
        Ok(run)
    }
}

/// However its thread ends, a redrive is over then.
struct Over(Arc<Run>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.is_over.store(true, Release);
    }
}

/// What the query of a request asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) choice: Choice,
    pub(super) is_dry: bool,
}

impl Asked {
    /// Strict: what isn't understood would be taken for "all".
    pub(super) fn parse(query: &str) -> Result<Asked, String> {
        let mut asked = Asked::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value).decode_utf8_lossy();
            match (name, &*value) {
                ("lane", _) => asked.choice.lane = value.into_owned(),
                ("reason", "") => {}
                ("reason", word) => {
                    let reason = Reason::parse(word).ok_or_else(|| {
                        let known = Reason::ALL.map(Reason::as_str).join(", ");
                        format!("there is no reason {}; there is {known}", shown(word))
                    })?;
                    asked.choice.reason = Some(reason);
                }
                ("dry_run", "true" | "1" | "") => asked.is_dry = true,
                ("dry_run", "false" | "0") => asked.is_dry = false,
                ("dry_run", _) => return Err("dry_run is true or false".into()),
                _ => {
                    return Err(format!(
                        "there is no {}; there is lane, reason and dry_run",
                        shown(name)
                    ));
                }
            }
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_understood_or_refused_and_never_taken_for_all() {
        let asked = Asked::parse("lane=main%2Fevents/t&reason=too_large&dry_run=true").unwrap();
        assert_eq!(asked.choice.lane, "main/events/t");
        assert_eq!(asked.choice.reason, Some(Reason::TooLarge));
        assert!(asked.is_dry);
        assert_eq!(Asked::parse("").unwrap(), Asked::default());
        assert_eq!(Asked::parse("dry_run=false").unwrap(), Asked::default());
        for wrong in ["dryrun=true", "dry_run=yes", "reason=large", "lanes=main"] {
            assert!(Asked::parse(wrong).is_err(), "{wrong}");
        }
        for asked in ["", "reason="] {
            let error = Asked::parse(&(asked.to_owned() + &"x".repeat(1 << 14))).unwrap_err();
            assert!(error.len() < 512, "{} bytes are repeated", error.len());
        }
    }
}
