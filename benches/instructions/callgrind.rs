//! Runs this program again under callgrind, and reads what one of its threads did.

use std::fs;
use std::process::{Command, Stdio};

/// Instructions of the thread that ran a function whose name contains `mark`, in a run of `times`.
pub(crate) fn count(case: &str, times: usize, mark: &str) -> u64 {
    let folder = tempfile::tempdir().expect("a folder");
    let program = std::env::current_exe().expect("the path of this program");
    let status = Command::new("valgrind")
        .args(["-q", "--tool=callgrind", "--separate-threads=yes"])
        .args(["--fair-sched=yes", "--dump-instr=no"])
        .arg(format!(
            "--callgrind-out-file={}",
            folder.path().join("out").display()
        ))
        .arg(program)
        .args(["run", case, &times.to_string()])
        .stdin(Stdio::null())
        .status();
    let status = status.expect("valgrind starts; is it installed?");
    assert!(status.success(), "{case}: {status}");
    if let Ok(keep) = fs::canonicalize("target/callgrind") {
        keep_for_annotation(&folder, &keep.join(case));
    }
    let outputs = fs::read_dir(folder.path()).expect("the folder");
    outputs
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path()).ok())
        .filter(|text| text.contains(mark))
        .filter_map(|text| total(&text))
        .max()
        .unwrap_or_else(|| panic!("{case}: no thread ran {mark}"))
}

/// If there is a folder `target/callgrind`, what was found stays there, for `callgrind_annotate`.
fn keep_for_annotation(from: &tempfile::TempDir, to: &std::path::Path) {
    let copy = || -> std::io::Result<()> {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from.path())?.flatten() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
        Ok(())
    };
    copy().expect("a copy of callgrind's output");
}

fn total(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .rev()
        .find(|line| line.starts_with("totals:") || line.starts_with("summary:"))?;
    line.split_once(':')?
        .1
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}
