//! The program: reads the command line, runs the command, ends with an exit code as in sysexits(3).

use clap::Parser;
use forebay::cli::{Cli, Command, Configuration, Key, Spill};
use forebay::commands::{Failure, attempt, check, dev, key, reload, serve, spill, tail};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Asks the system for pages of 4 KiB only. With huge pages the first byte that is used of 2 MiB makes all of them
/// resident, and what is freed between two bytes in use never comes back: measured with thousands of connections, a third
/// more memory than was ever used, which no budget can count. Best effort: not every sandbox lets a process ask.
fn ask_for_small_pages() {
    rustix::thread::disable_transparent_huge_pages(true).unwrap_or_default();
}

/// Has the allocator give pages back after 10 ms. By default it keeps them for a second, and then until the thread that freed them
/// asks for memory again, which no budget can count. At once would cost CPU: see `benches/DECISIONS.md`.
/// `MIMALLOC_PURGE_DELAY` in the environment, in milliseconds, has precedence.
#[cfg(feature = "mimalloc")]
fn give_pages_back() {
    use std::ffi::{c_int, c_long};
    // `mi_option_purge_delay` of mimalloc.h.
    const PURGE_DELAY: c_int = 15;
    const PURGE_AFTER_MS: c_long = 10;
    #[expect(
        unsafe_code,
        reason = "the allocator has no safe interface for it: the declaration is that of mimalloc.h, and any value is fine"
    )]
    unsafe extern "C" {
        safe fn mi_option_set(option: c_int, value: c_long);
    }
    if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
        mi_option_set(PURGE_DELAY, PURGE_AFTER_MS);
    }
}

fn main() -> std::process::ExitCode {
    ask_for_small_pages();
    #[cfg(feature = "mimalloc")]
    give_pages_back();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way as well, and are no mistake. clap's own code for one is 2.
            drop(error.print());
            return std::process::ExitCode::from(if error.use_stderr() { 64 } else { 0 });
        }
    };
    let done = match cli.command {
        Command::Serve { config, adopt } => serve::run(&config, &adopt),
        Command::Dev {
            config,
            listen,
            admin,
            quiet,
        } => dev::run(config.as_deref(), listen, admin, quiet),
        Command::Check {
            config,
            connect,
            print,
        } => check::run(&config, connect, print),
        Command::Try {
            config,
            route,
            request,
        } => attempt::run(&config, route.as_deref(), &request),
        Command::Spill { what } => spill_directory(what),
        Command::Reload {
            config,
            admin,
            dry_run,
        } => reload::reload(config.as_deref(), &admin, dry_run),
        Command::Key { what: Key::New } => key::new(),
        Command::Key { what: Key::Hash } => key::hash(),
        Command::Config {
            what: Configuration::Diff { file, admin },
        } => reload::diff(&file, &admin),
        Command::Tail {
            stream,
            config,
            from_beginning,
            count,
        } => tail::run(&stream, &config, from_beginning, count),
    };
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn spill_directory(what: Spill) -> Result<(), Failure> {
    match what {
        Spill::Ls { dir, verify } => spill::ls(&dir, verify),
        Spill::Cat { dir, lane } => spill::cat(&dir, &lane),
        Spill::Drain {
            dir,
            config,
            within,
        } => spill::drain(&dir, &config, within),
        Spill::Redrive {
            dir,
            lane,
            config,
            reason,
            dry_run,
            within,
        } => spill::redrive(&dir, &config, &lane, reason.as_deref(), dry_run, within),
    }
}
