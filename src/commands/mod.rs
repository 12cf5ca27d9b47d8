//! The commands of the command line. The only place that prints to standard output.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "commands talk to the person at the terminal"
)]

mod admin_port;
pub mod attempt;
mod brokers;
pub mod check;
mod connect;
pub mod dev;
pub mod key;
mod managed;
pub mod reload;
pub mod serve;
pub mod spill;
pub mod tail;

use std::path::Path;
use std::process::ExitCode;

use crate::config::{Config, load};

/// Why a command ended before its time, with the exit code for it (sysexits(3)).
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// 64: the command line asks for something that doesn't exist.
    pub fn usage(message: impl ToString) -> Failure {
        Failure {
            code: 64,
            message: message.to_string(),
        }
    }

    /// 78: the configuration is wrong.
    pub fn config(message: impl ToString) -> Failure {
        Failure {
            code: 78,
            message: message.to_string(),
        }
    }

    /// 65: something stays where it is, and somebody has to decide what becomes of it.
    pub fn stays(message: impl ToString) -> Failure {
        Failure {
            code: 65,
            message: message.to_string(),
        }
    }

    /// 69: something that is needed isn't there, such as a port or a cluster.
    pub fn unavailable(message: impl ToString) -> Failure {
        Failure {
            code: 69,
            message: message.to_string(),
        }
    }

    /// 70: forebay itself failed.
    pub fn internal(message: impl ToString) -> Failure {
        Failure {
            code: 70,
            message: message.to_string(),
        }
    }

    /// 75: it has begun, goes on, and nobody knows yet how it ends.
    pub fn goes_on(message: impl ToString) -> Failure {
        Failure {
            code: 75,
            message: message.to_string(),
        }
    }

    /// Tells the person, and gives the exit code.
    pub fn report(self) -> ExitCode {
        eprintln!("forebay: {}", self.message);
        ExitCode::from(self.code)
    }
}

/// Loads and validates a configuration, with the process's environment.
fn configuration(file: &Path) -> Result<Config, Failure> {
    let mut environment = Vec::new();
    for (name, value) in std::env::vars_os() {
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) => environment.push((name, value)),
            (Ok(name), Err(_)) if name.starts_with("FOREBAY__") => {
                return Err(Failure::config(format!(
                    "environment variable {name} is not utf-8"
                )));
            }
            _ => {}
        }
    }
    let config = load::load(Some(file), environment.into_iter()).map_err(Failure::config)?;
    config.validate().map_err(|problems| {
        let lines: String = problems
            .iter()
            .map(|problem| format!("\n  {problem}"))
            .collect();
        Failure::config(format!("{} can't be used:{lines}", file.display()))
    })?;
    Ok(config)
}

/// The runtime of the control thread: admin port, accepting, signals, the stop.
fn control_runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::internal(format!("can't make a runtime: {error}")))
}
