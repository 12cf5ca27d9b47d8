//! What is written, what is counted, and when it is told.

use std::io;
use std::sync::{Arc, Mutex};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// What a log at this level shows of what `speak` says.
fn logged(level: &str, speak: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (written, filter) = (Written::default(), level.parse::<Level>().unwrap());
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(filter)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, speak);
    String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
}

#[test]
fn lines_that_nobody_would_see_use_no_room() {
    let mut limit = LogLimit::new("main");
    let text = logged("info", || {
        for number in 0..1_000 {
            limit.write(7, &format!("chatter {number}x{number}"));
        }
        limit.write(
            3,
            "[thrd:main]: nowhere:9092: Failed to resolve 'nowhere:9092'",
        );
        limit.report_suppressed(Instant::now() + 2 * FIRST);
    });
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.contains("WARN") && text.contains("librdkafka: nowhere:9092: Failed to resolve"),
        "{text}"
    );
}

#[test]
fn a_warning_has_room_when_chatter_has_none() {
    let mut limit = LogLimit::new("main");
    let text = logged("debug", || {
        for letters in ["a", "b"] {
            for number in 0..100 {
                limit.write(5, &format!("{letters}-{number}"));
                limit.write(7, &format!("{letters}-{number}"));
            }
        }
        limit.say(Level::WARN, "the cause");
        limit.say(Level::ERROR, "the end");
        limit.report_suppressed(Instant::now() + 2 * FIRST);
    });
    let of = |level: &str| text.lines().filter(|line| line.contains(level)).count();
    let told = PER_PERIOD as usize + 1;
    assert_eq!(
        (of(" INFO "), of("DEBUG "), of(" WARN "), of("ERROR ")),
        (told, told, 1, 1),
        "{text}"
    );
    assert!(text.contains("190 more lines had no room here, the last: librdkafka: b-99"));
    assert!(
        text.contains("WARN") && text.contains("the cause") && !text.contains("librdkafka: the")
    );
}

#[test]
fn a_repeated_line_is_said_once_and_then_with_its_count_at_growing_intervals() {
    let start = Instant::now();
    let mut shelf = Shelf::default();
    let mut said = Vec::new();
    for second in 0..3_600 {
        let now = start + second * SECOND;
        let line = format!("broker:9092 refused (after {second}ms in state CONNECT)");
        if shelf.takes(&line, now) {
            said.push((second, 1));
        }
        if second % 10 == 0 {
            said.extend(shelf.repeated(now).into_iter().map(|(text, times, ago)| {
                assert!(text.contains("refused") && ago == Duration::ZERO);
                (second, times)
            }));
            assert_eq!(shelf.begin_period(), None);
        }
    }
    let first: Vec<_> = said[..4].to_vec();
    assert_eq!(first, [(0, 1), (60, 60), (180, 120), (420, 240)]);
    assert!((7..14).contains(&said.len()), "{said:?}");
    // Gone for long, it's news again.
    let later = start + 7_200 * SECOND;
    shelf.repeated(later);
    shelf.repeated(later + LONGEST * 3);
    assert!(shelf.takes("broker:9092 refused (after 0ms in state CONNECT)", later));
}

#[test]
fn lines_are_told_apart_by_what_they_name_and_not_by_what_they_measure() {
    let line = |host: &str, ms: u32, more: &str| {
        gist(&format!(
            "{host}: Connect to ipv4#10.0.0.1:9092 failed: Connection refused (after {ms}ms in state CONNECT{more})"
        ))
    };
    assert_eq!(
        line("a1:9092", 3, ""),
        line("a1:9092", 17, ", 30 identical error(s) suppressed")
    );
    assert_ne!(line("a1:9092", 3, ""), line("a2:9092", 3, ""));
    assert_ne!(
        gist("partition [3] has no leader"),
        gist("partition [4] has no leader")
    );
    assert_eq!(
        gist("2 request(s) timed out"),
        gist("14 request(s) timed out")
    );
    assert_ne!(gist("1/3 brokers are down"), gist("3/3 brokers are down"));
    assert_eq!(own_words("[thrd:a:1/bootstrap]: a:1: no"), "a:1: no");
    assert_eq!(own_words("[thrd: odd"), "[thrd: odd");
}

#[test]
fn memory_is_bounded_whatever_is_said() {
    let (start, mut shelf) = (Instant::now(), Shelf::default());
    let long = "ä".repeat(5_000);
    for number in 0..500_u32 {
        shelf.takes(&format!("{number}-{long}-{number}"), start);
        shelf.takes(&format!("x-{number} {long}"), start + SECOND);
        if number % 4 == 0 {
            shelf.begin_period();
        }
    }
    assert!(shelf.lines.len() <= REMEMBERED);
    let bytes = shelf
        .lines
        .iter()
        .map(|line| line.text.len() + line.gist.len());
    assert!(bytes.sum::<usize>() <= REMEMBERED * (2 * LINE_BYTES + 8));
    assert!(shelf.last_held_back.len() <= LINE_BYTES + 8);
}
