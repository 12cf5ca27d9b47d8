//! Keeps a talkative source from filling the log, without hiding a cause.
//!
//! - A line is written when it is new. A line that comes again is counted, and written again with its count after a pause,
//!   which grows.
//! - Each level has room of its own, so that chatter doesn't use up the room of a warning. Lines below the log's level are
//!   no lines: they use no room.
//! - Two lines are the same if they differ only in what they count or measure.
//! - Few lines are remembered, each shortened: memory is bounded, whatever the source says.

use std::time::{Duration, Instant};

use tracing::Level;

/// Time after which a level has room for new lines again.
const PERIOD: Duration = Duration::from_secs(10);
/// New lines of a level that are written within a [`PERIOD`]; what is above it is counted.
const PER_PERIOD: u32 = 10;
/// Lines of a level that are remembered. A cluster has a handful of brokers that fail in a handful of ways.
const REMEMBERED: usize = 16;
/// Bytes of a line that are kept; librdkafka's are shorter.
const LINE_BYTES: usize = 512;
/// The first pause before a line that came again is written again; the pause doubles up to [`LONGEST`].
const FIRST: Duration = PERIOD;
/// The longest pause: somebody who looks at the last minutes of a log shall see what is wrong.
const LONGEST: Duration = Duration::from_secs(600);
/// The levels that have a shelf, the most important first.
const LEVELS: [Level; 4] = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG];

/// The lines about one cluster: librdkafka's, which writes one per broker and attempt, and our own about its events.
#[derive(Debug)]
pub struct LogLimit {
    cluster: String,
    shelves: [Shelf; LEVELS.len()],
    since: Instant,
}

/// The lines of one level.
#[derive(Debug, Default)]
struct Shelf {
    lines: Vec<Line>,
    /// New lines written in this period.
    written: u32,
    /// Lines that had no room in this period.
    held_back: u64,
    /// The last of them.
    last_held_back: String,
}

/// A line that was written.
#[derive(Debug)]
struct Line {
    gist: String,
    text: String,
    /// How often it came since it was written last.
    again: u64,
    last: Instant,
    /// When it may be written again.
    due: Instant,
    pause: Duration,
}

impl LogLimit {
    /// For the lines about one cluster.
    pub fn new(cluster: &str) -> LogLimit {
        LogLimit {
            cluster: cluster.into(),
            shelves: Default::default(),
            since: Instant::now(),
        }
    }

    /// Writes a line of librdkafka with its syslog level, or counts it.
    pub fn write(&mut self, level: i32, text: &str) {
        let level = match level {
            ..=4 => Level::WARN,
            5 => Level::INFO,
            _ => Level::DEBUG,
        };
        if is_seen(level) {
            self.note(level, &format!("librdkafka: {}", own_words(text)));
        }
    }

    /// Writes a line of forebay's own, or counts it.
    pub fn say(&mut self, level: Level, text: &str) {
        if is_seen(level) {
            self.note(level, text);
        }
    }

    fn note(&mut self, level: Level, text: &str) {
        let now = Instant::now();
        if self.shelf(level).takes(text, now) {
            emit(level, &self.cluster, format_args!("{text}"));
        }
    }

    fn shelf(&mut self, level: Level) -> &mut Shelf {
        let at = LEVELS.iter().position(|known| *known == level);
        &mut self.shelves[at.unwrap_or(LEVELS.len() - 1)]
    }

    /// Once per period, says which lines came again, and how many had no room.
    pub fn report_suppressed(&mut self, now: Instant) {
        if now.duration_since(self.since) < PERIOD {
            return;
        }
        self.since = now;
        for (level, shelf) in LEVELS.into_iter().zip(&mut self.shelves) {
            for (text, times, ago) in shelf.repeated(now) {
                let ago = ago.as_secs();
                let words = format_args!("{text} ({times} times more, last {ago} s ago)");
                emit(level, &self.cluster, words);
            }
            if let Some((lines, last)) = shelf.begin_period() {
                let words = format_args!("{lines} more lines had no room here, the last: {last}");
                emit(level, &self.cluster, words);
            }
        }
    }
}

impl Shelf {
    /// Whether a line is to be written now.
    fn takes(&mut self, text: &str, now: Instant) -> bool {
        let gist = gist(text);
        if let Some(line) = self.lines.iter_mut().find(|line| line.gist == gist) {
            line.again += 1;
            line.last = now;
            text.clone_into(&mut line.text);
            shorten(&mut line.text);
            return false;
        }
        if self.written >= PER_PERIOD {
            self.hold_back(1, text);
            return false;
        }
        self.written += 1;
        self.make_room();
        let mut text = text.to_owned();
        shorten(&mut text);
        self.lines.push(Line {
            gist,
            text,
            again: 0,
            last: now,
            due: now + FIRST,
            pause: FIRST,
        });
        true
    }

    fn hold_back(&mut self, count: u64, text: &str) {
        self.held_back += count;
        text.clone_into(&mut self.last_held_back);
        shorten(&mut self.last_held_back);
    }

    /// Forgets the line that hasn't come for the longest time, if as many are remembered as may be.
    fn make_room(&mut self) {
        if self.lines.len() < REMEMBERED {
            return;
        }
        let lines = self.lines.iter().enumerate();
        if let Some((oldest, _)) = lines.min_by_key(|(_, line)| line.last) {
            let line = self.lines.swap_remove(oldest);
            if line.again > 0 {
                self.hold_back(line.again, &line.text);
            }
        }
    }

    /// The lines that came again and whose pause is over, with how often, and how long ago they did last. Those that stay
    /// away are forgotten: they are news when they come back.
    fn repeated(&mut self, now: Instant) -> Vec<(String, u64, Duration)> {
        let mut repeated = Vec::new();
        self.lines.retain_mut(|line| {
            let ago = now.saturating_duration_since(line.last);
            if now < line.due {
                return true;
            }
            if line.again == 0 {
                return ago < line.pause * 2;
            }
            repeated.push((
                line.text.clone(),
                std::mem::replace(&mut line.again, 0),
                ago,
            ));
            line.pause = (line.pause * 2).min(LONGEST);
            line.due = now + line.pause;
            true
        });
        repeated
    }

    /// Gives new lines room again; how many had none before, and the last of them.
    fn begin_period(&mut self) -> Option<(u64, String)> {
        self.written = 0;
        let lines = std::mem::replace(&mut self.held_back, 0);
        (lines > 0).then(|| (lines, std::mem::take(&mut self.last_held_back)))
    }
}

fn is_seen(level: Level) -> bool {
    match level {
        Level::ERROR => tracing::enabled!(Level::ERROR),
        Level::WARN => tracing::enabled!(Level::WARN),
        Level::INFO => tracing::enabled!(Level::INFO),
        _ => tracing::enabled!(Level::DEBUG),
    }
}

fn emit(level: Level, cluster: &str, words: std::fmt::Arguments<'_>) {
    match level {
        Level::ERROR => tracing::error!(cluster, "{words}"),
        Level::WARN => tracing::warn!(cluster, "{words}"),
        Level::INFO => tracing::info!(cluster, "{words}"),
        _ => tracing::debug!(cluster, "{words}"),
    }
}

/// A line of librdkafka without the name of the thread that wrote it: errors come a second time without it.
fn own_words(text: &str) -> &str {
    let named = text.strip_prefix("[thrd:");
    let rest = named.and_then(|named| named.split_once("]: "));
    rest.map_or(text, |(_, words)| words)
}

/// What a line says, without what it counts or measures: addresses and names with digits stay.
fn gist(text: &str) -> String {
    // librdkafka counts what it has suppressed itself, in a line that is otherwise the same.
    let counted = text.find(" identical error(s) suppressed");
    let comma = counted.and_then(|at| text[..at].rfind(", "));
    let text = comma.map_or(text, |at| &text[..at]);
    let mut gist = String::with_capacity(text.len().min(LINE_BYTES));
    for word in text.split_whitespace() {
        if gist.len() + word.len() > LINE_BYTES {
            break;
        }
        gist.push(' ');
        let number = word.trim_start_matches('(');
        let unit = number.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_measure = unit.len() < number.len()
            && unit
                .chars()
                .all(|c| c.is_alphabetic() || "%),;:".contains(c));
        if is_measure {
            gist.push('#');
            gist.push_str(unit.trim_end_matches(|c: char| !c.is_alphabetic()));
        } else {
            gist.push_str(word.trim_end_matches(')'));
        }
    }
    gist
}

fn shorten(text: &mut String) {
    if text.len() > LINE_BYTES {
        let end = (0..=LINE_BYTES).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
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
            limit.report_suppressed(Instant::now() + 2 * PERIOD);
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
            limit.report_suppressed(Instant::now() + 2 * PERIOD);
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
            text.contains("WARN")
                && text.contains("the cause")
                && !text.contains("librdkafka: the")
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
        assert_eq!(first, [(0, 1), (10, 10), (30, 20), (70, 40)]);
        assert!((8..14).contains(&said.len()), "{said:?}");
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
}
