//! The audit tested against itself: one that cannot fail proves nothing.

use super::{
    Audit, Evidence, Inversion,
    Outcome::{self, Acked, Refused, Unknown},
};

fn evidence(sent: &[(&str, u64, Outcome)], found: &[(&str, u64, i32)]) -> Audit {
    let mut evidence = Evidence::default();
    for (key, id, outcome) in sent {
        evidence.sent(key.as_bytes(), *id, *outcome);
    }
    for (key, id, partition) in found {
        evidence.found(key.as_bytes(), *id, *partition);
    }
    evidence.audit()
}

#[test]
fn a_clean_run_is_clean() {
    let sent = [
        ("a", 5, Acked),
        ("b", 1, Acked),
        ("a", 3, Acked),
        ("a", 9, Refused),
        ("b", 7, Unknown),
    ];
    let audit = evidence(&sent, &[("b", 1, 1), ("a", 5, 0), ("a", 3, 0)]);
    audit.assert_exactly_once();
    assert_eq!(
        (audit.acked, audit.found, audit.records, audit.unknown_found),
        (3, 3, 3, 0)
    );
}

#[test]
fn a_lost_event_is_detected() {
    let audit = evidence(
        &[("a", 1, Acked), ("a", 2, Acked), ("a", 3, Acked)],
        &[("a", 1, 0), ("a", 3, 0)],
    );
    assert!(!audit.is_clean());
    assert_eq!((audit.lost.len(), audit.lost[0].id, audit.found), (1, 2, 2));
    assert!(
        audit.report().contains("lost: key a, id 2"),
        "{}",
        audit.report()
    );
}

#[test]
fn an_inversion_is_detected() {
    let sent = [("a", 1, Acked), ("a", 2, Acked), ("a", 3, Acked)];
    let audit = evidence(&sent, &[("a", 1, 0), ("a", 3, 0), ("a", 2, 0)]);
    assert!(!audit.is_clean());
    let expected = Inversion {
        key: (*b"a").into(),
        id: 2,
        behind: 3,
    };
    assert_eq!((audit.inversions, audit.lost), (vec![expected], vec![]));
}

#[test]
fn an_older_event_that_comes_again_is_a_duplicate_and_not_an_inversion() {
    let audit = evidence(
        &[("a", 1, Acked), ("a", 2, Acked)],
        &[("a", 1, 0), ("a", 2, 0), ("a", 1, 0)],
    );
    assert_eq!((audit.inversions.len(), audit.unexplained), (0, 1));
    assert_eq!(audit.duplicates, 1);
    assert!(std::panic::catch_unwind(|| audit.assert_exactly_once()).is_err());
}

#[test]
fn a_refused_event_in_the_topic_is_detected() {
    let audit = evidence(
        &[("a", 1, Acked), ("a", 2, Refused)],
        &[("a", 1, 0), ("a", 2, 0)],
    );
    assert!(!audit.is_clean());
    assert_eq!(audit.ghosts_refused, 1);
}

#[test]
fn a_record_that_nobody_sent_is_detected() {
    let audit = evidence(&[("a", 1, Acked)], &[("a", 1, 0), ("a", 8, 0), ("b", 1, 0)]);
    assert!(!audit.is_clean());
    assert_eq!(audit.strangers, 2);
}

#[test]
fn a_key_in_two_partitions_is_detected() {
    let audit = evidence(
        &[("a", 1, Acked), ("a", 2, Acked)],
        &[("a", 1, 0), ("a", 2, 1)],
    );
    assert!(!audit.is_clean());
    assert_eq!(audit.split_keys.len(), 1);
}

#[test]
fn events_of_unknown_fate_may_be_there_in_any_order_or_not_at_all() {
    let sent = [("a", 1, Unknown), ("a", 2, Acked), ("a", 3, Unknown)];
    let audit = evidence(&sent, &[("a", 2, 0), ("a", 1, 0)]);
    audit.assert_exactly_once();
    assert_eq!(audit.unknown_found, 1);
}

#[test]
fn of_several_attempts_at_an_event_the_acknowledged_one_counts() {
    // 1 was refused first, and went through after 2.
    let sent = [("a", 1, Refused), ("a", 2, Acked), ("a", 1, Acked)];
    evidence(&sent, &[("a", 2, 0), ("a", 1, 0)]).assert_exactly_once();
    assert_eq!(
        evidence(&sent, &[("a", 1, 0), ("a", 2, 0)])
            .inversions
            .len(),
        1
    );
    assert_eq!(evidence(&sent, &[("a", 2, 0)]).lost.len(), 1);
}

#[test]
fn a_duplicate_that_no_attempt_explains_is_detected() {
    let sent = [("a", 1, Unknown), ("a", 1, Refused), ("a", 1, Acked)];
    let (twice, thrice) = ([("a", 1, 0); 2], [("a", 1, 0); 3]);
    evidence(&sent, &twice).assert_clean();
    assert_eq!(evidence(&sent, &thrice).unexplained, 1);
    assert!(!evidence(&sent, &thrice).is_clean());
}
