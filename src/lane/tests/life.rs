//! Every phase of a lane's life against every input: by the table in the module's docs, and by what must never happen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::lane::life::{Brought, Effect, Input, Life, OverLog, Reader, Reading, Sorting, Stock};

const SORTINGS: [Sorting; 3] = [None, Some(2), Some(3)];
const BOTH: [bool; 2] = [false, true];

fn overs() -> Vec<OverLog> {
    let mut all = Vec::new();
    for (appends, copies) in [(0, 0), (1, 0), (1, 1), (2, 1)] {
        for has_arrivals in BOTH {
            for sorting in SORTINGS {
                all.extend(BOTH.map(|is_turning| OverLog {
                    appends,
                    copies,
                    has_arrivals,
                    sorting,
                    is_turning,
                }));
            }
        }
    }
    all
}

fn readings(now: Instant) -> Vec<Reading> {
    let mut readers: Vec<Reader> = BOTH.map(|has_news| Reader::Rests { has_news }).into();
    for failures in [0, 1] {
        readers.extend(BOTH.map(|has_news| Reader::Reads { has_news, failures }));
    }
    for until in [now, now + Duration::from_millis(1)] {
        readers.push(Reader::Pauses { until, failures: 1 });
    }
    let mut all = Vec::new();
    for reader in readers {
        for is_open in BOTH {
            all.extend(BOTH.map(|has_caught_up| Reading {
                reader,
                is_open,
                has_caught_up,
            }));
        }
    }
    all
}

/// Every life, with a few values for each number.
fn lives(now: Instant) -> Vec<Life> {
    let mut all = vec![Life::Direct];
    for over in overs() {
        all.extend([Life::Spilling(over), Life::Blocked(over)]);
        for reading in readings(now) {
            all.push(Life::Replaying(over, reading));
            for since in [now, now - Duration::from_millis(200)] {
                all.push(Life::Returning(over, reading, since));
            }
        }
    }
    all
}

fn stocks() -> Vec<Stock> {
    let bit = |number: u8, at: u8| number >> at & 1 == 1;
    let stock = |number| Stock {
        is_window_empty: bit(number, 0),
        has_to_copy: bit(number, 1),
        has_to_append: bit(number, 2),
        has_read: bit(number, 3),
    };
    (0..16).map(stock).collect()
}

/// Every input, with its row of the table.
fn inputs() -> Vec<(&'static str, Input)> {
    let mut all = vec![("NotAsked", Input::NotAsked), ("Arrived", Input::Arrived)];
    for flag in BOTH {
        let is_all_in_window = flag;
        all.push(("GoOver", Input::GoOver { is_all_in_window }));
        all.push(("AppendBegun", Input::AppendBegun { is_copy: flag }));
        all.push(("AppendEnded", Input::AppendEnded { is_copy: flag }));
        all.push(("Looked", Input::Looked { is_empty: flag }));
        for is_all in BOTH {
            let has_some = flag;
            let events = Brought::Events { has_some, is_all };
            all.push(("Read", Input::Read(events)));
        }
    }
    all.push(("Read", Input::Read(Brought::Failure)));
    all.push(("Read", Input::Read(Brought::Unknown)));
    for to in SORTINGS {
        all.push(("Recalled", Input::Recalled { to }));
    }
    for stock in stocks() {
        all.push(("Sent", Input::Sent { stock }));
        for flag in BOTH {
            let (is_prompt, may_read) = (flag, flag);
            all.push(("New", Input::New { stock, is_prompt }));
            all.push(("Turn", Input::Turn { stock, may_read }));
        }
        for to in SORTINGS {
            all.extend([-1, 1, 2].map(|partition| {
                let sort = Input::Sort {
                    to,
                    partition,
                    stock,
                };
                ("Sort", sort)
            }));
        }
    }
    all
}

type Cells = BTreeMap<(String, String), BTreeSet<String>>;

/// The table of the module's docs: by input and phase, the phases that may follow.
fn table() -> Cells {
    let text = include_str!("../life/mod.rs");
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | "));
    let mut rows = rows.skip_while(|line| !line.starts_with("input |"));
    let cells = |row: &str| -> Vec<String> {
        let cells = row.trim_end_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    let phases = cells(rows.next().unwrap());
    let mut table = Cells::new();
    for row in rows.skip(1) {
        let row = cells(row);
        for (phase, next) in phases.iter().zip(&row).skip(1) {
            let next = next
                .split(' ')
                .map(|word| if word == "." { phase } else { word });
            let input = row[0].trim_matches('`').to_owned();
            table.insert((input, phase.clone()), next.map(str::to_owned).collect());
        }
    }
    table
}

fn over_of(life: &Life) -> OverLog {
    match life {
        Life::Direct => OverLog::default(),
        Life::Spilling(over)
        | Life::Replaying(over, _)
        | Life::Returning(over, _, _)
        | Life::Blocked(over) => *over,
    }
}

fn reading_of(life: &Life) -> Option<Reading> {
    match life {
        Life::Replaying(_, reading) | Life::Returning(_, reading, _) => Some(*reading),
        _ => None,
    }
}

/// What must not happen, whatever a lane does.
fn assert_sound(before: &Life, input: Input, effect: Effect, after: &Life, now: Instant) {
    let what = || format!("{before:?} with {input:?} became {after:?}: {effect:?}");
    let (was, is) = (over_of(before), over_of(after));
    let changed = (i64::from(is.appends) - i64::from(was.appends)).abs();
    let may_change = match input {
        Input::AppendBegun { .. } => i64::from(!before.is_direct()),
        Input::AppendEnded { .. } => i64::from(was.appends.min(1)),
        _ => 0,
    };
    assert_eq!(changed, may_change, "appends are counted: {}", what());
    let ends_read = matches!(input, Input::Read(_) | Input::NotAsked);
    let keeps_read = !before.is_reading() || after.is_reading() || ends_read;
    assert!(keeps_read, "a read is forgotten: {}", what());
    let begins = !before.is_reading() && after.is_reading();
    let is_read = matches!(effect, Effect::Read { .. });
    assert_eq!(begins, is_read, "reads begin where it's said: {}", what());
    if let Input::Turn { stock, may_read } = input
        && begins
    {
        assert!(may_read && !stock.has_read && !is.is_turning, "{}", what());
        let has_copies = was.copies > 0 || stock.has_to_copy;
        let is_first_read = matches!(before, Life::Spilling(_));
        let may_begin = !is_first_read || stock.is_window_empty && !has_copies;
        assert!(may_begin, "what was sent is overtaken: {}", what());
    }
    if after.is_direct() && !before.is_direct() {
        assert!(!before.is_reading() && was.appends == 0, "{}", what());
        if let Input::New { stock, .. } = input {
            let waits = stock.has_to_append || stock.has_to_copy || stock.has_read;
            let is_read = reading_of(before).unwrap().reader == Reader::Rests { has_news: false };
            assert!(
                is_read && !waits,
                "the log holds more than the window: {}",
                what()
            );
        }
    }
    let was_open = reading_of(before).is_some_and(|reading| reading.is_open);
    let has_reader = reading_of(after).is_some_and(|reading| reading.is_open);
    let opens = before.is_reading() && matches!(input, Input::Read(_));
    let is_gone = (was_open || opens) && !has_reader && effect != Effect::Forget;
    let is_closed = effect == Effect::Close;
    assert_eq!(is_closed, is_gone, "readers are closed once: {}", what());
    if effect == Effect::Hold {
        let Life::Returning(_, _, since) = after else {
            panic!("{}", what())
        };
        let waited = now.duration_since(*since);
        assert!(waited < Duration::from_millis(200), "{}", what());
    }
    assert_sends_where_partitions_are(before, input, effect, after);
}

/// What was read goes to partitions that exist, or something else isn't sent before it.
fn assert_sends_where_partitions_are(before: &Life, input: Input, effect: Effect, after: &Life) {
    let what = || format!("{before:?} with {input:?} became {after:?}: {effect:?}");
    let (was, is) = (over_of(before), over_of(after));
    if let (
        Effect::Send,
        Input::Sort {
            to,
            partition,
            stock,
        },
    ) = (effect, input)
    {
        let is_done = stock.is_window_empty && !stock.has_read && !before.is_reading();
        let count = to.map_or(i32::MAX, |count| count as i32);
        let exists = was
            .sorting
            .map_or((0..count).contains(&partition), |sorted| {
                sorted as i32 <= count
            });
        let is_same = was.sorting == to;
        assert!(is_done || exists || is_same || to.is_none(), "{}", what());
        assert!(
            before.is_direct() || is_same || is.is_turning || is_done,
            "{}",
            what()
        );
    }
}

#[test]
fn every_phase_knows_what_to_do_with_every_input() {
    let now = Instant::now() + Duration::from_secs(1);
    let (table, mut seen) = (table(), Cells::new());
    assert_eq!(table.len(), 5 * 12);
    for before in lives(now) {
        for (row, input) in inputs() {
            let mut after = before;
            let effect = after.step(input, now);
            assert_sound(&before, input, effect, &after, now);
            let (from, to) = (before.phase().as_str(), after.phase().as_str());
            let followers = seen.entry((row.into(), from.into())).or_default();
            if !followers.contains(to) {
                followers.insert(to.to_owned());
            }
        }
    }
    assert_eq!(seen, table, "the table in the docs says otherwise");
}

#[test]
fn a_lane_goes_over_the_log_and_comes_back() {
    let now = Instant::now();
    let mut life = Life::default();
    let mut step = |input, expected| {
        let effect = life.step(input, now);
        assert_eq!(effect, expected, "{input:?}");
        life.phase().as_str()
    };
    let sent = Stock {
        is_window_empty: false,
        has_to_copy: false,
        has_to_append: false,
        has_read: false,
    };
    let empty = Stock {
        is_window_empty: true,
        ..sent
    };
    let (is_copy, may_read, is_prompt) = (true, true, true);
    let late = Input::GoOver {
        is_all_in_window: true,
    };
    assert_eq!(step(late, Effect::Copy), "spilling");
    step(Input::AppendBegun { is_copy }, Effect::Nothing);
    let turn = |stock| Input::Turn { stock, may_read };
    assert_eq!(step(turn(empty), Effect::Nothing), "spilling");
    step(Input::AppendEnded { is_copy }, Effect::Nothing);
    step(Input::Arrived, Effect::Nothing);
    assert_eq!(step(turn(sent), Effect::Nothing), "spilling");
    let read = |is_first| Effect::Read {
        sorting: None,
        is_first,
    };
    assert_eq!(step(turn(empty), read(true)), "replaying");
    let brought = |is_all| {
        Input::Read(Brought::Events {
            has_some: true,
            is_all,
        })
    };
    step(brought(false), Effect::Nothing);
    let new = |stock| Input::New { stock, is_prompt };
    assert_eq!(step(new(sent), Effect::Append), "replaying");
    step(turn(sent), read(false));
    step(brought(true), Effect::Nothing);
    assert_eq!(step(new(sent), Effect::Hold), "returning");
    step(turn(sent), read(false));
    let nothing = Brought::Events {
        has_some: false,
        is_all: true,
    };
    step(Input::Read(nothing), Effect::Nothing);
    assert_eq!(step(new(sent), Effect::Close), "direct");
}

#[test]
fn reads_that_fail_are_tried_again_less_and_less_often() {
    let mut now = Instant::now();
    let stock = Stock {
        is_window_empty: true,
        has_to_copy: false,
        has_to_append: false,
        has_read: false,
    };
    let turn = Input::Turn {
        stock,
        may_read: true,
    };
    let mut life = Life::Spilling(OverLog::default());
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let began = now;
        while life.step(turn, now) == Effect::Nothing {
            now += Duration::from_millis(500);
        }
        pauses.push((now - began).as_secs());
        life.step(Input::NotAsked, now);
        assert!(matches!(life.step(turn, now), Effect::Read { .. }));
        life.step(Input::Read(Brought::Failure), now);
    }
    assert_eq!(pauses, [0, 1, 2, 4, 8, 16, 32, 60]);
}
