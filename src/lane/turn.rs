//! Whose turn it is to send, while something of a topic is unrouted.

use std::sync::Arc;

use super::Lane;
use super::topic::Topic;
use super::work::Work;

/// Which lanes of a topic may send while something is unrouted. A partition gets events of one lane at a time: Kafka refuses
/// batches, and whose fault that is can be found out only within a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// All that send to their own partitions.
    Own,
    /// The one of this number, whose events are sorted.
    Only(u32),
}

/// Which lanes of the topic of an unrouted lane may send: first those whose partitions are there, then what is sorted anew,
/// of one lane after the other, and the unrouted one last.
pub(super) fn whose_turn(works: &[Option<Box<Work>>], topic: &Topic, unrouted: &Lane) -> Turn {
    let work_of = |lane: &Lane| {
        let work = works.get(lane.number() as usize);
        work.and_then(Option::as_deref)
    };
    let has_events = |lane: &Lane| match work_of(lane) {
        // What a later forebay wrote is left to it.
        Some(work) if work.is_blocked() && work.window.is_empty() => false,
        Some(work) => !work.life.is_direct() || !work.window.is_empty(),
        // It was woken, perhaps for what an earlier run stored; the next turn knows.
        None => lane.is_open(),
    };
    let all = topic.all_lanes();
    let mut with_unrouted = all.iter().map(Arc::as_ref).chain([unrouted]);
    if let Some(busy) = with_unrouted.find(|lane| work_of(lane).is_some_and(Work::sends_sorted)) {
        return Turn::Only(busy.number());
    }
    let mut gone = None;
    for lane in all.iter().filter(|lane| has_events(lane)) {
        if topic.routing.sorting(lane) == Ok(None) {
            return Turn::Own;
        }
        gone = gone.or(Some(lane.number()));
    }
    match gone {
        Some(lane) => Turn::Only(lane),
        None if topic.routing.is_closing() => Turn::Own,
        None => Turn::Only(unrouted.number()),
    }
}

/// Which lanes of the lane's topic may send; a lane that was just opened counts from the next turn on.
pub(super) fn turn_of(turns: &[(u32, Turn)], lane: &Lane) -> Turn {
    let turn = turns.iter().find(|(topic, _)| *topic == lane.topic);
    turn.map_or(Turn::Own, |(_, turn)| *turn)
}
