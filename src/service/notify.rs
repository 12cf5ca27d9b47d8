//! What the service manager is told, as datagrams of sd_notify(3).
//!
//! | moment | datagram |
//! | --- | --- |
//! | the ports are open | `READY=1`, `STATUS=` |
//! | SIGHUP: the configuration is read again | `RELOADING=1`, `MONOTONIC_USEC=` |
//! | the reload is over, whatever became of it | `READY=1`, `STATUS=` |
//! | a stop was asked for | `STOPPING=1`, `STATUS=` |
//! | something else is true now | `STATUS=` |
//! | with `WatchdogSec=`, three times in each such time | `WATCHDOG=1` |
//!
//! A thread sends them, in their order. A manager that hangs holds up nobody: what it hasn't taken of the last datagrams then is
//! dropped.

use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use sd_notify::NotifyState;

/// Datagrams that wait for the manager, at most.
const WAITING: usize = 64;
/// Characters of a status, at most: it is one line of `systemctl status`.
const STATUS_CHARACTERS: usize = 400;

/// The service manager; nobody if the process has none.
#[derive(Debug)]
pub struct Manager {
    outbox: Option<SyncSender<String>>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// The one that the environment names.
    ///
    /// # Errors
    ///
    /// No thread can be started.
    pub fn of_this_process() -> io::Result<Manager> {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Ok(Manager {
                outbox: None,
                watchdog: None,
            });
        }
        let (outbox, datagrams) = sync_channel::<String>(WAITING);
        let name = "manager".to_owned();
        std::thread::Builder::new().name(name).spawn(move || {
            for text in datagrams {
                if let Err(error) = sd_notify::notify(&[NotifyState::Custom(&text)]) {
                    tracing::debug!(%error, "the service manager can't be told");
                }
            }
        })?;
        Ok(Manager {
            outbox: Some(outbox),
            watchdog: sd_notify::watchdog_enabled(),
        })
    }

    /// Whether anybody hears.
    pub fn is_there(&self) -> bool {
        self.outbox.is_some()
    }

    /// How often [`Manager::lives`] is to be said, if it is: three times before the manager loses patience.
    pub fn watched_every(&self) -> Option<Duration> {
        self.watchdog.map(|patience| patience / 3)
    }

    /// The process serves, by the configuration in force.
    pub fn ready(&self, status: &str) {
        self.tell(&[NotifyState::Ready, NotifyState::Status(&line(status))]);
    }

    /// The configuration is being read again. [`Manager::ready`] ends it.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&[NotifyState::Reloading, now]),
            // Without its time the manager would take the reload for a failure.
            Err(error) => tracing::debug!(%error, "a reload can't be told"),
        }
    }

    /// The process stops.
    pub fn stopping(&self, status: &str) {
        self.tell(&[NotifyState::Stopping, NotifyState::Status(&line(status))]);
    }

    /// How it is.
    pub fn status(&self, status: &str) {
        self.tell(&[NotifyState::Status(&line(status))]);
    }

    /// The control thread still turns.
    pub fn lives(&self) {
        self.tell(&[NotifyState::Watchdog]);
    }

    fn tell(&self, states: &[NotifyState<'_>]) {
        if let Some(outbox) = &self.outbox {
            let lines: Vec<_> = states.iter().map(ToString::to_string).collect();
            // Who takes nothing for so long can't be told anyway.
            outbox.try_send(lines.join("\n")).ok();
        }
    }
}

/// `status` as one line of bounded length: a line break would begin another assignment.
fn line(status: &str) -> String {
    let short = status.chars().take(STATUS_CHARACTERS);
    let is_break = |it| matches!(it, '\n' | '\r');
    short
        .map(|it| if is_break(it) { ' ' } else { it })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_one_line_of_bounded_length() {
        assert_eq!(line("ready\nSTOPPING=1"), "ready STOPPING=1");
        let long = line(&"ä".repeat(2 * STATUS_CHARACTERS));
        assert_eq!(long.chars().count(), STATUS_CHARACTERS);
    }
}
