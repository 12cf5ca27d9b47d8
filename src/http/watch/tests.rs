//! Times of a connection's life, on a clock that tests set.

use super::*;

const MS: Duration = Duration::from_millis(1);

const TIMES: Times = Times {
    head: Duration::from_millis(20),
    idle: Duration::from_millis(60),
    send: Duration::from_millis(40),
};

#[test]
fn a_slow_head_and_a_long_rest_are_told_apart() {
    let activity = Activity::new(Peer::default());
    let at = |ms: u32| activity.start + ms * MS;
    let check = |ms| activity.check_at(at(ms), &TIMES);
    assert_eq!(check(10), Ok(20 * MS), "a head may begin at once");
    activity.bytes_came(1);
    activity.stamp_at(|| at(10));
    assert!(check(29).is_ok());
    activity.bytes_came(1);
    activity.stamp_at(|| at(29));
    assert_eq!(check(30), Err(Slow::Head), "further bytes don't buy time");
    activity.request().end(at(40));
    assert!(check(99).is_ok());
    assert_eq!(check(100), Err(Slow::Idle));
}

#[test]
fn a_head_that_came_as_a_whole_begins_nothing() {
    let activity = Activity::new(Peer::default());
    let at = |ms: u32| activity.start + ms * MS;
    activity.bytes_came(1);
    activity.request().end(at(10));
    activity.stamp_at(|| at(10));
    assert!(activity.check_at(at(40), &TIMES).is_ok());
}

#[test]
fn a_connection_that_waits_for_its_answer_is_not_slow() {
    let activity = Activity::new(Peer::default());
    let at = |ms: u32| activity.start + ms * MS;
    let busy = activity.request();
    assert!(activity.check_at(at(1000), &TIMES).is_ok());
    busy.end(at(1000));
    assert!(activity.check_at(at(1059), &TIMES).is_ok());
}

#[test]
fn answers_that_nobody_takes_end_a_connection_and_any_that_is_taken_buys_time() {
    let activity = Activity::new(Peer::default());
    let at = |ms: u32| activity.start + ms * MS;
    let busy = activity.request();
    let [first, second] = [busy.answer(), busy.answer()];
    for stamped_at in [10, 20] {
        activity.stamp_at(|| at(stamped_at));
    }
    assert!(activity.check_at(at(49), &TIMES).is_ok());
    assert_eq!(activity.check_at(at(50), &TIMES), Err(Slow::Answers));
    drop(first);
    activity.stamp_at(|| at(50));
    assert!(activity.check_at(at(89), &TIMES).is_ok());
    assert_eq!(activity.check_at(at(90), &TIMES), Err(Slow::Answers));
    drop(second);
    assert!(activity.check_at(at(9999), &TIMES).is_ok());
}

#[test]
fn a_socket_that_takes_no_more_ends_a_connection_though_a_request_waits() {
    let activity = Activity::new(Peer::default());
    let at = |ms: u32| activity.start + ms * MS;
    let _busy = activity.request();
    for blocked_at in [10, 20] {
        activity.is_blocked(true);
        activity.stamp_at(|| at(blocked_at));
    }
    assert!(activity.check_at(at(49), &TIMES).is_ok());
    assert_eq!(activity.check_at(at(50), &TIMES), Err(Slow::Answers));
    activity.is_blocked(false);
    assert!(activity.check_at(at(50), &TIMES).is_ok());
}
