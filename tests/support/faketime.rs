//! A wall clock that jumps, for one gateway: libfaketime in front of its C library. The clock that never goes back stays.

use std::path::Path;
use std::process::Command;

use tempfile::NamedTempFile;

/// The wall clock of a process.
pub struct Clock {
    file: NamedTempFile,
    library: String,
}

impl Clock {
    /// One that is right; `None` where libfaketime can't be had.
    pub fn or_skip() -> Option<Clock> {
        let library = match find().or_else(install) {
            Some(library) => library,
            None => {
                return super::skip(
                    "libfaketime",
                    "it isn't installed; try `apt-get install faketime`",
                );
            }
        };
        let clock = Clock {
            file: NamedTempFile::new().unwrap(),
            library,
        };
        clock.step("+0s");
        Some(clock)
    }

    /// What the process needs in its environment.
    pub fn env(&self) -> [(&str, &str); 5] {
        [
            ("LD_PRELOAD", &self.library),
            (
                "FAKETIME_TIMESTAMP_FILE",
                self.file.path().to_str().unwrap(),
            ),
            ("FAKETIME_NO_CACHE", "1"),
            // One name for each age of libfaketime.
            ("DONT_FAKE_MONOTONIC", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ]
    }

    /// From now on the clock is off by so much: `-3600s`.
    pub fn step(&self, by: &str) {
        std::fs::write(self.file.path(), format!("{by}\n")).unwrap();
    }
}

fn find() -> Option<String> {
    let folders = std::fs::read_dir("/usr/lib").ok()?;
    let found = folders
        .flatten()
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    let mut found = found.filter(|library| library.exists());
    found.next()?.into_os_string().into_string().ok()
}

/// As root on a system with apt-get.
fn install() -> Option<String> {
    if !Path::new("/usr/bin/apt-get").exists() {
        return None;
    }
    let script = "apt-get update -q && apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 faketime";
    let installed = Command::new("sh")
        .args(["-ec", script])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output();
    installed.ok().filter(|done| done.status.success())?;
    find()
}
