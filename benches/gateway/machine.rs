//! What a figure is worth nothing without: the machine, the commit, the date.

use std::fs;
use std::process::Command;

/// As a list in Markdown.
pub(crate) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, Into::into);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "- machine: {}, {cores} CPUs, {} of RAM, Linux {}\n- commit: {}\n- date: {} UTC\n",
        field("/proc/cpuinfo", "model name"),
        memory(),
        kernel.trim(),
        commit(),
        command("date", &["-u", "+%Y-%m-%d %H:%M"]),
    )
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// What follows a name and a colon.
fn field(path: &str, name: &str) -> String {
    let text = read(path);
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_once(':'));
    value
        .map_or("unknown", |(_, value)| value.trim())
        .to_owned()
}

fn memory() -> String {
    let total = field("/proc/meminfo", "MemTotal");
    let kib = total.trim_end_matches(" kB").parse::<f64>();
    kib.map_or(total, |kib| format!("{:.0} GiB", kib / (1024.0 * 1024.0)))
}

/// The commit, and whether there is more than it.
fn commit() -> String {
    let commit = command("git", &["rev-parse", "--short", "HEAD"]);
    let changes = command("git", &["status", "--porcelain"]);
    let changes = if changes.is_empty() { "" } else { "+changes" };
    format!("{commit}{changes}")
}

/// What a command says.
fn command(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    let said = output.ok().filter(|output| output.status.success());
    said.map_or("unknown".to_owned(), |output| {
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    })
}
