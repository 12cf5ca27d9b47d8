//! The thread that looks, once a second and whenever somebody asks: at the log, and at what the trend is told from.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Instant, SystemTime};

use super::history::Moment;
use super::sampler::{EVERY, Sample, Wishes, log_takes};
use super::trend::Look;
use super::view::View;
use super::{dead, topics};
use crate::http::Stream;
use crate::lifecycle::{Phase, Vital};

/// Part of the memory budget that is filled and emptied all the time, and says nothing about a loss to come.
const WORKING_SET: u64 = 8;

/// Starts the thread that looks; it ends soon after the process has [stopped](Phase::Stopped).
pub fn spawn(view: &Arc<View>, wishes: Wishes, vital: Vital) -> io::Result<()> {
    let view = Arc::clone(view);
    let run = move || {
        let _vital = vital;
        let mut due = Instant::now();
        while view.phase() < Phase::Stopped {
            let sample = sample(&view);
            view.sampler.publish(sample);
            if Instant::now() >= due {
                due = Instant::now() + EVERY;
                let log = view.sampler.latest().spill.clone();
                view.trend.note(look(&view), log.as_ref());
                view.history.note(SystemTime::now(), moment(&view));
            }
            let pause = due.saturating_duration_since(Instant::now());
            wishes.wait(pause);
        }
    };
    let name = "sampler".to_owned();
    std::thread::Builder::new().name(name).spawn(run)?;
    Ok(())
}

fn sample(view: &View) -> Sample {
    let log = view.spill.as_ref();
    Sample {
        wishes: view.sampler.wishes(),
        at: Instant::now(),
        spill: log.map(|log| log.stats()),
        backlogs: log.map_or_else(Vec::new, |log| log.backlog_by_lane()),
        dead: view.dead_letters(),
    }
}

fn moment(view: &View) -> Moment {
    let sample = view.sampler.latest();
    let log = sample.spill.clone().unwrap_or_default();
    let (dead, _) = dead::sums(&sample.dead);
    let now = view.port.now();
    let sum = |count: fn(&Stream) -> u64| now.streams.iter().map(|it| count(it)).sum();
    Moment {
        accepted: sum(|it| it.ledger.accepted.load(Relaxed)),
        delivered: sum(|it| it.ledger.acked.load(Relaxed) + it.ledger.replayed.load(Relaxed)),
        spilled: sum(|it| it.ledger.spilled.load(Relaxed)),
        turned_away: sum(|it| it.metrics.turned_away.load(Relaxed)),
        memory: view.budget.used(),
        spill: log.used_bytes,
        backlog: log.backlog_events.saturating_sub(dead),
        time_to_loss: view.trend.time_to_loss(),
    }
}

fn look(view: &View) -> Look {
    let (used, total) = (view.budget.used(), view.budget.total());
    let sample = view.sampler.latest();
    let log = sample.spill.clone().unwrap_or_default();
    let log_refuses = sample.spill.is_some() && !log_takes(&sample);
    // What a log has free that takes nothing is no room.
    let room = if log_refuses { 0 } else { log.room_bytes };
    let (_, dead_bytes) = dead::sums(&sample.dead);
    let backlog = log.backlog_bytes.saturating_sub(dead_bytes);
    let now = view.port.now();
    // Of all streams that ever were: a sum that only grows, whichever are shown.
    let turned_away = |stream: &Arc<Stream>| stream.metrics.turned_away.load(Relaxed);
    // What is on its way into the log isn't known event by event.
    let in_hand = if log.queued_bytes > 0 {
        u64::MAX
    } else {
        topics::in_hand(&view.clusters())
    };
    Look {
        held: used.saturating_sub(total / WORKING_SET) + backlog,
        room: total.saturating_sub(used) + room,
        backlog,
        log_refuses,
        turned_away: now.streams.iter().map(turned_away).sum(),
        to_answer: now.settings.answer_within.div_duration_f64(EVERY).ceil() as usize,
        unexplained: now
            .shown
            .iter()
            .map(|route| {
                let open = u64::try_from(route.stream.ledger.in_flight());
                let unexplained = open.unwrap_or(u64::MAX).saturating_sub(in_hand);
                (route.name().to_owned(), unexplained)
            })
            .collect(),
    }
}
