//! `forebay try`: what a route would make of a request, without Kafka.

use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Failure, configuration};
use crate::http::access::{Access, Parts};
use crate::http::routes::check::make;
use crate::http::routes::trial::{Against, Told, Trial, Written, attempt};

/// As much of a value is shown, in bytes.
const SHOWN: usize = 400;
/// As much of a request is read, in bytes.
const MOST_BYTES: u64 = 64 << 20;

/// Tries the request in the file `request`; with a route's name, only if it's that route's.
pub fn run(file: &Path, route: Option<&str>, request: &Path) -> Result<(), Failure> {
    let config = configuration(file)?;
    if let Some(route) = route.filter(|route| !config.routes.contains_key(*route)) {
        let known: Vec<_> = config.routes.keys().map(String::as_str).collect();
        let known = known.join(", ");
        return Err(Failure::usage(format!(
            "there is no route {route:?}; known are: {known}"
        )));
    }
    let text = read(request)?;
    let written = Written::parse(&text).map_err(Failure::usage)?;
    let endpoints = make(&config.routes, &config.streams);
    let endpoints = endpoints.map_err(|_| Failure::config("the routes can't be used"))?;
    let limits = config.decode.limits().map_err(Failure::config)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_ms = now.map_or(0, |now| now.as_millis() as i64);
    let access = Access::new(
        &Parts {
            sources: &config.sources,
            cors: &config.cors,
            http: &config.http,
            streams: &config.streams,
            routes: &config.routes,
        },
        None,
        Duration::ZERO,
    );
    let access = access.map_err(Failure::config)?;
    let against = Against {
        endpoints: &endpoints,
        streams: &config.streams,
        limits: &limits,
        http: &config.http,
        access: access.as_deref(),
    };
    let trial = attempt(&against, &written, now_ms);
    let trial = trial.map_err(Failure::usage)?;
    if let Some(route) = route.filter(|route| *route != trial.route) {
        let taken = &trial.route;
        return Err(Failure::usage(format!(
            "the request's path and method belong to route {taken:?}, not to {route:?}"
        )));
    }
    show(&trial);
    Ok(())
}

fn read(request: &Path) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let wrong = |error| Failure::usage(format!("can't read {}: {error}", request.display()));
    match request.as_os_str() == "-" {
        true => std::io::stdin().take(MOST_BYTES).read_to_end(&mut text),
        false => {
            let file = std::fs::File::open(request).map_err(wrong)?;
            file.take(MOST_BYTES).read_to_end(&mut text)
        }
    }
    .map_err(wrong)?;
    Ok(text)
}

fn show(trial: &Trial) {
    println!("route {:?}", trial.route);
    if let Some(source) = &trial.source {
        println!("source {source:?}");
    }
    for (number, stored) in trial.stored.iter().enumerate() {
        let (from, to) = stored.range;
        println!(
            "\nrecord {number}: stream {:?}, bytes {from} to {to} of the body",
            stored.stream
        );
        match &stored.key {
            Some(key) => println!("  key        {}", text(key)),
            None => println!("  key        none"),
        }
        if let Some(id) = &stored.id {
            println!("  id         {}", text(id));
        }
        if stored.gets_id {
            println!("  id         none; the header event-id gets a UUIDv7");
        }
        match stored.time_ms {
            Some(time_ms) => println!("  time       {}", shown_time(time_ms)),
            None => println!("  time       none; that of arrival"),
        }
        if let Some(time_ms) = stored.timestamp_ms {
            println!("  timestamp  {}", shown_time(time_ms));
        }
        for (name, value) in &stored.headers {
            println!("  header     {name}: {}", text(value));
        }
        println!("  value      {}", text(&stored.value));
    }
    for (index, code, detail) in &trial.refused {
        println!("\nevent {index} is refused ({code}): {detail}");
    }
    println!();
    tell("answer, once all of this is durable", &trial.answer);
    tell("answer, if there's no room", &trial.overloaded);
}

fn tell(when: &str, told: &Told) {
    println!("{when}: {}", told.status);
    for (name, value) in &told.headers {
        println!("  {name}: {value}");
    }
    if !told.body.is_empty() {
        println!("  {}", text(&told.body));
    }
}

/// A value for people: cut if it's long, and escaped where it would disturb the terminal.
fn text(bytes: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]);
    let escaped = |char: char| match char.is_control() {
        true => char.escape_default().to_string(),
        false => char.to_string(),
    };
    let more = bytes.len().saturating_sub(SHOWN);
    let rest = match more {
        0 => String::new(),
        more => format!("… ({more} bytes more)"),
    };
    shown.chars().map(escaped).collect::<String>() + &rest
}

fn shown_time(time_ms: i64) -> String {
    let since = std::time::Duration::from_millis(time_ms.unsigned_abs());
    match u64::try_from(time_ms)
        .ok()
        .and_then(|_| UNIX_EPOCH.checked_add(since))
    {
        Some(time) => format!("{} ({time_ms})", humantime::format_rfc3339_millis(time)),
        None => format!("{time_ms} ms since 1970"),
    }
}
