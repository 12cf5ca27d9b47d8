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
/// The first pause before a line that came again is written again; the pause doubles up to [`LONGEST`]. One of many clusters that
/// are down has a line in it, so that fifty of them write less than one a second.
const FIRST: Duration = Duration::from_secs(60);
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
mod tests;
