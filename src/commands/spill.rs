//! `forebay spill`: what a spill directory holds, of a gateway that runs or is dead. Nothing is changed by looking; only
//! `drain` and `redrive`, which bring it to Kafka, need a directory that nobody else uses.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::{Failure, configuration, control_runtime};
use crate::app::drain::{Choice, Drain, Left, Plan, Reason, Rest, destinations};
use crate::config::Config;
use crate::event::{Event, headers, wire};
use crate::lifecycle::signals::Signals;
use crate::spill::{Damage, Inspector, LostLane};
use crate::telemetry::logs;

/// Longer than anybody waits.
const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);

/// Lists the lanes that have events waiting: name, events, bytes, age of the oldest in seconds; and what damage has cost. With
/// `verify` all events are read for that.
pub fn ls(dir: &Path, verify: bool) -> Result<(), Failure> {
    let inspector = open(dir)?;
    let found = inspector.inspect();
    let mut unreadable = Vec::new();
    for lane in found.lanes.iter().filter(|_| verify) {
        let damaged = inspector.records(&lane.name, lane.first.saturating_sub(1), |_| true);
        match damaged.map_err(Failure::unavailable)? {
            0 => {}
            events => unreadable.push((events, String::from_utf8_lossy(&lane.name))),
        }
    }
    let mut out = std::io::stdout().lock();
    let mut print = || -> std::io::Result<()> {
        writeln!(
            out,
            "{:>12} {:>14} {:>10}  lane",
            "events", "bytes", "oldest s"
        )?;
        for lane in &found.lanes {
            let (name, oldest) = (String::from_utf8_lossy(&lane.name), lane.oldest.as_secs());
            writeln!(
                out,
                "{:>12} {:>14} {oldest:>10}  {name}",
                lane.events, lane.bytes
            )?;
        }
        writeln!(
            out,
            "{} segments, {} bytes on disk",
            found.segments, found.bytes
        )?;
        writeln!(out, "{}", damage(&found.damage))?;
        found
            .lost
            .iter()
            .try_for_each(|lane| writeln!(out, "{}", lost(lane)))?;
        unreadable.iter().try_for_each(|(events, name)| {
            writeln!(out, "{events} events more can't be read back from {name}")
        })
    };
    print().or_else(nobody_reads)
}

/// Prints the events of the lanes whose names begin with `lane`, oldest first, one per line: position, time of arrival in
/// milliseconds since 1970, key, value.
pub fn cat(dir: &Path, lane: &str) -> Result<(), Failure> {
    let inspector = open(dir)?;
    let found = inspector.inspect();
    let wanted: Vec<_> = found
        .lanes
        .iter()
        .filter(|found| found.name.starts_with(lane.as_bytes()))
        .collect();
    if wanted.is_empty() {
        return Err(Failure::usage(format!(
            "no lane with events begins with {lane:?}; see forebay spill ls"
        )));
    }
    let mut out = std::io::stdout().lock();
    for lane in wanted {
        let mut printed = Ok(());
        let shown = inspector.records(&lane.name, lane.first.saturating_sub(1), |stored| {
            printed = print(&mut out, &lane.name, stored.position.lsn, &stored.payload);
            printed.is_ok()
        });
        let damaged = shown.map_err(Failure::unavailable)?;
        if damaged > 0 {
            let name = String::from_utf8_lossy(&lane.name);
            eprintln!("forebay: {damaged} events of {name} are damaged and left out");
        }
        if printed.is_err() {
            return printed.or_else(nobody_reads);
        }
    }
    Ok(())
}

/// Brings what the directory holds to the configured clusters; ends when nothing is left that goes there, at a signal, or
/// after `within`. What hasn't arrived stays in the directory.
pub fn drain(dir: &Path, file: &Path, within: Option<Duration>) -> Result<(), Failure> {
    let config = configuration(file)?;
    logs::start(&config.log).map_err(Failure::config)?;
    let rest = control_runtime()?.block_on(async {
        let mut signals = Signals::new().map_err(Failure::internal)?;
        let drain = begin(&config, dir)?;
        tokio::select! {
            () = drain.finished(tell_left) => {}
            _ = signals.stop() => {}
            () = tokio::time::sleep(within.unwrap_or(FOREVER)) => {}
        }
        Ok::<_, Failure>(drain.stop().await)
    })?;
    conclude(dir, &rest)
}

/// Sends the dead letters of `lane` and `reason` again, with all else that the directory holds, and ends as [`drain`] does. With
/// `is_dry` it only says what would be sent.
pub fn redrive(
    dir: &Path,
    file: &Path,
    lane: &str,
    reason: Option<&str>,
    is_dry: bool,
    within: Option<Duration>,
) -> Result<(), Failure> {
    let config = configuration(file)?;
    let choice = &Choice {
        lane: lane.to_owned(),
        reason: reason.and_then(Reason::parse),
    };
    let found = open(dir)?.inspect();
    let plan = Plan::new(&found.lanes, &destinations(&config), choice);
    if plan.is_empty() {
        return Err(Failure::usage(
            "there are no such dead letters; see forebay spill ls",
        ));
    }
    list(&plan).or_else(nobody_reads)?;
    if is_dry || plan.goes.is_empty() {
        return if is_dry {
            Ok(())
        } else {
            Err(Failure::stays("nothing was sent"))
        };
    }
    logs::start(&config.log).map_err(Failure::config)?;
    let (rest, moved, refused) = control_runtime()?.block_on(async {
        let mut signals = Signals::new().map_err(Failure::internal)?;
        let drain = begin(&config, dir)?;
        let deadline = tokio::time::Instant::now() + within.unwrap_or(FOREVER);
        let sent = async {
            let tell = |events| println!("{events} dead letters are on their way");
            let moved = drain.redrive(choice, tell).await;
            drain.finished(tell_left).await;
            moved
        };
        let moved = tokio::select! {
            moved = sent => Some(moved),
            _ = signals.stop() => None,
            () = tokio::time::sleep_until(deadline) => None,
        };
        let refused = drain.refused();
        Ok::<_, Failure>((drain.stop().await, moved, refused))
    })?;
    if let Some(moved) = &moved {
        println!("{} dead letters were sent again", moved.events());
        for fault in moved.faults() {
            println!("some stay: {fault}");
        }
    }
    if refused > 0 {
        println!("{refused} events were refused for good, and are dead letters");
    }
    conclude(dir, &rest)
}

fn begin(config: &Config, dir: &Path) -> Result<Drain, Failure> {
    Drain::alone(config, dir).map_err(|error| {
        let error = format!("{error:#}");
        let running = "; a gateway that runs sends its dead letters again by POST /dead/redrive on its admin port";
        let more = if error.contains("another process") { running } else { "" };
        Failure::unavailable(error + more)
    })
}

fn tell_left(left: Left) {
    println!("{} events, {} bytes left", left.events, left.bytes);
}

/// The dead letters that a redrive is about.
fn list(plan: &Plan) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:>12} {:>14} {:>10}  dead letters",
        "events", "bytes", "oldest s"
    )?;
    for lane in &plan.goes {
        let (events, bytes, oldest) = (lane.events, lane.bytes, lane.oldest.as_secs());
        writeln!(out, "{events:>12} {bytes:>14} {oldest:>10}  {}", lane.name)?;
    }
    for lane in &plan.stays {
        let (events, bytes, oldest) = (lane.events, lane.bytes, lane.oldest.as_secs());
        let why = "stay: their cluster, stream or topic isn't configured";
        writeln!(
            out,
            "{events:>12} {bytes:>14} {oldest:>10}  {} {why}",
            lane.name
        )?;
    }
    let (events, bytes) = plan.sums();
    writeln!(out, "{events} events, {bytes} bytes to be sent again")
}

/// What damage has cost one lane.
fn lost(lane: &LostLane) -> String {
    let (events, name) = (lane.events, String::from_utf8_lossy(&lane.name));
    let since = lane.since.map_or(String::new(), |since| {
        format!(", the oldest stored about {} s ago", since.as_secs())
    });
    format!("{events} events at least of {name} are lost to damage of the disk{since}")
}

/// Says what stays in the directory; only nothing is success. What was lost long ago is said, and is no failure: nobody can mend it,
/// and whoever found it has told of it.
fn conclude(dir: &Path, rest: &Rest) -> Result<(), Failure> {
    for lane in &rest.dead {
        println!(
            "{} events stay in {}: kafka refused them for good; mend what it says, and send them again with forebay spill redrive",
            lane.events, lane.name
        );
    }
    for lane in &rest.strangers {
        println!(
            "{} events stay in {}: their stream isn't configured",
            lane.events,
            String::from_utf8_lossy(&lane.name)
        );
    }
    rest.lost.iter().for_each(|lane| println!("{}", lost(lane)));
    let left = rest.left;
    if left.events > 0 {
        return Err(Failure::unavailable(format!(
            "{} events are still in {}; run it again",
            left.events,
            dir.display()
        )));
    }
    if left.staying > 0 {
        return Err(Failure::stays(format!(
            "all that goes to kafka is there, but {} events stay in {}",
            left.staying,
            dir.display()
        )));
    }
    if rest.lost.iter().any(|lane| !lane.is_known()) {
        return Err(Failure::stays(
            "all that could be read is in kafka, but damage of the disk has cost events, which was found just now; run again, it's no failure any more",
        ));
    }
    let all = if rest.lost.is_empty() {
        "all"
    } else {
        "all that could be read"
    };
    println!("{all} is in kafka");
    Ok(())
}

fn print(out: &mut impl Write, lane: &[u8], lsn: u64, record: &[u8]) -> std::io::Result<()> {
    write!(out, "{}@{lsn} ", String::from_utf8_lossy(lane))?;
    match wire::decode(record, 0, record.len() as u32, 0) {
        Ok((event, received_ms)) => {
            let key = event.key.bytes(record).map(String::from_utf8_lossy);
            write!(out, "{received_ms} key={} ", key.as_deref().unwrap_or("-"))?;
            print_extra(out, &event, record)?;
            out.write_all(event.record_value(record).unwrap_or(b"(null)"))?;
            out.write_all(b"\n")
        }
        Err(error) => writeln!(out, "({error}; {} bytes)", record.len()),
    }
}

/// What a record has beside its key and its value: its own time, and its headers by name.
fn print_extra(out: &mut impl Write, event: &Event, record: &[u8]) -> std::io::Result<()> {
    if let Some(timestamp_ms) = event.timestamp_ms() {
        write!(out, "time={timestamp_ms} ")?;
    }
    if let Some(id) = event.header_id {
        write!(out, "event-id={id} ")?;
    }
    for (name, value) in headers::iter(event.header_block(record)) {
        let value = value.map_or("(null)".into(), String::from_utf8_lossy);
        write!(out, "{name}={value} ")?;
    }
    Ok(())
}

fn open(dir: &Path) -> Result<Inspector, Failure> {
    Inspector::open(dir).map_err(|error| {
        Failure::unavailable(format!("can't look into {}: {error}", dir.display()))
    })
}

/// A reader that has seen enough is no failure.
fn nobody_reads(error: std::io::Error) -> Result<(), Failure> {
    match error.kind() {
        std::io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Failure::unavailable(error)),
    }
}

/// What is wrong with the files, in words. What a crash leaves behind is said, and is no damage.
fn damage(found: &Damage) -> String {
    let words = [
        (found.lost_events, "events lost"),
        (found.bad_headers.into(), "segments with a damaged header"),
        (found.bad_stretches.into(), "damaged stretches of pages"),
        (found.cut_segments.into(), "segments cut short"),
        (found.unreadable_files.into(), "segments that can't be read"),
        (found.bad_watermarks.into(), "damaged watermarks"),
    ];
    let words = words.into_iter().filter(|(count, _)| *count > 0);
    let words: Vec<_> = words
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let damage = match words.is_empty() {
        true => "no damage".to_owned(),
        false => format!("damage: {}", words.join(", ")),
    };
    let Damage {
        torn_tails,
        scanned_segments,
        ..
    } = found;
    format!(
        "{damage}; {torn_tails} writes cut off by a crash, {scanned_segments} segments without a seal"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_told_in_words() {
        let none = "no damage; 0 writes cut off by a crash, 0 segments without a seal";
        assert_eq!(damage(&Damage::default()), none);
        let some = Damage {
            lost_events: 7,
            cut_segments: 1,
            torn_tails: 2,
            ..Damage::default()
        };
        assert_eq!(
            damage(&some),
            "damage: 7 events lost, 1 segments cut short; 2 writes cut off by a crash, 0 segments without a seal"
        );
    }
}
