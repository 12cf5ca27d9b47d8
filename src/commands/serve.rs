//! `forebay serve`: the gateway.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::managed::Managed;
use super::{Failure, configuration, control_runtime};
use crate::app::{Account, App, Running, Source};
use crate::lifecycle::signals::{Signals, Wish};
use crate::service::Sockets;
use crate::telemetry::{audit, logs};

/// Files that are open beside connections: those of the Kafka clients, of the spill log, and the process's own.
const OTHER_FILES: u64 = 1_024;

/// Runs until a signal, then stops in order. What the spill directories `adopt` hold goes to Kafka as well.
pub fn run(file: &Path, adopt: &[PathBuf]) -> Result<(), Failure> {
    // Before anything else: what they are is said in the environment, by number.
    let sockets = Sockets::inherited();
    let sockets = sockets.map_err(|error| {
        Failure::unavailable(format!("sockets of the service manager: {error}"))
    })?;
    let config = configuration(file)?;
    logs::start(&config.log).map_err(Failure::config)?;
    log_panics();
    let max_connections = config.http.connections(config.memory.budget.0);
    raise_open_files(max_connections);
    if config.http.max_connections.is_none() {
        tracing::info!(
            max_connections,
            "http.max_connections follows memory.budget"
        );
    }
    control_runtime()?.block_on(async {
        let mut signals = Signals::new().map_err(Failure::internal)?;
        let unavailable = |error| Failure::unavailable(format!("{error:#}"));
        let mut app = App::build(config, sockets).map_err(unavailable)?;
        app.reload_from(source(file));
        for dir in adopt {
            app.adopt(dir).map_err(unavailable)?;
        }
        let running = app.spawn().map_err(unavailable)?;
        tracing::info!(version = env!("CARGO_PKG_VERSION"), data = running.data().map(display), tls = running.secure().map(display), admin = %running.admin(), "forebay listens");
        until_stopped(running, &mut signals).await
    })
}

/// Reads the file again, and has files enough for what it says.
fn source(file: &Path) -> Source {
    let file = file.to_owned();
    Arc::new(move || {
        let config = configuration(&file).map_err(|failure| failure.message)?;
        raise_open_files(config.http.connections(config.memory.budget.0));
        Ok(config)
    })
}

/// Raises the limit of open files to what that many connections need, as far as it may be raised.
fn raise_open_files(connections: usize) {
    let wanted = connections as u64 + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let most = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let raised = Rlimit {
        current: Some(most),
        ..limit
    };
    let is_raised = setrlimit(Resource::Nofile, raised).is_ok();
    if !is_raised || most < wanted {
        let files = if is_raised { Some(most) } else { limit.current };
        tracing::warn!(
            files,
            wanted,
            "fewer files may be open than http.max_connections needs; raise the limit (`ulimit -Hn`, systemd's LimitNOFILE), or lower the setting"
        );
    }
}

/// Waits for a signal, or for a part to fail, and stops; a further signal hurries. A hang-up reloads meanwhile.
pub(super) async fn until_stopped(running: Running, signals: &mut Signals) -> Result<(), Failure> {
    let mut managed = Managed::begin(&running)?;
    let failed = loop {
        tokio::select! {
            wish = signals.next() => match wish {
                Wish::Stop(signal) => {
                    tracing::info!(signal, "stopping; once more to hurry");
                    audit::signalled("stop", "begun", signal, None, None);
                    break None;
                }
                Wish::Reload => managed.hang_up(&running),
            },
            why = running.fails() => break Some(why),
            () = managed.goes_on(&running) => {}
        }
    };
    let _told = managed.stopping(running.watch());
    let hurry = async {
        signals.stop().await;
    };
    let account = running.stop(hurry).await;
    say(&account);
    match failed {
        None => Ok(()),
        Some(why) => Err(Failure::internal(format!("{why}: this is a bug"))),
    }
}

/// Panics are lines of the log, with the thread and the place.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or_default();
        tracing::error!(thread, "{panic}: this is a bug in forebay");
    }));
}

/// The last line of the log: what became of every event.
fn say(account: &Account) {
    let Account {
        accepted,
        acked,
        spilled,
        replayed,
        refused,
        failed,
        unknown,
        late,
        dead_letters,
        damaged,
        lost,
        residual,
    } = *account;
    macro_rules! tell {
        ($level:ident, $words:literal) => {
            tracing::$level!(
                accepted,
                acked,
                spilled,
                replayed,
                refused,
                failed,
                unknown,
                late,
                dead_letters,
                damaged,
                lost,
                residual,
                $words
            )
        };
    }
    if damaged > 0 && lost == 0 && residual == 0 {
        tell!(
            error,
            "stopped; every event is accounted for, but damage of its disk has cost the spill log some: `damaged`"
        );
    } else if lost == 0 && residual == 0 && dead_letters == 0 {
        tell!(info, "stopped; every event is accounted for");
    } else if lost == 0 && residual == 0 {
        tell!(
            warn,
            "stopped; every event is accounted for, but kafka has refused some for good: they wait as dead letters until `forebay spill redrive`"
        );
    } else {
        tell!(
            error,
            "stopped; events are not accounted for: this is a bug in forebay"
        );
    }
}
