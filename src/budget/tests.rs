//! Shares of the budget: who may take how much, and that all of it comes back.

use super::*;

fn account(budget: &Arc<Budget>, cluster: &Arc<Share>) -> Arc<Account> {
    Arc::new(Account {
        budget: Arc::clone(budget),
        stream: Share::of_stream(),
        cluster: Arc::clone(cluster),
        owner: None,
    })
}

fn fill(account: &Arc<Account>, step: u64) -> Vec<Held> {
    std::iter::from_fn(|| account.hold(step).ok()).collect()
}

#[test]
fn a_part_leaves_room_for_what_has_none() {
    let budget = Budget::new(1_000);
    let answers = Share::of_answers();
    let mut held: Vec<_> =
        std::iter::from_fn(|| HeldByProcess::hold_part(&budget, &answers, 10).ok()).collect();
    assert_eq!((held.len(), answers.used()), (20, 200));
    let connection = HeldByProcess::hold(&budget, 800).unwrap();
    assert!(HeldByProcess::hold_part(&budget, &answers, 1).is_err());
    drop(connection);
    held[0].shrink_to(4);
    assert_eq!(
        (held[0].bytes(), answers.used(), budget.used()),
        (4, 194, 194)
    );
    drop(held);
    assert_eq!((answers.used(), budget.used()), (0, 0));
}

#[test]
fn a_lone_stream_takes_half_and_leaves_room_for_others() {
    let budget = Budget::new(1_000);
    let cluster = Share::of_cluster();
    let hot = account(&budget, &cluster);
    let held = fill(&hot, 10);
    assert_eq!(held.len(), 50);
    assert_eq!(hot.hold(10).unwrap_err(), Exhausted::Stream);
    let other = account(&budget, &Share::of_cluster());
    assert!(other.hold(200).is_ok());
}

#[test]
fn many_streams_of_one_cluster_leave_a_third_to_the_other_clusters() {
    let budget = Budget::new(9_000);
    let dead = Share::of_cluster();
    let streams: Vec<_> = (0..50).map(|_| account(&budget, &dead)).collect();
    let held: Vec<_> = streams.iter().map(|stream| fill(stream, 10)).collect();
    assert!(dead.used() <= 6_000, "{}", dead.used());
    let other = account(&budget, &Share::of_cluster());
    assert!(other.hold(1_000).is_ok());
    drop(held);
    assert_eq!((budget.used(), dead.used()), (0, 0));
}

#[test]
fn replays_leave_room_for_new_events_and_go_on_in_the_smallest_budget() {
    let budget = Budget::new(1_000);
    let (live, replays) = (Share::of_cluster(), Share::of_replays());
    let replay = || {
        Arc::new(Account {
            budget: Arc::clone(&budget),
            stream: Share::of_replay(),
            cluster: Arc::clone(&replays),
            owner: None,
        })
    };
    let lone = replay();
    let mut held: Vec<_> = std::iter::from_fn(|| lone.hold_one(10)).collect();
    assert_eq!((held.len(), lone.room()), (20, 0));
    for _ in 0..10 {
        let other = replay();
        held.extend(std::iter::from_fn(|| other.hold_one(10)));
    }
    assert!(replays.used() <= 333, "{}", replays.used());
    // What new events of one stream may take beside them.
    let new = fill(&account(&budget, &live), 10);
    assert!(new.len() >= 33, "{}", new.len());
    drop((held, new));
    assert!(lone.hold(300).is_err());
    let mut one = lone.hold_one(300).unwrap();
    assert!(lone.hold_one(300).is_none(), "only the first");
    one.owe(900);
    assert_eq!((budget.used(), lone.room()), (1_200, 0));
    drop(one);
    assert_eq!((budget.used(), lone.room(), replays.used()), (0, 250, 0));
    assert!(lone.hold_one(501).is_none());
}

#[test]
fn guards_give_back_what_they_hold_and_no_more() {
    let budget = Budget::new(100);
    let account = account(&budget, &Share::of_cluster());
    let mut held = account.hold(20).unwrap();
    held.grow(10).unwrap();
    held.shrink(25);
    assert_eq!((budget.used(), held.bytes()), (5, 5));
    assert!(held.grow(1_000).is_err());
    assert_eq!(budget.used(), 5);
    drop(held);
    assert_eq!(budget.used(), 0);
}

#[test]
fn a_cap_bounds_what_streams_hold_together_and_nobody_else_notices() {
    let budget = Budget::new(1_000_000);
    let cap: Arc<Cap> = Arc::default();
    let of = |owner: Option<&Arc<Cap>>| {
        Arc::new(Account {
            budget: Arc::clone(&budget),
            stream: Share::of_stream(),
            cluster: Share::of_cluster(),
            owner: owner.cloned(),
        })
    };
    let (one, other, stranger) = (of(Some(&cap)), of(Some(&cap)), of(None));
    let mut held = one.hold(900).unwrap();
    cap.set_limit(Some(1_000));
    let of_other = other.hold(100).unwrap();
    assert_eq!(other.hold(1).unwrap_err(), Exhausted::Owner);
    assert_eq!(held.grow(1), Err(Exhausted::Owner));
    assert_eq!((cap.used(), budget.used()), (1_000, 1_000));
    drop(stranger.hold(10_000).unwrap());
    // What is there already is counted, room or not.
    held.owe(500);
    assert_eq!(cap.used(), 1_500);
    cap.set_limit(None);
    drop(other.hold(10_000).unwrap());
    // What the budget refuses is no part of a cap.
    budget.resize(2_000);
    assert!(one.hold(5_000).is_err());
    let taken = held.take();
    held.shrink(1);
    drop((held, taken, of_other));
    assert_eq!((cap.used(), budget.used()), (0, 0));
}

#[test]
fn what_was_nobody_s_becomes_a_stream_s_or_stays() {
    let budget = Budget::new(1_000);
    let nobody = Account::of_nobody(&budget);
    let cap = Arc::new(Cap::default());
    cap.set_limit(Some(300));
    let stream = Arc::new(Account {
        owner: Some(Arc::clone(&cap)),
        ..Account::clone(&account(&budget, &Share::of_cluster()))
    });
    let shares = |account: &Account| (account.stream.used(), account.cluster.used());
    let mut held = nobody.hold(250).unwrap();
    held.move_to(&stream).unwrap();
    assert_eq!((shares(&nobody), shares(&stream)), ((0, 0), (250, 250)));
    assert_eq!((cap.used(), budget.used(), held.bytes()), (250, 250, 250));
    let mut more = nobody.hold(100).unwrap();
    assert_eq!(more.move_to(&stream), Err(Exhausted::Owner));
    assert_eq!((shares(&nobody), shares(&stream)), ((100, 100), (250, 250)));
    cap.set_limit(None);
    let mut most = nobody.hold(500).unwrap();
    assert_eq!(most.move_to(&stream), Err(Exhausted::Stream));
    drop((held, more, most));
    assert_eq!((shares(&nobody), shares(&stream)), ((0, 0), (0, 0)));
    assert_eq!((cap.used(), budget.used()), (0, 0));
}
