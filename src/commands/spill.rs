//! `forebay spill`: what a spill directory holds, of a gateway that runs or is dead. Nothing is changed by looking; only
//! `drain`, which brings it to Kafka, needs a directory that nobody else uses.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::{Failure, configuration, control_runtime};
use crate::app::drain::{Drain, Left};
use crate::event::wire;
use crate::lifecycle::signals::Signals;
use crate::spill::Inspector;
use crate::telemetry::logs;

/// Lists the lanes that have events waiting: name, events, bytes, age of the oldest in seconds.
pub fn ls(dir: &Path) -> Result<(), Failure> {
    let found = open(dir)?.inspect();
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
        writeln!(out, "damage: {:?}", found.damage)
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
        shown.map_err(Failure::unavailable)?;
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
    let tell = |left: Left| println!("{} events, {} bytes left", left.events, left.bytes);
    let left = control_runtime()?.block_on(async {
        let mut signals = Signals::new().map_err(Failure::internal)?;
        let drain = Drain::alone(&config, dir);
        let drain = drain.map_err(|error| Failure::unavailable(format!("{error:#}")))?;
        let forever = Duration::from_secs(u64::from(u32::MAX));
        tokio::select! {
            () = drain.finished(tell) => {}
            _ = signals.next() => {}
            () = tokio::time::sleep(within.unwrap_or(forever)) => {}
        }
        Ok::<_, Failure>(drain.stop().await)
    })?;
    if left.staying > 0 {
        println!(
            "{} events stay: dead letters, and those of streams that aren't configured; see forebay spill ls",
            left.staying
        );
    }
    if left.events > 0 {
        return Err(Failure::unavailable(format!(
            "{} events are still in {}; run it again",
            left.events,
            dir.display()
        )));
    }
    println!("all is in kafka");
    Ok(())
}

fn print(out: &mut impl Write, lane: &[u8], lsn: u64, record: &[u8]) -> std::io::Result<()> {
    write!(out, "{}@{lsn} ", String::from_utf8_lossy(lane))?;
    match wire::decode(record, 0, record.len() as u32, 0) {
        Ok((event, received_ms)) => {
            let key = event.key.bytes(record).map(String::from_utf8_lossy);
            write!(out, "{received_ms} key={} ", key.as_deref().unwrap_or("-"))?;
            out.write_all(event.value(record))?;
            out.write_all(b"\n")
        }
        Err(error) => writeln!(out, "({error}; {} bytes)", record.len()),
    }
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
