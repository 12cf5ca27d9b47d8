//! The audit with planted faults: each must be found, alone and exactly once.

use std::path::Path;

use super::{Book, Verdict};
use crate::ledger::{Entry, Request, Run, Writer};
use crate::outcome::{Fates, Outcome};

const SOURCE: u64 = 0xab;

fn request(runs: &[(u32, u32, u32)], fates: Fates) -> Entry {
    let run = |(key, first, count): &(u32, u32, u32)| Run {
        key: *key,
        first: *first,
        count: *count,
    };
    Entry::Request(Request {
        source: 0,
        due_us: 0,
        sent_after_us: 0,
        latency_us: 1,
        status: 200,
        runs: runs.iter().map(run).collect(),
        fates,
    })
}

fn write(path: &Path, requests: &[Entry]) {
    let mut writer = Writer::create(path).unwrap();
    let source = Entry::Source {
        index: 0,
        id: SOURCE,
        stream: "events".into(),
    };
    writer.append(&source).unwrap();
    for entry in requests {
        writer.append(entry).unwrap();
    }
    writer.close().unwrap();
}

/// Audits `requests` against records given as (key, seq), all of one partition.
fn audit(requests: &[Entry], records: &[(u32, u32)]) -> Verdict {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ledger");
    write(&path, requests);
    let mut book = Book::from_ledgers(&[path], &[]).unwrap();
    for (key, seq) in records {
        let value = format!(r#"{{"id":"lt-ab-{key}-{seq}"}}"#);
        let text = format!("ab-{key}");
        book.found(0, Some(text.as_bytes()), value.as_bytes());
    }
    book.verdict()
}

/// Two keys with three acked events each.
fn acked() -> Vec<Entry> {
    vec![
        request(&[(0, 0, 2), (1, 0, 1)], Fates::all(Outcome::Acked, 3)),
        request(&[(1, 1, 2), (0, 2, 1)], Fates::all(Outcome::Acked, 3)),
    ]
}

const ALL: [(u32, u32); 6] = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (0, 2)];

#[test]
fn what_is_all_there_in_order_passes() {
    let verdict = audit(&acked(), &ALL);
    assert!(verdict.passes(false, true));
    assert_eq!((verdict.sent, verdict.acked, verdict.found), (6, 6, 6));
}

#[test]
fn a_missing_record_is_one_lost() {
    let verdict = audit(&acked(), &ALL[1..]);
    assert_eq!((verdict.lost, verdict.out_of_order), (1, 0));
    assert_eq!(verdict.lost_examples, ["lt-ab-0-0"]);
    assert!(!verdict.passes(true, false));
}

#[test]
fn two_records_of_a_key_swapped_are_one_inversion() {
    let mut records = ALL;
    records.swap(0, 1);
    let verdict = audit(&acked(), &records);
    assert_eq!((verdict.lost, verdict.out_of_order), (0, 1));
    assert_eq!(verdict.order_examples, ["lt-ab-0-0"]);
    assert!(!verdict.passes(false, false));
    assert!(verdict.passes(true, false));
}

#[test]
fn two_records_of_different_keys_swapped_are_none() {
    let mut records = ALL;
    records.swap(1, 2);
    assert!(audit(&acked(), &records).passes(false, true));
}

#[test]
fn a_repeated_record_is_a_duplicate_and_no_inversion() {
    let mut records = ALL.to_vec();
    records.push((0, 0));
    let verdict = audit(&acked(), &records);
    assert_eq!((verdict.duplicated, verdict.out_of_order), (1, 0));
    assert!(verdict.passes(false, false) && !verdict.passes(false, true));
}

#[test]
fn refused_events_must_not_be_there_and_unknown_ones_may() {
    let fates = Fates::each([Outcome::Refused, Outcome::Unknown, Outcome::Spilled]);
    let verdict = audit(&[request(&[(0, 0, 3)], fates)], &[(0, 0), (0, 2), (0, 1)]);
    assert_eq!((verdict.refused, verdict.refused_but_found), (1, 1));
    assert_eq!((verdict.unknown, verdict.unknown_but_found), (1, 1));
    assert_eq!(
        (verdict.out_of_order, verdict.out_of_order_unanswered),
        (0, 1)
    );
    assert!(verdict.passes(false, false) && !verdict.passes(false, true));
}

#[test]
fn records_of_others_and_of_no_ledger_are_told_apart() {
    let mut records = ALL.to_vec();
    records.extend([(0, 3), (9, 0)]);
    assert_eq!(audit(&acked(), &records).unledgered, 2);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ledger");
    write(&path, &acked());
    let mut book = Book::from_ledgers(&[path], &[]).unwrap();
    book.found(0, None, br#"{"id":"lt-ac-0-0"}"#);
    book.found(0, None, b"\x00\x01");
    book.found(0, Some(b"ab-1"), br#"{"id":"lt-ab-0-0"}"#);
    book.found(3, Some(b"ab-0"), br#"{"id":"lt-ab-0-1"}"#);
    let verdict = book.verdict();
    assert_eq!((verdict.strangers, verdict.wrong_key), (2, 1));
    assert_eq!(verdict.split_keys, 1);
}

#[test]
fn what_was_sent_to_another_stream_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ledger");
    write(&path, &acked());
    let sent = |stream: &str| {
        let book = Book::from_ledgers(std::slice::from_ref(&path), &[stream.to_owned()]);
        book.unwrap().sent()
    };
    assert_eq!((sent("events"), sent("others")), (6, 0));
}

#[test]
fn the_same_ledger_twice_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ledger");
    write(&path, &acked());
    let error = Book::from_ledgers(&[path.clone(), path], &[]).unwrap_err();
    assert!(error.to_string().contains("twice"), "{error}");
}
