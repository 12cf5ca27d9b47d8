//! A plan is what a slow sort makes of the events, for one as for many.

use std::collections::BTreeMap;

use super::*;
use crate::budget::Budget;
use crate::http::Stream;
use crate::lane::{self, Cluster};
use crate::{produce, route};

const PARTITIONS: usize = 4;

/// By partition: the places of its events in the body.
type Sorted = BTreeMap<u32, Vec<u32>>;

/// What is planned for a body, the places of its events that are rejected, and what its events cost beside their bytes. The same scratch is used
/// for each.
fn planned(body: &str, scratch: &mut Scratch) -> Result<(Sorted, Vec<u32>, u64), Problem> {
    let (topics, budget) = ([lane::TopicOf::new("s", "t")], Budget::new(1 << 20));
    let (broker, lanes) = (
        produce::Settings::new("127.0.0.1:1"),
        lane::Settings::default(),
    );
    let cluster = Cluster::new("c", broker, lanes, topics, &budget, None);
    cluster.set_partitions(0, PARTITIONS);
    let topic = &cluster.topics()[0];
    let settings = route::Settings {
        key: Some("/k".into()),
        on_missing_key: OnMissingKey::Reject,
        ..route::Settings::new("c")
    };
    let route = Route::new(&Stream::of(topic), &settings, &cluster, topic).unwrap();
    let (sent, lanes) = (
        Sent {
            shape: Shape::Json,
            body: body.as_bytes(),
            key: None,
        },
        topic.lanes(),
    );
    let limits = decode::Settings::default().limits().unwrap();
    let mut made = Plan::default();
    plan(&route, &sent, &lanes, &limits, scratch, &mut made)?;
    let mut sorted = Sorted::new();
    for ((slot, partition), wanted) in made
        .slots
        .iter()
        .zip(&made.partitions)
        .zip(wanted(&made, &lanes))
    {
        let lane = &lanes[*partition as usize];
        assert_eq!(
            (slot.lane, slot.partition),
            (lane.number(), lane.partition())
        );
        let events = &made.events[slot.first as usize..(slot.first + slot.count) as usize];
        let bytes: u64 = events.iter().map(Event::weight).sum();
        assert_eq!((wanted.events, wanted.bytes), (slot.count, bytes));
        assert!(Arc::ptr_eq(wanted.lane, lane));
        for event in events {
            assert!(body[event.start as usize..event.end as usize].starts_with("{\"n\":"));
        }
        let before = sorted.insert(*partition, events.iter().map(|it| it.index).collect());
        assert_eq!(before, None, "one slot for each partition");
    }
    let rejected = made.rejected.listed().iter().map(|it| it.index);
    Ok((sorted, rejected.collect(), made.overhead))
}

#[test]
fn events_are_sorted_by_partition_in_the_order_in_which_they_came() {
    let mut scratch = Scratch::default();
    for count in [1_u32, 2, 3, 50, 1, 7] {
        for rejects_each in [0, 3] {
            let is_rejected = |at: &u32| rejects_each > 0 && at % rejects_each == 1;
            let event = |at: u32| match is_rejected(&at) {
                true => format!(r#"{{"n":{at}}}"#),
                false => format!(r#"{{"n":{at},"k":"key{}"}}"#, at * 7 % 5),
            };
            let events: Vec<_> = (0..count).map(event).collect();
            let body = match &events[..] {
                [one] => one.clone(),
                many => format!("[{}]", many.join(",")),
            };
            let mut expected = Sorted::new();
            for at in (0..count).filter(|at| !is_rejected(at)) {
                let key = format!("key{}", at * 7 % 5);
                let partition = partition_of(key.as_bytes(), PARTITIONS) as u32;
                expected.entry(partition).or_default().push(at);
            }
            let rejected: Vec<_> = (0..count).filter(is_rejected).collect();
            let overhead = u64::from(count - rejected.len() as u32) * EVENT_OVERHEAD_BYTES;
            let found = planned(&body, &mut scratch);
            assert_eq!(found.unwrap(), (expected, rejected, overhead), "{body}");
        }
    }
}

#[test]
fn a_body_of_which_nothing_can_be_taken_is_a_problem() {
    let mut scratch = Scratch::default();
    for (body, code) in [
        (r#"{"n":0}"#, "no_valid_event"),
        (r#"[{"n":0},{"n":1}]"#, "no_valid_event"),
        ("[]", "empty"),
    ] {
        let problem = planned(body, &mut scratch).unwrap_err();
        assert_eq!(problem.code, code, "{body}");
    }
}
