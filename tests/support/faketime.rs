//! A wall clock that jumps, for one gateway: libfaketime in front of its C library. The clock that never goes back stays.

use tempfile::NamedTempFile;

/// The wall clock of a process.
pub struct Clock {
    file: NamedTempFile,
    library: String,
}

impl Clock {
    /// One that is right; `None` where libfaketime can't be had.
    pub fn or_skip() -> Option<Clock> {
        let check = "ls /usr/lib/*/faketime/libfaketimeMT.so.1";
        let library = super::found_or_skip("libfaketime", check, &["faketime"])?;
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
