//! The log: `tracing` to standard error, as text for people or JSON for machines. Its filter can change while it's written.

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;

use super::audit::TARGET;
use super::settings::{Format, Settings};

/// Replaces the filter of the log that was started.
type Replace = Box<dyn Fn(EnvFilter) -> bool + Send + Sync>;

static REPLACE: OnceLock<Replace> = OnceLock::new();

/// The filter. What was changed is told whatever it is, unless it says otherwise of that.
fn filter_of(settings: &Settings) -> Result<EnvFilter, String> {
    let mut filter = settings.filter.clone();
    if !filter.contains(TARGET) {
        filter = format!("{filter},{TARGET}=info");
    }
    EnvFilter::try_new(filter).map_err(|error| {
        format!("log.filter: {error}; write for example \"info\" or \"forebay=debug,info\"")
    })
}

/// Whether these settings can be taken.
pub fn check(settings: &Settings) -> Result<(), String> {
    filter_of(settings).map(drop)
}

/// Changes the filter of the log. Nothing happens if this process's log was started by somebody else.
pub fn change(settings: &Settings) -> Result<(), String> {
    let filter = filter_of(settings)?;
    let is_replaced = REPLACE.get().is_none_or(|replace| replace(filter));
    if is_replaced {
        Ok(())
    } else {
        Err("log.filter: the log is gone".into())
    }
}

/// Starts logging. Only the first call of a process has an effect.
pub fn start(settings: &Settings) -> Result<(), String> {
    let filter = filter_of(settings)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Colours are for people; a file or a pipe gets plain text.
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // Where it's already started, by an embedding program or an earlier test, that one goes on.
    macro_rules! start {
        ($builder:expr) => {{
            let builder = $builder.with_filter_reloading();
            let handle = builder.reload_handle();
            if builder.try_init().is_ok() {
                let replace: Replace = Box::new(move |filter| handle.reload(filter).is_ok());
                drop(REPLACE.set(replace));
            }
        }};
    }
    match settings.format {
        Format::Text => start!(builder),
        Format::Json => start!(builder.json().flatten_event(true).with_target(true)),
    }
    Ok(())
}
